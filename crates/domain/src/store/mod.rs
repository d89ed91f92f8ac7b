//! What oncue remembers, as some seventy facts that become true or do not. Each method is one transaction and one sentence;
//! what a 2xx, a delivery or a line on a page rests on is committed when the method returns (invariant 3). Every method on
//! user data takes the owner, and a missing row and another's row look the same (invariant 7). Scheduling decisions are not
//! made here: `plan` and `trigger` make them, and a commit is refused when they were made about something that has changed.
//!
//! Here stand the sentences alone, in one trait that can be read from top to bottom; what they speak of lies beside it, plain
//! records by subject. `memory` is the reference model: what the sentences mean, executable. Every store
//! passes the same conformance suite.

mod access;
mod backlog;
mod calendar;
mod call;
mod change;
mod delivery;
mod due;
mod edit;
mod event;
mod inspection;
mod ledger;
mod many;
pub mod memory;
mod once;
mod run;
mod search;
mod trigger;
mod undelivered;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::access::{ApiKey, KeyHash, Preferences, Registration, Session, User};
use crate::act::{Act, ActFilter, Entry};
use crate::actor::Author;
use crate::agenda::Span;
use crate::arrival::{Arrival, Arrived, Contents};
use crate::audit::{Account, Asked, Repair, ZoneData};
use crate::backlog::{Drained, NewBacklog};
use crate::calendar::{self as calendars, Calendar};
use crate::count::HourCount;
use crate::delivery::{Claim, Settlement};
use crate::destination::alert::Streak;
use crate::destination::definition::{Rate, Turns};
use crate::destination::{self, Destination, DestinationHead, Standing, Wanted};
use crate::event::{Event, Retention};
use crate::firing::Firing;
use crate::freeze::{Freeze, Freezes, Said};
use crate::id::{ApiKeyId, ArrivalId, BacklogId, CalendarId, DestinationId, EventId, MessageId, TriggerId, UserId};
use crate::idempotency::{Answer, Key, Keyed, Remembered};
use crate::node::{NodeView, Work};
use crate::occurrence::Skipped;
use crate::overlap::Before;
use crate::plan::Absence;
use crate::receipt::Receipt;
use crate::redelivery::{self, DeliveryId};
use crate::revision::Revision;
use crate::run::Report;
use crate::trigger::{Armed, Edit, Listed, Problem, Remains, Trigger, TriggerHead};

pub use access::{NewApiKey, NewUser, Registered};
pub use backlog::{BacklogSums, BacklogTurns, BacklogView, Touched};
pub use calendar::{CalendarEdited, CalendarMade, CalendarView, Follower};
pub use call::{Call, Fired, FiredAgain, Repeat, Trial};
pub use change::{Change, Listener};
pub use delivery::{DeliveryView, OwedCounts, TargetKind};
pub use due::{ABSENCES_KEPT, ABSENCES_TOLD_MAX, Committed, DUE_COUNTED_MAX, DueCounts, DuePlace, DueSlice, Planned};
pub use edit::{Deleted, Edited, Missing, NAMED_MAX};
pub use event::{EventCount, EventFilter, EventPage, EventPlace, Expired, RecentFirings};
pub use inspection::Inspection;
pub use ledger::{LEDGER_MAX, Ledger, LedgerFiring};
pub use once::{Begun, Deed, Done};
pub use run::{Lapsed, Reported, RunOf};
pub use search::{EXCERPT_CHARS_MAX, EventLine, EventLines, EventSearch, FOLLOWED_MAX, SEARCHED_MAX};
pub use trigger::{
    ATTENTION_MAX, Attention, DeletedTrigger, FAILED_TRIGGERS_MAX, FAILURES_MAX, NewTrigger, SkippedView, TALLIED_MAX,
    TriggerTally,
};
pub use undelivered::{Redelivered, Undelivered, UndeliveredFilter, UndeliveredPlace};

pub use many::{Made, TOGETHER_MAX};

