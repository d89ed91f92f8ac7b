//! The program: its commands, and how it starts, refuses to start, and ends. Its flags and variables are in `configuration`.

use serde_json::json;

use crate::support::server::{PASSWORD, Server, Setup};
use crate::support::wait::until;

#[test]
fn a_taken_port_is_refused_with_words() {
    let server = Server::start();
    let said = Setup::bare().option("--listen", &format!("127.0.0.1:{}", server.port())).refused();
    assert!(said.contains(&server.port().to_string()), "{said}");
}

#[test]
fn the_first_start_needs_no_set_up_and_says_where_it_is() {
    let server = Setup::new().serve();
    let log = server.log();
    assert!(log.contains(server.base()), "{log}");
    assert_ne!(server.port(), 0, "the line that announces readiness names the real port");
}

#[test]
fn sigterm_ends_it_well() {
    let server = Server::start();
    server.user();
    server.terminate();
    let (status, _) = server.wait();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn an_operator_sees_the_users_while_the_server_runs() {
    let server = Server::start();
    server.user();
    server.register("bob@example.com");
    let (status, said) = server.setup().run(&["user", "list"], "");
    assert!(status.success(), "{said}");
    assert!(said.contains("ann@example.com") && said.contains("bob@example.com"), "{said}");
    assert!(!said.contains("$argon2"), "no hash is shown: {said}");
}

#[test]
fn an_operator_sets_a_password_while_the_server_runs_and_every_login_ends() {
    let server = Server::start();
    let ann = server.user();
    let bob = server.register("bob@example.com");
    let new = "another horse, another battery";
    let (status, said) = server.setup().run(&["user", "set-password", "ANN@example.com"], &format!("{new}\n"));
    assert!(status.success(), "{said}");
    assert!(!said.contains(new), "{said}");
    ann.get("/api/v1/triggers").is(401);
    bob.get("/api/v1/triggers").is(200);
    let login = |password: &str| {
        server.nobody().post("/auth/login", &json!({"email": "ann@example.com", "password": password}))
    };
    login(PASSWORD).is(400);
    login(new).is(200);
    let (status, said) = server.setup().run(&["user", "set-password", "ann@example.com"], "short\n");
    assert!(!status.success() && said.contains('8'), "{said}");
    let (status, said) = server.setup().run(&["user", "set-password", "eve@example.com"], &format!("{new}\n"));
    assert!(!status.success() && said.contains("eve@example.com"), "{said}");
}

#[test]
fn an_operator_shuts_a_user_out_while_the_server_runs() {
    let server = Server::start();
    server.user();
    let bob = server.register("bob@example.com");
    let made = bob.post("/api/v1/api_keys", &json!({"name": "k", "scopes": ["read"]})).is(201).json();
    let program = server.nobody().bearer(made["key"].as_str().expect("a key"));
    program.get("/api/v1/triggers").is(200);
    let (status, said) = server.setup().run(&["user", "disable", "bob@example.com"], "");
    assert!(status.success(), "{said}");
    until("the login ends", || Some(()).filter(|()| bob.get("/api/v1/triggers").status == 401));
    program.get("/api/v1/triggers").is(401);
    let login = server.nobody().post("/auth/login", &json!({"email": "bob@example.com", "password": PASSWORD}));
    assert!(matches!(login.status, 400 | 403), "{}", login.status);
    let (status, said) = server.setup().run(&["user", "disable", "eve@example.com"], "");
    assert!(!status.success() && said.contains("eve@example.com"), "{said}");
}
