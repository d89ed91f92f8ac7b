//! A trigger that cannot be read, on either store: it is listed with what is wrong with it, its page and "why" answer for it, and once it was
//! replaced the time in which it could not fire is on record.

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::server::{Server, Setup};
use crate::support::time::{in_ms, instant};
use crate::support::wait::until;

const PROBLEM: &str = "the time zone Mars/Base is not known to this release";

fn make(ann: &Client, body: &Value) -> i64 {
    ann.post("/api/v1/triggers", body).is(201).json()["id"].as_i64().expect("an integer")
}

fn ids(listed: &[Value]) -> Vec<i64> {
    listed.iter().filter_map(|one| one["id"].as_i64()).collect()
}

/// A server on which a trigger that fired each second was left to a zone that nobody knows, between two others; its owner, the three, and when the
/// last event of it was due.
struct Scene {
    server: Server,
    ann: Client,
    triggers: [i64; 3],
    fired: String,
}

impl Scene {
    fn set() -> Scene {
        let server = Server::start();
        let ann = server.user();
        let before = make(&ann, &json!({"name": "before", "type": "api"}));
        let each_second = json!({"every": "1s", "timezone": "Europe/Riga"});
        let lost = make(&ann, &json!({"name": "lost", "type": "scheduled", "schedule_details": each_second}));
        let after = make(&ann, &json!({"name": "after", "type": "api"}));
        let events = format!("/api/v1/event_logs?trigger_id={lost}&limit=1");
        until("it fires", || ann.get(&events).is(200).list().pop());
        let setup: Setup = server.stop();
        setup.sql(&format!(
            "UPDATE triggers SET schedule = replace(schedule, 'Europe/Riga', 'Mars/Base') WHERE id = {lost}"
        ));
        let server = setup.serve();
        let ann = ann.at(server.base());
        let last = ann.get(&events).is(200).list().pop().expect("it fired");
        let fired = last["scheduled_at"].as_str().expect("it was on cue").to_owned();
        Scene { server, ann, triggers: [before, lost, after], fired }
    }

    fn why(&self, query: &str) -> Value {
        self.ann.get(&format!("/api/v1/triggers/{}/why?{query}", self.triggers[1])).is(200).json()
    }

    /// What it waits for, by the account of the time since it last fired, once that is due.
    fn waits_for(&self) -> String {
        let told = self.why(&format!("from={}&to={}", self.fired, in_ms(3_600_000)));
        let waits_for = told["unreadable"]["from"].as_str().unwrap_or_else(|| panic!("nothing: {told}")).to_owned();
        let is_past = |told: &Value| told["sentence"].as_str().is_some_and(|words| words.contains("did not fire"));
        until("its time has come", || Some(self.why(&format!("at={waits_for}"))).filter(is_past));
        waits_for
    }
}

#[test]
fn a_list_shows_it_in_its_place_with_what_is_wrong_and_shows_the_others_as_ever() {
    let Scene { server, ann, triggers, .. } = Scene::set();
    let [before, lost, after] = triggers;
    let listed = ann.get("/api/v1/triggers").is(200).list();
    assert_eq!(ids(&listed), triggers);
    let shown = &listed[1];
    assert_eq!(shown["problem"], json!({"field": "schedule_details", "detail": PROBLEM}));
    assert_eq!(
        (&shown["name"], &shown["type"], &shown["enabled"]),
        (&json!("lost"), &json!("scheduled"), &json!(true))
    );
    assert_eq!(
        (&shown["schedule_details"], &shown["next_at"], &shown["revision"]),
        (&Value::Null, &Value::Null, &json!(1))
    );
    assert!(shown["created_at"].is_string(), "{shown}");
    assert!([&listed[0], &listed[2]].iter().all(|one| one.get("problem").is_none()), "{listed:?}");
    let page = ann.get("/api/v1/triggers?limit=2").is(200);
    assert_eq!(ids(&page.list()), [before, lost]);
    let next = page.next_page().expect("there is more");
    assert_eq!(ids(&ann.get(&next).is(200).list()), [after]);
    let flat = ann.get("/triggers").is(200);
    assert_eq!(ids(&flat.list()), [before, after], "six fields cannot say it");
    let page = ann.get("/triggers?limit=2").is(200);
    assert_eq!(ids(&page.list()), [before]);
    assert_eq!(ids(&ann.get(&page.next_page().expect("there is more")).is(200).list()), [after]);
    // What was read there is not all of it.
    let at = format!("/api/v1/triggers/{lost}");
    ann.put(&at, shown).blames("problem");
    let told = ann.get(&at).problem(409);
    let detail = told["detail"].as_str().expect("a sentence");
    for words in [format!("schedule_details: {PROBLEM}").as_str(), "(PUT)", "delete it"] {
        assert!(detail.contains(words), "{words}: {detail}");
    }
    let ben = server.register("ben@example.com");
    assert_eq!(ben.get("/api/v1/triggers").is(200).list(), Vec::<Value>::new());
    for path in [&at, &format!("{at}/why?at=2035-01-01T00:00:00Z"), &format!("/ui/triggers/{lost}")] {
        assert_eq!(ben.get(path).status, 404, "{path}");
    }
}

