//! Firing by a call: the event is durable before the answer.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use oncue_domain::event::Origin;
use oncue_domain::id::{EventId, TriggerId, UserId};
use oncue_domain::payload::{PAYLOAD_BYTES_MAX, Payload};
use oncue_domain::store::{Call, Deed, Done, Fired, Store};
use oncue_domain::trigger::FireRefusal;
use serde::Serialize;
use utoipa::ToSchema;

use super::trigger::trigger_id;
use crate::app::{App, Shared};
use crate::auth::{Caller, Firer};
use crate::extract::{JsonBody, PathId};
use crate::fault::{Fault, Problem};
use crate::idempotency::{Given, Recalled, Replayed, other};
use crate::openapi::{Errors, FiringErrors};
use crate::payload_schema::{TRIES_MAX, changes_too_fast, look};

/// A trigger has fired.
#[derive(Serialize, ToSchema)]
#[schema(as = Fired, example = json!({"message": "The trigger has fired.", "event_id": 29}))]
pub(crate) struct FiredDocument {
    message: &'static str,
    event_id: i64,
}

impl FiredDocument {
    pub(crate) fn new(event: EventId) -> FiredDocument {
        FiredDocument { message: "The trigger has fired.", event_id: event.0 }
    }

    pub(crate) fn tested(event: EventId) -> FiredDocument {
        FiredDocument { message: "A test event was logged.", event_id: event.0 }
    }

    pub(crate) fn waiting(event: EventId) -> FiredDocument {
        let message = "A test event was logged. It waits: the destination takes no deliveries until you resume it.";
        FiredDocument { message, event_id: event.0 }
    }
}

/// In whose hands the store is for a call of that origin. What comes through `fire` is a program's and nobody's deed: thousands a second would push
/// all else out of the audit log, and cost each firing a line. All else that fires is somebody's.
fn hands(app: &Shared, caller: &Caller, origin: Origin) -> Arc<dyn Store> {
    if origin == Origin::Api { Arc::clone(&app.store) } else { app.acting(caller) }
}

/// Fires a trigger, or tries it out, for whoever pressed a button; under the key of their form once.
pub(crate) async fn fire_by_hand(
    app: &Shared,
    caller: &Caller,
    under: Option<&Recalled>,
    id: TriggerId,
    origin: Origin,
    payload: Option<Payload>,
) -> Result<EventId, Fault> {
    let store = app.acting(caller);
    let (event, _) = fire_through(app, &*store, under, (caller.owner(), id), origin, payload).await?;
    Ok(event)
}

/// Fires a trigger, or tries it out, for whoever called; under a key once.
pub(crate) async fn fire_once(
    app: &Shared,
    caller: &Caller,
    under: Option<&Recalled>,
    id: TriggerId,
    origin: Origin,
    payload: Option<Payload>,
) -> Result<(EventId, Replayed), Fault> {
    fire_through(app, &*hands(app, caller, origin), under, (caller.owner(), id), origin, payload).await
}

async fn fire_through(
    app: &Shared,
    store: &dyn Store,
    under: Option<&Recalled>,
    (owner, id): (UserId, TriggerId),
    origin: Origin,
    payload: Option<Payload>,
) -> Result<(EventId, Replayed), Fault> {
    let mut checked = app.schemas.vouch(owner, id, payload.as_ref());
    for _ in 0..TRIES_MAX {
        let now = app.now();
        let call = Call { origin, payload: payload.clone(), checked, message_id: app.ids.message(now) };
        let fired = match under {
            None => store.fire(owner, id, call, now).await?,
            Some(key) => match key.once(store, owner, Deed::Fire(id, call), now).await? {
                Done::Fired(fired) => fired,
                Done::Before { number, .. } => return Ok((EventId(number), Replayed::Yes)),
                done => return Err(other(done)),
            },
        };
        if fired != Fired::Unchecked {
            let event = outcome(fired)?;
            metrics::counter!("oncue_firings_total", "origin" => origin.word()).increment(1);
            return Ok((event, Replayed::No));
        }
        checked = look(app, owner, id, payload.as_ref()).await?;
    }
    Err(changes_too_fast())
}

