//! How quickly a lane empties, as far as its attempts have shown, and what follows from it: how much may wait there, and when
//! something that found no room should come back. Arithmetic alone; whose claims these are is not known here.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// A lane holds no more than it empties in this time: so little that the store may as well keep the rest.
const HELD_FOR: Duration = Duration::from_secs(5);

/// However slow it is, so many may wait: whoever could start next is at hand.
const WAITING_MIN: usize = 16;

/// Fewer, where fewer may be under way at once: this many times as many. What waits in the store can be cancelled, and what waits here cannot.
const WAITING_PER_RUNNING: usize = 2;

/// For how long something is turned away at least: to come back costs the store two writes.
const AWAY_MIN: SignedDuration = SignedDuration::from_millis(100);

/// For how long something is turned away at most: a receiver that has become quick again is given everything by then.
const AWAY_MAX: SignedDuration = SignedDuration::from_mins(5);

/// A receiver that takes so long at the first exchange is slow, whatever else is going on here.
const SLOW: Duration = Duration::from_secs(1);

/// Of any other nothing is known before so many attempts have ended: that the first of a burst are slow says more about the burst.
const KNOWN_AFTER: u32 = 64;

/// Of at least so many gaps the usual one is the average, about.
const SMOOTHED_OVER: u32 = 16;

/// And at most of so many, so that a receiver that becomes slow is soon found to be.
const SMOOTHED_OVER_MOST: u32 = 8192;

/// And over at least so much time. Ends are noticed in bunches: whoever averaged over a few only would find, between two bunches, a receiver
/// many times slower than it is, and send away what comes just then for many times too long.
const SMOOTHED_FOR: Duration = Duration::from_millis(200);

/// A lane with a shorter gap is quick: what is known of it may be what it did while everything here was busy, and coming back too early
/// costs less than a lane that stands still while there is something for it.
const QUICK: SignedDuration = SignedDuration::from_millis(10);

/// The gap of a lane of which nothing is known.
const UNKNOWN: SignedDuration = SignedDuration::from_micros(25);

/// The flow through one lane.
#[derive(Clone, Copy, Default)]
pub(super) struct Flow {
    /// The usual time between two ends of attempts while others wait; none before the first end.
    gap: Option<Duration>,
    /// How many gaps there have been.
    gaps: u32,
    /// When an attempt ended last, where others waited then.
    last_end: Option<Timestamp>,
    /// When something was turned away first, as long as nothing is known.
    unknown_since: Option<Timestamp>,
    /// When whatever is turned away next may find room, if all come back that were turned away before.
    queue_end: Option<Timestamp>,
}

