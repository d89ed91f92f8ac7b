//! `/api/v1/calendars`: dates that triggers share, what an edit of them comes to, and that it is an edit of all who name them or of nobody.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::server::Server;

fn make(ann: &Client, body: &Value) -> Value {
    ann.post("/api/v1/calendars", body).is(201).json()
}

fn holidays(ann: &Client, dates: &Value) -> String {
    let made = make(ann, &json!({"name": "holidays", "dates": dates}));
    format!("/api/v1/calendars/{}", made["id"])
}

/// What keeps to the holidays at nine in Riga, every day.
fn daily() -> Value {
    json!({"cron": "0 9 * * *", "timezone": "Europe/Riga", "starts_at": "2031-12-20T00:00:00Z", "except_calendars": ["holidays"]})
}

fn trigger(ann: &Client, details: &Value) -> Value {
    let body = json!({"name": "nightly", "type": "scheduled", "schedule_details": details});
    ann.post("/api/v1/triggers", &body).is(201).json()
}

#[test]
fn a_calendar_is_made_shown_listed_replaced_and_deleted() {
    let server = Server::start();
    let ann = server.user();
    let body = json!({"name": "holidays", "description": "of Latvia", "dates": ["2031-12-26", "2031-12-24/2031-12-25", "2032-01-01"]});
    let answer = ann.post("/api/v1/calendars", &body).is(201);
    let made = answer.json();
    assert_eq!(answer.header("location"), format!("/api/v1/calendars/{}", made["id"]));
    assert_eq!(made["dates"], json!(["2031-12-24/2031-12-26", "2032-01-01"]));
    assert_eq!(
        (&made["description"], &made["used_by"], &made["revision"]),
        (&json!("of Latvia"), &json!(0), &json!(1))
    );
    let at = format!("/api/v1/calendars/{}", made["id"]);
    assert_eq!(ann.get(&at).is(200).json(), made);
    make(&ann, &json!({"name": "other"}));
    assert_eq!(ann.get("/api/v1/calendars").is(200).list().len(), 2);
    let first = ann.get("/api/v1/calendars?limit=1").is(200);
    assert_eq!(first.list(), std::slice::from_ref(&made));
    let second = ann.get(&first.next_page().expect("there is more")).is(200);
    assert_eq!((second.list()[0]["name"].as_str(), second.next_page()), (Some("other"), None));

    let back = ann.put(&at, &made).is(200).json();
    assert_eq!((&back["revision"], &back["triggers"]), (&json!(1), &json!([])), "what was read changes nothing");
    let replaced = ann.put(&at, &json!({"name": "holidays", "dates": ["2032-01-01"]})).is(200).json();
    assert_eq!((&replaced["revision"], &replaced["description"]), (&json!(2), &Value::Null));
    ann.delete(&at).is(204);
    ann.get(&at).problem(404);
    ann.delete(&at).problem(404);
    ann.put(&at, &json!({"name": "holidays"})).problem(404);
}

#[test]
fn what_is_wrong_with_a_calendar_is_named() {
    let server = Server::start();
    let ann = server.user();
    make(&ann, &json!({"name": "taken"}));
    let years = json!(["2026-01-01/2036-01-01"]);
    for (body, field) in [
        (json!({}), "name"),
        (json!({"name": ""}), "name"),
        (json!({"name": "taken"}), "name"),
        (json!({"name": "x".repeat(101)}), "name"),
        (json!({"name": "a", "description": "x".repeat(1001)}), "description"),
        (json!({"name": "a", "dates": "2031-12-24"}), "dates"),
        (json!({"name": "a", "dates": ["24.12.2031"]}), "dates"),
        (json!({"name": "a", "dates": ["2031-12-26/2031-12-24"]}), "dates"),
        (json!({"name": "a", "dates": years}), "dates"),
        (json!({"name": "a", "ical": "BEGIN:VCALENDAR"}), "ical"),
        (json!({"name": "a", "days": []}), "days"),
    ] {
        ann.post("/api/v1/calendars", &body).blames(field);
    }
    let key = json!({"name": "reader", "scopes": ["read"]});
    let key = ann.post("/api/v1/api_keys", &key).is(201).json()["key"].clone();
    let reader = server.nobody().bearer(key.as_str().expect("a key"));
    reader.get("/api/v1/calendars").is(200);
    reader.post("/api/v1/calendars", &json!({"name": "a"})).problem(403);
    server.nobody().get("/api/v1/calendars").problem(401);
}