/// Why a store could not answer. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It may work again later: the disk is full, the database is busy or gone.
    #[error("the database cannot be reached or written: {0}")]
    Unavailable(String),
    /// What is stored or asked makes no sense; trying again will not help.
    #[error("the database gave an answer that cannot be: {0}")]
    Broken(String),
    /// A trigger is stored such that nothing can be made of it: whoever owns it can replace it as a whole or delete it.
    #[error("a trigger cannot be read: {0}")]
    Unreadable(Problem),
}

impl Error {
    /// What is behind it, without saying what that means.
    pub fn why(&self) -> String {
        match self {
            Error::Unavailable(why) | Error::Broken(why) => why.clone(),
            Error::Unreadable(problem) => problem.to_string(),
        }
    }

    /// Whether it may be about one of the things that were asked for together, so that the others can be had alone.
    pub fn may_be_about_one(&self) -> bool {
        matches!(self, Error::Broken(_) | Error::Unreadable(_))
    }
}

/// What a store method gives.
pub type Result<T> = std::result::Result<T, Error>;

/// Everything oncue remembers.
#[async_trait]
pub trait Store: Send + Sync {
    /// Calls `listener` after each commit that may concern it, for as long as the store lives.
    fn subscribe(&self, listener: Listener);

    /// The same store in the hands of this one: what is changed through it is written down as theirs. What is changed through a store
    /// in nobody's hands is oncue's own doing.
    fn acting(&self, author: Author) -> Arc<dyn Store>;

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
    /// destination that its owner does not have, or a calendar as it is not.
    async fn create_trigger(&self, trigger: NewTrigger, now: Timestamp) -> Result<std::result::Result<Armed, Missing>>;

    /// The same as [`Store::create_trigger`] for each of these, at most [`TOGETHER_MAX`], in their order; what comes of one is no matter
    /// of the others'. A database makes them in one transaction; what is meant is what stands here.
    async fn create_triggers(&self, triggers: Vec<NewTrigger>, now: Timestamp) -> Vec<Result<Made>> {
        let mut made = Vec::with_capacity(triggers.len());
        for trigger in triggers {
            made.push(self.create_trigger(trigger, now).await.map(|made| made.map(|armed| armed.trigger.id)));
        }
        made
    }

    /// Whose a trigger is, or was where it was deleted and is not forgotten ([`Store::deleted_trigger`]), for whoever runs the server and knows no
    /// more of it than its number. No surface asks this.
    async fn owner_of(&self, id: TriggerId) -> Result<Option<UserId>>;

    /// The owner's trigger.
    async fn trigger(&self, owner: UserId, id: TriggerId) -> Result<Option<Armed>>;

    /// What is left of the owner's trigger that cannot be read ([`Error::Unreadable`]). None where it can, and where there is no such trigger.
    async fn remains(&self, owner: UserId, id: TriggerId) -> Result<Option<Remains>>;

    /// The owner's triggers with an id above `after`, ascending, at most `limit`, those that cannot be read among them; shorter than `limit` at the
    /// end alone. One of which not even its number, its name or when it was made can be read is left out.
    async fn listed_triggers(
        &self,
        owner: UserId,
        after: Option<TriggerId>,
        limit: usize,
    ) -> Result<Vec<Listed<Armed>>>;

    /// Those of [`Store::listed_triggers`] that can be read.
    async fn triggers(&self, owner: UserId, after: Option<TriggerId>, limit: usize) -> Result<Vec<Armed>> {
        Ok(self.listed_triggers(owner, after, limit).await?.into_iter().filter_map(Listed::read).collect())
    }

    /// The owner's triggers, ascending, at most `limit`, without their payloads. Among them those of which what is left aside here need not be
    /// looked at to find that they cannot be read.
    async fn listed_heads(&self, owner: UserId, limit: usize) -> Result<Vec<Listed<TriggerHead>>>;

    /// Those of [`Store::listed_heads`] that can be read.
    async fn trigger_heads(&self, owner: UserId, limit: usize) -> Result<Vec<TriggerHead>> {
        Ok(self.listed_heads(owner, limit).await?.into_iter().filter_map(Listed::read).collect())
    }

    /// The owner's triggers that wait for something, the earliest first, at most `limit`.
    async fn soonest(&self, owner: UserId, limit: usize) -> Result<Vec<TriggerHead>>;

