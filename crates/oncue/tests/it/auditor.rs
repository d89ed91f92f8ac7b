//! The auditor: whatever takes away what a trigger waits for, behind oncue's back, it waits for it again; nothing is lost or fires
//! twice, and whoever runs the server is told.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::database::Database;
use crate::support::receiver::Receiver;
use crate::support::server::{Server, Setup};
use crate::support::time::in_ms;
use crate::support::wait::{until, until_within};

/// A round begins every minute.
const WITHIN: Duration = Duration::from_secs(75);

/// Does this to the file of a server that is not running.
fn sql(setup: &Setup, statement: &str) {
    let file = rusqlite::Connection::open(setup.path("oncue.db")).expect("a database");
    file.execute_batch(statement).expect("a statement of the test's own");
}

fn make(ann: &Client, schedule: &Value) -> i64 {
    let said = json!({"type": "scheduled", "schedule_details": schedule});
    ann.post("/api/v1/triggers", &said).is(201).json()["id"].as_i64().expect("an integer")
}

/// The nominal times at which it fired, each once.
fn fired(ann: &Client, id: i64) -> BTreeSet<String> {
    let events = ann.get(&format!("/api/v1/event_logs?status=all&limit=200&trigger_id={id}")).is(200).list();
    let nominal = |event: &Value| event["scheduled_at"].as_str().expect("a schedule made it").to_owned();
    let distinct: BTreeSet<String> = events.iter().map(nominal).collect();
    assert_eq!(distinct.len(), events.len(), "an occurrence fired twice: {events:?}");
    distinct
}

fn fires_on(ann: &Client, id: i64) -> BTreeSet<String> {
    let before = fired(ann, id).len();
    until("it fires twice more", || Some(fired(ann, id)).filter(|fired| fired.len() >= before + 2))
}

/// What the command says, which must end like that.
fn audit(setup: &Setup, flags: &[&str], code: i32) -> String {
    let (status, said) = setup.run(&[&["audit"], flags].concat(), "");
    assert_eq!(status.code(), Some(code), "{said}");
    said
}

fn audit_as_json(setup: &Setup, flags: &[&str], code: i32) -> Value {
    let said = audit(setup, &[&["--json"], flags].concat(), code);
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
}

/// The last round, once one has ended that found so many.
fn round_that_found(server: &Server, defect: &str, count: u64) -> Value {
    until_within(WITHIN, "a round that found them", || {
        let told = server.nobody().get("/healthz/schedule").json();
        (told["audit"]["defects"][defect] == count).then(|| told["audit"].clone())
    })
}

#[test]
fn what_lost_its_place_while_the_server_was_down_is_found_told_and_put_right() {
    let server = Setup::sqlite().serve();
    let ann = server.user();
    let (every, once, called) = (
        make(&ann, &json!({"every": "1s"})),
        make(&ann, &json!({"run_at": "2199-01-01T00:00:00Z"})),
        ann.post("/api/v1/triggers", &json!({"type": "api"})).is(201).json()["id"].clone(),
    );
    let before = fires_on(&ann, every);
    let setup = server.stop();
    sql(&setup, "DELETE FROM cursors");

    let told = audit_as_json(&setup, &[], 1);
    let found: Vec<_> = told["findings"].as_array().expect("a list").iter().collect();
    assert_eq!(found.iter().map(|finding| finding["trigger"].clone()).collect::<Vec<_>>(), [json!(every), json!(once)]);
    assert!(found.iter().all(|finding| finding["defect"] == "disarmed" && finding["waits_for"].is_null()), "{told}");
    assert_eq!(found[1]["should_wait_for"], "2199-01-01T00:00:00Z");
    assert_eq!((&told["triggers"], &told["repaired"]), (&json!(2), &json!(0)), "{called} waits for calls alone");
    let table = audit(&setup, &[], 1);
    assert!(table.contains("disarmed") && table.contains("2199-01-01T00:00:00Z"), "it only looks: {table}");

    let server = setup.serve();
    let round = round_that_found(&server, "disarmed", 2);
    assert_eq!((&round["triggers"], &round["repaired"]), (&json!(2), &json!(2)), "{round}");
    let line = format!("the auditor found that trigger {once} waits for nothing");
    until("the log says so", || Some(()).filter(|()| server.log().contains(&line)));
    let metrics = server.nobody().get("/metrics").is(200).text;
    assert!(metrics.contains("oncue_audit_findings_total{defect=\"disarmed\"} 2"), "{metrics}");
    assert!(metrics.contains("oncue_audit_repairs_total 2"), "{metrics}");
    let ann = ann.at(server.base());
    assert!(ann.get("/ui/nodes").is(200).text.contains("2 defects, put right since"));

    let after = fires_on(&ann, every);
    assert!(before.is_subset(&after));
    // What fell due while nobody ran is in a record, but for the latest: nothing is silent.
    let upcoming = ann.get(&format!("/api/v1/triggers/{once}/upcoming")).is(200).json();
    assert_eq!(upcoming["occurrences"][0], "2199-01-01T00:00:00Z");
    assert!(audit(server.setup(), &[], 0).contains("Nothing is wrong with any of 2 scheduled triggers."));
}

