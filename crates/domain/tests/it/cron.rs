//! docs/cron.md says what is true: every line of its tables is read and asked.

use jiff::{SignedDuration, Timestamp};
use oncue_domain::schedule::cron::CronExpression;
use oncue_domain::schedule::zone::{Zones, parse_instant};

const DOCUMENT: &str = include_str!("../../../../docs/cron.md");

/// The rows of all tables whose header begins like that, as cells without the marks of code.
fn rows(header: &str) -> Vec<Vec<String>> {
    let mut lines = DOCUMENT.lines();
    let mut rows = Vec::new();
    while lines.find(|line| line.starts_with(header)).is_some() {
        let table = lines.by_ref().skip(1).take_while(|line| line.starts_with('|'));
        rows.extend(table.map(|row| {
            let cells = row.trim_matches('|').split(" | ");
            cells.map(|cell| cell.trim().trim_matches('`').to_owned()).collect::<Vec<_>>()
        }));
    }
    rows
}

fn expression(text: &str) -> CronExpression {
    CronExpression::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn the_examples_of_the_document_fire_when_it_says() {
    let examples = rows("| Expression | Zone | After | Fires at |");
    assert_eq!(examples.len(), 41, "every example is found");
    for row in examples {
        let [text, zone, after, firings] = &row[..4] else { panic!("{row:?}") };
        let zone = Zones::bundled().get(zone).unwrap_or_else(|error| panic!("{error}"));
        let at = |text: &str| parse_instant(text, &zone).unwrap_or_else(|error| panic!("{error}"));
        let mut cursor = at(after);
        for firing in firings.split(", ") {
            let next = expression(text).next_after(&zone, cursor);
            assert_eq!(next, Some(at(firing)), "\"{text}\" after {cursor}");
            cursor = at(firing);
        }
    }
}

#[test]
fn short_forms_stand_for_what_the_document_says() {
    let forms = rows("| Short form | Stands for |");
    assert_eq!(forms.len(), 7, "every short form is found");
    let utc = Zones::utc();
    let start: Timestamp = "2026-11-21T12:00:00Z".parse().expect("a time");
    for row in forms {
        let [short, long] = &row[..] else { panic!("{row:?}") };
        let (short, long) = (expression(short), expression(long));
        let mut cursor = start;
        for _ in 0..100 {
            let next = short.next_after(&utc, cursor);
            assert_eq!(next, long.next_after(&utc, cursor), "{}", short.as_str());
            cursor = next.expect("it goes on");
        }
        let decade = start + SignedDuration::from_hours(24 * 3_653);
        assert_eq!(short.count_in(&utc, start, decade), long.count_in(&utc, start, decade), "{}", short.as_str());
    }
}

#[test]
fn what_the_document_calls_refused_is_refused_with_that_reason() {
    let refused = rows("| Refused | Because |");
    assert_eq!(refused.len(), 18, "every refusal is found");
    for row in refused {
        let [text, reason] = &row[..] else { panic!("{row:?}") };
        let error = CronExpression::parse(text).expect_err(text).to_string();
        assert!(error.contains(reason), "{text}: {error}");
    }
}
