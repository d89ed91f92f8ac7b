//! Where a number of occurrences is reached, for a schedule that is to end after so many. Counting costs the same however many there
//! are, so the n-th is found by halving a span and counting, not by going from one to the next. Nothing is remembered here: who
//! ends a schedule turns the n-th occurrence into an end.

use jiff::{SignedDuration, Timestamp};

use crate::schedule::Schedule;
use crate::schedule::scope::Scope;

/// The first span that is looked at; each further one is twice as long.
const FIRST_SPAN: SignedDuration = SignedDuration::from_hours(24);

impl Scope {
    /// The n-th occurrence that counts strictly after `after`, the next one being the first; `None` when there are fewer, and for 0.
    ///
    /// Occurrences count here whether they fire or are skipped, so the answer depends on the arguments alone.
    pub fn nth_after(&self, schedule: &Schedule, after: Timestamp, number: u64) -> Option<Timestamp> {
        let count = |after, until| self.count_in(schedule, after, until);
        self::after(after, number, |after| self.next_after(schedule, after), count)
    }
}

/// The n-th after `after` of what `next_after` names and `count_in` counts in `(after, until]`.
///
/// No stretch is counted again once it is known to hold too few: counting several schedules costs a step for each of their occurrences.
pub(crate) fn after(
    after: Timestamp,
    number: u64,
    next_after: impl Fn(Timestamp) -> Option<Timestamp>,
    count_in: impl Fn(Timestamp, Timestamp) -> u64,
) -> Option<Timestamp> {
    if number == 0 {
        return None;
    }
    // Until `few` lie as many as `counted`, which are too few.
    let (mut few, mut counted) = (after, 0);
    let mut enough = next_after(after)?;
    let mut span = FIRST_SPAN;
    loop {
        let more = count_in(few, enough);
        if counted + more >= number {
            break;
        }
        if enough == Timestamp::MAX {
            return None;
        }
        (few, counted) = (enough, counted + more);
        enough = few.checked_add(span).unwrap_or(Timestamp::MAX);
        span = span.checked_mul(2).unwrap_or(SignedDuration::MAX);
    }
    let between = |few: Timestamp, enough: Timestamp| {
        let (few, enough) = (few.as_nanosecond(), enough.as_nanosecond());
        Timestamp::from_nanosecond(few + (enough - few) / 2).ok().filter(|middle| middle.as_nanosecond() > few)
    };
    while let Some(middle) = between(few, enough) {
        if counted + 1 == number {
            return next_after(few);
        }
        let more = count_in(few, middle);
        if counted + more >= number {
            enough = middle;
        } else {
            (few, counted) = (middle, counted + more);
        }
    }
    Some(enough)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;
    use crate::schedule::FirstFiring;
    use crate::schedule::bounds::Bounds;
    use crate::schedule::cron::CronExpression;
    use crate::schedule::every::Period;
    use crate::schedule::excluded::ExcludedDates;
    use crate::schedule::zone::{Zone, Zones};

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a test writes its instants well")
    }

    fn new_york() -> Zone {
        Zones::bundled().get("America/New_York").expect("a zone of the bundled copy")
    }

    fn cron(text: &str) -> Schedule {
        let expression = CronExpression::parse(text).expect("a test writes its lines well");
        Schedule::Cron { expression, zone: new_york() }
    }

    fn all() -> Scope {
        Scope::new(Bounds::default(), ExcludedDates::default(), Vec::new(), new_york())
    }

    #[test]
    fn the_first_is_the_next_and_none_is_none() {
        let start = at("2026-03-07T12:00:00Z");
        let daily = cron("30 2 * * *");
        assert_eq!(all().nth_after(&daily, start, 0), None);
        assert_eq!(all().nth_after(&daily, start, 1), daily.next_after(start));
        assert_eq!(all().nth_after(&daily, start, 2), Some(at("2026-03-09T06:30:00Z")));
        assert_eq!(all().nth_after(&daily, start, 1_000_000), None);
        let once = Schedule::Once { at: start };
        assert_eq!(all().nth_after(&once, Timestamp::MIN, 1), Some(start));
        assert_eq!(all().nth_after(&once, Timestamp::MIN, 2), None);
    }

    #[test]
    fn a_millionth_second_is_found_without_going_there() {
        let start = at("2026-11-01T00:00:00Z");
        let seconds = cron("* * * * * *");
        assert_eq!(all().nth_after(&seconds, start, 1_000_000), Some(start + SignedDuration::from_secs(1_000_000)));
        let period = Period::parse("1500ms").expect("a period");
        let grid = Schedule::Every { period, anchor: start, first: FirstFiring::AtAnchor };
        let last = start + SignedDuration::from_millis(1_500 * (1_000_000_000 - 1));
        assert_eq!(all().nth_after(&grid, Timestamp::MIN, 1_000_000_000), Some(last));
    }

    #[test]
    fn what_does_not_count_is_not_counted() {
        let excluded = ExcludedDates::new([date(2026, 12, 25)]).expect("a date");
        let bounds = Bounds::new(Some(at("2026-12-24T00:00:00Z")), None).expect("a start");
        let scope = Scope::new(bounds, excluded, Vec::new(), new_york());
        let daily = cron("0 9 * * *");
        assert_eq!(scope.nth_after(&daily, Timestamp::MIN, 2), Some(at("2026-12-26T14:00:00Z")));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

        #[test]
        fn the_nth_is_where_so_many_steps_lead(
            text in proptest::sample::select(&["30 2 * * *", "*/15 1 * * *", "0 0 L * *", "0 9 13 * FRI", "0 0 29 2 *", "15,45 * * * *"]),
            second in 1_700_000_000_i64..1_900_000_000,
            number in 1_u64..40,
        ) {
            let start = Timestamp::from_second(second).expect("in range");
            let schedule = cron(text);
            let mut cursor = Some(start);
            for _ in 0..number {
                cursor = cursor.and_then(|cursor| schedule.next_after(cursor));
            }
            prop_assert_eq!(all().nth_after(&schedule, start, number), cursor);
        }
    }
}
