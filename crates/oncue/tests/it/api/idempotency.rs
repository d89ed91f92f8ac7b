//! `Idempotency-Key`: the same call under the same key is carried out once, and answered alike, whatever happened in between.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::client::{Answer, Client};
use crate::support::receiver::Receiver;
use crate::support::server::Server;
use crate::support::time::in_ms;
use crate::support::wait::until;

const HEADER: &str = "idempotency-key";

fn make(ann: &Client, body: &Value) -> i64 {
    ann.post("/api/v1/triggers", body).is(201).json()["id"].as_i64().expect("an integer")
}

fn events(ann: &Client) -> Vec<Value> {
    ann.get("/api/v1/event_logs").is(200).list()
}

fn triggers(ann: &Client) -> usize {
    ann.get("/api/v1/triggers").is(200).list().len()
}

fn is_replay(answer: &Answer) -> bool {
    answer.header("idempotency-replayed") == "true"
}

/// The second of two answers is the first one again, and says so.
#[track_caller]
fn same(first: &Answer, second: &Answer) {
    assert_eq!((second.status, &second.text), (first.status, &first.text));
    assert!(!is_replay(first) && is_replay(second), "{second:?}");
    assert!(second.header("content-type").starts_with("application/json"), "{second:?}");
}

#[test]
fn the_same_call_fires_once_and_is_answered_alike() {
    let receiver = Receiver::start();
    let server = Server::start_delivering();
    let ann = server.user();
    let id = make(&ann, &json!({"type": "api", "webhook_url": receiver.url()}));
    let mut ids = BTreeSet::new();
    for surface in ["/api/v1/triggers", "/triggers"] {
        let (path, keyed) = (format!("{surface}/{id}/fire"), ann.with(HEADER, &format!("key-of{surface}")));
        let first = keyed.post(&path, &json!({"n": 1})).is(200);
        same(&first, &keyed.post(&path, &json!({"n": 1})).is(200));
        same(&first, &keyed.post(&format!("{path}/"), &json!({"n": 1})).is(200));
        let quoted = ann.with(HEADER, &format!("\"key-of{surface}\""));
        same(&first, &quoted.post(&path, &json!({"n": 1})).is(200));
        keyed.post(&path, &json!({"n": 2})).is(422);
        keyed.post_nothing(&path).is(422);
        keyed.post(&format!("/api/v1/triggers/{id}/test"), &json!({"n": 1})).problem(422);
        ids.insert(first.json()["event_id"].as_i64());
    }
    assert_eq!((ids.len(), events(&ann).len()), (2, 2));
    let without = ann.post(&format!("/api/v1/triggers/{id}/fire"), &json!({"n": 1})).is(200);
    assert!(!is_replay(&without), "without a key every call is another");
    receiver.wait_for(3);
    thread::sleep(Duration::from_millis(300));
    assert_eq!(receiver.received().len(), 3, "what was answered again is not delivered again");
}

#[test]
fn a_test_and_a_repetition_happen_once() {
    let server = Server::start();
    let ann = server.user();
    let id = make(&ann, &json!({"type": "scheduled", "schedule_details": {"every": "1h"}}));
    let keyed = ann.with(HEADER, "test");
    let first = keyed.post_nothing(&format!("/api/v1/triggers/{id}/test")).is(200);
    same(&first, &keyed.post_nothing(&format!("/api/v1/triggers/{id}/test")).is(200));
    let again = format!("/api/v1/event_logs/{}/fire_again", first.json()["event_id"]);
    keyed.post_nothing(&again).problem(422);
    let keyed = ann.with(HEADER, "again");
    let second = keyed.post_nothing(&again).is(201);
    let replayed = keyed.post_nothing(&again).is(201);
    same(&second, &replayed);
    assert_eq!(second.header("location"), replayed.header("location"));
    assert_eq!(events(&ann).len(), 2);
}

