//! Making and changing triggers in the browser: the pages of the form, and what the form is sent to. What the form says is
//! read in `trigger_form`; pausing, firing and deleting stand in `trigger_action`, `trigger_delete` and `trigger_selected`.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use oncue_domain::id::UserId;
use oncue_domain::trigger::{Armed, NAME_CHARS_MAX};

use super::notice::{Done, Notice};
use super::once::Pressed;
use super::trigger_form::{Aim, Difference, FormErrors, FormPage, TriggerForm};
use super::trigger_row::label;
use super::viewer::trigger_zone;
use super::{PageFault, see_other};
use crate::api::trigger::{change, load, make, make_once, trigger_id};
use crate::app::App;
use crate::auth::Visitor;
use crate::extract::{PathId, Query};
use crate::fault::Fault;

/// GET /ui/triggers/new
pub(super) async fn new_page(
    State(app): State<App>,
    Visitor(caller): Visitor,
    mut query: Query,
) -> Result<Response, PageFault> {
    let form = TriggerForm::from_query(&mut query);
    Ok(FormPage::new(&app, &caller, &Aim::New, form, app.now()).show(&app, &caller).await?)
}

/// GET /ui/triggers/{id}/clone
pub(super) async fn clone_page(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathId(id): PathId,
) -> Result<Response, PageFault> {
    let Armed { trigger, .. } = load(&app, caller.owner(), &id).await?;
    let definition = &trigger.definition;
    let name = label(definition.name.as_deref().unwrap_or_default(), trigger.id);
    let name = format!("Copy of {name}").chars().take(NAME_CHARS_MAX).collect();
    let form = TriggerForm { name, ..TriggerForm::of(definition, trigger_zone(&app, definition.schedule.as_ref())) };
    let form = form.knowing(&app, caller.owner()).await?;
    Ok(FormPage::new(&app, &caller, &Aim::New, form, app.now()).show(&app, &caller).await?)
}

/// POST /ui/triggers
pub(super) async fn create(
    State(app): State<App>,
    Visitor(caller): Visitor,
    pressed: Pressed,
    request: Request,
) -> Result<Response, PageFault> {
    let form = TriggerForm::read(request).await?.knowing(&app, caller.owner()).await?;
    let now = app.now();
    let made = match pressed.recall(&app, &caller).await? {
        Some(key) => make_once(&app, &caller, &key, |at| form.define(&app, None, at)).await.map(|(made, _)| made),
        None => match form.define(&app, None, now) {
            Ok(definition) => make(&app, &caller, definition, now).await,
            Err(fault) => Err(fault),
        },
    };
    match made {
        Ok(made) => {
            let is_partial = form.pasted.is_some_and(|pasted| !pasted.left_out.is_empty());
            let done = if is_partial { Done::CreatedFromCrontab } else { Done::Created };
            Ok(see_other(&Notice::of(done).at(&format!("/ui/triggers/{}", made.trigger.id))))
        }
        Err(Fault::Invalid(errors)) => {
            let again = FormPage::new(&app, &caller, &Aim::New, form, now);
            Ok(again.with_errors(FormErrors::of(errors)).show(&app, &caller).await?)
        }
        Err(fault) => Err(fault.into()),
    }
}

/// GET /ui/triggers/{id}/edit
pub(super) async fn edit_page(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathId(id): PathId,
    mut query: Query,
) -> Result<Response, PageFault> {
    let armed = load(&app, caller.owner(), &id).await?;
    let notice = Notice::take(&mut query);
    Ok(FormPage::of_trigger(&app, &caller, armed, app.now()).with_notice(notice).show(&app, &caller).await?)
}

/// POST /ui/triggers/{id}/edit
pub(super) async fn edit(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathId(id): PathId,
    request: Request,
) -> Result<Response, PageFault> {
    let mut form = TriggerForm::read(request).await?.knowing(&app, caller.owner()).await?;
    let decide = |current: &Armed, now| {
        if form.is_of_another_revision(current) {
            return Err(Fault::new(StatusCode::CONFLICT, "This trigger changed since you opened it."));
        }
        form.define(&app, Some(&current.trigger.definition), now)
    };
    let fault = match change(&app, &caller, trigger_id(&id)?, decide).await {
        Ok(_) => return Ok(see_other(&Notice::of(Done::Changed).at(&format!("/ui/triggers/{id}")))),
        Err(fault) => fault,
    };
    let armed = load(&app, caller.owner(), &id).await?;
    let now = app.now();
    match fault {
        Fault::Invalid(errors) => {
            let again = FormPage::new(&app, &caller, &Aim::Edit(Box::new(armed)), form, now);
            Ok(again.with_errors(FormErrors::of(errors)).show(&app, &caller).await?)
        }
        Fault::Refused(StatusCode::CONFLICT, _) if form.is_of_another_revision(&armed) => {
            let definition = &armed.trigger.definition;
            let current = TriggerForm::of(definition, trigger_zone(&app, definition.schedule.as_ref()));
            let differences = Difference::between(&current, &form);
            if differences.is_empty() {
                // Both say the same, or all that changed is what no form shows: there is nothing to save.
                return Ok(see_other(&Notice::of(Done::Unchanged).at(&format!("/ui/triggers/{id}"))));
            }
            form.revision = armed.trigger.revision.to_string();
            let again = FormPage::new(&app, &caller, &Aim::Edit(Box::new(armed)), form, now);
            Ok(again.with_differences(differences).show(&app, &caller).await?)
        }
        fault => Err(fault.into()),
    }
}

/// What a form is about: a new trigger, or the one whose number it carries.
pub(super) async fn aim_of(app: &App, owner: UserId, form: &TriggerForm) -> Result<Aim, Fault> {
    if form.id.is_empty() {
        return Ok(Aim::New);
    }
    Ok(Aim::Edit(Box::new(load(app, owner, &form.id).await?)))
}
