//! Destinations: made, read, edited, paused, resumed, suspended and deleted, each by its owner alone; and which triggers name them.

use oncue_domain::destination::{DESTINATIONS_MAX, Destination, Standing, Wanted};
use oncue_domain::id::{DestinationId, UserId};
use oncue_domain::store::{Change, Deleted, Edited, Error, Missing, NAMED_MAX, NewTrigger};
use oncue_domain::trigger::Definition;

use crate::bench::{Bench, Kind, api, destination, every, everywhere, t};

/// A trigger that sends to these.
pub(super) fn sending_to(ids: &[DestinationId]) -> Definition {
    Definition { destinations: ids.to_vec(), ..api("sender") }
}

async fn get(bench: &Bench, owner: UserId, id: DestinationId) -> Option<Destination> {
    bench.store.destination(owner, id).await.expect("an answer")
}

async fn set(bench: &Bench, owner: UserId, id: DestinationId, standing: Standing) -> bool {
    bench.store.set_standing(owner, id, standing, t(9)).await.expect("an answer")
}

#[tokio::test]
async fn a_destination_is_read_as_it_was_made() {
    everywhere(async |bench| {
        let (owner, other) = (bench.user("a").await, bench.user("b").await);
        let definition = destination("nämé \"'\\");
        let made = bench.store.create_destination(owner, definition.clone(), t(3)).await.expect("an answer");
        let made = made.expect("there is room");
        assert_eq!((made.owner, made.revision, made.created_at), (owner, 1, t(3)));
        assert_eq!((&*made.definition, &made.standing), (&definition, &Standing::Active));
        let second = bench.destination(owner, "second").await;
        bench.destination(other, "another's").await;
        assert!(second.id > made.id);
        assert_eq!(get(&bench, owner, made.id).await.as_ref(), Some(&made));
        let list = |after, limit| bench.store.destinations(owner, after, limit);
        assert_eq!(list(None, 10).await.expect("a list"), [made.clone(), second.clone()]);
        assert_eq!(list(None, 1).await.expect("a list"), std::slice::from_ref(&made));
        assert_eq!(list(Some(made.id), 10).await.expect("a list"), std::slice::from_ref(&second));
        let asked = vec![second.id, made.id, DestinationId(999), made.id];
        assert_eq!(bench.store.destinations_to_send_to(asked).await.expect("a list"), [made, second]);
    })
    .await;
}

#[tokio::test]
async fn what_destinations_are_called_is_told_to_their_owner_alone() {
    everywhere(async |bench| {
        let (owner, other) = (bench.user("a").await, bench.user("b").await);
        let (one, two) = (bench.destination(owner, "one").await, bench.destination(owner, "two").await);
        let anothers = bench.destination(other, "another's").await;
        let stopped = Standing::Suspended { since: t(8), reason: "It said 410.".to_owned() };
        assert!(set(&bench, owner, two.id, stopped.clone()).await);
        let edited = bench.store.edit_destination(owner, one.id, 1, destination("öne")).await;
        assert_eq!(edited.expect("an answer"), Edited::Done);
        let one = get(&bench, owner, one.id).await.expect("it is there").head();
        assert_eq!((one.name.as_str(), one.kind.as_str()), ("öne", "webhook"));
        let two = Destination { standing: stopped, ..two }.head();
        let heads = async |wanted| bench.store.destination_heads(owner, wanted).await.expect("heads");
        assert_eq!(heads(Wanted::All).await, [one.clone(), two.clone()]);
        assert_eq!(heads(Wanted::Stopped).await, std::slice::from_ref(&two));
        let these = vec![two.id, anothers.id, one.id, DestinationId(999), two.id];
        assert_eq!(heads(Wanted::These(these)).await, [one, two]);
        assert_eq!(heads(Wanted::These(Vec::new())).await, []);
    })
    .await;
}

