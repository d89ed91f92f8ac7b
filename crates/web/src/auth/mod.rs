//! Who is asking. A handler that wants to know takes a [`Caller`], and cannot get one without credentials; what it may do
//! with an object is said by the store, where every method takes the owner.

pub(crate) mod limits;
pub(crate) mod password;
pub(crate) mod token;

use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::Response;
use jiff::SignedDuration;
use oncue_domain::access::{ApiKey, Scope, User};
use oncue_domain::actor::{Actor, Who};
use oncue_domain::freeze::Freeze;
use oncue_domain::id::UserId;
use sha2::{Digest, Sha256};

use crate::access::agent;
use crate::api::freeze::holding;
use crate::app::{App, Mode};
use crate::extract::is_safe;
use crate::fault::{Fault, respond_at};
use crate::guard::ClientAddress;

/// The cookie that carries a login.
pub(crate) const COOKIE: &str = "access_token";

/// What every API key begins with.
pub(crate) const KEY_PREFIX: &str = "oncue_";

/// How fresh `last_used_at` is kept: a write for every request would cost more than it tells.
const TOUCH_EVERY: SignedDuration = SignedDuration::from_mins(1);

/// Somebody we know, and what they came with.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) user: User,
    /// The session of a login.
    pub(crate) session: Option<String>,
    /// The key of a program.
    pub(crate) key: Option<ApiKey>,
    /// The address of the page that they ask for, where they ask for one: forms of its frame lead back there.
    pub(crate) page: Option<String>,
    /// The address they come from.
    pub(crate) address: Option<IpAddr>,
    /// What their program calls itself.
    pub(crate) program: Option<String>,
    /// The freezes that hold for their triggers, where they look at a page, which says so.
    pub(crate) frozen: Vec<Freeze>,
}

impl Caller {
    fn new(user: User, headers: &HeaderMap) -> Caller {
        let program = Some(agent(headers)).filter(|program| !program.is_empty());
        Caller { user, session: None, key: None, page: None, address: None, program, frozen: Vec::new() }
    }

    /// Who does what this caller asks for, as it is written down.
    pub(crate) fn actor(&self) -> Actor {
        let who = match &self.key {
            Some(key) => Who::ApiKey { id: key.id, name: key.name.clone(), prefix: key.prefix.clone() },
            None => Who::User { id: self.user.id, email: self.user.email.clone() },
        };
        Actor { who, address: self.address, program: self.program.clone() }
    }

    /// Whose data this caller sees.
    pub(crate) fn owner(&self) -> UserId {
        self.user.id
    }

    /// Whether the caller may do this at all. Logins may do everything; keys what they were made for.
    pub(crate) fn require(&self, scope: Scope) -> Result<(), Fault> {
        match &self.key {
            Some(key) if !key.scopes.contains(&scope) => Err(Fault::new(
                StatusCode::FORBIDDEN,
                format!("This API key has not the scope \"{}\" that the call needs.", scope.word()),
            )),
            _ => Ok(()),
        }
    }

    /// What is about the server as a whole is the operator's alone.
    pub(crate) fn require_operator(&self) -> Result<(), Fault> {
        if self.user.is_operator {
            return Ok(());
        }
        Err(Fault::new(StatusCode::FORBIDDEN, "This is about the server as a whole, and so the operator's alone."))
    }

    /// Finds out who asks.
    pub(crate) async fn find(app: &App, headers: &HeaderMap) -> Result<Option<Caller>, Fault> {
        if let Mode::Open(user) = &app.settings.mode {
            let user = User { preferences: app.local_preferences(), ..user.clone() };
            return Ok(Some(Caller::new(user, headers)));
        }
        let now = app.now();
        let Some(credential) = credential(headers) else { return Ok(None) };
        if credential.starts_with(KEY_PREFIX) {
            let hash = Sha256::digest(credential.as_bytes()).into();
            let Some((user, key)) = app.store.api_key_user(&hash, now).await? else { return Ok(None) };
            if key.last_used_at.is_none_or(|used| now.duration_since(used) >= TOUCH_EVERY) {
                // A key that cannot be noted as used is a right key all the same.
                if let Err(error) = app.store.touch_api_key(key.id, now).await {
                    tracing::warn!(%error, "the last use of an API key could not be noted");
                }
            }
            return Ok(Some(Caller { key: Some(key), ..Caller::new(user, headers) }));
        }
        let Some(claims) = app.tokens.read(&credential, now) else { return Ok(None) };
        let user = app.store.session_user(&claims.sid, now).await?.filter(|user| user.id.to_string() == claims.sub);
        Ok(user.map(|user| Caller { session: Some(claims.sid), ..Caller::new(user, headers) }))
    }
}

