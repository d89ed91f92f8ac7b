//! `/api/v1/triggers/{id}/why`: what became of an instant and of a span, and why something is no occurrence.

use std::thread::sleep;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::server::Server;
use crate::support::server::Setup;
use crate::support::time::{in_ms, instant};
use crate::support::wait::until;

fn make(ann: &Client, body: &Value) -> i64 {
    ann.post("/api/v1/triggers", body).is(201).json()["id"].as_i64().expect("an integer")
}

fn scheduled(details: &Value) -> Value {
    json!({"name": "timed", "type": "scheduled", "schedule_details": details})
}

fn why(ann: &Client, id: i64, at: &str) -> Value {
    ann.get(&format!("/api/v1/triggers/{id}/why?at={at}")).is(200).json()
}

fn events(ann: &Client, id: i64) -> Vec<Value> {
    ann.get(&format!("/api/v1/event_logs?trigger_id={id}")).is(200).list()
}

#[test]
fn what_fired_names_its_event_and_how_late_it_was() {
    let server = Server::start();
    let ann = server.user();
    let id = make(&ann, &scheduled(&json!({"every": "1s"})));
    let event = until("it fires", || events(&ann, id).pop());
    let at = event["scheduled_at"].as_str().expect("it was on cue");
    let told = why(&ann, id, at);
    assert!(["fired", "fired_late"].contains(&told["disposition"].as_str().expect("a word")), "{told}");
    assert_eq!((&told["asked_at"], &told["at"], &told["is_occurrence"]), (&json!(at), &json!(at), &json!(true)));
    assert_eq!((&told["event"]["id"], &told["event"]["is_kept"]), (&event["id"], &json!(true)));
    assert!(told["event"]["lateness_ms"].as_f64().is_some_and(|late| late >= 0.0), "{told}");
    let sentence = told["sentence"].as_str().expect("a sentence");
    assert!(
        sentence.starts_with("The occurrence of ") && sentence.contains(&format!("as event {}", event["id"])),
        "{sentence}"
    );
    assert_eq!((&told["revision"], &told["timezone"], &told["skipped"]), (&json!(1), &json!("UTC"), &Value::Null));
    assert!(told["tzdata"].as_str().is_some_and(|release| !release.is_empty()), "{told}");
    // Asked to the second, the occurrence within that second is meant.
    let second = instant(&event["scheduled_at"]).as_second();
    let told = why(&ann, id, &Timestamp::from_second(second).expect("in range").to_string());
    assert_eq!(told["at"], json!(at), "{told}");
}

#[test]
fn what_a_pause_held_back_is_told_while_it_lasts_and_afterwards() {
    let server = Server::start();
    let ann = server.user();
    let id = make(&ann, &scheduled(&json!({"every": "1s"})));
    let last = until("it fires", || events(&ann, id).pop());
    ann.patch(&format!("/api/v1/triggers/{id}"), &json!({"enabled": false})).is(200);
    let fired = events(&ann, id).len();
    let grid = instant(&last["scheduled_at"]);
    let held_back = grid + SignedDuration::from_secs(i64::try_from(fired).expect("few") + 1);
    until("it is past", || (Timestamp::now() > held_back + SignedDuration::from_millis(50)).then_some(()));
    let told = why(&ann, id, &held_back.to_string());
    assert_eq!((&told["disposition"], &told["skipped"]), (&json!("paused"), &Value::Null), "{told}");
    assert!(told["advice"][0].as_str().is_some_and(|advice| advice.starts_with("Resume the trigger")), "{told}");
    let ahead = held_back + SignedDuration::from_hours(1);
    let would = why(&ann, id, &ahead.to_string());
    let said = would["sentence"].as_str().expect("a sentence");
    assert!(said.contains("but it is paused: ann@example.com (from 127.0.0.1) paused it at "), "{said}");
    let edit = told["edit"].clone();
    assert_eq!((&edit["revision"], &edit["by"]["name"]), (&json!(2), &json!("ann@example.com")), "{told}");
    assert_eq!(would["edit"], edit);
    // Whoever edits it meanwhile has not paused it.
    let key = ann.post("/api/v1/api_keys", &json!({"name": "deploy", "scopes": ["read", "manage"]})).is(201).json();
    let program = Client::new(ann.base()).bearer(key["key"].as_str().expect("a key"));
    program.patch(&format!("/api/v1/triggers/{id}"), &json!({"name": "renamed", "enabled": true})).is(200);
    let told = why(&ann, id, &held_back.to_string());
    assert_eq!(told["edit"], edit, "{told}");
    let span = ann.get(&format!("/api/v1/triggers/{id}/why?from={held_back}")).is(200).json();
    assert_eq!(span["lines"][0]["edit"], edit, "{span}");
    assert_eq!((&told["disposition"], &told["skipped"]["reason"]), (&json!("paused"), &json!("paused")), "{told}");
    assert_eq!(why(&ann, id, &ahead.to_string())["disposition"], json!("to_come"));
}

