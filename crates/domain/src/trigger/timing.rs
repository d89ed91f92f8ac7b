//! When a trigger fires, all of it: the pattern that its user chose, and the terms under which it counts. The pattern alone says more
//! than fires, so it is shown to whoever puts it into words, and everybody who asks when something occurs asks here. What a
//! pattern names stands in `schedule`; which trigger fires is decided in `plan`.

use std::sync::Arc;

use jiff::civil::DateTime;
use jiff::tz::AmbiguousOffset;
use jiff::{SignedDuration, Timestamp};

use crate::calendar::Calendar;
use crate::error::Invalid;
use crate::id::CalendarId;
use crate::misfire::Misfire;
use crate::schedule::any_of::{AnyOf, Member};
use crate::schedule::bounds::Bounds;
use crate::schedule::clock_change::{self, ClockChange};
use crate::schedule::cron::CronExpression;
use crate::schedule::every::Period;
use crate::schedule::excluded::ExcludedDates;
use crate::schedule::jitter::{Jitter, Share};
use crate::schedule::nth;
use crate::schedule::observed::Observed;
use crate::schedule::recurrence::{Recurrence, RecurrenceText, Start};
use crate::schedule::rule::{Fold, Gap, Rule};
use crate::schedule::scope::{Run, Scope, TakenAway};
use crate::schedule::sentence;
use crate::schedule::zone::{Zone, Zones};
use crate::schedule::{FirstFiring, Schedule};

/// What a user says about a schedule beside the pattern; what is left out is as it always was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// From when on and until when it counts.
    pub bounds: Bounds,
    /// On which dates nothing occurs.
    pub excluded: ExcludedDates,
    /// Over which window it is spread when occurrences fall due; none where they do at their nominal times.
    pub jitter: Option<Jitter>,
    /// On the dates of which calendars nothing occurs either, in the order in which they are named.
    pub calendars: Vec<Arc<Observed>>,
    /// What a cron line does with times that the clocks leave out; none is Vixie's rule.
    pub gap: Option<Gap>,
    /// What a cron line does with times that the clocks show twice; none is Vixie's rule.
    pub fold: Option<Fold>,
    /// How often it fires at most; none is without a limit.
    pub max_fires: Option<MaxFires>,
    /// Whether the trigger goes when its schedule has nothing left.
    pub delete_when_done: bool,
    /// What becomes of occurrences that fell due while nobody ran; none is [`Misfire::Latest`].
    pub misfire: Option<Misfire>,
}

/// How often several schedules together may fire at most, where somebody says so: their n-th occurrence is found by going along them.
const COUNTED_MAX: u64 = 10_000;

/// How often a schedule may fire a trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxFires(u64);

impl MaxFires {
    /// The highest number; who means more means no limit.
    const MOST: u64 = 1_000_000_000;

    /// From once to a thousand million times; none for any other number.
    pub fn new(number: u64) -> Option<MaxFires> {
        (1..=MaxFires::MOST).contains(&number).then_some(MaxFires(number))
    }

    /// The number.
    pub fn get(self) -> u64 {
        self.0
    }
}

impl Terms {
    /// Those of them that can be said about a pattern like this one.
    pub fn fitting(self, pattern: &ScheduleWish) -> Terms {
        let is_on_the_wall = pattern.names_wall_times();
        let fitting = match pattern {
            ScheduleWish::RunAt(_) => Terms {
                jitter: self.jitter,
                delete_when_done: self.delete_when_done,
                misfire: self.misfire,
                ..Terms::default()
            },
            ScheduleWish::Every { .. }
            | ScheduleWish::Cron(_)
            | ScheduleWish::Recurrence { .. }
            | ScheduleWish::AnyOf(_) => self,
        };
        let (gap, fold) = (fitting.gap.filter(|_| is_on_the_wall), fitting.fold.filter(|_| is_on_the_wall));
        Terms { gap, fold, ..fitting }
    }

    fn refuse_what_does_not_fit(&self, pattern: &ScheduleWish) -> Result<(), Invalid> {
        let fitting = self.clone().fitting(pattern);
        let refuse = |field: &str, message: &str| Err(Invalid::new(format!("schedule_details.{field}"), message));
        if self.delete_when_done && self.misfire.as_ref().is_some_and(|misfire| misfire.bounds().is_some()) {
            return refuse(
                "misfire",
                "A trigger that is deleted when it is done cannot catch up with all it missed: it would be gone before.",
            );
        }
        let alone = "A single time has no start, no end and no excluded dates; leave this out.";
        if fitting.bounds.starts_at() != self.bounds.starts_at() {
            return refuse("starts_at", alone);
        }
        if fitting.bounds.ends_at() != self.bounds.ends_at() {
            return refuse("ends_at", alone);
        }
        if fitting.excluded != self.excluded {
            return refuse("excluded_dates", alone);
        }
        if fitting.calendars != self.calendars {
            return refuse("except_calendars", "A single time has no calendars to keep to; leave this out.");
        }
        if matches!(pattern, ScheduleWish::AnyOf(_)) && self.max_fires.is_some_and(|most| most.get() > COUNTED_MAX) {
            let message =
                format!("Several schedules together fire at most {COUNTED_MAX} times; for more, leave this out.");
            return Err(Invalid::new("schedule_details.max_fires", message));
        }
        if fitting.max_fires != self.max_fires {
            return refuse("max_fires", "A single time fires once; leave this out.");
        }
        let wall = "Only cron and rrule name times on the wall clock, which its changes can leave out or show twice; leave this out.";
        if fitting.gap != self.gap {
            return refuse("gap", wall);
        }
        if fitting.fold != self.fold {
            return refuse("fold", wall);
        }
        Ok(())
    }
}

/// Where two schedules occur otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Apart {
    /// Nowhere: what is different is no more than what a calendar is called.
    Nowhere,
    /// From that instant on, and not before, because calendars hold other dates.
    From(Timestamp),
    /// Something else is different, and nobody has looked what comes of it.
    Elsewhere,
}

/// When a trigger fires, together with the zone the user named for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleDetails {
    pub(super) pattern: Schedule,
    timezone: Option<Zone>,
    /// What of the pattern counts; none is all of it, as for nearly every trigger.
    scope: Option<Box<Scope>>,
    pub(super) jitter: Option<Jitter>,
    /// How much of the window it is late by; none where nobody has drawn it yet, because there is no trigger so far.
    pub(super) share: Option<Share>,
    gap: Option<Gap>,
    fold: Option<Fold>,
    max_fires: Option<MaxFires>,
    delete_when_done: bool,
    misfire: Option<Misfire>,
}

impl ScheduleDetails {
    /// All of a pattern. The zone is the one that the user named; none where the server's own was taken.
    pub fn plain(pattern: Schedule, timezone: Option<Zone>) -> ScheduleDetails {
        ScheduleDetails {
            pattern,
            timezone,
            scope: None,
            jitter: None,
            share: None,
            gap: None,
            fold: None,
            max_fires: None,
            delete_when_done: false,
            misfire: None,
        }
    }

    /// A pattern under terms. `dates_zone` is the one whose calendar the excluded dates are of.
    pub fn new(pattern: Schedule, timezone: Option<Zone>, terms: Terms, dates_zone: Zone) -> ScheduleDetails {
        let Terms { bounds, excluded, calendars, jitter, gap, fold, max_fires, delete_when_done, misfire } = terms;
        let pattern = pattern.with_choice(gap, fold);
        let is_all = bounds == Bounds::default() && excluded.dates().is_empty() && calendars.is_empty();
        let scope = (!is_all).then(|| Box::new(Scope::new(bounds, excluded, calendars, dates_zone)));
        ScheduleDetails {
            pattern,
            timezone,
            scope,
            jitter,
            share: None,
            gap,
            fold,
            max_fires,
            delete_when_done,
            misfire,
        }
    }

    /// The pattern, for whoever puts it into words or into a column. It names more than occurs: that is asked of the details.
    pub fn pattern(&self) -> &Schedule {
        &self.pattern
    }

    /// The zone as the user named it; none where the server's own was taken.
    pub fn timezone(&self) -> Option<&Zone> {
        self.timezone.as_ref()
    }

