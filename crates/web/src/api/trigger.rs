//! Triggers on surface two: what one looks like in JSON, and the calls that make, show, change and delete it.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use oncue_domain::destination::{Format, Webhook};
use oncue_domain::freeze::{remembered_since, seen_through};
use oncue_domain::id::{TriggerId, UserId};
use oncue_domain::occurrence::Skipped;
use oncue_domain::overlap::Overlap;
use oncue_domain::payload::Payload;
use oncue_domain::payload_schema::PayloadSchema;
use oncue_domain::revision::Deletion;
use oncue_domain::schedule::observed::Observed;
use oncue_domain::schedule::zone::Zone;
use oncue_domain::store::{Deed, DeletedTrigger, Done, Edited, Error, Missing, NewTrigger, SkippedView, Store};
use oncue_domain::trigger::{
    Armed, Definition, Edit, Kind, Listed, Remains, ScheduleDetails, Trigger, TriggerHead, Unreadable, parse_name,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::dry_run::voice::ACCOUNT;
use super::dry_run::{ChangedDocument, DryRunDocument, Run, RunQuery, of_change, of_deleting, of_making};
use super::page::{Gathered, gather_triggers, next_limit, number_of, respond, take_page};
use super::pause::{self, PauseDocument};
use super::run::{self, ExpectsDocument};
use super::schedule::{Preview, ScheduleDocument, read_wish};
use super::time;
use super::trigger_calendar::Calendars;
use super::trigger_destination;
use super::why::is_under_way;
use crate::app::{App, Shared};
use crate::auth::Caller;
use crate::extract::{Fields, JsonBody, PathId, Query, id_of};
use crate::fault::{Fault, Problem};
use crate::idempotency::{Before, Given, Recalled, Replayed, other};
use crate::openapi::{Errors, MakingErrors};
use crate::payload_schema::check_own;

/// A trigger.
#[derive(Serialize, ToSchema)]
#[schema(as = Trigger, example = json!({
    "id": 7, "name": "nightly", "type": "scheduled", "schedule_details": {"cron": "0 9 * * 1-5", "timezone": "Europe/Riga"},
    "api_payload": {"key": "value"}, "payload_schema": null, "is_test": false, "enabled": true, "pause": null,
    "created_at": "2026-11-21T10:00:00Z",
    "expires_at": "2027-12-31T00:00:00Z", "webhook_url": "https://example.com/hook", "format": "json", "destinations": [7], "expects": null, "overlap": "allow", "revision": 1,
    "next_at": "2026-11-23T07:00:00Z", "fired": null, "jitter_offset_ms": null, "summary": "At 09:00, Monday to Friday", "timezone": "Europe/Riga"
}))]
pub(crate) struct TriggerDocument {
    id: i64,
    name: Option<String>,
    /// `scheduled` or `api`.
    r#type: &'static str,
    schedule_details: Option<ScheduleDocument>,
    /// What its events carry, any JSON value.
    #[schema(value_type = Value)]
    api_payload: Option<Box<RawValue>>,
    /// What the payloads of calls have to be like: JSON Schema, draft 2020-12; `api` only.
    #[schema(value_type = Value)]
    payload_schema: Option<Box<RawValue>>,
    is_test: bool,
    enabled: bool,
    /// What is said of its pause; null where it is not paused, and where nothing is said.
    pause: Option<PauseDocument>,
    created_at: String,
    expires_at: Option<String>,
    webhook_url: Option<String>,
    /// `json`, `discord` or `slack`.
    format: Option<&'static str>,
    /// The ids of the destinations that each of its events goes to as well.
    destinations: Vec<i64>,
    /// What is to be reported of each of its events; null where nothing is.
    expects: Option<ExpectsDocument>,
    /// What becomes of what falls due while an event of it is under way: `allow`, `skip` or `queue`.
    overlap: &'static str,
    /// Counts its edits.
    revision: i64,
    /// When the occurrence that it waits for falls due.
    next_at: Option<String>,
    /// How often its schedule has fired it since `max_fires` was first said; null where there is no such limit.
    fired: Option<u64>,
    /// How much later than its nominal time an occurrence falls due, by the `jitter`, where the next one is not nearer than that is wide; null
    /// where there is none.
    jitter_offset_ms: Option<i64>,
    /// Its schedule in words.
    summary: Option<String>,
    /// The zone its schedule is read in.
    timezone: Option<String>,
    /// What its schedule has taken over of the calendars that it names; left out where it names none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    calendars: Vec<ObservedDocument>,
    /// What is wrong with a trigger that cannot be read, and so does not fire; left out where it can. Lists alone show such a trigger: of what it
    /// says no more than its `id`, `name`, `type`, `enabled` and `created_at`, and all else as if it said nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<ProblemOfTrigger>,
}

/// What is wrong with a trigger that cannot be read.
#[derive(Serialize, ToSchema)]
#[schema(as = TriggerProblem, example = json!({"field": "schedule_details", "detail": "the time zone Mars/Base is not known to this release"}))]
pub(crate) struct ProblemOfTrigger {
    /// The field that cannot be read; null where it is none that can be said.
    field: Option<&'static str>,
    /// Why not.
    detail: String,
}

