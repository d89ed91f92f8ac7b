//! What somebody ought to look at: how many triggers there are, which are overdue, and which fail.

use jiff::{SignedDuration, Timestamp};
use oncue_domain::event::Origin;
use oncue_domain::firing::Outcome;
use oncue_domain::id::{EventId, TriggerId, UserId};
use oncue_domain::plan::goes_at;
use oncue_domain::schedule::Schedule;
use oncue_domain::schedule::bounds::Bounds;
use oncue_domain::schedule::jitter::{Jitter, Share};
use oncue_domain::schedule::zone::Zones;
use oncue_domain::store::{
    ATTENTION_MAX, Attention, FAILED_TRIGGERS_MAX, NewTrigger, TALLIED_MAX, TOGETHER_MAX, TriggerTally,
};
use oncue_domain::trigger::{Definition, OVERDUE_AFTER, Pause, STAYS_FOR, ScheduleDetails, Terms};

use crate::bench::{Bench, Kind, LASTING, answered, api, every, everywhere, given_up, t, unanswered};

async fn attention(bench: &Bench, owner: UserId, gone_until: Timestamp, now: Timestamp) -> Attention {
    bench.store.attention(owner, gone_until, now).await.expect("an answer")
}

async fn failing(bench: &Bench, owner: UserId, gone_until: i64) -> Vec<(TriggerId, EventId)> {
    let found = attention(bench, owner, t(gone_until), t(100_000)).await.failing;
    assert!(found.iter().all(|(_, firing)| firing.outcome == Outcome::Failed && firing.is_kept));
    found.into_iter().map(|(head, firing)| (head.id, firing.event)).collect()
}

async fn fire_and(bench: &Bench, owner: UserId, id: TriggerId, seconds: i64, is_delivered: bool) -> EventId {
    let event = bench.fire(owner, id, None, t(seconds)).await;
    bench
        .settle_all(
            t(seconds),
            |claim, now| if is_delivered { answered(claim, 200, now) } else { given_up(claim, now) },
        )
        .await;
    event
}

#[tokio::test]
async fn triggers_are_tallied_by_whether_they_will_fire() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        assert_eq!(attention(&bench, owner, t(0), t(1)).await.tally, TriggerTally::default());
        for definition in [
            api("active"),
            every("1m"),
            Definition { expires_at: Some(t(500)), ..every("1m") },
            Definition { expires_at: Some(t(500)), ..api("expiring") },
            Definition { is_test: true, ..api("test") },
            Definition { enabled: false, ..api("paused") },
            Definition { enabled: false, ..every("1m") },
            Definition { enabled: false, pause: Pause::new(None, Some(t(400))), ..api("paused for a while") },
            Definition { enabled: false, pause: Pause::new(None, Some(t(400))), ..every("1m") },
        ] {
            bench.trigger(owner, definition).await;
        }
        let finished = NewTrigger { owner, definition: every("1m"), next_at: None, test_event: None };
        bench.make(finished, t(0)).await;
        let expiring = Definition { expires_at: Some(t(500)), ..every("1m") };
        let pending = NewTrigger { owner, definition: expiring, next_at: Some(t(505)), test_event: None };
        bench.make(pending, t(0)).await;
        let tally = async |now| attention(&bench, owner, t(0), now).await.tally;
        assert_eq!(tally(t(1)).await, TriggerTally { all: 11, active: 5, paused: 4 });
        assert_eq!(tally(t(400) - SignedDuration::from_micros(1)).await.paused, 4);
        assert_eq!(tally(t(400)).await, TriggerTally { all: 11, active: 7, paused: 2 }, "a pause is over at its end");
        assert_eq!(tally(t(500) - SignedDuration::from_micros(1)).await.active, 7);
        let expired = TriggerTally { all: 11, active: 5, paused: 2 };
        assert_eq!(tally(t(500)).await, expired, "what was named before the expiry and is not due yet fires");
        assert_eq!(tally(t(505)).await, TriggerTally { active: 4, ..expired });
        bench.trigger(bench.user("b").await, api("anothers")).await;
        assert_eq!(tally(t(1)).await.all, 11);
    })
    .await;
}

