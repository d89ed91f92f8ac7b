//! Events: fired by calls, kept as they fired, listed in both directions, counted.

use oncue_domain::event::{Event, Origin};
use oncue_domain::id::{EventId, TriggerId, UserId};
use oncue_domain::payload::Payload;
use oncue_domain::store::{EventCount, EventFilter, EventPage, EventPlace, Fired};
use oncue_domain::trigger::{Definition, FireRefusal, Kind};

use crate::bench::{Bench, api, every, everywhere, t, webhook};

async fn rename(bench: &Bench, owner: UserId, id: TriggerId, name: &str, payload: &str, seconds: i64) {
    let armed = bench.get(owner, id).await;
    let payload = Some(Payload::parse(payload).expect("JSON"));
    let definition = Definition { name: Some(name.to_owned()), payload, ..armed.trigger.definition.clone() };
    let edit = armed.trigger.edit(definition, armed.next_at, t(seconds));
    bench.store.edit_trigger(edit, armed.next_at, t(seconds)).await.expect("an edit");
}

async fn page(bench: &Bench, owner: UserId, filter: EventFilter, page: EventPage, limit: usize) -> Vec<Event> {
    bench.store.events(owner, filter, page, limit).await.expect("a page")
}

fn ids(events: &[Event]) -> Vec<EventId> {
    events.iter().map(|event| event.id).collect()
}

fn place(event: &Event) -> EventPlace {
    EventPlace { fired_at: event.fired_at, id: event.id }
}

#[tokio::test]
async fn a_call_makes_an_event_with_its_payload_or_the_triggers_or_none() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let bare = bench.trigger(owner, api("bare")).await.id;
        let own = Payload::parse("{\"own\":1}").expect("JSON");
        let full = bench.trigger(owner, Definition { payload: Some(own), ..api("full") }).await.id;
        bench.fire(owner, bare, None, t(1)).await;
        bench.fire(owner, bare, Some("[1]"), t(2)).await;
        bench.fire(owner, full, None, t(3)).await;
        bench.fire(owner, full, Some("{\"own\":1}"), t(4)).await;
        bench.fire(owner, full, Some("null"), t(5)).await;
        let events = bench.events(owner).await;
        let payloads: Vec<&str> = events.iter().map(|event| event.payload.as_str()).collect();
        assert_eq!(payloads, ["{}", "[1]", "{\"own\":1}", "{\"own\":1}", "null"]);
        let first = &events[0];
        assert_eq!((first.owner, first.trigger, first.name.as_str()), (owner, bare, "bare"));
        assert_eq!((first.kind, first.origin, first.scheduled_at), (Kind::Api, Origin::Api, None));
        assert!(events.is_sorted_by_key(|event| event.id));
    })
    .await;
}

#[tokio::test]
async fn what_may_not_be_fired_is_refused_and_leaves_nothing() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let scheduled = bench.trigger(owner, every("1m")).await.id;
        let paused = bench.trigger(owner, Definition { enabled: false, ..api("paused") }).await.id;
        let expiring = bench.trigger(owner, Definition { expires_at: Some(t(10)), ..api("expiring") }).await.id;
        let fire = async |id, seconds| {
            let call = bench.call(Origin::Api, None);
            bench.store.fire(owner, id, call, t(seconds)).await.expect("a store that answers")
        };
        assert_eq!(fire(scheduled, 1).await, Fired::Refused(FireRefusal::NotApi));
        assert_eq!(fire(paused, 1).await, Fired::Refused(FireRefusal::Paused));
        assert_eq!(fire(expiring, 10).await, Fired::Refused(FireRefusal::Expired));
        assert_eq!(fire(TriggerId(999), 1).await, Fired::NotFound);
        assert_eq!(bench.events(owner).await, []);
        assert_eq!(bench.store.owed_counts().await.expect("an answer").owed, 0);
        assert!(matches!(fire(expiring, 9).await, Fired::Event(_)));
    })
    .await;
}

#[tokio::test]
async fn anything_may_be_tried_out_and_nothing_moves() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let scheduled = bench.trigger(owner, every("1m")).await.id;
        let paused = bench.trigger(owner, Definition { enabled: false, ..api("paused") }).await.id;
        let expired = bench.trigger(owner, Definition { expires_at: Some(t(1)), ..api("expired") }).await.id;
        for id in [scheduled, paused, expired] {
            let before = bench.get(owner, id).await;
            let call = bench.call(Origin::Test, None);
            let fired = bench.store.fire(owner, id, call, t(200)).await.expect("a store that answers");
            assert!(matches!(fired, Fired::Event(_)), "{fired:?}");
            assert_eq!(bench.get(owner, id).await, before);
        }
        let events = bench.events(owner).await;
        assert!(events.iter().all(|event| event.is_test() && event.scheduled_at.is_none()));
        assert_eq!(events.iter().map(|event| event.kind).collect::<Vec<_>>(), [Kind::Scheduled, Kind::Api, Kind::Api]);
    })
    .await;
}

