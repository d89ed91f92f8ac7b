//! Firing by hand, which has a transaction of its own for each press: it leaves connections to everybody else, ends without whoever pressed, and
//! finds its partition again.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use oncue_domain::actor::{Actor, Author, Who};
use oncue_domain::event::Origin;
use oncue_domain::id::{Ids, TriggerId, UserId};
use oncue_domain::idempotency::{Key, Keyed, Print};
use oncue_domain::store::{Change, Deed, Done, Error, Fired, Result, Store};

use super::calendar::{somebody, until_waiting};
use super::{Nodes, until};
use crate::bench::{Bench, api, t};

/// Longer than anything takes that waits for nobody, and less than the database lets anybody wait for a lock.
const SOON: Duration = Duration::from_secs(3);

/// The store in its owner's hands.
pub(super) fn by_hand(node: &Bench, owner: UserId) -> Arc<dyn Store> {
    let who = Who::User { id: owner, email: "a@example.com".to_owned() };
    node.store.acting(Author { by: Actor { who, address: None, program: None }, at: t(1) })
}

/// To run a trigger now, under this key.
pub(super) fn under(key: &str, id: TriggerId, node: &Bench) -> Vec<(Keyed, Deed)> {
    let keyed = Keyed { key: Key::from_stored(key.to_owned()), item: 0, print: Print::of(&[b"run"]) };
    vec![(keyed, Deed::Fire(id, node.call(Origin::Run, None)))]
}

/// One more node, that tasks can share.
async fn another(nodes: &Nodes) -> Arc<Bench> {
    let node = nodes.database.node("pressed", true).await;
    Arc::new(Bench::of_node(Arc::new(node), Ids::from_seed([7; 32])))
}

/// Runs a trigger now, under a key where one is given.
async fn run(store: &dyn Store, owner: UserId, id: TriggerId, key: Option<&str>, node: &Bench) -> Result<Fired> {
    let Some(key) = key else { return store.fire(owner, id, node.call(Origin::Run, None), t(1)).await };
    let done = store.once(owner, under(key, id, node), t(1)).await.remove(0)?;
    match done {
        Done::Fired(fired) => Ok(fired),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn however_often_somebody_presses_most_connections_are_everybody_else_s() {
    let nodes = Nodes::begin(1).await;
    let node = another(&nodes).await;
    let (ann, ben) = (nodes.user("ann").await, nodes.user("ben").await);
    let (held, free) = (node.trigger(ann, api("held")).await.id, node.trigger(ben, api("free")).await.id);
    let somebody = somebody(&nodes).await;
    let lock = format!("BEGIN; SELECT 1 FROM triggers WHERE id = {held} FOR NO KEY UPDATE");
    somebody.batch_execute(&lock).await.expect("nobody else is at it");
    let press = |number: usize| {
        let (store, node) = (by_hand(&node, ann), Arc::clone(&node));
        let key = format!("key-{number}");
        tokio::spawn(async move { run(&*store, ann, held, (number.is_multiple_of(2)).then_some(&*key), &node).await })
    };
    let presses: Vec<_> = (0..32).map(press).collect();
    until_waiting(&nodes, 4).await;
    for _ in 0..50 {
        let call = node.store.fire(ben, free, node.call(Origin::Api, None), t(1));
        let fired = tokio::time::timeout(SOON, call).await.expect("it waits for nobody");
        assert!(matches!(fired, Ok(Fired::Event(_))), "{fired:?}");
    }
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    assert_eq!(nodes.database.sql(waiting), "4", "so many at once");
    somebody.batch_execute("ROLLBACK").await.expect("an answer");
    let mut fired = 0;
    for press in presses {
        match press.await.expect("no panic") {
            Ok(Fired::Event(_)) => fired += 1,
            // On a busy machine not all have their turns within three seconds.
            Err(Error::Unavailable(words)) => assert!(words.starts_with("too many are firing by hand"), "{words}"),
            other => panic!("{other:?}"),
        }
    }
    assert!(fired >= 4, "{fired}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_goes_away_while_they_fire_by_hand_has_fired_and_it_is_told() {
    let nodes = Nodes::begin(1).await;
    let (node, owner) = (another(&nodes).await, nodes.user("a").await);
    for key in [None, Some("key")] {
        let id = node.trigger(owner, api("api")).await.id;
        let (say, heard) = mpsc::channel();
        node.store.subscribe(Arc::new(move |change| {
            let _ = say.send(change);
        }));
        let before = node.events(owner).await.len();
        let somebody = somebody(&nodes).await;
        let lock = format!("BEGIN; SELECT 1 FROM triggers WHERE id = {id} FOR NO KEY UPDATE");
        somebody.batch_execute(&lock).await.expect("nobody else is at it");
        let (store, pressed) = (by_hand(&node, owner), Arc::clone(&node));
        let press = tokio::spawn(async move { run(&*store, owner, id, key, &pressed).await });
        until_waiting(&nodes, 1).await;
        press.abort();
        assert!(press.await.is_err_and(|ended| ended.is_cancelled()));
        somebody.batch_execute("ROLLBACK").await.expect("an answer");
        until("it is logged", async || node.events(owner).await.len() == before + 1).await;
        until("it is told", async || heard.try_iter().any(|change| change == Change::Logged(owner))).await;
    }
}

#[tokio::test]
async fn a_partition_that_is_gone_costs_one_press_and_not_all_that_follow() {
    let nodes = Nodes::begin(1).await;
    let (node, owner) = (&nodes.nodes[0], nodes.user("a").await);
    let id = node.trigger(owner, api("api")).await.id;
    let store = by_hand(node, owner);
    let is_fired = |fired: Result<Fired>| matches!(fired, Ok(Fired::Event(_)));
    for (before, lost, again) in [(None, None, None), (Some("before"), Some("lost"), Some("again"))] {
        assert!(is_fired(run(&*store, owner, id, before, node).await));
        nodes.database.sql(
            "DO $$
             DECLARE gone text;
             BEGIN
                 FOR gone IN SELECT inhrelid::regclass FROM pg_inherits
                             WHERE inhparent IN ('events'::regclass, 'attempts'::regclass)
                 LOOP EXECUTE 'DROP TABLE ' || gone; END LOOP;
             END $$",
        );
        assert!(run(&*store, owner, id, lost, node).await.is_err(), "it has no place");
        assert!(is_fired(run(&*store, owner, id, again, node).await), "a place is made for it");
    }
}
