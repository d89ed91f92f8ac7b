//! Asking a call of surface one what it would come to: in its own words, and nothing done.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::server::Server;
use crate::support::time::flat_instant;

fn traces(ann: &Client) -> [Value; 3] {
    ["/triggers", "/api/v1/audit", "/logs/active"].map(|path| ann.get(path).is(200).json())
}

fn hourly() -> Value {
    json!({"name": "hourly", "trigger_type": "scheduled", "is_recurring": true, "interval_seconds": 3600})
}

#[test]
fn what_is_made_changed_and_deleted_is_told_beforehand_in_the_words_of_this_surface() {
    let server = Server::start();
    let ann = server.user();
    let before = traces(&ann);
    let until = Timestamp::now() + SignedDuration::from_mins(150);
    let told = ann.post(&format!("/triggers?dry_run=true&until={until}"), &hourly()).is(200).json();
    assert_eq!(traces(&ann), before, "nothing was made");
    assert_eq!((&told["dry_run"], &told["trigger"]["id"]), (&json!(true), &Value::Null));
    assert_eq!((&told["trigger"]["interval_seconds"], &told["changes"]), (&json!(3600), &json!([])));
    assert!(told["trigger"].get("schedule_details").is_none(), "that is the other surface's word: {told}");
    let added = told["occurrences"]["added"].as_array().expect("a list");
    assert_eq!(added.len(), 2, "{told}");
    assert_eq!(flat_instant(&added[1]).duration_since(flat_instant(&added[0])), SignedDuration::from_hours(1));

    let made = ann.post("/triggers", &hourly()).is(200).json();
    let at = format!("/triggers/{}", made["id"]);
    let before = traces(&ann);
    let slower = json!({"interval_seconds": 7200, "name": "slower"});
    let told = ann.put(&format!("{at}?dry_run=true&until={until}"), &slower).is(200).json();
    assert_eq!(
        told["changes"],
        json!([
            {"field": "name", "before": "hourly", "after": "slower"},
            {"field": "interval_seconds", "before": 3600, "after": 7200}
        ])
    );
    assert_eq!(told["trigger"]["id"], made["id"]);
    flat_instant(&told["next"]["before"]);
    assert_eq!(told["occurrences"]["kept"], 0, "{told}");
    let gone = ann.delete(&format!("{at}?dry_run=true&until={until}")).is(200).json();
    assert_eq!((&gone["trigger"], gone["occurrences"]["removed"].as_array().map(Vec::len)), (&Value::Null, Some(2)));
    assert_eq!(traces(&ann), before, "nothing was done");

    let changed = ann.put(&format!("{at}?dry_run=false"), &slower).is(200).json();
    assert_eq!(told["trigger"], changed, "it came to what was told");
    ann.delete(&at).is(200);
    assert_eq!(ann.delete(&format!("{at}?dry_run=true")).is(404).json()["detail"], "Trigger not found");
}

#[test]
fn the_same_is_refused_in_the_same_words() {
    let server = Server::start();
    let (ann, bob) = (server.user(), server.register("bob@example.com"));
    let at = format!("/triggers/{}", ann.post("/triggers", &hourly()).is(200).json()["id"]);
    for body in [
        json!({"name": "a", "trigger_type": "never"}),
        json!({"name": "a", "trigger_type": "scheduled", "is_recurring": true, "interval_seconds": 0}),
        json!({"name": "a", "trigger_type": "scheduled", "schedule": "2020-01-01T00:00:00"}),
        json!({"name": "a", "trigger_type": "api", "payload": "{"}),
        json!({"name": 7}),
    ] {
        for (method, path) in [("POST", "/triggers"), ("PUT", at.as_str())] {
            let told = ann.call(method, &format!("{path}?dry_run=true")).json(&body).send();
            let refused = ann.call(method, path).json(&body).send();
            assert!((400..500).contains(&refused.status), "{method} {body}: {}", refused.text);
            assert_eq!((told.status, told.json()), (refused.status, refused.json()), "{method} {body}");
        }
    }
    bob.put(&format!("{at}?dry_run=true"), &json!({"name": "his"})).is(404);
    bob.delete(&format!("{at}?dry_run=true")).is(404);
    server.nobody().delete(&format!("{at}?dry_run=true")).is(401);
    let wrong = ann.delete(&format!("{at}?dry_run=perhaps")).is(422).json();
    assert_eq!(wrong["detail"][0]["loc"], json!(["query", "dry_run"]), "{wrong}");
    // Names that nobody asked for mean nothing, as ever on this surface.
    ann.put(&format!("{at}?until=whenever&colour=red"), &json!({"name": "b"})).is(200);
    let try_out = ann.post("/triggers/test?dry_run=true", &hourly());
    assert_eq!(try_out.status, 422, "a test is an event, and no change: {}", try_out.text);
}

#[test]
fn asking_uses_up_no_key() {
    let server = Server::start();
    let ann = server.user().with("idempotency-key", "k");
    ann.post("/triggers?dry_run=true", &hourly()).is(200);
    let made = ann.post("/triggers", &hourly()).is(200);
    assert_eq!(made.header("idempotency-replayed"), "");
}