#[test]
fn a_running_server_finds_what_fired_although_nothing_was_due() {
    let server = Setup::sqlite().serve();
    let ann = server.user();
    let [stray, _] = [(); 2].map(|()| make(&ann, &json!({"run_at": "2199-01-01T00:00:00Z"})));
    let setup = server.stop();
    // Both were made an hour before, and half an hour later one of them fired.
    sql(
        &setup,
        &format!(
            "UPDATE triggers SET created_at = created_at - 3600000000, standing_since = standing_since - 3600000000;
             INSERT INTO events (owner, trigger_id, revision, origin, scheduled_at, fired_at, message_id)
             SELECT owner, id, revision, 0, created_at + 1800000000, created_at + 1800000000, randomblob(16)
             FROM triggers WHERE id = {stray}"
        ),
    );
    let server = setup.serve();
    let round = round_that_found(&server, "unnamed", 1);
    assert_eq!((&round["triggers"], &round["repaired"]), (&json!(2), &json!(0)), "{round}");
    let line = format!("the auditor found that trigger {stray} fired at instants that its schedule does not name");
    until("the log says so", || Some(()).filter(|()| server.log().contains(&line)));
}

#[test]
fn the_command_repairs_what_it_finds_and_then_finds_nothing() {
    let server = Setup::sqlite().serve();
    let ann = server.user();
    let (lost, moved, paused) = (
        make(&ann, &json!({"every": "1h"})),
        make(&ann, &json!({"cron": "0 9 * * *"})),
        make(&ann, &json!({"cron": "0 9 * * *"})),
    );
    let next = ann.get(&format!("/api/v1/triggers/{moved}/upcoming?count=1")).is(200).json()["occurrences"][0].clone();
    ann.patch(&format!("/api/v1/triggers/{paused}"), &json!({"enabled": false})).is(200);
    let setup = server.stop();
    sql(
        &setup,
        &format!(
            "DELETE FROM cursors WHERE trigger_id = {lost};
             UPDATE cursors SET next_at = next_at + 1000000 WHERE trigger_id = {moved};
             INSERT INTO cursors (trigger_id, next_at, revision) SELECT id, 7258118400000000, revision FROM triggers WHERE id = {paused}"
        ),
    );
    let told = audit_as_json(&setup, &["--repair"], 1);
    let defects: Vec<_> =
        told["findings"].as_array().expect("a list").iter().map(|one| one["defect"].clone()).collect();
    assert_eq!((defects, &told["repaired"]), (vec![json!("disarmed"), json!("astray"), json!("needless")], &json!(3)));
    assert_eq!(told["findings"][1]["should_wait_for"], next);
    assert!(told["findings"][2]["should_wait_for"].is_null());
    assert_eq!(audit_as_json(&setup, &[], 0)["findings"], json!([]));
    let server = setup.serve();
    let ann = ann.at(server.base());
    let upcoming = ann.get(&format!("/api/v1/triggers/{moved}/upcoming?count=1")).is(200).json();
    assert_eq!(upcoming["occurrences"][0], next);
}

