//! Problems as surface two tells them: RFC 9457, in words that a person can act on.

use serde_json::json;

use crate::support::server::Server;

#[test]
fn every_kind_of_error_is_a_problem_document() {
    let server = Server::start();
    let ann = server.user();
    server.nobody().get("/api/v1/triggers").problem(401);
    ann.get("/api/v1/triggers/4711").problem(404);
    ann.get("/api/v1/nothing").problem(404);
    ann.call("PATCH", "/api/v1/triggers").json(&json!({})).send().problem(405);
    ann.post("/api/v1/triggers", &json!({"type": "api", "name": 1})).problem(422);
    ann.call("POST", "/api/v1/triggers").body("text/plain", "{}").send().problem(415);
    let large = format!("{{\"type\": \"api\", \"name\": \"{}\"}}", "x".repeat(1024 * 1024));
    ann.call("POST", "/api/v1/triggers").body("application/json", large).send().problem(413);
    ann.call("GET", "/api/v1/triggers").header("host", "evil.example").send().problem(421);
    ann.call("POST", "/api/v1/triggers")
        .header("origin", "https://evil.example")
        .json(&json!({"type": "api"}))
        .send()
        .problem(403);
}

#[test]
fn a_body_that_is_no_json_object_is_told_so() {
    let server = Server::start();
    let ann = server.user();
    for body in ["", "{", "[]", "7", "null", "\"text\"", "{\"type\": \"api\"} trailing", "{'type': 'api'}"] {
        for (method, path) in
            [("POST", "/api/v1/triggers"), ("POST", "/api/v1/schedules/preview"), ("POST", "/api/v1/api_keys")]
        {
            let answer = ann.call(method, path).body("application/json", body).send();
            assert!(matches!(answer.status, 400 | 422), "{method} {path} {body:?}: {} {}", answer.status, answer.text);
            let status = answer.status;
            answer.problem(status);
        }
    }
    let bytes = ann.call("POST", "/api/v1/triggers").body("application/json", &b"{\"name\": \"\xff\"}"[..]).send();
    assert!(matches!(bytes.status, 400 | 422), "{}", bytes.status);
    assert_eq!(ann.get("/api/v1/triggers").is(200).json(), json!([]));
}

#[test]
fn it_is_said_what_a_body_is_that_is_no_json_object() {
    let server = Server::start();
    let ann = server.user();
    for (body, sort) in
        [("null", "null"), (" \"text\"", "a string"), ("[]", "an array"), ("true", "a boolean"), ("-7", "a number")]
    {
        for path in ["/api/v1/triggers", "/api/v1/destinations", "/api/v1/calendars"] {
            let problem = ann.call("POST", path).body("application/json", body).send().problem(422);
            let said = format!("This must be a JSON object, not {sort}.");
            assert!(problem.to_string().contains(&said), "POST {path} {body}: {problem}");
        }
    }
}

#[test]
fn a_field_inside_another_is_named_with_its_way() {
    let server = Server::start();
    let ann = server.user();
    let body = json!({"type": "scheduled", "schedule_details": {"cron": "61 * * * *"}});
    let problem = ann.post("/api/v1/triggers", &body).problem(422);
    assert!(problem.to_string().contains("schedule_details.cron"), "{problem}");
}

#[test]
fn several_wrong_fields_are_all_named() {
    let server = Server::start();
    let ann = server.user();
    let problem =
        ann.post("/api/v1/triggers", &json!({"type": "api", "name": 1, "enabled": "x", "colour": 2})).problem(422);
    for field in ["name", "enabled", "colour"] {
        assert!(problem.to_string().contains(field), "{field} in {problem}");
    }
}

#[test]
fn a_refusal_for_want_of_credentials_says_how_to_bring_them() {
    let server = Server::start();
    let answer = server.nobody().get("/api/v1/event_logs").is(401);
    assert!(answer.header("www-authenticate").to_lowercase().contains("bearer"));
}

#[test]
fn ids_that_nothing_can_have_find_nothing() {
    let server = Server::start();
    let ann = server.user();
    for id in ["0", "-1", "99999999999999999999", "abc", "%2e%2e", "%00", "1%2f2"] {
        for path in [
            format!("/api/v1/triggers/{id}"),
            format!("/api/v1/event_logs/{id}"),
            format!("/api/v1/triggers/{id}/upcoming"),
        ] {
            let answer = ann.get(&path);
            assert!(matches!(answer.status, 400 | 404 | 422), "{path}: {}", answer.status);
        }
    }
}
