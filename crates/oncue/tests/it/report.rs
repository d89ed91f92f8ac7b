//! Fire and expect: a delivery carries addresses to which its receiver reports, and what was reported, or was not, is shown and told.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::client::{Answer, Client};
use crate::support::receiver::Receiver;
use crate::support::server::{Server, Setup};
use crate::support::wait::until;

/// Somebody whose trigger sends to a receiver, and tells an inbox.
struct House {
    server: Server,
    ann: Client,
    receiver: Receiver,
    inbox: Value,
    trigger: Value,
}

impl House {
    fn new(expects: &Value) -> House {
        let server = Server::start_delivering();
        let (ann, receiver) = (server.user(), Receiver::start());
        let inbox = ann.post("/api/v1/destinations", &json!({"name": "Operator", "kind": "inbox"})).is(201).json();
        let mut expects = expects.clone();
        expects["alert"] = inbox["id"].clone();
        let said = json!({"type": "api", "name": "nightly", "webhook_url": receiver.url(), "expects": expects});
        let trigger = ann.post("/api/v1/triggers", &said).is(201).json();
        assert_eq!(trigger["expects"]["alert"], inbox["id"]);
        House { server, ann, receiver, inbox, trigger }
    }

    /// Fires the trigger and waits for the delivery; gives the event's number and where to report.
    fn fire(&self, before: usize) -> (Value, String) {
        let fired = self.ann.post_nothing(&format!("/api/v1/triggers/{}/fire", self.trigger["id"])).is(200).json();
        let delivery = self.receiver.wait_for(before + 1).remove(before);
        let url = delivery.headers.get("oncue-report").expect("it says where to report").clone();
        let report = delivery.json()["data"]["report"].clone();
        for verb in ["start", "progress", "done", "fail"] {
            assert_eq!(report[verb], format!("{url}/{verb}"));
        }
        let path = url.strip_prefix(self.server.base()).expect("an address of this server").to_owned();
        (fired["event_id"].clone(), path)
    }

    fn event(&self, id: &Value) -> Value {
        self.ann.get(&format!("/api/v1/event_logs/{id}")).is(200).json()
    }

    /// What the inbox was told, the first first, each once.
    fn alerts(&self) -> Vec<Value> {
        alerts(&self.ann, &self.inbox)
    }
}

fn alerts(ann: &Client, inbox: &Value) -> Vec<Value> {
    let at = format!("/api/v1/destinations/{}/arrivals", inbox["id"]);
    let body = |arrival: &Value| -> Value {
        let arrival = ann.get(&format!("{at}/{}", arrival["id"])).is(200).json();
        serde_json::from_str(arrival["body"].as_str().expect("text")).expect("JSON")
    };
    let mut seen = HashSet::new();
    let mut bodies: Vec<Value> = ann.get(&at).is(200).list().iter().rev().map(body).collect();
    bodies.retain(|body| seen.insert(body["id"].as_str().expect("an id").to_owned()));
    assert!(bodies.iter().all(|body| body["type"] == "dev.oncue.run.alert"), "{bodies:?}");
    bodies.iter().map(|body| body["data"]["payload"].clone()).collect()
}

/// As a shell does it: without credentials, a header or a body.
fn post(nobody: &Client, path: &str) -> Answer {
    nobody.call("POST", path).send()
}

#[test]
fn a_job_reports_its_way_and_its_end_and_both_are_shown() {
    let house = House::new(&json!({"report_within": "10m", "start_within": "1m"}));
    let nobody = house.server.nobody();
    let (event, report) = house.fire(0);
    let run = house.event(&event)["run"].clone();
    assert_eq!((&run["state"], &run["started_at"]), (&json!("expected"), &Value::Null));
    let started = post(&nobody, &format!("{report}/start")).is(200).json();
    assert_eq!((&started["event_id"], &started["run"]["state"]), (&event, &json!("running")));
    nobody.call("POST", &format!("{report}/progress?percent=40")).body("text/plain", "four of ten").send().is(200);
    let shown = house.event(&event)["run"].clone();
    assert_eq!((&shown["percent"], &shown["progress"]), (&json!(40), &json!("four of ten")));
    let page = house.ann.get(&format!("/events/{event}")).is(200).text;
    assert!(page.contains("four of ten") && page.contains("40 %") && page.contains("running"), "{page}");
    let done = nobody.post(&format!("{report}/done"), &json!({"message": "12 rows", "exit_code": 0})).is(200).json();
    assert_eq!((&done["run"]["state"], &done["run"]["message"]), (&json!("succeeded"), &json!("12 rows")));
    assert!(done["run"]["duration_ms"].as_i64().is_some_and(|took| (0..60_000).contains(&took)), "{done}");
    // The same again changes nothing, and the other end is refused.
    assert_eq!(post(&nobody, &format!("{report}/done?message=again")).is(200).json(), done);
    post(&nobody, &format!("{report}/fail")).problem(409);
    let listed = house.ann.get("/api/v1/event_logs").is(200).list();
    assert_eq!(listed[0]["run"], done["run"]);
    for path in ["/events", &format!("/ui/triggers/{}", house.trigger["id"]), &format!("/events/{event}")] {
        let page = house.ann.get(path).is(200).text;
        assert!(page.contains("succeeded"), "{path}: {page}");
    }
    assert!(house.alerts().is_empty(), "all went well");
    let metrics = nobody.get("/metrics").is(200).text;
    assert!(metrics.contains("oncue_runs_total{outcome=\"succeeded\"} 1"), "{metrics}");
}

