//! Why an instant is no occurrence of a cron line or of a recurrence rule: which of its fields the wall clock does not meet then. It explains what `calendar`
//! and `stretch` decide, and decides nothing itself; whether the instant occurs is asked elsewhere. No clock may enter.

use jiff::Timestamp;
use jiff::civil::DateTime;

use crate::schedule::calendar::Met;
use crate::schedule::cron::CronExpression;
use crate::schedule::recurrence::reading::Part;
use crate::schedule::recurrence::{Outside, Recurrence};
use crate::schedule::sentence::{month_name, weekday_name};
use crate::schedule::zone::Zone;

/// A field of a cron line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Seconds; a line of five fields means second 0.
    Second,
    /// Minutes.
    Minute,
    /// Hours.
    Hour,
    /// The day of the month.
    DayOfMonth,
    /// The month.
    Month,
    /// The day of the week.
    DayOfWeek,
    /// Every how many days, weeks or the like a rule comes back.
    Interval,
    /// The week of the year.
    WeekOfYear,
    /// The day of the year.
    DayOfYear,
    /// The place among all that a rule names in a week, month or the like.
    Position,
    /// The start of a rule.
    Start,
    /// The last time of a rule.
    Until,
    /// How often a rule comes at all.
    Count,
    /// What a rule leaves out.
    Exception,
}

impl Field {
    /// The word for programs.
    pub fn word(self) -> &'static str {
        match self {
            Field::Second => "second",
            Field::Minute => "minute",
            Field::Hour => "hour",
            Field::DayOfMonth => "day_of_month",
            Field::Month => "month",
            Field::DayOfWeek => "day_of_week",
            Field::Interval => "interval",
            Field::WeekOfYear => "week_of_year",
            Field::DayOfYear => "day_of_year",
            Field::Position => "position",
            Field::Start => "start",
            Field::Until => "until",
            Field::Count => "count",
            Field::Exception => "exception",
        }
    }

    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Field::DayOfMonth => "day of the month",
            Field::DayOfWeek => "day of the week",
            Field::WeekOfYear => "week of the year",
            Field::DayOfYear => "day of the year",
            other => other.word(),
        }
    }
}

/// A field that the wall clock does not meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmet {
    /// Which.
    pub field: Field,
    /// What the line or the rule says there, as it is written.
    pub wanted: String,
    /// What the clock shows: "10", "Saturday", "March".
    pub shown: String,
}

/// What stands between an instant and a cron line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// What the clock of the zone shows.
    pub wall: DateTime,
    /// The fields that it does not meet, in the order of the line; none where the clock shows what the line names, but for the
    /// fraction of a second or because it showed the same before.
    pub unmet: Vec<Unmet>,
    /// Whether the line restricts both days, so that either would have been enough.
    pub takes_either_day: bool,
}

impl Mismatch {
    /// Compares the clock of `zone` at `at` with the line.
    pub fn of(expression: &CronExpression, zone: &Zone, at: Timestamp) -> Mismatch {
        let wall = zone.time_zone().to_datetime(at);
        let Met { second, minute, hour, month, day } = expression.met_at(wall);
        let [seconds, minutes, hours, days, months, weekdays] = expression.field_texts();
        let (restricts_day, restricts_weekday) = expression.restricts_days();
        let number = |value: i8| value.to_string();
        let weekday = weekday_name(wall.weekday().to_sunday_zero_offset().unsigned_abs()).to_owned();
        let rows = [
            (second, Field::Second, seconds, number(wall.second())),
            (minute, Field::Minute, minutes, number(wall.minute())),
            (hour, Field::Hour, hours, number(wall.hour())),
            (day || !restricts_day, Field::DayOfMonth, days, number(wall.day())),
            (month, Field::Month, months, month_name(wall.month().unsigned_abs()).to_owned()),
            (day || !restricts_weekday, Field::DayOfWeek, weekdays, weekday),
        ];
        let unmet = rows.into_iter().filter(|(is_met, ..)| !is_met);
        Mismatch {
            wall,
            unmet: unmet.map(|(_, field, wanted, shown)| Unmet { field, wanted, shown }).collect(),
            takes_either_day: restricts_day && restricts_weekday,
        }
    }

