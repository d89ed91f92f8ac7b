//! What waits to fire late: what a trigger catches up with after an outage, shown before it is released; what somebody backfills; and running
//! a trigger now.

use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::server::{Server, Setup};
use crate::support::time::in_ms;
use crate::support::wait::until;

/// Longer than a node is borne with that falls silent.
const AWAY: Duration = Duration::from_secs(5);

fn make(ann: &Client, details: &Value) -> i64 {
    let made = ann.post("/api/v1/triggers", &json!({"type": "scheduled", "schedule_details": details})).is(201).json();
    made["id"].as_i64().expect("a number")
}

fn events(ann: &Client, id: i64) -> Vec<Value> {
    ann.get(&format!("/api/v1/event_logs?status=all&limit=200&trigger_id={id}")).is(200).list()
}

/// The nominal times of what fired for that reason.
fn nominal(ann: &Client, id: i64, origin: &str) -> Vec<String> {
    let of_it = events(ann, id).into_iter().filter(|event| event["origin"] == origin);
    let mut times: Vec<String> =
        of_it.map(|event| event["scheduled_at"].as_str().expect("an instant").to_owned()).collect();
    times.sort();
    times
}

fn backlog(ann: &Client, id: i64) -> Option<Value> {
    let told = ann.get("/api/v1/backlog").is(200).json();
    let mut backlogs = told["backlogs"].as_array().expect("a list").iter();
    backlogs.find(|backlog| backlog["trigger_id"] == id).cloned()
}

#[test]
fn all_that_was_missed_is_shown_before_it_is_released_and_fires_then() {
    let server = Server::start();
    let ann = server.user();
    let all =
        json!({"every": "1s", "misfire": {"policy": "all", "at_most": 500, "not_older_than": "2h", "hold": true}});
    let (released, discarded) = (make(&ann, &all), make(&ann, &all));
    let few = make(&ann, &json!({"every": "1s", "misfire": {"policy": "all", "at_most": 2}}));
    let shown = ann.get(&format!("/api/v1/triggers/{released}")).is(200).json();
    assert_eq!(shown["schedule_details"], all);
    assert!(shown["summary"].as_str().is_some_and(|said| said.contains("once released, at most 500 times")), "{shown}");
    until("both fire", || {
        (events(&ann, released).pop().is_some() && events(&ann, discarded).pop().is_some()).then_some(())
    });
    let setup = server.kill();
    sleep(AWAY);
    let server = setup.serve();
    let ann = ann.at(server.base());
    let held = until("it is held", || backlog(&ann, released));
    let count = held["left"].as_u64().expect("a number");
    assert!(count >= 4 && held["is_held"] == true && held["origin"] == "catch-up", "{held}");
    assert_eq!((&held["occurrences"], &held["next"]), (&held["left"], &held["from"]));
    // What lies beyond the bounds is over the budget, and not only missed.
    let record = until("it is on record", || ann.get(&format!("/api/v1/triggers/{few}/skipped")).is(200).list().pop());
    assert_eq!(record["reason"], "budget", "{record}");
    let told = ann.get(&format!("/api/v1/triggers/{few}/why?at={}", record["first"].as_str().expect("an instant")));
    let told = told.is(200).json();
    assert_eq!((&told["disposition"], &told["absence"].is_null()), (&json!("budget"), &false), "{told}");
    assert!(told["advice"][0].as_str().is_some_and(|line| line.starts_with("Raise at_most")), "{told}");
    assert!(ann.get(&format!("/ui/triggers/{few}")).is(200).text.contains("beyond the bounds"), "the page says so too");
    let first = held["from"].as_str().expect("an instant").to_owned();
    let why = |id: i64| ann.get(&format!("/api/v1/triggers/{id}/why?at={first}")).is(200).json();
    assert_eq!(why(released)["disposition"], "held", "{}", why(released));
    assert!(nominal(&ann, released, "catch-up").is_empty());
    let foretold = ann.get("/api/v1/forecast").is(200).json();
    assert!(foretold["backlog"]["held"].as_u64() >= Some(count), "{foretold}");
    assert!(ann.get("/forecast").is(200).text.contains("late occurrences wait in backlogs"));
    let page = ann.get("/ui/backlog").is(200).text;
    assert!(page.contains("Release all that is held") && page.contains("badge warn\">held"), "{page}");
    assert!(ann.get(&format!("/ui/triggers/{released}")).is(200).text.contains("href=\"/ui/backlog\""));

    let release = format!("/api/v1/backlog/{}/release", held["id"]);
    assert_eq!(ann.post_nothing(&release).is(200).json()["occurrences"], held["left"]);
    let late = until("all of it fires", || {
        Some(nominal(&ann, released, "catch-up")).filter(|late| late.len() as u64 == count)
    });
    assert_eq!((&late[0], &late[late.len() - 1]), (&first, &held["to"].as_str().expect("an instant").to_owned()));
    until("nothing is left", || backlog(&ann, released).is_none().then_some(()));
    assert_eq!(why(released)["disposition"], "caught_up", "{}", why(released));
    ann.post_nothing(&release).is(404);

    let other = backlog(&ann, discarded).expect("it waits");
    ann.post_nothing(&format!("/api/v1/backlog/{}/discard", other["id"])).is(200);
    let record = ann.get(&format!("/api/v1/triggers/{discarded}/skipped")).is(200).list().remove(0);
    assert_eq!((&record["reason"], &record["count"]), (&json!("discarded"), &other["left"]), "{record}");
    assert_eq!(backlog(&ann, discarded), None);
    assert!(nominal(&ann, discarded, "catch-up").is_empty());
}

