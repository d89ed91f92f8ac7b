//! Nobody sends, cancels or fires again what is not theirs, or learns that it is there.

use serde_json::json;

use super::{Broken, FAILED, MANY, at, deed, delivery_when, destination, fail, fire, trigger};
use crate::support::server::Server;

#[test]
fn somebody_elses_deliveries_are_out_of_reach() {
    let server = Server::start_delivering();
    let (ann, bob, nobody) = (server.user(), server.register("bob@example.com"), server.nobody());
    let broken = Broken::start();
    let to = destination(&ann, "Broken", &broken.receiver, &[]);
    let called = trigger(&ann, "called", &[to]);
    let event = fail(&ann, called);
    let paused = destination(&ann, "Paused", &broken.receiver, &[]);
    ann.post_nothing(&format!("/api/v1/destinations/{paused}/pause")).is(200);
    let waiting = fire(&ann, trigger(&ann, "waiting", &[paused]));
    delivery_when(&ann, waiting, "parked");
    let inventory = || {
        let events = [event, waiting].map(|event| ann.get(&at(event)).is(200).text);
        (events, ann.get(FAILED).is(200).text, ann.get("/api/v1/event_logs?status=all").is(200).text)
    };
    let before = inventory();
    for path in [deed(event, "redeliver"), deed(waiting, "cancel"), format!("{}/fire_again", at(event))] {
        let foreign = bob.post_nothing(&path).is(404);
        let missing = bob.post_nothing(
            &path.replace(&format!("/{event}/"), "/987654/").replace(&format!("/{waiting}/"), "/987654/"),
        );
        assert_eq!((missing.status, missing.text), (404, foreign.text), "{path}: foreign and missing look the same");
        nobody.post_nothing(&path).is(401);
    }
    let chosen = json!({"deliveries": [{"event_id": event, "slot": 0}]});
    let answer = bob.post(MANY, &chosen).is(200).json();
    assert_eq!((&answer["redelivered"], &answer["results"][0]["result"]), (&json!(0), &json!("not-found")));
    for filter in [json!({}), json!({"destination_id": to}), json!({"trigger_id": called})] {
        let counted = bob.post(MANY, &json!({"filter": filter, "dry_run": true})).is(200).json();
        assert_eq!(counted["matching"], 0, "{filter}");
        let sent = bob.post(MANY, &json!({"filter": filter})).is(200).json();
        assert_eq!(sent, json!({"redelivered": 0, "remaining": 0}), "{filter}");
        nobody.post(MANY, &json!({"filter": filter})).is(401);
    }
    assert_eq!(bob.get(&format!("{FAILED}&destination_id={to}&trigger_id={called}")).is(200).json(), json!([]));
    assert_eq!(inventory(), before, "nothing of Ann's was touched");
    assert_eq!(broken.receiver.received().len(), 1);
}

#[test]
fn a_key_needs_the_scope_that_the_call_is_about() {
    let server = Server::start_delivering();
    let ann = server.user();
    let broken = Broken::start();
    let trigger = trigger(&ann, "called", &[destination(&ann, "Broken", &broken.receiver, &[])]);
    let event = fail(&ann, trigger);
    let key = |scope: &str| {
        let made = ann.post("/api/v1/api_keys", &json!({"name": scope, "scopes": [scope]})).is(201).json();
        server.nobody().bearer(made["key"].as_str().expect("a key"))
    };
    let (reader, firer, manager) = (key("read"), key("fire"), key("manage"));
    for client in [&reader, &firer] {
        client.post_nothing(&deed(event, "redeliver")).problem(403);
        client.post_nothing(&deed(event, "cancel")).problem(403);
        client.post(MANY, &json!({"filter": {}})).problem(403);
    }
    reader.post_nothing(&format!("{}/fire_again", at(event))).problem(403);
    manager.post_nothing(&format!("{}/fire_again", at(event))).problem(403);
    firer.post_nothing(&format!("{}/fire_again", at(event))).is(201);
    broken.mend();
    manager.post_nothing(&deed(event, "redeliver")).is(200);
    delivery_when(&ann, event, "delivered");
}
