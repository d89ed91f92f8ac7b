//! The check, checked: good evidence is falsified in one way at a time, and the check must notice every time. Without this a
//! check that has gone blind would look like a program that does well.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::book::Fate;
use super::check;
use super::evidence::{Evidence, Gap, number};
use super::occurrences::Plan;
use crate::support::time::instant;

/// Falsifies the evidence of a run without complaints in every way, and gives the ways for which it held nothing: where chance
/// decides what happens, nothing may have been missed, and the last change may never have been acknowledged.
pub(crate) fn the_check(evidence: &Evidence) -> Vec<&'static str> {
    let mut impossible = Vec::new();
    for (what, falsify) in FALSIFICATIONS {
        let mut falsified = evidence.clone();
        match falsify(&mut falsified) {
            Some(()) => assert!(!check::all(&falsified).is_empty(), "nobody noticed: {what}"),
            None => impossible.push(what),
        }
    }
    impossible
}

/// Changes the evidence; none where there is nothing of that sort in it.
type Falsification = (&'static str, fn(&mut Evidence) -> Option<()>);

const FALSIFICATIONS: [Falsification; 23] = [
    ("an event of a schedule is lost", |evidence| {
        let place = scheduled_event(evidence);
        evidence.kept.events.remove(place);
        Some(())
    }),
    ("an event of a call is lost", |evidence| {
        let event = evidence.book.firings.values().flatten().next()?.event;
        evidence.kept.events.retain(|kept| kept["id"] != event);
        Some(())
    }),
    ("a call made two events", |evidence| {
        let called = evidence.kept.events.iter().find(|event| event["trigger_type"] == "api")?.clone();
        evidence.kept.events.push(renumbered(called));
        Some(())
    }),
    ("an occurrence made two events", |evidence| {
        let event = evidence.kept.events[scheduled_event(evidence)].clone();
        evidence.kept.events.push(renumbered(event));
        Some(())
    }),
    ("an event has the time of no occurrence", |evidence| {
        let place = scheduled_event(evidence);
        let shifted = instant(&evidence.kept.events[place]["scheduled_at"]) - SignedDuration::from_millis(1);
        evidence.kept.events[place]["scheduled_at"] = json!(shifted.to_string());
        Some(())
    }),
    ("an event fired early", |evidence| {
        let place = scheduled_event(evidence);
        let early = instant(&evidence.kept.events[place]["scheduled_at"]) - SignedDuration::from_micros(1);
        evidence.kept.events[place]["created_at"] = json!(early.to_string());
        Some(())
    }),
    ("a record is lost", |evidence| {
        record(evidence)?.pop();
        Some(())
    }),
    ("a record counts one too many", |evidence| {
        let last = record(evidence)?.last_mut()?;
        last["count"] = json!(last["count"].as_u64().expect("a count") + 1);
        Some(())
    }),
    ("a one-shot was missed for good", |evidence| {
        let one_shots = evidence.book.wishes.values().filter(|wish| matches!(wish.plan, Plan::Once { .. }));
        let one_shots: BTreeSet<i64> = one_shots.filter_map(|wish| wish.acknowledged).collect();
        let is_meant = |event: &Value| {
            one_shots.contains(&number(&event["trigger_id"]))
                && instant(&event["scheduled_at"]) <= evidence.accounted_until
        };
        let place = evidence.kept.events.iter().position(is_meant)?;
        let event = evidence.kept.events.remove(place);
        let due = &event["scheduled_at"];
        let record = json!({"reason": "missed", "first": due, "last": due, "count": 1, "recorded_at": due});
        evidence.kept.skipped.entry(number(&event["trigger_id"])).or_default().push(record);
        // As if nobody had been there all the time: the record itself is then beyond suspicion.
        let possible = (Timestamp::UNIX_EPOCH, Timestamp::MAX);
        evidence.gaps = vec![Gap { possible, certain: Vec::new() }];
        evidence.received.retain(|received| received.webhook_id() != event["message_id"]);
        Some(())
    }),
    ("what was missed fell due while somebody ran", |evidence| {
        record(evidence)?;
        evidence.gaps.clear();
        Some(())
    }),
    ("nothing came back after a time in which nobody ran", |evidence| {
        let due = instant(&evidence.kept.events[scheduled_event(evidence)]["scheduled_at"]);
        let nothing = (due + SignedDuration::from_micros(1), due);
        evidence.gaps.push(Gap { possible: nothing, certain: vec![(due, due + SignedDuration::from_secs(1))] });
        Some(())
    }),
    ("a trigger is lost", |evidence| {
        let untouched =
            evidence.book.wishes.values().find(|wish| wish.fate == Fate::Untouched && wish.acknowledged.is_some());
        let id = untouched.and_then(|wish| wish.acknowledged)?;
        evidence.kept.triggers.retain(|trigger| trigger["id"] != id);
        Some(())
    }),
    ("a change is lost", |evidence| {
        let changes = evidence.book.changes.iter_mut().find(|(_, changes)| {
            let last_name =
                changes.iter().rfind(|change| change.body.as_ref().is_some_and(|body| !body["name"].is_null()));
            last_name.is_some_and(|change| change.acknowledged_at.is_some())
                && changes.iter().all(|change| change.body.is_some())
        });
        let id = *changes?.0;
        let trigger = evidence.kept.triggers.iter_mut().find(|trigger| trigger["id"] == id).expect("it is there");
        trigger["name"] = json!("what it was called before");
        Some(())
    }),
    ("a delivery never arrived", |evidence| {
        let message = evidence.received[0].webhook_id().to_owned();
        evidence.received.retain(|received| received.webhook_id() != message);
        Some(())
    }),
    ("a delivery arrived a second time under another id", |evidence| {
        let is_scheduled = |body: &Value| !body["data"]["firing"]["scheduled_at"].is_null();
        let mut again = evidence.received.iter().find(|received| is_scheduled(&received.json()))?.clone();
        again.headers.insert("webhook-id".to_owned(), "evt_of_another_number".to_owned());
        evidence.received.push(again);
        Some(())
    }),
    ("a delivery arrived under another id", |evidence| {
        evidence.received[0].headers.insert("webhook-id".to_owned(), "evt_of_nothing".to_owned());
        Some(())
    }),
    ("a delivery is still owed", |evidence| {
        let sent = evidence.kept.details.iter_mut().find(|event| event["deliveries"] != json!([]))?;
        sent["deliveries"][0]["status"] = json!("pending");
        Some(())
    }),
    ("a delivery to a destination was forgotten", |evidence| {
        evidence.kept.fanned_out.first_mut()?["deliveries"].as_array_mut()?.pop();
        Some(())
    }),
    ("an event that goes to destinations is shown to nobody", |evidence| evidence.kept.fanned_out.pop().map(drop)),
    ("a delivery to a destination stalls", |evidence| {
        parcel(evidence, |_| true)?["status"] = json!("pending");
        Some(())
    }),
    ("a delivery to a destination was given up too early", |evidence| {
        let parcel = parcel(evidence, |delivery| delivery["attempts"][0]["status"] == 200)?;
        parcel["status"] = json!("failed");
        parcel["attempts"][0]["status"] = Value::Null;
        Some(())
    }),
    ("an attempt was not written down", |evidence| {
        let repeated = |delivery: &Value| delivery["attempts"].as_array().is_some_and(|attempts| attempts.len() > 1);
        parcel(evidence, repeated)?["attempts"].as_array_mut()?.remove(0);
        Some(())
    }),
    ("a destination's receiver never got what was delivered", |evidence| {
        let message = parcel(evidence, |delivery| delivery["status"] == "delivered")?["message_id"].clone();
        evidence.answered.retain(|answered| message != answered.message.as_str());
        Some(())
    }),
];

/// A delivery to a destination.
fn parcel(evidence: &mut Evidence, is_meant: impl Fn(&Value) -> bool) -> Option<&mut Value> {
    let events = evidence.kept.fanned_out.iter_mut();
    let mut deliveries = events.filter_map(|event| event["deliveries"].as_array_mut()).flatten();
    deliveries.find(|delivery| !delivery["destination_id"].is_null() && is_meant(delivery))
}

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
fn record(evidence: &mut Evidence) -> Option<&mut Vec<Value>> {
    let until = evidence.accounted_until;
    let mut records = evidence.kept.skipped.values_mut();
    records.find(|records| records.last().is_some_and(|record| instant(&record["first"]) <= until))
}
