//! Backlogs on surface two: what waits to fire late, and what a person decides about it; and the backfill, which lays one up. Which
//! occurrences those are, is worked out from the trigger's schedule; how they fire is the engine's business.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use oncue_domain::agenda::Span;
use oncue_domain::backlog::{BACKLOG_MAX, NewBacklog, ROUND_EVERY, ROUND_MAX};
use oncue_domain::error::Invalid;
use oncue_domain::id::BacklogId;
use oncue_domain::overlap::Overlap;
use oncue_domain::store::{BacklogView, LEDGER_MAX, Touched};
use oncue_domain::trigger::{Armed, ScheduleDetails, just_before};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::actor::ActorDocument;
use super::dry_run::Run;
use super::fire::refusal;
use super::page::{next_limit, take_page, with_next};
use super::time;
use super::trigger::{load, zone_of};
use crate::app::{App, Shared};
use crate::auth::Caller;
use crate::extract::{Fields, JsonBody, PathId, Query, id_of};
use crate::fault::{Fault, Problem};
use crate::openapi::Errors;

/// How far a span reaches at most whose occurrences are to fire once more.
const SPAN_MAX: SignedDuration = SignedDuration::from_hours(366 * 24);

/// How many of the first occurrences are shown.
const SHOWN: usize = 10;

/// What waits to fire late.
#[derive(Serialize, ToSchema)]
#[schema(as = Backlogs)]
pub(crate) struct BacklogsDocument {
    /// How many occurrences wait in all backlogs, also in those of other pages.
    #[schema(example = 1440)]
    occurrences: u64,
    /// How many of them wait for a person.
    #[schema(example = 1440)]
    held: u64,
    /// Those of this page, in ascending order of their ids.
    backlogs: Vec<BacklogDocument>,
}

/// Occurrences of a trigger that wait to fire late.
#[derive(Serialize, ToSchema)]
#[schema(as = Backlog, example = json!({
    "id": 3, "trigger_id": 7, "name": "import", "origin": "catch-up", "from": "2026-11-20T00:00:00Z", "to": "2026-11-20T23:59:00Z",
    "occurrences": 1440, "left": 1440, "next": "2026-11-20T00:00:00Z", "is_held": true, "made_at": "2026-11-21T00:00:03Z",
    "made_by": {"kind": "system", "id": null, "name": "oncue", "address": null, "program": null}
}))]
pub(crate) struct BacklogDocument {
    id: i64,
    trigger_id: i64,
    name: Option<String>,
    /// `catch-up`: they were missed; `backfill`: somebody asked for them.
    origin: &'static str,
    /// The first occurrence that it began with.
    from: String,
    /// The last one.
    to: String,
    /// How many it began with.
    occurrences: u64,
    /// How many are left.
    left: u64,
    /// The one that fires next.
    next: String,
    /// Whether it waits until somebody releases it.
    is_held: bool,
    made_at: String,
    made_by: ActorDocument,
}

impl BacklogDocument {
    fn of(view: &BacklogView) -> BacklogDocument {
        let backlog = &view.backlog;
        BacklogDocument {
            id: backlog.id.0,
            trigger_id: backlog.trigger.0,
            name: view.name.clone(),
            origin: backlog.source.word(),
            from: time(backlog.first),
            to: time(backlog.last),
            occurrences: backlog.total,
            left: backlog.left,
            next: time(backlog.next_at),
            is_held: backlog.is_held,
            made_at: time(backlog.made_at),
            made_by: ActorDocument::of(&backlog.made_by),
        }
    }
}

/// List what waits to fire late: what triggers catch up with, and what was backfilled.
#[utoipa::path(get, path = "/api/v1/backlog", tag = "Backlog", operation_id = "list_backlogs",
    params(
        ("limit" = Option<u32>, Query, minimum = 1, description = "How many backlogs, at most 200; without it up to 1 000."),
        ("cursor" = Option<String>, Query, description = "Where to go on, from the Link header of the page before."),
    ),
    responses((status = 200, body = BacklogsDocument), Errors))]
pub(crate) async fn list(State(app): State<App>, caller: Caller, mut query: Query) -> Result<Response, Problem> {
    let page = take_page(&mut query, id_of);
    query.finish()?;
    let sums = app.store.backlog_sums(caller.owner(), None).await?;
    let mut views = app.store.backlogs(caller.owner(), page.cursor.map(BacklogId), page.limit + 1).await?;
    let more = views.len() > page.limit;
    views.truncate(page.limit);
    let last = views.last().filter(|_| more).map(|view| view.backlog.id.to_string());
    let next = last.map(|last| vec![("limit", next_limit(page.limit)), ("cursor", last)]);
    let document = BacklogsDocument {
        occurrences: sums.occurrences,
        held: sums.held,
        backlogs: views.iter().map(BacklogDocument::of).collect(),
    };
    Ok(with_next(Json(document).into_response(), "/api/v1/backlog", next))
}