impl ProblemOfTrigger {
    pub(crate) fn of(problem: &oncue_domain::trigger::Problem) -> ProblemOfTrigger {
        ProblemOfTrigger { field: problem.field, detail: problem.why.clone() }
    }
}

/// What a schedule has taken over of a calendar.
#[derive(Serialize, ToSchema)]
#[schema(as = ObservedCalendar, example = json!({"id": 3, "name": "holidays", "revision": 2, "dates": 15}))]
pub(crate) struct ObservedDocument {
    id: i64,
    name: String,
    /// The revision of the calendar that this is.
    revision: i64,
    /// How many dates that one held.
    dates: usize,
}

impl ObservedDocument {
    pub(crate) fn of(observed: &Observed) -> ObservedDocument {
        let (id, name) = (observed.calendar.0, observed.name.clone());
        ObservedDocument { id, name, revision: observed.revision, dates: observed.dates.dates().len() }
    }
}

/// The fields of a trigger that are shown and cannot be set.
const READ_ONLY: [&str; 9] =
    ["id", "created_at", "revision", "next_at", "fired", "jitter_offset_ms", "summary", "timezone", "calendars"];

impl TriggerDocument {
    /// The trigger as it stands now.
    pub(crate) fn of(app: &Shared, armed: &Armed) -> TriggerDocument {
        TriggerDocument::at(app, armed, app.now())
    }

    /// The trigger as its user said it, also where a pause is over by now.
    pub(crate) fn as_said(app: &Shared, trigger: &Trigger) -> TriggerDocument {
        TriggerDocument::at(app, &Armed { trigger: trigger.clone(), next_at: None, fired: 0 }, Timestamp::MIN)
    }

    fn at(app: &Shared, armed: &Armed, at: Timestamp) -> TriggerDocument {
        let Armed { trigger, fired, .. } = armed;
        let definition = &trigger.definition;
        TriggerDocument {
            id: trigger.id.0,
            name: definition.name.clone(),
            r#type: definition.kind().word(),
            schedule_details: definition.schedule.as_ref().map(ScheduleDocument::of),
            api_payload: definition.payload.as_ref().map(Payload::to_raw),
            payload_schema: definition.payload_schema.as_ref().map(PayloadSchema::to_raw),
            is_test: definition.is_test,
            enabled: !definition.is_paused_at(at),
            pause: definition.pause_at(at).map(PauseDocument::of),
            created_at: time(trigger.created_at),
            expires_at: definition.expires_at.map(time),
            webhook_url: definition.webhook.as_ref().map(|webhook| webhook.url.to_string()),
            format: definition.webhook.as_ref().map(|webhook| webhook.format.word()),
            destinations: definition.destinations.iter().map(|id| id.0).collect(),
            expects: definition.expects.as_ref().map(ExpectsDocument::of),
            overlap: definition.overlap.word(),
            revision: trigger.revision,
            next_at: armed.next_firing_at().map(time),
            fired: definition.is_limited().then_some(*fired),
            jitter_offset_ms: definition
                .schedule
                .as_ref()
                .and_then(|details| i64::try_from(details.offset()?.as_millis()).ok()),
            summary: definition.schedule.as_ref().map(|details| details.summary()),
            timezone: definition.schedule.as_ref().map(|details| zone_of(app, details).name().to_owned()),
            calendars: definition.calendars().iter().map(|observed| ObservedDocument::of(observed)).collect(),
            problem: None,
        }
    }

    /// What a list says of a trigger that cannot be read.
    pub(crate) fn of_unreadable(unreadable: &Unreadable) -> TriggerDocument {
        TriggerDocument {
            id: unreadable.id.0,
            name: unreadable.name.clone(),
            r#type: unreadable.kind.word(),
            schedule_details: None,
            api_payload: None,
            payload_schema: None,
            is_test: false,
            enabled: unreadable.enabled,
            pause: None,
            created_at: time(unreadable.created_at),
            expires_at: None,
            webhook_url: None,
            format: None,
            destinations: Vec::new(),
            expects: None,
            overlap: Overlap::Allow.word(),
            revision: unreadable.revision,
            next_at: None,
            fired: None,
            jitter_offset_ms: None,
            summary: None,
            timezone: None,
            calendars: Vec::new(),
            problem: Some(ProblemOfTrigger::of(&unreadable.problem)),
        }
    }
}

/// The zone that a schedule is read and shown in.
pub(crate) fn zone_of<'a>(app: &'a Shared, details: &'a ScheduleDetails) -> &'a Zone {
    details.zone().unwrap_or(&app.settings.zone)
}

