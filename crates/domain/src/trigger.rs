//! A trigger: what a user makes. Its definition is what they said, checked; its constructors are the only way to one, so
//! inside the house nobody checks again. What an edit does to what is armed is decided in `edit`, when what is named falls due in `spread`; what
//! fires when the time has come is `plan`'s business.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::destination::{DESTINATIONS_PER_TRIGGER_MAX, Webhook};
use crate::error::Invalid;
use crate::event::Origin;
use crate::id::{DestinationId, TriggerId, UserId};
use crate::overlap::Overlap;
use crate::payload::Payload;
use crate::payload_schema::PayloadSchema;
use crate::plan;
use crate::run::Expectation;
use crate::schedule::Schedule;
use crate::schedule::jitter::Share;
use crate::schedule::observed::Observed;

mod edit;
mod end;
mod pause;
mod spread;
mod timing;
mod unreadable;

pub use edit::{Arm, Edit};
pub use end::End;
pub use pause::{Pause, REASON_CHARS_MAX, parse_reason};
pub use timing::{Apart, MaxFires, MemberWish, ScheduleDetails, ScheduleWish, Terms};
pub use unreadable::{Listed, Problem, Remains, Unreadable};

/// The longest name, in characters.
pub const NAME_CHARS_MAX: usize = 200;

/// What sort of trigger it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// It fires because its time has come.
    Scheduled,
    /// It fires because somebody called it.
    Api,
}

impl Kind {
    /// The word in the API, in the stores and on the pages.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Scheduled => "scheduled",
            Kind::Api => "api",
        }
    }

    /// The kind of that word.
    pub fn from_word(word: &str) -> Option<Kind> {
        match word {
            "scheduled" => Some(Kind::Scheduled),
            "api" => Some(Kind::Api),
            _ => None,
        }
    }
}

/// For how long a trigger that is deleted when it is done stays where the last of its schedule did not fire, or an edit left nothing of it: as long as
/// events are kept unless somebody says otherwise, so that it says why and can be given something to do.
pub const STAYS_FOR: SignedDuration = SignedDuration::from_hours(48);

/// How long an occurrence may be due before it is called overdue. The scheduler looks every 500 ms.
pub const OVERDUE_AFTER: SignedDuration = SignedDuration::from_secs(5);

/// A trigger as lists show it: everything but what its events carry, which may be long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TriggerHead {
    /// Its number.
    pub id: TriggerId,
    /// Its name, where it has one.
    pub name: Option<String>,
    /// When it fires; none for an API trigger.
    pub schedule: Option<ScheduleDetails>,
    /// Its own address, to which its events go.
    pub webhook: Option<Webhook>,
    /// The destinations that its events go to.
    pub destinations: Vec<DestinationId>,
    /// What becomes of what falls due while an event of its own is under way.
    pub overlap: Overlap,
    /// Kept, but never scheduled.
    pub is_test: bool,
    /// Whether it may fire; one that may not, may again after a pause that is over ([`TriggerHead::is_paused_at`]).
    pub enabled: bool,
    /// What is said of its pause, only where it is not enabled.
    pub pause: Option<Pause>,
    /// From then on it does not fire.
    pub expires_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When the occurrence that it waits for falls due; none where it only waits to be deleted.
    pub next_at: Option<Timestamp>,
    /// Whether that waits for an event of its own to end, or did so until just now. Where only the trigger is at hand, one that does not
    /// overlap is taken to.
    pub is_behind: bool,
    /// How often its schedule has fired it, where that is limited; else 0.
    pub fired: u64,
}

impl TriggerHead {
    /// What sort of trigger it is.
    pub fn kind(&self) -> Kind {
        if self.schedule.is_some() { Kind::Scheduled } else { Kind::Api }
    }

    /// Whether it is not expired at `now`.
    pub fn lives_at(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }

    /// Whether its time is over at `now`: it has expired, and waits for nothing that was named before and is not due yet. It may still fire what
    /// [waits for an event](Self::fires_behind) of its own.
    pub fn is_over(&self, now: Timestamp) -> bool {
        !self.lives_at(now) && self.next_at.is_none_or(|next| next <= now)
    }

