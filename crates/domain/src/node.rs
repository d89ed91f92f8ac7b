//! The running processes, as their operator sees them: who each is, since when, and what it does. Only what people and
//! programs are shown stands here; who fires what, and who is given up for gone, is a store's business and is never
//! decided by what a node says about itself.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// A node that was not heard of for so long is called silent: it has left out two beats.
pub const SILENT_AFTER: SignedDuration = SignedDuration::from_millis(1500);

/// A node that was silent for so long is given up.
pub const GONE_AFTER: SignedDuration = SignedDuration::from_secs(3);

/// What [`Identity::differences`] calls the version.
pub const VERSION: &str = "version";

/// What a node is called by people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The machine's name.
    pub name: String,
    /// The program's version.
    pub version: String,
    /// Where it listens.
    pub address: String,
    /// What all nodes of a database are to be told alike, by the names under which operators know it. A secret stands here as a
    /// fingerprint, from which it cannot be told.
    pub settings: BTreeMap<String, String>,
}

impl Identity {
    /// In what another node differs from this one though all should be alike: its version, and each setting that both of them name.
    pub fn differences(&self, other: &Identity) -> Vec<String> {
        let version = (self.version != other.version).then(|| VERSION.to_owned());
        let differs = |(name, value): &(&String, &String)| other.settings.get(*name).is_some_and(|told| told != *value);
        let settings = self.settings.iter().filter(differs).map(|(name, _)| name.clone());
        version.into_iter().chain(settings).collect()
    }
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
    fn nodes_differ_in_what_both_of_them_say() {
        let node = |version: &str, settings: &[(&str, &str)]| Identity {
            name: format!("node of {version}"),
            version: version.to_owned(),
            address: String::new(),
            settings: settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        };
        let one = node("1", &[("--keep-for", "48h"), ("--timezone", "UTC"), ("--new", "x")]);
        assert_eq!(one.differences(&node("1", &[("--keep-for", "48h"), ("--timezone", "UTC")])), [] as [&str; 0]);
        let other = node("2", &[("--keep-for", "24h"), ("--timezone", "Europe/Riga"), ("--old", "y")]);
        assert_eq!(one.differences(&other), ["version", "--keep-for", "--timezone"]);
        assert_eq!(other.differences(&one), ["version", "--keep-for", "--timezone"]);
    }

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
