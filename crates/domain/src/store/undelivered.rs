//! The list of deliveries that were given up, of events that are kept: its lines, their order, how it is narrowed down, and what came of
//! sending some of it again. Whether a delivery may be sent again stands in `crate::redelivery`.

use jiff::Timestamp;

use super::TargetKind;
use crate::id::{DestinationId, EventId, TriggerId};
use crate::redelivery::{DeliveryId, Refusal};

/// A delivery that was given up, of an event that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undelivered {
    /// Where it stands in the list.
    pub place: UndeliveredPlace,
    /// Where it went.
    pub target: TargetKind,
    /// The trigger that fired; it may be gone by now.
    pub trigger: TriggerId,
    /// When the event fired.
    pub fired_at: Timestamp,
    /// Why, where no attempt says it.
    pub why: Option<String>,
}

/// A place in the list of deliveries that were given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UndeliveredPlace {
    /// When it was given up.
    pub failed_at: Timestamp,
    /// The event.
    pub event: EventId,
    /// Which of its deliveries.
    pub slot: u32,
}

impl UndeliveredPlace {
    /// What stands there.
    pub fn delivery(&self) -> DeliveryId {
        DeliveryId { event: self.event, slot: self.slot }
    }
}

/// Which of the deliveries that were given up are meant. All conditions hold together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UndeliveredFilter {
    /// Only those that went to this destination.
    pub destination: Option<DestinationId>,
    /// Only those of this trigger's events.
    pub trigger: Option<TriggerId>,
    /// Only those that were given up after this instant.
    pub failed_after: Option<Timestamp>,
    /// Only those that were given up at or before this instant.
    pub failed_until: Option<Timestamp>,
}

impl UndeliveredFilter {
    /// The same for what stands below a place of the list: nothing there was given up later. So one bound leads an index to the place.
    #[must_use]
    pub fn below(self, place: Option<UndeliveredPlace>) -> UndeliveredFilter {
        let bounds = [self.failed_until, place.map(|place| place.failed_at)];
        UndeliveredFilter { failed_until: bounds.into_iter().flatten().min(), ..self }
    }
}

/// What came of sending again some of the deliveries that match a filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Redelivered {
    /// So many are owed again.
    pub redelivered: usize,
    /// So many match, and could not be sent again: what they went to is gone, or somebody else was faster.
    pub refused: usize,
    /// From where to go on; none where no more match.
    pub go_on_after: Option<UndeliveredPlace>,
}

impl Redelivered {
    /// What came of sending `found` again, of which at most `limit` were looked for.
    pub fn of(found: &[Undelivered], outcomes: &[Result<(), Refusal>], limit: usize) -> Self {
        let redelivered = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        Redelivered {
            redelivered,
            refused: outcomes.len() - redelivered,
            go_on_after: found.last().filter(|_| found.len() >= limit).map(|last| last.place),
        }
    }
}
