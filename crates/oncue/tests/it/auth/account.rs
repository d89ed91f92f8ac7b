//! The account's page: sessions, keys, password and likings, and whose they are.

use crate::support::client::{Answer, Client};
use crate::support::server::{PASSWORD, Server, Setup};

fn send(client: &Client, path: &str, fields: &[(&str, &str)]) -> Answer {
    client.call("POST", path).form(fields).send()
}

/// The marks of the sessions that can be ended from this page, in its order.
fn marks(page: &str) -> Vec<String> {
    page.split("name=\"session\" value=\"")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()))
        .collect()
}

fn session_cookie(answer: &Answer) -> String {
    let cookie = answer.header("set-cookie");
    cookie.strip_prefix("access_token=").and_then(|rest| rest.split(';').next()).expect("a login").to_owned()
}

#[test]
fn a_session_is_ended_by_its_owner_alone() {
    let server = Server::start();
    let ann = server.user();
    let elsewhere = server.login("ann@example.com");
    let bob = server.register("bob@example.com");
    let page = ann.get("/account").is(200).text;
    let [mark] = marks(&page).try_into().expect("one other session");
    assert!(!page.contains(elsewhere.token()), "a page holds no login");
    send(&bob, "/account/sessions/end", &[("session", &mark)]).is(404);
    send(&ann, "/account/sessions/end", &[("session", "0123456789abcdef")]).is(404);
    elsewhere.get("/api/v1/triggers").is(200);
    let ended = send(&ann, "/account/sessions/end", &[("session", &mark)]).is(303);
    assert_eq!(ended.header("location"), "/account?done=session");
    elsewhere.get("/api/v1/triggers").is(401);
    ann.get("/api/v1/triggers").is(200);
    bob.get("/api/v1/triggers").is(200);
}

#[test]
fn all_other_sessions_end_at_once_and_name_their_programs() {
    let server = Server::start();
    let ann = server.user();
    let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\u{7f}";
    let firefox = firefox.trim_end_matches('\u{7f}');
    let credentials = [("email", "ann@example.com"), ("password", PASSWORD)];
    let entered =
        server.nobody().with("user-agent", firefox).call("POST", "/auth/login").form(&credentials).send().is(302);
    let other = server.nobody().with("cookie", &format!("access_token={}", session_cookie(&entered)));
    assert!(ann.get("/account").text.contains("Firefox on Linux"));
    send(&ann, "/account/sessions/end-others", &[]).is(303);
    assert_eq!(other.get("/").is(302).header("location"), "/auth/login");
    let page = ann.get("/account").is(200).text;
    assert!(marks(&page).is_empty() && !page.contains("Firefox on Linux"), "{page}");
}

#[test]
fn a_new_password_ends_every_session_but_this_one() {
    let server = Server::start();
    let ann = server.user();
    let other = server.login("ann@example.com");
    let change = |client: &Client, current: &str, new: &str, again: &str| {
        send(client, "/account/password", &[("current", current), ("new", new), ("again", again)])
    };
    for (current, new, again, words) in [
        ("not my password", "a new long password", "a new long password", "not your password"),
        (PASSWORD, "qwertz7", "qwertz7", "8 to 256"),
        (PASSWORD, "a new long password", "another long password", "not the same"),
    ] {
        let refused = change(&ann, current, new, again).is(422);
        assert!(refused.text.contains(words) && !refused.text.contains(new), "{words}: {}", refused.text);
    }
    other.get("/api/v1/triggers").is(200);
    let changed = change(&ann, PASSWORD, "a new long password", "a new long password").is(303);
    assert_eq!(changed.header("location"), "/account?done=password");
    let goes_on = server.nobody().with("cookie", &format!("access_token={}", session_cookie(&changed)));
    goes_on.get("/account").is(200);
    other.get("/api/v1/triggers").is(401);
    ann.get("/api/v1/triggers").is(401);
    let login =
        |password| send(&server.nobody(), "/auth/login", &[("email", "ann@example.com"), ("password", password)]);
    login(PASSWORD).is(400);
    login("a new long password").is(302);
}

#[test]
fn guessing_the_password_on_the_page_is_limited_as_at_the_door() {
    let server = Server::start();
    let ann = server.user();
    let guess = [("current", "not my password"), ("new", "a new long password"), ("again", "a new long password")];
    let answers: Vec<u16> = (0..12).map(|_| send(&ann, "/account/password", &guess).status).collect();
    assert_eq!(answers[..10], [422; 10]);
    assert_eq!(answers[10..], [429; 2]);
}

#[test]
fn a_key_is_shown_once_works_and_is_refused_once_revoked() {
    let server = Server::start();
    let ann = server.user();
    let bob = server.register("bob@example.com");
    let made = send(&ann, "/account/keys", &[("name", "deploy <b>script</b>"), ("scope_read", "on")]).is(200);
    assert_eq!(made.header("cache-control"), "no-store");
    assert!(!made.text.contains("<b>script"), "{}", made.text);
    let key =
        made.text.split("id=\"new-key\">").nth(1).and_then(|rest| rest.split('<').next()).expect("the key").to_owned();
    let program = server.nobody().bearer(&key);
    program.get("/api/v1/triggers").is(200);
    program.post_nothing("/api/v1/triggers/1/test").is(403);
    assert!(!ann.get("/account").is(200).text.contains(&key), "it is shown once");
    // A key must not make itself a better one.
    assert!(program.get("/account").is(302).header("location").starts_with("/auth/login"));
    send(&program, "/account/keys", &[("name", "more"), ("scope_manage", "on")]).is(401);
    send(&program, "/account/sessions/end-others", &[]).is(401);

    for fields in [
        &[("name", ""), ("scope_read", "on")][..],
        &[("name", "n")],
        &[("name", "n"), ("scope_fire", "on"), ("expires_at", "2020-01-01T00:00")],
    ] {
        assert!(send(&ann, "/account/keys", fields).is(422).text.contains("That is not right yet"));
    }
    send(&bob, "/account/keys/1/revoke", &[]).is(404);
    program.get("/api/v1/triggers").is(200);
    assert_eq!(send(&ann, "/account/keys/1/revoke", &[]).is(303).header("location"), "/account?done=revoked");
    program.get("/api/v1/triggers").is(401);
}

