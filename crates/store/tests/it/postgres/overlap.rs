//! Triggers that do not overlap, on many nodes at once: whoever waits is called up, whoever ends what it waits for, and two never fire one.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::SignedDuration;
use oncue_domain::backlog::{Drained, PutOff};
use oncue_domain::overlap::{Before, Overlap, Turn};
use oncue_domain::plan::{Plan, plan_behind};
use oncue_domain::store::{Change, Planned};
use oncue_domain::trigger::Definition;

use tokio_postgres::NoTls;

use super::{Nodes, until};
use crate::bench::{answered, every, t, webhook};

fn alone() -> Definition {
    Definition { overlap: Overlap::Queue, webhook: Some(webhook("https://example.com/")), ..every("1m") }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_is_let_wait_while_what_is_waited_for_ends_elsewhere_is_called_up_or_does_not_wait() {
    let nodes = Nodes::begin(2).await;
    let owner = nodes.user("a").await;
    let [one, other] = [&nodes.nodes[0], &nodes.nodes[1]];
    let mut triggers = Vec::new();
    for _ in 0..40 {
        triggers.push(one.trigger(owner, alone()).await.id);
    }
    for id in &triggers {
        one.fire_due(owner, *id, t(60)).await;
    }
    let claims = one.claim_all(t(61)).await;
    assert_eq!(claims.len(), triggers.len());
    let mut waits = Vec::new();
    for id in &triggers {
        let armed = other.get(owner, *id).await;
        let plan = plan_behind(&armed, t(120), &[], Before::UnderWay).expect("it waits for something");
        assert_eq!(plan.turn, Turn::Waits);
        let next_at = armed.next_at.expect("it waits for something");
        waits.push(Planned {
            trigger: Arc::new(armed.trigger),
            armed: next_at,
            plan,
            message_ids: Vec::new(),
            edition: 0,
        });
    }
    let mut tasks = Vec::new();
    for (claim, wait) in claims.into_iter().zip(waits) {
        let (settling, waiting) = (Arc::clone(&one.store), Arc::clone(&other.store));
        tasks.push(tokio::spawn(async move {
            settling.settle(vec![answered(&claim, 200, t(120))]).await.expect("a settlement");
        }));
        tasks.push(tokio::spawn(async move {
            let committed = waiting.commit_plans(vec![wait], t(120)).await.expect("a commit");
            assert_eq!(committed.plans + committed.stale.len(), 1);
        }));
    }
    for task in tasks {
        task.await.expect("no panic");
    }
    let is_due = async || other.store.due(t(200), 100).await.expect("an answer").len() == triggers.len();
    until("nothing is under way, so none waits for anything", is_due).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_schedule_and_a_backlog_that_do_not_overlap_one_fires_at_once() {
    let nodes = Nodes::begin(2).await;
    let owner = nodes.user("a").await;
    let [one, other] = [&nodes.nodes[0], &nodes.nodes[1]];
    for round in 0..4_i64 {
        let mut plans = Vec::new();
        for _ in 0..20 {
            let trigger = Arc::new(one.trigger(owner, alone()).await);
            let (first, absent_for) = (t(60), SignedDuration::from_mins(1));
            let put_off = PutOff { first, last: first, count: 1, is_held: false, absent_for };
            let plan = Plan { put_off: vec![put_off], next_at: Some(t(120)), ..Plan::default() };
            let planned =
                Planned { trigger: Arc::clone(&trigger), armed: first, plan, message_ids: Vec::new(), edition: 0 };
            one.store.commit_plans(vec![planned], t(119)).await.expect("a commit");
            plans.push(one.planned(owner, trigger.id, t(120)).await);
        }
        let turns = other.store.backlog_turns(None, 10, 100).await.expect("turns").backlogs;
        assert_eq!(turns.len(), plans.len());
        let mut tasks = Vec::new();
        for ((backlog, trigger), planned) in turns.into_iter().zip(plans) {
            assert_eq!(trigger.id, planned.trigger.id);
            let slice = backlog.slice(&trigger, 10);
            let drained = Drained { backlog, trigger, slice, message_ids: vec![other.message()], edition: 0 };
            let (by_plan, by_drain) = (Arc::clone(&one.store), Arc::clone(&other.store));
            tasks.push(tokio::spawn(async move {
                let now = t(120);
                let both = tokio::join!(by_plan.commit_plans(vec![planned], now), by_drain.drain(drained, now));
                let fired = both.0.expect("a commit").events + both.1.expect("an answer").unwrap_or(0);
                assert_eq!(fired, 1, "in round {round}");
            }));
        }
        for task in tasks {
            task.await.expect("no panic");
        }
        // What was not drained is none of the next round's.
        one.store.discard_backlogs(owner, None, t(121)).await.expect("an answer");
    }
}

#[tokio::test]
async fn who_waits_for_what_a_node_ended_that_could_not_say_so_is_called_up_by_the_sweep() {
    let nodes = Nodes::begin(1).await;
    let (node, owner) = (&nodes.nodes[0], nodes.user("a").await);
    let id = node.trigger(owner, alone()).await.id;
    node.fire_due(owner, id, t(60)).await;
    let armed = node.get(owner, id).await;
    let plan = plan_behind(&armed, t(120), &[], Before::UnderWay).expect("it waits for something");
    let planned =
        Planned { trigger: Arc::new(armed.trigger), armed: t(120), plan, message_ids: Vec::new(), edition: 0 };
    node.store.commit_plans(vec![planned], t(120)).await.expect("a commit");
    assert!(node.store.due(t(200), 10).await.expect("an answer").is_empty());
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ear = Arc::clone(&heard);
    node.store.subscribe(Arc::new(move |change| ear.lock().expect("no panic").push(change)));
    nodes.database.sql("DELETE FROM outbox");
    until("it is called up", async || !node.store.due(t(200), 10).await.expect("an answer").is_empty()).await;
    until("the scheduler hears of it", async || heard.lock().expect("no panic").contains(&Change::Armed)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_ends_something_waits_for_nobody_who_holds_what_waits() {
    let nodes = Nodes::begin(1).await;
    let (node, owner) = (&nodes.nodes[0], nodes.user("a").await);
    let id = node.trigger(owner, alone()).await.id;
    node.fire_due(owner, id, t(60)).await;
    let claims = node.claim_all(t(61)).await;
    let armed = node.get(owner, id).await;
    let plan = plan_behind(&armed, t(120), &[], Before::UnderWay).expect("it waits for something");
    let planned =
        Planned { trigger: Arc::new(armed.trigger), armed: t(120), plan, message_ids: Vec::new(), edition: 0 };
    node.store.commit_plans(vec![planned], t(120)).await.expect("a commit");
    let (client, line) = tokio_postgres::connect(&nodes.database.url(), NoTls).await.expect("a connection");
    tokio::spawn(line);
    client.batch_execute("BEGIN; SELECT 1 FROM cursors FOR UPDATE").await.expect("nobody else is at it");
    let settled = node.store.settle(vec![answered(&claims[0], 200, t(121))]);
    tokio::time::timeout(Duration::from_secs(5), settled).await.expect("it does not wait").expect("a settlement");
    assert!(node.store.due(t(200), 10).await.expect("an answer").is_empty());
    client.batch_execute("ROLLBACK").await.expect("an answer");
    until("the sweep calls it up", async || !node.store.due(t(200), 10).await.expect("an answer").is_empty()).await;
    let before = node.store.events_before(vec![(owner, id)]).await.expect("an answer");
    assert_eq!(before, [Before::OverSince(t(121))], "it met what fell due up to its end, and no more");
}
