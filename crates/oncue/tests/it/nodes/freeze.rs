//! A freeze that one node is asked for holds on all of them from its answer on, whichever is killed meanwhile, and every occurrence is
//! accounted for.

use std::time::Duration;

use oncue_throwaway::Durability;
use serde_json::json;

use super::crew::{Crew, make_many};
use crate::support::wait::{until, until_within};

const TRIGGERS: i64 = 60;

const ROUNDS: usize = 6;

/// In which round a node is killed.
const KILLED_IN: usize = 3;

/// A node's death is noticed after three seconds, and all of this is on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

const FROZEN: &str = "SELECT coalesce(sum(count), 0) FROM skipped WHERE reason = 'frozen'";

/// Triggers of which an occurrence, one a second from the first event to what the trigger waits for, has neither an event nor a record, or has both.
const ASTRAY: &str = "
    SELECT count(*)
    FROM cursors
    WHERE (next_at - (SELECT min(scheduled_at) FROM events WHERE events.trigger_id = cursors.trigger_id)) / 1000000
       <> (SELECT count(*) FROM events WHERE events.trigger_id = cursors.trigger_id)
        + (SELECT coalesce(sum(count), 0) FROM skipped WHERE skipped.trigger_id = cursors.trigger_id)";

#[test]
fn a_freeze_that_one_node_is_asked_for_holds_on_all_of_them_from_its_answer_on() {
    let mut crew = Crew::start(2, Durability::Quick);
    let ann = crew.user();
    let at_each = crew.at_each(&ann);
    let every_second = json!({"type": "scheduled", "schedule_details": {"every": "1s"}});
    make_many(&at_each, usize::try_from(TRIGGERS).expect("small"), &every_second);
    let events = |crew: &Crew| crew.number("SELECT count(*) FROM events");
    until_within(PATIENCE, "they fire", || (events(&crew) > 2 * TRIGGERS).then_some(()));
    for round in 0..ROUNDS {
        at_each[round % 2].post("/api/v1/freeze", &json!({})).is(200);
        let (fired, frozen) = (events(&crew), crew.number(FROZEN));
        if round == KILLED_IN {
            crew.nodes[0].process.kill();
            crew.nodes[0].launch_again();
        }
        until_within(PATIENCE, "they are passed over", || (crew.number(FROZEN) > frozen + 2 * TRIGGERS).then_some(()));
        assert_eq!(events(&crew), fired, "something fired after the answer, in round {round}");
        if round == KILLED_IN {
            until("it is ready", || crew.nodes[0].process.is_ready());
        }
        at_each[(round + 1) % 2].delete("/api/v1/freeze").is(204);
        until_within(PATIENCE, "they fire again", || (events(&crew) > fired + TRIGGERS).then_some(()));
    }
    assert_eq!(crew.number(ASTRAY), 0);
}