    /// What the owner ought to look at.
    async fn attention(&self, owner: UserId, gone_until: Timestamp, now: Timestamp) -> Result<Attention>;

    /// The edit holds: nothing of the former revision is committed from now on, and it is kept as it stood until `now`: as one of the latest
    /// [`FORMER_KEPT`](crate::revision::FORMER_KEPT), and then for as long as events may name it and newer ones leave it room
    /// ([`Beyond`](crate::revision::Beyond)). Refused as stale when the trigger is not of
    /// the revision before, or when the edit arms it and it does not wait for `seen` any more; and refused when it would name a
    /// destination that its owner does not have, or a calendar as it is not.
    async fn edit_trigger(&self, edit: Edit, seen: Option<Timestamp>, now: Timestamp) -> Result<Edited>;

    /// The revisions of the owner's trigger that are kept, the present one among them, below the number `before`, the latest first, at
    /// most `limit`; of one that was deleted they are kept as long as [`Store::deleted_trigger`] knows of it.
    async fn revisions(&self, owner: UserId, id: TriggerId, before: Option<i64>, limit: usize)
    -> Result<Vec<Revision>>;

    /// The revision of that number of the owner's trigger, where it is kept.
    async fn revision(&self, owner: UserId, id: TriggerId, revision: i64) -> Result<Option<Revision>>;

    /// The revision of the owner's trigger that stood at `at`: of those that are kept and were made by then, the latest. None where
    /// there was no trigger yet, or what stood is kept no more.
    async fn revision_at(&self, owner: UserId, id: TriggerId, at: Timestamp) -> Result<Option<Revision>>;

    /// The trigger exists no more, and its present revision is kept as a former one; its events stay, under the name they fired with. What waited in
    /// a backlog is put down as discarded. False when the owner had no such trigger.
    async fn delete_trigger(&self, owner: UserId, id: TriggerId, now: Timestamp) -> Result<bool>;

    /// The owner's trigger that was deleted after `gone_until`. What [`Store::ledger`], [`Store::skipped`], [`Store::revisions`] and the counts tell of a
    /// trigger, they tell of this one until it is forgotten ([`Store::expire`]).
    async fn deleted_trigger(
        &self,
        owner: UserId,
        id: TriggerId,
        gone_until: Timestamp,
    ) -> Result<Option<DeletedTrigger>>;

    /// Deletes a trigger of which nothing is left, if it is still of this revision. False where it is not, or somebody is at it: nobody is
    /// waited for.
    async fn delete_done(&self, owner: UserId, id: TriggerId, revision: i64, now: Timestamp) -> Result<bool>;

    /// The event of a call is logged and owed, if the trigger may be fired like that at `now`. A store in somebody's hands fires by hand and writes
    /// that down ([`Act::fired`]); so does everything else here that fires. The calls of programs, thousands a second, come through one in nobody's.
    async fn fire(&self, owner: UserId, id: TriggerId, call: Call, now: Timestamp) -> Result<Fired>;

    /// The same as [`Store::fire`] for each of these, at most [`TOGETHER_MAX`], in their order; what comes of one is no matter of the
    /// others'. A database logs them together; what is meant is what stands here. Where several nodes share one, the calls of a trigger that
    /// another node has just edited may come behind those of the others, in their order among themselves.
    async fn fire_many(&self, owner: UserId, calls: Vec<(TriggerId, Call)>, now: Timestamp) -> Vec<Result<Fired>> {
        let mut fired = Vec::with_capacity(calls.len());
        for (id, call) in calls {
            fired.push(self.fire(owner, id, call, now).await);
        }
        fired
    }

    /// An event of the trigger that made the event of `repeat` is logged and owed to wherever that one sends now, with the same payload and under a
    /// message id of its own; the trigger must be there and alive, whatever sort it is, must take that payload ([`Repeat::suits`]), and goes on
    /// waiting for what it waits for. The event has fired after `gone_until`. The repetition of a test is a test ([`Origin::Test`](crate::event::Origin::Test)), any other is an
    /// [`Origin::Repeat`](crate::event::Origin::Repeat).
    async fn fire_again(
        &self,
        owner: UserId,
        repeat: Repeat,
        gone_until: Timestamp,
        now: Timestamp,
    ) -> Result<FiredAgain>;

