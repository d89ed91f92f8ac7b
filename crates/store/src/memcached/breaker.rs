//! Whether a server is asked at all. Pure: what time it is and what chance says are arguments.
//!
//! One failed call begins an outage; nobody asks the server then until a look beside the requests has found it well. The
//! pauses between these looks grow while it stays away, and also from one outage to the next where they follow each other
//! closely, so a server that keeps coming and going costs, and logs, less and less.

use std::time::Duration;

use tokio::time::Instant;

/// The pause before the first look at a server that has just failed.
const PAUSE_FIRST: Duration = Duration::from_millis(100);

/// No pause is longer: so late may it be noticed that a server is back.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// A server that was well for so long is trusted like a new one.
const WELL_AFTER: Duration = Duration::from_secs(30);

/// The right to ask, given out while the server is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pass(u64);

/// What is known about a server.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    is_down: bool,
    /// How many outages there were; calls that began before the last one say nothing about now.
    outages: u64,
    /// Looks in a row, over outages that follow each other closely.
    looks: u32,
    back_since: Option<Instant>,
}

impl Breaker {
    /// The right to ask the server, unless it is down.
    pub(super) fn enter(&self) -> Option<Pass> {
        (!self.is_down).then_some(Pass(self.outages))
    }

    /// A call failed. True when an outage begins with it.
    pub(super) fn fail(&mut self, pass: Pass, now: Instant) -> bool {
        if self.is_down || pass != Pass(self.outages) {
            return false;
        }
        if self.back_since.is_none_or(|since| now.duration_since(since) >= WELL_AFTER) {
            self.looks = 0;
        }
        self.is_down = true;
        self.outages += 1;
        true
    }

    /// How long to wait before the next look: twice as long as before, shortened by up to a half as `chance` says, so that
    /// nodes do not look all at once.
    pub(super) fn pause(&mut self, chance: u16) -> Duration {
        let full = PAUSE_FIRST.saturating_mul(1 << self.looks.min(16)).min(PAUSE_MAX);
        self.looks = self.looks.saturating_add(1);
        full - full * u32::from(chance) / u32::from(u16::MAX) / 2
    }

    /// A look found the server well.
    pub(super) fn heal(&mut self, now: Instant) {
        self.is_down = false;
        self.back_since = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(breaker: &mut Breaker, count: usize) -> Vec<u128> {
        (0..count).map(|_| breaker.pause(0).as_millis()).collect()
    }

    #[test]
    fn nobody_asks_during_an_outage_and_it_begins_once() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        let pass = breaker.enter().expect("a new server is trusted");
        assert!(breaker.fail(pass, now));
        assert!(!breaker.fail(pass, now), "the calls beside it begin no outage of their own");
        assert_eq!(breaker.enter(), None);
        breaker.heal(now);
        assert!(!breaker.fail(pass, now), "a call from before says nothing about now");
        let pass = breaker.enter().expect("it is back");
        assert!(breaker.fail(pass, now));
    }

    #[test]
    fn pauses_grow_to_their_bound_and_chance_shortens_them_by_half_at_most() {
        let mut breaker = Breaker::default();
        assert_eq!(pauses(&mut breaker, 9), [100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
        for chance in [0, 1, 30_000, u16::MAX] {
            let pause = breaker.pause(chance);
            assert!((PAUSE_MAX / 2..=PAUSE_MAX).contains(&pause), "{pause:?}");
        }
        breaker.looks = u32::MAX;
        assert_eq!(breaker.pause(u16::MAX), PAUSE_MAX / 2);
    }

    #[test]
    fn pauses_go_on_growing_where_the_server_was_not_well_for_long() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        let fail = |breaker: &mut Breaker, at| {
            let pass = breaker.enter().expect("it is not down");
            assert!(breaker.fail(pass, at));
        };
        fail(&mut breaker, now);
        assert_eq!(pauses(&mut breaker, 2), [100, 200]);
        breaker.heal(now);
        fail(&mut breaker, now + WELL_AFTER - Duration::from_millis(1));
        assert_eq!(pauses(&mut breaker, 1), [400]);
        breaker.heal(now);
        fail(&mut breaker, now + WELL_AFTER);
        assert_eq!(pauses(&mut breaker, 1), [100]);
    }
}
