//! Two people, or one person twice: what one window does, the other meets.

use serde_json::json;

use super::{EMAIL, act, create, go_to, register, sign_in, sign_out};
use crate::driver::{ENTER, Visitor};
use crate::stage::Stage;

#[test]
fn what_one_window_deletes_the_other_is_told_is_gone() {
    let stage = Stage::with_accounts();
    let desk = stage.visit(Visitor::PLAIN);
    register(&desk, EMAIL);
    create(&desk, "shared", "api", &[]);
    let phone = stage.visit(Visitor::PLAIN.living_in("Asia/Tokyo"));
    sign_in(&phone, EMAIL);
    go_to(&phone, "/ui/triggers");
    assert!(phone.text("#triggers").contains("shared"), "{}", phone.text("main"));
    let page = stage.visit(Visitor::PLAIN.without_scripts());
    sign_in(&page, EMAIL);
    page.open(&stage.at("/ui/triggers/1"));

    act(&desk, "shared", "Delete");
    desk.tab_to("main button.danger");
    desk.press_and_go(ENTER);
    phone.until("the open list follows", |phone| !phone.text("#triggers").contains("shared"));
    page.tab_to("main button.primary");
    page.press_and_go(ENTER);
    assert!(page.text("h1").contains("no such"), "{}", page.text("main"));

    sign_out(&desk);
    phone.open(&stage.at("/"));
    assert_eq!(phone.text(".email"), EMAIL, "leaving one window leaves the other alone");
}

#[test]
fn a_page_that_is_open_while_its_trigger_is_deleted_does_not_go_on_calling_itself_live() {
    let stage = Stage::open();
    stage.nobody().post("/api/v1/triggers", &json!({"type": "api", "name": "shared"})).is(201);
    let phone = stage.visit(Visitor::PLAIN);
    phone.open(&stage.at("/ui/triggers/1"));
    let is = |state: &'static str| {
        phone.until(state, |phone| phone.ask("document.querySelector('#live').dataset.liveState") == state);
    };
    is("live");
    stage.nobody().delete("/api/v1/triggers/1").is(204);
    is("off");
    assert!(phone.text("h1").contains("shared"), "it can still be read: {}", phone.text("main"));
}

#[test]
fn somebody_elses_triggers_are_nowhere_to_be_seen() {
    let stage = Stage::with_accounts();
    let ann = stage.visit(Visitor::PLAIN);
    register(&ann, EMAIL);
    create(&ann, "the secret of Ada", "api", &[]);
    let bob = stage.visit(Visitor::PLAIN);
    register(&bob, "bob@example.com");
    for page in ["/", "/ui/triggers", "/events", "/upcoming"] {
        go_to(&bob, page);
        assert!(!bob.text("main").contains("Ada"), "{}", bob.text("main"));
    }
    bob.open(&stage.at("/ui/triggers/1/edit"));
    assert!(bob.text("h1").contains("no such page"), "{}", bob.text("main"));
}
