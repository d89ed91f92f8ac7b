//! Destinations on surface two: the calls that make, show, change, pause, resume and delete one. What one looks like in JSON is in
//! `document`, how one is made and changed, for the pages too, in `write`, and its signing secrets are in `secret`.

mod document;
pub(crate) mod preview;
pub(crate) mod secret;
pub(crate) mod trial;
pub(crate) mod write;

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use oncue_domain::destination::alert::Streak;
use oncue_domain::destination::{Destination, Standing};
use oncue_domain::id::{DestinationId, TriggerId, UserId};
use oncue_domain::store::Deleted;

use super::page::{READ_TOGETHER, next_limit, respond, take_page};
use crate::app::{App, Shared};
use crate::auth::Caller;
use crate::extract::{JsonBody, PathId, Query, id_of};
use crate::fault::{Fault, Problem};
use crate::idempotency::ShownOnce;
use crate::openapi::{Errors, MakingErrors};

use document::{DestinationDocument, DestinationInput};

/// How many bytes of definitions one list carries; what is beyond is on the next page.
const LIST_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The id in a path; what is no number names nothing.
pub(crate) fn destination_id(text: &str) -> Result<DestinationId, Fault> {
    id_of(text).map(DestinationId).ok_or_else(|| Fault::not_found("Destination"))
}

/// The owner's destination.
pub(crate) async fn load(app: &Shared, owner: UserId, id: DestinationId) -> Result<Destination, Fault> {
    app.store.destination(owner, id).await?.ok_or_else(|| Fault::not_found("Destination"))
}

/// The destination's streak of failures, where there is one.
pub(crate) async fn streak_of(app: &Shared, destination: &Destination) -> Result<Option<Streak>, Fault> {
    let streaks = app.store.streaks(destination.owner).await?;
    Ok(streaks.into_iter().find(|(id, _)| *id == destination.id).map(|(_, streak)| streak))
}

/// What is shown of a destination.
async fn document_of(app: &Shared, destination: &Destination) -> Result<DestinationDocument, Fault> {
    let streak = streak_of(app, destination).await?;
    let uses = app.store.destination_uses(destination.owner, vec![destination.id]).await?;
    Ok(DestinationDocument::of(destination, streak.as_ref(), uses.first().copied().unwrap_or_default()))
}

/// List your destinations, in ascending order of their ids.
#[utoipa::path(get, path = "/api/v1/destinations", tag = "Destinations", operation_id = "list_destinations",
    params(
        ("limit" = Option<u32>, Query, minimum = 1, description = "How many items, at most 200; without it up to 1 000."),
        ("cursor" = Option<String>, Query, description = "Where to go on, from the Link header of the page before."),
    ),
    responses((status = 200, body = [DestinationDocument]), Errors))]
pub(crate) async fn list(State(app): State<App>, caller: Caller, mut query: Query) -> Result<Response, Problem> {
    let page = take_page(&mut query, id_of);
    query.finish()?;
    let mut after = page.cursor.map(DestinationId);
    let streaks: HashMap<DestinationId, Streak> = app.store.streaks(caller.owner()).await?.into_iter().collect();
    let (mut items, mut bytes, mut more): (Vec<DestinationDocument>, usize, bool) = (Vec::new(), 0, true);
    // Read a few at a time, so that even the longest definitions never pile up in memory.
    while more && items.len() < page.limit && bytes < LIST_BYTES_MAX {
        let wanted = READ_TOGETHER.min(page.limit - items.len());
        let read = app.store.destinations(caller.owner(), after, wanted + 1).await?;
        more = read.len() > wanted;
        let ids = read.iter().map(|destination| destination.id).collect();
        let uses = app.store.destination_uses(caller.owner(), ids).await?;
        for (destination, used_by) in read.iter().zip(uses).take(wanted) {
            after = Some(destination.id);
            let document = DestinationDocument::of(destination, streaks.get(&destination.id), used_by);
            bytes += document.bytes();
            items.push(document);
        }
    }
    let next = after.filter(|_| more).map(|last| vec![("limit", next_limit(page.limit)), ("cursor", last.to_string())]);
    Ok(respond(&items, "/api/v1/destinations", next))
}

