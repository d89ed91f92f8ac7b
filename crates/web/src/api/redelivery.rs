//! Sending again on surface two: one delivery, or many (`many`); cancelling what still waits; and firing an event's payload once more.
//! Whether any of it may happen is decided by the store, in the transaction; here each refusal gets its status.

pub(crate) mod many;

use std::convert::Infallible;

use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use oncue_domain::event::Origin;
use oncue_domain::id::{EventId, UserId};
use oncue_domain::message::is_of_run;
use oncue_domain::redelivery::{CancelRefusal, DeliveryId, Refusal};
use oncue_domain::store::{Deed, Done, FiredAgain, Repeat};
use serde::Serialize;
use utoipa::ToSchema;

use super::fire::refusal;
use crate::app::{App, Shared};
use crate::auth::{Caller, Firer};
use crate::extract::{PathId, id_of};
use crate::fault::{Fault, Problem};
use crate::idempotency::{Given, Recalled, Replayed, other};
use crate::openapi::{Errors, FiringErrors};
use crate::payload_schema::{TRIES_MAX, changes_too_fast, look};

/// What was done with a delivery.
#[derive(Serialize, ToSchema)]
#[schema(as = DeliveryChange, example = json!({"message": "The delivery is due as soon as its destination takes any.", "event_id": 29, "slot": 1}))]
pub(crate) struct ChangeDocument {
    message: &'static str,
    event_id: i64,
    slot: u32,
}

/// A trigger has fired again with the payload of a former event.
#[derive(Serialize, ToSchema)]
#[schema(as = FiredAgain, example = json!({"message": "The trigger has fired again.", "event_id": 30, "parent_id": 29}))]
pub(crate) struct FiredAgainDocument {
    message: &'static str,
    /// The new event.
    event_id: i64,
    /// The event whose payload it carries.
    parent_id: i64,
}

fn not_found() -> Fault {
    Fault::not_found("Delivery")
}

/// Send a delivery that failed, or was delivered, again: at once, with the same `webhook-id`. Its pauses begin anew; its attempts go on counting.
/// One that waits for its next attempt is tried at once as well, and goes on on its ladder.
#[utoipa::path(post, path = "/api/v1/event_logs/{id}/deliveries/{slot}/redeliver", tag = "Deliveries", operation_id = "redeliver",
    params(("id" = i64, Path, description = "The event."), ("slot" = u32, Path, description = "Which of its deliveries, counted from 0.")),
    responses((status = 200, body = ChangeDocument), (status = 409, description = "It is due or under way already, it waits for its destination to be resumed, or there is no way or no time left"), Errors))]
pub(crate) async fn redeliver(
    State(app): State<App>,
    caller: Caller,
    PathDelivery(id): PathDelivery,
) -> Result<Response, Problem> {
    let id = id.ok_or_else(not_found)?;
    redeliver_one(&app, &caller, id).await?;
    let message = "The delivery is due as soon as its destination takes any.";
    Ok(Json(ChangeDocument { message, event_id: id.event.0, slot: id.slot }).into_response())
}

/// Lets a delivery be owed again, or its next attempt be due.
pub(crate) async fn redeliver_one(app: &Shared, caller: &Caller, id: DeliveryId) -> Result<(), Fault> {
    let results = app.acting(caller).redeliver(caller.owner(), vec![id], app.settings.retention, app.now()).await?;
    match results.into_iter().next() {
        Some(Ok(())) => Ok(()),
        Some(Err(Refusal::NotFound)) | None => Err(not_found()),
        Some(Err(refusal)) => Err(Fault::new(StatusCode::CONFLICT, refusal.to_string())),
    }
}

/// Cancel a delivery that waits for its next attempt or for its destination: it fails, unless it was delivered before, and can be sent again later.
#[utoipa::path(post, path = "/api/v1/event_logs/{id}/deliveries/{slot}/cancel", tag = "Deliveries", operation_id = "cancel_delivery",
    params(("id" = i64, Path, description = "The event."), ("slot" = u32, Path, description = "Which of its deliveries, counted from 0.")),
    responses((status = 200, body = ChangeDocument), (status = 409, description = "It is handed out for an attempt, or it has ended"), Errors))]
pub(crate) async fn cancel(
    State(app): State<App>,
    caller: Caller,
    PathDelivery(id): PathDelivery,
) -> Result<Response, Problem> {
    let id = id.ok_or_else(not_found)?;
    cancel_one(&app, &caller, id).await?;
    let message = "The delivery is cancelled.";
    Ok(Json(ChangeDocument { message, event_id: id.event.0, slot: id.slot }).into_response())
}

/// Gives up a delivery that waits.
pub(crate) async fn cancel_one(app: &Shared, caller: &Caller, id: DeliveryId) -> Result<(), Fault> {
    let now = app.now();
    match app.acting(caller).cancel_delivery(caller.owner(), id, app.settings.retention.gone_until(now), now).await? {
        Ok(()) => {
            metrics::counter!("oncue_deliveries_given_up_total", "reason" => "cancelled").increment(1);
            Ok(())
        }
        Err(CancelRefusal::NotFound) => Err(not_found()),
        Err(refusal) => Err(Fault::new(StatusCode::CONFLICT, refusal.to_string())),
    }
}

