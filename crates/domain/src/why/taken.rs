//! What a schedule would name, had nothing taken it away: its start and its end, excluded dates and calendars, the clocks where they leave out
//! an hour or show one again, and the exceptions of a rule. Such instants are no occurrences, and nothing becomes of them; but who
//! wonders about a Friday on which nothing fired wants to see it told, and counted, like what did not fire.

use std::sync::Arc;

use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};

use super::span::SpanAccount;
use super::{ClockNote, Facts, NotNamed, Verdict, names, pattern};
use crate::agenda::Span;
use crate::schedule::Schedule;
use crate::schedule::clock_change::{ClockChange, Effect};
use crate::schedule::mismatch::{Field, Mismatch};
use crate::schedule::observed::Observed;
use crate::schedule::rule::Fold;
use crate::schedule::scope::{Run, TakenAway};
use crate::trigger::{Definition, ScheduleDetails, just_after, just_before};

/// What takes instants away from a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TakenBy {
    /// A term of the schedule.
    Term(TakenAway),
    /// The clocks went forward over this time on the wall.
    Gap(DateTime),
    /// The clocks showed this time on the wall a second time.
    Fold(DateTime),
    /// An exception of the rule, at this time on the wall.
    Exception(DateTime),
}

impl TakenBy {
    /// The word for programs.
    pub fn word(&self) -> &'static str {
        match self {
            TakenBy::Term(TakenAway::BeforeStart(_)) => "starts_at",
            TakenBy::Term(TakenAway::AfterEnd(_)) => "ends_at",
            TakenBy::Term(TakenAway::Excluded(_)) => "excluded_date",
            TakenBy::Term(TakenAway::InCalendars(..)) => "calendar",
            TakenBy::Gap(_) => "gap",
            TakenBy::Fold(_) => "fold",
            TakenBy::Exception(_) => "exception",
        }
    }

    /// What exactly: an instant, a date or a time on the wall.
    pub fn value(&self) -> String {
        match self {
            TakenBy::Term(TakenAway::BeforeStart(at) | TakenAway::AfterEnd(at)) => at.to_string(),
            TakenBy::Term(TakenAway::Excluded(date) | TakenAway::InCalendars(date, _)) => date.to_string(),
            TakenBy::Gap(wall) | TakenBy::Fold(wall) | TakenBy::Exception(wall) => wall.to_string(),
        }
    }

    /// The calendars, where it is they.
    pub fn calendars(&self) -> &[Arc<Observed>] {
        match self {
            TakenBy::Term(TakenAway::InCalendars(_, holding)) => holding,
            _ => &[],
        }
    }
}

/// A run of instants that one thing takes away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// What, told of the first.
    pub by: TakenBy,
    /// The first; of times that the clocks leave out the instant at which they do.
    pub first: Timestamp,
    /// The last.
    pub last: Timestamp,
    /// How many.
    pub count: u64,
}

/// So many runs are told together; the rest of the span is told with the next.
pub const TAKEN_MAX: usize = 1_000;

/// So many changes of the clocks are looked at in a span.
const CHANGES_MAX: usize = 100;

/// No clock is put back by more.
const PUT_BACK_MAX: SignedDuration = SignedDuration::from_hours(24);

/// What took away the instant that is told about.
pub(super) fn taken_by(details: &ScheduleDetails, verdict: &Verdict, clock: Option<ClockNote>) -> Option<TakenBy> {
    let Verdict::NoOccurrence(why) = verdict else { return None };
    of_schedule(pattern(details), why).or_else(|| {
        // Who asks about a time that the clocks left out is told of what follows it.
        let Some(ClockNote::LeftOut { wall, at, is_asked: true, .. }) = clock else { return None };
        let is_named = |schedule: &&Schedule| {
            let next = wall.checked_add(SignedDuration::from_secs(1)).unwrap_or(wall);
            super::first_wall_between(schedule, wall, next).is_some()
        };
        let is_left_out = members(pattern(details)).iter().any(is_named) && !names(details, at);
        is_left_out.then_some(TakenBy::Gap(wall))
    })
}

fn of_schedule(schedule: &Schedule, why: &NotNamed) -> Option<TakenBy> {
    match (why, schedule) {
        (NotNamed::TakenAway(term), _) => Some(TakenBy::Term(term.clone())),
        (NotNamed::LeftOut { wall, .. }, _) => Some(TakenBy::Gap(*wall)),
        (NotNamed::SecondPass { wall }, _) => Some(TakenBy::Fold(*wall)),
        (NotNamed::Cron(Mismatch { wall, unmet, .. }), _) => match &unmet[..] {
            [one] if one.field == Field::Exception => Some(TakenBy::Exception(*wall)),
            _ => None,
        },
        (NotNamed::AnyOf(each), Schedule::AnyOf(several)) => {
            let mut each = several.members().iter().zip(each);
            each.find_map(|(member, (_, why))| of_schedule(&member.schedule, why))
        }
        _ => None,
    }
}

