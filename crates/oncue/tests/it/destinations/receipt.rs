//! The receipt of each attempt: what was sent and what came back, word for word, with the values that an owner put into headers left
//! out wherever anybody could read them.

use std::process::Command;

use serde_json::{Value, json};

use super::{event_when, fire, make, trigger, webhook};
use crate::support::client::Client;
use crate::support::receiver::{Receiver, Reply};
use crate::support::server::{Server, Setup, free_port};

const SECRET: &str = "Bearer s3cr3t-4711";

/// The part of it that nobody may read.
const TOKEN: &str = "s3cr3t-4711";

/// How many bytes of an answer are kept.
const ANSWER_BYTES: usize = 16 * 1024;

/// A receiver that repeats what it is told, first with an error and 20 KiB.
fn talkative() -> Receiver {
    let long: &'static str = format!("you said {SECRET}! {}", "x".repeat(20 * 1024)).leak();
    Receiver::scripted(move |_, before| match before {
        0 => Reply::Answer(500, "server: bare/1.0\r\nx-echo: s3cr3t-4711\r\n", long),
        _ => Reply::Answer(200, "server: bare/1.0\r\n", "{\"thank\": \"you\"}"),
    })
}

fn to(receiver: &Receiver) -> Value {
    json!({"name": "Ops", "kind": "webhook", "url": format!("{}?a='b'&c=$HOME", receiver.url()), "retries": ["1s"],
        "headers": {"authorization": SECRET, "x-kind": "templated {{ trigger.name }}"}})
}

/// The page of an attempt that the API shows at `path`.
fn page_of(path: &str) -> String {
    path.replace("/api/v1/event_logs", "/events")
}

fn header<'a>(headers: &'a Value, name: &str) -> &'a Value {
    let mut all = headers.as_array().expect("a list").iter();
    all.find(|header| header["name"] == name)
        .map(|header| &header["value"])
        .unwrap_or_else(|| panic!("{name}: {headers}"))
}

/// Fires at the receiver until it was delivered; gives where the delivery's attempts are.
fn delivered(ann: &Client, receiver: &Receiver) -> String {
    let event = fire(ann, trigger(ann, &[&make(ann, &to(receiver))]));
    event_when(ann, &event, "it is delivered", |all| all[0]["state"] == "delivered");
    format!("{event}/deliveries/0/attempts")
}

