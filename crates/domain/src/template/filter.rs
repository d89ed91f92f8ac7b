//! The filters and tests of templates: few, each with a fixed number of arguments, each bounded by what it pays. A filter
//! that is listed here is documented in docs/templates.md; a name that is not listed is refused when a template is saved.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::fmt::strtime;
use percent_encoding::utf8_percent_encode;

use super::COMPONENT;
use super::number::Number;
use super::value::{Value, missing};
use super::work::{Halt, Work};
use crate::schedule::zone::Zones;

/// Each filter with the fewest and the most arguments it takes.
pub(super) const FILTERS: [(&str, usize, usize); 16] = [
    ("default", 1, 1),
    ("first", 0, 0),
    ("in_zone", 1, 2),
    ("items", 0, 0),
    ("join", 0, 1),
    ("keys", 0, 0),
    ("last", 0, 0),
    ("length", 0, 0),
    ("lower", 0, 0),
    ("replace", 2, 2),
    ("round", 0, 1),
    ("tojson", 0, 0),
    ("trim", 0, 0),
    ("truncate", 1, 1),
    ("upper", 0, 0),
    ("urlencode", 0, 0),
];

/// Each test, asked with `is`.
pub(super) const TESTS: [&str; 9] =
    ["boolean", "defined", "list", "none", "null", "number", "object", "string", "undefined"];

/// The longest format of a time in bytes.
const FORMAT_BYTES_MAX: usize = 100;

/// The most digits behind the point that `round` keeps.
const ROUND_DIGITS_MAX: i128 = 15;

/// What `name` makes of `subject`; none where there is nothing that it could give.
pub(super) fn apply(
    name: &str,
    subject: &Value,
    arguments: &[Value],
    zones: &Zones,
    work: &Work,
) -> Result<Option<Value>, Halt> {
    match (name, subject) {
        ("default", Value::Missing(_) | Value::Null) => Ok(arguments.first().cloned()),
        ("default", _) => Ok(Some(subject.clone())),
        (_, Value::Missing(asked)) => Err(missing(asked)),
        ("first", _) => Ok(items(subject, work)?.into_iter().next()),
        ("last", _) => Ok(items(subject, work)?.into_iter().next_back()),
        _ => of_present(name, subject, arguments, zones, work).map(Some),
    }
}

fn of_present(name: &str, subject: &Value, arguments: &[Value], zones: &Zones, work: &Work) -> Result<Value, Halt> {
    match name {
        "tojson" => {
            let mut text = String::new();
            subject.write_json(&mut text, work)?;
            Ok(Value::text(text))
        }
        "urlencode" => {
            let encoded = utf8_percent_encode(&text(subject, work)?, &COMPONENT).to_string();
            work.bytes(encoded.len())?;
            Ok(Value::text(encoded))
        }
        "lower" => made(text(subject, work)?.to_lowercase(), work),
        "upper" => made(text(subject, work)?.to_uppercase(), work),
        "trim" => made(text(subject, work)?.trim().to_owned(), work),
        "truncate" => truncated(&text(subject, work)?, arguments, work),
        "replace" => replaced(&text(subject, work)?, arguments, work),
        "length" => match subject.length(work)? {
            Some(length) => Ok(Value::Number(Number::Whole(i128::try_from(length).unwrap_or(i128::MAX)))),
            None => Err(Halt::new(format!("{} has no length", subject.kind()))),
        },
        "join" => joined(subject, arguments, work),
        "keys" | "items" => {
            let Some(pairs) = subject.pairs(work)? else {
                return Err(Halt::new(format!("{} has no fields", subject.kind())));
            };
            let item = |(key, value)| match name {
                "keys" => Value::Text(key),
                _ => Value::List(Arc::from([Value::Text(key), value])),
            };
            Ok(Value::List(pairs.into_iter().map(item).collect()))
        }
        "round" => rounded(subject, arguments, work),
        "in_zone" => in_zone(subject, arguments, zones, work),
        _ => Err(Halt::new(format!("there is no filter {name}"))),
    }
}

/// Whether `subject` is what the test says.
pub(super) fn test(name: &str, subject: &Value) -> Result<bool, Halt> {
    Ok(match name {
        "defined" => !matches!(subject, Value::Missing(_)),
        "undefined" => matches!(subject, Value::Missing(_)),
        "none" | "null" => matches!(subject, Value::Null),
        "string" => matches!(subject, Value::Text(_)),
        "number" => matches!(subject, Value::Number(_)),
        "boolean" => matches!(subject, Value::Bool(_)),
        "list" => subject.kind() == "a list",
        "object" => subject.kind() == "an object",
        _ => return Err(Halt::new(format!("there is no test {name}"))),
    })
}

/// The subject as text, as it would be written.
fn text(subject: &Value, work: &Work) -> Result<String, Halt> {
    let mut text = String::new();
    subject.write(&mut text, work)?;
    Ok(text)
}

