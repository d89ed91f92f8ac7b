//! The end of a run: everything comes to rest, and what the program shows then is taken down.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::book::Stage;
use super::evidence::{self, Kept};
use crate::support::client::{Answer, Client};
use crate::support::time::instant;
use crate::support::wait::{until, until_within};

/// Lets everything come to rest: all that is due up to an instant is accounted for, then nothing is armed any more, then
/// nothing is owed any more. Gives that instant and all that the server shows.
///
/// `has_passed` is asked as well whether everything due up to an instant was looked at: where several servers share the work,
/// the clocks among the triggers tell only how far those are that happen to fire them.
pub(crate) fn settle(
    ann: &Client,
    stage: &Stage,
    patience: Duration,
    mut has_passed: impl FnMut(Timestamp) -> bool,
) -> (Timestamp, Kept) {
    for id in stage.restless() {
        ann.patch(&format!("/api/v1/triggers/{id}"), &json!({"enabled": true})).is(200);
    }
    stage.street.calm_down();
    let accounted_until = Timestamp::now();
    for id in stage.clocks() {
        until_within(patience, "the scheduler passes the instant of the account", || {
            let latest = read(ann, &format!("/api/v1/event_logs?trigger_id={id}&limit=1")).list();
            latest.first().filter(|event| instant(&event["scheduled_at"]) > accounted_until).map(drop)
        });
    }
    until_within(patience, "everything due is looked at", || has_passed(accounted_until).then_some(()));
    let triggers = all_pages(ann, "/api/v1/triggers?limit=200");
    for trigger in triggers.iter().filter(|trigger| trigger["type"] == "scheduled") {
        ann.patch(&format!("/api/v1/triggers/{}", trigger["id"]), &json!({"enabled": false})).is(200);
    }
    let start = Instant::now();
    until_within(patience, "nothing is owed any more", || {
        // One whose receiver wanted nothing more waits for its owner.
        for id in stage.book().destinations.values() {
            ann.post_nothing(&format!("/api/v1/destinations/{id}/resume"));
        }
        (owed(ann) == 0).then_some(())
    });
    println!("the backlog was empty after {:?}", start.elapsed());
    let records = triggers.iter().map(|trigger| {
        let records = read(ann, &format!("/api/v1/triggers/{}/skipped", trigger["id"])).list();
        (trigger["id"].as_i64().expect("an integer id"), records)
    });
    let skipped = records.collect();
    let events = all_pages(ann, "/api/v1/event_logs?status=all&limit=200");
    let details = evidence::sample(&events)
        .map(|event| read(ann, &format!("/api/v1/event_logs/{}", event["id"])).json())
        .collect();
    let fanning_out = stage.fanning_out();
    let fans_out = |event: &&Value| fanning_out.iter().any(|trigger| event["trigger_id"] == *trigger);
    let fanned_out = events
        .iter()
        .filter(fans_out)
        .map(|event| read(ann, &format!("/api/v1/event_logs/{}", event["id"])).json())
        .collect();
    (accounted_until, Kept { triggers, skipped, events, details, fanned_out })
}

/// What is there, asked for again where the server says that it cannot answer just now, as every client should.
fn read(ann: &Client, path: &str) -> Answer {
    until("the server can answer", || Some(ann.get(path)).filter(|answer| answer.status != 503)).is(200)
}

fn all_pages(ann: &Client, path: &str) -> Vec<Value> {
    let mut items = Vec::new();
    let mut next = Some(path.to_owned());
    while let Some(path) = next {
        let page = read(ann, &path);
        items.extend(page.list());
        next = page.next_page();
    }
    items
}

/// How many deliveries are owed, as the metrics say.
fn owed(ann: &Client) -> u64 {
    let metrics = read(ann, "/metrics").text;
    let line = metrics.lines().find_map(|line| line.strip_prefix("oncue_deliveries_owed "));
    line.and_then(|count| count.trim().parse::<f64>().ok())
        .map(|count| count as u64)
        .expect("the gauge oncue_deliveries_owed")
}
