//! Runs as they are reported and listed; what one is and what a report makes of it stands in `crate::run`.

use jiff::Timestamp;

use crate::id::EventId;
use crate::run::{Contradiction, Run};

/// What came of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reported {
    /// What is known of the run now, and whether the report changed where it stands.
    Run {
        /// The run.
        run: Box<Run>,
        /// Whether it stood otherwise before.
        has_moved: bool,
    },
    /// There is no such run, or it is gone.
    NotFound,
    /// What was reported before stands against it.
    Refused(Contradiction),
}

/// The run of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunOf {
    /// The event.
    pub event: EventId,
    /// Its run.
    pub run: Run,
}

/// What came of looking for runs whose time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lapsed {
    /// How many were found to be overdue just now.
    pub overdue: usize,
    /// When the earliest time of all others is over: in the past where more are overdue already. None where nothing is expected.
    pub next_at: Option<Timestamp>,
}
