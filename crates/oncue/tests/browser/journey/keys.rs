//! Somebody makes a key for a program, uses it, and revokes it; and somebody's session ends while they fill in a form.

use serde_json::json;

use super::{EMAIL, begin, create, register, sign_in};
use crate::driver::{Browser, ENTER, Visitor};
use crate::inspection::inspect;
use crate::stage::Stage;

fn key_is_shown_once_and_revoked(visitor: Visitor) {
    let stage = Stage::with_accounts();
    let browser: Browser = stage.visit(visitor);
    register(&browser, EMAIL);
    create(&browser, "called", "api", &[]);
    browser.open(&stage.at("/account"));
    browser.fill("#name", "a reader");
    for (scope, is_wanted) in [("read", true), ("fire", false), ("manage", false)] {
        let field = format!("[name=scope_{scope}]");
        browser.tab_to(&field);
        if browser.ask(&format!("document.querySelector('{field}').checked")) != is_wanted {
            browser.press(" ");
        }
    }
    browser.tab_to("form[action='/account/keys'] button.primary");
    browser.press_and_go(ENTER);
    let key = browser.text("#new-key");
    assert!(browser.text(".new-key").contains("never again") && key.len() >= 32, "{}", browser.text("main"));
    inspect(&browser, "account-new-key");
    browser.open(&stage.at("/account"));
    let listed = browser.text("#api-keys tbody");
    assert!(listed.contains("a reader") && listed.contains(&key[..8]), "{listed}");
    let is_there = browser.ask(&format!("document.documentElement.outerHTML.includes({})", json!(key)));
    assert_eq!(is_there, false, "the key is shown once");
    inspect(&browser, "account");

    let program = stage.nobody().bearer(&key);
    program.get("/api/v1/triggers").is(200);
    program.post("/api/v1/triggers/1/fire", &json!({})).is(403);
    browser.tab_to("#api-keys tbody button.danger");
    browser.press_and_go(ENTER);
    assert!(browser.text(".notice").contains("The key is revoked"), "{}", browser.text("main"));
    program.get("/api/v1/triggers").is(401);
    assert!(!browser.text("main").contains("a reader"), "{}", browser.text("#api-keys"));
}

#[test]
fn a_key_is_shown_once_may_do_what_it_was_made_for_and_is_refused_when_revoked() {
    key_is_shown_once_and_revoked(Visitor::PLAIN);
}

#[test]
fn a_key_is_made_and_revoked_without_javascript() {
    key_is_shown_once_and_revoked(Visitor::PLAIN.without_scripts());
}

fn session_ends_in_the_middle(visitor: Visitor) {
    let mut stage = Stage::with_accounts();
    let browser = stage.visit(visitor);
    register(&browser, EMAIL);
    begin(
        &browser,
        "a & b",
        "cron",
        &[("payload", "{\"ä\": \"%\"}"), ("cron", "0 9 * * 1-5"), ("timezone", "Asia/Tokyo")],
    );
    browser.tab_to("#save");
    if visitor.runs_scripts() {
        browser.until("the preview has come", |browser| browser.text("#preview .sentence").contains("Asia/Tokyo"));
    }
    stage.advance(jiff::SignedDuration::from_hours(7 * 24));
    browser.press_and_go(ENTER);
    assert_eq!(browser.text("h1"), "Sign in");
    assert!(browser.text("#problem").contains("Your session has ended"), "{}", browser.text("main"));
    inspect(&browser, "login-with-a-draft");
    sign_in(&browser, EMAIL);
    assert_eq!(browser.text("h1"), "New trigger");
    let fields =
        [("name", "a & b"), ("payload", "{\"ä\": \"%\"}"), ("cron", "0 9 * * 1-5"), ("timezone", "Asia/Tokyo")];
    for (field, typed) in fields {
        assert_eq!(browser.ask(&format!("document.querySelector('#{field}').value")), typed, "{field} has survived");
    }
    assert_eq!(browser.ask("document.querySelector('#kind-cron').checked"), true);
    inspect(&browser, "trigger-new-after-login");
    browser.tab_to("#save");
    browser.press_and_go(ENTER);
    assert_eq!(browser.path(), "/ui/triggers/1?done=created", "it is made once, and now");
}

#[test]
fn a_session_that_ends_before_a_form_is_sent_loses_nothing_of_it() {
    session_ends_in_the_middle(Visitor::PLAIN);
}

#[test]
fn a_session_that_ends_before_a_form_is_sent_loses_nothing_of_it_without_javascript() {
    session_ends_in_the_middle(Visitor::PLAIN.without_scripts());
}
