//! Which cron text oncue accepts. The library that reads expressions is more lenient than our documentation, and a
//! schedule that was accepted by accident fires at times nobody meant; so every text passes this gate first, and what
//! leaves it is spelt in one way only. When a time occurs is decided elsewhere; no date and no zone may enter.
//!
//! Six fields, of which the seconds may be left out. `*`, numbers, ranges, lists, steps over `*` or a range, names for
//! months and weekdays; `L`, `LW`, `15W` for days; `5#2`, `5L` for weekdays; `@daily` and its kin.

use crate::schedule::Invalid;
use std::fmt;

/// The longest expression in characters (contract.md §3).
const CHARS_MAX: usize = 256;

const NICKNAMES: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// One of the six fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Second,
    Minute,
    Hour,
    Day,
    Month,
    Weekday,
}

/// One member of a field's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// `*`
    All,
    /// `*/15`
    AllBy(u8),
    /// `15`
    One(u8),
    /// `9-17`
    Range(u8, u8),
    /// `9-17/2`
    RangeBy(u8, u8, u8),
    /// `L`, the last day of the month
    LastDay,
    /// `LW`, the last Monday-to-Friday of the month
    LastWorkday,
    /// `15W`, the Monday-to-Friday nearest to a day, within its month
    Workday(u8),
    /// `1#2`, the second Monday of the month
    Nth(u8, u8),
    /// `5L`, the last Friday of the month
    Last(u8),
}

/// An expression in its fields; each has at least one item, and `All` stands alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fields {
    /// `None` in the five-field form, which means second 0.
    pub(super) second: Option<Vec<Item>>,
    pub(super) minute: Vec<Item>,
    pub(super) hour: Vec<Item>,
    pub(super) day: Vec<Item>,
    pub(super) month: Vec<Item>,
    pub(super) weekday: Vec<Item>,
}

/// Reads an expression.
///
/// # Errors
///
/// Everything the module does not list as accepted, with the field, the reason and a valid example.
pub(super) fn read(text: &str) -> Result<Fields, Invalid> {
    let text = text.trim();
    if text.chars().count() > CHARS_MAX {
        return Err(whole(&format!("it is longer than {CHARS_MAX} characters")));
    }
    if text.starts_with('@') {
        return read(expand(text)?);
    }
    let parts: Vec<&str> = text.split([' ', '\t']).filter(|part| !part.is_empty()).collect();
    let (second, rest) = match parts.as_slice() {
        [] => return Err(whole("it is empty")),
        rest if rest.len() == 5 => (None, rest),
        [second, rest @ ..] if rest.len() == 5 => (Some(field(Place::Second, second)?), rest),
        other => {
            let fields = format!("{} {}", other.len(), plural("field", other.len()));
            let reason = format!("it has {fields}, not five, or six with seconds first");
            return Err(whole(&reason));
        }
    };
    Ok(Fields {
        second,
        minute: field(Place::Minute, rest[0])?,
        hour: field(Place::Hour, rest[1])?,
        day: field(Place::Day, rest[2])?,
        month: field(Place::Month, rest[3])?,
        weekday: field(Place::Weekday, rest[4])?,
    })
}

fn expand(nickname: &str) -> Result<&'static str, Invalid> {
    let known = NICKNAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(nickname));
    known.map(|(_, fields)| *fields).ok_or_else(|| {
        let names: Vec<&str> = NICKNAMES.iter().map(|(name, _)| *name).collect();
        whole(&format!("\"{}\" is not one of {}", shorten(nickname), names.join(", ")))
    })
}

fn field(place: Place, text: &str) -> Result<Vec<Item>, Invalid> {
    let items: Vec<Item> = text.split(',').map(|member| place.item(member)).collect::<Result<_, _>>()?;
    if items.len() > 1 && items.contains(&Item::All) {
        return Err(place.error(text, "\"*\" is everything already and cannot be in a list"));
    }
    // The library would read this pair as LW alone.
    if items.contains(&Item::LastDay) && items.contains(&Item::LastWorkday) {
        return Err(place.error(text, "L and LW cannot be in one list"));
    }
    Ok(items)
}

