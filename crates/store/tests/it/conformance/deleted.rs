//! What is known of a trigger that was deleted: how it stood, who deleted it, what it said before, what fired and what did not; by its
//! owner, until its events go.

use jiff::Timestamp;
use oncue_domain::actor::{Actor, Author, Who};
use oncue_domain::agenda::Span;
use oncue_domain::id::{TriggerId, UserId};
use oncue_domain::occurrence::Reason;
use oncue_domain::revision::Deletion;
use oncue_domain::store::{DeletedTrigger, Edited};
use oncue_domain::trigger::{Armed, Definition};

use crate::bench::{Bench, api, every, everywhere, t, wherever_it_lasts};

const ALL: Span = Span { from: Timestamp::MIN, until: Timestamp::MAX };

fn anna(id: UserId) -> Actor {
    let who = Who::User { id, email: "anna@example.com".to_owned() };
    Actor { who, address: Some("192.0.2.7".parse().expect("an address")), program: None }
}

/// A trigger that fired each minute, then each second one, and was deleted at 400 while it waited for 480; edited when one was due at 240.
async fn deleted(bench: &Bench, owner: UserId) -> (TriggerId, Armed) {
    let id = bench.trigger(owner, every("1m")).await.id;
    for minute in 1..=3 {
        bench.fire_due(owner, id, t(minute * 60)).await;
    }
    let armed = bench.get(owner, id).await;
    let definition = Definition { name: Some("slower".to_owned()), ..every("2m") };
    let edit = armed.trigger.edit(definition, armed.next_at, t(250));
    assert_eq!(bench.store.edit_trigger(edit, armed.next_at, t(250)).await, Ok(Edited::Done));
    let due = bench.get(owner, id).await.next_at.expect("it waits for something");
    bench.fire_due(owner, id, due).await;
    let last = bench.get(owner, id).await;
    let hers = bench.store.acting(Author { by: anna(owner), at: t(400) });
    assert_eq!(hers.delete_trigger(owner, id, t(400)).await, Ok(true));
    (id, last)
}

#[tokio::test]
async fn it_is_known_as_it_stood_with_who_deleted_it_until_its_events_go() {
    wherever_it_lasts(async |bench| {
        let (owner, other) = (bench.user("a").await, bench.user("b").await);
        let (id, last) = deleted(&bench, owner).await;
        assert!(last.next_at.is_some_and(|next| next > t(400)), "{last:?}");
        let deletion = Deletion { at: t(400), by: anna(owner), was_under_way: false };
        let expected = DeletedTrigger { armed: last.clone(), deletion };
        let known = async |bench: &Bench, whose, gone_until| {
            bench.store.deleted_trigger(whose, id, t(gone_until)).await.expect("an answer")
        };
        assert_eq!(known(&bench, owner, 399).await, Some(expected.clone()));
        assert_eq!(known(&bench, owner, 400).await, None, "it is old enough to be forgotten");
        assert_eq!(known(&bench, other, 0).await, None, "it is nobody else's");
        assert_eq!(bench.store.deleted_trigger(owner, TriggerId(999), t(0)).await, Ok(None));
        assert_eq!(bench.store.owner_of(id).await, Ok(Some(owner)), "whoever runs the server can ask, too");

        let bench = bench.reopen().await;
        assert_eq!(known(&bench, owner, 0).await, Some(expected));
        // What fired goes with its events before that.
        bench.store.expire(t(399), t(1000), 100).await.expect("an answer");
        assert!(known(&bench, owner, 0).await.is_some());
        bench.store.expire(t(400), t(1000), 100).await.expect("an answer");
        assert_eq!(known(&bench, owner, 0).await, None);
        assert_eq!(bench.store.owner_of(id).await, Ok(None));
    })
    .await;
}

