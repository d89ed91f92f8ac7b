//! This process among the others: its row, which says that it is there, and what follows from the rows of all. A node that is
//! silent for three seconds by the database's clock is given up: its row goes, and with it what it held. Should it wake
//! up, it finds its number gone and begins again under a new one; nothing that it still tries to write counts.

mod list;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use deadpool_postgres::Client;
use jiff::{SignedDuration, Timestamp};
use oncue_domain::id::TriggerId;
use oncue_domain::node::{GONE_AFTER, Identity, Work};
use oncue_domain::plan::{Absence, absence};
use oncue_domain::store::{ABSENCES_KEPT, Error, Result};

use super::clock::NOW;
use super::{Shared, answered, column, copy, delivery, execute, lock, query, query_first};
use crate::codec::instant;
pub(super) use list::list;

/// How often a node renews its row.
pub(super) const BEAT: Duration = Duration::from_millis(500);

/// A longer time between two beats is a break: the database was away, or this node was.
const BREAK: Duration = Duration::from_millis(1500);

/// What is armed here for later than this, any node finds in time.
const ARMED_SOON: SignedDuration = SignedDuration::from_secs(2);

/// How many that were armed here are remembered.
const ARMED_MAX: usize = 1000;

/// How many writers of this node count side by side, and how many nodes have slots of their own.
const SLOTS_PER_NODE: i64 = 4;
const NODES_WITH_SLOTS: i64 = 8;

/// Between one sweep for what nobody holds any more and the next there are so many beats.
const BEATS_A_SWEEP: u32 = 10;

/// Nodes begin and judge absences one at a time.
pub(super) const LOCK: i64 = 0x6f6e_6375_6502;

/// There has been no sign of life.
const NEVER: i64 = i64::MIN;

/// This process among the others.
pub(super) struct Node {
    identity: Identity,
    id: AtomicI64,
    alive_at: AtomicI64,
    /// Whether the scheduler has begun; until then signs of life stay here.
    has_begun: AtomicBool,
    /// This node's place among the live ones, and how many those are.
    share: Mutex<(i64, i64)>,
    /// What was armed here and is due soon.
    armed: Mutex<HashMap<TriggerId, Timestamp>>,
    /// What it does; told to the others with the next beat.
    work: Mutex<Option<Work>>,
    pulse: Mutex<Pulse>,
}

/// How long this node has been heard without a break. While the database was away nobody was heard: whoever comes back first
/// must not give up all the others.
struct Pulse {
    steady_since: Instant,
    last_beat: Instant,
}

impl Pulse {
    fn start() -> Mutex<Pulse> {
        let now = Instant::now();
        Mutex::new(Pulse { steady_since: now, last_beat: now })
    }

    /// A beat was heard; says whether this node may judge others by their silence.
    fn beat(&mut self, now: Instant) -> bool {
        if now.duration_since(self.last_beat) > BREAK {
            self.steady_since = now;
        }
        self.last_beat = now;
        now.duration_since(self.steady_since) >= Duration::from_secs(GONE_AFTER.as_secs().unsigned_abs())
    }
}

impl Node {
    fn of(identity: Identity, id: i64) -> Node {
        Node {
            identity,
            id: AtomicI64::new(id),
            alive_at: AtomicI64::new(NEVER),
            has_begun: AtomicBool::new(false),
            share: Mutex::new((0, 1)),
            armed: Mutex::default(),
            work: Mutex::default(),
            pulse: Pulse::start(),
        }
    }

