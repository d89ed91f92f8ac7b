//! What a call would come to: any call that makes, changes, restores or deletes a trigger can be asked with `dry_run=true`. Everything is
//! checked as the call itself checks it, by the same code and with the same refusals, and then nothing is done: nothing is stored, logged or
//! counted, and no key is used up. What it comes to is worked out in `domain::effect`; here it is written down.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::Method;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use oncue_domain::effect::{DAYS_MAX, Difference, Effect, until_unasked};
use oncue_domain::error::Invalid;
use oncue_domain::freeze::remembered_since;
use oncue_domain::id::{DestinationId, TriggerId, UserId};
use oncue_domain::revision::changes;
use oncue_domain::schedule::zone::{Zone, parse_instant};
use oncue_domain::store::{Missing, NewTrigger};
use oncue_domain::trigger::{Armed, Definition, ScheduleDetails};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa::openapi::{OpenApi, RefOr};

use super::revision::{ChangeDocument, fields, told_as};
use super::time;
use super::trigger::{SkippedDocument, TriggerDocument, zone_of};
use super::trigger_destination;
use crate::app::{App, Shared};
use crate::auth::Caller;
use crate::extract::{Query, is_safe};
use crate::fault::{Fault, respond_at};

/// The names in a query.
const DRY_RUN: &str = "dry_run";
const UNTIL: &str = "until";

/// Whether a call is only to say what it would come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    /// It is to be carried out.
    Wet,
    /// It is not, and the firings are to be compared until then, if that is said.
    Dry(Option<Timestamp>),
}

impl FromRequestParts<App> for Run {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Run, Response> {
        let path = parts.uri.path().to_owned();
        let query = Query::from_request_parts(parts, app).await?;
        Run::read(app, query).map_err(|fault| respond_at(&path, fault))
    }
}

impl Run {
    fn read(app: &Shared, mut query: Query) -> Result<Run, Fault> {
        let dry = query.take(DRY_RUN, |text| match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err("This is true or false."),
        });
        let until = match dry {
            Some(true) => query.take(UNTIL, |text| read_until(text, &app.settings.zone, app.now())),
            _ => None,
        };
        query.finish()?;
        Ok(if dry == Some(true) { Run::Dry(until) } else { Run::Wet })
    }
}

fn read_until(text: &str, zone: &Zone, now: Timestamp) -> Result<Timestamp, String> {
    let until = parse_instant(text, zone).map_err(|error| error.to_string())?;
    if until <= now {
        return Err("This must be in the future: what is to come is compared.".to_owned());
    }
    if until.duration_since(now) > SignedDuration::from_hours(24 * DAYS_MAX) {
        return Err(format!("At most {DAYS_MAX} days are looked at."));
    }
    Ok(until)
}

/// What marks a call that only asks what it would come to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dry;

/// The calls that can be asked so: those that say in the document that they can, by method and path.
pub(crate) fn askable(document: &OpenApi) -> HashSet<(Method, String)> {
    let mut askable = HashSet::new();
    for (path, calls) in &document.paths.paths {
        let each = [
            (Method::POST, &calls.post),
            (Method::PUT, &calls.put),
            (Method::PATCH, &calls.patch),
            (Method::DELETE, &calls.delete),
        ];
        for (method, call) in each {
            let parameters = call.iter().flat_map(|call| call.parameters.iter().flatten());
            let mut named = parameters.filter_map(|parameter| match parameter {
                RefOr::T(parameter) => Some(parameter.name.as_str()),
                RefOr::Ref(_) => None,
            });
            if named.any(|name| name == DRY_RUN) {
                askable.insert((method, path.clone()));
            }
        }
    }
    askable
}

/// Refuses what cannot be asked so: to do it all the same is what nobody who says `dry_run` wants.
pub(crate) async fn refuse_elsewhere(
    State(askable): State<Arc<HashSet<(Method, String)>>>,
    mut request: Request,
    next: Next,
) -> Response {
    let asked = said(request.uri().query());
    if is_safe(request.method()) || asked.iter().all(|value| value == "false") {
        return next.run(request).await;
    }
    if asked.len() > 1 {
        let fault = Fault::InvalidQuery(vec![Invalid::new(DRY_RUN, "This is said more than once.")]);
        return respond_at(request.uri().path(), fault);
    }
    let matched = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned()).unwrap_or_default();
    if !askable.contains(&(request.method().clone(), matched)) {
        let detail = "This call cannot be asked what it would come to; without dry_run it is carried out.";
        let fault = Fault::InvalidQuery(vec![Invalid::new(DRY_RUN, detail)]);
        return respond_at(request.uri().path(), fault);
    }
    request.extensions_mut().insert(Dry);
    next.run(request).await
}

