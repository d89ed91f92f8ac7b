//! What somebody was about to do when their session turned out to have ended: the form they had filled in travels through the
//! page for logging in and is shown again afterwards, as typed and not carried out. Nothing of it is kept on the server. No
//! password may travel so, which is why only the forms of triggers do.

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;

use super::trigger::aim_of;
use super::trigger_action::FirePage;
use super::trigger_form::{Aim, FormPage, TriggerForm};
use super::way_back::page_of_ours;
use super::{PageFault, login_page, redirect};
use crate::app::App;
use crate::auth::{Caller, visitor};
use crate::extract::{Form, is_form, is_safe, parse_form, read_body};
use crate::fault::{Fault, respond_at};

/// The longest form that is read from somebody who is not logged in, in bytes.
pub(crate) const DRAFT_BYTES_MAX: usize = 1024 * 1024;

/// Room for what else a login's form holds.
const ROOM_BYTES: usize = 16 * 1024;

/// How many such forms are read at the same time; whoever comes then has to type again.
static DRAFTS: Semaphore = Semaphore::const_new(32);

/// Reads the body of a form from a stranger: a long one only where there is room, else at most `otherwise` bytes.
pub(crate) async fn read_from_stranger(body: Body, otherwise: usize) -> Result<Bytes, Fault> {
    let place = DRAFTS.try_acquire();
    read_body(body, if place.is_ok() { DRAFT_BYTES_MAX } else { otherwise }).await
}

/// Where a login leads on to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Onward {
    /// The page that was asked for.
    pub(crate) next: Option<String>,
    draft: Option<Draft>,
}

/// A form that was sent too late.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Draft {
    /// Where it was sent to.
    pub(crate) to: String,
    /// Its fields, urlencoded.
    pub(crate) fields: String,
}

impl Draft {
    /// None where the form is not one that can wait, or has grown too long to travel.
    fn new(to: &str, fields: &[u8]) -> Option<Draft> {
        let fields = std::str::from_utf8(fields).ok()?;
        // In the form for logging in, every `%` becomes three characters, and so may what stands between the fields.
        let grown: usize = fields.bytes().map(|b| if b.is_ascii_alphanumeric() { 1 } else { 3 }).sum();
        let is_right = to.starts_with("/ui/triggers") && page_of_ours(to).as_deref() == Some(to);
        let fits = grown + to.len() + ROOM_BYTES <= DRAFT_BYTES_MAX;
        (is_right && fits).then(|| Draft { to: to.to_owned(), fields: fields.to_owned() })
    }
}

impl Onward {
    /// To a page, where it is one of ours.
    pub(crate) fn to(next: Option<&str>) -> Onward {
        Onward { next: next.and_then(page_of_ours), draft: None }
    }

    /// Takes it from the form of a login.
    pub(crate) fn take(form: &mut Form) -> Onward {
        let next = form.remove("next");
        let (to, fields) = (form.remove("draft_to"), form.remove("draft"));
        let draft = to.zip(fields).and_then(|(to, fields)| Draft::new(&to, fields.as_bytes()));
        Onward { draft, ..Onward::to(next.as_deref()) }
    }

    /// What was not carried out.
    pub(crate) fn draft(&self) -> Option<&Draft> {
        self.draft.as_ref()
    }

    /// What is shown to whoever has logged in.
    pub(crate) async fn show(&self, app: &App, caller: &Caller) -> Response {
        if let Some(draft) = &self.draft {
            return match again(app, caller, draft).await {
                Ok(response) => response,
                // Somebody else has logged in, or the trigger is gone.
                Err(Fault::Refused(..)) => redirect("/"),
                Err(fault) => PageFault::from(fault).into_response(),
            };
        }
        redirect(self.next.as_deref().unwrap_or("/"))
    }
}

