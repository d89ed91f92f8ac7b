//! Occurrences that are to fire although their time is past: those of an absence of a trigger that catches up with all it missed, and
//! those of a span that somebody asks for once more. The room exists because there may be a hundred thousand of them at once, and
//! what is due now must not wait for what was due yesterday: so a plan does not fire them, but puts them off as one row, which a loop of
//! its own takes slices from while nothing fresh is due, and which a person can look at, release or discard first. How many a slice
//! holds, and what is left of a row after it, is decided here; no store and no clock may enter.

use jiff::{SignedDuration, Timestamp};

use crate::actor::Actor;
use crate::event::Origin;
use crate::id::{BacklogId, MessageId, TriggerId, UserId};
use crate::occurrence::{Reason, Skipped};
use crate::trigger::{Trigger, just_before};

/// For how long a backlog may wait; what is left of it then is discarded.
pub const BACKLOG_KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The most occurrences that one backlog may hold.
pub const BACKLOG_MAX: u64 = 100_000;

/// How many late occurrences fire in a round at most, all owners' together.
pub const ROUND_MAX: usize = 64;

/// How long it takes from one round of late firings to the next: with what a round may fire this is their budget.
pub const ROUND_EVERY: SignedDuration = SignedDuration::from_millis(100);

/// What a backlog is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// Occurrences that fell due while nobody ran.
    CatchUp,
    /// Occurrences of a span that somebody asked for.
    Backfill,
}

impl Source {
    /// The word in the API and in the stores.
    pub fn word(self) -> &'static str {
        self.origin().word()
    }

    /// The source of that word.
    pub fn from_word(word: &str) -> Option<Source> {
        [Source::CatchUp, Source::Backfill].into_iter().find(|source| source.word() == word)
    }

    /// What makes its events.
    pub fn origin(self) -> Origin {
        match self {
            Source::CatchUp => Origin::CatchUp,
            Source::Backfill => Origin::Backfill,
        }
    }
}

/// Consecutive occurrences that a plan puts off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PutOff {
    /// The first of them.
    pub first: Timestamp,
    /// The last of them.
    pub last: Timestamp,
    /// How many.
    pub count: u64,
    /// Whether they wait for a person.
    pub is_held: bool,
    /// How long the absence was in which they fell due.
    pub absent_for: SignedDuration,
}

/// Occurrences of a trigger that are still to fire late.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// Its number.
    pub id: BacklogId,
    /// Whose it is.
    pub owner: UserId,
    /// The trigger.
    pub trigger: TriggerId,
    /// The revision of the trigger that names the occurrences; an edit that changes them ends the backlog.
    pub revision: i64,
    /// What it is made of.
    pub source: Source,
    /// The first occurrence that it began with.
    pub first: Timestamp,
    /// The last.
    pub last: Timestamp,
    /// How many it began with.
    pub total: u64,
    /// The next one that fires.
    pub next_at: Timestamp,
    /// How many are left; of a backfill some of them may have fired already.
    pub left: u64,
    /// Whether it waits for a person.
    pub is_held: bool,
    /// When it was made.
    pub made_at: Timestamp,
    /// Who made it; oncue itself where it catches up.
    pub made_by: Actor,
    /// Whether a receiver has yet to be tried with what fired of it last: then it takes no more for now.
    pub is_busy: bool,
}

/// A backlog to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewBacklog {
    /// Whose it is.
    pub owner: UserId,
    /// The trigger.
    pub trigger: TriggerId,
    /// The revision that names the occurrences.
    pub revision: i64,
    /// The first occurrence.
    pub first: Timestamp,
    /// The last.
    pub last: Timestamp,
    /// How many.
    pub count: u64,
    /// Whether it waits for a person.
    pub is_held: bool,
}

/// What becomes of a backlog's next occurrences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Those that fire now, oldest first.
    pub firings: Vec<Timestamp>,
    /// The one after them; none where nothing is left.
    pub next_at: Option<Timestamp>,
    /// How many are left.
    pub left: u64,
}

/// A slice that is to be carried out.
#[derive(Clone, Debug)]
pub struct Drained {
    /// The backlog as it was when the slice was made.
    pub backlog: Backlog,
    /// Its trigger, of the backlog's revision.
    pub trigger: std::sync::Arc<Trigger>,
    /// What is to happen.
    pub slice: Slice,
    /// The message ids of the firings, in their order.
    pub message_ids: Vec<MessageId>,
    /// With which edition of the freezes it was made ([`crate::freeze::Freezes`]).
    pub edition: i64,
}

