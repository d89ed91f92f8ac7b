//! What the operator sees of the whole: who runs and what they do, and how far it is with what is due.

use jiff::SignedDuration;
use oncue_domain::node::{NodeView, Work};
use oncue_domain::store::{DueCounts, Store};
use oncue_domain::trigger::OVERDUE_AFTER;

use crate::bench::{Bench, Kind, api, every, everywhere, identity, t, wherever_it_lasts};
use crate::database::Database;

async fn nodes(store: &dyn Store) -> Vec<NodeView> {
    store.nodes().await.expect("a store that answers")
}

async fn begin(bench: &Bench) {
    bench.store.begin_presence(t(0)).await.expect("a store that answers");
}

fn work(fired: u64) -> Work {
    Work {
        running: 1,
        waiting: 2,
        fired,
        attempts: 4,
        failed: 1,
        late_us_max: Some(1_900),
        looked_at: Some(t(5) + SignedDuration::from_micros(7)),
    }
}

#[tokio::test]
async fn a_server_runs_from_when_it_began_and_says_who_it_is() {
    everywhere(async |bench| {
        assert_eq!(nodes(&*bench.store).await, [], "nobody has begun");
        begin(&bench).await;
        let [node] = nodes(&*bench.store).await.try_into().expect("one server");
        assert_eq!((node.identity, node.is_asked, node.work), (identity("bench"), true, None));
        assert!(node.started_at <= node.seen_at);
    })
    .await;
}

#[tokio::test]
async fn a_server_shows_what_it_said_last_that_it_does() {
    everywhere(async |bench| {
        begin(&bench).await;
        for fired in [3, 0, u64::from(u32::MAX)] {
            bench.store.note_work(work(fired));
            assert_eq!(nodes(&*bench.store).await[0].work, Some(work(fired)));
        }
    })
    .await;
}

#[tokio::test]
async fn the_only_server_was_last_heard_of_at_its_sign_of_life() {
    everywhere(async |bench| {
        // Nodes of many are seen by their database's clock, which no test moves.
        if bench.kind != Kind::Postgres {
            begin(&bench).await;
            bench.store.sign_of_life(t(10));
            bench.store.begin_presence(t(100)).await.expect("a store that answers");
            bench.store.sign_of_life(t(101));
            let node = nodes(&*bench.store).await.remove(0);
            assert_eq!((node.started_at, node.seen_at), (t(0), t(101)), "a silence is no new beginning");
        }
    })
    .await;
}

#[tokio::test]
async fn what_a_former_server_said_of_itself_goes_with_it() {
    wherever_it_lasts(async |bench| {
        begin(&bench).await;
        bench.store.note_work(work(3));
        let bench = bench.reopen().await;
        assert_eq!(nodes(&*bench.store).await, [], "the new one has not begun");
        begin(&bench).await;
        assert_eq!(nodes(&*bench.store).await.into_iter().map(|node| node.work).collect::<Vec<_>>(), [None]);
    })
    .await;
}

#[tokio::test]
async fn due_and_overdue_triggers_are_counted_and_the_next_occurrence_is_to_come() {
    everywhere(async |bench| {
        let (ann, bob) = (bench.user("ann").await, bench.user("bob").await);
        assert_eq!(bench.store.due_counts(t(0)).await, Ok(DueCounts::default()));
        bench.trigger(ann, every("1m")).await;
        bench.trigger(ann, api("called")).await;
        bench.trigger(bob, every("2m")).await;
        let late = t(60) + OVERDUE_AFTER;
        let later = late + SignedDuration::from_micros(1);
        for (now, due, overdue, next_at) in [
            (t(59), 0, 0, Some(t(60))),
            (t(60), 1, 0, Some(t(120))),
            (late, 1, 0, Some(t(120))),
            (later, 1, 1, Some(t(120))),
            (t(120), 2, 1, None),
        ] {
            let told = DueCounts { due, overdue, next_at, earliest: Some(t(60)) };
            assert_eq!(bench.store.due_counts(now).await, Ok(told), "at {now}");
        }
    })
    .await;
}

/// The node that has this name, as `store` sees it.
async fn seen(store: &dyn Store, name: &str) -> Option<NodeView> {
    nodes(store).await.into_iter().find(|node| node.identity.name == name)
}

#[tokio::test]
async fn nodes_of_one_database_see_each_other_and_what_they_do() {
    let database = Database::new();
    let (ann, bob) = (database.node("ann", true).await, database.node("bob", true).await);
    for node in [&ann, &bob] {
        node.begin_presence(node.clock().now()).await.expect("a store that answers");
    }
    bob.note_work(work(7));
    let told = async {
        while seen(&ann, "bob").await.and_then(|node| node.work) != Some(work(7)) {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), told).await.expect("bob tells with his next beat");
    let shown: Vec<_> = nodes(&ann).await.into_iter().map(|node| (node.identity, node.is_asked)).collect();
    assert_eq!(shown, [(identity("ann"), true), (identity("bob"), false)]);
    let shown: Vec<_> = nodes(&bob).await.into_iter().map(|node| node.is_asked).collect();
    assert_eq!(shown, [false, true]);
    bob.close().await;
    assert_eq!(seen(&ann, "bob").await, None, "who leaves is gone at once");
}

#[tokio::test]
async fn a_node_that_says_more_than_this_version_knows_is_shown_all_the_same() {
    let database = Database::new();
    let ann = database.node("ann", true).await;
    ann.begin_presence(ann.clock().now()).await.expect("a store that answers");
    database.sql(
        "INSERT INTO nodes (name, version, address, started_at, seen_at, alive_at, facts)
         SELECT 'later', '9.0.0', 'elsewhere', seen_at, seen_at, alive_at, '{\"moons\": 2}' FROM nodes",
    );
    let later = seen(&ann, "later").await.expect("it was heard of a moment ago");
    assert_eq!((later.identity.version.as_str(), later.work), ("9.0.0", None));
}

#[tokio::test]
async fn a_silent_node_is_shown_until_it_is_given_up_and_one_that_never_began_not_at_all() {
    let database = Database::new();
    let ann = database.node("ann", true).await;
    ann.begin_presence(ann.clock().now()).await.expect("a store that answers");
    database.sql(
        "INSERT INTO nodes (name, version, address, started_at, seen_at, alive_at)
         SELECT 'silent', '0', 'a', 0, seen_at - 60000000, 0 FROM nodes
         UNION ALL
         SELECT 'starting', '0', 'b', 0, seen_at + 60000000, NULL FROM nodes",
    );
    let names = async || -> Vec<String> { nodes(&ann).await.into_iter().map(|node| node.identity.name).collect() };
    let silent = seen(&ann, "silent").await.expect("nobody has given it up yet");
    assert!(silent.is_silent(ann.clock().now()));
    assert_eq!(names().await, ["ann", "silent"]);
    let given_up = async {
        while names().await != ["ann"] {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), given_up).await.expect("ann gives up who is silent");
}
