//! How often a schedule may fire, counted with the firings themselves, through edits, and never one more; and triggers that go when
//! they are done.

use std::sync::Arc;

use jiff::Timestamp;
use oncue_domain::id::{TriggerId, UserId};
use oncue_domain::plan::plan_of;
use oncue_domain::schedule::zone::Zones;
use oncue_domain::store::{Committed, Edited, Planned};
use oncue_domain::trigger::{Armed, Definition, MaxFires, ScheduleDetails, Terms, Trigger, just_after};

use crate::bench::{Bench, every, everywhere, t};

pub(super) fn at_most(number: u64) -> Definition {
    let unlimited = every("1m");
    let pattern = unlimited.schedule.as_ref().expect("it has one").pattern().clone();
    let terms = Terms { max_fires: MaxFires::new(number), ..Terms::default() };
    Definition { schedule: Some(ScheduleDetails::new(pattern, None, terms, Zones::utc())), ..unlimited }
}

async fn change(bench: &Bench, owner: UserId, id: TriggerId, definition: Definition, now: Timestamp) {
    let armed = bench.get(owner, id).await;
    let edited = bench.store.edit_trigger(armed.edit(definition, now), armed.next_at, now).await;
    assert_eq!(edited.expect("an edit"), Edited::Done);
}

/// What the scheduler does when it looks at `now`.
async fn look(bench: &Bench, now: Timestamp) -> Committed {
    let due = bench.store.due(now, 100).await.expect("what is due");
    let planned = |armed: Armed<Arc<Trigger>>| {
        let plan = plan_of(&armed, now, &[])?;
        let message_ids = plan.firings.iter().map(|_| bench.message()).collect();
        Some(Planned { armed: armed.next_at?, trigger: armed.trigger, plan, message_ids, edition: 0 })
    };
    bench.store.commit_plans(due.into_iter().filter_map(planned).collect(), now).await.expect("a commit")
}

async fn stands(bench: &Bench, owner: UserId, id: TriggerId) -> (u64, Option<Timestamp>) {
    let armed = bench.get(owner, id).await;
    let [listed] = bench.store.triggers(owner, None, 10).await.expect("a list").try_into().expect("one trigger");
    let [head] = bench.store.trigger_heads(owner, 10).await.expect("heads").try_into().expect("one head");
    assert_eq!((listed.fired, head.fired), (armed.fired, armed.fired));
    (armed.fired, armed.next_at)
}

#[tokio::test]
async fn firings_are_counted_with_them_and_end_where_the_limit_is() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, at_most(3)).await.id;
        assert_eq!(stands(&bench, owner, id).await, (0, Some(t(60))));
        assert_eq!(look(&bench, t(60)).await, Committed { plans: 1, stale: vec![], events: 1, is_outdated: false });
        assert_eq!(stands(&bench, owner, id).await, (1, Some(t(120))));
        assert_eq!(look(&bench, t(500)).await, Committed { plans: 1, stale: vec![], events: 2, is_outdated: false });
        assert_eq!(stands(&bench, owner, id).await, (3, None));
        assert_eq!(look(&bench, t(900)).await, Committed::default());
        assert_eq!(bench.events(owner).await.len(), 3);
    })
    .await;
}

#[tokio::test]
async fn of_two_that_plan_at_once_one_counts() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, at_most(2)).await.id;
        let (one, other) = (bench.planned(owner, id, t(60)).await, bench.planned(owner, id, t(60)).await);
        let committed = bench.store.commit_plans(vec![one, other], t(60)).await.expect("a commit");
        assert_eq!(committed, Committed { plans: 1, stale: vec![id], events: 1, is_outdated: false });
        assert_eq!(stands(&bench, owner, id).await, (1, Some(t(120))));
    })
    .await;
}

#[tokio::test]
async fn a_limit_counts_on_through_pauses_and_edits_until_it_is_taken_away() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, at_most(2)).await.id;
        look(&bench, t(60)).await;
        change(&bench, owner, id, Definition { enabled: false, ..at_most(2) }, t(70)).await;
        assert_eq!(stands(&bench, owner, id).await, (1, None));
        change(&bench, owner, id, at_most(2), t(200)).await;
        assert_eq!(stands(&bench, owner, id).await, (1, Some(t(240))));
        look(&bench, t(240)).await;
        assert_eq!(stands(&bench, owner, id).await, (2, None));
        change(&bench, owner, id, Definition { name: None, ..at_most(2) }, t(250)).await;
        assert_eq!(stands(&bench, owner, id).await, (2, None));
        change(&bench, owner, id, at_most(3), t(260)).await;
        assert_eq!(stands(&bench, owner, id).await, (2, Some(t(300))));
        change(&bench, owner, id, every("1m"), t(270)).await;
        let (fired, next_at) = stands(&bench, owner, id).await;
        assert!(fired == 0 && next_at.is_some());
        change(&bench, owner, id, at_most(1), t(280)).await;
        assert_eq!(stands(&bench, owner, id).await, (0, Some(t(300))), "it counts from here on");
    })
    .await;
}

