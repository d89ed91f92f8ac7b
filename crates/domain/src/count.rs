//! How often something happened in an hour. Counts outlive the events that they count, so that charts and rare schedules
//! have something to show; nothing of an event but that it happened is in them. Tests are not counted: trying something out
//! must not colour the picture of what really happens.
//!
//! Occurrences that did not fire are counted by their reason, and as runs: what lies in one hour is added up, and a longer run stays
//! the range that it is, so that a year of absence is one row here, too. An hour's share of such a run is worked out when it is read.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::agenda::Span;
use crate::occurrence::{Reason, Skipped};
use crate::trigger::{ScheduleDetails, just_before};

/// How long counts are kept.
pub const COUNTS_KEPT: SignedDuration = SignedDuration::from_hours(24 * 400);

/// How many occurrences may be looked at to tell an hour's share of a run; where it takes more, an estimate will do.
const STEPS_MAX: u64 = 100_000;

/// The upper bounds of the first classes of lateness, each included; the last class has none.
pub const LATENESS_BOUNDS: [SignedDuration; 4] = [
    SignedDuration::from_millis(10),
    SignedDuration::from_millis(100),
    SignedDuration::from_secs(1),
    SignedDuration::from_secs(10),
];

/// What happened in one hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HourCount {
    /// The beginning of the hour, in UTC.
    pub hour: Timestamp,
    /// Events that fired in it.
    pub fired: u64,
    /// Of those, the ones that were delivered since.
    pub delivered: u64,
    /// Of those, the ones whose delivery failed for good since.
    pub failed: u64,
    /// Occurrences that did not fire; of a run that is longer than an hour its even share.
    pub skipped: u64,
    /// The events that a schedule made, by [`lateness_class`].
    pub late: [u64; LATENESS_BOUNDS.len() + 1],
}

impl HourCount {
    /// An hour in which nothing happened.
    pub fn empty(hour: Timestamp) -> HourCount {
        HourCount { hour, fired: 0, delivered: 0, failed: 0, skipped: 0, late: [0; LATENESS_BOUNDS.len() + 1] }
    }

    /// Adds what `other` counted.
    pub fn add(&mut self, other: &HourCount) {
        self.fired += other.fired;
        self.delivered += other.delivered;
        self.failed += other.failed;
        self.skipped = self.skipped.saturating_add(other.skipped);
        for (mine, theirs) in self.late.iter_mut().zip(other.late) {
            *mine += theirs;
        }
    }
}

/// The most that one row counts: what a database's number holds.
pub const RUN_MAX: u64 = i64::MAX as u64;

/// Adds a run to another that is counted together with it.
pub fn add_run(to: &mut Skipped, other: &Skipped) {
    to.first = to.first.min(other.first);
    to.last = to.last.max(other.last);
    to.count = to.count.saturating_add(other.count).min(RUN_MAX);
}

/// The order in which runs are told.
pub fn sort_runs(runs: &mut [Skipped]) {
    runs.sort_unstable_by_key(|run| (run.first, run.last, run.reason.word()));
}

/// How many of a run lie in a span, if they lie at equal distances. So they do where a schedule names each minute, say; of any other it is an
/// estimate. The shares of spans that follow each other add up to the run.
pub fn even_share(run: &Skipped, span: Span) -> u64 {
    evenly_before(run, span.until).saturating_sub(evenly_before(run, span.from))
}

fn evenly_before(run: &Skipped, end: Timestamp) -> u64 {
    if end <= run.first {
        return 0;
    }
    if end > run.last {
        return run.count;
    }
    let micros = |from: Timestamp, to: Timestamp| i128::from(to.as_microsecond()) - i128::from(from.as_microsecond());
    let (gone, all) = (micros(run.first, end), micros(run.first, run.last));
    let steps = i128::from(run.count.saturating_sub(1));
    // Rounded up: one that lies at the very end does not lie before it. An instant times a count is far from what does not fit.
    let before = (gone * steps + all - 1).checked_div(all).unwrap_or(steps);
    u64::try_from(before).unwrap_or(run.count).min(run.count)
}

/// How many of a run lie in a span, by one of the schedules that may have named them; none where no such schedule names as many
/// as were counted.
fn share_by_schedule<'a>(
    run: &Skipped,
    span: Span,
    said: impl IntoIterator<Item = &'a ScheduleDetails>,
) -> Option<u64> {
    let named = |details: &&ScheduleDetails| {
        let (after, until) = (just_before(run.first), run.last);
        details.steps_to_count(after, until) <= STEPS_MAX && details.count_in(after, until) == run.count
    };
    let (after, until) = (just_before(run.first.max(span.from)), just_before(span.until).min(run.last));
    said.into_iter().find(named).map(|details| if after < until { details.count_in(after, until) } else { 0 })
}

