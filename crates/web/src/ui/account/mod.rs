//! The account: how somebody likes their pages, where they are logged in, their API keys and their password. Everything here
//! belongs to a person with a login; a key cannot come in, because a key must not make itself a better one. Without a login
//! (`--open`) only the likings are left, and the page is called Settings.

pub(super) mod key;
mod program;
pub(super) mod session;

use askama::Template;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use oncue_domain::access::{Preferences, Scope, ShownIn, Theme};

use super::frame::{Frame, Place};
use super::moment::Moment;
use super::notice::{Done, Notice};
use super::trigger_form::proposed_zones;
use super::viewer::shown_zone;
use super::way_back::page_of_ours;
use super::{PageFault, page, see_other};
use crate::app::{App, Mode};
use crate::auth::{Caller, Visitor};
use crate::extract::{Form, Query, parse_form, read_form_body};
use crate::fault::Fault;
use key::{KeyForm, KeyRow, NewKey};
use session::SessionRow;

/// How many sessions are listed; all of them can be ended together.
const SESSIONS_LISTED_MAX: usize = 100;

/// The longest form in bytes.
const FORM_BYTES_MAX: usize = 16 * 1024;

/// What is wrong with a form: the field's name and the words.
#[derive(Default)]
struct Wrong(Vec<(&'static str, String)>);

impl Wrong {
    fn at(&self, field: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| *name == field).map(|(_, words)| words.as_str())
    }

    /// Where the focus belongs.
    fn begins_at(&self, field: &str) -> bool {
        self.0.first().is_some_and(|(name, _)| *name == field)
    }

    fn fail(&mut self, field: &'static str, words: impl Into<String>) {
        self.0.push((field, words.into()));
    }
}

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    frame: Frame,
    is_open: bool,
    notice: Option<Notice>,
    email: String,
    since: Moment,
    is_operator: bool,
    zone: String,
    server_zone: String,
    zones: Vec<String>,
    theme: Theme,
    shortcuts: bool,
    sessions: Vec<SessionRow>,
    /// How many more there are.
    sessions_beyond: usize,
    keys: Vec<KeyRow>,
    new_key: Option<NewKey>,
    key_form: KeyForm,
    base: String,
    wrong: Wrong,
}

/// What the page shows besides what is stored.
#[derive(Default)]
struct View {
    notice: Option<Notice>,
    zone: Option<String>,
    new_key: Option<NewKey>,
    key_form: KeyForm,
    wrong: Wrong,
}

/// GET /account
pub(super) async fn show(
    State(app): State<App>,
    Visitor(caller): Visitor,
    mut query: Query,
) -> Result<Response, PageFault> {
    let notice = Notice::take(&mut query);
    respond(&app, &caller, View { notice, ..View::default() }).await
}

async fn respond(app: &App, caller: &Caller, view: View) -> Result<Response, PageFault> {
    let (now, zone) = (app.now(), shown_zone(app, caller, None));
    let is_open = matches!(app.settings.mode, Mode::Open(_));
    let (sessions, keys) = if is_open {
        (Vec::new(), Vec::new())
    } else {
        (app.store.sessions(caller.owner(), now).await?, app.store.api_keys(caller.owner()).await?)
    };
    let status = match &view {
        View { wrong, .. } if !wrong.0.is_empty() => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::OK,
    };
    let preferences = &caller.user.preferences;
    let account = AccountPage {
        frame: Frame::of(app, caller, Place::Account),
        is_open,
        notice: view.notice,
        email: caller.user.email.clone(),
        since: Moment::new(caller.user.created_at, now, &zone),
        is_operator: caller.user.is_operator,
        zone: view.zone.or_else(|| preferences.zone.clone()).unwrap_or_default(),
        server_zone: app.settings.zone.name().to_owned(),
        zones: proposed_zones(app),
        theme: preferences.theme,
        shortcuts: preferences.shortcuts,
        sessions_beyond: sessions.len().saturating_sub(SESSIONS_LISTED_MAX),
        sessions: sessions
            .iter()
            .take(SESSIONS_LISTED_MAX)
            .map(|session| SessionRow::of(session, caller, now, &zone))
            .collect(),
        keys: keys.iter().map(|key| KeyRow::of(key, now, &zone)).collect(),
        new_key: view.new_key,
        key_form: view.key_form,
        base: app.settings.base().to_owned(),
        wrong: view.wrong,
    };
    Ok(page(status, &account))
}

/// Back to the page, which says what was done.
fn done(done: Done) -> Response {
    see_other(&Notice::of(done).at("/account"))
}

/// The fields of a form, read within its limits.
async fn read_form(request: Request) -> Result<Form, Fault> {
    Ok(parse_form(&read_form_body(request, FORM_BYTES_MAX).await?))
}

/// POST /account/preferences
pub(super) async fn preferences(
    State(app): State<App>,
    Visitor(caller): Visitor,
    request: Request,
) -> Result<Response, PageFault> {
    let mut form = read_form(request).await?;
    let typed = form.remove("zone").unwrap_or_default().trim().to_owned();
    let mut wrong = Wrong::default();
    let zone = match typed.as_str() {
        "" => None,
        name => match app.zones.get(name) {
            // An old name is kept as the one that it is known by today.
            Ok(zone) => Some(zone.name().to_owned()),
            Err(error) => {
                wrong.fail("zone", format!("{error}."));
                None
            }
        },
    };
    let theme = form.remove("theme").as_deref().and_then(Theme::from_word).unwrap_or(caller.user.preferences.theme);
    let shortcuts = form.contains_key("shortcuts");
    if !wrong.0.is_empty() {
        return respond(&app, &caller, View { wrong, zone: Some(typed), ..View::default() }).await;
    }
    let preferences = Preferences { zone, theme, shortcuts, ..caller.user.preferences.clone() };
    app.set_preferences(&caller, preferences).await?;
    Ok(done(Done::PreferencesSaved))
}

/// POST /account/clock: in which zone times are shown from now on, and back to where that was asked for.
pub(super) async fn clock(
    State(app): State<App>,
    Visitor(caller): Visitor,
    request: Request,
) -> Result<Response, PageFault> {
    let mut form = read_form(request).await?;
    let word = form.remove("shown_in").unwrap_or_default();
    let Some(shown_in) = ShownIn::from_word(&word) else {
        return Err(Fault::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "Times are shown in \"mine\", \"trigger\" or \"utc\".",
        )
        .into());
    };
    let preferences = Preferences { shown_in, ..caller.user.preferences.clone() };
    app.set_preferences(&caller, preferences).await?;
    let back = form.remove("back").and_then(|back| page_of_ours(&back)).unwrap_or_else(|| "/account".to_owned());
    Ok(see_other(&back))
}

/// A login that cannot be told from another's is none.
fn needs_login(app: &App) -> Result<(), Fault> {
    match app.settings.mode {
        Mode::Login => Ok(()),
        Mode::Open(_) => Err(Fault::not_found("Page")),
    }
}
