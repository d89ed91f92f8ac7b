//! What is done once under a key of its caller's, and what came of it. Done and remembered are one fact: they are committed together.

use jiff::Timestamp;

use super::{Call, Fired, FiredAgain, Made, NewTrigger, Repeat};
use crate::id::TriggerId;
use crate::idempotency::{Print, Remembered};

/// What is to be done, if it was not done before.
#[derive(Clone, Debug)]
pub enum Deed {
    /// As by [`Store::fire`](super::Store::fire).
    Fire(TriggerId, Call),
    /// As by [`Store::fire_again`](super::Store::fire_again).
    FireAgain {
        /// What is fired again.
        repeat: Repeat,
        /// The event has fired after that.
        gone_until: Timestamp,
    },
    /// As by [`Store::create_trigger`](super::Store::create_trigger).
    Make(Box<NewTrigger>),
}

/// What came of a deed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// A call was made.
    Fired(Fired),
    /// An event was fired again, or not.
    FiredAgain(FiredAgain),
    /// A trigger was made, or not.
    Made(Made),
    /// The same call was carried out before, at that instant, and made what has this number.
    Before {
        /// Of the event or the trigger.
        number: i64,
        /// When that was.
        at: Timestamp,
    },
    /// The key was used for another call.
    KeyTaken,
}

impl Done {
    /// What somebody who comes with the same key learns from what is remembered of it.
    pub fn before(remembered: &Remembered, print: &Print) -> Done {
        match remembered.made(print) {
            Some(number) => Done::Before { number, at: remembered.at },
            None => Done::KeyTaken,
        }
    }

    /// The number of what was made just now, which is to be remembered; where nothing was, nothing is.
    pub fn made_now(&self) -> Option<i64> {
        match self {
            Done::Fired(Fired::Event(event)) | Done::FiredAgain(FiredAgain::Event(event)) => Some(event.0),
            Done::Made(Ok(trigger)) => Some(trigger.0),
            _ => None,
        }
    }
}

/// Whether a call whose answer will be kept may begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It is under way from now on, for whoever comes with the same key.
    Now,
    /// There was one with this key.
    Before(Remembered),
    /// The owner has [`ANSWERS_MAX`](crate::idempotency::ANSWERS_MAX) already.
    Full,
}
