//! This process among the others: its row, which says that it is there, and what follows from the rows of all. A node that is
//! silent for three seconds is given up: its row goes, and with it what it held. Should it wake
//! up, it finds its number gone and begins again under a new one; nothing that it still tries to write counts.

mod begin;
mod doubt;
mod list;
mod watch;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use deadpool_postgres::Client;
use jiff::{SignedDuration, Timestamp};
use oncue_domain::act::Act;
use oncue_domain::clock::Clock;
use oncue_domain::id::TriggerId;
use oncue_domain::node::{Identity, NodeView, Work};
use oncue_domain::store::{Error, Result};
use serde::Serialize;

use super::clock::NOW;
use super::hint::Changes;
use super::{
    Shared, act, answered, column, copy, delivery, execute, limit_of, lock, locks, order, overlap, query, query_first,
};
pub(super) use begin::{absences, begin_presence, expire_absences};
pub(super) use doubt::Doubtful;
pub(super) use list::list;
use watch::{Seen, Watch};

/// How often a node renews its row.
pub(super) const BEAT: Duration = Duration::from_millis(500);

/// What is armed here for later than this, any node finds in time.
const ARMED_SOON: SignedDuration = SignedDuration::from_secs(2);

/// How many that were armed here are remembered.
const ARMED_MAX: usize = 1000;

/// How many writers of this node count side by side, and how many nodes have slots of their own.
const SLOTS_PER_NODE: i64 = 4;
const NODES_WITH_SLOTS: i64 = 8;

/// Between one sweep for what nobody holds any more and the next there are so many beats; where a node is given up, the next comes
/// at once.
const BEATS_A_SWEEP: u32 = 10;

/// Nodes that this one gave up: the sum over all nodes is how many were.
const GIVEN_UP: &str = "oncue_nodes_given_up_total";

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
    watch: Mutex<Watch>,
    /// Of which nodes it was said that they differ from this one, and in what.
    differing: Mutex<BTreeSet<(i64, String)>>,
}

