//! A year by its days, weeks across and weekdays down, as a table that is its own text. A day is one of the viewer's zone,
//! which has 23 or 25 hours twice a year. Days before anything was counted and days to come have no cell: no data is not zero.

use std::collections::BTreeMap;

use askama::Template;
use jiff::civil::Date;
use jiff::{Span, Timestamp};
use oncue_domain::schedule::zone::Zone;

use super::heat::{Cell, Heat, Step, Steps};
use super::record::HourCount;
use super::words::{firings, local};
use crate::ui::number::number;

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
/// A year and the week that has begun.
const WEEKS: i64 = 53;

/// One week: a column.
#[derive(Debug)]
struct Week {
    /// "Week of 23 Nov 2026".
    text: String,
    /// The month that begins in it.
    month: Option<String>,
}

/// One day of the week: a row, with a cell for each week, or none.
#[derive(Debug)]
struct Day {
    name: &'static str,
    cells: Vec<Option<Cell>>,
}

/// A heat map of a year's days.
#[derive(Debug, Template)]
#[template(path = "chart/year.html")]
pub(crate) struct YearGrid {
    summary: String,
    zone: String,
    weeks: Vec<Week>,
    days: Vec<Day>,
    legend: Vec<Step>,
    has_failed: bool,
}

impl askama::filters::HtmlSafe for YearGrid {}

impl YearGrid {
    /// From any number of hours in any order, and since when hours are counted; without that, since the first of them.
    pub(crate) fn new(hours: &[HourCount], counted_since: Option<Timestamp>, now: Timestamp, zone: &Zone) -> YearGrid {
        let date = |instant| local(instant, zone.time_zone()).date();
        let today = date(now);
        let monday = today.saturating_sub(Span::new().days(today.weekday().to_monday_zero_offset()));
        let first = monday.saturating_sub(Span::new().weeks(WEEKS - 1));
        let known = counted_since.or_else(|| hours.iter().map(|hour| hour.hour).min()).map(date);
        let heats = heats(hours, zone, first, today);
        let steps = Steps::up_to(heats.values().map(|heat| heat.fired).max().unwrap_or(0));
        let cell = |date: Date| {
            let is_known = known.is_some_and(|known| known <= date) && date <= today;
            let heat = heats.get(&date).copied().unwrap_or_default();
            is_known.then(|| Cell::new(&heat, &steps, &date.strftime("%a %-d %b %Y").to_string()))
        };
        let in_week = |week: i64, day: i64| first.saturating_add(Span::new().weeks(week).days(day));
        let day = |(name, day)| Day { name, cells: (0..WEEKS).map(|week| cell(in_week(week, day))).collect() };
        YearGrid {
            summary: summary(&heats),
            zone: zone.name().to_owned(),
            weeks: (0..WEEKS).map(|week| column(in_week(week, 0))).collect(),
            days: DAYS.into_iter().zip(0..).map(day).collect(),
            legend: steps.legend(),
            has_failed: heats.values().any(|heat| heat.failed > 0),
        }
    }
}

/// The days that had something, within what is shown.
fn heats(hours: &[HourCount], zone: &Zone, first: Date, last: Date) -> BTreeMap<Date, Heat> {
    let mut heats: BTreeMap<Date, Heat> = BTreeMap::new();
    for hour in hours {
        let date = local(hour.hour, zone.time_zone()).date();
        if first <= date && date <= last {
            heats.entry(date).or_default().add(hour);
        }
    }
    heats
}

fn column(monday: Date) -> Week {
    let sunday = monday.saturating_add(Span::new().days(6));
    let begins = sunday.day() <= 7;
    Week {
        text: monday.strftime("Week of %-d %b %Y").to_string(),
        month: begins.then(|| sunday.strftime("%b").to_string()),
    }
}

