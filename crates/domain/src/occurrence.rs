//! What became of occurrences that did not fire. Ranges, not rows: a year of absence is one record. Which occurrences these
//! are is decided in `plan` and in `trigger`; how a firing looks stands in `event`.

use jiff::Timestamp;

use crate::agenda::Span;
use crate::trigger::ScheduleDetails;

/// Why occurrences did not fire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// They fell due while oncue did not run, and a later one took their place or they came too late.
    Missed,
    /// They fell due while oncue did not run, and lay beyond the bounds within which the trigger fires what it misses.
    Budget,
    /// They fell due while the trigger was paused.
    Paused,
    /// They were due, but an edit came first.
    Superseded,
    /// They waited in a backlog, and somebody discarded them, or they waited for too long.
    Discarded,
    /// They wait in a backlog, and will fire behind what is due then. Nothing else is written down of them.
    Waiting,
    /// They wait in a backlog for a person to release or discard them.
    Held,
    /// They fell due while an event before was under way, and the trigger skips what does, or they waited for that for too long.
    Overlap,
    /// They fell due while an event before was under way, and a later one fired in their place once that had ended.
    Merged,
    /// They lay at or after the expiry, before that was moved or the trigger was edited otherwise.
    Expired,
    /// They fell due during a freeze.
    Frozen,
    /// The trigger could not be read, until it was replaced. The first is when what was waited for fell due, which by its jitter may be later than its
    /// nominal time; the record reaches to when it was replaced, and how many there were beside the first is not known.
    Unreadable,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Reason; 12] = [
        Reason::Missed,
        Reason::Budget,
        Reason::Paused,
        Reason::Superseded,
        Reason::Discarded,
        Reason::Waiting,
        Reason::Held,
        Reason::Overlap,
        Reason::Merged,
        Reason::Expired,
        Reason::Frozen,
        Reason::Unreadable,
    ];

    /// The word in the API and in the stores.
    pub fn word(self) -> &'static str {
        match self {
            Reason::Missed => "missed",
            Reason::Budget => "budget",
            Reason::Paused => "paused",
            Reason::Superseded => "superseded",
            Reason::Discarded => "discarded",
            Reason::Waiting => "waiting",
            Reason::Held => "held",
            Reason::Overlap => "overlap",
            Reason::Merged => "merged",
            Reason::Expired => "expired",
            Reason::Frozen => "frozen",
            Reason::Unreadable => "unreadable",
        }
    }

    /// The reason of that word.
    pub fn from_word(word: &str) -> Option<Reason> {
        Reason::ALL.into_iter().find(|reason| reason.word() == word)
    }
}

/// A run of consecutive occurrences that did not fire, for one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Why.
    pub reason: Reason,
    /// The nominal time of the first.
    pub first: Timestamp,
    /// The nominal time of the last.
    pub last: Timestamp,
    /// How many.
    pub count: u64,
}

impl Skipped {
    /// The occurrences in (after, until], or none if there are none. Costs the same for a million as for one.
    pub fn range(schedule: &ScheduleDetails, after: Timestamp, until: Timestamp, reason: Reason) -> Option<Skipped> {
        if until <= after {
            return None;
        }
        let first = schedule.next_after(after).filter(|first| *first <= until)?;
        let last = schedule.latest_in(after, until)?;
        Some(Skipped { reason, first, last, count: schedule.count_in(after, until) })
    }

    /// Whether it lies in the span at least in part.
    pub fn lies_in(&self, span: Span) -> bool {
        self.last >= span.from && self.first < span.until
    }
}
