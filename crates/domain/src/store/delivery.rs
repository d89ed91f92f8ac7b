//! Deliveries as they are shown and counted; how one comes about and ends stands in `crate::delivery`. What was given up has a list of
//! its own, in `undelivered`.

use crate::delivery::{Attempt, State};
use crate::destination::Target;
use crate::id::{DestinationId, MessageId};

/// One event's way to one destination, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryView {
    /// Which of the event's deliveries it is, counted from zero.
    pub slot: u32,
    /// What the receiver knows it by.
    pub message_id: MessageId,
    /// Where it goes.
    pub target: Target,
    /// Where it stands.
    pub state: State,
    /// What was tried, oldest first.
    pub attempts: Vec<Attempt>,
    /// How many of the attempts used up no pause of the ladder, for as long as it is owed: those before it was last sent again, and those
    /// that only came too soon.
    pub ladder_from: u32,
    /// Why it failed, where no attempt says it.
    pub why: Option<String>,
}

/// What sort of target a delivery has, without its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TargetKind {
    /// The trigger's own address.
    Webhook,
    /// The operator's default destination.
    Default,
    /// This destination of the owner's; it may be gone by now.
    Destination(DestinationId),
}

impl From<&Target> for TargetKind {
    fn from(target: &Target) -> TargetKind {
        match target {
            Target::Webhook(_) => TargetKind::Webhook,
            Target::Default => TargetKind::Default,
            Target::Destination(id) => TargetKind::Destination(*id),
        }
    }
}

/// How much is owed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwedCounts {
    /// Deliveries that are owed, claimed ones included.
    pub owed: u64,
    /// Deliveries that were given up, of events that are kept; of some that are about to be removed, too.
    pub undelivered: u64,
}
