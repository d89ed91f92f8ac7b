//! Nobody ran while three occurrences came and went: the latest is caught up with, and of the others there is a record.

use jiff::SignedDuration;
use serde_json::json;

use super::moves::{follow, make, rows, texts, until_said};
use crate::driver::Visitor;
use crate::inspection::inspect;
use crate::stage::Stage;
use crate::support::time::instant;

fn look_at_what_an_outage_left(visitor: Visitor) {
    let mut stage = Stage::open();
    let wish = json!({"name": "hourly", "type": "scheduled", "webhook_url": stage.receiver.url(),
        "schedule_details": {"every": "1h"}});
    let trigger = make(&stage.nobody(), &wish);
    let first = instant(&stage.nobody().get(&format!("/api/v1/triggers/{trigger}")).is(200).json()["next_at"]);
    // Half past the third occurrence, whenever that is.
    let downtime = first.duration_since(stage.now()) + SignedDuration::from_mins(150);
    stage.kill_for(downtime, || {});
    stage.receiver.wait_for(1);
    let browser = stage.visit(visitor);
    browser.open(&stage.at(&format!("/ui/triggers/{trigger}")));
    until_said(&browser, "#events tbody", "delivered");
    let fired = browser.text("#events tbody");
    assert!(fired.contains("catch-up") && fired.contains("30 min late"), "{fired}");
    assert_eq!(browser.count("#events tbody tr"), 1, "one is caught up with");
    assert_eq!(texts(&browser, "#skipped tbody th"), ["2 missed"]);
    let times = browser.ask("[...document.querySelectorAll('#skipped time')].map(time => Date.parse(time.dateTime))");
    let hour = 3_600_000;
    assert_eq!(times, json!([first.as_millisecond(), first.as_millisecond() + hour]), "the first two of the three");
    assert!(browser.text("#skipped").contains("oncue did not run then"), "{}", browser.text("#skipped"));
    assert!(browser.text("#past").contains("1 fired, 1 delivered, 2 did not fire"), "{}", browser.text("#past"));
    let next = browser.ask("Date.parse(document.querySelector('#coming time').dateTime)");
    assert_eq!(next, first.as_millisecond() + 3 * hour, "the grid has not moved");
    inspect(&browser, "trigger-after-outage");

    follow(&browser, "#events", "Event 1");
    assert!(browser.text("main").contains("catch-up"), "{}", browser.text("main"));
    browser.open(&stage.at("/events?source=catch-up"));
    assert_eq!(rows(&browser), [1]);
    browser.open(&stage.at("/events?source=schedule"));
    assert_eq!(rows(&browser), [0; 0], "it was not on cue");
    browser.open(&stage.at("/"));
    assert!(browser.text("#tiles").contains("2 skipped"), "{}", browser.text("#tiles"));
    assert!(browser.text("#attention").contains("all well"), "it is over: {}", browser.text("#attention"));
    assert_eq!(stage.receiver.received().len(), 1, "one message went out");
}

#[test]
fn after_an_outage_the_latest_occurrence_is_caught_up_with_and_the_others_are_on_record() {
    look_at_what_an_outage_left(Visitor::PLAIN);
}

#[test]
fn what_an_outage_left_is_shown_without_javascript_too() {
    look_at_what_an_outage_left(Visitor::PLAIN.without_scripts());
}
