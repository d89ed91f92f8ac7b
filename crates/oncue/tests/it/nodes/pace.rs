//! What a destination says of its pace, where several nodes send to it: a rate is one for all of them together, and how many at once
//! is counted on each.

use std::sync::atomic::Ordering;
use std::time::Duration;

use oncue_throwaway::Durability;
use serde_json::json;

use super::crew::Crew;
use crate::harness::pace::{BURST, PER_SECOND, complaints, counting, distinct, trigger};
use crate::support::receiver::Receiver;
use crate::support::wait::until_within;

/// A node's death is noticed after three seconds, and all of this is on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

const CALLS: usize = 70;

#[test]
fn a_rate_holds_for_all_nodes_together_also_when_one_is_killed() {
    let receiver = Receiver::start();
    let mut crew = Crew::start(2, Durability::Quick);
    let ann = crew.user();
    let of = trigger(&ann, &receiver, &json!({"rate": {"count": PER_SECOND, "burst": BURST}}));
    let at_each = crew.at_each(&ann);
    for number in 0..CALLS {
        at_each[number % 2].post(&format!("/api/v1/triggers/{of}/fire"), &json!({"n": number})).is(200);
    }
    until_within(PATIENCE, "some have come", || (distinct(&receiver) >= BURST + 15).then_some(()));
    crew.nodes[1].process.kill();
    crew.nodes[1].launch_again();
    until_within(PATIENCE, "all have come", || (distinct(&receiver) == CALLS).then_some(()));
    let received = receiver.received();
    assert_eq!(complaints(&received), Vec::<String>::new());
    let took = received[received.len() - 1].at.duration_since(received[0].at);
    assert!(took > Duration::from_secs(((CALLS - BURST) / PER_SECOND - 1) as u64), "{took:?}");
}

#[test]
fn each_node_has_as_many_exchanges_under_way_as_a_destination_says() {
    let (receiver, most) = counting(Duration::from_millis(250));
    let crew = Crew::start(2, Durability::Quick);
    let ann = crew.user();
    let of = trigger(&ann, &receiver, &json!({"parallelism": 2}));
    let at_each = crew.at_each(&ann);
    for number in 0..CALLS {
        at_each[number % 2].post(&format!("/api/v1/triggers/{of}/fire"), &json!({"n": number})).is(200);
    }
    until_within(PATIENCE, "all have come", || (distinct(&receiver) == CALLS).then_some(()));
    let most = most.load(Ordering::SeqCst);
    assert!((3..=4).contains(&most), "two nodes had {most} at once, together");
}