#[test]
fn why_tells_what_it_fired_and_that_nobody_can_tell_the_rest() {
    let scene = Scene::set();
    let lost = scene.triggers[1];
    let told = scene.why(&format!("at={}", scene.fired));
    assert!(told["event"]["id"].is_i64() && told["disposition"] != "unreadable", "{told}");
    assert_eq!(told["problem"]["detail"], PROBLEM);
    let waits_for = scene.waits_for();
    let told = scene.why(&format!("at={waits_for}"));
    assert_eq!((&told["disposition"], &told["is_occurrence"]), (&json!("unreadable"), &json!(true)), "{told}");
    let sentence = told["sentence"].as_str().expect("a sentence");
    assert!(sentence.ends_with(&format!("the trigger cannot be read: schedule_details: {PROBLEM}.")), "{sentence}");
    let told = scene.why("at=2035-01-01T09:00:00Z");
    assert_eq!((&told["disposition"], &told["is_occurrence"]), (&json!("unreadable"), &Value::Null), "{told}");
    assert!(told["advice"][0].as_str().is_some_and(|line| line.contains("PUT")), "{told}");
    let span = scene.why(&format!("from={}&to={}", scene.fired, in_ms(3_600_000)));
    assert_eq!((&span["counts"]["unreadable"], &span["problem"]["field"]), (&json!(1), &json!("schedule_details")));
    let said = scene.server.setup().run(&["why", &lost.to_string(), "--at", &waits_for], "");
    assert_eq!(said.0.code(), Some(0), "{}", said.1);
    assert!(said.1.contains("cannot be read") && said.1.contains(PROBLEM), "{}", said.1);
    let page = scene.ann.get(&format!("/ui/triggers/{lost}/why?at={waits_for}")).is(200).text;
    assert!(page.contains("unreadable") && page.contains(PROBLEM), "{page}");
}

