//! `/triggers`: made, shown, changed, deleted, tried out and fired.

use serde_json::{Value, json};

use crate::support::server::{Server, Setup};
use crate::support::time::{flat_instant, in_ms};
use crate::support::wait::until;

fn one_shot(name: &str) -> Value {
    json!({"name": name, "trigger_type": "scheduled", "payload": "{}", "schedule": "2031-01-26T08:43:51.801000",
           "is_recurring": false, "interval_seconds": 0})
}

fn api(name: &str) -> Value {
    json!({"name": name, "trigger_type": "api"})
}

#[test]
fn a_trigger_is_answered_as_it_was_made_with_an_integer_id() {
    let server = Server::start();
    let ann = server.user();
    let answer = ann.post("/triggers", &one_shot("trigger1")).is(200);
    assert_eq!(answer.header("content-type"), "application/json");
    let made = answer.json();
    let id = made["id"].as_i64().expect("an integer id");
    assert!(id > 0);
    let mut expected = one_shot("trigger1");
    expected["id"] = json!(id);
    assert_eq!(made, expected);
    assert_eq!(ann.get(&format!("/triggers/{id}")).is(200).json(), expected);
    assert_eq!(ann.get("/triggers").is(200).json(), json!([expected]));
}

#[test]
fn a_trailing_slash_makes_no_difference_and_causes_no_redirect() {
    let server = Server::start();
    let ann = server.user();
    let made = ann.post("/triggers/", &one_shot("slashed")).is(200).json();
    let at = format!("/triggers/{}/", made["id"]);
    assert_eq!(ann.get("/triggers/").is(200).json(), json!([made]));
    assert_eq!(ann.get(&at).is(200).json(), made);
    ann.put(&at, &json!({"name": "renamed"})).is(200);
    ann.post("/triggers/test/", &one_shot("tried")).is(200);
    for logs in ["/logs/active/", "/logs/archived/", "/logs/stats/"] {
        ann.get(logs).is(200);
    }
    ann.delete(&at).is(200);
}

#[test]
fn a_time_is_shown_in_utc_with_six_digits_and_without_an_offset() {
    let server = Setup::new().option("--timezone", "Europe/Riga").serve();
    let ann = server.user();
    for (given, shown) in [
        ("2031-01-26T08:43:51.801000", "2031-01-26T08:43:51.801000"),
        ("2031-01-26T08:43:51", "2031-01-26T08:43:51.000000"),
        ("2031-01-26T08:43:51Z", "2031-01-26T08:43:51.000000"),
        ("2031-01-26T14:13:51.5+05:30", "2031-01-26T08:43:51.500000"),
    ] {
        let mut body = one_shot("timed");
        body["schedule"] = json!(given);
        assert_eq!(ann.post("/triggers", &body).is(200).json()["schedule"], shown, "{given}");
    }
}

#[test]
fn a_payload_is_a_string_of_json_and_stays_as_it_was_written() {
    let server = Server::start();
    let ann = server.user();
    for payload in ["{\"b\": 1, \"a\": [1e2]}", "[]", "\"text\"", "null"] {
        let mut body = api("carrying");
        body["payload"] = json!(payload);
        assert_eq!(ann.post("/triggers", &body).is(200).json()["payload"], payload);
    }
    assert_eq!(ann.post("/triggers", &api("empty")).is(200).json()["payload"], "{}");
}

#[test]
fn an_api_trigger_shows_no_schedule() {
    let server = Server::start();
    let ann = server.user();
    let made = ann.post("/triggers", &api("called")).is(200).json();
    let expected = json!({"id": made["id"], "name": "called", "trigger_type": "api", "payload": "{}", "schedule": null,
                          "is_recurring": false, "interval_seconds": 0});
    assert_eq!(made, expected);
}

#[test]
fn put_changes_only_what_it_names() {
    let server = Server::start();
    let ann = server.user();
    let mut body = one_shot("before");
    body["payload"] = json!("{\"a\": 1}");
    let made = ann.post("/triggers", &body).is(200).json();
    let at = format!("/triggers/{}", made["id"]);
    let mut expected = made;
    expected["name"] = json!("after");
    assert_eq!(ann.put(&at, &json!({"name": "after"})).is(200).json(), expected);
    expected["payload"] = json!("[2]");
    assert_eq!(ann.put(&at, &json!({"payload": "[2]"})).is(200).json(), expected);
    expected["schedule"] = json!("2032-01-01T00:00:00.000000");
    assert_eq!(ann.put(&at, &json!({"schedule": "2032-01-01T00:00:00"})).is(200).json(), expected);
    assert_eq!(ann.put(&at, &json!({})).is(200).json(), expected);
    assert_eq!(ann.get(&at).is(200).json(), expected);
}

#[test]
fn a_field_that_put_leaves_out_is_not_validated_again() {
    let server = Server::start();
    let ann = server.user();
    let mut body = one_shot("short-lived");
    body["schedule"] = json!(in_ms(500));
    let made = ann.post("/triggers", &body).is(200).json();
    until("the one-shot fires", || Some(()).filter(|()| !ann.get("/logs/active").is(200).list().is_empty()));
    let changed = ann.put(&format!("/triggers/{}", made["id"]), &json!({"name": "past"})).is(200).json();
    assert_eq!((&changed["name"], &changed["schedule"]), (&json!("past"), &made["schedule"]));
    assert_eq!(ann.get("/logs/active").is(200).list().len(), 1, "a one-shot fires once");
}

