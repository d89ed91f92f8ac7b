//! A receiver was broken for a while; somebody finds what failed, and sends it again once the receiver is mended.

use serde_json::json;

use super::moves::{fire, follow, go_to, make, texts, until_said};
use crate::driver::{Browser, ENTER, SPACE, Visitor};
use crate::inspection::inspect;
use crate::stage::Stage;
use crate::support::receiver::{OK, Reply};
use crate::support::wait::until;

/// What a row of the list is called by.
fn listed(browser: &Browser) -> Vec<String> {
    texts(browser, "#failed tbody .number")
}

/// Waits until so many deliveries have failed.
fn until_failed(stage: &Stage, count: usize) {
    until("they failed", || {
        let failed = stage.nobody().get("/api/v1/deliveries?state=failed").is(200).list();
        (failed.len() == count).then_some(())
    });
}

fn mend_and_redeliver(visitor: Visitor) {
    let stage = Stage::open();
    let api = stage.nobody();
    stage.reply(&[Reply::Answer(503, "", "not now")]);
    for name in ["Ops", "Billing"] {
        let body = json!({"name": name, "kind": "webhook", "url": stage.receiver.url(), "retries": []});
        api.post("/api/v1/destinations", &body).is(201);
    }
    let nightly = make(&api, &json!({"name": "nightly", "type": "api", "destinations": [1]}));
    let invoices = make(&api, &json!({"name": "invoices", "type": "api", "destinations": [2]}));
    let browser = stage.visit(visitor);
    browser.open(&stage.at("/ui/deliveries"));
    assert!(browser.text("#failed").contains("Nothing has failed"), "{}", browser.text("main"));
    inspect(&browser, "failed-none");
    for (count, trigger) in [nightly, nightly, nightly, invoices].into_iter().enumerate() {
        fire(&api, trigger);
        until_failed(&stage, count + 1);
    }

    browser.open(&stage.at("/"));
    inspect(&browser, "overview-failed");
    follow(&browser, "#tiles", "Failed deliveries");
    assert_eq!(browser.path(), "/ui/deliveries");
    assert_eq!(listed(&browser), ["#4", "#3", "#2", "#1"], "the latest first");
    assert!(browser.text("#failed").contains("503 Service Unavailable"), "{}", browser.text("#failed"));
    assert!(browser.text("#all").contains("(4)"), "{}", browser.text("#all"));
    inspect(&browser, "failed");

    browser.tab_to("#destination");
    browser.press("Ops");
    if !visitor.runs_scripts() {
        browser.tab_to("#filters button[type=submit]");
        browser.press_and_go(ENTER);
    }
    browser.until("only what went there is listed", |browser| listed(browser) == ["#3", "#2", "#1"]);
    assert!(browser.path().contains("destination=1"), "{}", browser.path());
    assert!(browser.text("#all").contains("(3)"), "{}", browser.text("#all"));

    stage.reply(&[OK]);
    browser.tab_to("[id='pick-2.0']");
    browser.press(SPACE);
    if visitor.runs_scripts() {
        until_said(&browser, "[data-selected]", "With 1 selected");
    }
    inspect(&browser, "failed-selected");
    browser.tab_to("#selected button[type=submit]");
    browser.press_and_go(ENTER);
    assert!(browser.text("main").contains("The delivery is due"), "{}", browser.text("main"));
    assert!(browser.path().contains("destination=1"), "back in the same view: {}", browser.path());
    until_failed(&stage, 3);
    browser.open(&stage.at("/ui/deliveries?destination=1"));
    assert_eq!(listed(&browser), ["#3", "#1"]);

    go_to(&browser, "#failed .section-head", "Redeliver all that match (2)");
    browser.press_and_go(ENTER);
    assert_eq!(browser.text("h1"), "Redeliver 2 failed deliveries?");
    inspect(&browser, "failed-all");
    browser.tab_to("main button.primary");
    browser.press_and_go(ENTER);
    assert!(browser.text("main").contains("2 deliveries are owed again"), "{}", browser.text("main"));
    until_failed(&stage, 1);
    browser.open(&stage.at("/ui/deliveries"));
    assert_eq!(listed(&browser), ["#4"], "what did not match stays");
    let sent = stage.receiver.received();
    let ids = |range: std::ops::Range<usize>| {
        let mut ids: Vec<&str> = sent[range].iter().map(|request| request.webhook_id()).collect();
        ids.sort_unstable();
        ids
    };
    assert_eq!(ids(0..3), ids(4..7), "each came again under the id that it had");
}

#[test]
fn what_failed_is_found_and_sent_again_with_the_keyboard() {
    mend_and_redeliver(Visitor::PLAIN);
}

#[test]
fn what_failed_is_found_and_sent_again_without_javascript() {
    mend_and_redeliver(Visitor::PLAIN.without_scripts());
}

#[test]
fn the_page_of_an_event_cancels_redelivers_and_fires_again() {
    let stage = Stage::open();
    let api = stage.nobody();
    stage.reply(&[Reply::Answer(503, "", "not now")]);
    let body = json!({"name": "Ops", "kind": "webhook", "url": stage.receiver.url(), "retries": ["1h"]});
    api.post("/api/v1/destinations", &body).is(201);
    let nightly = make(&api, &json!({"name": "nightly", "type": "api", "destinations": [1]}));
    fire(&api, nightly);
    let browser = stage.visit(Visitor::PLAIN);
    browser.open(&stage.at("/events/1"));
    until_said(&browser, "#deliveries", "1 attempt made");
    go_to(&browser, "#deliveries", "Cancel");
    browser.press_and_go(ENTER);
    assert_eq!(browser.text("h1"), "Cancel delivery 1 of event 1?");
    inspect(&browser, "delivery-cancel");
    browser.tab_to("main button.danger");
    browser.press_and_go(ENTER);
    assert_eq!(browser.path(), "/events/1?done=delivery-cancelled");
    until_said(&browser, "#deliveries h3", "failed");
    assert!(browser.text("#deliveries").contains("cancelled"), "{}", browser.text("#deliveries"));
    inspect(&browser, "event-cancelled");

    stage.reply(&[OK]);
    go_to(&browser, "#deliveries", "Redeliver");
    browser.press_and_go(ENTER);
    assert!(browser.text("main").contains("The delivery is due"), "{}", browser.text("main"));
    until_said(&browser, "#deliveries h3", "delivered");
    until_said(&browser, "#event-title", "delivered");
    let sent = stage.receiver.received();
    assert_eq!((sent.len(), sent[0].webhook_id()), (2, sent[1].webhook_id()));

    go_to(&browser, "#deliveries", "Redeliver");
    browser.press_and_go(ENTER);
    assert_eq!(browser.text("h1"), "Redeliver delivery 1 of event 1?");
    inspect(&browser, "delivery-redeliver");
    follow(&browser, "main", "Leave it");
    go_to(&browser, "#payload", "Fire again");
    browser.press_and_go(ENTER);
    assert_eq!(browser.text("h1"), "Fire nightly again?");
    inspect(&browser, "event-fire-again");
    browser.tab_to("main button.primary");
    browser.press_and_go(ENTER);
    assert_eq!(browser.path(), "/events/2?done=fired-again");
    let facts = browser.text(".facts");
    assert!(facts.contains("Event 1") && facts.contains("fired again"), "{facts}");
    until_said(&browser, "#event-title", "delivered");
    inspect(&browser, "event-repeats");
}
