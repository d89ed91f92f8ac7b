//! What answers tell a browser, and that no page needs more than that.

use serde_json::json;

use crate::support::client::Client;
use crate::support::server::Server;

#[test]
fn every_answer_keeps_a_browser_on_the_safe_side() {
    let server = Server::start();
    let ann = server.user();
    for path in [
        "/",
        "/auth/login",
        "/api/v1/triggers",
        "/triggers",
        "/nothing",
        "/docs",
        "/openapi.json",
        "/ping",
        "/api/v1/triggers/triggers_html",
    ] {
        for client in
            [ann.clone(), server.nobody(), server.nobody().with("cookie", &format!("access_token={}", ann.token()))]
        {
            let answer = client.get(path);
            let policy = answer.header("content-security-policy");
            assert!(policy.contains("default-src 'self'") || policy.contains("default-src 'none'"), "{path}: {policy}");
            assert!(
                !policy.contains("http:") && !policy.contains("https:") && !policy.contains('*'),
                "{path}: {policy}"
            );
            assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
            if path != "/docs" {
                assert!(
                    !policy.contains("unsafe-inline") && !policy.contains("unsafe-eval") && !policy.contains("data:"),
                    "{path}: {policy}"
                );
            }
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
            assert!(!answer.header("referrer-policy").is_empty(), "{path}");
            assert!(
                answer.headers.get("server").is_none_or(|server| !server.to_str().is_ok_and(|text| text.contains('.'))),
                "{path}"
            );
        }
    }
}

/// The attributes and tags of a page that would be inline script or style.
fn inline_parts(html: &str) -> Vec<String> {
    let lower = without_values(&html.to_lowercase());
    let mut found = Vec::new();
    for tag in lower.split('<').skip(1).filter_map(|rest| rest.split('>').next()) {
        let name = tag.split(|c: char| c.is_whitespace() || c == '/').next().unwrap_or_default();
        let is_bare_script = name == "script" && !tag.contains("src=");
        let attributes = tag.split_whitespace().skip(1);
        let has_handler = attributes.clone().any(|attribute| attribute.starts_with("on") && attribute.contains('='));
        let has_style = attributes.clone().any(|attribute| attribute.starts_with("style="));
        if is_bare_script || name == "style" || has_handler || has_style || tag.contains("javascript:") {
            found.push(tag.to_owned());
        }
    }
    found
}

/// The page with its attributes' values emptied, except those that lead to script.
fn without_values(html: &str) -> String {
    let mut bare = String::new();
    for (number, part) in html.split('"').enumerate() {
        let is_value = number % 2 == 1;
        bare.push_str(if is_value && !part.trim_start().starts_with("javascript:") { "" } else { part });
        bare.push('"');
    }
    bare
}

/// Every page that can be reached from `/` by links.
fn pages(browser: &Client) -> Vec<(String, String)> {
    let mut seen = Vec::new();
    let mut pages = Vec::new();
    let mut waiting = vec!["/".to_owned()];
    while let Some(path) = waiting.pop() {
        if seen.contains(&path) || path.contains("logout") || path.starts_with("/docs") || seen.len() > 60 {
            continue;
        }
        seen.push(path.clone());
        let answer = browser.get(&path);
        assert!(answer.status < 400, "the link {path} leads to {}: {}", answer.status, answer.text);
        if !answer.header("content-type").starts_with("text/html") {
            continue;
        }
        for rest in answer.text.split("href=\"").skip(1) {
            let target = rest.split(['"', '#']).next().unwrap_or_default().replace("&amp;", "&");
            if target.starts_with('/') {
                waiting.push(target);
            }
        }
        pages.push((path, answer.text));
    }
    pages
}

#[test]
fn no_page_has_inline_script_or_style_or_anything_foreign_and_no_link_is_dead() {
    let server = Server::start();
    let ann = server.user();
    let made =
        ann.post("/api/v1/triggers", &json!({"type": "api", "name": "<script>alert(1)</script>"})).is(201).json();
    ann.post(
        "/api/v1/triggers",
        &json!({"type": "scheduled", "schedule_details": {"cron": "@daily"}, "name": "\" onload=\"x"}),
    )
    .is(201);
    ann.post("/api/v1/triggers/1/fire", &json!({"text": "</script><script>alert(2)</script>"})).is(200);
    ann.post_nothing(&format!("/api/v1/triggers/{}/test", made["id"])).is(200);
    let browser = server.nobody().with("cookie", &format!("access_token={}", ann.token()));
    let mut all = pages(&browser);
    assert!(all.len() >= 3, "the overview leads somewhere: {:?}", all.iter().map(|(path, _)| path).collect::<Vec<_>>());
    for path in ["/auth/login", "/auth/register"] {
        all.push((path.to_owned(), server.nobody().get(path).is(200).text));
    }
    for (path, page) in all {
        assert_eq!(inline_parts(&page), Vec::<String>::new(), "{path}");
        assert!(!page.contains("<script>alert"), "{path}");
        for foreign in ["src=\"http", "src=\"//", "href=\"//", "@import", "action=\"http"] {
            assert!(!page.contains(foreign), "{foreign} in {path}");
        }
        for rest in page.split("src=\"").skip(1) {
            let source = rest.split('"').next().expect("the attribute ends");
            browser.get(source).is(200);
        }
    }
}

#[test]
fn the_page_of_a_trigger_that_was_deleted_leads_to_its_events_and_is_nobody_elses() {
    let server = Server::start();
    let ann = server.user();
    let make =
        |name: &str| ann.post("/api/v1/triggers", &json!({"type": "api", "name": name})).is(201).json()["id"].clone();
    let (fired, silent) = (make("nightly"), make("silent"));
    let event = ann.post(&format!("/api/v1/triggers/{fired}/fire"), &json!({})).is(200).json()["event_id"].clone();
    for id in [&fired, &silent] {
        ann.delete(&format!("/api/v1/triggers/{id}")).is(204);
    }
    let page = ann.get(&format!("/ui/triggers/{fired}")).is(410).text;
    assert!(page.contains("nightly is deleted") && page.contains(&format!("/events/{event}")), "{page}");
    for words in [
        "by ann@example.com".to_owned(),
        format!("/ui/triggers/{fired}/why"),
        format!("/ui/triggers/{fired}/revisions"),
    ] {
        assert!(page.contains(&words), "{words}: {page}");
    }
    let never = ann.get("/ui/triggers/999").is(404).text;
    assert!(!never.contains("is deleted"), "{never}");
    let page = ann.get(&format!("/ui/triggers/{silent}")).is(410).text;
    assert!(page.contains("silent is deleted") && !page.contains("Last event"), "{page}");
    let ben = server.register("ben@example.com");
    for id in [&fired, &silent] {
        ben.get(&format!("/ui/triggers/{id}")).is(404);
    }
}
