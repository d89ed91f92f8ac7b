//! The shared database of many nodes. Nodes are equal and know of each other only what stands in the database: a row each,
//! renewed twice a second (`node`). What is due is divided among them by a hash, and whatever one of them leaves lying is
//! taken by another; that nothing is done twice is decided by what a transaction finds in the rows it locks, never by who
//! ought to do it or by anybody's clock. Statements work on arrays and are one round trip; calls are gathered (`gather`).
//! Events lie in partitions by time (`partition`).

mod access;
pub mod address;
mod clock;
mod connect;
pub(crate) mod copy;
mod count;
mod delivery;
mod event;
mod failure;
mod firing;
mod gather;
mod head;
mod hint;
mod line;
mod log;
mod migrate;
mod node;
mod partition;
mod pause;
mod plan;
mod retention;
pub mod scratch;
mod search;
mod settled;
mod silence;
mod tally;
mod tls;
mod trigger;
mod view;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use deadpool_postgres::{Client, GenericClient, Transaction};
use jiff::Timestamp;
use oncue_domain::access::{ApiKey, KeyHash, Preferences, Registration, Session, User};
use oncue_domain::clock::Clock;
use oncue_domain::count::HourCount;
use oncue_domain::delivery::{Claim, Settlement};
use oncue_domain::event::Event;
use oncue_domain::firing::Firing;
use oncue_domain::id::{ApiKeyId, EventId, MessageId, TriggerId, UserId};
pub use oncue_domain::node::{GONE_AFTER, Identity};
use oncue_domain::node::{NodeView, Work};
use oncue_domain::plan::Absence;
use oncue_domain::store::{
    Attention, Backlog, Call, Committed, DeliveryView, DueCounts, Edited, Error, EventCount, EventFilter, EventLines,
    EventPage, EventSearch, Expired, Fired, Listener, NewApiKey, NewTrigger, NewUser, Planned, RecentFirings,
    Registered, Result, SkippedView, Store,
};
use oncue_domain::trigger::{Armed, Definition, Edit, Trigger, TriggerHead};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::JoinHandle;
use tokio_postgres::types::{FromSql, ToSql};
use tokio_postgres::{IsolationLevel, Row};

use crate::Settings;
use crate::codec::CronLines;
use crate::migrations::OLDER;
use address::Address;
use clock::DatabaseClock;
use connect::Connections;
use failure::failed;
use gather::Gatherer;
use hint::Hints;
pub use migrate::{migrate, steps};
use node::Node;
use partition::Partitions;
use silence::answered;

/// How many connections a node has at most, besides the one on which it listens.
const CONNECTIONS_MAX: usize = 16;

/// A database that is just being started, as it is where everything starts at once, is waited for so long.
const REACHED_WITHIN: Duration = Duration::from_secs(30);

/// How many connections there are beside the others for a node's signs of life, hints, and asking whether the server still
/// answers, none of which may wait behind a burst.
const UPKEEP_CONNECTIONS: usize = 3;

/// How many lists are read at once; what is beyond waits without holding up logins, the scheduler or deliveries.
const LISTS_AT_ONCE: usize = 4;

/// How many triggers are kept parsed between ticks.
const PARSED_MAX: usize = 8192;

/// And with how many bytes of payload at most.
const PARSED_PAYLOAD_BYTES_MAX: usize = 4096;

/// A statement's parameters.
type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// What this process is to the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// One of the servers.
    Node(Identity),
    /// A short visit of the operator's command line.
    Visitor,
}

/// The shared database, as one node uses it.
pub struct Postgres {
    shared: Arc<Shared>,
    gatherer: Gatherer,
    lists: Semaphore,
    tasks: Vec<JoinHandle<()>>,
}

