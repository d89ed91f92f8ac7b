//! What has ended is sent again, and what waits is cancelled: under the same message id, counted once, and with one outcome however
//! many are at it.

pub(crate) mod race;

use jiff::{SignedDuration, Timestamp};
use oncue_domain::delivery::{CLAIM_FOR, Claim, Ladder, Settlement, State, Verdict, fail, park};
use oncue_domain::destination::{Destination, Standing};
use oncue_domain::event::Retention;
use oncue_domain::firing::Outcome;
use oncue_domain::id::{DestinationId, EventId, TriggerId, UserId};
use oncue_domain::redelivery::{CancelRefusal, DeliveryId, Refusal};
use oncue_domain::store::{
    Change, DeliveryView, EventPage, EventSearch, Redelivered, Undelivered, UndeliveredFilter, UndeliveredPlace,
};

use super::destination::sending_to;
use crate::bench::{Bench, answered, api, everywhere, given_up, t, wherever_it_lasts};

const RETENTION: Retention = Retention::STANDARD;

/// From when on nothing of an event that fired at `t(0)` is tried any more.
const END_S: i64 = 48 * 3600 - 60;

/// A trigger that sends to so many destinations, and an event of it from `t(0)`.
struct Sent {
    owner: UserId,
    trigger: TriggerId,
    event: EventId,
    destinations: Vec<DestinationId>,
}

impl Sent {
    async fn to(bench: &Bench, destinations: usize) -> Sent {
        let owner = bench.user("a").await;
        let mut made = Vec::new();
        for number in 0..destinations {
            made.push(bench.destination(owner, &format!("destination {number}")).await.id);
        }
        let trigger = bench.trigger(owner, sending_to(&made)).await.id;
        let event = bench.fire(owner, trigger, None, t(0)).await;
        Sent { owner, trigger, event, destinations: made }
    }

    fn delivery(&self, slot: u32) -> DeliveryId {
        DeliveryId { event: self.event, slot }
    }

    async fn redeliver(&self, bench: &Bench, slots: &[u32], now: Timestamp) -> Vec<Result<(), Refusal>> {
        let deliveries = slots.iter().map(|slot| self.delivery(*slot)).collect();
        bench.store.redeliver(self.owner, deliveries, RETENTION, now).await.expect("an answer")
    }

    async fn cancel(&self, bench: &Bench, slot: u32, now: Timestamp) -> Result<(), CancelRefusal> {
        bench.store.cancel_delivery(self.owner, self.delivery(slot), t(-1), now).await.expect("an answer")
    }

    async fn views(&self, bench: &Bench) -> Vec<DeliveryView> {
        let found = bench.store.event(self.owner, self.event, t(-1)).await.expect("an answer");
        found.expect("the event is there").1
    }

    async fn undelivered(&self, bench: &Bench) -> Vec<Undelivered> {
        undelivered(bench, self.owner, UndeliveredFilter::default()).await
    }

    /// How many events are counted as delivered and as failed, of the owner's and of the trigger's.
    async fn counts(&self, bench: &Bench) -> (u64, u64) {
        let (all, own) = counts(bench, self.owner, self.trigger).await;
        assert_eq!(all, own);
        all
    }

    /// What all places that tell of the event's outcome agree on.
    async fn outcome(&self, bench: &Bench) -> Outcome {
        let firings = bench.store.recent_firings(self.owner, vec![self.trigger], t(-1), 10).await.expect("firings");
        let outcome = firings[0].firings[0].outcome;
        for of in Outcome::ALL {
            let search = EventSearch { outcome: Some(of), ..EventSearch::default() };
            let page = EventPage::NewestFirst(None);
            let found = bench.store.event_lines(self.owner, search, page, 10).await.expect("a search").lines;
            assert_eq!(found.len(), usize::from(of == outcome), "{of:?}");
        }
        let attention = bench.store.attention(self.owner, t(-1), t(1)).await.expect("an answer");
        assert_eq!(attention.failing.len(), usize::from(outcome == Outcome::Failed));
        outcome
    }
}

