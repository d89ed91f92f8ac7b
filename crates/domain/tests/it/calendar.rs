//! The calendar where it is not regular: ends of months, leap days, 2038, 2100, and the first and last instants there are.

use jiff::civil::{Date, date};
use jiff::{SignedDuration, Timestamp};
use oncue_domain::schedule::cron::CronExpression;
use oncue_domain::schedule::every::Period;
use oncue_domain::schedule::zone::{Zone, Zones, parse_instant};
use oncue_domain::schedule::{FirstFiring, Schedule};

fn zone(name: &str) -> Zone {
    Zones::bundled().get(name).expect("a zone of the bundled copy")
}

fn cron(text: &str, zone: &Zone) -> Schedule {
    let expression = CronExpression::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    Schedule::Cron { expression, zone: zone.clone() }
}

fn at(text: &str) -> Timestamp {
    parse_instant(text, &Zones::utc()).unwrap_or_else(|error| panic!("{error}"))
}

/// The dates on which a schedule occurs, up to and including a year.
fn dates(schedule: &Schedule, zone: &Zone, years: std::ops::RangeInclusive<i16>) -> Vec<Date> {
    let start = |year| zone.time_zone().to_timestamp(date(year, 1, 1).at(0, 0, 0, 0)).expect("in range");
    let (mut after, until) = (start(*years.start()) - SignedDuration::from_secs(1), start(*years.end() + 1));
    let mut dates = Vec::new();
    while let Some(next) = schedule.next_after(after).filter(|next| *next < until) {
        dates.push(zone.time_zone().to_datetime(next).date());
        after = next;
    }
    dates
}

/// All dates of some years that are what is asked for, one after the other.
fn all_dates(years: std::ops::RangeInclusive<i16>, is_wanted: impl Fn(Date) -> bool) -> Vec<Date> {
    let first = date(*years.start(), 1, 1);
    let days = first.series(jiff::Span::new().days(1)).take_while(|day| day.year() <= *years.end());
    days.filter(|day| is_wanted(*day)).collect()
}

#[test]
fn ends_of_months_are_those_of_the_calendar_through_four_centuries() {
    let is_last = |day: Date| day.day() == day.days_in_month();
    let utc = Zones::utc();
    let lines: [(&str, &dyn Fn(Date) -> bool); 7] = [
        ("0 0 L * *", &is_last),
        ("0 0 31 * *", &|day| day.day() == 31),
        ("0 0 30,31 * *", &|day| day.day() >= 30),
        ("0 0 29 2 *", &|day| day.month() == 2 && day.day() == 29),
        ("0 0 L 2 *", &|day| day.month() == 2 && is_last(day)),
        ("0 0 28-29 FEB *", &|day| day.month() == 2 && day.day() >= 28),
        ("0 0 1 3 *", &|day| day.month() == 3 && day.day() == 1),
    ];
    for (text, is_wanted) in lines {
        for years in [1970..=2009, 2090..=2109, 2190..=2199] {
            assert_eq!(dates(&cron(text, &utc), &utc, years.clone()), all_dates(years, is_wanted), "{text}");
        }
    }
}

#[test]
fn a_leap_day_comes_every_four_years_and_not_in_2100() {
    for name in ["UTC", "Europe/Berlin", "America/New_York", "Pacific/Kiritimati"] {
        let zone = zone(name);
        let found = dates(&cron("30 2 29 2 *", &zone), &zone, 1999..=2110);
        let years: Vec<i16> = found.iter().map(|day| day.year()).collect();
        let expected: Vec<i16> = (2000..=2108).step_by(4).filter(|year| *year != 2100).collect();
        assert_eq!(years, expected, "{name}");
        assert!(found.iter().all(|day| (day.month(), day.day()) == (2, 29)), "{name}");
    }
    let refused = parse_instant("2100-02-29 12:00", &Zones::utc()).expect_err("no such day");
    assert!(refused.to_string().contains("is not a date and time"), "{refused}");
}

#[test]
fn seconds_go_on_where_thirty_two_bits_of_them_end() {
    let last = at("2038-01-19T03:14:07Z");
    let seconds = cron("* * * * * *", &zone("Asia/Tokyo"));
    let grid = Schedule::Every {
        period: Period::from_seconds(1).expect("a period"),
        anchor: at("2026-01-01T00:00:00Z"),
        first: FirstFiring::AtAnchor,
    };
    for schedule in [seconds, grid, Schedule::Once { at: last + SignedDuration::from_secs(1) }] {
        assert_eq!(schedule.next_after(last), Some(at("2038-01-19T03:14:08Z")), "{schedule:?}");
        assert_eq!(
            schedule.latest_in(last, at("2038-01-19T03:14:08Z")),
            Some(at("2038-01-19T03:14:08Z")),
            "{schedule:?}"
        );
    }
    // The same end, unsigned.
    let minutes = cron("* * * * *", &Zones::utc());
    assert_eq!(minutes.next_after(at("2106-02-07T06:28:15Z")), Some(at("2106-02-07T06:29:00Z")));
}