fn span(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

fn later(instant: Timestamp, by: SignedDuration) -> Timestamp {
    instant.saturating_add(by).unwrap_or(Timestamp::MAX)
}

/// Of how many gaps of that length the usual one is the average.
fn smoothed_over(gap: Duration) -> u32 {
    let in_time = SMOOTHED_FOR.as_nanos().checked_div(gap.as_nanos()).and_then(|count| u32::try_from(count).ok());
    in_time.map_or(SMOOTHED_OVER_MOST, |count| count.clamp(SMOOTHED_OVER, SMOOTHED_OVER_MOST))
}

impl Flow {
    /// An attempt has ended that took so long (none: nothing was sent), one of so many that may be under way at once.
    pub(super) fn note_end(&mut self, took: Option<Duration>, at_once: usize, waiting: usize, now: Timestamp) {
        let at_once = u32::try_from(at_once.max(1)).unwrap_or(u32::MAX);
        let since = self.last_end.map(|last| Duration::try_from(now.duration_since(last)).unwrap_or_default());
        self.gap = match (self.gap, since, took) {
            (Some(gap), Some(since), _) => {
                self.gaps = self.gaps.saturating_add(1);
                let over = self.gaps.min(smoothed_over(gap));
                Some((gap * (over - 1) + since) / over)
            }
            (None, _, Some(took)) if took >= SLOW => {
                self.gaps = KNOWN_AFTER;
                Some(took / at_once)
            }
            (None, Some(since), _) => {
                self.gaps = 1;
                Some(since)
            }
            (gap, _, _) => gap,
        };
        self.last_end = (waiting > 0).then_some(now);
        if waiting == 0 {
            self.queue_end = None;
        }
        if waiting == 0 || self.known().is_some() {
            self.unknown_since = None;
        }
    }

    /// The usual gap, where enough has been seen of the lane.
    fn known(&self) -> Option<Duration> {
        self.gap.filter(|_| self.gaps >= KNOWN_AFTER)
    }

    /// How many may wait where so many may be under way at once, `most` where nothing is known yet.
    pub(super) fn room(&self, most: usize, at_once: usize) -> usize {
        let Some(gap) = self.known() else { return most };
        let least = (at_once * WAITING_PER_RUNNING).clamp(1, WAITING_MIN);
        let in_time = HELD_FOR.as_nanos().checked_div(gap.as_nanos()).and_then(|count| usize::try_from(count).ok());
        in_time.unwrap_or(most).clamp(least, most)
    }

    /// When it is worth coming back for what finds no room behind so many that wait, each one gap after the one before. Where that is
    /// further than [`AWAY_MAX`], they are spread over the later half of it, so that they do not all come back together; where the lane is
    /// [`QUICK`], they come back in half of the time, and those that are too early once more. As long as nothing is known they come back after
    /// as much time again as has passed.
    pub(super) fn away_until(&mut self, waiting: usize, now: Timestamp) -> Timestamp {
        let (gap, least) = match self.known() {
            Some(gap) => (span(gap).max(SignedDuration::from_micros(1)), AWAY_MIN),
            None => {
                let since = *self.unknown_since.get_or_insert(now);
                (UNKNOWN, AWAY_MIN.max(now.duration_since(since)))
            }
        };
        let waiting = i32::try_from(waiting).unwrap_or(i32::MAX);
        let emptied_at = later(now, gap.checked_mul(waiting).unwrap_or(AWAY_MAX).max(least));
        let next = self.queue_end.map_or(emptied_at, |end| end.max(emptied_at));
        let place = if next > later(now, AWAY_MAX) { later(now, AWAY_MAX / 2) } else { next };
        self.queue_end = Some(later(place, gap));
        let away = place.duration_since(now);
        if gap < QUICK { later(now, (away / 2).max(least)) } else { place }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 8192;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(1_800_000_000_000 + milliseconds).expect("an instant")
    }

    /// A flow of so many attempts at once that each take so long, as often as said.
    fn flow(took_ms: u64, at_once: usize, rounds: i64) -> Flow {
        let mut flow = Flow::default();
        let took = Duration::from_millis(took_ms);
        for round in 1..=rounds {
            let now = at(round * i64::try_from(took_ms).expect("short"));
            (0..at_once).for_each(|_| flow.note_end(Some(took), at_once, 100, now));
        }
        flow
    }

    #[test]
    fn a_lane_holds_what_it_empties_in_seconds() {
        assert_eq!(Flow::default().room(MOST, 8), MOST, "nothing is known yet");
        for (took_ms, at_once, least, most) in
            [(15_000, 8, 16, 16), (5000, 8, 16, 16), (100, 8, 250, 650), (50, 64, 3000, MOST), (2, 64, MOST, MOST)]
        {
            let room = flow(took_ms, at_once, 30).room(MOST, at_once);
            assert!((least..=most).contains(&room), "{took_ms} ms, {at_once} at once: {room}");
        }
    }

    #[test]
    fn the_first_end_tells_already_that_a_receiver_is_slow() {
        let mut flow = Flow::default();
        flow.note_end(Some(Duration::from_secs(15)), 8, 4000, at(0));
        assert_eq!([1, 3, 8, 64].map(|at_once| flow.room(MOST, at_once)), [2, 6, 16, 16]);
    }

    #[test]
    fn ends_that_are_noticed_in_bunches_are_no_slower_than_others() {
        let mut flow = Flow::default();
        // 20 000 a second, noticed every 5 ms.
        for bunch in 1..=100 {
            (0..100).for_each(|_| flow.note_end(Some(Duration::from_millis(3)), 64, 8192, at(bunch * 5)));
            let mut spread = Flow { queue_end: None, ..flow };
            let away = spread.away_until(1000, at(bunch * 5)).duration_since(at(bunch * 5));
            let right = SignedDuration::from_millis(50);
            assert!(bunch < 10 || (away >= right && away <= 3 * right), "after bunch {bunch}: {away:?}");
            // Between two bunches, the first of the next one.
            let mut between = Flow { queue_end: None, ..flow };
            between.note_end(Some(Duration::from_millis(3)), 64, 8192, at(bunch * 5 + 5));
            let away = between.away_until(8192, at(bunch * 5 + 5)).duration_since(at(bunch * 5 + 5));
            assert!(bunch < 10 || away <= SignedDuration::from_millis(400), "within bunch {bunch}: {away:?}");
        }
    }

    #[test]
    fn the_first_ends_of_a_burst_say_nothing_of_a_receiver_that_may_be_quick() {
        let mut flow = Flow::default();
        flow.note_end(Some(Duration::from_millis(400)), 8, 8192, at(400));
        (1..20).for_each(|end| flow.note_end(Some(Duration::from_millis(400)), 8, 8192, at(400 + end * 50)));
        assert_eq!(flow.room(MOST, 8), MOST);
        let back = (0..90_000).map(|_| flow.away_until(MOST, at(1400))).last().expect("there were some");
        assert!(back.duration_since(at(1400)) < SignedDuration::from_secs(2), "{back}");
    }

    #[test]
    fn what_waits_for_a_receiver_that_says_nothing_comes_back_less_and_less_often() {
        let (mut flow, mut now, mut times) = (Flow::default(), at(0), 0);
        while now < at(15_000) {
            now = flow.away_until(MOST, now);
            times += 1;
        }
        assert!(times < 12, "{times} times in 15 s");
    }

    #[test]
    fn what_was_measured_while_all_was_busy_keeps_nothing_away_for_long() {
        // Ten times slower than the receiver is by itself.
        let mut flow = Flow::default();
        (1..=2000).for_each(|end| flow.note_end(Some(Duration::from_millis(20)), 64, 8192, at(end / 4)));
        let now = at(500);
        let back = (0..40_000).map(|_| flow.away_until(MOST, now)).last().expect("there were some");
        let guessed = SignedDuration::from_micros(250) * 48_192;
        assert!(back.duration_since(now) < guessed * 6 / 10, "{back}");
    }

    #[test]
    fn a_receiver_that_becomes_slow_is_soon_found_to_be() {
        let mut flow = flow(2, 64, 1000);
        assert_eq!(flow.room(MOST, 64), MOST);
        (1..=4).for_each(|end| flow.note_end(Some(Duration::from_secs(5)), 8, 8192, at(2000 + end * 5000)));
        assert!(flow.room(MOST, 8) < 500, "{}", flow.room(MOST, 8));
    }

    #[test]
    fn what_is_turned_away_comes_back_one_gap_after_the_other() {
        let mut flow = Flow::default();
        flow.note_end(Some(Duration::from_secs(4)), 8, 100, at(0));
        let back: Vec<Timestamp> = (0..3).map(|_| flow.away_until(16, at(0))).collect();
        assert_eq!(back, [at(8000), at(8500), at(9000)]);
        flow.note_end(Some(Duration::from_secs(4)), 8, 0, at(0));
        assert_eq!(flow.away_until(0, at(0)), at(100), "an empty lane owes nobody a place");
    }

    #[test]
    fn however_much_is_turned_away_it_comes_back_within_minutes_and_not_together() {
        let mut flow = Flow::default();
        flow.note_end(Some(Duration::from_secs(15)), 8, 100, at(0));
        let mut back: Vec<Timestamp> = (0..100_000).map(|_| flow.away_until(16, at(0))).collect();
        back.sort();
        assert!(back.last().is_some_and(|last| *last <= later(at(0), AWAY_MAX)));
        let busiest = back.chunk_by(|one, other| one.as_second() == other.as_second()).map(<[_]>::len).max();
        assert!(busiest.is_some_and(|most| most < 3000), "{busiest:?} in one second");
    }
}
