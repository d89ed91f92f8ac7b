//! The move from SQLite to PostgreSQL: which of the two may be served at which moment, what is refused, and what a copy that
//! was interrupted leaves. That everything arrives is `differential/moved`.

use std::path::{Path, PathBuf};

use jiff::SignedDuration;
use oncue_domain::plan::Absence;
use oncue_domain::store::Store;
use oncue_store::copy::{self, Copied, Undone};
use oncue_store::postgres::Role as NodeRole;
use oncue_store::sqlite::{Place, Role, Sqlite};
use rusqlite::Connection;

use crate::bench::{Bench, Kind, answered, api, every, settings, t, webhook};
use crate::database::{Database, as_node};

/// A database file with a user, two triggers, a delivered event and an owed one, which nobody serves any more.
struct Left {
    bench: Bench,
    path: PathBuf,
}

impl Left {
    async fn new() -> Left {
        let mut bench = Bench::new(Kind::SqliteFile, false).await;
        let owner = bench.user("ann").await;
        bench.trigger(owner, every("1h")).await;
        let mut definition = api("called");
        definition.webhook = Some(webhook("https://example.com/hook"));
        let called = bench.trigger(owner, definition).await.id;
        bench.fire(owner, called, Some("{\"n\":1}"), t(10)).await;
        bench.settle_all(t(11), |claim, now| answered(claim, 200, now)).await;
        bench.fire(owner, called, None, t(20)).await;
        assert_eq!(bench.claim_all(t(20)).await.len(), 1, "its claim is out");
        bench.store.sign_of_life(t(30));
        let path = bench.leave_file();
        Left { bench, path }
    }

    fn place(&self) -> Place {
        Place::File(self.path.clone())
    }

    /// Why a server does not start on the file.
    fn refusal(&self) -> String {
        match Sqlite::open(&self.place(), Role::Server, settings(false)) {
            Ok(_) => panic!("no server may start here"),
            Err(words) => words,
        }
    }

    async fn copy(&self, to: &Database) -> Result<Copied, String> {
        copy::run(&self.path, &to.address(), t(100), |_| {}).await
    }

    async fn undo(&self, to: Option<&Database>) -> Result<Undone, String> {
        copy::undo(&self.path, to.map(Database::address).as_ref(), t(200)).await
    }
}

/// Why no node starts on the database.
async fn refusal(database: &Database) -> String {
    match database.open(as_node("too early"), false).await {
        Ok(_) => panic!("no node may start here"),
        Err(words) => words,
    }
}