/// Make a destination. One that signs its calls gets a secret where none is named; this answer is the only one that shows it.
#[utoipa::path(post, path = "/api/v1/destinations", tag = "Destinations", operation_id = "create_destination",
    request_body = DestinationInput, responses((status = 201, body = DestinationDocument), MakingErrors))]
pub(crate) async fn create(State(app): State<App>, caller: Caller, body: JsonBody) -> Result<Response, Problem> {
    let now = app.now();
    let made = write::create_from(&app, &caller, body.object()?, now).await?;
    let location = [(header::LOCATION, format!("/api/v1/destinations/{}", made.destination.id))];
    let document = DestinationDocument::of(&made.destination, None, 0).revealing(made.secret.as_ref());
    let mut response = (StatusCode::CREATED, location, Json(document)).into_response();
    if made.secret.is_some() {
        response.extensions_mut().insert(ShownOnce);
    }
    Ok(response)
}

/// Show one destination. Its secrets are null.
#[utoipa::path(get, path = "/api/v1/destinations/{id}", tag = "Destinations", operation_id = "get_destination",
    params(("id" = i64, Path)), responses((status = 200, body = DestinationDocument), Errors))]
pub(crate) async fn get(State(app): State<App>, caller: Caller, PathId(id): PathId) -> Result<Response, Problem> {
    let destination = load(&app, caller.owner(), destination_id(&id)?).await?;
    Ok(Json(document_of(&app, &destination).await?).into_response())
}

/// Replace a destination: what is left out takes its default, but a secret that is null or left out is kept for as long as the
/// receiver stays the same. Where its calls were not signed before and are now, this answer is the only one that shows the secret.
#[utoipa::path(put, path = "/api/v1/destinations/{id}", tag = "Destinations", operation_id = "replace_destination",
    params(("id" = i64, Path)), request_body = DestinationInput,
    responses((status = 200, body = DestinationDocument), MakingErrors))]
pub(crate) async fn replace(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
    body: JsonBody,
) -> Result<Response, Problem> {
    let id = destination_id(&id)?;
    // Before the body is looked at, so that what is another's looks like none whatever is sent.
    load(&app, caller.owner(), id).await?;
    let made = write::edit_from(&app, &caller, id, &body.object()?).await?;
    Ok(Json(document_of(&app, &made.destination).await?.revealing(made.secret.as_ref())).into_response())
}

/// Change a destination in part: each field that is named is taken as a whole, and null gives it its default, but keeps what is secret.
/// Where its calls were not signed before and are now, this answer is the only one that shows the secret.
#[utoipa::path(patch, path = "/api/v1/destinations/{id}", tag = "Destinations", operation_id = "change_destination",
    params(("id" = i64, Path)), request_body = DestinationInput,
    responses((status = 200, body = DestinationDocument), MakingErrors))]
pub(crate) async fn patch(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
    body: JsonBody,
) -> Result<Response, Problem> {
    let id = destination_id(&id)?;
    load(&app, caller.owner(), id).await?;
    let made = write::patch_from(&app, &caller, id, &body.object()?).await?;
    Ok(Json(document_of(&app, &made.destination).await?.revealing(made.secret.as_ref())).into_response())
}

/// Delete a destination that no trigger sends to. What was still owed to it fails.
#[utoipa::path(delete, path = "/api/v1/destinations/{id}", tag = "Destinations", operation_id = "delete_destination",
    params(("id" = i64, Path)),
    responses((status = 204), (status = 409, description = "Triggers send to it; they are named"), Errors))]
