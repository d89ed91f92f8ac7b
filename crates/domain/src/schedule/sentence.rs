//! A schedule said in English, for those who read pages and not cron. The sentence explains, it decides nothing:
//! no occurrence may depend on it, and it names no zone, which stands beside it wherever it is shown.
//!
//! The common shapes are phrased here; for the rest the croner crate's description is readable enough.

use crate::schedule::Schedule;
use crate::schedule::any_of::AnyOf;
use crate::schedule::cron::CronExpression;
use crate::schedule::dialect::{Fields, Item, plural};
use crate::schedule::every::Period;
use crate::schedule::scope::Scope;
use croner::parser::CronParser;
use jiff::Timestamp;
use jiff::civil::Date;

const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// As many excluded dates are named; the others are counted.
const DATES_NAMED_MAX: usize = 3;
/// As many times of day are listed; more than this is not read any more.
const TIMES_MAX: usize = 6;

/// The sentence for a schedule: "At 09:00, Monday to Friday", "Every 90 seconds", "Once at 2027-02-15 08:30:00 UTC".
pub fn of(schedule: &Schedule) -> String {
    match schedule {
        Schedule::Once { at } => once(*at),
        Schedule::Every { period, .. } => every(period),
        Schedule::Cron { expression, .. } => cron(expression),
        Schedule::Recurrence(recurrence) => recurrence.summary(),
        Schedule::AnyOf(several) => any_of(several),
    }
}

/// Each of several, with its zone where they are not of the same.
fn any_of(several: &AnyOf) -> String {
    let is_shared = several.zone().is_some();
    let each = several.members().iter().enumerate().map(|(place, member)| {
        let zone = member.schedule.wall_zone().filter(|_| !is_shared);
        let zone = zone.map(|zone| format!(" ({})", zone.name())).unwrap_or_default();
        let mut sentence = of(&member.schedule);
        if let Some(first) = sentence.get_mut(..1).filter(|_| place > 0) {
            first.make_ascii_lowercase();
        }
        format!("{sentence}{zone}")
    });
    each.collect::<Vec<_>>().join("; and ")
}

/// What stands behind the sentence of a schedule of which this much counts: ", from 1 March 2027 until 31 May 2027 at 12:30, not on
/// 24 December 2026". Times are those of the scope's zone.
pub fn of_scope(scope: &Scope) -> String {
    let mut words = String::new();
    let bounds = [("from", scope.bounds.starts_at()), ("until", scope.bounds.ends_at())];
    let bounds = bounds.into_iter().filter_map(|(word, at)| Some(format!("{word} {}", moment(at?, scope))));
    let bounds: Vec<String> = bounds.collect();
    if !bounds.is_empty() {
        words.push_str(&format!(", {}", bounds.join(" ")));
    }
    let dates = scope.excluded.dates();
    if !dates.is_empty() || !scope.calendars.is_empty() {
        let mut named: Vec<String> = dates.iter().take(DATES_NAMED_MAX).map(|date| day(*date)).collect();
        match dates.len().saturating_sub(DATES_NAMED_MAX) {
            0 => {}
            1 => named.push("another date".to_owned()),
            others => named.push(format!("{others} other dates")),
        }
        named.extend(scope.calendars.iter().map(|calendar| format!("the dates of \"{}\"", calendar.name)));
        words.push_str(&format!(", not on {}", list(&named)));
    }
    words
}

/// The day alone at midnight, else the time too.
fn moment(at: Timestamp, scope: &Scope) -> String {
    let wall = scope.zone.time_zone().to_datetime(at);
    let time = match (wall.hour(), wall.minute(), wall.second()) {
        (0, 0, 0) => return day(wall.date()),
        (hour, minute, 0) => format!("{hour:02}:{minute:02}"),
        (hour, minute, second) => format!("{hour:02}:{minute:02}:{second:02}"),
    };
    format!("{} at {time}", day(wall.date()))
}

/// "24 December 2026"
pub(super) fn day(date: Date) -> String {
    let month = usize::try_from(date.month() - 1).ok().and_then(|month| MONTHS.get(month)).unwrap_or(&"");
    format!("{} {month} {}", date.day(), date.year())
}

fn once(at: Timestamp) -> String {
    let text = at.to_string().replace('T', " ");
    format!("Once at {} UTC", text.trim_end_matches('Z'))
}

