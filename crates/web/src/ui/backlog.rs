//! GET /ui/backlog: what waits to fire late, before it does: of which triggers, how many and from when; and the forms by which a person
//! releases or discards it. The overview and a trigger's page lead here while anything waits.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use oncue_domain::backlog::{BACKLOGS_LISTED_MAX, Source};
use oncue_domain::id::{BacklogId, TriggerId, UserId};
use oncue_domain::schedule::zone::Zone;
use oncue_domain::store::BacklogView;

use super::frame::{Frame, Place};
use super::moment::Moment;
use super::notice::{Done, Notice};
use super::number::number;
use super::trigger_row::label;
use super::viewer::shown_zone;
use super::{PageFault, page, see_other};
use crate::api::backlog::{Decision, decide};
use crate::app::{App, Shared};
use crate::auth::{Caller, Visitor};
use crate::extract::{PathId, Query, id_of};
use crate::fault::Fault;

/// The page.
pub(super) const ADDRESS: &str = "/ui/backlog";

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
    occurrences: String,
    /// How many occurrences wait for a person; none where nobody is waited for.
    held: Option<String>,
}

/// How much of somebody's waits to fire late, for pages that lead here; none where nothing does.
pub(super) struct Waiting {
    pub(super) occurrences: String,
    pub(super) is_held: bool,
}

impl Waiting {
    /// Of all triggers, or of one.
    pub(super) async fn of(app: &Shared, owner: UserId, trigger: Option<TriggerId>) -> Result<Option<Waiting>, Fault> {
        let views = app.store.backlogs(owner, trigger, BACKLOGS_LISTED_MAX).await?;
        let is_held = views.iter().any(|view| view.backlog.is_held);
        Ok((!views.is_empty()).then(|| Waiting { occurrences: number(left(&views, |_| true)), is_held }))
    }
}

fn left(views: &[BacklogView], is_meant: impl Fn(&BacklogView) -> bool) -> u64 {
    views.iter().filter(|view| is_meant(view)).fold(0, |sum, view| sum.saturating_add(view.backlog.left))
}

/// GET /ui/backlog
pub(super) async fn show(
    State(app): State<App>,
    Visitor(caller): Visitor,
    mut query: Query,
) -> Result<Response, PageFault> {
    let now = app.now();
    let views = app.store.backlogs(caller.owner(), None, BACKLOGS_LISTED_MAX).await?;
    let zone = shown_zone(&app, &caller, None);
    let held = left(&views, |view| view.backlog.is_held);
    let shown = BacklogPage {
        frame: Frame::of(&app, &caller, Place::Upcoming),
        notice: Notice::take(&mut query),
        rows: views.iter().map(|view| Row::of(view, now, &zone)).collect(),
        occurrences: number(left(&views, |_| true)),
        held: (held > 0).then(|| number(held)),
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
    decide(app, caller, id, decision).await?;
    let done = match decision {
        Decision::Release => Done::Released,
        Decision::Discard => Done::Discarded,
    };
    Ok(see_other(&Notice::of(done).at(ADDRESS)))
}
