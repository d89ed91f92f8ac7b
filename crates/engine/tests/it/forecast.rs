//! What is forecast is what happens: random fleets are foretold, and then the scheduler itself runs on virtual time until the end of
//! the span, from one armed instant to the next. Every quarter of an hour must hold as many events as were foretold, every
//! destination be owed as many deliveries, and the row of what is coming name them one by one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use oncue_domain::access::Registration;
use oncue_domain::agenda::{Question, Row, SLOT, Span, Waiting};
use oncue_domain::clock::Clock;
use oncue_domain::destination;
use oncue_domain::event::Event;
use oncue_domain::forecast::{Fleet, Forecast, Receiver};
use oncue_domain::id::{DestinationId, Ids, TriggerId, UserId};
use oncue_domain::schedule::cron::CronExpression;
use oncue_domain::schedule::every::Period;
use oncue_domain::schedule::jitter::{Jitter, Share};
use oncue_domain::schedule::zone::Zones;
use oncue_domain::schedule::{FirstFiring, Schedule};
use oncue_domain::store::memory::Memory;
use oncue_domain::store::{EventFilter, EventPage, NewTrigger, NewUser, Registered, Store};
use oncue_domain::trigger::{Definition, Pause, ScheduleDetails, Terms, TriggerHead};
use oncue_engine::scheduler::{Scheduler, Wake};
use oncue_engine::work::Tally;
use proptest::prelude::*;
use serde_json::json;

/// Where the span begins: some hours before clocks go forward in New York, or back, by the case.
const BEGINNINGS: [&str; 3] = ["2027-03-14T01:07:31.25Z", "2027-11-06T22:52:00Z", "2027-06-01T00:00:00Z"];

const LENGTH: SignedDuration = SignedDuration::from_hours(12);

const LINES: [&str; 8] = [
    "*/15 * * * *",
    "30 2 * * *",
    "30 1 * * *",
    "0 * * * *",
    "7,8,9 0-6 * * *",
    "*/40 * * * * *",
    "0 9 * * 1-5",
    "* 3 * * *",
];

/// One trigger, as numbers.
#[derive(Clone, Debug)]
struct Wish {
    line: usize,
    is_every: bool,
    period_s: u64,
    starts_after_s: i64,
    /// Over how many seconds it is spread, and how much of that it is late by.
    spread_s: Option<u64>,
    share: u32,
    expires_after_s: Option<i64>,
    is_enabled: bool,
    paused_for_s: Option<i64>,
    goes_to: Vec<usize>,
}

fn wish() -> impl Strategy<Value = Wish> {
    let expiry = prop::option::weighted(0.3, 1_i64..60_000);
    let goes_to = prop::sample::subsequence(vec![0, 1, 2], 0..=3);
    let pause = prop::option::weighted(0.7, 1_i64..50_000);
    let state = (prop::bool::weighted(0.8), pause);
    let spread = (prop::option::weighted(0.5, 1_u64..7_200), any::<u32>());
    (0..LINES.len(), any::<bool>(), 20_u64..30_000, 1_i64..40_000, spread, expiry, state, goes_to).prop_map(
        |(
            line,
            is_every,
            period_s,
            starts_after_s,
            (spread_s, share),
            expires_after_s,
            (is_enabled, paused_for_s),
            goes_to,
        )| Wish {
            line,
            is_every,
            period_s,
            starts_after_s,
            spread_s,
            share,
            expires_after_s,
            is_enabled,
            paused_for_s,
            goes_to,
        },
    )
}

/// A clock that stands until it is set.
struct Hands(Mutex<Timestamp>);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        *self.0.lock().expect("no panic")
    }
}

impl Hands {
    fn set(&self, now: Timestamp) {
        *self.0.lock().expect("no panic") = now;
    }
}

/// What the wish says, made at `now`.
fn definition(wish: &Wish, destinations: &[DestinationId], now: Timestamp) -> Definition {
    let later = |seconds: i64| now + SignedDuration::from_secs(seconds);
    let zone = Zones::bundled().get("America/New_York").expect("a zone");
    let schedule = if wish.is_every {
        let period = Period::from_seconds(wish.period_s).expect("a period");
        Schedule::Every { period, anchor: later(wish.starts_after_s), first: FirstFiring::AtAnchor }
    } else if wish.period_s.is_multiple_of(7) {
        Schedule::Once { at: later(wish.starts_after_s) }
    } else {
        Schedule::Cron { expression: CronExpression::parse(LINES[wish.line]).expect("a line"), zone }
    };
    let jitter =
        wish.spread_s.map(|seconds| Jitter::new(Period::from_seconds(seconds).expect("a period")).expect("a window"));
    let details = ScheduleDetails::new(schedule, None, Terms { jitter, ..Terms::default() }, Zones::utc());
    Definition {
        name: None,
        schedule: Some(details.with_share(Some(Share::new(wish.share)))),
        payload: None,
        payload_schema: None,
        webhook: None,
        destinations: wish.goes_to.iter().map(|place| destinations[*place]).collect(),
        expects: None,
        overlap: oncue_domain::overlap::Overlap::Allow,
        is_test: false,
        enabled: wish.is_enabled,
        pause: if wish.is_enabled { None } else { Pause::new(None, wish.paused_for_s.map(later)) },
        expires_at: wish.expires_after_s.map(later),
    }
}

/// A store with somebody's triggers and destinations.
struct Stage {
    store: Arc<Memory>,
    clock: Arc<Hands>,
    owner: UserId,
    destinations: Vec<DestinationId>,
}

