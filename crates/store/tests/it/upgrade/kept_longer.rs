//! Former revisions, when a database is brought up to date that kept the latest hundred alone: the next edit pushes one of them out, which goes as any
//! other does that no event names. And a deletion of which nobody wrote down what was under way then.

use oncue_domain::id::{TriggerId, UserId};
use oncue_domain::overlap::Overlap;
use oncue_domain::revision::FORMER_KEPT;
use oncue_domain::store::Edited;
use oncue_domain::trigger::Definition;
use rusqlite::Connection;

use crate::bench::{Bench, Kind, api, every, t};
use crate::database::Database;

const SQLITE: &str = include_str!("../../../migrations/sqlite/0027_kept_longer.sql");
const POSTGRES: &str = include_str!("../../../migrations/postgres/0025_kept_longer.sql");

/// Makes of an up-to-date database what the former version would have made of it.
const BACK: &str = "DROP INDEX former_triggers_by_bytes;
     DROP INDEX former_triggers_by_age;
     DROP INDEX triggers_that_go;
     ALTER TABLE former_triggers DROP COLUMN bytes_up_to;
     ALTER TABLE former_triggers DROP COLUMN was_under_way;
     DROP TABLE retention;";

/// One edit more, the former revisions that are kept then, the highest number first.
async fn edited(bench: &Bench, owner: UserId, id: TriggerId) -> Vec<i64> {
    let trigger = bench.get(owner, id).await.trigger;
    let (revision, now) = (trigger.revision, t(trigger.revision));
    let edit = trigger.edit(api(&format!("n{revision}")), None, now);
    assert_eq!(bench.store.edit_trigger(edit, None, now).await, Ok(Edited::Done));
    former(bench, owner, id).await
}

async fn former(bench: &Bench, owner: UserId, id: TriggerId) -> Vec<i64> {
    let all = bench.store.revisions(owner, id, None, 1_000).await.expect("a list");
    all.iter().filter(|one| one.until.is_some()).map(|one| one.trigger.revision).collect()
}

async fn was_under_way(bench: &Bench, owner: UserId, id: TriggerId) -> bool {
    let known = bench.store.deleted_trigger(owner, id, t(0)).await.expect("an answer");
    known.expect("it is not forgotten").deletion.was_under_way
}

/// A trigger with as many former revisions as the former version kept, and one that was deleted while an event of it was under way.
async fn fill(bench: &Bench) -> (UserId, TriggerId, TriggerId) {
    let owner = bench.user("a").await;
    let id = bench.trigger(owner, api("edited")).await.id;
    for number in 1..=FORMER_KEPT {
        assert_eq!(edited(bench, owner, id).await.len(), number);
    }
    let deleted = bench.trigger(owner, Definition { overlap: Overlap::Skip, ..every("1m") }).await.id;
    bench.fire_due(owner, deleted, t(60)).await;
    assert_eq!(bench.store.delete_trigger(owner, deleted, t(130)).await, Ok(true));
    assert!(was_under_way(bench, owner, deleted).await);
    (owner, id, deleted)
}

async fn goes_on(bench: &Bench, (owner, id, deleted): (UserId, TriggerId, TriggerId)) {
    assert!(!was_under_way(bench, owner, deleted).await, "nobody wrote it down");
    let latest = |from: usize, until: usize| (from..=until).rev().map(|number| number as i64).collect::<Vec<_>>();
    assert_eq!(edited(bench, owner, id).await, latest(1, FORMER_KEPT + 1));
    bench.store.expire(t(0), t(200), 1_000).await.expect("an answer");
    assert_eq!(former(bench, owner, id).await.len(), FORMER_KEPT + 1, "events may name it");
    bench.store.expire(t(1), t(200), 1_000).await.expect("an answer");
    assert_eq!(former(bench, owner, id).await, latest(2, FORMER_KEPT + 1));
    assert_eq!(edited(bench, owner, id).await, latest(2, FORMER_KEPT + 2));
}

#[tokio::test]
async fn former_revisions_that_were_kept_are_pushed_out_by_the_next_ones_in_sqlite() {
    let bench = Bench::new(Kind::SqliteFile, true).await;
    let filled = fill(&bench).await;
    let connection = Connection::open(bench.path()).expect("the file");
    connection.execute_batch(BACK).expect("the former version's tables");
    connection.execute_batch(SQLITE).expect("the migration");
    goes_on(&bench, filled).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn former_revisions_that_were_kept_are_pushed_out_by_the_next_ones_in_postgresql() {
    let bench = Bench::on(Database::new(), true).await;
    let filled = fill(&bench).await;
    bench.sql(BACK);
    bench.sql(POSTGRES);
    goes_on(&bench, filled).await;
}
