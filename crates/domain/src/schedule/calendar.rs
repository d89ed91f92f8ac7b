//! Which wall-clock times a cron expression names, on a calendar without any zone. A wall time is a number here, so that
//! finding, counting and comparing are arithmetic; what a zone makes of it is decided in `stretch`, and which text is
//! accepted in `dialect`. No instant may enter.
//!
//! The picture: days and times of day are independent, so the number of wall times in a span is days times times, and
//! days are counted a month at a time from a table of bit masks.

use croner::Cron;
use croner::time::Weekday;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;
use std::ops::Range;

/// A reading of a wall clock, in seconds since 1970-01-01 00:00 on that clock.
pub(super) type Wall = i64;

const DAY: i64 = 86_400;

/// The wall times that an expression names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WallTimes {
    seconds: u64,
    minutes: u64,
    hours: u64,
    months: u16,
    /// For each length of month and weekday of its first day, which days match: bit 0 is day 1.
    ///
    /// The day rules (L, W, #, day-of-month or day-of-week) see nothing else of a month, so 28 masks hold all years.
    days: Box<[u32; 28]>,
}

/// Wall times that something names: what a zone makes of them is asked about these alone.
pub(super) trait NamedWalls {
    /// The first in the range.
    fn first_in(&self, range: Range<Wall>) -> Option<Wall>;

    /// The last in the range.
    fn last_in(&self, range: Range<Wall>) -> Option<Wall>;

    /// How many there are in the range, at a cost that does not grow with their number.
    fn count_in(&self, range: Range<Wall>) -> u64;

    /// Whether this one is named.
    fn contains(&self, wall: Wall) -> bool {
        self.first_in(wall..wall + 1).is_some()
    }
}

/// Which parts of an expression a reading of a wall clock meets.
pub(super) struct Met {
    pub(super) second: bool,
    pub(super) minute: bool,
    pub(super) hour: bool,
    pub(super) month: bool,
    /// By the day of the month or by that of the week, whatever is asked for.
    pub(super) day: bool,
}

impl WallTimes {
    /// Compares a reading part by part.
    pub(super) fn met_at(&self, wall: DateTime) -> Met {
        let has = |mask: u64, value: i8| mask >> value & 1 == 1;
        let instant = Offset::UTC.to_timestamp(wall.date().at(0, 0, 0, 0));
        let first = instant.map_or(0, |instant| instant.as_second().div_euclid(DAY) - i64::from(wall.day()) + 1);
        let month = Month::starting(first, wall.year(), wall.month());
        Met {
            second: has(self.seconds, wall.second()),
            minute: has(self.minutes, wall.minute()),
            hour: has(self.hours, wall.hour()),
            month: has(self.months.into(), wall.month()),
            day: self.days[month.kind()] >> (wall.day() - 1) & 1 == 1,
        }
    }

    /// Whether all of them are whole minutes.
    pub(super) fn are_whole_minutes(&self) -> bool {
        self.seconds == 1
    }

    /// Asks the parsed expression everything once; it is not needed afterwards.
    pub(super) fn of(cron: &Cron) -> WallTimes {
        let pattern = &cron.pattern;
        let mask = |count: u32, matches: &dyn Fn(u32) -> bool| {
            (0..count).filter(|value| matches(*value)).fold(0_u64, |mask, value| mask | 1 << value)
        };
        let months = mask(13, &|month| pattern.month_match(month).unwrap_or(false));
        WallTimes {
            seconds: mask(60, &|second| pattern.second_match(second).unwrap_or(false)),
            minutes: mask(60, &|minute| pattern.minute_match(minute).unwrap_or(false)),
            hours: mask(24, &|hour| pattern.hour_match(hour).unwrap_or(false)),
            months: u16::try_from(months).expect("thirteen bits"),
            days: day_table(cron),
        }
    }

    fn day_matches(&self, day: i64) -> bool {
        let month = Month::of(day);
        self.matching_days(&month) >> (day - month.first) & 1 == 1
    }

    fn matching_days(&self, month: &Month) -> u32 {
        if self.months >> month.number & 1 == 1 { self.days[month.kind()] } else { 0 }
    }

