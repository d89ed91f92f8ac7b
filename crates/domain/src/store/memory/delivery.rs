//! Deliveries in the reference model: what is owed, who holds it, what was tried, and what was given up.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::Kept;
use crate::delivery::{Attempt, CLAIM_FOR, Claim, Settlement, State, Verdict};
use crate::destination::{Standing, Target};
use crate::event::Event;
use crate::id::{DestinationId, EventId, UserId};
use crate::receipt::{Kept as KeptReceipt, Receipt};
use crate::store::{
    Change, DeliveryView, Error, OwedCounts, Result, TargetKind, Undelivered, UndeliveredFilter, UndeliveredPlace,
};

/// An event and which of its deliveries.
pub(super) type DeliveryKey = (EventId, u32);

pub(super) struct KeptDelivery {
    pub(super) target: Target,
    pub(super) attempts: Vec<Attempt>,
    /// How many of the attempts were made before it was last sent again.
    pub(super) ladder_from: u32,
    /// By the number of its attempt.
    receipts: BTreeMap<u32, KeptReceipt>,
    /// How it ended once nothing is owed any more.
    pub(super) end: Option<End>,
    /// Whether it was delivered before it was sent again: then it is when it ends, whatever comes of that.
    pub(super) has_arrived: bool,
}

pub(super) enum End {
    Delivered,
    Failed { at: Timestamp, why: Option<String> },
}

pub(super) struct Owed {
    /// When it may be claimed: the next attempt's time, the end of its being parked, or the end of the claim that holds it.
    pub(super) due_at: Timestamp,
    pub(super) hold: Hold,
    /// Counts the claims; only the latest may settle.
    pub(super) fence: i64,
}

impl Owed {
    pub(super) fn state(&self) -> State {
        match self.hold {
            Hold::Claimed => State::Held,
            Hold::Parked => State::Parked(self.due_at),
            Hold::Queued => State::Queued,
            Hold::Nobody => State::Pending(self.due_at),
        }
    }
}

/// What keeps a delivery that is owed from being claimed before it is due.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    Nobody,
    Claimed,
    Parked,
    /// It waits for those before it. Whoever evaluates the order of its destination finds it when they have ended.
    Queued,
}

/// All deliveries of an event.
pub(super) fn all_of(id: EventId) -> std::ops::RangeInclusive<DeliveryKey> {
    (id, 0)..=(id, u32::MAX)
}

impl Kept {
    /// The event is owed to where its trigger says, if that is anywhere.
    pub(super) fn owe(&mut self, id: EventId, targets: Vec<Target>, now: Timestamp) {
        for (target, slot) in targets.into_iter().zip(0..) {
            self.deliveries.insert(
                (id, slot),
                KeptDelivery {
                    target,
                    attempts: Vec::new(),
                    ladder_from: 0,
                    receipts: BTreeMap::new(),
                    end: None,
                    has_arrived: false,
                },
            );
            self.owed.insert((id, slot), Owed { due_at: now, hold: Hold::Nobody, fence: 0 });
            self.changes.push(Change::Owed);
        }
    }

    /// Nobody holds anything any more.
    pub(super) fn let_go(&mut self) {
        for owed in self.owed.values_mut().filter(|owed| owed.hold == Hold::Claimed) {
            owed.hold = Hold::Nobody;
            owed.due_at = Timestamp::UNIX_EPOCH;
        }
    }

    /// What is parked for a destination of this owner is due, and what waits for its next attempt there.
    pub(super) fn unpark(&mut self, owner: UserId, destination: DestinationId, now: Timestamp) {
        let mut was_parked = false;
        for (key, owed) in &mut self.owed {
            let of_it = self.deliveries.get(key).filter(|kept| kept.target == Target::Destination(destination));
            let is_waiting = of_it.is_some_and(|kept| match owed.hold {
                Hold::Parked => true,
                Hold::Nobody | Hold::Queued => owed.due_at > now && !kept.attempts.is_empty(),
                Hold::Claimed => false,
            });
            if is_waiting {
                owed.hold = Hold::Nobody;
                owed.due_at = now;
                was_parked = true;
            }
        }
        if was_parked {
            self.changes.extend([Change::Owed, Change::Settled(owner)]);
        }
    }

    pub(super) fn next_owed(&self) -> Option<Timestamp> {
        self.owed.values().map(|owed| owed.due_at).min()
    }

