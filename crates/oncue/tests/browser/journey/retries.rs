//! A receiver that fails: for a while, until it takes the message, or for good.

use jiff::SignedDuration;
use serde_json::json;

use super::moves::{fire, follow, go_to, make, rows, texts, time_in, until_said};
use crate::driver::{Browser, ENTER, Visitor};
use crate::inspection::inspect;
use crate::stage::Stage;
use crate::support::receiver::Reply;

/// Moves the clock to the next attempt that the page promises.
#[track_caller]
fn let_it_try(browser: &Browser, stage: &mut Stage) {
    let next = time_in(browser, ".next");
    let wait = next.duration_since(stage.now());
    assert!(wait.is_positive(), "the next attempt lies ahead");
    stage.advance(wait + SignedDuration::from_millis(50));
}

#[test]
fn an_open_page_follows_a_delivery_from_failure_to_failure_until_it_arrives() {
    let mut stage = Stage::open();
    stage.reply(&[
        Reply::Answer(500, "", "still waking up"),
        Reply::Answer(500, "", "nearly there"),
        Reply::Answer(200, "", "thank you"),
    ]);
    let till =
        json!({"name": "Till", "kind": "webhook", "url": stage.receiver.url(), "retries": ["5s", "1m", "10m", "1h"]});
    let till = stage.nobody().post("/api/v1/destinations", &till).is(201).json();
    let wish = json!({"name": "stubborn", "type": "api", "destinations": [till["id"]], "api_payload": {"n": 41}});
    let trigger = make(&stage.nobody(), &wish);
    fire(&stage.nobody(), trigger);
    let browser = stage.visit(Visitor::PLAIN);
    browser.open(&stage.at("/events/1"));
    browser.ask("window.stays = true");
    // The first pause is over before somebody has read the page; those after it wait for the clock.
    until_said(&browser, ".ladder > p", "2 attempts made, the last of which failed");
    assert!(browser.text("#event-title").contains("pending"), "{}", browser.text("h1"));
    let said = browser.text(".cause");
    assert!(said.contains("error of its own") && said.contains("the receiver's log"), "{said}");
    let counted = browser.text(".next .relative");
    assert!(counted.starts_with("in "), "the next attempt is counted down to: {counted}");
    browser.until("the countdown goes on", |browser| browser.text(".next .relative") != counted);
    assert_eq!(browser.count(".ladder .steps li"), 5, "what was tried, and all that may still come");
    inspect(&browser, "event-on-the-ladder");
    let_it_try(&browser, &mut stage);
    until_said(&browser, "#event-title", "delivered");
    until_said(&browser, "#deliveries h3", "delivered");
    assert_eq!(browser.ask("window.stays"), true, "all of that on one page");
    let outcomes = texts(&browser, ".attempt h4 .outcome");
    assert_eq!(outcomes, ["200 OK", "500 Internal Server Error", "500 Internal Server Error"], "the newest first");
    assert_eq!(browser.count(".next"), 0, "nothing more is promised");

    let sent = stage.receiver.received();
    assert_eq!(sent.len(), 3);
    assert!(sent.iter().all(|one| one.webhook_id() == sent[0].webhook_id()), "every attempt bears the same id");
    for (number, answer) in [(1, "still waking up"), (2, "nearly there"), (3, "thank you")] {
        let details = format!("#response-1-{number}");
        if browser.ask(&format!("document.querySelector('{details}').open")) == false {
            browser.tab_to(&format!("{details} > summary"));
            browser.press(ENTER);
        }
        assert!(browser.text(&format!("#response-1-{number}")).contains(answer), "the answer to attempt {number}");
    }
    inspect(&browser, "event-retried-bodies");

    // Each attempt has a receipt of its own.
    follow(&browser, "[aria-labelledby=attempt-1-3]", "What was sent, and how it went");
    assert_eq!(browser.path(), "/events/1/deliveries/0/attempts/3");
    for number in [3, 2, 1] {
        if number < 3 {
            browser.tab_to(&format!(".head nav a[href$='/attempts/{number}']"));
            browser.press_and_go(ENTER);
        }
        let request = browser.text("#request");
        for part in ["POST ", "/hook", sent[0].webhook_id(), "\"n\": 41"] {
            assert!(request.contains(part), "attempt {number} has no {part}:\n{request}");
        }
        assert!(browser.text("#timings").contains("Receive"), "where its time went");
        assert!(browser.text("#curl").contains("curl -X POST"), "and how to send it again");
    }
    assert!(browser.text(".cause").contains("error of its own"), "and what went wrong");
    inspect(&browser, "receipt");
}

