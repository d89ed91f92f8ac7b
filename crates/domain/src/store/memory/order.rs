//! Deliveries in order in the reference model: at a destination that asks for it, the one with the lowest number goes, and nothing else
//! until it has ended.

use jiff::Timestamp;

use super::Kept;
use super::delivery::{DeliveryKey, Hold, Owed};
use crate::delivery::Claim;
use crate::destination::Target;
use crate::id::DestinationId;

impl Kept {
    /// The destination in whose order this delivery stands, where it takes them in order.
    pub(super) fn order_of(&self, key: DeliveryKey) -> Option<DestinationId> {
        let Target::Destination(id) = self.deliveries.get(&key)?.target else { return None };
        self.destinations.get(&id).filter(|destination| destination.definition.in_order).map(|_| id)
    }

    /// What is owed to the destination, the lowest number first.
    fn line(&self, id: DestinationId) -> Vec<DeliveryKey> {
        let is_its = |key: &&DeliveryKey| {
            self.deliveries.get(key).is_some_and(|delivery| delivery.target == Target::Destination(id))
        };
        self.owed.keys().filter(is_its).copied().collect()
    }

    /// Claims the first in line where nothing is under way and its time has come; what is due of the others is queued.
    pub(super) fn claim_in_order(&mut self, id: DestinationId, now: Timestamp) -> Option<Claim> {
        let line = self.line(id);
        let owed = |key: &DeliveryKey| self.owed.get(key);
        let is_under_way = |owed: &Owed| owed.hold == Hold::Claimed && owed.due_at > now;
        let is_free = !line.iter().filter_map(owed).any(is_under_way);
        let is_its_turn =
            |key: &DeliveryKey| owed(key).is_some_and(|owed| owed.due_at <= now || owed.hold == Hold::Queued);
        let first = line.first().copied().filter(|key| is_free && is_its_turn(key));
        for key in line {
            if let Some(owed) = self.owed.get_mut(&key).filter(|owed| owed.due_at <= now && Some(key) != first) {
                (owed.hold, owed.due_at) = (Hold::Queued, Timestamp::MAX);
            }
        }
        first.and_then(|key| self.claim(key, now))
    }

    /// Something of the destination's ended, or is put off: the first in line is due if it was queued.
    pub(super) fn call_up(&mut self, id: DestinationId, now: Timestamp) {
        if !self.destinations.get(&id).is_some_and(|destination| destination.definition.in_order) {
            return;
        }
        let Some(first) = self.line(id).first().copied() else { return };
        if let Some(owed) = self.owed.get_mut(&first).filter(|owed| owed.hold == Hold::Queued) {
            (owed.hold, owed.due_at) = (Hold::Nobody, now);
            self.changes.push(crate::store::Change::Owed);
        }
    }

    /// The destination takes deliveries in order no more: whatever was queued is due.
    pub(super) fn dissolve(&mut self, id: DestinationId, now: Timestamp) {
        for key in self.line(id) {
            if let Some(owed) = self.owed.get_mut(&key).filter(|owed| owed.hold == Hold::Queued) {
                (owed.hold, owed.due_at) = (Hold::Nobody, now);
                self.changes.push(crate::store::Change::Owed);
            }
        }
    }
}
