//! A schedule that is spread: its occurrences keep their nominal times, fall due later, and always by the same.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::server::Server;
use crate::support::time::{instant, micros};
use crate::support::wait::until;

fn make(ann: &Client, details: &Value) -> Value {
    ann.post("/api/v1/triggers", &json!({"type": "scheduled", "schedule_details": details})).is(201).json()
}

#[test]
fn a_trigger_is_late_by_its_own_share_of_the_window_and_stays_so() {
    let server = Server::start();
    let ann = server.user();
    let said = json!({"cron": "0 9 * * *", "timezone": "UTC", "jitter": "5m"});
    let made: Vec<Value> = (0..8).map(|_| make(&ann, &said)).collect();
    let offsets: std::collections::BTreeSet<i64> =
        made.iter().map(|one| one["jitter_offset_ms"].as_i64().expect("it is spread")).collect();
    assert!(offsets.len() > 4 && offsets.iter().all(|offset| (0..300_000).contains(offset)), "{offsets:?}");
    let one = &made[0];
    assert_eq!(one["schedule_details"], said);
    let at = format!("/api/v1/triggers/{}", one["id"]);
    let shown = ann.get(&format!("{at}/upcoming?count=2")).is(200).json();
    for (named, due) in [0, 1].map(|n| (instant(&shown["occurrences"][n]), instant(&shown["fires_at"][n]))) {
        assert_eq!(named.as_second().rem_euclid(86_400), 9 * 3600);
        assert_eq!(i64::try_from(due.duration_since(named).as_millis()).ok(), one["jitter_offset_ms"].as_i64());
    }
    assert_eq!(one["next_at"], shown["fires_at"][0]);
    assert!(one["summary"].as_str().is_some_and(|text| text.contains("spread over 5m (")), "{one}");
    let all = ann.get("/api/v1/upcoming?limit=1").is(200).json()["occurrences"][0].clone();
    assert_eq!(instant(&all["scheduled_at"]).as_second().rem_euclid(86_400), 9 * 3600);
    assert!(instant(&all["fires_at"]) >= instant(&all["scheduled_at"]));
    assert_eq!(ann.put(&at, one).is(200).json()["next_at"], one["next_at"], "what was read can be put back");
    let wider = json!({"schedule_details": {"cron": "0 9 * * *", "timezone": "UTC", "jitter": "10m"}});
    let wider = ann.patch(&at, &wider).is(200).json()["jitter_offset_ms"].as_i64().expect("it is spread");
    let before = one["jitter_offset_ms"].as_i64().expect("it is spread");
    assert!((wider - 2 * before).abs() <= 2, "{wider} of twice the window, and {before} before");
    let bare = json!({"schedule_details": {"cron": "0 9 * * *", "timezone": "UTC"}});
    assert_eq!(ann.patch(&at, &bare).is(200).json()["jitter_offset_ms"], Value::Null);
}

#[test]
fn what_fires_keeps_its_nominal_time_and_is_late_only_from_when_it_was_due() {
    let server = Server::start();
    let ann = server.user();
    let made = make(&ann, &json!({"every": "2s", "jitter": "1s"}));
    let list = format!("/api/v1/event_logs?trigger_id={}", made["id"]);
    let events = until("two events", || {
        Some(ann.get(&list).is(200).json()).filter(|list| list.as_array().is_some_and(|list| list.len() > 1))
    });
    let event = &events[1];
    let (named, due) = (instant(&event["scheduled_at"]), instant(&event["due_at"]));
    let offset = made["jitter_offset_ms"].as_i64().expect("it is spread");
    assert_eq!(i64::try_from(due.duration_since(named).as_millis()).ok(), Some(offset));
    assert!(instant(&event["created_at"]) >= due);
    let why = ann
        .get(&format!("/api/v1/triggers/{}/why?at={}", made["id"], event["scheduled_at"].as_str().expect("a time")))
        .is(200)
        .json();
    assert_eq!((&why["due_at"], &why["event"]["id"]), (&event["due_at"], &event["id"]), "{why}");
    let late = why["event"]["lateness_ms"].as_f64().expect("a number");
    let since_due = instant(&event["created_at"]).duration_since(due);
    assert!(
        (late - since_due.as_secs_f64() * 1000.0).abs() < 0.01 && since_due < SignedDuration::from_secs(10),
        "{why}"
    );
}

#[test]
fn the_same_call_under_a_key_is_shown_with_the_share_that_was_drawn() {
    let server = Server::start();
    let ann = server.user();
    let body = json!({"type": "scheduled", "schedule_details": {"every": "1h", "jitter": "30m"}});
    let keyed = ann.with("idempotency-key", "once");
    let made = keyed.post("/api/v1/triggers", &body).is(201).json();
    let at = format!("/api/v1/triggers/{}", made["id"]);
    assert_eq!(ann.get(&at).is(200).json(), made);
    ann.patch(&at, &json!({"name": "renamed"})).is(200);
    assert_eq!(keyed.post("/api/v1/triggers", &body).is(201).json(), made);
}

/// What somebody sees of one that is named at `named` and is not due yet.
fn is_to_come(ann: &Client, at: &str, named: Timestamp, due: &Value) {
    assert_eq!(&ann.get(at).is(200).json()["next_at"], due);
    let shown = ann.get(&format!("{at}/upcoming?count=1")).is(200).json();
    assert_eq!((instant(&shown["occurrences"][0]), &shown["fires_at"][0]), (named, due));
    let why = ann.get(&format!("{at}/why?at={named}")).is(200).json();
    assert_eq!((&why["disposition"], &why["due_at"]), (&json!("to_come"), due), "{why}");
}

