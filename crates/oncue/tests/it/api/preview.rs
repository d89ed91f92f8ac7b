//! `/api/v1/schedules/preview`: what a schedule will do, before there is a trigger; and that triggers then do the same.

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::server::{Server, Setup};

fn preview(ann: &Client, details: &Value, after: &str, count: usize) -> Value {
    let body = json!({"schedule_details": details, "after": after, "count": count});
    ann.post("/api/v1/schedules/preview", &body).is(200).json()
}

fn occurrences(ann: &Client, details: &Value, after: &str, count: usize) -> Value {
    preview(ann, details, after, count)["occurrences"].clone()
}

#[test]
fn a_schedule_is_said_in_words_and_in_instants() {
    let server = Server::start();
    let ann = server.user();
    let details = json!({"cron": "0 9 * * MON-FRI", "timezone": "Europe/Riga"});
    let expected = json!({"summary": "At 09:00, Monday to Friday", "timezone": "Europe/Riga",
                          "occurrences": ["2026-11-23T07:00:00Z", "2026-11-24T07:00:00Z", "2026-11-25T07:00:00Z"]});
    assert_eq!(preview(&ann, &details, "2026-11-21T10:00:00Z", 3), expected);
}

#[test]
fn there_are_five_from_now_on_unless_somebody_says_otherwise() {
    let server = Server::start();
    let ann = server.user();
    let preview = |body: Value| ann.post("/api/v1/schedules/preview", &body);
    let shown = preview(json!({"schedule_details": {"every": "1h"}})).is(200).json();
    let first: jiff::Timestamp =
        shown["occurrences"][0].as_str().and_then(|text| text.parse().ok()).expect("an instant");
    let wait = first.duration_since(jiff::Timestamp::now());
    assert!((3500..=3600).contains(&wait.as_secs()), "{shown}");
    assert_eq!(shown["occurrences"].as_array().map(Vec::len), Some(5));
    let hundred = preview(json!({"schedule_details": {"cron": "* * * * *"}, "count": 100})).is(200).json();
    assert_eq!(hundred["occurrences"].as_array().map(Vec::len), Some(100));
    preview(json!({"schedule_details": {"cron": "* * * * *"}, "count": 101})).blames("count");
    preview(json!({"schedule_details": {"cron": "* * * * *"}, "count": -1})).blames("count");
    preview(json!({"schedule_details": {"cron": "* * * * *"}, "after": "later"})).blames("after");
    preview(json!({"schedule_details": {"cron": "* * * * *"}, "befor": 1})).blames("befor");
    preview(json!({"count": 5})).blames("schedule_details");
}

#[test]
fn they_lie_strictly_after() {
    let server = Server::start();
    let ann = server.user();
    let daily = json!({"cron": "0 0 * * *"});
    assert_eq!(occurrences(&ann, &daily, "2027-01-01T00:00:00Z", 1), json!(["2027-01-02T00:00:00Z"]));
    assert_eq!(occurrences(&ann, &daily, "2026-12-31T23:59:59.999Z", 1), json!(["2027-01-01T00:00:00Z"]));
    let grid = json!({"every": "90s", "start_at": "2027-01-01T00:00:00Z"});
    assert_eq!(
        occurrences(&ann, &grid, "2027-01-01T00:00:00Z", 2),
        json!(["2027-01-01T00:01:30Z", "2027-01-01T00:03:00Z"])
    );
    assert_eq!(occurrences(&ann, &grid, "2026-06-01T00:00:00Z", 1), json!(["2027-01-01T00:00:00Z"]));
    let once = json!({"run_at": "2031-01-01T00:00:00Z"});
    assert_eq!(occurrences(&ann, &once, "2030-12-31T23:00:00Z", 5), json!(["2031-01-01T00:00:00Z"]));
    assert_eq!(occurrences(&ann, &once, "2031-01-01T00:00:00Z", 5), json!([]));
}

#[test]
fn a_fixed_wall_time_in_a_gap_fires_at_the_first_instant_after_it() {
    let server = Server::start();
    let ann = server.user();
    // Riga puts its clocks from 03:00 to 04:00 at 01:00 UTC on 28 March 2027.
    let fixed = json!({"cron": "30 3 * * *", "timezone": "Europe/Riga"});
    assert_eq!(
        occurrences(&ann, &fixed, "2027-03-27T00:00:00Z", 3),
        json!(["2027-03-27T01:30:00Z", "2027-03-28T01:00:00Z", "2027-03-29T00:30:00Z"])
    );
}

#[test]
fn a_wall_time_that_exists_twice_fires_the_first_time_only() {
    let server = Server::start();
    let ann = server.user();
    // Riga puts its clocks from 04:00 back to 03:00 at 01:00 UTC on 31 October 2027.
    let fixed = json!({"cron": "30 3 * * *", "timezone": "Europe/Riga"});
    assert_eq!(
        occurrences(&ann, &fixed, "2027-10-30T12:00:00Z", 2),
        json!(["2027-10-31T00:30:00Z", "2027-11-01T01:30:00Z"])
    );
}

