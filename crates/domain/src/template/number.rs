//! Numbers in templates. Those of a payload are kept as their author wrote them, so that `1.50` stays `1.50` and no digit
//! of a long one is lost; only who calculates or compares has them read as numbers.

use std::cmp::Ordering;
use std::sync::Arc;

use super::work::{Halt, Work};

/// A number.
#[derive(Clone, Debug)]
pub(super) enum Number {
    /// A whole one that was calculated or stands in the template.
    Whole(i128),
    /// Another one that was calculated or stands in the template; always finite.
    Broken(f64),
    /// One from JSON, as it is written there.
    Written(Arc<str>),
}

impl Number {
    /// The result of a calculation; none where it is beyond what can be calculated with.
    pub(super) fn finite(number: f64) -> Option<Number> {
        number.is_finite().then_some(Number::Broken(number))
    }

    /// The number in JSON's spelling.
    pub(super) fn text(&self) -> Arc<str> {
        match self {
            Number::Whole(number) => Arc::from(number.to_string()),
            Number::Broken(number) => Arc::from(serde_json::Value::from(*number).to_string()),
            Number::Written(text) => text.clone(),
        }
    }

    /// As a whole number, where it is one.
    pub(super) fn whole(&self, work: &Work) -> Result<Option<i128>, Halt> {
        Ok(match self {
            Number::Whole(number) => Some(*number),
            Number::Broken(_) => None,
            Number::Written(text) => {
                work.bytes(text.len())?;
                text.parse().ok()
            }
        })
    }

    /// As the nearest floating-point number, which is infinite for `1e400`.
    pub(super) fn float(&self, work: &Work) -> Result<f64, Halt> {
        Ok(match self {
            // As every language with one kind of number does, beyond 2⁵³ only nearly.
            Number::Whole(number) => *number as f64,
            Number::Broken(number) => *number,
            // As long as a payload may be, and read again each time.
            Number::Written(text) => {
                work.bytes(text.len())?;
                text.parse().unwrap_or(f64::NAN)
            }
        })
    }

    /// Which is more; none where both are too large to tell.
    pub(super) fn compare(&self, other: &Number, work: &Work) -> Result<Option<Ordering>, Halt> {
        if let (Number::Written(one), Number::Written(two)) = (self, other) {
            work.bytes(one.len().min(two.len()))?;
            if one == two {
                return Ok(Some(Ordering::Equal));
            }
        }
        Ok(match (self.whole(work)?, other.whole(work)?) {
            (Some(one), Some(two)) => Some(one.cmp(&two)),
            _ => {
                let (one, two) = (self.float(work)?, other.float(work)?);
                one.partial_cmp(&two).filter(|_| one.is_finite() || two.is_finite() || one != two)
            }
        })
    }

    pub(super) fn is_zero(&self, work: &Work) -> Result<bool, Halt> {
        Ok(self.float(work)? == 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Number {
        Number::Written(Arc::from(text))
    }

    #[test]
    fn numbers_compare_by_what_they_are_worth_and_not_by_how_they_are_written() {
        let work = Work::allow(1000);
        let cases = [
            ("1.50", "1.5", Some(Ordering::Equal)),
            ("1.50", "2", Some(Ordering::Less)),
            ("1e3", "1000", Some(Ordering::Equal)),
            ("123456789012345678901234567890", "123456789012345678901234567891", Some(Ordering::Less)),
            ("1e400", "5", Some(Ordering::Greater)),
            ("1e400", "-1e400", Some(Ordering::Greater)),
            ("1e400", "1e400", Some(Ordering::Equal)),
            ("1e400", "1e401", None),
        ];
        for (one, two, expected) in cases {
            assert_eq!(written(one).compare(&written(two), &work), Ok(expected), "{one} and {two}");
        }
        assert_eq!(written("1.50").compare(&Number::Broken(1.5), &work), Ok(Some(Ordering::Equal)));
    }

    #[test]
    fn calculated_numbers_are_written_as_json_writes_them() {
        assert_eq!(&*Number::Broken(1.5).text(), "1.5");
        assert_eq!(&*Number::Broken(1e300).text(), "1e+300");
        assert_eq!(&*Number::Whole(-7).text(), "-7");
        assert_eq!(&*written("1.50").text(), "1.50");
        assert!(Number::finite(f64::INFINITY).is_none());
    }
}