#[tokio::test]
async fn what_is_only_tried_out_has_a_negative_number_and_is_not_kept() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let payload = Some(Payload::parse("[7]").expect("JSON"));
        let definition = Definition { payload, webhook: Some(webhook("https://example.com/")), ..every("1m") };
        let mut given = Vec::new();
        for seconds in 1..=3 {
            let message_id = bench.message();
            let unkept = bench.store.fire_unkept(owner, definition.clone().into(), message_id, t(seconds));
            given.push(unkept.await.expect("a store that answers").expect("an event"));
        }
        assert!(given.iter().all(|id| id.0 < 0), "{given:?}");
        assert!(given[0] != given[1] && given[1] != given[2] && given[0] != given[2]);
        assert_eq!(bench.store.triggers(owner, None, 10).await.expect("a list"), []);
        assert_eq!(bench.store.trigger(owner, given[0]).await.expect("an answer"), None);
        assert_eq!(bench.store.next_due().await.expect("an answer"), None);
        let events = bench.events(owner).await;
        assert_eq!(events.iter().map(|event| event.trigger).collect::<Vec<_>>(), given);
        assert!(events.iter().all(|event| event.is_test() && event.name == "every" && event.kind == Kind::Scheduled));
        assert!(events.iter().all(|event| event.payload.as_str() == "[7]"));
        assert_eq!(bench.claim_all(t(3)).await.len(), 3);
    })
    .await;
}

#[tokio::test]
async fn events_keep_the_name_and_payload_they_fired_with() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let trigger = bench.trigger(owner, every("1m")).await;
        let commit = async |seconds| {
            let planned = bench.planned(owner, trigger.id, t(seconds)).await;
            bench.store.commit_plans(vec![planned], t(seconds)).await.expect("a commit");
        };
        commit(60).await;
        rename(&bench, owner, trigger.id, "second", "[2]", 61).await;
        commit(120).await;
        rename(&bench, owner, trigger.id, "third", "[3]", 121).await;
        commit(180).await;
        let expected = [(1, "every", "{}"), (2, "second", "[2]"), (3, "third", "[3]")];
        let seen = |events: &[Event]| {
            let seen =
                events.iter().map(|event| (event.revision, event.name.clone(), event.payload.as_str().to_owned()));
            seen.collect::<Vec<_>>()
        };
        let expected = expected.map(|(revision, name, payload)| (revision, name.to_owned(), payload.to_owned()));
        assert_eq!(seen(&bench.events(owner).await), expected);
        bench.store.delete_trigger(owner, trigger.id, t(181)).await.expect("a deletion");
        let events = bench.events(owner).await;
        assert_eq!(seen(&events), expected);
        assert!(events.iter().all(|event| event.kind == Kind::Scheduled));
        let (event, deliveries) =
            bench.store.event(owner, events[0].id, t(0)).await.expect("an answer").expect("the event is there");
        assert_eq!((&event, deliveries.len()), (&events[0], 1));
        assert_eq!(bench.claim_all(t(300)).await.len(), 3, "what a deleted trigger owes is still owed");
    })
    .await;
}

#[tokio::test]
async fn an_event_is_delivered_to_where_its_trigger_pointed_when_it_fired() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let old = webhook("https://old.example.com/");
        let trigger = bench.trigger(owner, Definition { webhook: Some(old), ..api("moves") }).await;
        bench.fire(owner, trigger.id, None, t(1)).await;
        let new = webhook("https://new.example.com/");
        let edit = trigger.edit(Definition { webhook: Some(new), ..api("moves") }, None, t(2));
        bench.store.edit_trigger(edit, None, t(2)).await.expect("an edit");
        bench.fire(owner, trigger.id, None, t(3)).await;
        bench.store.delete_trigger(owner, trigger.id, t(4)).await.expect("a deletion");
        let claims = bench.claim_all(t(5)).await;
        let hosts: Vec<String> = claims.iter().map(|claim| format!("{:?}", claim.target)).collect();
        assert!(hosts[0].contains("old.example.com") && hosts[1].contains("new.example.com"), "{hosts:?}");
    })
    .await;
}

