//! What oncue remembers, as about forty facts that become true or do not. Each method is one transaction and one sentence;
//! what a 2xx, a delivery or a line on a page rests on is committed when the method returns (invariant 3). Every method on
//! user data takes the owner, and a missing row and another's row look the same (invariant 7). Scheduling decisions are not
//! made here: `plan` and `trigger` make them, and a commit is refused when they were made about something that has changed.
//!
//! `memory` is the reference model: what these sentences mean, executable. Every store passes the same conformance suite.

pub mod memory;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use crate::access::{ApiKey, KeyHash, Preferences, Registration, Scope, Session, User};
use crate::count::HourCount;
use crate::delivery::{Attempt, Claim, Settlement, State};
use crate::event::{Event, Origin};
use crate::firing::{Firing, Outcome};
use crate::id::{ApiKeyId, EventId, MessageId, TriggerId, UserId};
use crate::node::{NodeView, Work};
use crate::occurrence::Skipped;
use crate::payload::Payload;
use crate::plan::{Absence, Plan};
use crate::trigger::{Armed, Definition, Edit, FireRefusal, Kind, Trigger, TriggerHead};

/// Why a store could not answer. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It may work again later: the disk is full, the database is busy or gone.
    #[error("the database cannot be reached or written: {0}")]
    Unavailable(String),
    /// What is stored or asked makes no sense; trying again will not help.
    #[error("the database gave an answer that cannot be: {0}")]
    Broken(String),
}

/// What a store method gives.
pub type Result<T> = std::result::Result<T, Error>;

/// What may have changed; a hint that says no more than whose it is, so that nobody is woken by what is not theirs. A lost hint
/// costs latency, never a firing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A trigger may wait for something earlier than before.
    Armed,
    /// A delivery may be owed.
    Owed,
    /// An event of this user was logged.
    Logged(UserId),
    /// A delivery of this user ended, or its next attempt is due at another time.
    Settled(UserId),
    /// A trigger of this user was made, changed or deleted, or what it waits for was.
    Edited(UserId),
}

/// Called after commits, from any thread; must not block.
pub type Listener = Arc<dyn Fn(Change) + Send + Sync>;

/// A user to be made.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// The e-mail address as typed.
    pub email: String,
    /// The password's hash in PHC form.
    pub password_hash: String,
}

/// What came of a registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registered {
    /// The user was made.
    Done(User),
    /// There is a user with that address, compared without case.
    EmailTaken,
    /// Registration is closed, or was for the first user only.
    Closed,
}

/// An API key to be made.
#[derive(Clone, Debug)]
pub struct NewApiKey {
    /// Whose it is.
    pub owner: UserId,
    /// What its owner calls it.
    pub name: String,
    /// The beginning of the key.
    pub prefix: String,
    /// The hash it is found by.
    pub hash: KeyHash,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
}

/// A trigger to be made.
#[derive(Clone, Debug)]
pub struct NewTrigger {
    /// Whose it is.
    pub owner: UserId,
    /// What its user said.
    pub definition: Definition,
    /// The occurrence to wait for.
    pub next_at: Option<Timestamp>,
    /// Where it was made as a test: the id of the one event that is logged with it.
    pub test_event: Option<MessageId>,
}

/// A firing that no schedule made.
#[derive(Clone, Debug)]
pub struct Call {
    /// `Api` or `Test`.
    pub origin: Origin,
    /// What the event carries; none means the trigger's own payload.
    pub payload: Option<Payload>,
    /// What receivers will know it by.
    pub message_id: MessageId,
}

/// What came of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fired {
    /// The event is durable.
    Event(EventId),
    /// No such trigger, or somebody else's.
    NotFound,
    /// This trigger cannot be fired like that.
    Refused(FireRefusal),
}

/// What came of an edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edited {
    /// It holds.
    Done,
    /// The trigger, or what it waits for, changed since it was read: read again and decide again.
    Stale,
    /// There is no such trigger any more.
    NotFound,
}

