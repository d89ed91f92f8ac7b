//! The ledger in the reference model.

use jiff::Timestamp;

use super::Kept;
use crate::agenda::Span;
use crate::firing::FIRINGS_KEPT;
use crate::id::{TriggerId, UserId};
use crate::store::{LEDGER_MAX, Ledger, LedgerFiring};

impl Kept {
    pub(super) fn ledger(
        &self,
        owner: UserId,
        id: TriggerId,
        span: Span,
        gone_until: Timestamp,
        limit: usize,
    ) -> Option<Ledger> {
        let kept = self.known_trigger_of(owner, id)?;
        let lies_in = |instant: Timestamp| span.from <= instant && instant < span.until;
        let readable = self.events.values().filter(|event| event.trigger == id && event.fired_at > gone_until);
        let readable = readable.filter_map(|event| {
            Some(LedgerFiring {
                scheduled_at: event.scheduled_at?,
                due_at: event.due_at,
                fired_at: event.fired_at,
                event: event.id,
                revision: Some(event.revision),
                origin: event.origin,
                is_kept: true,
            })
        });
        let recent = self.recent_firings(owner, id, gone_until, FIRINGS_KEPT);
        let gone = recent.iter().filter(|firing| !firing.is_kept).filter_map(LedgerFiring::gone);
        let mut firings: Vec<_> = readable.chain(gone).filter(|firing| lies_in(firing.scheduled_at)).collect();
        firings.sort_by_key(|firing| (firing.scheduled_at, firing.event));
        let mut skipped = kept.skipped.clone();
        skipped.retain(|view| view.recorded_at > gone_until);
        skipped.extend(self.waiting_of(id));
        skipped.retain(|view| view.skipped.lies_in(span));
        skipped.sort_by_key(|view| view.skipped.first);
        let backfill = self.backfill_of(id).filter(|view| view.skipped.lies_in(span));
        Some(Ledger { backfill, ..Ledger::cut(firings, skipped, limit.min(LEDGER_MAX)) })
    }
}
