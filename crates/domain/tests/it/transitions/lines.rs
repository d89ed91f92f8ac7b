//! What is asked at a transition: times around what the clocks leave out or show twice, daily, on weekdays, on days of the month
//! and at its end; lines that follow elapsed time; rules as calendars write them; a grid; and a time written without an offset.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use jiff::civil::DateTime;
use jiff::{Span, Timestamp};
use oncue_domain::schedule::any_of::{AnyOf, Member};
use oncue_domain::schedule::cron::CronExpression;
use oncue_domain::schedule::every::Period;
use oncue_domain::schedule::recurrence::{Recurrence, RecurrenceText, Start};
use oncue_domain::schedule::rule::{Fold, Gap, Rule};
use oncue_domain::schedule::zone::{Zone, Zones, parse_instant};
use oncue_domain::schedule::{FirstFiring, Schedule};

use super::oracle::{Face, Walk};
use super::{Transition, instant};

/// How far a window reaches beyond what its transitions can touch.
const BEYOND_S: i64 = 95 * 60;
/// Of a line that fires often every so many firings are asked about one by one, and all of those near a transition.
const PROBES: usize = 12;

/// What was read before; the same lines come back at many transitions.
#[derive(Default)]
pub(super) struct Expressions(HashMap<String, CronExpression>);

impl Expressions {
    fn read(&mut self, text: &str) -> CronExpression {
        if let Some(known) = self.0.get(text) {
            return known.clone();
        }
        let read = CronExpression::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        self.0.insert(text.to_owned(), read.clone());
        read
    }
}

type Names = Box<dyn Fn(&Face) -> bool>;

/// A cron line and what it names, said twice: as text for the engine, as a condition for the oracle.
struct Line {
    text: String,
    rule: Rule,
    names: Names,
}

fn line(text: impl Into<String>, rule: Rule, names: impl Fn(&Face) -> bool + 'static) -> Line {
    Line { text: text.into(), rule, names: Box::new(move |face| face.second == 0 && names(face)) }
}

/// Compares engine and oracle around the transitions of a window.
pub(super) fn check(zone: &Zone, window: &[Transition], expressions: &mut Expressions) {
    let widest = window.iter().map(|transition| transition.jump().abs()).max().expect("a window has transitions");
    let reach = (widest + BEYOND_S + 59) / 60 * 60;
    let (first, last) = (window[0], window[window.len() - 1]);
    // Monrovia was 44 minutes and 30 seconds behind until 1972: its clock shows full minutes at half ones.
    let is_odd = window.iter().any(|change| [change.at, change.before, change.after].iter().any(|s| s % 60 != 0));
    let walk = Walk::new(zone, first.at - reach, last.at + reach, if is_odd { 30 } else { 60 });
    let edges: Vec<i64> = window.iter().map(|transition| transition.at).collect();
    let walls: Vec<i64> = window.iter().flat_map(|transition| walls_at(*transition)).collect();
    let lines = window.iter().flat_map(|transition| lines_at(*transition)).chain(lines_anywhere());
    let context = |text: &str| format!("\"{text}\" in {} around {}", zone.name(), instant(first.at));
    for Line { text, rule, names } in lines {
        let expected = walk.firings(rule, &*names);
        let schedule = Schedule::Cron { expression: expressions.read(&text), zone: zone.clone() };
        compare(&schedule, &walk, &expected, &edges, &context(&text));
    }
    for (Line { text, names, .. }, rule) in window.iter().flat_map(|transition| lines_by_choice(*transition)) {
        let expected = walk.firings(rule, &*names);
        let schedule = Schedule::Cron { expression: expressions.read(&text).with_rule(rule), zone: zone.clone() };
        compare(&schedule, &walk, &expected, &edges, &format!("{} by {rule:?}", context(&text)));
    }
    let start = Face::of(first.at + first.before - reach).date.saturating_sub(Span::new().days(3));
    for (Line { text, rule, names }, choice) in window.iter().flat_map(|transition| rules_at(*transition)) {
        let expected = walk.firings(choice.unwrap_or(rule), &*names);
        let recurrence = recurrence(&text, start.at(0, 0, 0, 0), zone);
        assert_eq!(recurrence.rule(), rule, "{text}");
        let recurrence = choice.map_or(recurrence.clone(), |choice| recurrence.with_rule(choice));
        compare(&Schedule::Recurrence(Arc::new(recurrence)), &walk, &expected, &edges, &context(&text));
    }
    several(&walk, zone, window, &edges, expressions);
    grid(&walk, &edges);
    for wall in walls {
        let text = Face::of(wall).date.to_string() + &format!(" {}", clock(&Face::of(wall)));
        let read = parse_instant(&text, zone).map(Timestamp::as_second).ok();
        assert_eq!(read, walk.reaches(wall), "{text} in {}", zone.name());
    }
}

