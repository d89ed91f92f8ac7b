//! Who did what: a line for each change that somebody made, and for what oncue did of itself. Here stands what such a line says
//! of each sort of change; it is written down by the store, in the transaction that changes. What fires by schedule or at the call of a program
//! is no act: events tell that. No secret may enter: names, numbers and words of ours alone.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::access::{ApiKey, Scope};
use crate::actor::Actor;
use crate::audit::Repair;
use crate::destination::Standing;
use crate::event::Origin;
use crate::freeze::Freeze;
use crate::id::{ApiKeyId, CalendarId, DestinationId, EventId, TriggerId, UserId};
use crate::occurrence::Reason;
use crate::plan::Absence;
use crate::redelivery::DeliveryId;
use crate::store::{BacklogView, Follower, Made, NewTrigger, Touched, Trial};
use crate::trigger::{Edit, Trigger};

mod ended;
mod own;

pub use ended::ExpiryOver;
pub use own::PauseOver;

/// For how long acts are kept.
pub const ACTS_KEPT: SignedDuration = SignedDuration::from_hours(400 * 24);

/// For how many acts of an owner there is room; the oldest go first, when next somebody looks ([`makes_room`]).
pub const ACTS_MAX: usize = 20_000;

/// Room is looked for once in so many acts.
const LOOKS_APART: i64 = 256;

/// Whether what there is no room for goes with the act of this number.
pub fn makes_room(id: i64) -> bool {
    id % LOOKS_APART == 0
}

/// So many of the triggers that an edit of a calendar makes wait for another time are named, and of those that cannot follow it.
const MOVED_NAMED_MAX: usize = 10;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It was made.
    Created,
    /// It was changed.
    Edited,
    /// It was deleted.
    Deleted,
    /// Somebody fired it by hand.
    Fired,
    /// It was switched off for a while.
    Paused,
    /// It was switched on again.
    Resumed,
    /// oncue switched it off.
    Suspended,
    /// Somebody came in.
    LoggedIn,
    /// Somebody wanted to come in, and was not let in.
    LoginFailed,
    /// A login was ended.
    LoggedOut,
    /// All logins but one were ended.
    OthersLoggedOut,
    /// A password was changed, and all logins ended.
    PasswordChanged,
    /// A user may not come in any more.
    Disabled,
    /// Somebody said how they like their pages.
    PreferencesChanged,
    /// What had ended, or waited, is sent again.
    Redelivered,
    /// What waited is given up.
    Cancelled,
    /// What was held in backlogs fires.
    Released,
    /// What waited in backlogs does not fire.
    Discarded,
    /// Occurrences of a past span are to fire.
    Backfilled,
    /// Triggers were frozen.
    Frozen,
    /// Triggers were frozen no more.
    Thawed,
    /// Occurrences of an absence wait to fire late.
    PutOff,
    /// Occurrences of an absence wait for a person.
    Held,
    /// It ended of itself.
    Ended,
    /// Nobody ran for a while.
    WasAway,
    /// A node was silent, and others took over what it held.
    GivenUp,
    /// The auditor found that it waited for the wrong instant, or for nothing, and put it right.
    Rearmed,
    /// Zone data of another release is in use from then on.
    ZoneDataChanged,
}

impl Action {
    /// Every action.
    pub const ALL: [Action; 28] = [
        Action::Created,
        Action::Edited,
        Action::Deleted,
        Action::Fired,
        Action::Paused,
        Action::Resumed,
        Action::Suspended,
        Action::LoggedIn,
        Action::LoginFailed,
        Action::LoggedOut,
        Action::OthersLoggedOut,
        Action::PasswordChanged,
        Action::Disabled,
        Action::PreferencesChanged,
        Action::Redelivered,
        Action::Cancelled,
        Action::Released,
        Action::Discarded,
        Action::Backfilled,
        Action::Frozen,
        Action::Thawed,
        Action::PutOff,
        Action::Held,
        Action::Ended,
        Action::WasAway,
        Action::GivenUp,
        Action::Rearmed,
        Action::ZoneDataChanged,
    ];

