use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use oncue_domain::destination::{Target, Webhook};
use oncue_domain::event::{Event, Origin};
use oncue_domain::id::DestinationId;
use oncue_domain::id::{EventId, Ids, TriggerId, UserId};
use oncue_domain::payload::Payload;
use oncue_domain::trigger::Kind;

use super::lane::{RUNNING_PER_BRISK_LANE, RUNNING_PER_LANE, Receiver, WAITING_BYTES_PER_LANE, WAITING_PER_LANE};
use super::*;

fn claim(url: &str) -> Claim {
    claim_to(Target::Webhook(Webhook::parse(url, None).expect("an address")))
}

fn claim_to(target: Target) -> Claim {
    claim_of(1, target)
}

fn claim_of(owner: i64, target: Target) -> Claim {
    let now = Timestamp::UNIX_EPOCH;
    let event = Event {
        id: EventId(1),
        owner: UserId(owner),
        trigger: TriggerId(1),
        revision: 1,
        name: String::new(),
        kind: Kind::Api,
        origin: Origin::Api,
        scheduled_at: None,
        due_at: None,
        fired_at: now,
        message_id: Ids::from_seed([1; 32]).message(now),
        payload: Payload::empty(),
        parent: None,
        has_run: false,
    };
    Claim {
        event: Arc::new(event),
        slot: 0,
        deliveries: 1,
        target,
        tried: 0,
        ladder_from: 0,
        due_at: now,
        until: now,
        fence: 1,
    }
}

/// Takes a claim in for which there is room.
fn let_in(lanes: &mut Lanes, claim: Claim) {
    assert!(lanes.push(claim, Timestamp::UNIX_EPOCH).is_none(), "there is room");
}

fn finish(lanes: &mut Lanes, key: &LaneKey, took: Duration) -> Vec<TurnedAway> {
    lanes.finish(key, Shown::Took(took), Timestamp::UNIX_EPOCH)
}

/// Pushes one claim for each of so many receivers and starts it; it is over after so long.
fn known(lanes: &mut Lanes, receivers: usize, took: Duration) {
    for number in 0..receivers {
        let_in(lanes, claim(&format!("http://{number}.example/")));
        let (key, _) = lanes.start().expect("there is room");
        finish(lanes, &key, took);
    }
}

/// Pushes for a receiver until something is turned away; gives how many were let in, and until when the next was sent away.
fn flood(lanes: &mut Lanes, url: &str) -> (usize, Timestamp) {
    let flood = claim(url);
    for let_in in 0.. {
        if let Some((_, until)) = lanes.push(flood.clone(), Timestamp::UNIX_EPOCH) {
            return (let_in, until);
        }
    }
    unreachable!("everything has a bound")
}

#[test]
fn a_quick_receiver_gets_a_quarter_of_the_room_and_what_it_cannot_hold_comes_back_in_moments() {
    let mut lanes = Lanes::default();
    known(&mut lanes, 1, Duration::from_millis(2));
    let (let_in, until) = flood(&mut lanes, "http://0.example/");
    assert_eq!(let_in, WAITING_PER_LANE);
    assert!(until > Timestamp::UNIX_EPOCH && until < Timestamp::from_second(5).expect("a time"), "{until}");
}

#[test]
fn a_slow_receiver_holds_little_and_leaves_all_other_room() {
    let mut lanes = Lanes::default();
    known(&mut lanes, 1, Duration::from_secs(15));
    let (first, until) = flood(&mut lanes, "http://0.example/");
    assert!(first < 100, "{first}");
    assert!(until > Timestamp::from_second(10).expect("a time"), "{until}");
    let_in(&mut lanes, claim("http://other.example/"));
    let started = start_all(&mut lanes);
    let other = Receiver::Origin("http://other.example".to_owned());
    assert_eq!(started.iter().filter(|key| key.receiver == other).count(), 1);
    assert_eq!(started.len(), RUNNING_PER_LANE + 1);
}

