//! How long nobody dials after a server could not be reached. One pause for everybody: a database that comes back is not met by
//! all nodes and all their tasks at once, and whoever asks meanwhile is told at once instead of waiting.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const SHORTEST: Duration = Duration::from_millis(100);

/// Before it is spread. With what spreads it, and a beat, a node is back within two seconds of its database: well before the others, who may
/// have found it sooner, give it up after three.
const LONGEST: Duration = Duration::from_secs(1);

/// The pauses of one pool.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How often in a row nobody was there.
    failures: u32,
    until: Option<Instant>,
    /// After a pause one looks, for all.
    looking: bool,
}

/// Leave to dial once. Dropped without a word, as when whoever asked has given up, it says nothing about the server.
#[derive(Debug)]
pub(super) struct Leave<'a> {
    pauses: &'a Pauses,
    failures_before: u32,
    looks_for_all: bool,
}

impl Pauses {
    /// Leave to dial, or nothing in a pause and while another looks.
    pub(super) fn leave(&self, now: Instant) -> Option<Leave<'_>> {
        let mut state = self.state();
        let failing = state.failures > 0;
        if failing && (state.looking || state.until.is_some_and(|until| now < until)) {
            return None;
        }
        state.looking = failing;
        Some(Leave { pauses: self, failures_before: state.failures, looks_for_all: failing })
    }

    /// A pause begins although nobody dialled: who was let in before has found that the server is not there.
    pub(super) fn begin(&self, now: Instant, chance: u32) {
        self.state().miss(now, chance);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn miss(&mut self, now: Instant, chance: u32) {
        self.failures += 1;
        self.until = Some(now + pause(self.failures, chance));
    }
}

impl Leave<'_> {
    /// Somebody was there: whoever asks may dial again.
    pub(super) fn reached(self) {
        *self.pauses.state() = State::default();
    }

    /// Nobody was there; `chance` spreads what many nodes do.
    pub(super) fn missed(self, now: Instant, chance: u32) {
        let mut state = self.pauses.state();
        // Many may have dialled at once: together they missed once.
        if state.failures == self.failures_before {
            state.miss(now, chance);
        }
    }
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        if self.looks_for_all {
            self.pauses.state().looking = false;
        }
    }
}

/// Doubles with every failure, and is spread by half around that.
fn pause(failures: u32, chance: u32) -> Duration {
    let doubled = SHORTEST.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST);
    doubled.mul_f64(0.5 + f64::from(chance) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_and_are_spread_by_half() {
        let millis = |failures, chance| pause(failures, chance).as_millis();
        assert_eq!([1, 2, 3, 4, 5, 6, 40].map(|failures| millis(failures, 0)), [50, 100, 200, 400, 500, 500, 500]);
        assert_eq!([1, 2, 6, u32::MAX].map(|failures| millis(failures, u32::MAX)), [150, 300, 1500, 1500]);
    }

    #[test]
    fn nobody_dials_in_a_pause_and_one_looks_after_it() {
        let (pauses, start) = (Pauses::default(), Instant::now());
        let (one, other) = (pauses.leave(start).expect("no pause yet"), pauses.leave(start).expect("no pause yet"));
        one.missed(start, u32::MAX);
        other.missed(start, u32::MAX);
        let after = start + Duration::from_millis(150);
        assert!(pauses.leave(after - Duration::from_millis(1)).is_none(), "two misses at once are one");
        let looks = pauses.leave(after).expect("the pause is over");
        assert!(pauses.leave(after).is_none(), "one looks for all");
        looks.missed(after, 0);
        assert!(pauses.leave(after + Duration::from_millis(99)).is_none());
        assert!(pauses.leave(after + Duration::from_millis(100)).is_some());
    }

    #[test]
    fn the_first_success_ends_all_pauses() {
        let (pauses, start) = (Pauses::default(), Instant::now());
        let late = pauses.leave(start).expect("no pause yet");
        pauses.leave(start).expect("no pause yet").missed(start, 0);
        assert!(pauses.leave(start).is_none());
        late.reached();
        assert!(pauses.leave(start).is_some());
        assert!(pauses.leave(start).is_some(), "and everybody may dial");
    }

    #[test]
    fn a_pause_that_begins_without_dialling_holds_for_everybody_and_then_one_looks() {
        let (pauses, start) = (Pauses::default(), Instant::now());
        pauses.begin(start, 0);
        assert!(pauses.leave(start).is_none());
        let later = start + SHORTEST;
        let looks = pauses.leave(later).expect("the pause is over");
        assert!(pauses.leave(later).is_none(), "one looks for all");
        looks.reached();
        assert!(pauses.leave(later).is_some());
    }

    #[test]
    fn who_gives_up_looking_leaves_it_to_the_next() {
        let (pauses, start) = (Pauses::default(), Instant::now());
        pauses.leave(start).expect("no pause yet").missed(start, 0);
        let later = start + LONGEST;
        drop(pauses.leave(later).expect("the pause is over"));
        assert!(pauses.leave(later).is_some());
    }
}
