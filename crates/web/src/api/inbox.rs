//! What arrived at an inbox on surface two: the list, and one arrival as a receiver would see it. An inbox keeps it for as long as events
//! are kept, and the latest of each owner's only.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use oncue_domain::access::Scope;
use oncue_domain::arrival::{Arrival, Arrived, Check, Contents};
use oncue_domain::id::{ArrivalId, EventId};
use oncue_domain::run::without_codes;
use serde::Serialize;
use utoipa::ToSchema;

use super::destination::{destination_id, load};
use super::page::{ITEMS_MAX, next_limit, respond, take_page};
use super::time;
use crate::app::{App, Shared};
use crate::auth::Caller;
use crate::extract::{PathId, PathIds, Query, id_of};
use crate::fault::{Fault, Problem};
use crate::openapi::Errors;

/// A request that arrived at an inbox.
#[derive(Serialize, ToSchema)]
#[schema(as = Arrival, example = json!({
    "id": 12, "event_id": 42, "slot": 0, "attempt": 1, "arrived_at": "2026-11-23T07:00:00.003Z", "method": "POST", "body_bytes": 613,
    "signature": {"state": "verified", "secret": "4be0643f", "why": null}, "answered": 200, "waited_ms": 0.0
}))]
pub(crate) struct ArrivalDocument {
    id: i64,
    event_id: i64,
    /// Which of the event's deliveries it belongs to, counted from 0.
    slot: u32,
    /// Which attempt of that delivery it is, counted from 1.
    attempt: u32,
    arrived_at: String,
    method: String,
    /// How many bytes its body had.
    body_bytes: u64,
    signature: SignatureDocument,
    /// The status that the inbox answered with; null where the delivery did not wait for it.
    answered: Option<u16>,
    /// How long the answer took, or how long it was waited for.
    waited_ms: f64,
}

/// What came of checking the signature with the secrets of the inbox.
#[derive(Serialize, ToSchema)]
#[schema(as = SignatureCheck, example = json!({"state": "verified", "secret": "4be0643f", "why": null}))]
pub(crate) struct SignatureDocument {
    /// `verified`, `refused`, or `unsigned` where the inbox has no secret to check with.
    state: &'static str,
    /// The id of the secret that it fits.
    secret: Option<String>,
    /// Why it fits none.
    why: Option<String>,
}

/// A request that arrived at an inbox, and what it said.
#[derive(Serialize, ToSchema)]
#[schema(as = FullArrival, example = json!({
    "id": 12, "event_id": 42, "slot": 0, "attempt": 1, "arrived_at": "2026-11-23T07:00:00.003Z", "method": "POST", "body_bytes": 2,
    "signature": {"state": "unsigned", "secret": null, "why": null}, "answered": 200, "waited_ms": 0.0,
    "message_id": "evt_019aa5c0f0007d5e8a3b1c2d3e4f5061", "headers": {"content-type": ["application/json"]},
    "body": "{}", "body_base64": null, "is_cut": false
}))]
pub(crate) struct FullArrivalDocument {
    #[serde(flatten)]
    arrival: ArrivalDocument,
    /// Its `webhook-id`.
    message_id: Option<String>,
    /// Its headers, each with its values in their order; those that the destination adds are hidden.
    headers: BTreeMap<String, Vec<String>>,
    /// The body, where it is text.
    body: Option<String>,
    /// The body, where it is not.
    body_base64: Option<String>,
    /// Whether only the beginning of the body is kept.
    is_cut: bool,
}

impl ArrivalDocument {
    fn of(arrival: &Arrival) -> ArrivalDocument {
        let Arrival { id, arrived } = arrival;
        ArrivalDocument {
            id: id.0,
            event_id: arrived.event.0,
            slot: arrived.slot,
            attempt: arrived.attempt,
            arrived_at: time(arrived.at),
            method: arrived.method.clone(),
            body_bytes: arrived.body_bytes,
            signature: SignatureDocument::of(&arrived.check),
            answered: arrived.answer,
            waited_ms: arrived.waited.as_secs_f64() * 1000.0,
        }
    }
}

impl SignatureDocument {
    fn of(check: &Check) -> SignatureDocument {
        let (state, secret, why) = match check {
            Check::Unsigned => ("unsigned", None, None),
            Check::Signed(secret) => ("verified", Some(secret.clone()), None),
            Check::Unverified(why) => ("refused", None, Some(why.clone())),
        };
        SignatureDocument { state, secret, why }
    }
}

