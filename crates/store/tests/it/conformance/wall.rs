//! The tenant wall (invariant 7): for every operation that takes an owner, another's row and a missing row look the same,
//! and nothing of it changes.

use jiff::Timestamp;
use oncue_domain::access::Scope;
use oncue_domain::agenda::Span;
use oncue_domain::event::Origin;
use oncue_domain::firing::Outcome;
use oncue_domain::id::{ApiKeyId, EventId, TriggerId, UserId};
use oncue_domain::store::{Edited, EventFilter, EventPage, EventPlace, EventSearch, Fired, NewApiKey};
use oncue_domain::trigger::Trigger;

use crate::bench::{api, every, everywhere, given_up, t};

#[tokio::test]
async fn anothers_trigger_looks_like_none() {
    everywhere(async |bench| {
        let (anna, ben) = (bench.user("anna").await, bench.user("ben").await);
        let hers = bench.trigger(anna, every("1m")).await;
        let edit = hers.edit(every("2m"), Some(t(60)), t(70));
        bench.store.edit_trigger(edit, Some(t(60)), t(70)).await.expect("an edit");
        let before = bench.get(anna, hers.id).await;
        for id in [hers.id, TriggerId(999)] {
            assert_eq!(bench.store.trigger(ben, id).await.expect("an answer"), None);
            assert_eq!(bench.store.skipped(ben, id, 10).await.expect("an answer"), []);
            let all = Span { from: Timestamp::MIN, until: Timestamp::MAX };
            assert_eq!(bench.store.ledger(ben, id, all, t(0), 10).await, Ok(None));
            assert!(!bench.store.delete_trigger(ben, id, t(80)).await.expect("an answer"));
            for origin in [Origin::Api, Origin::Test] {
                let call = bench.call(origin, None);
                assert_eq!(bench.store.fire(ben, id, call, t(80)).await.expect("an answer"), Fired::NotFound);
            }
            let stolen = Trigger { id, owner: ben, ..before.trigger.clone() };
            let edit = stolen.edit(api("stolen"), before.next_at, t(80));
            let edited = bench.store.edit_trigger(edit, before.next_at, t(80)).await.expect("an answer");
            assert_eq!(edited, Edited::NotFound);
        }
        assert_eq!(bench.store.triggers(ben, None, 10).await.expect("a list"), []);
        assert_eq!(bench.get(anna, hers.id).await, before);
        assert_eq!(bench.store.skipped(anna, hers.id, 10).await.expect("an answer").len(), 1);
        assert_eq!(bench.events(anna).await, []);
    })
    .await;
}

#[tokio::test]
async fn whose_a_trigger_is_can_be_asked_by_its_number_alone() {
    everywhere(async |bench| {
        let (anna, ben) = (bench.user("anna").await, bench.user("ben").await);
        let (hers, his) = (bench.trigger(anna, every("1m")).await.id, bench.trigger(ben, api("his")).await.id);
        for (id, owner) in [(hers, Some(anna)), (his, Some(ben)), (TriggerId(999), None)] {
            assert_eq!(bench.store.owner_of(id).await, Ok(owner));
        }
    })
    .await;
}

#[tokio::test]
async fn anothers_event_looks_like_none() {
    everywhere(async |bench| {
        let (anna, ben) = (bench.user("anna").await, bench.user("ben").await);
        let hers = bench.trigger(anna, api("hers")).await.id;
        let his = bench.trigger(ben, api("his")).await.id;
        let her_event = bench.fire(anna, hers, None, t(1)).await;
        let his_event = bench.fire(ben, his, None, t(2)).await;
        let her_late_event = bench.fire(anna, hers, None, t(3)).await;
        for id in [her_event, her_late_event, EventId(999)] {
            assert_eq!(bench.store.event(ben, id, t(0)).await.expect("an answer"), None);
        }
        let hers_only = EventFilter { trigger: Some(hers), ..EventFilter::default() };
        let from_hers = Some(EventPlace { fired_at: t(3), id: her_late_event });
        let newest = EventPage::NewestFirst(from_hers);
        assert_eq!(bench.store.events(ben, hers_only, newest, 10).await.expect("a page"), []);
        let his_page = bench.store.events(ben, EventFilter::default(), newest, 10).await.expect("a page");
        assert_eq!(his_page.iter().map(|event| event.id).collect::<Vec<_>>(), [his_event]);
        let counts = bench.store.event_counts(ben, t(0)).await.expect("counts");
        assert_eq!(counts.iter().map(|count| count.trigger).collect::<Vec<_>>(), [his]);
    })
    .await;
}