fn made(text: String, work: &Work) -> Result<Value, Halt> {
    work.bytes(text.len())?;
    Ok(Value::text(text))
}

fn items(subject: &Value, work: &Work) -> Result<Vec<Value>, Halt> {
    subject.items(work)?.ok_or_else(|| Halt::new(format!("{} has no items", subject.kind())))
}

fn whole(argument: &Value, work: &Work) -> Result<i128, Halt> {
    let number = match argument {
        Value::Number(number) => number.whole(work)?,
        _ => None,
    };
    number.ok_or_else(|| Halt::new("a whole number is expected in the brackets"))
}

fn words(arguments: &[Value], place: usize) -> Result<&str, Halt> {
    match arguments.get(place) {
        Some(Value::Text(text)) => Ok(text),
        _ => Err(Halt::new("a text is expected in the brackets")),
    }
}

/// The first characters; the last of them is an ellipsis where something was cut off.
fn truncated(text: &str, arguments: &[Value], work: &Work) -> Result<Value, Halt> {
    let characters = usize::try_from(whole(arguments.first().unwrap_or(&Value::Null), work)?)
        .map_err(|_| Halt::new("truncate needs a number of characters, nought or more"))?;
    let is_longer = text.chars().nth(characters).is_some();
    if !is_longer || characters == 0 {
        return made(text.chars().take(characters).collect(), work);
    }
    made(text.chars().take(characters - 1).chain(['…']).collect(), work)
}

fn replaced(text: &str, arguments: &[Value], work: &Work) -> Result<Value, Halt> {
    let (from, to) = (words(arguments, 0)?, words(arguments, 1)?);
    if from.is_empty() {
        return Err(Halt::new("replace needs a text to look for"));
    }
    // Paid before it is made.
    let found = text.matches(from).count();
    work.bytes(text.len().saturating_add(found.saturating_mul(to.len())))?;
    Ok(Value::text(text.replace(from, to)))
}

fn joined(subject: &Value, arguments: &[Value], work: &Work) -> Result<Value, Halt> {
    let between = if arguments.is_empty() { "" } else { words(arguments, 0)? };
    let mut joined = String::new();
    for (place, item) in items(subject, work)?.iter().enumerate() {
        if place > 0 {
            work.bytes(between.len())?;
            joined.push_str(between);
        }
        item.write(&mut joined, work)?;
    }
    Ok(Value::text(joined))
}

fn rounded(subject: &Value, arguments: &[Value], work: &Work) -> Result<Value, Halt> {
    let Value::Number(number) = subject else {
        return Err(Halt::new(format!("{} cannot be rounded", subject.kind())));
    };
    let digits = arguments.first().map_or(Ok(0), |digits| whole(digits, work))?;
    if !(0..=ROUND_DIGITS_MAX).contains(&digits) {
        return Err(Halt::new(format!("round keeps 0 to {ROUND_DIGITS_MAX} digits behind the point")));
    }
    if number.whole(work)?.is_some() {
        return Ok(subject.clone());
    }
    let number = number.float(work)?;
    if !number.is_finite() {
        return Err(Halt::new("the number is too large to round"));
    }
    let digits = usize::try_from(digits).unwrap_or(0);
    // The text is what was asked for: 1.50 where two digits are to be kept.
    Ok(Value::Number(Number::Written(Arc::from(format!("{number:.digits$}")))))
}

/// A time on the wall clock of a zone: RFC 3339 with its offset, or in a format of strftime. Null stays null, because an event
/// that no schedule made has no times.
fn in_zone(subject: &Value, arguments: &[Value], zones: &Zones, work: &Work) -> Result<Value, Halt> {
    let time: Timestamp = match subject {
        Value::Null => return Ok(Value::Null),
        Value::Text(text) => {
            work.bytes(text.len())?;
            text.parse().map_err(|_| Halt::new("in_zone needs a time as in 2027-01-31T08:00:00Z"))?
        }
        _ => return Err(Halt::new(format!("in_zone needs a time, and this is {}", subject.kind()))),
    };
    let name = words(arguments, 0)?;
    work.bytes(name.len())?;
    let zone = zones.get(name).map_err(|unknown| Halt::new(unknown.to_string()))?;
    let time = time.to_zoned(zone.time_zone().clone());
    if arguments.len() < 2 {
        return made(strtime::format("%Y-%m-%dT%H:%M:%S%.f%:z", &time).map_err(no_format)?, work);
    }
    let format = words(arguments, 1)?;
    if format.len() > FORMAT_BYTES_MAX {
        return Err(Halt::new(format!("the format of a time has at most {FORMAT_BYTES_MAX} bytes")));
    }
    made(strtime::format(format, &time).map_err(no_format)?, work)
}

fn no_format(error: jiff::Error) -> Halt {
    Halt::new(format!("this is no format of a time: {error}"))
}