#[tokio::test]
async fn one_that_cannot_be_read_hides_no_other_and_can_be_deleted() {
    for kind in [Kind::SqliteFile, Kind::Postgres] {
        let bench = Bench::new(kind, true).await;
        let owner = bench.user("a").await;
        let mut made = Vec::new();
        for name in ["one", "two", "three", "four"] {
            made.push(bench.destination(owner, name).await);
        }
        let spoil = "UPDATE destinations SET definition = '{\"kind\": \"pigeon\"}' WHERE name IN ('one', 'three')";
        match kind {
            Kind::Postgres => drop(bench.sql(spoil)),
            _ => crate::sqlite::change(&bench, spoil),
        }
        let list = async |after, limit| bench.store.destinations(owner, after, limit).await.expect("a list");
        assert_eq!(list(None, 10).await, [made[1].clone(), made[3].clone()]);
        assert_eq!(list(None, 1).await, std::slice::from_ref(&made[1]), "what is left out does not end a list early");
        assert_eq!(list(Some(made[1].id), 1).await, std::slice::from_ref(&made[3]));
        let heads = bench.store.destination_heads(owner, Wanted::All).await.expect("heads");
        assert_eq!(heads, made.iter().map(Destination::head).collect::<Vec<_>>());
        let id = made[0].id;
        assert!(matches!(bench.store.destination(owner, id).await, Err(Error::Broken(_))));
        let stale = bench.store.edit_destination(owner, id, 7, destination("seven")).await;
        assert_eq!(stale.expect("an answer"), Edited::Stale);
        assert_eq!(bench.store.delete_destination(owner, id, t(5)).await.expect("an answer"), Deleted::Done);
    }
}

#[tokio::test]
async fn nobody_has_more_destinations_than_there_may_be() {
    everywhere(async |bench| {
        let (owner, other) = (bench.user("a").await, bench.user("b").await);
        for _ in 0..DESTINATIONS_MAX {
            bench.destination(owner, "one of many").await;
        }
        let more = bench.store.create_destination(owner, destination("one too many"), t(1)).await;
        assert_eq!(more.expect("an answer"), None);
        bench.destination(other, "somebody else's").await;
    })
    .await;
}

#[tokio::test]
async fn an_edit_holds_only_for_what_was_seen() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let made = bench.destination(owner, "first").await;
        let edit = |seen, name: &str| bench.store.edit_destination(owner, made.id, seen, destination(name));
        assert_eq!(edit(1, "second").await.expect("an answer"), Edited::Done);
        assert_eq!(edit(1, "third").await.expect("an answer"), Edited::Stale);
        let now = get(&bench, owner, made.id).await.expect("it is there");
        assert_eq!((now.revision, now.definition.name.as_str()), (2, "second"));
        assert_eq!(Destination { revision: 1, definition: made.definition.clone(), ..now }, made);
    })
    .await;
}

#[tokio::test]
async fn a_standing_stays_until_another_one_is_said_and_each_is_a_revision() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let made = bench.destination(owner, "d").await;
        let reason = "It said 410.".to_owned();
        let said = [Standing::Paused { since: t(7) }, Standing::Suspended { since: t(8), reason }, Standing::Active];
        for (standing, revision) in said.into_iter().zip(2..) {
            assert!(set(&bench, owner, made.id, standing.clone()).await);
            let now = get(&bench, owner, made.id).await.expect("it is there");
            assert_eq!(now, Destination { standing, revision, ..made.clone() });
        }
    })
    .await;
}

#[tokio::test]
async fn only_what_takes_deliveries_as_it_was_seen_is_suspended() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let made = bench.destination(owner, "d").await;
        let suspend = |id, seen| bench.store.suspend_destination(id, seen, "gone\0 for good", None, t(5));
        assert!(!suspend(DestinationId(999), 1).await.expect("an answer"));
        assert!(!suspend(made.id, 2).await.expect("an answer"));
        assert!(set(&bench, owner, made.id, Standing::Paused { since: t(4) }).await);
        assert!(!suspend(made.id, 1).await.expect("an answer"), "its owner paused it");
        assert!(set(&bench, owner, made.id, Standing::Active).await);
        assert!(!suspend(made.id, 1).await.expect("an answer"), "its owner resumed it since");
        assert!(suspend(made.id, 3).await.expect("an answer"));
        assert!(!suspend(made.id, 3).await.expect("an answer"), "it is already");
        let Standing::Suspended { since, reason } = get(&bench, owner, made.id).await.expect("it is there").standing
        else {
            panic!("it is suspended");
        };
        assert_eq!((since, reason.starts_with("gone"), reason.ends_with(" for good")), (t(5), true, true));
    })
    .await;
}

