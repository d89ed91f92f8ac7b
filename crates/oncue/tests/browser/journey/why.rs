//! A firing is missing: somebody asks why, from what is on record and by naming a time, and finds out what to expect of the next one.

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use serde_json::json;

use super::moves::{follow, make};
use crate::driver::{ENTER, RIGHT, Visitor};
use crate::inspection::inspect;
use crate::stage::Stage;
use crate::support::time::instant;

fn ask_why_it_did_not_fire(visitor: Visitor) {
    let mut stage = Stage::open();
    let wish = json!({"name": "hourly", "type": "scheduled", "webhook_url": stage.receiver.url(),
        "schedule_details": {"every": "1h"}});
    let trigger = make(&stage.nobody(), &wish);
    let first = instant(&stage.nobody().get(&format!("/api/v1/triggers/{trigger}")).is(200).json()["next_at"]);
    let downtime = first.duration_since(stage.now()) + SignedDuration::from_mins(150);
    stage.kill_for(downtime, || {});
    stage.receiver.wait_for(1);
    let browser = stage.visit(visitor);
    browser.open(&stage.at(&format!("/ui/triggers/{trigger}")));
    // The link of the record.
    follow(&browser, "#skipped tbody", "");
    assert!(browser.path().starts_with(&format!("/ui/triggers/{trigger}/why?at=")), "{}", browser.path());
    let said = browser.text("#sentence");
    assert!(said.contains("was missed because oncue did not run from"), "{said}");
    assert!(browser.text("#answer .facts").contains("oncue did not run"), "{}", browser.text("#answer"));
    assert!(browser.text("#advice").contains("without a break"), "{}", browser.text("#answer"));
    let around = browser.text("#around tbody");
    assert!(around.contains("missed") && around.contains("caught up") && around.contains("to come"), "{around}");
    assert_eq!(browser.count("#around tbody tr[aria-current]"), 1, "what is told of is among them");
    inspect(&browser, "why-missed");

    // A time of one's own, on the trigger's clock.
    let next = first + SignedDuration::from_hours(3);
    let next = next.to_zoned(TimeZone::UTC);
    // As the field's parts are typed: the year has room for six digits.
    let typed = format!("{}{RIGHT}{}", next.strftime("%m%d%Y"), next.strftime("%I%M%S%p"));
    browser.fill("#at", &typed);
    browser.tab_to("#ask button[type=submit]");
    browser.press_and_go(ENTER);
    let said = browser.text("#sentence");
    assert!(said.contains("the trigger will fire at") && said.contains("if nothing changes"), "{said}");
    inspect(&browser, "why-to-come");

    browser.open(&stage.at(&format!("/ui/triggers/{trigger}/why")));
    assert_eq!(browser.count("#answer"), 0, "nothing was asked yet");
    assert!(browser.text("#around h2").contains("Around now"), "{}", browser.text("#around"));
    inspect(&browser, "why-unasked");
}

#[test]
fn somebody_asks_why_it_did_not_fire() {
    ask_why_it_did_not_fire(Visitor::PLAIN);
}

#[test]
fn somebody_asks_why_without_javascript_too() {
    ask_why_it_did_not_fire(Visitor::PLAIN.without_scripts());
}
