//! The pages without a browser: whose they are, and what their answers carry. Every address of the pages is asked by
//! somebody else and by nobody.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::server::{Server, Setup};

/// Somebody with a login, or nobody.
pub(crate) struct Person<'a> {
    server: &'a Server,
    agent: ureq::Agent,
    pub(crate) cookie: Option<String>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) location: String,
    cache_control: String,
    pub(crate) cookie: String,
    pub(crate) body: String,
}

impl Person<'_> {
    pub(crate) fn nobody(server: &Server) -> Person<'_> {
        let config = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0);
        Person { server, agent: config.timeout_global(Some(Duration::from_secs(30))).build().into(), cookie: None }
    }

    pub(crate) fn registered<'a>(server: &'a Server, email: &str) -> Person<'a> {
        let mut person = Person::nobody(server);
        let credentials = json!({"email": email, "password": "correct horse battery"});
        let url = format!("{}/auth/register", server.base());
        let mut answer = person.agent.post(url).send_json(credentials).expect("the server answers");
        let token: Value = answer.body_mut().read_json().expect("JSON");
        person.cookie = Some(format!("access_token={}", token["access_token"].as_str().expect("a token")));
        person
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        let mut request = self.agent.get(format!("{}{path}", self.server.base()));
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        Answer::of(request.call())
    }

    pub(crate) fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        let mut request = self.agent.post(format!("{}{path}", self.server.base()));
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        Answer::of(request.send_form(form.iter().copied()))
    }
}

