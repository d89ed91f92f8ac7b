//! The reference model: what the sentences of `Store` mean, executable. Plain collections behind one lock, one file for each
//! noun, simple and obviously right rather than fast. Both databases are compared with it, and the simulator runs on it; so
//! it must never be clever: no index that could be wrong, no SQL, no thread, and no reading of the clock.

mod access;
mod act;
mod arrival;
mod audit;
mod backlog;
mod calendar;
mod count;
mod delivery;
mod destination;
mod ending;
mod event;
mod firing;
mod freeze;
mod idempotency;
mod ledger;
mod order;
mod overlap;
mod presence;
mod redelivery;
mod run;
mod streak;
mod trigger;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;

use crate::access::{ApiKey, KeyHash, Preferences, Registration, Session, User};
use crate::act::{Act, ActFilter, Action, Entry};
use crate::actor::{Actor, Author};
use crate::agenda::Span;
use crate::arrival::{Arrival, Arrived, Contents};
use crate::audit::{Account, Asked, Repair, ZoneData};
use crate::backlog::{Drained, NewBacklog};
use crate::calendar::{self as calendars, Calendar};
use crate::count::HourCount;
use crate::delivery::{Claim, Settlement};
use crate::destination::alert::Streak;
use crate::destination::definition::{Rate, Turns};
use crate::destination::{self as destinations, Destination, DestinationHead, Standing, Wanted};
use crate::event::{Event, Retention};
use crate::firing::Firing;
use crate::freeze::{Freeze, Freezes, Said};
use crate::id::{ApiKeyId, ArrivalId, BacklogId, CalendarId, DestinationId, EventId, MessageId, TriggerId, UserId};
use crate::idempotency::{Answer, Key, Keyed, Remembered};
use crate::node::{Identity, NodeView, Work};
use crate::occurrence::Skipped;
use crate::overlap::Before;
use crate::plan::Absence;
use crate::receipt::Receipt;
use crate::redelivery::{CancelRefusal, DeliveryId, Refusal};
use crate::revision::Revision;
use crate::run::{Report, Run};
use crate::store::{
    Attention, BacklogSums, BacklogTurns, BacklogView, Begun, CalendarEdited, CalendarMade, CalendarView, Call, Change,
    Committed, Deed, Deleted, DeletedTrigger, DeliveryView, Done, DueCounts, DuePlace, DueSlice, Edited, EventCount,
    EventFilter, EventLines, EventPage, EventSearch, Expired, Fired, FiredAgain, Inspection, Lapsed, Ledger, Listener,
    Made, Missing, NewApiKey, NewTrigger, NewUser, OwedCounts, Planned, RecentFirings, Redelivered, Registered, Repeat,
    Reported, Result, RunOf, SkippedView, Store, Touched, Trial, Undelivered, UndeliveredFilter, UndeliveredPlace,
};
use crate::trigger::{Armed, Edit, Listed, Remains, ScheduleDetails, TriggerHead};

/// A store that forgets everything when it is dropped.
#[derive(Clone)]
pub struct Memory {
    kept: Arc<Mutex<Kept>>,
    listeners: Arc<Mutex<Vec<Listener>>>,
    /// In whose hands it is.
    author: Option<Author>,
}

/// Everything that is remembered.
struct Kept {
    has_default_destination: bool,
    /// How many bytes a schedule is taken to have in a former revision.
    schedule_bytes: fn(&ScheduleDetails) -> usize,

    users: BTreeMap<UserId, access::KeptUser>,
    sessions: BTreeMap<String, Session>,
    api_keys: BTreeMap<ApiKeyId, access::KeptKey>,

    triggers: BTreeMap<TriggerId, trigger::KeptTrigger>,
    deleted: BTreeMap<TriggerId, trigger::KeptDeleted>,
    backlogs: BTreeMap<BacklogId, backlog::KeptBacklog>,
    /// What the triggers without a place in `triggers` were called last: the deleted ones and those only tried out.
    former_names: BTreeMap<TriggerId, String>,

    calendars: BTreeMap<CalendarId, Calendar>,
    destinations: BTreeMap<DestinationId, Destination>,
    arrivals: BTreeMap<ArrivalId, arrival::KeptArrival>,
    /// When the bucket of a destination's rate will be full again.
    full_at: BTreeMap<DestinationId, Timestamp>,
    /// Exactly those that are failing.
    streaks: BTreeMap<DestinationId, Streak>,

    events: BTreeMap<EventId, Arc<Event>>,
    /// The runs of those of `events` that have one.
    runs: BTreeMap<EventId, Run>,
    /// Which of `events` the occurrences of their triggers are not to overlap, and which of what is owed was so from the first on.
    in_the_way: BTreeMap<EventId, TriggerId>,
    owed_in_the_way: BTreeSet<delivery::DeliveryKey>,
    /// The occurrences of `events` (invariant 1).
    occurrences: BTreeSet<(TriggerId, Timestamp)>,
    deliveries: BTreeMap<delivery::DeliveryKey, delivery::KeptDelivery>,
    /// The events that were over once, and whether each is counted as delivered or as failed.
    is_counted_delivered: BTreeMap<EventId, bool>,
    /// Exactly those of `deliveries` that are owed.
    owed: BTreeMap<delivery::DeliveryKey, delivery::Owed>,

