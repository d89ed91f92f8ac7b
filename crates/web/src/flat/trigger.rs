//! Triggers on surface one: six fields, and six sentences for what can be wrong with them.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use oncue_domain::event::Origin;
use oncue_domain::payload::{PAYLOAD_BYTES_MAX, Payload};
use oncue_domain::schedule::every::Period;
use oncue_domain::schedule::zone::{Zones, parse_instant};
use oncue_domain::schedule::{FirstFiring, Schedule};
use oncue_domain::trigger::{Armed, Definition, Kind, Listed, ScheduleDetails, ScheduleWish, parse_name};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::dry_run::{FlatChanged, FlatDeleted, VOICE};
use super::time;
use crate::api::dry_run::{Run, RunQuery, of_change, of_deleting, of_making};
use crate::api::fire::{FiredDocument, fire_once, read_payload};
use crate::api::page::{Gathered, gather_triggers, next_limit, number_of, respond, take_page};
use crate::api::trigger::{Base, change, load, make, make_once, trigger_id};
use crate::api::trigger_destination;
use crate::app::App;
use crate::auth::{Caller, Firer};
use crate::extract::{Fields, JsonBody, PathId, Query, id_of};
use crate::fault::{Fault, FlatFault};
use crate::idempotency::{Given, Replayed};
use crate::openapi::{FlatErrors, FlatMakingErrors};
use crate::payload_schema::check_own;

const WRONG_TYPE: &str = "Trigger type must be either 'scheduled' or 'api'.";
const NO_INTERVAL: &str = "Recurring triggers must have 'interval_seconds' defined.";
const NO_SCHEDULE: &str = "Scheduled triggers must have 'schedule' or recurring enabled.";
const IN_THE_PAST: &str = "Scheduled time must be in the future.";
const NOT_JSON: &str = "Payload must be valid JSON.";
const API_WITH_SCHEDULE: &str = "API triggers must not have 'schedule' or recurring enabled.";

/// A trigger as surface one shows it.
#[derive(Serialize, ToSchema)]
#[schema(as = FlatTrigger, example = json!({
    "name": "trigger1", "trigger_type": "scheduled", "payload": "{}", "schedule": "2027-01-26T08:43:51.801000",
    "is_recurring": false, "interval_seconds": 0, "id": 1
}))]
pub(crate) struct FlatTrigger {
    name: String,
    /// `scheduled` or `api`.
    trigger_type: &'static str,
    /// A string that holds JSON; null only where a trigger that was tried out named none.
    payload: Option<String>,
    /// UTC, six digits, no offset.
    schedule: Option<String>,
    is_recurring: bool,
    interval_seconds: u64,
    /// Negative for a trigger that was only tried out.
    id: i64,
}

impl FlatTrigger {
    pub(super) fn of(armed: &Armed) -> FlatTrigger {
        let Armed { trigger, next_at, .. } = armed;
        let view = View::of(&trigger.definition, *next_at);
        FlatTrigger {
            name: view.name,
            trigger_type: view.kind.word(),
            payload: Some(trigger.definition.payload.as_ref().unwrap_or(&Payload::empty()).as_str().to_owned()),
            schedule: view.schedule.map(time),
            is_recurring: view.is_recurring,
            interval_seconds: view.interval_seconds,
            id: trigger.id.0,
        }
    }
}

/// What surface one can say about a trigger.
#[derive(Clone, Debug, PartialEq)]
struct View {
    name: String,
    kind: Kind,
    schedule: Option<Timestamp>,
    is_recurring: bool,
    interval_seconds: u64,
}

impl View {
    fn of(definition: &Definition, next_at: Option<Timestamp>) -> View {
        let (schedule, is_recurring, interval_seconds) =
            match definition.schedule.as_ref().map(ScheduleDetails::pattern) {
                None => (None, false, 0),
                Some(Schedule::Once { at }) => (Some(*at), false, 0),
                Some(Schedule::Every { period, anchor, first }) => {
                    ((*first == FirstFiring::AtAnchor).then_some(*anchor), true, period.whole_seconds())
                }
                Some(Schedule::Cron { .. } | Schedule::Recurrence(_) | Schedule::AnyOf(_)) => (next_at, true, 0),
            };
        View {
            name: definition.name.clone().unwrap_or_default(),
            kind: definition.kind(),
            schedule,
            is_recurring,
            interval_seconds,
        }
    }
}

