//! The few figures that say how things go: what happened in a day, in numbers and words. Pure: from counts to text.

use oncue_domain::count::{HourCount, LATENESS_BOUNDS};

use super::moment::span;

/// What hours counted together.
pub(crate) struct Figures {
    pub(crate) fired: u64,
    pub(crate) delivered: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
    late: [u64; LATENESS_BOUNDS.len() + 1],
}

impl Figures {
    /// The sum of all that is counted in `hours`.
    pub(crate) fn of<'a>(hours: impl IntoIterator<Item = &'a HourCount>) -> Figures {
        let mut sum = HourCount::empty(jiff::Timestamp::UNIX_EPOCH);
        hours.into_iter().for_each(|hour| sum.add(hour));
        let HourCount { fired, delivered, failed, skipped, late, .. } = sum;
        Figures { fired, delivered, failed, skipped, late }
    }

    /// How much of what has ended has arrived, as "99.9 %"; cut, so that a single failure is never rounded away.
    pub(crate) fn success(&self) -> Option<String> {
        let ended = self.delivered + self.failed;
        if ended == 0 {
            return None;
        }
        let permille = u128::from(self.delivered) * 1000 / u128::from(ended);
        Some(if permille == 1000 { "100 %".to_owned() } else { format!("{}.{} %", permille / 10, permille % 10) })
    }

    /// The lateness that 95 of 100 firings of schedules did not exceed, as well as the classes tell it: "≤ 10 ms".
    pub(crate) fn lateness_p95(&self) -> Option<String> {
        let all: u64 = self.late.iter().sum();
        if all == 0 {
            return None;
        }
        let needed = (u128::from(all) * 95).div_ceil(100);
        let mut seen = 0;
        for (count, bound) in self.late.iter().zip(LATENESS_BOUNDS) {
            seen += u128::from(*count);
            if seen >= needed {
                return Some(format!("≤ {}", span(bound)));
            }
        }
        Some(format!("> {}", span(LATENESS_BOUNDS[LATENESS_BOUNDS.len() - 1])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    fn hour(delivered: u64, failed: u64, late: [u64; 5]) -> HourCount {
        HourCount { delivered, failed, late, ..HourCount::empty(Timestamp::UNIX_EPOCH) }
    }

    #[test]
    fn a_single_failure_among_many_is_not_rounded_away() {
        let success = |delivered, failed| Figures::of([&hour(delivered, failed, [0; 5])]).success();
        assert_eq!(success(0, 0), None);
        assert_eq!(success(5, 0).as_deref(), Some("100 %"));
        assert_eq!(success(99_999, 1).as_deref(), Some("99.9 %"));
        assert_eq!(success(2, 1).as_deref(), Some("66.6 %"));
        assert_eq!(success(0, 3).as_deref(), Some("0.0 %"));
    }

    #[test]
    fn lateness_is_told_by_the_class_that_holds_the_95th_of_a_hundred() {
        let p95 = |late| Figures::of([&hour(0, 0, late), &hour(0, 0, [0; 5])]).lateness_p95();
        assert_eq!(p95([0; 5]), None);
        assert_eq!(p95([95, 5, 0, 0, 0]).as_deref(), Some("≤ 10 ms"));
        assert_eq!(p95([94, 6, 0, 0, 0]).as_deref(), Some("≤ 100 ms"));
        assert_eq!(p95([1, 0, 0, 1, 0]).as_deref(), Some("≤ 10 s"));
        assert_eq!(p95([0, 0, 0, 0, 1]).as_deref(), Some("> 10 s"));
    }
}