fn every(period: &Period) -> String {
    let micros = period.micros();
    // A single day is said in hours, because it is 24 of them even where a day has 23.
    let units = [(86_400, "day", 2), (3_600, "hour", 1), (60, "minute", 1), (1, "second", 1)];
    for (seconds, unit, least) in units {
        let length = seconds * 1_000_000;
        if micros.is_multiple_of(length) && micros / length >= least {
            return format!("Every {}", counted(micros / length, unit));
        }
    }
    let fraction = format!("{:06}", micros % 1_000_000);
    format!("Every {}.{} seconds", period.whole_seconds(), fraction.trim_end_matches('0'))
}

fn cron(expression: &CronExpression) -> String {
    let fields = expression.fields();
    let words = times(&fields).and_then(|times| Some(times.with(days(&fields)?, months(&fields)?)));
    words.unwrap_or_else(|| described(&fields))
}

fn described(fields: &Fields) -> String {
    let cron = CronParser::new().parse(&fields.to_string());
    let text = cron.map(|cron| cron.describe()).unwrap_or_else(|_| fields.to_string());
    text.trim_end_matches('.').to_owned()
}

/// The part of the sentence about the time of day.
struct Times {
    words: String,
    /// Whether it names moments of a day, which read oddly without a day beside them.
    wants_days: bool,
}

impl Times {
    fn with(self, days: Days, months: Option<String>) -> String {
        let mut sentence = self.words;
        match (days, months) {
            (Days::Every, None) if !self.wants_days => {}
            (Days::Every, None) => sentence.push_str(", every day"),
            (Days::Every, Some(months)) if !self.wants_days => sentence.push_str(&format!(", in {months}")),
            (Days::Every, Some(months)) => sentence.push_str(&format!(", every day in {months}")),
            (Days::OfMonth(days), months) => {
                let months = months.unwrap_or_else(|| "the month".to_owned());
                sentence.push_str(&format!(" on {days} of {months}"));
            }
            (Days::OfWeek(days), None) => sentence.push_str(&format!(", {days}")),
            (Days::OfWeek(days), Some(months)) => sentence.push_str(&format!(", {days}, in {months}")),
            (Days::Either(month_days, week_days), months) => {
                let of = months.unwrap_or_else(|| "the month".to_owned());
                let within = if of == "the month" { String::new() } else { format!(" in {of}") };
                sentence.push_str(&format!(" on {month_days} of {of}, and also {week_days}{within}"));
            }
        }
        sentence
    }
}

fn times(fields: &Fields) -> Option<Times> {
    let second = match fields.second.as_deref() {
        None | Some([Item::One(0)]) => return minutes_and_hours(fields),
        Some([second]) => *second,
        Some(_) => return None,
    };
    let (minute, hour) = (fields.minute.as_slice(), fields.hour.as_slice());
    let moving = |words: String| Some(Times { words, wants_days: false });
    match second {
        Item::All | Item::AllBy(_) if minute == [Item::All] => moving(within(&repeated(second, "second", 60)?, hour)?),
        Item::One(second) if minute == [Item::All] && hour == [Item::All] => {
            moving(format!("At second {second} of every minute"))
        }
        Item::One(second) => listed(fields, Some(second)),
        _ => None,
    }
}

fn minutes_and_hours(fields: &Fields) -> Option<Times> {
    let (minute, hour) = (fields.minute.as_slice(), fields.hour.as_slice());
    let moving = |words: String| Some(Times { words, wants_days: false });
    if let [every @ (Item::All | Item::AllBy(_))] = minute {
        return moving(within(&repeated(*every, "minute", 60)?, hour)?);
    }
    if let Some(times) = listed(fields, None) {
        return Some(times);
    }
    let minutes = values(minute)?;
    let on_the_hour = minutes == [0];
    let at = format!("At {} {}", plural("minute", minutes.len()), list(&minutes));
    match hour {
        [Item::All] if on_the_hour => moving("Every hour".to_owned()),
        [Item::All] => moving(format!("{at} of every hour")),
        [by @ Item::AllBy(_)] if on_the_hour => moving(repeated(*by, "hour", 24)?),
        [Item::AllBy(step)] => moving(format!("{at} of every {} hour", ordinal(*step))),
        [Item::Range(from, to)] if on_the_hour => moving(format!("Every hour from {from:02}:00 to {to:02}:00")),
        [Item::Range(from, to)] => moving(format!("{at} of every hour from {from:02}:00 to {to:02}:59")),
        [Item::RangeBy(from, to, step)] if on_the_hour => {
            let every = counted((*step).into(), "hour");
            moving(format!("Every {every} from {from:02}:00 to {to:02}:00"))
        }
        _ => None,
    }
}

