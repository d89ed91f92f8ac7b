//! `/api/v1/triggers`: made, shown, replaced, changed in part, deleted.

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::server::{Server, Setup};
use crate::support::time::{FAR, in_ms, instant};

fn make(ann: &Client, body: &Value) -> (String, Value) {
    let made = ann.post("/api/v1/triggers", body).is(201).json();
    (format!("/api/v1/triggers/{}", made["id"]), made)
}

/// The fields that the contract names; a server may show more, such as a revision, that an edit may move.
fn promised(trigger: &Value) -> Value {
    let names = [
        "id",
        "name",
        "type",
        "schedule_details",
        "api_payload",
        "is_test",
        "enabled",
        "created_at",
        "expires_at",
        "webhook_url",
        "format",
    ];
    names.into_iter().map(|name| (name.to_owned(), trigger[name].clone())).collect::<serde_json::Map<_, _>>().into()
}

fn upcoming(ann: &Client, at: &str) -> Value {
    ann.get(&format!("{at}/upcoming?count=3")).is(200).json()["occurrences"].clone()
}

#[test]
fn a_trigger_is_shown_as_it_was_made() {
    let server = Server::start();
    let ann = server.user();
    let body = json!({"name": "nightly", "type": "scheduled", "schedule_details": {"run_at": "2030-02-15T14:00:00+05:30"},
                      "api_payload": {"key": "value"}, "expires_at": "2031-12-31T00:00:00Z"});
    let (at, made) = make(&ann, &body);
    assert!(made["id"].as_i64().is_some_and(|id| id > 0), "{made}");
    for (field, value) in [
        ("name", json!("nightly")),
        ("type", json!("scheduled")),
        ("api_payload", json!({"key": "value"})),
        ("is_test", json!(false)),
        ("enabled", json!(true)),
        ("expires_at", json!("2031-12-31T00:00:00Z")),
    ] {
        assert_eq!(made[field], value, "{field} in {made}");
    }
    let run_at: jiff::Timestamp =
        made["schedule_details"]["run_at"].as_str().and_then(|text| text.parse().ok()).expect("an instant");
    assert_eq!(run_at.to_string(), "2030-02-15T08:30:00Z");
    let age = jiff::Timestamp::now().duration_since(instant(&made["created_at"]));
    assert!(age.as_secs().abs() < 30, "{made}");
    assert_eq!(ann.get(&at).is(200).json(), made);
    assert_eq!(ann.get("/api/v1/triggers").is(200).json(), json!([made]));
    assert_eq!(ann.get("/api/v1/triggers/").is(200).json(), json!([made]), "a trailing slash makes no difference");
}

#[test]
fn an_api_trigger_has_no_schedule_and_null_and_an_empty_object_count_as_none() {
    let server = Server::start();
    let ann = server.user();
    for details in [None, Some(Value::Null), Some(json!({}))] {
        let mut body = json!({"name": "called", "type": "api"});
        if let Some(details) = details {
            body["schedule_details"] = details;
        }
        let (_, made) = make(&ann, &body);
        let shown = &made["schedule_details"];
        assert!(shown.is_null() || shown == &json!({}), "{made}");
        assert_eq!((&made["enabled"], &made["is_test"]), (&json!(true), &json!(false)));
    }
    ann.post("/api/v1/triggers", &json!({"type": "api", "schedule_details": {"every": "1h"}}))
        .blames("schedule_details");
}

#[test]
fn all_but_the_type_may_be_left_out() {
    let server = Server::start();
    let ann = server.user();
    make(&ann, &json!({"type": "api"}));
    ann.post("/api/v1/triggers", &json!({"name": "untyped"})).blames("type");
    ann.post("/api/v1/triggers", &json!({"type": "cron"})).blames("type");
    ann.post("/api/v1/triggers", &json!({"type": "scheduled"})).blames("schedule_details");
}

#[test]
fn the_list_is_ascending_and_of_this_user_only() {
    let server = Server::start();
    let (ann, bob) = (server.user(), server.register("bob@example.com"));
    let mut ids = Vec::new();
    for number in 0..4 {
        make(&bob, &json!({"type": "api", "name": "bobs"}));
        ids.push(make(&ann, &json!({"type": "api", "name": format!("ann {number}")})).1["id"].clone());
    }
    let listed: Vec<Value> =
        ann.get("/api/v1/triggers").is(200).list().iter().map(|trigger| trigger["id"].clone()).collect();
    assert_eq!(listed, ids);
}

#[test]
fn put_replaces_and_what_is_left_out_takes_its_default() {
    let server = Server::start();
    let ann = server.user();
    let body = json!({"name": "full", "type": "scheduled", "schedule_details": {"every": "90s"}, "api_payload": [1],
                      "enabled": false, "expires_at": FAR, "webhook_url": "https://example.com/hook", "format": "slack"});
    let (at, made) = make(&ann, &body);
    let replaced = ann.put(&at, &json!({"schedule_details": {"every": "2m"}})).is(200).json();
    assert_eq!(
        (&replaced["id"], &replaced["type"], &replaced["created_at"]),
        (&made["id"], &made["type"], &made["created_at"])
    );
    assert_eq!(replaced["schedule_details"]["every"], "2m");
    assert_eq!(replaced["enabled"], true);
    for field in ["api_payload", "expires_at", "webhook_url"] {
        assert!(replaced[field].is_null(), "{field}: {replaced}");
    }
    assert!(replaced["name"].is_null() || replaced["name"] == "", "{replaced}");
    assert_eq!(ann.get(&at).is(200).json(), replaced);
}

