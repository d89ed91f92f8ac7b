//! When a schedule occurs, found by looking at the clock on the wall once a step and asking what the line says of what it shows: no search, no
//! transition that is known beforehand, nothing that a firing ever rests on. The room exists so that an audit does not repeat a mistake of
//! whoever searched. It costs a step for every minute, so what is longer than that is worth is left to others.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

use crate::agenda::Span;
use crate::schedule::rule::{Fold, Gap, Rule};
use crate::schedule::stretch::GAP_MAX;
use crate::schedule::zone::Zone;
use crate::schedule::{FirstFiring, Schedule};
use crate::trigger::ScheduleDetails;

/// How many steps a walk has at most: of minutes, more than two days.
const STEPS_MAX: i64 = 4_000;

/// The occurrences in the span, ascending; none where it would take too many steps.
pub(super) fn named(schedule: &ScheduleDetails, span: Span) -> Option<Vec<Timestamp>> {
    let mut named = walked(schedule.pattern(), span)?;
    named.retain(|at| span.from <= *at && *at < span.until && schedule.counts_at(*at));
    Some(named)
}

/// What a pattern names in the span, and perhaps a little beside it.
fn walked(schedule: &Schedule, span: Span) -> Option<Vec<Timestamp>> {
    Some(match schedule {
        Schedule::Once { at } => vec![*at],
        Schedule::Every { period, anchor, first } => {
            let (period, anchor) = (i64::try_from(period.micros()).ok()?, anchor.as_microsecond());
            let (from, until) = (span.from.as_microsecond(), span.until.as_microsecond());
            if until.saturating_sub(from) / period > STEPS_MAX {
                return None;
            }
            let earliest = if *first == FirstFiring::AtAnchor { anchor } else { anchor.checked_add(period)? };
            let behind = (earliest - from).rem_euclid(period);
            let begin = from.checked_add(behind)?.max(earliest);
            let each = std::iter::successors(Some(begin), |at| at.checked_add(period)).take_while(|at| *at < until);
            each.map(|at| Timestamp::from_microsecond(at).ok()).collect::<Option<Vec<_>>>()?
        }
        Schedule::Cron { expression, zone } => {
            let line = Line { names: &|wall| expression.names(wall), is_by_the_minute: expression.is_by_the_minute() };
            on_the_wall(&line, expression.rule(), zone, span)?
        }
        Schedule::Recurrence(recurrence) => {
            let names = recurrence.naming();
            let line = Line { names: &names, is_by_the_minute: recurrence.is_by_the_minute() };
            let mut named = on_the_wall(&line, recurrence.rule(), recurrence.zone(), span)?;
            named.retain(|at| recurrence.counts_at(*at));
            named
        }
        Schedule::AnyOf(several) => {
            let each = several.members().iter().map(|member| walked(&member.schedule, span));
            let mut named = each.collect::<Option<Vec<_>>>()?.concat();
            named.retain(|at| span.from <= *at && *at < span.until);
            named.sort_unstable();
            named.dedup();
            named
        }
    })
}

/// What says of a reading of the clock whether it is named.
struct Line<'a> {
    names: &'a dyn Fn(DateTime) -> bool,
    is_by_the_minute: bool,
}

