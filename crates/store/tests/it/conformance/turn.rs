//! Turns by a destination's rate: never more than it allows, whoever asks, together or after a restart.

use jiff::{SignedDuration, Timestamp};
use oncue_domain::destination::definition::{Rate, Turns};
use oncue_domain::id::DestinationId;
use oncue_domain::store::Deleted;

use crate::bench::{Bench, everywhere, t, wherever_it_lasts};

/// Two in a second, and three at once.
const RATE: Rate = Rate { count: 2, per: SignedDuration::from_secs(1), burst: 3 };

async fn take(bench: &Bench, id: DestinationId, wanted: usize, now: Timestamp) -> Turns {
    bench.store.take_turns(id, RATE, wanted, now).await.expect("an answer")
}

#[tokio::test]
async fn turns_are_given_out_by_the_rate_and_each_destination_has_its_own() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let (one, two) = (bench.destination(owner, "one").await.id, bench.destination(owner, "two").await.id);
        let half = t(0) + SignedDuration::from_millis(500);
        assert_eq!(take(&bench, one, 2, t(0)).await, Turns { starts: vec![t(0); 2], next: Some(t(0)) });
        assert_eq!(take(&bench, one, 9, t(0)).await, Turns { starts: vec![t(0)], next: Some(half) });
        assert_eq!(take(&bench, one, 9, t(0)).await, Turns { starts: vec![], next: Some(half) });
        assert_eq!(take(&bench, two, 9, t(0)).await.starts.len(), 3);
        assert_eq!(take(&bench, one, 9, half).await, Turns { starts: vec![half], next: Some(t(1)) });
        assert_eq!(take(&bench, one, 9, t(60)).await.starts, [t(60); 3]);
    })
    .await;
}

#[tokio::test]
async fn those_who_ask_together_never_get_more_than_the_rate_allows() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.destination(owner, "d").await.id;
        for second in [0, 10] {
            let (a, b, c, d) = tokio::join!(
                take(&bench, id, 2, t(second)),
                take(&bench, id, 2, t(second)),
                take(&bench, id, 2, t(second)),
                take(&bench, id, 2, t(second))
            );
            let given: usize = [a, b, c, d].iter().map(|turns| turns.starts.len()).sum();
            assert_eq!(given, 3);
        }
    })
    .await;
}

#[tokio::test]
async fn a_restart_gives_nothing_out_again() {
    wherever_it_lasts(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.destination(owner, "d").await.id;
        assert_eq!(take(&bench, id, 9, t(0)).await.starts.len(), 3);
        let bench = bench.reopen().await;
        let half = t(0) + SignedDuration::from_millis(500);
        assert_eq!(take(&bench, id, 9, t(0)).await, Turns { starts: vec![], next: Some(half) });
    })
    .await;
}

#[tokio::test]
async fn a_destination_that_is_gone_has_no_turns() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.destination(owner, "d").await.id;
        assert_eq!(take(&bench, id, 1, t(0)).await.starts.len(), 1);
        assert_eq!(bench.store.delete_destination(owner, id, t(0)).await.expect("an answer"), Deleted::Done);
        assert_eq!(take(&bench, id, 1, t(0)).await, Turns::default());
    })
    .await;
}
