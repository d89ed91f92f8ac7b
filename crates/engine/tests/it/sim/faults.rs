//! A store that now and then refuses, or does what it is asked and loses the answer. It wraps the reference model and
//! strikes only where the engine calls; what it does not strike passes unchanged.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::Timestamp;
use oncue_domain::access::{ApiKey, KeyHash, Preferences, Registration, Session, User};
use oncue_domain::act::{Act, ActFilter, Entry};
use oncue_domain::actor::Author;
use oncue_domain::agenda::Span;
use oncue_domain::arrival::{Arrival, Arrived, Contents};
use oncue_domain::audit::{Account, Asked, Repair, ZoneData};
use oncue_domain::backlog::{Drained, NewBacklog};
use oncue_domain::calendar::{self, Calendar};
use oncue_domain::count::HourCount;
use oncue_domain::delivery::{Claim, Settlement};
use oncue_domain::destination::alert::Streak;
use oncue_domain::destination::definition::{Rate, Turns};
use oncue_domain::destination::{self, Destination, DestinationHead, Standing, Wanted};
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
use oncue_domain::redelivery::{CancelRefusal, DeliveryId, Refusal};
use oncue_domain::revision::Revision;
use oncue_domain::run::Report;
use oncue_domain::store::memory::Memory;
use oncue_domain::store::{
    Attention, BacklogSums, BacklogTurns, BacklogView, Begun, CalendarEdited, CalendarMade, CalendarView, Call,
    Committed, Deed, Deleted, DeletedTrigger, DeliveryView, Done, DueCounts, DuePlace, DueSlice, Edited, Error,
    EventCount, EventFilter, EventLines, EventPage, EventSearch, Expired, Fired, FiredAgain, Inspection, Lapsed,
    Ledger, Listener, Missing, NewApiKey, NewTrigger, NewUser, OwedCounts, Planned, RecentFirings, Redelivered,
    Registered, Repeat, Reported, Result, RunOf, SkippedView, Store, Touched, Trial, Undelivered, UndeliveredFilter,
    UndeliveredPlace,
};
use oncue_domain::trigger::{Armed, Edit, Listed, Remains, TriggerHead};

use super::chance::Chance;

/// The reference model behind a bad connection.
pub(super) struct Faults {
    memory: Arc<Memory>,
    chance: Mutex<Chance>,
    is_calm: AtomicBool,
    /// Somebody is at every trigger that is done.
    is_held: AtomicBool,
    refused: AtomicU64,
    lost: AtomicU64,
}

impl Faults {
    pub(super) fn new(memory: Arc<Memory>, chance: Chance) -> Faults {
        let (is_calm, is_held) = (AtomicBool::new(false), AtomicBool::new(false));
        let (refused, lost) = (AtomicU64::new(0), AtomicU64::new(0));
        Faults { memory, chance: Mutex::new(chance), is_calm, is_held, refused, lost }
    }

    /// Nothing goes wrong from now on.
    pub(super) fn calm_down(&self) {
        self.is_calm.store(true, Ordering::Relaxed);
    }

    /// Somebody is at every trigger that is done from now on, or nobody is any more.
    pub(super) fn hold(&self, is_held: bool) {
        self.is_held.store(is_held, Ordering::Relaxed);
    }

    /// How many calls were refused, and how many answers were lost.
    pub(super) fn struck(&self) -> (u64, u64) {
        (self.refused.load(Ordering::Relaxed), self.lost.load(Ordering::Relaxed))
    }

    fn strikes(&self, times: i64) -> bool {
        !self.is_calm.load(Ordering::Relaxed) && self.chance.lock().expect("no panic").once_in(times)
    }

    /// Nothing happens.
    fn refuse(&self) -> Result<()> {
        if self.strikes(25) {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(Error::Unavailable("refused by the simulation".to_owned()));
        }
        Ok(())
    }

    /// It happened, but who asked does not learn it.
    fn lose<T>(&self, answer: Result<T>) -> Result<T> {
        if self.strikes(25) {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return Err(Error::Unavailable("the simulation lost the answer".to_owned()));
        }
        answer
    }
}