    /// What happened in an hour, to one trigger or (under none) to all of an owner's.
    counts: BTreeMap<(UserId, Option<TriggerId>, Timestamp), HourCount>,
    /// Occurrences that did not fire, as they are counted.
    skipped_counts: BTreeMap<count::SkippedKey, Skipped>,
    /// What is left of events that are gone, oldest first, for each trigger that is still there.
    gone_firings: BTreeMap<TriggerId, Vec<Firing>>,

    /// What was done under keys, by owner, key and item.
    remembered: BTreeMap<(UserId, Key, u32), Remembered>,

    /// In the order in which they began, and which edition of them this is.
    freezes: Freezes,
    /// The ends of freezes that are written down: of which scope, since when it was, until when.
    told_freezes: BTreeSet<(Option<UserId>, Timestamp, Timestamp)>,

    /// What was done, oldest first.
    acts: Vec<Entry>,
    zone_data: Option<ZoneData>,
    retention: Option<Retention>,

    identity: Identity,
    /// When this server began.
    began_at: Option<Timestamp>,
    work: Option<Work>,
    sign_of_life: Option<Timestamp>,
    /// From the last sign of life to the return.
    absences: BTreeMap<Timestamp, Timestamp>,

    /// The highest ids that were ever given out; none is given out twice.
    last_ids: LastIds,
    /// What the listeners are still to be told about the change at hand.
    changes: Vec<Change>,
}

#[derive(Default)]
struct LastIds {
    user: i64,
    api_key: i64,
    trigger: i64,
    backlog: i64,
    tried_out: i64,
    calendar: i64,
    destination: i64,
    arrival: i64,
    event: i64,
    redelivery: i64,
    act: i64,
}

/// The next id of a sort.
fn draw(last: &mut i64) -> i64 {
    *last += 1;
    *last
}

impl Memory {
    /// An empty store. `has_default_destination`: whether events of triggers without a destination of their own are owed to
    /// the operator's default one.
    pub fn new(has_default_destination: bool) -> Memory {
        let kept = Kept {
            has_default_destination,
            schedule_bytes: |_| 0,
            users: BTreeMap::new(),
            sessions: BTreeMap::new(),
            api_keys: BTreeMap::new(),
            triggers: BTreeMap::new(),
            deleted: BTreeMap::new(),
            backlogs: BTreeMap::new(),
            former_names: BTreeMap::new(),
            calendars: BTreeMap::new(),
            destinations: BTreeMap::new(),
            arrivals: BTreeMap::new(),
            full_at: BTreeMap::new(),
            streaks: BTreeMap::new(),
            events: BTreeMap::new(),
            runs: BTreeMap::new(),
            in_the_way: BTreeMap::new(),
            owed_in_the_way: BTreeSet::new(),
            occurrences: BTreeSet::new(),
            deliveries: BTreeMap::new(),
            is_counted_delivered: BTreeMap::new(),
            owed: BTreeMap::new(),
            counts: BTreeMap::new(),
            skipped_counts: BTreeMap::new(),
            gone_firings: BTreeMap::new(),
            remembered: BTreeMap::new(),
            freezes: Freezes::default(),
            told_freezes: BTreeSet::new(),
            acts: Vec::new(),
            zone_data: None,
            retention: None,
            identity: Identity::default(),
            began_at: None,
            work: None,
            sign_of_life: None,
            absences: BTreeMap::new(),
            last_ids: LastIds::default(),
            changes: Vec::new(),
        };
        Memory { kept: Arc::new(Mutex::new(kept)), listeners: Arc::default(), author: None }
    }

    /// The same store, of a server that is called this.
    pub fn called(self, identity: Identity) -> Memory {
        self.kept().identity = identity;
        self
    }

    /// The same store, which counts the schedules of former revisions as one does that keeps them so; else they take no room.
    pub fn counting_schedules(self, bytes: fn(&ScheduleDetails) -> usize) -> Memory {
        self.kept().schedule_bytes = bytes;
        self
    }

    /// What a new server process does to a database: claims belong to the process that made them, so what the former one
    /// held is owed at once. Retries that wait for their time go on waiting.
    pub fn restart(&self) {
        self.kept().let_go();
        self.kept().end_presence();
    }

    /// Changes what is kept as [`Memory::change`] does, and writes down what came of it as an act.
    fn act<T>(&self, change: impl FnOnce(&mut Kept) -> T, act: impl FnOnce(&T, &Kept) -> Option<Act>) -> T {
        self.change(|kept| {
            let outcome = change(kept);
            let act = act(&outcome, kept);
            kept.write_down(self.author.as_ref(), act);
            outcome
        })
    }

    fn by(&self) -> Actor {
        self.author.as_ref().map_or(Actor::SYSTEM, |author| author.by.clone())
    }

    /// A poisoned lock means that a thread panicked while it held plain data; the data is still whole.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is kept, and then, with the lock given back, tells the listeners.
    fn change<T>(&self, change: impl FnOnce(&mut Kept) -> T) -> T {
        let mut kept = self.kept();
        let outcome = change(&mut kept);
        let mut changes: Vec<Change> = Vec::new();
        for change in std::mem::take(&mut kept.changes) {
            if !changes.contains(&change) {
                changes.push(change);
            }
        }
        drop(kept);
        if !changes.is_empty() {
            let listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner).clone();
            for listener in listeners {
                changes.iter().for_each(|change| listener(*change));
            }
        }
        outcome
    }
}

