//! What a zone makes of wall times. A zone's history is a row of stretches with one offset each; inside a stretch the
//! wall clock and elapsed time run alike, so only its first instant and the wall times it repeats need a rule. All
//! daylight-saving decisions of oncue are in this file and nowhere else; which wall times are named is not its business.
//!
//! The rule (contract.md §3, after Vixie's cron): a *fixed* expression fires when the wall clock first reaches or passes
//! a time it names, unless a jump of more than three hours passed over it; a *wild* one fires whenever the clock shows
//! such a time. So a fixed time in a gap fires at the first instant after it, one that exists twice on the first pass.
//! A `Rule` chooses between the two for gaps and for folds, each by itself.

use crate::schedule::calendar::{NamedWalls, Wall};
use crate::schedule::rule::{Fold, Gap, Rule};
use crate::schedule::zone::LAST_SECOND;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::ops::Range;

/// More than any two offsets differ: an instant and the wall time of its firing are never further apart than this.
const MARGIN: i64 = 2 * 86_400;
/// The longest gap whose wall times still fire, right after it. A longer one is a skipped day, not a clock set forward.
pub(crate) const GAP_MAX: i64 = 3 * 3_600;

/// Named wall times on the clock of a zone: the occurrences, as Unix seconds.
pub(super) struct Occurrences<'a, W> {
    pub(super) walls: &'a W,
    pub(super) rule: Rule,
    pub(super) time_zone: &'a TimeZone,
}

/// A span of instants with one offset; `i64::MIN` and `i64::MAX` where it has no end.
struct Stretch {
    span: Range<i64>,
    offset: i64,
}

/// What the rule makes of a stretch.
struct Passage {
    /// Its first instant, when it fires for wall times that the jump to it left out.
    gap_firing: Option<i64>,
    /// Where the wall times that count begin; those before were shown already.
    fresh_from: Wall,
}

impl<W: NamedWalls> Occurrences<'_, W> {
    /// The first occurrence in the span.
    pub(super) fn first_in(&self, span: Range<i64>) -> Option<i64> {
        let mut start = span.start;
        while start < span.end {
            let stretch = self.stretch_at(start);
            let found = self.first_of(&stretch, start..span.end);
            if found.is_some() || stretch.span.end >= span.end {
                return found;
            }
            // Whatever fires later belongs to a wall time not far from it, so stretches that show none are leapt over.
            let wall = self.walls.first_in(stretch.span.end - MARGIN..span.end + MARGIN)?;
            start = stretch.span.end.max(wall - MARGIN);
        }
        None
    }

    /// The last occurrence in the span.
    pub(super) fn last_in(&self, span: Range<i64>) -> Option<i64> {
        let mut end = span.end;
        while span.start < end {
            let stretch = self.stretch_at(end - 1);
            let found = self.last_of(&stretch, span.start..end);
            if found.is_some() || stretch.span.start <= span.start {
                return found;
            }
            let wall = self.walls.last_in(span.start - MARGIN..stretch.span.start + MARGIN)?;
            end = stretch.span.start.min(wall + MARGIN + 1);
        }
        None
    }

    /// How many occurrences the span holds. The cost grows with the zone's transitions and the months in it.
    pub(super) fn count_in(&self, span: Range<i64>) -> u64 {
        let mut start = span.start;
        let mut count = 0;
        while start < span.end {
            let stretch = self.stretch_at(start);
            count += self.count_of(&stretch, start..span.end);
            start = stretch.span.end;
        }
        count
    }

    fn first_of(&self, stretch: &Stretch, span: Range<i64>) -> Option<i64> {
        let passage = self.passage(stretch, span.start);
        if let Some(instant) = passage.gap_firing.filter(|instant| span.contains(instant)) {
            return Some(instant);
        }
        let wall = self.walls.first_in(stretch.walls(&passage, &span))?;
        Some(wall - stretch.offset)
    }

    fn last_of(&self, stretch: &Stretch, span: Range<i64>) -> Option<i64> {
        let passage = self.passage(stretch, span.start);
        let wall = self.walls.last_in(stretch.walls(&passage, &span));
        let instant = wall.map(|wall| wall - stretch.offset);
        instant.or(passage.gap_firing.filter(|instant| span.contains(instant)))
    }

    fn count_of(&self, stretch: &Stretch, span: Range<i64>) -> u64 {
        let passage = self.passage(stretch, span.start);
        // Where the clock really shows a named time as it leaves the gap, that is the same firing.
        let gap_firing = passage
            .gap_firing
            .filter(|instant| span.contains(instant) && !self.walls.contains(instant + stretch.offset));
        self.walls.count_in(stretch.walls(&passage, &span)) + u64::from(gap_firing.is_some())
    }

    fn passage(&self, stretch: &Stretch, asked_from: i64) -> Passage {
        let start = stretch.span.start;
        let unremarkable = Passage { gap_firing: None, fresh_from: i64::MIN };
        // Long after a jump nothing is left of it.
        if self.rule == Rule::WILD || start == i64::MIN || asked_from.saturating_sub(start) > MARGIN {
            return unremarkable;
        }
        let shown = self.shown_before(start);
        let first_wall = start + stretch.offset;
        let jump = stretch.offset - self.offset_at(start - 1);
        let left_out = shown < first_wall && jump <= GAP_MAX && self.walls.first_in(shown..first_wall).is_some();
        Passage {
            gap_firing: (left_out && self.rule.gap == Gap::AtItsEnd).then_some(start),
            fresh_from: if self.rule.fold == Fold::FirstPass { shown.max(first_wall) } else { i64::MIN },
        }
    }

    /// How far the wall clock had come before this transition. One transition may follow another within hours, so the
    /// one before is not always the one that counts.
    fn shown_before(&self, start: i64) -> Wall {
        let mut shown = start + self.offset_at(start - 1);
        for transition in self.time_zone.preceding(instant(start)) {
            let edge = transition.timestamp().as_second();
            if start - edge > MARGIN {
                break;
            }
            shown = shown.max(edge + self.offset_at(edge - 1));
        }
        shown
    }

    fn stretch_at(&self, second: i64) -> Stretch {
        let following = self.time_zone.following(instant(second)).next();
        // Asked from one second later, because a transition at this very second begins the stretch.
        let preceding = self.time_zone.preceding(instant(second + 1)).next();
        let start = preceding.map_or(i64::MIN, |transition| transition.timestamp().as_second());
        let end = following.map_or(i64::MAX, |transition| transition.timestamp().as_second());
        Stretch { span: start..end, offset: self.offset_at(second) }
    }

    fn offset_at(&self, second: i64) -> i64 {
        self.time_zone.to_offset(instant(second)).seconds().into()
    }
}