async fn counts(bench: &Bench, owner: UserId, trigger: TriggerId) -> ((u64, u64), (u64, u64)) {
    let mut both = Vec::new();
    for whose in [None, Some(trigger)] {
        let hours = bench.store.hour_counts(owner, whose, Timestamp::MIN, Timestamp::MAX).await.expect("counts");
        both.push((hours.iter().map(|hour| hour.delivered).sum(), hours.iter().map(|hour| hour.failed).sum()));
    }
    (both[0], both[1])
}

async fn undelivered(bench: &Bench, owner: UserId, filter: UndeliveredFilter) -> Vec<Undelivered> {
    let found = bench.store.undelivered(owner, filter, t(-1), None, 10_000).await.expect("a list");
    let count = bench.store.count_undelivered(owner, filter, t(-1), 10_000).await.expect("a count");
    assert_eq!(found.len() as u64, count);
    found
}

async fn settle(bench: &Bench, settlements: Vec<Settlement>) {
    bench.store.settle(settlements).await.expect("a store that answers");
}

/// The one claim that may be had at `now`.
async fn only(bench: &Bench, now: Timestamp) -> Claim {
    let [claim] = bench.claim_all(now).await.try_into().expect("one is due");
    claim
}

#[tokio::test]
async fn what_failed_is_owed_again_at_once_under_its_message_id_and_begins_its_ladder_anew() {
    everywhere(async |bench| {
        let sent = Sent::to(&bench, 1).await;
        let first = only(&bench, t(0)).await;
        settle(&bench, vec![given_up(&first, t(1))]).await;
        assert_eq!(sent.outcome(&bench).await, Outcome::Failed);
        assert_eq!(bench.store.owed_counts().await.expect("an answer").undelivered, 1);
        assert_eq!(sent.redeliver(&bench, &[0], t(100)).await, [Ok(())]);
        let [view] = sent.views(&bench).await.try_into().expect("one delivery");
        assert_eq!((view.state, view.ladder_from, view.attempts.len()), (State::Pending(t(100)), 1, 1));
        assert_eq!(sent.undelivered(&bench).await, []);
        let backlog = bench.store.owed_counts().await.expect("an answer");
        assert_eq!((backlog.owed, backlog.undelivered), (1, 0));
        assert_eq!((sent.outcome(&bench).await, sent.counts(&bench).await), (Outcome::Pending, (0, 1)));

        let again = only(&bench, t(100)).await;
        assert_eq!((again.tried, again.ladder_from, again.deliveries), (1, 1, 1));
        assert_eq!((again.message_id(), &again.target), (first.message_id(), &first.target));
        let refused = answered(&again, 500, t(101));
        let due = Ladder::standard().next_try(1, again.message_id(), t(101)).expect("a first rung");
        assert_eq!(refused.verdict, Verdict::Retry(due), "the first rung");
        settle(&bench, vec![refused]).await;
        let third = only(&bench, due).await;
        assert_eq!((third.tried, third.ladder_from), (2, 1));
        settle(&bench, vec![answered(&third, 200, due)]).await;
        let [view] = sent.views(&bench).await.try_into().expect("one delivery");
        assert_eq!((view.state, view.ladder_from, view.why), (State::Delivered, 0, None));
        assert_eq!(view.attempts.iter().map(|attempt| attempt.number).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!((sent.outcome(&bench).await, sent.counts(&bench).await), (Outcome::Delivered, (1, 0)));
        assert_eq!(sent.undelivered(&bench).await, []);
    })
    .await;
}

#[tokio::test]
async fn what_waits_for_its_next_attempt_is_due_at_once_and_goes_on_on_its_ladder() {
    everywhere(async |bench| {
        let sent = Sent::to(&bench, 2).await;
        let [first, second] = bench.claim_all(t(0)).await.try_into().expect("two are owed");
        let refused = answered(&first, 500, t(1));
        let Verdict::Retry(due) = refused.verdict else { panic!("it is tried again") };
        settle(&bench, vec![refused]).await;
        assert_eq!(sent.redeliver(&bench, &[0, 1, 0], t(2)).await, [Ok(()), Err(Refusal::Owed), Err(Refusal::Owed)]);
        let [view, _] = sent.views(&bench).await.try_into().expect("two deliveries");
        assert_eq!((view.state, view.ladder_from, view.attempts.len()), (State::Pending(t(2)), 0, 1));
        let again = only(&bench, t(2)).await;
        assert!(t(2) < due && again.fence > first.fence);
        assert_eq!((again.tried, again.ladder_from, again.message_id()), (1, 0, first.message_id()));
        let refused = answered(&again, 500, t(3));
        let rung = Ladder::standard().next_try(2, again.message_id(), t(3)).expect("a second rung");
        assert_eq!(refused.verdict, Verdict::Retry(rung), "the second rung");
        settle(&bench, vec![refused, answered(&second, 200, t(3))]).await;
        assert_eq!((sent.outcome(&bench).await, sent.counts(&bench).await), (Outcome::Pending, (0, 0)));
        let (ben, ours) = (bench.user("ben").await, vec![sent.delivery(0)]);
        let others = bench.store.redeliver(ben, ours, RETENTION, t(4)).await.expect("an answer");
        assert_eq!(others, [Err(Refusal::NotFound)]);
        assert_eq!(sent.redeliver(&bench, &[0], t(4)).await, [Ok(())]);
        settle(&bench, vec![answered(&only(&bench, t(4)).await, 200, t(4))]).await;
        assert_eq!((sent.outcome(&bench).await, sent.counts(&bench).await), (Outcome::Delivered, (1, 0)));
    })
    .await;
}

#[tokio::test]
async fn what_waits_for_its_destination_is_not_tried_now() {
    everywhere(async |bench| {
        let sent = Sent::to(&bench, 1).await;
        let claim = only(&bench, t(0)).await;
        let standing = Standing::Paused { since: t(0) };
        bench.store.set_standing(sent.owner, sent.destinations[0], standing, t(0)).await.expect("it is paused");
        settle(&bench, vec![park(claim, t(END_S), t(1))]).await;
        assert_eq!(sent.redeliver(&bench, &[0], t(2)).await, [Err(Refusal::Parked)]);
        assert_eq!(sent.views(&bench).await[0].state, State::Parked(t(END_S)));
    })
    .await;
}

#[tokio::test]
async fn what_fails_again_is_counted_once_and_moves_once() {
    everywhere(async |bench| {
        let sent = Sent::to(&bench, 1).await;
        for (round, now) in (0..3).map(|round| (round, t(100 * round))) {
            if round > 0 {
                assert_eq!(sent.redeliver(&bench, &[0], now).await, [Ok(())]);
            }
            settle(&bench, vec![given_up(&only(&bench, now).await, now)]).await;
            assert_eq!((sent.outcome(&bench).await, sent.counts(&bench).await), (Outcome::Failed, (0, 1)));
            assert_eq!(sent.undelivered(&bench).await.len(), 1);
        }
        for now in [t(300), t(400)] {
            assert_eq!(sent.redeliver(&bench, &[0], now).await, [Ok(())]);
            settle(&bench, vec![answered(&only(&bench, now).await, 200, now)]).await;
            assert_eq!((sent.outcome(&bench).await, sent.counts(&bench).await), (Outcome::Delivered, (1, 0)));
        }
    })
    .await;
}

#[tokio::test]
async fn what_has_arrived_stays_delivered_whatever_comes_of_sending_it_again() {
    everywhere(async |bench| {
        let sent = Sent::to(&bench, 1).await;
        settle(&bench, vec![answered(&only(&bench, t(0)).await, 200, t(0))]).await;
        type End = fn(&Claim, Timestamp) -> Settlement;
        let ends: [End; 3] =
            [given_up, |claim, now| answered(claim, 200, now), |claim, now| fail(claim.clone(), "No.", now)];
        for (end, now) in ends.iter().zip([t(100), t(200), t(300)]) {
            assert_eq!(sent.redeliver(&bench, &[0], now).await, [Ok(())]);
            assert_eq!((sent.outcome(&bench).await, sent.counts(&bench).await), (Outcome::Pending, (1, 0)));
            settle(&bench, vec![end(&only(&bench, now).await, now)]).await;
            assert_eq!((sent.outcome(&bench).await, sent.counts(&bench).await), (Outcome::Delivered, (1, 0)));
            assert_eq!(sent.views(&bench).await[0].state, State::Delivered);
            assert_eq!(sent.undelivered(&bench).await, []);
        }
        assert_eq!(sent.views(&bench).await[0].attempts.len(), 3);
    })
    .await;
}

#[tokio::test]
async fn an_event_is_mended_once_none_of_its_deliveries_has_failed_any_more() {
    everywhere(async |bench| {
        let sent = Sent::to(&bench, 3).await;
        let claims = bench.claim_all(t(0)).await;
        let ends = [answered(&claims[0], 200, t(0)), given_up(&claims[1], t(0)), given_up(&claims[2], t(0))];
        settle(&bench, ends.to_vec()).await;
        assert_eq!(sent.counts(&bench).await, (0, 1));
        assert_eq!(sent.redeliver(&bench, &[2, 0, 2], t(10)).await, [Ok(()), Ok(()), Err(Refusal::Owed)]);
        let [first, third] = bench.claim_all(t(10)).await.try_into().expect("two are owed");
        assert_eq!((first.slot, third.slot, third.deliveries), (0, 2, 3));
        settle(&bench, vec![answered(&third, 200, t(11))]).await;
        assert_eq!(sent.outcome(&bench).await, Outcome::Pending, "one is still owed");
        settle(&bench, vec![given_up(&first, t(12))]).await;
        assert_eq!((sent.outcome(&bench).await, sent.counts(&bench).await), (Outcome::Failed, (0, 1)));
        assert_eq!(sent.undelivered(&bench).await.len(), 1, "the second has failed");
        assert_eq!(sent.redeliver(&bench, &[1, 2], t(20)).await, [Ok(()), Ok(())]);
        let [second, third] = bench.claim_all(t(20)).await.try_into().expect("two are owed");
        settle(&bench, vec![answered(&second, 200, t(20)), given_up(&third, t(20))]).await;
        assert_eq!((sent.outcome(&bench).await, sent.counts(&bench).await), (Outcome::Delivered, (1, 0)));
    })
    .await;
}

#[tokio::test]
async fn what_is_sent_again_while_its_event_still_owes_others_is_counted_with_them() {
    everywhere(async |bench| {
        let sent = Sent::to(&bench, 2).await;
        let [first, second] = bench.claim_all(t(0)).await.try_into().expect("two are owed");
        settle(&bench, vec![given_up(&first, t(0))]).await;
        assert_eq!(sent.redeliver(&bench, &[0, 1], t(1)).await, [Ok(()), Err(Refusal::Owed)]);
        settle(&bench, vec![answered(&second, 200, t(2))]).await;
        assert_eq!((sent.outcome(&bench).await, sent.counts(&bench).await), (Outcome::Pending, (0, 0)));
        settle(&bench, vec![answered(&only(&bench, t(3)).await, 200, t(3))]).await;
        assert_eq!((sent.outcome(&bench).await, sent.counts(&bench).await), (Outcome::Delivered, (1, 0)));
    })
    .await;
}

#[tokio::test]
async fn a_claim_of_before_settles_nothing_of_what_is_sent_again() {
    everywhere(async |bench| {
        let sent = Sent::to(&bench, 1).await;
        let lost = only(&bench, t(0)).await;
        let later = t(0) + CLAIM_FOR + SignedDuration::from_secs(1);
        settle(&bench, vec![fail(only(&bench, later).await, "No.", later)]).await;
        assert_eq!(sent.redeliver(&bench, &[0], later).await, [Ok(())]);
        settle(&bench, vec![answered(&lost, 200, later)]).await;
        let held = only(&bench, later).await;
        assert_eq!((held.tried, held.ladder_from), (0, 0), "no attempt was made");
        settle(&bench, vec![answered(&lost, 200, later), given_up(&lost, later)]).await;
        assert_eq!(sent.views(&bench).await[0].state, State::Held);
        settle(&bench, vec![answered(&held, 200, later)]).await;
        assert_eq!(sent.views(&bench).await[0].attempts.len(), 1);
        assert_eq!((sent.outcome(&bench).await, sent.counts(&bench).await), (Outcome::Delivered, (1, 0)));
        // The same number of claims after each time: what tells them apart is not that number alone.
        assert_eq!(sent.redeliver(&bench, &[0], later).await, [Ok(())]);
        let again = only(&bench, later).await;
        settle(&bench, vec![given_up(&held, later)]).await;
        assert_eq!(sent.views(&bench).await[0].state, State::Held);
        assert!(again.fence > held.fence);
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_sent_again_is_refused_with_the_reason() {
    everywhere(async |bench| {
        let sent = Sent::to(&bench, 2).await;
        assert_eq!(sent.redeliver(&bench, &[0, 2], t(0)).await, [Err(Refusal::Owed), Err(Refusal::NotFound)]);
        let claims = bench.claim_all(t(0)).await;
        settle(&bench, claims.iter().map(|claim| given_up(claim, t(1))).collect()).await;
        let (ben, now) = (bench.user("ben").await, t(2));
        let others = bench.store.redeliver(ben, vec![sent.delivery(0)], RETENTION, now).await.expect("an answer");
        assert_eq!(others, [Err(Refusal::NotFound)]);
        let none = DeliveryId { event: EventId(sent.event.0 + 7), slot: 0 };
        let none = bench.store.redeliver(sent.owner, vec![none], RETENTION, now).await.expect("an answer");
        assert_eq!(none, [Err(Refusal::NotFound)]);
        for (seconds, refusal) in [(END_S, Refusal::Ending), (48 * 3600, Refusal::NotFound)] {
            assert_eq!(sent.redeliver(&bench, &[0], t(seconds)).await, [Err(refusal)]);
        }
        let gone = sent.destinations[1];
        bench.store.delete_trigger(sent.owner, sent.trigger, now).await.expect("it goes");
        bench.store.delete_destination(sent.owner, gone, now).await.expect("it goes");
        assert_eq!(sent.redeliver(&bench, &[0, 1], now).await, [Ok(()), Err(Refusal::DestinationGone)]);
        assert_eq!(sent.redeliver(&bench, &[0], now).await, [Err(Refusal::Owed)]);
        assert_eq!(sent.undelivered(&bench).await.len(), 1);
        assert_eq!(sent.redeliver(&bench, &[], now).await, []);
    })
    .await;
}

#[tokio::test]
async fn what_went_to_the_default_is_refused_where_there_is_none_any_more() {
    wherever_it_lasts(async |bench| {
        let owner = bench.user("a").await;
        let trigger = bench.trigger(owner, api("a")).await.id;
        let delivery = DeliveryId { event: bench.fire(owner, trigger, None, t(0)).await, slot: 0 };
        settle(&bench, vec![given_up(&only(&bench, t(0)).await, t(0))]).await;
        let is_memory = bench.kind == crate::bench::Kind::Memory;
        let bench = bench.reopen_with(false).await;
        let outcomes = bench.store.redeliver(owner, vec![delivery], RETENTION, t(1)).await.expect("an answer");
        // The reference model does not forget that it has one.
        assert_eq!(outcomes, [if is_memory { Ok(()) } else { Err(Refusal::DestinationGone) }]);
    })
    .await;
}

#[tokio::test]
async fn what_is_sent_again_outlives_its_server_and_is_counted_once_all_the_same() {
    wherever_it_lasts(async |bench| {
        let sent = Sent::to(&bench, 2).await;
        let claims = bench.claim_all(t(0)).await;
        settle(&bench, claims.iter().map(|claim| given_up(claim, t(1))).collect()).await;
        assert_eq!(sent.redeliver(&bench, &[0, 1], t(2)).await, [Ok(()), Ok(())]);
        let lost = bench.claim_all(t(2)).await;
        let bench = bench.reopen().await;
        let claims = bench.claim_all(t(3)).await;
        assert_eq!(
            claims.iter().map(|claim| (claim.slot, claim.tried, claim.ladder_from)).collect::<Vec<_>>(),
            [(0, 1, 1), (1, 1, 1)]
        );
        settle(&bench, lost.iter().map(|claim| given_up(claim, t(3))).collect()).await;
        settle(&bench, claims.iter().map(|claim| answered(claim, 200, t(4))).collect()).await;
        assert_eq!((sent.outcome(&bench).await, sent.counts(&bench).await), (Outcome::Delivered, (1, 0)));
    })
    .await;
}

/// Failed deliveries at `t(1)`, `t(2)` and so on, of two triggers to two destinations in turn.
async fn several(bench: &Bench, count: i64) -> (UserId, [TriggerId; 2], [Destination; 2]) {
    let owner = bench.user("a").await;
    let destinations = [bench.destination(owner, "one").await, bench.destination(owner, "two").await];
    let mut triggers = Vec::new();
    for destination in &destinations {
        triggers.push(bench.trigger(owner, sending_to(&[destination.id])).await.id);
    }
    let triggers = <[TriggerId; 2]>::try_from(triggers).expect("two");
    for (seconds, trigger) in (1..=count).zip(triggers.iter().cycle()) {
        bench.fire(owner, *trigger, None, t(0)).await;
        settle(bench, vec![given_up(&only(bench, t(0)).await, t(seconds))]).await;
    }
    (owner, triggers, destinations)
}

#[tokio::test]
async fn what_failed_is_listed_and_counted_by_a_filter() {
    everywhere(async |bench| {
        let (owner, [_, second], [first_destination, _]) = several(&bench, 6).await;
        let failed_at = |list: Vec<Undelivered>| list.iter().map(|one| one.place.failed_at).collect::<Vec<_>>();
        let all = UndeliveredFilter::default();
        let filters = [
            (all, vec![6, 5, 4, 3, 2, 1]),
            (UndeliveredFilter { destination: Some(first_destination.id), ..all }, vec![5, 3, 1]),
            (UndeliveredFilter { trigger: Some(second), ..all }, vec![6, 4, 2]),
            (UndeliveredFilter { destination: Some(first_destination.id), trigger: Some(second), ..all }, vec![]),
            (UndeliveredFilter { failed_after: Some(t(2)), failed_until: Some(t(5)), ..all }, vec![5, 4, 3]),
            (UndeliveredFilter { trigger: Some(second), failed_after: Some(t(2)), ..all }, vec![6, 4]),
        ];
        let ben = bench.user("ben").await;
        for (filter, expected) in filters {
            let expected: Vec<Timestamp> = expected.into_iter().map(t).collect();
            assert_eq!(failed_at(undelivered(&bench, owner, filter).await), expected, "{filter:?}");
            assert_eq!(undelivered(&bench, ben, filter).await, [], "it is not his");
        }
        let count = |gone_until, at_most| bench.store.count_undelivered(owner, all, gone_until, at_most);
        assert_eq!(count(t(-1), 4).await.expect("a count"), 4, "counted up to a bound");
        assert_eq!(count(t(0), 100).await.expect("a count"), 0, "they have expired");
        let after = |seconds, event, slot| Some(UndeliveredPlace { failed_at: t(seconds), event, slot });
        let by_trigger = UndeliveredFilter { trigger: Some(second), ..all };
        let page = bench.store.undelivered(owner, by_trigger, t(-1), after(6, EventId(0), 0), 1).await;
        assert_eq!(failed_at(page.expect("a list")), [t(4)]);
    })
    .await;
}

#[tokio::test]
async fn all_that_match_are_sent_again_slice_by_slice_and_each_once() {
    everywhere(async |bench| {
        let (owner, [_, second], _) = several(&bench, 6).await;
        let filter = UndeliveredFilter { trigger: Some(second), ..UndeliveredFilter::default() };
        let slice = async |after, now| {
            bench.store.redeliver_matching(owner, filter, after, 2, RETENTION, now).await.expect("an answer")
        };
        let first = slice(None, t(100)).await;
        assert_eq!((first.redelivered, first.refused), (2, 0));
        // What was just sent again has failed at once.
        let claims = bench.claim_all(t(100)).await;
        settle(&bench, claims.iter().map(|claim| given_up(claim, t(101))).collect()).await;
        let rest = slice(first.go_on_after, t(102)).await;
        assert_eq!(rest, Redelivered { redelivered: 1, refused: 0, go_on_after: None });
        assert_eq!(undelivered(&bench, owner, filter).await.len(), 2);
        assert_eq!(undelivered(&bench, owner, UndeliveredFilter::default()).await.len(), 5, "others are left alone");
        assert_eq!(slice(None, t(END_S)).await, Redelivered::default(), "their events are about to go");
        let ben = bench.user("ben").await;
        let others = bench.store.redeliver_matching(ben, filter, None, 10, RETENTION, t(103)).await;
        assert_eq!(others.expect("an answer"), Redelivered::default());
    })
    .await;
}

#[tokio::test]
async fn what_matches_and_has_nowhere_to_go_is_passed_over() {
    everywhere(async |bench| {
        let (owner, triggers, [gone, _]) = several(&bench, 4).await;
        bench.store.delete_trigger(owner, triggers[0], t(5)).await.expect("it goes");
        bench.store.delete_destination(owner, gone.id, t(5)).await.expect("it goes");
        let all = UndeliveredFilter::default();
        let done = bench.store.redeliver_matching(owner, all, None, 1000, RETENTION, t(6)).await.expect("an answer");
        assert_eq!(done, Redelivered { redelivered: 2, refused: 2, go_on_after: None });
        assert_eq!(undelivered(&bench, owner, all).await.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_waiting_retry_and_what_is_parked_can_be_cancelled_and_what_is_under_way_cannot() {
    everywhere(async |bench| {
        let sent = Sent::to(&bench, 3).await;
        let paused = Standing::Paused { since: t(0) };
        assert!(bench.store.set_standing(sent.owner, sent.destinations[1], paused, t(0)).await.expect("an answer"));
        let [retried, parked, held] = bench.claim_all(t(0)).await.try_into().expect("three are owed");
        settle(&bench, vec![answered(&retried, 500, t(0)), park(parked, t(9000), t(0))]).await;
        assert_eq!(sent.cancel(&bench, 2, t(1)).await, Err(CancelRefusal::UnderWay));
        let (ben, other) = (bench.user("ben").await, sent.delivery(0));
        let others = bench.store.cancel_delivery(ben, other, t(-1), t(1)).await.expect("an answer");
        assert_eq!(others, Err(CancelRefusal::NotFound));
        let gone = bench.store.cancel_delivery(sent.owner, other, t(0), t(1)).await.expect("an answer");
        assert_eq!(gone, Err(CancelRefusal::NotFound), "it has expired");
        assert_eq!(sent.cancel(&bench, 3, t(1)).await, Err(CancelRefusal::NotFound));
        for slot in [0, 1] {
            assert_eq!(sent.cancel(&bench, slot, t(1)).await, Ok(()));
            assert_eq!(sent.cancel(&bench, slot, t(2)).await, Err(CancelRefusal::Ended));
        }
        let views = sent.views(&bench).await;
        assert_eq!(
            views.iter().map(|view| view.state).collect::<Vec<_>>(),
            [State::Failed, State::Failed, State::Held]
        );
        assert!(
            views[..2].iter().all(|view| view.why.as_deref().is_some_and(|why| why.contains("cancelled"))),
            "{views:?}"
        );
        assert_eq!(views[0].attempts.len(), 1);
        let list = sent.undelivered(&bench).await;
        assert!(list.iter().all(|one| one.place.failed_at == t(1) && one.why.is_some()), "{list:?}");
        assert!(bench.claim_all(t(80)).await.is_empty(), "nobody is given what was cancelled");
        assert_eq!(sent.counts(&bench).await, (0, 0), "one is still owed");
        settle(&bench, vec![answered(&held, 200, t(81))]).await;
        assert_eq!((sent.outcome(&bench).await, sent.counts(&bench).await), (Outcome::Failed, (0, 1)));
        assert_eq!(sent.redeliver(&bench, &[0], t(82)).await, [Ok(())]);
        assert_eq!(only(&bench, t(82)).await.ladder_from, 1);
    })
    .await;
}

#[tokio::test]
async fn what_is_sent_again_and_cancelled_is_what_it_was() {
    everywhere(async |bench| {
        let sent = Sent::to(&bench, 2).await;
        let claims = bench.claim_all(t(0)).await;
        settle(&bench, vec![answered(&claims[0], 200, t(0)), given_up(&claims[1], t(0))]).await;
        assert_eq!(sent.redeliver(&bench, &[0, 1], t(1)).await, [Ok(()), Ok(())]);
        for slot in [0, 1] {
            assert_eq!(sent.cancel(&bench, slot, t(2)).await, Ok(()));
        }
        let states: Vec<State> = sent.views(&bench).await.iter().map(|view| view.state).collect();
        assert_eq!(states, [State::Delivered, State::Failed]);
        assert_eq!((sent.outcome(&bench).await, sent.counts(&bench).await), (Outcome::Failed, (0, 1)));
        assert_eq!(sent.undelivered(&bench).await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn the_engine_and_the_pages_are_told_of_what_is_sent_again_and_of_what_is_cancelled() {
    everywhere(async |bench| {
        let sent = Sent::to(&bench, 1).await;
        settle(&bench, vec![given_up(&only(&bench, t(0)).await, t(0))]).await;
        let (tell, told) = std::sync::mpsc::channel();
        bench.store.subscribe(std::sync::Arc::new(move |change| tell.send(change).expect("somebody listens")));
        assert_eq!(sent.redeliver(&bench, &[0], t(1)).await, [Ok(())]);
        let changes: Vec<Change> = told.try_iter().collect();
        assert!(changes.contains(&Change::Owed) && changes.contains(&Change::Settled(sent.owner)), "{changes:?}");
        assert_eq!(sent.cancel(&bench, 0, t(2)).await, Ok(()));
        let changes: Vec<Change> = told.try_iter().collect();
        assert!(changes.contains(&Change::Settled(sent.owner)), "{changes:?}");
        assert_eq!(sent.redeliver(&bench, &[1], t(3)).await, [Err(Refusal::NotFound)]);
        assert_eq!(told.try_iter().count(), 0, "nothing has changed");
    })
    .await;
}

#[tokio::test]
async fn what_is_sent_again_goes_with_its_event() {
    everywhere(async |bench| {
        let sent = Sent::to(&bench, 1).await;
        settle(&bench, vec![given_up(&only(&bench, t(0)).await, t(0))]).await;
        assert_eq!(sent.redeliver(&bench, &[0], t(1)).await, [Ok(())]);
        bench.store.expire(t(0), t(10), 100).await.expect("a slice");
        let backlog = bench.store.owed_counts().await.expect("an answer");
        assert_eq!((backlog.owed, backlog.undelivered), (0, 0));
        assert_eq!(sent.counts(&bench).await, (0, 1));
    })
    .await;
}
