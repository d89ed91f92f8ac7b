//! How events travel: what a receiver gets, how often, and where deliveries never go.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::client::{Answer, Client};
use crate::support::receiver::{OK, Receiver, Reply};
use crate::support::server::{Server, Setup};
use crate::support::time::{in_ms, instant};
use crate::support::wait::{until, until_within};

fn make(ann: &Client, body: &Value) -> i64 {
    ann.post("/api/v1/triggers", body).is(201).json()["id"].as_i64().expect("an integer")
}

fn sending_to(ann: &Client, url: &str) -> i64 {
    make(ann, &json!({"type": "api", "name": "sent", "webhook_url": url}))
}

fn fire(ann: &Client, id: i64) -> String {
    let fired = ann.post(&format!("/api/v1/triggers/{id}/fire"), &json!({"n": 1})).is(200).json();
    format!("/api/v1/event_logs/{}", fired["event_id"])
}

/// The only delivery of an event, once it has so many attempts.
fn delivery(ann: &Client, event: &str, attempts: usize) -> Value {
    until(&format!("{attempts} attempts"), || {
        let delivery = ann.get(event).is(200).json()["deliveries"][0].clone();
        Some(delivery).filter(|delivery| delivery["attempts"].as_array().is_some_and(|made| made.len() >= attempts))
    })
}

#[test]
fn a_delivery_is_a_cloudevents_envelope() {
    let server = Server::start_delivering();
    let ann = server.user();
    let receiver = Receiver::start();
    let body = json!({"type": "scheduled", "name": "nightly", "schedule_details": {"run_at": in_ms(500)}, "api_payload": {"k": [1, null]},
                      "webhook_url": receiver.url()});
    let id = make(&ann, &body);
    let received = receiver.wait_for(1).remove(0);
    assert_eq!((received.method.as_str(), received.path.as_str()), ("POST", "/hook"));
    assert_eq!(received.headers["content-type"], "application/cloudevents+json");
    let event = ann.get("/api/v1/event_logs").is(200).list().remove(0);
    assert_eq!(received.webhook_id(), event["message_id"]);
    let sent_at: i64 = received.headers["webhook-timestamp"].parse().expect("seconds since 1970");
    assert!((sent_at - instant(&event["created_at"]).as_second()).abs() < 30);
    let envelope = received.json();
    assert_eq!((&envelope["specversion"], &envelope["id"]), (&json!("1.0"), &event["message_id"]));
    for required in ["source", "type"] {
        assert!(envelope[required].as_str().is_some_and(|text| !text.is_empty()), "{required}: {envelope}");
    }
    assert_eq!(envelope["data"]["trigger"]["id"], id);
    assert_eq!(envelope["data"]["trigger"]["name"], "nightly");
    assert_eq!(envelope["data"]["firing"]["scheduled_at"], event["scheduled_at"]);
    assert_eq!(envelope["data"]["firing"]["is_test"], false);
    assert_eq!(envelope["data"]["payload"], json!({"k": [1, null]}));
}

#[test]
fn a_test_event_is_delivered_like_any_other_and_says_what_it_is() {
    let server = Server::start_delivering();
    let ann = server.user();
    let receiver = Receiver::start();
    let id = sending_to(&ann, &receiver.url());
    ann.post_nothing(&format!("/api/v1/triggers/{id}/test")).is(200);
    let firing = receiver.wait_for(1)[0].json()["data"]["firing"].clone();
    assert_eq!((&firing["is_test"], &firing["scheduled_at"]), (&json!(true), &Value::Null));
    make(&ann, &json!({"type": "api", "is_test": true, "webhook_url": receiver.url()}));
    assert_eq!(receiver.wait_for(2)[1].json()["data"]["firing"]["is_test"], true, "the one logged at creation, too");
}

#[test]
fn a_failure_is_tried_again_under_the_same_id() {
    let server = Server::start_delivering();
    let ann = server.user();
    let receiver = Receiver::scripted(|_, before| if before == 0 { Reply::Answer(500, "", "broken") } else { OK });
    let event = fire(&ann, sending_to(&ann, &receiver.url()));
    let received = receiver.wait_for(2);
    let pause = received[1].at - received[0].at;
    assert!((Duration::from_secs(3)..Duration::from_secs(10)).contains(&pause), "the first pause is about 5 s, not {pause:?}");
    assert_eq!(received[0].webhook_id(), received[1].webhook_id());
    assert_eq!(received[0].body, received[1].body);
    let delivery = delivery(&ann, &event, 2);
    assert_eq!(delivery["status"], "delivered");
    let statuses: Vec<&Value> = delivery["attempts"].as_array().expect("attempts").iter().map(|attempt| &attempt["status"]).collect();
    assert_eq!(statuses, [500, 200]);
}

