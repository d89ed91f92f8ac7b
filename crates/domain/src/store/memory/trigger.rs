//! Triggers, what they wait for, and their records of what did not fire, in the reference model.

use std::sync::Arc;

use jiff::Timestamp;

use super::event::NewEvent;
use super::overlap::Wait;
use super::{Kept, draw};
use crate::actor::Actor;
use crate::event::Origin;
use crate::firing::{Firing, Outcome};
use crate::id::{TriggerId, UserId};
use crate::occurrence::Reason;
use crate::revision::{Beyond, Counted, Deletion, Revision, pushed_out};
use crate::store::{
    ATTENTION_MAX, Attention, Change, DUE_COUNTED_MAX, DeletedTrigger, DueCounts, DuePlace, DueSlice, Edited, Missing,
    NewTrigger, SkippedView, TriggerTally,
};
use crate::trigger::{Arm, Armed, Edit, OVERDUE_AFTER, ScheduleDetails, Trigger, TriggerHead};

/// A former revision, and its marks where it is none of the latest.
struct FormerRevision {
    revision: Revision,
    /// No event that fired later can name it.
    named_until: Timestamp,
    beyond: Option<Beyond>,
}

/// The end of a revision.
#[derive(Clone, Copy)]
struct Ending {
    at: Timestamp,
    /// When the latest event fired that may name it.
    named_until: Timestamp,
    schedule_bytes: fn(&ScheduleDetails) -> usize,
}

pub(super) struct KeptTrigger {
    pub(super) trigger: Arc<Trigger>,
    pub(super) next_at: Option<Timestamp>,
    pub(super) wait: Wait,
    /// How often its schedule has fired it since that was limited.
    pub(super) fired: u64,
    /// The latest occurrence among those.
    pub(super) counted_until: Option<Timestamp>,
    /// Oldest first.
    pub(super) skipped: Vec<SkippedView>,
    /// When the present revision was made, and by whom.
    made: (Timestamp, Actor),
    /// Oldest first.
    former: Vec<FormerRevision>,
    /// The end of a pause that is written down.
    pub(super) told_until: Option<Timestamp>,
    /// The expiry that is written down.
    pub(super) told_expiry: Option<Timestamp>,
}

impl KeptTrigger {
    pub(super) fn armed(&self) -> Armed {
        Armed { trigger: Trigger::clone(&self.trigger), next_at: self.next_at, fired: self.fired }
    }

    /// When it is to be looked at; none where it waits for an event of its own to end.
    fn due_at(&self) -> Option<Timestamp> {
        self.next_at.filter(|_| self.wait != Wait::Waits)
    }

    /// Since when that is so: what waited for an event to end could not be looked at before.
    fn late_from(&self) -> Option<Timestamp> {
        let ended_at = match self.wait {
            Wait::Until(ended_at) => ended_at,
            Wait::Free | Wait::Waits => Timestamp::MIN,
        };
        self.due_at().map(|next_at| next_at.max(ended_at))
    }

    /// The same, but for what waited for an event to end: that it is late says nothing about who was here.
    pub(super) fn left_at(&self) -> Option<Timestamp> {
        self.due_at().filter(|next_at| !matches!(self.wait, Wait::Until(ended_at) if *next_at <= ended_at))
    }

    fn revision(&self) -> Revision {
        let (made_at, by) = self.made.clone();
        Revision { trigger: Trigger::clone(&self.trigger), made_at, made_by: Some(by), until: None, counted: None }
    }

    /// The present revision becomes a former one, and whatever there is no room for any more goes.
    fn end_revision(&mut self, Ending { at, named_until, schedule_bytes }: Ending) {
        let counted = Some(Counted { fired: self.fired, until: self.counted_until });
        let revision = Revision { until: Some(at), counted, ..self.revision() };
        self.former.push(FormerRevision { revision, named_until, beyond: None });
        let before = self.former.iter().filter_map(|former| former.beyond).map(|beyond| beyond.bytes_up_to).max();
        let pushed_out = pushed_out(self.trigger.revision);
        let is_pushed_out = |former: &&mut FormerRevision| Some(former.revision.trigger.revision) == pushed_out;
        let Some(former) = self.former.iter_mut().find(is_pushed_out) else { return };
        let bytes_up_to = before.unwrap_or_default() + former.revision.bytes(schedule_bytes);
        former.beyond = Some(Beyond { bytes_up_to, until: former.named_until });
        self.former.retain(|former| former.beyond.is_none_or(|beyond| beyond.has_room(bytes_up_to)));
    }
}

