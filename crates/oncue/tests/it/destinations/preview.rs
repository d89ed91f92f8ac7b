//! `/api/v1/destinations/preview`: what a destination would be sent, before there is one; and that it is sent just that.

use serde_json::{Value, json};

use super::{at, event_when, fire, make, trigger};
use crate::support::client::Client;
use crate::support::receiver::Receiver;
use crate::support::server::Server;

const PREVIEW: &str = "/api/v1/destinations/preview";

fn preview(ann: &Client, body: &Value) -> Value {
    ann.post(PREVIEW, body).is(200).json()
}

fn own(url: &str, template: &str) -> Value {
    json!({"name": "Ops", "kind": "webhook", "url": url, "body": {"format": "own", "template": template}})
}

/// The two with everything that one of them has.
fn with(base: &Value, more: &Value) -> Value {
    let mut base = base.clone();
    for (name, value) in more.as_object().expect("an object") {
        base[name] = value.clone();
    }
    base
}

fn header<'a>(seen: &'a Value, name: &str) -> Option<&'a Value> {
    let headers = seen["request"]["headers"].as_array().expect("headers");
    headers.iter().find(|header| header["name"] == name).map(|header| &header["value"])
}

#[test]
fn what_is_previewed_for_an_event_is_what_was_sent_for_it() {
    let server = Server::start_delivering();
    let ann = server.user();
    let receiver = Receiver::start();
    let template = "{\"n\": {{ payload.n }}, \"of\": {{ trigger.name | tojson }}, \"id\": {{ event.id }}}";
    let mut definition = own(&format!("{}?n={{{{ payload.n }}}}", receiver.url()), template);
    definition["headers"] = json!({"x-key": "hush", "x-n": "{{ payload.n }}"});
    let destination = make(&ann, &definition);
    let event = fire(&ann, trigger(&ann, &[&destination]));
    let event = event_when(&ann, &event, "it is delivered", |all| all[0]["state"] == "delivered");
    let sent = receiver.wait_for(1).remove(0);
    let seen = preview(&ann, &with(&definition, &json!({"event_id": event["id"]})));
    assert_eq!((&seen["error"], &seen["mail"]), (&Value::Null, &Value::Null));
    assert_eq!(seen["event"]["id"], event["id"]);
    let request = &seen["request"];
    assert_eq!(request["body"].as_str().expect("a text").as_bytes(), sent.body);
    assert!(request["url"].as_str().expect("a text").ends_with("?n=1"), "{request}");
    assert_eq!((&request["method"], &request["is_json"]), (&json!("POST"), &json!(true)));
    for (header, shown) in [("content-type", true), ("webhook-id", true), ("x-key", false), ("x-n", false)] {
        let expected = if shown { json!(sent.headers[header]) } else { Value::Null };
        assert_eq!(self::header(&seen, header), Some(&expected), "{header}");
    }
    assert_ne!(header(&seen, "webhook-signature"), Some(&json!(sent.headers["webhook-signature"])), "it is an example");
    assert!(!seen.to_string().contains("hush"), "{seen}");
}

#[test]
fn there_is_a_sample_where_no_event_is_named_and_a_payload_may_be() {
    let server = Server::start();
    let ann = server.user();
    let definition = own("https://example.com/hook", "{{ trigger.name }}: {{ payload.text }}");
    let seen = preview(&ann, &with(&definition, &json!({"payload": {"text": "Hello"}})));
    assert_eq!(seen["request"]["body"], "Sample: Hello");
    assert_eq!((&seen["event"]["id"], &seen["event"]["trigger_id"]), (&Value::Null, &Value::Null));
    let said = json!({"type": "scheduled", "name": "nightly", "api_payload": {"text": "Good night"}, "enabled": false,
        "schedule_details": {"cron": "0 3 * * *", "timezone": "Europe/Riga"}});
    let id = ann.post("/api/v1/triggers", &said).is(201).json()["id"].clone();
    let definition = own("https://example.com/hook", "{{ payload.text }} {{ occurrence.at | in_zone('Europe/Riga') }}");
    let seen = preview(&ann, &with(&definition, &json!({"trigger_id": id})));
    let body = seen["request"]["body"].as_str().expect("a text");
    assert!(body.starts_with("Good night ") && body.contains("T03:00:00"), "{body}");
    assert_eq!(seen["event"]["trigger_id"], id);
    let list = ann.get("/api/v1/event_logs?status=all").is(200).list();
    assert!(list.is_empty(), "nothing fired by looking: {list:?}");
    assert_eq!(ann.get("/api/v1/destinations").is(200).json(), json!([]), "nothing is kept");
}

#[test]
fn what_does_not_fit_is_said_with_its_field_its_line_and_its_column() {
    let server = Server::start();
    let ann = server.user();
    let seen = preview(&ann, &own("https://example.com/hook", "{\n  \"site\": {{ payload.site }}}"));
    let error = &seen["error"];
    assert_eq!((&seen["request"], &error["field"]), (&Value::Null, &json!("body.template")));
    assert_eq!((&error["line"], &error["column"]), (&json!(2), &json!(14)));
    assert!(error["detail"].as_str().expect("words").contains("payload.site"), "{error}");
    let seen = preview(&ann, &own("https://example.com/hook", "{\"site\": {{ trigger.name }}}"));
    assert_eq!(seen["request"]["is_json"], false);
    assert!(seen["request"]["json_error"].as_str().expect("words").contains("column 10"), "{seen}");
}

