//! How often something happened in an hour. Counts outlive the events that they count, so that charts and rare schedules
//! have something to show; nothing of an event but that it happened is in them. Tests are not counted: trying something out
//! must not colour the picture of what really happens.

use jiff::{SignedDuration, Timestamp};

/// How long counts are kept.
pub const COUNTS_KEPT: SignedDuration = SignedDuration::from_hours(24 * 400);

/// The upper bounds of the first classes of lateness, each included; the last class has none.
pub const LATENESS_BOUNDS: [SignedDuration; 4] = [
    SignedDuration::from_millis(10),
    SignedDuration::from_millis(100),
    SignedDuration::from_secs(1),
    SignedDuration::from_secs(10),
];

/// What happened in one hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HourCount {
    /// The beginning of the hour, in UTC.
    pub hour: Timestamp,
    /// Events that fired in it.
    pub fired: u64,
    /// Of those, the ones that were delivered since.
    pub delivered: u64,
    /// Of those, the ones whose delivery failed for good since.
    pub failed: u64,
    /// Occurrences that did not fire; a run of them counts in the hour of its last.
    pub skipped: u64,
    /// The events that a schedule made, by [`lateness_class`].
    pub late: [u64; LATENESS_BOUNDS.len() + 1],
}

impl HourCount {
    /// An hour in which nothing happened.
    pub fn empty(hour: Timestamp) -> HourCount {
        HourCount { hour, fired: 0, delivered: 0, failed: 0, skipped: 0, late: [0; LATENESS_BOUNDS.len() + 1] }
    }

    /// Adds what `other` counted.
    pub fn add(&mut self, other: &HourCount) {
        self.fired += other.fired;
        self.delivered += other.delivered;
        self.failed += other.failed;
        self.skipped += other.skipped;
        for (mine, theirs) in self.late.iter_mut().zip(other.late) {
            *mine += theirs;
        }
    }
}

/// The beginning of the hour that an instant lies in, in UTC.
pub fn hour_of(instant: Timestamp) -> Timestamp {
    Timestamp::from_second(instant.as_second().div_euclid(3600) * 3600).unwrap_or(Timestamp::MIN)
}

/// Which class of lateness this is.
pub fn lateness_class(lateness: SignedDuration) -> usize {
    LATENESS_BOUNDS.iter().take_while(|bound| lateness > **bound).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_begins_on_the_hour_before_and_after_1970() {
        let hour = |text: &str| hour_of(text.parse().expect("an instant")).to_string();
        assert_eq!(hour("2026-11-21T10:00:00Z"), "2026-11-21T10:00:00Z");
        assert_eq!(hour("2026-11-21T10:59:59.999999Z"), "2026-11-21T10:00:00Z");
        assert_eq!(hour("1969-12-31T23:30:00Z"), "1969-12-31T23:00:00Z");
    }

    #[test]
    fn a_bound_belongs_to_the_class_below_it() {
        let class = |millis| lateness_class(SignedDuration::from_millis(millis));
        assert_eq!([-5, 0, 10, 11, 100, 101, 1000, 1001, 10_000, 10_001].map(class), [0, 0, 0, 1, 1, 2, 2, 3, 3, 4]);
    }
}
