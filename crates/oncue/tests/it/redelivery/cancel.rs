//! Taking back what waits.

use serde_json::{Value, json};

use super::{Broken, deed, delivery_when, destination, failed, fire, trigger};
use crate::support::client::Client;
use crate::support::server::Server;
use crate::support::wait::until;

/// Cancels a delivery as soon as no attempt is under way.
fn cancel(ann: &Client, event: i64) -> Value {
    until("it can be cancelled", || {
        let answer = ann.post_nothing(&deed(event, "cancel"));
        (answer.status == 200).then(|| answer.json())
    })
}

#[test]
fn a_retry_that_waits_is_cancelled_and_can_be_sent_again() {
    let server = Server::start_delivering();
    let ann = server.user();
    let broken = Broken::start();
    let trigger = trigger(&ann, "called", &[destination(&ann, "Broken", &broken.receiver, &["1h"])]);
    let event = fire(&ann, trigger);
    broken.receiver.wait_for(1);
    let cancelled = cancel(&ann, event);
    assert_eq!((&cancelled["event_id"], &cancelled["slot"]), (&json!(event), &json!(0)), "{cancelled}");
    let delivery = delivery_when(&ann, event, "failed");
    assert!(delivery["why"].as_str().is_some_and(|why| why.contains("cancelled")), "{delivery}");
    assert_eq!(delivery["next_attempt_at"], Value::Null);
    assert_eq!(failed(&ann, ""), [event]);
    ann.post_nothing(&deed(event, "cancel")).problem(409);
    broken.mend();
    ann.post_nothing(&deed(event, "redeliver")).is(200);
    let delivery = delivery_when(&ann, event, "delivered");
    assert_eq!((&delivery["why"], delivery["attempts"].as_array().map(Vec::len)), (&Value::Null, Some(2)));
    assert_eq!(broken.message_ids().len(), 1);
    ann.post_nothing(&deed(event, "cancel")).problem(409);
    ann.post_nothing(&deed(987_654, "cancel")).problem(404);
}

#[test]
fn what_is_parked_is_cancelled_without_an_attempt() {
    let server = Server::start_delivering();
    let ann = server.user();
    let broken = Broken::start();
    let to = destination(&ann, "Paused", &broken.receiver, &[]);
    let trigger = trigger(&ann, "called", &[to]);
    ann.post_nothing(&format!("/api/v1/destinations/{to}/pause")).is(200);
    let event = fire(&ann, trigger);
    delivery_when(&ann, event, "parked");
    cancel(&ann, event);
    delivery_when(&ann, event, "failed");
    ann.post_nothing(&format!("/api/v1/destinations/{to}/resume")).is(200);
    let after = fire(&ann, trigger);
    delivery_when(&ann, after, "failed");
    assert_eq!(broken.receiver.received().len(), 1, "what was cancelled is not sent");
    let metrics = server.nobody().get("/metrics").is(200).text;
    assert!(metrics.contains("oncue_deliveries_given_up_total{reason=\"cancelled\"} 1"), "{metrics}");
}