    /// The zone that it is read in, as far as it hangs on one.
    pub fn zone(&self) -> Option<&Zone> {
        match &self.pattern {
            Schedule::Cron { zone, .. } => Some(zone),
            Schedule::Recurrence(recurrence) => Some(recurrence.zone()),
            Schedule::AnyOf(several) => several.zone().or(self.timezone()).or(self.dates_zone()),
            Schedule::Once { .. } | Schedule::Every { .. } => self.timezone().or(self.dates_zone()),
        }
    }

    /// The zone whose clock its sentence speaks of: a period alone is the same in every zone.
    pub fn told_zone(&self) -> Option<&Zone> {
        match &self.pattern {
            Schedule::Cron { zone, .. } => Some(zone),
            Schedule::Recurrence(recurrence) => Some(recurrence.zone()),
            Schedule::AnyOf(several) => several.zone().or(self.dates_zone()),
            Schedule::Once { .. } | Schedule::Every { .. } => self.dates_zone(),
        }
    }

    /// Whether when it occurs hangs on the rules of a zone, which new zone data may change.
    pub fn hangs_on_a_zone(&self) -> bool {
        self.pattern.hangs_on_a_zone() || self.dates_zone().is_some_and(|zone| *zone != Zones::utc())
    }

    /// Whose dates are excluded, where anything is left out.
    pub fn dates_zone(&self) -> Option<&Zone> {
        self.scope.as_ref().map(|scope| &scope.zone)
    }

    /// The terms.
    pub fn terms(&self) -> Terms {
        let (bounds, excluded, calendars) = match &self.scope {
            Some(scope) => (scope.bounds, scope.excluded.clone(), scope.calendars.clone()),
            None => Default::default(),
        };
        Terms {
            bounds,
            excluded,
            jitter: self.jitter.clone(),
            calendars,
            gap: self.gap,
            fold: self.fold,
            max_fires: self.max_fires,
            delete_when_done: self.delete_when_done,
            misfire: self.misfire.clone(),
        }
    }

    /// The calendars that it keeps to, as they were when it was last written.
    pub fn calendars(&self) -> &[Arc<Observed>] {
        self.scope.as_ref().map_or(&[], |scope| &scope.calendars)
    }

    /// The same with what that calendar says now; none where it does not name it.
    pub fn following(&self, calendar: &Calendar) -> Option<ScheduleDetails> {
        self.calendars().iter().find(|observed| observed.calendar == calendar.id)?;
        Some(self.with_calendars(|observed| (observed.calendar == calendar.id).then(|| Arc::new(calendar.observed()))))
    }

    /// The same with these calendars as they are; the number of one that it names and that is not among them.
    ///
    /// # Errors
    /// Where one of them is not there any more.
    pub fn refreshed(&self, calendars: &[Calendar]) -> Result<ScheduleDetails, CalendarId> {
        let find = |id: CalendarId| calendars.iter().find(|calendar| calendar.id == id);
        match self.calendars().iter().find(|observed| find(observed.calendar).is_none()) {
            Some(gone) => Err(gone.calendar),
            None => Ok(self.with_calendars(|observed| find(observed.calendar).map(|one| Arc::new(one.observed())))),
        }
    }

    /// The same with each calendar replaced by what `replace` gives for it, if it gives any.
    fn with_calendars(&self, replace: impl Fn(&Observed) -> Option<Arc<Observed>>) -> ScheduleDetails {
        let mut following = self.clone();
        if let Some(scope) = &self.scope {
            let Scope { bounds, excluded, calendars, zone, .. } = Scope::clone(scope);
            let calendars = calendars.iter().map(|one| replace(one).unwrap_or_else(|| Arc::clone(one))).collect();
            following.scope = Some(Box::new(Scope::new(bounds, excluded, calendars, zone)));
        }
        following
    }

    /// The same without any calendars.
    fn without_calendars(&self) -> ScheduleDetails {
        let zone = self.dates_zone().cloned().unwrap_or_else(Zones::utc);
        let terms = Terms { calendars: Vec::new(), ..self.terms() };
        ScheduleDetails::new(self.pattern.clone(), self.timezone.clone(), terms, zone).with_share(self.share)
    }

    /// Whether its user has said the same, calendars named alike, whatever those hold.
    pub fn is_said_like(&self, other: &ScheduleDetails) -> bool {
        let names = |details: &ScheduleDetails| -> Vec<String> {
            details.calendars().iter().map(|calendar| calendar.name.clone()).collect()
        };
        self == other || names(self) == names(other) && self.without_calendars() == other.without_calendars()
    }

    /// Every date on which nothing occurs.
    pub fn left_out(&self) -> ExcludedDates {
        self.scope.as_ref().map(|scope| scope.dates().clone()).unwrap_or_default()
    }

    /// Where this differs from `other`, as far as that lies in what calendars hold.
    pub fn apart(&self, other: &ScheduleDetails) -> Apart {
        if self == other {
            return Apart::Nowhere;
        }
        let zones = (self.dates_zone(), other.dates_zone());
        let is_one_zone = !matches!(zones, (Some(one), Some(other)) if one != other);
        if !is_one_zone || self.without_calendars() != other.without_calendars() {
            return Apart::Elsewhere;
        }
        match (self.left_out().first_apart(&other.left_out()), zones.0.or(zones.1)) {
            (Some(first), Some(zone)) => Apart::From(ExcludedDates::begins(zone, first)),
            _ => Apart::Nowhere,
        }
    }

    /// Whether all that the pattern names by itself counts.
    pub fn is_plain(&self) -> bool {
        self.scope.is_none()
            && self.jitter.is_none()
            && self.gap.is_none()
            && self.fold.is_none()
            && self.max_fires.is_none()
            && !self.delete_when_done
            && self.misfire.is_none()
    }

