//! Somebody changes a schedule and asks on the form what that would change, before they save it.

use serde_json::json;

use super::moves::make;
use crate::driver::{ENTER, Visitor};
use crate::inspection::inspect;
use crate::stage::Stage;

fn ask_before_saving(visitor: Visitor) {
    let stage = Stage::open();
    let wish = json!({"name": "mornings", "type": "scheduled",
        "schedule_details": {"cron": "0 9 * * *", "timezone": "Europe/Riga"}});
    let trigger = make(&stage.nobody(), &wish);
    let kept = || stage.nobody().get(&format!("/api/v1/triggers/{trigger}")).is(200).json();
    let browser = stage.visit(visitor);
    browser.open(&stage.at(&format!("/ui/triggers/{trigger}/edit")));
    let ask = |cron: &str| {
        browser.fill("#cron", cron);
        browser.tab_to("#would-change");
        browser.press_and_go(ENTER);
        browser.until_at("#would");
        browser.text("#would")
    };
    let told = ask("45 9 * * *");
    for words in ["What would change", "firings move", "09:00:00", "09:45:00", "Nothing is saved yet"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    inspect(&browser, "trigger-edit-would-move");
    assert_eq!(kept()["revision"], 1, "nothing is saved");

    let told = ask("0 9,21 * * *");
    assert!(told.contains("firings come") && told.contains("21:00:00"), "{told}");
    let told = ask("0 9 * * 1");
    assert!(told.contains("fall away"), "{told}");
    inspect(&browser, "trigger-edit-would-fall-away");
    let told = ask("0 9 * * *");
    assert!(told.contains("firings stay as they are"), "{told}");
    inspect(&browser, "trigger-edit-would-stay");

    browser.fill("#cron", "99 9 * * *");
    browser.tab_to("#would-change");
    browser.press_and_go(ENTER);
    assert_eq!(browser.count("#would"), 0, "of what is wrong nothing is told but that");
    assert!(browser.text("#cron-error").contains("59"), "{}", browser.text("main"));

    ask("45 9 * * *");
    browser.tab_to("#save");
    browser.press_and_go(ENTER);
    assert_eq!(browser.path(), format!("/ui/triggers/{trigger}?done=changed"));
    assert_eq!(kept()["schedule_details"]["cron"], "45 9 * * *");
}

#[test]
fn what_would_change_is_told_before_it_is_saved() {
    ask_before_saving(Visitor::PLAIN);
}

#[test]
fn what_would_change_is_told_without_javascript_too() {
    ask_before_saving(Visitor::PLAIN.without_scripts());
}
