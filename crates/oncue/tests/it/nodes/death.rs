//! What a node's death delays, and by how much: what fell to it is fired by others, what it was delivering is delivered by others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use oncue_throwaway::Durability;
use serde_json::json;

use super::crew::{Crew, make};
use crate::support::receiver::{OK, Receiver, Reply};
use crate::support::time::instant;
use crate::support::wait::until;

/// A node is noticed to be gone after three seconds; on a busy machine all this takes longer, but not for ever.
const DELAY_AT_MOST: Duration = Duration::from_secs(10);

/// Draining and leaving have ten and three seconds; the rest is a busy machine.
const ENDED_WITHIN: Duration = Duration::from_secs(20);

#[test]
fn a_node_that_is_stopped_takes_its_row_along_however_long_its_deliveries_take() {
    let receiver = Receiver::scripted(|_, _| Reply::Slow(Duration::from_secs(60), 200));
    let mut crew = Crew::start(2, Durability::Quick);
    let ann = crew.user();
    let api = make(&ann, &json!({"type": "api", "webhook_url": receiver.url()}));
    ann.post(&format!("/api/v1/triggers/{api}/fire"), &json!({})).is(200);
    receiver.wait_for(1);
    let told = Instant::now();
    crew.nodes[0].process.terminate();
    assert!(crew.nodes[0].process.wait().success(), "{}", crew.nodes[0].log());
    assert!(told.elapsed() < ENDED_WITHIN, "it took {:?}", told.elapsed());
    assert_eq!(crew.number("SELECT count(*) FROM nodes"), 1, "only the other is left");
    // Nobody had to notice: what the first one held is the other's at once.
    receiver.wait_for(2);
    assert!(!crew.nodes[1].log().contains("was given up"), "{}", crew.nodes[1].log());
}

const CLOCKS: usize = 24;
const CALLS: usize = 24;

#[test]
fn a_death_delays_what_the_node_had_taken_by_a_few_seconds() {
    let is_slow = Arc::new(AtomicBool::new(true));
    let slow = Arc::clone(&is_slow);
    let receiver = Receiver::scripted(move |_, _| match slow.load(Ordering::SeqCst) {
        true => Reply::Slow(Duration::from_secs(12), 200),
        false => OK,
    });
    let mut crew = Crew::start(3, Durability::Quick);
    let ann = crew.user();
    let at_each = crew.at_each(&ann);
    let clocks: Vec<i64> = at_each
        .iter()
        .cycle()
        .take(CLOCKS)
        .map(|client| make(client, &json!({"type": "scheduled", "schedule_details": {"every": "1s"}})))
        .collect();
    let api = make(&ann, &json!({"type": "api", "webhook_url": receiver.url()}));
    // The clocks have begun, and deliveries are under way on the node that will die.
    until("the clocks begin", || clocks.iter().all(|id| fired_by(&ann, *id) > 0).then_some(()));
    for number in 0..CALLS {
        at_each[0].post(&format!("/api/v1/triggers/{api}/fire"), &json!({"n": number})).is(200);
    }
    let under_way: BTreeSet<String> = receiver.wait_for(8).iter().map(|one| one.webhook_id().to_owned()).collect();

    let killed_at = (Instant::now(), Timestamp::now());
    crew.nodes[0].process.kill();
    is_slow.store(false, Ordering::SeqCst);
    let ann = at_each[1].clone();
    let again = until("everything that the node had taken is attempted by others", || {
        let mut again: BTreeMap<String, Instant> = BTreeMap::new();
        for received in receiver.received().into_iter().filter(|received| received.at > killed_at.0) {
            again.entry(received.webhook_id().to_owned()).or_insert(received.at);
        }
        (again.len() == CALLS).then_some(again)
    });
    let taken_over = again.values().map(|at| at.duration_since(killed_at.0)).max().expect("there were some");
    assert!(under_way.iter().all(|id| again.contains_key(id)), "what was under way is attempted again");

    // As long again as it takes to notice a death, so that every share has fallen to the dead node now and then.
    thread::sleep(Duration::from_secs(4).saturating_sub(killed_at.0.elapsed()));
    let until_at = Timestamp::now() - SignedDuration::from_secs(1);
    until("nothing is overdue", || (super::database::armed_until(&crew, until_at.as_microsecond()) == 0).then_some(()));
    let mut longest = SignedDuration::ZERO;
    for id in &clocks {
        let events = ann.get(&format!("/api/v1/event_logs?trigger_id={id}&limit=200")).is(200).list();
        let mut due: Vec<Timestamp> = events.iter().map(|event| instant(&event["scheduled_at"])).collect();
        due.sort_unstable();
        assert!(
            due.windows(2).all(|pair| pair[1].duration_since(pair[0]) == SignedDuration::from_secs(1)),
            "trigger {id} left something out, or fired twice: {due:?}"
        );
        let late =
            events.iter().map(|event| instant(&event["created_at"]).duration_since(instant(&event["scheduled_at"])));
        longest = longest.max(late.max().expect("it fired"));
    }
    println!(
        "after a death: {taken_over:?} until the last delivery was attempted by another node, longest lateness {longest}"
    );
    assert!(taken_over < DELAY_AT_MOST, "{taken_over:?}");
    assert!(longest < SignedDuration::try_from(DELAY_AT_MOST).expect("seconds"), "{longest}");
    until("each delivery is settled once", || (crew.number("SELECT count(*) FROM outbox") == 0).then_some(()));
    let settled = "SELECT count(*) FROM attempts WHERE delivered";
    assert_eq!(crew.number(settled), i64::try_from(CALLS).expect("few"));
}

fn fired_by(ann: &crate::support::client::Client, trigger: i64) -> usize {
    ann.get(&format!("/api/v1/event_logs?trigger_id={trigger}")).is(200).list().len()
}
