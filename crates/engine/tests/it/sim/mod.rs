//! The simulator: days of a small oncue in a fraction of a second, from a seed. The store is the reference model behind a
//! wrapper that refuses and loses answers, the clock is moved by hand, the network follows the seed, and the loops' steps
//! are called one by one, so that a crash between any two of them is simply not calling the next one. No runtime, no
//! sleeping, no socket: with such doors every future is ready at once.
//!
//! `world` holds the parts together, `workload` decides what happens next, `redelivery` sends again and cancels, `calendars` keeps one, `promises` says what
//! must hold. A failure prints the seed and how to see it again.

mod auditor;
mod calendars;
pub(crate) mod chance;
mod clock_steps;
mod faults;
mod held;
mod ledger;
mod network;
mod overlap;
mod promises;
mod redelivery;
mod workload;
mod world;

use workload::Workload;

/// How many seeds a run tries.
const RUNS: u64 = 100;

/// How many steps a seed is good for.
const STEPS: usize = 500;

/// Says on the way out of a failed test how to see it again.
struct Replay(u64);

impl Drop for Replay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("repeat it with: ONCUE_SEED={} cargo test -p oncue-engine --test it sim", self.0);
        }
    }
}

fn number_from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number in the environment"))
}

#[test]
fn whatever_happens_the_promises_hold() {
    if let Some(seed) = number_from_environment("ONCUE_SEED") {
        run(seed);
        return;
    }
    let mut sum = world::Tally::default();
    for seed in 0..number_from_environment("ONCUE_SIM_RUNS").unwrap_or(RUNS) {
        sum.add(&run(seed));
    }
    println!("{sum:?}");
    // A promise about something that never happened is worth nothing.
    sum.assert_everything_happened();
}

fn run(seed: u64) -> world::Tally {
    let _replay = Replay(seed);
    let mut workload = Workload::new(seed);
    for _ in 0..STEPS {
        workload.step();
    }
    workload.heal()
}