#[test]
fn of_a_hundred_thousand_for_one_receiver_the_lanes_hold_a_fixed_number_at_most() {
    let mut lanes = Lanes::default();
    let one = claim("http://dead.example/");
    let turned_away = (0..100_000).filter(|_| lanes.push(one.clone(), Timestamp::UNIX_EPOCH).is_some()).count();
    assert_eq!((lanes.waiting(), turned_away), (WAITING_PER_LANE, 100_000 - WAITING_PER_LANE));
    let under_way = start_all(&mut lanes);
    let given_back = finish(&mut lanes, &under_way[0], Duration::from_secs(15));
    assert!(lanes.waiting() < 100, "{} after {} were given back", lanes.waiting(), given_back.len());
}

#[test]
fn what_waits_for_one_that_turns_out_slow_is_given_back() {
    let mut lanes = Lanes::default();
    let (first, _) = flood(&mut lanes, "http://dead.example/");
    assert_eq!(first, WAITING_PER_LANE, "nothing is known of it yet");
    let started = start_all(&mut lanes);
    let turned_away = finish(&mut lanes, &started[0], Duration::from_secs(15));
    assert_eq!(turned_away.len() + lanes.waiting() + started.len(), first);
    assert!(lanes.waiting() < 100, "{}", lanes.waiting());
    let minutes = Timestamp::from_second(300).expect("a time");
    assert!(turned_away.iter().all(|(_, until)| *until <= minutes), "what waits is not forgotten");
    assert_eq!(start_all(&mut lanes).len(), 1, "the lane goes on");
}

/// A destination of this number.
fn destination(id: i64) -> Target {
    Target::Destination(DestinationId(id))
}

#[test]
fn however_many_receivers_of_somebody_are_flooded_there_is_room_for_the_next_and_most_for_somebody_else() {
    let mut lanes = Lanes::default();
    for number in 0..1000 {
        let flooded = claim_of(1, destination(number));
        let let_in = (0..).take_while(|_| lanes.push(flooded.clone(), Timestamp::UNIX_EPOCH).is_none()).count();
        assert!(let_in > 0 || lanes.waiting() == WAITING_MAX / 2, "{number} is shut out at {}", lanes.waiting());
    }
    assert!(lanes.waiting() <= WAITING_MAX / 2, "{}", lanes.waiting());
    for number in 0..1000 {
        let_in(&mut lanes, claim_of(2, destination(1000 + number)));
    }
}

#[test]
fn however_many_receivers_of_however_many_owners_are_flooded_there_is_a_bound() {
    let mut lanes = Lanes::default();
    let mut let_in = [0; 100];
    let mut is_room_left = true;
    while std::mem::take(&mut is_room_left) {
        for (owner, let_in) in (0..).zip(&mut let_in) {
            let is_in = lanes.push(claim_of(owner, destination(owner)), Timestamp::UNIX_EPOCH).is_none();
            *let_in += usize::from(is_in);
            is_room_left |= is_in;
        }
    }
    assert!(let_in.iter().all(|count| (200..400).contains(count)), "{let_in:?}");
    assert!(lanes.room() > 0 && lanes.waiting() > WAITING_MAX / 2, "{}", lanes.waiting());
}

/// Claims of this owner's for so many destinations, so many each.
fn flood_destinations(lanes: &mut Lanes, owner: i64, destinations: i64, each: usize) {
    for number in 0..destinations {
        (0..each).for_each(|_| let_in(lanes, claim_of(owner, destination(owner * 10_000 + number))));
    }
}

/// Starts all that may; each destination says this of how many at once, as soon as it is asked.
fn start_saying(lanes: &mut Lanes, says: Parallelism) -> Vec<LaneKey> {
    let mut under_way = Vec::new();
    while let Some((key, _)) = lanes.start() {
        lanes.learn(&key, says);
        under_way.push(key);
    }
    under_way
}

fn start_what_waits(lanes: &mut Lanes, owner: i64, destinations: i64, each: usize, says: Parallelism) -> Vec<LaneKey> {
    flood_destinations(lanes, owner, destinations, each);
    start_saying(lanes, says)
}