#[test]
fn after_a_long_outage_a_server_can_hold_what_no_trigger_asks_to_be_held() {
    let server = Setup::new().option("--hold-backlog-after", "2s").serve();
    let ann = server.user();
    let id = make(&ann, &json!({"every": "1s", "misfire": "all"}));
    until("it fires", || events(&ann, id).pop());
    let setup = server.kill();
    sleep(AWAY);
    let server = setup.serve();
    let ann = ann.at(server.base());
    let held = until("it is held", || backlog(&ann, id));
    assert_eq!(held["is_held"], true, "{held}");
    let told = ann.post_nothing("/api/v1/backlog/release").is(200).json();
    assert_eq!((&told["backlogs"], &told["occurrences"]), (&json!(1), &held["left"]), "{told}");
    until("it fires late", || Some(()).filter(|()| nominal(&ann, id, "catch-up").len() as u64 == held["left"]));
}

#[test]
fn a_span_that_is_past_is_backfilled_after_a_look_at_what_that_does() {
    let server = Server::start();
    let ann = server.user();
    let id = make(&ann, &json!({"cron": "0 * * * *"}));
    let next_at = ann.get(&format!("/api/v1/triggers/{id}")).is(200).json()["next_at"].clone();
    let path = format!("/api/v1/triggers/{id}/backfill");
    let span =
        |dry_run: bool| json!({"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z", "dry_run": dry_run});
    let told = ann.post(&path, &span(true)).is(200).json();
    assert_eq!((&told["occurrences"], &told["to_fire"], &told["fired_already"]), (&json!(24), &json!(24), &json!(0)));
    assert_eq!((&told["first"][0], &told["backlog"]), (&json!("2026-01-01T00:00:00Z"), &Value::Null));
    assert!(events(&ann, id).is_empty() && backlog(&ann, id).is_none(), "nothing happened");

    let made = ann.post(&path, &span(false)).is(200).json();
    assert_eq!(
        (&made["backlog"]["origin"], &made["backlog"]["occurrences"]),
        (&json!("backfill"), &json!(24)),
        "{made}"
    );
    assert_eq!(made["backlog"]["made_by"]["kind"], "user", "{made}");
    let late = until("all of it fires", || Some(nominal(&ann, id, "backfill")).filter(|late| late.len() == 24));
    assert_eq!((late[0].as_str(), late[23].as_str()), ("2026-01-01T00:00:00Z", "2026-01-01T23:00:00Z"));
    until("nothing is left", || backlog(&ann, id).is_none().then_some(()));
    assert_eq!(ann.get(&format!("/api/v1/triggers/{id}")).is(200).json()["next_at"], next_at, "its next firing stays");
    let told = ann.get(&format!("/api/v1/triggers/{id}/why?at=2026-01-01T05:00:00Z")).is(200).json();
    assert_eq!(told["disposition"], "backfilled", "{told}");
    let again = ann.post(&path, &span(true)).is(200).json();
    assert_eq!((&again["to_fire"], &again["fired_already"]), (&json!(0), &json!(24)), "what has fired is left out");
}

