//! A hundred thousand late occurrences fire behind whatever is due: those on time fire and arrive as they do without any, whether they go
//! elsewhere or to the same receiver, and all of the late ones fire, each once.

use std::collections::HashSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use oncue_domain::agenda::Span;
use oncue_domain::clock::Clock;
use oncue_domain::event::Origin;
use oncue_domain::id::TriggerId;
use oncue_domain::misfire::{Bounds, Misfire};
use oncue_domain::occurrence::Reason;
use oncue_domain::schedule::every::Period;
use oncue_domain::store::{Edited, Store};
use oncue_domain::trigger::Definition;
use tokio::time::sleep;

use super::world::World;

/// For how long nobody runs, in seconds, and so how many occurrences of each second are missed.
const AWAY_S: u64 = 100_000;

/// For how long those on time are watched.
const WATCHED_S: u64 = 60;

/// What a late one that is just on its way may cost one on time at the same receiver.
const IN_FRONT: SignedDuration = SignedDuration::from_millis(250);

fn all(hold: bool) -> Option<Misfire> {
    let bounds = Bounds::new(Some(100_000), Some(Period::parse("30d").expect("a period")), hold);
    Some(Misfire::All(Box::new(bounds.expect("few enough"))))
}

/// A world in which nobody has run for a day and more; with a trigger that has missed all of it, or without one.
async fn after_an_outage(host: &str, misfire: Option<Misfire>) -> (World, Option<TriggerId>) {
    let world = World::new().await;
    let (to, _) = world.receiver(host).await;
    let start = world.clock.now();
    let late = match misfire {
        None => None,
        misfire => Some(world.each_second(to, misfire, start + SignedDuration::from_secs(1)).await),
    };
    world.memory.begin_presence(start).await.expect("an answer");
    world.memory.sign_of_life(start);
    sleep(Duration::from_secs(AWAY_S)).await;
    (world, late)
}

async fn left(world: &World) -> u64 {
    world.memory.backlog_sums(world.owner, None).await.expect("an answer").occurrences
}

/// How late those on time fired, and how long they took from there to the answer, each ascending.
async fn on_time(world: &World, trigger: TriggerId, host: &str) -> (Vec<SignedDuration>, Vec<SignedDuration>) {
    let events = world.memory.ledger(
        world.owner,
        trigger,
        Span { from: Timestamp::MIN, until: Timestamp::MAX },
        Timestamp::MIN,
        1_000,
    );
    let firings = events.await.expect("an answer").expect("it is there").firings;
    let mut late: Vec<_> = firings.iter().map(|firing| firing.fired_at.duration_since(firing.scheduled_at)).collect();
    let ended = world.ended(host).into_iter().filter(|ended| ended.origin == Origin::Schedule.word());
    let mut took: Vec<_> = ended.map(|ended| ended.after).collect();
    late.sort();
    took.sort();
    (late, took)
}

fn p99(sorted: &[SignedDuration]) -> SignedDuration {
    sorted[sorted.len() * 99 / 100]
}

/// What those on time look like at a receiver, beside the late ones that go to `late_host` or without any.
async fn watched(late_host: &str, misfire: Option<Misfire>, host: &str) -> (SignedDuration, SignedDuration, u64) {
    let (world, _) = after_an_outage(late_host, misfire).await;
    let (to, _) = world.receiver(host).await;
    let soon = world.clock.now() + SignedDuration::from_millis(500);
    let fresh = world.each_second(to, None, soon).await;
    let engine = world.start().await;
    sleep(Duration::from_secs(WATCHED_S)).await;
    let fired = AWAY_S.saturating_sub(left(&world).await);
    engine.stop().await;
    let (late, took) = on_time(&world, fresh, host).await;
    assert!(late.len() as u64 >= WATCHED_S - 1 && took.len() as u64 >= WATCHED_S - 2, "{} {}", late.len(), took.len());
    (p99(&late), p99(&took), fired)
}

#[tokio::test(start_paused = true)]
async fn beside_a_hundred_thousand_late_ones_those_on_time_are_on_time() {
    let (late_alone, took_alone, _) = watched("quick", None, "healthy").await;
    let (late, took, fired) = watched("quick", all(false), "healthy").await;
    assert!(fired > 20_000, "they drain meanwhile: {fired}");
    assert!(late <= late_alone + SignedDuration::from_millis(10), "{late} beside {late_alone} alone");
    assert!(took <= took_alone + SignedDuration::from_millis(10), "{took} beside {took_alone} alone");
}

