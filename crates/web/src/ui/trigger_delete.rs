//! Deleting one trigger: by pressing a button twice, and, where it has fired, by typing its name, because then somebody may
//! count on it.

use askama::Template;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use oncue_domain::store::{EventFilter, EventPage};
use oncue_domain::trigger::Armed;

use super::frame::{Frame, Place};
use super::notice::{Done, Notice};
use super::trigger_action::ACTION_BYTES_MAX;
use super::trigger_row::TriggerRow;
use super::{PageFault, page, see_other};
use crate::api::trigger::{Found, find, trigger_id};
use crate::app::App;
use crate::auth::{Caller, Visitor};
use crate::extract::{PathId, parse_form, read_form_body};
use crate::fault::Fault;

#[derive(Template)]
#[template(path = "trigger_delete.html")]
struct DeletePage {
    frame: Frame,
    trigger: TriggerRow,
    /// Whether nobody can read what it says.
    is_unreadable: bool,
    /// Whether its name has to be typed.
    has_fired: bool,
    /// What was typed and was not its name.
    wrong: Option<String>,
}

/// The trigger, or what stands in the place of one that cannot be read, and whether it does: to be deleted it need not be read.
async fn load(app: &App, caller: &Caller, id: &str) -> Result<(Armed, TriggerRow, bool), Fault> {
    let found = find(app.store.as_ref(), caller.owner(), trigger_id(id)?).await?;
    let found = found.ok_or_else(|| Fault::not_found("Trigger"))?;
    let row = going(app, caller, &found, app.now());
    Ok(match found {
        Found::Whole(armed) => (armed, row, false),
        Found::Remains(remains) => (remains.armed, row, true),
    })
}

/// What is about to be deleted, in a line: of what cannot be read that, and why.
pub(super) fn going(app: &App, caller: &Caller, found: &Found, now: Timestamp) -> TriggerRow {
    let row = TriggerRow::alone(app, found.armed(), &caller.frozen, now);
    match found {
        Found::Whole(_) => row,
        Found::Remains(remains) => {
            let what = format!("It cannot be read and does not fire ({})", remains.unreadable.problem);
            TriggerRow { schedule: Some(what), zone: None, next: None, ..row }
        }
    }
}

async fn has_fired(app: &App, caller: &Caller, armed: &Armed) -> Result<bool, Fault> {
    let filter = EventFilter {
        trigger: Some(armed.trigger.id),
        fired_after: Some(app.settings.retention.gone_until(app.now())),
        fired_until: None,
    };
    Ok(!app.store.events(caller.owner(), filter, EventPage::NewestFirst(None), 1).await?.is_empty())
}

/// GET /ui/triggers/{id}/delete
pub(super) async fn delete_page(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathId(id): PathId,
) -> Result<Response, PageFault> {
    let (armed, trigger, is_unreadable) = load(&app, &caller, &id).await?;
    let has_fired = has_fired(&app, &caller, &armed).await?;
    let frame = Frame::of(&app, &caller, Place::Triggers);
    Ok(page(StatusCode::OK, &DeletePage { frame, trigger, is_unreadable, has_fired, wrong: None }))
}

/// POST /ui/triggers/{id}/delete
pub(super) async fn delete(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathId(id): PathId,
    request: Request,
) -> Result<Response, PageFault> {
    let form = parse_form(&read_form_body(request, ACTION_BYTES_MAX).await?);
    let (armed, trigger, is_unreadable) = load(&app, &caller, &id).await?;
    let typed = form.get("confirm").cloned().unwrap_or_default();
    if has_fired(&app, &caller, &armed).await? && !is_name(&typed, &trigger.label) {
        let frame = Frame::of(&app, &caller, Place::Triggers);
        let again = DeletePage { frame, trigger, is_unreadable, has_fired: true, wrong: Some(typed) };
        return Ok(page(StatusCode::UNPROCESSABLE_ENTITY, &again));
    }
    if !app.acting(&caller).delete_trigger(caller.owner(), armed.trigger.id, app.now()).await? {
        return Err(Fault::not_found("Trigger").into());
    }
    Ok(see_other(&Notice::of(Done::Deleted).at("/ui/triggers")))
}

/// Whether somebody typed a name. A page shows a row of spaces as one, so that is how they are compared.
fn is_name(typed: &str, label: &str) -> bool {
    typed.split_whitespace().eq(label.split_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_typed_as_it_is_shown() {
        assert!(is_name(" nightly  backup ", "nightly backup"));
        assert!(is_name("nightly backup", "nightly   backup"));
        for wrong in ["", "nightly", "Nightly backup", "nightlybackup"] {
            assert!(!is_name(wrong, "nightly backup"), "{wrong}");
        }
    }
}
