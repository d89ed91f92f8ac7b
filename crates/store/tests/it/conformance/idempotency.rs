//! What is done under a key is done once, and remembered in the same transaction for as long as a day.

use jiff::{SignedDuration, Timestamp};
use oncue_domain::event::Origin;
use oncue_domain::id::{EventId, TriggerId, UserId};
use oncue_domain::idempotency::{ANSWERS_MAX, Answer, KEPT_FOR, Key, Keyed, Outcome, Print, Remembered};
use oncue_domain::store::{Begun, Call, Deed, Done, Fired, FiredAgain, Missing, NewTrigger, Repeat};
use oncue_domain::trigger::{Definition, FireRefusal};

use super::destination::sending_to;
use crate::bench::{Bench, api, every, everywhere, t, wherever_it_lasts};

fn key(text: &str) -> Key {
    Key::parse(text.as_bytes()).expect("a key")
}

/// The call that said `said`, under the key.
fn under(text: &str, item: u32, said: &str) -> Keyed {
    Keyed { key: key(text), item, print: Print::of(&[said.as_bytes()]) }
}

fn fire(bench: &Bench, id: TriggerId) -> Deed {
    Deed::Fire(id, bench.call(Origin::Api, Some("{\"n\":1}")))
}

fn make(owner: UserId, definition: Definition) -> Deed {
    let next_at = definition.next_after(t(0));
    Deed::Make(Box::new(NewTrigger { owner, definition, next_at, test_event: None }))
}

async fn all(bench: &Bench, owner: UserId, deeds: Vec<(Keyed, Deed)>, now: Timestamp) -> Vec<Done> {
    let done = bench.store.once(owner, deeds, now).await;
    done.into_iter().map(|done| done.expect("a store that answers")).collect()
}

async fn once(bench: &Bench, owner: UserId, keyed: Keyed, deed: Deed, now: Timestamp) -> Done {
    all(bench, owner, vec![(keyed, deed)], now).await[0]
}

async fn recall(bench: &Bench, owner: UserId, text: &str, now: Timestamp) -> Vec<Remembered> {
    bench.store.recall(owner, &key(text), now).await.expect("a store that answers")
}

fn event_of(done: Done) -> EventId {
    match done {
        Done::Fired(Fired::Event(id)) | Done::FiredAgain(FiredAgain::Event(id)) => id,
        other => panic!("it fires, yet {other:?}"),
    }
}

#[tokio::test]
async fn the_same_call_under_the_same_key_fires_once_whatever_became_of_the_server() {
    wherever_it_lasts(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, api("api")).await.id;
        let first = event_of(once(&bench, owner, under("k", 0, "a"), fire(&bench, id), t(1)).await);
        let before = Done::Before { number: first.0, at: t(1) };
        assert_eq!(once(&bench, owner, under("k", 0, "a"), fire(&bench, id), t(2)).await, before);
        let bench = bench.reopen().await;
        assert_eq!(once(&bench, owner, under("k", 0, "a"), fire(&bench, id), t(3)).await, before);
        let print = Print::of(&[b"a"]);
        let outcome = Outcome::Made(first.0);
        assert_eq!(recall(&bench, owner, "k", t(3)).await, [Remembered { item: 0, print, at: t(1), outcome }]);
        let events = bench.events(owner).await;
        assert_eq!(events.iter().map(|event| event.id).collect::<Vec<_>>(), [first]);
        assert_eq!((events[0].payload.as_str(), events[0].fired_at), ("{\"n\":1}", t(1)));
        assert_eq!(bench.claim_all(t(3)).await.len(), 1, "and it is owed once");
        let counts = bench.store.hour_counts(owner, Some(id), t(-3600), t(3600)).await.expect("counts");
        assert_eq!(counts[0].fired, 1);
    })
    .await;
}

#[tokio::test]
async fn a_key_belongs_to_one_call_of_one_owner() {
    everywhere(async |bench| {
        let (anna, ben) = (bench.user("anna").await, bench.user("ben").await);
        let (hers, his) = (bench.trigger(anna, api("hers")).await.id, bench.trigger(ben, api("his")).await.id);
        let first = event_of(once(&bench, anna, under("k", 0, "a"), fire(&bench, hers), t(1)).await);
        assert_eq!(once(&bench, anna, under("k", 0, "b"), fire(&bench, hers), t(1)).await, Done::KeyTaken);
        assert_eq!(once(&bench, anna, under("k", 0, "b"), make(anna, api("new")), t(1)).await, Done::KeyTaken);
        let item = event_of(once(&bench, anna, under("k", 1, "a"), fire(&bench, hers), t(1)).await);
        let other = event_of(once(&bench, anna, under("K", 0, "a"), fire(&bench, hers), t(1)).await);
        assert_eq!(recall(&bench, ben, "k", t(1)).await, []);
        assert_eq!(
            once(&bench, ben, under("k", 0, "a"), fire(&bench, hers), t(1)).await,
            Done::Fired(Fired::NotFound),
            "a key opens nothing that is another's"
        );
        event_of(once(&bench, ben, under("k", 0, "b"), fire(&bench, his), t(1)).await);
        let seen: Vec<_> = bench.events(anna).await.iter().map(|event| event.id).collect();
        assert_eq!(seen, [first, item, other]);
        assert_eq!(bench.events(ben).await.len(), 1);
        assert_eq!(bench.store.triggers(anna, None, 10).await.expect("a list").len(), 1);
    })
    .await;
}

