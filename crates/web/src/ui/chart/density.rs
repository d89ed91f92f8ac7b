//! How many firings are to come in every quarter of an hour, and where they come in bursts: the next 24 hours in one strip,
//! or the days of the viewer's zone in one each. On the strips of days a place is a time on the clocks, so on the day that
//! loses an hour one stays empty, and on the day that gains one two fall together.

use std::collections::BTreeMap;

use askama::Template;
use jiff::civil::{Date, Time};
use jiff::{SignedDuration, Span as Days, Timestamp};
use oncue_domain::agenda::Span;
use oncue_domain::schedule::zone::Zone;
use oncue_domain::trigger::just_before;

use super::axis::{TimeLabel, labels};
use super::draw::{Num, height, share};
use super::table::{Row as TableRow, Table};
use super::words::{firings, local, stretch};
use crate::ui::number::number;

const QUARTER: SignedDuration = SignedDuration::from_mins(15);
const QUARTERS: usize = 96;
/// How tall the columns of a strip are at most, and what is left above them for marks.
const TALL: f64 = 26.0;
const ABOVE: f64 = 8.0;
/// The smallest column that can be seen.
const THIN: f64 = 2.0;

/// A quarter of an hour in which something fires.
#[derive(Debug)]
struct Bar {
    x: Num,
    middle: Num,
    y: Num,
    height: Num,
    is_burst: bool,
    text: String,
}

/// One strip.
#[derive(Debug)]
struct Strip {
    /// The day; none where there is only one strip.
    name: Option<String>,
    /// What it shows, in a sentence.
    summary: String,
    /// Those that can be pointed at: all of a single strip, and of several the bursts.
    bars: Vec<Bar>,
    /// The others in one path, a unit wide each: the strips of a week have hundreds of them.
    plain: String,
    places: usize,
    /// Up to where it lies in the past.
    past: Option<Num>,
}

/// One strip, or one for each day.
#[derive(Debug, Template)]
#[template(path = "chart/density.html")]
pub(crate) struct Density {
    summary: String,
    zone: String,
    strips: Vec<Strip>,
    labels: Vec<TimeLabel>,
    /// What is called a burst.
    burst: String,
    table: Table,
}

impl askama::filters::HtmlSafe for Density {}

/// What falls on one place of a strip.
#[derive(Clone, Debug, Default)]
struct Slot {
    count: u64,
    /// The most in one quarter: two of them share a place where the clocks go back.
    peak: u64,
    text: String,
}

impl Density {
    /// A day or so in one strip, from `span.0` until before `span.1`; `range` says which. Counts are of instants to come; a
    /// quarter with at least `burst` is marked.
    pub(crate) fn day(
        range: &str,
        counts: impl IntoIterator<Item = (Timestamp, u64)>,
        burst: u64,
        (from, until): (Timestamp, Timestamp),
        zone: &Zone,
    ) -> Density {
        let from = quarter_of(from);
        let quarters = gathered(counts, from, until);
        // What is left of the last second counts: a firing may fall within it, in a quarter of its own.
        let micros = until.duration_since(from).as_micros().max(1).unsigned_abs();
        let places = usize::try_from(micros.div_ceil(900_000_000)).unwrap_or(0);
        let mut slots = vec![Slot::default(); places];
        for (start, count) in &quarters {
            let place = usize::try_from(start.duration_since(from).as_secs() / 900).unwrap_or(0);
            put(&mut slots[place], *start, *count, zone);
        }
        let rows = quarters.iter().map(|(start, count)| {
            let word = if *count >= burst { "burst" } else { "" };
            TableRow::new(said(*start, zone), vec![number(*count), word.to_owned()])
        });
        let table = Table {
            caption: format!("Quarters of an hour that are not listed have no firing. Times in {}.", zone.name()),
            columns: vec!["Time", "Firings", "Burst"],
            rows: rows.collect(),
        };
        let strip = strip(None, &slots, top_of(&[&slots]), burst, None);
        Density {
            summary: summary(range, &quarters, burst, zone),
            zone: zone.name().to_owned(),
            strips: vec![strip],
            labels: labels(from, until, zone),
            burst: number(burst),
            table,
        }
    }

