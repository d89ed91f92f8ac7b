//! Firing again with what a former event carried.

use serde_json::{Value, json};

use super::{Broken, at, delivery_when, destination, fire, trigger};
use crate::support::client::Client;
use crate::support::server::Server;
use crate::support::time::in_ms;
use crate::support::wait::until;

#[track_caller]
fn fire_again(ann: &Client, event: i64) -> Value {
    let answer = ann.post_nothing(&format!("{}/fire_again", at(event))).is(201);
    let fired = answer.json();
    assert_eq!(fired["parent_id"], event, "{fired}");
    assert_eq!(answer.header("location"), format!("/api/v1/event_logs/{}", fired["event_id"]));
    fired
}

#[test]
fn a_scheduled_trigger_fires_again_with_a_parent_and_goes_on_waiting_for_its_next_time() {
    let server = Server::start_delivering();
    let ann = server.user();
    let receiver = Broken::start();
    receiver.mend();
    let to = destination(&ann, "Mended", &receiver.receiver, &[]);
    let body = json!({"type": "scheduled", "name": "hourly", "api_payload": {"key": [1, 2]}, "destinations": [to],
        "schedule_details": {"every": "1h", "start_at": in_ms(700)}});
    let trigger = ann.post("/api/v1/triggers", &body).is(201).json()["id"].as_i64().expect("an integer");
    let first = until("it fires", || ann.get("/api/v1/event_logs").is(200).list().first().cloned());
    assert_eq!((&first["origin"], &first["parent_id"]), (&json!("schedule"), &Value::Null));
    let first = first["id"].as_i64().expect("an integer");
    receiver.receiver.wait_for(1);
    let upcoming = || ann.get(&format!("/api/v1/triggers/{trigger}/upcoming")).is(200).json()["occurrences"].clone();
    let before = upcoming();
    assert!(before.as_array().is_some_and(|next| !next.is_empty()), "{before}");
    ann.patch(&format!("/api/v1/triggers/{trigger}"), &json!({"api_payload": {"other": true}})).is(200);
    let fired = fire_again(&ann, first);
    let second = fired["event_id"].as_i64().expect("an integer");
    assert_ne!(second, first);
    let event = ann.get(&at(second)).is(200).json();
    assert_eq!((&event["origin"], &event["parent_id"]), (&json!("repeat"), &json!(first)));
    assert_eq!((&event["scheduled_at"], &event["is_manual_test"]), (&Value::Null, &json!(false)));
    assert_eq!(event["payload"], json!({"key": [1, 2]}), "what the former event carried, not what the trigger has now");
    let sent = receiver.receiver.wait_for(2);
    assert_ne!(sent[0].webhook_id(), sent[1].webhook_id(), "it is an event of its own");
    let firing = &sent[1].json()["data"]["firing"];
    assert_eq!((&firing["origin"], &firing["parent_id"]), (&json!("repeat"), &json!(first)), "{firing}");
    assert_eq!(sent[0].json()["data"]["firing"].get("parent_id"), None);
    assert_eq!(upcoming(), before, "no occurrence is used up or moved");
    assert_eq!(ann.get("/api/v1/event_logs").is(200).list().len(), 2);
    let third = fire_again(&ann, second)["event_id"].clone();
    let third = ann.get(&format!("/api/v1/event_logs/{third}")).is(200).json();
    assert_eq!(third["parent_id"], second, "a repetition can be repeated");
}

#[test]
fn only_a_trigger_that_is_there_and_alive_fires_again() {
    let server = Server::start_delivering();
    let ann = server.user();
    let receiver = Broken::start();
    receiver.mend();
    let trigger = trigger(&ann, "called", &[destination(&ann, "Mended", &receiver.receiver, &[])]);
    let event = fire(&ann, trigger);
    delivery_when(&ann, event, "delivered");
    let refused = |word: &str| {
        let refused = ann.post_nothing(&format!("{}/fire_again", at(event))).problem(409);
        assert!(refused["detail"].as_str().is_some_and(|detail| detail.contains(word)), "{refused}");
    };
    ann.patch(&format!("/api/v1/triggers/{trigger}"), &json!({"enabled": false})).is(200);
    refused("paused");
    ann.patch(&format!("/api/v1/triggers/{trigger}"), &json!({"enabled": true})).is(200);
    fire_again(&ann, event);
    ann.delete(&format!("/api/v1/triggers/{trigger}")).is(204);
    refused("deleted");
    ann.post_nothing(&format!("{}/fire_again", at(987_654))).problem(404);
    ann.post_nothing("/api/v1/event_logs/x/fire_again").problem(404);
    assert_eq!(ann.get("/api/v1/event_logs").is(200).list().len(), 2);
}

#[test]
fn what_an_event_carried_has_to_fit_the_schema_that_stands_now() {
    let server = Server::start();
    let ann = server.user();
    let trigger = ann.post("/api/v1/triggers", &json!({"type": "api"})).is(201).json()["id"].clone();
    let at_trigger = format!("/api/v1/triggers/{trigger}");
    let event = ann.post(&format!("{at_trigger}/fire"), &json!({"n": 0})).is(200).json()["event_id"].as_i64();
    let event = event.expect("an integer");
    let schema = |minimum: i64| json!({"payload_schema": {"properties": {"n": {"minimum": minimum}}}});
    ann.patch(&at_trigger, &schema(1)).is(200);
    let path = format!("{}/fire_again", at(event));
    let problem = ann.post_nothing(&path).problem(422);
    assert_eq!(problem["errors"][0]["field"], "/n", "{problem}");
    ann.post_nothing(&path).problem(422);
    assert_eq!(ann.get("/api/v1/event_logs").is(200).list().len(), 1, "nothing has fired");
    ann.patch(&at_trigger, &schema(0)).is(200);
    fire_again(&ann, event);
    fire_again(&ann, event);
}