#[async_trait]
impl Store for Memory {
    fn subscribe(&self, listener: Listener) {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(listener);
    }

    fn acting(&self, author: Author) -> Arc<dyn Store> {
        Arc::new(Memory { author: Some(author), ..self.clone() })
    }

    async fn check(&self) -> Result<()> {
        Ok(())
    }

    async fn register(&self, user: NewUser, rule: Registration, now: Timestamp) -> Result<Registered> {
        Ok(self.act(
            |kept| kept.register(&user, rule, now),
            |registered, _| match registered {
                Registered::Done(user) => Some(Act::user(user.id, Action::Created)),
                _ => None,
            },
        ))
    }

    async fn local_user(&self, now: Timestamp) -> Result<User> {
        Ok(self.kept().local_user(now))
    }

    async fn user_by_email(&self, email: &str) -> Result<Option<(User, String)>> {
        Ok(self.kept().user_by_email(email))
    }

    async fn users(&self) -> Result<Vec<User>> {
        Ok(self.kept().users())
    }

    async fn set_password(&self, user: UserId, password_hash: &str) -> Result<bool> {
        Ok(self.act(
            |kept| kept.set_password(user, password_hash),
            |done, _| done.then(|| Act::user(user, Action::PasswordChanged)),
        ))
    }

    async fn disable_user(&self, user: UserId, now: Timestamp) -> Result<bool> {
        Ok(self.act(|kept| kept.disable_user(user, now), |done, _| done.then(|| Act::user(user, Action::Disabled))))
    }

    async fn open_session(&self, session: Session) -> Result<()> {
        let user = session.user;
        self.act(
            |kept| kept.open_session(session),
            |opened, _| opened.is_ok().then(|| Act::user(user, Action::LoggedIn)),
        )
    }

    async fn session_user(&self, id: &str, now: Timestamp) -> Result<Option<User>> {
        Ok(self.kept().session_user(id, now))
    }

    async fn end_session(&self, id: &str) -> Result<()> {
        self.act(
            |kept| kept.sessions.remove(id),
            |ended, _| ended.as_ref().map(|session| Act::user(session.user, Action::LoggedOut)),
        );
        Ok(())
    }

    async fn sessions(&self, user: UserId, now: Timestamp) -> Result<Vec<Session>> {
        Ok(self.kept().sessions_of(user, now))
    }

    async fn end_other_sessions(&self, user: UserId, kept: &str) -> Result<usize> {
        Ok(self.act(
            |all| all.end_other_sessions(user, kept),
            |ended, _| (*ended > 0).then(|| Act::user(user, Action::OthersLoggedOut)),
        ))
    }

    async fn set_preferences(&self, user: UserId, preferences: Preferences) -> Result<bool> {
        Ok(self.act(
            |kept| kept.set_preferences(user, preferences),
            |done, _| done.then(|| Act::user(user, Action::PreferencesChanged)),
        ))
    }

    async fn create_api_key(&self, key: NewApiKey, now: Timestamp) -> Result<Option<ApiKey>> {
        self.act(
            |kept| kept.create_api_key(key, now),
            |made, _| made.as_ref().ok().and_then(Option::as_ref).map(Act::key_made),
        )
    }

    async fn api_keys(&self, owner: UserId) -> Result<Vec<ApiKey>> {
        Ok(self.kept().api_keys_of(owner))
    }

    async fn delete_api_key(&self, owner: UserId, id: ApiKeyId) -> Result<bool> {
        let deleted = self.act(
            |kept| kept.delete_api_key(owner, id),
            |deleted, _| deleted.clone().map(|name| Act::key(owner, Action::Deleted, id, name)),
        );
        Ok(deleted.is_some())
    }

    async fn api_key_user(&self, hash: &KeyHash, now: Timestamp) -> Result<Option<(User, ApiKey)>> {
        Ok(self.kept().api_key_user(hash, now))
    }

    async fn touch_api_key(&self, id: ApiKeyId, now: Timestamp) -> Result<()> {
        self.kept().touch_api_key(id, now);
        Ok(())
    }

    async fn create_trigger(&self, trigger: NewTrigger, now: Timestamp) -> Result<std::result::Result<Armed, Missing>> {
        Ok(self.act(
            |kept| kept.create_trigger(trigger, self.by(), now),
            |made, _| made.as_ref().ok().map(|armed| Act::trigger_made(&armed.trigger)),
        ))
    }

    async fn create_triggers(&self, triggers: Vec<NewTrigger>, now: Timestamp) -> Vec<Result<Made>> {
        let make = |kept: &mut Kept| {
            let one = |new: &NewTrigger| kept.create_trigger(new.clone(), self.by(), now).map(|made| made.trigger.id);
            let made: Vec<Made> = triggers.iter().map(one).collect();
            for act in Act::triggers_made(&triggers, &made) {
                kept.write_down(self.author.as_ref(), Some(act));
            }
            made
        };
        self.change(make).into_iter().map(Ok).collect()
    }