#[test]
fn the_address_of_a_form_that_was_not_right_leads_back_to_the_account() {
    let server = Server::start();
    let ann = server.user();
    for address in ["/account/keys", "/account/password", "/account/preferences"] {
        let page = send(&ann, address, &[("zone", "Mars/Olympus")]).is(422).text;
        assert!(page.contains(&format!("name=\"back\" value=\"{address}\"")), "the zone switch leads here: {page}");
        let back = send(&ann, "/account/clock", &[("shown_in", "utc"), ("back", address)]).is(303);
        assert_eq!(ann.get(back.header("location")).is(303).header("location"), "/account");
    }
}

#[test]
fn no_page_gives_two_of_its_parts_the_same_id() {
    let server = Server::start();
    let ann = server.user();
    for path in ["/", "/account", "/events", "/ui/triggers", "/ui/triggers/new", "/upcoming", "/forecast"] {
        let page = ann.get(path).is(200).text;
        let mut ids: Vec<&str> = page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(ids.contains(&"main"), "{path}: {ids:?}");
        ids.sort_unstable();
        let twice = ids.windows(2).find(|pair| pair[0] == pair[1]);
        assert_eq!(twice, None, "what is led to by it is the wrong one on {path}");
    }
}

#[test]
fn what_a_page_says_was_done_is_not_said_again_by_the_zone_switch() {
    let server = Server::start();
    let page = server.user().get("/ui/triggers?q=a&done=paused&ids=1,2&count=2").is(200).text;
    let backs: Vec<&str> =
        page.split("name=\"back\" value=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    // The zone switch and the button that takes it back.
    assert_eq!(backs, ["/ui/triggers?q=a"; 2]);
}

#[test]
fn likings_hold_after_a_restart_and_wrong_ones_are_named() {
    let server = Setup::new().serve();
    let ann = server.user();
    let unknown = send(&ann, "/account/preferences", &[("zone", "Mars/Olympus"), ("theme", "dark")]).is(422);
    assert!(unknown.text.contains("value=\"Mars/Olympus\"") && unknown.text.contains("zone-error"), "{}", unknown.text);
    assert!(ann.get("/account").text.contains("data-theme=\"system\""), "nothing of a wrong form is kept");
    send(&ann, "/account/preferences", &[("zone", "Europe/Riga"), ("theme", "dark")]).is(303);
    let back = send(&ann, "/account/clock", &[("shown_in", "utc"), ("back", "/account?x=1")]).is(303);
    assert_eq!(back.header("location"), "/account?x=1");
    let foreign = send(&ann, "/account/clock", &[("shown_in", "mine"), ("back", "//evil.example")]).is(303);
    assert_eq!(foreign.header("location"), "/account");
    send(&ann, "/account/clock", &[("shown_in", "moon")]).is(422);
    for unwanted in ["/logout", "/.//evil.example", "/docs/../logout"] {
        let back = send(&ann, "/account/clock", &[("shown_in", "mine"), ("back", unwanted)]).is(303);
        assert_eq!(back.header("location"), "/account", "{unwanted}");
    }
    let server = server.stop().serve();
    let page = ann.at(server.base()).get("/account").is(200).text;
    for part in ["data-theme=\"dark\"", "value=\"Europe/Riga\"", "Europe/Riga (UTC+0"] {
        assert!(page.contains(part), "{part}: {page}");
    }
}

#[test]
fn without_a_login_the_likings_are_left_and_nothing_else() {
    let server = Setup::new().flag("--open").serve();
    let local = server.nobody();
    let page = local.get("/account").is(200).text;
    assert!(
        page.contains("<h1>Settings</h1>") && !page.contains("API keys</h2>") && !page.contains("password"),
        "{page}"
    );
    send(&local, "/account/preferences", &[("zone", "Asia/Kolkata"), ("theme", "light")]).is(303);
    let page = local.get("/account").is(200).text;
    assert!(page.contains("data-theme=\"light\"") && page.contains("Asia/Kolkata"), "{page}");
    for path in ["/account/keys", "/account/password", "/account/sessions/end", "/account/sessions/end-others"] {
        send(&local, path, &[("name", "n")]).is(404);
    }
}

#[test]
fn nobody_and_other_sites_change_nothing() {
    let server = Server::start();
    let ann = server.user();
    assert_eq!(server.nobody().get("/account").is(302).header("location"), "/auth/login?next=%2Faccount");
    for path in ["preferences", "clock", "password", "sessions/end", "sessions/end-others", "keys", "keys/1/revoke"] {
        let path = format!("/account/{path}");
        send(&server.nobody(), &path, &[("name", "n")]).is(401);
        let foreign = ann.call("POST", &path).header("sec-fetch-site", "cross-site").form(&[("name", "n")]).send();
        assert_eq!(foreign.status, 403, "{path}");
    }
}
