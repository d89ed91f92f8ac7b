//! The wall times of a rule: days and times of day put together, every n-th period, and the positions that are picked from one. The
//! questions are those that `stretch` asks of a cron line, so that a rule goes through the same daylight-saving decisions. A rule's own
//! end by `COUNT` is not known here, because what a zone leaves out is not counted.

use std::ops::Range;

use crate::schedule::calendar::{NamedWalls, Wall};
use crate::schedule::recurrence::parts::{Frequency, Parts};
use crate::schedule::recurrence::positions::Positions;
use crate::schedule::recurrence::times::{DAY, Times};
use crate::schedule::recurrence::year::{self, Days, Mask, Year};

/// What a rule names between its start and its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Generated {
    frequency: Frequency,
    interval: i64,
    week_start: i64,
    days: Days,
    times: Times,
    /// Empty where nothing is picked, and where what is picked lies within a day.
    positions: Positions,
    start: Wall,
    /// The first wall time after the end.
    end: Wall,
}

/// What is left of it without the exceptions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) generated: Generated,
    /// In order and apart.
    pub(super) exceptions: Vec<Range<Wall>>,
}

impl Generated {
    /// Of a completed rule that starts at `start`, and whose end on the clock lies just before `end`.
    pub(super) fn of(parts: &Parts, start: Wall, end: Wall) -> Generated {
        let picks = parts.frequency >= Frequency::Weekly;
        Generated {
            frequency: parts.frequency,
            interval: parts.interval,
            week_start: parts.week_start.into(),
            days: Days::of(parts),
            times: Times::of(parts, start),
            positions: if picks { Positions::of(&parts.positions) } else { Positions::default() },
            start,
            end,
        }
    }

    pub(super) fn are_whole_minutes(&self) -> bool {
        self.times.are_whole_minutes()
    }

    /// From its start on and before its end.
    pub(super) fn walls(&self) -> Range<Wall> {
        self.start..self.end
    }

    fn narrow(&self, range: &Range<Wall>) -> Range<Wall> {
        range.start.max(self.start)..range.end.min(self.end)
    }

    /// The number of the period in which a day lies, and in which the rule starts.
    fn period_of(&self, day: i64) -> i64 {
        match self.frequency {
            Frequency::Yearly => Year::around(day).number,
            Frequency::Monthly => {
                let year = Year::around(day);
                let month = (1..=12).find(|month| year.month(*month).contains(&(day - year.first))).unwrap_or(1);
                year.number * 12 + month - 1
            }
            // 1970-01-01 was a Thursday.
            Frequency::Weekly => (day + 3 - self.week_start).div_euclid(7),
            _ => day,
        }
    }

    /// The days of a period.
    fn days_of(&self, period: i64) -> Range<i64> {
        match self.frequency {
            Frequency::Yearly => Year::of(period).first..Year::of(period + 1).first,
            Frequency::Monthly => {
                let year = Year::of(period.div_euclid(12));
                let days = year.month(period.rem_euclid(12) + 1);
                year.first + days.start..year.first + days.end
            }
            Frequency::Weekly => {
                let first = period * 7 - 3 + self.week_start;
                first..first + 7
            }
            _ => period..period + 1,
        }
    }

    /// How many periods after the last that counts this one lies.
    fn behind(&self, period: i64) -> i64 {
        (period - self.period_of(self.start.div_euclid(DAY))).rem_euclid(self.interval)
    }

    /// Whether any period counts; rules of hours and less have theirs within the day.
    fn counts_all_periods(&self) -> bool {
        self.interval == 1 || self.frequency < Frequency::Daily
    }

    /// The first day from `from` on and before `end`.
    fn day_from(&self, from: i64, end: i64) -> Option<i64> {
        let mut from = from;
        let mut year = Year::around(from);
        while year.first < end {
            let days = self.days.in_year(year);
            let Some(day) = year::lowest(days, (from - year.first).max(0)..year.length()) else {
                year = year.next();
                continue;
            };
            let day = year.first + day;
            if day >= end {
                return None;
            }
            let period = self.period_of(day);
            let behind = if self.counts_all_periods() { 0 } else { self.behind(period) };
            if behind == 0 {
                return Some(day);
            }
            from = self.days_of(period + self.interval - behind).start;
            if from >= end {
                return None;
            }
            while year.next().first <= from {
                year = year.next();
            }
        }
        None
    }

    /// The last day until `until`, and from `start` on.
    fn day_until(&self, until: i64, start: i64) -> Option<i64> {
        let mut until = until;
        let mut year = Year::around(until);
        while year.first + year.length() > start {
            let days = self.days.in_year(year);
            let Some(day) = year::highest(days, 0..until - year.first + 1) else {
                year = Year::of(year.number - 1);
                continue;
            };
            let day = year.first + day;
            if day < start {
                return None;
            }
            let period = self.period_of(day);
            let behind = if self.counts_all_periods() { 0 } else { self.behind(period) };
            if behind == 0 {
                return Some(day);
            }
            until = self.days_of(period - behind).end - 1;
            while year.first > until {
                year = Year::of(year.number - 1);
            }
        }
        None
    }