/// What a list of all of them comes to.
async fn tally_of_list(bench: &Bench, owner: UserId, now: Timestamp) -> TriggerTally {
    let mut tally = TriggerTally::default();
    for head in bench.store.trigger_heads(owner, 100).await.expect("an answer") {
        tally.note(&head, now);
    }
    tally
}

#[tokio::test]
async fn triggers_are_tallied_as_lists_show_them() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let once = |at| {
            let terms = Terms { delete_when_done: true, ..Terms::default() };
            let details = ScheduleDetails::new(Schedule::Once { at: t(at) }, None, terms, Zones::utc());
            Definition { schedule: Some(details), ..every("1m") }
        };
        let make = async |definition: Definition, next_at| {
            bench.make(NewTrigger { owner, definition, next_at, test_event: None }, t(0)).await
        };
        // Two that wait, one of them for long, and two that only wait to be deleted, one of them when its pause is over.
        make(once(900), Some(t(900))).await;
        make(once(9_000_000), Some(t(9_000_000))).await;
        make(once(-60), Some(goes_at(t(0)))).await;
        let paused = Definition { enabled: false, pause: Pause::new(None, Some(t(300))), ..once(-60) };
        make(paused.clone(), Some(t(300) + STAYS_FOR)).await;
        make(Definition { expires_at: Some(t(200)), ..paused }, Some(t(300) + STAYS_FOR)).await;
        // Paused, and a test or expired beside that.
        make(Definition { enabled: false, ..every("1m") }, None).await;
        make(Definition { enabled: false, is_test: true, ..api("test") }, None).await;
        make(Definition { enabled: false, expires_at: Some(t(200)), ..api("expiring") }, None).await;
        for (now, active, paused) in [(1, 2, 4), (199, 2, 4), (200, 2, 2), (299, 2, 2), (300, 2, 1), (899, 2, 1)] {
            let tally = attention(&bench, owner, t(0), t(now)).await.tally;
            assert_eq!(tally, TriggerTally { all: 8, active, paused }, "at second {now}");
            assert_eq!(tally, tally_of_list(&bench, owner, t(now)).await, "at second {now}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_goes_when_it_is_done_is_tallied_as_lists_show_it_whatever_it_waits_for() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let going = |pattern, terms| {
            let terms = Terms { delete_when_done: true, ..terms };
            let zones = Zones::bundled();
            let timezone = Some(zones.get("Europe/Riga").expect("a zone"));
            let details = ScheduleDetails::new(pattern, timezone, terms, Zones::utc());
            Definition { schedule: Some(details.with_share(Some(Share::new(1 << 31)))), ..every("1m") }
        };
        let once = |at| going(Schedule::Once { at: t(at) }, Terms::default());
        let expiring = |at| Definition { expires_at: Some(t(at)), ..once(900) };
        let pause = Pause::new(None, Some(t(300)));
        let spread = Terms { jitter: Some(Jitter::parse("1m").expect("a window")), ..Terms::default() };
        let spread = going(Schedule::Once { at: t(900) }, spread);
        let until = Terms { bounds: Bounds::new(None, Some(t(100))).expect("an end"), ..Terms::default() };
        let minutely = going(every("1m").schedule.expect("it has one").pattern().clone(), until);
        let due = spread.due_later(t(900)).expect("it is spread");
        for (definition, next_at) in [
            // Four that fire,
            (once(900), t(900)),
            (expiring(901), t(900)),
            (spread.clone(), due),
            (minutely.clone(), t(60)),
            // one that does when its pause is over,
            (Definition { enabled: false, pause, ..once(900) }, t(900)),
            // and those that go: they have expired before, or have nothing left.
            (expiring(900), t(900)),
            (expiring(500), t(900)),
            (once(90), t(900)),
            (spread, goes_at(t(0))),
            (minutely, t(110)),
        ] {
            bench.make(NewTrigger { owner, definition, next_at: Some(next_at), test_event: None }, t(0)).await;
        }
        for (now, active, paused) in [(1, 4, 1), (299, 4, 1), (300, 5, 0), (899, 5, 0), (901, 4, 0), (99_999, 4, 0)] {
            let tally = attention(&bench, owner, t(0), t(now)).await.tally;
            assert_eq!(tally, TriggerTally { all: 10, active, paused }, "at second {now}");
            assert_eq!(tally, tally_of_list(&bench, owner, t(now)).await, "at second {now}");
        }
    })
    .await;
}

