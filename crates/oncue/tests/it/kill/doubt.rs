//! The check, checked: good evidence is falsified in one way at a time, and the check must notice every time. Without this a
//! check that has gone blind would look like a program that does well.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::book::Fate;
use super::check;
use super::evidence::{Evidence, number};
use super::occurrences::Plan;
use crate::support::time::instant;

/// Falsifies the evidence of a run without complaints in every way.
pub(super) fn the_check(evidence: &Evidence) {
    for (what, falsify) in FALSIFICATIONS {
        let mut falsified = evidence.clone();
        falsify(&mut falsified);
        assert!(!check::all(&falsified).is_empty(), "nobody noticed: {what}");
    }
}

type Falsification = (&'static str, fn(&mut Evidence));

const FALSIFICATIONS: [Falsification; 15] = [
    ("an event of a schedule is lost", |evidence| {
        let place = scheduled_event(evidence);
        evidence.kept.events.remove(place);
    }),
    ("an event of a call is lost", |evidence| {
        let event = evidence.book.firings.values().flatten().next().expect("a call was acknowledged").event;
        evidence.kept.events.retain(|kept| kept["id"] != event);
    }),
    ("a call made two events", |evidence| {
        let called = evidence.kept.events.iter().find(|event| event["trigger_type"] == "api").expect("a call").clone();
        evidence.kept.events.push(renumbered(called));
    }),
    ("an occurrence made two events", |evidence| {
        let event = evidence.kept.events[scheduled_event(evidence)].clone();
        evidence.kept.events.push(renumbered(event));
    }),
    ("an event has the time of no occurrence", |evidence| {
        let place = scheduled_event(evidence);
        let shifted = instant(&evidence.kept.events[place]["scheduled_at"]) - SignedDuration::from_millis(1);
        evidence.kept.events[place]["scheduled_at"] = json!(shifted.to_string());
    }),
    ("an event fired early", |evidence| {
        let place = scheduled_event(evidence);
        let early = instant(&evidence.kept.events[place]["scheduled_at"]) - SignedDuration::from_micros(1);
        evidence.kept.events[place]["created_at"] = json!(early.to_string());
    }),
    ("a record is lost", |evidence| {
        record(evidence).pop();
    }),
    ("a record counts one too many", |evidence| {
        let last = record(evidence).last_mut().expect("a record");
        last["count"] = json!(last["count"].as_u64().expect("a count") + 1);
    }),
    ("a one-shot was missed for good", |evidence| {
        let one_shots = evidence.book.wishes.values().filter(|wish| matches!(wish.plan, Plan::Once { .. }));
        let one_shots: BTreeSet<i64> = one_shots.filter_map(|wish| wish.acknowledged).collect();
        let is_meant = |event: &Value| {
            one_shots.contains(&number(&event["trigger_id"]))
                && instant(&event["scheduled_at"]) <= evidence.accounted_until
        };
        let place = evidence.kept.events.iter().position(is_meant).expect("a one-shot fired");
        let event = evidence.kept.events.remove(place);
        let due = &event["scheduled_at"];
        let record = json!({"reason": "missed", "first": due, "last": due, "count": 1, "recorded_at": due});
        evidence.kept.skipped.entry(number(&event["trigger_id"])).or_default().push(record);
        // As if nobody had been there all the time: the record itself is then beyond suspicion.
        evidence.lives[0].killed_at = Timestamp::UNIX_EPOCH;
        evidence.lives.iter_mut().for_each(|life| life.ready_at = None);
        evidence.lives.last_mut().expect("a last life").ready_at = Some(Timestamp::MAX);
        evidence.received.retain(|received| received.webhook_id() != event["message_id"]);
    }),
    ("what was missed lies in no absence", |evidence| {
        let only = evidence.lives.pop().expect("a last life");
        evidence.lives = vec![only];
    }),
    ("a trigger is lost", |evidence| {
        let untouched =
            evidence.book.wishes.values().find(|wish| wish.fate == Fate::Untouched && wish.acknowledged.is_some());
        let id = untouched.and_then(|wish| wish.acknowledged).expect("an untouched trigger");
        evidence.kept.triggers.retain(|trigger| trigger["id"] != id);
    }),
    ("a change is lost", |evidence| {
        let changes = evidence.book.changes.iter_mut().find(|(_, changes)| {
            let last_name =
                changes.iter().rfind(|change| change.body.as_ref().is_some_and(|body| !body["name"].is_null()));
            last_name.is_some_and(|change| change.acknowledged_at.is_some())
                && changes.iter().all(|change| change.body.is_some())
        });
        let id = *changes.expect("a last acknowledged name").0;
        let trigger = evidence.kept.triggers.iter_mut().find(|trigger| trigger["id"] == id).expect("it is there");
        trigger["name"] = json!("what it was called before");
    }),
    ("a delivery never arrived", |evidence| {
        let message = evidence.received[0].webhook_id().to_owned();
        evidence.received.retain(|received| received.webhook_id() != message);
    }),
    ("a delivery arrived under another id", |evidence| {
        evidence.received[0].headers.insert("webhook-id".to_owned(), "evt_of_nothing".to_owned());
    }),
    ("a delivery is still owed", |evidence| {
        let sent = evidence.kept.details.iter_mut().find(|event| event["deliveries"] != json!([])).expect("a delivery");
        sent["deliveries"][0]["status"] = json!("pending");
    }),
];

/// The place of an event in the account of a trigger that nobody touched.
fn scheduled_event(evidence: &Evidence) -> usize {
    let untouched = evidence.book.wishes.values().filter(|wish| wish.fate == Fate::Untouched);
    let untouched: BTreeSet<i64> = untouched.filter_map(|wish| wish.acknowledged).collect();
    let is_meant = |event: &Value| {
        !event["scheduled_at"].is_null()
            && untouched.contains(&number(&event["trigger_id"]))
            && instant(&event["scheduled_at"]) <= evidence.accounted_until
    };
    evidence.kept.events.iter().position(is_meant).expect("something fired")
}

fn renumbered(mut event: Value) -> Value {
    event["id"] = json!(number(&event["id"]) + 1_000_000_000);
    event["message_id"] = json!("evt_of_another_number");
    event
}

/// Records of a trigger that has some.
fn record(evidence: &mut Evidence) -> &mut Vec<Value> {
    let until = evidence.accounted_until;
    let mut records = evidence.kept.skipped.values_mut();
    records
        .find(|records| records.last().is_some_and(|record| instant(&record["first"]) <= until))
        .expect("something was missed")
}
