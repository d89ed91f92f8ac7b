//! How the server is, and what it says about itself: for load balancers, for monitoring, for whoever writes a client.

use serde_json::json;

use crate::support::client::Client;
use crate::support::receiver::{Receiver, Reply};
use crate::support::server::{Server, Setup};
use crate::support::wait::until;

#[test]
fn it_answers_whoever_asks_how_it_is() {
    let server = Server::start();
    let nobody = server.nobody();
    assert_eq!(nobody.get("/ping").is(200).json(), json!({"ping": "pong"}));
    assert_eq!(nobody.get("/ping/").is(200).json(), json!({"ping": "pong"}));
    nobody.get("/healthz").is(200);
    let ready = nobody.get("/readyz").is(200).json();
    let release = ready["tzdata"].as_str().expect("the zone data's release");
    assert!(release.len() == 5 && release.starts_with("20"), "{ready}");
    assert!(server.log().contains(release), "the release in use is shown at start");
}

#[test]
fn a_server_that_keeps_time_says_so_to_anybody() {
    let server = Server::start();
    let nobody = server.nobody();
    let told = nobody.get("/healthz/schedule").is(200).json();
    assert_eq!((&told["status"], &told["troubles"]), (&json!("on time"), &json!([])), "{told}");
    assert!(told["checked_at"].as_str().is_some_and(|at| at.ends_with('Z')), "{told}");
    let ann = server.user();
    let every = json!({"type": "scheduled", "schedule_details": {"every": "1s"}});
    let id = ann.post("/api/v1/triggers", &every).is(201).json()["id"].clone();
    until("it fires", || ann.get(&format!("/api/v1/event_logs?trigger_id={id}")).is(200).list().pop());
    nobody.get("/healthz/schedule").is(200);
    nobody.get("/healthz/schedule/").is(200);
    let metrics = nobody.get("/metrics").is(200).text;
    assert!(metrics.contains("oncue_schedule_on_time 1"), "{metrics}");
}

#[test]
fn the_heartbeat_goes_where_the_operator_says_and_follows_nobody_elsewhere() {
    let elsewhere = Receiver::start();
    let redirect: &'static str = format!("location: {}\r\n", elsewhere.url()).leak();
    // Private addresses are closed to webhooks here, and this one is on loopback.
    let watchdog = Receiver::scripted(move |_, before| match before {
        0 | 1 => Reply::Answer(307, redirect, ""),
        _ => Reply::Answer(204, "", ""),
    });
    let server =
        Setup::new().variable("ONCUE_HEARTBEAT_URL", &watchdog.url()).variable("ONCUE_HEARTBEAT_EVERY", "1s").serve();
    let beats = watchdog.wait_for(3);
    assert_eq!(beats[0].method, "POST");
    assert!(beats[0].body.is_empty() && beats[0].headers["user-agent"].starts_with("oncue/"), "{:?}", beats[0]);
    until("it is told that it arrives again", || server.log().contains("the heartbeat arrives again").then_some(()));
    assert_eq!(server.log().matches("the heartbeat does not arrive").count(), 1, "once for both: {}", server.log());
    assert!(elsewhere.received().is_empty());
    let metrics = server.nobody().get("/metrics").is(200).text;
    assert!(metrics.contains("oncue_heartbeats_total{outcome=\"failed\"} 2"), "{metrics}");
}

#[test]
fn metrics_are_open_on_loopback_and_name_no_user_trigger_or_address() {
    let server = Server::start();
    let ann = server.register("ann-in-metrics@example.com");
    let body = json!({"type": "api", "name": "name-in-metrics", "webhook_url": "https://host-in-metrics.example/"});
    let id = ann.post("/api/v1/triggers", &body).is(201).json()["id"].clone();
    ann.get(&format!("/api/v1/triggers/{id}")).is(200);
    ann.get("/path-in-metrics").is(404);
    let metrics = server.nobody().get("/metrics").is(200);
    assert!(metrics.header("content-type").starts_with("text/plain"));
    assert!(metrics.text.contains("# TYPE"), "{}", metrics.text);
    assert!(!metrics.text.contains("-in-metrics"), "{}", metrics.text);
}

#[test]
fn elsewhere_metrics_take_an_operators_key_or_the_token() {
    let setup = Setup::bare().option("--listen", "0.0.0.0:0").option("--registration", "open");
    let server = setup.variable("ONCUE_METRICS_TOKEN", "a token for the monitoring").serve();
    let nobody = Client::new(&format!("http://127.0.0.1:{}", server.port()));
    let enter = |email: &str| {
        let token =
            nobody.post("/auth/register", &json!({"email": email, "password": "correct horse battery"})).is(200).json();
        nobody.bearer(token["access_token"].as_str().expect("a token"))
    };
    let (operator, guest) = (enter("ann@example.com"), enter("bob@example.com"));
    let key = |client: &Client| {
        let made = client.post("/api/v1/api_keys", &json!({"name": "prometheus", "scopes": ["read"]})).is(201).json();
        nobody.bearer(made["key"].as_str().expect("a key"))
    };
    nobody.get("/metrics").is(401);
    nobody.bearer("a wrong token for the monitoring").get("/metrics").is(401);
    nobody.bearer("a token for the monitoring").get("/metrics").is(200);
    key(&operator).get("/metrics").is(200);
    key(&guest).get("/metrics").is(403);
    nobody.get("/readyz").is(200);
}

#[test]
fn the_documentation_is_served_offline() {
    let server = Server::start();
    let page = server.nobody().get("/docs").is(200);
    assert!(page.header("content-type").starts_with("text/html"));
    for foreign in ["https://", "http://", "src=\"//", "href=\"//"] {
        assert!(!page.text.contains(foreign), "{foreign} in {}", page.text);
    }
    let policy = page.header("content-security-policy").to_owned();
    assert!(policy.contains("default-src 'self'") && !policy.contains("script-src 'unsafe-inline'"), "{policy}");
    let mut files = 0;
    for attribute in ["src=\"", "href=\""] {
        for rest in page.text.split(attribute).skip(1) {
            let target = rest.split('"').next().expect("the attribute ends");
            // The way back leads through the login.
            if target == "/" {
                continue;
            }
            let path = if target.starts_with('/') {
                target.to_owned()
            } else {
                format!("/docs/{}", target.trim_start_matches("./").trim_start_matches("docs/"))
            };
            let file = server.nobody().get(&path);
            assert_eq!(file.status, 200, "{target} in /docs leads to {path}");
            files += 1;
        }
    }
    assert!(files >= 2, "a script and a style: {}", page.text);
    assert!(!page.text.contains("<script>"), "no inline script: {}", page.text);
}

#[test]
fn the_description_is_openapi_3_1_with_an_answer_for_every_call() {
    let server = Server::start();
    let document = server.nobody().get("/openapi.json").is(200).json();
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")), "{}", document["openapi"]);
    let mut operations = 0;
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let Some(responses) = operation["responses"].as_object() else { continue };
            let succeeds = responses.keys().any(|status| status.starts_with('2'));
            assert!(succeeds, "{method} {path}");
            operations += 1;
        }
    }
    assert!(operations >= 28, "{operations}");
    let schemas = document["components"]["schemas"].as_object().expect("schemas");
    let text = document.to_string();
    for reference in text.split("\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().expect("the reference ends");
        assert!(schemas.contains_key(name), "{name} is referred to and not described");
    }
}