#[tokio::test]
async fn of_more_triggers_than_are_tallied_the_first_are_and_it_says_so() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let new = |definition| NewTrigger { owner, definition, next_at: None, test_event: None };
        let paused = Definition { enabled: false, ..api("paused") };
        bench.trigger(owner, paused.clone()).await;
        let mut many = 1;
        while many < TALLIED_MAX {
            let more = TOGETHER_MAX.min(usize::try_from(TALLIED_MAX - many).expect("small"));
            let made = bench.store.create_triggers(vec![new(api("active")); more], t(0)).await;
            assert!(made.iter().all(|made| matches!(made, Ok(Ok(_)))));
            many += more as u64;
        }
        let exact = TriggerTally { all: TALLIED_MAX, active: TALLIED_MAX - 1, paused: 1 };
        assert!(!exact.is_at_least());
        assert_eq!(attention(&bench, owner, t(0), t(1)).await.tally, exact);
        bench.trigger(owner, api("active")).await;
        let at_least = TriggerTally { all: TALLIED_MAX + 1, active: TALLIED_MAX, paused: 1 };
        assert!(at_least.is_at_least());
        for _ in 0..2 {
            assert_eq!(attention(&bench, owner, t(0), t(1)).await.tally, at_least);
            bench.trigger(owner, paused.clone()).await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_occurrence_is_overdue_after_a_while_and_the_longest_comes_first() {
    everywhere(async |bench| {
        let (anna, ben) = (bench.user("anna").await, bench.user("ben").await);
        let second = bench.trigger(anna, every("2m")).await.id;
        let first = bench.trigger(anna, every("1m")).await.id;
        bench.trigger(anna, Definition { enabled: false, ..every("1m") }).await;
        bench.trigger(ben, every("1m")).await;
        let overdue = async |now| {
            let heads = attention(&bench, anna, t(0), now).await.overdue;
            heads.iter().map(|head| head.id).collect::<Vec<_>>()
        };
        let tick = SignedDuration::from_micros(1);
        assert_eq!(overdue(t(60) + OVERDUE_AFTER).await, []);
        assert_eq!(overdue(t(60) + OVERDUE_AFTER + tick).await, [first]);
        assert_eq!(overdue(t(1000)).await, [first, second]);
        for _ in 0..ATTENTION_MAX {
            bench.trigger(anna, every("30s")).await;
        }
        let many = overdue(t(1000)).await;
        assert_eq!(many.len(), ATTENTION_MAX);
        assert!(!many.contains(&first), "it is not among the longest overdue any more");
    })
    .await;
}

#[tokio::test]
async fn a_trigger_fails_while_its_newest_ended_event_failed() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let (one, two) = (bench.trigger(owner, api("one")).await.id, bench.trigger(owner, api("two")).await.id);
        let first = fire_and(&bench, owner, one, 1, false).await;
        assert_eq!(failing(&bench, owner, 0).await, [(one, first)]);
        let second = fire_and(&bench, owner, two, 2, false).await;
        assert_eq!(failing(&bench, owner, 0).await, [(two, second), (one, first)], "the newest failure first");
        fire_and(&bench, owner, one, 3, true).await;
        assert_eq!(failing(&bench, owner, 0).await, [(two, second)]);
        // What is still owed says nothing yet.
        bench.fire(owner, two, None, t(4)).await;
        bench.settle_all(t(4), unanswered).await;
        assert_eq!(failing(&bench, owner, 0).await, [(two, second)]);
        bench.settle_all(t(100), |claim, now| answered(claim, 200, now)).await;
        assert_eq!(failing(&bench, owner, 0).await, []);
        let third = fire_and(&bench, owner, one, 200, false).await;
        let found = attention(&bench, owner, t(0), t(300)).await.failing;
        assert_eq!(found[0].0.name.as_deref(), Some("one"));
        assert_eq!(
            bench.store.recent_firings(owner, vec![one], t(0), 1).await.expect("firings")[0].firings,
            [found[0].1]
        );
        assert_eq!(failing(&bench, owner, 199).await, [(one, third)]);
        assert_eq!(failing(&bench, owner, 200).await, [], "an event that is gone says nothing");
        bench.store.expire(t(200), t(300), 100).await.expect("an answer");
        assert_eq!(failing(&bench, owner, 0).await, []);
    })
    .await;
}

