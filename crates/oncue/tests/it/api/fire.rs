//! `/fire` and `/test`: events that no schedule made.

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::server::Server;
use crate::support::time::in_ms;
use crate::support::wait::until;

/// Both surfaces have the call.
const SURFACES: [&str; 2] = ["/api/v1/triggers", "/triggers"];

fn make(ann: &Client, body: &Value) -> i64 {
    ann.post("/api/v1/triggers", body).is(201).json()["id"].as_i64().expect("an integer")
}

fn payload_of(ann: &Client, fired: &Value) -> Value {
    ann.get(&format!("/api/v1/event_logs/{}", fired["event_id"])).is(200).json()["payload"].clone()
}

#[test]
fn any_json_value_is_a_payload() {
    let server = Server::start();
    let ann = server.user();
    let id = make(&ann, &json!({"type": "api", "api_payload": {"own": true}}));
    for surface in SURFACES {
        for payload in [
            json!({"a": {"b": [1, 2.5, null]}}),
            json!([]),
            json!("text"),
            json!(7),
            json!(true),
            Value::Null,
            json!({}),
        ] {
            let fired = ann.post(&format!("{surface}/{id}/fire"), &payload).is(200).json();
            assert!(fired["message"].is_string(), "{fired}");
            assert_eq!(payload_of(&ann, &fired), payload, "{surface}");
        }
    }
}

#[test]
fn without_a_body_the_triggers_own_payload_is_taken_else_an_empty_object() {
    let server = Server::start();
    let ann = server.user();
    let with = make(&ann, &json!({"type": "api", "api_payload": {"own": true}}));
    let without = make(&ann, &json!({"type": "api"}));
    for surface in SURFACES {
        let fire = |id: i64| ann.post_nothing(&format!("{surface}/{id}/fire")).is(200).json();
        assert_eq!(payload_of(&ann, &fire(with)), json!({"own": true}));
        assert_eq!(payload_of(&ann, &fire(without)), json!({}));
    }
}

#[test]
fn a_payload_has_at_most_256_kib() {
    let server = Server::start();
    let ann = server.user();
    let id = make(&ann, &json!({"type": "api"}));
    let text = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
    for surface in SURFACES {
        let fire =
            |body: String| ann.call("POST", &format!("{surface}/{id}/fire")).body("application/json", body).send();
        fire(text(256 * 1024)).is(200);
        fire(text(256 * 1024 + 1)).is(413);
        fire(text(1024 * 1024)).is(413);
    }
    assert_eq!(ann.get("/api/v1/event_logs").is(200).list().len(), 2);
}

#[test]
fn what_is_not_json_is_refused_and_fires_nothing() {
    let server = Server::start();
    let ann = server.user();
    let id = make(&ann, &json!({"type": "api"}));
    for surface in SURFACES {
        let fire =
            |body: &[u8]| ann.call("POST", &format!("{surface}/{id}/fire")).body("application/json", body).send();
        for nonsense in [&b"{"[..], b"nonsense", b"{} {}", b"\xff\xfe", b"[1,]", b"NaN"] {
            let answer = fire(nonsense);
            assert!(matches!(answer.status, 400 | 422), "{surface} {nonsense:?}: {}", answer.status);
        }
        let deep = "[".repeat(100_000);
        let answer = fire(deep.as_bytes());
        assert!(matches!(answer.status, 400 | 422), "{surface}: {}", answer.status);
        ann.call("POST", &format!("{surface}/{id}/fire")).body("text/plain", "{}").send().is(415);
    }
    assert_eq!(ann.get("/api/v1/event_logs").is(200).json(), json!([]));
}

#[test]
fn only_an_api_trigger_is_fired_by_a_call() {
    let server = Server::start();
    let ann = server.user();
    let id = make(&ann, &json!({"type": "scheduled", "schedule_details": {"every": "1h"}}));
    ann.post_nothing(&format!("/api/v1/triggers/{id}/fire")).problem(400);
    ann.post_nothing(&format!("/triggers/{id}/fire")).is(400);
    ann.post_nothing("/api/v1/triggers/4711/fire").problem(404);
    assert_eq!(ann.get("/api/v1/event_logs").is(200).json(), json!([]));
}