#[test]
fn a_calendar_is_looked_at_before_it_is_made() {
    let server = Server::start();
    let ann = server.user();
    let asked = |body: &Value| ann.post("/api/v1/calendars?dry_run=true", body);
    let told = asked(&json!({"name": "holidays", "dates": ["2031-12-24", "2031-12-25", "2031-12-26"]})).is(200).json();
    assert_eq!((&told["dry_run"], &told["dates_added"]), (&json!(true), &json!(["2031-12-24/2031-12-26"])));
    assert_eq!((&told["changed"], &told["triggers"]), (&json!(0), &json!([])), "no trigger names it yet");
    assert_eq!(ann.get("/api/v1/calendars").is(200).list().len(), 0, "it was not made");
    asked(&json!({"name": "holidays", "dates": ["2031-02-30"]})).blames("dates");
    let made = ann.post("/api/v1/calendars", &json!({"name": "holidays"})).is(201).json();
    asked(&json!({"name": "holidays"})).blames("name");
    ann.delete(&format!("/api/v1/calendars/{}?dry_run=true", made["id"])).problem(422);
    ann.get(&format!("/api/v1/calendars/{}", made["id"])).is(200);
}

#[test]
fn dates_are_read_out_of_icalendar_text() {
    let server = Server::start();
    let ann = server.user();
    let event = |lines: &str| format!("BEGIN:VEVENT\r\nUID:1\r\nSUMMARY:Fest\r\n{lines}\r\nEND:VEVENT\r\n");
    let text = format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{}{}END:VCALENDAR\r\n",
        event("DTSTART;VALUE=DATE:20311224\r\nDTEND;VALUE=DATE:20311227"),
        event("DTSTART;VALUE=DATE:20320101")
    );
    let made = make(&ann, &json!({"name": "holidays", "dates": ["2031-12-27"], "ical": text}));
    assert_eq!(made["dates"], json!(["2031-12-24/2031-12-27", "2032-01-01"]));
    let timed = text.replace(";VALUE=DATE:20320101", ":20320101T090000Z");
    let refused = ann.post("/api/v1/calendars", &json!({"name": "timed", "ical": timed})).blames("ical");
    assert!(refused.to_string().contains("does not last whole days (line 12)"), "{refused}");
    for (hidden, said) in [
        ("SUMMARY:Fest\rRRULE:FREQ=YEARLY", "line 5 has a carriage return"),
        ("SUMMARY:Fest\u{0}", "line 5 has a control character"),
        ("RRULE\u{200b}:FREQ=YEARLY", "the name in line 5"),
    ] {
        let text = text.replacen("SUMMARY:Fest", hidden, 1);
        let refused = ann.post("/api/v1/calendars", &json!({"name": "hidden", "ical": text})).blames("ical");
        assert!(refused.to_string().contains(said), "{refused}");
    }
    let cancelled = text.replace("UID:1", "STATUS:CANCELLED");
    assert_eq!(make(&ann, &json!({"name": "cancelled", "ical": cancelled}))["dates"], json!([]));
    let called_off = text.replace("VERSION:2.0", "METHOD:CANCEL");
    let refused = ann.post("/api/v1/calendars", &json!({"name": "called off", "ical": called_off})).blames("ical");
    assert!(refused.to_string().contains("(line 2) no dates are read"), "{refused}");
}

#[test]
fn a_key_makes_one_calendar_and_no_more() {
    let server = Server::start();
    let ann = server.user();
    let call = || {
        let call = ann.call("POST", "/api/v1/calendars").header("idempotency-key", "once");
        call.json(&json!({"name": "holidays"})).send().is(201).json()
    };
    assert_eq!(call(), call());
    assert_eq!(ann.get("/api/v1/calendars").is(200).list().len(), 1);
}