pub(crate) async fn delete(State(app): State<App>, caller: Caller, PathId(id): PathId) -> Result<StatusCode, Problem> {
    let now = app.now();
    match app.acting(&caller).delete_destination(caller.owner(), destination_id(&id)?, now).await? {
        Deleted::Done => Ok(StatusCode::NO_CONTENT),
        Deleted::NotFound => Err(Fault::not_found("Destination").into()),
        Deleted::InUse { triggers, count } => Err(Fault::new(StatusCode::CONFLICT, in_use(&triggers, count)).into()),
    }
}

/// Why a destination stays: the triggers that send to it, of which some are named.
pub(crate) fn in_use(triggers: &[TriggerId], count: u64) -> String {
    let named: Vec<String> = triggers.iter().map(ToString::to_string).collect();
    let more = count.saturating_sub(u64::try_from(named.len()).unwrap_or(u64::MAX));
    let named = match (named.as_slice(), more) {
        (several, more @ 1..) => format!("{} and {more} more", several.join(", ")),
        ([several @ .., last], _) if !several.is_empty() => format!("{} and {last}", several.join(", ")),
        (all, _) => all.join(", "),
    };
    let (who, them) = if count == 1 { ("Trigger", "sends") } else { ("Triggers", "send") };
    format!("{who} {named} {them} to this destination; take it out there first.")
}

/// Pause a destination: what is owed to it waits, without attempts, until it is resumed or the event's time is nearly over.
#[utoipa::path(post, path = "/api/v1/destinations/{id}/pause", tag = "Destinations", operation_id = "pause_destination",
    params(("id" = i64, Path)), responses((status = 200, body = DestinationDocument), Errors))]
pub(crate) async fn pause(State(app): State<App>, caller: Caller, PathId(id): PathId) -> Result<Response, Problem> {
    let now = app.now();
    let destination = load(&app, caller.owner(), destination_id(&id)?).await?;
    let is_paused = matches!(destination.standing, Standing::Paused { .. });
    let standing = (!is_paused).then_some(Standing::Paused { since: now });
    let destination = stand(&app, &caller, destination, standing).await?;
    Ok(Json(document_of(&app, &destination).await?).into_response())
}

/// Resume a destination that was paused or suspended: what waits for it is due at once.
#[utoipa::path(post, path = "/api/v1/destinations/{id}/resume", tag = "Destinations", operation_id = "resume_destination",
    params(("id" = i64, Path)), responses((status = 200, body = DestinationDocument), Errors))]
pub(crate) async fn resume(State(app): State<App>, caller: Caller, PathId(id): PathId) -> Result<Response, Problem> {
    let destination = load(&app, caller.owner(), destination_id(&id)?).await?;
    let standing = (destination.standing != Standing::Active).then_some(Standing::Active);
    let destination = stand(&app, &caller, destination, standing).await?;
    Ok(Json(document_of(&app, &destination).await?).into_response())
}

/// Lets a destination stand like that, where it does not yet.
pub(crate) async fn stand(
    app: &Shared,
    caller: &Caller,
    destination: Destination,
    standing: Option<Standing>,
) -> Result<Destination, Fault> {
    let Some(standing) = standing else { return Ok(destination) };
    if app.acting(caller).set_standing(caller.owner(), destination.id, standing.clone(), app.now()).await? {
        Ok(Destination { standing, ..destination })
    } else {
        Err(Fault::not_found("Destination"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_triggers_that_keep_a_destination_are_named_as_one_says_it() {
        let words = |ids: &[i64], count| in_use(&ids.iter().copied().map(TriggerId).collect::<Vec<_>>(), count);
        assert_eq!(words(&[4], 1), "Trigger 4 sends to this destination; take it out there first.");
        assert_eq!(words(&[4, 7], 2), "Triggers 4 and 7 send to this destination; take it out there first.");
        assert_eq!(words(&[4, 7, 9], 3), "Triggers 4, 7 and 9 send to this destination; take it out there first.");
        assert_eq!(words(&[4, 7], 12), "Triggers 4, 7 and 10 more send to this destination; take it out there first.");
    }
}
