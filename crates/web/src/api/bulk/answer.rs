//! What became of each item, as it is told: in one JSON object with the counts, or on a line for each. What is wrong with an item
//! is said as the call for one says it.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use oncue_domain::id::{EventId, TriggerId};
use oncue_domain::store;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::dry_run::short::ShortDocument;
use super::items::LINES;
use crate::fault::{Fault, ProblemDocument, seconds};
use crate::idempotency::Replayed;

/// The most wrong fields that are named of one item: an answer must not outgrow what was asked.
const ERRORS_MAX: usize = 8;

/// What was done for an item.
pub(super) enum Done {
    /// The trigger exists; perhaps it did before.
    Made(TriggerId, Replayed),
    /// The event is logged; perhaps it was before.
    Fired(EventId, Replayed),
    /// Nothing: it was only asked what making the trigger would come to.
    Looked(Box<ShortDocument>),
}

/// What became of every item of a bulk call.
#[derive(Serialize, ToSchema)]
#[schema(as = BulkAnswer, example = json!({
    "accepted": 1, "refused": 1, "results": [{"index": 0, "status": 201, "id": 7}, {"index": 1, "status": 422, "error": {
        "type": "about:blank", "title": "Unprocessable Entity", "status": 422, "detail": "type: The type is \"scheduled\" or \"api\".",
        "errors": [{"field": "type", "detail": "The type is \"scheduled\" or \"api\"."}]
    }}]
}))]
pub(crate) struct AnswerDocument {
    /// How many items were carried out; they are durable. With `dry_run=true`: how many would be.
    accepted: usize,
    /// How many were not.
    refused: usize,
    /// One for each item, in their order.
    results: Vec<ResultDocument>,
}

/// What became of one item.
#[derive(Serialize, ToSchema)]
#[schema(as = BulkResult, example = json!({"index": 0, "status": 201, "id": 7}))]
pub(crate) struct ResultDocument {
    /// Which item it is, counted from zero.
    index: usize,
    /// What the call for one would have answered; with `dry_run=true` that is 200.
    status: u16,
    /// The trigger that was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i64, required = false)]
    id: Option<i64>,
    /// The event that was logged.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i64, required = false)]
    event_id: Option<i64>,
    /// With `dry_run=true`: what would come of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = ShortDocument, required = false)]
    would: Option<Box<ShortDocument>>,
    /// What is wrong, where nothing was done; of many wrong fields the first 8.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = ProblemDocument, required = false)]
    error: Option<ProblemDocument>,
    /// After so many seconds it may be sent again, where nothing is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u64, required = false)]
    retry_after: Option<u64>,
}

impl ResultDocument {
    fn of(index: usize, result: Result<Done, Fault>) -> ResultDocument {
        let nothing =
            ResultDocument { index, status: 0, id: None, event_id: None, would: None, error: None, retry_after: None };
        match result {
            Ok(Done::Made(id, _)) => ResultDocument { status: StatusCode::CREATED.as_u16(), id: Some(id.0), ..nothing },
            Ok(Done::Fired(id, _)) => {
                ResultDocument { status: StatusCode::OK.as_u16(), event_id: Some(id.0), ..nothing }
            }
            Ok(Done::Looked(would)) => {
                ResultDocument { status: StatusCode::OK.as_u16(), would: Some(would), ..nothing }
            }
            Err(fault) => {
                let retry_after = match &fault {
                    Fault::TooMany(wait) => Some(seconds(*wait)),
                    Fault::Store(store::Error::Unavailable(_)) => Some(1),
                    _ => None,
                };
                let error = Some(fault.document(ERRORS_MAX));
                ResultDocument { status: fault.status().as_u16(), error, retry_after, ..nothing }
            }
        }
    }
}

/// Whether a call has only told again what was done under its key: something was, and nothing has been since.
pub(super) fn replayed(results: &[Result<Done, Fault>]) -> Replayed {
    let mut done = results.iter().flatten().peekable();
    let is_before = |done: &Done| matches!(done, Done::Made(_, Replayed::Yes) | Done::Fired(_, Replayed::Yes));
    if done.peek().is_some() && done.all(is_before) { Replayed::Yes } else { Replayed::No }
}

/// Tells what became of the items.
pub(super) fn respond(results: Vec<Result<Done, Fault>>, in_lines: bool) -> Response {
    let accepted = results.iter().filter(|result| result.is_ok()).count();
    let refused = results.len() - accepted;
    let results: Vec<ResultDocument> =
        results.into_iter().enumerate().map(|(index, result)| ResultDocument::of(index, result)).collect();
    if !in_lines {
        return Json(AnswerDocument { accepted, refused, results }).into_response();
    }
    let mut lines = Vec::new();
    for result in &results {
        serde_json::to_writer(&mut lines, result).expect("numbers and strings are always JSON");
        lines.push(b'\n');
    }
    ([(header::CONTENT_TYPE, LINES)], lines).into_response()
}