/// A trigger that was deleted, as it stood; its last revision is a former one.
pub(super) struct KeptDeleted {
    pub(super) kept: KeptTrigger,
    pub(super) deletion: Deletion,
}

impl Kept {
    pub(super) fn trigger_of(&self, owner: UserId, id: TriggerId) -> Option<&KeptTrigger> {
        self.triggers.get(&id).filter(|kept| kept.trigger.owner == owner)
    }

    pub(super) fn create_trigger(&mut self, new: NewTrigger, by: Actor, now: Timestamp) -> Result<Armed, Missing> {
        self.has_all(new.owner, &new.definition)?;
        self.observes_rightly(new.owner, None, &new.definition)?;
        let id = TriggerId(draw(&mut self.last_ids.trigger));
        let trigger = Arc::new(new.as_made(id, now).trigger);
        let kept = KeptTrigger {
            trigger: Arc::clone(&trigger),
            next_at: new.next_at,
            wait: Wait::Free,
            fired: 0,
            counted_until: None,
            skipped: Vec::new(),
            made: (now, by),
            former: Vec::new(),
            told_until: None,
            told_expiry: None,
        };
        let armed = kept.armed();
        self.triggers.insert(id, kept);
        self.changes.push(Change::Edited(new.owner));
        if new.next_at.is_some() {
            self.changes.push(Change::Armed);
        }
        if let Some(message_id) = new.test_event {
            self.log(
                &trigger,
                NewEvent {
                    origin: Origin::Test,
                    scheduled_at: None,
                    due_at: None,
                    payload: None,
                    message_id,
                    parent: None,
                },
                now,
            );
        }
        Ok(armed)
    }

    pub(super) fn triggers_of(&self, owner: UserId, after: Option<TriggerId>, limit: usize) -> Vec<Armed> {
        let later = self.triggers.values().filter(|kept| after.is_none_or(|after| kept.trigger.id > after));
        later.filter(|kept| kept.trigger.owner == owner).take(limit).map(KeptTrigger::armed).collect()
    }

    pub(super) fn edit_trigger(&mut self, edit: Edit, seen: Option<Timestamp>, by: Actor, now: Timestamp) -> Edited {
        let (id, owner, revision) = (edit.trigger.id, edit.trigger.owner, edit.trigger.revision);
        let definition = &edit.trigger.definition;
        let missing =
            self.has_all(owner, definition).and_then(|()| self.observes_rightly(owner, Some(id), definition)).err();
        let Some(kept) = self.triggers.get_mut(&id).filter(|kept| kept.trigger.owner == owner) else {
            return Edited::NotFound;
        };
        let was_edited = kept.trigger.revision + 1 != edit.trigger.revision;
        let has_moved = edit.arm != Arm::Keep && kept.next_at != seen;
        if was_edited || has_moved {
            return Edited::Stale;
        }
        if let Some(missing) = missing {
            return Edited::Missing(missing);
        }
        self.note_own_ends(id, now);
        let ending = self.ending(id, now);
        let Some(kept) = self.triggers.get_mut(&id) else { return Edited::NotFound };
        kept.end_revision(ending);
        if !edit.trigger.definition.is_limited() {
            (kept.fired, kept.counted_until) = (0, None);
        }
        let waits_on = edit.waits_on(seen);
        kept.trigger = Arc::new(edit.trigger);
        kept.made = (now, by);
        self.changes.push(Change::Edited(owner));
        kept.skipped.extend(edit.skipped.iter().map(|skipped| SkippedView { skipped: *skipped, recorded_at: now }));
        if let Arm::Set(next_at) = edit.arm {
            kept.wait = if waits_on { kept.wait } else { Wait::Free };
            kept.next_at = next_at;
            self.changes.extend(next_at.map(|_| Change::Armed));
        }
        for skipped in &edit.skipped {
            self.count_skipped(owner, id, skipped);
        }
        match edit.ends_backlogs {
            Some(reason) => drop(self.give_up_backlogs(reason, now, |backlog| backlog.trigger == id)),
            None => self.carry_backlogs(id, revision),
        }
        Edited::Done
    }

