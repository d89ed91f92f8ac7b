//! Following what is logged: each event once, in the order of its number, whoever writes meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use oncue_domain::event::Origin;
use oncue_domain::firing::Outcome;
use oncue_domain::id::{EventId, UserId};
use oncue_domain::store::{EventFilter, EventLines, EventPage, EventSearch, FOLLOWED_MAX, Store};

use crate::bench::{Bench, api, everywhere, t};

async fn follow(store: &dyn Store, owner: UserId, what: EventSearch, after: EventId, limit: usize) -> EventLines {
    let lines = store.events_logged_after(owner, what, after, limit).await.expect("an answer");
    assert_eq!(lines.gave_up_at, None);
    lines
}

fn numbers(lines: &EventLines) -> Vec<EventId> {
    lines.lines.iter().map(|line| line.id).collect()
}

async fn fire_many(bench: &Bench, owner: UserId, id: oncue_domain::id::TriggerId, count: usize) {
    let mut calls = Vec::new();
    for _ in 0..count {
        let (store, call) = (bench.store.clone(), bench.call(Origin::Api, None));
        calls.push(tokio::spawn(async move { store.fire(owner, id, call, t(1)).await.expect("a call") }));
    }
    for call in calls {
        call.await.expect("no panic");
    }
}

#[tokio::test]
async fn a_list_goes_on_where_it_was_read() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, api("api")).await.id;
        let all = EventSearch::default();
        let store = &*bench.store;
        let empty = store.event_lines(owner, all.clone(), EventPage::NewestFirst(None), 10).await.expect("a search");
        assert_eq!(empty.logged_until, EventId(0));
        let first = bench.fire(owner, id, None, t(50)).await;
        let lines = store.event_lines(owner, all.clone(), EventPage::NewestFirst(None), 0).await.expect("a search");
        assert_eq!(lines.logged_until, first, "whether they are on the page or not");
        assert_eq!(follow(store, owner, all.clone(), first, 10).await.lines, []);
        // The order is that of the numbers, whatever the clock says.
        let (second, third) = (bench.fire(owner, id, None, t(20)).await, bench.fire(owner, id, None, t(30)).await);
        let lines = follow(store, owner, all.clone(), empty.logged_until, 10).await;
        assert_eq!((numbers(&lines), lines.logged_until), (vec![first, second, third], third));
        let lines = follow(store, owner, all.clone(), empty.logged_until, 2).await;
        assert_eq!((numbers(&lines), lines.logged_until), (vec![first, second], second));
        let lines = follow(store, owner, all.clone(), second, 2).await;
        assert_eq!((numbers(&lines), lines.logged_until), (vec![third], third));
        let lines = follow(store, owner, all.clone(), EventId(1_000_000), 2).await;
        assert_eq!((numbers(&lines), lines.logged_until), (vec![], EventId(1_000_000)), "it never goes back");
        let lines = follow(store, owner, all.clone(), first, 0).await;
        assert_eq!((numbers(&lines), lines.logged_until), (vec![], first), "nothing was looked at");
        // The newest number counts even when its event is gone.
        store.expire(t(100), t(200), 10).await.expect("an answer");
        assert_eq!(follow(store, owner, all.clone(), first, 10).await.logged_until, third);
        let lines = store.event_lines(owner, all, EventPage::NewestFirst(None), 10).await.expect("a search");
        assert_eq!(lines.logged_until, third);
        assert!(bench.fire(owner, id, None, t(201)).await > third);
    })
    .await;
}