#[tokio::test(start_paused = true)]
async fn a_fresh_one_finds_few_late_ones_in_front_of_it_however_slow_their_receiver_is() {
    for host in ["healthy", "sluggish"] {
        let (late_alone, took_alone, _) = watched("quick", None, host).await;
        let (world, _) = after_an_outage(host, all(false)).await;
        let soon = world.clock.now() + SignedDuration::from_millis(500);
        let destinations = world.memory.destinations(world.owner, None, 1).await.expect("an answer");
        let fresh = world.each_second(destinations[0].id, None, soon).await;
        let engine = world.start().await;
        sleep(Duration::from_secs(WATCHED_S)).await;
        engine.stop().await;
        // The late trigger fires on time, too, from its return on; both count.
        let (late, took) = on_time(&world, fresh, host).await;
        assert!(p99(&late) <= late_alone + SignedDuration::from_millis(10), "{host}: {}", p99(&late));
        assert!(p99(&took) <= took_alone + IN_FRONT, "{host}: {} beside {took_alone} alone", p99(&took));
        assert!(left(&world).await < AWAY_S - 200, "{host}: they drain meanwhile");
    }
}

#[tokio::test(start_paused = true)]
async fn all_of_them_fire_each_once_and_in_order_unless_they_are_held() {
    let (world, trigger) = after_an_outage("quick", all(true)).await;
    let trigger = trigger.expect("it is there");
    let engine = world.start().await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(left(&world).await, AWAY_S - 1, "a person decides; what falls due at the return is on time");
    let now = world.clock.now();
    world.memory.release_backlogs(world.owner, None, now).await.expect("an answer");
    for _ in 0..600 {
        if left(&world).await == 0 {
            break;
        }
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(left(&world).await, 0);
    let late: Vec<_> = world.ended("quick").into_iter().filter(|ended| ended.origin == "catch-up").collect();
    assert!(late.len() as u64 >= AWAY_S - 200 && late.iter().all(|ended| ended.is_well), "{}", late.len());
    engine.stop().await;
    let mut seen = HashSet::new();
    let mut from = Timestamp::MIN;
    loop {
        let span = Span { from, until: now };
        let ledger = world.memory.ledger(world.owner, trigger, span, Timestamp::MIN, 1_000).await;
        let ledger = ledger.expect("an answer").expect("it is there");
        assert_eq!(ledger.skipped, [], "nothing is left out");
        assert!(ledger.firings.iter().all(|firing| seen.insert(firing.scheduled_at)), "each once");
        match ledger.stopped_at {
            Some(stop) => from = stop,
            None => break,
        }
    }
    assert!(seen.len() as u64 >= AWAY_S - 1, "{}", seen.len());
}

#[tokio::test(start_paused = true)]
async fn nothing_that_waits_fires_once_its_trigger_has_expired() {
    for is_held in [false, true] {
        let (world, trigger) = after_an_outage("quick", all(is_held)).await;
        let trigger = trigger.expect("it is there");
        let engine = world.start().await;
        sleep(Duration::from_secs(10)).await;
        let end = world.clock.now() + SignedDuration::from_secs(5);
        let armed = world.memory.trigger(world.owner, trigger).await.expect("an answer").expect("it is there");
        let definition = Definition { expires_at: Some(end), ..armed.trigger.definition.clone() };
        let edit = armed.edit(definition, world.clock.now());
        let edited = world.memory.edit_trigger(edit, armed.next_at, world.clock.now()).await.expect("an answer");
        assert_eq!(edited, Edited::Done);
        sleep(Duration::from_secs(65)).await;
        assert_eq!(left(&world).await, 0, "what is held is found within a minute");
        engine.stop().await;
        let records = world.memory.skipped(world.owner, trigger, 10).await.expect("records");
        let [record] = records.as_slice() else { panic!("one record of it: {records:?}") };
        assert_eq!((record.skipped.reason, record.recorded_at >= end), (Reason::Expired, true));
        let span = Span { from: record.skipped.first, until: record.skipped.last };
        let ledger = world.memory.ledger(world.owner, trigger, span, Timestamp::MIN, 1_000).await;
        assert_eq!(ledger.expect("an answer").expect("it is there").firings, [], "none of them has fired");
        assert!(is_held == (record.skipped.count == AWAY_S - 1) && record.skipped.count > 1_000, "{record:?}");
    }
}
