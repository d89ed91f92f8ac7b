//! The pages as people meet them: a real browser against the real server, with the keyboard alone and, since the pages have
//! no script, as it would go without JavaScript. What every page must hold stands in `inspection`; what needs no browser to
//! be seen, in `wall`.

mod driver;
mod inspection;
mod server;
mod wall;

use driver::{Browser, ENTER, LEFT, RIGHT, TAB};
use inspection::inspect;
use server::{Server, receive};

const EMAIL: &str = "ada@example.com";
const PASSWORD: &str = "correct horse battery";
const NASTY: &str = "<script>alert(1)</script>\"><img src=x onerror=alert(1)>";

/// Fills the fields of the form for a new trigger in the order in which Tab reaches them, and sends it.
fn create(browser: &Browser, name: &str, kind: &str, fields: &[(&str, &str)]) {
    if browser.ask("document.querySelector('#new').open") == false {
        browser.tab_to("#new > summary");
        browser.press(ENTER);
    }
    browser.tab_to("#name");
    browser.press(name);
    let before_kind = fields.iter().filter(|(field, _)| *field == "payload");
    let after_kind = fields.iter().filter(|(field, _)| *field != "payload");
    for (field, text) in before_kind {
        browser.tab_to(&format!("#{field}"));
        browser.press(text);
    }
    browser.tab_to("[name=kind]:checked");
    // The choice stands at "every"; once lies before it, cron and api behind.
    browser.press(match kind {
        "once" => LEFT,
        "cron" => RIGHT,
        "api" => "\u{e014}\u{e014}",
        _ => "",
    });
    browser.until_at(&format!("#kind-{kind}:checked"));
    for (field, text) in after_kind {
        browser.tab_to(&format!("#{field}"));
        browser.press(text);
    }
    browser.tab_to("#new button[type=submit]");
    browser.press_and_go(ENTER);
}

/// Presses a button or link in the line of a trigger.
fn act(browser: &Browser, trigger: &str, action: &str) {
    let mark = format!(
        "(() => {{ const row = [...document.querySelectorAll('tbody tr')].find(row => row.cells[0].innerText === {name}); \
         const found = row && [...row.querySelectorAll('button, a')].find(one => one.innerText.startsWith({action})); \
         found?.setAttribute('data-target', ''); return !!found; }})()",
        name = serde_json::json!(trigger),
        action = serde_json::json!(action),
    );
    assert_eq!(browser.ask(&mark), true, "{trigger} has no {action}:\n{}", browser.text("main"));
    browser.tab_to("[data-target]");
    browser.press_and_go(ENTER);
}

