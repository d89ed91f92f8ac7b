//! Counts in the reference model: what happened in an hour, to one trigger and to all of an owner's.

use jiff::Timestamp;

use super::Kept;
use crate::count::{COUNTS_KEPT, HourCount, hour_of, lateness_class};
use crate::event::Event;
use crate::id::{TriggerId, UserId};
use crate::occurrence::Skipped;

impl Kept {
    /// Changes both counts of an hour. A trigger that is gone has no count of its own any more.
    fn count(&mut self, owner: UserId, trigger: TriggerId, instant: Timestamp, change: impl Fn(&mut HourCount)) {
        let hour = hour_of(instant);
        let own = self.triggers.contains_key(&trigger).then_some(Some(trigger));
        for whose in own.into_iter().chain([None]) {
            change(self.counts.entry((owner, whose, hour)).or_insert_with(|| HourCount::empty(hour)));
        }
    }

    pub(super) fn count_fired(&mut self, event: &Event) {
        if !event.origin.is_counted() {
            return;
        }
        self.count(event.owner, event.trigger, event.fired_at, |hour| {
            hour.fired += 1;
            if let Some(lateness) = event.lateness() {
                hour.late[lateness_class(lateness)] += 1;
            }
        });
    }

    pub(super) fn count_ended(&mut self, event: &Event, is_delivered: bool) {
        if !event.origin.is_counted() {
            return;
        }
        self.count(event.owner, event.trigger, event.fired_at, |hour| {
            if is_delivered {
                hour.delivered += 1;
            } else {
                hour.failed += 1;
            }
        });
    }

    /// An event that was counted as failed was delivered after all.
    pub(super) fn count_mended(&mut self, event: &Event) {
        if !event.origin.is_counted() {
            return;
        }
        self.count(event.owner, event.trigger, event.fired_at, |hour| {
            hour.delivered += 1;
            hour.failed = hour.failed.saturating_sub(1);
        });
    }

    pub(super) fn count_skipped(&mut self, owner: UserId, trigger: TriggerId, skipped: &Skipped) {
        self.count(owner, trigger, skipped.last, |hour| hour.skipped += skipped.count);
    }

    pub(super) fn hour_counts(
        &self,
        owner: UserId,
        trigger: Option<TriggerId>,
        from: Timestamp,
        until: Timestamp,
    ) -> Vec<HourCount> {
        self.counts
            .iter()
            .filter(|((whose, which, hour), _)| *whose == owner && *which == trigger && *hour >= from && *hour < until)
            .map(|(_, count)| *count)
            .collect()
    }

    pub(super) fn expire_counts(&mut self, now: Timestamp) {
        let gone_until = now.checked_sub(COUNTS_KEPT).unwrap_or(Timestamp::MIN);
        self.counts.retain(|(_, _, hour), _| *hour > gone_until);
    }
}
