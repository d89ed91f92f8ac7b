//! Somebody fires a trigger, and tries out a change of it before they save it: that is badged, counts for nothing, and the
//! change stays unsaved.

use super::create;
use crate::driver::{Browser, ENTER, Visitor};
use crate::inspection::inspect;
use crate::stage::Stage;

/// What the pages say of how things went.
fn statistics(browser: &Browser, stage: &Stage) -> [String; 2] {
    browser.open(&stage.at("/"));
    let tiles = browser.text("#tiles");
    browser.open(&stage.at("/ui/triggers/1"));
    [tiles, browser.text("#past")]
}

fn fire_and_try_out(visitor: Visitor) {
    let stage = Stage::open();
    let browser = stage.visit(visitor);
    create(&browser, "orders", "api", &[("payload", "{\"n\": 1}"), ("webhook_url", &stage.receiver.url())]);
    browser.tab_to("main .head button.primary");
    browser.press_and_go(ENTER);
    assert_eq!(browser.path(), "/ui/triggers/1?done=fired&event=1");
    stage.receiver.wait_for(1);
    let reader = stage.visit(visitor);
    reader.until("the delivery is counted", |reader| {
        reader.open(&stage.at("/ui/triggers/1"));
        reader.text("#past").contains("1 delivered")
    });
    let before = statistics(&reader, &stage);

    browser.tab_to("main a[href='/ui/triggers/1/edit']");
    browser.press_and_go(ENTER);
    browser.fill("#name", "renamed");
    browser.fill("#payload", "{\"n\": 2}");
    browser.tab_to("#try");
    if visitor.runs_scripts() {
        browser.press(ENTER);
        browser.until("it was tried out", |browser| browser.count("#tested") == 1);
        assert_eq!(browser.path(), "/ui/triggers/1/edit", "nothing was left");
    } else {
        browser.press_and_go(ENTER);
    }
    assert!(browser.text("#tested").contains("Test event 2 is logged"), "{}", browser.text("main"));
    for (field, typed) in [("name", "renamed"), ("payload", "{\"n\": 2}")] {
        assert_eq!(browser.ask(&format!("document.querySelector('#{field}').value")), typed, "{field} is kept");
    }
    assert_eq!(browser.count("form[data-unsaved]"), 1, "the form knows that it is unsaved");
    inspect(&browser, "trigger-edit-tested");

    let sent = stage.receiver.wait_for(2)[1].json();
    assert_eq!((&sent["data"]["firing"]["is_test"], &sent["data"]["payload"]["n"]), (&true.into(), &2.into()));
    reader.until("the test has arrived", |reader| {
        reader.open(&stage.at("/events/2"));
        reader.text("#event-title").contains("delivered")
    });
    assert_eq!(reader.text("h1 .badge.test"), "test");
    let page = reader.text("main");
    assert!(page.contains("renamed") && page.contains("\"n\": 2"), "{page}");
    inspect(&reader, "event-test");
    reader.open(&stage.at("/events?status=all"));
    assert_eq!(reader.text("#event-2 .badge.test"), "test");
    assert_eq!(reader.count("#event-1 .badge.test"), 0, "the call was no test");
    let kept = stage.nobody().get("/api/v1/triggers/1").is(200).json();
    assert_eq!((&kept["name"], &kept["api_payload"]["n"]), (&"orders".into(), &1.into()), "nothing is saved");
    assert_eq!(statistics(&reader, &stage), before, "a test counts for nothing");

    browser.tab_to("#save");
    browser.press_and_go(ENTER);
    assert_eq!(browser.path(), "/ui/triggers/1?done=changed");
    assert!(browser.text("h1").contains("renamed"), "{}", browser.text("h1"));
}

#[test]
fn a_change_is_tried_out_before_it_is_saved() {
    fire_and_try_out(Visitor::PLAIN);
}

#[test]
fn a_change_is_tried_out_before_it_is_saved_without_javascript() {
    fire_and_try_out(Visitor::PLAIN.without_scripts());
}
