//! How far apart the firings of an `every` schedule are, and the arithmetic of their grid. A period is elapsed time: a
//! day is 24 hours here, whatever a zone does, because a grid must not bend. No zone and no calendar may enter; whoever
//! wants "the same wall-clock time every day" wants cron.

use crate::schedule::Invalid;
use jiff::{Span, Timestamp};

const MICROS_PER_SECOND: u64 = 1_000_000;
const SHORTEST_MICROS: i128 = 1_000_000;
const LONGEST_MICROS: i128 = 366 * 86_400 * 1_000_000;
// "366d" is as good as any; what is longer than this is not a period that somebody reads again.
const TEXT_CHARS_MAX: usize = 64;
const EXAMPLE: &str = "write it like \"90s\", \"15m\", \"1h30m\" or \"2d\"";

/// The distance between two firings: whole microseconds, from 1 second to 366 days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    micros: u64,
    text: String,
}

impl Period {
    /// Reads a period: "90s", "1h30m", "1h 30m", "2d" (a day is 24 hours, a week 7 days), or ISO 8601 like "PT90S".
    ///
    /// # Errors
    ///
    /// What is not a period, is shorter than 1 second or longer than 366 days, has parts below a microsecond, or counts
    /// months or years (whose length varies). The rule is contract.md §3, `every`.
    pub fn parse(text: &str) -> Result<Period, Invalid> {
        let text = text.trim();
        if text.chars().count() > TEXT_CHARS_MAX {
            return Err(Invalid(format!("a period has at most {TEXT_CHARS_MAX} characters; {EXAMPLE}")));
        }
        let span: Span = text.parse().map_err(|_| Invalid(format!("\"{text}\" is not a period; {EXAMPLE}")))?;
        if span.get_years() != 0 || span.get_months() != 0 {
            let rule = "months and years differ in length, so a period cannot count them";
            return Err(Invalid(format!("{rule}; {EXAMPLE}, or use cron")));
        }
        let nanos = elapsed_nanos(&span);
        if nanos % 1_000 != 0 {
            return Err(Invalid(format!("a period has whole microseconds; {EXAMPLE}")));
        }
        Period::checked(nanos / 1_000, text.to_owned())
    }

    /// The period of a number of seconds, for callers that count only in those.
    ///
    /// # Errors
    ///
    /// Below 1 second or above 366 days.
    pub fn from_seconds(seconds: u64) -> Result<Period, Invalid> {
        Period::checked(i128::from(seconds) * i128::from(MICROS_PER_SECOND), format!("{seconds}s"))
    }

    /// The period as it was given, without the space around it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The period in microseconds.
    pub fn micros(&self) -> u64 {
        self.micros
    }

    /// The period in seconds, a fraction left out.
    pub fn whole_seconds(&self) -> u64 {
        self.micros / MICROS_PER_SECOND
    }

    fn checked(micros: i128, text: String) -> Result<Period, Invalid> {
        if micros < SHORTEST_MICROS {
            return Err(Invalid(format!("a period is at least 1 second; {EXAMPLE}")));
        }
        if micros > LONGEST_MICROS {
            return Err(Invalid(format!("a period is at most 366 days; {EXAMPLE}")));
        }
        let micros = u64::try_from(micros).expect("it was just found to lie between 1 second and 366 days");
        Ok(Period { micros, text })
    }

    /// How many whole periods lie between the anchor and `instant`; negative before the anchor.
    pub(super) fn steps(&self, anchor: Timestamp, instant: Timestamp) -> i128 {
        (instant.as_nanosecond() - anchor.as_nanosecond()).div_euclid(self.nanos())
    }

    /// The instant `anchor + k × period`, unless it is beyond the range of instants.
    pub(super) fn at(&self, anchor: Timestamp, k: i128) -> Option<Timestamp> {
        let nanos = k.checked_mul(self.nanos())?.checked_add(anchor.as_nanosecond())?;
        Timestamp::from_nanosecond(nanos).ok()
    }

    fn nanos(&self) -> i128 {
        i128::from(self.micros) * 1_000
    }
}

fn elapsed_nanos(span: &Span) -> i128 {
    let hours = i128::from(span.get_weeks()) * 168 + i128::from(span.get_days()) * 24 + i128::from(span.get_hours());
    let seconds = (hours * 60 + i128::from(span.get_minutes())) * 60 + i128::from(span.get_seconds());
    let micros = (seconds * 1_000 + i128::from(span.get_milliseconds())) * 1_000 + i128::from(span.get_microseconds());
    micros * 1_000 + i128::from(span.get_nanoseconds())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_read_as_people_write_them() {
        #[rustfmt::skip]
        let rows = [
            ("90s", 90),
            ("1h30m", 5_400),
            ("1h 30m", 5_400),
            (" 2d ", 172_800),
            ("1w", 604_800),
            ("PT90S", 90),
            ("P1D", 86_400),
            ("1.5h", 5_400),
            ("366d", 31_622_400),
            ("1s", 1),
        ];
        for (text, seconds) in rows {
            let period = Period::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(period.micros(), seconds * 1_000_000, "{text}");
            assert_eq!(period.whole_seconds(), seconds, "{text}");
            assert_eq!(period.as_str(), text.trim());
        }
        assert_eq!(Period::parse("1.25s").map(|period| period.micros()), Ok(1_250_000));
        assert_eq!(Period::parse("1.25s").map(|period| period.whole_seconds()), Ok(1));
    }

    #[test]
    fn what_is_no_period_is_refused_with_the_rule() {
        #[rustfmt::skip]
        let rows = [
            ("", "is not a period"),
            ("90", "is not a period"),
            ("soon", "is not a period"),
            ("1h30", "is not a period"),
            ("0s", "at least 1 second"),
            ("-5m", "at least 1 second"),
            ("5m ago", "at least 1 second"),
            ("999ms", "at least 1 second"),
            ("366d 1s", "at most 366 days"),
            ("53w", "at most 366 days"),
            ("1mo", "months and years"),
            ("P1Y", "months and years"),
            ("1s 1ns", "whole microseconds"),
        ];
        for (text, rule) in rows {
            let error = Period::parse(text).expect_err(text);
            assert!(error.0.contains(rule), "{text}: {error}");
            assert!(error.0.contains("90s"), "{text}: an example is missing: {error}");
        }
        assert!(Period::parse(&"1".repeat(5_000)).is_err());
    }

    #[test]
    fn seconds_make_a_period_with_the_same_bounds() {
        assert_eq!(Period::from_seconds(90).map(|period| period.as_str().to_owned()), Ok("90s".to_owned()));
        assert!(Period::from_seconds(0).is_err());
        assert!(Period::from_seconds(u64::MAX).is_err());
        assert!(Period::from_seconds(366 * 86_400).is_ok());
    }
}
