//! One trigger, seen from both surfaces.

use serde_json::{Value, json};

use crate::support::server::Server;
use crate::support::time::{FAR, flat_instant, instant};

#[test]
fn a_recurring_trigger_is_every_on_surface_two() {
    let server = Server::start();
    let ann = server.user();
    let recurring = json!({"name": "r", "trigger_type": "scheduled", "is_recurring": true, "interval_seconds": 90});
    let made = ann.post("/triggers", &recurring).is(200).json();
    assert_eq!(
        (&made["is_recurring"], &made["interval_seconds"], &made["schedule"]),
        (&json!(true), &json!(90), &Value::Null)
    );
    let seen = ann.get(&format!("/api/v1/triggers/{}", made["id"])).is(200).json();
    assert_eq!(seen["schedule_details"]["every"], "90s");
    let upcoming = ann.get(&format!("/api/v1/triggers/{}/upcoming?count=1", made["id"])).is(200).json();
    let first = instant(&upcoming["occurrences"][0]);
    let wait = first.duration_since(instant(&seen["created_at"]));
    assert_eq!(wait, jiff::SignedDuration::from_secs(90), "one interval from now");

    let mut starting = recurring;
    starting["schedule"] = json!("2031-01-26T08:43:51.801000");
    let made = ann.post("/triggers", &starting).is(200).json();
    assert_eq!(made["schedule"], "2031-01-26T08:43:51.801000");
    let seen = ann.get(&format!("/api/v1/triggers/{}", made["id"])).is(200).json();
    assert_eq!(instant(&seen["schedule_details"]["start_at"]).to_string(), FAR);
    let upcoming = ann.get(&format!("/api/v1/triggers/{}/upcoming?count=1", made["id"])).is(200).json();
    assert_eq!(instant(&upcoming["occurrences"][0]).to_string(), FAR, "first at its schedule");
}

#[test]
fn what_only_surface_two_can_say_is_shown_here_as_well_as_possible() {
    let server = Server::start();
    let ann = server.user();
    let seen = |body: Value| {
        let id = ann.post("/api/v1/triggers", &body).is(201).json()["id"].clone();
        let flat = ann.get(&format!("/triggers/{id}")).is(200).json();
        let upcoming = ann.get(&format!("/api/v1/triggers/{id}/upcoming?count=1"));
        (flat, upcoming)
    };

    let (cron, upcoming) =
        seen(json!({"type": "scheduled", "schedule_details": {"cron": "0 9 1 1 *", "timezone": "Europe/Riga"}}));
    assert_eq!((&cron["is_recurring"], &cron["interval_seconds"]), (&json!(true), &json!(0)));
    assert_eq!(flat_instant(&cron["schedule"]), instant(&upcoming.is(200).json()["occurrences"][0]), "its next time");
    assert_eq!(cron["name"], "", "no name");
    assert_eq!(cron["payload"], "{}", "no payload");

    let (every, _) = seen(json!({"name": "e", "type": "scheduled", "schedule_details": {"every": "1h30m"}}));
    assert_eq!((&every["interval_seconds"], &every["schedule"]), (&json!(5400), &Value::Null));

    let (started, _) = seen(json!({"type": "scheduled", "schedule_details": {"every": "1500ms", "start_at": FAR}}));
    assert_eq!(started["interval_seconds"], 1, "its whole seconds");
    assert_eq!(started["schedule"], "2031-01-26T08:43:51.801000");

    let (called, _) = seen(json!({"type": "api", "api_payload": {"key": "value"}}));
    let payload: Value = serde_json::from_str(called["payload"].as_str().expect("a string")).expect("JSON text");
    assert_eq!(payload, json!({"key": "value"}));
}

#[test]
fn what_this_surface_makes_the_other_lists_and_the_other_way_round() {
    let server = Server::start();
    let ann = server.user();
    let flat =
        ann.post("/triggers", &json!({"name": "flat", "trigger_type": "scheduled", "schedule": FAR})).is(200).json();
    let rich = ann.post("/api/v1/triggers", &json!({"name": "rich", "type": "api"})).is(201).json();
    for list in ["/triggers", "/api/v1/triggers"] {
        let ids: Vec<Value> = ann.get(list).is(200).list().iter().map(|trigger| trigger["id"].clone()).collect();
        assert_eq!(ids, [flat["id"].clone(), rich["id"].clone()], "{list}");
    }
}

#[test]
fn an_edit_here_leaves_alone_what_only_the_other_surface_can_say() {
    let server = Server::start();
    let ann = server.user();
    let body = json!({"type": "scheduled", "schedule_details": {"cron": "0 9 * * MON-FRI", "timezone": "Europe/Riga"}, "enabled": false,
                      "expires_at": FAR, "webhook_url": "https://example.com/", "format": "slack", "name": "before"});
    let made = ann.post("/api/v1/triggers", &body).is(201).json();
    let id = &made["id"];
    assert_eq!(
        ann.put(&format!("/triggers/{id}"), &json!({"name": "after", "payload": "[1]"})).is(200).json()["name"],
        "after"
    );
    let seen = ann.get(&format!("/api/v1/triggers/{id}")).is(200).json();
    for field in ["schedule_details", "enabled", "expires_at", "webhook_url", "format", "created_at", "is_test"] {
        assert_eq!(seen[field], made[field], "{field}");
    }
    assert_eq!((&seen["name"], &seen["api_payload"]), (&json!("after"), &json!([1])));
}

#[test]
fn a_deletion_on_one_surface_is_one_on_the_other() {
    let server = Server::start();
    let ann = server.user();
    let rich = ann.post("/api/v1/triggers", &json!({"type": "api"})).is(201).json()["id"].clone();
    let flat = ann.post("/triggers", &json!({"name": "f", "trigger_type": "api"})).is(200).json()["id"].clone();
    ann.delete(&format!("/triggers/{rich}")).is(200);
    ann.get(&format!("/api/v1/triggers/{rich}")).is(404);
    ann.delete(&format!("/api/v1/triggers/{flat}")).is(204);
    ann.get(&format!("/triggers/{flat}")).is(404);
}