    /// Takes a number. A former process of the same name at the same address is certain to be gone: its place is taken.
    ///
    /// # Errors
    /// In words, where a copy into the database is not done: whatever it came from may still be served.
    pub(super) async fn register(client: &mut Client, identity: Identity) -> Result<std::result::Result<Node, String>> {
        let transaction = answered(client.transaction()).await?;
        query(&transaction, "SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
        if copy::is_under_way(&transaction).await? {
            return Ok(Err(copy::UNDER_WAY.to_owned()));
        }
        let former = "DELETE FROM nodes WHERE name = $1 AND address = $2 RETURNING alive_at";
        let former = query(&transaction, former, &[&identity.name, &identity.address]).await?;
        for row in &former {
            keep_sign(&transaction, column(row, 0)?).await?;
        }
        let id = insert(&transaction, &identity, None).await?;
        answered(transaction.commit()).await?;
        delivery::release_orphans(client).await?;
        Ok(Ok(Node::of(identity, id)))
    }

    /// For a visit, which takes part in nothing.
    pub(super) fn visitor() -> Node {
        Node::of(Identity::default(), 0)
    }

    /// The number of this incarnation; 0 for a visitor.
    pub(super) fn id(&self) -> i64 {
        self.id.load(Ordering::Relaxed)
    }

    /// Under which slot of the counts a writer of this node counts; the first slot is nobody's.
    pub(super) fn slot(&self, writer: i64) -> i64 {
        1 + self.id().rem_euclid(NODES_WITH_SLOTS) * SLOTS_PER_NODE + writer
    }

    pub(super) fn share(&self) -> (i64, i64) {
        *lock(&self.share)
    }

    pub(super) fn note_alive(&self, now: Timestamp) {
        self.alive_at.store(now.as_microsecond(), Ordering::Relaxed);
    }

    pub(super) fn note_work(&self, work: Work) {
        *lock(&self.work) = Some(work);
    }

    fn work(&self) -> Option<Work> {
        *lock(&self.work)
    }

    /// Its work as its column holds it; none leaves the column as it is.
    fn facts(&self) -> Option<String> {
        serde_json::to_string(&self.work()?).ok()
    }

    fn alive_at(&self) -> Option<i64> {
        Some(self.alive_at.load(Ordering::Relaxed)).filter(|at| *at != NEVER)
    }

    /// The trigger waits since just now for this occurrence.
    pub(super) fn note_armed(&self, id: TriggerId, next_at: Timestamp) {
        let mut armed = lock(&self.armed);
        if armed.len() < ARMED_MAX {
            armed.insert(id, next_at);
        }
    }

    pub(super) fn just_armed(&self) -> Vec<i64> {
        lock(&self.armed).keys().map(|id| id.0).collect()
    }

    /// Forgets what was armed here once its time has come, or when it is so far away that every node hears of it.
    pub(super) fn forget_armed(&self, now: Timestamp) {
        lock(&self.armed).retain(|_, next_at| *next_at > now && next_at.duration_since(now) < ARMED_SOON);
    }
}

async fn insert(
    client: &impl deadpool_postgres::GenericClient,
    identity: &Identity,
    alive_at: Option<i64>,
) -> Result<i64> {
    let sql = format!(
        "INSERT INTO nodes (name, version, address, started_at, seen_at, alive_at)
         VALUES ($1, $2, $3, {NOW}, {NOW}, $4)
         RETURNING id"
    );
    let row = query_first(client, &sql, &[&identity.name, &identity.version, &identity.address, &alive_at]).await?;
    row.map(|row| column(&row, 0)).transpose()?.ok_or_else(|| Error::Broken("a node got no number".to_owned()))
}

/// The last sign of life of a node that is gone is kept.
async fn keep_sign(client: &impl deadpool_postgres::GenericClient, alive_at: Option<i64>) -> Result<()> {
    let sql = "UPDATE last_sign SET alive_at = greatest(alive_at, $1)";
    execute(client, sql, &[&alive_at.unwrap_or(NEVER)]).await.map(drop)
}

/// Shows that this node is there, for as long as the store lives.
pub(super) async fn beat(shared: Arc<Shared>) {
    for beats in 1_u32.. {
        tokio::time::sleep(BEAT).await;
        if let Err(error) = beat_once(&shared, beats % BEATS_A_SWEEP == 0).await {
            tracing::warn!(%error, "this node could not say that it is there");
        }
    }
}

fn gone_after_us() -> i64 {
    i64::try_from(GONE_AFTER.as_micros()).unwrap_or(i64::MAX)
}

async fn beat_once(shared: &Shared, sweeps: bool) -> Result<()> {
    let mut client = shared.upkeep.client().await?;
    let node = &shared.node;
    let sql = format!(
        "WITH me AS (
             UPDATE nodes SET seen_at = {NOW}, alive_at = coalesce($2, alive_at), facts = coalesce($4, facts)
             WHERE id = $1
             RETURNING id
         )
         SELECT (SELECT count(*) FROM me), {NOW},
                ARRAY(SELECT id FROM nodes WHERE seen_at > {NOW} - $3 OR id = $1 ORDER BY id),
                EXISTS (SELECT 1 FROM nodes WHERE seen_at <= {NOW} - $3 AND id <> $1)"
    );
    let gone_after_us = gone_after_us();
    let asked = Instant::now();
    let alive_at = node.alive_at().filter(|_| node.has_begun.load(Ordering::Relaxed));
    let row = query_first(&client, &sql, &[&node.id(), &alive_at, &gone_after_us, &node.facts()]).await?;
    let answered = Instant::now();
    let Some(row) = row else { return Ok(()) };
    shared.clock.sample(column(&row, 1)?, asked, answered)?;
    if column::<i64>(&row, 0)? == 0 {
        begin_again(&client, shared).await?;
    }
    let may_judge = lock(&node.pulse).beat(answered);
    let (live, is_any_gone): (Vec<i64>, bool) = (column(&row, 2)?, may_judge && column(&row, 3)?);
    let place = live.iter().position(|id| *id == node.id()).unwrap_or(0);
    *lock(&node.share) = (super::limit_of(place), super::limit_of(live.len().max(1)));
    let mut released = release_doubtful(&client, shared).await?;
    if is_any_gone {
        give_up_silent(&mut client, gone_after_us).await?;
    }
    if is_any_gone || sweeps {
        released += delivery::release_orphans(&client).await?;
    }
    if released > 0 {
        tracing::info!(released, "deliveries that nobody held any more are owed again");
        shared.hints.wake_courier_here();
    }
    Ok(())
}

