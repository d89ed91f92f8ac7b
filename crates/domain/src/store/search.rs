//! Looking for events, and the lines that lists and open pages show of them. Every search is bounded by how much it looks at, not by how
//! much it finds, so it says how far it came.

use super::{EventFilter, EventPlace};
use crate::event::Origin;
use crate::firing::{Firing, Outcome};
use crate::id::{EventId, MessageId, TriggerId};
use crate::trigger::Kind;

/// Which events are looked for. All conditions hold together.
#[derive(Clone, Debug, Default)]
pub struct EventSearch {
    /// Whose and when.
    pub filter: EventFilter,
    /// Only those of which this has become.
    pub outcome: Option<Outcome>,
    /// Only those made by this.
    pub origin: Option<Origin>,
    /// Only those with this in their payload or name, whatever the case of its ASCII letters.
    pub text: Option<String>,
}

/// At most so many events are looked at in one search; for the outcome [`Outcome::Failed`], at so many that failed.
pub const SEARCHED_MAX: usize = 10_000;

/// At most so many events, everybody's together, are walked over in one [`Store::events_logged_after`](super::Store::events_logged_after).
pub const FOLLOWED_MAX: usize = 5_000;

/// An event as lists show it: everything but the greater part of a long payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventLine {
    /// Its number.
    pub id: EventId,
    /// The trigger that fired; it may be gone by now.
    pub trigger: TriggerId,
    /// The trigger's name at that moment; empty where it had none.
    pub name: String,
    /// What sort of trigger it was.
    pub kind: Kind,
    /// The firing in short.
    pub firing: Firing,
    /// What receivers know it by.
    pub message_id: MessageId,
    /// The beginning of the payload, at most [`EXCERPT_CHARS_MAX`] characters of it.
    pub excerpt: String,
}

/// The longest beginning of a payload that lists show, in characters.
pub const EXCERPT_CHARS_MAX: usize = 200;

/// What a search of events found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventLines {
    /// What was found, in the order that was asked for.
    pub lines: Vec<EventLine>,
    /// Where the search gave up before it had found enough: everything up to this place was looked at, nothing beyond.
    pub gave_up_at: Option<EventPlace>,
    /// Every event with a number up to this one was there to be found; later ones come in [`Store::events_logged_after`](super::Store::events_logged_after).
    pub logged_until: EventId,
}
