//! Clocks that are put forward and back while somebody runs, one story each; the runs by seed do the same by chance. Nothing goes
//! wrong here but the clock.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use oncue_domain::event::Event;
use oncue_domain::id::TriggerId;
use oncue_domain::schedule::cron::CronExpression;
use oncue_domain::schedule::every::Period;
use oncue_domain::schedule::zone::Zones;
use oncue_domain::schedule::{FirstFiring, Schedule};
use oncue_domain::store::{NewTrigger, Store};
use oncue_domain::trigger::{Definition, ScheduleDetails};

use super::chance::Chance;
use super::promises::events_after;
use super::world::{OWNER, World, at_once};

/// An hour before the clocks go forward in New York.
const START: &str = "2027-03-14T06:00:00Z";

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

fn start() -> Timestamp {
    START.parse().expect("an instant")
}

fn running() -> World {
    let mut world = World::new(1, &mut Chance::new(1), start());
    world.faults.calm_down();
    world.start();
    world
}

fn made(world: &World, schedule: Schedule) -> TriggerId {
    let definition = Definition {
        name: Some("steady".to_owned()),
        schedule: Some(ScheduleDetails::plain(schedule, None)),
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
    let now = world.now();
    let new = NewTrigger { owner: OWNER, next_at: definition.next_after(now), definition, test_event: None };
    at_once(world.memory.create_trigger(new, now)).expect("the model answers").expect("there is room").trigger.id
}

fn every_minute() -> Schedule {
    let period = Period::from_seconds(60).expect("a period");
    Schedule::Every { period, anchor: start(), first: FirstFiring::OnePeriodLater }
}

/// Somebody runs for so many minutes by the clock, and looks every quarter of one.
fn run_for(world: &mut World, minutes: i64) {
    for _ in 0..minutes * 4 {
        world.clock.advance(SignedDuration::from_secs(15));
        assert!(world.tick_until_idle(), "the store answers");
    }
}

fn step(world: &mut World, by: SignedDuration) {
    world.clock.advance(by);
    assert!(world.tick_until_idle(), "the store answers");
}

fn events(world: &World, id: TriggerId) -> Vec<Event> {
    events_after(world, Timestamp::MIN).into_iter().filter(|event| event.trigger == id).collect()
}

/// What fired, by nominal time; each once, and none before its time.
fn fired(world: &World, id: TriggerId) -> BTreeSet<Timestamp> {
    let events = events(world, id);
    let nominal = |event: &Event| event.scheduled_at.expect("a schedule made it");
    for event in &events {
        assert!(nominal(event) <= event.fired_at, "{} fired at {}", nominal(event), event.fired_at);
    }
    let distinct: BTreeSet<Timestamp> = events.iter().map(nominal).collect();
    assert_eq!(distinct.len(), events.len(), "an occurrence fired twice: {events:?}");
    distinct
}

fn skipped(world: &World, id: TriggerId) -> u64 {
    let records = at_once(world.memory.skipped(OWNER, id, 1000)).expect("the model answers");
    records.iter().map(|view| view.skipped.count).sum()
}

fn minutes(range: std::ops::RangeInclusive<i32>) -> BTreeSet<Timestamp> {
    range.map(|number| start() + MINUTE * number).collect()
}

#[test]
fn a_clock_put_back_fires_nothing_twice_and_goes_on_where_it_was() {
    let mut world = running();
    let id = made(&world, every_minute());
    run_for(&mut world, 30);
    assert_eq!(fired(&world, id), minutes(1..=30));
    step(&mut world, -SignedDuration::from_mins(20));
    run_for(&mut world, 20);
    assert_eq!(fired(&world, id), minutes(1..=30), "nothing is new until the clock is where it was");
    run_for(&mut world, 10);
    assert_eq!(fired(&world, id), minutes(1..=40));
    assert_eq!(skipped(&world, id), 0);
}

#[test]
fn a_clock_put_forward_fires_the_latest_and_records_the_others() {
    let mut world = running();
    let id = made(&world, every_minute());
    run_for(&mut world, 5);
    // Not on the minute: what is due at the very return was not missed.
    step(&mut world, SignedDuration::from_secs(3_610));
    let mut expected = minutes(1..=5);
    expected.extend(minutes(65..=65));
    assert_eq!(fired(&world, id), expected);
    assert_eq!(skipped(&world, id), 59);
    run_for(&mut world, 5);
    expected.extend(minutes(66..=70));
    assert_eq!(fired(&world, id), expected);
}

#[test]
fn a_clock_put_forward_by_less_than_an_absence_loses_nothing() {
    let mut world = running();
    let period = Period::from_seconds(1).expect("a period");
    let id = made(&world, Schedule::Every { period, anchor: start(), first: FirstFiring::OnePeriodLater });
    step(&mut world, SignedDuration::from_secs(29));
    assert_eq!(fired(&world, id).len(), 29);
    assert_eq!(skipped(&world, id), 0);
}

#[test]
fn what_a_clock_put_forward_by_days_passed_over_is_recorded_and_the_latest_fires_if_it_is_recent() {
    let mut world = running();
    let recent = made(&world, Schedule::Once { at: start() + SignedDuration::from_hours(30) });
    let old = made(&world, Schedule::Once { at: start() + SignedDuration::from_hours(20) });
    step(&mut world, SignedDuration::from_hours(48));
    assert_eq!((fired(&world, recent).len(), skipped(&world, recent)), (1, 0));
    assert_eq!((fired(&world, old).len(), skipped(&world, old)), (0, 1));
    // Put right again, the clock passes both a second time.
    step(&mut world, -SignedDuration::from_hours(48));
    run_for(&mut world, 31 * 60);
    assert_eq!((fired(&world, recent).len(), skipped(&world, recent)), (1, 0));
    assert_eq!((fired(&world, old).len(), skipped(&world, old)), (0, 1));
}

/// The server's own clock and that of the zone change on the same night.
#[test]
fn steps_in_the_night_of_a_clock_change_leave_a_daily_firing_one_a_day() {
    let mut world = running();
    let line = CronExpression::parse("30 2 * * *").expect("a line");
    let zone = Zones::bundled().get("America/New_York").expect("a zone");
    let id = made(&world, Schedule::Cron { expression: line, zone });
    run_for(&mut world, 59);
    assert_eq!(fired(&world, id), BTreeSet::new());
    // Over the gap and back before it, twice, and then through it.
    for _ in 0..2 {
        step(&mut world, SignedDuration::from_mins(2));
        step(&mut world, -SignedDuration::from_mins(10));
    }
    run_for(&mut world, 24 * 60);
    let days = ["2027-03-14T07:00:00Z", "2027-03-15T06:30:00Z"];
    let days: BTreeSet<Timestamp> = days.iter().map(|day| day.parse().expect("an instant")).collect();
    assert_eq!(fired(&world, id), days);
    assert_eq!(skipped(&world, id), 0);
}

#[test]
fn a_clock_that_trembles_fires_each_occurrence_once() {
    let mut world = running();
    let id = made(&world, every_minute());
    for number in 0..120_i64 {
        let tremble = SignedDuration::from_secs((number * 37) % 50 - 20);
        step(&mut world, tremble);
        run_for(&mut world, 1);
    }
    // Where it goes forward it stays below an absence, so nothing is left out either.
    let last = fired(&world, id).last().copied().expect("something fired");
    assert_eq!(fired(&world, id), (1..).map(|number| start() + MINUTE * number).take_while(|at| *at <= last).collect());
    assert_eq!(skipped(&world, id), 0);
    assert!(fired(&world, id).len() > 100);
}
