//! Somebody follows on its page what the receiver of an event reports: that it is expected, begins, gets on and ends; how it looks where it
//! fails; and where nobody ever reports.

use jiff::SignedDuration;
use serde_json::json;

use super::moves::{fire, make, until_said};
use crate::driver::{Browser, Visitor};
use crate::inspection::inspect;
use crate::stage::Stage;

/// Fires, opens the event's page, and gives where its receiver reports.
#[track_caller]
fn fire_and_open(stage: &Stage, browser: &Browser, trigger: i64, before: usize) -> String {
    let event = fire(&stage.nobody(), trigger);
    let delivery = stage.receiver.wait_for(before + 1).remove(before);
    let url = delivery.headers.get("oncue-report").expect("it says where to report").clone();
    browser.open(&stage.at(&format!("/events/{event}")));
    url.strip_prefix(stage.base()).expect("an address of this server").to_owned()
}

fn follow_runs(visitor: Visitor) {
    let mut stage = Stage::open();
    let wish = json!({"name": "nightly", "type": "api", "webhook_url": stage.receiver.url(),
        "expects": {"report_within": "10m", "start_within": "5m"}});
    let trigger = make(&stage.nobody(), &wish);
    let browser = stage.visit(visitor);

    let report = fire_and_open(&stage, &browser, trigger, 0);
    until_said(&browser, "#run", "has not reported anything yet");
    assert_eq!(browser.text("#run .badge"), "expected");
    inspect(&browser, "run-expected");
    let nobody = stage.nobody();
    nobody.call("POST", &format!("{report}/start")).send().is(200);
    until_said(&browser, "#run", "has not reported its end yet");
    assert_eq!(browser.text("#run .badge"), "running");
    nobody.call("POST", &format!("{report}/progress?percent=40")).body("text/plain", "four of ten").send().is(200);
    until_said(&browser, "#run", "40 %");
    assert!(browser.text("#run").contains("four of ten"), "{}", browser.text("#run"));
    inspect(&browser, "run-running");
    nobody.post(&format!("{report}/done"), &json!({"message": "12 rows", "exit_code": 0})).is(200);
    until_said(&browser, "#run", "It ended well after");
    assert_eq!(browser.text("#run .badge"), "succeeded");
    assert!(browser.text("#run").contains("12 rows"), "{}", browser.text("#run"));
    inspect(&browser, "run-succeeded");

    let report = fire_and_open(&stage, &browser, trigger, 1);
    let log = "copying\ncopying\nno space left on device";
    nobody.call("POST", &format!("{report}/fail?exit_code=28")).body("text/plain", log).send().is(200);
    until_said(&browser, "#run", "It failed after");
    assert_eq!(browser.text("#run .badge"), "failed");
    let card = browser.text("#run");
    assert!(card.contains("exit code 28") && card.contains("no space left on device"), "{card}");
    inspect(&browser, "run-failed");

    fire_and_open(&stage, &browser, trigger, 2);
    until_said(&browser, "#run", "has not reported anything yet");
    stage.advance(SignedDuration::from_mins(11));
    until_said(&browser, "#run", "Nothing was heard of it in time");
    assert_eq!(browser.text("#run .badge"), "overdue");
    inspect(&browser, "run-overdue");
    browser.open(&stage.at(&format!("/ui/triggers/{trigger}")));
    let events = browser.text("#events tbody");
    for state in ["succeeded", "failed", "overdue"] {
        assert!(events.contains(state), "{state}: {events}");
    }
    inspect(&browser, "trigger-with-runs");
}

#[test]
fn what_a_receiver_reports_is_followed_on_the_page_of_its_event() {
    follow_runs(Visitor::PLAIN);
}

#[test]
fn what_a_receiver_reports_is_shown_without_javascript_too() {
    follow_runs(Visitor::PLAIN.without_scripts());
}
