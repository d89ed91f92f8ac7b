//! A recurrence rule in English, for those who read pages and not rules. The sentence says every part, so that nothing fires that it does
//! not tell of; it decides nothing.

use jiff::civil::DateTime;
use jiff::tz::Offset;

use crate::schedule::recurrence::parts::{End, Frequency, Parts, Weekday};
use crate::schedule::recurrence::reading::{Part, Reader};
use crate::schedule::sentence::{day, list, month_name, ordinal, weekday_name};

/// As many times of day are listed; more than this is not read any more.
const TIMES_MAX: usize = 6;

/// The sentence for a completed rule.
pub(super) fn of(parts: &Parts, start: DateTime, exceptions: usize) -> String {
    let mut words = every(parts);
    let day = one_day_of_year(parts);
    match &day {
        Some(day) => words.push_str(&format!(" on {day}")),
        None => {
            let days = days(parts);
            let has_days = !days.is_empty();
            words.push_str(&days);
            if !parts.months.is_empty() {
                let names = list(&month_names(parts));
                let also = if has_days && !words.ends_with("month") { "," } else { "" };
                words.push_str(&format!("{also} in {names}"));
            }
        }
    }
    words.push_str(&times(parts));
    if !parts.positions.is_empty() {
        let unit = parts.frequency.unit();
        let places: Vec<String> = parts.positions.iter().map(|place| nth(*place)).collect();
        words.push_str(&format!(", of which only the {} of each {unit}", list(&places)));
    }
    match parts.end {
        End::Never => {}
        End::Count(1) => words.push_str(", once"),
        End::Count(count) => words.push_str(&format!(", {count} times")),
        End::Date(_) | End::Wall(_) | End::Instant(_) => words.push_str(&format!(", until {}", end(parts))),
    }
    if parts.interval > 1 || matches!(parts.end, End::Count(_)) {
        words.push_str(&format!(", counted from {}", self::day(start.date())));
    }
    match exceptions {
        0 => {}
        1 => words.push_str(", with one exception"),
        several => words.push_str(&format!(", with {several} exceptions")),
    }
    words
}

/// A part as it stands in the rule, or as the start says it.
pub(super) fn part(parts: &Parts, start: DateTime, part: Part) -> String {
    let numbers = |values: &[i16]| {
        let texts: Vec<String> = values.iter().map(ToString::to_string).collect();
        texts.join(",")
    };
    match part {
        Part::Interval => format!("{} from {}", every(parts).to_lowercase(), self::day(start.date())),
        Part::Months => list(&month_names(parts)),
        Part::WeekNumbers => numbers(&parts.week_numbers),
        Part::YearDays => numbers(&parts.year_days),
        Part::MonthDays => numbers(&parts.month_days),
        Part::Weekdays => list(&weekdays(parts)),
        Part::Hours => numbers(&parts.hours),
        Part::Minutes => numbers(&parts.minutes),
        Part::Seconds => numbers(&parts.seconds),
        Part::Positions => numbers(&parts.positions),
    }
}

/// What a reading of the clock shows where a part asks for something else.
pub(super) fn shown(reader: &Reader<'_>, part: Part, wall: DateTime) -> String {
    let date = wall.date();
    match part {
        Part::Interval => {
            let (unit, behind) = (reader.parts.frequency.unit(), reader.periods_after_start(wall));
            let plural = if behind.abs() == 1 { "" } else { "s" };
            let side = if behind < 0 { "before" } else { "after" };
            format!("{} {unit}{plural} {side} the start", behind.abs())
        }
        Part::Months => month_name(wall.month().unsigned_abs()).to_owned(),
        Part::WeekNumbers => reader.week_of_year(date).0.to_string(),
        Part::YearDays => date.day_of_year().to_string(),
        Part::MonthDays => wall.day().to_string(),
        Part::Weekdays => {
            let name = weekday_name(date.weekday().to_sunday_zero_offset().unsigned_abs());
            match reader.parts.weekdays.iter().any(|weekday| weekday.ordinal != 0) {
                true => format!("the {} {name}", nth((i16::from(wall.day()) - 1) / 7 + 1)),
                false => name.to_owned(),
            }
        }
        Part::Hours => wall.hour().to_string(),
        Part::Minutes => wall.minute().to_string(),
        Part::Seconds => wall.second().to_string(),
        Part::Positions => reader.place(wall).0.to_string(),
    }
}

/// The end that `UNTIL` says; empty where there is none.
pub(super) fn end(parts: &Parts) -> String {
    match parts.end {
        End::Never | End::Count(_) => String::new(),
        End::Date(date) => day(date),
        End::Wall(until) => moment(until),
        End::Instant(until) => format!("{} UTC", moment(Offset::UTC.to_datetime(until))),
    }
}

fn every(parts: &Parts) -> String {
    let unit = parts.frequency.unit();
    match parts.interval {
        1 => format!("Every {unit}"),
        2 if parts.frequency >= Frequency::Daily => format!("Every second {unit}"),
        interval => format!("Every {interval} {unit}s"),
    }
}

/// "10 January", where a rule names one day of the year.
fn one_day_of_year(parts: &Parts) -> Option<String> {
    let has_others = !parts.week_numbers.is_empty() || !parts.year_days.is_empty() || !parts.weekdays.is_empty();
    match (parts.months.as_slice(), parts.month_days.as_slice()) {
        (&[month], &[day]) if day > 0 && !has_others => {
            Some(format!("{day} {}", month_name(u8::try_from(month).unwrap_or(1))))
        }
        _ => None,
    }
}

