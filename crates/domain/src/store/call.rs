//! Firings that no schedule made, and what came of them. Whether a trigger may be fired like that is decided by the trigger, inside the
//! transaction.

use crate::event::Origin;
use crate::id::{EventId, MessageId};
use crate::payload::Payload;
use crate::trigger::FireRefusal;

/// A firing that no schedule made.
#[derive(Clone, Debug)]
pub struct Call {
    /// `Api` or `Test`.
    pub origin: Origin,
    /// What the event carries; none means the trigger's own payload.
    pub payload: Option<Payload>,
    /// What receivers will know it by.
    pub message_id: MessageId,
}

/// What came of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fired {
    /// The event is durable.
    Event(EventId),
    /// No such trigger, or somebody else's.
    NotFound,
    /// This trigger cannot be fired like that.
    Refused(FireRefusal),
}

/// What came of firing an event again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FiredAgain {
    /// The new event is durable.
    Event(EventId),
    /// No such event, or somebody else's, or it is gone.
    NotFound,
    /// Its trigger exists no more.
    TriggerGone,
    /// Its trigger cannot be fired like that.
    Refused(FireRefusal),
}
