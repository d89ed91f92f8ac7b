//! Many triggers made and many calls made together: each with an outcome of its own, as if it were alone, in their order.

use std::sync::{Arc, Mutex};

use oncue_domain::event::Origin;
use oncue_domain::id::{DestinationId, TriggerId, UserId};
use oncue_domain::store::{Call, Change, Edited, Fired, Missing, NewTrigger, Result, TOGETHER_MAX};
use oncue_domain::trigger::{Definition, FireRefusal};

use crate::bench::{Bench, api, every, everywhere, t, wherever_it_lasts};

fn new(owner: UserId, definition: Definition) -> NewTrigger {
    let next_at = definition.next_after(t(3));
    NewTrigger { owner, definition, next_at, test_event: None }
}

fn sending_to(ids: &[DestinationId]) -> Definition {
    Definition { destinations: ids.to_vec(), ..api("sends") }
}

fn answers<T>(outcomes: Vec<Result<T>>) -> Vec<T> {
    outcomes.into_iter().map(|outcome| outcome.expect("a store that answers")).collect()
}

async fn make(bench: &Bench, new: Vec<NewTrigger>) -> Vec<std::result::Result<TriggerId, Missing>> {
    answers(bench.store.create_triggers(new, t(3)).await)
}

async fn fire(bench: &Bench, owner: UserId, calls: Vec<(TriggerId, Call)>) -> Vec<Fired> {
    answers(bench.store.fire_many(owner, calls, t(5)).await)
}

#[tokio::test]
async fn many_triggers_are_made_in_their_order_and_each_as_if_it_were_alone() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let twins = [api("twin"), api("twin")];
        let mut definitions =
            vec![every("1m"), Definition { enabled: false, ..every("1h") }, Definition { name: None, ..api("") }];
        definitions.extend(twins);
        let wanted: Vec<NewTrigger> = definitions.iter().map(|definition| new(owner, definition.clone())).collect();
        let ids: Vec<TriggerId> =
            make(&bench, wanted.clone()).await.into_iter().map(|made| made.expect("a trigger")).collect();
        assert!(ids.is_sorted_by(|earlier, later| earlier < later), "equal ones are two: {ids:?}");
        for (id, wanted) in ids.iter().zip(&wanted) {
            let alone = bench.make(wanted.clone(), t(3)).await;
            let together = bench.get(owner, *id).await;
            assert_eq!(together.trigger.definition, alone.trigger.definition);
            assert_eq!((together.trigger.owner, together.trigger.revision), (owner, 1));
            assert_eq!((together.trigger.created_at, together.trigger.standing_since), (t(3), t(3)));
            assert_eq!(together.next_at, alone.next_at);
        }
        let due: Vec<TriggerId> =
            bench.store.due(t(60), 10).await.expect("an answer").iter().map(|armed| armed.trigger.id).collect();
        assert!(due.contains(&ids[0]) && !due.contains(&ids[1]), "what is armed is due, and nothing else: {due:?}");
    })
    .await;
}

#[tokio::test]
async fn one_that_names_a_destination_that_is_not_there_is_refused_alone() {
    everywhere(async |bench| {
        let (owner, other) = (bench.user("a").await, bench.user("b").await);
        let (own, foreign) = (bench.destination(owner, "own").await.id, bench.destination(other, "foreign").await.id);
        let wanted = vec![
            new(owner, sending_to(&[own])),
            new(owner, sending_to(&[own, foreign])),
            new(owner, sending_to(&[DestinationId(999)])),
            new(other, sending_to(&[foreign])),
            new(owner, api("plain")),
        ];
        let made = make(&bench, wanted).await;
        assert_eq!(made[1], Err(Missing::Destination(foreign)));
        assert_eq!(made[2], Err(Missing::Destination(DestinationId(999))));
        let [first, fourth, fifth] = [made[0], made[3], made[4]].map(|made| made.expect("a trigger"));
        assert_eq!(bench.get(owner, first).await.trigger.definition.destinations, [own]);
        assert_eq!(bench.get(other, fourth).await.trigger.definition.destinations, [foreign]);
        assert_eq!(bench.get(owner, fifth).await.trigger.definition, api("plain"));
        assert_eq!(bench.store.triggers(owner, None, 10).await.expect("a list").len(), 2, "nothing is half made");
        assert_eq!(bench.store.destination_uses(owner, vec![own]).await.expect("counts"), [1]);
        assert_eq!(bench.store.destination_uses(other, vec![foreign]).await.expect("counts"), [1]);
    })
    .await;
}

#[tokio::test]
async fn those_that_are_made_as_tests_have_their_one_event_each() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let test = || NewTrigger {
            test_event: Some(bench.message()),
            next_at: None,
            ..new(owner, Definition { is_test: true, ..every("1m") })
        };
        let wanted = vec![test(), new(owner, api("no test")), test()];
        let messages: Vec<_> = wanted.iter().filter_map(|new| new.test_event).collect();
        let made = make(&bench, wanted).await;
        let events = bench.events(owner).await;
        let seen: Vec<_> = events.iter().map(|event| (Ok(event.trigger), event.message_id, event.origin)).collect();
        assert_eq!(seen, [(made[0], messages[0], Origin::Test), (made[2], messages[1], Origin::Test)]);
        assert_eq!(bench.claim_all(t(5)).await.len(), 2, "each is owed");
    })
    .await;
}