impl Answer {
    fn of(result: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Answer {
        let mut response = result.expect("the server answers");
        let header = |name: &str| {
            response.headers().get(name).map(|value| value.to_str().expect("visible").to_owned()).unwrap_or_default()
        };
        let (location, cache_control, cookie) = (header("location"), header("cache-control"), header("set-cookie"));
        let body = response.body_mut().read_to_string().expect("a text");
        Answer { status: response.status().as_u16(), location, cache_control, cookie, body }
    }
}

const ACTIONS: [&str; 6] = ["fire", "test", "pause", "resume", "delete", "edit"];

#[test]
fn pages_show_and_change_only_what_is_ones_own() {
    let server = Server::start();
    let ann = Person::registered(&server, "ann@example.com");
    let bob = Person::registered(&server, "bob@example.com");
    let nobody = Person::nobody(&server);
    let made = ann.post("/ui/triggers", &[("kind", "api"), ("name", "the secret of Ann")]);
    assert_eq!((made.status, made.location.as_str()), (303, "/ui/triggers/1?done=created"), "{}", made.body);
    let fired = ann.post("/ui/triggers/1/fire", &[]);
    assert_eq!((fired.status, fired.location.as_str()), (303, "/ui/triggers/1?done=fired&event=1"), "{}", fired.body);

    let of_triggers = ["edit", "delete", "clone", "fire", "test"].map(|page| format!("/ui/triggers/1/{page}"));
    let shown = ["/events/1", "/ui/triggers/1"].map(ToOwned::to_owned);
    for page in shown.into_iter().chain(of_triggers) {
        let page = page.as_str();
        assert_eq!(ann.get(page).status, 200, "{page}");
        let foreign = bob.get(page);
        assert_eq!(foreign.status, 404, "{page}");
        assert!(!foreign.body.contains("Ann"), "{page}");
        let missing = bob.get(&page.replace('1', "99"));
        assert_eq!((missing.status, missing.body), (404, foreign.body), "{page}: foreign and missing look the same");
        let sent_off = nobody.get(page);
        let login = format!("/auth/login?next={}", page.replace('/', "%2F"));
        assert_eq!((sent_off.status, sent_off.location), (302, login), "{page}");
    }
    for action in ACTIONS {
        let path = format!("/ui/triggers/1/{action}");
        let form = [("kind", "api"), ("name", "taken over")];
        assert_eq!(bob.post(&path, &form).status, 404, "{path}");
        assert_eq!(nobody.post(&path, &form).status, 401, "{path}");
    }
    for path in ["/ui/triggers", "/ui/triggers/check", "/ui/triggers/test", "/ui/triggers/selected"] {
        assert_eq!(nobody.post(path, &[("kind", "api"), ("ids", "1"), ("action", "delete")]).status, 401, "{path}");
    }
    for path in ["/ui/triggers/check", "/ui/triggers/test"] {
        assert_eq!(bob.post(path, &[("id", "1"), ("kind", "api")]).status, 404, "{path}");
    }
    for action in ["pause", "resume", "delete"] {
        let passed_over = bob.post("/ui/triggers/selected", &[("ids", "1"), ("action", action), ("confirm", "1")]);
        assert_eq!(
            (passed_over.status, passed_over.location.as_str()),
            (303, "/ui/triggers?done=unchanged"),
            "{action}"
        );
    }
    assert_eq!(bob.post("/ui/triggers/selected", &[("ids", "1"), ("action", "export")]).body, "[]");
    let (hers, his) = (ann.get("/ui/triggers").body, bob.get("/ui/triggers").body);
    let lines = |page: &str| page.matches("name=\"ids\"").count();
    assert_eq!((lines(&hers), lines(&his)), (1, 0), "the trigger is Ann's, as it was: {hers}");
    assert!(!hers.contains("taken over") && hers.contains(">Pause<"), "{hers}");
    let (overview, his_overview) = (ann.get("/").body, bob.get("/").body);
    assert!(overview.contains("href=\"/events/1\"") && !overview.contains("href=\"/events/2\""), "{overview}");
    assert!(![his, his_overview].iter().any(|page| page.contains("Ann") || page.contains("/events/1")));
}

#[test]
fn addresses_that_are_not_right_get_a_page_that_says_so() {
    let server = Setup::new().flag("--open").serve();
    let local = Person::nobody(&server);
    for path in
        ["/events/0", "/events/x", "/events/99999999999999999999", "/ui/triggers/x/edit", "/ui/triggers/-1/delete"]
    {
        let answer = local.get(path);
        assert!(
            answer.status == 404 && answer.body.contains("no such page"),
            "{path}: {} {}",
            answer.status,
            answer.body
        );
    }
    let unknown = local.get("/ui/triggers?state=%3Cb%3Eold%3C/b%3E");
    assert!(unknown.status == 422 && !unknown.body.contains("<b>old"), "{}", unknown.body);
    let foisted = local.get("/?done=%3Cb%3EYour+account+is+locked%3C/b%3E&event=%3Ci%3E");
    assert!(foisted.status == 200 && !foisted.body.contains("locked"), "{}", foisted.body);
    let wrong_type = local.agent.post(format!("{}/ui/triggers", server.base())).send_json(json!({"kind": "api"}));
    assert_eq!(wrong_type.expect("the server answers").status().as_u16(), 415);
    let repeated = local.get("/ui/triggers/selected?q=a");
    assert_eq!((repeated.status, repeated.location.as_str()), (303, "/ui/triggers?q=a"));
    let paused = local.post("/ui/triggers", &[("kind", "api")]);
    assert_eq!(paused.status, 303);
    local.post("/ui/triggers/1/pause", &[]);
    let refused = local.post("/ui/triggers/1/fire", &[]);
    assert!(refused.status == 409 && refused.body.contains("paused"), "{}", refused.body);
}

#[test]
fn what_a_page_loads_may_be_kept_and_is_found_by_its_hash_alone() {
    let server = Setup::new().flag("--open").serve();
    let local = Person::nobody(&server);
    let page = local.get("/").body;
    let mut found = 0;
    for path in page.split('"').filter(|part| part.starts_with("/static/")) {
        let asset = local.get(path);
        assert_eq!(
            (asset.status, asset.cache_control.as_str()),
            (200, "public, max-age=31536000, immutable"),
            "{path}"
        );
        found += 1;
    }
    assert!(found >= 2, "{page}");
    assert_eq!(local.get("/static/oncue.css").status, 404);
    assert_eq!(local.get("/static/..%2foncue.css").status, 404);
}