/// What a request proves itself with: the Authorization header where there is one, and only else the cookie.
fn credential(headers: &HeaderMap) -> Option<String> {
    if let Some(authorization) = headers.get(header::AUTHORIZATION) {
        let (scheme, token) = authorization.to_str().ok()?.split_once(' ')?;
        return scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned());
    }
    // A key in a cookie would be sent by browsers on their own; only logins travel so.
    cookie(headers, COOKIE).filter(|token| !token.starts_with(KEY_PREFIX))
}

/// The value of a cookie.
pub(crate) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(key, value)| (key == name).then(|| value.to_owned()))
}

impl FromRequestParts<App> for Caller {
    type Rejection = Response;

    /// Gives the caller if they may do what the method of the request implies: reading needs `read`, and everything else
    /// `manage`. Handlers that fire ask for [`Firer`] instead.
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Caller, Response> {
        let scope = if is_safe(&parts.method) { Scope::Read } else { Scope::Manage };
        admit(parts, app, scope).await
    }
}

/// A caller who may fire and test triggers.
pub(crate) struct Firer(pub(crate) Caller);

impl FromRequestParts<App> for Firer {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Firer, Response> {
        admit(parts, app, Scope::Fire).await.map(Firer)
    }
}

/// A caller who may read, whatever the method: some questions have bodies.
pub(crate) struct Reader(pub(crate) Caller);

impl FromRequestParts<App> for Reader {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Reader, Response> {
        admit(parts, app, Scope::Read).await.map(Reader)
    }
}

/// The address that a request comes from.
fn address(parts: &Parts) -> Option<IpAddr> {
    parts.extensions.get::<ClientAddress>().map(|client| client.ip)
}

async fn admit(parts: &mut Parts, app: &App, scope: Scope) -> Result<Caller, Response> {
    let admitted = async {
        let caller = Caller::find(app, &parts.headers).await?.ok_or(Fault::Unauthenticated)?;
        app.count_request(caller.owner()).map_err(Fault::TooMany)?;
        caller.require(scope)?;
        Ok(Caller { address: address(parts), ..caller })
    };
    admitted.await.map_err(|fault| respond_at(parts.uri.path(), fault))
}

/// Whoever looks at pages: a login, never the key of a program.
pub(crate) async fn visitor(app: &App, headers: &HeaderMap) -> Result<Option<Caller>, Fault> {
    Ok(Caller::find(app, headers).await?.filter(|caller| caller.key.is_none()))
}

/// Somebody who looks at a page for people; without a login they are sent to the form.
pub(crate) struct Visitor(pub(crate) Caller);

impl FromRequestParts<App> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Visitor, Response> {
        match visitor(app, &parts.headers).await.map_err(|fault| respond_at("", fault))? {
            Some(mut caller) => {
                caller.address = address(parts);
                caller.page = parts.uri.path_and_query().map(ToString::to_string);
                app.count_request(caller.owner()).map_err(|wait| respond_at("", Fault::TooMany(wait)))?;
                caller.frozen = holding(app, caller.owner(), app.now()).await.map_err(|fault| respond_at("", fault))?;
                Ok(Visitor(caller))
            }
            // A part of a page that is asked for again must not be filled with the form for logging in.
            None if parts.headers.contains_key("hx-request") => Err(respond_at("", Fault::Unauthenticated)),
            None if parts.method == Method::GET || parts.method == Method::HEAD => {
                let wanted = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
                Err(crate::ui::to_login(&wanted))
            }
            None => Err(respond_at("", Fault::Unauthenticated)),
        }
    }
}