/// The event of a call, or why there is none.
pub(super) fn outcome(fired: Fired) -> Result<EventId, Fault> {
    match fired {
        Fired::Event(event) => Ok(event),
        Fired::NotFound => Err(Fault::not_found("Trigger")),
        Fired::Refused(refused) => Err(refusal(refused)),
        Fired::Unchecked => Err(changes_too_fast()),
    }
}

/// Why a trigger does not fire, in words.
pub(super) fn refusal(refusal: FireRefusal) -> Fault {
    match refusal {
        FireRefusal::NotApi => Fault::new(
            StatusCode::BAD_REQUEST,
            "Only triggers of type api can be fired by a call; use run to fire this one now, or test to try it out.",
        ),
        FireRefusal::Paused => Fault::new(StatusCode::CONFLICT, "This trigger is paused; enable it first."),
        FireRefusal::Expired => {
            Fault::new(StatusCode::CONFLICT, "This trigger has expired; move its expires_at first.")
        }
    }
}

/// Reads a payload from a body; no body is none.
pub(crate) fn read_payload(body: &JsonBody) -> Result<Option<Payload>, Fault> {
    let Some(bytes) = &body.0 else { return Ok(None) };
    if bytes.len() > PAYLOAD_BYTES_MAX {
        let detail = format!("A payload has at most {PAYLOAD_BYTES_MAX} bytes; this one has {}.", bytes.len());
        return Err(Fault::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
    }
    let text =
        std::str::from_utf8(bytes).map_err(|_| Fault::new(StatusCode::BAD_REQUEST, "The payload is not UTF-8."))?;
    Payload::parse(text).map(Some).map_err(|error| Fault::new(StatusCode::BAD_REQUEST, error.message))
}

/// Fire an api trigger. The body is the payload; without one the trigger's own is sent.
#[utoipa::path(post, path = "/api/v1/triggers/{id}/fire", tag = "Triggers", operation_id = "fire_trigger",
    params(("id" = i64, Path)), request_body(content = Option<serde_json::Value>, description = "Any JSON value of up to 256 KiB."),
    responses((status = 200, body = FiredDocument), FiringErrors))]
pub(crate) async fn fire(
    State(app): State<App>,
    Firer(caller): Firer,
    PathId(id): PathId,
    given: Given,
    body: JsonBody,
) -> Result<Response, Problem> {
    let id = trigger_id(&id)?;
    let payload = read_payload(&body)?;
    let under = given.recall_json(&app, &caller, &body).await?;
    let (event, replayed) = fire_once(&app, &caller, under.as_ref(), id, Origin::Api, payload).await?;
    Ok((replayed, Json(FiredDocument::new(event))).into_response())
}

/// Run a trigger now, whatever sort it is, with its own payload. The occurrence that it waits for stays as it is.
#[utoipa::path(post, path = "/api/v1/triggers/{id}/run", tag = "Triggers", operation_id = "run_trigger",
    params(("id" = i64, Path)),
    responses((status = 200, body = FiredDocument), (status = 409, description = "It is paused or has expired"), Errors))]
pub(crate) async fn run(
    State(app): State<App>,
    Firer(caller): Firer,
    PathId(id): PathId,
    given: Given,
) -> Result<Response, Problem> {
    let id = trigger_id(&id)?;
    let under = given.recall(&app, &caller, &[]).await?;
    let (event, replayed) = fire_once(&app, &caller, under.as_ref(), id, Origin::Run, None).await?;
    Ok((replayed, Json(FiredDocument::new(event))).into_response())
}

/// Try a trigger out: one test event, logged and delivered like any other.
#[utoipa::path(post, path = "/api/v1/triggers/{id}/test", tag = "Triggers", operation_id = "test_trigger",
    params(("id" = i64, Path)), responses((status = 200, body = FiredDocument), Errors))]
pub(crate) async fn test(
    State(app): State<App>,
    Firer(caller): Firer,
    PathId(id): PathId,
    given: Given,
) -> Result<Response, Problem> {
    let id = trigger_id(&id)?;
    let under = given.recall(&app, &caller, &[]).await?;
    let (event, replayed) = fire_once(&app, &caller, under.as_ref(), id, Origin::Test, None).await?;
    Ok((replayed, Json(FiredDocument::tested(event))).into_response())
}
