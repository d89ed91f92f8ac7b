//! Who did what: a line for each change that is made by a store in somebody's hands, written with the change.

use oncue_domain::access::{Preferences, Scope, Session};
use oncue_domain::act::{ACTS_KEPT, Act, ActFilter, Action, Entry, Thing};
use oncue_domain::actor::{Actor, Author, Who};
use oncue_domain::destination::Standing;
use oncue_domain::event::{Origin, Retention};
use oncue_domain::id::{DestinationId, EventId, TriggerId, UserId};
use oncue_domain::idempotency::{Key, Keyed, Print};
use oncue_domain::redelivery::DeliveryId;
use oncue_domain::store::{
    Deed, Done, Edited, Fired, FiredAgain, NewApiKey, NewTrigger, NewUser, Registered, Repeat, Trial,
};
use oncue_domain::{access::Registration, trigger::Definition};

use super::destination::sending_to;
use crate::bench::{Bench, api, destination, everywhere, given_up, t, wherever_it_lasts};

fn anna(id: UserId) -> Actor {
    let who = Who::User { id, email: "anna@example.com".to_owned() };
    Actor { who, address: Some("192.0.2.7".parse().expect("an address")), program: Some("a \"browser\"".to_owned()) }
}

fn author(by: Actor, seconds: i64) -> Author {
    Author { by, at: t(seconds) }
}

async fn acts(bench: &Bench, owner: UserId) -> Vec<Entry> {
    bench.store.acts(ActFilter::of(owner), None, 1000).await.expect("a list")
}

/// What was done, the oldest first, as one says it.
fn told(entries: &[Entry]) -> Vec<String> {
    let told = entries.iter().rev().map(|Entry { act, .. }| {
        let Act { action, thing, id, name, details, .. } = act;
        let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let id = id.map_or_else(|| "-".to_owned(), |id| id.to_string());
        format!("{} {} {id} {} {}", action.word(), thing.word(), or_none(name), or_none(details))
    });
    told.collect()
}

fn new(owner: UserId, definition: Definition) -> NewTrigger {
    NewTrigger { owner, definition, next_at: None, test_event: None }
}

#[tokio::test]
async fn what_is_done_to_triggers_is_written_down_once_and_only_when_it_is_done() {
    wherever_it_lasts(async |bench| {
        let owner = bench.user("anna").await;
        let store = bench.store.acting(author(anna(owner), 7));
        let made = store.create_trigger(new(owner, api("one")), t(1)).await.expect("an answer").expect("a trigger");
        let nowhere = Definition { destinations: vec![DestinationId(99)], ..api("nowhere") };
        assert!(store.create_trigger(new(owner, nowhere.clone()), t(1)).await.expect("an answer").is_err());
        let wanted = vec![new(owner, api("a")), new(owner, nowhere), new(owner, api("b"))];
        let many = store.create_triggers(wanted, t(1)).await;
        assert_eq!(many.iter().filter(|made| matches!(made, Ok(Ok(_)))).count(), 2);
        let edit = made.trigger.edit(api("two"), None, t(2));
        assert_eq!(store.edit_trigger(edit.clone(), None, t(2)).await.expect("an answer"), Edited::Done);
        assert_eq!(store.edit_trigger(edit, None, t(2)).await.expect("an answer"), Edited::Stale);
        assert!(store.delete_trigger(owner, made.trigger.id, t(3)).await.expect("an answer"));
        assert!(!store.delete_trigger(owner, made.trigger.id, t(3)).await.expect("an answer"));
        drop(store);
        let bench = bench.reopen().await;
        let entries = acts(&bench, owner).await;
        let [first, last] = [&many[0], &many[2]].map(|made| made.clone().expect("an answer").expect("a trigger").0);
        let id = made.trigger.id;
        assert_eq!(
            told(&entries),
            [
                format!("created trigger {id} one -"),
                format!("created trigger - - 2 triggers, numbered from {first} to {last}"),
                format!("edited trigger {id} two revision 2: name"),
                format!("deleted trigger {id} two -"),
            ]
        );
        assert!(entries.iter().all(|entry| entry.by == anna(owner) && entry.at == t(7)));
        assert!(entries.iter().all(|entry| entry.act.owner == Some(owner)));
        assert!(entries.is_sorted_by(|one, other| one.id > other.id), "the latest first");
    })
    .await;
}

