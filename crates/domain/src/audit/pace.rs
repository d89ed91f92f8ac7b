//! How a running server goes round: how long it rests between slices. The room exists because two promises meet here, that of few triggers whatever is wrong
//! is found within a round that begins every minute, and that looking at a million costs next to nothing. No clock may enter.

use std::time::Duration;

/// How often a round over all triggers begins, unless one takes longer.
pub const ROUND_EVERY: Duration = Duration::from_secs(60);

/// How long there is rest between two slices at least, and before the first: whoever begins has more urgent things to do.
pub const PAUSE: Duration = Duration::from_secs(1);

/// The first so many slices of a round follow each other with no more rest than that, so that with no others each trigger's turn comes once a minute,
/// sharp: five full ones, and one that finds that there are no more.
const SWIFT_SLICES: u32 = 6;

/// How many times as long as the work in it a longer round lasts: what an idle server spends on a million triggers that nothing is wrong with.
const LASTS_TIMES: u32 = 3_000;

/// What a slice takes longer is not counted, as it may be waiting for somebody else: so no round lasts longer than 30 s for each of its slices.
const COUNTED_MAX: Duration = Duration::from_millis(10);

/// A round under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    slices: u32,
    worked: Duration,
}

impl Pace {
    /// Another slice was looked over, which took so long.
    pub fn note(&mut self, took: Duration) {
        self.slices = self.slices.saturating_add(1);
        self.worked = self.worked.saturating_add(took.min(COUNTED_MAX));
    }

    /// How long to rest before the next slice of a round that has lasted so long.
    pub fn rest(&self, lasted: Duration) -> Duration {
        if self.slices <= SWIFT_SLICES {
            return PAUSE;
        }
        self.worked.saturating_mul(LASTS_TIMES).saturating_sub(lasted).max(PAUSE)
    }

    /// How long to rest before the next round, where this one is over and has lasted so long.
    pub fn rest_after(&self, lasted: Duration) -> Duration {
        ROUND_EVERY.saturating_sub(lasted).max(self.rest(lasted))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// When the slices of a round begin that take so long each, and when the next round does.
    fn round(slices: &[Duration]) -> (Vec<Duration>, Duration) {
        let (mut pace, mut now, mut begins) = (Pace::default(), Duration::ZERO, Vec::new());
        for (place, took) in slices.iter().enumerate() {
            begins.push(now);
            now += *took;
            pace.note(*took);
            let is_over = place + 1 == slices.len();
            now += if is_over { pace.rest_after(now) } else { pace.rest(now) };
        }
        (begins, now)
    }

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_round_over_few_begins_every_minute_and_comes_to_each_at_the_same_time() {
        for (slices, took) in [(1, 0), (1, 900), (3, 5), (6, 5), (6, 200)] {
            let (begins, next) = round(&vec![millis(took); slices]);
            assert_eq!(next, ROUND_EVERY, "{slices} slices of {took} ms");
            let expected = (0..slices as u64).map(|place| millis(place * (1_000 + took)));
            assert_eq!(begins, expected.collect::<Vec<_>>(), "{slices} slices of {took} ms");
        }
        // Between the same slice of two rounds lies what the work before it took longer in the one than in the other.
        let (swift, next) = round(&[millis(1); 5]);
        let (slow, _) = round(&[millis(400); 5]);
        let worst = slow.iter().zip(&swift).map(|(later, earlier)| next - *earlier + *later + millis(400)).max();
        assert_eq!(worst, Some(millis(61_996)), "62 s, as is promised");
    }

    #[test]
    fn a_round_over_many_lasts_three_thousand_times_as_long_as_its_work() {
        for (slices, took, lasts_s) in [
            (7, 6_000, 126),
            (100, 5_500, 1_650),
            (100, 3_000, 900),
            (1_000, 5_500, 16_500),
            (1_000, 500, 1_500),
            // Slower than that it goes round no slower.
            (1_000, 60_000, 30_000),
        ] {
            let (_, next) = round(&vec![Duration::from_micros(took); slices]);
            assert!(next.abs_diff(Duration::from_secs(lasts_s)) < millis(100), "{slices} of {took} µs: {next:?}");
        }
    }

    #[test]
    fn one_slice_that_waits_for_somebody_does_not_keep_a_round_from_ending() {
        let mut took = [millis(3); 1_000];
        took[500] = Duration::from_secs(60);
        let (_, next) = round(&took);
        assert!(next < Duration::from_secs(9_100), "{next:?}");
    }

    proptest! {
        #[test]
        fn whatever_each_slice_takes_the_round_costs_no_more_and_ends(
            took in proptest::collection::vec(0_u64..40_000, 7..60),
        ) {
            let took: Vec<Duration> = took.into_iter().map(Duration::from_micros).collect();
            let (begins, next) = round(&took);
            let (worked, slices) = (took.iter().sum::<Duration>(), u32::try_from(took.len()).expect("few"));
            prop_assert!(next >= ROUND_EVERY);
            let counted: Duration = took.iter().map(|took| (*took).min(COUNTED_MAX)).sum();
            prop_assert!(next >= counted * LASTS_TIMES, "{next:?}");
            prop_assert!(next <= Duration::from_secs(30) * slices + worked + PAUSE * slices, "{next:?}");
            prop_assert!(begins.windows(2).all(|pair| pair[1] - pair[0] >= PAUSE));
        }
    }
}
