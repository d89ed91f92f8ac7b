//! Deliveries: owed, claimed by one, settled by whoever still holds the claim, and what is left of them after a restart.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use oncue_domain::delivery::{CLAIM_FOR, Claim, Ladder, Settlement, State, Verdict};
use oncue_domain::destination::Target;
use oncue_domain::id::{EventId, UserId};
use oncue_domain::store::DeliveryView;
use oncue_domain::trigger::Definition;

use crate::bench::{ALL, Bench, answered, api, everywhere, t, too_soon, unanswered, webhook, wherever_it_lasts};

/// An API trigger with a destination of its own, fired so many times at `t(0)`.
async fn owe(bench: &Bench, count: usize) -> (UserId, Vec<EventId>) {
    let owner = bench.user("a").await;
    let definition = Definition { webhook: Some(webhook("https://example.com/hook")), ..api("api") };
    let id = bench.trigger(owner, definition).await.id;
    let mut events = Vec::new();
    for _ in 0..count {
        events.push(bench.fire(owner, id, None, t(0)).await);
    }
    (owner, events)
}

async fn view(bench: &Bench, owner: UserId, event: EventId) -> DeliveryView {
    let (_, deliveries) = bench.store.event(owner, event, t(-1)).await.expect("an answer").expect("the event is there");
    let [delivery] = deliveries.try_into().expect("one destination");
    delivery
}

async fn settle(bench: &Bench, settlements: Vec<Settlement>) {
    bench.store.settle(settlements).await.expect("a store that answers");
}

async fn owed(bench: &Bench) -> u64 {
    bench.store.owed_counts().await.expect("a store that answers").owed
}

fn due_again(settlement: &Settlement) -> Timestamp {
    match settlement.verdict {
        Verdict::Retry(at) => at,
        other => panic!("attempts are left, yet {other:?}"),
    }
}

fn ids(claims: &[Claim]) -> Vec<EventId> {
    claims.iter().map(|claim| claim.event.id).collect()
}

#[tokio::test]
async fn an_event_without_a_destination_owes_nothing() {
    for kind in ALL {
        for has_default in [false, true] {
            let bench = Bench::new(kind, has_default).await;
            let owner = bench.user("a").await;
            let id = bench.trigger(owner, api("api")).await.id;
            let event = bench.fire(owner, id, None, t(0)).await;
            assert_eq!(owed(&bench).await, u64::from(has_default));
            let claims = bench.claim_all(t(0)).await;
            assert_eq!(claims.len(), usize::from(has_default));
            assert!(claims.iter().all(|claim| claim.target == Target::Default));
            let (_, shown) = bench.store.event(owner, event, t(-1)).await.expect("an answer").expect("it is there");
            assert_eq!(shown.len(), usize::from(has_default));
        }
    }
}

#[tokio::test]
async fn a_claim_hands_over_the_event_and_where_it_goes() {
    everywhere(async |bench| {
        let (owner, events) = owe(&bench, 1).await;
        assert!(bench.store.next_owed().await.expect("an answer").is_some_and(|at| at <= t(0)));
        let [claim] = bench.claim_all(t(0)).await.try_into().expect("one claim");
        assert_eq!(claim.target, Target::Webhook(webhook("https://example.com/hook")));
        assert_eq!((claim.tried, claim.until, claim.event.id), (0, t(0) + CLAIM_FOR, events[0]));
        let (event, _) = bench.store.event(owner, events[0], t(-1)).await.expect("an answer").expect("it is there");
        assert_eq!(*claim.event, event);
        assert_eq!(view(&bench, owner, events[0]).await.state, State::Held);
    })
    .await;
}

#[tokio::test]
async fn an_attempt_that_came_too_soon_is_kept_and_leaves_the_ladder_where_it_was() {
    everywhere(async |bench| {
        let (owner, events) = owe(&bench, 1).await;
        let mut now = t(0);
        for number in 1..=2 {
            let [claim] = bench.claim_all(now).await.try_into().expect("one claim");
            let settlement = too_soon(&claim, now);
            assert_eq!(due_again(&settlement), now + SignedDuration::from_secs(3));
            now = due_again(&settlement);
            settle(&bench, vec![settlement]).await;
            let view = view(&bench, owner, events[0]).await;
            assert_eq!((view.state, view.attempts.len()), (State::Pending(now), number));
            assert_eq!(usize::try_from(view.ladder_from).ok(), Some(number));
        }
        let [claim] = bench.claim_all(now).await.try_into().expect("one claim");
        assert_eq!((claim.tried, claim.ladder_from), (2, 2));
        let refused = answered(&claim, 500, now);
        let first_rung = Ladder::standard().next_try(1, claim.message_id(), now).expect("a rung");
        assert_eq!(due_again(&refused), first_rung);
        settle(&bench, vec![refused]).await;
        let [claim] = bench.claim_all(first_rung).await.try_into().expect("one claim");
        assert_eq!((claim.tried, claim.ladder_from), (3, 2));
    })
    .await;
}

