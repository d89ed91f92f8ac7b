//! `/api/v1/api_keys`: how programs come in, and how far.

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::server::Server;
use crate::support::time::{FAR, in_ms};
use crate::support::wait::until;

fn make(ann: &Client, body: &Value) -> (Value, Client) {
    let made = ann.post("/api/v1/api_keys", body).is(201).json();
    let key = made["key"].as_str().unwrap_or_else(|| panic!("the key in {made}")).to_owned();
    (made, Client::new(ann.base()).bearer(&key))
}

#[test]
fn a_key_is_shown_once() {
    let server = Server::start();
    let ann = server.user();
    let (made, program) = make(&ann, &json!({"name": "deploy", "scopes": ["read", "fire"], "expires_at": FAR}));
    assert_eq!(
        (&made["name"], &made["scopes"], &made["expires_at"]),
        (&json!("deploy"), &json!(["read", "fire"]), &json!(FAR))
    );
    let listed = ann.get("/api/v1/api_keys").is(200);
    assert_eq!(listed.list().len(), 1);
    assert_eq!((&listed.list()[0]["id"], &listed.list()[0]["name"]), (&made["id"], &made["name"]));
    assert!(!listed.text.contains(program.token()), "only its hash is kept");
    assert!(!server.log().contains(program.token()), "no key in the log");
    let setup = server.stop();
    let (_, end) = program.token().split_at(program.token().len() - 20);
    assert!(setup.holds("ann@example.com") && !setup.holds(end), "no key in the database");
}

#[test]
fn a_key_may_do_what_its_scopes_say_and_no_more() {
    let server = Server::start();
    let ann = server.user();
    let id = ann.post("/api/v1/triggers", &json!({"type": "api", "name": "t"})).is(201).json()["id"].clone();
    let at = format!("/api/v1/triggers/{id}");
    let (_, read) = make(&ann, &json!({"name": "r", "scopes": ["read"]}));
    let (_, fire) = make(&ann, &json!({"name": "f", "scopes": ["fire"]}));
    let (_, manage) = make(&ann, &json!({"name": "m", "scopes": ["manage"]}));
    let statuses = |client: &Client| {
        [
            client.get(&at).status,
            client.get("/logs/active").status,
            client.post_nothing(&format!("{at}/fire")).status,
            client.post_nothing(&format!("/triggers/{id}/fire")).status,
            client.post_nothing(&format!("{at}/test")).status,
            client.patch(&at, &json!({"name": "u"})).status,
            client.put(&format!("/triggers/{id}"), &json!({"name": "u"})).status,
            client.post("/api/v1/api_keys", &json!({"name": "more", "scopes": ["read"]})).status,
        ]
    };
    assert_eq!(statuses(&read), [200, 200, 403, 403, 403, 403, 403, 403]);
    assert_eq!(statuses(&fire), [403, 403, 200, 200, 200, 403, 403, 403]);
    let managed = statuses(&manage);
    assert_eq!(managed[2..7], [403, 403, 403, 200, 200]);
    assert!(
        manage.post("/api/v1/api_keys", &json!({"name": "more", "scopes": ["fire"]})).status == 403,
        "no key gives more than it has"
    );
}

#[test]
fn a_deleted_key_is_refused() {
    let server = Server::start();
    let ann = server.user();
    let (made, program) = make(&ann, &json!({"name": "k", "scopes": ["read"]}));
    program.get("/api/v1/triggers").is(200);
    ann.delete(&format!("/api/v1/api_keys/{}", made["id"])).is(204);
    program.get("/api/v1/triggers").problem(401);
    ann.delete(&format!("/api/v1/api_keys/{}", made["id"])).problem(404);
    assert_eq!(ann.get("/api/v1/api_keys").is(200).json(), json!([]));
}

#[test]
fn a_key_ends_when_it_expires() {
    let server = Server::start();
    let ann = server.user();
    let (_, program) = make(&ann, &json!({"name": "k", "scopes": ["read"], "expires_at": in_ms(800)}));
    until("it expires", || Some(program.get("/api/v1/triggers")).filter(|answer| answer.status != 200)).problem(401);
}

#[test]
fn a_key_does_not_end_with_a_login() {
    let server = Server::start();
    let ann = server.user();
    let (_, program) = make(&ann, &json!({"name": "k", "scopes": ["read"]}));
    ann.post_nothing("/logout").is(302);
    program.get("/api/v1/triggers").is(200);
}

#[test]
fn a_key_in_an_address_is_refused() {
    let server = Server::start();
    let ann = server.user();
    let (_, program) = make(&ann, &json!({"name": "k", "scopes": ["read", "fire", "manage"]}));
    let key = program.token();
    for query in ["api_key", "access_token", "token", "key"] {
        let answer = server.nobody().get(&format!("/api/v1/triggers?{query}={key}"));
        assert!(matches!(answer.status, 400 | 401), "{query}: {}", answer.status);
        let answer = program.get(&format!("/api/v1/triggers?{query}={key}"));
        assert!(matches!(answer.status, 200 | 400), "{query}: {}", answer.status);
    }
    assert!(!server.log().contains(key), "no key in the log");
}

#[test]
fn a_key_is_no_cookie() {
    let server = Server::start();
    let ann = server.user();
    let (_, program) = make(&ann, &json!({"name": "k", "scopes": ["read"]}));
    server.nobody().with("cookie", &format!("access_token={}", program.token())).get("/api/v1/triggers").problem(401);
}

#[test]
fn keys_are_everybodys_own() {
    let server = Server::start();
    let (ann, bob) = (server.user(), server.register("bob@example.com"));
    let (made, program) = make(&ann, &json!({"name": "anns", "scopes": ["read", "manage"]}));
    assert_eq!(bob.get("/api/v1/api_keys").is(200).json(), json!([]));
    bob.delete(&format!("/api/v1/api_keys/{}", made["id"])).problem(404);
    program.get("/api/v1/triggers").is(200);
}

#[test]
fn a_key_that_cannot_be_is_refused_where_it_is_wrong() {
    let server = Server::start();
    let ann = server.user();
    for (body, named) in [
        (json!({"scopes": ["read"]}), "name"),
        (json!({"name": 7, "scopes": ["read"]}), "name"),
        (json!({"name": "k", "scopes": ["own"]}), "scopes"),
        (json!({"name": "k", "scopes": "read"}), "scopes"),
        (json!({"name": "k", "scopes": []}), "scopes"),
        (json!({"name": "k", "scopes": ["read"], "expires_at": "2001-01-01T00:00:00Z"}), "expires_at"),
        (json!({"name": "k", "scopes": ["read"], "colour": 1}), "colour"),
    ] {
        ann.post("/api/v1/api_keys", &body).blames(named);
    }
    assert_eq!(ann.get("/api/v1/api_keys").is(200).json(), json!([]));
}