#[test]
fn what_was_said_before_an_edit_decides_about_its_own_time() {
    let server = Server::start();
    let ann = server.user();
    let id =
        make(&ann, &scheduled(&json!({"cron": "0 9 * * *", "timezone": "UTC", "starts_at": "2035-01-01T00:00:00Z"})));
    let before = Timestamp::now();
    until("time has passed", || (Timestamp::now() > before + SignedDuration::from_millis(20)).then_some(()));
    ann.patch(&format!("/api/v1/triggers/{id}"), &json!({"schedule_details": {"every": "90m"}})).is(200);
    let told = why(&ann, id, &(before + SignedDuration::from_millis(10)).to_string());
    assert_eq!((&told["disposition"], &told["revision"]), (&json!("no_occurrence"), &json!(1)), "{told}");
    assert!(told["sentence"].as_str().is_some_and(|said| said.starts_with("\"0 9 * * *\" does not name")), "{told}");
    let path = format!("/api/v1/triggers/{id}/why?from={}", before - SignedDuration::from_hours(1));
    assert_eq!(ann.get(&path).is(200).json()["unknown"], Value::Null, "all that it ever said is kept");
    ann.patch(&format!("/api/v1/triggers/{id}"), &json!({"name": "renamed"})).is(200);
    let ahead = Timestamp::now() + SignedDuration::from_hours(2);
    assert_eq!(why(&ann, id, &ahead.to_string())["revision"], json!(3));
}

#[test]
fn a_cron_line_says_which_field_is_not_met_where_the_neighbours_are_and_what_would_help() {
    let server = Server::start();
    let ann = server.user();
    let id = make(&ann, &scheduled(&json!({"cron": "0 9 * * MON-FRI", "timezone": "Europe/Riga"})));
    // A Saturday.
    let told = why(&ann, id, "2035-01-06T09:00");
    assert_eq!((&told["disposition"], &told["is_occurrence"]), (&json!("no_occurrence"), &json!(false)));
    assert_eq!(told["asked_at"], "2035-01-06T07:00:00Z", "it is read in the trigger's zone");
    assert_eq!(told["unmet"], json!([{"field": "day_of_week", "wanted": "MON-FRI", "shown": "Saturday"}]));
    assert_eq!((&told["before"], &told["after"]), (&json!("2035-01-05T07:00:00Z"), &json!("2035-01-08T07:00:00Z")));
    assert_eq!(
        told["sentence"],
        "\"0 9 * * MON-FRI\" does not name Sat 6 Jan 2035 09:00 Europe/Riga: the day of the week, Saturday, does not match MON-FRI; its neighbours are Fri 5 Jan 2035 09:00 and Mon 8 Jan 2035 09:00."
    );
    assert_eq!(told["advice"], json!(["Let the day of the week (MON-FRI) take Saturday as well."]));
    let told = why(&ann, id, "2035-01-08T07:00:00Z");
    assert_eq!((&told["disposition"], &told["revision"]), (&json!("to_come"), &json!(1)));
    assert!(told["fires_before"].as_u64().is_some_and(|others| others > 1000), "{told}");
    let told = why(&ann, id, "2001-01-08T07:00:00Z");
    assert_eq!(told["disposition"], "before_creation");
}

#[test]
fn what_the_clocks_did_is_told_beside_it() {
    let server = Server::start();
    let ann = server.user();
    let id = make(&ann, &scheduled(&json!({"cron": "30 3 * * *", "timezone": "Europe/Riga"})));
    let told = why(&ann, id, "2029-03-25T03:30");
    assert_eq!((&told["disposition"], &told["at"]), (&json!("to_come"), &json!("2029-03-25T01:00:00Z")));
    assert_eq!(
        told["clock"],
        "03:30 did not exist: the clocks went forward from 03:00 to 04:00 on Sun 25 Mar 2029; told is what follows the gap."
    );
    let told = why(&ann, id, "2029-10-28T01:30:00Z");
    assert_eq!(told["disposition"], "no_occurrence");
    assert!(told["sentence"].as_str().is_some_and(|said| said.contains("a second time")), "{told}");
}