/// What can be said about a trigger when it is made or changed; all but `type` may be left out.
#[derive(Deserialize, ToSchema)]
#[schema(as = TriggerInput, example = json!({
    "name": "nightly", "type": "scheduled", "schedule_details": {"cron": "0 9 * * 1-5", "timezone": "Europe/Riga"},
    "api_payload": {"key": "value"}, "webhook_url": "https://example.com/hook"
}))]
#[expect(
    dead_code,
    reason = "the document of a body that is read field by field, so that every error can name its field"
)]
pub(crate) struct TriggerInput {
    /// At most 200 characters.
    name: Option<String>,
    /// `scheduled` or `api`; cannot be changed.
    r#type: Option<String>,
    schedule_details: Option<ScheduleDocument>,
    /// Any JSON value of up to 256 KiB.
    api_payload: Option<Value>,
    /// JSON Schema (draft 2020-12) of up to 16 KiB that every payload of a call has to fit; `api` only.
    payload_schema: Option<Value>,
    /// Log one test event at once, keep the trigger, and never schedule it.
    is_test: Option<bool>,
    /// False pauses.
    enabled: Option<bool>,
    /// Why it is paused, and until when; pauses it where `enabled` is left out.
    pause: Option<PauseDocument>,
    /// An occurrence at or after this time does not fire, not even late.
    expires_at: Option<String>,
    /// Where its events go.
    webhook_url: Option<String>,
    /// `json`, `discord` or `slack`; recognised from the address when left out.
    format: Option<String>,
    /// The ids of destinations of yours, at most 16: each event goes to all of them, besides the `webhook_url`.
    destinations: Option<Vec<i64>>,
    /// What is to be reported of each of its events, by whoever receives them.
    expects: Option<ExpectsDocument>,
    /// What becomes of what falls due while an event of it is under way, a delivery owed or a report expected: `allow` fires it all the same,
    /// `skip` does not fire it, `queue` fires the latest of it once that has ended.
    overlap: Option<String>,
}

/// Reads a definition out of a body. `base` is what fields that are left out keep, `current` what the trigger is now.
pub(crate) fn read_definition(
    (app, calendars): (&Shared, &Calendars),
    bytes: &[u8],
    base: Option<&Definition>,
    current: Option<&Definition>,
    now: Timestamp,
) -> Result<Definition, Fault> {
    define((app, calendars), Fields::parse(bytes)?, base, current, now)
}

/// Makes a definition of the fields of a body.
pub(super) fn define(
    (app, calendars): (&Shared, &Calendars),
    mut fields: Fields,
    base: Option<&Definition>,
    current: Option<&Definition>,
    now: Timestamp,
) -> Result<Definition, Fault> {
    fields.ignore(&READ_ONLY);
    if fields.raw("problem").is_some_and(|problem| problem != "null") {
        fields.fail(
            "problem",
            "What a list shows of a trigger that cannot be read is not all that it said; say all of it anew, and leave this out.",
        );
    }
    fields.ignore(&["problem"]);
    let kind = read_kind(&mut fields, current);
    let mut definition = base.cloned().map(|base| base.as_of(now)).unwrap_or(Definition {
        name: None,
        schedule: None,
        payload: None,
        payload_schema: None,
        webhook: None,
        destinations: Vec::new(),
        expects: None,
        overlap: Overlap::Allow,
        is_test: false,
        enabled: true,
        pause: None,
        expires_at: None,
    });
    if fields.has("name") {
        definition.name = fields.take_with("name", |text| parse_name(text).map_err(|error| error.message)).flatten();
    }
    let mut zone = app.settings.zone.clone();
    if fields.has("schedule_details") {
        let current = current.and_then(|current| current.schedule.as_ref());
        let (details, named) = read_schedule((app, calendars), &mut fields, current, now);
        definition.schedule = details;
        zone = named.unwrap_or(zone);
    } else if let Some(details) = &definition.schedule {
        zone = zone_of(app, details).clone();
    }
    match kind {
        Some(Kind::Scheduled) if definition.schedule.is_none() && fields.errors.is_empty() => {
            fields.fail(
                "schedule_details",
                "A scheduled trigger needs exactly one of run_at, every, cron, rrule and any_of here.",
            );
        }
        Some(Kind::Api) if definition.schedule.is_some() => {
            fields.fail("schedule_details", "An api trigger has no schedule; leave this out.");
        }
        _ => {}
    }
    if fields.has("api_payload") {
        definition.payload = fields.take_raw("api_payload").and_then(|raw| match Payload::parse(raw.get()) {
            Ok(payload) => Some(payload),
            Err(error) => {
                fields.fail("api_payload", error.message);
                None
            }
        });
    }
    read_payload_schema(&mut fields, &mut definition, kind);
    let is_switched = fields.has("enabled");
    for (name, flag, default) in
        [("is_test", &mut definition.is_test, false), ("enabled", &mut definition.enabled, true)]
    {
        if fields.has(name) {
            *flag = fields.take(name, "This must be true or false.").unwrap_or(default);
        }
    }
    if fields.has("pause") {
        pause::read(&mut fields, &mut definition, is_switched, &zone, now);
    } else if definition.enabled {
        definition.pause = None;
    }
    if fields.has("expires_at") {
        definition.expires_at = fields.take_instant("expires_at", &zone);
        let is_unchanged = current.is_some_and(|current| current.expires_at == definition.expires_at);
        if definition.expires_at.is_some_and(|end| end <= now) && !is_unchanged {
            fields.fail("expires_at", "The expiry must be in the future.");
        }
    }
    read_webhook(app, &mut fields, &mut definition, current);
    if fields.has("destinations") {
        definition.destinations = trigger_destination::read(&mut fields);
    }
    if fields.has("expects") {
        definition.expects = run::read(app, &mut fields);
    }
    if fields.has("overlap") {
        definition.overlap = read_overlap(&mut fields);
    }
    if fields.errors.is_empty() {
        fields.errors.extend(check_own(&definition));
    }
    fields.finish()?;
    Ok(definition)
}

