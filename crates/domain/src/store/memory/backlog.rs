//! Backlogs in the reference model.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::event::NewEvent;
use super::{Kept, delivery, draw};
use crate::act::Act;
use crate::actor::{Actor, Author};
use crate::backlog::{BACKLOG_KEPT, Backlog, Drained, NewBacklog, PutOff, Source};
use crate::id::{BacklogId, EventId, TriggerId, UserId};
use crate::occurrence::Reason;
use crate::store::{BacklogSums, BacklogTurns, BacklogView, Change, SkippedView, Touched};
use crate::trigger::Trigger;

pub(super) struct KeptBacklog {
    backlog: Backlog,
    /// Whose turn it is: the lowest.
    turn: i64,
    last_event: Option<EventId>,
}

impl Kept {
    fn lay_up(&mut self, mut backlog: Backlog) -> Backlog {
        backlog.id = BacklogId(draw(&mut self.last_ids.backlog));
        self.changes.extend([Change::Edited(backlog.owner), Change::Armed]);
        let kept = KeptBacklog { backlog: backlog.clone(), turn: 0, last_event: None };
        self.backlogs.insert(backlog.id, kept);
        backlog
    }

    pub(super) fn put_off(&mut self, trigger: &Trigger, put_off: &PutOff, now: Timestamp) {
        self.lay_up(Backlog {
            id: BacklogId(0),
            owner: trigger.owner,
            trigger: trigger.id,
            revision: trigger.revision,
            source: Source::CatchUp,
            first: put_off.first,
            last: put_off.last,
            total: put_off.count,
            next_at: put_off.first,
            left: put_off.count,
            is_held: put_off.is_held,
            made_at: now,
            made_by: Actor::SYSTEM,
            is_busy: false,
        });
    }

    pub(super) fn backfill(&mut self, new: &NewBacklog, by: Actor, now: Timestamp) -> Option<BacklogView> {
        let kept = self.trigger_of(new.owner, new.trigger)?;
        if kept.trigger.revision != new.revision || self.is_laid_up(new.trigger) {
            return None;
        }
        let backlog = self.lay_up(Backlog {
            id: BacklogId(0),
            owner: new.owner,
            trigger: new.trigger,
            revision: new.revision,
            source: Source::Backfill,
            first: new.first,
            last: new.last,
            total: new.count,
            next_at: new.first,
            left: new.count,
            is_held: new.is_held,
            made_at: now,
            made_by: by,
            is_busy: false,
        });
        self.backlog(new.owner, backlog.id)
    }

    fn shown(&self, kept: &KeptBacklog) -> Backlog {
        let is_untried = |key: &delivery::DeliveryKey| {
            self.owed.contains_key(key) && self.deliveries.get(key).is_some_and(|kept| kept.attempts.is_empty())
        };
        let is_busy = kept
            .last_event
            .is_some_and(|event| self.deliveries.range(delivery::all_of(event)).any(|(key, _)| is_untried(key)));
        Backlog { is_busy, ..kept.backlog.clone() }
    }

    fn view(&self, kept: &KeptBacklog) -> BacklogView {
        BacklogView { backlog: self.shown(kept), name: self.named(kept.backlog.trigger) }
    }

    fn named(&self, trigger: TriggerId) -> Option<String> {
        self.triggers.get(&trigger).and_then(|kept| kept.trigger.definition.name.clone())
    }

    pub(super) fn backlogs(&self, owner: UserId, after: Option<BacklogId>, limit: usize) -> Vec<BacklogView> {
        let own = self.backlogs.values().filter(|kept| kept.backlog.owner == owner);
        let wanted = own.filter(|kept| after.is_none_or(|after| kept.backlog.id > after));
        wanted.take(limit).map(|kept| self.view(kept)).collect()
    }

    pub(super) fn backlog(&self, owner: UserId, id: BacklogId) -> Option<BacklogView> {
        self.backlogs.get(&id).filter(|kept| kept.backlog.owner == owner).map(|kept| self.view(kept))
    }

    /// Of one owner or of everybody, and of one trigger or of all.
    pub(super) fn backlog_sums(&self, owner: Option<UserId>, trigger: Option<TriggerId>) -> BacklogSums {
        let mut sums = BacklogSums::default();
        let all = self.backlogs.values().map(|kept| &kept.backlog);
        let own = all.filter(|backlog| owner.is_none_or(|owner| backlog.owner == owner));
        own.filter(|backlog| trigger.is_none_or(|trigger| backlog.trigger == trigger))
            .for_each(|backlog| sums.note(backlog));
        sums
    }