    fn day_from(&self, from: i64, end: i64) -> Option<i64> {
        let mut month = Month::of(from);
        let mut days = self.matching_days(&month) & (u32::MAX << (from - month.first));
        while days == 0 {
            month = month.next();
            if month.first >= end {
                return None;
            }
            days = self.matching_days(&month);
        }
        Some(month.first + i64::from(days.trailing_zeros())).filter(|day| *day < end)
    }

    fn day_until(&self, until: i64, start: i64) -> Option<i64> {
        let mut month = Month::of(until);
        let mut days = self.matching_days(&month) & (u32::MAX >> (31 - (until - month.first)));
        while days == 0 {
            if month.first <= start {
                return None;
            }
            month = month.previous();
            days = self.matching_days(&month);
        }
        Some(month.first + i64::from(days.ilog2())).filter(|day| *day >= start)
    }

    fn days_in(&self, range: Range<i64>) -> u64 {
        let mut month = Month::of(range.start);
        let mut days = self.matching_days(&month) & (u32::MAX << (range.start - month.first));
        let mut count = 0;
        while month.first + month.length <= range.end {
            count += u64::from(days.count_ones());
            month = month.next();
            days = self.matching_days(&month);
        }
        let rest = u32::try_from((range.end - month.first).clamp(0, 31)).expect("0 to 31");
        count + u64::from((days & below(rest.into()) as u32).count_ones())
    }

    fn time_from(&self, time: i64) -> Option<i64> {
        let (hour, minute, second) = clock(time);
        let in_hour = |minute, second| {
            let same = (self.minutes >> minute & 1 == 1).then(|| lowest(self.seconds, second)).flatten();
            match same {
                Some(second) => Some(minute * 60 + second),
                None => Some(lowest(self.minutes, minute + 1)? * 60 + lowest(self.seconds, 0)?),
            }
        };
        let same = (self.hours >> hour & 1 == 1).then(|| in_hour(minute, second)).flatten();
        match same {
            Some(rest) => Some(hour * 3_600 + rest),
            None => Some(lowest(self.hours, hour + 1)? * 3_600 + in_hour(0, 0)?),
        }
    }

    fn time_until(&self, time: i64) -> Option<i64> {
        let (hour, minute, second) = clock(time);
        let in_hour = |minute, second| {
            let same = (self.minutes >> minute & 1 == 1).then(|| highest(self.seconds, second)).flatten();
            match same {
                Some(second) => Some(minute * 60 + second),
                None => Some(highest(self.minutes, minute - 1)? * 60 + highest(self.seconds, 59)?),
            }
        };
        let same = (self.hours >> hour & 1 == 1).then(|| in_hour(minute, second)).flatten();
        match same {
            Some(rest) => Some(hour * 3_600 + rest),
            None => Some(highest(self.hours, hour - 1)? * 3_600 + in_hour(59, 59)?),
        }
    }

    /// How many of a day's times lie before this one; `DAY` asks for all.
    fn times_before(&self, time: i64) -> u64 {
        let (hour, minute, second) = clock(time);
        let ones = |mask: u64| u64::from(mask.count_ones());
        let at = |mask: u64, value: i64| mask.checked_shr(value as u32).unwrap_or(0) & 1;
        let seconds = ones(self.seconds & below(second));
        let minutes = ones(self.minutes & below(minute)) * ones(self.seconds) + at(self.minutes, minute) * seconds;
        ones(self.hours & below(hour)) * ones(self.minutes) * ones(self.seconds) + at(self.hours, hour) * minutes
    }
}

impl NamedWalls for WallTimes {
    fn first_in(&self, range: Range<Wall>) -> Option<Wall> {
        if range.is_empty() {
            return None;
        }
        let (today, time) = split(range.start);
        let today_s = self.day_matches(today).then(|| self.time_from(time)).flatten();
        let found = match today_s {
            Some(time) => join(today, time),
            None => join(self.day_from(today + 1, split(range.end).0 + 1)?, self.time_from(0)?),
        };
        (found < range.end).then_some(found)
    }

    fn last_in(&self, range: Range<Wall>) -> Option<Wall> {
        if range.is_empty() {
            return None;
        }
        let (today, time) = split(range.end - 1);
        let today_s = self.day_matches(today).then(|| self.time_until(time)).flatten();
        let found = match today_s {
            Some(time) => join(today, time),
            None => join(self.day_until(today - 1, split(range.start).0)?, self.time_until(DAY - 1)?),
        };
        (found >= range.start).then_some(found)
    }