/// What was decided about backlogs.
#[derive(Serialize, ToSchema)]
#[schema(as = BacklogChange, example = json!({"message": "What was held fires now.", "backlogs": 1, "occurrences": 1440}))]
pub(crate) struct TouchedDocument {
    message: &'static str,
    /// How many backlogs.
    backlogs: u64,
    /// How many occurrences they held.
    occurrences: u64,
}

/// What a person decides about what waits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// What is held fires.
    Release,
    /// What waits does not fire.
    Discard,
}

/// Why nothing could be decided about a backlog.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Undecided {
    /// It has ended, or never was.
    Gone,
    /// It is not held.
    NotHeld,
    /// Its trigger has expired, and so it has ended.
    Expired,
}

impl Undecided {
    fn fault(self) -> Fault {
        let conflict = |detail| Fault::new(StatusCode::CONFLICT, detail);
        match self {
            Undecided::Gone => Fault::not_found("Backlog"),
            Undecided::NotHeld => conflict("This backlog is not held; it fires already."),
            Undecided::Expired => conflict("The trigger of this backlog has expired; what was held does not fire."),
        }
    }
}

/// Decides about one backlog, or about all.
pub(crate) async fn decide(
    app: &Shared,
    caller: &Caller,
    id: Option<BacklogId>,
    decision: Decision,
) -> Result<Result<Touched, Undecided>, Fault> {
    let (store, owner, now) = (app.acting(caller), caller.owner(), app.now());
    let touched = match decision {
        Decision::Release => store.release_backlogs(owner, id, now).await?,
        Decision::Discard => store.discard_backlogs(owner, id, now).await?,
    };
    let Some(id) = id.filter(|_| touched.backlogs == 0) else { return Ok(Ok(touched)) };
    if touched.expired > 0 {
        return Ok(Err(Undecided::Expired));
    }
    Ok(Err(match app.store.backlog(owner, id).await? {
        Some(_) => Undecided::NotHeld,
        None => Undecided::Gone,
    }))
}

fn backlog_id(text: &str) -> Result<BacklogId, Fault> {
    id_of(text).map(BacklogId).ok_or_else(|| Fault::not_found("Backlog"))
}

fn sentence(decision: Decision, touched: &Touched) -> &'static str {
    match (decision, touched.backlogs, touched.backfills) {
        (Decision::Release, 0, _) => "Nothing was held.",
        (Decision::Release, ..) => "What was held fires now, behind whatever is due.",
        (Decision::Discard, 0, _) => "Nothing waited.",
        (Decision::Discard, _, 0) => "What waited does not fire; it is on record as discarded.",
        (Decision::Discard, backlogs, backfills) if backlogs == backfills => {
            "What waited does not fire. A backfill leaves no record: what had become of its occurrences before stands."
        }
        (Decision::Discard, ..) => {
            "What waited does not fire. What was missed is on record as discarded; backfills leave no record."
        }
    }
}

async fn answer(app: &Shared, caller: &Caller, id: Option<&str>, decision: Decision) -> Result<Response, Problem> {
    let touched = decide(app, caller, id.map(backlog_id).transpose()?, decision).await?.map_err(Undecided::fault)?;
    let Touched { backlogs, occurrences, .. } = touched;
    Ok(Json(TouchedDocument { message: sentence(decision, &touched), backlogs, occurrences }).into_response())
}

/// Let what is held fire.
#[utoipa::path(post, path = "/api/v1/backlog/{id}/release", tag = "Backlog", operation_id = "release_backlog",
    params(("id" = i64, Path)),
    responses((status = 200, body = TouchedDocument), (status = 409, description = "It is not held, or its trigger has expired"), Errors))]
pub(crate) async fn release(State(app): State<App>, caller: Caller, PathId(id): PathId) -> Result<Response, Problem> {
    answer(&app, &caller, Some(&id), Decision::Release).await
}

/// Let nothing fire of what waits; what was missed is recorded as discarded, and of a backfill nothing is.
#[utoipa::path(post, path = "/api/v1/backlog/{id}/discard", tag = "Backlog", operation_id = "discard_backlog",
    params(("id" = i64, Path)), responses((status = 200, body = TouchedDocument), Errors))]
pub(crate) async fn discard(State(app): State<App>, caller: Caller, PathId(id): PathId) -> Result<Response, Problem> {
    answer(&app, &caller, Some(&id), Decision::Discard).await
}

/// Let all that is held fire.
#[utoipa::path(post, path = "/api/v1/backlog/release", tag = "Backlog", operation_id = "release_backlogs",
    responses((status = 200, body = TouchedDocument), Errors))]
