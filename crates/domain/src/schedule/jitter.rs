//! Firing a little later than named, so that what everybody has at nine o'clock does not all go out at nine o'clock. How much later
//! follows from what was drawn for the trigger once, not from chance at the time: it is the same after a restart, on every node and in
//! every forecast. The nominal time stays the identity of an occurrence; no schedule may enter.

use jiff::{SignedDuration, Timestamp};

use crate::schedule::Invalid;
use crate::schedule::every::Period;

/// The widest window.
pub const WINDOW_MAX: SignedDuration = SignedDuration::from_hours(24);

/// Over which window the firings of triggers are spread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jitter {
    window: Period,
}

impl Jitter {
    /// Over a window from a second to 24 hours.
    ///
    /// # Errors
    ///
    /// A longer window.
    pub fn new(window: Period) -> Result<Jitter, Invalid> {
        if u128::from(window.micros()) > WINDOW_MAX.as_micros().unsigned_abs() {
            return Err(Invalid("firings are spread over at most 24 hours".to_owned()));
        }
        Ok(Jitter { window })
    }

    /// Reads the window as a period: "5m".
    ///
    /// # Errors
    ///
    /// What is not a period, or one of more than 24 hours.
    pub fn parse(text: &str) -> Result<Jitter, Invalid> {
        Jitter::new(Period::parse(text)?)
    }

    /// The window as it was given.
    pub fn as_str(&self) -> &str {
        self.window.as_str()
    }

    /// How wide the window is.
    pub fn window(&self) -> SignedDuration {
        SignedDuration::from_micros(i64::try_from(self.window.micros()).unwrap_or(i64::MAX))
    }

    /// When the occurrence of the nominal time `named` falls due: at or after it, less than the window later, and before `next`, the
    /// nominal time after it, so that occurrences never change places.
    pub fn due_at(&self, share: Share, named: Timestamp, next: Option<Timestamp>) -> Timestamp {
        named.checked_add(share.of(self.room(named, next))).unwrap_or(named)
    }

    /// Before which instant it falls due, whatever the share.
    pub fn due_before(&self, named: Timestamp, next: Option<Timestamp>) -> Timestamp {
        let room = SignedDuration::from_micros(i64::try_from(self.room(named, next)).unwrap_or(i64::MAX));
        named.checked_add(room).unwrap_or(Timestamp::MAX)
    }

    /// Within how many microseconds after its nominal time it falls due.
    fn room(&self, named: Timestamp, next: Option<Timestamp>) -> u64 {
        let until_next = next.map(|next| u64::try_from(next.duration_since(named).as_micros()).unwrap_or(0));
        until_next.map_or(self.window.micros(), |until_next| until_next.min(self.window.micros()))
    }
}

/// How much of its window a trigger is late by: drawn once, and kept with its schedule, because another share would move what is armed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share(u32);

impl Share {
    /// The share of that number, of which there are as many as a `u32` has.
    pub fn new(number: u32) -> Share {
        Share(number)
    }

    /// Its number.
    pub fn number(self) -> u32 {
        self.0
    }

    /// So much of `room` microseconds: less than all of it.
    fn of(self, room: u64) -> SignedDuration {
        let micros = (u128::from(room) * u128::from(self.0)) >> u32::BITS;
        SignedDuration::from_micros(i64::try_from(micros).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a test writes its instants well")
    }

    fn jitter(text: &str) -> Jitter {
        Jitter::parse(text).expect("a window")
    }

    #[test]
    fn a_share_of_the_window_is_how_late_it_is() {
        let named = at("2027-01-01T09:00:00Z");
        let due_at = |share, next| jitter("10m").due_at(Share::new(share), named, next).to_string();
        assert_eq!(due_at(0, None), "2027-01-01T09:00:00Z");
        assert_eq!(due_at(1 << 31, None), "2027-01-01T09:05:00Z");
        assert_eq!(due_at(u32::MAX, None), "2027-01-01T09:09:59.999999Z");
        let next = Some(at("2027-01-01T09:01:00Z"));
        assert_eq!(due_at(1 << 31, next), "2027-01-01T09:00:30Z", "the next one is nearer than the window is wide");
        assert_eq!(due_at(u32::MAX, next), "2027-01-01T09:00:59.999999Z");
        let due_before = |next| jitter("10m").due_before(named, next).to_string();
        assert_eq!([due_before(None), due_before(next)], ["2027-01-01T09:10:00Z", "2027-01-01T09:01:00Z"]);
    }

    #[test]
    fn windows_are_periods_of_at_most_a_day() {
        assert_eq!((jitter("24h").as_str(), jitter("90s").window()), ("24h", SignedDuration::from_secs(90)));
        for (text, said) in [("25h", "at most 24 hours"), ("0s", "at least 1 second"), ("soon", "not a period")] {
            let error = Jitter::parse(text).expect_err("no window").to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn where_time_ends_nothing_is_late() {
        assert_eq!(jitter("10m").due_at(Share::new(u32::MAX), Timestamp::MAX, None), Timestamp::MAX);
        let named = at("2027-01-01T09:00:00Z");
        assert_eq!(jitter("10m").due_at(Share::new(u32::MAX), named, Some(named)), named);
    }

    proptest! {
        #[test]
        fn a_firing_is_never_early_never_beyond_the_window_and_never_past_the_next(
            share in any::<u32>(),
            named_us in 0_i64..7_258_118_400_000_000,
            window_us in 1_000_000_i64..=86_400_000_000,
            until_next_us in proptest::option::of(1_i64..200_000_000_000),
        ) {
            let named = Timestamp::from_microsecond(named_us).expect("in range");
            let next = until_next_us.map(|micros| named + SignedDuration::from_micros(micros));
            let jitter = jitter(&format!("{window_us}us"));
            let due = jitter.due_at(Share::new(share), named, next);
            prop_assert!(named <= due && due < named + jitter.window());
            prop_assert!(next.is_none_or(|next| due < next));
        }
    }
}
