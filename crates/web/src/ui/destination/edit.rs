//! Making and changing a destination: first its kind is chosen, then the form has the fields of that kind and no others.

use askama::Template;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use oncue_domain::destination::definition::Kind;
use oncue_domain::destination::{Destination, Wanted};
use oncue_domain::id::{DestinationId, TriggerId};

use super::choice::{Choice, choices};
use super::form::{DestinationForm, FormErrors};
use super::page::show_new;
use super::preview::{PreviewPart, triggers};
use super::row::kind_title;
use crate::api::destination::write::{create_from, edit_from};
use crate::api::destination::{destination_id, load};
use crate::app::App;
use crate::auth::{Caller, Visitor};
use crate::extract::{PathId, Query};
use crate::fault::Fault;
use crate::ui::frame::{Frame, Place};
use crate::ui::notice::{Done, Notice};
use crate::ui::{PageFault, page, see_other};

/// A kind to be chosen: its word and what it is good for; the one that needs nothing else comes first.
const KINDS: [(&str, &str); 7] = [
    (
        "inbox",
        "A receiver inside oncue: see what arrives, with its signature checked, and try failures out. It needs nothing else.",
    ),
    ("webhook", "Your own HTTP receiver: a signed CloudEvent, with the headers that you name."),
    ("discord", "A message in a channel, by the address of its webhook."),
    ("slack", "A message in a channel, by the address of an incoming webhook."),
    ("github", "A run of a workflow, or an event in a repository."),
    ("ntfy", "A message on the phones that listen to a topic."),
    ("email", "A mail, through a server of your own."),
];

#[derive(Template)]
#[template(path = "destination_kinds.html")]
struct KindsPage {
    frame: Frame,
}

#[derive(Template)]
#[template(path = "destination_form.html")]
pub(super) struct FormPage {
    frame: Frame,
    /// The destination that is changed, and what it is called.
    destination: Option<(DestinationId, String)>,
    form: DestinationForm,
    errors: FormErrors,
    /// Who may be told of trouble.
    others: Vec<Choice>,
    /// Whether it was changed by somebody else meanwhile.
    is_stale: bool,
    /// Whether leaving the page would lose what was typed, though nothing is wrong with it.
    is_unsaved: bool,
    /// What it would send.
    preview: PreviewPart,
    /// The triggers that an event can be previewed of.
    triggers: Vec<(TriggerId, String)>,
}

impl FormPage {
    pub(super) async fn new(
        app: &App,
        caller: &Caller,
        current: Option<&Destination>,
        form: DestinationForm,
    ) -> Result<FormPage, Fault> {
        let mut others = choices(app, caller.owner(), Wanted::All).await?;
        others.retain(|other| current.is_none_or(|current| current.id != other.id));
        Ok(FormPage {
            frame: Frame::of(app, caller, Place::Destinations),
            destination: current.map(|current| (current.id, current.definition.name.clone())),
            preview: PreviewPart::of(app, caller.owner(), &form, current, app.now()).await?,
            triggers: triggers(app, caller.owner()).await?,
            form,
            errors: FormErrors::default(),
            others,
            is_stale: false,
            is_unsaved: false,
        })
    }

    /// As it was typed, and not saved.
    pub(super) fn unsaved(self) -> FormPage {
        FormPage { is_unsaved: true, ..self }
    }

    pub(super) fn show(&self) -> Response {
        let status = match (self.is_stale, self.errors.0.is_empty()) {
            (true, _) => StatusCode::CONFLICT,
            (false, false) => StatusCode::UNPROCESSABLE_ENTITY,
            (false, true) => StatusCode::OK,
        };
        page(status, self)
    }

    /// What the form is about.
    fn title(&self) -> String {
        match &self.destination {
            Some((_, name)) => format!("Edit {name}"),
            None => format!("New destination: {}", kind_title(&self.form.kind)),
        }
    }

    /// Where it is sent to be looked at.
    fn preview_address(&self) -> String {
        match &self.destination {
            Some((id, _)) => format!("/ui/destinations/{id}/preview"),
            None => "/ui/destinations/preview".to_owned(),
        }
    }

    fn has_header(&self) -> bool {
        matches!(self.form.kind.as_str(), "webhook" | "inbox" | "ntfy")
    }

