//! Calendars on surface two: what one looks like in JSON, and the calls that make, show, replace and delete it. What one may hold is decided
//! in the domain, and what a change means for the triggers that name it where every edit is decided; the pages share what is read here.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use oncue_domain::calendar::{
    self, CALENDARS_MAX, Calendar, DATES_MAX, Definition, ics, parse_description, parse_name, read_dates, write_dates,
};
use oncue_domain::effect::DAYS_MAX;
use oncue_domain::effect::dates::{Dates, Few};
use oncue_domain::error::Invalid;
use oncue_domain::freeze::remembered_since;
use oncue_domain::id::{CalendarId, TriggerId, UserId};
use oncue_domain::occurrence::Skipped;
use oncue_domain::schedule::excluded::ExcludedDates;
use oncue_domain::store::{CalendarEdited, CalendarMade, CalendarView, Deleted, Follower};
use oncue_domain::trigger::Armed;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::dry_run::Run;
use super::page::{next_limit, respond, take_page};
use super::time;
use super::trigger::SkippedDocument;
use crate::app::{App, Shared};
use crate::auth::Caller;
use crate::extract::{Fields, JsonBody, PathId, Query, id_of};
use crate::fault::{Fault, Problem};
use crate::openapi::{Errors, MakingErrors};
use crate::turns::{TURN_WITHIN, Turn};

/// The fields of a calendar that are shown and cannot be set.
const READ_ONLY: [&str; 7] = ["id", "revision", "created_at", "edited_at", "used_by", "triggers", "unreadable"];

/// How often an edit is decided again because the calendar was edited meanwhile.
const EDIT_TRIES: usize = 16;

/// How many triggers are told one by one of what an edit would come to.
const TOLD_MAX: usize = 100;

/// How many dates all items of a list hold; what is beyond is on the next page.
const LIST_DATES_MAX: usize = 100_000;

/// A calendar.
#[derive(Serialize, ToSchema)]
#[schema(as = Calendar, example = json!({
    "id": 3, "name": "holidays", "description": "Public holidays in Latvia", "dates": ["2026-12-24/2026-12-26", "2027-01-01"],
    "used_by": 2, "revision": 1, "created_at": "2026-11-22T10:00:00Z", "edited_at": "2026-11-22T10:00:00Z"
}))]
pub(crate) struct CalendarDocument {
    id: i64,
    name: String,
    /// What it is for.
    description: Option<String>,
    /// Its dates in order: `YYYY-MM-DD`, and a range of them from the first to the last where three or more follow each other.
    dates: Vec<String>,
    /// How many triggers name it.
    used_by: u64,
    /// Counts the changes of its name and its dates.
    revision: i64,
    created_at: String,
    edited_at: String,
}

impl CalendarDocument {
    fn of(view: &CalendarView) -> CalendarDocument {
        let Calendar { id, revision, definition, created_at, edited_at, .. } = &view.calendar;
        CalendarDocument {
            id: id.0,
            name: definition.name.clone(),
            description: definition.description.clone(),
            dates: write_dates(&definition.dates),
            used_by: view.used_by,
            revision: *revision,
            created_at: time(*created_at),
            edited_at: time(*edited_at),
        }
    }
}

/// The occurrence that a trigger waits for.
#[derive(Serialize, ToSchema)]
#[schema(as = CalendarNext, example = json!({"before": "2026-12-24T07:00:00Z", "after": "2026-12-27T07:00:00Z"}))]
pub(crate) struct NextDocument {
    before: Option<String>,
    after: Option<String>,
}

/// A trigger that has followed an edit.
#[derive(Serialize, ToSchema)]
#[schema(as = CalendarFollower, example = json!({
    "id": 7, "name": "nightly", "revision": 4, "next": {"before": "2026-12-24T07:00:00Z", "after": "2026-12-27T07:00:00Z"}
}))]
pub(crate) struct FollowerDocument {
    id: i64,
    name: Option<String>,
    /// The revision that the edit has made of it.
    revision: i64,
    next: NextDocument,
}

impl FollowerDocument {
    fn of(follower: &Follower) -> FollowerDocument {
        FollowerDocument {
            id: follower.trigger.0,
            name: follower.name.clone(),
            revision: follower.revision,
            next: NextDocument { before: follower.next_before.map(time), after: follower.next_after.map(time) },
        }
    }
}

