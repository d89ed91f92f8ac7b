//! Logging in and out, and registering: the same addresses for people, who send a form and get a page, and for programs,
//! which send JSON and get a token. What either may try how often stands in `auth::limits`.

use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use oncue_domain::access::{AGENT_CHARS_MAX, EMAIL_BYTES_MAX, Registration, Session, User, is_email};
use oncue_domain::act::{Act, Action};
use oncue_domain::actor::{Actor, Author, Who};
use oncue_domain::error::Invalid;
use oncue_domain::store::{NewUser, Registered};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::{App, Mode};
use crate::auth::password::PASSWORD_CHARS;
use crate::auth::{COOKIE, Caller};
use crate::extract::{Fields, Query, is_form, is_json, parse_form, read_body};
use crate::fault::{Fault, Problem};
use crate::guard::ClientAddress;
use crate::openapi::AccessErrors;
use crate::ui::{self, Onward};

/// The longest body with credentials in bytes.
const CREDENTIALS_BYTES_MAX: usize = 16 * 1024;

/// GET /auth/login
pub(crate) async fn login_page(State(app): State<App>, mut query: Query) -> Response {
    if let Mode::Open(_) = app.settings.mode {
        return ui::redirect("/");
    }
    let onward = Onward::to(query.take_text("next").as_deref());
    ui::login_page(&app, "", None, StatusCode::OK, &onward).await
}

/// GET /auth/register
pub(crate) async fn register_page(State(app): State<App>) -> Response {
    if let Mode::Open(_) = app.settings.mode {
        return ui::redirect("/");
    }
    ui::register_page(&app, "", None, StatusCode::OK).await
}

/// What somebody logs in or registers with.
#[derive(Deserialize, ToSchema)]
#[schema(as = Credentials, example = json!({"email": "ada@example.com", "password": "correct horse battery"}))]
#[expect(dead_code, reason = "the document of a body that is read as a form or as JSON")]
pub(crate) struct CredentialsInput {
    email: String,
    /// 8 to 256 characters.
    #[schema(min_length = 8, max_length = 256)]
    password: String,
}

/// A login, for programs.
#[derive(Serialize, ToSchema)]
#[schema(as = Token, example = json!({"access_token": "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl", "token_type": "bearer"}))]
pub(crate) struct TokenDocument {
    /// Send it as `Authorization: Bearer …`.
    access_token: String,
    token_type: &'static str,
}

/// Log in. JSON gets a token and the cookie; a form gets the cookie and goes on to the overview.
#[utoipa::path(post, path = "/auth/login", tag = "Access", operation_id = "login", security(()),
    request_body(content((CredentialsInput = "application/json"), (CredentialsInput = "application/x-www-form-urlencoded"))),
    responses((status = 200, body = TokenDocument), (status = 302, description = "A form was right"), AccessErrors))]
pub(crate) async fn login(
    State(app): State<App>,
    Extension(client): Extension<ClientAddress>,
    request: Request,
) -> Response {
    enter(&app, client, request, Door::Login).await
}

/// Register, and log in. JSON gets a token and the cookie; a form gets the cookie and goes on to the overview.
#[utoipa::path(post, path = "/auth/register", tag = "Access", operation_id = "register", security(()),
    request_body(content((CredentialsInput = "application/json"), (CredentialsInput = "application/x-www-form-urlencoded"))),
    responses((status = 200, body = TokenDocument), (status = 302, description = "A form was right"), AccessErrors))]
pub(crate) async fn register(
    State(app): State<App>,
    Extension(client): Extension<ClientAddress>,
    request: Request,
) -> Response {
    enter(&app, client, request, Door::Register).await
}

/// The two ways in.
#[derive(Clone, Copy)]
enum Door {
    Login,
    Register,
}

async fn enter(app: &App, client: ClientAddress, request: Request, door: Door) -> Response {
    if let Mode::Open(_) = app.settings.mode {
        return ui::redirect("/");
    }
    let credentials = match Credentials::read(request).await {
        Ok(credentials) => credentials,
        Err(fault) => return Problem::from(fault).into_response(),
    };
    let entered = match door {
        Door::Login => log_in(app, &credentials, client).await,
        Door::Register => sign_up(app, &credentials, client).await,
    };
    let fault = match entered {
        Ok((user, session)) => return credentials.welcome(app, user, session, client).await,
        Err(fault) if !credentials.is_form => return Problem::from(fault).into_response(),
        Err(fault) => fault,
    };
    let (email, error, status) = (&credentials.email, words(&fault), form_status(&fault));
    let mut page = match door {
        Door::Login => ui::login_page(app, email, Some(&error), status, &credentials.onward).await,
        Door::Register => ui::register_page(app, email, Some(&error), status).await,
    };
    page.headers_mut().extend(fault.headers());
    page
}