/// The wall times around what a transition leaves out or shows twice, full minutes.
fn walls_at(transition: Transition) -> Vec<i64> {
    let (one, other) = (transition.at + transition.before, transition.at + transition.after);
    let (low, high) = (one.min(other), one.max(other));
    let mut walls: Vec<i64> =
        [low - 60, low, (low + high) / 2, high - 60, high].map(|wall| wall.div_euclid(60) * 60).into();
    walls.sort_unstable();
    walls.dedup();
    walls
}

fn lines_at(transition: Transition) -> Vec<Line> {
    let walls = walls_at(transition);
    let mut lines = Vec::new();
    for wall in &walls {
        let Face { minute, hour, .. } = Face::of(*wall);
        lines.push(daily(minute, hour, "* * *".to_owned(), |_| true));
    }
    let (low, high) = (Face::of(walls[1 % walls.len()]), Face::of(walls[walls.len() - 1]));
    let Face { minute, hour, date, weekday, .. } = Face::of(walls[walls.len() / 2]);
    let (month, day) = (date.month(), date.day());
    let (number, next) = (weekday.to_sunday_zero_offset(), weekday.next().to_sunday_zero_offset());
    lines.push(daily(minute, hour, format!("* * {number}"), move |face| face.weekday == weekday));
    lines.push(daily(minute, hour, format!("{day} * *"), move |face| face.date.day() == day));
    lines.push(daily(minute, hour, format!("{day} * {next}"), move |face| {
        face.date.day() == day || face.weekday == weekday.next()
    }));
    lines.push(daily(minute, hour, format!("* {month} *"), move |face| face.date.month() == month));
    lines.push(daily(minute, hour, "L * *".to_owned(), Face::is_last_day));
    lines.push(daily(minute, hour, "LW * *".to_owned(), Face::is_last_workday));
    // Both ends in one line, which comes once where the one is passed over and the other is reached at the same instant.
    let (from, to) = (low.hour, high.hour);
    lines.push(line(format!("{minute} {from},{to} * * *"), Rule::FIXED, move |face| {
        face.minute == minute && (face.hour == from || face.hour == to)
    }));
    let rule = Rule::WILD;
    lines.push(line(format!("*/20 {hour} * * *"), rule, move |face| face.minute % 20 == 0 && face.hour == hour));
    lines.push(line(format!("{minute} * * * *"), rule, move |face| face.minute == minute));
    lines
}

/// A line of either kind, with the rules that it does not have by itself.
fn lines_by_choice(transition: Transition) -> Vec<(Line, Rule)> {
    let walls = walls_at(transition);
    let Face { minute, hour, .. } = Face::of(walls[walls.len() / 2]);
    let mut lines = Vec::new();
    for (gap, fold) in [
        (Gap::AtItsEnd, Fold::BothPasses),
        (Gap::LeftOut, Fold::FirstPass),
        (Gap::LeftOut, Fold::BothPasses),
        (Gap::AtItsEnd, Fold::FirstPass),
    ] {
        let rule = Rule { gap, fold };
        if rule != Rule::FIXED {
            lines.push((daily(minute, hour, "* * *".to_owned(), |_| true), rule));
        }
        if rule != Rule::WILD {
            lines.push((
                line(format!("*/20 {hour} * * *"), rule, move |face| face.minute % 20 == 0 && face.hour == hour),
                rule,
            ));
        }
    }
    lines
}

/// Rules that name such times, with what they do by themselves and what is chosen instead: by their standard what is left out does not occur.
fn rules_at(transition: Transition) -> Vec<(Line, Option<Rule>)> {
    let walls = walls_at(transition);
    let Face { minute, hour, weekday, .. } = Face::of(walls[walls.len() / 2]);
    let by_the_day = Rule { gap: Gap::LeftOut, fold: Fold::FirstPass };
    let day = ["SU", "MO", "TU", "WE", "TH", "FR", "SA"][usize::from(weekday.to_sunday_zero_offset().unsigned_abs())];
    let at = format!("BYHOUR={hour};BYMINUTE={minute}");
    let is_then = move |face: &Face| face.minute == minute && face.hour == hour;
    let every_day = || line(format!("FREQ=DAILY;{at}"), by_the_day, is_then);
    vec![
        (every_day(), None),
        (every_day(), Some(Rule::FIXED)),
        (every_day(), Some(Rule::WILD)),
        (
            line(format!("FREQ=WEEKLY;BYDAY={day};{at}"), by_the_day, move |face| {
                is_then(face) && face.weekday == weekday
            }),
            None,
        ),
        (
            line(format!("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;{at}"), by_the_day, move |face| {
                is_then(face) && face.is_last_workday()
            }),
            None,
        ),
        (line(format!("FREQ=HOURLY;BYMINUTE={minute}"), Rule::WILD, move |face| face.minute == minute), None),
        (line("FREQ=MINUTELY;INTERVAL=20", Rule::WILD, |face| face.minute % 20 == 0), None),
    ]
}