fn read_overlap(fields: &mut Fields) -> Overlap {
    let expected = "This is \"allow\", \"skip\" or \"queue\".";
    let word: Option<String> = fields.take("overlap", expected);
    let Some(word) = word else { return Overlap::Allow };
    Overlap::from_word(&word).unwrap_or_else(|| {
        fields.fail("overlap", expected);
        Overlap::Allow
    })
}

fn read_payload_schema(fields: &mut Fields, definition: &mut Definition, kind: Option<Kind>) {
    if fields.has("payload_schema") {
        definition.payload_schema =
            fields.take_raw("payload_schema").and_then(|raw| match PayloadSchema::parse(raw.get()) {
                Ok(schema) => Some(schema),
                Err(error) => {
                    fields.fail("payload_schema", error.message);
                    None
                }
            });
    }
    if kind == Some(Kind::Scheduled) && definition.payload_schema.is_some() {
        fields.fail("payload_schema", "Only an api trigger has calls whose payloads could be checked; leave this out.");
    }
}

fn read_kind(fields: &mut Fields, current: Option<&Definition>) -> Option<Kind> {
    let expected = "The type is \"scheduled\" or \"api\".";
    let named = match fields.take::<String>("type", expected) {
        Some(word) => match Kind::from_word(&word) {
            Some(kind) => Some(kind),
            None => {
                fields.fail("type", expected);
                return None;
            }
        },
        None => None,
    };
    match (named, current.map(Definition::kind)) {
        (Some(named), Some(kind)) if named != kind => {
            fields.fail("type", format!("The type of a trigger cannot be changed; this one is \"{}\".", kind.word()));
            None
        }
        (named, kind) => {
            let kind = named.or(kind);
            if kind.is_none() && fields.errors.is_empty() {
                fields.fail("type", format!("This is needed. {expected}"));
            }
            kind
        }
    }
}

/// Reads `schedule_details`; null and `{}` count as none. Gives the zone that was named, too.
fn read_schedule(
    (app, calendars): (&Shared, &Calendars),
    fields: &mut Fields,
    current: Option<&ScheduleDetails>,
    now: Timestamp,
) -> (Option<ScheduleDetails>, Option<Zone>) {
    let Some(mut inner) = fields.take_object("schedule_details") else { return (None, None) };
    if inner.is_empty() {
        return (None, None);
    }
    let read = read_wish(app, calendars, &mut inner);
    let timezone = read.timezone.clone();
    let details = match read.wish {
        Some(wish) if inner.errors.is_empty() => {
            match wish.place(read.timezone, read.terms, &app.settings.zone, current, now) {
                Ok(details) => Some(details),
                Err(error) => {
                    fields.errors.push(error);
                    None
                }
            }
        }
        _ => None,
    };
    fields.absorb(inner);
    (details, timezone)
}

fn read_webhook(app: &Shared, fields: &mut Fields, definition: &mut Definition, current: Option<&Definition>) {
    let format = fields
        .take_with("format", |word| Format::from_word(word).ok_or("The format is \"json\", \"discord\" or \"slack\"."));
    if fields.has("webhook_url") {
        let read = |text: &str| {
            let webhook = Webhook::parse(text, format)?;
            // What stood before stays, even where the operator has since drawn the line elsewhere; the dial will be judged.
            let stood = current.and_then(|current| current.webhook.as_ref()).is_some_and(|old| old.url == webhook.url);
            if !stood {
                app.settings.egress.judge_url(&webhook.url)?;
            }
            Ok::<_, oncue_domain::destination::Refusal>(webhook)
        };
        definition.webhook = fields.take_with("webhook_url", read);
    } else if let (Some(format), Some(webhook)) = (format, &mut definition.webhook) {
        webhook.format = format;
    }
    if format.is_some() && definition.webhook.is_none() && fields.errors.is_empty() {
        fields.fail("format", "A format goes with a webhook_url.");
    }
}

