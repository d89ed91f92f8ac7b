//! The embedded database. One thread owns the only writing connection; everything that writes is a job in its queue, and
//! whatever is queued is committed together (`writer`). Reads go to a few read-only connections. A second oncue on the same
//! file is refused, so claims need no more than this process.

mod access;
mod act;
mod arrival;
mod audit;
mod backlog;
mod calendar;
mod connect;
pub(crate) mod copy;
mod count;
mod delivery;
mod destination;
mod ending;
mod event;
mod failure;
mod firing;
mod freeze;
mod head;
mod idempotency;
mod ledger;
mod migrate;
mod open;
mod order;
mod overlap;
#[cfg(test)]
mod plans;
mod presence;
mod readers;
mod receipt;
mod redelivery;
mod retention;
mod revision;
mod run;
mod search;
mod streak;
mod trigger;
mod turn;
mod view;
mod writer;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use oncue_domain::access::{ApiKey, KeyHash, Preferences, Registration, Session, User};
use oncue_domain::act::{Act, ActFilter, Action, Entry};
use oncue_domain::actor::{Actor, Author};
use oncue_domain::agenda::Span;
use oncue_domain::arrival::{Arrival, Arrived, Contents};
use oncue_domain::audit::{Account, Asked, Repair, ZoneData};
use oncue_domain::backlog::{Drained, NewBacklog};
use oncue_domain::calendar::{Calendar, Definition as CalendarDefinition};
use oncue_domain::count::HourCount;
use oncue_domain::delivery::{Claim, Settlement, over_until};
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
    Edited, EventCount, EventFilter, EventLines, EventPage, EventSearch, Expired, Fired, FiredAgain, Inspection,
    Lapsed, Ledger, Listener, Made, Missing, NewApiKey, NewTrigger, NewUser, OwedCounts, Planned, RecentFirings,
    Redelivered, Registered, Repeat, Reported, Result, RunOf, SkippedView, Store, Touched, Trial, Undelivered,
    UndeliveredFilter, UndeliveredPlace,
};
use oncue_domain::trigger::{Armed, Edit, Listed, Remains, TriggerHead};

use rusqlite::Connection;

pub use crate::Settings;
use crate::codec::CronLines;
use crate::parsed::Parsed;
use crate::together::together_or_alone;
use crate::told::Told;
use failure::failed;
pub use migrate::{migrate, steps};
pub use open::{Place, Role};
use presence::Presence;
use readers::{Readers, in_one_moment};
use writer::{Effects, Writer};

/// The embedded database.
#[derive(Clone)]
pub struct Sqlite {
    writer: Arc<Writer>,
    readers: Arc<Readers>,
    shared: Arc<Shared>,
    /// In whose hands it is.
    author: Option<Arc<Author>>,
}

/// What the writer's jobs and the readers share.
struct Shared {
    settings: Settings,
    presence: Presence,
    /// Deliveries that were committed already claimed for this process and wait to be fetched.
    fresh: Mutex<VecDeque<Claim>>,
    parsed: Mutex<Parsed>,
    told: Told,
    cron_lines: CronLines,
    /// Where the next sweep over what waits for an event to end begins.
    swept_to: Mutex<overlap::Swept>,
    listeners: Mutex<Vec<Listener>>,
}

impl Shared {
    fn fresh(&self) -> MutexGuard<'_, VecDeque<Claim>> {
        lock(&self.fresh)
    }
}

impl Sqlite {
    /// Has the writer do something and, in the same transaction, write down what came of it as an act of whoever has the store in their
    /// hands.
    async fn act<T: Send + 'static>(
        &self,
        mut work: impl FnMut(&Connection, &mut Effects) -> Result<T> + Send + 'static,
        act: impl Fn(&T) -> Option<Act> + Send + 'static,
    ) -> Result<T> {
        let author = self.author.clone();
        self.writer
            .submit(move |connection, effects| {
                let outcome = work(connection, effects)?;
                if let Some(author) = &author
                    && let Some(act) = act(&outcome)
                {
                    act::write(connection, author, &act)?;
                }
                Ok(outcome)
            })
            .await
    }

    fn by(&self) -> Actor {
        self.author.as_ref().map_or(Actor::SYSTEM, |author| author.by.clone())
    }

    async fn claim_what_is_due(&self, now: Timestamp, limit: usize) -> Result<Vec<Claim>> {
        if !self.peek(move |connection, _| delivery::is_any_due(connection, now)).await? {
            return Ok(Vec::new());
        }
        self.writer.submit(move |connection, _| delivery::claim(connection, now, limit)).await
    }
}