/// GET /logout: a link that people follow. What the browser marks as another site's doing, or as a guess at what the
/// person may want next, logs nobody out.
pub(crate) async fn logout_by_get(
    State(app): State<App>,
    client: Extension<ClientAddress>,
    headers: HeaderMap,
) -> Response {
    let says = |name: &'static str, words: &[&str]| {
        let value =
            headers.get(HeaderName::from_static(name)).and_then(|value| value.to_str().ok()).unwrap_or_default();
        words.iter().any(|word| value.contains(word))
    };
    let is_unasked = says("sec-fetch-site", &["cross-site", "same-site"])
        || says("sec-purpose", &["prefetch", "prerender"])
        || says("purpose", &["prefetch", "prerender"])
        || says("x-moz", &["prefetch"]);
    if is_unasked { ui::logout_page() } else { logout(State(app), client, headers).await }
}

/// POST /logout
pub(crate) async fn logout(
    State(app): State<App>,
    Extension(client): Extension<ClientAddress>,
    headers: HeaderMap,
) -> Response {
    if let Mode::Open(_) = app.settings.mode {
        return ui::redirect("/");
    }
    match Caller::find(&app, &headers).await {
        Ok(Some(caller @ Caller { session: Some(_), .. })) => {
            let caller = Caller { address: Some(client.ip), ..caller };
            let session = caller.session.clone().unwrap_or_default();
            if let Err(error) = app.acting(&caller).end_session(&session).await {
                return Problem::from(error).into_response();
            }
        }
        Ok(_) => {}
        Err(fault) => return Problem::from(fault).into_response(),
    }
    let mut response = ui::redirect("/auth/login");
    let cleared = format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0{}", secure(&app));
    set_cookie(&mut response, &cleared);
    response
}

/// What somebody sent to get in.
struct Credentials {
    email: String,
    password: String,
    /// What the program calls itself that sent them.
    agent: String,
    is_form: bool,
    /// What a form leads on to.
    onward: Onward,
}