#[test]
fn what_begins_with_a_star_follows_elapsed_time_through_both_passes() {
    let server = Server::start();
    let ann = server.user();
    let half_hours = json!({"cron": "*/30 * * * *", "timezone": "Europe/Riga"});
    assert_eq!(
        occurrences(&ann, &half_hours, "2027-10-31T00:00:00Z", 4),
        json!(["2027-10-31T00:30:00Z", "2027-10-31T01:00:00Z", "2027-10-31T01:30:00Z", "2027-10-31T02:00:00Z"])
    );
    assert_eq!(
        occurrences(&ann, &half_hours, "2027-03-28T00:30:00Z", 2),
        json!(["2027-03-28T01:00:00Z", "2027-03-28T01:30:00Z"])
    );
}

#[test]
fn a_skipped_day_does_not_occur() {
    let server = Server::start();
    let ann = server.user();
    // Samoa had no 30 December 2011.
    let noon = json!({"cron": "0 12 * * *", "timezone": "Pacific/Apia"});
    assert_eq!(
        occurrences(&ann, &noon, "2011-12-29T12:00:00Z", 2),
        json!(["2011-12-29T22:00:00Z", "2011-12-30T22:00:00Z"])
    );
}

#[test]
fn cron_speaks_the_dialect_it_documents() {
    let server = Server::start();
    let ann = server.user();
    let after = "2027-01-01T00:00:00Z";
    for (line, expected) in [
        ("0 0 13 * FRI", json!(["2027-01-08T00:00:00Z", "2027-01-13T00:00:00Z", "2027-01-15T00:00:00Z"])),
        ("0 0 * * 7", json!(["2027-01-03T00:00:00Z", "2027-01-10T00:00:00Z", "2027-01-17T00:00:00Z"])),
        ("0 0 L * *", json!(["2027-01-31T00:00:00Z", "2027-02-28T00:00:00Z", "2027-03-31T00:00:00Z"])),
        ("0 0 * * 5#2", json!(["2027-01-08T00:00:00Z", "2027-02-12T00:00:00Z", "2027-03-12T00:00:00Z"])),
        ("0 0 16W * *", json!(["2027-01-15T00:00:00Z", "2027-02-16T00:00:00Z", "2027-03-16T00:00:00Z"])),
        ("15,45 */12 1 JAN *", json!(["2027-01-01T00:15:00Z", "2027-01-01T00:45:00Z", "2027-01-01T12:15:00Z"])),
        ("*/20 0 0 1 1 *", json!(["2027-01-01T00:00:20Z", "2027-01-01T00:00:40Z", "2028-01-01T00:00:00Z"])),
        ("@daily", json!(["2027-01-02T00:00:00Z", "2027-01-03T00:00:00Z", "2027-01-04T00:00:00Z"])),
        ("@yearly", json!(["2028-01-01T00:00:00Z", "2029-01-01T00:00:00Z", "2030-01-01T00:00:00Z"])),
        ("0 0 29 2 *", json!(["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z", "2036-02-29T00:00:00Z"])),
    ] {
        assert_eq!(occurrences(&ann, &json!({"cron": line}), after, 3), expected, "{line}");
    }
}

#[test]
fn without_a_zone_the_servers_holds_and_is_named() {
    let server = Setup::new().option("--timezone", "Asia/Kolkata").serve();
    let ann = server.user();
    let shown = preview(&ann, &json!({"cron": "0 14 * * *"}), "2027-01-01T00:00:00Z", 1);
    assert_eq!((&shown["timezone"], &shown["occurrences"]), (&json!("Asia/Kolkata"), &json!(["2027-01-01T08:30:00Z"])));
}

#[test]
fn a_trigger_does_what_its_preview_showed() {
    let server = Server::start();
    let ann = server.user();
    for details in [
        json!({"cron": "17 4 * * SUN", "timezone": "America/St_Johns"}),
        json!({"cron": "@monthly", "timezone": "Australia/Lord_Howe"}),
        json!({"every": "36h", "start_at": "2026-01-01T00:00:00Z"}),
        json!({"run_at": "2031-06-01T12:00:00"}),
    ] {
        let shown =
            ann.post("/api/v1/schedules/preview", &json!({"schedule_details": details, "count": 10})).is(200).json();
        let made =
            ann.post("/api/v1/triggers", &json!({"type": "scheduled", "schedule_details": details})).is(201).json();
        let upcoming = ann.get(&format!("/api/v1/triggers/{}/upcoming?count=10", made["id"])).is(200).json();
        assert_eq!(upcoming, shown, "{details}");
    }
}
