//! Somebody comes for the first time, registers, leaves and comes back.

use super::{EMAIL, register, sign_out};
use crate::driver::{Browser, ENTER, TAB, Visitor};
use crate::inspection::inspect;
use crate::stage::{PASSWORD, Stage};

fn come_register_leave_and_return(visitor: Visitor) {
    let stage = Stage::with_accounts();
    let browser = stage.visit(visitor);
    assert_eq!(browser.path(), "/auth/login", "who is not logged in is sent to the form");
    inspect(&browser, "login-first");
    browser.tab_to("a[href='/auth/register']");
    browser.press_and_go(ENTER);
    browser.until_at("#email");
    inspect(&browser, "register");
    browser.press(&format!("{EMAIL}{TAB}short"));
    browser.press_and_go(ENTER);
    assert!(browser.text("#problem").contains("8 to 256"), "{}", browser.text("main"));
    assert_eq!(browser.ask("document.querySelector('#email').value"), EMAIL, "the address is kept");
    inspect(&browser, "register-wrong");
    browser.fill("#password", PASSWORD);
    browser.press_and_go(ENTER);
    assert_eq!(browser.path(), "/");
    assert_eq!(browser.text(".email"), EMAIL);
    inspect(&browser, "overview-empty");

    sign_out(&browser);
    assert_eq!(browser.path(), "/auth/login");
    browser.open(&stage.at("/"));
    assert_eq!(browser.path(), "/auth/login", "the session has ended");
    browser.press(&format!("{EMAIL}{TAB}not the password"));
    browser.press_and_go(ENTER);
    assert!(browser.text("#problem").contains("not right"), "{}", browser.text("main"));
    browser.until_at("#password");
    inspect(&browser, "login-wrong");
    browser.press(PASSWORD);
    browser.press_and_go(ENTER);
    assert_eq!(browser.text(".email"), EMAIL, "the right password lets in");
}

#[test]
fn somebody_registers_with_the_keyboard_alone_leaves_and_returns() {
    come_register_leave_and_return(Visitor::PLAIN);
}

#[test]
fn somebody_registers_without_javascript_leaves_and_returns() {
    come_register_leave_and_return(Visitor::PLAIN.without_scripts());
}

#[test]
fn a_login_ends_after_seven_days_and_the_pages_ask_for_another() {
    let mut stage = Stage::with_accounts();
    let browser = stage.visit(Visitor::PLAIN);
    register(&browser, EMAIL);
    stage.advance(jiff::SignedDuration::from_hours(7 * 24 - 1));
    browser.open(&stage.at("/"));
    assert_eq!(browser.path(), "/", "an hour is left");
    stage.advance(jiff::SignedDuration::from_hours(1));
    browser.open(&stage.at("/"));
    assert_eq!(browser.path(), "/auth/login", "the week is over");
}

#[test]
fn a_closed_door_is_not_pointed_at_and_a_foreign_logout_is_a_question() {
    let stage = Stage::with(&["--registration", "closed"]);
    let browser: Browser = stage.visit(Visitor::PLAIN);
    assert!(!browser.text("main").contains("Create"), "{}", browser.text("main"));
    browser.open(&stage.at("/auth/register"));
    assert!(browser.text("main").contains("Registration is closed"), "{}", browser.text("main"));
    inspect(&browser, "register-closed");

    // To a browser, localhost is another site than 127.0.0.1.
    browser.open(&stage.base().replace("127.0.0.1", "localhost"));
    browser.leave(|| drop(browser.ask(&format!("void (location.href = '{}/logout')", stage.base()))));
    assert_eq!(browser.text("h1"), "Sign out?");
    inspect(&browser, "logout");
    browser.tab_to("main button.primary");
    browser.press_and_go(ENTER);
    assert_eq!(browser.path(), "/auth/login");
}