/// What everything that works for this node shares.
struct Shared {
    connections: Connections,
    upkeep: Connections,
    settings: Settings,
    clock: Arc<DatabaseClock>,
    node: Node,
    partitions: Partitions,
    hints: Hints,
    /// Deliveries that were committed already claimed for this node and wait to be fetched.
    fresh: Mutex<VecDeque<Claim>>,
    /// The ends of claims of which it is not known whether they were committed: the database went away before it could say.
    doubtful: Mutex<Vec<i64>>,
    /// When the table of what is owed was last looked at.
    outbox_looked_at: Mutex<Option<Instant>>,
    /// Triggers that were read lately, by id, valid for their revision only.
    parsed: Mutex<HashMap<TriggerId, Arc<Trigger>>>,
    cron_lines: CronLines,
}

impl Shared {
    fn fresh(&self) -> MutexGuard<'_, VecDeque<Claim>> {
        lock(&self.fresh)
    }

    async fn client(&self) -> Result<Client> {
        self.connections.client().await
    }
}

impl Shared {
    /// A statement failed that gives claims until this instant.
    fn doubt(&self, error: &Error, until: i64) {
        // The partition may be gone that it counted on.
        partition::forget_all(self);
        if let Error::Unavailable(_) = error {
            lock(&self.doubtful).push(until);
        }
    }
}

/// The first connection.
async fn reach(connections: &Connections) -> Result<Client> {
    let begun = Instant::now();
    loop {
        match connections.client().await {
            Err(Error::Unavailable(words)) if begun.elapsed() < REACHED_WITHIN => {
                tracing::warn!("the database cannot be reached yet, trying again: {words}");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            outcome => return outcome,
        }
    }
}

/// A poisoned lock means that a thread panicked while it held plain data; the data is still whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a statement and gives its rows.
async fn query(client: &impl GenericClient, sql: &str, params: Params<'_>) -> Result<Vec<Row>> {
    answered(async {
        let statement = client.prepare_cached(sql).await?;
        client.query(&statement, params).await
    })
    .await
}

/// Runs a statement and gives its first row.
async fn query_first(client: &impl GenericClient, sql: &str, params: Params<'_>) -> Result<Option<Row>> {
    Ok(query(client, sql, params).await?.into_iter().next())
}

/// Runs a statement and gives the number of rows that it changed.
async fn execute(client: &impl GenericClient, sql: &str, params: Params<'_>) -> Result<u64> {
    answered(async {
        let statement = client.prepare_cached(sql).await?;
        client.execute(&statement, params).await
    })
    .await
}

/// Reads a column.
fn column<'r, T: FromSql<'r>>(row: &'r Row, index: usize) -> Result<T> {
    row.try_get(index).map_err(failed)
}

/// Begins a transaction in which all reads see the same moment.
async fn moment(client: &mut Client) -> Result<Transaction<'_>> {
    answered(client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true).start()).await
}

/// A number of rows as the database takes it.
fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

impl Postgres {
    /// Opens the database as one of its nodes, making or migrating it first. Needs a Tokio runtime, in which it goes on until
    /// [`Postgres::close`].
    ///
    /// # Errors
    /// In words for the operator: it cannot be reached or used, or it is newer than this program.
    pub async fn open(address: &Address, role: Role, settings: Settings) -> std::result::Result<Postgres, String> {
        let connections = Connections::new(address, CONNECTIONS_MAX)?;
        let in_words = |error: Error| format!("The database {address} cannot be used: {error}");
        let mut client = reach(&connections).await.map_err(in_words)?;
        let unusable = |words: String| format!("The database {address} cannot be used: {words}");
        let node = match &role {
            Role::Node(identity) => {
                migrate::run(&mut client).await.map_err(in_words)?.map_err(unusable)?;
                Node::register(&mut client, identity.clone()).await.map_err(in_words)?.map_err(unusable)?
            }
            Role::Visitor => {
                let steps = migrate::read_steps(&client).await.map_err(in_words)?.map_err(unusable)?;
                if steps.iter().any(|step| !step.is_taken) {
                    return Err(unusable(OLDER.to_owned()));
                }
                if copy::is_under_way(&client).await.map_err(in_words)? {
                    return Err(unusable(copy::UNDER_WAY.to_owned()));
                }
                Node::visitor()
            }
        };
        let clock = Arc::new(clock::ask(&client).await.map_err(in_words)?);
        drop(client);
        let shared = Arc::new(Shared {
            connections,
            upkeep: Connections::new(address, UPKEEP_CONNECTIONS)?,
            settings,
            clock,
            node,
            partitions: Partitions::default(),
            hints: Hints::default(),
            fresh: Mutex::default(),
            doubtful: Mutex::default(),
            outbox_looked_at: Mutex::default(),
            parsed: Mutex::default(),
            cron_lines: CronLines::default(),
        });
        if let Role::Node(_) = role {
            partition::prepare(&shared, shared.clock.now()).await.map_err(in_words)?;
        }
        let (gatherer, gathering) = Gatherer::start(Arc::clone(&shared));
        let mut tasks = vec![gathering, tokio::spawn(hint::tell_others(Arc::clone(&shared)))];
        if let Role::Node(_) = role {
            tasks.push(tokio::spawn(node::beat(Arc::clone(&shared))));
            tasks.push(tokio::spawn(hint::listen(Arc::clone(&shared))));
            tasks.push(tokio::spawn(silence::listen_for(Arc::clone(&shared))));
        }
        Ok(Postgres { shared, gatherer, lists: Semaphore::new(LISTS_AT_ONCE), tasks })
    }