    async fn owner_of(&self, id: TriggerId) -> Result<Option<UserId>> {
        let kept = self.kept();
        let deleted = kept.deleted.get(&id).map(|deleted| &deleted.kept);
        Ok(kept.triggers.get(&id).or(deleted).map(|known| known.trigger.owner))
    }

    async fn trigger(&self, owner: UserId, id: TriggerId) -> Result<Option<Armed>> {
        Ok(self.kept().trigger_of(owner, id).map(trigger::KeptTrigger::armed))
    }

    // What is kept here is never written down, and so there is nothing that cannot be read.

    async fn remains(&self, _: UserId, _: TriggerId) -> Result<Option<Remains>> {
        Ok(None)
    }

    async fn listed_triggers(
        &self,
        owner: UserId,
        after: Option<TriggerId>,
        limit: usize,
    ) -> Result<Vec<Listed<Armed>>> {
        Ok(self.kept().triggers_of(owner, after, limit).into_iter().map(Listed::Read).collect())
    }

    async fn listed_heads(&self, owner: UserId, limit: usize) -> Result<Vec<Listed<TriggerHead>>> {
        Ok(self.kept().heads_of(owner).take(limit).map(Listed::Read).collect())
    }

    async fn soonest(&self, owner: UserId, limit: usize) -> Result<Vec<TriggerHead>> {
        Ok(self.kept().soonest(owner, limit))
    }

    async fn attention(&self, owner: UserId, gone_until: Timestamp, now: Timestamp) -> Result<Attention> {
        Ok(self.kept().attention(owner, gone_until, now))
    }

    async fn edit_trigger(&self, edit: Edit, seen: Option<Timestamp>, now: Timestamp) -> Result<Edited> {
        let act = Act::trigger_edited(&edit);
        Ok(self.act(
            |kept| kept.edit_trigger(edit, seen, self.by(), now),
            |edited, _| (*edited == Edited::Done).then_some(act),
        ))
    }