#[test]
fn a_dropped_connection_is_a_failure_and_is_tried_again() {
    let server = Server::start_delivering();
    let ann = server.user();
    let receiver = Receiver::scripted(|_, before| if before == 0 { Reply::Drop } else { OK });
    let event = fire(&ann, sending_to(&ann, &receiver.url()));
    let delivery = delivery(&ann, &event, 2);
    assert_eq!((&delivery["attempts"][0]["status"], &delivery["attempts"][1]["status"]), (&Value::Null, &json!(200)));
    assert!(delivery["attempts"][0]["error"].as_str().is_some_and(|error| !error.is_empty()), "{delivery}");
    let received = receiver.received();
    assert_eq!(received.len(), 2, "one attempt is one request");
    assert_eq!(received[0].webhook_id(), received[1].webhook_id());
}

#[test]
fn nobody_listening_is_a_failure_that_is_shown() {
    let server = Server::start_delivering();
    let ann = server.user();
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("an address").port()
    };
    let event = fire(&ann, sending_to(&ann, &format!("http://127.0.0.1:{port}/")));
    let delivery = delivery(&ann, &event, 1);
    assert_eq!((&delivery["status"], &delivery["attempts"][0]["status"]), (&json!("pending"), &Value::Null));
    assert!(delivery["attempts"][0]["error"].is_string());
}

#[test]
fn a_redirect_is_not_followed() {
    let server = Server::start_delivering();
    let ann = server.user();
    let elsewhere = Receiver::start();
    let location: &'static str = Box::leak(format!("location: {}\r\n", elsewhere.url()).into_boxed_str());
    let receiver = Receiver::scripted(move |_, before| Reply::Answer([301, 302, 307, 308][before % 4], location, ""));
    for _ in 0..4 {
        let event = fire(&ann, sending_to(&ann, &receiver.url()));
        let delivery = delivery(&ann, &event, 1);
        assert_eq!(delivery["status"], "pending", "a redirect is no success: {delivery}");
        assert!(delivery["attempts"][0]["status"].as_u64().is_some_and(|status| (300..400).contains(&status)), "{delivery}");
    }
    assert!(elsewhere.received().is_empty());
}

#[test]
fn a_slow_receiver_delays_only_itself() {
    let server = Server::start_delivering();
    let ann = server.user();
    let slow = Receiver::scripted(|_, _| Reply::Slow(Duration::from_secs(8), 200));
    let quick = Receiver::start();
    let (to_slow, to_quick) = (sending_to(&ann, &slow.url()), sending_to(&ann, &quick.url()));
    for _ in 0..60 {
        fire(&ann, to_slow);
    }
    fire(&ann, to_quick);
    until_within(Duration::from_secs(4), "the quick one is served", || Some(()).filter(|()| quick.received().len() == 1));
}

#[test]
fn where_no_destination_is_named_events_are_only_logged() {
    let server = Server::start();
    let ann = server.user();
    let event = fire(&ann, make(&ann, &json!({"type": "api"})));
    assert_eq!(ann.get(&event).is(200).json()["deliveries"], json!([]));
}

#[test]
fn a_format_says_how_the_message_is_written() {
    let server = Server::start_delivering();
    let ann = server.user();
    let receiver = Receiver::start();
    for (format, parts) in [("discord", ["content", "embeds"]), ("slack", ["text", "blocks"])] {
        let body = json!({"type": "api", "name": "the name", "webhook_url": receiver.url(), "format": format});
        let made = ann.post("/api/v1/triggers", &body).is(201).json();
        assert_eq!(made["format"], format);
        let before = receiver.received().len();
        fire(&ann, made["id"].as_i64().expect("an integer"));
        let received = receiver.wait_for(before + 1).remove(before);
        assert_eq!(received.headers["content-type"], "application/json", "{format}");
        assert!(!received.webhook_id().is_empty(), "{format}");
        let message = received.json();
        assert!(parts.iter().any(|part| !message[part].is_null()), "{format}: {message}");
        assert!(message.to_string().contains("the name"), "{format}: {message}");
        assert!(message["specversion"].is_null(), "{format}: {message}");
    }
}

