//! The list of deliveries that failed: none is silent.

use serde_json::{Value, json};

use super::{event_when, fire, make, trigger};
use crate::support::receiver::{Receiver, Reply};
use crate::support::server::Server;

const FAILED: &str = "/api/v1/deliveries?state=failed";

#[test]
fn what_failed_is_listed_latest_first_with_its_cause() {
    let server = Server::start_delivering();
    let (ann, bob) = (server.user(), server.register("bob@example.com"));
    let broken = Receiver::scripted(|_, _| Reply::Answer(503, "", "not now"));
    let mute = Receiver::scripted(|_, _| Reply::Drop);
    let to = |name: &str, receiver: &Receiver| {
        make(&ann, &json!({"name": name, "kind": "webhook", "url": receiver.url(), "retries": []}))
    };
    let (to_broken, to_mute) = (to("Broken", &broken), to("Mute", &mute));
    let both = trigger(&ann, &[&to_broken, &to_mute]);
    assert_eq!(ann.get(FAILED).is(200).json(), json!([]));
    let events: Vec<String> = (0..2).map(|_| fire(&ann, both)).collect();
    for event in &events {
        event_when(&ann, event, "both failed", |all| all.iter().all(|delivery| delivery["state"] == "failed"));
    }
    let failed = ann.get(FAILED).is(200).list();
    assert_eq!(failed.len(), 4, "{failed:?}");
    let times: Vec<&str> = failed.iter().map(|delivery| delivery["failed_at"].as_str().expect("a time")).collect();
    assert!(times.is_sorted_by_key(|time| std::cmp::Reverse(time.parse::<jiff::Timestamp>().expect("an instant"))));
    for delivery in &failed {
        let event = ann.get(&format!("/api/v1/event_logs/{}", delivery["event_id"])).is(200).json();
        let slot = usize::try_from(delivery["slot"].as_u64().expect("a number")).expect("a small one");
        let shown = &event["deliveries"][slot];
        for name in ["message_id", "destination", "destination_id", "kind"] {
            assert_eq!(delivery[name], shown[name], "{delivery}");
        }
        assert_eq!((&delivery["trigger_id"], &delivery["trigger_name"]), (&json!(both), &json!("spread")));
        assert_eq!((&delivery["attempts"], &delivery["fired_at"]), (&json!(1), &event["created_at"]));
        let (why, status) = (&delivery["why"], &delivery["last_status"]);
        let is_told =
            if delivery["destination"] == "Broken" { why.is_null() && status == 503 } else { why.is_string() };
        assert!(is_told, "{delivery}");
    }
    assert_eq!(bob.get(FAILED).is(200).json(), json!([]));
    let mut page = Some(format!("{FAILED}&limit=3"));
    let mut paged: Vec<Value> = Vec::new();
    while let Some(path) = page {
        let answer = ann.get(&path).is(200);
        paged.extend(answer.list());
        page = answer.next_page();
    }
    assert_eq!(paged, failed);
    let cursor = ann.get(&format!("{FAILED}&limit=1")).is(200).next_page().expect("a second page");
    assert_eq!(bob.get(&cursor).is(200).json(), json!([]));
    ann.get("/api/v1/deliveries?state=delivered").problem(422);
    ann.get("/api/v1/deliveries?cursor=x").problem(422);
}
