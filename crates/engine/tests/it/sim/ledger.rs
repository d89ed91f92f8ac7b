//! What the world remembers of its own, independently of the store: which definitions stood when, and every event it ever
//! saw. The promises compare the store with this.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use oncue_domain::destination::definition::Rate;
use oncue_domain::event::Event;
use oncue_domain::id::{EventId, MessageId, TriggerId};
use oncue_domain::trigger::{Apart, Definition, just_before};

use super::redelivery::Wishes;

/// A time in which one definition stood: after `from`, up to and including `to`.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) definition: Definition,
    pub(super) from: Timestamp,
    /// None while it stands.
    pub(super) to: Option<Timestamp>,
    /// Since when it says about overlapping what it says.
    pub(super) overlap_since: Timestamp,
    /// Up to here the promises were checked.
    pub(super) checked_until: Timestamp,
    /// Whether its schedule might not fire it any more when the span ended.
    pub(super) was_spent: bool,
    /// The last event there was when it began: where the clock was put back, what had fired by then may lie ahead of it.
    pub(super) after: Option<EventId>,
}

/// An event, as it was first seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) id: EventId,
    pub(super) message_id: MessageId,
    pub(super) fired_at: Timestamp,
}

/// Everything remembered.
#[derive(Default)]
pub(super) struct Ledger {
    /// The spans of the triggers that are there, oldest first.
    pub(super) triggers: HashMap<TriggerId, Vec<Span>>,
    /// By trigger and nominal time.
    pub(super) occurrences: HashMap<(TriggerId, Timestamp), Known>,
    pub(super) events: HashMap<EventId, Event>,
    /// What their deliveries may be known by.
    pub(super) message_ids: HashSet<String>,
    /// By what a request speaks of and who was called: the message id it was first sent under.
    pub(super) sent: HashMap<((i64, Timestamp), String), String>,
    /// What destinations say of their rate, by host; and when attempts began there.
    pub(super) begun: HashMap<String, (Rate, Vec<Timestamp>)>,
    /// The deliveries that were seen to have failed for good.
    pub(super) failed: HashSet<(EventId, u32)>,
    /// Those that were seen to wait for their destination.
    pub(super) parked: HashSet<(EventId, u32)>,
    /// What was sent again, and what was cancelled.
    pub(super) wishes: Wishes,
    /// How many records of skipped occurrences of a trigger were looked at.
    pub(super) records: HashMap<TriggerId, usize>,
    /// Since when it was frozen and when that was or is over, in order.
    pub(super) freezes: Vec<(Timestamp, Timestamp)>,
    /// The latest the clock ever was.
    pub(super) latest: Timestamp,
    /// The earliest the clock was since events were looked at last.
    pub(super) earliest: Timestamp,
}

impl Ledger {
    /// Whether a freeze held at `at`.
    pub(super) fn was_frozen(&self, at: Timestamp) -> bool {
        self.freezes.iter().any(|(from, until)| *from <= at && at < *until)
    }

    /// The clock stands at `now`.
    pub(super) fn note_time(&mut self, now: Timestamp) {
        self.latest = self.latest.max(now);
        self.earliest = self.earliest.min(now);
    }

    /// The schedule has fired the trigger as often as it may.
    pub(super) fn note_spent(&mut self, id: TriggerId) {
        if let Some(last) = self.triggers.get_mut(&id).and_then(|spans| spans.last_mut()) {
            last.was_spent = true;
        }
    }

    /// From `now` on the trigger is what `definition` says.
    pub(super) fn begin(&mut self, id: TriggerId, definition: Definition, now: Timestamp) {
        let spans = self.triggers.entry(id).or_default();
        let mut from = now;
        let mut left_open = None;
        if let Some(last) = spans.last_mut() {
            if falls_due_alike(&last.definition, &definition)
                || goes_on_until(&last.definition, &definition) > Some(now)
            {
                if last.definition.overlap != definition.overlap {
                    last.overlap_since = now;
                }
                last.definition = definition;
                return;
            }
            if goes_on(&last.definition, &definition) {
                // Where the clock was put back, what was not promised then is not promised now.
                from = from.max(last.from);
            }
            left_open = left_open_between(last, &definition, now);
            last.to = Some(now);
        }
        let after = self.events.keys().max().copied();
        spans.push(Span {
            definition,
            from,
            to: None,
            overlap_since: now,
            // What the edit left open is the new one's to tell of, though it was named before.
            checked_until: left_open.map_or(from, |named| just_before(named).min(from)),
            was_spent: false,
            after,
        });
    }
}

/// The occurrence that was named before an edit and is due only after it, by what was said before as by what is said now.
fn left_open_between(before: &Span, definition: &Definition, now: Timestamp) -> Option<Timestamp> {
    let pending = |definition: &Definition| {
        definition.schedule.as_ref().filter(|_| !definition.is_test).and_then(|details| details.pending_at(now))
    };
    let named = pending(&before.definition).filter(|named| pending(definition) == Some(*named))?;
    (before.checked_until < named).then_some(named)
}

/// Whether two definitions differ only in what their events say and where they go.
fn falls_due_alike(one: &Definition, other: &Definition) -> bool {
    one.schedule == other.schedule
        && one.expires_at == other.expires_at
        && one.enabled == other.enabled
        && one.pause_ends_at() == other.pause_ends_at()
        && one.is_test == other.is_test
}

/// From when on they name other occurrences, where that is because a calendar holds other dates, and nothing else is different.
fn goes_on_until(one: &Definition, other: &Definition) -> Option<Timestamp> {
    let alike = Definition { schedule: one.schedule.clone(), ..other.clone() };
    let (schedule, changed) = (one.schedule.as_ref()?, other.schedule.as_ref()?);
    match schedule.apart(changed) {
        Apart::Nowhere => Some(Timestamp::MAX),
        Apart::From(first) => Some(first),
        Apart::Elsewhere => None,
    }
    .filter(|_| falls_due_alike(one, &alike))
}

/// Whether only the end of a running schedule moved.
fn goes_on(one: &Definition, other: &Definition) -> bool {
    let runs = |definition: &Definition| definition.enabled && !definition.is_test;
    one.schedule == other.schedule && runs(one) && runs(other)
}