#[test]
fn a_trigger_that_nobody_can_read_is_named_and_left_alone() {
    let server = Setup::sqlite().serve();
    let ann = server.user();
    let (garbage, sound) = (make(&ann, &json!({"every": "1h"})), make(&ann, &json!({"every": "1h"})));
    let setup = server.stop();
    sql(
        &setup,
        &format!(
            "UPDATE triggers SET schedule = '{{}}' WHERE id = {garbage}; DELETE FROM cursors WHERE trigger_id = {sound}"
        ),
    );
    let told = audit(&setup, &["--repair"], 1);
    assert!(told.contains("unreadable") && told.contains("disarmed"), "{told}");
    assert!(told.contains("2 defects among 2 scheduled triggers. Put right: 1."), "{told}");
    let again = audit_as_json(&setup, &["--repair"], 1);
    assert_eq!((&again["findings"][0]["trigger"], &again["triggers"]), (&json!(garbage), &json!(2)));
    assert_eq!(again["findings"].as_array().map(Vec::len), Some(1));
    // It hides none of the others, and can be put right or deleted.
    let server = setup.serve();
    let (ann, at) = (ann.at(server.base()), format!("/api/v1/triggers/{garbage}"));
    let listed = ann.get("/api/v1/triggers").is(200).list();
    let told: Vec<_> = listed.iter().map(|one| (one["id"].clone(), one["problem"]["field"].clone())).collect();
    assert_eq!(told, [(json!(garbage), json!("schedule_details")), (json!(sound), Value::Null)]);
    for page in ["/", "/ui/triggers", "/upcoming"] {
        ann.get(page).is(200);
    }
    ann.get(&at).problem(409);
    ann.patch(&at, &json!({"name": "n"})).problem(409);
    let said = json!({"schedule_details": {"every": "2h"}});
    assert_eq!(ann.put(&at, &said).is(200).json()["schedule_details"]["every"], "2h");
    assert_eq!(ann.get("/api/v1/triggers").is(200).list().len(), 2);
    assert_eq!(ann.get(&format!("{at}/revisions")).is(200).list().len(), 1);
    ann.delete(&at).is(204);
}

#[test]
fn a_trigger_that_nobody_can_read_follows_no_calendar_and_keeps_to_it_again_from_its_next_edit_on() {
    let server = Setup::sqlite().serve();
    let ann = server.user();
    let calendar = ann.post("/api/v1/calendars", &json!({"name": "holidays"})).is(201).json()["id"].clone();
    let daily = json!({"cron": "0 9 * * *", "timezone": "Europe/Riga", "starts_at": "2031-12-24T00:00:00Z", "except_calendars": ["holidays"]});
    let (lost, sound) = (make(&ann, &daily), make(&ann, &daily));
    let at = format!("/api/v1/triggers/{lost}");
    // A zone that this version does not know, until the next one does.
    let write = |setup: &Setup, from: &str, to: &str| {
        sql(setup, &format!("UPDATE triggers SET schedule = replace(schedule, '{from}', '{to}') WHERE id = {lost}"));
    };
    let setup = server.stop();
    write(&setup, "Europe/Riga", "Europe/Atlantis");
    let server = setup.serve();
    let ann = ann.at(server.base());
    let edited = json!({"name": "holidays", "dates": ["2031-12-24"]});
    let asked = ann.put(&format!("/api/v1/calendars/{calendar}?dry_run=true"), &edited).is(200).json();
    assert_eq!((&asked["changed"], &asked["unreadable"]), (&json!(1), &json!(1)), "{asked}");
    let told = ann.put(&format!("/api/v1/calendars/{calendar}"), &edited).is(200).json();
    assert_eq!((&told["triggers"][0]["id"], &told["unreadable"]), (&json!(sound), &json!([lost])), "{told}");
    assert_eq!(told["triggers"].as_array().map(Vec::len), Some(1));
    let line = ann.get("/api/v1/audit?limit=1").is(200).list().remove(0).to_string();
    assert!(line.contains(&format!("trigger {lost} cannot be read and does not follow")), "{line}");
    let page = ann.get(&format!("/ui/calendars/{calendar}")).is(200).text;
    assert!(page.contains("And 1 more that cannot be read and follows no change."), "{page}");
    ann.delete(&format!("/api/v1/triggers/{sound}")).is(204);
    let page = ann.get(&format!("/ui/calendars/{calendar}/delete")).is(200).text;
    assert!(
        page.contains("holidays is used") && page.contains("A trigger that cannot be read and follows no change."),
        "{page}"
    );
    let described = json!({"name": "holidays", "description": "of Latvia", "dates": ["2031-12-24"]});
    let told = ann.put(&format!("/api/v1/calendars/{calendar}"), &described).is(200).json();
    assert!(told["unreadable"].is_null() && told["triggers"] == json!([]), "nobody takes that over: {told}");
    let setup = server.stop();
    write(&setup, "Europe/Atlantis", "Europe/Riga");
    let server = setup.serve();
    let ann = ann.at(server.base());
    assert_eq!(ann.get(&at).is(200).json()["calendars"][0]["revision"], 1);
    let asked = ann.patch(&format!("{at}?dry_run=true"), &json!({"name": "found"})).is(200).json();
    assert_eq!(asked["trigger"]["calendars"][0]["revision"], 2, "{asked}");
    let renamed = ann.patch(&at, &json!({"name": "found"})).is(200).json();
    assert_eq!((&renamed["name"], &renamed["calendars"][0]["revision"]), (&json!("found"), &json!(2)));
    assert_eq!(renamed["next_at"], "2031-12-25T07:00:00Z");
}