#[test]
fn a_job_that_fails_is_told_once_with_its_words() {
    let house = House::new(&json!({"report_within": "10m"}));
    let nobody = house.server.nobody();
    let (event, report) = house.fire(0);
    let log = "line 1\nline 2: disk full\n";
    for _ in 0..2 {
        // As `curl --data-binary @log` sends it.
        let call = nobody.call("POST", &format!("{report}/done?exit_code=28"));
        let failed = call.body("application/x-www-form-urlencoded", log).send().is(200).json();
        assert_eq!((&failed["run"]["state"], &failed["run"]["exit_code"]), (&json!("failed"), &json!(28)));
    }
    let told = until("somebody is told", || Some(house.alerts()).filter(|told| !told.is_empty()));
    assert_eq!((&told[0]["alert"], &told[0]["event"]["id"]), (&json!("run failed"), &event));
    assert!(told[0]["text"].as_str().is_some_and(|text| text.ends_with("line 2: disk full")), "{}", told[0]);
    assert_eq!(told[0]["page"], format!("/events/{event}"));
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(house.alerts().len(), 1);
    let alert = house.ann.get("/api/v1/event_logs").is(200).list().remove(0);
    assert_eq!((&alert["origin"], &alert["name"]), (&json!("alert"), &json!("nightly has failed")));
    assert_eq!(alert.get("run"), None, "nobody reports of an alert");
    let page = house.ann.get(&format!("/events/{}", alert["id"])).is(200).text;
    assert!(page.contains("no trigger fired: an alert"), "{page}");
    let again = house.ann.post_nothing(&format!("/api/v1/event_logs/{}/fire_again", alert["id"])).problem(409);
    assert!(again["detail"].as_str().is_some_and(|words| words.contains("it tells of a run")), "{again}");
}

#[test]
fn a_job_that_does_not_report_is_overdue_and_told_once_through_a_kill_too() {
    let house = House::new(&json!({"report_within": "3s", "start_within": "2s"}));
    let (silent, _) = house.fire(0);
    let (begun, report) = house.fire(1);
    post(&house.server.nobody(), &format!("{report}/start")).is(200);
    let House { server, ann, inbox, .. } = house;
    let server = server.kill().serve();
    let ann = ann.at(server.base());
    let told = until("both are told", || Some(alerts(&ann, &inbox)).filter(|told| told.len() >= 2));
    let events: HashSet<String> = told.iter().map(|told| told["event"]["id"].to_string()).collect();
    assert_eq!(events, [&silent, &begun].map(ToString::to_string).into());
    assert!(told.iter().all(|told| told["alert"] == "overdue"), "{told:?}");
    let run = |id: &Value| ann.get(&format!("/api/v1/event_logs/{id}")).is(200).json()["run"].clone();
    assert_eq!((&run(&silent)["state"], &run(&begun)["state"]), (&json!("overdue"), &json!("overdue")));
    // What comes late is kept, and told as late; the address is as good after the restart.
    let late = post(&server.nobody(), &format!("{report}/done")).is(200).json()["run"].clone();
    assert_eq!(late["state"], "succeeded");
    assert!(late["late_by_ms"].as_i64().is_some_and(|late| late > 0) && late["overdue_at"].is_string(), "{late}");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(alerts(&ann, &inbox).len(), 2);
    let page = ann.get(&format!("/events/{begun}")).is(200).text;
    assert!(page.contains("later than expected"), "{page}");
}

