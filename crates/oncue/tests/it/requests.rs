//! What holds for every request in every mode, and for every answer.

use serde_json::json;

use crate::support::client::{Client, raw};
use crate::support::server::{Server, Setup};

/// A reading and a changing call of every part of the server.
fn calls() -> Vec<(&'static str, &'static str)> {
    vec![
        ("GET", "/"), ("GET", "/triggers"), ("GET", "/api/v1/triggers"), ("GET", "/ping"), ("GET", "/docs"), ("GET", "/auth/login"),
        ("POST", "/triggers"), ("POST", "/api/v1/triggers"), ("POST", "/auth/login"), ("GET", "/nothing/here"),
    ]
}

#[test]
fn a_host_that_is_not_ours_is_refused() {
    let server = Server::start();
    let port = server.port();
    let evil = ["evil.example".to_owned(), format!("evil.example:{port}"), "localhost.evil.example".to_owned(), "127.0.0.2".to_owned(),
                "10.0.0.1".to_owned(), format!("[::1]:{port}"), "oncue".to_owned(), "127.0.0.1.nip.io".to_owned(), "0x7f.1".to_owned()];
    for host in &evil {
        for (method, path) in calls() {
            let request = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            assert_eq!(raw(server.base(), &request).0, 421, "{host}: {method} {path}");
        }
    }
    for host in [format!("127.0.0.1:{port}"), "127.0.0.1".to_owned(), format!("localhost:{port}"), "LOCALHOST".to_owned()] {
        let request = format!("GET /ping HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        assert_eq!(raw(server.base(), &request).0, 200, "{host}");
    }
}

#[test]
fn a_request_without_one_clear_host_is_refused() {
    let server = Server::start();
    for hosts in ["", "host: localhost\r\nhost: evil.example\r\n", "host: evil.example\r\nhost: localhost\r\n", "host: \r\n", "host: a b\r\n"] {
        let (status, answer) = raw(server.base(), &format!("GET /ping HTTP/1.1\r\n{hosts}connection: close\r\n\r\n"));
        assert!(matches!(status, 400 | 421), "{hosts:?}: {answer}");
    }
    let absolute = "GET http://evil.example/ping HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    assert_eq!(raw(server.base(), absolute).0, 421);
}

#[test]
fn the_host_of_the_public_url_is_ours() {
    let server = Setup::new().option("--public-url", "https://oncue.example").serve();
    for (host, status) in [("oncue.example", 200), ("ONCUE.example:443", 200), ("localhost", 200), ("www.oncue.example", 421)] {
        let request = format!("GET /ping HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        assert_eq!(raw(server.base(), &request).0, status, "{host}");
    }
    let ann = server.user();
    let from = |origin: &str| ann.call("POST", "/api/v1/triggers").header("origin", origin).json(&json!({"type": "api"})).send().status;
    assert_eq!(from("https://oncue.example"), 201);
    assert_eq!(from("http://oncue.example"), 403, "another scheme is another origin");
    assert_eq!(from("https://oncue.example:8443"), 403, "another port is another origin");
}

fn changes() -> Vec<(&'static str, &'static str)> {
    vec![
        ("POST", "/triggers"), ("PUT", "/triggers/1"), ("DELETE", "/triggers/1"), ("POST", "/triggers/test"), ("POST", "/triggers/1/fire"),
        ("POST", "/api/v1/triggers"), ("PUT", "/api/v1/triggers/1"), ("PATCH", "/api/v1/triggers/1"), ("DELETE", "/api/v1/triggers/1"),
        ("POST", "/api/v1/triggers/1/fire"), ("POST", "/api/v1/triggers/1/test"), ("POST", "/api/v1/api_keys"), ("POST", "/logout"),
        ("POST", "/auth/register"), ("POST", "/nothing/here"),
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
                let answer = client.call(method, path).header(name, value).json(&json!({"name": "taken", "type": "api"})).send();
                assert_eq!(answer.status, 403, "{name}: {value}: {method} {path}");
            }
        }
    }
    let contradicting = ann.call("POST", "/api/v1/triggers").header("origin", "https://evil.example").header("sec-fetch-site", "same-origin");
    contradicting.json(&json!({"type": "api"})).send().is(403);
    assert_eq!(ann.get("/api/v1/triggers").is(200).list().len(), 1);
    assert_eq!(ann.get("/api/v1/event_logs").is(200).json(), json!([]));
}

