//! The running processes, as their operator sees them: who each is, since when, and what it does. Only what people and
//! programs are shown stands here; who fires what, and who is given up for gone, is a store's business and is never
//! decided by what a node says about itself.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// A node that was not heard of for so long is called silent: it has left out two beats.
pub const SILENT_AFTER: SignedDuration = SignedDuration::from_millis(1500);

/// A node that was silent for so long is given up.
pub const GONE_AFTER: SignedDuration = SignedDuration::from_secs(3);

/// What a node is called by people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The machine's name.
    pub name: String,
    /// The program's version.
    pub version: String,
    /// Where it listens.
    pub address: String,
}

/// What a node does, by its own account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Attempts under way.
    pub running: u64,
    /// Deliveries that it holds and that wait for their turn.
    pub waiting: u64,
    /// Occurrences that fired in its last minute, late ones too.
    pub fired: u64,
    /// Attempts that ended in its last minute.
    pub attempts: u64,
    /// How many of them did not arrive.
    pub failed: u64,
    /// By how much the latest-coming of those occurrences was late, in microseconds; those that were caught up after an
    /// absence aside.
    pub late_us_max: Option<u64>,
    /// When its scheduler last looked at what is due.
    pub looked_at: Option<Timestamp>,
}

/// A running node, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeView {
    /// Its number; a node that was given up and comes back has a new one.
    pub id: i64,
    /// What it is called.
    pub identity: Identity,
    /// Since when it runs under this number.
    pub started_at: Timestamp,
    /// When it was last heard of.
    pub seen_at: Timestamp,
    /// Whether it is the one that was asked.
    pub is_asked: bool,
    /// What it does; none when it has not said so yet, or in words of another version.
    pub work: Option<Work>,
}

impl NodeView {
    /// Whether it was not heard of for longer than it should be.
    pub fn is_silent(&self, now: Timestamp) -> bool {
        now.duration_since(self.seen_at) > SILENT_AFTER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_silent_once_it_has_left_out_two_beats() {
        let seen_at = Timestamp::UNIX_EPOCH;
        let node =
            NodeView { id: 1, identity: Identity::default(), started_at: seen_at, seen_at, is_asked: true, work: None };
        assert!(!node.is_silent(seen_at + SILENT_AFTER));
        assert!(node.is_silent(seen_at + SILENT_AFTER + SignedDuration::from_millis(1)));
        assert!(
            !node.is_silent(seen_at - SignedDuration::from_secs(9)),
            "a clock that was put back makes nobody silent"
        );
    }
}
