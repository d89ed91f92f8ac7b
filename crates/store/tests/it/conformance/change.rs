//! What listeners are told: that something may have changed, of which sort and whose, once a commit, after it stands.

use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use oncue_domain::occurrence::{Reason, Skipped};
use oncue_domain::plan::{Firing, Plan};
use oncue_domain::store::{Change, Planned};
use oncue_domain::trigger::Definition;

use crate::bench::{answered, api, every, everywhere, t};

#[tokio::test]
async fn listeners_hear_of_every_sort_of_change_and_whose_it_is_once_after_it_stands() {
    everywhere(async |bench| {
        let (owner, other) = (bench.user("a").await, bench.user("b").await);
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ear = Arc::clone(&heard);
        bench.store.subscribe(Arc::new(move |change| ear.lock().expect("no panic").push(change)));
        let took = || {
            let mut changes = std::mem::take(&mut *heard.lock().expect("no panic"));
            changes.sort_by_key(|change| format!("{change:?}"));
            changes
        };
        let called = bench.trigger(owner, api("api")).await.id;
        assert_eq!(took(), [Change::Edited(owner)]);
        let timed = bench.trigger(other, every("1m")).await;
        assert_eq!(took(), [Change::Armed, Change::Edited(other)]);
        bench.fire(owner, called, None, t(1)).await;
        assert_eq!(took(), [Change::Logged(owner), Change::Owed]);
        let claims = bench.claim_all(t(1)).await;
        assert_eq!(took(), [], "nothing that can be seen has changed");
        bench.store.settle(vec![answered(&claims[0], 500, t(1))]).await.expect("a settlement");
        assert_eq!(took(), [Change::Owed, Change::Settled(owner)]);
        bench.store.settle(vec![answered(&claims[0], 200, t(2))]).await.expect("a settlement");
        assert_eq!(took(), [], "the claim was used up");
        let claims = bench.claim_all(t(100)).await;
        bench.store.settle(vec![answered(&claims[0], 200, t(100))]).await.expect("a settlement");
        assert_eq!(took(), [Change::Settled(owner)]);
        let plan = |next_at: Timestamp, skipped: Vec<Skipped>, firings: Vec<Firing>| Planned {
            trigger: Arc::new(timed.clone()),
            armed: next_at,
            message_ids: firings.iter().map(|_| bench.message()).collect(),
            edition: 0,
            plan: Plan {
                firings,
                skipped,
                put_off: Vec::new(),
                next_at: Some(next_at + SignedDuration::from_mins(1)),
                ..Plan::default()
            },
        };
        let firing = |seconds| Firing { scheduled_at: t(seconds), due_at: None, caught_up: false };
        let both = vec![plan(t(60), Vec::new(), vec![firing(60), firing(61)])];
        bench.store.commit_plans(both, t(60)).await.expect("a commit");
        assert_eq!(took(), [Change::Logged(other), Change::Owed], "once, however many there are");
        let missed = Skipped { reason: Reason::Missed, first: t(120), last: t(120), count: 1 };
        let none = vec![plan(t(120), vec![missed], Vec::new())];
        bench.store.commit_plans(none.clone(), t(130)).await.expect("a commit");
        assert_eq!(took(), [Change::Edited(other)], "it waits for something else");
        bench.store.commit_plans(none, t(130)).await.expect("a commit");
        assert_eq!(took(), [], "a stale plan changes nothing");
        let renamed = Definition { name: Some("renamed".to_owned()), ..api("api") };
        let edit = bench.get(owner, called).await.trigger.edit(renamed, None, t(140));
        bench.store.edit_trigger(edit.clone(), None, t(140)).await.expect("an edit");
        assert_eq!(took(), [Change::Edited(owner)]);
        bench.store.edit_trigger(edit, None, t(140)).await.expect("an answer");
        assert_eq!(took(), [], "a stale edit changes nothing");
        assert!(bench.store.delete_trigger(owner, called, t(150)).await.expect("an answer"));
        assert_eq!(took(), [Change::Edited(owner)]);
        assert!(!bench.store.delete_trigger(owner, called, t(150)).await.expect("an answer"));
        assert_eq!(took(), []);
    })
    .await;
}
