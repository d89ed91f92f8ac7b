//! Nodes that end, fall silent, come back, and wake up late: what they held is delivered by another, once.

use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use oncue_domain::delivery::{Claim, State};
use oncue_domain::event::Origin;
use oncue_domain::id::EventId;
use oncue_domain::store::{Change, Error, Fired};

use super::by_hand::{by_hand, under};
use super::{Nodes, until};
use crate::bench::{Bench, answered, api, claim_all, every, t};

/// Two nodes, and a claim that the first one holds.
async fn held() -> (Nodes, oncue_domain::id::UserId, EventId, Claim) {
    let nodes = Nodes::begin(2).await;
    let owner = nodes.user("a").await;
    let id = nodes.nodes[0].trigger(owner, api("api")).await.id;
    let event = nodes.nodes[0].fire(owner, id, None, t(0)).await;
    let [claim] = nodes.nodes[0].claim_all(t(0)).await.try_into().expect("one claim");
    assert!(nodes.nodes[1].claim_all(t(1)).await.is_empty(), "it is held");
    (nodes, owner, event, claim)
}

async fn state(node: &Bench, owner: oncue_domain::id::UserId, event: EventId) -> (State, usize) {
    let (_, shown) = node.store.event(owner, event, t(-1)).await.expect("an answer").expect("it is there");
    (shown[0].state, shown[0].attempts.len())
}

/// The other node has what the first one held: the same message, and what the first one has to say counts no more.
async fn taken_over(nodes: &Nodes, owner: oncue_domain::id::UserId, former: Claim) {
    let second = &nodes.nodes[1];
    let mut taken = Vec::new();
    until("the claim of a node that is gone", async || {
        taken = claim_all(&*second.store, t(1)).await;
        !taken.is_empty()
    })
    .await;
    let [claim] = taken.try_into().expect("one claim");
    let event = former.event.id;
    assert_eq!((claim.event.id, claim.event.message_id), (event, former.event.message_id));
    let first = &nodes.nodes[0];
    first.store.settle(vec![answered(&former, 200, t(2))]).await.expect("an answer");
    assert_eq!(state(second, owner, event).await, (State::Held, 0), "what was taken over is settled by nobody else");
    second.store.settle(vec![answered(&claim, 200, t(3))]).await.expect("a settlement");
    assert_eq!(state(first, owner, event).await, (State::Delivered, 1));
}

#[tokio::test]
async fn what_a_node_held_that_ends_is_free_at_once() {
    let (nodes, owner, event, claim) = held().await;
    nodes.nodes[0].node().close().await;
    let taken = claim_all(&*nodes.nodes[1].store, t(1)).await;
    assert_eq!(taken.iter().map(|claim| claim.event.id).collect::<Vec<_>>(), [event]);
    let before = state(&nodes.nodes[1], owner, event).await;
    nodes.nodes[0].store.settle(vec![answered(&claim, 200, t(2))]).await.expect("an answer");
    assert_eq!(state(&nodes.nodes[1], owner, event).await, before, "it has nothing to say any more");
}

#[tokio::test]
async fn what_a_node_held_that_falls_silent_is_taken_over_once() {
    let (mut nodes, owner, _, claim) = held().await;
    // It is gone without a word, three seconds ago.
    nodes.nodes.remove(0);
    let third = Nodes::another(&nodes.database, "node 2").await;
    nodes.nodes.insert(0, third);
    nodes.database.sql("UPDATE nodes SET seen_at = seen_at - 4000000 WHERE name = 'node 0'");
    taken_over(&nodes, owner, claim).await;
    assert_eq!(nodes.database.sql("SELECT name FROM nodes ORDER BY name"), "node 1\nnode 2");
}

#[tokio::test]
async fn a_node_that_was_given_up_and_wakes_begins_again_under_another_number() {
    let (nodes, owner, _, claim) = held().await;
    let number = || nodes.database.sql("SELECT id FROM nodes WHERE name = 'node 0'");
    let former = number();
    // What the others do with one that is silent; its next beat finds nothing of it.
    nodes.database.sql("DELETE FROM nodes WHERE name = 'node 0'");
    taken_over(&nodes, owner, claim).await;
    until("another number", async || !number().is_empty()).await;
    assert_ne!(number(), former);
    let id = nodes.nodes[0].trigger(owner, api("again")).await.id;
    let event = nodes.nodes[0].fire(owner, id, None, t(5)).await;
    let claims = nodes.nodes[0].claim_all(t(5)).await;
    assert_eq!(claims.iter().map(|claim| claim.event.id).collect::<Vec<_>>(), [event], "it takes part again");
}

