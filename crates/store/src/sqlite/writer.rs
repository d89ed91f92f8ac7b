//! The one thread that writes. It takes whatever is queued, runs it in one transaction, synchronises once, and only then
//! tells everybody: group commit makes full durability nearly free. A job that fails takes nobody with it: the batch is
//! rolled back and its jobs run again one by one.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use oncue_domain::delivery::Claim;
use oncue_domain::id::UserId;
use oncue_domain::store::{Change, Error, Result};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::count::Counts;
use super::{Shared, failed, lock};

/// More jobs than this in one transaction add latency, not throughput.
const BATCH_MAX: usize = 1024;

/// More jobs than this in the queue are refused: whoever waits so long has gone away.
const QUEUE_MAX: usize = 100_000;

/// How many deliveries wait in memory at most; what is beyond is fetched from the table when there is room.
pub(super) const FRESH_MAX: usize = 4096;

/// What a job wants to happen once its changes are durable.
#[derive(Default)]
pub(super) struct Effects {
    /// A trigger may wait for something earlier than before.
    pub(super) armed: bool,
    /// A delivery may be owed.
    pub(super) owed: bool,
    /// Whose events were logged.
    pub(super) logged: BTreeSet<UserId>,
    /// Whose deliveries ended, or are due for the next attempt at another time.
    pub(super) settled: BTreeSet<UserId>,
    /// Whose triggers were made, changed or deleted, or wait for something else.
    pub(super) edited: BTreeSet<UserId>,
    /// Whose destinations were made, changed or deleted.
    pub(super) destinations: BTreeSet<UserId>,
    /// Everybody's triggers were frozen, or are no more.
    pub(super) frozen: bool,
    /// What is to be counted.
    pub(super) counts: Counts,
    /// Deliveries that were written as claimed for this process.
    pub(super) claims: Vec<Claim>,
    /// How many more claims the batch may take.
    pub(super) claims_left: usize,
}

trait Job: Send {
    /// Runs the work, keeping its outcome. False when it failed and the transaction cannot go on.
    fn run(&mut self, connection: &Connection, effects: &mut Effects) -> bool;
    /// Tells whoever waits.
    fn tell(self: Box<Self>, commit: Result<()>);
}

struct Work<T, F> {
    work: F,
    outcome: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T, F> Job for Work<T, F>
where
    T: Send,
    F: FnMut(&Connection, &mut Effects) -> Result<T> + Send,
{
    fn run(&mut self, connection: &Connection, effects: &mut Effects) -> bool {
        let outcome = (self.work)(connection, effects);
        let went_well = outcome.is_ok();
        self.outcome = Some(outcome);
        went_well
    }

    fn tell(self: Box<Self>, commit: Result<()>) {
        let outcome = match (commit, self.outcome) {
            (Ok(()), Some(outcome)) => outcome,
            (Err(error), _) => Err(error),
            (Ok(()), None) => Err(Error::Broken("a job was never run".to_owned())),
        };
        // Whoever waited may have gone; the change stands all the same.
        let _ = self.reply.send(outcome);
    }
}

/// The way to the writing thread.
pub(super) struct Writer {
    queue: Mutex<Option<Sender<Box<dyn Job>>>>,
    queued: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread; it ends when the `Writer` is dropped and the queue is empty.
    pub(super) fn start(connection: Connection, shared: Arc<Shared>) -> Writer {
        let (queue, jobs) = channel();
        let queued = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&queued);
        let thread = std::thread::Builder::new()
            .name("oncue-writer".to_owned())
            .spawn(move || write(&connection, &jobs, &counter, &shared))
            .expect("the system can start one thread");
        Writer { queue: Mutex::new(Some(queue)), queued, thread: Some(thread) }
    }

    /// Queues a job and waits until its changes are durable, or until it is certain that there are none. The job may run
    /// twice, the first run having been rolled back.
    pub(super) async fn submit<T: Send + 'static>(
        &self,
        work: impl FnMut(&Connection, &mut Effects) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        if self.queued.fetch_add(1, Ordering::Relaxed) >= QUEUE_MAX {
            self.queued.fetch_sub(1, Ordering::Relaxed);
            return Err(Error::Unavailable("too many writes are waiting".to_owned()));
        }
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Work { work, outcome: None, reply });
        let sent = lock(&self.queue).as_ref().is_some_and(|queue| queue.send(job).is_ok());
        if !sent {
            return Err(Error::Unavailable("the database is closed".to_owned()));
        }
        answer.await.unwrap_or_else(|_| Err(Error::Unavailable("the database is closed".to_owned())))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        lock(&self.queue).take();
        if let Some(thread) = self.thread.take() {
            // A writer that panicked has told nobody that anything is durable; there is nothing to save here.
            let _ = thread.join();
        }
    }
}