#[test]
fn a_trigger_keeps_to_the_calendars_that_it_names() {
    let server = Server::start();
    let ann = server.user();
    let at = holidays(&ann, &json!(["2031-12-24/2031-12-26"]));
    let id = ann.get(&at).is(200).json()["id"].clone();
    let made = trigger(&ann, &daily());
    assert_eq!(made["schedule_details"], daily());
    assert_eq!(made["calendars"], json!([{"id": id, "name": "holidays", "revision": 1, "dates": 3}]));
    let summary = made["summary"].as_str().expect("a sentence");
    assert!(summary.ends_with(", not on the dates of \"holidays\""), "{summary}");
    let path = format!("/api/v1/triggers/{}", made["id"]);
    let upcoming = ann.get(&format!("{path}/upcoming?count=6")).is(200).json();
    let days = ["20", "21", "22", "23", "27", "28"].map(|day| format!("2031-12-{day}T07:00:00Z"));
    assert_eq!(upcoming["occurrences"], json!(days));
    let preview = json!({"schedule_details": daily(), "count": 6});
    assert_eq!(ann.post("/api/v1/schedules/preview", &preview).is(200).json()["occurrences"], json!(days));
    assert_eq!(ann.put(&path, &made).is(200).json()["calendars"], made["calendars"], "what was read can be put back");

    let told = ann.get(&format!("{path}/why?at=2031-12-25T07:00:00Z")).is(200).json();
    let sentence = told["sentence"].as_str().expect("a sentence");
    assert!(sentence.contains("but Thu 25 Dec 2031 stands in the calendar \"holidays\";"), "{sentence}");
    assert_eq!(told["calendars"], made["calendars"]);
    assert_eq!(
        told["advice"],
        json!(["Take 2031-12-25 out of the calendar \"holidays\", or take that out of except_calendars."])
    );
    // By its number it is the same calendar.
    let mut by_id = daily();
    by_id["except_calendars"] = json!([id]);
    assert_eq!(trigger(&ann, &by_id)["schedule_details"], daily());
    // So is the field, however its name is written.
    let body = json!({"type": "scheduled", "schedule_details": daily()}).to_string();
    let escaped = body.replace("except_calendars", "except\\u005fcalendars");
    let made = ann.call("POST", "/api/v1/triggers").body("application/json", escaped).send().is(201).json();
    assert_eq!(made["schedule_details"], daily());
    assert_eq!(ann.get(&at).is(200).json()["used_by"], 3);

    let bulk = json!([
        {"type": "scheduled", "schedule_details": daily()},
        {"type": "scheduled", "schedule_details": {"every": "1h", "except_calendars": ["nothing"]}},
    ]);
    let results = ann.post("/api/v1/triggers/bulk", &bulk).is(200).json();
    let statuses = [&results["results"][0]["status"], &results["results"][1]["status"]];
    assert_eq!(statuses, [&json!(201), &json!(422)], "{results}");
}

#[test]
fn what_cannot_be_named_is_refused_where_it_stands() {
    let server = Server::start();
    let (ann, ben) = (server.user(), server.register("ben@example.com"));
    holidays(&ann, &json!([]));
    let foreign = make(&ben, &json!({"name": "of ben"}));
    for number in 0..5 {
        make(&ann, &json!({"name": format!("c{number}")}));
    }
    let six = json!(["holidays", "c0", "c1", "c2", "c3", "c4"]);
    for (details, field) in [
        (json!({"every": "1h", "except_calendars": ["nothing"]}), "except_calendars.0"),
        (json!({"every": "1h", "except_calendars": ["holidays", "of ben"]}), "except_calendars.1"),
        (json!({"every": "1h", "except_calendars": [foreign["id"]]}), "except_calendars.0"),
        (json!({"every": "1h", "except_calendars": [true]}), "except_calendars.0"),
        (json!({"every": "1h", "except_calendars": ["holidays", "holidays"]}), "except_calendars.1"),
        (json!({"every": "1h", "except_calendars": "holidays"}), "except_calendars"),
        (json!({"every": "1h", "except_calendars": six}), "except_calendars"),
        (json!({"run_at": "2031-12-24T00:00:00Z", "except_calendars": ["holidays"]}), "except_calendars"),
    ] {
        let body = json!({"type": "scheduled", "schedule_details": details});
        ann.post("/api/v1/triggers", &body).blames(&format!("schedule_details.{field}"));
    }
}

