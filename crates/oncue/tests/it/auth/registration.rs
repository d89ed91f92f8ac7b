//! Who may register, and with what.

use std::thread;

use serde_json::json;

use crate::support::client::{Answer, Client};
use crate::support::server::{PASSWORD, Server, Setup};

fn register(server: &Server, email: &str, password: &str) -> Answer {
    server.nobody().post("/auth/register", &json!({"email": email, "password": password}))
}

#[test]
fn json_gives_a_token_and_the_cookie() {
    let server = Server::start();
    for path in ["/auth/register", "/auth/login", "/auth/login/"] {
        let answer = server.nobody().post(path, &json!({"email": "ann@example.com", "password": PASSWORD})).is(200);
        let body = answer.json();
        assert_eq!(body["token_type"], "bearer");
        assert_eq!(body.as_object().map(serde_json::Map::len), Some(2), "{path}");
        let token = body["access_token"].as_str().expect("a token");
        assert!(answer.header("set-cookie").starts_with(&format!("access_token={token};")), "{path}");
        server.nobody().bearer(token).get("/api/v1/triggers").is(200);
    }
}

#[test]
fn a_taken_address_is_compared_without_case() {
    let server = Server::start();
    register(&server, "Ann@Example.com", PASSWORD).is(200);
    for same in ["ann@example.com", "ANN@EXAMPLE.COM", "Ann@Example.com"] {
        register(&server, same, PASSWORD).problem(400);
        let login = server.nobody().post("/auth/login", &json!({"email": same, "password": PASSWORD}));
        login.is(200);
    }
}

#[test]
fn what_can_be_no_account_is_422() {
    let server = Server::start();
    for (email, password) in [
        ("no address", PASSWORD),
        ("ann", PASSWORD),
        ("@example.com", PASSWORD),
        ("ann@", PASSWORD),
        ("", PASSWORD),
        ("ann@example.com", "1234567"),
        ("ann@example.com", ""),
        ("ann@example.com", &"x".repeat(257)),
    ] {
        register(&server, email, password).problem(422);
        server.nobody().post("/auth/login", &json!({"email": email, "password": password})).problem(422);
    }
    for body in [
        json!({}),
        json!({"email": "ann@example.com"}),
        json!({"password": PASSWORD}),
        json!({"email": 1, "password": 2}),
    ] {
        server.nobody().post("/auth/register", &body).problem(422);
    }
    register(&server, "eight@example.com", "12345678").is(200);
    register(&server, "long@example.com", &"x".repeat(256)).is(200);
    register(&server, "wide@example.com", &"ü".repeat(256)).is(200);
}

#[test]
fn a_wrong_password_is_400() {
    let server = Server::start();
    server.user();
    for email in ["ann@example.com", "nobody@example.com"] {
        let problem =
            server.nobody().post("/auth/login", &json!({"email": email, "password": "not the password"})).problem(400);
        assert_eq!(problem["detail"].as_str().map(|detail| detail.contains(email)), Some(false), "{problem}");
    }
}

#[test]
fn on_loopback_anybody_may_register() {
    let server = Server::start();
    for email in ["ann@example.com", "bob@example.com"] {
        register(&server, email, PASSWORD).is(200);
    }
}

#[test]
fn with_first_the_first_closes_the_door() {
    let server = Setup::new().option("--registration", "first").serve();
    register(&server, "ann@example.com", PASSWORD).is(200);
    register(&server, "bob@example.com", PASSWORD).problem(403);
    server.login("ann@example.com");
}

#[test]
fn of_two_first_ones_at_once_one_wins() {
    let server = Setup::new().option("--registration", "first").serve();
    let statuses: Vec<u16> = thread::scope(|scope| {
        let racers: Vec<_> = (0..6)
            .map(|number| {
                scope.spawn({
                    let server = &server;
                    move || register(server, &format!("racer{number}@example.com"), PASSWORD).status
                })
            })
            .collect();
        racers.into_iter().map(|racer| racer.join().expect("a racer")).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 200 | 403)), "{statuses:?}");
}

#[test]
fn of_two_with_one_address_at_once_one_wins() {
    let server = Server::start();
    let statuses: Vec<u16> = thread::scope(|scope| {
        let racers: Vec<_> =
            (0..4).map(|_| scope.spawn(|| register(&server, "ann@example.com", PASSWORD).status)).collect();
        racers.into_iter().map(|racer| racer.join().expect("a racer")).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 200 | 400)), "{statuses:?}");
}

#[test]
fn closed_is_closed_for_everybody() {
    let server = Setup::new().option("--registration", "closed").serve();
    register(&server, "ann@example.com", PASSWORD).problem(403);
    let form = server
        .nobody()
        .call("POST", "/auth/register")
        .form(&[("email", "ann@example.com"), ("password", PASSWORD)])
        .send();
    assert_eq!(form.status, 403);
}

#[test]
fn elsewhere_than_on_loopback_only_the_first_may() {
    let server = Setup::bare().option("--listen", "0.0.0.0:0").serve();
    let client = Client::new(&format!("http://127.0.0.1:{}", server.port()));
    let register = |email: &str| client.post("/auth/register", &json!({"email": email, "password": PASSWORD}));
    register("ann@example.com").is(200);
    register("bob@example.com").problem(403);
}
