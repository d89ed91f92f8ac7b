//! Destinations that take no deliveries for a while, and those that want none any more.

use serde_json::{Value, json};

use super::{at, each, event_when, fire, make, trigger, webhook};
use crate::support::receiver::{Receiver, Reply};
use crate::support::server::Server;
use crate::support::time::instant;
use crate::support::wait::until;

#[test]
fn what_is_owed_to_a_paused_destination_is_parked_and_comes_when_it_is_resumed() {
    let server = Server::start_delivering();
    let ann = server.user();
    let (paused, other) = (Receiver::start(), Receiver::start());
    let (to_paused, to_other) = (webhook(&ann, "Paused", &paused), webhook(&ann, "Other", &other));
    let standing = ann.post_nothing(&format!("{}/pause", at(&to_paused))).is(200).json()["standing"].clone();
    assert_eq!(standing["state"], "paused");
    instant(&standing["since"]);
    let again = ann.post_nothing(&format!("{}/pause", at(&to_paused))).is(200).json();
    assert_eq!(again["standing"], standing, "pausing twice is pausing once");
    let at_event = fire(&ann, trigger(&ann, &[&to_paused, &to_other]));
    let event = event_when(&ann, &at_event, "one is parked, one delivered", |all| {
        all.iter().map(|delivery| &delivery["state"]).eq(["parked", "delivered"])
    });
    assert_eq!(each(&event, "status"), ["pending", "delivered"]);
    let parked = &event["deliveries"][0];
    assert_eq!((&parked["attempts"], &parked["next_attempt_at"]), (&json!([]), &Value::Null));
    let until = instant(&parked["parked_until"]);
    assert!(until > instant(&event["created_at"]) && until < instant(&event["deleted_at"]), "{event}");
    assert!(paused.received().is_empty());
    let resumed = ann.post_nothing(&format!("{}/resume", at(&to_paused))).is(200).json();
    assert_eq!(resumed["standing"], json!({"state": "active", "since": null, "reason": null}));
    let call = paused.wait_for(1)[0].clone();
    assert_eq!(json!(call.webhook_id()), parked["message_id"]);
    event_when(&ann, &at_event, "both are delivered", |all| {
        all.iter().all(|delivery| delivery["state"] == "delivered")
    });
    assert_eq!(other.received().len(), 1);
}

#[test]
fn what_waits_for_its_next_attempt_is_told_as_parked_as_soon_as_its_destination_is_paused() {
    let server = Server::start_delivering();
    let ann = server.user();
    let receiver = Receiver::scripted(|_, before| Reply::Answer(if before == 0 { 503 } else { 200 }, "", ""));
    let said = json!({"name": "Ops", "kind": "webhook", "url": receiver.url(), "retries": ["10m", "20m", "30m"]});
    let destination = make(&ann, &said);
    let at_event = fire(&ann, trigger(&ann, &[&destination]));
    let event = event_when(&ann, &at_event, "it waits for its second attempt", |all| {
        all[0]["state"] == "pending" && all[0]["next_attempt_at"] != Value::Null
    });
    let page = || ann.get(&format!("/events/{}", event["id"])).is(200).text;
    assert!(page().contains("at most 3 to come"), "all that the destination's own ladder has: {}", page());
    ann.post_nothing(&format!("{}/pause", at(&destination))).is(200);
    let parked = ann.get(&at_event).is(200).json()["deliveries"][0].clone();
    assert_eq!((&parked["status"], &parked["state"]), (&json!("pending"), &json!("parked")));
    assert_eq!(parked["next_attempt_at"], Value::Null);
    assert!(instant(&parked["parked_until"]) < instant(&event["deleted_at"]), "{parked}");
    assert!(page().contains("It waits for its destination") && !page().contains("Next attempt"), "{}", page());
    ann.post_nothing(&format!("{}/resume", at(&destination))).is(200);
    event_when(&ann, &at_event, "it is sent at once", |all| all[0]["state"] == "delivered");
}

#[test]
fn a_receiver_that_is_gone_suspends_its_destination_until_it_is_resumed() {
    let server = Server::start_delivering();
    let ann = server.user();
    let receiver = Receiver::scripted(|_, before| Reply::Answer(if before == 0 { 410 } else { 200 }, "", ""));
    let destination = webhook(&ann, "Gone", &receiver);
    let trigger = trigger(&ann, &[&destination]);
    let first = fire(&ann, trigger);
    let event = event_when(&ann, &first, "it failed", |all| all[0]["state"] == "failed");
    assert_eq!(event["deliveries"][0]["attempts"][0]["status"], 410);
    let standing = until("it is suspended", || {
        let standing = ann.get(&at(&destination)).is(200).json()["standing"].clone();
        (standing["state"] == "suspended").then_some(standing)
    });
    assert!(standing["reason"].as_str().is_some_and(|reason| reason.contains("410")), "{standing}");
    let second = fire(&ann, trigger);
    event_when(&ann, &second, "it is parked", |all| all[0]["state"] == "parked");
    assert_eq!(receiver.received().len(), 1);
    ann.post_nothing(&format!("{}/resume", at(&destination))).is(200);
    event_when(&ann, &second, "it is delivered", |all| all[0]["state"] == "delivered");
    let first = ann.get(&first).is(200).json();
    assert_eq!(each(&first, "state"), ["failed"], "what has failed stays so");
}

#[test]
fn what_is_owed_to_a_deleted_destination_fails_and_says_why() {
    let server = Server::start_delivering();
    let ann = server.user();
    let destination = make(&ann, &json!({"name": "Inbox", "kind": "webhook", "url": Receiver::start().url()}));
    ann.post_nothing(&format!("{}/pause", at(&destination))).is(200);
    let trigger = trigger(&ann, &[&destination]);
    let event = fire(&ann, trigger);
    event_when(&ann, &event, "it is parked", |all| all[0]["state"] == "parked");
    ann.delete(&format!("/api/v1/triggers/{trigger}")).is(204);
    ann.delete(&at(&destination)).is(204);
    let event = event_when(&ann, &event, "it failed", |all| all[0]["state"] == "failed");
    let delivery = &event["deliveries"][0];
    assert!(delivery["why"].as_str().is_some_and(|why| !why.is_empty()), "{delivery}");
    assert_eq!((&delivery["destination"], &delivery["kind"]), (&Value::Null, &Value::Null));
    assert_eq!(delivery["destination_id"], destination["id"]);
}
