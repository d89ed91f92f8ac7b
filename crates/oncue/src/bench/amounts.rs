//! Numbers of one's own: how much a scenario does, where somebody wants to know it for more or less than what it does by
//! itself. A number that nothing of what is measured would read is refused, so that nobody takes a result for an answer to it.

use anyhow::bail;
use clap::{Args, ValueEnum};

use super::scenario::Scenario;

/// So many calls in a second at most: more than a machine that runs the load as well can make.
const RATE_MAX: i64 = 200_000;

/// So many triggers at most.
const TRIGGERS_MAX: i64 = 1_000_000;

/// A day.
const SECONDS_MAX: i64 = 86_400;

/// So many events at least: fewer leave some of the pages empty that are asked for, where those that are written together have
/// one instant.
const EVENTS_MIN: i64 = 2_000;

/// So many events at most: some gigabytes of disk.
const EVENTS_MAX: i64 = 10_000_000;

/// Where in the second triggers fire that fire every second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Instants {
    /// Evenly over it.
    Spread,
    /// All at its beginning.
    AtOnce,
}

/// What was asked for; what was not, each scenario decides for itself.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(super) struct Amounts {
    /// For fire: how many calls a second at its fixed rate [default: 5000]
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=RATE_MAX))]
    pub(super) rate: Option<u32>,
    /// For steady: how many triggers fire every second [default: 1000]; for backlog: the same [default: 200]; for growth: up to how many
    /// [default: 1000000]
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=TRIGGERS_MAX))]
    pub(super) triggers: Option<u32>,
    /// For steady, ceiling, backlog and the fixed rate of fire: for how long [default: 20, for fire 10]
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=SECONDS_MAX))]
    pub(super) seconds: Option<u32>,
    /// For steady: where in the second they fire [default: one after the other]
    #[arg(long, value_enum)]
    pub(super) instants: Option<Instants>,
    /// For list: of how many events [default: 1000000]; for growth: up to how many [default: 10000000]
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(EVENTS_MIN..=EVENTS_MAX))]
    pub(super) events: Option<u32>,
}

impl Amounts {
    /// Whether each number is about something of what is measured.
    pub(super) fn check(&self, scenarios: &[Scenario]) -> anyhow::Result<()> {
        for (flag, is_given, readers) in [
            ("--rate", self.rate.is_some(), &[Scenario::Fire][..]),
            ("--triggers", self.triggers.is_some(), &[Scenario::Steady, Scenario::Backlog, Scenario::Growth]),
            (
                "--seconds",
                self.seconds.is_some(),
                &[Scenario::Steady, Scenario::Ceiling, Scenario::Backlog, Scenario::Fire],
            ),
            ("--instants", self.instants.is_some(), &[Scenario::Steady]),
            ("--events", self.events.is_some(), &[Scenario::List, Scenario::Growth]),
        ] {
            if is_given && !readers.iter().any(|reader| scenarios.contains(reader)) {
                let names: Vec<_> = readers.iter().map(|reader| reader.name()).collect();
                bail!("{flag} is about {}, which is not measured here; name it, or leave out {flag}", names.join(", "));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_nothing_reads_is_refused_and_says_who_would() {
        let amounts = Amounts { rate: Some(5), ..Amounts::default() };
        amounts.check(&[Scenario::Idle, Scenario::Fire]).expect("fire reads it");
        let refusal = amounts.check(&[Scenario::Idle]).expect_err("nobody reads it").to_string();
        assert!(refusal.starts_with("--rate is about fire"), "{refusal}");
        Amounts::default().check(&[Scenario::Idle]).expect("nothing was asked for");
    }
}