    async fn revisions(
        &self,
        owner: UserId,
        id: TriggerId,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Revision>> {
        Ok(self.kept().revisions(owner, id, before, limit))
    }

    async fn revision(&self, owner: UserId, id: TriggerId, revision: i64) -> Result<Option<Revision>> {
        let all = self.kept().revisions(owner, id, None, usize::MAX);
        Ok(all.into_iter().find(|one| one.trigger.revision == revision))
    }

    async fn revision_at(&self, owner: UserId, id: TriggerId, at: Timestamp) -> Result<Option<Revision>> {
        Ok(self.kept().revision_at(owner, id, at))
    }

    async fn delete_trigger(&self, owner: UserId, id: TriggerId, now: Timestamp) -> Result<bool> {
        let by = self.by();
        Ok(self.act(
            |kept| kept.delete_trigger(owner, id, by, now),
            |deleted, kept| {
                let name = kept.former_names.get(&id).cloned().filter(|name| !name.is_empty());
                deleted.then(|| Act::trigger_deleted(owner, id, name))
            },
        ))
    }

    async fn deleted_trigger(
        &self,
        owner: UserId,
        id: TriggerId,
        gone_until: Timestamp,
    ) -> Result<Option<DeletedTrigger>> {
        Ok(self.kept().deleted_trigger(owner, id, gone_until))
    }

    async fn delete_done(&self, owner: UserId, id: TriggerId, revision: i64, now: Timestamp) -> Result<bool> {
        Ok(self.change(|kept| {
            let stands = kept.trigger_of(owner, id).is_some_and(|kept| kept.trigger.revision == revision);
            let is_deleted = stands && kept.delete_trigger(owner, id, Actor::SYSTEM, now);
            let name = kept.former_names.get(&id).cloned().filter(|name| !name.is_empty());
            let act = is_deleted.then(|| Act::trigger_deleted(owner, id, name));
            kept.write_down(Some(&Author { by: Actor::SYSTEM, at: now }), act);
            is_deleted
        }))
    }

    async fn fire(&self, owner: UserId, id: TriggerId, call: Call, now: Timestamp) -> Result<Fired> {
        Ok(self.change(|kept| kept.fire(owner, id, &call, self.author.as_ref(), now)))
    }

    async fn fire_again(
        &self,
        owner: UserId,
        repeat: Repeat,
        gone_until: Timestamp,
        now: Timestamp,
    ) -> Result<FiredAgain> {
        Ok(self.change(|kept| kept.fire_again(owner, repeat, gone_until, self.author.as_ref(), now)))
    }

    async fn fire_unkept(
        &self,
        owner: UserId,
        trial: Trial,
        message_id: MessageId,
        now: Timestamp,
    ) -> Result<std::result::Result<TriggerId, Missing>> {
        Ok(self.change(|kept| kept.fire_unkept(owner, &trial, message_id, self.author.as_ref(), now)))
    }

    async fn once(&self, owner: UserId, deeds: Vec<(Keyed, Deed)>, now: Timestamp) -> Vec<Result<Done>> {
        let author = self.author.as_ref();
        self.change(|kept| {
            let (mut all, mut new, mut made) = (Vec::new(), Vec::new(), Vec::new());
            for (keyed, deed) in deeds {
                let to_make = match &deed {
                    Deed::Make(new) => Some(NewTrigger::clone(new)),
                    _ => None,
                };
                let done = kept.once(owner, &keyed, deed, author, now);
                if let (Some(one), Done::Made(came)) = (to_make, &done) {
                    new.push(one);
                    made.push(*came);
                }
                all.push(Ok(done));
            }
            for act in Act::triggers_made(&new, &made) {
                kept.write_down(author, Some(act));
            }
            all
        })
    }

    async fn recall(&self, owner: UserId, key: &Key, now: Timestamp) -> Result<Vec<Remembered>> {
        Ok(self.kept().recall(owner, key, now))
    }

    async fn begin_once(&self, owner: UserId, keyed: Keyed, now: Timestamp) -> Result<Begun> {
        Ok(self.kept().begin_once(owner, &keyed, now))
    }

    async fn end_once(&self, owner: UserId, keyed: Keyed, answer: Option<Answer>) -> Result<()> {
        self.kept().end_once(owner, &keyed, answer);
        Ok(())
    }

    async fn skipped(&self, owner: UserId, id: TriggerId, limit: usize) -> Result<Vec<SkippedView>> {
        Ok(self.kept().skipped(owner, id, limit))
    }

    async fn ledger(
        &self,
        owner: UserId,
        id: TriggerId,
        span: Span,
        gone_until: Timestamp,
        limit: usize,
    ) -> Result<Option<Ledger>> {
        Ok(self.kept().ledger(owner, id, span, gone_until, limit))
    }

    async fn create_calendar(
        &self,
        owner: UserId,
        definition: calendars::Definition,
        now: Timestamp,
    ) -> Result<CalendarMade> {
        Ok(self.act(
            |kept| kept.create_calendar(owner, definition, now),
            |made, _| match made {
                CalendarMade::Done(made) => {
                    Some(Act::calendar(owner, Action::Created, made.id, made.definition.name.clone()))
                }
                _ => None,
            },
        ))
    }

    async fn calendar(&self, owner: UserId, id: CalendarId) -> Result<Option<CalendarView>> {
        Ok(self.kept().calendar_view(owner, id))
    }

    async fn calendars(&self, owner: UserId) -> Result<Vec<CalendarView>> {
        Ok(self.kept().calendars_of(owner))
    }

    async fn calendar_triggers(&self, owner: UserId, id: CalendarId, limit: usize) -> Result<Vec<Armed>> {
        Ok(self.kept().calendar_triggers(owner, id, limit))
    }

    async fn calendar_backlogs(&self, owner: UserId, id: CalendarId) -> Result<BTreeMap<TriggerId, u64>> {
        Ok(self.kept().calendar_backlogs(owner, id))
    }

    async fn edit_calendar(
        &self,
        seen: Calendar,
        definition: calendars::Definition,
        now: Timestamp,
    ) -> Result<CalendarEdited> {
        Ok(self.act(|kept| kept.edit_calendar(&seen, definition, &self.by(), now), |edited, _| edited.act()))
    }

    async fn delete_calendar(&self, owner: UserId, id: CalendarId) -> Result<Deleted> {
        let name = self.kept().calendar_view(owner, id).map(|view| view.calendar.definition.name);
        Ok(self.act(
            |kept| kept.delete_calendar(owner, id),
            |deleted, _| {
                let name = name.filter(|_| *deleted == Deleted::Done)?;
                Some(Act::calendar(owner, Action::Deleted, id, name))
            },
        ))
    }

    async fn create_destination(
        &self,
        owner: UserId,
        definition: destinations::Definition,
        now: Timestamp,
    ) -> Result<Option<Destination>> {
        Ok(self.act(
            |kept| kept.create_destination(owner, definition, now),
            |made, _| {
                let made = made.as_ref()?;
                Some(Act::destination(owner, Action::Created, made.id, made.definition.name.clone()))
            },
        ))
    }

    async fn destination(&self, owner: UserId, id: DestinationId) -> Result<Option<Destination>> {
        Ok(self.kept().destination_of(owner, id).cloned())
    }

    async fn destinations(
        &self,
        owner: UserId,
        after: Option<DestinationId>,
        limit: usize,
    ) -> Result<Vec<Destination>> {
        Ok(self.kept().destinations_of(owner, after, limit))
    }

    async fn destination_heads(&self, owner: UserId, wanted: Wanted) -> Result<Vec<DestinationHead>> {
        Ok(self.kept().destination_heads(owner, &wanted))
    }

    async fn edit_destination(
        &self,
        owner: UserId,
        id: DestinationId,
        seen: i64,
        definition: destinations::Definition,
    ) -> Result<Edited> {
        let act = Act::destination(owner, Action::Edited, id, definition.name.clone());
        Ok(self.act(
            |kept| kept.edit_destination(owner, id, seen, definition),
            |edited, _| (*edited == Edited::Done).then_some(act),
        ))
    }

    async fn set_standing(&self, owner: UserId, id: DestinationId, standing: Standing, now: Timestamp) -> Result<bool> {
        Ok(self.act(
            |kept| kept.set_standing(owner, id, standing.clone(), now),
            |done, kept| {
                let name = kept.destination_of(owner, id).filter(|_| *done)?.definition.name.clone();
                Some(Act::standing(owner, id, name, &standing))
            },
        ))
    }

    async fn delete_destination(&self, owner: UserId, id: DestinationId, now: Timestamp) -> Result<Deleted> {
        let name = self.kept().destination_of(owner, id).map(|kept| kept.definition.name.clone());
        Ok(self.act(
            |kept| kept.delete_destination(owner, id, now),
            |deleted, _| {
                let name = name.filter(|_| *deleted == Deleted::Done)?;
                Some(Act::destination(owner, Action::Deleted, id, name))
            },
        ))
    }

    async fn suspend_destination(
        &self,
        id: DestinationId,
        seen: i64,
        reason: &str,
        told_by: Option<MessageId>,
        now: Timestamp,
    ) -> Result<bool> {
        Ok(self.change(|kept| {
            let is_suspended = kept.suspend_destination(id, seen, reason, told_by, now);
            let suspended = kept.destinations.get(&id).filter(|_| is_suspended);
            let act = suspended.map(|one| Act::standing(one.owner, id, one.definition.name.clone(), &one.standing));
            kept.write_down(Some(&Author { by: Actor::SYSTEM, at: now }), act);
            is_suspended
        }))
    }

    async fn streaks(&self, owner: UserId) -> Result<Vec<(DestinationId, Streak)>> {
        Ok(self.kept().streaks_of(owner))
    }

    async fn take_turns(&self, id: DestinationId, rate: Rate, wanted: usize, now: Timestamp) -> Result<Turns> {
        Ok(self.change(|kept| kept.take_turns(id, rate, wanted, now)))
    }

    async fn destinations_to_send_to(&self, ids: Vec<DestinationId>) -> Result<Vec<Destination>> {
        let kept = self.kept();
        Ok(kept.destinations.values().filter(|destination| ids.contains(&destination.id)).cloned().collect())
    }

    async fn destination_uses(&self, owner: UserId, ids: Vec<DestinationId>) -> Result<Vec<u64>> {
        let kept = self.kept();
        Ok(ids.into_iter().map(|id| kept.destination_uses(owner, id)).collect())
    }

    async fn arrive(&self, owner: UserId, arrived: Arrived, contents: Contents) -> Result<bool> {
        Ok(self.change(|kept| kept.arrive(owner, arrived, contents)))
    }

    async fn arrivals(
        &self,
        owner: UserId,
        destination: DestinationId,
        before: Option<ArrivalId>,
        limit: usize,
    ) -> Result<Vec<Arrival>> {
        Ok(self.kept().arrivals_at(owner, destination, before, limit))
    }

    async fn arrival(&self, owner: UserId, id: ArrivalId) -> Result<Option<(Arrival, Contents)>> {
        Ok(self.kept().arrival_of(owner, id))
    }

    async fn begin_presence(&self, now: Timestamp) -> Result<Vec<Absence>> {
        Ok(self.kept().begin_presence(now))
    }

    async fn absences(&self, span: Span) -> Result<Vec<Absence>> {
        Ok(self.kept().absences(span))
    }

    fn sign_of_life(&self, now: Timestamp) {
        self.kept().sign_of_life = Some(now);
    }

    async fn next_due(&self) -> Result<Option<Timestamp>> {
        Ok(self.kept().next_due())
    }

    async fn due_behind(&self, place: DuePlace, now: Timestamp, limit: usize) -> Result<DueSlice> {
        Ok(self.kept().due_behind(place, now, limit))
    }

    async fn commit_plans(&self, plans: Vec<Planned>, now: Timestamp) -> Result<Committed> {
        Ok(self.change(|kept| kept.commit_plans(&plans, now)))
    }

    async fn events_before(&self, triggers: Vec<(UserId, TriggerId)>) -> Result<Vec<Before>> {
        Ok(self.kept().events_before(&triggers))
    }

    async fn backlogs(&self, owner: UserId, after: Option<BacklogId>, limit: usize) -> Result<Vec<BacklogView>> {
        Ok(self.kept().backlogs(owner, after, limit))
    }

    async fn backlog(&self, owner: UserId, id: BacklogId) -> Result<Option<BacklogView>> {
        Ok(self.kept().backlog(owner, id))
    }

    async fn backlog_sums(&self, owner: UserId, trigger: Option<TriggerId>) -> Result<BacklogSums> {
        Ok(self.kept().backlog_sums(Some(owner), trigger))
    }

    async fn backlog_turns(&self, after: Option<UserId>, owners: usize, of_each: usize) -> Result<BacklogTurns> {
        Ok(self.kept().backlog_turns(after, owners, of_each))
    }

    async fn drain(&self, drained: Drained, now: Timestamp) -> Result<Option<usize>> {
        Ok(self.change(|kept| kept.drain(&drained, now)))
    }

    async fn release_backlogs(&self, owner: UserId, id: Option<BacklogId>, now: Timestamp) -> Result<Touched> {
        Ok(self.act(|kept| kept.release(owner, id, now), |touched, _| Act::backlogs(owner, Action::Released, touched)))
    }

    async fn discard_backlogs(&self, owner: UserId, id: Option<BacklogId>, now: Timestamp) -> Result<Touched> {
        Ok(self.act(|kept| kept.discard(owner, id, now), |touched, _| Act::backlogs(owner, Action::Discarded, touched)))
    }

    async fn discard_old_backlogs(&self, now: Timestamp) -> Result<Touched> {
        Ok(self.change(|kept| kept.discard_old(now)))
    }

    async fn expire_backlogs(&self, id: Option<BacklogId>, now: Timestamp) -> Result<Touched> {
        Ok(self.change(|kept| kept.expire_backlogs(None, id, now)))
    }

    async fn backfill(&self, new: NewBacklog, now: Timestamp) -> Result<Option<BacklogView>> {
        let by = self.by();
        Ok(self.act(|kept| kept.backfill(&new, by, now), |made, _| made.as_ref().map(Act::backfilled)))
    }

    async fn freeze(&self, scope: Option<UserId>, said: Said, now: Timestamp) -> Result<Freeze> {
        let by = self.by();
        Ok(self.act(|kept| kept.freeze(scope, said, by, now), |freeze, _| Some(Act::frozen(freeze))))
    }

    async fn thaw(&self, scope: Option<UserId>, now: Timestamp) -> Result<Option<Freeze>> {
        Ok(self.act(|kept| kept.thaw(scope, now), |freeze, _| freeze.as_ref().map(Act::thawed)))
    }

    async fn note_ends(&self, now: Timestamp, limit: usize) -> Result<usize> {
        Ok(self.change(|kept| kept.note_ends(now, limit)))
    }

    async fn freezes_of(&self, owner: UserId, since: Timestamp) -> Result<Vec<Freeze>> {
        let Freezes { all, .. } = self.kept().freezes_since(since);
        Ok(all.into_iter().filter(|freeze| freeze.concerns(owner)).collect())
    }

    async fn freezes(&self, since: Timestamp) -> Result<Freezes> {
        Ok(self.kept().freezes_since(since))
    }

    async fn inspect(&self, after: Option<TriggerId>, limit: usize) -> Result<Inspection> {
        Ok(self.kept().inspect(after, limit))
    }

    async fn accounted_until(&self, triggers: Vec<(UserId, TriggerId)>) -> Result<Vec<Option<Timestamp>>> {
        let kept = self.kept();
        Ok(triggers.into_iter().map(|(owner, id)| kept.accounted_until(owner, id)).collect())
    }

    async fn accounts(&self, asked: Vec<Asked>) -> Result<Vec<Account>> {
        let kept = self.kept();
        Ok(asked.into_iter().map(|asked| kept.account(asked)).collect())
    }

    async fn fired_within(&self, asked: Vec<Asked>) -> Result<Vec<bool>> {
        let kept = self.kept();
        Ok(asked.into_iter().map(|asked| kept.has_fired_within(asked)).collect())
    }

    async fn rearm(&self, repair: Repair) -> Result<bool> {
        Ok(self.change(|kept| kept.rearm(repair)))
    }

    async fn use_zone_data(&self, release: &str, now: Timestamp) -> Result<ZoneData> {
        Ok(self.change(|kept| kept.use_zone_data(release, now)))
    }

    async fn next_owed(&self) -> Result<Option<Timestamp>> {
        Ok(self.kept().next_owed())
    }

    async fn claim_deliveries(&self, now: Timestamp, limit: usize) -> Result<Vec<Claim>> {
        Ok(self.kept().claim_deliveries(now, limit))
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<()> {
        self.change(|kept| settlements.into_iter().for_each(|settlement| kept.settle(settlement)));
        Ok(())
    }

    async fn undelivered(
        &self,
        owner: UserId,
        filter: UndeliveredFilter,
        gone_until: Timestamp,
        after: Option<UndeliveredPlace>,
        limit: usize,
    ) -> Result<Vec<Undelivered>> {
        Ok(self.kept().undelivered(owner, filter, gone_until, after, limit))
    }

    async fn count_undelivered(
        &self,
        owner: UserId,
        filter: UndeliveredFilter,
        gone_until: Timestamp,
        at_most: u64,
    ) -> Result<u64> {
        Ok((self.kept().undelivered(owner, filter, gone_until, None, usize::MAX).len() as u64).min(at_most))
    }

    async fn redeliver(
        &self,
        owner: UserId,
        deliveries: Vec<DeliveryId>,
        retention: Retention,
        now: Timestamp,
    ) -> Result<Vec<std::result::Result<(), Refusal>>> {
        Ok(self.act(
            |kept| kept.redeliver_all(owner, &deliveries, retention, now),
            |outcomes, _| Act::redelivered(owner, &deliveries, outcomes),
        ))
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
        Ok(self.act(
            |kept| kept.redeliver_matching(owner, filter, after, limit, retention, now),
            |sent, _| Act::matching_redelivered(owner, sent.redelivered as u64),
        ))
    }

    async fn cancel_delivery(
        &self,
        owner: UserId,
        delivery: DeliveryId,
        gone_until: Timestamp,
        now: Timestamp,
    ) -> Result<std::result::Result<(), CancelRefusal>> {
        Ok(self.act(
            |kept| kept.cancel_delivery(owner, delivery, gone_until, now),
            |cancelled, _| cancelled.is_ok().then(|| Act::delivery(owner, Action::Cancelled, delivery)),
        ))
    }

    async fn receipt(
        &self,
        owner: UserId,
        event: EventId,
        slot: u32,
        number: u32,
        gone_until: Timestamp,
    ) -> Result<Option<Receipt>> {
        self.kept().receipt(owner, (event, slot), number, gone_until)
    }

    async fn owed_counts(&self) -> Result<OwedCounts> {
        Ok(self.kept().owed_counts())
    }

    async fn all_backlog_sums(&self) -> Result<BacklogSums> {
        Ok(self.kept().backlog_sums(None, None))
    }

    async fn due_counts(&self, now: Timestamp) -> Result<DueCounts> {
        Ok(self.kept().due_counts(now))
    }

    fn note_work(&self, work: Work) {
        self.kept().work = Some(work);
    }

    async fn nodes(&self) -> Result<Vec<NodeView>> {
        Ok(self.kept().node().into_iter().collect())
    }

    async fn event(
        &self,
        owner: UserId,
        id: EventId,
        gone_until: Timestamp,
    ) -> Result<Option<(Event, Vec<DeliveryView>)>> {
        Ok(self.kept().event_of(owner, id, gone_until))
    }

    async fn events(&self, owner: UserId, filter: EventFilter, page: EventPage, limit: usize) -> Result<Vec<Event>> {
        Ok(self.kept().events_of(owner, filter, page, limit))
    }

    async fn event_counts(&self, owner: UserId, gone_until: Timestamp) -> Result<Vec<EventCount>> {
        Ok(self.kept().event_counts(owner, gone_until))
    }

    async fn event_lines(
        &self,
        owner: UserId,
        search: EventSearch,
        page: EventPage,
        limit: usize,
    ) -> Result<EventLines> {
        Ok(self.kept().event_lines(owner, &search, page, limit))
    }

    async fn events_logged_after(
        &self,
        owner: UserId,
        search: EventSearch,
        after: EventId,
        limit: usize,
    ) -> Result<EventLines> {
        Ok(self.kept().events_logged_after(owner, &search, after, limit))
    }

    async fn count_events(&self, owner: UserId, filters: Vec<EventFilter>, at_most: u64) -> Result<Vec<u64>> {
        let kept = self.kept();
        let count = |filter: &EventFilter| kept.events_meant(owner, *filter).len() as u64;
        Ok(filters.iter().map(|filter| count(filter).min(at_most)).collect())
    }

    async fn report_run(
        &self,
        event: EventId,
        fired_at: Timestamp,
        report: Report,
        gone_until: Timestamp,
        now: Timestamp,
    ) -> Result<Reported> {
        Ok(self.change(|kept| kept.report_run(event, fired_at, &report, gone_until, now)))
    }

    async fn lapse_runs(&self, gone_until: Timestamp, now: Timestamp, limit: usize) -> Result<Lapsed> {
        Ok(self.change(|kept| kept.lapse_runs(gone_until, now, limit)))
    }

    async fn runs(&self, owner: UserId, events: Vec<EventId>, gone_until: Timestamp) -> Result<Vec<RunOf>> {
        Ok(self.kept().runs_of(owner, &events, gone_until))
    }

    async fn latest_runs(
        &self,
        owner: UserId,
        trigger: TriggerId,
        gone_until: Timestamp,
        limit: usize,
    ) -> Result<Vec<RunOf>> {
        Ok(self.kept().latest_runs(owner, trigger, gone_until, limit))
    }

    async fn hour_counts(
        &self,
        owner: UserId,
        trigger: Option<TriggerId>,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<HourCount>> {
        Ok(self.kept().hour_counts(owner, trigger, from, until))
    }

    async fn skipped_counts(
        &self,
        owner: UserId,
        trigger: Option<TriggerId>,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Skipped>> {
        Ok(self.kept().skipped_counts(owner, trigger, from, until))
    }

    async fn recent_firings(
        &self,
        owner: UserId,
        triggers: Vec<TriggerId>,
        gone_until: Timestamp,
        limit: usize,
    ) -> Result<Vec<RecentFirings>> {
        let kept = self.kept();
        let of = |trigger: TriggerId| RecentFirings {
            trigger,
            firings: kept.recent_firings(owner, trigger, gone_until, limit),
        };
        Ok(triggers.into_iter().map(of).collect())
    }

    async fn gone_firing(
        &self,
        owner: UserId,
        id: EventId,
        gone_until: Timestamp,
    ) -> Result<Option<(TriggerId, Firing)>> {
        Ok(self.kept().gone_firing(owner, id, gone_until))
    }

    async fn note_act(&self, act: Act) -> Result<()> {
        self.kept().write_down(self.author.as_ref(), Some(act));
        Ok(())
    }

    async fn acts(&self, filter: ActFilter, before: Option<i64>, limit: usize) -> Result<Vec<Entry>> {
        Ok(self.kept().acts(&filter, before, limit))
    }

    async fn expire(&self, gone_until: Timestamp, now: Timestamp, limit: usize) -> Result<Expired> {
        Ok(self.kept().expire(gone_until, now, limit))
    }

    async fn note_retention(&self, retention: Retention) -> Result<()> {
        self.kept().retention = Some(retention);
        Ok(())
    }

    async fn retention(&self) -> Result<Option<Retention>> {
        Ok(self.kept().retention)
    }
}
