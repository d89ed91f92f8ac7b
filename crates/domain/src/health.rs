//! Whether oncue keeps time: what is known of its scheduler and of what is due, and what follows from it. The room exists so that
//! load balancers, people and the outgoing heartbeat are told the same by one rule, which a table can test. What is known is
//! found out elsewhere, behind the door [`Health`]; no clock, no store and no words of a database's may enter.
//!
//! Only oncue's own lateness counts. A receiver that is slow, a trigger that is paused, and what fell due while nobody ran say
//! nothing against it; an occurrence that is due, that the scheduler had time for and that is still there does.

use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use crate::audit::Round;

/// By how much an occurrence may be late before oncue is.
pub const LATE_MAX: SignedDuration = SignedDuration::from_secs(10);

/// How long the scheduler may be without having ended a look at what is due. It looks several times a second.
pub const LOOK_MAX: Duration = Duration::from_secs(10);

/// What the scheduler did last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Looked {
    /// When its last look began that has ended, by the clock that occurrences go by; before the first, when it was started.
    pub at: Timestamp,
    /// How long ago that look ended, by a clock that nobody moves.
    pub ago: Duration,
}

impl Looked {
    /// Whether the scheduler is still looking in time.
    fn is_in_time(self) -> bool {
        self.ago <= LOOK_MAX
    }

    /// What was due at or before this instant should have been carried out: oncue is late with it.
    ///
    /// A clock that was just put forward makes everything due at once, and a machine that wakes has slept over it. Neither is
    /// oncue's fault before the scheduler has seen it; where it does not look any more, that is no excuse.
    pub fn late_until(self, now: Timestamp) -> Timestamp {
        let seen_until = if self.is_in_time() { self.at.min(now) } else { now };
        seen_until.checked_sub(LATE_MAX).unwrap_or(Timestamp::MIN)
    }
}

/// What is due and should have been carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// The earliest occurrence that any trigger waits for, due or not.
    pub earliest: Option<Timestamp>,
    /// How many triggers wait for one at or before [`Looked::late_until`], counted up to [`crate::store::DUE_COUNTED_MAX`].
    pub late: u64,
}

/// The store did not say what is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence {
    /// Since when it was found not to.
    pub since: Timestamp,
}

/// All that is known at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The present.
    pub now: Timestamp,
    /// What the scheduler did last.
    pub looked: Looked,
    /// What the store says.
    pub due: Result<Due, Silence>,
}

/// Why oncue does not keep time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Occurrences are due that should have been carried out.
    Late {
        /// The oldest of them.
        since: Timestamp,
        /// By how much that one is late.
        by: SignedDuration,
        /// How many triggers wait for one.
        count: u64,
    },
    /// The scheduler has not looked at what is due.
    Stalled {
        /// When it looked last.
        since: Timestamp,
        /// How long ago that look ended.
        ago: Duration,
    },
    /// The database does not answer.
    Unanswered {
        /// Since when it was found not to.
        since: Timestamp,
    },
}

impl Trouble {
    /// The word for programs.
    pub fn word(self) -> &'static str {
        match self {
            Trouble::Late { .. } => "late",
            Trouble::Stalled { .. } => "stalled",
            Trouble::Unanswered { .. } => "unanswered",
        }
    }

    /// Since when it is so.
    pub fn since(self) -> Timestamp {
        match self {
            Trouble::Late { since, .. } | Trouble::Stalled { since, .. } | Trouble::Unanswered { since } => since,
        }
    }

    /// The sentence for people.
    pub fn sentence(self) -> String {
        match self {
            Trouble::Late { by, count: 1, .. } => {
                format!("One trigger's occurrence is due and has not fired; it is late by {} s.", by.as_secs())
            }
            Trouble::Late { by, count, .. } => {
                format!(
                    "The occurrences of {count} triggers are due and have not fired; the oldest is late by {} s.",
                    by.as_secs()
                )
            }
            Trouble::Stalled { ago, .. } => {
                format!("The scheduler has not looked at what is due for {} s.", ago.as_secs())
            }
            Trouble::Unanswered { .. } => {
                "The database does not say what is due; what falls due meanwhile fires late.".to_owned()
            }
        }
    }
}

/// Whether oncue keeps time, at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Punctuality {
    /// When that was found out.
    pub checked_at: Timestamp,
    /// What stands against it; nothing while oncue keeps time.
    pub troubles: Vec<Trouble>,
}