/// "At 09:00 and 17:00", where the expression spells out a few times of day.
fn listed(fields: &Fields, second: Option<u8>) -> Option<Times> {
    let hours = values(&fields.hour)?;
    let minutes = values(&fields.minute)?;
    if hours.len() * minutes.len() > TIMES_MAX {
        return None;
    }
    let seconds = second.map_or(String::new(), |second| format!(":{second:02}"));
    let time = |hour: &u8, minute: &u8| format!("{hour:02}:{minute:02}{seconds}");
    let times: Vec<String> =
        hours.iter().flat_map(|hour| minutes.iter().map(move |minute| time(hour, minute))).collect();
    Some(Times { words: format!("At {}", list(&times)), wants_days: true })
}

/// "Every 15 minutes", and where the steps do not fill the larger unit, how they begin anew with it.
fn repeated(item: Item, unit: &str, whole: u8) -> Option<String> {
    let larger = if unit == "second" { "minute" } else { "hour" };
    match item {
        Item::All => Some(format!("Every {unit}")),
        Item::AllBy(step) if whole.is_multiple_of(step) => Some(format!("Every {}", counted(step.into(), unit))),
        Item::AllBy(step) if unit == "hour" => Some(format!("Every {} from 00:00", counted(step.into(), unit))),
        Item::AllBy(step) => Some(format!("Every {} from the start of each {larger}", counted(step.into(), unit))),
        _ => None,
    }
}

fn within(every: &str, hour: &[Item]) -> Option<String> {
    match hour {
        [Item::All] => Some(every.to_owned()),
        [Item::One(hour)] => Some(format!("{every}, from {hour:02}:00 to {hour:02}:59")),
        [Item::Range(from, to)] => Some(format!("{every}, from {from:02}:00 to {to:02}:59")),
        [Item::AllBy(step)] => Some(format!("{every} of every {} hour", ordinal(*step))),
        _ => {
            let hours = values(hour)?;
            Some(format!("{every} of the hours {}", list(&hours)))
        }
    }
}

/// The part of the sentence about days.
enum Days {
    Every,
    OfMonth(String),
    OfWeek(String),
    Either(String, String),
}

fn days(fields: &Fields) -> Option<Days> {
    match (fields.day.as_slice(), fields.weekday.as_slice()) {
        ([Item::All], [Item::All]) => Some(Days::Every),
        (day, [Item::All]) => month_days(day).map(Days::OfMonth),
        ([Item::All], weekday) => week_days(weekday).map(Days::OfWeek),
        (day, weekday) => Some(Days::Either(month_days(day)?, week_days(weekday)?)),
    }
}

fn month_days(items: &[Item]) -> Option<String> {
    let numbers: Option<Vec<String>> = items
        .iter()
        .map(|item| match item {
            Item::One(day) => Some(day.to_string()),
            Item::Range(from, to) => Some(format!("{from} to {to}")),
            _ => None,
        })
        .collect();
    if let Some(numbers) = numbers {
        let single = matches!(items, [Item::One(_)]);
        return Some(format!("{} {}", plural("day", if single { 1 } else { 2 }), list(&numbers)));
    }
    let phrases: Option<Vec<String>> = items.iter().map(|item| month_day(*item)).collect();
    phrases.map(|phrases| list(&phrases))
}

fn month_day(item: Item) -> Option<String> {
    match item {
        Item::One(day) => Some(format!("day {day}")),
        Item::Range(from, to) => Some(format!("days {from} to {to}")),
        Item::AllBy(1) => Some("every day".to_owned()),
        Item::AllBy(step) => Some(format!("every {} day from day 1", ordinal(step))),
        Item::RangeBy(from, to, step) => Some(format!("every {} day from day {from} to {to}", ordinal(step))),
        Item::LastDay => Some("the last day".to_owned()),
        Item::LastWorkday => Some("the last working day".to_owned()),
        Item::Workday(day) => Some(format!("the working day nearest to day {day}")),
        Item::All | Item::Nth(..) | Item::Last(_) => None,
    }
}

fn week_days(items: &[Item]) -> Option<String> {
    if let Some(numbers) = values(items).or_else(|| stepped_weekdays(items)) {
        return Some(plain_week_days(&numbers));
    }
    let phrases: Option<Vec<String>> = items
        .iter()
        .map(|item| match item {
            Item::Nth(weekday, nth) => Some(format!("the {} {}", ordinal(*nth), weekday_name(*weekday))),
            Item::Last(weekday) => Some(format!("the last {}", weekday_name(*weekday))),
            _ => None,
        })
        .collect();
    phrases.map(|phrases| format!("on {} of the month", list(&phrases)))
}

