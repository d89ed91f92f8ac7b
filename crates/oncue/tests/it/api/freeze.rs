//! `/api/v1/freeze`: while it lasts nothing fires that schedules name, no trigger is changed by it, and nothing fires late.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::server::Server;
use crate::support::time::{in_ms, instant};
use crate::support::wait::until;

const FREEZE: &str = "/api/v1/freeze";

fn every_second(ann: &Client) -> i64 {
    let body = json!({"type": "scheduled", "schedule_details": {"every": "1s"}});
    ann.post("/api/v1/triggers", &body).is(201).json()["id"].as_i64().expect("an integer")
}

fn events(ann: &Client, id: i64) -> Vec<Value> {
    ann.get(&format!("/api/v1/event_logs?trigger_id={id}")).is(200).list()
}

fn records(ann: &Client, id: i64) -> Vec<Value> {
    ann.get(&format!("/api/v1/triggers/{id}/skipped")).is(200).list()
}

/// Waits until the record of what is held back tells of at least so many.
fn held_back(ann: &Client, id: i64, count: u64) -> Value {
    until("it is held back", || records(ann, id).pop().filter(|record| record["count"].as_u64() >= Some(count)))
}

#[test]
fn nothing_fires_from_the_answer_on_until_somebody_thaws() {
    let server = Server::start();
    let (ann, ben) = (server.user(), server.register("ben@example.com"));
    let (id, bens) = (every_second(&ann), every_second(&ben));
    until("it fires", || events(&ann, id).pop());
    let trigger = ann.get(&format!("/api/v1/triggers/{id}")).is(200).json();
    let frozen = ann.post(FREEZE, &json!({"reason": "The warehouse moves"})).is(200).json();
    assert_eq!((&frozen["scope"], &frozen["until"]), (&json!("mine"), &Value::Null));
    assert_eq!(frozen["by"]["name"], "ann@example.com");
    let before = events(&ann, id);
    let record = held_back(&ann, id, 2);
    assert_eq!(record["reason"], "frozen");
    assert_eq!(events(&ann, id), before, "it holds from its answer on");
    until("another's fire on", || (events(&ben, bens).len() >= 3).then_some(()));
    let now = ann.get(&format!("/api/v1/triggers/{id}")).is(200).json();
    assert_eq!((&now["enabled"], &now["revision"]), (&trigger["enabled"], &trigger["revision"]), "it is not touched");
    let first = record["first"].as_str().expect("an instant").to_owned();
    let told = ann.get(&format!("/api/v1/triggers/{id}/why?at={first}")).is(200).json();
    assert_eq!((&told["disposition"], &told["freeze"]["reason"]), (&json!("frozen"), &json!("The warehouse moves")));
    let ahead = Timestamp::now() + SignedDuration::from_hours(1);
    let told = ann.get(&format!("/api/v1/triggers/{id}/why?at={ahead}")).is(200).json();
    assert_eq!(told["disposition"], "frozen", "{told}");
    let upcoming = ann.get(&format!("/api/v1/triggers/{id}/upcoming")).is(200).json();
    assert_eq!(upcoming["occurrences"], json!([]), "nothing, until somebody thaws");
    assert_eq!(ann.get("/api/v1/upcoming").is(200).json()["occurrences"], json!([]));
    assert_eq!(server.nobody().get("/healthz/schedule").is(200).json()["status"], "on time");
    ann.post_nothing(&format!("/api/v1/triggers/{id}/test")).is(200);

    let thawing_at = Timestamp::now();
    ann.delete(FREEZE).is(204);
    ann.delete(FREEZE).problem(404);
    let after = until("it fires again", || {
        let scheduled = |event: &Value| event["scheduled_at"].is_string() && !before.contains(event);
        let newly: Vec<Value> = events(&ann, id).into_iter().filter(scheduled).collect();
        Some(newly).filter(|newly| !newly.is_empty())
    });
    assert!(after.iter().all(|event| instant(&event["scheduled_at"]) >= thawing_at), "nothing fires late: {after:?}");
    assert_eq!(records(&ann, id).len(), 1, "one record, however long it lasted");
    assert_eq!(ann.get(FREEZE).is(200).list(), [] as [Value; 0]);
}

