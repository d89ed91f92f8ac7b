//! Firings in short: the latest of a trigger, those that can still be read and those that cannot.

use jiff::{SignedDuration, Timestamp};
use oncue_domain::event::Origin;
use oncue_domain::firing::{FIRINGS_KEPT, Firing, Outcome};
use oncue_domain::id::{EventId, TriggerId, UserId};
use oncue_domain::store::RecentFirings;

use crate::bench::{Bench, LASTING, answered, api, every, everywhere, given_up, t, unanswered, wherever_it_lasts};

async fn recent(bench: &Bench, owner: UserId, id: TriggerId, gone_until: i64, limit: usize) -> Vec<Firing> {
    let of = bench.store.recent_firings(owner, vec![id], t(gone_until), limit).await.expect("firings");
    let [RecentFirings { trigger, firings }] = of.try_into().expect("one trigger");
    assert_eq!(trigger, id);
    firings
}

fn numbers(firings: &[Firing]) -> Vec<EventId> {
    firings.iter().map(|firing| firing.event).collect()
}

async fn gone(bench: &Bench, owner: UserId, id: EventId, gone_until: i64) -> Option<(TriggerId, Firing)> {
    bench.store.gone_firing(owner, id, t(gone_until)).await.expect("an answer")
}

#[tokio::test]
async fn a_firing_says_what_became_of_it_and_how_long_that_took() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let timed = bench.trigger(owner, every("1m")).await.id;
        let event = bench.fire_due(owner, timed, t(61)).await;
        let mut expected = Firing {
            event,
            origin: Origin::Schedule,
            scheduled_at: Some(t(60)),
            due_at: None,
            fired_at: t(61),
            outcome: Outcome::Pending,
            attempts: 0,
            took: None,
            is_kept: true,
        };
        assert_eq!(recent(&bench, owner, timed, 0, 10).await, [expected]);
        assert_eq!(expected.lateness(), Some(SignedDuration::from_secs(1)));
        bench.settle_all(t(62), unanswered).await;
        let took = |seconds: i64, millis: i64| Some(SignedDuration::from_millis(seconds * 1000 + millis));
        expected = Firing { attempts: 1, took: took(1, 7), ..expected };
        assert_eq!(recent(&bench, owner, timed, 0, 10).await, [expected], "a further attempt is owed");
        bench.settle_all(t(90), |claim, now| answered(claim, 200, now)).await;
        expected = Firing { attempts: 2, took: took(29, 12), outcome: Outcome::Delivered, ..expected };
        assert_eq!(recent(&bench, owner, timed, 0, 10).await, [expected]);
        let failed = bench.fire_due(owner, timed, t(120)).await;
        bench.settle_all(t(121), given_up).await;
        let newest = recent(&bench, owner, timed, 0, 1).await;
        assert_eq!((numbers(&newest), newest[0].outcome), (vec![failed], Outcome::Failed));
    })
    .await;
}

#[tokio::test]
async fn without_a_destination_a_firing_is_only_logged() {
    for kind in LASTING {
        let bench = Bench::new(kind, false).await;
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, api("api")).await.id;
        bench.fire(owner, id, None, t(1)).await;
        let firings = recent(&bench, owner, id, 0, 10).await;
        assert_eq!((firings[0].outcome, firings[0].attempts, firings[0].took), (Outcome::Logged, 0, None));
    }
}

#[tokio::test]
async fn the_latest_firings_come_newest_first_without_tests() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let (one, two) = (bench.trigger(owner, api("one")).await.id, bench.trigger(owner, api("two")).await.id);
        let mut of_one = Vec::new();
        for seconds in 1..=5 {
            of_one.insert(0, bench.fire(owner, one, None, t(seconds)).await);
            bench.store.fire(owner, one, bench.call(Origin::Test, None), t(seconds)).await.expect("a test");
        }
        let of_two = bench.fire(owner, two, None, t(3)).await;
        assert_eq!(numbers(&recent(&bench, owner, one, 0, 10).await), of_one);
        assert_eq!(numbers(&recent(&bench, owner, one, 0, 2).await), of_one[..2]);
        assert_eq!(recent(&bench, owner, one, 0, 0).await, []);
        let asked = vec![two, TriggerId(999), one, two];
        let found = bench.store.recent_firings(owner, asked.clone(), t(0), 1).await.expect("firings");
        assert_eq!(
            found.iter().map(|recent| recent.trigger).collect::<Vec<_>>(),
            asked,
            "in the order of the question"
        );
        let firings: Vec<_> = found.iter().map(|recent| numbers(&recent.firings)).collect();
        assert_eq!(firings, [vec![of_two], vec![], vec![of_one[0]], vec![of_two]]);
    })
    .await;
}

