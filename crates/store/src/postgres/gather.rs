//! Calls are gathered: whoever fires while a statement is under way shares the next one with everybody else who does. One
//! statement locks the triggers against edits, compares their revisions, and logs; a trigger that was edited meanwhile is
//! read again and decided about again. It waits for nobody: calls of triggers that somebody else is at go to a second queue,
//! where those of one owner wait together (`aside`), and those of all others go on.

mod aside;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use oncue_domain::delivery::CLAIM_FOR;
use oncue_domain::event::Event;
use oncue_domain::id::{EventId, TriggerId, UserId};
use oncue_domain::store::{Call, Error, Fired, FiredAgain, Repeat, Result};
use oncue_domain::trigger::Trigger;
use tokio::sync::{mpsc, oneshot};
use tokio_postgres::types::ToSql;

use super::hint::Changes;
use super::log::{AFTER_ASKED, Asked, LOGGED, Logged, NewEvent, announce, floor, logging, room};
use super::{Shared, count, node, partition, query, trigger};

/// More calls than this in one statement add latency, not throughput.
const BATCH_MAX: usize = 1024;

/// More than this of their payloads, in bytes, would take a statement long to send; one call alone may have more.
const BATCH_BYTES_MAX: usize = 16 * 1024 * 1024;

/// And no more than this of payloads waits.
const QUEUE_BYTES_MAX: usize = 256 * 1024 * 1024;

/// More calls than this in the queue are refused: whoever waits so long has gone away.
const QUEUE_MAX: usize = 100_000;

/// How often triggers that were edited meanwhile are read again.
const ROUNDS_MAX: usize = 5;

/// What becomes of calls whose triggers somebody else is at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Locked {
    /// They are left open.
    Left,
    /// They wait for as long as the server lets anybody wait for a lock.
    Awaited,
}

/// A call that waits.
struct Waiting {
    owner: UserId,
    trigger: TriggerId,
    call: Call,
    /// The event that is fired again; none where none is.
    parent: Option<EventId>,
    now: Timestamp,
    reply: oneshot::Sender<Result<Fired>>,
}

impl Waiting {
    fn bytes(&self) -> usize {
        self.call.payload.as_ref().map_or(0, |payload| payload.as_str().len())
    }
}

/// How much waits.
#[derive(Default)]
struct Queued {
    calls: AtomicUsize,
    bytes: AtomicUsize,
}

impl Queued {
    /// Whether there is room for one more with so many bytes; then it is counted.
    fn enter(&self, bytes: usize) -> bool {
        let calls = self.calls.fetch_add(1, Ordering::Relaxed);
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let fits = calls < QUEUE_MAX && (before == 0 || before.saturating_add(bytes) <= QUEUE_BYTES_MAX);
        if !fits {
            self.leave(1, bytes);
        }
        fits
    }

