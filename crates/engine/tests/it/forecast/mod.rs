//! What is forecast is what happens: random fleets are foretold, and then the scheduler itself runs on virtual time until the end of
//! the span, from one armed instant to the next. The row of what is coming must name the events one by one, every quarter of an hour
//! hold as many as were foretold, every destination be owed as many deliveries, of which as many are late by its rate, and what did not
//! fire be on record with its reason, as a walk along the schedule says. `fleet` draws the triggers.

mod fleet;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use oncue_domain::access::Registration;
use oncue_domain::agenda::{Question, Row, SLOT, Span, Waiting};
use oncue_domain::calendar;
use oncue_domain::clock::Clock;
use oncue_domain::destination;
use oncue_domain::destination::definition::Rate;
use oncue_domain::event::Event;
use oncue_domain::forecast::{Fleet, Forecast, Load, Receiver};
use oncue_domain::freeze::{Freeze, Said};
use oncue_domain::id::{DestinationId, Ids, TriggerId, UserId};
use oncue_domain::occurrence::{Reason, Skipped};
use oncue_domain::schedule::observed::Observed;
use oncue_domain::store::memory::Memory;
use oncue_domain::store::{CalendarMade, EventFilter, EventPage, NewTrigger, NewUser, Registered, Store};
use oncue_domain::trigger::{Armed, Definition, TriggerHead};
use oncue_engine::scheduler::{Scheduler, Wake};
use oncue_engine::work::Tally;
use proptest::prelude::*;
use serde_json::json;

use fleet::{BEGINNINGS, Case, LINES, Pattern, Wish, case};

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

/// A store with somebody's triggers and destinations.
struct Stage {
    store: Arc<Memory>,
    clock: Arc<Hands>,
    owner: UserId,
    receivers: Vec<Receiver>,
    /// As they were made.
    triggers: Vec<Armed>,
    freezes: Vec<Freeze>,
}

