//! What arrives at inboxes: kept whole, shown to its owner alone, and gone when there is no room, with its destination, or with age.

use std::sync::{Arc, Mutex};

use jiff::SignedDuration;
use oncue_domain::arrival::{ARRIVAL_BYTES_MAX, ARRIVALS_MAX, Arrival, Arrived, Check, Contents};
use oncue_domain::destination::Destination;
use oncue_domain::id::{ArrivalId, EventId, UserId};
use oncue_domain::store::{Change, Deleted};

use crate::bench::{Bench, everywhere, t};

fn arrived(at: &Destination, seconds: i64) -> Arrived {
    Arrived {
        destination: at.id,
        event: EventId(7),
        slot: 2,
        attempt: 3,
        at: t(seconds),
        method: "PUT".to_owned(),
        body_bytes: 300_000,
        check: Check::Signed("4be0643f".to_owned()),
        answer: Some(503),
        waited: SignedDuration::from_micros(1_500_001),
    }
}

fn contents(body: &[u8]) -> Contents {
    let headers = [("x-a", "1"), ("x-a", "nämé \"'\\"), ("webhook-id", "evt_1")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    Contents { headers, body: body.to_vec() }
}

async fn arrive(bench: &Bench, at: &Destination, seconds: i64, body: &[u8]) {
    let arriving = bench.store.arrive(at.owner, arrived(at, seconds), contents(body));
    assert!(arriving.await.expect("a store that answers"));
}

async fn list(bench: &Bench, owner: UserId, at: &Destination) -> Vec<Arrival> {
    bench.store.arrivals(owner, at.id, None, 2000).await.expect("a list")
}

/// When what is kept arrived, the latest first.
async fn instants(bench: &Bench, at: &Destination) -> Vec<i64> {
    let kept = list(bench, at.owner, at).await;
    kept.iter().map(|arrival| arrival.arrived.at.duration_since(t(0)).as_secs()).collect()
}

#[tokio::test]
async fn what_arrives_is_kept_as_it_came() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let (one, other) = (bench.destination(owner, "one").await, bench.destination(owner, "other").await);
        let body: Vec<u8> = (0..=255).collect();
        arrive(&bench, &one, 1, &body).await;
        let forged = Arrived {
            check: Check::Unverified("no signature fits".to_owned()),
            answer: None,
            slot: 0,
            ..arrived(&other, 2)
        };
        let empty = Contents { headers: Vec::new(), body: Vec::new() };
        assert!(bench.store.arrive(owner, forged.clone(), empty.clone()).await.expect("an answer"));
        let unsigned = Arrived { check: Check::Unsigned, ..arrived(&other, 3) };
        assert!(bench.store.arrive(owner, unsigned.clone(), contents(b"x")).await.expect("an answer"));
        let first = list(&bench, owner, &one).await;
        assert_eq!(first.iter().map(|arrival| &arrival.arrived).collect::<Vec<_>>(), [&arrived(&one, 1)]);
        let get = async |id| bench.store.arrival(owner, id).await.expect("an answer");
        assert_eq!(get(first[0].id).await, Some((first[0].clone(), contents(&body))));
        let rest = list(&bench, owner, &other).await;
        assert_eq!(rest.iter().map(|arrival| &arrival.arrived).collect::<Vec<_>>(), [&unsigned, &forged]);
        assert_eq!(get(rest[1].id).await, Some((rest[1].clone(), empty)));
    })
    .await;
}

#[tokio::test]
async fn arrivals_come_in_pages_the_latest_first() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let at = bench.destination(owner, "d").await;
        for seconds in [5, 3, 9] {
            arrive(&bench, &at, seconds, b"").await;
        }
        assert_eq!(instants(&bench, &at).await, [9, 3, 5], "in the order of arrival, whatever the clock said");
        let page = async |before, limit| bench.store.arrivals(owner, at.id, before, limit).await.expect("a list");
        let all = list(&bench, owner, &at).await;
        assert_eq!(page(None, 2).await, all[..2]);
        assert_eq!(page(Some(all[1].id), 2).await, all[2..]);
        assert_eq!(page(Some(all[2].id), 2).await, []);
    })
    .await;
}

