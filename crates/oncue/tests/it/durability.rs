//! What survives an orderly end and a disorderly one. Many deaths in a row are the business of `kill`.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::receiver::{OK, Received, Receiver, Reply};
use crate::support::server::{Server, Setup};
use crate::support::time::{in_ms, instant};
use crate::support::wait::until;

fn make(ann: &Client, body: &Value) -> i64 {
    ann.post("/api/v1/triggers", body).is(201).json()["id"].as_i64().expect("an integer")
}

fn events(ann: &Client, id: i64) -> Vec<Value> {
    ann.get(&format!("/api/v1/event_logs?trigger_id={id}")).is(200).list()
}

#[test]
fn what_was_acknowledged_is_there_after_kill_9() {
    let server = Server::start();
    let ann = server.user();
    let id = make(&ann, &json!({"type": "api", "name": "first"}));
    ann.patch(&format!("/api/v1/triggers/{id}"), &json!({"name": "second"})).is(200);
    let fired = ann.post(&format!("/api/v1/triggers/{id}/fire"), &json!({"n": 1})).is(200).json();
    let server = server.kill().serve();
    let ann = ann.at(server.base());
    assert_eq!(ann.get(&format!("/api/v1/triggers/{id}")).is(200).json()["name"], "second");
    assert_eq!(
        ann.get(&format!("/api/v1/event_logs/{}", fired["event_id"])).is(200).json()["payload"],
        json!({"n": 1})
    );
}

#[test]
fn what_is_owed_after_kill_9_is_attempted_within_three_seconds_of_readiness() {
    static IS_HANGING: AtomicBool = AtomicBool::new(true);
    let receiver = Receiver::scripted(|_, _| match IS_HANGING.load(Ordering::SeqCst) {
        true => Reply::Slow(Duration::from_secs(60), 200),
        false => OK,
    });
    let server = Server::start_delivering();
    let ann = server.user();
    let id = make(&ann, &json!({"type": "api", "webhook_url": receiver.url()}));
    for n in 0..40 {
        ann.post(&format!("/api/v1/triggers/{id}/fire"), &json!({"n": n})).is(200);
    }
    let under_way = receiver.wait_for(1)[0].webhook_id().to_owned();
    let setup = server.kill();
    IS_HANGING.store(false, Ordering::SeqCst);
    let before = receiver.received().len();
    let server = setup.serve();
    let ready_at = Instant::now();
    receiver.wait_for(before + 40);
    let again = receiver.received().split_off(before);
    let latest = again.iter().map(|request| request.at).max().expect("deliveries");
    assert!(latest.saturating_duration_since(ready_at) < Duration::from_secs(3), "{:?}", latest - ready_at);
    assert!(
        again.iter().any(|request| request.webhook_id() == under_way),
        "what was under way is repeated under its id"
    );
    let ids: BTreeSet<&str> = again.iter().map(Received::webhook_id).collect();
    assert_eq!(ids.len(), 40);
    drop(server);
}

#[test]
fn a_retry_pause_survives_a_restart() {
    let receiver = Receiver::scripted(|_, before| if before == 0 { Reply::Answer(500, "", "") } else { OK });
    let server = Server::start_delivering();
    let ann = server.user();
    let id = make(&ann, &json!({"type": "api", "webhook_url": receiver.url()}));
    let fired = ann.post_nothing(&format!("/api/v1/triggers/{id}/fire")).is(200).json();
    let at = format!("/api/v1/event_logs/{}", fired["event_id"]);
    until("the failure is written down", || {
        Some(()).filter(|()| ann.get(&at).is(200).json()["deliveries"][0]["attempts"] != json!([]))
    });
    let server = server.kill().serve();
    let received = receiver.wait_for(2);
    let pause = received[1].at - received[0].at;
    assert!((Duration::from_secs(3)..Duration::from_secs(12)).contains(&pause), "{pause:?}");
    assert_eq!(received[0].webhook_id(), received[1].webhook_id());
    let ann = ann.at(server.base());
    until("it is delivered", || {
        Some(()).filter(|()| ann.get(&at).is(200).json()["deliveries"][0]["status"] == "delivered")
    });
}

#[test]
fn a_one_shot_that_fell_due_meanwhile_fires_once_after_the_return() {
    let server = Server::start();
    let ann = server.user();
    let due = in_ms(1500);
    let id = make(&ann, &json!({"type": "scheduled", "schedule_details": {"run_at": due}}));
    let setup = server.kill();
    let due_at: jiff::Timestamp = due.parse().expect("an instant");
    until("it falls due", || Some(()).filter(|()| jiff::Timestamp::now() > due_at));
    let server = setup.serve();
    let ann = ann.at(server.base());
    let fired = until("it fires", || events(&ann, id).pop());
    assert_eq!(fired["scheduled_at"], due);
    let server = server.kill().serve();
    let ann = ann.at(server.base());
    let clock = make(&ann, &json!({"type": "scheduled", "schedule_details": {"every": "1s"}}));
    until("the scheduler is at work", || events(&ann, clock).pop());
    assert_eq!(events(&ann, id).len(), 1, "and not again");
}

