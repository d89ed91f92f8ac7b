//! When a schedule occurs, found by looking at the clock on the wall once a step and asking what the line says of what it shows: no search, no
//! transition that is known beforehand, nothing that a firing ever rests on. The one exception is where a rule ends by `COUNT`: all since its start
//! would have to be walked each time, so that is believed as whoever fires counted it. The room exists so that an audit does not repeat a mistake of
//! whoever searched. A step is a minute, or a second where the line says seconds, and a whole hour or minute of which the line names nothing; how
//! many there may be is bounded, so what is long is walked part by part. What lies before a start or behind an end is not walked at all.

use std::convert::Infallible;
use std::ops::ControlFlow::{self, Break, Continue};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

use crate::agenda::Span;
use crate::schedule::every::Period;
use crate::schedule::rule::{Fold, Gap, Rule};
use crate::schedule::stretch::GAP_MAX;
use crate::schedule::zone::Zone;
use crate::schedule::{FirstFiring, Schedule, Unit};
use crate::trigger::ScheduleDetails;

/// How many steps are walked at once: for more occurrences than are read of firings.
const STEPS_MAX: u64 = 5_000;

/// What a schedule names, as far as somebody walked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Walked {
    /// The occurrences, ascending.
    pub(super) named: Vec<Timestamp>,
    /// These are all before this instant. It lies after the beginning of the span.
    pub(super) until: Timestamp,
}

/// The occurrences in the span, as far as so many steps lead.
pub(super) fn named(schedule: &ScheduleDetails, span: Span) -> Walked {
    let mut named = Vec::new();
    let mut note = |at: Timestamp| -> ControlFlow<Infallible> {
        named.push(at);
        Continue(())
    };
    let Continue(until) = walk_within_bounds(schedule, span, STEPS_MAX, &mut note);
    named.retain(|at| span.from <= *at && *at < until && schedule.counts_at(*at));
    named.sort_unstable();
    named.dedup();
    Walked { named, until }
}

/// Whether there is any occurrence in the span. It walks until it meets one, or to the end of what the schedule may name.
pub(super) fn names_any(schedule: &ScheduleDetails, span: Span) -> bool {
    let counts = |at: Timestamp| span.from <= at && at < span.until && schedule.counts_at(at);
    let mut ask = |at: Timestamp| if counts(at) { Break(()) } else { Continue(()) };
    walk_within_bounds(schedule, span, u64::MAX, &mut ask).is_break()
}

/// Goes along what of the span lies within the bounds of the schedule.
fn walk_within_bounds<B>(
    schedule: &ScheduleDetails,
    span: Span,
    steps: u64,
    meet: &mut dyn FnMut(Timestamp) -> ControlFlow<B>,
) -> ControlFlow<B, Timestamp> {
    let bounds = schedule.bounds();
    let within = (bounds.starts_at().unwrap_or(span.from), bounds.ends_at().unwrap_or(span.until));
    within_reach(span, within, |span| walk(schedule.pattern(), span, steps, meet))
}

/// Goes along what of the span lies from the one instant on and before the other, outside of which there is nothing to be met.
fn within_reach<B>(
    span: Span,
    (from, until): (Timestamp, Timestamp),
    go_along: impl FnOnce(Span) -> ControlFlow<B, Timestamp>,
) -> ControlFlow<B, Timestamp> {
    let within = Span { from: span.from.max(from), until: span.until.min(until) };
    if within.until <= within.from {
        return Continue(span.until);
    }
    let until = go_along(within)?;
    Continue(if until == within.until { span.until } else { until })
}

