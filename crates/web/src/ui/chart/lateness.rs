//! How late a trigger fires: a dot for each firing that was due, on an axis that gives a millisecond as much room as an hour,
//! and the two numbers that matter. Percentiles are by nearest rank: each is a lateness that was really measured.

use askama::Template;
use jiff::SignedDuration;
use oncue_domain::schedule::zone::Zone;

use super::draw::{Num, SideLabel};
use super::record::Firing;
use super::table::{Row, Table};
use super::words::instant;
use crate::ui::moment::{lateness, span};
use crate::ui::number::number;

/// How tall the axis is, and what is left above and below it.
const TALL: f64 = 140.0;
const ABOVE: f64 = 12.0;
/// The ends of the axis, in milliseconds: what lies beyond is drawn at the end.
const LEAST_MS: f64 = 1.0;
const MOST_MS: f64 = 3_600_000.0;
/// What is written beside the axis.
const MARKS: [(f64, &str); 6] =
    [(1.0, "1 ms"), (10.0, "10 ms"), (100.0, "100 ms"), (1000.0, "1 s"), (60_000.0, "1 min"), (MOST_MS, "1 h")];

/// One firing.
#[derive(Debug)]
struct Dot {
    x: Num,
    y: Num,
    /// Later than the axis reaches: drawn as an arrow.
    is_beyond: bool,
    text: String,
}

/// A line at a percentile.
#[derive(Debug)]
struct Line {
    word: &'static str,
    y: Num,
    text: String,
}

/// Dots over time.
#[derive(Debug, Template)]
#[template(path = "chart/lateness.html")]
pub(crate) struct Lateness {
    summary: String,
    zone: String,
    dots: Vec<Dot>,
    lines: Vec<Line>,
    has_beyond: bool,
    side: Vec<SideLabel>,
    table: Table,
}

impl askama::filters::HtmlSafe for Lateness {}

impl Lateness {
    /// From firings in their order, the newest last; those that no schedule made have no lateness.
    pub(crate) fn new(firings: &[Firing], zone: &Zone) -> Lateness {
        let measured: Vec<(&Firing, SignedDuration)> =
            firings.iter().filter_map(|firing| Some((firing, firing.lateness()?))).collect();
        let mut sorted: Vec<SignedDuration> = measured.iter().map(|(_, late)| *late).collect();
        sorted.sort_unstable();
        let line = |word, percent| {
            percentile(&sorted, percent).map(|late| Line {
                word,
                y: Num(y(late)),
                text: format!("{word} {}", span(late)),
            })
        };
        let dots = dots(&measured, zone);
        Lateness {
            summary: summary(&sorted),
            has_beyond: dots.iter().any(|dot| dot.is_beyond),
            zone: zone.name().to_owned(),
            dots,
            lines: [line("p50", 50), line("p95", 95)].into_iter().flatten().collect(),
            side: MARKS.into_iter().map(|(ms, text)| SideLabel { y: Num(y_of(ms)), text: text.to_owned() }).collect(),
            table: table(&measured, zone),
        }
    }
}

/// The least value that so many percent of all values do not exceed. The values are in order.
fn percentile(sorted: &[SignedDuration], percent: usize) -> Option<SignedDuration> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.checked_sub(1)?).copied()
}

fn summary(sorted: &[SignedDuration]) -> String {
    let Some(((p50, p95), most)) = percentile(sorted, 50).zip(percentile(sorted, 95)).zip(sorted.last()) else {
        return "No firing has been due yet.".to_owned();
    };
    format!(
        "{} firings that were due: half within {}, 95 % within {}, the latest {}.",
        number(sorted.len() as u64),
        within(p50),
        within(p95),
        lateness(*most)
    )
}

/// What fires early fires within no time at all.
fn within(late: SignedDuration) -> String {
    span(late.max(SignedDuration::ZERO))
}

/// Where a lateness stands.
fn y(late: SignedDuration) -> f64 {
    y_of(late.as_secs_f64() * 1000.0)
}

fn y_of(ms: f64) -> f64 {
    let share = ms.clamp(LEAST_MS, MOST_MS).log10() / MOST_MS.log10();
    ABOVE + TALL * (1.0 - share)
}