#[tokio::test]
async fn the_latest_that_counts_is_kept_with_the_count_and_by_every_revision_that_ends() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, at_most(3)).await.id;
        let counted = async || {
            let all = bench.store.inspect(None, 10).await.expect("a slice").triggers;
            let [one] = all.try_into().expect("one trigger");
            (one.fired, one.counted_until)
        };
        assert_eq!(counted().await, (0, None));
        look(&bench, t(60)).await;
        assert_eq!(counted().await, (1, Some(t(60))));
        look(&bench, t(500)).await;
        assert_eq!(counted().await, (3, Some(t(180))));
        change(&bench, owner, id, at_most(4), t(510)).await;
        assert_eq!(counted().await, (3, Some(t(180))), "it counts on");
        change(&bench, owner, id, every("1m"), t(520)).await;
        assert_eq!(counted().await, (0, None));
        change(&bench, owner, id, at_most(1), t(530)).await;
        let revisions = bench.store.revisions(owner, id, None, 10).await.expect("revisions");
        let kept: Vec<_> =
            revisions.iter().map(|one| one.counted.map(|counted| (counted.fired, counted.until))).collect();
        assert_eq!(kept, [None, Some((0, None)), Some((3, Some(t(180)))), Some((3, Some(t(180))))]);
    })
    .await;
}

#[tokio::test]
async fn what_is_gone_leaves_no_count_behind() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, at_most(2)).await.id;
        look(&bench, t(60)).await;
        assert!(bench.store.delete_trigger(owner, id, t(70)).await.expect("a deletion"));
        let next = bench.trigger(owner, at_most(2)).await.id;
        assert_eq!(stands(&bench, owner, next).await.0, 0);
    })
    .await;
}

#[tokio::test]
async fn what_is_done_is_deleted_unless_it_was_edited_meanwhile() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let other = bench.user("b").await;
        let trigger = bench.trigger(owner, at_most(1)).await;
        look(&bench, t(60)).await;
        let delete = async |owner, revision, now| {
            bench.store.delete_done(owner, trigger.id, revision, now).await.expect("an answer")
        };
        assert!(!delete(other, 1, t(61)).await, "it is somebody else's");
        change(&bench, owner, trigger.id, at_most(2), t(62)).await;
        assert!(!delete(owner, 1, t(63)).await, "it is another by now");
        assert_eq!(stands(&bench, owner, trigger.id).await, (1, Some(t(120))));
        assert!(delete(owner, 2, t(64)).await);
        assert!(!delete(owner, 2, t(65)).await, "it is gone");
        assert_eq!(bench.store.next_due().await.expect("an answer"), None);
        assert_eq!(bench.events(owner).await.len(), 1, "its events stay");
    })
    .await;
}

#[tokio::test]
async fn what_waits_to_be_deleted_waits_for_no_firing_that_any_list_shows() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let leaving = |most| {
            let definition = at_most(most);
            let details = definition.schedule.expect("it has one");
            let terms = Terms { delete_when_done: true, ..details.terms() };
            let details = ScheduleDetails::new(details.pattern().clone(), None, terms, Zones::utc());
            Definition { schedule: Some(details), ..definition }
        };
        let (goes, stays) = (bench.trigger(owner, leaving(1)).await.id, bench.trigger(owner, leaving(2)).await.id);
        look(&bench, t(60)).await;
        let armed = bench.get(owner, goes).await;
        assert_eq!((armed.fired, armed.next_at), (1, Some(just_after(t(60)))), "it is due to go");
        let heads = bench.store.trigger_heads(owner, 10).await.expect("heads");
        let told: Vec<_> = heads.iter().map(|head| (head.id, head.next_at)).collect();
        assert_eq!(told, [(goes, None), (stays, Some(t(120)))]);
        let soonest = bench.store.soonest(owner, 10).await.expect("heads");
        assert_eq!(soonest.iter().map(|head| head.id).collect::<Vec<_>>(), [stays]);
        let attention = bench.store.attention(owner, t(0), t(61)).await.expect("an answer");
        assert_eq!(attention.tally.active, 1, "what only waits to be deleted is not active");
    })
    .await;
}