#[test]
fn what_comes_from_our_own_pages_or_from_no_browser_passes() {
    let server = Server::start();
    let ann = server.user();
    let port = server.port();
    for (name, value) in [("sec-fetch-site", "same-origin".to_owned()), ("sec-fetch-site", "none".to_owned()), ("origin", server.base().to_owned()),
                          ("origin", format!("http://localhost:{port}")), ("user-agent", "curl/8".to_owned())] {
        ann.call("POST", "/api/v1/triggers").header(name, &value).json(&json!({"type": "api"})).send().is(201);
    }
}

#[test]
fn reading_from_elsewhere_is_for_the_browser_to_refuse() {
    let server = Server::start();
    let ann = server.user();
    let answer = ann.call("GET", "/api/v1/triggers").header("origin", "https://evil.example").header("sec-fetch-site", "cross-site").send().is(200);
    assert!(answer.headers.get("access-control-allow-origin").is_none(), "no other origin is let in");
    let preflight = ann.call("OPTIONS", "/api/v1/triggers").header("origin", "https://evil.example").send();
    assert!(preflight.headers.get("access-control-allow-origin").is_none());
}

#[test]
fn a_body_must_say_that_it_is_json() {
    let server = Server::start();
    let ann = server.user();
    let id = ann.post("/api/v1/triggers", &json!({"type": "api"})).is(201).json()["id"].clone();
    let body = "{\"type\": \"api\", \"name\": \"t\", \"trigger_type\": \"api\"}";
    for (method, path) in [
        ("POST", "/triggers".to_owned()), ("PUT", format!("/triggers/{id}")), ("POST", "/triggers/test".to_owned()),
        ("POST", format!("/triggers/{id}/fire")), ("POST", "/api/v1/triggers".to_owned()), ("PUT", format!("/api/v1/triggers/{id}")),
        ("PATCH", format!("/api/v1/triggers/{id}")), ("POST", format!("/api/v1/triggers/{id}/fire")),
        ("POST", "/api/v1/schedules/preview".to_owned()), ("POST", "/api/v1/api_keys".to_owned()),
    ] {
        for wrong in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonp", "text/json-ish"] {
            ann.call(method, &path).body(wrong, body).send().is(415);
        }
        ann.call(method, &path).untyped(body).send().is(415);
    }
    assert_eq!(ann.get("/api/v1/triggers").is(200).list().len(), 1);
    assert_eq!(ann.get("/api/v1/event_logs").is(200).json(), json!([]));
    for right in ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON"] {
        ann.call("POST", "/api/v1/triggers").body(right, "{\"type\": \"api\"}").send().is(201);
    }
}

#[test]
fn a_body_beyond_the_limit_is_413() {
    let server = Server::start();
    let ann = server.user();
    let large = format!("{{\"type\": \"api\", \"name\": \"{}\"}}", "x".repeat(4 * 1024 * 1024));
    for path in ["/triggers", "/triggers/test", "/api/v1/triggers", "/api/v1/schedules/preview", "/api/v1/api_keys", "/auth/login", "/auth/register"] {
        ann.call("POST", path).body("application/json", large.clone()).send().is(413);
    }
    ann.call("POST", "/auth/login").body("application/x-www-form-urlencoded", large.clone()).send().is(413);
    let endless = "POST /api/v1/triggers HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 99999999999\r\n\r\n{";
    let token = format!("authorization: Bearer {}\r\ncontent-type", ann.token());
    let (status, _) = raw(server.base(), &format!("{}{}", endless.replacen("content-type", &token, 1), "x".repeat(2_000_000)));
    assert_eq!(status, 413, "a body is not read to its announced end");
}