    /// Whether its time is over at `now` and nothing of it fires any more, not even what waits for an event.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.is_over(now) && self.fires_behind(now).is_none()
    }

    /// Whether it is a pause that keeps it from firing at `now`: one that is only a test, or has expired, would not fire without it either.
    pub fn is_switched_off(&self, now: Timestamp) -> bool {
        self.is_paused_at(now) && !self.is_test && !self.has_expired(now)
    }

    /// Whether what it waits for should have fired long before `now`; what waits for an event of its own to end should not.
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        !self.is_behind && self.next_at.is_some_and(|next_at| now.duration_since(next_at) > OVERDUE_AFTER)
    }

    /// The first occurrence from the one that it waits for on that will fire if nothing changes. Of what met an event under way none does, or the
    /// latest.
    pub fn first_to_fire(&self, now: Timestamp) -> Option<Timestamp> {
        let terms = (self.overlap, self.expires_at);
        plan::first_to_fire(self.schedule.as_ref()?, terms, self.next_at?, self.is_behind, now)
    }

    /// The occurrence that has fallen due and fires once an event of its own has ended, where there is one; also of a trigger that has expired
    /// since it was named.
    pub fn fires_behind(&self, now: Timestamp) -> Option<Timestamp> {
        let waits = |due: &Timestamp| self.is_behind && *due <= now && self.lives_at(self.named_for(*due));
        self.first_to_fire(now).filter(waits)
    }

    /// When it will fire if nothing changes, the earliest first, each occurrence by when it falls due. What is overdue
    /// fires at once and is told as one, by the first of it; where it may fire only so often, each of it counts.
    pub fn firings_to_come(&self, now: Timestamp) -> impl Iterator<Item = Timestamp> {
        let following = move |due: &Timestamp| self.schedule.as_ref()?.next_due_after((*due).max(now));
        let first = self.first_to_fire(now);
        let left = self.left().map_or(usize::MAX, |left| {
            let others = first.map_or(0, |first| self.others_overdue(first, now));
            usize::try_from(left.saturating_sub(others).max(left.min(1))).unwrap_or(usize::MAX)
        });
        let lives = |due: &Timestamp| self.lives_at(self.named_for(*due));
        std::iter::successors(first, following).take_while(lives).take(left)
    }

    /// How many have fallen due after the one that fell due at `first`.
    fn others_overdue(&self, first: Timestamp, now: Timestamp) -> u64 {
        let Some(schedule) = self.schedule.as_ref().filter(|_| first < now) else { return 0 };
        let (named, until) = (schedule.named_for(first), schedule.due_by(now));
        if until <= named { 0 } else { schedule.count_in(named, until) }
    }

    /// The nominal time of the last that will fire by its limit if nothing changes, found without going along the others, of which each that is
    /// overdue counts: none where nothing limits it, or its schedule names no more than the limit leaves, and the beginning of time where nothing
    /// is left.
    pub fn limited_to(&self, now: Timestamp) -> Option<Timestamp> {
        let (schedule, left) = (self.schedule.as_ref()?, self.left()?);
        match self.first_to_fire(now).filter(|_| left > 0) {
            Some(first) => schedule.nth_after(just_before(schedule.named_for(first)), left),
            None => Some(Timestamp::MIN),
        }
    }

    /// The nominal time of the occurrence that falls due at this instant.
    pub fn named_for(&self, due: Timestamp) -> Timestamp {
        self.schedule.as_ref().map_or(due, |schedule| schedule.named_for(due))
    }

    /// How often it may still fire by its schedule, where that is limited.
    pub fn left(&self) -> Option<u64> {
        self.schedule.as_ref()?.max_fires().map(|most| most.saturating_sub(self.fired))
    }

    /// The same, where what is kept of it is when it waits for whatever it waits for: it is of no interest when it goes.
    #[must_use]
    pub fn without_going(self) -> TriggerHead {
        let terms = (self.expires_at, self.left());
        let waits_to_go =
            |next: &Timestamp| self.schedule.as_ref().is_some_and(|schedule| plan::waits_to_go(schedule, terms, *next));
        TriggerHead { next_at: self.next_at.filter(|next| !waits_to_go(next)), ..self }
    }

    /// Whether it will fire by itself or when called. One that only waits to be deleted will not.
    pub fn is_active(&self, now: Timestamp) -> bool {
        !self.is_paused_at(now)
            && !self.is_test
            && !self.has_expired(now)
            && (self.kind() == Kind::Api || self.next_at.is_some())
    }
}

