//! Freezes: what holds for whom, and that no plan is carried out that was made before.

use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use oncue_domain::actor::Actor;
use oncue_domain::freeze::{FREEZES_MAX, Freeze, Freezes, Frozen, Said, pass_over};
use oncue_domain::id::{TriggerId, UserId};
use oncue_domain::occurrence::{Reason, Skipped};
use oncue_domain::store::{Change, Committed, Planned, SkippedView};

use crate::bench::{Bench, every, everywhere, t, wherever_it_lasts};

fn said(reason: &str, until: Option<Timestamp>) -> Said {
    Said { reason: Some(reason.to_owned()), until }
}

async fn freezes(bench: &Bench) -> Freezes {
    bench.store.freezes(t(0)).await.expect("a list")
}

/// What is to happen to a trigger that is due and frozen.
async fn passed_over(bench: &Bench, owner: UserId, id: TriggerId, now: Timestamp) -> Planned {
    let (armed, freezes) = (bench.get(owner, id).await, freezes(bench).await);
    let plan = pass_over(&armed, now, &freezes.all).expect("it is frozen");
    let next_at = armed.next_at.expect("it waits");
    Planned {
        trigger: Arc::new(armed.trigger),
        armed: next_at,
        plan,
        message_ids: Vec::new(),
        edition: freezes.edition,
    }
}

async fn records(bench: &Bench, owner: UserId, id: TriggerId) -> Vec<SkippedView> {
    bench.store.skipped(owner, id, 10).await.expect("records")
}

#[tokio::test]
async fn a_freeze_lasts_until_its_end_or_until_somebody_ends_it() {
    wherever_it_lasts(async |bench| {
        let (ann, ben) = (bench.user("ann").await, bench.user("ben").await);
        assert_eq!(freezes(&bench).await, Freezes::default());
        let own = bench.store.freeze(Some(ann), said("moving", Some(t(500))), t(10)).await.expect("a freeze");
        let expected = Freeze {
            owner: Some(ann),
            reason: Some("moving".to_owned()),
            from: t(10),
            until: Some(t(500)),
            by: Actor::SYSTEM,
        };
        assert_eq!(own, expected);
        let all = bench.store.freeze(None, Said::default(), t(20)).await.expect("a freeze");
        assert_eq!((all.owner, all.reason.clone(), all.until), (None, None, None));
        let bench = bench.reopen().await;
        assert_eq!(freezes(&bench).await, Freezes { edition: 2, all: vec![own.clone(), all.clone()] });
        let of = async |owner, since| bench.store.freezes_of(owner, since).await.expect("a list");
        assert_eq!(of(ann, t(0)).await, [own.clone(), all.clone()]);
        assert_eq!(of(ben, t(0)).await, std::slice::from_ref(&all), "another's is none of his");
        assert_eq!(of(ann, t(500)).await, std::slice::from_ref(&all), "what is over is over");

        let longer = bench.store.freeze(Some(ann), said("still", None), t(30)).await.expect("a freeze");
        assert_eq!((longer.from, longer.until), (t(10), None), "it goes on under what is said now");
        assert_eq!(freezes(&bench).await.edition, 3);
        let thawed = bench.store.thaw(Some(ann), t(40)).await.expect("an answer").expect("it held");
        assert_eq!((thawed.until, thawed.from), (Some(t(40)), t(10)));
        assert_eq!(bench.store.thaw(Some(ann), t(40)).await.expect("an answer"), None);
        assert_eq!(bench.store.thaw(Some(ben), t(40)).await.expect("an answer"), None);
        assert_eq!(bench.store.freezes(t(40)).await.expect("a list").all, [all]);
    })
    .await;
}

#[tokio::test]
async fn whoever_listens_hears_whose_triggers_were_frozen_or_thawed() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ear = Arc::clone(&heard);
        bench.store.subscribe(Arc::new(move |change| ear.lock().expect("no panic").push(change)));
        let took = || std::mem::take(&mut *heard.lock().expect("no panic"));
        for (scope, told) in [(Some(owner), Change::Edited(owner)), (None, Change::Frozen)] {
            bench.store.freeze(scope, Said::default(), t(60)).await.expect("a freeze");
            assert_eq!(took(), [told]);
            bench.store.thaw(scope, t(61)).await.expect("an answer");
            assert_eq!(took(), [told]);
            assert_eq!(bench.store.thaw(scope, t(62)).await, Ok(None));
            assert_eq!(took(), []);
        }
    })
    .await;
}

