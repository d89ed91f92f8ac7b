//! What this node does, counted as it happens, for the operator to see. Nothing is decided by it, and it asks nobody: the loops
//! tell it, and once a second somebody reads it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use oncue_domain::node::Work;
use tokio::time::Instant;

/// A minute, second by second.
const SECONDS: i64 = 60;

/// What happened lately and what goes on now.
#[derive(Default)]
pub struct Tally(Mutex<Counted>);

#[derive(Default)]
struct Counted {
    running: u64,
    waiting: u64,
    looked_at: Option<Timestamp>,
    last_look: Option<Look>,
    /// No more of them than a minute has, each once.
    seconds: VecDeque<Second>,
}

/// A look at what is due that has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// When it began, by the clock that occurrences go by.
    pub(crate) began: Timestamp,
    /// When it ended, by a clock that nobody moves.
    pub(crate) ended: Instant,
}

#[derive(Default)]
struct Second {
    at: i64,
    fired: u64,
    attempts: u64,
    failed: u64,
    late_us_max: Option<u64>,
}

/// Whether the second belongs to the minute that ends with `now`; what a clock that was put back left behind does not.
fn is_lately(at: i64, now: Timestamp) -> bool {
    (0..SECONDS).contains(&(now.as_second() - at))
}

impl Counted {
    fn second(&mut self, now: Timestamp) -> &mut Second {
        let at = now.as_second();
        let place = self.seconds.iter().rposition(|second| second.at == at).unwrap_or_else(|| {
            self.seconds.retain(|second| is_lately(second.at, now));
            self.seconds.push_back(Second { at, ..Second::default() });
            self.seconds.len() - 1
        });
        &mut self.seconds[place]
    }
}

impl Tally {
    /// A poisoned lock means that a thread panicked while it held plain numbers; they are still whole.
    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The scheduler has looked at what is due, from `began` until `now`.
    pub(crate) fn note_look(&self, began: Timestamp, now: Timestamp) {
        let mut counted = self.counted();
        counted.looked_at = Some(now);
        counted.last_look = Some(Look { began, ended: Instant::now() });
    }

    /// The scheduler's last look that has ended; none before its first.
    pub(crate) fn last_look(&self) -> Option<Look> {
        self.counted().last_look
    }

    /// So many occurrences fired; `latest` is by how much the latest-coming of those that nobody missed was late.
    pub(crate) fn note_fired(&self, now: Timestamp, fired: u64, latest: Option<SignedDuration>) {
        let late_us_max = latest.map(|late| u64::try_from(late.as_micros()).unwrap_or(0));
        let mut counted = self.counted();
        let second = counted.second(now);
        second.fired += fired;
        second.late_us_max = second.late_us_max.max(late_us_max);
    }

    /// An attempt has ended.
    pub(crate) fn note_attempt(&self, now: Timestamp, has_arrived: bool) {
        let mut counted = self.counted();
        let second = counted.second(now);
        second.attempts += 1;
        second.failed += u64::from(!has_arrived);
    }

    /// So many attempts are under way, and so many deliveries wait for their turn.
    pub(crate) fn note_lanes(&self, running: u64, waiting: u64) {
        let mut counted = self.counted();
        (counted.running, counted.waiting) = (running, waiting);
    }

    /// What goes on at `now`, and what happened in the minute before.
    pub fn work(&self, now: Timestamp) -> Work {
        let counted = self.counted();
        let lately = || counted.seconds.iter().filter(|second| is_lately(second.at, now));
        Work {
            running: counted.running,
            waiting: counted.waiting,
            fired: lately().map(|second| second.fired).sum(),
            attempts: lately().map(|second| second.attempts).sum(),
            failed: lately().map(|second| second.failed).sum(),
            late_us_max: lately().filter_map(|second| second.late_us_max).max(),
            looked_at: counted.looked_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).expect("in range")
    }

    fn late(us: i64) -> Option<SignedDuration> {
        Some(SignedDuration::from_micros(us))
    }

    #[test]
    fn what_happened_in_the_last_minute_is_added_up_and_what_is_older_is_not() {
        let tally = Tally::default();
        tally.note_fired(at(100), 3, late(900));
        tally.note_fired(at(100), 1, late(400));
        tally.note_fired(at(130), 2, late(700));
        tally.note_fired(at(131), 5, None);
        tally.note_attempt(at(130), true);
        tally.note_attempt(at(131), false);
        let told = |now| {
            let work = tally.work(at(now));
            (work.fired, work.attempts, work.failed, work.late_us_max)
        };
        assert_eq!(told(131), (11, 2, 1, Some(900)));
        assert_eq!(told(159), (11, 2, 1, Some(900)));
        assert_eq!(told(160), (7, 2, 1, Some(700)));
        assert_eq!(told(190), (5, 1, 1, None));
        assert_eq!(told(191), (0, 0, 0, None));
    }

    #[test]
    fn what_goes_on_is_said_as_it_was_said_last() {
        let tally = Tally::default();
        tally.note_lanes(7, 9);
        tally.note_lanes(2, 0);
        tally.note_look(at(4), at(5));
        let work = tally.work(at(1000));
        assert_eq!((work.running, work.waiting, work.looked_at), (2, 0, Some(at(5))));
    }

    #[test]
    fn a_clock_that_is_put_back_and_forth_leaves_no_more_than_a_minute() {
        let tally = Tally::default();
        for now in (0..500).chain(100..300).rev().chain(0..1000) {
            tally.note_attempt(at(now), true);
            assert!(tally.counted().seconds.len() <= 60);
        }
        assert_eq!(tally.work(at(999)).attempts, 60);
        tally.note_fired(at(10), 1, late(-5));
        assert_eq!(tally.work(at(10)).late_us_max, Some(0), "nothing fires early");
        assert_eq!(tally.work(at(10)).attempts, 0, "what is still to come by this clock has not happened");
    }
}
