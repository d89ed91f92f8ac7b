//! Several deliveries of one event: each owed, claimed, settled and shown by itself; the event is over when the last of them is.
//! And what is parked: it waits for its destination, and no longer than it may.

use jiff::Timestamp;
use oncue_domain::delivery::{self, CLAIM_FOR, Claim, Settlement, State};
use oncue_domain::destination::{Standing, Target};
use oncue_domain::firing::Outcome;
use oncue_domain::id::{DestinationId, EventId, TriggerId, UserId};
use oncue_domain::store::{
    Change, Deleted, DeliveryView, EventPage, EventSearch, TargetKind, Undelivered, UndeliveredFilter, UndeliveredPlace,
};
use oncue_domain::trigger::Definition;

use super::destination::sending_to;
use crate::bench::{Bench, answered, everywhere, given_up, t, webhook, wherever_it_lasts};

/// A trigger with an address of its own and two destinations, fired at `t(0)`.
struct Sent {
    owner: UserId,
    trigger: TriggerId,
    event: EventId,
    one: DestinationId,
    two: DestinationId,
}

impl Sent {
    async fn new(bench: &Bench) -> Sent {
        let owner = bench.user("a").await;
        let (one, two) = (bench.destination(owner, "one").await.id, bench.destination(owner, "two").await.id);
        let definition = Definition { webhook: Some(webhook("https://example.com/hook")), ..sending_to(&[two, one]) };
        let trigger = bench.trigger(owner, definition).await.id;
        let event = bench.fire(owner, trigger, None, t(0)).await;
        Sent { owner, trigger, event, one, two }
    }

    async fn views(&self, bench: &Bench) -> Vec<DeliveryView> {
        let found = bench.store.event(self.owner, self.event, t(-1)).await.expect("an answer");
        found.expect("the event is there").1
    }

    async fn states(&self, bench: &Bench) -> Vec<State> {
        self.views(bench).await.into_iter().map(|view| view.state).collect()
    }

    /// What all places that tell of an event's outcome agree on.
    async fn outcome(&self, bench: &Bench) -> Outcome {
        let firings = bench.store.recent_firings(self.owner, vec![self.trigger], t(-1), 10).await.expect("firings");
        let outcome = firings[0].firings[0].outcome;
        for of in Outcome::ALL {
            let search = EventSearch { outcome: Some(of), ..EventSearch::default() };
            let page = EventPage::NewestFirst(None);
            let found = bench.store.event_lines(self.owner, search, page, 10).await.expect("a search").lines;
            assert_eq!(found.len(), usize::from(of == outcome), "{of:?}");
        }
        let hours = bench.store.hour_counts(self.owner, None, Timestamp::MIN, Timestamp::MAX).await.expect("counts");
        let expected = match outcome {
            Outcome::Delivered => (1, 0),
            Outcome::Failed => (0, 1),
            Outcome::Pending | Outcome::Logged => (0, 0),
        };
        assert_eq!((hours[0].delivered, hours[0].failed), expected);
        let attention = bench.store.attention(self.owner, t(-1), t(1)).await.expect("an answer");
        assert_eq!(attention.failing.len(), usize::from(outcome == Outcome::Failed));
        outcome
    }

    async fn set(&self, bench: &Bench, id: DestinationId, standing: Standing, now: Timestamp) {
        assert!(bench.store.set_standing(self.owner, id, standing, now).await.expect("an answer"));
    }

    async fn pause(&self, bench: &Bench, id: DestinationId) {
        self.set(bench, id, Standing::Paused { since: t(0) }, t(0)).await;
    }

    async fn undelivered(&self, bench: &Bench) -> Vec<Undelivered> {
        bench.store.undelivered(self.owner, UndeliveredFilter::default(), t(-1), None, 10).await.expect("a list")
    }
}

async fn settle(bench: &Bench, settlements: Vec<Settlement>) {
    bench.store.settle(settlements).await.expect("a store that answers");
}

/// The claims of an event with three deliveries, in their order.
async fn three(bench: &Bench) -> [Claim; 3] {
    bench.claim_all(t(0)).await.try_into().expect("three deliveries are owed")
}

