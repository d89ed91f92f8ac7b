//! Moves that the journeys along the lists and the pages of one thing share: preparing over the API, reading rows, and going
//! with the keyboard to what is known by its words.

use std::collections::HashSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::driver::{Browser, ENTER};
use crate::stage::{PASSWORD, Stage};
use crate::support::client::Client;

/// Makes a trigger over the API, and gives its number.
#[track_caller]
pub(super) fn make(client: &Client, trigger: &Value) -> i64 {
    client.post("/api/v1/triggers", trigger).is(201).json()["id"].as_i64().expect("a number")
}

/// Fires a trigger over the API with its own payload, and gives the number of the event.
#[track_caller]
pub(super) fn fire(client: &Client, trigger: i64) -> i64 {
    let fired = client.post_nothing(&format!("/api/v1/triggers/{trigger}/fire")).is(200);
    fired.json()["event_id"].as_i64().expect("a number")
}

/// Somebody registered, at the API.
#[track_caller]
pub(super) fn at_the_api(stage: &Stage, email: &str) -> Client {
    let answer = stage.nobody().post("/auth/login", &json!({"email": email, "password": PASSWORD})).is(200);
    stage.nobody().bearer(answer.json()["access_token"].as_str().expect("a token"))
}

/// The numbers of all events that the API knows, newest first, over as many pages as it takes.
pub(super) fn known(client: &Client) -> Vec<i64> {
    let mut ids = Vec::new();
    let mut page = Some("/api/v1/event_logs?status=all&limit=200".to_owned());
    while let Some(path) = page {
        let answer = client.get(&path).is(200);
        ids.extend(answer.list().iter().map(|event| event["id"].as_i64().expect("a number")));
        page = answer.next_page();
    }
    ids
}

/// The numbers of the events that the list shows, from top to bottom.
pub(super) fn rows(browser: &Browser) -> Vec<i64> {
    let rows = browser.ask("[...document.querySelectorAll('#event-rows tr')].map(row => Number(row.dataset.event))");
    rows.as_array().expect("a list").iter().map(|id| id.as_i64().expect("a number")).collect()
}

/// No event stands in the list twice.
#[track_caller]
pub(super) fn assert_each_once(rows: &[i64]) {
    let different: HashSet<&i64> = rows.iter().collect();
    assert_eq!(different.len(), rows.len(), "an event stands in the list twice: {rows:?}");
}

/// The texts of all that a selector finds.
pub(super) fn texts(browser: &Browser, selector: &str) -> Vec<String> {
    let found = browser
        .ask(&format!("[...document.querySelectorAll({})].map(element => element.innerText.trim())", json!(selector)));
    found.as_array().expect("a list").iter().map(|text| text.as_str().expect("a text").to_owned()).collect()
}

/// The instant that the first `<time>` in `scope` stands for.
#[track_caller]
pub(super) fn time_in(browser: &Browser, scope: &str) -> Timestamp {
    let told = browser.ask(&format!("document.querySelector({}).dateTime", json!(format!("{scope} time"))));
    told.as_str().expect("a text").parse().unwrap_or_else(|error| panic!("{told}: {error}"))
}

/// Goes with Tab to the first link, button or summary in `scope` whose words begin so.
#[track_caller]
pub(super) fn go_to(browser: &Browser, scope: &str, words: &str) {
    let mark = format!(
        "(() => {{ document.querySelector('[data-target]')?.removeAttribute('data-target'); \
         const found = [...document.querySelectorAll({scope})].flatMap(part => [...part.querySelectorAll('a, button, summary')]) \
         .find(one => one.innerText.trim().startsWith({words}) && one.checkVisibility()); \
         found?.setAttribute('data-target', ''); return !!found; }})()",
        scope = json!(scope),
        words = json!(words),
    );
    assert_eq!(browser.ask(&mark), true, "{scope} has no {words}:\n{}", browser.text("main"));
    browser.tab_to("[data-target]");
}

/// Follows that link, or presses that button, to the next page.
#[track_caller]
pub(super) fn follow(browser: &Browser, scope: &str, words: &str) {
    go_to(browser, scope, words);
    browser.press_and_go(ENTER);
}

/// Waits until the page says so: by itself where scripts run, else by being loaded again.
#[track_caller]
pub(super) fn until_said(browser: &Browser, selector: &str, words: &str) {
    browser.until(&format!("{selector} says {words}"), |browser| {
        browser.text(selector).contains(words) || {
            if !browser.visitor().runs_scripts() {
                browser.reload();
            }
            false
        }
    });
}

/// Waits until the page hears of what happens.
#[track_caller]
pub(super) fn until_live(browser: &Browser) {
    browser.until("the page is live", |browser| {
        browser.text("#live").contains("live") && !browser.text("#live").contains("not")
    });
}
