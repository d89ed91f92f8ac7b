//! A node whose database keeps it waiting is there all the same: nobody who starts meanwhile takes its silence for an absence.

use std::thread;
use std::time::Duration;

use oncue_throwaway::Durability;
use serde_json::json;

use super::crew::{Crew, DATABASE, Node, make};
use crate::support::wait::until;

/// Longer than a silence is borne, and less than a statement waits for a lock.
const HELD_UP_FOR: Duration = Duration::from_millis(3300);

#[test]
fn a_node_that_starts_while_another_waits_for_its_commit_skips_nothing_of_that_one_s() {
    let mut crew = Crew::start(1, Durability::Quick);
    let ann = crew.user();
    make(&ann, &json!({"type": "scheduled", "schedule_details": {"every": "1s"}}));
    let events = |crew: &Crew| crew.number("SELECT count(*) FROM events");
    until("the clock ticks", || (events(&crew) > 0).then_some(()));
    let absences = crew.number("SELECT count(*) FROM absences");
    let url = crew.cluster.url(DATABASE);
    let second = thread::scope(|scope| {
        let holding =
            scope.spawn(|| crew.sql("BEGIN; LOCK TABLE events IN EXCLUSIVE MODE; SELECT pg_sleep(6); COMMIT"));
        // Only who writes events waits for this lock.
        let waits =
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        until("a commit waits", || (crew.number(waits) > 0).then_some(()));
        // Only the database's clock tells how long the first one has not come back from its look.
        thread::sleep(HELD_UP_FOR);
        let second = Node::launch(&url).ready();
        drop(holding.join().expect("no panic"));
        second
    });
    crew.nodes.push(second);
    let before = events(&crew);
    until("the clock ticks on", || (events(&crew) > before + 2).then_some(()));
    assert_eq!(crew.number("SELECT count(*) FROM absences"), absences, "somebody was there all the time");
    assert_eq!(crew.number("SELECT count(*) FROM skipped"), 0);
}
