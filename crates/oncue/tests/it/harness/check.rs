//! The check: each function is one promise and gives its complaints. None of them knows how the program works; all they have
//! is the evidence.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::book::{Change, Fate};
use super::evidence::{Account, Evidence, number, shown};
use super::occurrences::Plan;
use super::parcels::{
    every_delivery_to_a_destination_ends_by_itself, every_event_owes_to_each_of_its_destinations,
    what_is_told_of_a_delivery_is_what_its_receiver_answered,
};
use crate::support::time::instant;

/// Every promise. No complaint means that all of them held.
pub(crate) fn all(evidence: &Evidence) -> Vec<String> {
    let mut complaints = Vec::new();
    let account = Account::new(evidence, &mut complaints);
    for promise in [
        every_acknowledged_trigger_is_there,
        every_acknowledged_change_holds,
        every_acknowledged_firing_is_there_once,
        no_occurrence_has_two_events,
        no_occurrence_arrived_under_two_ids,
        nothing_fires_before_its_time,
        every_occurrence_is_an_event_or_on_record,
        only_what_fell_due_while_nobody_ran_was_missed,
        the_latest_of_what_was_missed_fires,
        every_delivery_arrived_under_one_id,
        nothing_is_owed_at_the_end,
        every_event_owes_to_each_of_its_destinations,
        every_delivery_to_a_destination_ends_by_itself,
        what_is_told_of_a_delivery_is_what_its_receiver_answered,
    ] {
        promise(evidence, &account, &mut complaints);
    }
    complaints
}

fn every_acknowledged_trigger_is_there(evidence: &Evidence, account: &Account<'_>, complaints: &mut Vec<String>) {
    let kept: BTreeSet<i64> = account.entries.iter().map(|entry| entry.id).collect();
    if kept.len() != evidence.kept.triggers.len() {
        complaints.push("a trigger is listed twice".to_owned());
    }
    for (name, wish) in &evidence.book.wishes {
        let is_deleted = wish.acknowledged.is_some_and(|id| {
            evidence.book.changes.get(&id).is_some_and(|changes| changes.iter().any(|change| change.body.is_none()))
        });
        match wish.acknowledged {
            Some(id) if !kept.contains(&id) && !is_deleted => {
                complaints.push(format!("trigger {id} ({name}) was acknowledged and is gone"))
            }
            None if wish.is_refused && account.entries.iter().any(|entry| std::ptr::eq(entry.wish, wish)) => {
                complaints.push(format!("{name} was refused and exists"));
            }
            _ => {}
        }
    }
    for wish in evidence.book.wishes.values() {
        if account.entries.iter().filter(|entry| std::ptr::eq(entry.wish, wish)).count() > 1 {
            complaints.push(format!("one request made two triggers: {wish:?}"));
        }
    }
}

fn every_acknowledged_change_holds(evidence: &Evidence, _: &Account<'_>, complaints: &mut Vec<String>) {
    for (id, changes) in &evidence.book.changes {
        let trigger = evidence.kept.triggers.iter().find(|trigger| number(&trigger["id"]) == *id);
        let events: Vec<&Value> =
            evidence.kept.events.iter().filter(|event| number(&event["trigger_id"]) == *id).collect();
        if changes.iter().any(|change| change.body.is_none() && change.acknowledged_at.is_some()) && trigger.is_some() {
            complaints.push(format!("trigger {id} was deleted and is back"));
        }
        let last_name = changes.iter().rfind(|change| change.sets("name").is_some());
        if let (Some(change), Some(trigger)) = (last_name.filter(|change| change.acknowledged_at.is_some()), trigger)
            && change.sets("name") != Some(&trigger["name"])
        {
            complaints
                .push(format!("trigger {id} was renamed, acknowledged, and is called {}: {change:?}", trigger["name"]));
        }
        for (place, change) in changes.iter().enumerate() {
            let Some(from) = change.acknowledged_at else { continue };
            let same_field = |later: &&Change| {
                later.body.is_none()
                    || ["name", "enabled"]
                        .iter()
                        .any(|field| change.sets(field).is_some() && later.sets(field).is_some())
            };
            let to = changes[place + 1..].iter().find(same_field).map_or(evidence.load_ended_at, |later| later.sent_at);
            let (from, to) = (from + evidence.clock_slack, to - evidence.clock_slack);
            let meanwhile = events.iter().filter(|event| {
                (from..to).contains(&instant(&event["created_at"])) && !event["scheduled_at"].is_null()
            });
            for event in meanwhile {
                let is_former = change.body.is_none()
                    || change.sets("enabled").is_some_and(|enabled| enabled == &Value::Bool(false))
                    || change.sets("name").is_some_and(|name| *name != event["name"]);
                if is_former {
                    complaints.push(format!("an event of the former state after {change:?}: {event}"));
                }
            }
        }
    }
}

