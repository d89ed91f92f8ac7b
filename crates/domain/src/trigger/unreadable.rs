//! A trigger that is there and cannot be read: its zone is unknown to this release, a newer one wrote it, or somebody's SQL spoilt its row. It
//! does not fire, and nothing about it may be silent therefore: the room exists so that whoever shows triggers can say that one is there, what of it
//! cannot be read and why, and so that what it did not fire is written down once it is replaced. How rows are read is no matter of this room.

use std::fmt;

use jiff::Timestamp;

use super::{Armed, Definition, Edit, Kind};
use crate::id::TriggerId;
use crate::occurrence::{Reason, Skipped};

/// What is wrong with a trigger that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The field of the API that cannot be read; none where it is none of those.
    pub field: Option<&'static str>,
    /// Why not, as a clause for whoever owns the trigger.
    pub why: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field {
            Some(field) => write!(formatter, "{field}: {}", self.why),
            None => formatter.write_str(&self.why),
        }
    }
}

/// What a list can say of a trigger that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Its number.
    pub id: TriggerId,
    /// Counts its edits.
    pub revision: i64,
    /// What its user calls it.
    pub name: Option<String>,
    /// Whether it has a schedule, whatever that says.
    pub kind: Kind,
    /// False where it is paused, and would not fire if it could be read either; until when is not looked at.
    pub enabled: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// What cannot be read.
    pub problem: Problem,
}

/// A trigger of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listed<T> {
    /// One that can be read.
    Read(T),
    /// One that cannot.
    Unreadable(Unreadable),
}

impl<T> Listed<T> {
    /// The trigger, where it can be read.
    pub fn read(self) -> Option<T> {
        match self {
            Listed::Read(read) => Some(read),
            Listed::Unreadable(_) => None,
        }
    }
}

/// What is left of a trigger that cannot be read, for whoever tells of it or puts another definition in the place of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remains {
    /// The trigger with what it waits for, under a definition that never fires ([`Definition::in_place_of_unreadable`]).
    pub armed: Armed,
    /// Whether the text of its schedule says that it goes when it is done.
    pub deletes_when_done: bool,
    /// What a list says of it.
    pub unreadable: Unreadable,
}

impl Remains {
    /// Whether what it waits for may be no occurrence but the instant at which it goes. That lies a microsecond, and whole hours, behind one of the
    /// clock's, so what lies on a whole second is an occurrence.
    pub fn may_wait_to_go(&self) -> bool {
        self.deletes_when_done && self.armed.next_at.is_some_and(|next_at| next_at.subsec_nanosecond() != 0)
    }

    /// Decides what putting `definition` in the place of what cannot be read means at `now`.
    ///
    /// What it waited for and could not fire becomes a record of the time up to `now`, unless that may have been no occurrence at all. How much else
    /// its schedule named in that time nobody can tell, so the record counts the one occurrence that is certain.
    pub fn edit(&self, definition: Definition, now: Timestamp) -> Edit {
        let mut edit = self.armed.edit(definition, now);
        let unfired = self.armed.next_at.filter(|due| *due <= now && !self.may_wait_to_go());
        let record = |first| Skipped { reason: Reason::Unreadable, first, last: now, count: 1 };
        edit.skipped.splice(0..0, unfired.map(record));
        edit
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::UserId;
    use crate::schedule::every::Period;
    use crate::schedule::{FirstFiring, Schedule};
    use crate::trigger::{Arm, ScheduleDetails, Trigger, just_after};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).expect("in range")
    }

    fn remains(next_at: Option<Timestamp>) -> Remains {
        let problem = Problem { field: Some("schedule_details"), why: "nobody knows".to_owned() };
        let (id, name, kind, created_at) = (TriggerId(7), Some("n".to_owned()), Kind::Scheduled, at(0));
        let trigger = Trigger {
            id,
            owner: UserId(1),
            revision: 3,
            definition: Definition::in_place_of_unreadable(name.clone(), kind),
            created_at,
            standing_since: at(0),
        };
        let unreadable = Unreadable { id, revision: 3, name, kind, enabled: true, created_at, problem };
        Remains { armed: Armed { trigger, next_at, fired: 0 }, deletes_when_done: false, unreadable }
    }

    fn every_minute() -> Definition {
        let period = Period::parse("1m").expect("a period");
        let schedule = Schedule::Every { period, anchor: at(0), first: FirstFiring::AtAnchor };
        Definition {
            schedule: Some(ScheduleDetails::plain(schedule, None)),
            enabled: true,
            ..Definition::in_place_of_unreadable(None, Kind::Scheduled)
        }
    }

    #[test]
    fn what_could_not_fire_is_on_record_once_it_is_replaced_and_nothing_of_it_fires() {
        let edit = remains(Some(at(60))).edit(every_minute(), at(150));
        let record = Skipped { reason: Reason::Unreadable, first: at(60), last: at(150), count: 1 };
        assert_eq!((edit.skipped, edit.arm), (vec![record], Arm::Set(Some(at(180)))));
        assert_eq!((edit.trigger.revision, edit.trigger.standing_since), (4, at(150)));
    }

    #[test]
    fn of_what_was_not_due_or_not_waited_for_there_is_nothing_to_record() {
        for next_at in [None, Some(at(151))] {
            assert_eq!(remains(next_at).edit(every_minute(), at(150)).skipped, []);
        }
        let due = remains(Some(at(150))).edit(every_minute(), at(150)).skipped;
        assert_eq!(due.iter().map(|record| (record.first, record.last)).collect::<Vec<_>>(), [(at(150), at(150))]);
    }

    #[test]
    fn what_it_waited_for_is_no_occurrence_for_certain_where_it_may_have_been_to_go() {
        let to_go = |next_at| Remains { deletes_when_done: true, ..remains(Some(next_at)) };
        assert_eq!(to_go(just_after(at(60))).edit(every_minute(), at(150)).skipped, []);
        // On a whole second nothing goes.
        assert_eq!(to_go(at(60)).edit(every_minute(), at(150)).skipped.len(), 1);
        assert_eq!(remains(Some(just_after(at(60)))).edit(every_minute(), at(150)).skipped.len(), 1);
    }

    #[test]
    fn a_problem_names_the_field_where_there_is_one() {
        let problem = remains(None).unreadable.problem;
        assert_eq!(problem.to_string(), "schedule_details: nobody knows");
        assert_eq!(Problem { field: None, ..problem }.to_string(), "nobody knows");
    }
}