#[tokio::test]
async fn what_it_did_and_said_is_told_as_long_and_to_nobody_else() {
    everywhere(async |bench| {
        let (owner, other) = (bench.user("a").await, bench.user("b").await);
        let (id, last) = deleted(&bench, owner).await;
        let ledger = bench.store.ledger(owner, id, ALL, t(0), 10).await.expect("an answer").expect("it is known");
        assert_eq!((ledger.firings.len(), ledger.skipped.len()), (4, 1));
        assert_eq!(ledger.skipped[0].skipped.reason, Reason::Superseded);
        assert_eq!(bench.store.skipped(owner, id, 10).await, Ok(ledger.skipped));
        let revisions = bench.store.revisions(owner, id, None, 10).await.expect("a list");
        let told: Vec<_> = revisions.iter().map(|one| (one.trigger.revision, one.until)).collect();
        assert_eq!(told, [(2, Some(t(400))), (1, Some(t(250)))]);
        assert_eq!(revisions[0].trigger, last.trigger);
        let found = bench.store.revision(owner, id, 2).await.expect("an answer");
        assert_eq!(found.as_ref(), Some(&revisions[0]));
        assert_eq!(bench.store.revision_at(owner, id, t(300)).await, Ok(found));
        let counts = bench.store.hour_counts(owner, Some(id), ALL.from, ALL.until).await.expect("counts");
        assert_eq!((counts[0].fired, counts[0].skipped), (4, 1));

        assert_eq!(bench.store.ledger(other, id, ALL, t(0), 10).await, Ok(None));
        assert_eq!(bench.store.skipped(other, id, 10).await, Ok(Vec::new()));
        assert_eq!(bench.store.revisions(other, id, None, 10).await, Ok(Vec::new()));
        assert_eq!(bench.store.hour_counts(other, Some(id), ALL.from, ALL.until).await, Ok(Vec::new()));

        // Among what there is it is not.
        assert_eq!(bench.store.triggers(owner, None, 10).await, Ok(Vec::new()));
        assert_eq!(bench.store.trigger(owner, id).await, Ok(None));
        let firings = bench.store.recent_firings(owner, vec![id], t(0), 10).await.expect("firings");
        assert_eq!(firings[0].firings, []);
        assert!(!bench.store.delete_trigger(owner, id, t(500)).await.expect("an answer"));

        // The runs of what did not fire outlive even that.
        while !bench.store.expire(t(400), t(500), 2).await.expect("an answer").is_done {}
        assert_eq!(bench.store.ledger(owner, id, ALL, t(0), 10).await, Ok(None));
        assert_eq!(bench.store.revisions(owner, id, None, 10).await, Ok(Vec::new()));
        let counts = bench.store.hour_counts(owner, Some(id), ALL.from, ALL.until).await.expect("counts");
        assert_eq!((counts[0].fired, counts[0].skipped), (0, 1));
    })
    .await;
}

#[tokio::test]
async fn many_are_forgotten_slice_by_slice_the_oldest_first() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let mut ids = Vec::new();
        for number in 0..5 {
            let id = bench.trigger(owner, api("short-lived")).await.id;
            assert_eq!(bench.store.delete_trigger(owner, id, t(10 + number)).await, Ok(true));
            ids.push(id);
        }
        let known = async || {
            let mut known = Vec::new();
            for id in &ids {
                known.push(bench.store.deleted_trigger(owner, *id, t(0)).await.expect("an answer").is_some());
            }
            known
        };
        bench.store.expire(t(13), t(20), 2).await.expect("an answer");
        assert_eq!(known().await, [false, false, true, true, true]);
        for _ in 0..3 {
            bench.store.expire(t(13), t(20), 2).await.expect("an answer");
        }
        assert_eq!(known().await, [false, false, false, false, true]);
    })
    .await;
}

#[tokio::test]
async fn of_one_that_was_edited_often_no_more_goes_at_once_than_is_asked_for() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, every("1m")).await.id;
        for second in 1..=4 {
            let armed = bench.get(owner, id).await;
            let definition = Definition { name: Some(format!("n{second}")), ..every("1m") };
            let edit = armed.trigger.edit(definition, armed.next_at, t(second));
            assert_eq!(bench.store.edit_trigger(edit, armed.next_at, t(second)).await, Ok(Edited::Done));
        }
        assert!(bench.store.delete_trigger(owner, id, t(10)).await.expect("an answer"));
        for left in [3, 1, 0] {
            bench.store.expire(t(10), t(20), 2).await.expect("an answer");
            let revisions = bench.store.revisions(owner, id, None, 10).await.expect("an answer");
            let numbers: Vec<i64> = revisions.iter().map(|revision| revision.trigger.revision).collect();
            assert_eq!(numbers, (6 - left..=5).rev().collect::<Vec<_>>());
            let known = bench.store.deleted_trigger(owner, id, t(0)).await.expect("an answer");
            assert_eq!(known.is_some(), left > 0);
        }
    })
    .await;
}

#[tokio::test]
async fn what_ends_by_itself_is_oncues_own_deed() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let trigger = bench.trigger(owner, every("1m")).await;
        assert_eq!(bench.store.delete_done(owner, trigger.id, trigger.revision, t(30)).await, Ok(true));
        let known =
            bench.store.deleted_trigger(owner, trigger.id, t(0)).await.expect("an answer").expect("it is known");
        assert_eq!(known.deletion, Deletion { at: t(30), by: Actor::SYSTEM, was_under_way: false });
        assert_eq!(known.armed, Armed { trigger, next_at: Some(t(60)), fired: 0 });
    })
    .await;
}
