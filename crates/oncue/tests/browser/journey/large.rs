//! Somebody has hundreds of triggers and thousands of events: pages stay small, lists go page by page, and the search finds
//! the one among the many.

use std::thread;

use serde_json::json;

use super::moves::{fire, follow, known, make, rows, texts};
use crate::driver::{Browser, ENTER, Visitor};
use crate::inspection::inspect;
use crate::stage::Stage;

const TRIGGERS: usize = 500;
const EVENTS: usize = 3000;
const HANDS: usize = 8;

/// The largest that the first page of a list may be.
const FIRST_PAGE_BYTES_MAX: usize = 100 * 1024;

/// The largest that any page may be, though every row of it has a chart.
const PAGE_BYTES_MAX: usize = 300 * 1024;

/// Makes all of it over the API, with many hands: every other trigger is called, the rest wait.
fn fill(stage: &Stage) {
    let client = stage.nobody().keeping_alive();
    thread::scope(|scope| {
        for hand in 0..HANDS {
            let client = client.clone();
            scope.spawn(move || {
                let mut called = Vec::new();
                for number in (hand..TRIGGERS).step_by(HANDS) {
                    let name = if number == 77 { "The needle".to_owned() } else { format!("Straw number {number:03}") };
                    let is_called = number / HANDS % 2 == 1;
                    let trigger = if is_called {
                        json!({"name": name, "type": "api", "api_payload": {"straw": number}})
                    } else {
                        json!({"name": name, "type": "scheduled", "schedule_details": {"every": "7d"}})
                    };
                    let id = make(&client, &trigger);
                    if is_called {
                        called.push(id);
                    }
                }
                for number in (hand..EVENTS).step_by(HANDS) {
                    fire(&client, called[number / HANDS % called.len()]);
                }
            });
        }
    });
}

/// The names on this page of the list of triggers.
fn names(browser: &Browser) -> Vec<String> {
    texts(browser, "#triggers tbody th .name")
}

#[test]
fn hundreds_of_triggers_and_thousands_of_events_are_listed_page_by_page() {
    let stage = Stage::open();
    fill(&stage);
    let events = known(&stage.nobody());
    assert_eq!(events.len(), EVENTS);
    for (bytes_max, pages) in [
        (FIRST_PAGE_BYTES_MAX, ["/", "/ui/triggers", "/events", "/upcoming"]),
        (PAGE_BYTES_MAX, ["/ui/triggers?sort=name", "/ui/triggers?kind=api", "/events?text=straw", "/ui/triggers/78"]),
    ] {
        for page in pages {
            let answer = stage.nobody().get(page).is(200);
            assert!(answer.text.len() < bytes_max, "{page} has {} bytes", answer.text.len());
        }
    }
    let browser = stage.visit(Visitor::PLAIN);
    let tiles = browser.text("#tiles");
    assert!(tiles.contains("500"), "{tiles}");
    inspect(&browser, "overview-large");

    browser.open(&stage.at("/ui/triggers?sort=name"));
    let mut all = names(&browser);
    assert!(browser.text("#triggers").contains("500 triggers"), "{}", browser.text("#triggers .section-head"));
    inspect(&browser, "triggers-large");
    while browser.count("#triggers [rel=next]") == 1 {
        let next = browser.ask("document.querySelector('#triggers [rel=next]').getAttribute('href')");
        browser.open(&stage.at(next.as_str().expect("an address")));
        all.extend(names(&browser));
    }
    let mut sorted = all.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!((all.len(), sorted.len()), (TRIGGERS, TRIGGERS), "every trigger stands on one page");
    assert_eq!(all, sorted, "in the order that was asked for, across pages");

    browser.press("/");
    browser.until_at("#search");
    browser.press("needle");
    browser.press_and_go(ENTER);
    assert_eq!(names(&browser), ["The needle"]);
    follow(&browser, "#triggers tbody th", "The needle");
    follow(&browser, "#events", "All of them");
    let of_one = rows(&browser);
    assert!(!of_one.is_empty() && of_one.iter().all(|id| events.contains(id)), "{of_one:?}");
    assert!(texts(&browser, "#event-rows .name").iter().all(|name| name == "The needle"));

    browser.open(&stage.at("/events"));
    let mut listed = rows(&browser);
    for _ in 0..2 {
        let older = browser.ask("document.querySelector('#older').getAttribute('href')");
        browser.open(&stage.at(older.as_str().expect("an address")));
        listed.extend(rows(&browser));
    }
    assert_eq!(listed, events[..listed.len()], "page by page, nothing twice and nothing left out");
    assert!(listed.len() >= 100, "{}", listed.len());
}
