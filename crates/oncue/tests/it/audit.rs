//! `GET /api/v1/audit` and `/audit`: who did what. The routes are taken from the server's own description, so that one that is added and
//! leaves no line fails here.

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::receiver::Receiver;
use crate::support::server::{Server, Setup};
use crate::support::wait::until;

const EMAIL: &str = "ann@example.com";

/// What changes nothing but that an event is logged for a program, which tells it, or nothing at all.
const NO_ACTS: [&str; 6] = [
    "/triggers/{id}/fire",
    "/api/v1/triggers/{id}/fire",
    "/api/v1/fire/bulk",
    "/api/v1/destinations/preview",
    "/api/v1/schedules/preview",
    // What was reported stands with the event.
    "/report/{token}/{verb}",
];

fn log(ann: &Client, query: &str) -> Vec<Value> {
    ann.get(&format!("/api/v1/audit{query}")).is(200).list()
}

/// What was done and to what, the oldest first.
fn told(entries: &[Value]) -> Vec<String> {
    let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let told = |entry: &Value| format!("{} {}", word(&entry["action"]), word(&entry["object"]["kind"]));
    entries.iter().rev().map(told).collect()
}

/// Somebody with one of everything that a route may be called for.
struct House<'a> {
    server: &'a Server,
    ann: Client,
    receiver: Receiver,
}

