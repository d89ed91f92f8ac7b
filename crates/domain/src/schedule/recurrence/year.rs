//! Which days of a year a rule names. All that its parts see of a year is the weekday on which it begins and where the leap days around it
//! lie, so the answers for all years fit a table of 28 masks, and finding and counting days is bit arithmetic.

use crate::schedule::recurrence::parts::Parts;

/// A bit for each day of a year; bit 0 is 1 January.
pub(super) type Mask = [u64; 6];

/// A year of the calendar.
#[derive(Clone, Copy)]
pub(super) struct Year {
    pub(super) number: i64,
    /// 1 January, counted in days from 1970-01-01.
    pub(super) first: i64,
}

impl Year {
    pub(super) fn of(number: i64) -> Year {
        let before = number - 1;
        // 477 leap days lie before 1970.
        let leap_days = before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400) - 477;
        Year { number, first: 365 * (number - 1970) + leap_days }
    }

    /// The year of a day that is counted from 1970-01-01.
    pub(super) fn around(day: i64) -> Year {
        let mut year = Year::of(1970 + day.div_euclid(366));
        while year.next().first <= day {
            year = year.next();
        }
        year
    }

    pub(super) fn next(self) -> Year {
        Year { number: self.number + 1, first: self.first + self.length() }
    }

    pub(super) fn length(self) -> i64 {
        if is_leap(self.number) { 366 } else { 365 }
    }

    /// The days of a month from 1 to 12, counted from 1 January.
    pub(super) fn month(self, month: i64) -> std::ops::Range<i64> {
        month_of(is_leap(self.number), month)
    }

    /// Its place in a table.
    fn kind(self) -> usize {
        let weekday = (self.first + 3).rem_euclid(7);
        let leaps = Leaps::ALL.iter().position(|leaps| *leaps == Leaps::around(self.number)).unwrap_or(0);
        leaps * 7 + usize::try_from(weekday).unwrap_or(0)
    }
}

fn is_leap(year: i64) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}

fn month_of(is_leap: bool, month: i64) -> std::ops::Range<i64> {
    const BEFORE: [i64; 13] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];
    let before = |month: i64| {
        let days = usize::try_from(month).ok().and_then(|month| BEFORE.get(month)).copied().unwrap_or(365);
        if is_leap && month >= 2 { days + 1 } else { days }
    };
    before(month - 1)..before(month)
}

/// Where leap days lie: in the year, in the one before, in the one after, or in none of the three.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaps {
    Here,
    Before,
    After,
    Nowhere,
}

impl Leaps {
    const ALL: [Leaps; 4] = [Leaps::Here, Leaps::Before, Leaps::After, Leaps::Nowhere];

    fn around(year: i64) -> Leaps {
        match (is_leap(year - 1), is_leap(year), is_leap(year + 1)) {
            (_, true, _) => Leaps::Here,
            (true, ..) => Leaps::Before,
            (.., true) => Leaps::After,
            _ => Leaps::Nowhere,
        }
    }
}

/// The days that a rule names, for every kind of year.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Days(Box<[Mask; 28]>);

impl Days {
    /// Of a completed rule; its interval and its positions are not looked at.
    pub(super) fn of(parts: &Parts) -> Days {
        let mut table = Box::new([[0; 6]; 28]);
        for (kind, mask) in table.iter_mut().enumerate() {
            let leaps = Leaps::ALL[kind / 7];
            *mask = Kind { leaps, first: i64::try_from(kind % 7).unwrap_or(0) }.days(parts);
        }
        Days(table)
    }

    pub(super) fn in_year(&self, year: Year) -> &Mask {
        &self.0[year.kind()]
    }
}

/// What the parts of a rule see of a year.
struct Kind {
    leaps: Leaps,
    /// The weekday of 1 January; 0 is Monday.
    first: i64,
}

impl Kind {
    fn length(&self) -> i64 {
        365 + i64::from(self.leaps == Leaps::Here)
    }

    fn month(&self, month: i64) -> std::ops::Range<i64> {
        month_of(self.leaps == Leaps::Here, month)
    }

    fn days(&self, parts: &Parts) -> Mask {
        let mut days = Mask::default();
        set_all(&mut days, 0..self.length());
        let limits = [
            (parts.months.is_empty(), self.months(parts)),
            (parts.month_days.is_empty(), self.month_days(parts)),
            (parts.year_days.is_empty(), self.year_days(parts)),
            (parts.week_numbers.is_empty(), self.weeks(parts)),
            (parts.weekdays.is_empty(), self.weekdays(parts)),
        ];
        for (_, limit) in limits.iter().filter(|(is_silent, _)| !is_silent) {
            for (word, by) in days.iter_mut().zip(limit) {
                *word &= by;
            }
        }
        days
    }

    fn months(&self, parts: &Parts) -> Mask {
        let mut days = Mask::default();
        for month in &parts.months {
            set_all(&mut days, self.month((*month).into()));
        }
        days
    }

    fn month_days(&self, parts: &Parts) -> Mask {
        let mut days = Mask::default();
        for month in (1..=12).map(|month| self.month(month)) {
            for number in &parts.month_days {
                set(&mut days, counted(&month, 1, 0, (*number).into()));
            }
        }
        days
    }