#[tokio::test]
async fn an_event_has_a_delivery_for_its_triggers_address_and_each_of_its_destinations() {
    everywhere(async |bench| {
        let sent = Sent::new(&bench).await;
        assert_eq!(bench.store.owed_counts().await.expect("an answer").owed, 3);
        let claims = three(&bench).await;
        let own = Target::Webhook(webhook("https://example.com/hook"));
        let targets = [own, Target::Destination(sent.two), Target::Destination(sent.one)];
        let mut messages = Vec::new();
        for ((claim, slot), target) in claims.iter().zip(0..).zip(&targets) {
            assert_eq!((claim.event.id, claim.slot, claim.deliveries), (sent.event, slot, 3));
            assert_eq!((&claim.target, claim.tried, claim.fence), (target, 0, 1));
            assert_eq!(claim.until, t(0) + CLAIM_FOR);
            messages.push(claim.message_id());
        }
        assert_eq!(messages[0], claims[0].event.message_id);
        let views = sent.views(&bench).await;
        assert_eq!(views.iter().map(|view| view.target.clone()).collect::<Vec<_>>(), targets);
        assert_eq!(views.iter().map(|view| view.message_id).collect::<Vec<_>>(), messages);
        assert_eq!(views.iter().map(|view| view.slot).collect::<Vec<_>>(), [0, 1, 2]);
        assert!(views.iter().all(|view| view.state == State::Held));
    })
    .await;
}

#[tokio::test]
async fn each_delivery_is_settled_by_itself_and_the_event_is_over_with_the_last() {
    everywhere(async |bench| {
        let sent = Sent::new(&bench).await;
        let [own, two, one] = three(&bench).await;
        assert_eq!(sent.outcome(&bench).await, Outcome::Pending);
        let retry = answered(&two, 500, t(1));
        settle(&bench, vec![answered(&own, 200, t(1)), retry.clone()]).await;
        let states = sent.states(&bench).await;
        assert!(matches!(states[..], [State::Delivered, State::Pending(_), State::Held]), "{states:?}");
        settle(&bench, vec![answered(&one, 204, t(2))]).await;
        assert_eq!(sent.outcome(&bench).await, Outcome::Pending, "one is still owed");
        let [two] = bench.claim_all(t(100)).await.try_into().expect("one is due again");
        assert_eq!((two.slot, two.tried, two.deliveries), (1, 1, 3));
        assert_eq!(two.message_id(), retry.claim.message_id(), "under the same id");
        settle(&bench, vec![answered(&two, 200, t(100))]).await;
        assert_eq!(sent.states(&bench).await, [State::Delivered; 3]);
        assert_eq!(sent.outcome(&bench).await, Outcome::Delivered);
        let attempts: Vec<usize> = sent.views(&bench).await.iter().map(|view| view.attempts.len()).collect();
        assert_eq!(attempts, [1, 2, 1]);
        assert_eq!(bench.store.owed_counts().await.expect("an answer").owed, 0);
        assert_eq!(sent.undelivered(&bench).await, []);
    })
    .await;
}

#[tokio::test]
async fn an_event_of_which_one_delivery_failed_has_failed_once_nothing_is_owed() {
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
        everywhere(async |bench| {
            let sent = Sent::new(&bench).await;
            let claims = three(&bench).await;
            for place in order {
                assert_eq!(sent.outcome(&bench).await, Outcome::Pending);
                let claim = &claims[place];
                let settlement = if place == 1 { given_up(claim, t(5)) } else { answered(claim, 200, t(5)) };
                settle(&bench, vec![settlement]).await;
            }
            assert_eq!(sent.outcome(&bench).await, Outcome::Failed);
            assert_eq!(sent.states(&bench).await, [State::Delivered, State::Failed, State::Delivered]);
        })
        .await;
    }
}

#[tokio::test]
async fn deliveries_of_one_event_that_end_together_end_it_once() {
    everywhere(async |bench| {
        let sent = Sent::new(&bench).await;
        let [own, two, one] = three(&bench).await;
        settle(&bench, vec![answered(&own, 200, t(1)), given_up(&two, t(1)), answered(&one, 200, t(1))]).await;
        assert_eq!(sent.outcome(&bench).await, Outcome::Failed);
    })
    .await;
}

