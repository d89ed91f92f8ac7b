//! The auditors of several nodes: together they look at every trigger, none at what falls on another; whoever is alone looks at all.

use oncue_domain::id::TriggerId;

use super::{Nodes, until};
use crate::bench::{Bench, every, t};

/// The triggers that fall on the node.
async fn falls_on(node: &Bench) -> Vec<TriggerId> {
    let slice = node.store.inspect(None, 1_000).await.expect("a slice");
    assert_eq!(slice.go_on_after, None);
    slice.triggers.iter().map(|inspected| inspected.trigger.id).collect()
}

#[tokio::test]
async fn nodes_divide_the_triggers_and_whoever_stays_looks_at_all_of_them() {
    let nodes = Nodes::begin(2).await;
    let owner = nodes.user("a").await;
    let mut all = Vec::new();
    for _ in 0..9 {
        all.push(nodes.nodes[0].trigger(owner, every("1m")).await.id);
    }
    until("each has its share", async || {
        let (first, second) = (falls_on(&nodes.nodes[0]).await, falls_on(&nodes.nodes[1]).await);
        let mut both = [first.clone(), second.clone()].concat();
        both.sort_unstable();
        both == all && first.len().abs_diff(second.len()) == 1
    })
    .await;
    // Where a slice ends is no matter of whom its triggers fall on.
    let slice = nodes.nodes[1].store.inspect(Some(all[2]), 3).await.expect("a slice");
    assert_eq!(slice.go_on_after, Some(all[5]));
    assert!((1..=2).contains(&slice.triggers.len()), "{slice:?}");
    nodes.nodes[0].node().close().await;
    until("the other one looks at all", async || falls_on(&nodes.nodes[1]).await == all).await;
    assert!(nodes.nodes[1].store.next_due().await.expect("an answer").is_some_and(|next| next >= t(60)));
}
