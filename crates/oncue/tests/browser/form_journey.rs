//! The form of a trigger with its script: the preview follows the typing, presets fill in place, a test shows its event without
//! leaving the page, and nobody leaves what they typed by accident.

use crate::driver::{Browser, ENTER, TAB, Visitor};
use crate::inspection::inspect;
use crate::support::server::Setup;

#[test]
fn the_preview_follows_the_typing_and_says_what_the_clocks_will_do() {
    let server = Setup::new().flag("--open").option("--timezone", "America/New_York").serve();
    let browser = Browser::of(Visitor::PLAIN);
    browser.open(&format!("{}/ui/triggers/new", server.base()));
    inspect(&browser, "trigger-new");
    browser.ask("document.querySelector('[data-text=\"30 2 * * *\"]').setAttribute('data-target', '')");
    browser.tab_to("[data-target]");
    browser.press(ENTER);
    browser.until("the preset is previewed", |browser| browser.text("#preview").contains("At 02:30, every day"));
    assert_eq!(browser.path(), "/ui/triggers/new", "nothing was left");
    browser.tab_to("#timezone");
    browser.press("Europe/Berlin");
    browser.until("the zone is previewed", |browser| {
        browser.text("#preview").contains("Europe/Berlin\tAmerica/New_York\tUTC")
    });
    let preview = browser.text("#preview");
    assert!(preview.contains("Europe/Berlin") && preview.contains("clocks go"), "{preview}");
    browser.until("the sentence is read out", |browser| {
        browser.ask("document.querySelector('#form-said').textContent.includes('Europe/Berlin')") == true
    });
    browser.ask("document.querySelector('#cron').select()");
    browser.ask("document.querySelector('#cron').focus()");
    browser.press("0 0 13 * 5");
    browser.until("either day is warned about", |browser| browser.text("#preview").contains("either one"));
    inspect(&browser, "trigger-new-preview");
}

#[test]
fn what_is_typed_is_tested_in_place_and_not_left_by_accident() {
    let server = Setup::new().flag("--open").serve();
    let browser = Browser::of(Visitor::PLAIN);
    browser.open(&format!("{}/ui/triggers/new", server.base()));
    let asks = "(() => { const event = new Event('beforeunload', {cancelable: true}); window.dispatchEvent(event); return event.defaultPrevented; })()";
    assert_eq!(browser.ask(asks), false, "nothing was typed yet");
    browser.tab_to("#name");
    browser.press("tried out");
    assert_eq!(browser.ask(asks), true, "now there is something to lose");
    browser.tab_to("#try");
    browser.press(ENTER);
    browser.until("it is refused in place", |browser| browser.text("main").contains("not right yet"));
    assert_eq!(browser.path(), "/ui/triggers/new");
    let noted = browser.console();
    assert!(
        noted.iter().all(|message| message.contains("422")),
        "the browser notes the refusal and no more: {noted:#?}"
    );
    browser.until_at("#every");
    browser.press("1h");
    browser.tab_to("#try");
    browser.press(ENTER);
    browser.until("its event is there", |browser| browser.text("main").contains("Test event 1 is logged"));
    assert_eq!(browser.path(), "/ui/triggers/new");
    assert_eq!(browser.ask("document.querySelector('#name').value"), "tried out");
    assert_eq!(browser.ask(asks), true, "it is still not saved");
    inspect(&browser, "trigger-new-tested");
    browser.tab_to("#save");
    browser.press_and_go(ENTER);
    assert!(browser.path().contains("done=created"), "{}", browser.path());
}

#[test]
fn whoever_presses_the_button_twice_makes_one_trigger() {
    let server = Setup::new().flag("--open").serve();
    let browser = Browser::of(Visitor::PLAIN);
    browser.open(&format!("{}/ui/triggers/new", server.base()));
    browser.tab_to("#name");
    browser.press("once");
    browser.tab_to("#every");
    browser.press("1h");
    let twice = "(() => { const kept = []; document.addEventListener('submit', (event) => kept.push(event.defaultPrevented)); \
                 const save = document.querySelector('#save'); save.click(); save.click(); return kept; })()";
    browser.leave(|| {
        assert_eq!(browser.ask(twice), serde_json::json!([false, true]), "the second press asks for nothing")
    });
    assert_eq!(browser.path(), "/ui/triggers/1?done=created");
    browser.open(&format!("{}/ui/triggers", server.base()));
    assert_eq!(browser.count("tbody tr"), 1);
}