    /// This node ends: what it holds is owed at once, and others need not wait until its silence is noticed.
    pub async fn close(&self) {
        if let Err(error) = node::leave(&self.shared).await {
            tracing::warn!(%error, "the other nodes will notice only in a few seconds that this one is gone");
        }
        self.stop();
    }

    /// The database's clock, as this node sees it.
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.shared.clock) as Arc<dyn Clock>
    }

    fn stop(&self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }

    async fn client(&self) -> Result<Client> {
        self.shared.client().await
    }

    async fn list_turn(&self) -> Result<SemaphorePermit<'_>> {
        self.lists.acquire().await.map_err(|_| Error::Unavailable("it is closed".to_owned()))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

#[async_trait]
impl Store for Postgres {
    fn subscribe(&self, listener: Listener) {
        self.shared.hints.subscribe(listener);
    }

    async fn check(&self) -> Result<()> {
        // Something is written, so that a database that may only be read is noticed.
        let client = self.client().await?;
        execute(&client, "UPDATE nodes SET seen_at = seen_at WHERE id = $1", &[&self.shared.node.id()]).await?;
        query_first(&client, "SELECT max(version) FROM migrations", &[]).await.map(drop)
    }

    async fn register(&self, user: NewUser, rule: Registration, now: Timestamp) -> Result<Registered> {
        access::register(&mut self.client().await?, &user, rule, now).await
    }

    async fn local_user(&self, now: Timestamp) -> Result<User> {
        access::local_user(&self.client().await?, now).await
    }

    async fn user_by_email(&self, email: &str) -> Result<Option<(User, String)>> {
        access::user_by_email(&self.client().await?, email).await
    }

    async fn users(&self) -> Result<Vec<User>> {
        access::users(&self.client().await?).await
    }

    async fn set_password(&self, user: UserId, password_hash: &str) -> Result<bool> {
        access::set_password(&self.client().await?, user, password_hash).await
    }

    async fn disable_user(&self, user: UserId, now: Timestamp) -> Result<bool> {
        access::disable_user(&self.client().await?, user, now).await
    }

    async fn open_session(&self, session: Session) -> Result<()> {
        access::open_session(&self.client().await?, &session).await
    }

    async fn session_user(&self, id: &str, now: Timestamp) -> Result<Option<User>> {
        access::session_user(&self.client().await?, id, now).await
    }

    async fn end_session(&self, id: &str) -> Result<()> {
        access::end_session(&self.client().await?, id).await
    }

    async fn sessions(&self, user: UserId, now: Timestamp) -> Result<Vec<Session>> {
        access::sessions(&self.client().await?, user, now).await
    }