impl House<'_> {
    fn id(&self, path: &str, body: &Value) -> Value {
        self.ann.post(path, body).is(201).json()["id"].clone()
    }

    fn trigger(&self) -> Value {
        self.id("/api/v1/triggers", &json!({"type": "api", "name": "t"}))
    }

    fn calendar(&self, name: &str) -> Value {
        self.id("/api/v1/calendars", &json!({"name": name, "dates": ["2031-12-25"]}))
    }

    fn destination(&self) -> Value {
        self.id("/api/v1/destinations", &json!({"name": "d", "kind": "webhook", "url": self.receiver.url()}))
    }

    /// What waits of a trigger until somebody releases it.
    fn backlog(&self) -> Value {
        let details = json!({"cron": "0 * * * *"});
        let trigger = self.id("/api/v1/triggers", &json!({"type": "scheduled", "schedule_details": details}));
        let span = json!({"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z", "hold": true});
        let made = self.ann.post(&format!("/api/v1/triggers/{trigger}/backfill"), &span).is(200).json();
        made["backlog"]["id"].clone()
    }

    /// An event whose one delivery is in that state.
    fn event(&self, destination: &Value, state: &str) -> Value {
        let trigger = self.id("/api/v1/triggers", &json!({"type": "api", "destinations": [destination]}));
        let event =
            self.ann.post_nothing(&format!("/api/v1/triggers/{trigger}/fire")).is(200).json()["event_id"].clone();
        until(state, || {
            let shown = self.ann.get(&format!("/api/v1/event_logs/{event}")).is(200).json();
            Some(()).filter(|()| shown["deliveries"][0]["state"] == state)
        });
        event
    }

    /// Calls a route as it is meant to be called; gives what ought to be told of it.
    fn carry_out(&self, method: &str, route: &str) -> (&'static str, &'static str) {
        let ann = &self.ann;
        match (method, route) {
            ("post", "/triggers") => {
                ann.post(route, &json!({"name": "f", "trigger_type": "api"})).is(200);
                ("created", "trigger")
            }
            ("put", "/triggers/{id}") => {
                ann.put(&format!("/triggers/{}", self.trigger()), &json!({"name": "g"})).is(200);
                ("edited", "trigger")
            }
            ("delete", "/triggers/{id}") => {
                ann.delete(&format!("/triggers/{}", self.trigger())).is(200);
                ("deleted", "trigger")
            }
            ("post", "/api/v1/triggers") => {
                self.trigger();
                ("created", "trigger")
            }
            ("post", "/api/v1/triggers/bulk") => {
                ann.post(route, &json!([{"type": "api"}, {"type": "api"}])).is(200);
                ("created", "trigger")
            }
            ("put" | "patch", "/api/v1/triggers/{id}") => {
                let at = format!("/api/v1/triggers/{}", self.trigger());
                ann.call(&method.to_uppercase(), &at).json(&json!({"name": "new"})).send().is(200);
                ("edited", "trigger")
            }
            ("delete", "/api/v1/triggers/{id}") => {
                ann.delete(&format!("/api/v1/triggers/{}", self.trigger())).is(204);
                ("deleted", "trigger")
            }
            ("post", "/api/v1/triggers/{id}/revisions/{revision}/restore") => {
                let at = format!("/api/v1/triggers/{}", self.trigger());
                ann.patch(&at, &json!({"name": "new"})).is(200);
                ann.post_nothing(&format!("{at}/revisions/1/restore")).is(200);
                ("edited", "trigger")
            }
            ("post", "/api/v1/calendars") => {
                self.calendar("made");
                ("created", "calendar")
            }
            ("put", "/api/v1/calendars/{id}") => {
                let at = format!("/api/v1/calendars/{}", self.calendar("replaced"));
                ann.put(&at, &json!({"name": "replaced", "dates": []})).is(200);
                ("edited", "calendar")
            }
            ("delete", "/api/v1/calendars/{id}") => {
                ann.delete(&format!("/api/v1/calendars/{}", self.calendar("deleted"))).is(204);
                ("deleted", "calendar")
            }
            ("post", "/api/v1/destinations") => {
                self.destination();
                ("created", "destination")
            }
            ("put" | "patch", "/api/v1/destinations/{id}") => {
                let at = format!("/api/v1/destinations/{}", self.destination());
                let body = json!({"name": "new", "kind": "webhook", "url": self.receiver.url()});
                ann.call(&method.to_uppercase(), &at).json(&body).send().is(200);
                ("edited", "destination")
            }
            ("delete", "/api/v1/destinations/{id}") => {
                ann.delete(&format!("/api/v1/destinations/{}", self.destination())).is(204);
                ("deleted", "destination")
            }
            ("post", "/api/v1/destinations/{id}/pause") => {
                ann.post_nothing(&format!("/api/v1/destinations/{}/pause", self.destination())).is(200);
                ("paused", "destination")
            }
            ("post", "/api/v1/destinations/{id}/resume") => {
                let at = format!("/api/v1/destinations/{}", self.destination());
                ann.post_nothing(&format!("{at}/pause")).is(200);
                ann.post_nothing(&format!("{at}/resume")).is(200);
                ("resumed", "destination")
            }
            ("post", "/api/v1/destinations/{id}/rotate") => {
                ann.post_nothing(&format!("/api/v1/destinations/{}/rotate", self.destination())).is(201);
                ("edited", "destination")
            }
            ("delete", "/api/v1/destinations/{id}/secrets/{secret_id}") => {
                let at = format!("/api/v1/destinations/{}", self.destination());
                ann.post_nothing(&format!("{at}/rotate")).is(201);
                let shown = ann.get(&at).is(200).json();
                let secret = shown["secrets"][0]["id"].as_str().expect("an id").to_owned();
                ann.delete(&format!("{at}/secrets/{secret}")).is(204);
                ("edited", "destination")
            }
            ("post", "/triggers/test") => {
                ann.post(route, &json!({"name": "f", "trigger_type": "api"})).is(200);
                ("fired", "trigger")
            }
            ("post", "/api/v1/triggers/{id}/run" | "/api/v1/triggers/{id}/test") => {
                ann.post_nothing(&route.replace("{id}", &self.trigger().to_string())).is(200);
                ("fired", "trigger")
            }
            ("post", "/api/v1/event_logs/{id}/fire_again") => {
                let event = self.event(&self.destination(), "delivered");
                ann.post_nothing(&route.replace("{id}", &event.to_string())).is(201);
                ("fired", "trigger")
            }
            ("post", "/api/v1/destinations/{id}/test") => {
                ann.post_nothing(&route.replace("{id}", &self.destination().to_string())).is(200);
                ("fired", "destination")
            }
            ("post", "/api/v1/event_logs/{id}/deliveries/{slot}/redeliver") => {
                let event = self.event(&self.destination(), "delivered");
                ann.post_nothing(&format!("/api/v1/event_logs/{event}/deliveries/0/redeliver")).is(200);
                ("redelivered", "delivery")
            }
            ("post", "/api/v1/event_logs/{id}/deliveries/{slot}/cancel") => {
                let destination = self.destination();
                ann.post_nothing(&format!("/api/v1/destinations/{destination}/pause")).is(200);
                let event = self.event(&destination, "parked");
                ann.post_nothing(&format!("/api/v1/event_logs/{event}/deliveries/0/cancel")).is(200);
                ("cancelled", "delivery")
            }
            ("post", "/api/v1/deliveries/redeliver") => {
                let event = self.event(&self.destination(), "delivered");
                let sent = ann.post(route, &json!({"deliveries": [{"event_id": event, "slot": 0}]})).is(200).json();
                assert_eq!(sent["redelivered"], 1);
                ("redelivered", "delivery")
            }
            ("post", "/api/v1/triggers/{id}/backfill") => {
                self.backlog();
                ("backfilled", "trigger")
            }
            ("post", "/api/v1/backlog/release" | "/api/v1/backlog/discard") => {
                self.backlog();
                ann.post_nothing(route).is(200);
                (if route.ends_with("release") { "released" } else { "discarded" }, "trigger")
            }
            ("post", "/api/v1/backlog/{id}/release" | "/api/v1/backlog/{id}/discard") => {
                let at = route.replace("{id}", &self.backlog().to_string());
                ann.post_nothing(&at).is(200);
                (if route.ends_with("release") { "released" } else { "discarded" }, "trigger")
            }
            ("post", "/api/v1/api_keys") => {
                self.id(route, &json!({"name": "k", "scopes": ["read"]}));
                ("created", "api_key")
            }
            ("delete", "/api/v1/api_keys/{id}") => {
                let id = self.id("/api/v1/api_keys", &json!({"name": "k", "scopes": ["read"]}));
                ann.delete(&format!("/api/v1/api_keys/{id}")).is(204);
                ("deleted", "api_key")
            }
            ("post", "/api/v1/freeze") => {
                ann.post(route, &json!({"reason": "moving"})).is(200);
                ("frozen", "user")
            }
            ("delete", "/api/v1/freeze") => {
                ann.post(route, &json!({})).is(200);
                ann.delete(route).is(204);
                ("thawed", "user")
            }
            ("post", "/auth/login") => {
                self.server.login(EMAIL);
                ("logged_in", "user")
            }
            unknown => panic!("say here how {unknown:?} is called, or in NO_ACTS why it leaves no line"),
        }
    }
}