#[tokio::test]
async fn deliveries_of_one_event_that_end_at_once_end_it_once() {
    everywhere(async |bench| {
        let sent = Sent::new(&bench).await;
        let [own, two, one] = three(&bench).await;
        let settle = |settlement| bench.store.settle(vec![settlement]);
        let (first, second, third) = tokio::join!(
            settle(answered(&own, 200, t(1))),
            settle(given_up(&two, t(1))),
            settle(answered(&one, 200, t(1)))
        );
        first.and(second).and(third).expect("settlements");
        assert_eq!(sent.outcome(&bench).await, Outcome::Failed);
    })
    .await;
}

#[tokio::test]
async fn a_delivery_that_failed_stays_in_the_list_with_its_reason() {
    everywhere(async |bench| {
        let sent = Sent::new(&bench).await;
        let [own, two, one] = three(&bench).await;
        settle(&bench, vec![given_up(&own, t(5)), delivery::fail(two, "No\0 reason.", t(7))]).await;
        let list = sent.undelivered(&bench).await;
        let place = |seconds, slot| UndeliveredPlace { failed_at: t(seconds), event: sent.event, slot };
        assert_eq!(list.iter().map(|one| one.place).collect::<Vec<_>>(), [place(7, 1), place(5, 0)]);
        assert_eq!((list[0].target, list[1].target), (TargetKind::Destination(sent.two), TargetKind::Webhook));
        assert!(list.iter().all(|one| (one.trigger, one.fired_at) == (sent.trigger, t(0))));
        assert!(list[0].why.as_ref().is_some_and(|why| why.starts_with("No") && why.ends_with(" reason.")));
        assert_eq!(list[1].why, None, "its attempt says it");
        let views = sent.views(&bench).await;
        assert_eq!((views[1].state, views[1].attempts.len(), &views[1].why), (State::Failed, 0, &list[0].why));
        assert_eq!(views[0].why, None);
        let below =
            |after, limit| bench.store.undelivered(sent.owner, UndeliveredFilter::default(), t(-1), after, limit);
        assert_eq!(below(Some(place(7, 1)), 10).await.expect("a list"), list[1..]);
        assert_eq!(below(None, 1).await.expect("a list"), list[..1]);
        assert_eq!(
            bench.store.undelivered(sent.owner, UndeliveredFilter::default(), t(0), None, 10).await.expect("a list"),
            [],
            "it has expired"
        );
        let ben = bench.user("ben").await;
        assert_eq!(
            bench.store.undelivered(ben, UndeliveredFilter::default(), t(-1), None, 10).await.expect("a list"),
            [],
            "it is not his"
        );
        assert_eq!(sent.outcome(&bench).await, Outcome::Pending);
        settle(&bench, vec![answered(&one, 200, t(8))]).await;
        bench.store.expire(t(0), t(200_000), 10).await.expect("an expiry");
        assert_eq!(sent.undelivered(&bench).await, []);
    })
    .await;
}

