//! How a shared database comes to its shape, and who is sent away.

use oncue_domain::access::Registration;
use oncue_domain::store::{NewUser, Registered, Store};
use oncue_store::postgres::{Postgres, Role};

use crate::bench::{settings, t};
use crate::database::{Database, as_node};

/// Why the database is not opened.
async fn refusal(database: &Database, role: Role) -> String {
    match database.open(role, true).await {
        Ok(_) => panic!("the database must not be opened"),
        Err(words) => words,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn five_nodes_that_begin_at_once_make_the_database_once() {
    let database = Database::new();
    let address = database.address();
    let nodes: Vec<_> = (0..5)
        .map(|number| {
            let (address, role) = (address.clone(), as_node(&format!("node {number}")));
            tokio::spawn(async move { Postgres::open(&address, role, settings(true)).await })
        })
        .collect();
    let mut open = Vec::new();
    for node in nodes {
        open.push(node.await.expect("no panic").expect("a node"));
    }
    for node in &open {
        assert_eq!(node.check().await, Ok(()));
    }
    let each_once = "SELECT count(*) = count(DISTINCT version), count(*) > 1 FROM migrations";
    assert_eq!(database.sql(each_once), "t|t");
    assert_eq!(database.sql("SELECT count(*), count(DISTINCT id) FROM nodes"), "5|5");
}

#[tokio::test]
async fn a_database_that_is_newer_or_took_another_road_is_refused_with_words() {
    let database = Database::new();
    drop(database.node("first", true).await);
    database.sql("INSERT INTO migrations VALUES (99, 'later', 'abc')");
    for role in [as_node("second"), Role::Visitor] {
        let words = refusal(&database, role).await;
        assert!(words.contains("migration 99") && words.contains("newer oncue"), "{words}");
    }
    database.sql("DELETE FROM migrations WHERE version = 99");
    database.sql("UPDATE migrations SET checksum = 'edited' WHERE version = 1");
    for role in [as_node("second"), Role::Visitor] {
        let words = refusal(&database, role).await;
        assert!(words.contains("migration 1 (start)"), "{words}");
    }
    assert_eq!(database.sql("SELECT name FROM nodes"), "first", "who is sent away leaves nothing");
}

#[tokio::test]
async fn a_visitor_makes_no_tables_and_is_no_node() {
    let database = Database::new();
    let words = refusal(&database, Role::Visitor).await;
    assert!(words.contains("older than this oncue"), "{words}");
    assert_eq!(database.sql("SELECT to_regclass('migrations') IS NULL"), "t");
    let node = database.node("first", true).await;
    let new = NewUser { email: "a@example.com".to_owned(), password_hash: "hash".to_owned() };
    let Registered::Done(user) = node.register(new, Registration::Open, t(0)).await.expect("an answer") else {
        panic!("nobody stands against the first user");
    };
    let visitor = database.open(Role::Visitor, true).await.expect("a visitor may enter");
    assert!(visitor.set_password(user.id, "new hash").await.expect("a visitor may write"));
    assert_eq!(database.sql("SELECT name FROM nodes"), "first");
    assert_eq!(database.sql("SELECT password_hash FROM users"), "new hash");
}
