//! GET /ui/backlog: what waits to fire late, before it does: of which triggers, how many and from when; and the forms by which a person
//! releases or discards it; all of it only after a second look. The overview and a trigger's page lead here while anything waits.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use oncue_domain::backlog::Source;
use oncue_domain::id::{BacklogId, TriggerId, UserId};
use oncue_domain::schedule::zone::Zone;
use oncue_domain::store::{BacklogView, Touched};

use super::frame::{Frame, Place};
use super::moment::Moment;
use super::notice::{Done, Notice};
use super::number::number;
use super::trigger_row::label;
use super::viewer::shown_zone;
use super::{PageFault, page, see_other};
use crate::api::backlog::{Decision, Undecided, decide};
use crate::app::{App, Shared};
use crate::auth::{Caller, Visitor};
use crate::extract::{PathId, Query, id_of};
use crate::fault::Fault;

/// The page.
pub(super) const ADDRESS: &str = "/ui/backlog";

/// How many backlogs a page has.
const LISTED: usize = 100;

/// A backlog.
struct Row {
    id: i64,
    trigger: i64,
    label: String,
    left: String,
    total: String,
    source: &'static str,
    from: Moment,
    to: Moment,
    made: Moment,
    is_held: bool,
}

impl Row {
    fn of(view: &BacklogView, now: Timestamp, zone: &Zone) -> Row {
        let backlog = &view.backlog;
        Row {
            id: backlog.id.0,
            trigger: backlog.trigger.0,
            label: label(view.name.as_deref().unwrap_or_default(), backlog.trigger),
            left: number(backlog.left),
            total: number(backlog.total),
            source: match backlog.source {
                Source::CatchUp => "missed",
                Source::Backfill => "backfilled",
            },
            from: Moment::new(backlog.next_at, now, zone),
            to: Moment::new(backlog.last, now, zone),
            made: Moment::new(backlog.made_at, now, zone),
            is_held: backlog.is_held,
        }
    }
}

#[derive(Template)]
#[template(path = "backlog.html")]
struct BacklogPage {
    frame: Frame,
    notice: Option<Notice>,
    rows: Vec<Row>,
    /// How many occurrences wait, on other pages too.
    occurrences: String,
    /// How many occurrences wait for a person; none where nobody is waited for.
    held: Option<String>,
    is_first_page: bool,
    /// The page that follows.
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "backlog_discard.html")]
struct DiscardPage {
    frame: Frame,
    occurrences: String,
    backlogs: String,
    is_one: bool,
}

/// How much of somebody's waits to fire late, for pages that lead here; none where nothing does.
pub(super) struct Waiting {
    pub(super) occurrences: String,
    pub(super) is_held: bool,
}

impl Waiting {
    /// Of all triggers, or of one.
    pub(super) async fn of(app: &Shared, owner: UserId, trigger: Option<TriggerId>) -> Result<Option<Waiting>, Fault> {
        let sums = app.store.backlog_sums(owner, trigger).await?;
        let waiting = Waiting { occurrences: number(sums.occurrences), is_held: sums.held > 0 };
        Ok((sums.backlogs > 0).then_some(waiting))
    }
}

/// GET /ui/backlog
pub(super) async fn show(
    State(app): State<App>,
    Visitor(caller): Visitor,
    mut query: Query,
) -> Result<Response, PageFault> {
    let now = app.now();
    // A place that means nothing begins at the top.
    let after = query.take_text("after").as_deref().and_then(id_of).map(BacklogId);
    let sums = app.store.backlog_sums(caller.owner(), None).await?;
    let mut views = app.store.backlogs(caller.owner(), after, LISTED + 1).await?;
    let has_more = views.len() > LISTED;
    views.truncate(LISTED);
    let zone = shown_zone(&app, &caller, None);
    let shown = BacklogPage {
        frame: Frame::of(&app, &caller, Place::Upcoming),
        notice: Notice::take(&mut query),
        rows: views.iter().map(|view| Row::of(view, now, &zone)).collect(),
        occurrences: number(sums.occurrences),
        held: (sums.held > 0).then(|| number(sums.held)),
        is_first_page: after.is_none(),
        next: views.last().filter(|_| has_more).map(|last| format!("{ADDRESS}?after={}", last.backlog.id)),
    };
    Ok(page(StatusCode::OK, &shown))
}

/// GET of the address of a form: where a browser ends up that repeats it.
pub(super) async fn back(_: Visitor) -> Response {
    see_other(ADDRESS)
}

/// POST /ui/backlog/release
pub(super) async fn release_all(State(app): State<App>, Visitor(caller): Visitor) -> Result<Response, PageFault> {
    decided(&app, &caller, None, Decision::Release).await
}

/// GET /ui/backlog/discard
pub(super) async fn discard_page(State(app): State<App>, Visitor(caller): Visitor) -> Result<Response, PageFault> {
    let sums = app.store.backlog_sums(caller.owner(), None).await?;
    if sums.backlogs == 0 {
        return Ok(see_other(&Notice::of(Done::NothingWaited).at(ADDRESS)));
    }
    let shown = DiscardPage {
        frame: Frame::of(&app, &caller, Place::Upcoming),
        occurrences: number(sums.occurrences),
        backlogs: number(sums.backlogs),
        is_one: sums.occurrences == 1,
    };
    Ok(page(StatusCode::OK, &shown))
}

/// POST /ui/backlog/discard
pub(super) async fn discard_all(State(app): State<App>, Visitor(caller): Visitor) -> Result<Response, PageFault> {
    decided(&app, &caller, None, Decision::Discard).await
}

/// POST /ui/backlog/{id}/release
pub(super) async fn release(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathId(id): PathId,
) -> Result<Response, PageFault> {
    decided(&app, &caller, Some(id), Decision::Release).await
}

/// POST /ui/backlog/{id}/discard
pub(super) async fn discard(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathId(id): PathId,
) -> Result<Response, PageFault> {
    decided(&app, &caller, Some(id), Decision::Discard).await
}

async fn decided(app: &Shared, caller: &Caller, id: Option<String>, decision: Decision) -> Result<Response, PageFault> {
    let missing = || Fault::not_found("Backlog");
    let id = id.map(|id| id_of(&id).map(BacklogId).ok_or_else(missing)).transpose()?;
    // Whoever presses a button sees what was so a while ago: what has ended since is no error.
    let done = match decide(app, caller, id, decision).await? {
        Ok(touched) => done(decision, &touched),
        Err(Undecided::Gone) => Done::BacklogOver,
        Err(Undecided::NotHeld) => Done::NotHeld,
        Err(Undecided::Expired) => Done::BacklogExpired,
    };
    Ok(see_other(&Notice::of(done).at(ADDRESS)))
}

fn done(decision: Decision, touched: &Touched) -> Done {
    match (decision, touched.backlogs, touched.backfills) {
        (Decision::Release, 0, _) if touched.expired > 0 => Done::BacklogExpired,
        (_, 0, _) => Done::NothingWaited,
        (Decision::Release, ..) => Done::Released,
        (Decision::Discard, _, 0) => Done::Discarded,
        (Decision::Discard, backlogs, backfills) if backlogs == backfills => Done::BackfillDiscarded,
        (Decision::Discard, ..) => Done::AllDiscarded,
    }
}