#[test]
fn nobody_reports_who_was_not_told_to_and_only_a_post_does() {
    let house = House::new(&json!({"report_within": "10m"}));
    let nobody = house.server.nobody();
    let (event, report) = house.fire(0);
    let (other, _) = house.fire(1);
    let token = report.strip_prefix("/report/").expect("its place");
    let (said, code) = token.rsplit_once('.').expect("a code");
    let of_other = said.replacen(&event.to_string(), &other.to_string(), 1);
    for wrong in [
        format!("{of_other}.{code}"),
        format!("{said}.{}", code.chars().rev().collect::<String>()),
        said.to_owned(),
        format!("{event}"),
        "%00".to_owned(),
        "x".repeat(2_000),
    ] {
        post(&nobody, &format!("/report/{wrong}/done")).problem(404);
        // Who is logged in has no more right to it.
        house.ann.post_nothing(&format!("/report/{wrong}/done")).problem(404);
    }
    post(&nobody, &format!("{report}/finish")).problem(404);
    for method in ["GET", "HEAD", "PUT", "DELETE"] {
        assert_eq!(nobody.call(method, &format!("{report}/done")).send().status, 405, "{method}");
    }
    let elsewhere = nobody.with("origin", "https://elsewhere.example").call("POST", &format!("{report}/done")).send();
    elsewhere.problem(403);
    assert_eq!(house.event(&event)["run"]["state"], "expected");
    nobody.call("POST", &format!("{report}/done")).body("text/plain", "x".repeat(70_000)).send().problem(413);
    nobody.post(&format!("{report}/progress"), &json!({"percent": 101})).blames("percent");
    nobody.post(&format!("{report}/progress"), &json!({"precent": 1})).blames("precent");
    nobody.call("POST", &format!("{report}/done?exit_code=x")).send().blames("exit_code");
    nobody.call("POST", &format!("{report}/done")).body("application/json", "{").send().problem(400);
    assert_eq!(house.event(&event)["run"]["state"], "expected");
    // Many wrong ones in a row are held up, and right ones are not.
    let wrong = || post(&nobody, "/report/1.2.3/done").status;
    until("it is enough", || Some(()).filter(|()| wrong() == 429));
    let held_up = post(&nobody, "/report/1.2.3/done");
    assert!(held_up.header("retry-after").parse::<u64>().is_ok_and(|wait| wait > 0));
    post(&nobody, &format!("{report}/start")).is(200);
}

#[test]
fn whoever_may_only_look_is_not_shown_how_to_report() {
    let house = House::new(&json!({"report_within": "10m"}));
    let sent = house.ann.post("/api/v1/destinations", &json!({"name": "Receiver", "kind": "inbox"})).is(201).json();
    let path = format!("/api/v1/triggers/{}", house.trigger["id"]);
    house.ann.patch(&path, &json!({"destinations": [sent["id"]]})).is(200);
    let (event, report) = house.fire(0);
    let code = report.rsplit_once('.').expect("a code").1;
    let made = house.ann.post("/api/v1/api_keys", &json!({"name": "looks", "scopes": ["read"]})).is(201).json();
    let looks = house.server.nobody().bearer(made["key"].as_str().expect("a key"));
    let kept =
        |who: &Client, path: &str| until("it is kept", || Some(who.get(path)).filter(|it| it.status == 200)).text;
    let attempt = format!("/api/v1/event_logs/{event}/deliveries/0/attempts/1");
    for who in [&looks, &house.ann] {
        let text = kept(who, &attempt);
        assert!(text.contains("/report/") && text.contains("********") && !text.contains(code), "{text}");
    }
    let page = kept(&house.ann, &format!("/events/{event}/deliveries/0/attempts/1"));
    assert!(page.contains("********") && !page.contains(code), "{page}");
    // An inbox is a receiver: who owns it may report, and a key that only reads may not.
    let arrivals = format!("/api/v1/destinations/{}/arrivals", sent["id"]);
    let arrived = until("it has arrived", || house.ann.get(&arrivals).is(200).list().into_iter().next());
    let arrival = format!("{arrivals}/{}", arrived["id"]);
    assert!(kept(&house.ann, &arrival).contains(code));
    let text = kept(&looks, &arrival);
    assert!(text.contains("********") && !text.contains(code), "{text}");
    // What would be sent is shown with an address that nobody may report to.
    let tried = json!({"name": "a", "kind": "webhook", "url": house.receiver.url(), "event_id": event});
    let seen = looks.post("/api/v1/destinations/preview", &tried).is(200).json();
    assert!(!seen.to_string().contains(code), "{seen}");
    let headers = seen["request"]["headers"].as_array().expect("headers");
    let shown = headers.iter().find(|header| header["name"] == "oncue-report").expect("it looks like the real one");
    let path = shown["value"].as_str().expect("text").strip_prefix(house.server.base()).expect("an address here");
    post(&house.server.nobody(), &format!("{path}/done")).problem(404);
    assert_eq!(house.event(&event)["run"]["state"], "expected");
}

