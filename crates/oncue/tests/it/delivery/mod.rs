//! How events travel: what a receiver gets, how often, and where deliveries never go.

mod destination;
mod envelope;
mod guard;
mod retry;
mod way_out;

use serde_json::{Value, json};

use crate::support::client::{Answer, Client};
use crate::support::wait::until;

fn make(ann: &Client, body: &Value) -> i64 {
    ann.post("/api/v1/triggers", body).is(201).json()["id"].as_i64().expect("an integer")
}

fn sending_to(ann: &Client, url: &str) -> i64 {
    make(ann, &json!({"type": "api", "name": "sent", "webhook_url": url}))
}

fn fire(ann: &Client, id: i64) -> String {
    let fired = ann.post(&format!("/api/v1/triggers/{id}/fire"), &json!({"n": 1})).is(200).json();
    format!("/api/v1/event_logs/{}", fired["event_id"])
}

/// The only delivery of an event, once it has so many attempts.
fn delivery(ann: &Client, event: &str, attempts: usize) -> Value {
    until(&format!("{attempts} attempts"), || {
        let delivery = ann.get(event).is(200).json()["deliveries"][0].clone();
        Some(delivery).filter(|delivery| delivery["attempts"].as_array().is_some_and(|made| made.len() >= attempts))
    })
}

/// Tries to make a trigger whose events go there.
fn save(ann: &Client, url: &str) -> Answer {
    ann.post("/api/v1/triggers", &json!({"type": "api", "webhook_url": url}))
}
