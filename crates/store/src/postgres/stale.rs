//! Whose plans came to nothing a moment ago. Of some the cursor stands as it did: somebody else is at it, such as an edit of a calendar that many
//! triggers name. They stay the earliest that are due meanwhile, and a node that asked for the earliest alone would carry out nothing else.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use oncue_domain::id::TriggerId;

use super::lock;

/// So long after its plan came to nothing a cursor counts as somebody else's; then it is tried first again.
const KEPT_FOR: Duration = Duration::from_secs(1);

/// More than this are not remembered.
const KEPT_MAX: usize = 10_000;

/// What a plan was about: the occurrence and the revision.
pub(super) type Planned = (Timestamp, i64);

/// The cursors at which somebody else was.
#[derive(Default)]
pub(super) struct Stale(Mutex<HashMap<TriggerId, (Planned, Instant)>>);

impl Stale {
    /// These plans came to nothing.
    pub(super) fn note(&self, plans: impl Iterator<Item = (TriggerId, Planned)>, now: Instant) {
        let mut kept = lock(&self.0);
        for (id, planned) in plans {
            if kept.len() < KEPT_MAX || kept.contains_key(&id) {
                kept.insert(id, (planned, now));
            }
        }
    }

    /// Which of these stand as they did when their plans came to nothing; what has become of the others is forgotten.
    pub(super) fn held(&self, due: impl Iterator<Item = (TriggerId, Planned)>, now: Instant) -> Vec<TriggerId> {
        let mut kept = lock(&self.0);
        if kept.is_empty() {
            return Vec::new();
        }
        kept.retain(|_, (_, noted)| now.duration_since(*noted) < KEPT_FOR);
        let stands = |(id, stands): &(TriggerId, Planned)| kept.get(id).is_some_and(|(planned, _)| planned == stands);
        due.filter(stands).map(|(id, _)| id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_held_for_as_long_as_it_stands_as_planned_and_no_longer_than_a_moment() {
        let (stale, now) = (Stale::default(), Instant::now());
        let at = |second| Timestamp::from_second(second).expect("in range");
        let due = || (1..=3).map(|id| (TriggerId(id), (at(10), 1)));
        assert_eq!(stale.held(due(), now), []);
        stale.note(
            [(TriggerId(1), (at(10), 1)), (TriggerId(2), (at(9), 1)), (TriggerId(3), (at(10), 2))].into_iter(),
            now,
        );
        assert_eq!(stale.held(due(), now), [TriggerId(1)]);
        assert_eq!(stale.held(due(), now + KEPT_FOR), []);
    }
}
