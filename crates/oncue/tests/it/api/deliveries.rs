//! Deliveries as `/api/v1/event_logs/{id}` shows them. How they travel is checked in `delivery`.

use serde_json::{Value, json};

use crate::support::receiver::{Receiver, Reply};
use crate::support::server::Server;
use crate::support::time::instant;
use crate::support::wait::until;

#[test]
fn an_event_shows_its_delivery_and_the_attempts() {
    let server = Server::start_delivering();
    let ann = server.user();
    let receiver = Receiver::scripted(|_, _| Reply::Answer(202, "", "thank you"));
    let body = json!({"name": "sent", "type": "api", "webhook_url": receiver.url()});
    let made = ann.post("/api/v1/triggers", &body).is(201).json();
    assert_eq!((&made["webhook_url"], &made["format"]), (&json!(receiver.url()), &json!("json")));
    let fired = ann.post_nothing(&format!("/api/v1/triggers/{}/fire", made["id"])).is(200).json();
    let at = format!("/api/v1/event_logs/{}", fired["event_id"]);
    let event = until("it is delivered", || {
        Some(ann.get(&at).is(200).json()).filter(|event| event["deliveries"][0]["attempts"] != json!([]))
    });
    assert_eq!(event["deliveries"].as_array().map(Vec::len), Some(1), "{event}");
    let delivery = &event["deliveries"][0];
    assert_eq!(delivery["status"], "delivered");
    assert_eq!(delivery["message_id"], event["message_id"]);
    assert!(delivery.to_string().contains(&receiver.url()), "its address is the user's own: {delivery}");
    let attempt = &delivery["attempts"][0];
    assert_eq!(
        (&attempt["status"], &attempt["error"], &attempt["answer"]),
        (&json!(202), &Value::Null, &json!("thank you"))
    );
    assert!(attempt["duration_ms"].as_f64().is_some_and(|ms| ms > 0.0 && ms < 30_000.0), "{attempt}");
    assert!(instant(&attempt["started_at"]) >= instant(&event["created_at"]), "{event}");
}

#[test]
fn a_failed_attempt_shows_why_and_when_the_next_is_due() {
    let server = Server::start_delivering();
    let ann = server.user();
    let receiver = Receiver::scripted(|_, _| Reply::Answer(503, "", "not now"));
    let made = ann.post("/api/v1/triggers", &json!({"type": "api", "webhook_url": receiver.url()})).is(201).json();
    let fired = ann.post_nothing(&format!("/api/v1/triggers/{}/fire", made["id"])).is(200).json();
    let at = format!("/api/v1/event_logs/{}", fired["event_id"]);
    let event = until("an attempt", || {
        Some(ann.get(&at).is(200).json()).filter(|event| event["deliveries"][0]["attempts"] != json!([]))
    });
    let delivery = &event["deliveries"][0];
    assert_eq!(delivery["status"], "pending");
    assert_eq!(
        (&delivery["attempts"][0]["status"], &delivery["attempts"][0]["answer"]),
        (&json!(503), &json!("not now"))
    );
    assert!(instant(&delivery["next_attempt_at"]) > instant(&delivery["attempts"][0]["started_at"]), "{delivery}");
}

#[test]
fn only_the_first_bytes_of_an_answer_are_kept() {
    let server = Server::start_delivering();
    let ann = server.user();
    let long: &'static str = Box::leak("é".repeat(200_000).into_boxed_str());
    let receiver = Receiver::scripted(move |_, _| Reply::Answer(200, "", long));
    let made = ann.post("/api/v1/triggers", &json!({"type": "api", "webhook_url": receiver.url()})).is(201).json();
    let fired = ann.post_nothing(&format!("/api/v1/triggers/{}/fire", made["id"])).is(200).json();
    let at = format!("/api/v1/event_logs/{}", fired["event_id"]);
    let event = until("an attempt", || {
        Some(ann.get(&at).is(200).json()).filter(|event| event["deliveries"][0]["attempts"] != json!([]))
    });
    let answer = event["deliveries"][0]["attempts"][0]["answer"].as_str().expect("the answer").to_owned();
    assert!(answer.starts_with("éé") && answer.len() < 20_000, "{} bytes", answer.len());
}

#[test]
fn deliveries_of_a_deleted_trigger_are_still_made() {
    let server = Server::start_delivering();
    let ann = server.user();
    let receiver = Receiver::scripted(|_, before| Reply::Answer(if before == 0 { 500 } else { 200 }, "", ""));
    let made = ann.post("/api/v1/triggers", &json!({"type": "api", "webhook_url": receiver.url()})).is(201).json();
    let fired = ann.post_nothing(&format!("/api/v1/triggers/{}/fire", made["id"])).is(200).json();
    receiver.wait_for(1);
    ann.delete(&format!("/api/v1/triggers/{}", made["id"])).is(204);
    receiver.wait_for(2);
    let at = format!("/api/v1/event_logs/{}", fired["event_id"]);
    until("it is delivered", || {
        Some(()).filter(|()| ann.get(&at).is(200).json()["deliveries"][0]["status"] == "delivered")
    });
}
