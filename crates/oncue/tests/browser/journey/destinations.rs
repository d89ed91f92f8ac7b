//! Somebody makes destinations, lets triggers send there, pauses and resumes one, and takes one away when nothing needs it any more.

use serde_json::json;

use super::go_to;
use super::moves::{fire, make, until_said};
use crate::driver::{Browser, ENTER, Visitor};
use crate::inspection::{inspect, look_over};
use crate::stage::Stage;

/// Presses what makes the destination of the form, and looks at where that leads.
#[track_caller]
fn save(browser: &Browser) {
    browser.tab_to("#save");
    browser.press_and_go(ENTER);
}

/// Opens the form for a new destination of a kind, through the choice of kinds.
#[track_caller]
fn begin(browser: &Browser, kind: &str) {
    // Not `go_to`: the page that shows a new secret has the address of the list.
    browser.tab_to("#nav a[href='/ui/destinations']");
    browser.press_and_go(ENTER);
    browser.tab_to("main a[href='/ui/destinations/new']");
    browser.press_and_go(ENTER);
    browser.tab_to(&format!("main a[href='/ui/destinations/new?kind={kind}']"));
    browser.press_and_go(ENTER);
}

fn begin_with_an_inbox(visitor: Visitor) {
    let stage = Stage::open();
    let browser = stage.visit(visitor);
    go_to(&browser, "/ui/destinations");
    assert!(browser.text("main").contains("No destination yet"), "{}", browser.text("main"));
    inspect(&browser, "destinations-empty");
    browser.tab_to("main a[href='/ui/destinations/new?kind=inbox']");
    browser.press_and_go(ENTER);
    assert_eq!(browser.text("h1"), "New destination: Inbox");
    inspect(&browser, "destination-new-inbox");
    browser.fill("#inbox_status", "99");
    save(&browser);
    assert!(browser.text("#problems").contains("One thing is not right"), "{}", browser.text("main"));
    assert_eq!(browser.ask("document.querySelector('#inbox_status').value"), "99", "what was typed is there");
    browser.until_at("#inbox_status");
    inspect(&browser, "destination-new-wrong");
    browser.fill("#inbox_status", "503");
    save(&browser);
    assert_eq!(browser.text("h1"), "Inbox active");
    let secret = browser.text("#new-secret");
    assert!(secret.starts_with("whsec_"), "{secret}");
    inspect(&browser, "destination-new-secret");
    browser.open(&stage.at("/ui/destinations/1"));
    assert!(!browser.text("body").contains(&secret), "it is shown once");
    assert!(browser.text("#facts").contains("503"), "{}", browser.text("#facts"));

    browser.tab_to("main a[href='/ui/destinations/1/edit']");
    browser.press_and_go(ENTER);
    browser.fill("#name", "Trial");
    save(&browser);
    assert_eq!(browser.path(), "/ui/destinations/1?done=destination-changed");
    assert!(browser.text("h1").contains("Trial"), "{}", browser.text("h1"));

    browser.tab_to("#secrets button[value=v1]");
    browser.press_and_go(ENTER);
    assert_ne!(browser.text("#new-secret"), secret);
    assert_eq!(browser.count("#secrets tbody tr"), 2);
    browser.tab_to("#secrets tbody tr:first-child button");
    browser.press_and_go(ENTER);
    assert_eq!(browser.count("#secrets tbody tr"), 1);

    browser.tab_to("main a[href='/ui/destinations/1/delete']");
    browser.press_and_go(ENTER);
    inspect(&browser, "destination-delete");
    browser.tab_to("main button.danger");
    browser.press_and_go(ENTER);
    assert!(browser.text("main").contains("No destination yet"), "{}", browser.text("main"));
}

#[test]
fn an_inbox_is_made_changed_and_deleted_with_the_keyboard() {
    begin_with_an_inbox(Visitor::PLAIN);
}

#[test]
fn an_inbox_is_made_changed_and_deleted_without_javascript() {
    begin_with_an_inbox(Visitor::PLAIN.without_scripts());
}

/// Fields of the form, and what is typed into them.
type Typed = &'static [(&'static str, &'static str)];

