//! Counts: what happened in an hour, to one trigger and to all of an owner's, for as long as counts are kept.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use oncue_domain::count::{COUNTS_KEPT, HourCount};
use oncue_domain::event::Origin;
use oncue_domain::id::{TriggerId, UserId};
use oncue_domain::occurrence::{Reason, Skipped};
use oncue_domain::plan::Plan;
use oncue_domain::store::Planned;
use oncue_domain::trigger::Armed;

use crate::bench::{Bench, answered, api, every, everywhere, given_up, t, unanswered, wherever_it_lasts};

const HOUR: i64 = 3600;

async fn counts(bench: &Bench, owner: UserId, trigger: Option<TriggerId>) -> Vec<HourCount> {
    let (from, until) = (Timestamp::MIN, Timestamp::MAX);
    bench.store.hour_counts(owner, trigger, from, until).await.expect("counts")
}

fn hour(seconds: i64) -> HourCount {
    HourCount::empty(t(seconds))
}

#[tokio::test]
async fn an_event_counts_in_the_hour_it_fired_in_whenever_it_is_delivered() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let (one, two) = (bench.trigger(owner, api("one")).await.id, bench.trigger(owner, api("two")).await.id);
        assert_eq!(counts(&bench, owner, None).await, []);
        bench.fire(owner, one, None, t(HOUR - 1)).await;
        bench.fire(owner, two, None, t(HOUR - 1)).await;
        let fired = HourCount { fired: 2, ..hour(0) };
        assert_eq!(counts(&bench, owner, None).await, [fired]);
        bench.settle_all(t(HOUR), unanswered).await;
        assert_eq!(counts(&bench, owner, None).await, [fired], "an attempt is no end");
        let claims = bench.claim_all(t(3 * HOUR)).await;
        let settlements = vec![answered(&claims[0], 200, t(3 * HOUR)), given_up(&claims[1], t(3 * HOUR))];
        bench.store.settle(settlements.clone()).await.expect("a settlement");
        let ended = HourCount { delivered: 1, failed: 1, ..fired };
        assert_eq!(counts(&bench, owner, None).await, [ended]);
        let own = (counts(&bench, owner, Some(one)).await, counts(&bench, owner, Some(two)).await);
        let expected = (HourCount { fired: 1, delivered: 1, ..hour(0) }, HourCount { fired: 1, failed: 1, ..hour(0) });
        assert_eq!(own, (vec![expected.0], vec![expected.1]));
        bench.store.settle(settlements).await.expect("a settlement");
        assert_eq!(counts(&bench, owner, None).await, [ended], "a claim that is used up counts nothing");
        bench.fire(owner, one, None, t(2 * HOUR)).await;
        assert_eq!(counts(&bench, owner, None).await, [ended, HourCount { fired: 1, ..hour(2 * HOUR) }]);
    })
    .await;
}

#[tokio::test]
async fn only_schedules_are_late_and_what_does_not_fire_counts_where_it_lies() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let timed = bench.trigger(owner, every("1m")).await;
        let called = bench.trigger(owner, api("api")).await.id;
        let late = t(60) + SignedDuration::from_millis(100);
        bench.fire_due(owner, timed.id, late).await;
        bench.fire_due(owner, timed.id, t(121)).await;
        bench.fire(owner, called, None, t(122)).await;
        let armed = bench.get(owner, timed.id).await;
        let edit = armed.trigger.edit(every("2m"), armed.next_at, t(HOUR + 61));
        let [skipped] = edit.skipped[..] else { panic!("an hour was due: {:?}", edit.skipped) };
        assert_eq!(skipped.last, t(HOUR + 60));
        bench.store.edit_trigger(edit, armed.next_at, t(HOUR + 61)).await.expect("an edit");
        let first = HourCount { fired: 2, late: [0, 1, 1, 0, 0], ..hour(0) };
        assert_eq!((skipped.first, skipped.count), (t(180), 59));
        let first = HourCount { skipped: 57, ..first };
        let second = HourCount { skipped: 2, ..hour(HOUR) };
        assert_eq!(counts(&bench, owner, Some(timed.id)).await, [first, second]);
        assert_eq!(counts(&bench, owner, Some(called)).await, [HourCount { fired: 1, ..hour(0) }]);
        assert_eq!(counts(&bench, owner, None).await, [HourCount { fired: 3, ..first }, second]);
        for whose in [Some(timed.id), None] {
            assert_eq!(runs(&bench, owner, whose).await, [skipped]);
        }
        assert_eq!(runs(&bench, owner, Some(called)).await, []);
    })
    .await;
}

