//! What the check goes by: the book of the load, the faults and the clock on one side, what the server shows and what the
//! receiver got on the other; and the account that puts them side by side, trigger by trigger.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::book::{Book, Wish};
use super::street::Answered;
use crate::support::receiver::Received;
use crate::support::time::instant;

/// How many events are looked at one by one.
const SAMPLE: usize = 300;

/// A time in which nobody ran. What fell due in it may have been missed.
#[derive(Clone, Debug)]
pub(crate) struct Gap {
    /// From the earliest to the latest instant at which it may have been so.
    pub(crate) possible: (Timestamp, Timestamp),
    /// When it certainly was so.
    pub(crate) certain: Vec<(Timestamp, Timestamp)>,
}

/// What the server shows at the end.
#[derive(Clone)]
pub(crate) struct Kept {
    /// The triggers.
    pub(crate) triggers: Vec<Value>,
    /// The records of occurrences that did not fire, by trigger.
    pub(crate) skipped: BTreeMap<i64, Vec<Value>>,
    /// The events.
    pub(crate) events: Vec<Value>,
    /// Some events with their deliveries.
    pub(crate) details: Vec<Value>,
    /// Every event that goes to destinations, with its deliveries.
    pub(crate) fanned_out: Vec<Value>,
}

/// Everything the check goes by.
#[derive(Clone)]
pub(crate) struct Evidence {
    pub(crate) book: Book,
    /// When nobody ran.
    pub(crate) gaps: Vec<Gap>,
    /// How far the servers' clock and ours may be apart.
    pub(crate) clock_slack: SignedDuration,
    /// From here on nobody asked for anything that the book does not know.
    pub(crate) load_ended_at: Timestamp,
    /// Up to here every occurrence must be accounted for.
    pub(crate) accounted_until: Timestamp,
    pub(crate) kept: Kept,
    pub(crate) received: Vec<Received>,
    /// What the receivers of destinations answered.
    pub(crate) answered: Vec<Answered>,
}

/// Events to be looked at one by one: the newest, and some of all ages.
pub(crate) fn sample(events: &[Value]) -> impl Iterator<Item = &Value> {
    let step = (events.len() / SAMPLE).max(1);
    events.iter().take(SAMPLE).chain(events.iter().skip(SAMPLE).step_by(step))
}

impl Evidence {
    /// How much was checked, for whoever reads the log of a run that went well.
    pub(crate) fn summary(&self) -> String {
        let skipped: usize = self.kept.skipped.values().map(Vec::len).sum();
        let acknowledged = self.book.firings.values().flatten().count();
        let deliveries =
            self.kept.fanned_out.iter().flat_map(|event| event["deliveries"].as_array().into_iter().flatten());
        let failed = deliveries.filter(|delivery| delivery["status"] == "failed").count();
        format!(
            "{} triggers, {} events ({acknowledged} calls acknowledged, {} not), {skipped} records of skipped occurrences, {} deliveries received; \
             {} events to destinations, which were called {} times, {failed} deliveries failed",
            self.kept.triggers.len(),
            self.kept.events.len(),
            self.book.firings.len() - acknowledged,
            self.received.len(),
            self.kept.fanned_out.len(),
            self.answered.len(),
        )
    }
}

/// A record of occurrences that did not fire.
pub(crate) struct Record {
    pub(crate) reason: String,
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) count: u64,
}

/// A trigger that the server has, and everything about it, side by side.
pub(crate) struct Entry<'a> {
    pub(crate) id: i64,
    pub(crate) wish: &'a Wish,
    /// The occurrences that had to come, up to the instant of the account.
    pub(crate) expected: BTreeSet<i64>,
    /// The nominal times of its events.
    pub(crate) fired: Vec<i64>,
    pub(crate) records: Vec<Record>,
}

/// The evidence, sorted.
pub(crate) struct Account<'a> {
    pub(crate) entries: Vec<Entry<'a>>,
    pub(crate) events_by_id: BTreeMap<i64, &'a Value>,
}

impl<'a> Account<'a> {
    pub(crate) fn new(evidence: &'a Evidence, complaints: &mut Vec<String>) -> Account<'a> {
        let mut fired: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
        for event in evidence.kept.events.iter().filter(|event| !event["scheduled_at"].is_null()) {
            fired
                .entry(number(&event["trigger_id"]))
                .or_default()
                .push(instant(&event["scheduled_at"]).as_microsecond());
        }
        let mut entries = Vec::new();
        for trigger in &evidence.kept.triggers {
            let (id, name) = (number(&trigger["id"]), trigger["api_payload"]["wish"].as_str().unwrap_or_default());
            let Some(wish) = evidence.book.wishes.get(name) else {
                complaints.push(format!("nobody asked for this trigger: {trigger}"));
                continue;
            };
            let expected =
                wish.plan.occurrences(instant(&trigger["created_at"]), evidence.accounted_until).into_iter().collect();
            let records = evidence.kept.skipped.get(&id).into_iter().flatten().map(Record::read).collect();
            entries.push(Entry { id, wish, expected, fired: fired.remove(&id).unwrap_or_default(), records });
        }
        let events_by_id = evidence.kept.events.iter().map(|event| (number(&event["id"]), event)).collect();
        Account { entries, events_by_id }
    }
}

impl Record {
    pub(crate) fn read(record: &Value) -> Record {
        Record {
            reason: record["reason"].as_str().unwrap_or_default().to_owned(),
            first: instant(&record["first"]).as_microsecond(),
            last: instant(&record["last"]).as_microsecond(),
            count: record["count"].as_u64().expect("a count"),
        }
    }

    pub(crate) fn covers(&self, occurrence: i64) -> bool {
        (self.first..=self.last).contains(&occurrence)
    }
}

pub(crate) fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| panic!("an integer, not {value}"))
}

pub(crate) fn shown(us: i64) -> Timestamp {
    Timestamp::from_microsecond(us).expect("in range")
}
