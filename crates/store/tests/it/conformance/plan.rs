//! Plans committed: events, records and cursors move together, or not at all.

use std::sync::Arc;

use jiff::SignedDuration;
use oncue_domain::count::lateness_class;
use oncue_domain::event::Origin;
use oncue_domain::occurrence::{Reason, Skipped};
use oncue_domain::plan::{Firing, Plan};
use oncue_domain::store::{Committed, Planned};
use oncue_domain::trigger::{Arm, Definition};

use crate::bench::{every, everywhere, t};

#[tokio::test]
async fn a_plan_makes_its_events_and_moves_the_cursor() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let trigger = bench.trigger(owner, every("1m")).await;
        let planned = bench.planned(owner, trigger.id, t(125)).await;
        let message_ids = planned.message_ids.clone();
        let committed = bench.store.commit_plans(vec![planned], t(126)).await.expect("a commit");
        assert_eq!(committed, Committed { plans: 1, stale: vec![], events: 2, is_outdated: false });
        let events = bench.events(owner).await;
        let nominal: Vec<_> = events.iter().map(|event| event.scheduled_at).collect();
        assert_eq!(nominal, [Some(t(60)), Some(t(120))]);
        assert!(events.iter().all(|event| event.fired_at == t(126) && event.origin == Origin::Schedule));
        assert!(events.iter().all(|event| event.trigger == trigger.id && event.revision == 1 && event.name == "every"));
        assert_eq!(events.iter().map(|event| event.message_id).collect::<Vec<_>>(), message_ids);
        assert!(events.is_sorted_by_key(|event| event.id));
        assert_eq!(bench.get(owner, trigger.id).await.next_at, Some(t(180)));
        assert_eq!(bench.claim_all(t(126)).await.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_plan_records_what_it_skips_and_marks_what_it_catches_up() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let trigger = Arc::new(bench.trigger(owner, every("1m")).await);
        let skipped = Skipped { reason: Reason::Missed, first: t(60), last: t(240), count: 4 };
        let plan = Plan {
            firings: vec![Firing { scheduled_at: t(300), due_at: Some(t(308)), caught_up: true }],
            skipped: vec![skipped],
            put_off: Vec::new(),
            next_at: Some(t(360)),
            ..Plan::default()
        };
        let planned = Planned {
            trigger: Arc::clone(&trigger),
            armed: t(60),
            plan,
            message_ids: vec![bench.message()],
            edition: 0,
        };
        let committed = bench.store.commit_plans(vec![planned], t(310)).await.expect("a commit");
        assert_eq!(committed, Committed { plans: 1, stale: vec![], events: 1, is_outdated: false });
        let [event] = bench.events(owner).await.try_into().expect("one event");
        assert_eq!((event.origin, event.scheduled_at, event.due_at), (Origin::CatchUp, Some(t(300)), Some(t(308))));
        let firings = bench.store.recent_firings(owner, vec![trigger.id], t(0), 10).await.expect("firings");
        let late = firings[0].firings[0].lateness();
        assert_eq!(
            (late, event.lateness()),
            (Some(SignedDuration::from_secs(2)), late),
            "it counts from when it was due"
        );
        let hours = bench.store.hour_counts(owner, None, t(-7200), t(7200)).await.expect("counts");
        assert_eq!(hours.iter().map(|hour| hour.late[lateness_class(SignedDuration::from_secs(2))]).sum::<u64>(), 1);
        let claims = bench.claim_all(t(310)).await;
        assert!(claims.iter().all(|claim| claim.event.due_at == event.due_at));
        let [view] = bench.store.skipped(owner, trigger.id, 10).await.expect("records").try_into().expect("one record");
        assert_eq!((view.skipped, view.recorded_at), (skipped, t(310)));
    })
    .await;
}

#[tokio::test]
async fn a_finished_trigger_waits_for_nothing_and_stays() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let definition = Definition { expires_at: Some(t(61)), ..every("1m") };
        let trigger = bench.trigger(owner, definition).await;
        let planned = bench.planned(owner, trigger.id, t(60)).await;
        bench.store.commit_plans(vec![planned], t(60)).await.expect("a commit");
        let armed = bench.get(owner, trigger.id).await;
        assert_eq!((armed.next_at, armed.trigger), (None, trigger));
        assert_eq!(bench.store.next_due().await.expect("an answer"), None);
    })
    .await;
}

