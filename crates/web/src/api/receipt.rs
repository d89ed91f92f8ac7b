//! The receipt of an attempt on surface two: all that is known of one exchange, for whoever owns the event.

use std::convert::Infallible;

use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use oncue_domain::delivery::Attempt;
use oncue_domain::event::Event;
use oncue_domain::id::EventId;
use oncue_domain::receipt::{Receipt, Sent};
use oncue_domain::run::without_codes;
use oncue_domain::store::DeliveryView;
use serde::Serialize;
use utoipa::ToSchema;

use super::event::load;
use super::time;
use crate::app::{App, Shared};
use crate::auth::Caller;
use crate::fault::{Fault, Problem};
use crate::openapi::Errors;
use crate::ui::{Cause, Way, curl};

/// One attempt, and all that is known of it.
#[derive(Serialize, ToSchema)]
#[schema(as = Receipt, example = json!({
    "event_id": 29, "slot": 0, "number": 1, "started_at": "2026-11-23T07:00:00.003Z", "duration_ms": 12.4, "status": 500,
    "error": null, "cause": "The receiver ran into an error of its own.", "remedy": "Look at the receiver's log for that moment.",
    "is_kept": true, "address": "192.0.2.7:443",
    "timings": {"queue_ms": 0.8, "connect_ms": 1.1, "tls_ms": 4.2, "wait_ms": 6.5, "receive_ms": 0.1},
    "request": {"method": "POST", "url": "https://example.com/hook", "headers": [{"name": "x-api-key", "value": null}], "body": "{}",
        "body_base64": null, "body_bytes": 2, "is_cut": false},
    "response": {"status": 500, "headers": [{"name": "server", "value": "nginx"}], "body": "no"}, "curl": "curl -X POST …"
}))]
pub(crate) struct ReceiptDocument {
    event_id: i64,
    /// Which of the event's deliveries it was an attempt of.
    slot: u32,
    number: u32,
    started_at: String,
    duration_ms: f64,
    /// The receiver's status, where it gave one: of HTTP, or of a mail server's reply.
    status: Option<u16>,
    /// Why there was no status.
    error: Option<String>,
    /// Why the attempt failed, in plain words; null where it did not.
    cause: Option<&'static str>,
    /// What can be done about it.
    remedy: Option<&'static str>,
    /// Whether there is a receipt: none is kept of attempts that an older oncue made.
    is_kept: bool,
    /// The address that was dialled last; null where none was, and for the operator's default destination.
    address: Option<String>,
    timings: TimingsDocument,
    /// What was sent; null where nothing could be written, and for the operator's default destination.
    request: Option<RequestDocument>,
    /// What came back, where anything did.
    response: Option<ResponseDocument>,
    /// A command for POSIX shells that sends the same again. Hidden values are variables in it.
    curl: Option<String>,
}

/// How long the parts of the way took, in milliseconds; null for what was not come to, or not gone because a connection was used again.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = Timings, example = json!({
    "queue_ms": 0.8, "connect_ms": 1.1, "tls_ms": 4.2, "wait_ms": 6.5, "receive_ms": 0.1
}))]
pub(crate) struct TimingsDocument {
    /// From when it was due until the attempt began.
    queue_ms: Option<f64>,
    /// From the look-up of the name until the connection stood.
    connect_ms: Option<f64>,
    /// The TLS handshake.
    tls_ms: Option<f64>,
    /// From the request's last byte to the answer's first, or to the end where none came.
    wait_ms: Option<f64>,
    /// From the answer's first byte to the last one that was read.
    receive_ms: Option<f64>,
}

/// What was sent.
#[derive(Serialize, ToSchema)]
#[schema(as = SentRequest, example = json!({
    "method": "POST", "url": "https://example.com/hook", "headers": [{"name": "x-api-key", "value": null}], "body": "{}",
    "body_base64": null, "body_bytes": 2, "is_cut": false
}))]
pub(crate) struct RequestDocument {
    /// The method; null for a mail.
    method: Option<&'static str>,
    /// Where to: `https://…`, `oncue:inbox`, or a mail server as `smtps://…` or, with STARTTLS, `smtp://…`.
    url: String,
    headers: Vec<HeaderDocument>,
    /// The body, where it is text.
    body: Option<String>,
    /// The body, where it is not.
    body_base64: Option<String>,
    /// How many bytes the whole body had.
    body_bytes: u64,
    /// Whether only the beginning of the body is kept.
    is_cut: bool,
}

/// What came back.
#[derive(Serialize, ToSchema)]
#[schema(as = ReceivedResponse, example = json!({
    "status": 500, "headers": [{"name": "server", "value": "nginx"}], "body": "no"
}))]
pub(crate) struct ResponseDocument {
    status: u16,
    /// Those that were kept, in the order of their arrival.
    headers: Vec<HeaderDocument>,
    /// The first 16 KiB of the body.
    body: Option<String>,
}

/// One header.
#[derive(Serialize, ToSchema)]
#[schema(as = Header, example = json!({"name": "server", "value": "nginx"}))]
pub(crate) struct HeaderDocument {
    name: String,
    /// Null where the destination's owner added it: such values are secret.
    value: Option<String>,
}

