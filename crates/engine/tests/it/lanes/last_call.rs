//! No delivery vanishes with its event: whatever is still owed when the time is over has failed, and says why, while the event is there.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use oncue_domain::clock::Clock;
use oncue_domain::delivery::State;
use oncue_domain::event::Retention;
use oncue_domain::store::Store;
use tokio::time::sleep;

use super::world::World;

const SHORT: Retention =
    Retention { active_for: SignedDuration::from_mins(5), keep_for: SignedDuration::from_mins(30) };

#[tokio::test(start_paused = true)]
async fn however_many_have_their_last_try_when_the_receiver_has_gone_all_of_them_fail_before_their_events_go() {
    let world = World::new().await;
    let (_, trigger) = world.receiver("leaving").await;
    let fired_at = world.clock.now();
    let mut events = Vec::new();
    for _ in 0..500 {
        events.push(world.fire(trigger).await);
    }
    let engine = world.start_keeping(SHORT).await;
    sleep(Duration::from_secs(30 * 60 - 5)).await;
    for id in &events {
        let found = world.memory.event(world.owner, *id, Timestamp::UNIX_EPOCH).await.expect("an answer");
        let (_, deliveries) = found.expect("it is kept");
        assert_eq!(deliveries[0].state, State::Failed, "{:?}", deliveries[0]);
        let tried = deliveries[0].attempts.len();
        assert!(tried == 2 || tried == 1 && deliveries[0].why.is_some(), "{:?}", deliveries[0]);
    }
    engine.stop().await;
    let counts = world.memory.hour_counts(
        world.owner,
        Some(trigger),
        fired_at - SignedDuration::from_hours(1),
        world.clock.now(),
    );
    let failed: u64 = counts.await.expect("an answer").iter().map(|hour| hour.failed).sum();
    assert_eq!(failed, 500);
}
