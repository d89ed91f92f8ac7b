//! What becomes of an occurrence that falls due while an event before it is under way: the choice of a trigger's user. The room exists because a
//! receiver may be slower than the schedule: a backup that is begun while the last one still runs breaks both, while whoever only
//! counts wants every event. What a choice means for what is due is worked out in `plan`, and what is under way is known by the
//! stores; neither may enter here.
//!
//! A trigger that does not overlap waits as a whole: it stays armed for the first occurrence that met something under way, and is not looked at
//! again until that has ended. What fell due up to then is told by one record then, however long it took.

use jiff::Timestamp;

/// What a trigger does about occurrences that fall due while an event of its own is under way: while a delivery of it is owed, or the end
/// of its run was neither reported nor found to be overdue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Overlap {
    /// They fire all the same.
    #[default]
    Allow,
    /// They do not fire.
    Skip,
    /// The latest of them fires once nothing is under way any more, in the place of the others.
    Queue,
}

impl Overlap {
    /// Every choice.
    pub const ALL: [Overlap; 3] = [Overlap::Allow, Overlap::Skip, Overlap::Queue];

    /// The word in the API, in the stores and on the pages.
    pub fn word(self) -> &'static str {
        match self {
            Overlap::Allow => "allow",
            Overlap::Skip => "skip",
            Overlap::Queue => "queue",
        }
    }

    /// The choice of that word.
    pub fn from_word(word: &str) -> Option<Overlap> {
        Overlap::ALL.into_iter().find(|overlap| overlap.word() == word)
    }

    /// Whether what is under way matters.
    pub fn is_allowed(self) -> bool {
        self == Overlap::Allow
    }

    /// What is said of whatever falls due while an event is under way, to be put behind a colon.
    pub fn rule(self) -> &'static str {
        match self {
            Overlap::Allow => "what falls due while an event is under way fires all the same",
            Overlap::Skip => "what falls due while an event is under way is skipped",
            Overlap::Queue => {
                "of what falls due while an event is under way the latest fires once that has ended, and the others are merged into it"
            }
        }
    }
}

/// How it stands with the events before of a trigger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Before {
    /// None is under way.
    #[default]
    Over,
    /// The trigger waited, and the last one that was under way ended then: what fell due up to then met it.
    OverSince(Timestamp),
    /// One is.
    UnderWay,
}

/// What a plan makes of what is under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Turn {
    /// Nothing was in the way.
    #[default]
    Free,
    /// Something is under way: the trigger waits until it has ended. Such a plan fires and records nothing.
    Waits,
    /// It has waited.
    Waited,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_words_lead_back_to_it() {
        for overlap in Overlap::ALL {
            assert_eq!(Overlap::from_word(overlap.word()), Some(overlap));
        }
        assert_eq!(Overlap::from_word("cancel"), None);
        assert!(Overlap::default().is_allowed());
    }
}
