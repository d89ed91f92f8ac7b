//! Sending again and giving up in the reference model.

use jiff::Timestamp;

use super::delivery::{DeliveryKey, End, Hold, Owed};
use super::{Kept, draw};
use crate::delivery::{cancel, over_until};
use crate::destination::Target;
use crate::event::Retention;
use crate::id::UserId;
use crate::redelivery::{CancelRefusal, DeliveryId, Former, Refusal, SLICE_MAX, Stand, may_redeliver};
use crate::store::{Change, Redelivered, UndeliveredFilter, UndeliveredPlace};

/// The claims of a delivery that is sent again are counted from a multiple of this on, a higher one each time, so that no claim of before
/// may settle what is owed now.
const FENCES_APART: i64 = 1 << 32;

impl Kept {
    pub(super) fn redeliver_all(
        &mut self,
        owner: UserId,
        deliveries: &[DeliveryId],
        retention: Retention,
        now: Timestamp,
    ) -> Vec<Result<(), Refusal>> {
        deliveries.iter().map(|delivery| self.redeliver(owner, *delivery, retention, now)).collect()
    }

    fn redeliver(
        &mut self,
        owner: UserId,
        delivery: DeliveryId,
        retention: Retention,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let key = self.key_of(owner, delivery, retention.gone_until(now)).ok_or(Refusal::NotFound)?;
        let (event, kept) = (self.events.get(&key.0), self.deliveries.get(&key));
        let (event, kept) = event.zip(kept).ok_or(Refusal::NotFound)?;
        let tried = kept.attempts.last().map_or(0, |attempt| attempt.number);
        let stand = Stand::of(self.owed.get(&key).map(Owed::state), tried, now);
        let former = Former {
            fired_at: event.fired_at,
            stand,
            is_target_there: match &kept.target {
                Target::Webhook(_) => true,
                Target::Default => self.has_default_destination,
                Target::Destination(id) => self.destinations.contains_key(id),
            },
        };
        may_redeliver(former, retention, now)?;
        self.changes.extend([Change::Owed, Change::Settled(owner)]);
        if stand == Stand::Waits {
            self.owed.get_mut(&key).ok_or(Refusal::NotFound)?.due_at = now;
            return Ok(());
        }
        let fence = draw(&mut self.last_ids.redelivery) * FENCES_APART;
        let kept = self.deliveries.get_mut(&key).ok_or(Refusal::NotFound)?;
        kept.has_arrived = matches!(kept.end.take(), Some(End::Delivered));
        kept.ladder_from = tried;
        self.owed.insert(key, Owed { due_at: now, hold: Hold::Nobody, fence });
        Ok(())
    }

    pub(super) fn redeliver_matching(
        &mut self,
        owner: UserId,
        filter: UndeliveredFilter,
        after: Option<UndeliveredPlace>,
        limit: usize,
        retention: Retention,
        now: Timestamp,
    ) -> Redelivered {
        let limit = limit.min(SLICE_MAX);
        let found = self.undelivered(owner, filter, over_until(retention.keep_for, now), after, limit);
        let deliveries: Vec<DeliveryId> = found.iter().map(|one| one.place.delivery()).collect();
        let outcomes = self.redeliver_all(owner, &deliveries, retention, now);
        Redelivered::of(&found, &outcomes, limit)
    }

    pub(super) fn cancel_delivery(
        &mut self,
        owner: UserId,
        delivery: DeliveryId,
        gone_until: Timestamp,
        now: Timestamp,
    ) -> Result<(), CancelRefusal> {
        let key = self.key_of(owner, delivery, gone_until).ok_or(CancelRefusal::NotFound)?;
        let owed = self.owed.get(&key).ok_or(CancelRefusal::Ended)?;
        if owed.hold == Hold::Claimed {
            return Err(CancelRefusal::UnderWay);
        }
        let claim = self.claim(key, now).ok_or(CancelRefusal::NotFound)?;
        self.settle(cancel(claim, now));
        Ok(())
    }

    /// The owner's delivery, if its event is kept.
    fn key_of(&self, owner: UserId, delivery: DeliveryId, gone_until: Timestamp) -> Option<DeliveryKey> {
        let event = self.events.get(&delivery.event)?;
        let key = (delivery.event, delivery.slot);
        (event.owner == owner && event.fired_at > gone_until && self.deliveries.contains_key(&key)).then_some(key)
    }
}
