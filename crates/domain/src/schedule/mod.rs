//! When a trigger is due. A schedule turns instants into instants: given the moment after which to look, it names the
//! next occurrence, the latest one in a span, or how many there are. The room exists so that this question has exactly
//! one answer everywhere: in the scheduler, in the preview, in the catch-up after a downtime and in the tests. No clock,
//! no chance, no file and no database may enter it; the zone data, too, is handed in.
//!
//! - `dialect` says which cron text is accepted, `calendar` which wall-clock times it names, `stretch` what a zone makes
//!   of those at its transitions, by the `rule` that was chosen; `cron` puts them together.
//! - `clock_change` tells what the next change of the clocks does to a schedule, `mismatch` why an instant is no occurrence.
//! - `bounds` and `excluded` take occurrences away, and `scope` asks a schedule about what is left, `nth` where so
//!   many of it are reached; `observed` is what a calendar has to say in it; `jitter` spreads firings.
//! - `recurrence` holds the rules that calendars write (`RRULE`), which name wall-clock times as cron lines do.
//! - `any_of` puts several schedules together.
//! - `every` reads periods, `zone` names zones and reads instants, `sentence` says a schedule in English.

pub mod any_of;
pub mod bounds;
mod calendar;
pub mod clock_change;
pub mod cron;
mod dialect;
pub mod every;
pub mod excluded;
pub mod jitter;
pub mod mismatch;
pub(crate) mod nth;
pub mod observed;
pub mod recurrence;
pub mod rule;
pub mod scope;
pub mod sentence;
pub(crate) mod stretch;
pub mod zone;

use std::sync::Arc;

use jiff::Timestamp;

/// When a trigger fires.
///
/// Every answer depends on the schedule and the arguments alone: asking twice, later or in another order gives the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// Once, at an instant.
    Once {
        /// The only occurrence.
        at: Timestamp,
    },
    /// On the grid `anchor + k × period`, which never drifts: it is counted from the anchor, not from the last firing.
    Every {
        /// The distance of two occurrences, in elapsed time.
        period: every::Period,
        /// Where the grid starts.
        anchor: Timestamp,
        /// Whether the anchor itself is an occurrence.
        first: FirstFiring,
    },
    /// At the wall-clock times that a cron expression names, in a zone.
    Cron {
        /// The wall-clock times.
        expression: cron::CronExpression,
        /// Whose wall clock.
        zone: zone::Zone,
    },
    /// At the wall-clock times that a recurrence rule names, in its zone.
    Recurrence(Arc<recurrence::Recurrence>),
    /// When any of several does.
    AnyOf(any_of::AnyOf),
}

/// A part of a day, as a clock on the wall divides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// From the full minute on.
    Minute,
    /// From the full hour on.
    Hour,
}

impl Unit {
    /// How many seconds it has.
    pub fn seconds(self) -> i64 {
        match self {
            Unit::Minute => 60,
            Unit::Hour => 3_600,
        }
    }
}

/// Whether the anchor of a grid is its first occurrence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstFiring {
    /// The anchor was asked for (`start_at`) and fires: k ≥ 0.
    AtAnchor,
    /// The anchor is the creation, which does not fire: k ≥ 1.
    OnePeriodLater,
}

impl FirstFiring {
    fn lowest_k(self) -> i128 {
        match self {
            FirstFiring::AtAnchor => 0,
            FirstFiring::OnePeriodLater => 1,
        }
    }
}

/// What is wrong with a schedule, said so that the person who wrote it can mend it.
#[derive(thiserror::Error, Debug, Clone, PartialEq, Eq)]
#[error("{0}")]
pub struct Invalid(pub String);