    /// Every day that the span touches in a strip of its own, the first from the beginning of the span on and the last until its end; `range` says which
    /// those are.
    pub(crate) fn days(
        range: &str,
        counts: impl IntoIterator<Item = (Timestamp, u64)>,
        burst: u64,
        span: Span,
        zone: &Zone,
    ) -> Density {
        let day_of = |instant| local(instant, zone.time_zone()).date();
        let (today, last) = (day_of(span.from), day_of(just_before(span.until)));
        let dates: Vec<Date> = today.series(Days::new().days(1)).take_while(|date| *date <= last).collect();
        let quarters = gathered(counts, quarter_of(span.from), span.until);
        let mut days = vec![vec![Slot::default(); QUARTERS]; dates.len()];
        for (start, count) in &quarters {
            let wall = local(*start, zone.time_zone());
            if let Some(day) = dates.iter().position(|date| *date == wall.date()) {
                put(&mut days[day][place_of(wall.time())], *start, *count, zone);
            }
        }
        let top = top_of(&days.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let tomorrow = today.saturating_add(Days::new().days(1));
        let past = Num(share(span.from, midnight(today, zone), midnight(tomorrow, zone)));
        let strips = dates.iter().zip(&days).zip(0..).map(|((date, slots), place)| {
            let name = date.strftime("%a %-d %b").to_string();
            strip(Some(name), slots, top, burst, (place == 0).then_some(past))
        });
        let strips: Vec<Strip> = strips.collect();
        let rows = dates.iter().zip(&days).map(|(date, slots)| day_row(*date, slots, burst));
        let table = Table {
            caption: format!("The days and their busiest quarters of an hour. Days of {}.", zone.name()),
            columns: vec!["Day", "Firings", "Busiest", "Bursts"],
            rows: rows.collect(),
        };
        Density {
            summary: summary(range, &quarters, burst, zone),
            zone: zone.name().to_owned(),
            strips,
            labels: clock_labels(),
            burst: number(burst),
            table,
        }
    }
}

/// When the quarter of an hour began that an instant lies in. All zones of today differ by whole quarters.
fn quarter_of(instant: Timestamp) -> Timestamp {
    let second = instant.as_second();
    Timestamp::from_second(second - second.rem_euclid(900)).unwrap_or(instant)
}

/// The quarter of the day that a time on the clocks lies in.
fn place_of(time: Time) -> usize {
    usize::try_from(i32::from(time.hour()) * 4 + i32::from(time.minute()) / 15).unwrap_or(0)
}

fn midnight(date: Date, zone: &Zone) -> Timestamp {
    date.to_zoned(zone.time_zone().clone()).map_or(Timestamp::MAX, |start| start.timestamp())
}

fn gathered(
    counts: impl IntoIterator<Item = (Timestamp, u64)>,
    from: Timestamp,
    until: Timestamp,
) -> BTreeMap<Timestamp, u64> {
    let mut quarters = BTreeMap::new();
    for (instant, count) in counts {
        if from <= instant && instant < until && count > 0 {
            let sum: &mut u64 = quarters.entry(quarter_of(instant)).or_default();
            *sum = sum.saturating_add(count);
        }
    }
    quarters
}

fn said(start: Timestamp, zone: &Zone) -> String {
    stretch(start, start + QUARTER, zone.time_zone())
}

fn put(slot: &mut Slot, start: Timestamp, count: u64, zone: &Zone) {
    if slot.count == 0 {
        slot.text = said(start, zone);
    }
    slot.count = slot.count.saturating_add(count);
    slot.peak = slot.peak.max(count);
}

fn top_of(strips: &[&[Slot]]) -> u64 {
    strips.iter().flat_map(|slots| slots.iter()).map(|slot| slot.count).max().unwrap_or(0)
}

#[expect(clippy::cast_precision_loss, reason = "there are about 96 places")]
fn strip(name: Option<String>, slots: &[Slot], top: u64, burst: u64, past: Option<Num>) -> Strip {
    let width = 100.0 / slots.len() as f64;
    let bar = |(place, slot): (usize, &Slot)| {
        let tall = height(slot.count, top, TALL).max(THIN);
        let is_burst = slot.peak >= burst;
        let word = if is_burst { ", a burst" } else { "" };
        Bar {
            x: Num(place as f64 * width),
            middle: Num((place as f64 + 0.5) * width),
            y: Num(ABOVE + TALL - tall),
            height: Num(tall),
            is_burst,
            text: format!("{}: {}{word}", slot.text, firings(slot.count)),
        }
    };
    let mut bars: Vec<Bar> = slots.iter().enumerate().filter(|(_, slot)| slot.count > 0).map(bar).collect();
    let mut plain = String::new();
    if name.is_some() {
        let column = |bar: &Bar| {
            let (x, y, height) = (Num(bar.x.0 / width), &bar.y, &bar.height);
            format!("M{x} {y}h.86v{height}h-.86z")
        };
        plain = bars.iter().filter(|bar| !bar.is_burst).map(column).collect();
        bars.retain(|bar| bar.is_burst);
    }
    let sum = slots.iter().fold(0_u64, |sum, slot| sum.saturating_add(slot.count));
    let bursts = bars.iter().filter(|bar| bar.is_burst).count();
    let day = name.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
    let summary = format!("{day}{}{}", firings(sum), bursts_said(bursts));
    Strip { summary, name, bars, plain, places: slots.len(), past }
}

/// ", 2 bursts"; nothing where there is none.
fn bursts_said(bursts: usize) -> String {
    match bursts {
        0 => String::new(),
        1 => ", 1 burst".to_owned(),
        more => format!(", {more} bursts"),
    }
}

fn summary(range: &str, quarters: &BTreeMap<Timestamp, u64>, burst: u64, zone: &Zone) -> String {
    let sum = quarters.values().fold(0_u64, |sum, count| sum.saturating_add(*count));
    let bursts = quarters.values().filter(|count| **count >= burst).count();
    match quarters.iter().rev().max_by_key(|(_, count)| **count) {
        Some((start, most)) => {
            format!(
                "{} {range}; most in {} ({}){}.",
                firings(sum),
                said(*start, zone),
                number(*most),
                bursts_said(bursts)
            )
        }
        None => format!("Nothing fires {range}."),
    }
}

fn day_row(date: Date, slots: &[Slot], burst: u64) -> TableRow {
    let sum = slots.iter().fold(0_u64, |sum, slot| sum.saturating_add(slot.count));
    let busiest = slots.iter().rev().filter(|slot| slot.count > 0).max_by_key(|slot| slot.count);
    let busiest =
        busiest.map_or_else(|| "\u{2013}".to_owned(), |slot| format!("{} ({})", slot.text, number(slot.count)));
    let bursts = slots.iter().filter(|slot| slot.peak >= burst).count();
    TableRow::new(date.strftime("%a %-d %b").to_string(), vec![number(sum), busiest, bursts.to_string()])
}

/// The clock below strips of days.
fn clock_labels() -> Vec<TimeLabel> {
    let label = |hour: u8| TimeLabel {
        at: Num(f64::from(hour) / 24.0 * 100.0),
        text: format!("{hour:02}:00"),
        anchor: "middle",
        is_minor: !hour.is_multiple_of(6),
    };
    (0..24).step_by(3).map(label).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use oncue_domain::schedule::zone::Zones;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a test writes its instants well")
    }

