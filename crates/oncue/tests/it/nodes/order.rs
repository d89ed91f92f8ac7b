//! A destination that takes deliveries in order, served by two nodes, of which one dies with the delivery under way in its hands: what
//! stands behind it waits, whoever sends.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use oncue_throwaway::Durability;
use serde_json::{Value, json};

use super::crew::{Crew, make};
use crate::support::receiver::{OK, Receiver, Reply};
use crate::support::wait::until;

/// How many events stand in line.
const EVENTS: usize = 6;

#[test]
fn nothing_overtakes_a_delivery_that_fails_even_when_the_node_that_sends_it_is_killed() {
    let hangs = Arc::new(AtomicBool::new(true));
    let still_hangs = Arc::clone(&hangs);
    let first: Mutex<Option<String>> = Mutex::default();
    // The first delivery is refused twice, is under way when its sender dies, and is refused once more.
    let receiver = Receiver::scripted(move |request, before| {
        let id = request.webhook_id().to_owned();
        let is_first = *first.lock().expect("no panic").get_or_insert_with(|| id.clone()) == id;
        match before {
            _ if !is_first => OK,
            2 if still_hangs.load(Ordering::SeqCst) => Reply::Slow(Duration::from_secs(25), 200),
            0 | 1 | 3 => Reply::Answer(503, "", ""),
            _ => OK,
        }
    });
    let mut crew = Crew::start(2, Durability::Quick);
    let ann = crew.user();
    let at_each = crew.at_each(&ann);
    let said = json!({"name": "In line", "kind": "webhook", "url": receiver.url(), "in_order": true,
                      "retries": ["1s", "1s", "1s", "1s", "1s", "1s", "1s"]});
    let destination = ann.post("/api/v1/destinations", &said).is(201).json()["id"].clone();
    let trigger = make(&ann, &json!({"type": "api", "destinations": [destination]}));
    // Through both nodes in turn: the numbers of events say which comes first.
    let mut fired: Vec<i64> = (0..EVENTS)
        .map(|number| {
            let at = &at_each[number % at_each.len()];
            let answer = at.post(&format!("/api/v1/triggers/{trigger}/fire"), &json!({"n": number})).is(200).json();
            answer["event_id"].as_i64().expect("an integer")
        })
        .collect();
    receiver.wait_for(3);
    let holder = "SELECT nodes.address FROM outbox JOIN nodes ON nodes.id = outbox.held_by";
    let address = until("somebody holds the first", || Some(crew.sql(holder)).filter(|address| !address.is_empty()));
    let holds = |crew: &Crew, node: usize| crew.nodes[node].base.ends_with(&address);
    let (dies, stays) = if holds(&crew, 0) { (0, 1) } else { (1, 0) };
    assert!(holds(&crew, dies), "one holds what is under way: {address}");
    crew.nodes[dies].process.kill();
    hangs.store(false, Ordering::SeqCst);
    until("everything has arrived", || (crew.number("SELECT count(*) FROM outbox") == 0).then_some(()));
    fired.sort_unstable();
    let message_of = |id: &i64| -> Value {
        at_each[stays].get(&format!("/api/v1/event_logs/{id}")).is(200).json()["deliveries"][0]["message_id"].clone()
    };
    let in_order: Vec<Value> = fired.iter().map(message_of).collect();
    let received: Vec<Value> = receiver.received().iter().map(|one| one.webhook_id().into()).collect();
    let mut arrived = received.clone();
    arrived.dedup();
    assert_eq!(arrived, in_order, "each after the one before it had ended");
    assert!(
        received.iter().filter(|id| **id == in_order[0]).count() >= 5,
        "the first failed often enough: {received:?}"
    );
    assert_eq!(crew.number("SELECT count(*) FROM attempts WHERE delivered"), i64::try_from(EVENTS).expect("few"));
}
