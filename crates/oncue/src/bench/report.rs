//! What was measured, for people, for files and for comparing. Percentiles are exact: they are picked from the sorted
//! samples, never estimated. Nothing here measures, and nothing here judges.

mod sizes;

use std::fmt::Write;
use std::path::Path;

use anyhow::Context;
use oncue_domain::clock::Clock;
use serde::{Deserialize, Serialize};

use super::database::Facts;
use super::machine::Machine;
use crate::system::SystemClock;

/// Which way is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Better {
    /// More is better.
    More,
    /// Less is better.
    Less,
}

/// One number.
pub(super) struct Measure {
    what: String,
    unit: &'static str,
    better: Better,
    value: f64,
    of: Option<u64>,
}

impl Measure {
    /// A number of which less is better.
    pub(super) fn less(what: impl Into<String>, unit: &'static str, value: f64) -> Measure {
        Measure { what: what.into(), unit, better: Better::Less, value, of: None }
    }

    /// A number of which more is better.
    pub(super) fn more(what: impl Into<String>, unit: &'static str, value: f64) -> Measure {
        Measure { what: what.into(), unit, better: Better::More, value, of: None }
    }

    /// The same number, measured with so many of what there may be many: it is shown beside those of other sizes.
    pub(super) fn of(self, size: u64) -> Measure {
        Measure { of: Some(size), ..self }
    }
}

/// Samples in order.
pub(super) struct Sorted(Vec<f64>);

impl Sorted {
    /// Puts samples in order.
    pub(super) fn of(samples: impl IntoIterator<Item = f64>) -> Sorted {
        let mut samples: Vec<f64> = samples.into_iter().collect();
        samples.sort_by(f64::total_cmp);
        Sorted(samples)
    }

    /// The smallest sample that `percent` of all samples do not exceed; not a number when there is none.
    pub(super) fn percentile(&self, percent: f64) -> f64 {
        let rank = (percent / 100.0 * self.0.len() as f64).ceil() as usize;
        self.0.get(rank.clamp(1, self.0.len().max(1)) - 1).copied().unwrap_or(f64::NAN)
    }

    /// The median, the 99th percentile and the last, as measures of which less is better.
    pub(super) fn measures(&self, what: &str, unit: &'static str) -> Vec<Measure> {
        [("p50", 50.0), ("p99", 99.0), ("max", 100.0)]
            .map(|(name, percent)| Measure::less(format!("{what}, {name}"), unit, self.percentile(percent)))
            .into()
    }
}

/// A number and all the values it took.
#[derive(Serialize, Deserialize)]
struct Row {
    scenario: String,
    what: String,
    unit: String,
    better: Better,
    values: Vec<f64>,
    /// With how many, where that is what is asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    of: Option<u64>,
}

impl Row {
    /// Whether it is about the same as another, of any run.
    fn is_about(&self, scenario: &str, what: &str, of: Option<u64>) -> bool {
        self.scenario == scenario && self.what == what && self.of == of
    }

    /// What it is about, in a list of its own.
    fn label(&self) -> String {
        self.of.map_or_else(|| self.what.clone(), |size| format!("{}, of {size}", self.what))
    }

    fn sorted(&self) -> Sorted {
        Sorted::of(self.values.iter().copied())
    }

    fn median(&self) -> f64 {
        self.sorted().percentile(50.0)
    }

    fn best_and_worst(&self) -> (f64, f64) {
        let (least, most) = (self.sorted().percentile(0.0), self.sorted().percentile(100.0));
        match self.better {
            Better::More => (most, least),
            Better::Less => (least, most),
        }
    }
}

/// All numbers of one run.
#[derive(Serialize, Deserialize)]
pub(super) struct Report {
    version: String,
    profile: String,
    is_quick: bool,
    measured_at: String,
    machine: Machine,
    #[serde(default)]
    database: Facts,
    rows: Vec<Row>,
}

impl Report {
    /// Nothing measured yet.
    pub(super) fn new(machine: Machine, database: Facts, is_quick: bool) -> Report {
        Report {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            profile: if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned(),
            is_quick,
            measured_at: format!("{:.0}", SystemClock.now()),
            machine,
            database,
            rows: Vec::new(),
        }
    }

    /// Adds what a scenario measured; a number that is there already gets one more value. What is no number, because nothing
    /// happened that could be counted, is left out: JSON has no way to write it.
    pub(super) fn add(&mut self, scenario: &str, measures: Vec<Measure>) {
        for measure in measures.into_iter().filter(|measure| measure.value.is_finite()) {
            let known = self.rows.iter_mut().find(|row| row.is_about(scenario, &measure.what, measure.of));
            match known {
                Some(row) => row.values.push(measure.value),
                None => self.rows.push(Row {
                    scenario: scenario.to_owned(),
                    what: measure.what,
                    unit: measure.unit.to_owned(),
                    better: measure.better,
                    values: vec![measure.value],
                    of: measure.of,
                }),
            }
        }
    }

    /// For people.
    pub(super) fn table(&self) -> String {
        let mut table = format!(
            "oncue {} ({} build{}), {}\n{}\n{}\n\n",
            self.version,
            self.profile,
            if self.is_quick { ", quick" } else { "" },
            self.measured_at,
            self.machine.line(),
            self.database.lines()
        );
        if self.rows.iter().any(|row| row.of.is_none()) {
            line(&mut table, ["scenario", "what", "median", "best", "worst", "unit"]);
        }
        for row in self.rows.iter().filter(|row| row.of.is_none()) {
            let (best, worst) = row.best_and_worst();
            let [median, best, worst] = [row.median(), best, worst].map(number);
            line(&mut table, [&row.scenario, &row.what, &median, &best, &worst, &row.unit]);
        }
        table.push_str(&sizes::side_by_side(&self.rows));
        table
    }

