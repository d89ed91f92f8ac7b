//! Whom requests are for and where they come from: names that are not ours, and pages that are not ours.

use serde_json::json;

use crate::support::client::raw;
use crate::support::server::{Server, Setup};

/// A reading and a changing call of every part of the server.
fn calls() -> Vec<(&'static str, &'static str)> {
    vec![
        ("GET", "/"),
        ("GET", "/triggers"),
        ("GET", "/api/v1/triggers"),
        ("GET", "/ping"),
        ("GET", "/docs"),
        ("GET", "/auth/login"),
        ("POST", "/triggers"),
        ("POST", "/api/v1/triggers"),
        ("POST", "/auth/login"),
        ("GET", "/nothing/here"),
    ]
}

#[test]
fn a_host_that_is_not_ours_is_refused() {
    let server = Server::start();
    let port = server.port();
    let evil = [
        "evil.example".to_owned(),
        format!("evil.example:{port}"),
        "localhost.evil.example".to_owned(),
        "127.0.0.2".to_owned(),
        "10.0.0.1".to_owned(),
        format!("[::1]:{port}"),
        "oncue".to_owned(),
        "127.0.0.1.nip.io".to_owned(),
        "0x7f.1".to_owned(),
    ];
    for host in &evil {
        for (method, path) in calls() {
            let request =
                format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            assert_eq!(raw(server.base(), &request).0, 421, "{host}: {method} {path}");
        }
    }
    for host in
        [format!("127.0.0.1:{port}"), "127.0.0.1".to_owned(), format!("localhost:{port}"), "LOCALHOST".to_owned()]
    {
        let request = format!("GET /ping HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        assert_eq!(raw(server.base(), &request).0, 200, "{host}");
    }
}

#[test]
fn a_request_without_one_clear_host_is_refused() {
    let server = Server::start();
    for hosts in [
        "",
        "host: localhost\r\nhost: evil.example\r\n",
        "host: evil.example\r\nhost: localhost\r\n",
        "host: \r\n",
        "host: a b\r\n",
    ] {
        let (status, answer) = raw(server.base(), &format!("GET /ping HTTP/1.1\r\n{hosts}connection: close\r\n\r\n"));
        assert!(matches!(status, 400 | 421), "{hosts:?}: {answer}");
    }
    let absolute = "GET http://evil.example/ping HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    assert_eq!(raw(server.base(), absolute).0, 421);
}

#[test]
fn the_host_of_the_public_url_is_ours() {
    let server = Setup::new().option("--public-url", "https://oncue.example").serve();
    for (host, status) in
        [("oncue.example", 200), ("ONCUE.example:443", 200), ("localhost", 200), ("www.oncue.example", 421)]
    {
        let request = format!("GET /ping HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        assert_eq!(raw(server.base(), &request).0, status, "{host}");
    }
    let ann = server.user();
    let from = |origin: &str| {
        ann.call("POST", "/api/v1/triggers").header("origin", origin).json(&json!({"type": "api"})).send().status
    };
    assert_eq!(from("https://oncue.example"), 201);
    assert_eq!(from("http://oncue.example"), 403, "another scheme is another origin");
    assert_eq!(from("https://oncue.example:8443"), 403, "another port is another origin");
}

fn changes() -> Vec<(&'static str, &'static str)> {
    vec![
        ("POST", "/triggers"),
        ("PUT", "/triggers/1"),
        ("DELETE", "/triggers/1"),
        ("POST", "/triggers/test"),
        ("POST", "/triggers/1/fire"),
        ("POST", "/api/v1/triggers"),
        ("PUT", "/api/v1/triggers/1"),
        ("PATCH", "/api/v1/triggers/1"),
        ("DELETE", "/api/v1/triggers/1"),
        ("POST", "/api/v1/triggers/1/fire"),
        ("POST", "/api/v1/triggers/1/test"),
        ("POST", "/api/v1/api_keys"),
        ("POST", "/logout"),
        ("POST", "/auth/register"),
        ("POST", "/nothing/here"),
    ]
}

#[test]
fn what_a_browser_brings_from_elsewhere_changes_nothing() {
    let server = Server::start();
    let ann = server.user();
    ann.post("/api/v1/triggers", &json!({"type": "api", "name": "kept"})).is(201);
    let port = server.port();
    let foreign = [
        ("sec-fetch-site", "cross-site".to_owned()),
        ("sec-fetch-site", "same-site".to_owned()),
        ("origin", "https://evil.example".to_owned()),
        ("origin", "null".to_owned()),
        ("origin", format!("http://127.0.0.1:{}", port ^ 1)),
        ("origin", format!("https://127.0.0.1:{port}")),
        ("origin", format!("http://evil.example:{port}")),
    ];
    for (name, value) in &foreign {
        for client in [&ann, &server.nobody()] {
            for (method, path) in changes() {
                let answer =
                    client.call(method, path).header(name, value).json(&json!({"name": "taken", "type": "api"})).send();
                assert_eq!(answer.status, 403, "{name}: {value}: {method} {path}");
            }
        }
    }
    let contradicting = ann
        .call("POST", "/api/v1/triggers")
        .header("origin", "https://evil.example")
        .header("sec-fetch-site", "same-origin");
    contradicting.json(&json!({"type": "api"})).send().is(403);
    assert_eq!(ann.get("/api/v1/triggers").is(200).list().len(), 1);
    assert_eq!(ann.get("/api/v1/event_logs").is(200).json(), json!([]));
}

#[test]
fn what_comes_from_our_own_pages_or_from_no_browser_passes() {
    let server = Server::start();
    let ann = server.user();
    let port = server.port();
    for (name, value) in [
        ("sec-fetch-site", "same-origin".to_owned()),
        ("sec-fetch-site", "none".to_owned()),
        ("origin", server.base().to_owned()),
        ("origin", format!("http://localhost:{port}")),
        ("user-agent", "curl/8".to_owned()),
    ] {
        ann.call("POST", "/api/v1/triggers").header(name, &value).json(&json!({"type": "api"})).send().is(201);
    }
}

#[test]
fn reading_from_elsewhere_is_for_the_browser_to_refuse() {
    let server = Server::start();
    let ann = server.user();
    let answer = ann
        .call("GET", "/api/v1/triggers")
        .header("origin", "https://evil.example")
        .header("sec-fetch-site", "cross-site")
        .send()
        .is(200);
    assert!(answer.headers.get("access-control-allow-origin").is_none(), "no other origin is let in");
    let preflight = ann.call("OPTIONS", "/api/v1/triggers").header("origin", "https://evil.example").send();
    assert!(preflight.headers.get("access-control-allow-origin").is_none());
}
