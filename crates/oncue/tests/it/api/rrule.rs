//! Calendar rules (RRULE): what is said comes back, the preview and the trigger agree, and both surfaces show them.

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::server::Server;

const EVENT: &str = "DTSTART;TZID=America/New_York:20310106T090000\r\nRRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE;COUNT=\r\n 5\r\n\
                     EXDATE;TZID=America/New_York:20310120T090000";

fn make(ann: &Client, details: &Value) -> Value {
    ann.post("/api/v1/triggers", &json!({"type": "scheduled", "schedule_details": details})).is(201).json()
}

fn preview(ann: &Client, details: &Value, after: &str) -> Value {
    let body = json!({"schedule_details": details, "after": after, "count": 4});
    ann.post("/api/v1/schedules/preview", &body).is(200).json()
}

#[test]
fn a_rule_comes_back_as_it_was_said_and_can_be_put_back() {
    let server = Server::start();
    let ann = server.user();
    let details = json!({"rrule": "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE", "start_at": "2031-01-06T09:00", "timezone": "Europe/Riga"});
    let made = make(&ann, &details);
    let shown = json!({"rrule": "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE", "start_at": "2031-01-06T07:00:00Z", "timezone": "Europe/Riga"});
    assert_eq!(made["schedule_details"], shown);
    assert_eq!(made["next_at"], "2031-01-06T07:00:00Z");
    assert_eq!(made["summary"], "Every second week on Monday and Wednesday at 09:00, counted from 6 January 2031");
    let at = format!("/api/v1/triggers/{}", made["id"]);
    assert_eq!(ann.put(&at, &made).is(200).json()["schedule_details"], shown);
    assert_eq!(
        ann.get(&format!("{at}/upcoming?count=3")).is(200).json()["occurrences"],
        json!(["2031-01-06T07:00:00Z", "2031-01-08T07:00:00Z", "2031-01-20T07:00:00Z"])
    );
    let under = json!({"rrule": "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE", "start_at": "2031-01-06T07:00:00Z", "timezone": "Europe/Riga",
        "excluded_dates": ["2031-01-06"], "gap": "at_its_end", "max_fires": 3});
    let changed = ann.patch(&at, &json!({"schedule_details": under})).is(200).json();
    assert_eq!((&changed["schedule_details"], &changed["next_at"]), (&under, &json!("2031-01-08T07:00:00Z")));
    let flat = ann.get(&format!("/triggers/{}", made["id"])).is(200).json();
    assert_eq!((&flat["is_recurring"], &flat["interval_seconds"]), (&json!(true), &json!(0)));
    assert_eq!(flat["schedule"], "2031-01-08T07:00:00.000000");
}

#[test]
fn the_lines_of_an_event_are_understood() {
    let server = Server::start();
    let ann = server.user();
    let details = json!({"rrule": EVENT});
    let told = preview(&ann, &details, "2031-01-01T00:00:00Z");
    // Five are counted, and the third of them is an exception.
    let times = ["2031-01-06T14:00:00Z", "2031-01-08T14:00:00Z", "2031-01-22T14:00:00Z", "2031-02-03T14:00:00Z"];
    assert_eq!((&told["occurrences"], &told["timezone"]), (&json!(times), &json!("America/New_York")));
    let made = make(&ann, &details);
    // Where lines end and are folded is no part of what is said.
    let whole = json!({"rrule": EVENT.replace("\r\n ", "").replace("\r\n", "\n")});
    assert_eq!((&made["schedule_details"], &made["next_at"]), (&whole, &json!(times[0])));
    let again = ann.put(&format!("/api/v1/triggers/{}", made["id"]), &made).is(200).json();
    assert_eq!((&again["schedule_details"], &again["next_at"]), (&whole, &json!(times[0])));
    assert_eq!(preview(&ann, &details, times[3])["occurrences"], json!([]), "then it has ended");
}

#[test]
fn what_the_clocks_leave_out_does_not_occur_unless_that_is_asked_for() {
    let server = Server::start();
    let ann = server.user();
    let nightly = |gap: Value| json!({"rrule": "FREQ=DAILY", "start_at": "2031-03-29T03:30", "timezone": "Europe/Riga", "gap": gap});
    let times = |gap: Value| preview(&ann, &nightly(gap), "2031-03-29T12:00:00Z")["occurrences"][0].clone();
    assert_eq!(times(Value::Null), "2031-03-31T00:30:00Z");
    assert_eq!(times(json!("left_out")), "2031-03-31T00:30:00Z");
    assert_eq!(times(json!("at_its_end")), "2031-03-30T01:00:00Z");
}

#[test]
fn why_names_the_part_of_the_rule() {
    let server = Server::start();
    let ann = server.user();
    let made = make(
        &ann,
        &json!({"rrule": "FREQ=WEEKLY;INTERVAL=2", "start_at": "2031-01-06T09:00", "timezone": "Europe/Riga"}),
    );
    let told = ann.get(&format!("/api/v1/triggers/{}/why?at=2031-01-13T09:00", made["id"])).is(200).json();
    assert_eq!(told["disposition"], "no_occurrence");
    let unmet = json!([{"field": "interval", "wanted": "every second week from 6 January 2031", "shown": "1 week after the start"}]);
    assert_eq!(told["unmet"], unmet);
    let early = ann.get(&format!("/api/v1/triggers/{}/why?at=2030-12-23T09:00", made["id"])).is(200).json();
    assert_eq!(early["unmet"][0]["field"], "start", "{early}");
}

#[test]
fn a_rule_keeps_to_the_calendars_that_it_names() {
    let server = Server::start();
    let ann = server.user();
    let dates = json!(["2031-01-08", "2031-01-20/2031-01-24"]);
    ann.post("/api/v1/calendars", &json!({"name": "holidays", "dates": dates})).is(201);
    // Ten of them, of which the days of the calendar count as any: a rule counts what it names.
    let details = json!({"rrule": "FREQ=WEEKLY;BYDAY=MO,WE,FR;COUNT=10", "start_at": "2031-01-06T07:00:00Z",
        "timezone": "Europe/Riga", "except_calendars": ["holidays"]});
    let made = make(&ann, &details);
    assert_eq!(made["schedule_details"], details);
    let summary = made["summary"].as_str().expect("a sentence");
    assert!(summary.ends_with(", not on the dates of \"holidays\""), "{summary}");
    let days = ["06", "10", "13", "15", "17", "27"].map(|day| format!("2031-01-{day}T07:00:00Z"));
    let preview =
        ann.post("/api/v1/schedules/preview", &json!({"schedule_details": details, "count": 9})).is(200).json();
    assert_eq!(preview["occurrences"], json!(days));
    let path = format!("/api/v1/triggers/{}", made["id"]);
    assert_eq!(ann.get(&format!("{path}/upcoming?count=9")).is(200).json()["occurrences"], json!(days));
    let told = ann.get(&format!("{path}/why?at=2031-01-22T07:00:00Z")).is(200).json();
    assert_eq!((&told["disposition"], &told["calendars"]), (&json!("no_occurrence"), &made["calendars"]));
    let sentence = told["sentence"].as_str().expect("a sentence");
    let words = "but Wed 22 Jan 2031 stands in the calendar \"holidays\"; its neighbours are Fri 17 Jan 2031 09:00 and Mon 27 Jan 2031 09:00.";
    assert!(sentence.ends_with(words), "{sentence}");
    // A day that the rule does not name is no matter of the calendar.
    let told = ann.get(&format!("{path}/why?at=2031-01-21T07:00:00Z")).is(200).json();
    assert_eq!(told["unmet"][0]["field"], "day_of_week", "{told}");
}