#[async_trait]
impl Store for Faults {
    fn acting(&self, author: Author) -> Arc<dyn Store> {
        self.memory.acting(author)
    }

    async fn begin_presence(&self, now: Timestamp) -> Result<Vec<Absence>> {
        self.refuse()?;
        let answer = self.memory.begin_presence(now).await;
        self.lose(answer)
    }

    async fn absences(&self, span: Span) -> Result<Vec<Absence>> {
        self.memory.absences(span).await
    }

    fn sign_of_life(&self, now: Timestamp) {
        self.memory.sign_of_life(now);
    }

    async fn next_due(&self) -> Result<Option<Timestamp>> {
        self.refuse()?;
        self.memory.next_due().await
    }

    async fn due_behind(&self, place: DuePlace, now: Timestamp, limit: usize) -> Result<DueSlice> {
        self.refuse()?;
        self.memory.due_behind(place, now, limit).await
    }

    async fn commit_plans(&self, plans: Vec<Planned>, now: Timestamp) -> Result<Committed> {
        self.refuse()?;
        let answer = self.memory.commit_plans(plans, now).await;
        self.lose(answer)
    }

    async fn events_before(&self, triggers: Vec<(UserId, TriggerId)>) -> Result<Vec<Before>> {
        self.refuse()?;
        self.memory.events_before(triggers).await
    }

    async fn backlogs(&self, owner: UserId, after: Option<BacklogId>, limit: usize) -> Result<Vec<BacklogView>> {
        self.memory.backlogs(owner, after, limit).await
    }

    async fn backlog(&self, owner: UserId, id: BacklogId) -> Result<Option<BacklogView>> {
        self.memory.backlog(owner, id).await
    }

    async fn backlog_sums(&self, owner: UserId, trigger: Option<TriggerId>) -> Result<BacklogSums> {
        self.memory.backlog_sums(owner, trigger).await
    }

    async fn backlog_turns(&self, after: Option<UserId>, owners: usize, of_each: usize) -> Result<BacklogTurns> {
        self.refuse()?;
        self.memory.backlog_turns(after, owners, of_each).await
    }

    async fn drain(&self, drained: Drained, now: Timestamp) -> Result<Option<usize>> {
        self.refuse()?;
        let answer = self.memory.drain(drained, now).await;
        self.lose(answer)
    }

    async fn release_backlogs(&self, owner: UserId, id: Option<BacklogId>, now: Timestamp) -> Result<Touched> {
        self.memory.release_backlogs(owner, id, now).await
    }

    async fn discard_backlogs(&self, owner: UserId, id: Option<BacklogId>, now: Timestamp) -> Result<Touched> {
        self.memory.discard_backlogs(owner, id, now).await
    }

    async fn discard_old_backlogs(&self, now: Timestamp) -> Result<Touched> {
        self.refuse()?;
        self.memory.discard_old_backlogs(now).await
    }

    async fn expire_backlogs(&self, id: Option<BacklogId>, now: Timestamp) -> Result<Touched> {
        self.refuse()?;
        let answer = self.memory.expire_backlogs(id, now).await;
        self.lose(answer)
    }

    async fn backfill(&self, new: NewBacklog, now: Timestamp) -> Result<Option<BacklogView>> {
        self.memory.backfill(new, now).await
    }

    async fn freeze(&self, scope: Option<UserId>, said: Said, now: Timestamp) -> Result<Freeze> {
        self.memory.freeze(scope, said, now).await
    }

    async fn thaw(&self, scope: Option<UserId>, now: Timestamp) -> Result<Option<Freeze>> {
        self.memory.thaw(scope, now).await
    }

    async fn note_ends(&self, now: Timestamp, limit: usize) -> Result<usize> {
        self.refuse()?;
        let answer = self.memory.note_ends(now, limit).await;
        self.lose(answer)
    }