#[test]
fn every_route_that_changes_something_leaves_a_line() {
    let server = Setup::new().flag("--allow-private-destinations").serve();
    let house = House { ann: server.user(), server: &server, receiver: Receiver::start() };
    let document = server.nobody().get("/openapi.json").is(200).json();
    let mut walked = 0;
    for (route, operations) in document["paths"].as_object().expect("paths") {
        let changing = ["post", "put", "patch", "delete"];
        // Who registers has no log before; that is looked at below.
        if NO_ACTS.contains(&route.as_str()) || route == "/auth/register" {
            continue;
        }
        for method in
            operations.as_object().expect("operations").keys().filter(|name| changing.contains(&name.as_str()))
        {
            let before = log(&house.ann, "?limit=1")[0]["id"].as_i64().expect("she registered and logged in");
            let (action, kind) = house.carry_out(method, route);
            let latest = log(&house.ann, "?limit=1").remove(0);
            assert!(latest["id"].as_i64() > Some(before), "{method} {route} left no line");
            assert_eq!(
                (&latest["action"], &latest["object"]["kind"]),
                (&json!(action), &json!(kind)),
                "{method} {route}"
            );
            assert_eq!(
                (&latest["by"]["name"], &latest["by"]["address"]),
                (&json!(EMAIL), &json!("127.0.0.1")),
                "{method} {route}"
            );
            walked += 1;
        }
    }
    assert!(walked > 20, "{walked}");
    for leads_nowhere in NO_ACTS {
        assert!(document["paths"].get(leads_nowhere).is_some(), "{leads_nowhere} is gone");
    }
    // And the pages that have no route among those.
    let page = Client::new(house.ann.base()).with("cookie", &format!("access_token={}", house.ann.token()));
    let latest = || told(&log(&house.ann, "?limit=1")).remove(0);
    page.call("POST", "/account/preferences").form(&[("zone", "Europe/Riga")]).send().is(303);
    assert_eq!(latest(), "preferences_changed user");
    server.login(EMAIL);
    page.call("POST", "/account/sessions/end-others").form(&[]).send().is(303);
    assert_eq!(latest(), "others_logged_out user");
    server.nobody().call("POST", "/auth/login").form(&[("email", EMAIL), ("password", "not right")]).send().is(400);
    assert_eq!(latest(), "login_failed user");
    let other = server.login(EMAIL);
    Client::new(other.base())
        .with("cookie", &format!("access_token={}", other.token()))
        .call("POST", "/logout")
        .send()
        .is(302);
    assert_eq!(latest(), "logged_out user");
}

