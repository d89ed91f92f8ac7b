//! Asking a call what it would come to: the same refusals as when it is carried out, a true account of the firings, and nothing done.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::client::{Answer, Client};
use crate::support::server::Server;
use crate::support::time::instant;

/// Everything that a call could have left behind.
fn traces(ann: &Client) -> [Value; 4] {
    let paths = ["/api/v1/triggers", "/api/v1/audit", "/api/v1/event_logs?status=all", "/api/v1/destinations"];
    paths.map(|path| ann.get(path).is(200).json())
}

/// The answer of a call that is only asked, which must leave no trace.
fn asked(ann: &Client, method: &str, path: &str, body: Option<&Value>) -> Answer {
    let before = traces(ann);
    let call = ann.call(method, path);
    let answer = match body {
        Some(body) => call.json(body).send(),
        None => call.send(),
    };
    assert_eq!(traces(ann), before, "{method} {path} left something behind");
    answer
}

fn make(ann: &Client, body: &Value) -> (String, Value) {
    let made = ann.post("/api/v1/triggers", body).is(201).json();
    (format!("/api/v1/triggers/{}", made["id"]), made)
}

fn times(list: &Value) -> Vec<Timestamp> {
    list.as_array().expect("a list").iter().map(instant).collect()
}

#[test]
fn what_is_made_is_told_before_it_is_made() {
    let server = Server::start();
    let ann = server.user();
    let body = json!({"name": "n", "type": "scheduled", "schedule_details": {"cron": "0 */6 * * *", "timezone": "Europe/Riga"}});
    let told = asked(&ann, "POST", "/api/v1/triggers?dry_run=true", Some(&body)).is(200).json();
    assert_eq!((&told["dry_run"], &told["trigger"]["id"], &told["changes"]), (&json!(true), &Value::Null, &json!([])));
    let (at, made) = make(&ann, &body);
    assert_eq!(told["next"], json!({"before": null, "after": made["next_at"]}));
    assert_eq!(told["trigger"]["summary"], made["summary"]);
    let added = times(&told["occurrences"]["added"]);
    let upcoming = ann.get(&format!("{at}/upcoming?count=28")).is(200).json();
    assert_eq!(added[..28], times(&upcoming["occurrences"])[..], "the same as every preview tells");
    assert_eq!(told["occurrences"]["is_whole"], true);
}

#[test]
fn what_is_spread_is_told_by_when_it_may_fall_due_before_it_is_made() {
    let server = Server::start();
    let ann = server.user();
    let body =
        json!({"type": "scheduled", "schedule_details": {"cron": "0 0,12 * * *", "timezone": "UTC", "jitter": "20m"}});
    let told = asked(&ann, "POST", "/api/v1/triggers?dry_run=true", Some(&body)).is(200).json();
    let named = times(&told["occurrences"]["added"]);
    let windows = told["occurrences"]["due_within"].as_array().expect("a list");
    assert!(named.len() >= 14, "{told}");
    let window = |window: &Value| (instant(&window["from"]), instant(&window["until"]));
    let expected: Vec<_> = named.iter().map(|at| (*at, *at + SignedDuration::from_mins(20))).collect();
    assert_eq!(windows.iter().map(window).collect::<Vec<_>>(), expected);
    let many = asked(&ann, "POST", "/api/v1/triggers/bulk?dry_run=true", Some(&json!([body]))).is(200).json();
    assert_eq!(many["results"][0]["would"]["occurrences"]["due_within"], json!(windows[..5]));
    let (at, made) = make(&ann, &body);
    let due = instant(&made["next_at"]);
    assert!(named[0] <= due && due < expected[0].1, "as was told: {made}");
    let known = asked(&ann, "PATCH", &format!("{at}?dry_run=true"), Some(&json!({"name": "n"}))).is(200).json();
    assert_eq!(known["occurrences"]["due_within"], Value::Null, "it is drawn");
}

