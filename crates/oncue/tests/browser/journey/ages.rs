//! An event grows old under somebody's eyes: from one tab of the list to the next, and out of it. What is left is counted.

use jiff::SignedDuration;
use serde_json::json;

use super::moves::{fire, follow, make, rows, texts, until_said};
use crate::driver::{Browser, Visitor};
use crate::inspection::inspect;
use crate::stage::Stage;

/// How much of its life an event has behind it, as the bar shows it.
fn lived(browser: &Browser) -> f64 {
    browser.ask("document.querySelector('.life progress').position").as_f64().expect("a part of one")
}

/// The stage of its life that an event has reached.
fn stage_of_life(browser: &Browser) -> String {
    browser.text(".life [aria-current=step] .stage-word")
}

/// Opens the tab that begins with this word, and says what it lists.
fn tab(browser: &Browser, word: &str) -> Vec<i64> {
    follow(browser, "#event-tabs", word);
    rows(browser)
}

fn watch_an_event_grow_old(visitor: Visitor) {
    let mut stage = Stage::open();
    let wish = json!({"name": "called", "type": "api", "webhook_url": stage.receiver.url(), "api_payload": {"fruit": "quince"}});
    let trigger = make(&stage.nobody(), &wish);
    fire(&stage.nobody(), trigger);
    let browser = stage.visit(visitor);
    browser.open(&stage.at("/events/1"));
    until_said(&browser, "#event-title", "delivered");
    assert!(stage_of_life(&browser).starts_with("active") && lived(&browser) < 0.01, "{}", browser.text(".life"));
    assert!(browser.text(".life").contains("archived in 1 h 59 min"), "{}", browser.text(".life"));
    browser.open(&stage.at("/events"));
    assert_eq!(texts(&browser, "#event-tabs .count"), ["1", "0", "1"]);
    assert!(browser.text("#event-1 .fate").contains("1 h 59 min"), "{}", browser.text("#event-1"));

    stage.advance(SignedDuration::from_hours(2));
    browser.open(&stage.at("/events"));
    assert_eq!(rows(&browser), [0; 0], "it is active no more");
    assert_eq!(texts(&browser, "#event-tabs .count"), ["0", "1", "1"]);
    inspect(&browser, "events-none-active");
    assert_eq!(tab(&browser, "Archived"), [1]);
    assert!(browser.text("#event-1 .fate").contains("1 d 21 h"), "{}", browser.text("#event-1"));
    assert_eq!(tab(&browser, "All"), [1]);
    follow(&browser, "#event-1", "");
    assert!(stage_of_life(&browser).starts_with("archived"), "{}", browser.text(".life"));
    let lived = lived(&browser);
    assert!((0.041..0.043).contains(&lived), "2 of 48 hours are {lived}");
    assert!(browser.text("#payload-text").contains("quince"), "all of it can still be read");
    inspect(&browser, "event-archived");

    stage.advance(SignedDuration::from_hours(46));
    browser.reload();
    assert_eq!(browser.text("h1"), "Event 1 is deleted");
    let left = browser.text("main");
    for word in ["delivered", "API call", "Attempts"] {
        assert!(left.contains(word), "{word} is not remembered:\n{left}");
    }
    assert!(!left.contains("quince"), "the payload is gone:\n{left}");
    assert_eq!(stage.nobody().get("/events/1").status, 410);
    assert_eq!(stage.nobody().get("/events/2").status, 404, "what never was is not gone");
    inspect(&browser, "event-gone");
    for status in ["active", "archived", "all"] {
        browser.open(&stage.at(&format!("/events?status={status}")));
        assert_eq!(rows(&browser), [0; 0], "{status}");
    }

    browser.open(&stage.at("/events/1"));
    follow(&browser, "main", "Its trigger");
    assert_eq!(browser.path(), format!("/ui/triggers/{trigger}"));
    assert!(browser.text(".firing-bar figcaption").starts_with("1 firing: 1 delivered"), "{}", browser.text("#past"));
    assert_eq!(browser.count(".firing-bar .firing.gone"), 1, "its cell leads nowhere");
    assert!(browser.text("#past").contains("1 fired, 1 delivered"), "{}", browser.text("#past"));
    for heat in [".heat-week", ".heat-year"] {
        let counted = texts(&browser, &format!("{heat} td[data-cell]:not(.step-0)"));
        assert!(counted.len() == 1 && counted[0].contains("1 "), "{heat}: {counted:?}");
    }
    assert!(browser.text("#events").contains("None in the last 2 d"), "{}", browser.text("#events"));
    inspect(&browser, "trigger-remembers");
}

#[test]
fn an_event_moves_to_the_archive_and_is_deleted_and_what_it_was_is_still_counted() {
    watch_an_event_grow_old(Visitor::PLAIN);
}

#[test]
fn an_event_grows_old_without_javascript_too() {
    watch_an_event_grow_old(Visitor::PLAIN.without_scripts());
}
