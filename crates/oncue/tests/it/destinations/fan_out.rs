//! One event, several destinations: a delivery for each.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{each, event_when, fire, make, trigger, webhook};
use crate::support::receiver::{Receiver, Reply};
use crate::support::server::Server;

#[test]
fn each_destination_gets_one_delivery_and_the_first_carries_the_events_own_id() {
    let server = Server::start_delivering();
    let ann = server.user();
    let (own, ops, team) = (Receiver::start(), Receiver::start(), Receiver::start());
    let (to_ops, to_team) = (webhook(&ann, "Ops", &ops), webhook(&ann, "Team", &team));
    let body = json!({"type": "api", "webhook_url": own.url(), "destinations": [to_team["id"], to_ops["id"]]});
    let made = ann.post("/api/v1/triggers", &body).is(201).json();
    let event = fire(&ann, made["id"].as_i64().expect("an integer"));
    let event = event_when(&ann, &event, "three are delivered", |all| {
        all.len() == 3 && all.iter().all(|delivery| delivery["state"] == "delivered")
    });
    assert_eq!(each(&event, "slot"), [0, 1, 2]);
    assert_eq!(each(&event, "destination"), [json!(own.url()), json!("Team"), json!("Ops")]);
    assert_eq!(each(&event, "destination_id"), [&Value::Null, &to_team["id"], &to_ops["id"]].map(Clone::clone));
    assert_eq!(each(&event, "kind"), [Value::Null, json!("webhook"), json!("webhook")]);
    assert_eq!(each(&event, "format"), [json!("json"), Value::Null, Value::Null]);
    let calls = [&own, &team, &ops].map(|receiver| receiver.received());
    assert_eq!(calls.each_ref().map(Vec::len), [1, 1, 1]);
    let told: Vec<Value> = calls.iter().map(|calls| json!(calls[0].webhook_id())).collect();
    assert_eq!(told, each(&event, "message_id"));
    assert_eq!(told[0], event["message_id"], "the first one carries the event's own");
    assert_eq!(told.iter().map(ToString::to_string).collect::<BTreeSet<_>>().len(), 3, "each has its own: {told:?}");
    for calls in &calls {
        assert_eq!(calls[0].json()["id"], event["message_id"], "they tell of one event");
        assert_eq!(calls[0].json()["data"]["payload"], json!({"n": 1}));
    }
}

#[test]
fn one_that_fails_is_tried_again_under_its_own_id_and_the_others_are_not() {
    let server = Server::start_delivering();
    let ann = server.user();
    let good = Receiver::start();
    let flaky = Receiver::scripted(|_, before| Reply::Answer(if before == 0 { 500 } else { 200 }, "", ""));
    let to_flaky = make(&ann, &json!({"name": "Flaky", "kind": "webhook", "url": flaky.url(), "retries": ["1s"]}));
    let event = fire(&ann, trigger(&ann, &[&webhook(&ann, "Good", &good), &to_flaky]));
    let event = event_when(&ann, &event, "both are delivered", |all| {
        all.iter().all(|delivery| delivery["state"] == "delivered")
    });
    let calls = flaky.received();
    assert_eq!((calls[0].webhook_id(), &calls[0].body), (calls[1].webhook_id(), &calls[1].body));
    assert_eq!(each(&event, "message_id")[1], json!(calls[0].webhook_id()));
    assert_eq!(good.received().len(), 1);
}

#[test]
fn a_destination_is_asked_as_its_user_said() {
    let server = Server::start_delivering();
    let ann = server.user();
    let receiver = Receiver::start();
    let body = json!({
        "name": "Put", "kind": "webhook", "url": receiver.url(), "method": "PUT", "headers": {"X-Api-Key": "abc"},
        "body": {"format": "cloudevents-binary"}
    });
    fire(&ann, trigger(&ann, &[&make(&ann, &body)]));
    let call = receiver.wait_for(1)[0].clone();
    assert_eq!((call.method.as_str(), call.headers["x-api-key"].as_str()), ("PUT", "abc"));
    assert_eq!(call.headers["ce-id"], call.webhook_id());
    assert_eq!(call.json()["payload"], json!({"n": 1}));
}
