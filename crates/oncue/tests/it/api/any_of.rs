//! Several schedules in one trigger: what is said comes back, an instant that two name is one, and why tells of each.

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::server::Server;

fn make(ann: &Client, details: &Value) -> Value {
    ann.post("/api/v1/triggers", &json!({"type": "scheduled", "schedule_details": details})).is(201).json()
}

fn details() -> Value {
    json!({"any_of": [{"cron": "0 9 * * MON-FRI"}, {"cron": "0 9,12 * * *"}, {"cron": "0 9 * * *", "timezone": "Asia/Tokyo"},
                      {"rrule": "FREQ=MONTHLY", "start_at": "2031-01-31T18:00:00Z"}], "timezone": "UTC"})
}

#[test]
fn several_schedules_come_back_and_an_instant_that_two_name_is_one() {
    let server = Server::start();
    let ann = server.user();
    let made = make(&ann, &details());
    assert_eq!(made["schedule_details"], details());
    assert_eq!(
        made["summary"],
        "At 09:00, Monday to Friday (UTC); and at 09:00 and 12:00, every day (UTC); and at 09:00, every day (Asia/Tokyo); and every month on day 31 of the month at 18:00 (UTC)"
    );
    let at = format!("/api/v1/triggers/{}", made["id"]);
    assert_eq!(ann.put(&at, &made).is(200).json()["schedule_details"], details());
    let body = json!({"schedule_details": details(), "after": "2031-01-30T12:00:00Z", "count": 6});
    let shown = ann.post("/api/v1/schedules/preview", &body).is(200).json();
    let times = [
        "2031-01-31T00:00:00Z",
        "2031-01-31T09:00:00Z",
        "2031-01-31T12:00:00Z",
        "2031-01-31T18:00:00Z",
        "2031-02-01T00:00:00Z",
        "2031-02-01T09:00:00Z",
    ];
    assert_eq!(shown["occurrences"], json!(times));
    let flat = ann.get(&format!("/triggers/{}", made["id"])).is(200).json();
    assert_eq!((&flat["is_recurring"], &flat["interval_seconds"]), (&json!(true), &json!(0)));
    let limited = ann
        .patch(&at, &json!({"schedule_details": {"any_of": [{"every": "1h"}, {"every": "90m"}], "max_fires": 2}}))
        .is(200)
        .json();
    assert_eq!(
        ann.get(&format!("{at}/upcoming?count=9")).is(200).json()["occurrences"].as_array().map(Vec::len),
        Some(2),
        "{limited}"
    );
}

#[test]
fn why_tells_of_each_of_them() {
    let server = Server::start();
    let ann = server.user();
    let made = make(
        &ann,
        &json!({"any_of": [{"cron": "0 9 * * MON-FRI"}, {"every": "24h", "start_at": "2031-01-01T12:00:00Z"}], "timezone": "UTC"}),
    );
    let told = ann.get(&format!("/api/v1/triggers/{}/why?at=2031-01-04T09:00:00Z", made["id"])).is(200).json();
    assert_eq!(told["disposition"], "no_occurrence");
    assert_eq!(told["unmet"], json!([{"any_of": 0, "field": "day_of_week", "wanted": "MON-FRI", "shown": "Saturday"}]));
    assert_eq!(
        told["sentence"],
        "None of its schedules names Sat 4 Jan 2031 09:00 UTC: \"0 9 * * MON-FRI\" does not, as the day of the week, Saturday, does not match MON-FRI; \"every 24h\" does not, as this lies beside its grid; its neighbours are Fri 3 Jan 2031 12:00 and Sat 4 Jan 2031 12:00."
    );
    let told = ann.get(&format!("/api/v1/triggers/{}/why?at=2031-01-04T12:00:00Z", made["id"])).is(200).json();
    assert_eq!(told["disposition"], "to_come");
}

#[test]
fn several_schedules_keep_together_to_the_calendars_of_the_trigger() {
    let server = Server::start();
    let ann = server.user();
    let calendar = ann.post("/api/v1/calendars", &json!({"name": "holidays", "dates": ["2031-01-31"]})).is(201).json();
    let with = |details: Value| {
        let mut details = details;
        details["except_calendars"] = json!(["holidays"]);
        details
    };
    let made = make(&ann, &with(details()));
    assert_eq!(made["schedule_details"], with(details()));
    assert_eq!(made["calendars"][0]["dates"], 1);
    // Nine o'clock in Tokyo of the first of February is midnight in UTC, whose dates they are.
    let times = ["2031-01-30T00:00:00Z", "2031-01-30T09:00:00Z", "2031-01-30T12:00:00Z", "2031-02-01T00:00:00Z"];
    let body = json!({"schedule_details": with(details()), "after": "2031-01-29T12:00:00Z", "count": 4});
    assert_eq!(ann.post("/api/v1/schedules/preview", &body).is(200).json()["occurrences"], json!(times));
    let path = format!("/api/v1/triggers/{}", made["id"]);
    let why = |at: &str| ann.get(&format!("{path}/why?at={at}")).is(200).json();
    for at in ["2031-01-31T00:00:00Z", "2031-01-31T09:00:00Z", "2031-01-31T12:00:00Z", "2031-01-31T18:00:00Z"] {
        let told = why(at);
        assert_eq!(told["disposition"], "no_occurrence", "{told}");
        let sentence = told["sentence"].as_str().expect("a sentence");
        assert!(sentence.contains("but Fri 31 Jan 2031 stands in the calendar \"holidays\""), "{sentence}");
        let advice = "Take 2031-01-31 out of the calendar \"holidays\", or take that out of except_calendars.";
        assert_eq!(told["advice"], json!([advice]));
    }
    assert_eq!(why("2031-01-30T09:00:00Z")["disposition"], "to_come");
    // One of them alone names no calendar, and what the calendar comes to hold holds for all of them.
    let own = json!({"any_of": [{"every": "1h", "except_calendars": ["holidays"]}, {"every": "2h"}]});
    ann.post("/api/v1/triggers", &json!({"type": "scheduled", "schedule_details": own}))
        .blames("schedule_details.any_of.0.except_calendars");
    let edited = json!({"name": "holidays", "dates": ["2031-02-01"]});
    ann.put(&format!("/api/v1/calendars/{}", calendar["id"]), &edited).is(200);
    assert_eq!(why("2031-01-31T18:00:00Z")["disposition"], "to_come");
    assert_eq!(why("2031-02-01T00:00:00Z")["disposition"], "no_occurrence");
}