    async fn freezes_of(&self, owner: UserId, since: Timestamp) -> Result<Vec<Freeze>> {
        self.memory.freezes_of(owner, since).await
    }

    async fn freezes(&self, since: Timestamp) -> Result<Freezes> {
        self.refuse()?;
        self.memory.freezes(since).await
    }

    async fn inspect(&self, after: Option<TriggerId>, limit: usize) -> Result<Inspection> {
        self.refuse()?;
        self.memory.inspect(after, limit).await
    }

    async fn accounted_until(&self, triggers: Vec<(UserId, TriggerId)>) -> Result<Vec<Option<Timestamp>>> {
        self.refuse()?;
        self.memory.accounted_until(triggers).await
    }

    async fn accounts(&self, asked: Vec<Asked>) -> Result<Vec<Account>> {
        self.refuse()?;
        self.memory.accounts(asked).await
    }

    async fn fired_within(&self, asked: Vec<Asked>) -> Result<Vec<bool>> {
        self.refuse()?;
        self.memory.fired_within(asked).await
    }

    async fn rearm(&self, repair: Repair) -> Result<bool> {
        self.refuse()?;
        let answer = self.memory.rearm(repair).await;
        self.lose(answer)
    }

    async fn use_zone_data(&self, release: &str, now: Timestamp) -> Result<ZoneData> {
        self.refuse()?;
        self.memory.use_zone_data(release, now).await
    }

    async fn next_owed(&self) -> Result<Option<Timestamp>> {
        self.refuse()?;
        self.memory.next_owed().await
    }

