//! Somebody watches the list of events grow, stops it to read, and lets it go on.

use jiff::SignedDuration;
use serde_json::json;

use super::moves::{assert_each_once, fire, known, make, rows, until_live};
use crate::driver::{Browser, ENTER, Visitor};
use crate::inspection::inspect;
use crate::stage::Stage;

/// Lets a trigger that fires every ten seconds fire so often.
fn tick(stage: &mut Stage, times: usize) {
    for _ in 0..times {
        stage.advance(SignedDuration::from_secs(10));
    }
}

/// Waits until the list shows all that there is.
#[track_caller]
fn until_complete(browser: &Browser, stage: &Stage, at_least: usize) {
    browser.until("the list shows every event", |browser| {
        let rows = rows(browser);
        rows.len() >= at_least && rows == known(&stage.nobody())
    });
}

#[test]
fn a_list_that_is_paused_stands_still_counts_what_waits_and_loses_nothing() {
    let mut stage = Stage::open();
    let wish = json!({"name": "pulse", "type": "scheduled", "webhook_url": stage.receiver.url(),
        "schedule_details": {"every": "10s"}});
    make(&stage.nobody(), &wish);
    let browser = stage.visit(Visitor::PLAIN);
    browser.open(&stage.at("/events"));
    until_live(&browser);
    browser.ask("window.stays = true");
    tick(&mut stage, 2);
    until_complete(&browser, &stage, 2);
    browser.until("they are told to have arrived", |browser| {
        browser
            .ask("[...document.querySelectorAll('#event-rows tr')].every(row => row.innerText.includes('delivered'))")
            == true
    });

    browser.tab_to("#tail-pause");
    browser.press(ENTER);
    browser.until("it is paused", |browser| browser.text("#live").contains("paused"));
    assert_eq!(browser.text("#tail-pause"), "Resume");
    let (seen, list) = (rows(&browser), browser.text("#event-rows"));
    tick(&mut stage, 3);
    // Real time goes on too, so that the clock may bring one more than it was moved for.
    browser.until("the pill counts what waits", |browser| {
        let all = known(&stage.nobody()).len();
        all >= seen.len() + 3 && browser.text("#tail-new") == format!("{} new", all - seen.len())
    });
    assert_eq!(rows(&browser), seen, "the list stands still");
    // What moves is the distance of each instant from now, which is not the list.
    assert_eq!(browser.text("#event-rows").lines().count(), list.lines().count());
    inspect(&browser, "events-paused");

    browser.tab_to("#tail-pause");
    browser.press(ENTER);
    until_complete(&browser, &stage, seen.len() + 3);
    assert_eq!(browser.ask("document.querySelector('#tail-new').checkVisibility()"), false, "nothing waits any more");
    until_live(&browser);
    tick(&mut stage, 1);
    until_complete(&browser, &stage, seen.len() + 4);
    assert_each_once(&rows(&browser));
    assert_eq!(browser.ask("window.stays"), true, "all of that on one page");
}

#[test]
fn what_came_in_during_a_pause_and_has_no_room_is_on_the_page_of_what_is_older() {
    let stage = Stage::open();
    let trigger = make(&stage.nobody(), &json!({"name": "flood", "type": "api"}));
    for _ in 0..3 {
        fire(&stage.nobody(), trigger);
    }
    let browser = stage.visit(Visitor::PLAIN);
    browser.open(&stage.at("/events"));
    until_live(&browser);
    browser.tab_to("#tail-pause");
    browser.press(ENTER);
    for _ in 0..60 {
        fire(&stage.nobody(), trigger);
    }
    browser.until("all of them wait", |browser| browser.text("#tail-new") == "60 new");
    browser.tab_to("#tail-pause");
    browser.press(ENTER);
    browser.until("the newest are shown", |browser| rows(browser).first() == Some(&63));
    browser.until("what has no room is led to", |browser| browser.count("#older") == 1);
    let mut all = rows(&browser);
    assert!(all.len() < 63, "the list keeps its length");
    browser.tab_to("#older");
    browser.press_and_go(ENTER);
    all.extend(rows(&browser));
    assert_eq!(all, known(&stage.nobody()), "page after page, every event once");
}
