//! A database of the first version, brought up to date: what its events say is counted as if it had been counted all along.

mod expired;
mod kept_longer;
mod owed;
mod skipped;

use jiff::{SignedDuration, Timestamp};
use oncue_domain::access::{Preferences, Session};
use oncue_domain::count::HourCount;
use oncue_domain::event::Origin;
use oncue_domain::firing::Outcome;
use oncue_domain::id::{TriggerId, UserId};
use oncue_domain::store::{Attention, EventLines, EventPage, EventSearch, RecentFirings, Store};
use oncue_store::sqlite::{Place, Role, Sqlite};
use rusqlite::Connection;

use crate::bench::{Bench, Kind, answered, api, every, given_up, settings, t};

/// The tables as the first version made them.
const FIRST: &str = include_str!("../../migrations/sqlite/0001_start.sql");

/// Everything that a page shows and that the second version keeps in tables of its own.
#[derive(Debug, PartialEq)]
struct Shown {
    counts: Vec<HourCount>,
    own_counts: Vec<Vec<HourCount>>,
    attention: Attention,
    failed: EventLines,
    firings: Vec<RecentFirings>,
}

async fn shown(store: &dyn Store, owner: UserId, triggers: &[TriggerId]) -> Shown {
    let (from, until) = (Timestamp::MIN, Timestamp::MAX);
    let mut own_counts = Vec::new();
    for id in triggers {
        own_counts.push(store.hour_counts(owner, Some(*id), from, until).await.expect("counts"));
    }
    let failed = EventSearch { outcome: Some(Outcome::Failed), ..EventSearch::default() };
    Shown {
        counts: store.hour_counts(owner, None, from, until).await.expect("counts"),
        own_counts,
        attention: store.attention(owner, t(0), t(20_000)).await.expect("an answer"),
        failed: store.event_lines(owner, failed, EventPage::NewestFirst(None), 100).await.expect("a search"),
        firings: store.recent_firings(owner, triggers.to_vec(), t(0), 50).await.expect("firings"),
    }
}