/// What was fired by hand, the oldest first: by what sort of actor, what, and how.
fn fired(ann: &Client) -> Vec<(Value, Value, String)> {
    let lines = log(ann, "?action=fired");
    let details = |line: &Value| line["details"].as_str().expect("it says which event").to_owned();
    lines.iter().rev().map(|line| (line["by"]["kind"].clone(), line["object"]["id"].clone(), details(line))).collect()
}

#[test]
fn whoever_fires_by_hand_is_told_once_and_the_calls_of_programs_are_not() {
    let receiver = Receiver::start();
    let server = Setup::new().flag("--allow-private-destinations").serve();
    let ann = server.user();
    let key = ann.post("/api/v1/api_keys", &json!({"name": "ci", "scopes": ["fire"]})).is(201).json();
    let program = server.nobody().bearer(key["key"].as_str().expect("a key"));
    let id = ann.post("/api/v1/triggers", &json!({"type": "api", "name": "t"})).is(201).json()["id"].clone();
    let hook = json!({"name": "d", "kind": "webhook", "url": receiver.url()});
    let destination = ann.post("/api/v1/destinations", &hook).is(201).json()["id"].clone();
    let at = format!("/api/v1/triggers/{id}");

    // What programs call, with a key and without, one and many, on both surfaces, with a login too.
    let under = |key: &str| program.with("idempotency-key", key);
    for [one, flat, many] in [[&ann; 3], [&program; 3], [&under("one"), &under("flat"), &under("many")]] {
        one.post(&format!("{at}/fire"), &json!({"n": 1})).is(200);
        flat.post_nothing(&format!("/triggers/{id}/fire")).is(200);
        many.post("/api/v1/fire/bulk", &json!([{"trigger_id": id}])).is(200);
    }
    assert!(fired(&ann).is_empty(), "a call of fire leaves no line");

    let run = program.post_nothing(&format!("{at}/run")).is(200).json()["event_id"].clone();
    let keyed = ann.with("idempotency-key", "test");
    let tests: Vec<Value> =
        (0..2).map(|_| keyed.post_nothing(&format!("{at}/test")).is(200).json()["event_id"].clone()).collect();
    let again = |event: &Value| {
        let fired = ann.post_nothing(&format!("/api/v1/event_logs/{event}/fire_again")).is(201);
        fired.json()["event_id"].clone()
    };
    let (repeat, test_again) = (again(&run), again(&tests[0]));
    let tried = ann.post("/triggers/test", &json!({"name": "f", "trigger_type": "api"})).is(200).json()["id"].clone();
    let unkept = ann.get("/api/v1/event_logs?limit=1").is(200).list()[0]["id"].clone();
    let at_destination = format!("/api/v1/destinations/{destination}/test");
    let trial = ann.post_nothing(&at_destination).is(200).json()["event_id"].clone();
    let (user, ci) = (json!("user"), json!("api_key"));
    let expected = [
        (ci, id.clone(), format!("event {run}, run now")),
        (user.clone(), id.clone(), format!("event {}, test", tests[0])),
        (user.clone(), id.clone(), format!("event {repeat}, again what event {run} carried")),
        (user.clone(), id, format!("event {test_again}, test, again what event {} carried", tests[0])),
        (user.clone(), tried, format!("event {unkept}, test of what is not saved")),
        (user, destination, format!("event {trial}, test")),
    ];
    assert_eq!(fired(&ann), expected);
    let last = log(&ann, "?action=fired&object=destination").remove(0);
    assert_eq!(
        (&last["object"]["name"], &last["by"]["address"], &last["by"]["name"]),
        (&json!("d"), &json!("127.0.0.1"), &json!(EMAIL))
    );

    // What is refused is not done: paused, another's, gone.
    ann.patch(&at, &json!({"enabled": false})).is(200);
    for path in [format!("{at}/run"), format!("/api/v1/event_logs/{run}/fire_again")] {
        ann.post_nothing(&path).problem(409);
    }
    server.register("ben@example.com").post_nothing(&format!("{at}/test")).problem(404);
    assert_eq!(fired(&ann).len(), expected.len());
    assert!(ann.get("/audit?action=fired").is(200).text.contains(&format!("event {run}, run now")));
}