#[test]
fn what_cannot_be_backfilled_is_refused_with_words() {
    let server = Server::start();
    let ann = server.user();
    let id = make(&ann, &json!({"every": "1s"}));
    let path = format!("/api/v1/triggers/{id}/backfill");
    for (from, to, field) in [
        ("2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z", "to"),
        ("2020-01-01T00:00:00Z", "2022-01-01T00:00:00Z", "to"),
        ("2026-01-01T00:00:00Z", "2099-01-01T00:00:00Z", "to"),
        ("yesterday", "2026-01-01T00:00:00Z", "from"),
    ] {
        let refused = ann.post(&path, &json!({"from": from, "to": to})).is(422);
        assert!(refused.text.contains(&format!("\"{field}\"")), "{}", refused.text);
    }
    ann.post(&path, &json!({"from": "2026-01-01T00:00:00Z"})).is(422);
    let api = ann.post("/api/v1/triggers", &json!({"type": "api"})).is(201).json()["id"].clone();
    let span = json!({"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"});
    ann.post(&format!("/api/v1/triggers/{api}/backfill"), &span).is(400);
    let hourly = make(&ann, &json!({"cron": "0 * * * *"}));
    ann.patch(&format!("/api/v1/triggers/{hourly}"), &json!({"enabled": false})).is(200);
    ann.post(&format!("/api/v1/triggers/{hourly}/backfill"), &span).is(409);
    ann.patch(&format!("/api/v1/triggers/{hourly}"), &json!({"enabled": true})).is(200);
    let held = json!({"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z", "hold": true});
    let told = ann.post(&format!("/api/v1/triggers/{hourly}/backfill?dry_run=true"), &held).is(200).json();
    assert_eq!((&told["dry_run"], &told["to_fire"], &told["backlog"]), (&json!(true), &json!(24), &Value::Null));
    ann.post(&format!("/api/v1/triggers/{hourly}/backfill"), &held).is(200);
    ann.post(&format!("/api/v1/triggers/{hourly}/backfill"), &held).is(409);
    ann.post_nothing("/api/v1/backlog/99/release").is(404);
    ann.post_nothing("/api/v1/backlog/x/discard").is(404);
}

#[test]
fn a_trigger_runs_now_and_its_occurrence_stays() {
    let server = Server::start();
    let ann = server.user();
    let body = json!({"type": "scheduled", "schedule_details": {"cron": "0 0 1 1 *"}, "api_payload": {"key": "value"}});
    let made = ann.post("/api/v1/triggers", &body).is(201).json();
    let at = format!("/api/v1/triggers/{}", made["id"]);
    let event = ann.post_nothing(&format!("{at}/run")).is(200).json()["event_id"].clone();
    let told = ann.get(&format!("/api/v1/event_logs/{event}")).is(200).json();
    assert_eq!(
        (&told["origin"], &told["scheduled_at"], &told["is_manual_test"]),
        (&json!("run"), &Value::Null, &json!(false))
    );
    assert_eq!(told["payload"], json!({"key": "value"}), "{told}");
    assert_eq!(ann.get(&at).is(200).json()["next_at"], made["next_at"]);
    ann.patch(&at, &json!({"enabled": false})).is(200);
    ann.post_nothing(&format!("{at}/run")).is(409);
    ann.post_nothing("/api/v1/triggers/99/run").is(404);
}

