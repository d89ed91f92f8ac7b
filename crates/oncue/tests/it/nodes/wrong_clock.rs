//! A node whose machine's wall clock is wrong changes nothing: "now" is the database's clock, for everything.

use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::{SignedDuration, Timestamp};
use oncue_throwaway::Durability;
use serde_json::{Value, json};

use super::crew::{self, Crew, DATABASE, Node, make};
use crate::support::client::Client;
use crate::support::receiver::Receiver;
use crate::support::server::PASSWORD;
use crate::support::time::{in_ms, instant};
use crate::support::wait::until;

/// Half of the nodes are so far ahead, and half so far behind.
const WRONG_BY_S: i64 = 420;

/// Later than anything here happens on a busy machine, and far from what the wrong clocks show.
const LATE_AT_MOST: SignedDuration = SignedDuration::from_secs(10);

#[test]
fn nodes_whose_clocks_are_wrong_fire_on_time_and_write_down_the_right_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let library = compile(folder.path());
    let cluster = crew::database(Durability::Quick);
    let wrong = |by_s: i64| {
        let library = library.to_str().expect("a path of plain letters");
        let setup = |setup: crate::support::server::Setup| {
            setup.variable("LD_PRELOAD", library).variable("ONCUE_TEST_WRONG_BY_S", &by_s.to_string())
        };
        Node::launch_with(&cluster.url(DATABASE), setup).ready()
    };
    let mut crew = Crew { nodes: vec![wrong(WRONG_BY_S), wrong(-WRONG_BY_S)], cluster };
    let began_at = Timestamp::now();
    let receiver = Receiver::start();
    let ann = crew.user();
    let at_each = crew.at_each(&ann);
    let mut triggers = Vec::new();
    for (number, client) in at_each.iter().cycle().take(12).enumerate() {
        let details = match number % 3 {
            0 => json!({"every": "1s"}),
            1 => json!({"cron": "* * * * * *"}),
            _ => json!({"run_at": in_ms(1500)}),
        };
        triggers.push(make(
            client,
            &json!({"type": "scheduled", "schedule_details": details, "webhook_url": receiver.url()}),
        ));
    }
    let api = make(&ann, &json!({"type": "api", "webhook_url": receiver.url()}));
    at_each.iter().for_each(|client| drop(client.post(&format!("/api/v1/triggers/{api}/fire"), &json!({})).is(200)));

    for id in &triggers {
        until("each trigger fires and what it sends arrives", || delivered(&ann, *id));
    }
    until("the calls arrive", || delivered(&ann, api));
    every_login_holds_everywhere(&at_each);
    let events = ann.get("/api/v1/event_logs?status=all").is(200).list();
    for event in &events {
        let right = |value: &Value| {
            let at = instant(value);
            assert!(
                began_at - SignedDuration::from_secs(1) <= at && at <= Timestamp::now(),
                "{value} is not now: {event}"
            );
        };
        right(&event["created_at"]);
        let shown = ann.get(&format!("/api/v1/event_logs/{}", event["id"])).is(200).json();
        for attempt in shown["deliveries"][0]["attempts"].as_array().into_iter().flatten() {
            right(&attempt["started_at"]);
        }
        if !event["scheduled_at"].is_null() {
            let late = instant(&event["created_at"]).duration_since(instant(&event["scheduled_at"]));
            assert!(SignedDuration::ZERO <= late && late < LATE_AT_MOST, "late by {late}: {event}");
        }
    }
    for received in receiver.received() {
        let stamp: i64 = received.headers["webhook-timestamp"].parse().expect("seconds");
        assert!((began_at.as_second() - 1..=Timestamp::now().as_second()).contains(&stamp), "{stamp}");
    }
    let seen =
        "SELECT count(*) FROM nodes WHERE abs(seen_at - extract(epoch FROM clock_timestamp()) * 1000000) > 10000000";
    assert_eq!(crew.number(seen), 0, "a node says that it was seen at another time");

    // The logs show that the clocks were wrong at all.
    for (node, by_s) in crew.nodes.iter_mut().zip([WRONG_BY_S, -WRONG_BY_S]) {
        node.process.terminate();
        assert!(node.process.wait().success());
        let log = node.log();
        let said = log.lines().find(|line| line.contains("stopping:")).expect("it says that it stops");
        let said_at: Timestamp =
            said.split_whitespace().next().and_then(|at| at.parse().ok()).expect("a time in front");
        let off = said_at.duration_since(Timestamp::now()) - SignedDuration::from_secs(by_s);
        assert!(off.abs() < SignedDuration::from_secs(60), "this node's clock was not wrong: {said}");
    }
}

/// Whether the trigger's latest event was delivered.
fn delivered(ann: &Client, trigger: i64) -> Option<()> {
    let events = ann.get(&format!("/api/v1/event_logs?trigger_id={trigger}")).is(200).list();
    let latest = events.last()?;
    let shown = ann.get(&format!("/api/v1/event_logs/{}", latest["id"])).is(200).json();
    (shown["deliveries"][0]["status"] == "delivered").then_some(())
}

/// A login's end is counted by the same clock wherever it is looked at.
fn every_login_holds_everywhere(at_each: &[Client]) {
    for here in at_each {
        let login = json!({"email": "ann@example.com", "password": PASSWORD});
        let answer = Client::new(here.base()).post("/auth/login", &login).is(200).json();
        let token = answer["access_token"].as_str().expect("a token");
        for there in at_each {
            Client::new(there.base()).bearer(token).get("/api/v1/triggers").is(200);
        }
    }
}

/// A library that shows a wrong clock to whoever is started with it.
fn compile(folder: &Path) -> PathBuf {
    let (source, library) = (folder.join("wrong_clock.c"), folder.join("wrong_clock.so"));
    std::fs::write(&source, include_str!("wrong_clock.c")).expect("a file can be written");
    let compiled = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).output();
    let compiled = compiled.expect("a C compiler, which the build needs as well");
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    library
}