/// Makes of the database what the first version would have made of it.
fn as_first_version(bench: &Bench, at: &std::path::Path) {
    let connection = Connection::open(at).expect("a new file");
    connection.execute_batch(FIRST).expect("the first version's tables");
    connection.execute("ATTACH ? AS now", [bench.path().to_str().expect("a path in UTF-8")]).expect("the other file");
    let tables: Vec<(String, String)> = connection
        .prepare(
            "SELECT m.name, (SELECT group_concat(name) FROM pragma_table_info(m.name))
             FROM main.sqlite_master AS m
             WHERE m.type = 'table' AND (m.name NOT LIKE 'sqlite%' OR m.name = 'sqlite_sequence')",
        )
        .and_then(|mut statement| statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
        .expect("the tables");
    assert!(tables.len() > 10, "{tables:?}");
    for (table, columns) in tables {
        let said_now = columns.replace("is_default", "destination = -1");
        let copy = format!(
            "DELETE FROM main.{table}; INSERT INTO main.{table} ({columns}) SELECT {said_now} FROM now.{table};"
        );
        connection.execute_batch(&copy).expect("a copy");
    }
    connection
        .execute_batch(
            "CREATE TABLE migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL) STRICT;
             INSERT INTO migrations SELECT * FROM now.migrations WHERE version = 1;
             DELETE FROM counters WHERE name <> 'tried_out_triggers';",
        )
        .expect("the first version's mark");
}

#[tokio::test]
async fn an_upgrade_counts_what_is_there() {
    let bench = Bench::new(Kind::SqliteFile, true).await;
    let (owner, other) = (bench.user("a").await, bench.user("b").await);
    let session =
        Session { id: "one".to_owned(), user: owner, created_at: t(0), expires_at: t(100), agent: String::new() };
    bench.store.open_session(session.clone()).await.expect("a session");
    let timed = bench.trigger(owner, every("10m")).await.id;
    let called = bench.trigger(owner, api("api")).await.id;
    let deleted = bench.trigger(owner, api("deleted")).await.id;
    let anothers = bench.trigger(other, api("another's")).await.id;
    for (seconds, late_millis) in
        [(600, 0), (1200, 10), (1800, 11), (2400, 100), (3000, 101), (3600, 1000), (4200, 10_001)]
    {
        bench.fire_due(owner, timed, t(seconds) + SignedDuration::from_millis(late_millis)).await;
    }
    for seconds in [100, 200, 3599, 3600, 7000, 7001] {
        for (whose, id) in [(owner, called), (owner, deleted), (other, anothers)] {
            bench.fire(whose, id, None, t(seconds)).await;
        }
    }
    bench.store.fire(owner, called, bench.call(Origin::Test, None), t(7000)).await.expect("a test");
    bench
        .store
        .fire_unkept(owner, api("tried").into(), bench.message(), t(7000))
        .await
        .expect("an answer")
        .expect("a trial");
    let claims = bench.claim_all(t(7100)).await;
    let settlements = claims.iter().enumerate().filter_map(|(number, claim)| match (number + 2) % 4 {
        0 => Some(given_up(claim, t(7100))),
        1 => Some(answered(claim, 500, t(7100))),
        2 => Some(answered(claim, 200, t(7100))),
        _ => None,
    });
    bench.store.settle(settlements.collect()).await.expect("a settlement");
    let armed = bench.get(owner, timed).await;
    let edit = armed.trigger.edit(every("20m"), armed.next_at, t(9000));
    assert!(!edit.skipped.is_empty());
    bench.store.edit_trigger(edit, armed.next_at, t(9000)).await.expect("an edit");
    bench.store.delete_trigger(owner, deleted, t(9001)).await.expect("an answer");

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("first.db");
    as_first_version(&bench, &path);
    let place = Place::File(path.clone());
    let upgraded = Sqlite::open(&place, Role::Server, settings(true)).expect("the first version's database");
    for (whose, triggers) in [(owner, vec![timed, called]), (other, vec![anothers])] {
        let expected = shown(&*bench.store, whose, &triggers).await;
        assert!(expected.counts.len() > 1 && !expected.failed.lines.is_empty());
        assert_eq!(shown(&upgraded, whose, &triggers).await, expected);
    }
    assert_eq!(
        upgraded.deleted_trigger(owner, deleted, t(0)).await,
        Ok(None),
        "of one that was deleted before nothing is known"
    );
    assert_eq!(upgraded.hour_counts(owner, Some(deleted), Timestamp::MIN, Timestamp::MAX).await, Ok(Vec::new()));
    let attention = upgraded.attention(owner, t(0), t(9000)).await.expect("an answer");
    assert_eq!(attention.failing.len(), 2, "what fails is known");
    assert!(upgraded.attention(other, t(0), t(9000)).await.expect("an answer").failing.is_empty(), "and what does not");
    assert_eq!(upgraded.users().await.expect("a list")[0].preferences, Preferences::default());
    assert_eq!(upgraded.sessions(owner, t(1)).await.expect("a list"), [session]);
    // Who made what stands is not known, and what stood before is gone; since when the schedule stands is known.
    for (trigger, revision, made_at) in [(timed, 2, t(9000)), (called, 1, t(0))] {
        let kept = upgraded.revisions(owner, trigger, None, 10).await.expect("a list");
        let told: Vec<_> = kept.iter().map(|one| (one.trigger.revision, one.made_at, one.made_by.as_ref())).collect();
        assert_eq!(told, [(revision, made_at, None)]);
    }
    // What comes later is added to it.
    let before = upgraded.hour_counts(owner, None, Timestamp::MIN, Timestamp::MAX).await.expect("counts");
    let call = bench.call(Origin::Api, None);
    upgraded.fire(owner, called, call, t(7002)).await.expect("a call");
    let after = upgraded.hour_counts(owner, None, Timestamp::MIN, Timestamp::MAX).await.expect("counts");
    let fired = |counts: &[HourCount]| counts.iter().map(|count| count.fired).sum::<u64>();
    assert_eq!((after.len(), fired(&after)), (before.len(), fired(&before) + 1));
}

#[tokio::test]
async fn an_upgraded_database_has_the_tables_of_a_new_one() {
    let bench = Bench::new(Kind::SqliteFile, true).await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("first.db");
    as_first_version(&bench, &path);
    drop(Sqlite::open(&Place::File(path.clone()), Role::Server, settings(true)).expect("the first version's database"));
    let tables = |path: &std::path::Path| -> Vec<(String, Option<String>)> {
        let connection = Connection::open(path).expect("a database");
        connection
            .prepare("SELECT name, sql FROM sqlite_master ORDER BY name")
            .and_then(|mut statement| statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
            .expect("the tables")
    };
    let names = |tables: &[(String, Option<String>)]| tables.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    let (expected, upgraded) = (tables(&bench.path()), tables(&path));
    assert_eq!(names(&upgraded), names(&expected));
    let with_spaces_alone = |sql: &Option<String>| sql.as_ref().map(|sql| sql.split_whitespace().collect::<String>());
    for ((name, expected), (_, found)) in expected.iter().zip(&upgraded).filter(|((name, _), _)| name != "migrations") {
        assert_eq!(with_spaces_alone(found), with_spaces_alone(expected), "{name}");
    }
}
