//! What came of a change to a trigger or a destination. Each is refused where it was decided about something that is not so any more,
//! and a trigger and the destinations that it names hold each other: the one may not name what is not there, the other not go while it
//! is named.

use crate::id::{DestinationId, TriggerId};

/// A trigger names a destination that its owner does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("There is no destination {0}.")]
pub struct MissingDestination(pub DestinationId);

/// What came of an edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edited {
    /// It holds.
    Done,
    /// The thing, or what it waits for, changed since it was read: read again and decide again.
    Stale,
    /// There is no such thing any more.
    NotFound,
    /// The trigger would name a destination that its owner does not have.
    Missing(MissingDestination),
}

/// What came of deleting a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// It is gone. What waited for it is due at once, and finds that it is gone.
    Done,
    /// The owner has no such destination.
    NotFound,
    /// Triggers send to it.
    InUse {
        /// Some of them, ascending, at most [`NAMED_MAX`].
        triggers: Vec<TriggerId>,
        /// How many there are.
        count: u64,
    },
}

/// So many of the triggers that send to a destination are named.
pub const NAMED_MAX: usize = 10;