#[tokio::test]
async fn what_is_held_is_given_to_nobody_until_the_claim_ends() {
    everywhere(async |bench| {
        let (_, events) = owe(&bench, 3).await;
        assert_eq!(ids(&bench.claim_all(t(0)).await), events);
        let end = t(0) + CLAIM_FOR;
        assert_eq!(bench.claim_all(end - SignedDuration::from_micros(1)).await.len(), 0);
        assert_eq!(bench.store.next_owed().await.expect("an answer"), Some(end));
        assert_eq!(owed(&bench).await, 3, "held is still owed");
        let again = bench.claim_all(end).await;
        assert_eq!(ids(&again), events);
        assert!(again.iter().all(|claim| claim.tried == 0 && claim.until == end + CLAIM_FOR));
    })
    .await;
}

#[tokio::test]
async fn a_claim_takes_no_more_than_there_is_room() {
    everywhere(async |bench| {
        let (_, events) = owe(&bench, 7).await;
        let mut seen = BTreeSet::new();
        for expected in [3, 3, 1, 0] {
            let claims = bench.store.claim_deliveries(t(0), 3).await.expect("claims");
            assert_eq!(claims.len(), expected);
            assert!(claims.iter().all(|claim| seen.insert(claim.event.id)), "nothing is given out twice");
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), events);
        assert_eq!(bench.store.claim_deliveries(t(1000), 0).await.expect("claims").len(), 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_claim_at_once_none_gets_what_another_has() {
    everywhere(async |bench| {
        let (_, events) = owe(&bench, 60).await;
        // Once for what was just committed, and once for what lapsed.
        for now in [t(0), t(0) + CLAIM_FOR] {
            let mut racers = Vec::new();
            for _ in 0..8 {
                let store = bench.store.clone();
                racers.push(tokio::spawn(async move {
                    let mut claimed = Vec::new();
                    loop {
                        let claims = store.claim_deliveries(now, 5).await.expect("claims");
                        if claims.is_empty() {
                            return claimed;
                        }
                        claimed.extend(ids(&claims));
                    }
                }));
            }
            let mut claimed = Vec::new();
            for racer in racers {
                claimed.extend(racer.await.expect("no panic"));
            }
            claimed.sort();
            assert_eq!(claimed, events);
        }
    })
    .await;
}

#[tokio::test]
async fn a_delivered_event_is_owed_no_more_and_shows_its_attempt() {
    everywhere(async |bench| {
        let (owner, events) = owe(&bench, 1).await;
        let [claim] = bench.claim_all(t(0)).await.try_into().expect("one claim");
        let settlement = answered(&claim, 204, t(1));
        settle(&bench, vec![settlement.clone()]).await;
        assert_eq!(owed(&bench).await, 0);
        assert_eq!(bench.claim_all(t(100_000)).await.len(), 0);
        assert_eq!(bench.store.next_owed().await.expect("an answer"), None);
        let view = view(&bench, owner, events[0]).await;
        assert_eq!((view.state, view.attempts), (State::Delivered, settlement.attempt.clone().into_iter().collect()));
        let attempt = settlement.attempt.expect("one was made");
        assert_eq!(attempt.status, Some(204));
        assert_eq!(attempt.answer.as_deref(), Some(&b"answer"[..]));
    })
    .await;
}

#[tokio::test]
async fn a_failed_attempt_waits_for_its_time_until_none_is_left() {
    everywhere(async |bench| {
        let (owner, events) = owe(&bench, 1).await;
        let mut now = t(0);
        let mut attempts = Vec::new();
        let attempts_max = Ladder::standard().attempts();
        for tried in 0..attempts_max {
            let [claim] = bench.claim_all(now).await.try_into().expect("one claim");
            assert_eq!(claim.tried, tried);
            let settlement = if tried % 2 == 0 { answered(&claim, 500, now) } else { unanswered(&claim, now) };
            attempts.extend(settlement.attempt.clone());
            settle(&bench, vec![settlement.clone()]).await;
            let shown = view(&bench, owner, events[0]).await;
            assert_eq!(shown.attempts, attempts);
            if tried + 1 == attempts_max {
                assert_eq!((settlement.verdict, shown.state), (Verdict::Failed, State::Failed));
                break;
            }
            let due = due_again(&settlement);
            assert_eq!(shown.state, State::Pending(due));
            assert_eq!(bench.store.next_owed().await.expect("an answer"), Some(due));
            assert_eq!(bench.claim_all(due - SignedDuration::from_micros(1)).await.len(), 0);
            now = due;
        }
        assert_eq!(owed(&bench).await, 0);
        assert_eq!(bench.claim_all(t(100_000)).await.len(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_claim_that_was_lost_settles_nothing() {
    everywhere(async |bench| {
        let (owner, events) = owe(&bench, 1).await;
        let [slow] = bench.claim_all(t(0)).await.try_into().expect("one claim");
        let [quick] = bench.claim_all(t(0) + CLAIM_FOR).await.try_into().expect("one claim");
        for late in [answered(&slow, 200, t(95)), answered(&slow, 500, t(95))] {
            settle(&bench, vec![late]).await;
            let shown = view(&bench, owner, events[0]).await;
            assert_eq!((shown.state, shown.attempts.len()), (State::Held, 0));
        }
        settle(&bench, vec![answered(&quick, 500, t(96))]).await;
        settle(&bench, vec![answered(&slow, 200, t(97))]).await;
        let shown = view(&bench, owner, events[0]).await;
        assert_eq!(shown.attempts.len(), 1);
        assert!(matches!(shown.state, State::Pending(_)));
    })
    .await;
}

#[tokio::test]
async fn a_claim_that_ran_out_still_settles_while_nobody_else_has_it() {
    everywhere(async |bench| {
        let (owner, events) = owe(&bench, 1).await;
        let [claim] = bench.claim_all(t(0)).await.try_into().expect("one claim");
        settle(&bench, vec![answered(&claim, 200, t(200))]).await;
        assert_eq!(view(&bench, owner, events[0]).await.state, State::Delivered);
    })
    .await;
}

#[tokio::test]
async fn a_claim_settles_once() {
    // Whoever is not sure that it was written down writes it down again.
    everywhere(async |bench| {
        let (owner, events) = owe(&bench, 2).await;
        let claims = bench.claim_all(t(0)).await;
        let settlements = vec![answered(&claims[0], 500, t(1)), answered(&claims[1], 200, t(1))];
        settle(&bench, settlements.clone()).await;
        let before = [view(&bench, owner, events[0]).await, view(&bench, owner, events[1]).await];
        settle(&bench, settlements).await;
        assert_eq!([view(&bench, owner, events[0]).await, view(&bench, owner, events[1]).await], before);
        assert_eq!(owed(&bench).await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_batch_of_settlements_is_written_whole() {
    everywhere(async |bench| {
        let (owner, events) = owe(&bench, 4).await;
        let lost = bench.claim_all(t(0)).await;
        let held = bench.claim_all(t(90)).await;
        settle(
            &bench,
            vec![
                answered(&held[0], 200, t(91)),
                answered(&lost[1], 200, t(91)),
                unanswered(&held[2], t(91)),
                answered(&held[3], 204, t(91)),
            ],
        )
        .await;
        let mut states = Vec::new();
        for event in events {
            states.push(view(&bench, owner, event).await.state.word());
        }
        assert_eq!(states, ["delivered", "pending", "pending", "delivered"]);
        assert_eq!(owed(&bench).await, 2);
        settle(&bench, Vec::new()).await;
    })
    .await;
}

#[tokio::test]
async fn answers_of_the_default_destination_are_not_shown() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let id = bench.trigger(owner, api("api")).await.id;
        let event = bench.fire(owner, id, None, t(0)).await;
        let [claim] = bench.claim_all(t(0)).await.try_into().expect("one claim");
        settle(&bench, vec![answered(&claim, 200, t(1))]).await;
        let shown = view(&bench, owner, event).await;
        assert_eq!((shown.target, shown.state), (Target::Default, State::Delivered));
        assert_eq!(shown.attempts[0].answer, None);
    })
    .await;
}

#[tokio::test]
async fn a_restart_gives_out_what_was_held_and_leaves_retries_waiting() {
    wherever_it_lasts(async |bench| {
        let (owner, events) = owe(&bench, 3).await;
        let claims = bench.claim_all(t(0)).await;
        settle(&bench, vec![answered(&claims[0], 200, t(1))]).await;
        let retry = answered(&claims[1], 500, t(1));
        settle(&bench, vec![retry.clone()]).await;
        let bench = bench.reopen().await;
        let again = bench.claim_all(t(2)).await;
        assert_eq!(ids(&again), [events[2]], "held: at once; delivered: never; waiting: not yet");
        assert_eq!(again[0].event.message_id, claims[2].event.message_id, "under the same message id");
        assert_eq!(view(&bench, owner, events[1]).await.state, State::Pending(due_again(&retry)));
        assert_eq!(ids(&bench.claim_all(due_again(&retry)).await), [events[1]]);
        // What the former server held it holds no more.
        settle(&bench, vec![answered(&claims[2], 500, t(3))]).await;
        assert_eq!(view(&bench, owner, events[2]).await.state, State::Held);
    })
    .await;
}

#[tokio::test]
async fn a_restart_before_anything_was_claimed_loses_nothing() {
    wherever_it_lasts(async |bench| {
        let (_, events) = owe(&bench, 3).await;
        let bench = bench.reopen().await;
        assert_eq!(owed(&bench).await, 3);
        assert!(bench.store.next_owed().await.expect("an answer").is_some_and(|at| at <= t(1)));
        assert_eq!(ids(&bench.claim_all(t(1)).await), events);
    })
    .await;
}