    /// The first occurrence strictly after `after`, by its nominal time; `None` when there is none.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        match &self.scope {
            None => self.pattern.next_after(after),
            Some(scope) => scope.next_after(&self.pattern, after),
        }
    }

    /// The last occurrence in `(after, until]`; `None` when there is none.
    pub fn latest_in(&self, after: Timestamp, until: Timestamp) -> Option<Timestamp> {
        match &self.scope {
            None => self.pattern.latest_in(after, until),
            Some(scope) => scope.latest_in(&self.pattern, after, until),
        }
    }

    /// How many occurrences lie in `(after, until]`. The cost does not grow with the count.
    pub fn count_in(&self, after: Timestamp, until: Timestamp) -> u64 {
        match &self.scope {
            None => self.pattern.count_in(after, until),
            Some(scope) => scope.count_in(&self.pattern, after, until),
        }
    }

    /// How many occurrences are looked at to count those that fall due in `(after, until]`: none but where several schedules meet.
    pub fn steps_to_count(&self, after: Timestamp, until: Timestamp) -> u64 {
        match &self.pattern {
            Schedule::AnyOf(several) => several.steps_to_count(after, until),
            _ => 0,
        }
    }

    /// Whether that is any at all, told without counting.
    pub fn takes_steps_to_count(&self, after: Timestamp, until: Timestamp) -> bool {
        matches!(&self.pattern, Schedule::AnyOf(several) if several.takes_steps_to_count(after, until))
    }

    /// No fewer than fall due in `(after, until]`, at a cost that does not grow with the count.
    pub fn count_at_most(&self, after: Timestamp, until: Timestamp) -> u64 {
        match &self.pattern {
            Schedule::AnyOf(several) => several.count_at_most(self.due_by(after), until),
            _ => self.count_due_in(after, until),
        }
    }

    /// The n-th occurrence strictly after `after`, the next one being the first; `None` when there are fewer, and for 0.
    pub fn nth_after(&self, after: Timestamp, number: u64) -> Option<Timestamp> {
        nth::after(after, number, |after| self.next_after(after), |after, until| self.count_in(after, until))
    }

    /// How often it may fire at most. Occurrences that do not fire do not count, so what is left of them hangs on what has
    /// happened, and whoever asks when something occurs is not told of it here.
    pub fn max_fires(&self) -> Option<u64> {
        self.max_fires.map(MaxFires::get)
    }

    /// Whether the trigger goes when its schedule has nothing left.
    pub fn deletes_when_done(&self) -> bool {
        self.delete_when_done
    }

    /// What becomes of occurrences that fell due while nobody ran.
    pub fn misfire(&self) -> Misfire {
        self.misfire.clone().unwrap_or_default()
    }

    /// Whether whatever the pattern names for this instant is left: it lies within the bounds, and not on an excluded date.
    pub fn counts_at(&self, instant: Timestamp) -> bool {
        self.scope.as_ref().is_none_or(|scope| scope.takes_away(instant).is_none())
    }

    /// What took this instant away, of those that the pattern names; none where it occurs, and where the pattern does not name it.
    pub fn absent_at(&self, instant: Timestamp) -> Option<TakenAway> {
        self.scope.as_ref()?.absent_at(&self.pattern, instant)
    }

    /// What its bounds and dates take away of what the pattern names in `(after, until]`, in order; of the dates the first `most`.
    pub fn taken_away_in(&self, after: Timestamp, until: Timestamp, most: usize) -> Vec<Run> {
        let scope = self.scope.as_ref();
        scope.map(|scope| scope.taken_away_in(&self.pattern, after, until, most)).unwrap_or_default()
    }

    /// The next change of the clocks in `zone` that meets it. One that comes before its start, or on one of its excluded dates, does
    /// nothing to it and is passed over.
    pub fn next_clock_change(&self, zone: &Zone, after: Timestamp) -> Option<ClockChange> {
        let counts = |at| self.counts_at(at);
        let is_foreseen = |change: &ClockChange| change.at.duration_since(after) <= clock_change::AHEAD;
        let following = |last: &ClockChange| ClockChange::next(&self.pattern, zone, last.at);
        let changes = std::iter::successors(ClockChange::next(&self.pattern, zone, after), following);
        let met = changes.take_while(is_foreseen).find(|change| counts(change.at))?;
        self.next_after(met.at).map(|_| met)
    }

    /// The end, where there is one.
    pub fn ends_at(&self) -> Option<Timestamp> {
        self.bounds().ends_at()
    }

    /// From when on and until when it counts.
    pub fn bounds(&self) -> Bounds {
        self.scope.as_ref().map(|scope| scope.bounds).unwrap_or_default()
    }

    /// All of it as an English sentence without its zone: "At 09:00, Monday to Friday, not on 24 December 2026".
    pub fn summary(&self) -> String {
        format!("{}{}", self.pattern.summary(), self.terms_in_words())
    }

    /// The part of the sentence about the terms, to be put behind the one about the pattern; empty where there are none.
    pub fn terms_in_words(&self) -> String {
        let scope = self.scope.as_ref().map(|scope| sentence::of_scope(scope)).unwrap_or_default();
        let spread = self.jitter.as_ref().map(|jitter| {
            // A trigger knows how much later it is, to the second.
            let own =
                self.offset().map(|offset| format!(" ({:#} after each)", SignedDuration::from_secs(offset.as_secs())));
            format!(", spread over {}{}", jitter.as_str(), own.unwrap_or_default())
        });
        let spread = spread.unwrap_or_default();
        let most = match self.max_fires() {
            None => String::new(),
            Some(1) => ", at most once".to_owned(),
            Some(most) => format!(", at most {most} times"),
        };
        let missed = self.misfire().in_words();
        let end = if self.delete_when_done { "; then it is deleted" } else { "" };
        format!("{scope}{spread}{most}{missed}{end}")
    }
}

/// What a user asks of a schedule, each part read already but not yet placed in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScheduleWish {
    /// Once, at this instant.
    RunAt(Timestamp),
    /// Every so often; from `start_at`, which is then the first firing, else from the moment it is made.
    Every {
        /// How often.
        period: Period,
        /// The first firing.
        start_at: Option<Timestamp>,
    },
    /// On a cron line.
    Cron(CronExpression),
    /// On a recurrence rule; from `start_at` on the clock of the schedule's zone, where neither says so from the beginning of the day.
    Recurrence {
        /// The rule.
        text: Box<RecurrenceText>,
        /// Where it starts to count.
        start_at: Option<DateTime>,
    },
    /// When any of several says so.
    AnyOf(Vec<MemberWish>),
}

/// One of several schedules that are asked for together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberWish {
    /// The schedule; never itself several.
    pub wish: ScheduleWish,
    /// The zone that is named for it alone.
    pub timezone: Option<Zone>,
}

impl ScheduleWish {
    /// Places the wish in time, under `terms`. One that asks for what `current` says already gives `current` back, grid and all: a
    /// change that leaves the schedule alone leaves the grid alone, and what was read can be put back. Where the terms alone
    /// differ the grid stays, too.
    ///
    /// # Errors
    /// When a single time is asked for that does not lie in the future, an end that does not, or terms that do not fit.
    pub fn place(
        self,
        timezone: Option<Zone>,
        terms: Terms,
        server_zone: &Zone,
        current: Option<&ScheduleDetails>,
        now: Timestamp,
    ) -> Result<ScheduleDetails, Invalid> {
        let same = current.filter(|current| current.timezone == timezone && self.is(&current.pattern));
        if let Some(same) = same.filter(|same| same.terms() == terms) {
            return Ok(same.clone());
        }
        terms.refuse_what_does_not_fit(&self)?;
        let end = terms.bounds.ends_at();
        if end.is_some_and(|end| end <= now) && current.is_none_or(|current| current.ends_at() != end) {
            return Err(Invalid::new("schedule_details.ends_at", "The end must be in the future."));
        }
        let same_zone = same.and_then(ScheduleDetails::zone);
        let own_zone = self.own_zone(timezone.as_ref())?;
        let zone = timezone.as_ref().or(own_zone.as_ref()).or(same_zone).unwrap_or(server_zone).clone();
        let is_in_zone = current.is_some_and(|current| current.timezone == timezone);
        // Of several schedules each that is asked for again is known again in another zone, too.
        let is_known = is_in_zone || matches!(self, ScheduleWish::AnyOf(_));
        let before = current.filter(|_| is_known).map(|current| &current.pattern);
        let place = Place { zone: &zone, is_in_zone, gap: terms.gap, fold: terms.fold, now };
        let dates_zone = match (&timezone, &self) {
            (None, ScheduleWish::AnyOf(wishes)) => {
                let kept = current.filter(|_| is_in_zone).and_then(|current| kept_dates_zone(wishes, current));
                kept.unwrap_or(server_zone).clone()
            }
            _ => zone.clone(),
        };
        let pattern = self.pattern(&place, before)?;
        // Where a trigger has a share it stays there, whatever else is changed.
        let share = current.and_then(ScheduleDetails::share);
        Ok(ScheduleDetails::new(pattern, timezone, terms, dates_zone).with_share(share))
    }

    /// Places the wish in time; what is asked for as it stood before stays on its grid.
    fn pattern(self, place: &Place<'_>, before: Option<&Schedule>) -> Result<Schedule, Invalid> {
        let same = before.filter(|before| self.is(before));
        let Place { zone, now, .. } = *place;
        Ok(match (self, same) {
            (ScheduleWish::AnyOf(wishes), _) => {
                let before = match before {
                    Some(Schedule::AnyOf(before)) => before.members(),
                    _ => &[],
                };
                Schedule::AnyOf(any_of(wishes, before, place)?)
            }
            (ScheduleWish::Cron(expression), _) => Schedule::Cron { expression, zone: zone.clone() },
            (ScheduleWish::Recurrence { text, .. }, Some(Schedule::Recurrence(same))) => {
                let by_itself = Recurrence::new(*text, same.start(), zone.clone());
                // What stands may have ended; but nobody takes away the last of what it names.
                if refusal(same).is_none() {
                    refusal(&place.chosen(&by_itself)).map_or(Ok(()), Err)?;
                }
                Schedule::Recurrence(Arc::new(by_itself))
            }
            (ScheduleWish::Recurrence { text, start_at }, _) => {
                Schedule::Recurrence(Arc::new(recurrence(*text, start_at, place)?))
            }
            (_, Some(pattern)) => pattern.clone(),
            (ScheduleWish::RunAt(at), None) if at <= now => {
                return Err(Invalid::new("schedule_details.run_at", "The time to run at must be in the future."));
            }
            (ScheduleWish::RunAt(at), None) => Schedule::Once { at },
            (ScheduleWish::Every { period, start_at: Some(anchor) }, None) => {
                Schedule::Every { period, anchor, first: FirstFiring::AtAnchor }
            }
            (ScheduleWish::Every { period, start_at: None }, None) => {
                Schedule::Every { period, anchor: now, first: FirstFiring::OnePeriodLater }
            }
        })
    }

