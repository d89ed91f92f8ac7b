//! What the auditor looks at and puts right, in the reference model.

use jiff::Timestamp;

use super::Kept;
use super::overlap::Wait;
use crate::act::Act;
use crate::actor::{Actor, Author};
use crate::audit::{ACCOUNT_MAX, Account, Asked, Cursor, Defect, Inspected, Repair, ZoneData};
use crate::event::Origin;
use crate::id::{TriggerId, UserId};
use crate::store::{Change, Inspection};
use crate::trigger::{Definition, Trigger};

impl Kept {
    pub(super) fn inspect(&self, after: Option<TriggerId>, limit: usize) -> Inspection {
        let later = self.triggers.values().filter(|kept| after.is_none_or(|after| kept.trigger.id > after));
        let slice: Vec<_> = later.take(limit).collect();
        let go_on_after = slice.last().filter(|_| slice.len() == limit).map(|last| last.trigger.id);
        let scheduled = slice.into_iter().filter(|kept| kept.trigger.definition.schedule.is_some());
        let triggers = scheduled.map(|kept| {
            let definition = Definition { payload: None, payload_schema: None, ..kept.trigger.definition.clone() };
            let cursor = kept.next_at.map(|next_at| Cursor { next_at, revision: kept.trigger.revision });
            let is_forgotten = kept.wait == Wait::Waits && !self.is_under_way(kept.trigger.id);
            let trigger = Trigger { definition, ..Trigger::clone(&kept.trigger) };
            let (fired, counted_until) = (kept.fired, kept.counted_until);
            Inspected { trigger, fired, counted_until, cursor, is_forgotten }
        });
        Inspection { triggers: triggers.collect(), unreadable: Vec::new(), go_on_after }
    }

    pub(super) fn accounted_until(&self, owner: UserId, id: TriggerId) -> Option<Timestamp> {
        let kept = self.trigger_of(owner, id)?;
        let events = self.events.values().filter(|event| event.trigger == id).filter_map(|event| event.scheduled_at);
        let gone = self.gone_firings.get(&id).into_iter().flatten().filter_map(|firing| firing.scheduled_at);
        let skipped = kept.skipped.iter().map(|view| view.skipped.last);
        let waiting = self.waiting_of(id).map(|view| view.skipped.last);
        events.chain(gone).chain(skipped).chain(waiting).max()
    }

    pub(super) fn account(&self, asked: Asked) -> Account {
        let Asked { owner, trigger, span } = asked;
        let events = self.events.values().filter(|event| event.trigger == trigger && event.owner == owner);
        let fired = events.filter(|event| event.origin != Origin::Backfill).filter_map(|event| event.scheduled_at);
        let mut fired: Vec<Timestamp> = fired.filter(|at| span.from <= *at && *at < span.until).collect();
        fired.sort_unstable();
        fired.truncate(ACCOUNT_MAX);
        let records = self.trigger_of(owner, trigger).into_iter().flat_map(|kept| &kept.skipped);
        let waiting = self.trigger_of(owner, trigger).into_iter().flat_map(|_| self.waiting_of(trigger));
        let skipped = records.copied().chain(waiting).map(|view| (view.skipped.first, view.skipped.last));
        let skipped = skipped.filter(|(first, last)| *first < span.until && span.from <= *last);
        let mut skipped: Vec<(Timestamp, Timestamp)> = skipped.collect();
        skipped.sort_unstable();
        skipped.truncate(ACCOUNT_MAX);
        Account { fired, skipped }
    }

    pub(super) fn has_fired_within(&self, asked: Asked) -> bool {
        let Asked { owner, trigger, span } = asked;
        let events = self.events.values().filter(|event| event.trigger == trigger && event.owner == owner);
        events.filter_map(|event| event.scheduled_at).any(|at| span.from <= at && at < span.until)
    }

    pub(super) fn use_zone_data(&mut self, release: &str, now: Timestamp) -> ZoneData {
        if let Some(used) = self.zone_data.as_ref().filter(|used| used.release == release) {
            return used.clone();
        }
        let before = self.zone_data.take().map(|used| used.release);
        if let Some(before) = &before {
            let act = Act::zone_data_changed(release, before);
            self.write_down(Some(&Author { by: Actor::SYSTEM, at: now }), Some(act));
        }
        let used = ZoneData { release: release.to_owned(), before, since: now };
        self.zone_data = Some(used.clone());
        used
    }

    pub(super) fn rearm(&mut self, repair: Repair) -> bool {
        let is_under_way = self.is_under_way(repair.trigger);
        let Some(kept) = self.triggers.get_mut(&repair.trigger).filter(|kept| kept.trigger.owner == repair.owner)
        else {
            return false;
        };
        let waits_for = kept.next_at.map(|next_at| Cursor { next_at, revision: kept.trigger.revision });
        if kept.trigger.revision != repair.revision || waits_for != repair.seen {
            return false;
        }
        kept.wait = match (repair.defect, kept.wait) {
            (Defect::Forgotten, Wait::Waits) if !is_under_way => Wait::Until(repair.found_at),
            (Defect::Forgotten, _) => return false,
            _ => Wait::Free,
        };
        kept.next_at = repair.next_at;
        let act = Act::trigger_rearmed(&repair, kept.trigger.definition.name.clone());
        self.write_down(Some(&Author { by: Actor::SYSTEM, at: repair.found_at }), Some(act));
        self.changes.push(Change::Edited(repair.owner));
        self.changes.extend(repair.next_at.map(|_| Change::Armed));
        true
    }
}
