//! Runs of which nothing was heard in time are found here, a slice at a time. That is all: what makes one overdue is decided in
//! `domain::run`, and who is told is written down by the store in the same transaction, so it matters to nobody which node looked.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use oncue_domain::clock::Clock;
use oncue_domain::event::Retention;
use oncue_domain::run::State;
use oncue_domain::store::{Lapsed, Result, Store};
use tokio::sync::{Notify, watch};
use tokio::time::sleep;

use crate::BACK_OFF;

/// How many runs become overdue in one transaction.
const SLICE: usize = 200;

/// How often the store is asked at most while events are logged that may expect something.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often a store is asked that expects nothing: for what another node logged before it was gone.
const LOOK_IDLY_EVERY: Duration = Duration::from_secs(15);

/// Looks for runs whose time is over.
pub struct Runs {
    /// Where the runs are.
    pub store: Arc<dyn Store>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// How long events live.
    pub retention: Retention,
}

impl Runs {
    /// Looks once, and gives how long the next look can wait.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn tick(&self) -> Result<Duration> {
        let now = self.clock.now();
        let lapsed = self.store.lapse_runs(self.retention.gone_until(now), now, SLICE).await?;
        metrics::counter!("oncue_runs_total", "outcome" => State::Overdue.word()).increment(lapsed.overdue as u64);
        Ok(pause(lapsed, now))
    }
}

/// A clock may be put forward while somebody sleeps, so nobody sleeps long who waits for a time of day.
fn pause(lapsed: Lapsed, now: Timestamp) -> Duration {
    match lapsed.next_at {
        Some(next_at) if lapsed.overdue < SLICE => {
            Duration::try_from(next_at.duration_since(now)).unwrap_or(Duration::ZERO).min(LOOK_EVERY)
        }
        Some(_) => Duration::ZERO,
        None => LOOK_IDLY_EVERY,
    }
}

/// Looks until it is told to stop: when the next time is over, and soon after something was logged, of which something may be expected. A server whose
/// triggers expect nothing is asked once a second at most while it is busy, and hardly ever while it is not.
pub(crate) async fn look(runs: Runs, logged: Arc<Notify>, mut stopped: watch::Receiver<bool>) {
    announce_counters();
    while !*stopped.borrow() {
        let wait = match runs.tick().await {
            Ok(wait) => wait,
            Err(error) => {
                tracing::error!(%error, "overdue runs cannot be looked for, trying again");
                BACK_OFF
            }
        };
        let news = async {
            // Whatever is logged meanwhile is seen with one look.
            sleep(LOOK_EVERY).await;
            logged.notified().await;
        };
        tokio::select! {
            () = sleep(wait) => {}
            () = news => {}
            _ = stopped.changed() => {}
        }
    }
}

/// The counters exist from the start, so that whoever watches them sees the first one as a step.
fn announce_counters() {
    for outcome in [State::Succeeded, State::Failed, State::Overdue] {
        metrics::counter!("oncue_runs_total", "outcome" => outcome.word()).increment(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_sleeps_longer_than_a_second_who_waits_for_a_run() {
        let now = Timestamp::UNIX_EPOCH;
        let pause = |overdue, next_at: Option<i64>| {
            let next_at = next_at.map(|ms| Timestamp::from_millisecond(ms).expect("in range"));
            pause(Lapsed { overdue, next_at }, now)
        };
        assert_eq!(pause(0, None), LOOK_IDLY_EVERY);
        assert_eq!(pause(0, Some(300)), Duration::from_millis(300));
        assert_eq!(pause(3, Some(90_000)), LOOK_EVERY);
        assert_eq!(pause(0, Some(-5)), Duration::ZERO, "it is over already");
        assert_eq!(pause(SLICE, Some(90_000)), Duration::ZERO, "there may be more");
    }
}
