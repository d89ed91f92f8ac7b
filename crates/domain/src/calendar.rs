//! Named calendars: dates that somebody writes down once, and on which none of the triggers that name the calendar fire. Here stands what
//! a calendar says and how much it may hold. A trigger takes the dates into its own schedule when it comes to name one
//! (`schedule::observed`), so whoever asks when it occurs asks nobody else; whoever edits a calendar has those schedules rewritten with it
//! ([`Armed::follow`](crate::trigger::Armed::follow)).

use std::ops::RangeInclusive;

use jiff::Timestamp;

use crate::error::Invalid;
use crate::id::{CalendarId, UserId};
use crate::schedule;
use crate::schedule::excluded::ExcludedDates;
use crate::schedule::observed::Observed;
use crate::trigger::has_forbidden_chars;

pub mod ics;
#[cfg(test)]
mod law;

/// How many calendars an owner may have.
pub const CALENDARS_MAX: usize = 200;

/// How many dates a calendar may hold.
pub const DATES_MAX: usize = 2_000;

/// How many triggers may name a calendar: an edit rewrites them all in one transaction.
pub const TRIGGERS_MAX: u64 = 2_000;

/// How many calendars a trigger may name.
pub const PER_TRIGGER_MAX: usize = 5;

/// The longest name, in characters.
pub const NAME_CHARS_MAX: usize = 100;

/// The longest description, in characters.
pub const DESCRIPTION_CHARS_MAX: usize = 1_000;

/// Characters that show nothing and join nothing: two names would look the same. Joiners and marks of direction are letters' and stay.
const UNSEEN: [RangeInclusive<char>; 9] = [
    '\u{ad}'..='\u{ad}',
    '\u{34f}'..='\u{34f}',
    '\u{115f}'..='\u{1160}',
    '\u{180e}'..='\u{180e}',
    '\u{200b}'..='\u{200b}',
    '\u{2060}'..='\u{2064}',
    '\u{3164}'..='\u{3164}',
    '\u{feff}'..='\u{feff}',
    '\u{ffa0}'..='\u{ffa0}',
];

/// From so many days in a row on they are written as a range.
const RANGE_FROM: usize = 3;

/// What somebody says of a calendar, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Its name, which no other calendar of its owner has.
    pub name: String,
    /// What it is for, where that is said.
    pub description: Option<String>,
    /// The dates.
    pub dates: ExcludedDates,
}

/// A calendar as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// Its number.
    pub id: CalendarId,
    /// Whose it is.
    pub owner: UserId,
    /// Counts the changes of what triggers take over: of its name and its dates.
    pub revision: i64,
    /// What its user said.
    pub definition: Definition,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub edited_at: Timestamp,
}

impl Calendar {
    /// What it is once it says this.
    pub fn edited(&self, definition: Definition, now: Timestamp) -> Calendar {
        let stands = definition.name == self.definition.name && definition.dates == self.definition.dates;
        let revision = if stands { self.revision } else { self.revision + 1 };
        Calendar { revision, definition, edited_at: now, ..self.clone() }
    }

    /// What a schedule that names it takes over.
    pub fn observed(&self) -> Observed {
        let Definition { name, dates, .. } = &self.definition;
        Observed { calendar: self.id, revision: self.revision, name: name.clone(), dates: dates.clone() }
    }
}

/// Checks a calendar's name.
///
/// # Errors
/// None, one that is too long, and one with control characters, with characters that show nothing, or with spaces around it; the field is `name`.
pub fn parse_name(name: &str) -> Result<String, Invalid> {
    let refuse = |message: String| Err(Invalid::new("name", message));
    if name.is_empty() {
        return refuse("A calendar needs a name: triggers name it by that.".to_owned());
    }
    if name.chars().count() > NAME_CHARS_MAX {
        return refuse(format!("A name has at most {NAME_CHARS_MAX} characters."));
    }
    if has_forbidden_chars(name) {
        return refuse("A name has no line breaks and no other control characters.".to_owned());
    }
    if let Some(unseen) = name.chars().find(|c| UNSEEN.iter().any(|range| range.contains(c))) {
        let number = u32::from(unseen);
        return refuse(format!("A name has no characters that show nothing, such as U+{number:04X}."));
    }
    if name.trim() != name {
        return refuse("A name has no spaces before it and none behind it.".to_owned());
    }
    Ok(name.to_owned())
}

