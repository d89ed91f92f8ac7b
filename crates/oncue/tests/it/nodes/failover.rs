//! The primary dies, its synchronous standby takes its place, and the nodes, which know of both, go on without a restart.

use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use oncue_throwaway::Durability;

use super::crew::{self, Crew, DATABASE, Node};
use super::timeline::Timeline;
use super::trial::prove;
use crate::harness::chance::{Chance, seed};
use crate::harness::load::Amount;
use crate::support::wait::until;

#[test]
fn nothing_acknowledged_is_lost_when_the_primary_dies_and_its_standby_takes_over() {
    let seed = seed();
    let replay = format!("ONCUE_SEED={seed} cargo test -p oncue --test it nodes::failover");
    let primary = crew::database(Durability::Real);
    let standby = primary.synchronous_standby().expect("a standby");
    let url = format!("postgres://postgres@127.0.0.1:{},127.0.0.1:{}/{DATABASE}", primary.port(), standby.port());
    let launched: Vec<Node> = (0..3).map(|_| Node::launch(&url)).collect();
    let mut crew = Crew { nodes: launched.into_iter().map(Node::ready).collect(), cluster: primary };
    let amount = Amount { slow: 40, one_shots: 30, apart_ms: 500, rests_ms: (5, 10) };
    let evidence = prove(&mut crew, &mut Chance::from_seed(seed), &amount, &replay, |crew, stage, mut chance| {
        let mut timeline = Timeline::begin(crew.nodes.len(), Timestamp::now());
        chance.pause(3000, 5000);
        let killed_at = Timestamp::now();
        crew.cluster.kill().expect("the primary is killed");
        timeline.database.end(killed_at, Timestamp::now());
        chance.pause(0, 1500);
        let promoted_at = Timestamp::now();
        standby.promote().expect("the standby takes over");
        timeline.database.begin(promoted_at, Timestamp::now());
        crew.cluster = standby;
        until("every node finds the new primary", || {
            crew.nodes.iter().all(|node| node.process.is_ready().is_some()).then_some(())
        });
        println!(
            "{} from the death to the last node that found the new primary",
            Timestamp::now().duration_since(killed_at)
        );
        assert!(stage.present().is_some(), "nobody left the stage");
        thread::sleep(Duration::from_secs(5));
        timeline
    });
    let acknowledged = evidence.book.firings.values().flatten().count();
    assert!(acknowledged > 50, "too few calls were acknowledged to prove anything: {acknowledged}");
}
