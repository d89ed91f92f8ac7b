//! Triggers that do not overlap, with a receiver that is slower than their schedule, and with one that is asked to report back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::receiver::{Receiver, Reply};
use crate::support::server::Server;
use crate::support::time::instant;
use crate::support::wait::until;

/// How long a receiver takes that is slower than a second.
const SLOW: Duration = Duration::from_millis(2_500);

/// A receiver that takes so long for each, and how many it has answered.
fn slow(takes: Duration) -> (Receiver, Arc<AtomicU64>) {
    let answered = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&answered);
    let receiver = Receiver::scripted(move |_, _| {
        sleep(takes);
        count.fetch_add(1, Ordering::SeqCst);
        Reply::Slow(Duration::ZERO, 200)
    });
    (receiver, answered)
}

fn make(ann: &Client, overlap: &str, to: &Receiver, more: &Value) -> Value {
    let mut said = json!({"type": "scheduled", "name": overlap, "schedule_details": {"every": "1s"}, "webhook_url": to.url(),
        "overlap": overlap});
    let more = more.as_object().expect("an object").clone();
    said.as_object_mut().expect("an object").extend(more);
    let made = ann.post("/api/v1/triggers", &said).is(201).json();
    assert_eq!(made["overlap"], overlap);
    made
}

fn why(ann: &Client, id: &Value, at: &Value) -> Value {
    let at = at.as_str().expect("an instant");
    ann.get(&format!("/api/v1/triggers/{id}/why?at={at}")).is(200).json()
}

/// What is on record of it: the word, and how many.
fn skipped(ann: &Client, id: &Value) -> Vec<(String, u64)> {
    let records = ann.get(&format!("/api/v1/triggers/{id}/skipped")).is(200).list();
    let of = |record: &Value| (record["reason"].as_str().expect("a word").to_owned(), count(record));
    records.iter().map(of).collect()
}

fn events(ann: &Client, id: &Value) -> Vec<Value> {
    ann.get(&format!("/api/v1/event_logs?status=all&limit=200&trigger_id={id}")).is(200).list()
}

/// Nothing is silent and nothing told of twice: from the first that fired on, each second is an event or in one record.
fn assert_is_whole(ann: &Client, id: &Value) {
    let told =
        events(ann, id).into_iter().map(|event| (event["scheduled_at"].clone(), event["scheduled_at"].clone(), 1));
    let told = told.filter(|(first, _, _)| !first.is_null());
    let records = ann.get(&format!("/api/v1/triggers/{id}/skipped")).is(200).list();
    let records = records.iter().map(|record| (record["first"].clone(), record["last"].clone(), count(record)));
    let told: Vec<_> =
        told.chain(records).map(|(first, last, count)| (instant(&first), instant(&last), count)).collect();
    let first = told.iter().map(|(first, _, _)| *first).min().expect("it has fired");
    let last = told.iter().map(|(_, last, _)| *last).max().expect("it has fired");
    let named = 1 + last.duration_since(first).as_secs().unsigned_abs();
    assert_eq!(told.iter().map(|(_, _, count)| count).sum::<u64>(), named, "{told:?}");
}

fn count(record: &Value) -> u64 {
    record["count"].as_u64().expect("a number")
}