#[test]
fn what_is_expected_is_checked_shown_changed_and_taken_back() {
    let server = Setup::new().flag("--allow-private-destinations").serve();
    let (ann, ben) = (server.user(), server.register("ben@example.com"));
    let inbox = ann.post("/api/v1/destinations", &json!({"name": "Operator", "kind": "inbox"})).is(201).json();
    let with = |expects: Value| json!({"type": "api", "name": "n", "expects": expects});
    for (expects, field) in [
        (json!({}), "expects.report_within"),
        (json!({"report_within": "soon"}), "expects.report_within"),
        (json!({"report_within": "25h"}), "expects.report_within"),
        (json!({"report_within": "1m", "start_within": "1m"}), "expects.start_within"),
        (json!({"report_within": "1m", "alert": "x"}), "expects.alert"),
        (json!({"report_within": "1m", "alert": 999}), "expects.alert"),
        (json!({"report_within": "1m", "within": 1}), "expects.within"),
        (json!(7), "expects"),
    ] {
        ann.post("/api/v1/triggers", &with(expects)).blames(field);
    }
    let said = json!({"report_within": "10m", "start_within": null, "alert": inbox["id"]});
    ben.post("/api/v1/triggers", &with(said.clone())).blames("expects.alert");
    let made = ann.post("/api/v1/triggers", &with(said.clone())).is(201).json();
    assert_eq!(made["expects"], said);
    let at = format!("/api/v1/triggers/{}", made["id"]);
    // What was read can be put back, and what is not named stays.
    assert_eq!(ann.put(&at, &made).is(200).json()["expects"], said);
    assert_eq!(ann.patch(&at, &json!({"name": "m"})).is(200).json()["expects"], said);
    let inbox_at = format!("/api/v1/destinations/{}", inbox["id"]);
    ann.delete(&inbox_at).problem(409);
    let page = ann.get(&format!("/ui/triggers/{}", made["id"])).is(200).text;
    assert!(page.contains("its end within 10m") && page.contains("Operator"), "{page}");
    let form = ann.get(&format!("/ui/triggers/{}/edit", made["id"])).is(200).text;
    assert!(form.contains("name=\"report_within\"") && form.contains("value=\"10m\""), "{form}");
    assert_eq!(ann.patch(&at, &json!({"expects": null})).is(200).json()["expects"], Value::Null);
    let changes = ann.get(&format!("{at}/revisions")).is(200).list()[0]["changes"].clone();
    assert!(changes.to_string().contains("expects"), "{changes}");
    ann.delete(&inbox_at).is(204);
    // The flat surface cannot say it, and leaves it alone.
    let said = json!({"report_within": "5m", "start_within": "10s", "alert": null});
    ann.patch(&at, &json!({"expects": said})).is(200);
    ann.put(&format!("/triggers/{}", made["id"]), &json!({"name": "flat"})).is(200);
    assert_eq!(ann.get(&at).is(200).json()["expects"], said);
}

#[test]
fn the_form_says_what_is_expected() {
    let server = Server::start();
    let ann = server.user();
    let page = Client::new(ann.base()).with("cookie", &format!("access_token={}", ann.token()));
    let form = |within: &str, start: &str| {
        let fields = [("name", "by form"), ("kind", "api"), ("report_within", within), ("start_within", start)];
        page.call("POST", "/ui/triggers").form(&fields).send()
    };
    let wrong = form("soon", "").is(422).text;
    assert!(wrong.contains("Reports its end within"), "{wrong}");
    let wrong = form("", "10s").is(422).text;
    assert!(wrong.contains("This is needed"), "{wrong}");
    form("10m", "10s").is(303);
    let made = ann.get("/api/v1/triggers").is(200).list().remove(0);
    assert_eq!(made["expects"], json!({"report_within": "10m", "start_within": "10s", "alert": null}));
    let fields = [("name", "by form"), ("kind", "api"), ("id", "1")];
    page.call("POST", &format!("/ui/triggers/{}/edit", made["id"])).form(&fields).send().is(303);
    let shown = ann.get(&format!("/api/v1/triggers/{}", made["id"])).is(200).json();
    assert_eq!(shown["expects"], Value::Null, "the fields were emptied");
}