    pub(super) fn delete_trigger(&mut self, owner: UserId, id: TriggerId, by: Actor, now: Timestamp) -> bool {
        let Some(name) = self.trigger_of(owner, id).map(|kept| kept.trigger.definition.name.clone()) else {
            return false;
        };
        self.note_own_ends(id, now);
        let was_under_way = self.is_behind(id);
        drop(self.give_up_backlogs(Reason::Discarded, now, |backlog| backlog.trigger == id));
        let ending = self.ending(id, now);
        if let Some(mut kept) = self.triggers.remove(&id) {
            kept.end_revision(ending);
            self.deleted.insert(id, KeptDeleted { kept, deletion: Deletion { at: now, by, was_under_way } });
        }
        self.gone_firings.remove(&id);
        self.changes.push(Change::Edited(owner));
        self.former_names.insert(id, name.unwrap_or_default());
        true
    }

    /// The present revision of the trigger ends: after the last of its events, even where the clock was put back since.
    fn ending(&self, id: TriggerId, at: Timestamp) -> Ending {
        let fired = self.events.values().filter(|event| event.trigger == id).map(|event| event.fired_at);
        Ending { at, named_until: fired.fold(at, Timestamp::max), schedule_bytes: self.schedule_bytes }
    }

    fn deleted_of(&self, owner: UserId, id: TriggerId) -> Option<&KeptDeleted> {
        self.deleted.get(&id).filter(|deleted| deleted.kept.trigger.owner == owner)
    }

    /// The owner's trigger, also where it was deleted and is not forgotten.
    pub(super) fn known_trigger_of(&self, owner: UserId, id: TriggerId) -> Option<&KeptTrigger> {
        self.trigger_of(owner, id).or_else(|| self.deleted_of(owner, id).map(|deleted| &deleted.kept))
    }

    pub(super) fn deleted_trigger(
        &self,
        owner: UserId,
        id: TriggerId,
        gone_until: Timestamp,
    ) -> Option<DeletedTrigger> {
        let KeptDeleted { kept, deletion } = self.deleted_of(owner, id)?;
        let deleted = || DeletedTrigger { armed: kept.armed(), deletion: deletion.clone() };
        (deletion.at > gone_until).then(deleted)
    }

    /// Forgets triggers that were deleted so long ago, the last revision of each after all before it, at most `limit` revisions.
    pub(super) fn expire_deleted(&mut self, gone_until: Timestamp, limit: usize) {
        let old = self.deleted.iter().filter(|(_, deleted)| deleted.deletion.at <= gone_until);
        let mut old: Vec<(Timestamp, TriggerId)> = old.map(|(id, deleted)| (deleted.deletion.at, *id)).collect();
        old.sort_unstable();
        let mut left = limit;
        for (_, id) in old {
            let Some(deleted) = self.deleted.get_mut(&id) else { continue };
            let former = &mut deleted.kept.former;
            let forgotten = former.len().min(left);
            former.drain(..forgotten);
            left -= forgotten;
            if !former.is_empty() {
                break;
            }
            self.deleted.remove(&id);
            self.counts.retain(|(_, trigger, _), _| *trigger != Some(id));
        }
    }

    /// Former revisions that are none of the latest are gone where no event that is kept can name them.
    pub(super) fn expire_revisions(&mut self, gone_until: Timestamp) {
        let deleted = self.deleted.values_mut().map(|deleted| &mut deleted.kept);
        for kept in self.triggers.values_mut().chain(deleted) {
            kept.former.retain(|former| former.beyond.is_none_or(|beyond| beyond.may_be_named(gone_until)));
        }
    }

    /// Oldest first.
    fn all_revisions(&self, owner: UserId, id: TriggerId) -> impl DoubleEndedIterator<Item = Revision> {
        let former = self.known_trigger_of(owner, id).into_iter().flat_map(|kept| &kept.former);
        let former = former.map(|former| former.revision.clone());
        former.chain(self.trigger_of(owner, id).map(KeptTrigger::revision))
    }

    pub(super) fn revisions(&self, owner: UserId, id: TriggerId, before: Option<i64>, limit: usize) -> Vec<Revision> {
        let all = self.all_revisions(owner, id).rev();
        let is_before = |revision: &Revision| before.is_none_or(|before| revision.trigger.revision < before);
        all.filter(is_before).take(limit).collect()
    }

    pub(super) fn revision_at(&self, owner: UserId, id: TriggerId, at: Timestamp) -> Option<Revision> {
        self.all_revisions(owner, id).rev().find(|revision| revision.made_at <= at)
    }

