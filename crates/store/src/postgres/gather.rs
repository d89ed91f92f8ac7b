//! Calls are gathered: whoever fires while a statement is under way shares the next one with everybody else who does. One
//! statement locks the triggers against edits, compares their revisions, and logs; a trigger that was edited meanwhile is
//! read again and decided about again.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use oncue_domain::delivery::CLAIM_FOR;
use oncue_domain::event::Origin;
use oncue_domain::id::{TriggerId, UserId};
use oncue_domain::store::{Call, Error, Fired, Result};
use oncue_domain::trigger::Trigger;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_postgres::types::ToSql;

use super::hint::Changes;
use super::log::{Asked, LOGGED, Logged, NewEvent, announce, floor, logging, room};
use super::{Shared, count, partition, query, trigger};

/// More calls than this in one statement add latency, not throughput.
const BATCH_MAX: usize = 1024;

/// More calls than this in the queue are refused: whoever waits so long has gone away.
const QUEUE_MAX: usize = 100_000;

/// How often triggers that were edited meanwhile are read again.
const ROUNDS_MAX: usize = 5;

/// A call that waits.
struct Waiting {
    owner: UserId,
    trigger: TriggerId,
    call: Call,
    now: Timestamp,
    reply: oneshot::Sender<Result<Fired>>,
}

/// The way to the task that fires.
pub(super) struct Gatherer {
    queue: mpsc::UnboundedSender<Waiting>,
    queued: Arc<AtomicUsize>,
}

impl Gatherer {
    pub(super) fn start(shared: Arc<Shared>) -> (Gatherer, JoinHandle<()>) {
        let (queue, waiting) = mpsc::unbounded_channel();
        let queued = Arc::new(AtomicUsize::new(0));
        let task = tokio::spawn(gather(shared, waiting, Arc::clone(&queued)));
        (Gatherer { queue, queued }, task)
    }

    /// Comes back once the event is durable, or once it is certain that there is none.
    pub(super) async fn fire(&self, owner: UserId, trigger: TriggerId, call: Call, now: Timestamp) -> Result<Fired> {
        let closed = || Error::Unavailable("the database is closed".to_owned());
        if self.queued.fetch_add(1, Ordering::Relaxed) >= QUEUE_MAX {
            self.queued.fetch_sub(1, Ordering::Relaxed);
            return Err(Error::Unavailable("too many writes are waiting".to_owned()));
        }
        let (reply, answer) = oneshot::channel();
        self.queue.send(Waiting { owner, trigger, call, now, reply }).map_err(|_| closed())?;
        answer.await.unwrap_or_else(|_| Err(closed()))
    }
}

async fn gather(shared: Arc<Shared>, mut waiting: mpsc::UnboundedReceiver<Waiting>, queued: Arc<AtomicUsize>) {
    let mut batch = Vec::new();
    while waiting.recv_many(&mut batch, BATCH_MAX).await > 0 {
        metrics::histogram!("oncue_writer_batch_jobs").record(u32::try_from(batch.len()).unwrap_or(u32::MAX));
        queued.fetch_sub(batch.len(), Ordering::Relaxed);
        let calls: Vec<&Waiting> = batch.iter().collect();
        let outcomes = match fire_together(&shared, &calls).await {
            Ok(fired) => fired.into_iter().map(Ok).collect(),
            // One that the database will not take must not take the others with it.
            Err(Error::Broken(_)) if batch.len() > 1 => {
                let mut outcomes = Vec::with_capacity(batch.len());
                for call in &batch {
                    outcomes.push(fire_together(&shared, &[call]).await.and_then(only));
                }
                outcomes
            }
            Err(error) => batch.iter().map(|_| Err(error.clone())).collect::<Vec<Result<Fired>>>(),
        };
        for (call, outcome) in batch.drain(..).zip(outcomes) {
            // Whoever waited may have gone; the event stands all the same.
            let _ = call.reply.send(outcome);
        }
    }
}

fn only(fired: Vec<Fired>) -> Result<Fired> {
    fired.into_iter().next().ok_or_else(|| Error::Broken("a call was never made".to_owned()))
}