fn recurrence(text: &str, start: DateTime, zone: &Zone) -> Recurrence {
    let read = RecurrenceText::read(text, &Zones::bundled()).unwrap_or_else(|error| panic!("{text}: {error}"));
    Recurrence::new(read, Start { wall: start, is_told: true }, zone.clone())
}

fn daily(minute: i64, hour: i64, days: String, on: impl Fn(&Face) -> bool + 'static) -> Line {
    line(format!("{minute} {hour} {days}"), Rule::FIXED, move |face| {
        face.minute == minute && face.hour == hour && on(face)
    })
}

fn lines_anywhere() -> Vec<Line> {
    let rule = Rule::WILD;
    vec![
        line("* * * * *", rule, |_| true),
        line("0 */10 * * * *", rule, |face| face.minute % 10 == 0),
        line("@hourly", rule, |face| face.minute == 0),
        line("15 */2 * * 1-5", rule, |face| {
            face.minute == 15 && face.hour % 2 == 0 && (1..=5).contains(&face.weekday.to_sunday_zero_offset())
        }),
        daily(0, 0, "* * *".to_owned(), |_| true),
        line("30 0-23 * * *", Rule::FIXED, |face| face.minute == 30),
    ]
}

/// Several lines together, of which one goes by the wall and one by elapsed time: what two of them name comes once.
fn several(walk: &Walk, zone: &Zone, window: &[Transition], edges: &[i64], expressions: &mut Expressions) {
    let lines: Vec<Line> = lines_at(window[0]).into_iter().chain(lines_anywhere()).step_by(5).collect();
    let expected: BTreeSet<i64> = lines.iter().flat_map(|line| walk.firings(line.rule, &*line.names)).collect();
    let expected: Vec<i64> = expected.into_iter().collect();
    let member = |line: &Line| {
        let schedule = Schedule::Cron { expression: expressions.read(&line.text), zone: zone.clone() };
        Member { schedule, timezone: None }
    };
    let schedule = Schedule::AnyOf(AnyOf::kept(lines.iter().map(member).collect()));
    let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
    compare(&schedule, walk, &expected, edges, &format!("any of {texts:?} in {}", zone.name()));
}

/// A grid follows elapsed time and knows no zone: it comes alike before and after, whatever the clocks do.
fn grid(walk: &Walk, edges: &[i64]) {
    let (anchor, period_s) = (walk.from() - 86_400, 25 * 60);
    let schedule = Schedule::Every {
        period: Period::from_seconds(25 * 60).expect("a period"),
        anchor: instant(anchor),
        first: FirstFiring::AtAnchor,
    };
    let expected: Vec<i64> = walk.instants().filter(|at| (at - anchor) % period_s == 0).collect();
    compare(&schedule, walk, &expected, edges, "a grid");
}

/// The three questions have the oracle's answers.
fn compare(schedule: &Schedule, walk: &Walk, expected: &[i64], edges: &[i64], context: &str) {
    let (from, to) = (instant(walk.from()), instant(walk.to()));
    let named = || expected.iter().map(|second| instant(*second).to_string()).collect::<Vec<_>>();
    assert_eq!(schedule.count_in(from, to), expected.len() as u64, "{context}: the number of {:?}", named());
    assert_eq!(
        schedule.latest_in(from, to),
        expected.last().copied().map(instant),
        "{context}: the last of {:?}",
        named()
    );
    let stride = expected.len().div_ceil(PROBES).max(1);
    let mut after = walk.from();
    for (index, at) in expected.iter().enumerate() {
        let is_near = edges.iter().any(|edge| (at - edge).abs() <= 120);
        if index % stride == 0 || is_near {
            assert_eq!(
                schedule.next_after(instant(after)),
                Some(instant(*at)),
                "{context}: after {} in {:?}",
                instant(after),
                named()
            );
        }
        after = *at;
    }
    assert!(schedule.next_after(instant(after)).is_none_or(|next| next > to), "{context}: more than {:?}", named());
}

fn clock(face: &Face) -> String {
    format!("{:02}:{:02}", face.hour, face.minute)
}
