//! How fast and how many at once: what a destination says is held to, over the end of a process, too.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::harness::pace::{BURST, PER_SECOND, complaints, counting, distinct, trigger};
use crate::support::client::Client;
use crate::support::receiver::Receiver;
use crate::support::server::{PASSWORD, Server, Setup};
use crate::support::wait::until_within;

const PATIENCE: Duration = Duration::from_secs(60);

const CALLS: usize = 60;

#[test]
fn a_rate_holds_exactly_also_when_the_process_is_killed_in_the_middle() {
    let receiver = Receiver::start();
    let setup = Setup::new().flag("--allow-private-destinations");
    let mut process = setup.launch();
    let base = process.ready().unwrap_or_else(|| panic!("the server did not start: {}", process.log()));
    let nobody = Client::new(&base);
    let answer = nobody.post("/auth/register", &json!({"email": "ann@example.com", "password": PASSWORD})).is(200);
    let ann = nobody.bearer(answer.json()["access_token"].as_str().expect("a token"));
    let of = trigger(&ann, &receiver, &json!({"rate": {"count": PER_SECOND, "burst": BURST}}));
    for number in 0..CALLS {
        ann.post(&format!("/api/v1/triggers/{of}/fire"), &json!({"n": number})).is(200);
    }
    for share in [BURST + 5, BURST + 20] {
        until_within(PATIENCE, "some have come", || (distinct(&receiver) >= share).then_some(()));
        process.kill();
        process = setup.launch();
        assert!(process.ready().is_some(), "the server did not come back: {}", process.log());
    }
    until_within(PATIENCE, "all have come", || (distinct(&receiver) == CALLS).then_some(()));
    let received = receiver.received();
    assert_eq!(complaints(&received), Vec::<String>::new());
    let took = received[received.len() - 1].at.duration_since(received[0].at);
    assert!(took > Duration::from_secs(((CALLS - BURST) / PER_SECOND - 1) as u64), "{took:?}");
}

#[test]
fn as_many_exchanges_are_under_way_as_a_destination_says_and_never_more() {
    let server = Server::start_delivering();
    let ann = server.user();
    let (receiver, most) = counting(Duration::from_millis(120));
    let of = trigger(&ann, &receiver, &json!({"parallelism": 3}));
    let ways: Vec<Client> = (0..4).map(|_| ann.keeping_alive()).collect();
    thread::scope(|scope| {
        for client in &ways {
            scope.spawn(move || {
                for number in 0..15 {
                    client.post(&format!("/api/v1/triggers/{of}/fire"), &json!({"n": number})).is(200);
                }
            });
        }
    });
    until_within(PATIENCE, "all have come", || (distinct(&receiver) == CALLS).then_some(()));
    assert_eq!(most.load(Ordering::SeqCst), 3);
}

#[test]
fn what_waits_for_its_turn_says_so_and_names_no_time_as_that_of_its_attempt() {
    let server = Server::start_delivering();
    let ann = server.user();
    let receiver = Receiver::start();
    let of = trigger(&ann, &receiver, &json!({"rate": {"count": 1, "per": "24h"}}));
    let fire = || ann.post(&format!("/api/v1/triggers/{of}/fire"), &json!({})).is(200).json()["event_id"].clone();
    let first = fire();
    let details = |event: &serde_json::Value| ann.get(&format!("/api/v1/event_logs/{event}")).is(200).json();
    until_within(PATIENCE, "the first is through", || {
        (details(&first)["deliveries"][0]["status"] == "delivered").then_some(())
    });
    let second = fire();
    let waiting = until_within(PATIENCE, "the second waits", || {
        let delivery = details(&second)["deliveries"][0].clone();
        (delivery["next_attempt_at"].is_string() && delivery["why"].is_string()).then_some(delivery)
    });
    let why = waiting["why"].as_str().expect("words");
    assert!(why.starts_with("It waits for its turn: its destination takes 1 in 24h."), "{why}");
    assert_eq!(details(&first)["deliveries"][0]["why"], serde_json::Value::Null);
}