#[test]
fn whoever_presses_a_button_has_fired_by_hand() {
    let server = Server::start();
    let ann = server.user();
    let page = Client::new(ann.base()).with("cookie", &format!("access_token={}", ann.token()));
    let id = ann.post("/api/v1/triggers", &json!({"type": "api", "name": "t"})).is(201).json()["id"].clone();
    let destination = ann.post("/api/v1/destinations", &json!({"name": "d", "kind": "inbox", "secrets": []}));
    let destination = destination.is(201).json()["id"].clone();
    let newest = || ann.get("/api/v1/event_logs?limit=1").is(200).list()[0]["id"].clone();
    let mut expected = Vec::new();
    let mut parent = Value::Null;
    for (path, fields, object, how) in [
        (format!("/ui/triggers/{id}/fire"), &[("payload", "7")][..], &id, "as a call would"),
        (format!("/ui/triggers/{id}/run"), &[], &id, "run now"),
        (format!("/ui/triggers/{id}/test"), &[], &id, "test"),
        (format!("/ui/destinations/{destination}/test"), &[], &destination, "test"),
    ] {
        page.call("POST", &path).form(fields).send().is(303);
        let event = newest();
        if parent.is_null() {
            parent = event.clone();
        }
        expected.push((json!("user"), object.clone(), format!("event {event}, {how}")));
    }
    page.call("POST", &format!("/events/{parent}/fire-again")).form(&[]).send().is(303);
    let event = newest();
    expected.push((json!("user"), id.clone(), format!("event {event}, again what event {parent} carried")));
    page.call("POST", "/ui/triggers/test").form(&[("kind", "api"), ("name", "draft")]).send().is(200);
    let tried = ann.get("/api/v1/event_logs?limit=1").is(200).list().remove(0);
    let how = format!("event {}, test of what is not saved", tried["id"]);
    expected.push((json!("user"), tried["trigger_id"].clone(), how));
    assert_eq!(fired(&ann), expected);
    for (event, leads_to) in [
        (&event, format!("/audit?object=trigger&#38;object_id={id}")),
        (&tried["id"], "/audit?action=fired".to_owned()),
    ] {
        let told = page.get(&format!("/events/{event}")).is(200).text;
        assert!(told.contains(&format!("href=\"{leads_to}\"")), "{told}");
    }
    let shown = page.get("/audit?action=fired").is(200).text;
    assert!(shown.contains(&format!("href=\"/ui/triggers/{id}\"")), "{shown}");
    assert!(!shown.contains("href=\"/ui/triggers/-"), "what was never saved has no page: {shown}");
}

#[test]
fn the_page_of_an_event_leads_to_whoever_fired_it_by_making_its_trigger() {
    let server = Server::start();
    let ann = server.user();
    let page = Client::new(ann.base()).with("cookie", &format!("access_token={}", ann.token()));
    let made = ann.post("/api/v1/triggers", &json!({"type": "api", "name": "tried at once", "is_test": true})).is(201);
    let id = made.json()["id"].clone();
    let event = ann.get("/api/v1/event_logs?limit=1&status=all").is(200).list()[0]["id"].clone();
    let shown = page.get(&format!("/events/{event}")).is(200).text;
    let leads_to = shown.split("Who fired it?").next().and_then(|before| before.rsplit("href=\"").next());
    let leads_to = leads_to.and_then(|rest| rest.split('"').next()).expect("it leads there").replace("&#38;", "&");
    assert_eq!(leads_to, format!("/audit?object=trigger&object_id={id}"));
    let lines = page.get(&leads_to).is(200).text;
    assert!(lines.contains("tried at once") && lines.contains("created"), "{lines}");
    assert_eq!(told(&log(&ann, leads_to.trim_start_matches("/audit"))), ["created trigger"]);
}

