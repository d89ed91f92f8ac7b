//! What a rate makes of what comes to a destination: who has to wait, for how long, and until when. The arithmetic is that of
//! [`Rate::take`](crate::destination::definition::Rate::take), so that a forecast waits exactly as deliveries will; only that many that come at once are taken
//! together, whose cost is that of one. Attempts that fail and come again are not foreseen, and no bucket that is part empty now.

use jiff::{SignedDuration, Timestamp};

use crate::destination::definition::Rate;

/// How many rushes of a destination are told, those with the longest wait.
pub const RUSHES_MAX: usize = 20;

/// A time in which more came than the rate lets through, from the first delivery that has to wait until the last one has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rush {
    /// When the first delivery comes that has to wait.
    pub from: Timestamp,
    /// When the last of those that had to wait begins.
    pub until: Timestamp,
    /// How many have to wait.
    pub late: u64,
    /// The longest that one has to wait.
    pub late_max: SignedDuration,
}

/// Deliveries that come at one instant, or evenly from it on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Coming {
    /// When the first of them comes.
    pub(super) at: Timestamp,
    /// How many.
    pub(super) count: u64,
    /// In how much time, of which each has an equal share; none for all at once.
    pub(super) within: SignedDuration,
}

/// A destination's queue: what is remembered of it, and what was seen.
pub(super) struct Queue {
    interval: SignedDuration,
    tolerance: SignedDuration,
    /// When the bucket will be full again.
    full_at: Timestamp,
    rush: Option<Rush>,
    /// The rushes that are over, the longest waits first; no more than are told.
    rushes: Vec<Rush>,
    /// How many deliveries had to wait.
    late: u64,
    /// How many rushes there were.
    total: u64,
}

impl Queue {
    /// An empty one.
    pub(super) fn new(rate: Rate) -> Queue {
        let interval = rate.interval();
        Queue {
            interval,
            tolerance: times(interval, u64::from(rate.burst.saturating_sub(1))),
            full_at: Timestamp::MIN,
            rush: None,
            rushes: Vec::new(),
            late: 0,
            total: 0,
        }
    }

    /// These come, none before what came before.
    pub(super) fn take(&mut self, coming: Coming) {
        let Coming { at, count, within } = coming;
        if count == 0 {
            return;
        }
        let apart = within / i32::try_from(count).unwrap_or(i32::MAX);
        let full_at = self.full_at.max(at);
        if self.begins(full_at) <= at {
            self.end_rush();
        }
        // The one of the number n (from nought) comes at `at + n × apart`, and begins at `full_at + n × interval − tolerance`, unless it
        // comes later than that.
        let last_comes = later(at, times(apart, count - 1));
        let last_begins = self.begins(later(full_at, times(self.interval, count - 1)));
        let first_waits = self.begins(full_at).duration_since(at);
        let last_waits = last_begins.duration_since(last_comes);
        let (longest, shortest) = (first_waits.max(last_waits), first_waits.min(last_waits));
        let is_caught_up = last_waits <= SignedDuration::ZERO;
        let full_again = later(full_at, times(self.interval, count));
        // Who comes when the bucket is full takes from a full one.
        self.full_at = full_again.max(later(last_comes, self.interval));
        if longest <= SignedDuration::ZERO {
            return;
        }
        let late = if shortest.is_positive() { count } else { crossing(count, first_waits, last_waits) };
        let first_late = if first_waits.is_positive() { at } else { later(at, times(apart, count - late)) };
        let last_late_begins = self.begins(later(full_at, times(self.interval, late - 1)));
        let rush = self.rush.get_or_insert(Rush { from: first_late, until: first_late, late: 0, late_max: longest });
        rush.late += late;
        rush.late_max = rush.late_max.max(longest);
        rush.until = if is_caught_up { last_late_begins } else { last_begins };
        self.late += late;
        if is_caught_up {
            self.end_rush();
        }
    }

    /// What was seen: the rushes, the longest waits first, how many there were, and how many deliveries had to wait.
    pub(super) fn end(mut self) -> (Vec<Rush>, u64, u64) {
        self.end_rush();
        (self.rushes, self.total, self.late)
    }

    /// When somebody begins who finds the bucket like that.
    fn begins(&self, full_at: Timestamp) -> Timestamp {
        full_at.saturating_sub(self.tolerance).unwrap_or(Timestamp::MIN)
    }

    fn end_rush(&mut self) {
        let Some(rush) = self.rush.take() else { return };
        self.total += 1;
        let place = self.rushes.partition_point(|other| other.late_max >= rush.late_max);
        self.rushes.insert(place, rush);
        self.rushes.truncate(RUSHES_MAX);
    }
}

/// How many of `count` have to wait, where the wait goes evenly from `first` to `last` and one of the two is none.
fn crossing(count: u64, first: SignedDuration, last: SignedDuration) -> u64 {
    let (waiting, whole) = (first.max(last).as_micros(), (last.as_micros() - first.as_micros()).abs());
    let steps = i128::from(count - 1);
    // Those whose wait is above nought: strictly fewer steps from the longest than reach down to it.
    let late = (waiting * steps + whole - 1).checked_div(whole).unwrap_or(steps + 1);
    u64::try_from(late).unwrap_or(0).clamp(1, count)
}

