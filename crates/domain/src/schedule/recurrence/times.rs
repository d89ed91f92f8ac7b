//! Which times of a day a rule names, once the day is settled. Where a rule counts hours, minutes or seconds, they may differ from day to
//! day: every seven hours is at other hours tomorrow. So a day is asked about by its number, and only whoever counts whole days is told
//! when they are all alike.

use std::sync::OnceLock;

use jiff::civil::DateTime;

use crate::schedule::recurrence::parts::{Frequency, Parts};

pub(super) const DAY: i64 = 86_400;

/// How many different days are counted once and remembered; where there are more, each has a few times at most.
const KINDS_MAX: i64 = 4_096;

/// Times of day, in seconds from midnight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Times {
    hours: u64,
    minutes: u64,
    seconds: u64,
    grid: Option<Grid>,
    /// Where positions are picked within a day, an hour or a minute: the seconds of it that are, in order.
    picked: Option<Picked>,
    /// How many there are in a day, where that is the same every day.
    per_day: Option<u64>,
    kinds: Kinds,
}

/// How many times there are on each kind of day, found out when somebody looks at many of them: a grid lies in so many ways on a day, and
/// then comes back to the first.
#[derive(Clone, Debug, Default)]
struct Kinds(OnceLock<Box<[u32]>>);

impl PartialEq for Kinds {
    fn eq(&self, _: &Kinds) -> bool {
        // It follows from the rest, and may be found out already or not.
        true
    }
}

impl Eq for Kinds {}

/// Every so many hours, minutes or seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Grid {
    /// The length of what is counted, in seconds.
    unit: i64,
    interval: i64,
    /// The one in which the rule starts, counted from 1970-01-01.
    start: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Picked {
    /// The length of what they are picked in.
    within: i64,
    seconds: Box<[i64]>,
}

impl Times {
    /// Of a completed rule that starts at `start` on the clock, in seconds from 1970-01-01 00:00.
    pub(super) fn of(parts: &Parts, start: i64) -> Times {
        let mask = |list: &[i16]| list.iter().fold(0_u64, |mask, value| mask | 1 << value);
        let unit = match parts.frequency {
            Frequency::Secondly => 1,
            Frequency::Minutely => 60,
            Frequency::Hourly => 3_600,
            _ => DAY,
        };
        let is_grid = unit < DAY && parts.interval > 1;
        let grid = is_grid.then(|| Grid { unit, interval: parts.interval, start: start.div_euclid(unit) });
        let mut times = Times {
            hours: mask(&parts.hours),
            minutes: mask(&parts.minutes),
            seconds: mask(&parts.seconds),
            grid,
            picked: None,
            per_day: None,
            kinds: Kinds::default(),
        };
        if !parts.positions.is_empty() && parts.frequency <= Frequency::Daily {
            let mut seconds: Vec<i64> =
                parts.positions.iter().filter_map(|position| times.nth(unit, (*position).into())).collect();
            seconds.sort_unstable();
            seconds.dedup();
            times.picked = Some(Picked { within: unit, seconds: seconds.into() });
        }
        // What can never be is found out here once, and not by looking at each day until time ends.
        if !times.can_be() {
            times.hours = 0;
        }
        let is_alike = times.grid.as_ref().is_none_or(|grid| (DAY / grid.unit) % grid.interval == 0);
        times.per_day = is_alike.then(|| times.count_before(0, DAY));
        times
    }

    /// How many there are in a day, where that is the same every day.
    pub(super) fn per_day(&self) -> Option<u64> {
        self.per_day
    }

    /// How many there are on a day, for whoever asks about many days.
    pub(super) fn on_day(&self, day: i64) -> u64 {
        let Some(grid) = &self.grid else { return self.count_before(day, DAY) };
        let shared = greatest_common(DAY, grid.step());
        let kinds = grid.step() / shared;
        if kinds > KINDS_MAX {
            return self.count_before(day, DAY);
        }
        // So many days in a row are one of each kind.
        let kind_of = |day: i64| usize::try_from(grid.lead(day * DAY) / shared).unwrap_or(0);
        let table = self.kinds.0.get_or_init(|| {
            let mut table = vec![0; usize::try_from(kinds).unwrap_or(0)];
            for day in 0..kinds {
                table[kind_of(day)] = u32::try_from(self.count_before(day, DAY)).unwrap_or(u32::MAX);
            }
            table.into()
        });
        table.get(kind_of(day)).copied().unwrap_or(0).into()
    }

    /// Whether there are none on any day.
    pub(super) fn are_none(&self) -> bool {
        self.hours == 0
    }

    /// Whether all of them are whole minutes.
    pub(super) fn are_whole_minutes(&self) -> bool {
        self.seconds == 1
    }