/// Makes a trigger of a checked definition.
pub(crate) async fn make(
    app: &Shared,
    caller: &Caller,
    definition: Definition,
    now: Timestamp,
) -> Result<Armed, Fault> {
    let (owner, named) = (caller.owner(), definition.destinations.clone());
    let made = app.acting(caller).create_trigger(to_make(app, owner, definition, now), now).await?;
    made.map_err(|missing| trigger_destination::missing(&named, missing))
}

/// Makes a trigger once under a key, of what `read` makes of the call at an instant. It is shown as it was made, whatever became of it since.
pub(crate) async fn make_once(
    app: &Shared,
    caller: &Caller,
    key: &Recalled,
    read: impl Fn(Timestamp) -> Result<Definition, Fault>,
) -> Result<(Armed, Replayed), Fault> {
    let (owner, now) = (caller.owner(), app.now());
    let done = match key.made(0) {
        // What was in the future then may lie in the past now: it is not asked about again.
        Some(Before { number, at }) => Done::Before { number, at },
        None => {
            let new = to_make(app, owner, read(now)?, now);
            let named = new.definition.destinations.clone();
            match key.once(&*app.acting(caller), caller.owner(), Deed::Make(Box::new(new.clone())), now).await? {
                Done::Made(Ok(id)) => return Ok((new.as_made(id, now), Replayed::No)),
                Done::Made(Err(missing)) => return Err(trigger_destination::missing(&named, missing)),
                done => done,
            }
        }
    };
    let Done::Before { number, at } = done else { return Err(other(done)) };
    let id = TriggerId(number);
    let read = read(at);
    // What a calendar says now is not what it said then: what was made is looked up.
    let first = match &read {
        Ok(definition) if !definition.calendars().is_empty() => app.store.revision(owner, id, 1).await?,
        _ => None,
    };
    let armed = match (read, first) {
        (_, Some(first)) => {
            Armed { next_at: first.trigger.definition.waits_after(at, 0), trigger: first.trigger, fired: 0 }
        }
        (Ok(definition), None) if definition.calendars().is_empty() => {
            let definition = with_share_of(app, owner, id, definition).await?;
            let next_at = definition.waits_after(at, 0);
            NewTrigger { owner, definition, next_at, test_event: None }.as_made(id, at)
        }
        // The server was told other rules since; what there is of it is shown as it stands.
        _ => app.store.trigger(owner, id).await?.ok_or_else(|| {
            let detail = format!("This call made trigger {id} at {}; it is gone since.", time(at));
            Fault::new(StatusCode::CONFLICT, detail)
        })?,
    };
    Ok((armed, Replayed::Yes))
}

/// The definition with the share that was drawn for the trigger when it was made of it, where the trigger still has it.
async fn with_share_of(
    app: &Shared,
    owner: UserId,
    id: TriggerId,
    definition: Definition,
) -> Result<Definition, Fault> {
    if !definition.schedule.as_ref().is_some_and(ScheduleDetails::lacks_share) {
        return Ok(definition);
    }
    let kept = app.store.trigger(owner, id).await?;
    let drawn = kept.and_then(|armed| armed.trigger.definition.schedule?.share());
    Ok(match drawn {
        Some(share) => definition.with_share(|| share),
        None => definition,
    })
}

/// What a checked definition asks the store for.
pub(super) fn to_make(app: &Shared, owner: UserId, definition: Definition, now: Timestamp) -> NewTrigger {
    let definition = definition.with_share(|| app.ids.share());
    let next_at = definition.waits_after(now, 0);
    let test_event = definition.is_test.then(|| app.ids.message(now));
    NewTrigger { owner, definition, next_at, test_event }
}

/// How often an edit is decided again because the trigger fired or was edited meanwhile.
const EDIT_TRIES: usize = 16;

/// Changes a trigger to what `decide` makes of it; decided again when it changed meanwhile.
pub(crate) async fn change(
    app: &Shared,
    caller: &Caller,
    id: TriggerId,
    decide: impl Fn(&Armed, Timestamp) -> Result<Definition, Fault>,
) -> Result<Armed, Fault> {
    change_from(app, caller, id, Base::Whole, decide).await
}

/// What an edit begins from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Base {
    /// The trigger as it stands.
    Whole,
    /// As much of it as can be read: all of it is said anew.
    Remains,
}

