//! Signs of life and absences, also across a restart.

use jiff::{SignedDuration, Timestamp};
use oncue_domain::agenda::Span;
use oncue_domain::plan::Absence;
use oncue_domain::store::ABSENCES_KEPT;

use crate::bench::{Bench, every, everywhere, t, wherever_it_lasts};

async fn begin(bench: &Bench, now: Timestamp) -> Vec<Absence> {
    bench.store.begin_presence(now).await.expect("a store that answers")
}

fn absence(from: Timestamp, to: Timestamp) -> Absence {
    Absence { from, to }
}

#[tokio::test]
async fn the_first_presence_follows_no_absence() {
    everywhere(async |bench| {
        assert_eq!(begin(&bench, t(0)).await, []);
        assert_eq!(begin(&bench, t(0)).await, [], "and none without length");
    })
    .await;
}

#[tokio::test]
async fn without_a_sign_of_life_an_absence_begins_before_what_is_armed() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        bench.trigger(owner, every("1m")).await;
        let from = t(60) - SignedDuration::from_micros(1);
        assert_eq!(begin(&bench, t(600)).await, [absence(from, t(600))]);
    })
    .await;
}

#[tokio::test]
async fn silence_between_two_beginnings_is_an_absence() {
    everywhere(async |bench| {
        begin(&bench, t(0)).await;
        bench.store.sign_of_life(t(10));
        assert_eq!(begin(&bench, t(100)).await, [absence(t(10), t(100))]);
        bench.store.sign_of_life(t(500));
        assert_eq!(begin(&bench, t(700)).await, [absence(t(10), t(100)), absence(t(500), t(700))]);
    })
    .await;
}

#[tokio::test]
async fn a_sign_of_life_long_after_what_is_armed_is_not_believed() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        bench.trigger(owner, every("1m")).await;
        bench.store.sign_of_life(t(60 + 299));
        assert_eq!(begin(&bench, t(400)).await, [absence(t(359), t(400))]);
        bench.store.sign_of_life(t(60 + 301));
        let from = t(60) - SignedDuration::from_micros(1);
        assert_eq!(begin(&bench, t(500)).await, [absence(from, t(500)), absence(t(359), t(400))]);
    })
    .await;
}

#[tokio::test]
async fn an_absence_is_forgotten_when_nothing_can_come_so_late() {
    everywhere(async |bench| {
        begin(&bench, t(0)).await;
        assert_eq!(begin(&bench, t(100)).await, [absence(t(0), t(100))]);
        let last = t(100) + ABSENCES_KEPT;
        bench.store.sign_of_life(last - SignedDuration::from_micros(1));
        let kept = begin(&bench, last - SignedDuration::from_micros(1)).await;
        assert_eq!(kept, [absence(t(0), t(100))]);
        bench.store.sign_of_life(last);
        assert_eq!(begin(&bench, last).await, []);
    })
    .await;
}

#[tokio::test]
async fn an_absence_is_told_for_as_long_as_a_record_may_tell_of_it() {
    everywhere(async |bench| {
        begin(&bench, t(0)).await;
        assert_eq!(begin(&bench, t(100)).await, [absence(t(0), t(100))]);
        let all = Span { from: Timestamp::MIN, until: Timestamp::MAX };
        let told = async || bench.store.absences(all).await.expect("a list");
        // A record that is kept for thirty days is one of the absence until then.
        let (month, micro) = (t(100) + SignedDuration::from_hours(30 * 24), SignedDuration::from_micros(1));
        bench.store.sign_of_life(month);
        assert_eq!(begin(&bench, month).await, [], "no plan hangs on it any more");
        assert_eq!(told().await, [absence(t(0), t(100))]);
        let gone = t(100) + ABSENCES_KEPT;
        bench.store.expire(gone - micro, month, 10).await.expect("a store that answers");
        assert_eq!(told().await, [absence(t(0), t(100))]);
        bench.store.expire(gone, month, 10).await.expect("a store that answers");
        assert_eq!(told().await, []);
    })
    .await;
}

#[tokio::test]
async fn a_clock_that_was_put_back_makes_no_absence() {
    everywhere(async |bench| {
        begin(&bench, t(1000)).await;
        assert_eq!(begin(&bench, t(500)).await, []);
        assert_eq!(begin(&bench, t(600)).await, [absence(t(500), t(600))], "life counts from the clock as it is now");
    })
    .await;
}

#[tokio::test]
async fn signs_of_life_and_absences_outlive_the_server() {
    wherever_it_lasts(async |bench| {
        begin(&bench, t(0)).await;
        bench.store.sign_of_life(t(50));
        let bench = bench.reopen().await;
        assert_eq!(begin(&bench, t(100)).await, [absence(t(50), t(100))]);
        let bench = bench.reopen().await;
        assert_eq!(begin(&bench, t(130)).await, [absence(t(50), t(100)), absence(t(100), t(130))]);
    })
    .await;
}
