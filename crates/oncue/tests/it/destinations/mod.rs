//! Destinations: things of their own that any number of triggers send to. What a receiver gets by a trigger's own address is checked
//! in `delivery`.

mod alert;
mod failed;
mod fan_out;
mod hostile;
mod inbox;
mod keep;
mod order;
mod outage;
mod pace;
mod preview;
mod receipt;
mod secrets;
mod standing;
mod trigger;

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::receiver::Receiver;
use crate::support::wait::until;

const DESTINATIONS: &str = "/api/v1/destinations";

/// Where one destination is.
fn at(destination: &Value) -> String {
    format!("{DESTINATIONS}/{}", destination["id"])
}

/// Makes a destination; gives the answer, secrets and all.
#[track_caller]
fn make(ann: &Client, body: &Value) -> Value {
    ann.post(DESTINATIONS, body).is(201).json()
}

/// A webhook destination that sends to this receiver.
#[track_caller]
fn webhook(ann: &Client, name: &str, receiver: &Receiver) -> Value {
    make(ann, &json!({"name": name, "kind": "webhook", "url": receiver.url()}))
}

/// A trigger that is fired by call and sends to these destinations.
#[track_caller]
fn trigger(ann: &Client, destinations: &[&Value]) -> i64 {
    let ids: Vec<&Value> = destinations.iter().map(|destination| &destination["id"]).collect();
    let body = json!({"type": "api", "name": "spread", "destinations": ids});
    ann.post("/api/v1/triggers", &body).is(201).json()["id"].as_i64().expect("an integer")
}

/// Fires a trigger; gives where its event is shown.
#[track_caller]
fn fire(ann: &Client, trigger: i64) -> String {
    let fired = ann.post(&format!("/api/v1/triggers/{trigger}/fire"), &json!({"n": 1})).is(200).json();
    format!("/api/v1/event_logs/{}", fired["event_id"])
}

/// The event, as soon as its deliveries are like that.
fn event_when(ann: &Client, event: &str, what: &str, is_so: impl Fn(&[Value]) -> bool) -> Value {
    until(what, || {
        let event = ann.get(event).is(200).json();
        let is_so = is_so(event["deliveries"].as_array().expect("a list"));
        is_so.then_some(event)
    })
}

/// What stands at this name in each delivery.
fn each(event: &Value, name: &str) -> Vec<Value> {
    event["deliveries"].as_array().expect("a list").iter().map(|delivery| delivery[name].clone()).collect()
}