async fn change_from(
    app: &Shared,
    caller: &Caller,
    id: TriggerId,
    base: Base,
    decide: impl Fn(&Armed, Timestamp) -> Result<Definition, Fault>,
) -> Result<Armed, Fault> {
    let owner = caller.owner();
    let mut calendars: Option<Calendars> = None;
    for _ in 0..EDIT_TRIES {
        let now = app.now();
        let found = standing(app, owner, id, base).await?;
        let armed = found.armed();
        let mut definition = decide(armed, now)?.with_share(|| app.ids.share());
        let as_they_are =
            calendars.as_ref().zip(definition.schedule.as_ref()).map(|(now, schedule)| schedule.refreshed(now.all()));
        if let Some(Ok(schedule)) = as_they_are {
            definition.schedule = Some(schedule);
        }
        let named = definition.destinations.clone();
        let mut edit = found.edit(definition, now);
        if !edit.skipped.is_empty() {
            edit = edit.under(armed, now, &app.store.freezes_of(owner, remembered_since(now)).await?);
        }
        match app.acting(caller).edit_trigger(edit, armed.next_at, now).await? {
            Edited::Done => return app.store.trigger(owner, id).await?.ok_or_else(|| Fault::not_found("Trigger")),
            Edited::NotFound => return Err(Fault::not_found("Trigger")),
            // They were edited since they were read, or while nobody could read the trigger: it keeps to what they say now.
            Edited::Missing(Missing::Calendar(_)) if calendars.is_none() => {
                calendars = Some(Calendars::of(app, owner).await?);
            }
            Edited::Missing(missing) => return Err(trigger_destination::missing(&named, missing)),
            Edited::Stale => {}
        }
    }
    Err(Fault::new(StatusCode::CONFLICT, "This trigger changes too fast right now; try again."))
}

/// A trigger as it stands, or what is left of one that cannot be read.
pub(crate) enum Found {
    Whole(Armed),
    Remains(Remains),
}

impl Found {
    /// The trigger; of one that cannot be read what stands in its place.
    pub(crate) fn armed(&self) -> &Armed {
        match self {
            Found::Whole(armed) => armed,
            Found::Remains(remains) => &remains.armed,
        }
    }

    /// Decides what changing its definition means.
    pub(super) fn edit(&self, definition: Definition, now: Timestamp) -> Edit {
        match self {
            Found::Whole(armed) => armed.edit(definition, now),
            Found::Remains(remains) => remains.edit(definition, now),
        }
    }
}

/// The owner's trigger for an edit that begins from there.
pub(super) async fn standing(app: &Shared, owner: UserId, id: TriggerId, base: Base) -> Result<Found, Fault> {
    match find(app.store.as_ref(), owner, id).await?.ok_or_else(|| Fault::not_found("Trigger"))? {
        Found::Remains(remains) if base == Base::Whole => Err(Error::Unreadable(remains.unreadable.problem).into()),
        found => Ok(found),
    }
}

/// The owner's trigger, whether or not it can be read.
pub(crate) async fn find(store: &dyn Store, owner: UserId, id: TriggerId) -> Result<Option<Found>, Fault> {
    match store.trigger(owner, id).await {
        Ok(armed) => Ok(armed.map(Found::Whole)),
        Err(error @ Error::Unreadable(_)) => {
            // It may have been replaced or deleted between the two looks.
            let remains = store.remains(owner, id).await?;
            remains.map_or(Err(error.into()), |remains| Ok(Some(Found::Remains(remains))))
        }
        Err(error) => Err(error.into()),
    }
}

/// Changes a trigger to what `decide` makes of it and shows it, or says what that would come to.
pub(super) async fn change_or_tell(
    app: &Shared,
    caller: &Caller,
    id: TriggerId,
    run: Run,
    decide: impl Fn(&Armed, Timestamp) -> Result<Definition, Fault>,
) -> Result<Response, Fault> {
    if let Run::Dry(until) = run {
        return Ok(of_change(app, caller, (id, Base::Whole), until, decide).await?.respond(app, &ACCOUNT));
    }
    let armed = change(app, caller, id, decide).await?;
    Ok(Json(TriggerDocument::of(app, &armed)).into_response())
}

pub(crate) fn trigger_id(text: &str) -> Result<TriggerId, Fault> {
    id_of(text).map(TriggerId).ok_or_else(|| Fault::not_found("Trigger"))
}

/// List your triggers, in ascending order of their ids.
///
/// One that cannot be read is among them, with what is wrong with it (`problem`).
#[utoipa::path(get, path = "/api/v1/triggers", tag = "Triggers", operation_id = "list_triggers",
    params(
        ("limit" = Option<u32>, Query, minimum = 1, description = "How many items, at most 200; without it up to 1 000."),
        ("cursor" = Option<String>, Query, description = "Where to go on, from the Link header of the page before."),
    ),
    responses((status = 200, body = [TriggerDocument]), Errors))]
pub(crate) async fn list(State(app): State<App>, caller: Caller, mut query: Query) -> Result<Response, Problem> {
    let page = take_page(&mut query, id_of);
    query.finish()?;
    let after = page.cursor.map(TriggerId);
    let Gathered { items: triggers, more } =
        gather_triggers(app.store.as_ref(), caller.owner(), after, page.limit).await?;
    let next = triggers
        .last()
        .filter(|_| more)
        .map(|last| vec![("limit", next_limit(page.limit)), ("cursor", number_of(last).to_string())]);
    let document = |one: &Listed<Armed>| match one {
        Listed::Read(armed) => TriggerDocument::of(&app, armed),
        Listed::Unreadable(unreadable) => TriggerDocument::of_unreadable(unreadable),
    };
    let items: Vec<_> = triggers.iter().map(document).collect();
    Ok(respond(&items, "/api/v1/triggers", next))
}

