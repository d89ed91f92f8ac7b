//! `payload_schema`: what a call carries has to fit the schema of its trigger, whichever way it comes.

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::server::Server;

fn order() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "required": ["id"],
        "properties": {
            "id": {"type": "integer", "minimum": 1},
            "lines": {"type": "array", "items": {"$ref": "#/$defs/line"}},
            "email": {"format": "email"}
        },
        "$defs": {"line": {"type": "object", "required": ["sku"], "properties": {"sku": {"pattern": "^[A-Z]{3}$"}}}}
    })
}

fn make(ann: &Client, body: &Value) -> i64 {
    ann.post("/api/v1/triggers", body).is(201).json()["id"].as_i64().expect("an integer")
}

fn events(ann: &Client) -> usize {
    ann.get("/api/v1/event_logs").is(200).list().len()
}

fn fields(problem: &Value) -> Vec<&str> {
    let errors = problem["errors"].as_array().expect("errors");
    let mut fields: Vec<&str> = errors.iter().map(|error| error["field"].as_str().expect("a field")).collect();
    fields.sort_unstable();
    fields
}

#[test]
fn what_fits_fires_and_what_does_not_is_refused_with_its_places() {
    let server = Server::start();
    let ann = server.user();
    let id = make(&ann, &json!({"type": "api", "payload_schema": order()}));
    assert_eq!(ann.get(&format!("/api/v1/triggers/{id}")).is(200).json()["payload_schema"], order());
    let path = format!("/api/v1/triggers/{id}/fire");
    for good in [json!({"id": 1}), json!({"id": 2, "lines": [{"sku": "ABC"}]}), json!({"id": 3, "more": null})] {
        ann.post(&path, &good).is(200);
    }
    let problem = ann.post(&path, &json!({"id": 0, "lines": [{"sku": "ABC"}, {"sku": "x"}, {}]})).problem(422);
    assert_eq!(fields(&problem), ["/id", "/lines/1/sku", "/lines/2"], "{problem}");
    assert!(!problem.to_string().contains("\"x\""), "what was sent is not repeated: {problem}");
    for bad in [json!([]), json!(7), json!({"id": "1"}), json!({"id": 1, "email": "nobody"}), Value::Null] {
        ann.post(&path, &bad).problem(422);
    }
    assert_eq!(fields(&ann.post_nothing(&path).problem(422)), [""], "without a body it would carry {{}}");
    ann.post(&format!("/triggers/{id}/fire"), &json!({"id": 0})).is(422);
    ann.post(&format!("/triggers/{id}/fire"), &json!({"id": 4})).is(200);
    let many: Value = (0..40).map(|_| json!({"sku": "x"})).collect();
    let problem = ann.post(&path, &json!({"id": 1, "lines": many})).problem(422);
    assert!(fields(&problem).len() <= 10, "{problem}");
    let long = json!({"id": 5, "more": "x".repeat(100_000)});
    ann.post(&path, &long).is(200);
    ann.post(&path, &json!({"id": 0, "more": "x".repeat(100_000)})).problem(422);
    assert_eq!(events(&ann), 5);
}

#[test]
fn an_edit_holds_from_its_answer_on() {
    let server = Server::start();
    let ann = server.user();
    let id = make(&ann, &json!({"type": "api"}));
    let (at, path) = (format!("/api/v1/triggers/{id}"), format!("/api/v1/triggers/{id}/fire"));
    ann.post(&path, &json!("anything")).is(200);
    for _ in 0..3 {
        ann.patch(&at, &json!({"payload_schema": {"type": "integer"}})).is(200);
        ann.post(&path, &json!("text")).problem(422);
        ann.post(&path, &json!(1)).is(200);
        ann.patch(&at, &json!({"payload_schema": {"type": "string"}})).is(200);
        ann.post(&path, &json!(1)).problem(422);
        ann.post(&path, &json!("text")).is(200);
    }
    ann.patch(&at, &json!({"payload_schema": null})).is(200);
    ann.post(&path, &json!(1)).is(200);
    assert_eq!(ann.get(&at).is(200).json()["payload_schema"], Value::Null);
}

#[test]
fn its_own_payload_has_to_fit_as_well() {
    let server = Server::start();
    let ann = server.user();
    let body = |payload: Value| json!({"type": "api", "payload_schema": order(), "api_payload": payload});
    let problem = ann.post("/api/v1/triggers", &body(json!({"id": "x"}))).problem(422);
    assert_eq!(fields(&problem), ["api_payload"]);
    assert!(problem.to_string().contains("/id"), "{problem}");
    let id = make(&ann, &body(json!({"id": 7})));
    ann.post_nothing(&format!("/api/v1/triggers/{id}/fire")).is(200);
    ann.patch(&format!("/api/v1/triggers/{id}"), &json!({"api_payload": []})).problem(422);
    let flat = ann.put(&format!("/triggers/{id}"), &json!({"payload": "[]"}));
    assert!(matches!(flat.status, 400 | 422), "{}", flat.text);
    ann.put(&format!("/triggers/{id}"), &json!({"payload": "{\"id\": 8}"})).is(200);
}