#[test]
fn a_slow_receiver_gets_one_at_a_time_and_the_ledger_tells_of_the_others() {
    let server = Server::start_delivering();
    let ann = server.user();
    for (overlap, reason) in [("queue", "merged"), ("skip", "overlap")] {
        let (receiver, answered) = slow(SLOW);
        let trigger = make(&ann, overlap, &receiver, &json!({}));
        let id = &trigger["id"];
        receiver.wait_for(1);
        let waiting = until("something waits", || {
            let next = ann.get(&format!("/api/v1/triggers/{id}")).is(200).json()["next_at"].clone();
            let told = why(&ann, id, &next);
            (told["disposition"] == if overlap == "queue" { "waiting" } else { "overlap" }).then_some(told)
        });
        assert!(waiting["sentence"].as_str().is_some_and(|said| said.contains("is under way")), "{waiting}");
        let page = ann.get(&format!("/ui/triggers/{id}")).is(200).text;
        assert!(page.contains("one is under way"), "{page}");
        for count in 2..=3 {
            let came = receiver.wait_for(count);
            let answered = answered.load(Ordering::SeqCst);
            assert!(came.len() as u64 <= answered + 1, "{} came and {answered} were answered", came.len());
        }
        ann.patch(&format!("/api/v1/triggers/{id}"), &json!({"enabled": false})).is(200);
        let records = skipped(&ann, id);
        let told = records.iter().filter(|(word, _)| word == reason);
        assert!(told.clone().count() >= 2, "one record for each stretch: {records:?}");
        assert!(records.iter().map(|(_, count)| count).sum::<u64>() >= 2, "{records:?}");
        let events = events(&ann, id);
        assert!(events.iter().all(|event| event["origin"] == "schedule"), "{events:?}");
        let first = ann.get(&format!("/api/v1/triggers/{id}/skipped")).is(200).list().remove(records.len() - 1);
        let account = why(&ann, id, &first["first"]);
        assert_eq!(account["disposition"], reason, "{account}");
        assert_is_whole(&ann, id);
    }
    ann.get("/healthz/schedule").is(200);
}

#[test]
fn a_job_that_reports_its_end_calls_up_what_waits_for_it() {
    let server = Server::start_delivering();
    let (ann, nobody, receiver) = (server.user(), server.nobody(), Receiver::start());
    let trigger = make(&ann, "queue", &receiver, &json!({"expects": {"report_within": "10m"}}));
    let report = |number: usize| {
        let delivery = receiver.wait_for(number).remove(number - 1);
        let url = delivery.headers.get("oncue-report").expect("it says where to report").clone();
        let path = url.strip_prefix(server.base()).expect("an address of this server").to_owned();
        nobody.call("POST", &format!("{path}/done")).send().is(200);
    };
    receiver.wait_for(1);
    sleep(Duration::from_millis(2_500));
    assert_eq!(receiver.received().len(), 1, "its job has not ended");
    // A test and what is run by hand are not held back.
    ann.post_nothing(&format!("/api/v1/triggers/{}/run", trigger["id"])).is(200);
    receiver.wait_for(2);
    report(1);
    report(2);
    receiver.wait_for(3);
    let merged = until("it is on record", || {
        let records = skipped(&ann, &trigger["id"]);
        (!records.is_empty()).then_some(records)
    });
    assert!(merged.iter().all(|(word, count)| word == "merged" && *count >= 1), "{merged:?}");
}

#[test]
fn what_waits_for_an_event_waits_on_after_kill_9() {
    let server = Server::start_delivering();
    let (ann, receiver) = (server.user(), Receiver::start());
    let trigger = make(&ann, "queue", &receiver, &json!({"expects": {"report_within": "10m"}}));
    let id = &trigger["id"];
    let delivery = receiver.wait_for(1).remove(0);
    let report = delivery.headers.get("oncue-report").expect("it says where to report").clone();
    let path = report.strip_prefix(server.base()).expect("an address of this server").to_owned();
    until("it has arrived, and the next one waits", || {
        let event = events(&ann, id).remove(0);
        let shown = ann.get(&format!("/api/v1/event_logs/{}", event["id"])).is(200).json();
        let next = ann.get(&format!("/api/v1/triggers/{id}")).is(200).json()["next_at"].clone();
        let waits = why(&ann, id, &next)["disposition"] == "waiting";
        (shown["deliveries"][0]["status"] == "delivered" && waits).then_some(())
    });
    let server = server.kill().serve();
    let ann = ann.at(server.base());
    sleep(Duration::from_millis(2_500));
    assert_eq!(receiver.received().len(), 1, "its job has not ended");
    server.nobody().call("POST", &format!("{path}/done")).send().is(200);
    receiver.wait_for(2);
    ann.patch(&format!("/api/v1/triggers/{id}"), &json!({"enabled": false})).is(200);
    let records = skipped(&ann, id);
    assert!(records.iter().any(|(word, count)| word == "merged" && *count >= 2), "{records:?}");
    assert!(
        records.iter().all(|(word, _)| word != "missed"),
        "what met the event did so whether anybody ran or not: {records:?}"
    );
    assert_is_whole(&ann, id);
}