impl Stage {
    async fn new(case: &Case, now: Timestamp) -> Stage {
        let (store, clock) = (Arc::new(Memory::new(false)), Arc::new(Hands(Mutex::new(now))));
        let user = NewUser { email: "ann@example.com".to_owned(), password_hash: String::new() };
        let registered = store.register(user, Registration::Open, now).await.expect("the model always works");
        let Registered::Done(user) = registered else { panic!("the first user is let in") };
        let (mut receivers, mut triggers) = (Vec::new(), Vec::new());
        for (name, rate) in ["one", "two", "three"].into_iter().zip(&case.rates) {
            let mut said = json!({"name": name, "kind": "webhook", "url": "https://example.com/"});
            if let Some((count, per_s, burst)) = rate {
                said["rate"] = json!({"count": count, "per": format!("{per_s}s"), "burst": burst});
            }
            let definition = destination::Definition::read(&said, None).expect("a definition");
            let rate = definition.rate;
            let made = store.create_destination(user.id, definition, now).await.expect("the model always works");
            receivers.push(Receiver { id: made.expect("there is room").id, rate });
        }
        let calendar = Arc::new(holidays(&store, user.id, &case.holidays, now).await);
        let ids: Vec<DestinationId> = receivers.iter().map(|receiver| receiver.id).collect();
        for wish in &case.wishes {
            let definition = wish.definition(&ids, &calendar, now);
            let next_at = definition.next_after(now);
            let new = NewTrigger { owner: user.id, definition, next_at, test_event: None };
            let made = store.create_trigger(new, now).await.expect("the model always works");
            triggers.push(made.expect("its destinations are there"));
        }
        for (scope, wanted) in [(Some(user.id), case.own_freeze_s), (None, case.common_freeze_s)] {
            if let Some(length_s) = wanted {
                let until = length_s.map(|seconds| now + SignedDuration::from_secs(seconds));
                store.freeze(scope, Said { reason: None, until }, now).await.expect("the model always works");
            }
        }
        let freezes = store.freezes_of(user.id, now).await.expect("the model always works");
        Stage { store, clock, owner: user.id, receivers, triggers, freezes }
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

    /// What is on record of the trigger that did not fire, oldest first; none where the trigger is gone, and its records with it.
    async fn skipped(&self, id: TriggerId) -> Option<Vec<Skipped>> {
        self.store.trigger(self.owner, id).await.expect("the model always works")?;
        let views = self.store.skipped(self.owner, id, usize::MAX).await.expect("the model always works");
        let mut skipped: Vec<Skipped> = views.into_iter().map(|view| view.skipped).collect();
        skipped.sort_by_key(|skipped| skipped.first);
        Some(skipped)
    }
}

/// A calendar with these days, as a schedule takes it over.
async fn holidays(store: &Memory, owner: UserId, days: &[i64], now: Timestamp) -> Observed {
    let definition =
        calendar::Definition { name: "holidays".to_owned(), description: None, dates: fleet::dates(days, now) };
    let made = store.create_calendar(owner, definition, now).await.expect("the model always works");
    let CalendarMade::Done(calendar) = made else { panic!("there is room: {made:?}") };
    calendar.observed()
}

fn quarter_of(instant: Timestamp) -> Timestamp {
    let second = instant.as_second().div_euclid(SLOT.as_secs()) * SLOT.as_secs();
    Timestamp::from_second(second).expect("in range")
}

/// What becomes of a trigger's occurrences before `until`, found by walking along them: when those that fire fall due, and the
/// records of the others. A pause is written down when it is over, with the first occurrence that falls due after it.
fn walk(
    definition: &Definition,
    freezes: &[Freeze],
    now: Timestamp,
    until: Timestamp,
) -> (Vec<Timestamp>, Vec<Skipped>) {
    let schedule = definition.schedule.as_ref().expect("all of them are scheduled");
    let (mut fired, mut skipped): (Vec<Timestamp>, Vec<Skipped>) = (Vec::new(), Vec::new());
    let mut cursor = now;
    while let Some(named) = schedule.next_after(cursor).filter(|named| definition.lives_at(*named)) {
        let due = schedule.due_at(named);
        if due >= until || schedule.max_fires() == Some(fired.len() as u64) {
            break;
        }
        cursor = named;
        let reason = if definition.is_paused_at(named) {
            Reason::Paused
        } else if freezes.iter().any(|freeze| freeze.holds_at(due)) {
            Reason::Frozen
        } else {
            fired.push(due);
            continue;
        };
        match skipped.last_mut().filter(|last| last.reason == reason) {
            Some(last) => (last.last, last.count) = (named, last.count + 1),
            None => skipped.push(Skipped { reason, first: named, last: named, count: 1 }),
        }
    }
    let is_under_way = |last: &Skipped| last.reason == Reason::Paused && last.last == cursor;
    if skipped.last().is_some_and(is_under_way) {
        skipped.pop();
    }
    (fired, skipped)
}

/// How many of the deliveries that come at these instants have to wait for a turn, and the longest time that one waits: each asks for its
/// turn behind the one before, as long as it takes.
fn late(rate: Rate, coming: &[Timestamp]) -> (u64, SignedDuration) {
    let (mut full_at, mut free_at) = (None, Timestamp::MIN);
    let (mut late, mut longest) = (0, SignedDuration::ZERO);
    for at in coming {
        let mut asked_at = free_at.max(*at);
        let begins = loop {
            let (turns, remembered) = rate.take(full_at, 1, asked_at);
            full_at = Some(remembered);
            match (turns.starts.first(), turns.next) {
                (Some(start), _) => break *start,
                (None, next) => asked_at = next.expect("another turn comes"),
            }
        };
        free_at = begins;
        let waits = begins.duration_since(*at);
        late += u64::from(waits.is_positive());
        longest = longest.max(waits);
    }
    (late, longest)
}

async fn check(case: &Case) -> u64 {
    let now: Timestamp = case.beginning.parse().expect("an instant");
    let stage = Stage::new(case, now).await;
    let heads: Vec<TriggerHead> =
        stage.store.trigger_heads(stage.owner, usize::MAX).await.expect("the model always works");
    let span = Span { from: now, until: now + SignedDuration::from_hours(case.hours) };
    let fleet = Fleet { triggers: &heads, receivers: &stage.receivers, freezes: &stage.freezes };
    let forecast = Forecast::of(fleet, span, now);
    assert_eq!((forecast.uncounted, forecast.smoothed), ((0, 0), 0), "all of it is looked at");
    let seen: Vec<TriggerHead> =
        heads.iter().map(|head| oncue_domain::freeze::seen_through(head.clone(), &stage.freezes, now)).collect();
    let waiting: Vec<Waiting> = seen.iter().filter_map(|head| Waiting::of(head, now)).collect();
    let question = Question { now, span, after: None, firings_max: usize::MAX };
    let row = Row::of(&waiting, question).firings.into_iter().map(|firing| (firing.due, waiting[firing.which].id));

    stage.run(span.until).await;
    let events = stage.events().await;
    let goes_to: BTreeMap<TriggerId, &TriggerHead> = heads.iter().map(|head| (head.id, head)).collect();
    let (mut quarters, mut fired) = (BTreeMap::new(), Vec::new());
    let mut owed: BTreeMap<DestinationId, Vec<Timestamp>> = BTreeMap::new();
    for event in &events {
        let due = event.due_at.or(event.scheduled_at).expect("a schedule made it");
        assert_eq!(event.fired_at, due, "nobody is late");
        fired.push((due, event.trigger));
        *quarters.entry(quarter_of(event.fired_at)).or_insert(0_u64) += 1;
        for id in &goes_to[&event.trigger].destinations {
            owed.entry(*id).or_default().push(event.fired_at);
        }
    }
    fired.sort_unstable();
    assert_eq!(row.collect::<Vec<_>>(), fired, "what is coming, one by one");
    let slots = forecast.slots.iter().filter(|slot| slot.count > 0).map(|slot| (slot.from, slot.count));
    assert_eq!(slots.collect::<BTreeMap<_, _>>(), quarters, "by the quarter of an hour");
    assert_eq!(forecast.total, events.len() as u64);
    check_loads(&forecast.loads, owed);
    for (which, _) in &forecast.still {
        assert!(events.iter().all(|event| event.trigger != heads[*which].id), "it was never to fire");
    }
    for made in &stage.triggers {
        let (expected, unfired) = walk(&made.trigger.definition, &stage.freezes, now, span.until);
        let of_this = fired.iter().filter(|(_, id)| *id == made.trigger.id).map(|(due, _)| *due);
        assert_eq!(of_this.collect::<Vec<_>>(), expected, "{:?}", made.trigger.definition);
        if let Some(skipped) = stage.skipped(made.trigger.id).await {
            assert_eq!(skipped, unfired, "{:?}", made.trigger.definition);
        }
    }
    forecast.total
}

/// The destinations are owed what was foretold, and by their rates as many of it are late, by as much.
fn check_loads(loads: &[Load], mut owed: BTreeMap<DestinationId, Vec<Timestamp>>) {
    for load in loads {
        let mut coming = owed.remove(&load.id).expect("something comes to it");
        coming.sort_unstable();
        assert_eq!(load.total, coming.len() as u64);
        let (late, longest) = load.rate.map_or((0, SignedDuration::ZERO), |rate| late(rate, &coming));
        let foretold = load.rushes.first().map_or(SignedDuration::ZERO, |rush| rush.late_max);
        assert_eq!((load.late, foretold), (late, longest), "by {:?}", load.rate);
    }
    assert!(owed.is_empty(), "nobody foretold what came to {:?}", owed.keys());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_forecast_is_what_the_scheduler_fires(case in case()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(check(&case));
    }
}

#[test]
fn a_fleet_that_is_written_down_fires_as_it_is_forecast() {
    let wish = |line: usize, goes_to: &[usize]| Wish {
        pattern: Pattern::Cron { line, zone: line % 4 },
        bounding: fleet::Bounding::default(),
        spread_s: line.is_multiple_of(2).then_some(600),
        share: u32::MAX / 3,
        expires_after_s: None,
        is_enabled: true,
        paused_for_s: None,
        goes_to: goes_to.to_vec(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    for beginning in BEGINNINGS {
        let case = Case {
            beginning,
            hours: 12,
            wishes: (0..LINES.len()).map(|line| wish(line, &[line % 3])).collect(),
            holidays: Vec::new(),
            rates: vec![None, Some((1, 60, 1)), Some((7, 60, 3))],
            own_freeze_s: None,
            common_freeze_s: None,
        };
        let fired = runtime.block_on(check(&case));
        assert!(fired > 1_000, "{beginning}: {fired}");
    }
}
