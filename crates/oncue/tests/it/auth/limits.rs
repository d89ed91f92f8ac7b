//! How often the door may be tried.

use serde_json::json;

use crate::support::client::Answer;
use crate::support::server::{PASSWORD, Server, Setup};

fn retry_after_s(answer: &Answer) -> u64 {
    answer.header("retry-after").parse().unwrap_or_else(|_| panic!("Retry-After in seconds, not {:?}", answer.headers))
}

/// Asks again and again until it is too often.
fn until_limited(tries: usize, mut ask: impl FnMut(usize) -> Answer) -> Answer {
    (0..tries)
        .map(&mut ask)
        .find(|answer| answer.status == 429)
        .unwrap_or_else(|| panic!("{tries} tries were all taken"))
}

#[test]
fn wrong_passwords_for_one_account_are_limited() {
    let server = Server::start();
    server.user();
    server.register("bob@example.com");
    let guess = |number: usize| json!({"email": "ann@example.com", "password": format!("a wrong guess {number}")});
    let limited = until_limited(50, |number| server.nobody().post("/auth/login", &guess(number)));
    assert!((1..=3600).contains(&retry_after_s(&limited)));
    limited.problem(429);
    server.nobody().post("/auth/login", &json!({"email": "ANN@example.com", "password": PASSWORD})).is(429);
    server.login("bob@example.com");
}

#[test]
fn a_right_password_does_not_count() {
    let server = Server::start();
    server.user();
    for _ in 0..30 {
        server.login("ann@example.com");
    }
}

#[test]
fn wrong_passwords_from_one_address_are_limited_over_all_accounts() {
    let server = Server::start();
    let guess = |number: usize| json!({"email": format!("user{number}@example.com"), "password": "a wrong guess"});
    let limited = until_limited(200, |number| server.nobody().post("/auth/login", &guess(number)));
    assert!(retry_after_s(&limited) >= 1);
}

#[test]
fn a_limited_form_says_so() {
    let server = Server::start();
    let limited = until_limited(50, |_| {
        let form = [("email", "ann@example.com"), ("password", "a wrong guess")];
        server.nobody().call("POST", "/auth/login").form(&form).send()
    });
    assert!(retry_after_s(&limited) >= 1);
    assert!(limited.text.contains("<form"), "{}", limited.text);
}

#[test]
fn registering_is_limited() {
    let server = Server::start();
    let register = |number: usize| json!({"email": format!("user{number}@example.com"), "password": PASSWORD});
    let limited = until_limited(400, |number| server.nobody().post("/auth/register", &register(number)));
    assert!(retry_after_s(&limited) >= 1);
}

#[test]
fn a_forwarded_address_is_believed_from_trusted_proxies_only() {
    let guess = |server: &Server, number: usize| {
        let body = json!({"email": format!("user{number}@example.com"), "password": "a wrong guess"});
        server.nobody().with("x-forwarded-for", &format!("203.0.113.{}", number % 250)).post("/auth/login", &body)
    };
    let distrustful = Server::start();
    until_limited(200, |number| guess(&distrustful, number));
    let trusting = Setup::new().option("--trusted-proxies", "127.0.0.0/8").serve();
    for number in 0..100 {
        guess(&trusting, number).is(400);
    }
}

#[test]
fn requests_are_limited_by_account_where_the_operator_says_so() {
    let server = Setup::new().option("--rate-limit", "20").serve();
    let (ann, bob) = (server.user(), server.register("bob@example.com"));
    let limited = until_limited(40, |_| ann.get("/api/v1/triggers"));
    assert!((1..=60).contains(&retry_after_s(&limited)));
    limited.problem(429);
    assert_eq!(ann.get("/triggers").status, 429, "over both surfaces");
    // Looking for something is what the limit bounds: what is there and what is not are answered alike.
    for path in ["/api/v1/triggers/1", "/api/v1/triggers/987654", "/triggers/987654"] {
        assert_eq!(ann.get(path).status, 429, "{path}");
        assert_eq!(ann.post_nothing(&format!("{path}/fire")).status, 429, "{path}");
    }
    bob.get("/api/v1/triggers").is(200);
}

#[test]
fn without_a_limit_there_is_none() {
    let server = Server::start();
    let ann = server.user();
    for _ in 0..300 {
        ann.get("/api/v1/triggers").is(200);
    }
}
