//! What the tests of schedulers say whose lines are written otherwise, or that ask more than when a line comes next: what was missed, the
//! last before an instant, grids and their phases, several schedules together. Their words are translated, their instants are as they stand there.

use jiff::{SignedDuration, Timestamp};
use oncue_domain::id::{TriggerId, UserId};
use oncue_domain::misfire::{Bounds as Backlog, Misfire};
use oncue_domain::overlap::Overlap;
use oncue_domain::plan::{Absence, plan};
use oncue_domain::schedule::any_of::{AnyOf, Member};
use oncue_domain::schedule::bounds::Bounds;
use oncue_domain::schedule::cron::CronExpression;
use oncue_domain::schedule::every::Period;
use oncue_domain::schedule::zone::{Zones, parse_instant};
use oncue_domain::schedule::{FirstFiring, Schedule};
use oncue_domain::trigger::{Definition, ScheduleDetails, Terms, Trigger};

use super::{come_next, expression, zone};

fn at(text: &str) -> Timestamp {
    parse_instant(text, &Zones::utc()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn cron(line: &str) -> Schedule {
    Schedule::Cron { expression: expression(line), zone: Zones::utc() }
}

/// A grid that has `anchor` among its times.
fn every(period: &str, anchor: &str) -> Schedule {
    let period = Period::parse(period).expect("a period");
    Schedule::Every { period, anchor: at(anchor), first: FirstFiring::AtAnchor }
}

fn any_of(schedules: Vec<Schedule>) -> Schedule {
    let member = |schedule| Member { schedule, timezone: None };
    Schedule::AnyOf(AnyOf::kept(schedules.into_iter().map(member).collect()))
}

/// After `after` come these, on that day, and all questions agree on them.
#[track_caller]
fn sequence(schedule: &Schedule, after: &str, times: &[&str]) {
    let mut cursor = at(after);
    for time in times {
        let next = schedule.next_after(cursor);
        assert_eq!(next, Some(at(time)), "after {cursor}");
        assert_eq!(schedule.latest_in(cursor, at(time)), next);
        cursor = at(time);
    }
    assert_eq!(schedule.count_in(at(after), cursor), times.len() as u64);
}

/// croner for Rust, where a time comes twice by an hour, by half an hour, and at a quarter to.
#[test]
fn every_minute_of_a_doubled_hour_comes_round_twice_and_in_order() {
    for (name, first, second) in [
        ("Europe/Paris", "2024-10-27T02:30:00+02:00", "2024-10-27T02:30:00+01:00"),
        ("Australia/Lord_Howe", "2024-04-07T01:40:00+11:00", "2024-04-07T01:40:00+10:30"),
        ("Pacific/Chatham", "2024-04-07T03:20:00+13:45", "2024-04-07T03:20:00+12:45"),
    ] {
        let (line, zone, first, second) = (expression("* * * * *"), zone(name), at(first), at(second));
        let next = |last: &Timestamp| line.next_after(&zone, *last);
        let forward: Vec<Timestamp> = std::iter::successors(Some(first), next).take(201).collect();
        assert!(
            forward.windows(2).all(|pair| pair[1].duration_since(pair[0]) == SignedDuration::from_mins(1)),
            "{name}"
        );
        let wall = zone.time_zone().to_datetime(first);
        let shown: Vec<&Timestamp> = forward.iter().filter(|at| zone.time_zone().to_datetime(**at) == wall).collect();
        assert_eq!(shown, [&first, &second], "{name}");
        let start = first - SignedDuration::from_secs(1);
        let last = |later: &Timestamp| line.latest_in(&zone, start, *later - SignedDuration::from_secs(1));
        let mut backward: Vec<Timestamp> = std::iter::successors(forward.last().copied(), last).collect();
        backward.reverse();
        assert_eq!(backward, forward, "{name}: there and back");
    }
}

/// croner for Rust again, which asks backwards as well.
#[test]
fn the_last_before_a_gap_and_the_first_after_it_are_told_from_both_sides() {
    let stockholm = zone("Europe/Stockholm");
    let local = |text: &str| parse_instant(text, &stockholm).expect("an instant");
    let before = |line: &str, instant: &str| {
        expression(line).latest_in(
            &stockholm,
            local("2025-03-01 00:00"),
            local(instant) - SignedDuration::from_nanos(1),
        )
    };
    assert_eq!(before("0 30 2 * * *", "2025-03-30 04:00"), Some(local("2025-03-30 03:00")));
    assert_eq!(before("0 30 2 * * *", "2025-03-30 03:00"), Some(local("2025-03-29 02:30")));
    for (instant, expected) in [
        ("2025-03-30 03:02", "2025-03-30 03:01"),
        ("2025-03-30 03:01", "2025-03-30 03:00"),
        ("2025-03-30 03:00", "2025-03-30 01:59"),
        ("2025-03-30 01:59", "2025-03-30 01:58"),
    ] {
        assert_eq!(before("0 * * * * *", instant), Some(local(expected)));
    }
}

/// go-cron, whose gaps are ours; the hour that comes twice is among the differences.
#[test]
fn a_time_that_is_left_out_fires_after_the_gap_as_in_go_cron() {
    #[rustfmt::skip]
    come_next("America/New_York", &[
        ("30 2 * * *", "2024-03-10 01:30", "2024-03-10T03:00:00-04:00"),
        ("0 30 2 * * *", "2024-03-10 01:30", "2024-03-10T03:00:00-04:00"),
        ("0 0 3 * * *", "2024-03-10 01:30", "2024-03-10T03:00:00-04:00"),
        ("0 0 1 * * *", "2024-03-09 01:30", "2024-03-10T01:00:00-05:00"),
        ("30 1 * * *", "2024-11-03T00:30:00-04:00", "2024-11-03T01:30:00-04:00"),
        ("30 1 * * *", "2024-11-03T01:30:00-04:00", "2024-11-04T01:30:00-05:00"),
        ("0 0 2 * * *", "2024-11-03T00:30:00-04:00", "2024-11-03T02:00:00-05:00"),
    ]);
    come_next("America/Sao_Paulo", &[("0 0 * * *", "2018-11-03 12:00", "2018-11-04T01:00:00-02:00")]);
}

/// systemd's calendar events: its words translated, where there is a line for them.
#[test]
fn the_calendar_of_systemd_is_ours() {
    #[rustfmt::skip]
    come_next("CET", &[
        ("17 3 27 3 *", "2016-01-01 00:00", "2016-03-27T01:17:00Z"),
        ("0 16 * * SUN", "2016-02-21T08:00:00.123456Z", "2016-02-21T15:00:00Z"),
    ]);
    #[rustfmt::skip]
    come_next("UTC", &[
        ("17 3 27 3 *", "2016-01-01 00:00", "2016-03-27T03:17:00Z"),
        ("0 0 L 2 *", "2016-01-01 00:00", "2016-02-29T00:00:00Z"),
        ("0 0 * 5 MON#L", "2017-01-01 00:00", "2017-05-29T00:00:00Z"),
        ("0 4 */5 * *", "2022-02-28 01:00", "2022-03-01 04:00"),
        ("0 4 1 1-12/7 *", "2022-10-01 07:00", "2023-01-01 04:00"),
        ("0 9,11,13,15,17 6 8 *", "2017-08-06 14:30", "2017-08-06 15:00"),
        ("0 9-17/2 6 8 *", "2017-08-06 14:30", "2017-08-06 15:00"),
        ("0 3-21/6 * 12 *", "2016-12-24T21:00:00.000001Z", "2016-12-25T03:00:00Z"),
    ]);
    #[rustfmt::skip]
    come_next("Pacific/Auckland", &[
        ("30 3 24 9 *", "2017-01-01 00:00", "2017-09-23T14:30:00Z"),
        ("30 2 2 4 *", "2017-01-01 00:00", "2017-04-01T13:30:00Z"),
        ("30 2 2 4 *", "2017-04-01T13:30:00Z", "2018-04-01T14:30:00Z"),
        ("30 3 2 4 *", "2017-01-01 00:00", "2017-04-01T15:30:00Z"),
    ]);
    assert_eq!(parse_instant("2017-09-09 20:42", &zone("Pacific/Auckland")), Ok(at("2017-09-09T08:42:00Z")));
    assert_eq!(parse_instant("2016-03-27 03:17", &zone("CET")), Ok(at("2016-03-27T01:17:00Z")));
    assert!(CronExpression::parse("0 0 31 4 *").is_err(), "it never occurs");
    let grid = every("1770ms", "2015-11-13T07:11:23.42Z");
    sequence(&grid, "2015-11-13T07:11:23.419999Z", &["2015-11-13T07:11:23.42Z", "2015-11-13T07:11:25.19Z"]);
}

/// Temporal: grids by their phase, several schedules in one, a start within and an end.
#[test]
fn the_grids_and_calendars_of_temporal_are_ours() {
    let epoch = "1970-01-01T00:00:00Z";
    #[rustfmt::skip]
    sequence(&every("90m", epoch), "2022-03-23T12:53:02.000000009Z", &[
        "2022-03-23T13:30Z", "2022-03-23T15:00Z", "2022-03-23T16:30Z", "2022-03-23T18:00Z",
    ]);
    let shifted = || every("90m", "1970-01-01T00:05:44Z");
    #[rustfmt::skip]
    sequence(&shifted(), "2022-03-23T12:53:02.000000009Z", &[
        "2022-03-23T13:35:44Z", "2022-03-23T15:05:44Z", "2022-03-23T16:35:44Z", "2022-03-23T18:05:44Z",
    ]);
    #[rustfmt::skip]
    sequence(&every("2m", "1970-01-01T00:01:03.123456Z"), "2022-03-23T13:49:30.5Z", &[
        "2022-03-23T13:51:03.123456Z", "2022-03-23T13:53:03.123456Z", "2022-03-23T13:55:03.123456Z",
    ]);
    #[rustfmt::skip]
    sequence(&any_of(vec![shifted(), every("157m", "1970-01-01T00:22:11Z")]), "2022-03-23T12:53:02.000000009Z", &[
        "2022-03-23T13:35:44Z", "2022-03-23T15:05:44Z", "2022-03-23T15:26:11Z", "2022-03-23T16:35:44Z",
        "2022-03-23T18:03:11Z", "2022-03-23T18:05:44Z", "2022-03-23T19:35:44Z",
    ]);
    #[rustfmt::skip]
    sequence(&any_of(vec![cron("23 5,7 * * *"), cron("55 11,13 * * *")]), "2022-03-23T03:00Z", &[
        "2022-03-23T05:23Z", "2022-03-23T07:23Z", "2022-03-23T11:55Z", "2022-03-23T13:55Z",
        "2022-03-24T05:23Z", "2022-03-24T07:23Z", "2022-03-24T11:55Z", "2022-03-24T13:55Z",
    ]);
    #[rustfmt::skip]
    sequence(&any_of(vec![cron("55 11,13 * * *"), every("90m", "1970-01-01T00:07:00Z")]), "2022-03-23T10:00Z", &[
        "2022-03-23T10:37Z", "2022-03-23T11:55Z", "2022-03-23T12:07Z", "2022-03-23T13:37Z", "2022-03-23T13:55Z", "2022-03-23T15:07Z",
    ]);
    let bounds = Bounds::new(Some(at("2022-03-23T12:00Z")), Some(at("2022-03-23T14:00Z"))).expect("in order");
    let terms = Terms { bounds, ..Terms::default() };
    let details = ScheduleDetails::new(every("90m", epoch), None, terms, Zones::utc());
    let next = |last: &Timestamp| details.next_after(*last);
    let all: Vec<Timestamp> = std::iter::successors(details.next_after(at("2022-03-23T08:00Z")), next).collect();
    assert_eq!(all, [at("2022-03-23T12:00Z"), at("2022-03-23T13:30Z")]);
    come_next("Europe/London", &[("1 0 2 Jan *", "2004-10-31 01:07:03", "2005-01-02 00:01")]);
}

/// Kubernetes: the last that was due, counted from the last that ran, and how many were.
#[test]
fn the_missed_runs_of_kubernetes_are_ours() {
    #[rustfmt::skip]
    let rows: &[(Schedule, &str, &str, Option<&str>, u64)] = &[
        (cron("0 * * * *"), "2016-05-19T10:00Z", "2016-05-19T10:00:30Z", None, 0),
        (cron("0 * * * *"), "2016-05-19T10:00Z", "2016-05-19T11:01Z", Some("2016-05-19T11:00Z"), 1),
        (cron("0 * * * *"), "2016-05-19T10:00:10Z", "2016-05-19T15:01Z", Some("2016-05-19T15:00Z"), 5),
        (cron("30 6-16/4 * * 1-5"), "2016-05-19T10:30Z", "2016-05-20T10:31Z", Some("2016-05-20T10:30Z"), 3),
        (cron("30 6-16/4 * * 1-5"), "2016-05-19T10:00Z", "2016-05-20T10:31Z", Some("2016-05-20T10:30Z"), 4),
        (cron("30 6-16/4 * * 1-5"), "2016-05-19T10:30Z", "2016-05-23T10:31Z", Some("2016-05-23T10:30Z"), 6),
        (every("1h", "2016-05-19T10:01:00Z"), "2016-05-19T10:01Z", "2016-05-26T10:00Z", Some("2016-05-26T09:01Z"), 167),
        (cron("*/5 * * * *"), "2016-05-19T10:30Z", "2016-05-19T10:31Z", None, 0),
        (cron("*/5 * * * *"), "2016-05-19T10:31Z", "2016-05-19T10:32Z", None, 0),
        // Kubernetes finds none here: it takes how far the first two lie apart for how far all of them do.
        (cron("30 10,11,12 * * 1-5"), "2016-05-19T10:30Z", "2016-05-20T16:30Z", Some("2016-05-20T12:30Z"), 5),
    ];
    for (schedule, after, now, latest, count) in rows {
        let context = format!("{} in ({after}, {now}]", schedule.summary());
        assert_eq!(schedule.latest_in(at(after), at(now)), latest.map(at), "{context}");
        assert_eq!(schedule.count_in(at(after), at(now)), *count, "{context}");
    }
    #[rustfmt::skip]
    come_next("UTC", &[
        ("30 6-16/4 * * 1-5", "2016-05-20 10:31", "2016-05-20 14:30"),
        ("30 10,11,12 * * 1-5", "2016-05-20 16:30", "2016-05-23 10:30"),
        ("0 12 * * 4", "2016-06-07 11:30", "2016-06-09 12:00"),
        ("0 12 * * 5", "2016-05-19 16:00", "2016-05-20 12:00"),
    ]);
    assert!(CronExpression::parse("59 23 31 2 *").is_err(), "it never occurs");
}

/// go-cron: hourly, last run at seven, back at ten sharp. What is due at ten is not late.
#[test]
fn what_was_missed_is_caught_up_with_as_in_go_cron() {
    let all = |at_most: u64, age: &str| {
        let age = Period::parse(age).expect("a period");
        Some(Misfire::All(Box::new(Backlog::new(Some(at_most), Some(age), false).expect("few"))))
    };
    let (seven, ten) = (at("2026-01-18T07:00Z"), at("2026-01-18T10:00Z"));
    let planned = |line: &str, after: Timestamp, misfire: Option<Misfire>| {
        let details = ScheduleDetails::new(cron(line), None, Terms { misfire, ..Terms::default() }, Zones::utc());
        let armed = details.next_after(after).expect("it goes on");
        let definition = Definition {
            name: None,
            schedule: Some(details),
            payload: None,
            payload_schema: None,
            webhook: None,
            destinations: Vec::new(),
            expects: None,
            overlap: Overlap::Allow,
            is_test: false,
            enabled: true,
            pause: None,
            expires_at: None,
        };
        let (id, owner) = (TriggerId(1), UserId(1));
        let trigger = Trigger { id, owner, revision: 1, definition, created_at: after, standing_since: after };
        let plan = plan(&trigger, armed, ten, &[Absence { from: after, to: ten }]);
        let hours: Vec<(i8, bool)> = plan
            .firings
            .iter()
            .map(|firing| (Zones::utc().time_zone().to_datetime(firing.scheduled_at).hour(), firing.caught_up))
            .collect();
        (hours, plan.put_off.iter().map(|put_off| put_off.count).sum::<u64>())
    };
    let hourly = "0 0 * * * *";
    assert_eq!(planned(hourly, seven, Some(Misfire::Skip)), (vec![(10, false)], 0));
    assert_eq!(planned(hourly, seven, None), (vec![(9, true), (10, false)], 0));
    assert_eq!(planned(hourly, seven, all(100, "24h")), (vec![(10, false)], 2), "eight and nine wait");
    assert_eq!(planned(hourly, seven, all(100, "90m")), (vec![(10, false)], 1), "nine alone");
    assert_eq!(planned("0 0 9 * * *", seven, Some(Misfire::Skip)).0, []);
    assert_eq!(planned("0 * * * * *", ten - SignedDuration::from_mins(200), all(100, "24h")).1, 100, "bounded");
}