/// What the zone data lists ends in 2037; from then on its last rule goes on.
#[test]
fn clocks_change_beyond_the_end_of_the_listed_transitions() {
    #[rustfmt::skip]
    let rows = [
        ("30 2 * * *", "America/New_York", "2038-03-13 12:00", "2038-03-14T03:00:00-04:00"),
        ("30 1 * * *", "America/New_York", "2038-11-07T01:30:00-04:00", "2038-11-08T01:30:00-05:00"),
        ("30 * * * *", "America/New_York", "2038-11-07T01:30:00-04:00", "2038-11-07T01:30:00-05:00"),
        ("15 2 * * *", "Europe/Berlin", "2099-03-28 12:00", "2099-03-29T03:00:00+02:00"),
        ("15 2 * * *", "Europe/Berlin", "2100-03-27 12:00", "2100-03-28T03:00:00+02:00"),
        ("30 2 * * *", "Europe/Berlin", "2198-10-28T02:30:00+02:00", "2198-10-29T02:30:00+01:00"),
        ("0,15 2 * * *", "Australia/Lord_Howe", "2100-10-02 12:00", "2100-10-03T02:30:00+11:00"),
    ];
    for (text, name, after, expected) in rows {
        let zone = zone(name);
        let at = |text| parse_instant(text, &zone).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(cron(text, &zone).next_after(at(after)), Some(at(expected)), "{text} after {after} in {name}");
    }
}

#[test]
fn the_first_and_the_last_occurrence_of_every_zone_are_within_1970_and_2199() {
    let (first, end) = (at("1970-01-01T00:00:00Z"), at("2199-12-31T23:59:59.999999Z"));
    let zones = Zones::bundled();
    let names = zones.database.available().filter_map(|name| zones.get(name.as_str()).ok());
    let mut number = 0;
    for zone in names {
        let daily = cron("30 12 * * *", &zone);
        let earliest = daily.next_after(Timestamp::MIN).expect("the first");
        let latest = daily.latest_in(Timestamp::MIN, Timestamp::MAX).expect("the last");
        let day = SignedDuration::from_hours(24);
        assert!(first <= earliest && earliest < first + day, "{}: {earliest}", zone.name());
        assert!(latest <= end && end - day < latest, "{}: {latest}", zone.name());
        assert_eq!(daily.next_after(latest), None, "{}", zone.name());
        assert_eq!(daily.latest_in(Timestamp::MIN, earliest), Some(earliest), "{}", zone.name());
        number += 1;
    }
    assert!(number > 400, "the bundled copy has hardly any zones: {number}");
}

#[test]
fn questions_beyond_time_have_answers() {
    let kiritimati = zone("Pacific/Kiritimati");
    let schedules = [
        cron("* * * * * *", &kiritimati),
        cron("0 0 1 1 *", &kiritimati),
        Schedule::Once { at: Timestamp::MAX },
        Schedule::Once { at: Timestamp::MIN },
        Schedule::Every {
            period: Period::parse("366d").expect("a period"),
            anchor: Timestamp::MAX,
            first: FirstFiring::OnePeriodLater,
        },
        Schedule::Every {
            period: Period::parse("1s").expect("a period"),
            anchor: Timestamp::MIN,
            first: FirstFiring::AtAnchor,
        },
    ];
    for schedule in schedules {
        assert_eq!(schedule.next_after(Timestamp::MAX), None, "{schedule:?}");
        assert_eq!(schedule.count_in(Timestamp::MAX, Timestamp::MIN), 0, "{schedule:?}");
        assert_eq!(schedule.latest_in(Timestamp::MAX, Timestamp::MIN), None, "{schedule:?}");
        let latest = schedule.latest_in(Timestamp::MIN, Timestamp::MAX);
        let is_named = schedule.count_in(Timestamp::MIN, Timestamp::MAX) > 0;
        assert_eq!(latest.is_some(), is_named, "{schedule:?}");
        assert!(latest.is_none_or(|latest| schedule.next_after(latest).is_none()), "{schedule:?}");
    }
}
