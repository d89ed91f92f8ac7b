//! The statistics cache that nodes share: what is in memcached is shown, and nobody notices that memcached is gone.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::memcached::Memcached;
use crate::support::server::{Server, Setup};
use crate::support::wait::until;

fn serve(memcached: &Memcached) -> Server {
    Setup::new().variable("CACHE_URL", &memcached.url()).serve()
}

fn api_trigger(ann: &Client, name: &str) -> i64 {
    let made = ann.post("/triggers", &json!({"name": name, "trigger_type": "api"})).is(200).json();
    made["id"].as_i64().expect("an integer")
}

fn fire(ann: &Client, id: i64) {
    ann.post_nothing(&format!("/triggers/{id}/fire")).is(200);
}

fn stats(ann: &Client) -> Value {
    ann.get("/logs/stats").is(200).json()
}

/// Asks until the answer is one that memcached keeps; a machine that is busy with other tests may miss a deadline.
fn stats_that_are_kept(ann: &Client, memcached: &Memcached) -> Value {
    until("statistics come out of memcached", || {
        let before = memcached.counter("get_hits");
        let answer = stats(ann);
        (memcached.counter("get_hits") > before).then_some(answer)
    })
}

fn metric(server: &Server, name: &str) -> f64 {
    let metrics = server.nobody().get("/metrics").is(200).text;
    let line = metrics.lines().find(|line| line.split(' ').next() == Some(name));
    let (_, value) = line.unwrap_or_else(|| panic!("{name} in {metrics}")).split_once(' ').expect("a value");
    value.parse().expect("a number")
}

#[test]
fn statistics_survive_a_restart_in_memcached_and_every_owner_has_their_own() {
    let memcached = Memcached::start();
    let server = serve(&memcached);
    let (ann, bob) = (server.user(), server.register("bob@example.com"));
    let (anns, bobs) = (api_trigger(&ann, "anns"), api_trigger(&bob, "bobs"));
    fire(&ann, anns);
    fire(&bob, bobs);
    let (for_ann, for_bob) = (stats_that_are_kept(&ann, &memcached), stats_that_are_kept(&bob, &memcached));
    assert_eq!(for_ann, json!([{"name": "anns", "event_count": 1}]));
    assert_eq!(for_bob, json!([{"name": "bobs", "event_count": 1}]));
    fire(&ann, anns);
    let server = server.stop().serve();
    let (ann, bob) = (ann.at(server.base()), bob.at(server.base()));
    assert_eq!(stats_that_are_kept(&ann, &memcached), for_ann, "of before the restart, and of before the second event");
    assert_eq!(stats_that_are_kept(&bob, &memcached), for_bob);
    assert!(metric(&server, "oncue_cache_hits_total") >= 2.0);
}

#[test]
fn two_databases_share_a_memcached_and_no_numbers() {
    let memcached = Memcached::start();
    let (here, there) = (serve(&memcached), serve(&memcached));
    let (ann, eve) = (here.user(), there.user());
    fire(&ann, api_trigger(&ann, "anns"));
    stats_that_are_kept(&ann, &memcached);
    let keys = until("both are kept", || {
        assert_eq!(stats(&eve), json!([]), "the first user of another database, with the same address");
        Some(memcached.keys()).filter(|keys| keys.len() == 2)
    });
    assert_ne!(keys[0], keys[1]);
}

#[test]
fn a_memcached_that_dies_is_missed_by_nobody_and_found_again() {
    let mut memcached = Memcached::start();
    let server = serve(&memcached);
    let ann = server.user();
    let trigger = api_trigger(&ann, "counted");
    fire(&ann, trigger);
    assert_eq!(stats_that_are_kept(&ann, &memcached)[0]["event_count"], 1);
    memcached.kill();
    for fired in 2..12 {
        fire(&ann, trigger);
        let start = Instant::now();
        assert_eq!(stats(&ann)[0]["event_count"], fired, "counted anew");
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    }
    let log = server.log();
    let (went, came) = (log.matches("is out of reach").count(), log.matches("answers again").count());
    assert_eq!(went, came + 1, "an outage is told once, not with every call: {log}");
    assert_eq!(metric(&server, "oncue_cache_servers_down"), 1.0);
    assert!(metric(&server, "oncue_cache_failures_total") >= 1.0);
    assert!(metric(&server, "oncue_cache_misses_total") >= 10.0);
    memcached.start_again();
    assert_eq!(stats_that_are_kept(&ann, &memcached)[0]["event_count"], 11);
    until("it is told", || Some(()).filter(|()| server.log().matches("answers again").count() > came));
}

#[test]
fn a_server_starts_and_counts_without_its_cache() {
    let mut memcached = Memcached::start();
    memcached.kill();
    let server = serve(&memcached);
    assert!(server.log().contains("is out of reach"), "{}", server.log());
    let ann = server.user();
    fire(&ann, api_trigger(&ann, "counted"));
    assert_eq!(stats(&ann), json!([{"name": "counted", "event_count": 1}]));
    memcached.start_again();
    assert_eq!(stats_that_are_kept(&ann, &memcached), json!([{"name": "counted", "event_count": 1}]));
}

#[test]
fn what_memcached_holds_is_told_by_owner_and_believed_only_where_it_can_be_read() {
    let memcached = Memcached::start();
    let server = serve(&memcached);
    let ann = server.register("ann-in-a-key@example.com");
    let trigger = api_trigger(&ann, "name-in-a-key");
    fire(&ann, trigger);
    stats_that_are_kept(&ann, &memcached);
    let keys: Vec<String> = memcached.keys();
    let [key] = &keys[..] else { panic!("one answer is kept, not {keys:?}") };
    assert!(key.starts_with("oncue:statistics:1:") && key.len() <= 250, "{key}");
    assert!(!key.contains("in-a-key") && !key.contains('@'), "{key}");
    fire(&ann, trigger);
    let later =
        json!({"form": 2, "counted_at": jiff::Timestamp::now(), "statistics": [{"name": "x", "event_count": 9}]});
    let old = json!({"form": 1, "counted_at": "2020-01-01T00:00:00Z", "statistics": [{"name": "x", "event_count": 9}]});
    for strange in ["", "{", "null", "\u{fffd}", &later.to_string(), &old.to_string()] {
        memcached.keep(key, strange);
        assert_eq!(stats(&ann), json!([{"name": "name-in-a-key", "event_count": 2}]), "{strange}");
    }
}

#[test]
fn a_cache_that_is_not_memcached_is_refused_with_words() {
    for url in ["redis://localhost:6379", "localhost:11211", "memcached://", "memcached://a:1,a:1", "memcached://a:x"] {
        let said = Setup::new().option("--cache-url", url).refused();
        assert!(said.contains("--cache-url"), "{url}: {said}");
        let said = Setup::new().variable("CACHE_URL", url).refused();
        assert!(said.contains("CACHE_URL"), "{url}: {said}");
    }
    let said = Setup::new().option("--cache-url", "memcached://ann:hidden@a:1").refused();
    assert!(said.contains("password") && !said.contains("hidden"), "{said}");
}

#[test]
fn a_config_file_names_the_cache_too() {
    let memcached = Memcached::start();
    let file = format!("cache-url = \"{}\"\n", memcached.url());
    let server = Setup::new().file("oncue.toml", &file).option("--config", "oncue.toml").serve();
    let ann = server.user();
    fire(&ann, api_trigger(&ann, "counted"));
    assert_eq!(stats_that_are_kept(&ann, &memcached), json!([{"name": "counted", "event_count": 1}]));
}