    /// Compares the clock at `at` with a recurrence rule.
    pub fn of_recurrence(recurrence: &Recurrence, at: Timestamp) -> Mismatch {
        let wall = recurrence.zone().time_zone().to_datetime(at);
        let parts = recurrence.unmet(wall).into_iter().map(|part| Unmet {
            field: field_of(part),
            wanted: recurrence.part_in_words(part),
            shown: recurrence.shown_for(part, wall),
        });
        let outside = recurrence.outside_at(wall, at).map(|outside| {
            let (field, wanted) = match outside {
                Outside::BeforeStart => (Field::Start, time(recurrence.start().wall)),
                Outside::AfterUntil => (Field::Until, recurrence.end_in_words()),
                Outside::Counted(count) => (Field::Count, count.to_string()),
                Outside::Excepted => (Field::Exception, time(wall)),
            };
            Unmet { field, wanted, shown: time(wall) }
        });
        Mismatch { wall, unmet: parts.chain(outside).collect(), takes_either_day: false }
    }
}

fn field_of(part: Part) -> Field {
    match part {
        Part::Interval => Field::Interval,
        Part::Months => Field::Month,
        Part::WeekNumbers => Field::WeekOfYear,
        Part::YearDays => Field::DayOfYear,
        Part::MonthDays => Field::DayOfMonth,
        Part::Weekdays => Field::DayOfWeek,
        Part::Hours => Field::Hour,
        Part::Minutes => Field::Minute,
        Part::Seconds => Field::Second,
        Part::Positions => Field::Position,
    }
}

/// "4 January 2027 at 09:00"
fn time(wall: DateTime) -> String {
    let format = if wall.second() == 0 { "%-d %B %Y at %H:%M" } else { "%-d %B %Y at %H:%M:%S" };
    wall.strftime(format).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::zone::Zones;

    fn unmet(line: &str, at: &str) -> Vec<(&'static str, String, String)> {
        let expression = CronExpression::parse(line).expect("a test writes its lines well");
        let riga = Zones::bundled().get("Europe/Riga").expect("a zone of the bundled copy");
        let mismatch = Mismatch::of(&expression, &riga, at.parse().expect("an instant"));
        mismatch.unmet.into_iter().map(|unmet| (unmet.field.word(), unmet.wanted, unmet.shown)).collect()
    }

    #[test]
    fn each_field_that_the_clock_does_not_meet_is_named_as_it_is_written() {
        // A Saturday, 12:30:15 in Riga.
        let at = "2026-11-28T10:30:15Z";
        type Row = (&'static str, &'static [(&'static str, &'static str, &'static str)]);
        #[rustfmt::skip]
        let rows: &[Row] = &[
            ("15 30 12 * * *", &[]),
            ("30 12 * * *", &[("second", "0", "15")]),
            ("* 30 12 * * MON-FRI", &[("day_of_week", "MON-FRI", "Saturday")]),
            ("* * 9-11 * * *", &[("hour", "9-11", "12")]),
            ("*/15 */20 * * * *", &[("minute", "*/20", "30")]),
            ("* * * * JAN,jul *", &[("month", "JAN,jul", "November")]),
            ("* * * L * *", &[("day_of_month", "L", "28")]),
            ("* * * 28 * SUN", &[]),
            ("* * * 13 * SAT", &[]),
            ("* * * 13 * FRI", &[("day_of_month", "13", "28"), ("day_of_week", "FRI", "Saturday")]),
            ("@daily", &[("second", "0", "15"), ("minute", "0", "30"), ("hour", "0", "12")]),
            ("* * * * 12 1", &[("month", "12", "November"), ("day_of_week", "1", "Saturday")]),
            ("* * * 28 12 *", &[("month", "12", "November")]),
        ];
        for (line, expected) in rows {
            let found = unmet(line, at);
            let found: Vec<(&str, &str, &str)> =
                found.iter().map(|(field, wanted, shown)| (*field, wanted.as_str(), shown.as_str())).collect();
            assert_eq!(&found, expected, "{line}");
        }
    }

    #[test]
    fn a_line_that_takes_either_day_says_so() {
        let at = "2026-11-28T10:30:00Z".parse().expect("an instant");
        let takes_either = |line: &str| {
            let expression = CronExpression::parse(line).expect("a test writes its lines well");
            Mismatch::of(&expression, &Zones::utc(), at).takes_either_day
        };
        assert!(takes_either("0 9 13 * FRI") && takes_either("0 9 */2 * 1"));
        assert!(!takes_either("0 9 13 * *") && !takes_either("0 9 * * FRI"));
    }
}
