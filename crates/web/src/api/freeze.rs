//! Freezing: nothing fires that schedules name, of one's own triggers or, for the operator, of everybody's. What it means is decided in
//! `domain::freeze`; here it is begun, ended and shown, and the pages (`ui/freeze`) read what is said the same way.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use oncue_domain::error::Invalid;
use oncue_domain::freeze::{Freeze, Said};
use oncue_domain::id::UserId;
use oncue_domain::trigger::parse_reason;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::actor::ActorDocument;
use super::time;
use crate::app::{App, Shared};
use crate::auth::Caller;
use crate::extract::{Fields, JsonBody, Query};
use crate::fault::{Fault, Problem};
use crate::openapi::{Errors, MakingErrors};

/// Whose triggers are frozen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// One's own.
    Mine,
    /// Everybody's.
    Server,
}

impl Scope {
    const WORDS: &str = "The scope is \"mine\" or \"server\".";

    pub(crate) fn from_word(word: &str) -> Option<Scope> {
        match word {
            "mine" => Some(Scope::Mine),
            "server" => Some(Scope::Server),
            _ => None,
        }
    }

    fn of(freeze: &Freeze) -> Scope {
        if freeze.owner.is_some() { Scope::Mine } else { Scope::Server }
    }

    /// The word in the API and in forms.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Scope::Mine => "mine",
            Scope::Server => "server",
        }
    }

    /// What the store is asked for; everybody's triggers are the operator's to freeze.
    pub(crate) fn permitted(self, caller: &Caller) -> Result<Option<UserId>, Fault> {
        match self {
            Scope::Mine => Ok(Some(caller.owner())),
            Scope::Server => caller.require_operator().map(|()| None),
        }
    }
}

/// A freeze.
#[derive(Serialize, ToSchema)]
#[schema(as = Freeze, example = json!({
    "scope": "mine", "reason": "The warehouse moves", "from": "2026-11-28T18:00:00Z", "until": "2026-12-01T06:00:00Z",
    "by": {"kind": "user", "id": 1, "name": "ada@example.com", "address": "192.0.2.7", "program": "curl/8.5.0"}
}))]
pub(crate) struct FreezeDocument {
    /// `mine`, or `server`: everybody's triggers.
    scope: &'static str,
    reason: Option<String>,
    /// Since when nothing fires.
    from: String,
    /// When it is over; null for one that somebody has to end.
    until: Option<String>,
    /// Who froze; null for everybody's triggers, which only the operator freezes.
    by: Option<ActorDocument>,
}

impl FreezeDocument {
    pub(crate) fn of(freeze: &Freeze) -> FreezeDocument {
        FreezeDocument {
            scope: Scope::of(freeze).word(),
            reason: freeze.reason.clone(),
            from: time(freeze.from),
            until: freeze.until.map(time),
            by: freeze.told_by().map(ActorDocument::of),
        }
    }
}

/// What is said of a freeze; all may be left out.
#[derive(Deserialize, ToSchema)]
#[schema(as = FreezeInput, example = json!({"reason": "The warehouse moves", "until": "2026-12-01T06:00:00Z"}))]
#[expect(
    dead_code,
    reason = "the document of a body that is read field by field, so that every error can name its field"
)]
pub(crate) struct FreezeInput {
    /// Why, in one line of at most 500 characters.
    reason: Option<String>,
    /// From then on it is over by itself.
    until: Option<String>,
    /// `mine` (without it), or `server`, which is the operator's.
    scope: Option<String>,
}

/// Checks what is said of a freeze; the fields are `reason` and `until`.
pub(crate) fn said(reason: Option<&str>, until: Option<Timestamp>, now: Timestamp) -> Result<Said, Invalid> {
    let reason = reason.map(parse_reason).transpose()?.flatten();
    if until.is_some_and(|end| end <= now) {
        return Err(Invalid::new("until", "The end of a freeze must be in the future."));
    }
    Ok(Said { reason, until })
}