#[expect(clippy::cast_precision_loss, reason = "a pixel is coarser than any rounding")]
fn dots(measured: &[(&Firing, SignedDuration)], zone: &Zone) -> Vec<Dot> {
    let width = 100.0 / measured.len().max(1) as f64;
    let dot = |(place, (firing, late)): (usize, &(&Firing, SignedDuration))| Dot {
        x: Num((place as f64 + 0.5) * width),
        y: Num(y(*late)),
        is_beyond: late.as_secs_f64() * 1000.0 > MOST_MS,
        text: format!("{}: {}", instant(firing.fired_at, zone.time_zone()), lateness(*late)),
    };
    measured.iter().enumerate().map(dot).collect()
}

fn table(measured: &[(&Firing, SignedDuration)], zone: &Zone) -> Table {
    let rows = measured.iter().rev().map(|(firing, late)| {
        let href = firing.is_kept.then(|| format!("/events/{}", firing.event));
        Row { href, ..Row::new(instant(firing.fired_at, zone.time_zone()), vec![lateness(*late)]) }
    });
    Table {
        caption: format!("How late each firing was, the newest first. Times in {}.", zone.name()),
        columns: vec!["Fired", "Lateness"],
        rows: rows.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::Outcome;
    use super::*;
    use jiff::Timestamp;
    use oncue_domain::event::Origin;
    use oncue_domain::id::EventId;
    use oncue_domain::schedule::zone::Zones;
    use proptest::prelude::*;

    fn firing(late: Option<SignedDuration>) -> Firing {
        let fired_at = Timestamp::from_second(1_800_000_000).expect("in range");
        Firing {
            event: EventId(1),
            origin: Origin::Schedule,
            scheduled_at: late.map(|late| fired_at - late),
            due_at: None,
            fired_at,
            outcome: Outcome::Delivered,
            attempts: 1,
            took: None,
            is_kept: true,
        }
    }

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let ms = SignedDuration::from_millis;
        let values: Vec<SignedDuration> = [15, 20, 35, 40, 50].map(ms).to_vec();
        let rows = [(5, 15), (30, 20), (40, 20), (50, 35), (95, 50), (100, 50)];
        for (percent, value) in rows {
            assert_eq!(percentile(&values, percent), Some(ms(value)), "p{percent}");
        }
        assert_eq!(percentile(&[], 50), None);
        assert_eq!(percentile(&[ms(7)], 50), Some(ms(7)));
        let hundred: Vec<SignedDuration> = (1..=100).map(ms).collect();
        assert_eq!((percentile(&hundred, 50), percentile(&hundred, 95)), (Some(ms(50)), Some(ms(95))));
    }

    #[test]
    fn the_numbers_stand_in_a_sentence() {
        let firings: Vec<Firing> =
            [3, 4, 900, 7_200_000].map(|ms| firing(Some(SignedDuration::from_millis(ms)))).to_vec();
        let chart = Lateness::new(&firings, &Zones::utc());
        assert_eq!(chart.summary, "4 firings that were due: half within 4 ms, 95 % within 2 h, the latest 2 h late.");
        assert_eq!(chart.dots.iter().filter(|dot| dot.is_beyond).count(), 1);
        assert!(chart.to_string().contains("p95 2 h"));
        let called = Lateness::new(&[firing(None)], &Zones::utc());
        assert_eq!(called.summary, "No firing has been due yet.");
        assert!(called.dots.is_empty() && !called.to_string().contains("<svg"));
    }

    proptest! {
        #[test]
        fn a_dot_never_leaves_the_axis_and_later_is_never_lower(one in any::<i64>(), other in any::<i64>()) {
            let (one, other) = (SignedDuration::from_micros(one), SignedDuration::from_micros(other));
            let (low, high) = (one.min(other), one.max(other));
            prop_assert!(y(high) <= y(low));
            prop_assert!((ABOVE..=ABOVE + TALL).contains(&y(low)) && (ABOVE..=ABOVE + TALL).contains(&y(high)));
        }

        #[test]
        fn at_least_that_share_is_not_later(mut values in prop::collection::vec(0_i64..10_000, 1..200), percent in 1_usize..=100) {
            values.sort_unstable();
            let sorted: Vec<SignedDuration> = values.iter().map(|ms| SignedDuration::from_millis(*ms)).collect();
            let bound = percentile(&sorted, percent).expect("there are values");
            let within = sorted.iter().filter(|late| **late <= bound).count();
            let below = sorted.iter().filter(|late| **late < bound).count();
            prop_assert!(within * 100 >= percent * sorted.len());
            prop_assert!(below * 100 < percent * sorted.len());
        }
    }
}
