//! Events on surface one.

use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use oncue_domain::event::{Event, Status};
use oncue_domain::store::{EventPage, EventPlace};
use serde::Serialize;
use utoipa::ToSchema;

use super::time;
use crate::api::event::filter_of;
use crate::api::page::{Gathered, gather_events, next_limit, respond, take_page};
use crate::app::App;
use crate::app::Shared;
use crate::auth::Caller;
use crate::cursor::{read_place, write_place};
use crate::extract::Query;
use crate::fault::FlatFault;
use crate::openapi::FlatErrors;

/// An event as surface one shows it.
#[derive(Serialize, ToSchema)]
#[schema(as = FlatEvent, example = json!({
    "id": 29, "trigger_id": 2, "name": "Test1", "trigger_type": "scheduled", "triggered_at": "2027-01-26T08:51:20.723196",
    "payload": "{}", "is_test": false
}))]
pub(crate) struct FlatEvent {
    id: i64,
    trigger_id: i64,
    name: String,
    /// `scheduled` or `api`.
    trigger_type: &'static str,
    /// UTC, six digits, no offset.
    triggered_at: String,
    /// A string that holds JSON.
    payload: String,
    is_test: bool,
}

impl FlatEvent {
    fn of(event: &Event) -> FlatEvent {
        FlatEvent {
            id: event.id.0,
            trigger_id: event.trigger.0,
            name: event.name.clone(),
            trigger_type: event.kind.word(),
            triggered_at: time(event.fired_at),
            payload: event.payload.as_str().to_owned(),
            is_test: event.is_test(),
        }
    }
}

/// The mark of a cursor that goes on towards the newer events, and of one that goes back to the older.
const NEWER: char = 'a';
const OLDER: char = 'b';

/// List active events, in ascending order of their ids.
#[utoipa::path(get, path = "/logs/active", tag = "Flat: events", operation_id = "flat_active_events",
    params(
        ("limit" = Option<u32>, Query, minimum = 1, description = "How many items, at most 200; without it the newest 1 000."),
        ("cursor" = Option<String>, Query, description = "Where to go on, from the Link header of the page before."),
    ),
    responses((status = 200, body = [FlatEvent]), FlatErrors))]
pub(crate) async fn active(State(app): State<App>, caller: Caller, query: Query) -> Result<Response, FlatFault> {
    list(&app, &caller, query, Status::Active, "/logs/active").await
}

/// List archived events, in ascending order of their ids.
#[utoipa::path(get, path = "/logs/archived", tag = "Flat: events", operation_id = "flat_archived_events",
    params(
        ("limit" = Option<u32>, Query, minimum = 1, description = "How many items, at most 200; without it the newest 1 000."),
        ("cursor" = Option<String>, Query, description = "Where to go on, from the Link header of the page before."),
    ),
    responses((status = 200, body = [FlatEvent]), FlatErrors))]
pub(crate) async fn archived(State(app): State<App>, caller: Caller, query: Query) -> Result<Response, FlatFault> {
    list(&app, &caller, query, Status::Archived, "/logs/archived").await
}

async fn list(
    app: &Shared,
    caller: &Caller,
    mut query: Query,
    status: Status,
    path: &str,
) -> Result<Response, FlatFault> {
    let now: Timestamp = app.now();
    let page = take_page(&mut query, |cursor| read_place(cursor).filter(|(mark, _)| [NEWER, OLDER].contains(mark)));
    query.finish()?;
    let filter = filter_of(app.settings.retention, Some(status), now);
    // With a limit the pages run from the oldest to the newest; without one the newest are shown, and a link leads back.
    let (order, mark) = match (page.cursor, page.is_limited) {
        (Some((OLDER, place)), _) => (EventPage::NewestFirst(Some(place)), OLDER),
        (Some((_, place)), _) => (EventPage::OldestFirst(Some(place)), NEWER),
        (None, true) => (EventPage::OldestFirst(None), NEWER),
        (None, false) => (EventPage::NewestFirst(None), OLDER),
    };
    let gathered = gather_events(app.store.as_ref(), caller.owner(), filter, order, page.limit).await?;
    let Gathered { items: mut events, more } = gathered;
    let next = events.last().filter(|_| more).map(|last| {
        let place = EventPlace { fired_at: last.fired_at, id: last.id };
        vec![("limit", next_limit(page.limit)), ("cursor", write_place(mark, place))]
    });
    events.sort_unstable_by_key(|event| event.id);
    let items: Vec<_> = events.iter().map(FlatEvent::of).collect();
    Ok(respond(&items, path, next))
}
