//! Somebody pauses a trigger with a reason and an end, says it anew, and resumes it; and a page that is open learns that a pause or a freeze is over
//! by itself.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::moves::{follow, make, texts, time_in, until_live, until_said};
use crate::driver::{ENTER, RIGHT, Visitor};
use crate::inspection::inspect;
use crate::stage::Stage;

/// As the parts of a field for a time are typed: the year has room for six digits.
fn typed(at: Timestamp) -> String {
    let at = at.to_zoned(jiff::tz::TimeZone::UTC);
    format!("{}{RIGHT}{}", at.strftime("%m%d%Y"), at.strftime("%I%M%S%p"))
}

fn pause_with_a_reason_and_an_end(visitor: Visitor) {
    let mut stage = Stage::open();
    let wish = json!({"name": "import", "type": "scheduled", "schedule_details": {"every": "1h"}});
    let import = make(&stage.nobody(), &wish);
    let browser = stage.visit(visitor);
    browser.open(&stage.at(&format!("/ui/triggers/{import}")));
    follow(&browser, ".head", "Pause until");
    assert_eq!(browser.path(), format!("/ui/triggers/{import}/pause"));
    inspect(&browser, "trigger-pause");
    browser.fill("#reason", "The warehouse moves");
    browser.fill("#until", &typed(stage.now() - SignedDuration::from_hours(30)));
    browser.tab_to("main form button.primary");
    browser.press_and_go(ENTER);
    assert!(browser.text("[role=alert]").contains("Nothing was changed"), "{}", browser.text("main"));
    assert_eq!(browser.ask("document.querySelector('#reason').value"), "The warehouse moves", "what was typed stays");
    inspect(&browser, "trigger-pause-wrong");

    let until = stage.now() + SignedDuration::from_hours(30);
    browser.fill("#until", &typed(until));
    browser.tab_to("main form button.primary");
    browser.press_and_go(ENTER);
    browser.open(&stage.at(&format!("/ui/triggers/{import}")));
    assert_eq!(browser.text("#state"), "paused");
    let facts = browser.text("#facts");
    assert!(facts.contains("The warehouse moves; ends in 1 d"), "{facts}");
    assert!(
        time_in(&browser, "#facts") >= until - SignedDuration::from_secs(1),
        "what comes after it is told: {facts}"
    );
    inspect(&browser, "trigger-paused");
    browser.open(&stage.at("/ui/triggers"));
    let line = browser.text("#triggers tbody tr");
    assert!(line.contains("paused: The warehouse moves; ends in"), "{line}");

    browser.open(&stage.at(&format!("/ui/triggers/{import}")));
    follow(&browser, ".head", "Change the pause");
    assert!(browser.text("main").contains("It is paused already"), "{}", browser.text("main"));
    assert_eq!(browser.ask("document.querySelector('#reason').value"), "The warehouse moves");
    browser.fill("#reason", "The warehouse has moved");
    browser.tab_to("main form button.primary");
    browser.press_and_go(ENTER);
    browser.open(&stage.at(&format!("/ui/triggers/{import}")));
    assert!(browser.text("#facts").contains("The warehouse has moved; ends in"), "{}", browser.text("#facts"));
    follow(&browser, ".head", "Resume");
    assert_eq!(browser.text("#state"), "waiting");
    assert!(!browser.text("#facts").contains("The warehouse"), "{}", browser.text("#facts"));
}

#[test]
fn a_trigger_is_paused_with_a_reason_and_an_end_and_resumed() {
    pause_with_a_reason_and_an_end(Visitor::PLAIN);
}

#[test]
fn a_trigger_is_paused_with_a_reason_and_an_end_without_javascript_too() {
    pause_with_a_reason_and_an_end(Visitor::PLAIN.without_scripts());
}

#[test]
fn a_page_that_is_open_learns_that_a_pause_is_over_by_itself() {
    let mut stage = Stage::open();
    let wish = json!({"name": "import", "type": "scheduled", "schedule_details": {"every": "1h"}});
    let import = make(&stage.nobody(), &wish);
    let browser = stage.visit(Visitor::PLAIN);
    for page in [format!("/ui/triggers/{import}"), "/ui/triggers".to_owned()] {
        // Long enough for a slow machine to show the page before.
        let until = stage.now() + SignedDuration::from_secs(15);
        let pause = json!({"enabled": false, "pause": {"reason": "moving", "until": until.to_string()}});
        stage.nobody().patch(&format!("/api/v1/triggers/{import}"), &pause).is(200);
        browser.open(&stage.at(&page));
        until_live(&browser);
        let states = |browser: &crate::driver::Browser| texts(browser, "#state .badge, #triggers tbody td .badge");
        assert_eq!(states(&browser)[0], "paused", "{}", browser.text("main"));
        browser.until("it waits again", |browser| states(browser)[0] == "waiting");
        assert!(stage.now() >= until, "not before it is over");
        if page.ends_with(&import.to_string()) {
            until_said(&browser, "#moves", "Pause until");
            assert!(!browser.text("#moves").contains("Resume"), "{}", browser.text("#moves"));
        }
    }
}

#[test]
fn a_page_that_is_open_learns_that_a_freeze_is_over_by_itself() {
    let mut stage = Stage::open();
    let wish = json!({"name": "import", "type": "scheduled", "schedule_details": {"every": "1h"}});
    let import = make(&stage.nobody(), &wish);
    let browser = stage.visit(Visitor::PLAIN);
    for page in [format!("/ui/triggers/{import}"), "/".to_owned()] {
        let until = stage.now() + SignedDuration::from_secs(15);
        let said = json!({"reason": "The warehouse moves", "until": until.to_string()});
        stage.nobody().post("/api/v1/freeze", &said).is(200);
        browser.open(&stage.at(&page));
        until_live(&browser);
        assert_eq!(browser.count("[data-freeze]"), 1);
        browser.until("the banner is gone", |browser| browser.count("[data-freeze]") == 0);
        assert!(stage.now() >= until, "not before it is over");
    }
}
