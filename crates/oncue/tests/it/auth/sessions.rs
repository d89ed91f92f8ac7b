//! A login lives until it is ended: by logging out, by its age, by a new password, by disabling.

use crate::support::server::{PASSWORD, Server, Setup};
use crate::support::wait::until;

#[test]
fn logging_out_ends_the_session_everywhere_at_once() {
    for method in ["GET", "POST"] {
        let server = Server::start();
        let ann = server.user();
        let other = server.login("ann@example.com");
        let cookie = server.nobody().with("cookie", &format!("access_token={}", ann.token()));
        cookie.get("/").is(200);
        let answer = cookie.call(method, "/logout").send().is(302);
        assert_eq!(answer.header("location"), "/auth/login");
        let cleared = answer.header("set-cookie").to_lowercase();
        assert!(cleared.starts_with("access_token=;") && cleared.contains("max-age=0"), "{cleared}");
        cookie.get("/api/v1/triggers").is(401);
        ann.get("/api/v1/triggers").is(401);
        assert_eq!(cookie.get("/").is(302).header("location"), "/auth/login");
        other.get("/api/v1/triggers").is(200);
    }
}

#[test]
fn a_logout_that_nobody_asked_for_shows_a_confirming_form() {
    let server = Server::start();
    let ann = server.user();
    let cookie = server.nobody().with("cookie", &format!("access_token={}", ann.token()));
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-purpose", "prefetch"),
        ("sec-purpose", "prefetch;prerender"),
        ("purpose", "prefetch"),
    ] {
        let page = cookie.call("GET", "/logout").header(name, value).send().is(200);
        assert!(page.text.contains("<form") && page.text.contains("/logout"), "{name}: {}", page.text);
        assert!(page.headers.get("set-cookie").is_none());
        ann.get("/api/v1/triggers").is(200);
    }
    cookie.call("POST", "/logout").header("sec-fetch-site", "cross-site").send().is(403);
    ann.get("/api/v1/triggers").is(200);
    cookie.call("GET", "/logout").header("sec-fetch-site", "same-origin").send().is(302);
    ann.get("/api/v1/triggers").is(401);
}

#[test]
fn logging_out_without_a_login_harms_nobody() {
    let server = Server::start();
    assert_eq!(server.nobody().get("/logout").is(302).header("location"), "/auth/login");
    server.nobody().bearer("nonsense").post_nothing("/logout").is(302);
}

#[test]
fn a_login_ends_with_its_age() {
    let server = Setup::new().option("--session-for", "2s").serve();
    let ann = server.user();
    ann.get("/api/v1/triggers").is(200);
    until("the session ends", || Some(ann.get("/api/v1/triggers")).filter(|answer| answer.status != 200)).problem(401);
}

#[test]
fn a_login_survives_a_restart() {
    let server = Server::start();
    let ann = server.user();
    let server = server.stop().serve();
    ann.at(server.base()).get("/api/v1/triggers").is(200);
    let server = server.kill().serve();
    ann.at(server.base()).get("/api/v1/triggers").is(200);
}

#[test]
fn a_password_is_kept_nowhere_as_it_was_typed() {
    let server = Server::start();
    server.user();
    let setup = server.stop();
    assert!(setup.holds("ann@example.com") && !setup.holds(PASSWORD));
}
