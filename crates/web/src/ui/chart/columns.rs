//! Stacked columns over time: what `history` and `histogram` have in common. From the bottom: delivered, without an outcome,
//! skipped (hollow), failed; what failed also has a mark above its column, so that one among thousands is seen.

use jiff::Timestamp;
use oncue_domain::schedule::zone::Zone;

use super::draw::{Num, SideLabel, height, share, top};
use super::record::Counts;
use super::table::{Row, Table};
use super::words::{outcomes, stretch};
use crate::ui::number::number;

/// How tall the columns are at most.
pub(super) const TALL: f64 = 120.0;
/// What is left above for marks and the label of a line.
pub(super) const ABOVE: f64 = 20.0;
/// The smallest part of a column that can be seen.
const THIN: f64 = 2.0;

/// What happened within a stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bucket {
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
    pub(super) counts: Counts,
}

/// One outcome in a column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) class: &'static str,
    pub(super) y: Num,
    pub(super) height: Num,
}

/// One column.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) x: Num,
    pub(super) width: Num,
    pub(super) middle: Num,
    pub(super) parts: Vec<Part>,
    /// Where the mark of a failure stands.
    pub(super) mark: Option<Num>,
    /// "Mon 23 Nov 09:00–10:00: 12 delivered, 1 failed".
    pub(super) text: String,
    pub(super) href: Option<String>,
    pub(super) is_selected: bool,
}

/// The columns and the numbers beside them.
#[derive(Clone, Debug)]
pub(super) struct Stack {
    pub(super) columns: Vec<Column>,
    pub(super) side: Vec<SideLabel>,
}

impl Stack {
    /// Columns over a stretch of time, which the buckets lie within.
    pub(super) fn new(from: Timestamp, until: Timestamp, buckets: &[Bucket], zone: &Zone) -> Stack {
        let top = top(buckets.iter().map(|bucket| bucket.counts.total()).max().unwrap_or(0));
        let columns = buckets.iter().map(|bucket| column(bucket, from, until, top, zone)).collect();
        let label = |count| SideLabel { y: Num(ABOVE + TALL - height(count, top, TALL)), text: number(count) };
        let side = match top {
            top if top % 2 == 0 => vec![label(0), label(top / 2), label(top)],
            _ => vec![label(0), label(top)],
        };
        Stack { columns, side }
    }
}

fn column(bucket: &Bucket, from: Timestamp, until: Timestamp, top: u64, zone: &Zone) -> Column {
    let (left, right) = (share(bucket.from, from, until), share(bucket.until, from, until));
    let width = right - left;
    let parts = parts(&bucket.counts, top);
    let mark = parts.last().filter(|part| part.class == "failed").map(|part| Num(part.y.0 - 6.0));
    Column {
        // A gap between columns, narrow enough to leave something of the narrowest.
        x: Num(left + width * 0.1),
        width: Num(width * 0.8),
        middle: Num(left + width * 0.5),
        parts,
        mark,
        text: format!("{}: {}", stretch(bucket.from, bucket.until, zone.time_zone()), outcomes(&bucket.counts)),
        href: None,
        is_selected: false,
    }
}

/// The parts from the bottom up. Each is as tall as its share, but for those too thin to be seen: they take what they lack
/// from the tallest, so that the whole column keeps its height.
fn parts(counts: &Counts, top: u64) -> Vec<Part> {
    let rows = [
        ("delivered", counts.delivered),
        ("open", counts.open),
        ("skipped", counts.skipped),
        ("failed", counts.failed),
    ];
    let mut tall: Vec<(&'static str, f64)> = rows
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(class, count)| (class, height(count, top, TALL)))
        .collect();
    let thin = |(_, height): &(&str, f64)| (THIN - height).max(0.0);
    let lacking: f64 = tall.iter().map(thin).sum();
    if let Some(tallest) = tall.iter_mut().max_by(|one, other| one.1.total_cmp(&other.1)) {
        tallest.1 = (tallest.1 - lacking).max(THIN);
    }
    let mut y = ABOVE + TALL;
    let mut parts = Vec::with_capacity(tall.len());
    for (class, height) in tall {
        let height = height.max(THIN);
        y -= height;
        parts.push(Part { class, y: Num(y), height: Num(height) });
    }
    parts
}

