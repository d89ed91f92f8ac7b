//! The firing bar: one cell for each firing of a trigger, the newest at the right, as tall as it took. In a row of a list it
//! is one small picture; on the trigger's page every cell leads to its event.

use std::collections::BTreeMap;

use askama::Template;
use jiff::{SignedDuration, Timestamp};
use oncue_domain::event::Origin;
use oncue_domain::firing::FIRINGS_KEPT;
use oncue_domain::schedule::zone::Zone;

use super::record::{Firing, Outcome};
use super::table::{Row, Table};
use super::words::{firings, instant, listed};
use crate::ui::event::source;
use crate::ui::moment::span;

/// How many cells a row of a list has.
pub(crate) const STRIP_CELLS: usize = 30;
/// How many cells a trigger's page has.
pub(crate) const BAR_CELLS: usize = FIRINGS_KEPT;

/// Up to how long a firing took, and how tall that is; what took longer is as tall as the last.
const HEIGHTS: [(SignedDuration, u32); 6] = [
    (SignedDuration::from_millis(100), 8),
    (SignedDuration::from_secs(1), 14),
    (SignedDuration::from_secs(10), 20),
    (SignedDuration::from_mins(1), 26),
    (SignedDuration::from_mins(10), 31),
    (SignedDuration::MAX, 36),
];
/// How tall a drawing is; a mark for what failed must fit above the tallest cell.
const FULL: u32 = 46;

/// What a cell looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape {
    class: &'static str,
    y: u32,
    height: u32,
    /// Where the cross of a failure stands; none where nothing failed.
    cross: Option<u32>,
}

impl Shape {
    fn of(firing: &Firing, now: Timestamp) -> Shape {
        // What is still owed is as tall as it already took.
        let took = match firing.outcome {
            Outcome::Pending => now.duration_since(firing.fired_at),
            _ => firing.took.unwrap_or(SignedDuration::ZERO),
        };
        let height = HEIGHTS.into_iter().find(|(up_to, _)| took <= *up_to).map_or(HEIGHTS[5].1, |(_, height)| height);
        let y = FULL - height;
        Shape { class: class(firing.outcome), y, height, cross: (firing.outcome == Outcome::Failed).then(|| y - 5) }
    }
}

fn class(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pending => "pending",
        Outcome::Delivered => "delivered",
        Outcome::Failed => "failed",
        Outcome::Logged => "open",
    }
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pending => "pending",
        Outcome::Delivered => "delivered",
        Outcome::Failed => "failed",
        Outcome::Logged => "only logged",
    }
}

/// "30 firings: 28 delivered, 2 failed".
fn summary(shown: &[Firing]) -> String {
    let of = |outcome| shown.iter().filter(|firing| firing.outcome == outcome).count() as u64;
    let parts = [Outcome::Delivered, Outcome::Failed, Outcome::Pending, Outcome::Logged]
        .map(|outcome| (of(outcome), word(outcome)));
    match listed(&parts) {
        Some(parts) => format!("{}: {parts}", firings(shown.len() as u64)),
        None => "No firings yet".to_owned(),
    }
}

/// The newest firings in their order, the newest last.
fn newest(firings: &[Firing], cells: usize) -> &[Firing] {
    &firings[firings.len().saturating_sub(cells)..]
}

/// The firing bar of a row: a picture with a sentence. A list has many of them, so all cells of an outcome are one path: that is
/// a fifth of what a shape for each would take.
#[derive(Debug, Template)]
#[template(path = "chart/firing_strip.html")]
pub(crate) struct FiringStrip {
    summary: String,
    absent: String,
    /// Each outcome's cells.
    drawn: BTreeMap<&'static str, String>,
    /// What tells those that are pending from the others.
    hatches: String,
    crosses: String,
}

impl askama::filters::HtmlSafe for FiringStrip {}

