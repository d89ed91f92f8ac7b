//! What can become of an instant: the verdicts, with the words that programs are told. Which one it is, is decided in the module above.

use jiff::Timestamp;
use jiff::civil::DateTime;

use crate::occurrence::Reason;
use crate::overlap::Overlap;
use crate::plan::Absence;
use crate::schedule::mismatch::Mismatch;
use crate::schedule::scope::TakenAway;
use crate::store::{LedgerFiring, SkippedView};

/// How well an occurrence kept its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timing {
    /// At most [`LATE_FROM`](super::LATE_FROM) late.
    OnTime,
    /// Later than that.
    Late,
    /// Made up for an absence.
    CaughtUp,
    /// Fired because somebody asked for it afterwards.
    Backfilled,
}

/// Why an instant is not named by a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotNamed {
    /// The wall clock does not show what the cron line or the rule says.
    Cron(Mismatch),
    /// It does, but has shown it before, and the line fires at the first time only.
    SecondPass {
        /// What it shows.
        wall: DateTime,
    },
    /// It is where the clocks went forward over the first time on the wall here that the line or the rule names, and what they leave out
    /// does not occur by it.
    LeftOut {
        /// That time.
        wall: DateTime,
        /// Whether it would have fired right after by the other rule: the clocks went forward, and did not skip a day.
        may_fire: bool,
    },
    /// It lies beside the grid of a period.
    OffGrid,
    /// It lies before the grid begins.
    BeforeGrid,
    /// The trigger fires once, at another time.
    AnotherTime(Timestamp),
    /// None of several schedules names it: each in words, and why.
    AnyOf(Vec<(String, NotNamed)>),
    /// The pattern names it, and a term of the schedule takes it away.
    TakenAway(TakenAway),
}

/// What became of an instant, or will.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It fired.
    Fired(LedgerFiring, Timing, Option<Absence>),
    /// It did not, and that is on record; with the absence that was to blame, where it is remembered.
    Skipped(SkippedView, Option<Absence>),
    /// It waits in a backlog, because somebody asked for it once more; whatever became of it before.
    AskedFor(SkippedView),
    /// It did not, because the trigger is paused.
    Paused,
    /// It did not, or will not, because it lies at or after the expiry.
    Expired(Timestamp),
    /// It did not, or will not, because the trigger has fired as often as it may, or will have by then.
    Spent,
    /// It is due, and will fire at once.
    Due,
    /// It fell due while an event before was under way, which still is, or was when the trigger was deleted; what becomes of it then, the trigger
    /// says.
    Behind(Overlap),
    /// It neither fired nor is it on record, and it is not waited for.
    Lost,
    /// What became of it is not kept any more.
    Forgotten,
    /// The trigger did not exist yet.
    BeforeCreation,
    /// Nothing fell due then by what the trigger said at that time, which is not kept.
    SaidOtherwise,
    /// The schedule names it by the zone data that is in use now, and by that of its time it did not, as far as can be told.
    OtherZoneData,
    /// The trigger did not exist any more, or will not: it was deleted before.
    Deleted,
    /// It was named while the trigger was there, and did not fire, or will not, because the trigger was deleted first.
    CutOff,
    /// It will fire, after so many others.
    Coming(u64),
    /// It would fire, but the trigger is paused.
    WouldButPaused,
    /// It would fire, but triggers are frozen.
    WouldButFrozen,
    /// It is due and does not fire, because triggers are frozen or were while it waited; that is not on record yet.
    TakenByFreeze,
    /// It ought to be waited for, and is not.
    Unarmed,
    /// It is no occurrence.
    NoOccurrence(NotNamed),
    /// No schedule fires the trigger.
    OnlyCalled,
    /// The trigger is only a test.
    OnlyTest,
    /// What the trigger says cannot be read, or could not be until it was replaced: nothing fired, or fires.
    Unreadable {
        /// Whether there is something to fire; none where nobody can tell.
        is_occurrence: Option<bool>,
        /// The record of it, where the trigger was replaced since.
        record: Option<SkippedView>,
    },
}

impl Verdict {
    /// The word for programs.
    pub fn word(&self) -> &'static str {
        match self {
            Verdict::Fired(_, Timing::OnTime, _) => "fired",
            Verdict::Fired(_, Timing::Late, _) => "fired_late",
            Verdict::Fired(_, Timing::CaughtUp, _) => "caught_up",
            Verdict::Fired(_, Timing::Backfilled, _) => "backfilled",
            Verdict::Skipped(view, _) | Verdict::AskedFor(view) => view.skipped.reason.word(),
            Verdict::Paused | Verdict::WouldButPaused => "paused",
            Verdict::WouldButFrozen | Verdict::TakenByFreeze => "frozen",
            Verdict::Expired(_) => "expired",
            Verdict::Spent => "spent",
            Verdict::Due => "due",
            Verdict::Behind(Overlap::Queue) => "waiting",
            Verdict::Behind(_) => Reason::Overlap.word(),
            Verdict::Lost | Verdict::Unarmed => "lost",
            Verdict::Forgotten => "forgotten",
            Verdict::BeforeCreation => "before_creation",
            Verdict::SaidOtherwise | Verdict::OtherZoneData => "said_otherwise",
            Verdict::Deleted | Verdict::CutOff => "deleted",
            Verdict::Coming(_) => "to_come",
            Verdict::NoOccurrence(_) => "no_occurrence",
            Verdict::OnlyCalled => "only_called",
            Verdict::OnlyTest => "only_test",
            Verdict::Unreadable { .. } => Reason::Unreadable.word(),
        }
    }

    /// Whether it is a pause that keeps it from firing.
    pub fn is_pause(&self) -> bool {
        match self {
            Verdict::Paused | Verdict::WouldButPaused => true,
            Verdict::Skipped(view, _) => view.skipped.reason == Reason::Paused,
            _ => false,
        }
    }

    /// Whether there was, is or will be something to fire; none where that is not known any more.
    pub fn is_occurrence(&self) -> Option<bool> {
        match self {
            Verdict::Forgotten => None,
            Verdict::Unreadable { is_occurrence, .. } => *is_occurrence,
            Verdict::BeforeCreation
            | Verdict::SaidOtherwise
            | Verdict::OtherZoneData
            | Verdict::Deleted
            | Verdict::NoOccurrence(_)
            | Verdict::OnlyCalled
            | Verdict::OnlyTest => Some(false),
            _ => Some(true),
        }
    }
}

/// Every word of [`Verdict::word`].
pub const WORDS: [&str; 27] = [
    "fired",
    "fired_late",
    "caught_up",
    "backfilled",
    "waiting",
    "held",
    "discarded",
    "missed",
    "budget",
    "paused",
    "frozen",
    "superseded",
    "overlap",
    "merged",
    "expired",
    "spent",
    "due",
    "to_come",
    "lost",
    "forgotten",
    "before_creation",
    "said_otherwise",
    "deleted",
    "no_occurrence",
    "only_called",
    "only_test",
    "unreadable",
];
