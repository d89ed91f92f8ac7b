//! Promises about deliveries to destinations, of which an event has several: nothing owed is forgotten, each of them ends by itself,
//! and what is told of its attempts is what the receivers answered.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::evidence::{Account, Evidence, number};
use super::street::Manner;

/// A delivery, the manner of its receiver, and how it is spoken of in a complaint.
struct Parcel<'a> {
    manner: Manner,
    delivery: &'a Value,
}

impl Parcel<'_> {
    fn message(&self) -> &str {
        self.delivery["message_id"].as_str().unwrap_or_default()
    }

    fn attempts(&self) -> &[Value] {
        self.delivery["attempts"].as_array().map_or(&[], Vec::as_slice)
    }

    fn is_delivered(&self) -> bool {
        self.delivery["status"] == "delivered"
    }
}

fn is_success(status: &Value) -> bool {
    status.as_u64().is_some_and(|status| (200..300).contains(&status))
}

fn parcels(evidence: &Evidence) -> Vec<Parcel<'_>> {
    let manners: BTreeMap<i64, Manner> = evidence.book.destinations.iter().map(|(manner, id)| (*id, *manner)).collect();
    let deliveries =
        evidence.kept.fanned_out.iter().flat_map(|event| event["deliveries"].as_array().into_iter().flatten());
    let to_destination = |delivery: &'_ Value| manners.get(&delivery["destination_id"].as_i64()?).copied();
    deliveries.filter_map(|delivery| Some(Parcel { manner: to_destination(delivery)?, delivery })).collect()
}

pub(crate) fn every_event_owes_to_each_of_its_destinations(
    evidence: &Evidence,
    account: &Account<'_>,
    complaints: &mut Vec<String>,
) {
    let shown: BTreeMap<i64, &Value> =
        evidence.kept.fanned_out.iter().map(|event| (number(&event["id"]), event)).collect();
    for entry in account.entries.iter().filter(|entry| !entry.wish.also_to.is_empty()) {
        let ids: Vec<i64> =
            entry.wish.also_to.iter().filter_map(|manner| evidence.book.destinations.get(manner).copied()).collect();
        for event in evidence.kept.events.iter().filter(|event| number(&event["trigger_id"]) == entry.id) {
            let Some(event) = shown.get(&number(&event["id"])) else {
                complaints.push(format!("an event of several deliveries is not shown: {event}"));
                continue;
            };
            let own = usize::from(entry.wish.is_sent);
            let deliveries = event["deliveries"].as_array().map_or(&[][..], Vec::as_slice);
            let to: Vec<i64> =
                deliveries.iter().skip(own).filter_map(|delivery| delivery["destination_id"].as_i64()).collect();
            let slots: Vec<i64> = deliveries.iter().map(|delivery| number(&delivery["slot"])).collect();
            if to != ids || !slots.iter().copied().eq(0..(own + ids.len()) as i64) {
                complaints.push(format!("it does not go where its trigger says ({ids:?}): {event}"));
            }
        }
    }
}

pub(crate) fn every_delivery_to_a_destination_ends_by_itself(
    evidence: &Evidence,
    _: &Account<'_>,
    complaints: &mut Vec<String>,
) {
    for parcel in parcels(evidence) {
        let attempts = parcel.attempts();
        let numbers = attempts.iter().map(|attempt| number(&attempt["number"]));
        if attempts.is_empty() || !numbers.eq(1..=attempts.len() as i64) {
            complaints.push(format!("attempts that are not numbered one after the other: {}", parcel.delivery));
            continue;
        }
        let (last, before) = attempts.split_last().expect("there is one");
        let status = &last["status"];
        let has_ended = |status: &Value| is_success(status) || parcel.manner.is_final(status);
        // A receiver that takes it for one too many, and says when to come back, uses up no rung.
        let rungs = attempts.iter().filter(|attempt| attempt["status"] != 429).count();
        let is_used_up = rungs == parcel.manner.attempts_max();
        let is_right = match parcel.delivery["status"].as_str() {
            Some("delivered") => is_success(status),
            Some("failed") => !is_success(status) && (parcel.manner.is_final(status) || is_used_up),
            _ => false,
        };
        if !is_right || rungs > parcel.manner.attempts_max() {
            complaints.push(format!("its end is not what its attempts say ({:?}): {}", parcel.manner, parcel.delivery));
        }
        if before.iter().any(|attempt| has_ended(&attempt["status"])) {
            complaints.push(format!("it went on after its end: {}", parcel.delivery));
        }
    }
}

pub(crate) fn what_is_told_of_a_delivery_is_what_its_receiver_answered(
    evidence: &Evidence,
    _: &Account<'_>,
    complaints: &mut Vec<String>,
) {
    let mut answers: BTreeMap<(Manner, &str), Vec<u16>> = BTreeMap::new();
    for answered in &evidence.answered {
        answers.entry((answered.manner, &answered.message)).or_default().extend(answered.status);
    }
    let parcels = parcels(evidence);
    for parcel in &parcels {
        let mut left = answers.get(&(parcel.manner, parcel.message())).cloned().unwrap_or_default();
        for status in parcel.attempts().iter().filter_map(|attempt| attempt["status"].as_u64()) {
            match left.iter().position(|answer| u64::from(*answer) == status) {
                Some(place) => drop(left.swap_remove(place)),
                None => complaints.push(format!("nobody answered {status} to that: {}", parcel.delivery)),
            }
        }
        if parcel.is_delivered() && !answers.contains_key(&(parcel.manner, parcel.message())) {
            complaints.push(format!("nobody ever got that: {}", parcel.delivery));
        }
    }
    let known: BTreeSet<(Manner, &str)> = parcels.iter().map(|parcel| (parcel.manner, parcel.message())).collect();
    for (manner, message) in answers.keys().filter(|key| !known.contains(key)) {
        complaints.push(format!("{manner:?} was sent {message}, which is no delivery to it"));
    }
}
