//! PostgreSQL goes away under a running server, and comes back.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use oncue_throwaway::{Cluster, Stop};
use serde_json::{Value, json};

use crate::support::client::{Answer, Client};
use crate::support::receiver::Receiver;
use crate::support::server::Setup;
use crate::support::time::{in_ms, instant};
use crate::support::wait::until;

/// Whoever asks while the database is away is told so within this time.
const TOLD_WITHIN: Duration = Duration::from_secs(5);

fn fire(ann: &Client, id: &Value, n: usize) -> Answer {
    ann.post(&format!("/api/v1/triggers/{id}/fire"), &json!({"n": n}))
}

fn events(ann: &Client, id: &Value) -> Vec<Value> {
    ann.get(&format!("/api/v1/event_logs?trigger_id={id}&limit=200")).is(200).list()
}

/// An answer that comes soon and says: not now, but again.
#[track_caller]
fn puts_off(ask: impl FnOnce() -> Answer) {
    let answer = soon(ask).is(503);
    assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0), "{answer:?}");
}

#[track_caller]
fn soon(ask: impl FnOnce() -> Answer) -> Answer {
    let asked = Instant::now();
    let answer = ask();
    let took = asked.elapsed();
    assert!(took < TOLD_WITHIN, "{took:?}: {answer:?}");
    answer
}

#[test]
fn while_the_database_is_away_it_says_so_and_then_goes_on_by_itself_with_nothing_lost() {
    let cluster = Cluster::start().expect("a server");
    let receiver = Receiver::start();
    let mut server = Setup::node(&cluster.url("postgres")).flag("--allow-private-destinations").serve();
    let ann = server.user();
    let make = |body: Value| ann.post("/api/v1/triggers", &body).is(201).json()["id"].clone();
    let called = make(json!({"type": "api", "name": "called", "webhook_url": receiver.url()}));
    let clock = make(json!({"type": "scheduled", "schedule_details": {"every": "1s"}}));
    until("the clock ticks", || events(&ann, &clock).pop());
    let mut acknowledged: BTreeSet<i64> = BTreeSet::new();
    let mut acknowledge = |answer: Answer| acknowledged.extend(answer.is(200).json()["event_id"].as_i64());
    (0..20).for_each(|n| acknowledge(fire(&ann, &called, n)));
    let due = in_ms(2500);
    let once = make(json!({"type": "scheduled", "webhook_url": receiver.url(), "schedule_details": {"run_at": due}}));
    let ticks = events(&ann, &clock).len();

    cluster.stop(Stop::Fast).expect("it stops");
    let nobody = server.nobody();
    let due_at: jiff::Timestamp = due.parse().expect("an instant");
    let is_over = |patience: Duration| jiff::Timestamp::now() > due_at + patience;
    while !is_over(Duration::from_secs(2)) {
        puts_off(|| fire(&ann, &called, 99));
        puts_off(|| ann.get("/api/v1/triggers"));
        puts_off(|| ann.get("/logs/active"));
        puts_off(|| ann.patch(&format!("/api/v1/triggers/{called}"), &json!({"name": "unheard"})));
        puts_off(|| ann.call("GET", "/ui/triggers").header("accept", "text/html").send());
        soon(|| nobody.get("/readyz")).is(503);
        soon(|| nobody.get("/healthz")).is(200);
    }

    cluster.start_again().expect("it starts again");
    until("it is ready again", || Some(()).filter(|()| nobody.get("/readyz").status == 200));
    assert!(!server.process.has_ended());
    let fired = until("what fell due meanwhile fires", || {
        ann.get(&format!("/api/v1/event_logs?trigger_id={once}")).is(200).list().pop()
    });
    assert_eq!(fired["scheduled_at"], due);
    assert!(instant(&fired["created_at"]) > due_at, "late, not never: {fired}");
    until("the clock ticks on", || Some(()).filter(|()| events(&ann, &clock).len() > ticks + 1));
    (20..40).for_each(|n| acknowledge(fire(&ann, &called, n)));
    let kept: BTreeSet<i64> = events(&ann, &called).iter().filter_map(|event| event["id"].as_i64()).collect();
    assert_eq!(kept, acknowledged, "what was acknowledged, and nothing that was put off");
    assert_eq!(ann.get(&format!("/api/v1/triggers/{called}")).is(200).json()["name"], "called");
    until("everything is delivered", || {
        let received = receiver.received();
        let ids: BTreeSet<&str> = received.iter().map(|request| request.webhook_id()).collect();
        Some(()).filter(|()| ids.len() == acknowledged.len() + 1)
    });
    assert_eq!(events(&ann, &once).len(), 1);
}

/// A server that hangs is known as such after one second until it is asked and three of silence; the rest is a busy machine.
const FOUND_TO_HANG_WITHIN: Duration = Duration::from_secs(10);

/// More requests than there are connections to the database.
const QUEUED: usize = 32;

/// Far less than a claim holds, which is what a delivery would wait for that nobody knows to be committed.
const PROMPTLY: Duration = Duration::from_secs(20);

#[test]
fn a_database_that_hangs_is_noticed_in_seconds_and_what_was_fired_before_and_after_is_there() {
    let cluster = Cluster::start().expect("a server");
    let receiver = Receiver::start();
    let server = Setup::node(&cluster.url("postgres")).flag("--allow-private-destinations").serve();
    let ann = server.user();
    let body = json!({"type": "api", "name": "called", "webhook_url": receiver.url()});
    let called = ann.post("/api/v1/triggers", &body).is(201).json()["id"].clone();
    fire(&ann, &called, 1).is(200);

    cluster.freeze().expect("it hangs");
    std::thread::scope(|scope| {
        for n in 0..QUEUED {
            let (ann, called) = (&ann, &called);
            scope.spawn(move || {
                let asked = Instant::now();
                let answer = if n % 2 == 0 { fire(ann, called, 2) } else { ann.get("/api/v1/triggers") }.is(503);
                assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0), "{answer:?}");
                assert!(asked.elapsed() < FOUND_TO_HANG_WITHIN, "one that waits is told after {:?}", asked.elapsed());
            });
        }
    });
    puts_off(|| ann.get("/api/v1/triggers"));
    puts_off(|| ann.get("/logs/active"));
    soon(|| server.nobody().get("/healthz")).is(200);

    cluster.thaw().expect("it goes on");
    let thawed = Instant::now();
    let after = until("calls are taken again", || {
        let answer = fire(&ann, &called, 3);
        (answer.status == 200).then(|| answer.json()["event_id"].clone())
    });
    // Everything is delivered promptly: what was fired before, after, and what the server carried out although nobody heard of it.
    until("nothing is owed", || {
        (cluster.sql("postgres", "SELECT count(*) FROM outbox").expect("an answer") == "0").then_some(())
    });
    assert!(thawed.elapsed() < PROMPTLY, "everything was delivered after {:?}", thawed.elapsed());
    let payloads: BTreeSet<String> = events(&ann, &called).iter().map(|event| event["payload"].to_string()).collect();
    assert!(payloads.contains(r#"{"n":1}"#), "{payloads:?}");
    assert!(events(&ann, &called).iter().any(|event| event["id"] == after));
}