/// What a body says; what it leaves out or sets to null is none, but a null `schedule` is a word of its own.
#[derive(Deserialize, ToSchema)]
#[schema(as = FlatTriggerInput, example = json!({
    "name": "trigger1", "trigger_type": "scheduled", "payload": "{}", "schedule": "2027-01-26T08:43:51.801000",
    "is_recurring": false, "interval_seconds": 0
}))]
pub(crate) struct FlatTriggerInput {
    name: Option<String>,
    /// `scheduled` or `api`.
    trigger_type: Option<String>,
    /// A string that holds JSON.
    payload: Option<String>,
    /// The time, or the first of a recurring trigger; without an offset in UTC.
    #[schema(value_type = Option<String>)]
    schedule: Option<Option<Timestamp>>,
    is_recurring: Option<bool>,
    #[schema(value_type = Option<i64>)]
    interval_seconds: Option<i64>,
}

impl FlatTriggerInput {
    fn read(body: &JsonBody) -> Result<(FlatTriggerInput, Fields), FlatFault> {
        let bytes = body.0.as_deref().unwrap_or_default();
        let mut fields = Fields::parse(bytes).map_err(|fault| match fault {
            // What is not JSON is not the JSON of a trigger either: surface one has one answer for both.
            Fault::Refused(StatusCode::BAD_REQUEST, detail) => {
                Fault::Invalid(vec![oncue_domain::error::Invalid::new("", detail)])
            }
            fault => fault,
        })?;
        let schedule = if fields.has("schedule") {
            Some(fields.take_with("schedule", |text| parse_instant(text, &Zones::utc())))
        } else {
            None
        };
        let input = FlatTriggerInput {
            name: fields.take("name", "Input should be a valid string"),
            trigger_type: fields.take("trigger_type", "Input should be a valid string"),
            payload: fields.take("payload", "Input should be a valid string"),
            schedule,
            is_recurring: fields.take("is_recurring", "Input should be a valid boolean"),
            interval_seconds: fields.take("interval_seconds", "Input should be a valid integer"),
        };
        if let Some(name) = &input.name
            && let Err(error) = parse_name(name)
        {
            fields.errors.push(error);
        }
        if input.interval_seconds.is_some_and(|seconds| seconds > 0 && period(seconds).is_err()) {
            fields.fail("interval_seconds", "Input should be at most 366 days");
        }
        Ok((input, fields))
    }

    /// Everything is said that a new trigger needs.
    fn whole(body: &JsonBody) -> Result<FlatTriggerInput, FlatFault> {
        let (input, mut fields) = FlatTriggerInput::read(body)?;
        for (name, is_there) in [("name", input.name.is_some()), ("trigger_type", input.trigger_type.is_some())] {
            if !is_there && !fields.errors.iter().any(|error| error.field == name) {
                fields.fail(name, "Field required");
            }
        }
        input.checked(fields)
    }

    /// Whatever is said is of its kind; further fields are let be, as they always were on this surface.
    fn part(body: &JsonBody) -> Result<FlatTriggerInput, FlatFault> {
        let (input, fields) = FlatTriggerInput::read(body)?;
        input.checked(fields)
    }

    fn checked(self, fields: Fields) -> Result<FlatTriggerInput, FlatFault> {
        if fields.errors.is_empty() { Ok(self) } else { Err(Fault::Invalid(fields.errors).into()) }
    }
}

fn period(seconds: i64) -> Result<Period, ()> {
    u64::try_from(seconds).map_err(|_| ()).and_then(|seconds| Period::from_seconds(seconds).map_err(|_| ()))
}

fn refuse(words: &str) -> Fault {
    Fault::new(StatusCode::BAD_REQUEST, words)
}