/// A calendar that was edited, and the triggers that have followed.
#[derive(Serialize, ToSchema)]
#[schema(as = EditedCalendar, example = json!({
    "id": 3, "name": "holidays", "description": null, "dates": ["2026-12-24/2026-12-26"], "used_by": 1, "revision": 2,
    "created_at": "2026-11-22T10:00:00Z", "edited_at": "2026-11-23T10:00:00Z",
    "triggers": [{"id": 7, "name": "nightly", "revision": 4, "next": {"before": "2026-12-24T07:00:00Z", "after": "2026-12-27T07:00:00Z"}}]
}))]
pub(crate) struct EditedDocument {
    #[serde(flatten)]
    calendar: CalendarDocument,
    /// Every trigger that the edit has made a revision of, ascending.
    triggers: Vec<FollowerDocument>,
    /// Triggers that name it and do not follow, because they cannot be read; left out where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unreadable: Vec<i64>,
}

/// Occurrences that come or go.
#[derive(Serialize, ToSchema)]
#[schema(as = CalendarOccurrences, example = json!({"count": 3, "first": ["2026-12-24T07:00:00Z"]}))]
pub(crate) struct FewDocument {
    /// How many.
    count: u64,
    /// The first of them, at most five.
    first: Vec<String>,
}

impl FewDocument {
    fn of(few: &Few) -> FewDocument {
        FewDocument { count: few.count, first: few.first.iter().copied().map(time).collect() }
    }
}

/// What an edit would come to for a trigger.
#[derive(Serialize, ToSchema)]
#[schema(as = CalendarEffect, example = json!({
    "id": 7, "name": "nightly", "next": {"before": "2026-12-24T07:00:00Z", "after": "2026-12-27T07:00:00Z"},
    "added": {"count": 0, "first": []}, "removed": {"count": 3, "first": ["2026-12-24T07:00:00Z"]}, "skipped": [],
    "backlog_ended": 0
}))]
pub(crate) struct EffectDocument {
    id: i64,
    name: Option<String>,
    next: NextDocument,
    /// What would fire and does not.
    added: FewDocument,
    /// What fires and would not.
    removed: FewDocument,
    /// What would be recorded as skipped.
    skipped: Vec<SkippedDocument>,
    /// How many occurrences that wait in a backlog of it would not fire any more.
    backlog_ended: u64,
}

/// What an edit of a calendar would come to. Nothing was done.
#[derive(Serialize, ToSchema)]
#[schema(as = CalendarDryRun, example = json!({
    "dry_run": true, "from": "2026-11-23T08:00:00Z", "until": "2027-12-28T08:00:00Z", "dates_added": ["2026-12-24/2026-12-26"],
    "dates_removed": [], "changed": 1, "unchanged": 4, "triggers": [{
        "id": 7, "name": "nightly", "next": {"before": "2026-12-24T07:00:00Z", "after": "2026-12-27T07:00:00Z"},
        "added": {"count": 0, "first": []}, "removed": {"count": 3, "first": ["2026-12-24T07:00:00Z"]}, "skipped": [],
        "backlog_ended": 0
    }], "unreadable": 0, "backlog_ended": 0
}))]
pub(crate) struct DryRunDocument {
    /// Always true.
    dry_run: bool,
    from: String,
    /// Up to when occurrences were compared.
    until: String,
    /// The dates that it would hold and does not.
    dates_added: Vec<String>,
    /// The dates that it holds and would not.
    dates_removed: Vec<String>,
    /// For how many triggers something would be otherwise.
    changed: usize,
    /// How many triggers name it and would go on as they do.
    unchanged: usize,
    /// Those for which something would be otherwise, the first hundred.
    triggers: Vec<EffectDocument>,
    /// How many name it and would not follow, because they cannot be read.
    unreadable: u64,
    /// How many occurrences that wait in backlogs of any of them would not fire any more.
    backlog_ended: u64,
}

/// What a call that replaces a calendar answers.
#[derive(Serialize, ToSchema)]
#[schema(as = EditedCalendarOrDryRun, example = json!({
    "id": 3, "name": "holidays", "description": null, "dates": ["2026-12-24/2026-12-26"], "used_by": 0, "revision": 2,
    "created_at": "2026-11-22T10:00:00Z", "edited_at": "2026-11-23T10:00:00Z", "triggers": []
}))]
#[serde(untagged)]
#[expect(dead_code, reason = "the document of two answers, each of which is written by itself")]
pub(crate) enum ReplacedDocument {
    /// The calendar as it is now, and the triggers that have followed.
    Calendar(Box<EditedDocument>),
    /// With `dry_run=true`: what would come of it.
    DryRun(Box<DryRunDocument>),
}

