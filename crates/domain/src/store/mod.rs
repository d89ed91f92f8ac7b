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
use crate::arrival::{Arrival, Arrived, Contents};
use crate::count::HourCount;
use crate::delivery::{Attempt, Claim, Settlement, State};
use crate::destination::alert::Streak;
use crate::destination::definition::{Rate, Turns};
use crate::destination::{self, Destination, DestinationHead, Standing, Target, Wanted};
use crate::event::{Event, Origin, Retention};
use crate::firing::{Firing, Outcome};
use crate::id::{ApiKeyId, ArrivalId, DestinationId, EventId, MessageId, TriggerId, UserId};
use crate::node::{NodeView, Work};
use crate::occurrence::Skipped;
use crate::payload::Payload;
use crate::plan::{Absence, Plan};
use crate::receipt::Receipt;
use crate::redelivery::{self, DeliveryId};
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
    /// A destination of this user was made, changed or deleted, or takes deliveries or takes them no more.
    Destination(UserId),
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

/// What came of firing an event again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FiredAgain {
    /// The new event is durable.
    Event(EventId),
    /// No such event, or somebody else's, or it is gone.
    NotFound,
    /// Its trigger exists no more.
    TriggerGone,
    /// Its trigger cannot be fired like that.
    Refused(FireRefusal),
}

/// A trigger names a destination that its owner does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("There is no destination {0}.")]
pub struct MissingDestination(pub DestinationId);

/// What came of an edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edited {
    /// It holds.
    Done,
    /// The thing, or what it waits for, changed since it was read: read again and decide again.
    Stale,
    /// There is no such thing any more.
    NotFound,
    /// The trigger would name a destination that its owner does not have.
    Missing(MissingDestination),
}

/// What came of deleting a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// It is gone. What waited for it is due at once, and finds that it is gone.
    Done,
    /// The owner has no such destination.
    NotFound,
    /// Triggers send to it.
    InUse {
        /// Some of them, ascending, at most [`NAMED_MAX`].
        triggers: Vec<TriggerId>,
        /// How many there are.
        count: u64,
    },
}

/// So many of the triggers that send to a destination are named.
pub const NAMED_MAX: usize = 10;

/// A delivery that was given up, of an event that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undelivered {
    /// Where it stands in the list.
    pub place: UndeliveredPlace,
    /// Where it went.
    pub target: TargetKind,
    /// The trigger that fired; it may be gone by now.
    pub trigger: TriggerId,
    /// When the event fired.
    pub fired_at: Timestamp,
    /// Why, where no attempt says it.
    pub why: Option<String>,
}

/// A place in the list of deliveries that were given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UndeliveredPlace {
    /// When it was given up.
    pub failed_at: Timestamp,
    /// The event.
    pub event: EventId,
    /// Which of its deliveries.
    pub slot: u32,
}

impl UndeliveredPlace {
    /// What stands there.
    pub fn delivery(&self) -> DeliveryId {
        DeliveryId { event: self.event, slot: self.slot }
    }
}

/// Which of the deliveries that were given up are meant. All conditions hold together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UndeliveredFilter {
    /// Only those that went to this destination.
    pub destination: Option<DestinationId>,
    /// Only those of this trigger's events.
    pub trigger: Option<TriggerId>,
    /// Only those that were given up after this instant.
    pub failed_after: Option<Timestamp>,
    /// Only those that were given up at or before this instant.
    pub failed_until: Option<Timestamp>,
}

impl UndeliveredFilter {
    /// The same for what stands below a place of the list: nothing there was given up later. So one bound leads an index to the place.
    #[must_use]
    pub fn below(self, place: Option<UndeliveredPlace>) -> UndeliveredFilter {
        let bounds = [self.failed_until, place.map(|place| place.failed_at)];
        UndeliveredFilter { failed_until: bounds.into_iter().flatten().min(), ..self }
    }
}