#[test]
fn a_change_tells_what_moves_and_then_does_just_that() {
    let server = Server::start();
    let ann = server.user();
    let (at, made) =
        make(&ann, &json!({"type": "scheduled", "schedule_details": {"cron": "0 9 * * *", "timezone": "Europe/Riga"}}));
    let change = json!({"schedule_details": {"cron": "45 9 * * *", "timezone": "Europe/Riga"}, "name": "later"});
    for (method, path) in [("PATCH", format!("{at}?dry_run=true")), ("PUT", format!("{at}?dry_run=true"))] {
        let told = asked(&ann, method, &path, Some(&change)).is(200).json();
        let moved = told["occurrences"]["moved"].as_array().expect("a list");
        assert!(moved.len() >= 7, "{told}");
        for one in moved {
            assert_eq!(instant(&one["to"]).duration_since(instant(&one["from"])), SignedDuration::from_mins(45));
        }
        let fields: Vec<&Value> =
            told["changes"].as_array().expect("a list").iter().map(|change| &change["field"]).collect();
        assert_eq!(fields, ["name", "schedule_details"]);
        assert_eq!(told["next"]["before"], made["next_at"]);
        assert_eq!(told["trigger"]["revision"], 2);
    }
    let told = asked(&ann, "PATCH", &format!("{at}?dry_run=true"), Some(&change)).is(200).json();
    let changed = ann.patch(&at, &change).is(200).json();
    assert_eq!(told["trigger"], changed, "it came to what was told");
    let back = asked(&ann, "POST", &format!("{at}/revisions/1/restore?dry_run=true"), None).is(200).json();
    assert_eq!(back["trigger"]["revision"], 3);
    assert_eq!(
        back["occurrences"]["moved"].as_array().map(Vec::len),
        told["occurrences"]["moved"].as_array().map(Vec::len)
    );
}

#[test]
fn pausing_and_deleting_take_everything_away() {
    let server = Server::start();
    let ann = server.user();
    let (at, made) = make(&ann, &json!({"type": "scheduled", "schedule_details": {"every": "1h"}}));
    let until = Timestamp::now() + SignedDuration::from_mins(150);
    let paused = json!({"enabled": false});
    let told = asked(&ann, "PATCH", &format!("{at}?dry_run=true&until={until}"), Some(&paused)).is(200).json();
    assert_eq!(times(&told["occurrences"]["removed"]).len(), 2, "{told}");
    assert_eq!(told["next"], json!({"before": made["next_at"], "after": null}));
    let gone = asked(&ann, "DELETE", &format!("{at}?dry_run=true&until={until}"), None).is(200).json();
    assert_eq!((&gone["trigger"], &gone["occurrences"]["removed"]), (&Value::Null, &told["occurrences"]["removed"]));
    ann.delete(&format!("{at}?dry_run=false")).is(204);
    ann.get(&at).is(404);
}

#[test]
fn what_comes_too_often_says_how_far_was_looked() {
    let server = Server::start();
    let ann = server.user();
    let body = json!({"type": "scheduled", "schedule_details": {"every": "1s"}});
    let told = asked(&ann, "POST", "/api/v1/triggers?dry_run=true", Some(&body)).is(200).json();
    let occurrences = &told["occurrences"];
    assert_eq!((times(&occurrences["added"]).len(), &occurrences["is_whole"]), (1_000, &json!(false)));
    let looked = instant(&occurrences["until"]).duration_since(instant(&occurrences["from"]));
    assert_eq!(looked, SignedDuration::from_secs(1_001));
}

