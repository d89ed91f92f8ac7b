//! Triggers that end by themselves: each end is a line of the audit log, by oncue itself, once, whoever is killed when.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::server::Server;
use crate::support::time::{in_ms, instant};
use crate::support::wait::until;

fn make(ann: &Client, body: &Value) -> i64 {
    ann.post("/api/v1/triggers", body).is(201).json()["id"].as_i64().expect("an integer")
}

fn scheduled(ann: &Client, schedule: &Value) -> i64 {
    make(ann, &json!({"name": "ends", "type": "scheduled", "schedule_details": schedule}))
}

/// The lines of its ends.
fn ends(ann: &Client, id: i64) -> Vec<Value> {
    ann.get(&format!("/api/v1/audit?action=ended&object=trigger&object_id={id}")).is(200).list()
}

fn end(ann: &Client, id: i64) -> Value {
    until("its end is told", || ends(ann, id).pop())
}

/// Whoever tells of ends has looked at all of them since.
fn a_look_later(ann: &Client) {
    let marker = make(ann, &json!({"type": "api", "expires_at": in_ms(300)}));
    end(ann, marker);
}

#[test]
fn a_trigger_that_ends_by_itself_is_told_once_with_the_reason() {
    let server = Server::start();
    let ann = server.user();
    let twice = scheduled(&ann, &json!({"every": "1s", "max_fires": 2}));
    let short = scheduled(&ann, &json!({"every": "1s", "ends_at": in_ms(2_500)}));
    let once = scheduled(&ann, &json!({"run_at": in_ms(500)}));
    let expires_at = in_ms(2_500);
    let every = json!({"every": "1s"});
    let expiring = make(&ann, &json!({"type": "scheduled", "schedule_details": every, "expires_at": expires_at}));
    let called = make(&ann, &json!({"type": "api", "expires_at": expires_at}));

    let told = end(&ann, twice);
    assert_eq!(told["details"], "it has fired as often as it may: 2 times");
    assert_eq!(told["object"], json!({"kind": "trigger", "id": twice, "name": "ends"}));
    assert_eq!(told["by"]["kind"], "system");
    let last = &ann.get(&format!("/api/v1/event_logs?trigger_id={twice}")).is(200).list()[0];
    assert_eq!(told["at"], last["created_at"], "it is told with its last firing");
    assert_eq!(end(&ann, short)["details"], "its schedule names nothing more");
    for id in [expiring, called] {
        let told = end(&ann, id);
        assert_eq!(
            (&told["details"], instant(&told["at"]).to_string()),
            (&json!("its expiry had come"), expires_at.clone())
        );
    }
    ann.post_nothing(&format!("/api/v1/triggers/{called}/fire")).problem(409);
    let page = ann.get(&format!("/audit?action=ended&object_id={twice}")).is(200).text;
    assert!(page.contains("it has fired as often as it may: 2 times"), "{page}");
    assert_eq!(
        server.register("ben@example.com").get("/api/v1/audit?action=ended").is(200).list(),
        Vec::<Value>::new()
    );

    let server = server.kill().serve();
    let ann = ann.at(server.base());
    a_look_later(&ann);
    for id in [twice, short, expiring, called] {
        assert_eq!(ends(&ann, id).len(), 1, "{id}");
    }
    assert_eq!(ends(&ann, once), Vec::<Value>::new(), "its event tells that");
    // It is given more to do, and ends once more.
    ann.patch(&format!("/api/v1/triggers/{twice}"), &json!({"schedule_details": {"every": "1s", "max_fires": 3}}))
        .is(200);
    until("it has ended again", || (ends(&ann, twice).len() == 2).then_some(()));
}

#[test]
fn whoever_is_killed_meanwhile_each_end_is_told_once() {
    let mut server = Server::start();
    let mut ann = server.user();
    let mut ending = Vec::new();
    for number in 1..=8 {
        let at = in_ms(number * 500);
        ending.push(scheduled(&ann, &json!({"every": "1h", "start_at": at, "max_fires": 1})));
        ending.push(make(&ann, &json!({"type": "api", "expires_at": at})));
    }
    for pause_ms in [900, 400, 700, 1_100] {
        std::thread::sleep(Duration::from_millis(pause_ms));
        server = server.kill().serve();
        ann = ann.at(server.base());
    }
    for id in &ending {
        end(&ann, *id);
    }
    a_look_later(&ann);
    for id in ending {
        assert_eq!(ends(&ann, id).len(), 1, "{id}");
        let fired = ann.get(&format!("/api/v1/triggers/{id}")).is(200).json()["fired"].clone();
        assert!(fired.is_null() || fired == 1, "{id}: {fired}");
    }
}
