//! The demonstration: a server that has a day behind it, in memory and for whoever started it alone.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::server::{Server, Setup};
use crate::support::wait::until;

const EMAIL: &str = "demo@localhost";

/// The password that the start printed.
fn password(server: &Server) -> String {
    let log = server.log();
    let (_, rest) = log.split_once("with the password ").unwrap_or_else(|| panic!("no password is printed: {log}"));
    rest.split(|c: char| !c.is_ascii_lowercase() && c != '-').next().unwrap_or_default().to_owned()
}

fn enter(server: &Server) -> Client {
    let credentials = json!({"email": EMAIL, "password": password(server)});
    let answer = server.nobody().post("/auth/login", &credentials).is(200);
    server.nobody().bearer(answer.json()["access_token"].as_str().expect("a token"))
}

/// All events of the demonstration, page by page.
fn events(visitor: &Client) -> Vec<Value> {
    let mut events = Vec::new();
    let mut page = Some("/api/v1/event_logs?status=all".to_owned());
    while let Some(path) = page {
        let answer = visitor.get(&path).is(200);
        events.extend(answer.list());
        page = answer.next_page();
    }
    events
}

fn words<'a>(values: impl IntoIterator<Item = &'a Value>, field: &str) -> BTreeSet<String> {
    values.into_iter().map(|value| value[field].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn it_starts_in_a_moment_and_the_printed_words_open_a_day_of_everything() {
    let started = Instant::now();
    let server = Setup::new().flag("--demo").serve();
    assert!(started.elapsed() < Duration::from_secs(10), "it took {:?}", started.elapsed());
    let words_drawn = password(&server);
    assert!(words_drawn.split('-').filter(|word| !word.is_empty()).count() >= 5, "{words_drawn}");
    let visitor = enter(&server);
    let page = visitor.get("/").is(200).text;
    assert!(page.contains("/events/") && page.contains(EMAIL), "{page}");

    let events = events(&visitor);
    assert!(events.len() > 500, "{} events", events.len());
    for (field, wanted) in [
        ("origin", ["api", "catch-up", "schedule", "test"].as_slice()),
        ("status", &["active", "archived"]),
        ("trigger_type", &["api", "scheduled"]),
    ] {
        assert_eq!(words(&events, field), wanted.iter().map(|word| (*word).to_owned()).collect(), "{field}");
    }
    let last_of_each: BTreeSet<i64> = events.iter().map(|event| event["trigger_id"].as_i64().expect("an id")).collect();
    let triggers = visitor.get("/api/v1/triggers").is(200).list();
    let there: BTreeSet<i64> = triggers.iter().map(|trigger| trigger["id"].as_i64().expect("an id")).collect();
    assert!(there.len() >= 12, "{there:?}");
    assert!(last_of_each.difference(&there).next().is_some(), "a trigger that is gone has left its events");

    let reasons: BTreeSet<String> = there
        .iter()
        .flat_map(|id| words(&visitor.get(&format!("/api/v1/triggers/{id}/skipped")).is(200).list(), "reason"))
        .collect();
    assert_eq!(reasons.into_iter().collect::<Vec<_>>(), ["missed", "paused", "superseded"]);
    let named = |name: &str| events.iter().filter(|event| event["name"] == name).map(|event| &event["id"]).collect();
    let deliveries_of = |name: &str| -> Vec<Value> {
        let ids: Vec<&Value> = named(name);
        let shown = |id: &&Value| visitor.get(&format!("/api/v1/event_logs/{id}")).is(200).json();
        ids.iter().map(shown).flat_map(|event| event["deliveries"].as_array().expect("a list").clone()).collect()
    };
    let broken = deliveries_of("Stock sync");
    assert!(broken.iter().any(|delivery| delivery["status"] == "failed"), "none of {} failed", broken.len());
    let silent = deliveries_of("Search index");
    assert!(silent.iter().any(|delivery| delivery["attempts"].as_array().is_some_and(|tried| tried.len() > 1)));
    assert!(silent.iter().any(|delivery| delivery.to_string().contains("did not answer within 15 s")));
}

#[test]
fn what_fires_from_then_on_is_delivered_to_the_demonstration_itself_and_nowhere_else_inside() {
    let server = Setup::new().flag("--demo").serve();
    let visitor = enter(&server);
    let triggers = visitor.get("/api/v1/triggers").is(200).list();
    let called = triggers.iter().find(|trigger| trigger["name"] == "Order placed").expect("it takes orders");
    let fired = visitor.post(&format!("/api/v1/triggers/{}/fire", called["id"]), &json!({"order": 1})).is(200).json();
    until("the order is tried", || {
        let event = visitor.get(&format!("/api/v1/event_logs/{}", fired["event_id"])).is(200).json();
        Some(()).filter(|()| event["deliveries"][0]["attempts"][0]["status"].is_number())
    });
    let sample = called["webhook_url"].as_str().expect("it has a receiver");
    let (start, port_and_path) = sample.rsplit_once(':').expect("a port");
    let port: u16 = port_and_path.split('/').next().and_then(|port| port.parse().ok()).expect("a port");
    let trigger = |url: String| json!({"name": "mine", "type": "api", "webhook_url": url});
    visitor.post("/api/v1/triggers", &trigger(sample.to_owned())).is(201);
    for url in [format!("{start}:{}/", server.port()), format!("{start}:{}/", port ^ 1)] {
        visitor.post("/api/v1/triggers", &trigger(url)).blames("webhook");
    }
}

#[test]
fn nobody_else_gets_in_and_nothing_is_left_behind() {
    let server = Setup::new().flag("--demo").serve();
    let stranger = json!({"email": "eve@example.com", "password": "correct horse battery"});
    server.nobody().post("/auth/register", &stranger).is(403);
    server.nobody().post("/auth/login", &json!({"email": EMAIL, "password": "correct horse battery"})).is(400);
    server.nobody().get("/api/v1/triggers").is(401);
    let first = password(&server);
    let setup = server.stop();
    let left: Vec<_> = std::fs::read_dir(setup.path(".")).expect("the folder").flatten().collect();
    assert!(left.is_empty(), "{left:?}");
    assert_ne!(password(&setup.serve()), first, "each start draws its own words");
}

#[test]
fn it_refuses_to_be_seen_from_elsewhere_and_to_touch_what_is_somebodys() {
    for listen in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let said = Setup::bare().option("--listen", listen).flag("--demo").refused();
        assert!(said.contains("--demo") && said.contains("loopback"), "{listen}: {said}");
    }
    for (variable, value) in [
        ("DATABASE_URL", "sqlite:oncue.db"),
        ("ONCUE_OPEN", "on"),
        ("HTTP_URL", "https://example.com/hook"),
        ("ONCUE_REGISTRATION", "open"),
    ] {
        let said = Setup::new().variable("ONCUE_DEMO", "on").variable(variable, value).refused();
        assert!(said.contains("--demo"), "{variable}: {said}");
    }
}