#[tokio::test]
async fn a_stale_plan_does_nothing_and_holds_up_nobody() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let edited = bench.trigger(owner, every("1m")).await;
        let deleted = bench.trigger(owner, every("1m")).await;
        let sound = bench.trigger(owner, every("1m")).await;
        let mut plans = Vec::new();
        for id in [edited.id, deleted.id, sound.id] {
            plans.push(bench.planned(owner, id, t(60)).await);
        }
        let renamed = Definition { name: Some("renamed".to_owned()), ..edited.definition.clone() };
        let edit = edited.edit(renamed, Some(t(60)), t(60));
        assert_eq!(edit.arm, Arm::Keep, "even an edit that moves nothing makes plans stale");
        bench.store.edit_trigger(edit, Some(t(60)), t(60)).await.expect("an edit");
        bench.store.delete_trigger(owner, deleted.id, t(60)).await.expect("a deletion");
        let committed = bench.store.commit_plans(plans, t(61)).await.expect("a commit");
        assert_eq!(
            committed,
            Committed { plans: 1, stale: vec![edited.id, deleted.id], events: 1, is_outdated: false }
        );
        let [event] = bench.events(owner).await.try_into().expect("one event");
        assert_eq!(event.trigger, sound.id);
        assert_eq!(bench.get(owner, edited.id).await.next_at, Some(t(60)), "still due, under its new name");
    })
    .await;
}

#[tokio::test]
async fn a_plan_that_was_carried_out_is_stale_the_second_time() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let trigger = bench.trigger(owner, every("1m")).await;
        let planned = bench.planned(owner, trigger.id, t(60)).await;
        bench.store.commit_plans(vec![planned.clone()], t(60)).await.expect("a commit");
        let again = bench.store.commit_plans(vec![planned], t(60)).await.expect("a commit");
        assert_eq!(again, Committed { plans: 0, stale: vec![trigger.id], events: 0, is_outdated: false });
        assert_eq!(bench.events(owner).await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn an_occurrence_that_comes_up_again_gets_no_second_event() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let trigger = bench.trigger(owner, every("1m")).await;
        let planned = bench.planned(owner, trigger.id, t(120)).await;
        bench.store.commit_plans(vec![planned], t(120)).await.expect("a commit");
        // The clock was put back, and an edit in the repeated minute arms what has fired already.
        let armed = bench.get(owner, trigger.id).await;
        let longer = Definition { expires_at: Some(t(9_000)), ..every("1m") };
        let mut edit = armed.trigger.edit(longer, armed.next_at, t(70));
        edit.arm = Arm::Set(Some(t(120)));
        bench.store.edit_trigger(edit, armed.next_at, t(70)).await.expect("an edit");
        let planned = bench.planned(owner, trigger.id, t(185)).await;
        assert_eq!(planned.plan.firings.len(), 2);
        let committed = bench.store.commit_plans(vec![planned], t(185)).await.expect("a commit");
        assert_eq!(committed, Committed { plans: 1, stale: vec![], events: 1, is_outdated: false });
        let nominal: Vec<_> = bench.events(owner).await.iter().map(|event| event.scheduled_at).collect();
        assert_eq!(nominal, [Some(t(60)), Some(t(120)), Some(t(180))]);
        assert_eq!(bench.get(owner, trigger.id).await.next_at, Some(t(240)), "the cursor goes on");
        assert_eq!(bench.claim_all(t(300)).await.len(), 3, "and nothing is owed twice");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_commits_of_one_occurrence_one_wins() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let trigger = bench.trigger(owner, every("1m")).await;
        let planned = bench.planned(owner, trigger.id, t(60)).await;
        let racers: Vec<_> = (0..8)
            .map(|_| {
                let (store, message_ids) = (bench.store.clone(), vec![bench.message()]);
                let plans = vec![Planned { message_ids, ..planned.clone() }];
                tokio::spawn(async move { store.commit_plans(plans, t(60)).await.expect("a commit") })
            })
            .collect();
        let mut sum = Committed::default();
        for racer in racers {
            let committed = racer.await.expect("no panic");
            sum.plans += committed.plans;
            sum.stale.extend(committed.stale);
            sum.events += committed.events;
        }
        assert_eq!(sum, Committed { plans: 1, stale: vec![trigger.id; 7], events: 1, is_outdated: false });
        assert_eq!(bench.events(owner).await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_commit_of_nothing_is_nothing() {
    everywhere(async |bench| {
        let committed = bench.store.commit_plans(Vec::new(), t(0)).await.expect("a commit");
        assert_eq!(committed, Committed::default());
    })
    .await;
}