    /// The word in the API and in the stores.
    pub fn word(self) -> &'static str {
        match self {
            Action::Created => "created",
            Action::Edited => "edited",
            Action::Deleted => "deleted",
            Action::Fired => "fired",
            Action::Paused => "paused",
            Action::Resumed => "resumed",
            Action::Suspended => "suspended",
            Action::LoggedIn => "logged_in",
            Action::LoginFailed => "login_failed",
            Action::LoggedOut => "logged_out",
            Action::OthersLoggedOut => "others_logged_out",
            Action::PasswordChanged => "password_changed",
            Action::Disabled => "disabled",
            Action::PreferencesChanged => "preferences_changed",
            Action::Redelivered => "redelivered",
            Action::Cancelled => "cancelled",
            Action::Released => "released",
            Action::Discarded => "discarded",
            Action::Backfilled => "backfilled",
            Action::Frozen => "frozen",
            Action::Thawed => "thawed",
            Action::PutOff => "put_off",
            Action::Held => "held",
            Action::Ended => "ended",
            Action::WasAway => "was_away",
            Action::GivenUp => "given_up",
            Action::Rearmed => "rearmed",
            Action::ZoneDataChanged => "zone_data_changed",
        }
    }

    /// The action of that word.
    pub fn from_word(word: &str) -> Option<Action> {
        Action::ALL.into_iter().find(|action| action.word() == word)
    }
}

/// What sort of thing it was done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing {
    /// A trigger, or several.
    Trigger,
    /// A destination.
    Destination,
    /// A calendar.
    Calendar,
    /// An API key.
    ApiKey,
    /// A user: their account, password, preferences, logins.
    User,
    /// A delivery, or several; the number is its event's.
    Delivery,
    /// The server, or one of its nodes.
    Server,
}

impl Thing {
    /// Every sort.
    pub const ALL: [Thing; 7] = [
        Thing::Trigger,
        Thing::Destination,
        Thing::Calendar,
        Thing::ApiKey,
        Thing::User,
        Thing::Delivery,
        Thing::Server,
    ];

    /// The word in the API and in the stores.
    pub fn word(self) -> &'static str {
        match self {
            Thing::Trigger => "trigger",
            Thing::Destination => "destination",
            Thing::Calendar => "calendar",
            Thing::ApiKey => "api_key",
            Thing::User => "user",
            Thing::Delivery => "delivery",
            Thing::Server => "server",
        }
    }

    /// The sort of that word.
    pub fn from_word(word: &str) -> Option<Thing> {
        Thing::ALL.into_iter().find(|thing| thing.word() == word)
    }
}

/// Something that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// Whose thing it was done to; none where it is the server's.
    pub owner: Option<UserId>,
    /// What was done.
    pub action: Action,
    /// To what sort of thing.
    pub thing: Thing,
    /// Its number; none where it was done to several, or the thing has none.
    pub id: Option<i64>,
    /// What it was called then.
    pub name: Option<String>,
    /// What else there is to say, in few words.
    pub details: Option<String>,
}

impl Act {
    fn new(owner: UserId, action: Action, thing: Thing, id: Option<i64>) -> Act {
        Act { owner: Some(owner), action, thing, id, name: None, details: None }
    }

    fn of_server(action: Action, name: Option<String>, details: String) -> Act {
        Act { owner: None, action, thing: Thing::Server, id: None, name, details: Some(details) }
    }

    /// A trigger was made.
    pub fn trigger_made(trigger: &Trigger) -> Act {
        let made = Act::new(trigger.owner, Action::Created, Thing::Trigger, Some(trigger.id.0));
        Act { name: trigger.definition.name.clone(), ..made }
    }