#[test]
fn a_paused_trigger_is_not_fired() {
    let server = Server::start();
    let ann = server.user();
    let id = make(&ann, &json!({"type": "api", "enabled": false}));
    ann.post_nothing(&format!("/api/v1/triggers/{id}/fire")).problem(409);
    ann.post_nothing(&format!("/triggers/{id}/fire")).is(409);
    assert_eq!(ann.get("/api/v1/event_logs").is(200).json(), json!([]));
    ann.patch(&format!("/api/v1/triggers/{id}"), &json!({"enabled": true})).is(200);
    ann.post_nothing(&format!("/api/v1/triggers/{id}/fire")).is(200);
}

#[test]
fn an_expired_trigger_is_not_fired() {
    let server = Server::start();
    let ann = server.user();
    let id = make(&ann, &json!({"type": "api", "expires_at": in_ms(800)}));
    let fire = || ann.post_nothing(&format!("/api/v1/triggers/{id}/fire"));
    until("it expires", || Some(fire()).filter(|answer| answer.status != 200)).problem(409);
    ann.post_nothing(&format!("/triggers/{id}/fire")).is(409);
}

#[test]
fn trying_out_logs_one_test_event() {
    let server = Server::start();
    let ann = server.user();
    for body in [
        json!({"name": "called", "type": "api", "api_payload": {"own": 1}}),
        json!({"name": "timed", "type": "scheduled", "schedule_details": {"every": "1h"}, "api_payload": {"own": 1}}),
    ] {
        let id = make(&ann, &body);
        let tried = ann.post_nothing(&format!("/api/v1/triggers/{id}/test")).is(200).json();
        assert!(tried["message"].is_string(), "{tried}");
        let event = ann.get(&format!("/api/v1/event_logs/{}", tried["event_id"])).is(200).json();
        assert_eq!((&event["is_manual_test"], &event["scheduled_at"]), (&json!(true), &Value::Null));
        assert_eq!((&event["trigger_id"], &event["payload"]), (&json!(id), &json!({"own": 1})));
    }
    ann.post_nothing("/api/v1/triggers/4711/test").problem(404);
    assert_eq!(ann.get("/api/v1/event_logs").is(200).list().len(), 2);
}

#[test]
fn a_message_id_is_never_given_twice() {
    let server = Server::start();
    let ann = server.user();
    let id = make(&ann, &json!({"type": "api"}));
    for _ in 0..50 {
        ann.post_nothing(&format!("/api/v1/triggers/{id}/fire")).is(200);
    }
    let events = ann.get("/api/v1/event_logs").is(200).list();
    let mut messages: Vec<&str> = events.iter().filter_map(|event| event["message_id"].as_str()).collect();
    messages.sort_unstable();
    messages.dedup();
    assert_eq!(messages.len(), 50);
}

#[test]
fn numbers_stay_as_they_were_written() {
    let server = Server::start();
    let ann = server.user();
    let id = make(&ann, &json!({"type": "api"}));
    for surface in SURFACES {
        let body = r#"{"z": 12345678901234567890123, "a": 1.50, "huge": 1e400}"#;
        let fired =
            ann.call("POST", &format!("{surface}/{id}/fire")).body("application/json", body).send().is(200).json();
        let shown = ann.get(&format!("/api/v1/event_logs/{}", fired["event_id"])).is(200).text;
        for number in ["12345678901234567890123", "1.50", "1e400"] {
            assert!(shown.contains(number), "{number} in {shown}");
        }
    }
    let flat = ann.get("/logs/active").is(200).text;
    assert!(flat.contains("12345678901234567890123") && flat.contains("1e400"), "{flat}");
}