pub(crate) async fn release_all(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    answer(&app, &caller, None, Decision::Release).await
}

/// Let nothing fire of all that waits.
#[utoipa::path(post, path = "/api/v1/backlog/discard", tag = "Backlog", operation_id = "discard_backlogs",
    responses((status = 200, body = TouchedDocument), Errors))]
pub(crate) async fn discard_all(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    answer(&app, &caller, None, Decision::Discard).await
}

/// Which occurrences are to fire once more.
#[derive(Deserialize, ToSchema)]
#[schema(as = Backfill, example = json!({"from": "2026-11-20T00:00:00Z", "to": "2026-11-21T00:00:00Z", "dry_run": true}))]
#[expect(
    dead_code,
    reason = "the document of a body that is read field by field, so that every error can name its field"
)]
pub(crate) struct BackfillInput {
    /// The first instant; without an offset it is read in the schedule's zone.
    from: String,
    /// The first instant that is not meant any more, now at the latest and at most 366 days later.
    to: String,
    /// Whether to say only what would happen.
    dry_run: Option<bool>,
    /// Whether it waits until somebody releases it.
    hold: Option<bool>,
}

/// What a backfill does.
#[derive(Serialize, ToSchema)]
#[schema(as = Backfilled, example = json!({
    "dry_run": true, "occurrences": 24, "fired_already": 3, "to_fire": 21, "takes_at_least_s": 1,
    "first": ["2026-11-20T00:00:00Z", "2026-11-20T01:00:00Z"], "backlog": null
}))]
pub(crate) struct BackfilledDocument {
    dry_run: bool,
    /// How many occurrences the schedule names there.
    occurrences: u64,
    /// How many of them have events that are kept; these are left out. What fired and is gone by its age is not known any more, and fires
    /// again.
    fired_already: u64,
    /// How many fire.
    to_fire: u64,
    /// How many seconds it takes where nothing else waits and receivers keep up.
    takes_at_least_s: u64,
    /// The first of those that fire, at most ten.
    first: Vec<String>,
    /// What waits now; null for a dry run, and where there is nothing to fire.
    backlog: Option<BacklogDocument>,
}

/// Fire the occurrences of a past span that have not fired, in the order of their times, behind whatever is due. The occurrence that
/// the trigger waits for stays as it is.
#[utoipa::path(post, path = "/api/v1/triggers/{id}/backfill", tag = "Triggers", operation_id = "backfill_trigger",
    params(
        ("id" = i64, Path),
        ("dry_run" = Option<bool>, Query, description = "true: nothing is done; the same as in the body."),
    ),
    request_body = BackfillInput,
    responses((status = 200, body = BackfilledDocument), (status = 409, description = "It is paused, has expired, or has a backlog already"), Errors))]
pub(crate) async fn backfill(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
    run: Run,
    body: JsonBody,
) -> Result<Response, Problem> {
    let now = app.now();
    let armed = load(&app, caller.owner(), &id).await?;
    let details = scheduled(&armed)?;
    let zone = zone_of(&app, details);
    let mut fields = Fields::parse(body.needed()?)?;
    let (from, to) = (fields.take_instant("from", zone), fields.take_instant("to", zone));
    let is_dry = fields.take("dry_run", "This must be true or false.").unwrap_or(false) || run != Run::Wet;
    let hold = fields.take("hold", "This must be true or false.").unwrap_or(false);
    for (name, given) in [("from", from), ("to", to)] {
        if given.is_none() && fields.errors.iter().all(|error| error.field != name) {
            fields.fail(name, "This is needed: an instant such as 2026-11-20T00:00:00Z.");
        }
    }
    if let (Some(from), Some(to)) = (from, to) {
        check_span(&mut fields, from, to, now);
    }
    fields.finish()?;
    let (Some(from), Some(to)) = (from, to) else {
        return Err(Fault::from(Invalid::new("", "A span is needed.")).into());
    };
    armed.trigger.may_fire_again(now).map_err(refusal)?;
    if app.store.backlog_sums(caller.owner(), Some(armed.trigger.id)).await?.backlogs > 0 {
        let waits = "This trigger has a backlog already; wait until that is over (GET /api/v1/backlog).";
        return Err(Fault::new(StatusCode::CONFLICT, waits).into());
    }
    let meant = Meant::of(&app, &armed, details, Span { from, until: to }).await?;
    if meant.occurrences > BACKLOG_MAX {
        let many =
            format!("There are {} occurrences; at most {BACKLOG_MAX} are backfilled at once.", meant.occurrences);
        return Err(Fault::from(Invalid::new("to", many)).into());
    }
    let backlog = match meant.new_backlog(&armed, hold).filter(|_| !is_dry && meant.to_fire() > 0) {
        None => None,
        Some(new) => match app.acting(&caller).backfill(new, now).await? {
            Some(made) => Some(made),
            None => {
                let waits = "This trigger has a backlog already, or was edited meanwhile; wait until that is over (GET /api/v1/backlog).";
                return Err(Fault::new(StatusCode::CONFLICT, waits).into());
            }
        },
    };
    Ok(Json(BackfilledDocument {
        dry_run: is_dry,
        occurrences: meant.occurrences,
        fired_already: meant.fired.len() as u64,
        to_fire: meant.to_fire(),
        takes_at_least_s: takes_at_least_s(meant.to_fire(), armed.trigger.definition.overlap),
        first: meant.first(details).into_iter().map(time).collect(),
        backlog: backlog.as_ref().map(BacklogDocument::of),
    })
    .into_response())
}

