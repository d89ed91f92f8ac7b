//! The ledger of a trigger as it is kept: which of its occurrences became events, and which are on record as not having fired. What
//! follows from it, also for occurrences that nothing is written down about, is decided in `crate::why`.

use jiff::{SignedDuration, Timestamp};

use crate::event::Origin;
use crate::firing::Firing;
use crate::id::EventId;
use crate::store::SkippedView;

/// How many firings, and how many records, one reading of the ledger gives at most.
pub const LEDGER_MAX: usize = 1_000;

/// An occurrence that became an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerFiring {
    /// Its nominal time.
    pub scheduled_at: Timestamp,
    /// When it fell due, where that was later than its nominal time.
    pub due_at: Option<Timestamp>,
    /// When it fired.
    pub fired_at: Timestamp,
    /// The event's number.
    pub event: EventId,
    /// Which revision of the trigger fired; none where the event is gone.
    pub revision: Option<i64>,
    /// What made it.
    pub origin: Origin,
    /// Whether the event can still be read.
    pub is_kept: bool,
}

impl LedgerFiring {
    /// Fired minus due.
    pub fn lateness(&self) -> SignedDuration {
        self.fired_at.duration_since(self.due_at.unwrap_or(self.scheduled_at))
    }

    /// What is left of a firing whose event is gone; none where no schedule made it.
    pub fn gone(firing: &Firing) -> Option<LedgerFiring> {
        Some(LedgerFiring {
            scheduled_at: firing.scheduled_at?,
            due_at: firing.due_at,
            fired_at: firing.fired_at,
            event: firing.event,
            revision: None,
            origin: firing.origin,
            is_kept: false,
        })
    }
}

/// What is written down about the occurrences of a trigger in a span.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Those that fired, in the order of their nominal times: of those that can still be read all, of those that are gone what is among
    /// the latest firings.
    pub firings: Vec<LedgerFiring>,
    /// The records that lie in the span at least in part, and what waits in backlogs to be caught up with, by their beginnings.
    pub skipped: Vec<SkippedView>,
    /// What waits in a backlog because somebody asked for it once more, where it lies in the span at least in part. It accounts for nothing:
    /// whatever its occurrences had become before is told as well.
    pub backfill: Option<SkippedView>,
    /// From this instant on there is more than was asked for; none where this is all of the span.
    pub stopped_at: Option<Timestamp>,
}

impl Ledger {
    /// Cuts off what is more than `limit` of either sort, and says where. Both lists are in order, and longer than `limit` exactly where
    /// there is more.
    pub fn cut(mut firings: Vec<LedgerFiring>, mut skipped: Vec<SkippedView>, limit: usize) -> Ledger {
        let of_firings = firings.get(limit).map(|firing| firing.scheduled_at);
        let of_skipped = skipped.get(limit).map(|view| view.skipped.first);
        firings.truncate(limit);
        skipped.truncate(limit);
        let stopped_at = of_firings.into_iter().chain(of_skipped).min();
        if let Some(stop) = stopped_at {
            firings.retain(|firing| firing.scheduled_at < stop);
            skipped.retain(|view| view.skipped.first < stop);
        }
        Ledger { firings, skipped, backfill: None, stopped_at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::occurrence::{Reason, Skipped};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).expect("in range")
    }

    fn firing(seconds: i64) -> LedgerFiring {
        let (scheduled_at, origin) = (at(seconds), Origin::Schedule);
        LedgerFiring {
            scheduled_at,
            due_at: None,
            fired_at: scheduled_at,
            event: EventId(1),
            revision: Some(1),
            origin,
            is_kept: true,
        }
    }

    fn record(first: i64, last: i64) -> SkippedView {
        let skipped = Skipped { reason: Reason::Missed, first: at(first), last: at(last), count: 2 };
        SkippedView { skipped, recorded_at: at(last) }
    }

    #[test]
    fn it_stops_before_the_first_thing_that_is_too_much() {
        let firings = [10, 20, 30].map(firing);
        let records = [record(1, 3), record(11, 25), record(26, 27)];
        let all = Ledger::cut(firings.to_vec(), records.to_vec(), 3);
        assert_eq!((all.firings.len(), all.skipped.len(), all.stopped_at), (3, 3, None));
        let cut = Ledger::cut(firings.to_vec(), records.to_vec(), 2);
        assert_eq!(cut.stopped_at, Some(at(26)), "the third record begins before the third firing");
        assert_eq!((cut.firings.as_slice(), cut.skipped.as_slice()), (&firings[..2], &records[..2]));
        let cut = Ledger::cut(firings.to_vec(), records[..1].to_vec(), 1);
        assert_eq!((cut.firings.len(), cut.skipped.len(), cut.stopped_at), (1, 1, Some(at(20))));
        assert_eq!(
            Ledger::cut(firings.to_vec(), Vec::new(), 0),
            Ledger { stopped_at: Some(at(10)), ..Ledger::default() }
        );
    }
}
