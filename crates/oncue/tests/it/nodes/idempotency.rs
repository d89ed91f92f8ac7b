//! One key, several nodes: whichever of them is asked, the call is carried out once; also where the one that carries it out is killed.

use std::collections::BTreeSet;
use std::thread;

use oncue_throwaway::Durability;
use serde_json::json;

use super::crew::{Crew, make};
use crate::support::client::Client;

#[test]
fn what_two_nodes_are_asked_for_at_once_under_one_key_happens_once_even_if_one_is_killed() {
    const KEYS: usize = 60;
    let mut crew = Crew::start(2, Durability::Quick);
    let ann = crew.user();
    let id = make(&ann, &json!({"type": "api"}));
    let path = format!("/api/v1/triggers/{id}/fire");
    let ask = |at: &Client, number: usize| {
        let keyed = at.with("idempotency-key", &format!("key-{number}"));
        keyed.call("POST", &path).json(&json!({"n": number})).try_send().ok().filter(|answer| answer.status == 200)
    };
    let at_each = crew.at_each(&ann);
    let told: Vec<(usize, String)> = thread::scope(|scope| {
        let callers: Vec<_> = [0, 1, 0, 1]
            .map(|node: usize| {
                let (at, ask) = (&at_each[node], &ask);
                scope.spawn(move || {
                    (0..KEYS).filter_map(|number| Some((number, ask(at, number)?.text))).collect::<Vec<_>>()
                })
            })
            .into();
        thread::sleep(std::time::Duration::from_millis(60));
        crew.nodes[1].process.kill();
        callers.into_iter().flat_map(|caller| caller.join().expect("no panic")).collect()
    });
    let numbers: BTreeSet<usize> = told.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers.len(), KEYS, "the node that lives answers all");
    let different: BTreeSet<&(usize, String)> = told.iter().collect();
    assert_eq!(different.len(), KEYS, "and the other has told nothing else: {different:?}");
    assert_eq!(crew.number("SELECT count(*) FROM events"), 60);
    assert_eq!(crew.number("SELECT count(*) FROM idempotency WHERE number IS NOT NULL"), 60);
}
