//! `/api/v1/event_logs`: what fired, by age, by trigger, by time; counted; shown as a table.

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::server::{Server, Setup};
use crate::support::time::instant;
use crate::support::wait::until;

fn api_trigger(ann: &Client, name: &str) -> i64 {
    ann.post("/api/v1/triggers", &json!({"name": name, "type": "api"})).is(201).json()["id"]
        .as_i64()
        .expect("an integer")
}

fn fire(ann: &Client, id: i64) -> i64 {
    ann.post_nothing(&format!("/api/v1/triggers/{id}/fire")).is(200).json()["event_id"].as_i64().expect("an integer")
}

fn ids(events: &[Value]) -> Vec<i64> {
    events.iter().filter_map(|event| event["id"].as_i64()).collect()
}

#[test]
fn an_event_has_this_shape() {
    let server = Server::start();
    let ann = server.user();
    let trigger = api_trigger(&ann, "shaped");
    let fire = ann.post(&format!("/api/v1/triggers/{trigger}/fire"), &json!({"a": [1, null]})).is(200).json();
    let event = ann.get("/api/v1/event_logs").is(200).list().remove(0);
    for (field, value) in [
        ("id", fire["event_id"].clone()),
        ("trigger_id", json!(trigger)),
        ("trigger_type", json!("api")),
        ("name", json!("shaped")),
        ("payload", json!({"a": [1, null]})),
        ("is_manual_test", json!(false)),
        ("status", json!("active")),
        ("scheduled_at", Value::Null),
    ] {
        assert_eq!(event[field], value, "{field} in {event}");
    }
    assert!(jiff::Timestamp::now().duration_since(instant(&event["created_at"])).as_secs().abs() < 30, "{event}");
    assert!(event["message_id"].as_str().is_some_and(|id| !id.is_empty() && !id.contains('.')), "{event}");
    let shown = ann.get(&format!("/api/v1/event_logs/{}", event["id"])).is(200).json();
    for (field, value) in event.as_object().expect("an object") {
        assert_eq!(&shown[field], value, "{field}");
    }
    assert_eq!(shown["deliveries"], json!([]), "without a destination it is only logged");
}

#[test]
fn the_list_is_newest_first() {
    let server = Server::start();
    let ann = server.user();
    let trigger = api_trigger(&ann, "often");
    let mut fired: Vec<i64> = (0..5).map(|_| fire(&ann, trigger)).collect();
    fired.reverse();
    assert_eq!(ids(&ann.get("/api/v1/event_logs").is(200).list()), fired);
    assert_eq!(ids(&ann.get("/api/v1/event_logs/").is(200).list()), fired);
}

#[test]
fn status_is_a_function_of_age() {
    let server = Setup::new().option("--active-for", "2s").option("--keep-for", "5s").serve();
    let ann = server.user();
    let event = fire(&ann, api_trigger(&ann, "ageing"));
    let listed = |status: &str| {
        let events = ann.get(&format!("/api/v1/event_logs?status={status}")).is(200).list();
        assert!(events.iter().all(|event| status == "all" || event["status"] == status), "{events:?}");
        events.len()
    };
    assert_eq!((listed("active"), listed("archived"), listed("all")), (1, 0, 1));
    until("it is archived", || Some(()).filter(|()| listed("archived") == 1));
    assert_eq!((listed("active"), listed("all")), (0, 1));
    let at = format!("/api/v1/event_logs/{event}");
    assert_eq!(ann.get(&at).is(200).json()["status"], "archived");
    until("it is gone", || Some(()).filter(|()| listed("archived") == 0));
    assert_eq!((listed("active"), listed("all")), (0, 0));
    ann.get(&at).problem(404);
    assert_eq!(ann.get("/api/v1/event_logs/aggregated").is(200).json(), json!({}));
    let table = ann.get("/api/v1/event_logs/event_logs_html?status=all").is(200);
    assert!(!table.text.contains("ageing"), "nothing is readable past its time");
}

#[test]
fn a_status_that_is_none_is_refused() {
    let server = Server::start();
    let ann = server.user();
    ann.get("/api/v1/event_logs?status=fresh").blames("status");
    ann.get("/api/v1/event_logs?trigger_id=seven").blames("trigger_id");
    ann.get("/api/v1/event_logs?since=yesterday").blames("since");
    ann.get("/api/v1/event_logs?until=yesterday").blames("until");
}

