//! API keys: listed, made and revoked. A key is shown once, by the answer that made it; what is kept is its hash.

use axum::extract::{Request, State};
use axum::response::Response;
use jiff::Timestamp;
use oncue_domain::access::{ApiKey, Scope};
use oncue_domain::id::ApiKeyId;
use oncue_domain::schedule::zone::{Zone, parse_instant};

use super::{View, Wrong, done, needs_login, read_form, respond};
use crate::api::api_key::{check_name, issue};
use crate::app::App;
use crate::auth::Visitor;
use crate::extract::{PathId, id_of};
use crate::fault::Fault;
use crate::ui::PageFault;
use crate::ui::moment::Moment;
use crate::ui::notice::Done;
use crate::ui::viewer::own_zone;

/// One API key.
pub(super) struct KeyRow {
    pub(super) id: ApiKeyId,
    pub(super) name: String,
    pub(super) prefix: String,
    pub(super) scopes: String,
    pub(super) created: Moment,
    pub(super) used: Option<Moment>,
    pub(super) expires: Option<Moment>,
    pub(super) has_expired: bool,
}

/// A key that was just made; nobody will ever see it again.
pub(super) struct NewKey {
    pub(super) name: String,
    pub(super) key: String,
}

/// What was typed into the form for a new key.
#[derive(Default)]
pub(super) struct KeyForm {
    pub(super) name: String,
    pub(super) scopes: Vec<Scope>,
    pub(super) expires_at: String,
}

impl KeyRow {
    pub(super) fn of(key: &ApiKey, now: Timestamp, zone: &Zone) -> KeyRow {
        KeyRow {
            id: key.id,
            name: key.name.clone(),
            prefix: key.prefix.clone(),
            scopes: key.scopes.iter().map(|scope| scope.word()).collect::<Vec<_>>().join(", "),
            created: Moment::new(key.created_at, now, zone),
            used: key.last_used_at.map(|used| Moment::new(used, now, zone)),
            expires: key.expires_at.map(|end| Moment::new(end, now, zone)),
            has_expired: key.expires_at.is_some_and(|end| end <= now),
        }
    }
}

/// POST /account/keys: the answer shows the key, once.
pub(crate) async fn create(
    State(app): State<App>,
    Visitor(caller): Visitor,
    request: Request,
) -> Result<Response, PageFault> {
    needs_login(&app)?;
    let now = app.now();
    let mut form = read_form(request).await?;
    let mut wrong = Wrong::default();
    let key_form = KeyForm {
        name: form.remove("name").unwrap_or_default().trim().to_owned(),
        scopes: Scope::ALL.into_iter().filter(|scope| form.contains_key(&format!("scope_{}", scope.word()))).collect(),
        expires_at: form.remove("expires_at").unwrap_or_default().trim().to_owned(),
    };
    if let Err(words) = check_name(&key_form.name) {
        wrong.fail("name", words);
    }
    if key_form.scopes.is_empty() {
        wrong.fail("scopes", "A key needs at least one scope.");
    }
    let expires_at = match key_form.expires_at.as_str() {
        "" => None,
        text => match parse_instant(text, &own_zone(&app, &caller)) {
            Ok(end) if end <= now => {
                wrong.fail("expires_at", "The expiry must be in the future.");
                None
            }
            Ok(end) => Some(end),
            Err(error) => {
                wrong.fail("expires_at", format!("{error}."));
                None
            }
        },
    };
    if !wrong.0.is_empty() {
        return respond(&app, &caller, View { wrong, key_form, ..View::default() }).await;
    }
    let (made, key) = issue(&app, &caller, key_form.name, key_form.scopes, expires_at, now).await?;
    respond(&app, &caller, View { new_key: Some(NewKey { name: made.name, key }), ..View::default() }).await
}

/// POST /account/keys/{id}/revoke
pub(crate) async fn revoke(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathId(id): PathId,
) -> Result<Response, PageFault> {
    needs_login(&app)?;
    let not_found = || Fault::not_found("API key");
    let id = id_of(&id).map(ApiKeyId).ok_or_else(not_found)?;
    if !app.acting(&caller).delete_api_key(caller.owner(), id).await? {
        return Err(not_found().into());
    }
    Ok(done(Done::KeyRevoked))
}
