//! `oncue copy`: a team moves from SQLite to PostgreSQL between two lives of its server. Every occurrence is there exactly once,
//! fired or on record, whatever the copy went through.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::database::Database;
use crate::support::receiver::{OK, Receiver, Reply};
use crate::support::server::{PASSWORD, Process, Server, Setup};
use crate::support::time::instant;
use crate::support::wait::until;

/// The folder of a server on SQLite, from now on for one on PostgreSQL with the same key.
fn on_postgres(setup: Setup, url: &str) -> Setup {
    let key = setup.path("oncue.db.jwt-secret").display().to_string();
    setup.option("--database-url", url).variable("JWT_SECRET_FILE", &key)
}

fn make(ann: &Client, body: &Value) -> i64 {
    ann.post("/api/v1/triggers", body).is(201).json()["id"].as_i64().expect("an integer")
}

/// All kept events by their numbers.
fn events(ann: &Client) -> BTreeMap<i64, Value> {
    let mut events = BTreeMap::new();
    let mut next = Some("/api/v1/event_logs?status=all&limit=100".to_owned());
    while let Some(path) = next {
        let page = ann.get(&path).is(200);
        next = page.next_page();
        events.extend(page.list().into_iter().map(|event| (event["id"].as_i64().expect("an integer"), event)));
    }
    events
}

/// The instants, in whole seconds, at which a trigger's occurrences are accounted for: fired, or in a record of skipped ones.
fn accounted(ann: &Client, trigger: i64) -> Vec<i64> {
    let of = events(ann).into_values().filter(|event| event["trigger_id"] == trigger);
    let mut seconds: Vec<i64> = of.map(|event| instant(&event["scheduled_at"]).as_second()).collect();
    for record in ann.get(&format!("/api/v1/triggers/{trigger}/skipped")).is(200).list() {
        let (first, last) = (instant(&record["first"]).as_second(), instant(&record["last"]).as_second());
        assert_eq!(record["reason"], "missed", "{record}");
        seconds.extend(first..=last);
    }
    seconds.sort_unstable();
    seconds
}

/// Whether each of these triggers has fired for three occurrences after an instant.
fn have_fired_thrice(ann: &Client, triggers: &[i64], after: Timestamp) -> Option<()> {
    let fired = events(ann);
    let times = |id: &i64| {
        let of = fired.values().filter(|event| event["trigger_id"] == *id);
        of.filter(|event| instant(&event["scheduled_at"]) > after).count()
    };
    triggers.iter().all(|id| times(id) >= 3).then_some(())
}