impl<T: AsRef<Trigger>> From<&Armed<T>> for TriggerHead {
    fn from(armed: &Armed<T>) -> TriggerHead {
        let trigger = armed.trigger.as_ref();
        let definition = &trigger.definition;
        TriggerHead {
            id: trigger.id,
            name: definition.name.clone(),
            schedule: definition.schedule.clone(),
            webhook: definition.webhook.clone(),
            destinations: definition.destinations.clone(),
            overlap: definition.overlap,
            is_test: definition.is_test,
            enabled: definition.enabled,
            pause: definition.pause.clone(),
            expires_at: definition.expires_at,
            created_at: trigger.created_at,
            next_at: armed.next_firing_at(),
            is_behind: !definition.overlap.is_allowed(),
            fired: armed.fired,
        }
    }
}

impl AsRef<Trigger> for Trigger {
    fn as_ref(&self) -> &Trigger {
        self
    }
}

/// What a user said about a trigger, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Its name, where it has one.
    pub name: Option<String>,
    /// When it fires; none for an API trigger.
    pub schedule: Option<ScheduleDetails>,
    /// What its events carry; none means `{}`.
    pub payload: Option<Payload>,
    /// What the payloads of calls have to be like, and its own; of an API trigger only.
    pub payload_schema: Option<PayloadSchema>,
    /// Its own address, to which its events go. Without it and without destinations they go to the operator's default one, or nowhere.
    pub webhook: Option<Webhook>,
    /// The destinations of its owner that its events go to, each once, in the order of their deliveries; at most
    /// [`DESTINATIONS_PER_TRIGGER_MAX`].
    pub destinations: Vec<DestinationId>,
    /// What whoever receives its events is to report of each; none where nothing is expected.
    pub expects: Option<Expectation>,
    /// What becomes of what falls due while an event of its own is under way; only what a schedule names can meet one.
    pub overlap: Overlap,
    /// Kept, but never scheduled.
    pub is_test: bool,
    /// False pauses, until the pause is over ([`Definition::is_paused_at`]).
    pub enabled: bool,
    /// What is said of its pause, only where it is not enabled.
    pub pause: Option<Pause>,
    /// An occurrence at or after this instant does not fire, not even late.
    pub expires_at: Option<Timestamp>,
}

impl Definition {
    /// Whether its own payload is as its schema says, where it has both.
    ///
    /// # Errors
    /// What is wrong with the one, or with the other.
    pub fn check_payload(&self) -> Result<(), Vec<Invalid>> {
        let (Some(schema), Some(payload)) = (&self.payload_schema, &self.payload) else { return Ok(()) };
        let wrong = |field: &str, one: Invalid| {
            let place = if one.field.is_empty() { String::new() } else { format!("At {}: ", one.field) };
            Invalid::new(field, format!("{place}{}", one.message))
        };
        let checker = schema.compile().map_err(|error| vec![wrong("payload_schema", error)])?;
        checker.check(payload).map_err(|all| all.into_iter().map(|one| wrong("api_payload", one)).collect())
    }

    /// What sort of trigger it makes.
    pub fn kind(&self) -> Kind {
        if self.schedule.is_some() { Kind::Scheduled } else { Kind::Api }
    }

