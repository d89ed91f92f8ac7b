//! Calls at a fixed rate, however long the answers take. A caller that waits for its answer before it calls again asks least
//! when the server is slowest, and a stall of a second is then one slow answer among thousands. Here every call has an instant
//! at which it is due, made from nothing but the rate, and its time counts from there: a call that had to wait for a
//! connection, because those before it were slow, has waited for the server. What is called, and what it costs, others know.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::load::Client;

/// How long after the last call was due the rest may still be sent.
const PATIENCE: Duration = Duration::from_secs(10);

/// So many calls at most: each leaves two samples in memory.
const CALLS_MAX: u64 = 10_000_000;

/// When calls are due.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// How many in a second.
    pub(super) per_second: u32,
    /// For how long.
    pub(super) lasts: Duration,
}

impl Pace {
    /// How many calls there are in all.
    fn calls(self) -> u64 {
        u64::try_from(self.lasts.as_nanos() * u128::from(self.per_second) / 1_000_000_000).unwrap_or(u64::MAX)
    }

    /// When the call of this number is due, from the beginning on.
    fn due(self, number: u64) -> Duration {
        let nanos = u128::from(number) * 1_000_000_000 / u128::from(self.per_second);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// How many calls are due so long after the beginning.
    fn due_after(self, elapsed: Duration) -> u64 {
        let due = elapsed.as_nanos() * u128::from(self.per_second) / 1_000_000_000 + 1;
        u64::try_from(due).unwrap_or(u64::MAX).min(self.calls())
    }
}

/// What became of the calls.
#[derive(Default)]
pub(super) struct Paced {
    /// How long each answer took from the instant at which its call was due, in milliseconds; calls that were never sent are
    /// among them, with the time until they were given up.
    pub(super) since_due_ms: Vec<f64>,
    /// The same from the instant at which the call was sent: what whoever waits for an answer before calling again would see.
    pub(super) since_sent_ms: Vec<f64>,
    /// How many answers were not 2xx.
    pub(super) refused: usize,
    /// How many calls were given up before they were sent.
    pub(super) unsent: usize,
    /// From the first call's instant to the last answer.
    pub(super) lasted: Duration,
}

/// Makes the calls of a pace, each on whichever of these connections is free first; all connections repeat their request.
pub(super) async fn call(clients: Vec<(Client, String)>, pace: Pace) -> anyhow::Result<Paced> {
    let calls = pace.calls();
    ensure!(
        calls <= CALLS_MAX,
        "{calls} calls are more than the {CALLS_MAX} that can be noted; make it shorter or slower"
    );
    let (turns, next) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicU64::new(0)));
    let started = Instant::now();
    let given = Arc::clone(&turns);
    // A thread of its own: the runtime's timer counts in milliseconds, which would be most of what is measured.
    let pacer = thread::Builder::new().name("bench-pace".to_owned()).spawn(move || give_turns(&given, started, pace));
    pacer.context("The thread that keeps the pace cannot be started")?;
    let gives_up_at = started + pace.lasts + PATIENCE;
    let mut callers = JoinSet::new();
    for (mut client, request) in clients {
        let (turns, next) = (Arc::clone(&turns), Arc::clone(&next));
        callers.spawn(async move {
            let mut paced = Paced::default();
            while let Ok(turn) = turns.acquire().await {
                turn.forget();
                if Instant::now() > gives_up_at {
                    turns.close();
                    break;
                }
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number + 1 == calls {
                    // There are no more turns; whoever waits for one has nothing to wait for.
                    turns.close();
                }
                let sent_at = Instant::now();
                let is_accepted = client.repeat(request.as_bytes()).await?;
                let answered_at = Instant::now();
                paced.since_sent_ms.push(in_ms(answered_at.duration_since(sent_at)));
                paced.since_due_ms.push(in_ms(answered_at.duration_since(started + pace.due(number))));
                paced.refused += usize::from(!is_accepted);
            }
            anyhow::Ok(paced)
        });
    }
    let mut all = Paced::default();
    while let Some(paced) = callers.join_next().await {
        let paced = paced??;
        all.since_due_ms.extend(paced.since_due_ms);
        all.since_sent_ms.extend(paced.since_sent_ms);
        all.refused += paced.refused;
    }
    all.lasted = started.elapsed();
    for number in next.load(Ordering::Relaxed)..calls {
        all.since_due_ms.push(in_ms(gives_up_at.saturating_duration_since(started + pace.due(number))));
        all.unsent += 1;
    }
    Ok(all)
}

fn in_ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// Lets calls go as they are due; those whose instant has passed meanwhile go at once.
fn give_turns(turns: &Semaphore, started: Instant, pace: Pace) {
    let mut given = 0;
    while given < pace.calls() {
        let due = pace.due_after(started.elapsed());
        turns.add_permits(usize::try_from(due - given).unwrap_or(Semaphore::MAX_PERMITS));
        given = due;
        thread::sleep(pace.due(given).saturating_sub(started.elapsed()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_is_due_at_an_instant_of_its_own() {
        let pace = Pace { per_second: 4, lasts: Duration::from_secs(2) };
        assert_eq!(pace.calls(), 8);
        assert_eq!([0, 1, 7].map(|number| pace.due(number).as_millis()), [0, 250, 1750]);
        assert_eq!(
            [0, 249, 250, 1749, 1750, 9000].map(|ms| pace.due_after(Duration::from_millis(ms))),
            [1, 1, 2, 7, 8, 8]
        );
    }

    #[test]
    fn no_call_goes_before_its_instant_where_the_rate_does_not_divide_a_second() {
        let pace = Pace { per_second: 7, lasts: Duration::from_secs(3) };
        for nanos in (0..3_000_000_000).step_by(1_234_567) {
            let elapsed = Duration::from_nanos(nanos);
            let last = pace.due_after(elapsed) - 1;
            assert!(pace.due(last) <= elapsed, "the call {last} at {elapsed:?}");
        }
    }
}
