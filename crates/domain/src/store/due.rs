//! What the scheduler commits and counts: plans, which `crate::plan` makes and only a store carries out, and how far it is with what
//! everybody's triggers wait for.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::id::{MessageId, TriggerId};
use crate::occurrence::Reason;
use crate::overlap::{Overlap, Turn};
use crate::plan::Plan;
use crate::trigger::{Armed, Trigger};

/// A due trigger and what is to happen to it.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The trigger as it was when the plan was made.
    pub trigger: Arc<Trigger>,
    /// The occurrence it waited for.
    pub armed: Timestamp,
    /// What is to happen.
    pub plan: Plan,
    /// The message ids of the firings, in their order.
    pub message_ids: Vec<MessageId>,
    /// With which edition of the freezes it was made ([`crate::freeze::Freezes`]).
    pub edition: i64,
}

impl Planned {
    /// How many firings are counted against a limit, those that are put off among them; 0 where there is none.
    pub fn counted(&self) -> u64 {
        if self.trigger.definition.is_limited() { self.plan.fires() } else { 0 }
    }

    /// The latest occurrence among those; none where there is none.
    pub fn counted_until(&self) -> Option<Timestamp> {
        if !self.trigger.definition.is_limited() {
            return None;
        }
        let fires = self.plan.firings.iter().map(|firing| firing.scheduled_at);
        fires.chain(self.plan.put_off.iter().map(|put_off| put_off.last)).max()
    }

    /// Whether the audit log tells of it.
    pub fn is_told(&self) -> bool {
        !self.plan.put_off.is_empty() || self.plan.end.is_some()
    }

    /// Whether it fires what must not meet an event of the same trigger that is under way: then it is stale where one is.
    pub fn fires_alone(&self) -> bool {
        !self.plan.firings.is_empty() && !self.trigger.definition.overlap.is_allowed()
    }

    /// Whether it was made with another edition of the freezes than this. One that only waits for an event does so in any case.
    pub fn is_outdated(&self, edition: i64) -> bool {
        self.edition != edition && self.plan.turn != Turn::Waits
    }

    /// Whether what it fires waited for an event before it to end, and is late for that.
    pub fn fires_what_waited(&self) -> bool {
        let was_too_late = || self.plan.skipped.iter().any(|skipped| skipped.reason == Reason::Overlap);
        self.plan.turn == Turn::Waited && self.trigger.definition.overlap == Overlap::Queue && !was_too_late()
    }

    /// Whether nothing is left of a trigger that is to be deleted then, nor to be written down ([`crate::store::Store::delete_done`]).
    pub fn is_done(&self) -> bool {
        self.plan.next_at.is_none() && self.plan.frozen.is_none() && self.trigger.definition.deletes_when_done()
    }
}

/// How much a commit of plans did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// Plans that were carried out.
    pub plans: usize,
    /// The triggers of plans that changed nothing: they or the freezes had changed meanwhile, or somebody else is at them.
    pub stale: Vec<TriggerId>,
    /// Events that were written.
    pub events: usize,
    /// Whether any plan was made with another edition of the freezes than there is, and is stale for that.
    pub is_outdated: bool,
}

/// How far somebody has come along what is due, the earliest first and of one instant those with the lowest numbers. Whoever goes on from here
/// meets nothing twice and passes nothing over, whatever falls due or is carried out meanwhile; what is due before it waits for whoever
/// begins anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DuePlace {
    /// The last that was looked at: what it waited for, and which trigger. None at the front.
    pub last: Option<(Timestamp, TriggerId)>,
    /// The same of what other nodes have left lying, which comes behind all else.
    pub last_lying: Option<(Timestamp, TriggerId)>,
}

/// Triggers whose occurrence is due, and how far along they lead.
pub type DueSlice = (Vec<Armed<Arc<Trigger>>>, DuePlace);

/// How far it is with what everybody's triggers wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DueCounts {
    /// Triggers whose occurrence is due, counted up to [`DUE_COUNTED_MAX`]. What waited for an event of its own to end is due since it did.
    pub due: u64,
    /// Those of them that are overdue by more than [`crate::trigger::OVERDUE_AFTER`], counted up to [`DUE_COUNTED_MAX`].
    pub overdue: u64,
    /// The earliest occurrence that is still to come.
    pub next_at: Option<Timestamp>,
    /// The earliest that any trigger waits for, due or not; what waited for an event of its own, or still does, is left out.
    pub earliest: Option<Timestamp>,
}

/// So many due triggers are counted at most: who has more than that has other worries than the number.
pub const DUE_COUNTED_MAX: u64 = 100_000;

/// How long absences matter to who plans: longer than any occurrence may come late. They are remembered for so long after the last record that
/// may tell of them.
pub const ABSENCES_KEPT: SignedDuration = SignedDuration::from_hours(72);

/// How many absences are told of a span at most: who came back more often than that within it has other worries.
pub const ABSENCES_TOLD_MAX: usize = 1_000;