/// A due trigger and what is to happen to it.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The trigger as it was when the plan was made.
    pub trigger: Arc<Trigger>,
    /// The occurrence it waited for.
    pub armed: Timestamp,
    /// What is to happen.
    pub plan: Plan,
    /// The message ids of the firings, in their order.
    pub message_ids: Vec<MessageId>,
}

/// How much a commit of plans did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// Plans that were carried out.
    pub plans: usize,
    /// Plans whose trigger had changed meanwhile; they changed nothing.
    pub stale: usize,
    /// Events that were written.
    pub events: usize,
}

/// Which events are meant. All conditions hold together.
#[derive(Clone, Copy, Debug, Default)]
pub struct EventFilter {
    /// Only this trigger's.
    pub trigger: Option<TriggerId>,
    /// Only those fired after this instant.
    pub fired_after: Option<Timestamp>,
    /// Only those fired at or before this instant.
    pub fired_until: Option<Timestamp>,
}

/// In which order a page of events runs, and after which event it begins.
#[derive(Clone, Copy, Debug)]
pub enum EventPage {
    /// Newest first, below this place.
    NewestFirst(Option<EventPlace>),
    /// Oldest first, above this place.
    OldestFirst(Option<EventPlace>),
}

/// A place in the listing of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventPlace {
    /// When the event fired.
    pub fired_at: Timestamp,
    /// Its number.
    pub id: EventId,
}

/// Which events are looked for. All conditions hold together.
#[derive(Clone, Debug, Default)]
pub struct EventSearch {
    /// Whose and when.
    pub filter: EventFilter,
    /// Only those of which this has become.
    pub outcome: Option<Outcome>,
    /// Only those made by this.
    pub origin: Option<Origin>,
    /// Only those with this in their payload or name, whatever the case of its ASCII letters.
    pub text: Option<String>,
}

/// At most so many events are looked at in one search; for the outcome [`Outcome::Failed`], at so many that failed.
pub const SEARCHED_MAX: usize = 10_000;

/// At most so many events, everybody's together, are walked over in one [`Store::events_logged_after`].
pub const FOLLOWED_MAX: usize = 5_000;

/// An event as lists show it: everything but the greater part of a long payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventLine {
    /// Its number.
    pub id: EventId,
    /// The trigger that fired; it may be gone by now.
    pub trigger: TriggerId,
    /// The trigger's name at that moment; empty where it had none.
    pub name: String,
    /// What sort of trigger it was.
    pub kind: Kind,
    /// The firing in short.
    pub firing: Firing,
    /// What receivers know it by.
    pub message_id: MessageId,
    /// The beginning of the payload, at most [`EXCERPT_CHARS_MAX`] characters of it.
    pub excerpt: String,
}

/// The longest beginning of a payload that lists show, in characters.
pub const EXCERPT_CHARS_MAX: usize = 200;

/// What a search of events found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventLines {
    /// What was found, in the order that was asked for.
    pub lines: Vec<EventLine>,
    /// Where the search gave up before it had found enough: everything up to this place was looked at, nothing beyond.
    pub gave_up_at: Option<EventPlace>,
    /// Every event with a number up to this one was there to be found; later ones come in [`Store::events_logged_after`].
    pub logged_until: EventId,
}

/// How many triggers somebody has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TriggerTally {
    /// All of them.
    pub all: u64,
    /// Those that will fire by themselves or when called ([`TriggerHead::is_active`]).
    pub active: u64,
    /// Those that are switched off.
    pub paused: u64,
}

/// What somebody ought to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attention {
    /// How many triggers there are.
    pub tally: TriggerTally,
    /// Triggers whose occurrence is overdue by more than [`crate::trigger::OVERDUE_AFTER`], the longest overdue first, at most [`ATTENTION_MAX`].
    pub overdue: Vec<TriggerHead>,
    /// Triggers of whose kept events the newest one that was delivered or failed, tests aside, failed; with that event, the
    /// newest first, at most [`ATTENTION_MAX`].
    pub failing: Vec<(TriggerHead, Firing)>,
}

/// How many triggers of a sort need attention at once.
pub const ATTENTION_MAX: usize = 100;