    fn names_wall_times(&self) -> bool {
        match self {
            ScheduleWish::Cron(_) | ScheduleWish::Recurrence { .. } => true,
            ScheduleWish::RunAt(_) | ScheduleWish::Every { .. } => false,
            ScheduleWish::AnyOf(wishes) => wishes.iter().any(|member| member.wish.names_wall_times()),
        }
    }

    /// The zone that the wish says by itself.
    fn own_zone(&self, timezone: Option<&Zone>) -> Result<Option<Zone>, Invalid> {
        let ScheduleWish::Recurrence { text, .. } = self else { return Ok(None) };
        let own = text.zone();
        match (&own, timezone) {
            (Some(own), Some(timezone)) if own != timezone && !(own.is_utc() && timezone.is_utc()) => {
                let (own, timezone) = (own.name(), timezone.name());
                let message = format!("DTSTART is a time in {own}, and this is {timezone}; leave out one of the two.");
                Err(Invalid::new("schedule_details.timezone", message))
            }
            _ => Ok(own),
        }
    }

    fn is(&self, schedule: &Schedule) -> bool {
        match (self, schedule) {
            (ScheduleWish::RunAt(wished), Schedule::Once { at }) => wished == at,
            (ScheduleWish::Every { period: wished, start_at }, Schedule::Every { period, anchor, first }) => {
                let same_start = match (start_at, first) {
                    (Some(start_at), FirstFiring::AtAnchor) => start_at == anchor,
                    (None, FirstFiring::OnePeriodLater) => true,
                    _ => false,
                };
                wished.micros() == period.micros() && same_start
            }
            (ScheduleWish::Cron(wished), Schedule::Cron { expression, .. }) => wished.as_str() == expression.as_str(),
            (ScheduleWish::Recurrence { text, start_at }, Schedule::Recurrence(recurrence)) => {
                let start = recurrence.start();
                let same_start = match start_at {
                    Some(start_at) => start.is_told && *start_at == start.wall,
                    None => !start.is_told,
                };
                text.as_str() == recurrence.text().as_str() && same_start
            }
            (ScheduleWish::AnyOf(wishes), Schedule::AnyOf(several)) => {
                let is_same = |(wished, member): (&MemberWish, &Member)| {
                    wished.timezone == member.timezone && wished.wish.is(&member.schedule)
                };
                wishes.len() == several.members().len() && wishes.iter().zip(several.members()).all(is_same)
            }
            _ => false,
        }
    }
}

/// Where and under what a pattern is placed.
struct Place<'a> {
    /// The zone of whatever names none by itself.
    zone: &'a Zone,
    /// Whether what stood before was said of the same zone.
    is_in_zone: bool,
    gap: Option<Gap>,
    fold: Option<Fold>,
    now: Timestamp,
}

impl Place<'_> {
    /// A rule with what was chosen for where the clocks change.
    fn chosen(&self, by_itself: &Recurrence) -> Recurrence {
        let rule = by_itself.rule();
        let chosen = Rule { gap: self.gap.unwrap_or(rule.gap), fold: self.fold.unwrap_or(rule.fold) };
        if chosen == rule { by_itself.clone() } else { by_itself.with_rule(chosen) }
    }
}

/// The zone whose dates are excluded where several schedules name none together: while one of them stays, that of the dates that were said
/// before, else the one in which it stays.
fn kept_dates_zone<'a>(wishes: &[MemberWish], current: &'a ScheduleDetails) -> Option<&'a Zone> {
    let Schedule::AnyOf(before) = &current.pattern else { return None };
    let is =
        |wished: &MemberWish, member: &Member| wished.timezone == member.timezone && wished.wish.is(&member.schedule);
    let stays = |member: &&Member| wishes.iter().any(|wished| is(wished, member));
    let staying: Vec<&Member> = before.members().iter().filter(stays).collect();
    let zone_of_all = |member: &&'a Member| match &member.schedule {
        Schedule::Recurrence(rule) if rule.text().zone().is_some() => None,
        schedule => schedule.wall_zone().filter(|_| member.timezone.is_none()),
    };
    staying.first()?;
    current.dates_zone().or_else(|| staying.iter().find_map(zone_of_all))
}

