//! A week in a minute: what is old goes, and the tables and indexes that held it do not grow. Vacuum is run by hand once a
//! virtual day, because the server's own comes by the real clock.

use jiff::Timestamp;

use super::Nodes;
use crate::bench::{answered, api, every, t};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// So many calls an hour.
const CALLS: usize = 40;

/// Everything that holds what lives 48 hours, or is rewritten by each firing; counts are kept for 400 days, and grow.
const SIZES: &str = "SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class
     WHERE relkind = 'r' AND (relname ~ '^(events|attempts)_n?[0-9]+$' OR relname IN ('cursors', 'outbox', 'failures', 'revisions', 'skipped'))";

#[tokio::test]
async fn a_week_of_firings_takes_no_more_room_than_two_days_of_them() {
    let nodes = Nodes::begin(1).await;
    let bench = &nodes.nodes[0];
    let owner = nodes.user("a").await;
    let called = bench.trigger(owner, api("called")).await.id;
    let mut timed = Vec::new();
    for _ in 0..20 {
        timed.push(bench.trigger(owner, every("1h")).await.id);
    }
    let (mut sizes, mut partitions) = (Vec::new(), Vec::new());
    for hour in 1..=7 * 24 {
        let now = t(hour * HOUR);
        for id in &timed {
            let planned = bench.planned(owner, *id, now).await;
            bench.store.commit_plans(vec![planned], now).await.expect("a commit");
        }
        futures_util::future::join_all(
            (0..CALLS).map(|_| bench.fire(owner, called, Some("{\"some\":\"payload\"}"), now)),
        )
        .await;
        bench.settle_all(now, |claim, now| answered(claim, 200, now)).await;
        expire(bench, now).await;
        if hour * HOUR % DAY == 0 {
            nodes.database.sql("VACUUM");
            sizes.push(number(&nodes.database.sql(SIZES)));
            partitions.push(number(
                &nodes.database.sql("SELECT count(*) FROM pg_inherits WHERE inhparent = 'events'::regclass"),
            ));
        }
    }
    println!("bytes at the end of each day: {sizes:?}; partitions: {partitions:?}");
    assert!(sizes[6] <= sizes[2] + sizes[2] / 10, "it grows: {sizes:?}");
    assert!(sizes[2] > sizes[0], "two days take more than one, or nothing is measured: {sizes:?}");
    assert!(partitions[6] <= partitions[2] && partitions[2] >= 12, "what is old is dropped whole: {partitions:?}");
    assert_eq!(bench.store.owed_counts().await.expect("an answer").owed, 0);
}

async fn expire(bench: &crate::bench::Bench, now: Timestamp) {
    let gone_until = now - jiff::SignedDuration::from_secs(2 * DAY);
    while !bench.store.expire(gone_until, now, 500).await.expect("an answer").is_done {}
}

fn number(text: &str) -> i64 {
    text.trim().parse().expect("a number")
}
