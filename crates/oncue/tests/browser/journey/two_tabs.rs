//! Somebody has one trigger open twice and changes it in both.

use super::create;
use crate::driver::{ENTER, Visitor};
use crate::inspection::inspect;
use crate::stage::Stage;

#[test]
fn what_changed_meanwhile_is_shown_before_it_is_overwritten() {
    let stage = Stage::open();
    let one = stage.visit(Visitor::PLAIN);
    create(&one, "hourly", "every", &[("every", "1h")]);
    let edit = stage.at("/ui/triggers/1/edit");
    one.open(&edit);
    let other = stage.visit(Visitor::PLAIN);
    other.open(&edit);
    one.fill("#name", "by the first");
    one.press_and_go(ENTER);
    assert_eq!(one.path(), "/ui/triggers/1?done=changed");

    other.fill("#name", "by the second");
    other.fill("#every", "3h");
    other.press_and_go(ENTER);
    other.until_at("#differences");
    let said = other.text("#differences");
    for part in ["nothing was saved", "by the first", "by the second", "Every 1h", "Every 3h"] {
        assert!(said.contains(part), "{part} is missing:\n{said}");
    }
    assert!(!said.contains("Payload"), "what does not differ is not listed:\n{said}");
    assert_eq!(other.ask("document.querySelector('#every').value"), "3h", "what was typed is kept");
    inspect(&other, "trigger-edit-conflict");
    let kept = || stage.nobody().get("/api/v1/triggers/1").is(200).json()["name"].clone();
    assert_eq!(kept(), "by the first", "the second save was refused");

    other.tab_to("#differences button.primary");
    other.press_and_go(ENTER);
    assert_eq!(other.path(), "/ui/triggers/1?done=changed");
    assert_eq!(kept(), "by the second", "knowing what it replaces, it is saved");

    // The first has the old page in the history still, and takes what it says now.
    one.open(&edit);
    one.fill("#every", "4h");
    other.open(&edit);
    other.fill("#every", "5h");
    other.press_and_go(ENTER);
    one.tab_to("#save");
    one.press_and_go(ENTER);
    one.tab_to("#differences a.button");
    one.press_and_go(ENTER);
    assert_eq!(one.ask("document.querySelector('#every').value"), "5h");
}
