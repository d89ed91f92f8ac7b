//! A clock that tests move, so that no test waits for a time that could have been moved. It exists in test builds alone (the
//! feature `movable-clock`): a program that people run has no way to be told a wrong time. Nothing may enter here but the
//! offset and the lines that move it.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use anyhow::Context;
use jiff::{SignedDuration, Timestamp};
use oncue_domain::clock::Clock;

/// A clock, and what the tests have added to it.
struct MovableClock {
    base: Arc<dyn Clock>,
    offset_us: AtomicI64,
}

impl Clock for MovableClock {
    fn now(&self) -> Timestamp {
        self.base.now() + SignedDuration::from_micros(self.offset_us.load(Ordering::SeqCst))
    }
}

/// Starts a clock that is `offset` ahead of `base`, and moves it as the lines on standard input say.
///
/// A line `advance 2h` or `advance -90s` is answered with `clock 2026-11-21T10:00:00Z` once it holds, and a line that cannot
/// be read with what is wrong.
pub(crate) fn start(base: Arc<dyn Clock>, offset: SignedDuration) -> anyhow::Result<Arc<dyn Clock>> {
    let clock = Arc::new(MovableClock { base, offset_us: AtomicI64::new(to_us(offset)?) });
    let moved = Arc::clone(&clock);
    std::thread::Builder::new()
        .name("movable-clock".to_owned())
        .spawn(move || {
            for line in std::io::stdin().lines().map_while(Result::ok) {
                let answer = match moved.obey(&line) {
                    Ok(now) => format!("clock {now}\n"),
                    Err(error) => format!("clock not moved: {error:#}\n"),
                };
                // Whoever moved the clock may be gone.
                let _ = std::io::stdout().lock().write_all(answer.as_bytes());
            }
        })
        .context("The movable clock cannot be started")?;
    Ok(clock)
}

impl MovableClock {
    fn obey(&self, line: &str) -> anyhow::Result<Timestamp> {
        let by = line.trim().strip_prefix("advance ").context("the only order is: advance DURATION")?;
        let by: SignedDuration = by.trim().parse().context("the duration cannot be read")?;
        let before = self.offset_us.load(Ordering::SeqCst);
        let offset_us = before.checked_add(to_us(by)?).context("that is beyond what the clock can count")?;
        let now = self
            .base
            .now()
            .checked_add(SignedDuration::from_micros(offset_us))
            .context("there are no instants as far away as that")?;
        // One thread alone moves the clock.
        self.offset_us.store(offset_us, Ordering::SeqCst);
        Ok(now)
    }
}

fn to_us(offset: SignedDuration) -> anyhow::Result<i64> {
    i64::try_from(offset.as_micros()).context("that is beyond what the clock can count")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::SystemClock;

    #[test]
    fn it_obeys_durations_both_ways_and_nothing_else() {
        let clock = MovableClock { base: Arc::new(SystemClock), offset_us: AtomicI64::new(0) };
        let ahead = |clock: &MovableClock| clock.now().duration_since(SystemClock.now());
        clock.obey("advance 2h").expect("it is a duration");
        clock.obey("advance 1h 30m\n").expect("it is a duration");
        assert!((SignedDuration::from_mins(209)..=SignedDuration::from_mins(210)).contains(&ahead(&clock)));
        clock.obey("advance -90s").expect("it is a duration");
        let stands = ahead(&clock);
        assert!((SignedDuration::from_mins(208)..SignedDuration::from_mins(209)).contains(&stands), "{stands}");
        for wrong in ["", "advance", "advance soon", "rewind 2h", "advance 999999999h", "advance -999999999h"] {
            clock.obey(wrong).expect_err(wrong);
        }
        assert!((SignedDuration::from_mins(208)..SignedDuration::from_mins(209)).contains(&ahead(&clock)), "unmoved");
    }
}
