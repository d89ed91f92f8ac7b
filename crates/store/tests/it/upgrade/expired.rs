//! Expiries that had come before a version that tells of them: an upgrade tells nobody of those now, and of the ones to come as of any other.

use oncue_domain::act::ActFilter;
use oncue_domain::id::UserId;
use oncue_domain::trigger::Definition;
use rusqlite::Connection;

use crate::bench::{Bench, Kind, api};
use crate::database::Database;

const SQLITE: &str = include_str!("../../../migrations/sqlite/0025_own_ends.sql");
const POSTGRES: &str = include_str!("../../../migrations/postgres/0023_own_ends.sql");

/// Makes of an up-to-date database what the former version would have made of it.
const BACK: &str = "DROP INDEX triggers_by_expiry;
     ALTER TABLE triggers DROP COLUMN expiry_told;
     ALTER TABLE limits DROP COLUMN counted_until;
     ALTER TABLE former_triggers DROP COLUMN fired;
     ALTER TABLE former_triggers DROP COLUMN counted_until;";

/// A trigger that expired long before any clock that runs an upgrade, and one that no such clock has reached.
async fn fill(bench: &Bench) -> UserId {
    let owner = bench.user("a").await;
    for (name, end) in [("long ago", "2001-01-01T00:00:00Z"), ("some day", "2401-01-01T00:00:00Z")] {
        let expires_at = Some(end.parse().expect("an instant"));
        bench.trigger(owner, Definition { name: Some(name.to_owned()), expires_at, ..api("called") }).await;
    }
    owner
}

/// The names of the triggers that are told to have ended once all have.
async fn told(bench: &Bench, owner: UserId) -> Vec<Option<String>> {
    let later = "2402-01-01T00:00:00Z".parse().expect("an instant");
    bench.store.note_ends(later, 100).await.expect("an answer");
    let acts = bench.store.acts(ActFilter::of(owner), None, 100).await.expect("a list");
    acts.into_iter().filter(|entry| entry.act.action.word() == "ended").map(|entry| entry.act.name).collect()
}

#[tokio::test]
async fn what_expired_before_is_told_by_nobody_in_sqlite() {
    let bench = Bench::new(Kind::SqliteFile, true).await;
    let owner = fill(&bench).await;
    let connection = Connection::open(bench.path()).expect("the file");
    connection.execute_batch(BACK).expect("the former version's columns");
    connection.execute_batch(SQLITE).expect("the migration");
    assert_eq!(told(&bench, owner).await, [Some("some day".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_expired_before_is_told_by_nobody_in_postgresql() {
    let bench = Bench::on(Database::new(), true).await;
    let owner = fill(&bench).await;
    bench.sql(BACK);
    bench.sql(POSTGRES);
    assert_eq!(told(&bench, owner).await, [Some("some day".to_owned())]);
}