#[tokio::test]
async fn a_plan_that_was_made_before_somebody_froze_or_thawed_is_stale() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, every("1m")).await.id;
        let planned = bench.planned(owner, id, t(60)).await;
        bench.store.freeze(Some(owner), Said::default(), t(60)).await.expect("a freeze");
        let committed = bench.store.commit_plans(vec![planned.clone()], t(61)).await.expect("an answer");
        assert_eq!(committed, Committed { plans: 0, stale: vec![id], events: 0, is_outdated: true });
        assert_eq!(bench.events(owner).await, []);
        bench.store.thaw(Some(owner), t(62)).await.expect("an answer");
        let committed = bench.store.commit_plans(vec![planned.clone()], t(62)).await.expect("an answer");
        assert_eq!(committed.stale, [id]);
        let edition = freezes(&bench).await.edition;
        let anew = vec![Planned { edition, ..planned }];
        assert_eq!(bench.store.commit_plans(anew, t(63)).await.expect("a commit").events, 1);
    })
    .await;
}

#[tokio::test]
async fn what_is_held_back_is_one_record_that_grows() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let (id, other) = (bench.trigger(owner, every("1m")).await.id, bench.trigger(owner, every("1m")).await.id);
        bench.store.freeze(None, Said::default(), t(10)).await.expect("a freeze");
        let run = |first, last, count| Skipped { reason: Reason::Frozen, first: t(first), last: t(last), count };
        for (now, last, count) in [(60, 60, 1), (120, 120, 2), (250, 240, 4)] {
            let both =
                vec![passed_over(&bench, owner, id, t(now)).await, passed_over(&bench, owner, other, t(now)).await];
            assert_eq!(bench.store.commit_plans(both, t(now)).await.expect("a commit").plans, 2);
            for id in [id, other] {
                let view = SkippedView { skipped: run(60, last, count), recorded_at: t(now) };
                assert_eq!(records(&bench, owner, id).await, [view]);
            }
        }
        assert_eq!(bench.get(owner, id).await.next_at, Some(t(300)));
        bench.store.thaw(None, t(310)).await.expect("an answer");
        let late = passed_over(&bench, owner, id, t(330)).await;
        bench.store.commit_plans(vec![late], t(330)).await.expect("a commit");
        assert_eq!(records(&bench, owner, id).await[0].skipped, run(60, 300, 5));
        bench.store.freeze(None, Said::default(), t(340)).await.expect("a freeze");
        let again = passed_over(&bench, owner, id, t(360)).await;
        let frozen = Frozen { skipped: run(360, 360, 1), follows: Some(t(300)), since: t(340) };
        assert_eq!(again.plan.frozen, Some(frozen));
        bench.store.commit_plans(vec![again], t(360)).await.expect("a commit");
        let all: Vec<Skipped> = records(&bench, owner, id).await.into_iter().map(|view| view.skipped).collect();
        assert_eq!(all, [run(360, 360, 1), run(60, 300, 5)], "another freeze, another record");
        for (now, follows, latest) in [(420, t(360), run(360, 420, 2)), (480, t(360), run(480, 480, 1))] {
            let mut next = passed_over(&bench, owner, id, t(now)).await;
            next.plan.frozen = next.plan.frozen.map(|frozen| Frozen { follows: Some(follows), ..frozen });
            bench.store.commit_plans(vec![next], t(now)).await.expect("a commit");
            assert_eq!(
                records(&bench, owner, id).await[0].skipped,
                latest,
                "it goes on with what ends before it alone"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn so_many_are_remembered_and_whoever_thaws_after_a_clock_was_put_back_thaws() {
    everywhere(async |bench| {
        let (ann, ben) = (bench.user("ann").await, bench.user("ben").await);
        bench.store.freeze(Some(ben), said("stays", None), t(1)).await.expect("a freeze");
        for at in (10..).step_by(10).take(FREEZES_MAX + 3) {
            bench.store.freeze(Some(ann), Said::default(), t(at)).await.expect("a freeze");
            bench.store.thaw(Some(ann), t(at + 5)).await.expect("an answer");
        }
        let all = freezes(&bench).await.all;
        assert_eq!((all.len(), all[0].owner, all[1].from), (FREEZES_MAX + 1, Some(ben), t(40)), "the oldest are gone");

        bench.store.freeze(None, said("later", None), t(9_000)).await.expect("a freeze");
        let held = bench.store.freeze(None, said("put back", Some(t(5_000))), t(4_000)).await.expect("a freeze");
        assert_eq!((held.from, held.until), (t(9_000), Some(t(5_000))), "it goes on");
        assert!(bench.store.thaw(None, t(4_500)).await.expect("an answer").is_some());
        let list = bench.store.freezes(t(4_500)).await.expect("a list").all;
        assert!(list.iter().all(|freeze| freeze.owner == Some(ben)), "{list:?}");
    })
    .await;
}
