//! Fire and expect: a trigger may say that whoever receives its events is to report what became of them. Each of its events then
//! has a run beside its deliveries, which begins to be expected as the event is logged and ends with a report, or is overdue when none
//! came in time. So an answer of 200 may mean "I have begun", and a job that takes an hour is watched all the same.
//!
//! What a report makes of a run is decided here, of values alone; a store keeps the run, and finds by [`Run::due_at`] those whose time is
//! over. Who is told stands in `alert`, and how a receiver shows that it may report in `key`.

pub mod alert;
mod expectation;
mod key;
mod report;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub use expectation::{Expectation, REPORT_WITHIN_MAX};
pub use key::{ReportKey, without_codes};
pub use report::{BODY_BYTES_MAX, MESSAGE_CHARS_MAX, Report, Verb};

use crate::id::DestinationId;

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing was heard of it yet, and its time is not over.
    Expected,
    /// It has begun, and its time is not over.
    Running,
    /// It has ended well.
    Succeeded,
    /// It has ended, and not well.
    Failed,
    /// Its time was over before it had reported its end, and it has not done so since.
    Overdue,
}

impl State {
    /// Every state.
    pub const ALL: [State; 5] = [State::Expected, State::Running, State::Succeeded, State::Failed, State::Overdue];

    /// The word in the API and on the pages.
    pub fn word(self) -> &'static str {
        match self {
            State::Expected => "expected",
            State::Running => "running",
            State::Succeeded => "succeeded",
            State::Failed => "failed",
            State::Overdue => "overdue",
        }
    }
}

/// What is known of the work that an event asked for. It is kept as it stands here, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Since when it is expected: when its event was logged.
    pub expected_at: Timestamp,
    /// By when it is to have begun, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_by: Option<Timestamp>,
    /// By when it is to have ended.
    pub report_by: Timestamp,
    /// The number of the destination that is told when it fails or is overdue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alert: Option<i64>,
    /// When it reported to have begun, or else its first progress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// How far it has come, by what it reported last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// When it was found to be overdue, whatever was heard of it since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overdue_at: Option<Timestamp>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<End>,
}

/// How far a run has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// When it said so.
    pub at: Timestamp,
    /// In hundredths of the whole.
    pub percent: Option<u8>,
    /// In its own words.
    pub message: Option<String>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// When it said so.
    pub at: Timestamp,
    /// Whether it went well.
    pub is_success: bool,
    /// In its own words.
    pub message: Option<String>,
    /// What its process ended with.
    pub exit_code: Option<i32>,
}

/// A run that has ended is said to have ended the other way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// How it has ended.
    pub was_success: bool,
}

impl std::fmt::Display for Contradiction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let word = if self.was_success { "succeeded" } else { "failed" };
        write!(f, "This run has already {word}; what was reported first stands.")
    }
}

impl Run {
    /// The run of an event that is logged at `now`, for a trigger that expects that.
    pub fn expected(expectation: &Expectation, now: Timestamp) -> Run {
        let after = |period: SignedDuration| now.checked_add(period).unwrap_or(Timestamp::MAX);
        Run {
            expected_at: now,
            start_by: expectation.start_within().map(after),
            report_by: after(expectation.report_within()),
            alert: expectation.alert.map(|id| id.0),
            started_at: None,
            progress: None,
            overdue_at: None,
            end: None,
        }
    }

    /// Who is told when it fails or is overdue.
    pub fn alert(&self) -> Option<DestinationId> {
        self.alert.map(DestinationId)
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        match (&self.end, self.overdue_at, self.started_at) {
            (Some(end), _, _) if end.is_success => State::Succeeded,
            (Some(_), _, _) => State::Failed,
            (None, Some(_), _) => State::Overdue,
            (None, None, Some(_)) => State::Running,
            (None, None, None) => State::Expected,
        }
    }

    /// By when something has to be heard of it. None where it has ended, and where it was found to be overdue already: that is told once.
    pub fn due_at(&self) -> Option<Timestamp> {
        if self.end.is_some() || self.overdue_at.is_some() {
            return None;
        }
        let start_by = self.start_by.filter(|_| self.started_at.is_none());
        Some(start_by.map_or(self.report_by, |start_by| start_by.min(self.report_by)))
    }

    /// How long it took: from its start, or where none was reported from when it was expected, to its end.
    pub fn took(&self) -> Option<SignedDuration> {
        let end = self.end.as_ref()?;
        Some(end.at.duration_since(self.started_at.unwrap_or(self.expected_at)))
    }

    /// How much later than it was to end it did.
    pub fn late_by(&self) -> Option<SignedDuration> {
        let late = self.end.as_ref()?.at.duration_since(self.report_by);
        late.is_positive().then_some(late)
    }

    /// What becomes of it by a report that is written down at `now`. A report that says what is known already changes nothing, so it may
    /// be sent again; what comes after the end, a start or a progress that was overtaken, changes nothing either. A run that is overdue
    /// goes on: what comes late is kept.
    ///
    /// # Errors
    /// When it has ended already, and is said to have ended the other way.
    pub fn report(&self, report: &Report, now: Timestamp) -> Result<Run, Contradiction> {
        let mut run = self.clone();
        let is_success = match report.verb() {
            Verb::Start | Verb::Progress if self.end.is_some() => return Ok(run),
            Verb::Start if self.started_at.is_some() => return Ok(run),
            Verb::Start | Verb::Progress => {
                run.started_at = Some(self.started_at.unwrap_or(now));
                if report.says_something() || report.verb() == Verb::Progress {
                    run.progress = Some(Progress {
                        at: now,
                        percent: report.percent(),
                        message: report.message().map(str::to_owned),
                    });
                }
                return Ok(run);
            }
            Verb::Done => report.exit_code().is_none_or(|code| code == 0),
            Verb::Fail => false,
        };
        match &self.end {
            Some(end) if end.is_success != is_success => Err(Contradiction { was_success: end.is_success }),
            Some(_) => Ok(run),
            None => {
                let message = report.message().map(str::to_owned);
                run.end = Some(End { at: now, is_success, message, exit_code: report.exit_code() });
                Ok(run)
            }
        }
    }

    /// The same run, overdue, where its time is over at `now`.
    pub fn lapsed(&self, now: Timestamp) -> Option<Run> {
        let due_at = self.due_at()?;
        (due_at <= now).then(|| Run { overdue_at: Some(now), ..self.clone() })
    }
}

#[cfg(test)]
mod tests;