    async fn claim_deliveries(&self, now: Timestamp, limit: usize) -> Result<Vec<Claim>> {
        self.refuse()?;
        let answer = self.memory.claim_deliveries(now, limit).await;
        self.lose(answer)
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<()> {
        self.refuse()?;
        let answer = self.memory.settle(settlements).await;
        self.lose(answer)
    }

    async fn destinations_to_send_to(&self, ids: Vec<DestinationId>) -> Result<Vec<Destination>> {
        self.refuse()?;
        self.memory.destinations_to_send_to(ids).await
    }

    async fn destination_uses(&self, owner: UserId, ids: Vec<DestinationId>) -> Result<Vec<u64>> {
        self.refuse()?;
        self.memory.destination_uses(owner, ids).await
    }

    async fn take_turns(&self, id: DestinationId, rate: Rate, wanted: usize, now: Timestamp) -> Result<Turns> {
        self.refuse()?;
        let answer = self.memory.take_turns(id, rate, wanted, now).await;
        self.lose(answer)
    }

    async fn suspend_destination(
        &self,
        id: DestinationId,
        seen: i64,
        reason: &str,
        told_by: Option<MessageId>,
        now: Timestamp,
    ) -> Result<bool> {
        self.refuse()?;
        let answer = self.memory.suspend_destination(id, seen, reason, told_by, now).await;
        self.lose(answer)
    }

    async fn streaks(&self, owner: UserId) -> Result<Vec<(DestinationId, Streak)>> {
        self.memory.streaks(owner).await
    }

    async fn arrive(&self, owner: UserId, arrived: Arrived, contents: Contents) -> Result<bool> {
        self.refuse()?;
        let answer = self.memory.arrive(owner, arrived, contents).await;
        self.lose(answer)
    }

    async fn note_act(&self, act: Act) -> Result<()> {
        self.memory.note_act(act).await
    }

    async fn acts(&self, filter: ActFilter, before: Option<i64>, limit: usize) -> Result<Vec<Entry>> {
        self.memory.acts(filter, before, limit).await
    }

    async fn expire(&self, gone_until: Timestamp, now: Timestamp, limit: usize) -> Result<Expired> {
        self.refuse()?;
        let answer = self.memory.expire(gone_until, now, limit).await;
        self.lose(answer)
    }

    async fn note_retention(&self, retention: Retention) -> Result<()> {
        self.memory.note_retention(retention).await
    }

    async fn retention(&self) -> Result<Option<Retention>> {
        self.memory.retention().await
    }

    fn subscribe(&self, listener: Listener) {
        self.memory.subscribe(listener);
    }

    async fn create_calendar(
        &self,
        owner: UserId,
        definition: calendar::Definition,
        now: Timestamp,
    ) -> Result<CalendarMade> {
        self.memory.create_calendar(owner, definition, now).await
    }

    async fn calendar(&self, owner: UserId, id: CalendarId) -> Result<Option<CalendarView>> {
        self.memory.calendar(owner, id).await
    }

    async fn calendars(&self, owner: UserId) -> Result<Vec<CalendarView>> {
        self.memory.calendars(owner).await
    }

    async fn calendar_triggers(&self, owner: UserId, id: CalendarId, limit: usize) -> Result<Vec<Armed>> {
        self.memory.calendar_triggers(owner, id, limit).await
    }

    async fn calendar_backlogs(&self, owner: UserId, id: CalendarId) -> Result<BTreeMap<TriggerId, u64>> {
        self.memory.calendar_backlogs(owner, id).await
    }

    async fn edit_calendar(
        &self,
        seen: Calendar,
        definition: calendar::Definition,
        now: Timestamp,
    ) -> Result<CalendarEdited> {
        self.memory.edit_calendar(seen, definition, now).await
    }

    async fn delete_calendar(&self, owner: UserId, id: CalendarId) -> Result<Deleted> {
        self.memory.delete_calendar(owner, id).await
    }

    async fn create_destination(
        &self,
        owner: UserId,
        definition: destination::Definition,
        now: Timestamp,
    ) -> Result<Option<Destination>> {
        self.memory.create_destination(owner, definition, now).await
    }

    async fn destination(&self, owner: UserId, id: DestinationId) -> Result<Option<Destination>> {
        self.memory.destination(owner, id).await
    }

    async fn destinations(
        &self,
        owner: UserId,
        after: Option<DestinationId>,
        limit: usize,
    ) -> Result<Vec<Destination>> {
        self.memory.destinations(owner, after, limit).await
    }

    async fn destination_heads(&self, owner: UserId, wanted: Wanted) -> Result<Vec<DestinationHead>> {
        self.memory.destination_heads(owner, wanted).await
    }

    async fn edit_destination(
        &self,
        owner: UserId,
        id: DestinationId,
        seen: i64,
        definition: destination::Definition,
    ) -> Result<Edited> {
        self.memory.edit_destination(owner, id, seen, definition).await
    }

    async fn set_standing(&self, owner: UserId, id: DestinationId, standing: Standing, now: Timestamp) -> Result<bool> {
        self.memory.set_standing(owner, id, standing, now).await
    }

    async fn delete_destination(&self, owner: UserId, id: DestinationId, now: Timestamp) -> Result<Deleted> {
        self.memory.delete_destination(owner, id, now).await
    }

    async fn undelivered(
        &self,
        owner: UserId,
        filter: UndeliveredFilter,
        gone_until: Timestamp,
        after: Option<UndeliveredPlace>,
        limit: usize,
    ) -> Result<Vec<Undelivered>> {
        self.memory.undelivered(owner, filter, gone_until, after, limit).await
    }

    async fn count_undelivered(
        &self,
        owner: UserId,
        filter: UndeliveredFilter,
        gone_until: Timestamp,
        at_most: u64,
    ) -> Result<u64> {
        self.memory.count_undelivered(owner, filter, gone_until, at_most).await
    }

    async fn redeliver(
        &self,
        owner: UserId,
        deliveries: Vec<DeliveryId>,
        retention: Retention,
        now: Timestamp,
    ) -> Result<Vec<std::result::Result<(), Refusal>>> {
        self.memory.redeliver(owner, deliveries, retention, now).await
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
        self.memory.redeliver_matching(owner, filter, after, limit, retention, now).await
    }

    async fn cancel_delivery(
        &self,
        owner: UserId,
        delivery: DeliveryId,
        gone_until: Timestamp,
        now: Timestamp,
    ) -> Result<std::result::Result<(), CancelRefusal>> {
        self.memory.cancel_delivery(owner, delivery, gone_until, now).await
    }

    async fn receipt(
        &self,
        owner: UserId,
        event: EventId,
        slot: u32,
        number: u32,
        gone_until: Timestamp,
    ) -> Result<Option<Receipt>> {
        self.memory.receipt(owner, event, slot, number, gone_until).await
    }

    async fn arrivals(
        &self,
        owner: UserId,
        destination: DestinationId,
        before: Option<ArrivalId>,
        limit: usize,
    ) -> Result<Vec<Arrival>> {
        self.memory.arrivals(owner, destination, before, limit).await
    }

    async fn arrival(&self, owner: UserId, id: ArrivalId) -> Result<Option<(Arrival, Contents)>> {
        self.memory.arrival(owner, id).await
    }

    async fn check(&self) -> Result<()> {
        self.memory.check().await
    }

    async fn register(&self, user: NewUser, rule: Registration, now: Timestamp) -> Result<Registered> {
        self.memory.register(user, rule, now).await
    }

    async fn local_user(&self, now: Timestamp) -> Result<User> {
        self.memory.local_user(now).await
    }

    async fn user_by_email(&self, email: &str) -> Result<Option<(User, String)>> {
        self.memory.user_by_email(email).await
    }

    async fn users(&self) -> Result<Vec<User>> {
        self.memory.users().await
    }

    async fn set_password(&self, user: UserId, password_hash: &str) -> Result<bool> {
        self.memory.set_password(user, password_hash).await
    }

    async fn disable_user(&self, user: UserId, now: Timestamp) -> Result<bool> {
        self.memory.disable_user(user, now).await
    }

    async fn open_session(&self, session: Session) -> Result<()> {
        self.memory.open_session(session).await
    }

    async fn session_user(&self, id: &str, now: Timestamp) -> Result<Option<User>> {
        self.memory.session_user(id, now).await
    }

    async fn end_session(&self, id: &str) -> Result<()> {
        self.memory.end_session(id).await
    }

    async fn create_api_key(&self, key: NewApiKey, now: Timestamp) -> Result<Option<ApiKey>> {
        self.memory.create_api_key(key, now).await
    }

    async fn api_keys(&self, owner: UserId) -> Result<Vec<ApiKey>> {
        self.memory.api_keys(owner).await
    }

    async fn delete_api_key(&self, owner: UserId, id: ApiKeyId) -> Result<bool> {
        self.memory.delete_api_key(owner, id).await
    }

    async fn api_key_user(&self, hash: &KeyHash, now: Timestamp) -> Result<Option<(User, ApiKey)>> {
        self.memory.api_key_user(hash, now).await
    }

    async fn touch_api_key(&self, id: ApiKeyId, now: Timestamp) -> Result<()> {
        self.memory.touch_api_key(id, now).await
    }

    async fn create_trigger(&self, trigger: NewTrigger, now: Timestamp) -> Result<std::result::Result<Armed, Missing>> {
        self.memory.create_trigger(trigger, now).await
    }

    async fn owner_of(&self, id: TriggerId) -> Result<Option<UserId>> {
        self.memory.owner_of(id).await
    }

    async fn trigger(&self, owner: UserId, id: TriggerId) -> Result<Option<Armed>> {
        self.memory.trigger(owner, id).await
    }

    async fn remains(&self, owner: UserId, id: TriggerId) -> Result<Option<Remains>> {
        self.memory.remains(owner, id).await
    }

    async fn listed_triggers(
        &self,
        owner: UserId,
        after: Option<TriggerId>,
        limit: usize,
    ) -> Result<Vec<Listed<Armed>>> {
        self.memory.listed_triggers(owner, after, limit).await
    }

    async fn edit_trigger(&self, edit: Edit, seen: Option<Timestamp>, now: Timestamp) -> Result<Edited> {
        self.memory.edit_trigger(edit, seen, now).await
    }

    async fn revisions(
        &self,
        owner: UserId,
        id: TriggerId,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Revision>> {
        self.memory.revisions(owner, id, before, limit).await
    }

    async fn revision(&self, owner: UserId, id: TriggerId, revision: i64) -> Result<Option<Revision>> {
        self.memory.revision(owner, id, revision).await
    }

    async fn revision_at(&self, owner: UserId, id: TriggerId, at: Timestamp) -> Result<Option<Revision>> {
        self.memory.revision_at(owner, id, at).await
    }

    async fn delete_trigger(&self, owner: UserId, id: TriggerId, now: Timestamp) -> Result<bool> {
        self.memory.delete_trigger(owner, id, now).await
    }

    async fn deleted_trigger(
        &self,
        owner: UserId,
        id: TriggerId,
        gone_until: Timestamp,
    ) -> Result<Option<DeletedTrigger>> {
        self.memory.deleted_trigger(owner, id, gone_until).await
    }

    async fn delete_done(&self, owner: UserId, id: TriggerId, revision: i64, now: Timestamp) -> Result<bool> {
        if self.is_held.load(Ordering::Relaxed) {
            return Ok(false);
        }
        self.memory.delete_done(owner, id, revision, now).await
    }

    async fn fire(&self, owner: UserId, id: TriggerId, call: Call, now: Timestamp) -> Result<Fired> {
        self.memory.fire(owner, id, call, now).await
    }

    async fn fire_again(
        &self,
        owner: UserId,
        repeat: Repeat,
        gone_until: Timestamp,
        now: Timestamp,
    ) -> Result<FiredAgain> {
        self.memory.fire_again(owner, repeat, gone_until, now).await
    }

    async fn fire_unkept(
        &self,
        owner: UserId,
        trial: Trial,
        message_id: MessageId,
        now: Timestamp,
    ) -> Result<std::result::Result<TriggerId, Missing>> {
        self.memory.fire_unkept(owner, trial, message_id, now).await
    }

    async fn once(&self, owner: UserId, deeds: Vec<(Keyed, Deed)>, now: Timestamp) -> Vec<Result<Done>> {
        self.memory.once(owner, deeds, now).await
    }

    async fn recall(&self, owner: UserId, key: &Key, now: Timestamp) -> Result<Vec<Remembered>> {
        self.memory.recall(owner, key, now).await
    }

    async fn begin_once(&self, owner: UserId, keyed: Keyed, now: Timestamp) -> Result<Begun> {
        self.memory.begin_once(owner, keyed, now).await
    }

    async fn end_once(&self, owner: UserId, keyed: Keyed, answer: Option<Answer>) -> Result<()> {
        self.memory.end_once(owner, keyed, answer).await
    }

    async fn skipped(&self, owner: UserId, id: TriggerId, limit: usize) -> Result<Vec<SkippedView>> {
        self.memory.skipped(owner, id, limit).await
    }

    async fn ledger(
        &self,
        owner: UserId,
        id: TriggerId,
        span: Span,
        gone_until: Timestamp,
        limit: usize,
    ) -> Result<Option<Ledger>> {
        self.memory.ledger(owner, id, span, gone_until, limit).await
    }

    async fn owed_counts(&self) -> Result<OwedCounts> {
        self.memory.owed_counts().await
    }

    async fn all_backlog_sums(&self) -> Result<BacklogSums> {
        self.memory.all_backlog_sums().await
    }

    async fn due_counts(&self, now: Timestamp) -> Result<DueCounts> {
        self.memory.due_counts(now).await
    }

    fn note_work(&self, work: Work) {
        self.memory.note_work(work);
    }

    async fn nodes(&self) -> Result<Vec<NodeView>> {
        self.memory.nodes().await
    }

    async fn event(
        &self,
        owner: UserId,
        id: EventId,
        gone_until: Timestamp,
    ) -> Result<Option<(Event, Vec<DeliveryView>)>> {
        self.memory.event(owner, id, gone_until).await
    }

    async fn events(&self, owner: UserId, filter: EventFilter, page: EventPage, limit: usize) -> Result<Vec<Event>> {
        self.memory.events(owner, filter, page, limit).await
    }

    async fn event_counts(&self, owner: UserId, gone_until: Timestamp) -> Result<Vec<EventCount>> {
        self.memory.event_counts(owner, gone_until).await
    }

    async fn sessions(&self, user: UserId, now: Timestamp) -> Result<Vec<Session>> {
        self.memory.sessions(user, now).await
    }

    async fn end_other_sessions(&self, user: UserId, kept: &str) -> Result<usize> {
        self.memory.end_other_sessions(user, kept).await
    }

    async fn set_preferences(&self, user: UserId, preferences: Preferences) -> Result<bool> {
        self.memory.set_preferences(user, preferences).await
    }

    async fn listed_heads(&self, owner: UserId, limit: usize) -> Result<Vec<Listed<TriggerHead>>> {
        self.memory.listed_heads(owner, limit).await
    }

    async fn soonest(&self, owner: UserId, limit: usize) -> Result<Vec<TriggerHead>> {
        self.memory.soonest(owner, limit).await
    }

    async fn attention(&self, owner: UserId, gone_until: Timestamp, now: Timestamp) -> Result<Attention> {
        self.memory.attention(owner, gone_until, now).await
    }

    async fn event_lines(
        &self,
        owner: UserId,
        search: EventSearch,
        page: EventPage,
        limit: usize,
    ) -> Result<EventLines> {
        self.memory.event_lines(owner, search, page, limit).await
    }

    async fn events_logged_after(
        &self,
        owner: UserId,
        search: EventSearch,
        after: EventId,
        limit: usize,
    ) -> Result<EventLines> {
        self.memory.events_logged_after(owner, search, after, limit).await
    }

    async fn count_events(&self, owner: UserId, filters: Vec<EventFilter>, at_most: u64) -> Result<Vec<u64>> {
        self.memory.count_events(owner, filters, at_most).await
    }

    async fn report_run(
        &self,
        event: EventId,
        fired_at: Timestamp,
        report: Report,
        gone_until: Timestamp,
        now: Timestamp,
    ) -> Result<Reported> {
        self.memory.report_run(event, fired_at, report, gone_until, now).await
    }

    async fn lapse_runs(&self, gone_until: Timestamp, now: Timestamp, limit: usize) -> Result<Lapsed> {
        self.refuse()?;
        let answer = self.memory.lapse_runs(gone_until, now, limit).await;
        self.lose(answer)
    }

    async fn runs(&self, owner: UserId, events: Vec<EventId>, gone_until: Timestamp) -> Result<Vec<RunOf>> {
        self.memory.runs(owner, events, gone_until).await
    }

    async fn latest_runs(
        &self,
        owner: UserId,
        trigger: TriggerId,
        gone_until: Timestamp,
        limit: usize,
    ) -> Result<Vec<RunOf>> {
        self.memory.latest_runs(owner, trigger, gone_until, limit).await
    }

    async fn hour_counts(
        &self,
        owner: UserId,
        trigger: Option<TriggerId>,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<HourCount>> {
        self.memory.hour_counts(owner, trigger, from, until).await
    }

    async fn skipped_counts(
        &self,
        owner: UserId,
        trigger: Option<TriggerId>,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Skipped>> {
        self.memory.skipped_counts(owner, trigger, from, until).await
    }

    async fn recent_firings(
        &self,
        owner: UserId,
        triggers: Vec<TriggerId>,
        gone_until: Timestamp,
        limit: usize,
    ) -> Result<Vec<RecentFirings>> {
        self.memory.recent_firings(owner, triggers, gone_until, limit).await
    }

    async fn gone_firing(
        &self,
        owner: UserId,
        id: EventId,
        gone_until: Timestamp,
    ) -> Result<Option<(TriggerId, Firing)>> {
        self.memory.gone_firing(owner, id, gone_until).await
    }
}