/// Carries out what `input` says on `definition`, checking only what it names.
fn apply(
    app: &App,
    input: &FlatTriggerInput,
    mut definition: Definition,
    before: Option<&View>,
    now: Timestamp,
) -> Result<Definition, Fault> {
    let kind = match (&input.trigger_type, before) {
        (Some(word), _) => Kind::from_word(word).ok_or_else(|| refuse(WRONG_TYPE))?,
        (None, Some(view)) => view.kind,
        (None, None) => Kind::Api,
    };
    let is_recurring = input.is_recurring.or(before.map(|view| view.is_recurring)).unwrap_or_default();
    let schedule = input.schedule.unwrap_or(before.and_then(|view| view.schedule));
    let interval = match (input.interval_seconds, before) {
        (Some(seconds), _) => seconds,
        (None, Some(view)) => i64::try_from(view.interval_seconds).unwrap_or(i64::MAX),
        (None, None) => 0,
    };
    let after = View {
        name: String::new(),
        kind,
        schedule,
        is_recurring,
        interval_seconds: u64::try_from(interval).unwrap_or_default(),
    };
    // What was read can be put back. A cron line cannot be said here, and what is shown as its `schedule` moves on by
    // itself; it stands as long as nothing else about the schedule is changed.
    let stands = before.is_some_and(|view| {
        let shown = if shows_next(&definition) { after.schedule } else { view.schedule };
        View { name: String::new(), schedule: shown, ..view.clone() } == after
    });
    if !stands && kind == Kind::Scheduled {
        if is_recurring && interval <= 0 {
            return Err(refuse(NO_INTERVAL));
        }
        if !is_recurring && schedule.is_none() {
            return Err(refuse(NO_SCHEDULE));
        }
        let is_new = before.is_none_or(|view| view.schedule != schedule);
        if input.schedule.is_some() && is_new && schedule.is_some_and(|at| at <= now) {
            return Err(refuse(IN_THE_PAST));
        }
    }
    if let Some(text) = &input.payload {
        if text.len() > PAYLOAD_BYTES_MAX {
            return Err(refuse("Payload must have at most 262144 bytes."));
        }
        let payload = Payload::parse(text).map_err(|_| refuse(NOT_JSON))?;
        // What is shown where there is none can be put back without making one.
        let shown = before.is_some() && definition.payload.is_none() && payload == Payload::empty();
        if !shown {
            definition.payload = Some(payload);
        }
    }
    if kind == Kind::Api && (is_recurring || schedule.is_some()) {
        return Err(refuse(API_WITH_SCHEDULE));
    }
    if let Some(name) = &input.name {
        definition.name = parse_name(name)?;
    }
    if let Some(wrong) = check_own(&definition).into_iter().next() {
        return Err(refuse(&format!("Payload must fit the trigger's schema. {}", wrong.message)));
    }
    if !stands {
        definition.schedule = place(app, &after, &definition, now)?;
    }
    Ok(definition)
}

/// Whether what is shown as its schedule is its next occurrence, because this surface cannot say the pattern.
fn shows_next(definition: &Definition) -> bool {
    let pattern = definition.schedule.as_ref().map(ScheduleDetails::pattern);
    matches!(pattern, Some(Schedule::Cron { .. } | Schedule::Recurrence(_) | Schedule::AnyOf(_)))
}

fn place(app: &App, view: &View, definition: &Definition, now: Timestamp) -> Result<Option<ScheduleDetails>, Fault> {
    if view.kind == Kind::Api {
        return Ok(None);
    }
    let wish = if view.is_recurring {
        let period = Period::from_seconds(view.interval_seconds).map_err(|_| refuse(NO_INTERVAL))?;
        ScheduleWish::Every { period, start_at: view.schedule }
    } else {
        ScheduleWish::RunAt(view.schedule.ok_or_else(|| refuse(NO_SCHEDULE))?)
    };
    let before = definition.schedule.as_ref();
    let timezone = before.and_then(|details| details.timezone().cloned());
    // What this surface cannot say stays as it was, as far as it can be said of the new schedule.
    let terms = before.map(|details| details.terms().fitting(&wish)).unwrap_or_default();
    let placed = wish.place(timezone, terms, &app.settings.zone, definition.schedule.as_ref(), now);
    placed.map(Some).map_err(|_| refuse(IN_THE_PAST))
}

