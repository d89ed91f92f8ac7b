//! The eyes of these tests are tested too: a page with a fault is not passed over, and a visitor is who they are said to be.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::driver::{Browser, Visitor};
use crate::support::receiver::{Receiver, Reply};

const HTML: &str = "content-type: text/html; charset=utf-8\r\n";

/// Serves this body of a page, with a title and a language around it.
fn serve(body: &str) -> Receiver {
    let page: &'static str = format!("<!doctype html><html lang=en><title>A page</title>{body}").leak();
    Receiver::scripted(move |request, _| match request.path.as_str() {
        "/hook" => Reply::Answer(200, HTML, page),
        _ => Reply::Answer(200, "", ""),
    })
}

/// What is said about a page; nothing where it is passed.
fn complaint(browser: &Browser, page: &Receiver) -> String {
    let looked = catch_unwind(AssertUnwindSafe(|| browser.open(&page.url())));
    let words = looked.err().and_then(|panic| panic.downcast::<String>().ok().map(|words| *words));
    // What a page with a fault has left is not the next one's.
    browser.console();
    browser.requests();
    words.unwrap_or_default()
}

#[test]
fn a_page_with_a_fault_is_not_passed_over() {
    let browser = Browser::of(Visitor::PLAIN);
    let good = "<main><h1>Fine</h1><p>Nothing is wrong here.</main>";
    assert_eq!(complaint(&browser, &serve(good)), "", "a page without a fault is passed");
    let elsewhere = Receiver::start();
    let image = format!("{good}<img alt=x src='{}'>", elsewhere.url());
    for (fault, page) in [
        ("console", format!("{good}<script>console.error('oh no')</script>")),
        ("fetched from elsewhere", image),
        ("no title", format!("{good}<script>document.title = ' '</script>")),
        ("one first heading", format!("{good}<h1>Again</h1>")),
        ("says nothing", "<main><h1> </h1></main>".to_owned()),
        ("stand on the page twice", format!("{good}<p id=a>One<p id=a>Two")),
        ("image-alt", format!("{good}<img src=/x>")),
        ("color-contrast", format!("{good}<p style='color: #ccc; background: #fff'>Hardly to be read")),
        ("wider than its window", format!("{good}<div style='width: 600px'>wide</div>")),
    ] {
        let said = complaint(&browser, &serve(&page));
        assert!(said.contains(fault), "{fault} was passed over: {said}");
    }
    assert!(elsewhere.received().len() == 1, "the stray request was a real one");
}

#[test]
fn a_visitor_is_who_they_are_said_to_be() {
    let page = serve("<main><h1>Still</h1></main><script>document.querySelector('h1').textContent = 'Moved'</script>");
    let plain = Browser::of(Visitor::PLAIN);
    plain.open(&page.url());
    assert_eq!(plain.text("h1"), "Moved");
    assert_eq!(plain.ask("Intl.DateTimeFormat().resolvedOptions().timeZone"), "UTC");
    let away = Browser::of(Visitor::PLAIN.without_scripts().living_in("Asia/Tokyo").ahead_by_ms(-300_000));
    away.open(&page.url());
    assert_eq!(away.text("h1"), "Still", "no script runs, not even after the page was looked over");
    assert_eq!(away.ask("Intl.DateTimeFormat().resolvedOptions().timeZone"), "Asia/Tokyo");
    let slow = Browser::of(Visitor::PLAIN.ahead_by_ms(-300_000));
    slow.open(&page.url());
    let behind = jiff::Timestamp::now().as_millisecond() - slow.ask("new Date().getTime()").as_i64().expect("a time");
    assert!((290_000..400_000).contains(&behind), "{behind}");
}
