//! A trigger: what a user makes. Its definition is what they said, checked; its constructors are the only way to one, so
//! inside the house nobody checks again. What an edit does to what is armed is decided here too; what fires when the time
//! has come is `plan`'s business.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::calendar::Calendar;
use crate::destination::{DESTINATIONS_PER_TRIGGER_MAX, Webhook};
use crate::error::Invalid;
use crate::event::Origin;
use crate::id::{DestinationId, TriggerId, UserId};
use crate::occurrence::{Reason, Skipped};
use crate::overlap::Overlap;
use crate::payload::Payload;
use crate::payload_schema::PayloadSchema;
use crate::plan;
use crate::run::Expectation;
use crate::schedule::Schedule;
use crate::schedule::jitter::Share;
use crate::schedule::observed::Observed;

mod pause;
mod timing;

pub use pause::{Pause, REASON_CHARS_MAX, parse_reason};
pub use timing::{Apart, MaxFires, MemberWish, ScheduleDetails, ScheduleWish, Terms};

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
    /// When the occurrence that it waits for falls due.
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

    /// Whether its time is over at `now`: it has expired, and waits for nothing that was named before and will still fire.
    pub fn is_over(&self, now: Timestamp) -> bool {
        !self.lives_at(now) && self.next_at.is_none_or(|next| next <= now) && self.fires_behind(now).is_none()
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
    /// fires once, together with whatever fell due since.
    pub fn firings_to_come(&self, now: Timestamp) -> impl Iterator<Item = Timestamp> {
        let following = move |due: &Timestamp| self.schedule.as_ref()?.next_due_after((*due).max(now));
        let left = self.left().map_or(usize::MAX, |left| usize::try_from(left).unwrap_or(usize::MAX));
        let lives = |due: &Timestamp| self.lives_at(self.named_for(*due));
        std::iter::successors(self.first_to_fire(now), following).take_while(lives).take(left)
    }

    /// The nominal time of the occurrence that falls due at this instant.
    pub fn named_for(&self, due: Timestamp) -> Timestamp {
        self.schedule.as_ref().map_or(due, |schedule| schedule.named_for(due))
    }

    /// How often it may still fire by its schedule, where that is limited.
    pub fn left(&self) -> Option<u64> {
        self.schedule.as_ref()?.max_fires().map(|most| most.saturating_sub(self.fired))
    }

    /// Whether it will fire by itself or when called.
    pub fn is_active(&self, now: Timestamp) -> bool {
        !self.is_paused_at(now)
            && !self.is_test
            && !self.is_over(now)
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
            next_at: armed.next_at,
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

    /// When the occurrence of that nominal time falls due.
    fn due_at(&self, named: Timestamp) -> Timestamp {
        self.schedule.as_ref().map_or(named, |schedule| schedule.due_at(named))
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

    /// Where its schedule occurs otherwise than the other's.
    fn apart(&self, other: &Definition) -> Apart {
        match (&self.schedule, &other.schedule) {
            (Some(one), Some(other)) => one.apart(other),
            (None, None) => Apart::Nowhere,
            _ => Apart::Elsewhere,
        }
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

    fn next_stays(&self, changed: &Definition) -> bool {
        self.enabled && changed.enabled && !self.is_test && !changed.is_test
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
    /// When the occurrence that it waits for falls due; none where there is nothing to wait for.
    pub next_at: Option<Timestamp>,
    /// How often its schedule has fired it since that was limited; 0 where it is not.
    pub fired: u64,
}

impl<T: AsRef<Trigger>> Armed<T> {
    /// Decides what changing the definition to `definition` at `now` means ([`Trigger::edit`]).
    pub fn edit(&self, definition: Definition, now: Timestamp) -> Edit {
        self.trigger.as_ref().edit_after(self.fired, definition, self.next_at, now)
    }

    /// Decides what it means at `now` that a calendar says what it says; none where its schedule does not name that calendar, or
    /// has taken it over.
    pub fn follow(&self, calendar: &Calendar, now: Timestamp) -> Option<Edit> {
        let definition = &self.trigger.as_ref().definition;
        let schedule = definition.schedule.as_ref()?.following(calendar)?;
        let is_new = definition.schedule.as_ref() != Some(&schedule);
        is_new.then(|| self.edit(Definition { schedule: Some(schedule), ..definition.clone() }, now))
    }

    /// How often it may still fire by its schedule, where that is limited.
    pub fn left(&self) -> Option<u64> {
        self.trigger.as_ref().definition.left(self.fired)
    }

    /// How it stands once that edit is made.
    pub fn as_edited(&self, edit: &Edit) -> Armed {
        let next_at = match edit.arm {
            Arm::Keep => self.next_at,
            Arm::Set(next_at) => next_at,
        };
        let fired = if edit.trigger.definition.is_limited() { self.fired } else { 0 };
        Armed { trigger: edit.trigger.clone(), next_at, fired }
    }
}

/// What an edit does to the occurrence that is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arm {
    /// Nothing: the grid stays as it is.
    Keep,
    /// Wait for this one, or for none.
    Set(Option<Timestamp>),
}

/// An edit, decided: the trigger as it will be, and what becomes of the occurrences around the moment of the edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The trigger afterwards.
    pub trigger: Trigger,
    /// The occurrence to wait for.
    pub arm: Arm,
    /// Occurrences up to the edit that did not fire and will not any more, oldest first.
    pub skipped: Vec<Skipped>,
    /// Why what waits in backlogs will not fire either; none where it still does.
    pub ends_backlogs: Option<Reason>,
}

impl Edit {
    /// Whether it leaves the trigger waiting for what it was `seen` to wait for: then one that waits for an event of its own to end waits on, and
    /// one that has waited has not forgotten it.
    pub fn waits_on(&self, seen: Option<Timestamp>) -> bool {
        let stays = match self.arm {
            Arm::Keep => true,
            Arm::Set(next_at) => next_at == seen,
        };
        stays && !self.trigger.definition.overlap.is_allowed()
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

/// What a trigger waits for, seen from some instant.
enum Waits {
    /// For an occurrence before it: when that falls due, and its nominal time.
    ForOneBefore(Timestamp, Timestamp),
    /// For one from then on, or for none.
    ForOneBehind,
    /// To be deleted, because nothing is left.
    ToGo,
}

impl Trigger {
    /// Decides what changing the definition to `definition` at `now` means, where `next_at` is the occurrence waited for so far.
    ///
    /// Nothing fires retroactively (invariant 6), and nothing due is silent (invariant 2): what was due and had not fired
    /// yet, or fell due during a pause, becomes one record, and what fell due after the expiry another.
    ///
    /// This is for a trigger that its schedule has not fired under a limit; [`Armed::edit`] knows how often it has.
    pub fn edit(&self, definition: Definition, next_at: Option<Timestamp>, now: Timestamp) -> Edit {
        self.edit_after(0, definition, next_at, now)
    }

    fn edit_after(&self, fired: u64, definition: Definition, next_at: Option<Timestamp>, now: Timestamp) -> Edit {
        let definition = definition.as_of(now);
        if let Some((resumed, paused)) = self.after_pause(next_at, now) {
            let mut edit = resumed.edit_after(fired, definition, next_at, now);
            if edit.arm == Arm::Keep && !paused.is_empty() {
                // What is written down here must not be written down by a plan as well.
                edit.arm = Arm::Set(next_at);
            }
            edit.skipped.splice(0..0, paused.into_iter().filter(|_| self.definition.left(fired) != Some(0)));
            return edit;
        }
        let old = &self.definition;
        let apart = old.apart(&definition);
        let stands_but_for_dates = apart != Apart::Elsewhere
            && old.expires_at == definition.expires_at
            && old.enabled == definition.enabled
            && old.pause_ends_at() == definition.pause_ends_at()
            && old.is_test == definition.is_test;
        let mut trigger = self.clone();
        trigger.revision += 1;
        // What waits because it met an event is not let go by another choice: that might be a day of occurrences at once.
        let is_choice_new = old.overlap != definition.overlap;
        let settles_wait = is_choice_new && !old.overlap.is_allowed() && next_at.is_some_and(|next_at| next_at <= now);
        // A plan that was made by the former choice changes nothing any more.
        let kept = if is_choice_new && next_at.is_some() { Arm::Set(next_at) } else { Arm::Keep };
        let stands_but_for_dates = stands_but_for_dates && !settles_wait;
        if stands_but_for_dates && apart == Apart::Nowhere {
            trigger.definition = definition;
            return Edit { trigger, arm: kept, skipped: Vec::new(), ends_backlogs: None };
        }
        // What calendars say of days to come is no matter of what is due, nor of what was accounted for.
        if let Apart::From(first) = apart
            && stands_but_for_dates
            && first > now
        {
            let arm = match self.waits_before(first, fired, next_at) {
                Waits::ForOneBefore(next, named) => match definition.due_at(named) {
                    due if due == next => kept,
                    // The last one before those days falls due by when the next is named, and that is another one now.
                    due => Arm::Set(Some(due)),
                },
                Waits::ToGo if definition.next_after(just_before(first)).is_none() => kept,
                Waits::ForOneBehind | Waits::ToGo => {
                    Arm::Set(definition.next_after(just_before(first)).filter(|_| definition.left(fired) != Some(0)))
                }
            };
            trigger.definition = definition;
            return Edit { trigger, arm, skipped: Vec::new(), ends_backlogs: None };
        }
        // Only the expiry moved: what is due already and still lives is not lost to an edit that never meant it.
        // Where it has passed already, what would have come after it must not fire with what is due.
        let waits_on = apart == Apart::Nowhere && old.next_stays(&definition) && old.lives_at(now);
        if let Some(next) =
            next_at.filter(|next| waits_on && !settles_wait && definition.lives_at(old.named_for(*next)))
        {
            trigger.definition = definition;
            return Edit { trigger, arm: Arm::Set(Some(next)), skipped: Vec::new(), ends_backlogs: None };
        }
        let is_spent = old.left(fired) == Some(0);
        let until = self.left_open(&definition, next_at, now).map_or(now, just_before);
        let skipped = if is_spent { Vec::new() } else { self.unfired_until(next_at, until) };
        // What was fired counts on under a new number, and a limit that is set anew counts from there on.
        let fired = if old.is_limited() { fired } else { 0 };
        let next = definition.next_after(until).filter(|_| definition.left(fired) != Some(0));
        // What waits to fire late is named as before where only the expiry moved, and ends with that.
        let ends_backlogs = match old.lives_at(now) {
            true if waits_on && definition.lives_at(now) => None,
            true => Some(Reason::Superseded),
            false => Some(Reason::Expired),
        };
        trigger.definition = definition;
        trigger.standing_since = until;
        Edit { trigger, arm: Arm::Set(next), skipped, ends_backlogs }
    }

    /// What it waits for, seen from the instant `first`.
    fn waits_before(&self, first: Timestamp, fired: u64, next_at: Option<Timestamp>) -> Waits {
        let (Some(next), Some(schedule)) = (next_at, &self.definition.schedule) else { return Waits::ForOneBehind };
        if schedule.deletes_when_done() && plan::is_done(&self.definition, schedule, fired, next) {
            return Waits::ToGo;
        }
        let named = schedule.named_for(next);
        if named < first { Waits::ForOneBefore(next, named) } else { Waits::ForOneBehind }
    }

    /// The occurrence whose time has come at `now` and that is not due yet, neither before nor after the edit, where nothing has become of it: what
    /// becomes of it is left to what the trigger says from then on.
    fn left_open(&self, changed: &Definition, next_at: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        let pending = changed.schedule.as_ref().filter(|_| !changed.is_test)?.pending_at(now)?;
        let schedule = self.definition.schedule.as_ref().filter(|_| !self.definition.is_test)?;
        let was_not_due = schedule.pending_at(now) == Some(pending);
        let nothing_became_of_it = if self.definition.is_paused_at(now) {
            self.standing_since < pending
        } else {
            next_at.is_some_and(|due| schedule.named_for(due) <= pending)
        };
        (was_not_due && nothing_became_of_it).then_some(pending)
    }

    /// The occurrences up to `now` that nothing is written down about, and that this edit takes the chance to fire from.
    fn unfired_until(&self, next_at: Option<Timestamp>, now: Timestamp) -> Vec<Skipped> {
        let Some(schedule) = &self.definition.schedule else { return Vec::new() };
        if self.definition.is_test {
            return Vec::new();
        }
        let waiting = if self.definition.is_paused_at(now) {
            Some((self.standing_since, Reason::Paused))
        } else {
            let named = next_at.map(|due| schedule.named_for(due)).filter(|named| *named <= now);
            named.map(|named| (just_before(named), Reason::Superseded))
        };
        let expiry = self.definition.expires_at.filter(|end| *end <= now);
        let until = expiry.map_or(now, just_before);
        let unfired = waiting.and_then(|(after, reason)| Skipped::range(schedule, after, until, reason));
        let expired = expiry
            .and_then(|end| Skipped::range(schedule, just_before(end).max(self.standing_since), now, Reason::Expired));
        unfired.into_iter().chain(expired).collect()
    }

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
    use crate::schedule::jitter::Jitter;
    use crate::schedule::zone::Zones;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).expect("in range")
    }

    fn every(text: &str, now: Timestamp, current: Option<&ScheduleDetails>) -> ScheduleDetails {
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

    fn trigger() -> Trigger {
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
    fn an_edit_that_leaves_the_schedule_alone_leaves_the_grid_alone() {
        let trigger = trigger();
        let mut renamed = trigger.definition.clone();
        renamed.name = Some("new".to_owned());
        let edit = trigger.edit(renamed, Some(at(10)), at(7));
        assert_eq!((edit.arm, edit.skipped, edit.trigger.revision), (Arm::Keep, vec![], 2));
        let again = every("10s", at(7), trigger.definition.schedule.as_ref());
        assert_eq!(Some(&again), trigger.definition.schedule.as_ref(), "what was read can be put back");
    }

    #[test]
    fn a_new_schedule_counts_from_the_edit_and_fires_nothing_of_before() {
        let trigger = trigger();
        let changed = Definition {
            schedule: Some(every("30s", at(7), trigger.definition.schedule.as_ref())),
            ..trigger.definition.clone()
        };
        let edit = trigger.edit(changed, Some(at(10)), at(7));
        assert_eq!((edit.arm, edit.skipped), (Arm::Set(Some(at(37))), vec![]));
    }

    #[test]
    fn what_was_due_when_an_edit_came_first_is_recorded() {
        let trigger = trigger();
        let paused = Definition { enabled: false, ..trigger.definition.clone() };
        let edit = trigger.edit(paused, Some(at(10)), at(21));
        assert_eq!(edit.arm, Arm::Set(None));
        assert_eq!(edit.skipped, [Skipped { reason: Reason::Superseded, first: at(10), last: at(20), count: 2 }]);
    }

    #[test]
    fn resuming_fires_nothing_retroactively_and_records_the_pause() {
        let trigger = trigger();
        let paused =
            trigger.edit(Definition { enabled: false, ..trigger.definition.clone() }, Some(at(10)), at(5)).trigger;
        let resumed = paused.edit(Definition { enabled: true, ..paused.definition.clone() }, None, at(45));
        assert_eq!(resumed.arm, Arm::Set(Some(at(50))), "the grid is still the old one");
        assert_eq!(resumed.skipped, [Skipped { reason: Reason::Paused, first: at(10), last: at(40), count: 4 }]);
    }

    /// Every ten seconds, each occurrence due five seconds after its nominal time.
    fn spread() -> Trigger {
        let terms = Terms { jitter: Some(Jitter::parse("10s").expect("a window")), ..Terms::default() };
        let wish = ScheduleWish::Every { period: Period::parse("10s").expect("a period"), start_at: Some(at(0)) };
        let details = wish.place(None, terms, &Zones::utc(), None, at(0)).expect("it can be placed");
        let schedule = Some(details.with_share(Some(Share::new(1 << 31))));
        Trigger { definition: Definition { schedule, ..trigger().definition }, ..trigger() }
    }

    #[test]
    fn an_occurrence_that_is_not_due_yet_is_left_open_by_an_edit() {
        let trigger = spread();
        assert_eq!(trigger.definition.next_after(at(0)), Some(at(15)));
        let paused = Definition { enabled: false, ..trigger.definition.clone() };
        let before = |seconds| Trigger { standing_since: just_before(at(seconds)), ..trigger.clone() };
        let pause = trigger.edit(paused.clone(), Some(at(15)), at(12));
        assert_eq!((pause.arm, pause.skipped), (Arm::Set(None), vec![]));
        assert_eq!(pause.trigger.standing_since, before(10).standing_since);
        let resumed = pause.trigger.edit(trigger.definition.clone(), None, at(14));
        assert_eq!(
            (resumed.arm, resumed.skipped),
            (Arm::Set(Some(at(15))), vec![]),
            "it did not fall due in the pause"
        );
        let late = pause.trigger.edit(trigger.definition.clone(), None, at(27));
        assert_eq!(late.arm, Arm::Set(Some(at(35))));
        assert_eq!(late.skipped, [Skipped { reason: Reason::Paused, first: at(10), last: at(20), count: 2 }]);
        let fired = trigger.edit(paused, Some(at(25)), at(17));
        assert_eq!((fired.trigger.standing_since, fired.skipped), (at(17), vec![]), "that of second 10 has fired");
        let again = fired.trigger.edit(trigger.definition.clone(), None, at(18));
        assert_eq!(again.arm, Arm::Set(Some(at(25))));
        let bare = ScheduleWish::Every { period: Period::parse("10s").expect("a period"), start_at: Some(at(0)) };
        let bare = bare.place(None, Terms::default(), &Zones::utc(), None, at(0)).expect("it can be placed");
        let fell_due = Trigger {
            definition: Definition { schedule: Some(bare), enabled: false, ..trigger.definition.clone() },
            ..trigger.clone()
        };
        let spread = fell_due.edit(trigger.definition.clone(), None, at(12));
        assert_eq!(spread.arm, Arm::Set(Some(at(25))), "what fell due in the pause does not fire later");
        assert_eq!(spread.skipped, [Skipped { reason: Reason::Paused, first: at(10), last: at(10), count: 1 }]);
        let otherwise = Definition { schedule: Some(every("7s", at(12), None)), ..trigger.definition.clone() };
        let superseded = trigger.edit(otherwise, Some(at(15)), at(12));
        let gone = [Skipped { reason: Reason::Superseded, first: at(10), last: at(10), count: 1 }];
        assert_eq!(superseded.skipped, gone);
        let only_a_test =
            trigger.edit(Definition { is_test: true, ..trigger.definition.clone() }, Some(at(15)), at(12));
        assert_eq!((only_a_test.skipped.as_slice(), only_a_test.trigger.standing_since), (gone.as_slice(), at(12)));
    }

    #[test]
    fn another_choice_of_overlap_settles_what_met_an_event_and_lets_go_of_none() {
        let mut trigger = trigger();
        let met = Skipped { reason: Reason::Superseded, first: at(10), last: at(20), count: 2 };
        let choose = |trigger: &Trigger, overlap, now| {
            let expires_at = Some(at(500)).filter(|_| overlap == Overlap::Queue);
            trigger.edit(Definition { overlap, expires_at, ..trigger.definition.clone() }, Some(at(10)), at(now))
        };
        trigger.definition.overlap = Overlap::Skip;
        for overlap in [Overlap::Allow, Overlap::Queue] {
            let edit = choose(&trigger, overlap, 21);
            assert_eq!((edit.arm, edit.skipped), (Arm::Set(Some(at(30))), vec![met]), "{overlap:?}");
            assert_eq!(edit.ends_backlogs, None, "{overlap:?}");
            let early = choose(&trigger, overlap, 9);
            assert_eq!((early.arm, early.skipped), (Arm::Set(Some(at(10))), vec![]), "nothing is due");
        }
        trigger.definition.overlap = Overlap::Allow;
        let edit = choose(&trigger, Overlap::Skip, 21);
        assert_eq!((edit.arm, edit.skipped), (Arm::Set(Some(at(10))), vec![]), "what is due met nothing");
    }

    #[test]
    fn moving_the_expiry_does_not_lose_what_is_due() {
        let trigger = trigger();
        let later = Definition { expires_at: Some(at(100)), ..trigger.definition.clone() };
        let edit = trigger.edit(later, Some(at(10)), at(11));
        assert_eq!((edit.arm, edit.skipped), (Arm::Set(Some(at(10))), vec![]));
    }

    #[test]
    fn moving_an_expiry_that_has_passed_fires_nothing_from_after_it() {
        let mut trigger = trigger();
        trigger.definition.expires_at = Some(at(35));
        let later = Definition { expires_at: None, ..trigger.definition.clone() };
        let edit = trigger.edit(later, Some(at(20)), at(55));
        assert_eq!(edit.arm, Arm::Set(Some(at(60))));
        let superseded = Skipped { reason: Reason::Superseded, first: at(20), last: at(30), count: 2 };
        let expired = Skipped { reason: Reason::Expired, first: at(40), last: at(50), count: 2 };
        assert_eq!(edit.skipped, [superseded, expired]);
    }

    #[test]
    fn what_lay_after_an_expiry_is_recorded_once_however_often_the_trigger_is_edited() {
        let mut trigger = trigger();
        trigger.definition.expires_at = Some(at(35));
        let paused = trigger.edit(Definition { enabled: false, ..trigger.definition.clone() }, None, at(55));
        assert_eq!(paused.skipped, [Skipped { reason: Reason::Expired, first: at(40), last: at(50), count: 2 }]);
        let resumed = paused.trigger.edit(Definition { enabled: true, ..trigger.definition.clone() }, None, at(75));
        assert_eq!((resumed.arm, &resumed.trigger.definition), (Arm::Set(None), &trigger.definition));
        assert_eq!(resumed.skipped, [Skipped { reason: Reason::Expired, first: at(60), last: at(70), count: 2 }]);
        let later = resumed.trigger.edit(Definition { expires_at: None, ..trigger.definition }, None, at(80));
        assert_eq!(later.skipped, [Skipped { reason: Reason::Expired, first: at(80), last: at(80), count: 1 }]);
        assert_eq!(later.arm, Arm::Set(Some(at(90))));
    }

    #[test]
    fn a_limit_counts_on_through_edits_and_from_where_it_is_set() {
        let limited = |number| {
            let terms = Terms { max_fires: MaxFires::new(number), ..Terms::default() };
            let unlimited = trigger().definition;
            let pattern = unlimited.schedule.as_ref().expect("it has one").pattern().clone();
            Definition { schedule: Some(ScheduleDetails::new(pattern, None, terms, Zones::utc())), ..unlimited }
        };
        let spent = Armed { trigger: Trigger { definition: limited(3), ..trigger() }, next_at: None, fired: 3 };
        assert_eq!((spent.left(), spent.trigger.definition.is_limited()), (Some(0), true));
        let arm = |definition| spent.edit(definition, at(45)).arm;
        assert_eq!(arm(limited(2)), Arm::Set(None));
        assert_eq!(arm(limited(4)), Arm::Set(Some(at(50))));
        assert_eq!(arm(trigger().definition), Arm::Set(Some(at(50))));
        let paused = Definition { enabled: false, ..limited(3) };
        let paused = Armed { trigger: spent.edit(paused, at(45)).trigger, ..spent.clone() };
        let resumed = paused.edit(limited(3), at(95));
        assert_eq!((resumed.arm, resumed.skipped), (Arm::Set(None), vec![]), "nothing would have fired meanwhile");
        let unlimited = Armed { trigger: trigger(), next_at: Some(at(50)), fired: 0 };
        assert_eq!(
            unlimited.edit(limited(1), at(45)).arm,
            Arm::Set(Some(at(50))),
            "what it fired before does not count"
        );
    }

    /// The trigger of every ten seconds, with a calendar of that revision that holds these dates.
    fn except(revision: i64, dates: &[&str]) -> (Definition, Calendar) {
        let dates = crate::calendar::read_dates(dates.iter().copied()).expect("dates");
        let definition = crate::calendar::Definition { name: "holidays".to_owned(), description: None, dates };
        let (id, owner, made) = (crate::id::CalendarId(3), UserId(1), at(0));
        let calendar = Calendar { id, owner, revision, definition, created_at: made, edited_at: made };
        let terms = Terms { calendars: vec![Arc::new(calendar.observed())], ..Terms::default() };
        let plain = trigger().definition;
        let pattern = plain.schedule.as_ref().expect("it has one").pattern().clone();
        (Definition { schedule: Some(ScheduleDetails::new(pattern, None, terms, Zones::utc())), ..plain }, calendar)
    }

    #[test]
    fn a_calendar_that_says_something_of_days_to_come_leaves_what_is_due_alone() {
        // It is 15 January 2027, 08:00 in UTC.
        let (before, _) = except(1, &["2027-03-01"]);
        let stood = Trigger { definition: before, ..trigger() };
        let late = Armed { trigger: stood, next_at: Some(at(10)), fired: 0 };
        let (after, calendar) = except(2, &["2027-01-16"]);
        let edit = late.follow(&calendar, at(25)).expect("it follows");
        assert_eq!((edit.arm, &edit.skipped, edit.ends_backlogs), (Arm::Keep, &vec![], None));
        assert_eq!((edit.trigger.definition, edit.trigger.standing_since), (after, at(0)));
        assert_eq!(
            Armed { trigger: Trigger { definition: except(2, &["2027-01-16"]).0, ..trigger() }, ..late }
                .follow(&calendar, at(25)),
            None
        );

        // What waits on a day that is taken away waits for the day after it, and comes back with the day.
        let waiting = Armed { next_at: Some(at(86_400)), ..late };
        let edit = waiting.follow(&calendar, at(25)).expect("it follows");
        let midnight = at(0) + SignedDuration::from_hours(40);
        assert_eq!((edit.arm, edit.skipped), (Arm::Set(Some(midnight)), vec![]));
        let gone = Armed { trigger: edit.trigger, next_at: Some(midnight), fired: 0 };
        let (_, none) = except(3, &[]);
        let back = gone.follow(&none, at(25)).expect("it follows");
        assert_eq!(back.arm, Arm::Set(Some(midnight - SignedDuration::from_hours(24))));
    }

    /// What [`except`] gives, under these terms beside the calendar.
    fn except_under(revision: i64, dates: &[&str], terms: Terms) -> (Definition, Calendar) {
        let (plain, calendar) = except(revision, dates);
        let pattern = plain.schedule.as_ref().expect("it has one").pattern().clone();
        let terms = Terms { calendars: vec![Arc::new(calendar.observed())], ..terms };
        let details = ScheduleDetails::new(pattern, None, terms, Zones::utc()).with_share(Some(Share::new(1 << 31)));
        (Definition { schedule: Some(details), ..plain }, calendar)
    }

    #[test]
    fn the_last_firing_before_days_that_a_calendar_takes_falls_due_by_what_comes_next() {
        // Half of its window later than named, and half of the way to the next where that is nearer.
        let spread = |revision, dates: &[&str]| {
            let jitter = Some(Jitter::parse("24h").expect("a window"));
            except_under(revision, dates, Terms { jitter, ..Terms::default() })
        };
        let ((plain, none), (except, taken)) = (spread(3, &[]), spread(2, &["2027-01-16"]));
        let armed = |definition: &Definition, next: i64| Armed {
            trigger: Trigger { definition: definition.clone(), ..trigger() },
            next_at: Some(at(next)),
            fired: 0,
        };
        let arm = |armed: Armed, calendar, now| {
            let edit = armed.follow(calendar, at(now)).expect("it follows");
            assert_eq!((edit.skipped, edit.ends_backlogs), (vec![], None));
            edit.arm
        };
        let (last, midnight, half_a_day) = (57_590, 57_600, 43_200);
        let later = Arm::Set(Some(at(last + half_a_day)));
        assert_eq!(arm(armed(&plain, last + 5), &taken, last + 1), later, "its time has come, and it is not due");
        assert_eq!(arm(armed(&plain, last + 5), &taken, last + 7), later, "it is due, and nobody has looked");
        assert_eq!(arm(armed(&plain, last - 5), &taken, last - 7), Arm::Keep, "after it comes what came before");
        let sooner = Arm::Set(Some(at(last + 5)));
        assert_eq!(arm(armed(&except, last + half_a_day), &none, last + 9), sooner, "it fires at once");
        let behind = Arm::Set(Some(at(midnight + 86_400 + 5)));
        assert_eq!(arm(armed(&plain, midnight + 5), &taken, last + 7), behind, "the last one has fired");
    }

    #[test]
    fn what_is_to_be_deleted_stays_so_unless_a_calendar_gives_it_days_back() {
        let ended = |revision, dates: &[&str]| {
            let bounds = crate::schedule::bounds::Bounds::new(None, Some(at(57_610))).expect("an end");
            except_under(revision, dates, Terms { bounds, delete_when_done: true, ..Terms::default() })
        };
        let (definition, _) = ended(1, &["2027-01-16"]);
        let mark = at(57_590) + SignedDuration::from_micros(1);
        let done = Armed { trigger: Trigger { definition, ..trigger() }, next_at: Some(mark), fired: 0 };
        let arm = |calendar: &Calendar| done.follow(calendar, at(57_592)).expect("it follows").arm;
        assert_eq!(arm(&ended(2, &["2027-01-16", "2027-01-20"]).1), Arm::Keep);
        assert_eq!(arm(&ended(2, &[]).1), Arm::Set(Some(at(57_600))));
    }

    #[test]
    fn what_waits_is_looked_at_anew_where_days_to_come_and_overlapping_are_edited_together() {
        let (before, _) = except(1, &[]);
        let late = Armed { trigger: Trigger { definition: before, ..trigger() }, next_at: Some(at(10)), fired: 0 };
        let (after, _) = except(2, &["2027-01-16"]);
        let edit = late.edit(Definition { overlap: Overlap::Skip, ..after }, at(25));
        assert_eq!((edit.arm, edit.skipped), (Arm::Set(Some(at(10))), vec![]));
    }

    #[test]
    fn a_calendar_that_says_something_of_today_is_an_edit_like_any_other() {
        let (before, _) = except(1, &[]);
        let late = Armed { trigger: Trigger { definition: before, ..trigger() }, next_at: Some(at(10)), fired: 0 };
        let edit = late.follow(&except(2, &["2027-01-15"]).1, at(25)).expect("it follows");
        assert_eq!(edit.skipped, [Skipped { reason: Reason::Superseded, first: at(10), last: at(20), count: 2 }]);
        assert_eq!((edit.arm, edit.trigger.standing_since), (Arm::Set(Some(at(16 * 3_600))), at(25)));
    }

    #[test]
    fn what_a_calendar_is_called_moves_nothing() {
        let (before, mut calendar) = except(1, &["2027-01-15"]);
        let armed = Armed { trigger: Trigger { definition: before, ..trigger() }, next_at: Some(at(90_000)), fired: 0 };
        calendar.definition.name = "feasts".to_owned();
        calendar.revision = 2;
        let edit = armed.follow(&calendar, at(25)).expect("it follows");
        assert_eq!((edit.arm, edit.skipped), (Arm::Keep, vec![]));
        let schedule = edit.trigger.definition.schedule.expect("it has one");
        assert_eq!(schedule.summary(), "Every 10 seconds, not on the dates of \"feasts\"");
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
    fn names_are_short_lines() {
        assert_eq!(parse_name(""), Ok(None));
        assert_eq!(parse_name(&"é".repeat(200)).map(|name| name.is_some()), Ok(true));
        assert!(parse_name(&"é".repeat(201)).is_err());
        assert!(parse_name("a\nb").is_err());
        assert!(parse_name("\u{202e}gnp.exe").is_err(), "it would be shown as exe.png");
        assert!(parse_name("تذكير يومي").is_ok());
    }
}
