//! What an operator of PostgreSQL does to a running server: takes its rights away, ends its connections, locks its tables, gives its
//! nodes different settings. It says so, and goes on where it can.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::database::Database;
use crate::support::server::Setup;
use crate::support::wait::until;

/// Ends all connections to a database but the one that says so.
const END_ALL: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                       WHERE datname = current_database() AND pid <> pg_backend_pid()";

#[test]
fn a_user_whose_rights_are_taken_away_is_told_to_come_again_until_they_are_back() {
    let database = Database::fresh();
    // A user of the test's own: whoever may do everything has nothing to lose.
    let role = format!("plain_{}", std::process::id());
    let name = database.sql("SELECT current_database()");
    database.sql(&format!("CREATE ROLE {role} LOGIN"));
    database.sql(&format!("GRANT ALL ON SCHEMA public TO {role}"));
    database.sql(&format!("GRANT ALL ON DATABASE \"{name}\" TO {role}"));
    let mut url = url::Url::parse(&database.url()).expect("an address");
    url.set_username(&role).expect("it has a host");
    let server = Setup::node(url.as_str()).serve();
    let ann = server.user();
    let called = ann.post("/api/v1/triggers", &json!({"type": "api"})).is(201).json()["id"].clone();
    server.nobody().get("/readyz").is(200);
    for table in ["cursors", "triggers"] {
        database.sql(&format!("REVOKE ALL ON {table} FROM {role}"));
        server.nobody().get("/readyz").is(503);
        let path = format!("/api/v1/triggers/{called}/fire");
        for answer in [
            ann.get("/api/v1/triggers"),
            ann.post("/api/v1/triggers", &json!({"type": "api"})),
            ann.post_nothing(&path),
        ] {
            if answer.status != 200 || table == "triggers" {
                assert_eq!(answer.status, 503, "{table}: {}", answer.text);
                assert!(answer.header("retry-after").parse::<u32>().is_ok(), "{answer:?}");
            }
        }
        database.sql(&format!("GRANT ALL ON {table} TO {role}"));
        until("it is ready again", || (server.nobody().get("/readyz").status == 200).then_some(()));
        ann.post_nothing(&path).is(200);
    }
    drop(server);
    database.sql(&format!("DROP OWNED BY {role}"));
    database.sql(&format!("DROP ROLE {role}"));
}

#[test]
fn whoever_reads_does_not_notice_that_its_connection_was_ended() {
    let database = Database::fresh();
    let server = Setup::node(&database.url()).serve();
    let ann = server.user();
    let called = ann.post("/api/v1/triggers", &json!({"type": "api"})).is(201).json()["id"].clone();
    for round in 0..10 {
        database.sql(END_ALL);
        for path in
            [format!("/api/v1/triggers/{called}"), "/api/v1/event_logs".to_owned(), "/api/v1/destinations".to_owned()]
        {
            let answer = ann.get(&path);
            assert_eq!(answer.status, 200, "round {round}, {path}: {}", answer.text);
        }
    }
}

#[test]
fn a_table_that_is_locked_hides_its_own_number_and_no_other() {
    let database = Database::fresh();
    let server = Setup::node(&database.url()).serve();
    server.nobody().get("/metrics").is(200);
    thread::scope(|scope| {
        let locked = scope.spawn(|| {
            database.sql("BEGIN; LOCK TABLE cursors IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(4); COMMIT");
        });
        until("the table is locked", || {
            let held =
                "SELECT count(*) FROM pg_locks WHERE relation = 'cursors'::regclass AND mode = 'AccessExclusiveLock'
                        AND granted";
            (database.sql(held) == "1").then_some(())
        });
        let asked = Instant::now();
        let metrics = server.nobody().get("/metrics").is(200);
        assert!(asked.elapsed() < Duration::from_millis(2500), "{:?}", asked.elapsed());
        assert!(!locked.is_finished(), "it was locked all the while");
        for told in ["oncue_database_up 1", "oncue_deliveries_owed 0", "oncue_nodes_running 1"] {
            assert!(metrics.text.contains(told), "{told}: {}", metrics.text);
        }
    });
}

#[test]
fn nodes_that_were_told_different_things_say_so() {
    let database = Database::fresh();
    let one = Setup::node(&database.url()).serve();
    let ann = one.user();
    let other = Setup::new()
        .option("--database-url", &database.url())
        .option("--keep-for", "24h")
        .variable("JWT_SECRET", "another-secret-of-forty-bytes-at-the-least")
        .serve();
    let nodes = until("each has said what it was told", || {
        let nodes = ann.get("/api/v1/nodes").is(200).json()["nodes"].clone();
        let differs = |node: &Value| node["differs_in"].as_array().is_some_and(|all| !all.is_empty());
        nodes.as_array().filter(|nodes| nodes.iter().any(differs)).cloned()
    });
    for node in nodes {
        let expected = if node["is_asked"] == true { json!([]) } else { json!(["--keep-for", "JWT_SECRET"]) };
        assert_eq!(node["differs_in"], expected, "{node}");
    }
    let page = ann.get("/ui/nodes").is(200).text;
    assert!(page.contains("differs from this node in --keep-for, JWT_SECRET"), "{page}");
    for server in [&one, &other] {
        until("it is in the log", || {
            server.log().contains("differs from this one in --keep-for, JWT_SECRET").then_some(())
        });
    }
    assert!(!database.holds("another-secret-of-forty"), "no secret is told");
}