fn days(parts: &Parts) -> String {
    let mut words = String::new();
    if !parts.week_numbers.is_empty() {
        words.push_str(&format!(" in {} of the year", numbered("week", &parts.week_numbers)));
    }
    if !parts.year_days.is_empty() {
        words.push_str(&format!(" on {} of the year", numbered("day", &parts.year_days)));
    }
    if !parts.month_days.is_empty() {
        words.push_str(&format!(" on {} of the month", numbered("day", &parts.month_days)));
    }
    if !parts.weekdays.is_empty() {
        let is_limit = !parts.month_days.is_empty() || !parts.year_days.is_empty();
        let names = list(&weekdays(parts));
        words.push_str(&if is_limit { format!(" that is {names}") } else { format!(" on {names}") });
        if parts.weekdays.iter().any(|weekday| weekday.ordinal != 0) {
            let scope = if parts.ordinals_count_in_the_year() { "year" } else { "month" };
            words.push_str(&format!(" of the {scope}"));
        }
    }
    words
}

/// "day 1", "days 1 and 15", "the last day", "day 1 and the last day"
fn numbered(noun: &str, numbers: &[i16]) -> String {
    let forward: Vec<String> = numbers.iter().filter(|number| **number > 0).map(ToString::to_string).collect();
    let back: Vec<String> = numbers
        .iter()
        .filter(|number| **number < 0)
        .rev()
        .map(|number| format!("the {} {noun}", nth(*number)))
        .collect();
    let plural = if forward.len() == 1 { "" } else { "s" };
    let mut words = if forward.is_empty() { Vec::new() } else { vec![format!("{noun}{plural} {}", list(&forward))] };
    words.extend(back);
    list(&words)
}

fn weekdays(parts: &Parts) -> Vec<String> {
    let name = |day: u8| weekday_name((day + 1) % 7);
    let plain: Vec<u8> =
        parts.weekdays.iter().filter(|weekday| weekday.ordinal == 0).map(|weekday| weekday.day).collect();
    let is_row = plain.len() > 2 && plain.windows(2).all(|pair| pair[0] + 1 == pair[1]);
    let mut words: Vec<String> = match plain.as_slice() {
        [first, .., last] if is_row => vec![format!("{} to {}", name(*first), name(*last))],
        each => each.iter().map(|day| name(*day).to_owned()).collect(),
    };
    let mut ordinals: Vec<&Weekday> = parts.weekdays.iter().filter(|weekday| weekday.ordinal != 0).collect();
    ordinals.sort_by_key(|weekday| (weekday.ordinal < 0, weekday.ordinal));
    words.extend(ordinals.iter().map(|weekday| format!("the {} {}", nth(weekday.ordinal), name(weekday.day))));
    words
}

fn month_names(parts: &Parts) -> Vec<&'static str> {
    parts.months.iter().map(|month| month_name(u8::try_from(*month).unwrap_or(1))).collect()
}

/// "first", "2nd", "last", "2nd-last"
fn nth(number: i16) -> String {
    match (number, number.unsigned_abs()) {
        (1, _) => "first".to_owned(),
        (-1, _) => "last".to_owned(),
        (number, count) if number < 0 => format!("{}-last", ordinal(count)),
        (_, count) => ordinal(count),
    }
}

fn times(parts: &Parts) -> String {
    let (hours, minutes, seconds) = (&parts.hours, &parts.minutes, &parts.seconds);
    let is_full = [hours.len() == 24, minutes.len() == 60, seconds.len() == 60];
    if is_full == [true; 3] {
        return String::new();
    }
    if hours.len() * minutes.len() * seconds.len() <= TIMES_MAX {
        let times = hours.iter().flat_map(|hour| {
            minutes.iter().flat_map(move |minute| seconds.iter().map(move |second| (*hour, *minute, *second)))
        });
        let face = |(hour, minute, second): (i16, i16, i16)| match second {
            0 => format!("{hour:02}:{minute:02}"),
            _ => format!("{hour:02}:{minute:02}:{second:02}"),
        };
        let times: Vec<String> = times.map(face).collect();
        return format!(" at {}", list(&times));
    }
    let of_minute = *seconds != [0] && !is_full[2];
    let is_on_the_hour = *minutes == [0] && !of_minute && parts.frequency == Frequency::Hourly;
    let of_hour = !is_full[1] && !is_on_the_hour;
    let lists = [("hour", hours, !is_full[0]), ("minute", minutes, of_hour), ("second", seconds, of_minute)];
    let named = lists.into_iter().filter(|(_, _, is_said)| *is_said);
    let words: Vec<String> = named.map(|(unit, values, _)| at(unit, values)).collect();
    if words.is_empty() { String::new() } else { format!(" at {}", list(&words)) }
}

/// "minute 0", "hours 9 to 17", "minutes 0, 20 and 40"
fn at(unit: &str, values: &[i16]) -> String {
    let is_row = values.len() > 2 && values.windows(2).all(|pair| pair[0] + 1 == pair[1]);
    match values {
        [only] => format!("{unit} {only}"),
        [first, .., last] if is_row => format!("{unit}s {first} to {last}"),
        each => format!("{unit}s {}", list(each)),
    }
}

fn moment(at: DateTime) -> String {
    let time = if at.second() == 0 { at.strftime("%H:%M") } else { at.strftime("%H:%M:%S") };
    format!("{} at {time}", day(at.date()))
}
