//! Somebody reads what a cron line will do before they save it, and it does just that.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::begin;
use crate::driver::{Browser, ENTER, Visitor};
use crate::inspection::inspect;
use crate::stage::Stage;
use crate::support::time::instant;
use crate::support::wait::until;

/// The instants that the times in these places name.
fn instants(browser: &Browser, selector: &str) -> Vec<Timestamp> {
    let times = browser.ask(&format!("[...document.querySelectorAll({})].map(time => time.dateTime)", json!(selector)));
    let times = times.as_array().expect("a list").iter();
    times.map(|time| time.as_str().expect("a text").parse().expect("an instant")).collect()
}

fn preview_save_and_watch(visitor: Visitor) {
    let mut stage = Stage::open();
    let browser = stage.visit(visitor.living_in("America/New_York"));
    let receiver = stage.receiver.url();
    let fields = [("cron", "0 9 * * 1-5"), ("timezone", "Europe/Riga"), ("webhook_url", receiver.as_str())];
    begin(&browser, "mornings", "cron", &fields);
    let sentence = "At 09:00, Monday to Friday";
    if visitor.runs_scripts() {
        browser.until("the preview follows", |browser| {
            browser.text("#preview .sentence").contains("Europe/Riga") && browser.count("#preview tbody tr") == 5
        });
    } else {
        browser.tab_to(".check button");
        browser.press_and_go(ENTER);
    }
    let shown = browser.text("#preview .sentence");
    assert!(shown.contains(sentence) && shown.contains("Europe/Riga"), "{shown}");
    let promised = instants(&browser, "#preview tbody th time");
    assert_eq!(promised.len(), 5);
    inspect(&browser, "trigger-new-cron");
    browser.tab_to("#save");
    browser.press_and_go(ENTER);
    assert_eq!(browser.path(), "/ui/triggers/1?done=created");

    let upcoming = stage.nobody().get("/api/v1/triggers/1/upcoming?count=5").is(200).json();
    let told: Vec<Timestamp> = upcoming["occurrences"].as_array().expect("a list").iter().map(instant).collect();
    assert_eq!((told.as_slice(), &upcoming["summary"]), (promised.as_slice(), &json!(sentence)));
    assert!(browser.text("#facts").contains(sentence), "{}", browser.text("#facts"));
    assert_eq!(instants(&browser, "#coming tbody th time"), promised, "its page says the same");
    inspect(&browser, "trigger-cron");

    for (before, due) in promised.iter().enumerate() {
        stage.advance_gently(*due);
        let delivery = stage.receiver.wait_for(before + 1)[before].json();
        assert_eq!(instant(&delivery["data"]["firing"]["scheduled_at"]), *due);
        let client = stage.nobody();
        let newest = until("its event is listed", || {
            let events = client.get("/api/v1/event_logs").is(200).json();
            events.get(0).filter(|event| event["scheduled_at"] != Value::Null).cloned()
        });
        assert_eq!((instant(&newest["scheduled_at"]), newest["id"].as_u64()), (*due, Some(before as u64 + 1)));
        let late = instant(&newest["created_at"]).duration_since(*due).as_secs();
        assert!((0..20).contains(&late), "it fired {late} s late");
    }
    browser.open(&stage.at("/ui/triggers/1"));
    assert_eq!(instants(&browser, "#coming tbody th time").len(), 5, "it goes on");
    let past = browser.text("#past");
    assert!(past.contains("5 firings"), "{past}");
    assert_eq!(stage.receiver.received().len(), 5, "each fired once");
}

#[test]
fn a_cron_line_does_what_its_preview_says() {
    preview_save_and_watch(Visitor::PLAIN);
}

#[test]
fn a_cron_line_does_what_its_preview_says_without_javascript() {
    preview_save_and_watch(Visitor::PLAIN.without_scripts());
}