    pub(super) fn claim_deliveries(&mut self, now: Timestamp, limit: usize) -> Vec<Claim> {
        let mut due: Vec<(Timestamp, DeliveryKey)> =
            self.owed.iter().filter(|(_, owed)| owed.due_at <= now).map(|(key, owed)| (owed.due_at, *key)).collect();
        due.sort();
        due.truncate(limit);
        let mut claims = Vec::new();
        for (_, key) in due {
            // What was queued or claimed meanwhile is not due any more.
            if self.owed.get(&key).is_none_or(|owed| owed.due_at > now) {
                continue;
            }
            claims.extend(match self.order_of(key) {
                Some(destination) => self.claim_in_order(destination, now),
                None => self.claim(key, now),
            });
        }
        claims
    }

    pub(super) fn claim(&mut self, key: DeliveryKey, now: Timestamp) -> Option<Claim> {
        let (id, slot) = key;
        let deliveries = u32::try_from(self.deliveries.range(all_of(id)).count()).unwrap_or(u32::MAX);
        let owed = self.owed.get_mut(&key)?;
        let delivery = self.deliveries.get(&key)?;
        // A claim that has lapsed was given out when its delivery was due, or soon after.
        let due_at = if owed.hold == Hold::Claimed { owed.due_at - CLAIM_FOR } else { owed.due_at };
        owed.hold = Hold::Claimed;
        owed.due_at = now + CLAIM_FOR;
        owed.fence += 1;
        Some(Claim {
            event: Arc::clone(self.events.get(&id)?),
            slot,
            deliveries,
            target: delivery.target.clone(),
            tried: delivery.attempts.last().map_or(0, |attempt| attempt.number),
            ladder_from: delivery.ladder_from,
            due_at,
            until: owed.due_at,
            fence: owed.fence,
        })
    }

    /// Settles what the claim holds; a claim that was lost or used up already holds nothing.
    pub(super) fn settle(&mut self, settlement: Settlement) {
        let shown = settlement.shows();
        let Settlement { claim, at, attempt, receipt, verdict, why, suspends: _, is_too_soon: _ } = settlement;
        let key = (claim.event.id, claim.slot);
        let takes_deliveries = self.takes_deliveries(&claim.target);
        let is_held = |owed: &&mut Owed| owed.hold == Hold::Claimed && owed.fence == claim.fence;
        let Some(owed) = self.owed.get_mut(&key).filter(is_held) else { return };
        let Some(delivery) = self.deliveries.get_mut(&key) else { return };
        delivery.receipts.extend(attempt.as_ref().map(|attempt| attempt.number).zip(receipt));
        delivery.attempts.extend(attempt.clone());
        match verdict {
            Verdict::Retry(due_at) => {
                delivery.ladder_from = claim.ladder_from;
                (owed.hold, owed.due_at) = (Hold::Nobody, due_at);
                self.changes.push(Change::Owed);
            }
            Verdict::Park(until) => {
                (owed.hold, owed.due_at) = if takes_deliveries { (Hold::Nobody, at) } else { (Hold::Parked, until) };
                self.changes.push(Change::Owed);
            }
            Verdict::Delivered => self.end(&claim.event, key, End::Delivered, at),
            Verdict::Failed if delivery.has_arrived => self.end(&claim.event, key, End::Delivered, at),
            Verdict::Failed => self.end(&claim.event, key, End::Failed { at, why }, at),
        }
        self.changes.push(Change::Settled(claim.event.owner));
        if let Target::Destination(id) = claim.target {
            self.call_up(id, at);
        }
        if let (Some((id, is_delivered)), Some(attempt)) = (shown, &attempt) {
            self.follow_attempt(id, &claim, attempt, is_delivered, at);
        }
    }

    /// Whether there is no use in waiting for the target: it takes deliveries, or never will.
    fn takes_deliveries(&self, target: &Target) -> bool {
        let Target::Destination(id) = target else { return true };
        self.destinations.get(id).is_none_or(|destination| destination.standing == Standing::Active)
    }

    fn end(&mut self, event: &Event, key: DeliveryKey, end: End, ended_at: Timestamp) {
        self.owed.remove(&key);
        if self.owed_in_the_way.remove(&key) {
            self.call_up_trigger(event, ended_at);
        }
        if let Some(delivery) = self.deliveries.get_mut(&key) {
            delivery.end = Some(end);
        }
        if self.owed.range(all_of(event.id)).next().is_some() {
            return;
        }
        let mut ends = self.deliveries.range(all_of(event.id)).map(|(_, delivery)| &delivery.end);
        let is_delivered = ends.all(|end| matches!(end, Some(End::Delivered)));
        match self.is_counted_delivered.insert(event.id, is_delivered) {
            None => self.count_ended(event, is_delivered),
            Some(false) if is_delivered => self.count_mended(event),
            Some(_) => {}
        }
    }