impl Place {
    fn item(self, member: &str) -> Result<Item, Invalid> {
        if member.is_empty() {
            return Err(self.error(member, "a list has an empty member"));
        }
        let upper = member.to_ascii_uppercase();
        if let Some((range, step)) = upper.split_once('/') {
            return self.stepped(member, range, step);
        }
        if upper == "*" {
            return Ok(Item::All);
        }
        if upper == "?" {
            return Err(self.error(member, "\"?\" is written \"*\" here"));
        }
        if let Some(item) = self.special(member, &upper) {
            return item;
        }
        match upper.split_once('-') {
            Some((from, to)) => self.range(member, from, to).map(|(from, to)| Item::Range(from, to)),
            None => self.value(member, &upper).map(Item::One),
        }
    }

    fn stepped(self, member: &str, range: &str, step: &str) -> Result<Item, Invalid> {
        let max = self.bounds().1;
        let by = match small_number(step) {
            Some(0) => return Err(self.error(member, "a step of 0 goes nowhere")),
            Some(step) if step > max => {
                return Err(self.error(member, &format!("a step of {step} is larger than the field's range")));
            }
            Some(step) => step,
            None => return Err(self.error(member, "a step is a number")),
        };
        if range == "*" {
            return Ok(Item::AllBy(by));
        }
        match range.split_once('-') {
            Some((from, to)) => self.range(member, from, to).map(|(from, to)| Item::RangeBy(from, to, by)),
            None => {
                let reason = format!(
                    "a step needs \"*\" or a range before it, like \"*/{by}\" or \"{}\"",
                    self.stepped_example()
                );
                Err(self.error(member, &reason))
            }
        }
    }

    /// L, W and #, where the field has them and the member uses them.
    fn special(self, member: &str, upper: &str) -> Option<Result<Item, Invalid>> {
        match self {
            Place::Day if upper == "L" => Some(Ok(Item::LastDay)),
            Place::Day if upper == "LW" => Some(Ok(Item::LastWorkday)),
            Place::Day => {
                let day = upper.strip_suffix('W')?;
                Some(self.value(member, day).map(Item::Workday))
            }
            Place::Weekday if upper == "L" => {
                Some(Err(self.error(member, "L needs a weekday, like \"5L\" for the last Friday")))
            }
            Place::Weekday => {
                if let Some((weekday, nth)) = upper.split_once('#') {
                    return Some(self.nth(member, weekday, nth));
                }
                let weekday = upper.strip_suffix('L')?;
                Some(self.value(member, weekday).map(|weekday| Item::Last(weekday % 7)))
            }
            _ => None,
        }
    }

    fn nth(self, member: &str, weekday: &str, nth: &str) -> Result<Item, Invalid> {
        let weekday = self.value(member, weekday)? % 7;
        match small_number(nth) {
            Some(nth @ 1..=5) => Ok(Item::Nth(weekday, nth)),
            _ if nth == "L" => Ok(Item::Last(weekday)),
            _ => Err(self.error(member, "what follows # is 1 to 5, like \"MON#2\" for the second Monday")),
        }
    }

    fn range(self, member: &str, from_text: &str, to_text: &str) -> Result<(u8, u8), Invalid> {
        let from = self.value(member, from_text)?;
        let mut to = self.value(member, to_text)?;
        // A week may be written with its Sunday at either end.
        if self == Place::Weekday && to_text == "SUN" && from > 0 {
            to = 7;
        }
        if from > to {
            let reason =
                format!("a range cannot run backwards; write it as two, like \"{}\"", self.two_ranges_example());
            return Err(self.error(member, &reason));
        }
        Ok((from, to))
    }

    fn value(self, member: &str, text: &str) -> Result<u8, Invalid> {
        let (min, max) = self.bounds();
        if let Some(value) = self.named(text) {
            return Ok(value);
        }
        if let Some(elsewhere) = [Place::Month, Place::Weekday].into_iter().find(|place| place.named(text).is_some()) {
            return Err(self.error(member, &format!("{text} is a name for the {} field", elsewhere.name())));
        }
        match small_number(text) {
            Some(value) if (min..=max).contains(&value) => Ok(value),
            Some(value) => Err(self.error(member, &format!("{value} is not between {min} and {max}"))),
            None => Err(self.error(member, &format!("expected {}", self.vocabulary()))),
        }
    }

