//! Receipts: each attempt has its own, they are the owner's alone, and the same body is kept once.

use jiff::SignedDuration;
use oncue_domain::delivery::{Claim, Settlement};
use oncue_domain::id::{EventId, UserId};
use oncue_domain::outbound::{Exchange, Facts};
use oncue_domain::receipt::{Draft, Receipt, Sent};
use rusqlite::Connection;

use super::destination::sending_to;
use crate::bench::{Bench, Kind, answered, everywhere, given_up, request, t};

/// An event with two deliveries, fired at `t(0)`.
async fn owe(bench: &Bench) -> (UserId, EventId) {
    let owner = bench.user("a").await;
    let (one, two) = (bench.destination(owner, "one").await.id, bench.destination(owner, "two").await.id);
    let trigger = bench.trigger(owner, sending_to(&[one, two])).await.id;
    (owner, bench.fire(owner, trigger, None, t(0)).await)
}

async fn settle(bench: &Bench, settlements: Vec<Settlement>) {
    bench.store.settle(settlements).await.expect("a store that answers");
}

async fn receipt(bench: &Bench, owner: UserId, event: EventId, slot: u32, number: u32) -> Option<Receipt> {
    bench.store.receipt(owner, event, slot, number, t(-1)).await.expect("an answer")
}

/// The bodies of the first attempts of the first delivery, as they are read.
async fn bodies(bench: &Bench, owner: UserId, event: EventId, attempts: u32) -> Vec<String> {
    let mut bodies = Vec::new();
    for number in 1..=attempts {
        let sent: Sent =
            receipt(bench, owner, event, 0, number).await.and_then(|receipt| receipt.sent).expect("it was sent");
        bodies.push(String::from_utf8(sent.body.to_vec()).expect("a text"));
    }
    bodies
}

/// The first delivery is tried at these times, each time without success; gives what was sent.
async fn try_often(bench: &Bench, seconds: &[i64]) -> Vec<String> {
    let mut sent = Vec::new();
    for second in seconds {
        for claim in bench.claim_all(t(*second)).await {
            if claim.slot == 0 {
                sent.push(String::from_utf8(request(&claim).body.to_vec()).expect("a text"));
            }
            let settlement =
                if claim.slot == 0 { answered(&claim, 500, t(*second)) } else { given_up(&claim, t(*second)) };
            settle(bench, vec![settlement]).await;
        }
    }
    assert_eq!(sent.len(), seconds.len(), "it was due each time");
    sent
}

/// Late enough for each next attempt.
const TIMES: [i64; 4] = [1, 100, 2_000, 20_000];

#[tokio::test]
async fn each_attempt_has_a_receipt_of_its_own_and_only_its_owner_reads_it() {
    everywhere(async |bench| {
        let (owner, event) = owe(&bench).await;
        let other = bench.user("b").await;
        let sent = try_often(&bench, &TIMES).await;
        assert!(sent[0] == sent[1] && sent[1] != sent[2] && sent[2] == sent[3]);
        assert_eq!(bodies(&bench, owner, event, 4).await, sent);
        let first = receipt(&bench, owner, event, 0, 1).await.expect("it was tried");
        assert_eq!(first.queue_us, Some(1_000_000), "it was due at once");
        let request = first.sent.expect("a request");
        assert_eq!(request.address, "https://example.com/hook");
        let headers: Vec<_> = request.headers.iter().map(|header| (&*header.name, header.value.is_some())).collect();
        assert_eq!(headers, [("webhook-id", true), ("x-key", false)]);
        assert!(receipt(&bench, owner, event, 1, 1).await.is_some_and(|other| other.sent != Some(request)));
        for (who, slot, number) in [(owner, 0, 0), (owner, 0, 5), (owner, 2, 1), (owner, 1, 2), (other, 0, 1)] {
            assert_eq!(receipt(&bench, who, event, slot, number).await, None, "{who} {slot} {number}");
        }
        assert_eq!(receipt(&bench, owner, EventId(event.0 + 1), 0, 1).await, None);
        let gone = bench.store.receipt(owner, event, 0, 1, t(0)).await.expect("an answer");
        assert_eq!(gone, None, "it goes with its event");
    })
    .await;
}

