//! Redelivery: what failed goes out again once its receiver is mended, one by one, in a selection, or all that match; what waits is
//! cancelled; and what fired fires again.

mod cancel;
mod fire_again;
mod many;
mod one;
mod page;
mod wall;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::receiver::{OK, Receiver, Reply};
use crate::support::wait::until;

const FAILED: &str = "/api/v1/deliveries?state=failed";

const MANY: &str = "/api/v1/deliveries/redeliver";

/// A receiver that fails until it is mended.
struct Broken {
    receiver: Receiver,
    is_mended: Arc<AtomicBool>,
}

impl Broken {
    fn start() -> Broken {
        let is_mended = Arc::new(AtomicBool::new(false));
        let mended = Arc::clone(&is_mended);
        let script =
            move |_: &_, _| if mended.load(Ordering::Relaxed) { OK } else { Reply::Answer(503, "", "not now") };
        Broken { receiver: Receiver::scripted(script), is_mended }
    }

    fn mend(&self) {
        self.is_mended.store(true, Ordering::Relaxed);
    }

    /// How many different message ids came.
    fn message_ids(&self) -> Vec<String> {
        let mut ids: Vec<String> =
            self.receiver.received().iter().map(|request| request.webhook_id().to_owned()).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

/// A destination that gives up after these pauses; gives its id.
#[track_caller]
fn destination(ann: &Client, name: &str, receiver: &Receiver, retries: &[&str]) -> i64 {
    let body = json!({"name": name, "kind": "webhook", "url": receiver.url(), "retries": retries});
    ann.post("/api/v1/destinations", &body).is(201).json()["id"].as_i64().expect("an integer")
}

/// A trigger that is called and sends there.
#[track_caller]
fn trigger(ann: &Client, name: &str, destinations: &[i64]) -> i64 {
    let body = json!({"type": "api", "name": name, "destinations": destinations});
    ann.post("/api/v1/triggers", &body).is(201).json()["id"].as_i64().expect("an integer")
}

/// Fires a trigger; gives the event's id.
#[track_caller]
fn fire(ann: &Client, trigger: i64) -> i64 {
    let fired = ann.post(&format!("/api/v1/triggers/{trigger}/fire"), &json!({"n": 1})).is(200).json();
    fired["event_id"].as_i64().expect("an integer")
}

/// Fires a trigger and waits until the event's only delivery has failed; gives the event's id.
#[track_caller]
fn fail(ann: &Client, trigger: i64) -> i64 {
    let event = fire(ann, trigger);
    delivery_when(ann, event, "failed");
    event
}

/// Where an event is.
fn at(event: i64) -> String {
    format!("/api/v1/event_logs/{event}")
}

/// Where something is done with the first delivery of an event.
fn deed(event: i64, word: &str) -> String {
    format!("{}/deliveries/0/{word}", at(event))
}

/// The first delivery of an event, as it stands.
#[track_caller]
fn delivery(ann: &Client, event: i64) -> Value {
    ann.get(&at(event)).is(200).json()["deliveries"][0].clone()
}

/// The first delivery of an event, as soon as it stands so and no attempt is under way.
#[track_caller]
fn delivery_when(ann: &Client, event: i64, state: &str) -> Value {
    until(&format!("the delivery of event {event} is {state}"), || {
        Some(delivery(ann, event)).filter(|delivery| delivery["state"] == state)
    })
}

/// The events of the failed deliveries that a list names, the latest first.
#[track_caller]
fn failed(ann: &Client, filter: &str) -> Vec<i64> {
    let list = ann.get(&format!("{FAILED}{filter}")).is(200).list();
    list.iter().map(|failed| failed["event_id"].as_i64().expect("an integer")).collect()
}
