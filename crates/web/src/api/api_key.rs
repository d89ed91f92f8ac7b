//! API keys: how programs come in. A key is shown once; what is kept is its hash.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use oncue_domain::access::{API_KEYS_MAX, ApiKey, Scope};
use oncue_domain::id::ApiKeyId;
use oncue_domain::store::NewApiKey;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::time;
use crate::app::App;
use crate::auth::{Caller, KEY_PREFIX};
use crate::extract::{Fields, JsonBody, PathId, id_of};
use crate::fault::{Fault, Problem};
use crate::idempotency::ShownOnce;
use crate::openapi::{Errors, MakingErrors};

/// How much of a key is kept readable, to tell keys apart by.
const SHOWN_CHARS: usize = KEY_PREFIX.len() + 6;

/// The longest name of a key, in characters.
const NAME_CHARS_MAX: usize = 100;

/// An API key, without the key itself.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKey, example = json!({
    "id": 3, "name": "deploy script", "prefix": "oncue_Zk3v9Q", "scopes": ["fire"], "created_at": "2026-11-21T10:00:00Z",
    "expires_at": null, "last_used_at": "2026-11-21T10:05:00Z"
}))]
pub(crate) struct ApiKeyDocument {
    id: i64,
    name: String,
    /// The beginning of the key.
    prefix: String,
    /// `read`, `fire`, `manage`.
    scopes: Vec<&'static str>,
    created_at: String,
    expires_at: Option<String>,
    last_used_at: Option<String>,
}

impl ApiKeyDocument {
    fn of(key: &ApiKey) -> ApiKeyDocument {
        ApiKeyDocument {
            id: key.id.0,
            name: key.name.clone(),
            prefix: key.prefix.clone(),
            scopes: key.scopes.iter().map(|scope| scope.word()).collect(),
            created_at: time(key.created_at),
            expires_at: key.expires_at.map(time),
            last_used_at: key.last_used_at.map(time),
        }
    }
}

/// A new API key; the only time that the key itself is shown.
#[derive(Serialize, ToSchema)]
#[schema(as = NewApiKey)]
pub(crate) struct NewApiKeyDocument {
    #[serde(flatten)]
    described: ApiKeyDocument,
    /// Send it as `Authorization: Bearer …`; never in an address.
    #[schema(example = "oncue_Zk3v9Q0m2xB7pT1nW8yR4uE6iO5aS3dF2gH1jK0lZxC")]
    key: String,
}

/// What a new key is made with.
#[derive(Deserialize, ToSchema)]
#[schema(as = ApiKeyInput, example = json!({"name": "deploy script", "scopes": ["fire"]}))]
#[expect(
    dead_code,
    reason = "the document of a body that is read field by field, so that every error can name its field"
)]
pub(crate) struct ApiKeyInput {
    /// At most 100 characters.
    name: String,
    /// Any of `read`, `fire`, `manage`.
    scopes: Vec<String>,
    /// When it ends by itself (RFC 3339).
    expires_at: Option<String>,
}

/// List your API keys.
#[utoipa::path(get, path = "/api/v1/api_keys", tag = "API keys", operation_id = "list_api_keys",
    responses((status = 200, body = [ApiKeyDocument]), Errors))]
pub(crate) async fn list(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    let keys = app.store.api_keys(caller.owner()).await?;
    Ok(Json(keys.iter().map(ApiKeyDocument::of).collect::<Vec<_>>()).into_response())
}

/// Make an API key. A key can give no more than it has itself.
#[utoipa::path(post, path = "/api/v1/api_keys", tag = "API keys", operation_id = "create_api_key", request_body = ApiKeyInput,
    responses((status = 201, body = NewApiKeyDocument), MakingErrors))]