#[tokio::test]
async fn what_was_refused_leaves_its_key_free() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, Definition { enabled: false, ..api("api") }).await.id;
        let clock = bench.trigger(owner, every("1m")).await.id;
        let refused = |refusal| Done::Fired(Fired::Refused(refusal));
        let paused = once(&bench, owner, under("k", 0, "a"), fire(&bench, id), t(1)).await;
        assert_eq!(paused, refused(FireRefusal::Paused));
        assert_eq!(
            once(&bench, owner, under("k", 0, "b"), fire(&bench, clock), t(1)).await,
            refused(FireRefusal::NotApi)
        );
        let none = once(&bench, owner, under("k", 0, "a"), fire(&bench, TriggerId(999)), t(1)).await;
        assert_eq!(none, Done::Fired(Fired::NotFound));
        let repeat = Repeat { event: EventId(999), checked: None, message_id: bench.message() };
        let again = Deed::FireAgain { repeat, gone_until: t(0) };
        let none = once(&bench, owner, under("k", 0, "a"), again, t(1)).await;
        assert_eq!(none, Done::FiredAgain(FiredAgain::NotFound));
        let missing = oncue_domain::id::DestinationId(999);
        let unmade = once(&bench, owner, under("k", 0, "c"), make(owner, sending_to(&[missing])), t(1)).await;
        assert_eq!(unmade, Done::Made(Err(Missing::Destination(missing))));
        assert_eq!(recall(&bench, owner, "k", t(1)).await, []);
        let trigger = bench.get(owner, id).await.trigger;
        bench.store.edit_trigger(trigger.edit(api("api"), None, t(2)), None, t(2)).await.expect("an edit");
        event_of(once(&bench, owner, under("k", 0, "a"), fire(&bench, id), t(2)).await);
    })
    .await;
}

#[tokio::test]
async fn a_trigger_is_made_once_and_waits_once() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let Done::Made(Ok(id)) = once(&bench, owner, under("k", 0, "a"), make(owner, every("1m")), t(0)).await else {
            panic!("it is made");
        };
        let armed = bench.get(owner, id).await;
        assert_eq!((armed.trigger.revision, armed.trigger.created_at), (1, t(0)));
        assert_eq!(armed.next_at, every("1m").next_after(t(0)));
        let before = Done::Before { number: id.0, at: t(0) };
        assert_eq!(once(&bench, owner, under("k", 0, "a"), make(owner, every("1m")), t(9)).await, before);
        assert!(bench.store.delete_trigger(owner, id, t(10)).await.expect("an answer"));
        let gone = once(&bench, owner, under("k", 0, "a"), make(owner, every("1m")), t(11)).await;
        assert_eq!(gone, before, "what was made and is gone is not made again");
        assert_eq!(bench.store.triggers(owner, None, 10).await.expect("a list"), []);

        let new = NewTrigger {
            owner,
            definition: Definition { is_test: true, ..api("test") },
            next_at: None,
            test_event: Some(bench.message()),
        };
        for seconds in [12, 13] {
            once(&bench, owner, under("t", 0, "a"), Deed::Make(Box::new(new.clone())), t(seconds)).await;
        }
        assert_eq!(bench.events(owner).await.len(), 1, "nor has it a second test event");
    })
    .await;
}

#[tokio::test]
async fn an_event_is_fired_again_once_under_a_key() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, api("api")).await.id;
        let first = bench.fire(owner, id, Some("[7]"), t(1)).await;
        let repeat = || Repeat { event: first, checked: None, message_id: bench.message() };
        let again = || Deed::FireAgain { repeat: repeat(), gone_until: t(-1) };
        let second = event_of(once(&bench, owner, under("k", 0, "a"), again(), t(2)).await);
        let before = Done::Before { number: second.0, at: t(2) };
        assert_eq!(once(&bench, owner, under("k", 0, "a"), again(), t(3)).await, before);
        let events = bench.events(owner).await;
        assert_eq!(events.len(), 2);
        assert_eq!((events[1].parent, events[1].payload.as_str()), (Some(first), "[7]"));
    })
    .await;
}