/// The latest firings of one trigger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecentFirings {
    /// The trigger.
    pub trigger: TriggerId,
    /// Its firings, tests aside, newest first.
    pub firings: Vec<Firing>,
}

/// One event's way to one destination, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryView {
    /// Where it goes.
    pub target: crate::destination::Target,
    /// Where it stands.
    pub state: State,
    /// What was tried, oldest first.
    pub attempts: Vec<Attempt>,
}

/// A record of occurrences that did not fire, as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SkippedView {
    /// What did not fire, and why.
    pub skipped: Skipped,
    /// When that was written down.
    pub recorded_at: Timestamp,
}

/// How many kept events a trigger has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventCount {
    /// The trigger; it may be gone.
    pub trigger: TriggerId,
    /// Its name, or the last one its events fired under.
    pub name: String,
    /// How many.
    pub count: u64,
}

/// What one slice of expiry removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expired {
    /// How many events went.
    pub events: usize,
    /// Whether nothing as old is left, of any kind.
    pub is_done: bool,
}

/// How much is owed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Deliveries that are owed, claimed ones included.
    pub owed: u64,
}

/// How far it is with what everybody's triggers wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DueCounts {
    /// Triggers whose occurrence is due, counted up to [`DUE_COUNTED_MAX`].
    pub due: u64,
    /// Those of them that are overdue by more than [`crate::trigger::OVERDUE_AFTER`], counted up to [`DUE_COUNTED_MAX`].
    pub overdue: u64,
    /// The earliest occurrence that is still to come.
    pub next_at: Option<Timestamp>,
}

/// So many due triggers are counted at most: who has more than that has other worries than the number.
pub const DUE_COUNTED_MAX: u64 = 100_000;

/// Everything oncue remembers.
#[async_trait]
pub trait Store: Send + Sync {
    /// Calls `listener` after each commit that may concern it, for as long as the store lives.
    fn subscribe(&self, listener: Listener);

    /// The database answers and is migrated.
    async fn check(&self) -> Result<()>;

    // Access.

    /// There is a user with that address, unless `rule` or another user stands against it. The first one is the operator.
    async fn register(&self, user: NewUser, rule: Registration, now: Timestamp) -> Result<Registered>;

    /// The built-in user of the mode without login, made when first asked for; nobody can log in as them.
    async fn local_user(&self, now: Timestamp) -> Result<User>;

    /// The user with that address (compared without case) and their password's hash.
    async fn user_by_email(&self, email: &str) -> Result<Option<(User, String)>>;

    /// All users but the built-in one, ascending.
    async fn users(&self) -> Result<Vec<User>>;

    /// The user has this password, no session any more, and may enter again if they were disabled. False when there is no
    /// such user.
    async fn set_password(&self, user: UserId, password_hash: &str) -> Result<bool>;

    /// The user may not enter any more; their sessions and keys are refused from now on. False when there is no such user.
    async fn disable_user(&self, user: UserId, now: Timestamp) -> Result<bool>;

    /// The session exists.
    async fn open_session(&self, session: Session) -> Result<()>;

    /// Whose session it is, if it has not ended and its user is not disabled.
    async fn session_user(&self, id: &str, now: Timestamp) -> Result<Option<User>>;

    /// The session exists no more.
    async fn end_session(&self, id: &str) -> Result<()>;

    /// The user's sessions that have not ended, the latest first.
    async fn sessions(&self, user: UserId, now: Timestamp) -> Result<Vec<Session>>;

    /// None of the user's sessions exists any more but the one of the id `kept`. How many there were.
    async fn end_other_sessions(&self, user: UserId, kept: &str) -> Result<usize>;

    /// The user likes their pages like that. False when there is no such user.
    async fn set_preferences(&self, user: UserId, preferences: Preferences) -> Result<bool>;

    /// The key exists; none when its owner has [`crate::access::API_KEYS_MAX`] already.
    async fn create_api_key(&self, key: NewApiKey, now: Timestamp) -> Result<Option<ApiKey>>;

    /// The owner's keys, ascending.
    async fn api_keys(&self, owner: UserId) -> Result<Vec<ApiKey>>;

