//! What somebody is at: it is waited for by those who want just that, and by nobody else.

use std::sync::Arc;
use std::time::Duration;

use oncue_domain::event::Origin;
use oncue_domain::store::Fired;

use super::Nodes;
use super::calendar::{somebody, until_waiting};
use crate::bench::{api, t};
use crate::conformance::backlog::with_backlog;

/// Longer than anything takes that waits for nobody, and less than the database lets anybody wait for a lock.
const SOON: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_done_while_somebody_is_at_it_is_left_for_later() {
    let nodes = Nodes::begin(1).await;
    let (node, owner) = (&nodes.nodes[0], nodes.user("a").await);
    let id = with_backlog(node, owner, 3, true, t(200)).await.id;
    let somebody = somebody(&nodes).await;
    for lock in [
        format!("SELECT 1 FROM triggers WHERE id = {id} FOR KEY SHARE"),
        format!("SELECT 1 FROM cursors WHERE trigger_id = {id} FOR UPDATE"),
        format!("SELECT 1 FROM backlogs WHERE trigger_id = {id} FOR NO KEY UPDATE"),
    ] {
        somebody.batch_execute(&format!("BEGIN; {lock}")).await.expect("nobody else is at it");
        let deletion = node.store.delete_done(owner, id, 1, t(60));
        let is_gone = tokio::time::timeout(SOON, deletion).await.expect("it does not wait");
        assert_eq!(is_gone, Ok(false));
        somebody.batch_execute("ROLLBACK").await.expect("an answer");
    }
    assert_eq!(node.store.delete_done(owner, id, 1, t(60)).await, Ok(true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn calls_of_one_owner_that_wait_for_somebody_hold_up_no_other_owners_that_waited() {
    let nodes = Nodes::begin(1).await;
    let node = &nodes.nodes[0];
    let (ann, ben) = (nodes.user("ann").await, nodes.user("ben").await);
    let mut waiting = Vec::new();
    let mut holding = Vec::new();
    for owner in [ann, ben] {
        let edited = node.trigger(owner, api("edited")).await.id;
        let somebody = somebody(&nodes).await;
        let lock = format!("BEGIN; SELECT 1 FROM triggers WHERE id = {edited} FOR NO KEY UPDATE");
        somebody.batch_execute(&lock).await.expect("nobody else is at it");
        holding.push(somebody);
        let (store, call) = (Arc::clone(&node.store), node.call(Origin::Api, None));
        waiting.push(tokio::spawn(async move { store.fire(owner, edited, call, t(1)).await }));
        until_waiting(&nodes, holding.len()).await;
    }
    holding[1].batch_execute("ROLLBACK").await.expect("an answer");
    let fired = tokio::time::timeout(SOON, waiting.remove(1)).await.expect("it waits for nobody any more");
    assert!(matches!(fired.expect("no panic"), Ok(Fired::Event(_))));
    assert!(!waiting[0].is_finished(), "the other one still waits");
    holding[0].batch_execute("ROLLBACK").await.expect("an answer");
    assert!(matches!(waiting.remove(0).await.expect("no panic"), Ok(Fired::Event(_))));
}