/// What can be said about a calendar; all but the name may be left out.
#[derive(Deserialize, ToSchema)]
#[schema(as = CalendarInput, example = json!({"name": "holidays", "dates": ["2026-12-24/2026-12-26", "2027-01-01"]}))]
#[expect(
    dead_code,
    reason = "the document of a body that is read field by field, so that every error can name its field"
)]
pub(crate) struct CalendarInput {
    /// What triggers name it by: at most 100 characters, and no other calendar's.
    name: String,
    /// At most 1 000 characters.
    description: Option<String>,
    /// Dates, `YYYY-MM-DD`, or ranges of them from the first to the last, `YYYY-MM-DD/YYYY-MM-DD`; at most 2 000 dates.
    dates: Option<Vec<String>>,
    /// iCalendar text (RFC 5545) whose events last whole days and do not recur: their dates are added to `dates`.
    ical: Option<String>,
}

/// The id in a path; what is no number names nothing.
pub(crate) fn calendar_id(text: &str) -> Result<CalendarId, Fault> {
    id_of(text).map(CalendarId).ok_or_else(|| Fault::not_found("Calendar"))
}

/// The owner's calendar.
pub(crate) async fn load(app: &Shared, owner: UserId, id: CalendarId) -> Result<CalendarView, Fault> {
    app.store.calendar(owner, id).await?.ok_or_else(|| Fault::not_found("Calendar"))
}

/// Reads what is said about a calendar.
pub(crate) fn read(bytes: &[u8]) -> Result<Definition, Fault> {
    let mut fields = Fields::parse(bytes)?;
    fields.ignore(&READ_ONLY);
    let name = fields.take_with("name", |text| parse_name(text).map_err(|error| error.message));
    if name.is_none() && fields.errors.is_empty() {
        fields.fail("name", "This is needed: triggers name a calendar by it.");
    }
    let description = fields.take_with("description", |text| parse_description(text).map_err(|error| error.message));
    let expected = "This must be a list of dates, each a string such as \"2026-12-24\" or \"2026-12-24/2026-12-26\".";
    let texts: Vec<String> = fields.take("dates", expected).unwrap_or_default();
    let dates = read_dates(texts.iter().map(String::as_str)).unwrap_or_else(|error| {
        fields.fail("dates", error.to_string());
        ExcludedDates::default()
    });
    let more = fields.take_with("ical", ics::read).unwrap_or_default();
    let all = dates.dates().iter().chain(more.dates()).copied();
    let dates = ExcludedDates::at_most(DATES_MAX, all).unwrap_or_else(|error| {
        fields.fail("ical", error.to_string());
        ExcludedDates::default()
    });
    fields.finish()?;
    Ok(Definition { name: name.unwrap_or_default(), description: description.flatten(), dates })
}

fn name_taken(name: &str) -> Fault {
    Invalid::new("name", format!("Another calendar of yours is called \"{name}\" already.")).into()
}

/// Makes a calendar.
pub(crate) async fn make(
    app: &Shared,
    caller: &Caller,
    definition: Definition,
    now: Timestamp,
) -> Result<Calendar, Fault> {
    let name = definition.name.clone();
    match app.acting(caller).create_calendar(caller.owner(), definition, now).await? {
        CalendarMade::Done(calendar) => Ok(calendar),
        CalendarMade::NameTaken => Err(name_taken(&name)),
        CalendarMade::Full => Err(full()),
    }
}

fn full() -> Fault {
    let detail = format!("You have {CALENDARS_MAX} calendars already; delete one first.");
    Fault::new(StatusCode::CONFLICT, detail)
}

/// Refuses a name that another of these has than the one that is to have it.
fn refuse_taken(others: &[CalendarView], own: Option<CalendarId>, name: &str) -> Result<(), Fault> {
    let is_taken = |view: &CalendarView| Some(view.calendar.id) != own && view.calendar.definition.name == name;
    if others.iter().any(is_taken) { Err(name_taken(name)) } else { Ok(()) }
}

/// A calendar that says what was asked for.
pub(crate) struct Edited {
    /// The calendar, as that edit left it.
    view: CalendarView,
    /// The triggers that have followed.
    followers: Vec<Follower>,
    /// Those that cannot be read, and so have not.
    unreadable: Vec<TriggerId>,
}