/// Adds what did not fire to the hours that begin in `[from, until)`. Of a run that is longer than counts are kept only the end is told.
pub fn with_runs(hours: Vec<HourCount>, runs: &[Skipped], from: Timestamp, until: Timestamp) -> Vec<HourCount> {
    let mut all: BTreeMap<Timestamp, HourCount> = hours.into_iter().map(|hour| (hour.hour, hour)).collect();
    for run in runs {
        let kept_from = run.last.checked_sub(COUNTS_KEPT).unwrap_or(Timestamp::MIN);
        let mut hour = hour_of(run.first.max(from).max(kept_from));
        while hour <= run.last && hour < until {
            let next = after(hour);
            let share = even_share(run, Span { from: hour, until: next });
            if share > 0 && hour >= from {
                let count = all.entry(hour).or_insert_with(|| HourCount::empty(hour));
                count.skipped = count.skipped.saturating_add(share);
            }
            if next == hour {
                break;
            }
            hour = next;
        }
    }
    all.into_values().collect()
}

/// What is counted of some hours, where nothing else of them is kept any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The hours: the beginning of the first, and of the first that is none of them.
    pub span: Span,
    /// How many fired.
    pub fired: u64,
    /// How many did not.
    pub skipped: u64,
    /// How many of those for which reason; together fewer where some were counted before reasons were.
    pub reasons: Vec<(Reason, u64)>,
    /// The runs of those that reach beyond the hours.
    pub beyond: Vec<Skipped>,
    /// Whether the share of such a run is an estimate: no schedule that is known names as many as it counts.
    pub is_estimate: bool,
}

impl Counted {
    /// What the `hours` of a span come to: `runs` reach into them, and the trigger may have `said` that then.
    pub fn of<'a>(
        span: Span,
        hours: &[HourCount],
        runs: &[Skipped],
        said: impl IntoIterator<Item = &'a ScheduleDetails> + Clone,
    ) -> Counted {
        let mut sum = HourCount::empty(span.from);
        hours.iter().for_each(|hour| sum.add(hour));
        let mut by_reason: BTreeMap<&str, u64> = BTreeMap::new();
        let (mut skipped, mut beyond, mut is_estimate) = (sum.skipped, Vec::new(), false);
        for run in runs {
            let even = even_share(run, span);
            let mut share = even;
            if run.first < span.from || run.last >= span.until {
                match share_by_schedule(run, span, said.clone()) {
                    Some(named) => share = named,
                    None => is_estimate = true,
                }
                beyond.push(*run);
            }
            skipped = skipped.saturating_sub(even).saturating_add(share);
            let of_reason = by_reason.entry(run.reason.word()).or_default();
            *of_reason = of_reason.saturating_add(share);
        }
        let sum_of =
            |reason: Reason| by_reason.get(reason.word()).map(|sum| (reason, *sum)).filter(|(_, sum)| *sum > 0);
        let reasons = Reason::ALL.into_iter().filter_map(sum_of).collect();
        Counted { span, fired: sum.fired, skipped, reasons, beyond, is_estimate }
    }
}

/// The beginning of the next hour.
fn after(hour: Timestamp) -> Timestamp {
    hour.checked_add(SignedDuration::from_hours(1)).unwrap_or(Timestamp::MAX)
}

/// The beginning of the hour that an instant lies in, in UTC.
pub fn hour_of(instant: Timestamp) -> Timestamp {
    Timestamp::from_second(instant.as_second().div_euclid(3600) * 3600).unwrap_or(Timestamp::MIN)
}

/// The first hour that begins at or after an instant.
pub fn first_hour_from(instant: Timestamp) -> Timestamp {
    let hour = hour_of(instant);
    if hour == instant { hour } else { after(hour) }
}

