//! What holds a trigger back: pausing, expiring, being a test. And what becomes of the occurrences meanwhile.

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::server::Server;
use crate::support::time::{in_ms, instant};
use crate::support::wait::until;

fn make(ann: &Client, body: &Value) -> (i64, Value) {
    let made = ann.post("/api/v1/triggers", body).is(201).json();
    (made["id"].as_i64().expect("an integer"), made)
}

fn events(ann: &Client, id: i64) -> Vec<Value> {
    ann.get(&format!("/api/v1/event_logs?trigger_id={id}")).is(200).list()
}

/// Waits until a trigger that fires every second has fired `count` times: the clock that tests go by.
fn seconds_pass(ann: &Client, count: usize) {
    let (id, _) = make(ann, &json!({"name": "clock", "type": "scheduled", "schedule_details": {"every": "1s"}}));
    until("some seconds pass", || Some(()).filter(|()| events(ann, id).len() >= count));
    ann.delete(&format!("/api/v1/triggers/{id}")).is(204);
}

#[test]
fn every_fires_on_its_grid_from_creation() {
    let server = Server::start();
    let ann = server.user();
    let (id, made) = make(&ann, &json!({"type": "scheduled", "schedule_details": {"every": "1s"}}));
    let mut fired = until("three firings", || Some(events(&ann, id)).filter(|events| events.len() >= 3));
    fired.reverse();
    let created = instant(&made["created_at"]);
    for (event, k) in fired.iter().zip(1..) {
        assert_eq!(instant(&event["scheduled_at"]), created + jiff::SignedDuration::from_secs(k), "{event}");
        assert!(instant(&event["created_at"]) >= instant(&event["scheduled_at"]), "nothing fires early: {event}");
    }
}

#[test]
fn a_start_is_the_first_firing() {
    let server = Server::start();
    let ann = server.user();
    let start = in_ms(600);
    let (id, _) = make(&ann, &json!({"type": "scheduled", "schedule_details": {"every": "1h", "start_at": start}}));
    let fired = until("it fires", || events(&ann, id).pop());
    assert_eq!(instant(&fired["scheduled_at"]).to_string(), start);
}

#[test]
fn what_falls_due_during_a_pause_does_not_fire_later_and_is_on_record() {
    let server = Server::start();
    let ann = server.user();
    let (id, _) = make(&ann, &json!({"type": "scheduled", "schedule_details": {"every": "1s"}}));
    let at = format!("/api/v1/triggers/{id}");
    until("it fires", || events(&ann, id).pop());
    ann.patch(&at, &json!({"enabled": false})).is(200);
    let paused_at = jiff::Timestamp::now();
    let before = events(&ann, id);
    seconds_pass(&ann, 3);
    assert_eq!(events(&ann, id), before, "a pause holds from its answer on");
    assert_eq!(ann.get(&format!("{at}/upcoming")).is(200).json()["occurrences"], json!([]));
    let resuming_at = jiff::Timestamp::now();
    ann.patch(&at, &json!({"enabled": true})).is(200);
    let after = until("it fires again", || Some(events(&ann, id)).filter(|events| events.len() > before.len()));
    let newly: Vec<&Value> = after.iter().filter(|event| !before.contains(event)).collect();
    assert!(
        newly.iter().all(|event| instant(&event["scheduled_at"]) >= resuming_at),
        "nothing fires retroactively: {newly:?}"
    );
    let skipped = ann.get(&format!("{at}/skipped")).is(200).list();
    assert_eq!(skipped.len(), 1, "{skipped:?}");
    assert_eq!(skipped[0]["reason"], "paused");
    assert!(skipped[0]["count"].as_u64().is_some_and(|count| (2..=10).contains(&count)), "{skipped:?}");
    assert!(instant(&skipped[0]["first"]) <= paused_at + jiff::SignedDuration::from_secs(1), "{skipped:?}");
    assert!(instant(&skipped[0]["first"]) <= instant(&skipped[0]["last"]), "{skipped:?}");
    let lies_in = |event: &&Value| {
        (instant(&skipped[0]["first"])..=instant(&skipped[0]["last"])).contains(&instant(&event["scheduled_at"]))
    };
    assert!(!after.iter().any(|event| lies_in(&event)), "fired or on record, never both");
}