/// What a node tells about itself, as its column holds it.
#[derive(Serialize)]
struct Facts<'a> {
    #[serde(flatten)]
    work: Option<Work>,
    settings: &'a BTreeMap<String, String>,
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
            watch: Mutex::default(),
            differing: Mutex::default(),
        }
    }

    /// Takes a number. A former process of the same name at the same address is certain to be gone: its place is taken.
    ///
    /// # Errors
    /// In words, where a copy into the database is not done: whatever it came from may still be served.
    pub(super) async fn register(client: &mut Client, identity: Identity) -> Result<std::result::Result<Node, String>> {
        let transaction = locks::locked(client, locks::NODES).await?;
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

    /// From now on its signs of life are told to the others.
    fn note_begun(&self, now: Timestamp) {
        self.note_alive(now);
        self.has_begun.store(true, Ordering::Relaxed);
    }

    pub(super) fn note_work(&self, work: Work) {
        *lock(&self.work) = Some(work);
    }

    fn work(&self) -> Option<Work> {
        *lock(&self.work)
    }

    /// What its column holds; none leaves the column as it is.
    fn facts(&self) -> Option<String> {
        serde_json::to_string(&Facts { work: self.work(), settings: &self.identity.settings }).ok()
    }

    /// Says once of each of these nodes in what it differs from this one, where all should be alike.
    fn compare(&self, nodes: &[NodeView]) {
        let differing: BTreeSet<(i64, String)> = nodes
            .iter()
            .map(|node| (node.id, self.identity.differences(&node.identity).join(", ")))
            .filter(|(_, what)| !what.is_empty())
            .collect();
        let mut told = lock(&self.differing);
        for (id, what) in differing.difference(&told) {
            let other = nodes.iter().find(|node| node.id == *id).map(|node| node.identity.address.as_str());
            tracing::warn!(
                node = id,
                address = other,
                "another node of this database differs from this one in {what}: give all nodes the same, or what happens depends on \
                 which of them is asked"
            );
        }
        *told = differing;
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

/// Shows that this node is there, for as long as the store lives. Comes back only if the database may not be served any more.
pub(super) async fn beat(shared: Arc<Shared>) {
    metrics::counter!(GIVEN_UP).absolute(0);
    loop {
        tokio::time::sleep(BEAT).await;
        match beat_once(&shared).await {
            Ok(true) => {}
            Ok(false) => {
                tracing::error!("this node was given up, and may not begin again: {}", copy::UNDER_WAY);
                return;
            }
            Err(error) => tracing::warn!(%error, "this node could not say that it is there"),
        }
    }
}

/// Renews this node's row and looks at the others'. False when this node has none any more and may not begin again.
async fn beat_once(shared: &Shared) -> Result<bool> {
    let mut client = shared.upkeep.client().await?;
    let node = &shared.node;
    let sql = format!(
        "WITH me AS (
             UPDATE nodes SET seen_at = {NOW}, alive_at = coalesce($2, alive_at), facts = coalesce($3, facts)
             WHERE id = $1
             RETURNING id
         ),
         others AS MATERIALIZED (SELECT id, seen_at FROM nodes WHERE id <> $1 ORDER BY id)
         SELECT (SELECT count(*) FROM me), {NOW}, ARRAY(SELECT id FROM others), ARRAY(SELECT seen_at FROM others)"
    );
    let asked = Instant::now();
    let alive_at = node.alive_at().filter(|_| node.has_begun.load(Ordering::Relaxed));
    let row = query_first(&client, &sql, &[&node.id(), &alive_at, &node.facts()]).await?;
    let answered = Instant::now();
    let Some(row) = row else { return Ok(true) };
    shared.clock.sample(column(&row, 1)?, asked, answered)?;
    if column::<i64>(&row, 0)? == 0 && !begin_again(&mut client, shared).await? {
        return Ok(false);
    }
    let (others, seen_at): (Vec<i64>, Vec<i64>) = (column(&row, 2)?, column(&row, 3)?);
    let others: Vec<Seen> = others.into_iter().zip(seen_at).collect();
    let silent = lock(&node.watch).look(answered, &others);
    let is_live = |seen: &&Seen| !silent.contains(*seen);
    let place = others.iter().filter(is_live).filter(|(id, _)| *id < node.id()).count();
    let live = 1 + others.iter().filter(is_live).count();
    *lock(&node.share) = (limit_of(place), limit_of(live));
    if !silent.is_empty() {
        give_up(&mut client, &silent, shared.clock.now()).await?;
        shared.something_orphaned.notify_one();
    }
    Ok(true)
}

/// Gives out again what nobody holds any more, and compares the nodes, for as long as the store lives; beside the beats, which wait for
/// nothing.
pub(super) async fn sweep(shared: Arc<Shared>) {
    for beats in 1_u32.. {
        let was_told = tokio::select! {
            () = shared.something_orphaned.notified() => true,
            () = tokio::time::sleep(BEAT) => false,
        };
        match sweep_once(&shared, was_told || beats % BEATS_A_SWEEP == 0).await {
            Ok(0) => {}
            Ok(released) => {
                tracing::info!(released, "deliveries that nobody held any more are owed again");
                shared.hints.wake_courier_here();
            }
            Err(error) => tracing::debug!(%error, "what nobody holds any more could not be given out again"),
        }
    }
}

async fn sweep_once(shared: &Shared, looks_for_orphans: bool) -> Result<u64> {
    let doubtful = lock(&shared.doubtful).ends();
    let mut released = 0;
    if !doubtful.is_empty() {
        let client = shared.client().await?;
        released += delivery::release_until(&client, shared.node.id(), &doubtful).await?;
        lock(&shared.doubtful).let_go(&doubtful, Instant::now());
    }
    // Before the sweep, which no longer knows when what they wait for had ended.
    if overlap::call_up_left(shared).await? {
        shared.hints.announce(&Changes { armed: true, ..Changes::default() });
    }
    if looks_for_orphans {
        let client = shared.client().await?;
        released += delivery::release_orphans(&client).await?;
        shared.node.compare(&list(&client, &shared.node).await?);
        released += order::call_up_all(&client).await?;
        if overlap::call_up_all(&client, shared, shared.clock.now()).await? > 0 {
            shared.hints.announce(&Changes { armed: true, ..Changes::default() });
        }
    }
    Ok(released)
}

/// This node was given up for gone while it was not: what it held is others' by now. False when a copy into the database has
/// begun meanwhile, which takes the same lock.
async fn begin_again(client: &mut Client, shared: &Shared) -> Result<bool> {
    let transaction = locks::locked(client, locks::NODES).await?;
    if copy::is_under_way(&transaction).await? {
        return Ok(false);
    }
    let id = insert(&transaction, &shared.node.identity, shared.node.alive_at()).await?;
    answered(transaction.commit()).await?;
    tracing::warn!(
        former = shared.node.id(),
        node = id,
        "this node had been silent for too long and was given up; it begins again"
    );
    shared.node.id.store(id, Ordering::Relaxed);
    shared.fresh().clear();
    Ok(true)
}

/// Whether this node is there for the others; what it writes counts only while it is.
pub(super) async fn is_there(client: &impl deadpool_postgres::GenericClient, shared: &Shared) -> Result<()> {
    let rows = query(client, "SELECT 1 FROM nodes WHERE id = $1", &[&shared.node.id()]).await?;
    if rows.is_empty() { Err(given_up()) } else { Ok(()) }
}

/// What is said for a node that has no row.
pub(super) fn given_up() -> Error {
    Error::Unavailable("the other nodes have given this one up, and it has not begun again yet".to_owned())
}

/// Removes the rows of nodes that are silent for too long, unless they have said something at the last moment.
async fn give_up(client: &mut Client, silent: &[Seen], now: Timestamp) -> Result<()> {
    let (ids, seen_at): (Vec<i64>, Vec<i64>) = silent.iter().copied().unzip();
    let transaction = locks::locked(client, locks::NODES).await?;
    let sql = "DELETE FROM nodes USING unnest($1::bigint[], $2::bigint[]) AS silent (id, seen_at)
               WHERE nodes.id = silent.id AND nodes.seen_at = silent.seen_at
               RETURNING alive_at, nodes.id, name, address";
    for row in query(&transaction, sql, &[&ids, &seen_at]).await? {
        keep_sign(&transaction, column(&row, 0)?).await?;
        let (id, name, address): (i64, String, String) = (column(&row, 1)?, column(&row, 2)?, column(&row, 3)?);
        tracing::warn!(node = id, name, address, "a node is silent for too long and was given up");
        metrics::counter!(GIVEN_UP).increment(1);
        act::write_own(&transaction, &Act::node_given_up(&name, &address), now).await?;
    }
    answered(transaction.commit()).await
}

/// This node ends: what it holds is owed at once.
pub(super) async fn leave(shared: &Shared) -> Result<()> {
    let mut client = shared.client().await?;
    let transaction = locks::locked(&mut client, locks::NODES).await?;
    execute(&transaction, "DELETE FROM nodes WHERE id = $1", &[&shared.node.id()]).await?;
    keep_sign(&transaction, shared.node.alive_at()).await?;
    answered(transaction.commit()).await?;
    delivery::release_orphans(&client).await.map(drop)
}
