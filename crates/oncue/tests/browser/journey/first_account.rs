//! Somebody is the first on a new server, and so its operator; whoever comes second finds the door closed.

use super::{EMAIL, register};
use crate::driver::{ENTER, TAB, Visitor};
use crate::inspection::inspect;
use crate::stage::{PASSWORD, Stage};

fn come_first_and_second(visitor: Visitor) {
    let stage = Stage::with(&["--registration", "first"]);
    let late = stage.visit(visitor);
    late.tab_to("a[href='/auth/register']");
    late.press_and_go(ENTER);
    assert!(late.text("main").contains("becomes the operator's"), "{}", late.text("main"));
    inspect(&late, "register-first");

    let first = stage.visit(visitor);
    assert!(first.text("main").contains("There is no account yet"), "{}", first.text("main"));
    register(&first, EMAIL);
    assert_eq!((first.path().as_str(), first.text(".email").as_str()), ("/", EMAIL));
    first.open(&stage.at("/account"));
    assert!(first.text(".head").contains("the operator"), "{}", first.text("main"));

    late.tab_to("#email");
    late.press(&format!("late@example.com{TAB}{PASSWORD}"));
    late.press_and_go(ENTER);
    assert!(late.text("main").contains("Registration is closed"), "{}", late.text("main"));
    inspect(&late, "register-too-late");
    late.open(&stage.at("/auth/register"));
    assert_eq!(late.count("main form"), 0, "there is no form to fill in any more");
    late.open(&stage.at("/"));
    assert_eq!(late.path(), "/auth/login", "the second is nobody");
    assert_eq!(late.count("a[href='/auth/register']"), 0, "a closed door is not pointed at");
}

#[test]
fn the_first_account_is_the_operators_and_a_second_is_refused() {
    come_first_and_second(Visitor::PLAIN);
}

#[test]
fn the_first_account_is_the_operators_and_a_second_is_refused_without_javascript() {
    come_first_and_second(Visitor::PLAIN.without_scripts());
}