/// Writes this over triggers, and asks all that can be asked of them; gives the server's log.
fn spoil(what: &str, text: &str) -> String {
    let server = Setup::sqlite().serve();
    let ann = server.user();
    let garbage = make(&ann, &json!({"every": "1s"}));
    let at = format!("/api/v1/triggers/{garbage}");
    ann.patch(&at, &json!({"api_payload": {"a": 1}})).is(200);
    let beside = ann.post("/api/v1/triggers", &json!({"type": "api", "payload_schema": {"type": "object"}})).is(201);
    let called = ann.post("/api/v1/triggers", &json!({"type": "api"})).is(201).json()["id"].clone();
    let ticking = make(&ann, &json!({"every": "1s"}));
    let (beside, fire) = (beside.json()["id"].clone(), format!("/api/v1/triggers/{called}/fire"));
    let setup = server.stop();
    sql(&setup, &format!("UPDATE triggers SET {what} = '{text}' WHERE id IN ({garbage}, {called})"));
    let server = setup.serve();
    let ann = ann.at(server.base());
    fires_on(&ann, ticking);
    for path in [fire.as_str(), &format!("{at}/run"), &format!("{at}/test"), &format!("{at}/revisions/1/restore")] {
        let told = ann.post_nothing(path).problem(409);
        assert!(told["detail"].as_str().is_some_and(|words| words.contains("PUT")), "{path}: {told}");
    }
    ann.get(&at).problem(409);
    // What can be done to it can be asked for beforehand, on both surfaces, and what cannot is refused as it is.
    let whole = json!({"schedule_details": {"every": "2h"}});
    let told = ann.put(&format!("{at}?dry_run=true&until={}", in_ms(5 * 3_600_000)), &whole).is(200);
    let told = told.json();
    assert_eq!((&told["next"]["before"], &told["changes"]), (&Value::Null, &json!([])), "nobody can read it: {told}");
    assert_eq!(told["occurrences"]["added"].as_array().map(Vec::len), Some(2), "{told}");
    ann.patch(&format!("{at}?dry_run=true"), &json!({"name": "n"})).problem(409);
    let flat = format!("/triggers/{garbage}");
    assert_eq!(ann.put(&format!("{flat}?dry_run=true"), &json!({"name": "n"})).status, 409);
    for path in [&at, &flat] {
        let told = ann.delete(&format!("{path}?dry_run=true")).is(200).json();
        let occurrences = &told["occurrences"];
        assert_eq!((&told["trigger"], &occurrences["removed"]), (&Value::Null, &json!([])), "it fires no more: {told}");
    }
    let calls = json!([{"trigger_id": called, "payload": {}}, {"trigger_id": beside, "payload": {}}]);
    let told = ann.post("/api/v1/fire/bulk", &calls).is(200).json();
    let statuses: Vec<&Value> = told["results"].as_array().expect("a list").iter().map(|one| &one["status"]).collect();
    assert_eq!(statuses, [&json!(409), &json!(200)], "{told}");
    for page in ["/", "/ui/triggers", "/upcoming", "/events", &format!("/ui/triggers/{ticking}")] {
        ann.get(page).is(200);
    }
    ann.get("/api/v1/event_logs").is(200);
    if what != "schedule" {
        ann.put(&format!("/api/v1/triggers/{called}"), &json!({"name": "sound"})).is(200);
        ann.post_nothing(&fire).is(200);
    }
    fires_on(&ann, ticking);
    server.log()
}

