//! A selection, and all that match a filter.

use serde_json::{Value, json};

use super::{Broken, FAILED, MANY, delivery_when, destination, fail, failed, trigger};
use crate::support::server::Server;
use crate::support::time::FAR;

#[test]
fn a_selection_is_sent_again_and_each_says_what_came_of_it() {
    let server = Server::start_delivering();
    let ann = server.user();
    let broken = Broken::start();
    let trigger = trigger(&ann, "called", &[destination(&ann, "Broken", &broken.receiver, &[])]);
    let events: Vec<i64> = (0..3).map(|_| fail(&ann, trigger)).collect();
    broken.mend();
    let chosen = json!({"deliveries": [
        {"event_id": events[2], "slot": 0}, {"event_id": 987_654, "slot": 0}, {"event_id": events[0], "slot": 0},
        {"event_id": events[0], "slot": 9},
    ]});
    let answer = ann.post(MANY, &chosen).is(200).json();
    assert_eq!(answer["redelivered"], 2, "{answer}");
    let results = answer["results"].as_array().expect("a list");
    let words: Vec<&Value> = results.iter().map(|result| &result["result"]).collect();
    assert_eq!(words, ["redelivered", "not-found", "redelivered", "not-found"]);
    for (result, wish) in results.iter().zip(chosen["deliveries"].as_array().expect("a list")) {
        assert_eq!((&result["event_id"], &result["slot"]), (&wish["event_id"], &wish["slot"]), "in their order");
        assert_eq!(result["detail"].is_null(), result["result"] == "redelivered", "{result}");
    }
    delivery_when(&ann, events[0], "delivered");
    delivery_when(&ann, events[2], "delivered");
    assert_eq!(failed(&ann, ""), [events[1]]);
    assert_eq!(broken.message_ids().len(), 3, "one id for each event, before and after");
}

#[test]
fn all_that_match_are_counted_first_and_then_sent_again() {
    let server = Server::start_delivering();
    let ann = server.user();
    let (first, second) = (Broken::start(), Broken::start());
    let to_first = destination(&ann, "First", &first.receiver, &[]);
    let to_second = destination(&ann, "Second", &second.receiver, &[]);
    let (one, other) = (trigger(&ann, "one", &[to_first]), trigger(&ann, "other", &[to_second]));
    let of_one: Vec<i64> = (0..3).map(|_| fail(&ann, one)).collect();
    let of_other: Vec<i64> = (0..2).map(|_| fail(&ann, other)).collect();
    let failed_at = |event: i64| {
        let all = ann.get(FAILED).is(200).list();
        all.into_iter().find(|failed| failed["event_id"] == event).expect("it failed")["failed_at"].clone()
    };
    let count = |filter: &Value| ann.post(MANY, &json!({"filter": filter, "dry_run": true})).is(200).json();
    for (filter, matching) in [
        (json!({}), 5),
        (json!({"destination_id": to_first}), 3),
        (json!({"trigger_id": other}), 2),
        (json!({"destination_id": to_first, "trigger_id": other}), 0),
        (json!({"since": failed_at(of_one[1])}), 4),
        (json!({"until": failed_at(of_one[1])}), 2),
        (json!({"since": failed_at(of_one[1]), "until": failed_at(of_one[2]), "destination_id": to_first}), 2),
        (json!({"since": FAR}), 0),
        (json!({"destination_id": 987_654}), 0),
    ] {
        assert_eq!(count(&filter), json!({"matching": matching, "cap": 10_000}), "{filter}");
        let query: String = filter
            .as_object()
            .expect("an object")
            .iter()
            .map(|(name, value)| format!("&{name}={}", value.as_str().map_or(value.to_string(), ToOwned::to_owned)))
            .collect();
        assert_eq!(failed(&ann, &query).len(), matching, "the list takes the same filter: {query}");
    }
    assert_eq!(first.receiver.received().len() + second.receiver.received().len(), 5, "counting sends nothing");
    first.mend();
    second.mend();
    let sent = ann.post(MANY, &json!({"filter": {"destination_id": to_first}})).is(200).json();
    assert_eq!(sent, json!({"redelivered": 3, "remaining": 0}));
    for event in &of_one {
        delivery_when(&ann, *event, "delivered");
    }
    assert_eq!(failed(&ann, ""), [of_other[1], of_other[0]]);
    assert_eq!(first.message_ids().len(), 3);
    let sent = ann.post(MANY, &json!({"filter": {}, "dry_run": false})).is(200).json();
    assert_eq!(sent["redelivered"], 2, "{sent}");
    for event in &of_other {
        delivery_when(&ann, *event, "delivered");
    }
    assert!(failed(&ann, "").is_empty());
}

