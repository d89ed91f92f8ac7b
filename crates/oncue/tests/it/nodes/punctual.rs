//! Who makes a trigger for in a moment need not be the node that fires it: whichever does is on time.

use jiff::SignedDuration;
use oncue_throwaway::Durability;
use serde_json::{Value, json};

use super::crew::{Crew, make};
use crate::support::time::{in_ms, instant};
use crate::support::wait::until;

const TRIGGERS: usize = 30;

/// Above this something was left lying for another node.
const LATE_AT_MOST: SignedDuration = SignedDuration::from_secs(1);

#[test]
fn a_trigger_for_a_second_from_now_fires_on_time_whichever_node_it_was_made_on() {
    let crew = Crew::start(3, Durability::Quick);
    let ann = crew.user();
    let at_each = crew.at_each(&ann);
    for client in at_each.iter().cycle().take(TRIGGERS) {
        make(client, &json!({"type": "scheduled", "schedule_details": {"run_at": in_ms(1000)}}));
    }
    let events = until("all of them fire", || {
        let events = ann.get("/api/v1/event_logs").is(200).list();
        (events.len() >= TRIGGERS).then_some(events)
    });
    assert_eq!(events.len(), TRIGGERS, "each fires once");
    let late = |event: &Value| instant(&event["created_at"]).duration_since(instant(&event["scheduled_at"]));
    let mut lateness: Vec<SignedDuration> = events.iter().map(late).collect();
    lateness.sort_unstable();
    let (median, longest) = (lateness[TRIGGERS / 2], lateness[TRIGGERS - 1]);
    println!("lateness of {TRIGGERS} triggers made on three nodes a second before: median {median}, longest {longest}");
    assert!(lateness[0] >= SignedDuration::ZERO, "fired before its time: {}", lateness[0]);
    assert!(longest < LATE_AT_MOST, "late by {longest}");
}