/// Which class of lateness this is.
pub fn lateness_class(lateness: SignedDuration) -> usize {
    LATENESS_BOUNDS.iter().take_while(|bound| lateness > **bound).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Schedule;
    use crate::schedule::cron::CronExpression;
    use crate::schedule::zone::Zones;

    #[test]
    fn an_hour_begins_on_the_hour_before_and_after_1970() {
        let hour = |text: &str| hour_of(text.parse().expect("an instant")).to_string();
        assert_eq!(hour("2026-11-21T10:00:00Z"), "2026-11-21T10:00:00Z");
        assert_eq!(hour("2026-11-21T10:59:59.999999Z"), "2026-11-21T10:00:00Z");
        assert_eq!(hour("1969-12-31T23:30:00Z"), "1969-12-31T23:00:00Z");
    }

    fn run(first: &str, last: &str, count: u64) -> Skipped {
        let at = |text: &str| text.parse().expect("an instant");
        Skipped { reason: Reason::Missed, first: at(first), last: at(last), count }
    }

    #[test]
    fn a_year_of_minutes_has_sixty_in_each_hour_and_adds_up_whatever_its_steps() {
        let year = run("2026-01-01T00:00:00Z", "2026-12-31T23:59:00Z", 525_600);
        let hours = with_runs(Vec::new(), &[year], Timestamp::MIN, Timestamp::MAX);
        assert_eq!((hours.len(), hours.iter().all(|hour| hour.skipped == 60)), (8_760, true));
        // No longer than counts are kept, and only what was asked for.
        let long = run("1970-01-01T00:00:00Z", "2026-12-31T23:00:00Z", 499_656);
        assert_eq!(with_runs(Vec::new(), &[long], Timestamp::MIN, Timestamp::MAX).len(), 9_601);
        let (from, until) = (long.last - SignedDuration::from_mins(90), long.last);
        let asked = with_runs(vec![HourCount { skipped: 2, ..HourCount::empty(hour_of(from)) }], &[long], from, until);
        assert_eq!(asked.iter().map(|hour| hour.skipped).collect::<Vec<_>>(), [2, 1], "the first begins before");
        for (first, last, count) in [
            ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", 1),
            ("2026-01-01T00:59:59.999999Z", "2026-01-01T01:00:00Z", 2),
            ("2026-01-01T00:17:00Z", "2026-01-03T19:01:01Z", 7),
            ("2026-01-01T00:17:00Z", "2026-01-03T19:01:01Z", 100_003),
            ("2026-01-01T00:17:00Z", "2026-06-03T19:01:01Z", RUN_MAX),
            // Added up of several triggers.
            ("2026-01-01T00:17:00Z", "2026-01-01T00:17:00Z", 5),
        ] {
            let run = run(first, last, count);
            let hours = with_runs(Vec::new(), &[run], Timestamp::MIN, Timestamp::MAX);
            assert_eq!(hours.iter().map(|hour| hour.skipped).sum::<u64>(), count, "{run:?}");
            assert_eq!(hours.first().map(|hour| hour.hour), Some(hour_of(run.first)), "{run:?}");
            assert_eq!(hours.last().map(|hour| hour.hour), Some(hour_of(run.last)), "{run:?}");
        }
    }

    #[test]
    fn an_hour_of_a_run_is_told_by_the_schedule_that_named_it_and_else_is_an_estimate() {
        let cron = |line: &str| {
            let expression = CronExpression::parse(line).expect("a cron line");
            ScheduleDetails::plain(Schedule::Cron { expression, zone: Zones::utc() }, None)
        };
        let (said, another) = (cron("0,1,2 9 * * *"), cron("0,1 9 * * *"));
        let missed = run("2026-11-19T09:00:00Z", "2026-11-21T09:02:00Z", 9);
        let one = Skipped { reason: Reason::Paused, ..run("2026-11-20T09:05:00Z", "2026-11-20T09:06:00Z", 2) };
        let from: Timestamp = "2026-11-20T09:00:00Z".parse().expect("an instant");
        let hour = Span { from, until: from + SignedDuration::from_hours(1) };
        // One was counted before reasons were.
        let skipped = even_share(&missed, hour) + 2 + 1;
        assert_eq!(skipped, 4, "at equal distances one would lie there");
        let counted = HourCount { fired: 3, skipped, ..HourCount::empty(from) };
        let by_schedule = Counted::of(hour, &[counted], &[missed, one], [&another, &said]);
        assert_eq!(by_schedule.reasons, [(Reason::Missed, 3), (Reason::Paused, 2)]);
        assert_eq!((by_schedule.fired, by_schedule.skipped, by_schedule.is_estimate), (3, 6, false));
        assert_eq!(by_schedule.beyond, [missed]);
        let estimate = Counted::of(hour, &[counted], &[missed, one], [&another]);
        assert_eq!((estimate.skipped, estimate.is_estimate), (skipped, true));
        let whole = Span { from: missed.first, until: from + SignedDuration::from_hours(25) };
        let hours = with_runs(Vec::new(), &[missed, one], whole.from, whole.until);
        let whole = Counted::of(whole, &hours, &[missed, one], []);
        assert_eq!(
            (whole.skipped, whole.beyond, whole.is_estimate),
            (11, vec![], false),
            "all of a run is no estimate"
        );
        let nothing = Counted::of(hour, &[], &[], []);
        assert_eq!((nothing.reasons, nothing.beyond, nothing.is_estimate), (vec![], vec![], false));
    }

    #[test]
    fn a_bound_belongs_to_the_class_below_it() {
        let class = |millis| lateness_class(SignedDuration::from_millis(millis));
        assert_eq!([-5, 0, 10, 11, 100, 101, 1000, 1001, 10_000, 10_001].map(class), [0, 0, 0, 1, 1, 2, 2, 3, 3, 4]);
    }
}