/// What came of sending again some of the deliveries that match a filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Redelivered {
    /// So many are owed again.
    pub redelivered: usize,
    /// So many match, and could not be sent again: what they went to is gone, or somebody else was faster.
    pub refused: usize,
    /// From where to go on; none where no more match.
    pub go_on_after: Option<UndeliveredPlace>,
}

impl Redelivered {
    /// What came of sending `found` again, of which at most `limit` were looked for.
    pub fn of(found: &[Undelivered], outcomes: &[std::result::Result<(), redelivery::Refusal>], limit: usize) -> Self {
        let redelivered = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        Redelivered {
            redelivered,
            refused: outcomes.len() - redelivered,
            go_on_after: found.last().filter(|_| found.len() >= limit).map(|last| last.place),
        }
    }
}

/// What sort of target a delivery has, without its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TargetKind {
    /// The trigger's own address.
    Webhook,
    /// The operator's default destination.
    Default,
    /// This destination of the owner's; it may be gone by now.
    Destination(DestinationId),
}

impl From<&Target> for TargetKind {
    fn from(target: &Target) -> TargetKind {
        match target {
            Target::Webhook(_) => TargetKind::Webhook,
            Target::Default => TargetKind::Default,
            Target::Destination(id) => TargetKind::Destination(*id),
        }
    }
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
    /// Triggers of whose kept events the newest one that was ever delivered or failed, tests aside, failed and is not being sent
    /// again; with that event, the newest first, at most [`ATTENTION_MAX`].
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
    /// Which of the event's deliveries it is, counted from zero.
    pub slot: u32,
    /// What the receiver knows it by.
    pub message_id: MessageId,
    /// Where it goes.
    pub target: Target,
    /// Where it stands.
    pub state: State,
    /// What was tried, oldest first.
    pub attempts: Vec<Attempt>,
    /// How many of the attempts were made before it was last sent again, for as long as it is owed; the ladder began anew with the
    /// next one. 0 where it never was.
    pub ladder_from: u32,
    /// Why it failed, where no attempt says it.
    pub why: Option<String>,
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
    /// Deliveries that were given up, of events that are kept; of some that are about to be removed, too.
    pub undelivered: u64,
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

    /// The trigger exists, is armed as said, and its test event, where one is asked for, is logged and owed; unless it names a
    /// destination that its owner does not have.
    async fn create_trigger(
        &self,
        trigger: NewTrigger,
        now: Timestamp,
    ) -> Result<std::result::Result<Armed, MissingDestination>>;

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
    /// the revision before, or when the edit arms it and it does not wait for `seen` any more; and refused when it would name a
    /// destination that its owner does not have.
    async fn edit_trigger(&self, edit: Edit, seen: Option<Timestamp>, now: Timestamp) -> Result<Edited>;

    /// The trigger exists no more; its events stay, under the name they fired with. False when the owner had no such trigger.
    async fn delete_trigger(&self, owner: UserId, id: TriggerId, now: Timestamp) -> Result<bool>;

    /// The event of a call is logged and owed, if the trigger may be fired like that at `now`.
    async fn fire(&self, owner: UserId, id: TriggerId, call: Call, now: Timestamp) -> Result<Fired>;

    /// An event of the trigger that made `event` is logged and owed to wherever that one sends now, with the same payload and under a message
    /// id of its own; the trigger must be there and alive, whatever sort it is, and goes on waiting for what it waits for. `event` has
    /// fired after `gone_until`. The repetition of a test is a test ([`Origin::Test`]), any other is an [`Origin::Repeat`].
    async fn fire_again(
        &self,
        owner: UserId,
        event: EventId,
        message_id: MessageId,
        gone_until: Timestamp,
        now: Timestamp,
    ) -> Result<FiredAgain>;

    /// The event of a trigger that is only tried out is logged and owed; the trigger is not kept and has a negative id. Refused
    /// when it names a destination that the owner does not have.
    async fn fire_unkept(
        &self,
        owner: UserId,
        definition: Definition,
        message_id: MessageId,
        now: Timestamp,
    ) -> Result<std::result::Result<TriggerId, MissingDestination>>;

