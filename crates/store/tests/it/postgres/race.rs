//! Nodes that do the same at once: one of them does it, or each its part, and never two.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use oncue_domain::act::ActFilter;
use oncue_domain::delivery;
use oncue_domain::destination::Standing;
use oncue_domain::event::Origin;
use oncue_domain::freeze::Said;
use oncue_domain::id::{EventId, UserId};
use oncue_domain::idempotency::{Key, Keyed, Print};
use oncue_domain::revision::FORMER_KEPT;
use oncue_domain::run::Expectation;
use oncue_domain::schedule::every::Period;
use oncue_domain::store::{Deed, Done, Edited, EventFilter, EventPage, Fired};
use oncue_domain::trigger::{Definition, Pause};
use tokio_postgres::NoTls;

use super::{Nodes, PATIENCE};
use crate::bench::{Bench, answered, api, every, t, webhook};
use crate::conformance::redelivery::race::nothing_is_doubled_or_forgotten;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_two_nodes_fire_at_once_fires_once() {
    let nodes = Nodes::begin(2).await;
    let owner = nodes.user("a").await;
    let mut triggers = Vec::new();
    for _ in 0..40 {
        triggers.push(nodes.nodes[0].trigger(owner, every("1m")).await.id);
    }
    for round in 1..=5_usize {
        let now = t(60 * i64::try_from(round).expect("small"));
        // All plans before the first commit: whoever looks afterwards finds nothing due.
        let mut planned = Vec::new();
        for node in &nodes.nodes {
            let mut plans = Vec::new();
            for id in &triggers {
                plans.push(node.planned(owner, *id, now).await);
            }
            planned.push((Arc::clone(&node.store), plans));
        }
        // Not in the same order, so that neither has all the locks before the other asks for any.
        planned[1].1.reverse();
        let mut commits = Vec::new();
        for (store, mut plans) in planned {
            for plans in [plans.split_off(plans.len() / 2), plans] {
                let store = Arc::clone(&store);
                commits.push(tokio::spawn(async move { store.commit_plans(plans, now).await.expect("a commit") }));
            }
        }
        let (mut carried_out, mut stale, mut events) = (0, 0, 0);
        for commit in commits {
            let committed = commit.await.expect("no panic");
            carried_out += committed.plans;
            stale += committed.stale.len();
            events += committed.events;
        }
        assert_eq!((carried_out, stale, events), (triggers.len(), triggers.len(), triggers.len()));
        let mut fired: Vec<_> = nodes.nodes[1].events(owner).await;
        assert_eq!(fired.len(), triggers.len() * round);
        fired.sort_by_key(|event| (event.trigger, event.scheduled_at));
        fired.dedup_by_key(|event| (event.trigger, event.scheduled_at));
        assert_eq!(fired.len(), triggers.len() * round, "no occurrence has two");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_claim_on_several_nodes_none_gets_what_another_has() {
    let nodes = Nodes::begin(3).await;
    let owner = nodes.user("a").await;
    let id = nodes.nodes[0].trigger(owner, api("api")).await.id;
    let mut events = Vec::new();
    for _ in 0..200 {
        events.push(nodes.nodes[0].fire(owner, id, None, t(0)).await);
    }
    // The node that logged them ends, so that all of them lie in the table.
    nodes.nodes[0].node().close().await;
    let claimers: Vec<_> = nodes.nodes[1..]
        .iter()
        .cycle()
        .take(8)
        .map(|node| {
            let store = Arc::clone(&node.store);
            tokio::spawn(async move {
                let mut claimed: Vec<EventId> = Vec::new();
                // Some lie under another's hands for a moment and are stepped over.
                for _ in 0..100 {
                    let claims = store.claim_deliveries(t(1), 7).await.expect("claims");
                    claimed.extend(claims.iter().map(|claim| claim.event.id));
                }
                claimed
            })
        })
        .collect();
    let mut claimed = Vec::new();
    for claimer in claimers {
        claimed.extend(claimer.await.expect("no panic"));
    }
    claimed.sort();
    assert_eq!(claimed, events);
}

/// While an edit lets go of former revisions, in the order of their bytes, their age lets go of others, and neither waits for the other.
#[tokio::test(flavor = "multi_thread")]
async fn former_revisions_go_by_their_age_past_those_that_an_edit_is_at() {
    let nodes = Nodes::begin(1).await;
    let (node, owner) = (&nodes.nodes[0], nodes.user("a").await);
    let id = node.trigger(owner, api("edited")).await.id;
    for number in 1..=i64::try_from(FORMER_KEPT).expect("small") + 4 {
        let trigger = node.get(owner, id).await.trigger;
        let edit = trigger.edit(api(&format!("n{number}")), None, t(number));
        assert_eq!(node.store.edit_trigger(edit, None, t(number)).await, Ok(Edited::Done));
    }
    let oldest = async || {
        let kept = node.store.revisions(owner, id, None, 1000).await.expect("a list");
        kept.iter().rev().take(3).map(|one| one.trigger.revision).collect::<Vec<_>>()
    };
    assert_eq!(oldest().await, [1, 2, 3]);
    let (client, line) = tokio_postgres::connect(&nodes.database.url(), NoTls).await.expect("a connection");
    tokio::spawn(line);
    let sql = "BEGIN; SELECT 1 FROM former_triggers WHERE revision = 2 FOR UPDATE";
    client.batch_execute(sql).await.expect("nobody else is at it");
    let expired = tokio::time::timeout(PATIENCE, node.store.expire(t(1000), t(1000), 100)).await;
    assert!(expired.expect("it waits for nobody").is_ok());
    assert_eq!(oldest().await, [2, 5, 6]);
    client.batch_execute("ROLLBACK").await.expect("an end");
    node.store.expire(t(1000), t(1000), 100).await.expect("an answer");
    assert_eq!(oldest().await, [5, 6, 7]);
}

async fn logged(node: &Bench, owner: UserId) -> usize {
    let page = EventPage::OldestFirst(None);
    node.store.events(owner, EventFilter::default(), page, 1_000_000).await.expect("events").len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_node_fires_what_another_has_paused() {
    let nodes = Nodes::begin(3).await;
    let owner = nodes.user("a").await;
    let id = nodes.nodes[0].trigger(owner, api("api")).await.id;
    let (is_over, fired) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let callers: Vec<_> = [0, 1, 0, 1]
        .map(|node: usize| {
            let store = Arc::clone(&nodes.nodes[node].store);
            let ids = oncue_domain::id::Ids::from_seed([u8::try_from(node).expect("small") + 100; 32]);
            let (is_over, fired) = (Arc::clone(&is_over), Arc::clone(&fired));
            tokio::spawn(async move {
                while !is_over.load(Ordering::Acquire) {
                    let call = oncue_domain::store::Call {
                        origin: Origin::Api,
                        payload: None,
                        checked: None,
                        message_id: ids.message(t(0)),
                    };
                    match store.fire(owner, id, call, t(1)).await.expect("an answer") {
                        Fired::Event(_) => {
                            fired.fetch_add(1, Ordering::AcqRel);
                        }
                        Fired::Refused(_) => tokio::task::yield_now().await,
                        other => panic!("it is there, yet {other:?}"),
                    }
                }
            })
        })
        .into();
    let third = &nodes.nodes[2];
    let set = async |enabled: bool| {
        let trigger = third.get(owner, id).await.trigger;
        let edit = trigger.edit(Definition { enabled, ..api("api") }, None, t(1));
        assert_eq!(third.store.edit_trigger(edit, None, t(1)).await.expect("an edit"), Edited::Done);
    };
    for round in 0..20 {
        set(false).await;
        let paused = logged(third, owner).await;
        for node in &nodes.nodes {
            let call = node.call(Origin::Api, None);
            let answer = node.store.fire(owner, id, call, t(1)).await.expect("an answer");
            assert!(matches!(answer, Fired::Refused(_)), "round {round}: {answer:?} by a node that did not pause it");
        }
        assert_eq!(logged(third, owner).await, paused, "round {round}: nothing came after the answer");
        set(true).await;
        let before = fired.load(Ordering::Acquire);
        super::until("somebody fires it again", async || fired.load(Ordering::Acquire) > before).await;
    }
    is_over.store(true, Ordering::Release);
    for caller in callers {
        caller.await.expect("no panic");
    }
    assert_eq!(logged(third, owner).await, fired.load(Ordering::Acquire), "what was told is there, and nothing else");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_several_nodes_send_again_cancel_and_deliver_is_neither_doubled_nor_forgotten() {
    for _ in 0..2 {
        nothing_is_doubled_or_forgotten(&Nodes::begin(3).await.nodes).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_destination_resumes_beside_settlements_of_the_same_events_and_neither_waits_for_the_other_in_a_circle() {
    let nodes = Nodes::begin(1).await;
    let (owner, node) = (nodes.user("a").await, &nodes.nodes[0]);
    let to = node.destination(owner, "d").await.id;
    let definition =
        Definition { webhook: Some(webhook("https://example.com/hook")), destinations: vec![to], ..api("both") };
    let trigger = node.trigger(owner, definition).await.id;
    let set = |standing, now| node.store.set_standing(owner, to, standing, now);
    for round in 0..8 {
        let now = t(20 * round);
        for _ in 0..40 {
            node.fire(owner, trigger, None, now).await;
        }
        let (own, others): (Vec<_>, Vec<_>) = node.claim_all(now).await.into_iter().partition(|claim| claim.slot == 0);
        assert!(set(Standing::Paused { since: now }, now).await.expect("an answer"));
        let parked = others.into_iter().map(|claim| delivery::park(claim, t(9000), now)).collect();
        node.store.settle(parked).await.expect("a settlement");
        let failed = own.iter().rev().map(|claim| answered(claim, 500, now)).collect();
        let (settled, resumed) = tokio::join!(node.store.settle(failed), set(Standing::Active, now));
        assert_eq!((settled, resumed), (Ok(()), Ok(true)), "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_comes_to_several_nodes_at_once_under_one_key_is_done_once() {
    let nodes = Nodes::begin(3).await;
    let owner = nodes.user("a").await;
    let id = nodes.nodes[0].trigger(owner, api("api")).await.id;
    for round in 0..10 {
        // The items of a call in another order on every other node: nobody may wait for the others in a circle.
        let calls: Vec<_> = (0..12)
            .map(|caller: usize| {
                let node = &nodes.nodes[caller % 3];
                let keyed = |item: u32| Keyed {
                    key: Key::parse(format!("round-{round}").as_bytes()).expect("a key"),
                    item,
                    print: Print::of(&[b"a"]),
                };
                let mut deeds: Vec<(Keyed, Deed)> =
                    (0..4).map(|item| (keyed(item), Deed::Fire(id, node.call(Origin::Api, None)))).collect();
                if caller % 2 == 1 {
                    deeds.reverse();
                }
                let store = Arc::clone(&node.store);
                tokio::spawn(async move { store.once(owner, deeds, t(1)).await })
            })
            .collect();
        let mut fired = 0;
        for call in calls {
            for done in call.await.expect("no panic") {
                match done.expect("an answer") {
                    Done::Fired(Fired::Event(_)) => fired += 1,
                    Done::Before { .. } => {}
                    other => panic!("{other:?}"),
                }
            }
        }
        assert_eq!(fired, 4, "round {round}");
        assert_eq!(logged(&nodes.nodes[0], owner).await, 4 * (round + 1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_two_nodes_find_overdue_at_once_is_told_once() {
    let nodes = Nodes::begin(2).await;
    let owner = nodes.user("a").await;
    let tells = nodes.nodes[0].destination(owner, "operator").await.id;
    let period = Period::parse("1m").expect("a period");
    let expects = Some(Expectation::new(period, None, Some(tells)).expect("it makes sense"));
    let id = nodes.nodes[0].trigger(owner, Definition { expects, ..api("job") }).await.id;
    for round in 0..5 {
        let (fired, now) = (t(600 * round), t(600 * round + 100));
        for number in 0..40_usize {
            nodes.nodes[number % 2].fire(owner, id, None, fired).await;
        }
        let looks: Vec<_> = nodes
            .nodes
            .iter()
            .cycle()
            .take(4)
            .map(|node| {
                let store = Arc::clone(&node.store);
                tokio::spawn(async move { store.lapse_runs(t(-1), now, 15).await.expect("an answer").overdue })
            })
            .collect();
        let mut found = 0;
        for look in looks {
            found += look.await.expect("no panic");
        }
        loop {
            let more = nodes.nodes[0].store.lapse_runs(t(-1), now, 15).await.expect("an answer").overdue;
            if more == 0 {
                break;
            }
            found += more;
        }
        assert_eq!(found, 40);
        let told = nodes.nodes[1].events(owner).await.into_iter().filter(|event| event.origin == Origin::Alert);
        assert_eq!(told.count(), 40 * (usize::try_from(round).expect("small") + 1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_end_that_several_nodes_see_at_once_is_told_once() {
    let nodes = Nodes::begin(2).await;
    let owner = nodes.user("a").await;
    let said = Said { reason: None, until: Some(t(50)) };
    nodes.nodes[0].store.freeze(Some(owner), said, t(10)).await.expect("a freeze");
    for number in 0..40 {
        let pause = Pause::new(None, Some(t(100 + number)));
        nodes.nodes[0].trigger(owner, Definition { enabled: false, pause, ..every("1m") }).await;
        let expires_at = Some(t(200 + number));
        nodes.nodes[0].trigger(owner, Definition { expires_at, ..every("1m") }).await;
    }
    let looks: Vec<_> = nodes
        .nodes
        .iter()
        .cycle()
        .take(6)
        .map(|node| {
            let store = Arc::clone(&node.store);
            tokio::spawn(async move {
                let mut told = 0;
                for _ in 0..20 {
                    told += store.note_ends(t(500), 7).await.expect("an answer");
                }
                told
            })
        })
        .collect();
    let mut told = 0;
    for look in looks {
        told += look.await.expect("no panic");
    }
    assert_eq!(told, 81);
    let acts = nodes.nodes[1].store.acts(ActFilter::of(owner), None, 1000).await.expect("a list");
    assert_eq!(acts.len(), 81);
}