    /// When the first occurrence falls due whose nominal time is after `after`, if it is to be waited for: none where there is nothing to
    /// wait for.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        if self.is_test {
            return None;
        }
        let schedule = self.schedule.as_ref()?;
        let next = schedule.next_after(self.runs_after(after)?)?;
        self.lives_at(next).then(|| schedule.due_at(next))
    }

    /// What is waited for when all that is named up to `after` is accounted for and its schedule has fired it so often: when the next occurrence falls due,
    /// or when it goes, where nothing is left of one that is deleted when it is done.
    pub fn waits_after(&self, after: Timestamp, fired: u64) -> Option<Timestamp> {
        let next = self.next_after(after).filter(|_| self.left(fired) != Some(0));
        next.or_else(|| self.goes_after(after))
    }

    /// When it goes if nothing is left of it after `after`, where it does.
    fn goes_after(&self, after: Timestamp) -> Option<Timestamp> {
        let goes = self.deletes_when_done() && !self.is_test;
        let from = self.runs_after(after).filter(|_| goes)?;
        just_after(from).checked_add(STAYS_FOR).ok()
    }

    /// When the occurrence of that nominal time falls due, where that is later.
    pub fn due_later(&self, named: Timestamp) -> Option<Timestamp> {
        self.schedule.as_ref().map(|schedule| schedule.due_at(named)).filter(|due| *due != named)
    }

    /// The same with a share drawn by `draw`, where its schedule is spread and has none yet.
    pub fn with_share(self, draw: impl FnOnce() -> Share) -> Definition {
        match self.schedule {
            Some(schedule) if schedule.lacks_share() => {
                Definition { schedule: Some(schedule.with_share(Some(draw()))), ..self }
            }
            schedule => Definition { schedule, ..self },
        }
    }

    /// How often its schedule may still fire it after so many firings, where that is limited.
    pub fn left(&self, fired: u64) -> Option<u64> {
        self.schedule.as_ref()?.max_fires().map(|most| most.saturating_sub(fired))
    }

    /// Every destination that it names, each once: those that its events go to, and the one that is told of their runs.
    pub fn named_destinations(&self) -> Vec<DestinationId> {
        let alert = self.expects.as_ref().and_then(|expects| expects.alert);
        let beside = alert.filter(|alert| !self.destinations.contains(alert));
        self.destinations.iter().copied().chain(beside).collect()
    }

    /// What stands in the place of a definition of which nothing more than its name and its sort can be read: it is paused, and its schedule names
    /// nothing that is to come.
    pub fn in_place_of_unreadable(name: Option<String>, kind: Kind) -> Definition {
        let long_ago = Schedule::Once { at: Timestamp::UNIX_EPOCH };
        Definition {
            name,
            schedule: (kind == Kind::Scheduled).then(|| ScheduleDetails::plain(long_ago, None)),
            payload: None,
            payload_schema: None,
            webhook: None,
            destinations: Vec::new(),
            expects: None,
            overlap: Overlap::Allow,
            is_test: false,
            enabled: false,
            pause: None,
            expires_at: None,
        }
    }

    /// What its schedule has taken over of calendars.
    pub fn calendars(&self) -> &[Arc<Observed>] {
        self.schedule.as_ref().map_or(&[], ScheduleDetails::calendars)
    }

    /// Whether the firings of its schedule are limited, and so are counted.
    pub fn is_limited(&self) -> bool {
        self.left(0).is_some()
    }

    /// Whether the trigger goes when its schedule has nothing left.
    pub fn deletes_when_done(&self) -> bool {
        self.schedule.as_ref().is_some_and(ScheduleDetails::deletes_when_done)
    }

    /// The nominal time of the occurrence that falls due at this instant.
    pub fn named_for(&self, due: Timestamp) -> Timestamp {
        self.schedule.as_ref().map_or(due, |schedule| schedule.named_for(due))
    }

    /// Whether an occurrence of the nominal time `instant` comes before the expiry.
    pub fn lives_at(&self, instant: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| instant < end)
    }
}

/// The explicit embeddings, overrides and isolates of Unicode's bidirectional algorithm (UAX #9 §2). Right-to-left scripts do
/// without them.
const TURNS_DIRECTION: [std::ops::RangeInclusive<char>; 2] = ['\u{202a}'..='\u{202e}', '\u{2066}'..='\u{2069}'];

/// Whether a line of somebody's holds what would make it look like something else, or like several lines.
pub(crate) fn has_forbidden_chars(line: &str) -> bool {
    line.chars().any(|c| c.is_control() || TURNS_DIRECTION.iter().any(|turning| turning.contains(&c)))
}

/// Checks a trigger's name: at most [`NAME_CHARS_MAX`] characters, none of them a control character, and none that turns the
/// direction of what follows, so that no name looks like another.
///
/// # Errors
/// Says which of the two it is; the field is `name`.
pub fn parse_name(name: &str) -> Result<Option<String>, Invalid> {
    if name.chars().count() > NAME_CHARS_MAX {
        return Err(Invalid::new("name", format!("A name has at most {NAME_CHARS_MAX} characters.")));
    }
    if has_forbidden_chars(name) {
        return Err(Invalid::new("name", "A name has no line breaks and no other control characters."));
    }
    Ok((!name.is_empty()).then(|| name.to_owned()))
}

