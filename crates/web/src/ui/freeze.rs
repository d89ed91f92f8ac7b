//! GET /ui/freeze and its forms: freezing one's own triggers, or for the operator everybody's, and thawing. The banner that every page has while
//! something is frozen leads here.

use askama::Template;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use oncue_domain::freeze::{Freeze, Said};
use oncue_domain::schedule::zone::{Zone, parse_instant};
use oncue_domain::trigger::REASON_CHARS_MAX;

use super::frame::{Frame, Place};
use super::moment::Moment;
use super::notice::{Done, Notice};
use super::viewer::shown_zone;
use super::{PageFault, page, see_other};
use crate::api::freeze::{Scope, begin, end, said};
use crate::app::App;
use crate::auth::{Caller, Visitor};
use crate::extract::{Form, Query, parse_form, read_form_body};
use crate::fault::Fault;

/// The longest form in bytes.
const FORM_BYTES_MAX: usize = 16 * 1024;

/// A freeze as pages show it.
pub(crate) struct FreezeRow {
    pub(crate) is_everybodys: bool,
    pub(crate) reason: Option<String>,
    pub(crate) from: Moment,
    pub(crate) until: Option<Moment>,
    pub(crate) by: String,
    /// Whether whoever looks at it may end it.
    pub(crate) may_thaw: bool,
}

impl FreezeRow {
    pub(crate) fn of(freeze: &Freeze, is_operator: bool, now: Timestamp, zone: &Zone) -> FreezeRow {
        FreezeRow {
            is_everybodys: freeze.owner.is_none(),
            reason: freeze.reason.clone(),
            from: Moment::new(freeze.from, now, zone),
            until: freeze.until.map(|end| Moment::new(end, now, zone)),
            by: freeze.told_by_name(),
            may_thaw: is_operator || freeze.owner.is_some(),
        }
    }
}

/// One of the two parts of the page.
struct Part {
    scope: &'static str,
    title: &'static str,
    frozen: Option<FreezeRow>,
    reason: String,
    until: String,
    /// What is wrong with what was typed, and in which field.
    error: Option<(String, String)>,
}

impl Part {
    fn of(scope: Scope, caller: &Caller, now: Timestamp, zone: &Zone) -> Part {
        let is_of = |freeze: &&Freeze| freeze.owner.is_none() == (scope == Scope::Server);
        Part {
            scope: scope.word(),
            title: if scope == Scope::Server { "Everybody's triggers" } else { "Your triggers" },
            frozen: caller
                .frozen
                .iter()
                .find(is_of)
                .map(|freeze| FreezeRow::of(freeze, caller.user.is_operator, now, zone)),
            reason: String::new(),
            until: String::new(),
            error: None,
        }
    }

    fn has_error(&self, field: &str) -> bool {
        self.error.as_ref().is_some_and(|(wrong, _)| wrong == field)
    }
}

#[derive(Template)]
#[template(path = "freeze.html")]
struct FreezePage {
    frame: Frame,
    notice: Option<Notice>,
    parts: Vec<Part>,
    zone: String,
    reason_chars_max: usize,
}

impl FreezePage {
    fn of(app: &App, caller: &Caller, notice: Option<Notice>) -> FreezePage {
        let (now, zone) = (app.now(), shown_zone(app, caller, None));
        let mut parts = vec![Part::of(Scope::Mine, caller, now, &zone)];
        let is_everybodys = |freeze: &Freeze| freeze.owner.is_none();
        // Where there is no login everybody is one person, unless somebody said it over the API.
        let has_others = app.settings.needs_key() || caller.frozen.iter().any(is_everybodys);
        if caller.user.is_operator && has_others {
            parts.push(Part::of(Scope::Server, caller, now, &zone));
        }
        FreezePage {
            frame: Frame::of(app, caller, Place::Elsewhere),
            notice,
            parts,
            zone: zone.name().to_owned(),
            reason_chars_max: REASON_CHARS_MAX,
        }
    }
}

/// GET /ui/freeze
pub(super) async fn show(
    State(app): State<App>,
    Visitor(caller): Visitor,
    mut query: Query,
) -> Result<Response, PageFault> {
    Ok(page(StatusCode::OK, &FreezePage::of(&app, &caller, Notice::take(&mut query))))
}

fn scope_of(form: &Form) -> Result<Scope, Fault> {
    let word = form.get("scope").map_or("mine", String::as_str);
    Scope::from_word(word)
        .ok_or_else(|| Fault::new(StatusCode::UNPROCESSABLE_ENTITY, "Say whose triggers are meant: mine or server."))
}

/// POST /ui/freeze
pub(super) async fn freeze(
    State(app): State<App>,
    Visitor(caller): Visitor,
    request: Request,
) -> Result<Response, PageFault> {
    let form = parse_form(&read_form_body(request, FORM_BYTES_MAX).await?);
    let scope = scope_of(&form)?;
    let permitted = scope.permitted(&caller)?;
    let typed = |name: &str| form.get(name).map(|text| text.trim().to_owned()).unwrap_or_default();
    let (reason, until, now) = (typed("reason"), typed("until"), app.now());
    let read = match until.as_str() {
        "" => Ok(None),
        text => parse_instant(text, &shown_zone(&app, &caller, None)).map(Some),
    };
    let said: Result<Said, (String, String)> = match read {
        Ok(until) => said(Some(reason.as_str()), until, now).map_err(|error| (error.field, error.message)),
        Err(error) => Err(("until".to_owned(), format!("{error}."))),
    };
    match said {
        Ok(said) => {
            begin(&app, &caller, permitted, said, now).await?;
            Ok(see_other(&Notice::of(Done::Frozen).at("/ui/freeze")))
        }
        Err(wrong) => {
            let mut again = FreezePage::of(&app, &caller, None);
            if let Some(part) = again.parts.iter_mut().find(|part| part.scope == scope.word()) {
                (part.reason, part.until, part.error) = (reason, until, Some(wrong));
            }
            Ok(page(StatusCode::UNPROCESSABLE_ENTITY, &again))
        }
    }
}

/// POST /ui/freeze/end
pub(super) async fn thaw(
    State(app): State<App>,
    Visitor(caller): Visitor,
    request: Request,
) -> Result<Response, PageFault> {
    let form = parse_form(&read_form_body(request, FORM_BYTES_MAX).await?);
    let permitted = scope_of(&form)?.permitted(&caller)?;
    let done = end(&app, &caller, permitted, app.now()).await?;
    Ok(see_other(&Notice::of(if done.is_some() { Done::Thawed } else { Done::Unchanged }).at("/ui/freeze")))
}
