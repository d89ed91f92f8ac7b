//! Somebody reads the API's documentation on the server itself, without any other, and tries a call from it.

use serde_json::json;

use super::moves::{at_the_api, follow, make};
use super::{EMAIL, register};
use crate::driver::{Browser, Visitor};
use crate::inspection::assert_quiet;
use crate::stage::Stage;

#[test]
fn the_documentation_is_served_from_here_and_fires_a_trigger() {
    let stage = Stage::with_accounts();
    let browser = stage.visit(Visitor::PLAIN);
    register(&browser, EMAIL);
    let client = at_the_api(&stage, EMAIL);
    let trigger = make(&client, &json!({"name": "orders", "type": "api", "api_payload": {"n": 41}}));
    let made = client.post("/api/v1/api_keys", &json!({"name": "from the docs", "scopes": ["fire"]})).is(201).json();
    let key = made["key"].as_str().expect("a key");
    browser.open(&stage.at("/ui/triggers"));
    follow(&browser, "footer", "API docs");
    assert_eq!(browser.path(), "/docs");
    browser.until("the calls are listed", |browser| browser.count(".opblock") > 20);
    assert_quiet(&browser, "/docs");

    press(&browser, ".auth-wrapper", "Authorize");
    browser.until("it asks for credentials", |browser| browser.count(".dialog-ux input") > 0);
    type_into(&browser, ".dialog-ux input", key);
    press(&browser, ".dialog-ux", "Authorize");
    browser.until("it has them", |browser| browser.text(".dialog-ux").contains("Logout"));
    press(&browser, ".dialog-ux", "Close");

    let call = ".opblock-post:has([data-path='/api/v1/triggers/{id}/fire'])";
    press(&browser, call, "");
    browser.until("the call is open", |browser| browser.count(&format!("{call} .try-out button")) == 1);
    press(&browser, call, "Try it out");
    let id = format!("{call} .parameters input");
    browser.until("it is answered", |browser| {
        // The page takes in what was typed a moment later: until then it refuses to go on, and may draw the field empty again.
        if browser.ask(&format!("document.querySelector({}).value", json!(id))) != json!(trigger.to_string()) {
            browser.ask(&format!("document.querySelector({}).select()", json!(id)));
            type_into(browser, &id, &trigger.to_string());
        } else if browser.count(&format!("{call} .loading-container, {call} .live-responses-table")) == 0 {
            press(browser, call, "Execute");
        }
        browser.text(&format!("{call} .live-responses-table")).contains("event_id")
    });
    assert_quiet(&browser, "/docs");
    let shown = browser.text(call);
    assert!(shown.contains("Bearer") && shown.contains("curl"), "{shown}");
    browser.open(&stage.at("/events/1"));
    assert!(browser.text("main").contains("orders"), "{}", browser.text("main"));
}

/// Presses the button in `scope` whose words begin so. How Swagger UI is reached with the keyboard is not ours to say.
#[track_caller]
fn press(browser: &Browser, scope: &str, words: &str) {
    let script = format!(
        "(() => {{ const found = [...document.querySelectorAll({})].flatMap(part => [...part.querySelectorAll('button')]) \
         .find(one => one.innerText.trim().startsWith({})); found?.click(); return !!found; }})()",
        json!(scope),
        json!(words),
    );
    browser.until(&format!("{scope} has {words}"), |browser| browser.ask(&script) == true);
}

/// Types into the first field that a selector finds.
fn type_into(browser: &Browser, field: &str, text: &str) {
    browser.ask(&format!("document.querySelector({}).focus()", json!(field)));
    browser.until_at(field);
    browser.press(text);
}