#[test]
fn of_what_fell_due_meanwhile_the_latest_fires_and_the_others_are_on_record() {
    let server = Server::start();
    let ann = server.user();
    let id = make(&ann, &json!({"type": "scheduled", "schedule_details": {"every": "1s"}}));
    until("it fires", || events(&ann, id).pop());
    let setup = server.kill();
    let gone_at = jiff::Timestamp::now();
    until("some occurrences are missed", || {
        Some(()).filter(|()| jiff::Timestamp::now().duration_since(gone_at).as_secs() >= 4)
    });
    let starting_at = jiff::Timestamp::now();
    let server = setup.serve();
    let back_at = jiff::Timestamp::now();
    let ann = ann.at(server.base());
    let is_late =
        |event: &Value| instant(&event["scheduled_at"]) > gone_at && instant(&event["scheduled_at"]) < starting_at;
    until("it fires on time again", || {
        events(&ann, id).into_iter().find(|event| instant(&event["scheduled_at"]) > back_at)
    });
    let fired = events(&ann, id);
    let late: Vec<_> = fired.iter().filter(|event| is_late(event)).collect();
    assert!(late.len() <= 1, "only the latest fires: {late:?}");
    let skipped = ann.get(&format!("/api/v1/triggers/{id}/skipped")).is(200).list();
    assert_eq!(skipped.len(), 1, "one record for all: {skipped:?}");
    assert_eq!(skipped[0]["reason"], "missed");
    let (first, last) = (instant(&skipped[0]["first"]), instant(&skipped[0]["last"]));
    let count = skipped[0]["count"].as_i64().expect("a number");
    assert!(count >= 2, "{skipped:?}");
    assert_eq!(last.duration_since(first).as_secs() + 1, count, "one a second: {skipped:?}");
    let caught_up = fired
        .iter()
        .map(|event| instant(&event["scheduled_at"]))
        .filter(|at| *at > last)
        .min()
        .expect("the latest fired");
    assert_eq!(caught_up.duration_since(last).as_secs(), 1, "the latest one follows the skipped ones");
}

#[test]
fn a_trigger_that_skips_what_it_misses_fires_none_of_it() {
    let server = Server::start();
    let ann = server.user();
    let skipping = json!({"every": "1s", "misfire": "skip"});
    let trigger = json!({"type": "scheduled", "schedule_details": skipping});
    let made = ann.post("/api/v1/triggers", &trigger).is(201).json();
    assert_eq!(
        (&made["schedule_details"], &made["summary"]),
        (&skipping, &json!("Every second; what is missed is skipped"))
    );
    let id = made["id"].as_i64().expect("a number");
    until("it fires", || events(&ann, id).pop());
    let setup = server.kill();
    let gone_at = jiff::Timestamp::now();
    // Longer than a node is borne with that falls silent.
    until("some occurrences are missed", || {
        Some(()).filter(|()| jiff::Timestamp::now().duration_since(gone_at).as_secs() >= 5)
    });
    let server = setup.serve();
    let ann = ann.at(server.base());
    let record = until("it is on record", || ann.get(&format!("/api/v1/triggers/{id}/skipped")).is(200).list().pop());
    let (first, last) = (instant(&record["first"]), instant(&record["last"]));
    until("it fires on time again", || {
        events(&ann, id).into_iter().find(|event| instant(&event["scheduled_at"]) > last)
    });
    let fired: Vec<_> = events(&ann, id).iter().map(|event| instant(&event["scheduled_at"])).collect();
    assert!(fired.iter().all(|at| *at < first || *at > last), "{record}: {fired:?}");
    let origins: Vec<_> = events(&ann, id).iter().map(|event| event["origin"].clone()).collect();
    assert!(origins.iter().all(|origin| origin == "schedule"), "{origins:?}");
    let told = ann.get(&format!("/api/v1/triggers/{id}/why?at={last}")).is(200).json();
    assert_eq!(told["disposition"], "missed", "{told}");
    let said = told["sentence"].as_str().expect("a sentence");
    assert!(said.ends_with("by its misfire policy nothing fires that falls due meanwhile."), "{told}");
    assert_eq!(told["advice"][1], "Leave misfire out, and the latest of what is missed fires late.", "{told}");
}