#[tokio::test]
async fn an_event_whose_only_delivery_was_never_tried_has_failed() {
    everywhere(async |bench| {
        let owner = bench.user("a").await;
        let one = bench.destination(owner, "one").await.id;
        let trigger = bench.trigger(owner, sending_to(&[one])).await.id;
        let event = bench.fire(owner, trigger, None, t(0)).await;
        let [claim] = bench.claim_all(t(0)).await.try_into().expect("one delivery");
        assert_eq!((claim.slot, claim.deliveries), (0, 1));
        settle(&bench, vec![delivery::fail(claim, "It was deleted.", t(1))]).await;
        let sent = Sent { owner, trigger, event, one, two: one };
        assert_eq!(sent.outcome(&bench).await, Outcome::Failed);
        assert_eq!(sent.undelivered(&bench).await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn what_is_parked_waits_and_is_due_at_once_when_its_destination_resumes() {
    everywhere(async |bench| {
        let sent = Sent::new(&bench).await;
        let [own, two, one] = three(&bench).await;
        sent.pause(&bench, sent.two).await;
        let parked = delivery::park(two, t(9000), t(1));
        settle(&bench, vec![answered(&own, 200, t(1)), parked, answered(&one, 200, t(1))]).await;
        assert_eq!(sent.states(&bench).await, [State::Delivered, State::Parked(t(9000)), State::Delivered]);
        assert_eq!(sent.outcome(&bench).await, Outcome::Pending);
        assert_eq!(bench.store.owed_counts().await.expect("an answer").owed, 1);
        assert_eq!(bench.store.next_owed().await.expect("an answer"), Some(t(9000)));
        assert_eq!(bench.claim_all(t(8999)).await.len(), 0);
        // What another destination does is nothing to it, nor what its own says, as long as it does not resume.
        sent.set(&bench, sent.one, Standing::Active, t(2)).await;
        sent.set(&bench, sent.two, Standing::Suspended { since: t(3), reason: String::new() }, t(3)).await;
        assert_eq!(bench.claim_all(t(3)).await.len(), 0);
        let heard = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let ear = std::sync::Arc::clone(&heard);
        bench.store.subscribe(std::sync::Arc::new(move |change| ear.lock().expect("no panic").push(change)));
        sent.set(&bench, sent.two, Standing::Active, t(4)).await;
        for change in [Change::Owed, Change::Settled(sent.owner), Change::Destination(sent.owner)] {
            assert!(heard.lock().expect("no panic").contains(&change), "{change:?}");
        }
        assert_eq!(sent.states(&bench).await[1], State::Pending(t(4)));
        let [two] = bench.claim_all(t(4)).await.try_into().expect("it is due");
        assert_eq!((two.slot, two.tried, two.fence), (1, 0, 2));
        settle(&bench, vec![answered(&two, 200, t(4))]).await;
        assert_eq!(sent.outcome(&bench).await, Outcome::Delivered);
    })
    .await;
}

#[tokio::test]
async fn what_is_parked_after_its_destination_has_resumed_or_gone_is_due_at_once() {
    everywhere(async |bench| {
        let sent = Sent::new(&bench).await;
        let [_, two, one] = three(&bench).await;
        sent.pause(&bench, sent.one).await;
        sent.set(&bench, sent.one, Standing::Active, t(1)).await;
        bench.store.delete_trigger(sent.owner, sent.trigger, t(1)).await.expect("a deletion");
        let deleted = bench.store.delete_destination(sent.owner, sent.two, t(1)).await.expect("an answer");
        assert_eq!(deleted, Deleted::Done);
        settle(&bench, vec![delivery::park(one, t(9000), t(2)), delivery::park(two, t(9000), t(2))]).await;
        let states = sent.states(&bench).await;
        assert_eq!(states, [State::Held, State::Pending(t(2)), State::Pending(t(2))]);
        assert_eq!(bench.claim_all(t(2)).await.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_destination_that_resumes_while_something_is_parked_for_it_leaves_nothing_behind() {
    everywhere(async |bench| {
        let sent = Sent::new(&bench).await;
        let [_, two, _] = three(&bench).await;
        let mut claim = two;
        for round in 1..10 {
            sent.pause(&bench, sent.two).await;
            let parked = delivery::park(claim, t(9000), t(round));
            let (settled, resumed) = tokio::join!(
                bench.store.settle(vec![parked]),
                bench.store.set_standing(sent.owner, sent.two, Standing::Active, t(round))
            );
            assert_eq!((settled, resumed), (Ok(()), Ok(true)));
            let due = bench.claim_all(t(round)).await;
            [claim] = due.try_into().expect("it is due, whichever of the two was first");
        }
    })
    .await;
}

#[tokio::test]
async fn what_waits_for_its_next_attempt_is_due_when_its_destination_resumes_or_goes() {
    everywhere(async |bench| {
        let sent = Sent::new(&bench).await;
        let [own, two, one] = three(&bench).await;
        settle(&bench, vec![answered(&own, 500, t(1)), answered(&two, 500, t(1))]).await;
        sent.pause(&bench, sent.two).await;
        sent.set(&bench, sent.two, Standing::Active, t(2)).await;
        assert_eq!(sent.states(&bench).await[1], State::Pending(t(2)));
        assert!(matches!(sent.states(&bench).await[0], State::Pending(at) if at > t(2)), "it is nobody's");
        sent.set(&bench, sent.one, Standing::Active, t(2)).await;
        assert_eq!(sent.states(&bench).await[2], State::Held, "what is under way stays under way");
        settle(&bench, vec![answered(&one, 500, t(3))]).await;
        bench.store.delete_trigger(sent.owner, sent.trigger, t(4)).await.expect("a deletion");
        let gone = bench.store.delete_destination(sent.owner, sent.one, t(4)).await.expect("an answer");
        assert_eq!(gone, Deleted::Done);
        assert_eq!(sent.states(&bench).await[2], State::Pending(t(4)));
        let due = bench.claim_all(t(4)).await;
        assert_eq!(due.iter().map(|claim| claim.slot).collect::<Vec<_>>(), [1, 2]);
    })
    .await;
}

#[tokio::test]
async fn what_is_parked_is_due_when_its_destination_goes() {
    everywhere(async |bench| {
        let sent = Sent::new(&bench).await;
        let [_, two, _] = three(&bench).await;
        sent.pause(&bench, sent.two).await;
        settle(&bench, vec![delivery::park(two, t(9000), t(1))]).await;
        bench.store.delete_trigger(sent.owner, sent.trigger, t(2)).await.expect("a deletion");
        bench.store.delete_destination(sent.owner, sent.two, t(2)).await.expect("a deletion");
        let [two] = bench.claim_all(t(2)).await.try_into().expect("it is due");
        assert_eq!(two.target, Target::Destination(sent.two));
        assert_eq!(bench.store.destinations_to_send_to(vec![sent.two]).await.expect("a list"), []);
    })
    .await;
}

#[tokio::test]
async fn what_is_parked_is_due_when_its_time_is_over() {
    everywhere(async |bench| {
        let sent = Sent::new(&bench).await;
        let [_, two, _] = three(&bench).await;
        sent.pause(&bench, sent.two).await;
        settle(&bench, vec![delivery::park(two, t(80), t(1))]).await;
        let [two] = bench.claim_all(t(80)).await.try_into().expect("its time is over");
        assert_eq!(sent.states(&bench).await[1], State::Held);
        settle(&bench, vec![delivery::park(two, t(80), t(80))]).await;
        let view = sent.views(&bench).await.remove(1);
        assert_eq!((view.state, view.attempts.len(), view.why.is_some()), (State::Failed, 0, true));
    })
    .await;
}

#[tokio::test]
async fn a_restart_leaves_what_is_parked_parked_and_lets_go_of_each_delivery_that_was_held() {
    wherever_it_lasts(async |bench| {
        let sent = Sent::new(&bench).await;
        let [own, two, _] = three(&bench).await;
        sent.pause(&bench, sent.two).await;
        settle(&bench, vec![answered(&own, 200, t(1)), delivery::park(two, t(9000), t(1))]).await;
        let bench = bench.reopen().await;
        let [one] = bench.claim_all(t(2)).await.try_into().expect("what was held is owed");
        assert_eq!((one.slot, one.deliveries, &one.target), (2, 3, &Target::Destination(sent.one)));
        assert_eq!(sent.states(&bench).await, [State::Delivered, State::Parked(t(9000)), State::Held]);
    })
    .await;
}

#[tokio::test]
async fn an_event_that_expires_takes_all_its_deliveries_along() {
    everywhere(async |bench| {
        let sent = Sent::new(&bench).await;
        let [own, two, one] = three(&bench).await;
        sent.pause(&bench, sent.two).await;
        settle(&bench, vec![given_up(&own, t(1)), delivery::park(two, t(9000), t(1))]).await;
        bench.store.expire(t(0), t(200_000), 10).await.expect("an expiry");
        assert_eq!(bench.store.owed_counts().await.expect("an answer").owed, 0);
        settle(&bench, vec![answered(&one, 200, t(2))]).await;
        sent.set(&bench, sent.two, Standing::Active, t(3)).await;
        assert_eq!(bench.claim_all(t(9000)).await.len(), 0);
    })
    .await;
}