    /// Of these triggers, those that were made: a line for each owner.
    pub fn triggers_made(new: &[NewTrigger], made: &[Made]) -> Vec<Act> {
        let mut by_owner: BTreeMap<UserId, Vec<(TriggerId, &NewTrigger)>> = BTreeMap::new();
        for (new, id) in new.iter().zip(made).filter_map(|(new, made)| Some((new, made.as_ref().ok()?))) {
            by_owner.entry(new.owner).or_default().push((*id, new));
        }
        let act = |(owner, made): (UserId, Vec<(TriggerId, &NewTrigger)>)| match made.as_slice() {
            [(id, new)] => Act {
                name: new.definition.name.clone(),
                ..Act::new(owner, Action::Created, Thing::Trigger, Some(id.0))
            },
            several => {
                let numbers = several.iter().map(|(id, _)| id.0);
                let (first, last) = (numbers.clone().min().unwrap_or_default(), numbers.max().unwrap_or_default());
                let details = format!("{} triggers, numbered from {first} to {last}", several.len());
                Act { details: Some(details), ..Act::new(owner, Action::Created, Thing::Trigger, None) }
            }
        };
        by_owner.into_iter().map(act).collect()
    }

    /// A trigger was changed. Which fields, stands here for longer than revisions may be kept whole.
    pub fn trigger_edited(edit: &Edit) -> Act {
        let changed: Vec<&str> = edit.changes.iter().map(|change| change.word()).collect();
        let what = if changed.is_empty() { String::new() } else { format!(": {}", changed.join(", ")) };
        let details = Some(format!("revision {}{what}", edit.trigger.revision));
        Act { action: Action::Edited, details, ..Act::trigger_made(&edit.trigger) }
    }

    /// The auditor has put right what a trigger waits for.
    pub fn trigger_rearmed(repair: &Repair, name: Option<String>) -> Act {
        let words = |next_at: Option<Timestamp>| next_at.map_or_else(|| "nothing".to_owned(), |at| at.to_string());
        let (seen, next_at) = (words(repair.seen.map(|cursor| cursor.next_at)), words(repair.next_at));
        let details = Some(format!("{}: waits for {next_at} instead of {seen}", repair.defect.word()));
        let id = Some(repair.trigger.0);
        Act { name, details, ..Act::new(repair.owner, Action::Rearmed, Thing::Trigger, id) }
    }

    /// A server uses zone data of another release than the one before.
    pub fn zone_data_changed(release: &str, before: &str) -> Act {
        Act::of_server(Action::ZoneDataChanged, None, format!("from {before} to {release}"))
    }

    /// Which release was in use before a change of the zone data, and which one since; none of another act.
    pub fn zone_data_before_and_after(&self) -> Option<(&str, &str)> {
        let details = self.details.as_deref().filter(|_| self.action == Action::ZoneDataChanged)?;
        details.strip_prefix("from ")?.split_once(" to ")
    }

    /// A trigger was deleted.
    pub fn trigger_deleted(owner: UserId, id: TriggerId, name: Option<String>) -> Act {
        Act { name, ..Act::new(owner, Action::Deleted, Thing::Trigger, Some(id.0)) }
    }

    /// Somebody fired a trigger by hand, with an event of that origin, which carries again what its parent did where it has one.
    pub fn fired(trigger: &Trigger, event: EventId, origin: Origin, parent: Option<EventId>) -> Act {
        let how = match (origin, parent) {
            (Origin::Test, Some(parent)) => format!("test, again what event {parent} carried"),
            (_, Some(parent)) => format!("again what event {parent} carried"),
            (Origin::Test, None) => "test".to_owned(),
            (Origin::Run, None) => "run now".to_owned(),
            (_, None) => "as a call would".to_owned(),
        };
        let act = Act::new(trigger.owner, Action::Fired, Thing::Trigger, Some(trigger.id.0));
        Act { name: trigger.definition.name.clone(), details: Some(format!("event {event}, {how}")), ..act }
    }

