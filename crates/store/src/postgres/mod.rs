//! The shared database of many nodes. Nodes are equal and know of each other only what stands in the database: a row each,
//! renewed twice a second (`node`). What is due is divided among them by a hash, and whatever one of them leaves lying is
//! taken by another; that nothing is done twice is decided by what a transaction finds in the rows it locks, never by who
//! ought to do it or by anybody's clock. Statements work on arrays and are one round trip; calls are gathered (`gather`).
//! Events lie in partitions by time (`partition`).

mod access;
mod act;
pub mod address;
mod arrival;
mod audit;
mod backlog;
mod calendar;
mod check;
mod clock;
mod connect;
pub(crate) mod copy;
mod count;
mod deed;
mod delivery;
mod destination;
mod doorkeeper;
mod ending;
mod event;
mod failure;
mod firing;
mod follower;
mod freeze;
mod gather;
mod head;
mod hint;
mod idempotency;
mod ledger;
mod line;
mod locks;
mod log;
mod many;
mod migrate;
mod node;
mod open;
mod order;
mod overlap;
mod partition;
mod pause;
mod plan;
mod readers;
mod receipt;
mod redelivery;
mod retention;
mod revision;
mod run;
pub mod scratch;
mod search;
mod settle;
mod settled;
mod silence;
mod stale;
mod statement;
mod streak;
mod tally;
mod task;
mod tls;
mod trigger;
mod turn;
mod view;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use deadpool_postgres::Client;
use jiff::Timestamp;
use oncue_domain::access::{ApiKey, KeyHash, Preferences, Registration, Session, User};
use oncue_domain::act::{Act, ActFilter, Action, Entry};
use oncue_domain::actor::{Actor, Author};
use oncue_domain::agenda::Span;
use oncue_domain::arrival::{Arrival, Arrived, Contents};
use oncue_domain::audit::{Account, Asked, Repair, ZoneData};
use oncue_domain::backlog::{Drained, NewBacklog};
use oncue_domain::calendar::{Calendar, Definition as CalendarDefinition};
use oncue_domain::clock::Clock;
use oncue_domain::count::HourCount;
use oncue_domain::delivery::{Claim, Settlement};
use oncue_domain::destination::alert::Streak;
use oncue_domain::destination::definition::{Rate, Turns};
use oncue_domain::destination::{Definition as DestinationDefinition, Destination, DestinationHead, Standing, Wanted};
use oncue_domain::event::{Event, Retention};
use oncue_domain::firing::Firing;
use oncue_domain::freeze::{Freeze, Freezes, Said};
use oncue_domain::id::{
    ApiKeyId, ArrivalId, BacklogId, CalendarId, DestinationId, EventId, MessageId, TriggerId, UserId,
};
use oncue_domain::idempotency::{Answer, Key, Keyed, Remembered};
pub use oncue_domain::node::{GONE_AFTER, Identity};
use oncue_domain::node::{NodeView, Work};
use oncue_domain::occurrence::Skipped;
use oncue_domain::overlap::Before;
use oncue_domain::plan::Absence;
use oncue_domain::receipt::Receipt;
use oncue_domain::redelivery::{CancelRefusal, DeliveryId, Refusal, SLICE_MAX};
use oncue_domain::revision::Revision;
use oncue_domain::run::Report;
use oncue_domain::store::{
    ABSENCES_TOLD_MAX, Attention, BacklogSums, BacklogTurns, BacklogView, Begun, CalendarEdited, CalendarMade,
    CalendarView, Call, Committed, Deed, Deleted, DeletedTrigger, DeliveryView, Done, DueCounts, DuePlace, DueSlice,
    Edited, Error, EventCount, EventFilter, EventLines, EventPage, EventSearch, Expired, Fired, FiredAgain, Inspection,
    Lapsed, Ledger, Listener, Made, Missing, NewApiKey, NewTrigger, NewUser, OwedCounts, Planned, RecentFirings,
    Redelivered, Registered, Repeat, Reported, Result, RunOf, SkippedView, Store, Touched, Trial, Undelivered,
    UndeliveredFilter, UndeliveredPlace,
};
use oncue_domain::trigger::{Armed, Edit, Listed, Remains, TriggerHead};
use tokio::sync::{Notify, Semaphore, watch};

use crate::Settings;
use crate::codec::CronLines;
use crate::parsed::Parsed;
use crate::together::together_or_alone;
use crate::told::Told;
use clock::DatabaseClock;
use connect::Connections;
use doorkeeper::Doorkeeper;
use failure::failed;
use gather::Gatherer;
use hint::Hints;
pub use migrate::{migrate, steps};
use node::{Doubtful, Node};
pub use open::Role;
use partition::Partitions;
use silence::answered;
use stale::Stale;
use statement::{Params, column, execute, limit_of, moment, patiently, query, query_first, run};
use task::Tasks;