/// How many seconds so many take where nothing else waits and every receiver keeps up.
fn takes_at_least_s(count: u64, overlap: Overlap) -> u64 {
    let rounds = count.div_ceil(if overlap.is_allowed() { ROUND_MAX as u64 } else { 1 });
    let round_ms = u64::try_from(ROUND_EVERY.as_millis()).unwrap_or(u64::MAX);
    rounds.saturating_mul(round_ms).div_ceil(1_000)
}

fn scheduled(armed: &Armed) -> Result<&ScheduleDetails, Fault> {
    let definition = &armed.trigger.definition;
    let api =
        || Fault::new(StatusCode::BAD_REQUEST, "Only scheduled triggers have occurrences that can be backfilled.");
    definition.schedule.as_ref().filter(|_| !definition.is_test).ok_or_else(api)
}

fn check_span(fields: &mut Fields, from: Timestamp, to: Timestamp, now: Timestamp) {
    if to <= from {
        fields.fail("to", "The end must be after the start.");
    } else if to > now {
        fields.fail("to", "The end must not lie in the future: what is to come fires by itself.");
    } else if to.duration_since(from) > SPAN_MAX {
        fields.fail("to", "A span is at most 366 days long.");
    }
}

/// The occurrences that are meant.
struct Meant {
    span: Span,
    occurrences: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    /// Those that have fired, ascending.
    fired: Vec<Timestamp>,
}

impl Meant {
    async fn of(app: &Shared, armed: &Armed, details: &ScheduleDetails, span: Span) -> Result<Meant, Fault> {
        // What is not due yet fires by itself.
        let fallen_due = details.due_by(app.now());
        let (after, until) = (just_before(span.from), just_before(span.until).min(fallen_due));
        let occurrences = if until <= after { 0 } else { details.count_in(after, until) };
        let first = details.next_after(after).filter(|first| *first <= until);
        let mut meant = Meant {
            span,
            occurrences,
            first,
            last: first.and_then(|_| details.latest_in(after, until)),
            fired: Vec::new(),
        };
        if occurrences <= BACKLOG_MAX && first.is_some() {
            meant.fired = meant.find_fired(app, armed).await?;
        }
        Ok(meant)
    }

    /// Goes through the ledger page by page; there are no more firings than occurrences.
    async fn find_fired(&self, app: &Shared, armed: &Armed) -> Result<Vec<Timestamp>, Fault> {
        let (owner, id) = (armed.trigger.owner, armed.trigger.id);
        let gone_until = app.settings.retention.gone_until(app.now());
        let mut fired = Vec::new();
        let mut from = self.span.from;
        while from < self.span.until {
            let span = Span { from, ..self.span };
            let Some(ledger) = app.store.ledger(owner, id, span, gone_until, LEDGER_MAX).await? else { break };
            fired.extend(ledger.firings.iter().filter(|firing| firing.is_kept).map(|firing| firing.scheduled_at));
            match ledger.stopped_at.filter(|stop| *stop > from) {
                Some(stop) => from = stop,
                None => break,
            }
        }
        fired.dedup();
        Ok(fired)
    }

    fn to_fire(&self) -> u64 {
        self.occurrences.saturating_sub(self.fired.len() as u64)
    }

    fn first(&self, details: &ScheduleDetails) -> Vec<Timestamp> {
        let next = |at: &Timestamp| details.next_after(*at);
        let all = std::iter::successors(self.first, next).take_while(|at| Some(*at) <= self.last);
        all.filter(|at| self.fired.binary_search(at).is_err()).take(SHOWN).collect()
    }

    fn new_backlog(&self, armed: &Armed, is_held: bool) -> Option<NewBacklog> {
        let trigger = &armed.trigger;
        Some(NewBacklog {
            owner: trigger.owner,
            trigger: trigger.id,
            revision: trigger.revision,
            first: self.first?,
            last: self.last?,
            count: self.occurrences,
            is_held,
        })
    }
}
