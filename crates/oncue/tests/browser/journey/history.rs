//! Somebody changes a trigger, looks at what it said before, takes it back, and finds all of it in the audit log.

use super::{act, create};
use crate::driver::{ENTER, Visitor};
use crate::inspection::inspect;
use crate::stage::Stage;

fn look_back_and_restore(visitor: Visitor) {
    let stage = Stage::open();
    let browser = stage.visit(visitor);
    create(&browser, "hourly", "every", &[("every", "1h")]);
    act(&browser, "hourly", "Edit");
    browser.fill("#every", "2h");
    browser.tab_to("#save");
    browser.press_and_go(ENTER);
    assert_eq!(browser.path(), "/ui/triggers/1?done=changed");

    browser.tab_to("a[href='/ui/triggers/1/revisions']");
    browser.press_and_go(ENTER);
    let said = browser.text("main");
    for part in ["Revision 2", "As it stands", "Every hour", "Every 2 hours", "The trigger was made."] {
        assert!(said.contains(part), "{part} is missing: {said}");
    }
    inspect(&browser, "revisions");
    browser.tab_to("button[form='restore-1']");
    browser.press_and_go(ENTER);
    assert_eq!(browser.path(), "/ui/triggers/1?done=restored");
    assert!(browser.text("main").contains("Every hour"), "{}", browser.text("main"));

    browser.open(&stage.at("/audit?object=trigger"));
    let said = browser.text("main");
    for part in ["created", "edited", "revision 3", "hourly"] {
        assert!(said.contains(part), "{part} is missing: {said}");
    }
    inspect(&browser, "audit");
}

#[test]
fn a_former_revision_is_looked_at_and_restored_and_all_of_it_is_in_the_log() {
    look_back_and_restore(Visitor::PLAIN);
}

#[test]
fn a_former_revision_is_restored_without_javascript() {
    look_back_and_restore(Visitor::PLAIN.without_scripts());
}
