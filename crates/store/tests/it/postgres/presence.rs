//! Whoever begins while others' signs of life are old, because they are gone or because the database was: the others are given the
//! time to show themselves, and only where none does was nobody there. Signs are given by the tests; what nodes do by themselves, and how long
//! they listen, is the nodes' own.

use std::sync::Arc;

use oncue_domain::plan::Absence;
use oncue_domain::store::Store;
use oncue_store::postgres::Postgres;
use oncue_store::postgres::address::Address;
use oncue_throwaway::Cluster;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls};

use super::until;
use crate::bench::{settings, t};
use crate::database::as_node;

/// A node of that name, which its connections carry too.
async fn node(cluster: &Cluster, name: &str) -> Arc<Postgres> {
    let url = format!("{}?application_name={name}", cluster.url("postgres"));
    let address = Address::parse(&url).expect("an address");
    Arc::new(Postgres::open(&address, as_node(name), settings(true)).await.expect("a node"))
}

/// A server of the test's own, and on it a node whose last sign of life, at `t(10)`, the others have heard.
async fn ann_and_her_database() -> (Cluster, Arc<Postgres>) {
    let cluster = Cluster::start().expect("a server of its own");
    let ann = node(&cluster, "ann").await;
    assert_eq!(ann.begin_presence(t(0)).await.expect("an answer"), []);
    ann.sign_of_life(t(10));
    let told = t(10).as_microsecond().to_string();
    until("ann's sign is told", async || ask(&cluster, "SELECT alive_at FROM nodes WHERE name = 'ann'") == told).await;
    (cluster, ann)
}

fn ask(cluster: &Cluster, statement: &str) -> String {
    cluster.sql("postgres", statement).expect("an answer").trim().to_owned()
}

/// Nobody renews ann's row until the transaction ends that is begun here.
async fn hold_ann_s_row(cluster: &Cluster) -> Client {
    let (client, line) = tokio_postgres::connect(&cluster.url("postgres"), NoTls).await.expect("a connection");
    tokio::spawn(line);
    client.batch_execute("BEGIN; SELECT 1 FROM nodes WHERE name = 'ann' FOR UPDATE").await.expect("a lock");
    client
}

/// Begins at `t(100)`; comes back once the node has looked at the others and does not know.
async fn begins(cluster: &Cluster, node: &Arc<Postgres>) -> JoinHandle<Vec<Absence>> {
    let node = Arc::clone(node);
    let begins = tokio::spawn(async move { node.begin_presence(t(100)).await.expect("an answer") });
    // Who knows commits.
    let looked = "SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = 'bob' AND query = 'ROLLBACK'";
    until("bob has looked", async || begins.is_finished() || ask(cluster, looked) == "t").await;
    assert!(!begins.is_finished(), "he does not know yet");
    begins
}

/// From ann's last sign until bob began.
fn whole() -> [Absence; 1] {
    [Absence { from: t(10), to: t(100) }]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_is_the_first_at_a_database_that_was_away_takes_nobody_for_gone() {
    let (cluster, ann) = ann_and_her_database().await;
    cluster.restart().expect("it is away, and back");
    let held = hold_ann_s_row(&cluster).await;
    ann.sign_of_life(t(100));
    let waits = "SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = 'ann' AND wait_event_type = 'Lock'";
    until("ann's beat waits", async || ask(&cluster, waits) == "t").await;
    let bob = node(&cluster, "bob").await;
    let begins = begins(&cluster, &bob).await;
    held.batch_execute("COMMIT").await.expect("ann goes on");
    assert_eq!(begins.await.expect("no panic"), [], "she was there all the time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn when_all_were_gone_and_the_database_too_the_absence_is_found_whole() {
    let (cluster, ann) = ann_and_her_database().await;
    // Killed: her row stays.
    drop(ann);
    cluster.restart().expect("it is away, and back");
    let bob = node(&cluster, "bob").await;
    let begins = begins(&cluster, &bob).await;
    assert_eq!(begins.await.expect("no panic"), whole());
    until("ann is given up", async || ask(&cluster, "SELECT name FROM nodes") == "bob").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_process_that_shows_itself_without_a_sign_of_life_is_nobody() {
    let (cluster, ann) = ann_and_her_database().await;
    cluster.restart().expect("it is away, and back");
    let bob = node(&cluster, "bob").await;
    let begins = begins(&cluster, &bob).await;
    assert_eq!(begins.await.expect("no panic"), whole());
    until("ann is there", async || ann.check().await.is_ok()).await;
    let told = t(10).as_microsecond().to_string();
    assert_eq!(ask(&cluster, "SELECT alive_at FROM nodes WHERE name = 'ann'"), told, "and says what she said");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_that_begin_at_once_after_all_were_gone_find_one_absence() {
    let (cluster, ann) = ann_and_her_database().await;
    drop(ann);
    let (bob, cid) = (node(&cluster, "bob").await, node(&cluster, "cid").await);
    let begins = begins(&cluster, &bob).await;
    let later = cid.begin_presence(t(101)).await.expect("an answer");
    assert_eq!(begins.await.expect("no panic"), later);
    assert_eq!(later.len(), 1, "{later:?}");
    assert_eq!(later[0].from, t(10));
    assert_eq!(ask(&cluster, "SELECT count(*) FROM absences"), "1");
}