#[test]
fn what_is_asked_of_a_trigger_that_nobody_can_read_is_refused_and_the_log_says_so_once() {
    for (what, text) in [("schedule", "x"), ("payload", "{spoiled"), ("payload_schema", "{spoiled")] {
        let log = spoil(what, text);
        let says_so = |line: &&str| line.contains("cannot be read and does not fire") && !line.contains("auditor");
        assert_eq!(log.lines().filter(says_so).count(), 1, "{what}: {log}");
        assert!(!log.contains("panicked"), "{what}: {log}");
        assert!(!log.contains("could not be answered"), "each refusal is no news to the log: {what}: {log}");
    }
}

#[test]
fn an_event_whose_payload_somebody_spoiled_is_shown_and_delivered_as_the_text_that_it_is() {
    let server = Setup::sqlite().flag("--allow-private-destinations").serve();
    let (ann, receiver) = (server.user(), Receiver::start());
    let said = json!({"name": "Held", "kind": "webhook", "url": receiver.url()});
    let held = ann.post("/api/v1/destinations", &said).is(201).json()["id"].clone();
    ann.post_nothing(&format!("/api/v1/destinations/{held}/pause")).is(200);
    let made = ann.post("/api/v1/triggers", &json!({"type": "api", "destinations": [held]})).is(201).json();
    let fired = ann.post_nothing(&format!("/api/v1/triggers/{}/fire", made["id"])).is(200).json();
    let setup = server.stop();
    sql(&setup, "UPDATE events SET payload = '{spoiled'");
    let server = setup.serve();
    let ann = ann.at(server.base());
    let listed = ann.get("/api/v1/event_logs").is(200).list();
    assert_eq!(listed[0]["payload"], "{spoiled");
    for page in ["/events", &format!("/events/{}", fired["event_id"])] {
        ann.get(page).is(200);
    }
    ann.post_nothing(&format!("/api/v1/destinations/{held}/resume")).is(200);
    let delivery = receiver.wait_for(1).remove(0);
    assert_eq!(delivery.json()["data"]["payload"], "{spoiled");
    assert!(!server.log().contains("panicked"));
}

#[test]
fn an_event_that_somebody_took_away_is_missed() {
    let server = Setup::sqlite().serve();
    let ann = server.user();
    let id = make(&ann, &json!({"every": "1s"}));
    let fired = fires_on(&ann, id);
    // What fell due a moment ago may still be under way.
    std::thread::sleep(Duration::from_secs(18));
    let setup = server.stop();
    assert_eq!(audit_as_json(&setup, &[], 0)["findings"], json!([]));
    let first = fired.first().expect("it fired");
    sql(
        &setup,
        &format!(
            "DELETE FROM events WHERE trigger_id = {id} AND id = (SELECT min(id) FROM events WHERE trigger_id = {id})"
        ),
    );
    let told = audit_as_json(&setup, &["--repair"], 1);
    let finding = &told["findings"][0];
    assert_eq!((&finding["defect"], &finding["occurrences"]), (&json!("missing"), &json!(1)), "{told}");
    assert_eq!((finding["first"].as_str(), &told["repaired"]), (Some(first.as_str()), &json!(0)), "{told}");
    assert!(audit(&setup, &[], 1).contains(&format!("(missing): 1, the first at {first}.")));
}

