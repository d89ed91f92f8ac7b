//! The parts of a recurrence rule (RFC 5545 §3.3.10), read and checked. Whatever is not carried out is refused here by its name, because a
//! rule of which a part is silently left aside fires at times that nobody asked for. No zone and no instant but that of `UNTIL` may enter.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};

use crate::schedule::Invalid;
use crate::schedule::recurrence::moment::{self, Moment};

/// How many occurrences a rule may count; who means more means `max_fires` or an end.
pub(super) const COUNT_MAX: u64 = 100_000;
/// Longer than anything between 1970 and 2199.
const INTERVAL_MAX: i64 = 7_258_118_400;

/// How often a rule comes back, the most often first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Frequency {
    Secondly,
    Minutely,
    Hourly,
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

impl Frequency {
    const ALL: [(&'static str, Frequency); 7] = [
        ("SECONDLY", Frequency::Secondly),
        ("MINUTELY", Frequency::Minutely),
        ("HOURLY", Frequency::Hourly),
        ("DAILY", Frequency::Daily),
        ("WEEKLY", Frequency::Weekly),
        ("MONTHLY", Frequency::Monthly),
        ("YEARLY", Frequency::Yearly),
    ];

    pub(super) fn word(self) -> &'static str {
        Frequency::ALL.into_iter().find(|(_, frequency)| *frequency == self).map_or("", |(word, _)| word)
    }

    /// What it counts: "day".
    pub(super) fn unit(self) -> &'static str {
        match self {
            Frequency::Secondly => "second",
            Frequency::Minutely => "minute",
            Frequency::Hourly => "hour",
            Frequency::Daily => "day",
            Frequency::Weekly => "week",
            Frequency::Monthly => "month",
            Frequency::Yearly => "year",
        }
    }
}

/// A day of the week in `BYDAY`, perhaps the n-th of its month or year.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Weekday {
    /// 0 is Monday.
    pub(super) day: u8,
    /// Counted from the end where it is below 0; 0 is every one.
    pub(super) ordinal: i16,
}

/// When a rule ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Never,
    /// After so many occurrences.
    Count(u64),
    /// With all of a day.
    Date(Date),
    /// With a time on the clock of the rule's zone.
    Wall(DateTime),
    /// With an instant.
    Instant(Timestamp),
}

/// A rule, each list in order and without repetition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) frequency: Frequency,
    pub(super) interval: i64,
    pub(super) end: End,
    pub(super) months: Vec<i16>,
    pub(super) week_numbers: Vec<i16>,
    pub(super) year_days: Vec<i16>,
    pub(super) month_days: Vec<i16>,
    pub(super) weekdays: Vec<Weekday>,
    pub(super) hours: Vec<i16>,
    pub(super) minutes: Vec<i16>,
    pub(super) seconds: Vec<i16>,
    pub(super) positions: Vec<i16>,
    /// The day on which weeks begin; 0 is Monday.
    pub(super) week_start: u8,
}

const WEEKDAYS: [&str; 7] = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];

impl Parts {
    /// Reads what stands behind `RRULE:`.
    pub(super) fn read(text: &str) -> Result<Parts, Invalid> {
        let mut given: Vec<(String, String)> = Vec::new();
        for part in text.split(';').map(str::trim) {
            let part = part.to_ascii_uppercase();
            if part.is_empty() {
                continue;
            }
            let Some((name, value)) = part.split_once('=') else {
                return Err(Invalid(format!(
                    "\"{}\" is no part of a rule; parts look like \"FREQ=WEEKLY\"",
                    shown(&part)
                )));
            };
            let (name, value) = (name.trim().to_owned(), value.trim().to_owned());
            if given.iter().any(|(known, _)| *known == name) {
                return Err(Invalid(format!("{} stands twice in the rule", shown(&name))));
            }
            given.push((name, value));
        }
        let mut given = Given(given);
        let parts = given.parts()?;
        match given.0.first() {
            None => parts.check().map(|()| parts),
            Some((name, _)) if name == "RSCALE" || name == "SKIP" => Err(Invalid(format!(
                "{name} is not carried out: rules go by the Gregorian calendar, and days that do not exist are left out"
            ))),
            Some((name, _)) => Err(Invalid(format!("{} is no part of a rule (RFC 5545)", shown(name)))),
        }
    }