fn stepped_weekdays(items: &[Item]) -> Option<Vec<u8>> {
    match items {
        [Item::AllBy(step)] => Some((0..=7).step_by((*step).into()).collect()),
        _ => None,
    }
}

/// "Monday to Friday", "every Monday", "every Monday, Wednesday and Friday"; the week begins on Monday.
fn plain_week_days(numbers: &[u8]) -> String {
    let mut week: Vec<u8> = numbers.iter().map(|weekday| (weekday + 6) % 7).collect();
    week.sort_unstable();
    week.dedup();
    let name = |weekday: u8| weekday_name((weekday + 1) % 7);
    let (first, last) = (week[0], week[week.len() - 1]);
    match week.len() {
        7 => "every day of the week".to_owned(),
        length if length > 2 && usize::from(last - first) + 1 == length => {
            format!("{} to {}", name(first), name(last))
        }
        _ => {
            let names: Vec<&str> = week.iter().map(|weekday| name(*weekday)).collect();
            format!("every {}", list(&names))
        }
    }
}

fn months(fields: &Fields) -> Option<Option<String>> {
    let name = |month: u8| MONTHS[usize::from(month) - 1];
    match fields.month.as_slice() {
        [Item::All] => Some(None),
        [Item::Range(from, to)] if to - from > 1 => Some(Some(format!("{} to {}", name(*from), name(*to)))),
        [Item::AllBy(step)] => {
            let names: Vec<&str> = (1..=12).step_by((*step).into()).map(name).collect();
            Some(Some(list(&names)))
        }
        items => {
            let names: Vec<&str> = values(items)?.into_iter().map(name).collect();
            Some(Some(list(&names)))
        }
    }
}

/// The numbers of a field that spells them out, in order.
fn values(items: &[Item]) -> Option<Vec<u8>> {
    let mut values = Vec::new();
    for item in items {
        match item {
            Item::One(value) => values.push(*value),
            Item::Range(from, to) => values.extend(*from..=*to),
            Item::RangeBy(from, to, step) => values.extend((*from..=*to).step_by((*step).into())),
            _ => return None,
        }
    }
    values.sort_unstable();
    values.dedup();
    Some(values)
}

/// The day's name; Sunday is 0, and 7 as well.
pub(super) fn weekday_name(weekday: u8) -> &'static str {
    WEEKDAYS[usize::from(weekday % 7)]
}

/// The name of a month from 1 to 12.
pub(super) fn month_name(month: u8) -> &'static str {
    MONTHS[usize::from(month.clamp(1, 12)) - 1]
}

/// "hour", "2 hours"
fn counted(count: u64, unit: &str) -> String {
    if count == 1 { unit.to_owned() } else { format!("{count} {unit}s") }
}