async fn fire_together(shared: &Shared, calls: &[&Waiting]) -> Result<Vec<Fired>> {
    let mut outcomes: Vec<Option<Fired>> = vec![None; calls.len()];
    // What was read before may have changed since; a refusal is given only on what was read now.
    let mut known: HashMap<TriggerId, Arc<Trigger>> =
        trigger::remembered(shared, calls.iter().map(|call| call.trigger));
    let mut read: HashSet<TriggerId> = HashSet::new();
    for _ in 0..ROUNDS_MAX {
        let open = || outcomes.iter().zip(0..).filter(|(outcome, _)| outcome.is_none()).map(|(_, at)| at);
        let unsure: Vec<TriggerId> = open()
            .map(|at: usize| calls[at])
            .filter(|call| !read.contains(&call.trigger))
            .filter(|call| known.get(&call.trigger).is_none_or(|trigger| decide(trigger, call).is_err()))
            .map(|call| call.trigger)
            .collect();
        if !unsure.is_empty() {
            let found = trigger::read(shared, &unsure).await?;
            read.extend(&unsure);
            unsure.iter().for_each(|id| drop(known.remove(id)));
            known.extend(found.into_iter().map(|trigger| (trigger.id, trigger)));
        }
        let mut ready = Vec::new();
        for at in open().collect::<Vec<usize>>() {
            match known
                .get(&calls[at].trigger)
                .ok_or(Fired::NotFound)
                .and_then(|trigger| decide(trigger, calls[at]).map(|()| Arc::clone(trigger)))
            {
                Ok(trigger) => ready.push((at, trigger)),
                Err(refused) => outcomes[at] = Some(refused),
            }
        }
        if !ready.is_empty() {
            for (at, id) in log_together(shared, calls, &ready).await? {
                outcomes[at] = Some(Fired::Event(id));
            }
        }
        // Those that are still open were edited between the reading and the lock.
        read.clear();
        for (at, _) in ready.iter().filter(|(at, _)| outcomes[*at].is_none()) {
            known.remove(&calls[*at].trigger);
        }
        if outcomes.iter().all(Option::is_some) {
            return Ok(outcomes.into_iter().flatten().collect());
        }
    }
    Err(Error::Unavailable("the trigger is being edited all the time".to_owned()))
}

/// Whether the call may be made, as the trigger stands.
fn decide(trigger: &Trigger, call: &Waiting) -> std::result::Result<(), Fired> {
    if trigger.owner != call.owner {
        return Err(Fired::NotFound);
    }
    match call.call.origin {
        Origin::Api => trigger.may_fire(call.now).map_err(Fired::Refused),
        _ => Ok(()),
    }
}

/// Logs the calls whose triggers still are of the revision that was read.
async fn log_together(
    shared: &Shared,
    calls: &[&Waiting],
    ready: &[(usize, Arc<Trigger>)],
) -> Result<Vec<(usize, oncue_domain::id::EventId)>> {
    // Calls that are committed together fired together: at the latest of their instants.
    let now = ready.iter().map(|(at, _)| calls[*at].now).max().unwrap_or_default();
    partition::prepare(shared, now).await?;
    let (mut asked, mut events, mut room) = (Asked::default(), HashMap::new(), room(shared));
    for (at, trigger) in ready {
        let call = &calls[*at].call;
        let new = NewEvent {
            trigger: Arc::clone(trigger),
            origin: call.origin,
            scheduled_at: None,
            payload: call.payload.clone(),
            message_id: call.message_id,
        };
        let key = i64::try_from(*at).unwrap_or(i64::MAX);
        asked.push(shared, &new, key, &mut room, now);
        events.insert(key, new);
    }
    let mut triggers: Vec<i64> = ready.iter().map(|(_, trigger)| trigger.id.0).collect();
    triggers.sort_unstable();
    triggers.dedup();
    let (now_us, until, node) = (now.as_microsecond(), (now + CLAIM_FOR).as_microsecond(), shared.node.id());
    let (slot, hour) = (shared.node.slot(2), count::number_of(now));
    let mut params: Vec<&(dyn ToSql + Sync)> = vec![&now_us, &until, &node, &slot, &hour];
    params.extend(asked.params());
    params.push(&triggers);
    let sql = format!(
        "WITH {floor},
         standing AS MATERIALIZED (
             SELECT id, revision FROM triggers WHERE id = ANY ($18) ORDER BY id FOR SHARE
         ),
         {logging}
         SELECT {LOGGED} FROM fired",
        floor = floor(),
        logging = logging(
            &format!(
                "{} JOIN standing ON standing.id = asked.trigger_id AND standing.revision = asked.revision",
                Asked::table(6)
            ),
            "TRUE",
            ""
        ),
    );
    let client = shared.client().await?;
    let rows = query(&client, &sql, &params).await.inspect_err(|error| shared.doubt(error, until))?;
    let (mut changes, mut claims, mut logged) = (Changes::default(), Vec::new(), Vec::new());
    for row in &rows {
        let one = Logged::read(row)?;
        let Some(new) = events.remove(&one.key) else { continue };
        logged.extend(usize::try_from(one.key).ok().map(|at| (at, one.id)));
        claims.extend(one.finish(shared, new, now, &mut changes));
    }
    announce(shared, claims, &changes);
    Ok(logged)
}