impl Schedule {
    /// The first occurrence strictly after `after`; `None` when there is none.
    ///
    /// Occurrences of cron lines and of recurrence rules lie from 1970 to the end of 2199 (UTC); grids and one-shots wherever a `Timestamp` can.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        match self {
            Schedule::Once { at } => (*at > after).then_some(*at),
            Schedule::Every { period, anchor, first } => {
                let k = period.steps(*anchor, after).saturating_add(1);
                period.at(*anchor, k.max(first.lowest_k()))
            }
            Schedule::Cron { expression, zone } => expression.next_after(zone, after),
            Schedule::Recurrence(recurrence) => recurrence.next_after(after),
            Schedule::AnyOf(several) => several.next_after(after),
        }
    }

    /// The last occurrence in `(after, until]`; `None` when there is none.
    pub fn latest_in(&self, after: Timestamp, until: Timestamp) -> Option<Timestamp> {
        match self {
            Schedule::Once { at } => (*at > after && *at <= until).then_some(*at),
            Schedule::Every { period, anchor, first } => {
                let k = period.steps(*anchor, until);
                let latest = (k >= first.lowest_k()).then(|| period.at(*anchor, k)).flatten();
                latest.filter(|at| *at > after)
            }
            Schedule::Cron { expression, zone } => expression.latest_in(zone, after, until),
            Schedule::Recurrence(recurrence) => recurrence.latest_in(after, until),
            Schedule::AnyOf(several) => several.latest_in(after, until),
        }
    }

    /// How many occurrences lie in `(after, until]`.
    ///
    /// Exact, and the cost does not grow with the count: the span a server slept through may hold millions.
    pub fn count_in(&self, after: Timestamp, until: Timestamp) -> u64 {
        match self {
            Schedule::Once { at } => u64::from(*at > after && *at <= until),
            Schedule::Every { period, anchor, first } => {
                let below = first.lowest_k() - 1;
                let passed = |instant| period.steps(*anchor, instant).max(below);
                u64::try_from(passed(until) - passed(after)).unwrap_or(0)
            }
            Schedule::Cron { expression, zone } => expression.count_in(zone, after, until),
            Schedule::Recurrence(recurrence) => recurrence.count_in(after, until),
            Schedule::AnyOf(several) => several.count_in(after, until),
        }
    }

    /// About how many steps of a cron line going to the next occurrence takes.
    pub fn step_weight(&self) -> u64 {
        match self {
            Schedule::Once { .. } | Schedule::Every { .. } | Schedule::Cron { .. } => 1,
            Schedule::Recurrence(_) => 2,
            // Each of them is asked at each step.
            Schedule::AnyOf(several) => several.members().iter().map(|member| member.schedule.step_weight()).sum(),
        }
    }

    /// Whether it names this very instant.
    pub fn names(&self, at: Timestamp) -> bool {
        self.latest_in(bounds::just_before(at), at) == Some(at)
    }

    /// The zone on whose wall clock it names times; none for what counts elapsed time, and for several in different zones.
    pub fn wall_zone(&self) -> Option<&zone::Zone> {
        match self {
            Schedule::Once { .. } | Schedule::Every { .. } => None,
            Schedule::Cron { zone, .. } => Some(zone),
            Schedule::Recurrence(recurrence) => Some(recurrence.zone()),
            Schedule::AnyOf(several) => several.zone(),
        }
    }

    /// The zones on whose wall clocks it names times, each once.
    pub fn wall_zones(&self) -> Vec<&zone::Zone> {
        let mut zones: Vec<&zone::Zone> = Vec::new();
        let each: Vec<&zone::Zone> = match self {
            Schedule::AnyOf(several) => {
                several.members().iter().filter_map(|member| member.schedule.wall_zone()).collect()
            }
            one => one.wall_zone().into_iter().collect(),
        };
        for zone in each {
            if !zones.contains(&zone) {
                zones.push(zone);
            }
        }
        zones
    }

    /// Whether when it occurs hangs on the rules of a zone.
    pub fn hangs_on_a_zone(&self) -> bool {
        let hangs = |zone: Option<&zone::Zone>| zone.is_some_and(|zone| *zone != zone::Zones::utc());
        match self {
            Schedule::AnyOf(several) => several.members().iter().any(|member| member.schedule.hangs_on_a_zone()),
            one => hangs(one.wall_zone()),
        }
    }

    /// The same with a choice of somebody's for where the clocks change; what is not chosen follows from the schedule itself.
    pub(crate) fn with_choice(&self, gap: Option<rule::Gap>, fold: Option<rule::Fold>) -> Schedule {
        let chosen = |by_itself: rule::Rule| rule::Rule {
            gap: gap.unwrap_or(by_itself.gap),
            fold: fold.unwrap_or(by_itself.fold),
        };
        match self {
            Schedule::Cron { expression, zone } => {
                let rule = chosen(expression.rule());
                Schedule::Cron { expression: expression.clone().with_rule(rule), zone: zone.clone() }
            }
            Schedule::Recurrence(recurrence) if chosen(recurrence.rule()) != recurrence.rule() => {
                Schedule::Recurrence(Arc::new(recurrence.with_rule(chosen(recurrence.rule()))))
            }
            Schedule::AnyOf(several) => Schedule::AnyOf(several.with_choice(gap, fold)),
            other => other.clone(),
        }
    }

    /// The schedule as an English sentence without its zone: "At 09:00, Monday to Friday".
    pub fn summary(&self) -> String {
        sentence::of(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::every::Period;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a test writes its instants well")
    }

    fn every(period: &str, anchor: &str, first: FirstFiring) -> Schedule {
        let period = Period::parse(period).expect("a test writes its periods well");
        Schedule::Every { period, anchor: at(anchor), first }
    }

    #[test]
    fn a_one_shot_occurs_once_and_strictly_after() {
        let once = Schedule::Once { at: at("2027-02-15T08:30:00Z") };
        assert_eq!(once.next_after(at("2027-02-15T08:29:59.999999Z")), Some(at("2027-02-15T08:30:00Z")));
        assert_eq!(once.next_after(at("2027-02-15T08:30:00Z")), None);
        assert_eq!(once.count_in(at("2027-01-01T00:00:00Z"), at("2027-02-15T08:30:00Z")), 1);
        assert_eq!(once.count_in(at("2027-02-15T08:30:00Z"), at("2028-01-01T00:00:00Z")), 0);
        assert_eq!(once.latest_in(at("2027-02-15T08:30:00Z"), at("2028-01-01T00:00:00Z")), None);
    }

    #[test]
    fn a_start_is_the_first_firing_and_a_creation_is_not() {
        let anchor = "2027-01-01T00:00:00Z";
        let started = every("90s", anchor, FirstFiring::AtAnchor);
        let created = every("90s", anchor, FirstFiring::OnePeriodLater);
        let before = at("2026-01-01T00:00:00Z");
        assert_eq!(started.next_after(before), Some(at(anchor)));
        assert_eq!(created.next_after(before), Some(at("2027-01-01T00:01:30Z")));
        assert_eq!(started.next_after(at(anchor)), Some(at("2027-01-01T00:01:30Z")));
        assert_eq!(started.count_in(before, at(anchor)), 1);
        assert_eq!(created.count_in(before, at(anchor)), 0);
        assert_eq!(created.latest_in(before, at(anchor)), None);
    }

    #[test]
    fn ten_years_of_seconds_do_not_drift() {
        let grid = every("1s", "2026-11-21T10:00:00.123456Z", FirstFiring::OnePeriodLater);
        let (start, end) = (at("2026-11-21T10:00:00.123456Z"), at("2036-11-21T10:00:00.5Z"));
        assert_eq!(grid.count_in(start, end), 3653 * 86_400);
        assert_eq!(grid.latest_in(start, end), Some(at("2036-11-21T10:00:00.123456Z")));
        assert_eq!(grid.next_after(end), Some(at("2036-11-21T10:00:01.123456Z")));
    }

    #[test]
    fn a_grid_ends_quietly_where_time_does() {
        let grid = every("366d", "2026-11-21T10:00:00Z", FirstFiring::AtAnchor);
        assert_eq!(grid.next_after(Timestamp::MAX), None);
        assert_eq!(grid.next_after(Timestamp::MIN), Some(at("2026-11-21T10:00:00Z")));
        let latest = grid.latest_in(Timestamp::MIN, Timestamp::MAX).expect("the grid has occurrences");
        assert_eq!(grid.next_after(latest), None);
        assert_eq!(grid.count_in(Timestamp::MAX, Timestamp::MIN), 0);
    }

    proptest! {
        #[test]
        fn every_occurrence_of_a_grid_is_anchor_plus_k_periods(
            period_micros in 1_000_000_i64..50_000_000,
            anchor_micros in 0_i64..4_000_000_000_000_000,
            from_micros in -200_000_000_i64..200_000_000,
            steps in 1_usize..30,
            starts in any::<bool>(),
        ) {
            let first = if starts { FirstFiring::AtAnchor } else { FirstFiring::OnePeriodLater };
            let anchor = Timestamp::from_microsecond(anchor_micros).expect("in range");
            let period = Period::parse(&format!("{period_micros}us")).expect("a period of seconds");
            let grid = Schedule::Every { period, anchor, first };
            let lowest = if starts { 0 } else { 1 };
            let after = Timestamp::from_microsecond(anchor_micros + from_micros).expect("in range");
            let named: Vec<i64> = (lowest..)
                .map(|k| anchor_micros + k * period_micros)
                .filter(|instant| *instant > after.as_microsecond())
                .take(steps)
                .collect();
            let mut found = Vec::new();
            let mut cursor = after;
            while found.len() < steps {
                cursor = grid.next_after(cursor).expect("grids go on");
                found.push(cursor.as_microsecond());
            }
            prop_assert_eq!(&found, &named);
            prop_assert_eq!(grid.count_in(after, cursor), steps as u64);
            prop_assert_eq!(grid.latest_in(after, cursor), Some(cursor));
        }
    }
}
