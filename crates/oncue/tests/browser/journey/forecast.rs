//! Somebody looks at what the next days will bring, and sees the rush, the trigger that will never fire and the night of the clocks
//! before they come.

use serde_json::json;

use super::moves::make;
use super::{NASTY, go_to};
use crate::driver::{ENTER, Visitor};
use crate::inspection::inspect;
use crate::stage::Stage;

#[test]
fn a_rush_and_a_silence_are_seen_before_they_come() {
    let stage = Stage::open();
    let nobody = stage.nobody();
    let browser = stage.visit(Visitor::PLAIN.without_scripts());
    go_to(&browser, "/upcoming");
    browser.tab_to("a[href='/forecast']");
    browser.press_and_go(ENTER);
    assert!(browser.text("main").contains("Nothing to foretell yet"), "{}", browser.text("main"));

    let slow = json!({"name": NASTY, "kind": "webhook", "url": "https://example.com/slow",
                      "rate": {"count": 1, "per": "1s", "burst": 1}});
    let slow = nobody.post("/api/v1/destinations", &slow).is(201).json()["id"].clone();
    for n in 0..120 {
        let wish = json!({"name": format!("report {n}"), "type": "scheduled", "destinations": [slow],
            "schedule_details": {"cron": "0 9 * * *"}});
        make(&nobody, &wish);
    }
    let pulse = json!({"name": "pulse", "type": "scheduled", "schedule_details": {"every": "5m"}});
    make(&nobody, &pulse);
    let halted = json!({"name": NASTY, "type": "scheduled", "enabled": false, "schedule_details": {"every": "5m"}});
    make(&nobody, &halted);
    browser.open(&stage.at("/forecast"));
    let loads = browser.text("#loads");
    assert!(loads.contains(NASTY) && loads.contains("840"), "{loads}");
    assert!(loads.contains("1 in 1s") && loads.contains("119 by up to 1 min 59 s"), "{loads}");
    assert!(loads.contains("more times"), "{loads}");
    let never = browser.text("#never");
    assert!(never.contains(NASTY) && never.contains("It is paused"), "{never}");
    assert_eq!(
        browser.count("#forecast figure.density .strip"),
        9,
        "a strip for each day that they touch, and the clock"
    );
    inspect(&browser, "forecast");
}