/// "1st", "22nd"
pub(super) fn ordinal(number: impl Into<u32>) -> String {
    let number = number.into();
    let ending = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

/// "a", "a and b", "a, b and c"
pub(super) fn list<T: ToString>(items: &[T]) -> String {
    let words: Vec<String> = items.iter().map(ToString::to_string).collect();
    match words.as_slice() {
        [] => String::new(),
        [only] => only.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::FirstFiring;
    use crate::schedule::zone::Zones;

    fn said(text: &str) -> String {
        let expression = CronExpression::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        Schedule::Cron { expression, zone: Zones::utc() }.summary()
    }

    #[test]
    fn one_shots_and_periods() {
        let at: Timestamp = "2027-02-15T14:00:00+05:30".parse().expect("well written");
        assert_eq!(Schedule::Once { at }.summary(), "Once at 2027-02-15 08:30:00 UTC");
        #[rustfmt::skip]
        let rows = [
            ("90s", "Every 90 seconds"),
            ("1s", "Every second"),
            ("60s", "Every minute"),
            ("1h30m", "Every 90 minutes"),
            ("1h", "Every hour"),
            ("24h", "Every 24 hours"),
            ("2d", "Every 2 days"),
            ("1w", "Every 7 days"),
            ("1.5s", "Every 1.5 seconds"),
            ("36h", "Every 36 hours"),
        ];
        for (text, sentence) in rows {
            let period = Period::parse(text).expect("well written");
            let schedule = Schedule::Every { period, anchor: at, first: FirstFiring::AtAnchor };
            assert_eq!(schedule.summary(), sentence);
        }
    }

    #[test]
    fn expressions_read_as_somebody_would_say_them() {
        #[rustfmt::skip]
        let rows = [
            ("0 9 * * 1-5", "At 09:00, Monday to Friday"),
            ("0 9 * * MON-FRI", "At 09:00, Monday to Friday"),
            ("* * * * *", "Every minute"),
            ("*/15 * * * *", "Every 15 minutes"),
            ("*/7 * * * *", "Every 7 minutes from the start of each hour"),
            ("*/1 * * * *", "Every minute"),
            ("30 2 * * *", "At 02:30, every day"),
            ("@daily", "At 00:00, every day"),
            ("@hourly", "Every hour"),
            ("@weekly", "At 00:00, every Sunday"),
            ("@monthly", "At 00:00 on day 1 of the month"),
            ("@yearly", "At 00:00 on day 1 of January"),
            ("5 * * * *", "At minute 5 of every hour"),
            ("0,30 * * * *", "At minutes 0 and 30 of every hour"),
            ("0 9,17 * * *", "At 09:00 and 17:00, every day"),
            ("0,30 9,17 * * *", "At 09:00, 09:30, 17:00 and 17:30, every day"),
            ("0 9-17 * * *", "Every hour from 09:00 to 17:00"),
            ("0 9-11 * * 1-5", "At 09:00, 10:00 and 11:00, Monday to Friday"),
            ("0 0-23/2 * * *", "Every 2 hours from 00:00 to 23:00"),
            ("30 9-17 * * *", "At minute 30 of every hour from 09:00 to 17:59"),
            ("0 */2 * * *", "Every 2 hours"),
            ("0 */7 * * *", "Every 7 hours from 00:00"),
            ("15 */2 * * *", "At minute 15 of every 2nd hour"),
            ("*/10 9-17 * * 1-5", "Every 10 minutes, from 09:00 to 17:59, Monday to Friday"),
            ("* 9 * * *", "Every minute, from 09:00 to 09:59"),
            ("* 9,17 * * *", "Every minute of the hours 9 and 17"),
            ("*/15 * * 1 *", "Every 15 minutes, in January"),
            ("0 9 * 6-8 *", "At 09:00, every day in June to August"),
            ("0 9 * 1 1-5", "At 09:00, Monday to Friday, in January"),
            ("0 9 * * 1", "At 09:00, every Monday"),
            ("0 9 * * 1,3,5", "At 09:00, every Monday, Wednesday and Friday"),
            ("0 9 * * 0,6", "At 09:00, every Saturday and Sunday"),
            ("0 9 * * 6-7", "At 09:00, every Saturday and Sunday"),
            ("0 9 * * 0-6", "At 09:00, every day of the week"),
            ("0 9 1,15 * *", "At 09:00 on days 1 and 15 of the month"),
            ("0 9 1-7 * *", "At 09:00 on days 1 to 7 of the month"),
            ("0 9 */2 * *", "At 09:00 on every 2nd day from day 1 of the month"),
            ("0 0 29 2 *", "At 00:00 on day 29 of February"),
            ("0 0 1 */6 *", "At 00:00 on day 1 of January and July"),
            ("0 0 L * *", "At 00:00 on the last day of the month"),
            ("0 0 LW * *", "At 00:00 on the last working day of the month"),
            ("0 0 15W * *", "At 00:00 on the working day nearest to day 15 of the month"),
            ("0 0 * * 1#2", "At 00:00, on the 2nd Monday of the month"),
            ("0 0 * * 5L", "At 00:00, on the last Friday of the month"),
            ("0 0 13 * 5", "At 00:00 on day 13 of the month, and also every Friday"),
            ("* * * * * *", "Every second"),
            ("*/10 * * * * *", "Every 10 seconds"),
            ("30 * * * * *", "At second 30 of every minute"),
            ("15 30 9 * * 1-5", "At 09:30:15, Monday to Friday"),
            ("0 */5 * * * *", "Every 5 minutes"),
        ];
        for (text, sentence) in rows {
            assert_eq!(said(text), sentence, "{text}");
        }
    }

    #[test]
    fn the_rest_is_readable_too() {
        for text in ["1-5,30 */3 * * *", "*/20 5 9 1 * 1", "0-10/2 1,5 * * 1-5/2", "1,2,3 4 5,6 * * 1#1,3"] {
            let sentence = said(text);
            assert!(sentence.len() > 10 && !sentence.ends_with('.') && !sentence.contains('*'), "{text}: {sentence}");
        }
    }
}
