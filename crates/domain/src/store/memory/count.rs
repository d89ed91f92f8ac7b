//! Counts in the reference model: what happened in an hour, to one trigger and to all of an owner's.

use jiff::Timestamp;

use super::Kept;
use crate::count::{
    COUNTS_KEPT, HourCount, RUN_MAX, add_run, first_hour_from, hour_of, lateness_class, sort_runs, with_runs,
};
use crate::event::Event;
use crate::id::{TriggerId, UserId};
use crate::occurrence::Skipped;

/// Whose runs are counted together: the owner's, of one trigger or of all, with the same last and first hour and the same reason.
pub(super) type SkippedKey = (UserId, Option<TriggerId>, Timestamp, Timestamp, &'static str);

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
        let own = self.triggers.contains_key(&trigger).then_some(Some(trigger));
        let run = Skipped { count: skipped.count.min(RUN_MAX), ..*skipped };
        for whose in own.into_iter().chain([None]) {
            let key = (owner, whose, hour_of(run.last), hour_of(run.first), run.reason.word());
            self.skipped_counts.entry(key).and_modify(|counted| add_run(counted, &run)).or_insert(run);
        }
    }

    /// As [`Store::skipped_counts`](crate::store::Store::skipped_counts).
    pub(super) fn skipped_counts(
        &self,
        owner: UserId,
        trigger: Option<TriggerId>,
        from: Timestamp,
        until: Timestamp,
    ) -> Vec<Skipped> {
        let (from, until) = (first_hour_from(from), first_hour_from(until));
        let reaches = |(whose, which, last, first, _): &SkippedKey| {
            *whose == owner && *which == trigger && *last >= from && *first < until && from < until
        };
        let mut runs: Vec<Skipped> =
            self.skipped_counts.iter().filter(|(key, _)| reaches(key)).map(|(_, run)| *run).collect();
        sort_runs(&mut runs);
        runs
    }

    pub(super) fn hour_counts(
        &self,
        owner: UserId,
        trigger: Option<TriggerId>,
        from: Timestamp,
        until: Timestamp,
    ) -> Vec<HourCount> {
        let hours = self
            .counts
            .iter()
            .filter(|((whose, which, hour), _)| *whose == owner && *which == trigger && *hour >= from && *hour < until)
            .map(|(_, count)| *count)
            .collect();
        with_runs(hours, &self.skipped_counts(owner, trigger, from, until), from, until)
    }

    pub(super) fn expire_counts(&mut self, now: Timestamp) {
        let gone_until = now.checked_sub(COUNTS_KEPT).unwrap_or(Timestamp::MIN);
        self.counts.retain(|(_, _, hour), _| *hour > gone_until);
        self.skipped_counts.retain(|(_, _, last, ..), _| *last > gone_until);
    }
}
