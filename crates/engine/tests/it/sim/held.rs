//! A trigger that is done and that somebody is at: the scheduler comes back to it with pauses between, and takes it away once it may.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use oncue_domain::clock::Clock;
use oncue_domain::id::{Ids, UserId};
use oncue_domain::schedule::Schedule;
use oncue_domain::schedule::zone::Zones;
use oncue_domain::store::memory::Memory;
use oncue_domain::store::{NewTrigger, Store};
use oncue_domain::trigger::{Definition, Kind, ScheduleDetails, Terms};
use oncue_engine::scheduler::{Scheduler, Wake};
use oncue_engine::work::Tally;

use super::chance::Chance;
use super::faults::Faults;
use super::world::HandClock;

const OWNER: UserId = UserId(1);

fn at(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
}

#[tokio::test]
async fn what_is_done_and_held_by_somebody_is_come_back_to_without_haste_until_it_may_go() {
    let memory = Arc::new(Memory::new(false));
    let faults = Arc::new(Faults::new(Arc::clone(&memory), Chance::new(1)));
    faults.calm_down();
    faults.hold(true);
    let terms = Terms { delete_when_done: true, ..Terms::default() };
    let once = ScheduleDetails::new(Schedule::Once { at: at(60) }, None, terms, Zones::utc());
    let definition =
        Definition { schedule: Some(once), enabled: true, ..Definition::in_place_of_unreadable(None, Kind::Scheduled) };
    let new = NewTrigger { owner: OWNER, definition, next_at: Some(at(60)), test_event: None };
    let made = memory.create_trigger(new, at(0)).await.expect("the model always works");
    let id = made.expect("it names no destination").trigger.id;
    let is_there = async || memory.trigger(OWNER, id).await.expect("the model always works").is_some();

    let clock = Arc::new(HandClock::at(at(60)));
    let doors = (Arc::clone(&faults) as Arc<dyn Store>, Arc::clone(&clock) as Arc<dyn Clock>);
    let ids = Arc::new(Ids::from_seed([1; 32]));
    let begun = Scheduler::begin(doors.0, doors.1, ids, Arc::new(Tally::default())).await;
    let mut scheduler = begun.expect("the model always works");
    let mut in_a_row = 0;
    for _ in 0..60 {
        let now = clock.now();
        match scheduler.tick().await.expect("nothing goes wrong") {
            Wake::Now => in_a_row += 1,
            Wake::At(instant) => {
                assert!(instant > now, "it would look again at once: {instant}");
                in_a_row = 0;
                clock.set(instant);
            }
            Wake::WhenArmed => panic!("it waits to be deleted"),
        }
        assert!(in_a_row <= 3, "it looks again and again at what it cannot change");
    }
    assert!(is_there().await, "somebody is at it");
    let fired = memory.recent_firings(OWNER, vec![id], at(-1), 10).await.expect("the model always works");
    assert_eq!(fired[0].firings.len(), 1, "it fired once all the same");

    faults.hold(false);
    while is_there().await {
        match scheduler.tick().await.expect("nothing goes wrong") {
            Wake::Now => {}
            Wake::At(instant) => clock.set(instant),
            Wake::WhenArmed => panic!("it waits to be deleted"),
        }
    }
}