impl FullArrivalDocument {
    fn of(arrival: &Arrival, contents: Contents) -> FullArrivalDocument {
        let message_id = contents.header("webhook-id").map(str::to_owned);
        let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in contents.headers {
            headers.entry(name).or_default().push(value);
        }
        let is_cut = is_cut(&arrival.arrived, &contents.body);
        let (body, body_base64) = match String::from_utf8(contents.body) {
            Ok(text) => (Some(text), None),
            Err(error) => (None, Some(BASE64_STANDARD.encode(error.as_bytes()))),
        };
        FullArrivalDocument { arrival: ArrivalDocument::of(arrival), message_id, headers, body, body_base64, is_cut }
    }
}

/// Whether only the beginning of the body is kept.
pub(crate) fn is_cut(arrived: &Arrived, body: &[u8]) -> bool {
    arrived.body_bytes > body.len() as u64
}

/// The owner's arrival at that place.
pub(crate) async fn load_arrival(app: &Shared, caller: &Caller, place: &PathIds) -> Result<(Arrival, Contents), Fault> {
    let PathIds(destination, arrival) = place;
    let destination = destination_id(destination)?;
    let found = match id_of(arrival) {
        Some(id) => app.store.arrival(caller.owner(), ArrivalId(id)).await?,
        None => None,
    };
    let found = found.filter(|(arrival, _)| arrival.arrived.destination == destination);
    let (arrival, mut contents) = found.ok_or_else(|| Fault::not_found("Arrival"))?;
    if caller.require(Scope::Manage).is_err() {
        hide_reports(&mut contents, arrival.arrived.event);
    }
    Ok((arrival, contents))
}

/// An inbox is a receiver, and whoever has one may report; a key that may only read may not.
fn hide_reports(contents: &mut Contents, event: EventId) {
    for (_, value) in &mut contents.headers {
        if let Some(hidden) = without_codes(value.as_bytes(), event) {
            *value = String::from_utf8_lossy(&hidden).into_owned();
        }
    }
    if let Some(hidden) = without_codes(&contents.body, event) {
        contents.body = hidden;
    }
}

/// List what arrived at an inbox, the latest first. The latest 1 000 of all your inboxes are kept, 16 MiB in all, for as long as events
/// are; other kinds of destinations have none.
#[utoipa::path(get, path = "/api/v1/destinations/{id}/arrivals", tag = "Destinations", operation_id = "list_arrivals",
    params(
        ("id" = i64, Path),
        ("limit" = Option<u32>, Query, minimum = 1, description = "How many items, at most 200."),
        ("cursor" = Option<String>, Query, description = "Where to go on, from the Link header of the page before."),
    ),
    responses((status = 200, body = [ArrivalDocument]), Errors))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
    mut query: Query,
) -> Result<Response, Problem> {
    let page = take_page(&mut query, id_of);
    query.finish()?;
    let destination = load(&app, caller.owner(), destination_id(&id)?).await?;
    let limit = page.limit.min(ITEMS_MAX);
    let before = page.cursor.map(ArrivalId);
    let mut found = app.store.arrivals(caller.owner(), destination.id, before, limit + 1).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| more);
    let next = last.map(|last| vec![("limit", next_limit(limit)), ("cursor", last.id.to_string())]);
    let items: Vec<ArrivalDocument> = found.iter().map(ArrivalDocument::of).collect();
    Ok(respond(&items, &format!("/api/v1/destinations/{}/arrivals", destination.id), next))
}

/// Show what arrived at an inbox, as a receiver would see it.
#[utoipa::path(get, path = "/api/v1/destinations/{id}/arrivals/{arrival}", tag = "Destinations", operation_id = "get_arrival",
    params(("id" = i64, Path), ("arrival" = i64, Path)), responses((status = 200, body = FullArrivalDocument), Errors))]
pub(crate) async fn get(State(app): State<App>, caller: Caller, place: PathIds) -> Result<Response, Problem> {
    let (arrival, contents) = load_arrival(&app, &caller, &place).await?;
    Ok(Json(FullArrivalDocument::of(&arrival, contents)).into_response())
}