    /// The rule with what its start says where it is silent itself.
    pub(super) fn completed(&self, start: DateTime) -> Parts {
        let mut parts = self.clone();
        let names_days = !self.year_days.is_empty() || !self.month_days.is_empty() || !self.weekdays.is_empty();
        let weekday = Weekday { day: weekday_of(start.date()), ordinal: 0 };
        match self.frequency {
            Frequency::Yearly if names_days => {}
            Frequency::Yearly if !self.week_numbers.is_empty() => parts.weekdays = vec![weekday],
            Frequency::Yearly => {
                if self.months.is_empty() {
                    parts.months = vec![start.month().into()];
                }
                parts.month_days = vec![start.day().into()];
            }
            Frequency::Monthly if !names_days => parts.month_days = vec![start.day().into()],
            Frequency::Weekly if !names_days => parts.weekdays = vec![weekday],
            _ => {}
        }
        let implied = |list: &mut Vec<i16>, finest: Frequency, value: i8, all: i16| {
            if list.is_empty() {
                *list = if self.frequency > finest { vec![value.into()] } else { (0..all).collect() };
            }
        };
        implied(&mut parts.hours, Frequency::Hourly, start.hour(), 24);
        implied(&mut parts.minutes, Frequency::Minutely, start.minute(), 60);
        implied(&mut parts.seconds, Frequency::Secondly, start.second(), 60);
        parts
    }

    /// Whether the ordinals of its weekdays count within the year, and not within the month.
    pub(super) fn ordinals_count_in_the_year(&self) -> bool {
        self.frequency == Frequency::Yearly && self.months.is_empty()
    }

    /// What RFC 5545 does not allow together.
    fn check(&self) -> Result<(), Invalid> {
        let by = self.frequency.word();
        let (frequency, refuse) = (self.frequency, |text: String| Err(Invalid(text)));
        if !self.week_numbers.is_empty() && frequency != Frequency::Yearly {
            return refuse(format!("BYWEEKNO goes with FREQ=YEARLY alone, not with {by}"));
        }
        if !self.year_days.is_empty() && (Frequency::Daily..=Frequency::Monthly).contains(&frequency) {
            return refuse(format!("BYYEARDAY does not go with FREQ={by}"));
        }
        if !self.month_days.is_empty() && frequency == Frequency::Weekly {
            return refuse("BYMONTHDAY does not go with FREQ=WEEKLY; write FREQ=DAILY or FREQ=MONTHLY".to_owned());
        }
        if self.weekdays.iter().any(|weekday| weekday.ordinal != 0) {
            if frequency < Frequency::Monthly {
                return refuse(format!(
                    "a number before a day in BYDAY goes with FREQ=MONTHLY and FREQ=YEARLY alone, not with {by}"
                ));
            }
            if !self.week_numbers.is_empty() {
                return refuse("a number before a day in BYDAY does not go with BYWEEKNO".to_owned());
            }
        }
        let lists = [
            &self.months,
            &self.week_numbers,
            &self.year_days,
            &self.month_days,
            &self.hours,
            &self.minutes,
            &self.seconds,
        ];
        if !self.positions.is_empty() && self.weekdays.is_empty() && lists.iter().all(|list| list.is_empty()) {
            return refuse("BYSETPOS picks among what other BY parts name; add one, BYDAY say".to_owned());
        }
        Ok(())
    }
}

/// The parts as they were given; who reads one takes it out.
struct Given(Vec<(String, String)>);

