//! What a receiver gets: the envelope, its headers, and the formats of chat services.

use serde_json::{Value, json};

use super::{fire, make, sending_to};
use crate::support::receiver::Receiver;
use crate::support::server::Server;
use crate::support::time::{in_ms, instant};

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
        assert_eq!(
            ann.post("/api/v1/triggers", &json!({"type": "api", "webhook_url": url})).is(201).json()["format"],
            format,
            "{url}"
        );
    }
    let named = json!({"type": "api", "webhook_url": "https://discord.com/api/webhooks/1/abc", "format": "json"});
    assert_eq!(ann.post("/api/v1/triggers", &named).is(201).json()["format"], "json", "what is named holds");
}
