//! Work spreads over the nodes, also where one receiver is slow, and what one node has is done by the others when it dies.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use oncue_throwaway::Durability;
use serde_json::json;

use super::crew::{Crew, make_many};
use crate::support::receiver::{Receiver, Reply};
use crate::support::time::micros;
use crate::support::wait::until_within;

const TRIGGERS: usize = 70;

/// How often each of them fires.
const TIMES: i64 = 3;

const FIRINGS: usize = 210;

/// All of them, eight at a time and node, two seconds each, on a busy machine and with one node dead.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn deliveries_to_a_slow_receiver_are_under_way_on_every_node_and_go_on_when_one_dies() {
    let receiver = Receiver::scripted(|_, _| Reply::Slow(Duration::from_secs(2), 200));
    let mut crew = Crew::start(3, Durability::Quick);
    let ann = crew.user();
    let due_at = micros(Timestamp::now() + SignedDuration::from_secs(8));
    let body = json!({
        "type": "scheduled",
        "schedule_details": {"every": "1s", "start_at": due_at.to_string()},
        "expires_at": (due_at + SignedDuration::from_secs(TIMES) - SignedDuration::from_millis(500)).to_string(),
        "webhook_url": receiver.url(),
    });
    make_many(&crew.at_each(&ann), TRIGGERS, &body);
    let count = |crew: &Crew, name: &str| -> Vec<f64> { crew.nodes.iter().map(|node| node.metric(name)).collect() };
    let running = until_within(PATIENCE, "every node is busy", || {
        let running = count(&crew, "oncue_deliveries_running");
        running.iter().all(|running| *running >= 4.0).then_some(running)
    });
    let waiting = count(&crew, "oncue_deliveries_waiting");
    println!("under way on each node: {running:?}, waiting there: {waiting:?}");
    let all: f64 = waiting.iter().sum();
    assert!(all > 0.0, "everything was over too soon to tell");
    for (node, waits) in waiting.iter().enumerate() {
        assert!(*waits < all * 0.6, "node {node} has most of what waits: {waiting:?}");
    }

    let killed_at = Instant::now();
    let arrived = receiver.received().len();
    crew.nodes.remove(0).process.kill();
    let distinct =
        || -> BTreeSet<String> { receiver.received().iter().map(|one| one.webhook_id().to_owned()).collect() };
    until_within(PATIENCE, "everything arrives", || (distinct().len() == FIRINGS).then_some(()));
    until_within(PATIENCE, "everything is settled", || (crew.number("SELECT count(*) FROM outbox") == 0).then_some(()));
    println!(
        "of {FIRINGS} deliveries {arrived} were begun when a node died, the last was settled {:?} later; {} were repeated",
        killed_at.elapsed(),
        receiver.received().len() - FIRINGS
    );
    assert_eq!(crew.number("SELECT count(*) FROM attempts WHERE delivered"), i64::try_from(FIRINGS).expect("few"));
}
