//! The one door through which time enters. Rules never come here: they take instants as arguments; only the outermost
//! loops and handlers ask, once, at the top. Nothing else about time (zones, schedules) belongs in this room.

use jiff::Timestamp;

/// Tells what time it is, in UTC, to whole microseconds (what every store keeps).
pub trait Clock: Send + Sync {
    /// The present instant. May step backwards when the machine's clock is corrected; callers must bear it.
    fn now(&self) -> Timestamp;
}

/// Cuts an instant to the whole microseconds that every store keeps, so that what was written compares equal to what is read.
pub fn to_micros(instant: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(instant.as_microsecond()).expect("a timestamp's own microseconds are in range")
}
