//! Deliveries in order: one at a time, by the numbers of their events, whatever fails.

use serde_json::{Value, json};

use super::{at, event_when, fire, make, trigger};
use crate::support::client::Client;
use crate::support::receiver::{Receiver, Reply};
use crate::support::server::Server;

fn in_order(ann: &Client, receiver: &Receiver, retries: &Value) -> Value {
    make(
        ann,
        &json!({"name": "In line", "kind": "webhook", "url": receiver.url(), "in_order": true, "retries": retries}),
    )
}

/// Which events arrived, in the order in which they did, by how many were fired before them.
fn order(receiver: &Receiver, events: &[Value]) -> Vec<usize> {
    let place = |id: &str| events.iter().position(|event| event["message_id"] == id).expect("one of these events");
    receiver.received().iter().map(|received| place(received.webhook_id())).collect()
}

#[test]
fn one_that_fails_is_tried_again_before_those_behind_it_go() {
    let server = Server::start_delivering();
    let ann = server.user();
    let receiver = Receiver::scripted(|_, before| Reply::Answer(if before < 2 { 503 } else { 200 }, "", ""));
    let destination = in_order(&ann, &receiver, &json!(["1s", "1s", "1s"]));
    let sender = trigger(&ann, &[&destination]);
    let fired: Vec<String> = (0..3).map(|_| fire(&ann, sender)).collect();
    let waiting = event_when(&ann, &fired[2], "it stands in line", |all| all[0]["state"] == "queued");
    assert_eq!(waiting["deliveries"][0]["next_attempt_at"], Value::Null);
    let page = ann.get(&format!("/events/{}", waiting["id"])).is(200).text;
    assert!(page.contains("It waits for those before it"), "{page}");
    event_when(&ann, &fired[2], "the last has arrived", |all| all[0]["state"] == "delivered");
    let events: Vec<Value> = fired.iter().map(|event| ann.get(event).is(200).json()).collect();
    assert_eq!(order(&receiver, &events), [0, 0, 0, 1, 2]);
}

#[test]
fn those_behind_one_that_is_given_up_go_and_a_line_can_be_broken_up() {
    let server = Server::start_delivering();
    let ann = server.user();
    let receiver = Receiver::scripted(|_, before| Reply::Answer(if before < 2 { 500 } else { 200 }, "", ""));
    let destination = in_order(&ann, &receiver, &json!([]));
    let sender = trigger(&ann, &[&destination]);
    let fired: Vec<String> = (0..20).map(|_| fire(&ann, sender)).collect();
    event_when(&ann, &fired[19], "the last has arrived", |all| all[0]["state"] == "delivered");
    let events: Vec<Value> = fired.iter().map(|event| ann.get(event).is(200).json()).collect();
    assert_eq!(order(&receiver, &events), (0..20).collect::<Vec<usize>>());
    let ends: Vec<&Value> = events.iter().map(|event| &event["deliveries"][0]["state"]).take(3).collect();
    assert_eq!(ends, ["failed", "failed", "delivered"]);
    let page = ann.get(&format!("/ui/destinations/{}", destination["id"])).is(200).text;
    assert!(page.contains("one at a time"), "{page}");

    let down = Receiver::scripted(|_, before| Reply::Answer(if before == 0 { 503 } else { 200 }, "", ""));
    let destination = in_order(&ann, &down, &json!(["10m"]));
    let sender = trigger(&ann, &[&destination]);
    let (first, second) = (fire(&ann, sender), fire(&ann, sender));
    event_when(&ann, &first, "it has failed once", |all| {
        all[0]["attempts"].as_array().is_some_and(|all| !all.is_empty())
    });
    event_when(&ann, &second, "it stands in line", |all| all[0]["state"] == "queued");
    ann.patch(&at(&destination), &json!({"in_order": false})).is(200);
    event_when(&ann, &second, "nobody waits any more", |all| all[0]["state"] == "delivered");
    assert_eq!(ann.get(&first).is(200).json()["deliveries"][0]["state"], "pending");
}

#[test]
fn a_line_goes_on_after_a_kill() {
    let server = Server::start_delivering();
    let ann = server.user();
    let receiver = Receiver::scripted(|_, before| Reply::Answer(if before < 1 { 503 } else { 200 }, "", ""));
    let destination = in_order(&ann, &receiver, &json!(["2s"]));
    let sender = trigger(&ann, &[&destination]);
    let fired: Vec<String> = (0..5).map(|_| fire(&ann, sender)).collect();
    event_when(&ann, &fired[4], "it stands in line", |all| all[0]["state"] == "queued");
    let server = server.kill().serve();
    let ann = ann.at(server.base());
    event_when(&ann, &fired[4], "the last has arrived", |all| all[0]["state"] == "delivered");
    let events: Vec<Value> = fired.iter().map(|event| ann.get(event).is(200).json()).collect();
    let mut order = order(&receiver, &events);
    order.dedup();
    assert_eq!(order, [0, 1, 2, 3, 4], "each after the one before it, at least once");
}