#[test]
fn a_format_is_recognised_from_the_address() {
    let server = Server::start();
    let ann = server.user();
    for (url, format) in [
        ("https://discord.com/api/webhooks/1/abc", "discord"),
        ("https://hooks.slack.com/services/T0/B0/abc", "slack"),
        ("https://example.com/api/webhooks/1/abc", "json"),
    ] {
        assert_eq!(ann.post("/api/v1/triggers", &json!({"type": "api", "webhook_url": url})).is(201).json()["format"], format, "{url}");
    }
    let named = json!({"type": "api", "webhook_url": "https://discord.com/api/webhooks/1/abc", "format": "json"});
    assert_eq!(ann.post("/api/v1/triggers", &named).is(201).json()["format"], "json", "what is named holds");
}

/// Addresses of the inner network, in all their spellings.
const INNER: [&str; 20] = [
    "http://127.0.0.1:9/", "http://127.1:8080/", "http://2130706433:8080/", "http://0x7f000001:8080/", "http://0177.0.0.1:8080/",
    "http://localhost:8080/", "http://LOCALHOST.:8080/", "http://x.localhost:8080/", "http://[::1]:8080/", "http://[::ffff:127.0.0.1]:8080/",
    "http://0.0.0.0:8080/", "http://[::]:8080/", "http://10.1.2.3/", "http://172.16.0.1/", "http://192.168.0.1/", "http://100.64.0.1/",
    "http://[fd00::1]/", "http://printer/", "http://router.local/", "http://db.internal/",
];

/// Addresses that stay refused whatever the operator allows.
const NEVER: [&str; 9] = [
    "http://169.254.169.254/latest/meta-data/", "http://169.254.1.1/", "http://[fe80::1]/", "http://[fd00:ec2::254]/", "http://224.0.0.1/",
    "http://255.255.255.255/", "http://[::ffff:169.254.169.254]/", "http://2852039166/", "http://[64:ff9b::a9fe:a9fe]/",
];

fn save(ann: &Client, url: &str) -> Answer {
    ann.post("/api/v1/triggers", &json!({"type": "api", "webhook_url": url}))
}

#[test]
fn private_addresses_are_refused_at_saving_and_the_switch_is_named() {
    let server = Server::start();
    let ann = server.user();
    for url in INNER.into_iter().chain(NEVER) {
        save(&ann, url).blames("webhook_url");
    }
    let problem = save(&ann, "http://127.0.0.1:8080/").blames("webhook_url").to_string();
    assert!(problem.contains("--allow-private-destinations"), "{problem}");
    let id = make(&ann, &json!({"type": "api", "webhook_url": "https://example.com/"}));
    let at = format!("/api/v1/triggers/{id}");
    ann.patch(&at, &json!({"webhook_url": "http://10.0.0.1/"})).blames("webhook_url");
    ann.put(&at, &json!({"webhook_url": "http://10.0.0.1/"})).blames("webhook_url");
    assert_eq!(ann.get("/api/v1/triggers").is(200).list().len(), 1);
    assert_eq!(ann.get(&at).is(200).json()["webhook_url"], "https://example.com/");
}

#[test]
fn some_addresses_stay_refused_whatever_is_allowed() {
    let server = Server::start_delivering();
    let ann = server.user();
    for url in NEVER {
        save(&ann, url).blames("webhook_url");
    }
    save(&ann, "http://192.168.0.1/").is(201);
}

#[test]
fn oncues_own_port_is_never_a_destination() {
    let server = Server::start_delivering();
    let ann = server.user();
    let port = server.port();
    for url in [format!("http://127.0.0.1:{port}/triggers"), format!("http://127.0.0.2:{port}/"), format!("http://[::1]:{port}/"), format!("http://[::ffff:7f00:1]:{port}/")] {
        save(&ann, &url).blames("webhook_url");
    }
    let answer = save(&ann, &format!("http://localhost:{port}/triggers"));
    if answer.status == 201 {
        let event = fire(&ann, answer.json()["id"].as_i64().expect("an integer"));
        let delivery = delivery(&ann, &event, 1);
        assert_eq!(delivery["attempts"][0]["status"], Value::Null, "a name is judged when it is dialled: {delivery}");
    } else {
        answer.blames("webhook_url");
    }
}

