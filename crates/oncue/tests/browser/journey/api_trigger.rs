//! Somebody fires a trigger from a program: a key from their account, the line from the trigger's page, a shell.

use std::process::{Command, Output};

use serde_json::{Value, json};

use super::moves::{at_the_api, follow, make};
use super::{EMAIL, register};
use crate::driver::{Browser, ENTER, SPACE, Visitor};
use crate::inspection::inspect;
use crate::stage::Stage;

/// Runs a line in a shell that knows nothing but where its programs are and the key.
fn run(line: &str, key: &str) -> Output {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut shell = Command::new("sh");
    shell.args(["-c", line]).env_clear().env("PATH", path).env("ONCUE_KEY", key);
    shell.output().expect("there is a shell")
}

/// Makes a key that may do this alone, on the page of the account.
fn make_key(browser: &Browser, stage: &Stage, name: &str, scope: &str) -> String {
    browser.open(&stage.at("/account"));
    if browser.ask("document.querySelector('details.new').open") == false {
        browser.tab_to("details.new > summary");
        browser.press(ENTER);
    }
    browser.tab_to("#name");
    browser.press(name);
    for one in ["read", "fire", "manage"] {
        let is_checked = browser.ask(&format!("document.querySelector('[name=scope_{one}]').checked")) == true;
        if is_checked != (one == scope) {
            browser.tab_to(&format!("[name=scope_{one}]"));
            browser.press(SPACE);
        }
    }
    browser.tab_to("details.new button[type=submit]");
    browser.press_and_go(ENTER);
    let key = browser.text("#new-key");
    assert!(!key.is_empty(), "{}", browser.text("main"));
    key
}

fn fire_from_a_shell(visitor: Visitor) {
    let stage = Stage::with_accounts();
    let browser = stage.visit(visitor);
    register(&browser, EMAIL);
    let ours = json!({"name": "orders", "type": "api", "api_payload": {"order": 1}});
    let trigger = make(&at_the_api(&stage, EMAIL), &ours);
    let key = make_key(&browser, &stage, "shop", "fire");
    inspect(&browser, "account-new-key");
    let reader = make_key(&browser, &stage, "dashboard", "read");

    browser.open(&stage.at(&format!("/ui/triggers/{trigger}")));
    let mut line = browser.text("#call-curl");
    if visitor.runs_scripts() {
        browser.tab_to("[data-copy='#call-curl']");
        browser.press(ENTER);
        browser.until("it is copied", |browser| browser.text("[data-copy='#call-curl']") == "Copied");
        assert_eq!(browser.clipboard(), line, "what is copied is what is shown");
        line = browser.clipboard();
    }
    assert!(line.contains("$ONCUE_KEY") && !line.contains(&key), "the key stays out of the line: {line}");

    let ran = run(&line, &key);
    assert!(ran.status.success(), "{line}: {ran:?}");
    let answer: Value = serde_json::from_slice(&ran.stdout).expect("the answer is JSON");
    assert_eq!(answer["event_id"], 1, "{answer}");
    let edited = line.replace("{\"order\":1}", "{\"order\": 7, \"note\": \"for Søren & Ægir\"}");
    assert_ne!(edited, line, "the line holds the trigger's payload: {line}");
    assert!(run(&edited, &key).status.success(), "{edited}");
    for refused in [&reader, "nonsense"] {
        let ran = run(&line, refused);
        assert!(!ran.status.success(), "a key that may not fire fires nothing: {ran:?}");
    }

    browser.open(&stage.at("/events"));
    assert_eq!(browser.count("#event-rows tr"), 2, "{}", browser.text("main"));
    assert!(browser.text("#event-2").contains("API call"), "{}", browser.text("#event-2"));
    follow(&browser, "#event-2", "");
    assert_eq!(browser.path(), "/events/2");
    let payload = browser.text("#payload-text");
    assert!(payload.contains("for Søren & Ægir") && payload.contains('7'), "{payload}");
    browser.open(&stage.at("/events/1"));
    assert!(browser.text("#payload-text").contains("\"order\": 1"), "{}", browser.text("#payload-text"));
    browser.open(&stage.at("/account"));
    assert!(!browser.text("main").contains(&key), "a key is shown once");
}

#[test]
fn the_line_from_a_triggers_page_fires_it_with_the_callers_payload() {
    fire_from_a_shell(Visitor::PLAIN);
}

#[test]
fn the_line_from_a_triggers_page_fires_it_without_javascript_too() {
    fire_from_a_shell(Visitor::PLAIN.without_scripts());
}
