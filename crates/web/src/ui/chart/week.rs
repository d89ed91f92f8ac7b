//! The hours of the week on the viewer's clocks, as a table that is its own text: in which of them a trigger fires, and in
//! which it fails. An hour of UTC is counted where it begins, which in zones with half hours is half past.

use askama::Template;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use oncue_domain::schedule::zone::Zone;

use super::heat::{Cell, Heat, Step, Steps, total};
use super::record::HourCount;
use super::words::{firings, local};
use crate::ui::number::number;

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// One day of the week.
#[derive(Debug)]
struct Day {
    name: &'static str,
    cells: Vec<Cell>,
}

/// A heat map of seven days by twenty-four hours.
#[derive(Debug, Template)]
#[template(path = "chart/week.html")]
pub(crate) struct WeekGrid {
    summary: String,
    zone: String,
    hours: Vec<String>,
    days: Vec<Day>,
    legend: Vec<Step>,
    has_failed: bool,
}

impl askama::filters::HtmlSafe for WeekGrid {}

impl WeekGrid {
    /// From any number of hours, in any order.
    pub(crate) fn new(hours: &[HourCount], zone: &Zone) -> WeekGrid {
        let heats = heats(hours, zone.time_zone());
        let steps = Steps::up_to(heats.iter().flatten().map(|heat| heat.fired).max().unwrap_or(0));
        let day = |(name, heats): (&'static str, &[Heat; 24])| Day {
            name,
            cells: heats
                .iter()
                .enumerate()
                .map(|(hour, heat)| Cell::new(heat, &steps, &format!("{name} {hour:02}:00")))
                .collect(),
        };
        WeekGrid {
            summary: summary(hours, &heats),
            zone: zone.name().to_owned(),
            hours: (0..24).map(|hour| format!("{hour:02}")).collect(),
            days: DAYS.into_iter().zip(&heats).map(day).collect(),
            legend: steps.legend(),
            has_failed: heats.iter().flatten().any(|heat| heat.failed > 0),
        }
    }
}

/// The hour of the week in which an instant lies on the clocks of a zone: the day from Monday, and the hour.
fn place(instant: Timestamp, zone: &TimeZone) -> (usize, usize) {
    let moment = local(instant, zone);
    let day = moment.weekday().to_monday_zero_offset();
    (usize::try_from(day).unwrap_or(0), usize::try_from(moment.hour()).unwrap_or(0))
}

fn heats(hours: &[HourCount], zone: &TimeZone) -> [[Heat; 24]; 7] {
    let mut heats = [[Heat::default(); 24]; 7];
    for hour in hours {
        let (day, clock) = place(hour.hour, zone);
        heats[day][clock].add(hour);
    }
    heats
}

fn summary(hours: &[HourCount], heats: &[[Heat; 24]; 7]) -> String {
    let all = total(hours);
    let places = (0..7).flat_map(|day| (0..24).map(move |hour| (day, hour)));
    // The first of several that are equal.
    let busiest = places.rev().max_by_key(|(day, hour)| heats[*day][*hour].fired);
    match busiest {
        Some((day, hour)) if all.fired() > 0 => {
            let most = heats[day][hour].fired;
            format!("{}; most on {} at {hour:02}:00 ({}).", firings(all.fired()), DAYS[day], number(most))
        }
        _ => "Nothing fired.".to_owned(),
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

    fn zone(name: &str) -> Zone {
        Zones::bundled().get(name).expect("it exists")
    }

    fn hour(start: Timestamp, fired: u64, failed: u64) -> HourCount {
        HourCount { hour: start, fired, delivered: fired - failed, failed, skipped: 0, late: [0; 5] }
    }

    #[test]
    fn an_hour_is_counted_where_it_begins_on_the_clocks_of_the_zone() {
        let rows = [
            ("2026-11-23T07:00:00Z", "UTC", (0, 7)),
            ("2026-11-23T07:00:00Z", "Europe/Riga", (0, 9)),
            ("2026-11-23T20:00:00Z", "Asia/Kolkata", (1, 1)),
            ("2026-11-23T03:00:00Z", "America/New_York", (6, 22)),
            // The hour before and the hour after Riga's clocks went forward, which left 03:00 out.
            ("2026-03-29T00:00:00Z", "Europe/Riga", (6, 2)),
            ("2026-03-29T01:00:00Z", "Europe/Riga", (6, 4)),
            // The two hours that both are 03:00 where they went back.
            ("2026-10-25T00:00:00Z", "Europe/Riga", (6, 3)),
            ("2026-10-25T01:00:00Z", "Europe/Riga", (6, 3)),
            // Lord Howe moves its clocks by half an hour.
            ("2026-04-04T14:00:00Z", "Australia/Lord_Howe", (6, 1)),
            ("2026-04-04T15:00:00Z", "Australia/Lord_Howe", (6, 1)),
        ];
        for (instant, name, due) in rows {
            assert_eq!(place(at(instant), zone(name).time_zone()), due, "{instant} in {name}");
        }
    }

    #[test]
    fn the_table_is_its_own_text() {
        let grid = WeekGrid::new(&[hour(at("2026-11-23T07:00:00Z"), 12, 1)], &zone("Europe/Riga"));
        let html = grid.to_string();
        assert!(html.contains("Mon 09:00: 12 fired, 1 failed"), "{html}");
        assert!(html.contains("12 firings; most on Mon at 09:00 (12)."), "{html}");
        assert_eq!(html.matches("data-cell").count(), 168);
        assert_eq!(html.matches("class=\"step-5 failing\"").count(), 1);
        assert_eq!(html.matches("scope=\"row\"").count(), 7);
        assert!(WeekGrid::new(&[], &Zones::utc()).to_string().contains("Nothing fired."));
    }

    proptest! {
        #[test]
        fn no_firing_is_lost_in_any_zone(
            counts in prop::collection::vec((0_i64..400 * 24, 0_u64..1000), 0..200),
            name in prop::sample::select(&["UTC", "Europe/Riga", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu"][..]),
        ) {
            let start = at("2026-01-01T00:00:00Z");
            let hours: Vec<HourCount> =
                counts.iter().map(|(place, fired)| hour(start + SignedDuration::from_hours(*place), *fired, 0)).collect();
            let counted: u64 = heats(&hours, zone(name).time_zone()).iter().flatten().map(|heat| heat.fired).sum();
            prop_assert_eq!(counted, counts.iter().map(|(_, fired)| fired).sum::<u64>());
        }
    }
}