fn summary(heats: &BTreeMap<Date, Heat>) -> String {
    let fired = heats.values().fold(0_u64, |sum, heat| sum.saturating_add(heat.fired));
    let days = |count: usize| if count == 1 { "1 day".to_owned() } else { format!("{count} days") };
    let failing = heats.values().filter(|heat| heat.failed > 0).count();
    let failures = if failing == 0 { String::new() } else { format!("; failures on {}", days(failing)) };
    match heats.iter().rev().max_by_key(|(_, heat)| heat.fired) {
        Some((date, heat)) if fired > 0 => format!(
            "{} on {}; most on {} ({}){failures}.",
            firings(fired),
            days(heats.values().filter(|heat| heat.fired > 0).count()),
            date.strftime("%a %-d %b %Y"),
            number(heat.fired)
        ),
        _ => format!("Nothing fired{failures}."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;
    use oncue_domain::schedule::zone::Zones;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a test writes its instants well")
    }

    fn hour(start: Timestamp, fired: u64) -> HourCount {
        HourCount { hour: start, fired, delivered: fired, failed: 0, skipped: 0, late: [0; 5] }
    }

    fn cells(grid: &YearGrid) -> usize {
        grid.days.iter().flat_map(|day| &day.cells).flatten().count()
    }

    #[test]
    fn days_before_the_first_known_one_and_days_to_come_have_no_cell() {
        // A Wednesday.
        let now = at("2026-11-25T10:00:00Z");
        let grid = YearGrid::new(&[hour(at("2026-11-20T10:00:00Z"), 3)], None, now, &Zones::utc());
        assert_eq!(cells(&grid), 6, "from Friday to Wednesday");
        assert_eq!(cells(&YearGrid::new(&[], None, now, &Zones::utc())), 0);
        let long_ago = Some(at("2020-01-01T00:00:00Z"));
        let full = YearGrid::new(&[], long_ago, now, &Zones::utc());
        assert_eq!(cells(&full), 52 * 7 + 3);
        assert_eq!(full.weeks.iter().filter(|week| week.month.is_some()).count(), 12);
        let html = grid.to_string();
        assert!(html.contains("Fri 20 Nov 2026: 3 fired") && html.contains("Week of 23 Nov 2026"), "{html}");
        assert!(html.contains("3 firings on 1 day; most on Fri 20 Nov 2026 (3)."), "{html}");
    }

    #[test]
    fn a_day_is_one_of_the_viewers_zone() {
        let riga = Zones::bundled().get("Europe/Riga").expect("it exists");
        let evening = [hour(at("2026-11-24T22:00:00Z"), 1)];
        let html = YearGrid::new(&evening, None, at("2026-11-25T10:00:00Z"), &riga).to_string();
        assert!(html.contains("Wed 25 Nov 2026: 1 fired"), "{html}");
        // The day with 25 hours has all of them.
        let long: Vec<HourCount> =
            (0..25).map(|place| hour(at("2026-10-24T21:00:00Z") + SignedDuration::from_hours(place), 1)).collect();
        let html = YearGrid::new(&long, None, at("2026-11-25T10:00:00Z"), &riga).to_string();
        assert!(html.contains("Sun 25 Oct 2026: 25 fired"), "{html}");
    }

    proptest! {
        #[test]
        fn every_hour_of_the_year_has_its_cell(
            ages in prop::collection::vec(0_i64..364 * 24, 0..100),
            second in 1_700_000_000_i64..1_900_000_000,
            name in prop::sample::select(&["UTC", "Europe/Riga", "Pacific/Apia", "Asia/Kathmandu"][..]),
        ) {
            let now = Timestamp::from_second(second).expect("in range");
            let zone = Zones::bundled().get(name).expect("it exists");
            let hours: Vec<HourCount> = ages.iter().map(|age| hour(now - SignedDuration::from_hours(*age), 1)).collect();
            let grid = YearGrid::new(&hours, None, now, &zone);
            let said: u64 = grid
                .days
                .iter()
                .flat_map(|day| &day.cells)
                .flatten()
                .filter_map(|cell| cell.text.rsplit_once(": ")?.1.strip_suffix(" fired")?.parse::<u64>().ok())
                .sum();
            prop_assert_eq!(said, ages.len() as u64);
            prop_assert!(grid.days.iter().all(|day| day.cells.len() == grid.weeks.len()));
        }
    }
}