/// Makes a calendar say something else that stands as it was `seen`, and the triggers that name it with it; none where it was edited meanwhile. What
/// changes nothing is no edit.
pub(crate) async fn edit_seen(
    app: &Shared,
    caller: &Caller,
    seen: CalendarView,
    definition: &Definition,
) -> Result<Option<Edited>, Fault> {
    let CalendarView { calendar, used_by } = seen;
    if calendar.definition == *definition {
        let view = CalendarView { calendar, used_by };
        return Ok(Some(Edited { view, followers: Vec::new(), unreadable: Vec::new() }));
    }
    let former = calendar.revision;
    match app.acting(caller).edit_calendar(calendar, definition.clone(), app.now()).await? {
        CalendarEdited::Done { calendar, followers, unreadable } => {
            // Some may have come or gone since it was seen: where all that name it are told, they are how many name it.
            let naming = (followers.len() + unreadable.len()) as u64;
            let used_by = if calendar.revision == former { used_by } else { naming };
            Ok(Some(Edited { view: CalendarView { calendar, used_by }, followers, unreadable }))
        }
        CalendarEdited::NotFound => Err(Fault::not_found("Calendar")),
        CalendarEdited::NameTaken => Err(name_taken(&definition.name)),
        CalendarEdited::Stale => Ok(None),
    }
}

/// Whoever edits a calendar has a turn until this is dropped, and is counted by the triggers that name it.
pub(crate) async fn turn_to_edit(
    app: &Shared,
    caller: &Caller,
    seen: &CalendarView,
    definition: &Definition,
) -> Result<Option<Turn>, Fault> {
    if seen.calendar.edited(definition.clone(), app.now()).revision == seen.calendar.revision {
        return Ok(None);
    }
    let turn = app.calendar_turns.take(caller.owner()).await.ok_or(Fault::TooMany(TURN_WITHIN))?;
    app.count_calendar_edit(caller.owner(), seen.used_by).map_err(Fault::TooMany)?;
    Ok(Some(turn))
}

/// The same for whoever means the calendar however it stands.
async fn edit(app: &Shared, caller: &Caller, seen: CalendarView, definition: &Definition) -> Result<Edited, Fault> {
    let (id, mut seen, mut turn) = (seen.calendar.id, seen, None);
    for _ in 0..EDIT_TRIES {
        // What changed no dates may change some now that somebody else's edit came between.
        if turn.is_none() {
            turn = turn_to_edit(app, caller, &seen, definition).await?;
        }
        if let Some(edited) = edit_seen(app, caller, seen, definition).await? {
            return Ok(edited);
        }
        seen = load(app, caller.owner(), id).await?;
    }
    Err(Fault::new(StatusCode::CONFLICT, "This calendar changes too fast right now; try again."))
}

/// What an edit would come to for a trigger.
pub(crate) struct Told {
    /// The trigger as it stands.
    pub(crate) before: Armed,
    /// The occurrence that it would wait for.
    pub(crate) next_after: Option<Timestamp>,
    /// What would come and go.
    pub(crate) dates: Dates,
    /// What would be recorded as skipped.
    pub(crate) skipped: Vec<Skipped>,
    /// How many occurrences that wait in a backlog of it would not fire any more.
    pub(crate) backlog_ended: u64,
}

/// What an edit would come to.
pub(crate) struct Would {
    /// Those for which something would be otherwise.
    pub(crate) changed: Vec<Told>,
    /// How many others name the calendar.
    pub(crate) unchanged: usize,
    /// How many more do that cannot be read, and would not follow.
    pub(crate) unreadable: u64,
    now: Timestamp,
    until: Timestamp,
}

fn until_or_unasked(now: Timestamp, until: Option<Timestamp>) -> Timestamp {
    until.unwrap_or(now + SignedDuration::from_hours(24 * DAYS_MAX))
}

