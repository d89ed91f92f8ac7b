//! The tenant wall: nobody sees, changes, fires or learns the existence of what is not theirs. The routes are taken from
//! the server's own description, so that a new one is tested the day it appears.

use serde_json::{Value, json};

use crate::support::client::{Answer, Client};
use crate::support::server::Server;
use crate::support::time::FAR;

/// A word in everything that is Ann's; Bob must never read it.
const CANARY: &str = "canary-5f1c";

/// Addresses that anybody may ask for.
const PUBLIC: [&str; 6] = ["/ping", "/healthz", "/healthz/schedule", "/readyz", "/metrics", "/openapi.json"];

/// What Ann has.
struct Treasure {
    trigger: Value,
    event: Value,
    api_key: Value,
    destination: Value,
    calendar: Value,
}

fn fill(ann: &Client) -> Treasure {
    let body = json!({"type": "api", "name": CANARY, "api_payload": {"secret": CANARY}});
    let trigger = ann.post("/api/v1/triggers", &body).is(201).json()["id"].clone();
    let destination = json!({"name": CANARY, "kind": "webhook", "url": format!("https://example.com/{CANARY}")});
    let destination = ann.post("/api/v1/destinations", &destination).is(201).json()["id"].clone();
    let calendar = json!({"name": CANARY, "description": CANARY, "dates": ["2031-12-25"]});
    let calendar = ann.post("/api/v1/calendars", &calendar).is(201).json()["id"].clone();
    let event = ann.post_nothing(&format!("/api/v1/triggers/{trigger}/fire")).is(200).json()["event_id"].clone();
    ann.post("/triggers", &json!({"name": CANARY, "trigger_type": "scheduled", "schedule": FAR})).is(200);
    let api_key =
        ann.post("/api/v1/api_keys", &json!({"name": CANARY, "scopes": ["read"]})).is(201).json()["id"].clone();
    Treasure { trigger, event, api_key, destination, calendar }
}

/// Everything Ann can see of what is hers.
fn inventory(ann: &Client) -> Vec<Value> {
    [
        "/triggers",
        "/api/v1/triggers",
        "/api/v1/destinations",
        "/api/v1/deliveries",
        "/api/v1/calendars",
        "/api/v1/event_logs?status=all",
        "/logs/active",
        "/api/v1/event_logs/aggregated",
    ]
    .map(|path| ann.get(path).is(200).json())
    .to_vec()
}

/// Every method and path of both surfaces, with Ann's ids filled in, and whether an id was.
fn routes(server: &Server, treasure: &Treasure) -> Vec<(String, String, bool)> {
    let document = server.nobody().get("/openapi.json").is(200).json();
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")), "{}", document["openapi"]);
    let mut routes = Vec::new();
    for (pattern, operations) in document["paths"].as_object().expect("paths") {
        let id = match pattern {
            path if path.contains("/event_logs/") => &treasure.event,
            path if path.contains("/api_keys/") => &treasure.api_key,
            path if path.contains("/destinations/") => &treasure.destination,
            path if path.contains("/calendars/") => &treasure.calendar,
            _ => &treasure.trigger,
        };
        // The way in and out is everybody's, and walking out would end the walk.
        // Who reports is nobody in particular, and shows by the address alone that it may.
        if pattern.starts_with("/auth/") || pattern == "/logout" || pattern.starts_with("/report/") {
            continue;
        }
        let has_id = pattern.contains('{');
        let path = pattern.split('/').map(|part| if part.starts_with('{') { id.to_string() } else { part.to_owned() });
        let path = path.collect::<Vec<_>>().join("/");
        for method in operations.as_object().expect("operations").keys() {
            if ["get", "put", "post", "delete", "patch", "head"].contains(&method.as_str()) {
                routes.push((method.to_uppercase(), path.clone(), has_id));
            }
        }
    }
    routes
}