#[test]
fn what_was_taken_away_is_told_in_fields_and_counted_over_a_span() {
    let server = Server::start();
    let ann = server.user();
    let id = make(
        &ann,
        &scheduled(&json!({"cron": "30 3 * * *", "timezone": "Europe/Riga", "gap": "left_out",
            "starts_at": "2029-03-24T00:00", "ends_at": "2029-03-29T00:00", "excluded_dates": ["2029-03-26"]})),
    );
    let taken = |at: &str| why(&ann, id, at)["taken_away"].clone();
    assert_eq!(taken("2029-03-23T03:30"), json!({"by": "starts_at", "value": "2029-03-23T22:00:00Z"}));
    assert_eq!(taken("2029-03-25T03:30"), json!({"by": "gap", "value": "2029-03-25T03:30:00"}));
    assert_eq!(taken("2029-03-26T03:30"), json!({"by": "excluded_date", "value": "2029-03-26"}));
    assert_eq!(taken("2029-03-29T03:30"), json!({"by": "ends_at", "value": "2029-03-28T21:00:00Z"}));
    for at in ["2029-03-24T03:30", "2029-03-26T05:00"] {
        assert_eq!(taken(at), Value::Null, "{at} is an occurrence, or nobody would expect one");
    }
    let path = format!("/api/v1/triggers/{id}/why?from=2029-03-22T00:00&to=2029-03-31T00:00");
    let told = ann.get(&path).is(200).json();
    assert_eq!((&told["occurrences"], &told["counts"]), (&json!(3), &json!({"to_come": 3})), "{told}");
    let runs: Vec<(&str, u64)> = told["taken_away"]
        .as_array()
        .expect("runs")
        .iter()
        .map(|run| (run["by"].as_str().expect("a word"), run["count"].as_u64().expect("a number")))
        .collect();
    assert_eq!(runs, [("starts_at", 2), ("gap", 1), ("excluded_date", 1), ("ends_at", 2)]);
    assert_eq!(told["taken_away_count"], 6);
    let page = ann.get(&format!("/ui/triggers/{id}/why?at=2029-03-26T03:30")).is(200).text;
    for words in ["Taken away by", "<code>2029-03-26</code>", "badge idle\">excluded date", "left out by the clocks"] {
        assert!(page.contains(words), "{words} is not in {page}");
    }
}

#[test]
fn what_fell_due_while_nobody_ran_is_missed_and_the_latest_caught_up() {
    let server = Server::start();
    let ann = server.user();
    let start = in_ms(500);
    let id = make(&ann, &scheduled(&json!({"every": "1s", "start_at": start})));
    until("it fires", || events(&ann, id).pop());
    let setup = server.kill();
    // Longer than a node is borne with that falls silent.
    sleep(Duration::from_secs(5));
    let server = setup.serve();
    let ann = ann.at(server.base());
    let record = until("it is on record", || ann.get(&format!("/api/v1/triggers/{id}/skipped")).is(200).list().pop());
    assert_eq!(record["reason"], "missed", "{record}");
    let first = record["first"].as_str().expect("an instant");
    let told = why(&ann, id, first);
    assert_eq!((&told["disposition"], &told["skipped"]["count"]), (&json!("missed"), &record["count"]), "{told}");
    let absence = (instant(&told["absence"]["from"]), instant(&told["absence"]["to"]));
    assert!(absence.0 < instant(&record["first"]) && instant(&record["last"]) < absence.1, "{told}");
    assert!(told["sentence"].as_str().is_some_and(|said| said.contains("because oncue did not run from")), "{told}");
    let caught_up = instant(&record["last"]) + SignedDuration::from_secs(1);
    let told = until("the latest is caught up", || {
        let told = why(&ann, id, &caught_up.to_string());
        (told["disposition"] == "caught_up").then_some(told)
    });
    assert!(told["event"]["id"].is_i64() && told["absence"]["to"].is_string(), "{told}");

    let path = format!("/api/v1/triggers/{id}/why?from={start}&to={}", absence.1);
    let span = ann.get(&path).is(200).json();
    let counts = &span["counts"];
    assert_eq!(
        (&counts["missed"], &counts["caught_up"], &counts["lost"]),
        (&record["count"], &json!(1), &Value::Null),
        "{span}"
    );
    let expected = (absence.1.duration_since(instant(&json!(start))).as_micros() + 999_999) / 1_000_000;
    assert_eq!(span["occurrences"].as_i64().map(i128::from), Some(expected), "each has its disposition: {span}");
    assert_eq!(span["unknown"], Value::Null);
}