pub(crate) async fn create(State(app): State<App>, caller: Caller, body: JsonBody) -> Result<Response, Problem> {
    let now = app.now();
    let bytes = body.needed()?;
    let mut fields = Fields::parse(bytes)?;
    let name: Option<String> = fields.take("name", "This must be a string.");
    if let Err(words) = check_name(name.as_deref().unwrap_or_default()) {
        fields.fail("name", words);
    }
    let words: Option<Vec<String>> = fields.take("scopes", "This must be a list of \"read\", \"fire\" and \"manage\".");
    let scopes = words.as_deref().map(read_scopes).transpose().unwrap_or_default().filter(|scopes| !scopes.is_empty());
    if scopes.is_none() {
        fields.fail("scopes", "A key needs at least one scope, and each is \"read\", \"fire\" or \"manage\".");
    }
    let expires_at = fields.take_instant("expires_at", &app.settings.zone);
    if expires_at.is_some_and(|end| end <= now) {
        fields.fail("expires_at", "The expiry must be in the future.");
    }
    // A key that ends cannot make one that outlives it.
    let latest = caller.key.as_ref().and_then(|key| key.expires_at);
    if let (Some(latest), Some(end)) = (latest, expires_at)
        && end > latest
    {
        fields.fail(
            "expires_at",
            format!("The key that makes this one ends at {}; this one cannot end later.", time(latest)),
        );
    }
    let expires_at = expires_at.or(latest);
    fields.finish()?;
    let (name, scopes) = (name.unwrap_or_default(), scopes.unwrap_or_default());
    let (made, key) = issue(&app, &caller, name, scopes, expires_at, now).await?;
    Ok((
        StatusCode::CREATED,
        Extension(ShownOnce),
        Json(NewApiKeyDocument { described: ApiKeyDocument::of(&made), key }),
    )
        .into_response())
}

/// Makes a key. It is in nobody's hands but the caller's: what is kept is its hash.
///
/// # Errors
/// When the caller has not all of these scopes, or has too many keys already.
pub(crate) async fn issue(
    app: &App,
    caller: &Caller,
    name: String,
    scopes: Vec<Scope>,
    expires_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<(ApiKey, String), Fault> {
    for scope in &scopes {
        caller.require(*scope)?;
    }
    let key = format!("{KEY_PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(app.random::<32>()));
    let new = NewApiKey {
        owner: caller.owner(),
        name,
        prefix: key.chars().take(SHOWN_CHARS).collect(),
        hash: Sha256::digest(key.as_bytes()).into(),
        scopes,
        expires_at,
    };
    let Some(made) = app.acting(caller).create_api_key(new, now).await? else {
        let detail = format!("You have {API_KEYS_MAX} API keys already; delete one first.");
        return Err(Fault::new(StatusCode::CONFLICT, detail));
    };
    Ok((made, key))
}

/// Whether a key may be called that.
///
/// # Errors
/// Says what a name has to be.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    let is_name =
        !name.trim().is_empty() && name.chars().count() <= NAME_CHARS_MAX && !name.chars().any(char::is_control);
    if is_name { Ok(()) } else { Err(format!("A key needs a name of at most {NAME_CHARS_MAX} characters.")) }
}

fn read_scopes(words: &[String]) -> Result<Vec<Scope>, ()> {
    let mut scopes = words.iter().map(|word| Scope::from_word(word).ok_or(())).collect::<Result<Vec<_>, ()>>()?;
    scopes.sort();
    scopes.dedup();
    Ok(scopes)
}

/// Delete an API key; it is refused from then on.
#[utoipa::path(delete, path = "/api/v1/api_keys/{id}", tag = "API keys", operation_id = "delete_api_key",
    params(("id" = i64, Path)), responses((status = 204), Errors))]
pub(crate) async fn delete(State(app): State<App>, caller: Caller, PathId(id): PathId) -> Result<StatusCode, Problem> {
    let not_found = || Fault::not_found("API key");
    let id = id_of(&id).map(ApiKeyId).ok_or_else(not_found)?;
    if app.acting(&caller).delete_api_key(caller.owner(), id).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(not_found().into())
    }
}
