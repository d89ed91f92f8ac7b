//! What is coming: the occurrences of many triggers merged into one row, and how many fall into each quarter of an hour.
//! The room exists so that the page that people plan by names exactly what the engine will fire if nothing changes: the
//! armed occurrence first, then the schedule's, none at or after the expiry. It predicts, it decides nothing; no store and
//! no clock may enter, and no absence, which nobody can foresee.
//!
//! The row is exact and costs a step for each trigger and line. The counts are exact as far as [`STEPS_MAX`] reaches, and
//! say which triggers lie beyond; how they are counted stands in `density`.

mod density;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use jiff::{SignedDuration, Timestamp};

use crate::id::TriggerId;
use crate::plan::LATE_AT_MOST;
use crate::trigger::{ScheduleDetails, TriggerHead, just_after, just_before};

/// The longest span that is looked at; what is asked beyond it is left out.
pub const SPAN_MAX: SignedDuration = SignedDuration::from_hours(32 * 24);

/// How long a slot is.
pub const SLOT: SignedDuration = SignedDuration::from_mins(15);

/// How many occurrences or slots are looked at one by one to fill the slots. A step of a cron line takes about 0.2 µs, so
/// that all of them stay well below 100 ms.
pub const STEPS_MAX: usize = 300_000;

/// A trigger fires constantly when it fires more often than once a slot; fewer firings than these are still told one by one.
pub const CONSTANT_FROM: u64 = 20;

/// As many firings in one second are a burst.
pub const BURST_FROM: usize = 10;

/// A trigger that waits for an occurrence.
#[derive(Clone, Copy, Debug)]
pub struct Waiting<'a> {
    /// Which.
    pub id: TriggerId,
    /// What names its occurrences.
    pub schedule: &'a ScheduleDetails,
    /// When the occurrence that it waits for falls due, or, where that waits for an event of its own to end, the first that will fire.
    pub next_at: Timestamp,
    /// From when on nothing falls due that fires.
    pub expires_at: Option<Timestamp>,
}

impl<'a> Waiting<'a> {
    /// The trigger, if it will ever fire by itself from `now` on.
    pub fn of(head: &'a TriggerHead, now: Timestamp) -> Option<Waiting<'a>> {
        let schedule = head.schedule.as_ref()?;
        let fires_at = |next: &Timestamp| {
            let named = schedule.named_for(*next);
            !head.is_paused_at(named) && !head.is_test && head.lives_at(named)
        };
        let next_at = head.first_to_fire(now).filter(fires_at)?;
        // An occurrence that is named before the expiry fires, even where it falls due after it.
        let last_named = |end: Timestamp| match schedule.pending_at(just_before(end)) {
            Some(named) => end.max(just_after(schedule.due_at(named))),
            None => end,
        };
        let expiry = head.expires_at.map(last_named);
        if head.left() == Some(0) {
            return None;
        }
        // Nothing comes after the last that the limit leaves.
        let limit = head.limited_to(now).map(|last| just_after(schedule.due_at(last)));
        let expires_at = [expiry, limit].into_iter().flatten().min();
        Some(Waiting { id: head.id, schedule, next_at, expires_at })
    }

    pub(crate) fn lives_at(&self, instant: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| instant < end)
    }

    /// The first occurrence that fires at or after `from`. What is overdue fires now, unless it is too late for that.
    pub(crate) fn first_from(&self, from: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let oldest = now.checked_sub(LATE_AT_MOST).unwrap_or(Timestamp::MIN);
        let oldest = if from <= now { oldest } else { from };
        let first =
            if self.next_at < oldest { self.schedule.next_due_after(just_before(oldest))? } else { self.next_at };
        self.lives_at(first).then_some(first)
    }

    /// The first occurrence after `due` that does not fire together with it.
    fn following(&self, due: Timestamp, now: Timestamp) -> Option<Timestamp> {
        self.schedule.next_due_after(due.max(now)).filter(|next| self.lives_at(*next))
    }

    /// How many occurrences are looked at to count those from `first` on that lie before `until`.
    pub(crate) fn steps_to_count(&self, first: Timestamp, until: Timestamp) -> u64 {
        self.schedule.steps_to_count(first, self.last_before(until))
    }

    /// No fewer than lie from `first` on and before `until`, at a cost that does not grow with the count.
    pub(crate) fn count_at_most(&self, first: Timestamp, until: Timestamp) -> u64 {
        let last = self.last_before(until);
        if first <= last { self.schedule.count_at_most(first, last).saturating_add(1) } else { 0 }
    }

    fn last_before(&self, until: Timestamp) -> Timestamp {
        just_before(self.expires_at.map_or(until, |end| end.min(until)))
    }

    /// How many of the occurrences from `first` on lie in `[from, until)`, where none before `first` counts.
    pub(crate) fn count(&self, first: Timestamp, from: Timestamp, until: Timestamp) -> u64 {
        let last = self.last_before(until);
        if from > first {
            self.schedule.count_due_in(just_before(from), last)
        } else if first <= last {
            1 + self.schedule.count_due_in(first, last)
        } else {
            0
        }
    }
}

/// The instants from `from` until just before `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first instant.
    pub from: Timestamp,
    /// The first instant after it.
    pub until: Timestamp,
}

/// A place in the row of firings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// When it fires.
    pub at: Timestamp,
    /// Which trigger, for those that fire at the same instant.
    pub id: TriggerId,
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    /// The present; what lies before it has fired or is overdue.
    pub now: Timestamp,
    /// What is looked at. A past part of it holds nothing.
    pub span: Span,
    /// The row begins after this place.
    pub after: Option<Place>,
    /// How many firings are named.
    pub firings_max: usize,
}