/// Works out what it would come to that a calendar says something else.
pub(crate) async fn would(
    app: &Shared,
    view: &CalendarView,
    definition: &Definition,
    until: Option<Timestamp>,
) -> Result<Would, Fault> {
    let CalendarView { calendar, used_by } = view;
    let now = app.now();
    let until = until_or_unasked(now, until);
    let edited = calendar.edited(definition.clone(), now);
    let triggers = app.store.calendar_triggers(calendar.owner, calendar.id, usize::MAX).await?;
    let freezes = app.store.freezes_of(calendar.owner, remembered_since(now)).await?;
    let backlogs = app.store.calendar_backlogs(calendar.owner, calendar.id).await?;
    let (mut changed, mut unchanged) = (Vec::new(), 0);
    // Whoever has come or gone between the two looks is no reason to say less than none.
    let is_followed = edited.revision != calendar.revision;
    let unreadable = if is_followed { used_by.saturating_sub(triggers.len() as u64) } else { 0 };
    for before in triggers {
        // A trigger of many dates may take a while, and there may be many of them.
        tokio::task::yield_now().await;
        let Some(edit) = before.follow(&edited, now) else {
            unchanged += 1;
            continue;
        };
        let edit = edit.under(&before, now, &freezes);
        let after = before.as_edited(&edit);
        let dates = Dates::between(&before, &after, (now, until), &freezes);
        let waiting = edit.ends_backlogs.and_then(|_| backlogs.get(&before.trigger.id));
        let backlog_ended = waiting.copied().unwrap_or_default();
        let is_same = dates.is_empty()
            && edit.skipped.is_empty()
            && backlog_ended == 0
            && before.next_firing_at() == after.next_firing_at();
        if is_same {
            unchanged += 1;
        } else {
            let next_after = after.next_firing_at();
            changed.push(Told { before, next_after, dates, skipped: edit.skipped, backlog_ended });
        }
    }
    Ok(Would { changed, unchanged, unreadable, now, until })
}

impl Would {
    /// A calendar that is new: no trigger names it yet.
    fn of_new(now: Timestamp, until: Option<Timestamp>) -> Would {
        Would { changed: Vec::new(), unchanged: 0, unreadable: 0, now, until: until_or_unasked(now, until) }
    }

    fn document(&self, present: &ExcludedDates, definition: &Definition) -> DryRunDocument {
        let (removed, added) = calendar::differing(present, &definition.dates);
        let effect = |told: &Told| EffectDocument {
            id: told.before.trigger.id.0,
            name: told.before.trigger.definition.name.clone(),
            next: NextDocument { before: told.before.next_firing_at().map(time), after: told.next_after.map(time) },
            added: FewDocument::of(&told.dates.added),
            removed: FewDocument::of(&told.dates.removed),
            skipped: told.skipped.iter().map(|skipped| SkippedDocument::new(skipped, self.now)).collect(),
            backlog_ended: told.backlog_ended,
        };
        DryRunDocument {
            dry_run: true,
            from: time(self.now),
            until: time(self.until),
            dates_added: write_dates(&added),
            dates_removed: write_dates(&removed),
            changed: self.changed.len(),
            unchanged: self.unchanged,
            triggers: self.changed.iter().take(TOLD_MAX).map(effect).collect(),
            unreadable: self.unreadable,
            backlog_ended: self.changed.iter().map(|told| told.backlog_ended).sum(),
        }
    }
}

/// List your calendars, in ascending order of their ids.
#[utoipa::path(get, path = "/api/v1/calendars", tag = "Calendars", operation_id = "list_calendars",
    params(
        ("limit" = Option<u32>, Query, minimum = 1, description = "How many items, at most 200; without it all."),
        ("cursor" = Option<String>, Query, description = "Where to go on, from the Link header of the page before."),
    ),
    responses((status = 200, body = [CalendarDocument]), Errors))]
pub(crate) async fn list(State(app): State<App>, caller: Caller, mut query: Query) -> Result<Response, Problem> {
    let page = take_page(&mut query, id_of);
    query.finish()?;
    let views = app.store.calendars(caller.owner()).await?;
    let after = views.iter().filter(|view| page.cursor.is_none_or(|cursor| view.calendar.id.0 > cursor));
    let (mut items, mut dates, mut last) = (Vec::new(), 0, None);
    let mut left = after.peekable();
    while let Some(view) = left.next_if(|_| items.len() < page.limit && dates < LIST_DATES_MAX) {
        dates += view.calendar.definition.dates.dates().len();
        last = Some(view.calendar.id);
        items.push(CalendarDocument::of(view));
    }
    let has_more = left.peek().is_some();
    let next =
        last.filter(|_| has_more).map(|last| vec![("limit", next_limit(page.limit)), ("cursor", last.to_string())]);
    Ok(respond(&items, "/api/v1/calendars", next))
}

