//! Revisions of a trigger: what it said at a time, who made it say so, what changed, and how it comes to say so again. Restoring
//! is an edit like any other, and a new revision.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use oncue_domain::error::Invalid;
use oncue_domain::id::TriggerId;
use oncue_domain::payload::Payload;
use oncue_domain::revision::{BEYOND_BYTES_MAX, Change, FORMER_KEPT, Revision, changes, restored};
use oncue_domain::trigger::{Armed, Definition, Trigger};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::actor::ActorDocument;
use super::dry_run::{ChangedDocument, Run, RunQuery};
use super::page::{READ_TOGETHER, next_limit, respond, take_page};
use super::time;
use super::trigger::{TriggerDocument, change, change_or_tell, load_even_deleted, trigger_id};
use super::trigger_calendar::Calendars;
use crate::app::{App, Shared};
use crate::auth::Caller;
use crate::extract::{PathId, PathIds, Query, id_of};
use crate::fault::{Fault, Problem};
use crate::openapi::{Errors, MakingErrors};

/// How many bytes of payload one list carries; each may stand in it three times.
const PAYLOAD_BYTES_MAX: usize = 3 * 1024 * 1024;

/// Something that a trigger says and that a revision changed.
#[derive(Serialize, ToSchema)]
#[schema(as = RevisionChange, example = json!({"field": "enabled", "before": true, "after": false}))]
pub(crate) struct ChangeDocument {
    /// The field's name in a trigger.
    field: &'static str,
    /// What it said before.
    #[schema(value_type = serde_json::Value)]
    before: Option<Box<RawValue>>,
    /// What it said from then on.
    #[schema(value_type = serde_json::Value)]
    after: Option<Box<RawValue>>,
}

impl ChangeDocument {
    pub(crate) fn new(
        field: &'static str,
        before: Option<Box<RawValue>>,
        after: Option<Box<RawValue>>,
    ) -> ChangeDocument {
        ChangeDocument { field, before, after }
    }
}

/// A revision of a trigger.
#[derive(Serialize, ToSchema)]
#[schema(as = Revision, example = json!({
    "revision": 2, "made_at": "2026-11-22T10:00:00Z", "until": null,
    "made_by": {"kind": "user", "id": 1, "name": "ada@example.com", "address": "192.0.2.7", "program": "curl/8.5.0"},
    "changes": [{"field": "enabled", "before": true, "after": false}],
    "trigger": {
        "id": 7, "name": "nightly", "type": "scheduled", "schedule_details": {"cron": "0 9 * * 1-5", "timezone": "Europe/Riga"},
        "api_payload": {"key": "value"}, "is_test": false, "enabled": false, "pause": null, "created_at": "2026-11-21T10:00:00Z",
        "expires_at": null, "webhook_url": null, "format": null, "destinations": [7], "revision": 2, "next_at": null,
        "summary": "At 09:00, Monday to Friday", "timezone": "Europe/Riga"
    }
}))]
pub(crate) struct RevisionDocument {
    /// Its number; events name it.
    revision: i64,
    /// When it was made.
    made_at: String,
    /// When the next one took its place, or the trigger was deleted; null for the present one.
    until: Option<String>,
    /// Who made it; null where that was not written down yet.
    made_by: Option<ActorDocument>,
    /// What differs from the revision before; null for the first, and where the one before is not kept any more.
    changes: Option<Vec<ChangeDocument>>,
    /// The trigger as it stood. It can be put back as it is; only for the present revision there is a next occurrence, and how often it fired.
    trigger: TriggerDocument,
}

impl RevisionDocument {
    fn of(app: &Shared, revision: &Revision, before: Option<&Revision>, present: &Armed) -> RevisionDocument {
        let is_present = revision.trigger.revision == present.trigger.revision && revision.until.is_none();
        let document = if is_present { TriggerDocument::of(app, present) } else { as_trigger(app, revision) };
        RevisionDocument {
            revision: revision.trigger.revision,
            made_at: time(revision.made_at),
            until: revision.until.map(time),
            made_by: revision.made_by.as_ref().map(ActorDocument::of),
            changes: before.map(|before| what_changed(app, before, revision)),
            trigger: document,
        }
    }
}

fn as_trigger(app: &Shared, revision: &Revision) -> TriggerDocument {
    TriggerDocument::as_said(app, &revision.trigger)
}

fn what_changed(app: &Shared, before: &Revision, after: &Revision) -> Vec<ChangeDocument> {
    let before = before.as_of(after.made_at);
    let (mut old, mut new) = (fields(&as_trigger(app, &before)), fields(&as_trigger(app, after)));
    let changed = changes(&before.trigger.definition, &after.trigger.definition);
    let told: Vec<&str> = changed.into_iter().map(|change| told_as(change, &old, &new)).collect();
    told.into_iter().map(|field| ChangeDocument::new(field, old.remove(field), new.remove(field))).collect()
}