    async fn end_other_sessions(&self, user: UserId, kept: &str) -> Result<usize> {
        access::end_other_sessions(&self.client().await?, user, kept).await
    }

    async fn set_preferences(&self, user: UserId, preferences: Preferences) -> Result<bool> {
        access::set_preferences(&self.client().await?, user, &preferences).await
    }

    async fn create_api_key(&self, key: NewApiKey, now: Timestamp) -> Result<Option<ApiKey>> {
        access::create_api_key(&mut self.client().await?, &key, now).await
    }

    async fn api_keys(&self, owner: UserId) -> Result<Vec<ApiKey>> {
        access::api_keys(&self.client().await?, owner).await
    }

    async fn delete_api_key(&self, owner: UserId, id: ApiKeyId) -> Result<bool> {
        access::delete_api_key(&self.client().await?, owner, id).await
    }

    async fn api_key_user(&self, hash: &KeyHash, now: Timestamp) -> Result<Option<(User, ApiKey)>> {
        access::api_key_user(&self.client().await?, hash, now).await
    }

    async fn touch_api_key(&self, id: ApiKeyId, now: Timestamp) -> Result<()> {
        access::touch_api_key(&self.client().await?, id, now).await
    }

    async fn create_trigger(&self, trigger: NewTrigger, now: Timestamp) -> Result<Armed> {
        trigger::create(&self.shared, &trigger, now).await
    }

    async fn trigger(&self, owner: UserId, id: TriggerId) -> Result<Option<Armed>> {
        trigger::get(&mut self.client().await?, &self.shared, owner, id).await
    }

    async fn triggers(&self, owner: UserId, after: Option<TriggerId>, limit: usize) -> Result<Vec<Armed>> {
        let _turn = self.list_turn().await?;
        trigger::list(&mut self.client().await?, &self.shared, owner, after, limit).await
    }

    async fn trigger_heads(&self, owner: UserId, limit: usize) -> Result<Vec<TriggerHead>> {
        let _turn = self.list_turn().await?;
        head::list(&self.client().await?, &self.shared, owner, limit).await
    }

    async fn soonest(&self, owner: UserId, limit: usize) -> Result<Vec<TriggerHead>> {
        let _turn = self.list_turn().await?;
        head::soonest(&self.client().await?, &self.shared, owner, limit).await
    }

    async fn attention(&self, owner: UserId, gone_until: Timestamp, now: Timestamp) -> Result<Attention> {
        let _turn = self.list_turn().await?;
        head::attention(&mut self.client().await?, &self.shared, owner, gone_until, now).await
    }

    async fn edit_trigger(&self, edit: Edit, seen: Option<Timestamp>, now: Timestamp) -> Result<Edited> {
        trigger::edit(&self.shared, &edit, seen, now).await
    }

    async fn delete_trigger(&self, owner: UserId, id: TriggerId, now: Timestamp) -> Result<bool> {
        trigger::delete(&self.shared, owner, id, now).await
    }

    async fn fire(&self, owner: UserId, id: TriggerId, call: Call, now: Timestamp) -> Result<Fired> {
        self.gatherer.fire(owner, id, call, now).await
    }

    async fn fire_unkept(
        &self,
        owner: UserId,
        definition: Definition,
        message_id: MessageId,
        now: Timestamp,
    ) -> Result<TriggerId> {
        log::fire_unkept(&mut self.client().await?, &self.shared, owner, &definition, message_id, now).await
    }

    async fn skipped(&self, owner: UserId, id: TriggerId, limit: usize) -> Result<Vec<SkippedView>> {
        trigger::skipped(&mut self.client().await?, owner, id, limit).await
    }

    async fn begin_presence(&self, now: Timestamp) -> Result<Vec<Absence>> {
        node::begin_presence(&mut self.client().await?, &self.shared, now).await
    }

    fn sign_of_life(&self, now: Timestamp) {
        self.shared.node.note_alive(now);
    }

