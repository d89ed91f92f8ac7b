//! Somebody gets a form wrong in several places at once, and is led to each of them.

use serde_json::json;

use super::{begin, create};
use crate::driver::{Browser, ENTER, RIGHT, Visitor};
use crate::inspection::inspect;
use crate::stage::Stage;

fn value_of(browser: &Browser, field: &str) -> String {
    browser.ask(&format!("document.querySelector('#{field}').value")).as_str().expect("a text").to_owned()
}

/// Each of these fields is marked, says what is wrong with it, and is led to from the top; the focus is on the first.
#[track_caller]
fn assert_led_to(browser: &Browser, wrong: &[(&str, &str)]) {
    assert_eq!(browser.path(), "/ui/triggers");
    assert!(browser.ask("document.title").as_str().is_some_and(|title| title.starts_with("Error: ")));
    browser.until_at(&format!("#{}", wrong[0].0));
    assert_eq!(browser.count("#problems li"), wrong.len() as u64, "{}", browser.text("#problems"));
    for (field, message) in wrong {
        let said = browser.text(&format!("#{field}-error"));
        assert!(said.contains(message), "{field}: {said}");
        let at_top = browser.text("#problems");
        assert!(at_top.contains(message), "{field} is missing on top:\n{at_top}");
        let marked = format!("#{field}[aria-invalid=true][aria-describedby~='{field}-error']");
        assert_eq!(browser.count(&marked), 1, "{field} is marked");
    }
    let last = wrong[wrong.len() - 1].0;
    browser.tab_to(&format!("#problems a[href='#{last}']"));
    browser.press(ENTER);
    browser.until_at(&format!("#{last}"));
}

fn get_a_form_wrong(visitor: Visitor) {
    let stage = Stage::open();
    let browser = stage.visit(visitor);
    assert!(browser.text(".banner").contains("no login"));
    let typed = [("payload", "{oh no}"), ("cron", "0 25 * * *"), ("timezone", "Europe/Atlantis")];
    create(&browser, "three wrong", "cron", &typed);
    inspect(&browser, "trigger-new-wrong");
    assert_led_to(&browser, &[("payload", "JSON"), ("cron", "25 is not between 0 and 23"), ("timezone", "Atlantis")]);
    for (field, typed) in typed.into_iter().chain([("name", "three wrong")]) {
        assert_eq!(value_of(&browser, field), typed, "{field} is kept");
    }
    assert_eq!(browser.ask("document.querySelector('#kind-cron').checked"), true);

    begin(&browser, "in the past", "once", &[("run_at", &format!("01022020{RIGHT}030405PM"))]);
    // Nobody types so much; it is pasted.
    let pasted = format!("\"{}\"", "x".repeat(300_000));
    browser.ask(&format!("void (document.querySelector('#payload').value = {})", json!(pasted)));
    browser.tab_to("#save");
    browser.press_and_go(ENTER);
    inspect(&browser, "trigger-new-past-and-huge");
    assert_led_to(&browser, &[("payload", "at most 262144"), ("run_at", "must be in the future")]);
    assert!(value_of(&browser, "payload") == pasted, "all of it is kept");
    assert_eq!(value_of(&browser, "run_at"), "2020-01-02T15:04:05");
    assert_eq!(stage.nobody().get("/api/v1/triggers").is(200).json(), json!([]), "nothing was made");
}

#[test]
fn a_wrong_form_keeps_what_was_typed_and_leads_to_what_is_wrong() {
    get_a_form_wrong(Visitor::PLAIN);
}

#[test]
fn a_wrong_form_leads_to_what_is_wrong_without_javascript_too() {
    get_a_form_wrong(Visitor::PLAIN.without_scripts());
}