/// Goes along the span, meets what the pattern names there, and perhaps a little beside it, and says before which instant that was all. Of several
/// each goes for itself, so what they name comes in no order, and what two of them name comes twice.
fn walk<B>(
    schedule: &Schedule,
    span: Span,
    steps: u64,
    meet: &mut dyn FnMut(Timestamp) -> ControlFlow<B>,
) -> ControlFlow<B, Timestamp> {
    match schedule {
        Schedule::Once { at } => {
            meet(*at)?;
            Continue(span.until)
        }
        Schedule::Every { period, anchor, first } => {
            let starts = if *first == FirstFiring::AtAnchor { Some(*anchor) } else { one_later(period, *anchor) };
            starts.map_or(Continue(span.until), |starts| on_a_grid(period, starts, span, steps, meet))
        }
        Schedule::Cron { expression, zone } => {
            let line = Line {
                names: &|wall| expression.names(wall),
                may_name_in: &|unit, wall| expression.names_in(unit, wall),
                is_by_the_minute: expression.is_by_the_minute(),
            };
            on_the_wall(&line, expression.rule(), zone, span, steps, meet)
        }
        Schedule::Recurrence(recurrence) => {
            let line = Line {
                names: &recurrence.naming(),
                may_name_in: &|unit, wall| recurrence.may_name_in(unit, wall),
                is_by_the_minute: recurrence.is_by_the_minute(),
            };
            let mut meet = |at: Timestamp| if recurrence.counts_at(at) { meet(at) } else { Continue(()) };
            within_reach(span, recurrence.reach(), |span| {
                on_the_wall(&line, recurrence.rule(), recurrence.zone(), span, steps, &mut meet)
            })
        }
        Schedule::AnyOf(several) => {
            let mut until = span.until;
            for member in several.members() {
                until = until.min(walk(&member.schedule, span, steps, meet)?);
            }
            Continue(until)
        }
    }
}

fn one_later(period: &Period, at: Timestamp) -> Option<Timestamp> {
    let micros = at.as_microsecond().checked_add(i64::try_from(period.micros()).ok()?)?;
    Timestamp::from_microsecond(micros).ok()
}

fn on_a_grid<B>(
    period: &Period,
    starts: Timestamp,
    span: Span,
    steps: u64,
    meet: &mut dyn FnMut(Timestamp) -> ControlFlow<B>,
) -> ControlFlow<B, Timestamp> {
    let Ok(micros) = i64::try_from(period.micros()) else { return Continue(span.until) };
    let (starts, from) = (starts.as_microsecond(), span.from.as_microsecond());
    let behind = (starts - from).rem_euclid(micros);
    let first = from.checked_add(behind).map(|first| first.max(starts));
    let mut next = first.and_then(|first| Timestamp::from_microsecond(first).ok());
    for _ in 0..steps {
        let Some(at) = next.filter(|at| *at < span.until) else { return Continue(span.until) };
        meet(at)?;
        next = one_later(period, at);
    }
    Continue(next.map_or(span.until, |next| next.min(span.until)))
}

/// What says of a reading of the clock whether it is named.
struct Line<'a> {
    names: &'a dyn Fn(DateTime) -> bool,
    /// Whether anything may be in the hour or the minute of a reading.
    may_name_in: &'a dyn Fn(Unit, DateTime) -> bool,
    is_by_the_minute: bool,
}

