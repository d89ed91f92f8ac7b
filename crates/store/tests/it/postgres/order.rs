//! A destination that takes deliveries in order, of which many nodes log, claim and settle at once.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use oncue_domain::destination::Definition;
use oncue_domain::id::EventId;
use oncue_domain::trigger;

use super::Nodes;
use crate::bench::{answered, api, destination, given_up, t};

/// How many events each of two nodes logs.
const EVENTS: usize = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_what_goes_in_order_one_is_under_way_over_all_nodes_and_none_overtakes() {
    let nodes = Nodes::begin(3).await;
    let owner = nodes.user("a").await;
    let first = &nodes.nodes[0];
    let said = Definition { in_order: true, ..destination("in line") };
    let made = first.store.create_destination(owner, said, t(0)).await.expect("an answer").expect("room");
    let sender = trigger::Definition { destinations: vec![made.id], ..api("sender") };
    let sender = first.trigger(owner, sender).await.id;
    let log = async |node: usize| {
        for _ in 0..EVENTS {
            nodes.nodes[node].fire(owner, sender, None, t(0)).await;
        }
    };
    let under_way: Arc<Mutex<Option<EventId>>> = Arc::default();
    let ended: Arc<Mutex<Vec<EventId>>> = Arc::default();
    let deliver = async |node: usize| {
        let store = &nodes.nodes[node].store;
        while ended.lock().expect("no panic").len() < 2 * EVENTS {
            for claim in store.claim_deliveries(t(1), 100).await.expect("claims") {
                let before = under_way.lock().expect("no panic").replace(claim.event.id);
                assert_eq!(before, None, "{} is under way beside it", claim.event.id);
                tokio::time::sleep(Duration::from_millis(1)).await;
                ended.lock().expect("no panic").push(claim.event.id);
                *under_way.lock().expect("no panic") = None;
                let is_given_up = claim.event.id.0 % 5 == 0;
                let settlement = if is_given_up { given_up(&claim, t(1)) } else { answered(&claim, 200, t(1)) };
                store.settle(vec![settlement]).await.expect("a settlement");
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), async {
        tokio::join!(log(0), log(1), deliver(0), deliver(1), deliver(2))
    })
    .await
    .expect("the line moves on");
    let ended = ended.lock().expect("no panic").clone();
    assert!(ended.is_sorted(), "{ended:?}");
    assert_eq!(first.store.owed_counts().await.expect("an answer").owed, 0);
}
