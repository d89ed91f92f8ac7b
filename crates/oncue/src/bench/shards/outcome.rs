//! What came out, for people and for files. Nothing here calculates more than means and ratios.

use std::fmt::Write;
use std::path::Path;

use anyhow::Context;
use serde::Serialize;

use super::load::Load;
use super::population::{MIX, Population};
use super::spread::{Placement, Spread};

/// A day, in seconds.
const DAY: f64 = 86_400.0;

/// All rows, and what they are about.
#[derive(Serialize)]
pub(super) struct Outcome {
    version: &'static str,
    triggers: u64,
    owners: u64,
    skew: f64,
    largest_owner: u64,
    /// Firings that one shard logs in a second.
    rate: u64,
    seed: u64,
    mix: Vec<Share>,
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Share {
    kind: &'static str,
    of_a_thousand: u64,
}

/// One way to distribute, over one number of shards.
#[derive(Serialize)]
pub(super) struct Row {
    shards: u64,
    distributed_by: &'static str,
    large_owners: u64,
    pub(super) triggers: Figure,
    fires_a_second: Figure,
    at_full_hour: Figure,
    at_full_minute: Figure,
    /// How long the shard with the most of the full hour's needs for it.
    full_hour_takes_s: f64,
    /// On how many shards an owner lies, on average: so many are asked for a page.
    pub(super) shards_an_owner: f64,
}

/// A number that each shard has.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Figure {
    least: f64,
    mean: f64,
    most: f64,
    /// The most as a multiple of the mean.
    pub(super) skew: f64,
}

impl Figure {
    fn of(loads: &[Load], number: impl Fn(&Load) -> f64) -> Figure {
        let numbers: Vec<f64> = loads.iter().map(number).collect();
        let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
        let most = numbers.iter().copied().fold(0.0, f64::max);
        let least = numbers.iter().copied().fold(most, f64::min);
        Figure { least, mean, most, skew: if mean == 0.0 { 1.0 } else { most / mean } }
    }
}

impl Outcome {
    pub(super) fn of(population: &Population, spreads: Vec<Spread>, rate: u64) -> Outcome {
        let rows = spreads.iter().flat_map(|spread| Placement::ALL.map(|placement| Row::of(spread, placement, rate)));
        Outcome {
            version: env!("CARGO_PKG_VERSION"),
            triggers: population.triggers,
            owners: population.owners,
            skew: population.skew,
            largest_owner: population.owners().next().map_or(0, |owner| owner.triggers),
            rate,
            seed: population.seed,
            mix: MIX.map(|(_, of_a_thousand, kind)| Share { kind, of_a_thousand }).into(),
            rows: rows.collect(),
        }
    }

    /// For people. Numbers of a shard stand as those of the one that has the most, and in brackets as a multiple of the mean.
    pub(super) fn table(&self) -> String {
        let mut table = format!(
            "{} triggers of {} owners (skew {}, the largest has {}), seed {}\nof a thousand triggers: {}\n\
             the shard that has the most, and (its multiple of the mean); a full hour at {} firings a second\n\n",
            self.triggers,
            self.owners,
            self.skew,
            self.largest_owner,
            self.seed,
            self.mix
                .iter()
                .map(|share| format!("{} {}", share.of_a_thousand, share.kind))
                .collect::<Vec<_>>()
                .join("; "),
            self.rate,
        );
        let heads = [
            "shards",
            "distributed by",
            "large",
            "triggers",
            "fires/s",
            "due at a full hour",
            "takes, s",
            "shards/owner",
        ];
        line(&mut table, &heads.map(str::to_owned));
        for row in &self.rows {
            line(&mut table, &row.cells());
        }
        table
    }

    /// Writes the rows down.
    pub(super) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self).expect("names and numbers are always JSON");
        std::fs::write(path, text + "\n").with_context(|| format!("{} cannot be written", path.display()))
    }

    #[cfg(test)]
    pub(super) fn row(&self, shards: u64, distributed_by: &str) -> &Row {
        let found = self.rows.iter().find(|row| row.shards == shards && row.distributed_by == distributed_by);
        found.expect("there is a row for each number of shards and each placement")
    }
}

impl Row {
    fn of(spread: &Spread, placement: Placement, rate: u64) -> Row {
        let loads = spread.loads(placement);
        let at_full_hour = Figure::of(&loads, |load| load.at_full_hour as f64);
        Row {
            shards: spread.shards(),
            distributed_by: placement.name(),
            large_owners: spread.large(),
            triggers: Figure::of(&loads, |load| load.triggers as f64),
            fires_a_second: Figure::of(&loads, |load| load.fires_a_day as f64 / DAY),
            at_full_hour,
            at_full_minute: Figure::of(&loads, |load| load.at_full_minute as f64),
            full_hour_takes_s: at_full_hour.most / rate as f64,
            shards_an_owner: spread.shards_an_owner(placement),
        }
    }

    fn cells(&self) -> [String; 8] {
        let figure = |figure: Figure| format!("{:.0} ({:.2})", figure.most, figure.skew);
        [
            self.shards.to_string(),
            self.distributed_by.to_owned(),
            self.large_owners.to_string(),
            figure(self.triggers),
            figure(self.fires_a_second),
            figure(self.at_full_hour),
            format!("{:.0}", self.full_hour_takes_s),
            format!("{:.2}", self.shards_an_owner),
        ]
    }
}

fn line(table: &mut String, cells: &[String; 8]) {
    let [shards, by, large, triggers, fires, hour, takes, reach] = cells;
    writeln!(table, "{shards:>6}  {by:<21} {large:>6} {triggers:>18} {fires:>14} {hour:>18} {takes:>9} {reach:>13}")
        .expect("a string can be written to");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::shards::calculate;

    #[test]
    fn a_figure_tells_the_most_and_how_far_that_is_from_the_mean() {
        let loads = [1, 3, 8].map(|triggers| Load { triggers, ..Load::default() });
        let figure = Figure::of(&loads, |load| load.triggers as f64);
        assert_eq!([figure.least, figure.mean, figure.most, figure.skew], [1.0, 4.0, 8.0, 2.0]);
        assert_eq!(Figure::of(&[Load::default()], |load| load.triggers as f64).skew, 1.0);
    }

    #[test]
    fn a_single_shard_has_everything_and_the_table_has_a_line_for_each_placement() {
        let population = Population { triggers: 600, owners: 10, skew: 1.0, seed: 1 };
        let outcome = calculate(&population, &[1], 100);
        let row = outcome.row(1, "owner");
        assert_eq!((row.triggers.most, row.triggers.skew), (600.0, 1.0));
        assert_eq!(row.full_hour_takes_s, row.at_full_hour.most / 100.0);
        let table = outcome.table();
        let lines: Vec<&str> = table.lines().skip(5).collect();
        assert_eq!(lines.len(), Placement::ALL.len());
        assert!(lines.iter().all(|line| line.contains("600 (1.00)") && line.ends_with("1.00")), "{table}");
    }
}