fn blank() -> Definition {
    Definition {
        name: None,
        schedule: None,
        payload: None,
        payload_schema: None,
        webhook: None,
        destinations: Vec::new(),
        expects: None,
        overlap: oncue_domain::overlap::Overlap::Allow,
        is_test: false,
        enabled: true,
        pause: None,
        expires_at: None,
    }
}

/// List triggers, in ascending order of their ids.
///
/// One that cannot be read has no place here: `GET /api/v1/triggers` shows it, with what is wrong with it.
#[utoipa::path(get, path = "/triggers", tag = "Flat: triggers", operation_id = "flat_list_triggers",
    params(
        ("limit" = Option<u32>, Query, minimum = 1, description = "How many items, at most 200; without it up to 1 000."),
        ("cursor" = Option<String>, Query, description = "Where to go on, from the Link header of the page before."),
    ),
    responses((status = 200, body = [FlatTrigger]), FlatErrors))]
pub(crate) async fn list(State(app): State<App>, caller: Caller, mut query: Query) -> Result<Response, FlatFault> {
    let page = take_page(&mut query, id_of);
    query.finish()?;
    let after = page.cursor.map(oncue_domain::id::TriggerId);
    let Gathered { items: triggers, more } =
        gather_triggers(app.store.as_ref(), caller.owner(), after, page.limit).await?;
    let next = triggers
        .last()
        .filter(|_| more)
        .map(|last| vec![("limit", next_limit(page.limit)), ("cursor", number_of(last).to_string())]);
    // Six fields cannot say that a trigger cannot be read.
    let items: Vec<_> = triggers.into_iter().filter_map(Listed::read).map(|armed| FlatTrigger::of(&armed)).collect();
    Ok(respond(&items, "/triggers", next))
}

/// Make a trigger.
#[utoipa::path(post, path = "/triggers", tag = "Flat: triggers", operation_id = "flat_create_trigger",
    params(RunQuery),
    request_body = FlatTriggerInput, responses((status = 200, body = FlatChanged), FlatMakingErrors))]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    run: Run,
    given: Given,
    body: JsonBody,
) -> Result<Response, FlatFault> {
    let input = FlatTriggerInput::whole(&body)?;
    let read = |now| apply(&app, &input, blank(), None, now);
    if let Run::Dry(until) = run {
        let now = app.now();
        return Ok(of_making(&app, &caller, read(now)?, (now, until), &VOICE).await?);
    }
    let (armed, replayed) = match given.recall_json(&app, &caller, &body).await? {
        Some(key) => make_once(&app, &caller, &key, read).await?,
        None => {
            let now = app.now();
            (make(&app, &caller, read(now)?, now).await?, Replayed::No)
        }
    };
    Ok((replayed, Json(FlatTrigger::of(&armed))).into_response())
}

/// Try a trigger out: nothing is stored but one test event, which is delivered like any other.
#[utoipa::path(post, path = "/triggers/test", tag = "Flat: triggers", operation_id = "flat_test_trigger",
    request_body = FlatTriggerInput, responses((status = 200, body = FlatTrigger), FlatMakingErrors))]