/// Three triggers whose occurrences of a day wait; the last of them is held.
fn three_waiting(ann: &Client) -> Vec<Value> {
    let span = |hold: bool| json!({"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z", "hold": hold});
    let made = ["one", "two", "three"].map(|name| {
        let wanted = json!({"name": name, "type": "scheduled", "schedule_details": {"cron": "0 * * * *"}});
        let id = ann.post("/api/v1/triggers", &wanted).is(201).json()["id"].clone();
        ann.post(&format!("/api/v1/triggers/{id}/backfill"), &span(true)).is(200).json()["backlog"].clone()
    });
    made.to_vec()
}

#[test]
fn the_list_is_paged_and_its_sums_are_of_all_pages() {
    let server = Server::start();
    let ann = server.user();
    let made = three_waiting(&ann);
    let first = ann.get("/api/v1/backlog?limit=2").is(200);
    let told = first.json();
    assert_eq!((&told["occurrences"], &told["held"]), (&json!(72), &json!(72)), "{told}");
    assert_eq!(told["backlogs"], json!(made[..2]));
    let next = ann.get(&first.next_page().expect("there is more")).is(200);
    assert_eq!((next.json()["backlogs"].clone(), next.next_page()), (json!(made[2..]), None));
    assert_eq!(next.json()["occurrences"], json!(72));
    for wrong in ["limit=0", "cursor=x"] {
        ann.get(&format!("/api/v1/backlog?{wrong}")).is(422);
    }
    let metrics = ann.get("/metrics").is(200).text;
    for line in ["oncue_backlog_occurrences{state=\"held\"} 72", "oncue_backlog_occurrences{state=\"waiting\"} 0"] {
        assert!(metrics.contains(line), "{line} is missing");
    }
    assert!(ann.get("/ui/backlog").is(200).text.contains("72 in all, 72 held"));
}

#[test]
fn what_was_decided_is_told_as_what_it_was_and_on_record_with_the_name_of_the_trigger() {
    let server = Server::start();
    let ann = server.user();
    let made = three_waiting(&ann);
    let at = |number: usize, what: &str| format!("/api/v1/backlog/{}/{what}", made[number]["id"]);
    let told = ann.post_nothing(&at(0, "discard")).is(200).json();
    assert!(told["message"].as_str().is_some_and(|said| said.contains("A backfill leaves no record")), "{told}");
    let records = format!("/api/v1/triggers/{}/skipped", made[0]["trigger_id"]);
    assert_eq!(ann.get(&records).is(200).list(), Vec::<Value>::new());
    ann.post_nothing(&at(1, "release")).is(200);
    let acts = ann.get("/api/v1/audit?limit=5").is(200).list();
    let told: Vec<_> = acts.iter().map(|act| (act["action"].as_str(), act["object"]["name"].as_str())).collect();
    assert_eq!(
        told[..3],
        [(Some("released"), Some("two")), (Some("discarded"), Some("one")), (Some("backfilled"), Some("three")),]
    );
    assert_eq!(
        ann.post_nothing("/api/v1/backlog/discard").is(200).json()["backlogs"].as_u64().map(|n| n >= 1),
        Some(true)
    );
    until("nothing is left", || {
        ann.get("/api/v1/backlog").is(200).json()["backlogs"].as_array().is_some_and(Vec::is_empty).then_some(())
    });
    assert_eq!(ann.post_nothing("/api/v1/backlog/discard").is(200).json()["message"], "Nothing waited.");
}