#[test]
fn what_is_no_key_is_refused_and_a_key_is_its_owners() {
    let server = Server::start();
    let (ann, bob) = (server.user(), server.register("bob@example.com"));
    let (hers, his) = (make(&ann, &json!({"type": "api"})), make(&bob, &json!({"type": "api"})));
    let path = format!("/api/v1/triggers/{hers}/fire");
    for wrong in ["", "a b", "\"a", "\"\"", &"k".repeat(256)] {
        let problem = ann.with(HEADER, wrong).post_nothing(&path).problem(400);
        assert!(problem["detail"].as_str().is_some_and(|words| words.contains("Idempotency-Key")), "{problem}");
    }
    ann.with(HEADER, "a").with(HEADER, "b").post_nothing(&path).problem(400);
    assert_eq!(events(&ann).len(), 0);
    let longest = "k".repeat(255);
    ann.with(HEADER, &longest).post_nothing(&path).is(200);
    bob.with(HEADER, &longest).post_nothing(&path).problem(404);
    let first = bob.with(HEADER, &longest).post_nothing(&format!("/api/v1/triggers/{his}/fire")).is(200);
    assert!(!is_replay(&first), "another's key is no key of his");
}

#[test]
fn a_trigger_is_made_once_and_shown_as_it_was_made() {
    let server = Server::start();
    let ann = server.user();
    let body = json!({"type": "scheduled", "name": "soon", "schedule_details": {"run_at": in_ms(1200)}});
    let keyed = ann.with(HEADER, "soon");
    let first = keyed.post("/api/v1/triggers", &body).is(201);
    let at = format!("/api/v1/triggers/{}", first.json()["id"]);
    let flat_body = json!({"name": "flat", "trigger_type": "scheduled", "is_recurring": true, "interval_seconds": 60});
    let flat = ann.with(HEADER, "flat").post("/triggers", &flat_body).is(200);
    same(&flat, &ann.with(HEADER, "flat").post("/triggers", &flat_body).is(200));
    until("it has fired", || events(&ann).pop());
    let second = keyed.post("/api/v1/triggers", &body).is(201);
    same(&first, &second);
    assert_eq!(second.header("location"), at, "although its time is over");
    ann.patch(&at, &json!({"name": "changed"})).is(200);
    same(&first, &keyed.post("/api/v1/triggers", &body).is(201));
    ann.delete(&at).is(204);
    same(&first, &keyed.post("/api/v1/triggers", &body).is(201));
    assert_eq!(triggers(&ann), 1, "and what was deleted is not made again");
    keyed.post("/api/v1/triggers", &json!({"type": "api"})).problem(422);
}

#[test]
fn a_refusal_leaves_the_key_free() {
    let server = Server::start();
    let ann = server.user();
    let keyed = ann.with(HEADER, "k");
    keyed.post("/api/v1/triggers", &json!({"type": "nonsense"})).problem(422);
    let made = keyed.post("/api/v1/triggers", &json!({"type": "api", "enabled": false})).is(201);
    let fire = format!("/api/v1/triggers/{}/fire", made.json()["id"]);
    let keyed = ann.with(HEADER, "fire");
    keyed.post_nothing(&fire).problem(409);
    ann.patch(&format!("/api/v1/triggers/{}", made.json()["id"]), &json!({"enabled": true})).is(200);
    let first = keyed.post_nothing(&fire).is(200);
    same(&first, &keyed.post_nothing(&fire).is(200));
    let keyed = ann.with(HEADER, "kind");
    keyed.post("/api/v1/destinations", &json!({"kind": "nonsense"})).problem(422);
    keyed.post("/api/v1/destinations", &json!({"kind": "inbox", "name": "in"})).is(201);
}

