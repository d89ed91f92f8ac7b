//! Somebody freezes all of their triggers with a reason and an end: every page says so, lists show what is frozen, and nothing fires until they thaw.

use jiff::SignedDuration;
use serde_json::json;

use super::moves::{make, texts, until_live, until_said};
use crate::driver::{ENTER, Visitor};
use crate::inspection::inspect;
use crate::stage::Stage;
use crate::support::time::instant;
use crate::support::wait::until;

fn freeze_and_thaw(visitor: Visitor) {
    let mut stage = Stage::open();
    let wish = json!({"name": "import", "type": "scheduled", "webhook_url": stage.receiver.url(),
        "schedule_details": {"every": "1h"}});
    let import = make(&stage.nobody(), &wish);
    let next_at =
        |stage: &Stage| instant(&stage.nobody().get(&format!("/api/v1/triggers/{import}")).is(200).json()["next_at"]);
    let browser = stage.visit(visitor);
    browser.open(&stage.at("/ui/triggers"));
    assert_eq!(browser.count("[data-freeze]"), 0);
    browser.tab_to("a[href='/ui/freeze']");
    browser.press_and_go(ENTER);
    assert_eq!(browser.count("section.card"), 1, "without accounts there is nobody else");
    inspect(&browser, "freeze");

    browser.fill("#mine-reason", "The warehouse moves");
    browser.tab_to("#mine form[action='/ui/freeze'] button");
    browser.press_and_go(ENTER);
    assert!(browser.text("main").contains("They are frozen"), "{}", browser.text("main"));
    let banner = browser.text("[data-freeze]");
    assert!(banner.contains("Your triggers are frozen") && banner.contains("The warehouse moves"), "{banner}");
    inspect(&browser, "frozen");

    browser.open(&stage.at("/ui/triggers"));
    assert_eq!(browser.count("[data-freeze]"), 1);
    assert_eq!(texts(&browser, "#triggers tbody .badge")[0], "frozen");
    let due = next_at(&stage);
    stage.advance_gently(due);
    let skipped = format!("/api/v1/triggers/{import}/skipped");
    until("it is passed over", || stage.nobody().get(&skipped).is(200).list().pop());
    browser.open(&stage.at(&format!("/ui/triggers/{import}")));
    assert_eq!(texts(&browser, "#skipped tbody th"), ["1 frozen"]);
    assert!(browser.text("main").contains("none while triggers are frozen"), "{}", browser.text("main"));
    assert!(stage.receiver.received().is_empty(), "nothing went out");

    browser.tab_to("[data-freeze] a");
    browser.press_and_go(ENTER);
    browser.tab_to("#mine form[action='/ui/freeze/end'] button");
    browser.press_and_go(ENTER);
    assert!(browser.text("main").contains("They are thawed"), "{}", browser.text("main"));
    assert_eq!(browser.count("[data-freeze]"), 0);
    let due = next_at(&stage);
    assert!(due > stage.now() - SignedDuration::from_secs(1), "nothing fires late");
    stage.advance_gently(due);
    stage.receiver.wait_for(1);
    browser.open(&stage.at(&format!("/ui/triggers/{import}")));
    until_said(&browser, "#events tbody", "delivered");
    assert_eq!(texts(&browser, "#skipped tbody th"), ["1 frozen"]);
}

#[test]
fn a_page_that_is_open_learns_of_a_freeze_and_of_its_end() {
    let stage = Stage::open();
    let wish = json!({"name": "import", "type": "scheduled", "schedule_details": {"every": "1h"}});
    let import = make(&stage.nobody(), &wish);
    let browser = stage.visit(Visitor::PLAIN);
    for (page, scope) in [
        ("/ui/triggers".to_owned(), "mine"),
        ("/ui/triggers".to_owned(), "server"),
        (format!("/ui/triggers/{import}"), "server"),
    ] {
        browser.open(&stage.at(&page));
        until_live(&browser);
        assert_eq!(browser.count("[data-freeze]"), 0);
        stage.nobody().post("/api/v1/freeze", &json!({"scope": scope, "reason": "The warehouse moves"})).is(200);
        until_said(&browser, "#freezes", "The warehouse moves");
        stage.nobody().delete(&format!("/api/v1/freeze?scope={scope}")).is(204);
        browser.until("the banner is gone", |browser| browser.count("[data-freeze]") == 0);
    }
}

#[test]
fn triggers_are_frozen_and_thawed() {
    freeze_and_thaw(Visitor::PLAIN);
}

#[test]
fn triggers_are_frozen_and_thawed_without_javascript_too() {
    freeze_and_thaw(Visitor::PLAIN.without_scripts());
}
