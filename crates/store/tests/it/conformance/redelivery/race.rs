//! Many at once: who sends again, who cancels, and who delivers. Whatever the order, nothing is owed twice, nothing is forgotten,
//! and every event is counted once.

use std::sync::Arc;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_send_one_delivery_again_one_does() {
    everywhere(async |bench| {
        let sent = Sent::to(&bench, 1).await;
        settle(&bench, vec![given_up(&only(&bench, t(0)).await, t(0))]).await;
        for round in 1..=5 {
            let now = t(100 * round);
            let tasks: Vec<_> = (0..8)
                .map(|_| {
                    let (store, owner, delivery) = (Arc::clone(&bench.store), sent.owner, sent.delivery(0));
                    tokio::spawn(async move { store.redeliver(owner, vec![delivery], RETENTION, now).await })
                })
                .collect();
            let mut done = 0;
            for task in tasks {
                let [outcome] = task.await.expect("no panic").expect("an answer").try_into().expect("one outcome");
                assert!(matches!(outcome, Ok(()) | Err(Refusal::Owed)), "{outcome:?}");
                done += usize::from(outcome.is_ok());
            }
            assert_eq!(done, 1);
            settle(&bench, vec![given_up(&only(&bench, now).await, now)]).await;
        }
        assert_eq!(sent.views(&bench).await[0].attempts.len(), 6);
        assert_eq!(sent.counts(&bench).await, (0, 1));
    })
    .await;
}

/// What somebody does over and over, whatever the others do.
async fn meddle(store: Arc<dyn oncue_domain::store::Store>, owner: UserId, events: Vec<EventId>, who: usize) {
    let slot = u32::try_from(who % 2).expect("small");
    for round in 0..12_usize {
        let now = t(i64::try_from(round).expect("small"));
        // Not all in the same order, so that they meet everywhere.
        let mut deliveries: Vec<DeliveryId> = events.iter().map(|event| DeliveryId { event: *event, slot }).collect();
        if who >= 2 {
            deliveries.reverse();
        }
        match who % 4 {
            0 | 1 => {
                let outcomes = store.redeliver(owner, deliveries, RETENTION, now).await.expect("an answer");
                assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(()) | Err(Refusal::Owed))), "{outcomes:?}");
            }
            2 => {
                let all = UndeliveredFilter::default();
                let done = store.redeliver_matching(owner, all, None, 100, RETENTION, now).await.expect("an answer");
                assert_eq!(done.go_on_after, None, "there are fewer than that");
            }
            _ => {
                for delivery in deliveries {
                    let outcome = store.cancel_delivery(owner, delivery, t(-1), now).await.expect("an answer");
                    assert_ne!(outcome, Err(CancelRefusal::NotFound));
                }
            }
        }
        let claims = store.claim_deliveries(now, 7).await.expect("claims");
        let becomes = |(place, claim): (usize, &Claim)| match (place + round + who) % 3 {
            0 => given_up(claim, now),
            1 => answered(claim, 200, now),
            _ => answered(claim, 500, now),
        };
        store.settle(claims.iter().enumerate().map(becomes).collect()).await.expect("a settlement");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_sends_again_cancels_and_delivers_at_once_nothing_is_doubled_or_forgotten() {
    everywhere(async |bench| nothing_is_doubled_or_forgotten(&[bench]).await).await;
}

/// Everybody is at it at once, on each of these nodes of one store.
pub(crate) async fn nothing_is_doubled_or_forgotten(nodes: &[Bench]) {
    let bench = &nodes[0];
    let Sent { owner, trigger, event, .. } = Sent::to(bench, 2).await;
    let mut events = vec![event];
    for _ in 0..11 {
        events.push(bench.fire(owner, trigger, None, t(0)).await);
    }
    let tasks: Vec<_> = (0..8)
        .map(|who| tokio::spawn(meddle(Arc::clone(&nodes[who % nodes.len()].store), owner, events.clone(), who)))
        .collect();
    for task in tasks {
        task.await.expect("no panic");
    }
    // What is still owed is delivered: nothing was forgotten, and nothing is held for ever.
    for round in 1..20 {
        let now = t(round * 10_000);
        for node in nodes {
            let claims = node.claim_all(now).await;
            settle(node, claims.iter().map(|claim| answered(claim, 200, now)).collect()).await;
        }
    }
    let backlog = bench.store.owed_counts().await.expect("an answer");
    assert_eq!(backlog.owed, 0);
    let (mut failed, mut given_up) = (0, 0);
    for event in &events {
        let views = bench.store.event(owner, *event, t(-1)).await.expect("an answer").expect("it is there").1;
        assert_eq!(views.len(), 2);
        for view in &views {
            assert!(matches!(view.state, State::Delivered | State::Failed), "{view:?}");
            let has_arrived = view.attempts.iter().any(|attempt| attempt.status == Some(200));
            assert_eq!(view.state == State::Delivered, has_arrived, "{view:?}");
            let numbers: Vec<u32> = view.attempts.iter().map(|attempt| attempt.number).collect();
            assert_eq!(numbers, (1..).take(numbers.len()).collect::<Vec<u32>>(), "attempts are counted one by one");
        }
        let lost = views.iter().filter(|view| view.state == State::Failed).count() as u64;
        failed += u64::from(lost > 0);
        given_up += lost;
    }
    assert_eq!(backlog.undelivered, given_up);
    let delivered = events.len() as u64 - failed;
    assert_eq!(counts(bench, owner, trigger).await, ((delivered, failed), (delivered, failed)));
    let search = EventSearch { outcome: Some(Outcome::Failed), ..EventSearch::default() };
    let found = bench.store.event_lines(owner, search, EventPage::NewestFirst(None), 100).await.expect("a search");
    assert_eq!(found.lines.len() as u64, failed, "what is counted as failed is found as failed");
}
