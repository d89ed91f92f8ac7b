//! Many at once: triggers that are made and triggers that are fired by one call, each item by the rules of the call for one. An
//! item that is wrong refuses itself alone, and everything that the answer says is done is durable. What one item says is read
//! where the call for one reads it; here are only the items, their turn, and their results.

mod answer;
mod carry;
mod fire;
mod items;
mod once;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use oncue_domain::event::Origin;
use oncue_domain::id::{DestinationId, EventId, TriggerId};
use oncue_domain::payload::Payload;
use oncue_domain::store::{Call, NewTrigger};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::dry_run::short::Short;
use super::dry_run::{Run, unmade};
use super::trigger::{TriggerInput, define, to_make};
use super::trigger_calendar::Calendars;
use super::trigger_destination::missing;
use crate::app::{App, Shared};
use crate::auth::{Caller, Firer};
use crate::fault::{Fault, Problem};
use crate::idempotency::{Given, Replayed};
use crate::openapi::MakingErrors;
use answer::{AnswerDocument, Done, replayed, respond};
use carry::carry_out;
use items::{BulkBody, Item};

pub(crate) use items::{is_bulk, is_lines};

/// A firing among many.
#[derive(Deserialize, ToSchema)]
#[schema(as = BulkFiring, example = json!({"trigger_id": 7, "payload": {"key": "value"}}))]
#[expect(
    dead_code,
    reason = "the document of a body that is read field by field, so that every error can name its field"
)]
pub(crate) struct FiringInput {
    /// The `api` trigger to fire.
    trigger_id: i64,
    /// Any JSON value of up to 256 KiB; left out or null, the trigger's own is sent.
    payload: Option<Value>,
}

/// Make many triggers, up to 10 000 in 16 MiB. Each item is the body of the call for one; each result has the status that it
/// would have answered.
#[utoipa::path(post, path = "/api/v1/triggers/bulk", tag = "Triggers", operation_id = "create_triggers",
    params(
        ("dry_run" = Option<bool>, Query, description = "true: nothing is made; the answer says of each item whether it would be, which occurrence it would wait for, and its first ones."),
        ("until" = Option<String>, Query, description = "With dry_run: until when occurrences are told, RFC 3339, at most 400 days from now; else to the end of the seventh day after today."),
    ),
    request_body(description = "A JSON array of triggers, or one of them on each line.", content(
        (Vec<TriggerInput> = "application/json"),
        (String = "application/x-ndjson"),
    )),
    responses((status = 200, description = "What became of each item; lines of results where application/x-ndjson is accepted", content(
        (AnswerDocument = "application/json"),
        (String = "application/x-ndjson", example = "{\"index\":0,\"status\":201,\"id\":7}\n"),
    )), MakingErrors))]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    run: Run,
    given: Given,
    request: Request,
) -> Result<Response, Problem> {
    let owner = caller.owner();
    let body = BulkBody::read(request, &app, owner).await?;
    let items = body.items()?;
    let calendars = Calendars::named_in(&app, owner, body.bytes()).await?;
    let definition = |item: &Item<'_>, now: Timestamp| define((&app, &calendars), item.fields()?, None, None, now);
    if let Run::Dry(until) = run {
        let short = Short::new(&app, owner, until);
        let read = |item: &Item<'_>, now: Timestamp| Ok(unmade(owner, definition(item, now)?, now));
        let look = |new: Vec<NewTrigger>, now: Timestamp| look_at_all(&short, new, now);
        let results = carry_out(&app, owner, &items, read, look).await;
        return Ok(respond(results, body.answers_in_lines()));
    }
    let read = |item: &Item<'_>, now: Timestamp| Ok(to_make(&app, owner, definition(item, now)?, now));
    if let Some(key) = given.recall(&app, &caller, body.bytes()).await? {
        let results = once::make(&app, &caller, &key, &items, read).await;
        return Ok((replayed(&results), respond(results, body.answers_in_lines())).into_response());
    }
    let write = |new: Vec<NewTrigger>, now: Timestamp| make_all(&app, &caller, new, now);
    let results = carry_out(&app, owner, &items, read, write).await;
    Ok(respond(results, body.answers_in_lines()))
}

