//! What a schedule may say beside its pattern: from when on and until when it counts, on which dates it does not, and what it does
//! where the clocks change.

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::server::Server;
use crate::support::wait::until;

fn under_terms() -> Value {
    json!({"cron": "0 9 * * *", "timezone": "Europe/Riga", "starts_at": "2031-12-20T00:00:00Z", "ends_at": "2032-01-02T07:00:00Z",
           "excluded_dates": ["2031-12-24", "2031-12-25", "2031-12-26"], "gap": "left_out", "fold": "both_passes",
           "misfire": "latest"})
}

fn make(ann: &Client, details: &Value) -> Value {
    ann.post("/api/v1/triggers", &json!({"type": "scheduled", "schedule_details": details})).is(201).json()
}

#[test]
fn terms_come_back_as_they_were_said_and_can_be_put_back() {
    let server = Server::start();
    let ann = server.user();
    let made = make(&ann, &under_terms());
    assert_eq!(made["schedule_details"], under_terms());
    assert_eq!(made["next_at"], "2031-12-20T07:00:00Z");
    assert_eq!(
        made["summary"],
        "At 09:00, every day, from 20 December 2031 at 02:00 until 2 January 2032 at 09:00, not on 24 December 2031, \
         25 December 2031 and 26 December 2031"
    );
    let at = format!("/api/v1/triggers/{}", made["id"]);
    assert_eq!(ann.put(&at, &made).is(200).json()["next_at"], made["next_at"]);
    assert_eq!(ann.patch(&at, &json!({"name": "x"})).is(200).json()["schedule_details"], under_terms());
    let bare =
        ann.patch(&at, &json!({"schedule_details": {"cron": "0 9 * * *", "timezone": "Europe/Riga"}})).is(200).json();
    assert_eq!(
        bare["schedule_details"],
        json!({"cron": "0 9 * * *", "timezone": "Europe/Riga"}),
        "what is left out is none"
    );
}

#[test]
fn what_is_taken_away_is_in_no_preview_and_in_no_list() {
    let server = Server::start();
    let ann = server.user();
    let preview = json!({"schedule_details": under_terms(), "after": "2031-12-22T00:00:00Z", "count": 100});
    let shown = ann.post("/api/v1/schedules/preview", &preview).is(200).json();
    let named = [
        "2031-12-22",
        "2031-12-23",
        "2031-12-27",
        "2031-12-28",
        "2031-12-29",
        "2031-12-30",
        "2031-12-31",
        "2032-01-01",
    ];
    let named: Vec<String> = named.into_iter().map(|date| format!("{date}T07:00:00Z")).collect();
    assert_eq!(shown["occurrences"], json!(named));
    let made = make(&ann, &under_terms());
    let upcoming = ann.get(&format!("/api/v1/triggers/{}/upcoming?count=100", made["id"])).is(200).json();
    let all: Vec<String> =
        ["2031-12-20", "2031-12-21"].map(|date| format!("{date}T07:00:00Z")).into_iter().chain(named).collect();
    assert_eq!(upcoming["occurrences"], json!(all));
}

#[test]
fn terms_leave_the_grid_alone_and_dates_are_of_the_zone() {
    let server = Server::start();
    let ann = server.user();
    let made = make(&ann, &json!({"every": "6h", "timezone": "Asia/Tokyo"}));
    let at = format!("/api/v1/triggers/{}", made["id"]);
    let terms =
        json!({"schedule_details": {"every": "6h", "timezone": "Asia/Tokyo", "excluded_dates": ["2031-01-01"]}});
    let changed = ann.patch(&at, &terms).is(200).json();
    assert_eq!(changed["next_at"], made["next_at"]);
    let details = json!({"every": "6h", "start_at": "2030-12-31T00:00:00Z", "timezone": "Asia/Tokyo", "excluded_dates": ["2031-01-01"]});
    let preview = json!({"schedule_details": details, "after": "2030-12-31T11:00:00Z", "count": 2});
    let shown = ann.post("/api/v1/schedules/preview", &preview).is(200).json();
    assert_eq!(shown["occurrences"], json!(["2030-12-31T12:00:00Z", "2031-01-01T18:00:00Z"]));
}

#[test]
fn a_rule_that_is_chosen_is_followed() {
    let server = Server::start();
    let ann = server.user();
    let occurrences = |line: &str, more: Value, after: &str| {
        let mut details = json!({"cron": line, "timezone": "America/New_York"});
        details.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        let body = json!({"schedule_details": details, "after": after, "count": 2});
        ann.post("/api/v1/schedules/preview", &body).is(200).json()["occurrences"].clone()
    };
    let spring = "2027-03-14T05:00:00Z";
    assert_eq!(occurrences("30 2 * * *", json!({}), spring)[0], "2027-03-14T07:00:00Z");
    assert_eq!(occurrences("30 2 * * *", json!({"gap": "left_out"}), spring)[0], "2027-03-15T06:30:00Z");
    let autumn = "2027-11-07T05:00:00Z";
    assert_eq!(occurrences("30 1 * * *", json!({}), autumn)[1], "2027-11-08T06:30:00Z");
    let both = json!(["2027-11-07T05:30:00Z", "2027-11-07T06:30:00Z"]);
    assert_eq!(occurrences("30 1 * * *", json!({"fold": "both_passes"}), autumn), both);
}

#[test]
fn what_leaves_nothing_is_foretold() {
    let server = Server::start();
    let ann = server.user();
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let dates: Vec<String> = today.series(jiff::Span::new().days(1)).take(10).map(|date| date.to_string()).collect();
    let ends_at = format!("{}T00:00:00Z", today.saturating_add(jiff::Span::new().days(4)));
    let made =
        make(&ann, &json!({"cron": "0 9 * * *", "timezone": "UTC", "excluded_dates": dates, "ends_at": ends_at}));
    assert_eq!(made["next_at"], Value::Null);
    let told = ann.get("/api/v1/forecast").is(200).json();
    assert_eq!(told["never"][0]["reason"], "never_in_its_span", "{told}");
}