#[test]
fn sigterm_finishes_what_is_in_flight() {
    let receiver = Receiver::scripted(|_, _| Reply::Slow(Duration::from_secs(2), 200));
    let server = Server::start_delivering();
    let ann = server.user();
    let id = make(&ann, &json!({"type": "api", "webhook_url": receiver.url()}));
    let fired = ann.post_nothing(&format!("/api/v1/triggers/{id}/fire")).is(200).json();
    receiver.wait_for(1);
    let start = Instant::now();
    let setup = server.stop();
    assert!(start.elapsed() < Duration::from_secs(12), "within 10 s, not {:?}", start.elapsed());
    let server = setup.serve();
    let event = ann.at(server.base()).get(&format!("/api/v1/event_logs/{}", fired["event_id"])).is(200).json();
    assert_eq!(event["deliveries"][0]["status"], "delivered", "the attempt was finished and written down: {event}");
    assert_eq!(receiver.received().len(), 1);
}

#[test]
fn sigterm_does_not_wait_for_ever() {
    let receiver = Receiver::scripted(|_, _| Reply::Slow(Duration::from_secs(120), 200));
    let server = Server::start_delivering();
    let ann = server.user();
    let id = make(&ann, &json!({"type": "api", "webhook_url": receiver.url()}));
    ann.post_nothing(&format!("/api/v1/triggers/{id}/fire")).is(200);
    receiver.wait_for(1);
    let start = Instant::now();
    server.stop();
    assert!(start.elapsed() < Duration::from_secs(14), "{:?}", start.elapsed());
}

/// Fires as fast as acknowledgements come, and gives the events that were acknowledged.
fn fire_until_the_end(ann: &Client, path: &str) -> Vec<i64> {
    let mut events = Vec::new();
    while let Ok(answer) = ann.call("POST", path).json(&json!({})).try_send() {
        match answer.status {
            200 => events.extend(answer.json()["event_id"].as_i64()),
            // Whoever is told to come back was not acknowledged.
            503 => break,
            status => panic!("{status}: {}", answer.text),
        }
    }
    events
}

#[test]
fn sigterm_under_load_loses_nothing_that_was_acknowledged() {
    let server = Server::start();
    let ann = server.user();
    let id = make(&ann, &json!({"type": "api"}));
    let path = format!("/api/v1/triggers/{id}/fire");
    let acknowledged: Vec<i64> = thread::scope(|scope| {
        let firing: Vec<_> =
            (0..4).map(|_| scope.spawn(|| fire_until_the_end(&ann.at(server.base()), &path))).collect();
        until("some are acknowledged", || Some(()).filter(|()| events(&ann, id).len() >= 100));
        server.terminate();
        firing.into_iter().flat_map(|thread| thread.join().expect("a load thread")).collect()
    });
    let (status, setup) = server.wait();
    assert_eq!(status.code(), Some(0));
    let server = setup.serve();
    let ann = ann.at(server.base());
    let mut kept = Vec::new();
    let mut next = Some("/api/v1/event_logs?limit=200".to_owned());
    while let Some(page) = next {
        let page = ann.get(&page).is(200);
        kept.extend(page.list().iter().filter_map(|event| event["id"].as_i64()));
        next = page.next_page();
    }
    let lost: Vec<i64> = acknowledged.iter().copied().filter(|event| !kept.contains(event)).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
}

#[test]
fn a_pause_and_a_deletion_survive_kill_9() {
    let server = Server::start();
    let ann = server.user();
    let every = json!({"type": "scheduled", "schedule_details": {"every": "1s"}});
    let (paused, deleted, kept) = (make(&ann, &every), make(&ann, &every), make(&ann, &every));
    ann.patch(&format!("/api/v1/triggers/{paused}"), &json!({"enabled": false})).is(200);
    ann.delete(&format!("/api/v1/triggers/{deleted}")).is(204);
    let before = (events(&ann, paused).len(), events(&ann, deleted).len());
    let server = server.kill().serve();
    let ann = ann.at(server.base());
    let known = events(&ann, kept).len();
    until("the scheduler is at work", || Some(()).filter(|()| events(&ann, kept).len() >= known + 2));
    assert_eq!((events(&ann, paused).len(), events(&ann, deleted).len()), before);
    ann.get(&format!("/api/v1/triggers/{deleted}")).is(404);
}

#[test]
fn a_first_start_that_is_killed_can_be_repeated() {
    // On PostgreSQL a start goes over the network and takes longer, and every database has to be made.
    let delays_ms = if Setup::new().is_on_postgres() { (0..160).step_by(20) } else { (0..60).step_by(3) };
    for delay_ms in delays_ms {
        let setup = Setup::new();
        let mut process = setup.launch();
        thread::sleep(Duration::from_millis(delay_ms));
        process.kill();
        let server = setup.serve();
        server.user().get("/api/v1/triggers").is(200);
    }
}
