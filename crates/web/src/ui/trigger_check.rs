//! Trying a form out before it is saved: what it would do, and one event as it would fire. Both answer with the form again,
//! everything in it as it was typed, and neither makes or changes a trigger.

use axum::extract::{Request, State};
use axum::response::Response;
use oncue_domain::event::Origin;
use oncue_domain::id::{EventId, TriggerId};
use oncue_domain::schedule::zone::Zone;
use oncue_domain::store::{EventFilter, EventPage};
use oncue_domain::trigger::{Armed, Definition};

use super::PageFault;
use super::trigger::aim_of;
use super::trigger_form::{Aim, FormErrors, FormPage, TriggerForm};
use super::viewer::trigger_zone;
use crate::api::dry_run::{Edited, of_change};
use crate::api::trigger::Base;
use crate::api::trigger_destination;
use crate::app::App;
use crate::auth::{Caller, Visitor};
use crate::fault::Fault;

impl Aim {
    fn before(&self) -> Option<&Definition> {
        match self {
            Aim::New => None,
            Aim::Edit(armed) => Some(&armed.trigger.definition),
        }
    }
}

/// POST /ui/triggers/check
pub(super) async fn check(
    State(app): State<App>,
    Visitor(caller): Visitor,
    request: Request,
) -> Result<Response, PageFault> {
    let is_typing = request.headers().contains_key("hx-request");
    let form = TriggerForm::read(request).await?.knowing(&app, caller.owner()).await?;
    let now = app.now();
    let aim = aim_of(&app, caller.owner(), &form).await?;
    let read = form.define(&app, aim.before(), now);
    let told = match &aim {
        Aim::Edit(armed) if read.is_ok() && !is_typing => Some(tell(&app, &caller, armed.trigger.id, &form).await),
        _ => None,
    };
    let page = FormPage::new(&app, &caller, &aim, form, now).unsaved();
    match told.unwrap_or_else(|| read.map(|_| None)) {
        // Whoever is still typing is told in the preview alone what it lacks.
        Err(Fault::Invalid(errors)) if !is_typing => {
            Ok(page.with_errors(FormErrors::of(errors)).show(&app, &caller).await?)
        }
        Ok(Some((edited, zone))) => {
            let page = page.with_effect(&edited.effect, edited.backlog_ended, &zone);
            Ok(page.show(&app, &caller).await?)
        }
        Ok(None) | Err(Fault::Invalid(_)) => Ok(page.show(&app, &caller).await?),
        Err(fault) => Err(fault.into()),
    }
}

/// What saving the form would change, and on whose clock that is told.
async fn tell(app: &App, caller: &Caller, id: TriggerId, form: &TriggerForm) -> Result<Option<(Edited, Zone)>, Fault> {
    let decide = |current: &Armed, now| form.define(app, Some(&current.trigger.definition), now);
    let edited = of_change(app, caller, (id, Base::Whole), None, decide).await?;
    let zone = trigger_zone(app, edited.schedule()).clone();
    Ok(Some((edited, zone)))
}

/// POST /ui/triggers/test
pub(super) async fn test(
    State(app): State<App>,
    Visitor(caller): Visitor,
    request: Request,
) -> Result<Response, PageFault> {
    let form = TriggerForm::read(request).await?.knowing(&app, caller.owner()).await?;
    let now = app.now();
    let aim = aim_of(&app, caller.owner(), &form).await?;
    let read = form.define(&app, aim.before(), now);
    let page = FormPage::new(&app, &caller, &aim, form, now);
    match read {
        Ok(definition) => Ok(page.with_test(try_out(&app, &caller, definition).await?).show(&app, &caller).await?),
        Err(Fault::Invalid(errors)) => Ok(page.with_errors(FormErrors::of(errors)).show(&app, &caller).await?),
        Err(fault) => Err(fault.into()),
    }
}

/// Fires a definition once. The event is found by the number of the trigger that never was.
async fn try_out(app: &App, caller: &Caller, definition: Definition) -> Result<Option<EventId>, Fault> {
    let now = app.now();
    let named = definition.destinations.clone();
    let tried = app.acting(caller).fire_unkept(caller.owner(), definition.into(), app.ids.message(now), now).await?;
    let id = tried.map_err(|missing| trigger_destination::missing(&named, missing))?;
    metrics::counter!("oncue_firings_total", "origin" => Origin::Test.word()).increment(1);
    let filter = EventFilter { trigger: Some(id), fired_after: None, fired_until: None };
    let events = app.store.events(caller.owner(), filter, EventPage::NewestFirst(None), 1).await?;
    Ok(events.first().map(|event| event.id))
}