/// A poisoned lock means that a thread panicked while it held plain data; the data is still whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Store for Sqlite {
    fn subscribe(&self, listener: Listener) {
        lock(&self.shared.listeners).push(listener);
    }

    fn acting(&self, author: Author) -> Arc<dyn Store> {
        Arc::new(Sqlite { author: Some(Arc::new(author)), ..self.clone() })
    }

    async fn check(&self) -> Result<()> {
        // A job that changes nothing takes the writer's way all the same, so a writer that is gone or stuck is noticed.
        self.writer.submit(|_, _| Ok(())).await?;
        self.peek(|connection, _| {
            connection.query_row("SELECT max(version) FROM migrations", [], |_| Ok(())).map_err(failed)
        })
        .await
    }

    async fn register(&self, user: NewUser, rule: Registration, now: Timestamp) -> Result<Registered> {
        self.act(
            move |connection, _| access::register(connection, &user, rule, now),
            |registered| match registered {
                Registered::Done(user) => Some(Act::user(user.id, Action::Created)),
                _ => None,
            },
        )
        .await
    }

    async fn local_user(&self, now: Timestamp) -> Result<User> {
        self.writer.submit(move |connection, _| access::local_user(connection, now)).await
    }

    async fn user_by_email(&self, email: &str) -> Result<Option<(User, String)>> {
        let email = email.to_owned();
        self.peek(move |connection, _| access::user_by_email(connection, &email)).await
    }

    async fn users(&self) -> Result<Vec<User>> {
        self.peek(|connection, _| access::users(connection)).await
    }

    async fn set_password(&self, user: UserId, password_hash: &str) -> Result<bool> {
        let hash = password_hash.to_owned();
        self.act(
            move |connection, _| access::set_password(connection, user, &hash),
            move |done| done.then(|| Act::user(user, Action::PasswordChanged)),
        )
        .await
    }

    async fn disable_user(&self, user: UserId, now: Timestamp) -> Result<bool> {
        self.act(
            move |connection, _| access::disable_user(connection, user, now),
            move |done| done.then(|| Act::user(user, Action::Disabled)),
        )
        .await
    }

    async fn open_session(&self, session: Session) -> Result<()> {
        let user = session.user;
        self.act(
            move |connection, _| access::open_session(connection, &session),
            move |()| Some(Act::user(user, Action::LoggedIn)),
        )
        .await
    }

    async fn session_user(&self, id: &str, now: Timestamp) -> Result<Option<User>> {
        let id = id.to_owned();
        self.peek(move |connection, _| access::session_user(connection, &id, now)).await
    }

    async fn end_session(&self, id: &str) -> Result<()> {
        let id = id.to_owned();
        self.act(
            move |connection, _| access::end_session(connection, &id),
            |ended| ended.map(|user| Act::user(user, Action::LoggedOut)),
        )
        .await
        .map(drop)
    }

    async fn sessions(&self, user: UserId, now: Timestamp) -> Result<Vec<Session>> {
        self.peek(move |connection, _| access::sessions(connection, user, now)).await
    }

    async fn end_other_sessions(&self, user: UserId, kept: &str) -> Result<usize> {
        let kept = kept.to_owned();
        self.act(
            move |connection, _| access::end_other_sessions(connection, user, &kept),
            move |ended| (*ended > 0).then(|| Act::user(user, Action::OthersLoggedOut)),
        )
        .await
    }

    async fn set_preferences(&self, user: UserId, preferences: Preferences) -> Result<bool> {
        self.act(
            move |connection, _| access::set_preferences(connection, user, &preferences),
            move |done| done.then(|| Act::user(user, Action::PreferencesChanged)),
        )
        .await
    }

    async fn create_api_key(&self, key: NewApiKey, now: Timestamp) -> Result<Option<ApiKey>> {
        self.act(
            move |connection, _| access::create_api_key(connection, &key, now),
            |made| made.as_ref().map(Act::key_made),
        )
        .await
    }

    async fn api_keys(&self, owner: UserId) -> Result<Vec<ApiKey>> {
        self.peek(move |connection, _| access::api_keys(connection, owner)).await
    }

    async fn delete_api_key(&self, owner: UserId, id: ApiKeyId) -> Result<bool> {
        let deleted = self.act(
            move |connection, _| access::delete_api_key(connection, owner, id),
            move |name| name.clone().map(|name| Act::key(owner, Action::Deleted, id, name)),
        );
        Ok(deleted.await?.is_some())
    }

    async fn api_key_user(&self, hash: &KeyHash, now: Timestamp) -> Result<Option<(User, ApiKey)>> {
        let hash = *hash;
        self.peek(move |connection, _| access::api_key_user(connection, &hash, now)).await
    }

    async fn touch_api_key(&self, id: ApiKeyId, now: Timestamp) -> Result<()> {
        self.writer.submit(move |connection, _| access::touch_api_key(connection, id, now)).await
    }

    async fn create_trigger(&self, new: NewTrigger, now: Timestamp) -> Result<std::result::Result<Armed, Missing>> {
        let (shared, by) = (Arc::clone(&self.shared), self.by());
        self.act(
            move |connection, effects| trigger::create(connection, effects, &shared, &new, &by, now),
            |made| made.as_ref().ok().map(|armed| Act::trigger_made(&armed.trigger)),
        )
        .await
    }

    async fn create_triggers(&self, triggers: Vec<NewTrigger>, now: Timestamp) -> Vec<Result<Made>> {
        let create = |new: Arc<[NewTrigger]>| {
            let (shared, author) = (Arc::clone(&self.shared), self.author.clone());
            self.writer.submit(move |connection, effects| {
                trigger::create_many(connection, effects, &shared, &new, author.as_deref(), now)
            })
        };
        together_or_alone(triggers, create).await
    }

    async fn owner_of(&self, id: TriggerId) -> Result<Option<UserId>> {
        self.peek(move |connection, _| trigger::owner_of(connection, id)).await
    }

    async fn trigger(&self, owner: UserId, id: TriggerId) -> Result<Option<Armed>> {
        self.peek(move |connection, shared| trigger::get(connection, shared, owner, id)).await
    }

    async fn remains(&self, owner: UserId, id: TriggerId) -> Result<Option<Remains>> {
        self.peek(move |connection, shared| trigger::remains(connection, shared, owner, id)).await
    }

    async fn listed_triggers(
        &self,
        owner: UserId,
        after: Option<TriggerId>,
        limit: usize,
    ) -> Result<Vec<Listed<Armed>>> {
        self.scan(move |connection, shared| trigger::list(connection, shared, owner, after, limit)).await
    }

    async fn listed_heads(&self, owner: UserId, limit: usize) -> Result<Vec<Listed<TriggerHead>>> {
        self.scan(move |connection, shared| head::list(connection, shared, owner, limit)).await
    }

    async fn soonest(&self, owner: UserId, limit: usize) -> Result<Vec<TriggerHead>> {
        self.scan(move |connection, shared| head::soonest(connection, shared, owner, limit)).await
    }

    async fn attention(&self, owner: UserId, gone_until: Timestamp, now: Timestamp) -> Result<Attention> {
        self.scan(move |connection, shared| head::attention(connection, shared, owner, gone_until, now)).await
    }

    async fn edit_trigger(&self, edit: Edit, seen: Option<Timestamp>, now: Timestamp) -> Result<Edited> {
        let (by, act, shared) = (self.by(), Act::trigger_edited(&edit), Arc::clone(&self.shared));
        self.act(
            move |connection, effects| trigger::edit(connection, effects, &shared, &edit, seen, &by, now),
            move |edited| (*edited == Edited::Done).then(|| act.clone()),
        )
        .await
    }

    async fn revisions(
        &self,
        owner: UserId,
        id: TriggerId,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Revision>> {
        self.scan(move |connection, shared| revision::list(connection, shared, (owner, id), before, limit)).await
    }

    async fn revision(&self, owner: UserId, id: TriggerId, number: i64) -> Result<Option<Revision>> {
        self.peek(move |connection, shared| revision::get(connection, shared, (owner, id), number)).await
    }

    async fn revision_at(&self, owner: UserId, id: TriggerId, at: Timestamp) -> Result<Option<Revision>> {
        self.peek(move |connection, shared| revision::at(connection, shared, (owner, id), at)).await
    }

    async fn delete_trigger(&self, owner: UserId, id: TriggerId, now: Timestamp) -> Result<bool> {
        let (by, shared) = (self.by(), Arc::clone(&self.shared));
        let deleted = self.act(
            move |connection, effects| trigger::delete((connection, &shared), effects, (owner, id), None, &by, now),
            Option::clone,
        );
        Ok(deleted.await?.is_some())
    }

    async fn deleted_trigger(
        &self,
        owner: UserId,
        id: TriggerId,
        gone_until: Timestamp,
    ) -> Result<Option<DeletedTrigger>> {
        self.peek(move |connection, shared| revision::deleted(connection, shared, (owner, id), gone_until)).await
    }

    async fn delete_done(&self, owner: UserId, id: TriggerId, revision: i64, now: Timestamp) -> Result<bool> {
        let (revision, shared) = (Some(revision), Arc::clone(&self.shared));
        self.writer
            .submit(move |connection, effects| {
                let of = (owner, id);
                let done = trigger::delete((connection, &shared), effects, of, revision, &Actor::SYSTEM, now)?;
                done.as_ref().map_or(Ok(()), |act| act::write_own(connection, act, now))?;
                Ok(done.is_some())
            })
            .await
    }

    async fn fire(&self, owner: UserId, id: TriggerId, call: Call, now: Timestamp) -> Result<Fired> {
        let (shared, author) = (Arc::clone(&self.shared), self.author.clone());
        self.writer
            .submit(move |connection, effects| {
                event::fire(connection, effects, &shared, (owner, id), &call, author.as_deref(), now)
            })
            .await
    }

    async fn fire_many(&self, owner: UserId, calls: Vec<(TriggerId, Call)>, now: Timestamp) -> Vec<Result<Fired>> {
        let fire = |calls: Arc<[(TriggerId, Call)]>| {
            let (shared, author) = (Arc::clone(&self.shared), self.author.clone());
            self.writer.submit(move |connection, effects| {
                event::fire_many(connection, effects, &shared, owner, &calls, author.as_deref(), now)
            })
        };
        together_or_alone(calls, fire).await
    }

    async fn fire_again(
        &self,
        owner: UserId,
        repeat: Repeat,
        gone_until: Timestamp,
        now: Timestamp,
    ) -> Result<FiredAgain> {
        let (shared, author) = (Arc::clone(&self.shared), self.author.clone());
        self.writer
            .submit(move |connection, effects| match event::get(connection, owner, repeat.event, gone_until)? {
                Some((parent, _)) => {
                    event::fire_again(connection, effects, &shared, parent, repeat, author.as_deref(), now)
                }
                None => Ok(FiredAgain::NotFound),
            })
            .await
    }

    async fn fire_unkept(
        &self,
        owner: UserId,
        trial: Trial,
        message_id: MessageId,
        now: Timestamp,
    ) -> Result<std::result::Result<TriggerId, Missing>> {
        let (shared, trial) = (Arc::clone(&self.shared), Arc::new(trial));
        let tried = Arc::clone(&trial);
        let fired = self.act(
            move |connection, effects| event::fire_unkept(connection, effects, &shared, owner, &trial, message_id, now),
            move |fired| fired.as_ref().ok().map(|(id, event)| Act::tried_out(owner, &tried, *id, *event)),
        );
        Ok(fired.await?.map(|(id, _)| id))
    }

    async fn once(&self, owner: UserId, deeds: Vec<(Keyed, Deed)>, now: Timestamp) -> Vec<Result<Done>> {
        let once = |deeds: Arc<[(Keyed, Deed)]>| {
            let (shared, author) = (Arc::clone(&self.shared), self.author.clone());
            self.writer.submit(move |connection, effects| {
                idempotency::once(connection, effects, &shared, owner, &deeds, author.as_deref(), now)
            })
        };
        together_or_alone(deeds, once).await
    }

    async fn recall(&self, owner: UserId, key: &Key, now: Timestamp) -> Result<Vec<Remembered>> {
        let key = key.clone();
        self.peek(move |connection, _| idempotency::recall(connection, owner, &key, now)).await
    }

    async fn begin_once(&self, owner: UserId, keyed: Keyed, now: Timestamp) -> Result<Begun> {
        self.writer.submit(move |connection, _| idempotency::begin_once(connection, owner, &keyed, now)).await
    }

    async fn end_once(&self, owner: UserId, keyed: Keyed, answer: Option<Answer>) -> Result<()> {
        self.writer.submit(move |connection, _| idempotency::end_once(connection, owner, &keyed, answer.as_ref())).await
    }

    async fn skipped(&self, owner: UserId, id: TriggerId, limit: usize) -> Result<Vec<SkippedView>> {
        self.scan(move |connection, _| trigger::skipped(connection, owner, id, limit)).await
    }

    async fn ledger(
        &self,
        owner: UserId,
        id: TriggerId,
        span: Span,
        gone_until: Timestamp,
        limit: usize,
    ) -> Result<Option<Ledger>> {
        self.scan(move |connection, _| {
            in_one_moment(connection, || ledger::read(connection, owner, id, span, gone_until, limit))
        })
        .await
    }

    async fn create_calendar(
        &self,
        owner: UserId,
        definition: CalendarDefinition,
        now: Timestamp,
    ) -> Result<CalendarMade> {
        self.act(
            move |connection, _| calendar::create(connection, owner, &definition, now),
            move |made| match made {
                CalendarMade::Done(made) => {
                    Some(Act::calendar(owner, Action::Created, made.id, made.definition.name.clone()))
                }
                _ => None,
            },
        )
        .await
    }

    async fn calendar(&self, owner: UserId, id: CalendarId) -> Result<Option<CalendarView>> {
        self.peek(move |connection, _| calendar::get(connection, owner, id)).await
    }

    async fn calendars(&self, owner: UserId) -> Result<Vec<CalendarView>> {
        self.scan(move |connection, _| calendar::list(connection, owner)).await
    }

    async fn calendar_triggers(&self, owner: UserId, id: CalendarId, limit: usize) -> Result<Vec<Armed>> {
        Ok(self.scan(move |connection, shared| calendar::triggers(connection, shared, (owner, id), limit)).await?.0)
    }

    async fn calendar_backlogs(&self, owner: UserId, id: CalendarId) -> Result<BTreeMap<TriggerId, u64>> {
        self.scan(move |connection, _| calendar::backlogs(connection, owner, id)).await
    }

    async fn edit_calendar(
        &self,
        seen: Calendar,
        definition: CalendarDefinition,
        now: Timestamp,
    ) -> Result<CalendarEdited> {
        let (shared, by) = (Arc::clone(&self.shared), self.by());
        self.act(
            move |connection, effects| calendar::edit(connection, effects, &shared, &seen, &definition, &by, now),
            CalendarEdited::act,
        )
        .await
    }

    async fn delete_calendar(&self, owner: UserId, id: CalendarId) -> Result<Deleted> {
        let deleted = self.act(
            move |connection, _| calendar::delete(connection, owner, id),
            move |(_, name)| name.clone().map(|name| Act::calendar(owner, Action::Deleted, id, name)),
        );
        Ok(deleted.await?.0)
    }

    async fn create_destination(
        &self,
        owner: UserId,
        definition: DestinationDefinition,
        now: Timestamp,
    ) -> Result<Option<Destination>> {
        self.act(
            move |connection, effects| destination::create(connection, effects, owner, &definition, now),
            move |made| {
                let made = made.as_ref()?;
                Some(Act::destination(owner, Action::Created, made.id, made.definition.name.clone()))
            },
        )
        .await
    }

    async fn destination(&self, owner: UserId, id: DestinationId) -> Result<Option<Destination>> {
        self.peek(move |connection, _| destination::get(connection, owner, id)).await
    }

    async fn destinations(
        &self,
        owner: UserId,
        after: Option<DestinationId>,
        limit: usize,
    ) -> Result<Vec<Destination>> {
        self.scan(move |connection, _| destination::list(connection, owner, after, limit)).await
    }

    async fn destination_heads(&self, owner: UserId, wanted: Wanted) -> Result<Vec<DestinationHead>> {
        self.scan(move |connection, _| destination::heads(connection, owner, &wanted)).await
    }

    async fn edit_destination(
        &self,
        owner: UserId,
        id: DestinationId,
        seen: i64,
        definition: DestinationDefinition,
    ) -> Result<Edited> {
        let act = Act::destination(owner, Action::Edited, id, definition.name.clone());
        self.act(
            move |connection, effects| destination::edit(connection, effects, owner, id, seen, &definition),
            move |edited| (*edited == Edited::Done).then(|| act.clone()),
        )
        .await
    }

    async fn set_standing(&self, owner: UserId, id: DestinationId, standing: Standing, now: Timestamp) -> Result<bool> {
        let done = self.act(
            move |connection, effects| destination::set_standing(connection, effects, owner, id, &standing, now),
            Option::clone,
        );
        Ok(done.await?.is_some())
    }

    async fn delete_destination(&self, owner: UserId, id: DestinationId, now: Timestamp) -> Result<Deleted> {
        let deleted = self.act(
            move |connection, effects| destination::delete(connection, effects, owner, id, now),
            |(_, act)| act.clone(),
        );
        Ok(deleted.await?.0)
    }

    async fn suspend_destination(
        &self,
        id: DestinationId,
        seen: i64,
        reason: &str,
        told_by: Option<MessageId>,
        now: Timestamp,
    ) -> Result<bool> {
        let (reason, shared) = (reason.to_owned(), Arc::clone(&self.shared));
        self.writer
            .submit(move |connection, effects| {
                destination::suspend(connection, effects, &shared, id, seen, &reason, told_by, now)
            })
            .await
    }

    async fn streaks(&self, owner: UserId) -> Result<Vec<(DestinationId, Streak)>> {
        self.peek(move |connection, _| streak::list(connection, owner)).await
    }

    async fn take_turns(&self, id: DestinationId, rate: Rate, wanted: usize, now: Timestamp) -> Result<Turns> {
        self.writer.submit(move |connection, _| turn::take(connection, id, rate, wanted, now)).await
    }

    async fn destinations_to_send_to(&self, ids: Vec<DestinationId>) -> Result<Vec<Destination>> {
        self.peek(move |connection, _| destination::to_send_to(connection, &ids)).await
    }

    async fn destination_uses(&self, owner: UserId, ids: Vec<DestinationId>) -> Result<Vec<u64>> {
        self.scan(move |connection, _| destination::uses(connection, owner, &ids)).await
    }

    async fn arrive(&self, owner: UserId, arrived: Arrived, contents: Contents) -> Result<bool> {
        self.writer
            .submit(move |connection, effects| arrival::arrive(connection, effects, owner, &arrived, &contents))
            .await
    }

    async fn arrivals(
        &self,
        owner: UserId,
        destination: DestinationId,
        before: Option<ArrivalId>,
        limit: usize,
    ) -> Result<Vec<Arrival>> {
        self.scan(move |connection, _| arrival::list(connection, owner, destination, before, limit)).await
    }

    async fn arrival(&self, owner: UserId, id: ArrivalId) -> Result<Option<(Arrival, Contents)>> {
        self.peek(move |connection, _| arrival::get(connection, owner, id)).await
    }

    async fn begin_presence(&self, now: Timestamp) -> Result<Vec<Absence>> {
        let last = self.shared.presence.last_sign_of_life();
        let absences =
            self.writer.submit(move |connection, effects| presence::begin(connection, effects, last, now)).await?;
        self.shared.presence.begin(now);
        Ok(absences)
    }

    async fn absences(&self, span: Span) -> Result<Vec<Absence>> {
        self.peek(move |connection, _| presence::absences(connection, span, ABSENCES_TOLD_MAX)).await
    }

    fn sign_of_life(&self, now: Timestamp) {
        self.shared.presence.note(now);
    }

    async fn next_due(&self) -> Result<Option<Timestamp>> {
        self.peek(|connection, _| trigger::next_due(connection)).await
    }

    async fn due_behind(&self, place: DuePlace, now: Timestamp, limit: usize) -> Result<DueSlice> {
        self.peek(move |connection, shared| trigger::due_behind(connection, shared, place, now, limit)).await
    }

    async fn commit_plans(&self, plans: Vec<Planned>, now: Timestamp) -> Result<Committed> {
        let shared = Arc::clone(&self.shared);
        self.writer
            .submit(move |connection, effects| event::commit_plans(connection, effects, &shared, &plans, now))
            .await
    }

    async fn events_before(&self, triggers: Vec<(UserId, TriggerId)>) -> Result<Vec<Before>> {
        self.peek(move |connection, _| overlap::events_before(connection, &triggers)).await
    }

    async fn backlogs(&self, owner: UserId, after: Option<BacklogId>, limit: usize) -> Result<Vec<BacklogView>> {
        self.scan(move |connection, _| backlog::list(connection, owner, after, limit)).await
    }

    async fn backlog(&self, owner: UserId, id: BacklogId) -> Result<Option<BacklogView>> {
        self.peek(move |connection, _| backlog::one(connection, owner, id)).await
    }

    async fn backlog_sums(&self, owner: UserId, trigger: Option<TriggerId>) -> Result<BacklogSums> {
        self.scan(move |connection, _| backlog::sums(connection, Some(owner), trigger)).await
    }

    async fn backlog_turns(&self, after: Option<UserId>, owners: usize, of_each: usize) -> Result<BacklogTurns> {
        self.peek(move |connection, shared| backlog::turns(connection, shared, after, owners, of_each)).await
    }

    async fn drain(&self, drained: Drained, now: Timestamp) -> Result<Option<usize>> {
        let shared = Arc::clone(&self.shared);
        self.writer.submit(move |connection, effects| backlog::drain(connection, effects, &shared, &drained, now)).await
    }

    async fn release_backlogs(&self, owner: UserId, id: Option<BacklogId>, now: Timestamp) -> Result<Touched> {
        self.act(
            move |connection, effects| backlog::release(connection, effects, owner, id, now),
            move |touched| Act::backlogs(owner, Action::Released, touched),
        )
        .await
    }

    async fn discard_backlogs(&self, owner: UserId, id: Option<BacklogId>, now: Timestamp) -> Result<Touched> {
        self.act(
            move |connection, effects| backlog::discard(connection, effects, owner, id, now),
            move |touched| Act::backlogs(owner, Action::Discarded, touched),
        )
        .await
    }

    async fn discard_old_backlogs(&self, now: Timestamp) -> Result<Touched> {
        self.writer.submit(move |connection, effects| backlog::discard_old(connection, effects, now)).await
    }

    async fn expire_backlogs(&self, id: Option<BacklogId>, now: Timestamp) -> Result<Touched> {
        // All of them are looked through beside the writer, which has something to do with hardly any.
        if id.is_none() && !self.scan(move |connection, _| backlog::has_expired(connection, now)).await? {
            return Ok(Touched::default());
        }
        self.writer.submit(move |connection, effects| backlog::expire(connection, effects, id, now)).await
    }

    async fn backfill(&self, new: NewBacklog, now: Timestamp) -> Result<Option<BacklogView>> {
        let by = self.by();
        self.act(
            move |connection, effects| backlog::backfill(connection, effects, &new, &by, now),
            |made| made.as_ref().map(Act::backfilled),
        )
        .await
    }

    async fn freeze(&self, scope: Option<UserId>, said: Said, now: Timestamp) -> Result<Freeze> {
        let by = self.by();
        self.act(
            move |connection, effects| freeze::freeze(connection, effects, scope, &said, &by, now),
            |freeze| Some(Act::frozen(freeze)),
        )
        .await
    }

    async fn thaw(&self, scope: Option<UserId>, now: Timestamp) -> Result<Option<Freeze>> {
        self.act(
            move |connection, effects| freeze::thaw(connection, effects, scope, now),
            |freeze| freeze.as_ref().map(Act::thawed),
        )
        .await
    }

    async fn note_ends(&self, now: Timestamp, limit: usize) -> Result<usize> {
        // It is asked again and again, and there is hardly ever any: so the writer is left alone.
        if !self.peek(move |connection, _| ending::has_any(connection, now)).await? {
            return Ok(0);
        }
        let shared = Arc::clone(&self.shared);
        self.writer.submit(move |connection, _| ending::note(connection, &shared, now, limit)).await
    }

    async fn freezes_of(&self, owner: UserId, since: Timestamp) -> Result<Vec<Freeze>> {
        self.peek(move |connection, _| freeze::list(connection, Some(owner), since)).await
    }

    async fn freezes(&self, since: Timestamp) -> Result<Freezes> {
        self.peek(move |connection, _| freeze::all(connection, since)).await
    }

    async fn inspect(&self, after: Option<TriggerId>, limit: usize) -> Result<Inspection> {
        self.scan(move |connection, shared| audit::inspect(connection, shared, after, limit)).await
    }

    async fn accounted_until(&self, triggers: Vec<(UserId, TriggerId)>) -> Result<Vec<Option<Timestamp>>> {
        self.scan(move |connection, _| audit::accounted_until(connection, &triggers)).await
    }

    async fn accounts(&self, asked: Vec<Asked>) -> Result<Vec<Account>> {
        self.scan(move |connection, _| audit::accounts(connection, &asked)).await
    }

    async fn fired_within(&self, asked: Vec<Asked>) -> Result<Vec<bool>> {
        self.scan(move |connection, _| audit::fired_within(connection, &asked)).await
    }

    async fn rearm(&self, repair: Repair) -> Result<bool> {
        self.writer.submit(move |connection, effects| audit::rearm(connection, effects, repair)).await
    }

    async fn use_zone_data(&self, release: &str, now: Timestamp) -> Result<ZoneData> {
        let release = release.to_owned();
        self.writer.submit(move |connection, _| audit::use_zone_data(connection, &release, now)).await
    }

    async fn next_owed(&self) -> Result<Option<Timestamp>> {
        if let Some(claim) = self.shared.fresh().front() {
            return Ok(Some(claim.event.fired_at));
        }
        self.peek(|connection, _| delivery::next_owed(connection)).await
    }

    async fn claim_deliveries(&self, now: Timestamp, limit: usize) -> Result<Vec<Claim>> {
        let mut claims = delivery::take_fresh(&self.shared, now, limit);
        if claims.len() == limit {
            return Ok(claims);
        }
        match self.claim_what_is_due(now, limit - claims.len()).await {
            Ok(others) => claims.extend(others),
            Err(error) if claims.is_empty() => return Err(error),
            // What came from memory is claimed, and would not be given out again before the claim lapses.
            Err(error) => tracing::debug!(%error, "the table of what is owed could not be looked at"),
        }
        Ok(claims)
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        self.writer
            .submit(move |connection, effects| delivery::settle(connection, effects, &shared, &settlements))
            .await
    }

    async fn undelivered(
        &self,
        owner: UserId,
        filter: UndeliveredFilter,
        gone_until: Timestamp,
        after: Option<UndeliveredPlace>,
        limit: usize,
    ) -> Result<Vec<Undelivered>> {
        self.scan(move |connection, _| view::undelivered(connection, owner, &filter, gone_until, after, limit)).await
    }

    async fn count_undelivered(
        &self,
        owner: UserId,
        filter: UndeliveredFilter,
        gone_until: Timestamp,
        at_most: u64,
    ) -> Result<u64> {
        self.scan(move |connection, _| view::count_undelivered(connection, owner, &filter, gone_until, at_most)).await
    }

    async fn redeliver(
        &self,
        owner: UserId,
        deliveries: Vec<DeliveryId>,
        retention: Retention,
        now: Timestamp,
    ) -> Result<Vec<std::result::Result<(), Refusal>>> {
        let shared = Arc::clone(&self.shared);
        let named = deliveries.clone();
        self.act(
            move |connection, effects| {
                redelivery::redeliver(connection, effects, &shared, owner, &deliveries, retention, now)
            },
            move |outcomes| Act::redelivered(owner, &named, outcomes),
        )
        .await
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
        let shared = Arc::clone(&self.shared);
        let (limit, over_until) = (limit.min(SLICE_MAX), over_until(retention.keep_for, now));
        self.act(
            move |connection, effects| {
                let found = view::undelivered(connection, owner, &filter, over_until, after, limit)?;
                let deliveries: Vec<DeliveryId> = found.iter().map(|one| one.place.delivery()).collect();
                let outcomes = redelivery::redeliver(connection, effects, &shared, owner, &deliveries, retention, now)?;
                Ok(Redelivered::of(&found, &outcomes, limit))
            },
            move |sent| Act::matching_redelivered(owner, sent.redelivered as u64),
        )
        .await
    }

    async fn cancel_delivery(
        &self,
        owner: UserId,
        delivery: DeliveryId,
        gone_until: Timestamp,
        now: Timestamp,
    ) -> Result<std::result::Result<(), CancelRefusal>> {
        let shared = Arc::clone(&self.shared);
        self.act(
            move |connection, effects| {
                redelivery::cancel_delivery(connection, effects, &shared, owner, delivery, gone_until, now)
            },
            move |cancelled| cancelled.is_ok().then(|| Act::delivery(owner, Action::Cancelled, delivery)),
        )
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
        self.peek(move |connection, _| receipt::get(connection, owner, (event, slot), number, gone_until)).await
    }

    async fn owed_counts(&self) -> Result<OwedCounts> {
        self.scan(|connection, _| delivery::owed_counts(connection)).await
    }

    async fn all_backlog_sums(&self) -> Result<BacklogSums> {
        self.scan(|connection, _| backlog::sums(connection, None, None)).await
    }

    async fn due_counts(&self, now: Timestamp) -> Result<DueCounts> {
        self.scan(move |connection, _| trigger::due_counts(connection, now)).await
    }

    fn note_work(&self, work: Work) {
        self.shared.presence.note_work(work);
    }

    async fn nodes(&self) -> Result<Vec<NodeView>> {
        Ok(self.shared.presence.node(&self.shared.settings.identity).into_iter().collect())
    }

    async fn event(
        &self,
        owner: UserId,
        id: EventId,
        gone_until: Timestamp,
    ) -> Result<Option<(Event, Vec<DeliveryView>)>> {
        self.peek(move |connection, _| event::get(connection, owner, id, gone_until)).await
    }

    async fn events(&self, owner: UserId, filter: EventFilter, page: EventPage, limit: usize) -> Result<Vec<Event>> {
        self.scan(move |connection, _| event::list(connection, owner, filter, page, limit)).await
    }

    async fn event_counts(&self, owner: UserId, gone_until: Timestamp) -> Result<Vec<EventCount>> {
        self.scan(move |connection, _| event::counts(connection, owner, gone_until)).await
    }

    async fn event_lines(
        &self,
        owner: UserId,
        search: EventSearch,
        page: EventPage,
        limit: usize,
    ) -> Result<EventLines> {
        self.scan(move |connection, _| search::event_lines(connection, owner, &search, page, limit)).await
    }

    async fn events_logged_after(
        &self,
        owner: UserId,
        search: EventSearch,
        after: EventId,
        limit: usize,
    ) -> Result<EventLines> {
        self.scan(move |connection, _| search::events_logged_after(connection, owner, &search, after, limit)).await
    }

    async fn count_events(&self, owner: UserId, filters: Vec<EventFilter>, at_most: u64) -> Result<Vec<u64>> {
        self.scan(move |connection, _| search::count(connection, owner, &filters, at_most)).await
    }

    async fn report_run(
        &self,
        event: EventId,
        fired_at: Timestamp,
        report: Report,
        gone_until: Timestamp,
        now: Timestamp,
    ) -> Result<Reported> {
        let shared = Arc::clone(&self.shared);
        self.writer
            .submit(move |connection, effects| {
                run::report(connection, effects, &shared, event, fired_at, &report, gone_until, now)
            })
            .await
    }

    async fn lapse_runs(&self, gone_until: Timestamp, now: Timestamp, limit: usize) -> Result<Lapsed> {
        let next_at = self.peek(|connection, _| run::next_due(connection)).await?;
        if next_at.is_none_or(|next_at| next_at > now) {
            return Ok(Lapsed { overdue: 0, next_at });
        }
        let shared = Arc::clone(&self.shared);
        self.writer
            .submit(move |connection, effects| run::lapse(connection, effects, &shared, gone_until, now, limit))
            .await
    }

    async fn runs(&self, owner: UserId, events: Vec<EventId>, gone_until: Timestamp) -> Result<Vec<RunOf>> {
        self.scan(move |connection, _| run::of_events(connection, owner, &events, gone_until)).await
    }

    async fn latest_runs(
        &self,
        owner: UserId,
        trigger: TriggerId,
        gone_until: Timestamp,
        limit: usize,
    ) -> Result<Vec<RunOf>> {
        self.scan(move |connection, _| run::latest(connection, owner, trigger, gone_until, limit)).await
    }

    async fn hour_counts(
        &self,
        owner: UserId,
        trigger: Option<TriggerId>,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<HourCount>> {
        self.scan(move |connection, _| count::hour_counts(connection, owner, trigger, from, until)).await
    }

    async fn skipped_counts(
        &self,
        owner: UserId,
        trigger: Option<TriggerId>,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Skipped>> {
        self.scan(move |connection, _| count::skipped_counts(connection, owner, trigger, from, until)).await
    }

    async fn recent_firings(
        &self,
        owner: UserId,
        triggers: Vec<TriggerId>,
        gone_until: Timestamp,
        limit: usize,
    ) -> Result<Vec<RecentFirings>> {
        self.scan(move |connection, _| {
            in_one_moment(connection, || firing::recent(connection, owner, &triggers, gone_until, limit))
        })
        .await
    }

    async fn gone_firing(
        &self,
        owner: UserId,
        id: EventId,
        gone_until: Timestamp,
    ) -> Result<Option<(TriggerId, Firing)>> {
        self.peek(move |connection, _| {
            in_one_moment(connection, || firing::gone_firing(connection, owner, id, gone_until))
        })
        .await
    }

    async fn note_act(&self, act: Act) -> Result<()> {
        self.act(|_, _| Ok(()), move |()| Some(act.clone())).await
    }

    async fn acts(&self, filter: ActFilter, before: Option<i64>, limit: usize) -> Result<Vec<Entry>> {
        self.scan(move |connection, _| act::list(connection, &filter, before, limit)).await
    }

    async fn expire(&self, gone_until: Timestamp, now: Timestamp, limit: usize) -> Result<Expired> {
        let shared = Arc::clone(&self.shared);
        self.writer
            .submit(move |connection, effects| retention::expire(connection, effects, &shared, gone_until, now, limit))
            .await
    }

    async fn note_retention(&self, retention: Retention) -> Result<()> {
        self.writer.submit(move |connection, _| retention::note(connection, retention)).await
    }

    async fn retention(&self) -> Result<Option<Retention>> {
        self.peek(|connection, _| retention::noted(connection)).await
    }
}
