//! `oncue why`: beside a server that runs, it says what the API says, and it changes nothing.

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::database::Database;
use crate::support::server::{JWT_SECRET, Server, Setup};
use crate::support::time::in_ms;
use crate::support::wait::until;

fn make(ann: &Client, details: &Value) -> i64 {
    let said = json!({"name": "timed", "type": "scheduled", "schedule_details": details});
    ann.post("/api/v1/triggers", &said).is(201).json()["id"].as_i64().expect("an integer")
}

/// What the command says, which must end like that.
#[track_caller]
fn why(setup: &Setup, arguments: &[&str], code: i32) -> String {
    let (status, said) = setup.run(&[&["why"], arguments].concat(), "");
    assert_eq!(status.code(), Some(code), "{arguments:?}: {said}");
    assert!(!said.contains("panicked"), "{said}");
    said
}

/// Asks the command and the API the same, who must give the same document.
#[track_caller]
fn same(server: &Server, ann: &Client, id: i64, asked: &[(&str, &str)]) -> Value {
    let number = id.to_string();
    let flags: Vec<String> = asked.iter().map(|(name, value)| format!("--{name}={value}")).collect();
    let mut arguments = vec![number.as_str(), "--json"];
    arguments.extend(flags.iter().map(String::as_str));
    let said = why(server.setup(), &arguments, 0);
    let query: Vec<String> = asked.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let answered = ann.get(&format!("/api/v1/triggers/{id}/why?{}", query.join("&"))).is(200);
    let document = said.lines().find(|line| line.starts_with('{'));
    assert_eq!(document, Some(answered.text.as_str()), "{asked:?}");
    answered.json()
}

fn beside_a_server_it_says_what_the_api_says(setup: Setup) {
    let server = setup.serve();
    let (ann, ben) = (server.user(), server.register("ben@example.com"));
    let cron = make(&ann, &json!({"cron": "0 9 * * MON-FRI", "timezone": "Europe/Riga"}));
    // A Saturday.
    let told = same(&server, &ann, cron, &[("at", "2035-01-06T09:00")]);
    assert_eq!(told["disposition"], "no_occurrence");
    assert_eq!(same(&server, &ann, cron, &[("at", "2035-01-08T07:00:00Z")])["disposition"], "to_come");
    assert_eq!(same(&server, &ann, cron, &[("at", "2001-01-08T07:00:00Z")])["disposition"], "before_creation");
    let span = same(&server, &ann, cron, &[("from", "2035-01-01T00:00"), ("to", "2035-02-01T00:00")]);
    assert_eq!(span["occurrences"], 23);
    let called = ann.post("/api/v1/triggers", &json!({"type": "api"})).is(201).json()["id"].as_i64().expect("an id");
    assert_eq!(same(&server, &ann, called, &[("at", "2035-01-06T09:00")])["disposition"], "only_called");
    // Whose it is makes no difference to whoever runs the server.
    let his = make(&ben, &json!({"every": "1s"}));
    let event = until("it fires", || ben.get(&format!("/api/v1/event_logs?trigger_id={his}")).is(200).list().pop());
    let at = event["scheduled_at"].as_str().expect("it was on cue");
    let told = same(&server, &ben, his, &[("at", at)]);
    assert_eq!(told["event"]["id"], event["id"]);
    let said = why(server.setup(), &[&his.to_string(), "--at", at], 0);
    assert!(said.starts_with(told["sentence"].as_str().expect("a sentence")), "{said}");
    until("it fires again", || {
        let fired = ben.get(&format!("/api/v1/event_logs?trigger_id={his}")).is(200).list();
        (fired.len() >= 2).then_some(())
    });
    ben.patch(&format!("/api/v1/triggers/{his}"), &json!({"enabled": false})).is(200);
    let told = same(&server, &ben, his, &[("from", at), ("limit", "1")]);
    let said = why(server.setup(), &[&his.to_string(), "--from", at, "--limit", "1"], 0);
    let stop = told["to"].as_str().expect("an instant");
    assert!(said.contains(&format!("for the rest: oncue why {his} --from {stop} --to ")), "{said}");
    ben.delete(&format!("/api/v1/triggers/{his}")).is(204);
    assert_eq!(same(&server, &ben, his, &[("at", at)])["deletion"]["by"]["name"], "ben@example.com");
    why(server.setup(), &["987654", "--at", "2035-01-06T09:00"], 1);
}

#[test]
fn beside_a_server_on_sqlite_it_says_what_the_api_says() {
    beside_a_server_it_says_what_the_api_says(Setup::sqlite());
}

#[test]
fn beside_a_server_on_postgresql_it_says_what_the_api_says() {
    let database = Database::fresh();
    let setup = Setup::new().variable("DATABASE_URL", &database.url()).variable("JWT_SECRET", JWT_SECRET);
    beside_a_server_it_says_what_the_api_says(setup);
}

