//! Addresses that exist, that do not, and that end in a slash.

use serde_json::json;

use crate::support::server::Server;

#[test]
fn unknown_addresses_are_404_and_wrong_methods_405() {
    let server = Server::start();
    let ann = server.user();
    for path in [
        "/nothing",
        "/api/v1/nothing",
        "/triggers/1/nothing",
        "/logs/nothing",
        "/api/v2/triggers",
        "/.env",
        "/oncue.db",
        "/../etc/passwd",
        "//triggers//x",
    ] {
        let answer = ann.get(path);
        assert_eq!(answer.status, 404, "{path}: {}", answer.text);
    }
    for (method, path) in [
        ("DELETE", "/triggers"),
        ("PATCH", "/triggers/1"),
        ("POST", "/logs/active"),
        ("PUT", "/api/v1/triggers"),
        ("POST", "/api/v1/event_logs"),
        ("DELETE", "/api/v1/event_logs/1"),
        ("GET", "/api/v1/triggers/1/fire"),
        ("GET", "/api/v1/schedules/preview"),
        ("BREW", "/api/v1/triggers"),
    ] {
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
    for path in [
        "/triggers",
        "/logs/active",
        "/logs/archived",
        "/logs/stats",
        "/api/v1/triggers",
        "/api/v1/triggers/1",
        "/api/v1/event_logs",
        "/api/v1/event_logs/aggregated",
        "/api/v1/api_keys",
        "/ping",
        "/healthz",
        "/readyz",
        "/openapi.json",
        "/auth/login",
    ] {
        let (without, with) = (ann.get(path).is(200), ann.get(&format!("{path}/")).is(200));
        assert_eq!(with.text, without.text, "{path}");
        ann.get(&format!("{path}/?limit=1")).is(200);
    }
}
