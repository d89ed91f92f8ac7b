//! What a destination would be sent, before there is one: a definition is read as for creation, and rendered for an event. Nothing is
//! sent and nothing is kept.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use oncue_domain::destination::Destination;
use oncue_domain::error::Invalid;
use oncue_domain::event::Event;
use oncue_domain::id::{DestinationId, EventId, TriggerId, UserId};
use oncue_domain::message::{self, Preview, Sample, Unfit};
use oncue_domain::payload::Payload;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::document::DestinationInput;
use super::write::{draw_first, read};
use crate::api::time;
use crate::app::{App, Shared};
use crate::auth::Reader;
use crate::extract::{Fields, JsonBody};
use crate::fault::{Fault, Problem};
use crate::openapi::MakingErrors;

/// Which event is rendered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The next event of this trigger.
    pub(crate) trigger: Option<TriggerId>,
    /// This event.
    pub(crate) event: Option<EventId>,
    /// It carries this instead of its own payload.
    pub(crate) payload: Option<Payload>,
}

/// A definition to be tried out, and with what.
#[derive(Deserialize, ToSchema)]
#[schema(as = DestinationPreviewInput, example = json!({
    "name": "Ops", "kind": "webhook", "url": "https://example.com/hook",
    "body": {"format": "own", "template": "{\"text\": {{ payload.text | tojson }}}"}, "payload": {"text": "Hello"}
}))]
#[expect(dead_code, reason = "the document of a body that the domain reads, so that every error can name its field")]
pub(crate) struct PreviewInput {
    #[serde(flatten)]
    definition: DestinationInput,
    /// The destination that it changes: what is secret and null is taken from there, as by an edit.
    destination_id: Option<i64>,
    /// Rendered as the next event of this trigger; without it and without `event_id` as an event of none.
    trigger_id: Option<i64>,
    /// Rendered for this event.
    event_id: Option<i64>,
    /// What the event carries, instead of its own payload.
    payload: Option<Value>,
}

/// What a destination would be sent: one of `request`, `mail` and `error`.
#[derive(Serialize, ToSchema)]
#[schema(as = DestinationPreview, example = json!({
    "event": {"id": null, "trigger_id": 7, "name": "nightly", "origin": "schedule", "fired_at": "2026-11-23T07:00:00Z"},
    "request": {
        "method": "POST", "url": "https://example.com/hook",
        "headers": [{"name": "content-type", "value": "application/json"}, {"name": "x-api-key", "value": null}],
        "body": "{\"text\": \"Hello\"}", "is_json": true, "json_error": null
    },
    "mail": null, "error": null
}))]
pub(crate) struct PreviewDocument {
    event: PreviewedEvent,
    request: Option<PreviewedRequest>,
    mail: Option<PreviewedMail>,
    /// Why nothing could be sent for this event.
    error: Option<PreviewError>,
}

/// The event that was rendered.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"id": null, "trigger_id": 7, "name": "nightly", "origin": "schedule", "fired_at": "2026-11-23T07:00:00Z"}))]
pub(crate) struct PreviewedEvent {
    /// Null where there is no such event yet.
    id: Option<i64>,
    /// Null where it is of no trigger.
    trigger_id: Option<i64>,
    name: String,
    /// `schedule`, `catch-up`, `api` or `test`.
    origin: &'static str,
    fired_at: String,
}

/// A request as it would go out.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "method": "POST", "url": "https://example.com/hook", "headers": [{"name": "content-type", "value": "application/json"}],
    "body": "{}", "is_json": true, "json_error": null
}))]
pub(crate) struct PreviewedRequest {
    method: &'static str,
    url: String,
    /// Time and signatures are examples: the attempt's own are its own.
    headers: Vec<PreviewedHeader>,
    body: String,
    /// Whether the body is JSON, where its content type says so; else null.
    is_json: Option<bool>,
    /// Why it is not.
    json_error: Option<String>,
}

/// A header.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"name": "x-api-key", "value": null}))]
pub(crate) struct PreviewedHeader {
    name: String,
    /// Null where it is secret.
    value: Option<String>,
}

/// A mail as it would be sent.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "from": "oncue@example.com", "to": ["Ann <ann@example.com>"], "subject": "⏰ nightly fired", "text": "Fired: …"
}))]
pub(crate) struct PreviewedMail {
    from: String,
    to: Vec<String>,
    subject: String,
    text: String,
}

/// Why nothing could be sent.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "field": "body.template", "line": 1, "column": 13, "detail": "The template of the body does not fit this event. …"
}))]
pub(crate) struct PreviewError {
    /// A dotted path in the definition; empty for the whole.
    field: String,
    /// Where in the field's template, counted from 1; null where no template is at fault.
    line: Option<usize>,
    /// The character in that line, counted from 1.
    column: Option<usize>,
    detail: String,
}

/// Show what a destination would be sent for an event. Nothing is sent, and nothing is kept.
#[utoipa::path(post, path = "/api/v1/destinations/preview", tag = "Destinations", operation_id = "preview_destination",
    request_body = PreviewInput, responses((status = 200, body = PreviewDocument), MakingErrors))]