impl Backlog {
    /// The next occurrences, at most `most`, and what is left after them. Of a trigger that does not overlap it is one, which is under way then.
    pub fn slice(&self, trigger: &Trigger, most: usize) -> Slice {
        let most = if trigger.definition.overlap.is_allowed() { most } else { most.min(1) };
        let Some(schedule) = &trigger.definition.schedule else {
            return Slice { firings: Vec::new(), next_at: None, left: 0 };
        };
        let within = |at: &Timestamp| *at <= self.last;
        let mut next = schedule.next_after(just_before(self.next_at)).filter(within);
        let mut firings = Vec::new();
        while let Some(at) = next.filter(|_| firings.len() < most) {
            firings.push(at);
            next = schedule.next_after(at).filter(within);
        }
        let left = self.left.saturating_sub(firings.len() as u64).max(u64::from(next.is_some()));
        Slice { next_at: next, left: if next.is_some() { left } else { 0 }, firings }
    }

    /// What is left of it, and whether a person is waited for.
    pub fn waiting(&self) -> Skipped {
        let reason = if self.is_held { Reason::Held } else { Reason::Waiting };
        Skipped { reason, first: self.next_at, last: self.last, count: self.left }
    }

    /// What is on record of it when it does not fire any more: what it catches up with. What somebody asked for once more is accounted for
    /// already.
    pub fn given_up(&self, reason: Reason) -> Option<Skipped> {
        (self.source == Source::CatchUp).then_some(Skipped { reason, ..self.waiting() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::every::Period;
    use crate::schedule::zone::Zones;
    use crate::schedule::{FirstFiring, Schedule};
    use crate::trigger::{Definition, ScheduleDetails};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).expect("in range")
    }

    fn trigger() -> Trigger {
        let period = Period::from_seconds(10).expect("a period");
        let pattern = Schedule::Every { period, anchor: at(0), first: FirstFiring::AtAnchor };
        let definition = Definition {
            name: None,
            schedule: Some(ScheduleDetails::plain(pattern, Some(Zones::utc()))),
            payload: None,
            payload_schema: None,
            webhook: None,
            destinations: Vec::new(),
            expects: None,
            overlap: crate::overlap::Overlap::Allow,
            is_test: false,
            enabled: true,
            pause: None,
            expires_at: None,
        };
        let (id, owner) = (TriggerId(1), UserId(1));
        Trigger { id, owner, revision: 1, definition, created_at: at(0), standing_since: at(0) }
    }

    fn backlog(next: i64, last: i64, left: u64) -> Backlog {
        Backlog {
            id: BacklogId(1),
            owner: UserId(1),
            trigger: TriggerId(1),
            revision: 1,
            source: Source::CatchUp,
            first: at(0),
            last: at(last),
            total: 10,
            next_at: at(next),
            left,
            is_held: false,
            made_at: at(1000),
            made_by: Actor::SYSTEM,
            is_busy: false,
        }
    }

    #[test]
    fn slices_follow_each_other_until_nothing_is_left() {
        let trigger = trigger();
        let first = backlog(20, 60, 5).slice(&trigger, 2);
        assert_eq!(first, Slice { firings: vec![at(20), at(30)], next_at: Some(at(40)), left: 3 });
        let last = backlog(40, 60, 3).slice(&trigger, 10);
        assert_eq!(last, Slice { firings: vec![at(40), at(50), at(60)], next_at: None, left: 0 });
        let none = backlog(40, 60, 3).slice(&trigger, 0);
        assert_eq!(none, Slice { firings: vec![], next_at: Some(at(40)), left: 3 });
    }

    #[test]
    fn of_a_trigger_that_does_not_overlap_one_fires_at_a_time() {
        let mut trigger = trigger();
        trigger.definition.overlap = crate::overlap::Overlap::Skip;
        let first = backlog(20, 60, 5).slice(&trigger, 64);
        assert_eq!(first, Slice { firings: vec![at(20)], next_at: Some(at(30)), left: 4 });
        assert!(backlog(20, 60, 5).slice(&trigger, 0).firings.is_empty());
    }

    #[test]
    fn what_the_schedule_does_not_name_any_more_does_not_fire() {
        let trigger = trigger();
        let between = backlog(43, 60, 3).slice(&trigger, 10);
        assert_eq!(between.firings, [at(50), at(60)]);
        let api = Trigger { definition: Definition { schedule: None, ..trigger.definition.clone() }, ..trigger };
        assert_eq!(backlog(40, 60, 3).slice(&api, 10), Slice { firings: vec![], next_at: None, left: 0 });
    }

    #[test]
    fn what_catches_up_leaves_a_record_and_a_backfill_none() {
        let record = Skipped { reason: Reason::Discarded, first: at(40), last: at(60), count: 3 };
        assert_eq!(backlog(40, 60, 3).given_up(Reason::Discarded), Some(record));
        let backfill = Backlog { source: Source::Backfill, ..backlog(40, 60, 3) };
        assert_eq!(backfill.given_up(Reason::Discarded), None);
        for source in [Source::CatchUp, Source::Backfill] {
            assert_eq!(Source::from_word(source.word()), Some(source));
        }
    }
}