/// The figures of the columns, without those in which nothing happened.
pub(super) fn table(buckets: &[Bucket], hrefs: &[Option<String>], zone: &Zone) -> Table {
    let rows = buckets.iter().enumerate().filter(|(_, bucket)| bucket.counts.total() > 0).map(|(place, bucket)| {
        let Counts { delivered, open, skipped, failed } = bucket.counts;
        Row {
            head: stretch(bucket.from, bucket.until, zone.time_zone()),
            href: hrefs.get(place).cloned().flatten(),
            cells: [delivered, failed, open, skipped].map(number).to_vec(),
        }
    });
    Table {
        caption: format!("Stretches of time that are not listed had nothing. Times in {}.", zone.name()),
        columns: vec!["Time", "Delivered", "Failed", "Only logged or pending", "Skipped"],
        rows: rows.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oncue_domain::schedule::zone::Zones;
    use proptest::prelude::*;

    fn bucket(place: i64, counts: Counts) -> Bucket {
        let start = Timestamp::from_second(1_800_000_000 + place * 3600).expect("in range");
        Bucket { from: start, until: start + jiff::SignedDuration::from_hours(1), counts }
    }

    prop_compose! {
        fn counts()(delivered in 0_u64..2_000_000, open in 0_u64..500, skipped in 0_u64..500, failed in 0_u64..50) -> Counts {
            Counts { delivered, open, skipped, failed }
        }
    }

    proptest! {
        #[test]
        fn nothing_leaves_the_drawing_and_every_outcome_is_seen(all in prop::collection::vec(counts(), 1..100)) {
            let buckets: Vec<Bucket> = all.iter().zip(0..).map(|(counts, place)| bucket(place, *counts)).collect();
            let (from, until) = (buckets[0].from, buckets[buckets.len() - 1].until);
            let stack = Stack::new(from, until, &buckets, &Zones::utc());
            prop_assert_eq!(stack.columns.len(), buckets.len());
            let mut end = 0.0;
            for (column, bucket) in stack.columns.iter().zip(&buckets) {
                prop_assert!(column.x.0 >= end - 1e-9, "columns lie over each other");
                end = column.x.0 + column.width.0;
                prop_assert!(end <= 100.0 + 1e-9);
                let Counts { delivered, open, skipped, failed } = bucket.counts;
                prop_assert_eq!(column.parts.len(), [delivered, open, skipped, failed].iter().filter(|c| **c > 0).count());
                prop_assert_eq!(column.mark.is_some(), failed > 0);
                let mut bottom = ABOVE + TALL;
                for part in &column.parts {
                    prop_assert!(part.height.0 >= THIN - 1e-9);
                    prop_assert!((part.y.0 + part.height.0 - bottom).abs() < 1e-6, "parts stand on each other");
                    bottom = part.y.0;
                }
                prop_assert!(column.mark.map_or(bottom, |mark| mark.0 - 4.0) >= 0.0);
            }
        }

        #[test]
        fn a_column_is_as_tall_as_its_sum(counts in counts()) {
            let top = top(counts.total());
            let drawn: f64 = parts(&counts, top).iter().map(|part| part.height.0).sum();
            let due = height(counts.total(), top, TALL);
            // Thin parts may raise a column that is itself lower than they are together.
            prop_assert!((drawn - due).abs() < 0.001 || drawn <= THIN * 4.0, "{drawn} for {due}");
        }

        #[test]
        fn the_table_has_all_that_the_columns_have(all in prop::collection::vec(counts(), 1..50)) {
            let buckets: Vec<Bucket> = all.iter().zip(0..).map(|(counts, place)| bucket(place, *counts)).collect();
            let table = table(&buckets, &[], &Zones::utc());
            let said: u64 = table
                .rows
                .iter()
                .flat_map(|row| &row.cells)
                .map(|cell| cell.replace(',', "").parse::<u64>().expect("a number"))
                .sum();
            prop_assert_eq!(said, all.iter().map(Counts::total).sum::<u64>());
        }
    }
}
