//! Calendars as they are counted by a store, and what comes of making and changing them. What one is stands in `crate::calendar`.

use jiff::Timestamp;

use crate::act::Act;
use crate::calendar::Calendar;
use crate::id::TriggerId;
use crate::trigger::{Arm, Armed, Edit};

/// A calendar and how much hangs on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalendarView {
    /// The calendar.
    pub calendar: Calendar,
    /// How many triggers name it.
    pub used_by: u64,
}

/// What came of making a calendar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CalendarMade {
    /// It is there.
    Done(Calendar),
    /// The owner has [`CALENDARS_MAX`](crate::calendar::CALENDARS_MAX) already.
    Full,
    /// Another one of the owner's is called that.
    NameTaken,
}

/// What came of changing a calendar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CalendarEdited {
    /// It holds, for the calendar and for all triggers that name it.
    Done {
        /// The calendar afterwards.
        calendar: Calendar,
        /// The triggers that were rewritten, ascending.
        followers: Vec<Follower>,
        /// Those that name it, too, and follow nothing, because what the store holds of them cannot be read; ascending.
        unreadable: Vec<TriggerId>,
    },
    /// It changed since it was read: read again and decide again.
    Stale,
    /// The owner has no such calendar.
    NotFound,
    /// Another one of the owner's is called that.
    NameTaken,
}

impl CalendarEdited {
    /// What was done, if it was.
    pub fn act(&self) -> Option<Act> {
        match self {
            CalendarEdited::Done { calendar, followers, unreadable } => {
                let name = calendar.definition.name.clone();
                Some(Act::calendar_edited(calendar.owner, calendar.id, name, followers, unreadable))
            }
            _ => None,
        }
    }
}

/// A trigger that an edit of a calendar has rewritten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Follower {
    /// Its number.
    pub trigger: TriggerId,
    /// Its name, where it has one.
    pub name: Option<String>,
    /// The revision that it is of from then on.
    pub revision: i64,
    /// The occurrence that it waited for.
    pub next_before: Option<Timestamp>,
    /// The one that it waits for.
    pub next_after: Option<Timestamp>,
}

impl Follower {
    /// What becomes of a trigger by an edit.
    pub fn of(before: &Armed, edit: &Edit) -> Follower {
        let next_after = match edit.arm {
            Arm::Keep => before.next_at,
            Arm::Set(next_at) => next_at,
        };
        Follower {
            trigger: before.trigger.id,
            name: before.trigger.definition.name.clone(),
            revision: edit.trigger.revision,
            next_before: before.next_at,
            next_after,
        }
    }

    /// Whether it waits for another occurrence than before.
    pub fn has_moved(&self) -> bool {
        self.next_before != self.next_after
    }
}