    /// Somebody tried something out by an event of a trigger that is not kept and has this number.
    pub fn tried_out(owner: UserId, trial: &Trial, trigger: TriggerId, event: EventId) -> Act {
        match &trial.destination {
            Some((id, name)) => {
                let act = Act::destination(owner, Action::Fired, *id, name.clone());
                Act { details: Some(format!("event {event}, test")), ..act }
            }
            None => {
                let act = Act::new(owner, Action::Fired, Thing::Trigger, Some(trigger.0));
                let details = Some(format!("event {event}, test of what is not saved"));
                Act { name: trial.definition.name.clone(), details, ..act }
            }
        }
    }

    /// It was decided about what waits in backlogs; none where there was nothing.
    pub fn backlogs(owner: UserId, action: Action, touched: &Touched) -> Option<Act> {
        let id = touched.trigger.filter(|_| touched.backlogs == 1).map(|trigger| trigger.0);
        let details = match (touched.backlogs, touched.occurrences) {
            (0, _) => return None,
            (1, 1) => "1 occurrence".to_owned(),
            (1, occurrences) => format!("{occurrences} occurrences"),
            (backlogs, occurrences) => format!("{occurrences} occurrences in {backlogs} backlogs"),
        };
        let name = touched.name.clone().filter(|_| id.is_some());
        Some(Act { name, details: Some(details), ..Act::new(owner, action, Thing::Trigger, id) })
    }

    /// What waited in a backlog does not fire any more, and nobody asked for that.
    pub fn backlog_given_up(ended: &BacklogView, reason: Reason) -> Act {
        let BacklogView { backlog, name } = ended;
        let why = match reason {
            Reason::Expired => "the trigger has expired",
            _ => "they had waited too long",
        };
        let occurrences =
            if backlog.left == 1 { "1 occurrence".to_owned() } else { format!("{} occurrences", backlog.left) };
        let act = Act::new(backlog.owner, Action::Discarded, Thing::Trigger, Some(backlog.trigger.0));
        Act { name: name.clone(), details: Some(format!("{occurrences}: {why}")), ..act }
    }

    /// Occurrences of a past span wait to fire.
    pub fn backfilled(made: &BacklogView) -> Act {
        let BacklogView { backlog, name } = made;
        let details = format!("{} occurrences from {} to {}", backlog.total, backlog.first, backlog.last);
        let act = Act::new(backlog.owner, Action::Backfilled, Thing::Trigger, Some(backlog.trigger.0));
        Act { name: name.clone(), details: Some(details), ..act }
    }

    /// Triggers were frozen.
    pub fn frozen(freeze: &Freeze) -> Act {
        let until = freeze.until.map(|end| format!("until {end}"));
        let details: Vec<String> = until.into_iter().chain(freeze.reason.clone()).collect();
        let details = (!details.is_empty()).then(|| details.join(": "));
        Act { details, ..Act::of_freeze(freeze, Action::Frozen) }
    }

    /// A freeze was ended by somebody.
    pub fn thawed(freeze: &Freeze) -> Act {
        Act { details: freeze.reason.clone(), ..Act::of_freeze(freeze, Action::Thawed) }
    }

    fn of_freeze(freeze: &Freeze, action: Action) -> Act {
        let thing = if freeze.owner.is_some() { Thing::User } else { Thing::Server };
        Act { owner: freeze.owner, action, thing, id: freeze.owner.map(|owner| owner.0), name: None, details: None }
    }

    /// Something was done to a destination.
    pub fn destination(owner: UserId, action: Action, id: DestinationId, name: String) -> Act {
        Act { name: Some(name), ..Act::new(owner, action, Thing::Destination, Some(id.0)) }
    }

    /// Something was done to a calendar.
    pub fn calendar(owner: UserId, action: Action, id: CalendarId, name: String) -> Act {
        Act { name: Some(name), ..Act::new(owner, action, Thing::Calendar, Some(id.0)) }
    }