fn every_acknowledged_firing_is_there_once(evidence: &Evidence, account: &Account<'_>, complaints: &mut Vec<String>) {
    for (nonce, fired) in &evidence.book.firings {
        let Some(fired) = fired else { continue };
        let event = account.events_by_id.get(&fired.event);
        if !event.is_some_and(|event| {
            event["payload"]["nonce"] == nonce.as_str() && number(&event["trigger_id"]) == fired.trigger
        }) {
            complaints.push(format!("the call {nonce} was acknowledged as event {}, which is {event:?}", fired.event));
        }
    }
    let mut seen = BTreeSet::new();
    for event in evidence.kept.events.iter().filter(|event| event["trigger_type"] == "api") {
        let nonce = event["payload"]["nonce"].as_str().unwrap_or_default();
        if !evidence.book.firings.contains_key(nonce) || !seen.insert(nonce) {
            complaints.push(format!("nobody called for this event, or not twice: {event}"));
        }
    }
}

fn no_occurrence_has_two_events(evidence: &Evidence, _: &Account<'_>, complaints: &mut Vec<String>) {
    let (mut occurrences, mut messages, mut numbers) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for event in &evidence.kept.events {
        let is_new = event["scheduled_at"].is_null()
            || occurrences.insert((number(&event["trigger_id"]), instant(&event["scheduled_at"])));
        if !is_new {
            complaints.push(format!("a second event of one occurrence: {event}"));
        }
        if !messages.insert(event["message_id"].as_str()) || !numbers.insert(number(&event["id"])) {
            complaints.push(format!("a second event of one id: {event}"));
        }
    }
}

/// By what the receiver got alone: an id that comes again is the same delivery again, another id would be a second firing.
fn no_occurrence_arrived_under_two_ids(evidence: &Evidence, _: &Account<'_>, complaints: &mut Vec<String>) {
    let mut ids: BTreeMap<(i64, String), &str> = BTreeMap::new();
    for received in &evidence.received {
        let body = received.json();
        let Some(occurrence) = body["data"]["firing"]["scheduled_at"].as_str() else { continue };
        let key = (number(&body["data"]["trigger"]["id"]), occurrence.to_owned());
        let first = ids.entry(key).or_insert(received.webhook_id());
        if *first != received.webhook_id() {
            complaints.push(format!("one occurrence arrived under two ids, the other one is {first}: {body}"));
        }
    }
}

fn nothing_fires_before_its_time(evidence: &Evidence, _: &Account<'_>, complaints: &mut Vec<String>) {
    for event in evidence.kept.events.iter().filter(|event| !event["scheduled_at"].is_null()) {
        if instant(&event["created_at"]) < instant(&event["scheduled_at"]) {
            complaints.push(format!("fired before its time: {event}"));
        }
    }
}

fn every_occurrence_is_an_event_or_on_record(evidence: &Evidence, account: &Account<'_>, complaints: &mut Vec<String>) {
    let until = evidence.accounted_until.as_microsecond();
    for entry in account.entries.iter().filter(|entry| !matches!(entry.wish.plan, Plan::Api)) {
        let fired: BTreeSet<i64> = entry.fired.iter().copied().filter(|at| *at <= until).collect();
        for odd in fired.difference(&entry.expected) {
            complaints.push(format!(
                "trigger {} fired for {}, when nothing was due: {:?}",
                entry.id,
                shown(*odd),
                entry.wish.plan
            ));
        }
        for occurrence in &entry.expected {
            let records = entry.records.iter().filter(|record| record.covers(*occurrence)).count();
            if usize::from(fired.contains(occurrence)) + records != 1 {
                complaints.push(format!(
                    "trigger {} ({:?}, {:?}): its occurrence {} has {} events and stands in {records} records",
                    entry.id,
                    entry.wish.plan,
                    entry.wish.fate,
                    shown(*occurrence),
                    usize::from(fired.contains(occurrence)),
                ));
            }
        }
        for record in entry.records.iter().filter(|record| record.first <= until) {
            let meant: Vec<i64> = entry.expected.range(record.first..=record.last).copied().collect();
            let is_exact = meant.len() as u64 == record.count
                && meant.first() == Some(&record.first)
                && meant.last() == Some(&record.last);
            if !is_exact {
                complaints.push(format!(
                    "trigger {}: the record {} to {} counts {} ({}), where {} occurrences lie",
                    entry.id,
                    shown(record.first),
                    shown(record.last),
                    record.count,
                    record.reason,
                    meant.len(),
                ));
            }
        }
    }
}

