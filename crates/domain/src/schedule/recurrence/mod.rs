//! A recurrence rule of RFC 5545 (`RRULE`), as calendars write it: every second Monday, the last working day of a month, week 20. The room
//! exists so that such a rule names wall times just as a cron line does, and goes with them through the same search and the same
//! daylight-saving decisions. No clock may enter.
//!
//! - `lines` reads what was written or pasted, `parts` the rule in it, `moment` its times; what is not carried out is refused there.
//! - `year` says which days a rule names, `times` which times of a day, `positions` which of them are picked, `walls` puts
//!   them together; all by arithmetic.
//! - `reading` says of one reading of a clock which part does not match, without any of that; `words` says a rule in English.

pub(in crate::schedule) mod lines;
mod moment;
mod parts;
mod positions;
pub(in crate::schedule) mod reading;
mod times;
mod walls;
mod words;
mod year;

#[cfg(test)]
mod tests;

use std::ops::Range;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

pub use self::lines::RecurrenceText;
use self::moment::Moment;
use self::parts::{End, Parts};
use self::reading::{Part, Reader};
use self::times::{DAY, wall_of};
use self::walls::{Generated, Named};
use crate::schedule::Unit;
use crate::schedule::bounds::just_before;
use crate::schedule::calendar::{NamedWalls, Wall};
use crate::schedule::cron::{instant, seconds};
use crate::schedule::nth;
use crate::schedule::rule::{Fold, Gap, Rule};
use crate::schedule::stretch::Occurrences;
use crate::schedule::zone::{FIRST_SECOND, LAST_SECOND, Zone};

/// Where a rule starts to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// On the clock of its zone; whole seconds.
    pub wall: DateTime,
    /// Whether somebody said so beside the rule, and it is not the day on which it was made.
    pub is_told: bool,
}

/// A rule placed in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recurrence {
    text: RecurrenceText,
    start: Start,
    zone: Zone,
    rule: Rule,
    /// With what the start says where the rule is silent.
    parts: Parts,
    named: Named,
    /// Seconds that are excepted as such, in order: of what a clock shows twice, one pass and not the other, and at the end of a gap all that
    /// fires there.
    excepted: Vec<i64>,
    /// How many exceptions there are that meet a time of the rule, each once.
    exceptions_met: usize,
    /// The first second after the last that counts, by `COUNT` or an `UNTIL` in UTC.
    end: i64,
}

/// Why an instant is no occurrence of a rule, beside the parts that its clock does not meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::schedule) enum Outside {
    /// It lies before the start.
    BeforeStart,
    /// It lies after the end that `UNTIL` says.
    AfterUntil,
    /// All that `COUNT` allows have come before.
    Counted(u64),
    /// `EXDATE` takes it away.
    Excepted,
}

impl Recurrence {
    /// A rule in a zone. Where its text says where it starts, `start` is not looked at.
    pub fn new(text: RecurrenceText, start: Start, zone: Zone) -> Recurrence {
        let start = match text.start() {
            Some(wall) => Start { wall, is_told: false },
            None => start,
        };
        let parts = text.parts.completed(start.wall);
        // Days beyond the last second, for zones that are behind.
        let far = LAST_SECOND + 2 * DAY;
        let last_wall = match parts.end {
            End::Date(date) => wall_of(date.at(0, 0, 0, 0)) + DAY,
            End::Wall(wall) => wall_of(wall) + 1,
            End::Never | End::Count(_) | End::Instant(_) => far,
        };
        let generated = Generated::of(&parts, wall_of(start.wall), last_wall.min(far));
        let (exceptions, excepted) = exceptions(&text, &zone);
        // RFC 5545 §3.3.10: what the clocks leave out does not occur. Rules by the hour and less go on through a doubled hour.
        let fold = if parts.frequency < parts::Frequency::Daily { Fold::BothPasses } else { Fold::FirstPass };
        let rule = Rule { gap: Gap::LeftOut, fold };
        let named = Named { generated, exceptions };
        Recurrence { text, start, zone, rule, parts, named, excepted, exceptions_met: 0, end: LAST_SECOND }.closed()
    }

    /// The same with a rule of somebody's choice for where the clocks change.
    pub fn with_rule(&self, rule: Rule) -> Recurrence {
        Recurrence { rule, ..self.clone() }.closed()
    }

