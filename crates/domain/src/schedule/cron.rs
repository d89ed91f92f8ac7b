//! A cron expression: text that names wall-clock times, and the occurrences those have in a zone. The dialect is checked
//! in `dialect`, the wall times are worked out in `calendar` and mapped to instants in `stretch`; the croner crate
//! reads the checked text and answers which days match, but is never asked for an instant, because its own search gets
//! lists at a transition wrong and ends at a missing day. No clock may enter.

use crate::schedule::calendar::{Met, NamedWalls, Wall, WallTimes};
use crate::schedule::dialect::{self, Fields, Item};
use crate::schedule::rule::Rule;
use crate::schedule::stretch::Occurrences;
use crate::schedule::zone::{FIRST_SECOND, LAST_SECOND, Zone};
use crate::schedule::{Invalid, Unit};
use croner::parser::CronParser;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use std::ops::Range;

/// A checked cron expression of five fields, or six with seconds first.
///
/// It names wall times only; which instants those are needs a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CronExpression {
    text: String,
    rule: Rule,
    walls: WallTimes,
}

impl CronExpression {
    /// Reads an expression: names, lists, ranges, steps, `L`, `W`, `#`, `@daily` and its kin, at most 256 characters.
    ///
    /// Day-of-month and day-of-week both restricted means either; `*/n` restricts; 7 is Sunday (contract.md §3).
    ///
    /// # Errors
    ///
    /// Anything else, with the field, the reason and an example: among others `5/15`, `FRI-MON`, `*/60`, `@reboot`, `?`,
    /// and an expression that never occurs before 2200, like 30 February.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let fields = dialect::read(text)?;
        let text = text.trim().to_owned();
        // No year is ever asked about; naming one spares the library filling a table of ten thousand.
        let cron = CronParser::new()
            .parse(&format!("{fields} 2000"))
            .map_err(|error| Invalid(format!("\"{text}\" is not a cron expression: {error}")))?;
        let walls = WallTimes::of(&cron);
        if walls.first_in(FIRST_SECOND..LAST_SECOND).is_none() {
            let example = "the last day of February is \"0 0 L 2 *\"";
            return Err(Invalid(format!("\"{text}\" never occurs: no month it names has such a day; {example}")));
        }
        Ok(CronExpression { text, rule: Rule::of(&fields), walls })
    }

    /// The same expression with a rule of somebody's choice for where the clocks change.
    pub fn with_rule(self, rule: Rule) -> CronExpression {
        CronExpression { rule, ..self }
    }

    /// What it does where the clocks change: Vixie's rule, unless another was chosen.
    pub fn rule(&self) -> Rule {
        self.rule
    }

    /// The expression as it was given, without the space around it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first occurrence strictly after `after`, before 2200.
    pub fn next_after(&self, zone: &Zone, after: Timestamp) -> Option<Timestamp> {
        let second = self.in_zone(zone).first_in(seconds(after, Timestamp::MAX))?;
        Some(instant(second))
    }

    /// The last occurrence in `(after, until]`.
    pub fn latest_in(&self, zone: &Zone, after: Timestamp, until: Timestamp) -> Option<Timestamp> {
        let second = self.in_zone(zone).last_in(seconds(after, until))?;
        Some(instant(second))
    }

    /// How many occurrences lie in `(after, until]`; the cost grows with the months in the span, not with the count.
    pub fn count_in(&self, zone: &Zone, after: Timestamp, until: Timestamp) -> u64 {
        self.in_zone(zone).count_in(seconds(after, until))
    }

    /// Whether it restricts both the day of the month and the day of the week, so that either is enough.
    pub fn takes_either_day(&self) -> bool {
        self.restricts_days() == (true, true)
    }

    /// Whether it restricts the day of the month, and whether the day of the week.
    pub(super) fn restricts_days(&self) -> (bool, bool) {
        let fields = self.fields();
        (fields.day[0] != Item::All, fields.weekday[0] != Item::All)
    }

    /// Which of its parts a reading of a wall clock meets.
    pub(super) fn met_at(&self, wall: DateTime) -> Met {
        self.walls.met_at(wall)
    }

    /// Whether it names what a clock on the wall shows, whatever that clock did before.
    pub fn names(&self, wall: DateTime) -> bool {
        let met = self.walls.met_at(wall);
        met.second && met.minute && met.hour && met.month && met.day
    }

    /// Whether it names anything in the hour or the minute in which a clock on the wall shows this.
    pub fn names_in(&self, unit: Unit, wall: DateTime) -> bool {
        let met = self.walls.met_at(wall);
        met.hour && met.month && met.day && (unit == Unit::Hour || met.minute)
    }

    /// Whether it names whole minutes alone.
    pub fn is_by_the_minute(&self) -> bool {
        self.walls.are_whole_minutes()
    }

    /// The six fields as they are written, the seconds first; those of a nickname as it is meant.
    pub(super) fn field_texts(&self) -> [String; 6] {
        let written: Vec<&str> = self.text.split_whitespace().collect();
        let spelt = self.fields().to_string();
        let mut texts: Vec<String> = match written.len() {
            6 => written.into_iter().map(str::to_owned).collect(),
            5 => std::iter::once("0").chain(written).map(str::to_owned).collect(),
            _ => spelt.split(' ').map(str::to_owned).collect(),
        };
        std::array::from_fn(|place| texts.get_mut(place).map(std::mem::take).unwrap_or_default())
    }

    /// The first wall time named in the range, and how many there are.
    pub(super) fn walls_between(&self, range: Range<Wall>) -> (Option<Wall>, u64) {
        (self.walls.first_in(range.clone()), self.walls.count_in(range))
    }

    /// The first time on a wall clock that it names from `from` on and before `to`.
    pub fn first_wall_between(&self, from: DateTime, to: DateTime) -> Option<DateTime> {
        let wall = |time: DateTime| Offset::UTC.to_timestamp(time).ok().map(Timestamp::as_second);
        let first = self.walls.first_in(wall(from)?..wall(to)?)?;
        Some(Offset::UTC.to_datetime(Timestamp::from_second(first).ok()?))
    }

    /// The fields again, for those who put them into words.
    pub(super) fn fields(&self) -> Fields {
        dialect::read(&self.text).expect("an expression keeps only text that was read before")
    }

    fn in_zone<'a>(&'a self, zone: &'a Zone) -> Occurrences<'a, WallTimes> {
        Occurrences { walls: &self.walls, rule: self.rule, time_zone: zone.time_zone() }
    }
}