#[test]
fn patch_changes_in_part() {
    let server = Server::start();
    let ann = server.user();
    let body = json!({"name": "full", "type": "scheduled", "schedule_details": {"every": "90s"}, "api_payload": [1], "expires_at": FAR});
    let (at, made) = make(&ann, &body);
    let mut expected = promised(&made);
    for (field, value) in [
        ("name", json!("renamed")),
        ("api_payload", json!({"a": null})),
        ("expires_at", Value::Null),
        ("webhook_url", json!("https://example.com/hook")),
        ("name", json!("again")),
    ] {
        let changed = promised(&ann.patch(&at, &json!({field: value})).is(200).json());
        expected[field] = value;
        expected["format"] = changed["format"].clone();
        assert_eq!(changed, expected, "{field}");
    }
    assert_eq!(promised(&ann.patch(&at, &json!({})).is(200).json()), expected);
    assert_eq!(promised(&ann.get(&at).is(200).json()), expected);
}

#[test]
fn the_type_may_be_named_but_not_changed() {
    let server = Server::start();
    let ann = server.user();
    let (at, made) = make(&ann, &json!({"type": "api", "name": "fixed"}));
    ann.put(&at, &json!({"type": "api", "name": "fixed"})).is(200);
    for refused in [
        ann.put(&at, &json!({"type": "scheduled", "schedule_details": {"every": "1h"}})),
        ann.patch(&at, &json!({"type": "scheduled", "schedule_details": {"every": "1h"}})),
    ] {
        refused.blames("type");
    }
    assert_eq!(ann.get(&at).is(200).json()["type"], made["type"]);
}

#[test]
fn what_was_read_can_be_put_back_and_the_grid_stays() {
    let server = Server::start();
    let ann = server.user();
    for details in [
        json!({"every": "1h30m"}),
        json!({"every": "PT90S", "start_at": FAR}),
        json!({"cron": "0 9 * * MON-FRI", "timezone": "Europe/Riga"}),
        json!({"cron": "@daily"}),
        json!({"run_at": FAR}),
    ] {
        let body =
            json!({"name": "round", "type": "scheduled", "schedule_details": details, "api_payload": {"n": 1.50}});
        let (at, made) = make(&ann, &body);
        let before = upcoming(&ann, &at);
        for answer in [ann.put(&at, &made), ann.patch(&at, &made)] {
            assert_eq!(promised(&answer.is(200).json()), promised(&made), "{details}");
        }
        assert_eq!(
            upcoming(&ann, &at),
            before,
            "a change that leaves the schedule alone leaves the grid alone: {details}"
        );
        ann.patch(&at, &json!({"name": "other"})).is(200);
        assert_eq!(upcoming(&ann, &at), before, "{details}");
    }
    let (at, api) = make(&ann, &json!({"type": "api"}));
    assert_eq!(promised(&ann.put(&at, &api).is(200).json()), promised(&api));
}

#[test]
fn the_read_only_fields_are_accepted_and_ignored() {
    let server = Server::start();
    let ann = server.user();
    let (at, made) =
        make(&ann, &json!({"type": "api", "name": "mine", "id": 4711, "created_at": "2001-01-01T00:00:00Z"}));
    assert_ne!(made["id"], 4711);
    assert!(instant(&made["created_at"]).as_second() > 1_700_000_000);
    let mut back = made.clone();
    back["id"] = json!(4711);
    back["created_at"] = json!("2001-01-01T00:00:00Z");
    assert_eq!(promised(&ann.put(&at, &back).is(200).json()), promised(&made));
}

#[test]
fn an_unknown_field_is_refused_and_named() {
    let server = Server::start();
    let ann = server.user();
    let (at, made) = make(&ann, &json!({"type": "api", "name": "mine"}));
    for (body, named) in [
        (json!({"type": "api", "colour": "red"}), "colour"),
        (json!({"type": "scheduled", "schedule_details": {"every": "1h", "crom": "* * * * *"}}), "crom"),
    ] {
        for answer in [ann.post("/api/v1/triggers", &body), ann.put(&at, &body), ann.patch(&at, &body)] {
            let problem = answer.problem(422);
            assert!(problem.to_string().contains(named), "{named} is not named: {problem}");
        }
    }
    assert_eq!(ann.get("/api/v1/triggers").is(200).json(), json!([made]), "nothing half-made");
}

#[test]
fn deleting_takes_it_away() {
    let server = Server::start();
    let ann = server.user();
    let (at, _) = make(&ann, &json!({"type": "api"}));
    assert_eq!(ann.delete(&at).is(204).text, "");
    for answer in [
        ann.get(&at),
        ann.put(&at, &json!({})),
        ann.patch(&at, &json!({})),
        ann.delete(&at),
        ann.get(&format!("{at}/upcoming")),
    ] {
        answer.problem(404);
    }
    assert_eq!(ann.get("/api/v1/triggers").is(200).json(), json!([]));
}

