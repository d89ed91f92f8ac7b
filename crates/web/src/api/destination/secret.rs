//! The signing secrets of a destination: a new one is drawn and shown once, and former ones sign beside it until they are deleted,
//! so that a receiver can change over without a gap.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use oncue_domain::id::DestinationId;
use oncue_domain::signature::{SECRETS_MAX, Scheme, SigningSecret};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{destination_id, load, write};
use crate::app::{App, Shared};
use crate::auth::Caller;
use crate::extract::{Fields, JsonBody, PathId, PathIds};
use crate::fault::{Fault, Problem};
use crate::idempotency::ShownOnce;
use crate::openapi::{Errors, MakingErrors};

/// A new signing secret; the only time that the secret itself is shown.
#[derive(Serialize, ToSchema)]
#[schema(as = NewSigningSecret, example = json!({
    "id": "4be0643f", "scheme": "v1", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=", "public_key": null
}))]
pub(crate) struct NewSecretDocument {
    id: String,
    /// `v1`: HMAC-SHA256 with a secret that both sides know; `v1a`: ed25519, of which the receiver needs the public key only.
    scheme: &'static str,
    secret: String,
    /// What a receiver verifies `v1a` with.
    public_key: Option<String>,
}

impl NewSecretDocument {
    pub(super) fn of(secret: &SigningSecret) -> NewSecretDocument {
        NewSecretDocument {
            id: secret.id(),
            scheme: secret.scheme().word(),
            secret: secret.reveal(),
            public_key: secret.public_key(),
        }
    }
}

/// Which sort of secret is wanted.
#[derive(Deserialize, ToSchema)]
#[schema(as = RotationInput, example = json!({"scheme": "v1"}))]
#[expect(
    dead_code,
    reason = "the document of a body that is read field by field, so that every error can name its field"
)]
pub(crate) struct RotationInput {
    /// `v1` (HMAC-SHA256, the default) or `v1a` (ed25519).
    scheme: Option<String>,
}

/// Draw one more signing secret. The former ones sign beside it until they are deleted.
#[utoipa::path(post, path = "/api/v1/destinations/{id}/rotate", tag = "Destinations", operation_id = "rotate_signing_secret",
    params(("id" = i64, Path)), request_body(content = Option<RotationInput>),
    responses((status = 201, body = NewSecretDocument), MakingErrors))]
pub(crate) async fn rotate(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId,
    body: JsonBody,
) -> Result<Response, Problem> {
    let id = destination_id(&id)?;
    load(&app, caller.owner(), id).await?;
    let secret = draw(&app, &caller, id, read_scheme(&body)?).await?;
    Ok((StatusCode::CREATED, Extension(ShownOnce), Json(NewSecretDocument::of(&secret))).into_response())
}

fn read_scheme(body: &JsonBody) -> Result<Scheme, Fault> {
    let Some(bytes) = &body.0 else { return Ok(Scheme::V1) };
    let mut fields = Fields::parse(bytes)?;
    let scheme = fields.take_with("scheme", |word| Scheme::from_word(word).ok_or("This must be \"v1\" or \"v1a\"."));
    fields.finish()?;
    Ok(scheme.unwrap_or(Scheme::V1))
}

/// Gives a destination one more secret. It is in nobody's hands but the caller's, and the store's.
pub(crate) async fn draw(
    app: &Shared,
    caller: &Caller,
    id: DestinationId,
    scheme: Scheme,
) -> Result<SigningSecret, Fault> {
    let secret = match scheme {
        Scheme::V1 => SigningSecret::symmetric(app.random()),
        Scheme::V1a => SigningSecret::asymmetric(app.random()),
    };
    write::change(app, caller, id, |definition| {
        let mut shown = write::shown(definition);
        let secrets = secrets_of(&mut shown)?;
        if secrets.len() >= SECRETS_MAX {
            let detail = format!("This destination signs with {SECRETS_MAX} secrets already; delete one first.");
            return Err(Fault::new(StatusCode::CONFLICT, detail));
        }
        secrets.push(json!({"secret": secret.reveal()}));
        Ok(shown)
    })
    .await?;
    Ok(secret)
}

/// Delete a signing secret: nothing is signed with it any more. The last one stays; to sign nothing, set `secrets` to `[]`.
#[utoipa::path(delete, path = "/api/v1/destinations/{id}/secrets/{secret_id}", tag = "Destinations",
    operation_id = "delete_signing_secret", params(("id" = i64, Path), ("secret_id" = String, Path)),
    responses((status = 204), (status = 409, description = "It is the only one"), Errors))]
pub(crate) async fn delete(State(app): State<App>, caller: Caller, ids: PathIds) -> Result<StatusCode, Problem> {
    let PathIds(destination, secret) = ids;
    drop_secret(&app, &caller, destination_id(&destination)?, &secret).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a secret from a destination.
pub(crate) async fn drop_secret(app: &Shared, caller: &Caller, id: DestinationId, secret: &str) -> Result<(), Fault> {
    let dropped = write::change(app, caller, id, |definition| {
        let mut shown = write::shown(definition);
        let secrets = secrets_of(&mut shown)?;
        let at = secrets.iter().position(|kept| kept["id"] == secret);
        let at = at.ok_or_else(|| Fault::not_found("Signing secret"))?;
        if secrets.len() == 1 {
            return Err(Fault::new(
                StatusCode::CONFLICT,
                "This is the only secret, and without it nothing would be signed: rotate first, or set secrets to [].",
            ));
        }
        secrets.remove(at);
        Ok(shown)
    });
    dropped.await.map(|_| ())
}

/// What is shown of a destination's secrets, where it has any to sign with.
fn secrets_of(shown: &mut Map<String, Value>) -> Result<&mut Vec<Value>, Fault> {
    let secrets = shown.get_mut("secrets").and_then(Value::as_array_mut);
    secrets.ok_or_else(|| Fault::new(StatusCode::CONFLICT, "Calls to a destination of this kind are not signed."))
}
