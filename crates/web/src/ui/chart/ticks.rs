//! When one trigger fires within the next seven days: a line with a tick for each occurrence.

use askama::Template;
use jiff::{SignedDuration, Timestamp};
use oncue_domain::schedule::zone::Zone;

use super::axis::{TimeLabel, labels};
use super::draw::{Num, share};
use super::table::{Row, Table};
use super::words::{firings, instant};
use crate::ui::moment::span;

const SPAN: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Ticks nearer to each other than this, in percent of the line, are one.
const APART: f64 = 0.15;
/// How many occurrences the table lists.
const ROWS_MAX: usize = 50;

/// A line of seven days.
#[derive(Debug, Template)]
#[template(path = "chart/ticks.html")]
pub(crate) struct Ticks {
    summary: String,
    zone: String,
    ticks: Vec<Num>,
    /// From where on occurrences are not known, where there were more than could be listed, and how much of the line that is.
    unknown: Option<(Num, Num)>,
    labels: Vec<TimeLabel>,
    table: Table,
}

impl askama::filters::HtmlSafe for Ticks {}

impl Ticks {
    /// From occurrences in their order. `has_more` says that the list was cut off before its end.
    pub(crate) fn new(occurrences: &[Timestamp], has_more: bool, now: Timestamp, zone: &Zone) -> Ticks {
        let until = now.checked_add(SPAN).unwrap_or(Timestamp::MAX);
        let shown: Vec<Timestamp> = occurrences.iter().copied().filter(|at| now <= *at && *at < until).collect();
        let is_cut = has_more && occurrences.last().is_some_and(|last| *last < until);
        let mut ticks: Vec<Num> = Vec::new();
        for at in shown.iter().map(|at| share(*at, now, until)) {
            if ticks.last().is_none_or(|last| at - last.0 >= APART) {
                ticks.push(Num(at));
            }
        }
        let last = occurrences.last().map_or(0.0, |last| share(*last, now, until).max(0.0));
        Ticks {
            summary: summary(&shown, is_cut, occurrences.first().is_some_and(|first| *first < now), zone),
            zone: zone.name().to_owned(),
            ticks,
            unknown: is_cut.then_some((Num(last), Num(100.0 - last))),
            labels: labels(now, until, zone),
            table: table(&shown, now, zone),
        }
    }
}

fn summary(shown: &[Timestamp], is_cut: bool, is_one_late: bool, zone: &Zone) -> String {
    let Some(next) = shown.first() else {
        let summary = if is_one_late { "Fires as soon as it can; then not" } else { "Does not fire" };
        return format!("{summary} within the next 7 days.");
    };
    let more = if is_cut { "At least " } else { "" };
    format!("{more}{} in the next 7 days; the next {}.", firings(shown.len() as u64), instant(*next, zone.time_zone()))
}

fn table(shown: &[Timestamp], now: Timestamp, zone: &Zone) -> Table {
    let row =
        |at: &Timestamp| Row::new(instant(*at, zone.time_zone()), vec![format!("in {}", span(at.duration_since(now)))]);
    let cut =
        if shown.len() > ROWS_MAX { format!("The next {ROWS_MAX} occurrences.") } else { "Occurrences.".to_owned() };
    Table {
        caption: format!("{cut} Times in {}.", zone.name()),
        columns: vec!["Fires", "How far away"],
        rows: shown.iter().take(ROWS_MAX).map(row).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oncue_domain::schedule::zone::Zones;
    use proptest::prelude::*;

    fn now() -> Timestamp {
        "2026-11-23T10:00:00Z".parse().expect("an instant")
    }

    fn every(hours: i64, count: i64) -> Vec<Timestamp> {
        (1..=count).map(|place| now() + SignedDuration::from_hours(hours * place)).collect()
    }

    #[test]
    fn only_the_next_seven_days_are_shown() {
        let chart = Ticks::new(&every(24, 10), false, now(), &Zones::utc());
        assert_eq!(chart.ticks.len(), 6, "the seventh is a week away, and past the end");
        assert_eq!(chart.summary, "6 firings in the next 7 days; the next Tue 24 Nov 10:00:00.");
        assert_eq!(chart.labels.len(), 7);
        assert_eq!(Ticks::new(&[], false, now(), &Zones::utc()).summary, "Does not fire within the next 7 days.");
        let late = now() - SignedDuration::from_mins(5);
        assert_eq!(
            Ticks::new(&[late], false, now(), &Zones::utc()).summary,
            "Fires as soon as it can; then not within the next 7 days."
        );
    }

    #[test]
    fn a_list_that_was_cut_off_does_not_pretend_to_be_whole() {
        let chart = Ticks::new(&every(1, 84), true, now(), &Zones::utc());
        assert!(chart.summary.starts_with("At least 84 firings"), "{}", chart.summary);
        assert_eq!(chart.unknown, Some((Num(50.0), Num(50.0))));
        assert_eq!(chart.table.rows.len(), ROWS_MAX);
        assert!(Ticks::new(&every(24, 10), true, now(), &Zones::utc()).unknown.is_none());
    }

    proptest! {
        #[test]
        fn ticks_are_apart_and_on_the_line(mut ahead in prop::collection::vec(-1000_i64..900_000, 0..2000)) {
            ahead.sort_unstable();
            let occurrences: Vec<Timestamp> = ahead.iter().map(|by| now() + SignedDuration::from_secs(*by)).collect();
            let ticks = Ticks::new(&occurrences, false, now(), &Zones::utc()).ticks;
            prop_assert!(ticks.iter().all(|tick| (0.0..100.0).contains(&tick.0)));
            prop_assert!(ticks.windows(2).all(|pair| pair[1].0 - pair[0].0 >= APART - 1e-9));
        }
    }
}
