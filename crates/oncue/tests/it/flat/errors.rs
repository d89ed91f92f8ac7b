//! What surface one says to a trigger that cannot be: these words, to the letter.

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::server::Server;

/// Bodies that are wrong in one way each, and what is said to them.
fn wrong_bodies() -> Vec<(Value, &'static str)> {
    let scheduled = |rest: Value| merged(json!({"name": "t", "trigger_type": "scheduled"}), &rest);
    let api = |rest: Value| merged(json!({"name": "t", "trigger_type": "api"}), &rest);
    let future = "2031-01-26T08:43:51.801000";
    vec![
        (json!({"name": "t", "trigger_type": "cron"}), "Trigger type must be either 'scheduled' or 'api'."),
        (json!({"name": "t", "trigger_type": ""}), "Trigger type must be either 'scheduled' or 'api'."),
        (scheduled(json!({"is_recurring": true})), "Recurring triggers must have 'interval_seconds' defined."),
        (
            scheduled(json!({"is_recurring": true, "interval_seconds": 0})),
            "Recurring triggers must have 'interval_seconds' defined.",
        ),
        (
            scheduled(json!({"is_recurring": true, "interval_seconds": -5})),
            "Recurring triggers must have 'interval_seconds' defined.",
        ),
        (
            scheduled(json!({"is_recurring": true, "schedule": future, "interval_seconds": null})),
            "Recurring triggers must have 'interval_seconds' defined.",
        ),
        (scheduled(json!({})), "Scheduled triggers must have 'schedule' or recurring enabled."),
        (
            scheduled(json!({"schedule": null, "interval_seconds": 5})),
            "Scheduled triggers must have 'schedule' or recurring enabled.",
        ),
        (scheduled(json!({"schedule": "2020-01-26T08:43:51"})), "Scheduled time must be in the future."),
        (scheduled(json!({"schedule": future, "payload": "{oops"})), "Payload must be valid JSON."),
        (api(json!({"payload": ""})), "Payload must be valid JSON."),
        (api(json!({"schedule": future})), "API triggers must not have 'schedule' or recurring enabled."),
        (
            api(json!({"is_recurring": true, "interval_seconds": 60})),
            "API triggers must not have 'schedule' or recurring enabled.",
        ),
    ]
}

fn merged(mut base: Value, rest: &Value) -> Value {
    let rest = rest.as_object().expect("an object").clone();
    base.as_object_mut().expect("an object").extend(rest);
    base
}

fn refuses_all(ann: &Client, path: &str) {
    for (body, words) in wrong_bodies() {
        let answer = ann.post(path, &body);
        assert_eq!((answer.status, answer.json()), (400, json!({"detail": words})), "{path} {body}");
    }
}

#[test]
fn a_wrong_trigger_is_refused_in_exactly_these_words() {
    let server = Server::start();
    let ann = server.user();
    refuses_all(&ann, "/triggers");
    assert_eq!(ann.get("/triggers").is(200).json(), json!([]), "nothing half-made stays");
}

#[test]
fn trying_a_wrong_trigger_out_is_refused_in_the_same_words() {
    let server = Server::start();
    let ann = server.user();
    refuses_all(&ann, "/triggers/test");
    assert_eq!(ann.get("/logs/active").is(200).json(), json!([]));
}

#[test]
fn an_edit_is_refused_in_the_same_words_and_changes_nothing() {
    let server = Server::start();
    let ann = server.user();
    let one_shot = json!({"name": "t", "trigger_type": "scheduled", "schedule": "2031-01-26T08:43:51.801000"});
    let made = ann.post("/triggers", &one_shot).is(200).json();
    let at = format!("/triggers/{}", made["id"]);
    for (edit, words) in [
        (json!({"trigger_type": "cron"}), "Trigger type must be either 'scheduled' or 'api'."),
        (json!({"is_recurring": true}), "Recurring triggers must have 'interval_seconds' defined."),
        (json!({"schedule": null}), "Scheduled triggers must have 'schedule' or recurring enabled."),
        (json!({"schedule": "2020-01-01T00:00:00"}), "Scheduled time must be in the future."),
        (json!({"payload": "nonsense"}), "Payload must be valid JSON."),
        (json!({"trigger_type": "api"}), "API triggers must not have 'schedule' or recurring enabled."),
    ] {
        let answer = ann.put(&at, &edit);
        assert_eq!((answer.status, answer.json()), (400, json!({"detail": words})), "{edit}");
    }
    assert_eq!(ann.get(&at).is(200).json(), made);
}

