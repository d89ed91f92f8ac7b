//! One destination that is dead, slow or flooded delays nobody else, and what waits for it takes no memory to speak of. The whole
//! engine on virtual time (`world`): how long a machine needs for all this is for the benchmark to say.

mod backlog;
mod doorkeeper;
mod last_call;
mod parallelism;
mod world;

use std::time::Duration;

use jiff::SignedDuration;
use oncue_domain::clock::Clock;
use oncue_domain::destination::Standing;
use oncue_domain::id::{EventId, TriggerId};
use oncue_domain::store::Store;
use tokio::time::sleep;

use super::sim::chance::Chance;
use world::World;

/// How many well receivers there are.
const HEALTHY: i64 = 50;

/// How many of their deliveries are watched.
const WATCHED: usize = 200;

/// How much is owed to each sick one from the beginning on.
const FLOOD: usize = 4200;

/// How many deliveries a waiting flood may leave in the engine's hands: those in its lane, those that are under way, and those that are
/// just written down.
const HELD_MAX: usize = 16_384;

/// How long healthy deliveries took, from firing to answer, ascending; beside so many others.
async fn healthy_took(seed: u64, sick: &[&str]) -> Vec<SignedDuration> {
    let world = World::new().await;
    let mut chance = Chance::new(seed);
    let mut healthy = Vec::new();
    for number in 0..HEALTHY {
        healthy.push(world.receiver(&format!("healthy{number}")).await.1);
    }
    let mut sick_ones: Vec<TriggerId> = Vec::new();
    for host in sick {
        let (_, trigger) = world.receiver(host).await;
        sick_ones.push(trigger);
        for _ in 0..FLOOD {
            world.fire(trigger).await;
        }
    }
    let engine = world.start().await;
    for number in 0..WATCHED {
        sleep(Duration::from_millis(5 + chance.below(10).unsigned_abs())).await;
        world.fire(chance.pick(&healthy)).await;
        if number % 10 == 0 {
            for trigger in &sick_ones {
                world.fire(*trigger).await;
            }
        }
    }
    sleep(Duration::from_millis(500)).await;
    let mut took: Vec<SignedDuration> = world.ended("healthy").into_iter().map(|ended| ended.after).collect();
    assert_eq!(took.len(), WATCHED, "each of them is delivered once");
    took.sort();
    engine.stop().await;
    took
}

/// Beside the sick ones, every rank of the healthy ones' latency is at most a fifth longer than without them.
async fn nobody_else_is_delayed(sick: &[&str]) {
    for seed in 1..=2 {
        let alone = healthy_took(seed, &[]).await;
        let beside = healthy_took(seed, sick).await;
        for (rank, (alone, beside)) in alone.iter().zip(&beside).enumerate() {
            assert!(*beside * 5 <= *alone * 6, "seed {seed}, rank {rank}: {beside:?} beside {sick:?}, {alone:?} alone");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn dead_slow_and_flooded_destinations_delay_nobody_else() {
    nobody_else_is_delayed(&["dead", "slow", "sluggish"]).await;
}

/// So many events that are owed to a receiver.
async fn flood(world: &World, trigger: TriggerId, count: usize) -> Vec<EventId> {
    let mut events = Vec::with_capacity(count);
    for _ in 0..count {
        events.push(world.fire(trigger).await);
    }
    events
}

#[tokio::test(start_paused = true)]
async fn of_more_deliveries_than_fit_to_one_that_never_answers_few_are_in_memory() {
    let world = World::new().await;
    let (_, trigger) = world.receiver("dead").await;
    let events = flood(&world, trigger, HELD_MAX + 1600).await;
    let engine = world.start().await;
    let mut held = Vec::new();
    for seconds in [1, 20] {
        sleep(Duration::from_secs(seconds)).await;
        held.push(world.held(&events).await);
    }
    assert!(held[0] > 0 && held[0] <= HELD_MAX, "{held:?}");
    assert!((1..200).contains(&held[1]), "what has turned out dead holds next to nothing: {held:?}");
    assert!(!world.ended("dead").is_empty());
    engine.stop().await;
}

#[tokio::test(start_paused = true)]
async fn of_what_waits_for_a_destination_that_is_paused_nothing_stays_in_memory() {
    let world = World::new().await;
    let (destination, trigger) = world.receiver("quick").await;
    let now = world.clock.now();
    let paused = Standing::Paused { since: now };
    assert!(world.memory.set_standing(world.owner, destination, paused, now).await.expect("an answer"));
    let events = flood(&world, trigger, 1000).await;
    let engine = world.start().await;
    sleep(Duration::from_secs(2)).await;
    assert_eq!(world.held(&events).await, 0, "all are parked");
    assert!(world.ended("quick").is_empty());
    engine.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_burst_for_one_that_takes_five_in_two_seconds_is_through_as_soon_as_it_allows_and_with_few_calls_in_vain() {
    let world = World::new().await;
    let (_, trigger) = world.receiver("counting").await;
    flood(&world, trigger, 60).await;
    let engine = world.start().await;
    sleep(Duration::from_secs(50)).await;
    let (taken, in_vain): (Vec<_>, Vec<_>) = world.ended("counting").into_iter().partition(|ended| ended.is_well);
    let latest = taken.iter().map(|ended| ended.after).max();
    assert_eq!(taken.len(), 60);
    assert!(latest < Some(SignedDuration::from_secs(40)), "{latest:?}");
    assert!(in_vain.len() < 60, "{} calls in vain", in_vain.len());
    engine.stop().await;
}
