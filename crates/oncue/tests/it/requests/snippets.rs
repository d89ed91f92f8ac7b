//! What a trigger's page says to call it with is run as it stands there, against the server that said it.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::server::Server;

/// The text of the element with that id, as a browser would copy it.
fn shown(page: &str, id: &str) -> String {
    let start = page.find(&format!("id=\"{id}\"")).unwrap_or_else(|| panic!("{id} is missing: {page}"));
    let inside = &page[start + page[start..].find('>').expect("the tag ends") + 1..];
    let text = &inside[..inside.find('<').expect("the element ends")];
    // The ampersand last, so that what was meant as an entity stays one.
    [("&#60;", "<"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'"), ("&#38;", "&")]
        .iter()
        .fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}

fn run(program: &str, arguments: &[&str], key: &str) -> String {
    let mut command = Command::new(program);
    command.args(arguments).env("ONCUE_KEY", key);
    for name in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(name);
    }
    let output = command.output().unwrap_or_else(|error| panic!("{program} is needed to try the snippets: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs every snippet of the page that a machine of ours can run, and gives the events that came of it, oldest first.
fn run_all(ann: &Client, id: i64) -> Vec<Value> {
    let page = ann.get(&format!("/ui/triggers/{id}")).is(200).text;
    let shell = shown(&page, "call-curl");
    let python = shown(&page, "call-python");
    let script = shown(&page, "call-javascript");
    for said in [
        run("sh", &["-c", &shell], ann.token()),
        run("python3", &["-c", &python], ann.token()),
        run("node", &["--input-type=module", "-e", &script], ann.token()),
    ] {
        assert!(said.contains("event_id"), "{said}");
    }
    let mut events = ann.get("/api/v1/event_logs").is(200).list();
    events.retain(|event| event["trigger_id"] == id);
    events
}

#[test]
fn the_calls_on_a_triggers_page_fire_it_with_its_payload_to_the_letter() {
    let server = Server::start();
    let ann = server.user();
    let payload = json!({"it's": "\"$HOME\" `id` ${x} %d \\ ’ é <b>&amp;</b>\n"});
    let made = ann.post("/api/v1/triggers", &json!({"type": "api", "api_payload": payload})).is(201).json();
    let events = run_all(&ann, made["id"].as_i64().expect("a number"));
    assert_eq!(events.len(), 3, "{events:?}");
    for event in events {
        assert_eq!((&event["payload"], &event["origin"]), (&payload, &json!("api")), "{event}");
    }
}

#[test]
fn the_calls_on_a_scheduled_triggers_page_try_it_out() {
    let server = Server::start();
    let ann = server.user();
    let definition = json!({"type": "scheduled", "schedule_details": {"every": "1d"}, "api_payload": [1]});
    let made = ann.post("/api/v1/triggers", &definition).is(201).json();
    let events = run_all(&ann, made["id"].as_i64().expect("a number"));
    assert_eq!(events.len(), 3, "{events:?}");
    assert!(events.iter().all(|event| event["is_manual_test"] == json!(true)), "{events:?}");
}

#[test]
fn a_server_without_login_shows_calls_without_a_key() {
    let server = crate::support::server::Setup::bare().flag("--open").serve();
    let nobody = server.nobody();
    let made = nobody.post("/api/v1/triggers", &json!({"type": "api"})).is(201).json();
    let page = nobody.get(&format!("/ui/triggers/{}", made["id"])).is(200).text;
    let shell = shown(&page, "call-curl");
    assert!(!page.contains("ONCUE_KEY"), "{page}");
    assert!(run("sh", &["-c", &shell], "").contains("event_id"));
}