#[test]
fn what_fired_under_a_limit_is_held_to_account_also_after_the_last_and_after_an_edit() {
    let server = Setup::sqlite().serve();
    let ann = server.user();
    let limited = |most: u64| make(&ann, &json!({"every": "1s", "max_fires": most}));
    let (spent, edited, lasting) = (limited(3), limited(3), limited(100_000));
    let all = |id: i64| until("it has fired as often as it may", || Some(fired(&ann, id)).filter(|all| all.len() == 3));
    let (of_spent, of_edited) = (all(spent), all(edited));
    ann.patch(&format!("/api/v1/triggers/{edited}"), &json!({"schedule_details": {"every": "1h"}})).is(200);
    // What fell due a moment ago may still be under way.
    std::thread::sleep(Duration::from_secs(18));
    let setup = server.stop();
    assert_eq!(audit_as_json(&setup, &[], 0)["findings"], json!([]));
    sql(
        &setup,
        &format!(
            "DELETE FROM events WHERE id = (SELECT max(id) FROM events WHERE trigger_id = {spent});
             DELETE FROM events WHERE id = (SELECT min(id) FROM events WHERE trigger_id = {edited});
             DELETE FROM cursors WHERE trigger_id = {lasting}"
        ),
    );
    let told = audit_as_json(&setup, &["--repair"], 1);
    let found = |id: i64| {
        let findings = told["findings"].as_array().expect("a list");
        let of: Vec<_> = findings.iter().filter(|one| one["trigger"] == id).collect();
        assert_eq!(of.len(), 1, "{told}");
        (of[0]["defect"].clone(), of[0]["first"].as_str().map(str::to_owned), of[0]["occurrences"].clone())
    };
    assert_eq!(found(spent), (json!("missing"), of_spent.last().cloned(), json!(1)), "the last of all");
    assert_eq!(
        found(edited),
        (json!("missing"), of_edited.first().cloned(), json!(1)),
        "the first, long before the edit"
    );
    assert_eq!((found(lasting).0, &told["repaired"]), (json!("disarmed"), &json!(1)));
    // One firing more than it may, as if it had been let and had counted it.
    sql(
        &setup,
        &format!(
            "UPDATE limits SET counted_until = counted_until + 1000000 WHERE trigger_id = {spent};
             INSERT INTO events (owner, trigger_id, revision, origin, scheduled_at, fired_at, message_id)
             SELECT owner, trigger_id, revision, origin, scheduled_at + n * 1000000, fired_at + n * 1000000, randomblob(16)
             FROM events JOIN (SELECT 1 AS n UNION SELECT 2) ON id = (SELECT max(id) FROM events WHERE trigger_id = {spent})"
        ),
    );
    let told = audit_as_json(&setup, &[], 1);
    let of_spent: Vec<_> =
        told["findings"].as_array().expect("a list").iter().filter(|one| one["trigger"] == spent).collect();
    assert_eq!(
        (of_spent.len(), &of_spent[0]["defect"], &of_spent[0]["occurrences"]),
        (1, &json!("unnamed"), &json!(1))
    );
}

#[test]
fn a_database_that_is_not_there_cannot_be_looked_at() {
    let said = audit(&Setup::bare(), &["--database-url", "sqlite:none.db"], 2);
    assert!(said.contains("none.db"), "{said}");
    let said = audit(&Setup::bare(), &["--database-url", "sqlite::memory:"], 2);
    assert!(said.contains("memory"), "{said}");
}

#[test]
fn on_postgresql_a_running_server_finds_within_a_minute_what_was_taken_away() {
    let database = Database::fresh();
    let server = Setup::node(&database.url()).serve();
    let ann = server.user();
    let (every, once) = (make(&ann, &json!({"every": "1s"})), make(&ann, &json!({"run_at": "2199-01-01T00:00:00Z"})));
    let first = fires_on(&ann, every);
    database.sql("DELETE FROM cursors");
    let told = audit_as_json(server.setup(), &["--database-url", &database.url()], 1);
    assert_eq!(told["findings"].as_array().map(Vec::len), Some(2), "{told}");
    round_that_found(&server, "disarmed", 2);
    // What fell due meanwhile was nobody's absence: each fires, once, and none is missing.
    let all = fires_on(&ann, every);
    assert!(first.is_subset(&all));
    let instants: Vec<i64> = all.iter().map(|at| seconds(at)).collect();
    assert!(instants.windows(2).all(|pair| pair[1] == pair[0] + 1), "there is a gap: {instants:?}");
    assert_eq!(database.sql(&format!("SELECT count(*) FROM cursors WHERE trigger_id IN ({every}, {once})")), "2");

    database.sql(&format!("UPDATE cursors SET revision = revision + 1 WHERE trigger_id = {every}"));
    let told = audit_as_json(server.setup(), &["--database-url", &database.url(), "--repair"], 1);
    assert_eq!((&told["findings"][0]["defect"], &told["repaired"]), (&json!("outdated"), &json!(1)), "{told}");
    fires_on(&ann, every);
    audit(server.setup(), &["--database-url", &database.url()], 0);
}

/// Whole seconds since 1970 of an instant of today or tomorrow.
fn seconds(at: &str) -> i64 {
    let at: jiff::Timestamp = at.parse().expect("an instant");
    at.as_second()
}
