//! "Now" for a node is the database's clock, so that a node whose own clock is wrong changes nothing. Between two samples it
//! goes on by the machine's monotonic clock, which nobody sets.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use deadpool_postgres::Client;
use jiff::{SignedDuration, Timestamp};
use oncue_domain::clock::Clock;
use oncue_domain::store::{Error, Result};

use super::{column, lock, query_first};
use crate::codec::instant;

/// The database's clock in SQL, in microseconds since 1970.
pub(super) const NOW: &str = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint";

/// The database's clock, as this node sees it.
pub(super) struct DatabaseClock(Mutex<Sample>);

/// What the database's clock showed at a moment of the monotonic one.
#[derive(Clone, Copy)]
struct Sample {
    at: Instant,
    shown: Timestamp,
}

impl DatabaseClock {
    /// Begins with what the database showed between two moments.
    pub(super) fn start(shown_us: i64, asked: Instant, answered: Instant) -> Result<DatabaseClock> {
        Ok(DatabaseClock(Mutex::new(Sample::between(shown_us, asked, answered)?)))
    }

    /// Takes in a further sample: the clock is set only where it is certain to be off, and only by as much as is certain. When
    /// the answer is here, it is at least what was shown, and at most later by what the exchange took; a node that was frozen
    /// in the middle of one knows no more than that, and may not jump.
    pub(super) fn sample(&self, shown_us: i64, asked: Instant, answered: Instant) -> Result<()> {
        let earliest = instant(shown_us)?;
        let took = SignedDuration::try_from(answered.duration_since(asked)).unwrap_or(SignedDuration::MAX);
        let latest = earliest.checked_add(took).unwrap_or(Timestamp::MAX);
        let mut present = lock(&self.0);
        let shown = present.shown_at(answered);
        if shown < earliest || latest < shown {
            *present = Sample { at: answered, shown: shown.clamp(earliest, latest) };
        }
        Ok(())
    }
}

/// Asks the database what time it is.
pub(super) async fn ask(client: &Client) -> Result<DatabaseClock> {
    let asked = Instant::now();
    let row = query_first(client, &format!("SELECT {NOW}"), &[]).await?;
    let answered = Instant::now();
    let shown = row.ok_or_else(|| Error::Broken("the database does not say what time it is".to_owned()))?;
    DatabaseClock::start(column(&shown, 0)?, asked, answered)
}

impl Sample {
    fn between(shown_us: i64, asked: Instant, answered: Instant) -> Result<Sample> {
        Ok(Sample { at: asked + answered.duration_since(asked) / 2, shown: instant(shown_us)? })
    }

    fn shown_at(&self, at: Instant) -> Timestamp {
        let (ahead, behind) = (at.saturating_duration_since(self.at), self.at.saturating_duration_since(at));
        let micros = |duration: Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        let shown = self.shown.as_microsecond().saturating_add(micros(ahead)).saturating_sub(micros(behind));
        Timestamp::from_microsecond(shown).unwrap_or(self.shown)
    }
}

impl Clock for DatabaseClock {
    fn now(&self) -> Timestamp {
        let sample = *lock(&self.0);
        sample.shown_at(Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_US: i64 = 3_600_000_000;

    fn shown(clock: &DatabaseClock, at: Instant) -> i64 {
        lock(&clock.0).shown_at(at).as_microsecond()
    }

    #[test]
    fn it_goes_on_from_the_middle_of_an_exchange() {
        let start = Instant::now();
        let clock = DatabaseClock::start(HOUR_US, start, start + Duration::from_millis(10)).expect("an instant");
        assert_eq!(shown(&clock, start + Duration::from_millis(5)), HOUR_US);
        assert_eq!(shown(&clock, start + Duration::from_millis(1005)), HOUR_US + 1_000_000);
        assert_eq!(shown(&clock, start), HOUR_US - 5000);
    }

    #[test]
    fn a_sample_sets_it_only_where_it_is_certain_to_be_off() {
        let start = Instant::now();
        let later = start + Duration::from_secs(10);
        let clock = DatabaseClock::start(HOUR_US, start, start).expect("an instant");
        clock.sample(HOUR_US + 10_004_000, later, later + Duration::from_millis(10)).expect("an instant");
        assert_eq!(shown(&clock, later), HOUR_US + 10_000_000, "the answer was slow; the clock may well be right");
        clock.sample(HOUR_US + 10_004_000, later, later).expect("an instant");
        assert_eq!(shown(&clock, later), HOUR_US + 10_004_000, "it had drifted");
        clock.sample(HOUR_US / 2, later, later).expect("an instant");
        assert_eq!(shown(&clock, later), HOUR_US / 2, "the database's clock was put back");
    }

    #[test]
    fn a_node_that_was_frozen_while_it_asked_does_not_jump() {
        let start = Instant::now();
        let answered = start + Duration::from_secs(8);
        // A millisecond behind and ahead of the database, which looked at its clock at the very end or beginning.
        for (off_us, looked_after_us) in [(-1000, 8_000_000), (1000, 0)] {
            let clock = DatabaseClock::start(HOUR_US + off_us, start, start).expect("an instant");
            clock.sample(HOUR_US + looked_after_us, start, answered).expect("an instant");
            let right = HOUR_US + 8_000_000;
            assert!((shown(&clock, answered) - right).abs() <= 1000, "off by {}", shown(&clock, answered) - right);
        }
    }
}
