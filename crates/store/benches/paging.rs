//! What a page of a list costs, wherever in the list it lies: a page begins at a place and not after so many rows, so the last one should
//! cost what the first one does. SQLite only, in a file of its own; how it goes with millions of events is for `oncue bench page`.

use std::sync::Arc;
use std::time::Duration;

use criterion::Criterion;
use jiff::{SignedDuration, Timestamp};
use oncue_domain::access::Registration;
use oncue_domain::event::{Event, Origin};
use oncue_domain::id::{Ids, TriggerId, UserId};
use oncue_domain::node::Identity;
use oncue_domain::schedule::zone::Zones;
use oncue_domain::store::{Call, EventFilter, EventPage, EventPlace, Fired, NewTrigger, NewUser, Registered, Store};
use oncue_domain::trigger::Definition;
use oncue_store::Settings;
use oncue_store::sqlite::{Place, Role, Sqlite};
use tokio::runtime::Runtime;

/// How many events there are; one in ten is of the trigger that a filter asks for.
const EVENTS: usize = 20_000;

/// How many items a page has.
const PAGE: usize = 50;

/// How many calls are under way at once while the events are made.
const TOGETHER: usize = 500;

fn main() {
    let brief = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    let mut criterion = brief.configure_from_args();
    let folder = tempfile::tempdir().expect("a folder for the database");
    let runtime = Runtime::new().expect("a runtime");
    let identity = Identity {
        name: "bench".to_owned(),
        version: "0.0.0".to_owned(),
        address: "127.0.0.1:8000".to_owned(),
        ..Identity::default()
    };
    let settings = Settings { zones: Arc::new(Zones::bundled()), has_default_destination: false, identity };
    let place = Place::File(folder.path().join("oncue.db"));
    let store: Arc<dyn Store> = Arc::new(Sqlite::open(&place, Role::Server, settings).expect("a database"));
    let (owner, rare) = runtime.block_on(fill(&store));

    let events = |filter, place, limit| {
        let page = store.events(owner, filter, EventPage::NewestFirst(place), limit);
        runtime.block_on(page).expect("a store that answers")
    };
    let middle = place_of(events(EventFilter::default(), None, EVENTS / 2).last());
    let last = place_of(events(EventFilter::default(), None, EVENTS - PAGE).last());
    let of_one = EventFilter { trigger: Some(rare), ..EventFilter::default() };
    let mut group = criterion.benchmark_group("page of 50 events");
    for (name, filter, place) in [
        ("first", EventFilter::default(), None),
        ("in the middle", EventFilter::default(), middle),
        ("last", EventFilter::default(), last),
        ("of one trigger, first", of_one, None),
        ("of one trigger, in the middle", of_one, middle),
    ] {
        assert_eq!(events(filter, place, PAGE).len(), PAGE, "the page {name} is full");
        group.bench_function(name, |bencher| bencher.iter(|| events(filter, place, PAGE)));
    }
    group.finish();
    criterion.final_summary();
}

/// Makes a user with two triggers and their events, a millisecond apart, and gives the user and the trigger that has the fewer events.
async fn fill(store: &Arc<dyn Store>) -> (UserId, TriggerId) {
    let start: Timestamp = "2027-01-01T00:00:00Z".parse().expect("an instant");
    let user = NewUser { email: "bench@example.com".to_owned(), password_hash: "hash".to_owned() };
    let owner = match store.register(user, Registration::Open, start).await.expect("a store that answers") {
        Registered::Done(user) => user.id,
        other => panic!("nobody stands against the user, yet {other:?}"),
    };
    let (often, rare) = (trigger(store, owner, start).await, trigger(store, owner, start).await);
    let ids = Ids::from_seed([1; 32]);
    let numbers: Vec<usize> = (0..EVENTS).collect();
    for together in numbers.chunks(TOGETHER) {
        let mut calls = tokio::task::JoinSet::new();
        for number in together {
            let now = start + SignedDuration::from_millis(i64::try_from(*number).expect("a small number"));
            let id = if number % 10 == 0 { rare } else { often };
            let call = Call { origin: Origin::Api, payload: None, checked: None, message_id: ids.message(now) };
            let store = Arc::clone(store);
            calls.spawn(async move { store.fire(owner, id, call, now).await });
        }
        for fired in calls.join_all().await {
            assert!(matches!(fired, Ok(Fired::Event(_))), "the trigger may be fired, yet {fired:?}");
        }
    }
    (owner, rare)
}

async fn trigger(store: &Arc<dyn Store>, owner: UserId, now: Timestamp) -> TriggerId {
    let definition = Definition {
        name: Some("bench".to_owned()),
        schedule: None,
        payload: None,
        payload_schema: None,
        webhook: None,
        destinations: Vec::new(),
        expects: None,
        overlap: oncue_domain::overlap::Overlap::Allow,
        is_test: false,
        enabled: true,
        pause: None,
        expires_at: None,
    };
    let new = NewTrigger { owner, definition, next_at: None, test_event: None };
    let made = store.create_trigger(new, now).await.expect("a store that answers");
    made.expect("it names no destination").trigger.id
}

fn place_of(event: Option<&Event>) -> Option<EventPlace> {
    event.map(|event| EventPlace { fired_at: event.fired_at, id: event.id })
}
