//! Three nodes on one database under load, and everything that can happen to them, at random: the great test of this folder.
//!
//! `ONCUE_NODES_SECONDS` sets how long it goes on; `ONCUE_SEED` repeats the choices of a run (not the machine's timing).

use std::time::Duration;

use oncue_throwaway::Durability;

use super::crew::Crew;
use super::faults::{Diary, Faults};
use super::trial::prove;
use crate::harness::chance::{Chance, number_from, seed};
use crate::harness::doubt;
use crate::harness::load::Amount;

const SECONDS_UNASKED: u64 = 65;

#[test]
fn nothing_is_lost_and_nothing_fires_twice_whatever_happens_to_nodes_and_database() {
    let seconds = number_from("ONCUE_NODES_SECONDS").unwrap_or(SECONDS_UNASKED);
    let seed = seed();
    let replay = format!("ONCUE_SEED={seed} ONCUE_NODES_SECONDS={seconds} cargo test -p oncue --test it nodes::chaos");
    let apart_ms = 600;
    let one_shots = i64::try_from(seconds * 1000).expect("a bearable time") / apart_ms;
    let amount = Amount { slow: 150, one_shots, apart_ms, rests_ms: (8, 20) };
    let mut crew = Crew::start(3, Durability::Real);
    let mut diary = Diary::default();
    let evidence = prove(&mut crew, &mut Chance::from_seed(seed), &amount, &replay, |crew, stage, chance| {
        Faults::new(crew, stage, chance, &mut diary).run(Duration::from_secs(seconds))
    });
    assert!(diary.faults >= seconds / 3, "so few faults in {seconds} s prove little");
    let impossible = doubt::the_check(&evidence);
    assert!(impossible.len() <= 4, "too little happened to be doubted: {impossible:?}");
}