#[cfg(feature = "movable-clock")]
#[test]
fn a_year_of_absence_is_counted_in_its_hours_once_its_record_is_gone() {
    let server = Setup::sqlite().option("--active-for", "1s").option("--keep-for", "1s").serve();
    let ann = server.user();
    let id = make(&ann, &scheduled(&json!({"cron": "* * * * *"})));
    let made = Timestamp::now();
    let server = server.kill().flag("--movable-clock=8760h").serve();
    let ann = server.login("ann@example.com");
    let hour = Timestamp::from_second((made.as_second() / 3600 + 4000) * 3600).expect("in range");
    let told = until("the record is gone", || {
        let told = why(&ann, id, &(hour + SignedDuration::from_mins(7)).to_string());
        (told["disposition"] == "forgotten" && told["counts"]["skipped"] != json!(0)).then_some(told)
    });
    let counts = &told["counts"];
    assert_eq!(
        (&counts["fired"], &counts["skipped"], &counts["reasons"]),
        (&json!(0), &json!(60), &json!({"missed": 60}))
    );
    assert_eq!((instant(&counts["hour"]), &counts["is_estimate"]), (hour, &json!(false)), "{told}");
    let [run] = counts["runs"].as_array().expect("a list").as_slice() else { panic!("one run: {told}") };
    assert!(run["reason"] == "missed" && run["count"].as_u64().is_some_and(|count| count > 525_590), "{told}");
    assert!(instant(&run["first"]).duration_since(made) < SignedDuration::from_mins(2), "{told}");

    let day = hour + SignedDuration::from_hours(24);
    let span = ann.get(&format!("/api/v1/triggers/{id}/why?from={hour}&to={day}")).is(200).json();
    assert_eq!(span["counts"], json!({"forgotten": 1440}), "{span}");
    let forgotten = &span["forgotten"];
    assert_eq!((instant(&forgotten["from"]), instant(&forgotten["to"])), (hour, day), "{span}");
    assert_eq!((&forgotten["fired"], &forgotten["reasons"]), (&json!(0), &json!({"missed": 1440})), "{span}");
    assert_eq!((&forgotten["runs"], &forgotten["is_estimate"]), (&json!([run]), &json!(false)), "{span}");

    let page = ann.get(&format!("/ui/triggers/{id}/why?at={hour}")).is(200).text;
    assert!(page.contains("0 fired, 60 did not: 60 missed") && page.contains("Of a run"), "{page}");
    let page = ann.get(&format!("/ui/triggers/{id}")).is(200).text;
    assert!(page.contains(" missed)") && page.contains("share what was skipped at equal distances"), "{page}");
}

#[test]
fn a_span_is_told_page_by_page_and_every_occurrence_once() {
    let server = Server::start();
    let ann = server.user();
    let start = in_ms(300);
    let id = make(&ann, &scheduled(&json!({"every": "1s", "start_at": start})));
    until("it fires four times", || (events(&ann, id).len() >= 4).then_some(()));
    let begin = instant(&json!(start));
    let end = begin + SignedDuration::from_secs(4);
    let (mut path, mut firsts, mut pages) =
        (format!("/api/v1/triggers/{id}/why?from={start}&to={end}&limit=2"), Vec::new(), 0);
    loop {
        let page = ann.get(&path).is(200);
        let told = page.json();
        assert!(told["occurrences"].as_u64().is_some_and(|count| count <= 2), "{told}");
        firsts.extend(told["lines"].as_array().expect("a list").iter().map(|line| instant(&line["first"])));
        pages += 1;
        match page.next_page() {
            Some(next) => path = next,
            None => break,
        }
    }
    assert_eq!(pages, 2);
    assert_eq!(firsts, (0..4).map(|second| begin + SignedDuration::from_secs(second)).collect::<Vec<_>>());
    let ahead =
        ann.get(&format!("/api/v1/triggers/{id}/why?from={}", begin + SignedDuration::from_hours(1))).is(200).json();
    assert_eq!(ahead["counts"], json!({"to_come": 86_400}), "a day is told when only one end is named");
    assert_eq!(ahead["lines"].as_array().expect("a list").len(), 1);
}