/// List your triggers as an HTML table.
#[utoipa::path(get, path = "/api/v1/triggers/triggers_html", tag = "Triggers", operation_id = "triggers_table",
    responses((status = 200, content_type = "text/html", body = String), Errors))]
pub(crate) async fn table(state: State<App>, caller: Caller) -> Response {
    crate::ui::triggers_table(caller, state).await
}

/// Make a trigger.
#[utoipa::path(post, path = "/api/v1/triggers", tag = "Triggers", operation_id = "create_trigger", request_body = TriggerInput,
    params(RunQuery),
    responses((status = 201, body = TriggerDocument), (status = 200, body = DryRunDocument, description = "With dry_run=true"), MakingErrors))]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    run: Run,
    given: Given,
    body: JsonBody,
) -> Result<Response, Problem> {
    let bytes = body.needed()?;
    let calendars = Calendars::named_in(&app, caller.owner(), bytes).await?;
    let read = |now| read_definition((&app, &calendars), bytes, None, None, now);
    if let Run::Dry(until) = run {
        let now = app.now();
        return Ok(of_making(&app, &caller, read(now)?, (now, until), &ACCOUNT).await?);
    }
    let (armed, replayed) = match given.recall_json(&app, &caller, &body).await? {
        Some(key) => make_once(&app, &caller, &key, read).await?,
        None => {
            let now = app.now();
            (make(&app, &caller, read(now)?, now).await?, Replayed::No)
        }
    };
    let location = [(axum::http::header::LOCATION, format!("/api/v1/triggers/{}", armed.trigger.id))];
    Ok((StatusCode::CREATED, replayed, location, Json(TriggerDocument::of(&app, &armed))).into_response())
}

/// Show one trigger.
#[utoipa::path(get, path = "/api/v1/triggers/{id}", tag = "Triggers", operation_id = "get_trigger",
    params(("id" = i64, Path)), responses((status = 200, body = TriggerDocument), Errors))]
pub(crate) async fn get(State(app): State<App>, caller: Caller, PathId(id): PathId) -> Result<Response, Problem> {
    let armed = load(&app, caller.owner(), &id).await?;
    Ok(Json(TriggerDocument::of(&app, &armed)).into_response())
}

pub(crate) async fn load(app: &Shared, owner: UserId, id: &str) -> Result<Armed<Trigger>, Fault> {
    app.store.trigger(owner, trigger_id(id)?).await?.ok_or_else(|| Fault::not_found("Trigger"))
}

/// The caller's trigger, or one that was deleted, as it stood, for as long as its events are kept.
pub(crate) async fn load_even_deleted(
    app: &Shared,
    owner: UserId,
    id: &str,
    now: Timestamp,
) -> Result<(Armed<Trigger>, Option<Deletion>), Fault> {
    even_deleted(app.store.as_ref(), owner, trigger_id(id)?, app.settings.retention.gone_until(now)).await
}

/// The same for whoever has the store alone: one that was deleted after `gone_until`.
pub(crate) async fn even_deleted(
    store: &dyn Store,
    owner: UserId,
    id: TriggerId,
    gone_until: Timestamp,
) -> Result<(Armed<Trigger>, Option<Deletion>), Fault> {
    if let Some(armed) = store.trigger(owner, id).await? {
        return Ok((armed, None));
    }
    let deleted = store.deleted_trigger(owner, id, gone_until).await?;
    let DeletedTrigger { armed, deletion } = deleted.ok_or_else(|| Fault::not_found("Trigger"))?;
    Ok((armed, Some(deletion)))
}

/// Replace a trigger: what is left out takes its default.
#[utoipa::path(put, path = "/api/v1/triggers/{id}", tag = "Triggers", operation_id = "replace_trigger",
    params(("id" = i64, Path), RunQuery),
    request_body = TriggerInput, responses((status = 200, body = ChangedDocument), MakingErrors))]
pub(crate) async fn replace(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
    run: Run,
    body: JsonBody,
) -> Result<Response, Problem> {
    let (bytes, id) = (body.needed()?, trigger_id(&id)?);
    let calendars = Calendars::named_in(&app, caller.owner(), bytes).await?;
    let decide =
        |current: &Armed, now| read_definition((&app, &calendars), bytes, None, Some(&current.trigger.definition), now);
    if let Run::Dry(until) = run {
        return Ok(of_change(&app, &caller, (id, Base::Remains), until, decide).await?.respond(&app, &ACCOUNT));
    }
    let armed = change_from(&app, &caller, id, Base::Remains, decide).await?;
    Ok(Json(TriggerDocument::of(&app, &armed)).into_response())
}

/// Change a trigger in part.
#[utoipa::path(patch, path = "/api/v1/triggers/{id}", tag = "Triggers", operation_id = "change_trigger",
    params(("id" = i64, Path), RunQuery),
    request_body = TriggerInput, responses((status = 200, body = ChangedDocument), MakingErrors))]