/// A body that each route would take from its owner.
fn body(method: &str, path: &str) -> Option<Value> {
    if method == "GET" || method == "DELETE" || path.ends_with("/test") && path.contains("/api/v1/") {
        return None;
    }
    Some(match path {
        "/api/v1/api_keys" => json!({"name": "k", "scopes": ["read"]}),
        "/api/v1/schedules/preview" => json!({"schedule_details": {"every": "1h"}}),
        "/api/v1/triggers" => json!({"type": "api"}),
        "/api/v1/triggers/bulk" => json!([{"type": "api"}]),
        // Ann's first.
        "/api/v1/fire/bulk" => json!([{"trigger_id": 1}]),
        "/api/v1/destinations" => json!({"name": "d", "kind": "inbox"}),
        "/api/v1/calendars" => json!({"name": "holidays"}),
        path if path.starts_with("/api/v1/calendars/") => json!({"name": "taken over"}),
        "/api/v1/deliveries/redeliver" => json!({"filter": {}}),
        path if path.ends_with("/rotate") => json!({"scheme": "v1"}),
        path if path.starts_with("/api/v1/destinations/") => json!({"name": "taken over", "kind": "inbox"}),
        "/triggers" | "/triggers/test" => json!({"name": "t", "trigger_type": "api"}),
        path if path.starts_with("/api/v1/triggers/") && !path.ends_with("/fire") => {
            json!({"name": "taken over", "type": "api"})
        }
        path if path.starts_with("/triggers/") && !path.ends_with("/fire") => json!({"name": "taken over"}),
        _ => json!({"taken": "over"}),
    })
}

fn ask(client: &Client, method: &str, path: &str) -> Answer {
    let call = client.call(method, path);
    match body(method, path) {
        Some(body) => call.json(&body).send(),
        None => call.send(),
    }
}

#[test]
fn the_description_names_every_data_route_of_the_contract() {
    let server = Server::start();
    let treasure = fill(&server.user());
    let Treasure { trigger, event, api_key: key, destination, calendar: _ } = &treasure;
    let described: Vec<String> =
        routes(&server, &treasure).into_iter().map(|(method, path, _)| format!("{method} {path}")).collect();
    for route in [
        "POST /triggers".to_owned(),
        "GET /triggers".to_owned(),
        format!("GET /triggers/{trigger}"),
        format!("PUT /triggers/{trigger}"),
        format!("DELETE /triggers/{trigger}"),
        "POST /triggers/test".to_owned(),
        format!("POST /triggers/{trigger}/fire"),
        "GET /logs/active".to_owned(),
        "GET /logs/archived".to_owned(),
        "GET /logs/stats".to_owned(),
        "POST /api/v1/triggers".to_owned(),
        "GET /api/v1/triggers".to_owned(),
        "GET /api/v1/triggers/triggers_html".to_owned(),
        format!("GET /api/v1/triggers/{trigger}"),
        format!("PUT /api/v1/triggers/{trigger}"),
        format!("PATCH /api/v1/triggers/{trigger}"),
        format!("DELETE /api/v1/triggers/{trigger}"),
        format!("POST /api/v1/triggers/{trigger}/test"),
        format!("POST /api/v1/triggers/{trigger}/fire"),
        format!("POST /api/v1/triggers/{trigger}/run"),
        format!("POST /api/v1/triggers/{trigger}/backfill"),
        "GET /api/v1/backlog".to_owned(),
        "POST /api/v1/backlog/release".to_owned(),
        "POST /api/v1/backlog/discard".to_owned(),
        "POST /api/v1/triggers/bulk".to_owned(),
        "POST /api/v1/fire/bulk".to_owned(),
        format!("GET /api/v1/triggers/{trigger}/upcoming"),
        format!("GET /api/v1/triggers/{trigger}/skipped"),
        format!("GET /api/v1/triggers/{trigger}/why"),
        "GET /api/v1/event_logs".to_owned(),
        "GET /api/v1/event_logs/event_logs_html".to_owned(),
        "GET /api/v1/event_logs/aggregated".to_owned(),
        format!("GET /api/v1/event_logs/{event}"),
        "POST /api/v1/schedules/preview".to_owned(),
        "POST /api/v1/destinations".to_owned(),
        "GET /api/v1/destinations".to_owned(),
        format!("GET /api/v1/destinations/{destination}"),
        format!("PUT /api/v1/destinations/{destination}"),
        format!("PATCH /api/v1/destinations/{destination}"),
        format!("DELETE /api/v1/destinations/{destination}"),
        format!("POST /api/v1/destinations/{destination}/pause"),
        format!("POST /api/v1/destinations/{destination}/resume"),
        "POST /api/v1/destinations/preview".to_owned(),
        format!("POST /api/v1/destinations/{destination}/test"),
        format!("POST /api/v1/destinations/{destination}/rotate"),
        format!("DELETE /api/v1/destinations/{destination}/secrets/{destination}"),
        "GET /api/v1/deliveries".to_owned(),
        "POST /api/v1/deliveries/redeliver".to_owned(),
        format!("POST /api/v1/event_logs/{event}/deliveries/{event}/redeliver"),
        format!("POST /api/v1/event_logs/{event}/deliveries/{event}/cancel"),
        format!("POST /api/v1/event_logs/{event}/fire_again"),
        "GET /api/v1/nodes".to_owned(),
        "POST /api/v1/api_keys".to_owned(),
        "GET /api/v1/api_keys".to_owned(),
        format!("DELETE /api/v1/api_keys/{key}"),
    ] {
        assert!(described.contains(&route), "{route} is not described: {described:#?}");
    }
}