pub(crate) async fn preview(
    State(app): State<App>,
    Reader(caller): Reader,
    body: JsonBody,
) -> Result<Response, Problem> {
    let (now, owner) = (app.now(), caller.owner());
    let mut fields = Fields::parse(body.needed()?)?;
    let destination = fields.take::<i64>("destination_id", "This must be the id of a destination.").map(DestinationId);
    let wanted = Wanted {
        trigger: fields.take::<i64>("trigger_id", "This must be the id of a trigger.").map(TriggerId),
        event: fields.take::<i64>("event_id", "This must be the id of an event.").map(EventId),
        payload: take_payload(&mut fields),
    };
    let said = fields.take_rest()?;
    fields.finish()?;
    let sample = sample(&app, owner, wanted, now).await?;
    let current = current(&app, owner, destination).await?;
    let seen = render(&app, owner, said, current.as_ref(), &sample, now).await?;
    Ok(Json(PreviewDocument::of(&sample.event, seen)).into_response())
}

fn take_payload(fields: &mut Fields) -> Option<Payload> {
    let raw = fields.take_raw("payload")?;
    Payload::parse(raw.get()).map_err(|invalid| fields.fail("payload", invalid.message)).ok()
}

async fn current(app: &Shared, owner: UserId, id: Option<DestinationId>) -> Result<Option<Destination>, Fault> {
    let Some(id) = id else { return Ok(None) };
    match app.store.destination(owner, id).await? {
        Some(current) => Ok(Some(current)),
        None => Err(Invalid::new("destination_id", format!("There is no destination {id}.")).into()),
    }
}

/// The event that is wanted. What is another's is not there.
pub(crate) async fn sample(app: &Shared, owner: UserId, wanted: Wanted, now: Timestamp) -> Result<Sample, Fault> {
    let mut sample = match (wanted.trigger, wanted.event) {
        (Some(_), Some(_)) => {
            return Err(Invalid::new("event_id", "Name a trigger or an event, not both.").into());
        }
        (None, None) => Sample::of_nobody(owner, app.ids.message(now), now),
        (Some(id), None) => match app.store.trigger(owner, id).await? {
            Some(armed) => Sample::of_trigger(&armed.trigger, app.ids.message(now), now),
            None => return Err(Invalid::new("trigger_id", format!("There is no trigger {id}.")).into()),
        },
        (None, Some(id)) => {
            let gone_until = app.settings.retention.gone_until(now);
            let Some((event, _)) = app.store.event(owner, id, gone_until).await? else {
                return Err(Invalid::new("event_id", format!("There is no event {id}.")).into());
            };
            let armed = app.store.trigger(owner, event.trigger).await?;
            Sample { event, schedule: armed.and_then(|armed| armed.trigger.definition.schedule) }
        }
    };
    if let Some(payload) = wanted.payload {
        sample.event.payload = payload;
    }
    Ok(sample)
}

/// Renders what was said of a destination that says `current` so far.
///
/// # Errors
/// What creation or an edit would refuse.
pub(crate) async fn render(
    app: &Shared,
    owner: UserId,
    mut said: Map<String, Value>,
    current: Option<&Destination>,
    sample: &Sample,
    now: Timestamp,
) -> Result<Result<Preview, Unfit>, Fault> {
    draw_first(app, &mut said, current.map(|current| current.definition.as_ref()));
    let definition = read(app, owner, said, current).await?;
    Ok(message::preview(sample, definition, &app.source(), &app.zones, now, app.random()))
}

impl PreviewDocument {
    fn of(event: &Event, seen: Result<Preview, Unfit>) -> PreviewDocument {
        // No number of anything is below one, but for the triggers that were only tried out.
        let event = PreviewedEvent {
            id: (event.id.0 != 0).then_some(event.id.0),
            trigger_id: (event.trigger.0 != 0).then_some(event.trigger.0),
            name: event.name.clone(),
            origin: event.origin.word(),
            fired_at: time(event.fired_at),
        };
        let (request, mail, error) = match seen {
            Ok(Preview::Request { method, url, headers, body, json }) => {
                let headers = headers.into_iter().map(|(name, value)| PreviewedHeader { name, value });
                let body = String::from_utf8_lossy(&body).into_owned();
                let (is_json, json_error) = match json {
                    None => (None, None),
                    Some(checked) => (Some(checked.is_ok()), checked.err()),
                };
                let method = method.word();
                (
                    Some(PreviewedRequest { method, url, headers: headers.collect(), body, is_json, json_error }),
                    None,
                    None,
                )
            }
            Ok(Preview::Mail { from, to, subject, text }) => {
                (None, Some(PreviewedMail { from, to, subject, text }), None)
            }
            Err(unfit) => {
                let (line, column) = unfit.fault.map(|fault| (fault.line, fault.column)).unzip();
                (None, None, Some(PreviewError { field: unfit.field, line, column, detail: unfit.words }))
            }
        };
        PreviewDocument { event, request, mail, error }
    }
}