    /// The records of occurrences of the owner's trigger that did not fire, newest first, at most `limit`.
    async fn skipped(&self, owner: UserId, id: TriggerId, limit: usize) -> Result<Vec<SkippedView>>;

    // Destinations.

    /// The destination exists and takes deliveries; none when its owner has [`crate::destination::DESTINATIONS_MAX`] already.
    async fn create_destination(
        &self,
        owner: UserId,
        definition: destination::Definition,
        now: Timestamp,
    ) -> Result<Option<Destination>>;

    /// The owner's destination.
    async fn destination(&self, owner: UserId, id: DestinationId) -> Result<Option<Destination>>;

    /// The owner's destinations with an id above `after`, ascending, at most `limit`. One that cannot be read is left out, and logged:
    /// the others must be seen all the same.
    async fn destinations(&self, owner: UserId, after: Option<DestinationId>, limit: usize)
    -> Result<Vec<Destination>>;

    /// What the owner's destinations are called and whether they take deliveries, ascending by id; those that cannot be read too.
    async fn destination_heads(&self, owner: UserId, wanted: Wanted) -> Result<Vec<DestinationHead>>;

    /// The destination is what `definition` says, for what is owed to it already too. Refused as stale when it is not of the
    /// revision `seen` any more.
    async fn edit_destination(
        &self,
        owner: UserId,
        id: DestinationId,
        seen: i64,
        definition: destination::Definition,
    ) -> Result<Edited>;

    /// The destination stands like that, and has a new revision, so that a receiver's answer from before changes nothing any more. Where it
    /// takes deliveries from `now` on, what is parked for it or waits for its next attempt there is due at once. False when the
    /// owner has no such destination.
    async fn set_standing(&self, owner: UserId, id: DestinationId, standing: Standing, now: Timestamp) -> Result<bool>;

    /// The destination exists no more, unless triggers send to it; what is parked for it or waits for its next attempt there is due at
    /// once, and what arrived there is gone.
    async fn delete_destination(&self, owner: UserId, id: DestinationId, now: Timestamp) -> Result<Deleted>;

    /// The destination, whosever it is, takes no deliveries any more for this reason; and whoever is to be told of it is, by an event
    /// of that id (none where it was an alert that did not arrive: nobody is told of that), as [`destination::alert`] decides. False
    /// when it takes none already, is not of the revision `seen` any more, or is gone.
    async fn suspend_destination(
        &self,
        id: DestinationId,
        seen: i64,
        reason: &str,
        told_by: Option<MessageId>,
        now: Timestamp,
    ) -> Result<bool>;

    /// Those of the owner's destinations that are failing, ascending.
    async fn streaks(&self, owner: UserId) -> Result<Vec<(DestinationId, Streak)>>;

    /// Those of these destinations that are there, whosever they are, ascending.
    async fn destinations_to_send_to(&self, ids: Vec<DestinationId>) -> Result<Vec<Destination>>;

    /// How many triggers send to each of these destinations, in the order of `ids`; to one that the owner does not have, none.
    async fn destination_uses(&self, owner: UserId, ids: Vec<DestinationId>) -> Result<Vec<u64>>;

    /// Turns to begin deliveries to the destination, at most `wanted`, as [`Rate::take`] gives them out: to all who ask together no
    /// more than the rate allows, a restart between them or not. None where the destination is gone.
    async fn take_turns(&self, id: DestinationId, rate: Rate, wanted: usize, now: Timestamp) -> Result<Turns>;

    // Inboxes.

    /// The owner's inbox keeps this, and once in a while ([`crate::arrival::makes_room`]) whatever there is no room for any more goes
    /// ([`crate::arrival::crowded_out`]). False when the owner has no such destination any more.
    async fn arrive(&self, owner: UserId, arrived: Arrived, contents: Contents) -> Result<bool>;

    /// What arrived at the owner's destination, the latest first, below the number `before`, at most `limit`.
    async fn arrivals(
        &self,
        owner: UserId,
        destination: DestinationId,
        before: Option<ArrivalId>,
        limit: usize,
    ) -> Result<Vec<Arrival>>;