async fn runs(bench: &Bench, owner: UserId, trigger: Option<TriggerId>) -> Vec<Skipped> {
    bench.store.skipped_counts(owner, trigger, Timestamp::MIN, Timestamp::MAX).await.expect("runs")
}

fn run(reason: Reason, first: i64, last: i64, count: u64) -> Skipped {
    Skipped { reason, first: t(first), last: t(last), count }
}

/// Carries out a plan in which nothing fires and these did not.
async fn pass_over(bench: &Bench, owner: UserId, id: TriggerId, skipped: Vec<Skipped>, now: Timestamp) {
    let Armed { trigger, next_at, .. } = bench.get(owner, id).await;
    let armed = next_at.expect("it waits for something");
    let plan = Plan { next_at: Some(armed + SignedDuration::from_secs(1)), skipped, ..Plan::default() };
    let planned = Planned { trigger: Arc::new(trigger), armed, plan, message_ids: Vec::new(), edition: 0 };
    assert_eq!(bench.store.commit_plans(vec![planned], now).await.expect("an answer").plans, 1);
}

#[tokio::test]
async fn a_year_is_one_row_and_what_lies_in_one_hour_is_another_for_each_reason() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, every("1m")).await.id;
        let other = bench.trigger(owner, every("1m")).await.id;
        let (begin, end) = (8_760 * HOUR, 8_763 * HOUR);
        let year = run(Reason::Missed, 60, begin, 525_600);
        pass_over(&bench, owner, id, vec![year], t(begin)).await;
        let hour = begin + HOUR;
        for (reason, minute) in [(Reason::Overlap, 1), (Reason::Overlap, 3), (Reason::Paused, 4), (Reason::Overlap, 9)]
        {
            let one = run(reason, hour + minute * 60, hour + (minute + 1) * 60, 2);
            pass_over(&bench, owner, id, vec![one], t(end)).await;
        }
        let together = run(Reason::Overlap, hour + 60, hour + 600, 6);
        let paused = run(Reason::Paused, hour + 240, hour + 300, 2);
        assert_eq!(runs(&bench, owner, Some(id)).await, [year, together, paused]);
        // Two triggers of the same absence are one row of their owner's.
        pass_over(&bench, owner, other, vec![year], t(end)).await;
        let both = Skipped { count: 2 * year.count, ..year };
        assert_eq!(runs(&bench, owner, None).await, [both, together, paused]);
        let within = async |from: i64, until: i64| {
            let runs = bench.store.skipped_counts(owner, Some(id), t(from), t(until)).await.expect("runs");
            let hours = bench.store.hour_counts(owner, Some(id), t(from), t(until)).await.expect("counts");
            (runs, hours.iter().map(|hour| hour.skipped).collect::<Vec<_>>())
        };
        assert_eq!(within(100 * HOUR, 102 * HOUR).await, (vec![year], vec![60, 60]));
        assert_eq!(within(0, HOUR).await, (vec![year], vec![59]));
        assert_eq!(within(begin, end).await, (vec![year, together, paused], vec![1, 8]));
        assert_eq!(within(begin + 1, hour).await, (vec![], vec![]), "no hour begins there");
        assert_eq!(
            within(200 * HOUR, 100 * HOUR).await,
            (vec![], vec![]),
            "a span that ends before it begins is empty"
        );
        assert_eq!(within(hour + HOUR, end).await, (vec![], vec![]));
        let other_user = bench.user("b").await;
        assert_eq!(runs(&bench, other_user, Some(id)).await, []);
        // The runs of a trigger outlive it.
        assert!(bench.store.delete_trigger(owner, id, t(end)).await.expect("an answer"));
        for _ in 0..5 {
            bench.store.expire(t(end), t(end), 1).await.expect("an answer");
        }
        assert_eq!(runs(&bench, owner, Some(id)).await, [year, together, paused]);
        assert_eq!(runs(&bench, owner, None).await, [both, together, paused]);
        assert_eq!(runs(&bench, owner, Some(other)).await, [year]);
        // A run goes when its last hour is older than counts are kept.
        let expire = async |now: Timestamp| bench.store.expire(t(0), now, 100).await.expect("an answer");
        expire(t(begin) + COUNTS_KEPT - SignedDuration::from_micros(1)).await;
        assert_eq!(runs(&bench, owner, Some(other)).await, [year]);
        expire(t(begin) + COUNTS_KEPT).await;
        assert_eq!(runs(&bench, owner, Some(other)).await, []);
        assert_eq!(runs(&bench, owner, Some(id)).await, [together, paused]);
        assert_eq!(runs(&bench, owner, None).await, [together, paused]);
        assert_eq!(runs(&bench, owner, Some(TriggerId(0))).await, [], "there is no trigger of that number");
    })
    .await;
}