#[test]
fn what_fails_anew_is_not_sent_a_third_time_for_one_wish() {
    let server = Server::start_delivering();
    let ann = server.user();
    let broken = Broken::start();
    let trigger = trigger(&ann, "called", &[destination(&ann, "Broken", &broken.receiver, &[])]);
    let event = fail(&ann, trigger);
    assert_eq!(ann.post(MANY, &json!({"filter": {}})).is(200).json()["redelivered"], 1);
    broken.receiver.wait_for(2);
    delivery_when(&ann, event, "failed");
    assert_eq!(broken.receiver.received().len(), 2);
}

#[test]
fn pages_of_what_failed_keep_their_filter() {
    let server = Server::start_delivering();
    let ann = server.user();
    let (first, second) = (Broken::start(), Broken::start());
    let to_first = destination(&ann, "First", &first.receiver, &[]);
    let both = trigger(&ann, "both", &[to_first, destination(&ann, "Second", &second.receiver, &[])]);
    let events: Vec<i64> = (0..3).map(|_| fail(&ann, both)).collect();
    second.receiver.wait_for(3);
    let mut page =
        Some(format!("{FAILED}&destination_id={to_first}&trigger_id={both}&since=2020-01-01T00:00:00Z&limit=2"));
    let mut paged: Vec<Value> = Vec::new();
    while let Some(path) = page {
        let answer = ann.get(&path).is(200);
        paged.extend(answer.list());
        page = answer.next_page();
    }
    let ids: Vec<&Value> = paged.iter().map(|failed| &failed["event_id"]).collect();
    assert_eq!(ids, [events[2], events[1], events[0]]);
    assert!(paged.iter().all(|failed| failed["destination_id"] == to_first), "{paged:?}");
    for (query, field) in [
        ("destination_id=x", "destination_id"),
        ("trigger_id=1.5", "trigger_id"),
        ("since=soon", "since"),
        ("since=2026-02-01T00:00:00Z&until=2026-01-01T00:00:00Z", "until"),
        ("destination=33", "destination"),
        ("trigger=7", "trigger"),
    ] {
        ann.get(&format!("{FAILED}&{query}")).blames(field);
    }
}

#[test]
fn a_wish_that_makes_no_sense_is_refused_with_words_and_sends_nothing() {
    let server = Server::start_delivering();
    let ann = server.user();
    let broken = Broken::start();
    let trigger = trigger(&ann, "called", &[destination(&ann, "Broken", &broken.receiver, &[])]);
    let event = fail(&ann, trigger);
    let many: Vec<Value> = (0..201).map(|slot| json!({"event_id": event, "slot": slot})).collect();
    for (body, word) in [
        (json!({}), "filter"),
        (json!({"dry_run": true}), "filter"),
        (json!({"filter": {}, "deliveries": []}), "filter"),
        (json!({"filter": null, "deliveries": null}), "filter"),
        (json!({"filter": []}), "filter"),
        (json!({"filter": {"destination_id": "3"}}), "filter.destination_id"),
        (json!({"filter": {"trigger_id": 1.5}}), "filter.trigger_id"),
        (json!({"filter": {"since": "soon"}}), "filter.since"),
        (json!({"filter": {"since": "2026-02-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"}}), "filter.until"),
        (json!({"filter": {"destination": 3}}), "filter.destination"),
        (json!({"filter": {}, "dry_run": "yes"}), "dry_run"),
        (json!({"filter": {}, "all": true}), "all"),
        (json!({"deliveries": [{"event_id": event}]}), "deliveries"),
        (json!({"deliveries": [{"event_id": event, "slot": -1}]}), "deliveries"),
        (json!({"deliveries": [{"event_id": event, "slot": 0, "now": true}]}), "deliveries"),
        (json!({"deliveries": many}), "200"),
        (json!({"deliveries": [], "dry_run": true}), "dry_run"),
    ] {
        ann.post(MANY, &body).blames(word);
    }
    ann.post_nothing(MANY).problem(422);
    ann.call("POST", MANY).body("text/plain", "{}").send().is(415);
    ann.call("POST", MANY).body("application/json", "{").send().problem(400);
    assert_eq!(broken.receiver.received().len(), 1);
    assert_eq!(ann.post(MANY, &json!({"deliveries": []})).is(200).json(), json!({"redelivered": 0, "results": []}));
}
