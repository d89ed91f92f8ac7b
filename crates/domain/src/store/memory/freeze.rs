//! Freezes, in the reference model.

use jiff::Timestamp;

use super::Kept;
use crate::actor::Actor;
use crate::freeze::{FREEZES_MAX, Freeze, Freezes, Frozen, Said, remembered_since};
use crate::id::{TriggerId, UserId};
use crate::occurrence::Reason;
use crate::store::{Change, SkippedView};

impl Kept {
    fn frozen(&mut self, scope: Option<UserId>, now: Timestamp) -> Option<&mut Freeze> {
        self.freezes.all.iter_mut().find(|freeze| freeze.owner == scope && freeze.stands_at(now))
    }

    pub(super) fn freeze(&mut self, scope: Option<UserId>, said: Said, by: Actor, now: Timestamp) -> Freeze {
        self.freezes.edition += 1;
        self.changes.push(scope.map_or(Change::Frozen, Change::Edited));
        let Said { reason, until } = said;
        if let Some(freeze) = self.frozen(scope, now) {
            (freeze.reason, freeze.until, freeze.by) = (reason, until, by);
            return freeze.clone();
        }
        let freeze = Freeze { owner: scope, reason, from: now, until, by };
        let all = &mut self.freezes.all;
        all.push(freeze.clone());
        all.sort_by_key(|freeze| freeze.from);
        let forgotten = remembered_since(now);
        all.retain(|freeze| freeze.until.is_none_or(|end| end > forgotten));
        let mut surplus = all.iter().filter(|freeze| freeze.owner == scope).count().saturating_sub(FREEZES_MAX);
        all.retain(|freeze| {
            let is_surplus = freeze.owner == scope && surplus > 0;
            surplus -= usize::from(is_surplus);
            !is_surplus
        });
        freeze
    }

    pub(super) fn thaw(&mut self, scope: Option<UserId>, now: Timestamp) -> Option<Freeze> {
        let freeze = Freeze { until: Some(now), ..self.frozen(scope, now)?.clone() };
        while let Some(freeze) = self.frozen(scope, now) {
            freeze.until = Some(now);
            let from = freeze.from;
            self.told_freezes.insert((scope, from, now));
        }
        self.freezes.edition += 1;
        self.changes.push(scope.map_or(Change::Frozen, Change::Edited));
        Some(freeze)
    }

    pub(super) fn freezes_since(&self, since: Timestamp) -> Freezes {
        let mut freezes = self.freezes.clone();
        freezes.all.retain(|freeze| freeze.until.is_none_or(|end| end > since));
        freezes
    }

    /// Writes down what a freeze holds back, in the record that it goes on with where there is one.
    pub(super) fn record_frozen(&mut self, id: TriggerId, frozen: &Frozen, now: Timestamp) {
        let Some(kept) = self.triggers.get_mut(&id) else { return };
        let goes_on = |view: &&mut SkippedView| {
            let is_before = Some(view.skipped.last) == frozen.follows;
            view.skipped.reason == Reason::Frozen && is_before && view.recorded_at > frozen.since
        };
        match kept.skipped.last_mut().filter(goes_on) {
            Some(view) => {
                view.skipped.last = frozen.skipped.last;
                view.skipped.count += frozen.skipped.count;
                view.recorded_at = now;
            }
            None => kept.skipped.push(SkippedView { skipped: frozen.skipped, recorded_at: now }),
        }
        let owner = kept.trigger.owner;
        self.count_skipped(owner, id, &frozen.skipped);
    }
}