/// The shared database, as one node uses it.
#[derive(Clone)]
pub struct Postgres {
    shared: Arc<Shared>,
    gatherer: Gatherer,
    doorkeeper: Doorkeeper,
    lists: Arc<Semaphore>,
    tasks: Arc<Tasks>,
    /// In whose hands it is.
    author: Option<Author>,
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
    /// Claims of which it is not known whether they were committed.
    doubtful: Mutex<Doubtful>,
    /// A node was given up, and what it held is anybody's.
    something_orphaned: Notify,
    /// What that must never end has ended by itself.
    broken: watch::Sender<Option<&'static str>>,
    /// When the table of what is owed was last looked at.
    outbox_looked_at: Mutex<Option<Instant>>,
    parsed: Mutex<Parsed>,
    told: Told,
    cron_lines: CronLines,
    stale: Stale,
    /// When what triggers wait for had ended that could not be called up then, because somebody else was at them.
    ends_left: Mutex<BTreeMap<TriggerId, Timestamp>>,
    /// Where the next sweep over what waits for an event to end begins.
    swept_to: Mutex<(i64, i64)>,
    /// Turns of those who fire by hand.
    by_hand: Arc<Semaphore>,
}

impl Shared {
    fn fresh(&self) -> MutexGuard<'_, VecDeque<Claim>> {
        lock(&self.fresh)
    }

    async fn client(&self) -> Result<Client> {
        self.connections.client().await
    }

    /// A statement failed that gives claims until this instant.
    fn doubt(&self, error: &Error, until: i64) {
        // The partition may be gone that it counted on.
        partition::forget_all(self);
        if let Error::Unavailable(_) = error {
            lock(&self.doubtful).push(until);
        }
    }
}

impl Postgres {
    /// The database's clock, as this node sees it.
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.shared.clock) as Arc<dyn Clock>
    }
}