#[test]
fn a_wrong_field_is_named() {
    let server = Server::start();
    let ann = server.user();
    let (at, made) = make(&ann, &json!({"type": "api", "name": "mine"}));
    for (body, named) in [
        (json!({"type": "api", "name": 5}), "name"),
        (json!({"type": "api", "name": "n".repeat(5000)}), "name"),
        (json!({"type": "api", "name": "a\u{0}b"}), "name"),
        (json!({"type": "api", "enabled": "perhaps"}), "enabled"),
        (json!({"type": "api", "is_test": 7}), "is_test"),
        (json!({"type": "api", "expires_at": "2020-01-01T00:00:00Z"}), "expires_at"),
        (json!({"type": "api", "expires_at": "soon"}), "expires_at"),
        (json!({"type": "api", "webhook_url": "nonsense"}), "webhook_url"),
        (json!({"type": "api", "webhook_url": "ftp://example.com/"}), "webhook_url"),
        (json!({"type": "api", "webhook_url": "https://user:secret@example.com/"}), "webhook_url"),
        (json!({"type": "api", "webhook_url": "https://example.com/", "format": "xml"}), "format"),
        (json!({"type": "scheduled", "schedule_details": "0 9 * * *"}), "schedule_details"),
    ] {
        ann.post("/api/v1/triggers", &body).blames(named);
    }
    ann.patch(&at, &json!({"expires_at": "2020-01-01T00:00:00Z"})).blames("expires_at");
    assert_eq!(ann.get("/api/v1/triggers").is(200).json(), json!([made]));
}

#[test]
fn a_time_without_an_offset_is_read_in_its_zone_else_in_the_servers() {
    let server = Setup::new().option("--timezone", "Asia/Kolkata").serve();
    let ann = server.user();
    let run_at = |details: Value| {
        let (at, _) = make(&ann, &json!({"type": "scheduled", "schedule_details": details}));
        upcoming(&ann, &at)[0].clone()
    };
    assert_eq!(run_at(json!({"run_at": "2031-02-15T14:00:00"})), "2031-02-15T08:30:00Z");
    assert_eq!(run_at(json!({"run_at": "2031-02-15T14:00:00", "timezone": "Europe/Riga"})), "2031-02-15T12:00:00Z");
    assert_eq!(run_at(json!({"run_at": "2031-02-15T14:00:00Z", "timezone": "Europe/Riga"})), "2031-02-15T14:00:00Z");
    let (at, _) = make(&ann, &json!({"type": "scheduled", "schedule_details": {"cron": "0 14 15 2 *"}}));
    assert!(
        upcoming(&ann, &at)[0].as_str().is_some_and(|next| next.ends_with("-02-15T08:30:00Z")),
        "the server's zone"
    );
}

#[test]
fn a_table_shows_the_same_triggers_and_no_markup_of_theirs() {
    let server = Server::start();
    let (ann, bob) = (server.user(), server.register("bob@example.com"));
    make(&ann, &json!({"type": "api", "name": "<img src=x onerror=alert(1)>"}));
    make(&bob, &json!({"type": "api", "name": "of-bob"}));
    let table = ann.get("/api/v1/triggers/triggers_html").is(200);
    assert!(table.header("content-type").starts_with("text/html"));
    assert!(table.text.contains("<table") && table.text.contains("onerror=alert(1)"), "{}", table.text);
    assert!(!table.text.contains("<img src=x"), "{}", table.text);
    assert!(!table.text.contains("of-bob"));
}

#[test]
fn upcoming_shows_what_will_fire_and_nothing_of_what_will_not() {
    let server = Server::start();
    let ann = server.user();
    let (at, _) = make(&ann, &json!({"type": "scheduled", "schedule_details": {"every": "1h", "start_at": FAR}}));
    let five = ann.get(&format!("{at}/upcoming")).is(200).json();
    assert_eq!(five["occurrences"].as_array().map(Vec::len), Some(5));
    assert!(five["summary"].is_string(), "{five}");
    assert_eq!(upcoming(&ann, &at), json!([FAR, "2031-01-26T09:43:51.801Z", "2031-01-26T10:43:51.801Z"]));
    ann.get(&format!("{at}/upcoming?count=101")).blames("count");
    ann.get(&format!("{at}/upcoming?count=many")).blames("count");
    let (once, _) = make(&ann, &json!({"type": "scheduled", "schedule_details": {"run_at": in_ms(3_600_000)}}));
    assert_eq!(upcoming(&ann, &once).as_array().map(Vec::len), Some(1));
    let (ends, _) = make(
        &ann,
        &json!({"type": "scheduled", "schedule_details": {"every": "1h", "start_at": FAR},
                                       "expires_at": "2031-01-26T09:43:51.801Z"}),
    );
    assert_eq!(upcoming(&ann, &ends), json!([FAR]), "an occurrence at the expiry does not fire");
}