#[test]
fn somebody_registers_makes_each_kind_of_trigger_sees_it_fire_and_signs_out_with_the_keyboard_alone() {
    let receiver = receive("{\"thanks\":\"<b>very much</b>\"}");
    let server = Server::start(&["--allow-private-destinations"]);
    let browser = Browser::start();

    browser.open(&server.base);
    assert_eq!(browser.path(), "/auth/login", "who is not logged in is sent to the form");
    inspect(&browser, "login-first");
    browser.tab_to("a[href='/auth/register']");
    browser.press_and_go(ENTER);
    browser.until_at("#email");
    inspect(&browser, "register");
    browser.press(&format!("{EMAIL}{TAB}short"));
    browser.press_and_go(ENTER);
    assert!(browser.text("#problem").contains("8 to 256"), "{}", browser.text("main"));
    assert_eq!(browser.ask("document.querySelector('#email').value"), EMAIL, "the address is kept");
    inspect(&browser, "register-wrong");
    browser.tab_to("#password");
    browser.press(PASSWORD);
    browser.press_and_go(ENTER);
    assert_eq!(browser.path(), "/");
    assert_eq!(browser.text(".email"), EMAIL);
    inspect(&browser, "dashboard-empty");

    create(
        &browser,
        "every second",
        "every",
        &[("payload", "{\"n\": 1}"), ("every", "1s"), ("webhook_url", &receiver)],
    );
    assert_eq!(browser.path(), "/?done=created");
    assert!(browser.text(".notice").contains("made"));
    let year = browser.ask("new Date(document.querySelector('.clock time').dateTime).getUTCFullYear() + 1");
    create(
        &browser,
        "one day",
        "once",
        &[("run_at", &format!("0215{year}{RIGHT}020304PM")), ("timezone", "Asia/Kolkata")],
    );
    create(&browser, "mornings", "cron", &[("cron", "0 9 * * 1-5"), ("timezone", "Europe/Riga")]);
    create(&browser, NASTY, "api", &[("payload", "{\"called\": true}")]);
    let main = browser.text("main");
    let once = format!("Once at {year}-02-15 08:33:04 UTC");
    for sentence in ["Every second", &once, "At 09:00, Monday to Friday", "Europe/Riga", "When it is called", NASTY] {
        assert!(main.contains(sentence), "{sentence} is missing:\n{main}");
    }

    act(&browser, NASTY, "Fire");
    assert!(browser.path().starts_with("/?done=fired&event="), "{}", browser.path());
    browser.tab_to(".notice a");
    browser.press_and_go(ENTER);
    let page = browser.text("main");
    assert!(page.contains(NASTY) && page.contains("{\"called\": true}") && page.contains("only logged"), "{page}");
    inspect(&browser, "event-only-logged");

    browser.until("the trigger of every second is delivered", |browser| {
        browser.open(&server.base);
        browser.ask("[...document.querySelectorAll('#events tbody tr')].some(row => row.innerText.includes('every second') && row.innerText.includes('delivered'))") == true
    });
    act(&browser, "every second", "Pause");
    assert!(browser.text(".notice").contains("paused"));
    inspect(&browser, "dashboard");
    browser.ask("[...document.querySelectorAll('#events tbody tr')].find(row => row.innerText.includes('delivered')).querySelector('a').setAttribute('data-target', '')");
    browser.tab_to("[data-target]");
    browser.press_and_go(ENTER);
    let page = browser.text("main");
    assert!(page.contains("200 OK") && page.contains(&receiver) && page.contains("{\"n\": 1}"), "{page}");
    assert!(page.contains("<b>very much</b>"), "the answer is shown as it came:\n{page}");
    inspect(&browser, "event");

    browser.tab_to("header .account button");
    browser.press_and_go(ENTER);
    assert_eq!(browser.path(), "/auth/login");
    browser.open(&server.base);
    assert_eq!(browser.path(), "/auth/login", "the session has ended");
    browser.press(&format!("{EMAIL}{TAB}not the password"));
    browser.press_and_go(ENTER);
    assert!(browser.text("#problem").contains("not right"), "{}", browser.text("main"));
    browser.until_at("#password");
    inspect(&browser, "login-wrong");
    browser.press(PASSWORD);
    browser.press_and_go(ENTER);
    assert_eq!(browser.text(".email"), EMAIL, "the right password lets in");
}

#[test]
fn a_wrong_form_keeps_what_was_typed_and_leads_to_what_is_wrong() {
    let server = Server::start(&["--open"]);
    let browser = Browser::start();
    browser.open(&server.base);
    assert!(browser.text(".banner").contains("no login"));
    create(
        &browser,
        "twice wrong",
        "cron",
        &[("payload", "{oh no}"), ("cron", "0 25 * * *"), ("timezone", "Europe/Atlantis")],
    );
    assert_eq!(browser.path(), "/ui/triggers");
    browser.until_at("#payload");
    let summary = browser.text(".problem");
    assert!(summary.contains("3 things") && summary.contains("Payload") && summary.contains("Atlantis"), "{summary}");
    for (field, typed) in
        [("name", "twice wrong"), ("payload", "{oh no}"), ("cron", "0 25 * * *"), ("timezone", "Europe/Atlantis")]
    {
        assert_eq!(browser.ask(&format!("document.querySelector('#{field}').value")), typed, "{field} is kept");
    }
    assert_eq!(browser.ask("document.querySelector('#kind-cron').checked"), true);
    inspect(&browser, "dashboard-wrong");
    assert_eq!(browser.ask("document.querySelectorAll('tbody tr').length"), 0, "nothing was made");
}