impl Punctuality {
    /// What follows from the facts.
    pub fn of(facts: Facts) -> Punctuality {
        let Facts { now, looked, due } = facts;
        let mut troubles = Vec::new();
        match due {
            Err(Silence { since }) => troubles.push(Trouble::Unanswered { since }),
            Ok(Due { earliest, late }) => {
                let oldest = earliest.filter(|earliest| late > 0 && *earliest <= looked.late_until(now));
                troubles.extend(oldest.map(|since| Trouble::Late {
                    since,
                    by: now.duration_since(since),
                    count: late,
                }));
            }
        }
        if !looked.is_in_time() {
            troubles.push(Trouble::Stalled { since: looked.at, ago: looked.ago });
        }
        Punctuality { checked_at: now, troubles }
    }

    /// Whether nothing stands against it.
    pub fn is_kept(&self) -> bool {
        self.troubles.is_empty()
    }
}

/// Who finds out whether oncue keeps time. However many ask, the store is asked once a second at most.
#[async_trait]
pub trait Health: Send + Sync {
    /// Whether oncue keeps time, as it was found at most a second ago. Comes back in a few seconds, whatever the store does.
    async fn punctuality(&self) -> Punctuality;

    /// The auditor's last round over the triggers that fall on this node; none before its first has ended.
    fn audited(&self) -> Option<Round>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).expect("in range")
    }

    /// What is found at second 100 by a scheduler whose last look began at `looked` and ended `ago` seconds ago.
    fn found(looked: i64, ago: u64, due: Result<(i64, u64), i64>) -> Vec<(&'static str, i64, String)> {
        let due = match due {
            Ok((earliest, late)) => Ok(Due { earliest: Some(at(earliest)), late }),
            Err(since) => Err(Silence { since: at(since) }),
        };
        let looked = Looked { at: at(looked), ago: Duration::from_secs(ago) };
        let found = Punctuality::of(Facts { now: at(100), looked, due });
        assert_eq!((found.is_kept(), found.checked_at), (found.troubles.is_empty(), at(100)));
        let told =
            |trouble: &Trouble| (trouble.word(), trouble.since().duration_since(at(0)).as_secs(), trouble.sentence());
        found.troubles.iter().map(told).collect()
    }

    #[test]
    fn it_keeps_time_while_nothing_is_late_that_the_scheduler_had_time_for() {
        for (why, looked, ago, due) in [
            ("what is still to come", 100, 0, Ok((200, 0))),
            ("what is due at this moment", 100, 0, Ok((100, 0))),
            ("late by a little less than the bound", 100, 0, Ok((91, 0))),
            ("a clock that leapt since the last look", 40, 0, Ok((40, 0))),
            ("a look that takes its time", 89, 10, Ok((89, 0))),
            ("a clock that was put back", 4_000, 0, Ok((120, 0))),
        ] {
            assert_eq!(found(looked, ago, due), [], "{why}");
        }
        let idle = Facts {
            now: at(100),
            looked: Looked { at: at(99), ago: Duration::from_secs(1) },
            due: Ok(Due { earliest: None, late: 0 }),
        };
        assert!(Punctuality::of(idle).is_kept(), "nothing is armed");
    }

    #[test]
    fn what_is_late_is_told_with_how_late_since_when_and_how_many() {
        let one = "One trigger's occurrence is due and has not fired; it is late by 10 s.".to_owned();
        assert_eq!(found(100, 0, Ok((90, 1))), [("late", 90, one)]);
        let many = "The occurrences of 12 triggers are due and have not fired; the oldest is late by 100 s.".to_owned();
        assert_eq!(found(100, 0, Ok((0, 12))), [("late", 0, many)]);
    }

    #[test]
    fn a_scheduler_that_does_not_look_any_more_excuses_nothing() {
        let stalled = "The scheduler has not looked at what is due for 11 s.".to_owned();
        assert_eq!(found(89, 11, Ok((200, 0))), [("stalled", 89, stalled.clone())]);
        let late = "One trigger's occurrence is due and has not fired; it is late by 10 s.".to_owned();
        assert_eq!(found(89, 11, Ok((90, 1))), [("late", 90, late), ("stalled", 89, stalled)]);
    }

    #[test]
    fn a_database_that_says_nothing_is_told_as_such() {
        let words = "The database does not say what is due; what falls due meanwhile fires late.".to_owned();
        assert_eq!(found(100, 0, Err(93)), [("unanswered", 93, words.clone())]);
        let stalled = "The scheduler has not looked at what is due for 60 s.".to_owned();
        assert_eq!(found(40, 60, Err(41)), [("unanswered", 41, words), ("stalled", 40, stalled)]);
    }
}
