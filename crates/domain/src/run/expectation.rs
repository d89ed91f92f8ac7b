//! What a trigger says about the reports that it expects: by when the work is to have ended, by when it is to have begun, and who is told
//! when it did not, or did not go well.

use jiff::SignedDuration;

use crate::error::Invalid;
use crate::id::DestinationId;
use crate::schedule::every::Period;

/// The longest time in which an end may be expected, in seconds: an event is kept for two days, and what is late is to be seen as well.
pub const REPORT_WITHIN_MAX: u64 = 24 * 60 * 60;

/// What a trigger expects of whoever receives its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    report_within: Period,
    start_within: Option<Period>,
    /// The destination that is told of a run that failed or is overdue; none where nobody is.
    pub alert: Option<DestinationId>,
}

impl Expectation {
    /// Checks what was said: the end at most [`REPORT_WITHIN_MAX`] after the event, the start before that.
    ///
    /// # Errors
    /// Says what is wrong; the field is `report_within` or `start_within`.
    pub fn new(
        report_within: Period,
        start_within: Option<Period>,
        alert: Option<DestinationId>,
    ) -> Result<Expectation, Invalid> {
        if report_within.micros() > REPORT_WITHIN_MAX * 1_000_000 {
            let words = "A report is expected within 24 hours at most: what is expected later than that is another trigger's business.";
            return Err(Invalid::new("report_within", words));
        }
        if start_within.as_ref().is_some_and(|start| start.micros() >= report_within.micros()) {
            return Err(Invalid::new("start_within", "This must be shorter than report_within."));
        }
        Ok(Expectation { report_within, start_within, alert })
    }

    /// How long after the event the end is to be reported.
    pub fn report_within(&self) -> SignedDuration {
        elapsed(&self.report_within)
    }

    /// How long after the event the start is to be reported, where that is asked for.
    pub fn start_within(&self) -> Option<SignedDuration> {
        self.start_within.as_ref().map(elapsed)
    }

    /// The two as they were written.
    pub fn as_written(&self) -> (&str, Option<&str>) {
        (self.report_within.as_str(), self.start_within.as_ref().map(Period::as_str))
    }
}

fn elapsed(period: &Period) -> SignedDuration {
    SignedDuration::from_micros(i64::try_from(period.micros()).expect("a period is at most 366 days"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn period(text: &str) -> Period {
        Period::parse(text).expect("a period")
    }

    #[test]
    fn an_end_is_expected_within_a_day_and_a_start_before_it() {
        let expectation = Expectation::new(period("24h"), Some(period("1h")), None).expect("it makes sense");
        assert_eq!(expectation.report_within(), SignedDuration::from_hours(24));
        assert_eq!(expectation.start_within(), Some(SignedDuration::from_hours(1)));
        assert_eq!(expectation.as_written(), ("24h", Some("1h")));
        let error = Expectation::new(period("24h 1s"), None, None).expect_err("it is too long");
        assert_eq!(error.field, "report_within");
        let error = Expectation::new(period("10m"), Some(period("10m")), None).expect_err("it is no earlier");
        assert_eq!(error.field, "start_within");
    }
}
