//! What is under way of triggers that do not overlap, in the reference model, and how whoever waits for its end is called up.

use jiff::Timestamp;

use super::trigger::KeptTrigger;
use super::{Kept, delivery};
use crate::event::{Event, Origin};
use crate::id::{EventId, TriggerId, UserId};
use crate::overlap::Before;
use crate::run::Run;
use crate::store::Change;
use crate::trigger::Trigger;

/// What a trigger knows of those that it waited for.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Wait {
    /// It waits for no event.
    #[default]
    Free,
    /// It waits until none is under way.
    Waits,
    /// It waited until then.
    Until(Timestamp),
}

impl Kept {
    /// The event is one that occurrences of its trigger are not to overlap, where that says so. Tests are in nobody's way.
    pub(super) fn mark_overlap(&mut self, trigger: &Trigger, id: EventId, origin: Origin) {
        if trigger.definition.overlap.is_allowed() || origin == Origin::Test {
            return;
        }
        self.in_the_way.insert(id, trigger.id);
        self.owed_in_the_way.extend(self.owed.range(delivery::all_of(id)).map(|(key, _)| *key));
    }

    pub(super) fn is_under_way(&self, trigger: TriggerId) -> bool {
        let is_its = |(_, of): &(&EventId, &TriggerId)| **of == trigger;
        let is_owed = |id: EventId| {
            let mut owed = self.owed.range(delivery::all_of(id));
            owed.any(|(key, _)| self.owed_in_the_way.contains(key))
        };
        let is_running = |id: &EventId| self.runs.get(id).and_then(Run::due_at).is_some();
        self.in_the_way.iter().filter(is_its).any(|(id, _)| is_owed(*id) || is_running(id))
    }

    pub(super) fn events_before(&self, triggers: &[(UserId, TriggerId)]) -> Vec<Before> {
        let before = |(owner, id): &(UserId, TriggerId)| {
            let Some(kept) = self.trigger_of(*owner, *id) else { return Before::Over };
            match kept.wait {
                _ if self.is_under_way(*id) => Before::UnderWay,
                Wait::Until(ended_at) => Before::OverSince(ended_at),
                Wait::Free | Wait::Waits => Before::Over,
            }
        };
        triggers.iter().map(before).collect()
    }

    /// Whether what was laid up of the trigger has to wait because an event of it is under way.
    pub(super) fn is_behind(&self, trigger: TriggerId) -> bool {
        let overlaps = self.triggers.get(&trigger).is_none_or(|kept| kept.trigger.definition.overlap.is_allowed());
        !overlaps && self.is_under_way(trigger)
    }

    /// The trigger waits until nothing of it is under way; where nothing is by now, what was due at `now` met it all the same.
    pub(super) fn wait(&mut self, trigger: TriggerId, now: Timestamp) {
        let is_under_way = self.is_under_way(trigger);
        if let Some(kept) = self.triggers.get_mut(&trigger) {
            kept.wait = match kept.wait {
                _ if is_under_way => Wait::Waits,
                Wait::Until(ended_at) => Wait::Until(ended_at),
                Wait::Free | Wait::Waits => Wait::Until(now),
            };
        }
    }

    /// Something of the event ended at `ended_at`: its trigger waits no more, where nothing else is under way, and what was laid up of it has its
    /// turn again. What fell due up to then met it, whether anybody had looked at the trigger meanwhile or not.
    pub(super) fn call_up_trigger(&mut self, event: &Event, ended_at: Timestamp) {
        if !self.in_the_way.contains_key(&event.id) || self.is_under_way(event.trigger) {
            return;
        }
        let is_laid_up = self.is_laid_up(event.trigger);
        let has_met = |kept: &&mut KeptTrigger| {
            kept.wait == Wait::Waits || kept.next_at.is_some_and(|next_at| next_at <= ended_at)
        };
        let waiting = self.triggers.get_mut(&event.trigger).filter(has_met);
        if is_laid_up || waiting.is_some() {
            self.changes.push(Change::Armed);
        }
        if let Some(kept) = waiting {
            kept.wait = Wait::Until(ended_at);
        }
    }

    /// Those that wait are called up of which nothing is under way any more.
    pub(super) fn call_up_forgotten(&mut self, now: Timestamp) {
        let waiting = self.triggers.iter().filter(|(_, kept)| kept.wait == Wait::Waits);
        let forgotten: Vec<TriggerId> = waiting.map(|(id, _)| *id).filter(|id| !self.is_under_way(*id)).collect();
        for id in forgotten {
            if let Some(kept) = self.triggers.get_mut(&id) {
                kept.wait = Wait::Until(now);
                self.changes.push(Change::Armed);
            }
        }
    }
}