fn on_the_wall<B>(
    line: &Line<'_>,
    rule: Rule,
    zone: &Zone,
    span: Span,
    steps: u64,
    meet: &mut dyn FnMut(Timestamp) -> ControlFlow<B>,
) -> ControlFlow<B, Timestamp> {
    let instant = |second: i64| Timestamp::from_second(second).unwrap_or(Timestamp::MAX);
    let shown = |wall: i64| Offset::UTC.to_datetime(instant(wall));
    let offset = |second: i64| i64::from(zone.time_zone().to_offset(instant(second)).seconds());
    let names = |wall: i64| (line.names)(shown(wall));
    let (from, until) = (span.from.as_second(), span.until.as_second() + 1);
    let is_by_the_minute = line.is_by_the_minute && offset(from) % 60 == 0 && offset(until) % 60 == 0;
    let (step, units): (i64, &[Unit]) =
        if is_by_the_minute { (60, &[Unit::Hour]) } else { (1, &[Unit::Hour, Unit::Minute]) };
    let from = from - from.rem_euclid(step);
    // How long a clock goes on that shows this until it is past an hour or a minute in which nothing is named.
    let silent_for = |wall: i64, is_first: bool| {
        let begins = |unit: &&Unit| is_first || wall.rem_euclid(unit.seconds()) < step;
        let is_silent = |unit: &&Unit| !(line.may_name_in)(**unit, shown(wall));
        let unit = units.iter().filter(begins).find(is_silent)?;
        Some(unit.seconds() - wall.rem_euclid(unit.seconds()))
    };
    let is_first_pass = |at: i64, wall: i64| {
        let first = zone.time_zone().to_ambiguous_timestamp(shown(wall)).compatible();
        first.is_ok_and(|first| first.as_second() == at)
    };
    let (mut before, mut at) = (offset(from - step), from);
    for _ in 0..steps {
        if at >= until {
            return Continue(span.until);
        }
        let now = offset(at);
        // Nobody passes over a change of the clocks: what they leave out may be named.
        let silent = if now == before { silent_for(at + now, at == from) } else { None };
        if let Some(silent) = silent.filter(|silent| offset(at + silent - step) == now) {
            at += silent;
            continue;
        }
        let is_shown = names(at + now) && (rule.fold == Fold::BothPasses || is_first_pass(at, at + now));
        let is_gap = rule.gap == Gap::AtItsEnd && now > before && now - before <= GAP_MAX;
        let left_out = std::iter::successors(Some(at + before), |wall| Some(wall + step));
        if is_shown || (is_gap && left_out.take_while(|wall| *wall < at + now).any(names)) {
            meet(instant(at))?;
        }
        before = now;
        at += step;
    }
    Continue(instant(at).min(span.until))
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use proptest::prelude::*;

    use super::*;
    use crate::schedule::any_of::{AnyOf, Member};
    use crate::schedule::bounds::Bounds;
    use crate::schedule::cron::CronExpression;
    use crate::schedule::every::Period;
    use crate::schedule::excluded::ExcludedDates;
    use crate::schedule::recurrence::{Recurrence, RecurrenceText, Start};
    use crate::schedule::zone::Zones;
    use crate::trigger::Terms;

    /// What is named in the span, whatever parts it takes.
    fn all_named(schedule: &ScheduleDetails, span: Span) -> Vec<Timestamp> {
        let (mut all, mut from) = (Vec::new(), span.from);
        loop {
            let Walked { named, until } = named(schedule, Span { from, ..span });
            all.extend(named);
            if until == span.until {
                return all;
            }
            assert!(from < until && until < span.until, "{from} to {until}");
            from = until;
        }
    }

    /// Walking finds what searching finds, and whoever stops at the first finds whether there is any.
    fn assert_walked(schedule: &ScheduleDetails, span: Span) -> Result<(), TestCaseError> {
        let searched = searched(schedule, span);
        prop_assert_eq!(names_any(schedule, span), !searched.is_empty());
        prop_assert_eq!(all_named(schedule, span), searched);
        Ok(())
    }

    /// What `latest_in` names, ascending.
    fn searched(schedule: &ScheduleDetails, span: Span) -> Vec<Timestamp> {
        let just_before = crate::trigger::just_before;
        let last = |until: Timestamp| schedule.latest_in(just_before(span.from), just_before(until));
        let mut found: Vec<Timestamp> = std::iter::successors(last(span.until), |at| last(*at)).collect();
        found.reverse();
        found
    }

    const ZONES: [&str; 8] = [
        "UTC",
        "Europe/Riga",
        "America/St_Johns",
        "America/Havana",
        "Pacific/Apia",
        "Australia/Lord_Howe",
        "Africa/Cairo",
        "Antarctica/Troll",
    ];

    const LINES: [&str; 12] = [
        "30 2 * * *",
        "0 */2 * * *",
        "*/7 * * * *",
        "0 0 * * MON-FRI",
        "59 23 L * *",
        "15,45 1-3 * * *",
        "0 3 1,15 * SUN",
        "5 * * * *",
        "0 0 2 * * *",
        "30 15 2 * * *",
        "*/20 5 1-3 * * MON-SAT",
        "45 * 3 L * *",
    ];

    const RULES: [&str; 11] = [
        "FREQ=DAILY",
        "FREQ=DAILY;INTERVAL=2;BYHOUR=0,1,2,3,23;BYMINUTE=0,15,45",
        "FREQ=HOURLY;INTERVAL=5",
        "FREQ=MINUTELY;INTERVAL=7",
        "FREQ=DAILY;COUNT=13",
        "FREQ=HOURLY;COUNT=290",
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=SA,SU,MO;BYHOUR=0,2",
        "FREQ=DAILY;BYHOUR=0,1,2,3;BYSETPOS=-1",
        "FREQ=DAILY;BYHOUR=1,2;BYMINUTE=30;BYSECOND=0,30",
        "FREQ=SECONDLY;INTERVAL=1700;BYHOUR=1,2,3",
        "FREQ=MINUTELY;INTERVAL=95;BYSECOND=15",
    ];

    proptest! {
        #[test]
        fn walking_finds_what_searching_finds(
            zone in proptest::sample::select(&ZONES),
            line in proptest::sample::select(&LINES),
            near_s in 0_i64..2_000_000_000,
            hours in 1_i64..48,
            back_h in 0_i64..40,
            excludes in any::<bool>(),
            starts_h in proptest::option::of(-48_i64..24),
            lasts_h in proptest::option::of(1_i64..72),
            gap in proptest::option::of(proptest::sample::select(&[Gap::AtItsEnd, Gap::LeftOut])),
            fold in proptest::option::of(proptest::sample::select(&[Fold::FirstPass, Fold::BothPasses])),
        ) {
            let zone = Zones::bundled().get(zone).expect("a zone");
            let near = Timestamp::from_second(near_s).expect("in range");
            let edge = zone.time_zone().following(near).next().map_or(near, |transition| transition.timestamp());
            let from = edge.checked_sub(SignedDuration::from_hours(back_h)).expect("in range").max(Timestamp::UNIX_EPOCH);
            let span = Span { from, until: from + SignedDuration::from_hours(hours) };
            let expression = CronExpression::parse(line).expect("a line");
            let date = zone.time_zone().to_datetime(edge).date();
            let excluded = ExcludedDates::new(excludes.then_some(date)).expect("few dates");
            let pattern = Schedule::Cron { expression, zone: zone.clone() };
            let starts_at = starts_h.map(|hours| edge + SignedDuration::from_mins(hours * 60 + 1));
            let ends_at = lasts_h.map(|hours| starts_at.unwrap_or(from) + SignedDuration::from_hours(hours));
            let bounds = Bounds::new(starts_at, ends_at).expect("the end is later");
            let terms = Terms { bounds, excluded, gap, fold, ..Terms::default() };
            let schedule = ScheduleDetails::new(pattern, Some(zone.clone()), terms, zone);
            assert_walked(&schedule, span)?;
        }

        #[test]
        fn walking_finds_what_searching_finds_of_rules(
            zone in proptest::sample::select(&ZONES),
            text in proptest::sample::select(&RULES),
            near_s in 300_000_000_i64..2_000_000_000,
            hours in 1_i64..48,
            back_h in 0_i64..40,
            started_d in 0_i64..=12,
            ends_d in proptest::option::of(-2_i64..=2),
            gap in proptest::option::of(proptest::sample::select(&[Gap::AtItsEnd, Gap::LeftOut])),
            fold in proptest::option::of(proptest::sample::select(&[Fold::FirstPass, Fold::BothPasses])),
        ) {
            let zone = Zones::bundled().get(zone).expect("a zone");
            let near = Timestamp::from_second(near_s).expect("in range");
            let edge = zone.time_zone().following(near).next().map_or(near, |transition| transition.timestamp());
            let from = edge.checked_sub(SignedDuration::from_hours(back_h)).expect("in range");
            let span = Span { from, until: from + SignedDuration::from_hours(hours) };
            let date = zone.time_zone().to_datetime(edge).date();
            let ends = ends_d.filter(|_| !text.contains("COUNT")).map(|days| {
                let last = date.saturating_add(jiff::Span::new().days(days));
                format!(";UNTIL={}", last.strftime("%Y%m%dT021500"))
            });
            let text = format!("{text}{}", ends.unwrap_or_default());
            let text = RecurrenceText::read(&text, &Zones::bundled()).expect("a rule");
            let day = date.saturating_sub(jiff::Span::new().days(started_d));
            let start = Start { wall: day.at(2, 30, 0, 0), is_told: true };
            let pattern = Schedule::Recurrence(std::sync::Arc::new(Recurrence::new(text, start, zone.clone())));
            let terms = Terms { gap, fold, ..Terms::default() };
            let schedule = ScheduleDetails::new(pattern, Some(zone.clone()), terms, zone);
            assert_walked(&schedule, span)?;
        }

        #[test]
        fn walking_finds_what_searching_finds_of_several(from_s in 1_700_000_000_i64..1_900_000_000, hours in 1_i64..30) {
            let from = Timestamp::from_second(from_s).expect("in range");
            let cron = |line: &str, zone: &str| {
                let zone = Zones::bundled().get(zone).expect("a zone");
                let schedule = Schedule::Cron { expression: CronExpression::parse(line).expect("a line"), zone };
                Member { schedule, timezone: None }
            };
            let members = vec![cron("*/30 * * * *", "UTC"), cron("0 2 * * *", "Europe/Riga"), cron("*/45 * * * *", "Asia/Tokyo")];
            let schedule = ScheduleDetails::plain(Schedule::AnyOf(AnyOf::kept(members)), None);
            let span = Span { from, until: from + SignedDuration::from_hours(hours) };
            assert_walked(&schedule, span)?;
        }

        #[test]
        fn a_grid_is_walked_from_its_anchor(
            period_s in 1_u64..5_000,
            anchor_s in -100_000_i64..100_000,
            starts in any::<bool>(),
            lasts_s in 1_i64..3_999,
        ) {
            let base = Timestamp::from_second(1_800_000_000).expect("in range");
            let first = if starts { FirstFiring::AtAnchor } else { FirstFiring::OnePeriodLater };
            let period = Period::from_seconds(period_s).expect("a period");
            let pattern = Schedule::Every { period, anchor: base + SignedDuration::from_secs(anchor_s), first };
            let schedule = ScheduleDetails::plain(pattern, None);
            let span = Span { from: base, until: base + SignedDuration::from_secs(lasts_s) };
            assert_walked(&schedule, span)?;
        }
    }

    #[test]
    fn what_takes_many_steps_is_walked_part_by_part() {
        let expression = CronExpression::parse("* * * * * *").expect("a line");
        let schedule = ScheduleDetails::plain(Schedule::Cron { expression, zone: Zones::utc() }, None);
        let from = Timestamp::from_second(1_800_000_000).expect("in range");
        let span = |seconds| Span { from, until: from + SignedDuration::from_secs(seconds) };
        let hour = named(&schedule, span(3_600));
        assert_eq!((hour.named.len(), hour.until), (3_600, span(3_600).until));
        let day = named(&schedule, span(86_400));
        assert_eq!((day.named.len(), day.until), (5_000, span(5_000).until));
        assert_eq!(all_named(&schedule, span(86_400)).len(), 86_400);
        let period = Period::from_seconds(1).expect("a period");
        let every = Schedule::Every { period, anchor: from, first: FirstFiring::AtAnchor };
        let every = ScheduleDetails::plain(every, None);
        assert_eq!(named(&every, span(86_400)).until, span(5_000).until);
        assert_eq!(all_named(&every, span(86_400)).len(), 86_400);
        // One of several stops long before the other.
        let line = |text: &str| {
            let expression = CronExpression::parse(text).expect("a line");
            Member { schedule: Schedule::Cron { expression, zone: Zones::utc() }, timezone: None }
        };
        let members = vec![line("* * * * * *"), line("*/30 * * * *")];
        let several = ScheduleDetails::plain(Schedule::AnyOf(AnyOf::kept(members)), None);
        assert_eq!(named(&several, span(4 * 3_600)).until, span(5_000).until);
        let all = all_named(&several, span(4 * 3_600));
        assert_eq!((all.len(), &all), (4 * 3_600, &searched(&several, span(4 * 3_600))));
        let members = vec![line("59 * * * * *"), line("30 */30 * * * *")];
        let several = ScheduleDetails::plain(Schedule::AnyOf(AnyOf::kept(members)), None);
        assert_eq!(all_named(&several, span(40 * 3_600)), searched(&several, span(40 * 3_600)));
    }

    #[test]
    fn what_is_over_or_has_yet_to_start_is_not_walked() {
        let from: Timestamp = "2027-03-01T00:00:00Z".parse().expect("an instant");
        let span = Span { from, until: from + SignedDuration::from_hours(10_000) };
        let told = |schedule: &ScheduleDetails| {
            let walked = named(schedule, span);
            // Whoever walks as long as it takes would do so for minutes.
            assert_eq!(walked.until, span.until, "it takes no more steps than are walked at once");
            assert_eq!(names_any(schedule, span), !walked.named.is_empty());
            walked.named.len()
        };
        let bounded = |pattern: &Schedule, starts_at: Option<Timestamp>, ends_at: Option<Timestamp>| {
            let bounds = Bounds::new(starts_at, ends_at).expect("the end is later");
            told(&ScheduleDetails::new(pattern.clone(), None, Terms { bounds, ..Terms::default() }, Zones::utc()))
        };
        let (soon, late) = (from + SignedDuration::from_mins(1), span.until - SignedDuration::from_mins(1));
        let line =
            Schedule::Cron { expression: CronExpression::parse("* * * * * *").expect("a line"), zone: Zones::utc() };
        let period = Period::from_seconds(1).expect("a period");
        let every = Schedule::Every { period, anchor: from, first: FirstFiring::AtAnchor };
        for pattern in [line, every] {
            assert_eq!(bounded(&pattern, None, Some(from)), 0, "it is over");
            assert_eq!(bounded(&pattern, None, Some(soon)), 60);
            assert_eq!(bounded(&pattern, Some(late), None), 60);
            assert_eq!(bounded(&pattern, Some(span.until), None), 0, "it has yet to start");
        }
        let rule = |text: &str, start: &str| {
            let text = RecurrenceText::read(text, &Zones::bundled()).expect("a rule");
            let start = Start { wall: start.parse().expect("a wall time"), is_told: true };
            let zone = Zones::bundled().get("Europe/Riga").expect("a zone");
            let pattern = Schedule::Recurrence(std::sync::Arc::new(Recurrence::new(text, start, zone)));
            told(&ScheduleDetails::plain(pattern, None))
        };
        assert_eq!(rule("FREQ=SECONDLY;COUNT=90000", "2027-02-01T00:00:00"), 0, "all are counted");
        assert_eq!(rule("FREQ=SECONDLY;COUNT=60", "2027-03-01T02:00:00"), 60);
        assert_eq!(rule("FREQ=SECONDLY;UNTIL=20270210T000000", "2027-02-01T00:00:00"), 0, "its end has passed");
        assert_eq!(rule("FREQ=SECONDLY;UNTIL=20270210T000000Z", "2027-02-01T00:00:00"), 0);
        assert_eq!(rule("FREQ=SECONDLY", "2029-01-01T00:00:00"), 0, "it has yet to start");
    }

    #[test]
    fn what_is_silent_is_passed_over_by_the_hour_and_by_the_minute() {
        let from: Timestamp = "2027-03-01T00:00:00Z".parse().expect("an instant");
        let over = |line: &str, days: i64| {
            let zone = Zones::bundled().get("Europe/Riga").expect("a zone");
            let expression = CronExpression::parse(line).expect("a line");
            let schedule = ScheduleDetails::plain(Schedule::Cron { expression, zone }, None);
            let span = Span { from, until: from + SignedDuration::from_hours(24 * days) };
            let walked = named(&schedule, span);
            (walked.named.len(), walked.until == span.until)
        };
        assert_eq!(over("30 9 * * MON-FRI", 56), (40, true), "56 days are 80 640 minutes");
        assert_eq!(over("15 30 9 * * *", 7), (7, true), "a week is 604 800 seconds");
        assert_eq!(over("0 0 29 2 *", 200), (0, true));
    }

    #[test]
    fn whoever_stops_at_the_first_asks_for_no_other() {
        let expression = CronExpression::parse("*/5 * * * *").expect("a line");
        let zone = Zones::bundled().get("Europe/Riga").expect("a zone");
        let pattern = Schedule::Cron { expression, zone };
        let from = Timestamp::from_second(1_800_000_060).expect("in range");
        let span = Span { from, until: from + SignedDuration::from_hours(10_000) };
        let mut met = Vec::new();
        let mut meet = |at: Timestamp| {
            met.push(at);
            Break(())
        };
        assert!(walk(&pattern, span, 10, &mut meet).is_break());
        assert_eq!(met, [from + SignedDuration::from_mins(4)]);
    }
}
