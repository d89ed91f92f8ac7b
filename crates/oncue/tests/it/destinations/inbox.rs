//! Inboxes: what is sent to one arrives inside the process, is shown as a receiver would see it, and is answered as its owner chose.

use serde_json::{Value, json};

use super::{at, event_when, fire, make, trigger};
use crate::support::client::Client;
use crate::support::server::Server;
use crate::support::wait::until;

fn arrivals(ann: &Client, inbox: &Value) -> Vec<Value> {
    ann.get(&format!("{}/arrivals", at(inbox))).is(200).json().as_array().expect("a list").clone()
}

/// What arrived, as soon as it is so much.
fn arrived(ann: &Client, inbox: &Value, count: usize) -> Vec<Value> {
    until("enough has arrived", || Some(arrivals(ann, inbox)).filter(|arrivals| arrivals.len() >= count))
}

fn one(ann: &Client, inbox: &Value, arrival: &Value) -> Value {
    ann.get(&format!("{}/arrivals/{}", at(inbox), arrival["id"])).is(200).json()
}

fn page_of(inbox: &Value) -> String {
    format!("/ui/destinations/{}/inbox", inbox["id"])
}

#[test]
fn a_first_success_needs_nothing_but_an_inbox() {
    let server = Server::start_delivering();
    let ann = server.user();
    let inbox = make(&ann, &json!({"name": "Try", "kind": "inbox"}));
    assert_eq!(arrivals(&ann, &inbox), [] as [Value; 0]);
    let event = fire(&ann, trigger(&ann, &[&inbox]));
    let event = event_when(&ann, &event, "it is delivered", |all| all[0]["state"] == "delivered");
    let arrivals = arrived(&ann, &inbox, 1);
    assert_eq!(arrivals.len(), 1);
    let arrival = one(&ann, &inbox, &arrivals[0]);
    assert_eq!((&arrival["event_id"], &arrival["slot"], &arrival["attempt"]), (&event["id"], &json!(0), &json!(1)));
    assert_eq!((&arrival["method"], &arrival["answered"]), (&json!("POST"), &json!(200)));
    let signature = &arrival["signature"];
    assert_eq!((&signature["state"], &signature["secret"]), (&json!("verified"), &inbox["secrets"][0]["id"]));
    assert_eq!(arrival["message_id"], event["message_id"]);
    assert_eq!(arrival["headers"]["webhook-id"], json!([event["message_id"]]));
    assert_eq!(arrival["headers"]["content-type"], json!(["application/cloudevents+json"]));
    let body: Value = serde_json::from_str(arrival["body"].as_str().expect("text")).expect("JSON");
    assert_eq!((&body["id"], &body["data"]["payload"]), (&event["message_id"], &json!({"n": 1})));
    assert_eq!(arrival["body_bytes"], json!(arrival["body"].as_str().expect("text").len()));
}

#[test]
fn an_inbox_tries_out_retries_and_late_answers() {
    let server = Server::start_delivering();
    let ann = server.user();
    let said = json!({"name": "Bad", "kind": "inbox", "inbox": {"status": 503}, "retries": ["1s"]});
    let inbox = make(&ann, &said);
    let event = fire(&ann, trigger(&ann, &[&inbox]));
    let event = event_when(&ann, &event, "it is given up", |all| all[0]["state"] == "failed");
    let all = arrived(&ann, &inbox, 2);
    assert_eq!([&all[0]["attempt"], &all[1]["attempt"]], [2, 1], "the latest first");
    assert_eq!(event["deliveries"][0]["attempts"][1]["status"], 503);
    let first = ann.get(&format!("{}/arrivals?limit=1", at(&inbox))).is(200);
    assert_eq!(first.json(), json!([all[0]]));
    let next = format!("{}/arrivals?limit=1&cursor={}", at(&inbox), all[0]["id"]);
    assert_eq!(first.next_page().as_deref(), Some(next.as_str()));
    assert_eq!(ann.get(&next).is(200).json(), json!([all[1]]));
    let late = json!({"name": "Late", "kind": "inbox", "inbox": {"delay": "30s"}, "timeout": "1s", "retries": []});
    let late = make(&ann, &late);
    let event = fire(&ann, trigger(&ann, &[&late]));
    event_when(&ann, &event, "nobody waits for so long", |all| all[0]["state"] == "failed");
    assert_eq!(arrived(&ann, &late, 1)[0]["answered"], Value::Null);
}

#[test]
fn what_arrived_is_text_on_the_pages_and_the_owners_alone() {
    let server = Server::start_delivering();
    let (ann, bob) = (server.user(), server.register("bob@example.com"));
    let nasty = "<script>alert(1)</script>\"><img src=x onerror=alert(1)>";
    let said = json!({"name": nasty, "kind": "inbox", "headers": {"x-key": "topsecret-71"}});
    let inbox = make(&ann, &said);
    let made = trigger(&ann, &[&inbox]);
    ann.post(&format!("/api/v1/triggers/{made}/fire"), &json!({"canary": nasty})).is(200);
    let arrival = arrived(&ann, &inbox, 1)[0].clone();
    let list = page_of(&inbox);
    let single = format!("{list}/{}", arrival["id"]);
    let shown = one(&ann, &inbox, &arrival);
    assert_eq!(shown["headers"]["x-key"], json!(["(hidden)"]));
    for path in [&list, &single] {
        let html = ann.get(path).is(200).text;
        assert!(!html.contains("<script>alert") && !html.contains("<img src=x"), "{html}");
        assert!(!html.contains("topsecret-71") && html.contains("verified"), "{html}");
    }
    assert!(ann.get(&single).is(200).text.contains("signed with the secret"));
    for path in [list, single, format!("{}/arrivals", at(&inbox)), format!("{}/arrivals/{}", at(&inbox), arrival["id"])]
    {
        let answer = bob.get(&path).is(404);
        assert!(!answer.text.contains("alert(1)"));
    }
    // Nor by way of an inbox of his own.
    let his = make(&bob, &json!({"name": "B", "kind": "inbox"}));
    bob.get(&format!("{}/arrivals/{}", at(&his), arrival["id"])).is(404);
    bob.get(&format!("{}/{}", page_of(&his), arrival["id"])).is(404);
    for nonsense in ["x", "-1", "99999999999999999999", "%FF"] {
        ann.get(&format!("{}/arrivals/{nonsense}", at(&inbox))).is(404);
        ann.get(&format!("{}/{nonsense}", page_of(&inbox))).is(404);
    }
    ann.get(&format!("{}?before=x", page_of(&inbox))).is(422);
}
