//! Pauses and freezes whose end has come, and triggers whose expiry has, in the reference model.

use jiff::Timestamp;

use super::Kept;
use crate::act::{Act, ExpiryOver, PauseOver};
use crate::actor::{Actor, Author};
use crate::id::TriggerId;
use crate::store::memory::trigger::KeptTrigger;
use crate::trigger::End;

/// The pause of a trigger that was over by `now`, if nobody has said so.
fn pause_over(kept: &KeptTrigger, now: Timestamp) -> Option<PauseOver> {
    let trigger = &kept.trigger;
    let at = trigger.definition.pause_ends_at().filter(|end| *end <= now && kept.told_until != Some(*end))?;
    let reason = trigger.definition.pause.as_ref().and_then(|pause| pause.reason.clone());
    Some(PauseOver { at, owner: trigger.owner, trigger: trigger.id, name: trigger.definition.name.clone(), reason })
}

/// The expiry of a trigger that had come by `now`, if nobody has said so.
fn expiry_over(kept: &KeptTrigger, now: Timestamp) -> Option<ExpiryOver> {
    let trigger = &kept.trigger;
    let at = trigger.definition.expires_at.filter(|end| *end <= now && kept.told_expiry != Some(*end))?;
    Some(ExpiryOver { at, owner: trigger.owner, trigger: trigger.id, name: trigger.definition.name.clone() })
}

impl Kept {
    fn write_own(&mut self, at: Timestamp, act: Act) {
        self.write_down(Some(&Author { by: Actor::SYSTEM, at }), Some(act));
    }

    pub(super) fn note_ends(&mut self, now: Timestamp, limit: usize) -> usize {
        let is_untold = |freeze: &&crate::freeze::Freeze| {
            let until = freeze.until.filter(|end| *end <= now);
            until.is_some_and(|until| !self.told_freezes.contains(&(freeze.owner, freeze.from, until)))
        };
        let mut freezes: Vec<_> = self.freezes.all.iter().filter(is_untold).cloned().collect();
        freezes.sort_by_key(|freeze| (freeze.until, freeze.owner, freeze.from));
        freezes.truncate(limit);
        for freeze in &freezes {
            let Some(until) = freeze.until else { continue };
            self.told_freezes.insert((freeze.owner, freeze.from, until));
            self.write_own(until, Act::freeze_over(freeze));
        }
        let mut pauses: Vec<PauseOver> = self.triggers.values().filter_map(|kept| pause_over(kept, now)).collect();
        pauses.sort_by_key(|pause| (pause.at, pause.trigger));
        pauses.truncate(limit);
        let mut expiries: Vec<ExpiryOver> = self.triggers.values().filter_map(|kept| expiry_over(kept, now)).collect();
        expiries.sort_by_key(|expiry| (expiry.at, expiry.trigger));
        expiries.truncate(limit);
        let count = freezes.len() + pauses.len() + expiries.len();
        self.write_pauses(pauses);
        self.write_expiries(expiries);
        count
    }

    /// Whoever ends a trigger as it stands says that its pause was over, or that its expiry had come, if nobody has.
    pub(super) fn note_own_ends(&mut self, id: TriggerId, now: Timestamp) {
        let Some(kept) = self.triggers.get(&id) else { return };
        let (pause, expiry) = (pause_over(kept, now), expiry_over(kept, now));
        self.write_pauses(pause.into_iter().collect());
        self.write_expiries(expiry.into_iter().collect());
    }

    fn write_expiries(&mut self, mut over: Vec<ExpiryOver>) {
        over.retain(|expiry| {
            let Some(kept) = self.triggers.get_mut(&expiry.trigger) else { return false };
            kept.told_expiry = Some(expiry.at);
            let definition = &kept.trigger.definition;
            End::comes_with_expiry(definition.schedule.as_ref(), definition.is_test, kept.fired, expiry.at)
        });
        for (at, act) in Act::expiries_over(over) {
            self.write_own(at, act);
        }
    }

    fn write_pauses(&mut self, over: Vec<PauseOver>) {
        for pause in &over {
            if let Some(kept) = self.triggers.get_mut(&pause.trigger) {
                kept.told_until = Some(pause.at);
            }
        }
        for (at, act) in Act::pauses_over(over) {
            self.write_own(at, act);
        }
    }
}