/// Make a calendar.
#[utoipa::path(post, path = "/api/v1/calendars", tag = "Calendars", operation_id = "create_calendar",
    params(
        ("dry_run" = Option<bool>, Query, description = "true: nothing is done; the answer says what would be."),
        ("until" = Option<String>, Query, description = "With dry_run: until when occurrences would be compared; no trigger names a calendar that is new."),
    ),
    request_body = CalendarInput,
    responses((status = 201, body = CalendarDocument), (status = 200, body = DryRunDocument, description = "With dry_run=true"), MakingErrors))]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    run: Run,
    body: JsonBody,
) -> Result<Response, Problem> {
    let (definition, now) = (read(body.needed()?)?, app.now());
    if let Run::Dry(until) = run {
        let others = app.store.calendars(caller.owner()).await?;
        if others.len() >= CALENDARS_MAX {
            return Err(full().into());
        }
        refuse_taken(&others, None, &definition.name)?;
        let would = Would::of_new(now, until);
        return Ok(Json(would.document(&ExcludedDates::default(), &definition)).into_response());
    }
    let calendar = make(&app, &caller, definition, now).await?;
    let location = [(header::LOCATION, format!("/api/v1/calendars/{}", calendar.id))];
    let document = CalendarDocument::of(&CalendarView { calendar, used_by: 0 });
    Ok((StatusCode::CREATED, location, Json(document)).into_response())
}

/// Show one calendar.
#[utoipa::path(get, path = "/api/v1/calendars/{id}", tag = "Calendars", operation_id = "get_calendar",
    params(("id" = i64, Path)), responses((status = 200, body = CalendarDocument), Errors))]
pub(crate) async fn get(State(app): State<App>, caller: Caller, PathId(id): PathId) -> Result<Response, Problem> {
    let view = load(&app, caller.owner(), calendar_id(&id)?).await?;
    Ok(Json(CalendarDocument::of(&view)).into_response())
}

/// Replace a calendar: what is left out takes its default. Each trigger that names it follows at once, by a revision of its own.
#[utoipa::path(put, path = "/api/v1/calendars/{id}", tag = "Calendars", operation_id = "replace_calendar",
    params(
        ("id" = i64, Path),
        ("dry_run" = Option<bool>, Query, description = "true: nothing is done; the answer says what would be."),
        ("until" = Option<String>, Query, description = "With dry_run: until when occurrences are compared, RFC 3339, at most 400 days from now; else 400 days from now."),
    ),
    request_body = CalendarInput, responses((status = 200, body = ReplacedDocument), MakingErrors))]
pub(crate) async fn replace(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
    run: Run,
    body: JsonBody,
) -> Result<Response, Problem> {
    let id = calendar_id(&id)?;
    // Before the body is looked at, so that what is another's looks like none whatever is sent.
    let present = load(&app, caller.owner(), id).await?;
    let definition = read(body.needed()?)?;
    if let Run::Dry(until) = run {
        let others = app.store.calendars(caller.owner()).await?;
        refuse_taken(&others, Some(id), &definition.name)?;
        let would = would(&app, &present, &definition, until).await?;
        return Ok(Json(would.document(&present.calendar.definition.dates, &definition)).into_response());
    }
    let Edited { view, followers, unreadable } = edit(&app, &caller, present, &definition).await?;
    let calendar = CalendarDocument::of(&view);
    let triggers = followers.iter().map(FollowerDocument::of).collect();
    let unreadable = unreadable.iter().map(|id| id.0).collect();
    Ok(Json(EditedDocument { calendar, triggers, unreadable }).into_response())
}

/// Delete a calendar that no trigger names.
#[utoipa::path(delete, path = "/api/v1/calendars/{id}", tag = "Calendars", operation_id = "delete_calendar",
    params(("id" = i64, Path)),
    responses((status = 204), (status = 409, description = "Triggers name it; they are named"), Errors))]
pub(crate) async fn delete(State(app): State<App>, caller: Caller, PathId(id): PathId) -> Result<StatusCode, Problem> {
    match app.acting(&caller).delete_calendar(caller.owner(), calendar_id(&id)?).await? {
        Deleted::Done => Ok(StatusCode::NO_CONTENT),
        Deleted::NotFound => Err(Fault::not_found("Calendar").into()),
        Deleted::InUse { triggers, count } => {
            let ids: Vec<String> = triggers.iter().map(ToString::to_string).collect();
            let more = count.saturating_sub(u64::try_from(ids.len()).unwrap_or(u64::MAX));
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            let names = if count == 1 { "Trigger" } else { "Triggers" };
            let verb = if count == 1 { "names" } else { "name" };
            let detail = format!("{names} {}{more} {verb} this calendar; take it out there first.", ids.join(", "));
            Err(Fault::new(StatusCode::CONFLICT, detail).into())
        }
    }
}