#[test]
fn an_edit_is_foretold_and_carried_out_for_every_trigger_that_names_it() {
    let server = Server::start();
    let ann = server.user();
    let at = holidays(&ann, &json!(["2031-12-24"]));
    let first = trigger(&ann, &daily());
    let mut later = daily();
    later["starts_at"] = json!("2031-12-25T00:00:00Z");
    let second = trigger(&ann, &later);
    let other = trigger(&ann, &json!({"every": "1h"}));
    let waits = |id: &Value| ann.get(&format!("/api/v1/triggers/{id}")).is(200).json();
    assert_eq!(waits(&second["id"])["next_at"], "2031-12-25T07:00:00Z");

    let edited = json!({"name": "holidays", "dates": ["2031-12-25/2031-12-26"]});
    let until = format!("{at}?dry_run=true");
    let told = ann.call("PUT", &until).json(&edited).send().is(200).json();
    assert_eq!(
        (&told["dates_added"], &told["dates_removed"]),
        (&json!(["2031-12-25", "2031-12-26"]), &json!(["2031-12-24"]))
    );
    // What the second waits for lies beyond the 400 days that are looked at; what it waits for is told all the same.
    assert_eq!((&told["changed"], &told["unchanged"]), (&json!(1), &json!(1)), "{told}");
    let effect = &told["triggers"][0];
    assert_eq!(effect["id"], second["id"]);
    assert_eq!(effect["next"], json!({"before": "2031-12-25T07:00:00Z", "after": "2031-12-27T07:00:00Z"}));
    assert_eq!(waits(&second["id"])["next_at"], "2031-12-25T07:00:00Z", "nothing was done");
    assert_eq!(ann.get(&at).is(200).json()["dates"], json!(["2031-12-24"]));

    let done = ann.put(&at, &edited).is(200).json();
    assert_eq!((&done["revision"], &done["used_by"]), (&json!(2), &json!(2)));
    let followed: Vec<_> = done["triggers"].as_array().expect("a list").iter().map(|one| &one["id"]).collect();
    assert_eq!(followed, [&first["id"], &second["id"]]);
    assert_eq!(done["triggers"][1]["next"], effect["next"], "as it was foretold");
    assert_eq!(waits(&second["id"])["next_at"], "2031-12-27T07:00:00Z");
    assert_eq!(waits(&other["id"])["revision"], 1);

    let revisions = ann.get(&format!("/api/v1/triggers/{}/revisions", second["id"])).is(200).list();
    assert_eq!((revisions.len(), &revisions[0]["made_by"]["name"]), (2, &json!("ann@example.com")));
    let changes = &revisions[0]["changes"];
    assert_eq!((changes.as_array().map(Vec::len), &changes[0]["field"]), (Some(1), &json!("calendars")), "{changes}");
    assert_eq!((&changes[0]["before"][0]["revision"], &changes[0]["after"][0]["revision"]), (&json!(1), &json!(2)));
    let line = ann.get("/api/v1/audit?limit=1").is(200).list().remove(0);
    assert_eq!((&line["action"], &line["object"]["kind"]), (&json!("edited"), &json!("calendar")), "{line}");
    let details = format!("2 triggers follow; trigger {} waits for another time", second["id"]);
    assert!(line.to_string().contains(&details), "{line}");
}

#[test]
fn no_calendar_moves_when_the_last_firing_before_its_days_falls_due() {
    let server = Server::start();
    let ann = server.user();
    let at = holidays(&ann, &json!([]));
    let details = json!({"cron": "0 9,10 * * *", "timezone": "UTC", "starts_at": "2031-12-23T09:30:00Z", "jitter": "24h",
        "except_calendars": ["holidays"]});
    let made = trigger(&ann, &details);
    let path = format!("/api/v1/triggers/{}", made["id"]);
    let due: jiff::Timestamp = made["next_at"].as_str().expect("an instant").parse().expect("an instant");
    let named: jiff::Timestamp = "2031-12-23T10:00:00Z".parse().expect("an instant");
    // Of the 23 hours until nine so much as of the 24 of its window.
    let share = i128::from(made["jitter_offset_ms"].as_i64().expect("it is drawn"));
    assert!((due.duration_since(named).as_millis() - share * 23 / 24).abs() <= 1, "{made}");
    for dates in [json!(["2031-12-24"]), json!([])] {
        let edited = json!({"name": "holidays", "dates": dates});
        let told = ann.call("PUT", &format!("{at}?dry_run=true")).json(&edited).send().is(200).json();
        assert_eq!((&told["changed"], &told["unchanged"]), (&json!(0), &json!(1)), "{told}");
        ann.put(&at, &edited).is(200);
        let now = ann.get(&path).is(200).json();
        let [was, is] = [&made, &now].map(|shown| (&shown["next_at"], &shown["jitter_offset_ms"]));
        assert_eq!(was, is);
    }
}

