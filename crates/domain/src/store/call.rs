//! Firings that no schedule made, and what came of them. Whether a trigger may be fired like that is decided by the trigger, inside the
//! transaction.

use crate::event::Origin;
use crate::id::{DestinationId, EventId, MessageId};
use crate::payload::Payload;
use crate::trigger::{Definition, FireRefusal, Trigger};

/// A firing that no schedule made.
#[derive(Clone, Debug)]
pub struct Call {
    /// `Api`, `Test` or `Run`.
    pub origin: Origin,
    /// What the event carries; none means the trigger's own payload.
    pub payload: Option<Payload>,
    /// Of which revision of the trigger's schema the payload is known to be right; none where nobody has looked.
    pub checked: Option<i64>,
    /// What receivers will know it by.
    pub message_id: MessageId,
}

impl Call {
    /// Whether the trigger takes what the call brings. Only a test may send the trigger's own payload as it is, however unfinished.
    pub fn suits(&self, trigger: &Trigger) -> bool {
        (self.origin == Origin::Test && self.payload.is_none()) || trigger.takes(self.checked)
    }
}

/// What an event carried is to be fired once more.
#[derive(Clone, Copy, Debug)]
pub struct Repeat {
    /// The event.
    pub event: EventId,
    /// Of which revision of the trigger's schema the payload is known to be right; none where nobody has looked.
    pub checked: Option<i64>,
    /// What receivers will know the new event by.
    pub message_id: MessageId,
}

impl Repeat {
    /// Whether the trigger takes it, as it stands, from an event of that origin: what fires is a new event, and what was right once may be wrong
    /// by now. A test is sent as it was.
    pub fn suits(&self, trigger: &Trigger, origin: Origin) -> bool {
        origin == Origin::Test || trigger.takes(self.checked)
    }
}

/// What is tried out, by the event of a trigger that is not kept.
#[derive(Clone, Debug)]
pub struct Trial {
    /// What that trigger says.
    pub definition: Definition,
    /// The destination that is tried out by it, with its name; none where it is the trigger itself.
    pub destination: Option<(DestinationId, String)>,
}

impl From<Definition> for Trial {
    fn from(definition: Definition) -> Trial {
        Trial { definition, destination: None }
    }
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
    /// The trigger has a schema, and nobody has checked the payload against it as it stands: nothing has happened.
    Unchecked,
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
    /// The trigger has a schema, and nobody has checked the payload against it as it stands: nothing has happened.
    Unchecked,
}