/// The field of a trigger by which a change is told. How much of its window a trigger was drawn is said nowhere, only how much later that makes
/// it.
pub(crate) fn told_as(
    change: Change,
    old: &BTreeMap<String, Box<RawValue>>,
    new: &BTreeMap<String, Box<RawValue>>,
) -> &'static str {
    const OFFSET: &str = "jitter_offset_ms";
    let is_same = |field: &str| old.get(field).map(|value| value.get()) == new.get(field).map(|value| value.get());
    match change {
        Change::Schedule if is_same(change.word()) && !is_same(OFFSET) => OFFSET,
        change => change.word(),
    }
}

/// What a trigger's document says, field by field, as it is written.
pub(crate) fn fields(document: &impl Serialize) -> BTreeMap<String, Box<RawValue>> {
    let text = serde_json::to_string(document).expect("texts, numbers and checked JSON are JSON");
    serde_json::from_str(&text).expect("a document is an object")
}

fn payload_bytes(revision: &Revision) -> usize {
    revision.trigger.definition.payload.as_ref().map_or(0, |payload: &Payload| payload.as_str().len())
}

/// The revisions below `before`, the latest first: at most `limit` and within a bound on bytes, and behind them, where there are
/// more, the one that the last of them is compared with.
pub(crate) async fn gather(
    app: &Shared,
    caller: &Caller,
    id: TriggerId,
    mut before: Option<i64>,
    limit: usize,
) -> Result<(Vec<Revision>, Option<Revision>), Fault> {
    let (mut items, mut bytes): (Vec<Revision>, usize) = (Vec::new(), 0);
    loop {
        let wanted = READ_TOGETHER.min(limit + 1 - items.len());
        let read = app.store.revisions(caller.owner(), id, before, wanted).await?;
        let was_last = read.len() < wanted;
        for revision in read {
            bytes += payload_bytes(&revision);
            if items.len() == limit || (bytes > PAYLOAD_BYTES_MAX && !items.is_empty()) {
                return Ok((items, Some(revision)));
            }
            before = Some(revision.trigger.revision);
            items.push(revision);
        }
        if was_last {
            return Ok((items, None));
        }
    }
}

/// Why there is no revision of that number.
fn not_kept(number: i64, present: &Trigger) -> Fault {
    if !(1..present.revision).contains(&number) {
        return Fault::not_found("Revision");
    }
    let detail = format!(
        "Revision {number} is not kept whole any more, so it can be neither shown nor restored: of a trigger the latest {FORMER_KEPT} former ones \
         are, and those before them for as long as events that name them, up to {} MiB. Who made it, when, from where and which fields it changed stands in the audit log, for 400 days.",
        BEYOND_BYTES_MAX >> 20
    );
    Fault::new(StatusCode::NOT_FOUND, detail)
}

fn revision_number(text: &str) -> Result<i64, Fault> {
    id_of(text).ok_or_else(|| Fault::not_found("Revision"))
}

/// List the revisions of a trigger, the latest first: the present one, the latest 100 former ones, and those before them for as long as events may
/// name them. Those of a deleted trigger can be read for as long as its events.
#[utoipa::path(get, path = "/api/v1/triggers/{id}/revisions", tag = "Triggers", operation_id = "list_revisions",
    params(
        ("id" = i64, Path),
        ("limit" = Option<u32>, Query, minimum = 1, description = "How many items, at most 200; without it all."),
        ("cursor" = Option<String>, Query, description = "Where to go on, from the Link header of the page before."),
    ),
    responses((status = 200, body = [RevisionDocument]), Errors))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
    mut query: Query,
) -> Result<Response, Problem> {
    let page = take_page(&mut query, id_of);
    query.finish()?;
    let (present, _) = load_even_deleted(&app, caller.owner(), &id, app.now()).await?;
    let (revisions, further) = gather(&app, &caller, present.trigger.id, page.cursor, page.limit).await?;
    let next = revisions
        .last()
        .filter(|_| further.is_some())
        .map(|last| vec![("limit", next_limit(page.limit)), ("cursor", last.trigger.revision.to_string())]);
    let before = revisions.iter().skip(1).chain(&further).map(Some).chain(std::iter::once(None));
    let pairs = revisions.iter().zip(before);
    let items: Vec<_> =
        pairs.map(|(revision, before)| RevisionDocument::of(&app, revision, before, &present)).collect();
    Ok(respond(&items, &format!("/api/v1/triggers/{}/revisions", present.trigger.id), next))
}

