//! What did not fire, when a database is brought up to date that counted each record in the hour of its last and without its reason:
//! what is on record moves to where it lies, and nothing is counted twice.

use jiff::Timestamp;
use oncue_domain::count::HourCount;
use oncue_domain::id::{TriggerId, UserId};
use oncue_domain::occurrence::Skipped;
use rusqlite::Connection;

use crate::bench::{Bench, Kind, every, t};
use crate::database::Database;

const SQLITE: &str = include_str!("../../../migrations/sqlite/0023_skipped_counts.sql");
const POSTGRES: &str = include_str!("../../../migrations/postgres/0021_skipped_counts.sql");

/// Makes of an up-to-date database what the former version would have made of it, with a count in each hour that is older than any record.
fn back(slot: (&str, &str)) -> String {
    let (column, value) = slot;
    format!(
        "INSERT INTO counts (owner, trigger_id, hour, {column} fired, delivered, failed, skipped, late0, late1, late2, late3, late4)
         SELECT owner, trigger_id, last_hour, {value} 0, 0, 0, sum(count), 0, 0, 0, 0, 0
         FROM skipped_counts
         WHERE TRUE
         GROUP BY owner, trigger_id, last_hour
         ON CONFLICT DO NOTHING;
         UPDATE counts SET skipped = skipped + 7;
         DROP TABLE skipped_counts;"
    )
}

/// Two triggers, of which one did not fire twice, and another's.
async fn fill(bench: &Bench) -> (UserId, [TriggerId; 2]) {
    let (owner, other) = (bench.user("a").await, bench.user("b").await);
    let one = bench.trigger(owner, every("10m")).await.id;
    let two = bench.trigger(owner, every("7m")).await.id;
    let anothers = bench.trigger(other, every("1h")).await.id;
    for (whose, id, from) in
        [(owner, one, 20_000), (owner, one, 40_000), (owner, two, 40_000), (other, anothers, 20_000)]
    {
        let armed = bench.get(whose, id).await;
        let edit = armed.trigger.edit(every(if from == 20_000 { "20m" } else { "30m" }), armed.next_at, t(from));
        assert_eq!(edit.skipped.len(), 1);
        bench.store.edit_trigger(edit, armed.next_at, t(from)).await.expect("an edit");
    }
    (owner, [one, two])
}

async fn counted(bench: &Bench, owner: UserId, ids: [TriggerId; 2]) -> Vec<(Vec<HourCount>, Vec<Skipped>)> {
    let (from, until) = (Timestamp::MIN, Timestamp::MAX);
    let mut all = Vec::new();
    for whose in [None, Some(ids[0]), Some(ids[1])] {
        let hours = bench.store.hour_counts(owner, whose, from, until).await.expect("counts");
        all.push((hours, bench.store.skipped_counts(owner, whose, from, until).await.expect("runs")));
    }
    all
}

/// What was counted, and what each hour in which a record ends held besides.
fn with_what_is_older(mut counted: Vec<(Vec<HourCount>, Vec<Skipped>)>) -> Vec<(Vec<HourCount>, Vec<Skipped>)> {
    for (hours, runs) in &mut counted {
        for hour in hours {
            let is_last = runs.iter().any(|run| oncue_domain::count::hour_of(run.last) == hour.hour);
            hour.skipped += if is_last { 7 } else { 0 };
        }
    }
    counted
}

#[tokio::test]
async fn what_is_on_record_moves_to_where_it_lies_in_sqlite() {
    let bench = Bench::new(Kind::SqliteFile, true).await;
    let (owner, ids) = fill(&bench).await;
    let before = counted(&bench, owner, ids).await;
    assert_eq!(before.iter().map(|(_, runs)| runs.len()).collect::<Vec<_>>(), [3, 2, 1], "{before:?}");
    let connection = Connection::open(bench.path()).expect("the file");
    connection.execute_batch(&back(("", ""))).expect("the former version's counts");
    connection.execute_batch(SQLITE).expect("the migration");
    assert_eq!(counted(&bench, owner, ids).await, with_what_is_older(before));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_record_moves_to_where_it_lies_in_postgresql() {
    let bench = Bench::on(Database::new(), true).await;
    let (owner, ids) = fill(&bench).await;
    let before = counted(&bench, owner, ids).await;
    assert_eq!(before.iter().map(|(_, runs)| runs.len()).collect::<Vec<_>>(), [3, 2, 1], "{before:?}");
    bench.sql(&back(("slot,", "5,")));
    bench.sql(POSTGRES);
    assert_eq!(counted(&bench, owner, ids).await, with_what_is_older(before));
}