impl FiringStrip {
    /// From firings in their order, the newest last; only the newest are drawn.
    pub(crate) fn new(firings: &[Firing], now: Timestamp) -> FiringStrip {
        let shown = newest(firings, STRIP_CELLS);
        let first = STRIP_CELLS - shown.len();
        let places = (0_u32..).step_by(6);
        let absent = places.clone().take(first).map(|x| format!("M{x} 44h4v2h-4z")).collect();
        let (mut drawn, mut hatches, mut crosses) = (BTreeMap::<_, String>::new(), String::new(), String::new());
        for (x, firing) in places.skip(first).zip(shown) {
            let Shape { class, y, height, cross } = Shape::of(firing, now);
            let path = drawn.entry(class).or_default();
            if firing.outcome == Outcome::Pending {
                // Its outline is drawn, so it lies half a pixel within the cell.
                path.push_str(&format!("M{}.5 {}.5h3v{}h-3z", x, y, height - 1));
                hatches.push_str(&format!("M{x} {}l4-4", y + 4));
                hatches.extend((2..=height / 4).map(|_| "m-4 8l4-4"));
            } else {
                path.push_str(&format!("M{x} {y}h4v{height}h-4z"));
            }
            if let Some(y) = cross {
                let (left, top) = (f64::from(x) - 0.5, f64::from(y) - 2.5);
                crosses.push_str(&format!("M{left} {top}l5 5m0-5l-5 5"));
            }
        }
        FiringStrip { summary: summary(shown), absent, drawn, hatches, crosses }
    }
}

/// A cell of the bar on a trigger's page.
#[derive(Debug)]
struct Cell {
    shape: Shape,
    /// What it says: "Mon 23 Nov 09:00:05, delivered after 120 ms".
    text: String,
    /// None where the event is gone.
    href: Option<String>,
}

/// The firing bar of a trigger's page.
#[derive(Debug, Template)]
#[template(path = "chart/firing_bar.html")]
pub(crate) struct FiringBar {
    summary: String,
    zone: String,
    absent: usize,
    cells: Vec<Cell>,
    table: Table,
}

impl askama::filters::HtmlSafe for FiringBar {}

impl FiringBar {
    /// From firings in their order, the newest last; only the newest are drawn.
    pub(crate) fn new(firings: &[Firing], now: Timestamp, zone: &Zone) -> FiringBar {
        let shown = newest(firings, BAR_CELLS);
        FiringBar {
            summary: summary(shown),
            zone: zone.name().to_owned(),
            absent: BAR_CELLS - shown.len(),
            cells: shown.iter().map(|firing| cell(firing, now, zone)).collect(),
            table: table(shown, zone),
        }
    }
}

fn cell(firing: &Firing, now: Timestamp, zone: &Zone) -> Cell {
    let mut text = format!("{}, {}", instant(firing.fired_at, zone.time_zone()), word(firing.outcome));
    if let Some(took) = firing.took.filter(|_| firing.outcome != Outcome::Pending) {
        text.push_str(&format!(" after {}", span(took)));
    }
    if firing.attempts > 1 {
        text.push_str(&format!(", {} attempts", firing.attempts));
    }
    if firing.origin != Origin::Schedule {
        text.push_str(&format!(", {}", source(firing.origin)));
    }
    if !firing.is_kept {
        text.push_str(", details deleted");
    }
    Cell { shape: Shape::of(firing, now), text, href: href(firing) }
}

fn href(firing: &Firing) -> Option<String> {
    firing.is_kept.then(|| format!("/events/{}", firing.event))
}