fn members(schedule: &Schedule) -> Vec<&Schedule> {
    match schedule {
        Schedule::AnyOf(several) => several.members().iter().map(|member| &member.schedule).collect(),
        one => vec![one],
    }
}

/// What was taken away in a span, by what the trigger said at the time, in order; one run more than [`TAKEN_MAX`] at most.
pub(super) fn taken_in(facts: Facts<'_>, span: Span) -> Vec<Taken> {
    let trigger = &facts.armed.trigger;
    let former = facts.former.iter().map(|former| {
        (&former.definition, former.from.max(trigger.created_at), former.until.min(trigger.standing_since))
    });
    let present = (&trigger.definition, trigger.standing_since, super::there_until(facts));
    let mut taken: Vec<Taken> = Vec::new();
    for (definition, from, until) in former.chain([present]) {
        let Definition { schedule: Some(details), is_test: false, .. } = definition else { continue };
        let (after, until) = (from.max(just_before(span.from)), until.min(just_before(span.until)));
        if after < until {
            taken.extend(taken_from(details, after, until));
        }
    }
    taken.sort_by_key(|taken| (taken.first, taken.last));
    taken.truncate(TAKEN_MAX + 1);
    taken
}

fn taken_from(details: &ScheduleDetails, after: Timestamp, until: Timestamp) -> Vec<Taken> {
    let of_terms = details.taken_away_in(after, until, TAKEN_MAX + 1).into_iter();
    let run = |Run { by, first, last, count }| Taken { by: TakenBy::Term(by), first, last, count };
    let mut taken: Vec<Taken> = of_terms.map(run).collect();
    for schedule in members(pattern(details)) {
        taken.extend(by_the_clocks(details, schedule, after, until));
        if let Schedule::Recurrence(recurrence) = schedule {
            let excepted = recurrence.excepted_in(after, until);
            taken.extend(excepted.into_iter().filter(|(first, ..)| details.counts_at(*first)).map(
                |(first, last, count)| {
                    let wall = recurrence.zone().time_zone().to_datetime(first);
                    Taken { by: TakenBy::Exception(wall), first, last, count }
                },
            ));
        }
    }
    // Of several schedules one may name what another loses.
    taken.retain(|taken| taken.count > 1 || matches!(taken.by, TakenBy::Gap(_)) || !names(details, taken.first));
    taken
}

fn by_the_clocks(details: &ScheduleDetails, schedule: &Schedule, after: Timestamp, until: Timestamp) -> Vec<Taken> {
    let Some(zone) = schedule.wall_zone() else { return Vec::new() };
    let both = schedule.with_choice(None, Some(Fold::BothPasses));
    // What began a while ago may still go on.
    let from = after.checked_sub(PUT_BACK_MAX).unwrap_or(Timestamp::MIN);
    let following = |last: &ClockChange| ClockChange::next(schedule, zone, last.at);
    let changes = std::iter::successors(ClockChange::next(schedule, zone, from), following)
        .take_while(|change| change.at <= until)
        .take(CHANGES_MAX)
        .filter(|change| !change.follows_elapsed_time() && details.counts_at(change.at));
    let taken = changes.filter_map(|change| match change.effect {
        Effect::LeftOut { wall, count } if change.at > after => {
            Some(Taken { by: TakenBy::Gap(wall), first: change.at, last: change.at, count })
        }
        Effect::OnFirstPass { .. } => {
            let ends = change.at.checked_add(change.old_wall.duration_since(change.new_wall)).ok()?;
            let (after, until) = (after.max(just_before(change.at)), until.min(just_before(ends)));
            let first = both.next_after(after).filter(|first| *first <= until)?;
            let (last, count) = (both.latest_in(after, until)?, both.count_in(after, until));
            let wall = zone.time_zone().to_datetime(first);
            Some(Taken { by: TakenBy::Fold(wall), first, last, count })
        }
        _ => None,
    });
    taken.collect()
}

impl SpanAccount {
    /// How many instants were taken away.
    pub fn taken_count(&self) -> u64 {
        self.taken_away.iter().fold(0, |sum: u64, taken| sum.saturating_add(taken.count))
    }
}

/// Where a span has to stop so that no more than [`TAKEN_MAX`] runs are told; none where it need not.
pub(super) fn stop_of(taken: &[Taken]) -> Option<Timestamp> {
    let over = taken.get(TAKEN_MAX)?;
    let kept = &taken[..TAKEN_MAX];
    // Whatever is told lies before it.
    let last = kept.iter().map(|taken| taken.last).max().unwrap_or(over.first);
    Some(if last < over.first { over.first } else { just_after(last) })
}