#[tokio::test]
async fn what_a_store_in_nobodys_hands_changes_is_oncues_own_and_not_written_down() {
    everywhere(async |bench| {
        let owner = bench.user("anna").await;
        let trigger = bench.trigger(owner, api("one")).await;
        bench.store.delete_trigger(owner, trigger.id, t(3)).await.expect("an answer");
        bench.store.set_preferences(owner, Preferences::default()).await.expect("an answer");
        assert_eq!(acts(&bench, owner).await, []);
    })
    .await;
}

#[tokio::test]
async fn what_is_done_to_accounts_and_keys_is_written_down() {
    everywhere(async |bench| {
        let stranger = Actor { who: Who::Stranger, address: None, program: None };
        let door = bench.store.acting(author(stranger.clone(), 1));
        let user = NewUser { email: "anna@example.com".to_owned(), password_hash: "hash".to_owned() };
        let Registered::Done(user) = door.register(user.clone(), Registration::Open, t(1)).await.expect("an answer")
        else {
            panic!("nobody stands against her")
        };
        let again = NewUser { email: "ANNA@example.com".to_owned(), password_hash: "hash".to_owned() };
        assert_eq!(door.register(again, Registration::Open, t(1)).await.expect("an answer"), Registered::EmailTaken);
        door.note_act(Act::user(user.id, Action::LoginFailed)).await.expect("an answer");
        let store = bench.store.acting(author(anna(user.id), 2));
        for id in ["one", "two"] {
            let (id, agent) = (id.to_owned(), String::new());
            let session = Session { id, user: user.id, created_at: t(2), expires_at: t(99), agent };
            store.open_session(session).await.expect("a session");
        }
        assert_eq!(store.end_other_sessions(user.id, "one").await.expect("an answer"), 1);
        assert_eq!(store.end_other_sessions(user.id, "one").await.expect("an answer"), 0);
        store.end_session("one").await.expect("an answer");
        store.end_session("one").await.expect("an answer");
        store.set_preferences(user.id, Preferences::default()).await.expect("an answer");
        let (name, prefix) = ("ci".to_owned(), "oncue_ab".to_owned());
        let scopes = vec![Scope::Read, Scope::Fire];
        let key = NewApiKey { owner: user.id, name, prefix, hash: [1; 32], scopes, expires_at: None };
        let key = store.create_api_key(key, t(3)).await.expect("an answer").expect("room for a key").id;
        assert!(store.delete_api_key(user.id, key).await.expect("an answer"));
        assert!(!store.delete_api_key(user.id, key).await.expect("an answer"));
        let operator = bench.store.acting(author(Actor::COMMAND_LINE, 4));
        assert!(operator.set_password(user.id, "other").await.expect("an answer"));
        assert!(operator.disable_user(user.id, t(4)).await.expect("an answer"));
        let id = user.id;
        let entries = acts(&bench, id).await;
        assert_eq!(
            told(&entries),
            [
                format!("created user {id} - -"),
                format!("login_failed user {id} - -"),
                format!("logged_in user {id} - -"),
                format!("logged_in user {id} - -"),
                format!("others_logged_out user {id} - -"),
                format!("logged_out user {id} - -"),
                format!("preferences_changed user {id} - -"),
                format!("created api_key {key} ci oncue_ab…, read fire"),
                format!("deleted api_key {key} ci -"),
                format!("password_changed user {id} - -"),
                format!("disabled user {id} - -"),
            ]
        );
        let by: Vec<&str> = entries.iter().rev().map(|entry| entry.by.who.word()).collect();
        assert_eq!(by[..3], ["stranger", "stranger", "user"]);
        assert_eq!(by[9..], ["command_line", "command_line"]);
    })
    .await;
}