#[test]
fn nobody_takes_all_places_whatever_their_destinations_say_of_parallelism() {
    let mut lanes = Lanes::default();
    assert!(start_what_waits(&mut lanes, 1, 16, 100, Parallelism::Own(64)).len() <= RUNNING_MAX / 2);
    assert_eq!(start_what_waits(&mut lanes, 2, 1, 100, Parallelism::Own(64)).len(), 64);
    assert_eq!(start_what_waits(&mut lanes, 3, 1, 100, Parallelism::Usual).len(), RUNNING_PER_LANE);
}

#[test]
fn however_many_owners_there_are_each_gets_a_share_and_some_places_stay_free() {
    let mut lanes = Lanes::default();
    (0..100).for_each(|owner| flood_destinations(&mut lanes, owner, 16, 10));
    let under_way = start_saying(&mut lanes, Parallelism::Own(64));
    for owner in 0..100 {
        let count = under_way.iter().filter(|key| key.owner == UserId(owner)).count();
        assert!((5..=11).contains(&count), "{owner} gets {count}");
    }
    assert!(lanes.running() < RUNNING_MAX);
}

#[test]
fn nobody_takes_all_places_with_however_many_that_hang() {
    let mut lanes = Lanes::default();
    let hanging = start_what_waits(&mut lanes, 1, 1000, 10, Parallelism::Usual);
    assert!(hanging.len() > 300 && hanging.len() <= RUNNING_MAX / 2, "{}", hanging.len());
    assert!(!start_what_waits(&mut lanes, 2, 1, 1, Parallelism::Usual).is_empty());
    let turned_out_slow = hanging[0].clone();
    finish(&mut lanes, &turned_out_slow, Duration::from_secs(15));
    assert_eq!(start_all(&mut lanes).len(), 1, "the next of them begins");
}

#[test]
fn brisk_receivers_go_on_while_their_owners_other_ones_hang() {
    let mut lanes = Lanes::default();
    known(&mut lanes, 1, Duration::from_millis(2));
    start_what_waits(&mut lanes, 1, 1000, 10, Parallelism::Usual);
    (0..64).for_each(|_| let_in(&mut lanes, claim("http://0.example/")));
    assert_eq!(start_all(&mut lanes).len(), RUNNING_PER_BRISK_LANE);
}

#[test]
fn receivers_that_were_brisk_until_they_hung_leave_places_too() {
    let mut lanes = Lanes::default();
    known(&mut lanes, 100, Duration::from_millis(2));
    for number in 0..100 {
        (0..100).for_each(|_| let_in(&mut lanes, claim(&format!("http://{number}.example/"))));
    }
    let hanging = start_all(&mut lanes);
    assert!(hanging.len() < RUNNING_MAX * 9 / 10, "{}", hanging.len());
    assert_eq!(start_what_waits(&mut lanes, 2, 1, 100, Parallelism::Usual).len(), RUNNING_PER_LANE);
    for key in &hanging {
        finish(&mut lanes, key, Duration::from_secs(15));
    }
    assert!(start_all(&mut lanes).len() <= RUNNING_MAX / 2, "all have turned out slow");
}

#[test]
fn when_all_is_over_nothing_is_left_of_it() {
    let mut lanes = Lanes::default();
    let mut under_way = Vec::new();
    for owner in 0..20 {
        under_way.extend(start_what_waits(&mut lanes, owner, 30, 5, Parallelism::Usual));
    }
    let mut took = [2, 15_000].map(Duration::from_millis).into_iter().cycle();
    while let Some(key) = under_way.pop() {
        finish(&mut lanes, &key, took.next().expect("for ever"));
        under_way.extend(start_all(&mut lanes));
    }
    let sums = (lanes.running, lanes.lingering, lanes.waiting, lanes.waiting_bytes);
    assert_eq!((sums, lanes.shares.len()), ((0, 0, 0, 0), 0));
}