/// What may or may not have been committed when the database went away is held by this node and known to nobody: it is owed.
async fn release_doubtful(client: &Client, shared: &Shared) -> Result<u64> {
    let doubtful = std::mem::take(&mut *lock(&shared.doubtful));
    if doubtful.is_empty() {
        return Ok(0);
    }
    let released = delivery::release_until(client, shared.node.id(), &doubtful).await;
    if released.is_err() {
        lock(&shared.doubtful).extend(doubtful);
    }
    released
}

/// This node was given up for gone while it was not: what it held is others' by now.
async fn begin_again(client: &Client, shared: &Shared) -> Result<()> {
    if copy::is_under_way(client).await? {
        return Err(Error::Unavailable(copy::UNDER_WAY.to_owned()));
    }
    let id = insert(client, &shared.node.identity, shared.node.alive_at()).await?;
    tracing::warn!(
        former = shared.node.id(),
        node = id,
        "this node had been silent for too long and was given up; it begins again"
    );
    shared.node.id.store(id, Ordering::Relaxed);
    shared.fresh().clear();
    Ok(())
}

/// Removes the rows of nodes that are silent for too long. Whether they are is asked again under the lock of the row.
async fn give_up_silent(client: &mut Client, gone_after_us: i64) -> Result<()> {
    let transaction = answered(client.transaction()).await?;
    query(&transaction, "SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    let sql = format!("DELETE FROM nodes WHERE seen_at <= {NOW} - $1 RETURNING alive_at, id, name, address");
    for row in query(&transaction, &sql, &[&gone_after_us]).await? {
        keep_sign(&transaction, column(&row, 0)?).await?;
        let (id, name, address): (i64, String, String) = (column(&row, 1)?, column(&row, 2)?, column(&row, 3)?);
        tracing::warn!(node = id, name, address, "a node is silent for too long and was given up");
    }
    answered(transaction.commit()).await
}

/// This node ends: what it holds is owed at once.
pub(super) async fn leave(shared: &Shared) -> Result<()> {
    let mut client = shared.client().await?;
    let transaction = answered(client.transaction()).await?;
    query(&transaction, "SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    execute(&transaction, "DELETE FROM nodes WHERE id = $1", &[&shared.node.id()]).await?;
    keep_sign(&transaction, shared.node.alive_at()).await?;
    answered(transaction.commit()).await?;
    delivery::release_orphans(&client).await?;
    Ok(())
}

/// Records the absence that ends now, if nobody was there, and gives every one that may still matter.
///
/// Where other nodes have rows, somebody may be there: only a silence of all of them that is longer than [`GONE_AFTER`] is an
/// absence. Where there are none, nobody is, and it began with the last sign of life.
pub(super) async fn begin_presence(client: &mut Client, shared: &Shared, now: Timestamp) -> Result<Vec<Absence>> {
    let transaction = answered(client.transaction()).await?;
    query(&transaction, "SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    let forgotten = now.checked_sub(ABSENCES_KEPT).unwrap_or(Timestamp::MIN).as_microsecond();
    execute(&transaction, "DELETE FROM absences WHERE to_at <= $1", &[&forgotten]).await?;
    let sql = "SELECT (SELECT max(alive_at) FROM nodes WHERE id <> $1), (SELECT max(alive_at) FROM last_sign),
                      (SELECT next_at FROM cursors ORDER BY next_at LIMIT 1)";
    let row = query_first(&transaction, sql, &[&shared.node.id()]).await?;
    let row = row.ok_or_else(|| Error::Broken("a row that is always there is not".to_owned()))?;
    let others: Option<i64> = column(&row, 0)?;
    let gone: Option<i64> = column::<Option<i64>>(&row, 1)?.filter(|at| *at != NEVER);
    let last = [others, gone, shared.node.alive_at()].into_iter().flatten().max().map(instant).transpose()?;
    let earliest = column::<Option<i64>>(&row, 2)?.map(instant).transpose()?;
    let somebody_is_there = others.is_some() && last.is_some_and(|last| now.duration_since(last) < GONE_AFTER);
    if let Some(absence) = absence(last, earliest, now).filter(|_| !somebody_is_there) {
        let sql = "INSERT INTO absences (from_at, to_at) VALUES ($1, $2)
                   ON CONFLICT (from_at) DO UPDATE SET to_at = excluded.to_at";
        execute(&transaction, sql, &[&absence.from.as_microsecond(), &absence.to.as_microsecond()]).await?;
    }
    shared.node.note_alive(now);
    shared.node.has_begun.store(true, Ordering::Relaxed);
    let alive = "UPDATE nodes SET alive_at = $2 WHERE id = $1";
    execute(&transaction, alive, &[&shared.node.id(), &now.as_microsecond()]).await?;
    let rows = query(&transaction, "SELECT from_at, to_at FROM absences ORDER BY from_at", &[]).await?;
    answered(transaction.commit()).await?;
    rows.iter().map(|row| Ok(Absence { from: instant(column(row, 0)?)?, to: instant(column(row, 1)?)? })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_was_away_does_not_judge_others_at_once() {
        let start = Instant::now();
        let mut pulse = Pulse { steady_since: start, last_beat: start };
        let at = |ms| start + Duration::from_millis(ms);
        assert!(!pulse.beat(at(500)));
        assert!((1..=5).all(|beat| !pulse.beat(at(500 + beat * 400))));
        assert!(pulse.beat(at(3000)), "three seconds without a break");
        assert!(!pulse.beat(at(60_000)), "the database was away");
        assert!((1..=5).all(|beat| !pulse.beat(at(60_000 + beat * 500))));
        assert!(pulse.beat(at(63_000)));
    }
}
