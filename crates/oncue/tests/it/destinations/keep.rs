//! Making, showing, changing and deleting destinations.

use serde_json::{Value, json};

use super::{DESTINATIONS, at, make, trigger, webhook};
use crate::support::client::Client;
use crate::support::receiver::Receiver;
use crate::support::server::Server;

/// One of each kind, as somebody would make it.
fn one_of_each() -> Vec<Value> {
    vec![
        json!({"name": "Hook", "kind": "webhook", "url": "https://example.com/hook", "headers": {"x-api-key": "topsecret"}}),
        json!({"name": "Chat", "kind": "discord", "url": "https://discord.com/api/webhooks/1/token"}),
        json!({"name": "Room", "kind": "slack", "url": "https://hooks.slack.com/services/T/B/x"}),
        json!({"name": "Deploy", "kind": "github", "github": {
            "owner": "ann", "repository": "site", "token": "topsecret", "event_type": "due"
        }}),
        json!({"name": "Phone", "kind": "ntfy", "ntfy": {"topic": "backups", "token": "topsecret", "priority": 4}}),
        json!({"name": "Mail", "kind": "email", "email": {
            "host": "smtp.example.com", "user": "ann", "password": "topsecret", "from": "oncue@example.com",
            "to": ["ann@example.com"]
        }}),
        json!({"name": "Try", "kind": "inbox"}),
    ]
}

#[test]
fn each_kind_is_made_listed_shown_put_back_and_deleted() {
    let server = Server::start();
    let ann = server.user();
    for body in one_of_each() {
        let answer = ann.post(DESTINATIONS, &body).is(201);
        let made = answer.json();
        assert_eq!(answer.header("location"), at(&made));
        for (name, value) in [("name", &body["name"]), ("kind", &body["kind"]), ("revision", &json!(1))] {
            assert_eq!(&made[name], value, "{made}");
        }
        assert_eq!(made["standing"], json!({"state": "active", "since": null, "reason": null}));
        let shown = ann.get(&at(&made)).is(200);
        assert!(!shown.text.contains("topsecret"), "{}", shown.text);
        let shown = shown.json();
        assert_eq!(ann.put(&at(&made), &shown).is(200).json(), shown, "put back it changes nothing");
        assert_eq!(ann.patch(&at(&made), &shown).is(200).json(), shown, "as a patch too");
        assert_eq!(ann.patch(&at(&made), &json!({})).is(200).json(), shown);
    }
    let listed = ann.get(DESTINATIONS).is(200);
    assert!(!listed.text.contains("topsecret"), "{}", listed.text);
    let listed = listed.list();
    assert_eq!(listed.len(), 7);
    for destination in &listed {
        assert_eq!(&ann.get(&at(destination)).is(200).json(), destination);
        ann.delete(&at(destination)).is(204);
        ann.get(&at(destination)).problem(404);
        ann.delete(&at(destination)).problem(404);
    }
    assert_eq!(ann.get(DESTINATIONS).is(200).json(), json!([]));
}

#[test]
fn a_patch_changes_what_it_names_and_a_put_takes_defaults_for_the_rest() {
    let server = Server::start();
    let ann = server.user();
    let made = make(
        &ann,
        &json!({
            "name": "Hook", "kind": "webhook", "url": "https://example.com/hook", "timeout": "5s",
            "rate": {"count": 5}, "headers": {"x-api-key": "topsecret"}, "retries": ["1m"]
        }),
    );
    let patched = ann.patch(&at(&made), &json!({"name": "Renamed", "rate": null})).is(200).json();
    assert_eq!((&patched["name"], &patched["rate"]), (&json!("Renamed"), &Value::Null));
    assert_eq!((&patched["timeout"], &patched["headers"]), (&json!("5s"), &json!({"x-api-key": null})));
    assert_eq!((&patched["revision"], &patched["created_at"]), (&json!(2), &made["created_at"]));
    let body = json!({"name": "Replaced", "kind": "webhook", "url": "https://example.com/hook"});
    let replaced = ann.put(&at(&made), &body).is(200).json();
    assert_eq!((&replaced["timeout"], &replaced["rate"]), (&json!("15s"), &Value::Null));
    assert_eq!(replaced["headers"], patched["headers"], "what is secret is kept");
    assert_eq!(replaced["secrets"], patched["secrets"], "what is signed with is kept");
    assert_eq!(ann.patch(&at(&made), &json!({"headers": {}})).is(200).json()["headers"], json!({}));
    let other = ann.patch(&at(&made), &json!({"kind": "inbox"})).is(200).json();
    assert_eq!((&other["kind"], &other["name"]), (&json!("inbox"), &json!("Replaced")));
    assert!(other.get("url").is_none(), "{other}");
}