#[test]
fn what_shows_nothing_of_a_receiver_makes_it_neither_brisk_nor_slow() {
    let mut lanes = Lanes::default();
    known(&mut lanes, 2, Duration::from_secs(15));
    known(&mut lanes, 1, Duration::from_millis(2));
    for (url, at_once) in [("http://0.example/", RUNNING_PER_BRISK_LANE), ("http://1.example/", RUNNING_PER_LANE)] {
        let_in(&mut lanes, claim(url));
        let (key, _) = lanes.start().expect("there is room");
        lanes.finish(&key, Shown::Nothing, Timestamp::UNIX_EPOCH);
        (0..16).for_each(|_| let_in(&mut lanes, claim(url)));
        assert_eq!(start_all(&mut lanes).len(), at_once.min(16), "{url}");
    }
}

#[test]
fn large_payloads_for_one_receiver_leave_room_for_others() {
    let mut lanes = Lanes::default();
    let mut large = claim("http://large.example/");
    let text = format!("\"{}\"", "x".repeat(200_000));
    let event = Event { payload: Payload::parse(&text).expect("a payload"), ..Event::clone(&large.event) };
    large.event = Arc::new(event);
    let mut first = 0;
    while lanes.push(large.clone(), Timestamp::UNIX_EPOCH).is_none() {
        first += 1;
    }
    assert_eq!(first, WAITING_BYTES_PER_LANE / text.len());
    assert!(lanes.room() > WAITING_MAX / 2);
}

/// Lanes in which so many deliveries wait for one destination.
fn waiting_for_destination(count: usize) -> Lanes {
    let mut lanes = Lanes::default();
    let waiting = claim_to(destination(7));
    (0..count).for_each(|_| let_in(&mut lanes, waiting.clone()));
    lanes
}

/// Starts all that may, and says in which lanes.
fn start_all(lanes: &mut Lanes) -> Vec<LaneKey> {
    std::iter::from_fn(|| lanes.start()).map(|(key, _)| key).collect()
}

#[test]
fn a_rested_destination_is_asked_before_more_than_one_attempt_begins() {
    let mut lanes = waiting_for_destination(100);
    let started = start_all(&mut lanes);
    assert_eq!(started.len(), 1);
    lanes.learn(&started[0], Parallelism::Usual);
    assert_eq!(start_all(&mut lanes).len(), RUNNING_PER_LANE - 1);
}

#[test]
fn no_more_attempts_are_under_way_than_the_destination_says_however_brisk_it_is() {
    let mut lanes = waiting_for_destination(100);
    let mut under_way = start_all(&mut lanes);
    lanes.learn(&under_way[0], Parallelism::Own(3));
    for _ in 0..20 {
        under_way.extend(start_all(&mut lanes));
        assert_eq!((under_way.len(), lanes.running()), (3, 3));
        finish(&mut lanes, &under_way.remove(0), Duration::from_millis(1));
    }
}

#[test]
fn a_slow_destination_gets_as_many_attempts_as_it_says() {
    let mut lanes = waiting_for_destination(100);
    let started = start_all(&mut lanes);
    lanes.learn(&started[0], Parallelism::Own(40));
    assert_eq!(start_all(&mut lanes).len(), 39);
}

#[test]
fn what_waits_already_starts_by_what_the_destination_says_now() {
    let mut lanes = waiting_for_destination(100);
    let mut under_way = start_all(&mut lanes);
    lanes.learn(&under_way[0], Parallelism::Own(4));
    under_way.extend(start_all(&mut lanes));
    finish(&mut lanes, &under_way.remove(0), Duration::from_millis(1));
    lanes.learn(&under_way[0], Parallelism::Own(2));
    assert_eq!(start_all(&mut lanes).len(), 0, "it was lined up by the former number");
    finish(&mut lanes, &under_way.remove(0), Duration::from_millis(1));
    assert_eq!(start_all(&mut lanes).len(), 0);
    finish(&mut lanes, &under_way.remove(0), Duration::from_millis(1));
    under_way.extend(start_all(&mut lanes));
    assert_eq!(under_way.len(), 2);
    lanes.learn(&under_way[0], Parallelism::Own(5));
    assert_eq!(start_all(&mut lanes).len(), 3);
}