#[test]
fn events_are_filtered_by_trigger_and_time() {
    let server = Server::start();
    let ann = server.user();
    let (one, two) = (api_trigger(&ann, "one"), api_trigger(&ann, "two"));
    let (a, b, c) = (fire(&ann, one), fire(&ann, two), fire(&ann, one));
    let created =
        |id: i64| ann.get(&format!("/api/v1/event_logs/{id}")).is(200).json()["created_at"].as_str().map(str::to_owned);
    let (at_a, at_b, at_c) = (created(a).expect("a time"), created(b).expect("a time"), created(c).expect("a time"));
    const NONE: [i64; 0] = [];
    let listed = |query: String| ids(&ann.get(&format!("/api/v1/event_logs?{query}")).is(200).list());
    assert_eq!(listed(format!("trigger_id={one}")), [c, a]);
    assert_eq!(listed(format!("trigger_id={two}&status=all")), [b]);
    assert_eq!(listed("trigger_id=4711".to_owned()), NONE);
    assert_eq!(listed(format!("since={at_b}")), [c, b], "since includes");
    assert!(listed(format!("until={at_b}")).contains(&a) && !listed(format!("until={at_b}")).contains(&c));
    assert_eq!(listed(format!("since={at_a}&until={at_c}&trigger_id={one}")), [c, a]);
    assert_eq!(listed("since=2099-01-01T00:00:00Z".to_owned()), NONE);
    assert_eq!(listed("until=2001-01-01T00:00:00Z".to_owned()), NONE);
}

#[test]
fn counts_are_by_trigger_id_over_two_days() {
    let server = Server::start();
    let (ann, bob) = (server.user(), server.register("bob@example.com"));
    let (one, two) = (api_trigger(&ann, "one"), api_trigger(&ann, "two"));
    for _ in 0..3 {
        fire(&ann, one);
    }
    fire(&ann, two);
    fire(&bob, api_trigger(&bob, "bobs"));
    let expected = json!({one.to_string(): 3, two.to_string(): 1});
    assert_eq!(ann.get("/api/v1/event_logs/aggregated").is(200).json(), expected);
    fire(&ann, two);
    assert_eq!(ann.get("/api/v1/event_logs/aggregated/").is(200).json()[two.to_string()], 2);
}

#[test]
fn a_table_shows_the_same_events_and_no_markup_of_theirs() {
    let server = Server::start();
    let (ann, bob) = (server.user(), server.register("bob@example.com"));
    fire(&ann, api_trigger(&ann, "<script>alert(1)</script>"));
    fire(&bob, api_trigger(&bob, "of-bob"));
    for query in ["", "?status=all", "?status=active"] {
        let table = ann.get(&format!("/api/v1/event_logs/event_logs_html{query}")).is(200);
        assert!(table.header("content-type").starts_with("text/html"));
        assert!(table.text.contains("<table") && table.text.contains("alert(1)"), "{}", table.text);
        assert!(!table.text.contains("<script>alert"), "{}", table.text);
        assert!(!table.text.contains("of-bob"));
    }
    let archived = ann.get("/api/v1/event_logs/event_logs_html?status=archived").is(200);
    assert!(!archived.text.contains("alert(1)"));
    let refused = ann.get("/api/v1/event_logs/event_logs_html?status=fresh");
    assert!((400..500).contains(&refused.status), "{}", refused.status);
}

#[test]
fn an_event_keeps_what_it_fired_with() {
    let server = Server::start();
    let ann = server.user();
    let made =
        ann.post("/api/v1/triggers", &json!({"name": "old", "type": "api", "api_payload": {"was": 1}})).is(201).json();
    let id = made["id"].as_i64().expect("an integer");
    let event = fire(&ann, id);
    let (at, event_at) = (format!("/api/v1/triggers/{id}"), format!("/api/v1/event_logs/{event}"));
    let before = ann.get(&event_at).is(200).json();
    ann.patch(&at, &json!({"name": "new", "api_payload": {"is": 2}})).is(200);
    assert_eq!(ann.get(&event_at).is(200).json(), before);
    ann.delete(&at).is(204);
    assert_eq!(ann.get(&event_at).is(200).json(), before, "also when its trigger is gone");
    assert_eq!((&before["name"], &before["payload"]), (&json!("old"), &json!({"was": 1})));
}

#[test]
fn both_surfaces_show_the_same_events() {
    let server = Server::start();
    let ann = server.user();
    let event = fire(&ann, api_trigger(&ann, "seen twice"));
    ann.post("/triggers/test", &json!({"name": "tried", "trigger_type": "api"})).is(200);
    let rich = ann.get("/api/v1/event_logs").is(200).list();
    let mut flat = ann.get("/logs/active").is(200).list();
    flat.reverse();
    assert_eq!(ids(&rich), ids(&flat));
    assert_eq!(ids(&rich)[1], event);
    assert_eq!((&rich[0]["is_manual_test"], &flat[0]["is_test"]), (&json!(true), &json!(true)));
    assert_eq!(rich[0]["trigger_id"], flat[0]["trigger_id"]);
}