#[tokio::test]
async fn anothers_destination_looks_like_none() {
    everywhere(async |bench| {
        let (anna, ben) = (bench.user("anna").await, bench.user("ben").await);
        let hers = bench.destination(anna, "hers").await;
        for id in [hers.id, DestinationId(999)] {
            assert_eq!(get(&bench, ben, id).await, None);
            let edited = bench.store.edit_destination(ben, id, 1, destination("stolen")).await;
            assert_eq!(edited.expect("an answer"), Edited::NotFound);
            assert!(!set(&bench, ben, id, Standing::Paused { since: t(1) }).await);
            let deleted = bench.store.delete_destination(ben, id, t(1)).await.expect("an answer");
            assert_eq!(deleted, Deleted::NotFound);
            let new = NewTrigger { owner: ben, definition: sending_to(&[id]), next_at: None, test_event: None };
            let made = bench.store.create_trigger(new, t(1)).await.expect("an answer");
            assert_eq!(made, Err(Missing::Destination(id)));
            let tried = bench.store.fire_unkept(ben, sending_to(&[id]).into(), bench.message(), t(1)).await;
            assert_eq!(tried.expect("an answer"), Err(Missing::Destination(id)));
            let his = bench.trigger(ben, api("his")).await;
            let edit = his.edit(sending_to(&[id]), None, t(2));
            let edited = bench.store.edit_trigger(edit, None, t(2)).await.expect("an answer");
            assert_eq!(edited, Edited::Missing(Missing::Destination(id)));
            assert_eq!(bench.get(ben, his.id).await.trigger, his);
            bench.store.delete_trigger(ben, his.id, t(3)).await.expect("a deletion");
        }
        assert_eq!(bench.store.destinations(ben, None, 10).await.expect("a list"), []);
        assert_eq!(bench.store.triggers(ben, None, 10).await.expect("a list"), []);
        assert_eq!(bench.events(ben).await, []);
        assert_eq!(get(&bench, anna, hers.id).await, Some(hers));
    })
    .await;
}

#[tokio::test]
async fn a_trigger_keeps_the_order_of_its_destinations() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let (one, two) = (bench.destination(owner, "one").await.id, bench.destination(owner, "two").await.id);
        let trigger = bench.trigger(owner, Definition { destinations: vec![two, one], ..every("1m") }).await;
        assert_eq!(bench.get(owner, trigger.id).await.trigger, trigger);
        assert_eq!(bench.store.due(t(60), 10).await.expect("a list")[0].trigger.as_ref(), &trigger);
        let heads = bench.store.trigger_heads(owner, 10).await.expect("heads");
        assert_eq!(heads[0].destinations, [two, one]);
        let edit = trigger.edit(Definition { destinations: vec![one], ..every("1m") }, Some(t(60)), t(2));
        assert_eq!(bench.store.edit_trigger(edit, Some(t(60)), t(2)).await.expect("an answer"), Edited::Done);
        assert_eq!(bench.get(owner, trigger.id).await.trigger.definition.destinations, [one]);
        // What it names no more may go; what it names may not.
        assert_eq!(bench.store.delete_destination(owner, two, t(3)).await.expect("an answer"), Deleted::Done);
        let deleted = bench.store.delete_destination(owner, one, t(3)).await.expect("an answer");
        assert_eq!(deleted, Deleted::InUse { triggers: vec![trigger.id], count: 1 });
    })
    .await;
}