#[test]
fn a_trigger_is_tried_out_edited_paused_resumed_and_deleted_through_a_question() {
    let server = Server::start(&["--open"]);
    let browser = Browser::start();
    browser.open(&server.base);
    create(&browser, "hourly", "every", &[("every", "1h")]);

    act(&browser, "hourly", "Test");
    assert!(browser.text(".notice").contains("A test event is logged"), "{}", browser.text("main"));

    act(&browser, "hourly", "Edit");
    assert_eq!(browser.ask("document.querySelector('#every').value"), "1h");
    inspect(&browser, "trigger-edit");
    browser.tab_to("#every");
    browser.press("nonsense");
    browser.tab_to("main button[type=submit]");
    browser.press_and_go(ENTER);
    assert!(browser.text("#every-error").contains("is not a period"), "{}", browser.text("main"));
    browser.until_at("#every");
    inspect(&browser, "trigger-edit-wrong");
    // The focus from Tab selects what is there, so that typing replaces it.
    browser.ask("document.querySelector('#every').select()");
    browser.press("2h");
    browser.press_and_go(ENTER);
    assert_eq!(browser.path(), "/?done=changed");
    assert!(browser.text("main").contains("Every 2 hours"), "{}", browser.text("main"));

    act(&browser, "hourly", "Pause");
    assert!(browser.text("tbody").contains("paused"));
    act(&browser, "hourly", "Resume");
    assert!(browser.text("tbody").contains("waiting"));

    act(&browser, "hourly", "Delete");
    assert!(browser.text("h1").contains("Delete hourly?"));
    inspect(&browser, "trigger-delete");
    browser.tab_to("main button.danger");
    browser.press_and_go(ENTER);
    assert_eq!(browser.path(), "/?done=deleted");
    assert!(browser.text("main").contains("Nothing waits yet"));
    assert!(browser.text("#events").contains("hourly"), "its events stay");

    browser.open(&format!("{}/ui/triggers/1/edit", server.base));
    assert!(browser.text("h1").contains("no such page"), "{}", browser.text("main"));
    inspect(&browser, "not-found");
}

#[test]
fn the_tables_the_closed_door_and_the_question_before_a_logout_are_in_order_too() {
    let server = Server::start(&["--open"]);
    let browser = Browser::start();
    browser.open(&server.base);
    create(&browser, NASTY, "api", &[("payload", "{\"nasty\": \"</code><script>alert(1)</script>\"}")]);
    act(&browser, NASTY, "Fire");
    browser.open(&format!("{}/api/v1/triggers/triggers_html", server.base));
    assert!(browser.text("tbody").contains(NASTY), "{}", browser.text("body"));
    inspect(&browser, "triggers-table");
    browser.open(&format!("{}/api/v1/event_logs/event_logs_html?status=all", server.base));
    assert!(browser.text("tbody").contains("</code><script>"), "{}", browser.text("body"));
    inspect(&browser, "events-table");

    let closed = Server::start(&["--registration", "closed"]);
    browser.open(&format!("{}/auth/login", closed.base));
    assert!(!browser.text("main").contains("Create"), "{}", browser.text("main"));
    browser.open(&format!("{}/auth/register", closed.base));
    assert!(browser.text("main").contains("Registration is closed"), "{}", browser.text("main"));
    inspect(&browser, "register-closed");

    // To a browser, localhost is another site than 127.0.0.1.
    browser.open(&closed.base.replace("127.0.0.1", "localhost"));
    browser.ask(&format!("void (location.href = '{}/logout')", closed.base));
    browser.until("the question is there", |browser| browser.text("h1") == "Sign out?");
    inspect(&browser, "logout");
    browser.tab_to("main button.primary");
    browser.press_and_go(ENTER);
    assert_eq!(browser.path(), "/auth/login");
}