fn times(span: SignedDuration, count: u64) -> SignedDuration {
    let micros = span.as_micros().saturating_mul(i128::from(count));
    SignedDuration::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
}

fn later(instant: Timestamp, by: SignedDuration) -> Timestamp {
    instant.saturating_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(1_800_000_000_000 + milliseconds).expect("in range")
    }

    fn rate(count: u32, seconds: i64, burst: u32) -> Rate {
        Rate { count, per: SignedDuration::from_secs(seconds), burst }
    }

    /// Rushes as (from, until, how many are late, the longest wait), in milliseconds, in order of time.
    fn rushes(rate: Rate, coming: &[(i64, u64)]) -> Vec<(i64, i64, u64, i128)> {
        let mut queue = Queue::new(rate);
        for (ms, count) in coming {
            queue.take(Coming { at: at(*ms), count: *count, within: SignedDuration::ZERO });
        }
        let (mut rushes, total, late) = queue.end();
        assert_eq!((total, late), (rushes.len() as u64, rushes.iter().map(|rush| rush.late).sum()));
        rushes.sort_by_key(|rush| rush.from);
        let ms = |instant: Timestamp| instant.as_millisecond() - at(0).as_millisecond();
        rushes.iter().map(|rush| (ms(rush.from), ms(rush.until), rush.late, rush.late_max.as_millis())).collect()
    }

    #[test]
    fn what_the_bucket_holds_goes_at_once_and_the_rest_one_by_one() {
        let ten = rate(10, 1, 3);
        assert_eq!(rushes(ten, &[(0, 3), (1_000, 3)]), []);
        assert_eq!(rushes(ten, &[(0, 8)]), [(0, 500, 5, 500)]);
        assert_eq!(rushes(ten, &[(0, 8), (10_000, 4)]), [(0, 500, 5, 500), (10_000, 10_100, 1, 100)]);
        assert_eq!(rushes(ten, &[(0, 8), (200, 1)]), [(0, 600, 6, 500)], "who comes meanwhile waits behind");
    }

    #[test]
    fn what_comes_evenly_waits_only_where_it_is_too_much() {
        let evenly = |rate: Rate, count: u64| {
            let mut queue = Queue::new(rate);
            queue.take(Coming { at: at(0), count, within: SignedDuration::from_secs(60) });
            let (rushes, _, late) = queue.end();
            (late, rushes.first().map(|rush| rush.late_max.as_millis()))
        };
        assert_eq!(evenly(rate(1, 1, 1), 60), (0, None));
        assert_eq!(evenly(rate(1, 1, 1), 30), (0, None));
        let (late, longest) = evenly(rate(1, 1, 1), 120);
        assert_eq!((late, longest), (119, Some(59_500)), "all but the first");
        assert_eq!(evenly(rate(10, 1, 10), 6_000).1, Some(539_010), "ten at once, then a tenth of what comes");
    }

    #[test]
    fn only_the_longest_waits_are_told_and_all_are_counted() {
        let many: Vec<(i64, u64)> =
            (0..50).map(|day| (day * 86_400_000, u64::try_from(day).expect("small") + 2)).collect();
        let mut queue = Queue::new(rate(1, 1, 1));
        for (ms, count) in &many {
            queue.take(Coming { at: at(*ms), count: *count, within: SignedDuration::ZERO });
        }
        let (rushes, total, late) = queue.end();
        assert_eq!((rushes.len(), total), (RUSHES_MAX, 50));
        assert_eq!(late, (1..=50).sum::<u64>());
        assert_eq!((rushes[0].late_max.as_secs(), rushes[RUSHES_MAX - 1].late_max.as_secs()), (50, 31));
    }

    proptest! {
        /// The oracle: the rate itself, asked for one turn at a time, each as soon as there is one.
        #[test]
        fn it_waits_as_the_rate_makes_deliveries_wait(
            (count, seconds, burst) in (1_u32..20, 1_i64..5, 1_u32..20),
            comings in prop::collection::vec((0_i64..8_000, 1_u64..30), 1..30),
        ) {
            let rate = rate(count, seconds, burst);
            let mut now = 0;
            let comings: Vec<(i64, u64)> = comings.into_iter().map(|(pause, count)| { now += pause; (now, count) }).collect();
            let (mut full_at, mut late, mut longest, mut last_begins) = (None, 0, 0, at(0));
            for (ms, count) in &comings {
                for _ in 0..*count {
                    let mut ask = at(*ms).max(last_begins);
                    let begins = loop {
                        let (turns, next_full_at) = rate.take(full_at, 1, ask);
                        full_at = Some(next_full_at);
                        match turns.starts.first() {
                            Some(start) => break *start,
                            // The rate gives turns out a little ahead; who asks then is given this one.
                            None => ask = turns.next.expect("there is such a destination"),
                        }
                    };
                    last_begins = begins;
                    let wait = begins.duration_since(at(*ms)).as_micros();
                    late += u64::from(wait > 0);
                    longest = longest.max(wait);
                }
            }
            let mut queue = Queue::new(rate);
            for (ms, count) in &comings {
                queue.take(Coming { at: at(*ms), count: *count, within: SignedDuration::ZERO });
            }
            let (rushes, _, told) = queue.end();
            prop_assert_eq!(told, late);
            prop_assert_eq!(rushes.first().map_or(0, |rush| rush.late_max.as_micros()), longest);
        }
    }
}