#[tokio::test]
async fn an_attempt_may_have_no_receipt_or_one_of_nothing_sent() {
    everywhere(async |bench| {
        let (owner, event) = owe(&bench).await;
        let bare = |claim: &Claim, second| Settlement { receipt: None, ..answered(claim, 500, t(second)) };
        let unsent = |claim: &Claim, second| {
            let mut exchange = Exchange {
                result: Err(oncue_domain::outbound::Failure("No.".to_owned())),
                took: std::time::Duration::ZERO,
                facts: Facts::default(),
            };
            let receipt = Draft::unsent().finish(claim, &mut exchange, t(second));
            Settlement { receipt: Some(receipt), ..answered(claim, 500, t(second)) }
        };
        for (second, number) in TIMES.into_iter().zip(1..) {
            let claims = bench.claim_all(t(second)).await;
            let claim = claims.iter().find(|claim| claim.slot == 0).expect("it is due");
            let settlement = match number {
                1 => bare(claim, second),
                3 => unsent(claim, second),
                _ => answered(claim, 500, t(second)),
            };
            settle(&bench, vec![settlement]).await;
        }
        assert_eq!(receipt(&bench, owner, event, 0, 1).await, None);
        let third = receipt(&bench, owner, event, 0, 3).await.expect("it has a receipt");
        assert_eq!(third.sent, None, "whatever was sent before");
        for number in [2, 4] {
            let sent =
                receipt(&bench, owner, event, 0, number).await.and_then(|receipt| receipt.sent).expect("it was sent");
            assert_eq!(sent.body.len() as u64, sent.body_bytes, "{number}");
        }
        let views = bench.store.event(owner, event, t(-1)).await.expect("an answer").expect("it is there").1;
        assert_eq!(views[0].attempts.len(), 4);
    })
    .await;
}

#[tokio::test]
async fn a_claim_says_since_when_its_delivery_was_due() {
    everywhere(async |bench| {
        let (owner, event) = owe(&bench).await;
        let claims = bench.claim_all(t(7)).await;
        assert!(claims.iter().all(|claim| claim.due_at == t(0)), "since it fired");
        let retry = answered(&claims[0], 500, t(8));
        let oncue_domain::delivery::Verdict::Retry(due_at) = retry.verdict else { panic!("attempts are left") };
        settle(&bench, vec![retry]).await;
        let again = bench.claim_all(due_at + SignedDuration::from_secs(9)).await;
        assert_eq!(again.iter().map(|claim| (claim.slot, claim.due_at)).collect::<Vec<_>>(), [(0, due_at)]);
        settle(&bench, vec![answered(&again[0], 200, due_at + SignedDuration::from_secs(10))]).await;
        assert_eq!(receipt(&bench, owner, event, 0, 2).await.and_then(|receipt| receipt.queue_us), Some(10_000_000));
        let lapsed = bench.claim_all(t(1000)).await;
        assert!(lapsed.iter().all(|claim| (t(0)..=t(7)).contains(&claim.due_at)), "{lapsed:?}");
    })
    .await;
}

#[tokio::test]
async fn the_same_body_is_kept_once() {
    for kind in [Kind::SqliteFile, Kind::Postgres] {
        let bench = Bench::new(kind, true).await;
        let (owner, event) = owe(&bench).await;
        let sent = try_often(&bench, &TIMES).await;
        let kept = match kind {
            Kind::Postgres => bench.sql("SELECT count(body) FROM attempts WHERE slot = 0"),
            _ => {
                let count =
                    "SELECT count(body) FROM attempts JOIN receipts ON receipts.id = attempts.receipt WHERE slot = 0";
                let connection = Connection::open(bench.path()).expect("the database's file");
                connection.query_row(count, [], |row| row.get::<_, i64>(0)).expect("a count").to_string()
            }
        };
        assert_eq!(kept.trim(), "2", "of four, on {kind:?}");
        assert_eq!(bodies(&bench, owner, event, 4).await, sent);
    }
}
