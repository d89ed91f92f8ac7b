//! What a rule says of one reading of a clock, part by part and as RFC 5545 words it: no table, no search, nothing that a firing rests on.
//! It is what tells people which part does not match, what an audit goes by, and what the tests hold the search to.

use std::cell::Cell;

use jiff::civil::{Date, DateTime};

use crate::schedule::Unit;
use crate::schedule::recurrence::parts::{Frequency, Parts, Weekday, weekday_of};
use crate::schedule::recurrence::times::wall_of;

/// A part of a rule that a reading may not meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::schedule) enum Part {
    Interval,
    Months,
    WeekNumbers,
    YearDays,
    MonthDays,
    Weekdays,
    Hours,
    Minutes,
    Seconds,
    Positions,
}

/// A completed rule and where it starts.
pub(super) struct Reader<'a> {
    pub(super) parts: &'a Parts,
    start: DateTime,
    /// Of the date that was read last, how many days of its period are named before it, and in all: whoever reads every minute of a day
    /// asks for them again and again.
    beside: Cell<Option<(Date, usize, usize)>>,
}

impl<'a> Reader<'a> {
    pub(super) fn of(parts: &'a Parts, start: DateTime) -> Reader<'a> {
        Reader { parts, start, beside: Cell::new(None) }
    }

    /// The parts that the clock does not meet; the positions are asked about where all others are met.
    pub(super) fn unmet(&self, wall: DateTime) -> Vec<Part> {
        let parts = self.parts;
        let has = |list: &[i16], value: i8| list.is_empty() || list.contains(&value.into());
        let met = [
            (Part::Interval, self.periods_after_start(wall) % parts.interval == 0),
            (Part::Months, has(&parts.months, wall.month())),
            (Part::WeekNumbers, parts.week_numbers.is_empty() || self.is_in_week(wall.date())),
            (Part::YearDays, is_numbered(&parts.year_days, wall.date().day_of_year(), wall.date().days_in_year())),
            (Part::MonthDays, is_numbered(&parts.month_days, wall.day().into(), wall.date().days_in_month().into())),
            (Part::Weekdays, parts.weekdays.is_empty() || self.is_weekday(wall.date())),
            (Part::Hours, has(&parts.hours, wall.hour())),
            (Part::Minutes, has(&parts.minutes, wall.minute())),
            (Part::Seconds, has(&parts.seconds, wall.second())),
        ];
        let mut unmet: Vec<Part> = met.into_iter().filter(|(_, is_met)| !is_met).map(|(part, _)| part).collect();
        if unmet.is_empty() && !self.is_picked(wall) {
            unmet.push(Part::Positions);
        }
        unmet
    }

    /// Whether any reading of the same hour or minute may meet all parts: this one meets those that are the same for all of them.
    pub(super) fn may_meet_in(&self, unit: Unit, wall: DateTime) -> bool {
        let parts = self.parts;
        let has = |list: &[i16], value: i8| list.is_empty() || list.contains(&value.into());
        let is_one_for_all = match unit {
            Unit::Hour => parts.frequency >= Frequency::Hourly,
            Unit::Minute => parts.frequency >= Frequency::Minutely,
        };
        (!is_one_for_all || self.periods_after_start(wall) % parts.interval == 0)
            && self.names_day(wall.date())
            && has(&parts.hours, wall.hour())
            && (unit == Unit::Hour || has(&parts.minutes, wall.minute()))
    }

    /// How many days, weeks or the like lie between the start and a reading.
    pub(super) fn periods_after_start(&self, wall: DateTime) -> i64 {
        let seconds = |unit: i64| wall_of(wall).div_euclid(unit) - wall_of(self.start).div_euclid(unit);
        let months = |time: DateTime| i64::from(time.year()) * 12 + i64::from(time.month());
        match self.parts.frequency {
            Frequency::Yearly => i64::from(wall.year()) - i64::from(self.start.year()),
            Frequency::Monthly => months(wall) - months(self.start),
            Frequency::Weekly => days_between(self.week_of(self.start.date()), self.week_of(wall.date())) / 7,
            Frequency::Daily => days_between(self.start.date(), wall.date()),
            Frequency::Hourly => seconds(3_600),
            Frequency::Minutely => seconds(60),
            Frequency::Secondly => seconds(1),
        }
    }

    /// The first day of the week of a date.
    fn week_of(&self, date: Date) -> Date {
        let into = (i64::from(weekday_of(date)) - i64::from(self.parts.week_start)).rem_euclid(7);
        date.saturating_sub(jiff::Span::new().days(into))
    }

    /// The number of a date's week, and of the last week of the same year.
    pub(super) fn week_of_year(&self, date: Date) -> (i16, i16) {
        // A week is of the year in which its fourth day lies, and 28 December always lies in the last.
        let number = |date: Date| {
            let fourth = self.week_of(date).saturating_add(jiff::Span::new().days(3));
            (fourth.year(), (fourth.day_of_year() - 1) / 7 + 1)
        };
        let (year, week) = number(date);
        let last = Date::new(year, 12, 28).map_or(52, |date| number(date).1);
        (week, last)
    }

    fn is_in_week(&self, date: Date) -> bool {
        let (week, last) = self.week_of_year(date);
        is_numbered(&self.parts.week_numbers, week, last)
    }

    fn is_weekday(&self, date: Date) -> bool {
        let (day, length) = match self.parts.ordinals_count_in_the_year() {
            true => (date.day_of_year(), date.days_in_year()),
            false => (date.day().into(), date.days_in_month().into()),
        };
        let (nth, nth_last) = ((day - 1) / 7 + 1, -((length - day) / 7 + 1));
        let is = |weekday: &Weekday| weekday.day == weekday_of(date) && [0, nth, nth_last].contains(&weekday.ordinal);
        self.parts.weekdays.iter().any(is)
    }

    fn is_picked(&self, wall: DateTime) -> bool {
        if self.parts.positions.is_empty() {
            return true;
        }
        let (place, count) = self.place(wall);
        self.parts.positions.iter().any(|position| [place, place - count - 1].contains(&i64::from(*position)))
    }

    /// The place of a reading among all that the rule names in its period, from 1 on, and how many there are.
    pub(super) fn place(&self, wall: DateTime) -> (i64, i64) {
        let parts = self.parts;
        let rank = |list: &[i16], value: i8| list.iter().position(|known| *known == i16::from(value)).unwrap_or(0);
        let (second, seconds) = (rank(&parts.seconds, wall.second()), parts.seconds.len());
        let (minute, minutes) = (rank(&parts.minutes, wall.minute()), parts.minutes.len());
        let (hour, hours) = (rank(&parts.hours, wall.hour()), parts.hours.len());
        let of_minute = (second, seconds);
        let of_hour = (minute * seconds + second, minutes * seconds);
        let of_day = (hour * of_hour.1 + of_hour.0, hours * of_hour.1);
        let (place, count) = match parts.frequency {
            Frequency::Secondly => (0, 1),
            Frequency::Minutely => of_minute,
            Frequency::Hourly => of_hour,
            Frequency::Daily => of_day,
            Frequency::Weekly | Frequency::Monthly | Frequency::Yearly => {
                let (before, days) = self.days_beside(wall.date());
                (before * of_day.1 + of_day.0, days * of_day.1)
            }
        };
        (i64::try_from(place + 1).unwrap_or(0), i64::try_from(count).unwrap_or(0))
    }

    /// How many days of the same period the rule names before a date, and in all.
    fn days_beside(&self, date: Date) -> (usize, usize) {
        if let Some((_, before, days)) = self.beside.get().filter(|(known, ..)| *known == date) {
            return (before, days);
        }
        let (first, length) = match self.parts.frequency {
            Frequency::Yearly => (date.first_of_year(), date.days_in_year()),
            Frequency::Monthly => (date.first_of_month(), date.days_in_month().into()),
            _ => (self.week_of(date), 7),
        };
        let days = (0..length).map(|day| first.saturating_add(jiff::Span::new().days(day)));
        let (mut before, mut count) = (0, 0);
        for day in days.filter(|day| self.names_day(*day)) {
            before += usize::from(day < date);
            count += 1;
        }
        self.beside.set(Some((date, before, count)));
        (before, count)
    }

    fn names_day(&self, date: Date) -> bool {
        let parts = self.parts;
        (parts.months.is_empty() || parts.months.contains(&date.month().into()))
            && (parts.week_numbers.is_empty() || self.is_in_week(date))
            && is_numbered(&parts.year_days, date.day_of_year(), date.days_in_year())
            && is_numbered(&parts.month_days, date.day().into(), date.days_in_month().into())
            && (parts.weekdays.is_empty() || self.is_weekday(date))
    }
}

fn days_between(from: Date, to: Date) -> i64 {
    to.duration_since(from).as_hours() / 24
}

/// Whether a list names the n-th of so many, counted from either end; an empty one names all.
fn is_numbered(list: &[i16], number: i16, count: i16) -> bool {
    list.is_empty() || list.contains(&number) || list.contains(&(number - count - 1))
}