pub(crate) async fn test(State(app): State<App>, Firer(caller): Firer, body: JsonBody) -> Result<Response, FlatFault> {
    let now = app.now();
    let input = FlatTriggerInput::whole(&body)?;
    let definition = apply(&app, &input, blank(), None, now)?;
    let tried = app.acting(&caller).fire_unkept(caller.owner(), definition.into(), app.ids.message(now), now).await?;
    let id = tried.map_err(|missing| trigger_destination::missing(&[], missing))?;
    metrics::counter!("oncue_firings_total", "origin" => Origin::Test.word()).increment(1);
    let read = FlatTrigger {
        name: input.name.unwrap_or_default(),
        trigger_type: input.trigger_type.as_deref().and_then(Kind::from_word).unwrap_or(Kind::Api).word(),
        payload: input.payload,
        schedule: input.schedule.flatten().map(|at| format!("{}Z", time(at))),
        is_recurring: input.is_recurring.unwrap_or_default(),
        interval_seconds: input.interval_seconds.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or_default(),
        id: id.0,
    };
    Ok(Json(read).into_response())
}

/// Show one trigger.
#[utoipa::path(get, path = "/triggers/{id}", tag = "Flat: triggers", operation_id = "flat_get_trigger",
    params(("id" = i64, Path)), responses((status = 200, body = FlatTrigger), FlatErrors))]
pub(crate) async fn get(State(app): State<App>, caller: Caller, PathId(id): PathId) -> Result<Response, FlatFault> {
    let armed = load(&app, caller.owner(), &id).await?;
    Ok(Json(FlatTrigger::of(&armed)).into_response())
}

/// Change a trigger: only what the body names.
#[utoipa::path(put, path = "/triggers/{id}", tag = "Flat: triggers", operation_id = "flat_change_trigger",
    params(("id" = i64, Path), RunQuery),
    request_body = FlatTriggerInput, responses((status = 200, body = FlatChanged), FlatMakingErrors))]
pub(crate) async fn edit(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
    run: Run,
    body: JsonBody,
) -> Result<Response, FlatFault> {
    let id = trigger_id(&id)?;
    let input = FlatTriggerInput::part(&body)?;
    let decide = |current: &Armed, now| {
        let definition = &current.trigger.definition;
        apply(&app, &input, definition.clone(), Some(&View::of(definition, current.next_at)), now)
    };
    if let Run::Dry(until) = run {
        return Ok(of_change(&app, &caller, (id, Base::Whole), until, decide).await?.respond(&app, &VOICE));
    }
    let armed = change(&app, &caller, id, decide).await?;
    Ok(Json(FlatTrigger::of(&armed)).into_response())
}

/// Delete a trigger; its events stay until age ends them.
#[utoipa::path(delete, path = "/triggers/{id}", tag = "Flat: triggers", operation_id = "flat_delete_trigger",
    params(("id" = i64, Path), RunQuery),
    responses((status = 200, body = FlatDeleted), FlatErrors))]
pub(crate) async fn delete(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
    run: Run,
) -> Result<Response, FlatFault> {
    let id = trigger_id(&id)?;
    if let Run::Dry(until) = run {
        return Ok(of_deleting(&app, &caller, id, until, &VOICE).await?);
    }
    if !app.acting(&caller).delete_trigger(caller.owner(), id, app.now()).await? {
        return Err(Fault::not_found("Trigger").into());
    }
    Ok(Json(json!({"detail": "Trigger deleted successfully from scheduler and database"})).into_response())
}

/// Fire an api trigger. The body is the payload; without one the trigger's own is sent.
#[utoipa::path(post, path = "/triggers/{id}/fire", tag = "Flat: triggers", operation_id = "flat_fire_trigger",
    params(("id" = i64, Path)), request_body(content = Option<serde_json::Value>, description = "Any JSON value of up to 256 KiB."),
    responses((status = 200, body = FiredDocument), FlatMakingErrors, (status = 409, description = "Paused or expired", body = crate::fault::FlatErrorDocument)))]
pub(crate) async fn fire(
    State(app): State<App>,
    Firer(caller): Firer,
    PathId(id): PathId,
    given: Given,
    body: JsonBody,
) -> Result<Response, FlatFault> {
    let id = trigger_id(&id)?;
    let payload = read_payload(&body)?;
    let under = given.recall_json(&app, &caller, &body).await?;
    let (event, replayed) = fire_once(&app, &caller, under.as_ref(), id, Origin::Api, payload).await?;
    Ok((replayed, Json(FiredDocument::new(event))).into_response())
}
