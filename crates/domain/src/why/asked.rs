//! The instant that is asked about, as somebody wrote it, and what the clocks did then: a time on the wall may not have existed on a
//! day, or come twice, and whoever asks about it should learn that before anything else.

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use crate::schedule::stretch::GAP_MAX;
use crate::schedule::zone::{Zone, parse_instant, wall_of};
use crate::schedule::{Invalid, Schedule};
use crate::trigger::ScheduleDetails;
use crate::why::NotNamed;

/// What is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The instant.
    pub at: Timestamp,
    /// What stood there, where it was a time on the wall without an offset.
    pub wall: Option<DateTime>,
}

impl Asked {
    /// The very instant.
    pub fn instant(at: Timestamp) -> Asked {
        Asked { at, wall: None }
    }

    /// Reads RFC 3339, or a date and time without an offset, which is read on the wall clock of `zone`.
    ///
    /// # Errors
    /// As [`parse_instant`].
    pub fn read(text: &str, zone: &Zone) -> Result<Asked, Invalid> {
        Ok(Asked { at: parse_instant(text, zone)?, wall: wall_of(text) })
    }
}

/// What the clocks did at the time that is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockNote {
    /// They went forward and left the time out.
    LeftOut {
        /// The time that they left out: the one that was asked about, or the one that the occurrence stands for.
        wall: DateTime,
        /// When they went forward.
        at: Timestamp,
        /// What they would have shown then.
        from: DateTime,
        /// What they showed.
        to: DateTime,
        /// Whether it was asked about, and not only what the occurrence stands for.
        is_asked: bool,
    },
    /// They went back, and showed the time twice.
    Twice {
        /// The time.
        wall: DateTime,
        /// When they showed it first.
        first: Timestamp,
        /// When they showed it again.
        second: Timestamp,
    },
}

impl ClockNote {
    /// What there is to say; `zone` is where a time without an offset was read.
    pub(super) fn of(details: &ScheduleDetails, asked: &Asked, at: Timestamp, zone: &Zone) -> Option<ClockNote> {
        let asked_about = asked.wall.and_then(|wall| left_out(zone.time_zone(), wall, true));
        asked_about.or_else(|| stands_for(details, at)).or_else(|| twice(zone.time_zone(), at))
    }
}

/// Whether the clocks left out this time, and when.
fn left_out(time_zone: &TimeZone, wall: DateTime, is_asked: bool) -> Option<ClockNote> {
    let AmbiguousOffset::Gap { before, after } = time_zone.to_ambiguous_timestamp(wall).offset() else { return None };
    // The jump lies somewhere between the instants that the two offsets would give.
    let earliest = after.to_timestamp(wall).ok()?.checked_sub(SignedDuration::from_secs(1)).ok()?;
    let at = time_zone.following(earliest).find(|jump| jump.offset() == after)?.timestamp();
    Some(ClockNote::LeftOut { wall, at, from: before.to_datetime(at), to: after.to_datetime(at), is_asked })
}

/// The time on the wall that an occurrence at the end of a gap stands for.
fn stands_for(details: &ScheduleDetails, at: Timestamp) -> Option<ClockNote> {
    let schedule = super::naming(details, at);
    if !super::names(details, at) || super::mismatch(schedule, at)?.unmet.is_empty() {
        return None;
    }
    let (from, to) = shown_around(schedule, at)?;
    let wall = super::first_wall_between(schedule, from, to)?;
    Some(ClockNote::LeftOut { wall, at, from, to, is_asked: false })
}

/// Whether the clocks went forward at this instant over a time that a schedule names, and did not name anything for it.
pub(super) fn unnamed_in_gap(schedule: &Schedule, at: Timestamp) -> Option<NotNamed> {
    let (from, to) = shown_around(schedule, at)?;
    let is_taken_away = matches!(schedule, Schedule::Recurrence(recurrence) if !recurrence.counts_at(at));
    let wall = super::first_wall_between(schedule, from, to).filter(|_| !is_taken_away)?;
    Some(NotNamed::LeftOut { wall, may_fire: to.duration_since(from).as_secs() <= GAP_MAX })
}

/// What the clock of a schedule would have shown at an instant, had nothing changed there, and what it shows.
fn shown_around(schedule: &Schedule, at: Timestamp) -> Option<(DateTime, DateTime)> {
    let (before, now) = offsets_around(schedule.wall_zone()?.time_zone(), at);
    Some((before.to_datetime(at), now.to_datetime(at)))
}

/// Whether the clocks show the time at this instant twice.
fn twice(time_zone: &TimeZone, at: Timestamp) -> Option<ClockNote> {
    let wall = time_zone.to_datetime(at);
    let AmbiguousOffset::Fold { before, after } = time_zone.to_ambiguous_timestamp(wall).offset() else { return None };
    let (first, second) = (before.to_timestamp(wall).ok()?, after.to_timestamp(wall).ok()?);
    Some(ClockNote::Twice { wall, first, second })
}

fn offsets_around(time_zone: &TimeZone, at: Timestamp) -> (Offset, Offset) {
    (time_zone.to_offset(crate::trigger::just_before(at)), time_zone.to_offset(at))
}
