//! Events as they are listed and counted, and what is left of them. What is found by what an event says, and shown in lines, stands in
//! `search`.

use jiff::Timestamp;

use crate::firing::Firing;
use crate::id::{EventId, TriggerId};

/// Which events are meant. All conditions hold together.
#[derive(Clone, Copy, Debug, Default)]
pub struct EventFilter {
    /// Only this trigger's.
    pub trigger: Option<TriggerId>,
    /// Only those fired after this instant.
    pub fired_after: Option<Timestamp>,
    /// Only those fired at or before this instant.
    pub fired_until: Option<Timestamp>,
}

/// In which order a page of events runs, and after which event it begins.
#[derive(Clone, Copy, Debug)]
pub enum EventPage {
    /// Newest first, below this place.
    NewestFirst(Option<EventPlace>),
    /// Oldest first, above this place.
    OldestFirst(Option<EventPlace>),
}

/// A place in the listing of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventPlace {
    /// When the event fired.
    pub fired_at: Timestamp,
    /// Its number.
    pub id: EventId,
}

/// How many kept events a trigger has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventCount {
    /// The trigger; it may be gone.
    pub trigger: TriggerId,
    /// Its name, or the last one its events fired under.
    pub name: String,
    /// How many.
    pub count: u64,
}

/// The latest firings of one trigger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecentFirings {
    /// The trigger.
    pub trigger: TriggerId,
    /// Its firings, tests aside, newest first.
    pub firings: Vec<Firing>,
}

/// What one slice of expiry removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expired {
    /// How many events went.
    pub events: usize,
    /// Whether nothing as old is left, of any kind.
    pub is_done: bool,
}
