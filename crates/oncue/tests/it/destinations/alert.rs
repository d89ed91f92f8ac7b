//! Who is told of a destination in trouble: once of failures in a row, once of their end, and of each suspension, through kill -9 too.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::{at, event_when, fire, make, trigger};
use crate::support::client::Client;
use crate::support::receiver::{Receiver, Reply};
use crate::support::server::Server;
use crate::support::wait::until;

/// What arrived at an inbox, the first first, as the payloads of alerts. What was under way when a server was killed arrives again; each
/// is taken once, as a receiver would, by its id.
fn alerts(ann: &Client, inbox: &Value) -> Vec<Value> {
    let list = ann.get(&format!("{}/arrivals", at(inbox))).is(200).list();
    let body = |arrival: &Value| {
        let arrival = ann.get(&format!("{}/arrivals/{}", at(inbox), arrival["id"])).is(200).json();
        let body: Value = serde_json::from_str(arrival["body"].as_str().expect("text")).expect("JSON");
        assert_eq!(
            (&body["type"], &body["data"]["firing"]["origin"]),
            (&json!("dev.oncue.destination.alert"), &json!("alert"))
        );
        body
    };
    let mut seen = HashSet::new();
    let mut bodies: Vec<Value> = list.iter().rev().map(body).collect();
    bodies.retain(|body| seen.insert(body["id"].as_str().expect("an id").to_owned()));
    bodies.iter().map(|body| body["data"]["payload"].clone()).collect()
}

fn words(alerts: &[Value]) -> Vec<&str> {
    alerts.iter().map(|alert| alert["alert"].as_str().expect("a word")).collect()
}

/// Everything that was told, as soon as it is so much.
fn told(ann: &Client, inbox: &Value, count: usize) -> Vec<Value> {
    until("somebody is told", || Some(alerts(ann, inbox)).filter(|alerts| alerts.len() >= count))
}

fn send(ann: &Client, trigger: i64, becomes: &str) {
    let event = fire(ann, trigger);
    event_when(ann, &event, "it has ended", |all| all[0]["state"] == becomes);
}

#[test]
fn whoever_was_named_is_told_once_of_failures_once_of_their_end_and_of_a_suspension() {
    let server = Server::start_delivering();
    let ann = server.user();
    // Four failures, then two successes, then it is gone.
    let receiver = Receiver::scripted(|_, before| match before {
        0..4 => Reply::Answer(500, "", ""),
        4 | 5 => Reply::Answer(200, "", ""),
        _ => Reply::Answer(410, "", ""),
    });
    let inbox = make(&ann, &json!({"name": "Operator", "kind": "inbox"}));
    let said = json!({"name": "Shop", "kind": "webhook", "url": receiver.url(), "retries": [],
        "alert": {"destination": inbox["id"], "after": 3}});
    let shop = make(&ann, &said);
    assert_eq!(shop["failing"], Value::Null);
    let sender = trigger(&ann, &[&shop]);
    for _ in 0..2 {
        send(&ann, sender, "failed");
    }
    let failing = ann.get(&at(&shop)).is(200).json()["failing"].clone();
    assert_eq!((&failing["failures"], &failing["told"]), (&json!(2), &Value::Null));
    assert!(alerts(&ann, &inbox).is_empty());
    for _ in 0..2 {
        send(&ann, sender, "failed");
    }
    let first = told(&ann, &inbox, 1);
    assert_eq!(words(&first), ["failing"]);
    assert_eq!(
        (&first[0]["failures"], &first[0]["status"], &first[0]["destination"]["name"]),
        (&json!(3), &json!(500), &json!("Shop"))
    );
    let failing = ann.get(&at(&shop)).is(200).json()["failing"].clone();
    assert_eq!((&failing["failures"], &failing["told"]["destination"]), (&json!(4), &inbox["id"]));
    let page = ann.get(&format!("/ui/destinations/{}", shop["id"])).is(200).text;
    assert!(page.contains("4 attempts in a row have failed") && page.contains("Operator was told"), "{page}");
    assert!(page.contains("Operator, after 3 failed attempts in a row"), "{page}");
    for _ in 0..2 {
        send(&ann, sender, "delivered");
    }
    assert_eq!(words(&told(&ann, &inbox, 2)), ["failing", "recovered"]);
    assert_eq!(ann.get(&at(&shop)).is(200).json()["failing"], Value::Null);
    send(&ann, sender, "failed");
    let all = told(&ann, &inbox, 3);
    assert_eq!(words(&all), ["failing", "recovered", "suspended"]);
    assert!(all[2]["text"].as_str().is_some_and(|text| text.contains("410") && text.starts_with("Shop is suspended")));
    let logged = ann.get("/api/v1/event_logs").is(200).list();
    let alerts: Vec<&Value> = logged.iter().filter(|event| event["origin"] == "alert").collect();
    assert_eq!(alerts.len(), 3, "each is an event in the log");
    let name: Vec<&Value> = alerts.iter().map(|event| &event["name"]).collect();
    assert_eq!(name, ["Shop is suspended", "Shop has recovered", "Shop is failing"]);
    let page = ann.get(&format!("/events/{}", alerts[0]["id"])).is(200).text;
    assert!(page.contains("no trigger fired: an alert"), "{page}");
    let flat = ann.get("/logs/active").is(200).list();
    assert!(flat.iter().any(|event| event["name"] == "Shop is failing" && event["is_test"] == false));
}

#[test]
fn a_streak_goes_on_after_a_kill_and_is_still_told_once() {
    let mut server = Server::start_delivering();
    let ann = server.user();
    let receiver = Receiver::scripted(|_, before| Reply::Answer(if before < 4 { 503 } else { 204 }, "", ""));
    let inbox = make(&ann, &json!({"name": "Operator", "kind": "inbox"}));
    let said = json!({"name": "Shop", "kind": "webhook", "url": receiver.url(), "retries": [],
        "alert": {"destination": inbox["id"], "after": 2}});
    let sender = trigger(&ann, &[&make(&ann, &said)]);
    let mut client = ann;
    for round in 0..4 {
        send(&client, sender, "failed");
        if round < 2 {
            server = server.kill().serve();
            client = client.at(server.base());
        }
    }
    assert_eq!(words(&told(&client, &inbox, 1)), ["failing"]);
    send(&client, sender, "delivered");
    assert_eq!(words(&told(&client, &inbox, 2)), ["failing", "recovered"]);
}

#[test]
fn one_that_cannot_tell_any_more_is_shown_and_keeps_nothing_from_being_edited() {
    let server = Server::start();
    let ann = server.user();
    let inbox = make(&ann, &json!({"name": "Operator", "kind": "inbox"}));
    let shop = make(&ann, &json!({"name": "Shop", "kind": "inbox", "alert": {"destination": inbox["id"]}}));
    assert_eq!(shop["alert"], json!({"destination": inbox["id"], "after": 5}));
    ann.delete(&at(&inbox)).is(204);
    let page = ann.get(&format!("/ui/destinations/{}", shop["id"])).is(200).text;
    assert!(page.contains("which is gone: nobody is told"), "{page}");
    let renamed = ann.patch(&at(&shop), &json!({"name": "Till"})).is(200).json();
    assert_eq!((&renamed["name"], &renamed["alert"]), (&json!("Till"), &shop["alert"]));
    ann.patch(&at(&shop), &json!({"alert": {"destination": 98765}})).problem(422);
}