/// Several schedules that are asked for now. Those of `before` that are asked for again stay on their grids, and where nobody says another
/// zone in theirs.
fn any_of(wishes: Vec<MemberWish>, before: &[Member], place: &Place<'_>) -> Result<AnyOf, Invalid> {
    let mut members = Vec::with_capacity(wishes.len());
    for (number, MemberWish { wish, timezone }) in wishes.into_iter().enumerate() {
        let within = |error: Invalid| {
            let field = error.field.trim_start_matches("schedule_details.");
            Invalid::new(format!("schedule_details.any_of.{number}.{field}"), error.message)
        };
        let own = wish.own_zone(timezone.as_ref()).map_err(within)?;
        let same = before.iter().find(|member| member.timezone == timezone && wish.is(&member.schedule));
        let same = same.map(|member| &member.schedule);
        let stayed = same.filter(|_| place.is_in_zone).and_then(Schedule::wall_zone);
        let zone = timezone.as_ref().or(own.as_ref()).or(stayed).unwrap_or(place.zone);
        let schedule = wish.pattern(&Place { zone, ..*place }, same).map_err(within)?;
        members.push(Member { schedule, timezone });
    }
    // What stands was measured when it was asked for; months are not of one length, so it might come to more now, and whoever changes something
    // else has not asked for that.
    if members == before {
        return Ok(AnyOf::kept(members));
    }
    AnyOf::new(members, place.now)
        .map_err(|error| Invalid::new("schedule_details.any_of", format!("{}.", capital(&error.to_string()))))
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// A rule that is asked for now.
fn recurrence(text: RecurrenceText, start_at: Option<DateTime>, place: &Place<'_>) -> Result<Recurrence, Invalid> {
    let Place { zone, now, .. } = *place;
    let refuse = |field: &str, message: String| Err(Invalid::new(format!("schedule_details.{field}"), message));
    if start_at.is_some() && text.has_start() {
        return refuse("start_at", "The rule has a DTSTART already; leave out one of the two.".to_owned());
    }
    if start_at.is_none() && !text.has_start() && text.counts() {
        let message = "COUNT counts from a start: give start_at, or a DTSTART line before the rule.";
        return refuse("start_at", message.to_owned());
    }
    let today = zone.time_zone().to_datetime(now).date().at(0, 0, 0, 0);
    let start = Start { wall: start_at.unwrap_or(today), is_told: start_at.is_some() };
    let by_itself = Recurrence::new(text, start, zone.clone());
    let recurrence = place.chosen(&by_itself);
    if let Some(refusal) = refusal(&recurrence) {
        return Err(refusal);
    }
    if recurrence.next_after(now).is_none() {
        let last = recurrence.latest_in(Timestamp::MIN, now).map(|last| format!(": its last time was {last}"));
        return refuse("rrule", format!("The rule has ended{}.", last.unwrap_or_default()));
    }
    Ok(by_itself)
}

/// What is wrong with a rule whenever it is asked for.
fn refusal(recurrence: &Recurrence) -> Option<Invalid> {
    let refuse = |field: &str, message: String| Some(Invalid::new(format!("schedule_details.{field}"), message));
    let Start { wall, is_told: is_beside } = recurrence.start();
    let offset = recurrence.zone().time_zone().to_ambiguous_timestamp(wall).offset();
    let is_told = is_beside || recurrence.text().has_start();
    // A start beside the rule is told as an instant, and there is none that would be read as this time again.
    let fires_in_gaps = recurrence.rule().gap == Gap::AtItsEnd && !is_beside;
    if is_told && !fires_in_gaps && matches!(offset, AmbiguousOffset::Gap { .. }) {
        let (time, zone) = (wall.strftime("%Y-%m-%d %H:%M"), recurrence.zone().name());
        let may = match recurrence.rule().gap {
            Gap::AtItsEnd => " A DTSTART line before the rule may be such a time.",
            Gap::LeftOut => "",
        };
        let message = format!("The rule cannot start at {time}: the clocks in {zone} leave that time out.{may}");
        return refuse(if is_beside { "start_at" } else { "rrule" }, message);
    }
    if recurrence.next_after(Timestamp::MIN).is_some() {
        return None;
    }
    let message = if recurrence.ends_before_it_starts() {
        let start = wall.strftime("%Y-%m-%d %H:%M");
        format!(
            "The rule ends before it starts: its last time is {} at the latest, and it starts at {start}.",
            recurrence.end_in_words()
        )
    } else if recurrence.has_exceptions() {
        "The rule never occurs before 2200: every time that it names is one of its exceptions.".to_owned()
    } else {
        "The rule never occurs before 2200: no day and time are all that it asks for.".to_owned()
    };
    refuse("rrule", message)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::trigger::just_before;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a test writes its instants well")
    }

    fn riga() -> Zone {
        Zones::bundled().get("Europe/Riga").expect("a zone of the bundled copy")
    }

    fn cron(line: &str) -> ScheduleWish {
        ScheduleWish::Cron(CronExpression::parse(line).expect("a test writes its lines well"))
    }

    fn hourly() -> ScheduleWish {
        ScheduleWish::Every { period: Period::parse("1h").expect("a period"), start_at: None }
    }

    fn without(dates: &[jiff::civil::Date]) -> Terms {
        Terms { excluded: ExcludedDates::new(dates.iter().copied()).expect("few dates"), ..Terms::default() }
    }

    fn between(start: Option<&str>, end: Option<&str>) -> Terms {
        Terms { bounds: Bounds::new(start.map(at), end.map(at)).expect("the end is later"), ..Terms::default() }
    }

    const NOW: &str = "2026-12-01T00:00:00Z";

    fn place(wish: ScheduleWish, terms: Terms, current: Option<&ScheduleDetails>, now: &str) -> ScheduleDetails {
        wish.place(Some(riga()), terms, &Zones::utc(), current, at(now)).expect("it can be placed")
    }

    #[test]
    fn what_is_taken_away_does_not_occur_and_is_told_apart_from_what_was_never_named() {
        let bounds = Bounds::new(Some(at("2026-12-10T07:00:00Z")), Some(at("2026-12-28T07:00:00Z"))).expect("a span");
        let terms = Terms { bounds, ..without(&[date(2026, 12, 24)]) };
        let details = place(cron("0 9 * * *"), terms, None, NOW);
        assert_eq!(details.next_after(at(NOW)), Some(at("2026-12-10T07:00:00Z")));
        assert_eq!(details.count_in(at(NOW), at("2027-12-01T00:00:00Z")), 17);
        assert_eq!(details.latest_in(at(NOW), at("2027-12-01T00:00:00Z")), Some(at("2026-12-27T07:00:00Z")));
        let told = |instant| details.absent_at(at(instant));
        assert_eq!(told("2026-12-09T07:00:00Z"), Some(TakenAway::BeforeStart(at("2026-12-10T07:00:00Z"))));
        assert_eq!(told("2026-12-24T07:00:00Z"), Some(TakenAway::Excluded(date(2026, 12, 24))));
        assert_eq!(told("2026-12-28T07:00:00Z"), Some(TakenAway::AfterEnd(at("2026-12-28T07:00:00Z"))));
        assert_eq!(told("2026-12-10T07:00:00Z"), None, "it occurs");
        assert_eq!(told("2026-12-24T07:00:01Z"), None, "nothing names it");
        assert!(!details.is_plain() && place(cron("0 9 * * *"), Terms::default(), None, NOW).is_plain());
    }

    #[test]
    fn a_change_of_the_clocks_that_does_not_meet_it_is_passed_over() {
        let next = |terms| {
            let change = place(cron("30 3 * * *"), terms, None, NOW).next_clock_change(&riga(), at(NOW));
            change.map(|change| change.at.to_string())
        };
        assert_eq!(next(Terms::default()).as_deref(), Some("2027-03-28T01:00:00Z"));
        assert_eq!(next(without(&[date(2027, 3, 28)])).as_deref(), Some("2027-10-31T01:00:00Z"));
        assert_eq!(next(between(Some("2027-04-01T00:00:00Z"), None)).as_deref(), Some("2027-10-31T01:00:00Z"));
        assert_eq!(next(between(Some("2029-04-01T00:00:00Z"), None)), None, "nobody plans so far ahead");
        assert_eq!(next(between(None, Some("2027-03-28T00:00:00Z"))), None, "it has ended by then");
    }

    #[test]
    fn terms_that_change_leave_the_grid_alone() {
        let first = place(hourly(), Terms::default(), None, NOW);
        let terms = without(&[date(2026, 12, 24)]);
        let later = place(hourly(), terms.clone(), Some(&first), "2026-12-01T00:20:00Z");
        assert_eq!(later.pattern(), first.pattern());
        assert_eq!(later.next_after(at("2026-12-01T00:20:00Z")), Some(at("2026-12-01T01:00:00Z")));
        assert_eq!(
            place(hourly(), terms, Some(&later), "2026-12-02T00:30:00Z"),
            later,
            "what was read can be put back"
        );
        assert_eq!(place(hourly(), Terms::default(), Some(&later), "2026-12-02T00:30:00Z"), first);
    }

    #[test]
    fn dates_stay_of_the_zone_they_were_said_in() {
        let terms = without(&[date(2026, 12, 24)]);
        let made = hourly().place(None, terms, &riga(), None, at(NOW)).expect("it can be placed");
        assert_eq!((made.zone(), made.timezone()), (Some(&riga()), None));
        let more = without(&[date(2026, 12, 24), date(2026, 12, 25)]);
        let moved = hourly().place(None, more, &Zones::utc(), Some(&made), at(NOW)).expect("it can be placed");
        assert_eq!(moved.dates_zone(), Some(&riga()), "the server's zone is another by now");
    }

    #[test]
    fn a_chosen_rule_decides_where_the_clocks_change() {
        let (spring, autumn) = ("2026-03-28T22:00:00Z", "2026-10-24T21:00:00Z");
        let of = |gap, fold| place(cron("30 3 * * *"), Terms { gap, fold, ..Terms::default() }, None, spring);
        assert_eq!(of(None, None).next_after(at(spring)), Some(at("2026-03-29T01:00:00Z")));
        let left_out = of(Some(Gap::LeftOut), None);
        assert_eq!(left_out.next_after(at(spring)), Some(at("2026-03-30T00:30:00Z")));
        assert_eq!(left_out.count_in(at(autumn), at("2026-10-25T02:00:00Z")), 1);
        let both = of(None, Some(Fold::BothPasses));
        assert_eq!(both.count_in(at(autumn), at("2026-10-25T02:00:00Z")), 2);
        assert_eq!(place(cron("30 3 * * *"), Terms::default(), Some(&both), spring), of(None, None), "and back again");
    }

    #[test]
    fn what_does_not_fit_is_refused_by_its_name() {
        let once = || ScheduleWish::RunAt(at("2027-01-01T00:00:00Z"));
        let gap = Terms { gap: Some(Gap::LeftOut), ..Terms::default() };
        let fold = Terms { fold: Some(Fold::FirstPass), ..Terms::default() };
        let cases = [
            (once(), between(Some("2027-01-01T00:00:00Z"), None), "starts_at"),
            (once(), between(None, Some("2027-01-02T00:00:00Z")), "ends_at"),
            (once(), without(&[date(2027, 1, 1)]), "excluded_dates"),
            (once(), Terms { max_fires: MaxFires::new(1), ..Terms::default() }, "max_fires"),
            (once(), gap.clone(), "gap"),
            (hourly(), gap, "gap"),
            (hourly(), fold, "fold"),
            (hourly(), between(None, Some(NOW)), "ends_at"),
        ];
        for (wish, terms, field) in cases {
            let error = wish.place(None, terms, &Zones::utc(), None, at(NOW)).expect_err("it does not fit");
            assert_eq!(error.field, format!("schedule_details.{field}"), "{error}");
        }
    }

    fn spread(wish: ScheduleWish, window: &str, share: u32) -> ScheduleDetails {
        let terms = Terms { jitter: Some(Jitter::parse(window).expect("a window")), ..Terms::default() };
        place(wish, terms, None, NOW).with_share(Some(Share::new(share)))
    }

    #[test]
    fn what_is_spread_falls_due_later_and_keeps_its_nominal_time() {
        let nine = at("2026-12-01T07:00:00Z");
        let due = at("2026-12-01T07:05:00Z");
        let daily = spread(cron("0 9 * * *"), "10m", 1 << 31);
        assert_eq!((daily.next_after(at(NOW)), daily.due_at(nine)), (Some(nine), due));
        assert_eq!((daily.named_for(due), daily.named_for(nine)), (nine, nine), "nothing falls due at nine itself");
        assert_eq!(daily.pending_at(just_before(nine)), None);
        assert_eq!((daily.pending_at(nine), daily.pending_at(just_before(due))), (Some(nine), Some(nine)));
        assert_eq!((daily.pending_at(due), daily.due_by(due), daily.due_by(nine)), (None, due, just_before(nine)));
        assert_eq!((daily.count_due_in(nine, due), daily.count_due_in(at(NOW), just_before(due))), (1, 0));
        assert_eq!(daily.summary(), "At 09:00, every day, spread over 10m (5m after each)");
        let often = spread(
            ScheduleWish::Every { period: Period::parse("2s").expect("a period"), start_at: None },
            "1h",
            1 << 31,
        );
        assert_eq!(
            often.offset(),
            Some(SignedDuration::from_secs(1)),
            "the next one is nearer than the window is wide"
        );
        let undrawn = daily.clone().with_share(None);
        assert_eq!((undrawn.summary().as_str(), undrawn.offset()), ("At 09:00, every day, spread over 10m", None));
        assert!(undrawn.lacks_share() && !daily.lacks_share());
        assert_eq!((undrawn.due_at(nine), undrawn.pending_at(nine), undrawn.named_for(due)), (nine, None, due));
        let once = spread(ScheduleWish::RunAt(nine), "10m", 1 << 31);
        assert_eq!((once.due_at(nine), once.named_for(due)), (due, nine));
    }

    /// Whatever names the next time bounds the window: another of its schedules, or the other pass of a doubled hour; also where that time is
    /// taken away.
    #[test]
    fn what_is_spread_falls_due_before_the_next_time_of_whichever_schedule() {
        let member = |wish, timezone| MemberWish { wish, timezone };
        let tokyo = Zones::bundled().get("Asia/Tokyo").expect("a zone");
        let several = ScheduleWish::AnyOf(vec![
            member(cron("*/40 2-4 * * *"), None),
            member(cron("15 9 * * *"), Some(tokyo)),
            member(rule("FREQ=HOURLY;INTERVAL=5", Some("2027-03-20T00:30:00")), None),
        ]);
        let every_third = rule("FREQ=MINUTELY;INTERVAL=170", Some("2027-03-20T00:30:00"));
        for (wish, window, share) in [
            (several.clone(), "1h", u32::MAX),
            (several.clone(), "24h", 1 << 31),
            (several, "10m", 0),
            (every_third.clone(), "3h", u32::MAX),
            (every_third, "24h", 3 << 30),
            (rule("FREQ=DAILY;BYHOUR=3;BYMINUTE=30", Some("2027-03-20T00:30:00")), "24h", u32::MAX),
        ] {
            let terms =
                Terms { jitter: Some(Jitter::parse(window).expect("a window")), ..without(&[date(2027, 3, 24)]) };
            let details = place(wish, terms, None, "2027-03-20T00:00:00Z").with_share(Some(Share::new(share)));
            let window = details.jitter().expect("a window").window();
            let start = at("2027-03-21T00:00:00Z");
            let mut fallen = details.due_by(start);
            for number in 1..=60 {
                let named = details.next_after(fallen).expect("it goes on");
                let (due, next) = (details.due_at(named), details.next_after(named).expect("it goes on"));
                assert!(
                    named <= due && due < next && due < named + window,
                    "{named} falls due at {due}, before {next}"
                );
                assert_eq!(details.pattern.next_after(named).map(|next| due < next), Some(true));
                assert_eq!(details.named_for(due), named);
                assert_eq!(details.pending_at(just_before(due)), (named < due).then_some(named));
                assert_eq!((details.due_by(due), details.due_by(just_before(next))), (due, just_before(next)));
                assert_eq!(details.next_due_after(just_before(due)), Some(due));
                assert_eq!(details.next_due_after(due), Some(details.due_at(next)));
                assert_eq!(details.count_due_in(start, due), number);
                fallen = named;
            }
        }
    }

    #[test]
    fn a_trigger_keeps_its_share_for_as_long_as_it_is_spread() {
        let first = spread(hourly(), "10m", 7);
        let terms = |window: &str| Terms { jitter: Some(Jitter::parse(window).expect("a window")), ..Terms::default() };
        assert_eq!(place(hourly(), terms("10m"), Some(&first), NOW), first, "what was read can be put back");
        assert_eq!(place(cron("0 9 * * *"), terms("1h"), Some(&first), NOW).share(), Some(Share::new(7)));
        let without = place(hourly(), Terms::default(), Some(&first), NOW);
        assert_eq!((without.share(), without.is_plain()), (None, true));
        assert!(place(hourly(), terms("10m"), Some(&without), NOW).lacks_share());
    }

    #[test]
    fn several_schedules_keep_the_grids_of_those_that_stay() {
        let member = |wish, timezone| MemberWish { wish, timezone };
        let tokyo = Zones::bundled().get("Asia/Tokyo").expect("a zone");
        let wish = |line: &str| {
            ScheduleWish::AnyOf(vec![
                member(hourly(), None),
                member(cron(line), Some(tokyo.clone())),
                member(cron(line), None),
            ])
        };
        let first = place(wish("0 9 * * *"), Terms::default(), None, "2026-12-01T00:10:00Z");
        let next =
            |details: &ScheduleDetails, after: &str| details.next_after(at(after)).expect("it goes on").to_string();
        assert_eq!(next(&first, "2026-12-01T00:00:00Z"), "2026-12-01T01:10:00Z");
        assert_eq!(next(&first, "2026-12-01T06:30:00Z"), "2026-12-01T07:00:00Z", "nine in Riga");
        assert_eq!(next(&first, "2026-12-01T23:30:00Z"), "2026-12-02T00:00:00Z", "nine in Tokyo");
        let later = place(wish("30 9 * * *"), Terms::default(), Some(&first), "2026-12-02T00:40:00Z");
        assert_eq!(next(&later, "2026-12-02T00:40:00Z"), "2026-12-02T01:10:00Z", "the grid stays");
        assert_eq!(place(wish("0 9 * * *"), Terms::default(), Some(&first), "2026-12-05T00:20:00Z"), first);
        assert_eq!(first.told_zone(), None, "they are of two zones");
        assert!(first.hangs_on_a_zone());
        assert_eq!(
            first.summary(),
            "Every hour; and at 09:00, every day (Asia/Tokyo); and at 09:00, every day (Europe/Riga)"
        );
        let limited = Terms { max_fires: MaxFires::new(10_001), ..Terms::default() };
        let error = wish("0 9 * * *").place(None, limited, &Zones::utc(), None, at(NOW)).expect_err("too many");
        assert_eq!(error.field, "schedule_details.max_fires");
        let past = ScheduleWish::AnyOf(vec![member(hourly(), None), member(ScheduleWish::RunAt(at(NOW)), None)]);
        let error = past.place(None, Terms::default(), &Zones::utc(), None, at(NOW)).expect_err("it has passed");
        assert_eq!(error.field, "schedule_details.any_of.1.run_at");
        let alone = ScheduleWish::AnyOf(vec![member(hourly(), None)]);
        let error = alone.place(None, Terms::default(), &Zones::utc(), None, at(NOW)).expect_err("one alone");
        assert_eq!(
            (error.field.as_str(), error.message.as_str()),
            ("schedule_details.any_of", "Several schedules are 2 to 10.")
        );
    }

    #[test]
    fn several_schedules_that_stand_are_not_measured_anew_for_another_term() {
        let member = |line: &str| MemberWish { wish: cron(line), timezone: None };
        let wish = |last: &str| ScheduleWish::AnyOf(vec![member("* * * * *"), member(last)]);
        let schedule = |line: &str| Schedule::Cron {
            expression: CronExpression::parse(line).expect("a test writes its lines well"),
            zone: riga(),
        };
        // More than may be asked for, as if a longer month had begun since.
        let stood = ["* * * * *", "*/2 * * * *"].map(|line| Member { schedule: schedule(line), timezone: None });
        let pattern = Schedule::AnyOf(AnyOf::kept(stood.to_vec()));
        let stood = ScheduleDetails::new(pattern, Some(riga()), Terms::default(), riga());
        let limited = || Terms { max_fires: MaxFires::new(10), ..Terms::default() };
        let changed = place(wish("*/2 * * * *"), limited(), Some(&stood), NOW);
        assert_eq!((changed.pattern(), changed.max_fires()), (stood.pattern(), Some(10)));
        let refused = |wish: ScheduleWish, zone: Option<Zone>| {
            let error = wish.place(zone, limited(), &Zones::utc(), Some(&stood), at(NOW)).expect_err("it is too much");
            assert_eq!(error.field, "schedule_details.any_of");
            error.message
        };
        let message = refused(wish("*/3 * * * *"), Some(riga()));
        assert!(message.contains("others 20000 times within a year") && message.contains("occur 175"), "{message}");
        refused(wish("*/2 * * * *"), None);
    }

    fn rule(text: &str, start_at: Option<&str>) -> ScheduleWish {
        let text = Box::new(RecurrenceText::read(text, &Zones::bundled()).expect("a rule"));
        ScheduleWish::Recurrence { text, start_at: start_at.map(|text| text.parse().expect("a time")) }
    }

    #[test]
    fn a_rule_counts_from_its_start_else_from_the_beginning_of_the_day() {
        let by_itself = place(rule("FREQ=WEEKLY;BYDAY=WE;BYHOUR=9", None), Terms::default(), None, NOW);
        let next = by_itself.next_after(at(NOW)).expect("it goes on");
        assert_eq!(next, at("2026-12-02T07:00:00Z"), "Riga's nine o'clock, on the full hour");
        let later = "2026-12-09T12:34:56Z";
        assert_eq!(
            place(rule("FREQ=WEEKLY;BYDAY=WE;BYHOUR=9", None), Terms::default(), Some(&by_itself), later),
            by_itself
        );
        let told = place(rule("FREQ=DAILY;INTERVAL=3", Some("2026-12-02T08:15:00")), Terms::default(), None, NOW);
        assert_eq!(told.next_after(at("2026-12-02T06:15:00Z")), Some(at("2026-12-05T06:15:00Z")));
        let dates = place(
            rule("FREQ=DAILY;INTERVAL=3", Some("2026-12-02T08:15:00")),
            without(&[date(2026, 12, 5)]),
            Some(&told),
            later,
        );
        assert_eq!(dates.next_after(at("2026-12-02T06:15:00Z")), Some(at("2026-12-08T06:15:00Z")));
        let text = "DTSTART;TZID=America/New_York:20261202T090000\nRRULE:FREQ=DAILY";
        let own = rule(text, None).place(None, Terms::default(), &Zones::utc(), None, at(NOW)).expect("a rule");
        assert_eq!((own.zone().map(Zone::name), own.timezone()), (Some("America/New_York"), None));
        assert_eq!(own.next_after(at(NOW)), Some(at("2026-12-02T14:00:00Z")));
    }

    #[test]
    fn a_rule_that_cannot_be_placed_is_refused_by_its_field() {
        let own = "DTSTART;TZID=America/New_York:20261202T090000\nRRULE:FREQ=DAILY";
        let rows = [
            (rule(own, None), "timezone", "DTSTART is a time in America/New_York"),
            (
                rule("DTSTART:20261202T090000\nRRULE:FREQ=DAILY", Some("2026-12-02T08:15:00")),
                "start_at",
                "leave out one",
            ),
            (rule("FREQ=DAILY;COUNT=3", None), "start_at", "COUNT counts from a start"),
            (
                rule("FREQ=DAILY", Some("2027-03-28T03:30:00")),
                "start_at",
                "the clocks in Europe/Riga leave that time out",
            ),
            (rule("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", None), "rrule", "no day and time are all that it asks for"),
            (
                rule("FREQ=DAILY;UNTIL=20261201", Some("2026-12-04T09:00:00")),
                "rrule",
                "its last time is 1 December 2026 at the latest, and it starts at 2026-12-04 09:00",
            ),
            (
                rule("RRULE:FREQ=DAILY;COUNT=2\nEXDATE;VALUE=DATE:20261204,20261205", Some("2026-12-04T09:00:00")),
                "rrule",
                "every time that it names is one of its exceptions",
            ),
            (
                rule("FREQ=DAILY;COUNT=3", Some("2026-11-02T09:00:00")),
                "rrule",
                "its last time was 2026-11-04T07:00:00Z",
            ),
        ];
        for (wish, field, expected) in rows {
            let error = wish.place(Some(riga()), Terms::default(), &Zones::utc(), None, at(NOW)).expect_err(expected);
            assert_eq!(error.field, format!("schedule_details.{field}"), "{error}");
            assert!(error.message.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_start_beside_a_rule_that_the_clocks_leave_out_is_refused_with_a_way_to_say_it() {
        let beside = rule("FREQ=DAILY", Some("2027-03-28T03:30:00"));
        let terms = Terms { gap: Some(Gap::AtItsEnd), ..Terms::default() };
        let error =
            beside.place(Some(riga()), terms, &Zones::utc(), None, at(NOW)).expect_err("no instant is that time");
        assert_eq!(error.field, "schedule_details.start_at");
        assert!(error.message.ends_with("leave that time out. A DTSTART line before the rule may be such a time."));
    }

    #[test]
    fn what_falls_into_gaps_alone_is_placed_where_it_fires_after_them() {
        let second_sunday = || rule("FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU;BYHOUR=3;BYMINUTE=30", None);
        let starting = || rule("DTSTART;TZID=Europe/Riga:20270328T033000\nRRULE:FREQ=DAILY", None);
        let at_its_end = || Terms { gap: Some(Gap::AtItsEnd), ..Terms::default() };
        for wish in [second_sunday(), starting()] {
            let placed = place(wish.clone(), at_its_end(), None, NOW);
            assert_eq!(placed.next_after(at(NOW)), Some(at("2027-03-28T01:00:00Z")));
            assert_eq!(place(wish.clone(), at_its_end(), Some(&placed), NOW), placed, "what was read can be put back");
            let several = ScheduleWish::AnyOf(vec![
                MemberWish { wish: wish.clone(), timezone: None },
                MemberWish { wish: hourly(), timezone: None },
            ]);
            assert!(several.place(Some(riga()), at_its_end(), &Zones::utc(), None, at(NOW)).is_ok());
            let error =
                wish.place(Some(riga()), Terms::default(), &Zones::utc(), None, at(NOW)).expect_err("it is none");
            assert_eq!(error.field, "schedule_details.rrule");
        }
        let beside = rule("FREQ=DAILY", Some("2027-03-28T03:30:00"));
        let error = beside.place(Some(riga()), at_its_end(), &Zones::utc(), None, at(NOW)).expect_err("no instant");
        assert_eq!(error.field, "schedule_details.start_at");
    }

    #[test]
    fn a_change_that_leaves_nothing_of_a_rule_is_refused_and_one_that_takes_nothing_is_not() {
        let in_gaps = || rule("FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU;BYHOUR=3;BYMINUTE=30", None);
        let starting = || rule("DTSTART;TZID=Europe/Riga:20270328T033000\nRRULE:FREQ=DAILY", None);
        let several = |wish| {
            ScheduleWish::AnyOf(vec![
                MemberWish { wish, timezone: None },
                MemberWish { wish: hourly(), timezone: None },
            ])
        };
        let at_its_end = || Terms { gap: Some(Gap::AtItsEnd), ..Terms::default() };
        for (wish, field) in [
            (in_gaps(), "rrule"),
            (starting(), "rrule"),
            (several(in_gaps()), "any_of.0.rrule"),
            (several(starting()), "any_of.0.rrule"),
        ] {
            let placed = place(wish.clone(), at_its_end(), None, NOW);
            let edit = |terms| wish.clone().place(Some(riga()), terms, &Zones::utc(), Some(&placed), at(NOW));
            let error = edit(Terms::default()).expect_err("it would not be made like that");
            assert_eq!(error.field, format!("schedule_details.{field}"), "{error}");
            assert!(edit(Terms { fold: Some(Fold::BothPasses), ..at_its_end() }).is_ok());
        }
        let ended = || rule("FREQ=DAILY;COUNT=1", Some("2026-12-01T09:00:00"));
        let placed = place(ended(), Terms::default(), None, NOW);
        let later = "2026-12-02T00:00:00Z";
        assert_eq!(place(ended(), at_its_end(), Some(&placed), later).next_after(at(later)), None, "it has ended");
    }

    #[test]
    fn a_rule_whose_lines_end_another_way_is_the_same_rule() {
        let (folded, plain) = ("RRULE:FREQ=DAILY;INTER\r\n VAL=3\r\n", "RRULE:FREQ=DAILY;INTERVAL=3");
        let first = place(rule(folded, None), Terms::default(), None, NOW);
        let later = "2026-12-03T00:00:00Z";
        assert_eq!(place(rule(plain, None), Terms::default(), Some(&first), later), first, "its grid stays");
        let several = |text: &str, line: &str| {
            let member = |wish| MemberWish { wish, timezone: None };
            ScheduleWish::AnyOf(vec![member(rule(text, None)), member(cron(line))])
        };
        let first = place(several(folded, "0 9 1 1 *"), Terms::default(), None, NOW);
        let later = place(several(plain, "0 10 1 1 *"), Terms::default(), Some(&first), later);
        assert_eq!(later.next_after(at("2026-12-03T00:00:00Z")), first.next_after(at("2026-12-03T00:00:00Z")));
    }

    #[test]
    fn one_of_several_that_has_ended_may_stay_and_one_that_stays_keeps_its_zone() {
        let member = |wish| MemberWish { wish, timezone: None };
        let ended = "2026-12-02T00:00:00Z";
        let wish = |line: &str| {
            ScheduleWish::AnyOf(vec![
                member(ScheduleWish::RunAt(at("2026-12-01T09:00:00Z"))),
                member(rule("FREQ=DAILY;COUNT=1", Some("2026-12-01T09:00:00"))),
                member(cron("0 12 * * *")),
                member(cron(line)),
            ])
        };
        let first = place(wish("0 9 * * *"), Terms::default(), None, NOW);
        let tokyo = Zones::bundled().get("Asia/Tokyo").expect("a zone");
        let moved = wish("0 9 * * *").place(Some(tokyo), Terms::default(), &Zones::utc(), Some(&first), at(ended));
        assert_eq!(moved.expect("only the zone is another").next_after(at(ended)), Some(at("2026-12-02T03:00:00Z")));
        let (riga, utc) = (riga(), Zones::utc());
        let unsaid = |line, server, current| wish(line).place(None, Terms::default(), server, current, at(NOW));
        let in_riga = unsaid("0 9 * * *", &riga, None).expect("it can be placed");
        let later = unsaid("0 8 * * *", &utc, Some(&in_riga)).expect("it can be placed");
        assert!(later.pattern().names(at("2026-12-03T10:00:00Z")), "noon in Riga, though the server moved to UTC");
        assert!(!later.pattern().names(at("2026-12-03T12:00:00Z")));
    }

    #[test]
    fn dates_of_several_schedules_stay_of_their_zone_while_one_of_them_stays() {
        let member = |line: &str, timezone| MemberWish { wish: cron(line), timezone };
        let dates = || without(&[date(2026, 12, 24)]);
        let (riga, utc, tokyo) = (riga(), Zones::utc(), Zones::bundled().get("Asia/Tokyo").expect("a zone"));
        let placed = |members, terms, server: &Zone, current: Option<&ScheduleDetails>| {
            let placed = ScheduleWish::AnyOf(members).place(None, terms, server, current, at(NOW));
            placed.expect("it can be placed")
        };
        let half_past_midnight = || member("30 0 * * *", None);
        let first = placed(vec![half_past_midnight(), member("0 9 * * *", None)], dates(), &riga, None);
        let eve = at("2026-12-23T22:30:00Z");
        assert!(first.pattern().names(eve) && first.latest_in(just_before(eve), eve).is_none(), "00:30 on the 24th");
        let edited = placed(vec![half_past_midnight(), member("0 8 * * *", None)], dates(), &utc, Some(&first));
        assert_eq!(edited.dates_zone(), Some(&riga), "the server is in UTC by now");
        assert!(edited.pattern().names(eve) && edited.latest_in(just_before(eve), eve).is_none());
        let late = placed(vec![half_past_midnight(), member("0 9 * * *", None)], Terms::default(), &riga, None);
        let late = placed(vec![half_past_midnight(), member("0 8 * * *", None)], dates(), &utc, Some(&late));
        assert_eq!(late.dates_zone(), Some(&riga), "a date is one of the schedules that were there");
        let anew = placed(vec![member("0 7 * * *", None), member("0 8 * * *", None)], dates(), &utc, Some(&first));
        assert_eq!(anew.dates_zone(), Some(&utc), "none of them stays");
        let in_tokyo = || vec![member("0 7 * * *", Some(tokyo.clone())), member("0 8 * * *", Some(tokyo.clone()))];
        let first = placed(in_tokyo(), dates(), &riga, None);
        assert_eq!(first.dates_zone(), Some(&riga));
        let limited = Terms { max_fires: MaxFires::new(10), ..dates() };
        assert_eq!(placed(in_tokyo(), limited, &riga, Some(&first)).dates_zone(), Some(&riga));
        let undated = placed(in_tokyo(), Terms::default(), &riga, None);
        assert_eq!(placed(in_tokyo(), dates(), &riga, Some(&undated)).dates_zone(), Some(&riga), "the server's own");
    }

    #[test]
    fn a_start_in_utc_goes_with_every_name_of_utc() {
        let text = "DTSTART:20261202T090000Z\nRRULE:FREQ=DAILY";
        for (name, fits) in [("UTC", true), ("Etc/UTC", true), ("Etc/GMT", true), ("Europe/London", false)] {
            let zone = Zones::bundled().get(name).expect("a zone");
            let placed = rule(text, None).place(Some(zone), Terms::default(), &riga(), None, at(NOW));
            assert_eq!(placed.is_ok(), fits, "{name}");
            let next = placed.map(|placed| placed.next_after(at(NOW)));
            assert!(next.is_err() || next == Ok(Some(at("2026-12-02T09:00:00Z"))), "{name}");
        }
    }

    #[test]
    fn an_end_that_has_passed_may_stand_and_not_be_set() {
        let ending = between(None, Some("2026-12-02T00:00:00Z"));
        let first = place(hourly(), ending.clone(), None, NOW);
        let later = at("2026-12-03T00:00:00Z");
        let dates = Terms { bounds: ending.bounds, ..without(&[date(2026, 12, 1)]) };
        assert!(hourly().place(Some(riga()), dates, &riga(), Some(&first), later).is_ok());
        assert_eq!(
            first.next_after(at("2026-12-01T23:00:00Z") - SignedDuration::from_secs(1)),
            Some(at("2026-12-01T23:00:00Z"))
        );
        assert_eq!(first.next_after(at("2026-12-01T23:00:00Z")), None, "the end itself does not count any more");
    }

    #[test]
    fn the_terms_stand_in_the_sentence() {
        let said = |terms| place(cron("0 9 * * MON-FRI"), terms, None, NOW).summary();
        assert_eq!(said(Terms::default()), "At 09:00, Monday to Friday");
        assert_eq!(said(without(&[date(2026, 12, 24)])), "At 09:00, Monday to Friday, not on 24 December 2026");
        let two = without(&[date(2026, 12, 24), date(2026, 12, 25)]);
        assert_eq!(said(two), "At 09:00, Monday to Friday, not on 24 December 2026 and 25 December 2026");
        let days: Vec<_> = date(2027, 1, 1).series(jiff::Span::new().days(1)).take(5).collect();
        let many =
            "At 09:00, Monday to Friday, not on 1 January 2027, 2 January 2027, 3 January 2027 and 2 other dates";
        assert_eq!(said(without(&days)), many);
        let spring = between(Some("2027-02-28T22:00:00Z"), Some("2027-05-31T09:30:00Z"));
        let few = Terms { max_fires: MaxFires::new(10), ..without(&[date(2026, 12, 24)]) };
        assert_eq!(said(few), "At 09:00, Monday to Friday, not on 24 December 2026, at most 10 times");
        let leaving = Terms { max_fires: MaxFires::new(1), delete_when_done: true, ..Terms::default() };
        assert_eq!(said(leaving.clone()), "At 09:00, Monday to Friday, at most once; then it is deleted");
        let skipping = Terms { misfire: Some(Misfire::Skip), ..leaving };
        let skipped = "At 09:00, Monday to Friday, at most once; what is missed is skipped; then it is deleted";
        assert_eq!(said(skipping), skipped);
        assert_eq!(said(spring), "At 09:00, Monday to Friday, from 1 March 2027 until 31 May 2027 at 12:30");
    }
}
