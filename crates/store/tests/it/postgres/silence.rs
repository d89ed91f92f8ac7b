//! A server that is frozen: whoever waits is told within seconds, whoever comes later at once, and when it goes on so does
//! everything. Each test has a server of its own to freeze, and a process of its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use oncue_domain::store::{Error, Store};
use oncue_store::postgres::Postgres;
use oncue_store::postgres::address::Address;
use oncue_throwaway::Cluster;

use super::until;
use crate::bench::{api, settings, t};
use crate::database::as_node;

/// A second until it is asked, three of silence, and half of one for an afterthought; the rest is a busy machine. Who is told only by
/// its own statement's limit waits more than 30.
const TOLD_WITHIN: Duration = Duration::from_secs(20);

/// Whoever comes when it is known that the server hangs does not wait; nor does one who comes when it goes on again, beyond the
/// pause between two looks.
const SOON: Duration = Duration::from_secs(5);

/// More than there are connections.
const CALLERS: i64 = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn everybody_is_told_that_the_server_hangs_and_when_it_goes_on_so_do_they() {
    let (cluster, node) = cluster_and_node().await;
    everybody_is_told(cluster, node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn everybody_is_told_although_whoever_asks_has_just_lost_its_connection() {
    let (cluster, node) = cluster_and_node().await;
    let end_it = "SELECT count(pg_terminate_backend(pid)) > 0 FROM pg_stat_activity WHERE query = 'SELECT 1'";
    until("it has asked", async || cluster.sql("postgres", end_it).expect("it answers").trim() == "t").await;
    everybody_is_told(cluster, node).await;
}

async fn cluster_and_node() -> (Cluster, Arc<Postgres>) {
    let cluster = Cluster::start().expect("a server of its own");
    let address = Address::parse(&cluster.url("postgres")).expect("an address");
    let node = Arc::new(Postgres::open(&address, as_node("a"), settings(true)).await.expect("a node"));
    (cluster, node)
}

async fn everybody_is_told(cluster: Cluster, node: Arc<Postgres>) {
    let owner = node.local_user(t(0)).await.expect("a user").id;

    cluster.freeze().expect("it hangs");
    let asked = Instant::now();
    // More than there are connections, and some of them need partitions that are not there.
    let callers = (0..CALLERS).map(|n| {
        let node = Arc::clone(&node);
        tokio::spawn(async move {
            let message = oncue_domain::id::Ids::from_seed([7; 32]).message(t(0));
            let answer = match n % 2 {
                0 => node.triggers(owner, None, 10).await.map(drop),
                _ => node.fire_unkept(owner, api("a").into(), message, t(n * 86_400)).await.map(drop),
            };
            assert!(matches!(answer, Err(Error::Unavailable(_))), "{answer:?}");
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.expect("it is told so");
    }
    assert!(asked.elapsed() < TOLD_WITHIN, "all that waited were told after {:?}", asked.elapsed());
    for _ in 0..20 {
        let asked = Instant::now();
        assert!(matches!(node.user_by_email("a").await, Err(Error::Unavailable(_))));
        assert!(asked.elapsed() < SOON, "whoever comes later is told after {:?}", asked.elapsed());
    }

    cluster.thaw().expect("it goes on");
    let thawed = Instant::now();
    until("it answers again", async || node.user_by_email("a").await.is_ok()).await;
    let message = oncue_domain::id::Ids::from_seed([8; 32]).message(t(0));
    until("it logs again", async || node.fire_unkept(owner, api("b").into(), message, t(1)).await.is_ok()).await;
    assert!(thawed.elapsed() < SOON, "it was taken up again after {:?}", thawed.elapsed());
}