#[test]
fn an_edit_of_the_days_to_come_says_which_occurrences_come_and_go() {
    let server = Server::start();
    let ann = server.user();
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let day = |days: i64| today.saturating_add(jiff::Span::new().days(days)).to_string();
    let at = holidays(&ann, &json!([day(3)]));
    let made = trigger(&ann, &json!({"cron": "0 9,18 * * *", "timezone": "UTC", "except_calendars": ["holidays"]}));
    let edited = json!({"name": "holidays", "dates": [day(5), day(6)]});
    let told = ann.call("PUT", &format!("{at}?dry_run=true")).json(&edited).send().is(200).json();
    let effect = &told["triggers"][0];
    assert_eq!((&effect["added"]["count"], &effect["removed"]["count"]), (&json!(2), &json!(4)), "{told}");
    assert_eq!(effect["added"]["first"][0], format!("{}T09:00:00Z", day(3)));
    assert_eq!(effect["removed"]["first"][3], format!("{}T18:00:00Z", day(6)));
    let until = format!("{}T12:00:00Z", day(5));
    let near = ann.call("PUT", &format!("{at}?dry_run=true&until={until}")).json(&edited).send().is(200).json();
    assert_eq!(near["triggers"][0]["removed"]["count"], 1, "{near}");
    ann.put(&at, &edited).is(200);
    let upcoming = ann.get(&format!("/api/v1/triggers/{}/upcoming?count=20", made["id"])).is(200).json().to_string();
    assert!(upcoming.contains(&day(3)) && !upcoming.contains(&day(5)) && !upcoming.contains(&day(6)), "{upcoming}");
}

#[test]
fn a_dry_run_counts_what_a_limit_leaves() {
    let server = Server::start();
    let ann = server.user();
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let day = |days: i64| today.saturating_add(jiff::Span::new().days(days)).to_string();
    let at = holidays(&ann, &json!([]));
    let starts_at = format!("{}T00:00:00Z", day(2));
    let details = json!({"cron": "0 9 * * *", "timezone": "UTC", "starts_at": starts_at, "max_fires": 2,
        "except_calendars": ["holidays"]});
    let made = trigger(&ann, &details);
    let firings = || ann.get(&format!("/api/v1/triggers/{}/upcoming?count=9", made["id"])).is(200).json();
    let nine = |days: i64| format!("{}T09:00:00Z", day(days));
    assert_eq!(firings()["occurrences"], json!([nine(2), nine(3)]));
    let asked = |dates: Value| {
        let body = json!({"name": "holidays", "dates": dates});
        ann.put(&format!("{at}?dry_run=true"), &body).is(200).json()
    };
    let beyond = asked(json!([format!("{}/{}", day(4), day(9))]));
    assert_eq!((&beyond["changed"], &beyond["unchanged"]), (&json!(0), &json!(1)), "it will not fire then: {beyond}");
    let told = asked(json!([day(2), day(4)]));
    let effect = &told["triggers"][0];
    assert_eq!(effect["removed"], json!({"count": 1, "first": [nine(2)]}), "{told}");
    assert_eq!(effect["added"], json!({"count": 1, "first": [nine(5)]}), "{told}");
    ann.put(&at, &json!({"name": "holidays", "dates": [day(2), day(4)]})).is(200);
    assert_eq!(firings()["occurrences"], json!([nine(3), nine(5)]), "as was told");
}