#[test]
fn unknown_addresses_are_404_and_wrong_methods_405() {
    let server = Server::start();
    let ann = server.user();
    for path in ["/nothing", "/api/v1/nothing", "/triggers/1/nothing", "/logs/nothing", "/api/v2/triggers", "/.env", "/oncue.db", "/../etc/passwd", "//triggers//x"] {
        let answer = ann.get(path);
        assert_eq!(answer.status, 404, "{path}: {}", answer.text);
    }
    for (method, path) in [("DELETE", "/triggers"), ("PATCH", "/triggers/1"), ("POST", "/logs/active"), ("PUT", "/api/v1/triggers"),
                           ("POST", "/api/v1/event_logs"), ("DELETE", "/api/v1/event_logs/1"), ("GET", "/api/v1/triggers/1/fire"),
                           ("GET", "/api/v1/schedules/preview"), ("BREW", "/api/v1/triggers")] {
        let answer = ann.call(method, path).send();
        assert_eq!(answer.status, 405, "{method} {path}: {}", answer.text);
        assert!(!answer.header("allow").is_empty(), "{method} {path}: a 405 says what would be allowed (RFC 9110)");
    }
}

#[test]
fn a_trailing_slash_makes_no_difference_anywhere() {
    let server = Server::start();
    let ann = server.user();
    ann.post("/api/v1/triggers", &json!({"type": "api"})).is(201);
    for path in ["/triggers", "/logs/active", "/logs/archived", "/logs/stats", "/api/v1/triggers", "/api/v1/triggers/1", "/api/v1/event_logs",
                 "/api/v1/event_logs/aggregated", "/api/v1/api_keys", "/ping", "/healthz", "/readyz", "/openapi.json", "/auth/login"] {
        let (without, with) = (ann.get(path).is(200), ann.get(&format!("{path}/")).is(200));
        assert_eq!(with.text, without.text, "{path}");
        ann.get(&format!("{path}/?limit=1")).is(200);
    }
}

#[test]
fn every_answer_keeps_a_browser_on_the_safe_side() {
    let server = Server::start();
    let ann = server.user();
    for path in ["/", "/auth/login", "/api/v1/triggers", "/triggers", "/nothing", "/docs", "/openapi.json", "/ping", "/api/v1/triggers/triggers_html"] {
        for client in [ann.clone(), server.nobody(), server.nobody().with("cookie", &format!("access_token={}", ann.token()))] {
            let answer = client.get(path);
            let policy = answer.header("content-security-policy");
            assert!(policy.contains("default-src 'self'") || policy.contains("default-src 'none'"), "{path}: {policy}");
            assert!(!policy.contains("http:") && !policy.contains("https:") && !policy.contains('*'), "{path}: {policy}");
            assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
            if path != "/docs" {
                assert!(!policy.contains("unsafe-inline") && !policy.contains("unsafe-eval") && !policy.contains("data:"), "{path}: {policy}");
            }
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
            assert!(!answer.header("referrer-policy").is_empty(), "{path}");
            assert!(answer.headers.get("server").is_none_or(|server| !server.to_str().is_ok_and(|text| text.contains('.'))), "{path}");
        }
    }
}

/// The attributes and tags of a page that would be inline script or style.
fn inline_parts(html: &str) -> Vec<String> {
    let lower = html.to_lowercase();
    let mut found = Vec::new();
    for tag in lower.split('<').skip(1).filter_map(|rest| rest.split('>').next()) {
        let name = tag.split(|c: char| c.is_whitespace() || c == '/').next().unwrap_or_default();
        let is_bare_script = name == "script" && !tag.contains("src=");
        let attributes = tag.split_whitespace().skip(1);
        let has_handler = attributes.clone().any(|attribute| attribute.starts_with("on") && attribute.contains('='));
        let has_style = attributes.clone().any(|attribute| attribute.starts_with("style="));
        if is_bare_script || name == "style" || has_handler || has_style || tag.contains("javascript:") {
            found.push(tag.to_owned());
        }
    }
    found
}