#[tokio::test]
async fn what_is_done_to_destinations_is_written_down_and_by_oncue_itself_too() {
    everywhere(async |bench| {
        let owner = bench.user("anna").await;
        let store = bench.store.acting(author(anna(owner), 2));
        let made = store.create_destination(owner, destination("one"), t(1)).await.expect("an answer").expect("room");
        let id = made.id;
        let edited = store.edit_destination(owner, id, 1, destination("two")).await.expect("an answer");
        assert_eq!(edited, Edited::Done);
        let edited = store.edit_destination(owner, id, 1, destination("three")).await.expect("an answer");
        assert_eq!(edited, Edited::Stale);
        for standing in [Standing::Paused { since: t(2) }, Standing::Active] {
            assert!(store.set_standing(owner, id, standing, t(2)).await.expect("an answer"));
        }
        let seen = bench.store.destination(owner, id).await.expect("an answer").expect("it is there").revision;
        let is_suspended = bench.store.suspend_destination(id, seen, "410 Gone", None, t(5)).await.expect("an answer");
        assert!(is_suspended);
        let by_itself = acts(&bench, owner).await.remove(0);
        assert_eq!((by_itself.by, by_itself.at), (Actor::SYSTEM, t(5)), "nobody asked for it");
        store.delete_destination(owner, id, t(6)).await.expect("an answer");
        store.delete_destination(owner, id, t(6)).await.expect("an answer");
        assert_eq!(
            told(&acts(&bench, owner).await),
            [
                format!("created destination {id} one -"),
                format!("edited destination {id} two -"),
                format!("paused destination {id} two -"),
                format!("resumed destination {id} two -"),
                format!("suspended destination {id} two 410 Gone"),
                format!("deleted destination {id} two -"),
            ]
        );
    })
    .await;
}

#[tokio::test]
async fn what_is_sent_again_or_cancelled_is_written_down() {
    everywhere(async |bench| {
        let owner = bench.user("anna").await;
        let trigger = bench.trigger(owner, api("default")).await.id;
        let mut events = Vec::new();
        for _ in 0..3 {
            events.push(bench.fire(owner, trigger, None, t(1)).await);
        }
        let claims = bench.claim_all(t(1)).await;
        let settlements = claims.iter().map(|claim| given_up(claim, t(2))).collect();
        bench.store.settle(settlements).await.expect("a settlement");
        let store = bench.store.acting(author(anna(owner), 3));
        let (retention, delivery) = (Retention::STANDARD, |at: usize| DeliveryId { event: events[at], slot: 0 });
        let missing = DeliveryId { event: events[0], slot: 9 };
        store.redeliver(owner, vec![missing], retention, t(3)).await.expect("an answer");
        store.redeliver(owner, vec![missing, delivery(0)], retention, t(3)).await.expect("an answer");
        let filter = oncue_domain::store::UndeliveredFilter::default();
        for _ in 0..2 {
            store.redeliver_matching(owner, filter, None, 10, retention, t(3)).await.expect("an answer");
        }
        for _ in 0..2 {
            // What has ended cannot be cancelled.
            let _ = store.cancel_delivery(owner, delivery(1), t(0), t(3)).await.expect("an answer");
        }
        let [one, other] = [events[0], events[1]];
        assert_eq!(
            told(&acts(&bench, owner).await),
            [
                format!("redelivered delivery {one} - event {one}, slot 0"),
                "redelivered delivery - - 2 deliveries".to_owned(),
                format!("cancelled delivery {other} - event {other}, slot 0"),
            ]
        );
    })
    .await;
}

fn event_of(fired: Fired) -> EventId {
    match fired {
        Fired::Event(id) => id,
        other => panic!("it may be fired, yet {other:?}"),
    }
}

fn event_again(fired: FiredAgain) -> EventId {
    match fired {
        FiredAgain::Event(id) => id,
        other => panic!("it may be fired again, yet {other:?}"),
    }
}