    pub(super) fn backlog_turns(&self, after: Option<UserId>, owners: usize, of_each: usize) -> BacklogTurns {
        let is_ready = |kept: &&KeptBacklog| !kept.backlog.is_held && !self.is_behind(kept.backlog.trigger);
        let ready = || self.backlogs.values().filter(is_ready);
        let whose: BTreeSet<UserId> =
            ready().map(|kept| kept.backlog.owner).filter(|owner| after.is_none_or(|after| *owner > after)).collect();
        let mut turns = BacklogTurns::default();
        for owner in whose.into_iter().take(owners) {
            let mut own: Vec<&KeptBacklog> = ready().filter(|kept| kept.backlog.owner == owner).collect();
            own.sort_by_key(|kept| (kept.turn, kept.backlog.id));
            turns.until = Some(owner);
            turns.backlogs.extend(own.into_iter().take(of_each).filter_map(|kept| {
                let trigger = Arc::clone(&self.triggers.get(&kept.backlog.trigger)?.trigger);
                (trigger.revision == kept.backlog.revision).then(|| (self.shown(kept), trigger))
            }));
        }
        turns
    }

    pub(super) fn drain(&mut self, drained: &Drained, now: Timestamp) -> Option<usize> {
        if drained.edition != self.freezes.edition {
            return None;
        }
        let seen = &drained.backlog;
        let stands = self.backlogs.get(&seen.id).is_some_and(|kept| {
            !kept.backlog.is_held && kept.backlog.next_at == seen.next_at && kept.backlog.revision == seen.revision
        });
        if !stands || self.is_behind(seen.trigger) {
            return None;
        }
        let mut last_event = None;
        let mut events = 0;
        for (at, message_id) in drained.slice.firings.iter().zip(&drained.message_ids) {
            let new = NewEvent {
                origin: seen.source.origin(),
                scheduled_at: Some(*at),
                due_at: drained.trigger.definition.due_later(*at).filter(|due| *due <= now),
                payload: None,
                message_id: *message_id,
                parent: None,
            };
            if let Some(id) = self.log(&drained.trigger, new, now) {
                (last_event, events) = (Some(id), events + 1);
            }
        }
        match drained.slice.next_at {
            Some(next_at) => {
                if let Some(kept) = self.backlogs.get_mut(&seen.id) {
                    kept.backlog.next_at = next_at;
                    kept.backlog.left = drained.slice.left;
                    kept.turn = now.as_microsecond();
                    kept.last_event = last_event.or(kept.last_event);
                }
            }
            None => drop(self.backlogs.remove(&seen.id)),
        }
        self.changes.push(Change::Edited(seen.owner));
        Some(events)
    }

    pub(super) fn release(&mut self, owner: UserId, id: Option<BacklogId>, now: Timestamp) -> Touched {
        let expired = self.expire_backlogs(Some(owner), id, now).backlogs;
        let mut touched = Touched { expired, ..Touched::default() };
        for kept in self.backlogs.values_mut() {
            let backlog = &mut kept.backlog;
            if backlog.owner == owner && id.is_none_or(|id| backlog.id == id) && backlog.is_held {
                backlog.is_held = false;
                let name = self.triggers.get(&backlog.trigger).and_then(|kept| kept.trigger.definition.name.clone());
                touched.note(backlog.trigger, name, backlog.source, backlog.left);
            }
        }
        if touched.backlogs > 0 {
            self.changes.extend([Change::Edited(owner), Change::Armed]);
        }
        touched
    }

    pub(super) fn discard(&mut self, owner: UserId, id: Option<BacklogId>, now: Timestamp) -> Touched {
        self.give_up_backlogs(Reason::Discarded, now, |backlog| {
            backlog.owner == owner && id.is_none_or(|id| backlog.id == id)
        })
    }

    pub(super) fn discard_old(&mut self, now: Timestamp) -> Touched {
        let before = now.checked_sub(BACKLOG_KEPT).unwrap_or(Timestamp::MIN);
        self.give_up_unasked(Reason::Discarded, now, |backlog| backlog.made_at <= before)
    }

