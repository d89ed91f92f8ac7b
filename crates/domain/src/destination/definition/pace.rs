//! How fast a destination takes deliveries: what its owner says, as numbers, and when by these the next may begin. The rule is the
//! generic cell rate algorithm (ITU-T I.371): all there is to remember is one instant. Who remembers it is the store's business,
//! who waits for a turn the engine's.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::fields::{Fields, span_text};

/// How many deliveries may begin in one span, or at once.
const COUNT_MAX: u32 = 100_000;

/// The shortest and the longest span that a rate counts in.
const PER_MIN: SignedDuration = SignedDuration::from_secs(1);
const PER_MAX: SignedDuration = SignedDuration::from_hours(24);

/// What is kept to at Discord where no rate is said. A webhook there takes five in two seconds; this is a little less, so that no network brings
/// a sixth into any two seconds.
pub(super) const AT_DISCORD: Rate = Rate { count: 12, per: SignedDuration::from_secs(5), burst: 1 };

/// The same at Slack, which takes one in a second.
pub(super) const AT_SLACK: Rate = Rate { count: 1, per: SignedDuration::from_secs(1), burst: 1 };

/// How far ahead turns are given out: whoever took some and is gone has wasted no more than these.
pub const TURNS_AHEAD: SignedDuration = SignedDuration::from_millis(250);

/// How far apart the clocks of those who ask may be without a turn too many.
const SKEW_MAX: SignedDuration = SignedDuration::from_secs(1);

/// Turns that were given out: from each of these instants on, one delivery may begin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turns {
    /// When they begin, ascending; none is further ahead than [`TURNS_AHEAD`].
    pub starts: Vec<Timestamp>,
    /// When the next one would begin that was not given out; none where there is no such destination.
    pub next: Option<Timestamp>,
}

/// How many deliveries may begin in which time: a bucket that holds `burst` and is filled evenly with `count` in each `per`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many in each span; at least one.
    pub count: u32,
    /// The span: 1 second to 24 hours.
    pub per: SignedDuration,
    /// How many may begin at once after a rest; at least one.
    pub burst: u32,
}

impl Rate {
    /// Reads `rate`; none where none is named. Without a span it counts in seconds, and without a burst one is as big as the count.
    pub(super) fn read(fields: &mut Fields<'_>) -> Option<Rate> {
        let mut inner = fields.object("rate")?;
        let is_named = inner.has("count");
        let count = inner.number("count", 1, COUNT_MAX);
        if !is_named {
            inner.refuse("count", "This is missing: how many deliveries may begin in the span.");
        }
        let per = inner.span("per", PER_MIN, PER_MAX).unwrap_or(PER_MIN);
        let burst = inner.number("burst", 1, COUNT_MAX);
        fields.close(inner);
        count.map(|count| Rate { count, per, burst: burst.unwrap_or(count) })
    }

    /// How far apart turns are once the bucket is empty; rounded up, so that there are never too many.
    pub fn interval(self) -> SignedDuration {
        let count = i128::from(self.count.max(1));
        SignedDuration::from_micros(i64::try_from((self.per.as_micros() + count - 1) / count).unwrap_or(i64::MAX))
    }

    /// Gives out at most `wanted` turns. `full_at` is what is remembered: when the bucket will be full again (the algorithm's
    /// theoretical arrival time); what is to be remembered from now on comes back beside the turns. However far ahead it lies, by a
    /// clock put back or a slower rate that held before, it is believed only as far as this rate can have put it,
    /// by whatever clock.
    pub fn take(self, full_at: Option<Timestamp>, wanted: usize, now: Timestamp) -> (Turns, Timestamp) {
        let interval = self.interval();
        let tolerance = interval * i32::try_from(self.burst.saturating_sub(1)).unwrap_or(i32::MAX);
        let later = |instant: Timestamp, by: SignedDuration| instant.saturating_add(by).unwrap_or(Timestamp::MAX);
        let ahead = later(now, TURNS_AHEAD);
        let furthest = later(later(later(ahead, SKEW_MAX), tolerance), interval);
        let mut full_at = full_at.unwrap_or(now).clamp(now, furthest);
        let start_by = |full_at: Timestamp| full_at.saturating_sub(tolerance).unwrap_or(Timestamp::MIN).max(now);
        let mut starts = Vec::new();
        while starts.len() < wanted && start_by(full_at) <= ahead {
            starts.push(start_by(full_at));
            full_at = later(full_at, interval);
        }
        (Turns { starts, next: Some(start_by(full_at)) }, full_at)
    }