#[test]
fn what_is_not_the_json_of_a_trigger_is_answered_with_a_list_of_what_is_wrong() {
    let server = Server::start();
    let ann = server.user();
    for (body, at) in [
        ("{}", ""),
        ("[]", ""),
        ("7", ""),
        ("{", ""),
        ("", ""),
        (r#"{"name": 5, "trigger_type": "api"}"#, "name"),
        (r#"{"name": "t", "trigger_type": 5}"#, "trigger_type"),
        (r#"{"name": "t", "trigger_type": "api", "payload": {"a": 1}}"#, "payload"),
        (r#"{"name": "t", "trigger_type": "scheduled", "schedule": "tomorrow"}"#, "schedule"),
        (
            r#"{"name": "t", "trigger_type": "scheduled", "is_recurring": true, "interval_seconds": "soon"}"#,
            "interval_seconds",
        ),
        (
            r#"{"name": "t", "trigger_type": "scheduled", "is_recurring": "perhaps", "interval_seconds": 5}"#,
            "is_recurring",
        ),
    ] {
        for path in ["/triggers", "/triggers/test"] {
            let refused = ann.call("POST", path).body("application/json", body).send().is(422).json();
            let details = refused["detail"].as_array().unwrap_or_else(|| panic!("{body}: a list in {refused}"));
            assert!(!details.is_empty(), "{body}");
            for detail in details {
                assert!(
                    detail["loc"].is_array() && detail["msg"].is_string() && detail["type"].is_string(),
                    "{body}: {detail}"
                );
            }
            if !at.is_empty() {
                assert!(details.iter().any(|detail| detail["loc"].to_string().contains(at)), "{body}: {refused}");
            }
        }
    }
    assert_eq!(ann.get("/triggers").is(200).json(), json!([]));
}

#[test]
fn numbers_and_names_beyond_all_bounds_are_refused_and_never_break_the_server() {
    let server = Server::start();
    let ann = server.user();
    for body in [
        r#"{"name": "t", "trigger_type": "scheduled", "is_recurring": true, "interval_seconds": 99999999999999999999}"#
            .to_owned(),
        r#"{"name": "t", "trigger_type": "scheduled", "is_recurring": true, "interval_seconds": 9223372036854775807}"#
            .to_owned(),
        r#"{"name": "t", "trigger_type": "scheduled", "schedule": "99999-01-01T00:00:00"}"#.to_owned(),
        format!(r#"{{"name": "{}", "trigger_type": "api"}}"#, "n".repeat(100_000)),
        format!(r#"{{"name": "t", "trigger_type": "api", "payload": "{}"}}"#, "[".repeat(100_000)),
    ] {
        let answer = ann.call("POST", "/triggers").body("application/json", body.clone()).send();
        assert!(matches!(answer.status, 400 | 413 | 422), "{}: {} {}", &body[..80], answer.status, answer.text);
    }
    assert_eq!(ann.get("/triggers").is(200).json(), json!([]));
}

#[test]
fn an_id_that_no_trigger_can_have_finds_nothing() {
    let server = Server::start();
    let ann = server.user();
    for id in ["0", "-1", "99999999999999999999", "abc", "1.5", "%00"] {
        let answer = ann.get(&format!("/triggers/{id}"));
        assert!(matches!(answer.status, 404 | 422), "{id}: {} {}", answer.status, answer.text);
        assert!(!answer.json()["detail"].is_null(), "{id}");
    }
}