#[test]
fn pages_show_it_and_it_can_be_deleted_there() {
    let Scene { ann, triggers, server: _server, .. } = Scene::set();
    let at = format!("/ui/triggers/{}", triggers[1]);
    let list = |query: &str| ann.get(&format!("/ui/triggers{query}")).is(200).text;
    for query in ["", "?state=unreadable", "?q=mars%2Fbase", "?kind=every"] {
        assert!(list(query).contains(PROBLEM), "{query}");
    }
    for query in ["?state=active", "?q=before", "?kind=api"] {
        assert!(!list(query).contains(PROBLEM), "{query}");
    }
    assert!(list("").contains("3 triggers") && list("?state=unreadable").contains("1 of 3 triggers"));
    assert!(ann.get("/api/v1/triggers/triggers_html").is(200).text.contains(PROBLEM));
    until("the overview tells", || Some(ann.get("/").is(200).text).filter(|page| page.contains(PROBLEM)));
    let page = ann.get(&at).is(200).text;
    for words in [PROBLEM, "does not fire", "/events/", "-X PUT", &format!("{at}/delete"), &format!("{at}/why")] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let event = ann.get(&format!("/api/v1/event_logs?trigger_id={}&limit=1", triggers[1])).is(200).list().pop();
    let page = ann.get(&format!("/events/{}", event.expect("it fired")["id"])).is(200).text;
    for words in [format!("<a href=\"{at}\">lost</a>").as_str(), "Scheduled for", "Fired and recorded"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let page = ann.get(&format!("{at}/delete")).is(200).text;
    assert!(page.contains(PROBLEM) && page.contains("only its events are left"), "{page}");
    let page = ann.get(&format!("/ui/triggers/{}/delete", triggers[0])).is(200).text;
    assert!(!page.contains("only its events are left"), "{page}");
    ann.call("POST", &format!("{at}/delete")).form(&[("confirm", "lost")]).send().is(303);
    assert_eq!(ids(&ann.get("/api/v1/triggers").is(200).list()), [triggers[0], triggers[2]]);
    assert_eq!(ann.get(&format!("/api/v1/triggers/{}/why?at=2035-01-01T00:00:00Z", triggers[1])).status, 404);
    let events = ann.get(&format!("/api/v1/event_logs?trigger_id={}&limit=1", triggers[1])).is(200).list();
    assert_eq!(events.len(), 1, "its events are left");
}

#[test]
fn what_is_done_to_many_at_once_is_done_to_the_others_and_it_is_named() {
    let Scene { ann, triggers, server: _server, .. } = Scene::set();
    let [before, lost, after] = triggers;
    let chosen = format!("{before},{lost},{after}");
    let act = |action: &str, confirm: &str| {
        let form = [("ids", chosen.as_str()), ("action", action), ("confirm", confirm)];
        ann.call("POST", "/ui/triggers/selected").form(&form).send()
    };
    let is_enabled = |id: i64| ann.get(&format!("/api/v1/triggers/{id}")).is(200).json()["enabled"].clone();
    for (action, done, enabled) in [("pause", "paused", false), ("resume", "resumed", true)] {
        let told = act(action, "").is(303);
        let address = format!("/ui/triggers?done={done}&ids={before},{after}&unread={lost}");
        assert_eq!(told.header("location"), address);
        assert_eq!([before, after].map(is_enabled), [json!(enabled), json!(enabled)]);
        let page = ann.get(&address).is(200).text;
        let left = format!("is left as it is: <a href=\"/ui/triggers/{lost}\">trigger {lost}</a>.");
        assert!(page.contains(&left), "{page}");
        assert_eq!(act(action, "").is(303).header("location"), format!("/ui/triggers?done=unchanged&unread={lost}"));
    }
    let exported: Value = serde_json::from_str(&act("export", "").is(200).text).expect("JSON");
    let exported = exported.as_array().expect("a list");
    assert_eq!(ids(exported), triggers);
    assert_eq!(exported[1]["problem"]["detail"], PROBLEM);
    let question = act("delete", "").is(422).text;
    assert!(question.contains(PROBLEM) && question.contains("only its events are left"), "{question}");
    assert_eq!(act("delete", "3").is(303).header("location"), "/ui/triggers?done=deleted&count=3");
    assert_eq!(ann.get("/api/v1/triggers").is(200).list(), Vec::<Value>::new());
}

#[test]
fn once_it_was_replaced_the_silence_is_on_record() {
    let scene = Scene::set();
    let at = format!("/api/v1/triggers/{}", scene.triggers[1]);
    let waits_for = scene.waits_for();
    let hourly = json!({"name": "lost", "schedule_details": {"every": "1h"}});
    let would = scene.ann.put(&format!("{at}?dry_run=true"), &hourly).is(200).json();
    assert_eq!(would["skipped"][0]["reason"], "unreadable", "{would}");
    scene.ann.put(&at, &hourly).is(200);
    let records = scene.ann.get(&format!("{at}/skipped")).is(200).list();
    assert_eq!(records.len(), 1, "{records:?}");
    let record = &records[0];
    assert_eq!(
        (&record["reason"], &record["first"], &record["count"]),
        (&json!("unreadable"), &json!(waits_for), &json!(1))
    );
    assert_eq!(record["last"], record["recorded_at"]);
    let told = scene.why(&format!("at={waits_for}"));
    assert_eq!((&told["disposition"], &told["is_occurrence"]), (&json!("unreadable"), &json!(true)), "{told}");
    assert_eq!((&told["skipped"]["count"], &told["problem"]), (&json!(1), &Value::Null), "{told}");
    // A little later nobody can tell whether there was anything.
    let between = instant(&record["first"]) + jiff::SignedDuration::from_millis(7);
    let told = scene.why(&format!("at={between}"));
    assert_eq!(
        (&told["disposition"], &told["skipped"]["reason"]),
        (&json!("unreadable"), &json!("unreadable")),
        "{told}"
    );
    let listed = scene.ann.get("/api/v1/triggers").is(200).list();
    assert!(listed.iter().all(|one| one.get("problem").is_none()), "{listed:?}");
}

#[test]
fn one_that_was_made_at_no_instant_is_shown_and_replaced_and_deleted_as_any_other() {
    let server = Server::start();
    let ann = server.user();
    let hourly = json!({"name": "hourly", "type": "scheduled", "schedule_details": {"every": "1h"}});
    let spoilt = ["created_at", "standing_since"].map(|column| (column, make(&ann, &hourly)));
    let deleted = make(&ann, &hourly);
    let setup: Setup = server.stop();
    for (column, id) in spoilt.iter().chain([&("created_at", deleted)]) {
        setup.sql(&format!("UPDATE triggers SET {column} = 9000000000000000000 WHERE id = {id}"));
    }
    let server = setup.serve();
    let ann = ann.at(server.base());
    assert_eq!(ann.get("/api/v1/triggers").is(200).list().len(), 3);
    for (column, id) in spoilt {
        let at = format!("/api/v1/triggers/{id}");
        ann.get(&at).problem(409);
        let page = ann.get(&format!("/ui/triggers/{id}")).is(200).text;
        assert!(page.contains("does not fire"), "{column}: {page}");
        ann.get(&format!("/ui/triggers/{id}/delete")).is(200);
        let told = ann.get(&format!("{at}/why?at=2035-01-01T00:00:00Z")).is(200).json();
        assert_eq!(told["disposition"], "unreadable", "{column}: {told}");
        ann.put(&format!("{at}?dry_run=true"), &hourly).is(200);
        ann.put(&at, &hourly).is(200);
        assert!(ann.get(&at).is(200).json()["next_at"].is_string(), "{column}: it fires again");
    }
    ann.call("POST", &format!("/ui/triggers/{deleted}/delete")).form(&[("confirm", "hourly")]).send().is(303);
    ann.get(&format!("/api/v1/triggers/{deleted}")).problem(404);
}
