//! A destination of which the database holds something that nobody can read: a row of a newer version, or garbage. What goes there
//! fails with words, and it can be deleted.

use serde_json::json;

use crate::support::database::Database;
use crate::support::server::Setup;
use crate::support::wait::until;

const WHY: &str = "What the destination says cannot be read any more; delete it and make it again.";

#[test]
fn deliveries_to_a_destination_that_cannot_be_read_fail_with_words_and_it_can_be_deleted() {
    let database = Database::fresh();
    let server = Setup::node(&database.url()).flag("--allow-private-destinations").serve();
    let ann = server.user();
    let make = |name: &str| {
        let said = json!({"name": name, "kind": "inbox"});
        ann.post("/api/v1/destinations", &said).is(201).json()["id"].as_i64().expect("an integer")
    };
    let (newer, garbage, sound) = (make("Newer"), make("Garbage"), make("Sound"));
    let all = json!({"type": "api", "destinations": [newer, garbage, sound]});
    let trigger = ann.post("/api/v1/triggers", &all).is(201).json()["id"].clone();
    database.sql(&format!(
        "UPDATE destinations SET kind = 'telepathy', definition = '{{\"name\": \"Newer\", \"kind\": \"telepathy\"}}' WHERE id = {newer};
         UPDATE destinations SET definition = '\"' WHERE id = {garbage}"
    ));
    let fired = ann.post(&format!("/api/v1/triggers/{trigger}/fire"), &json!({})).is(200).json()["event_id"].clone();
    let at_event = format!("/api/v1/event_logs/{fired}");
    let event = until("nothing is owed any more", || {
        let event = ann.get(&at_event).is(200).json();
        let deliveries = event["deliveries"].as_array().expect("a list");
        deliveries.iter().all(|delivery| delivery["status"] != "pending").then(|| event.clone())
    });
    let told: Vec<_> = event["deliveries"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|delivery| {
            (delivery["state"].clone(), delivery["why"].clone(), delivery["attempts"].as_array().map(Vec::len))
        })
        .collect();
    let failed = (json!("failed"), json!(WHY), Some(0));
    assert_eq!(told, [failed.clone(), failed, (json!("delivered"), json!(null), Some(1))]);
    assert!(ann.get(&format!("/events/{fired}")).is(200).text.contains(WHY));
    assert!(ann.get("/ui/destinations").is(200).text.contains("Garbage"));

    ann.delete(&format!("/api/v1/triggers/{trigger}")).is(204);
    assert!(ann.get(&format!("/ui/destinations/{newer}/delete")).is(200).text.contains("Newer"));
    ann.call("POST", &format!("/ui/destinations/{newer}/delete")).form(&[]).send().is(303);
    ann.delete(&format!("/api/v1/destinations/{garbage}")).is(204);
    assert_eq!(database.sql("SELECT string_agg(name, ' ') FROM destinations"), "Sound");
}
