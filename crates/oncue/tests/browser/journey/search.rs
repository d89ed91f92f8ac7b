//! Somebody looks for a few triggers among many, shows what they found to somebody else, and pauses all of them at once.

use jiff::SignedDuration;
use serde_json::json;

use super::moves::{at_the_api, fire, follow, make, texts};
use super::{EMAIL, register};
use crate::driver::{Browser, ENTER, HOME, SPACE, TAB, Visitor};
use crate::inspection::inspect;
use crate::stage::{PASSWORD, Stage};
use crate::support::receiver::Reply;
use crate::support::time::instant;
use crate::support::wait::until;

/// The names that the list shows, from top to bottom.
fn names(browser: &Browser) -> Vec<String> {
    texts(browser, "#triggers tbody th .name")
}

/// Chooses in the form above the list: by itself where scripts run, else with its button.
#[track_caller]
fn choose(browser: &Browser, field: &str, words: &str, expected: &[&str]) {
    browser.fill(field, words);
    if !browser.visitor().runs_scripts() {
        browser.tab_to("form.toolbar button[type=submit]");
        browser.press_and_go(ENTER);
    }
    browser.until(&format!("{words} leaves {expected:?}"), |browser| names(browser) == expected);
}

/// Makes six triggers, of which one fails.
fn prepare(stage: &mut Stage) {
    stage.reply(&[Reply::Answer(500, "", "out of order")]);
    let client = at_the_api(stage, EMAIL);
    let every =
        |name: &str, period: &str| json!({"name": name, "type": "scheduled", "schedule_details": {"every": period}});
    for trigger in [
        every("Orders hourly", "1h"),
        every("invoice weekly", "7d"),
        json!({"name": "Invoice nightly", "type": "scheduled",
            "schedule_details": {"cron": "0 2 * * *", "timezone": "Europe/Riga"}}),
        every("Invoice daily", "1d"),
        json!({"name": "Invoice on call", "type": "api"}),
    ] {
        make(&client, &trigger);
    }
    let till =
        json!({"name": "Till", "kind": "webhook", "url": stage.receiver.url(), "retries": ["5s", "1m", "10m", "1h"]});
    let till = client.post("/api/v1/destinations", &till).is(201).json();
    let broken = json!({"name": "The broken invoice", "type": "api", "destinations": [till["id"]]});
    let event = fire(&client, make(&client, &broken));
    for tried in 1..=5 {
        let delivery = until("the attempt is on record", || {
            let event = client.get(&format!("/api/v1/event_logs/{event}")).is(200).json();
            let delivery = event["deliveries"][0].clone();
            let made = delivery["attempts"].as_array().expect("a list").len();
            let is_over = made == 5 || delivery["next_attempt_at"].is_string();
            (made >= tried && is_over).then_some(delivery)
        });
        if delivery["status"] == "failed" {
            return;
        }
        let wait = instant(&delivery["next_attempt_at"]).duration_since(stage.now());
        stage.advance(wait.max(SignedDuration::ZERO));
    }
    panic!("it did not fail for good");
}

fn search_share_and_pause(visitor: Visitor) {
    let mut stage = Stage::with_accounts();
    let browser = stage.visit(visitor);
    register(&browser, EMAIL);
    prepare(&mut stage);
    browser.open(&stage.at("/ui/triggers"));
    assert_eq!(names(&browser).len(), 6);
    assert_eq!(names(&browser)[0], "The broken invoice", "what fails comes first");
    let found = ["The broken invoice", "Invoice daily", "Invoice nightly", "Invoice on call", "invoice weekly"];
    choose(&browser, "#sort", "Name", &[&found[..], &["Orders hourly"]].concat());
    choose(&browser, "#q", "INVOICE", &found);
    choose(&browser, "#kind", "Cron", &["Invoice nightly"]);
    choose(&browser, "#kind", HOME, &found);
    choose(&browser, "#state", "Wait", &["Invoice daily", "Invoice nightly", "invoice weekly"]);
    let shared = browser.path();
    // A form sends its empty fields too; a script leaves them out of the address.
    let said = shared.replace("&kind=&", "&");
    assert_eq!(said, "/ui/triggers?q=INVOICE&state=waiting&sort=name", "the address says what is shown");
    inspect(&browser, "triggers-found");

    let second = stage.visit(Visitor::PLAIN.living_in("Asia/Tokyo"));
    second.open(&stage.at(&shared));
    second.press(&format!("{EMAIL}{TAB}{PASSWORD}"));
    second.press_and_go(ENTER);
    assert_eq!(second.path(), shared, "the way through the login keeps the address");
    assert_eq!(names(&second), names(&browser), "both see the same");
    assert_eq!(second.ask("document.querySelector('#q').value"), "INVOICE");

    choose(&browser, "#state", HOME, &found);
    let boxes = "#triggers tbody input[name=ids]";
    let id = |place: usize| {
        let id = browser.ask(&format!("document.querySelectorAll('{boxes}')[{place}].id"));
        format!("#{}", id.as_str().expect("an id"))
    };
    browser.tab_to(&id(1));
    browser.press(SPACE);
    if visitor.runs_scripts() {
        browser.tab_to(&id(4));
        browser.press_with_shift(SPACE);
        browser.until("the range is selected", |browser| browser.text("[data-selected]") == "With 4 selected:");
    } else {
        for place in 2..=4 {
            browser.tab_to(&id(place));
            browser.press(SPACE);
        }
    }
    assert_eq!(browser.count(&format!("{boxes}:checked")), 4);
    inspect(&browser, "triggers-selected");
    follow(&browser, "#selected", "Pause");
    assert!(browser.text(".notice").contains("4 triggers are paused"), "{}", browser.text(".notice"));
    let here = browser.path();
    assert!(here.contains("q=INVOICE") && here.contains("sort=name"), "the view stays: {here}");
    let states = |browser: &Browser| texts(browser, "#triggers tbody [data-label=State] .badge");
    assert_eq!(states(&browser), ["failing", "paused", "paused", "paused", "paused"]);
    inspect(&browser, "triggers-paused");

    follow(&browser, ".notice", "Undo");
    assert!(browser.text(".notice").contains("4 triggers are resumed"), "{}", browser.text(".notice"));
    assert_eq!(states(&browser), ["failing", "waiting", "waiting", "ready", "waiting"]);
    assert_eq!(names(&browser), found);
}

#[test]
fn a_view_of_the_triggers_is_found_shared_paused_at_once_and_undone() {
    search_share_and_pause(Visitor::PLAIN);
}

#[test]
fn a_view_of_the_triggers_is_found_shared_and_paused_without_javascript_too() {
    search_share_and_pause(Visitor::PLAIN.without_scripts());
}
