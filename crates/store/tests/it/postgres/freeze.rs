//! Whoever freezes while nodes fire: what is being committed is waited for, and what comes after has to have known of it.

use std::sync::Arc;

use oncue_domain::freeze::Said;
use oncue_domain::store::Committed;
use tokio_postgres::NoTls;

use super::{Nodes, until};
use crate::bench::{every, t};

/// How many wait for a lock on the test's database.
const WAITING: &str =
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_freeze_waits_for_what_is_being_committed_and_nothing_overtakes_it() {
    let nodes = Nodes::begin(2).await;
    let owner = nodes.user("a").await;
    let id = nodes.nodes[0].trigger(owner, every("1m")).await.id;
    let planned = nodes.nodes[1].planned(owner, id, t(60)).await;

    // A node that carries out plans, and is slow.
    let (slow, line) = tokio_postgres::connect(&nodes.database.url(), NoTls).await.expect("a connection");
    tokio::spawn(line);
    slow.batch_execute("BEGIN; SELECT edition FROM freezing FOR SHARE").await.expect("a lock");

    let store = Arc::clone(&nodes.nodes[0].store);
    let freezing =
        tokio::spawn(async move { store.freeze(Some(owner), Said::default(), t(61)).await.expect("a freeze") });
    until("the freeze waits", async || nodes.database.sql(WAITING) == "1").await;
    assert!(!freezing.is_finished());
    let store = Arc::clone(&nodes.nodes[1].store);
    let late = tokio::spawn(async move { store.commit_plans(vec![planned], t(62)).await.expect("a commit") });
    until("whoever comes later waits behind it", async || late.is_finished() || nodes.database.sql(WAITING) == "2")
        .await;
    assert!(!late.is_finished(), "it has overtaken the freeze");

    slow.batch_execute("COMMIT").await.expect("an end");
    freezing.await.expect("no panic");
    let stale = Committed { plans: 0, stale: vec![id], events: 0, is_outdated: true };
    assert_eq!(late.await.expect("no panic"), stale, "it was made before the freeze");
    assert_eq!(nodes.nodes[0].events(owner).await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_nodes_that_freeze_at_once_make_one_freeze_of_it() {
    let nodes = Nodes::begin(2).await;
    let owner = nodes.user("a").await;
    for round in 1..=10 {
        let freeze = |number: usize| {
            let store = Arc::clone(&nodes.nodes[number].store);
            tokio::spawn(
                async move { store.freeze(Some(owner), Said::default(), t(10 * round)).await.expect("a freeze") },
            )
        };
        let both = [freeze(0), freeze(1)];
        for made in both {
            assert_eq!(made.await.expect("no panic").from, t(10 * round));
        }
        let stands = nodes.nodes[0].store.freezes(t(10 * round)).await.expect("a list");
        assert_eq!((stands.all.len(), stands.edition), (1, 3 * round - 1));
        assert!(nodes.nodes[1].store.thaw(Some(owner), t(10 * round + 5)).await.expect("an answer").is_some());
    }
}