#[test]
fn a_freeze_passes_over_what_waits_for_an_event_whether_that_ends_meanwhile_or_later() {
    const FREEZE: &str = "/api/v1/freeze";
    let server = Server::start_delivering();
    let (ann, nobody, receiver) = (server.user(), server.nobody(), Receiver::start());
    let trigger = make(&ann, "queue", &receiver, &json!({"expects": {"report_within": "10m"}}));
    let id = &trigger["id"];
    let report = |number: usize| {
        let delivery = receiver.wait_for(number).remove(number - 1);
        let url = delivery.headers.get("oncue-report").expect("it says where to report").clone();
        let path = url.strip_prefix(server.base()).expect("an address of this server").to_owned();
        nobody.call("POST", &format!("{path}/done")).send().is(200);
    };
    let waits = || {
        let next = ann.get(&format!("/api/v1/triggers/{id}")).is(200).json()["next_at"].clone();
        (why(&ann, id, &next)["disposition"] == "waiting").then_some(())
    };
    let frozen = || skipped(&ann, id).iter().filter(|(word, _)| word == "frozen").count();
    receiver.wait_for(1);
    until("the next one waits", waits);

    ann.post(FREEZE, &json!({"reason": "The warehouse moves"})).is(200);
    report(1);
    until("it is passed over", || (frozen() == 1).then_some(()));
    sleep(Duration::from_millis(1_500));
    assert_eq!(events(&ann, id).len(), 1, "what it waited for has ended, and nothing fires");
    let thawed_at = Timestamp::now();
    ann.delete(FREEZE).is(204);
    receiver.wait_for(2);
    let newest = events(&ann, id).remove(0);
    assert!(instant(&newest["scheduled_at"]) >= thawed_at, "nothing of what was frozen fires: {newest}");

    until("the next one waits", waits);
    ann.post(FREEZE, &json!({})).is(200);
    sleep(Duration::from_millis(2_500));
    let thawed_at = Timestamp::now();
    ann.delete(FREEZE).is(204);
    sleep(Duration::from_millis(2_500));
    assert_eq!(events(&ann, id).len(), 2, "it waits on");
    ann.get("/healthz/schedule").is(200);
    report(2);
    receiver.wait_for(3);
    let newest = events(&ann, id).remove(0);
    assert!(instant(&newest["scheduled_at"]) >= thawed_at, "what met the event after the freeze: {newest}");
    until("both freezes are on record", || (frozen() == 2).then_some(()));
    ann.patch(&format!("/api/v1/triggers/{id}"), &json!({"enabled": false})).is(200);
    let records = skipped(&ann, id);
    assert!(records.iter().any(|(word, _)| word == "merged"), "{records:?}");
    assert!(records.iter().all(|(word, _)| word != "missed" && word != "overlap"), "{records:?}");
    assert_is_whole(&ann, id);
}