/// Checks what is said of what a calendar is for; an empty text is none.
///
/// # Errors
/// One that is too long, and one with control characters; the field is `description`.
pub fn parse_description(text: &str) -> Result<Option<String>, Invalid> {
    if text.chars().count() > DESCRIPTION_CHARS_MAX {
        let message = format!("A description has at most {DESCRIPTION_CHARS_MAX} characters.");
        return Err(Invalid::new("description", message));
    }
    if text.lines().any(has_forbidden_chars) {
        return Err(Invalid::new("description", "A description has no control characters but line breaks."));
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// Reads dates, each `YYYY-MM-DD` or a range of them from the first to the last, `YYYY-MM-DD/YYYY-MM-DD`.
///
/// # Errors
/// What is neither, a range that goes backwards, more than [`DATES_MAX`] dates, and what lies before 1970 or after 2199.
pub fn read_dates<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<ExcludedDates, schedule::Invalid> {
    let mut ranges = Vec::new();
    for text in texts {
        let (first, last) = match text.split_once('/') {
            Some((first, last)) => (ExcludedDates::read(first)?, ExcludedDates::read(last)?),
            None => ExcludedDates::read(text).map(|date| (date, date))?,
        };
        if last < first {
            let message = format!("the range {first}/{last} ends before it begins");
            return Err(schedule::Invalid(message));
        }
        ranges.push((first, last));
    }
    ExcludedDates::of_ranges(DATES_MAX, ranges)
}

/// Writes dates as [`read_dates`] reads them: what lies in a row is a range.
pub fn write_dates(dates: &ExcludedDates) -> Vec<String> {
    let rows = dates.dates().chunk_by(|date, next| date.tomorrow().is_ok_and(|tomorrow| tomorrow == *next));
    let write = |row: &[jiff::civil::Date]| match row {
        [first, .., last] if row.len() >= RANGE_FROM => vec![format!("{first}/{last}")],
        few => few.iter().map(ToString::to_string).collect(),
    };
    rows.flat_map(write).collect()
}

/// The dates that are in `before` alone, and those that are in `after` alone.
pub fn differing(before: &ExcludedDates, after: &ExcludedDates) -> (ExcludedDates, ExcludedDates) {
    before.apart(after)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn read(texts: &[&str]) -> Result<ExcludedDates, String> {
        read_dates(texts.iter().copied()).map_err(|error| error.to_string())
    }

    #[test]
    fn dates_and_ranges_are_read_and_written_alike() {
        let dates = read(&["2027-01-01", "2026-12-24/2026-12-26", "2026-12-25", "2027-05-01", "2027-05-02"]);
        let dates = dates.expect("dates");
        assert_eq!(dates.dates().len(), 6);
        let written = write_dates(&dates);
        assert_eq!(written, ["2026-12-24/2026-12-26", "2027-01-01", "2027-05-01", "2027-05-02"]);
        assert_eq!(read(&written.iter().map(String::as_str).collect::<Vec<_>>()), Ok(dates));
        assert_eq!(write_dates(&ExcludedDates::default()), [] as [&str; 0]);
        assert_eq!(read(&["2028-02-28/2028-03-01"]).expect("a range").dates()[1], date(2028, 2, 29));
    }

    #[test]
    fn what_is_no_date_goes_backwards_or_is_too_much_is_refused() {
        for (texts, words) in [
            (vec!["24.12.2026"], "is not a date"),
            (vec!["2026-12-24/"], "is not a date"),
            (vec!["2026-12-24/P3D"], "is not a date"),
            (vec!["2026-12-26/2026-12-24"], "ends before it begins"),
            (vec!["1970-01-01/2199-12-31"], "more than 2000 dates"),
            (vec!["1969-12-31"], "is not between 1970 and 2199"),
        ] {
            let error = read(&texts).expect_err("it is refused");
            assert!(error.contains(words), "{texts:?}: {error}");
        }
        let all = "2026-01-01/2031-06-23";
        assert_eq!(read(&[all]).expect("2000 dates").dates().len(), DATES_MAX);
        assert_eq!(read(&vec![all; 100]).expect("each counts once").dates().len(), DATES_MAX);
        assert!(read(&[all, "2031-06-24"]).is_err());
    }

    #[test]
    fn a_name_is_a_short_line_and_a_description_may_have_several() {
        assert_eq!(parse_name("holidays in Riga"), Ok("holidays in Riga".to_owned()));
        for name in ["", " holidays", "holidays ", "a\nb", "\u{202e}x", "é".repeat(101).as_str()] {
            assert!(parse_name(name).is_err(), "{name:?}");
        }
        for unseen in ["holi\u{200b}days", "\u{feff}holidays", "holidays\u{ad}", "\u{3164}", "a\u{2062}b"] {
            let error = parse_name(unseen).expect_err(unseen);
            assert!(error.message.contains("characters that show nothing, such as U+"), "{}", error.message);
        }
        for seen in ["می\u{200c}خواهم", "\u{1f468}\u{200d}\u{1f373}", "חג\u{200f} 1"] {
            assert!(parse_name(seen).is_ok(), "{seen:?}");
        }
        assert_eq!(parse_description(""), Ok(None));
        assert_eq!(parse_description("a\nb"), Ok(Some("a\nb".to_owned())));
        assert!(parse_description("a\u{0}b").is_err());
        assert!(parse_description(&"é".repeat(1_001)).is_err());
    }

    #[test]
    fn what_triggers_do_not_take_over_is_no_revision() {
        let definition = Definition { name: "a".to_owned(), description: None, dates: ExcludedDates::default() };
        let (id, owner, made) = (CalendarId(1), UserId(1), Timestamp::UNIX_EPOCH);
        let calendar =
            Calendar { id, owner, revision: 4, definition: definition.clone(), created_at: made, edited_at: made };
        let later = Timestamp::from_second(9).expect("in range");
        let described = Definition { description: Some("b".to_owned()), ..definition.clone() };
        assert_eq!(calendar.edited(described, later).revision, 4);
        assert_eq!(calendar.edited(Definition { name: "b".to_owned(), ..definition.clone() }, later).revision, 5);
        let dates = read(&["2026-12-24"]).expect("a date");
        let edited = calendar.edited(Definition { dates, ..definition }, later);
        assert_eq!((edited.revision, edited.created_at, edited.edited_at), (5, made, later));
    }
}
