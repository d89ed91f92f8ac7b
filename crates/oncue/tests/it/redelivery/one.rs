//! One delivery at a time.

use serde_json::{Value, json};

use super::{Broken, at, deed, delivery_when, destination, fail, failed, trigger};
use crate::support::server::Server;
use crate::support::wait::until;

#[test]
fn what_failed_is_delivered_once_its_receiver_is_mended_under_the_same_message_id() {
    let server = Server::start_delivering();
    let ann = server.user();
    let broken = Broken::start();
    let trigger = trigger(&ann, "called", &[destination(&ann, "Broken", &broken.receiver, &[])]);
    let event = fail(&ann, trigger);
    let again = ann.post_nothing(&deed(event, "redeliver")).is(200).json();
    assert_eq!((&again["event_id"], &again["slot"]), (&json!(event), &json!(0)), "{again}");
    assert!(again["message"].is_string(), "{again}");
    broken.receiver.wait_for(2);
    let twice = until("it failed again", || {
        Some(delivery_when(&ann, event, "failed")).filter(|one| one["attempts"].as_array().map(Vec::len) == Some(2))
    });
    assert_eq!(failed(&ann, ""), [event], "it stands in the list once");
    broken.mend();
    ann.post_nothing(&deed(event, "redeliver")).is(200);
    let delivered = delivery_when(&ann, event, "delivered");
    let numbers: Vec<&Value> =
        delivered["attempts"].as_array().expect("a list").iter().map(|one| &one["number"]).collect();
    assert_eq!(numbers, [1, 2, 3], "attempts go on counting");
    assert_eq!(delivered["message_id"], twice["message_id"]);
    assert_eq!(json!(broken.message_ids()), json!([delivered["message_id"]]), "one id through all of it");
    assert!(failed(&ann, "").is_empty());
}

#[test]
fn the_pauses_begin_anew() {
    let server = Server::start_delivering();
    let ann = server.user();
    let broken = Broken::start();
    let trigger = trigger(&ann, "called", &[destination(&ann, "Broken", &broken.receiver, &["1s", "1s"])]);
    let event = fail(&ann, trigger);
    assert_eq!(broken.receiver.received().len(), 3);
    ann.post_nothing(&deed(event, "redeliver")).is(200);
    broken.receiver.wait_for(6);
    let failed = delivery_when(&ann, event, "failed");
    assert_eq!(failed["attempts"].as_array().map(Vec::len), Some(6), "{failed}");
}

#[test]
fn what_waits_for_its_next_attempt_is_tried_now_once_its_receiver_is_mended() {
    let server = Server::start_delivering();
    let ann = server.user();
    let broken = Broken::start();
    let trigger = trigger(&ann, "called", &[destination(&ann, "Broken", &broken.receiver, &["5h", "5h"])]);
    let event = super::fire(&ann, trigger);
    until("the first attempt is written down", || {
        Some(delivery_when(&ann, event, "pending")).filter(|one| one["next_attempt_at"].is_string())
    });
    broken.mend();
    ann.post_nothing(&deed(event, "redeliver")).is(200);
    let delivered = delivery_when(&ann, event, "delivered");
    assert_eq!(delivered["attempts"].as_array().map(Vec::len), Some(2), "{delivered}");
}

#[test]
fn what_was_delivered_is_sent_again_and_stays_delivered() {
    let server = Server::start_delivering();
    let ann = server.user();
    let receiver = Broken::start();
    receiver.mend();
    let trigger = trigger(&ann, "called", &[destination(&ann, "Mended", &receiver.receiver, &[])]);
    let event = super::fire(&ann, trigger);
    delivery_when(&ann, event, "delivered");
    ann.post_nothing(&deed(event, "redeliver")).is(200);
    receiver.receiver.wait_for(2);
    let twice = until("both attempts are written down", || {
        Some(delivery_when(&ann, event, "delivered")).filter(|one| one["attempts"].as_array().map(Vec::len) == Some(2))
    });
    assert_eq!(json!(receiver.message_ids()), json!([twice["message_id"]]));
}

#[test]
fn what_is_owed_or_has_nowhere_to_go_is_not_sent_again() {
    let server = Server::start_delivering();
    let ann = server.user();
    let broken = Broken::start();
    let to = destination(&ann, "Broken", &broken.receiver, &[]);
    let called = trigger(&ann, "called", &[to]);
    let event = fail(&ann, called);
    ann.post_nothing(&format!("/api/v1/destinations/{to}/pause")).is(200);
    ann.post_nothing(&deed(event, "redeliver")).is(200);
    delivery_when(&ann, event, "parked");
    assert!(failed(&ann, "").is_empty(), "what is owed has not failed");
    let refused = ann.post_nothing(&deed(event, "redeliver")).problem(409);
    assert!(refused["detail"].as_str().is_some_and(|detail| detail.contains("resume")), "{refused}");
    ann.post_nothing(&format!("/api/v1/destinations/{to}/resume")).is(200);
    broken.receiver.wait_for(2);
    delivery_when(&ann, event, "failed");
    ann.delete(&format!("/api/v1/triggers/{called}")).is(204);
    ann.delete(&format!("/api/v1/destinations/{to}")).is(204);
    let refused = ann.post_nothing(&deed(event, "redeliver")).problem(409);
    assert!(refused["detail"].as_str().is_some_and(|detail| detail.contains("gone")), "{refused}");
    for path in [format!("{}/deliveries/7/redeliver", at(event)), format!("{}/deliveries/x/redeliver", at(event))] {
        ann.post_nothing(&path).problem(404);
    }
    ann.post_nothing(&deed(987_654, "redeliver")).problem(404);
}

#[test]
fn what_is_given_up_is_counted() {
    let server = Server::start_delivering();
    let ann = server.user();
    let broken = Broken::start();
    let trigger = trigger(&ann, "called", &[destination(&ann, "Broken", &broken.receiver, &[])]);
    let metric = |line: &str| {
        until(line, || {
            let text = server.nobody().get("/metrics").is(200).text;
            text.lines().any(|one| one == line).then_some(())
        });
    };
    metric("oncue_deliveries_failed 0");
    let event = fail(&ann, trigger);
    metric("oncue_deliveries_failed 1");
    metric("oncue_deliveries_given_up_total{reason=\"answer\"} 1");
    broken.mend();
    ann.post_nothing(&deed(event, "redeliver")).is(200);
    delivery_when(&ann, event, "delivered");
    metric("oncue_deliveries_failed 0");
    metric("oncue_deliveries_given_up_total{reason=\"answer\"} 1");
}
