//! `/logs`: events by age, and the statistics.

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::server::{Server, Setup};
use crate::support::time::{flat_instant, in_ms};
use crate::support::wait::until;

fn api_trigger(ann: &Client, name: &str) -> i64 {
    ann.post("/triggers", &json!({"name": name, "trigger_type": "api"})).is(200).json()["id"]
        .as_i64()
        .expect("an integer")
}

fn fire(ann: &Client, id: i64) -> i64 {
    ann.post_nothing(&format!("/triggers/{id}/fire")).is(200).json()["event_id"].as_i64().expect("an integer")
}

#[test]
fn an_event_has_exactly_this_shape() {
    let server = Server::start();
    let ann = server.user();
    let trigger = api_trigger(&ann, "Test1");
    let event = fire(&ann, trigger);
    let events = ann.get("/logs/active").is(200).list();
    let expected = json!({"id": event, "trigger_id": trigger, "name": "Test1", "trigger_type": "api",
                          "triggered_at": events[0]["triggered_at"], "payload": "{}", "is_test": false});
    assert_eq!(events, [expected]);
    let age = jiff::Timestamp::now().duration_since(flat_instant(&events[0]["triggered_at"]));
    assert!(age.as_secs().abs() < 30, "{age}");
}

#[test]
fn an_event_is_active_then_archived_then_gone() {
    let server = Setup::new().option("--active-for", "2s").option("--keep-for", "5s").serve();
    let ann = server.user();
    fire(&ann, api_trigger(&ann, "ageing"));
    let count = |path: &str| ann.get(path).is(200).list().len();
    assert_eq!((count("/logs/active"), count("/logs/archived")), (1, 0));
    until("the event is archived", || Some(()).filter(|()| count("/logs/archived") == 1));
    assert_eq!(count("/logs/active"), 0);
    until("the event is gone", || Some(()).filter(|()| count("/logs/archived") == 0));
    assert_eq!(count("/logs/active"), 0);
}

#[test]
fn lists_are_in_ascending_id() {
    let server = Server::start();
    let ann = server.user();
    let trigger = api_trigger(&ann, "often");
    let fired: Vec<i64> = (0..5).map(|_| fire(&ann, trigger)).collect();
    let ids = |events: &[Value]| events.iter().filter_map(|event| event["id"].as_i64()).collect::<Vec<i64>>();
    assert_eq!(ids(&ann.get("/logs/active").is(200).list()), fired);
    let mut paged = Vec::new();
    let mut next = Some("/logs/active?limit=2".to_owned());
    while let Some(path) = next {
        let page = ann.get(&path).is(200);
        assert!(page.list().len() <= 2);
        paged.extend(ids(&page.list()));
        next = page.next_page();
    }
    assert_eq!(paged, fired, "pages show each event once");
}

#[test]
fn statistics_count_every_kept_event_by_trigger() {
    let server = Server::start();
    let ann = server.user();
    let (first, second) = (api_trigger(&ann, "trigger1"), api_trigger(&ann, "trigger2"));
    for _ in 0..3 {
        fire(&ann, first);
    }
    fire(&ann, second);
    ann.post_nothing(&format!("/api/v1/triggers/{second}/test")).is(200);
    let stats = json!([{"name": "trigger1", "event_count": 3}, {"name": "trigger2", "event_count": 2}]);
    assert_eq!(ann.get("/logs/stats").is(200).json(), stats, "test events are counted");
    fire(&ann, first);
    assert_eq!(ann.get("/logs/stats").is(200).json(), stats, "cached for five minutes");
}

#[test]
fn statistics_are_everybodys_own_also_in_the_cache() {
    let server = Server::start();
    let (ann, bob) = (server.user(), server.register("bob@example.com"));
    fire(&ann, api_trigger(&ann, "anns"));
    fire(&bob, api_trigger(&bob, "bobs"));
    assert_eq!(ann.get("/logs/stats").is(200).json(), json!([{"name": "anns", "event_count": 1}]));
    assert_eq!(bob.get("/logs/stats").is(200).json(), json!([{"name": "bobs", "event_count": 1}]));
}

#[test]
fn events_keep_the_name_and_payload_they_fired_with() {
    let server = Server::start();
    let ann = server.user();
    let body = json!({"name": "old", "trigger_type": "scheduled", "schedule": in_ms(500), "payload": "{\"was\": 1}"});
    let made = ann.post("/triggers", &body).is(200).json();
    let at = format!("/triggers/{}", made["id"]);
    let events = || ann.get("/logs/active").is(200).list();
    until("it fires", || Some(()).filter(|()| events().len() == 1));
    ann.put(&at, &json!({"name": "new", "payload": "{\"is\": 2}"})).is(200);
    assert_eq!((&events()[0]["name"], &events()[0]["payload"]), (&json!("old"), &json!("{\"was\": 1}")));
    ann.delete(&at).is(200);
    assert_eq!(
        (&events()[0]["name"], &events()[0]["payload"]),
        (&json!("old"), &json!("{\"was\": 1}")),
        "also when it is gone"
    );
    assert_eq!(events()[0]["trigger_id"], made["id"]);
}