#[test]
fn a_pause_with_an_end_is_over_by_itself_and_says_why_while_it_lasts() {
    let server = Server::start();
    let ann = server.user();
    let (id, _) = make(&ann, &json!({"type": "scheduled", "schedule_details": {"every": "1s"}}));
    let at = format!("/api/v1/triggers/{id}");
    until("it fires", || events(&ann, id).pop());
    let end = in_ms(3_300);
    let paused = ann.patch(&at, &json!({"pause": {"reason": "The warehouse moves", "until": end}})).is(200).json();
    assert_eq!(paused["enabled"], false, "to say why is to pause");
    assert_eq!(paused["pause"], json!({"reason": "The warehouse moves", "until": end}));
    assert!(instant(&paused["next_at"]) >= instant(&json!(end)), "it waits for what comes after: {paused}");
    let before = events(&ann, id);
    let would = ann.get(&format!("{at}/why?at={}", jiff::Timestamp::now() + jiff::SignedDuration::from_secs(1)));
    let would = would.is(200).json();
    assert_eq!((&would["disposition"], &would["pause"]), (&json!("paused"), &paused["pause"]), "{would}");
    let after = until("it goes on", || Some(events(&ann, id)).filter(|events| events.len() > before.len()));
    let newly: Vec<&Value> = after.iter().filter(|event| !before.contains(event)).collect();
    assert!(newly.iter().all(|event| instant(&event["scheduled_at"]) >= instant(&json!(end))), "{newly:?}");
    let shown = ann.get(&at).is(200).json();
    assert_eq!((&shown["enabled"], &shown["pause"]), (&json!(true), &Value::Null), "{shown}");
    let skipped = ann.get(&format!("{at}/skipped")).is(200).list();
    assert_eq!((skipped.len(), &skipped[0]["reason"]), (1, &json!("paused")), "{skipped:?}");
    let told = ann.get(&format!("{at}/why?at={}", skipped[0]["first"].as_str().expect("an instant"))).is(200).json();
    assert_eq!((&told["edit"]["revision"], &told["pause"]), (&json!(2), &paused["pause"]), "{told}");
    let said = told["sentence"].as_str().expect("a sentence");
    assert!(said.contains("was paused until") && said.ends_with("The reason given: The warehouse moves."), "{said}");
    let resumed = until("its end is told", || {
        ann.get(&format!("/api/v1/audit?object=trigger&object_id={id}&action=resumed")).is(200).list().pop()
    });
    assert_eq!(
        (&resumed["by"]["kind"], instant(&resumed["at"])),
        (&json!("system"), instant(&json!(end))),
        "{resumed}"
    );
    // What was read can be put back, and that moves nothing.
    let put = ann.put(&at, &shown).is(200).json();
    assert_eq!((&put["enabled"], &put["pause"]), (&json!(true), &Value::Null));
    assert_eq!(ann.get(&format!("{at}/skipped")).is(200).list(), skipped, "it is on record once");
}

#[test]
fn what_is_said_of_a_pause_is_checked_and_kept_by_edits_that_do_not_mean_it() {
    let server = Server::start();
    let ann = server.user();
    let (id, made) = make(&ann, &json!({"type": "api", "pause": {"reason": "not yet"}}));
    assert_eq!((&made["enabled"], &made["pause"]), (&json!(false), &json!({"reason": "not yet", "until": null})));
    let at = format!("/api/v1/triggers/{id}");
    ann.post_nothing(&format!("{at}/fire")).problem(409);
    assert_eq!(ann.patch(&at, &json!({"name": "n"})).is(200).json()["pause"], made["pause"]);
    assert_eq!(ann.patch(&at, &json!({"enabled": false})).is(200).json()["pause"], made["pause"]);
    let shown = ann.get(&at).is(200).json();
    assert_eq!(ann.put(&at, &shown).is(200).json()["pause"], made["pause"], "what was read can be put back");
    assert_eq!(ann.patch(&at, &json!({"pause": null})).is(200).json()["enabled"], false, "it stays paused");
    let past = "2020-01-01T00:00:00Z";
    for (body, field) in [
        (json!({"pause": {"until": past}}), "pause.until"),
        (json!({"pause": {"until": "soon"}}), "pause.until"),
        (json!({"pause": {"reason": "a\nb"}}), "pause.reason"),
        (json!({"pause": {"reason": "x".repeat(501)}}), "pause.reason"),
        (json!({"pause": {"why": "x"}}), "pause.why"),
        (json!({"pause": "now"}), "pause"),
        (json!({"enabled": true, "pause": {"reason": "x"}}), "pause"),
    ] {
        ann.patch(&at, &body).blames(field);
    }
    let end = in_ms(900);
    ann.patch(&at, &json!({"pause": {"reason": "the inventory", "until": end}})).is(200);
    let resumed =
        until("the pause is over", || Some(ann.get(&at).is(200).json()).filter(|shown| shown["enabled"] == true));
    assert_eq!(resumed["pause"], Value::Null);
    ann.patch(&at, &json!({"pause": {"reason": "the inventory", "until": end}})).blames("pause.until");
    let names = |changes: &Value| -> Vec<Value> {
        changes.as_array().expect("a list").iter().map(|change| change["field"].clone()).collect()
    };
    let told = ann.patch(&format!("{at}?dry_run=true"), &json!({"name": "later"})).is(200).json();
    assert_eq!(names(&told["changes"]), ["name"], "nobody ends what is over");
    let page = || ann.get(&format!("/ui/triggers/{id}/revisions")).is(200).text.matches("the inventory").count();
    let before = page();
    assert!(before > 0, "it is told with the revision that paused");
    ann.patch(&at, &json!({"name": "later"})).is(200);
    let latest = ann.get(&format!("{at}/revisions?limit=1")).is(200).list().remove(0);
    assert_eq!(names(&latest["changes"]), ["name"], "{latest}");
    assert_eq!(page(), before, "and not with the one that came after its end");
    ann.post_nothing(&format!("{at}/fire")).is(200);
    let resumed = ann.patch(&at, &json!({"pause": {"reason": "again"}})).is(200).json();
    assert_eq!(resumed["pause"]["until"], Value::Null, "what was said before is over");
    let enabled = ann.patch(&at, &json!({"enabled": true})).is(200).json();
    assert_eq!((&enabled["enabled"], &enabled["pause"]), (&json!(true), &Value::Null));
}

