//! Dates and times as calendars write them: `20270104T090000`, with a `Z` behind it for UTC, and `20270104` for a whole day.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;

use crate::schedule::Invalid;
use crate::schedule::recurrence::parts::shown;

/// A date or time as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// A day.
    Date(Date),
    /// A time on a clock that is said elsewhere.
    Wall(DateTime),
    /// A time in UTC.
    Instant(Timestamp),
}

/// Reads one; `what` is where it stands.
pub(super) fn read(what: &str, text: &str) -> Result<Moment, Invalid> {
    let wrong = || {
        let forms = "\"20270104T090000\", \"20270104T090000Z\" or \"20270104\"";
        Invalid(format!("{what} {} is not a date or time from 1970 to 2199; write it like {forms}", shown(text)))
    };
    let moment = parse(text).ok_or_else(wrong)?;
    let year = match moment {
        Moment::Date(date) => date.year(),
        Moment::Wall(wall) => wall.year(),
        Moment::Instant(instant) => Offset::UTC.to_datetime(instant).year(),
    };
    if (1970..2200).contains(&year) { Ok(moment) } else { Err(wrong()) }
}

fn parse(text: &str) -> Option<Moment> {
    let (date, time) = match text.split_once(['T', 't']) {
        None => (text, None),
        Some((date, time)) => (date, Some(time)),
    };
    let [year, month, day] = digits(date, [4, 2, 2])?;
    let date = Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    let Some(time) = time else { return Some(Moment::Date(date)) };
    let (time, is_utc) = match time.strip_suffix(['Z', 'z']) {
        Some(time) => (time, true),
        None => (time, false),
    };
    let [hour, minute, second] = digits(time, [2, 2, 2])?;
    let part = |value: i16| i8::try_from(value).ok();
    let wall = date.to_datetime(Time::new(part(hour)?, part(minute)?, part(second)?, 0).ok()?);
    if is_utc { Some(Moment::Instant(Offset::UTC.to_timestamp(wall).ok()?)) } else { Some(Moment::Wall(wall)) }
}

/// Numbers of so many digits each, one behind the other, and nothing else.
fn digits(text: &str, lengths: [usize; 3]) -> Option<[i16; 3]> {
    let mut rest = text;
    let mut numbers = [0; 3];
    for (number, length) in numbers.iter_mut().zip(lengths) {
        let (digits, others) = rest.split_at_checked(length)?;
        *number = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())??;
        rest = others;
    }
    rest.is_empty().then_some(numbers)
}
