//! When what a schedule names falls due: then, or later by the trigger's share of a window. An occurrence keeps its nominal time, and whoever asks what is due
//! by an instant asks here. How a share becomes a distance stands in `schedule::jitter`.

use jiff::{SignedDuration, Timestamp};

use super::{ScheduleDetails, just_before};
use crate::agenda::Span;
use crate::schedule::Schedule;
use crate::schedule::jitter::{Jitter, Share};

impl ScheduleDetails {
    /// The same with the share of its window that was drawn for it, where it is spread.
    pub fn with_share(mut self, share: Option<Share>) -> ScheduleDetails {
        self.share = share.filter(|_| self.jitter.is_some());
        self
    }

    /// Over which window it is spread when occurrences fall due, where it is.
    pub fn jitter(&self) -> Option<&Jitter> {
        self.jitter.as_ref()
    }

    /// How much later than its nominal time an occurrence falls due, where the next one is not nearer than the window is wide; none where it
    /// is not spread, or nobody has drawn it yet.
    pub fn offset(&self) -> Option<SignedDuration> {
        let (jitter, share) = (self.jitter.as_ref()?, self.share?);
        let named = Timestamp::UNIX_EPOCH;
        // A period that is shorter than the window is so each time.
        let next = match &self.pattern {
            Schedule::Every { period, .. } => {
                let micros = i64::try_from(period.micros()).unwrap_or(i64::MAX);
                named.checked_add(SignedDuration::from_micros(micros)).ok()
            }
            _ => None,
        };
        Some(jitter.due_at(share, named, next).duration_since(named))
    }

    /// The share of its window that was drawn for it.
    pub fn share(&self) -> Option<Share> {
        self.share
    }

    /// Whether it is spread, and nobody has drawn yet by how much.
    pub fn lacks_share(&self) -> bool {
        self.jitter.is_some() && self.share.is_none()
    }

    /// When the occurrence of that nominal time falls due: then, or later by its jitter, and before the pattern names the next time.
    pub fn due_at(&self, named: Timestamp) -> Timestamp {
        match (&self.jitter, self.share) {
            // By the pattern and not by what is left of it: else a calendar that takes the next day would move what fell due already.
            (Some(jitter), Some(share)) => jitter.due_at(share, named, self.pattern.next_after(named)),
            _ => named,
        }
    }

    /// Within which instants the occurrence of that nominal time falls due, where it is spread and nobody has drawn yet by how much.
    pub fn due_within(&self, named: Timestamp) -> Option<Span> {
        let jitter = self.jitter.as_ref().filter(|_| self.lacks_share())?;
        Some(Span { from: named, until: jitter.due_before(named, self.pattern.next_after(named)) })
    }

    /// The nominal time of the occurrence that falls due at this very instant; the instant itself where none does.
    pub fn named_for(&self, due: Timestamp) -> Timestamp {
        self.latest_before_due(due).filter(|named| self.due_at(*named) == due).unwrap_or(due)
    }

    /// The occurrence whose nominal time has come by `instant`, and which falls due only later. There is one at most.
    pub fn pending_at(&self, instant: Timestamp) -> Option<Timestamp> {
        self.latest_before_due(instant).filter(|named| self.due_at(*named) > instant)
    }

    /// Up to which nominal time everything has fallen due by `instant`, while nothing after it has.
    pub fn due_by(&self, instant: Timestamp) -> Timestamp {
        self.pending_at(instant).map_or(instant, just_before)
    }

    /// When the first occurrence falls due after `instant`, whenever that was named; `None` when there is none.
    pub fn next_due_after(&self, instant: Timestamp) -> Option<Timestamp> {
        Some(self.due_at(self.next_after(self.due_by(instant))?))
    }

    /// How many occurrences fall due in `(after, until]`.
    pub fn count_due_in(&self, after: Timestamp, until: Timestamp) -> u64 {
        let (after, until) = (self.due_by(after), self.due_by(until));
        if until <= after { 0 } else { self.count_in(after, until) }
    }

    /// The latest nominal time up to `instant` at which an occurrence may be that falls due no earlier; none where none is spread.
    fn latest_before_due(&self, instant: Timestamp) -> Option<Timestamp> {
        let window = self.jitter.as_ref().filter(|_| self.share.is_some())?.window();
        self.latest_in(instant.checked_sub(window).unwrap_or(Timestamp::MIN), instant)
    }
}