#[test]
fn both_receipts_of_a_delivery_that_failed_once_are_whole_and_keep_the_secret() {
    let server = Server::start_delivering();
    let ann = server.user();
    let receiver = talkative();
    let attempts = delivered(&ann, &receiver);
    let received = receiver.received();
    assert_eq!(received.len(), 2);
    for (number, call) in (1..).zip(&received) {
        assert_eq!(call.headers["authorization"], SECRET, "the receiver is told");
        let answer = ann.get(&format!("{attempts}/{number}")).is(200);
        assert!(!answer.text.contains(TOKEN), "{}", answer.text);
        let receipt = answer.json();
        let request = &receipt["request"];
        assert_eq!(request["method"], "POST");
        let url = request["url"].as_str().expect("an address");
        assert!(url.ends_with(&call.path) && url.starts_with("http://127.0.0.1:"), "{url} {}", call.path);
        for header in request["headers"].as_array().expect("a list") {
            let (name, value) = (header["name"].as_str().expect("a name"), &header["value"]);
            let is_secret = ["authorization", "x-kind"].contains(&name);
            let expected = if is_secret { Value::Null } else { json!(call.headers[name]) };
            assert_eq!(value, &expected, "{name}");
        }
        assert_eq!(header(&request["headers"], "webhook-id"), call.webhook_id());
        let body = String::from_utf8(call.body.clone()).expect("a text");
        assert_eq!((&request["body"], &request["body_bytes"]), (&json!(body), &json!(call.body.len())));
        assert_eq!(receipt["address"], format!("127.0.0.1:{}", receiver.port()));
        let timings = &receipt["timings"];
        assert!(timings["queue_ms"].as_f64().is_some_and(|ms| (0.0..60_000.0).contains(&ms)), "{timings}");
        assert!(timings["wait_ms"].is_number() && timings["tls_ms"].is_null(), "{timings}");
        assert_eq!(header(&receipt["response"]["headers"], "server"), "bare/1.0");

        let page = ann.get(&page_of(&format!("{attempts}/{number}"))).is(200).text;
        assert!(!page.contains(TOKEN), "{page}");
        for words in ["authorization: (hidden)", "server: bare/1.0", call.webhook_id(), "SECRET_AUTHORIZATION"] {
            assert!(page.contains(words), "{words}: {page}");
        }
        let file = ann.get(&page_of(&format!("{attempts}/{number}/body"))).is(200);
        assert_eq!((file.text.as_bytes(), file.header("content-type")), (&*call.body, "application/octet-stream"));
        assert!(file.header("content-disposition").starts_with("attachment"));
    }
    let first = ann.get(&format!("{attempts}/1")).is(200).json();
    assert_eq!((&first["status"], &first["response"]["status"]), (&json!(500), &json!(500)));
    assert!(first["cause"].as_str().is_some_and(|cause| cause.contains("error of its own")), "{first}");
    let said = first["response"]["body"].as_str().expect("a text");
    assert!(said.starts_with("you said (hidden)! xxx") && said.len() > ANSWER_BYTES - 100, "{}", said.len());
    assert!(said.len() <= ANSWER_BYTES, "{}", said.len());
    assert_eq!(header(&first["response"]["headers"], "x-echo"), "(hidden)");
    let second = ann.get(&format!("{attempts}/2")).is(200).json();
    assert_eq!((&second["cause"], &second["response"]["body"]), (&Value::Null, &json!("{\"thank\": \"you\"}")));
    let event = ann.get(attempts.split("/deliveries").next().expect("a path")).is(200);
    assert!(!event.text.contains(TOKEN), "{}", event.text);
    assert!(server.log().find(TOKEN).is_none(), "nor does the log say it");
}

#[test]
fn the_command_sends_the_same_again_once_the_secret_is_filled_in() {
    let server = Server::start_delivering();
    let ann = server.user();
    let receiver = talkative();
    let attempts = delivered(&ann, &receiver);
    let command = ann.get(&format!("{attempts}/2")).is(200).json()["curl"].as_str().expect("a command").to_owned();
    let output = Command::new("sh")
        .args(["-c", &format!("{} --silent --show-error --noproxy '*'", command)])
        .env("SECRET_AUTHORIZATION", SECRET)
        .env("SECRET_2_X_KIND", "templated spread")
        .output()
        .expect("there is a shell");
    assert!(output.status.success(), "{command}\n{output:?}");
    let received = receiver.wait_for(3);
    let (by_us, by_curl) = (&received[1], &received[2]);
    assert_eq!((&by_us.method, &by_us.path, &by_us.body), (&by_curl.method, &by_curl.path, &by_curl.body));
    for (name, value) in &by_us.headers {
        assert_eq!(by_curl.headers.get(name), Some(value), "{name}");
    }
}

#[test]
fn nobody_else_reads_a_receipt_and_what_is_not_there_is_not_found() {
    let server = Server::start_delivering();
    let (ann, bob) = (server.user(), server.register("bob@example.com"));
    let attempts = delivered(&ann, &talkative());
    for path in [format!("{attempts}/1"), page_of(&format!("{attempts}/1")), page_of(&format!("{attempts}/1/body"))] {
        ann.get(&path).is(200);
        let answer = bob.get(&path).is(404);
        assert!(!answer.text.contains("127.0.0.1"), "{}", answer.text);
        assert!([401, 302].contains(&server.nobody().get(&path).status), "{path}");
    }
    for wrong in ["0", "3", "x", "-1", "99999999999999999999"] {
        ann.get(&format!("{attempts}/{wrong}")).problem(404);
    }
    ann.get(&attempts.replace("/deliveries/0/", "/deliveries/1/").replace("attempts", "attempts/1")).problem(404);
}

