//! `/api/v1/forecast`: what the next days will bring.

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::server::Server;
use crate::support::time::instant;

fn make(ann: &Client, name: &str, more: &Value) -> Value {
    let mut body = json!({"type": "scheduled", "name": name});
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    ann.post("/api/v1/triggers", &body).is(201).json()["id"].clone()
}

#[test]
fn the_page_foretells_the_same_days() {
    let server = Server::start();
    let ann = server.user();
    make(&ann, "hourly", &json!({"schedule_details": {"cron": "0 * * * *"}}));
    assert_eq!(ann.get("/api/v1/forecast").is(200).json()["fires"], 7 * 24);
    let page = ann.get("/forecast").is(200).text;
    assert!(page.contains("One trigger fires 168 times."), "{page}");
    assert!(page.contains("168 firings in the next 7 days"), "{page}");
}

#[test]
fn firings_are_counted_by_quarter_and_destination_and_a_rate_tells_who_waits() {
    let server = Server::start();
    let ann = server.user();
    let slow = json!({"name": "slow", "kind": "webhook", "url": "https://example.com/slow",
                      "rate": {"count": 1, "per": "1s", "burst": 2}});
    let slow = ann.post("/api/v1/destinations", &slow).is(201).json()["id"].clone();
    for name in ["one", "two", "three", "four", "five"] {
        make(
            &ann,
            name,
            &json!({"schedule_details": {"cron": "0 12 * * *", "timezone": "UTC"}, "destinations": [slow]}),
        );
    }
    let own = "https://example.com/own?token=s3cret";
    make(&ann, "hourly", &json!({"schedule_details": {"cron": "0 * * * *"}, "webhook_url": own}));
    let paused = make(&ann, "paused", &json!({"schedule_details": {"every": "1h"}, "enabled": false}));
    let told = ann.get("/api/v1/forecast?days=3").is(200).json();
    let span = instant(&told["to"]).duration_since(instant(&told["from"]));
    assert_eq!(span.as_hours(), 72);
    assert_eq!((&told["fires"], &told["triggers"], &told["notes"]), (&json!(72 + 15), &json!(6), &json!([])), "{told}");
    let quarters = told["quarters"].as_array().expect("a list");
    let fires: i64 = quarters.iter().filter_map(|quarter| quarter["fires"].as_i64()).sum();
    assert_eq!((quarters.len(), fires), (72, 87), "at noon both fall into one");
    let [load, addressed] = &told["destinations"].as_array().expect("a list")[..] else { panic!("{told}") };
    assert_eq!(
        (&addressed["id"], &addressed["name"], &addressed["webhook_url"]),
        (&Value::Null, &Value::Null, &json!(own))
    );
    assert_eq!((&addressed["deliveries"], &addressed["rate"]), (&json!(72), &Value::Null), "{addressed}");
    assert_eq!(addressed["quarters"].as_array().map(Vec::len), Some(72), "{addressed}");
    let noons: Vec<i64> =
        load["quarters"].as_array().expect("a list").iter().filter_map(|one| one["fires"].as_i64()).collect();
    assert_eq!(noons, [5, 5, 5], "{load}");
    let page = ann.get("/forecast").is(200).text;
    assert!(page.contains("example.com") && !page.contains("s3cret"), "{page}");
    assert_eq!((&load["name"], &load["deliveries"], &load["rate"]), (&json!("slow"), &json!(15), &json!("1 in 1s")));
    assert_eq!((&load["late"], &load["rushes_total"]), (&json!(9), &json!(3)), "{load}");
    let rush = &load["rushes"][0];
    assert_eq!((&rush["late"], &rush["late_max_ms"]), (&json!(3), &json!(3000.0)), "{load}");
    assert_eq!(instant(&rush["until"]).duration_since(instant(&rush["from"])).as_secs(), 3);
    assert_eq!(load["busiest"]["fires"], 5);
    assert_eq!(
        told["never"],
        json!([{"trigger_id": paused, "name": "paused", "reason": "paused",
                "detail": "It is paused; what falls due meanwhile does not fire later."}])
    );
    let bob = server.register("bob@example.com");
    let told = bob.get("/api/v1/forecast").is(200).json();
    assert_eq!((&told["fires"], &told["destinations"], &told["never"]), (&json!(0), &json!([]), &json!([])));
}

#[test]
fn too_many_days_are_refused_with_words() {
    let server = Server::start();
    let ann = server.user();
    for days in ["0", "32", "-1", "week"] {
        ann.get(&format!("/api/v1/forecast?days={days}")).blames("days");
    }
    ann.get("/api/v1/forecast?days=31").is(200);
    server.nobody().get("/api/v1/forecast").is(401);
}
