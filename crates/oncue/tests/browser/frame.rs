//! What surrounds every page: keys, the clock and what it keeps true, copy buttons, messages.

use serde_json::json;

use crate::driver::{Browser, ENTER, ESCAPE, Scheme, TAB, Visitor};
use crate::inspection::inspect;
use crate::support::server::{Server, Setup};

fn on_the_overview() -> (Server, Browser) {
    let server = Setup::new().flag("--open").serve();
    let browser = Browser::of(Visitor::PLAIN);
    browser.open(server.base());
    (server, browser)
}

#[test]
fn single_keys_lead_around_and_stay_silent_while_somebody_types() {
    let (server, browser) = on_the_overview();
    browser.press("?");
    browser.until("the list of keys is open", |browser| browser.ask("document.querySelector('#keys').open") == true);
    assert!(browser.text("#keys").contains("Search triggers"), "{}", browser.text("#keys"));
    inspect(&browser, "keys");
    browser.press("/");
    assert_eq!(browser.ask("document.querySelector('#keys').open"), true, "a dialog keeps the keys to itself");
    browser.press(ESCAPE);
    browser.until("the list is closed", |browser| browser.ask("document.querySelector('#keys').open") == false);

    browser.press("/");
    browser.until_at("#search");
    browser.press("n?");
    assert_eq!(browser.ask("document.querySelector('#search').value"), "n?", "what is typed is typed");
    assert_eq!(browser.path(), "/");

    browser.open(server.base());
    browser.press("xg");
    browser.press_and_go("e");
    assert_eq!(browser.path(), "/events");
}

#[test]
fn the_zone_switch_and_the_menus_are_reached_with_the_keyboard_wide_and_narrow() {
    let (_server, browser) = on_the_overview();
    browser.tab_to(".clock button");
    browser.press(ENTER);
    browser.tab_to("#zones button[value=utc]");
    inspect(&browser, "zones");

    browser.press(ESCAPE);
    browser.look(320, Scheme::Light);
    assert_eq!(browser.ask("document.querySelector('#nav').checkVisibility()"), false, "folded where room is small");
    browser.tab_to(".menu");
    browser.press(ENTER);
    browser.tab_to("#nav a[href='/upcoming']");
}

#[test]
fn the_clock_of_the_bar_is_the_servers_whatever_two_clocks_of_a_browser_say() {
    let server = Setup::new().flag("--open").serve();
    for ahead_ms in [9 * 3_600_000, -40 * 60_000] {
        let browser = Browser::of(Visitor::PLAIN.ahead_by_ms(ahead_ms));
        browser.open(server.base());
        let before = browser.text("time[data-clock]");
        browser.until("the clock goes on", |browser| browser.text("time[data-clock]") != before);
        let away = "Date.parse(document.querySelector('[data-clock]').dateTime) \
                    - Date.parse(document.querySelector('.pop-time time').dateTime)";
        let away_ms = browser.ask(away).as_i64().expect("a whole number");
        assert!((0..60_000).contains(&away_ms), "{away_ms} ms away from when the server made the page");
    }
}

#[test]
fn distances_are_counted_on_in_the_words_of_the_server() {
    let (_server, browser) = on_the_overview();
    let before = browser.text("time[data-clock]");
    browser.until("the clock goes on", |browser| browser.text("time[data-clock]") != before);
    // Counted from where the page's clock stands, and half a second away from where the words change.
    #[rustfmt::skip]
    let rows = [
        (7.5, "in 7 s", false), (299.5, "in 4 min", false), (4800.5, "in 1 h 20 min", false),
        (7230.5, "in 2 h", false), (53_940.5, "in 14 h", false), (180_000.5, "in 2 d 2 h", false),
        (3_456_060.5, "in 40 d", false), (-120.5, "2 min ago", false), (-172_800.5, "2 d ago", false),
        (-120.5, "2 min late", true), (240.5, "in 4 min", true),
    ];
    for (seconds, words, is_due) in rows {
        let script = format!(
            "(() => {{ const settle = () => document.dispatchEvent(new CustomEvent('htmx:afterSettle')); settle(); \
             const now = Date.parse(document.querySelector('[data-clock]').dateTime); \
             const time = document.createElement('time'); \
             time.dateTime = new Date(now + {seconds} * 1000).toISOString(); \
             if ({is_due}) time.dataset.due = ''; \
             const told = time.appendChild(document.createElement('span')); told.className = 'relative'; \
             document.querySelector('main').append(time); \
             settle(); return told.textContent; }})()"
        );
        assert_eq!(browser.ask(&script), words, "{seconds} s away");
    }
}