impl Question {
    /// The same about no past and no longer span than is looked at.
    pub(crate) fn in_bounds(mut self) -> Question {
        let span = &mut self.span;
        span.from = span.from.max(self.now);
        span.until = span.until.min(span.from.checked_add(SPAN_MAX).unwrap_or(Timestamp::MAX));
        self
    }
}

/// A firing to come. One that stands for several overdue occurrences of a trigger names the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Firing {
    /// Which of the triggers that were asked about, counted from nought.
    pub which: usize,
    /// When the occurrence falls due.
    pub due: Timestamp,
    /// When it fires: now, where it is overdue.
    pub at: Timestamp,
}

/// A trigger that fires so often that its firings are counted and not named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Constant {
    /// Its first firing in the span.
    pub first: Firing,
    /// How many there are.
    pub count: u64,
}

/// A quarter of an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// When it begins; the first one may begin before the span does.
    pub from: Timestamp,
    /// How many firings fall into it and the span.
    pub count: u64,
}

/// Many firings in one second. Those of constant triggers, which meet all the time, are not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Burst {
    /// The second.
    pub at: Timestamp,
    /// How many.
    pub count: usize,
}

/// A trigger whose firings are in the total, but in no slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uncounted {
    /// Which of the triggers that were asked about.
    pub which: usize,
    /// How often it fires in the span; at most, where its schedules would have to be looked at to count what two of them name.
    pub count: u64,
}

/// What is coming.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agenda {
    /// The first firings after the place asked for, in order; not those of constant triggers.
    pub firings: Vec<Firing>,
    /// Whether there are more firings to name.
    pub has_more: bool,
    /// The triggers that fire constantly, the most frequent first.
    pub constant: Vec<Constant>,
    /// Every quarter of an hour that the span touches, in order.
    pub slots: Vec<Slot>,
    /// From how many firings on a slot is far above the others.
    pub peak_from: u64,
    /// The bursts among what is in the slots, in order.
    pub bursts: Vec<Burst>,
    /// How many firings the span holds.
    pub total: u64,
    /// How many triggers fire in it.
    pub triggers: usize,
    /// Whose firings are not in the slots, because there were too many to look at.
    pub uncounted: Vec<Uncounted>,
}

impl Agenda {
    /// What the triggers that wait will do in the span.
    pub fn of(waiting: &[Waiting], question: Question) -> Agenda {
        Agenda::within(waiting, question, STEPS_MAX)
    }

    fn within(waiting: &[Waiting], question: Question, steps_max: usize) -> Agenda {
        let question = question.in_bounds();
        let density = density::of(waiting, question, steps_max);
        let mut is_constant = vec![false; waiting.len()];
        for constant in &density.constant {
            is_constant[constant.first.which] = true;
        }
        let (firings, has_more) = merge(waiting, question, &is_constant);
        Agenda { firings, has_more, ..density }
    }

    /// How many firings the burst at that instant has, where there is one.
    pub fn burst_at(&self, at: Timestamp) -> Option<usize> {
        let found = self.bursts.binary_search_by_key(&at.as_second(), |burst| burst.at.as_second());
        found.ok().map(|index| self.bursts[index].count)
    }
}

/// The row of firings alone, those of constant triggers in it: for whoever wants each and counts nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// The first firings after the place asked for, in order.
    pub firings: Vec<Firing>,
    /// Whether there are more firings to name.
    pub has_more: bool,
}

impl Row {
    /// What the triggers that wait will do in the span. Costs a step for each trigger and firing.
    pub fn of(waiting: &[Waiting], question: Question) -> Row {
        let (firings, has_more) = merge(waiting, question.in_bounds(), &vec![false; waiting.len()]);
        Row { firings, has_more }
    }
}

/// The earliest firing at or after `from`: what there is to wait for when a span is empty.
pub fn earliest_from(waiting: &[Waiting], from: Timestamp, now: Timestamp) -> Option<Firing> {
    let first = |(which, trigger): (usize, &Waiting)| {
        trigger.first_from(from, now).map(|due| Firing { which, due, at: due.max(now) })
    };
    waiting.iter().enumerate().filter_map(first).min_by_key(|firing| (firing.at, waiting[firing.which].id))
}

fn merge(waiting: &[Waiting], question: Question, is_left_out: &[bool]) -> (Vec<Firing>, bool) {
    let Question { now, span, after, firings_max } = question;
    let in_order = |which: usize, due: Timestamp| {
        let at = due.max(now);
        Reverse((Place { at, id: waiting[which].id }, which, due))
    };
    let mut ahead = BinaryHeap::with_capacity(waiting.len());
    for (which, trigger) in waiting.iter().enumerate().filter(|(which, _)| !is_left_out[*which]) {
        let from = after.map_or(span.from, |place| {
            // At the instant of the place itself, only those behind it in the order are still to come.
            span.from.max(if trigger.id > place.id { place.at } else { just_after(place.at) })
        });
        if let Some(due) = trigger.first_from(from, now) {
            ahead.push(in_order(which, due));
        }
    }
    let mut firings = Vec::new();
    while let Some(Reverse((place, which, due))) = ahead.pop() {
        if place.at >= span.until {
            break;
        }
        if firings.len() == firings_max {
            return (firings, true);
        }
        firings.push(Firing { which, due, at: place.at });
        if let Some(next) = waiting[which].following(due, now) {
            ahead.push(in_order(which, next));
        }
    }
    (firings, false)
}