/// Everything that a query says of it.
fn said(query: Option<&str>) -> Vec<String> {
    let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    pairs.filter(|(name, _)| name == DRY_RUN).map(|(_, value)| value.into_owned()).collect()
}

/// A firing at another time than before.
#[derive(Serialize, ToSchema)]
#[schema(as = MovedOccurrence, example = json!({"from": "2026-11-24T07:00:00Z", "to": "2026-11-24T09:30:00Z"}))]
struct MoveDocument {
    /// When it would have fired.
    from: String,
    /// When it fires instead.
    to: String,
}

/// How the occurrences that fire differ: what is both before and after is kept, and of the rest whatever lies closest together, within a day
/// of the trigger's zone before across days and never by more than a day, is one that moves.
#[derive(Serialize, ToSchema)]
#[schema(as = DryRunOccurrences, example = json!({
    "from": "2026-11-23T08:00:00Z", "until": "2026-11-30T22:00:00Z", "is_whole": true, "kept": 0,
    "added": ["2026-11-23T09:30:00Z"], "removed": [],
    "moved": [{"from": "2026-11-24T07:00:00Z", "to": "2026-11-24T09:30:00Z"}]
}))]
struct OccurrencesDocument {
    from: String,
    /// Up to when they were compared.
    until: String,
    /// False where more than a thousand fire before or after: then `until` is as far as was looked.
    is_whole: bool,
    /// How many stay as they are.
    kept: u64,
    added: Vec<String>,
    removed: Vec<String>,
    moved: Vec<MoveDocument>,
}

/// The occurrence that is waited for.
#[derive(Serialize, ToSchema)]
#[schema(as = DryRunNext, example = json!({"before": "2026-11-24T07:00:00Z", "after": "2026-11-23T09:30:00Z"}))]
struct NextDocument {
    before: Option<String>,
    after: Option<String>,
}

/// What a call would come to. Nothing was done.
#[derive(Serialize, ToSchema)]
#[schema(as = DryRun, example = json!({
    "dry_run": true,
    "trigger": {
        "id": 7, "name": "nightly", "type": "scheduled", "schedule_details": {"cron": "30 11 * * *", "timezone": "Europe/Riga"},
        "api_payload": null, "payload_schema": null, "is_test": false, "enabled": true, "pause": null,
    "created_at": "2026-11-21T10:00:00Z",
        "expires_at": null, "webhook_url": null, "format": null, "destinations": [], "expects": null, "revision": 2, "next_at": "2026-11-23T09:30:00Z",
        "fired": null, "jitter_offset_ms": null, "summary": "At 11:30", "timezone": "Europe/Riga"
    },
    "changes": [{"field": "schedule_details", "before": {"cron": "0 9 * * *", "timezone": "Europe/Riga"},
        "after": {"cron": "30 11 * * *", "timezone": "Europe/Riga"}}],
    "next": {"before": "2026-11-24T07:00:00Z", "after": "2026-11-23T09:30:00Z"},
    "occurrences": {
        "from": "2026-11-23T08:00:00Z", "until": "2026-11-30T22:00:00Z", "is_whole": true, "kept": 0,
        "added": ["2026-11-23T09:30:00Z"], "removed": [],
        "moved": [{"from": "2026-11-24T07:00:00Z", "to": "2026-11-24T09:30:00Z"}]
    },
    "skipped": [], "backlog_ended": 0
}))]
pub(crate) struct DryRunDocument {
    /// Always true.
    dry_run: bool,
    /// The trigger as it would be; its `id` is null where it is not made yet. Null where it would be deleted.
    #[schema(value_type = Option<serde_json::Value>)]
    trigger: Option<BTreeMap<String, Box<RawValue>>>,
    /// What it would say otherwise than it does; empty where it would be made or deleted.
    changes: Vec<ChangeDocument>,
    next: NextDocument,
    occurrences: OccurrencesDocument,
    /// What would be recorded as skipped: what is due and would not fire any more, and what a pause or an expiry has kept from firing.
    skipped: Vec<SkippedDocument>,
    /// How many occurrences that wait in a backlog of it would not fire any more.
    backlog_ended: u64,
}

