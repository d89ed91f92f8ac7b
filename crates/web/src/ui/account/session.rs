//! Where somebody is logged in, and the password that lets them in: logins are listed and ended here, and a new password ends
//! them all. A session's id never enters a page; forms name it by a mark.

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use jiff::Timestamp;
use oncue_domain::access::Session;
use oncue_domain::schedule::zone::Zone;
use sha2::{Digest, Sha256};

use super::program::program_of;
use super::{View, Wrong, done, needs_login, read_form, respond};
use crate::access::{agent, carry, check_password, open_session};
use crate::app::App;
use crate::auth::{Caller, Visitor};
use crate::fault::Fault;
use crate::guard::ClientAddress;
use crate::ui::PageFault;
use crate::ui::moment::Moment;
use crate::ui::notice::Done;

/// One login.
pub(super) struct SessionRow {
    /// What the form calls it; the session's id itself stays out of pages.
    pub(super) mark: String,
    pub(super) program: String,
    pub(super) agent: String,
    pub(super) began: Moment,
    pub(super) ends: Moment,
    pub(super) is_this: bool,
}

impl SessionRow {
    pub(super) fn of(session: &Session, caller: &Caller, now: Timestamp, zone: &Zone) -> SessionRow {
        SessionRow {
            mark: mark(session),
            program: program_of(&session.agent),
            agent: session.agent.clone(),
            began: Moment::new(session.created_at, now, zone),
            ends: Moment::new(session.expires_at, now, zone),
            is_this: caller.session.as_deref() == Some(session.id.as_str()),
        }
    }
}

/// A name for a session that tells nobody its id.
fn mark(session: &Session) -> String {
    Sha256::digest(session.id.as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// POST /account/sessions/end
pub(crate) async fn end(
    State(app): State<App>,
    Visitor(caller): Visitor,
    request: Request,
) -> Result<Response, PageFault> {
    needs_login(&app)?;
    let asked = read_form(request).await?.remove("session").unwrap_or_default();
    let sessions = app.store.sessions(caller.owner(), app.now()).await?;
    let Some(session) = sessions.iter().find(|session| mark(session) == asked) else {
        return Err(Fault::not_found("Session").into());
    };
    app.acting(&caller).end_session(&session.id).await?;
    Ok(done(Done::SessionEnded))
}

/// POST /account/sessions/end-others
pub(crate) async fn end_others(State(app): State<App>, Visitor(caller): Visitor) -> Result<Response, PageFault> {
    needs_login(&app)?;
    let this = caller.session.as_deref().unwrap_or_default();
    app.acting(&caller).end_other_sessions(caller.owner(), this).await?;
    Ok(done(Done::OtherSessionsEnded))
}

/// POST /account/password: all sessions end, and this one begins anew.
pub(crate) async fn password(
    State(app): State<App>,
    Visitor(caller): Visitor,
    Extension(client): Extension<ClientAddress>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, PageFault> {
    needs_login(&app)?;
    let mut form = read_form(request).await?;
    let mut take = |name: &str| form.remove(name).unwrap_or_default();
    let (current, new, again) = (take("current"), take("new"), take("again"));
    let mut wrong = Wrong::default();
    if let Err(words) = check_password(&new) {
        wrong.fail("new", words);
    } else if new != again {
        wrong.fail("again", "This is not the same as the new password.");
    }
    // Guessing here must cost as much as guessing at the door.
    let (email, now) = (&caller.user.email, app.now());
    app.login_limits.try_login(email, client.ip, now)?;
    let hash = app.store.user_by_email(email).await?.map(|(_, hash)| hash);
    if app.passwords.matches(current, hash).await? {
        app.login_limits.was_right(email, client.ip, now);
    } else {
        wrong.0.insert(0, ("current", "This is not your password.".to_owned()));
    }
    if !wrong.0.is_empty() {
        return respond(&app, &caller, View { wrong, ..View::default() }).await;
    }
    let hash = app.passwords.hash(new).await?;
    app.acting(&caller).set_password(caller.owner(), &hash).await?;
    let session = open_session(&app, &caller.user, &agent(&headers), client).await?;
    let mut response = done(Done::PasswordChanged);
    carry(&app, &mut response, &session);
    Ok(response)
}