#[test]
fn many_in_one_call_are_done_once_each() {
    let server = Server::start();
    let ann = server.user();
    let made = ann.with(HEADER, "make");
    let bodies = json!([{"type": "api", "name": "a"}, {"type": "nonsense"}, {"type": "api", "enabled": false}]);
    let first = made.post("/api/v1/triggers/bulk", &bodies).is(200);
    let second = made.post("/api/v1/triggers/bulk", &bodies).is(200);
    assert_eq!(first.text, second.text);
    assert!(is_replay(&second));
    assert_eq!(triggers(&ann), 2);
    made.post("/api/v1/triggers/bulk", &json!([{"type": "api", "name": "a"}])).problem(422);

    let results = first.json()["results"].clone();
    let (ready, paused) = (&results[0]["id"], &results[2]["id"]);
    let calls = json!([{"trigger_id": ready}, {"trigger_id": paused}, {"trigger_id": ready, "payload": 2}]);
    let fired = ann.with(HEADER, "fire");
    let first = fired.post("/api/v1/fire/bulk", &calls).is(200).json();
    assert_eq!((&first["accepted"], &first["refused"]), (&json!(2), &json!(1)));
    ann.patch(&format!("/api/v1/triggers/{paused}"), &json!({"enabled": true})).is(200);
    let second = fired.post("/api/v1/fire/bulk", &calls).is(200).json();
    assert_eq!(second["accepted"], 3, "what was refused is tried anew: {second}");
    for index in [0, 2] {
        assert_eq!(second["results"][index], first["results"][index]);
    }
    let third = fired.post("/api/v1/fire/bulk", &calls).is(200);
    assert_eq!(third.json(), second);
    assert!(is_replay(&third));
    assert_eq!(events(&ann).len(), 3);
    let as_lines = fired.call("POST", "/api/v1/fire/bulk").body("application/x-ndjson", calls.to_string()).send();
    as_lines.problem(422);
    let lines = "{\"trigger_id\":1}\n".repeat(2);
    let sent = fired.call("POST", "/api/v1/fire/bulk").body("application/x-ndjson", lines).send();
    sent.problem(422);
}

#[test]
fn of_many_at_once_one_is_carried_out_and_all_are_told_the_same() {
    let server = Server::start();
    let ann = server.user();
    let id = make(&ann, &json!({"type": "api"}));
    let path = format!("/api/v1/triggers/{id}/fire");
    for round in 0..8 {
        let keyed = ann.with(HEADER, &format!("round-{round}"));
        let answers: Vec<Answer> = thread::scope(|scope| {
            let calls: Vec<_> = (0..8).map(|_| scope.spawn(|| keyed.post(&path, &json!({"n": 1})).is(200))).collect();
            calls.into_iter().map(|call| call.join().expect("an answer")).collect()
        });
        let told: BTreeSet<&str> = answers.iter().map(|answer| answer.text.as_str()).collect();
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(answers.iter().filter(|answer| !is_replay(answer)).count(), 1);
    }
    assert_eq!(events(&ann).len(), 8);

    let keyed = ann.with(HEADER, "destination");
    let body = json!({"kind": "ntfy", "name": "n", "ntfy": {"topic": "t"}});
    let statuses: Vec<u16> = thread::scope(|scope| {
        let calls: Vec<_> = (0..8).map(|_| scope.spawn(|| keyed.post("/api/v1/destinations", &body).status)).collect();
        calls.into_iter().map(|call| call.join().expect("an answer")).collect()
    });
    assert!(statuses.iter().all(|status| matches!(status, 201 | 409)), "{statuses:?}");
    assert_eq!(ann.get("/api/v1/destinations").is(200).list().len(), 1, "{statuses:?}");
    keyed.post("/api/v1/destinations", &body).is(201);
}

#[test]
fn after_kill_9_what_was_done_is_told_and_what_was_not_is_done() {
    const KEYS: usize = 240;
    let server = Server::start();
    let ann = server.user();
    let id = make(&ann, &json!({"type": "api"}));
    let path = format!("/api/v1/triggers/{id}/fire");
    let body = |number: usize| json!({"n": number});
    let told: Mutex<BTreeMap<usize, String>> = Mutex::default();
    let next = AtomicUsize::new(0);
    let mut process = server;
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= KEYS {
                        return;
                    }
                    let keyed = ann.with(HEADER, &format!("key-{number}"));
                    // Whoever is cut off does not know what came of it; that is what the key is for.
                    let Ok(answer) = keyed.call("POST", &path).json(&body(number)).try_send() else { continue };
                    told.lock().expect("no panic").insert(number, answer.is(200).text);
                }
            });
        }
        until("some are answered", || Some(()).filter(|()| told.lock().expect("no panic").len() >= KEYS / 3));
        process.process.kill();
    });
    let server = process.kill().serve();
    let ann = ann.at(server.base());
    let told = told.into_inner().expect("no panic");
    assert!(told.len() < KEYS, "it was killed too late to tell");
    let mut ids = BTreeSet::new();
    for number in 0..KEYS {
        let keyed = ann.with(HEADER, &format!("key-{number}"));
        let answer = keyed.post(&path, &body(number)).is(200);
        if let Some(before) = told.get(&number) {
            assert_eq!(&answer.text, before, "key {number}");
            assert!(is_replay(&answer), "key {number}");
        }
        ids.insert(answer.json()["event_id"].as_i64().expect("a number"));
    }
    assert_eq!(ids.len(), KEYS);
    let mut payloads: Vec<i64> = Vec::new();
    let mut page = Some("/api/v1/event_logs?limit=200".to_owned());
    while let Some(at) = page {
        let answer = ann.get(&at).is(200);
        payloads.extend(answer.list().iter().map(|event| event["payload"]["n"].as_i64().expect("a number")));
        page = answer.next_page();
    }
    payloads.sort_unstable();
    assert_eq!(payloads, (0..240).collect::<Vec<i64>>(), "each fired once");
}