#[tokio::test]
async fn pages_of_equal_instants_lose_nothing_and_repeat_nothing() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, api("api")).await.id;
        let mut fired = Vec::new();
        // The fourth comes from a clock that was put back.
        for seconds in [5, 5, 5, 3, 5, 9, 9, 9, 9] {
            fired.push((t(seconds), bench.fire(owner, id, None, t(seconds)).await));
        }
        fired.sort();
        let ascending: Vec<EventId> = fired.iter().map(|(_, id)| *id).collect();
        for limit in 1..=10 {
            for newest_first in [false, true] {
                let (mut listed, mut last) = (Vec::new(), None);
                loop {
                    let from = if newest_first { EventPage::NewestFirst(last) } else { EventPage::OldestFirst(last) };
                    let events = page(&bench, owner, EventFilter::default(), from, limit).await;
                    assert!(events.len() <= limit);
                    let Some(end) = events.last() else { break };
                    last = Some(place(end));
                    listed.extend(ids(&events));
                }
                if newest_first {
                    listed.reverse();
                }
                assert_eq!(listed, ascending, "pages of {limit}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn filters_hold_together_and_their_bounds_are_exact() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let (one, two) = (bench.trigger(owner, api("one")).await.id, bench.trigger(owner, api("two")).await.id);
        let mut fired = Vec::new();
        for (id, seconds) in [(one, 1), (two, 2), (one, 2), (two, 3), (one, 4)] {
            fired.push(bench.fire(owner, id, None, t(seconds)).await);
        }
        let listed = async |trigger, after: Option<i64>, until: Option<i64>| {
            let filter = EventFilter { trigger, fired_after: after.map(t), fired_until: until.map(t) };
            ids(&page(&bench, owner, filter, EventPage::OldestFirst(None), 10).await)
        };
        assert_eq!(listed(None, None, None).await, fired);
        assert_eq!(listed(None, Some(1), Some(3)).await, fired[1..4]);
        assert_eq!(listed(Some(one), Some(1), None).await, [fired[2], fired[4]]);
        assert_eq!(listed(Some(two), None, Some(2)).await, [fired[1]]);
        assert_eq!(listed(Some(TriggerId(999)), None, None).await, []);
        let newest = EventPage::NewestFirst(Some(EventPlace { fired_at: t(4), id: fired[4] }));
        let filter = EventFilter { trigger: Some(one), ..EventFilter::default() };
        assert_eq!(ids(&page(&bench, owner, filter, newest, 1).await), [fired[2]]);
    })
    .await;
}

#[tokio::test]
async fn an_event_is_read_until_its_age_and_not_a_moment_longer() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, api("api")).await.id;
        let event = bench.fire(owner, id, None, t(100)).await;
        let read =
            async |gone| bench.store.event(owner, event, t(gone)).await.expect("an answer").map(|(event, _)| event.id);
        assert_eq!(read(99).await, Some(event));
        assert_eq!(read(100).await, None);
        assert_eq!(bench.store.event(owner, EventId(999), t(0)).await.expect("an answer"), None);
    })
    .await;
}

#[tokio::test]
async fn counts_know_what_deleted_triggers_were_called() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let kept = bench.trigger(owner, api("kept")).await.id;
        let deleted = bench.trigger(owner, api("deleted")).await.id;
        bench.trigger(owner, api("silent")).await;
        let unkept = bench
            .store
            .fire_unkept(owner, api("tried").into(), bench.message(), t(1))
            .await
            .expect("an answer")
            .expect("an event");
        for seconds in [1, 2, 3] {
            bench.fire(owner, kept, None, t(seconds)).await;
        }
        bench.fire(owner, deleted, None, t(2)).await;
        rename(&bench, owner, kept, "renamed", "{}", 4).await;
        bench.store.delete_trigger(owner, deleted, t(4)).await.expect("a deletion");
        let count = |trigger, name: &str, count| EventCount { trigger, name: name.to_owned(), count };
        let counts = bench.store.event_counts(owner, t(0)).await.expect("counts");
        assert_eq!(counts, [count(unkept, "tried", 1), count(kept, "renamed", 3), count(deleted, "deleted", 1)]);
        let counts = bench.store.event_counts(owner, t(1)).await.expect("counts");
        assert_eq!(counts, [count(kept, "renamed", 2), count(deleted, "deleted", 1)]);
        assert_eq!(bench.store.event_counts(owner, t(3)).await.expect("counts"), []);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_one_of_many_calls_at_once_has_its_own_event() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, api("api")).await.id;
        let mut callers = Vec::new();
        for i in 0..64 {
            let (store, call) = (bench.store.clone(), bench.call(Origin::Api, Some(&i.to_string())));
            callers.push(tokio::spawn(async move { store.fire(owner, id, call, t(1)).await.expect("an answer") }));
        }
        let mut answered = Vec::new();
        for caller in callers {
            match caller.await.expect("no panic") {
                Fired::Event(id) => answered.push(id),
                other => panic!("the trigger may be fired, yet {other:?}"),
            }
        }
        answered.sort();
        let events = bench.events(owner).await;
        assert_eq!(ids(&events), answered);
        let mut payloads: Vec<i64> =
            events.iter().map(|event| event.payload.as_str().parse().expect("a number")).collect();
        payloads.sort_unstable();
        assert_eq!(payloads, (0..64).collect::<Vec<i64>>());
    })
    .await;
}