#[tokio::test]
async fn what_is_written_down_whatever_is_behind_it_is_counted_by_its_reason() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, every("1m")).await.id;
        let most = u64::try_from(i64::MAX).expect("it is above zero");
        // More than a number holds is as much as one holds.
        for _ in 0..2 {
            pass_over(&bench, owner, id, vec![run(Reason::Missed, 60, 5 * HOUR, most - 1)], t(5 * HOUR)).await;
        }
        assert_eq!(runs(&bench, owner, Some(id)).await, [run(Reason::Missed, 60, 5 * HOUR, most)]);
        let armed = bench.get(owner, id).await;
        let edit = armed.trigger.edit(every("2m"), armed.next_at, t(8 * HOUR));
        let [superseded] = edit.skipped[..] else { panic!("hours were due: {:?}", edit.skipped) };
        bench.store.edit_trigger(edit, armed.next_at, t(8 * HOUR)).await.expect("an edit");
        assert!(runs(&bench, owner, Some(id)).await.contains(&superseded));
        assert_eq!(superseded.reason, Reason::Superseded);
    })
    .await;
}

#[tokio::test]
async fn what_is_only_tried_out_is_not_counted() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, api("api")).await.id;
        let call = bench.call(Origin::Test, None);
        bench.store.fire(owner, id, call, t(1)).await.expect("a test");
        bench
            .store
            .fire_unkept(owner, api("tried").into(), bench.message(), t(2))
            .await
            .expect("an answer")
            .expect("a trial");
        bench.settle_all(t(3), given_up).await;
        assert_eq!(counts(&bench, owner, None).await, []);
        assert_eq!(counts(&bench, owner, Some(id)).await, []);
    })
    .await;
}

#[tokio::test]
async fn a_span_holds_the_hours_that_begin_in_it() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, api("api")).await.id;
        for hours in [0, 1, 3] {
            bench.fire(owner, id, None, t(hours * HOUR + 5)).await;
        }
        let tick = SignedDuration::from_micros(1);
        for trigger in [None, Some(id)] {
            let hours = async |from: Timestamp, until: Timestamp| {
                let counts = bench.store.hour_counts(owner, trigger, from, until).await.expect("counts");
                counts.iter().map(|count| count.hour).collect::<Vec<_>>()
            };
            assert_eq!(hours(t(0), t(3 * HOUR)).await, [t(0), t(HOUR)]);
            assert_eq!(hours(t(0) + tick, t(3 * HOUR) + tick).await, [t(HOUR), t(3 * HOUR)]);
            assert_eq!(hours(t(HOUR), t(HOUR)).await, []);
            assert_eq!(hours(t(3 * HOUR), t(0)).await, [], "a span that ends before it begins is empty");
            assert_eq!(hours(t(4 * HOUR), Timestamp::MAX).await, []);
        }
        assert_eq!(counts(&bench, owner, Some(TriggerId(0))).await, [], "there is no trigger of that number");
    })
    .await;
}