/// Fire the trigger of an event again, with the event's payload: a new event, which names its parent. No occurrence is used up or moved. Where the
/// trigger has a schema, the payload has to fit it as it stands.
#[utoipa::path(post, path = "/api/v1/event_logs/{id}/fire_again", tag = "Events", operation_id = "fire_again",
    params(("id" = i64, Path)),
    responses((status = 201, body = FiredAgainDocument), (status = 409, description = "The trigger is paused, has expired or is deleted"), FiringErrors))]
pub(crate) async fn fire_again(
    State(app): State<App>,
    Firer(caller): Firer,
    PathId(id): PathId,
    given: Given,
) -> Result<Response, Problem> {
    let parent = id_of(&id).map(EventId).ok_or_else(|| Fault::not_found("Event"))?;
    let under = given.recall(&app, &caller, &[]).await?;
    let (event, replayed) = fire_once_more(&app, &caller, under.as_ref(), parent).await?;
    let document =
        FiredAgainDocument { message: "The trigger has fired again.", event_id: event.0, parent_id: parent.0 };
    let location = HeaderValue::from_str(&format!("/api/v1/event_logs/{event}")).expect("a number is visible ASCII");
    Ok((StatusCode::CREATED, replayed, [(header::LOCATION, location)], Json(document)).into_response())
}

/// Fires the trigger of an event again, with the event's payload; under a key once.
pub(crate) async fn fire_once_more(
    app: &Shared,
    caller: &Caller,
    under: Option<&Recalled>,
    event: EventId,
) -> Result<(EventId, Replayed), Fault> {
    let (store, owner) = (app.acting(caller), caller.owner());
    let mut checked = None;
    for _ in 0..TRIES_MAX {
        let now = app.now();
        let gone_until = app.settings.retention.gone_until(now);
        let repeat = Repeat { event, checked, message_id: app.ids.message(now) };
        let fired = match under {
            None => store.fire_again(owner, repeat, gone_until, now).await?,
            Some(key) => match key.once(&*store, owner, Deed::FireAgain { repeat, gone_until }, now).await? {
                Done::FiredAgain(fired) => fired,
                Done::Before { number, .. } => return Ok((EventId(number), Replayed::Yes)),
                done => return Err(other(done)),
            },
        };
        match fired {
            FiredAgain::Unchecked => checked = look_again(app, owner, event).await?,
            fired => return Ok((fired_again(app, owner, event, fired, now).await?, Replayed::No)),
        }
    }
    Err(changes_too_fast())
}

/// Checks what an event carried against the schema of its trigger as it stands, as [`look`] does.
async fn look_again(app: &Shared, owner: UserId, id: EventId) -> Result<Option<i64>, Fault> {
    let gone_until = app.settings.retention.gone_until(app.now());
    let (event, _) = app.store.event(owner, id, gone_until).await?.ok_or_else(|| Fault::not_found("Event"))?;
    look(app, owner, event.trigger, Some(&event.payload)).await
}

/// The new event, or why there is none.
async fn fired_again(
    app: &Shared,
    owner: UserId,
    parent: EventId,
    fired: FiredAgain,
    now: Timestamp,
) -> Result<EventId, Fault> {
    let gone_until = app.settings.retention.gone_until(now);
    match fired {
        FiredAgain::Event(event) => {
            metrics::counter!("oncue_firings_total", "origin" => Origin::Repeat.word()).increment(1);
            Ok(event)
        }
        FiredAgain::NotFound => Err(Fault::not_found("Event")),
        FiredAgain::TriggerGone => {
            let event = app.store.event(owner, parent, gone_until).await?.map(|(event, _)| event);
            Err(Fault::new(
                StatusCode::CONFLICT,
                nothing_to_fire(event.as_ref().map(|event| (event.origin, is_of_run(event)))),
            ))
        }
        FiredAgain::Refused(refused) => Err(refusal(refused)),
        FiredAgain::Unchecked => Err(changes_too_fast()),
    }
}

/// Why an event of that origin, which tells of a run or does not, has no trigger that could fire again.
fn nothing_to_fire(event: Option<(Origin, bool)>) -> &'static str {
    match event {
        Some((Origin::Alert, true)) => {
            "No trigger fired this event: it tells of a run that failed or is overdue. Its delivery can be sent again instead."
        }
        Some((Origin::Alert, false)) => {
            "No trigger fired this event: it tells of a destination's trouble. Its delivery can be sent again instead."
        }
        Some((Origin::Test, _)) => {
            "This event was a test of something that was never saved, or is deleted; test that again instead."
        }
        _ => "The trigger of this event is deleted, so it cannot fire again.",
    }
}

/// The event and the slot in a path; none where they are no such numbers, and then it names nothing.
pub(crate) struct PathDelivery(pub(crate) Option<DeliveryId>);

impl<S: Send + Sync> FromRequestParts<S> for PathDelivery {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<PathDelivery, Infallible> {
        let read = Path::<(String, String)>::from_request_parts(parts, state).await.ok();
        let read = read.and_then(|Path((event, slot))| {
            Some(DeliveryId { event: EventId(id_of(&event)?), slot: slot.parse().ok()? })
        });
        Ok(PathDelivery(read))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_is_not_blamed_on_a_trigger_that_is_gone() {
        assert!(
            nothing_to_fire(Some((Origin::Alert, false))).contains("No trigger fired this event: it tells of a dest")
        );
        assert!(
            nothing_to_fire(Some((Origin::Alert, true))).contains("No trigger fired this event: it tells of a run")
        );
        assert!(nothing_to_fire(Some((Origin::Api, false))).contains("is deleted"));
        assert!(nothing_to_fire(None).contains("is deleted"));
    }
}
