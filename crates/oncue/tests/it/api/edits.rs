//! Edits that meet something: a time that has passed meanwhile, another edit, a firing.

use std::thread;

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::server::Server;
use crate::support::time::in_ms;
use crate::support::wait::until;

fn make(ann: &Client, body: &Value) -> String {
    format!("/api/v1/triggers/{}", ann.post("/api/v1/triggers", body).is(201).json()["id"])
}

fn events(ann: &Client) -> Vec<Value> {
    ann.get("/api/v1/event_logs").is(200).list()
}

#[test]
fn a_one_shot_whose_time_has_passed_can_be_put_back_and_does_not_fire_again() {
    let server = Server::start();
    let ann = server.user();
    let at = make(&ann, &json!({"type": "scheduled", "schedule_details": {"run_at": in_ms(500)}}));
    until("it fires", || events(&ann).pop());
    let read = ann.get(&at).is(200).json();
    ann.put(&at, &read).is(200);
    ann.patch(&at, &json!({"name": "later"})).is(200);
    let clock = make(&ann, &json!({"type": "scheduled", "schedule_details": {"every": "1s"}}));
    until("the scheduler is at work", || Some(()).filter(|()| events(&ann).len() >= 3));
    ann.delete(&clock).is(204);
    let own = format!("/api/v1/event_logs?trigger_id={}", read["id"]);
    assert_eq!(ann.get(&own).is(200).list().len(), 1);
    assert_eq!(ann.get(&format!("{at}/skipped")).is(200).json(), json!([]));
}

#[test]
fn an_expired_trigger_can_still_be_renamed_and_revived() {
    let server = Server::start();
    let ann = server.user();
    let at = make(&ann, &json!({"type": "api", "expires_at": in_ms(500)}));
    until("it expires", || Some(()).filter(|()| ann.post_nothing(&format!("{at}/fire")).status == 409));
    ann.patch(&at, &json!({"name": "old"})).is(200);
    let read = ann.get(&at).is(200).json();
    ann.put(&at, &read).is(200);
    ann.post_nothing(&format!("{at}/fire")).problem(409);
    ann.patch(&at, &json!({"expires_at": null})).is(200);
    ann.post_nothing(&format!("{at}/fire")).is(200);
}

#[test]
fn two_edits_at_once_both_hold() {
    let server = Server::start();
    let ann = server.user();
    let at = make(&ann, &json!({"type": "scheduled", "schedule_details": {"every": "1s"}}));
    thread::scope(|scope| {
        for (field, other) in [("name", false), ("api_payload", true)] {
            let (ann, at) = (&ann, &at);
            scope.spawn(move || {
                for number in 0..40 {
                    let value = if other { json!({"number": number}) } else { json!(format!("number {number}")) };
                    ann.patch(at, &json!({field: value})).is(200);
                }
            });
        }
    });
    let trigger = ann.get(&at).is(200).json();
    assert_eq!((&trigger["name"], &trigger["api_payload"]), (&json!("number 39"), &json!({"number": 39})));
}

#[test]
fn a_changed_schedule_takes_the_place_of_the_old_one() {
    let server = Server::start();
    let ann = server.user();
    let at = make(&ann, &json!({"type": "scheduled", "schedule_details": {"every": "1s"}}));
    until("it fires", || events(&ann).pop());
    let details = json!({"cron": "0 0 1 1 *"});
    let changed = ann.patch(&at, &json!({"schedule_details": details})).is(200).json();
    assert_eq!(changed["schedule_details"], details, "nothing of the former schedule is left");
    let before = events(&ann).len();
    let clock = make(&ann, &json!({"type": "scheduled", "schedule_details": {"every": "1s"}, "name": "clock"}));
    until("the scheduler is at work", || Some(()).filter(|()| events(&ann).len() >= before + 2));
    ann.delete(&clock).is(204);
    assert!(events(&ann)[..events(&ann).len() - before].iter().all(|event| event["name"] == "clock"));
}
