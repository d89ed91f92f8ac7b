//! Triggers with a schema: a call is logged where it says that its payload was checked against the revision that stands, and else nothing
//! happens. Whether a payload fits is no matter of a store.

use oncue_domain::event::Origin;
use oncue_domain::id::{EventId, TriggerId, UserId};
use oncue_domain::idempotency::{Key, Keyed, Print};
use oncue_domain::payload_schema::PayloadSchema;
use oncue_domain::store::{Call, Deed, Done, Fired, FiredAgain, Repeat};
use oncue_domain::trigger::Definition;

use crate::bench::{Bench, api, everywhere, t, wherever_it_lasts};

fn with_schema() -> Definition {
    let schema = PayloadSchema::parse(r#"{"type": "object", "required": ["n"]}"#).expect("a schema");
    Definition { payload_schema: Some(schema), ..api("strict") }
}

async fn fire(bench: &Bench, owner: UserId, id: TriggerId, checked: Option<i64>) -> Fired {
    let call = Call { checked, ..bench.call(Origin::Api, Some("{\"n\":1}")) };
    bench.store.fire(owner, id, call, t(1)).await.expect("a store that answers")
}

async fn change(bench: &Bench, owner: UserId, id: TriggerId, to: Definition) -> i64 {
    let trigger = bench.get(owner, id).await.trigger;
    bench.store.edit_trigger(trigger.edit(to, None, t(1)), None, t(1)).await.expect("an edit");
    bench.get(owner, id).await.trigger.revision
}

#[tokio::test]
async fn a_schema_is_kept_as_it_was_written_and_edited_with_the_rest() {
    wherever_it_lasts(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, with_schema()).await.id;
        let many =
            oncue_domain::store::NewTrigger { owner, definition: with_schema(), next_at: None, test_event: None };
        let other =
            bench.store.create_triggers(vec![many], t(0)).await.remove(0).expect("an answer").expect("a trigger");
        let bench = bench.reopen().await;
        for id in [id, other] {
            assert_eq!(bench.get(owner, id).await.trigger.definition, with_schema());
        }
        change(&bench, owner, id, api("free")).await;
        assert_eq!(bench.get(owner, id).await.trigger.definition.payload_schema, None);
        change(&bench, owner, id, with_schema()).await;
        assert_eq!(bench.get(owner, id).await.trigger.definition, with_schema());
    })
    .await;
}

#[tokio::test]
async fn a_call_says_of_which_revision_its_payload_was_checked() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let free = bench.trigger(owner, api("free")).await.id;
        for checked in [None, Some(1), Some(7)] {
            assert!(matches!(fire(&bench, owner, free, checked).await, Fired::Event(_)), "anything goes");
        }
        let id = bench.trigger(owner, with_schema()).await.id;
        for checked in [None, Some(0), Some(2)] {
            assert_eq!(fire(&bench, owner, id, checked).await, Fired::Unchecked);
        }
        assert!(matches!(fire(&bench, owner, id, Some(1)).await, Fired::Event(_)));
        let revision = change(&bench, owner, id, Definition { name: None, ..with_schema() }).await;
        assert_eq!(fire(&bench, owner, id, Some(1)).await, Fired::Unchecked, "it was edited since");
        assert!(matches!(fire(&bench, owner, id, Some(revision)).await, Fired::Event(_)));
        assert_eq!(bench.events(owner).await.len(), 5);
    })
    .await;
}

#[tokio::test]
async fn a_test_of_its_own_payload_and_its_repetition_are_not_asked() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, with_schema()).await.id;
        let test = async |payload, checked| {
            let call = Call { checked, ..bench.call(Origin::Test, payload) };
            bench.store.fire(owner, id, call, t(1)).await.expect("an answer")
        };
        let Fired::Event(event) = test(None, None).await else { panic!("it is tried out with its own") };
        assert_eq!(test(Some("{}"), None).await, Fired::Unchecked);
        assert!(matches!(test(Some("{}"), Some(1)).await, Fired::Event(_)));
        assert!(matches!(again(&bench, owner, event, None).await, FiredAgain::Event(_)), "a test is sent as it was");
    })
    .await;
}

async fn again(bench: &Bench, owner: UserId, event: EventId, checked: Option<i64>) -> FiredAgain {
    let repeat = Repeat { event, checked, message_id: bench.message() };
    bench.store.fire_again(owner, repeat, t(-1), t(2)).await.expect("an answer")
}

#[tokio::test]
async fn a_repetition_is_asked_as_a_call_is_also_under_a_key() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, with_schema()).await.id;
        let Fired::Event(event) = fire(&bench, owner, id, Some(1)).await else { panic!("it was checked") };
        assert_eq!(again(&bench, owner, event, None).await, FiredAgain::Unchecked);
        assert!(matches!(again(&bench, owner, event, Some(1)).await, FiredAgain::Event(_)));
        let revision = change(&bench, owner, id, Definition { name: None, ..with_schema() }).await;
        assert_eq!(again(&bench, owner, event, Some(1)).await, FiredAgain::Unchecked, "it was edited since");
        let once = async |checked| {
            let repeat = Repeat { event, checked, message_id: bench.message() };
            let deed = Deed::FireAgain { repeat, gone_until: t(-1) };
            let key = Key::parse(b"again").expect("a key");
            let keyed = Keyed { key, item: 0, print: Print::of(&[b"again"]) };
            let done = bench.store.once(owner, vec![(keyed, deed)], t(2)).await;
            done.into_iter().next().expect("an outcome").expect("an answer")
        };
        assert_eq!(once(None).await, Done::FiredAgain(FiredAgain::Unchecked));
        assert!(matches!(once(Some(revision)).await, Done::FiredAgain(FiredAgain::Event(_))), "the key was left free");
        assert!(matches!(once(None).await, Done::Before { .. }));
        assert_eq!(bench.events(owner).await.len(), 3);
    })
    .await;
}

#[tokio::test]
async fn of_many_calls_those_that_nobody_checked_do_nothing_and_leave_their_key_free() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let (free, strict) = (bench.trigger(owner, api("free")).await.id, bench.trigger(owner, with_schema()).await.id);
        let call = |checked| Call { checked, ..bench.call(Origin::Api, None) };
        let calls = vec![(free, call(None)), (strict, call(None)), (strict, call(Some(1)))];
        let fired = bench.store.fire_many(owner, calls, t(1)).await;
        let fired: Vec<Fired> = fired.into_iter().map(|fired| fired.expect("an answer")).collect();
        assert!(matches!(fired[..], [Fired::Event(_), Fired::Unchecked, Fired::Event(_)]), "{fired:?}");
        let once = async |checked| {
            let key = Key::parse(b"k").expect("a key");
            let keyed = Keyed { key, item: 0, print: Print::of(&[b"a"]) };
            let done = bench.store.once(owner, vec![(keyed, Deed::Fire(strict, call(checked)))], t(1)).await;
            done.into_iter().next().expect("one").expect("an answer")
        };
        assert_eq!(once(None).await, Done::Fired(Fired::Unchecked));
        assert!(matches!(once(Some(1)).await, Done::Fired(Fired::Event(_))));
        assert!(matches!(once(None).await, Done::Before { .. }), "what was done is told, checked or not");
    })
    .await;
}