    /// What arrived at one of the owner's destinations, and what it said.
    async fn arrival(&self, owner: UserId, id: ArrivalId) -> Result<Option<(Arrival, Contents)>>;

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

    /// The attempts are recorded and their deliveries done, failed, parked, or due again, unless a claim was lost meanwhile. What
    /// follows for the streaks of their destinations is written down with it, and whoever is to be told of it is
    /// ([`destination::alert`]): the event is logged and owed.
    async fn settle(&self, settlements: Vec<Settlement>) -> Result<()>;

    /// The owner's deliveries that were given up and that the filter lets through, of events that fired after `gone_until`, the latest
    /// first, below the place `after`, at most `limit`.
    async fn undelivered(
        &self,
        owner: UserId,
        filter: UndeliveredFilter,
        gone_until: Timestamp,
        after: Option<UndeliveredPlace>,
        limit: usize,
    ) -> Result<Vec<Undelivered>>;

    /// How many of these there are in all, counted up to `at_most`. With [`over_until`](crate::delivery::over_until) in place of `gone_until`
    /// it tells how many [`Store::redeliver_matching`] would go through.
    async fn count_undelivered(
        &self,
        owner: UserId,
        filter: UndeliveredFilter,
        gone_until: Timestamp,
        at_most: u64,
    ) -> Result<u64>;

    /// Each of these deliveries of the owner's, at most [`crate::redelivery::SELECTED_MAX`], is owed again at once, under its message id,
    /// unless [`may_redeliver`](crate::redelivery::may_redeliver) stands against it; in their order what came of it. A delivery that is
    /// named twice is sent again once.
    ///
    /// An event of which something is owed again is not counted again when it ends: one that had failed is moved to those that were
    /// delivered when it is after all, once, and one that had been delivered stays so.
    async fn redeliver(
        &self,
        owner: UserId,
        deliveries: Vec<DeliveryId>,
        retention: Retention,
        now: Timestamp,
    ) -> Result<Vec<std::result::Result<(), redelivery::Refusal>>>;

    /// Of the owner's deliveries that were given up, that the filter lets through and whose events are not over, the latest below the place
    /// `after`, at most `limit` and [`crate::redelivery::SLICE_MAX`], are owed again at once as by [`Store::redeliver`]. Called again and again with
    /// [`Redelivered::go_on_after`] it takes each once: what fails anew meanwhile stands above where it goes on.
    async fn redeliver_matching(
        &self,
        owner: UserId,
        filter: UndeliveredFilter,
        after: Option<UndeliveredPlace>,
        limit: usize,
        retention: Retention,
        now: Timestamp,
    ) -> Result<Redelivered>;

    /// The owner's delivery that waits, for its next attempt or for its destination, is given up, and says so; `delivery`'s event fired
    /// after `gone_until`. What is sent again after it had arrived is delivered, as before.
    async fn cancel_delivery(
        &self,
        owner: UserId,
        delivery: DeliveryId,
        gone_until: Timestamp,
        now: Timestamp,
    ) -> Result<std::result::Result<(), redelivery::CancelRefusal>>;

    /// The receipt of the attempt of this number, if the owner's event fired after `gone_until`. None where there is no such attempt,
    /// and for one that was made before receipts were kept.
    async fn receipt(
        &self,
        owner: UserId,
        event: EventId,
        slot: u32,
        number: u32,
        gone_until: Timestamp,
    ) -> Result<Option<Receipt>>;

    /// How much is owed, and how much was given up.
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
    /// arrivals that are as old, ended sessions, former revisions, records as old, and counts older than [`crate::count::COUNTS_KEPT`]. What the events
    /// of a trigger leave in short stays. A delivery that is still owed has failed, and is counted so.
    async fn expire(&self, gone_until: Timestamp, now: Timestamp, limit: usize) -> Result<Expired>;
}

/// How long absences are remembered: longer than any occurrence may come late.
pub const ABSENCES_KEPT: SignedDuration = SignedDuration::from_hours(72);
