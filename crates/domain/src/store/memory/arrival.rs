//! Arrivals in the reference model: what inboxes keep, and for how long.

use jiff::Timestamp;

use super::{Kept, draw};
use crate::arrival::{Arrival, Arrived, Contents, crowded_out, makes_room};
use crate::id::{ArrivalId, DestinationId, UserId};
use crate::store::Change;

pub(super) struct KeptArrival {
    owner: UserId,
    arrived: Arrived,
    contents: Contents,
}

impl Kept {
    pub(super) fn arrive(&mut self, owner: UserId, arrived: Arrived, contents: Contents) -> bool {
        if self.destination_of(owner, arrived.destination).is_none() {
            return false;
        }
        let id = ArrivalId(draw(&mut self.last_ids.arrival));
        let makes_room = makes_room(id, contents.size());
        self.arrivals.insert(id, KeptArrival { owner, arrived, contents });
        let own = self.arrivals.iter().rev().filter(|(_, kept)| kept.owner == owner);
        if makes_room && let Some(last) = crowded_out(own.map(|(id, kept)| (*id, kept.contents.size()))) {
            self.arrivals.retain(|id, kept| kept.owner != owner || *id > last);
        }
        self.changes.push(Change::Settled(owner));
        true
    }

    pub(super) fn arrivals_at(
        &self,
        owner: UserId,
        destination: DestinationId,
        before: Option<ArrivalId>,
        limit: usize,
    ) -> Vec<Arrival> {
        let is_there = |kept: &KeptArrival| kept.owner == owner && kept.arrived.destination == destination;
        let there = self.arrivals.iter().rev().filter(|(_, kept)| is_there(kept));
        let below = there.filter(|(id, _)| before.is_none_or(|before| **id < before));
        below.take(limit).map(|(id, kept)| Arrival { id: *id, arrived: kept.arrived.clone() }).collect()
    }

    pub(super) fn arrival_of(&self, owner: UserId, id: ArrivalId) -> Option<(Arrival, Contents)> {
        let kept = self.arrivals.get(&id).filter(|kept| kept.owner == owner)?;
        Some((Arrival { id, arrived: kept.arrived.clone() }, kept.contents.clone()))
    }

    /// What arrived at a destination goes with it.
    pub(super) fn forget_arrivals(&mut self, destination: DestinationId) {
        self.arrivals.retain(|_, kept| kept.arrived.destination != destination);
    }

    pub(super) fn expire_arrivals(&mut self, gone_until: Timestamp, limit: usize) {
        let old = self.arrivals.iter().filter(|(_, kept)| kept.arrived.at <= gone_until);
        let mut old: Vec<(Timestamp, ArrivalId)> = old.map(|(id, kept)| (kept.arrived.at, *id)).collect();
        old.sort();
        for (_, id) in old.into_iter().take(limit) {
            self.arrivals.remove(&id);
        }
    }
}