#[tokio::test]
async fn a_firing_stays_in_short_when_its_event_is_gone() {
    wherever_it_lasts(async |bench| {
        let owner = bench.user("a").await;
        let timed = bench.trigger(owner, every("1m")).await.id;
        let old = bench.fire_due(owner, timed, t(61)).await;
        bench.settle_all(t(62), given_up).await;
        bench.store.fire(owner, timed, bench.call(Origin::Test, None), t(63)).await.expect("a test");
        let young = bench.fire_due(owner, timed, t(121)).await;
        let before = recent(&bench, owner, timed, 0, 10).await;
        assert_eq!(numbers(&before), [young, old]);
        let expected = [before[0], Firing { is_kept: false, ..before[1] }];
        // It cannot be read any more from the moment on at which it is too old, removed or not.
        assert_eq!(recent(&bench, owner, timed, 61, 10).await, expected);
        assert_eq!(gone(&bench, owner, old, 60).await, None);
        assert_eq!(gone(&bench, owner, old, 61).await, Some((timed, expected[1])));
        assert_eq!(bench.store.expire(t(63), t(200), 10).await.expect("an answer").events, 2);
        assert_eq!(recent(&bench, owner, timed, 63, 10).await, expected);
        assert_eq!(gone(&bench, owner, old, 63).await, Some((timed, expected[1])));
        assert_eq!(gone(&bench, owner, young, 63).await, None, "it is not gone");
        assert_eq!(gone(&bench, owner, EventId(999), 63).await, None);
        let bench = bench.reopen().await;
        assert_eq!(recent(&bench, owner, timed, 63, 10).await, expected);
    })
    .await;
}

#[tokio::test]
async fn so_many_firings_of_a_trigger_are_remembered_in_whatever_slices_they_go() {
    for slice in [1, 7, 1000] {
        everywhere(async |bench| {
            let owner = bench.user("a").await;
            let busy = bench.trigger(owner, api("busy")).await.id;
            let rare = bench.trigger(owner, api("rare")).await.id;
            let first = bench.fire(owner, rare, None, t(0)).await;
            let mut all = Vec::new();
            for number in 0..70 {
                // Several at the same instant, and over more than one hour.
                all.insert(0, bench.fire(owner, busy, None, t(number / 3 * 600)).await);
            }
            let kept = all[..FIRINGS_KEPT].to_vec();
            for gone_until in [1000, 5000, 14_000, 1_000_000] {
                while bench.store.expire(t(gone_until), t(gone_until), slice).await.expect("an answer").events == slice
                {
                }
                let firings = recent(&bench, owner, busy, gone_until, 1000).await;
                assert_eq!(numbers(&firings), kept, "{gone_until} in slices of {slice}");
                assert!(firings.iter().all(|firing| firing.is_kept == (firing.fired_at > t(gone_until))));
                assert_eq!(numbers(&recent(&bench, owner, rare, gone_until, 1000).await), [first]);
            }
            assert!(gone(&bench, owner, kept[FIRINGS_KEPT - 1], 1_000_000).await.is_some());
            assert_eq!(gone(&bench, owner, all[FIRINGS_KEPT], 1_000_000).await, None, "it is one too many");
            let newest = bench.fire(owner, busy, None, t(2_000_000)).await;
            let firings = numbers(&recent(&bench, owner, busy, 1_000_000, 1000).await);
            assert_eq!((firings.len(), firings[0], firings[1]), (FIRINGS_KEPT, newest, kept[0]));
        })
        .await;
    }
}

#[tokio::test]
async fn a_clock_that_was_put_back_does_not_mix_up_the_order() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, api("api")).await.id;
        let ahead = bench.fire(owner, id, None, t(9000)).await;
        bench.store.expire(t(10_000), t(10_000), 10).await.expect("an answer");
        let behind = bench.fire(owner, id, None, t(10)).await;
        let between = bench.fire(owner, id, None, t(20)).await;
        assert_eq!(numbers(&recent(&bench, owner, id, 0, 10).await), [ahead, between, behind]);
        assert_eq!(numbers(&recent(&bench, owner, id, 0, 1).await), [ahead]);
        bench.store.expire(t(15), t(30), 10).await.expect("an answer");
        assert_eq!(numbers(&recent(&bench, owner, id, 0, 10).await), [ahead, between, behind]);
    })
    .await;
}

#[tokio::test]
async fn a_deleted_trigger_leaves_no_firing_behind() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, api("api")).await.id;
        let (old, young) = (bench.fire(owner, id, None, t(1)).await, bench.fire(owner, id, None, t(50)).await);
        bench.store.expire(t(10), t(60), 10).await.expect("an answer");
        assert!(gone(&bench, owner, old, 10).await.is_some());
        bench.store.delete_trigger(owner, id, t(60)).await.expect("an answer");
        assert_eq!(recent(&bench, owner, id, 10, 10).await, []);
        assert_eq!(gone(&bench, owner, old, 10).await, None);
        bench.store.expire(t(60), t(70), 10).await.expect("an answer");
        assert_eq!(recent(&bench, owner, id, 60, 10).await, []);
        assert_eq!(gone(&bench, owner, young, 60).await, None);
    })
    .await;
}

#[tokio::test]
async fn an_event_that_was_still_owed_has_failed() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, api("api")).await.id;
        let event = bench.fire(owner, id, None, t(1)).await;
        let claims = bench.claim_all(t(1)).await;
        bench.store.expire(t(10), t(20), 10).await.expect("an answer");
        bench.store.settle(vec![answered(&claims[0], 200, t(21))]).await.expect("a settlement");
        let (_, firing) = gone(&bench, owner, event, 10).await.expect("it is remembered");
        assert_eq!((firing.outcome, firing.attempts, firing.took), (Outcome::Failed, 0, None));
        let counts = bench.store.hour_counts(owner, Some(id), Timestamp::MIN, Timestamp::MAX).await.expect("counts");
        assert_eq!((counts[0].fired, counts[0].delivered, counts[0].failed), (1, 0, 1));
    })
    .await;
}
