//! Deliveries in order: at a destination that asks for it one at a time, by the numbers of their events, through failures, pauses,
//! edits and restarts; and nobody else waits for them.

use jiff::Timestamp;
use oncue_domain::delivery::{self, CLAIM_FOR, Claim, State, Verdict};
use oncue_domain::destination::{Definition, Standing};
use oncue_domain::id::{DestinationId, EventId, TriggerId, UserId};
use oncue_domain::store::{Deleted, Edited};

use super::destination::sending_to;
use crate::bench::{Bench, answered, destination, everywhere, given_up, t, wherever_it_lasts};

fn ordered(in_order: bool) -> Definition {
    Definition { in_order, ..destination("in line") }
}

/// A trigger that sends to a destination that takes deliveries in order.
struct Line {
    owner: UserId,
    trigger: TriggerId,
    id: DestinationId,
}

impl Line {
    async fn new(bench: &Bench) -> Line {
        Line::asked_for(bench, true).await
    }

    async fn asked_for(bench: &Bench, in_order: bool) -> Line {
        let owner = bench.user("a").await;
        let made = bench.store.create_destination(owner, ordered(in_order), t(0)).await.expect("an answer");
        let id = made.expect("room").id;
        let trigger = bench.trigger(owner, sending_to(&[id])).await.id;
        Line { owner, trigger, id }
    }

    async fn fire(&self, bench: &Bench, second: i64) -> EventId {
        bench.fire(self.owner, self.trigger, None, t(second)).await
    }

    async fn three(&self, bench: &Bench) -> [EventId; 3] {
        [self.fire(bench, 1).await, self.fire(bench, 2).await, self.fire(bench, 3).await]
    }

    async fn state(&self, bench: &Bench, event: EventId) -> State {
        let found = bench.store.event(self.owner, event, t(-1)).await.expect("an answer").expect("it is kept");
        found.1[0].state
    }

    async fn edit(&self, bench: &Bench, seen: i64, in_order: bool) {
        let edited = bench.store.edit_destination(self.owner, self.id, seen, ordered(in_order)).await;
        assert_eq!(edited.expect("an answer"), Edited::Done);
    }
}

/// The one claim that there is, if any.
async fn only(bench: &Bench, now: Timestamp) -> Option<Claim> {
    let claims = bench.claim_all(now).await;
    assert!(claims.len() <= 1, "{claims:?}");
    claims.into_iter().next()
}

async fn claimed(bench: &Bench, now: Timestamp, event: EventId) -> Claim {
    let claim = only(bench, now).await.expect("one is due");
    assert_eq!(claim.event.id, event);
    claim
}

async fn settle(bench: &Bench, settlement: delivery::Settlement) {
    bench.store.settle(vec![settlement]).await.expect("a settlement");
}

#[tokio::test]
async fn one_goes_at_a_time_by_number_and_the_next_when_it_has_ended() {
    everywhere(async |bench| {
        let line = Line::new(&bench).await;
        let [one, two, three] = line.three(&bench).await;
        let claim = claimed(&bench, t(4), one).await;
        assert!(only(&bench, t(5)).await.is_none());
        assert_eq!(line.state(&bench, one).await, State::Held);
        assert_eq!((line.state(&bench, two).await, line.state(&bench, three).await), (State::Queued, State::Queued));
        settle(&bench, answered(&claim, 500, t(6))).await;
        assert!(only(&bench, t(7)).await.is_none(), "it is tried again before the others go");
        let State::Pending(due) = line.state(&bench, one).await else { panic!("it is due again") };
        let claim = claimed(&bench, due, one).await;
        settle(&bench, answered(&claim, 200, due)).await;
        let claim = claimed(&bench, due, two).await;
        settle(&bench, given_up(&claim, due)).await;
        let claim = claimed(&bench, due, three).await;
        settle(&bench, answered(&claim, 200, due)).await;
        assert!(only(&bench, due).await.is_none());
        assert_eq!(bench.store.owed_counts().await.expect("an answer").owed, 0);
        let four = line.fire(&bench, 9).await;
        claimed(&bench, due, four).await;
    })
    .await;
}

#[tokio::test]
async fn nobody_else_waits_for_a_line() {
    everywhere(async |bench| {
        let line = Line::new(&bench).await;
        line.three(&bench).await;
        assert!(bench.claim_all(t(4)).await.len() == 1);
        let other = bench.destination(line.owner, "other").await.id;
        let sender = bench.trigger(line.owner, sending_to(&[line.id, other])).await.id;
        let both = bench.fire(line.owner, sender, None, t(5)).await;
        let claim = claimed(&bench, t(5), both).await;
        assert_eq!((claim.destination(), claim.slot), (Some(other), 1));
        settle(&bench, answered(&claim, 200, t(5))).await;
        assert!(only(&bench, t(6)).await.is_none());
        let next = bench.store.next_owed().await.expect("an answer").expect("one is under way");
        assert!(next > t(60), "what waits in line wakes nobody");
    })
    .await;
}

