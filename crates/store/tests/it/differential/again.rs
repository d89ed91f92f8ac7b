//! What has ended is sent again, what waits is cancelled, and what was fired is fired again. Deliveries are named by the place of
//! their event among all of its owner's, because the numbers of events only promise to ascend.

use jiff::{SignedDuration, Timestamp};
use oncue_domain::delivery::State;
use oncue_domain::event::{Event, Retention};
use oncue_domain::id::{EventId, MessageId, UserId};
use oncue_domain::redelivery::DeliveryId;
use oncue_domain::store::{FiredAgain, Redelivered, Repeat, Store, UndeliveredFilter};

use super::side::{Outcome, told};
use super::{Chance, Known};

/// Events are kept for so long in these runs.
pub(super) const RETENTION: Retention =
    Retention { active_for: SignedDuration::from_mins(10), keep_for: SignedDuration::from_hours(1) };

/// Something is to happen once more, or no more.
#[derive(Clone, Debug)]
pub(super) struct Again {
    pub(super) owner: UserId,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Redeliver(Vec<(usize, u32)>),
    /// Of what waits, the one at this place.
    Hasten(usize),
    /// After the one at this place of the whole list, at most so many.
    Matching(UndeliveredFilter, Option<usize>, usize),
    /// Counted up to so many.
    Count(UndeliveredFilter, u64),
    /// Of what waits, the one at this place; or else this one, whatever it does.
    Cancel(Option<usize>, (usize, u32)),
    Fire(usize, MessageId),
}

impl Again {
    pub(super) fn method(&self) -> &'static str {
        match self.what {
            What::Redeliver(_) | What::Hasten(_) => "redeliver",
            What::Matching(..) => "redeliver_matching",
            What::Count(..) => "count_undelivered",
            What::Cancel(..) => "cancel_delivery",
            What::Fire(..) => "fire_again",
        }
    }

    /// Whether it matters that nothing waits to be handed over.
    pub(super) fn is_of_what_nobody_holds(&self) -> bool {
        matches!(self.what, What::Cancel(..) | What::Hasten(_))
    }

    pub(super) fn draw(chance: &mut Chance, known: &Known, owner: UserId) -> Again {
        let slot = |chance: &mut Chance| chance.pick(&[0, 0, 0, 1, 2]);
        let what = match chance.below(12) {
            0..4 => {
                let mut some = Vec::new();
                for _ in 0..chance.pick(&[1, 1, 3, 12]) {
                    some.push((chance.below(40), slot(chance)));
                }
                What::Redeliver(some)
            }
            4..6 => {
                let after = if chance.once_in(3) { Some(chance.below(5)) } else { None };
                What::Matching(filter(chance, known, owner), after, chance.pick(&[1, 3, 1000]))
            }
            6 => What::Count(filter(chance, known, owner), chance.pick(&[1, 3, 1000])),
            7..9 => {
                let waiting = if chance.once_in(4) { None } else { Some(chance.below(4)) };
                What::Cancel(waiting, (chance.below(40), slot(chance)))
            }
            9..11 => What::Hasten(chance.below(4)),
            _ => What::Fire(chance.below(40), known.message()),
        };
        Again { owner, what }
    }

    /// Does it, where `events` are all of the owner's, oldest first; places count from the newest.
    pub(super) async fn run(&self, store: &dyn Store, events: &[Event], now: Timestamp) -> Outcome {
        let owner = self.owner;
        let gone_until = RETENTION.gone_until(now);
        let event = |place: usize| events.iter().rev().nth(place).map_or(EventId(999_999), |event| event.id);
        match &self.what {
            What::Redeliver(some) => {
                let some = some.iter().map(|(place, slot)| DeliveryId { event: event(*place), slot: *slot }).collect();
                let outcomes = store.redeliver(owner, some, RETENTION, now).await;
                told(outcomes, |outcomes| outcomes.iter().any(Result::is_ok))
            }
            What::Hasten(place) => {
                let waiting = waiting_at(store, events, *place).await.into_iter().collect();
                let outcomes = store.redeliver(owner, waiting, RETENTION, now).await;
                told(outcomes, |outcomes| outcomes.iter().any(Result::is_ok))
            }
            What::Matching(filter, after, limit) => {
                let list = store.undelivered(owner, *filter, gone_until, None, 100).await.expect("a list");
                let after = after.and_then(|place| list.get(place)).map(|one| one.place);
                let redelivered = store.redeliver_matching(owner, *filter, after, *limit, RETENTION, now).await;
                let told_of = |redelivered: Redelivered| {
                    let go_on_after = redelivered.go_on_after.map(|place| (place.failed_at, place.slot));
                    (redelivered.redelivered, redelivered.refused, go_on_after)
                };
                told(redelivered.map(told_of), |(redelivered, ..)| *redelivered > 0)
            }
            What::Count(filter, at_most) => {
                told(store.count_undelivered(owner, *filter, gone_until, *at_most).await, |count| *count > 0)
            }
            What::Cancel(waiting, (place, slot)) => {
                let waiting = match waiting {
                    Some(place) => waiting_at(store, events, *place).await,
                    None => None,
                };
                let delivery = waiting.unwrap_or(DeliveryId { event: event(*place), slot: *slot });
                told(store.cancel_delivery(owner, delivery, gone_until, now).await, |outcome| outcome.is_ok())
            }
            What::Fire(place, message_id) => {
                let repeat = Repeat { event: event(*place), checked: None, message_id: *message_id };
                let fired = store.fire_again(owner, repeat, gone_until, now).await;
                let without_number = |fired| match fired {
                    FiredAgain::Event(_) => FiredAgain::Event(EventId(0)),
                    other => other,
                };
                told(fired.map(without_number), |fired| matches!(fired, FiredAgain::Event(_)))
            }
        }
    }
}

/// Of what waits for its next attempt or for its destination, newest events first, what stands at this place or last.
async fn waiting_at(store: &dyn Store, events: &[Event], place: usize) -> Option<DeliveryId> {
    let mut last = None;
    let mut left = place + 1;
    for event in events.iter().rev() {
        let found = store.event(event.owner, event.id, Timestamp::MIN).await.expect("an answer");
        for view in found.expect("what is listed is there").1 {
            if left > 0 && matches!(view.state, State::Pending(_) | State::Parked(_)) {
                last = Some(DeliveryId { event: event.id, slot: view.slot });
                left -= 1;
            }
        }
    }
    last
}

fn filter(chance: &mut Chance, known: &Known, owner: UserId) -> UndeliveredFilter {
    let mut bound = |before: i64| {
        chance
            .once_in(3)
            .then(|| known.now - SignedDuration::from_secs(before * i64::try_from(chance.below(60)).expect("small")))
    };
    let (failed_after, failed_until) = (bound(60), bound(10));
    let destination = chance.once_in(3).then(|| super::destination::one(chance, known, owner).1);
    let trigger = chance.once_in(3).then(|| super::operation::trigger(chance, known).1);
    UndeliveredFilter { destination, trigger, failed_after, failed_until }
}