    // The cost grows with the months of the range, not with the number found.
    fn count_in(&self, range: Range<Wall>) -> u64 {
        if range.is_empty() {
            return 0;
        }
        let ((first_day, first_time), (last_day, last_time)) = (split(range.start), split(range.end));
        let before = |day, time| {
            if self.day_matches(day) { self.times_before(time) } else { 0 }
        };
        let whole_days = self.days_in(first_day..last_day) * self.times_before(DAY);
        whole_days + before(last_day, last_time) - before(first_day, first_time)
    }
}

/// A month of a year, with what the day rules depend on.
struct Month {
    year: i16,
    number: i8,
    /// Day 1, counted from 1970-01-01.
    first: i64,
    /// In days.
    length: i64,
}

impl Month {
    fn of(day: i64) -> Month {
        let instant = Timestamp::from_second(day * DAY).expect("walls stay within a few days of 1970 to 2199");
        let date = Offset::UTC.to_datetime(instant).date();
        Month::starting(day - i64::from(date.day()) + 1, date.year(), date.month())
    }

    fn starting(first: i64, year: i16, number: i8) -> Month {
        let length = Date::new(year, number, 1).expect("walls stay within a few days of 1970 to 2199").days_in_month();
        Month { year, number, first, length: length.into() }
    }

    fn next(&self) -> Month {
        let (year, number) = if self.number == 12 { (self.year + 1, 1) } else { (self.year, self.number + 1) };
        Month::starting(self.first + self.length, year, number)
    }

    fn previous(&self) -> Month {
        let (year, number) = if self.number == 1 { (self.year - 1, 12) } else { (self.year, self.number - 1) };
        let month = Month::starting(0, year, number);
        Month { first: self.first - month.length, ..month }
    }

    /// Which of the 28 kinds of month this is: four lengths, seven weekdays to begin with.
    fn kind(&self) -> usize {
        let length = usize::try_from(self.length - 28).expect("months have 28 to 31 days");
        length * 7 + self.first_weekday() as usize
    }

    fn first_weekday(&self) -> u32 {
        // 1970-01-01 was a Thursday, and Sunday counts as 0.
        u32::try_from((self.first + 4).rem_euclid(7)).expect("0 to 6")
    }
}

fn day_table(cron: &Cron) -> Box<[u32; 28]> {
    let mut table = Box::new([0; 28]);
    let mut seen = 0_u32;
    let mut month = Month::of(0);
    // The calendar needs at most forty years to show a February of 29 days begin on every weekday.
    while seen.count_ones() < 28 && month.year < 2100 {
        let kind = month.kind();
        if seen >> kind & 1 == 0 {
            seen |= 1 << kind;
            table[kind] = day_mask(cron, &month);
        }
        month = month.next();
    }
    table
}

fn day_mask(cron: &Cron, month: &Month) -> u32 {
    let length = u32::try_from(month.length).expect("28 to 31");
    let matches = |day: u32| {
        let weekday = Weekday::from_days_from_sunday(month.first_weekday() + day - 1);
        let number = u32::try_from(month.number).expect("1 to 12");
        cron.pattern.day_match(month.year.into(), number, day, weekday).unwrap_or(false)
    };
    (1..=length).filter(|day| matches(*day)).fold(0, |mask, day| mask | 1 << (day - 1))
}

fn split(wall: Wall) -> (i64, i64) {
    (wall.div_euclid(DAY), wall.rem_euclid(DAY))
}

fn join(day: i64, time: i64) -> Wall {
    day * DAY + time
}

fn clock(time: i64) -> (i64, i64, i64) {
    (time / 3_600, time / 60 % 60, time % 60)
}

/// A mask of the bits below `bit`.
fn below(bit: i64) -> u64 {
    1_u64.checked_shl(bit as u32).map_or(u64::MAX, |above| above - 1)
}

fn lowest(mask: u64, from: i64) -> Option<i64> {
    let rest = mask & !below(from);
    (rest != 0).then(|| rest.trailing_zeros().into())
}

fn highest(mask: u64, until: i64) -> Option<i64> {
    let rest = mask & below(until + 1);
    (rest != 0).then(|| rest.ilog2().into())
}
