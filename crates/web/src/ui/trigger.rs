//! What can be done with a trigger in the browser: make, change, pause, resume, fire, try out and delete it. Each is a form
//! that leads back to the dashboard; how a trigger is listed stands in `trigger_row`.

use askama::Template;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use oncue_domain::event::Origin;
use oncue_domain::trigger::{Armed, Definition, Kind};

use super::dashboard::{self, View};
use super::frame::Frame;
use super::notice::Done;
use super::trigger_form::{FormErrors, TriggerForm, proposed_zones, shown_zone};
use super::trigger_row::{TriggerRow, label};
use super::{PageFault, page, see_other};
use crate::api::fire::fire_trigger;
use crate::api::trigger::{change, load, make, trigger_id};
use crate::app::App;
use crate::auth::Visitor;
use crate::extract::PathId;
use crate::fault::Fault;

/// POST /ui/triggers
pub(super) async fn create(
    State(app): State<App>,
    Visitor(caller): Visitor,
    request: Request,
) -> Result<Response, PageFault> {
    let form = TriggerForm::read(request).await?;
    let now = app.now();
    let definition = match form.define(&app, None, now) {
        Ok(definition) => definition,
        Err(Fault::Invalid(errors)) => {
            return dashboard::respond(&app, &caller, now, View::of_wrong_form(form, FormErrors::of(errors))).await;
        }
        Err(fault) => return Err(fault.into()),
    };
    make(&app, caller.owner(), definition, now).await?;
    Ok(see_other(&Done::Created.address()))
}

#[derive(Template)]
#[template(path = "trigger_edit.html")]
struct EditPage {
    frame: Frame,
    id: i64,
    label: String,
    form: TriggerForm,
    errors: FormErrors,
    zones: Vec<String>,
    server_zone: String,
    is_edit: bool,
}

impl EditPage {
    fn new(app: &App, frame: Frame, armed: &Armed, form: TriggerForm, errors: FormErrors) -> EditPage {
        let trigger = &armed.trigger;
        EditPage {
            frame,
            id: trigger.id.0,
            label: label(trigger.definition.name.as_deref().unwrap_or_default(), trigger.id),
            form,
            errors,
            zones: proposed_zones(app),
            server_zone: app.settings.zone.name().to_owned(),
            is_edit: true,
        }
    }
}

/// GET /ui/triggers/{id}/edit
pub(super) async fn edit_page(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathId(id): PathId,
) -> Result<Response, PageFault> {
    let armed = load(&app, caller.owner(), &id).await?;
    let definition = &armed.trigger.definition;
    let form = TriggerForm::of(definition, shown_zone(&app, definition));
    Ok(page(StatusCode::OK, &EditPage::new(&app, Frame::of(&app, &caller), &armed, form, FormErrors::default())))
}

/// POST /ui/triggers/{id}/edit
pub(super) async fn edit(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathId(id): PathId,
    request: Request,
) -> Result<Response, PageFault> {
    let mut form = TriggerForm::read(request).await?;
    let decide = |current: &Armed, now| form.define(&app, Some(&current.trigger.definition), now);
    match change(&app, caller.owner(), trigger_id(&id)?, decide).await {
        Ok(_) => Ok(see_other(&Done::Changed.address())),
        Err(Fault::Invalid(errors)) => {
            let armed = load(&app, caller.owner(), &id).await?;
            if armed.trigger.definition.kind() == Kind::Api {
                form.kind = "api".to_owned();
            }
            let page_again = EditPage::new(&app, Frame::of(&app, &caller), &armed, form, FormErrors::of(errors));
            Ok(page(StatusCode::UNPROCESSABLE_ENTITY, &page_again))
        }
        Err(fault) => Err(fault.into()),
    }
}

/// POST /ui/triggers/{id}/pause
pub(super) async fn pause(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathId(id): PathId,
) -> Result<Response, PageFault> {
    let decide = |current: &Armed, _| Ok(Definition { enabled: false, ..current.trigger.definition.clone() });
    change(&app, caller.owner(), trigger_id(&id)?, decide).await?;
    Ok(see_other(&Done::Paused.address()))
}

/// POST /ui/triggers/{id}/resume
pub(super) async fn resume(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathId(id): PathId,
) -> Result<Response, PageFault> {
    let decide = |current: &Armed, _| Ok(Definition { enabled: true, ..current.trigger.definition.clone() });
    change(&app, caller.owner(), trigger_id(&id)?, decide).await?;
    Ok(see_other(&Done::Resumed.address()))
}

/// POST /ui/triggers/{id}/fire
pub(super) async fn fire(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathId(id): PathId,
) -> Result<Response, PageFault> {
    let event = fire_trigger(&app, caller.owner(), trigger_id(&id)?, Origin::Api, None).await?;
    Ok(see_other(&Done::Fired.address_with_event(event)))
}

/// POST /ui/triggers/{id}/test
pub(super) async fn test(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathId(id): PathId,
) -> Result<Response, PageFault> {
    let event = fire_trigger(&app, caller.owner(), trigger_id(&id)?, Origin::Test, None).await?;
    Ok(see_other(&Done::Tested.address_with_event(event)))
}

#[derive(Template)]
#[template(path = "trigger_delete.html")]
struct DeletePage {
    frame: Frame,
    trigger: TriggerRow,
}

/// GET /ui/triggers/{id}/delete
pub(super) async fn delete_page(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathId(id): PathId,
) -> Result<Response, PageFault> {
    let now = app.now();
    let armed = load(&app, caller.owner(), &id).await?;
    let trigger = TriggerRow::of(&app, &armed, now);
    Ok(page(StatusCode::OK, &DeletePage { frame: Frame::of(&app, &caller), trigger }))
}

/// POST /ui/triggers/{id}/delete
pub(super) async fn delete(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathId(id): PathId,
) -> Result<Response, PageFault> {
    let now = app.now();
    if app.store.delete_trigger(caller.owner(), trigger_id(&id)?, now).await? {
        Ok(see_other(&Done::Deleted.address()))
    } else {
        Err(Fault::not_found("Trigger").into())
    }
}
