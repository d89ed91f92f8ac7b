//! Instants as requests write them and answers show them.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// So many milliseconds from now (or ago), to the whole microsecond, as RFC 3339.
pub(crate) fn in_ms(ms: i64) -> String {
    micros(Timestamp::now() + SignedDuration::from_millis(ms)).to_string()
}

/// An instant far enough in the future for every test.
pub(crate) const FAR: &str = "2031-01-26T08:43:51.801Z";

/// Cuts an instant to what is stored.
pub(crate) fn micros(instant: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(instant.as_microsecond()).expect("in range")
}

/// Reads an instant of surface two, which must be UTC and end in `Z`.
pub(crate) fn instant(value: &Value) -> Timestamp {
    let text = value.as_str().unwrap_or_else(|| panic!("an instant, not {value}"));
    assert!(text.ends_with('Z') && text.contains('T'), "RFC 3339 in UTC with a Z: {text}");
    let fraction = text.trim_end_matches('Z').split_once('.').map(|(_, fraction)| fraction);
    assert!(fraction.is_none_or(|digits| !digits.is_empty() && digits.chars().any(|digit| digit != '0')), "{text}");
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Reads an instant of surface one: six digits and no offset.
pub(crate) fn flat_instant(value: &Value) -> Timestamp {
    let text = value.as_str().unwrap_or_else(|| panic!("an instant, not {value}"));
    let (_, fraction) = text.split_once('.').unwrap_or_else(|| panic!("a fraction in {text}"));
    assert!(
        fraction.len() == 6 && fraction.chars().all(|digit| digit.is_ascii_digit()),
        "six digits, no offset: {text}"
    );
    format!("{text}Z").parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}
