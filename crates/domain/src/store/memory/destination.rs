//! Destinations in the reference model: what owners say about them, whether they take deliveries, and who sends to them.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Kept, draw};
use crate::destination::definition::{Rate, Turns};
use crate::destination::{DESTINATIONS_MAX, Definition, Destination, DestinationHead, Standing, Wanted};
use crate::id::{DestinationId, MessageId, TriggerId, UserId};
use crate::store::{Change, Deleted, Edited, Missing, NAMED_MAX};
use crate::trigger;

impl Kept {
    /// Whether the owner has every destination that this names.
    pub(super) fn has_all(&self, owner: UserId, definition: &trigger::Definition) -> Result<(), Missing> {
        let missing = definition.named_destinations().into_iter().find(|id| self.destination_of(owner, *id).is_none());
        missing.map_or(Ok(()), |id| Err(Missing::Destination(id)))
    }

    pub(super) fn create_destination(
        &mut self,
        owner: UserId,
        definition: Definition,
        now: Timestamp,
    ) -> Option<Destination> {
        if self.destinations.values().filter(|kept| kept.owner == owner).count() >= DESTINATIONS_MAX {
            return None;
        }
        let id = DestinationId(draw(&mut self.last_ids.destination));
        let destination = Destination {
            id,
            owner,
            revision: 1,
            definition: Arc::new(definition),
            standing: Standing::Active,
            created_at: now,
        };
        self.destinations.insert(id, destination.clone());
        self.changes.push(Change::Destination(owner));
        Some(destination)
    }

    pub(super) fn destination_of(&self, owner: UserId, id: DestinationId) -> Option<&Destination> {
        self.destinations.get(&id).filter(|kept| kept.owner == owner)
    }

    pub(super) fn destinations_of(
        &self,
        owner: UserId,
        after: Option<DestinationId>,
        limit: usize,
    ) -> Vec<Destination> {
        let own = self.destinations.values().filter(|kept| kept.owner == owner);
        own.filter(|kept| after.is_none_or(|after| kept.id > after)).take(limit).cloned().collect()
    }

    pub(super) fn destination_heads(&self, owner: UserId, wanted: &Wanted) -> Vec<DestinationHead> {
        let is_wanted = |kept: &&Destination| match wanted {
            Wanted::All => true,
            Wanted::Stopped => kept.standing != Standing::Active,
            Wanted::These(ids) => ids.contains(&kept.id),
        };
        let own = self.destinations.values().filter(|kept| kept.owner == owner);
        own.filter(is_wanted).map(Destination::head).collect()
    }

    pub(super) fn edit_destination(
        &mut self,
        owner: UserId,
        id: DestinationId,
        seen: i64,
        definition: Definition,
    ) -> Edited {
        let Some(kept) = self.destinations.get_mut(&id).filter(|kept| kept.owner == owner) else {
            return Edited::NotFound;
        };
        if kept.revision != seen {
            return Edited::Stale;
        }
        kept.revision += 1;
        let is_in_order = definition.in_order;
        kept.definition = Arc::new(definition);
        self.changes.push(Change::Destination(owner));
        if !is_in_order {
            self.dissolve(id, Timestamp::UNIX_EPOCH);
        }
        Edited::Done
    }

    pub(super) fn set_standing(
        &mut self,
        owner: UserId,
        id: DestinationId,
        standing: Standing,
        now: Timestamp,
    ) -> bool {
        let Some(kept) = self.destinations.get_mut(&id).filter(|kept| kept.owner == owner) else { return false };
        kept.revision += 1;
        kept.standing = standing;
        let takes_deliveries = kept.standing == Standing::Active;
        self.changes.push(Change::Destination(owner));
        if takes_deliveries {
            self.unpark(owner, id, now);
        }
        true
    }

    pub(super) fn delete_destination(&mut self, owner: UserId, id: DestinationId, now: Timestamp) -> Deleted {
        if self.destination_of(owner, id).is_none() {
            return Deleted::NotFound;
        }
        let names_it = |trigger: &&trigger::Trigger| trigger.definition.named_destinations().contains(&id);
        let all = self.triggers.values().map(|kept| &*kept.trigger).filter(names_it);
        let mut triggers: Vec<TriggerId> = all.map(|trigger| trigger.id).collect();
        if !triggers.is_empty() {
            let count = triggers.len() as u64;
            triggers.truncate(NAMED_MAX);
            return Deleted::InUse { triggers, count };
        }
        self.destinations.remove(&id);
        self.forget_arrivals(id);
        self.full_at.remove(&id);
        self.streaks.remove(&id);
        self.changes.push(Change::Destination(owner));
        self.unpark(owner, id, now);
        self.dissolve(id, now);
        Deleted::Done
    }

    pub(super) fn destination_uses(&self, owner: UserId, id: DestinationId) -> u64 {
        if self.destination_of(owner, id).is_none() {
            return 0;
        }
        self.triggers.values().filter(|kept| kept.trigger.definition.named_destinations().contains(&id)).count() as u64
    }

    pub(super) fn take_turns(&mut self, id: DestinationId, rate: Rate, wanted: usize, now: Timestamp) -> Turns {
        if !self.destinations.contains_key(&id) {
            return Turns::default();
        }
        let (turns, full_at) = rate.take(self.full_at.get(&id).copied(), wanted, now);
        self.full_at.insert(id, full_at);
        turns
    }

    pub(super) fn suspend_destination(
        &mut self,
        id: DestinationId,
        seen: i64,
        reason: &str,
        told_by: Option<MessageId>,
        now: Timestamp,
    ) -> bool {
        let is_so = |kept: &&mut Destination| kept.revision == seen && kept.standing == Standing::Active;
        let Some(kept) = self.destinations.get_mut(&id).filter(is_so) else { return false };
        kept.standing = Standing::Suspended { since: now, reason: reason.to_owned() };
        self.changes.push(Change::Destination(kept.owner));
        self.follow_suspension(id, reason, told_by, now);
        true
    }
}