    /// The key exists no more. False when the owner had no such key.
    async fn delete_api_key(&self, owner: UserId, id: ApiKeyId) -> Result<bool>;

    /// The key of that hash and its owner, if it has not ended and the owner is not disabled.
    async fn api_key_user(&self, hash: &KeyHash, now: Timestamp) -> Result<Option<(User, ApiKey)>>;

    /// The key was used at `now`.
    async fn touch_api_key(&self, id: ApiKeyId, now: Timestamp) -> Result<()>;

    // Triggers.

    /// The trigger exists, is armed as said, and its test event, where one is asked for, is logged and owed.
    async fn create_trigger(&self, trigger: NewTrigger, now: Timestamp) -> Result<Armed>;

    /// The owner's trigger.
    async fn trigger(&self, owner: UserId, id: TriggerId) -> Result<Option<Armed>>;

    /// The owner's triggers with an id above `after`, ascending, at most `limit`.
    async fn triggers(&self, owner: UserId, after: Option<TriggerId>, limit: usize) -> Result<Vec<Armed>>;

    /// The owner's triggers, ascending, at most `limit`, without their payloads.
    async fn trigger_heads(&self, owner: UserId, limit: usize) -> Result<Vec<TriggerHead>>;

    /// The owner's triggers that wait for something, the earliest first, at most `limit`.
    async fn soonest(&self, owner: UserId, limit: usize) -> Result<Vec<TriggerHead>>;

    /// What the owner ought to look at.
    async fn attention(&self, owner: UserId, gone_until: Timestamp, now: Timestamp) -> Result<Attention>;

    /// The edit holds: nothing of the former revision is committed from now on. Refused as stale when the trigger is not of
    /// the revision before, or when the edit arms it and it does not wait for `seen` any more.
    async fn edit_trigger(&self, edit: Edit, seen: Option<Timestamp>, now: Timestamp) -> Result<Edited>;

    /// The trigger exists no more; its events stay, under the name they fired with. False when the owner had no such trigger.
    async fn delete_trigger(&self, owner: UserId, id: TriggerId, now: Timestamp) -> Result<bool>;

    /// The event of a call is logged and owed, if the trigger may be fired like that at `now`.
    async fn fire(&self, owner: UserId, id: TriggerId, call: Call, now: Timestamp) -> Result<Fired>;

    /// The event of a trigger that is only tried out is logged and owed; the trigger is not kept and has a negative id.
    async fn fire_unkept(
        &self,
        owner: UserId,
        definition: Definition,
        message_id: MessageId,
        now: Timestamp,
    ) -> Result<TriggerId>;

    /// The records of occurrences of the owner's trigger that did not fire, newest first, at most `limit`.
    async fn skipped(&self, owner: UserId, id: TriggerId, limit: usize) -> Result<Vec<SkippedView>>;

    // The scheduler.

    /// Somebody runs from `now` on; what lay between the last sign of life and now is an absence. Gives every absence that may still matter.
    async fn begin_presence(&self, now: Timestamp) -> Result<Vec<Absence>>;

    /// A sign of life. Cheap; need not survive a power failure to the second.
    fn sign_of_life(&self, now: Timestamp);

    /// The earliest occurrence that any trigger waits for.
    async fn next_due(&self) -> Result<Option<Timestamp>>;

    /// Triggers whose occurrence is due at `now`, the earliest first, at most `limit`.
    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<Armed<Arc<Trigger>>>>;

    /// All at once: the events of the plans are logged and owed, the skipped occurrences recorded, and the triggers wait for
    /// their next occurrence. A plan whose trigger changed or waits for another occurrence does nothing; an occurrence that has
    /// an event already gets no second one (invariant 1).
    async fn commit_plans(&self, plans: Vec<Planned>, now: Timestamp) -> Result<Committed>;

    // Deliveries.

    /// When the earliest owed delivery may be tried; one that somebody holds, when that claim lapses.
    async fn next_owed(&self) -> Result<Option<Timestamp>>;