fn on_the_wall(line: &Line<'_>, rule: Rule, zone: &Zone, span: Span) -> Option<Vec<Timestamp>> {
    let instant = |second: i64| Timestamp::from_second(second).unwrap_or(Timestamp::MAX);
    let offset = |second: i64| i64::from(zone.time_zone().to_offset(instant(second)).seconds());
    let names = |wall: i64| (line.names)(Offset::UTC.to_datetime(instant(wall)));
    let (from, until) = (span.from.as_second(), span.until.as_second() + 1);
    let is_by_the_minute = line.is_by_the_minute && offset(from) % 60 == 0 && offset(until) % 60 == 0;
    let step = if is_by_the_minute { 60 } else { 1 };
    let from = from - from.rem_euclid(step);
    if (until - from) / step > STEPS_MAX {
        return None;
    }
    let is_first_pass = |at: i64, wall: i64| {
        let shown = Offset::UTC.to_datetime(instant(wall));
        let first = zone.time_zone().to_ambiguous_timestamp(shown).compatible();
        first.is_ok_and(|first| first.as_second() == at)
    };
    let (mut named, mut before, mut at) = (Vec::new(), offset(from - step), from);
    while at < until {
        let now = offset(at);
        let is_shown = names(at + now) && (rule.fold == Fold::BothPasses || is_first_pass(at, at + now));
        let is_gap = rule.gap == Gap::AtItsEnd && now > before && now - before <= GAP_MAX;
        let left_out = std::iter::successors(Some(at + before), |wall| Some(wall + step));
        if is_shown || (is_gap && left_out.take_while(|wall| *wall < at + now).any(names)) {
            named.push(instant(at));
        }
        before = now;
        at += step;
    }
    Some(named)
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use proptest::prelude::*;

    use super::*;
    use crate::schedule::any_of::{AnyOf, Member};
    use crate::schedule::cron::CronExpression;
    use crate::schedule::every::Period;
    use crate::schedule::excluded::ExcludedDates;
    use crate::schedule::recurrence::{Recurrence, RecurrenceText, Start};
    use crate::schedule::zone::Zones;
    use crate::trigger::Terms;

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

    const LINES: [&str; 9] = [
        "30 2 * * *",
        "0 */2 * * *",
        "*/7 * * * *",
        "0 0 * * MON-FRI",
        "59 23 L * *",
        "15,45 1-3 * * *",
        "0 3 1,15 * SUN",
        "5 * * * *",
        "0 0 2 * * *",
    ];

    const RULES: [&str; 8] = [
        "FREQ=DAILY",
        "FREQ=DAILY;INTERVAL=2;BYHOUR=0,1,2,3,23;BYMINUTE=0,15,45",
        "FREQ=HOURLY;INTERVAL=5",
        "FREQ=MINUTELY;INTERVAL=7",
        "FREQ=DAILY;COUNT=13",
        "FREQ=HOURLY;COUNT=290",
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=SA,SU,MO;BYHOUR=0,2",
        "FREQ=DAILY;BYHOUR=0,1,2,3;BYSETPOS=-1",
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
            let terms = Terms { excluded, gap, fold, ..Terms::default() };
            let schedule = ScheduleDetails::new(pattern, Some(zone.clone()), terms, zone);
            prop_assert_eq!(named(&schedule, span), Some(searched(&schedule, span)));
        }

        #[test]
        fn walking_finds_what_searching_finds_of_rules(
            zone in proptest::sample::select(&ZONES),
            text in proptest::sample::select(&RULES),
            near_s in 300_000_000_i64..2_000_000_000,
            hours in 1_i64..48,
            back_h in 0_i64..40,
            gap in proptest::option::of(proptest::sample::select(&[Gap::AtItsEnd, Gap::LeftOut])),
            fold in proptest::option::of(proptest::sample::select(&[Fold::FirstPass, Fold::BothPasses])),
        ) {
            let zone = Zones::bundled().get(zone).expect("a zone");
            let near = Timestamp::from_second(near_s).expect("in range");
            let edge = zone.time_zone().following(near).next().map_or(near, |transition| transition.timestamp());
            let from = edge.checked_sub(SignedDuration::from_hours(back_h)).expect("in range");
            let span = Span { from, until: from + SignedDuration::from_hours(hours) };
            let text = RecurrenceText::read(text, &Zones::bundled()).expect("a rule");
            let day = zone.time_zone().to_datetime(edge).date().saturating_sub(jiff::Span::new().days(12));
            let start = Start { wall: day.at(2, 30, 0, 0), is_told: true };
            let pattern = Schedule::Recurrence(std::sync::Arc::new(Recurrence::new(text, start, zone.clone())));
            let terms = Terms { gap, fold, ..Terms::default() };
            let schedule = ScheduleDetails::new(pattern, Some(zone.clone()), terms, zone);
            prop_assert_eq!(named(&schedule, span), Some(searched(&schedule, span)));
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
            prop_assert_eq!(named(&schedule, span), Some(searched(&schedule, span)));
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
            prop_assert_eq!(named(&schedule, span), Some(searched(&schedule, span)));
        }
    }

    #[test]
    fn what_takes_too_many_steps_is_left_alone() {
        let expression = CronExpression::parse("* * * * * *").expect("a line");
        let schedule = ScheduleDetails::plain(Schedule::Cron { expression, zone: Zones::utc() }, None);
        let from = Timestamp::from_second(1_800_000_000).expect("in range");
        let named = |seconds| named(&schedule, Span { from, until: from + SignedDuration::from_secs(seconds) });
        assert_eq!(named(3_600).map(|named| named.len()), Some(3_600));
        assert_eq!(named(86_400), None);
    }
}
