//! What the next change of a zone's clocks does to a schedule, for those who set one up in winter and are asleep when it
//! matters. It explains what `stretch` decides and decides nothing itself: every answer is read off the schedule's own
//! occurrences and the wall times it names. No clock may enter; the moment after which to look is an argument.

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use crate::schedule::Schedule;
use crate::schedule::any_of::AnyOf;
use crate::schedule::bounds::just_before;
use crate::schedule::calendar::Wall;
use crate::schedule::rule::{Fold, Gap, Rule};
use crate::schedule::zone::Zone;

/// How far ahead a change is looked for: every zone that changes its clocks does so within a year.
pub const AHEAD: SignedDuration = SignedDuration::from_hours(400 * 24);

/// The next change of the clocks in a zone, and what a schedule makes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClockChange {
    /// The first instant on the new time.
    pub at: Timestamp,
    /// What the clocks would show at that instant without the change.
    pub old_wall: DateTime,
    /// What they show.
    pub new_wall: DateTime,
    /// What it means for the schedule.
    pub effect: Effect,
    /// Whether that is so because the schedule follows elapsed time, and not because somebody chose it.
    follows_elapsed_time: bool,
}

/// What a change of the clocks means for a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The schedule keeps its wall times, and none of them is skipped or comes twice.
    KeepsWallTime,
    /// The schedule counts elapsed time, and its wall times are the same before and after.
    Elapsed,
    /// The schedule counts elapsed time, so that by the wall clock it fires earlier or later from then on.
    Shifted,
    /// Wall times that the clocks leave out fire together, at the first instant after the gap.
    AfterGap {
        /// The first of them.
        wall: DateTime,
        /// How many there are.
        count: u64,
    },
    /// Wall times that the clocks leave out do not occur.
    LeftOut {
        /// The first of them.
        wall: DateTime,
        /// How many there are.
        count: u64,
    },
    /// Wall times that come twice fire the first time only.
    OnFirstPass {
        /// The first of them.
        wall: DateTime,
        /// How many there are.
        count: u64,
    },
    /// Wall times that come twice fire both times.
    OnBothPasses {
        /// The first of them.
        wall: DateTime,
        /// How many there are.
        count: u64,
    },
}

impl ClockChange {
    /// The next change in `zone` after `after`, as far as anybody can plan; none for a schedule that has fired by then, or
    /// that names a single instant, which no clock moves.
    pub fn next(schedule: &Schedule, zone: &Zone, after: Timestamp) -> Option<ClockChange> {
        if matches!(schedule, Schedule::Once { .. }) {
            return None;
        }
        if let Schedule::AnyOf(several) = schedule {
            return ClockChange::next_of_any(several, zone, after);
        }
        let (at, before, now) = next_change(zone.time_zone(), after)?;
        schedule.next_after(at)?;
        let (old_wall, new_wall) = (before.to_datetime(at), now.to_datetime(at));
        let effect = effect(schedule, at, before, now);
        let follows_elapsed_time = match schedule {
            Schedule::Cron { expression, .. } => expression.rule() == Rule::WILD,
            Schedule::Recurrence(recurrence) => recurrence.rule() == Rule::WILD,
            Schedule::Once { .. } | Schedule::Every { .. } | Schedule::AnyOf(_) => true,
        };
        Some(ClockChange { at, old_wall, new_wall, effect, follows_elapsed_time })
    }

    /// Of several schedules the one is told to which the most happens: one that loses or doubles firings, else one that is not moved.
    fn next_of_any(several: &AnyOf, zone: &Zone, after: Timestamp) -> Option<ClockChange> {
        let in_zone = |schedule: &Schedule| schedule.wall_zone().is_none_or(|own| own == zone);
        let members = several.members().iter().map(|member| &member.schedule).filter(|schedule| in_zone(schedule));
        let quiet = |effect: &Effect| matches!(effect, Effect::KeepsWallTime | Effect::Elapsed | Effect::Shifted);
        let changes = members.filter_map(|schedule| ClockChange::next(schedule, zone, after));
        changes.min_by_key(|change| (change.at, quiet(&change.effect), change.follows_elapsed_time))
    }

    /// Whether what it does comes of the schedule's following elapsed time.
    pub fn follows_elapsed_time(&self) -> bool {
        self.follows_elapsed_time
    }

    /// Whether the clocks go forward.
    pub fn is_forward(&self) -> bool {
        self.new_wall > self.old_wall
    }