    pub(super) fn skipped(&self, owner: UserId, id: TriggerId, limit: usize) -> Vec<SkippedView> {
        let Some(kept) = self.known_trigger_of(owner, id) else { return Vec::new() };
        kept.skipped.iter().rev().take(limit).copied().collect()
    }

    pub(super) fn heads_of(&self, owner: UserId) -> impl Iterator<Item = TriggerHead> {
        let heads = self.triggers.values().filter(move |kept| kept.trigger.owner == owner).map(|kept| TriggerHead {
            is_behind: kept.left_at().is_none() && kept.next_at.is_some(),
            next_at: kept.next_at,
            ..(&kept.armed()).into()
        });
        heads.map(TriggerHead::without_going)
    }

    pub(super) fn soonest(&self, owner: UserId, limit: usize) -> Vec<TriggerHead> {
        let mut heads: Vec<TriggerHead> = self.heads_of(owner).filter(|head| head.next_at.is_some()).collect();
        heads.sort_by_key(|head| (head.next_at, head.id));
        heads.truncate(limit);
        heads
    }

    pub(super) fn attention(&self, owner: UserId, gone_until: Timestamp, now: Timestamp) -> Attention {
        let mut tally = TriggerTally::default();
        for head in self.heads_of(owner) {
            tally.note(&head, now);
            if tally.is_at_least() {
                break;
            }
        }
        let mut overdue: Vec<TriggerHead> = self.heads_of(owner).filter(|head| head.is_overdue(now)).collect();
        overdue.sort_by_key(|head| (head.next_at, head.id));
        overdue.truncate(ATTENTION_MAX);
        let newest_ended = |head: &TriggerHead| -> Option<Firing> {
            self.kept_firings(head.id, gone_until)
                .into_iter()
                .find(|firing| self.is_counted_delivered.contains_key(&firing.event))
        };
        let mut failing: Vec<(TriggerHead, Firing)> = self
            .heads_of(owner)
            .filter_map(|head| newest_ended(&head).map(|firing| (head, firing)))
            .filter(|(_, firing)| firing.outcome == Outcome::Failed)
            .collect();
        failing.sort_by_key(|(_, firing)| std::cmp::Reverse((firing.fired_at, firing.event)));
        failing.truncate(ATTENTION_MAX);
        Attention { tally, overdue, unreadable: Vec::new(), failing }
    }

    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.triggers.values().filter_map(KeptTrigger::due_at).min()
    }

    /// The earliest occurrence that would have been carried out if anybody had been here.
    pub(super) fn earliest_left(&self) -> Option<Timestamp> {
        self.triggers.values().filter_map(KeptTrigger::left_at).min()
    }

    pub(super) fn due_counts(&self, now: Timestamp) -> DueCounts {
        let late = || self.triggers.values().filter_map(KeptTrigger::late_from);
        let count = |is: &dyn Fn(&Timestamp) -> bool| (late().filter(is).count() as u64).min(DUE_COUNTED_MAX);
        let armed = self.triggers.values().filter_map(KeptTrigger::due_at);
        DueCounts {
            due: count(&|next_at| *next_at <= now),
            overdue: count(&|next_at| now.duration_since(*next_at) > OVERDUE_AFTER),
            next_at: armed.filter(|next_at| *next_at > now).min(),
            earliest: self.earliest_left(),
        }
    }

    pub(super) fn due_behind(&self, place: DuePlace, now: Timestamp, limit: usize) -> DueSlice {
        let place_of = |kept: &KeptTrigger| kept.due_at().map(|next_at| (next_at, kept.trigger.id));
        let is_due = |due: &(Timestamp, TriggerId)| due.0 <= now && Some(*due) > place.last;
        let due = self.triggers.values().filter_map(|kept| Some((place_of(kept).filter(is_due)?, kept)));
        let mut due: Vec<((Timestamp, TriggerId), &KeptTrigger)> = due.collect();
        due.sort_by_key(|(place, _)| *place);
        due.truncate(limit);
        let last = due.last().map_or(place.last, |(place, _)| Some(*place));
        let armed =
            |kept: &KeptTrigger| Armed { trigger: Arc::clone(&kept.trigger), next_at: kept.next_at, fired: kept.fired };
        (due.into_iter().map(|(_, kept)| armed(kept)).collect(), DuePlace { last, ..place })
    }
}
