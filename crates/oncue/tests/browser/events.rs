//! The list of events as it grows under somebody's eyes, and the page of one that fails.

use serde_json::{Value, json};

use crate::driver::{Browser, ENTER, Visitor};
use crate::inspection::inspect;
use crate::support::receiver::Receiver;
use crate::support::server::{Server, Setup};

fn make(server: &Server, body: &Value) -> i64 {
    let mut answer = ureq::post(format!("{}/api/v1/triggers", server.base())).send_json(body).expect("it is made");
    answer.body_mut().read_json::<Value>().expect("JSON")["id"].as_i64().expect("a number")
}

fn fire(server: &Server, trigger: i64) {
    ureq::post(format!("{}/api/v1/triggers/{trigger}/fire", server.base())).send_empty().expect("it fires");
}

fn rows(browser: &Browser) -> Vec<i64> {
    let rows = browser.ask("[...document.querySelectorAll('#event-rows tr')].map(row => Number(row.dataset.event))");
    rows.as_array().expect("a list").iter().map(|id| id.as_i64().expect("a number")).collect()
}

#[test]
fn rows_come_in_as_they_happen_wait_while_paused_and_are_walked_with_keys() {
    let server = Setup::new().flag("--open").flag("--allow-private-destinations").serve();
    let receiver = Receiver::start();
    let browser = Browser::of(Visitor::PLAIN);
    browser.open(&format!("{}/events", server.base()));
    assert!(browser.text("#event-none").contains("Make a trigger"), "{}", browser.text("main"));
    inspect(&browser, "events-none");
    browser.open(&format!("{}/events", server.base()));
    browser.until("it is live", |browser| browser.text("#live").contains("live"));
    browser.ask("window.stays = true");
    let trigger = make(&server, &json!({"type": "api", "name": "orders", "webhook_url": receiver.url()}));
    fire(&server, trigger);
    browser.until("the first row comes in", |browser| rows(browser) == [1]);
    browser.until("it is told that it arrived", |browser| browser.text("#event-1").contains("delivered"));
    assert_eq!(browser.text("#event-none"), "");

    browser.tab_to("#tail-pause");
    browser.press(ENTER);
    fire(&server, trigger);
    fire(&server, trigger);
    browser.until("they wait", |browser| browser.text("#tail-new") == "2 new");
    assert_eq!(rows(&browser), [1]);
    assert!(browser.text("#live").contains("paused"));
    browser.tab_to("#tail-new");
    browser.press(ENTER);
    browser.until("they come in when they are asked for", |browser| rows(browser) == [3, 2, 1]);
    browser.until_at("#event-3 a");
    browser.press("jj");
    browser.until_at("#event-1 a");
    browser.press("k");
    browser.until_at("#event-2 a");
    assert_eq!(browser.ask("window.stays"), true, "all of that on one page");
    browser.press_and_go(ENTER);
    assert_eq!(browser.path(), "/events/2");
}

#[test]
fn the_list_is_filtered_while_somebody_types() {
    let server = Setup::new().flag("--open").serve();
    let browser = Browser::of(Visitor::PLAIN);
    for name in ["orders", "invoices"] {
        fire(&server, make(&server, &json!({"type": "api", "name": name})));
    }
    browser.open(&format!("{}/events", server.base()));
    assert_eq!(rows(&browser), [2, 1]);
    browser.tab_to("#text");
    browser.press("ORD");
    browser.until("the list follows", |browser| rows(browser) == [1]);
    assert!(browser.path().contains("text=ORD"), "{}", browser.path());
    browser.until_at("#text");
    inspect(&browser, "events");
    browser.ask("history.back()");
    browser.until("the way back", |browser| browser.path() == "/events" && rows(browser) == [2, 1]);
}

#[test]
fn a_failure_says_what_happened_and_what_can_be_done() {
    let server = Setup::new().flag("--open").flag("--allow-private-destinations").serve();
    let browser = Browser::of(Visitor::PLAIN);
    // Nothing listens on a port that was just given back.
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let trigger = make(&server, &json!({"type": "api", "name": "refused", "webhook_url": format!("http://{free}/")}));
    fire(&server, trigger);
    browser.open(&format!("{}/events/1", server.base()));
    browser.until("the page shows the attempt when it was made", |browser| {
        browser.text("#deliveries").contains("nothing listens on that port")
    });
    let page = browser.text("main");
    assert!(page.contains("Start the receiver") && page.contains("at most"), "{page}");
    let hidden = browser.ask("document.querySelectorAll('#deliveries [data-copy][hidden]').length");
    assert_eq!(hidden, 0, "what came with the part that was fetched again can be copied too");
    inspect(&browser, "event-refused");
}

#[test]
fn a_chart_that_is_fetched_anew_keeps_the_focus_where_it_was() {
    let server = Setup::new().flag("--open").serve();
    let trigger = make(&server, &json!({"type": "api", "name": "orders"}));
    fire(&server, trigger);
    fire(&server, trigger);
    let browser = Browser::of(Visitor::PLAIN);
    browser.open(&format!("{}/ui/triggers/{trigger}", server.base()));
    browser.until("it is live", |browser| browser.text("#live").contains("live"));
    browser.tab_to(".firing-bar a[href='/events/2']");
    fire(&server, trigger);
    browser.until("the third firing stands in the chart", |browser| {
        browser.ask("document.querySelectorAll('.firing-bar [data-cell]').length") == 3
    });
    browser.until_at(".firing-bar a[href='/events/2']");
    assert_eq!(browser.ask("document.querySelectorAll('.firing-bar [data-cell][tabindex=\"0\"]').length"), 1);
}
