//! What came of a change to a trigger, a destination or a calendar. Each is refused where it was decided about something that is not so any more,
//! and a trigger and the things that it names hold each other: the one may not name what is not there, the other not go while it
//! is named.

use crate::id::{CalendarId, DestinationId, TriggerId};

/// A trigger names something that its owner does not have, or not like that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// A destination.
    #[error("There is no destination {0}.")]
    Destination(DestinationId),
    /// A calendar that says something else by now, or is gone.
    #[error("The calendar {0} has changed, or has been deleted, since it was read; try again.")]
    Calendar(CalendarId),
    /// A calendar that as many triggers name as may ([`TRIGGERS_MAX`](crate::calendar::TRIGGERS_MAX)).
    #[error("As many triggers name the calendar {0} as can; make another calendar for the others.")]
    Room(CalendarId),
}

/// What came of an edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edited {
    /// It holds.
    Done,
    /// The thing, or what it waits for, changed since it was read: read again and decide again.
    Stale,
    /// There is no such thing any more.
    NotFound,
    /// The trigger would name something that its owner does not have.
    Missing(Missing),
}

/// What came of deleting a destination or a calendar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// It is gone. What waited for it is due at once, and finds that it is gone.
    Done,
    /// The owner has no such thing.
    NotFound,
    /// Triggers name it.
    InUse {
        /// Some of them, ascending, at most [`NAMED_MAX`].
        triggers: Vec<TriggerId>,
        /// How many there are.
        count: u64,
    },
}

/// So many of the triggers that name a destination or a calendar are named.
pub const NAMED_MAX: usize = 10;
