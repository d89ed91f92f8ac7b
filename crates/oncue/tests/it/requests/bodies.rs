//! Bodies: what they must say they are, and how long they may be.

use serde_json::json;

use crate::support::client::raw;
use crate::support::server::Server;

#[test]
fn a_body_must_say_that_it_is_json() {
    let server = Server::start();
    let ann = server.user();
    let id = ann.post("/api/v1/triggers", &json!({"type": "api"})).is(201).json()["id"].clone();
    let body = "{\"type\": \"api\", \"name\": \"t\", \"trigger_type\": \"api\"}";
    for (method, path) in [
        ("POST", "/triggers".to_owned()),
        ("PUT", format!("/triggers/{id}")),
        ("POST", "/triggers/test".to_owned()),
        ("POST", format!("/triggers/{id}/fire")),
        ("POST", "/api/v1/triggers".to_owned()),
        ("PUT", format!("/api/v1/triggers/{id}")),
        ("PATCH", format!("/api/v1/triggers/{id}")),
        ("POST", format!("/api/v1/triggers/{id}/fire")),
        ("POST", "/api/v1/schedules/preview".to_owned()),
        ("POST", "/api/v1/api_keys".to_owned()),
    ] {
        for wrong in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "application/jsonp",
            "text/json-ish",
        ] {
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
    let large = format!("{{\"type\": \"api\", \"name\": \"{}\"}}", "x".repeat(1024 * 1024));
    for path in [
        "/triggers",
        "/triggers/test",
        "/api/v1/triggers",
        "/api/v1/schedules/preview",
        "/api/v1/api_keys",
        "/auth/login",
        "/auth/register",
    ] {
        ann.call("POST", path).body("application/json", large.clone()).send().is(413);
    }
    ann.call("POST", "/auth/login").body("application/x-www-form-urlencoded", large).send().is(413);
    let endless = "POST /api/v1/triggers HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 99999999999\r\n\r\n{";
    let token = format!("authorization: Bearer {}\r\ncontent-type", ann.token());
    let (status, _) =
        raw(server.base(), &format!("{}{}", endless.replacen("content-type", &token, 1), "x".repeat(2_000_000)));
    assert_eq!(status, 413, "a body is not read to its announced end");
}