#[test]
fn a_destination_of_each_kind_is_made_with_the_keyboard() {
    let stage = Stage::open();
    stage.nobody().post("/api/v1/destinations", &json!({"name": "First", "kind": "inbox"})).is(201);
    let browser = stage.visit(Visitor::PLAIN);
    let kinds: [(&str, Typed, &str); 6] = [
        ("webhook", &[("url", "https://example.com/hook/{{ trigger.id }}")], "example.com"),
        ("discord", &[("url", "https://discord.com/api/webhooks/1/hush")], "discord.com"),
        ("slack", &[("url", "https://hooks.slack.com/services/T/B/hush")], "hooks.slack.com"),
        (
            "github",
            &[
                ("github_owner", "ann"),
                ("github_repository", "site"),
                ("github_token", "ghp_hush"),
                ("github_workflow_file", "build.yml"),
                ("github_workflow_ref", "main"),
                ("github_workflow_inputs", "stage=production"),
            ],
            "ann/site, build.yml",
        ),
        (
            "ntfy",
            &[("ntfy_topic", "backups"), ("ntfy_token", "tk_hush"), ("ntfy_tags", "warning, tape")],
            "backups at ntfy.sh",
        ),
        (
            "email",
            &[
                ("email_to", "Ann <ann@example.com>"),
                ("email_from", "oncue@example.com"),
                ("email_host", "smtp.example.com"),
            ],
            "ann@example.com",
        ),
    ];
    for (kind, fields, place) in kinds {
        begin(&browser, kind);
        inspect(&browser, &format!("destination-new-{kind}"));
        browser.tab_to("#name");
        browser.press(&format!("My {kind}"));
        for (field, text) in fields {
            browser.fill(&format!("#{field}"), text);
        }
        save(&browser);
        assert_eq!(browser.text("h1"), format!("My {kind} active"), "{}", browser.text("main"));
        let page = browser.text("main");
        assert!(page.contains(place), "{page}");
        assert!(kind == "discord" || kind == "slack" || !page.contains("hush"), "{page}");
    }
    browser.open(&stage.at("/ui/destinations"));
    assert_eq!(browser.count("#destinations tbody tr"), 7);
    assert!(!browser.text("main").contains("hush"), "{}", browser.text("main"));
    inspect(&browser, "destinations");
}

#[test]
fn what_is_owed_to_a_paused_destination_waits_until_it_is_resumed_and_one_in_use_stays() {
    let stage = Stage::open();
    let browser = stage.visit(Visitor::PLAIN);
    let api = stage.nobody();
    let url = stage.receiver.url();
    api.post(
        "/api/v1/destinations",
        &json!({"name": "Ops", "kind": "webhook", "url": url, "headers": {"x-key": "hush"}}),
    )
    .is(201);
    let trigger = make(&api, &json!({"name": "called", "type": "api"}));

    browser.open(&stage.at(&format!("/ui/triggers/{trigger}/edit")));
    inspect(&browser, "trigger-edit-destinations");
    browser.tab_to("[name=destination_1]");
    browser.press(" ");
    save(&browser);
    assert!(browser.text("#facts").contains("Ops"), "{}", browser.text("#facts"));

    browser.open(&stage.at("/ui/destinations/1/edit"));
    assert!(!browser.ask("document.documentElement.outerHTML").to_string().contains("hush"));
    browser.fill("#name", "Operations");
    save(&browser);

    browser.tab_to("#actions button");
    browser.press_and_go(ENTER);
    assert_eq!(browser.text("h1"), "Operations paused");
    inspect(&browser, "destination-paused");
    fire(&api, trigger);
    browser.open(&stage.at("/events/1"));
    until_said(&browser, "#deliveries h3", "parked");
    assert!(browser.text("#deliveries h3").contains("Operations"), "{}", browser.text("#deliveries"));
    assert!(browser.text("#deliveries").contains("It lives until"), "{}", browser.text("#deliveries"));
    inspect(&browser, "event-parked");
    assert!(stage.receiver.received().is_empty(), "nothing is sent meanwhile");

    browser.open(&stage.at("/ui/destinations/1/delete"));
    assert!(browser.text("main").contains("This trigger sends to it"), "{}", browser.text("main"));
    assert_eq!(browser.count("main button.danger"), 0);
    look_over(&browser);

    browser.open(&stage.at("/ui/destinations/1"));
    browser.tab_to("#actions button");
    browser.press_and_go(ENTER);
    assert_eq!(browser.text("h1"), "Operations active");
    browser.open(&stage.at("/events/1"));
    until_said(&browser, "#deliveries h3", "delivered");
    let sent = stage.receiver.received();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].headers.get("x-key").map(String::as_str), Some("hush"), "the secret was kept through the edit");
}