    /// The same with what follows from the others: what the clocks leave out does not count, so the last of so many may be another, and an
    /// exception may meet nothing.
    fn closed(self) -> Recurrence {
        let recurrence = Recurrence { end: self.end_by_rule(), ..self };
        Recurrence { exceptions_met: recurrence.exceptions_met(), ..recurrence }
    }

    /// What it does where the clocks change.
    pub fn rule(&self) -> Rule {
        self.rule
    }

    /// What was written.
    pub fn text(&self) -> &RecurrenceText {
        &self.text
    }

    /// Where it starts to count.
    pub fn start(&self) -> Start {
        self.start
    }

    /// The start as an instant, where somebody said it beside the rule.
    pub fn told_start(&self) -> Option<Timestamp> {
        let instant = || self.zone.time_zone().to_ambiguous_timestamp(self.start.wall).compatible().ok();
        self.start.is_told.then(instant).flatten()
    }

    /// Whose wall clock.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The first occurrence strictly after `after`, before 2200.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let mut span = self.narrow(seconds(after, Timestamp::MAX));
        loop {
            let found = self.occurrences().first_in(span.clone())?;
            if !self.is_excepted(found) {
                return Some(instant(found));
            }
            span.start = found + 1;
        }
    }

    /// The last occurrence in `(after, until]`.
    pub fn latest_in(&self, after: Timestamp, until: Timestamp) -> Option<Timestamp> {
        let mut span = self.narrow(seconds(after, until));
        loop {
            let found = self.occurrences().last_in(span.clone())?;
            if !self.is_excepted(found) {
                return Some(instant(found));
            }
            span.end = found;
        }
    }

    /// How many occurrences lie in `(after, until]`. The cost grows with the years in the span, where a rule counts hours or less with the days,
    /// and where it picks positions with the periods that it picks from; not with the count.
    pub fn count_in(&self, after: Timestamp, until: Timestamp) -> u64 {
        let (span, occurrences) = (self.narrow(seconds(after, until)), self.occurrences());
        let near = self.excepted.partition_point(|second| *second < span.start);
        let within = self.excepted[near..].iter().take_while(|second| **second < span.end);
        let is_named = |second: &&i64| occurrences.first_in(**second..**second + 1).is_some();
        occurrences.count_in(span.clone()).saturating_sub(within.filter(is_named).count() as u64)
    }

    /// Whether it names what a clock on the wall shows, whatever that clock did before; its end, and which pass of a doubled hour is
    /// excepted, are those of an instant, and are asked about by [`Recurrence::counts_at`].
    pub fn names(&self, wall: DateTime) -> bool {
        self.naming()(wall)
    }

    /// [`Recurrence::names`], for whoever asks about many readings in a row.
    pub fn naming(&self) -> impl Fn(DateTime) -> bool + '_ {
        let reader = Reader::of(&self.parts, self.start.wall);
        move |wall| reader.unmet(wall).is_empty() && self.outside(wall).is_none()
    }

    /// Whether it may name anything in the hour or the minute in which a clock on the wall shows this. Where not, it names nothing there.
    pub fn may_name_in(&self, unit: Unit, wall: DateTime) -> bool {
        Reader::of(&self.parts, self.start.wall).may_meet_in(unit, wall)
    }

    /// Whether what it names on the wall counts at that instant: its end has not passed by then, by `COUNT` or `UNTIL`, and this very instant is
    /// not excepted.
    pub fn counts_at(&self, at: Timestamp) -> bool {
        !self.is_over_at(at) && !self.is_excepted(at.as_second())
    }

    /// From when on and before which instant it may name anything, by its start and its end. Those on the clock of its zone are taken two days too
    /// far, because no zone is further away from UTC.
    pub fn reach(&self) -> (Timestamp, Timestamp) {
        let walls = self.named.generated.walls();
        let (start, end) = (walls.start - 2 * DAY, self.end.min(walls.end + 2 * DAY));
        (instant(start.clamp(FIRST_SECOND, LAST_SECOND)), instant(end.clamp(FIRST_SECOND, LAST_SECOND)))
    }

    /// Whether there is anything that its exceptions take away.
    pub fn has_exceptions(&self) -> bool {
        self.exceptions_met > 0
    }

    /// What its exceptions take away in `(after, until]`, in order: of each the first instant, the last, and how many. The cost grows with the
    /// exceptions, not with what they take.
    pub fn excepted_in(&self, after: Timestamp, until: Timestamp) -> Vec<(Timestamp, Timestamp, u64)> {
        let within = self.narrow(seconds(after, until));
        let generated = Occurrences { walls: &self.named.generated, rule: self.rule, time_zone: self.zone.time_zone() };
        let second_of = |wall: Wall| {
            let wall = Offset::UTC.to_datetime(Timestamp::from_second(wall).ok()?);
            Some(self.zone.time_zone().to_ambiguous_timestamp(wall).compatible().ok()?.as_second())
        };
        let of_range = |range: &Range<Wall>| Some(second_of(range.start)?..second_of(range.end)?);
        let ranges = self.named.exceptions.iter().filter_map(of_range);
        let alone = self.excepted.iter().map(|second| *second..second + 1);
        let runs = ranges.chain(alone).filter_map(|range| {
            let span = range.start.max(within.start)..range.end.min(within.end);
            if span.is_empty() {
                return None;
            }
            let (first, last) = (generated.first_in(span.clone())?, generated.last_in(span.clone())?);
            Some((instant(first), instant(last), generated.count_in(span)))
        });
        let mut runs: Vec<(Timestamp, Timestamp, u64)> = runs.collect();
        runs.sort_unstable();
        runs
    }

    /// Whether its end lies before its start, so that there is nothing between.
    pub fn ends_before_it_starts(&self) -> bool {
        let start = self.start.wall;
        match self.parts.end {
            End::Date(date) => date < start.date(),
            End::Wall(until) => until < start,
            End::Instant(until) => self.zone.time_zone().to_datetime(until) < start,
            End::Never | End::Count(_) => false,
        }
    }

    fn is_over_at(&self, at: Timestamp) -> bool {
        at.as_second() >= self.end
    }

    fn is_excepted(&self, second: i64) -> bool {
        self.excepted.binary_search(&second).is_ok()
    }

    /// Whether it names whole minutes alone.
    pub fn is_by_the_minute(&self) -> bool {
        self.named.generated.are_whole_minutes()
    }

    /// The first time on a wall clock that it names from `from` on and before `to`.
    pub fn first_wall_between(&self, from: DateTime, to: DateTime) -> Option<DateTime> {
        let first = self.named.first_in(wall_of(from)..wall_of(to))?;
        Some(Offset::UTC.to_datetime(Timestamp::from_second(first).ok()?))
    }

    /// The rule in English: "Every second week on Monday and Wednesday at 09:00".
    pub fn summary(&self) -> String {
        words::of(&self.parts, self.start.wall, self.exceptions_met)
    }

    /// Which parts a reading of the clock does not meet.
    pub(in crate::schedule) fn unmet(&self, wall: DateTime) -> Vec<Part> {
        Reader::of(&self.parts, self.start.wall).unmet(wall)
    }

    /// A part as it stands in the rule, or as the start says it.
    pub(in crate::schedule) fn part_in_words(&self, part: Part) -> String {
        words::part(&self.parts, self.start.wall, part)
    }

    /// What a reading of the clock shows where a part asks for something else.
    pub(in crate::schedule) fn shown_for(&self, part: Part, wall: DateTime) -> String {
        let reader = Reader::of(&self.parts, self.start.wall);
        words::shown(&reader, part, wall)
    }

    /// The end that `UNTIL` says.
    pub fn end_in_words(&self) -> String {
        words::end(&self.parts)
    }

    /// What keeps a reading of the clock, at an instant, from being an occurrence although all parts are met.
    pub(in crate::schedule) fn outside_at(&self, wall: DateTime, at: Timestamp) -> Option<Outside> {
        let is_late = || match self.parts.end {
            _ if !self.is_over_at(at) => None,
            End::Count(count) => Some(Outside::Counted(count)),
            _ => Some(Outside::AfterUntil),
        };
        let is_excepted = self.is_excepted(at.as_second()).then_some(Outside::Excepted);
        self.outside(wall).or(is_excepted).or_else(is_late)
    }

    /// The first wall time named in the range, and how many there are.
    pub(in crate::schedule) fn walls_between(&self, range: Range<Wall>) -> (Option<Wall>, u64) {
        (self.named.first_in(range.clone()), self.named.count_in(range))
    }

    fn outside(&self, wall: DateTime) -> Option<Outside> {
        let is_after = match self.parts.end {
            End::Date(date) => wall.date() > date,
            End::Wall(until) => wall > until,
            End::Never | End::Count(_) | End::Instant(_) => false,
        };
        match wall {
            _ if wall < self.start.wall => Some(Outside::BeforeStart),
            _ if is_after => Some(Outside::AfterUntil),
            _ => self.named.exception_at(wall_of(wall)).map(|_| Outside::Excepted),
        }
    }

    fn occurrences(&self) -> Occurrences<'_, Named> {
        Occurrences { walls: &self.named, rule: self.rule, time_zone: self.zone.time_zone() }
    }

    fn narrow(&self, seconds: Range<i64>) -> Range<i64> {
        seconds.start..seconds.end.min(self.end)
    }

    fn exceptions_met(&self) -> usize {
        // What lies behind the end by `COUNT` is no time of the rule any more.
        let last = wall_of(self.zone.time_zone().to_datetime(instant(self.end - 1)));
        let is_met = |range: &&Range<Wall>| {
            self.named.generated.first_in(range.start..range.end).is_some_and(|wall| wall <= last)
        };
        // What a day or a time on the wall takes away already is met once.
        let left = self.occurrences();
        let is_named = |second: &&i64| **second < self.end && left.first_in(**second..**second + 1).is_some();
        self.named.exceptions.iter().filter(is_met).count() + self.excepted.iter().filter(is_named).count()
    }

    fn end_by_rule(&self) -> i64 {
        match self.parts.end {
            End::Instant(until) => (until.as_second() + 1).clamp(FIRST_SECOND, LAST_SECOND),
            End::Count(count) => self.end_by_count(count),
            End::Never | End::Date(_) | End::Wall(_) => LAST_SECOND,
        }
    }

    /// The first second after so many occurrences, excepted ones among them.
    fn end_by_count(&self, count: u64) -> i64 {
        let generated = Occurrences { walls: &self.named.generated, rule: self.rule, time_zone: self.zone.time_zone() };
        // No zone is two days away from UTC.
        let before = Timestamp::from_second(wall_of(self.start.wall) - 2 * DAY).unwrap_or(Timestamp::MIN);
        let next_after = |after| generated.first_in(seconds(after, Timestamp::MAX)).map(instant);
        let count_in = |after, until| generated.count_in(seconds(after, until));
        nth::after(before, count, next_after, count_in).map_or(LAST_SECOND, |last| last.as_second() + 1)
    }
}