/// The freezes that hold now for this one's triggers.
pub(crate) async fn holding(app: &Shared, owner: UserId, now: Timestamp) -> Result<Vec<Freeze>, Fault> {
    let freezes = app.store.freezes_of(owner, now).await?;
    Ok(freezes.into_iter().filter(|freeze| freeze.stands_at(now)).collect())
}

/// Freezes as is said.
pub(crate) async fn begin(
    app: &Shared,
    caller: &Caller,
    scope: Option<UserId>,
    said: Said,
    now: Timestamp,
) -> Result<Freeze, Fault> {
    app.count_freeze(caller.owner()).map_err(Fault::TooMany)?;
    Ok(app.acting(caller).freeze(scope, said, now).await?)
}

/// Ends the freeze of that scope, if there is one.
pub(crate) async fn end(
    app: &Shared,
    caller: &Caller,
    scope: Option<UserId>,
    now: Timestamp,
) -> Result<Option<Freeze>, Fault> {
    app.count_freeze(caller.owner()).map_err(Fault::TooMany)?;
    Ok(app.acting(caller).thaw(scope, now).await?)
}

/// Show the freezes that hold for your triggers: your own, and the server's.
#[utoipa::path(get, path = "/api/v1/freeze", tag = "Triggers", operation_id = "list_freezes",
    responses((status = 200, body = [FreezeDocument]), Errors))]
pub(crate) async fn list(State(app): State<App>, caller: Caller) -> Result<Json<Vec<FreezeDocument>>, Problem> {
    let freezes = holding(&app, caller.owner(), app.now()).await?;
    Ok(Json(freezes.iter().map(FreezeDocument::of).collect()))
}

/// Freeze your triggers, or everybody's: from the answer on nothing fires that schedules name, until the end or until somebody thaws.
///
/// Where they are frozen already that freeze goes on, under what is said now. Calls and tests go on firing, and so do deliveries.
#[utoipa::path(post, path = "/api/v1/freeze", tag = "Triggers", operation_id = "freeze", request_body = FreezeInput,
    responses((status = 200, body = FreezeDocument), MakingErrors))]
pub(crate) async fn freeze(
    State(app): State<App>,
    caller: Caller,
    body: JsonBody,
) -> Result<Json<FreezeDocument>, Problem> {
    let now = app.now();
    let mut fields = Fields::parse(body.needed()?)?;
    let reason: Option<String> = fields.take("reason", "This must be a string.");
    let until = fields.take_instant("until", &app.settings.zone);
    let scope = fields.take_with("scope", |word| Scope::from_word(word).ok_or(Scope::WORDS)).unwrap_or(Scope::Mine);
    let said = match said(reason.as_deref(), until, now) {
        Ok(said) => said,
        Err(error) => {
            fields.errors.push(error);
            Said::default()
        }
    };
    fields.finish()?;
    let scope = scope.permitted(&caller)?;
    Ok(Json(FreezeDocument::of(&begin(&app, &caller, scope, said, now).await?)))
}

/// Thaw: what falls due from now on fires again.
#[utoipa::path(delete, path = "/api/v1/freeze", tag = "Triggers", operation_id = "thaw",
    params(("scope" = Option<String>, Query, description = "`mine` (without it), or `server`, which is the operator's.")),
    responses((status = 204), Errors))]
pub(crate) async fn thaw(State(app): State<App>, caller: Caller, mut query: Query) -> Result<StatusCode, Problem> {
    let scope = query.take("scope", |word| Scope::from_word(word).ok_or(Scope::WORDS)).unwrap_or(Scope::Mine);
    query.finish()?;
    match end(&app, &caller, scope.permitted(&caller)?, app.now()).await? {
        Some(_) => Ok(StatusCode::NO_CONTENT),
        None => Err(Fault::not_found("Freeze").into()),
    }
}