#[test]
fn the_answers_of_other_calls_are_kept_over_a_restart() {
    let server = Server::start();
    let ann = server.user();
    let keyed = ann.with(HEADER, "in");
    let body = json!({"kind": "inbox", "name": "in", "secrets": []});
    let first = keyed.post("/api/v1/destinations", &body).is(201);
    same(&first, &keyed.post("/api/v1/destinations", &body).is(201));
    let at = format!("/api/v1/destinations/{}", first.json()["id"]);
    let paused = ann.with(HEADER, "pause").post_nothing(&format!("{at}/pause")).is(200);
    ann.post_nothing(&format!("{at}/resume")).is(200);
    let tested = ann.with(HEADER, "test").post_nothing(&format!("{at}/test")).is(200);
    let flat_body = json!({"name": "tried", "trigger_type": "api", "payload": "{}"});
    let flat = ann.with(HEADER, "flat").post("/triggers/test", &flat_body).is(200);
    let server = server.kill().serve();
    let ann = ann.at(server.base());
    same(&first, &ann.with(HEADER, "in").post("/api/v1/destinations", &body).is(201));
    same(&paused, &ann.with(HEADER, "pause").post_nothing(&format!("{at}/pause")).is(200));
    assert_eq!(ann.get(&at).is(200).json()["standing"]["state"], "active", "it was not paused again");
    same(&tested, &ann.with(HEADER, "test").post_nothing(&format!("{at}/test")).is(200));
    same(&flat, &ann.with(HEADER, "flat").post("/triggers/test", &flat_body).is(200));
    assert_eq!(events(&ann).len(), 2);
    assert_eq!(ann.get("/api/v1/destinations").is(200).list().len(), 1);
}

#[test]
fn a_secret_is_shown_once_and_never_kept() {
    let server = Server::start();
    let ann = server.user();
    let body = json!({"name": "ci", "scopes": ["fire"]});
    let keyed = ann.with(HEADER, "ci");
    let made = keyed.post("/api/v1/api_keys", &body).is(201).json();
    let problem = keyed.post("/api/v1/api_keys", &body).problem(409);
    assert!(
        problem["detail"].as_str().is_some_and(|words| words.contains("201") && words.contains("secret")),
        "{problem}"
    );
    assert_eq!(ann.get("/api/v1/api_keys").is(200).list().len(), 1);
    let destination = json!({"kind": "webhook", "name": "hook", "url": "https://example.com/hook"});
    let keyed = ann.with(HEADER, "hook");
    let signing = keyed.post("/api/v1/destinations", &destination).is(201);
    assert!(signing.text.contains("whsec_"), "{}", signing.text);
    keyed.post("/api/v1/destinations", &destination).problem(409);
    let rotate = format!("/api/v1/destinations/{}/rotate", signing.json()["id"]);
    let keyed = ann.with(HEADER, "rotate");
    keyed.post_nothing(&rotate).is(201);
    keyed.post_nothing(&rotate).problem(409);
    let secrets = ann.get(&format!("/api/v1/destinations/{}", signing.json()["id"])).is(200).json()["secrets"].clone();
    assert_eq!(secrets.as_array().map(Vec::len), Some(2), "{secrets}");
    let key = made["key"].as_str().expect("a key").to_owned();
    assert!(!server.stop().holds(&key), "nothing on the disk says the key");
}

