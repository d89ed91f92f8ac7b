//! Whether calls came at the pace that a destination says, judged by the receiver's clock alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::receiver::{OK, Received, Receiver};

/// A call begins in its turn, and arrives that much later at most than the quickest: on a busy machine processes wait for a processor.
/// So a span may hold what began in it, and what began so shortly before it.
const ON_THE_WAY_MAX: Duration = Duration::from_millis(600);

/// The rate of these tests: so much in a second, and a burst that shows if any of it is given twice.
pub(crate) const PER_SECOND: usize = 5;
pub(crate) const BURST: usize = 12;

/// A called trigger, and the destination of these settings that it sends to.
pub(crate) fn trigger(ann: &Client, receiver: &Receiver, settings: &Value) -> i64 {
    let mut body = json!({"name": "Paced", "kind": "webhook", "url": receiver.url()});
    body.as_object_mut().expect("an object").extend(settings.as_object().expect("an object").clone());
    let made = ann.post("/api/v1/destinations", &body).is(201).json();
    let body = json!({"type": "api", "destinations": [made["id"]]});
    ann.post("/api/v1/triggers", &body).is(201).json()["id"].as_i64().expect("an integer")
}

/// In no span did more arrive than the burst and what the rate adds in it.
pub(crate) fn complaints(received: &[Received]) -> Vec<String> {
    let mut at: Vec<_> = received.iter().map(|received| received.at).collect();
    at.sort();
    let mut complaints = Vec::new();
    for (first, began) in at.iter().enumerate() {
        for (more, ended) in at[first..].iter().enumerate() {
            let span = ended.duration_since(*began) + ON_THE_WAY_MAX;
            let most = BURST as f64 + PER_SECOND as f64 * span.as_secs_f64();
            if (more + 1) as f64 > most.ceil() {
                complaints.push(format!(
                    "{} calls in {:?}, from the {first}. on",
                    more + 1,
                    ended.duration_since(*began)
                ));
            }
        }
    }
    complaints
}

/// How many different deliveries came.
pub(crate) fn distinct(receiver: &Receiver) -> usize {
    let ids: std::collections::BTreeSet<String> =
        receiver.received().iter().map(|received| received.webhook_id().to_owned()).collect();
    ids.len()
}

/// A receiver that takes so long for each call, and the most calls that it ever had open at once.
pub(crate) fn counting(takes: Duration) -> (Receiver, Arc<AtomicUsize>) {
    let (open, most) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&most);
    let receiver = Receiver::scripted(move |_, _| {
        let now_open = open.fetch_add(1, Ordering::SeqCst) + 1;
        seen.fetch_max(now_open, Ordering::SeqCst);
        thread::sleep(takes);
        open.fetch_sub(1, Ordering::SeqCst);
        OK
    });
    (receiver, most)
}

#[test]
fn the_judge_of_paces_sees_a_burst_that_is_given_twice_and_a_rate_that_is_doubled() {
    let start = std::time::Instant::now();
    let calls = |milliseconds: &[u64]| -> Vec<Received> {
        let call = |ms: &u64| Received {
            at: start + Duration::from_millis(*ms),
            method: "POST".to_owned(),
            path: "/hook".to_owned(),
            headers: std::collections::BTreeMap::new(),
            body: Vec::new(),
        };
        milliseconds.iter().map(call).collect()
    };
    let burst: Vec<u64> = vec![0; BURST];
    let right: Vec<u64> = burst.iter().copied().chain((1..60).map(|turn| turn * 200)).collect();
    assert_eq!(complaints(&calls(&right)), Vec::<String>::new());
    let twice: Vec<u64> = right.iter().copied().chain(vec![4000; BURST]).collect();
    assert!(!complaints(&calls(&twice)).is_empty());
    let doubled: Vec<u64> = burst.into_iter().chain((1..60).map(|turn| turn * 100)).collect();
    assert!(!complaints(&calls(&doubled)).is_empty());
}
