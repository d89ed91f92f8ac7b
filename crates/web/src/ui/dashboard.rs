//! The dashboard: what waits, what has fired, and the form that makes a trigger. Bounded: the first triggers and the newest
//! events; whoever has more has the lists of the API.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use oncue_domain::error::Invalid;
use oncue_domain::event::Status;
use oncue_domain::store::EventPage;

use super::event::EventRow;
use super::frame::Frame;
use super::moment::{Moment, span};
use super::notice::{Done, Notice};
use super::trigger_form::{FormErrors, TriggerForm, proposed_zones};
use super::trigger_row::TriggerRow;
use super::{PageFault, page};
use crate::api::event::{filter_of, read_status};
use crate::app::App;
use crate::auth::{Caller, Visitor};
use crate::extract::Query;
use crate::fault::Fault;

/// How many triggers are listed.
const TRIGGERS_MAX: usize = 200;

/// How many events are listed.
const EVENTS_MAX: usize = 50;

#[derive(Template)]
#[template(path = "dashboard.html")]
struct Dashboard {
    frame: Frame,
    clock: Moment,
    server_zone: String,
    notice: Option<Notice>,
    triggers: Vec<TriggerRow>,
    has_more_triggers: bool,
    events: Vec<EventRow>,
    has_more_events: bool,
    status: &'static str,
    active_for: String,
    keep_for: String,
    form: TriggerForm,
    errors: FormErrors,
    zones: Vec<String>,
    is_edit: bool,
}

/// What the dashboard is asked to show.
pub(super) struct View {
    status: Option<Status>,
    notice: Option<Notice>,
    form: TriggerForm,
    errors: FormErrors,
}

impl View {
    /// The dashboard after a form that was not right.
    pub(super) fn of_wrong_form(form: TriggerForm, errors: FormErrors) -> View {
        View { status: Some(Status::Active), notice: None, form, errors }
    }
}

/// GET /
pub(super) async fn show(
    State(app): State<App>,
    Visitor(caller): Visitor,
    mut query: Query,
) -> Result<Response, PageFault> {
    let now = app.now();
    let status = match query.take_text("status") {
        Some(word) => read_status(&word).map_err(|detail| Fault::from(Invalid::new("status", detail)))?,
        None => Some(Status::Active),
    };
    let notice = Notice::take(&mut query);
    let view = View { status, notice, form: TriggerForm::fresh(), errors: FormErrors::default() };
    respond(&app, &caller, now, view).await
}

/// The dashboard, as `view` wants it.
pub(super) async fn respond(app: &App, caller: &Caller, now: Timestamp, view: View) -> Result<Response, PageFault> {
    let (settings, owner) = (&app.settings, caller.owner());
    let triggers = app.store.triggers(owner, None, TRIGGERS_MAX + 1).await?;
    let filter = filter_of(settings.retention, view.status, now);
    let events = app.store.events(owner, filter, EventPage::NewestFirst(None), EVENTS_MAX + 1).await?;
    let mut rows = Vec::new();
    for event in events.iter().take(EVENTS_MAX) {
        let found = app.store.event(owner, event.id, settings.retention.gone_until(now)).await?;
        let deliveries = found.map(|(_, deliveries)| deliveries).unwrap_or_default();
        rows.push(EventRow::of(event, &deliveries, settings.retention, now, &settings.zone));
    }
    let code = if view.errors.0.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let dashboard = Dashboard {
        frame: Frame::of(app, caller),
        clock: Moment::new(now, now, &settings.zone),
        server_zone: settings.zone.name().to_owned(),
        notice: view.notice,
        has_more_triggers: triggers.len() > TRIGGERS_MAX,
        triggers: triggers.iter().take(TRIGGERS_MAX).map(|armed| TriggerRow::of(app, armed, now)).collect(),
        has_more_events: events.len() > EVENTS_MAX,
        events: rows,
        status: view.status.map_or("all", Status::word),
        active_for: span(settings.retention.active_for),
        keep_for: span(settings.retention.keep_for),
        form: view.form,
        errors: view.errors,
        zones: proposed_zones(app),
        is_edit: false,
    };
    Ok(page(code, &dashboard))
}