#[test]
fn what_nobody_could_reach_has_a_receipt_as_far_as_it_came() {
    let server = Server::start_delivering();
    let ann = server.user();
    let receiver = Receiver::start();
    let mut said = to(&receiver);
    let url = format!("https://127.0.0.1:{}/", free_port());
    said["url"] = json!(url);
    let event = fire(&ann, trigger(&ann, &[&make(&ann, &said)]));
    event_when(&ann, &event, "an attempt was made", |all| all[0]["attempts"] != json!([]));
    let receipt = ann.get(&format!("{event}/deliveries/0/attempts/1")).is(200).json();
    assert_eq!((&receipt["status"], &receipt["response"]), (&Value::Null, &Value::Null));
    assert_eq!(receipt["request"]["url"], json!(url));
    let timings = &receipt["timings"];
    assert!(timings["connect_ms"].is_number() && timings["wait_ms"].is_null(), "{receipt}");
    assert!(receipt["cause"].as_str().is_some_and(|cause| cause.contains("nothing listens")), "{receipt}");
}

#[test]
fn a_template_that_does_not_fit_sent_nothing_and_says_so() {
    let server = Server::start_delivering();
    let ann = server.user();
    let receiver = Receiver::start();
    let mut said = to(&receiver);
    said["body"] = json!({"format": "own", "template": "{{ payload.there.is.none }}"});
    let event = fire(&ann, trigger(&ann, &[&make(&ann, &said)]));
    event_when(&ann, &event, "an attempt was made", |all| all[0]["attempts"] != json!([]));
    let path = format!("{event}/deliveries/0/attempts/1");
    let receipt = ann.get(&path).is(200).json();
    assert_eq!(
        (&receipt["request"], &receipt["curl"], &receipt["is_kept"]),
        (&Value::Null, &Value::Null, &json!(true))
    );
    assert!(ann.get(&page_of(&path)).is(200).text.contains("Nothing was sent"));
    ann.get(&page_of(&format!("{path}/body"))).is(404);
}

#[test]
fn of_the_operators_own_destination_users_see_times_alone() {
    let receiver = talkative();
    let server = Setup::new().variable("HTTP_URL", &receiver.url()).serve();
    let ann = server.user();
    let trigger = ann.post("/api/v1/triggers", &json!({"type": "api", "name": "spread"})).is(201).json();
    let event = fire(&ann, trigger["id"].as_i64().expect("an integer"));
    event_when(&ann, &event, "an attempt was made", |all| all[0]["attempts"] != json!([]));
    let path = format!("{event}/deliveries/0/attempts/1");
    let answer = ann.get(&path).is(200);
    let page = ann.get(&page_of(&path)).is(200).text;
    for said in [&answer.text, &page] {
        assert!(!said.contains(&receiver.port().to_string()) && !said.contains("you said"), "{said}");
        assert!(!said.contains("bare/1.0") && !said.contains("webhook-timestamp"), "{said}");
    }
    let receipt = answer.json();
    assert_eq!((&receipt["request"], &receipt["address"]), (&Value::Null, &Value::Null));
    assert!(receipt["timings"]["wait_ms"].is_number(), "{receipt}");
}

#[test]
fn a_binary_form_and_an_inbox_have_receipts_too() {
    let server = Server::start_delivering();
    let ann = server.user();
    let receiver = Receiver::start();
    let hook = webhook(&ann, "Hook", &receiver);
    let inbox = make(&ann, &json!({"name": "Try", "kind": "inbox", "headers": {"x-key": SECRET}}));
    let event = fire(&ann, trigger(&ann, &[&hook, &inbox]));
    event_when(&ann, &event, "both are delivered", |all| all.iter().all(|one| one["state"] == "delivered"));
    let signed = ann.get(&format!("{event}/deliveries/0/attempts/1")).is(200).json();
    let signature = header(&signed["request"]["headers"], "webhook-signature");
    assert_eq!(signature, &json!(receiver.received()[0].headers["webhook-signature"]), "a signature is no secret");
    let kept = ann.get(&format!("{event}/deliveries/1/attempts/1")).is(200);
    assert!(!kept.text.contains(TOKEN), "{}", kept.text);
    let kept = kept.json();
    assert_eq!((&kept["request"]["url"], &kept["curl"]), (&json!("oncue:inbox"), &Value::Null));
}