#[tokio::test]
async fn what_is_fired_by_hand_is_written_down_with_its_event_and_only_when_it_is_done() {
    wherever_it_lasts(async |bench| {
        let owner = bench.user("anna").await;
        let store = bench.store.acting(author(anna(owner), 7));
        let id = bench.trigger(owner, api("one")).await.id;
        let fire = async |origin| event_of(store.fire(owner, id, bench.call(origin, None), t(1)).await.expect("done"));
        let (run, test, call) = (fire(Origin::Run).await, fire(Origin::Test).await, fire(Origin::Api).await);
        let again = async |event, gone_until| {
            let repeat = Repeat { event, checked: None, message_id: bench.message() };
            store.fire_again(owner, repeat, gone_until, t(2)).await.expect("an answer")
        };
        let repeat = event_again(again(run, t(0)).await);
        let test_again = event_again(again(test, t(0)).await);
        let calls = (0..2).map(|_| (id, bench.call(Origin::Api, None))).collect();
        let many: Vec<EventId> =
            store.fire_many(owner, calls, t(2)).await.into_iter().map(|one| event_of(one.expect("done"))).collect();
        // None of these fires.
        let paused = bench.trigger(owner, Definition { enabled: false, ..api("paused") }).await.id;
        for nothing in [paused, TriggerId(999)] {
            let fired = store.fire(owner, nothing, bench.call(Origin::Run, None), t(2)).await.expect("an answer");
            assert!(!matches!(fired, Fired::Event(_)), "{fired:?}");
        }
        assert_eq!(again(run, t(1)).await, FiredAgain::NotFound);
        let ben = bench.user("ben").await;
        let his = bench.store.acting(author(anna(ben), 8));
        let not_his = his.fire(ben, id, bench.call(Origin::Test, None), t(2)).await.expect("an answer");
        assert_eq!(not_his, Fired::NotFound);
        drop((store, his));
        let bench = bench.reopen().await;
        let entries = acts(&bench, owner).await;
        assert_eq!(
            told(&entries),
            [
                format!("fired trigger {id} one event {run}, run now"),
                format!("fired trigger {id} one event {test}, test"),
                format!("fired trigger {id} one event {call}, as a call would"),
                format!("fired trigger {id} one event {repeat}, again what event {run} carried"),
                format!("fired trigger {id} one event {test_again}, test, again what event {test} carried"),
                format!("fired trigger {id} one event {}, as a call would", many[0]),
                format!("fired trigger {id} one event {}, as a call would", many[1]),
            ]
        );
        assert!(entries.iter().all(|entry| entry.by == anna(owner) && entry.at == t(7)));
        assert_eq!(acts(&bench, ben).await, []);
        let logged: Vec<EventId> = bench.events(owner).await.iter().map(|event| event.id).collect();
        assert_eq!(logged, [&[run, test, call, repeat, test_again][..], &many[..]].concat());
    })
    .await;
}

#[tokio::test]
async fn the_calls_of_programs_leave_no_line() {
    everywhere(async |bench| {
        let owner = bench.user("anna").await;
        let id = bench.trigger(owner, api("one")).await.id;
        let event = bench.fire(owner, id, None, t(1)).await;
        let calls = vec![(id, bench.call(Origin::Api, None)), (id, bench.call(Origin::Api, None))];
        bench.store.fire_many(owner, calls, t(1)).await;
        let repeat = Repeat { event, checked: None, message_id: bench.message() };
        event_again(bench.store.fire_again(owner, repeat, t(0), t(1)).await.expect("an answer"));
        let tried = bench.store.fire_unkept(owner, api("tried").into(), bench.message(), t(1)).await;
        tried.expect("an answer").expect("a trial");
        let keyed = Keyed { key: Key::parse(b"k").expect("a key"), item: 0, print: Print::of(&[b"a"]) };
        let deed = Deed::Fire(id, bench.call(Origin::Api, None));
        bench.store.once(owner, vec![(keyed, deed)], t(1)).await;
        assert_eq!(bench.events(owner).await.len(), 6);
        assert_eq!(acts(&bench, owner).await, []);
    })
    .await;
}

#[tokio::test]
async fn what_is_tried_out_without_being_saved_is_written_down() {
    everywhere(async |bench| {
        let owner = bench.user("anna").await;
        let store = bench.store.acting(author(anna(owner), 7));
        let to = bench.destination(owner, "Ops").await.id;
        let trial = async |trial: Trial| store.fire_unkept(owner, trial, bench.message(), t(1)).await.expect("done");
        let tried = trial(api("draft").into()).await.expect("a trial");
        let of_destination = Trial { definition: sending_to(&[to]), destination: Some((to, "Ops".to_owned())) };
        trial(of_destination).await.expect("a trial");
        assert!(trial(sending_to(&[DestinationId(99)]).into()).await.is_err());
        let events: Vec<EventId> = bench.events(owner).await.iter().map(|event| event.id).collect();
        assert_eq!(
            told(&acts(&bench, owner).await),
            [
                format!("fired trigger {tried} draft event {}, test of what is not saved", events[0]),
                format!("fired destination {to} Ops event {}, test", events[1]),
            ]
        );
    })
    .await;
}