#[test]
fn a_session_that_ends_while_somebody_types_takes_nothing_away() {
    let server = Setup::new().serve();
    let browser = Browser::of(Visitor::PLAIN);
    browser.open(&format!("{}/auth/register", server.base()));
    browser.press(&format!("ada@example.com{TAB}correct horse battery"));
    browser.press_and_go(ENTER);
    browser.open(&format!("{}/ui/triggers/new", server.base()));
    browser.tab_to("#name");
    browser.press("still here");
    browser.ask_later("fetch('/logout', {method: 'POST'}).then(() => done(true));");
    browser.tab_to("#every");
    browser.press("90s");
    browser.tab_to("#try");
    browser.press(ENTER);
    browser.until("the page for signing in is there", |browser| browser.text("h1") == "Sign in");
    let noted = browser.console();
    assert!(noted.iter().all(|message| message.contains("401")), "the browser notes the refusals: {noted:#?}");
    assert!(browser.text("main").contains("what you typed is here again"), "{}", browser.text("main"));
    browser.tab_to("#email");
    browser.press("ada@example.com");
    browser.tab_to("#password");
    browser.press("correct horse battery");
    browser.press_and_go(ENTER);
    assert_eq!(browser.text("h1"), "New trigger");
    assert_eq!(browser.ask("document.querySelector('#name').value"), "still here");
    assert!(browser.text("#preview").contains("Every 90 seconds"), "{}", browser.text("#preview"));
    browser.tab_to("#save");
    browser.press_and_go(ENTER);
    assert!(browser.path().contains("done=created"), "{}", browser.path());
}

#[test]
fn whoever_presses_twice_fires_once_and_whoever_presses_again_later_fires_again() {
    let server = Setup::new().flag("--open").serve();
    let made = server.nobody().post("/api/v1/triggers", &serde_json::json!({"type": "api", "name": "orders"})).is(201);
    let events = || server.nobody().get("/api/v1/event_logs").is(200).list().len();
    let browser = Browser::of(Visitor::PLAIN);
    let page = format!("/ui/triggers/{}", made.json()["id"]);
    browser.open(&format!("{}{page}", server.base()));
    browser.until("it is live", |browser| browser.text("#live").contains("live"));

    // Each look at the page brings another key; that alone is no reason to put other buttons under somebody's hand.
    browser.ask("(window.moves = document.querySelector('#moves')) && true");
    let to = serde_json::json!({"webhook_url": "http://127.0.0.1:8081/changed"});
    server.nobody().patch(&format!("/api/v1/triggers/{}", made.json()["id"]), &to).is(200);
    browser.until("the page has looked again", |browser| browser.text("#facts").contains("127.0.0.1:8081"));
    assert_eq!(browser.ask("window.moves === document.querySelector('#moves')"), true);

    // The first press is on its way while the second is made.
    let press = "(() => { const fire = document.querySelector('#moves button.primary'); \
                 const sent = fetch(fire.formAction, {method: 'POST', redirect: 'manual', body: new URLSearchParams(new FormData(fire.form))}); \
                 sent.then(() => fire.click()); return true; })()";
    browser.leave(|| drop(browser.ask(press)));
    assert_eq!(browser.path(), format!("{page}?done=fired&event=1"));
    assert_eq!(events(), 1);
    let again = "document.querySelector('#moves button.primary').click()";
    browser.leave(|| drop(browser.ask(again)));
    assert_eq!((browser.path(), events()), (format!("{page}?done=fired&event=2"), 2));
    // Back to the page of before, as the browser has it or as it asks for it: a press there is a third one.
    browser.back();
    browser.until("it is the page of before", |browser| browser.path().contains("event=1"));
    browser.leave(|| drop(browser.ask(again)));
    assert_eq!((browser.path(), events()), (format!("{page}?done=fired&event=3"), 3));
}
