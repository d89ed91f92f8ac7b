//! Time passes: an occurrence comes, a delivery is tried again and again, an event grows old. The clock is moved; nobody waits.

use jiff::SignedDuration;
use serde_json::json;

use super::open_event;
use crate::driver::{Browser, ENTER, Visitor};
use crate::inspection::inspect;
use crate::stage::Stage;
use crate::support::receiver::Reply;
use crate::support::time::instant;

/// Makes a trigger over the API, and says when it is due.
fn made(stage: &Stage, trigger: &serde_json::Value) -> jiff::Timestamp {
    let made = stage.nobody().post("/api/v1/triggers", trigger).is(201).json();
    instant(&made["next_at"])
}

#[test]
fn an_occurrence_far_away_fires_on_cue_for_a_visitor_in_another_zone_whose_clock_is_wrong() {
    let mut stage = Stage::open();
    let wish = json!({"name": "mornings", "type": "scheduled", "webhook_url": stage.receiver.url(),
        "schedule_details": {"cron": "0 9 * * *", "timezone": "Europe/Riga"}});
    let due = made(&stage, &wish);
    let visitor = Visitor::PLAIN.living_in("America/New_York").ahead_by_ms(-5 * 60 * 1000);
    let browser = stage.visit(visitor);
    let in_riga = due.to_zoned(jiff::tz::TimeZone::get("Europe/Riga").expect("a zone")).hour();
    assert_eq!(in_riga, 9);
    stage.advance_gently(due);
    stage.receiver.wait_for(1);
    open_event(&browser, &stage, &["mornings", "delivered"]);
    let page = browser.text("main");
    assert!(page.contains("200 OK") && !page.contains("catch-up"), "it was on cue:\n{page}");
}

#[test]
fn a_delivery_that_fails_is_tried_again_as_time_goes_by_and_each_attempt_is_shown() {
    let mut stage = Stage::open();
    stage.reply(&[
        Reply::Answer(500, "", "not yet"),
        Reply::Answer(503, "", "nor now"),
        Reply::Answer(200, "", "at last"),
    ]);
    let wish = json!({"name": "stubborn", "type": "api", "webhook_url": stage.receiver.url()});
    stage.nobody().post("/api/v1/triggers", &wish).is(201);
    stage.nobody().post("/api/v1/triggers/1/fire", &json!({})).is(200);
    let browser = stage.visit(Visitor::PLAIN);
    let until_shown = |browser: &Browser, stage: &Stage, outcome: &str| {
        browser.until(&format!("{outcome} is shown"), |browser| {
            browser.open(&stage.at("/events/1"));
            browser.text("main").contains(outcome)
        });
    };
    until_shown(&browser, &stage, "500");
    assert!(browser.text(".next").contains("Next attempt"), "{}", browser.text("main"));
    stage.advance(SignedDuration::from_secs(6));
    until_shown(&browser, &stage, "503");
    stage.advance(SignedDuration::from_secs(361));
    until_shown(&browser, &stage, "200 OK");
    assert_eq!(stage.receiver.received().len(), 3, "an attempt is made once");
    for attempt in 1..=2 {
        // The answer to the latest attempt is open, the others wait for somebody who wants to read them; but on a page that has
        // seen them come, what was open stays so.
        if browser.ask(&format!("document.querySelector('#response-1-{attempt}').open")) == false {
            browser.tab_to(&format!("#response-1-{attempt} > summary"));
            browser.press(ENTER);
        }
    }
    let page = browser.text("main");
    for said in ["not yet", "nor now", "at last"] {
        assert!(page.contains(said), "{said} is missing:\n{page}");
    }
    inspect(&browser, "event-retried");
}

#[test]
fn an_event_is_active_then_archived_then_gone() {
    let mut stage = Stage::open();
    stage.nobody().post("/api/v1/triggers", &json!({"name": "called", "type": "api"})).is(201);
    stage.nobody().post("/api/v1/triggers/1/fire", &json!({})).is(200);
    let browser = stage.visit(Visitor::PLAIN);
    browser.open(&stage.at("/events/1"));
    assert!(browser.text("main").contains("active"), "{}", browser.text("main"));
    stage.advance(SignedDuration::from_hours(2));
    browser.reload();
    assert!(browser.text("main").contains("archived"), "{}", browser.text("main"));
    stage.advance(SignedDuration::from_hours(46));
    browser.reload();
    assert_eq!(browser.text("h1"), "Event 1 is deleted");
    browser.back();
}