#[test]
fn a_trigger_that_was_made_paused_waits_for_nothing() {
    let server = Server::start();
    let ann = server.user();
    let (id, made) = make(&ann, &json!({"type": "scheduled", "schedule_details": {"every": "1s"}, "enabled": false}));
    assert_eq!(made["enabled"], false);
    seconds_pass(&ann, 3);
    assert!(events(&ann, id).is_empty());
}

#[test]
fn an_occurrence_at_or_after_the_expiry_does_not_fire() {
    let server = Server::start();
    let ann = server.user();
    let body = json!({"type": "scheduled", "schedule_details": {"every": "1s", "start_at": in_ms(500)}, "expires_at": in_ms(1600)});
    let (id, made) = make(&ann, &body);
    until("it fires", || events(&ann, id).pop());
    seconds_pass(&ann, 4);
    let fired = events(&ann, id);
    assert_eq!(fired.len(), 2, "{fired:?}");
    assert!(fired.iter().all(|event| instant(&event["scheduled_at"]) < instant(&made["expires_at"])));
}

#[test]
fn a_test_trigger_logs_one_event_at_once_and_is_never_scheduled() {
    let server = Server::start();
    let ann = server.user();
    let (id, made) = make(
        &ann,
        &json!({"name": "tried", "type": "scheduled", "schedule_details": {"every": "1s"}, "is_test": true}),
    );
    assert_eq!(made["is_test"], true);
    let fired = events(&ann, id);
    assert_eq!(fired.len(), 1, "at once");
    assert_eq!((&fired[0]["is_manual_test"], &fired[0]["scheduled_at"]), (&json!(true), &Value::Null));
    seconds_pass(&ann, 3);
    assert_eq!(events(&ann, id).len(), 1);
    assert_eq!(ann.get(&format!("/api/v1/triggers/{id}")).is(200).json()["name"], "tried", "it is kept");
}

#[test]
fn an_edit_holds_from_its_answer_on() {
    let server = Server::start();
    let ann = server.user();
    let (id, _) = make(&ann, &json!({"name": "old", "type": "scheduled", "schedule_details": {"every": "1s"}}));
    until("it fires", || events(&ann, id).pop());
    ann.patch(&format!("/api/v1/triggers/{id}"), &json!({"name": "new"})).is(200);
    let edited = events(&ann, id).len();
    let fired = until("it fires again", || Some(events(&ann, id)).filter(|events| events.len() >= edited + 2));
    assert!(fired[..fired.len() - edited].iter().all(|event| event["name"] == "new"), "{fired:?}");
}

#[test]
fn a_deleted_trigger_fires_no_more_and_its_events_stay() {
    let server = Server::start();
    let ann = server.user();
    let (id, _) = make(&ann, &json!({"name": "short", "type": "scheduled", "schedule_details": {"every": "1s"}}));
    until("it fires", || events(&ann, id).pop());
    ann.delete(&format!("/api/v1/triggers/{id}")).is(204);
    let left = events(&ann, id);
    seconds_pass(&ann, 3);
    assert_eq!(events(&ann, id), left);
    assert!(left.iter().all(|event| event["name"] == "short"), "under the name they fired with: {left:?}");
}

#[test]
fn trying_a_trigger_out_moves_no_occurrence() {
    let server = Server::start();
    let ann = server.user();
    let (id, _) = make(&ann, &json!({"type": "scheduled", "schedule_details": {"every": "1h"}}));
    let upcoming = || ann.get(&format!("/api/v1/triggers/{id}/upcoming")).is(200).json();
    let before = upcoming();
    ann.post_nothing(&format!("/api/v1/triggers/{id}/test")).is(200);
    assert_eq!(upcoming(), before);
}