#[tokio::test]
async fn the_newest_is_the_one_that_fired_last_in_whatever_order_they_end() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, api("api")).await.id;
        // In one hour, over hours, and at one instant.
        for (older, newer) in [(10, 20), (30, 30), (4000, 90_000)] {
            for newer_fails in [true, false] {
                bench.fire(owner, id, None, t(older)).await;
                let event = bench.fire(owner, id, None, t(newer)).await;
                let claims = bench.claim_all(t(100_000)).await;
                let settlement = |is_delivered: bool, claim| {
                    if is_delivered { answered(claim, 200, t(100_000)) } else { given_up(claim, t(100_000)) }
                };
                bench.store.settle(vec![settlement(!newer_fails, &claims[1])]).await.expect("a settlement");
                bench.store.settle(vec![settlement(newer_fails, &claims[0])]).await.expect("a settlement");
                let expected = if newer_fails { vec![(id, event)] } else { Vec::new() };
                assert_eq!(failing(&bench, owner, 0).await, expected, "{older} and {newer}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn tests_and_deleted_triggers_do_not_fail() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let (tried, deleted) =
            (bench.trigger(owner, api("tried")).await.id, bench.trigger(owner, api("gone")).await.id);
        bench.store.fire(owner, tried, bench.call(Origin::Test, None), t(1)).await.expect("a test");
        bench
            .store
            .fire_unkept(owner, api("unkept").into(), bench.message(), t(1))
            .await
            .expect("an answer")
            .expect("a trial");
        bench.settle_all(t(2), given_up).await;
        assert_eq!(failing(&bench, owner, 0).await, []);
        let event = fire_and(&bench, owner, tried, 3, false).await;
        bench.store.fire(owner, tried, bench.call(Origin::Test, None), t(4)).await.expect("a test");
        bench.settle_all(t(5), |claim, now| answered(claim, 200, now)).await;
        assert_eq!(failing(&bench, owner, 0).await, [(tried, event)], "a test that went well heals nothing");
        fire_and(&bench, owner, deleted, 6, false).await;
        bench.store.delete_trigger(owner, deleted, t(7)).await.expect("an answer");
        assert_eq!(failing(&bench, owner, 0).await, [(tried, event)]);
    })
    .await;
}

#[tokio::test]
async fn what_goes_nowhere_neither_fails_nor_heals() {
    for kind in LASTING {
        let bench = Bench::new(kind, true).await;
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, api("api")).await.id;
        let event = fire_and(&bench, owner, id, 1, false).await;
        let bench = bench.reopen_with(kind == Kind::Memory).await;
        if kind != Kind::Memory {
            bench.fire(owner, id, None, t(2)).await;
        }
        assert_eq!(failing(&bench, owner, 0).await, [(id, event)]);
    }
}

#[tokio::test]
async fn of_many_failing_triggers_the_latest_are_shown() {
    for many in [ATTENTION_MAX + 1, FAILED_TRIGGERS_MAX + 1] {
        everywhere(async |bench| {
            let owner = bench.user("a").await;
            let mut expected = Vec::new();
            for number in 0..many {
                let id = bench.trigger(owner, api("api")).await.id;
                let seconds = i64::try_from(number * 37 % many).expect("small");
                bench.fire(owner, id, None, t(seconds)).await;
                expected.push((seconds, id));
            }
            bench.settle_all(t(2000), given_up).await;
            expected.sort_by(|one, other| other.cmp(one));
            let (_, healed) = expected.remove(0);
            fire_and(&bench, owner, healed, 3000, true).await;
            let found: Vec<TriggerId> = failing(&bench, owner, -1).await.into_iter().map(|(id, _)| id).collect();
            let expected: Vec<TriggerId> = expected[..ATTENTION_MAX].iter().map(|(_, id)| *id).collect();
            assert_eq!(found, expected);
        })
        .await;
    }
}
