//! Somebody chooses how pages look: in which zone times are told, in which colours, and on paper.

use jiff::SignedDuration;
use serde_json::json;

use super::moves::{at_the_api, fire, make};
use super::{EMAIL, register};
use crate::driver::{Browser, ENTER, RIGHT, Visitor};
use crate::inspection::{WIDE, inspect};
use crate::stage::Stage;

const OWN: &str = "Europe/Riga";
const TRIGGERS: &str = "America/New_York";

/// Every page that tells a time.
const PAGES: [&str; 7] =
    ["/", "/ui/triggers", "/ui/triggers/1", "/ui/triggers/1/edit", "/events?status=all", "/events/1", "/upcoming"];

/// As wide as what lies between the margins of an A4 page, in CSS pixels.
const PAPER: u32 = 718;

/// Somebody whose zone is another than the trigger's, the browser's and the server's.
fn somebody_in_riga() -> (Stage, Browser) {
    let mut stage = Stage::with_accounts();
    let browser = stage.visit(Visitor::PLAIN.living_in("Asia/Tokyo"));
    register(&browser, EMAIL);
    let client = at_the_api(&stage, EMAIL);
    let wish = json!({"name": "mornings", "type": "scheduled", "webhook_url": stage.receiver.url(),
        "schedule_details": {"cron": "0 * * * *", "timezone": TRIGGERS}, "api_payload": {"text": "word ".repeat(80)}});
    make(&client, &wish);
    fire(&client, make(&client, &json!({"name": "called", "type": "api"})));
    stage.advance(SignedDuration::from_mins(61));
    stage.receiver.wait_for(1);
    browser.open(&stage.at("/account"));
    browser.fill("#zone", OWN);
    browser.tab_to("form[action='/account/preferences'] button[type=submit]");
    browser.press_and_go(ENTER);
    (stage, browser)
}

/// The instants that a page tells, each as it is written out.
fn told(browser: &Browser) -> Vec<String> {
    let told = browser
        .ask("[...document.querySelectorAll('main time .absolute, main .day, .clock-zone')].map(time => time.textContent.trim())");
    told.as_array().expect("a list").iter().map(|text| text.as_str().expect("a text").to_owned()).collect()
}

/// Chooses the zone of all times, with the switch at the clock.
fn choose_zone(browser: &Browser, word: &str) {
    browser.tab_to(".clock button");
    browser.press(ENTER);
    browser.tab_to(&format!("#zones button[value={word}]"));
    browser.press_and_go(ENTER);
}

#[test]
fn all_times_change_with_the_zone_and_none_is_without_one() {
    let (stage, browser) = somebody_in_riga();
    for (word, zone, others) in
        [("mine", OWN, [TRIGGERS, "never"]), ("utc", "UTC", [OWN, TRIGGERS]), ("trigger", "", ["Asia/Tokyo", "never"])]
    {
        for page in PAGES {
            browser.open(&stage.at(page));
            if browser.ask("document.querySelector('#zones [aria-pressed=true]').value") != word {
                choose_zone(&browser, word);
                assert_eq!(browser.path(), page, "the switch leads back");
            }
            let told = told(&browser);
            assert!(told.len() > 1 || page.ends_with("/edit"), "{page} tells no time");
            for time in &told {
                let has_zone = [OWN, TRIGGERS, "UTC"].iter().any(|zone| time.contains(zone));
                assert!(has_zone, "{page} tells a time without a zone: {time}");
                assert!(time.contains(zone), "{page} tells a time in another zone than {zone}: {time}");
                assert!(!others.iter().any(|other| time.contains(other)), "{page}: {time}");
            }
        }
        browser.open(&stage.at("/ui/triggers/1"));
        browser.reload();
        let next = browser.text("#facts time");
        assert_eq!(next.contains(TRIGGERS), word == "trigger", "{word}: {next}");
    }
    inspect(&browser, "trigger-in-its-zone");
    let phone = stage.visit(Visitor::PLAIN);
    assert_eq!(phone.path(), "/auth/login", "the choice belongs to the account, not to the address");
}

#[test]
fn the_colours_are_in_the_page_before_anything_runs_and_stay() {
    let (stage, browser) = somebody_in_riga();
    let token = at_the_api(&stage, EMAIL).token().to_owned();
    let ground = |browser: &Browser| {
        let script = "getComputedStyle(document.body).backgroundColor.match(/[0-9.]+/g).slice(0, 3).map(Number).reduce((sum, one) => sum + one)";
        browser.ask(script).as_f64().expect("a number")
    };
    let of_itself = ground(&browser);
    for (theme, is_dark) in [("dark", true), ("light", false)] {
        browser.open(&stage.at("/account"));
        browser.tab_to("[name=theme]:checked");
        while browser.ask("document.activeElement.value") != theme {
            browser.press(RIGHT);
        }
        browser.tab_to("form[action='/account/preferences'] button[type=submit]");
        browser.press_and_go(ENTER);
        let chosen = ground(&browser);
        assert_eq!(chosen < of_itself / 2.0, is_dark, "{theme}: {chosen}, of itself {of_itself}");
        for page in PAGES {
            let page = stage.nobody().with("cookie", &format!("access_token={token}")).get(page).is(200);
            let beginning: String = page.text.chars().take(300).collect();
            assert!(beginning.contains(&format!("data-theme=\"{theme}\"")), "{beginning}");
            assert!(!page.text.contains("localStorage"), "no script puts the colours in later");
        }
        browser.open(&stage.at("/"));
        browser.reload();
        assert_eq!(ground(&browser), chosen, "it stays");
    }
    let stranger = stage.nobody().get("/auth/login").is(200);
    assert!(stranger.text.contains("data-theme=\"system\""), "who is not known gets the system's colours");
}

#[test]
fn on_paper_nothing_is_cut_off_and_nothing_is_there_to_be_pressed() {
    let (stage, browser) = somebody_in_riga();
    for page in PAGES {
        browser.open(&stage.at(page));
        browser.lay_out_for("print");
        browser.resize(PAPER, 1000);
        let cut = browser.ask(
            "[...document.querySelectorAll('main *')].filter(element => { \
             const style = getComputedStyle(element); \
             if (!element.checkVisibility() || element.closest('.visually-hidden, thead, .heat, svg, textarea, input, select, option')) return false; \
             if (style.overflowX === 'visible' && style.overflowY === 'visible') return false; \
             return element.scrollWidth > element.clientWidth + 1 || element.scrollHeight > element.clientHeight + 1; \
             }).map(element => element.outerHTML.slice(0, 120))",
        );
        assert_eq!(cut, json!([]), "{page} on paper cuts off");
        let over = browser.ask("document.documentElement.scrollWidth - document.documentElement.clientWidth");
        assert_eq!(over, 0, "{page} is wider than paper");
        if !page.ends_with("/edit") {
            let keys = browser.ask(
                "[...document.querySelectorAll('button')].filter(one => one.checkVisibility({visibilityProperty: true})).map(one => one.innerText)",
            );
            assert_eq!(keys, json!([]), "{page} prints buttons");
        }
        browser.screenshot(&crate::inspection::picture(&format!("print{}", page.replace(['/', '?', '='], "-"))));
        browser.lay_out_for("");
        browser.resize(WIDE, 800);
    }
}