impl Stage {
    async fn new(wishes: &[Wish], now: Timestamp) -> Stage {
        let (store, clock) = (Arc::new(Memory::new(false)), Arc::new(Hands(Mutex::new(now))));
        let user = NewUser { email: "ann@example.com".to_owned(), password_hash: String::new() };
        let registered = store.register(user, Registration::Open, now).await.expect("the model always works");
        let Registered::Done(user) = registered else { panic!("the first user is let in") };
        let mut destinations = Vec::new();
        for name in ["one", "two", "three"] {
            let said = json!({"name": name, "kind": "webhook", "url": "https://example.com/"});
            let definition = destination::Definition::read(&said, None).expect("a definition");
            let made = store.create_destination(user.id, definition, now).await.expect("the model always works");
            destinations.push(made.expect("there is room").id);
        }
        for wish in wishes {
            let definition = definition(wish, &destinations, now);
            let next_at = definition.next_after(now);
            let new = NewTrigger { owner: user.id, definition, next_at, test_event: None };
            store.create_trigger(new, now).await.expect("the model always works").expect("its destinations are there");
        }
        Stage { store, clock, owner: user.id, destinations }
    }

    /// Lets the scheduler do all that there is to do before `until`.
    async fn run(&self, until: Timestamp) {
        let ids = Arc::new(Ids::from_seed([7; 32]));
        let (store, clock) = (Arc::clone(&self.store) as Arc<dyn Store>, Arc::clone(&self.clock) as Arc<dyn Clock>);
        let scheduler = Scheduler::begin(store, clock, ids, Arc::new(Tally::default())).await;
        let mut scheduler = scheduler.expect("the model always works");
        loop {
            match scheduler.tick().await.expect("the model always works") {
                Wake::Now => {}
                Wake::At(instant) if instant < until => self.clock.set(instant),
                Wake::At(_) | Wake::WhenArmed => return,
            }
        }
    }

    async fn events(&self) -> Vec<Event> {
        let filter = EventFilter { trigger: None, fired_after: None, fired_until: None };
        let page = EventPage::OldestFirst(None);
        self.store.events(self.owner, filter, page, usize::MAX).await.expect("the model always works")
    }
}

fn quarter_of(instant: Timestamp) -> Timestamp {
    let second = instant.as_second().div_euclid(SLOT.as_secs()) * SLOT.as_secs();
    Timestamp::from_second(second).expect("in range")
}

async fn check(wishes: &[Wish], now: Timestamp) -> u64 {
    let stage = Stage::new(wishes, now).await;
    let heads: Vec<TriggerHead> =
        stage.store.trigger_heads(stage.owner, usize::MAX).await.expect("the model always works");
    let receivers: Vec<Receiver> = stage.destinations.iter().map(|id| Receiver { id: *id, rate: None }).collect();
    let span = Span { from: now, until: now + LENGTH };
    let forecast = Forecast::of(Fleet { triggers: &heads, receivers: &receivers, freezes: &[] }, span, now);
    assert_eq!((forecast.uncounted, forecast.smoothed), ((0, 0), 0), "all of it is looked at");
    let waiting: Vec<(TriggerId, Waiting)> =
        heads.iter().filter_map(|head| Some((head.id, Waiting::of(head, now)?))).collect();
    let all: Vec<Waiting> = waiting.iter().map(|(_, waiting)| *waiting).collect();
    let question = Question { now, span, after: None, firings_max: usize::MAX };
    let row = Row::of(&all, question).firings.into_iter().map(|firing| (firing.due, waiting[firing.which].0));

    stage.run(span.until).await;
    let events = stage.events().await;
    let goes_to: BTreeMap<TriggerId, &TriggerHead> = heads.iter().map(|head| (head.id, head)).collect();
    let (mut quarters, mut owed, mut fired) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    for event in &events {
        let due = event.due_at.or(event.scheduled_at).expect("a schedule made it");
        fired.push((due, event.trigger));
        *quarters.entry(quarter_of(event.fired_at)).or_insert(0_u64) += 1;
        for id in &goes_to[&event.trigger].destinations {
            *owed.entry(*id).or_insert(0_u64) += 1;
        }
    }
    fired.sort_unstable();
    assert_eq!(row.collect::<Vec<_>>(), fired, "what is coming, one by one");
    let slots = forecast.slots.iter().filter(|slot| slot.count > 0).map(|slot| (slot.from, slot.count));
    assert_eq!(slots.collect::<BTreeMap<_, _>>(), quarters, "by the quarter of an hour");
    let loads = forecast.loads.iter().map(|load| (load.id, load.total));
    assert_eq!(loads.collect::<BTreeMap<_, _>>(), owed, "by destination");
    assert_eq!(forecast.total, events.len() as u64);
    for (which, _) in &forecast.still {
        assert!(events.iter().all(|event| event.trigger != heads[*which].id), "it was never to fire");
    }
    forecast.total
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_forecast_is_what_the_scheduler_fires(
        wishes in prop::collection::vec(wish(), 1..16),
        beginning in prop::sample::select(BEGINNINGS.to_vec()),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let now = beginning.parse().expect("an instant");
        runtime.block_on(check(&wishes, now));
    }
}

#[test]
fn a_fleet_that_is_written_down_fires_as_it_is_forecast() {
    let wish = |line: usize, goes_to: &[usize]| Wish {
        line,
        is_every: false,
        period_s: 20,
        starts_after_s: 1,
        spread_s: line.is_multiple_of(2).then_some(600),
        share: u32::MAX / 3,
        expires_after_s: None,
        is_enabled: true,
        paused_for_s: None,
        goes_to: goes_to.to_vec(),
    };
    let fleet: Vec<Wish> = (0..LINES.len()).map(|line| wish(line, &[line % 3])).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    for beginning in BEGINNINGS {
        let fired = runtime.block_on(check(&fleet, beginning.parse().expect("an instant")));
        assert!(fired > 1_000, "{beginning}: {fired}");
    }
}
