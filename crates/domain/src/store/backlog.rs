//! What is shown of backlogs, whose turn it is, and what came of deciding about some.

use std::sync::Arc;

use crate::backlog::{Backlog, Source};
use crate::id::{TriggerId, UserId};
use crate::trigger::Trigger;

/// Whose turn it is.
#[derive(Clone, Debug, Default)]
pub struct BacklogTurns {
    /// Backlogs with their triggers, owner by owner.
    pub backlogs: Vec<(Backlog, Arc<Trigger>)>,
    /// The last owner who was looked at, whether anything of theirs can be read or not; none where there was none.
    pub until: Option<UserId>,
}

/// A backlog as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BacklogView {
    /// The backlog.
    pub backlog: Backlog,
    /// What its trigger is called, where it has a name.
    pub name: Option<String>,
}

/// How much waits in backlogs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BacklogSums {
    /// How many backlogs there are.
    pub backlogs: u64,
    /// How many occurrences wait in them.
    pub occurrences: u64,
    /// How many of these wait for a person.
    pub held: u64,
}

impl BacklogSums {
    /// One more.
    pub fn note(&mut self, backlog: &Backlog) {
        self.backlogs += 1;
        self.occurrences = self.occurrences.saturating_add(backlog.left);
        self.held = self.held.saturating_add(if backlog.is_held { backlog.left } else { 0 });
    }
}

/// Which backlogs were released, discarded or ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// How many.
    pub backlogs: u64,
    /// How many of them were backfills, of which nothing is put on record.
    pub backfills: u64,
    /// How many occurrences they held.
    pub occurrences: u64,
    /// How many others could not be released, because their triggers have expired; they are gone.
    pub expired: u64,
    /// The trigger of one of them.
    pub trigger: Option<TriggerId>,
    /// What that is called, where it has a name.
    pub name: Option<String>,
}

impl Touched {
    /// One more, of which so many occurrences were left.
    pub fn note(&mut self, trigger: TriggerId, name: Option<String>, source: Source, left: u64) {
        self.backlogs += 1;
        self.backfills += u64::from(source == Source::Backfill);
        self.occurrences = self.occurrences.saturating_add(left);
        (self.trigger, self.name) = (Some(trigger), name);
    }
}
