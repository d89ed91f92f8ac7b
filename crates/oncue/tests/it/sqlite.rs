//! What only a database in a file has: it is made where the program starts, one process has it at a time, its key lies beside it;
//! and the one in memory. All else is promised of every store, and stands in the other files.

use serde_json::json;

use crate::support::server::Setup;
use crate::support::wait::until;

#[test]
fn without_a_word_about_it_the_database_is_a_file_in_the_working_folder() {
    let server = Setup::sqlite().serve();
    server.user().get("/api/v1/triggers").is(200);
    assert!(server.setup().path("oncue.db").exists());
}

#[test]
fn the_key_is_made_once_beside_the_database_and_only_its_owner_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let server = Setup::sqlite().serve();
    let setup = server.stop();
    let secrets: Vec<_> = std::fs::read_dir(setup.path("."))
        .expect("the folder")
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().contains("secret"))
        .collect();
    assert_eq!(secrets.len(), 1);
    let mode = secrets[0].metadata().expect("metadata").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let before = std::fs::read(secrets[0].path()).expect("the key");
    drop(setup.serve());
    assert!(before.len() >= 32);
}

#[test]
fn a_second_process_on_the_same_database_is_refused_with_words() {
    let server = Setup::sqlite().serve();
    let said = server.setup().refused();
    assert!(said.contains("database") && said.contains("already"), "{said}");
    server.user().get("/api/v1/triggers").is(200);
}

#[test]
fn a_database_that_cannot_be_is_refused_with_words() {
    let said = Setup::new().option("--database-url", "sqlite:no/such/folder/oncue.db").refused();
    assert!(said.contains("no/such/folder"), "{said}");
    let garbage = "this is no database, but a text that is long enough to be taken for one ".repeat(100);
    let said = Setup::sqlite().file("oncue.db", &garbage).refused();
    assert!(said.contains("oncue.db") || said.contains("database"), "{said}");
}

#[test]
fn in_memory_nothing_survives_and_nothing_is_written() {
    let server = Setup::new().option("--database-url", "sqlite::memory:").serve();
    let ann = server.user();
    let setup = server.stop();
    let left: Vec<_> =
        std::fs::read_dir(setup.path(".")).expect("the folder").flatten().map(|entry| entry.file_name()).collect();
    assert!(left.is_empty(), "{left:?}");
    let server = setup.serve();
    ann.at(server.base()).get("/api/v1/triggers").is(401);
}

#[test]
fn a_database_in_memory_works_like_any_other_while_it_lasts() {
    let server = Setup::new().option("--database-url", "sqlite::memory:").serve();
    let ann = server.user();
    let every = json!({"type": "scheduled", "schedule_details": {"every": "1s"}});
    let id = ann.post("/api/v1/triggers", &every).is(201).json()["id"].clone();
    until("it fires", || {
        let events = ann.get(&format!("/api/v1/event_logs?trigger_id={id}")).is(200).list();
        Some(()).filter(|()| events.len() >= 2)
    });
}