/// The whole seconds in `(after, until]`, as far as occurrences go.
pub(super) fn seconds(after: Timestamp, until: Timestamp) -> Range<i64> {
    let past = |instant: Timestamp| floor(instant).saturating_add(1).clamp(FIRST_SECOND, LAST_SECOND);
    past(after)..past(until)
}

fn floor(instant: Timestamp) -> i64 {
    instant.as_second() - i64::from(instant.subsec_nanosecond() < 0)
}

/// A second as an instant.
pub(super) fn instant(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("occurrences lie from 1970 to 2199")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::zone::Zones;
    use croner::time::Weekday;
    use croner::{Cron, parser::CronParser};
    use jiff::SignedDuration;
    use proptest::prelude::*;
    use std::collections::{HashMap, HashSet};

    fn zone(name: &str) -> Zone {
        Zones::bundled().get(name).expect("a zone of the bundled copy")
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a test writes its instants well")
    }

    fn expression(text: &str) -> CronExpression {
        CronExpression::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    /// Every occurrence in `(after, until]`, found one by one; checks on the way that the three questions agree.
    fn walk(expression: &CronExpression, zone: &Zone, after: Timestamp, until: Timestamp) -> Vec<Timestamp> {
        let mut found = Vec::new();
        let mut cursor = after;
        while let Some(next) = expression.next_after(zone, cursor).filter(|next| *next <= until) {
            assert!(next > cursor, "{} in {} went from {cursor} to {next}", expression.as_str(), zone.name());
            assert_eq!(expression.latest_in(zone, cursor, next), Some(next));
            found.push(next);
            cursor = next;
        }
        let context = format!("{} in {} after {after} until {until}", expression.as_str(), zone.name());
        assert_eq!(expression.count_in(zone, after, until), found.len() as u64, "{context}");
        assert_eq!(expression.latest_in(zone, after, until), found.last().copied(), "{context}");
        found
    }

    #[test]
    fn golden_transitions() {
        const NEW_YORK: &str = "America/New_York";
        const SPRING: (&str, &str) = ("2026-03-08T05:30:00Z", "2026-03-09T06:45:00Z");
        const AUTUMN: (&str, &str) = ("2026-11-01T04:30:00Z", "2026-11-01T07:30:00Z");
        type Row = (&'static str, &'static str, (&'static str, &'static str), &'static [&'static str]);
        #[rustfmt::skip]
        let rows: &[Row] = &[
            // Fixed times in a gap fire once, at its end, and never twice with a time that is really then.
            ("30 2 * * *", NEW_YORK, SPRING, &["2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"]),
            ("0,30 2 * * *", NEW_YORK, SPRING, &["2026-03-08T07:00:00Z", "2026-03-09T06:00:00Z", "2026-03-09T06:30:00Z"]),
            ("0 2,3 * * *", NEW_YORK, SPRING, &["2026-03-08T07:00:00Z", "2026-03-09T06:00:00Z"]),
            ("5 2,3 * * *", NEW_YORK, SPRING, &["2026-03-08T07:00:00Z", "2026-03-08T07:05:00Z", "2026-03-09T06:05:00Z"]),
            ("0 3 * * *", NEW_YORK, SPRING, &["2026-03-08T07:00:00Z"]),
            ("30 30 2 * * *", NEW_YORK, SPRING, &["2026-03-08T07:00:00Z", "2026-03-09T06:30:30Z"]),
            ("30 2 8 3 *", NEW_YORK, SPRING, &["2026-03-08T07:00:00Z"]),
            // Wild ones let a gap pass.
            ("*/30 2 * * *", NEW_YORK, SPRING, &["2026-03-09T06:00:00Z", "2026-03-09T06:30:00Z"]),
            ("0 */2 8 * *", NEW_YORK, ("2026-03-08T04:30:00Z", "2026-03-08T09:00:00Z"), &["2026-03-08T05:00:00Z", "2026-03-08T08:00:00Z"]),
            ("*/15 * * * *", NEW_YORK, ("2026-03-08T06:30:00Z", "2026-03-08T07:30:00Z"), &["2026-03-08T06:45:00Z", "2026-03-08T07:00:00Z", "2026-03-08T07:15:00Z", "2026-03-08T07:30:00Z"]),
            // In a fold the fixed fire in the first pass, the wild in both.
            ("30 1 * * *", NEW_YORK, AUTUMN, &["2026-11-01T05:30:00Z"]),
            ("0,30 1 * * *", NEW_YORK, AUTUMN, &["2026-11-01T05:00:00Z", "2026-11-01T05:30:00Z"]),
            ("0,30 1,2 * * *", NEW_YORK, AUTUMN, &["2026-11-01T05:00:00Z", "2026-11-01T05:30:00Z", "2026-11-01T07:00:00Z", "2026-11-01T07:30:00Z"]),
            ("*/30 1 * * *", NEW_YORK, AUTUMN, &["2026-11-01T05:00:00Z", "2026-11-01T05:30:00Z", "2026-11-01T06:00:00Z", "2026-11-01T06:30:00Z"]),
            ("0 * * * *", NEW_YORK, AUTUMN, &["2026-11-01T05:00:00Z", "2026-11-01T06:00:00Z", "2026-11-01T07:00:00Z"]),
            ("@hourly", NEW_YORK, AUTUMN, &["2026-11-01T05:00:00Z", "2026-11-01T06:00:00Z", "2026-11-01T07:00:00Z"]),
            ("*/30 59 1 * * *", NEW_YORK, AUTUMN, &["2026-11-01T05:59:00Z", "2026-11-01T05:59:30Z", "2026-11-01T06:59:00Z", "2026-11-01T06:59:30Z"]),
            ("15 59 1 * * *", NEW_YORK, AUTUMN, &["2026-11-01T05:59:15Z"]),
            // Elsewhere.
            ("15 2 * * *", "Europe/Berlin", ("2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z"), &["2026-03-29T01:00:00Z", "2026-03-30T00:15:00Z"]),
            ("30 2 * * *", "Europe/Berlin", ("2026-10-24T12:00:00Z", "2026-10-26T00:00:00Z"), &["2026-10-25T00:30:00Z"]),
            ("0 0 * * *", "Europe/London", ("2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z"), &["2026-03-29T00:00:00Z", "2026-03-29T23:00:00Z"]),
            ("0 1 * * *", "Europe/London", ("2026-03-28T12:00:00Z", "2026-03-29T12:00:00Z"), &["2026-03-29T01:00:00Z"]),
            ("0 0 * * *", "America/Santiago", ("2026-09-05T12:00:00Z", "2026-09-07T12:00:00Z"), &["2026-09-06T04:00:00Z", "2026-09-07T03:00:00Z"]),
            ("30 23 * * *", "America/Santiago", ("2026-04-04T12:00:00Z", "2026-04-06T00:00:00Z"), &["2026-04-05T02:30:00Z"]),
            ("0 0 * * *", "America/Santiago", ("2026-04-04T12:00:00Z", "2026-04-06T00:00:00Z"), &["2026-04-05T04:00:00Z"]),
            ("0 0 * * *", "Asia/Beirut", ("2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z"), &["2026-03-28T22:00:00Z", "2026-03-29T21:00:00Z"]),
            ("0,15 2 * * *", "Australia/Lord_Howe", ("2026-10-03T12:00:00Z", "2026-10-05T00:00:00Z"), &["2026-10-03T15:30:00Z", "2026-10-04T15:00:00Z", "2026-10-04T15:15:00Z"]),
            ("45 1 * * *", "Australia/Lord_Howe", ("2026-04-04T12:00:00Z", "2026-04-05T12:00:00Z"), &["2026-04-04T14:45:00Z"]),
            ("*/15 1 * * *", "Australia/Lord_Howe", ("2026-04-04T14:05:00Z", "2026-04-05T12:00:00Z"), &["2026-04-04T14:15:00Z", "2026-04-04T14:30:00Z", "2026-04-04T14:45:00Z", "2026-04-04T15:00:00Z", "2026-04-04T15:15:00Z"]),
            ("30 2 * * *", "Antarctica/Troll", ("2026-03-28T12:00:00Z", "2026-03-29T12:00:00Z"), &["2026-03-29T01:00:00Z"]),
            // Three hours is still a clock set forward; a day is not.
            ("0 3 * * *", "Antarctica/Casey", ("2009-10-16T21:00:00Z", "2009-10-18T00:00:00Z"), &["2009-10-17T18:00:00Z"]),
            ("0 9 * * *", "Pacific/Apia", ("2011-12-29T00:00:00Z", "2011-12-31T00:00:00Z"), &["2011-12-29T19:00:00Z", "2011-12-30T19:00:00Z"]),
            ("0 0 * * *", "Pacific/Apia", ("2011-12-29T12:00:00Z", "2011-12-31T00:00:00Z"), &["2011-12-30T10:00:00Z"]),
            ("0 0 30 * *", "Pacific/Apia", ("2011-12-01T00:00:00Z", "2012-02-01T00:00:00Z"), &["2012-01-29T10:00:00Z"]),
        ];
        for (text, name, (after, until), expected) in rows {
            let found = walk(&expression(text), &zone(name), at(after), at(until));
            let found: Vec<String> = found.iter().map(Timestamp::to_string).collect();
            assert_eq!(&found, expected, "{text} in {name}");
        }
    }

    #[test]
    fn golden_calendar() {
        #[rustfmt::skip]
        let rows: &[(&str, &str, &[&str])] = &[
            ("0 9 * * 1-5", "2026-11-20T09:00:00Z", &["2026-11-23T09:00:00Z", "2026-11-24T09:00:00Z"]),
            ("0 9 * * MON-FRI", "2026-11-20T09:00:00Z", &["2026-11-23T09:00:00Z"]),
            ("0 0 29 2 *", "2096-03-01T00:00:00Z", &["2104-02-29T00:00:00Z", "2108-02-29T00:00:00Z"]),
            ("0 0 * 2 MON#5", "2026-01-01T00:00:00Z", &["2044-02-29T00:00:00Z", "2072-02-29T00:00:00Z", "2112-02-29T00:00:00Z"]),
            ("0 0 L * *", "2027-02-01T00:00:00Z", &["2027-02-28T00:00:00Z", "2027-03-31T00:00:00Z"]),
            ("0 0 LW * *", "2027-02-01T00:00:00Z", &["2027-02-26T00:00:00Z", "2027-03-31T00:00:00Z"]),
            ("0 0 15W * *", "2027-05-01T00:00:00Z", &["2027-05-14T00:00:00Z", "2027-06-15T00:00:00Z"]),
            ("0 0 1W * *", "2027-04-30T00:00:00Z", &["2027-05-03T00:00:00Z", "2027-06-01T00:00:00Z"]),
            ("0 0 * * 5L", "2027-01-01T00:00:00Z", &["2027-01-29T00:00:00Z", "2027-02-26T00:00:00Z"]),
            ("0 0 * * friL", "2027-01-01T00:00:00Z", &["2027-01-29T00:00:00Z"]),
            ("0 0 * * FRI#L", "2027-01-01T00:00:00Z", &["2027-01-29T00:00:00Z"]),
            ("0 0 * * tue#2", "2027-01-01T00:00:00Z", &["2027-01-12T00:00:00Z", "2027-02-09T00:00:00Z"]),
            ("0 0 * * 7#1", "2027-01-01T00:00:00Z", &["2027-01-03T00:00:00Z"]),
            ("0 0 * * 7", "2027-01-01T00:00:00Z", &["2027-01-03T00:00:00Z", "2027-01-10T00:00:00Z"]),
            ("0 0 * * SAT-SUN", "2027-01-01T00:00:00Z", &["2027-01-02T00:00:00Z", "2027-01-03T00:00:00Z", "2027-01-09T00:00:00Z"]),
            ("0 0 * * SUN-SUN", "2027-01-01T00:00:00Z", &["2027-01-03T00:00:00Z", "2027-01-10T00:00:00Z"]),
            // Both restricted means either, and */n restricts.
            ("0 0 13 * 5", "2027-01-01T00:00:00Z", &["2027-01-08T00:00:00Z", "2027-01-13T00:00:00Z", "2027-01-15T00:00:00Z"]),
            ("0 0 1 * 0-6", "2027-01-01T00:00:00Z", &["2027-01-02T00:00:00Z", "2027-01-03T00:00:00Z"]),
            ("0 0 */2 * 1", "2027-01-01T00:00:00Z", &["2027-01-03T00:00:00Z", "2027-01-04T00:00:00Z", "2027-01-05T00:00:00Z"]),
            ("0 0 1 JAN,jul *", "2027-01-01T00:00:00Z", &["2027-07-01T00:00:00Z", "2028-01-01T00:00:00Z"]),
            ("0 8-20/6 * * *", "2027-01-01T00:00:00Z", &["2027-01-01T08:00:00Z", "2027-01-01T14:00:00Z", "2027-01-01T20:00:00Z", "2027-01-02T08:00:00Z"]),
            ("59 59 23 31 12 *", "2027-01-01T00:00:00Z", &["2027-12-31T23:59:59Z", "2028-12-31T23:59:59Z"]),
            ("@yearly", "2027-01-01T00:00:00Z", &["2028-01-01T00:00:00Z"]),
            ("@Weekly", "2027-01-01T00:00:00Z", &["2027-01-03T00:00:00Z"]),
            ("@midnight", "2027-01-01T00:00:00Z", &["2027-01-02T00:00:00Z"]),
            ("@monthly", "2027-01-01T00:00:00Z", &["2027-02-01T00:00:00Z"]),
        ];
        for (text, after, expected) in rows {
            let until = at(expected.last().expect("a row names occurrences"));
            let found = walk(&expression(text), &Zones::utc(), at(after), until);
            let found: Vec<String> = found.iter().map(Timestamp::to_string).collect();
            assert_eq!(&found, expected, "{text}");
        }
    }

    #[test]
    fn a_day_of_the_month_and_a_day_of_the_week_are_alternatives() {
        for (text, either) in [
            ("0 0 13 * 5", true),
            ("0 0 */2 * 1", true),
            ("0 0 * * 5", false),
            ("0 0 13 * *", false),
            ("0 0 0 13 * 5", true),
            ("@weekly", false),
        ] {
            assert_eq!(expression(text).takes_either_day(), either, "{text}");
        }
    }

    #[test]
    fn accepted() {
        let longest = format!("{} * * * *", vec!["10"; 83].join(","));
        assert_eq!(longest.len(), 256);
        #[rustfmt::skip]
        let rows = [
            "* * * * *", "\t*  *\t* * * ", "00 09 * * *", "0 0 * * 0-7", "0 0 * * FRI-SUN", "0 0 * * SUN-TUE",
            "*/59 * * * *", "0 0 */31 * *", "5-59/15 * * * *", "0 0 1,15 * *", "0 0 1W,15W * *", "0 0 L,15 * *",
            "0 0 l * *", "0 0 * * 1,3#2,5L", "0 0 31 1-12 *", "* * * * * *", "0 0 * dec Mon", "@annually", "@daily",
            "  @HOURLY", "0 0 30 2 1", &longest,
        ];
        for text in rows {
            assert_eq!(expression(text).as_str(), text.trim());
        }
    }

    #[test]
    fn refused_with_the_field_and_an_example() {
        let long = format!("{}  * * * *", vec!["10"; 83].join(","));
        #[rustfmt::skip]
        let rows = [
            ("", "empty"),
            ("   ", "empty"),
            ("*", "1 field,"),
            ("* * * *", "4 fields"),
            ("* * * * * * *", "7 fields"),
            (&long, "longer than 256"),
            ("@reboot", "@reboot"),
            ("@every 5m", "@every"),
            ("@", "not one of"),
            ("5/15 * * * *", "minute field \"5/15\": a step needs"),
            ("/15 * * * *", "a step needs"),
            ("0/15 * * * *", "a step needs"),
            ("*/60 * * * *", "minute field \"*/60\": a step of 60 is larger"),
            ("*/60 * * * * *", "second field"),
            ("0 */24 * * *", "hour field \"*/24\""),
            ("0 0 */32 * *", "day-of-month field"),
            ("0 0 1 */13 *", "month field"),
            ("0 0 * * */8", "day-of-week field"),
            ("10-20/60 * * * *", "larger than the field's range"),
            ("*/0 * * * *", "a step of 0"),
            ("*/ * * * *", "a step is a number"),
            ("*/5/5 * * * *", "a step is a number"),
            ("55-5 * * * *", "cannot run backwards"),
            ("0 22-5 * * *", "hour field"),
            ("0 0 * * FRI-MON", "day-of-week field \"FRI-MON\": a range cannot run backwards"),
            ("0 0 * NOV-FEB *", "month field"),
            (", * * * *", "minute field \"\": a list has an empty member"),
            ("1, * * * *", "empty member"),
            ("1,,2 * * * *", "empty member"),
            ("*,5 * * * *", "cannot be in a list"),
            ("60 * * * *", "60 is not between 0 and 59"),
            ("0 24 * * *", "24 is not between 0 and 23"),
            ("0 0 0 * *", "0 is not between 1 and 31"),
            ("0 0 32 * *", "day-of-month field"),
            ("0 0 * 13 *", "month field"),
            ("0 0 * 0 *", "month field"),
            ("0 0 * * 8", "8 is not between 0 and 7"),
            ("0 0 MON * *", "MON is a name for the day-of-week field"),
            ("0 0 * MON *", "MON is a name for the day-of-week field"),
            ("0 0 * * JAN", "JAN is a name for the month field"),
            ("JAN * * * *", "minute field"),
            ("0 0 * * MONDAY", "day-of-week field"),
            ("0 0 * JANUARY *", "month field"),
            ("-5 * * * *", "minute field"),
            ("5- * * * *", "minute field"),
            ("1-2-3 * * * *", "minute field"),
            ("+5 * * * *", "minute field"),
            ("005 * * * *", "minute field"),
            ("1.5 * * * *", "minute field"),
            ("** * * * *", "minute field"),
            ("*5 * * * *", "minute field"),
            ("0 0 ? * *", "day-of-month field \"?\""),
            ("0 0 * * ?", "day-of-week field \"?\""),
            ("0 0 1 * +MON", "day-of-week field"),
            ("L * * * *", "minute field"),
            ("0 0 * L *", "month field"),
            ("0 0 * * L", "L needs a weekday"),
            ("0 0 L-3 * *", "day-of-month field"),
            ("0 0 W * *", "day-of-month field"),
            ("0 0 32W * *", "day-of-month field"),
            ("0 0 1-15W * *", "day-of-month field"),
            ("0 0 L,LW * *", "L and LW"),
            ("0 0 1#2 * *", "day-of-month field"),
            ("0 0 * * 1#0", "what follows #"),
            ("0 0 * * 1#6", "what follows #"),
            ("0 0 * * 1#", "what follows #"),
            ("0 0 * * #2", "day-of-week field"),
            ("0 0 * * 1-5#2", "day-of-week field"),
            ("0 0 * * 1W", "day-of-week field"),
            ("0 0 30 2 *", "never occurs"),
            ("0 0 31 2,4,6,9,11 *", "never occurs"),
            ("0\n0 * * *", "4 fields"),
            ("0 0\u{a0}* * *", "4 fields"),
            ("٣ * * * *", "minute field"),
            ("TZ=UTC 0 0 * * *", "second field"),
            ("CRON_TZ=", "1 field,"),
        ];
        for (text, reason) in rows {
            let error = CronExpression::parse(text).expect_err(text);
            assert!(error.0.contains(reason), "{text}: {error}");
            let quoted = error.0.split('"').skip(1).step_by(2);
            assert!(
                quoted.into_iter().any(|example| CronExpression::parse(example).is_ok()),
                "{text}: no valid example in: {error}"
            );
        }
    }

    #[test]
    fn occurrences_begin_in_1970_and_end_with_2199() {
        let daily = expression("@daily");
        let utc = Zones::utc();
        assert_eq!(daily.next_after(&utc, Timestamp::MIN), Some(at("1970-01-01T00:00:00Z")));
        assert_eq!(daily.next_after(&utc, at("2199-12-30T12:00:00Z")), Some(at("2199-12-31T00:00:00Z")));
        assert_eq!(daily.next_after(&utc, at("2199-12-31T00:00:00Z")), None);
        assert_eq!(daily.next_after(&utc, Timestamp::MAX), None);
        assert_eq!(daily.latest_in(&utc, Timestamp::MIN, Timestamp::MAX), Some(at("2199-12-31T00:00:00Z")));
        assert_eq!(daily.count_in(&utc, Timestamp::MIN, Timestamp::MAX), 84_006);
        assert_eq!(daily.count_in(&utc, Timestamp::MAX, Timestamp::MIN), 0);
        assert_eq!(daily.latest_in(&utc, Timestamp::MAX, Timestamp::MIN), None);
    }

    #[test]
    fn a_fraction_of_a_second_neither_repeats_nor_skips() {
        let minutely = expression("* * * * *");
        let utc = Zones::utc();
        assert_eq!(minutely.next_after(&utc, at("2026-11-21T07:00:00.0000001Z")), Some(at("2026-11-21T07:01:00Z")));
        assert_eq!(minutely.next_after(&utc, at("2026-11-21T06:59:59.999999999Z")), Some(at("2026-11-21T07:00:00Z")));
        assert_eq!(minutely.next_after(&utc, at("1969-12-31T23:59:59.5Z")), Some(at("1970-01-01T00:00:00Z")));
        assert_eq!(minutely.count_in(&utc, at("2026-11-21T07:00:00Z"), at("2026-11-21T07:01:00Z")), 1);
        assert_eq!(minutely.count_in(&utc, at("2026-11-21T07:00:00Z"), at("2026-11-21T07:00:59.999Z")), 0);
    }

    #[test]
    fn a_year_of_minutes_has_as_many_as_elapse() {
        let year = (at("2026-01-01T05:00:00Z"), at("2027-01-01T05:00:00Z"));
        let new_york = zone("America/New_York");
        assert_eq!(expression("* * * * *").count_in(&new_york, year.0, year.1), 365 * 1_440);
        assert_eq!(expression("* * * * * *").count_in(&new_york, year.0, year.1), 365 * 86_400);
        assert_eq!(expression("30 2 * * *").count_in(&new_york, year.0, year.1), 365);
        assert_eq!(expression("30 1 * * *").count_in(&new_york, year.0, year.1), 365);
    }

    /// The rule at every jump that the zone data knows: a fixed time in a short gap fires as the gap ends, one in a
    /// fold in the first pass and not in the second.
    #[test]
    fn every_transition_of_every_zone_holds_the_rule() {
        let zones = Zones::bundled();
        let second = SignedDuration::from_secs(1);
        let mut jumps = 0;
        let mut read = HashMap::new();
        for name in zones.database.available() {
            let Ok(zone) = zones.get(name.as_str()) else {
                continue;
            };
            let transitions = zone.time_zone().following(at("1972-06-01T00:00:00Z"));
            for transition in transitions.take_while(|transition| transition.timestamp() < at("2050-01-01T00:00:00Z")) {
                let edge = transition.timestamp();
                let before = zone.time_zone().to_offset(edge - second);
                let after = transition.offset();
                let mut fires = |wall: jiff::civil::DateTime, instant: Timestamp| {
                    let text = format!("{} {} * * *", wall.minute(), wall.hour());
                    let daily = read.entry(text).or_insert_with_key(|text| expression(text));
                    daily.latest_in(&zone, instant - second, instant) == Some(instant)
                };
                let jump = after.seconds() - before.seconds();
                if jump > 0 {
                    let wall = before.to_datetime(edge);
                    // Over a skipped day the same time of the next day may be what is shown.
                    let expected = jump <= 3 * 3_600 || jump == 86_400;
                    assert_eq!(fires(wall, edge), expected, "{} gap at {edge}", zone.name());
                } else if jump < 0 {
                    let wall = after.to_datetime(edge);
                    let first = before.to_timestamp(wall).expect("in range");
                    assert!(fires(wall, first), "{} fold at {edge}", zone.name());
                    assert!(!fires(wall, edge), "{} fold at {edge}", zone.name());
                }
                jumps += usize::from(jump != 0);
            }
        }
        assert!(jumps > 10_000, "the zone data has hardly any transitions: {jumps}");
    }

    /// The rule by its words, instant by instant: slow, and sharing nothing with the search but the zone data and
    /// croner's answer whether a date and a time match.
    fn by_definition(cron: &Cron, wild: bool, zone: &Zone, from: i64, to: i64, step: i64) -> Vec<i64> {
        let offset = |second: i64| {
            let instant = Timestamp::from_second(second).expect("in range");
            i64::from(zone.time_zone().to_offset(instant).seconds())
        };
        let mut fired = Vec::new();
        let mut shown = HashSet::new();
        let mut wall_before = from - step + offset(from - step);
        for second in (from..=to).step_by(usize::try_from(step).expect("positive")) {
            let wall = second + offset(second);
            let skipped = wall_before + step..wall;
            let short_gap = !skipped.is_empty() && skipped.end - skipped.start <= 3 * 3_600;
            let mut skipped_walls = skipped.step_by(usize::try_from(step).expect("positive"));
            let after_gap =
                !wild && short_gap && skipped_walls.any(|wall| !shown.contains(&wall) && matches(cron, wall));
            let is_new = shown.insert(wall);
            if after_gap || (matches(cron, wall) && (wild || is_new)) {
                fired.push(second);
            }
            wall_before = wall;
        }
        fired
    }

    fn matches(cron: &Cron, wall: i64) -> bool {
        let pattern = &cron.pattern;
        let (hour, minute, second) =
            (wall.rem_euclid(86_400) / 3_600, wall.rem_euclid(3_600) / 60, wall.rem_euclid(60));
        let is = |answer: Result<bool, croner::errors::CronError>| answer.expect("a real date and time");
        if !is(pattern.minute_match(minute as u32))
            || !is(pattern.hour_match(hour as u32))
            || !is(pattern.second_match(second as u32))
        {
            return false;
        }
        let date = Offset::UTC.to_datetime(Timestamp::from_second(wall).expect("in range")).date();
        let weekday = Weekday::from_days_from_sunday(date.weekday().to_sunday_zero_offset() as u32);
        is(pattern.month_match(date.month() as u32))
            && is(pattern.day_match(date.year().into(), date.month() as u32, date.day() as u32, weekday))
    }

    fn sixty() -> impl Strategy<Value = String> {
        prop_oneof![
            3 => (0..60).prop_map(|value: i32| value.to_string()),
            2 => (0..60_i32, 0..60_i32).prop_map(|(one, other)| format!("{one},{other}")),
            2 => (0..60_i32, 0..60_i32).prop_map(|(one, other)| format!("{}-{}", one.min(other), one.max(other))),
            1 => (0..60_i32, 0..60_i32, 1..30).prop_map(|(one, other, step)| format!("{}-{}/{step}", one.min(other), one.max(other))),
            2 => (1..60).prop_map(|step| format!("*/{step}")),
            1 => Just("*".to_owned()),
        ]
    }

    fn hours() -> impl Strategy<Value = String> {
        prop_oneof![
            // Where most transitions are.
            4 => (0..4).prop_map(|hour: i32| hour.to_string()),
            2 => (0..4, 0..24).prop_map(|(one, other)| format!("{one},{other}")),
            2 => (0..4_i32, 0..24_i32).prop_map(|(one, more)| format!("{one}-{}", (one + more).min(23))),
            1 => (0..24).prop_map(|hour: i32| hour.to_string()),
            1 => (1..24).prop_map(|step| format!("*/{step}")),
            2 => Just("*".to_owned()),
        ]
    }

    fn dates() -> impl Strategy<Value = String> {
        let day = prop_oneof![
            6 => Just("*".to_owned()),
            1 => (1..=31).prop_map(|day: i32| day.to_string()),
            1 => (1..=31).prop_map(|day| format!("{day}W")),
            1 => (2..=31).prop_map(|step| format!("*/{step}")),
            1 => prop_oneof![Just("L"), Just("LW"), Just("L,3"), Just("1-7")].prop_map(str::to_owned),
        ];
        let weekday = prop_oneof![
            6 => Just("*".to_owned()),
            1 => (0..=7).prop_map(|day: i32| day.to_string()),
            1 => (0..=7, 1..=5).prop_map(|(day, nth)| format!("{day}#{nth}")),
            1 => (0..=7).prop_map(|day| format!("{day}L")),
            1 => prop_oneof![Just("SAT-SUN"), Just("MON-FRI"), Just("SUN"), Just("0-6")].prop_map(str::to_owned),
        ];
        let month = prop_oneof![
            8 => Just("*".to_owned()),
            1 => (1..=12, 1..=12).prop_map(|(one, other)| format!("{one},{other}")),
            1 => (1..=12).prop_map(|step| format!("*/{step}")),
        ];
        (day, month, weekday).prop_map(|(day, month, weekday)| format!("{day} {month} {weekday}"))
    }

    fn zones() -> impl Strategy<Value = Zone> {
        #[rustfmt::skip]
        let odd = [
            "America/New_York", "Europe/Berlin", "Europe/London", "America/Santiago", "Asia/Beirut",
            "Australia/Lord_Howe", "Pacific/Apia", "Pacific/Kwajalein", "Pacific/Kiritimati", "Antarctica/Troll",
            "Antarctica/Casey", "Africa/Casablanca", "Africa/Cairo", "Asia/Pyongyang", "America/Caracas",
            "America/St_Johns", "Pacific/Chatham", "Europe/Dublin", "Asia/Gaza", "America/Nuuk", "America/Havana",
            "Asia/Kathmandu", "UTC",
        ];
        let all: Vec<String> = Zones::bundled().database.available().map(|name| name.as_str().to_owned()).collect();
        let known = |name: String| Zones::bundled().get(&name).ok();
        prop_oneof![
            3 => proptest::sample::select(odd.to_vec()).prop_map(str::to_owned),
            1 => proptest::sample::select(all),
        ]
        .prop_filter_map("no zone of the database", known)
    }

    /// A transition of the zone, found by where one looks for it; a plain instant where there is none. From 1972 on
    /// all offsets are whole minutes.
    fn near_a_transition(zone: &Zone, second: i64) -> i64 {
        let instant = Timestamp::from_second(second).expect("in range");
        let mut next = zone.time_zone().following(instant);
        let edge = next.next().map_or(second, |transition| transition.timestamp().as_second());
        edge.min(LAST_SECOND - 5 * 86_400).div_euclid(60) * 60
    }

    fn check(text: &str, zone: &Zone, edge: i64, reach: i64, shift: i64, step: i64) -> Result<(), TestCaseError> {
        let Ok(expression) = CronExpression::parse(text) else {
            return Ok(());
        };
        let parts: Vec<&str> = text.split(' ').collect();
        let wild = parts[..parts.len() - 3].iter().any(|field| field.starts_with('*'));
        let six = if parts.len() == 5 { format!("0 {text}") } else { text.to_owned() };
        let cron = CronParser::new().parse(&six).expect("what the gate lets through is readable");
        // The oracle starts early, so that it has seen what a fold repeats.
        let (from, to) = (edge - reach + shift, edge + reach);
        let expected = by_definition(&cron, wild, zone, edge - 2 * reach, to, step);
        let expected: Vec<i64> = expected.into_iter().filter(|second| *second > from).collect();
        let (after, until) =
            (Timestamp::from_second(from).expect("in range"), Timestamp::from_second(to).expect("in range"));
        let found = walk(&expression, zone, after, until);
        let found: Vec<i64> = found.iter().map(|instant| instant.as_second()).collect();
        prop_assert_eq!(found, expected, "{} in {} around {}", text, zone.name(), edge);
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

        #[test]
        fn minutes_around_a_transition_are_those_of_the_definition(
            (minute, hour, date) in (sixty(), hours(), dates()),
            zone in zones(),
            second in 70_000_000_i64..LAST_SECOND - 86_400 * 800,
            shift in -400_i64..1_600,
        ) {
            let edge = near_a_transition(&zone, second);
            check(&format!("{minute} {hour} {date}"), &zone, edge, 30 * 3_600, shift * 60, 60)?;
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 80, ..ProptestConfig::default() })]

        #[test]
        fn seconds_around_a_transition_are_those_of_the_definition(
            (second, minute, hour) in (sixty(), sixty(), hours()),
            date in dates(),
            zone in zones(),
            looked_from in 70_000_000_i64..LAST_SECOND - 86_400 * 800,
            shift in -3_000_i64..9_000,
        ) {
            let edge = near_a_transition(&zone, looked_from);
            check(&format!("{second} {minute} {hour} {date}"), &zone, edge, 2 * 3_600, shift, 1)?;
        }

        #[test]
        fn counting_a_long_span_is_counting_its_parts(
            (minute, hour, date) in (sixty(), hours(), dates()),
            zone in zones(),
            from in 0_i64..LAST_SECOND,
            span in 0_i64..86_400 * 4_000,
            cut in 0.0_f64..1.0,
        ) {
            if let Ok(expression) = CronExpression::parse(&format!("{minute} {hour} {date}")) {
                let instant = |second: i64| Timestamp::from_second(second).expect("in range");
                let (after, until) = (instant(from), instant(from + span));
                let middle = instant(from + (span as f64 * cut) as i64);
                let whole = expression.count_in(&zone, after, until);
                prop_assert_eq!(whole, expression.count_in(&zone, after, middle) + expression.count_in(&zone, middle, until));
                match expression.latest_in(&zone, after, until) {
                    Some(latest) => {
                        prop_assert!(expression.next_after(&zone, latest).is_none_or(|next| next > until));
                        prop_assert_eq!(expression.count_in(&zone, after, latest), whole);
                        prop_assert_eq!(expression.count_in(&zone, latest, until), 0);
                    }
                    None => prop_assert_eq!(whole, 0),
                }
            }
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,40}", mixed in "[0-9*/,LW#@ A-Z-]{0,30}( [0-9*/,LW#A-Z-]{1,6}){0,5}") {
            let _ = CronExpression::parse(&text);
            if let Ok(expression) = CronExpression::parse(&mixed) {
                prop_assert!(expression.next_after(&Zones::utc(), Timestamp::UNIX_EPOCH).is_some());
            }
        }
    }
}