#[test]
fn what_is_over_is_told_on_the_page_and_all_of_it_goes_after_a_second_look() {
    let server = Server::start();
    let ann = server.user();
    let made = three_waiting(&ann);
    let press = |path: &str| {
        let answer = ann.call("POST", path).form(&[]).send().is(303);
        ann.get(answer.header("location")).is(200).text
    };
    let row = format!("/ui/backlog/{}/discard", made[0]["id"]);
    assert!(press(&row).contains("A backfill leaves no record"));
    assert!(press(&row).contains("That backlog is over"), "it is no error that it has ended");
    let question = ann.get("/ui/backlog/discard").is(200).text;
    assert!(question.contains("48 past occurrences in 2 backlogs will not fire"), "{question}");
    assert!(ann.get("/ui/backlog").is(200).text.contains("48 in all"), "nothing was discarded by looking");
    assert!(press("/ui/backlog/discard").contains("A backfill leaves no record"));
    assert!(ann.get("/ui/backlog").is(200).text.contains("Nothing waits"));
    assert_eq!(ann.get("/ui/backlog/discard").is(303).header("location"), "/ui/backlog?done=nothing-waited");
}

#[test]
fn what_a_backfill_waits_for_is_told_by_why_by_a_dry_run_and_by_the_refusal_of_another() {
    let server = Server::start();
    let ann = server.user();
    let made = three_waiting(&ann);
    let at = format!("/api/v1/triggers/{}", made[0]["trigger_id"]);
    let told = ann.get(&format!("{at}/why?at=2026-01-01T05:00:00Z")).is(200).json();
    assert_eq!((&told["disposition"], &told["is_occurrence"]), (&json!("held"), &json!(true)), "{told}");
    assert_eq!(told["skipped"]["count"], json!(24));
    let span = ann.get(&format!("{at}/why?from=2026-01-01T00:00:00Z&to=2026-01-03T00:00:00Z")).is(200).json();
    assert_eq!(span["counts"]["held"], json!(24), "{span}");
    for dry_run in [true, false] {
        let again = json!({"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z", "dry_run": dry_run});
        let refused = ann.post(&format!("{at}/backfill"), &again).problem(409);
        assert!(refused["detail"].as_str().is_some_and(|said| said.contains("has a backlog already")), "{refused}");
    }
    let ended =
        |change: Value| ann.patch(&format!("{at}?dry_run=true"), &change).is(200).json()["backlog_ended"].clone();
    assert_eq!(ended(json!({"name": "another"})), json!(0));
    assert_eq!(ended(json!({"schedule_details": {"cron": "30 * * * *"}})), json!(24));
    assert_eq!(ended(json!({"enabled": false})), json!(24));
    assert_eq!(ann.delete(&format!("{at}?dry_run=true")).is(200).json()["backlog_ended"], json!(24));
    assert_eq!(ann.get("/api/v1/backlog").is(200).json()["occurrences"], json!(72), "nothing was done");
}

#[test]
fn what_is_held_for_a_trigger_that_has_expired_cannot_be_released() {
    let server = Server::start();
    let ann = server.user();
    let made = three_waiting(&ann);
    let at = format!("/api/v1/triggers/{}", made[0]["trigger_id"]);
    ann.patch(&at, &json!({"expires_at": in_ms(2_000)})).is(200);
    assert_eq!(ann.get("/api/v1/backlog").is(200).json()["occurrences"], json!(72), "it ends with the expiry");
    sleep(Duration::from_millis(2_100));
    let why = ann.get(&format!("{at}/why?at=2026-01-01T05:00:00Z")).is(200).json();
    assert_eq!(why["disposition"], "before_creation", "nobody will fire it once more: {why}");
    let refused = ann.post_nothing(&format!("/api/v1/backlog/{}/release", made[0]["id"])).problem(409);
    assert!(refused["detail"].as_str().is_some_and(|said| said.contains("has expired")), "{refused}");
    assert_eq!(ann.get("/api/v1/backlog").is(200).json()["occurrences"], json!(48));
    ann.post_nothing(&format!("/api/v1/backlog/{}/release", made[0]["id"])).is(404);
    assert!(nominal(&ann, made[0]["trigger_id"].as_i64().expect("a number"), "backfill").is_empty());
}