#[test]
fn what_a_destination_said_is_forgotten_when_nothing_is_under_way() {
    let mut lanes = waiting_for_destination(2);
    let started = start_all(&mut lanes);
    lanes.learn(&started[0], Parallelism::Own(9));
    let second = start_all(&mut lanes);
    [&started[0], &second[0]]
        .into_iter()
        .for_each(|key| drop(lanes.finish(key, Shown::BrokeOff, Timestamp::UNIX_EPOCH)));
    let waiting = claim_to(destination(7));
    (0..5).for_each(|_| let_in(&mut lanes, waiting.clone()));
    assert_eq!(start_all(&mut lanes).len(), 1);
}

#[test]
fn a_receiver_that_says_these_are_too_many_is_left_alone_and_then_tried_with_one_and_one_more_with_each() {
    let mut lanes = Lanes::default();
    known(&mut lanes, 1, Duration::from_millis(2));
    (0..200).for_each(|_| let_in(&mut lanes, claim("http://0.example/")));
    let took = Duration::from_millis(2);
    let under_way = start_all(&mut lanes);
    assert_eq!(under_way.len(), RUNNING_PER_BRISK_LANE);
    let second = |second| Timestamp::from_second(second).expect("a time");
    lanes.finish(&under_way[0], Shown::TooSoon(took, second(2)), second(0));
    lanes.finish(&under_way[1], Shown::TooSoon(took, second(3)), second(0));
    under_way[2..].iter().for_each(|key| drop(lanes.finish(key, Shown::TooSoon(took, second(1)), second(0))));
    let_in(&mut lanes, claim("http://other.example/"));
    assert_eq!(start_all(&mut lanes).len(), 1, "nobody else waits with it");
    for (early, next) in [(0, 2), (1, 2), (2, 3)] {
        lanes.release(second(early));
        assert_eq!(start_all(&mut lanes).len(), 0, "{early}");
        assert_eq!(lanes.next_release(), Some(second(next)));
    }
    lanes.release(second(3));
    assert_eq!(lanes.next_release(), None);
    let mut at_once = start_all(&mut lanes);
    for expected in [1, 2, 3, 4] {
        assert_eq!(at_once.len(), expected);
        drop(lanes.finish(&at_once.remove(0), Shown::Took(took), second(3)));
        at_once.extend(start_all(&mut lanes));
    }
    drop(lanes.finish(&at_once.remove(0), Shown::TooSoon(took, second(5)), second(4)));
    at_once.into_iter().for_each(|key| drop(lanes.finish(&key, Shown::Took(took), second(4))));
    lanes.release(second(5));
    assert!(start_all(&mut lanes).len() <= 5);
}

#[test]
fn a_lane_that_was_held_is_as_wide_as_before_once_its_receiver_has_taken_enough() {
    let mut lanes = Lanes::default();
    known(&mut lanes, 1, Duration::from_millis(2));
    let took = Duration::from_millis(2);
    let key = LaneKey::of(&claim("http://0.example/"));
    let_in(&mut lanes, claim("http://0.example/"));
    assert_eq!(start_all(&mut lanes), std::slice::from_ref(&key));
    drop(lanes.finish(&key, Shown::TooSoon(took, Timestamp::UNIX_EPOCH), Timestamp::UNIX_EPOCH));
    lanes.release(Timestamp::UNIX_EPOCH);
    (0..300).for_each(|_| let_in(&mut lanes, claim("http://0.example/")));
    for _ in 0..RUNNING_PER_BRISK_LANE {
        let one = start_all(&mut lanes);
        one.iter().for_each(|key| drop(lanes.finish(key, Shown::Took(took), Timestamp::UNIX_EPOCH)));
    }
    (0..300).for_each(|_| drop(lanes.push(claim("http://0.example/"), Timestamp::UNIX_EPOCH)));
    assert_eq!(start_all(&mut lanes).len(), RUNNING_PER_BRISK_LANE);
}