    pub(super) fn deliveries_of(&self, id: EventId) -> Vec<DeliveryView> {
        let Some(event) = self.events.get(&id) else { return Vec::new() };
        let view = |(key, delivery): (&DeliveryKey, &KeptDelivery)| DeliveryView {
            slot: key.1,
            message_id: event.message_id.of_slot(key.1),
            target: delivery.target.clone(),
            state: match (self.owed.get(key), &delivery.end) {
                (Some(owed), _) => owed.state(),
                (None, Some(End::Delivered)) => State::Delivered,
                (None, _) => State::Failed,
            },
            attempts: delivery.attempts.clone(),
            ladder_from: if self.owed.contains_key(key) { delivery.ladder_from } else { 0 },
            why: match &delivery.end {
                Some(End::Failed { why, .. }) => why.clone(),
                _ => None,
            },
        };
        self.deliveries.range(all_of(id)).map(view).collect()
    }

    pub(super) fn receipt(
        &self,
        owner: UserId,
        (id, slot): DeliveryKey,
        number: u32,
        gone_until: Timestamp,
    ) -> Result<Option<Receipt>> {
        let event = self.events.get(&id).filter(|event| event.owner == owner && event.fired_at > gone_until);
        let delivery = event.and_then(|_| self.deliveries.get(&(id, slot)));
        let Some(kept) = delivery.and_then(|delivery| delivery.receipts.get(&number)) else { return Ok(None) };
        let read = KeptReceipt::read(&kept.head, kept.body.clone());
        read.map(Some).map_err(|error| Error::Broken(error.to_string()))
    }

    pub(super) fn undelivered(
        &self,
        owner: UserId,
        filter: UndeliveredFilter,
        gone_until: Timestamp,
        after: Option<UndeliveredPlace>,
        limit: usize,
    ) -> Vec<Undelivered> {
        let given_up = self.deliveries.iter().filter_map(|((event, slot), delivery)| {
            let Some(End::Failed { at, why }) = &delivery.end else { return None };
            let of = self.events.get(event).filter(|of| of.owner == owner && of.fired_at > gone_until)?;
            Some(Undelivered {
                place: UndeliveredPlace { failed_at: *at, event: *event, slot: *slot },
                target: (&delivery.target).into(),
                trigger: of.trigger,
                fired_at: of.fired_at,
                why: why.clone(),
            })
        });
        let is_meant = |one: &Undelivered| {
            filter.destination.is_none_or(|id| one.target == TargetKind::Destination(id))
                && filter.trigger.is_none_or(|id| one.trigger == id)
                && filter.failed_after.is_none_or(|bound| one.place.failed_at > bound)
                && filter.failed_until.is_none_or(|bound| one.place.failed_at <= bound)
                && after.is_none_or(|after| one.place < after)
        };
        let mut all: Vec<Undelivered> = given_up.filter(is_meant).collect();
        all.sort_by_key(|one| Reverse(one.place));
        all.truncate(limit);
        all
    }

    pub(super) fn owed_counts(&self) -> OwedCounts {
        let given_up = self.deliveries.values().filter(|delivery| matches!(delivery.end, Some(End::Failed { .. })));
        OwedCounts { owed: self.owed.len() as u64, undelivered: given_up.count() as u64 }
    }

    /// What is still owed of an event has failed: its time is over.
    pub(super) fn give_up_owed(&mut self, event: &Event, now: Timestamp) {
        let owed: Vec<DeliveryKey> = self.owed.range(all_of(event.id)).map(|(key, _)| *key).collect();
        for key in owed {
            let has_arrived = self.deliveries.get(&key).is_some_and(|delivery| delivery.has_arrived);
            // Whoever waits for it is called up with all the others, once the events are gone.
            self.owed_in_the_way.remove(&key);
            self.end(event, key, if has_arrived { End::Delivered } else { End::Failed { at: now, why: None } }, now);
        }
    }

    /// The event's deliveries go with it.
    pub(super) fn forget_deliveries(&mut self, id: EventId) {
        self.is_counted_delivered.remove(&id);
        self.deliveries.retain(|(event, _), _| *event != id);
        self.owed.retain(|(event, _), _| *event != id);
        for destination in self.destinations.keys().copied().collect::<Vec<_>>() {
            self.call_up(destination, Timestamp::UNIX_EPOCH);
        }
    }
}