#[tokio::test]
async fn of_many_items_each_is_done_once_and_each_may_be_refused_alone() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let ready = bench.trigger(owner, api("ready")).await.id;
        let paused = bench.trigger(owner, Definition { enabled: false, ..api("paused") }).await.id;
        let deeds = |ids: &[TriggerId]| -> Vec<(Keyed, Deed)> {
            (0..).zip(ids).map(|(item, id)| (under("k", item, "a"), fire(&bench, *id))).collect()
        };
        let done = all(&bench, owner, deeds(&[ready, paused, ready]), t(1)).await;
        let [first, third] = [done[0], done[2]].map(event_of);
        assert!(first < third, "in their order");
        assert_eq!(done[1], Done::Fired(Fired::Refused(FireRefusal::Paused)));
        let done = all(&bench, owner, deeds(&[ready, paused, ready, ready]), t(2)).await;
        let before = |id: EventId| Done::Before { number: id.0, at: t(1) };
        assert_eq!((done[0], done[2]), (before(first), before(third)));
        assert_eq!(done[1], Done::Fired(Fired::Refused(FireRefusal::Paused)));
        let fourth = event_of(done[3]);
        let items: Vec<_> =
            recall(&bench, owner, "k", t(2)).await.iter().map(|one| (one.item, one.outcome.clone())).collect();
        let made = |item, id: EventId| (item, Outcome::Made(id.0));
        assert_eq!(items, [made(0, first), made(2, third), made(3, fourth)]);
        assert_eq!(bench.events(owner).await.len(), 3);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_at_once_under_one_key_one_is_done() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, api("api")).await.id;
        for round in 0..5 {
            let text = format!("round-{round}");
            let calls: Vec<_> = (0..16)
                .map(|_| {
                    let (store, deed, keyed) = (bench.store.clone(), fire(&bench, id), under(&text, 0, "a"));
                    tokio::spawn(async move { store.once(owner, vec![(keyed, deed)], t(1)).await })
                })
                .collect();
            let (mut fired, mut told) = (Vec::new(), Vec::new());
            for call in calls {
                match call.await.expect("no panic").remove(0).expect("an answer") {
                    Done::Fired(Fired::Event(id)) => fired.push(id.0),
                    Done::Before { number, at } => told.push((number, at)),
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!((fired.len(), told.len()), (1, 15));
            assert!(told.iter().all(|told| *told == (fired[0], t(1))), "all are told the same: {told:?}");
        }
        assert_eq!(bench.events(owner).await.len(), 5);
    })
    .await;
}

#[tokio::test]
async fn a_key_is_forgotten_after_a_day_and_goes() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, api("api")).await.id;
        let day = KEPT_FOR.as_secs();
        let first = event_of(once(&bench, owner, under("k", 0, "a"), fire(&bench, id), t(1)).await);
        once(&bench, owner, under("later", 0, "a"), fire(&bench, id), t(100)).await;
        let almost = once(&bench, owner, under("k", 0, "a"), fire(&bench, id), t(day)).await;
        assert_eq!(almost, Done::Before { number: first.0, at: t(1) });
        assert_eq!(recall(&bench, owner, "k", t(day + 1)).await, []);
        let second = event_of(once(&bench, owner, under("k", 0, "b"), fire(&bench, id), t(day + 1)).await);
        assert!(second > first, "the key may be used for something else");
        bench.store.expire(t(0), t(day + 99), 10).await.expect("expiry");
        assert_eq!(recall(&bench, owner, "later", t(100)).await.len(), 1);
        bench.store.expire(t(0), t(day + 100), 10).await.expect("expiry");
        assert_eq!(recall(&bench, owner, "later", t(100)).await, [], "it is gone, not only passed over");
        assert_eq!(recall(&bench, owner, "k", t(day + 100)).await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn expiry_takes_slices_of_keys_and_says_when_there_are_more() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, api("api")).await.id;
        let deeds = (0..5).map(|item| (under("k", item, "a"), fire(&bench, id))).collect();
        all(&bench, owner, deeds, t(1)).await;
        let later = t(1) + KEPT_FOR;
        let mut slices = 0;
        while !bench.store.expire(Timestamp::MIN, later, 2).await.expect("expiry").is_done {
            slices += 1;
            assert!(slices < 10, "it comes to an end");
        }
        assert_eq!(recall(&bench, owner, "k", t(2)).await, []);
    })
    .await;
}