fn table(shown: &[Firing], zone: &Zone) -> Table {
    let rows = shown.iter().rev().map(|firing| Row {
        head: instant(firing.fired_at, zone.time_zone()),
        href: href(firing),
        cells: vec![
            source(firing.origin).to_owned(),
            word(firing.outcome).to_owned(),
            firing.attempts.to_string(),
            firing.took.map_or_else(|| "\u{2013}".to_owned(), span),
            if firing.is_kept { "kept" } else { "deleted" }.to_owned(),
        ],
    });
    Table {
        caption: format!("The last firings, the newest first. Times in {}.", zone.name()),
        columns: vec!["Fired", "Source", "Outcome", "Attempts", "Took", "Details"],
        rows: rows.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oncue_domain::id::EventId;
    use oncue_domain::schedule::zone::Zones;

    fn now() -> Timestamp {
        "2026-11-23T10:00:00Z".parse().expect("an instant")
    }

    fn firing(number: i64, outcome: Outcome) -> Firing {
        let is_settled = matches!(outcome, Outcome::Delivered | Outcome::Failed);
        Firing {
            event: EventId(number),
            origin: Origin::Schedule,
            scheduled_at: None,
            due_at: None,
            fired_at: now() - SignedDuration::from_mins(100 - number),
            outcome,
            attempts: 1,
            took: is_settled.then(|| SignedDuration::from_millis(120)),
            is_kept: true,
        }
    }

    #[test]
    fn a_row_says_in_a_sentence_what_its_picture_shows() {
        let mut firings: Vec<Firing> = (0..40).map(|number| firing(number, Outcome::Delivered)).collect();
        firings[38].outcome = Outcome::Failed;
        // This one is older than the thirty that are shown.
        firings[3].outcome = Outcome::Failed;
        let html = FiringStrip::new(&firings, now()).to_string();
        assert!(html.contains("<title>30 firings: 29 delivered, 1 failed</title>"), "{html}");
        assert_eq!(html.matches("class=\"cell ").count(), 2, "one path for each outcome: {html}");
        assert_eq!(html.matches("h4v").count(), 30, "{html}");
        assert_eq!(html.matches("l5 5m0-5l-5 5").count(), 1);
        assert!(html.contains("d=\"M167.5 24.5l5 5m0-5l-5 5\""), "above the last but one: {html}");
        assert!(!html.contains("<a "), "{html}");
        let none = FiringStrip::new(&[], now()).to_string();
        assert!(none.contains("<title>No firings yet</title>") && none.matches("v2h").count() == 30);
    }

    #[test]
    fn a_row_among_many_is_small() {
        let outcomes = [Outcome::Delivered, Outcome::Failed, Outcome::Logged];
        let firings: Vec<Firing> = (0..30).zip(outcomes.into_iter().cycle()).map(|(n, of)| firing(n, of)).collect();
        let bytes = FiringStrip::new(&firings, now()).to_string().len();
        assert!(bytes < 1_200, "{bytes}");
        let pending: Vec<Firing> = (0..30).map(|number| firing(number, Outcome::Pending)).collect();
        let html = FiringStrip::new(&pending, now()).to_string();
        assert!(html.len() < 4_000, "{}", html.len());
        // Waiting for more than ten minutes is as tall as it gets: nine lines, the first below the top and the last at the foot.
        assert!(html.contains("M0.5 10.5h3v35h-3z") && html.contains("d=\"M0 14l4-4m-4 8l4-4"), "{html}");
        assert_eq!(html.matches("l4-4").count(), 30 * 9);
    }

    #[test]
    fn a_firing_leads_to_its_event_for_as_long_as_that_is_kept() {
        let gone = Firing { is_kept: false, ..firing(7, Outcome::Delivered) };
        let html = FiringBar::new(&[gone, firing(8, Outcome::Failed)], now(), &Zones::utc()).to_string();
        assert!(!html.contains("/events/7") && html.contains("details deleted"), "{html}");
        assert!(html.contains("<a class=\"firing\" data-cell href=\"/events/8\">"), "{html}");
        assert!(html.contains("Mon 23 Nov 08:28:00, failed after 120 ms"), "{html}");
        // In the order of time in the bar, in the opposite order in the table.
        let of = |text: &str| html.find(text).expect("it is there");
        assert!(of("details deleted") < of("failed after"));
        assert!(html.rfind("08:28:00") < html.rfind("08:27:00"));
    }

    #[test]
    fn every_cell_fits_its_drawing() {
        for outcome in [Outcome::Pending, Outcome::Delivered, Outcome::Failed, Outcome::Logged] {
            for took in [0, 1, 100, 101, 1_000, 10_000, 60_000, 600_000, i64::MAX] {
                let took = Some(SignedDuration::from_millis(took));
                let shape = Shape::of(&Firing { took, ..firing(1, outcome) }, now());
                assert_eq!(shape.y + shape.height, FULL);
                assert!(shape.cross.unwrap_or(FULL) >= 4, "{shape:?}");
            }
        }
    }

    #[test]
    fn the_longer_it_took_the_taller_it_is() {
        let tall = |took| Shape::of(&Firing { took: Some(took), ..firing(1, Outcome::Delivered) }, now()).height;
        let heights = [100, 101, 5_000, 30_000, 300_000, 3_000_000].map(|ms| tall(SignedDuration::from_millis(ms)));
        assert!(heights.is_sorted() && heights[0] < heights[1] && heights[4] < heights[5], "{heights:?}");
        let tried = Some(SignedDuration::from_secs(1));
        let waiting =
            Firing { fired_at: now() - SignedDuration::from_mins(5), took: tried, ..firing(1, Outcome::Pending) };
        assert_eq!(Shape::of(&waiting, now()).height, tall(SignedDuration::from_mins(5)));
    }
}