    /// What `sum` makes of the days in the range, a whole stretch of one year at a time.
    fn over_days(&self, range: Range<i64>, sum: impl Fn(&Mask, Year, Range<i64>) -> u64) -> u64 {
        if range.is_empty() {
            return 0;
        }
        let mut total = 0;
        if self.counts_all_periods() {
            let mut year = Year::around(range.start);
            while year.first < range.end {
                let days = (range.start - year.first).max(0)..(range.end - year.first).min(year.length());
                total += sum(self.days.in_year(year), year, days);
                year = year.next();
            }
            return total;
        }
        let mut period = self.period_of(range.start);
        period += (self.interval - self.behind(period)) % self.interval;
        loop {
            let days = self.days_of(period);
            if days.start >= range.end {
                return total;
            }
            let mut year = Year::around(days.start.max(range.start));
            while year.first < days.end.min(range.end) {
                let first = days.start.max(range.start).max(year.first);
                let last = days.end.min(range.end).min(year.first + year.length());
                total += sum(self.days.in_year(year), year, first - year.first..last - year.first);
                year = year.next();
            }
            period += self.interval;
        }
    }

    /// How many times the whole days in the range hold.
    fn count_days(&self, range: Range<i64>) -> u64 {
        match self.times.per_day() {
            Some(times) => times * self.over_days(range, |mask, _, days| year::count(mask, days)),
            None => self.over_days(range, |mask, year, days| {
                let next = |day: &i64| year::lowest(mask, day + 1..days.end);
                let each = std::iter::successors(year::lowest(mask, days.clone()), next);
                each.map(|day| self.times.on_day(year.first + day)).sum()
            }),
        }
    }

    fn is_named_day(&self, day: i64) -> bool {
        self.day_from(day, day + 1).is_some()
    }

    /// What the mask of each year in a row of days makes of its share of them.
    fn by_year(&self, days: Range<i64>) -> impl Iterator<Item = (Year, &Mask, Range<i64>)> {
        let last = days.end;
        let years = std::iter::successors(Some(Year::around(days.start)), |year| Some(year.next()));
        years.take_while(move |year| year.first < last).map(move |year| {
            let within = (days.start - year.first).max(0)..(last - year.first).min(year.length());
            (year, self.days.in_year(year), within)
        })
    }

    /// How many days of a period are named, whether it counts or not.
    fn named_days(&self, days: Range<i64>) -> i64 {
        let count: u64 = self.by_year(days).map(|(_, mask, within)| year::count(mask, within)).sum();
        count.cast_signed()
    }

    /// How many times there are on each day; where positions are picked from longer than a day, that is the same for all.
    fn times_a_day(&self) -> i64 {
        self.times.per_day().map_or(0, u64::cast_signed)
    }

    /// How many of a period's wall times come before this one, before any position is picked.
    fn place_in(&self, days: &Range<i64>, wall: Wall) -> i64 {
        let wall = wall.clamp(days.start * DAY, days.end * DAY);
        let (day, time) = (wall.div_euclid(DAY), wall.rem_euclid(DAY));
        let today = if time > 0 && self.named_days(day..day + 1) > 0 { self.times.count_before(day, time) } else { 0 };
        self.named_days(days.start..day) * self.times_a_day() + today.cast_signed()
    }

    /// The wall time at a place of a period.
    fn wall_at(&self, days: &Range<i64>, place: i64) -> Option<Wall> {
        let times = self.times_a_day().max(1);
        let mut nth = u64::try_from(place / times).ok()?;
        let day = self.by_year(days.clone()).find_map(|(year, mask, within)| {
            let day = year::nth(mask, within.clone(), nth);
            nth = nth.saturating_sub(if day.is_none() { year::count(mask, within) } else { 0 });
            day.map(|day| year.first + day)
        })?;
        Some(day * DAY + self.times.nth_of_day(u64::try_from(place % times).ok()?)?)
    }

    fn first_picked(&self, range: &Range<Wall>) -> Option<Wall> {
        let mut period = self.period_of(range.start.div_euclid(DAY));
        period += (self.interval - self.behind(period)) % self.interval;
        loop {
            let days = self.days_of(period);
            if days.start * DAY >= range.end {
                return None;
            }
            let all = self.named_days(days.clone()) * self.times_a_day();
            if let Some(place) = self.positions.first(self.place_in(&days, range.start), all) {
                return self.wall_at(&days, place).filter(|wall| *wall < range.end);
            }
            period += self.interval;
        }
    }

