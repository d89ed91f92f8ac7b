//! `oncue bench`: how fast this oncue is on this machine, measured from the outside. A newcomer finds here how the numbers
//! of docs/performance.md come about, and can have their own with one command: a real server process of the same program,
//! a receiver, and a load generator, each scenario with a database of its own. Nothing here may reach into a running
//! server other than by HTTP and by what the system says about its process; and nothing here passes or fails.

mod amounts;
mod cost;
mod database;
mod home;
mod load;
mod machine;
mod pace;
mod receiver;
mod report;
mod scenario;
mod server;
mod shards;
mod sick;
mod threads;
mod watcher;
mod wire;

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};

use amounts::Amounts;
use database::{Facts, Postgres};
use home::Home;
use machine::Machine;
use report::Report;
use scenario::Scenario;
use shards::ShardsFlags;

/// What to measure, and where the results go.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct BenchFlags {
    #[command(subcommand)]
    calculation: Option<Calculation>,
    /// What to measure; when nothing is named, everything but ceiling, backlog and growth
    #[arg(value_enum, value_name = "SCENARIO")]
    scenarios: Vec<Scenario>,
    /// Write the results to this file, as JSON
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print ratios to the results in this file
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
    /// Measure everything so often, and print median, best and worst
    #[arg(long, value_name = "NUMBER", default_value_t = 1, allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,
    /// Small numbers and short times: shows that it works, not how fast it is
    #[arg(long)]
    quick: bool,
    /// Where the databases are made, and removed again; what is measured is this disk [default: the system's temporary folder]
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Measure on this server of PostgreSQL, named by any of its databases; those that are made there are dropped again
    #[arg(long, value_name = "URL", value_parser = Postgres::parse)]
    postgres: Option<Postgres>,
    /// How many servers share the database on PostgreSQL; the load takes turns among them
    #[arg(long, value_name = "NUMBER", default_value_t = 1, requires = "postgres", allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=64))]
    nodes: u32,
    #[command(flatten)]
    amounts: Amounts,
}

impl BenchFlags {
    /// What to measure: what was named, or everything that can be measured there in some minutes.
    fn scenarios(&self) -> anyhow::Result<Vec<Scenario>> {
        let can = |scenario: &Scenario| self.postgres.is_none() || scenario.is_for_shared();
        if let Some(scenario) = self.scenarios.iter().find(|scenario| !can(scenario)) {
            bail!("{} is measured on SQLite only; leave out --postgres, or {0}", scenario.name());
        }
        let all = Scenario::ALL.into_iter().filter(can).collect();
        let scenarios = if self.scenarios.is_empty() { all } else { self.scenarios.clone() };
        self.amounts.check(&scenarios)?;
        Ok(scenarios)
    }
}

/// What is not measured but calculated.
#[derive(Subcommand)]
enum Calculation {
    /// Calculate how 100 million triggers would lie on the shards of a distributed database; needs no server
    Shards(ShardsFlags),
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
    postgres: Option<Postgres>,
    nodes: u32,
    amounts: Amounts,
}

impl Bench {
    /// An empty folder and an empty database.
    async fn home(&self) -> anyhow::Result<Home> {
        let database = match &self.postgres {
            Some(postgres) => Some(postgres.database().await?),
            None => None,
        };
        Home::make(&self.parent, database, self.nodes)
    }

    /// What the servers keep everything in.
    async fn facts(&self) -> anyhow::Result<Facts> {
        match &self.postgres {
            Some(postgres) => postgres.facts(self.nodes).await,
            None => Ok(Facts::default()),
        }
    }
}

/// Measures, and says what came of it.
pub(crate) fn run(flags: &BenchFlags) -> anyhow::Result<()> {
    if let Some(Calculation::Shards(flags)) = &flags.calculation {
        return shards::run(flags);
    }
    let before = flags.compare.as_deref().map(Report::read).transpose()?;
    // The servers run in folders of their own, so what is relative would be another place to each of them.
    let parent = std::path::absolute(flags.folder.clone().unwrap_or_else(std::env::temp_dir))
        .context("The folder cannot be named from here")?;
    let scenarios = flags.scenarios()?;
    let size = if flags.quick { Size::Quick } else { Size::Full };
    let bench = Bench { parent, size, postgres: flags.postgres.clone(), nodes: flags.nodes, amounts: flags.amounts };
    if cfg!(debug_assertions) {
        eprintln!("bench: this is a debug build; its numbers say nothing about oncue");
    }
    // Server, receiver and load share the machine; one thread for the load leaves the most of it to the server.
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("The runtime cannot be started")?;
    let facts = runtime.block_on(bench.facts())?;
    for warning in facts.warnings() {
        eprintln!("bench: {warning}");
    }
    let mut report = Report::new(Machine::look(&bench.parent)?, facts, flags.quick);
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

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        flags: BenchFlags,
    }

    #[test]
    fn what_is_for_one_server_alone_is_not_measured_on_a_database_that_many_share() {
        let scenarios = |line: &str| Cli::try_parse_from(line.split(' ')).expect("flags").flags.scenarios();
        let shared = "bench --postgres postgres://localhost/postgres --nodes 3";
        let all = scenarios(shared).expect("what there is");
        assert_eq!(
            all,
            [
                Scenario::Idle,
                Scenario::Fire,
                Scenario::Create,
                Scenario::Burst,
                Scenario::Steady,
                Scenario::Lanes,
                Scenario::Waiting,
                Scenario::Restart,
                Scenario::List,
            ]
        );
        assert_eq!(scenarios(&format!("{shared} burst")).expect("one of them"), [Scenario::Burst]);
        let refusal = scenarios(&format!("{shared} fire page")).expect_err("page is not among them").to_string();
        assert!(refusal.starts_with("page is measured on SQLite only"), "{refusal}");
        assert_eq!(scenarios("bench").expect("everything"), Scenario::ALL);
    }

    #[test]
    fn numbers_of_ones_own_are_taken_where_something_reads_them_and_refused_elsewhere() {
        let scenarios = |line: &str| Cli::try_parse_from(line.split(' ')).expect("flags").flags.scenarios();
        scenarios("bench steady --triggers 5000 --seconds 600").expect("one command for ten minutes");
        scenarios("bench --rate 100 --events 5000").expect("everything holds what reads them");
        let refusal = scenarios("bench fire --events 5000").expect_err("fire has no events").to_string();
        assert!(refusal.starts_with("--events is about list, growth"), "{refusal}");
        for wrong in ["bench fire --rate 0", "bench steady --triggers -1", "bench list --events 10000001"] {
            assert!(Cli::try_parse_from(wrong.split(' ')).is_err(), "{wrong}");
        }
    }

    #[test]
    fn several_nodes_need_a_database_that_they_can_share() {
        for wrong in
            ["bench --nodes 2", "bench --postgres sqlite:oncue.db", "bench --postgres postgres://one --nodes 0"]
        {
            assert!(Cli::try_parse_from(wrong.split(' ')).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_calculation_is_asked_for_like_a_scenario_and_never_together_with_one() {
        let parsed = |line: &str| Cli::try_parse_from(line.split(' ')).map(|cli| cli.flags);
        let flags = parsed("bench fire burst --repeat 2").expect("scenarios");
        assert!(flags.calculation.is_none() && flags.scenarios == [Scenario::Fire, Scenario::Burst]);
        let flags = parsed("bench shards --triggers 10 --shards 2,3").expect("a calculation");
        assert!(flags.calculation.is_some() && flags.scenarios.is_empty());
        for wrong in ["bench --quick shards", "bench shards --shards 0", "bench shards --skew -1", "bench shards fire"]
        {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }
}
