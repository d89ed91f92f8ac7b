//! Somebody makes each kind of trigger, calls one, sees one fire by itself, and reads what became of its events.

use super::{NASTY, act, create, go_to, open_event};
use crate::driver::{ENTER, RIGHT, Visitor};
use crate::inspection::inspect;
use crate::stage::Stage;
use crate::support::receiver::Reply;
use crate::support::time::instant;

fn make_each_kind_and_see_them_fire(visitor: Visitor) {
    let mut stage = Stage::open();
    stage.reply(&[Reply::Answer(200, "", "{\"thanks\":\"<b>very much</b>\"}")]);
    let browser = stage.visit(visitor);
    let receiver = stage.receiver.url();
    create(&browser, "hourly", "every", &[("payload", "{\"n\": 1}"), ("every", "1h"), ("webhook_url", &receiver)]);
    assert_eq!(browser.path(), "/ui/triggers/1?done=created");
    assert!(browser.text(".notice").contains("made"));
    let year = browser.ask("new Date(document.querySelector('[data-clock]').dateTime).getUTCFullYear() + 1");
    let run_at = format!("0215{year}{RIGHT}020304PM");
    create(&browser, "one day", "once", &[("run_at", &run_at), ("timezone", "Asia/Kolkata")]);
    create(&browser, "mornings", "cron", &[("cron", "0 9 * * 1-5"), ("timezone", "Europe/Riga")]);
    create(&browser, NASTY, "api", &[("payload", "{\"called\": true}")]);
    go_to(&browser, "/ui/triggers");
    let main = browser.text("main");
    let once = format!("Once at {year}-02-15 08:33:04 UTC");
    for sentence in ["Every hour", &once, "At 09:00, Monday to Friday", "Europe/Riga", "When it is called", NASTY] {
        assert!(main.contains(sentence), "{sentence} is missing:\n{main}");
    }

    act(&browser, NASTY, "Fire");
    assert!(browser.path().starts_with("/ui/triggers?done=fired&event="), "{}", browser.path());
    browser.tab_to(".notice a");
    browser.press_and_go(ENTER);
    let page = browser.text("main");
    assert!(page.contains(NASTY) && page.contains("\"called\": true") && page.contains("only logged"), "{page}");
    inspect(&browser, "event-only-logged");

    let hourly = stage.nobody().get("/api/v1/triggers/1").is(200).json();
    stage.advance_gently(instant(&hourly["next_at"]));
    stage.receiver.wait_for(1);
    act(&browser, "hourly", "Pause");
    assert!(browser.text(".notice").contains("paused"));
    inspect(&browser, "triggers");
    open_event(&browser, &stage, &["hourly", "delivered"]);
    let page = browser.text("main");
    assert!(page.contains("200 OK") && page.contains(&receiver) && page.contains("\"n\": 1"), "{page}");
    assert!(page.contains("<b>very much</b>"), "the answer is shown as it came:\n{page}");
    inspect(&browser, "event");
}

#[test]
fn each_kind_of_trigger_is_made_and_seen_to_fire_with_the_keyboard_alone() {
    make_each_kind_and_see_them_fire(Visitor::PLAIN);
}

#[test]
fn each_kind_of_trigger_is_made_and_seen_to_fire_without_javascript() {
    make_each_kind_and_see_them_fire(Visitor::PLAIN.without_scripts());
}