    /// A calendar was changed, and these triggers with it, and not those that cannot be read.
    pub fn calendar_edited(
        owner: UserId,
        id: CalendarId,
        name: String,
        followers: &[Follower],
        unreadable: &[TriggerId],
    ) -> Act {
        let moved: Vec<TriggerId> = followers.iter().filter(|one| one.has_moved()).map(|one| one.trigger).collect();
        let several = |ids: &[TriggerId]| {
            let named = ids.iter().take(MOVED_NAMED_MAX).map(ToString::to_string).collect::<Vec<_>>().join(", ");
            match ids.len().saturating_sub(MOVED_NAMED_MAX) {
                0 => named,
                more => format!("{named} and {more} more"),
            }
        };
        let follow = match followers.len() {
            1 => "1 trigger follows".to_owned(),
            count => format!("{count} triggers follow"),
        };
        let mut details = match moved.len() {
            0 => follow,
            1 => format!("{follow}; trigger {} waits for another time", several(&moved)),
            _ => format!("{follow}; triggers {} wait for another time", several(&moved)),
        };
        match unreadable.len() {
            0 => {}
            1 => details += &format!("; trigger {} cannot be read and does not follow", several(unreadable)),
            _ => details += &format!("; triggers {} cannot be read and do not follow", several(unreadable)),
        }
        Act { details: Some(details), ..Act::calendar(owner, Action::Edited, id, name) }
    }

    /// It was said whether a destination takes deliveries.
    pub fn standing(owner: UserId, id: DestinationId, name: String, standing: &Standing) -> Act {
        let (action, details) = match standing {
            Standing::Active => (Action::Resumed, None),
            Standing::Paused { .. } => (Action::Paused, None),
            Standing::Suspended { reason, .. } => (Action::Suspended, Some(reason.clone())),
        };
        Act { details, ..Act::destination(owner, action, id, name) }
    }

    /// An API key was made.
    pub fn key_made(key: &ApiKey) -> Act {
        let scopes: Vec<&str> = key.scopes.iter().copied().map(Scope::word).collect();
        let made = Act::key(key.owner, Action::Created, key.id, key.name.clone());
        Act { details: Some(format!("{}…, {}", key.prefix, scopes.join(" "))), ..made }
    }

    /// Something was done to an API key.
    pub fn key(owner: UserId, action: Action, id: ApiKeyId, name: String) -> Act {
        Act { name: Some(name), ..Act::new(owner, action, Thing::ApiKey, Some(id.0)) }
    }

    /// Something was done to a user's account, or by them at the door.
    pub fn user(user: UserId, action: Action) -> Act {
        Act::new(user, action, Thing::User, Some(user.0))
    }

    /// Somebody wanted to come in under an address that nobody has. The address is not kept: people type passwords there.
    pub fn unknown_login() -> Act {
        Act { thing: Thing::User, ..Act::of_server(Action::LoginFailed, None, "an address that nobody has".to_owned()) }
    }

    /// Those of these deliveries that `outcomes` say so of are owed again; none where that is none of them.
    pub fn redelivered<E>(owner: UserId, deliveries: &[DeliveryId], outcomes: &[Result<(), E>]) -> Option<Act> {
        let sent: Vec<&DeliveryId> =
            deliveries.iter().zip(outcomes).filter_map(|(one, outcome)| outcome.is_ok().then_some(one)).collect();
        match sent.as_slice() {
            [] => None,
            [one] => Some(Act::delivery(owner, Action::Redelivered, **one)),
            several => Some(Act::several_redelivered(owner, several.len() as u64)),
        }
    }

    /// So many deliveries, of those that failed and matched a filter, are owed again; none where that is none.
    pub fn matching_redelivered(owner: UserId, count: u64) -> Option<Act> {
        (count > 0).then(|| Act::several_redelivered(owner, count))
    }

    fn several_redelivered(owner: UserId, count: u64) -> Act {
        let details = Some(if count == 1 { "1 delivery".to_owned() } else { format!("{count} deliveries") });
        Act { details, ..Act::new(owner, Action::Redelivered, Thing::Delivery, None) }
    }

