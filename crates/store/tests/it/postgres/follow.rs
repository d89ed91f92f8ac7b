//! Following events by their numbers while many nodes write: numbers become visible in another order than they were given out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use oncue_domain::event::Origin;
use oncue_domain::id::{EventId, TriggerId, UserId};
use oncue_domain::store::{EventLines, EventPage, EventSearch, Store};
use tokio_postgres::{Client, NoTls};

use super::Nodes;
use crate::bench::{api, every, t};

async fn follow(store: &dyn Store, owner: UserId, after: EventId, limit: usize) -> EventLines {
    store.events_logged_after(owner, EventSearch::default(), after, limit).await.expect("an answer")
}

fn numbers(lines: &EventLines) -> Vec<EventId> {
    lines.lines.iter().map(|line| line.id).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_follows_on_one_node_sees_each_event_of_all_nodes_once() {
    let nodes = Nodes::begin(3).await;
    let (anna, ben) = (nodes.user("anna").await, nodes.user("ben").await);
    let (hers, his) =
        (nodes.nodes[0].trigger(anna, api("hers")).await.id, nodes.nodes[0].trigger(ben, api("his")).await.id);
    let mut timed = Vec::new();
    for _ in 0..20 {
        timed.push(nodes.nodes[0].trigger(anna, every("1m")).await.id);
    }
    let is_over = Arc::new(AtomicBool::new(false));
    let (store, over) = (Arc::clone(&nodes.nodes[2].store), Arc::clone(&is_over));
    let reader = tokio::spawn(async move {
        let (mut seen, mut after) = (Vec::new(), EventId(0));
        loop {
            let was_over = over.load(Ordering::Acquire);
            let lines = follow(&*store, anna, after, 11).await;
            seen.extend(numbers(&lines));
            if was_over && lines.logged_until == after {
                return seen;
            }
            after = lines.logged_until;
        }
    });
    let mut writers = Vec::new();
    for number in 0..12_usize {
        let node = &nodes.nodes[number % 2];
        let (owner, id) = if number % 3 == 0 { (ben, his) } else { (anna, hers) };
        let (store, calls) = (Arc::clone(&node.store), (0..60).map(|_| node.call(Origin::Api, None)));
        let calls: Vec<_> = calls.collect();
        writers.push(tokio::spawn(async move {
            for call in calls {
                store.fire(owner, id, call, t(1)).await.expect("a call");
            }
        }));
    }
    for round in 1..=10 {
        let now = t(60 * round);
        let mut plans = Vec::new();
        for id in &timed {
            plans.push(nodes.nodes[0].planned(anna, *id, now).await);
        }
        nodes.nodes[1].store.commit_plans(plans, now).await.expect("a commit");
    }
    for writer in writers {
        writer.await.expect("no panic");
    }
    is_over.store(true, Ordering::Release);
    let seen = reader.await.expect("no panic");
    let mut logged: Vec<EventId> = nodes.nodes[2].events(anna).await.iter().map(|event| event.id).collect();
    logged.sort();
    assert_eq!(seen, logged);
    assert_eq!(seen.len(), 8 * 60 + 10 * timed.len());
}

/// A connection past all nodes.
async fn connect(nodes: &Nodes) -> Client {
    let (client, connection) = tokio_postgres::connect(&nodes.database.url(), NoTls).await.expect("a connection");
    tokio::spawn(connection);
    client
}

/// A node that is slow logs an event: it has its number, and has not said yet whether it stands.
async fn begin_to_log(client: &Client, owner: UserId, trigger: TriggerId) -> EventId {
    client.batch_execute("BEGIN").await.expect("a transaction");
    let lock =
        "SELECT pg_advisory_xact_lock_shared((28515::bigint << 48) + CASE WHEN is_called THEN last_value ELSE 0 END)
                FROM event_ids";
    client.batch_execute(lock).await.expect("a lock");
    let sql = "INSERT INTO events (id, owner, trigger_id, revision, origin, fired_at, message_id)
               VALUES (nextval('event_ids'), $1, $2, 1, 2, $3, gen_random_uuid())
               RETURNING id";
    let row = client.query_one(sql, &[&owner.0, &trigger.0, &t(1).as_microsecond()]).await.expect("an event");
    EventId(row.get(0))
}

#[tokio::test]
async fn what_came_later_waits_for_what_has_not_come_yet() {
    let nodes = Nodes::begin(2).await;
    let owner = nodes.user("a").await;
    let (writer, reader) = (&nodes.nodes[0], &*nodes.nodes[1].store);
    let id = writer.trigger(owner, api("api")).await.id;
    let first = writer.fire(owner, id, None, t(1)).await;
    let slow = connect(&nodes).await;
    for outcome in ["COMMIT", "ROLLBACK"] {
        let start = follow(reader, owner, EventId(0), 100).await.logged_until;
        assert!(start >= first);
        let late = begin_to_log(&slow, owner, id).await;
        let later = writer.fire(owner, id, None, t(1)).await;
        assert!(late < later);
        let lines = follow(reader, owner, start, 100).await;
        assert_eq!((numbers(&lines), lines.logged_until), (vec![], start), "one with a lower number may still come");
        let page = EventPage::NewestFirst(None);
        let list = reader.event_lines(owner, EventSearch::default(), page, 1).await.expect("a list");
        assert_eq!(numbers(&list), [later], "a list shows what there is");
        assert_eq!(list.logged_until, start, "and says from where on there is more to come");
        slow.batch_execute(outcome).await.expect("an end");
        let expected = if outcome == "COMMIT" { vec![late, later] } else { vec![later] };
        let lines = follow(reader, owner, start, 100).await;
        assert_eq!((numbers(&lines), lines.logged_until), (expected, later));
    }
}