#[tokio::test]
async fn anothers_arrivals_look_like_none() {
    everywhere(async |bench| {
        let (anna, ben) = (bench.user("anna").await, bench.user("ben").await);
        let (hers, his) = (bench.destination(anna, "hers").await, bench.destination(ben, "his").await);
        arrive(&bench, &hers, 1, b"secret").await;
        let id = list(&bench, anna, &hers).await[0].id;
        assert_eq!(list(&bench, ben, &hers).await, []);
        for id in [id, ArrivalId(999)] {
            assert_eq!(bench.store.arrival(ben, id).await.expect("an answer"), None);
        }
        assert!(!bench.store.arrive(ben, arrived(&hers, 2), contents(b"")).await.expect("an answer"));
        assert_eq!(instants(&bench, &hers).await, [1]);
        for seconds in 0..3 {
            arrive(&bench, &his, seconds, b"").await;
        }
        assert_eq!(instants(&bench, &hers).await, [1]);
    })
    .await;
}

#[tokio::test]
async fn beyond_so_many_the_oldest_go_whichever_inbox_they_are_in() {
    everywhere(async |bench| {
        let (owner, other) = (bench.user("a").await, bench.user("b").await);
        let (one, two) = (bench.destination(owner, "one").await, bench.destination(owner, "two").await);
        let apart = bench.destination(other, "another's").await;
        arrive(&bench, &apart, 0, b"").await;
        arrive(&bench, &one, 1, b"").await;
        arrive(&bench, &one, 2, b"").await;
        let rest = 3..=i64::try_from(ARRIVALS_MAX).expect("few");
        futures_util::future::join_all(rest.map(|seconds| arrive(&bench, &two, seconds, b""))).await;
        assert_eq!(instants(&bench, &one).await, [2, 1], "there is room for so many");
        arrive(&bench, &two, 2000, b"").await;
        assert_eq!(instants(&bench, &one).await, [2, 1], "nobody looks at each of them");
        arrive(&bench, &two, 2001, &[b'x'; 20_000]).await;
        assert!(instants(&bench, &one).await.is_empty(), "one that is large looks");
        assert_eq!(instants(&bench, &two).await.len(), ARRIVALS_MAX);
        let more = futures_util::future::join_all((3000..3050).map(|seconds| arrive(&bench, &two, seconds, b"")));
        assert_eq!(more.await.len(), 50);
        let there = instants(&bench, &two).await.len();
        assert!((ARRIVALS_MAX..ARRIVALS_MAX + 50).contains(&there), "one of so many looks: {there}");
        assert_eq!(instants(&bench, &apart).await, [0]);
    })
    .await;
}

#[tokio::test]
async fn beyond_so_many_bytes_the_oldest_go() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let at = bench.destination(owner, "d").await;
        let third = vec![b'x'; usize::try_from(ARRIVAL_BYTES_MAX / 3).expect("it fits")];
        for seconds in 1..=4 {
            arrive(&bench, &at, seconds, &third).await;
        }
        assert_eq!(instants(&bench, &at).await, [4, 3], "three are more than there is room for, with their headers");
        arrive(&bench, &at, 5, b"small").await;
        assert_eq!(instants(&bench, &at).await, [5, 4, 3]);
    })
    .await;
}

#[tokio::test]
async fn what_arrived_goes_with_its_destination() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let (gone, left) = (bench.destination(owner, "gone").await, bench.destination(owner, "left").await);
        arrive(&bench, &gone, 1, b"").await;
        arrive(&bench, &left, 2, b"").await;
        let id = list(&bench, owner, &gone).await[0].id;
        assert_eq!(bench.store.delete_destination(owner, gone.id, t(3)).await.expect("an answer"), Deleted::Done);
        assert_eq!(bench.store.arrival(owner, id).await.expect("an answer"), None);
        assert!(!bench.store.arrive(owner, arrived(&gone, 4), contents(b"")).await.expect("an answer"));
        assert_eq!((instants(&bench, &gone).await, instants(&bench, &left).await), (vec![], vec![2]));
    })
    .await;
}

#[tokio::test]
async fn what_arrived_goes_with_age_in_slices() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let at = bench.destination(owner, "d").await;
        for seconds in [40, 10, 30, 20] {
            arrive(&bench, &at, seconds, b"").await;
        }
        let expire =
            async |gone_until, limit| bench.store.expire(t(gone_until), t(100), limit).await.expect("an answer");
        expire(30, 2).await;
        assert_eq!(instants(&bench, &at).await, [30, 40], "the oldest first");
        expire(30, 2).await;
        assert_eq!(instants(&bench, &at).await, [40]);
    })
    .await;
}

#[tokio::test]
async fn an_arrival_is_told_to_whose_inbox_it_is() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let at = bench.destination(owner, "d").await;
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ear = Arc::clone(&heard);
        bench.store.subscribe(Arc::new(move |change| ear.lock().expect("no panic").push(change)));
        arrive(&bench, &at, 1, b"").await;
        assert_eq!(*heard.lock().expect("no panic"), [Change::Settled(owner)]);
    })
    .await;
}
