//! `/api/v1/upcoming`: what all of somebody's triggers will do, merged by time.

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::server::Server;
use crate::support::time::{in_ms, instant};

fn make(ann: &Client, name: &str, details: &Value) -> Value {
    let body = json!({"type": "scheduled", "name": name, "schedule_details": details});
    ann.post("/api/v1/triggers", &body).is(201).json()["id"].clone()
}

/// Every page from `path` on.
fn pages(ann: &Client, path: &str) -> Vec<Vec<Value>> {
    let (mut pages, mut next) = (Vec::new(), Some(path.to_owned()));
    while let Some(path) = next {
        let page = ann.get(&path).is(200);
        pages.push(page.json()["occurrences"].as_array().expect("a list").clone());
        assert!(pages.len() < 100, "the pages have no end");
        next = page.next_page();
    }
    pages
}

fn lines(occurrences: &[Value]) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    occurrences.iter().map(|one| (text(&one["scheduled_at"]), text(&one["name"]))).collect()
}

#[test]
fn the_occurrences_of_all_triggers_come_in_order_of_time_page_by_page_each_once() {
    let server = Server::start();
    let ann = server.user();
    let line = |time: &str, name: &str| (format!("2031-01-26T{time}Z"), name.to_owned());
    let half = make(&ann, "half", &json!({"every": "30m", "start_at": "2031-01-26T08:00:00Z"}));
    make(&ann, "cron", &json!({"cron": "15 8,9 26 1 *", "timezone": "UTC"}));
    make(&ann, "once", &json!({"run_at": "2031-01-26T09:00:00Z"}));
    let paused = make(&ann, "paused", &json!({"run_at": "2031-01-26T09:00:01Z"}));
    ann.patch(&format!("/api/v1/triggers/{paused}"), &json!({"enabled": false})).is(200);
    let ends = make(&ann, "ends", &json!({"every": "10m", "start_at": "2031-01-26T08:05:00Z"}));
    ann.patch(&format!("/api/v1/triggers/{ends}"), &json!({"expires_at": "2031-01-26T08:15:00Z"})).is(200);
    let expected = [
        line("08:00:00", "half"),
        line("08:05:00", "ends"),
        line("08:15:00", "cron"),
        line("08:30:00", "half"),
        line("09:00:00", "half"),
        line("09:00:00", "once"),
        line("09:15:00", "cron"),
    ];
    let path = "/api/v1/upcoming?from=2031-01-26T08:00:00Z&to=2031-01-26T09:30:00Z";
    let whole = ann.get(path).is(200).json();
    assert_eq!(lines(whole["occurrences"].as_array().expect("a list")), expected);
    assert_eq!(whole["occurrences"][0]["trigger_id"], half);
    assert_eq!(
        (&whole["from"], &whole["to"], &whole["stopped_at"]),
        (&json!("2031-01-26T08:00:00Z"), &json!("2031-01-26T09:30:00Z"), &Value::Null)
    );
    for limit in [1, 2, 3, 7] {
        let pages = pages(&ann, &format!("{path}&limit={limit}"));
        assert!(pages.iter().all(|page| page.len() <= limit), "{limit}");
        assert_eq!(lines(&pages.concat()), expected, "{limit} on a page");
    }
    let bob = server.register("bob@example.com");
    assert_eq!(bob.get(path).is(200).json()["occurrences"], json!([]), "nobody else's");
}

#[test]
fn without_a_word_it_is_the_next_day_and_what_fires_constantly_is_named_one_by_one() {
    let server = Server::start();
    let ann = server.user();
    make(&ann, "often", &json!({"every": "5m"}));
    make(&ann, "tomorrow", &json!({"run_at": in_ms(25 * 3_600_000)}));
    let told = ann.get("/api/v1/upcoming").is(200);
    assert_eq!(told.next_page(), None);
    let told = told.json();
    assert_eq!(instant(&told["to"]).duration_since(instant(&told["from"])).as_secs(), 24 * 3_600);
    let occurrences = told["occurrences"].as_array().expect("a list");
    assert!((287..=288).contains(&occurrences.len()), "{}", occurrences.len());
    assert!(occurrences.iter().all(|one| one["name"] == "often" && one["fires_at"] == one["scheduled_at"]));
}

#[test]
fn a_span_that_holds_nothing_is_refused_with_words_and_a_long_one_ends_where_it_says() {
    let server = Server::start();
    let ann = server.user();
    ann.get("/api/v1/upcoming?from=soon").blames("from");
    ann.get("/api/v1/upcoming?to=2020-01-01T00:00:00Z").blames("to");
    ann.get("/api/v1/upcoming?from=2031-01-02T00:00:00Z&to=2031-01-01T00:00:00Z").blames("to");
    ann.get("/api/v1/upcoming?limit=0").blames("limit");
    ann.get("/api/v1/upcoming?cursor=nonsense").blames("cursor");
    let told = ann.get("/api/v1/upcoming?from=2031-01-01T00:00:00Z&to=2031-12-31T00:00:00Z").is(200).json();
    assert_eq!(told["to"], "2031-02-02T00:00:00Z", "32 days");
    let told = ann.get("/api/v1/upcoming?from=2020-01-01T00:00:00Z").is(200).json();
    assert!(
        instant(&told["from"]) > instant(&json!("2026-01-01T00:00:00Z")),
        "what lies before has fired or is overdue"
    );
    server.nobody().get("/api/v1/upcoming").is(401);
}