impl Stretch {
    /// The wall times to look at for a span of instants.
    fn walls(&self, passage: &Passage, span: &Range<i64>) -> Range<Wall> {
        let from = (self.span.start.max(span.start) + self.offset).max(passage.fresh_from);
        from..self.span.end.min(span.end) + self.offset
    }
}

fn instant(second: i64) -> Timestamp {
    // Zones know transitions long before 1970 and none of them matters here.
    let second = second.clamp(-LAST_SECOND, 2 * LAST_SECOND);
    Timestamp::from_second(second).expect("between 1740 and 2430")
}

#[cfg(test)]
mod tests {
    use croner::parser::CronParser;

    use super::*;
    use crate::schedule::calendar::WallTimes;
    use crate::schedule::rule::Rule;

    fn second(text: &str) -> i64 {
        text.parse::<Timestamp>().expect("a test writes its instants well").as_second()
    }

    /// No zone has done this yet: put back an hour at midnight, and forward again half an hour later. The clock shows 23:00 to 23:30
    /// a second time, and goes on at 00:30.
    #[test]
    fn two_changes_in_one_night_bring_each_time_of_day_once() {
        let time_zone = TimeZone::posix("AAA0BBB-1,J59/23:30,J60/0").expect("a zone by its rule");
        let (evening, next) = ("2027-02-28T12:00:00Z", "2027-03-01T22:59:59Z");
        #[rustfmt::skip]
        let rows: &[(&str, Rule, &[&str])] = &[
            ("0 15 23 * * *", Rule::FIXED, &["2027-02-28T22:15:00Z", "2027-03-01T22:15:00Z"]),
            ("0 15 23 * * *", Rule::WILD, &["2027-02-28T22:15:00Z", "2027-02-28T23:15:00Z", "2027-03-01T22:15:00Z"]),
            // Shown before the first change, and not left out by the second.
            ("0 45 23 * * *", Rule::FIXED, &["2027-02-28T22:45:00Z", "2027-03-01T22:45:00Z"]),
            ("0 45 23 * * *", Rule::WILD, &["2027-02-28T22:45:00Z", "2027-03-01T22:45:00Z"]),
            ("0 0 0 * * *", Rule::FIXED, &["2027-02-28T23:30:00Z"]),
            ("0 0,15 0 * * *", Rule::FIXED, &["2027-02-28T23:30:00Z"]),
            ("0 15,45 0,23 * * *", Rule::FIXED, &["2027-02-28T22:15:00Z", "2027-02-28T22:45:00Z", "2027-02-28T23:30:00Z", "2027-02-28T23:45:00Z", "2027-03-01T22:15:00Z", "2027-03-01T22:45:00Z"]),
            ("0 15 0 * * *", Rule::WILD, &[]),
        ];
        for (text, rule, expected) in rows {
            let cron = CronParser::new().parse(text).expect("a test writes its lines well");
            let occurrences = Occurrences { walls: &WallTimes::of(&cron), rule: *rule, time_zone: &time_zone };
            let expected: Vec<i64> = expected.iter().map(|text| second(text)).collect();
            let span = second(evening)..second(next);
            let mut found = Vec::new();
            while let Some(next) = occurrences.first_in(found.last().map_or(span.start, |last| last + 1)..span.end) {
                found.push(next);
            }
            assert_eq!(found, expected, "{text} by {rule:?}");
            assert_eq!(occurrences.count_in(span.clone()), expected.len() as u64, "{text} by {rule:?}");
            assert_eq!(occurrences.last_in(span), expected.last().copied(), "{text} by {rule:?}");
        }
    }
}
