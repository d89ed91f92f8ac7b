//! The two lists of surface two as HTML tables: small whole documents for people and scripts that want to see everything at
//! once, with the credentials of the API.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use oncue_domain::error::Invalid;
use oncue_domain::event::Status;
use oncue_domain::store::EventPage;
use oncue_domain::trigger::Listed;

use super::event::{EventRow, beginning};
use super::page;
use super::trigger_row::TriggerRow;
use super::trigger_unreadable::UnreadableRow;
use crate::api::event::{filter_of, read_status};
use crate::api::freeze::holding;
use crate::api::page::{Gathered, ITEMS_UNASKED, gather_events, gather_triggers};
use crate::app::App;
use crate::auth::Caller;
use crate::extract::Query;
use crate::fault::{Fault, Problem};

/// How many bytes of a payload a line shows.
const PAYLOAD_BYTES_SHOWN: usize = 200;

#[derive(Template)]
#[template(path = "triggers_table.html")]
struct TriggersTable {
    triggers: Vec<TriggerRow>,
    unreadable: Vec<UnreadableRow>,
    has_more: bool,
}

/// GET /api/v1/triggers/triggers_html
pub(crate) async fn triggers_table(caller: Caller, State(app): State<App>) -> Response {
    let now = app.now();
    let gathered = gather_triggers(app.store.as_ref(), caller.owner(), None, ITEMS_UNASKED).await;
    let Gathered { items: triggers, more: has_more } = match gathered {
        Ok(gathered) => gathered,
        Err(error) => return Problem::from(error).into_response(),
    };
    let freezes = match holding(&app, caller.owner(), now).await {
        Ok(freezes) => freezes,
        Err(fault) => return Problem::from(fault).into_response(),
    };
    let (mut rows, mut unreadable) = (Vec::new(), Vec::new());
    for one in &triggers {
        match one {
            Listed::Read(armed) => rows.push(TriggerRow::alone(&app, armed, &freezes, now)),
            Listed::Unreadable(one) => unreadable.push(UnreadableRow::of(one, &app.settings.zone, now)),
        }
    }
    page(StatusCode::OK, &TriggersTable { triggers: rows, unreadable, has_more })
}

/// An event and the beginning of what it carries.
struct Line {
    event: EventRow,
    payload: String,
    is_payload_cut: bool,
}

#[derive(Template)]
#[template(path = "events_table.html")]
struct EventsTable {
    status: &'static str,
    lines: Vec<Line>,
    has_more: bool,
}

/// GET /api/v1/event_logs/event_logs_html
pub(crate) async fn events_table(caller: Caller, State(app): State<App>, mut query: Query) -> Response {
    let now = app.now();
    let status = match query.take_text("status").as_deref().map(read_status) {
        Some(Ok(status)) => status,
        Some(Err(detail)) => return Problem::from(Fault::from(Invalid::new("status", detail))).into_response(),
        None => Some(Status::Active),
    };
    let retention = app.settings.retention;
    let filter = filter_of(retention, status, now);
    let order = EventPage::NewestFirst(None);
    let gathered = gather_events(app.store.as_ref(), caller.owner(), filter, order, ITEMS_UNASKED).await;
    let Gathered { items: events, more: has_more } = match gathered {
        Ok(gathered) => gathered,
        Err(error) => return Problem::from(error).into_response(),
    };
    let lines = events.iter().map(|event| {
        let payload = beginning(event.payload.as_str(), PAYLOAD_BYTES_SHOWN);
        Line {
            event: EventRow::of(event, retention, now, &app.settings.zone),
            payload: payload.to_owned(),
            is_payload_cut: payload.len() < event.payload.as_str().len(),
        }
    });
    page(StatusCode::OK, &EventsTable { status: status.map_or("all", Status::word), lines: lines.collect(), has_more })
}