    /// How the medians compare with those of another run.
    pub(super) fn ratios(&self, before: &Report) -> String {
        let mut table =
            format!("compared with {} of {}, on {}\n\n", before.version, before.measured_at, before.database.lines());
        line(&mut table, ["scenario", "what", "now", "before", "ratio", ""]);
        for row in &self.rows {
            let known = before.rows.iter().find(|known| known.is_about(&row.scenario, &row.what, row.of));
            let Some(known) = known else { continue };
            let (now, then) = (row.median(), known.median());
            let verdict = match (now.total_cmp(&then), row.better) {
                (std::cmp::Ordering::Equal, _) => "",
                (std::cmp::Ordering::Greater, Better::More) | (std::cmp::Ordering::Less, Better::Less) => "better",
                _ => "worse",
            };
            let ratio = if then == 0.0 { "-".to_owned() } else { format!("{:.2}", now / then) };
            line(&mut table, [&row.scenario, &row.label(), &number(now), &number(then), &ratio, verdict]);
        }
        table
    }

    /// Reads a report that was written before.
    pub(super) fn read(path: &Path) -> anyhow::Result<Report> {
        let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} does not hold results of oncue bench", path.display()))
    }

    /// Writes the report down.
    pub(super) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self).expect("names and numbers are always JSON");
        std::fs::write(path, text + "\n").with_context(|| format!("{} cannot be written", path.display()))
    }
}

fn line(table: &mut String, [scenario, what, a, b, c, last]: [&str; 6]) {
    writeln!(table, "{scenario:<10} {what:<66} {a:>10} {b:>10} {c:>10}  {last}").expect("a string can be written to");
}

/// Three digits at least, and no more than help.
fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(values: &[f64]) -> Report {
        let machine = Machine {
            cores: 2,
            processor: "one".to_owned(),
            memory_mib: 1,
            kernel: "6".to_owned(),
            file_system: "ext4".to_owned(),
            sync_us: 1.0,
            load: 0.0,
        };
        let mut report = Report::new(machine, Facts::default(), false);
        for value in values {
            report.add("fire", vec![Measure::more("fires", "1/s", *value)]);
        }
        report
    }

    #[test]
    fn percentiles_are_samples() {
        let sorted = Sorted::of((1..=200).rev().map(f64::from));
        assert_eq!([0.0, 50.0, 99.0, 100.0].map(|percent| sorted.percentile(percent)), [1.0, 100.0, 198.0, 200.0]);
        assert_eq!(Sorted::of([7.0]).percentile(99.0), 7.0);
        assert!(Sorted::of([]).percentile(50.0).is_nan());
    }

    #[test]
    fn a_row_shows_median_best_and_worst() {
        let table = report(&[10.0, 300.0, 20.0]).table();
        let row = table.lines().last().expect("a row");
        assert_eq!(row.split_whitespace().collect::<Vec<_>>(), ["fire", "fires", "20.0", "300", "10.0", "1/s"]);
    }

    #[test]
    fn a_report_that_names_no_database_is_about_sqlite() {
        let mut older = serde_json::to_value(report(&[100.0])).expect("names and numbers");
        older.as_object_mut().expect("a report").remove("database").expect("what is said today");
        let before: Report = serde_json::from_value(older).expect("what was written is read");
        let table = report(&[150.0]).ratios(&before);
        assert!(table.lines().next().is_some_and(|line| line.ends_with("on SQLite, 1 node")), "{table}");
    }

    #[test]
    fn what_nothing_was_measured_of_is_left_out_and_the_rest_can_be_read_again() {
        let mut report = report(&[100.0]);
        report.add("fire", Sorted::of([]).measures("answer", "ms"));
        let text = serde_json::to_string(&report).expect("names and numbers");
        let read: Report = serde_json::from_str(&text).expect("what was written is read");
        assert_eq!(read.rows.len(), 1);
    }

    #[test]
    fn only_numbers_of_one_size_are_compared() {
        let sized = |of_ten: f64, of_hundred: f64| {
            let mut report = report(&[]);
            let page = |value, size| Measure::less("a page", "ms", value).of(size);
            report.add("growth", vec![page(of_ten, 10), page(of_hundred, 100)]);
            report
        };
        let text = serde_json::to_string(&sized(1.0, 2.0)).expect("names and numbers");
        let before: Report = serde_json::from_str(&text).expect("what was written is read");
        let table = sized(1.0, 6.0).ratios(&before);
        let row = table.lines().last().expect("a row");
        let words: Vec<_> = row.split_whitespace().collect();
        assert_eq!(words, ["growth", "a", "page,", "of", "100", "6.00", "2.00", "3.00", "worse"]);
    }

    #[test]
    fn what_was_written_can_be_compared_with() {
        let text = serde_json::to_string(&report(&[100.0])).expect("names and numbers");
        let before: Report = serde_json::from_str(&text).expect("what was written is read");
        let table = report(&[150.0]).ratios(&before);
        assert!(table.ends_with("better\n") && table.contains(" 1.50"), "{table}");
    }
}