#[test]
fn a_dry_run_tells_what_waits_that_an_edit_would_end() {
    let server = Server::start();
    let ann = server.user();
    let at = holidays(&ann, &json!([]));
    let hourly = json!({"cron": "0 * * * *", "timezone": "UTC", "except_calendars": ["holidays"]});
    let ids = [trigger(&ann, &hourly)["id"].clone(), trigger(&ann, &hourly)["id"].clone()];
    let span = json!({"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z", "hold": true});
    ann.post(&format!("/api/v1/triggers/{}/backfill", ids[0]), &span).is(200);
    let asked = |date: &str| {
        ann.put(&format!("{at}?dry_run=true"), &json!({"name": "holidays", "dates": [date]})).is(200).json()
    };
    let past = asked("2026-01-15");
    assert_eq!((&past["changed"], &past["unchanged"], &past["backlog_ended"]), (&json!(1), &json!(1), &json!(24)));
    let told = &past["triggers"][0];
    assert_eq!((&told["id"], &told["backlog_ended"], &told["skipped"]), (&ids[0], &json!(24), &json!([])), "{past}");
    let ahead = asked("2099-12-24");
    assert_eq!((&ahead["backlog_ended"], &ahead["unchanged"]), (&json!(0), &json!(2)), "{ahead}");
    let waiting = || ann.get("/api/v1/backlog").is(200).json()["occurrences"].clone();
    ann.put(&at, &json!({"name": "holidays", "dates": ["2099-12-24"]})).is(200);
    assert_eq!(waiting(), json!(24), "as was told");
    ann.put(&at, &json!({"name": "holidays", "dates": ["2026-01-15", "2099-12-24"]})).is(200);
    assert_eq!(waiting(), json!(0), "as was told");
}

#[test]
fn a_calendar_that_is_called_otherwise_moves_nothing_and_one_that_is_named_stays() {
    let server = Server::start();
    let ann = server.user();
    let at = holidays(&ann, &json!(["2031-12-24"]));
    let made = trigger(&ann, &daily());
    let path = format!("/api/v1/triggers/{}", made["id"]);
    let refused = ann.delete(&at).problem(409);
    let detail = format!("Trigger {} names this calendar; take it out there first.", made["id"]);
    assert_eq!(refused["detail"], detail);
    ann.put(&at, &json!({"name": "feasts", "dates": ["2031-12-24"]})).is(200);
    let now = ann.get(&path).is(200).json();
    assert_eq!((&now["next_at"], &now["schedule_details"]["except_calendars"]), (&made["next_at"], &json!(["feasts"])));
    let fields: Vec<Value> = ann.get(&format!("{path}/revisions/2")).is(200).json()["changes"]
        .as_array()
        .expect("changes")
        .iter()
        .map(|change| change["field"].clone())
        .collect();
    assert_eq!(fields, ["schedule_details", "calendars"]);
    ann.delete(&path).is(204);
    ann.delete(&at).is(204);
}

#[test]
fn a_revision_that_is_restored_keeps_to_the_calendar_as_it_is_now() {
    let server = Server::start();
    let ann = server.user();
    let at = holidays(&ann, &json!(["2031-12-24"]));
    let made = trigger(&ann, &daily());
    let path = format!("/api/v1/triggers/{}", made["id"]);
    let bare = json!({"schedule_details": {"cron": "0 9 * * *", "timezone": "Europe/Riga"}});
    assert!(ann.patch(&path, &bare).is(200).json()["calendars"].is_null());
    ann.put(&at, &json!({"name": "feasts", "dates": ["2031-12-20"]})).is(200);
    let restored = ann.post_nothing(&format!("{path}/revisions/1/restore")).is(200).json();
    assert_eq!(
        (&restored["schedule_details"]["except_calendars"], &restored["next_at"]),
        (&json!(["feasts"]), &json!("2031-12-21T07:00:00Z"))
    );
    ann.patch(&path, &bare).is(200);
    ann.delete(&at).is(204);
    let gone = ann.post_nothing(&format!("{path}/revisions/1/restore")).blames("schedule_details.except_calendars");
    assert!(gone.to_string().contains("The calendar \\\"holidays\\\" that it names is gone"), "{gone}");
}

#[test]
fn a_call_under_a_key_is_told_what_it_made_whatever_the_calendar_says_since() {
    let server = Server::start();
    let ann = server.user();
    let at = holidays(&ann, &json!(["2031-12-20"]));
    let call = || {
        let call = ann.call("POST", "/api/v1/triggers").header("idempotency-key", "once");
        call.json(&json!({"type": "scheduled", "schedule_details": daily()})).send().is(201).json()
    };
    let made = call();
    ann.put(&at, &json!({"name": "holidays", "dates": []})).is(200);
    assert_eq!(call(), made);
}

#[test]
fn surface_one_keeps_what_it_cannot_say() {
    let server = Server::start();
    let ann = server.user();
    holidays(&ann, &json!(["2031-12-20"]));
    let made = trigger(&ann, &daily());
    let flat = ann.put(&format!("/triggers/{}", made["id"]), &json!({"name": "renamed"})).is(200).json();
    assert_eq!(flat["schedule"], "2031-12-21T07:00:00.000000");
    let shown = ann.get(&format!("/api/v1/triggers/{}", made["id"])).is(200).json();
    assert_eq!(shown["schedule_details"], daily());
}

