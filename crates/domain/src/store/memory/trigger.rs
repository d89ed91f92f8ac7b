//! Triggers, what they wait for, and their records of what did not fire, in the reference model.

use std::sync::Arc;

use jiff::Timestamp;

use super::event::NewEvent;
use super::{Kept, draw};
use crate::event::Origin;
use crate::id::{TriggerId, UserId};
use crate::store::{Change, Edited, NewTrigger, SkippedView};
use crate::trigger::{Arm, Armed, Edit, Trigger};

pub(super) struct KeptTrigger {
    pub(super) trigger: Arc<Trigger>,
    pub(super) next_at: Option<Timestamp>,
    /// Oldest first.
    pub(super) skipped: Vec<SkippedView>,
}

impl KeptTrigger {
    pub(super) fn armed(&self) -> Armed {
        Armed { trigger: Trigger::clone(&self.trigger), next_at: self.next_at }
    }
}

impl Kept {
    pub(super) fn trigger_of(&self, owner: UserId, id: TriggerId) -> Option<&KeptTrigger> {
        self.triggers.get(&id).filter(|kept| kept.trigger.owner == owner)
    }

    pub(super) fn create_trigger(&mut self, new: NewTrigger, now: Timestamp) -> Armed {
        let id = TriggerId(draw(&mut self.last_ids.trigger));
        let trigger = Trigger {
            id,
            owner: new.owner,
            revision: 1,
            definition: new.definition,
            created_at: now,
            standing_since: now,
        };
        let trigger = Arc::new(trigger);
        let kept = KeptTrigger { trigger: Arc::clone(&trigger), next_at: new.next_at, skipped: Vec::new() };
        let armed = kept.armed();
        self.triggers.insert(id, kept);
        if new.next_at.is_some() {
            self.changes.push(Change::Armed);
        }
        if let Some(message_id) = new.test_event {
            self.log(&trigger, NewEvent { origin: Origin::Test, scheduled_at: None, payload: None, message_id }, now);
        }
        armed
    }

    pub(super) fn triggers_of(&self, owner: UserId, after: Option<TriggerId>, limit: usize) -> Vec<Armed> {
        let later = self.triggers.values().filter(|kept| after.is_none_or(|after| kept.trigger.id > after));
        later.filter(|kept| kept.trigger.owner == owner).take(limit).map(KeptTrigger::armed).collect()
    }

    pub(super) fn edit_trigger(&mut self, edit: Edit, seen: Option<Timestamp>, now: Timestamp) -> Edited {
        let (id, owner) = (edit.trigger.id, edit.trigger.owner);
        let Some(kept) = self.triggers.get_mut(&id).filter(|kept| kept.trigger.owner == owner) else {
            return Edited::NotFound;
        };
        let was_edited = kept.trigger.revision + 1 != edit.trigger.revision;
        let has_moved = edit.arm != Arm::Keep && kept.next_at != seen;
        if was_edited || has_moved {
            return Edited::Stale;
        }
        kept.trigger = Arc::new(edit.trigger);
        kept.skipped.extend(edit.skipped.map(|skipped| SkippedView { skipped, recorded_at: now }));
        if let Arm::Set(next_at) = edit.arm {
            kept.next_at = next_at;
            self.changes.extend(next_at.map(|_| Change::Armed));
        }
        Edited::Done
    }

    pub(super) fn delete_trigger(&mut self, owner: UserId, id: TriggerId) -> bool {
        let Some(name) = self.trigger_of(owner, id).map(|kept| kept.trigger.definition.name.clone()) else {
            return false;
        };
        self.triggers.remove(&id);
        self.former_names.insert(id, name.unwrap_or_default());
        true
    }

    pub(super) fn skipped(&self, owner: UserId, id: TriggerId, limit: usize) -> Vec<SkippedView> {
        let Some(kept) = self.trigger_of(owner, id) else { return Vec::new() };
        kept.skipped.iter().rev().take(limit).copied().collect()
    }

    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.triggers.values().filter_map(|kept| kept.next_at).min()
    }

    pub(super) fn due(&self, now: Timestamp, limit: usize) -> Vec<Armed<Arc<Trigger>>> {
        let is_due = |kept: &&KeptTrigger| kept.next_at.is_some_and(|next_at| next_at <= now);
        let mut due: Vec<&KeptTrigger> = self.triggers.values().filter(is_due).collect();
        due.sort_by_key(|kept| (kept.next_at, kept.trigger.id));
        due.truncate(limit);
        due.into_iter().map(|kept| Armed { trigger: Arc::clone(&kept.trigger), next_at: kept.next_at }).collect()
    }
}
