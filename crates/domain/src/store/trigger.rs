//! Triggers as they are handed to the store and counted by it: one to be made, how many somebody has, which of them need attention, and
//! what did not fire. What a trigger is, and what an edit makes of it, stands in `crate::trigger`.

use jiff::Timestamp;

use crate::firing::Firing;
use crate::id::{MessageId, TriggerId, UserId};
use crate::occurrence::Skipped;
use crate::revision::Deletion;
use crate::trigger::{Armed, Definition, Listed, Trigger, TriggerHead, Unreadable};

/// A trigger to be made.
#[derive(Clone, Debug)]
pub struct NewTrigger {
    /// Whose it is.
    pub owner: UserId,
    /// What its user said.
    pub definition: Definition,
    /// The occurrence to wait for.
    pub next_at: Option<Timestamp>,
    /// Where it was made as a test: the id of the one event that is logged with it.
    pub test_event: Option<MessageId>,
}

impl NewTrigger {
    /// The trigger that it becomes when it is made at `now`.
    pub fn as_made(&self, id: TriggerId, now: Timestamp) -> Armed {
        let trigger = Trigger {
            id,
            owner: self.owner,
            revision: 1,
            definition: self.definition.clone(),
            created_at: now,
            standing_since: now,
        };
        Armed { trigger, next_at: self.next_at, fired: 0 }
    }
}

/// A trigger that is there no more, for as long as it can be asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedTrigger {
    /// As it stood, with what it waited for.
    pub armed: Armed,
    /// When it was deleted, and by whom.
    pub deletion: Deletion,
}

/// How many triggers somebody has. Counted are those with the lowest numbers, one more than [`TALLIED_MAX`] at most, so that it takes no longer
/// for somebody who has a million.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TriggerTally {
    /// All that were counted.
    pub all: u64,
    /// Those of them that will fire by themselves or when called ([`TriggerHead::is_active`]).
    pub active: u64,
    /// Those of them that a pause alone keeps from it ([`TriggerHead::is_switched_off`]).
    pub paused: u64,
}

impl TriggerTally {
    /// Counts one more at `now`.
    pub fn note(&mut self, head: &TriggerHead, now: Timestamp) {
        self.all += 1;
        self.note_standing(head, now);
    }

    /// Counts where one stands at `now` that is among all already.
    pub fn note_standing(&mut self, head: &TriggerHead, now: Timestamp) {
        self.active += u64::from(head.is_active(now));
        self.paused += u64::from(head.is_switched_off(now));
    }

    /// Whether there may be more than were counted: then each of its numbers is one that there are at least.
    pub fn is_at_least(&self) -> bool {
        self.all > TALLIED_MAX
    }
}

/// Up to so many triggers are tallied exactly.
pub const TALLIED_MAX: u64 = 10_000;

/// What somebody ought to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attention {
    /// How many triggers there are.
    pub tally: TriggerTally,
    /// Triggers whose occurrence is overdue by more than [`crate::trigger::OVERDUE_AFTER`], the longest overdue first, at most [`ATTENTION_MAX`].
    pub overdue: Vec<TriggerHead>,
    /// Triggers that cannot be read and whose time has come, as far as they are among the [`ATTENTION_MAX`] that are overdue the longest.
    pub unreadable: Vec<Unreadable>,
    /// Triggers of whose kept events the newest one that was ever delivered or failed, tests aside, failed and is not being sent
    /// again; with that event, the newest first, at most [`ATTENTION_MAX`]. Where kept events of more than [`FAILED_TRIGGERS_MAX`]
    /// triggers failed, those that the newest [`FAILURES_MAX`] failures lead to.
    pub failing: Vec<(TriggerHead, Firing)>,
}

impl Attention {
    /// Of triggers of which the time came more than [`crate::trigger::OVERDUE_AFTER`] before `now`.
    pub fn new(
        tally: TriggerTally,
        due: Vec<Listed<TriggerHead>>,
        failing: Vec<(TriggerHead, Firing)>,
        now: Timestamp,
    ) -> Attention {
        let (mut overdue, mut unreadable) = (Vec::new(), Vec::new());
        for one in due {
            match one {
                Listed::Read(head) => overdue.extend(Some(head).filter(|head| head.is_overdue(now))),
                Listed::Unreadable(one) => unreadable.push(one),
            }
        }
        Attention { tally, overdue, unreadable, failing }
    }
}

/// How many triggers of a sort need attention at once.
pub const ATTENTION_MAX: usize = 100;

/// Of so many triggers with kept failures each is asked whether it fails.
pub const FAILED_TRIGGERS_MAX: usize = 1_000;

/// So many failures, the newest, are looked through where there are more such triggers.
pub const FAILURES_MAX: usize = 5_000;

/// A record of occurrences that did not fire, as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SkippedView {
    /// What did not fire, and why.
    pub skipped: Skipped,
    /// When that was written down.
    pub recorded_at: Timestamp,
}
