//! `oncue bench`: how fast this oncue is on this machine, measured from the outside. A newcomer finds here how the numbers
//! of docs/performance.md come about, and can have their own with one command: a real server process of the same program,
//! a receiver, and a load generator, each scenario with a database of its own. Nothing here may reach into a running
//! server other than by HTTP and by what the system says about its process; and nothing here passes or fails.

mod load;
mod machine;
mod receiver;
mod report;
mod scenario;
mod server;
mod watcher;
mod wire;

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use machine::Machine;
use report::Report;
use scenario::Scenario;
use server::Folder;

/// What to measure, and where the results go.
#[derive(Args)]
pub(crate) struct BenchFlags {
    /// What to measure; everything when nothing is named
    #[arg(value_enum, value_name = "SCENARIO")]
    scenarios: Vec<Scenario>,
    /// Write the results to this file, as JSON
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print ratios to the results in this file
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
    /// Measure everything so often, and print median, best and worst
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    repeat: u32,
    /// Small numbers and short times: shows that it works, not how fast it is
    #[arg(long)]
    quick: bool,
    /// Where the databases are made, and removed again; what is measured is this disk [default: the system's temporary folder]
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

/// How much to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    /// Enough for numbers that can be published.
    Full,
    /// Enough to see that it works.
    Quick,
}

impl Size {
    /// One of two, by size.
    fn pick<T>(self, full: T, quick: T) -> T {
        match self {
            Size::Full => full,
            Size::Quick => quick,
        }
    }
}

/// Where and how much: what every scenario is given.
struct Bench {
    parent: PathBuf,
    size: Size,
}

impl Bench {
    /// An empty folder for one server.
    fn folder(&self) -> anyhow::Result<Folder> {
        Folder::make(&self.parent)
    }
}

/// Measures, and says what came of it.
pub(crate) fn run(flags: &BenchFlags) -> anyhow::Result<()> {
    let before = flags.compare.as_deref().map(Report::read).transpose()?;
    let parent = flags.folder.clone().unwrap_or_else(std::env::temp_dir);
    let bench = Bench { parent, size: if flags.quick { Size::Quick } else { Size::Full } };
    let mut report = Report::new(Machine::look(&bench.parent)?, flags.quick);
    if cfg!(debug_assertions) {
        eprintln!("bench: this is a debug build; its numbers say nothing about oncue");
    }
    let scenarios = if flags.scenarios.is_empty() { Scenario::ALL.to_vec() } else { flags.scenarios.clone() };
    // Server, receiver and load share the machine; one thread for the load leaves the most of it to the server.
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("The runtime cannot be started")?;
    for round in 1..=flags.repeat.max(1) {
        for scenario in &scenarios {
            eprintln!("bench: {} ({round} of {})", scenario.name(), flags.repeat.max(1));
            let measures = runtime
                .block_on(scenario.run(&bench))
                .with_context(|| format!("the scenario {} failed", scenario.name()))?;
            report.add(scenario.name(), measures);
        }
    }
    print!("{}", report.table());
    if let Some(before) = &before {
        print!("\n{}", report.ratios(before));
    }
    if let Some(path) = &flags.out {
        report.write(path)?;
        eprintln!("bench: results written to {}", path.display());
    }
    Ok(())
}