#[test]
fn why_names_all_that_stands_in_the_way_of_what_is_to_come() {
    let server = Server::start();
    let ann = server.user();
    let details = json!({"cron": "0 12 * * *", "timezone": "UTC", "max_fires": 1});
    let body = json!({"type": "scheduled", "schedule_details": details, "expires_at": "2031-01-05T00:00:00Z"});
    let id = ann.post("/api/v1/triggers", &body).is(201).json()["id"].clone();
    let why = |at: &str| ann.get(&format!("/api/v1/triggers/{id}/why?at={at}")).is(200).json();
    let ways = |told: &Value| {
        let all = told["obstacles"].as_array().expect("a list");
        all.iter().map(|one| one["disposition"].as_str().expect("a word").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ways(&why("2031-01-04T12:00:00Z")), ["spent"]);
    ann.patch(&format!("/api/v1/triggers/{id}"), &json!({"enabled": false})).is(200);
    ann.post(FREEZE, &json!({"until": "2032-01-01T00:00:00Z"})).is(200);
    let told = why("2031-01-05T12:00:00Z");
    assert_eq!(ways(&told), ["expired", "paused", "frozen", "spent"], "{told}");
    assert_eq!(
        (&told["disposition"], &told["obstacles"][2]["until"]),
        (&json!("expired"), &json!("2032-01-01T00:00:00Z"))
    );
    let sentence = told["sentence"].as_str().expect("a text");
    assert!(sentence.contains("This stands in the way as well: the trigger is paused; all of this"), "{sentence}");
    let page = ann.get(&format!("/ui/triggers/{id}/why?at=2031-01-05T12:00:00")).is(200).text;
    assert!(page.contains("<ul id=\"obstacles\"><li>the trigger expires at"), "{page}");
}

#[test]
fn the_operator_freezes_everybody_and_an_end_comes_by_itself() {
    let server = Server::start();
    let (ann, ben) = (server.user(), server.register("ben@example.com"));
    let id = every_second(&ben);
    until("it fires", || events(&ben, id).pop());
    ben.post(FREEZE, &json!({"scope": "server"})).problem(403);
    ben.delete(&format!("{FREEZE}?scope=server")).problem(403);
    let end = in_ms(3_300);
    ann.post(FREEZE, &json!({"scope": "server", "until": end})).is(200);
    let shown = ben.get(FREEZE).is(200).list();
    assert_eq!((shown.len(), &shown[0]["scope"], &shown[0]["until"]), (1, &json!("server"), &json!(end)));
    let upcoming = ben.get(&format!("/api/v1/triggers/{id}/upcoming")).is(200).json();
    assert!(instant(&upcoming["occurrences"][0]) >= instant(&json!(end)), "{upcoming}");
    let before = events(&ben, id);
    let after = until("it goes on", || Some(events(&ben, id)).filter(|events| events.len() > before.len()));
    let newly: Vec<&Value> = after.iter().filter(|event| !before.contains(event)).collect();
    assert!(newly.iter().all(|event| instant(&event["scheduled_at"]) >= instant(&json!(end))), "{newly:?}");
    let thawed = until("its end is told", || ann.get("/api/v1/audit?object=server&action=thawed").is(200).list().pop());
    assert_eq!((&thawed["by"]["kind"], instant(&thawed["at"])), (&json!("system"), instant(&json!(end))), "{thawed}");
    assert_eq!(ben.get(FREEZE).is(200).list(), [] as [Value; 0]);
    assert_eq!(records(&ben, id)[0]["reason"], "frozen");
}

#[test]
fn a_freeze_outlives_the_server_and_what_is_said_of_it_is_checked() {
    let server = Server::start();
    let ann = server.user();
    let id = every_second(&ann);
    until("it fires", || events(&ann, id).pop());
    for (body, field) in [
        (json!({"until": "2020-01-01T00:00:00Z"}), "until"),
        (json!({"until": "soon"}), "until"),
        (json!({"reason": "a\nb"}), "reason"),
        (json!({"scope": "all"}), "scope"),
        (json!({"why": "x"}), "why"),
    ] {
        ann.post(FREEZE, &body).blames(field);
    }
    ann.delete(&format!("{FREEZE}?scope=all")).blames("scope");
    ann.post(FREEZE, &json!({})).is(200);
    let server = server.kill().serve();
    let ann = ann.at(server.base());
    let before = events(&ann, id);
    held_back(&ann, id, 2);
    assert_eq!(events(&ann, id), before);
    let again = ann.post(FREEZE, &json!({"reason": "still"})).is(200).json();
    assert_eq!(ann.get(FREEZE).is(200).list(), [again]);
}

#[test]
fn nobody_freezes_and_thaws_without_pause_and_numbers_tell_how_many_freezes_hold() {
    let server = Server::start();
    let (ann, ben) = (server.user(), server.register("ben@example.com"));
    let metrics = || server.nobody().get("/metrics").is(200).text;
    assert!(metrics().contains("oncue_freezes{scope=\"mine\"} 0"), "{}", metrics());
    ben.post(FREEZE, &json!({})).is(200);
    assert!(metrics().contains("oncue_freezes{scope=\"mine\"} 1"), "{}", metrics());
    assert!(metrics().contains("oncue_freezes{scope=\"server\"} 0"), "{}", metrics());
    let refused = (0..60).map(|_| ben.post(FREEZE, &json!({}))).find(|answer| answer.status != 200);
    let refused = refused.expect("it is too often").is(429);
    assert!(refused.header("retry-after").parse::<u64>().is_ok_and(|wait| wait <= 6), "{refused:?}");
    ben.delete(FREEZE).problem(429);
    ann.post(FREEZE, &json!({})).is(200);
}

#[test]
fn whatever_tells_what_is_to_come_knows_of_it() {
    let server = Server::start();
    let ann = server.user();
    let hourly = json!({"type": "scheduled", "schedule_details": {"every": "1h"}});
    let id = ann.post("/api/v1/triggers", &hourly).is(201).json()["id"].as_i64().expect("an integer");
    let asked = || {
        let change = json!({"schedule_details": {"every": "30m"}});
        let told = ann.patch(&format!("/api/v1/triggers/{id}?dry_run=true"), &change).is(200).json();
        (told["occurrences"]["added"].clone(), told["occurrences"]["kept"].clone())
    };
    let forecast = || ann.get("/api/v1/forecast?days=1").is(200).json();
    let listed =
        |state: &str| ann.get(&format!("/ui/triggers?state={state}")).is(200).text.contains("/ui/triggers/1\"");
    let next_page = || ann.get(&format!("/ui/triggers/{id}")).is(200).text;
    assert_eq!((&forecast()["fires"], &forecast()["never"]), (&json!(24), &json!([])));
    assert!(listed("waiting") && !listed("frozen"));

    ann.post(FREEZE, &json!({})).is(200);
    assert_eq!(asked(), (json!([]), json!(0)), "nothing comes, before the change and after it");
    let told = forecast();
    assert_eq!(
        (&told["fires"], &told["never"][0]["reason"], &told["never_total"]),
        (&json!(0), &json!("frozen"), &json!(1))
    );
    assert!(listed("frozen") && !listed("waiting"));
    assert!(next_page().contains("none while triggers are frozen"));
    assert!(ann.get("/upcoming").is(200).text.contains("1 frozen"));
    assert!(ann.get("/api/v1/triggers/triggers_html").is(200).text.contains("frozen"));

    let end = Timestamp::now() + SignedDuration::from_mins(150);
    ann.post(FREEZE, &json!({"until": end})).is(200);
    let (added, _) = asked();
    assert!(instant(&added[0]) >= end, "{added}");
    let told = forecast();
    assert_eq!((&told["fires"], &told["never"]), (&json!(22), &json!([])), "{told}");
    assert!(listed("frozen"));
    assert!(!ann.get("/upcoming?span=24h").is(200).text.contains("1 frozen"), "it fires by itself later");
    ann.delete(FREEZE).is(204);
    assert_eq!(forecast()["fires"], 24);
}

#[test]
fn what_waits_in_a_backlog_waits_on() {
    let server = Server::start();
    let ann = server.user();
    let daily = json!({"type": "scheduled", "schedule_details": {"cron": "0 9 * * *"}});
    let id = ann.post("/api/v1/triggers", &daily).is(201).json()["id"].as_i64().expect("an integer");
    ann.post(FREEZE, &json!({})).is(200);
    let span = json!({"from": "2026-01-01T00:00:00Z", "to": "2026-01-04T00:00:00Z", "dry_run": false});
    ann.post(&format!("/api/v1/triggers/{id}/backfill"), &span).is(200);
    // Another's fires meanwhile, so somebody has looked.
    let ben = server.register("ben@example.com");
    let bens = ben.post("/api/v1/triggers", &daily).is(201).json()["id"].as_i64().expect("an integer");
    ben.post(&format!("/api/v1/triggers/{bens}/backfill"), &span).is(200);
    until("another's is done", || (events(&ben, bens).len() == 3).then_some(()));
    assert_eq!(events(&ann, id), [] as [Value; 0]);
    assert_eq!(ann.get("/api/v1/backlog").is(200).json()["backlogs"][0]["left"], 3);
    ann.delete(FREEZE).is(204);
    until("it fires", || (events(&ann, id).len() == 3).then_some(()));
}

#[test]
fn the_page_freezes_and_thaws_and_says_what_is_wrong_with_what_was_typed() {
    let server = Server::start();
    let (ann, ben) = (server.user(), server.register("ben@example.com"));
    let page = |who: &Client| who.get("/ui/freeze").is(200).text;
    assert!(page(&ann).contains("Everybody&#39;s triggers") || page(&ann).contains("Everybody's triggers"));
    assert!(!page(&ben).contains("id=\"server\""), "that is the operator's");
    let send = |who: &Client, path: &str, form: &[(&str, &str)]| who.call("POST", path).form(form).send();
    let wrong = send(&ben, "/ui/freeze", &[("reason", "moving"), ("until", "2020-01-01T00:00")]).is(422).text;
    assert!(wrong.contains("must be in the future") && wrong.contains("value=\"moving\""), "{wrong}");
    send(&ben, "/ui/freeze", &[("scope", "server")]).is(403);
    send(&ben, "/ui/freeze", &[("scope", "all")]).is(422);
    send(&ben, "/ui/freeze", &[("reason", "moving")]).is(303);
    send(&ann, "/ui/freeze", &[("scope", "server"), ("reason", "<b>everything</b>")]).is(303);
    let shown = ben.get("/").is(200).text;
    assert_eq!(shown.matches("data-freeze").count(), 2);
    assert!(shown.contains("moving") && !shown.contains("<b>everything") && shown.contains("by the operator"));
    assert!(!shown.contains("ann@example.com"), "who that is is none of his");
    let told = ben.get(FREEZE).is(200).list();
    assert_eq!((&told[0]["by"]["name"], &told[1]["by"]), (&json!("ben@example.com"), &Value::Null));
    assert_eq!(ann.get("/").is(200).text.matches("data-freeze").count(), 1, "his own is none of hers");
    send(&ben, "/ui/freeze/end", &[("scope", "server")]).is(403);
    send(&ben, "/ui/freeze/end", &[("scope", "mine")]).is(303);
    send(&ann, "/ui/freeze/end", &[("scope", "server")]).is(303);
    assert_eq!(ben.get(FREEZE).is(200).list(), [] as [Value; 0]);
}