#[test]
fn what_is_run_by_hand_has_to_fit_and_what_is_tried_does_not() {
    let server = Server::start();
    let ann = server.user();
    let id = make(&ann, &json!({"type": "api", "payload_schema": order()}));
    let problem = ann.post_nothing(&format!("/api/v1/triggers/{id}/run")).problem(422);
    assert!(problem["detail"].as_str().is_some_and(|words| words.contains("id")), "{problem}");
    assert_eq!(events(&ann), 0);
    ann.post_nothing(&format!("/api/v1/triggers/{id}/test")).is(200);
    ann.patch(&format!("/api/v1/triggers/{id}"), &json!({"api_payload": {"id": 1}})).is(200);
    ann.post_nothing(&format!("/api/v1/triggers/{id}/run")).is(200);
}

#[test]
fn a_payload_that_would_keep_the_server_busy_is_refused_as_too_large() {
    let server = Server::start();
    let ann = server.user();
    let values: Vec<u32> = (0..3000).collect();
    let id = make(&ann, &json!({"type": "api", "payload_schema": {"items": {"enum": values}}}));
    let path = format!("/api/v1/triggers/{id}/fire");
    let problem = ann.post(&path, &json!(vec![3; 100_000])).problem(422);
    assert!(problem["detail"].as_str().is_some_and(|words| words.contains("too large for its schema")), "{problem}");
    ann.post(&path, &json!(vec![3; 5000])).is(200);
}

#[test]
fn many_calls_are_checked_one_by_one() {
    let server = Server::start();
    let ann = server.user();
    let (free, strict) =
        (make(&ann, &json!({"type": "api"})), make(&ann, &json!({"type": "api", "payload_schema": order()})));
    let calls = json!([
        {"trigger_id": strict, "payload": {"id": 1}}, {"trigger_id": strict, "payload": {"id": 0}},
        {"trigger_id": free, "payload": {"id": 0}}, {"trigger_id": strict, "payload": {"id": 2}}, {"trigger_id": strict}
    ]);
    for (client, logged) in
        [(ann.clone(), 3), (ann.with("idempotency-key", "k"), 6), (ann.with("idempotency-key", "k"), 6)]
    {
        let answer = client.post("/api/v1/fire/bulk", &calls).is(200).json();
        let statuses: Vec<&Value> =
            answer["results"].as_array().expect("results").iter().map(|one| &one["status"]).collect();
        assert_eq!(statuses, [200, 422, 200, 200, 422], "{answer}");
        assert_eq!(answer["results"][1]["error"]["errors"][0]["field"], "/id");
        assert_eq!(events(&ann), logged);
    }
}

#[test]
fn a_schema_that_is_none_or_asks_for_too_much_is_refused() {
    let server = Server::start();
    let ann = server.user();
    let doubling: Value = (0..30)
        .map(|level| {
            let next = json!({"$ref": format!("#/$defs/a{}", level + 1)});
            (format!("a{level}"), json!({"allOf": [next, next]}))
        })
        .chain([("a30".to_owned(), json!(true))])
        .collect::<serde_json::Map<_, _>>()
        .into();
    for schema in [
        json!({"type": "strin"}),
        json!(7),
        json!({"$ref": "https://example.com/schema.json"}),
        json!({"$ref": "file:///etc/passwd"}),
        json!({"properties": {"child": {"$ref": "#"}}}),
        json!({"$ref": "#/$defs/a0", "$defs": doubling}),
        json!({"description": "x".repeat(20_000)}),
        json!({"pattern": "("}),
    ] {
        let problem = ann.post("/api/v1/triggers", &json!({"type": "api", "payload_schema": schema})).problem(422);
        assert_eq!(fields(&problem), ["payload_schema"], "{problem}");
    }
    let timed = json!({"type": "scheduled", "schedule_details": {"every": "1h"}, "payload_schema": {"type": "object"}});
    assert_eq!(fields(&ann.post("/api/v1/triggers", &timed).problem(422)), ["payload_schema"]);
    ann.post("/api/v1/triggers", &json!({"type": "api", "payload_schema": true})).is(201);
}

#[test]
fn the_form_and_the_page_of_a_trigger_know_its_schema() {
    let server = Server::start();
    let ann = server.user();
    let id = make(&ann, &json!({"type": "api", "name": "strict", "payload_schema": order()}));
    let page = ann.get(&format!("/ui/triggers/{id}")).is(200).text;
    assert!(page.contains("have to fit a schema") && page.contains("[A-Z]{3}"), "{page}");
    let form = ann.get(&format!("/ui/triggers/{id}/edit")).is(200).text;
    assert!(form.contains("name=\"payload_schema\"") && form.contains("[A-Z]{3}"), "{form}");
    let send = |schema: &str| {
        let fields = [("kind", "api"), ("name", "made"), ("payload", ""), ("payload_schema", schema)];
        ann.call("POST", "/ui/triggers").form(&fields).send()
    };
    let refused = send("{\"type\": \"strin\"}");
    assert_ne!(refused.status, 303, "{}", refused.text);
    assert!(refused.text.contains("draft 2020-12"), "{}", refused.text);
    send("{\"type\": \"integer\"}").is(303);
    let made = ann.get("/api/v1/triggers").is(200).list().pop().expect("it is made");
    assert_eq!(made["payload_schema"], json!({"type": "integer"}));
    let fired = ann.call("POST", &format!("/ui/triggers/{}/fire", made["id"])).form(&[("payload", "\"x\"")]).send();
    assert_ne!(fired.status, 200);
    assert_eq!(events(&ann), 0);
}
