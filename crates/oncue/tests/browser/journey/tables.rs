//! Somebody follows a link of old to the plain tables.

use super::{NASTY, act, create};
use crate::driver::Visitor;
use crate::inspection::inspect;
use crate::stage::Stage;

#[test]
fn the_plain_tables_show_what_somebody_wrote_as_text() {
    let stage = Stage::open();
    let browser = stage.visit(Visitor::PLAIN);
    create(&browser, NASTY, "api", &[("payload", "{\"nasty\": \"</code><script>alert(1)</script>\"}")]);
    act(&browser, NASTY, "Fire");
    browser.open(&stage.at("/api/v1/triggers/triggers_html"));
    assert!(browser.text("tbody").contains(NASTY), "{}", browser.text("body"));
    inspect(&browser, "triggers-table");
    browser.open(&stage.at("/api/v1/event_logs/event_logs_html?status=all"));
    assert!(browser.text("tbody").contains("</code><script>"), "{}", browser.text("body"));
    inspect(&browser, "events-table");
}