#[test]
fn the_same_is_refused_as_when_it_is_carried_out() {
    let server = Server::start();
    let (ann, bob) = (server.user(), server.register("bob@example.com"));
    let (at, _) = make(&ann, &json!({"type": "api"}));
    let bodies = [
        json!({"type": "scheduled", "schedule_details": {"run_at": "2020-01-01T00:00:00Z"}}),
        json!({"type": "api", "destinations": [987_654]}),
        json!({"type": "api", "expects": {"report_within": "1m", "alert": 987_654}}),
        json!({"type": "api", "webhook_url": "http://169.254.169.254/"}),
        json!({"type": "api", "colour": "red"}),
        json!({"type": "api", "payload_schema": {"type": "object"}, "api_payload": 7}),
        json!([]),
    ];
    for body in &bodies {
        for (method, path) in [("POST", "/api/v1/triggers"), ("PUT", &at), ("PATCH", &at)] {
            let told = asked(&ann, method, &format!("{path}?dry_run=true"), Some(body));
            let refused = ann.call(method, path).json(body).send();
            assert!((400..500).contains(&refused.status), "{method} {body}: {}", refused.text);
            assert_eq!((told.status, told.json()), (refused.status, refused.json()), "{method} {body}");
        }
    }
    for (method, body) in [("PATCH", Some(json!({"name": "b"}))), ("DELETE", None)] {
        asked(&bob, method, &format!("{at}?dry_run=true"), body.as_ref()).problem(404);
    }
    asked(&ann, "POST", &format!("{at}/revisions/1/restore?dry_run=true"), None).problem(409);
    let wrong = [
        "dry_run=yes",
        "dry_run=true&until=soon",
        "dry_run=true&until=2020-01-01T00:00:00Z",
        "dry_run=true&until=2100-01-01T00:00:00Z",
    ];
    for query in wrong {
        let name = if query.contains("until") { "until" } else { "dry_run" };
        asked(&ann, "DELETE", &format!("{at}?{query}"), None).blames(name);
    }
    server.nobody().delete(&format!("{at}?dry_run=true")).is(401);
}

#[test]
fn a_call_that_cannot_be_asked_is_not_carried_out_instead() {
    let server = Server::start();
    let ann = server.user();
    let (at, made) = make(&ann, &json!({"type": "api"}));
    for path in [format!("{at}/fire"), format!("{at}/test"), format!("/triggers/{}/fire", made["id"])] {
        let answer = asked(&ann, "POST", &format!("{path}?dry_run=true"), None);
        assert_eq!(answer.status, 422, "{}", answer.text);
        assert!(answer.text.contains("dry_run"), "{}", answer.text);
    }
    let destination = json!({"name": "d", "type": "webhook", "url": "https://example.com/"});
    asked(&ann, "POST", "/api/v1/destinations?dry_run=true", Some(&destination)).blames("dry_run");
    ann.get(&format!("{at}?dry_run=true")).is(200);
}

/// The calls that can be asked, as docs/dry-run.md tells them.
const ASKABLE: [&str; 12] = [
    "delete /api/v1/triggers/{id}",
    "delete /triggers/{id}",
    "patch /api/v1/triggers/{id}",
    "post /api/v1/calendars",
    "post /api/v1/triggers",
    "post /api/v1/triggers/bulk",
    "post /api/v1/triggers/{id}/backfill",
    "post /api/v1/triggers/{id}/revisions/{revision}/restore",
    "post /triggers",
    "put /api/v1/calendars/{id}",
    "put /api/v1/triggers/{id}",
    "put /triggers/{id}",
];

#[test]
fn every_call_that_changes_something_can_be_asked_or_refuses() {
    let server = Server::start();
    let ann = server.user();
    let document = server.nobody().get("/openapi.json").is(200).json();
    let mut askable = Vec::new();
    for (route, calls) in document["paths"].as_object().expect("paths") {
        for (method, call) in calls.as_object().expect("calls") {
            if method == "get" || ["/auth/", "/report/"].iter().any(|there| route.starts_with(there)) {
                continue;
            }
            let mut parameters = call["parameters"].as_array().into_iter().flatten();
            if parameters.any(|parameter| parameter["name"] == "dry_run") {
                askable.push(format!("{method} {route}"));
                continue;
            }
            let path: Vec<&str> = route.split('/').map(|part| if part.starts_with('{') { "1" } else { part }).collect();
            let path = format!("{}?dry_run=true", path.join("/"));
            let refused = asked(&ann, &method.to_uppercase(), &path, Some(&json!({})));
            assert!(refused.status == 422 && refused.text.contains("dry_run"), "{method} {route}: {}", refused.text);
        }
    }
    askable.sort();
    assert_eq!(askable, ASKABLE);
}