#[test]
fn the_flat_surface_keeps_what_it_cannot_say() {
    let server = Server::start();
    let ann = server.user();
    let dates = json!(["2031-12-24"]);
    let made = make(&ann, &json!({"every": "1h", "start_at": "2031-01-01T00:00:00Z", "excluded_dates": dates}));
    let flat = format!("/triggers/{}", made["id"]);
    let shown = ann.get(&flat).is(200).json();
    assert_eq!((&shown["schedule"], &shown["interval_seconds"]), (&json!("2031-01-01T00:00:00.000000"), &json!(3600)));
    let at = format!("/api/v1/triggers/{}", made["id"]);
    ann.put(&flat, &shown).is(200);
    assert_eq!(ann.get(&at).is(200).json()["schedule_details"], made["schedule_details"]);
    ann.put(&flat, &json!({"interval_seconds": 7200})).is(200);
    let details = ann.get(&at).is(200).json()["schedule_details"].clone();
    assert_eq!((&details["every"], &details["excluded_dates"]), (&json!("7200s"), &dates), "{details}");
    ann.put(&flat, &json!({"is_recurring": false, "interval_seconds": 0})).is(200);
    assert_eq!(ann.get(&at).is(200).json()["schedule_details"], json!({"run_at": "2031-01-01T00:00:00Z"}));
}

#[test]
fn a_trigger_fires_no_more_often_than_it_may() {
    let server = Server::start();
    let ann = server.user();
    let limited = |most: u64| json!({"every": "1s", "max_fires": most});
    let made = make(&ann, &limited(2));
    assert_eq!((&made["fired"], &made["summary"]), (&json!(0), &json!("Every second, at most 2 times")));
    let at = format!("/api/v1/triggers/{}", made["id"]);
    let spent = until("it has fired as often as it may", || {
        Some(ann.get(&at).is(200).json()).filter(|trigger| trigger["fired"] == 2)
    });
    assert_eq!(spent["next_at"], Value::Null);
    let events = || ann.get("/api/v1/event_logs?status=all").is(200).json().as_array().map_or(0, Vec::len);
    assert_eq!(events(), 2);
    let told = ann.get("/api/v1/forecast").is(200).json();
    assert_eq!(told["never"][0]["reason"], "max_fires", "{told}");
    assert_eq!(ann.get(&format!("{at}/upcoming")).is(200).json()["occurrences"], json!([]));
    ann.post_nothing(&format!("{at}/test")).is(200);
    assert_eq!(ann.get(&at).is(200).json()["fired"], 2, "a test does not count");
    let more = ann.patch(&at, &json!({"schedule_details": limited(3)})).is(200).json();
    assert!(more["fired"] == 2 || more["fired"] == 3, "{more}");
    until("once more", || (ann.get(&at).is(200).json()["fired"] == 3).then_some(()));
    assert_eq!(events(), 4, "two, the test, and one more");
    assert_eq!(ann.get(&at).is(200).json()["next_at"], Value::Null);
}

#[test]
fn what_is_left_of_a_limit_is_all_that_is_foretold() {
    let server = Server::start();
    let ann = server.user();
    let details = json!({"every": "1h", "start_at": "2031-01-01T00:00:00Z", "max_fires": 3});
    let preview = json!({"schedule_details": details, "after": "2030-12-31T00:00:00Z", "count": 100});
    let shown = ann.post("/api/v1/schedules/preview", &preview).is(200).json();
    assert_eq!(shown["occurrences"], json!(["2031-01-01T00:00:00Z", "2031-01-01T01:00:00Z", "2031-01-01T02:00:00Z"]));
    make(&ann, &json!({"every": "1h", "max_fires": 3}));
    let told = ann.get("/api/v1/forecast?days=3").is(200).json();
    assert_eq!(told["fires"], 3, "{told}");
}

#[test]
fn a_trigger_that_is_to_go_goes_when_it_is_done_and_its_events_stay() {
    let server = Server::start();
    let ann = server.user();
    let soon = (jiff::Timestamp::now() + jiff::SignedDuration::from_secs(2)).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let once = make(&ann, &json!({"run_at": soon, "delete_when_done": true}));
    assert_eq!(once["schedule_details"], json!({"run_at": soon, "delete_when_done": true}));
    let twice = make(&ann, &json!({"every": "1s", "max_fires": 2, "delete_when_done": true}));
    let stays = make(&ann, &json!({"every": "1s", "max_fires": 1}));
    until("both are gone", || {
        let left = ann.get("/api/v1/triggers").is(200).json();
        (left.as_array().map(Vec::len) == Some(1)).then_some(())
    });
    let at = |id: &Value| format!("/api/v1/triggers/{id}");
    ann.get(&at(&once["id"])).is(404);
    ann.get(&at(&twice["id"])).is(404);
    let stayed = until("the other is done", || {
        Some(ann.get(&at(&stays["id"])).is(200).json()).filter(|trigger| trigger["fired"] == 1)
    });
    assert_eq!(stayed["next_at"], Value::Null);
    let events = ann.get("/api/v1/event_logs?status=all").is(200).json();
    let of = |id: &Value| {
        events.as_array().map_or(0, |events| events.iter().filter(|event| event["trigger_id"] == *id).count())
    };
    assert_eq!((of(&once["id"]), of(&twice["id"]), of(&stays["id"])), (1, 2, 1));
}