/// A poisoned lock means that a thread panicked while it held plain data; the data is still whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Store for Postgres {
    fn subscribe(&self, listener: Listener) {
        self.shared.hints.subscribe(listener);
    }

    fn acting(&self, author: Author) -> Arc<dyn Store> {
        Arc::new(Postgres { author: Some(author), ..self.clone() })
    }

    async fn check(&self) -> Result<()> {
        check::check(&self.client().await?, &self.shared).await
    }

    async fn register(&self, user: NewUser, rule: Registration, now: Timestamp) -> Result<Registered> {
        access::register(&mut self.client().await?, &user, rule, self.author.as_ref(), now).await
    }

    async fn local_user(&self, now: Timestamp) -> Result<User> {
        access::local_user(&self.client().await?, now).await
    }

    async fn user_by_email(&self, email: &str) -> Result<Option<(User, String)>> {
        self.read(|client| async move { access::user_by_email(&client, email).await }).await
    }

    async fn users(&self) -> Result<Vec<User>> {
        access::users(&self.client().await?).await
    }

    async fn set_password(&self, user: UserId, password_hash: &str) -> Result<bool> {
        let mut client = self.client().await?;
        let transaction = answered(client.transaction()).await?;
        let done = access::set_password(&transaction, user, password_hash).await?;
        act::note(&transaction, self.author.as_ref(), done.then(|| Act::user(user, Action::PasswordChanged))).await?;
        answered(transaction.commit()).await?;
        Ok(done)
    }

    async fn disable_user(&self, user: UserId, now: Timestamp) -> Result<bool> {
        let mut client = self.client().await?;
        let transaction = answered(client.transaction()).await?;
        let done = access::disable_user(&transaction, user, now).await?;
        act::note(&transaction, self.author.as_ref(), done.then(|| Act::user(user, Action::Disabled))).await?;
        answered(transaction.commit()).await?;
        Ok(done)
    }

    async fn open_session(&self, session: Session) -> Result<()> {
        let mut client = self.client().await?;
        let transaction = answered(client.transaction()).await?;
        access::open_session(&transaction, &session).await?;
        act::note(&transaction, self.author.as_ref(), Some(Act::user(session.user, Action::LoggedIn))).await?;
        answered(transaction.commit()).await
    }

    async fn session_user(&self, id: &str, now: Timestamp) -> Result<Option<User>> {
        self.doorkeeper.session_user(id, now).await
    }

    async fn end_session(&self, id: &str) -> Result<()> {
        let mut client = self.client().await?;
        let transaction = answered(client.transaction()).await?;
        let ended = access::end_session(&transaction, id).await?;
        act::note(&transaction, self.author.as_ref(), ended.map(|user| Act::user(user, Action::LoggedOut))).await?;
        answered(transaction.commit()).await
    }

    async fn sessions(&self, user: UserId, now: Timestamp) -> Result<Vec<Session>> {
        self.read(|client| async move { access::sessions(&client, user, now).await }).await
    }

    async fn end_other_sessions(&self, user: UserId, kept: &str) -> Result<usize> {
        let mut client = self.client().await?;
        let transaction = answered(client.transaction()).await?;
        let ended = access::end_other_sessions(&transaction, user, kept).await?;
        act::note(&transaction, self.author.as_ref(), (ended > 0).then(|| Act::user(user, Action::OthersLoggedOut)))
            .await?;
        answered(transaction.commit()).await?;
        Ok(ended)
    }

    async fn set_preferences(&self, user: UserId, preferences: Preferences) -> Result<bool> {
        let mut client = self.client().await?;
        let transaction = answered(client.transaction()).await?;
        let done = access::set_preferences(&transaction, user, &preferences).await?;
        act::note(&transaction, self.author.as_ref(), done.then(|| Act::user(user, Action::PreferencesChanged)))
            .await?;
        answered(transaction.commit()).await?;
        Ok(done)
    }

    async fn create_api_key(&self, key: NewApiKey, now: Timestamp) -> Result<Option<ApiKey>> {
        access::create_api_key(&mut self.client().await?, &key, self.author.as_ref(), now).await
    }

    async fn api_keys(&self, owner: UserId) -> Result<Vec<ApiKey>> {
        self.read(|client| async move { access::api_keys(&client, owner).await }).await
    }

    async fn delete_api_key(&self, owner: UserId, id: ApiKeyId) -> Result<bool> {
        let mut client = self.client().await?;
        let transaction = answered(client.transaction()).await?;
        let name = access::delete_api_key(&transaction, owner, id).await?;
        act::note(
            &transaction,
            self.author.as_ref(),
            name.clone().map(|name| Act::key(owner, Action::Deleted, id, name)),
        )
        .await?;
        answered(transaction.commit()).await?;
        Ok(name.is_some())
    }

    async fn api_key_user(&self, hash: &KeyHash, now: Timestamp) -> Result<Option<(User, ApiKey)>> {
        self.doorkeeper.api_key_user(hash, now).await
    }

    async fn touch_api_key(&self, id: ApiKeyId, now: Timestamp) -> Result<()> {
        access::touch_api_key(&self.client().await?, id, now).await
    }

    async fn create_trigger(&self, trigger: NewTrigger, now: Timestamp) -> Result<std::result::Result<Armed, Missing>> {
        trigger::create(&self.shared, &trigger, self.author.as_ref(), now).await
    }

    async fn create_triggers(&self, triggers: Vec<NewTrigger>, now: Timestamp) -> Vec<Result<Made>> {
        let author = self.author.as_ref();
        let create = |new: Arc<[NewTrigger]>| async move { many::create(&self.shared, &new, author, now).await };
        together_or_alone(triggers, create).await
    }

    async fn owner_of(&self, id: TriggerId) -> Result<Option<UserId>> {
        self.read(move |client| async move { trigger::owner_of(&client, id).await }).await
    }

    async fn trigger(&self, owner: UserId, id: TriggerId) -> Result<Option<Armed>> {
        self.read(|mut client| async move { trigger::get(&mut client, &self.shared, owner, id).await }).await
    }

    async fn remains(&self, owner: UserId, id: TriggerId) -> Result<Option<Remains>> {
        self.read(|mut client| async move { trigger::remains(&mut client, &self.shared, owner, id).await }).await
    }

    async fn listed_triggers(
        &self,
        owner: UserId,
        after: Option<TriggerId>,
        limit: usize,
    ) -> Result<Vec<Listed<Armed>>> {
        self.list(move |mut client: Client, shared: Arc<Shared>| async move {
            trigger::list(&mut client, &shared, owner, after, limit).await
        })
        .await
    }

    async fn listed_heads(&self, owner: UserId, limit: usize) -> Result<Vec<Listed<TriggerHead>>> {
        self.list(
            move |client: Client, shared: Arc<Shared>| async move { head::list(&client, &shared, owner, limit).await },
        )
        .await
    }

    async fn soonest(&self, owner: UserId, limit: usize) -> Result<Vec<TriggerHead>> {
        self.list(move |client: Client, shared: Arc<Shared>| async move {
            head::soonest(&client, &shared, owner, limit).await
        })
        .await
    }

    async fn attention(&self, owner: UserId, gone_until: Timestamp, now: Timestamp) -> Result<Attention> {
        self.list(move |mut client: Client, shared: Arc<Shared>| async move {
            head::attention(&mut client, &shared, owner, gone_until, now).await
        })
        .await
    }

    async fn edit_trigger(&self, edit: Edit, seen: Option<Timestamp>, now: Timestamp) -> Result<Edited> {
        trigger::edit(&self.shared, &edit, seen, self.author.as_ref(), now).await
    }

    async fn revisions(
        &self,
        owner: UserId,
        id: TriggerId,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Revision>> {
        self.list(move |mut client: Client, shared: Arc<Shared>| async move {
            revision::list(&mut client, &shared, (owner, id), before, limit).await
        })
        .await
    }

    async fn revision(&self, owner: UserId, id: TriggerId, number: i64) -> Result<Option<Revision>> {
        self.read(|mut client| async move { revision::get(&mut client, &self.shared, (owner, id), number).await }).await
    }

    async fn revision_at(&self, owner: UserId, id: TriggerId, at: Timestamp) -> Result<Option<Revision>> {
        self.read(|mut client| async move { revision::at(&mut client, &self.shared, (owner, id), at).await }).await
    }

    async fn delete_trigger(&self, owner: UserId, id: TriggerId, now: Timestamp) -> Result<bool> {
        trigger::delete(&self.shared, (owner, id), None, self.author.as_ref(), now).await
    }

    async fn deleted_trigger(
        &self,
        owner: UserId,
        id: TriggerId,
        gone_until: Timestamp,
    ) -> Result<Option<DeletedTrigger>> {
        self.read(
            |mut client| async move { revision::deleted(&mut client, &self.shared, (owner, id), gone_until).await },
        )
        .await
    }

    async fn delete_done(&self, owner: UserId, id: TriggerId, revision: i64, now: Timestamp) -> Result<bool> {
        let own = Author { by: Actor::SYSTEM, at: now };
        trigger::delete(&self.shared, (owner, id), Some(revision), Some(&own), now).await
    }

    async fn fire(&self, owner: UserId, id: TriggerId, call: Call, now: Timestamp) -> Result<Fired> {
        match &self.author {
            Some(author) => deed::fire_by_hand(&self.shared, owner, (id, call), author, now).await,
            None => self.gatherer.fire(owner, id, call, now).await,
        }
    }

    async fn fire_many(&self, owner: UserId, calls: Vec<(TriggerId, Call)>, now: Timestamp) -> Vec<Result<Fired>> {
        if self.author.is_none() {
            return self.gatherer.fire_many(owner, calls, now).await;
        }
        let mut fired = Vec::with_capacity(calls.len());
        for (id, call) in calls {
            fired.push(self.fire(owner, id, call, now).await);
        }
        fired
    }

    async fn fire_again(
        &self,
        owner: UserId,
        repeat: Repeat,
        gone_until: Timestamp,
        now: Timestamp,
    ) -> Result<FiredAgain> {
        if let Some(author) = &self.author {
            return deed::fire_again_by_hand(&self.shared, owner, (repeat, gone_until), author, now).await;
        }
        let found = event::get(&mut self.client().await?, owner, repeat.event, gone_until).await?;
        match found {
            Some((parent, _)) => self.gatherer.fire_again(parent, repeat, now).await,
            None => Ok(FiredAgain::NotFound),
        }
    }

    async fn fire_unkept(
        &self,
        owner: UserId,
        trial: Trial,
        message_id: MessageId,
        now: Timestamp,
    ) -> Result<std::result::Result<TriggerId, Missing>> {
        log::fire_unkept(&self.shared, owner, &trial, message_id, self.author.as_ref(), now).await
    }

    async fn once(&self, owner: UserId, deeds: Vec<(Keyed, Deed)>, now: Timestamp) -> Vec<Result<Done>> {
        let once = |deeds| idempotency::once(&self.shared, owner, deeds, self.author.clone(), now);
        together_or_alone(deeds, once).await
    }

    async fn recall(&self, owner: UserId, key: &Key, now: Timestamp) -> Result<Vec<Remembered>> {
        self.read(|client| async move { idempotency::recall(&client, owner, key, now).await }).await
    }

    async fn begin_once(&self, owner: UserId, keyed: Keyed, now: Timestamp) -> Result<Begun> {
        idempotency::begin_once(&self.client().await?, owner, &keyed, now).await
    }

    async fn end_once(&self, owner: UserId, keyed: Keyed, answer: Option<Answer>) -> Result<()> {
        idempotency::end_once(&self.client().await?, owner, &keyed, answer.as_ref()).await
    }

    async fn skipped(&self, owner: UserId, id: TriggerId, limit: usize) -> Result<Vec<SkippedView>> {
        self.read(|mut client| async move { trigger::skipped(&mut client, owner, id, limit).await }).await
    }

    async fn ledger(
        &self,
        owner: UserId,
        id: TriggerId,
        span: Span,
        gone_until: Timestamp,
        limit: usize,
    ) -> Result<Option<Ledger>> {
        self.list(move |mut client: Client, _: Arc<Shared>| async move {
            ledger::read(&mut client, owner, id, span, gone_until, limit).await
        })
        .await
    }

    async fn create_calendar(
        &self,
        owner: UserId,
        definition: CalendarDefinition,
        now: Timestamp,
    ) -> Result<CalendarMade> {
        calendar::create(&self.shared, owner, &definition, self.author.as_ref(), now).await
    }

    async fn calendar(&self, owner: UserId, id: CalendarId) -> Result<Option<CalendarView>> {
        self.read(|client| async move { calendar::get(&client, owner, id).await }).await
    }

    async fn calendars(&self, owner: UserId) -> Result<Vec<CalendarView>> {
        self.list(move |client: Client, _: Arc<Shared>| async move { calendar::list(&client, owner).await }).await
    }

    async fn calendar_triggers(&self, owner: UserId, id: CalendarId, limit: usize) -> Result<Vec<Armed>> {
        self.list(move |client: Client, shared: Arc<Shared>| async move {
            calendar::triggers(&client, &shared, (owner, id), limit).await
        })
        .await
    }

    async fn calendar_backlogs(&self, owner: UserId, id: CalendarId) -> Result<BTreeMap<TriggerId, u64>> {
        self.list(move |client: Client, _| async move { calendar::backlogs(&client, owner, id).await }).await
    }

    async fn edit_calendar(
        &self,
        seen: Calendar,
        definition: CalendarDefinition,
        now: Timestamp,
    ) -> Result<CalendarEdited> {
        calendar::edit(&self.shared, &seen, &definition, self.author.as_ref(), now).await
    }

    async fn delete_calendar(&self, owner: UserId, id: CalendarId) -> Result<Deleted> {
        calendar::delete(&self.shared, owner, id, self.author.as_ref()).await
    }

    async fn create_destination(
        &self,
        owner: UserId,
        definition: DestinationDefinition,
        now: Timestamp,
    ) -> Result<Option<Destination>> {
        destination::create(&self.shared, owner, &definition, self.author.as_ref(), now).await
    }

    async fn destination(&self, owner: UserId, id: DestinationId) -> Result<Option<Destination>> {
        self.read(|client| async move { destination::get(&client, owner, id).await }).await
    }

    async fn destinations(
        &self,
        owner: UserId,
        after: Option<DestinationId>,
        limit: usize,
    ) -> Result<Vec<Destination>> {
        self.list(
            move |client: Client, _: Arc<Shared>| async move { destination::list(&client, owner, after, limit).await },
        )
        .await
    }

    async fn destination_heads(&self, owner: UserId, wanted: Wanted) -> Result<Vec<DestinationHead>> {
        self.list(
            move |client: Client, _: Arc<Shared>| async move { destination::heads(&client, owner, &wanted).await },
        )
        .await
    }

    async fn edit_destination(
        &self,
        owner: UserId,
        id: DestinationId,
        seen: i64,
        definition: DestinationDefinition,
    ) -> Result<Edited> {
        destination::edit(&self.shared, (owner, id), seen, &definition, self.author.as_ref()).await
    }

    async fn set_standing(&self, owner: UserId, id: DestinationId, standing: Standing, now: Timestamp) -> Result<bool> {
        destination::set_standing(&self.shared, (owner, id), &standing, self.author.as_ref(), now).await
    }

    async fn delete_destination(&self, owner: UserId, id: DestinationId, now: Timestamp) -> Result<Deleted> {
        destination::delete(&self.shared, owner, id, self.author.as_ref(), now).await
    }

    async fn suspend_destination(
        &self,
        id: DestinationId,
        seen: i64,
        reason: &str,
        told_by: Option<MessageId>,
        now: Timestamp,
    ) -> Result<bool> {
        destination::suspend(&self.shared, id, seen, reason, told_by, now).await
    }

    async fn streaks(&self, owner: UserId) -> Result<Vec<(DestinationId, Streak)>> {
        streak::list(&self.client().await?, owner).await
    }

    async fn take_turns(&self, id: DestinationId, rate: Rate, wanted: usize, now: Timestamp) -> Result<Turns> {
        turn::take(&self.shared, id, rate, wanted, now).await
    }

    async fn destinations_to_send_to(&self, ids: Vec<DestinationId>) -> Result<Vec<Destination>> {
        let ids = &ids;
        self.read(|client| async move { destination::to_send_to(&client, ids).await }).await
    }

    async fn destination_uses(&self, owner: UserId, ids: Vec<DestinationId>) -> Result<Vec<u64>> {
        self.list(move |client: Client, _: Arc<Shared>| async move { destination::uses(&client, owner, &ids).await })
            .await
    }

    async fn arrive(&self, owner: UserId, arrived: Arrived, contents: Contents) -> Result<bool> {
        arrival::arrive(&self.shared, owner, &arrived, &contents).await
    }

    async fn arrivals(
        &self,
        owner: UserId,
        destination: DestinationId,
        before: Option<ArrivalId>,
        limit: usize,
    ) -> Result<Vec<Arrival>> {
        self.list(move |client: Client, _: Arc<Shared>| async move {
            arrival::list(&client, owner, destination, before, limit).await
        })
        .await
    }

    async fn arrival(&self, owner: UserId, id: ArrivalId) -> Result<Option<(Arrival, Contents)>> {
        self.read(|client| async move { arrival::get(&client, owner, id).await }).await
    }

    async fn begin_presence(&self, now: Timestamp) -> Result<Vec<Absence>> {
        node::begin_presence(&self.shared, now).await
    }

    async fn absences(&self, span: Span) -> Result<Vec<Absence>> {
        self.read(move |client| async move { node::absences(&client, span, ABSENCES_TOLD_MAX).await }).await
    }

    fn sign_of_life(&self, now: Timestamp) {
        self.shared.node.note_alive(now);
    }

    async fn next_due(&self) -> Result<Option<Timestamp>> {
        trigger::next_due(&mut self.client().await?, &self.shared).await
    }

    async fn due_behind(&self, place: DuePlace, now: Timestamp, limit: usize) -> Result<DueSlice> {
        trigger::due_behind(&self.shared, place, now, limit).await
    }

    async fn commit_plans(&self, plans: Vec<Planned>, now: Timestamp) -> Result<Committed> {
        plan::commit(&self.shared, plans, now).await
    }

    async fn events_before(&self, triggers: Vec<(UserId, TriggerId)>) -> Result<Vec<Before>> {
        overlap::events_before(&self.client().await?, &triggers).await
    }

    async fn backlogs(&self, owner: UserId, after: Option<BacklogId>, limit: usize) -> Result<Vec<BacklogView>> {
        self.list(move |mut client, _| async move { backlog::list(&mut client, owner, after, limit).await }).await
    }

    async fn backlog(&self, owner: UserId, id: BacklogId) -> Result<Option<BacklogView>> {
        self.read(move |mut client| async move { backlog::one(&mut client, owner, id).await }).await
    }

    async fn backlog_sums(&self, owner: UserId, trigger: Option<TriggerId>) -> Result<BacklogSums> {
        self.list(move |mut client, _| async move { backlog::sums(&mut client, Some(owner), trigger).await }).await
    }

    async fn backlog_turns(&self, after: Option<UserId>, owners: usize, of_each: usize) -> Result<BacklogTurns> {
        backlog::turns(&self.shared, after, owners, of_each).await
    }

    async fn drain(&self, drained: Drained, now: Timestamp) -> Result<Option<usize>> {
        backlog::drain(&self.shared, &drained, now).await
    }

    async fn release_backlogs(&self, owner: UserId, id: Option<BacklogId>, now: Timestamp) -> Result<Touched> {
        backlog::release(&self.shared, owner, id, self.author.as_ref(), now).await
    }

    async fn discard_backlogs(&self, owner: UserId, id: Option<BacklogId>, now: Timestamp) -> Result<Touched> {
        backlog::discard(&self.shared, owner, id, self.author.as_ref(), now).await
    }

    async fn discard_old_backlogs(&self, now: Timestamp) -> Result<Touched> {
        backlog::discard_old(&self.shared, now).await
    }

    async fn expire_backlogs(&self, id: Option<BacklogId>, now: Timestamp) -> Result<Touched> {
        backlog::expire(&self.shared, id, now).await
    }

    async fn backfill(&self, new: NewBacklog, now: Timestamp) -> Result<Option<BacklogView>> {
        backlog::backfill(&self.shared, &new, self.author.as_ref(), now).await
    }

    async fn freeze(&self, scope: Option<UserId>, said: Said, now: Timestamp) -> Result<Freeze> {
        freeze::freeze(&self.shared, scope, said, self.author.as_ref(), now).await
    }

    async fn thaw(&self, scope: Option<UserId>, now: Timestamp) -> Result<Option<Freeze>> {
        freeze::thaw(&self.shared, scope, self.author.as_ref(), now).await
    }

    async fn note_ends(&self, now: Timestamp, limit: usize) -> Result<usize> {
        ending::note(&self.shared, now, limit).await
    }

    async fn freezes_of(&self, owner: UserId, since: Timestamp) -> Result<Vec<Freeze>> {
        self.read(move |client| async move { freeze::list(&client, Some(owner), since).await }).await
    }

    async fn freezes(&self, since: Timestamp) -> Result<Freezes> {
        freeze::all(&mut self.client().await?, since).await
    }

    async fn inspect(&self, after: Option<TriggerId>, limit: usize) -> Result<Inspection> {
        self.list(move |mut client, shared| async move { audit::inspect(&mut client, &shared, after, limit).await })
            .await
    }

    async fn accounted_until(&self, triggers: Vec<(UserId, TriggerId)>) -> Result<Vec<Option<Timestamp>>> {
        self.list(move |mut client, _| async move { audit::accounted_until(&mut client, &triggers).await }).await
    }

    async fn accounts(&self, asked: Vec<Asked>) -> Result<Vec<Account>> {
        self.list(move |mut client, _| async move { audit::accounts(&mut client, &asked).await }).await
    }

    async fn fired_within(&self, asked: Vec<Asked>) -> Result<Vec<bool>> {
        self.list(move |mut client, _| async move { audit::fired_within(&mut client, &asked).await }).await
    }

    async fn rearm(&self, repair: Repair) -> Result<bool> {
        audit::rearm(&self.shared, repair).await
    }

    async fn use_zone_data(&self, release: &str, now: Timestamp) -> Result<ZoneData> {
        audit::use_zone_data(&self.shared, release, now).await
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
        settle::settle(&self.shared, settlements).await
    }

    async fn undelivered(
        &self,
        owner: UserId,
        filter: UndeliveredFilter,
        gone_until: Timestamp,
        after: Option<UndeliveredPlace>,
        limit: usize,
    ) -> Result<Vec<Undelivered>> {
        self.list(move |client: Client, _: Arc<Shared>| async move {
            view::undelivered(&client, owner, &filter, gone_until, after, limit).await
        })
        .await
    }

    async fn receipt(
        &self,
        owner: UserId,
        event: EventId,
        slot: u32,
        number: u32,
        gone_until: Timestamp,
    ) -> Result<Option<Receipt>> {
        receipt::get(&self.client().await?, owner, (event, slot), number, gone_until).await
    }

    async fn count_undelivered(
        &self,
        owner: UserId,
        filter: UndeliveredFilter,
        gone_until: Timestamp,
        at_most: u64,
    ) -> Result<u64> {
        self.list(move |client: Client, _: Arc<Shared>| async move {
            view::count_undelivered(&client, owner, &filter, gone_until, at_most).await
        })
        .await
    }

    async fn redeliver(
        &self,
        owner: UserId,
        deliveries: Vec<DeliveryId>,
        retention: Retention,
        now: Timestamp,
    ) -> Result<Vec<std::result::Result<(), Refusal>>> {
        redelivery::redeliver(&self.shared, owner, &deliveries, retention, self.author.as_ref(), now).await
    }

    async fn redeliver_matching(
        &self,
        owner: UserId,
        filter: UndeliveredFilter,
        after: Option<UndeliveredPlace>,
        limit: usize,
        retention: Retention,
        now: Timestamp,
    ) -> Result<Redelivered> {
        let limit = limit.min(SLICE_MAX);
        redelivery::redeliver_matching(&self.shared, owner, &filter, after, limit, retention, self.author.as_ref(), now)
            .await
    }

    async fn cancel_delivery(
        &self,
        owner: UserId,
        delivery: DeliveryId,
        gone_until: Timestamp,
        now: Timestamp,
    ) -> Result<std::result::Result<(), CancelRefusal>> {
        redelivery::cancel_delivery(&self.shared, owner, delivery, gone_until, self.author.as_ref(), now).await
    }

    async fn owed_counts(&self) -> Result<OwedCounts> {
        self.read(|mut client| async move { delivery::owed_counts(&mut client).await }).await
    }

    async fn all_backlog_sums(&self) -> Result<BacklogSums> {
        self.list(move |mut client, _| async move { backlog::sums(&mut client, None, None).await }).await
    }

    async fn due_counts(&self, now: Timestamp) -> Result<DueCounts> {
        self.list(move |client: Client, _: Arc<Shared>| async move { trigger::due_counts(&client, now).await }).await
    }

    fn note_work(&self, work: Work) {
        self.shared.node.note_work(work);
    }

    async fn nodes(&self) -> Result<Vec<NodeView>> {
        self.read(|client| async move { node::list(&client, &self.shared.node).await }).await
    }

    async fn event(
        &self,
        owner: UserId,
        id: EventId,
        gone_until: Timestamp,
    ) -> Result<Option<(Event, Vec<DeliveryView>)>> {
        self.read(|mut client| async move { event::get(&mut client, owner, id, gone_until).await }).await
    }

    async fn events(&self, owner: UserId, filter: EventFilter, page: EventPage, limit: usize) -> Result<Vec<Event>> {
        self.list(move |mut client: Client, _: Arc<Shared>| async move {
            event::list(&mut client, owner, filter, page, limit).await
        })
        .await
    }

    async fn event_counts(&self, owner: UserId, gone_until: Timestamp) -> Result<Vec<EventCount>> {
        self.list(move |mut client: Client, _: Arc<Shared>| async move {
            event::counts(&mut client, owner, gone_until).await
        })
        .await
    }

    async fn event_lines(
        &self,
        owner: UserId,
        search: EventSearch,
        page: EventPage,
        limit: usize,
    ) -> Result<EventLines> {
        self.list(move |mut client: Client, _: Arc<Shared>| async move {
            search::event_lines(&mut client, owner, &search, page, limit).await
        })
        .await
    }

    async fn events_logged_after(
        &self,
        owner: UserId,
        search: EventSearch,
        after: EventId,
        limit: usize,
    ) -> Result<EventLines> {
        self.list(move |mut client: Client, _: Arc<Shared>| async move {
            search::events_logged_after(&mut client, owner, &search, after, limit).await
        })
        .await
    }

    async fn count_events(&self, owner: UserId, filters: Vec<EventFilter>, at_most: u64) -> Result<Vec<u64>> {
        self.list(move |mut client: Client, _: Arc<Shared>| async move {
            search::count(&mut client, owner, &filters, at_most).await
        })
        .await
    }

    async fn report_run(
        &self,
        event: EventId,
        fired_at: Timestamp,
        report: Report,
        gone_until: Timestamp,
        now: Timestamp,
    ) -> Result<Reported> {
        run::report(&self.shared, event, fired_at, &report, gone_until, now).await
    }

    async fn lapse_runs(&self, gone_until: Timestamp, now: Timestamp, limit: usize) -> Result<Lapsed> {
        run::lapse(&self.shared, gone_until, now, limit).await
    }

    async fn runs(&self, owner: UserId, events: Vec<EventId>, gone_until: Timestamp) -> Result<Vec<RunOf>> {
        self.list(move |client: Client, _: Arc<Shared>| {
            let events = events.clone();
            async move { run::of_events(&client, owner, &events, gone_until).await }
        })
        .await
    }

    async fn latest_runs(
        &self,
        owner: UserId,
        trigger: TriggerId,
        gone_until: Timestamp,
        limit: usize,
    ) -> Result<Vec<RunOf>> {
        self.list(move |client: Client, _: Arc<Shared>| async move {
            run::latest(&client, owner, trigger, gone_until, limit).await
        })
        .await
    }

    async fn hour_counts(
        &self,
        owner: UserId,
        trigger: Option<TriggerId>,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<HourCount>> {
        self.list(move |client: Client, _: Arc<Shared>| async move {
            count::hour_counts(&client, owner, trigger, from, until).await
        })
        .await
    }

    async fn skipped_counts(
        &self,
        owner: UserId,
        trigger: Option<TriggerId>,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Skipped>> {
        self.list(move |client: Client, _: Arc<Shared>| async move {
            count::skipped_counts(&client, owner, trigger, from, until).await
        })
        .await
    }

    async fn recent_firings(
        &self,
        owner: UserId,
        triggers: Vec<TriggerId>,
        gone_until: Timestamp,
        limit: usize,
    ) -> Result<Vec<RecentFirings>> {
        self.list(move |client: Client, _: Arc<Shared>| async move {
            firing::recent(&client, owner, &triggers, gone_until, limit).await
        })
        .await
    }

    async fn gone_firing(
        &self,
        owner: UserId,
        id: EventId,
        gone_until: Timestamp,
    ) -> Result<Option<(TriggerId, Firing)>> {
        self.list(move |client: Client, _: Arc<Shared>| async move {
            firing::gone_firing(&client, owner, id, gone_until).await
        })
        .await
    }

    async fn note_act(&self, act: Act) -> Result<()> {
        act::note(&self.client().await?, self.author.as_ref(), Some(act)).await
    }

    async fn acts(&self, filter: ActFilter, before: Option<i64>, limit: usize) -> Result<Vec<Entry>> {
        self.list(move |client: Client, _: Arc<Shared>| async move { act::list(&client, &filter, before, limit).await })
            .await
    }

    async fn expire(&self, gone_until: Timestamp, now: Timestamp, limit: usize) -> Result<Expired> {
        retention::expire(&self.shared, gone_until, now, limit).await
    }

    async fn note_retention(&self, retention: Retention) -> Result<()> {
        retention::note(&self.shared, retention).await
    }

    async fn retention(&self) -> Result<Option<Retention>> {
        retention::noted(&self.shared).await
    }
}
