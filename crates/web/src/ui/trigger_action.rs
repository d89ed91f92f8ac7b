//! What can be done with one trigger at the press of a button: resume, fire, test. Each is a form that leads back to
//! where it stood; what fires may be given a payload of its own.

use askama::Template;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use oncue_domain::event::Origin;
use oncue_domain::payload::Payload;
use oncue_domain::trigger::{Armed, Kind};

use super::frame::{Frame, Place};
use super::notice::{Done, Notice};
use super::once::Pressed;
use super::trigger_row::label;
use super::way_back::page_of_ours;
use super::{PageFault, page, see_other};
use crate::api::fire::fire_by_hand;
use crate::api::trigger::{change, load, trigger_id};
use crate::app::App;
use crate::auth::{Caller, Visitor};
use crate::extract::{Form, PathId, parse_form, read_form_body};
use crate::fault::Fault;

/// The longest form of an action in bytes; one with a payload that is much too large can still be shown again.
pub(super) const ACTION_BYTES_MAX: usize = 2 * 1024 * 1024;

/// The page that a form names to go back to, else the trigger's own.
pub(super) fn way_back(form: &Form, id: &str) -> String {
    form.get("back").and_then(|back| page_of_ours(back)).unwrap_or_else(|| format!("/ui/triggers/{id}"))
}

/// POST /ui/triggers/{id}/resume
pub(super) async fn resume(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathId(id): PathId,
    request: Request,
) -> Result<Response, PageFault> {
    let form = parse_form(&read_form_body(request, ACTION_BYTES_MAX).await?);
    let decide = |current: &Armed, _| Ok(current.trigger.definition.clone().switched(true));
    let armed = change(&app, &caller, trigger_id(&id)?, decide).await?;
    let notice = Notice::of(Done::Resumed).with_triggers(vec![armed.trigger.id]);
    Ok(see_other(&notice.at(&way_back(&form, &id))))
}

/// GET /ui/triggers/{id}/fire
pub(super) async fn fire_page(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathId(id): PathId,
) -> Result<Response, PageFault> {
    let armed = load(&app, caller.owner(), &id).await?;
    let origin = if armed.trigger.definition.kind() == Kind::Api { Origin::Api } else { Origin::Test };
    Ok(FirePage::new(&app, &caller, &armed, origin, None).show())
}

/// POST /ui/triggers/{id}/fire
pub(super) async fn fire(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathId(id): PathId,
    pressed: Pressed,
    request: Request,
) -> Result<Response, PageFault> {
    call(&app, &caller, &id, (pressed, request), Origin::Api).await
}

/// POST /ui/triggers/{id}/test
pub(super) async fn test(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathId(id): PathId,
    pressed: Pressed,
    request: Request,
) -> Result<Response, PageFault> {
    call(&app, &caller, &id, (pressed, request), Origin::Test).await
}

/// POST /ui/triggers/{id}/run
pub(super) async fn run(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathId(id): PathId,
    pressed: Pressed,
    request: Request,
) -> Result<Response, PageFault> {
    let form = parse_form(&read_form_body(request, ACTION_BYTES_MAX).await?);
    let armed = load(&app, caller.owner(), &id).await?;
    let under = pressed.recall(&app, &caller).await?;
    let event = fire_by_hand(&app, &caller, under.as_ref(), armed.trigger.id, Origin::Run, None).await?;
    Ok(see_other(&Notice::of(Done::Fired).with_event(event).at(&way_back(&form, &id))))
}

async fn call(
    app: &App,
    caller: &Caller,
    id: &str,
    (pressed, request): (Pressed, Request),
    origin: Origin,
) -> Result<Response, PageFault> {
    let form = parse_form(&read_form_body(request, ACTION_BYTES_MAX).await?);
    let armed = load(app, caller.owner(), id).await?;
    // Browsers end the lines of a text field their own way.
    let typed = form.get("payload").map(|text| text.trim().replace("\r\n", "\n")).unwrap_or_default();
    let payload = match (typed.as_str(), Payload::parse(&typed)) {
        ("", _) => None,
        (_, Ok(payload)) => Some(payload),
        (_, Err(error)) => {
            let again = FirePage::new(app, caller, &armed, origin, form.get("back").map(String::as_str));
            return Ok(FirePage { payload: typed, error: Some(error.message), ..again }.show());
        }
    };
    let under = pressed.recall(app, caller).await?;
    let event = fire_by_hand(app, caller, under.as_ref(), armed.trigger.id, origin, payload).await?;
    let done = if origin == Origin::Test { Done::Tested } else { Done::Fired };
    Ok(see_other(&Notice::of(done).with_event(event).at(&way_back(&form, id))))
}

/// The page for firing a trigger with a payload that is looked at first.
#[derive(Template)]
#[template(path = "trigger_fire.html")]
pub(super) struct FirePage {
    frame: Frame,
    id: i64,
    label: String,
    is_test: bool,
    payload: String,
    error: Option<String>,
    back: String,
}

impl FirePage {
    fn new(app: &App, caller: &Caller, armed: &Armed, origin: Origin, back: Option<&str>) -> FirePage {
        let trigger = &armed.trigger;
        let payload = trigger.definition.payload.as_ref();
        FirePage {
            frame: Frame::of(app, caller, Place::Triggers),
            id: trigger.id.0,
            label: label(trigger.definition.name.as_deref().unwrap_or_default(), trigger.id),
            is_test: origin == Origin::Test,
            payload: payload.map(|payload| payload.as_str().to_owned()).unwrap_or_default(),
            error: None,
            back: back.and_then(page_of_ours).unwrap_or_else(|| format!("/ui/triggers/{}", trigger.id)),
        }
    }

    fn show(&self) -> Response {
        page(if self.error.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK }, self)
    }

    /// The page again with a payload that was typed and not sent.
    pub(super) async fn typed(
        app: &App,
        caller: &Caller,
        id: &str,
        action: &str,
        form: &Form,
    ) -> Result<Response, Fault> {
        let armed = load(app, caller.owner(), id).await?;
        let origin = if action == "fire" { Origin::Api } else { Origin::Test };
        let again = FirePage::new(app, caller, &armed, origin, form.get("back").map(String::as_str));
        let payload = form.get("payload").cloned().unwrap_or_else(|| again.payload.clone());
        Ok(FirePage { payload, ..again }.show())
    }
}