/// Show one revision of a trigger.
#[utoipa::path(get, path = "/api/v1/triggers/{id}/revisions/{revision}", tag = "Triggers", operation_id = "get_revision",
    params(("id" = i64, Path), ("revision" = i64, Path)), responses((status = 200, body = RevisionDocument), Errors))]
pub(crate) async fn get(
    State(app): State<App>,
    caller: Caller,
    PathIds(id, revision): PathIds,
) -> Result<Response, Problem> {
    let (present, _) = load_even_deleted(&app, caller.owner(), &id, app.now()).await?;
    let (trigger, number) = (present.trigger.id, revision_number(&revision)?);
    let found = app.store.revision(caller.owner(), trigger, number).await?;
    let found = found.ok_or_else(|| not_kept(number, &present.trigger))?;
    let before = app.store.revision(caller.owner(), trigger, number - 1).await?;
    Ok(Json(RevisionDocument::of(&app, &found, before.as_ref(), &present)).into_response())
}

/// Make a trigger say again what a former revision said. That is an edit like any other, and makes a new revision: it is refused
/// where its schedule or its expiry has passed, or where a destination is gone.
#[utoipa::path(post, path = "/api/v1/triggers/{id}/revisions/{revision}/restore", tag = "Triggers", operation_id = "restore_revision",
    params(
        ("id" = i64, Path), ("revision" = i64, Path),
        RunQuery,
    ),
    responses((status = 200, body = ChangedDocument), MakingErrors))]
pub(crate) async fn restore(
    State(app): State<App>,
    caller: Caller,
    PathIds(id, revision): PathIds,
    run: Run,
) -> Result<Response, Problem> {
    let former = former(&app, &caller, trigger_id(&id)?, &revision).await?;
    Ok(change_or_tell(&app, &caller, former.id, run, |current, now| restoring(&app, &former, current, now)).await?)
}

/// Makes a trigger say again what a former revision said.
pub(crate) async fn restore_revision(app: &Shared, caller: &Caller, id: &str, revision: &str) -> Result<Armed, Fault> {
    let former = former(app, caller, trigger_id(id)?, revision).await?;
    change(app, caller, former.id, |current, now| restoring(app, &former, current, now)).await
}

/// The trigger as it stood.
async fn former(app: &Shared, caller: &Caller, id: TriggerId, revision: &str) -> Result<Trigger, Fault> {
    let present = app.store.trigger(caller.owner(), id).await?.ok_or_else(|| Fault::not_found("Trigger"))?;
    let number = revision_number(revision)?;
    let found = app.store.revision(caller.owner(), id, number).await?;
    let mut trigger = found.ok_or_else(|| not_kept(number, &present.trigger))?.trigger;
    if let Some(schedule) = trigger.definition.schedule.as_mut().filter(|schedule| !schedule.calendars().is_empty()) {
        // It says which calendars the trigger keeps to; what those hold, they say themselves.
        let calendars = Calendars::of(app, caller.owner()).await?;
        *schedule = schedule.refreshed(calendars.all()).map_err(|gone| {
            let name = schedule.calendars().iter().find(|one| one.calendar == gone).map(|one| one.name.as_str());
            let detail = format!("The calendar \"{}\" that it names is gone.", name.unwrap_or_default());
            Fault::from(Invalid::new("schedule_details.except_calendars", detail))
        })?;
    }
    Ok(trigger)
}

fn restoring(app: &Shared, former: &Trigger, current: &Armed, now: Timestamp) -> Result<Definition, Fault> {
    if current.trigger.revision == former.revision {
        let detail = format!("Revision {} is how the trigger stands; there is nothing to restore.", former.revision);
        return Err(Fault::new(StatusCode::CONFLICT, detail));
    }
    let current = &current.trigger.definition;
    let restored = restored(&former.definition, current, now).map_err(Fault::Invalid)?;
    judge_address(app, &restored, current)?;
    Ok(restored)
}

/// The operator may have drawn the line elsewhere since; what stands as it does may stay.
fn judge_address(app: &Shared, restored: &Definition, current: &Definition) -> Result<(), Fault> {
    let stands = current.webhook.as_ref().map(|webhook| &webhook.url);
    match restored.webhook.as_ref().map(|webhook| &webhook.url).filter(|url| stands != Some(*url)) {
        Some(url) => app
            .settings
            .egress
            .judge_url(url)
            .map_err(|refusal| Fault::Invalid(vec![Invalid::new("webhook_url", refusal.to_string())])),
        None => Ok(()),
    }
}