fn write(connection: &Connection, jobs: &Receiver<Box<dyn Job>>, queued: &AtomicUsize, shared: &Shared) {
    while let Ok(first) = jobs.recv() {
        let mut batch = vec![first];
        if let Some(others) = run_together(connection, &mut batch, jobs, shared) {
            for mut job in others {
                queued.fetch_sub(1, Ordering::Relaxed);
                let commit = run_alone(connection, job.as_mut(), shared);
                job.tell(commit);
            }
            continue;
        }
        metrics::histogram!("oncue_writer_batch_jobs").record(u32::try_from(batch.len()).unwrap_or(u32::MAX));
        queued.fetch_sub(batch.len(), Ordering::Relaxed);
        for job in batch {
            job.tell(Ok(()));
        }
    }
}

/// Runs `batch` and whatever else is queued in one transaction. Gives the jobs back when they must run one by one.
fn run_together(
    connection: &Connection,
    batch: &mut Vec<Box<dyn Job>>,
    jobs: &Receiver<Box<dyn Job>>,
    shared: &Shared,
) -> Option<Vec<Box<dyn Job>>> {
    let mut effects = Effects { claims_left: FRESH_MAX.saturating_sub(shared.fresh().len()), ..Effects::default() };
    if connection.execute_batch("BEGIN IMMEDIATE").is_err() {
        return Some(std::mem::take(batch));
    }
    let mut next = 0;
    loop {
        while next < batch.len() {
            if !batch[next].run(connection, &mut effects) {
                roll_back(connection, shared);
                return Some(std::mem::take(batch));
            }
            next += 1;
        }
        if batch.len() >= BATCH_MAX {
            break;
        }
        match jobs.try_recv() {
            Ok(job) => batch.push(job),
            Err(_) => break,
        }
    }
    if commit(connection, &effects).is_err() {
        roll_back(connection, shared);
        return Some(std::mem::take(batch));
    }
    announce(effects, shared);
    None
}

fn run_alone(connection: &Connection, job: &mut dyn Job, shared: &Shared) -> Result<()> {
    let mut effects = Effects { claims_left: FRESH_MAX.saturating_sub(shared.fresh().len()), ..Effects::default() };
    connection.execute_batch("BEGIN IMMEDIATE").map_err(failed)?;
    if !job.run(connection, &mut effects) {
        roll_back(connection, shared);
        return Ok(());
    }
    if let Err(error) = commit(connection, &effects) {
        roll_back(connection, shared);
        return Err(error);
    }
    announce(effects, shared);
    Ok(())
}

fn commit(connection: &Connection, effects: &Effects) -> Result<()> {
    effects.counts.write(connection)?;
    connection.execute_batch("COMMIT").map_err(failed)
}

fn roll_back(connection: &Connection, shared: &Shared) {
    // A revision that was parsed and then rolled back may come again with another content.
    lock(&shared.parsed).clear();
    // SQLite rolls back by itself after some errors; then there is nothing left to do.
    if !connection.is_autocommit()
        && let Err(error) = connection.execute_batch("ROLLBACK")
    {
        tracing::error!(%error, "a transaction could not be rolled back");
    }
}

fn announce(effects: Effects, shared: &Shared) {
    let owed = effects.owed || !effects.claims.is_empty();
    if !effects.claims.is_empty() {
        shared.fresh().extend(effects.claims);
    }
    let mut changes: Vec<Change> = effects.armed.then_some(Change::Armed).into_iter().collect();
    changes.extend(owed.then_some(Change::Owed));
    changes.extend(effects.logged.into_iter().map(Change::Logged));
    changes.extend(effects.settled.into_iter().map(Change::Settled));
    changes.extend(effects.edited.into_iter().map(Change::Edited));
    changes.extend(effects.destinations.into_iter().map(Change::Destination));
    changes.extend(effects.frozen.then_some(Change::Frozen));
    if changes.is_empty() {
        return;
    }
    for listener in lock(&shared.listeners).iter() {
        changes.iter().for_each(|change| listener(*change));
    }
}
