//! After an outage a person finds what was missed, held on a page of its own, and decides: some of it fires, the rest does not.

use jiff::SignedDuration;
use serde_json::json;

use super::moves::{make, texts, until_said};
use crate::driver::{ENTER, Visitor};
use crate::inspection::inspect;
use crate::stage::Stage;
use crate::support::time::instant;

fn decide_about_what_was_missed(visitor: Visitor) {
    let mut stage = Stage::open();
    let wish = |name: &str| {
        json!({"name": name, "type": "scheduled", "webhook_url": stage.receiver.url(),
            "schedule_details": {"every": "1h", "misfire": {"policy": "all", "hold": true}}})
    };
    let (import, reminder) = (make(&stage.nobody(), &wish("import")), make(&stage.nobody(), &wish("reminder")));
    let first = instant(&stage.nobody().get(&format!("/api/v1/triggers/{reminder}")).is(200).json()["next_at"]);
    let downtime = first.duration_since(stage.now()) + SignedDuration::from_mins(150);
    stage.kill_for(downtime, || {});
    let browser = stage.visit(visitor);
    until_said(&browser, "#waiting", "6 past occurrences");
    browser.open(&stage.at(&format!("/ui/triggers/{import}")));
    assert!(browser.text("#waiting").contains("3 past occurrences are held"), "{}", browser.text("#waiting"));
    browser.open(&stage.at("/ui/backlog"));
    assert!(browser.text("#backlog").contains("6 in all, 6 held"), "{}", browser.text("#backlog"));
    assert_eq!(texts(&browser, "#backlog tbody th a"), ["import", "reminder"]);
    assert!(stage.receiver.received().is_empty(), "nothing went out");
    inspect(&browser, "backlog");

    browser.tab_to("#backlog tbody tr:first-child form[action$='/release'] button");
    browser.press_and_go(ENTER);
    assert!(browser.text("main").contains("What was held fires now"), "{}", browser.text("main"));
    stage.receiver.wait_for(3);
    until_said(&browser, "#backlog", "3 in all");
    browser.tab_to("#backlog a[href='/ui/backlog/discard']");
    browser.press_and_go(ENTER);
    assert!(
        browser.text("main").contains("3 past occurrences in one backlog will not fire"),
        "{}",
        browser.text("main")
    );
    inspect(&browser, "backlog-discard");
    browser.tab_to("main form button");
    browser.press_and_go(ENTER);
    assert!(browser.text("main").contains("What waited does not fire"), "{}", browser.text("main"));
    assert!(browser.text("#backlog").contains("Nothing waits"), "{}", browser.text("#backlog"));
    browser.open(&stage.at(&format!("/ui/triggers/{reminder}")));
    assert_eq!(texts(&browser, "#skipped tbody th"), ["3 discarded"]);
    browser.open(&stage.at(&format!("/ui/triggers/{import}")));
    until_said(&browser, "#events tbody", "delivered");
    assert_eq!(browser.count("#events tbody tr"), 3);
    assert_eq!(stage.receiver.received().len(), 3);
}

#[test]
fn what_was_missed_is_held_until_a_person_decides() {
    decide_about_what_was_missed(Visitor::PLAIN);
}

#[test]
fn what_was_missed_is_decided_about_without_javascript_too() {
    decide_about_what_was_missed(Visitor::PLAIN.without_scripts());
}