impl Credentials {
    async fn read(request: Request) -> Result<Credentials, Fault> {
        let (parts, body): (_, Body) = request.into_parts();
        let agent = agent(&parts.headers);
        let bytes = if is_form(&parts.headers) {
            ui::read_from_stranger(body, CREDENTIALS_BYTES_MAX).await?
        } else {
            read_body(body, CREDENTIALS_BYTES_MAX).await?
        };
        if is_json(&parts.headers) {
            let mut fields = Fields::parse(&bytes)?;
            let email: Option<String> = fields.take("email", "This must be a string.");
            let password: Option<String> = fields.take("password", "This must be a string.");
            for (name, is_there) in [("email", email.is_some()), ("password", password.is_some())] {
                if !is_there && !fields.errors.iter().any(|error| error.field == name) {
                    fields.fail(name, "This is needed.");
                }
            }
            if !fields.errors.is_empty() {
                return Err(Fault::Invalid(fields.errors));
            }
            let credentials = Credentials {
                email: email.unwrap_or_default(),
                password: password.unwrap_or_default(),
                agent,
                is_form: false,
                onward: Onward::default(),
            };
            credentials.check()?;
            return Ok(credentials);
        }
        if !is_form(&parts.headers) {
            let detail = "Send a form (application/x-www-form-urlencoded) or JSON (application/json).";
            return Err(Fault::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
        let mut form = parse_form(&bytes);
        Ok(Credentials {
            email: form.remove("email").unwrap_or_default(),
            password: form.remove("password").unwrap_or_default(),
            agent,
            is_form: true,
            onward: Onward::take(&mut form),
        })
    }

    /// Whether these can be anybody's credentials at all.
    fn check(&self) -> Result<(), Fault> {
        let mut errors = Vec::new();
        if !is_email(self.email.trim()) {
            errors.push(Invalid::new("email", "This is not an e-mail address."));
        }
        if let Err(words) = check_password(&self.password) {
            errors.push(Invalid::new("password", words));
        }
        if errors.is_empty() { Ok(()) } else { Err(Fault::Invalid(errors)) }
    }

    /// The answer to whoever got in.
    async fn welcome(&self, app: &App, user: User, session: Session, client: ClientAddress) -> Response {
        let mut response = if self.is_form {
            let caller = Caller {
                user,
                session: Some(session.id.clone()),
                key: None,
                page: None,
                address: Some(client.ip),
                program: Some(self.agent.clone()),
                frozen: Vec::new(),
            };
            self.onward.show(app, &caller).await
        } else {
            let access_token = app.tokens.write(&session);
            axum::Json(TokenDocument { access_token, token_type: "bearer" }).into_response()
        };
        carry(app, &mut response, &session);
        response
    }
}

/// Whether this may be a password.
///
/// # Errors
/// Says what a password has to be.
pub(crate) fn check_password(password: &str) -> Result<(), String> {
    if PASSWORD_CHARS.contains(&password.chars().count()) {
        return Ok(());
    }
    Err(format!("A password has {} to {} characters.", PASSWORD_CHARS.start(), PASSWORD_CHARS.end()))
}

/// What the program at the other end calls itself; shown to nobody but the account's owner.
pub(crate) fn agent(headers: &HeaderMap) -> String {
    let name = headers.get(header::USER_AGENT).map(HeaderValue::as_bytes).unwrap_or_default();
    String::from_utf8_lossy(name).chars().filter(|c| !c.is_control()).take(AGENT_CHARS_MAX).collect()
}

/// Makes whoever gets this answer come with that session from now on.
pub(crate) fn carry(app: &App, response: &mut Response, session: &Session) {
    let token = app.tokens.write(session);
    let life_s = session.expires_at.duration_since(session.created_at).as_secs();
    let cookie = format!("{COOKIE}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age={life_s}{}", secure(app));
    set_cookie(response, &cookie);
}

async fn log_in(app: &App, credentials: &Credentials, client: ClientAddress) -> Result<(User, Session), Fault> {
    let now = app.now();
    let wrong = || Fault::new(StatusCode::BAD_REQUEST, "The e-mail address or the password is not right.");
    // Longer than any address; it must not become a key that is remembered.
    if credentials.email.len() > EMAIL_BYTES_MAX {
        return Err(wrong());
    }
    app.login_limits.try_login(&credentials.email, client.ip, now)?;
    let found = app.store.user_by_email(&credentials.email).await?;
    let known = found.as_ref().map(|(user, _)| user.id);
    let (user, hash) = found.filter(|(user, _)| user.disabled_at.is_none()).unzip();
    let is_right = app.passwords.matches(credentials.password.clone(), hash).await?;
    let Some(user) = user.filter(|_| is_right) else {
        // Whether there is such a user or not, as much is written: nobody learns it from how long that took.
        let act = known.map_or_else(Act::unknown_login, |user| Act::user(user, Action::LoginFailed));
        let stranger = at_the_door(app, Who::Stranger, &credentials.agent, client);
        app.store.acting(stranger).note_act(act).await?;
        return Err(wrong());
    };
    app.login_limits.was_right(&credentials.email, client.ip, now);
    let session = open_session(app, &user, &credentials.agent, client).await?;
    Ok((user, session))
}

async fn sign_up(app: &App, credentials: &Credentials, client: ClientAddress) -> Result<(User, Session), Fault> {
    let closed =
        || Fault::new(StatusCode::FORBIDDEN, "Registration is closed on this server; ask its operator for an account.");
    if app.settings.registration == Registration::Closed {
        return Err(closed());
    }
    credentials.check()?;
    let now = app.now();
    app.login_limits.try_registration(&credentials.email, client.ip, now)?;
    let password_hash = app.passwords.hash(credentials.password.clone()).await?;
    let user = NewUser { email: credentials.email.trim().to_owned(), password_hash };
    let stranger = at_the_door(app, Who::Stranger, &credentials.agent, client);
    match app.store.acting(stranger).register(user, app.settings.registration, now).await? {
        Registered::Done(user) => {
            let session = open_session(app, &user, &credentials.agent, client).await?;
            Ok((user, session))
        }
        Registered::EmailTaken => {
            Err(Fault::new(StatusCode::BAD_REQUEST, "There is an account with this e-mail address already."))
        }
        Registered::Closed => Err(closed()),
    }
}

/// Whoever stands there with a program of that name.
fn at_the_door(app: &App, who: Who, agent: &str, client: ClientAddress) -> Author {
    let program = Some(agent.to_owned()).filter(|agent| !agent.is_empty());
    Author { by: Actor { who, address: Some(client.ip), program }, at: app.now() }
}

/// Somebody is let in.
pub(crate) async fn open_session(app: &App, user: &User, agent: &str, client: ClientAddress) -> Result<Session, Fault> {
    let now = app.now();
    let id = app.random::<16>().iter().map(|byte| format!("{byte:02x}")).collect();
    let session = Session {
        id,
        user: user.id,
        created_at: now,
        expires_at: now + app.settings.session_for,
        agent: agent.to_owned(),
    };
    let author = at_the_door(app, Who::User { id: user.id, email: user.email.clone() }, agent, client);
    app.store.acting(author).open_session(session.clone()).await?;
    Ok(session)
}

fn secure(app: &App) -> &'static str {
    if app.settings.public_url.scheme() == "https" { "; Secure" } else { "" }
}

fn set_cookie(response: &mut Response, cookie: &str) {
    let value = HeaderValue::from_str(cookie).expect("a token of base64 and dots is a header value");
    response.headers_mut().append(header::SET_COOKIE, value);
}

/// A fault in one sentence for the form.
fn words(fault: &Fault) -> String {
    match fault {
        Fault::Invalid(errors) => errors.iter().map(|error| error.message.as_str()).collect::<Vec<_>>().join(" "),
        fault => fault.detail(),
    }
}

/// A form that was filled in wrongly comes back with 400, whatever was wrong with it.
fn form_status(fault: &Fault) -> StatusCode {
    match fault {
        Fault::Invalid(_) => StatusCode::BAD_REQUEST,
        fault => fault.status(),
    }
}