    /// Something was done to a delivery.
    pub fn delivery(owner: UserId, action: Action, delivery: DeliveryId) -> Act {
        let details = Some(format!("event {}, slot {}", delivery.event, delivery.slot));
        Act { details, ..Act::new(owner, action, Thing::Delivery, Some(delivery.event.0)) }
    }

    /// Nobody ran for a while.
    pub fn absence(absence: &Absence) -> Act {
        Act::of_server(Action::WasAway, None, format!("from {} to {}", absence.from, absence.to))
    }

    /// A node was silent for too long.
    pub fn node_given_up(name: &str, address: &str) -> Act {
        Act::of_server(Action::GivenUp, Some(name.to_owned()), format!("the node at {address}"))
    }
}

/// An act as it was written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number; ascending in the order in which acts are written down.
    pub id: i64,
    /// When it was done.
    pub at: Timestamp,
    /// Who did it.
    pub by: Actor,
    /// What was done.
    pub act: Act,
}

/// Which acts are looked for. All conditions hold together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActFilter {
    /// Whose they are.
    pub owner: UserId,
    /// The server's own as well.
    pub with_server: bool,
    /// Only those.
    pub action: Option<Action>,
    /// Only those done to this sort of thing.
    pub thing: Option<Thing>,
    /// Only those done to the thing of this number.
    pub id: Option<i64>,
    /// Only those done by this sort of actor ([`crate::actor::Who::word`]).
    pub by: Option<&'static str>,
    /// Only those done by the user or key of this number.
    pub by_id: Option<i64>,
}

impl ActFilter {
    /// All of an owner's.
    pub fn of(owner: UserId) -> ActFilter {
        ActFilter { owner, with_server: false, action: None, thing: None, id: None, by: None, by_id: None }
    }

    /// The changes of the zone data that the server's own lines tell of, and of nobody else's.
    pub fn of_zone_data() -> ActFilter {
        // No owner has this number.
        let nobodys = ActFilter::of(UserId(0));
        ActFilter { with_server: true, action: Some(Action::ZoneDataChanged), ..nobodys }
    }