#[tokio::test]
async fn what_happened_to_anothers_triggers_looks_like_nothing() {
    everywhere(async |bench| {
        let (anna, ben) = (bench.user("anna").await, bench.user("ben").await);
        let hers = bench.trigger(anna, every("1m")).await.id;
        let old = bench.fire_due(anna, hers, t(60)).await;
        bench.settle_all(t(61), given_up).await;
        let young = bench.fire_due(anna, hers, t(120)).await;
        bench.settle_all(t(121), given_up).await;
        let store = &*bench.store;
        store.expire(t(100), t(200), 10).await.expect("an answer");
        let look = async |who: UserId| {
            let of_hers = EventFilter { trigger: Some(hers), ..EventFilter::default() };
            let mut lines = Vec::new();
            for (filter, outcome) in [
                (EventFilter::default(), None),
                (of_hers, None),
                (EventFilter::default(), Some(Outcome::Failed)),
                (of_hers, Some(Outcome::Failed)),
            ] {
                let what = EventSearch { filter, outcome, ..EventSearch::default() };
                let newest = EventPage::NewestFirst(None);
                lines.extend(store.event_lines(who, what.clone(), newest, 10).await.expect("a search").lines);
                lines.extend(store.events_logged_after(who, what, EventId(0), 10).await.expect("an answer").lines);
            }
            let attention = store.attention(who, t(100), t(1000)).await.expect("an answer");
            let recent = store.recent_firings(who, vec![hers], t(100), 10).await.expect("firings");
            let (from, until) = (Timestamp::MIN, Timestamp::MAX);
            [
                lines.len(),
                usize::try_from(attention.tally.all).expect("few"),
                attention.overdue.len(),
                attention.failing.len(),
                store.count_events(who, vec![EventFilter::default(), of_hers], 10).await.expect("counts").len(),
                store.hour_counts(who, None, from, until).await.expect("counts").len(),
                store.hour_counts(who, Some(hers), from, until).await.expect("counts").len(),
                recent[0].firings.len(),
                usize::from(store.gone_firing(who, old, t(100)).await.expect("an answer").is_some()),
                usize::from(store.gone_firing(who, young, t(150)).await.expect("an answer").is_some()),
                store.trigger_heads(who, 10).await.expect("a list").len(),
                store.soonest(who, 10).await.expect("a list").len(),
            ]
        };
        assert_eq!(look(anna).await, [8, 1, 1, 1, 2, 1, 1, 2, 1, 1, 1, 1], "she sees it all");
        assert_eq!(look(ben).await, [0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
        let counted = store.count_events(ben, vec![EventFilter::default()], 10).await;
        assert_eq!(counted, Ok(vec![0]));
    })
    .await;
}

#[tokio::test]
async fn anothers_key_looks_like_none() {
    everywhere(async |bench| {
        let (anna, ben) = (bench.user("anna").await, bench.user("ben").await);
        let (name, prefix) = ("hers".to_owned(), "oncue_ab".to_owned());
        let new = NewApiKey { owner: anna, name, prefix, hash: [1; 32], scopes: vec![Scope::Read], expires_at: None };
        let hers = bench.store.create_api_key(new, t(0)).await.expect("an answer").expect("room for a key");
        for id in [hers.id, ApiKeyId(999)] {
            assert!(!bench.store.delete_api_key(ben, id).await.expect("an answer"));
        }
        assert_eq!(bench.store.api_keys(ben).await.expect("a list"), []);
        assert_eq!(bench.store.api_keys(anna).await.expect("a list"), [hers]);
    })
    .await;
}