#[test]
fn secrets_do_not_follow_a_destination_to_another_receiver() {
    let server = Server::start();
    let ann = server.user();
    let body =
        json!({"name": "H", "kind": "webhook", "url": "https://example.com/a", "headers": {"x-key": "topsecret"}});
    let made = make(&ann, &body);
    ann.patch(&at(&made), &json!({"url": "https://example.com/a?b=c"})).is(200);
    ann.patch(&at(&made), &json!({"url": "https://example.com/b"})).blames("headers.x-key");
    ann.patch(&at(&made), &json!({"url": "https://evil.example/a"})).blames("headers.x-key");
    ann.patch(&at(&made), &json!({"url": "https://evil.example/a", "headers": {}})).is(200);
}

#[test]
fn what_is_wrong_is_said_with_its_field() {
    let server = Server::start();
    let ann = server.user();
    let good = json!({"name": "H", "kind": "webhook", "url": "https://example.com/a"});
    let made = make(&ann, &good);
    let cases = [
        (json!({"name": ""}), "name"),
        (json!({"kind": "pigeon"}), "kind"),
        (json!({"url": "ftp://example.com"}), "url"),
        (json!({"url": "http://127.0.0.1/"}), "url"),
        (json!({"url": "http://localhost:5432/"}), "url"),
        (json!({"timeout": "31s"}), "timeout"),
        (json!({"retries": ["0s"]}), "retries"),
        (json!({"rate": {"count": 0}}), "rate.count"),
        (json!({"alert": {"destination": 98765}}), "alert.destination"),
        (json!({"secrets": [{"secret": "whsec_short"}]}), "secrets.0"),
        (json!({"secrets": [{"id": "00000000"}]}), "secrets.0"),
        (json!({"colour": "red"}), "colour"),
        (json!({"owner": 1}), "owner"),
    ];
    for (more, field) in cases {
        let mut body = good.clone();
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        let problem = ann.post(DESTINATIONS, &body).problem(422);
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
        assert_eq!(ann.put(&at(&made), &body).problem(422)["errors"][0]["field"], field);
        assert_eq!(ann.patch(&at(&made), &more).problem(422)["errors"][0]["field"], field);
    }
    for (kind, part, field) in [
        (
            "github",
            json!({"owner": "a", "repository": "b", "token": "t", "event_type": "e", "api": "https://10.0.0.1"}),
            "github.api",
        ),
        ("ntfy", json!({"topic": "t", "server": "http://169.254.169.254"}), "ntfy.server"),
        ("email", json!({"host": "127.0.0.1", "from": "a@example.com", "to": ["b@example.com"]}), "email.host"),
    ] {
        let problem = ann.post(DESTINATIONS, &json!({"name": "N", "kind": kind, kind: part})).problem(422);
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
    }
    let itself = ann.patch(&at(&made), &json!({"alert": {"destination": made["id"]}})).problem(422);
    assert_eq!(itself["errors"][0]["field"], "alert.destination");
    assert_eq!(ann.get(DESTINATIONS).is(200).list().len(), 1, "nothing was half made");
    assert_eq!(ann.get(&at(&made)).is(200).json()["revision"], 1);
}

#[test]
fn a_destination_in_use_stays_and_names_the_triggers_that_use_it() {
    let server = Server::start_delivering();
    let ann = server.user();
    let destination = webhook(&ann, "Ops", &Receiver::start());
    let (one, two) = (trigger(&ann, &[&destination]), trigger(&ann, &[&destination]));
    let problem = ann.delete(&at(&destination)).problem(409);
    let detail = problem["detail"].as_str().expect("a text");
    assert!(detail.contains(&format!("{one} and {two}")), "{detail}");
    ann.delete(&format!("/api/v1/triggers/{one}")).is(204);
    ann.patch(&format!("/api/v1/triggers/{two}"), &json!({"destinations": []})).is(200);
    ann.delete(&at(&destination)).is(204);
}

