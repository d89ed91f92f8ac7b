//! The server is killed while somebody watches, and comes back: what they see says how old it is, and then goes on.

use jiff::SignedDuration;
use serde_json::json;

use super::moves::{assert_each_once, fire, known, make, rows, until_live};
use crate::driver::{Browser, ENTER, Visitor};
use crate::inspection::inspect;
use crate::stage::Stage;

/// Everything that the console said is about the server that was not there.
#[track_caller]
fn assert_only_the_server_was_missed(browser: &Browser) {
    for message in browser.console() {
        let is_meant =
            ["ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE"]
                .iter()
                .any(|cause| message.contains(cause));
        assert!(is_meant, "{message}");
    }
}

fn is_lost(browser: &Browser) -> bool {
    browser.count("#lost.is-lost") == 1
}

/// Waits until the page says that it has lost the server.
#[track_caller]
fn until_lost(browser: &Browser) {
    browser.until("it says that it is cut off", |browser| browser.text("#lost-said") == "Connection lost.");
    browser.until("it says since when", |browser| browser.text("#live").contains("reconnecting since"));
}

#[test]
fn a_page_that_loses_its_server_says_how_old_it_is_and_goes_on_without_a_gap() {
    let mut stage = Stage::open();
    let trigger = make(&stage.nobody(), &json!({"name": "calls", "type": "api"}));
    let browser = stage.visit(Visitor::PLAIN);
    browser.open(&stage.at("/events"));
    until_live(&browser);
    browser.ask("window.stays = true");
    for _ in 0..2 {
        fire(&stage.nobody(), trigger);
    }
    browser.until("both are listed", |browser| rows(browser) == [2, 1]);
    assert!(!is_lost(&browser), "all is well");

    stage.kill_for(SignedDuration::ZERO, || {
        until_lost(&browser);
        // What is hidden has a text too.
        let age = || browser.text("#lost-since:not([hidden])");
        browser.until("it says how old the page is", |_| age().contains(" s ago"));
        let before = age();
        browser.until("the age goes on", |_| age() != before);
        assert_eq!(rows(&browser), [2, 1], "what was there stays");
        inspect(&browser, "events-lost");
    });
    for _ in 0..5 {
        fire(&stage.nobody(), trigger);
    }
    browser.until("what was missed comes in", |browser| rows(browser) == known(&stage.nobody()));
    browser.until("the message goes", |browser| !is_lost(browser));
    assert_eq!(browser.count("#lost-since:not([hidden])"), 0, "nothing is old any more");
    until_live(&browser);
    fire(&stage.nobody(), trigger);
    browser.until("it goes on", |browser| rows(browser) == (1..=8).rev().collect::<Vec<i64>>());
    assert_each_once(&rows(&browser));
    assert_eq!(browser.ask("window.stays"), true, "all of that on one page");
    assert_only_the_server_was_missed(&browser);
}

#[test]
fn a_list_that_is_paused_while_its_server_restarts_gets_what_it_missed_when_it_goes_on() {
    let mut stage = Stage::open();
    let trigger = make(&stage.nobody(), &json!({"name": "calls", "type": "api"}));
    fire(&stage.nobody(), trigger);
    let browser = stage.visit(Visitor::PLAIN);
    browser.open(&stage.at("/events"));
    until_live(&browser);
    browser.tab_to("#tail-pause");
    browser.press(ENTER);
    browser.until("it is paused", |browser| browser.text("#live").contains("paused"));
    stage.kill_for(SignedDuration::ZERO, || {
        assert_eq!(rows(&browser), [1]);
    });
    for _ in 0..3 {
        fire(&stage.nobody(), trigger);
    }
    assert_eq!(rows(&browser), [1], "paused is paused");
    browser.tab_to("#tail-pause");
    browser.press(ENTER);
    browser.until("what was missed comes in", |browser| rows(browser) == [4, 3, 2, 1]);
    until_live(&browser);
    fire(&stage.nobody(), trigger);
    browser.until("it goes on", |browser| rows(browser) == [5, 4, 3, 2, 1]);
    assert_only_the_server_was_missed(&browser);
}

#[test]
fn an_open_overview_is_up_to_date_again_after_a_restart() {
    let mut stage = Stage::open();
    let trigger = make(&stage.nobody(), &json!({"name": "calls", "type": "api"}));
    let browser = stage.visit(Visitor::PLAIN);
    until_live(&browser);
    stage.kill_for(SignedDuration::ZERO, || until_lost(&browser));
    fire(&stage.nobody(), trigger);
    browser.until("it shows what fired", |browser| browser.text("#events").contains("#1"));
    until_live(&browser);
    assert_only_the_server_was_missed(&browser);
}
