//! What hostile users and sceptical readers found once: each stays as the test that would have found it.

use std::time::Duration;

use serde_json::json;

use crate::support::receiver::{Receiver, Reply};
use crate::support::server::{Server, Setup};
use crate::support::time::in_ms;
use crate::support::wait::until;

#[test]
fn a_flat_trigger_that_was_read_can_be_put_back_under_another_name() {
    let server = Server::start();
    let ann = server.user();
    let recurring = json!({"name": "r", "trigger_type": "scheduled", "is_recurring": true, "interval_seconds": 1,
                           "schedule": in_ms(300)});
    let once = json!({"name": "o", "trigger_type": "scheduled", "schedule": in_ms(300)});
    for body in [recurring, once] {
        ann.post("/triggers", &body).is(200);
    }
    let cron = json!({"type": "scheduled", "schedule_details": {"cron": "* * * * * *"}});
    ann.post("/api/v1/triggers", &cron).is(201);
    until("all have fired", || {
        let events = ann.get("/logs/active").list();
        (1..=3).all(|id| events.iter().any(|event| event["trigger_id"] == id)).then_some(())
    });
    for shown in ann.get("/triggers").is(200).list() {
        let mut renamed = shown.clone();
        renamed["name"] = json!("renamed");
        let path = format!("/triggers/{}", shown["id"]);
        let answer = ann.put(&path, &renamed).is(200).json();
        assert_eq!((&answer["name"], &answer["interval_seconds"]), (&json!("renamed"), &shown["interval_seconds"]));
    }
    let details = ann.get("/api/v1/triggers/3").is(200).json();
    assert_eq!(details["schedule_details"], json!({"cron": "* * * * * *"}), "the cron line still stands");
    assert_eq!(details["api_payload"], json!(null), "what was shown for no payload made none");
}

#[test]
fn a_payload_does_not_nest_deeper_than_readers_can_follow() {
    let server = Server::start();
    let ann = server.user();
    ann.post("/api/v1/triggers", &json!({"type": "api"})).is(201);
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let fire = |body: String| ann.call("POST", "/api/v1/triggers/1/fire").body("application/json", body).send();
    fire(nested(128)).is(200);
    fire(nested(129)).problem(400);
    fire(nested(100_000)).problem(400);
}

#[test]
fn a_list_ends_where_its_payloads_grow_too_large_and_leads_on() {
    let server = Server::start();
    let ann = server.user();
    ann.post("/api/v1/triggers", &json!({"type": "api"})).is(201);
    let large = format!("\"{}\"", "x".repeat(250 * 1024));
    for _ in 0..40 {
        ann.call("POST", "/api/v1/triggers/1/fire").body("application/json", large.clone()).send().is(200);
    }
    let (mut ids, mut next) = (Vec::new(), Some("/api/v1/event_logs".to_owned()));
    while let Some(path) = next {
        let page = ann.get(&path).is(200);
        assert!(page.text.len() < 9 * 1024 * 1024, "a page of {} bytes", page.text.len());
        ids.extend(page.list().iter().map(|event| event["id"].as_i64().expect("an id")));
        next = page.next_page();
    }
    assert_eq!(ids, (1..=40).rev().collect::<Vec<_>>());
}

#[test]
fn a_key_that_ends_makes_none_that_outlives_it() {
    let server = Server::start();
    let ann = server.user();
    let brief = json!({"name": "brief", "scopes": ["manage"], "expires_at": "2036-01-01T00:00:00Z"});
    let key = ann.post("/api/v1/api_keys", &brief).is(201).json()["key"].as_str().expect("a key").to_owned();
    let program = server.nobody().bearer(&key);
    let made = program.post("/api/v1/api_keys", &json!({"name": "child", "scopes": ["manage"]})).is(201).json();
    assert_eq!(made["expires_at"], "2036-01-01T00:00:00Z");
    let longer = json!({"name": "child", "scopes": ["manage"], "expires_at": "2037-01-01T00:00:00Z"});
    program.post("/api/v1/api_keys", &longer).problem(422);
}

#[test]
fn a_key_is_found_in_an_address_wherever_it_stands() {
    let server = Server::start();
    let ann = server.user();
    let key = ann.post("/api/v1/api_keys", &json!({"name": "k", "scopes": ["read"]})).is(201).json()["key"]
        .as_str()
        .expect("a key")
        .to_owned();
    for path in [
        format!("/api/v1/triggers?api_key={key}"),
        format!("/api/v1/triggers?Authorization=Bearer%20{key}"),
        format!("/api/v1/triggers?x={}", key.replacen("oncue", "%6fncue", 1)),
        format!("/api/v1/triggers/{key}"),
    ] {
        ann.get(&path).problem(400);
    }
}

#[test]
fn a_path_that_is_no_text_names_nothing() {
    let server = Server::start();
    let ann = server.user();
    ann.get("/api/v1/triggers/%ff").problem(404);
    assert_eq!(ann.get("/triggers/%ff").is(404).json(), json!({"detail": "Trigger not found"}));
}

#[test]
fn a_body_that_nobody_asked_for_is_json_or_refused() {
    let server = Server::start();
    let ann = server.user();
    ann.post("/api/v1/triggers", &json!({"type": "api"})).is(201);
    ann.call("POST", "/api/v1/triggers/1/test").body("text/plain", "hello").send().problem(415);
    let zipped = ann.call("POST", "/api/v1/triggers").header("content-encoding", "gzip").json(&json!({"type": "api"}));
    zipped.send().problem(415);
}

#[test]
fn oncues_own_port_is_refused_by_name_too() {
    let server = Setup::new().flag("--allow-private-destinations").serve();
    let ann = server.user();
    for host in ["localhost", "127.0.0.1", "a.localhost"] {
        let body = json!({"type": "api", "webhook_url": format!("http://{host}:{}/", server.port())});
        ann.post("/api/v1/triggers", &body).blames("webhook_url");
    }
}

#[test]
fn swagger_ui_arrives_in_a_form_that_says_how_it_is_packed() {
    let server = Server::start();
    let file = server.nobody().get("/docs/swagger-ui-bundle.js").is(200);
    assert_eq!(file.header("content-encoding"), "gzip");
}

#[test]
fn a_slow_receiver_leaves_the_places_to_others() {
    let server = Setup::new().flag("--allow-private-destinations").serve();
    let ann = server.user();
    let slow: Vec<Receiver> =
        (0..4).map(|_| Receiver::scripted(|_, _| Reply::Slow(Duration::from_secs(5), 200))).collect();
    let healthy = Receiver::start();
    let mut ids = Vec::new();
    for receiver in slow.iter().chain([&healthy]) {
        let body = json!({"type": "api", "webhook_url": receiver.url()});
        ids.push(ann.post("/api/v1/triggers", &body).is(201).json()["id"].as_i64().expect("an id"));
    }
    let healthy_id = ids.pop().expect("the last one");
    for id in ids {
        for _ in 0..100 {
            ann.post_nothing(&format!("/api/v1/triggers/{id}/fire")).is(200);
        }
    }
    ann.post_nothing(&format!("/api/v1/triggers/{healthy_id}/fire")).is(200);
    healthy.wait_for(1);
    assert!(slow.iter().all(|receiver| receiver.received().len() < 100), "the slow ones are not done yet");
}
