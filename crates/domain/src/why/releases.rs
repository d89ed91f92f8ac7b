//! Which release of the zone data decided when. What fired or was written down before new data came was decided by the data before, and an
//! answer that named the present release for it would be wrong just where somebody asks because a time has moved. It is read from
//! the audit log, in which a change of the zone data is a line; nothing is kept for it with each event.

use jiff::Timestamp;

use super::{Facts, Verdict};
use crate::act::Entry;

/// The releases of the zone data, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Releases {
    present: String,
    /// Since when which one, and which one before; oldest first.
    changes: Vec<(Timestamp, String, String)>,
}

impl Releases {
    /// The release in use now, and the changes that the audit log tells of, in any order.
    pub fn new(present: &str, log: &[Entry]) -> Releases {
        let change = |entry: &Entry| {
            let (before, after) = entry.act.zone_data_before_and_after()?;
            Some((entry.at, after.to_owned(), before.to_owned()))
        };
        let mut changes: Vec<_> = log.iter().filter_map(change).collect();
        changes.sort();
        Releases { present: present.to_owned(), changes }
    }

    /// The one in use now.
    pub fn present(&self) -> &str {
        &self.present
    }

    /// The one that was in use at an instant that is over. What came before all that is remembered is taken for the earliest known.
    pub fn at(&self, instant: Timestamp) -> &str {
        let before = self.changes.partition_point(|(since, ..)| *since <= instant);
        match (before.checked_sub(1), self.changes.first()) {
            (Some(last), _) => &self.changes[last].1,
            (None, Some((_, _, first))) => first,
            (None, None) => &self.present,
        }
    }

    /// When another came into use.
    pub(super) fn changed_at(&self) -> impl Iterator<Item = Timestamp> + '_ {
        self.changes.iter().map(|(since, ..)| *since)
    }
}

/// The release that decided about an occurrence that was due then: the one of the moment at which it fired or was written down, else of when it
/// fell due, and the present one for whatever is to come.
pub(super) fn decided(facts: Facts<'_>, due: Timestamp, verdict: &Verdict) -> String {
    let decided_at = match verdict {
        Verdict::Fired(firing, ..) => Some(firing.fired_at),
        Verdict::Skipped(view, _) => Some(view.recorded_at),
        Verdict::AskedFor(_) => None,
        _ => Some(due),
    };
    let releases = facts.releases;
    let past = decided_at.filter(|at| *at <= facts.now);
    past.map_or(releases.present(), |at| releases.at(at)).to_owned()
}

/// Whether the zone data was of another release when something fell due than now, so that what the schedule names there by the present one says
/// nothing about what it named then.
pub(super) fn were_others(facts: Facts<'_>, due: Timestamp) -> bool {
    facts.releases.at(due) != facts.releases.present()
}