impl Given {
    fn take(&mut self, name: &str) -> Option<String> {
        let place = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.remove(place).1)
    }

    fn parts(&mut self) -> Result<Parts, Invalid> {
        let frequency = self.take("FREQ").ok_or_else(|| {
            Invalid("a rule says how often it comes back; write it like \"FREQ=WEEKLY;BYDAY=MO,WE\"".to_owned())
        })?;
        let known = Frequency::ALL.into_iter().find(|(word, _)| *word == frequency);
        let Some((_, frequency)) = known else {
            let words: Vec<&str> = Frequency::ALL.into_iter().rev().map(|(word, _)| word).collect();
            return Err(Invalid(format!("FREQ={} is none of {}", shown(&frequency), words.join(", "))));
        };
        Ok(Parts {
            frequency,
            interval: match self.take("INTERVAL") {
                None => 1,
                Some(text) => number(&text, 1, INTERVAL_MAX)
                    .ok_or_else(|| Invalid(format!("INTERVAL={} is not a whole number from 1 on", shown(&text))))?,
            },
            end: self.end()?,
            months: self.numbers("BYMONTH", 1, 12, false)?,
            week_numbers: self.numbers("BYWEEKNO", 1, 53, true)?,
            year_days: self.numbers("BYYEARDAY", 1, 366, true)?,
            month_days: self.numbers("BYMONTHDAY", 1, 31, true)?,
            weekdays: self.weekdays()?,
            hours: self.numbers("BYHOUR", 0, 23, false)?,
            minutes: self.numbers("BYMINUTE", 0, 59, false)?,
            seconds: self.numbers("BYSECOND", 0, 59, false)?,
            positions: self.numbers("BYSETPOS", 1, 366, true)?,
            week_start: match self.take("WKST") {
                None => 0,
                Some(text) => {
                    weekday(&text)
                        .filter(|weekday| weekday.ordinal == 0)
                        .ok_or_else(|| Invalid(format!("WKST={} is none of {}", shown(&text), WEEKDAYS.join(", "))))?
                        .day
                }
            },
        })
    }

    fn end(&mut self) -> Result<End, Invalid> {
        match (self.take("COUNT"), self.take("UNTIL")) {
            (None, None) => Ok(End::Never),
            (Some(_), Some(_)) => Err(Invalid("a rule has COUNT or UNTIL, not both".to_owned())),
            (Some(text), None) => {
                let count = number(&text, 1, COUNT_MAX.cast_signed()).and_then(|count| u64::try_from(count).ok());
                let wrong = || {
                    format!(
                        "COUNT={} is not a whole number from 1 to {COUNT_MAX}; for more, give UNTIL or max_fires",
                        shown(&text)
                    )
                };
                count.map(End::Count).ok_or_else(|| Invalid(wrong()))
            }
            (None, Some(text)) => Ok(match moment::read("UNTIL", &text)? {
                Moment::Date(date) => End::Date(date),
                Moment::Wall(wall) => End::Wall(wall),
                Moment::Instant(instant) => End::Instant(instant),
            }),
        }
    }

    fn numbers(&mut self, name: &str, least: i64, most: i64, counts_back: bool) -> Result<Vec<i16>, Invalid> {
        let Some(text) = self.take(name) else { return Ok(Vec::new()) };
        let mut numbers = Vec::new();
        for item in text.split(',').map(str::trim) {
            let least = if counts_back { -most } else { least };
            let found = number(item, least, most).filter(|number| *number != 0 || !counts_back);
            let Some(found) = found.and_then(|number| i16::try_from(number).ok()) else {
                let leap = if name == "BYSECOND" && item == "60" { ": no clock here shows a leap second" } else { "" };
                let back = if counts_back { format!(", or -1 to -{most}") } else { String::new() };
                let range = if counts_back { "1".to_owned() } else { least.to_string() };
                return Err(Invalid(format!(
                    "{name}={} is not a number from {range} to {most}{back}{leap}",
                    shown(item)
                )));
            };
            numbers.push(found);
        }
        numbers.sort_unstable();
        numbers.dedup();
        Ok(numbers)
    }

    fn weekdays(&mut self) -> Result<Vec<Weekday>, Invalid> {
        let Some(text) = self.take("BYDAY") else { return Ok(Vec::new()) };
        let mut weekdays = Vec::new();
        for item in text.split(',').map(str::trim) {
            weekdays.push(weekday(item).ok_or_else(|| {
                let example = "MO,WE, or 1MO for the first Monday and -1FR for the last Friday";
                Invalid(format!("BYDAY={} is no day of the week; write it like {example}", shown(item)))
            })?);
        }
        weekdays.sort_unstable();
        weekdays.dedup();
        Ok(weekdays)
    }
}

fn weekday(text: &str) -> Option<Weekday> {
    let (ordinal, name) = text.split_at_checked(text.len().checked_sub(2)?)?;
    let day = WEEKDAYS.iter().position(|known| *known == name)?;
    let ordinal = if ordinal.is_empty() { 0 } else { number(ordinal, -53, 53).filter(|ordinal| *ordinal != 0)? };
    Some(Weekday { day: u8::try_from(day).ok()?, ordinal: i16::try_from(ordinal).ok()? })
}

/// 0 is Monday.
pub(super) fn weekday_of(date: Date) -> u8 {
    date.weekday().to_monday_zero_offset().unsigned_abs()
}

/// Digits, perhaps behind a sign; nothing that the general parser takes beside them.
fn number(text: &str, least: i64, most: i64) -> Option<i64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_number = (1..=10).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    let value: i64 = text.parse().ok().filter(|_| is_number)?;
    (least..=most).contains(&value).then_some(value)
}

/// As much of a text as an error repeats.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}