#[tokio::test]
async fn what_is_fired_by_hand_under_a_key_is_written_down_once() {
    everywhere(async |bench| {
        let owner = bench.user("anna").await;
        let store = bench.store.acting(author(anna(owner), 7));
        let id = bench.trigger(owner, api("one")).await.id;
        let once = async |key: &str, said: &str, deed: Deed| {
            let key = Key::parse(key.as_bytes()).expect("a key");
            let keyed = Keyed { key, item: 0, print: Print::of(&[said.as_bytes()]) };
            store.once(owner, vec![(keyed, deed)], t(1)).await.remove(0).expect("an answer")
        };
        let run = || Deed::Fire(id, bench.call(Origin::Run, None));
        let Done::Fired(fired) = once("k", "run", run()).await else { panic!("it fires") };
        let event = event_of(fired);
        assert!(matches!(once("k", "run", run()).await, Done::Before { .. }));
        assert_eq!(once("k", "other", run()).await, Done::KeyTaken);
        let again = |event| {
            let repeat = Repeat { event, checked: None, message_id: bench.message() };
            Deed::FireAgain { repeat, gone_until: t(0) }
        };
        let Done::FiredAgain(fired) = once("again", "again", again(event)).await else { panic!("it fires again") };
        let second = event_again(fired);
        assert!(matches!(once("again", "again", again(event)).await, Done::Before { .. }));
        once("none", "none", again(EventId(999))).await;
        assert_eq!(
            told(&acts(&bench, owner).await),
            [
                format!("fired trigger {id} one event {event}, run now"),
                format!("fired trigger {id} one event {second}, again what event {event} carried"),
            ]
        );
    })
    .await;
}

#[tokio::test]
async fn a_log_is_filtered_and_paged_and_nobody_elses() {
    everywhere(async |bench| {
        let (hers, his) = (bench.user("anna").await, bench.user("ben").await);
        let store = bench.store.acting(author(anna(hers), 1));
        let trigger = store.create_trigger(new(hers, api("one")), t(1)).await.expect("an answer").expect("a trigger");
        store.set_preferences(hers, Preferences::default()).await.expect("an answer");
        store.set_preferences(his, Preferences::default()).await.expect("an answer");
        store.note_act(Act::unknown_login()).await.expect("an answer");
        let line = bench.store.acting(author(Actor::COMMAND_LINE, 2));
        line.set_preferences(hers, Preferences::default()).await.expect("an answer");
        let all = ActFilter::of(hers);
        let count = async |filter: ActFilter| bench.store.acts(filter, None, 100).await.expect("a list").len();
        assert_eq!(count(all.clone()).await, 3);
        assert_eq!(count(ActFilter::of(his)).await, 1);
        assert_eq!(count(ActFilter { with_server: true, ..all.clone() }).await, 4);
        assert_eq!(count(ActFilter { action: Some(Action::PreferencesChanged), ..all.clone() }).await, 2);
        assert_eq!(count(ActFilter { thing: Some(Thing::Trigger), ..all.clone() }).await, 1);
        assert_eq!(
            count(ActFilter { id: Some(trigger.trigger.id.0), thing: Some(Thing::Trigger), ..all.clone() }).await,
            1
        );
        assert_eq!(count(ActFilter { id: Some(987), ..all.clone() }).await, 0);
        assert_eq!(count(ActFilter { by: Some("command_line"), ..all.clone() }).await, 1);
        assert_eq!(count(ActFilter { by: Some("user"), by_id: Some(hers.0), ..all.clone() }).await, 2);
        assert_eq!(count(ActFilter { by_id: Some(his.0 + 100), ..all.clone() }).await, 0);
        let whole = acts(&bench, hers).await;
        let mut paged = Vec::new();
        while let Some(entry) =
            bench.store.acts(all.clone(), paged.last().map(|last: &Entry| last.id), 1).await.expect("a list").pop()
        {
            paged.push(entry);
        }
        assert_eq!(paged, whole);
    })
    .await;
}

#[tokio::test]
async fn what_was_done_long_ago_goes() {
    everywhere(async |bench| {
        let owner = bench.user("anna").await;
        bench.store.acting(author(anna(owner), 10)).set_preferences(owner, Preferences::default()).await.expect("done");
        bench.store.acting(author(anna(owner), 20)).set_preferences(owner, Preferences::default()).await.expect("done");
        bench.store.expire(t(0), t(10) + ACTS_KEPT - jiff::SignedDuration::from_secs(1), 10).await.expect("an answer");
        assert_eq!(acts(&bench, owner).await.len(), 2);
        bench.store.expire(t(0), t(10) + ACTS_KEPT, 10).await.expect("an answer");
        let left: Vec<_> = acts(&bench, owner).await.into_iter().map(|entry| entry.at).collect();
        assert_eq!(left, [t(20)]);
    })
    .await;
}
