//! What the check goes by: the book of the load, the deaths and the clock on one side, what the server shows and what the
//! receiver got on the other; and the account that puts them side by side, trigger by trigger.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::book::{Book, Wish};
use crate::support::receiver::Received;
use crate::support::time::instant;

/// An occurrence that fell due this long before a death may not have been looked at yet: the machine is busy.
pub(super) const SLACK: SignedDuration = SignedDuration::from_millis(750);

/// How many events are looked at one by one.
const SAMPLE: usize = 300;

/// One life of the server.
#[derive(Clone, Debug)]
pub(super) struct Life {
    /// Just before it was started.
    pub(super) launched_at: Timestamp,
    /// When it was found ready; none when it was killed before.
    pub(super) ready_at: Option<Timestamp>,
    /// Just before it was killed.
    pub(super) killed_at: Timestamp,
    /// Just after it was dead.
    pub(super) dead_at: Timestamp,
}

/// What the server shows at the end.
#[derive(Clone)]
pub(super) struct Kept {
    /// The triggers.
    pub(super) triggers: Vec<Value>,
    /// The records of occurrences that did not fire, by trigger.
    pub(super) skipped: BTreeMap<i64, Vec<Value>>,
    /// The events.
    pub(super) events: Vec<Value>,
    /// Some events with their deliveries.
    pub(super) details: Vec<Value>,
}

/// Everything the check goes by.
#[derive(Clone)]
pub(super) struct Evidence {
    pub(super) book: Book,
    pub(super) lives: Vec<Life>,
    /// From here on nobody asked for anything that the book does not know.
    pub(super) load_ended_at: Timestamp,
    /// Up to here every occurrence must be accounted for.
    pub(super) accounted_until: Timestamp,
    pub(super) kept: Kept,
    pub(super) received: Vec<Received>,
}

/// Events to be looked at one by one: the newest, and some of all ages.
pub(super) fn sample(events: &[Value]) -> impl Iterator<Item = &Value> {
    let step = (events.len() / SAMPLE).max(1);
    events.iter().take(SAMPLE).chain(events.iter().skip(SAMPLE).step_by(step))
}

impl Evidence {
    /// How much was checked, for whoever reads the log of a run that went well.
    pub(super) fn summary(&self) -> String {
        let skipped: usize = self.kept.skipped.values().map(Vec::len).sum();
        let acknowledged = self.book.firings.values().flatten().count();
        format!(
            "{} deaths ({} while starting), {} triggers, {} events ({acknowledged} calls acknowledged), {skipped} records of skipped occurrences, {} deliveries received",
            self.lives.len() - 1,
            self.lives.iter().filter(|life| life.ready_at.is_none()).count(),
            self.kept.triggers.len(),
            self.kept.events.len(),
            self.received.len(),
        )
    }

    /// From just before each death to the moment when the server was found ready again.
    pub(super) fn absences(&self) -> Vec<(Timestamp, Timestamp)> {
        let deaths = self.lives.iter().enumerate().filter(|(_, life)| life.killed_at < Timestamp::MAX);
        let absence = |(number, life): (usize, &Life)| {
            let back_at = self.lives[number + 1..].iter().find_map(|later| later.ready_at).unwrap_or(Timestamp::MAX);
            (life.killed_at - SLACK, back_at)
        };
        deaths.map(absence).collect()
    }
}

/// A record of occurrences that did not fire.
pub(super) struct Record {
    pub(super) reason: String,
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) count: u64,
}

/// A trigger that the server has, and everything about it, side by side.
pub(super) struct Entry<'a> {
    pub(super) id: i64,
    pub(super) wish: &'a Wish,
    /// The occurrences that had to come, up to the instant of the account.
    pub(super) expected: BTreeSet<i64>,
    /// The nominal times of its events.
    pub(super) fired: Vec<i64>,
    pub(super) records: Vec<Record>,
}

/// The evidence, sorted.
pub(super) struct Account<'a> {
    pub(super) entries: Vec<Entry<'a>>,
    pub(super) events_by_id: BTreeMap<i64, &'a Value>,
}

impl<'a> Account<'a> {
    pub(super) fn new(evidence: &'a Evidence, complaints: &mut Vec<String>) -> Account<'a> {
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
    pub(super) fn read(record: &Value) -> Record {
        Record {
            reason: record["reason"].as_str().unwrap_or_default().to_owned(),
            first: instant(&record["first"]).as_microsecond(),
            last: instant(&record["last"]).as_microsecond(),
            count: record["count"].as_u64().expect("a count"),
        }
    }

    pub(super) fn covers(&self, occurrence: i64) -> bool {
        (self.first..=self.last).contains(&occurrence)
    }
}

pub(super) fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| panic!("an integer, not {value}"))
}

pub(super) fn shown(us: i64) -> Timestamp {
    Timestamp::from_microsecond(us).expect("in range")
}