#[tokio::test]
async fn what_waits_in_memory_is_given_out_although_the_table_cannot_be_looked_at() {
    let nodes = Nodes::begin(1).await;
    let owner = nodes.user("a").await;
    let node = &nodes.nodes[0];
    let id = node.trigger(owner, api("api")).await.id;
    let event = node.fire(owner, id, None, t(0)).await;
    nodes.database.sql("ALTER TABLE outbox RENAME TO outbox_elsewhere");
    let claims = node.store.claim_deliveries(t(0), 10).await.expect("what waits in memory");
    assert_eq!(claims.iter().map(|claim| claim.event.id).collect::<Vec<_>>(), [event]);
    nodes.database.sql("ALTER TABLE outbox_elsewhere RENAME TO outbox");
    node.store.settle(vec![answered(&claims[0], 200, t(1))]).await.expect("a settlement");
    assert_eq!(state(node, owner, event).await, (State::Delivered, 1));
}

#[tokio::test]
async fn whoever_comes_back_under_its_name_takes_its_place_at_once() {
    let (mut nodes, _, event, _) = held().await;
    nodes.nodes.remove(0);
    let again = Nodes::another(&nodes.database, "node 0").await;
    let claims = again.claim_all(t(1)).await;
    assert_eq!(claims.iter().map(|claim| claim.event.id).collect::<Vec<_>>(), [event]);
    assert_eq!(nodes.database.sql("SELECT count(*) FROM nodes"), "2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_ends_does_not_begin_again_however_long_its_leave_takes() {
    let mut nodes = Nodes::begin(1).await;
    let node = nodes.nodes.remove(0);
    let database = &nodes.database;
    // Longer than from one beat to the next nobody can say what is owed.
    std::thread::scope(|scope| {
        let holding = scope.spawn(|| database.sql("BEGIN; LOCK TABLE outbox; SELECT pg_sleep(1.5); COMMIT"));
        while database
            .sql("SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 'outbox'::regclass")
            == "0"
        {
            std::thread::yield_now();
        }
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(node.node().close()));
        drop(holding.join().expect("no panic"));
    });
    assert_eq!(nodes.database.sql("SELECT count(*) FROM nodes"), "0");
}