#[test]
fn an_edit_lets_go_nothing_of_what_met_an_event_and_its_dry_run_says_so() {
    let server = Server::start_delivering();
    let (ann, receiver) = (server.user(), Receiver::start());
    let trigger = make(&ann, "skip", &receiver, &json!({"expects": {"report_within": "10m"}}));
    let id = &trigger["id"];
    receiver.wait_for(1);
    let at = format!("/api/v1/triggers/{id}");
    sleep(Duration::from_millis(3_500));
    let choice = json!({"overlap": "allow", "expects": null});
    let told = ann.patch(&format!("{at}?dry_run=true"), &choice).is(200).json();
    let skipped_by = |told: &Value| told["skipped"].as_array().expect("a list").clone();
    let would = skipped_by(&told);
    assert_eq!((would.len(), &would[0]["reason"]), (1, &json!("superseded")), "{told}");
    assert!(count(&would[0]) >= 2, "{told}");
    let edited_at = Timestamp::now();
    ann.patch(&at, &choice).is(200);
    receiver.wait_for(3);
    let scheduled = |event: &Value| instant(&event["scheduled_at"]);
    let late = events(&ann, id).iter().filter(|event| scheduled(event) < edited_at).count();
    assert_eq!(late, 1, "nothing that waited fires: {:?}", events(&ann, id));
    let records = ann.get(&format!("{at}/skipped")).is(200).list();
    assert_eq!((records.len(), &records[0]["first"]), (1, &would[0]["first"]), "{records:?}");
    ann.get("/healthz/schedule").is(200);
    ann.patch(&at, &json!({"enabled": false})).is(200);
    assert_is_whole(&ann, id);
}

#[test]
fn what_waits_for_an_event_is_told_alike_wherever_it_is_asked_for() {
    let server = Server::start_delivering();
    let (ann, receiver) = (server.user(), Receiver::start());
    let reported = json!({"report_within": "10m"});
    let expires_at = Timestamp::now() + SignedDuration::from_secs(4);
    let more = json!({"expects": reported, "expires_at": expires_at.to_string()});
    let queue = make(&ann, "queue", &receiver, &more);
    let skip = make(&ann, "skip", &receiver, &json!({"expects": reported}));
    let run_at = Timestamp::now() + SignedDuration::from_secs(2);
    let once = make(
        &ann,
        "queue",
        &receiver,
        &json!({"expects": reported, "schedule_details": {"run_at": run_at.to_string()}}),
    );
    ann.post_nothing(&format!("/api/v1/triggers/{}/run", once["id"])).is(200);
    until("the expiry has passed", || (Timestamp::now() > expires_at).then_some(()));

    let to_come = |trigger: &Value| {
        let shown = ann.get(&format!("/api/v1/triggers/{}/upcoming?count=1", trigger["id"])).is(200).json();
        shown["occurrences"].as_array().expect("a list").first().map(instant)
    };
    let all = ann.get("/api/v1/upcoming").is(200).json()["occurrences"].as_array().expect("a list").clone();
    let first_of_all = |trigger: &Value| {
        let of_it = all.iter().find(|one| one["trigger_id"] == trigger["id"]);
        of_it.map(|one| instant(&one["scheduled_at"]))
    };
    let page = |trigger: &Value| ann.get(&format!("/ui/triggers/{}", trigger["id"])).is(200).text;
    let waits = "waits for its event to end";
    for waiting in [&queue, &once] {
        let first = to_come(waiting).expect("it will fire once the event has ended");
        assert!(first < expires_at, "{first}");
        assert_eq!(first_of_all(waiting), Some(first));
        assert!(page(waiting).contains(waits), "{}", page(waiting));
    }
    assert!(to_come(&skip).is_some_and(|first| first > expires_at), "what met the event does not fire");
    let shown = page(&skip);
    let facts =
        shown.split_once("Next firing").and_then(|(_, rest)| rest.split_once("</dd>")).expect("what comes next").0;
    assert!(!shown.contains(waits) && !facts.contains(" late"), "{shown}");
    let list = ann.get("/ui/triggers").is(200).text;
    assert_eq!(list.matches(waits).count(), 2, "{list}");
    let never = ann.get("/api/v1/forecast").is(200).json()["never"].to_string();
    assert!(!never.contains("expired"), "{never}");
    assert_eq!(ann.get("/upcoming").is(200).text.matches(waits).count(), 2);
}

