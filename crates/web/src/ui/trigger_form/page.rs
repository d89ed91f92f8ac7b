//! The page around a trigger's form: the four steps, the preview, what is wrong, and what came of trying it out. The same
//! page makes, copies and changes; it only ever shows, and nothing is stored here.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use oncue_domain::destination::Wanted;
use oncue_domain::effect::Effect;
use oncue_domain::id::EventId;
use oncue_domain::schedule::zone::Zone;
use oncue_domain::trigger::{Armed, Definition, Kind};

use super::difference::Difference;
use super::errors::FormErrors;
use super::preset::Preset;
use super::preview::Preview;
use super::would::Would;
use super::{TriggerForm, proposed_zones};
use crate::app::App;
use crate::auth::Caller;
use crate::fault::Fault;
use crate::ui::destination::{Choice, choices};
use crate::ui::frame::{Frame, Place};
use crate::ui::notice::Notice;
use crate::ui::page;
use crate::ui::trigger_row::label;
use crate::ui::viewer::trigger_zone;

/// What the form is for.
#[derive(Clone, Debug)]
pub(crate) enum Aim {
    /// Making a trigger.
    New,
    /// Changing this one.
    Edit(Box<Armed>),
}

/// A form's page.
#[derive(Template)]
#[template(path = "trigger_form.html")]
pub(crate) struct FormPage {
    frame: Frame,
    /// The trigger that is changed, and what it is called.
    trigger: Option<(i64, String)>,
    form: TriggerForm,
    errors: FormErrors,
    preview: Preview,
    presets: [Preset; Preset::ALL.len()],
    /// The destinations that can be chosen.
    destinations: Vec<Choice>,
    /// The calendars that can be ticked, by number and name.
    calendars: Vec<(i64, String)>,
    zones: Vec<String>,
    server_zone: String,
    notice: Option<Notice>,
    /// The event of trying the form out.
    tested: Option<i64>,
    differences: Vec<Difference>,
    /// What saving it would change, where somebody asked.
    would: Option<Would>,
    /// Whether leaving the page loses something, though nobody has typed since it came.
    is_unsaved: bool,
}

impl FormPage {
    /// The page for `form`, as it stands.
    pub(crate) fn new(app: &App, caller: &Caller, aim: &Aim, mut form: TriggerForm, now: Timestamp) -> FormPage {
        let frame = Frame::of(app, caller, Place::Triggers);
        let armed = match aim {
            Aim::New => None,
            Aim::Edit(armed) => Some(armed.as_ref()),
        };
        if let Some(Armed { trigger, .. }) = armed {
            form.id = trigger.id.to_string();
            if trigger.definition.kind() == Kind::Api {
                form.kind = "api".to_owned();
            }
        }
        let preview = Preview::of(app, &form, armed, frame.zone(), now);
        let called = |definition: &Definition| definition.name.clone().unwrap_or_default();
        FormPage {
            trigger: armed.map(|Armed { trigger, .. }| (trigger.id.0, label(&called(&trigger.definition), trigger.id))),
            preview,
            form,
            errors: FormErrors::default(),
            presets: Preset::ALL,
            destinations: Vec::new(),
            calendars: Vec::new(),
            zones: proposed_zones(app),
            server_zone: app.settings.zone.name().to_owned(),
            notice: None,
            tested: None,
            differences: Vec::new(),
            would: None,
            is_unsaved: false,
            frame,
        }
    }

    /// The page for changing a trigger, showing it as it is.
    pub(crate) fn of_trigger(app: &App, caller: &Caller, armed: Armed, now: Timestamp) -> FormPage {
        let definition = &armed.trigger.definition;
        let form = TriggerForm {
            revision: armed.trigger.revision.to_string(),
            ..TriggerForm::of(definition, trigger_zone(app, definition.schedule.as_ref()))
        };
        FormPage::new(app, caller, &Aim::Edit(Box::new(armed)), form, now)
    }

    /// Saying what was done before.
    pub(crate) fn with_notice(self, notice: Option<Notice>) -> FormPage {
        FormPage { notice, ..self }
    }

    /// With what is wrong with it.
    pub(crate) fn with_errors(self, errors: FormErrors) -> FormPage {
        FormPage { errors, is_unsaved: true, ..self }
    }

    /// After it was tried out.
    pub(crate) fn with_test(self, event: Option<EventId>) -> FormPage {
        FormPage { tested: event.map(|event| event.0), is_unsaved: true, ..self }
    }

    /// As it was typed, and not saved.
    pub(crate) fn unsaved(self) -> FormPage {
        FormPage { is_unsaved: true, ..self }
    }

    /// Saying what would come of saving it.
    pub(crate) fn with_effect(self, effect: &Effect, backlog_ended: u64, zone: &Zone) -> FormPage {
        FormPage { would: Some(Would::of(effect, backlog_ended, zone)), ..self }
    }

    /// Refused, because the trigger is not any more what the form was filled from.
    pub(crate) fn with_differences(self, differences: Vec<Difference>) -> FormPage {
        FormPage { differences, is_unsaved: true, ..self }
    }

    /// The page, under the status that fits.
    pub(crate) async fn show(mut self, app: &App, caller: &Caller) -> Result<Response, Fault> {
        self.destinations = choices(app, caller.owner(), Wanted::All).await?;
        let calendars = app.store.calendars(caller.owner()).await?.into_iter().map(|view| view.calendar);
        self.calendars = calendars.map(|calendar| (calendar.id.0, calendar.definition.name)).collect();
        let status = if !self.differences.is_empty() {
            StatusCode::CONFLICT
        } else if !self.errors.0.is_empty() {
            StatusCode::UNPROCESSABLE_ENTITY
        } else {
            StatusCode::OK
        };
        Ok(page(status, &self))
    }

    /// The destinations that the form came with, in their order.
    fn destinations_before(&self) -> String {
        self.form.destinations.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    /// Where the form is sent.
    fn action(&self) -> String {
        match &self.trigger {
            Some((id, _)) => format!("/ui/triggers/{id}/edit"),
            None => "/ui/triggers".to_owned(),
        }
    }

    /// Where giving up leads.
    fn way_out(&self) -> String {
        match &self.trigger {
            Some((id, _)) => format!("/ui/triggers/{id}"),
            None => "/ui/triggers".to_owned(),
        }
    }

    /// Whether the kind stands and cannot be chosen.
    fn is_called(&self) -> bool {
        self.trigger.is_some() && self.form.kind == "api"
    }
}