#[test]
fn a_message_stays_until_it_is_dismissed_and_is_read_out_once() {
    let (_server, browser) = on_the_overview();
    let say = |text: &str| {
        let detail = json!({"text": text, "tone": "bad"});
        browser.ask(&format!("document.dispatchEvent(new CustomEvent('oncue:say', {{detail: {detail}}}))"));
    };
    browser.ask(
        "(() => { window.said = []; const line = document.querySelector('#said'); \
         new MutationObserver(() => said.push([line.textContent, performance.now()])).observe(line, {childList: true}); })()",
    );
    say("The first.");
    say("The first.");
    browser.until("it is read out", |browser| browser.ask("said.map(([text]) => text).join()") == "The first.");
    say("The second.");
    assert_eq!(browser.ask("document.querySelectorAll('.toast').length"), 2, "the same is not shown twice");
    inspect(&browser, "toasts");
    browser.tab_to(".toast .dismiss");
    browser.press(ENTER);
    assert_eq!(browser.text(".toast p"), "The second.");
    assert_eq!(browser.ask("document.querySelectorAll('.toast').length"), 1);
    browser.until("the second is read out", |browser| browser.ask("said.length") == 2);
    let between = browser.ask("said[1][1] - said[0][1]").as_f64().expect("a number");
    assert!(between >= 4990.0, "nobody is spoken to more often than every five seconds, but after {between} ms");
}

#[test]
fn a_copy_button_appears_with_the_script_and_says_what_it_did() {
    let (_server, browser) = on_the_overview();
    let add = "(() => { document.querySelector('main').insertAdjacentHTML('afterbegin', \
               '<div class=snippet><pre class=box id=line>oncue help</pre><button data-copy=\"#line\" hidden>Copy</button></div>'); \
               htmx.process(document.querySelector('.snippet')); })()";
    browser.ask(add);
    browser.ask("document.querySelector('.snippet').dispatchEvent(new CustomEvent('htmx:load', {bubbles: true}))");
    browser.ask("document.querySelector('#main').focus()");
    browser.press(TAB);
    browser.tab_to("[data-copy]");
    browser.press(ENTER);
    browser.until("it is said", |browser| browser.text("[data-copy]") == "Copied");
    browser.until("it is read out", |browser| browser.ask("document.querySelector('#said').textContent") == "Copied");
    assert_eq!(browser.ask("document.querySelectorAll('.toast').length"), 0, "the button says it itself");
}

#[test]
fn the_menu_of_a_trigger_closes_with_escape_and_when_somebody_goes_on() {
    let (server, browser) = on_the_overview();
    for name in ["one", "other"] {
        let body = json!({"type": "api", "name": name});
        ureq::post(format!("{}/api/v1/triggers", server.base())).send_json(body).expect("it is made");
    }
    browser.open(&format!("{}/ui/triggers", server.base()));
    let open = |browser: &Browser| browser.ask("document.querySelectorAll('.further[open]').length");
    browser.tab_to(".further summary");
    browser.press(ENTER);
    browser.until("it is open", |browser| open(browser) == 1);
    inspect(&browser, "menu");
    browser.tab_to(".further[open] a.button");
    browser.press(ESCAPE);
    browser.until("it is closed", |browser| open(browser) == 0);
    browser.until_at(".further summary");
    browser.press(ENTER);
    browser.until("it is open again", |browser| open(browser) == 1);
    browser.ask("document.querySelector('h1').click()");
    assert_eq!(open(&browser), 0, "a click elsewhere closes it");
}