#[test]
fn a_stranger_gets_404_for_what_is_not_theirs_and_reads_nothing_of_it() {
    let server = Server::start();
    let ann = server.user();
    let treasure = fill(&ann);
    let before = inventory(&ann);
    let bob = server.register("bob@example.com");
    for (method, path, has_id) in routes(&server, &treasure) {
        let answer = ask(&bob, &method, &path);
        assert!(answer.status < 500, "{method} {path}: {} {}", answer.status, answer.text);
        assert!(!answer.text.contains(CANARY), "{method} {path} shows what is Ann's: {}", answer.text);
        if has_id {
            assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text);
            let missing = path
                .split('/')
                .map(|part| if part.parse::<i64>().is_ok() { "987654" } else { part })
                .collect::<Vec<_>>()
                .join("/");
            let nothing = ask(&bob, &method, &missing).is(404);
            assert_eq!(answer.text, nothing.text, "{method} {path}: another's looks like none");
        }
    }
    assert_eq!(inventory(&ann), before, "nothing of Ann's was touched");
}

#[test]
fn nobody_gets_401_on_every_data_route() {
    let server = Server::start();
    let ann = server.user();
    let treasure = fill(&ann);
    let before = inventory(&ann);
    let nobody = server.nobody();
    let garbage = [
        nobody.clone(),
        nobody.bearer("garbage"),
        nobody.bearer("a.b.c"),
        nobody.bearer("oncue_0000000000000000000000000000000000000000000"),
        nobody.with("authorization", "Basic YW5uOmFubg=="),
        nobody.with("cookie", "access_token=garbage"),
        nobody.with("cookie", "session=1"),
        nobody.with("x-user-id", "1").with("x-forwarded-user", "ann@example.com"),
    ];
    for (method, path, _) in routes(&server, &treasure) {
        if PUBLIC.contains(&path.as_str()) {
            continue;
        }
        for client in &garbage {
            let answer = ask(client, &method, &path);
            assert_eq!(answer.status, 401, "{method} {path}: {}", answer.text);
            assert!(!answer.text.contains(CANARY));
        }
    }
    assert_eq!(inventory(&ann), before, "nothing of Ann's was touched");
}

#[test]
fn filters_and_cursors_do_not_reach_over_the_wall() {
    let server = Server::start();
    let ann = server.user();
    let treasure = fill(&ann);
    ann.post_nothing(&format!("/api/v1/triggers/{}/fire", treasure.trigger)).is(200);
    let bob = server.register("bob@example.com");
    assert_eq!(
        bob.get(&format!("/api/v1/event_logs?status=all&trigger_id={}", treasure.trigger)).is(200).json(),
        json!([])
    );
    let cursor = ann.get("/api/v1/event_logs?limit=1").is(200).next_page().expect("a second page");
    assert_eq!(bob.get(&cursor).is(200).json(), json!([]));
    let cursor = ann.get("/api/v1/triggers?limit=1").is(200).next_page().expect("a second page");
    assert_eq!(bob.get(&cursor).is(200).json(), json!([]));
}

#[test]
fn an_id_of_another_in_the_body_reaches_nothing() {
    let server = Server::start();
    let ann = server.user();
    let treasure = fill(&ann);
    let before = inventory(&ann);
    let bob = server.register("bob@example.com");
    let made =
        bob.post("/api/v1/triggers", &json!({"type": "api", "id": treasure.trigger, "name": "bobs"})).is(201).json();
    assert_ne!(made["id"], treasure.trigger);
    let flat = bob.post("/triggers", &json!({"name": "bobs", "trigger_type": "api", "id": treasure.trigger}));
    assert!(flat.status < 500 && flat.status != 200 || flat.json()["id"] != treasure.trigger, "{}", flat.text);
    for owner in ["owner", "owner_id", "user_id"] {
        let answer = bob.post("/api/v1/triggers", &json!({"type": "api", owner: 1}));
        assert_eq!(answer.status, 422, "{owner}: {}", answer.text);
    }
    assert_eq!(inventory(&ann), before);
}