#[test]
fn a_call_that_says_it_oddly_or_twice_is_not_carried_out_either() {
    let server = Server::start();
    let ann = server.user();
    let (path, _) = make(&ann, &json!({"type": "api", "name": "a"}));
    let change = json!({"name": "b"});
    for said in ["dry_run=true&dry_run=false", "dry_run=false&dry_run=true", "dry_run=1", "dry_run=True", "dry_run="] {
        assert_eq!(asked(&ann, "PATCH", &format!("{path}?{said}"), Some(&change)).status, 422, "{said}");
        assert_eq!(asked(&ann, "POST", &format!("{path}/fire?{said}"), None).status, 422, "{said}");
    }
    ann.call("PATCH", &format!("{path}?dry_run=false")).json(&change).send().is(200);
}

#[test]
fn many_are_looked_at_one_by_one() {
    let server = Server::start();
    let ann = server.user();
    let expecting = json!({"report_within": "1m", "alert": 987_654});
    let missing = json!({"type": "api", "destinations": [987_654]});
    let body = json!([{"type": "api"}, {"type": "never"}, missing, {"type": "api", "expects": expecting}, missing]);
    let told = asked(&ann, "POST", "/api/v1/triggers/bulk?dry_run=true", Some(&body)).is(200).json();
    let statuses: Vec<&Value> =
        told["results"].as_array().expect("a list").iter().map(|result| &result["status"]).collect();
    assert_eq!(statuses, [200, 422, 422, 422, 422]);
    assert_eq!((&told["accepted"], &told["results"][0]["id"]), (&json!(1), &Value::Null));
}

#[test]
fn of_many_each_is_told_in_short_as_the_call_for_one_tells_it() {
    let server = Server::start();
    let ann = server.user();
    let scheduled = |details: Value| json!({"type": "scheduled", "schedule_details": details});
    let bodies = [
        scheduled(json!({"cron": "0 */6 * * *", "timezone": "Europe/Riga"})),
        scheduled(json!({"cron": "0 9 * * *", "jitter": "10m"})),
        scheduled(json!({"run_at": "2099-01-01T00:00:00Z"})),
        scheduled(json!({"cron": "0 9 * * *", "max_fires": 2})),
        json!({"type": "api"}),
    ];
    let many = asked(&ann, "POST", "/api/v1/triggers/bulk?dry_run=true", Some(&json!(bodies))).is(200).json();
    for (body, result) in bodies.iter().zip(many["results"].as_array().expect("a list")) {
        let one = asked(&ann, "POST", "/api/v1/triggers?dry_run=true", Some(body)).is(200).json();
        let would = &result["would"];
        assert_eq!((&would["next_at"], &would["is_told"]), (&one["next"]["after"], &json!(true)), "{body}");
        assert_eq!(would["summary"], one["trigger"]["summary"], "{body}");
        let (short, long) = (times(&would["occurrences"]["added"]), times(&one["occurrences"]["added"]));
        assert_eq!(short, long[..long.len().min(5)], "{body}");
        assert_eq!(would["occurrences"]["is_whole"], json!(long.len() <= 5), "{body}");
    }
    let path = "/api/v1/triggers/bulk?dry_run=true&until=";
    let until = Timestamp::from_second(Timestamp::now().as_second() + 15 * 24 * 3_600).expect("in range");
    let told = asked(&ann, "POST", &format!("{path}{until}"), Some(&json!([scheduled(json!({"cron": "0 9 * * 1"}))])));
    let occurrences = told.is(200).json()["results"][0]["would"]["occurrences"].clone();
    assert_eq!((&occurrences["until"], &occurrences["is_whole"]), (&json!(until.to_string()), &json!(true)));
    assert!([2, 3].contains(&times(&occurrences["added"]).len()), "{occurrences}");
    asked(&ann, "POST", &format!("{path}soon"), Some(&json!(bodies))).blames("until");
}