#[tokio::test]
async fn many_calls_are_logged_in_their_order_and_each_may_be_refused_alone() {
    everywhere(async |bench| {
        let (owner, other) = (bench.user("a").await, bench.user("b").await);
        let ready = bench.trigger(owner, api("ready")).await.id;
        let paused = bench.trigger(owner, Definition { enabled: false, ..api("paused") }).await.id;
        let over = bench.trigger(owner, Definition { expires_at: Some(t(4)), ..api("over") }).await.id;
        let timed = bench.trigger(owner, every("1h")).await.id;
        let deleted = bench.trigger(owner, api("deleted")).await.id;
        let foreign = bench.trigger(other, api("foreign")).await.id;
        // Fired once, so that what a store remembers of it is of use to nobody any more.
        bench.fire(owner, deleted, None, t(1)).await;
        bench.store.delete_trigger(owner, deleted, t(2)).await.expect("a deletion");
        let names = [ready, paused, ready, over, timed, deleted, foreign, TriggerId(999), ready];
        let calls: Vec<(TriggerId, Call)> =
            names.iter().zip(0..).map(|(id, n)| (*id, bench.call(Origin::Api, Some(&format!("{n}"))))).collect();
        let messages: Vec<_> = calls.iter().map(|(_, call)| call.message_id).collect();
        let fired = fire(&bench, owner, calls).await;
        assert_eq!(fired[1], Fired::Refused(FireRefusal::Paused));
        assert_eq!(fired[3], Fired::Refused(FireRefusal::Expired));
        assert_eq!(fired[4], Fired::Refused(FireRefusal::NotApi));
        assert_eq!(fired[5..8], [Fired::NotFound; 3]);
        let events = bench.events(owner).await;
        let logged: Vec<_> = events
            .iter()
            .filter(|event| event.trigger == ready)
            .map(|event| (Fired::Event(event.id), event.message_id, event.payload.as_str()))
            .collect();
        assert_eq!(logged, [(fired[0], messages[0], "0"), (fired[2], messages[2], "2"), (fired[8], messages[8], "8")]);
        assert!(events.iter().all(|event| event.fired_at == t(5) || event.trigger == deleted));
        assert_eq!(bench.events(other).await, []);
        let owed = bench.claim_all(t(6)).await;
        assert_eq!(owed.iter().filter(|claim| claim.event.trigger == ready).count(), 3);
    })
    .await;
}

#[tokio::test]
async fn calls_of_several_triggers_are_numbered_in_their_order_after_one_was_edited_too() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let (edited, other) =
            (bench.trigger(owner, api("edited")).await.id, bench.trigger(owner, api("other")).await.id);
        // Whatever a store remembers of them, it remembers from here.
        let calls = || Vec::from([edited, other, edited, other].map(|id| (id, bench.call(Origin::Api, None))));
        fire(&bench, owner, calls()).await;
        let armed = bench.get(owner, edited).await;
        let edit =
            armed.edit(Definition { name: Some("renamed".to_owned()), ..armed.trigger.definition.clone() }, t(5));
        assert_eq!(bench.store.edit_trigger(edit, armed.next_at, t(5)).await, Ok(Edited::Done));
        let fired = fire(&bench, owner, calls()).await;
        let numbers = fired.iter().map(|fired| match fired {
            Fired::Event(id) => *id,
            other => panic!("it may be fired: {other:?}"),
        });
        let numbers: Vec<_> = numbers.collect();
        assert!(numbers.is_sorted_by(|earlier, later| earlier < later), "{numbers:?}");
    })
    .await;
}

#[tokio::test]
async fn nothing_asked_is_nothing_done() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        assert_eq!(make(&bench, Vec::new()).await, []);
        assert_eq!(fire(&bench, owner, Vec::new()).await, []);
    })
    .await;
}

#[tokio::test]
async fn as_many_as_go_together_go_together_and_are_told_of() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&told);
        bench.store.subscribe(Arc::new(move |change| heard.lock().expect("no test panics with it").push(change)));
        let made = make(&bench, (0..TOGETHER_MAX).map(|n| new(owner, every(&format!("{}s", n + 1)))).collect()).await;
        assert!(made.iter().all(std::result::Result::is_ok));
        let has_heard = |change: Change| told.lock().expect("no test panics with it").contains(&change);
        assert!(has_heard(Change::Armed) && has_heard(Change::Edited(owner)));
        let id = bench.trigger(owner, api("called")).await.id;
        let calls = (0..TOGETHER_MAX).map(|_| (id, bench.call(Origin::Api, None))).collect();
        let fired = fire(&bench, owner, calls).await;
        assert!(fired.iter().all(|fired| matches!(fired, Fired::Event(_))));
        assert!(has_heard(Change::Logged(owner)));
        assert_eq!(bench.claim_all(t(6)).await.len(), TOGETHER_MAX);
        let counts = bench.store.hour_counts(owner, None, t(0), t(3600)).await.expect("counts");
        assert_eq!(counts.iter().map(|count| count.fired).sum::<u64>(), TOGETHER_MAX as u64);
    })
    .await;
}

#[tokio::test]
async fn what_was_told_is_there_when_the_server_comes_back() {
    wherever_it_lasts(async |bench| {
        let owner = bench.user("a").await;
        let made = make(&bench, vec![new(owner, api("one")), new(owner, every("1m"))]).await;
        let [one, timed] = [made[0], made[1]].map(|made| made.expect("a trigger"));
        let calls = vec![(one, bench.call(Origin::Api, Some("1"))), (one, bench.call(Origin::Api, Some("2")))];
        fire(&bench, owner, calls).await;
        let bench = bench.reopen().await;
        assert_eq!(bench.get(owner, timed).await.next_at, Some(t(60)));
        let payloads: Vec<String> =
            bench.events(owner).await.iter().map(|event| event.payload.as_str().to_owned()).collect();
        assert_eq!(payloads, ["1", "2"]);
        assert_eq!(bench.claim_all(t(6)).await.len(), 2);
    })
    .await;
}
