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
use super::trigger_form::{is_same_wall, wall};
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

/// The freeze of that scope that holds now.
fn standing(scope: Scope, caller: &Caller) -> Option<&Freeze> {
    caller.frozen.iter().find(|freeze| freeze.owner.is_none() == (scope == Scope::Server))
}

/// Until when, as it was typed. Where the clock shows a time twice, or the field cannot hold all of it, the end that `stood` and was left alone stays
/// that end.
fn read_until(typed: &str, stood: Option<Timestamp>, zone: &Zone) -> Result<Option<Timestamp>, String> {
    let stood = stood.filter(|end| is_same_wall(typed, &wall(*end, zone)));
    match typed {
        "" => Ok(None),
        _ if stood.is_some() => Ok(stood),
        text => parse_instant(text, zone).map(Some).map_err(|error| format!("{error}.")),
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
        let stands = standing(scope, caller);
        Part {
            scope: scope.word(),
            title: if scope == Scope::Server { "Everybody's triggers" } else { "Your triggers" },
            frozen: stands.map(|freeze| FreezeRow::of(freeze, caller.user.is_operator, now, zone)),
            // What is said of it is said anew as a whole; so what was said stands there to be changed.
            reason: stands.and_then(|freeze| freeze.reason.clone()).unwrap_or_default(),
            until: stands.and_then(|freeze| freeze.until).map(|end| wall(end, zone)).unwrap_or_default(),
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
    let stood = standing(scope, &caller).and_then(|freeze| freeze.until);
    let said: Result<Said, (String, String)> = match read_until(&until, stood, &shown_zone(&app, &caller, None)) {
        Ok(until) => said(Some(reason.as_str()), until, now).map_err(|error| (error.field, error.message)),
        Err(error) => Err(("until".to_owned(), error)),
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

#[cfg(test)]
mod tests {
    use oncue_domain::schedule::zone::Zones;

    use super::*;

    #[test]
    fn an_end_that_is_left_alone_stays_where_the_clock_shows_it_twice() {
        let riga = Zones::bundled().get("Europe/Riga").expect("a zone of the bundled copy");
        let at = |text: &str| text.parse::<Timestamp>().expect("an instant");
        // On 31 October 2027 the clocks of Riga show half past three at half past midnight and an hour later.
        for stood in ["2027-10-31T00:30:00Z", "2027-10-31T01:30:00Z", "2027-10-31T01:30:00.000007Z"] {
            assert_eq!(read_until("2027-10-31T03:30", Some(at(stood)), &riga), Ok(Some(at(stood))), "{stood}");
        }
        let stood = Some(at("2027-10-31T01:30:00Z"));
        assert_eq!(
            read_until("2027-10-31T03:31", stood, &riga),
            Ok(Some(at("2027-10-31T00:31:00Z"))),
            "it was changed"
        );
        assert_eq!(read_until("", stood, &riga), Ok(None), "it was taken away");
        assert!(read_until("soon", None, &riga).is_err());
    }
}
