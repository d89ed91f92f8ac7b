//! The pages with `email` and `password`, and the cookie that comes of them.

use crate::support::client::{Answer, Client};
use crate::support::server::{PASSWORD, Server, Setup};

const ANN: &[(&str, &str)] = &[("email", "ann@example.com"), ("password", PASSWORD)];

fn send(client: &Client, path: &str, fields: &[(&str, &str)]) -> Answer {
    client.call("POST", path).form(fields).send()
}

/// The attributes of the cookie `access_token`, in lower case, and its value.
fn cookie(answer: &Answer) -> (String, Vec<String>) {
    let set = answer.headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok());
    let set = set.filter_map(|cookie| cookie.strip_prefix("access_token=")).next().expect("the cookie access_token");
    let mut parts = set.split(';').map(str::trim);
    let value = parts.next().unwrap_or_default().to_owned();
    (value, parts.map(str::to_lowercase).collect())
}

#[test]
fn the_pages_have_forms_with_email_and_password() {
    let server = Server::start();
    let nobody = server.nobody();
    for path in ["/auth/login", "/auth/register", "/auth/login/"] {
        let page = nobody.get(path).is(200);
        assert!(page.header("content-type").starts_with("text/html"));
        for part in ["<form", "name=\"email\"", "name=\"password\"", "method=\"post\""] {
            assert!(page.text.to_lowercase().contains(part), "{part} in {path}: {}", page.text);
        }
    }
}

#[test]
fn registering_and_logging_in_lead_to_the_overview_with_the_cookie() {
    let server = Server::start();
    let nobody = server.nobody();
    for path in ["/auth/register", "/auth/login"] {
        let answer = send(&nobody, path, ANN).is(302);
        assert_eq!(answer.header("location"), "/");
        let (token, attributes) = cookie(&answer);
        assert!(
            attributes.contains(&"httponly".to_owned()) && attributes.contains(&"samesite=lax".to_owned()),
            "{attributes:?}"
        );
        assert!(!attributes.contains(&"secure".to_owned()), "the public URL is http: {attributes:?}");
        assert!(!attributes.iter().any(|attribute| attribute.starts_with("domain")), "{attributes:?}");
        let ann = nobody.with("cookie", &format!("theme=dark; access_token={token}"));
        assert!(ann.get("/").is(200).header("content-type").starts_with("text/html"));
        ann.get("/api/v1/triggers").is(200);
    }
}

#[test]
fn the_cookie_is_secure_where_the_public_url_is_https() {
    let server = Setup::new().option("--public-url", "https://oncue.example").serve();
    let (_, attributes) = cookie(&send(&server.nobody(), "/auth/register", ANN).is(302));
    assert!(attributes.contains(&"secure".to_owned()), "{attributes:?}");
}

#[test]
fn who_fills_the_form_in_wrongly_gets_it_again_with_an_error() {
    let server = Server::start();
    server.user();
    let nobody = server.nobody();
    for (path, email, password) in [
        ("/auth/login", "ann@example.com", "not the password"),
        ("/auth/login", "nobody@example.com", PASSWORD),
        ("/auth/login", "", ""),
        ("/auth/register", "ann@example.com", PASSWORD),
        ("/auth/register", "no address", PASSWORD),
        ("/auth/register", "bob@example.com", "2 few"),
    ] {
        let page = send(&nobody, path, &[("email", email), ("password", password)]).is(400);
        assert!(page.text.contains("<form") && page.header("content-type").starts_with("text/html"), "{path} {email}");
        assert!(page.headers.get("set-cookie").is_none(), "{path} {email}");
        assert!(password.is_empty() || !page.text.contains(password), "a password is never shown: {path} {email}");
    }
}

#[test]
fn a_wrong_address_and_a_wrong_password_sound_the_same() {
    let server = Server::start();
    server.user();
    let page = |email: &str| {
        send(&server.nobody(), "/auth/login", &[("email", email), ("password", "not the password")]).is(400).text
    };
    assert_eq!(page("ann@example.com"), page("eve@example.com").replace("eve@", "ann@"));
}

#[test]
fn what_was_typed_comes_back_as_text() {
    let server = Server::start();
    let page =
        send(&server.nobody(), "/auth/login", &[("email", "\"><script>alert(1)</script>"), ("password", PASSWORD)])
            .is(400);
    assert!(!page.text.contains("<script>alert"), "{}", page.text);
}

#[test]
fn who_is_not_logged_in_is_led_to_the_form() {
    let server = Server::start();
    assert_eq!(server.nobody().get("/").is(302).header("location"), "/auth/login");
    assert_eq!(
        server.nobody().with("cookie", "access_token=nonsense").get("/").is(302).header("location"),
        "/auth/login"
    );
}

#[test]
fn the_table_routes_are_data_and_redirect_nobody() {
    let server = Server::start();
    for path in ["/api/v1/triggers/triggers_html", "/api/v1/event_logs/event_logs_html"] {
        server.nobody().get(path).is(401);
    }
}

#[test]
fn a_form_that_a_browser_brings_from_elsewhere_logs_nobody_in() {
    let server = Server::start();
    server.user();
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
    ] {
        let answer = server.nobody().call("POST", "/auth/login").header(name, value).form(ANN).send().is(403);
        assert!(answer.headers.get("set-cookie").is_none());
    }
    let nobody = server.nobody();
    let same =
        nobody.call("POST", "/auth/login").header("origin", server.base()).header("sec-fetch-site", "same-origin");
    same.form(ANN).send().is(302);
}