    /// The change and its effect in an English sentence, without the zone's name: "On Sun 28 Mar 2027 clocks go forward from
    /// 02:00 to 03:00: the firing of 02:30 comes at 03:00."
    pub fn sentence(&self) -> String {
        let day = self.old_wall.strftime("%a %-d %b %Y");
        let (from, to) = (face(self.old_wall), face(self.new_wall));
        let direction = if self.is_forward() { "forward" } else { "back" };
        let because = if self.follows_elapsed_time { "it follows elapsed time, and " } else { "" };
        let effect = match &self.effect {
            Effect::KeepsWallTime => "it keeps its times on the wall clock".to_owned(),
            Effect::Elapsed => "it follows elapsed time and fires on without a break".to_owned(),
            Effect::Shifted => {
                let by = spoken(self.new_wall.duration_since(self.old_wall));
                let way = if self.is_forward() { "later" } else { "earlier" };
                format!("it follows elapsed time, so by the wall clock it fires {by} {way} from then on")
            }
            Effect::AfterGap { wall, count: 1 } => format!("the firing of {} comes at {to}", face(*wall)),
            Effect::AfterGap { wall, count } => {
                format!("the {count} firings from {} on that are skipped come as one, at {to}", face(*wall))
            }
            Effect::LeftOut { wall, count: 1 } => format!("the firing of {} does not come", face(*wall)),
            Effect::LeftOut { count, .. } => {
                format!("{because}the {count} firings between {from} and {to} do not come")
            }
            Effect::OnFirstPass { wall, count: 1 } => {
                format!("it fires once although {} comes twice", face(*wall))
            }
            Effect::OnFirstPass { count, .. } => {
                format!("each of the {count} firings between {to} and {from} comes once although the hour comes twice")
            }
            Effect::OnBothPasses { wall, count: 1 } => format!("the firing of {} comes both times", face(*wall)),
            Effect::OnBothPasses { count, .. } => {
                format!("{because}the {count} firings between {to} and {from} come both times")
            }
        };
        format!("On {day} clocks go {direction} from {from} to {to}: {effect}.")
    }
}

/// The next instant at which the offset of a zone becomes another, and the two offsets.
fn next_change(time_zone: &TimeZone, after: Timestamp) -> Option<(Timestamp, Offset, Offset)> {
    let until = after.checked_add(AHEAD).unwrap_or(Timestamp::MAX);
    // Some transitions change a zone's abbreviation alone.
    let mut before = time_zone.to_offset(after);
    for transition in time_zone.following(after).take_while(|transition| transition.timestamp() <= until) {
        if transition.offset() != before {
            return Some((transition.timestamp(), before, transition.offset()));
        }
        before = transition.offset();
    }
    None
}

fn effect(schedule: &Schedule, at: Timestamp, before: Offset, now: Offset) -> Effect {
    let jump_s = i64::from(now.seconds() - before.seconds());
    let (shown, reached) = (at.as_second() + i64::from(before.seconds()), at.as_second() + i64::from(now.seconds()));
    // Forward, the clocks leave out what lies between; back, they show it a second time.
    let between = shown.min(reached)..shown.max(reached);
    let (rule, (first, count)) = match schedule {
        Schedule::Cron { expression, .. } => (expression.rule(), expression.walls_between(between)),
        Schedule::Recurrence(recurrence) => (recurrence.rule(), recurrence.walls_between(between)),
        Schedule::Once { .. } | Schedule::AnyOf(_) => return Effect::KeepsWallTime,
        Schedule::Every { period, .. } => {
            let divides = (i128::from(jump_s) * 1_000_000) % i128::from(period.micros()) == 0;
            return if divides { Effect::Elapsed } else { Effect::Shifted };
        }
    };
    let Some(wall) = first.and_then(date_time) else {
        return if rule == Rule::WILD { Effect::Elapsed } else { Effect::KeepsWallTime };
    };
    match (jump_s > 0, rule) {
        (true, Rule { gap: Gap::AtItsEnd, .. }) if schedule.next_after(just_before(at)) == Some(at) => {
            Effect::AfterGap { wall, count }
        }
        (true, _) => Effect::LeftOut { wall, count },
        (false, Rule { fold: Fold::FirstPass, .. }) => Effect::OnFirstPass { wall, count },
        (false, Rule { fold: Fold::BothPasses, .. }) => Effect::OnBothPasses { wall, count },
    }
}

fn date_time(wall: Wall) -> Option<DateTime> {
    Timestamp::from_second(wall).ok().map(|instant| Offset::UTC.to_datetime(instant))
}

/// The time of day as short as it goes.
fn face(wall: DateTime) -> String {
    let format = if wall.second() == 0 { "%H:%M" } else { "%H:%M:%S" };
    wall.strftime(format).to_string()
}

fn spoken(jump: SignedDuration) -> String {
    let minutes = jump.as_mins().abs();
    match (minutes / 60, minutes % 60) {
        (1, 0) => "an hour".to_owned(),
        (hours, 0) => format!("{hours} hours"),
        (0, minutes) => format!("{minutes} minutes"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests;