#[test]
fn a_team_moves_with_all_it_has_and_no_occurrence_is_lost_or_repeated() {
    let database = Database::fresh();
    let url = database.url();
    let receiver =
        Receiver::scripted(|_, before| if before == 0 { Reply::Slow(Duration::from_secs(60), 200) } else { OK });
    let server = Server::start_delivering();
    let ann = server.user();
    let clocks: Vec<i64> =
        (0..3).map(|_| make(&ann, &json!({"type": "scheduled", "schedule_details": {"every": "1s"}}))).collect();
    let called = make(&ann, &json!({"type": "api", "webhook_url": receiver.url()}));
    let api_key = ann.post("/api/v1/api_keys", &json!({"name": "shop", "scopes": ["fire"]})).is(201).json();
    let fire = format!("/api/v1/triggers/{called}/fire");
    let owed = ann.post(&fire, &json!({"n": 1})).is(200).json();
    let under_way = receiver.wait_for(1)[0].webhook_id().to_owned();
    until("all triggers have fired", || have_fired_thrice(&ann, &clocks, Timestamp::MIN));
    let setup = server.kill();
    let (status, said) = setup.run(&["copy", "--to", &url], "");
    assert!(status.success(), "{said}");
    for part in ["triggers", "4 of", "counted on both sides", "oncue.db.jwt-secret", "JWT_SECRET_FILE"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let said = setup.refused();
    assert!(said.contains("was moved to") && said.contains("oncue copy --undo"), "{said}");
    let (status, said) = setup.run(&["copy", "--to", &url], "");
    assert!(status.success() && said.contains("already; nothing was changed"), "{said}");

    let server = on_postgres(setup, &url).serve();
    let back_at = Timestamp::now();
    let (ann, nobody) = (ann.at(server.base()), server.nobody());
    until("the triggers fire on time again", || have_fired_thrice(&ann, &clocks, back_at));
    server.login("ann@example.com").get("/api/v1/triggers").is(200);
    ann.get("/api/v1/triggers").is(200);
    let shop = nobody.bearer(api_key["key"].as_str().expect("the key is shown once"));
    let newest = events(&ann).into_keys().max().expect("events");
    let next = shop.post(&fire, &json!({"n": 2})).is(200).json()["event_id"].as_i64().expect("an integer");
    assert!(next > newest, "{next} after {newest}");
    receiver.wait_for(3);
    let of_the_owed: Vec<_> =
        receiver.received().into_iter().filter(|request| request.webhook_id() == under_way).collect();
    assert_eq!(of_the_owed.len(), 2, "what was under way is attempted again, under its message id");
    until("its outcome is written down", || {
        let event = ann.get(&format!("/api/v1/event_logs/{}", owed["event_id"])).is(200).json();
        Some(()).filter(|()| event["deliveries"][0]["status"] == "delivered" && event["payload"] == json!({"n": 1}))
    });
    for clock in &clocks {
        let seconds = accounted(&ann, *clock);
        let (first, last) = (seconds[0], seconds[seconds.len() - 1]);
        assert_eq!(seconds, (first..=last).collect::<Vec<_>>(), "each occurrence of {clock} exactly once");
        assert!(last - first >= 5, "three before the move and three after");
    }
    let setup = server.stop().without_flags();
    assert!(setup.refused().contains("was moved to"), "the old file, even now");
}

/// Waits until a copy has told of so many tables; false when it ended before.
fn has_told_of(copy: &mut Process, tables: usize) -> bool {
    loop {
        if copy.log().lines().count() >= tables {
            return true;
        }
        if copy.has_ended() {
            return false;
        }
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_copy_that_is_killed_at_any_moment_is_completed_by_the_next_one() {
    let database = Database::fresh();
    let url = database.url();
    let server = Server::start();
    let ann = server.user().keeping_alive();
    let called = make(&ann, &json!({"type": "api"}));
    make(&ann, &json!({"type": "scheduled", "schedule_details": {"every": "1h"}}));
    let filler = "x".repeat(2000);
    let fired: BTreeSet<i64> = (0..300)
        .map(|n| {
            let answer = ann.post(&format!("/api/v1/triggers/{called}/fire"), &json!({"n": n, "filler": filler}));
            answer.is(200).json()["event_id"].as_i64().expect("an integer")
        })
        .collect();
    let token = ann.token().to_owned();
    let mut setup = server.stop();
    let chance = RandomState::new();
    let (mut killed, mut half_made) = (0, 0);
    for tables in [0, 0, 1, 3, 5, 6, 7, 11, 14] {
        let mut copy = setup.begin(&["copy", "--to", &url]);
        let is_going = has_told_of(&mut copy, tables);
        thread::sleep(Duration::from_micros(chance.hash_one(tables + killed) % 8_000));
        if !is_going || copy.has_ended() {
            break;
        }
        copy.kill();
        killed += 1;
        let begun = "SELECT count(*) FROM pg_tables WHERE tablename = 'copies'";
        let is_there = database.sql(begun) == "1";
        if is_there && database.sql("SELECT count(*) FROM copies WHERE done_at IS NULL") == "1" {
            half_made += 1;
            let node = [
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--jwt-secret",
                PASSWORD.repeat(2).as_str(),
                "--database-url",
                &url,
            ]
            .map(str::to_owned);
            let (status, said) = setup.run(&node.each_ref().map(String::as_str), "");
            assert!(!status.success() && said.contains("is not done"), "{said}");
        }
        if killed == 4 {
            // The old server may go on as long as the copy is not complete, and what it does then is copied too.
            let server = setup.serve();
            let ann = server.nobody().bearer(&token);
            ann.post(&format!("/api/v1/triggers/{called}/fire"), &json!({"n": "between"})).is(200);
            setup = server.stop();
        }
    }
    assert!(killed >= 5 && half_made >= 3, "{killed} were killed, {half_made} of them in the midst of it");
    let (status, said) = setup.run(&["copy", "--to", &url], "");
    assert!(status.success(), "{said}");
    let server = on_postgres(setup, &url).serve();
    let ann = server.nobody().bearer(&token);
    let there = events(&ann);
    assert_eq!(there.len(), fired.len() + 1, "each event once");
    assert!(fired.iter().all(|id| there.contains_key(id)));
    let payloads: BTreeSet<String> = there.values().map(|event| event["payload"]["n"].to_string()).collect();
    assert_eq!(payloads.len(), fired.len() + 1);
    assert_eq!(ann.get("/api/v1/triggers").is(200).list().len(), 2);
}

#[test]
fn a_copy_is_refused_with_words_while_a_server_runs_or_when_it_makes_no_sense() {
    let database = Database::fresh();
    let url = database.url();
    let server = Server::start();
    let (status, said) = server.setup().run(&["copy", "--to", &url], "");
    assert!(!status.success() && said.contains("Another oncue serves"), "{said}");
    let setup = server.stop();
    for (arguments, named) in [
        (vec!["copy"], "--to"),
        (vec!["copy", "--to", "sqlite:other.db"], "--to"),
        (vec!["copy", "--to", &url, "--from", &url], "--from"),
        (vec!["copy", "--to", &url, "--from", "sqlite::memory:"], "--from"),
        (vec!["copy", "--to", &url, "--from", "sqlite:none.db"], "none.db"),
    ] {
        let (status, said) = setup.run(&arguments, "");
        assert!(!status.success() && said.contains(named), "{arguments:?}: {said}");
    }
    let setup = setup.variable("DATABASE_URL", &url);
    let (status, said) = setup.run(&["copy"], "");
    assert!(status.success() && said.contains("Moved to"), "the variable names it as well: {said}");
    let (status, said) = setup.run(&["copy", "--undo", "--to", &url], "");
    assert!(status.success() && said.contains("may be served again"), "{said}");
    assert!(
        said.contains("No server starts on") && said.contains("throws it away"),
        "what becomes of the other: {said}"
    );
}