    /// The event of a trigger that is only tried out is logged and owed; the trigger is not kept and has a negative id. Refused
    /// when it names a destination that the owner does not have.
    async fn fire_unkept(
        &self,
        owner: UserId,
        trial: Trial,
        message_id: MessageId,
        now: Timestamp,
    ) -> Result<std::result::Result<TriggerId, Missing>>;

    // What is done once, under a key of its caller's.

    /// Each of these, at most [`TOGETHER_MAX`], under a key and an item that no other has, is done as it would be without a key, and what was
    /// made is remembered in the same transaction; unless something was made under its key and item within
    /// [`KEPT_FOR`](crate::idempotency::KEPT_FOR). What comes of one is no matter of the others'. Of two that are asked for at once, on
    /// whatever nodes, the second waits for the first.
    async fn once(&self, owner: UserId, deeds: Vec<(Keyed, Deed)>, now: Timestamp) -> Vec<Result<Done>>;

    /// What is remembered of the owner's key, by item.
    async fn recall(&self, owner: UserId, key: &Key, now: Timestamp) -> Result<Vec<Remembered>>;

    /// A call is under way whose answer will be kept, unless there was one with its key and item, or the owner has too many.
    async fn begin_once(&self, owner: UserId, keyed: Keyed, now: Timestamp) -> Result<Begun>;

    /// The call that was under way has answered so; or, without an answer, has done nothing, and its key is free again. Nothing happens
    /// where no such call is under way.
    async fn end_once(&self, owner: UserId, keyed: Keyed, answer: Option<Answer>) -> Result<()>;

    /// The records of occurrences of the owner's trigger that did not fire, newest first, at most `limit`.
    async fn skipped(&self, owner: UserId, id: TriggerId, limit: usize) -> Result<Vec<SkippedView>>;

    /// What is written down about the occurrences of the owner's trigger in the span, in order: at most `limit` and [`LEDGER_MAX`] firings,
    /// and as many records; those that fired or were written down at or before `gone_until` are gone but for what stays in short, and of a
    /// deleted trigger nothing does. None when the owner has no such trigger, nor one that was deleted and is not forgotten.
    async fn ledger(
        &self,
        owner: UserId,
        id: TriggerId,
        span: Span,
        gone_until: Timestamp,
        limit: usize,
    ) -> Result<Option<Ledger>>;

    // Calendars.

    /// The calendar exists; unless its owner has [`CALENDARS_MAX`](crate::calendar::CALENDARS_MAX) already, or one of that name.
    async fn create_calendar(
        &self,
        owner: UserId,
        definition: calendars::Definition,
        now: Timestamp,
    ) -> Result<CalendarMade>;

    /// The owner's calendar, and how many triggers name it.
    async fn calendar(&self, owner: UserId, id: CalendarId) -> Result<Option<CalendarView>>;

    /// The owner's calendars, ascending, each with how many triggers name it.
    async fn calendars(&self, owner: UserId) -> Result<Vec<CalendarView>>;

    /// Of the first `limit` of the owner's triggers that name that calendar, ascending, those that can be read.
    async fn calendar_triggers(&self, owner: UserId, id: CalendarId, limit: usize) -> Result<Vec<Armed>>;

    /// How many occurrences wait in backlogs of each of the owner's triggers that name that calendar, where any do.
    async fn calendar_backlogs(&self, owner: UserId, id: CalendarId) -> Result<BTreeMap<TriggerId, u64>>;

    /// The edit of a calendar that stands as `seen` holds, and so does for each trigger that names it what comes of that
    /// ([`Armed::follow`]), as by [`Store::edit_trigger`] and all at once.
    async fn edit_calendar(
        &self,
        seen: Calendar,
        definition: calendars::Definition,
        now: Timestamp,
    ) -> Result<CalendarEdited>;