#[tokio::test]
async fn a_node_without_a_row_writes_nothing_and_is_not_well() {
    let nodes = Nodes::begin(1).await;
    let owner = nodes.user("a").await;
    let node = &nodes.nodes[0];
    let called = node.trigger(owner, api("api")).await.id;
    let clock = node.trigger(owner, every("1m")).await.id;
    let plan = node.planned(owner, clock, t(60)).await;
    // A copy has begun, so it may not begin again.
    let copy = "INSERT INTO copies (id, source, begun_at) VALUES ('a', 'b', 0); DELETE FROM nodes";
    nodes.database.sql(copy);
    let is_put_off = |error: Error| matches!(error, Error::Unavailable(_));
    assert!(node.store.commit_plans(vec![plan], t(60)).await.is_err_and(is_put_off));
    assert!(node.store.fire(owner, called, node.call(Origin::Api, None), t(60)).await.is_err_and(is_put_off));
    let by_hand = by_hand(node, owner);
    assert!(by_hand.fire(owner, called, node.call(Origin::Run, None), t(60)).await.is_err_and(is_put_off));
    for store in [&node.store, &by_hand] {
        let done = store.once(owner, under("k", called, node), t(60)).await;
        assert!(done.into_iter().all(|done| done.is_err_and(is_put_off)));
    }
    assert!(node.store.check().await.is_err_and(is_put_off));
    assert_eq!(nodes.database.sql("SELECT count(*) FROM events"), "0");
    assert_eq!(node.node().broken().await, "this node's sign of life", "and its process is told to end");
    assert_eq!(nodes.database.sql("SELECT count(*) FROM nodes"), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn more_tests_at_once_than_there_are_connections_do_not_wait_for_each_other_s_connections() {
    let nodes = Nodes::begin(1).await;
    let owner = nodes.user("a").await;
    let node = &nodes.nodes[0];
    let begun = Instant::now();
    let tests = (0..32).map(|n| {
        let (store, message) = (Arc::clone(&node.store), node.ids.message(t(n)));
        // No partition is there yet for this instant.
        tokio::spawn(async move { store.fire_unkept(owner, api("test").into(), message, t(0)).await })
    });
    let mut logged = 0;
    for test in tests.collect::<Vec<_>>() {
        match test.await.expect("no panic") {
            Ok(fired) => logged += fired.map(|_| 1).expect("it names no destination"),
            // On a busy machine a connection is not free within the three seconds that somebody waits.
            Err(error) => assert!(matches!(error, Error::Unavailable(_)), "{error}"),
        }
    }
    assert!(logged > 0);
    // Those who hold the connections would wait for thirty seconds for one more.
    assert!(begun.elapsed() < Duration::from_secs(20), "they took {:?}", begun.elapsed());
    assert_eq!(
        nodes.database.sql("SELECT count(*) FROM outbox WHERE held_by IS NOT NULL"),
        "0",
        "whoever asked may be gone"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn lists_whose_readers_have_gone_away_keep_their_turns_and_hold_up_nothing_else() {
    let nodes = Nodes::begin(1).await;
    let owner = nodes.user("a").await;
    let node = &nodes.nodes[0];
    let clock = node.trigger(owner, every("1m")).await.id;
    let plan = node.planned(owner, clock, t(60)).await;
    std::thread::scope(|scope| {
        let database = &nodes.database;
        let holding = scope.spawn(|| database.sql("BEGIN; LOCK TABLE firings; SELECT pg_sleep(4); COMMIT"));
        while database
            .sql("SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 'firings'::regclass")
            == "0"
        {
            std::thread::yield_now();
        }
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async {
                for _ in 0..32 {
                    let reading = node.store.recent_firings(owner, vec![clock], t(-1), 20);
                    // Its reader closes the page at once.
                    let gone = tokio::time::timeout(Duration::from_millis(20), reading).await;
                    assert!(gone.is_err(), "it was held up: {gone:?}");
                }
                let begun = Instant::now();
                assert_eq!(node.store.due(t(60), 10).await.expect("an answer").len(), 1);
                assert_eq!(node.store.commit_plans(vec![plan], t(60)).await.expect("a commit").plans, 1);
                assert!(
                    begun.elapsed() < Duration::from_secs(1),
                    "the scheduler was held up for {:?}",
                    begun.elapsed()
                );
            })
        });
        drop(holding.join().expect("no panic"));
    });
}

#[tokio::test]
async fn what_one_node_does_the_others_hear_of() {
    let nodes = Nodes::begin(2).await;
    let owner = nodes.user("a").await;
    let (say, heard) = mpsc::channel();
    nodes.nodes[1].store.subscribe(std::sync::Arc::new(move |change| {
        let _ = say.send(change);
    }));
    let id = nodes.nodes[0].trigger(owner, api("api")).await.id;
    let mut missing = vec![Change::Edited(owner), Change::Logged(owner)];
    // A hint may be lost, also one that is said while the other has not begun to listen.
    until("a hint of each", async || {
        nodes.nodes[0].fire(owner, id, None, t(1)).await;
        nodes.nodes[0].trigger(owner, api("another")).await;
        missing.retain(|change| !heard.try_iter().any(|heard| heard == *change));
        missing.is_empty()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_another_server_said_of_a_revision_is_believed_no_more() {
    let nodes = Nodes::begin(1).await;
    let (node, owner) = (&nodes.nodes[0], nodes.user("a").await);
    let id = node.trigger(owner, api("api")).await.id;
    node.fire(owner, id, None, t(1)).await;
    // As if a server had taken over that has lost an edit and knows of another one by its number.
    nodes.database.sql(&format!("UPDATE triggers SET enabled = FALSE WHERE id = {id}"));
    nodes.database.sql(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
    let is_refused = async || {
        let fired = node.store.fire(owner, id, node.call(Origin::Api, None), t(2)).await;
        matches!(fired, Ok(Fired::Refused(_)))
    };
    until("it is read again", is_refused).await;
}
