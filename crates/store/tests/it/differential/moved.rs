//! A database that random operations have filled moves from SQLite to PostgreSQL: everything that can be observed there is as
//! it was, numbers of events too, and what comes next goes on behind them.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use oncue_domain::access::Registration;
use oncue_domain::calendar::Definition;
use oncue_domain::event::Event;
use oncue_domain::freeze::Said;
use oncue_domain::id::{EventId, Ids};
use oncue_domain::schedule::excluded::ExcludedDates;
use oncue_domain::store::{
    CalendarMade, Call, EventFilter, EventPage, Fired, NewApiKey, NewTrigger, NewUser, Registered, Store,
};
use oncue_store::copy::{self, Copied};

use super::calendar::Keeping;
use super::freeze::Freezing;
use super::operation::Operation;
use super::side::{Look, Side};
use super::{Chance, Known, Replay, first_difference, number_from_environment};
use crate::bench::{Bench, Kind, api, t};
use crate::database::Database;

/// How many seeds are moved, and what each of them goes through before.
const SEEDS: u64 = 4;
const STEPS: usize = 400;

fn beginning(seed: u64) -> Known {
    Known {
        now: t(0),
        ids: Ids::from_seed([u8::try_from(seed % 256).expect("small"); 32]),
        users: Vec::new(),
        triggers: Vec::new(),
        destinations: Vec::new(),
        calendars: Vec::new(),
        read: Vec::new(),
        plans: Vec::new(),
        absences: Vec::new(),
        edition: 0,
        sign: None,
        left: None,
        gone_until: Timestamp::MIN,
        session: 0,
        key: 0,
        claims: 0,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_as_it_was_before_the_move() {
    let mut events = 0;
    let asked_for = number_from_environment("ONCUE_SEED");
    for seed in asked_for.map_or(0..SEEDS, |seed| seed..seed + 1) {
        let _replay = Replay(Kind::SqliteFile, seed);
        events += moved(seed).await;
    }
    assert!(asked_for.is_some() || events > 100, "there was something to move: {events}");
}

/// Fills, moves and compares; gives how many events there were.
async fn moved(seed: u64) -> usize {
    let mut chance = Chance(seed);
    let has_default = chance.once_in(2);
    let mut known = beginning(seed);
    let mut sqlite = Side::new(Bench::new(Kind::SqliteFile, has_default).await, has_default);
    let mut frost = Chance(seed.rotate_left(29));
    let mut keepers = Chance(seed.rotate_left(31));
    for step in 0..STEPS {
        if step % 8 == 2 && !known.users.is_empty() {
            let owner = keepers.pick(&known.users);
            let keeping = Operation::Keeping(Keeping::draw(&mut keepers, &known, owner));
            let outcome = sqlite.apply(&keeping, &known).await;
            keeping.learn(&mut known, &outcome);
        }
        let operation = Operation::draw(&mut chance, &mut known, &sqlite).await;
        if let Operation::Move(by) = &operation {
            known.now += *by;
        }
        let outcome = sqlite.apply(&operation, &known).await;
        known.claims = sqlite.claims();
        operation.learn(&mut known, &outcome);
        // Long before the end, so that enough has fired lately.
        if step < STEPS / 2 && step % 8 == 5 && !known.users.is_empty() {
            let freezing = Operation::Freezing(Freezing::draw(&mut frost, &known.users, known.now));
            sqlite.apply(&freezing, &known).await;
        } else if step == STEPS / 2 {
            for scope in known.users.iter().copied().map(Some).chain([None]) {
                sqlite.store().thaw(scope, known.now).await.expect("an answer");
            }
        }
    }
    // A tried-out trigger's number is never given out again, so there must be one.
    let definition = api("tried out");
    let tried_out =
        sqlite.store().fire_unkept(known.users[0], definition.clone().into(), known.message(), known.now).await;
    let tried_out = tried_out.expect("an answer").expect("an event");
    sqlite.apply(&Operation::SignOfLife, &known).await;
    sqlite.apply(&Operation::Restart, &known).await;
    let mut done = BTreeSet::new();
    let before = sqlite.observe(&known, Look::AtEverything, &mut done).await;
    let numbered = numbered(sqlite.store(), &known).await;
    let path = sqlite.leave_file();
    let database = Database::new();
    let copied = copy::run(&path, &database.address(), known.now, |_| {}).await.expect("a copy");
    assert!(matches!(copied, Copied::Done(_)), "{copied:?}");

    let bench = Bench::on(database, has_default).await;
    let node = bench.store.clone();
    let mut postgres = Side::new(bench, has_default);
    let after = postgres.observe(&known, Look::AtEverything, &mut done).await;
    if after != before {
        panic!("seed {seed}: {}", first_difference(&format!("{before:#?}"), &format!("{after:#?}")));
    }
    assert_eq!(self::numbered(node.as_ref(), &known).await, numbered, "seed {seed}");
    let last = numbered.iter().map(|event| event.id).max().unwrap_or(EventId(0));
    goes_on(node.as_ref(), &mut known, last).await;
    let next = node.fire_unkept(known.users[0], definition.into(), known.message(), known.now).await;
    let next = next.expect("an answer").expect("an event");
    assert_eq!(next.0, tried_out.0 - 1, "tried-out triggers count down");
    postgres.apply(&Operation::Claim, &known).await;
    numbered.len()
}

/// All events with their numbers.
async fn numbered(store: &dyn Store, known: &Known) -> Vec<Event> {
    let mut events = Vec::new();
    for owner in &known.users {
        let page = EventPage::OldestFirst(None);
        events.extend(store.events(*owner, EventFilter::default(), page, 100_000).await.expect("events"));
    }
    events
}

/// What is made after the move has numbers that nobody ever had.
async fn goes_on(store: &dyn Store, known: &mut Known, last: EventId) {
    let now = known.now + SignedDuration::from_secs(1);
    let new = NewUser { email: "later@example.com".to_owned(), password_hash: "hash".to_owned() };
    let Registered::Done(user) = store.register(new, Registration::Open, now).await.expect("an answer") else {
        panic!("nobody stands against a further user");
    };
    assert!(known.users.iter().all(|former| former.0 < user.id.0), "{user:?}");
    let new = NewTrigger { owner: user.id, definition: api("later"), next_at: None, test_event: None };
    let trigger = store.create_trigger(new, now).await.expect("an answer").expect("a trigger").trigger.id;
    assert!(known.triggers.iter().all(|(_, former)| former.0 < trigger.0), "{trigger:?}");
    let calendar = Definition { name: "later".to_owned(), description: None, dates: ExcludedDates::default() };
    let CalendarMade::Done(calendar) = store.create_calendar(user.id, calendar, now).await.expect("an answer") else {
        panic!("nothing stands against a first calendar");
    };
    assert!(known.calendars.iter().all(|former| former.id < calendar.id), "{calendar:?}");
    let key = NewApiKey {
        owner: user.id,
        name: "later".to_owned(),
        prefix: "oncue_la".to_owned(),
        hash: [255; 32],
        scopes: Vec::new(),
        expires_at: None,
    };
    store.create_api_key(key, now).await.expect("an answer").expect("a key");
    store.freeze(Some(user.id), Said::default(), now).await.expect("a freeze of a number that nobody had");
    let call =
        Call { origin: oncue_domain::event::Origin::Api, payload: None, checked: None, message_id: known.message() };
    match store.fire(user.id, trigger, call, now).await.expect("an answer") {
        Fired::Event(id) => assert!(id > last, "{id:?} after {last:?}"),
        other => panic!("it may be fired, yet {other:?}"),
    }
}
