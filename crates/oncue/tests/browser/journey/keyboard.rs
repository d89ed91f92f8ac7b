//! Somebody has no mouse: they make a trigger, fire it, look at what became of it and read its charts, with keys alone; and
//! somebody for whom single keys are in the way switches them off.

use super::create;
use crate::driver::{BACKTAB, Browser, DOWN, END, ENTER, ESCAPE, HOME, LEFT, RIGHT, TAB, UP, Visitor};
use crate::inspection::inspect;
use crate::stage::Stage;

/// How many stops a page may have before it counts as one that nobody gets out of.
const STOPS_MAX: usize = 300;

const FIRING: &str = "[data-roving=row] [data-cell]";
const HOUR: &str = ".heat-week [data-cell]";

/// What stands in the way of somebody who looks at the element with the focus: nothing where it can be seen.
const HIDDEN_FOCUS: &str = "(() => { const one = document.activeElement; const box = one.getBoundingClientRect(); \
    const top = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2); \
    const isSeen = top && (one.contains(top) || top.contains(one)); \
    return isSeen && one.matches(':focus-visible') ? '' : one.outerHTML.slice(0, 300); })()";

/// Goes through the whole page with Tab and comes out of it again, and sees the focus wherever it is.
#[track_caller]
fn walk_through(browser: &Browser) {
    browser.ask("void (document.activeElement.blur(), window.scrollTo(0, 0))");
    browser.ask("void (window.stops = new Set())");
    let stand = "(() => { const one = document.activeElement; const isNew = one !== document.body && !stops.has(one); \
                 stops.add(one); return isNew; })()";
    for stop in 0.. {
        assert!(stop < STOPS_MAX, "there is no way out of {}", browser.path());
        browser.press(TAB);
        if browser.ask(stand) == false {
            // A field of a date is several stops; whatever else is met twice ends the round.
            if browser.ask("document.activeElement.type === 'datetime-local'") == true {
                continue;
            }
            break;
        }
        let hidden = browser.ask(HIDDEN_FOCUS);
        assert_eq!(hidden, "", "the focus cannot be seen on {}", browser.path());
    }
    let missed = browser.ask(
        "[...document.querySelectorAll('main a[href], main button, main input, footer a')].filter(one => \
         one.checkVisibility() && one.tabIndex >= 0 && !one.disabled && one.type !== 'hidden' && one.type !== 'radio' && \
         !stops.has(one)).map(one => one.outerHTML.slice(0, 200))",
    );
    assert_eq!(missed, serde_json::json!([]), "the way leads past something on {}", browser.path());
}

/// Which of the cells has the focus, if one has.
fn place(browser: &Browser, cells: &str) -> i64 {
    let place = browser.ask(&format!("[...document.querySelectorAll('{cells}')].indexOf(document.activeElement)"));
    place.as_i64().expect("a place")
}