#[test]
fn what_cannot_be_told_is_refused_by_its_name_and_others_triggers_look_like_none() {
    let server = Server::start();
    let ann = server.user();
    let id = make(&ann, &scheduled(&json!({"every": "1h"})));
    let path = format!("/api/v1/triggers/{id}/why");
    ann.get(&path).blames("at");
    ann.get(&format!("{path}?at=soon")).blames("at");
    ann.get(&format!("{path}?at=2030-01-01T00:00Z&from=2030-01-01T00:00Z")).blames("at");
    ann.get(&format!("{path}?from=2030-01-02T00:00Z&to=2030-01-01T00:00Z")).blames("to");
    ann.get(&format!("{path}?to=later")).blames("to");
    ann.get(&format!("{path}?from=2030-01-01T00:00Z&limit=0")).blames("limit");
    ann.get("/api/v1/triggers/999/why?at=2030-01-01T00:00Z").problem(404);
    let bob = server.register("bob@example.com");
    bob.get(&format!("{path}?at=2030-01-01T00:00Z")).problem(404);
    bob.get(&format!("/ui/triggers/{id}/why?at=2030-01-01T00:00Z")).is(404);
    server.nobody().get(&format!("{path}?at=2030-01-01T00:00Z")).is(401);
    let called = make(&ann, &json!({"type": "api"}));
    assert_eq!(why(&ann, called, "2030-01-01T00:00Z")["disposition"], "only_called");
}

#[test]
fn a_deleted_trigger_says_who_deleted_it_and_what_became_of_what_was_before() {
    let server = Server::start();
    let ann = server.user();
    let id = make(&ann, &scheduled(&json!({"every": "1s"})));
    let trigger = format!("/api/v1/triggers/{id}");
    ann.patch(&trigger, &json!({"name": "renamed"})).is(200);
    let event = until("it fires", || events(&ann, id).into_iter().find(|event| event["revision"] == 2));
    let at = event["scheduled_at"].as_str().expect("it was on cue").to_owned();
    let before = why(&ann, id, &at);
    assert_eq!(before["deletion"], Value::Null, "{before}");
    ann.delete(&trigger).is(204);
    ann.get(&trigger).problem(404);

    let told = why(&ann, id, &at);
    assert_eq!((&told["disposition"], &told["event"]), (&before["disposition"], &before["event"]), "{told}");
    assert_eq!((&told["revision"], &told["deletion"]["by"]["name"]), (&json!(2), &json!("ann@example.com")), "{told}");
    let by_her = "The trigger is deleted: ann@example.com (from 127.0.0.1) deleted it at ";
    assert!(told["sentence"].as_str().is_some_and(|said| said.contains(by_her)), "{told}");
    let ended_at = instant(&told["deletion"]["at"]);
    for (off_s, obstacles) in [(-3_600, 0), (7_200, 0)] {
        let asked = ended_at + SignedDuration::from_secs(off_s) + SignedDuration::from_micros(500);
        let told = why(&ann, id, &asked.to_string());
        let (word, is_occurrence) = if off_s < 0 { ("before_creation", false) } else { ("deleted", false) };
        assert_eq!((&told["disposition"], &told["is_occurrence"]), (&json!(word), &json!(is_occurrence)), "{told}");
        assert_eq!(told["obstacles"].as_array().map(Vec::len), Some(obstacles), "{told}");
    }
    let ahead = instant(&event["scheduled_at"]) + SignedDuration::from_hours(1);
    let told = why(&ann, id, &ahead.to_string());
    assert_eq!(
        (&told["disposition"], &told["obstacles"][0]["disposition"]),
        (&json!("deleted"), &json!("deleted")),
        "{told}"
    );
    assert!(
        told["sentence"].as_str().is_some_and(|said| said.contains("because it is deleted: ann@example.com")),
        "{told}"
    );

    let span = ann.get(&format!("{trigger}/why?from={at}&to={ahead}")).is(200).json();
    assert_eq!(span["deletion"], told["deletion"], "{span}");
    let words: Vec<&str> =
        span["lines"].as_array().expect("lines").iter().filter_map(|line| line["disposition"].as_str()).collect();
    assert!(words.iter().all(|word| ["fired", "fired_late", "deleted"].contains(word)), "{span}");
    assert!(span["occurrences"].as_u64().is_some_and(|count| count < 60), "an hour would be thousands: {span}");

    let revisions = ann.get(&format!("{trigger}/revisions")).is(200).list();
    let numbers: Vec<_> = revisions.iter().map(|one| one["revision"].clone()).collect();
    assert_eq!(numbers, [2, 1]);
    assert_eq!(revisions[0]["until"], told["deletion"]["at"]);
    assert_eq!(ann.get(&format!("{trigger}/revisions/2")).is(200).json(), revisions[0]);
    ann.post_nothing(&format!("{trigger}/revisions/1/restore")).problem(404);

    let bob = server.register("bob@example.com");
    for foreign in [format!("{trigger}/why?at={at}"), format!("{trigger}/revisions")] {
        bob.get(&foreign).problem(404);
    }
    bob.get(&format!("/ui/triggers/{id}/why")).is(404);
    bob.get(&format!("/ui/triggers/{id}/revisions")).is(404);

    let page = ann.get(&format!("/ui/triggers/{id}/why?at={at}")).is(200).text;
    assert!(page.contains("id=\"ended\"") && page.contains("by ann@example.com"), "{page}");
    let page = ann.get(&format!("/ui/triggers/{id}/revisions")).is(200).text;
    assert!(page.contains("Revision 2") && !page.contains("/restore"), "{page}");
    let page = ann.get(&format!("/events/{}", event["id"])).is(200).text;
    assert!(page.contains(&format!("<a href=\"/ui/triggers/{id}\">trigger {id}</a>, which is deleted")), "{page}");
}