#[tokio::test]
async fn a_call_whose_answer_is_kept_is_under_way_until_it_has_answered() {
    wherever_it_lasts(async |bench| {
        let (anna, ben) = (bench.user("anna").await, bench.user("ben").await);
        let keyed = || under("k", 0, "a");
        assert_eq!(bench.store.begin_once(anna, keyed(), t(1)).await, Ok(Begun::Now));
        let print = Print::of(&[b"a"]);
        let is = |outcome| Ok(Begun::Before(Remembered { item: 0, print, at: t(1), outcome }));
        assert_eq!(bench.store.begin_once(anna, keyed(), t(2)).await, is(Outcome::Underway));
        let bench = bench.reopen().await;
        assert_eq!(bench.store.begin_once(anna, under("k", 0, "b"), t(2)).await, is(Outcome::Underway));
        assert_eq!(bench.store.begin_once(ben, keyed(), t(2)).await, Ok(Begun::Now), "it is another's key");
        let answer = Answer { status: 201, body: Some(b"{\"id\":7}".to_vec()) };
        let other = Answer { status: 200, body: None };
        bench.store.end_once(anna, under("k", 0, "b"), Some(other.clone())).await.expect("an end");
        bench.store.end_once(anna, keyed(), Some(answer.clone())).await.expect("an end");
        bench.store.end_once(anna, keyed(), Some(other.clone())).await.expect("an end");
        bench.store.end_once(anna, keyed(), None).await.expect("an end");
        assert_eq!(bench.store.begin_once(anna, keyed(), t(3)).await, is(Outcome::Answered(answer)));
        bench.store.end_once(ben, keyed(), Some(other.clone())).await.expect("an end");
        let outcome = Outcome::Answered(other);
        assert_eq!(recall(&bench, ben, "k", t(3)).await, [Remembered { item: 0, print, at: t(2), outcome }]);
        assert_eq!(bench.store.begin_once(anna, keyed(), t(1) + KEPT_FOR).await, Ok(Begun::Now));
    })
    .await;
}

#[tokio::test]
async fn what_has_done_nothing_lets_go_of_its_key_and_what_was_made_keeps_it() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, api("api")).await.id;
        let keyed = || under("k", 0, "a");
        assert_eq!(bench.store.begin_once(owner, keyed(), t(1)).await, Ok(Begun::Now));
        assert_eq!(once(&bench, owner, keyed(), fire(&bench, id), t(1)).await, Done::KeyTaken);
        bench.store.end_once(owner, keyed(), None).await.expect("an end");
        let event = event_of(once(&bench, owner, keyed(), fire(&bench, id), t(1)).await);
        bench.store.end_once(owner, keyed(), None).await.expect("an end");
        bench.store.end_once(owner, keyed(), Some(Answer { status: 200, body: None })).await.expect("an end");
        let outcome = Outcome::Made(event.0);
        let made = Remembered { item: 0, print: Print::of(&[b"a"]), at: t(1), outcome };
        assert_eq!(bench.store.begin_once(owner, keyed(), t(2)).await, Ok(Begun::Before(made)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_owner_has_so_many_answers_kept_and_leaves_the_others_theirs() {
    everywhere(async |bench| {
        let (anna, ben) = (bench.user("anna").await, bench.user("ben").await);
        let id = bench.trigger(anna, api("api")).await.id;
        let begin = async |owner, text: String, now| {
            bench.store.begin_once(owner, under(&text, 0, "a"), now).await.expect("an answer")
        };
        for number in 0..ANSWERS_MAX {
            assert_eq!(begin(anna, format!("key-{number}"), t(1)).await, Begun::Now);
        }
        assert_eq!(begin(anna, "one-more".to_owned(), t(1)).await, Begun::Full);
        assert!(matches!(begin(anna, "key-0".to_owned(), t(1)).await, Begun::Before(_)));
        assert_eq!(begin(ben, "one-more".to_owned(), t(1)).await, Begun::Now);
        event_of(once(&bench, anna, under("one-more", 0, "a"), fire(&bench, id), t(1)).await);
        bench.store.end_once(anna, under("key-0", 0, "a"), None).await.expect("an end");
        assert_eq!(begin(anna, "two-more".to_owned(), t(1)).await, Begun::Now);
        let later = t(1) + KEPT_FOR + SignedDuration::from_secs(1);
        assert_eq!(begin(anna, "three-more".to_owned(), later).await, Begun::Now, "those before are forgotten");
    })
    .await;
}

#[tokio::test]
async fn a_test_is_fired_once_too() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, every("1m")).await.id;
        let call = || Call { origin: Origin::Test, payload: None, checked: None, message_id: bench.message() };
        for seconds in [1, 2] {
            once(&bench, owner, under("k", 0, "a"), Deed::Fire(id, call()), t(seconds)).await;
        }
        let events = bench.events(owner).await;
        assert_eq!(events.iter().map(|event| event.origin).collect::<Vec<_>>(), [Origin::Test]);
    })
    .await;
}