#[test]
fn a_backfill_of_what_does_not_overlap_comes_one_at_a_time() {
    let server = Server::start_delivering();
    let ann = server.user();
    let (receiver, answered) = slow(Duration::from_millis(400));
    let trigger = make(&ann, "skip", &receiver, &json!({"schedule_details": {"cron": "0 0 1 * *"}}));
    let id = &trigger["id"];
    let span = json!({"from": "2022-06-01T00:00:00Z", "to": "2023-05-31T00:00:00Z"});
    let asked = ann.post(&format!("/api/v1/triggers/{id}/backfill"), &span).is(200).json();
    assert_eq!((&asked["to_fire"], &asked["takes_at_least_s"]), (&json!(12), &json!(2)));
    for count in 2..=5 {
        let came = receiver.wait_for(count);
        let answered = answered.load(Ordering::SeqCst);
        assert!(came.len() as u64 <= answered + 1, "{} came and {answered} were answered", came.len());
    }
    ann.patch(&format!("/api/v1/triggers/{id}"), &json!({"overlap": "allow"})).is(200);
    receiver.wait_for(12);
}

#[test]
fn what_overlap_says_is_read_kept_and_shown() {
    let server = Server::start();
    let ann = server.user();
    let api = ann.post("/api/v1/triggers", &json!({"type": "api"})).is(201).json();
    assert_eq!(api["overlap"], "allow");
    let said = json!({"type": "scheduled", "schedule_details": {"every": "1h"}, "overlap": "cancel"});
    ann.post("/api/v1/triggers", &said).is(422).blames("overlap");
    let made = ann
        .post("/api/v1/triggers", &json!({"type": "scheduled", "schedule_details": {"every": "1h"}, "overlap": "skip"}))
        .is(201)
        .json();
    let at = format!("/api/v1/triggers/{}", made["id"]);
    let edited = ann.patch(&at, &json!({"overlap": "queue"})).is(200).json();
    assert_eq!((&edited["overlap"], &edited["next_at"]), (&json!("queue"), &made["next_at"]));
    let revisions = ann.get(&format!("{at}/revisions")).is(200).list();
    assert!(revisions[0].to_string().contains("overlap"), "{revisions:?}");
    let page = ann.get(&format!("/ui/triggers/{}/edit", made["id"])).is(200).text;
    assert!(page.contains("value=\"queue\" selected"), "{page}");
    let notes = ann.get("/api/v1/forecast").is(200).json()["notes"].clone();
    assert!(notes.to_string().contains("do not overlap"), "{notes}");
    let back = ann.patch(&at, &json!({"overlap": null})).is(200).json();
    assert_eq!(back["overlap"], "allow");
}

#[test]
fn what_met_an_event_under_way_is_told_alike_before_and_after_the_trigger_is_deleted() {
    let server = Server::start_delivering();
    let (ann, receiver) = (server.user(), Receiver::start());
    let trigger = make(&ann, "skip", &receiver, &json!({"expects": {"report_within": "10m"}}));
    let id = &trigger["id"];
    receiver.wait_for(1);
    let before = until("the next one has met it", || {
        let next = ann.get(&format!("/api/v1/triggers/{id}")).is(200).json()["next_at"].clone();
        let told = why(&ann, id, &next);
        (told["disposition"] == "overlap").then_some(told)
    });
    ann.delete(&format!("/api/v1/triggers/{id}")).is(204);
    let after = why(&ann, id, &before["at"]);
    for field in ["at", "disposition", "is_occurrence"] {
        assert_eq!(after[field], before[field], "{after}");
    }
    let sentence = after["sentence"].as_str().expect("words");
    assert!(sentence.contains("was under way") && sentence.contains("deleted it"), "{sentence}");
    assert!(after["deletion"].is_object(), "{after}");
}
