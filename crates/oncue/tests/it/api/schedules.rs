//! What a schedule may say and what is refused, at creation as in the preview.

use serde_json::{Value, json};

use crate::support::server::Server;

fn days(count: usize) -> Vec<String> {
    let first = jiff::civil::date(2031, 1, 1);
    first.series(jiff::Span::new().days(1)).take(count).map(|date| date.to_string()).collect()
}

/// Schedules that cannot be, and the word that must be in what is said to them.
fn wrong_schedules() -> Vec<(Value, &'static str)> {
    let cron = |line: &str| json!({"cron": line});
    vec![
        (json!({"run_at": "2020-01-01T00:00:00Z"}), "run_at"),
        (json!({"run_at": "tomorrow"}), "run_at"),
        (json!({"run_at": "2031-02-30T00:00:00Z"}), "run_at"),
        (json!({"run_at": 1_924_992_000}), "run_at"),
        (json!({"every": "500ms"}), "every"),
        (json!({"every": "0s"}), "every"),
        (json!({"every": "-5s"}), "every"),
        (json!({"every": "often"}), "every"),
        (json!({"every": 90}), "every"),
        (json!({"every": "1h", "start_at": "whenever"}), "start_at"),
        (json!({"every": "1h", "cron": "* * * * *"}), "schedule_details"),
        (json!({"run_at": "2031-01-01T00:00:00Z", "every": "1h"}), "schedule_details"),
        (json!({"timezone": "Europe/Riga"}), "schedule_details"),
        (json!({}), "schedule_details"),
        (json!({"cron": "* * * * *", "timezone": "Mars/Olympus"}), "timezone"),
        (json!({"cron": "* * * * *", "timezone": "+02:00"}), "timezone"),
        (json!({"cron": "* * * * *", "start_at": "2031-01-01T00:00:00Z"}), "start_at"),
        (json!({"rrule": "FREQ=WEEKLY;BYDAY=MONDAY"}), "rrule"),
        (json!({"rrule": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"}), "rrule"),
        (json!({"rrule": "RRULE:FREQ=DAILY\nRDATE:20310101T000000Z"}), "rrule"),
        (json!({"rrule": "FREQ=DAILY;UNTIL=20200101"}), "rrule"),
        (json!({"rrule": "FREQ=DAILY;COUNT=3"}), "start_at"),
        (json!({"rrule": "FREQ=DAILY", "start_at": "2031-01-01T09:00:00.5"}), "start_at"),
        (json!({"rrule": "FREQ=DAILY", "start_at": "2031-03-30T03:30", "timezone": "Europe/Riga"}), "start_at"),
        (json!({"rrule": "FREQ=DAILY", "cron": "* * * * *"}), "schedule_details"),
        (
            json!({"rrule": "DTSTART;TZID=Asia/Tokyo:20310101T090000\nRRULE:FREQ=DAILY", "timezone": "Europe/Riga"}),
            "timezone",
        ),
        (json!({"any_of": []}), "any_of"),
        (json!({"any_of": [{"every": "1h"}]}), "any_of"),
        (json!({"any_of": vec![json!({"every": "1h"}); 11]}), "any_of"),
        (json!({"any_of": "0 9 * * *"}), "any_of"),
        (json!({"any_of": [{"every": "1h"}, "0 9 * * *"]}), "any_of.1"),
        (json!({"any_of": [{"every": "1h"}, {"cron": "0 25 * * *"}]}), "any_of.1.cron"),
        (json!({"any_of": [{"every": "1h"}, {"any_of": []}]}), "any_of.1"),
        (json!({"any_of": [{"every": "1h"}, {"cron": "@daily", "misfire": "skip"}]}), "any_of.1.misfire"),
        (json!({"any_of": [{"every": "1h"}, {"run_at": "2020-01-01T00:00:00Z"}]}), "any_of.1.run_at"),
        (json!({"any_of": [{"every": "1h"}, {"cron": "@daily", "timezone": "Mars/Olympus"}]}), "any_of.1.timezone"),
        (json!({"any_of": [{"every": "1h"}, {"cron": "@daily"}], "cron": "@daily"}), "schedule_details"),
        (json!({"any_of": [{"every": "1s"}, {"cron": "* * * * *"}]}), "any_of"),
        (json!({"any_of": [{"every": "1h"}, {"every": "2h"}], "gap": "left_out"}), "gap"),
        (json!({"any_of": [{"every": "1h"}, {"every": "2h"}], "max_fires": 10_001}), "max_fires"),
        (cron(""), "cron"),
        (cron("* * * *"), "cron"),
        (cron("* * * * * * *"), "cron"),
        (cron("60 * * * *"), "cron"),
        (cron("* 24 * * *"), "cron"),
        (cron("* * 32 * *"), "cron"),
        (cron("* * * 13 *"), "cron"),
        (cron("* * * * 8"), "cron"),
        (cron("5/15 * * * *"), "cron"),
        (cron("* * * * FRI-MON"), "cron"),
        (cron("*/60 * * * *"), "cron"),
        (cron("@reboot"), "cron"),
        (cron("@sometimes"), "cron"),
        (cron("0 0 30 2 *"), "cron"),
        (json!({"every": "1h", "starts_at": "soon"}), "starts_at"),
        (json!({"every": "1h", "ends_at": "2020-01-01T00:00:00Z"}), "ends_at"),
        (json!({"every": "1h", "starts_at": "2031-01-02T00:00:00Z", "ends_at": "2031-01-02T00:00:00Z"}), "ends_at"),
        (json!({"run_at": "2031-01-01T00:00:00Z", "starts_at": "2030-01-01T00:00:00Z"}), "starts_at"),
        (json!({"run_at": "2031-01-01T00:00:00Z", "excluded_dates": ["2030-01-01"]}), "excluded_dates"),
        (json!({"cron": "@daily", "excluded_dates": "2030-01-01"}), "excluded_dates"),
        (json!({"cron": "@daily", "excluded_dates": ["2030-02-30"]}), "excluded_dates"),
        (json!({"cron": "@daily", "excluded_dates": ["1969-12-31"]}), "excluded_dates"),
        (json!({"cron": "@daily", "excluded_dates": days(1_001)}), "excluded_dates"),
        (json!({"every": "1d", "jitter": "25h"}), "jitter"),
        (json!({"every": "1d", "jitter": "0s"}), "jitter"),
        (json!({"run_at": "2031-01-01T00:00:00Z", "jitter": 5}), "jitter"),
        (json!({"cron": "@daily", "gap": "later"}), "gap"),
        (json!({"cron": "@daily", "fold": true}), "fold"),
        (json!({"every": "1d", "gap": "left_out"}), "gap"),
        (json!({"every": "1d", "max_fires": 0}), "max_fires"),
        (json!({"every": "1d", "delete_when_done": "yes"}), "delete_when_done"),
        (json!({"every": "1d", "max_fires": -1}), "max_fires"),
        (json!({"every": "1d", "max_fires": 1_000_000_001}), "max_fires"),
        (json!({"every": "1d", "max_fires": "ten"}), "max_fires"),
        (json!({"run_at": "2031-01-01T00:00:00Z", "max_fires": 1}), "max_fires"),
        (json!({"every": "1d", "fold": "first_pass"}), "fold"),
        (json!({"every": "1d", "misfire": "never"}), "misfire"),
        (json!({"every": "1d", "misfire": true}), "misfire"),
        (json!({"every": "1d", "misfire": {"policy": "all", "at_most": 0}}), "misfire.at_most"),
        (json!({"every": "1d", "misfire": {"policy": "all", "at_most": 100_001}}), "misfire.at_most"),
        (json!({"every": "1d", "misfire": {"policy": "all", "not_older_than": "long"}}), "misfire.not_older_than"),
        (json!({"every": "1d", "misfire": {"policy": "skip", "at_most": 3}}), "misfire.policy"),
        (json!({"every": "1d", "misfire": {"policy": "all", "surprise": 3}}), "misfire.surprise"),
        (json!({"every": "1d", "misfire": "all", "delete_when_done": true}), "misfire"),
    ]
}

#[test]
fn a_schedule_that_cannot_be_is_refused_where_it_is_wrong() {
    let server = Server::start();
    let ann = server.user();
    for (details, named) in wrong_schedules() {
        ann.post("/api/v1/triggers", &json!({"type": "scheduled", "schedule_details": details})).blames(named);
    }
    assert_eq!(ann.get("/api/v1/triggers").is(200).json(), json!([]), "nothing half-made");
}

#[test]
fn the_preview_refuses_the_same() {
    let server = Server::start();
    let ann = server.user();
    for (details, named) in wrong_schedules() {
        ann.post("/api/v1/schedules/preview", &json!({"schedule_details": details})).blames(named);
    }
}

#[test]
fn an_edit_to_a_schedule_that_cannot_be_changes_nothing() {
    let server = Server::start();
    let ann = server.user();
    let made =
        ann.post("/api/v1/triggers", &json!({"type": "scheduled", "schedule_details": {"every": "1h"}})).is(201).json();
    let at = format!("/api/v1/triggers/{}", made["id"]);
    for (details, named) in wrong_schedules() {
        ann.patch(&at, &json!({"schedule_details": details, "name": "half"})).blames(named);
        ann.put(&at, &json!({"schedule_details": details, "name": "half"})).blames(named);
    }
    assert_eq!(ann.get(&at).is(200).json(), made);
}

#[test]
fn every_kind_of_schedule_is_taken() {
    let server = Server::start();
    let ann = server.user();
    for details in [
        json!({"run_at": "2031-02-15T14:00:00+05:30"}),
        json!({"every": "90s"}),
        json!({"every": "1h30m"}),
        json!({"every": "1s", "start_at": "2031-01-01T00:00:00Z"}),
        json!({"every": "1h", "start_at": "2020-01-01T00:00:00Z"}),
        json!({"cron": "0 9 * * MON-FRI"}),
        json!({"rrule": "FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=17"}),
        json!({"any_of": [{"run_at": "2031-02-15T14:00:00+05:30"}, {"every": "90s"}, {"cron": "@daily"}, {"rrule": "FREQ=YEARLY"}]}),
        json!({"rrule": "FREQ=DAILY;COUNT=10", "start_at": "2031-01-01T07:30:00Z", "timezone": "Europe/Riga"}),
        json!({"rrule": "DTSTART;TZID=America/New_York:20310101T090000\nRRULE:FREQ=WEEKLY;INTERVAL=2"}),
        json!({"cron": "*/15 8-18 * JAN,JUL 1-5", "timezone": "America/New_York"}),
        json!({"cron": "30 0 9 * * *"}),
        json!({"cron": "0 0 L * *"}),
        json!({"cron": "0 0 15W * *"}),
        json!({"cron": "0 0 * * 5#2"}),
        json!({"cron": "0 0 * * 7"}),
        json!({"cron": "@daily"}),
        json!({"cron": "@hourly"}),
        json!({"cron": "@weekly"}),
        json!({"cron": "@monthly"}),
        json!({"cron": "@yearly"}),
        json!({"cron": "@daily", "starts_at": "2020-01-01T00:00:00Z", "ends_at": "2031-01-01 00:00"}),
        json!({"cron": "@daily", "excluded_dates": days(1_000), "gap": "at_its_end", "fold": "both_passes"}),
        json!({"every": "1d", "excluded_dates": [], "starts_at": null}),
    ] {
        ann.post("/api/v1/triggers", &json!({"type": "scheduled", "schedule_details": details})).is(201);
    }
}