    /// The first of a day at or after `time`.
    pub(super) fn from(&self, day: i64, time: i64) -> Option<i64> {
        if let Some(picked) = self.picked_of_days() {
            return picked.get(picked.partition_point(|second| *second < time)).copied();
        }
        let (at_hour, at_minute, at_second) = (time / 3_600, time / 60 % 60, time % 60);
        for hour in bits(self.hours_of(day) & from(at_hour)) {
            let first_minute = if hour == at_hour { at_minute } else { 0 };
            for minute in bits(self.minutes_of(day, hour) & from(first_minute)) {
                let first_second = if (hour, minute) == (at_hour, at_minute) { at_second } else { 0 };
                let seconds = self.seconds_of(day, hour, minute) & from(first_second);
                if seconds != 0 {
                    return Some(hour * 3_600 + minute * 60 + i64::from(seconds.trailing_zeros()));
                }
            }
        }
        None
    }

    /// The last of a day at or before `time`.
    pub(super) fn until(&self, day: i64, time: i64) -> Option<i64> {
        if let Some(picked) = self.picked_of_days() {
            let last = picked.partition_point(|second| *second <= time).checked_sub(1)?;
            return picked.get(last).copied();
        }
        let (at_hour, at_minute, at_second) = (time / 3_600, time / 60 % 60, time % 60);
        for hour in bits_down(self.hours_of(day) & !from(at_hour + 1)) {
            let last_minute = if hour == at_hour { at_minute } else { 59 };
            for minute in bits_down(self.minutes_of(day, hour) & !from(last_minute + 1)) {
                let last_second = if (hour, minute) == (at_hour, at_minute) { at_second } else { 59 };
                let seconds = self.seconds_of(day, hour, minute) & !from(last_second + 1);
                if seconds != 0 {
                    return Some(hour * 3_600 + minute * 60 + i64::from(seconds.ilog2()));
                }
            }
        }
        None
    }

    /// How many of a day's lie before `time`; [`DAY`] asks for all.
    pub(super) fn count_before(&self, day: i64, time: i64) -> u64 {
        if let Some(all) = self.per_day.filter(|_| time >= DAY) {
            return all;
        }
        if let Some(picked) = self.picked_of_days() {
            return picked.partition_point(|second| *second < time) as u64;
        }
        if let Some(count) = self.evenly_before(day, time).or_else(|| self.alike_before(time)) {
            return count;
        }
        let (at_hour, at_minute, at_second) = (time / 3_600, time / 60 % 60, time % 60);
        let mut count = 0;
        for hour in bits(self.hours_of(day) & !from(at_hour + 1)) {
            let last_minute = if hour == at_hour { at_minute } else { 59 };
            for minute in bits(self.minutes_of(day, hour) & !from(last_minute + 1)) {
                let is_last = (hour, minute) == (at_hour, at_minute);
                let seconds = self.seconds_of(day, hour, minute) & if is_last { !from(at_second) } else { u64::MAX };
                count += u64::from(seconds.count_ones());
            }
        }
        count
    }

    /// The n-th time of a rule of days or longer; the last is -1.
    pub(super) fn nth_of_day(&self, place: u64) -> Option<i64> {
        self.nth(DAY, i64::try_from(place).ok()?.checked_add(1)?)
    }

    /// The n-th time within a day, an hour or a minute, before anything is picked; counted from 1, or back from -1.
    fn nth(&self, within: i64, number: i64) -> Option<i64> {
        let (hours, minutes) =
            (if within == DAY { self.hours } else { 1 }, if within >= 3_600 { self.minutes } else { 1 });
        let seconds = if within >= 60 { self.seconds } else { 1 };
        let ones = |mask: u64| i64::from(mask.count_ones());
        let (per_minute, per_hour) = (ones(seconds), ones(seconds) * ones(minutes));
        let count = per_hour * ones(hours);
        let place = if number < 0 { count + number } else { number - 1 };
        if !(0..count).contains(&place) {
            return None;
        }
        let bit = |mask, place: i64| bits(mask).nth(usize::try_from(place).unwrap_or(0)).unwrap_or(0);
        let (hour, minute) = (bit(hours, place / per_hour), bit(minutes, place % per_hour / per_minute));
        Some(hour * 3_600 + minute * 60 + bit(seconds, place % per_minute))
    }

    /// Whether any time is left on any day. The grid lies differently from day to day, but only by what it shares with a day.
    fn can_be(&self) -> bool {
        if self.picked.as_ref().is_some_and(|picked| picked.seconds.is_empty()) {
            return false;
        }
        let Some(grid) = &self.grid else { return true };
        let shared = greatest_common(DAY / grid.unit, grid.interval);
        let minutes = if grid.unit < 3_600 { self.minutes } else { 1 };
        let seconds = if grid.unit == 1 { self.seconds } else { 1 };
        bits(self.hours).any(|hour| {
            bits(minutes).any(|minute| {
                bits(seconds).any(|second| {
                    let unit = (hour * 3_600 + minute * 60 + second) / grid.unit;
                    (unit - grid.start) % shared == 0
                })
            })
        })
    }