#[test]
fn a_list_is_paged_and_its_pages_are_the_whole() {
    let server = Server::start();
    let ann = server.user();
    let made: Vec<Value> =
        (0..5).map(|n| make(&ann, &json!({"name": format!("I{n}"), "kind": "inbox"}))["id"].clone()).collect();
    let mut page = Some(format!("{DESTINATIONS}?limit=2"));
    let (mut seen, mut pages): (Vec<Value>, usize) = (Vec::new(), 0);
    while let Some(path) = page {
        let answer = ann.get(&path).is(200);
        seen.extend(answer.list().iter().map(|destination| destination["id"].clone()));
        (page, pages) = (answer.next_page(), pages + 1);
    }
    assert_eq!((seen, pages), (made, 3));
    ann.get(&format!("{DESTINATIONS}?limit=0")).problem(422);
    ann.get(&format!("{DESTINATIONS}?cursor=x")).problem(422);
}

#[test]
fn another_users_destinations_are_as_if_they_were_not() {
    let server = Server::start();
    let (ann, bob) = (server.user(), server.register("bob@example.com"));
    let hers = make(&ann, &json!({"name": "canary-77", "kind": "inbox"}));
    let his = make(&bob, &json!({"name": "B", "kind": "inbox"}));
    assert_eq!(bob.get(DESTINATIONS).is(200).list().len(), 1);
    let alert = |id: &Value| json!({"name": "B", "kind": "inbox", "alert": {"destination": id}});
    let hers_named = bob.put(&at(&his), &alert(&hers["id"])).problem(422);
    let none_named = bob.put(&at(&his), &alert(&json!(98765))).problem(422);
    let without_id = |problem: &Value, id: &Value| problem.to_string().replace(&id.to_string(), "N");
    assert_eq!(without_id(&hers_named, &hers["id"]), without_id(&none_named, &json!(98765)));
}

#[test]
fn a_key_reads_with_read_and_changes_with_manage() {
    let server = Server::start();
    let ann = server.user();
    let made = make(&ann, &json!({"name": "I", "kind": "inbox"}));
    let key = |scope: &str| -> Client {
        let made = ann.post("/api/v1/api_keys", &json!({"name": scope, "scopes": [scope]})).is(201).json();
        server.nobody().bearer(made["key"].as_str().expect("a key"))
    };
    let (read, fire, manage) = (key("read"), key("fire"), key("manage"));
    read.get(&at(&made)).is(200);
    read.get(DESTINATIONS).is(200);
    read.get("/api/v1/deliveries").is(200);
    let secret = format!("{}/secrets/{}", at(&made), made["secrets"][0]["id"].as_str().expect("an id"));
    for client in [&read, &fire] {
        client.post(DESTINATIONS, &json!({"name": "I", "kind": "inbox"})).problem(403);
        client.put(&at(&made), &json!({"name": "I", "kind": "inbox"})).problem(403);
        client.patch(&at(&made), &json!({"name": "J"})).problem(403);
        for action in ["pause", "resume", "rotate"] {
            client.post_nothing(&format!("{}/{action}", at(&made))).problem(403);
        }
        client.delete(&secret).problem(403);
        client.delete(&at(&made)).problem(403);
    }
    fire.get(&at(&made)).problem(403);
    manage.patch(&at(&made), &json!({"name": "J"})).is(200);
    manage.post_nothing(&format!("{}/rotate", at(&made))).is(201);
    manage.delete(&at(&made)).is(204);
}

#[test]
fn nobody_has_more_than_a_thousand() {
    let server = Server::start();
    let ann = server.user().keeping_alive();
    let body = json!({"name": "I", "kind": "inbox", "secrets": []});
    let made: Vec<Value> = (0..1000).map(|_| make(&ann, &body)).collect();
    let problem = ann.post(DESTINATIONS, &body).problem(409);
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("1000")), "{problem}");
    ann.delete(&at(&made[999])).is(204);
    make(&ann, &body);
}
