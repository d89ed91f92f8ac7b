//! Events on surface two: what one looks like in JSON. Its deliveries are in `delivery`.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use oncue_domain::delivery;
use oncue_domain::event::{Event, Retention, Status};
use oncue_domain::id::{EventId, TriggerId};
use oncue_domain::run::Run;
use oncue_domain::schedule::zone::parse_instant;
use oncue_domain::store::{DeliveryView, EventFilter, EventPage, EventPlace, TargetKind};
use oncue_domain::trigger::just_before;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::delivery::{DeliveryDocument, Named};
use super::page::{Gathered, gather_events, next_limit, respond, take_page};
use super::run::{self, RunDocument};
use super::time;
use crate::app::{App, Shared};
use crate::auth::Caller;
use crate::cursor::{read_place, write_place};
use crate::extract::{PathId, Query, id_of};
use crate::fault::{Fault, Problem};
use crate::openapi::Errors;

/// An event.
#[derive(Serialize, ToSchema)]
#[schema(as = Event, example = json!({
    "id": 29, "trigger_id": 7, "trigger_type": "scheduled", "name": "nightly", "revision": 1,
    "payload": {"key": "value"},
    "is_manual_test": false, "origin": "schedule", "status": "active", "created_at": "2026-11-23T07:00:00.002Z",
    "scheduled_at": "2026-11-23T07:00:00Z", "due_at": null, "parent_id": null, "message_id": "evt_019aa5c0f0007d5e8a3b1c2d3e4f5061",
    "archived_at": "2026-11-23T09:00:00.002Z", "deleted_at": "2026-11-25T07:00:00.002Z"
}))]
pub(crate) struct EventDocument {
    id: i64,
    trigger_id: i64,
    /// `scheduled` or `api`.
    trigger_type: &'static str,
    name: String,
    /// The revision of the trigger that made it.
    revision: i64,
    /// Any JSON value.
    #[schema(value_type = serde_json::Value)]
    payload: Box<RawValue>,
    is_manual_test: bool,
    /// `schedule`, `catch-up`, `api`, `test`, `repeat`, `backfill` or `run`.
    origin: &'static str,
    /// `active` or `archived`, by age.
    status: &'static str,
    created_at: String,
    /// The occurrence's nominal time; null where no schedule made the event.
    scheduled_at: Option<String>,
    /// When the occurrence fell due, where the schedule's `jitter` made that later than its nominal time; else null.
    due_at: Option<String>,
    /// The event whose payload it carries again; null where it was not fired again.
    parent_id: Option<i64>,
    /// The `webhook-id` of its first delivery; each has its own.
    message_id: String,
    archived_at: String,
    deleted_at: String,
    /// What was reported of it; left out where its trigger expected nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<RunDocument>,
}

impl EventDocument {
    fn of(event: &Event, run: Option<&Run>, retention: Retention, now: Timestamp) -> EventDocument {
        EventDocument {
            id: event.id.0,
            trigger_id: event.trigger.0,
            trigger_type: event.kind.word(),
            name: event.name.clone(),
            revision: event.revision,
            payload: event.payload.to_raw(),
            is_manual_test: event.is_test(),
            origin: event.origin.word(),
            status: retention.status(event.fired_at, now).unwrap_or(Status::Archived).word(),
            created_at: time(event.fired_at),
            scheduled_at: event.scheduled_at.map(time),
            due_at: event.due_at.map(time),
            parent_id: event.parent.map(|parent| parent.0),
            message_id: event.message_id.to_string(),
            archived_at: time(event.fired_at + retention.active_for),
            deleted_at: time(event.fired_at + retention.keep_for),
            run: run.map(RunDocument::of),
        }
    }
}

/// An event and everything that was tried to deliver it.
#[derive(Serialize, ToSchema)]
#[schema(as = EventDetails)]
pub(crate) struct EventDetails {
    #[serde(flatten)]
    event: EventDocument,
    /// One for each destination; none where the event is only logged.
    #[schema(example = json!([{
        "slot": 0, "destination": "https://example.com/hook", "destination_id": null, "kind": null, "format": "json",
        "message_id": "evt_019aa5c0f0007d5e8a3b1c2d3e4f5061", "status": "delivered", "state": "delivered",
        "next_attempt_at": null, "parked_until": null, "why": null, "attempts": []
    }]))]
    deliveries: Vec<DeliveryDocument>,
}

/// Which events are asked for by `status`.
pub(crate) fn read_status(word: &str) -> Result<Option<Status>, &'static str> {
    match word {
        "active" => Ok(Some(Status::Active)),
        "archived" => Ok(Some(Status::Archived)),
        "all" => Ok(None),
        _ => Err("The status is \"active\", \"archived\" or \"all\"."),
    }
}

/// The bounds of the events with that status.
pub(crate) fn filter_of(retention: Retention, status: Option<Status>, now: Timestamp) -> EventFilter {
    let (gone, archived) = (retention.gone_until(now), retention.archived_until(now));
    match status {
        Some(Status::Active) => EventFilter { fired_after: Some(gone.max(archived)), ..EventFilter::default() },
        Some(Status::Archived) => {
            EventFilter { fired_after: Some(gone), fired_until: Some(archived), ..EventFilter::default() }
        }
        None => EventFilter { fired_after: Some(gone), ..EventFilter::default() },
    }
}