#[test]
fn an_address_is_judged_again_when_it_is_dialled() {
    let server = Server::start_delivering();
    let ann = server.user();
    let receiver = Receiver::start();
    let id = sending_to(&ann, &receiver.url());
    fire(&ann, id);
    receiver.wait_for(1);
    let server = server.stop().without_flags().serve();
    let ann = ann.at(server.base());
    let event = fire(&ann, id);
    let delivery = delivery(&ann, &event, 1);
    assert_eq!(delivery["attempts"][0]["status"], Value::Null);
    let error = delivery["attempts"][0]["error"].as_str().unwrap_or_default().to_owned();
    assert!(error.contains("--allow-private-destinations"), "the switch is named: {error}");
    assert_eq!(receiver.received().len(), 1);
}

#[test]
fn the_default_destination_takes_what_names_none() {
    let own = Receiver::start();
    let default = Receiver::start();
    let server = Setup::new().flag("--allow-private-destinations").option("--default-webhook", &default.url()).serve();
    let ann = server.user();
    fire(&ann, make(&ann, &json!({"type": "api", "name": "unnamed"})));
    fire(&ann, sending_to(&ann, &own.url()));
    assert_eq!(default.wait_for(1)[0].json()["data"]["trigger"]["name"], "unnamed");
    own.wait_for(1);
    assert_eq!(default.received().len(), 1);
}

#[test]
fn the_default_destination_is_exempt_from_the_guard_and_nobody_learns_what_it_is() {
    let receiver = Receiver::scripted(|_, _| Reply::Answer(500, "x-answer: answer-header-canary\r\n", "answer-body-canary"));
    let url = format!("http://127.0.0.1:{}/path-canary?key=query-canary", receiver.port());
    let server = Setup::new().variable("HTTP_URL", &url).serve();
    let ann = server.user();
    let id = make(&ann, &json!({"type": "api"}));
    let event = fire(&ann, id);
    let delivery = delivery(&ann, &event, 1);
    assert_eq!(receiver.received().len(), 1);
    assert_eq!(receiver.received()[0].path, "/path-canary?key=query-canary");
    assert!(delivery.to_string().contains("default"), "{delivery}");
    save(&ann, &url).blames("webhook_url");
    let browser = server.nobody().with("cookie", &format!("access_token={}", ann.token()));
    let event_number = event.rsplit('/').next().expect("an id");
    for path in [event.clone(), format!("/api/v1/triggers/{id}"), format!("/triggers/{id}"), "/api/v1/event_logs".to_owned(),
                 "/api/v1/event_logs/event_logs_html".to_owned(), "/".to_owned(), "/logs/active".to_owned(), "/metrics".to_owned(),
                 format!("/events/{event_number}"), format!("/triggers/{id}/edit"), "/openapi.json".to_owned()] {
        let shown = browser.get(&path).text;
        for secret in ["canary", &receiver.port().to_string()] {
            assert!(!shown.contains(secret), "{secret} in {path}: {shown}");
        }
    }
}

#[test]
fn what_users_name_does_not_profit_from_the_exemption() {
    let receiver = Receiver::start();
    let server = Setup::new().option("--default-webhook", &receiver.url()).serve();
    let ann = server.user();
    save(&ann, &receiver.url()).blames("webhook_url");
    save(&ann, &format!("{}/other", receiver.url())).blames("webhook_url");
}

#[test]
fn a_trigger_with_its_own_destination_keeps_it_when_edited() {
    let server = Server::start_delivering();
    let ann = server.user();
    let (first, second) = (Receiver::start(), Receiver::start());
    let id = sending_to(&ann, &first.url());
    fire(&ann, id);
    first.wait_for(1);
    ann.patch(&format!("/api/v1/triggers/{id}"), &json!({"webhook_url": second.url()})).is(200);
    fire(&ann, id);
    second.wait_for(1);
    ann.patch(&format!("/api/v1/triggers/{id}"), &json!({"name": "renamed"})).is(200);
    fire(&ann, id);
    assert_eq!(second.wait_for(2)[1].json()["data"]["trigger"]["name"], "renamed");
    assert_eq!(first.received().len(), 1);
}