    /// Of one owner or of everybody, and of one number or of all.
    pub(super) fn expire_backlogs(&mut self, owner: Option<UserId>, id: Option<BacklogId>, now: Timestamp) -> Touched {
        let meant = self.backlogs.values().map(|kept| &kept.backlog).filter(|backlog| {
            let kept = self.triggers.get(&backlog.trigger);
            owner.is_none_or(|owner| backlog.owner == owner)
                && id.is_none_or(|id| backlog.id == id)
                && kept.is_some_and(|kept| !kept.trigger.definition.lives_at(now))
        });
        let meant: BTreeSet<BacklogId> = meant.map(|backlog| backlog.id).collect();
        self.give_up_unasked(Reason::Expired, now, |backlog| meant.contains(&backlog.id))
    }

    /// Puts down as not having fired what those backlogs hold that are meant; they are gone.
    pub(super) fn give_up_backlogs(
        &mut self,
        reason: Reason,
        now: Timestamp,
        is_meant: impl Fn(&Backlog) -> bool,
    ) -> Touched {
        touched(&self.give_up(reason, now, is_meant))
    }

    /// The same where nobody asked for it, which the audit log tells.
    fn give_up_unasked(&mut self, reason: Reason, now: Timestamp, is_meant: impl Fn(&Backlog) -> bool) -> Touched {
        let given = self.give_up(reason, now, is_meant);
        for ended in &given {
            self.write_down(Some(&Author { by: Actor::SYSTEM, at: now }), Some(Act::backlog_given_up(ended, reason)));
        }
        touched(&given)
    }

    fn give_up(&mut self, reason: Reason, now: Timestamp, is_meant: impl Fn(&Backlog) -> bool) -> Vec<BacklogView> {
        let meant: Vec<BacklogId> =
            self.backlogs.values().map(|kept| &kept.backlog).filter(|it| is_meant(it)).map(|it| it.id).collect();
        let mut given = Vec::new();
        for id in meant {
            let Some(KeptBacklog { backlog, .. }) = self.backlogs.remove(&id) else { continue };
            if let Some(skipped) = backlog.given_up(reason) {
                if let Some(kept) = self.triggers.get_mut(&backlog.trigger) {
                    kept.skipped.push(SkippedView { skipped, recorded_at: now });
                }
                self.count_skipped(backlog.owner, backlog.trigger, &skipped);
            }
            self.changes.push(Change::Edited(backlog.owner));
            let name = self.named(backlog.trigger);
            given.push(BacklogView { backlog, name });
        }
        given
    }

    /// The backlogs go on under another revision, which names the same occurrences, and may let them go where the former did not.
    pub(super) fn carry_backlogs(&mut self, trigger: TriggerId, revision: i64) {
        if self.is_laid_up(trigger) {
            self.changes.push(Change::Armed);
        }
        for kept in self.backlogs.values_mut().filter(|kept| kept.backlog.trigger == trigger) {
            kept.backlog.revision = revision;
        }
    }

    /// Whether anything of the trigger waits in a backlog.
    pub(super) fn is_laid_up(&self, trigger: TriggerId) -> bool {
        self.backlogs.values().any(|kept| kept.backlog.trigger == trigger)
    }

    /// What waits of a trigger to be caught up with.
    pub(super) fn waiting_of(&self, trigger: TriggerId) -> impl Iterator<Item = SkippedView> {
        self.views_of(trigger, Source::CatchUp)
    }

    /// What waits of a trigger because somebody asked for it once more.
    pub(super) fn backfill_of(&self, trigger: TriggerId) -> Option<SkippedView> {
        self.views_of(trigger, Source::Backfill).next()
    }

    fn views_of(&self, trigger: TriggerId, source: Source) -> impl Iterator<Item = SkippedView> {
        let all = self.backlogs.values().map(|kept| &kept.backlog);
        let of_it = all.filter(move |backlog| backlog.trigger == trigger && backlog.source == source);
        of_it.map(|backlog| SkippedView { skipped: backlog.waiting(), recorded_at: backlog.made_at })
    }
}

fn touched(given: &[BacklogView]) -> Touched {
    let mut touched = Touched::default();
    for BacklogView { backlog, name } in given {
        touched.note(backlog.trigger, name.clone(), backlog.source, backlog.left);
    }
    touched
}
