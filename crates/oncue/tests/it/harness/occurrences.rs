//! When a trigger of the harness must fire, worked out by arithmetic alone. The few cron lines used here mean the same in
//! every zone whose offset is whole minutes, so no calendar and none of the program's own rules are needed.

use jiff::Timestamp;
use serde_json::{Value, json};

const SECOND_US: i64 = 1_000_000;

/// A schedule of the harness.
#[derive(Clone, Debug)]
pub(crate) enum Plan {
    /// Every so many seconds; from an instant, else from creation.
    Every { period_s: i64, start_at: Option<Timestamp> },
    /// A cron line of six fields that names every second divisible by `step_s`, a divisor of 60.
    Seconds { step_s: i64, zone: &'static str },
    /// A cron line of five fields that names every minute.
    Minutes { zone: &'static str },
    /// Once.
    Once { at: Timestamp },
    /// By a call.
    Api,
}

impl Plan {
    /// What the request that makes the trigger says.
    pub(crate) fn details(&self) -> Value {
        match self {
            Plan::Every { period_s, start_at: None } => json!({"every": format!("{period_s}s")}),
            Plan::Every { period_s, start_at: Some(start) } => {
                json!({"every": format!("{period_s}s"), "start_at": start.to_string()})
            }
            Plan::Seconds { step_s: 1, zone } => json!({"cron": "* * * * * *", "timezone": zone}),
            Plan::Seconds { step_s, zone } => json!({"cron": format!("*/{step_s} * * * * *"), "timezone": zone}),
            Plan::Minutes { zone } => json!({"cron": "* * * * *", "timezone": zone}),
            Plan::Once { at } => json!({"run_at": at.to_string()}),
            Plan::Api => Value::Null,
        }
    }

    /// Whether it fires so often that its firings tell the time.
    pub(crate) fn is_clock(&self) -> bool {
        matches!(self, Plan::Every { .. } | Plan::Seconds { .. })
    }

    /// Every occurrence after `created_at` up to `until`, in microseconds since 1970.
    pub(crate) fn occurrences(&self, created_at: Timestamp, until: Timestamp) -> Vec<i64> {
        let (created, until) = (created_at.as_microsecond(), until.as_microsecond());
        let (anchor, period) = match self {
            Plan::Every { period_s, start_at } => {
                (start_at.map_or(created + period_s * SECOND_US, |start| start.as_microsecond()), period_s * SECOND_US)
            }
            Plan::Seconds { step_s, .. } => (0, step_s * SECOND_US),
            Plan::Minutes { .. } => (0, 60 * SECOND_US),
            Plan::Once { at } => {
                return Some(at.as_microsecond()).filter(|at| *at > created && *at <= until).into_iter().collect();
            }
            Plan::Api => return Vec::new(),
        };
        let skipped_periods = (created - anchor).div_euclid(period) + 1;
        let first = anchor + skipped_periods.max(0) * period;
        (first..=until).step_by(usize::try_from(period).expect("periods are positive")).collect()
    }
}

#[test]
fn the_arithmetic_of_the_harness_is_right() {
    let at = |us: i64| Timestamp::from_microsecond(us).expect("in range");
    let (created, until) = (at(1_500_000), at(5_500_000));
    let from_creation = Plan::Every { period_s: 2, start_at: None };
    assert_eq!(from_creation.occurrences(created, until), [3_500_000, 5_500_000]);
    let started = Plan::Every { period_s: 2, start_at: Some(at(2_000_000)) };
    assert_eq!(started.occurrences(created, until), [2_000_000, 4_000_000]);
    let started_before = Plan::Every { period_s: 2, start_at: Some(at(1_500_000)) };
    assert_eq!(started_before.occurrences(created, until), [3_500_000, 5_500_000], "strictly after");
    assert_eq!(Plan::Seconds { step_s: 2, zone: "UTC" }.occurrences(created, until), [2_000_000, 4_000_000]);
    assert_eq!(Plan::Seconds { step_s: 2, zone: "UTC" }.occurrences(at(2_000_000), until), [4_000_000]);
    assert!(Plan::Minutes { zone: "UTC" }.occurrences(created, until).is_empty());
    assert_eq!(Plan::Once { at: at(2_000_000) }.occurrences(created, until), [2_000_000]);
}