#[tokio::test]
async fn the_counts_of_a_deleted_trigger_go_with_what_is_known_of_it_and_stay_in_the_total() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, api("api")).await.id;
        bench.fire(owner, id, None, t(1)).await;
        bench.fire(owner, id, None, t(HOUR)).await;
        assert!(bench.store.delete_trigger(owner, id, t(HOUR + 1)).await.expect("an answer"));
        let own = [HourCount { fired: 1, ..hour(0) }, HourCount { fired: 1, ..hour(HOUR) }];
        assert_eq!(counts(&bench, owner, Some(id)).await, own);
        bench.settle_all(t(HOUR + 2), |claim, now| answered(claim, 200, now)).await;
        let hours =
            [HourCount { fired: 1, delivered: 1, ..hour(0) }, HourCount { fired: 1, delivered: 1, ..hour(HOUR) }];
        assert_eq!(counts(&bench, owner, None).await, hours);
        assert_eq!(counts(&bench, owner, Some(id)).await, own, "what ends later is not added to it");
        for _ in 0..9 {
            bench.store.expire(t(HOUR + 1), t(HOUR + 1), 1).await.expect("an answer");
        }
        assert_eq!(counts(&bench, owner, Some(id)).await, []);
        assert_eq!(counts(&bench, owner, None).await, hours);
    })
    .await;
}

#[tokio::test]
async fn counts_outlive_their_events_and_go_at_their_own_age() {
    wherever_it_lasts(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, api("api")).await.id;
        bench.fire(owner, id, None, t(1)).await;
        bench.fire(owner, id, None, t(HOUR)).await;
        let both: [HourCount; 2] = counts(&bench, owner, Some(id)).await.try_into().expect("two hours");
        let expire = async |now: Timestamp| bench.store.expire(t(2 * HOUR), now, 100).await.expect("an answer");
        assert_eq!(expire(t(0) + COUNTS_KEPT - SignedDuration::from_micros(1)).await.events, 2);
        assert_eq!(bench.events(owner).await, []);
        let both = both.map(|count| HourCount { failed: 1, ..count });
        assert_eq!(counts(&bench, owner, Some(id)).await, both, "what was still owed has failed");
        expire(t(0) + COUNTS_KEPT).await;
        assert_eq!(counts(&bench, owner, Some(id)).await, both[1..]);
        let bench = bench.reopen().await;
        assert_eq!(counts(&bench, owner, None).await, both[1..]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_happens_at_once_is_counted_once_each() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let ids = [bench.trigger(owner, api("one")).await.id, bench.trigger(owner, api("two")).await.id];
        let mut calls = Vec::new();
        for number in 0..200 {
            let (store, call) = (bench.store.clone(), bench.call(Origin::Api, None));
            let id = ids[number % 2];
            calls.push(tokio::spawn(async move { store.fire(owner, id, call, t(1)).await.expect("a call") }));
        }
        for call in calls {
            call.await.expect("no panic");
        }
        let claims = bench.claim_all(t(2)).await;
        let mut settlements = Vec::new();
        for (number, claim) in claims.iter().enumerate() {
            let settlement = if number % 4 == 0 { given_up(claim, t(2)) } else { answered(claim, 200, t(2)) };
            let store = bench.store.clone();
            settlements.push(tokio::spawn(async move { store.settle(vec![settlement]).await.expect("a settlement") }));
        }
        for settlement in settlements {
            settlement.await.expect("no panic");
        }
        let all = HourCount { fired: 200, delivered: 150, failed: 50, ..hour(0) };
        assert_eq!(counts(&bench, owner, None).await, [all]);
        let mut sum = hour(0);
        for id in ids {
            counts(&bench, owner, Some(id)).await.iter().for_each(|own| sum.add(own));
        }
        assert_eq!(sum, all);
    })
    .await;
}
