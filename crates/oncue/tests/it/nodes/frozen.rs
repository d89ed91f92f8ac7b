//! A node that was halted for longer than a silence is borne wakes up in the middle of what it was doing, and others have done
//! it meanwhile. Nothing that it still writes may count.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use oncue_throwaway::Durability;
use serde_json::json;

use super::crew::{Crew, make, make_many};
use super::database;
use crate::support::receiver::{Receiver, Reply};
use crate::support::time::micros;
use crate::support::wait::until;

/// How many triggers are due at the instant at which the node is halted.
const AT_ONCE: usize = 80;

/// How long after that instant it is halted, in each round: somewhere between looking and being done.
const HALTED_AFTER_MS: [i64; 3] = [2, 12, 35];

const CALLS: usize = 8;

#[test]
fn a_node_that_was_frozen_changes_nothing_that_others_took_over() {
    // So slow that the frozen node has requests under way, and so quick that the others are done before it wakes.
    let receiver = Receiver::scripted(|_, _| Reply::Slow(Duration::from_millis(700), 200));
    let crew = Crew::start(2, Durability::Quick);
    let ann = crew.user();
    let at_each = crew.at_each(&ann);
    let api = make(&ann, &json!({"type": "api", "webhook_url": receiver.url()}));
    let mut taken_twice = 0;
    for (round, after_ms) in HALTED_AFTER_MS.into_iter().enumerate() {
        let due_at = micros(Timestamp::now() + SignedDuration::from_secs(8));
        let body = json!({"type": "scheduled", "schedule_details": {"run_at": due_at.to_string()}});
        make_many(&at_each, AT_ONCE, &body);
        let before = receiver.received().len();
        sleep_until(due_at - SignedDuration::from_millis(300));
        for number in 0..CALLS {
            at_each[0].post(&format!("/api/v1/triggers/{api}/fire"), &json!({"round": round, "n": number})).is(200);
        }
        receiver.wait_for(before + 1);
        sleep_until(due_at + SignedDuration::from_millis(after_ms));
        crew.nodes[0].process.freeze();
        let began_again = crew.nodes[0].log().matches("begins again").count();
        let expected = (round + 1) * AT_ONCE;
        until("the other node fires everything", || (scheduled_events(&crew) >= expected).then_some(()));
        until("the other node delivers everything", || (crew.number("SELECT count(*) FROM outbox") == 0).then_some(()));
        let settled = crew.sql("SELECT * FROM attempts ORDER BY event_id, number");
        crew.nodes[0].process.thaw();
        until("the frozen node begins again", || {
            (crew.nodes[0].log().matches("begins again").count() > began_again).then_some(())
        });
        // Its requests have been answered meanwhile; what it makes of that is void.
        until("it is ready", || crew.nodes[0].process.is_ready());
        thread::sleep(Duration::from_millis(1000));
        assert_eq!(scheduled_events(&crew), expected, "an occurrence fired twice in round {round}");
        assert_eq!(
            crew.sql("SELECT * FROM attempts ORDER BY event_id, number"),
            settled,
            "it settled what was not its own"
        );
        let mut times: BTreeMap<String, usize> = BTreeMap::new();
        receiver.received().iter().for_each(|one| *times.entry(one.webhook_id().to_owned()).or_default() += 1);
        taken_twice = times.values().filter(|times| **times > 1).count();
    }
    println!("{taken_twice} deliveries were taken over from a frozen node");
    assert!(taken_twice > 0, "it had nothing under way when it was frozen: this proved nothing");
    assert_eq!(database::complaints(&crew), Vec::<String>::new());
}

fn scheduled_events(crew: &Crew) -> usize {
    usize::try_from(crew.number("SELECT count(*) FROM events WHERE scheduled_at IS NOT NULL")).expect("a count")
}

fn sleep_until(instant: Timestamp) {
    thread::sleep(Duration::try_from(instant.duration_since(Timestamp::now())).unwrap_or_default());
}