/// Makes triggers of checked definitions.
async fn make_all(app: &Shared, caller: &Caller, new: Vec<NewTrigger>, now: Timestamp) -> Vec<Result<Done, Fault>> {
    let named: Vec<Vec<DestinationId>> = new.iter().map(|new| new.definition.destinations.clone()).collect();
    let made = app.acting(caller).create_triggers(new, now).await;
    let results = made.into_iter().zip(&named).map(|(made, named)| match made {
        Ok(made) => made.map(|id| Done::Made(id, Replayed::No)).map_err(|gone| missing(named, gone)),
        Err(error) => Err(error.into()),
    });
    results.collect()
}

/// What making triggers of checked definitions would come to.
async fn look_at_all(short: &Short<'_>, new: Vec<NewTrigger>, now: Timestamp) -> Vec<Result<Done, Fault>> {
    let looked = short.look(new, now).await;
    looked.into_iter().map(|looked| looked.map(|would| Done::Looked(Box::new(would)))).collect()
}

/// Fire many api triggers, up to 10 000 times in 16 MiB, in the order of the items. Each result has the status that the call for one
/// would have answered.
#[utoipa::path(post, path = "/api/v1/fire/bulk", tag = "Triggers", operation_id = "fire_triggers",
    request_body(description = "A JSON array of firings, or one of them on each line.", content(
        (Vec<FiringInput> = "application/json"),
        (String = "application/x-ndjson"),
    )),
    responses((status = 200, description = "What became of each item; lines of results where application/x-ndjson is accepted", content(
        (AnswerDocument = "application/json"),
        (String = "application/x-ndjson", example = "{\"index\":0,\"status\":200,\"event_id\":29}\n"),
    )), MakingErrors))]
pub(crate) async fn fire(
    State(app): State<App>,
    Firer(caller): Firer,
    given: Given,
    request: Request,
) -> Result<Response, Problem> {
    let owner = caller.owner();
    let body = BulkBody::read(request, &app, owner).await?;
    let items = body.items()?;
    let key = given.recall(&app, &caller, body.bytes()).await?;
    let read = |item: &Item<'_>, now: Timestamp| {
        let (trigger, payload) = read_firing(item)?;
        let checked = app.schemas.vouch(owner, trigger, payload.as_ref());
        Ok((item.index, (trigger, Call { origin: Origin::Api, payload, checked, message_id: app.ids.message(now) })))
    };
    let write = |calls: Vec<fire::Item>, now: Timestamp| fire::fire_all(&app, owner, key.as_ref(), calls, now);
    let results = match &key {
        None => carry_out(&app, owner, &items, read, write).await,
        Some(key) => {
            let (before, open) = once::split(key, &items, |number| Done::Fired(EventId(number), Replayed::Yes));
            once::merge(before, carry_out(&app, owner, &open, read, write).await)
        }
    };
    Ok((replayed(&results), respond(results, body.answers_in_lines())).into_response())
}

fn read_firing(item: &Item<'_>) -> Result<(TriggerId, Option<Payload>), Fault> {
    let expected = "This must be the id of a trigger.";
    let mut fields = item.fields()?;
    let trigger = fields.take::<i64>("trigger_id", expected);
    if trigger.is_none() && fields.errors.is_empty() {
        fields.fail("trigger_id", format!("This is needed. {expected}"));
    }
    let payload = fields.take_raw("payload").and_then(|raw| match Payload::parse(raw.get()) {
        Ok(payload) => Some(payload),
        Err(error) => {
            fields.fail("payload", error.message);
            None
        }
    });
    fields.finish()?;
    Ok((TriggerId(trigger.expect("one that is missing was refused")), payload))
}