    /// Counted without looking, where all times of every n-th second are named.
    fn evenly_before(&self, day: i64, time: i64) -> Option<u64> {
        let grid = self.grid.as_ref().filter(|grid| grid.unit == 1 && self.picked.is_none())?;
        let is_all = self.hours == !from(24) && self.minutes == !from(60) && self.seconds == !from(60);
        let first = grid.lead(day * DAY);
        let count = if first < time { (time - 1 - first) / grid.interval + 1 } else { 0 };
        u64::try_from(count).ok().filter(|_| is_all)
    }

    /// The seconds of each day, where positions are picked from a whole day.
    fn picked_of_days(&self) -> Option<&[i64]> {
        self.picked.as_ref().filter(|picked| picked.within == DAY).map(|picked| &*picked.seconds)
    }

    /// Counted without looking, where each named hour has the same minutes and each of those the same seconds.
    fn alike_before(&self, time: i64) -> Option<u64> {
        let ones = |mask: u64| u64::from(mask.count_ones());
        let (hour, minute, second) = (time / 3_600, time / 60 % 60, time % 60);
        let has = |mask: u64, bit: i64| mask & from(bit) & !from(bit + 1) != 0;
        let of_minute = if has(self.minutes, minute) { ones(self.seconds & !from(second)) } else { 0 };
        let of_minutes = ones(self.minutes & !from(minute)) * ones(self.seconds) + of_minute;
        let of_hour = if has(self.hours, hour) { of_minutes } else { 0 };
        let all = ones(self.hours & !from(hour)) * ones(self.minutes) * ones(self.seconds) + of_hour;
        (self.grid.is_none() && self.picked.is_none()).then_some(all)
    }

    // Each of the three may name something in which nothing is left further down, and leaves out nothing in which something is.

    fn hours_of(&self, day: i64) -> u64 {
        match &self.grid {
            Some(grid) if grid.step() > 3_600 => self.hours & grid.mask(day * DAY, DAY, 3_600),
            _ => self.hours,
        }
    }

    fn minutes_of(&self, day: i64, hour: i64) -> u64 {
        match &self.grid {
            Some(grid) if grid.unit < 3_600 && grid.step() > 60 => {
                self.minutes & grid.mask(day * DAY + hour * 3_600, 3_600, 60)
            }
            _ => self.minutes,
        }
    }

    fn seconds_of(&self, day: i64, hour: i64, minute: i64) -> u64 {
        let mut seconds = self.seconds;
        if let Some(grid) = self.grid.as_ref().filter(|grid| grid.unit == 1) {
            seconds &= grid.mask(day * DAY + hour * 3_600 + minute * 60, 60, 1);
        }
        if let Some(picked) = &self.picked {
            let start = (hour * 3_600 + minute * 60).rem_euclid(picked.within);
            // Within a second there is but the one.
            let span = if picked.within == 1 { 0..1 } else { start..start + 60 };
            let place = |of: i64| picked.seconds.partition_point(|second| *second < of);
            let these = picked.seconds.get(place(span.start)..place(span.end)).unwrap_or_default();
            let mask = these.iter().fold(0, |mask, second| mask | 1 << (second - span.start));
            seconds &= if picked.within == 1 && mask == 1 { u64::MAX } else { mask };
        }
        seconds
    }
}

impl Grid {
    /// How many seconds lie from one to the next.
    fn step(&self) -> i64 {
        self.interval * self.unit
    }

    /// In which parts of a span of that length one begins, a bit for each part.
    fn mask(&self, from: i64, length: i64, part: i64) -> u64 {
        let step = usize::try_from(self.step()).unwrap_or(usize::MAX);
        (self.lead(from)..length).step_by(step).fold(0, |mask, time| mask | 1 << (time / part))
    }

    /// How many seconds lie between a wall time and the first unit of the grid that begins there or later.
    fn lead(&self, wall: i64) -> i64 {
        let unit = wall.div_euclid(self.unit) + i64::from(wall.rem_euclid(self.unit) > 0);
        let lead = (self.start - unit).rem_euclid(self.interval);
        (unit + lead) * self.unit - wall
    }
}

fn greatest_common(one: i64, other: i64) -> i64 {
    if other == 0 { one } else { greatest_common(other, one % other) }
}

/// A reading of a clock as seconds since 1970-01-01 00:00.
pub(super) fn wall_of(time: DateTime) -> i64 {
    jiff::tz::Offset::UTC.to_timestamp(time).map_or(0, |instant| instant.as_second())
}

/// The bits from this one on.
fn from(bit: i64) -> u64 {
    u32::try_from(bit).ok().and_then(|bit| u64::MAX.checked_shl(bit)).unwrap_or(0)
}

fn bits(mask: u64) -> impl Iterator<Item = i64> {
    let mut left = mask;
    std::iter::from_fn(move || {
        let bit = (left != 0).then(|| i64::from(left.trailing_zeros()))?;
        left &= left - 1;
        Some(bit)
    })
}

fn bits_down(mask: u64) -> impl Iterator<Item = i64> {
    let mut left = mask;
    std::iter::from_fn(move || {
        let bit = left.checked_ilog2()?;
        left &= !(1 << bit);
        Some(bit.into())
    })
}
