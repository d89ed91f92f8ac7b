//! Firing a little later than named, so that what everybody has at nine o'clock does not all go out at nine o'clock. How much later
//! follows from who fires and when, not from chance: it is the same after a restart, on every node and in the preview. The nominal
//! time stays the identity of an occurrence; no schedule may enter.

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use crate::id::TriggerId;
use crate::schedule::Invalid;

/// The widest window.
const WINDOW_MAX: SignedDuration = SignedDuration::from_hours(24);

/// How far the firings of a schedule are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jitter {
    window_us: u64,
}

impl Jitter {
    /// Over a window of up to 24 hours; a fraction below a microsecond is cut.
    ///
    /// # Errors
    ///
    /// A window below a microsecond or above 24 hours.
    pub fn new(window: SignedDuration) -> Result<Jitter, Invalid> {
        match u64::try_from(window.as_micros()) {
            Ok(window_us) if window_us > 0 && window <= WINDOW_MAX => Ok(Jitter { window_us }),
            _ => Err(Invalid("the window of a jitter is longer than nothing and at most 24 hours".to_owned())),
        }
    }

    /// When the occurrence that is due at `due` fires: at or after it, less than the window later, and before `next`, the occurrence
    /// after it, so that occurrences never change places.
    ///
    /// Distinct triggers and distinct occurrences are spread evenly and independently of each other.
    pub fn fires_at(&self, trigger: TriggerId, due: Timestamp, next: Option<Timestamp>) -> Timestamp {
        let room_us = next.map_or(self.window_us, |next| {
            let until_next = u64::try_from(next.duration_since(due).as_micros()).unwrap_or(0);
            self.window_us.min(until_next)
        });
        let late_us = share(trigger, due, room_us);
        due.checked_add(SignedDuration::from_micros(late_us)).unwrap_or(due)
    }
}

/// A number from 0 to below `room`, and 0 where there is no room, drawn from a hash whose definition is kept for good: another one
/// would move what is armed already.
fn share(trigger: TriggerId, due: Timestamp, room: u64) -> i64 {
    let due_us = due.as_microsecond();
    let digest = Sha256::new().chain_update(trigger.0.to_le_bytes()).chain_update(due_us.to_le_bytes()).finalize();
    let drawn = digest.iter().take(8).fold(0_u64, |drawn, byte| drawn << 8 | u64::from(*byte));
    // The upper half of the product is below the room, and hardly uneven.
    let share = (u128::from(drawn) * u128::from(room)) >> 64;
    i64::try_from(share).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a test writes its instants well")
    }

    fn minutes(minutes: i64) -> Jitter {
        Jitter::new(SignedDuration::from_mins(minutes)).expect("a window")
    }

    #[test]
    fn a_firing_keeps_its_place_through_restarts_and_releases() {
        let due = at("2027-01-01T09:00:00Z");
        let fires_at = |trigger, due| minutes(10).fires_at(TriggerId(trigger), due, None).to_string();
        assert_eq!(fires_at(1, due), "2027-01-01T09:06:25.641243Z");
        assert_eq!(fires_at(2, due), "2027-01-01T09:01:44.260314Z");
        assert_eq!(fires_at(1, due + SignedDuration::from_hours(24)), "2027-01-02T09:04:16.479323Z");
    }

    #[test]
    fn ten_thousand_triggers_are_spread_evenly_over_the_window() {
        let due = at("2027-01-01T09:00:00Z");
        let mut tenths = [0_u32; 10];
        for trigger in 0..10_000 {
            let late = minutes(10).fires_at(TriggerId(trigger), due, None).duration_since(due);
            tenths[usize::try_from(late.as_secs() / 60).expect("below ten minutes")] += 1;
        }
        assert!(tenths.iter().all(|count| (900..1_100).contains(count)), "{tenths:?}");
    }

    #[test]
    fn windows_are_longer_than_nothing_and_no_longer_than_a_day() {
        for micros in [1, 1_000_000, 86_400_000_000] {
            assert!(Jitter::new(SignedDuration::from_micros(micros)).is_ok(), "{micros}");
        }
        for window in
            [SignedDuration::ZERO, SignedDuration::from_nanos(999), -SignedDuration::from_secs(1), SignedDuration::MAX]
        {
            let error = Jitter::new(window).expect_err("no window").to_string();
            assert!(error.contains("at most 24 hours"), "{error}");
        }
        assert!(Jitter::new(WINDOW_MAX + SignedDuration::from_micros(1)).is_err());
    }

    #[test]
    fn where_time_ends_nothing_is_late() {
        assert_eq!(minutes(10).fires_at(TriggerId(1), Timestamp::MAX, None), Timestamp::MAX);
        let due = at("2027-01-01T09:00:00Z");
        assert_eq!(minutes(10).fires_at(TriggerId(1), due, Some(due)), due);
    }

    proptest! {
        #[test]
        fn a_firing_is_never_early_never_beyond_the_window_and_never_past_the_next(
            trigger in any::<i64>(),
            due_us in 0_i64..7_258_118_400_000_000,
            window_us in 1_i64..=86_400_000_000,
            until_next_us in proptest::option::of(1_i64..200_000_000_000),
        ) {
            let due = Timestamp::from_microsecond(due_us).expect("in range");
            let next = until_next_us.map(|micros| due + SignedDuration::from_micros(micros));
            let window = SignedDuration::from_micros(window_us);
            let jitter = Jitter::new(window).expect("a window");
            let fires_at = jitter.fires_at(TriggerId(trigger), due, next);
            prop_assert!(due <= fires_at && fires_at < due + window);
            prop_assert!(next.is_none_or(|next| fires_at < next));
            prop_assert_eq!(fires_at, jitter.fires_at(TriggerId(trigger), due, next));
        }
    }
}
