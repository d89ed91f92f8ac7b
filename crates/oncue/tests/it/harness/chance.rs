//! Choices from a seed, so that a run can be repeated.

use std::thread;
use std::time::Duration;

use jiff::Timestamp;

/// Choices from a seed (splitmix64).
pub(crate) struct Chance(u64);

impl Chance {
    /// Those of this seed.
    pub(crate) fn from_seed(seed: u64) -> Chance {
        Chance(seed)
    }

    /// Choices of somebody else's own.
    pub(crate) fn split(&mut self) -> Chance {
        Chance(self.draw())
    }

    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from `low` to just below `high`.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.draw() % (high - low)
    }

    pub(crate) fn one_in(&mut self, times: u64) -> bool {
        self.draw().is_multiple_of(times)
    }

    pub(crate) fn pause(&mut self, low_ms: u64, high_ms: u64) {
        thread::sleep(Duration::from_millis(self.between(low_ms, high_ms)));
    }
}

/// A number from the environment.
pub(crate) fn number_from(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

/// The seed that was asked for with `ONCUE_SEED`, or one from the clock.
pub(crate) fn seed() -> u64 {
    number_from("ONCUE_SEED").unwrap_or_else(|| u64::try_from(Timestamp::now().as_microsecond()).expect("after 1970"))
}