    /// The calendar exists no more; unless triggers name it.
    async fn delete_calendar(&self, owner: UserId, id: CalendarId) -> Result<Deleted>;

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
    /// Where there may be others who could not show themselves, it takes as long as it takes to tell: some seconds at most.
    async fn begin_presence(&self, now: Timestamp) -> Result<Vec<Absence>>;

    /// The absences that meet the span, in order, at most [`ABSENCES_TOLD_MAX`]. They are remembered for as long as a record may tell of them:
    /// until what was written down [`ABSENCES_KEPT`] after their end is gone.
    async fn absences(&self, span: Span) -> Result<Vec<Absence>>;

    /// A sign of life. Cheap; need not survive a power failure to the second.
    fn sign_of_life(&self, now: Timestamp);

    /// The earliest occurrence that any trigger waits for.
    async fn next_due(&self) -> Result<Option<Timestamp>>;

    /// Triggers whose occurrence is due at `now`, the earliest first, at most `limit`; none that waits for an event of its own to end.
    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<Armed<Arc<Trigger>>>> {
        Ok(self.due_behind(DuePlace::default(), now, limit).await?.0)
    }

    /// The same behind a place, and up to where they lead: for whoever could not carry out what is before it, and keeps the others from
    /// waiting for that.
    async fn due_behind(&self, place: DuePlace, now: Timestamp, limit: usize) -> Result<DueSlice>;

    /// All at once: the events of the plans are logged and owed, the skipped occurrences recorded, and the triggers wait for
    /// their next occurrence. A plan whose trigger changed or waits for another occurrence does nothing, and neither does one that was made
    /// with another edition of the freezes than there is; an occurrence that has an event already gets no second one (invariant 1). What is
    /// put off waits in backlogs, and what is frozen goes on with the latest record of that reason, where there is one that was written down
    /// since the plan says. A plan that fires a trigger that does not overlap does nothing where an event of it is under way by now. A trigger
    /// that is to wait for an event of its own does, if one is still under way, until none is any more; else it stays due. What was put off and which
    /// triggers ended is told in the log of acts.
    async fn commit_plans(&self, plans: Vec<Planned>, now: Timestamp) -> Result<Committed>;

    /// How it stands with the events before of each of these triggers, in their order: of those that fired while their trigger was told not to
    /// overlap, tests and what was sent again left out. One that its owner does not have has none.
    async fn events_before(&self, triggers: Vec<(UserId, TriggerId)>) -> Result<Vec<Before>>;

    // Backlogs.

    /// The owner's backlogs with numbers above `after`, ascending, at most `limit`.
    async fn backlogs(&self, owner: UserId, after: Option<BacklogId>, limit: usize) -> Result<Vec<BacklogView>>;

    /// The owner's backlog of that number.
    async fn backlog(&self, owner: UserId, id: BacklogId) -> Result<Option<BacklogView>>;

    /// How much waits in all of the owner's backlogs, or in those of one trigger.
    async fn backlog_sums(&self, owner: UserId, trigger: Option<TriggerId>) -> Result<BacklogSums>;

    /// Whose turn it is: of the first `owners` owners beyond `after` who have backlogs that nobody holds, each one's `of_each` that were
    /// drained the longest ago, with their triggers. What is behind an event that is under way, of a trigger that does not overlap, has no turn,
    /// and what cannot be read is left out, which may be all there is of those owners.
    async fn backlog_turns(&self, after: Option<UserId>, owners: usize, of_each: usize) -> Result<BacklogTurns>;

    /// All at once: the events of the slice are logged and owed, and the backlog goes on behind them, or is gone where nothing is left. An
    /// occurrence that has an event already gets no second one. None where the backlog is held, gone, behind an event, or not as it was
    /// seen, or where somebody froze or thawed since the slice was made: then nothing happened. Gives how many events there are of it.
    async fn drain(&self, drained: Drained, now: Timestamp) -> Result<Option<usize>>;

    /// The owner's backlog of that number, or all of them, waits for nobody any more. Those whose triggers have expired end instead, as
    /// [`Store::expire_backlogs`] says.
    async fn release_backlogs(&self, owner: UserId, id: Option<BacklogId>, now: Timestamp) -> Result<Touched>;