/// What a call that changes a trigger answers.
#[derive(Serialize, ToSchema)]
#[schema(as = TriggerOrDryRun, example = json!({
    "id": 7, "name": "nightly", "type": "scheduled", "schedule_details": {"cron": "0 9 * * 1-5", "timezone": "Europe/Riga"},
    "api_payload": {"key": "value"}, "payload_schema": null, "is_test": false, "enabled": true, "pause": null,
    "created_at": "2026-11-21T10:00:00Z",
    "expires_at": "2027-12-31T00:00:00Z", "webhook_url": "https://example.com/hook", "format": "json", "destinations": [7], "expects": null, "revision": 1,
    "next_at": "2026-11-23T07:00:00Z", "fired": null, "jitter_offset_ms": null, "summary": "At 09:00, Monday to Friday", "timezone": "Europe/Riga"
}))]
#[serde(untagged)]
#[expect(dead_code, reason = "the document of two answers, each of which is written by itself")]
pub(crate) enum ChangedDocument {
    /// The trigger as it is now.
    Trigger(Box<TriggerDocument>),
    /// With `dry_run=true`: what would come of it.
    DryRun(Box<DryRunDocument>),
}

/// What is asked: where, as of when, and until when the firings are compared.
#[derive(Clone, Copy)]
struct Asked<'a> {
    app: &'a Shared,
    now: Timestamp,
    until: Option<Timestamp>,
}

impl Asked<'_> {
    fn zone(&self, details: Option<&ScheduleDetails>) -> Zone {
        details.map_or(&self.app.settings.zone, |details| zone_of(self.app, details)).clone()
    }

    fn span(&self, zone: &Zone) -> (Timestamp, Timestamp) {
        (self.now, self.until.unwrap_or_else(|| until_unasked(self.now, zone)))
    }

    fn respond(
        &self,
        trigger: Option<BTreeMap<String, Box<RawValue>>>,
        changes: Vec<ChangeDocument>,
        effect: &Effect,
        backlog_ended: u64,
    ) -> Response {
        let Difference { kept, added, removed, moved } = &effect.firings;
        let times = |list: &[Timestamp]| list.iter().copied().map(time).collect();
        let moved = moved.iter().map(|one| MoveDocument { from: time(one.from), to: time(one.to) });
        let document = DryRunDocument {
            dry_run: true,
            trigger,
            changes,
            next: NextDocument { before: effect.next_before.map(time), after: effect.next_after.map(time) },
            occurrences: OccurrencesDocument {
                from: time(effect.span.from),
                until: time(effect.span.until),
                is_whole: effect.is_whole,
                kept: *kept,
                added: times(added),
                removed: times(removed),
                moved: moved.collect(),
            },
            skipped: effect.skipped.iter().map(|skipped| SkippedDocument::new(skipped, self.now)).collect(),
            backlog_ended,
        };
        Json(document).into_response()
    }
}

/// What making a trigger of this definition comes to.
pub(crate) async fn of_making(
    app: &Shared,
    caller: &Caller,
    definition: Definition,
    now: Timestamp,
    until: Option<Timestamp>,
) -> Result<Response, Fault> {
    Looked::default().look(app, caller.owner(), &definition).await?;
    let asked = Asked { app, now, until };
    // How late a jitter makes it is drawn when it is made, so nobody can say it here: everything is told by its nominal time.
    let (owner, next_at) = (caller.owner(), definition.next_after(now));
    let made = NewTrigger { owner, definition, next_at, test_event: None }.as_made(TriggerId(0), now);
    let zone = asked.zone(made.trigger.definition.schedule.as_ref());
    let freezes = app.store.freezes_of(caller.owner(), now).await?;
    let effect = Effect::of(None, Some(&made), Vec::new(), asked.span(&zone), &zone, &freezes);
    let mut document = fields(&TriggerDocument::of(app, &made));
    document.insert("id".to_owned(), RawValue::NULL.to_owned());
    Ok(asked.respond(Some(document), Vec::new(), &effect, 0))
}