#[test]
fn a_trigger_is_made_fired_and_looked_into_with_keys_alone() {
    let stage = Stage::open();
    let browser = stage.visit(Visitor::PLAIN);
    browser.press_and_go("n");
    assert_eq!(browser.path(), "/ui/triggers/new");
    walk_through(&browser);
    create(&browser, "by hand", "api", &[("payload", "{\"n\": 1}")]);
    for fired in 1..=3 {
        browser.tab_to("main .head button.primary");
        browser.press_and_go(ENTER);
        assert_eq!(browser.path(), format!("/ui/triggers/1?done=fired&event={fired}"));
    }
    browser.tab_to(".notice a");
    browser.press_and_go(ENTER);
    assert_eq!(browser.path(), "/events/3");
    walk_through(&browser);
    browser.tab_to("a[rel=prev]");
    browser.press_and_go(ENTER);
    assert_eq!(browser.path(), "/events/2");

    browser.press("g");
    browser.press_and_go("t");
    assert_eq!(browser.path(), "/ui/triggers");
    walk_through(&browser);
    browser.tab_to("#triggers a.name");
    browser.press_and_go(ENTER);
    walk_through(&browser);

    // The bar is one stop: the newest firing first, the others by arrows.
    browser.tab_to(FIRING);
    assert_eq!(place(&browser, FIRING), 2, "the newest");
    let newest = browser.text(".firing-bar [data-reading]");
    browser.press(LEFT);
    assert_eq!(place(&browser, FIRING), 1);
    assert_ne!(browser.text(".firing-bar [data-reading]"), newest, "what the cell says is shown");
    for (key, at) in [(HOME, 0), (LEFT, 0), (END, 2), (RIGHT, 2), (LEFT, 1)] {
        browser.press(key);
        assert_eq!(place(&browser, FIRING), at);
    }
    browser.press(TAB);
    assert_eq!(place(&browser, FIRING), -1, "the next stop lies behind the bar");
    browser.press(BACKTAB);
    assert_eq!(place(&browser, FIRING), 1, "the way back leads to where it was left");

    browser.tab_to(HOUR);
    browser.press(&format!("{UP}{UP}{HOME}"));
    let start = place(&browser, HOUR);
    assert_eq!(start % 24, 0, "the first hour of a day");
    for (key, by) in [(RIGHT, 1), (DOWN, 25), (LEFT, 24), (UP, 0), (LEFT, 0), (END, 23)] {
        browser.press(key);
        assert_eq!(place(&browser, HOUR), start + by);
    }
    assert!(browser.text(".heat-week [data-reading]").contains("23:00"), "{}", browser.text(".heat-week"));
    browser.press(TAB);
    assert_eq!(place(&browser, HOUR), -1, "the next stop lies behind the map");
    inspect(&browser, "trigger-fired");

    browser.tab_to(FIRING);
    browser.press(HOME);
    browser.press_and_go(ENTER);
    assert_eq!(browser.path(), "/events/1", "a firing is opened from the bar");
}

#[test]
fn the_focus_returns_from_the_list_of_keys_and_single_keys_can_be_switched_off() {
    let stage = Stage::open();
    let browser = stage.visit(Visitor::PLAIN);
    let is_open = |browser: &Browser| browser.ask("document.querySelector('dialog').open") == true;
    browser.tab_to("[data-opens=keys]");
    browser.press(ENTER);
    browser.until_at("dialog button");
    for _ in 0..5 {
        browser.press(TAB);
        let is_behind = browser.ask("!!document.activeElement.closest('main, header, footer')");
        assert_eq!(is_behind, false, "a dialog keeps the focus from what lies behind it");
    }
    browser.press(ESCAPE);
    browser.until_at("[data-opens=keys]");
    browser.tab_to("#first-trigger");
    browser.press("?");
    browser.until_at("dialog button");
    browser.press(ENTER);
    browser.until_at("#first-trigger");
    assert!(!is_open(&browser));

    browser.open(&stage.at("/account"));
    walk_through(&browser);
    browser.tab_to("#shortcuts");
    browser.press(" ");
    browser.tab_to("form[action='/account/preferences'] button.primary");
    browser.press_and_go(ENTER);
    assert!(browser.text(".notice").contains("saved"), "{}", browser.text("main"));
    assert_eq!(browser.ask("document.querySelector('#shortcuts').checked"), false);
    browser.open(&stage.at("/"));
    browser.ask("void document.addEventListener('click', () => (window.followed = true), true)");
    browser.press("?n/gex");
    assert_eq!(browser.ask("window.followed ?? false"), false, "no key follows anything");
    assert!(!is_open(&browser));
    assert_eq!(browser.ask("document.activeElement === document.body"), true, "nor leads to the search");
    browser.tab_to("[data-opens=keys]");
    browser.press(ENTER);
    browser.until("the list says so", |browser| browser.text("dialog").contains("Single keys are switched off"));
}