    fn leave(&self, calls: usize, bytes: usize) {
        self.calls.fetch_sub(calls, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// How many of those that wait, with so many bytes each, go together: at least one.
fn together(bytes: impl Iterator<Item = usize>) -> usize {
    let mut sum = 0_usize;
    let fits = |bytes: &usize| {
        sum = sum.saturating_add(*bytes);
        sum <= BATCH_BYTES_MAX
    };
    bytes.take(BATCH_MAX).take_while(fits).count().max(1)
}

/// The way to the task that fires.
#[derive(Clone)]
pub(super) struct Gatherer {
    queue: mpsc::UnboundedSender<Waiting>,
    queued: Arc<Queued>,
}

impl Gatherer {
    /// The way, and the work at its end, to be spawned.
    pub(super) fn start(shared: Arc<Shared>) -> (Gatherer, impl Future<Output = ()> + Send) {
        let (queue, waiting) = mpsc::unbounded_channel();
        let (put_aside, aside) = mpsc::unbounded_channel();
        let queued = Arc::new(Queued::default());
        let gathering = gather(Arc::clone(&shared), waiting, put_aside, Arc::clone(&queued));
        let waiting_aside = aside::wait(shared, aside, Arc::clone(&queued));
        let work = async move {
            tokio::join!(gathering, waiting_aside);
        };
        (Gatherer { queue, queued }, work)
    }

    /// Comes back once the event is durable, or once it is certain that there is none.
    pub(super) async fn fire(&self, owner: UserId, trigger: TriggerId, call: Call, now: Timestamp) -> Result<Fired> {
        self.submit(owner, trigger, call, None, now).await
    }

    /// The same for what the event `parent` carried.
    pub(super) async fn fire_again(&self, parent: Event, repeat: Repeat, now: Timestamp) -> Result<FiredAgain> {
        let Repeat { checked, message_id, .. } = repeat;
        let call = Call { origin: parent.origin_again(), payload: Some(parent.payload), checked, message_id };
        Ok(match self.submit(parent.owner, parent.trigger, call, Some(parent.id), now).await? {
            Fired::Event(id) => FiredAgain::Event(id),
            Fired::NotFound => FiredAgain::TriggerGone,
            Fired::Refused(refusal) => FiredAgain::Refused(refusal),
            Fired::Unchecked => FiredAgain::Unchecked,
        })
    }

    /// The same as [`Gatherer::fire`] for many. All wait in the queue before the first answer is looked at, so that they go together.
    pub(super) async fn fire_many(
        &self,
        owner: UserId,
        calls: Vec<(TriggerId, Call)>,
        now: Timestamp,
    ) -> Vec<Result<Fired>> {
        let waiting: Vec<_> =
            calls.into_iter().map(|(trigger, call)| self.enter(owner, trigger, call, None, now)).collect();
        let mut outcomes = Vec::with_capacity(waiting.len());
        for answer in waiting {
            outcomes.push(answered(answer).await);
        }
        outcomes
    }

    async fn submit(
        &self,
        owner: UserId,
        trigger: TriggerId,
        call: Call,
        parent: Option<EventId>,
        now: Timestamp,
    ) -> Result<Fired> {
        answered(self.enter(owner, trigger, call, parent, now)).await
    }

    /// A call waits from now on; gives what will bring its answer.
    fn enter(
        &self,
        owner: UserId,
        trigger: TriggerId,
        call: Call,
        parent: Option<EventId>,
        now: Timestamp,
    ) -> Result<Answer> {
        let (reply, answer) = oneshot::channel();
        let waiting = Waiting { owner, trigger, call, parent, now, reply };
        if !self.queued.enter(waiting.bytes()) {
            return Err(Error::Unavailable("too many writes are waiting".to_owned()));
        }
        self.queue.send(waiting).map_err(|_| closed())?;
        Ok(answer)
    }
}

/// Comes once the call is decided about.
type Answer = oneshot::Receiver<Result<Fired>>;

async fn answered(answer: Result<Answer>) -> Result<Fired> {
    answer?.await.unwrap_or_else(|_| Err(closed()))
}

fn closed() -> Error {
    Error::Unavailable("the database is closed".to_owned())
}

async fn gather(
    shared: Arc<Shared>,
    mut waiting: mpsc::UnboundedReceiver<Waiting>,
    put_aside: mpsc::UnboundedSender<Waiting>,
    queued: Arc<Queued>,
) {
    let mut received = Vec::new();
    while !received.is_empty() || waiting.recv_many(&mut received, BATCH_MAX).await > 0 {
        let count = together(received.iter().map(Waiting::bytes));
        let batch: Vec<Waiting> = received.drain(..count).collect();
        metrics::histogram!("oncue_writer_batch_jobs").record(u32::try_from(batch.len()).unwrap_or(u32::MAX));
        for left in fire_and_answer(&shared, batch, Locked::Left, &queued).await {
            // It goes on counting among those that wait.
            if let Err(error) = put_aside.send(left) {
                queued.leave(1, error.0.bytes());
                let _ = error.0.reply.send(Err(closed()));
            }
        }
    }
}

/// Fires these and answers each; gives those that are left open.
async fn fire_and_answer(shared: &Shared, batch: Vec<Waiting>, locked: Locked, queued: &Queued) -> Vec<Waiting> {
    let calls: Vec<&Waiting> = batch.iter().collect();
    let mut outcomes = fire_together(shared, &calls, locked).await;
    // One that the database will not take must not take the others with it.
    for (call, outcome) in calls.iter().zip(&mut outcomes) {
        let is_of_one = |outcome: &Result<Fired>| outcome.as_ref().is_err_and(Error::may_be_about_one);
        if calls.len() > 1 && outcome.as_ref().is_some_and(is_of_one) {
            *outcome = only(fire_together(shared, &[call], locked).await);
        }
    }
    let mut left = Vec::new();
    for (call, outcome) in batch.into_iter().zip(outcomes) {
        match outcome {
            Some(outcome) => {
                queued.leave(1, call.bytes());
                // Whoever waited may have gone; the event stands all the same.
                let _ = call.reply.send(outcome);
            }
            None => left.push(call),
        }
    }
    left
}

fn only(outcomes: Vec<Option<Result<Fired>>>) -> Option<Result<Fired>> {
    outcomes.into_iter().next().unwrap_or_else(|| Some(Err(Error::Broken("a call was never made".to_owned()))))
}

/// What became of each call; nothing of those that are left open. Where a later round fails, what an earlier one has logged stays logged, and is
/// told so.
async fn fire_together(shared: &Shared, calls: &[&Waiting], locked: Locked) -> Vec<Option<Result<Fired>>> {
    let mut outcomes: Vec<Option<Fired>> = vec![None; calls.len()];
    let mut left = vec![false; calls.len()];
    let error = match fire_in_rounds(shared, calls, locked, &mut outcomes, &mut left).await {
        Ok(()) => Error::Unavailable("the trigger is being edited all the time".to_owned()),
        Err(error) => error,
    };
    let told = outcomes.into_iter().zip(left);
    told.map(|(outcome, is_left)| if is_left { None } else { Some(outcome.ok_or_else(|| error.clone())) }).collect()
}

/// Decides about each call, and leaves those open whose triggers were edited in every round, or are `left` because somebody is at them.
async fn fire_in_rounds(
    shared: &Shared,
    calls: &[&Waiting],
    locked: Locked,
    outcomes: &mut [Option<Fired>],
    left: &mut [bool],
) -> Result<()> {
    // What was read before may have changed since; a refusal is given only on what was read now.
    let mut known: HashMap<TriggerId, Arc<Trigger>> =
        trigger::remembered(shared, calls.iter().map(|call| call.trigger));
    let mut read: HashSet<TriggerId> = HashSet::new();
    // As of which revision each was asked for in vain: one that has not changed since is somebody else's for now.
    let mut in_vain: HashMap<TriggerId, i64> = HashMap::new();
    for _ in 0..ROUNDS_MAX {
        let open = || {
            let open = outcomes.iter().zip(&*left).zip(0..);
            open.filter(|((outcome, is_left), _)| outcome.is_none() && !**is_left).map(|(_, at)| at)
        };
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
                Ok(trigger) if locked == Locked::Left && in_vain.get(&trigger.id) == Some(&trigger.revision) => {
                    left[at] = true;
                }
                Ok(trigger) => ready.push((at, trigger)),
                Err(refused) => outcomes[at] = Some(refused),
            }
        }
        if !ready.is_empty() {
            for (at, id) in log_together(shared, calls, &ready, locked).await? {
                outcomes[at] = Some(Fired::Event(id));
            }
        }
        // Those that are still open were edited between the reading and the lock, or are being edited.
        read.clear();
        for (at, trigger) in ready.iter().filter(|(at, _)| outcomes[*at].is_none()) {
            known.remove(&calls[*at].trigger);
            in_vain.insert(trigger.id, trigger.revision);
        }
        if outcomes.iter().zip(&*left).all(|(outcome, is_left)| outcome.is_some() || *is_left) {
            break;
        }
    }
    Ok(())
}

/// Whether the call may be made, as the trigger stands.
fn decide(trigger: &Trigger, call: &Waiting) -> std::result::Result<(), Fired> {
    if trigger.owner != call.owner {
        return Err(Fired::NotFound);
    }
    let may_fire = match (call.parent, call.call.origin) {
        (Some(_), _) => trigger.may_fire_again(call.now),
        (None, origin) => trigger.may_be_called(origin, call.now),
    };
    may_fire.map_err(Fired::Refused)?;
    let Call { checked, message_id, origin, .. } = call.call;
    let suits = match call.parent {
        Some(event) => Repeat { event, checked, message_id }.suits(trigger, origin),
        None => call.call.suits(trigger),
    };
    if suits { Ok(()) } else { Err(Fired::Unchecked) }
}

/// Logs the calls whose triggers still are of the revision that was read.
async fn log_together(
    shared: &Shared,
    calls: &[&Waiting],
    ready: &[(usize, Arc<Trigger>)],
    locked: Locked,
) -> Result<Vec<(usize, EventId)>> {
    // Calls that are committed together fired together: at the latest of their instants.
    let now = ready.iter().map(|(at, _)| calls[*at].now).max().unwrap_or_default();
    partition::prepare(shared, now).await?;
    let (mut asked, mut events, mut room) = (Asked::default(), HashMap::new(), room(shared));
    for (at, trigger) in ready {
        let call = &calls[*at].call;
        let mut new = NewEvent {
            trigger: Arc::clone(trigger),
            origin: call.origin,
            scheduled_at: None,
            due_at: None,
            payload: call.payload.clone(),
            message_id: call.message_id,
            parent: calls[*at].parent,
            held: 0,
        };
        let key = i64::try_from(*at).unwrap_or(i64::MAX);
        asked.push(shared, &mut new, key, &mut room, now);
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
    params.extend(asked.expected.params());
    let sql = format!(
        "WITH {floor},
         standing AS MATERIALIZED (
             SELECT id, revision FROM triggers
             WHERE id = ANY (${AFTER_ASKED}) AND EXISTS (SELECT 1 FROM nodes WHERE nodes.id = $3)
             ORDER BY id FOR SHARE{steps_over}
         ),
         {logging}{expected}
         SELECT {LOGGED} FROM fired",
        expected = asked.expected.clause(AFTER_ASKED + 1),
        floor = floor(),
        steps_over = if locked == Locked::Left { " SKIP LOCKED" } else { "" },
        logging = logging(
            &format!(
                "{} JOIN standing ON standing.id = asked.trigger_id AND standing.revision = asked.revision",
                Asked::table()
            ),
            "TRUE",
        ),
    );
    let client = shared.client().await?;
    let rows = query(&client, &sql, &params).await.inspect_err(|error| shared.doubt(error, until))?;
    if rows.is_empty() {
        // All were edited, or nothing that this node writes counts.
        node::is_there(&client, shared).await?;
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_together_is_bounded_by_number_and_by_bytes_and_is_always_something() {
        const MIB: usize = 1024 * 1024;
        assert_eq!(together(std::iter::repeat_n(0, 5000)), BATCH_MAX);
        assert_eq!(together(std::iter::repeat_n(MIB, 5000)), 16);
        assert_eq!(together([20 * MIB, 1].into_iter()), 1);
        assert_eq!(together([1, 20 * MIB].into_iter()), 1);
    }

    #[test]
    fn what_waits_is_bounded_by_number_and_by_bytes() {
        let queued = Queued::default();
        assert!(queued.enter(QUEUE_BYTES_MAX - 1) && queued.enter(1));
        assert!(!queued.enter(1), "there is no room for another byte");
        queued.leave(1, QUEUE_BYTES_MAX - 1);
        assert!((2..=QUEUE_MAX).all(|_| queued.enter(0)));
        assert!(!queued.enter(0), "there are too many");
        queued.leave(1, 0);
        assert!(queued.enter(0));
    }
}