    fn last_picked(&self, range: &Range<Wall>) -> Option<Wall> {
        let mut period = self.period_of((range.end - 1).div_euclid(DAY));
        period -= self.behind(period);
        loop {
            let days = self.days_of(period);
            if days.end * DAY <= range.start {
                return None;
            }
            let all = self.named_days(days.clone()) * self.times_a_day();
            if let Some(place) = self.positions.last(self.place_in(&days, range.end), all) {
                return self.wall_at(&days, place).filter(|wall| *wall >= range.start);
            }
            period -= self.interval;
        }
    }

    fn count_picked(&self, range: &Range<Wall>) -> u64 {
        let mut period = self.period_of(range.start.div_euclid(DAY));
        period += (self.interval - self.behind(period)) % self.interval;
        let mut count = 0;
        loop {
            let days = self.days_of(period);
            if days.start * DAY >= range.end {
                return count;
            }
            let all = self.named_days(days.clone()) * self.times_a_day();
            let within = self.place_in(&days, range.start)..self.place_in(&days, range.end);
            count += self.positions.count(within, all);
            period += self.interval;
        }
    }
}

impl NamedWalls for Generated {
    fn first_in(&self, range: Range<Wall>) -> Option<Wall> {
        let range = self.narrow(&range);
        if range.is_empty() || self.times.are_none() {
            return None;
        }
        if !self.positions.are_none() {
            return self.first_picked(&range);
        }
        let (today, time) = (range.start.div_euclid(DAY), range.start.rem_euclid(DAY));
        let end = (range.end - 1).div_euclid(DAY) + 1;
        let mut day = self.day_from(today, end)?;
        loop {
            let found = self.times.from(day, if day == today { time } else { 0 });
            if let Some(time) = found {
                return Some(day * DAY + time).filter(|wall| *wall < range.end);
            }
            day = self.day_from(day + 1, end)?;
            while self.times.on_day(day) == 0 {
                day = self.day_from(day + 1, end)?;
            }
        }
    }

    fn last_in(&self, range: Range<Wall>) -> Option<Wall> {
        let range = self.narrow(&range);
        if range.is_empty() || self.times.are_none() {
            return None;
        }
        if !self.positions.are_none() {
            return self.last_picked(&range);
        }
        let last = range.end - 1;
        let (today, time) = (last.div_euclid(DAY), last.rem_euclid(DAY));
        let start = range.start.div_euclid(DAY);
        let mut day = self.day_until(today, start)?;
        loop {
            let found = self.times.until(day, if day == today { time } else { DAY - 1 });
            if let Some(time) = found {
                return Some(day * DAY + time).filter(|wall| *wall >= range.start);
            }
            day = self.day_until(day - 1, start)?;
            while self.times.on_day(day) == 0 {
                day = self.day_until(day - 1, start)?;
            }
        }
    }

    fn count_in(&self, range: Range<Wall>) -> u64 {
        let range = self.narrow(&range);
        if range.is_empty() || self.times.are_none() {
            return 0;
        }
        if !self.positions.are_none() {
            return self.count_picked(&range);
        }
        let split = |wall: Wall| (wall.div_euclid(DAY), wall.rem_euclid(DAY));
        let ((first, first_time), (last, last_time)) = (split(range.start), split(range.end));
        let before = |day, time| {
            if time > 0 && self.is_named_day(day) { self.times.count_before(day, time) } else { 0 }
        };
        self.count_days(first..last) + before(last, last_time) - before(first, first_time)
    }
}

impl NamedWalls for Named {
    fn first_in(&self, range: Range<Wall>) -> Option<Wall> {
        let mut start = range.start;
        loop {
            let found = self.generated.first_in(start..range.end)?;
            match self.exception_at(found) {
                Some(exception) => start = exception.end,
                None => return Some(found),
            }
        }
    }

    fn last_in(&self, range: Range<Wall>) -> Option<Wall> {
        let mut end = range.end;
        loop {
            let found = self.generated.last_in(range.start..end)?;
            match self.exception_at(found) {
                Some(exception) => end = exception.start,
                None => return Some(found),
            }
        }
    }

    fn count_in(&self, range: Range<Wall>) -> u64 {
        let near = self.exceptions.partition_point(|exception| exception.end <= range.start);
        let within = self.exceptions[near..].iter().take_while(|exception| exception.start < range.end);
        let taken: u64 = within
            .map(|exception| {
                let span = exception.start.max(range.start)..exception.end.min(range.end);
                self.generated.count_in(span)
            })
            .sum();
        self.generated.count_in(range).saturating_sub(taken)
    }
}

impl Named {
    pub(super) fn exception_at(&self, wall: Wall) -> Option<&Range<Wall>> {
        let place = self.exceptions.partition_point(|exception| exception.end <= wall);
        self.exceptions.get(place).filter(|exception| exception.contains(&wall))
    }
}