/// Keeps what a form says whose sender is not logged in any more. For everything else it is as if it were not there.
pub(super) async fn keep(State(app): State<App>, request: Request, next: Next) -> Response {
    if is_safe(request.method()) || request.method() != Method::POST || !is_form(request.headers()) {
        return next.run(request).await;
    }
    match visitor(&app, request.headers()).await {
        Ok(None) => {}
        Ok(Some(_)) => return next.run(request).await,
        Err(fault) => return respond_at("", fault),
    }
    let path = request.uri().path().to_owned();
    let draft = match read_from_stranger(request.into_body(), ROOM_BYTES).await {
        Ok(bytes) => Draft::new(&path, &bytes),
        Err(_) => None,
    };
    let said = if draft.is_some() {
        "Your session has ended, and nothing was changed. Sign in, and what you typed is here again."
    } else {
        "Your session has ended, and nothing was changed. Sign in, and do it again."
    };
    let onward = Onward { next: None, draft };
    login_page(&app, "", Some(said), StatusCode::UNAUTHORIZED, &onward).await
}

/// The page that a form was on, with everything in it as it was typed.
async fn again(app: &App, caller: &Caller, draft: &Draft) -> Result<Response, Fault> {
    let fields = draft.fields.as_bytes();
    let now = app.now();
    let parts: Vec<&str> = draft.to.split('/').skip(3).collect();
    match parts.as_slice() {
        [] | ["check" | "test"] => {
            let form = TriggerForm::from_bytes(fields).knowing(app, caller.owner()).await?;
            let aim = aim_of(app, caller.owner(), &form).await?;
            Ok(FormPage::new(app, caller, &aim, form, now).unsaved().show(app, caller).await?)
        }
        [id, "edit"] => {
            let form = TriggerForm { id: (*id).to_owned(), ..TriggerForm::from_bytes(fields) };
            let form = form.knowing(app, caller.owner()).await?;
            let aim: Aim = aim_of(app, caller.owner(), &form).await?;
            Ok(FormPage::new(app, caller, &aim, form, now).unsaved().show(app, caller).await?)
        }
        [id, action @ ("fire" | "test")] => FirePage::typed(app, caller, id, action, &parse_form(fields)).await,
        [id, "delete"] => Ok(redirect(&format!("/ui/triggers/{id}/delete"))),
        // A button was pressed; it is there to be pressed again.
        _ => {
            let back = parse_form(fields).remove("back").and_then(|back| page_of_ours(&back));
            Ok(redirect(&back.unwrap_or_else(|| "/ui/triggers".to_owned())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(pairs: &[(&str, &str)]) -> Form {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_login_leads_on_only_within_our_pages() {
        assert_eq!(Onward::to(Some("/events/5")).next.as_deref(), Some("/events/5"));
        for elsewhere in ["//evil.example", "/logout", "https://evil.example/"] {
            assert_eq!(Onward::to(Some(elsewhere)), Onward::default(), "{elsewhere}");
            let taken = Onward::take(&mut form(&[("next", elsewhere), ("draft_to", elsewhere), ("draft", "a=1")]));
            assert_eq!(taken, Onward::default(), "{elsewhere}");
        }
    }

    #[test]
    fn only_forms_of_triggers_travel_and_only_while_they_fit() {
        assert!(Draft::new("/ui/triggers", b"name=a").is_some());
        assert!(Draft::new("/ui/triggers/7/edit", b"name=a").is_some());
        assert_eq!(Draft::new("/account/password", b"password=secret"), None);
        assert_eq!(Draft::new("/ui/triggers/../../logout", b""), None);
        let long = "x".repeat(DRAFT_BYTES_MAX - ROOM_BYTES - "/ui/triggers".len());
        assert!(Draft::new("/ui/triggers", long.as_bytes()).is_some());
        assert_eq!(Draft::new("/ui/triggers", format!("{long}x").as_bytes()), None);
        assert_eq!(Draft::new("/ui/triggers", "%".repeat(long.len() / 2).as_bytes()), None, "it grows on its way");
    }
}
