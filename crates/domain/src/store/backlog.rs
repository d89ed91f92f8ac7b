//! What is shown of backlogs, and what came of deciding about some.

use crate::backlog::Backlog;
use crate::id::TriggerId;

/// A backlog as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BacklogView {
    /// The backlog.
    pub backlog: Backlog,
    /// What its trigger is called, where it has a name.
    pub name: Option<String>,
}

/// Which backlogs were released or discarded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// How many.
    pub backlogs: u64,
    /// How many occurrences they held.
    pub occurrences: u64,
    /// The trigger of one of them.
    pub trigger: Option<TriggerId>,
}

impl Touched {
    /// One more.
    pub fn note(&mut self, trigger: TriggerId, occurrences: u64) {
        self.backlogs += 1;
        self.occurrences = self.occurrences.saturating_add(occurrences);
        self.trigger = Some(trigger);
    }
}