#[test]
fn a_key_with_fewer_rights_learns_nothing_by_it() {
    let server = Server::start();
    let ann = server.user();
    let with_scopes = |scopes: &[&str]| {
        let key = ann.post("/api/v1/api_keys", &json!({"name": "k", "scopes": scopes})).is(201).json();
        server.nobody().bearer(key["key"].as_str().expect("a key")).with(HEADER, "k")
    };
    let body = json!({"kind": "inbox", "name": "in", "secrets": []});
    ann.with(HEADER, "k").post("/api/v1/destinations", &body).is(201);
    for scopes in [&["read"][..], &["fire"], &["read", "fire"]] {
        let answer = with_scopes(scopes).post("/api/v1/destinations", &body);
        assert!(matches!(answer.status, 403 | 422), "{scopes:?}: {}", answer.text);
        assert!(!answer.text.contains("inbox"), "{scopes:?}: {}", answer.text);
    }
    let answer = with_scopes(&["read", "fire", "manage"]).post("/api/v1/destinations", &body).is(201);
    assert!(is_replay(&answer), "one that may do all that a login may is as good");
    server.nobody().with(HEADER, "k").post("/api/v1/destinations", &body).problem(401);
}

#[test]
fn every_call_that_posts_takes_a_key() {
    let server = Server::start();
    let ann = server.user();
    let document = server.nobody().get("/openapi.json").is(200).json();
    let mut posts = 0;
    for (path, calls) in document["paths"].as_object().expect("paths") {
        let Some(post) = calls.get("post").filter(|_| !path.starts_with("/auth/") && !path.starts_with("/report/"))
        else {
            continue;
        };
        posts += 1;
        let parameters = post["parameters"].as_array().cloned().unwrap_or_default();
        let is_documented = parameters.iter().any(|parameter| {
            parameter["name"] == "Idempotency-Key" && parameter["in"] == "header" && parameter["required"] == false
        });
        assert!(is_documented, "{path}: {post}");
        let path = path.split('/').map(|part| if part.starts_with('{') { "1" } else { part });
        let path = path.collect::<Vec<_>>().join("/");
        let wrong = ann.with(HEADER, "a b").call("POST", &path).body("application/json", "{}").send();
        assert_eq!(wrong.status, 400, "{path}: {}", wrong.text);
        assert!(wrong.text.contains("Idempotency-Key"), "{path}: {}", wrong.text);
    }
    assert!(posts >= 20, "there are such calls: {posts}");
}

#[test]
fn calls_that_take_no_key_come_to_what_is_said_of_them() {
    let server = Server::start();
    let keyed = server.nobody().with(HEADER, "one-key-for-all");
    let said = json!({"email": "ben@example.com", "password": "correct horse battery"});
    let first = keyed.post("/auth/register", &said).is(200);
    let again = keyed.post("/auth/register", &said).problem(400);
    assert!(again["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{again}");
    let logins = [keyed.post("/auth/login", &said).is(200), keyed.post("/auth/login", &said).is(200)];
    assert!(logins.iter().chain([&first]).all(|answer| !is_replay(answer)), "each is carried out");
    for login in logins {
        let token = login.json()["access_token"].as_str().expect("a token").to_owned();
        server.nobody().bearer(&token).get("/api/v1/triggers").is(200);
    }
    let receiver = Receiver::start();
    let to = json!({"type": "api", "webhook_url": receiver.url(), "expects": {"report_within": "10m"}});
    let server = Server::start_delivering();
    let (cat, keyed) = (server.user(), server.nobody().with(HEADER, "one-key-for-all"));
    let id = make(&cat, &to);
    cat.post_nothing(&format!("/api/v1/triggers/{id}/fire")).is(200);
    let report = receiver.wait_for(1).remove(0).headers.get("oncue-report").expect("where to report").clone();
    let path = format!("{}/done", report.strip_prefix(server.base()).expect("an address of this server"));
    let (one, two) = (keyed.post_nothing(&path).is(200), keyed.post_nothing(&path).is(200));
    assert_eq!(one.json(), two.json(), "what is known already changes nothing");
}