#[test]
fn a_scheduled_trigger_can_become_recurring() {
    let server = Server::start();
    let ann = server.user();
    let made = ann.post("/triggers", &one_shot("changing")).is(200).json();
    let at = format!("/triggers/{}", made["id"]);
    let changed = ann.put(&at, &json!({"is_recurring": true, "interval_seconds": 90})).is(200).json();
    assert_eq!((&changed["is_recurring"], &changed["interval_seconds"]), (&json!(true), &json!(90)));
    assert_eq!(changed["schedule"], made["schedule"], "its first firing");
}

#[test]
fn deleting_says_so_and_a_second_time_finds_nothing() {
    let server = Server::start();
    let ann = server.user();
    let made = ann.post("/triggers", &one_shot("doomed")).is(200).json();
    let at = format!("/triggers/{}", made["id"]);
    let deleted = json!({"detail": "Trigger deleted successfully from scheduler and database"});
    assert_eq!(ann.delete(&at).is(200).json(), deleted);
    let missing = json!({"detail": "Trigger not found"});
    assert_eq!(ann.delete(&at).is(404).json(), missing);
    assert_eq!(ann.get(&at).is(404).json(), missing);
    assert_eq!(ann.put(&at, &json!({"name": "again"})).is(404).json(), missing);
    assert_eq!(ann.get("/triggers").is(200).json(), json!([]));
}

#[test]
fn a_tried_out_trigger_is_answered_as_read_and_leaves_one_event() {
    let server = Server::start();
    let ann = server.user();
    let body = json!({"name": "trigger1", "trigger_type": "scheduled", "schedule": "2031-01-26T08:43:51.801000"});
    let tried = ann.post("/triggers/test", &body).is(200).json();
    let id = tried["id"].as_i64().expect("an integer id");
    assert!(id < 0, "{id}");
    let expected = json!({"name": "trigger1", "trigger_type": "scheduled", "payload": null,
                          "schedule": "2031-01-26T08:43:51.801000Z", "is_recurring": false, "interval_seconds": 0, "id": id});
    assert_eq!(tried, expected);
    assert_eq!(ann.get("/triggers").is(200).json(), json!([]), "nothing is stored");
    let events = ann.get("/logs/active").is(200).list();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["is_test"], true);
    assert_eq!(events[0]["trigger_id"], id);
    assert_eq!(events[0]["name"], "trigger1");
    assert_eq!(events[0]["payload"], "{}");
    let with_payload =
        ann.post("/triggers/test", &json!({"name": "b", "trigger_type": "api", "payload": "[1]"})).is(200);
    assert_eq!(with_payload.json()["payload"], "[1]");
    assert_ne!(with_payload.json()["id"], id);
    assert_eq!(ann.get("/logs/active").is(200).list()[1]["payload"], "[1]");
}

#[test]
fn an_api_trigger_is_fired_by_a_call() {
    let server = Server::start();
    let ann = server.user();
    let made = ann
        .post("/triggers", &json!({"name": "called", "trigger_type": "api", "payload": "{\"own\": 1}"}))
        .is(200)
        .json();
    let fire = format!("/triggers/{}/fire", made["id"]);
    let fired = ann.post(&fire, &json!({"given": 2})).is(200).json();
    assert!(fired["message"].is_string(), "{fired}");
    ann.post_nothing(&fire).is(200);
    let events = ann.get("/logs/active").is(200).list();
    assert_eq!(events[0]["id"], fired["event_id"], "{fired}");
    let payloads: Vec<&Value> = events.iter().map(|event| &event["payload"]).collect();
    assert_eq!(payloads, ["{\"given\":2}", "{\"own\": 1}"]);
    assert!(events.iter().all(|event| event["trigger_type"] == "api" && event["is_test"] == false));
}

#[test]
fn a_scheduled_trigger_is_not_fired_by_a_call() {
    let server = Server::start();
    let ann = server.user();
    let made = ann.post("/triggers", &one_shot("timed")).is(200).json();
    let refused = ann.post_nothing(&format!("/triggers/{}/fire", made["id"])).is(400).json();
    assert!(refused["detail"].is_string(), "{refused}");
    assert_eq!(ann.post_nothing("/triggers/4711/fire").is(404).json(), json!({"detail": "Trigger not found"}));
    assert!(ann.get("/logs/active").is(200).list().is_empty());
}

#[test]
fn nobody_without_credentials_gets_in() {
    let server = Server::start();
    server.user();
    let nobody = server.nobody();
    let refused = json!({"detail": "Not authenticated"});
    assert_eq!(nobody.get("/triggers").is(401).json(), refused);
    assert_eq!(nobody.post("/triggers", &one_shot("no")).is(401).json(), refused);
    assert_eq!(nobody.get("/triggers/1").is(401).json(), refused);
    assert_eq!(nobody.get("/logs/stats").is(401).json(), refused);
    assert_eq!(nobody.bearer("nonsense").get("/logs/active").is(401).json(), refused);
}

#[test]
fn a_flat_trigger_fires_when_its_time_has_come() {
    let server = Server::start();
    let ann = server.user();
    let mut body = one_shot("soon");
    body["schedule"] = json!(in_ms(700));
    body["payload"] = json!("{\"a\": 1}");
    let made = ann.post("/triggers", &body).is(200).json();
    let events = until("it fires", || Some(ann.get("/logs/active").is(200).list()).filter(|events| !events.is_empty()));
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["trigger_id"], made["id"]);
    assert_eq!(events[0]["payload"], "{\"a\": 1}");
    assert!(flat_instant(&events[0]["triggered_at"]) >= flat_instant(&made["schedule"]), "not before its time");
}