#[test]
fn it_is_told_for_people_in_a_sentence_and_in_fields_below_each_other() {
    let server = Server::start();
    let ann = server.user();
    let id = make(&ann, &json!({"cron": "0 9 * * MON-FRI", "timezone": "Europe/Riga"})).to_string();
    let said = why(server.setup(), &[&id, "--at", "2035-01-06T09:00"], 0);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(
        lines[..9],
        [
            "\"0 9 * * MON-FRI\" does not name Sat 6 Jan 2035 09:00 Europe/Riga: the day of the week, Saturday, does not match MON-FRI; its neighbours are Fri 5 Jan 2035 09:00 and Mon 8 Jan 2035 09:00.",
            "",
            &format!("trigger_id      {id}"),
            "asked_at        2035-01-06T07:00:00Z",
            "at              2035-01-06T07:00:00Z",
            "due_at          2035-01-06T07:00:00Z",
            "disposition     no_occurrence",
            "is_occurrence   false",
            "advice          Let the day of the week (MON-FRI) take Saturday as well.",
        ]
    );
    assert_eq!(
        lines[lines.len() - 3..],
        ["unmet", "  field        wanted   shown", "  day_of_week  MON-FRI  Saturday"]
    );
    let span = why(server.setup(), &[&id, "--from", "2035-01-05T00:00", "--to", "2035-01-09T00:00"], 0);
    assert!(span.contains("\noccurrences       2\ncounts.to_come    2\n"), "{span}");
    assert!(
        span.contains("\nlines\n  disposition  first                 last                  count  tzdata\n"),
        "{span}"
    );
    assert!(span.contains("\n  to_come      2035-01-05T07:00:00Z  2035-01-08T07:00:00Z  2      "), "{span}");
}

#[test]
fn what_is_asked_wrongly_says_what_is_wrong_and_where() {
    let server = Server::start();
    let ann = server.user();
    let id = make(&ann, &json!({"cron": "0 9 * * *"})).to_string();
    for (arguments, words) in [
        (&[][..], "--at"),
        (&["--at", "2035-01-06T09:00", "--from", "2035-01-06T09:00"], "--from"),
        (&["--at", "2035-01-06T09:00", "--limit", "5"], "--limit"),
        (&["--at", "soon"], "--at: "),
        (&["--at", "-1"], "--at: "),
        (&["--from", "2035-01-06T09:00", "--to", "2035-01-05T09:00"], "--to: "),
        (&["--from", "2035-01-06T09:00", "--limit", "0"], "--limit: "),
    ] {
        let said = why(server.setup(), &[&[id.as_str()], arguments].concat(), 2);
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
    why(server.setup(), &["nightly", "--at", "2035-01-06T09:00"], 2);
    let said = why(server.setup(), &["987654", "--at", "2035-01-06T09:00"], 1);
    assert!(said.contains("There is no trigger 987654."), "{said}");
    let (_, help) = server.setup().run(&["why", "--help"], "");
    for flag in ["<TRIGGER>", "--at", "--from", "--to", "--json", "--database-url"] {
        assert!(help.contains(flag), "{flag}: {help}");
    }
}

#[test]
fn whoever_stops_reading_harms_nothing_and_a_full_disk_is_said() {
    let server = Server::start();
    let id = make(&server.user(), &json!({"cron": "0 9 * * *"})).to_string();
    for arguments in [&["why", &id, "--at", "2035-01-06T09:00"][..], &["audit"]] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let said = server.setup().command(arguments).stdout(writer).output().expect("it starts");
        assert_eq!(
            (said.status.code(), String::from_utf8_lossy(&said.stderr).as_ref()),
            (Some(0), ""),
            "{arguments:?}"
        );
        let full = std::fs::File::options().write(true).open("/dev/full").expect("a disk that is full");
        let said = server.setup().command(arguments).stdout(full).output().expect("it starts");
        let words = String::from_utf8_lossy(&said.stderr);
        assert!(words.contains("Standard output cannot be written") && !words.contains("panicked"), "{words}");
        assert!(!said.status.success(), "{arguments:?}");
    }
}

#[test]
fn what_oncue_never_made_is_neither_touched_nor_taken_for_an_older_database() {
    let setup = Setup::sqlite();
    let path = setup.path("theirs.db");
    let theirs = rusqlite::Connection::open(&path).expect("a database");
    theirs.execute_batch("CREATE TABLE theirs (id INTEGER)").expect("a statement of the test's own");
    drop(theirs);
    std::fs::write(setup.path("empty.db"), "").expect("a file");
    for name in ["theirs.db", "empty.db"] {
        let before = std::fs::read(setup.path(name)).expect("it is there");
        let database = format!("sqlite:{}", setup.path(name).display());
        let said = why(&setup, &["1", "--at", "2035-01-06T09:00", "--database-url", &database], 1);
        assert!(said.contains("no database of oncue's"), "{said}");
        assert_eq!(std::fs::read(setup.path(name)).expect("it is there"), before, "{name}");
    }
}