pub(crate) async fn patch(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
    run: Run,
    body: JsonBody,
) -> Result<Response, Problem> {
    let bytes = body.needed()?;
    let calendars = Calendars::named_in(&app, caller.owner(), bytes).await?;
    let decide = |current: &Armed, now| {
        let current = Some(&current.trigger.definition);
        read_definition((&app, &calendars), bytes, current, current, now)
    };
    Ok(change_or_tell(&app, &caller, trigger_id(&id)?, run, decide).await?)
}

/// Delete a trigger; its events stay until age ends them.
#[utoipa::path(delete, path = "/api/v1/triggers/{id}", tag = "Triggers", operation_id = "delete_trigger",
    params(("id" = i64, Path), RunQuery),
    responses((status = 204), (status = 200, body = DryRunDocument, description = "With dry_run=true"), Errors))]
pub(crate) async fn delete(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
    run: Run,
) -> Result<Response, Problem> {
    if let Run::Dry(until) = run {
        return Ok(of_deleting(&app, &caller, trigger_id(&id)?, until, &ACCOUNT).await?);
    }
    let now = app.now();
    if app.acting(&caller).delete_trigger(caller.owner(), trigger_id(&id)?, now).await? {
        Ok(StatusCode::NO_CONTENT.into_response())
    } else {
        Err(Fault::not_found("Trigger").into())
    }
}

/// Show the next occurrences of a trigger.
#[utoipa::path(get, path = "/api/v1/triggers/{id}/upcoming", tag = "Triggers", operation_id = "upcoming_occurrences",
    params(("id" = i64, Path), ("count" = Option<u32>, Query, minimum = 1, maximum = 100)),
    responses((status = 200, body = Preview), Errors))]
pub(crate) async fn upcoming(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
    mut query: Query,
) -> Result<Response, Problem> {
    let count = query.take("count", |text| match text.parse() {
        Ok(count @ 1..=100) => Ok(count),
        _ => Err("The count is a number from 1 to 100."),
    });
    query.finish()?;
    let armed = load(&app, caller.owner(), &id).await?;
    let now = app.now();
    let is_behind = is_under_way(app.store.as_ref(), &armed.trigger).await?;
    let freezes = app.store.freezes_of(caller.owner(), now).await?;
    let head = seen_through(TriggerHead { is_behind, ..TriggerHead::from(&armed) }, &freezes, now);
    Ok(Json(Preview::upcoming(&app, &head, count.unwrap_or(5), now)).into_response())
}

/// Occurrences of a trigger that did not fire.
#[derive(Serialize, ToSchema)]
#[schema(as = Skipped, example = json!({
    "reason": "missed", "first": "2026-11-21T02:00:00Z", "last": "2026-11-21T04:59:00Z", "count": 180,
    "recorded_at": "2026-11-21T05:00:02Z"
}))]
pub(crate) struct SkippedDocument {
    /// `missed`: nobody ran; `budget`: the same, and they lay beyond the bounds of `misfire`; `discarded`: they waited in a backlog; `paused`; `superseded`: an edit came first; `overlap`: an event before was under way; `merged`: the same, and a later one fired once that had ended; `expired`: it lay after the expiry, which was moved since; `frozen`: triggers were frozen; `unreadable`: the trigger could not be read, from the `first` at the latest until it was replaced at the `last`, and what else it named in that time nobody can tell.
    reason: &'static str,
    /// The first of them.
    first: String,
    /// The last of them.
    last: String,
    /// How many.
    count: u64,
    /// When that was written down.
    recorded_at: String,
}

impl SkippedDocument {
    pub(crate) fn of(view: &SkippedView) -> SkippedDocument {
        SkippedDocument::new(&view.skipped, view.recorded_at)
    }

    pub(crate) fn new(skipped: &Skipped, recorded_at: Timestamp) -> SkippedDocument {
        SkippedDocument::written(skipped, recorded_at, time)
    }

    pub(super) fn written(skipped: &Skipped, recorded_at: Timestamp, time: fn(Timestamp) -> String) -> SkippedDocument {
        SkippedDocument {
            reason: skipped.reason.word(),
            first: time(skipped.first),
            last: time(skipped.last),
            count: skipped.count,
            recorded_at: time(recorded_at),
        }
    }
}

/// List a trigger's occurrences that did not fire, and why; newest records first. Those of a deleted trigger can be read for as long as its events.
#[utoipa::path(get, path = "/api/v1/triggers/{id}/skipped", tag = "Triggers", operation_id = "skipped_occurrences",
    params(("id" = i64, Path)), responses((status = 200, body = [SkippedDocument]), Errors))]
pub(crate) async fn skipped(State(app): State<App>, caller: Caller, PathId(id): PathId) -> Result<Response, Problem> {
    let (armed, _) = load_even_deleted(&app, caller.owner(), &id, app.now()).await?;
    let views = app.store.skipped(caller.owner(), armed.trigger.id, super::page::ITEMS_UNASKED).await?;
    Ok(Json(views.iter().map(SkippedDocument::of).collect::<Vec<_>>()).into_response())
}