    /// How a text of one's own is written; the braces are no template of ours.
    fn template_hint(&self) -> &'static str {
        "Used where the body is a text of your own, such as {\"text\": {{ trigger.name | tojson }}}."
    }

    /// How a line of one's own is written.
    fn line_hint(&self) -> &'static str {
        "Of your own, such as {{ trigger.name }} at {{ event.fired_at }}; else what fired."
    }

    /// How a text of one's own is written.
    fn text_hint(&self) -> &'static str {
        "Of your own, such as {{ payload.text }}; else when it fired, and its payload."
    }

    fn is_called(&self) -> bool {
        Kind::CALLED.contains(&self.form.kind.as_str())
    }
}

/// GET /ui/destinations/new
pub(in crate::ui) async fn new_page(
    State(app): State<App>,
    Visitor(caller): Visitor,
    mut query: Query,
) -> Result<Response, PageFault> {
    let kind = query.take_text("kind").unwrap_or_default();
    match DestinationForm::fresh(&kind) {
        // Before anything is typed there is nothing wrong that somebody would not know.
        Some(form) => {
            let page = FormPage::new(&app, &caller, None, form).await?;
            Ok(FormPage { preview: PreviewPart::default(), ..page }.show())
        }
        None => Ok(page(StatusCode::OK, &KindsPage { frame: Frame::of(&app, &caller, Place::Destinations) })),
    }
}

/// POST /ui/destinations. Where a signing secret was drawn, the answer shows it, once.
pub(in crate::ui) async fn create(
    State(app): State<App>,
    Visitor(caller): Visitor,
    request: Request,
) -> Result<Response, PageFault> {
    let form = DestinationForm::read(request, None).await?;
    let made = match form.to_json() {
        Ok(said) => create_from(&app, &caller, said, app.now()).await,
        Err(wrong) => Err(wrong.into()),
    };
    match made {
        Ok(made) => match made.secret {
            Some(secret) => show_new(&app, &caller, &made.destination, &secret, Done::DestinationMade).await,
            None => Ok(see_other(&Notice::of(Done::DestinationMade).at(&address(made.destination.id)))),
        },
        Err(Fault::Invalid(errors)) => {
            let errors = FormErrors::of(errors, &form.kind);
            Ok(FormPage { errors, ..FormPage::new(&app, &caller, None, form).await? }.show())
        }
        Err(fault) => Err(fault.into()),
    }
}

/// GET /ui/destinations/{id}/edit
pub(in crate::ui) async fn edit_page(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathId(id): PathId,
) -> Result<Response, PageFault> {
    let current = load(&app, caller.owner(), destination_id(&id)?).await?;
    Ok(FormPage::new(&app, &caller, Some(&current), DestinationForm::of(&current)).await?.show())
}

/// POST /ui/destinations/{id}/edit. Where a signing secret was drawn, because calls were not signed before, the answer shows it, once.
pub(in crate::ui) async fn edit(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathId(id): PathId,
    request: Request,
) -> Result<Response, PageFault> {
    let id = destination_id(&id)?;
    let current = load(&app, caller.owner(), id).await?;
    let mut form = DestinationForm::read(request, Some(&current)).await?;
    if form.is_of_another_revision(&current) {
        form.revision = current.revision.to_string();
        let again = FormPage::new(&app, &caller, Some(&current), form).await?;
        return Ok(FormPage { is_stale: true, ..again }.show());
    }
    let edited = match form.to_json() {
        Ok(said) => edit_from(&app, &caller, id, &said).await,
        Err(wrong) => Err(wrong.into()),
    };
    match edited {
        Ok(made) => match made.secret {
            Some(secret) => show_new(&app, &caller, &made.destination, &secret, Done::DestinationChanged).await,
            None => Ok(see_other(&Notice::of(Done::DestinationChanged).at(&address(id)))),
        },
        Err(Fault::Invalid(errors)) => {
            let errors = FormErrors::of(errors, &form.kind);
            Ok(FormPage { errors, ..FormPage::new(&app, &caller, Some(&current), form).await? }.show())
        }
        Err(fault) => Err(fault.into()),
    }
}

/// The page of a destination.
pub(super) fn address(id: DestinationId) -> String {
    format!("/ui/destinations/{id}")
}
