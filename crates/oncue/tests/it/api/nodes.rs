//! `/api/v1/nodes` and its page: what the operator sees of the server as a whole, and nobody else.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::receiver::{Receiver, Reply};
use crate::support::server::{Server, Setup};
use crate::support::time::{FAR, in_ms};
use crate::support::wait::until;

/// A receiver that takes nothing.
fn deaf() -> Receiver {
    Receiver::scripted(|_, _| Reply::Drop)
}

fn key(of: &Client, scope: &str) -> Client {
    let made = of.post("/api/v1/api_keys", &json!({"name": scope, "scopes": [scope]})).is(201).json();
    Client::new(of.base()).bearer(made["key"].as_str().expect("a key"))
}

fn node(operator: &Client) -> Value {
    let nodes = operator.get("/api/v1/nodes").is(200).json()["nodes"].clone();
    let nodes = nodes.as_array().expect("a list");
    assert_eq!(nodes.len(), 1, "{nodes:?}");
    nodes[0].clone()
}

#[test]
fn the_operator_sees_who_runs_and_what_it_does() {
    let (server, deaf) = (Server::start_delivering(), deaf());
    let operator = server.user();
    let said = node(&operator);
    let port = said["address"].as_str().and_then(|address| address.rsplit(':').next()).expect("an address");
    assert_eq!(port, server.port().to_string());
    assert_eq!(
        (&said["is_asked"], &said["is_silent"], &said["version"]),
        (&json!(true), &json!(false), &json!(env!("CARGO_PKG_VERSION")))
    );
    for instant in ["started_at", "seen_at"] {
        let text = said[instant].as_str().expect("an instant");
        assert!(text.parse::<Timestamp>().is_ok() && text.ends_with('Z'), "{instant}: {text}");
    }
    let soon = json!({"type": "scheduled", "schedule_details": {"run_at": in_ms(300)}, "webhook_url": deaf.url()});
    operator.post("/api/v1/triggers", &soon).is(201);
    let minute = until("the node says that it fired and tried", || {
        let minute = node(&operator)["work"]["last_minute"].clone();
        (minute["fired"] == 1 && minute["attempts_failed"] == 1).then_some(minute)
    });
    assert_eq!(minute["attempts"], 1);
    assert!(minute["lateness_max_ms"].as_f64().is_some_and(|late_ms| late_ms >= 0.0), "{minute}");
}

#[test]
fn what_is_owed_and_due_is_everybodys_together() {
    let (server, deaf) = (Server::start_delivering(), deaf());
    let operator = server.user();
    let bob = server.register("bob@example.com");
    let whole = operator.get("/api/v1/nodes").is(200).json();
    assert_eq!((&whole["owed"], &whole["due"], &whole["overdue"]), (&json!(0), &json!(0), &json!(0)));
    assert_eq!(whole["next_due_at"], Value::Null);
    let far = json!({"type": "scheduled", "schedule_details": {"run_at": FAR}, "webhook_url": deaf.url()});
    let id = bob.post("/api/v1/triggers", &far).is(201).json()["id"].clone();
    bob.post_nothing(&format!("/api/v1/triggers/{id}/test")).is(200);
    let whole = operator.get("/api/v1/nodes").is(200).json();
    assert_eq!(
        (&whole["owed"], &whole["next_due_at"]),
        (&json!(1), &json!(FAR)),
        "refused, and tried again in a while"
    );
}

#[test]
fn the_nodes_are_the_operators_alone() {
    let server = Server::start();
    let operator = server.user();
    let bob = server.register("bob@example.com");
    for guest in [&bob, &key(&bob, "read")] {
        let refusal = guest.get("/api/v1/nodes").problem(403);
        assert!(refusal["detail"].as_str().is_some_and(|words| words.contains("operator")), "{refusal}");
    }
    key(&operator, "read").get("/api/v1/nodes").is(200);
    key(&operator, "fire").get("/api/v1/nodes").is(403);
    server.nobody().get("/api/v1/nodes").is(401);

    let page = operator.get("/ui/nodes").is(200);
    assert!(page.text.contains("One node runs"), "{}", page.text);
    assert!(operator.get("/").is(200).text.contains("href=\"/ui/nodes\""));
    assert!(!bob.get("/ui/nodes").is(403).text.contains("One node runs"));
    assert!(!bob.get("/").is(200).text.contains("href=\"/ui/nodes\""), "nobody is led to a closed door");
    let sent_off = server.nobody().get("/ui/nodes").is(302);
    assert_eq!(sent_off.header("location"), "/auth/login?next=%2Fui%2Fnodes");
}

#[test]
fn without_a_login_whoever_is_at_the_machine_is_the_operator() {
    let server = Setup::new().flag("--open").serve();
    let nobody = server.nobody();
    node(&nobody);
    nobody.get("/ui/nodes").is(200);
}

#[test]
fn metrics_tell_of_the_nodes_and_the_database() {
    let server = Server::start();
    let metrics = server.nobody().get("/metrics").is(200).text;
    let info = format!("oncue_node_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"));
    for line in
        ["oncue_database_up 1", "oncue_nodes_running 1", "oncue_triggers_overdue 0", "oncue_deliveries_owed 0", &info]
    {
        assert!(metrics.lines().any(|said| said == line), "{line} is missing in\n{metrics}");
    }
}