/// What an edit comes to, as an answer and for whoever shows it otherwise.
pub(crate) struct Edited {
    before: Armed,
    after: Armed,
    /// What becomes of its firings.
    pub(crate) effect: Effect,
    /// How many occurrences that wait in a backlog of it would not fire any more.
    pub(crate) backlog_ended: u64,
}

/// Works out what changing a trigger to what `decide` makes of it comes to.
pub(crate) async fn of_change(
    app: &Shared,
    caller: &Caller,
    id: TriggerId,
    until: Option<Timestamp>,
    decide: impl Fn(&Armed, Timestamp) -> Result<Definition, Fault>,
) -> Result<Edited, Fault> {
    let asked = Asked { app, now: app.now(), until };
    let found = app.store.trigger(caller.owner(), id).await?;
    let before = found.ok_or_else(|| Fault::not_found("Trigger"))?;
    let definition = decide(&before, asked.now)?;
    Looked::default().look(app, caller.owner(), &definition).await?;
    let zone = asked.zone(definition.schedule.as_ref().or(before.trigger.definition.schedule.as_ref()));
    let edit = before.edit(definition, asked.now);
    let freezes = app.store.freezes_of(caller.owner(), remembered_since(asked.now)).await?;
    let (after, effect) = Effect::of_edit(&before, edit, asked.span(&zone), &zone, &freezes);
    let backlog_ended = match effect.ends_backlogs {
        Some(_) => app.store.backlog_sums(caller.owner(), Some(id)).await?.occurrences,
        None => 0,
    };
    Ok(Edited { before, after, effect, backlog_ended })
}

impl Edited {
    /// The schedule that it would have, else the one that it has.
    pub(crate) fn schedule(&self) -> Option<&ScheduleDetails> {
        let (before, after) = (&self.before.trigger.definition, &self.after.trigger.definition);
        after.schedule.as_ref().or(before.schedule.as_ref())
    }

    /// As an answer of the API.
    pub(crate) fn respond(&self, app: &Shared) -> Response {
        let (mut old, new) =
            (fields(&TriggerDocument::of(app, &self.before)), fields(&TriggerDocument::of(app, &self.after)));
        // A pause that is over by then is none that could be ended.
        let stood = self.before.trigger.definition.clone().as_of(self.effect.span.from);
        let differing = changes(&stood, &self.after.trigger.definition);
        let differing: Vec<&str> = differing.into_iter().map(|change| told_as(change, &old, &new)).collect();
        let document = |field| ChangeDocument::new(field, old.remove(field), new.get(field).cloned());
        let differing = differing.into_iter().map(document).collect();
        let asked = Asked { app, now: self.effect.span.from, until: None };
        asked.respond(Some(new), differing, &self.effect, self.backlog_ended)
    }
}

/// What deleting a trigger comes to.
pub(crate) async fn of_deleting(
    app: &Shared,
    caller: &Caller,
    id: TriggerId,
    until: Option<Timestamp>,
) -> Result<Response, Fault> {
    let asked = Asked { app, now: app.now(), until };
    let found = app.store.trigger(caller.owner(), id).await?;
    let before = found.ok_or_else(|| Fault::not_found("Trigger"))?;
    let zone = asked.zone(before.trigger.definition.schedule.as_ref());
    let freezes = app.store.freezes_of(caller.owner(), asked.now).await?;
    let effect = Effect::of(Some(&before), None, Vec::new(), asked.span(&zone), &zone, &freezes);
    let backlog = app.store.backlog_sums(caller.owner(), Some(id)).await?;
    Ok(asked.respond(None, Vec::new(), &effect, backlog.occurrences))
}

/// Which destinations are there. The store looks for those that a trigger names in the transaction that writes; whoever writes nothing looks
/// here, for each of them once.
#[derive(Default)]
pub(crate) struct Looked(HashMap<DestinationId, bool>);

impl Looked {
    /// Whether everything is there that a trigger of this definition names.
    pub(crate) async fn look(&mut self, app: &Shared, owner: UserId, definition: &Definition) -> Result<(), Fault> {
        for id in definition.named_destinations() {
            let is_there = match self.0.get(&id) {
                Some(is_there) => *is_there,
                None => {
                    let is_there = app.store.destination(owner, id).await?.is_some();
                    self.0.insert(id, is_there);
                    is_there
                }
            };
            if !is_there {
                return Err(trigger_destination::missing(&definition.destinations, Missing::Destination(id)));
            }
        }
        Ok(())
    }
}