#[tokio::test]
async fn a_destination_goes_once_no_trigger_names_it() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.destination(owner, "d").await.id;
        let mut triggers = Vec::new();
        for _ in 0..NAMED_MAX + 3 {
            triggers.push(bench.trigger(owner, sending_to(&[id])).await.id);
        }
        let delete = || bench.store.delete_destination(owner, id, t(5));
        let count = triggers.len() as u64;
        let named = triggers[..NAMED_MAX].to_vec();
        assert_eq!(delete().await.expect("an answer"), Deleted::InUse { triggers: named, count });
        for trigger in triggers {
            bench.store.delete_trigger(owner, trigger, t(6)).await.expect("a deletion");
        }
        assert_eq!(delete().await.expect("an answer"), Deleted::Done);
        assert_eq!(delete().await.expect("an answer"), Deleted::NotFound);
        assert_eq!(get(&bench, owner, id).await, None);
        assert!(bench.destination(owner, "later").await.id > id, "a number is never given out again");
    })
    .await;
}

#[tokio::test]
async fn a_trigger_never_comes_to_name_a_destination_that_goes_at_that_moment() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        for _ in 0..10 {
            let id = bench.destination(owner, "d").await.id;
            let new = || NewTrigger { owner, definition: sending_to(&[id]), next_at: None, test_event: None };
            let (made, deleted) =
                tokio::join!(bench.store.create_trigger(new(), t(1)), bench.store.delete_destination(owner, id, t(1)));
            match (made.expect("an answer"), deleted.expect("an answer")) {
                (Ok(armed), Deleted::InUse { triggers, count: 1 }) => assert_eq!(triggers, [armed.trigger.id]),
                (Err(missing), Deleted::Done) => assert_eq!(missing, Missing::Destination(id)),
                other => panic!("one of the two comes first, yet {other:?}"),
            }
        }
    })
    .await;
}

#[tokio::test]
async fn listeners_hear_of_changes_to_destinations() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let heard = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let ear = std::sync::Arc::clone(&heard);
        bench.store.subscribe(std::sync::Arc::new(move |change| ear.lock().expect("no panic").push(change)));
        let took = || std::mem::take(&mut *heard.lock().expect("no panic"));
        let id = bench.destination(owner, "d").await.id;
        assert_eq!(took(), [Change::Destination(owner)]);
        bench.store.edit_destination(owner, id, 1, destination("e")).await.expect("an edit");
        assert_eq!(took(), [Change::Destination(owner)]);
        bench.store.edit_destination(owner, id, 1, destination("f")).await.expect("an answer");
        assert_eq!(took(), [], "a stale edit changes nothing");
        set(&bench, owner, id, Standing::Paused { since: t(1) }).await;
        assert_eq!(took(), [Change::Destination(owner)]);
        set(&bench, owner, id, Standing::Active).await;
        assert_eq!(took(), [Change::Destination(owner)]);
        bench.store.suspend_destination(id, 4, "gone", None, t(2)).await.expect("a suspension");
        assert_eq!(took(), [Change::Destination(owner)]);
        bench.store.delete_destination(owner, id, t(3)).await.expect("a deletion");
        assert_eq!(took(), [Change::Destination(owner)]);
    })
    .await;
}

#[tokio::test]
async fn it_is_counted_how_many_triggers_send_to_a_destination() {
    everywhere(async |bench| {
        let (owner, other) = (bench.user("a").await, bench.user("b").await);
        let one = bench.destination(owner, "one").await.id;
        let two = bench.destination(owner, "two").await.id;
        let anothers = bench.destination(other, "another's").await.id;
        let uses = |owner, ids: &[DestinationId]| bench.store.destination_uses(owner, ids.to_vec());
        assert_eq!(uses(owner, &[one, two]).await.expect("numbers"), [0, 0]);
        bench.trigger(owner, sending_to(&[one])).await;
        let both = bench.trigger(owner, sending_to(&[two, one])).await.id;
        bench.trigger(other, sending_to(&[anothers])).await;
        let asked = [two, DestinationId(999), one, anothers, one];
        assert_eq!(uses(owner, &asked).await.expect("numbers"), [1, 0, 2, 0, 2], "what is another's is used by nobody");
        bench.store.delete_trigger(owner, both, t(5)).await.expect("an answer");
        assert_eq!(uses(owner, &[one, two]).await.expect("numbers"), [1, 0]);
        assert_eq!(uses(owner, &[]).await.expect("numbers"), [] as [u64; 0]);
    })
    .await;
}