#[tokio::test]
async fn a_claim_that_lapses_is_given_out_again_before_those_behind_it() {
    everywhere(async |bench| {
        let line = Line::new(&bench).await;
        let [one, two, _] = line.three(&bench).await;
        let lost = claimed(&bench, t(4), one).await;
        let later = t(5) + CLAIM_FOR;
        let claim = claimed(&bench, later, one).await;
        assert!(claim.fence > lost.fence);
        settle(&bench, answered(&lost, 200, later)).await;
        assert!(only(&bench, later).await.is_none(), "that claim was lost");
        settle(&bench, answered(&claim, 200, later)).await;
        claimed(&bench, later, two).await;
    })
    .await;
}

#[tokio::test]
async fn what_is_parked_keeps_its_order() {
    everywhere(async |bench| {
        let line = Line::new(&bench).await;
        let [one, two, three] = line.three(&bench).await;
        let set = |standing, second| bench.store.set_standing(line.owner, line.id, standing, t(second));
        assert!(set(Standing::Paused { since: t(4) }, 4).await.expect("an answer"));
        let claim = claimed(&bench, t(5), one).await;
        settle(&bench, delivery::park(claim, t(90_000), t(5))).await;
        assert_eq!(line.state(&bench, one).await, State::Parked(t(90_000)));
        assert!(only(&bench, t(6)).await.is_none(), "the others wait behind it");
        assert!(set(Standing::Active, 7).await.expect("an answer"));
        for event in [one, two, three] {
            let claim = claimed(&bench, t(8), event).await;
            settle(&bench, answered(&claim, 200, t(8))).await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_edit_holds_for_what_waits_already() {
    everywhere(async |bench| {
        let line = Line::new(&bench).await;
        let [one, two, three] = line.three(&bench).await;
        let first = claimed(&bench, t(4), one).await;
        line.edit(&bench, 1, false).await;
        let others = bench.claim_all(t(5)).await;
        assert_eq!(others.iter().map(|claim| claim.event.id).collect::<Vec<_>>(), [two, three]);
        line.edit(&bench, 2, true).await;
        let four = line.fire(&bench, 6).await;
        assert!(only(&bench, t(6)).await.is_none(), "three are still under way");
        for claim in [&others[1], &first, &others[0]] {
            assert!(only(&bench, t(7)).await.is_none());
            settle(&bench, answered(claim, 200, t(7))).await;
        }
        claimed(&bench, t(8), four).await;
    })
    .await;
}

#[tokio::test]
async fn what_stood_in_line_for_a_deleted_destination_is_due_at_once() {
    everywhere(async |bench| {
        let line = Line::new(&bench).await;
        line.three(&bench).await;
        let first = only(&bench, t(4)).await.expect("one is due");
        assert!(bench.store.delete_trigger(line.owner, line.trigger, t(5)).await.expect("an answer"));
        let deleted = bench.store.delete_destination(line.owner, line.id, t(5)).await;
        assert_eq!(deleted.expect("an answer"), Deleted::Done);
        assert_eq!(bench.claim_all(t(5)).await.len(), 2);
        settle(&bench, delivery::fail(first, "gone", t(6))).await;
    })
    .await;
}

#[tokio::test]
async fn a_line_outlives_the_server() {
    wherever_it_lasts(async |bench| {
        let line = Line::new(&bench).await;
        let [one, two, three] = line.three(&bench).await;
        claimed(&bench, t(4), one).await;
        let mut bench = bench.reopen().await;
        for event in [one, two, three] {
            let claim = claimed(&bench, t(5), event).await;
            settle(&bench, answered(&claim, 200, t(5))).await;
            bench = bench.reopen().await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_expires_holds_up_nobody() {
    everywhere(async |bench| {
        let line = Line::new(&bench).await;
        let [one, two, three] = line.three(&bench).await;
        let claim = claimed(&bench, t(4), one).await;
        settle(&bench, answered(&claim, 500, t(4))).await;
        bench.store.expire(t(2), t(5), 100).await.expect("an expiry");
        let claim = claimed(&bench, t(6), three).await;
        assert_ne!(claim.event.id, two);
        let settlement = answered(&claim, 200, t(6));
        assert_eq!(settlement.verdict, Verdict::Delivered);
        settle(&bench, settlement).await;
    })
    .await;
}

#[tokio::test]
async fn whoever_claims_at_once_gets_one_together() {
    everywhere(async |bench| {
        let line = Line::new(&bench).await;
        for round in 0..5 {
            let event = line.fire(&bench, round).await;
            line.fire(&bench, round).await;
            let claim = || bench.store.claim_deliveries(t(100 + round), 100);
            let (a, b, c) = tokio::join!(claim(), claim(), claim());
            let mut claims: Vec<Claim> = [a, b, c].into_iter().flat_map(|claims| claims.expect("an answer")).collect();
            claims.extend(bench.claim_all(t(100 + round)).await);
            assert_eq!(claims.iter().map(|claim| claim.event.id).collect::<Vec<_>>(), [event]);
            settle(&bench, answered(&claims[0], 200, t(100 + round))).await;
            let claim = only(&bench, t(100 + round)).await.expect("the second");
            settle(&bench, answered(&claim, 200, t(100 + round))).await;
        }
    })
    .await;
}