    async fn next_due(&self) -> Result<Option<Timestamp>> {
        trigger::next_due(&mut self.client().await?, &self.shared).await
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<Armed<Arc<Trigger>>>> {
        trigger::due(&self.shared, now, limit).await
    }

    async fn commit_plans(&self, plans: Vec<Planned>, now: Timestamp) -> Result<Committed> {
        plan::commit(&self.shared, plans, now).await
    }

    async fn next_owed(&self) -> Result<Option<Timestamp>> {
        if let Some(claim) = self.shared.fresh().front() {
            return Ok(Some(claim.event.fired_at));
        }
        delivery::next_owed(&self.client().await?).await
    }

    async fn claim_deliveries(&self, now: Timestamp, limit: usize) -> Result<Vec<Claim>> {
        delivery::claim(&self.shared, now, limit).await
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<()> {
        delivery::settle(&self.shared, settlements).await
    }

    async fn backlog(&self) -> Result<Backlog> {
        delivery::backlog(&mut self.client().await?).await
    }

    async fn due_counts(&self, now: Timestamp) -> Result<DueCounts> {
        let _turn = self.list_turn().await?;
        trigger::due_counts(&self.client().await?, now).await
    }

    fn note_work(&self, work: Work) {
        self.shared.node.note_work(work);
    }

    async fn nodes(&self) -> Result<Vec<NodeView>> {
        node::list(&self.client().await?, &self.shared.node).await
    }

    async fn event(
        &self,
        owner: UserId,
        id: EventId,
        gone_until: Timestamp,
    ) -> Result<Option<(Event, Vec<DeliveryView>)>> {
        event::get(&mut self.client().await?, owner, id, gone_until).await
    }

    async fn events(&self, owner: UserId, filter: EventFilter, page: EventPage, limit: usize) -> Result<Vec<Event>> {
        let _turn = self.list_turn().await?;
        event::list(&mut self.client().await?, owner, filter, page, limit).await
    }

    async fn event_counts(&self, owner: UserId, gone_until: Timestamp) -> Result<Vec<EventCount>> {
        let _turn = self.list_turn().await?;
        event::counts(&mut self.client().await?, owner, gone_until).await
    }

    async fn event_lines(
        &self,
        owner: UserId,
        search: EventSearch,
        page: EventPage,
        limit: usize,
    ) -> Result<EventLines> {
        let _turn = self.list_turn().await?;
        search::event_lines(&mut self.client().await?, owner, &search, page, limit).await
    }

    async fn events_logged_after(
        &self,
        owner: UserId,
        search: EventSearch,
        after: EventId,
        limit: usize,
    ) -> Result<EventLines> {
        let _turn = self.list_turn().await?;
        search::events_logged_after(&mut self.client().await?, owner, &search, after, limit).await
    }

    async fn count_events(&self, owner: UserId, filters: Vec<EventFilter>, at_most: u64) -> Result<Vec<u64>> {
        let _turn = self.list_turn().await?;
        search::count(&mut self.client().await?, owner, &filters, at_most).await
    }

    async fn hour_counts(
        &self,
        owner: UserId,
        trigger: Option<TriggerId>,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<HourCount>> {
        let _turn = self.list_turn().await?;
        count::hour_counts(&self.client().await?, owner, trigger, from, until).await
    }

    async fn recent_firings(
        &self,
        owner: UserId,
        triggers: Vec<TriggerId>,
        gone_until: Timestamp,
        limit: usize,
    ) -> Result<Vec<RecentFirings>> {
        let _turn = self.list_turn().await?;
        firing::recent(&self.client().await?, owner, &triggers, gone_until, limit).await
    }

    async fn gone_firing(
        &self,
        owner: UserId,
        id: EventId,
        gone_until: Timestamp,
    ) -> Result<Option<(TriggerId, Firing)>> {
        let _turn = self.list_turn().await?;
        firing::gone_firing(&self.client().await?, owner, id, gone_until).await
    }

    async fn expire(&self, gone_until: Timestamp, now: Timestamp, limit: usize) -> Result<Expired> {
        retention::expire(&self.shared, gone_until, now, limit).await
    }
}