/// Checks which destinations a trigger names: at most [`DESTINATIONS_PER_TRIGGER_MAX`], each once. Whether they are its owner's
/// is found out where they are kept.
///
/// # Errors
/// Says which of the two it is; the field is `destinations`.
pub fn parse_destinations(ids: Vec<DestinationId>) -> Result<Vec<DestinationId>, Invalid> {
    let invalid = |message: String| Invalid::new("destinations", message);
    if ids.len() > DESTINATIONS_PER_TRIGGER_MAX {
        return Err(invalid(format!("A trigger sends to at most {DESTINATIONS_PER_TRIGGER_MAX} destinations.")));
    }
    match ids.iter().enumerate().find(|(place, id)| ids[..*place].contains(id)) {
        Some((_, twice)) => Err(invalid(format!("The destination {twice} is named twice."))),
        None => Ok(ids),
    }
}

/// A trigger as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// Its number.
    pub id: TriggerId,
    /// Whose it is.
    pub owner: UserId,
    /// Counts its edits; events name the revision that made them.
    pub revision: i64,
    /// What its user said.
    pub definition: Definition,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when its schedule, expiry and pausing stand as they are: since an edit, or, where that left an occurrence open that had been named
    /// and was not due yet, since just before its nominal time. Occurrences of an armed trigger that are named after this are accounted for by
    /// what it says; those of a paused one become one record when it is resumed.
    pub standing_since: Timestamp,
}

/// A trigger and the occurrence that it waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Armed<T = Trigger> {
    /// The trigger.
    pub trigger: T,
    /// When the occurrence that it waits for falls due, or it goes; none where there is nothing to wait for.
    pub next_at: Option<Timestamp>,
    /// How often its schedule has fired it since that was limited; 0 where it is not.
    pub fired: u64,
}

impl<T: AsRef<Trigger>> Armed<T> {
    /// How often it may still fire by its schedule, where that is limited.
    pub fn left(&self) -> Option<u64> {
        self.trigger.as_ref().definition.left(self.fired)
    }

    /// When the occurrence that it waits for falls due; none where it waits for nothing, or only to be deleted because nothing is left of it.
    pub fn next_firing_at(&self) -> Option<Timestamp> {
        let definition = &self.trigger.as_ref().definition;
        let terms = (definition.expires_at, self.left());
        let waits_to_go = |next: &Timestamp| {
            definition.schedule.as_ref().is_some_and(|schedule| plan::waits_to_go(schedule, terms, *next))
        };
        self.next_at.filter(|next| !waits_to_go(next))
    }
}

/// Why a trigger cannot be fired by a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FireRefusal {
    /// Only API triggers are fired by a call.
    NotApi,
    /// It is paused.
    Paused,
    /// It has expired.
    Expired,
}

impl Trigger {
    /// Whether a call may fire it at `now`.
    ///
    /// # Errors
    /// Says why not.
    pub fn may_fire(&self, now: Timestamp) -> Result<(), FireRefusal> {
        if self.definition.kind() != Kind::Api {
            return Err(FireRefusal::NotApi);
        }
        self.may_fire_again(now)
    }

    /// Whether what a call carries was checked against the schema as it stands, of which revision it says that it was; a trigger without one takes
    /// anything.
    pub fn takes(&self, checked: Option<i64>) -> bool {
        self.definition.payload_schema.is_none() || checked == Some(self.revision)
    }

    /// Whether a call of that origin may fire it at `now`: an API call only an API trigger, whoever runs it any that is neither paused nor
    /// expired, and a test all.
    ///
    /// # Errors
    /// Says why not.
    pub fn may_be_called(&self, origin: Origin, now: Timestamp) -> Result<(), FireRefusal> {
        match origin {
            Origin::Api => self.may_fire(now),
            Origin::Run => self.may_fire_again(now),
            _ => Ok(()),
        }
    }

    /// Whether somebody may fire it again at `now` with what a former event carried, whatever made that one.
    ///
    /// # Errors
    /// Says why not.
    pub fn may_fire_again(&self, now: Timestamp) -> Result<(), FireRefusal> {
        if self.definition.is_paused_at(now) {
            return Err(FireRefusal::Paused);
        }
        if !self.definition.lives_at(now) {
            return Err(FireRefusal::Expired);
        }
        Ok(())
    }
}

/// The last instant before `instant` that a store can tell from it.
pub fn just_before(instant: Timestamp) -> Timestamp {
    instant.checked_sub(SignedDuration::from_micros(1)).unwrap_or(Timestamp::MIN)
}