    /// What the owner's backlog of that number holds, or what all of them do, is recorded as discarded; they are gone.
    async fn discard_backlogs(&self, owner: UserId, id: Option<BacklogId>, now: Timestamp) -> Result<Touched>;

    /// Everybody's backlogs that have waited for [`crate::backlog::BACKLOG_KEPT`] are discarded.
    async fn discard_old_backlogs(&self, now: Timestamp) -> Result<Touched>;

    /// What the backlog of that number holds, or what any at all do, is recorded as expired where its trigger has expired; those are gone.
    async fn expire_backlogs(&self, id: Option<BacklogId>, now: Timestamp) -> Result<Touched>;

    /// Occurrences that are past wait to fire. None where the trigger is gone, of another revision, or has a backlog already.
    async fn backfill(&self, new: NewBacklog, now: Timestamp) -> Result<Option<BacklogView>>;

    // Freezes.

    /// The triggers of `scope`, or under none everybody's, are frozen from `now` on as is said: no plan that knew nothing of it is carried
    /// out any more. Where they are frozen already, that freeze goes on, and is what is said now.
    async fn freeze(&self, scope: Option<UserId>, said: Said, now: Timestamp) -> Result<Freeze>;

    /// The freeze of that scope is over at `now`, and this was it; none where there was none.
    async fn thaw(&self, scope: Option<UserId>, now: Timestamp) -> Result<Option<Freeze>>;

    /// Writes down, as oncue's own acts, which pauses and freezes were over by `now` that nobody ended, and which triggers ended because their expiry
    /// had come, where nobody has said so, the earliest first and at most `limit` of each. Such an end follows from time and is no deed, so whoever
    /// sees it first tells of it, once and as of the instant at which it was; an edit or the deletion of a trigger does so for that trigger. Gives
    /// how many there were.
    async fn note_ends(&self, now: Timestamp, limit: usize) -> Result<usize>;

    /// The freezes of the owner and of everybody that were not over at `since`, in the order in which they began.
    async fn freezes_of(&self, owner: UserId, since: Timestamp) -> Result<Vec<Freeze>>;

    /// The same of everybody, for whoever plans.
    async fn freezes(&self, since: Timestamp) -> Result<Freezes>;

    // The auditor.

    /// Scheduled triggers with an id above `after`, everybody's, ascending, as they stand, each with what it waits for; of at most `limit`
    /// triggers of any sort those that fall on this node. Where several run, each trigger falls on one of them.
    async fn inspect(&self, after: Option<TriggerId>, limit: usize) -> Result<Inspection>;

    /// Up to when it is known what became of the occurrences of each of these triggers, in their order: the latest that has an event, is
    /// told in short, or lies in a record of what did not fire. None where nothing is known, and for what its owner does not have.
    async fn accounted_until(&self, triggers: Vec<(UserId, TriggerId)>) -> Result<Vec<Option<Timestamp>>>;

    /// What is written down about the occurrences that are asked for, of each trigger, in their order.
    async fn accounts(&self, asked: Vec<Asked>) -> Result<Vec<Account>>;

    /// Whether there is any event of a nominal time that is asked for, of each trigger, in their order, events of a backfill among them. Where a
    /// thousand ascending triggers have none, that costs next to nothing.
    async fn fired_within(&self, asked: Vec<Asked>) -> Result<Vec<bool>>;

    /// The trigger waits for what the repair says. False when it is not of the revision that was looked at any more, or waits for
    /// something else than was seen: then nobody was wrong.
    async fn rearm(&self, repair: Repair) -> Result<bool>;

    /// Zone data of this release is in use from now on; says which was before, and since when it is. A change is written down.
    async fn use_zone_data(&self, release: &str, now: Timestamp) -> Result<ZoneData>;

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
    /// named twice is sent again once. What waits for its next attempt is due at once, and nothing else about it changes.
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
    async fn owed_counts(&self) -> Result<OwedCounts>;

    // The operator's view of the whole.

    /// How much waits in backlogs, everybody's together.
    async fn all_backlog_sums(&self) -> Result<BacklogSums>;

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