fn meet_a_dead_receiver(visitor: Visitor) {
    let mut stage = Stage::open();
    stage.reply(&[Reply::Answer(503, "", "closed for good")]);
    let broken = json!({"name": "broken", "type": "api", "webhook_url": stage.receiver.url()});
    let broken = make(&stage.nobody(), &broken);
    let fine = make(&stage.nobody(), &json!({"name": "fine", "type": "api"}));
    fire(&stage.nobody(), broken);
    fire(&stage.nobody(), fine);
    let browser = stage.visit(visitor);
    browser.open(&stage.at("/events/1"));
    // The first pause is over before somebody has read the page; those after it wait for the clock.
    for tried in 2..=7 {
        until_said(&browser, ".ladder > p", &format!("{tried} attempts made"));
        assert_eq!(browser.count(".ladder .steps li"), 8, "the whole ladder is shown");
        let_it_try(&browser, &mut stage);
    }
    until_said(&browser, ".ladder > p", "8 attempts made");
    assert_eq!(browser.count(".next"), 0, "no attempt is promised any more");
    assert_eq!(stage.receiver.received().len(), 8, "it is tried as often as the ladder says");
    until_said(&browser, "#event-title", "failed");
    for number in 1..=8 {
        let details = format!("#response-1-{number}");
        if browser.ask(&format!("document.querySelector('{details}').open")) == false {
            browser.tab_to(&format!("{details} > summary"));
            browser.press(ENTER);
        }
        let said = browser.text(&details);
        assert!(said.contains("503 Service Unavailable") && said.contains("closed for good"), "{number}: {said}");
    }
    inspect(&browser, "event-failed-for-good");

    browser.open(&stage.at("/"));
    let attention = browser.text("#attention");
    assert!(attention.contains("broken") && attention.contains("503 Service Unavailable"), "{attention}");
    assert!(!attention.contains("fine"), "{attention}");
    inspect(&browser, "overview-attention");
    go_to(&browser, "#attention", "See what happened");
    browser.press_and_go(ENTER);
    assert_eq!(browser.path(), "/events/1");

    // The ladder took longer than the day that the overview is about; a receiver that says it is gone fails at once.
    stage.reply(&[Reply::Answer(410, "", "gone")]);
    fire(&stage.nobody(), broken);
    browser.open(&stage.at("/events/3"));
    until_said(&browser, "#event-title", "failed");
    browser.open(&stage.at("/"));
    follow(&browser, "#tiles", "Delivered");
    assert_eq!(browser.path(), "/events?status=all&outcome=failed");
    assert_eq!(rows(&browser), [3, 1], "the tile leads to what failed");
    assert_eq!(browser.ask("document.querySelector('#outcome').value"), "failed", "and the filter says so");
    browser.open(&stage.at("/events?status=all"));
    assert_eq!(rows(&browser), [3, 2, 1]);
    browser.tab_to("#outcome");
    browser.press("Fa");
    if !visitor.runs_scripts() {
        browser.tab_to("#filters button[type=submit]");
        browser.press_and_go(ENTER);
    }
    browser.until("only what failed is listed", |browser| rows(browser) == [3, 1]);
    assert!(browser.path().contains("outcome=failed"), "{}", browser.path());
    browser.open(&stage.at("/ui/triggers"));
    assert_eq!(texts(&browser, "tbody th .name")[0], "broken", "what fails comes first");
}

#[test]
fn a_dead_receiver_is_tried_to_the_end_and_shown_wherever_somebody_would_look() {
    meet_a_dead_receiver(Visitor::PLAIN);
}

#[test]
fn a_dead_receiver_is_shown_without_javascript_too() {
    meet_a_dead_receiver(Visitor::PLAIN.without_scripts());
}