#[test]
fn a_database_that_is_not_there_is_not_made_and_an_older_one_is_left_as_it_is() {
    let setup = Setup::sqlite();
    let said = why(&setup, &["1", "--at", "2035-01-06T09:00"], 1);
    assert!(said.contains("oncue.db") && !setup.path("oncue.db").exists(), "{said}");
    let server = setup.serve();
    let id = make(&server.user(), &json!({"cron": "0 9 * * *"})).to_string();
    let setup = server.stop();
    let file = rusqlite::Connection::open(setup.path("oncue.db")).expect("a database");
    // Somebody writes, and does not come to an end: who only reads does not wait for them.
    file.execute_batch("BEGIN IMMEDIATE").expect("nobody else writes");
    let said = why(&setup, &[&id, "--at", "2035-01-06T09:00"], 0);
    assert!(said.contains("to_come"), "{said}");
    file.execute_batch("ROLLBACK; DELETE FROM migrations WHERE version = (SELECT max(version) FROM migrations)")
        .expect("a statement of the test's own");
    let steps = || -> i64 {
        file.query_row("SELECT count(*) FROM migrations", [], |row| row.get(0)).expect("a table that is there")
    };
    let before = steps();
    let said = why(&setup, &[&id, "--at", "2035-01-06T09:00"], 1);
    assert!(said.contains("older"), "{said}");
    assert_eq!(steps(), before, "asking migrates nothing");
}

#[test]
fn for_how_long_events_are_kept_the_commands_know_from_the_server() {
    let server = Setup::sqlite().option("--keep-for", "1s").option("--active-for", "1s").serve();
    let id = make(&server.user(), &json!({"cron": "* * * * * *"})).to_string();
    let setup = server.stop().without_flags();
    // It has been there for an hour, and what became of that is gone.
    let file = rusqlite::Connection::open(setup.path("oncue.db")).expect("a database");
    file.execute_batch(
        "UPDATE triggers SET created_at = created_at - 3600000000, standing_since = standing_since - 3600000000,
                             revised_at = revised_at - 3600000000;
         DELETE FROM events; DELETE FROM skipped; DELETE FROM firings;",
    )
    .expect("statements of the test's own");
    let at = in_ms(-1_800_000);
    let disposition = |setup: &Setup| {
        let said = why(setup, &[&id, "--json", "--at", &at], 0);
        let document = said.lines().find(|line| line.starts_with('{')).expect("a document");
        serde_json::from_str::<Value>(document).expect("JSON")["disposition"].clone()
    };
    let audited = |setup: &Setup| setup.run(&["audit"], "").1;
    assert_eq!(disposition(&setup), "forgotten");
    assert!(!audited(&setup).contains("(missing)"), "{}", audited(&setup));

    let setup = setup.variable("ONCUE_KEEP_FOR", "48h");
    assert_eq!(disposition(&setup), "lost", "whoever says it is believed");
    assert!(audited(&setup).contains("(missing)"), "{}", audited(&setup));
    file.execute_batch("UPDATE retention SET keep_for = 1000000, active_for = 1")
        .expect("a statement of the test's own");
    let setup = setup.without_variable("ONCUE_KEEP_FOR");
    assert_eq!(disposition(&setup), "forgotten");
    let setup = setup.variable("ONCUE_ACTIVE_FOR", "1h");
    assert_eq!(disposition(&setup), "forgotten", "when they are archived says nothing of that");
    assert!(!audited(&setup).contains("(missing)"), "{}", audited(&setup));
    let setup = setup.without_variable("ONCUE_ACTIVE_FOR").variable("ONCUE_ACTIVE_FOR", "72h");
    assert_eq!(disposition(&setup), "forgotten", "nor is it compared with how long they are kept elsewhere");
    assert!(!audited(&setup).contains("(missing)"), "{}", audited(&setup));
    let setup = setup.without_variable("ONCUE_ACTIVE_FOR");
    // Of a server that never said it, nothing is known but what is usual.
    file.execute_batch("DELETE FROM retention").expect("a statement of the test's own");
    assert_eq!(disposition(&setup), "lost");
    drop(file);
    let server = setup.option("--keep-for", "10m").option("--active-for", "10m").serve();
    assert_eq!(disposition(server.setup()), "forgotten", "it says so when it starts");
}
