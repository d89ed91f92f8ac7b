//! Trying a destination out: one test event of a trigger that is not kept, delivered there like any other.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use oncue_domain::destination::{Destination, Standing};
use oncue_domain::event::Origin;
use oncue_domain::id::EventId;
use oncue_domain::store::{EventFilter, EventPage, Trial};
use oncue_domain::trigger::{Definition, NAME_CHARS_MAX};

use super::{destination_id, load};
use crate::api::fire::FiredDocument;
use crate::app::{App, Shared};
use crate::auth::{Caller, Firer};
use crate::extract::PathId;
use crate::fault::{Fault, Problem};
use crate::openapi::Errors;

/// Try a destination out: one test event of no trigger, with the payload `{}`, logged and delivered there like any other.
#[utoipa::path(post, path = "/api/v1/destinations/{id}/test", tag = "Destinations", operation_id = "test_destination",
    params(("id" = i64, Path)), responses((status = 200, body = FiredDocument), Errors))]
pub(crate) async fn test(
    State(app): State<App>,
    Firer(caller): Firer,
    PathId(id): PathId,
) -> Result<Response, Problem> {
    let destination = load(&app, caller.owner(), destination_id(&id)?).await?;
    let event = try_out(&app, &caller, &destination).await?;
    let is_stopped = destination.standing != Standing::Active;
    let document = if is_stopped { FiredDocument::waiting(event) } else { FiredDocument::tested(event) };
    Ok(Json(document).into_response())
}

/// Sends one test event to a destination. The event is found by the number of the trigger that never was.
pub(crate) async fn try_out(app: &Shared, caller: &Caller, destination: &Destination) -> Result<EventId, Fault> {
    let (now, owner) = (app.now(), caller.owner());
    let not_found = || Fault::not_found("Destination");
    let definition = Definition {
        name: Some(name(&destination.definition.name)),
        schedule: None,
        payload: None,
        payload_schema: None,
        webhook: None,
        destinations: vec![destination.id],
        expects: None,
        overlap: oncue_domain::overlap::Overlap::Allow,
        is_test: false,
        enabled: true,
        pause: None,
        expires_at: None,
    };
    let trial = Trial { definition, destination: Some((destination.id, destination.definition.name.clone())) };
    let tried = app.acting(caller).fire_unkept(owner, trial, app.ids.message(now), now).await?;
    // It was deleted meanwhile.
    let trigger = tried.map_err(|_| not_found())?;
    metrics::counter!("oncue_firings_total", "origin" => Origin::Test.word()).increment(1);
    let filter = EventFilter { trigger: Some(trigger), fired_after: None, fired_until: None };
    let events = app.store.events(owner, filter, EventPage::NewestFirst(None), 1).await?;
    events.first().map(|event| event.id).ok_or_else(not_found)
}

/// What the event is called, within what a name may have.
fn name(destination: &str) -> String {
    format!("Test of {destination}").chars().take(NAME_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use oncue_domain::trigger::parse_name;

    #[test]
    fn the_event_of_a_test_has_a_name_that_a_trigger_could_have() {
        let longest = "ä".repeat(NAME_CHARS_MAX);
        for destination in ["Ops", &longest] {
            let name = name(destination);
            assert!(name.starts_with("Test of "), "{name}");
            assert_eq!(parse_name(&name), Ok(Some(name)));
        }
    }
}