    /// The rate for people, as in "12 in 5s".
    pub fn words(self) -> String {
        format!("{} in {:#}", self.count, self.per)
    }

    pub(super) fn write(self) -> Value {
        json!({"count": self.count, "per": span_text(self.per), "burst": self.burst})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(1_800_000_000_000 + milliseconds).expect("an instant")
    }

    fn rate(count: u32, seconds: i64, burst: u32) -> Rate {
        Rate { count, per: SignedDuration::from_secs(seconds), burst }
    }

    /// The turns, ascending, that are given out when somebody asks for all there are at each of these milliseconds.
    fn taken(rate: Rate, asked_at: impl Iterator<Item = i64>) -> Vec<i64> {
        let mut full_at = None;
        let mut taken = Vec::new();
        for asked_at in asked_at {
            let (turns, after) = rate.take(full_at, usize::MAX, at(asked_at));
            taken.extend(turns.starts.iter().map(|start| start.as_millisecond() - at(0).as_millisecond()));
            full_at = Some(after);
        }
        taken.sort_unstable();
        taken
    }

    #[test]
    fn after_a_rest_there_is_a_burst_and_then_one_turn_in_each_interval() {
        assert_eq!(taken(rate(10, 1, 3), [0, 200].into_iter()), [0, 0, 0, 100, 200, 300, 400]);
        assert_eq!(taken(rate(1, 1, 1), (0..40).map(|step| step * 100)), [0, 1000, 2000, 3000, 4000]);
    }

    #[test]
    fn in_no_span_are_there_more_turns_than_the_burst_and_what_the_span_adds() {
        for rate in [rate(3, 1, 1), rate(7, 2, 5), rate(1000, 1, 50), rate(1, 3, 2)] {
            let taken = taken(rate, (0..400).map(|step| step * 17 + (step % 7) * 50));
            for (index, first) in taken.iter().enumerate() {
                for (more, last) in taken[index..].iter().enumerate() {
                    let per = i64::try_from(rate.per.as_millis()).expect("seconds");
                    let added = (last - first + 1) * i64::from(rate.count) / per;
                    let begun = i64::try_from(more + 1).expect("few");
                    assert!(begun <= added + i64::from(rate.burst), "{rate:?}: {first} to {last}");
                }
            }
        }
    }

    #[test]
    fn what_is_kept_to_at_discord_never_brings_six_into_two_seconds_however_turns_are_asked_for() {
        let taken = taken(AT_DISCORD, (0..600).map(|step| step * 50));
        assert!(taken.windows(6).all(|six| six[5] - six[0] > 2050), "{taken:?}");
        assert!(taken.len() >= 70, "{} in 30 seconds", taken.len());
    }

    #[test]
    fn no_more_turns_are_given_out_than_are_wanted_and_the_next_one_is_named() {
        let rate = rate(2, 1, 2);
        let (turns, full_at) = rate.take(None, 1, at(0));
        assert_eq!(turns, Turns { starts: vec![at(0)], next: Some(at(0)) });
        let (turns, full_at) = rate.take(Some(full_at), 9, at(0));
        assert_eq!(turns, Turns { starts: vec![at(0)], next: Some(at(500)) });
        let (turns, again) = rate.take(Some(full_at), 9, at(1));
        assert_eq!((turns, again), (Turns { starts: vec![], next: Some(at(500)) }, full_at));
    }

    #[test]
    fn a_slower_rate_of_before_and_a_clock_put_back_hold_nobody_up_for_long() {
        let (_, full_at) = rate(1, 86_400, 1).take(None, 1, at(0));
        let (turns, _) = rate(10, 1, 1).take(Some(full_at), 1, at(1));
        assert_eq!(turns.next, Some(at(1351)));
    }
}
