//! What a trigger expects to be reported of its events, and what was: in JSON. The address to which it is reported is nobody's who
//! logs in, and stands in `report`.

use std::collections::HashMap;

use oncue_domain::event::Event;
use oncue_domain::id::{DestinationId, EventId, UserId};
use oncue_domain::run::{Expectation, Run};
use oncue_domain::schedule::every::Period;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::time;
use crate::app::Shared;
use crate::extract::Fields;
use crate::fault::Fault;
use crate::ui::span;

/// What a trigger expects to be reported of each of its events.
#[derive(Deserialize, Serialize, ToSchema)]
#[schema(as = Expects, example = json!({"report_within": "10m", "start_within": "30s", "alert": 3}))]
pub(crate) struct ExpectsDocument {
    /// How long after the event its end is to be reported, like `10m`; at most 24 hours, and less than events are kept.
    report_within: String,
    /// How long after the event its start is to be reported; null where only the end matters.
    start_within: Option<String>,
    /// The id of a destination of yours that is told of each run that failed or is overdue; null where nobody is.
    alert: Option<i64>,
}

impl ExpectsDocument {
    pub(crate) fn of(expectation: &Expectation) -> ExpectsDocument {
        let (report_within, start_within) = expectation.as_written();
        ExpectsDocument {
            report_within: report_within.to_owned(),
            start_within: start_within.map(str::to_owned),
            alert: expectation.alert.map(|id| id.0),
        }
    }
}

/// Reads `expects`; null counts as none.
pub(super) fn read(app: &Shared, fields: &mut Fields) -> Option<Expectation> {
    let mut inner = fields.take_object("expects")?;
    let report_within = inner.take_with("report_within", Period::parse);
    if report_within.is_none() && inner.errors.is_empty() {
        inner.fail("report_within", "This is needed: how long after an event its end is to be reported, like \"10m\".");
    }
    let start_within = inner.take_with("start_within", Period::parse);
    let alert = inner.take("alert", "This must be the id of a destination.").map(DestinationId);
    let read = report_within.filter(|_| inner.errors.is_empty()).and_then(|report_within| {
        match Expectation::new(report_within, start_within, alert) {
            Ok(expectation) => Some(expectation),
            Err(error) => {
                inner.fail(&error.field, error.message);
                None
            }
        }
    });
    let kept = app.settings.retention.keep_for;
    if read.as_ref().is_some_and(|expectation| expectation.report_within() >= kept) {
        inner.fail("report_within", format!("This server keeps events for {}; it must be less than that.", span(kept)));
    }
    fields.absorb(inner);
    read
}

/// What is known of the work that an event asked for.
#[derive(Serialize, ToSchema)]
#[schema(as = Run, example = json!({
    "state": "succeeded", "expected_at": "2026-11-23T07:00:00.002Z", "start_by": null, "report_by": "2026-11-23T07:10:00.002Z",
    "started_at": "2026-11-23T07:00:01Z", "ended_at": "2026-11-23T07:03:21Z", "duration_ms": 200000, "overdue_at": null,
    "late_by_ms": null, "percent": 90, "progress": "nine of ten", "message": "12 rows", "exit_code": 0
}))]
pub(crate) struct RunDocument {
    /// `expected`, `running`, `succeeded`, `failed` or `overdue`.
    state: &'static str,
    /// When its event was logged.
    expected_at: String,
    /// By when it is to have begun; null where that was not asked for.
    start_by: Option<String>,
    /// By when it is to have ended.
    report_by: String,
    /// When it reported to have begun.
    started_at: Option<String>,
    /// When it reported to have ended.
    ended_at: Option<String>,
    /// How long it took, from its start, or where none was reported from its event.
    duration_ms: Option<i64>,
    /// When it was found to be overdue, whatever was reported since.
    overdue_at: Option<String>,
    /// How much later than `report_by` it ended; null where it did not.
    late_by_ms: Option<i64>,
    /// How far it had come by its last report of progress.
    percent: Option<u8>,
    /// What that said.
    progress: Option<String>,
    /// What it said as it ended.
    message: Option<String>,
    /// What its process ended with.
    exit_code: Option<i32>,
}

impl RunDocument {
    pub(crate) fn of(run: &Run) -> RunDocument {
        let in_ms = |length: jiff::SignedDuration| i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
        let (end, progress) = (run.end.as_ref(), run.progress.as_ref());
        RunDocument {
            state: run.state().word(),
            expected_at: time(run.expected_at),
            start_by: run.start_by.map(time),
            report_by: time(run.report_by),
            started_at: run.started_at.map(time),
            ended_at: end.map(|end| time(end.at)),
            duration_ms: run.took().map(in_ms),
            overdue_at: run.overdue_at.map(time),
            late_by_ms: run.late_by().map(in_ms),
            percent: progress.and_then(|progress| progress.percent),
            progress: progress.and_then(|progress| progress.message.clone()),
            message: end.and_then(|end| end.message.clone()),
            exit_code: end.and_then(|end| end.exit_code),
        }
    }
}

/// The runs of those of these events that have one. Nobody is asked where none has.
pub(crate) async fn of_events(app: &Shared, owner: UserId, events: &[Event]) -> Result<HashMap<EventId, Run>, Fault> {
    let expected: Vec<EventId> = events.iter().filter(|event| event.has_run).map(|event| event.id).collect();
    if expected.is_empty() {
        return Ok(HashMap::new());
    }
    let runs = app.store.runs(owner, expected, app.settings.retention.gone_until(app.now())).await?;
    Ok(runs.into_iter().map(|of| (of.event, of.run)).collect())
}