fn change(path: &Path, sql: &str) {
    Connection::open(path).and_then(|connection| connection.execute_batch(sql)).expect("a change of the test's own");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_move_only_the_new_database_is_served() {
    let (left, database) = (Left::new().await, Database::new());
    let Copied::Done(tables) = left.copy(&database).await.expect("a move") else { panic!("nothing was there before") };
    let rows = |name| tables.iter().find(|(table, _)| *table == name).map(|(_, rows)| *rows);
    assert_eq!((rows("users"), rows("triggers"), rows("events")), (Some(1), Some(2), Some(2)));
    assert_eq!((rows("attempts"), rows("outbox"), rows("cursors")), (Some(1), Some(1), Some(1)));
    let words = left.refusal();
    assert!(words.contains("was moved to") && words.contains("oncue copy --undo"), "{words}");
    let Err(words) = Sqlite::open(&left.place(), Role::Visitor, settings(false)) else { panic!("nor may a visitor") };
    assert!(words.contains("was moved to"), "{words}");
    let node = database.node("new", false).await;
    assert_eq!(node.claim_deliveries(t(101), 10).await.expect("claims").len(), 1, "what was held is owed at once");
    drop(left.bench);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_absence_reaches_from_the_last_sign_of_the_old_server_to_the_first_of_the_new_one() {
    let (left, database) = (Left::new().await, Database::new());
    left.copy(&database).await.expect("a move");
    let node = database.node("new", false).await;
    let absences = node.begin_presence(t(5000)).await.expect("an answer");
    assert_eq!(absences, [Absence { from: t(30), to: t(5000) }]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_move_says_that_it_was_done_and_changes_nothing() {
    let (left, database) = (Left::new().await, Database::new());
    left.copy(&database).await.expect("a move");
    let node = database.node("new", false).await;
    let users = node.users().await.expect("users");
    node.register(
        oncue_domain::store::NewUser { email: "ben@example.com".to_owned(), password_hash: "hash".to_owned() },
        oncue_domain::access::Registration::Open,
        t(150),
    )
    .await
    .expect("a further user");
    assert_eq!(left.copy(&database).await, Ok(Copied::Before(t(100))), "also while nodes are running");
    assert_eq!(node.users().await.expect("users").len(), users.len() + 1);
    let words = left.copy(&Database::new()).await.expect_err("it was moved elsewhere");
    assert!(words.contains("another one"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_served_is_not_moved() {
    let (left, database) = (Left::new().await, Database::new());
    let server = Sqlite::open(&left.place(), Role::Server, settings(false)).expect("a server");
    let words = left.copy(&database).await.expect_err("it is served");
    assert!(words.contains("Another oncue serves"), "{words}");
    drop(server);
    left.copy(&database).await.expect("a move");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_moved_into_a_database_that_is_somebodys_or_served() {
    let (left, database) = (Left::new().await, Database::new());
    let node = database.node("empty", false).await;
    let words = left.copy(&database).await.expect_err("it is served, if empty");
    assert!(words.contains("An oncue serves") && words.contains("Stop"), "{words}");
    node.local_user(t(1)).await.expect("a user");
    node.close().await;
    drop(node);
    let words = left.copy(&database).await.expect_err("it is somebody's");
    assert!(words.contains("empty database"), "{words}");
    drop(Sqlite::open(&left.place(), Role::Server, settings(false)).expect("nothing has happened to the file"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_database_that_was_served_takes_a_move_whole() {
    let (left, database) = (Left::new().await, Database::new());
    let node = database.node("before", false).await;
    node.expire(t(1_000_000), t(1_000_000), 1000).await.expect("nothing to expire");
    node.begin_presence(t(1_000_000)).await.expect("an answer");
    node.close().await;
    drop(node);
    left.copy(&database).await.expect("a move");
    let node = database.node("after", false).await;
    let owner = node.users().await.expect("users")[0].id;
    assert_eq!(node.event_counts(owner, t(0)).await.expect("counts").iter().map(|count| count.count).sum::<u64>(), 2);
    assert_eq!(node.begin_presence(t(1_000_100)).await.expect("an answer")[0].from, t(30));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_ended_before_the_mark_is_begun_anew() {
    let (left, database) = (Left::new().await, Database::new());
    left.copy(&database).await.expect("a move");
    // As if it had ended half-way.
    change(&left.path, "UPDATE moves SET moved_at = NULL");
    database.sql("UPDATE copies SET done_at = NULL; DELETE FROM cursors; DELETE FROM users");
    let words = refusal(&database).await;
    assert!(words.contains("is not done") && words.contains("oncue copy"), "{words}");
    assert!(database.open(NodeRole::Visitor, false).await.is_err(), "nor is it visited");
    // The old server may go on meanwhile.
    let server = Sqlite::open(&left.place(), Role::Server, settings(false)).expect("a server");
    let owner = server.users().await.expect("users")[0].id;
    assert!(server.set_password(owner, "another hash").await.expect("an answer"));
    drop(server);
    assert!(matches!(left.copy(&database).await, Ok(Copied::Done(_))));
    let node = database.node("new", false).await;
    let (_, hash) = node.user_by_email("ann@example.com").await.expect("an answer").expect("ann");
    assert_eq!(hash, "another hash");
    assert_eq!(node.next_due().await.expect("an answer"), Some(t(3600)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_ended_after_the_mark_is_only_handed_over() {
    let (left, database) = (Left::new().await, Database::new());
    left.copy(&database).await.expect("a move");
    database.sql("UPDATE copies SET done_at = NULL");
    assert!(refusal(&database).await.contains("is not done"));
    assert!(left.refusal().contains("was moved to"));
    assert_eq!(left.copy(&database).await, Ok(Copied::Finished));
    assert_eq!(left.copy(&database).await, Ok(Copied::Before(t(100))));
    drop(database.node("new", false).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_file_has_begun_to_fill_is_left_alone() {
    let (left, other, database) = (Left::new().await, Left::new().await, Database::new());
    other.copy(&database).await.expect("a move");
    for interrupted in [true, false] {
        if interrupted {
            database.sql("UPDATE copies SET done_at = NULL");
        }
        let words = left.copy(&database).await.expect_err("it is another's");
        assert!(words.contains("did not come from here"), "{words}");
    }
    // A file that was moved does not hand over what it once began elsewhere.
    let elsewhere = Database::new();
    left.copy(&elsewhere).await.expect("a move");
    change(&left.path, "UPDATE moves SET moved_at = NULL");
    elsewhere.sql("UPDATE copies SET done_at = NULL");
    let third = Database::new();
    left.copy(&third).await.expect("a move");
    assert!(left.copy(&elsewhere).await.expect_err("it has less").contains("another one"));
    assert!(refusal(&elsewhere).await.contains("is not done"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_did_not_arrive_is_noticed_before_the_mark() {
    let (left, database) = (Left::new().await, Database::new());
    drop(database.node("first", false).await);
    database.sql("DELETE FROM nodes");
    database.sql("CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'");
    database.sql("CREATE TRIGGER loses BEFORE INSERT ON triggers FOR EACH ROW EXECUTE FUNCTION lose()");
    let words = left.copy(&database).await.expect_err("a trigger is missing");
    assert!(words.contains("triggers has 2 rows here and 0 there"), "{words}");
    drop(Sqlite::open(&left.place(), Role::Server, settings(false)).expect("the file may be served"));
    assert!(refusal(&database).await.contains("is not done"));
    database.sql("DROP TRIGGER loses ON triggers");
    left.copy(&database).await.expect("a move");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_is_taken_back_and_may_be_made_again() {
    let (left, database) = (Left::new().await, Database::new());
    assert_eq!(left.undo(None).await, Ok(Undone::NotMoved));
    left.copy(&database).await.expect("a move");
    let node = database.node("new", false).await;
    assert!(left.undo(Some(&database)).await.expect_err("it is served").contains("Stop"));
    assert!(left.refusal().contains("was moved to"), "so the file is not");
    node.close().await;
    drop(node);
    assert!(left.undo(Some(&Database::new())).await.expect_err("it is another").contains("another one"));
    assert!(matches!(left.undo(Some(&database)).await, Ok(Undone::Done { is_shut: true, .. })));
    assert!(refusal(&database).await.contains("is not done"));
    drop(Sqlite::open(&left.place(), Role::Server, settings(false)).expect("the file may be served"));
    left.copy(&database).await.expect("a further move");
    assert!(matches!(left.undo(None).await, Ok(Undone::Done { is_shut: false, .. })), "where the other is lost");
    drop(Sqlite::open(&left.place(), Role::Server, settings(false)).expect("the file may be served"));
    assert!(left.copy(&database).await.expect_err("it may have been served").contains("empty database"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_changes_the_file_while_it_is_copied() {
    let (left, database) = (Left::new().await, Database::new());
    let (path, mut tried) = (left.path.clone(), 0);
    let address = database.address();
    let copied = copy::run(&left.path, &address, t(100), |progress| {
        if progress.table == "users" && progress.is_done {
            tried += 1;
            let visitor = Connection::open(&path).expect("a connection");
            visitor.busy_timeout(std::time::Duration::ZERO).expect("a setting");
            let error = visitor.execute("UPDATE users SET password_hash = 'late'", []).expect_err("it is held still");
            assert!(error.to_string().contains("locked"), "{error}");
        }
    });
    copied.await.expect("a move");
    assert_eq!(tried, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_or_too_new_is_not_moved() {
    let (left, database) = (Left::new().await, Database::new());
    let nowhere = left.path.with_file_name("nowhere.db");
    let words = copy::run(&nowhere, &database.address(), t(0), |_| {}).await.expect_err("it is not there");
    assert!(words.contains("There is no database") && !nowhere.exists(), "{words}");
    change(&left.path, "INSERT INTO migrations VALUES (999, 'later', 'x')");
    let words = left.copy(&database).await.expect_err("it is too new");
    assert!(words.contains("migration 999"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_events_go_in_batches_into_partitions_of_their_own() {
    let (left, database) = (Left::new().await, Database::new());
    let rows = 100_000;
    change(
        &left.path,
        &format!(
            "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {rows})
             INSERT INTO events (owner, trigger_id, revision, origin, fired_at, message_id, payload)
             SELECT 1, 2, 1, 2, {start} + n * {step}, randomblob(16), '{{\"n\":' || n || '}}' FROM n;
             INSERT INTO attempts (event_id, slot, number, destination, started_at, took_us, status, delivered)
             SELECT id, 0, 1, 0, fired_at, 1000, 200, 1 FROM events WHERE id NOT IN (SELECT event_id FROM attempts)",
            start = t(100).as_microsecond(),
            step = SignedDuration::from_hours(48).as_micros() / rows,
        ),
    );
    let (mut told, mut steps) = (0, 0);
    let started = std::time::Instant::now();
    let address = database.address();
    let copied = copy::run(&left.path, &address, t(200_000), |progress| {
        if progress.table == "events" && !progress.is_done {
            steps += 1;
            told = progress.rows;
            assert_eq!(progress.total, 100_002);
        }
    });
    copied.await.expect("a move");
    println!("{rows} events with their attempts in {:?}", started.elapsed());
    assert!(steps >= 10 && told == 100_002, "it goes in batches: {steps} up to {told}");
    assert_eq!(database.sql("SELECT count(*), count(DISTINCT tableoid) >= 12 FROM events").trim(), "100002|t");
}
