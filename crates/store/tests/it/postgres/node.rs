//! Nodes that end, fall silent, come back, and wake up late: what they held is delivered by another, once.

use std::sync::mpsc;

use oncue_domain::delivery::{Claim, State};
use oncue_domain::id::EventId;
use oncue_domain::store::Change;

use super::{Nodes, until};
use crate::bench::{Bench, answered, api, claim_all, t};

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