/// List your events, newest first.
#[utoipa::path(get, path = "/api/v1/event_logs", tag = "Events", operation_id = "list_events",
    params(
        ("status" = Option<String>, Query, description = "`active` (the default), `archived` or `all`.",
            example = "active"),
        ("trigger_id" = Option<i64>, Query, description = "Only this trigger's."),
        ("since" = Option<String>, Query, description = "Only those fired at or after this time (RFC 3339)."),
        ("until" = Option<String>, Query, description = "Only those fired at or before this time (RFC 3339)."),
        ("limit" = Option<u32>, Query, minimum = 1, description = "How many items, at most 200; without it up to 1 000."),
        ("cursor" = Option<String>, Query, description = "Where to go on, from the Link header of the page before."),
    ),
    responses((status = 200, body = [EventDocument]), Errors))]
pub(crate) async fn list(State(app): State<App>, caller: Caller, mut query: Query) -> Result<Response, Problem> {
    let now = app.now();
    let retention = app.settings.retention;
    let zone = &app.settings.zone;
    let status_word = query.take_text("status");
    let status = match &status_word {
        Some(word) => read_status(word)
            .map_err(|detail| Fault::InvalidQuery(vec![oncue_domain::error::Invalid::new("status", detail)]))?,
        None => Some(Status::Active),
    };
    let trigger = query.take("trigger_id", |text| text.parse::<i64>().map_err(|_| "A trigger's id is a whole number."));
    let since = query.take("since", |text| parse_instant(text, zone));
    let until = query.take("until", |text| parse_instant(text, zone));
    query.refuse_backwards(since, until);
    let page = take_page(&mut query, |cursor| read_place(cursor).filter(|(mark, _)| *mark == 'n'));
    query.finish()?;
    let mut filter = filter_of(retention, status, now);
    filter.trigger = trigger.map(TriggerId);
    filter.fired_after = filter.fired_after.max(since.map(just_before));
    filter.fired_until = [filter.fired_until, until].into_iter().flatten().min();
    let place = page.cursor.map(|(_, place)| place);
    let order = EventPage::NewestFirst(place);
    let Gathered { items: events, more } =
        gather_events(app.store.as_ref(), caller.owner(), filter, order, page.limit).await?;
    let next = events.last().filter(|_| more).map(|last| {
        let place = EventPlace { fired_at: last.fired_at, id: last.id };
        let mut next = vec![("limit", next_limit(page.limit)), ("cursor", write_place('n', place))];
        next.extend(status_word.map(|word| ("status", word)));
        next.extend(trigger.map(|id| ("trigger_id", id.to_string())));
        next.extend(since.map(|instant| ("since", time(instant))));
        next.extend(until.map(|instant| ("until", time(instant))));
        next
    });
    let runs = run::of_events(&app, caller.owner(), &events).await?;
    let items: Vec<_> =
        events.iter().map(|event| EventDocument::of(event, runs.get(&event.id), retention, now)).collect();
    Ok(respond(&items, "/api/v1/event_logs", next))
}

/// List your events as an HTML table.
#[utoipa::path(get, path = "/api/v1/event_logs/event_logs_html", tag = "Events", operation_id = "events_table",
    params(("status" = Option<String>, Query, description = "`active` (the default), `archived` or `all`.", example = "active")),
    responses((status = 200, content_type = "text/html", body = String), Errors))]
pub(crate) async fn table(state: State<App>, caller: Caller, query: Query) -> Response {
    crate::ui::events_table(caller, state, query).await
}

/// Count your events of the last 48 hours by trigger.
#[utoipa::path(get, path = "/api/v1/event_logs/aggregated", tag = "Events", operation_id = "count_events",
    responses((status = 200, body = BTreeMap<String, u64>, example = json!({"7": 12})), Errors))]
pub(crate) async fn aggregated(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    let now = app.now();
    let two_days_ago = Retention::STANDARD.gone_until(now);
    let gone_until = app.settings.retention.gone_until(now).max(two_days_ago);
    let counts = app.store.event_counts(caller.owner(), gone_until).await?;
    let by_trigger: BTreeMap<i64, u64> = counts.iter().map(|count| (count.trigger.0, count.count)).collect();
    Ok(Json(by_trigger).into_response())
}

/// Show one event with its deliveries and their attempts.
#[utoipa::path(get, path = "/api/v1/event_logs/{id}", tag = "Events", operation_id = "get_event",
    params(("id" = i64, Path)), responses((status = 200, body = EventDetails), Errors))]
pub(crate) async fn get(State(app): State<App>, caller: Caller, PathId(id): PathId) -> Result<Response, Problem> {
    let now = app.now();
    let (event, deliveries) = load(&app, &caller, &id, now).await?;
    let targets = deliveries.iter().map(|view| TargetKind::from(&view.target));
    let named = Named::of(&app, caller.owner(), targets).await?.with_paces(&app, caller.owner(), &deliveries).await?;
    let ends_at = delivery::ends_at(&event, app.settings.retention.keep_for);
    let deliveries = deliveries.iter().map(|view| DeliveryDocument::of(view, &named, ends_at)).collect();
    let runs = run::of_events(&app, caller.owner(), std::slice::from_ref(&event)).await?;
    let event = EventDocument::of(&event, runs.get(&event.id), app.settings.retention, now);
    Ok(Json(EventDetails { event, deliveries }).into_response())
}

/// The caller's event, if it has not lived its time.
pub(crate) async fn load(
    app: &Shared,
    caller: &Caller,
    id: &str,
    now: Timestamp,
) -> Result<(Event, Vec<DeliveryView>), Fault> {
    let not_found = || Fault::not_found("Event");
    let id = id_of(id).map(EventId).ok_or_else(not_found)?;
    app.store.event(caller.owner(), id, app.settings.retention.gone_until(now)).await?.ok_or_else(not_found)
}