/// Every page that can be reached from `/` by links.
fn pages(browser: &Client) -> Vec<(String, String)> {
    let mut seen = Vec::new();
    let mut pages = Vec::new();
    let mut waiting = vec!["/".to_owned()];
    while let Some(path) = waiting.pop() {
        if seen.contains(&path) || path.contains("logout") || path.starts_with("/docs") || seen.len() > 60 {
            continue;
        }
        seen.push(path.clone());
        let answer = browser.get(&path);
        assert!(answer.status < 400, "the link {path} leads to {}: {}", answer.status, answer.text);
        if !answer.header("content-type").starts_with("text/html") {
            continue;
        }
        for rest in answer.text.split("href=\"").skip(1) {
            let target = rest.split(['"', '#']).next().unwrap_or_default().replace("&amp;", "&");
            if target.starts_with('/') {
                waiting.push(target);
            }
        }
        pages.push((path, answer.text));
    }
    pages
}

#[test]
fn no_page_has_inline_script_or_style_or_anything_foreign_and_no_link_is_dead() {
    let server = Server::start();
    let ann = server.user();
    let made = ann.post("/api/v1/triggers", &json!({"type": "api", "name": "<script>alert(1)</script>"})).is(201).json();
    ann.post("/api/v1/triggers", &json!({"type": "scheduled", "schedule_details": {"cron": "@daily"}, "name": "\" onload=\"x"})).is(201);
    ann.post("/api/v1/triggers/1/fire", &json!({"text": "</script><script>alert(2)</script>"})).is(200);
    ann.post_nothing(&format!("/api/v1/triggers/{}/test", made["id"])).is(200);
    let browser = server.nobody().with("cookie", &format!("access_token={}", ann.token()));
    let mut all = pages(&browser);
    assert!(all.len() >= 3, "the dashboard leads somewhere: {:?}", all.iter().map(|(path, _)| path).collect::<Vec<_>>());
    for path in ["/auth/login", "/auth/register"] {
        all.push((path.to_owned(), server.nobody().get(path).is(200).text));
    }
    for (path, page) in all {
        assert_eq!(inline_parts(&page), Vec::<String>::new(), "{path}");
        assert!(!page.contains("<script>alert"), "{path}");
        for foreign in ["src=\"http", "src=\"//", "href=\"//", "@import", "action=\"http"] {
            assert!(!page.contains(foreign), "{foreign} in {path}");
        }
        for rest in page.split("src=\"").skip(1) {
            let source = rest.split('"').next().expect("the attribute ends");
            browser.get(source).is(200);
        }
    }
}

#[test]
fn a_hanging_request_head_does_not_hold_a_connection_for_ever() {
    use std::io::{Read, Write};
    let server = Server::start();
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", server.port())).expect("the server listens");
    stream.write_all(b"GET /ping HTTP/1.1\r\nhost: local").expect("the beginning of a head is taken");
    stream.set_read_timeout(Some(std::time::Duration::from_secs(60))).expect("a timeout");
    let mut answer = Vec::new();
    // Ended with an answer or without one, but ended.
    let ended = stream.read_to_end(&mut answer);
    assert!(ended.is_ok() || ended.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset), "the connection stayed open");
}

#[test]
fn nonsense_on_the_wire_harms_nobody() {
    let server = Server::start();
    for nonsense in ["\r\n\r\n", "GET\r\n\r\n", "GET /ping HTTP/9.9\r\n\r\n", "\u{0}\u{1}\u{2}\r\n\r\n", "GET /%ff%fe HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
                     "POST /triggers HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n",
                     "POST /triggers HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n0\r\n\r\n"] {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", server.port())).expect("the server listens");
        stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).expect("a timeout");
        stream.write_all(nonsense.as_bytes()).expect("bytes are taken");
        let mut answer = Vec::new();
        // What comes back, if anything, is a refusal.
        let _ = stream.read_to_end(&mut answer);
        let text = String::from_utf8_lossy(&answer);
        assert!(!text.starts_with("HTTP/1.1 5") && !text.starts_with("HTTP/1.1 2"), "{nonsense:?}: {text}");
    }
    let long = format!("/{}", "a".repeat(100_000));
    let status = server.nobody().call("GET", &long).try_send().map(|answer| answer.status);
    assert!(status.is_err() || matches!(status, Ok(400..=499)), "{status:?}");
    assert_eq!(server.nobody().get("/ping").is(200).json(), json!({"ping": "pong"}));
}
