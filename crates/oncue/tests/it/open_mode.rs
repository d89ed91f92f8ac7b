//! `--open`: no login, one built-in user, and only this machine.

use serde_json::json;

use crate::support::client::Client;
use crate::support::receiver::Receiver;
use crate::support::server::{Server, Setup};
use crate::support::wait::until;

fn start() -> (Server, Client) {
    let server = Setup::new().flag("--open").serve();
    let nobody = server.nobody();
    (server, nobody)
}

#[test]
fn nobody_needs_credentials() {
    let (_server, nobody) = start();
    let rich = nobody.post("/api/v1/triggers", &json!({"type": "api", "name": "rich"})).is(201).json();
    let flat = nobody.post("/triggers", &json!({"name": "flat", "trigger_type": "api"})).is(200).json();
    for list in ["/api/v1/triggers", "/triggers"] {
        let ids: Vec<_> = nobody.get(list).is(200).list().iter().map(|trigger| trigger["id"].clone()).collect();
        assert_eq!(ids, [rich["id"].clone(), flat["id"].clone()], "{list}");
    }
    nobody.post_nothing(&format!("/triggers/{}/fire", flat["id"])).is(200);
    assert_eq!(nobody.get("/api/v1/event_logs").is(200).list().len(), 1);
    nobody.bearer("garbage").get("/api/v1/triggers").is(200);
}

#[test]
fn the_root_is_the_overview_and_the_login_pages_lead_there() {
    let (_server, nobody) = start();
    assert!(nobody.get("/").is(200).header("content-type").starts_with("text/html"));
    for path in ["/auth/login", "/auth/register"] {
        let answer = nobody.get(path);
        assert!((300..400).contains(&answer.status), "{path}: {}", answer.status);
        assert_eq!(answer.header("location"), "/", "{path}");
    }
}

#[test]
fn what_comes_through_a_proxy_is_refused() {
    let (_server, nobody) = start();
    for (name, value) in
        [("x-forwarded-for", "203.0.113.7"), ("x-forwarded-for", "127.0.0.1"), ("forwarded", "for=203.0.113.7")]
    {
        for path in ["/", "/triggers", "/api/v1/triggers", "/docs"] {
            let answer = nobody.with(name, value).get(path);
            assert!((400..500).contains(&answer.status), "{name} {path}: {}", answer.status);
        }
        let answer = nobody.with(name, value).post("/api/v1/triggers", &json!({"type": "api"}));
        assert!((400..500).contains(&answer.status), "{name}: {}", answer.status);
    }
    assert_eq!(nobody.get("/api/v1/triggers").is(200).json(), json!([]));
}

#[test]
fn names_and_browsers_from_elsewhere_are_refused_here_too() {
    let (_server, nobody) = start();
    nobody.call("GET", "/api/v1/triggers").header("host", "evil.example").send().is(421);
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
    ] {
        nobody.call("POST", "/api/v1/triggers").header(name, value).json(&json!({"type": "api"})).send().is(403);
        nobody
            .call("POST", "/triggers")
            .header(name, value)
            .json(&json!({"name": "t", "trigger_type": "api"}))
            .send()
            .is(403);
    }
    assert_eq!(nobody.get("/api/v1/triggers").is(200).json(), json!([]));
}

#[test]
fn webhooks_may_go_to_loopback_and_no_further() {
    let (server, nobody) = start();
    let receiver = Receiver::start();
    let made = nobody.post("/api/v1/triggers", &json!({"type": "api", "webhook_url": receiver.url()})).is(201).json();
    nobody.post_nothing(&format!("/api/v1/triggers/{}/fire", made["id"])).is(200);
    receiver.wait_for(1);
    for inner in ["http://10.0.0.1/", "http://192.168.1.1:8080/", "http://169.254.169.254/", "http://[fd00::1]/"] {
        nobody.post("/api/v1/triggers", &json!({"type": "api", "webhook_url": inner})).blames("webhook_url");
    }
    let own = format!("http://127.0.0.1:{}/triggers", server.port());
    nobody.post("/api/v1/triggers", &json!({"type": "api", "webhook_url": own})).blames("webhook_url");
}

#[test]
fn what_was_made_is_still_there_after_a_restart() {
    let (server, nobody) = start();
    let made = nobody
        .post("/api/v1/triggers", &json!({"type": "scheduled", "schedule_details": {"every": "1s"}}))
        .is(201)
        .json();
    let server = server.kill().serve();
    let nobody = server.nobody();
    assert_eq!(nobody.get("/api/v1/triggers").is(200).list()[0]["id"], made["id"]);
    until("it fires", || nobody.get("/api/v1/event_logs").is(200).list().pop());
}

#[test]
fn nobody_can_log_in_as_the_built_in_user_and_logins_do_not_see_their_things() {
    let (server, nobody) = start();
    nobody.post("/api/v1/triggers", &json!({"type": "api", "name": "of the local user"})).is(201);
    let setup = server.stop().without_flags();
    let server = setup.serve();
    server.nobody().get("/api/v1/triggers").is(401);
    let ann = server.user();
    assert_eq!(ann.get("/api/v1/triggers").is(200).json(), json!([]));
}
