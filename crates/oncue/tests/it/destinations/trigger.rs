//! The destinations that a trigger names.

use serde_json::{Value, json};

use super::{at, make, trigger};
use crate::support::server::Server;

const TRIGGERS: &str = "/api/v1/triggers";

#[test]
fn a_trigger_names_destinations_and_keeps_them_in_their_order() {
    let server = Server::start();
    let ann = server.user();
    let ids: Vec<Value> =
        (0..3).map(|n| make(&ann, &json!({"name": format!("I{n}"), "kind": "inbox"}))["id"].clone()).collect();
    let plain = ann.post(TRIGGERS, &json!({"type": "api"})).is(201).json();
    assert_eq!(plain["destinations"], json!([]));
    let order = json!([ids[2], ids[0]]);
    let made = ann.post(TRIGGERS, &json!({"type": "api", "destinations": order})).is(201).json();
    assert_eq!(made["destinations"], order);
    let path = format!("{TRIGGERS}/{}", made["id"]);
    assert_eq!(ann.get(&path).is(200).json()["destinations"], order);
    assert_eq!(ann.patch(&path, &json!({"name": "n"})).is(200).json()["destinations"], order);
    let shown = ann.get(&path).is(200).json();
    assert_eq!(ann.put(&path, &shown).is(200).json()["destinations"], order);
    ann.put(&format!("/triggers/{}", made["id"]), &json!({"name": "flat"})).is(200);
    let flat = ann.get(&path).is(200).json();
    assert_eq!((&flat["name"], &flat["destinations"]), (&json!("flat"), &order), "the flat surface leaves them alone");
    let moved = ann.patch(&path, &json!({"destinations": [ids[1]]})).is(200).json();
    assert_eq!(moved["destinations"], json!([ids[1]]));
    assert_eq!(ann.put(&path, &json!({"type": "api"})).is(200).json()["destinations"], json!([]));
}

#[test]
fn a_destination_that_is_not_there_is_refused_where_it_is_named() {
    let server = Server::start();
    let (ann, bob) = (server.user(), server.register("bob@example.com"));
    let hers = make(&ann, &json!({"name": "canary", "kind": "inbox"}))["id"].clone();
    let his = make(&bob, &json!({"name": "B", "kind": "inbox"}))["id"].clone();
    let made = bob.post(TRIGGERS, &json!({"type": "api", "destinations": [his]})).is(201).json();
    let path = format!("{TRIGGERS}/{}", made["id"]);
    let asked = |named: &Value| {
        let body = json!({"type": "api", "destinations": [his, named]});
        [bob.post(TRIGGERS, &body), bob.put(&path, &body), bob.patch(&path, &body)].map(|answer| {
            let problem = answer.problem(422);
            assert_eq!(problem["errors"][0]["field"], "destinations.1", "{problem}");
            problem.to_string().replace(&format!("destination {named}"), "destination N")
        })
    };
    assert_eq!(asked(&hers), asked(&json!(98765)), "another's looks like none");
    for named in
        ["x", "7"].map(Value::from).into_iter().chain([json!(1.5), json!(null), json!([]), json!(-1), json!(his)])
    {
        asked(&named);
    }
    let many: Vec<i64> = (1..=17).collect();
    for body in [json!(7), json!("7"), json!({"7": 7}), json!(many)] {
        let problem = bob.post(TRIGGERS, &json!({"type": "api", "destinations": body})).problem(422);
        assert_eq!(problem["errors"][0]["field"], "destinations", "{problem}");
    }
    assert_eq!(bob.get(TRIGGERS).is(200).list().len(), 1, "nothing was half made");
    assert_eq!(bob.get(&path).is(200).json(), made);
}

#[test]
fn a_destination_tells_how_many_triggers_send_to_it() {
    let server = Server::start();
    let ann = server.user();
    let one = make(&ann, &json!({"name": "one", "kind": "inbox"}));
    let two = make(&ann, &json!({"name": "two", "kind": "inbox"}));
    assert_eq!(one["used_by"], 0);
    let both = trigger(&ann, &[&two, &one]);
    trigger(&ann, &[&one]);
    let used = || {
        ann.get("/api/v1/destinations").is(200).list().iter().map(|shown| shown["used_by"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(used(), [2, 1]);
    assert_eq!(ann.get(&at(&one)).is(200).json()["used_by"], 2);
    let page = ann.get("/ui/destinations").is(200).text;
    assert!(page.contains("2 triggers") && page.contains("1 trigger<"), "{page}");
    ann.delete(&format!("/api/v1/triggers/{both}")).is(204);
    assert_eq!(used(), [1, 0]);
    let shown = ann.get(&at(&two)).is(200).json();
    assert_eq!(ann.put(&at(&two), &shown).is(200).json(), shown, "what was read can be put back");
}