    fn named(self, text: &str) -> Option<u8> {
        let names: &[&str] = match self {
            Place::Month => &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
            Place::Weekday => &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
            _ => &[],
        };
        let index = names.iter().position(|name| *name == text)?;
        u8::try_from(index).ok().map(|index| index + self.bounds().0)
    }

    /// The smallest and the largest number; a weekday's 7 is Sunday, as 0 is.
    fn bounds(self) -> (u8, u8) {
        match self {
            Place::Second | Place::Minute => (0, 59),
            Place::Hour => (0, 23),
            Place::Day => (1, 31),
            Place::Month => (1, 12),
            Place::Weekday => (0, 7),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Place::Second => "second",
            Place::Minute => "minute",
            Place::Hour => "hour",
            Place::Day => "day-of-month",
            Place::Month => "month",
            Place::Weekday => "day-of-week",
        }
    }

    fn vocabulary(self) -> &'static str {
        match self {
            Place::Second | Place::Minute => "0 to 59, * , - and /",
            Place::Hour => "0 to 23, * , - and /",
            Place::Day => "1 to 31, * , - and /, L, LW or 15W",
            Place::Month => "1 to 12 or JAN to DEC, * , - and /",
            Place::Weekday => "0 to 7 or SUN to SAT, * , - and /, MON#2 or FRIL",
        }
    }

    fn example(self) -> &'static str {
        match self {
            Place::Second => "*/10 * * * * *",
            Place::Minute => "*/15 * * * *",
            Place::Hour => "0 9-17 * * *",
            Place::Day => "0 9 1,15 * *",
            Place::Month => "0 9 1 JAN,JUL *",
            Place::Weekday => "0 9 * * MON-FRI",
        }
    }

    fn stepped_example(self) -> &'static str {
        match self {
            Place::Second | Place::Minute => "5-59/15",
            Place::Hour => "8-20/4",
            Place::Day => "1-31/7",
            Place::Month => "3-12/3",
            Place::Weekday => "1-5/2",
        }
    }

    fn two_ranges_example(self) -> &'static str {
        match self {
            Place::Second | Place::Minute => "55-59,0-5",
            Place::Hour => "22-23,0-5",
            Place::Day => "28-31,1-3",
            Place::Month => "NOV-DEC,JAN-FEB",
            Place::Weekday => "FRI-SAT,SUN-MON",
        }
    }

    fn error(self, member: &str, reason: &str) -> Invalid {
        let (name, example) = (self.name(), self.example());
        Invalid(format!("{name} field \"{}\": {reason}; a valid expression is \"{example}\"", shorten(member)))
    }
}

fn whole(reason: &str) -> Invalid {
    Invalid(format!("not a cron expression: {reason}; a valid one is \"0 9 * * MON-FRI\", for 09:00 on working days"))
}

/// What was written, short enough for an error message.
fn shorten(text: &str) -> String {
    text.chars().take(32).collect()
}

pub(super) fn plural(noun: &str, count: usize) -> String {
    if count == 1 { noun.to_owned() } else { format!("{noun}s") }
}

/// One or two digits. Nothing in an expression is larger, and a third digit is a slip.
fn small_number(text: &str) -> Option<u8> {
    let digits = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// The one spelling of six numeric fields that the library is shown.
impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.second {
            Some(second) => write_list(f, second)?,
            None => f.write_str("0")?,
        }
        for field in [&self.minute, &self.hour, &self.day, &self.month, &self.weekday] {
            f.write_str(" ")?;
            write_list(f, field)?;
        }
        Ok(())
    }
}

fn write_list(f: &mut fmt::Formatter<'_>, items: &[Item]) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            f.write_str(",")?;
        }
        write!(f, "{item}")?;
    }
    Ok(())
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Item::All => f.write_str("*"),
            Item::AllBy(step) => write!(f, "*/{step}"),
            Item::One(value) => write!(f, "{value}"),
            Item::Range(from, to) => write!(f, "{from}-{to}"),
            Item::RangeBy(from, to, step) => write!(f, "{from}-{to}/{step}"),
            Item::LastDay => f.write_str("L"),
            Item::LastWorkday => f.write_str("LW"),
            Item::Workday(day) => write!(f, "{day}W"),
            Item::Nth(weekday, nth) => write!(f, "{weekday}#{nth}"),
            Item::Last(weekday) => write!(f, "{weekday}L"),
        }
    }
}