#[test]
fn a_log_is_its_owners_and_the_operator_sees_the_servers_too() {
    let server = Server::start();
    let (ann, ben) = (server.user(), server.register("ben@example.com"));
    ben.post("/api/v1/triggers", &json!({"type": "api", "name": "his"})).is(201);
    server.nobody().post("/auth/login", &json!({"email": "nobody@example.com", "password": "hunter2 hunter2"})).is(400);
    let his = log(&ben, "");
    assert_eq!(told(&his), ["created user", "logged_in user", "created trigger"]);
    assert_eq!(his[2]["by"]["kind"], "stranger");
    let hers = log(&ann, "");
    assert_eq!(
        told(&hers),
        ["created user", "logged_in user", "login_failed user"],
        "the last one is nobody's, so the server's"
    );
    assert_eq!(hers[0]["object"]["id"], Value::Null);
    let setup = server.stop();
    assert!(!setup.holds("nobody@example.com") && !setup.holds("hunter2"), "what strangers type is not kept");
    let (status, _) = setup.run(&["user", "set-password", "ben@example.com"], "another password\n");
    assert!(status.success());
    let server = setup.serve();
    let again =
        server.nobody().post("/auth/login", &json!({"email": "ben@example.com", "password": "another password"}));
    let ben = server.nobody().bearer(again.is(200).json()["access_token"].as_str().expect("a token"));
    let changed = log(&ben, "?action=password_changed").remove(0);
    assert_eq!(changed["by"]["kind"], "command_line");
    server.nobody().get("/api/v1/audit").problem(401);
}

#[test]
fn the_log_is_filtered_and_paged() {
    let server = Server::start();
    let ann = server.user();
    let key = ann.post("/api/v1/api_keys", &json!({"name": "ci", "scopes": ["read", "manage"]})).is(201).json();
    let program = Client::new(ann.base()).bearer(key["key"].as_str().expect("a key"));
    let id = program.post("/api/v1/triggers", &json!({"type": "api", "name": "t"})).is(201).json()["id"].clone();
    program.patch(&format!("/api/v1/triggers/{id}"), &json!({"name": "u"})).is(200);
    ann.delete(&format!("/api/v1/triggers/{id}")).is(204);
    let key = &key["id"];
    for (query, expected) in [
        ("?object=trigger".to_owned(), vec!["created trigger", "edited trigger", "deleted trigger"]),
        (format!("?object=trigger&object_id={id}&by=api_key"), vec!["created trigger", "edited trigger"]),
        (format!("?by=api_key&by_id={key}&action=edited"), vec!["edited trigger"]),
        ("?object=destination".to_owned(), vec![]),
    ] {
        assert_eq!(told(&log(&ann, &query)), expected, "{query}");
    }
    let deleted = log(&ann, "?action=deleted").remove(0);
    assert_eq!((&deleted["object"]["name"], &deleted["object"]["id"]), (&json!("u"), &id));
    let all = log(&ann, "");
    let (mut paged, mut next) = (Vec::new(), Some("/api/v1/audit?limit=2".to_owned()));
    while let Some(page) = next {
        let answer = ann.get(&page).is(200);
        paged.extend(answer.list());
        next = answer.next_page();
    }
    assert_eq!(paged, all);
    for wrong in ["action=x", "object=x", "object_id=x", "by=x", "by_id=x", "cursor=x", "limit=0"] {
        ann.get(&format!("/api/v1/audit?{wrong}")).problem(422);
    }
}

#[test]
fn the_page_shows_the_log_to_whoever_is_logged_in() {
    let server = Server::start();
    let ann = server.user();
    let page = Client::new(ann.base()).with("cookie", &format!("access_token={}", ann.token()));
    let id = ann.post("/api/v1/triggers", &json!({"type": "api", "name": "a <b>"})).is(201).json()["id"].clone();
    let text = page.get("/audit").is(200).text;
    for part in [
        "a &#60;b&#62;",
        &format!("href=\"/ui/triggers/{id}\""),
        "logged in",
        "somebody who was not logged in",
        "127.0.0.1",
    ] {
        assert!(text.contains(part), "{part} is missing: {text}");
    }
    let narrowed = page.get("/audit?action=created&object=trigger&object_id=").is(200).text;
    assert!(narrowed.contains("a &#60;b&#62;") && !narrowed.contains("somebody who"), "{narrowed}");
    let wrong = page.get("/audit?action=x").is(200).text;
    assert!(wrong.contains("There is no such action."), "{wrong}");
    assert!(page.get("/account").is(200).text.contains("href=\"/audit\""));
    assert_eq!(server.nobody().get("/audit").status, 302);
}
