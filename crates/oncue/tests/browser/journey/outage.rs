//! The server goes away under somebody's hands, and comes back on what it left.

use jiff::SignedDuration;
use serde_json::json;

use super::{EMAIL, create, open_event, register};
use crate::driver::Visitor;
use crate::stage::Stage;
use crate::support::time::instant;

#[test]
fn a_killed_server_comes_back_with_the_login_and_the_triggers_and_says_what_it_caught_up_with() {
    let mut stage = Stage::with_accounts();
    let browser = stage.visit(Visitor::PLAIN);
    register(&browser, EMAIL);
    create(&browser, "hourly", "every", &[("every", "1h")]);
    stage.kill_and_restart();
    let noted = browser.console();
    assert!(noted.iter().all(|message| message.contains("net::ERR_")), "the browser notes the loss only: {noted:#?}");
    browser.open(&stage.at("/"));
    assert_eq!(browser.text(".email"), EMAIL, "the login has survived");
    assert!(browser.text("#next").contains("hourly"), "{}", browser.text("main"));
    // Three and a half hours in which nobody looked, as when a machine sleeps.
    stage.advance(SignedDuration::from_mins(210));
    open_event(&browser, &stage, &["hourly"]);
    let page = browser.text("main");
    assert!(page.to_lowercase().contains("catch"), "it says that it was late for a reason:\n{page}");
}

#[test]
fn a_server_that_is_stopped_in_good_order_forgets_nothing() {
    let mut stage = Stage::open();
    let wish = json!({"name": "daily", "type": "scheduled", "schedule_details": {"every": "1d"}});
    let due = instant(&stage.nobody().post("/api/v1/triggers", &wish).is(201).json()["next_at"]);
    stage.restart();
    let browser = stage.visit(Visitor::PLAIN);
    stage.advance_gently(due);
    open_event(&browser, &stage, &["daily"]);
    assert!(!browser.text("main").contains("catch-up"), "it was on cue:\n{}", browser.text("main"));
    assert!(stage.now() >= due);
}
