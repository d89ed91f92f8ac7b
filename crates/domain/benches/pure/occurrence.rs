//! When a trigger is due: what the scheduler asks after each firing, and the ledger after each absence.

use std::hint::black_box;
use std::sync::Arc;

use criterion::Criterion;
use jiff::Timestamp;
use jiff::civil::date;
use oncue_domain::schedule::any_of::{AnyOf, Member};
use oncue_domain::schedule::cron::CronExpression;
use oncue_domain::schedule::every::Period;
use oncue_domain::schedule::recurrence::{Recurrence, RecurrenceText, Start};
use oncue_domain::schedule::zone::Zones;
use oncue_domain::schedule::{FirstFiring, Schedule};

use crate::sample::at;

fn cron(line: &str, zone: &str) -> Schedule {
    let expression = CronExpression::parse(line).expect("a bench writes its cron lines well");
    Schedule::Cron { expression, zone: Zones::bundled().get(zone).expect("a zone of the bundled copy") }
}

fn rule(text: &str, zone: &str) -> Schedule {
    let zones = Zones::bundled();
    let text = RecurrenceText::read(text, &zones).expect("a bench writes its rules well");
    let start = Start { wall: date(2026, 1, 5).at(9, 0, 0, 0), is_told: true };
    Schedule::Recurrence(Arc::new(Recurrence::new(text, start, zones.get(zone).expect("a zone of the bundled copy"))))
}

fn any_of(schedules: impl IntoIterator<Item = Schedule>) -> Schedule {
    let members = schedules.into_iter().map(|schedule| Member { schedule, timezone: None });
    Schedule::AnyOf(AnyOf::kept(members.collect()))
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
        (
            "rule every second Monday and Wednesday, Riga",
            rule("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE", "Europe/Riga"),
            ordinary,
        ),
        (
            "rule last working day of the month, New York",
            rule("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "America/New_York"),
            ordinary,
        ),
        ("rule every 7 minutes in some hours, UTC", rule("FREQ=MINUTELY;INTERVAL=7;BYHOUR=9,13", "UTC"), ordinary),
        (
            "any of two cron lines and every 90 s",
            any_of([cron("0 9 * * 1-5", "Europe/Riga"), cron("0 12 * * 6", "Asia/Tokyo"), every("90s")]),
            ordinary,
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
        ("rule every minute, New York", rule("FREQ=MINUTELY", "America/New_York")),
        ("rule every 7 minutes, New York", rule("FREQ=MINUTELY;INTERVAL=7", "America/New_York")),
        (
            "rule every 7 seconds in some hours, New York",
            rule("FREQ=SECONDLY;INTERVAL=7;BYHOUR=9,13", "America/New_York"),
        ),
        (
            "any of every second and a line every 15 minutes",
            any_of([every("1s"), cron("*/15 * * * *", "America/New_York")]),
        ),
    ] {
        let counted = |schedule: &Schedule| (schedule.latest_in(from, until), schedule.count_in(from, until));
        absence.bench_function(name, |bencher| bencher.iter(|| counted(black_box(&schedule))));
    }
    absence.finish();

    let rule_text = "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1";
    criterion.bench_function("read/rule", |bencher| bencher.iter(|| rule(black_box(rule_text), "Europe/Riga")));
    let counting = "FREQ=DAILY;COUNT=100";
    criterion
        .bench_function("read/rule that counts", |bencher| bencher.iter(|| rule(black_box(counting), "Europe/Riga")));
    criterion.bench_function("read/cron line", |bencher| {
        bencher.iter(|| CronExpression::parse(black_box("15,45 */7 8-18 * JAN-JUN *")));
    });
}
