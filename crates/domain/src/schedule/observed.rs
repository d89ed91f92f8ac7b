//! What a schedule has taken over of a calendar that it names: the dates as they were when it was last written, so that when something occurs
//! hangs on nothing that lies elsewhere. Which calendars there are, and who may name them, is not known here.

use crate::id::CalendarId;
use crate::schedule::excluded::ExcludedDates;

/// A calendar as a schedule sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Which one it is, whatever it is called.
    pub calendar: CalendarId,
    /// The revision of it that this was.
    pub revision: i64,
    /// What it was called then.
    pub name: String,
    /// Its dates.
    pub dates: ExcludedDates,
}