#[test]
fn a_revision_that_brings_back_another_share_says_how_much_later_that_is() {
    let server = Server::start();
    let ann = server.user();
    let said = |details: Value| json!({"schedule_details": details});
    for (spread, bare) in [
        (json!({"every": "24h", "jitter": "24h"}), json!({"every": "24h"})),
        (json!({"run_at": "2150-01-01T00:00:00Z", "jitter": "24h"}), json!({"run_at": "2150-01-01T00:00:00Z"})),
    ] {
        let made = make(&ann, &spread);
        let at = format!("/api/v1/triggers/{}", made["id"]);
        ann.patch(&at, &said(bare)).is(200);
        let drawn = ann.patch(&at, &said(made["schedule_details"].clone())).is(200).json();
        assert_ne!(drawn["jitter_offset_ms"], made["jitter_offset_ms"], "drawn anew");
        let change = json!([{"field": "jitter_offset_ms", "before": drawn["jitter_offset_ms"], "after": made["jitter_offset_ms"]}]);
        let restore = format!("{at}/revisions/1/restore");
        assert_eq!(ann.post(&format!("{restore}?dry_run=true"), &json!({})).is(200).json()["changes"], change);
        ann.post(&restore, &json!({})).is(200);
        assert_eq!(ann.get(&format!("{at}/revisions/4")).is(200).json()["changes"], change);
        let page = ann.get(&format!("/ui/triggers/{}/revisions", made["id"])).is(200).text;
        assert_eq!(page.matches("after each").count(), 4, "each share is told by what comes of it: {page}");
    }
}

#[test]
fn what_is_named_and_not_due_yet_survives_edits_and_is_superseded_by_one_that_has_made_it_due_before() {
    let server = Server::start();
    let ann = server.user();
    let named = micros(Timestamp::now() + SignedDuration::from_secs(1));
    let said = json!({"every": "24h", "start_at": named.to_string(), "jitter": "24h"});
    let made = make(&ann, &said);
    let at = format!("/api/v1/triggers/{}", made["id"]);
    until("its time has come", || (Timestamp::now() > named).then_some(()));
    is_to_come(&ann, &at, named, &made["next_at"]);
    ann.patch(&at, &json!({"name": "renamed"})).is(200);
    ann.patch(&at, &json!({"expires_at": "2150-01-01T00:00:00Z"})).is(200);
    ann.patch(&at, &json!({"enabled": false})).is(200);
    let why = ann.get(&format!("{at}/why?at={named}")).is(200).json();
    assert_eq!((&why["disposition"], &why["edit"]["revision"]), (&json!("paused"), &json!(4)), "{why}");
    ann.patch(&at, &json!({"enabled": true})).is(200);
    is_to_come(&ann, &at, named, &made["next_at"]);
    let span = json!({"from": (named - SignedDuration::from_secs(1)).to_string(), "to": micros(Timestamp::now()).to_string(), "dry_run": true});
    let backfill = ann.post(&format!("{at}/backfill"), &span).is(200).json();
    assert_eq!(backfill["occurrences"], 0, "it fires by itself");

    let bare = json!({"schedule_details": {"every": "24h", "start_at": named.to_string()}});
    let told = ann.patch(&format!("{at}?dry_run=true"), &bare).is(200).json();
    assert_eq!(
        (&told["skipped"][0]["reason"], &told["skipped"][0]["count"]),
        (&json!("superseded"), &json!(1)),
        "{told}"
    );
    let changed = ann.patch(&at, &bare).is(200).json();
    assert_eq!(instant(&changed["next_at"]), named + SignedDuration::from_hours(24));
    let why = ann.get(&format!("{at}/why?at={named}")).is(200).json();
    assert_eq!((&why["disposition"], &why["edit"]["revision"]), (&json!("superseded"), &json!(6)), "{why}");
    assert!(why["sentence"].as_str().is_some_and(|said| said.contains("before it was due")), "{why}");
    let due = made["next_at"].as_str().expect("an instant");
    let by_due = ann.get(&format!("{at}/why?at={due}")).is(200).json();
    assert_eq!((&by_due["disposition"], &by_due["at"]), (&why["disposition"], &why["at"]), "{by_due}");

    let restored = ann.post(&format!("{at}/revisions/1/restore"), &json!({})).is(200).json();
    assert_eq!(restored["jitter_offset_ms"], made["jitter_offset_ms"], "its share is restored with the rest");
    assert!(instant(&restored["next_at"]) > named + SignedDuration::from_hours(24), "what is on record does not fire");
}

#[test]
fn what_is_not_made_yet_is_told_by_its_nominal_times() {
    let server = Server::start();
    let ann = server.user();
    let body =
        json!({"type": "scheduled", "schedule_details": {"cron": "0 9 * * *", "timezone": "UTC", "jitter": "5m"}});
    let told = ann.post("/api/v1/triggers?dry_run=true", &body).is(200).json();
    assert_eq!(told["trigger"]["jitter_offset_ms"], Value::Null);
    let nominal = |time: &Value| instant(time).as_second().rem_euclid(86_400) == 9 * 3600;
    assert!(nominal(&told["next"]["after"]) && nominal(&told["occurrences"]["added"][3]), "{told}");
    for (window, said) in [("25h", "at most 24 hours"), ("soon", "not a period"), ("0s", "at least 1 second")] {
        let wrong = json!({"type": "scheduled", "schedule_details": {"cron": "0 9 * * *", "jitter": window}});
        let refused = ann.post("/api/v1/triggers", &wrong).is(422).json();
        let error = &refused["errors"][0];
        assert_eq!(error["field"], "schedule_details.jitter", "{refused}");
        assert!(error["detail"].as_str().is_some_and(|text| text.contains(said)), "{refused}");
    }
}