    fn year_days(&self, parts: &Parts) -> Mask {
        let mut days = Mask::default();
        for number in &parts.year_days {
            set(&mut days, counted(&(0..self.length()), 1, 0, (*number).into()));
        }
        days
    }

    fn weekdays(&self, parts: &Parts) -> Mask {
        let mut days = Mask::default();
        let spans: Vec<_> = match parts.ordinals_count_in_the_year() {
            true => std::iter::once(0..self.length()).collect(),
            false => (1..=12).map(|month| self.month(month)).collect(),
        };
        for weekday in &parts.weekdays {
            let first = (i64::from(weekday.day) - self.first).rem_euclid(7);
            for span in &spans {
                // How far into the span the first such day lies.
                let lead = (first - span.start).rem_euclid(7);
                if weekday.ordinal != 0 {
                    set(&mut days, counted(span, 7, lead, weekday.ordinal.into()));
                    continue;
                }
                for day in (span.start + lead..span.end).step_by(7) {
                    set(&mut days, Some(day));
                }
            }
        }
        days
    }

    /// The days of numbered weeks. Week 1 is the first with four days in the year; days at either end may belong to a week of the
    /// year beside it.
    fn weeks(&self, parts: &Parts) -> Mask {
        let mut days = Mask::default();
        let week_start = i64::from(parts.week_start);
        let (before, after) = match self.leaps {
            Leaps::Before => (366, 365),
            Leaps::After => (365, 366),
            Leaps::Here | Leaps::Nowhere => (365, 365),
        };
        // Each year is told by its 1 January, counted from this year's.
        let years = [(-before, before), (0, self.length()), (self.length(), after)];
        for (first, length) in years {
            let weekday = (self.first + first - week_start).rem_euclid(7);
            let lead = (7 - weekday) % 7;
            let first_week = first + if lead >= 4 { lead - 7 } else { lead };
            let weeks = (first + length - 4 - first_week).div_euclid(7) + 1;
            for number in &parts.week_numbers {
                let number = i64::from(*number);
                let week = if number < 0 { weeks + number } else { number - 1 };
                if (0..weeks).contains(&week) {
                    let start = first_week + 7 * week;
                    set_all(&mut days, start.max(0)..(start + 7).min(self.length()));
                }
            }
        }
        days
    }
}

/// The n-th of the days of a span that begin `lead` into it and lie `step` apart; from the end where n is below 0.
fn counted(span: &std::ops::Range<i64>, step: i64, lead: i64, number: i64) -> Option<i64> {
    let count = (span.end - span.start - lead + step - 1).div_euclid(step);
    let place = if number < 0 { count + number } else { number - 1 };
    (0..count).contains(&place).then_some(span.start + lead + step * place)
}

fn set(mask: &mut Mask, day: Option<i64>) {
    if let Some(word) = day.and_then(|day| mask.get_mut(usize::try_from(day / 64).ok()?)) {
        *word |= 1 << (day.unwrap_or(0) % 64);
    }
}

fn set_all(mask: &mut Mask, days: std::ops::Range<i64>) {
    for (place, word) in mask.iter_mut().enumerate() {
        *word |= within(place, &days);
    }
}

/// The bits of a word that stand for days in the range.
fn within(place: usize, days: &std::ops::Range<i64>) -> u64 {
    let first = i64::try_from(place).unwrap_or(0) * 64;
    let (from, to) = ((days.start - first).clamp(0, 64), (days.end - first).clamp(0, 64));
    let below = |bit: i64| if bit >= 64 { u64::MAX } else { (1_u64 << bit) - 1 };
    below(to) & !below(from)
}

/// The first day of the mask in the range.
pub(super) fn lowest(mask: &Mask, days: std::ops::Range<i64>) -> Option<i64> {
    mask.iter().enumerate().find_map(|(place, word)| {
        let left = word & within(place, &days);
        (left != 0).then(|| i64::try_from(place).unwrap_or(0) * 64 + i64::from(left.trailing_zeros()))
    })
}

/// The last day of the mask in the range.
pub(super) fn highest(mask: &Mask, days: std::ops::Range<i64>) -> Option<i64> {
    mask.iter().enumerate().rev().find_map(|(place, word)| {
        let left = word & within(place, &days);
        (left != 0).then(|| i64::try_from(place).unwrap_or(0) * 64 + i64::from(left.ilog2()))
    })
}

/// The n-th day of the mask in the range, the first being 0.
pub(super) fn nth(mask: &Mask, days: std::ops::Range<i64>, number: u64) -> Option<i64> {
    let mut before = number;
    mask.iter().enumerate().find_map(|(place, word)| {
        let mut left = word & within(place, &days);
        let count = u64::from(left.count_ones());
        if before >= count {
            before -= count;
            return None;
        }
        (0..before).for_each(|_| left &= left - 1);
        Some(i64::try_from(place).unwrap_or(0) * 64 + i64::from(left.trailing_zeros()))
    })
}

/// How many days of the mask lie in the range.
pub(super) fn count(mask: &Mask, days: std::ops::Range<i64>) -> u64 {
    let ones = |(place, word): (usize, &u64)| u64::from((word & within(place, &days)).count_ones());
    mask.iter().enumerate().map(ones).sum()
}