    #[test]
    fn a_day_that_begins_within_a_second_of_a_quarter_holds_the_same_quarter_of_the_next() {
        let span = (at("2026-11-22T10:00:00.4Z"), at("2026-11-23T10:00:00.4Z"));
        let counts = [(at("2026-11-22T10:15:00Z"), 1), (at("2026-11-23T10:00:00Z"), 1)];
        let chart = Density::day("the next 24 hours", counts, 5, span, &Zones::utc());
        assert_eq!(chart.table.rows.len(), 2);
    }

    #[test]
    fn bursts_are_marked_and_said() {
        let day = (at("2026-11-23T10:05:00Z"), at("2026-11-24T10:05:00Z"));
        let counts =
            [(at("2026-11-23T11:01:00Z"), 9), (at("2026-11-23T11:14:00Z"), 1), (at("2026-11-23T20:00:00Z"), 2)];
        let html = Density::day("in the next 24 h", counts, 10, day, &Zones::utc()).to_string();
        assert!(html.contains("12 firings in the next 24 h; most in Mon 23 Nov 11:00–11:15 (10), 1 burst."), "{html}");
        assert_eq!(html.matches("class=\"burst-mark\"").count(), 2, "one in the strip, one in the legend");
        assert!(html.contains("Mon 23 Nov 11:00–11:15: 10 firings, a burst"), "{html}");
        let none = Density::day("in the next 24 h", [], 10, day, &Zones::utc());
        assert_eq!(none.summary, "Nothing fires in the next 24 h.");
    }

    /// The day of that instant, from then on, and the six days after it.
    fn week(now: Timestamp, zone: &Zone) -> Span {
        let today = local(now, zone.time_zone()).date();
        Span { from: now, until: midnight(today.saturating_add(Days::new().days(7)), zone) }
    }

