//! Somebody writes a template and sees what it comes to before it is saved, and then sends a test to see it arrive.

use serde_json::json;

use super::moves::until_said;
use crate::driver::{ENTER, Visitor};
use crate::inspection::inspect;
use crate::stage::Stage;

#[test]
fn the_preview_of_a_template_follows_the_typing() {
    let stage = Stage::open();
    stage
        .nobody()
        .post("/api/v1/triggers", &json!({"type": "api", "name": "nightly", "api_payload": {"site": "Riga"}}))
        .is(201);
    let browser = stage.visit(Visitor::PLAIN);
    browser.open(&stage.at("/ui/destinations/new?kind=webhook"));
    assert!(browser.text("#preview").contains("Fill in the form"), "{}", browser.text("#preview"));
    assert_eq!(browser.ask("document.querySelector('.check').hidden"), true, "there is no need to press anything");
    browser.fill("#url", "https://example.com/hook?of={{ trigger.name }}");
    browser.until("the address is filled in", |browser| {
        browser.text("#preview").contains("POST https://example.com/hook?of=Sample")
    });
    inspect(&browser, "destination-preview");
    browser.ask("document.querySelector('#body_format').value = 'own'");
    browser.fill("#body_template", "{\"site\": {{ payload.site | tojson }}}");
    browser.until("it does not fit", |browser| browser.text("#preview").contains("payload.site"));
    assert!(browser.text("#preview").contains('^'), "the place is shown: {}", browser.text("#preview"));
    inspect(&browser, "destination-preview-unfit");
    browser.tab_to("#preview_trigger");
    browser.press("nightly");
    browser.until("it fits this trigger", |browser| browser.text("#preview").contains("\"Riga\""));
    assert!(browser.text("#preview").contains("valid JSON"), "{}", browser.text("#preview"));
    browser.until("it is read out", |browser| {
        browser.ask("document.querySelector('#form-said').textContent") == "It can be sent like this."
    });
    inspect(&browser, "destination-preview-own");
    browser.fill("#body_template", "{{ trigger.nam }}");
    browser.until("it is no template", |browser| browser.text("#preview").contains("trigger.nam is unknown"));
    assert_eq!(browser.path(), "/ui/destinations/new?kind=webhook", "nothing was left");
    browser.fill("#body_template", "{\"site\": {{ payload.site | tojson }}}");
    browser.fill("#name", "Ops");
    browser.tab_to("#save");
    browser.press_and_go(ENTER);
    assert!(browser.text("h1").contains("Ops"), "{}", browser.text("main"));
    browser.open(&stage.at("/ui/destinations/1/edit"));
    assert!(
        browser.text("#preview").contains("payload.site"),
        "what there is is previewed: {}",
        browser.text("#preview")
    );
}

#[test]
fn a_preview_without_javascript_gives_the_form_back_with_what_it_sends() {
    let stage = Stage::open();
    let browser = stage.visit(Visitor::PLAIN.without_scripts());
    browser.open(&stage.at("/ui/destinations/new?kind=webhook"));
    browser.fill("#url", "https://example.com/hook");
    browser.fill("[name=header_name_0]", "x-key");
    browser.fill("[name=header_value_0]", "hush");
    browser.tab_to(".check button");
    browser.press_and_go(ENTER);
    assert_eq!(browser.path(), "/ui/destinations/preview");
    let preview = browser.text("#preview");
    assert!(preview.contains("POST https://example.com/hook") && preview.contains("x-key: (hidden)"), "{preview}");
    assert_eq!(
        browser.ask("document.querySelector('#url').value"),
        "https://example.com/hook",
        "what was typed is there"
    );
    assert!(!browser.ask("document.documentElement.outerHTML").to_string().contains("hush"), "but for secrets");
    inspect(&browser, "destination-preview-plain");
    browser.fill("#name", "Ops");
    browser.fill("[name=header_value_0]", "hush");
    browser.tab_to("#save");
    browser.press_and_go(ENTER);
    assert!(browser.text("h1").contains("Ops"), "{}", browser.text("main"));
}

#[test]
fn a_test_is_sent_from_the_page_of_a_destination() {
    let stage = Stage::open();
    stage.nobody().post("/api/v1/destinations", &json!({"name": "Try", "kind": "inbox"})).is(201);
    let browser = stage.visit(Visitor::PLAIN);
    browser.open(&stage.at("/ui/destinations/1"));
    browser.tab_to("#actions button[formaction]");
    browser.press_and_go(ENTER);
    assert!(browser.text("main").contains("A test event is logged."), "{}", browser.text("main"));
    browser.tab_to(".notice a");
    browser.press_and_go(ENTER);
    until_said(&browser, "#deliveries h3", "delivered");
    assert!(browser.text("h1").contains("Test of Try"), "{}", browser.text("h1"));
}
