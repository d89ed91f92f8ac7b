//! Somebody tries a trigger out, changes it, pauses and resumes it, and deletes it through a question.

use super::{act, create, go_to};
use crate::driver::{ENTER, Visitor};
use crate::inspection::inspect;
use crate::stage::Stage;

fn try_change_and_delete(visitor: Visitor) {
    let stage = Stage::open();
    let browser = stage.visit(visitor);
    create(&browser, "hourly", "every", &[("every", "1h")]);

    act(&browser, "hourly", "Test");
    assert!(browser.text(".notice").contains("A test event is logged"), "{}", browser.text("main"));

    act(&browser, "hourly", "Edit");
    assert_eq!(browser.ask("document.querySelector('#every').value"), "1h");
    inspect(&browser, "trigger-edit");
    browser.fill("#every", "nonsense");
    browser.tab_to("#save");
    browser.press_and_go(ENTER);
    assert!(browser.text("#every-error").contains("is not a period"), "{}", browser.text("main"));
    browser.until_at("#every");
    inspect(&browser, "trigger-edit-wrong");
    browser.fill("#every", "2h");
    browser.press_and_go(ENTER);
    assert_eq!(browser.path(), "/ui/triggers/1?done=changed");
    assert!(browser.text("main").contains("Every 2 hours"), "{}", browser.text("main"));

    act(&browser, "hourly", "Pause");
    assert!(browser.text("#triggers tbody").contains("paused"));
    act(&browser, "hourly", "Resume");
    assert!(browser.text("#triggers tbody").contains("waiting"));

    act(&browser, "hourly", "Delete");
    assert!(browser.text("h1").contains("Delete hourly?"));
    inspect(&browser, "trigger-delete");
    browser.until_at("#confirm");
    browser.press("hourly");
    browser.tab_to("main button.danger");
    browser.press_and_go(ENTER);
    assert_eq!(browser.path(), "/ui/triggers?done=deleted");
    assert!(browser.text("main").contains("No trigger yet"));
    go_to(&browser, "/events");
    assert!(browser.text("#event-rows").contains("hourly"), "its events stay");

    browser.open(&stage.at("/ui/triggers/1/edit"));
    assert!(browser.text("h1").contains("no such page"), "{}", browser.text("main"));
    inspect(&browser, "not-found");
}

#[test]
fn a_trigger_is_tried_out_edited_paused_resumed_and_deleted_through_a_question() {
    try_change_and_delete(Visitor::PLAIN);
}

#[test]
fn a_trigger_is_edited_and_deleted_without_javascript() {
    try_change_and_delete(Visitor::PLAIN.without_scripts());
}
