//! What the tests of other readers of calendar rules say: `dateutil.txt` is what those of python-dateutil ask (of which jkbrzt/rrule and
//! rust-rrule ask the same) but for those by the date of Easter, `libical.txt` what those of libical ask beyond the examples of the
//! standard. A line is a start, a rule and all its times, or a rule that is refused and the part that is. docs/rrule.md explains where we differ.

use jiff::Timestamp;
use jiff::civil::DateTime;
use oncue_domain::schedule::recurrence::{Recurrence, RecurrenceText, Start};
use oncue_domain::schedule::zone::{Zones, parse_instant};

const DATEUTIL: &str = include_str!("dateutil.txt");
const LIBICAL: &str = include_str!("libical.txt");

fn wall(text: &str) -> DateTime {
    DateTime::strptime("%Y%m%dT%H%M%S", text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn rule(start: &str, text: &str, zone: &str) -> Recurrence {
    let read = RecurrenceText::read(text, &Zones::bundled()).unwrap_or_else(|error| panic!("{text}: {error}"));
    let zone = Zones::bundled().get(zone).expect("a zone of the bundled copy");
    Recurrence::new(read, Start { wall: wall(start), is_told: true }, zone)
}

/// At most so many of its occurrences.
fn first(rule: &Recurrence, most: usize) -> Vec<Timestamp> {
    let next = |last: &Timestamp| rule.next_after(*last);
    std::iter::successors(rule.next_after(Timestamp::UNIX_EPOCH), next).take(most).collect()
}

/// Gives how many rules were taken, and how many refused.
fn hold(table: &str) -> (usize, usize) {
    let (mut taken, mut refused) = (0, 0);
    for line in table.lines() {
        if let Some((text, part)) = line.split_once(" ! ") {
            let error = RecurrenceText::read(text, &Zones::bundled()).expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
            refused += 1;
            continue;
        }
        let (question, answer) = line.split_once(" = ").unwrap_or_else(|| panic!("{line}"));
        let (start, text) = question.split_once(' ').unwrap_or_else(|| panic!("{line}"));
        let rule = rule(start, text, "UTC");
        let expected: Vec<DateTime> = answer.split(' ').map(wall).collect();
        let found = first(&rule, expected.len() + 1);
        let shown: Vec<DateTime> = found.iter().map(|at| rule.zone().time_zone().to_datetime(*at)).collect();
        assert_eq!(shown, expected, "{text} from {start}");
        let last = found[found.len() - 1];
        assert_eq!(rule.count_in(Timestamp::UNIX_EPOCH, last), found.len() as u64, "{text} from {start}");
        assert_eq!(rule.latest_in(Timestamp::UNIX_EPOCH, last), Some(last), "{text} from {start}");
        taken += 1;
    }
    (taken, refused)
}

#[test]
fn what_the_tests_of_dateutil_ask_comes_out_as_there_or_is_refused_by_the_part_that_the_standard_forbids() {
    assert_eq!(hold(DATEUTIL), (161, 46));
}

#[test]
fn what_the_tests_of_libical_ask_comes_out_as_there() {
    assert_eq!(hold(LIBICAL), (78, 0));
}

/// rust-rrule, in zones whose clocks change.
#[test]
fn a_rule_keeps_its_time_of_day_when_the_clocks_change() {
    let rows = [
        (
            "20210214T093000",
            "FREQ=WEEKLY;UNTIL=20210508T083000Z;INTERVAL=2;BYDAY=MO;WKST=MO",
            "Europe/Paris",
            "2021-02-22T09:30+01:00 2021-03-08T09:30+01:00 2021-03-22T09:30+01:00 2021-04-05T09:30+02:00 \
             2021-04-19T09:30+02:00 2021-05-03T09:30+02:00",
        ),
        (
            "19970929T090000",
            "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2;COUNT=7",
            "America/New_York",
            "1997-09-29T09:00-04:00 1997-10-30T09:00-05:00 1997-11-27T09:00-05:00 1997-12-30T09:00-05:00 \
             1998-01-29T09:00-05:00 1998-02-26T09:00-05:00 1998-03-30T09:00-05:00",
        ),
    ];
    for (start, text, zone, expected) in rows {
        let rule = rule(start, text, zone);
        let expected: Vec<Timestamp> =
            expected.split(' ').map(|text| parse_instant(text, rule.zone()).expect("an instant")).collect();
        assert_eq!(first(&rule, 20), expected, "{text}");
    }
}

/// A start, a rule, a zone, what comes from there on, and what comes elsewhere.
type Differing = (&'static str, &'static str, &'static str, &'static str, &'static str);

/// The same questions, where we answer otherwise.
#[test]
fn where_a_rule_differs_it_differs_as_the_document_says() {
    let rows: [(&str, Differing); 5] = [
        // The standard: a time that does not exist is ignored, and not counted.
        (
            "rust-rrule moves what the clocks leave out",
            (
                "20210313T022210",
                "FREQ=DAILY;COUNT=2",
                "America/Vancouver",
                "2021-03-13T02:22:10-08:00 2021-03-15T02:22:10-07:00",
                "2021-03-13T02:22:10-08:00 2021-03-14T03:22:10-07:00",
            ),
        ),
        // The standard's table: BYMONTHDAY adds days to a year, in every month.
        (
            "libical takes the month of the start",
            (
                "20240229T000000",
                "FREQ=YEARLY;BYMONTHDAY=29;COUNT=3",
                "UTC",
                "2024-02-29T00:00Z 2024-03-29T00:00Z 2024-04-29T00:00Z",
                "2024-02-29T00:00Z 2028-02-29T00:00Z 2032-02-29T00:00Z",
            ),
        ),
        (
            "libical takes the month of the start",
            (
                "20240201T000000",
                "FREQ=YEARLY;BYMONTHDAY=-29,-1;COUNT=4",
                "UTC",
                "2024-02-01T00:00Z 2024-02-29T00:00Z 2024-03-03T00:00Z 2024-03-31T00:00Z",
                "2024-02-01T00:00Z 2024-02-29T00:00Z 2025-02-28T00:00Z 2026-02-28T00:00Z",
            ),
        ),
        (
            "libical gives up",
            (
                "20241230T000000",
                "FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=30;BYWEEKNO=1;COUNT=2",
                "UTC",
                "2024-12-30T00:00Z 2025-12-30T00:00Z",
                "2024-12-30T00:00Z",
            ),
        ),
        // The standard: what a rule does not say is taken from the start, here the day of the week.
        (
            "python-dateutil takes the whole week",
            (
                "19970902T090000",
                "FREQ=YEARLY;COUNT=3;BYWEEKNO=20",
                "UTC",
                "1998-05-12T09:00Z 1999-05-18T09:00Z 2000-05-16T09:00Z",
                "1998-05-11T09:00Z 1998-05-12T09:00Z 1998-05-13T09:00Z",
            ),
        ),
    ];
    for (difference, (start, text, zone, ours, theirs)) in rows {
        let rule = rule(start, text, zone);
        let at = |text: &str| -> Vec<Timestamp> {
            text.split(' ').map(|text| parse_instant(text, rule.zone()).expect("an instant")).collect()
        };
        assert_eq!(first(&rule, 20), at(ours), "{text}: {difference}");
        assert_ne!(at(ours), at(theirs), "{text}: {difference}");
    }
}
