//! When a trigger is due: what the scheduler asks after each firing, and the ledger after each absence.

use std::hint::black_box;

use criterion::Criterion;
use jiff::Timestamp;
use oncue_domain::schedule::cron::CronExpression;
use oncue_domain::schedule::every::Period;
use oncue_domain::schedule::zone::Zones;
use oncue_domain::schedule::{FirstFiring, Schedule};

use crate::sample::at;

fn cron(line: &str, zone: &str) -> Schedule {
    let expression = CronExpression::parse(line).expect("a bench writes its cron lines well");
    Schedule::Cron { expression, zone: Zones::bundled().get(zone).expect("a zone of the bundled copy") }
}

fn every(period: &str) -> Schedule {
    let period = Period::parse(period).expect("a bench writes its periods well");
    Schedule::Every { period, anchor: at("2026-01-01T00:00:00Z"), first: FirstFiring::AtAnchor }
}

/// A name, a schedule, and after when it is asked for its next occurrence.
fn cases() -> Vec<(&'static str, Schedule, Timestamp)> {
    let ordinary = at("2027-01-20T10:07:31.5Z");
    vec![
        ("once", Schedule::Once { at: at("2027-02-15T08:30:00Z") }, ordinary),
        ("every 90 s", every("90s"), ordinary),
        ("cron every minute, UTC", cron("* * * * *", "UTC"), ordinary),
        ("cron working days at nine, Riga", cron("0 9 * * 1-5", "Europe/Riga"), ordinary),
        ("cron with seconds and lists, New York", cron("15,45 */7 8-18 * * *", "America/New_York"), ordinary),
        ("cron last Friday of the month, Tokyo", cron("30 18 * * 5L", "Asia/Tokyo"), ordinary),
        ("cron before a gap, New York", cron("30 2 * * *", "America/New_York"), at("2027-03-14T06:59:00Z")),
        ("cron after a gap, New York", cron("30 2 * * *", "America/New_York"), at("2027-03-14T07:00:30Z")),
        (
            "cron between the two passes of a fold, New York",
            cron("30 1 * * *", "America/New_York"),
            at("2027-11-07T05:45:00Z"),
        ),
        (
            "cron each quarter in a fold, Lord Howe",
            cron("*/15 * * * *", "Australia/Lord_Howe"),
            at("2027-04-03T14:50:00Z"),
        ),
        // 2100 is no leap year.
        ("cron 29 February, eight years away", cron("0 0 29 2 *", "UTC"), at("2096-03-01T00:00:00Z")),
        (
            "cron 29 February, eight years away, Chatham",
            cron("0 12 29 2 *", "Pacific/Chatham"),
            at("2096-03-01T00:00:00Z"),
        ),
    ]
}

/// Benches of the names that begin with `next occurrence`, `absence` and `read`.
pub(crate) fn benches(criterion: &mut Criterion) {
    let mut next = criterion.benchmark_group("next occurrence");
    for (name, schedule, after) in cases() {
        assert!(schedule.next_after(after).is_some(), "{name} has none");
        next.bench_function(name, |bencher| bencher.iter(|| black_box(&schedule).next_after(black_box(after))));
    }
    next.finish();

    let (from, until) = (at("2026-03-01T00:00:00Z"), at("2027-03-01T00:00:00Z"));
    let mut absence = criterion.benchmark_group("absence of a year");
    for (name, schedule) in [
        ("every 90 s", every("90s")),
        ("cron every minute, UTC", cron("* * * * *", "UTC")),
        ("cron every minute, New York", cron("* * * * *", "America/New_York")),
    ] {
        let counted = |schedule: &Schedule| (schedule.latest_in(from, until), schedule.count_in(from, until));
        absence.bench_function(name, |bencher| bencher.iter(|| counted(black_box(&schedule))));
    }
    absence.finish();

    criterion.bench_function("read/cron line", |bencher| {
        bencher.iter(|| CronExpression::parse(black_box("15,45 */7 8-18 * JAN-JUN *")));
    });
}