    /// Owed deliveries that may be tried at `now` and that nobody holds are now held by the caller, at most `limit`.
    async fn claim_deliveries(&self, now: Timestamp, limit: usize) -> Result<Vec<Claim>>;

    /// The attempts are recorded and their deliveries done, failed, or due again, unless a claim was lost meanwhile.
    async fn settle(&self, settlements: Vec<Settlement>) -> Result<()>;

    /// How much is owed.
    async fn backlog(&self) -> Result<Backlog>;

    // The operator's view of the whole.

    /// How many triggers are due at `now`, everybody's together, and what comes next.
    async fn due_counts(&self, now: Timestamp) -> Result<DueCounts>;

    /// What this node does now, for whoever asks for [`Store::nodes`]. Cheap; need not survive anything.
    fn note_work(&self, work: Work);

    /// The nodes that run, ascending; a node does from its first [`Store::begin_presence`] until it leaves or is given up.
    async fn nodes(&self) -> Result<Vec<NodeView>>;

    // Events.

    /// The owner's event and its deliveries, if it fired after `gone_until`.
    async fn event(
        &self,
        owner: UserId,
        id: EventId,
        gone_until: Timestamp,
    ) -> Result<Option<(Event, Vec<DeliveryView>)>>;

    /// A page of the owner's events, at most `limit`.
    async fn events(&self, owner: UserId, filter: EventFilter, page: EventPage, limit: usize) -> Result<Vec<Event>>;

    /// How many of the owner's events fired after `gone_until`, by trigger, ascending; triggers without any are left out.
    async fn event_counts(&self, owner: UserId, gone_until: Timestamp) -> Result<Vec<EventCount>>;

    /// The owner's events that are looked for, in the order of `page`, at most `limit`.
    async fn event_lines(
        &self,
        owner: UserId,
        search: EventSearch,
        page: EventPage,
        limit: usize,
    ) -> Result<EventLines>;

    /// The owner's events that are looked for and were logged after the event `after`, in the order of their numbers, at most
    /// `limit`. With [`EventLines::logged_until`] as the next `after`, none is given twice and none is left out. One call walks
    /// over at most [`FOLLOWED_MAX`] events: there may be more for as long as that number goes up.
    async fn events_logged_after(
        &self,
        owner: UserId,
        search: EventSearch,
        after: EventId,
        limit: usize,
    ) -> Result<EventLines>;

    /// How many of the owner's events each filter lets through, counted up to `at_most`.
    async fn count_events(&self, owner: UserId, filters: Vec<EventFilter>, at_most: u64) -> Result<Vec<u64>>;

    // Counts and firings in short, which outlive events.

    /// What happened in each hour that begins in [`from`, `until`), to all of the owner's triggers (deleted ones too) or to one;
    /// hours in which nothing did are left out. Ascending.
    async fn hour_counts(
        &self,
        owner: UserId,
        trigger: Option<TriggerId>,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<HourCount>>;

    /// The latest firings of each of these triggers of the owner, at most `limit` each and [`crate::firing::FIRINGS_KEPT`], in the order of
    /// `triggers`. Those that fired at or before `gone_until` are told in short only.
    async fn recent_firings(
        &self,
        owner: UserId,
        triggers: Vec<TriggerId>,
        gone_until: Timestamp,
        limit: usize,
    ) -> Result<Vec<RecentFirings>>;

    /// What is left of the owner's event that is gone, while it is among the latest firings of a trigger that is still there.
    async fn gone_firing(
        &self,
        owner: UserId,
        id: EventId,
        gone_until: Timestamp,
    ) -> Result<Option<(TriggerId, Firing)>>;

    // Retention.

    /// At most `limit` events that fired at or before `gone_until` are gone with all that hangs on them, and so are as many
    /// ended sessions, former revisions, records as old, and counts older than [`crate::count::COUNTS_KEPT`]. What the events
    /// of a trigger leave in short stays.
    async fn expire(&self, gone_until: Timestamp, now: Timestamp, limit: usize) -> Result<Expired>;
}

/// How long absences are remembered: longer than any occurrence may come late.
pub const ABSENCES_KEPT: SignedDuration = SignedDuration::from_hours(72);
