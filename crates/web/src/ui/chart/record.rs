//! What charts are drawn from: summaries without payloads, which outlive the events they tell of.

pub(crate) use oncue_domain::count::HourCount;
pub(crate) use oncue_domain::firing::{Firing, Outcome};

/// How many of each outcome, for a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Arrived.
    pub(crate) delivered: u64,
    /// Fired without an outcome: only logged, or still under way.
    pub(crate) open: u64,
    /// Did not fire.
    pub(crate) skipped: u64,
    /// Given up.
    pub(crate) failed: u64,
}

impl Counts {
    /// What fired and what did not.
    pub(crate) fn total(&self) -> u64 {
        [self.delivered, self.open, self.skipped, self.failed].into_iter().fold(0, u64::saturating_add)
    }

    /// What fired.
    pub(crate) fn fired(&self) -> u64 {
        self.delivered.saturating_add(self.open).saturating_add(self.failed)
    }

    pub(super) fn add(&mut self, more: &Counts) {
        self.delivered = self.delivered.saturating_add(more.delivered);
        self.open = self.open.saturating_add(more.open);
        self.skipped = self.skipped.saturating_add(more.skipped);
        self.failed = self.failed.saturating_add(more.failed);
    }

    /// The sum of many.
    pub(super) fn sum<'a>(all: impl IntoIterator<Item = &'a Counts>) -> Counts {
        let mut sum = Counts::default();
        all.into_iter().for_each(|counts| sum.add(counts));
        sum
    }
}

impl From<&HourCount> for Counts {
    fn from(hour: &HourCount) -> Counts {
        let HourCount { fired, delivered, failed, skipped, .. } = *hour;
        Counts { delivered, failed, skipped, open: fired.saturating_sub(delivered).saturating_sub(failed) }
    }
}
