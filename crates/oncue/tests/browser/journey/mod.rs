//! What people go through, one file for each journey. Here stand the few moves that many of them make. Every page on the way
//! is looked over by itself; a journey says which it wants to see from every side (`inspect`).

mod account;
mod ages;
mod api_trigger;
mod backlog;
mod calendars;
mod clock_change;
mod cron;
mod destinations;
mod display;
mod docs;
mod edit;
mod first_account;
mod forecast;
mod freeze;
mod history;
mod keyboard;
mod keys;
mod kinds;
mod large;
mod live_list;
mod mistakes;
mod moves;
mod nodes;
mod outage;
mod outage_record;
mod pauses;
mod preview;
mod redelivery;
mod restart;
mod retries;
mod runs;
mod search;
mod tables;
mod time;
mod tried_out;
mod two_tabs;
mod two_windows;
mod why;
mod would_change;

use serde_json::json;

use crate::driver::{Browser, ENTER, LEFT, RIGHT, TAB};
use crate::stage::{PASSWORD, Stage};

const EMAIL: &str = "ada@example.com";

/// A name that must stay a text wherever it is shown.
const NASTY: &str = "<script>alert(1)</script>\"><img src=x onerror=alert(1)>";

/// Registers from the form for logging in.
#[track_caller]
fn register(browser: &Browser, email: &str) {
    browser.tab_to("a[href='/auth/register']");
    browser.press_and_go(ENTER);
    browser.until_at("#email");
    browser.press(&format!("{email}{TAB}{PASSWORD}"));
    browser.press_and_go(ENTER);
}

/// Signs in with the form that is shown.
#[track_caller]
fn sign_in(browser: &Browser, email: &str) {
    browser.fill("#email", email);
    browser.fill("#password", PASSWORD);
    browser.press_and_go(ENTER);
}

/// Signs out from the menu at the top.
#[track_caller]
fn sign_out(browser: &Browser) {
    browser.tab_to("header .account > button");
    browser.press(ENTER);
    browser.tab_to("#me button[type=submit]");
    browser.press_and_go(ENTER);
}

/// Follows a link of the navigation, unless its page is the one that is shown.
#[track_caller]
fn go_to(browser: &Browser, page: &str) {
    if browser.path().split('?').next() != Some(page) {
        browser.tab_to(&format!("#nav a[href='{page}']"));
        browser.press_and_go(ENTER);
    }
}

/// Opens the form for a new trigger and fills its fields in the order in which Tab reaches them.
#[track_caller]
fn begin(browser: &Browser, name: &str, kind: &str, fields: &[(&str, &str)]) {
    browser.tab_to("header a[href='/ui/triggers/new']");
    browser.press_and_go(ENTER);
    browser.tab_to("#name");
    browser.press(name);
    let (before_kind, after_kind): (Vec<_>, Vec<_>) = fields.iter().partition(|(field, _)| *field == "payload");
    for (field, text) in before_kind {
        browser.tab_to(&format!("#{field}"));
        browser.press(text);
    }
    browser.tab_to("[name=kind]:checked");
    // The choice stands at "every"; once lies before it, cron behind, and api last.
    match kind {
        "once" => browser.press(LEFT),
        "cron" => browser.press(RIGHT),
        "api" => browser.press(&RIGHT.repeat(4)),
        _ => {}
    }
    browser.until_at(&format!("#kind-{kind}:checked"));
    for (field, text) in after_kind {
        browser.tab_to(&format!("#{field}"));
        browser.press(text);
    }
}

/// Fills the form for a new trigger and sends it.
#[track_caller]
fn create(browser: &Browser, name: &str, kind: &str, fields: &[(&str, &str)]) {
    begin(browser, name, kind, fields);
    browser.tab_to("#save");
    browser.press_and_go(ENTER);
}

/// The page of a trigger that the list of triggers shows.
#[track_caller]
fn page_of(browser: &Browser, trigger: &str) -> String {
    let link = "[...document.querySelectorAll('#triggers a.name')]";
    let found = browser.ask(&format!("{link}.find(one => one.innerText === {})?.getAttribute('href')", json!(trigger)));
    found.as_str().unwrap_or_else(|| panic!("{trigger} is not listed:\n{}", browser.text("main"))).to_owned()
}

/// Presses a button or link in the line of a trigger in the list of triggers.
#[track_caller]
fn act(browser: &Browser, trigger: &str, action: &str) {
    go_to(browser, "/ui/triggers");
    let page = page_of(browser, trigger);
    let form = format!("#triggers form[action='{page}/test']");
    let word = action.to_lowercase();
    if matches!(action, "Edit" | "Clone" | "Delete") {
        browser.tab_to(&format!("{form} summary"));
        browser.press(ENTER);
        browser.tab_to(&format!("{form} a[href='{page}/{word}']"));
    } else if action == "Test" {
        browser.tab_to(&format!("{form} button:not([formaction])"));
    } else {
        browser.tab_to(&format!("{form} button[formaction='{page}/{word}']"));
    }
    browser.press_and_go(ENTER);
}

/// Opens the newest listed event whose line holds these words, once there is one.
#[track_caller]
fn open_event(browser: &Browser, stage: &Stage, words: &[&str]) {
    let row = format!(
        "[...document.querySelectorAll('#event-rows tr')].find(row => {}.every(word => row.innerText.includes(word)))?.id",
        json!(words),
    );
    browser.open(&stage.at("/events?status=all"));
    browser.until(&format!("an event of {words:?} is listed"), |browser| {
        browser.ask(&row).is_string() || {
            browser.open(&stage.at("/events?status=all"));
            false
        }
    });
    let row = browser.ask(&row);
    browser.tab_to(&format!("#{} a.event-link", row.as_str().expect("it was there a moment ago")));
    browser.press_and_go(ENTER);
}