    // Runs: what whoever receives events reports of them.

    /// The run of this event, which fired at `fired_at` and after `gone_until`, has reported that; and whoever its trigger names is told
    /// by an event where it failed ([`crate::run::alert`]), unless that destination is gone. Whose event it is nobody asks: whoever reports has shown that this oncue
    /// told them to, of this event alone ([`crate::run::ReportKey`]).
    async fn report_run(
        &self,
        event: EventId,
        fired_at: Timestamp,
        report: Report,
        gone_until: Timestamp,
        now: Timestamp,
    ) -> Result<Reported>;

    /// At most `limit` runs whose time is over at `now`, everybody's, the earliest first, are overdue, and whoever their triggers name
    /// is told of each by an event; nobody of those whose events fired at or before `gone_until`, which nobody could look at any more. On
    /// several nodes each is found by one of them.
    async fn lapse_runs(&self, gone_until: Timestamp, now: Timestamp, limit: usize) -> Result<Lapsed>;

    /// The runs of those of these events of the owner's that have one and fired after `gone_until`, ascending.
    async fn runs(&self, owner: UserId, events: Vec<EventId>, gone_until: Timestamp) -> Result<Vec<RunOf>>;

    /// The runs of the latest events of the owner's trigger that have one and fired after `gone_until`, the latest first, at most `limit`.
    async fn latest_runs(
        &self,
        owner: UserId,
        trigger: TriggerId,
        gone_until: Timestamp,
        limit: usize,
    ) -> Result<Vec<RunOf>>;

    // Counts and firings in short, which outlive events.

    /// What happened in each hour that begins in [`from`, `until`), to all of the owner's triggers (deleted ones too) or to one;
    /// hours in which nothing did are left out. Ascending. What did not fire lies where [`crate::count::even_share`] says. Of a deleted trigger
    /// what fired is told until it is forgotten, and nothing is added to that.
    async fn hour_counts(
        &self,
        owner: UserId,
        trigger: Option<TriggerId>,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<HourCount>>;

    /// What of that did not fire, and why: the runs that reach into those hours, whole. Runs for one reason with the same first and the
    /// same last hour are told as one. In the order of [`crate::count::sort_runs`]. A trigger's outlive it.
    async fn skipped_counts(
        &self,
        owner: UserId,
        trigger: Option<TriggerId>,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Skipped>>;

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

    // Deeds.

    /// What this one did who has the store in their hands is written down, where it changes nothing else.
    async fn note_act(&self, act: Act) -> Result<()>;

    /// What was done, the latest first, below the number `before`, at most `limit`. Each method that changes what somebody has writes its
    /// [`Act`] down when the store is in somebody's hands ([`Store::acting`]), in the same transaction; and for what oncue does by itself to
    /// a destination or finds out about its nodes, whoever's hands it is in.
    async fn acts(&self, filter: ActFilter, before: Option<i64>, limit: usize) -> Result<Vec<Entry>>;

    // Retention.

    /// At most `limit` events that fired at or before `gone_until` are gone with all that hangs on them, and so are as many
    /// arrivals that are as old, ended sessions, former revisions as old but for the latest
    /// [`FORMER_KEPT`](crate::revision::FORMER_KEPT) of a trigger, records as old, triggers that were deleted as long ago, with their revisions and
    /// the counts of what they fired, counts older than [`crate::count::COUNTS_KEPT`], acts older than
    /// [`crate::act::ACTS_KEPT`], and what was done under keys longer ago than
    /// [`KEPT_FOR`](crate::idempotency::KEPT_FOR). What the events
    /// of a trigger leave in short stays. A delivery that is still owed has failed, and is counted so.
    async fn expire(&self, gone_until: Timestamp, now: Timestamp, limit: usize) -> Result<Expired>;

    /// Whoever serves keeps events for as long as that. It is what those go by who visit the database and were told nothing.
    async fn note_retention(&self, retention: Retention) -> Result<()>;

    /// For how long whoever served last keeps events; none where nobody has said.
    async fn retention(&self) -> Result<Option<Retention>>;
}