#[test]
fn what_creation_refuses_is_refused_in_the_same_words() {
    let server = Server::start();
    let ann = server.user();
    let wrong = [
        (own("https://example.com/hook", "{{ trigger.nam }}"), "body.template"),
        (own("http://169.254.169.254/latest", "x"), "url"),
        (json!({"kind": "inbox"}), "name"),
        (json!({"name": "a", "kind": "pigeon"}), "kind"),
        (json!({"name": "a", "kind": "inbox", "colour": "red"}), "colour"),
    ];
    for (body, field) in wrong {
        let refused = ann.post(PREVIEW, &body).blames(field);
        assert_eq!(refused, ann.post("/api/v1/destinations", &body).blames(field), "{body}");
    }
    let inbox = json!({"name": "a", "kind": "inbox"});
    for (more, field) in [
        (json!({"event_id": 1, "trigger_id": 1}), "event_id"),
        (json!({"event_id": 987}), "event_id"),
        (json!({"trigger_id": 987}), "trigger_id"),
        (json!({"destination_id": 987}), "destination_id"),
        (json!({"trigger_id": "x"}), "trigger_id"),
    ] {
        ann.post(PREVIEW, &with(&inbox, &more)).blames(field);
    }
    ann.post(PREVIEW, &json!([])).problem(422);
}

#[test]
fn what_is_anothers_cannot_be_previewed() {
    let server = Server::start();
    let (ann, bob) = (server.user(), server.register("bob@example.com"));
    let destination = make(&ann, &json!({"name": "a", "kind": "ntfy", "ntfy": {"topic": "t", "token": "hush"}}));
    let event = fire(&ann, trigger(&ann, &[&destination]));
    let event = ann.get(&event).is(200).json();
    let inbox = json!({"name": "a", "kind": "inbox"});
    for (name, id) in
        [("event_id", &event["id"]), ("trigger_id", &event["trigger_id"]), ("destination_id", &destination["id"])]
    {
        let body = with(&inbox, &json!({name: id}));
        ann.post(PREVIEW, &body).is(200);
        bob.post(PREVIEW, &body).blames(name);
    }
}

#[test]
fn a_destination_that_is_changed_lends_its_secrets_and_shows_none() {
    let server = Server::start();
    let ann = server.user();
    let said = json!({"name": "a", "kind": "webhook", "url": "https://example.com/", "headers": {"x-key": "hush"}});
    let destination = make(&ann, &said);
    let changed =
        json!({"name": "b", "kind": "webhook", "url": "https://example.com/?b=1", "headers": {"x-key": null}});
    ann.post(PREVIEW, &changed).blames("headers.x-key");
    let changed = with(&changed, &json!({"destination_id": destination["id"]}));
    let seen = preview(&ann, &changed);
    assert_eq!(header(&seen, "x-key"), Some(&Value::Null));
    assert!(header(&seen, "webhook-signature").is_some(), "{seen}");
    let elsewhere = with(&changed, &json!({"url": "https://example.org/"}));
    ann.post(PREVIEW, &elsewhere).blames("headers.x-key");
    assert_eq!(ann.get(&at(&destination)).is(200).json()["name"], "a", "nothing is changed by looking");
}

#[test]
fn a_key_that_may_read_may_preview() {
    let server = Server::start();
    let ann = server.user();
    let inbox = json!({"name": "a", "kind": "inbox"});
    let key = |scope: &str| {
        let made = ann.post("/api/v1/api_keys", &json!({"name": "k", "scopes": [scope]})).is(201).json();
        server.nobody().bearer(made["key"].as_str().expect("a key"))
    };
    key("read").post(PREVIEW, &inbox).is(200);
    key("fire").post(PREVIEW, &inbox).problem(403);
}

#[test]
fn a_test_of_a_destination_is_delivered_there_and_nowhere_else() {
    let server = Server::start_delivering();
    let ann = server.user();
    let inbox = make(&ann, &json!({"name": "Try", "kind": "inbox"}));
    let tested = ann.post_nothing(&format!("{}/test", at(&inbox))).is(200).json();
    let event = format!("/api/v1/event_logs/{}", tested["event_id"]);
    let event = event_when(&ann, &event, "it is delivered", |all| all[0]["state"] == "delivered");
    assert_eq!((&event["is_manual_test"], &event["name"]), (&json!(true), &json!("Test of Try")));
    assert_eq!(event["deliveries"].as_array().map(Vec::len), Some(1));
    assert_eq!(event["deliveries"][0]["destination_id"], inbox["id"]);
    assert_eq!(ann.get("/api/v1/triggers").is(200).json(), json!([]), "no trigger is made of it");
    ann.post_nothing("/api/v1/destinations/987/test").problem(404);
}