    /// Whether it lets this one through.
    pub fn lets_through(&self, entry: &Entry) -> bool {
        let is_whose = match entry.act.owner {
            Some(owner) => owner == self.owner,
            None => self.with_server,
        };
        is_whose
            && self.action.is_none_or(|action| action == entry.act.action)
            && self.thing.is_none_or(|thing| thing == entry.act.thing)
            && self.id.is_none_or(|id| entry.act.id == Some(id))
            && self.by.is_none_or(|word| entry.by.who.word() == word)
            && self.by_id.is_none_or(|id| entry.by.who.id() == Some(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trigger::Definition;

    #[test]
    fn a_change_of_the_zone_data_can_be_read_back() {
        let act = Act::zone_data_changed("2026f", "2026e");
        assert_eq!(act.zone_data_before_and_after(), Some(("2026e", "2026f")));
        let other = Act { action: Action::Deleted, ..act };
        assert_eq!(other.zone_data_before_and_after(), None);
    }

    fn definition(name: &str) -> Definition {
        Definition {
            name: Some(name.to_owned()),
            schedule: None,
            payload: None,
            payload_schema: None,
            webhook: None,
            destinations: Vec::new(),
            expects: None,
            overlap: crate::overlap::Overlap::Allow,
            is_test: false,
            enabled: true,
            pause: None,
            expires_at: None,
        }
    }

    fn new(owner: i64, name: &str) -> NewTrigger {
        NewTrigger { owner: UserId(owner), definition: definition(name), next_at: None, test_event: None }
    }

    #[test]
    fn what_is_fired_by_hand_says_which_event_and_how() {
        let at = Timestamp::UNIX_EPOCH;
        let (id, owner) = (TriggerId(7), UserId(1));
        let trigger =
            Trigger { id, owner, revision: 1, definition: definition("nightly"), created_at: at, standing_since: at };
        let parent = Some(EventId(8));
        for (origin, parent, details) in [
            (Origin::Run, None, "event 12, run now"),
            (Origin::Test, None, "event 12, test"),
            (Origin::Api, None, "event 12, as a call would"),
            (Origin::Repeat, parent, "event 12, again what event 8 carried"),
            (Origin::Test, parent, "event 12, test, again what event 8 carried"),
        ] {
            let act = Act::fired(&trigger, EventId(12), origin, parent);
            assert_eq!(act.details.as_deref(), Some(details));
            assert_eq!((act.action, act.thing, act.id), (Action::Fired, Thing::Trigger, Some(7)));
            assert_eq!((act.owner, act.name.as_deref()), (Some(owner), Some("nightly")));
        }
    }

    #[test]
    fn what_is_tried_out_is_the_destination_or_the_trigger_that_is_not_kept() {
        let trial = Trial::from(definition("draft"));
        let act = Act::tried_out(UserId(1), &trial, TriggerId(-3), EventId(12));
        assert_eq!((act.thing, act.id, act.name.as_deref()), (Thing::Trigger, Some(-3), Some("draft")));
        assert_eq!(act.details.as_deref(), Some("event 12, test of what is not saved"));
        let trial = Trial { destination: Some((DestinationId(5), "Ops".to_owned())), ..trial };
        let act = Act::tried_out(UserId(1), &trial, TriggerId(-3), EventId(12));
        assert_eq!((act.thing, act.id, act.name.as_deref()), (Thing::Destination, Some(5), Some("Ops")));
        assert_eq!((act.action, act.details.as_deref()), (Action::Fired, Some("event 12, test")));
    }

    #[test]
    fn every_word_is_read_back_and_none_stands_for_two() {
        for action in Action::ALL {
            assert_eq!(Action::from_word(action.word()), Some(action));
        }
        for thing in Thing::ALL {
            assert_eq!(Thing::from_word(thing.word()), Some(thing));
        }
        assert_eq!((Action::from_word("x"), Thing::from_word("x")), (None, None));
    }

    #[test]
    fn many_triggers_are_one_deed_of_each_owner_and_one_is_told_by_its_name() {
        let wanted = [new(1, "a"), new(2, "b"), new(1, "c"), new(3, "d")];
        let missing = crate::store::Missing::Destination(DestinationId(9));
        let made = [Ok(TriggerId(5)), Ok(TriggerId(6)), Ok(TriggerId(7)), Err(missing)];
        let acts = Act::triggers_made(&wanted, &made);
        let told: Vec<_> =
            acts.iter().map(|act| (act.owner, act.id, act.name.as_deref(), act.details.as_deref())).collect();
        assert_eq!(
            told,
            [
                (Some(UserId(1)), None, None, Some("2 triggers, numbered from 5 to 7")),
                (Some(UserId(2)), Some(6), Some("b"), None),
            ]
        );
    }

    #[test]
    fn only_what_is_sent_again_is_a_deed() {
        let delivery = |event, slot| DeliveryId { event: EventId(event), slot };
        let both = [delivery(1, 0), delivery(2, 3)];
        let of = |outcomes: &[Result<(), ()>]| Act::redelivered(UserId(1), &both, outcomes);
        assert_eq!(of(&[Err(()), Err(())]), None);
        let one = of(&[Err(()), Ok(())]).expect("one is sent");
        assert_eq!((one.id, one.details.as_deref()), (Some(2), Some("event 2, slot 3")));
        let all = of(&[Ok(()), Ok(())]).expect("two are sent");
        assert_eq!((all.id, all.details.as_deref()), (None, Some("2 deliveries")));
        assert_eq!(Act::matching_redelivered(UserId(1), 0), None);
    }

    #[test]
    fn room_is_looked_for_once_in_a_while() {
        assert_eq!((1..=512).filter(|id| makes_room(*id)).count(), 2);
    }
}