#[test]
fn a_deleted_trigger_is_forgotten_with_its_events() {
    let server = Setup::new().option("--active-for", "1s").option("--keep-for", "2s").serve();
    let ann = server.user();
    let id = make(&ann, &json!({"type": "api", "name": "short-lived"}));
    ann.delete(&format!("/api/v1/triggers/{id}")).is(204);
    let path = format!("/api/v1/triggers/{id}/why?at=2030-01-01T00:00Z");
    assert_eq!(ann.get(&path).is(200).json()["disposition"], "deleted");
    until("it is forgotten", || (ann.get(&path).status == 404).then_some(()));
    ann.get(&format!("/ui/triggers/{id}")).is(404);
}

#[test]
fn what_a_limit_left_out_is_spent_also_when_its_last_event_is_gone() {
    let server = Setup::new().option("--active-for", "1s").option("--keep-for", "1s").serve();
    let ann = server.user();
    let id = make(&ann, &scheduled(&json!({"every": "2s", "max_fires": 1})));
    let made = instant(&ann.get(&format!("/api/v1/triggers/{id}")).is(200).json()["created_at"]);
    let after = |seconds| made + SignedDuration::from_secs(seconds);
    let span = format!("/api/v1/triggers/{id}/why?from={made}&to={}", after(7));
    until("all of it is older than what is kept", || (Timestamp::now() > after(8)).then_some(()));
    let told = ann.get(&span).is(200).json();
    let spent = told["counts"]["spent"].as_u64().unwrap_or_else(|| panic!("nothing is spent: {told}"));
    assert_eq!((told["occurrences"].as_u64(), &told["counts"]["forgotten"]), (Some(spent + 1), &Value::Null), "{told}");
    let last = why(&ann, id, &after(6).to_string());
    assert_eq!((&last["disposition"], &last["counts"]), (&json!("spent"), &Value::Null), "{last}");
}

#[test]
fn the_page_says_the_same() {
    let server = Server::start();
    let ann = server.user();
    let id = make(&ann, &scheduled(&json!({"cron": "0 9 * * MON-FRI", "timezone": "Europe/Riga"})));
    let page = ann.get(&format!("/ui/triggers/{id}/why?at=2035-01-06T09:00:00")).is(200).text;
    for words in [
        "does not name Sat 6 Jan 2035 09:00 Europe/Riga: the day of the week, Saturday, does not match MON-FRI",
        "value=\"2035-01-06T09:00:00\"",
        "Let the day of the week (MON-FRI) take Saturday as well.",
        "why?at=2035-01-05T07:00:00Z",
        "Around that time",
    ] {
        assert!(page.contains(words), "{words} is not in {page}");
    }
    let unread = ann.get(&format!("/ui/triggers/{id}/why?at=soon")).is(200).text;
    assert!(unread.contains("could not be read") && unread.contains("Around now"), "{unread}");
    assert!(ann.get(&format!("/ui/triggers/{id}")).is(200).text.contains(&format!("/ui/triggers/{id}/why")));
}