fn only_what_fell_due_while_nobody_ran_was_missed(
    evidence: &Evidence,
    account: &Account<'_>,
    complaints: &mut Vec<String>,
) {
    for entry in &account.entries {
        for record in &entry.records {
            let is_paused =
                entry.wish.fate == Fate::Restless && matches!(record.reason.as_str(), "paused" | "superseded");
            // Stopping the triggers at the end may come before an occurrence that is due in the same instant.
            let is_the_end = record.reason == "superseded" && record.first > evidence.accounted_until.as_microsecond();
            if is_paused || is_the_end {
                continue;
            }
            let (first, last) = (shown(record.first), shown(record.last));
            let is_absent = evidence.gaps.iter().any(|gap| gap.possible.0 <= first && last <= gap.possible.1);
            if record.reason != "missed" || !is_absent {
                complaints.push(format!(
                    "trigger {}: {} occurrences from {first} to {last} did not fire ({}), and a server was there",
                    entry.id, record.count, record.reason
                ));
            }
        }
    }
}

fn the_latest_of_what_was_missed_fires(evidence: &Evidence, account: &Account<'_>, complaints: &mut Vec<String>) {
    for entry in account.entries.iter().filter(|entry| entry.wish.fate == Fate::Untouched) {
        let fired: BTreeSet<i64> = entry.fired.iter().copied().collect();
        // Whatever was missed is followed by one that fires, so a one-shot is never missed.
        let until = evidence.accounted_until.as_microsecond();
        for record in entry.records.iter().filter(|record| record.first <= until) {
            let next = entry.expected.range(record.last + 1..).next();
            if next.is_none_or(|next| !fired.contains(next)) {
                complaints.push(format!(
                    "trigger {} ({:?}): what follows the missed ones up to {} did not fire",
                    entry.id,
                    entry.wish.plan,
                    shown(record.last)
                ));
            }
        }
        for gap in &evidence.gaps {
            let (from, to) = (gap.possible.0.as_microsecond(), gap.possible.1.as_microsecond());
            let came_back = fired.range(from..=to.max(from)).next().is_some();
            for (from, to) in &gap.certain {
                let is_missed = entry.expected.range(from.as_microsecond()..to.as_microsecond()).next().is_some();
                if is_missed && !came_back {
                    complaints
                        .push(format!("trigger {}: of what fell due between {from} and {to} nothing fired", entry.id));
                }
            }
        }
    }
}

fn every_delivery_arrived_under_one_id(evidence: &Evidence, account: &Account<'_>, complaints: &mut Vec<String>) {
    let sent: BTreeMap<i64, bool> = account.entries.iter().map(|entry| (entry.id, entry.wish.is_sent)).collect();
    let deleted = evidence.book.wishes.values().filter_map(|wish| Some((wish.acknowledged?, wish.is_sent)));
    let is_sent: BTreeMap<i64, bool> = deleted.chain(sent).collect();
    let by_message: BTreeMap<&str, &Value> =
        evidence.kept.events.iter().filter_map(|event| Some((event["message_id"].as_str()?, event))).collect();
    let mut arrived = BTreeSet::new();
    for received in &evidence.received {
        let body = received.json();
        let Some(event) = by_message.get(received.webhook_id()) else {
            complaints.push(format!("a delivery of no event: {body}"));
            continue;
        };
        arrived.insert(received.webhook_id());
        let is_same = body["id"] == event["message_id"]
            && body["data"]["trigger"]["id"] == event["trigger_id"]
            && body["data"]["trigger"]["name"] == event["name"]
            && body["data"]["firing"]["scheduled_at"] == event["scheduled_at"]
            && body["data"]["payload"] == event["payload"];
        if !is_same {
            complaints.push(format!("one id for two things: {body} and {event}"));
        }
    }
    for (message, event) in &by_message {
        let trigger = number(&event["trigger_id"]);
        // A trigger whose creation was never acknowledged and that was deleted is nobody's to judge.
        if is_sent.get(&trigger).is_some_and(|is_sent| *is_sent != arrived.contains(message)) {
            complaints.push(format!("sent where it should not be, or never sent: {event}"));
        }
    }
}

fn nothing_is_owed_at_the_end(evidence: &Evidence, _: &Account<'_>, complaints: &mut Vec<String>) {
    for event in &evidence.kept.details {
        let deliveries = event["deliveries"].as_array().into_iter().flatten();
        for delivery in deliveries.filter(|delivery| delivery["destination_id"].is_null()) {
            let attempts = delivery["attempts"].as_array().map_or(0, Vec::len);
            if delivery["status"] != "delivered" || attempts == 0 || delivery["message_id"] != event["message_id"] {
                complaints.push(format!("not delivered in the end: {event}"));
            }
        }
    }
}
