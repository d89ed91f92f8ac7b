//! `oncue bench shards`: how a hundred million triggers would lie on the shards of a distributed database, and which shard has
//! the most to do. It is a calculation about owners who do not exist, so it says nothing about how fast oncue is; it answers
//! what docs/scale.md asks: by which column to distribute. Pure from the seed to the rows: no server, no database, no clock, and
//! no more memory for more triggers.

mod load;
mod outcome;
mod population;
mod spread;

use std::path::PathBuf;

use clap::Args;

use outcome::Outcome;
use population::Population;
use spread::Spread;

/// So many triggers at most: minutes for the calculation.
const TRIGGERS_MAX: u64 = 10_000_000_000;

/// So many owners at most.
const OWNERS_MAX: u64 = 1_000_000_000;

/// So many shards at most.
const SHARDS_MAX: u64 = 4096;

/// What to distribute, over what.
#[derive(Args)]
pub(super) struct ShardsFlags {
    /// How many triggers there are
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, default_value_t = 100_000_000, value_parser = clap::value_parser!(u64).range(1..=TRIGGERS_MAX))]
    triggers: u64,
    /// To how many owners they belong
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=OWNERS_MAX))]
    owners: u64,
    /// How unequal the owners are: the one of rank r has a share that goes with 1/r to this power; 0 makes them equal
    #[arg(long, value_name = "POWER", allow_negative_numbers = true, default_value_t = 1.0, value_parser = parse_skew)]
    skew: f64,
    /// Over how many shards, separated by commas
    #[arg(long, value_name = "NUMBERS", default_values_t = [4, 16, 64], value_delimiter = ',', value_parser = clap::value_parser!(u64).range(1..=SHARDS_MAX))]
    shards: Vec<u64>,
    /// How many firings one shard logs in a second, for the time that a burst takes
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, default_value_t = 3_000, value_parser = clap::value_parser!(u64).range(1..))]
    rate: u64,
    /// What is left to chance follows from this number
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, default_value_t = 1)]
    seed: u64,
    /// Write the rows to this file, as JSON
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

fn parse_skew(text: &str) -> Result<f64, &'static str> {
    let skew: f64 = text.parse().map_err(|_| "this is not a number.")?;
    if (0.0..=4.0).contains(&skew) { Ok(skew) } else { Err("this is not between 0 and 4.") }
}

/// Calculates, and says what came of it.
pub(super) fn run(flags: &ShardsFlags) -> anyhow::Result<()> {
    let population = Population { triggers: flags.triggers, owners: flags.owners, skew: flags.skew, seed: flags.seed };
    let outcome = calculate(&population, &flags.shards, flags.rate);
    print!("{}", outcome.table());
    if let Some(path) = &flags.out {
        outcome.write(path)?;
        eprintln!("bench: results written to {}", path.display());
    }
    Ok(())
}

/// Every trigger is looked at once, for all numbers of shards together.
fn calculate(population: &Population, shards: &[u64], rate: u64) -> Outcome {
    let mut spreads: Vec<Spread> = shards.iter().map(|count| Spread::over(*count, population.triggers)).collect();
    for owner in population.owners() {
        for spread in &mut spreads {
            spread.begin(&owner);
        }
        for trigger in population.triggers_of(&owner) {
            for spread in &mut spreads {
                spread.add(&trigger);
            }
        }
        for spread in &mut spreads {
            spread.end();
        }
    }
    Outcome::of(population, spreads, rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn few() -> Population {
        Population { triggers: 200_000, owners: 5_000, skew: 1.0, seed: 7 }
    }

    #[test]
    fn the_same_seed_gives_the_same_rows_and_another_does_not() {
        let rows = |population: &Population| {
            serde_json::to_string(&calculate(population, &[4, 16], 3_000)).expect("names and numbers are JSON")
        };
        assert_eq!(rows(&few()), rows(&few()));
        assert_ne!(rows(&few()), rows(&Population { seed: 8, ..few() }));
    }

    #[test]
    fn an_owner_lies_on_one_shard_unless_rows_are_distributed_by_trigger() {
        let outcome = calculate(&few(), &[16], 3_000);
        let shards_an_owner = |name: &str| outcome.row(16, name).shards_an_owner;
        assert_eq!(shards_an_owner("owner"), 1.0);
        assert_eq!(shards_an_owner("owner, largest moved"), 1.0);
        assert!(shards_an_owner("trigger") > 5.0, "forty triggers each, on sixteen shards");
        assert!((1.0..2.0).contains(&shards_an_owner("owner, largest split")), "few are large");
    }

    #[test]
    fn the_largest_owner_bounds_what_distributing_by_owner_can_reach() {
        let outcome = calculate(&few(), &[64], 3_000);
        let skew = |name: &str| outcome.row(64, name).triggers.skew;
        let largest = population_share_of_the_largest(&few()) * 64.0;
        assert!(skew("owner") >= largest && skew("owner, largest moved") >= largest);
        assert!(skew("owner, largest moved") <= skew("owner"));
        assert!(skew("owner, largest split") < largest);
        assert!(skew("trigger") < 1.1);
    }

    fn population_share_of_the_largest(population: &Population) -> f64 {
        let largest = population.owners().next().expect("there is one");
        largest.triggers as f64 / population.triggers as f64
    }
}