#[tokio::test]
async fn only_what_is_looked_for_comes() {
    everywhere(async |bench| {
        let (anna, ben) = (bench.user("anna").await, bench.user("ben").await);
        let (hers, other) = (bench.trigger(anna, api("hers")).await.id, bench.trigger(anna, api("other")).await.id);
        let his = bench.trigger(ben, api("his")).await.id;
        let one = bench.fire(anna, hers, Some("\"Needle\""), t(1)).await;
        let two = bench.fire(anna, other, None, t(2)).await;
        bench.fire(ben, his, Some("\"needle\""), t(3)).await;
        let three = bench.fire(anna, hers, None, t(4)).await;
        let found = async |what: EventSearch| numbers(&follow(&*bench.store, anna, what, EventId(0), 10).await);
        let trigger = EventFilter { trigger: Some(hers), ..EventFilter::default() };
        assert_eq!(found(EventSearch { filter: trigger, ..EventSearch::default() }).await, [one, three]);
        let recent = EventFilter { fired_after: Some(t(1)), fired_until: Some(t(3)), ..EventFilter::default() };
        assert_eq!(found(EventSearch { filter: recent, ..EventSearch::default() }).await, [two]);
        assert_eq!(found(EventSearch { text: Some("nEEdle".to_owned()), ..EventSearch::default() }).await, [one]);
        assert_eq!(found(EventSearch { origin: Some(Origin::Test), ..EventSearch::default() }).await, []);
        for (outcome, count) in [(Outcome::Pending, 3), (Outcome::Delivered, 0), (Outcome::Failed, 0)] {
            assert_eq!(found(EventSearch { outcome: Some(outcome), ..EventSearch::default() }).await.len(), count);
        }
    })
    .await;
}

#[tokio::test]
async fn a_long_walk_is_made_in_several_calls() {
    everywhere(async |bench| {
        let (anna, ben) = (bench.user("anna").await, bench.user("ben").await);
        let (hers, his) = (bench.trigger(anna, api("hers")).await.id, bench.trigger(ben, api("his")).await.id);
        let last_before = bench.fire(anna, hers, None, t(1)).await;
        fire_many(&bench, ben, his, FOLLOWED_MAX).await;
        let hers = bench.fire(anna, hers, None, t(1)).await;
        let first = follow(&*bench.store, anna, EventSearch::default(), last_before, 10).await;
        assert_eq!(first.lines, []);
        assert!(last_before < first.logged_until && first.logged_until < hers);
        let second = follow(&*bench.store, anna, EventSearch::default(), first.logged_until, 10).await;
        assert_eq!((numbers(&second), second.logged_until), (vec![hers], hers));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_follows_sees_each_event_once_while_others_write() {
    everywhere(async |bench| {
        let (anna, ben) = (bench.user("anna").await, bench.user("ben").await);
        let (hers, his) = (bench.trigger(anna, api("hers")).await.id, bench.trigger(ben, api("his")).await.id);
        let is_over = Arc::new(AtomicBool::new(false));
        let (store, over) = (bench.store.clone(), Arc::clone(&is_over));
        let reader = tokio::spawn(async move {
            let (mut seen, mut after) = (Vec::new(), EventId(0));
            loop {
                let was_over = over.load(Ordering::Acquire);
                let lines = follow(&*store, anna, EventSearch::default(), after, 7).await;
                seen.extend(numbers(&lines));
                if was_over && lines.logged_until == after {
                    return seen;
                }
                after = lines.logged_until;
                tokio::task::yield_now().await;
            }
        });
        let mut writers = Vec::new();
        for (owner, id) in [(anna, hers), (ben, his), (anna, hers), (ben, his)] {
            let store = bench.store.clone();
            let calls: Vec<_> = (0..150).map(|_| bench.call(Origin::Api, None)).collect();
            writers.push(tokio::spawn(async move {
                for call in calls {
                    store.fire(owner, id, call, t(1)).await.expect("a call");
                }
            }));
        }
        for writer in writers {
            writer.await.expect("no panic");
        }
        is_over.store(true, Ordering::Release);
        let seen = reader.await.expect("no panic");
        let logged: Vec<EventId> = bench.events(anna).await.iter().map(|event| event.id).collect();
        assert_eq!(seen, logged);
        assert_eq!(seen.len(), 300);
    })
    .await;
}