/// The excepted wall times and days, in order and apart; and the excepted instants that what a clock shows does not tell, in order: it shows
/// another like it, or has left out right before it what may fire there.
fn exceptions(text: &RecurrenceText, zone: &Zone) -> (Vec<Range<Wall>>, Vec<i64>) {
    let (mut ranges, mut seconds): (Vec<Range<Wall>>, Vec<i64>) = (Vec::new(), Vec::new());
    for (moment, own) in &text.exceptions {
        let in_own = |wall: &DateTime| {
            let own = own.as_ref().filter(|own| *own != zone)?;
            own.time_zone().to_ambiguous_timestamp(*wall).compatible().ok()
        };
        let (wall, length, said) = match moment {
            Moment::Date(date) => (date.at(0, 0, 0, 0), DAY, None),
            Moment::Wall(wall) => (*wall, 1, in_own(wall)),
            Moment::Instant(instant) => (Offset::UTC.to_datetime(*instant), 1, Some(*instant)),
        };
        let shown = said.map_or(wall, |instant| zone.time_zone().to_datetime(instant));
        let is_told_by_clock = |instant: Timestamp| {
            let offset_before = zone.time_zone().to_offset(just_before(instant));
            let is_after_gap = offset_before < zone.time_zone().to_offset(instant);
            !is_after_gap && !zone.time_zone().to_ambiguous_timestamp(shown).is_ambiguous()
        };
        match said.filter(|instant| !is_told_by_clock(*instant)) {
            Some(instant) => seconds.push(instant.as_second()),
            None => ranges.push(wall_of(shown)..wall_of(shown) + length),
        }
    }
    seconds.sort_unstable();
    seconds.dedup();
    ranges.sort_unstable_by_key(|range| (range.start, range.end));
    let mut apart: Vec<Range<Wall>> = Vec::new();
    for range in ranges {
        match apart.last_mut() {
            Some(last) if range.start < last.end => last.end = last.end.max(range.end),
            _ => apart.push(range),
        }
    }
    (apart, seconds)
}