#[test]
fn what_is_not_worked_out_of_very_many_says_so() {
    let server = Server::start();
    let ann = server.user();
    let daily = json!({"type": "scheduled", "schedule_details": {"cron": "0 9 * * *"}});
    let mut lines = format!("{daily}\n").repeat(1_001);
    lines.push_str("{\"type\": \"never\"}\n{\"type\": \"api\"}\n");
    let before = traces(&ann);
    let call = ann.call("POST", "/api/v1/triggers/bulk?dry_run=true").header("Accept", "application/x-ndjson");
    let answer = call.body("application/x-ndjson", lines).send().is(200);
    assert_eq!(traces(&ann), before);
    let results: Vec<Value> =
        answer.text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    let told = |result: &Value| result["would"]["is_told"].clone();
    assert!(results[..1_000].iter().all(|result| told(result) == true), "the first thousand are told");
    let beyond = &results[1_000]["would"];
    assert_eq!((&beyond["is_told"], &beyond["occurrences"]), (&json!(false), &Value::Null));
    assert_eq!(beyond["next_at"], results[0]["would"]["next_at"], "when it would fire first is told of all");
    assert_eq!((&results[1_001]["status"], &results[1_001]["would"]), (&json!(422), &Value::Null));
    assert_eq!(told(&results[1_002]), true, "what no schedule fires needs no work");
}

#[test]
fn asking_uses_up_no_key() {
    let server = Server::start();
    let ann = server.user();
    let body = json!({"type": "api", "name": "one"});
    let call = |path: &str| ann.call("POST", path).header("Idempotency-Key", "k1").json(&body);
    call("/api/v1/triggers?dry_run=true").send().is(200);
    let made = call("/api/v1/triggers").send().is(201);
    assert_eq!(made.header("idempotency-replayed"), "");
    let at = format!("/api/v1/triggers/{}", made.json()["id"]);
    ann.patch(&at, &json!({"name": "two"})).is(200);
    let restore = |query: &str| {
        let path = format!("{at}/revisions/1/restore{query}");
        ann.call("POST", &path).header("Idempotency-Key", "k2").send()
    };
    restore("?dry_run=true").is(200);
    assert_eq!(restore("").is(200).json()["name"], "one");
}

#[test]
fn the_form_tells_what_would_change_before_it_is_saved() {
    let server = Server::start();
    let ann = server.user();
    let (at, made) = make(
        &ann,
        &json!({"name": "n", "type": "scheduled", "schedule_details": {"cron": "0 9 * * *", "timezone": "Europe/Riga"}}),
    );
    let id = made["id"].to_string();
    let edit = ann.get(&format!("/ui/triggers/{id}/edit")).is(200).text;
    assert!(edit.contains("What would change"), "{edit}");
    let check = |cron: &str| {
        let fields = [
            ("id", id.as_str()),
            ("revision", "1"),
            ("name", "n"),
            ("kind", "cron"),
            ("cron", cron),
            ("timezone", "Europe/Riga"),
        ];
        ann.call("POST", "/ui/triggers/check").form(&fields).send()
    };
    let before = traces(&ann);
    let page = check("45 9 * * *").is(200).text;
    for words in ["firings move", "id=\"would\"", "09:45:00", "09:00:00", "Nothing is saved yet"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let page = check("0 9 * * *").is(200).text;
    assert!(page.contains("firings stay as they are"), "{page}");
    let page = check("0 99 * * *").is(422).text;
    assert!(!page.contains("id=\"would\""), "{page}");
    assert_eq!(traces(&ann), before, "nothing was saved");
    ann.get(&at).is(200);
}