/// The first instant after `instant` that a store can tell from it.
pub fn just_after(instant: Timestamp) -> Timestamp {
    instant.checked_add(SignedDuration::from_micros(1)).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::every::Period;
    use crate::schedule::zone::Zones;

    pub(super) fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).expect("in range")
    }

    pub(super) fn every(text: &str, now: Timestamp, current: Option<&ScheduleDetails>) -> ScheduleDetails {
        let wish = ScheduleWish::Every { period: Period::parse(text).expect("a period"), start_at: None };
        wish.place(None, Terms::default(), &Zones::utc(), current, now).expect("it can be placed")
    }

    #[test]
    fn a_trigger_names_each_destination_once_and_not_too_many() {
        let ids = |numbers: &[i64]| numbers.iter().copied().map(DestinationId).collect::<Vec<_>>();
        assert_eq!(parse_destinations(ids(&[3, 1])), Ok(ids(&[3, 1])));
        let twice = parse_destinations(ids(&[3, 1, 3])).expect_err("it is named twice");
        assert!(twice.message.contains("destination 3"), "{twice}");
        let most: Vec<i64> = (1..).take(DESTINATIONS_PER_TRIGGER_MAX).collect();
        assert!(parse_destinations(ids(&most)).is_ok());
        assert!(parse_destinations(ids(&[most, vec![99]].concat())).is_err());
    }

    pub(super) fn trigger() -> Trigger {
        Trigger {
            id: TriggerId(1),
            owner: UserId(1),
            revision: 1,
            definition: Definition {
                name: None,
                schedule: Some(every("10s", at(0), None)),
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
            },
            created_at: at(0),
            standing_since: at(0),
        }
    }

    #[test]
    fn a_single_time_must_lie_in_the_future_unless_it_stood_there_before() {
        let utc = Zones::utc();
        let placed =
            ScheduleWish::RunAt(at(10)).place(None, Terms::default(), &utc, None, at(0)).expect("in the future");
        assert!(ScheduleWish::RunAt(at(10)).place(None, Terms::default(), &utc, None, at(10)).is_err());
        assert!(ScheduleWish::RunAt(at(10)).place(None, Terms::default(), &utc, Some(&placed), at(20)).is_ok());
    }

    #[test]
    fn only_a_living_api_trigger_is_fired_by_a_call() {
        let mut trigger = trigger();
        assert_eq!(trigger.may_fire(at(0)), Err(FireRefusal::NotApi));
        assert_eq!(trigger.may_fire_again(at(0)), Ok(()), "what a schedule fired may be fired again");
        trigger.definition.schedule = None;
        assert_eq!(trigger.may_fire(at(0)), Ok(()));
        trigger.definition.expires_at = Some(at(5));
        assert_eq!(trigger.may_fire(at(5)), Err(FireRefusal::Expired));
        trigger.definition.enabled = false;
        assert_eq!(trigger.may_fire(at(0)), Err(FireRefusal::Paused));
        assert_eq!(trigger.may_fire_again(at(0)), Err(FireRefusal::Paused));
    }

    #[test]
    fn one_that_expires_before_its_first_occurrence_goes_as_one_of_which_nothing_is_left() {
        let mut definition = trigger().definition;
        let terms = Terms { delete_when_done: true, ..Terms::default() };
        let pattern = every("10s", at(0), None).pattern().clone();
        definition.schedule = Some(ScheduleDetails::new(pattern, None, terms, Zones::utc()));
        for expires_at in [at(5), at(10)] {
            definition.expires_at = Some(expires_at);
            assert_eq!(definition.waits_after(at(0), 0), just_after(at(0)).checked_add(STAYS_FOR).ok());
        }
        definition.expires_at = Some(at(11));
        assert_eq!(definition.waits_after(at(0), 0), Some(at(10)));
    }

    #[test]
    fn names_are_short_lines() {
        assert_eq!(parse_name(""), Ok(None));
        assert_eq!(parse_name(&"é".repeat(200)).map(|name| name.is_some()), Ok(true));
        assert!(parse_name(&"é".repeat(201)).is_err());
        assert!(parse_name("a\nb").is_err());
        assert!(parse_name("\u{202e}gnp.exe").is_err(), "it would be shown as exe.png");
        assert!(parse_name("تذكير يومي").is_ok());
    }
}