    #[test]
    fn seven_days_from_an_instant_touch_eight_of_the_viewers_zone() {
        let riga = Zones::bundled().get("Europe/Riga").expect("it exists");
        let now = at("2026-11-23T18:00:00Z");
        let span = Span { from: now, until: now + SignedDuration::from_hours(7 * 24) };
        let counts = [(now, 1), (at("2026-11-30T17:45:00Z"), 2), (at("2026-11-30T18:00:00Z"), 4)];
        let chart = Density::days("in the next 7 days", counts, 10, span, &riga);
        let told: Vec<&str> = chart.strips.iter().map(|strip| strip.summary.as_str()).collect();
        assert_eq!((told.len(), told[0], told[7]), (8, "Mon 23 Nov: 1 firing", "Mon 30 Nov: 2 firings"));
        assert!(chart.summary.starts_with("3 firings in the next 7 days"), "{}", chart.summary);
        let whole = Span { from: at("2026-11-22T22:00:00Z"), until: at("2026-11-29T22:00:00Z") };
        assert_eq!(Density::days("in these 7 days", [], 10, whole, &riga).strips.len(), 7, "it ends with a day");
    }

    #[test]
    fn a_week_has_seven_days_of_the_viewers_zone() {
        let riga = Zones::bundled().get("Europe/Riga").expect("it exists");
        // Friday evening before the Sunday on which the clocks go back.
        let now = at("2026-10-23T18:00:00Z");
        let counts =
            [(at("2026-10-25T00:00:00Z"), 6), (at("2026-10-25T01:00:00Z"), 6), (at("2026-10-29T22:00:00Z"), 5)];
        let chart = Density::days("in these 7 days", counts, 10, week(now, &riga), &riga);
        assert_eq!(chart.strips.len(), 7);
        let sunday = &chart.strips[2];
        assert_eq!(sunday.summary, "Sun 25 Oct: 12 firings");
        assert!(sunday.bars.is_empty(), "six in each of two quarters are no burst");
        assert_eq!(sunday.plain, "M12 8h.86v26h-.86z", "03:00 comes twice");
        let burst = Density::days("in these 7 days", counts, 6, week(now, &riga), &riga);
        assert_eq!(burst.strips[2].bars.len(), 1);
        assert!(burst.strips[2].plain.is_empty());
        // Midnight of the eighth day is not among them.
        assert!(chart.summary.starts_with("12 firings in these 7 days"), "{}", chart.summary);
        assert_eq!(chart.strips[0].past.map(|to| to.to_string()).as_deref(), Some("87.5"));
    }

    proptest! {
        #[test]
        fn no_firing_to_come_is_lost(
            ahead in prop::collection::vec((0_i64..8 * 86_400, 1_u64..100), 0..100),
            second in 1_700_000_000_i64..1_900_000_000,
            until_h in 1_i64..200,
            name in prop::sample::select(&["UTC", "Europe/Riga", "Australia/Lord_Howe", "Asia/Kathmandu"][..]),
        ) {
            let zone = Zones::bundled().get(name).expect("it exists");
            let now = Timestamp::from_second(second).expect("in range");
            let counts: Vec<(Timestamp, u64)> =
                ahead.iter().map(|(ahead, count)| (now + SignedDuration::from_secs(*ahead), *count)).collect();
            let span = Span { until: now + SignedDuration::from_hours(until_h), ..week(now, &zone) };
            let (chart, end) = (Density::days("in these days", counts.clone(), 50, span, &zone), span.until);
            let rows: u64 = chart.table.rows.iter().map(|row| row.cells[0].replace(',', "").parse::<u64>().expect("a number")).sum();
            prop_assert_eq!(rows, counts.iter().filter(|(instant, _)| *instant < end).map(|(_, count)| count).sum::<u64>());
            let drawn = chart.strips.iter().map(|strip| strip.bars.len() + strip.plain.matches('M').count());
            let rows = chart.table.rows.iter().filter(|row| row.cells[0] != "0").count();
            prop_assert!(drawn.sum::<usize>() >= rows);
            for bar in chart.strips.iter().flat_map(|strip| &strip.bars) {
                prop_assert!((0.0..100.0).contains(&bar.x.0) && bar.y.0 >= ABOVE - 1e-9);
                prop_assert!((bar.y.0 + bar.height.0 - ABOVE - TALL).abs() < 1e-9);
            }
        }
    }
}
