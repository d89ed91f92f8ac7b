//! Deliveries in the reference model: what is owed, who holds it, and what was tried.

use std::sync::Arc;

use jiff::Timestamp;

use super::Kept;
use crate::delivery::{Attempt, CLAIM_FOR, Claim, Settlement, State, Verdict};
use crate::destination::{Target, Webhook};
use crate::id::EventId;
use crate::store::{Change, DeliveryView};

pub(super) struct KeptDelivery {
    target: Target,
    attempts: Vec<Attempt>,
    /// Whether the last attempt was a success; says how it ended once nothing is owed any more.
    is_delivered: bool,
}

pub(super) struct Owed {
    /// When it may be claimed: the next attempt's time, or the end of the claim that holds it.
    due_at: Timestamp,
    is_held: bool,
    /// Counts the claims; only the latest may settle.
    fence: i64,
}

impl Kept {
    /// The event is owed to where its trigger says, if that is anywhere.
    pub(super) fn owe(&mut self, id: EventId, webhook: Option<&Webhook>, now: Timestamp) {
        let target = match webhook {
            Some(webhook) => Target::Webhook(webhook.clone()),
            None if self.has_default_destination => Target::Default,
            None => return,
        };
        self.deliveries.insert(id, KeptDelivery { target, attempts: Vec::new(), is_delivered: false });
        self.owed.insert(id, Owed { due_at: now, is_held: false, fence: 0 });
        self.changes.push(Change::Owed);
    }

    /// Nobody holds anything any more.
    pub(super) fn let_go(&mut self) {
        for owed in self.owed.values_mut().filter(|owed| owed.is_held) {
            owed.is_held = false;
            owed.due_at = Timestamp::UNIX_EPOCH;
        }
    }

    pub(super) fn next_owed(&self) -> Option<Timestamp> {
        self.owed.values().map(|owed| owed.due_at).min()
    }

    pub(super) fn claim_deliveries(&mut self, now: Timestamp, limit: usize) -> Vec<Claim> {
        let mut due: Vec<(Timestamp, EventId)> =
            self.owed.iter().filter(|(_, owed)| owed.due_at <= now).map(|(id, owed)| (owed.due_at, *id)).collect();
        due.sort();
        due.truncate(limit);
        due.into_iter().filter_map(|(_, id)| self.claim(id, now)).collect()
    }

    fn claim(&mut self, id: EventId, now: Timestamp) -> Option<Claim> {
        let owed = self.owed.get_mut(&id)?;
        let delivery = self.deliveries.get(&id)?;
        owed.is_held = true;
        owed.due_at = now + CLAIM_FOR;
        owed.fence += 1;
        Some(Claim {
            event: Arc::clone(self.events.get(&id)?),
            target: delivery.target.clone(),
            tried: delivery.attempts.last().map_or(0, |attempt| attempt.number),
            until: owed.due_at,
            fence: owed.fence,
        })
    }

    /// Settles what the claim holds; a claim that was lost or used up already holds nothing.
    pub(super) fn settle(&mut self, settlement: Settlement) {
        let id = settlement.claim.event.id;
        let Some(owed) = self.owed.get_mut(&id).filter(|owed| owed.is_held && owed.fence == settlement.claim.fence)
        else {
            return;
        };
        let Some(delivery) = self.deliveries.get_mut(&id) else { return };
        delivery.attempts.push(settlement.attempt);
        match settlement.verdict {
            Verdict::Retry(due_at) => {
                owed.is_held = false;
                owed.due_at = due_at;
                self.changes.push(Change::Owed);
            }
            Verdict::Delivered | Verdict::Failed => {
                delivery.is_delivered = settlement.verdict == Verdict::Delivered;
                self.owed.remove(&id);
                self.count_ended(&settlement.claim.event, settlement.verdict == Verdict::Delivered);
            }
        }
        self.changes.push(Change::Settled(settlement.claim.event.owner));
    }

    pub(super) fn deliveries_of(&self, id: EventId) -> Vec<DeliveryView> {
        let Some(delivery) = self.deliveries.get(&id) else { return Vec::new() };
        let state = match self.owed.get(&id) {
            Some(owed) if owed.is_held => State::Held,
            Some(owed) => State::Pending(owed.due_at),
            None if delivery.is_delivered => State::Delivered,
            None => State::Failed,
        };
        vec![DeliveryView { target: delivery.target.clone(), state, attempts: delivery.attempts.clone() }]
    }
}
