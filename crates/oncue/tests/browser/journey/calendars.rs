//! Somebody writes down the holidays, lets a trigger keep to them, looks what another date would change, saves it, and is not let
//! delete what is used.

use super::moves::make;
use crate::driver::{ENTER, SPACE, Visitor};
use crate::inspection::inspect;
use crate::stage::Stage;

fn keep_to_holidays(visitor: Visitor) {
    let mut stage = Stage::open();
    let today = stage.now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let day = |days: i64| today.saturating_add(jiff::Span::new().days(days)).to_string();
    let wish = serde_json::json!({"name": "mornings", "type": "scheduled",
        "schedule_details": {"cron": "0 9 * * *", "timezone": "UTC"}});
    let trigger = make(&stage.nobody(), &wish);
    let browser = stage.visit(visitor);
    browser.open(&stage.at("/ui/triggers"));
    browser.tab_to("main a[href='/ui/calendars']");
    browser.press_and_go(ENTER);
    browser.tab_to("main a[href='/ui/calendars/new']");
    browser.press_and_go(ENTER);
    browser.tab_to("#name");
    browser.press("holidays");
    browser.tab_to("#dates");
    browser.press(&format!("{} {}", day(3), day(4)));
    browser.tab_to("main form button.primary");
    browser.press_and_go(ENTER);
    assert_eq!(browser.path(), "/ui/calendars/1?done=calendar-made");
    inspect(&browser, "calendar");

    browser.open(&stage.at(&format!("/ui/triggers/{trigger}/edit")));
    browser.tab_to("#more-about-when > summary");
    browser.press(ENTER);
    browser.tab_to("[name=calendar_1]");
    browser.press(SPACE);
    inspect(&browser, "trigger-form-calendars");
    browser.tab_to("#save");
    browser.press_and_go(ENTER);
    assert!(browser.text("main").contains("not on the dates of \"holidays\""), "{}", browser.text("main"));

    browser.open(&stage.at("/ui/calendars"));
    assert!(browser.text("main").contains("1 trigger"), "{}", browser.text("main"));
    inspect(&browser, "calendars");
    browser.tab_to("main a[href='/ui/calendars/1']");
    browser.press_and_go(ENTER);
    assert!(browser.text("main").contains("mornings"), "{}", browser.text("main"));
    browser.fill("#dates", &day(5));
    browser.tab_to("[name=check]");
    browser.press_and_go(ENTER);
    let told = browser.text("#would");
    assert!(told.contains("1 firing falls away") && told.contains("2 firings come"), "{told}");
    inspect(&browser, "calendar-would-change");
    browser.tab_to("main form button.primary");
    browser.press_and_go(ENTER);
    assert_eq!(browser.path(), "/ui/calendars/1?done=calendar-changed");
    browser.tab_to("main a[href='/ui/calendars/1/delete']");
    browser.press_and_go(ENTER);
    assert!(browser.text("main").contains("This trigger names it"), "{}", browser.text("main"));
    inspect(&browser, "calendar-delete");
}

#[test]
fn a_trigger_keeps_to_holidays_that_are_written_down_once() {
    keep_to_holidays(Visitor::PLAIN);
}

#[test]
fn a_trigger_keeps_to_holidays_without_javascript_too() {
    keep_to_holidays(Visitor::PLAIN.without_scripts());
}
