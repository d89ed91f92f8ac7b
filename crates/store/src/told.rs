//! What the log was told already: what cannot be read stays so until somebody puts it right, and whoever looks comes across it each time.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use oncue_domain::store::Error;

/// So many are remembered; after that all are told once more.
const REMEMBERED_MAX: usize = 1_000;

/// The revisions of triggers that could not be read, and what they do not do therefore.
#[derive(Debug, Default)]
pub(crate) struct Told(Mutex<HashSet<(i64, i64, &'static str)>>);

impl Told {
    /// Says, once for each revision of it, that the trigger cannot be read, and what it does not do therefore. Somebody who waits to be told
    /// that it does not fire is not told by what else it lacks.
    pub(crate) fn unreadable(&self, trigger: i64, revision: i64, error: &Error, lacks: &'static str) {
        if self.is_new(trigger, revision, lacks) {
            tracing::error!(trigger.id = trigger, %error, "trigger {trigger} cannot be read and {lacks}");
        }
    }

    fn is_new(&self, trigger: i64, revision: i64, lacks: &'static str) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= REMEMBERED_MAX {
            told.clear();
        }
        told.insert((trigger, revision, lacks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_revision_is_told_once_of_all_that_it_lacks() {
        let told = Told::default();
        let is_new = |trigger, revision| told.is_new(trigger, revision, "does not fire");
        assert!(told.is_new(7, 1, "follows no calendar"));
        assert!(is_new(7, 1), "that it does not fire is worse");
        assert!(!is_new(7, 1) && !told.is_new(7, 1, "follows no calendar"));
        assert!(is_new(7, 2), "somebody had put it right");
        let many = i64::try_from(REMEMBERED_MAX).expect("a small number");
        assert!((0..2 * many).all(|trigger| is_new(100 + trigger, 1)), "it never grows beyond what is remembered");
        assert!(told.0.lock().expect("no panic").len() <= REMEMBERED_MAX);
    }
}
