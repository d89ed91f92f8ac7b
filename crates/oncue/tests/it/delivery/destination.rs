//! Whose destination it is: the trigger's own, the operator's default, or none.

use serde_json::json;

use super::{delivery, fire, make, save, sending_to};
use crate::support::receiver::{Receiver, Reply};
use crate::support::server::{Server, Setup};

#[test]
fn where_no_destination_is_named_events_are_only_logged() {
    let server = Server::start();
    let ann = server.user();
    let event = fire(&ann, make(&ann, &json!({"type": "api"})));
    assert_eq!(ann.get(&event).is(200).json()["deliveries"], json!([]));
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
    let tried = ann.post("/triggers/test", &json!({"name": "tried", "trigger_type": "api"})).is(200).json();
    let envelope = default.wait_for(2)[1].json();
    assert_eq!(envelope["data"]["trigger"]["id"], tried["id"], "what is only tried out is delivered like any other");
    assert_eq!(envelope["data"]["firing"]["is_test"], true);
}

#[test]
fn the_default_destination_is_exempt_from_the_guard_and_nobody_learns_what_it_is() {
    let receiver =
        Receiver::scripted(|_, _| Reply::Answer(500, "x-answer: answer-header-canary\r\n", "answer-body-canary"));
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
    for path in [
        event.clone(),
        format!("/api/v1/triggers/{id}"),
        format!("/triggers/{id}"),
        "/api/v1/event_logs".to_owned(),
        "/api/v1/event_logs/event_logs_html".to_owned(),
        "/".to_owned(),
        "/logs/active".to_owned(),
        "/metrics".to_owned(),
        format!("/events/{event_number}"),
        format!("/triggers/{id}/edit"),
        "/openapi.json".to_owned(),
    ] {
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
