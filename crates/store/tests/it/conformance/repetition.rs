//! An event that is fired again: another event, with the same payload, that names the one before.

use oncue_domain::destination::Target;
use oncue_domain::event::Origin;
use oncue_domain::id::{EventId, TriggerId, UserId};
use oncue_domain::payload::Payload;
use oncue_domain::store::{Deleted, Fired, FiredAgain, Repeat};
use oncue_domain::trigger::{Definition, FireRefusal};

use super::destination::sending_to;
use crate::bench::{Bench, api, every, everywhere, t, wherever_it_lasts};

fn repeat(bench: &Bench, event: EventId) -> Repeat {
    Repeat { event, checked: None, message_id: bench.message() }
}

async fn fire_again(bench: &Bench, owner: UserId, event: EventId, seconds: i64) -> FiredAgain {
    bench.store.fire_again(owner, repeat(bench, event), t(-1), t(seconds)).await.expect("an answer")
}

async fn fired(bench: &Bench, owner: UserId, event: EventId, seconds: i64) -> EventId {
    match fire_again(bench, owner, event, seconds).await {
        FiredAgain::Event(id) => id,
        other => panic!("it may be fired again, yet {other:?}"),
    }
}

async fn change(bench: &Bench, owner: UserId, id: TriggerId, to: impl FnOnce(Definition) -> Definition, seconds: i64) {
    let armed = bench.get(owner, id).await;
    let changed = to(armed.trigger.definition.clone());
    let edit = armed.trigger.edit(changed, armed.next_at, t(seconds));
    bench.store.edit_trigger(edit, armed.next_at, t(seconds)).await.expect("an edit");
}

#[tokio::test]
async fn an_event_fired_again_carries_the_same_and_names_the_one_before() {
    wherever_it_lasts(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, api("first")).await.id;
        let first = bench.fire(owner, id, Some("{\"n\":1}"), t(0)).await;
        let second = fired(&bench, owner, first, 5).await;
        let third = fired(&bench, owner, second, 6).await;
        assert!(first < second && second < third);
        let claims = bench.claim_all(t(6)).await;
        assert_eq!(
            claims.iter().map(|claim| claim.event.parent).collect::<Vec<_>>(),
            [None, Some(first), Some(second)]
        );
        let bench = bench.reopen().await;
        let events = bench.events(owner).await;
        let again = &events[1];
        assert_eq!((again.id, again.origin, again.parent), (second, Origin::Repeat, Some(first)));
        assert_eq!((again.scheduled_at, again.fired_at, again.payload.as_str()), (None, t(5), "{\"n\":1}"));
        assert_ne!(again.message_id, events[0].message_id);
        assert_eq!(events[2].parent, Some(second), "the one that it was made from");
        let claims = bench.claim_all(t(7)).await;
        assert_eq!(
            claims.iter().map(|claim| claim.event.parent).collect::<Vec<_>>(),
            [None, Some(first), Some(second)]
        );
        let counts = bench.store.hour_counts(owner, Some(id), t(-3600), t(3600)).await.expect("counts");
        assert_eq!((counts[0].fired, counts[0].late), (3, [0; 5]));
    })
    .await;
}

#[tokio::test]
async fn what_a_schedule_fired_is_fired_again_and_the_schedule_goes_on_as_it_was() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let payload = Some(Payload::parse("[1]").expect("JSON"));
        let id = bench.trigger(owner, Definition { payload, ..every("1m") }).await.id;
        let first = bench.fire_due(owner, id, t(60)).await;
        let before = bench.get(owner, id).await;
        let again = fired(&bench, owner, first, 90).await;
        assert_eq!(bench.get(owner, id).await, before, "nothing was consumed or moved");
        let next = bench.fire_due(owner, id, t(120)).await;
        let events = bench.events(owner).await;
        assert_eq!(events.iter().map(|event| event.id).collect::<Vec<_>>(), [first, again, next]);
        assert_eq!(events[1].payload.as_str(), "[1]");
        assert_eq!((events[1].scheduled_at, events[2].scheduled_at), (None, Some(t(120))));
        assert_eq!(events[2].parent, None);
    })
    .await;
}

#[tokio::test]
async fn what_is_fired_again_goes_where_its_trigger_sends_now_and_carries_what_it_carried_then() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let payload = |text| Some(Payload::parse(text).expect("JSON"));
        let id = bench.trigger(owner, Definition { payload: payload("[1]"), ..api("old") }).await.id;
        let first = bench.fire(owner, id, None, t(0)).await;
        bench.claim_all(t(0)).await;
        let destination = bench.destination(owner, "new").await.id;
        let edited = |old: Definition| Definition {
            name: Some("new".to_owned()),
            payload: payload("[2]"),
            destinations: sending_to(&[destination]).destinations,
            ..old
        };
        change(&bench, owner, id, edited, 1).await;
        fired(&bench, owner, first, 2).await;
        let [claim] = bench.claim_all(t(2)).await.try_into().expect("one is owed");
        assert_eq!(claim.target, Target::Destination(destination));
        assert_eq!((claim.event.name.as_str(), claim.event.payload.as_str()), ("new", "[1]"));
        let deleted = bench.store.delete_destination(owner, destination, t(3)).await.expect("an answer");
        assert!(matches!(deleted, Deleted::InUse { .. }));
    })
    .await;
}

#[tokio::test]
async fn the_repetition_of_a_test_is_a_test() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, every("1m")).await.id;
        let Fired::Event(test) =
            bench.store.fire(owner, id, bench.call(Origin::Test, None), t(0)).await.expect("a test")
        else {
            panic!("anything may be tried out");
        };
        fired(&bench, owner, test, 1).await;
        let events = bench.events(owner).await;
        assert_eq!((events[1].origin, events[1].parent), (Origin::Test, Some(test)));
        let counts = bench.store.hour_counts(owner, None, t(-3600), t(3600)).await.expect("counts");
        assert_eq!(counts.iter().map(|hour| hour.fired).sum::<u64>(), 0);
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_fired_again_is_refused() {
    everywhere(async |bench| {
        let (owner, ben) = (bench.user("a").await, bench.user("ben").await);
        let id = bench.trigger(owner, Definition { expires_at: Some(t(100)), ..api("a") }).await.id;
        let event = bench.fire(owner, id, None, t(0)).await;
        assert_eq!(fire_again(&bench, ben, event, 1).await, FiredAgain::NotFound, "it is not his");
        assert_eq!(fire_again(&bench, owner, EventId(event.0 + 7), 1).await, FiredAgain::NotFound);
        let gone = bench.store.fire_again(owner, repeat(&bench, event), t(0), t(1)).await.expect("an answer");
        assert_eq!(gone, FiredAgain::NotFound, "it has expired");
        assert_eq!(fire_again(&bench, owner, event, 100).await, FiredAgain::Refused(FireRefusal::Expired));
        change(&bench, owner, id, |old| Definition { enabled: false, ..old }, 2).await;
        assert_eq!(fire_again(&bench, owner, event, 3).await, FiredAgain::Refused(FireRefusal::Paused));
        bench.store.delete_trigger(owner, id, t(4)).await.expect("it goes");
        assert_eq!(fire_again(&bench, owner, event, 5).await, FiredAgain::TriggerGone);
        assert_eq!(bench.events(owner).await.len(), 1);
    })
    .await;
}