impl ReceiptDocument {
    fn of(found: &Found) -> ReceiptDocument {
        let Found { event, view, attempt, receipt } = found;
        let sent = receipt.as_ref().and_then(|receipt| receipt.sent.as_ref());
        let cause = Cause::of(attempt, Way::of_sent(sent));
        ReceiptDocument {
            event_id: event.id.0,
            slot: view.slot,
            number: attempt.number,
            started_at: time(attempt.started_at),
            duration_ms: millis(attempt.took_us.unsigned_abs()),
            status: attempt.status,
            error: attempt.error.clone(),
            cause: cause.map(|cause| cause.what),
            remedy: cause.map(|cause| cause.remedy),
            is_kept: receipt.is_some(),
            address: receipt.as_ref().and_then(|receipt| receipt.facts.address).map(|address| address.to_string()),
            timings: receipt.as_ref().map(TimingsDocument::of).unwrap_or_default(),
            request: sent.map(RequestDocument::of),
            response: attempt.status.map(|status| ResponseDocument {
                status,
                headers: receipt.iter().flat_map(|receipt| &receipt.answer_headers).map(received).collect(),
                body: attempt.answer.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned()),
            }),
            curl: sent.and_then(|sent| curl(sent, &found.file_name())).map(|command| command.text),
        }
    }
}

impl TimingsDocument {
    fn of(receipt: &Receipt) -> TimingsDocument {
        let time = |us: Option<u32>| us.map(|us| millis(u64::from(us)));
        TimingsDocument {
            queue_ms: receipt.queue_us.map(millis),
            connect_ms: time(receipt.facts.connect_us),
            tls_ms: time(receipt.facts.tls_us),
            wait_ms: time(receipt.facts.wait_us),
            receive_ms: time(receipt.facts.receive_us),
        }
    }
}

impl RequestDocument {
    fn of(sent: &Sent) -> RequestDocument {
        let (body, body_base64) = match std::str::from_utf8(&sent.body) {
            Ok(text) => (Some(text.to_owned()), None),
            Err(_) => (None, Some(BASE64_STANDARD.encode(&sent.body))),
        };
        let headers = sent.headers.iter();
        RequestDocument {
            method: sent.method.map(|method| method.word()),
            url: sent.address.clone(),
            headers: headers
                .map(|header| HeaderDocument { name: header.name.clone(), value: header.value.clone() })
                .collect(),
            body,
            body_base64,
            body_bytes: sent.body_bytes,
            is_cut: sent.is_cut(),
        }
    }
}

fn received((name, value): &(String, String)) -> HeaderDocument {
    HeaderDocument { name: name.clone(), value: Some(value.clone()) }
}

#[expect(clippy::cast_precision_loss, reason = "a duration in microseconds has far fewer than 52 bits")]
fn millis(us: u64) -> f64 {
    us as f64 / 1000.0
}

/// What stands in the places of `{id}`, `{slot}` and `{number}` in a path; empty where it is not text.
pub(crate) struct AttemptPlace {
    event: String,
    slot: String,
    number: String,
}

impl<S: Send + Sync> FromRequestParts<S> for AttemptPlace {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<AttemptPlace, Infallible> {
        let all = Path::<(String, String, String)>::from_request_parts(parts, state).await;
        let (event, slot, number) = all.map(|Path(all)| all).unwrap_or_default();
        Ok(AttemptPlace { event, slot, number })
    }
}

/// An attempt with what it belongs to, and its receipt where one is kept.
pub(crate) struct Found {
    pub(crate) event: Event,
    pub(crate) view: DeliveryView,
    pub(crate) attempt: Attempt,
    pub(crate) receipt: Option<Receipt>,
}

impl Found {
    /// What a file with the body of the request is called.
    pub(crate) fn file_name(&self) -> String {
        format!("event-{}-{}-{}.body", self.event.id, self.view.slot, self.attempt.number)
    }
}

/// The caller's attempt at that place, while its event has not lived its time.
pub(crate) async fn load_attempt(
    app: &Shared,
    caller: &Caller,
    place: &AttemptPlace,
    now: Timestamp,
) -> Result<Found, Fault> {
    let (event, views) = load(app, caller, &place.event, now).await?;
    let not_found = || Fault::not_found("Attempt");
    let (slot, number): (u32, u32) = place.slot.parse().ok().zip(place.number.parse().ok()).ok_or_else(not_found)?;
    let view = views.into_iter().find(|view| view.slot == slot).ok_or_else(not_found)?;
    let attempt = view.attempts.iter().find(|attempt| attempt.number == number).cloned().ok_or_else(not_found)?;
    let gone_until = app.settings.retention.gone_until(now);
    let mut receipt = app.store.receipt(caller.owner(), event.id, slot, number, gone_until).await?;
    if let Some(sent) = receipt.as_mut().and_then(|receipt| receipt.sent.as_mut()).filter(|_| event.has_run) {
        hide_reports(sent, event.id);
    }
    Ok(Found { event, view, attempt, receipt })
}

/// The address under which its receiver reports is the right to do so, and whoever looks at what was sent has only that.
fn hide_reports(sent: &mut Sent, event: EventId) {
    if let Some(hidden) = without_codes(sent.address.as_bytes(), event) {
        sent.address = String::from_utf8_lossy(&hidden).into_owned();
    }
    if let Some(hidden) = without_codes(&sent.body, event) {
        sent.body = hidden.into();
    }
}

/// Show one attempt with its receipt: what was sent, how long the parts of the way took, and what came back. Values of headers that a
/// destination's owner added are null, and the codes in the addresses for reports are `*`.
#[utoipa::path(get, path = "/api/v1/event_logs/{id}/deliveries/{slot}/attempts/{number}", tag = "Events",
    operation_id = "get_attempt",
    params(
        ("id" = i64, Path),
        ("slot" = u32, Path, description = "Which of the event's deliveries, counted from 0."),
        ("number" = u32, Path, description = "Which of its attempts, counted from 1."),
    ),
    responses((status = 200, body = ReceiptDocument), Errors))]
pub(crate) async fn get(State(app): State<App>, caller: Caller, place: AttemptPlace) -> Result<Response, Problem> {
    let found = load_attempt(&app, &caller, &place, app.now()).await?;
    Ok(Json(ReceiptDocument::of(&found)).into_response())
}