#[test]
fn whoever_edits_calendars_without_pause_is_told_to_wait_and_nobody_else() {
    let server = Server::start();
    let (ann, ben) = (server.user(), server.register("ben@example.com"));
    let at = holidays(&ann, &json!([]));
    let one = json!({"type": "scheduled", "schedule_details": daily()});
    ann.post("/api/v1/triggers/bulk", &json!(vec![one; 500])).is(200);
    let edit = |number: usize| {
        let dates = json!([format!("2031-12-{}", 10 + number % 2)]);
        ann.put(&at, &json!({"name": "holidays", "dates": dates}))
    };
    let refused = (0..200).map(edit).find(|answer| answer.status != 200);
    let refused = refused.expect("it is too often");
    let wait: u64 = refused.header("retry-after").parse().expect("seconds");
    assert!((1..=10).contains(&wait), "{wait}");
    refused.problem(429);
    let before = ann.get(&at).is(200).json();
    ann.put(&at, &json!({"name": "holidays", "dates": before["dates"]})).is(200);
    let described = json!({"name": "holidays", "description": "of Latvia", "dates": before["dates"]});
    assert_eq!(ann.put(&at, &described).is(200).json()["revision"], before["revision"], "it rewrites nothing");
    ann.put(&format!("{at}?dry_run=true"), &json!({"name": "holidays"})).is(200);
    let other = holidays(&ben, &json!([]));
    ben.put(&other, &json!({"name": "holidays", "dates": ["2031-12-24"]})).is(200);
}

/// How many triggers keep to the calendar whose edits are cut off.
const MANY: usize = 1_000;

#[test]
fn an_edit_that_is_cut_off_by_kill_9_has_rewritten_all_triggers_or_none() {
    let mut server = Server::start();
    let mut ann = server.user();
    let at = holidays(&ann, &json!([]));
    let one = json!({"type": "scheduled", "schedule_details": daily()});
    let made = ann.post("/api/v1/triggers/bulk", &json!(vec![one; MANY])).is(200).json();
    assert_eq!(made["results"].as_array().map(Vec::len), Some(MANY));
    // How long it takes when nobody interferes.
    let begun = Instant::now();
    let done = ann.put(&at, &json!({"name": "holidays", "dates": ["2031-12-20"]})).is(200).json();
    assert_eq!(done["triggers"].as_array().map(Vec::len), Some(MANY));
    let whole = begun.elapsed();
    println!("an edit of {MANY} triggers takes {whole:?}");
    let mut cut_off = 0;
    for round in 0_u32..5 {
        let before = ann.get(&at).is(200).json();
        let (caller, path) = (ann.clone(), at.clone());
        let dates = json!([format!("2031-12-{}", 20 + round), "2031-12-28"]);
        let body = json!({"name": "holidays", "dates": dates});
        let edit = thread::spawn(move || {
            caller.call("PUT", &path).json(&body).try_send().is_ok_and(|answer| answer.status == 200)
        });
        thread::sleep(whole * (round + 1) / 7 + Duration::from_millis(1));
        let setup = server.kill();
        let was_told = edit.join().expect("a thread");
        server = setup.serve();
        ann = ann.at(server.base());
        let after = ann.get(&at).is(200).json();
        let is_done = after["revision"] != before["revision"];
        assert!(is_done || !was_told, "what was told is there");
        cut_off += u32::from(!is_done);
        let mut page = Some("/api/v1/triggers?limit=200".to_owned());
        let mut looked_at = 0;
        while let Some(path) = page {
            let answer = ann.get(&path).is(200);
            for trigger in answer.list() {
                assert_eq!(trigger["calendars"][0]["revision"], after["revision"], "round {round}: {trigger}");
                let first = if after["dates"].to_string().contains("12-20") { "21" } else { "20" };
                assert_eq!(trigger["next_at"], format!("2031-12-{first}T07:00:00Z"), "round {round}");
                looked_at += 1;
            }
            page = answer.next_page();
        }
        assert_eq!(looked_at, MANY);
    }
    println!("{cut_off} of 5 were cut off");
}
