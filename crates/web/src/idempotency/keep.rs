//! The answers of calls under a key that make no event and no trigger. Such a call is noted before it is carried out and its answer after, so
//! two at once are never both carried out. Where the server is killed in between, nobody can know what came of it: the note stays, and says
//! so. A refusal has changed nothing, and is not kept.

use axum::body::{Body, Bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use oncue_domain::id::UserId;
use oncue_domain::idempotency::{ANSWER_BYTES_MAX, ANSWERS_MAX, Answer, Keyed, Outcome, Remembered};
use oncue_domain::store::Begun;

use super::{Address, BY_THEMSELVES, HEADER, ONLY_ASK, Replayed, print, read_key, taken};
use crate::api::dry_run::askable::Dry;
use crate::api::time;
use crate::app::App;
use crate::auth::Caller;
use crate::extract::{BODY_BYTES_MAX, read_body};
use crate::fault::{Fault, is_for_programs, respond_at};

/// What marks an answer that shows a secret, and must not be kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShownOnce;

/// Carries a call out once under its key, if it has one and nobody else sees to it.
pub(crate) async fn keep(State(app): State<App>, request: Request, next: Next) -> Response {
    let is_meant = request.method() == Method::POST && request.headers().contains_key(HEADER);
    if !is_meant || !is_for_programs(request.uri().path()) {
        return next.run(request).await;
    }
    let path = request.uri().path().to_owned();
    once(app, request, next).await.unwrap_or_else(|fault| respond_at(&path, fault))
}

async fn once(app: App, request: Request, next: Next) -> Result<Response, Fault> {
    let Some(key) = read_key(request.headers())? else { return Ok(next.run(request).await) };
    let matched = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned()).unwrap_or_default();
    let only_asks = ONLY_ASK.contains(&matched.as_str()) || request.extensions().get::<Dry>().is_some();
    if only_asks || BY_THEMSELVES.contains(&matched.as_str()) {
        return Ok(next.run(request).await);
    }
    // Whoever is nobody is told so by whoever handles the call.
    let Some(caller) = Caller::find(&app, request.headers()).await? else { return Ok(next.run(request).await) };
    let (parts, body) = request.into_parts();
    let body = read_body(body, BODY_BYTES_MAX).await?;
    let keyed = Keyed { key, item: 0, print: print(&Address::of(&parts), &caller, &body) };
    let request = Request::from_parts(parts, Body::from(body));
    to_the_end(carry_out(app, caller.owner(), keyed, request, next)).await
}

/// Whoever has sent something under a key may go away and come back for the answer: what is begun is ended without them.
pub(crate) async fn to_the_end(
    work: impl Future<Output = Result<Response, Fault>> + Send + 'static,
) -> Result<Response, Fault> {
    match tokio::spawn(work).await {
        Ok(response) => response,
        Err(ended) => match ended.try_into_panic() {
            Ok(cause) => std::panic::resume_unwind(cause),
            Err(_) => Err(Fault::new(StatusCode::SERVICE_UNAVAILABLE, "The server is stopping; try again soon.")),
        },
    }
}

async fn carry_out(app: App, owner: UserId, keyed: Keyed, request: Request, next: Next) -> Result<Response, Fault> {
    match app.store.begin_once(owner, keyed.clone(), app.now()).await? {
        Begun::Now => {}
        Begun::Before(before) => {
            app.count_request(owner).map_err(Fault::TooMany)?;
            return replay(&before, &keyed);
        }
        Begun::Full => {
            let detail = format!(
                "You have the answers of {ANSWERS_MAX} calls with an Idempotency-Key kept already, each for 24 hours; send this one without."
            );
            return Err(Fault::new(StatusCode::TOO_MANY_REQUESTS, detail));
        }
    }
    let (parts, body) = next.run(request).await.into_parts();
    let body = match body.collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) => {
            tracing::error!(%error, "an answer could not be read");
            return Err(Fault::new(StatusCode::INTERNAL_SERVER_ERROR, "The answer was lost inside oncue."));
        }
    };
    // After a failure of the machine nobody knows whether something was done: the note stays.
    if !parts.status.is_server_error() {
        let is_secret = parts.extensions.get::<ShownOnce>().is_some();
        let answer = parts.status.is_success().then(|| to_keep(parts.status, &body, is_secret));
        if let Err(error) = app.store.end_once(owner, keyed, answer).await {
            tracing::warn!(%error, "the answer of a call with an Idempotency-Key could not be kept");
        }
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}

fn to_keep(status: StatusCode, body: &Bytes, is_secret: bool) -> Answer {
    let is_kept = !is_secret && body.len() <= ANSWER_BYTES_MAX;
    Answer { status: status.as_u16(), body: is_kept.then(|| body.to_vec()) }
}

/// What whoever comes again is told.
fn replay(before: &Remembered, keyed: &Keyed) -> Result<Response, Fault> {
    if before.print != keyed.print {
        return Err(taken());
    }
    let at = time(before.at);
    match &before.outcome {
        Outcome::Answered(Answer { status, body: Some(body) }) => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::OK);
            let mut response = (status, Replayed::Yes, body.clone()).into_response();
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            Ok(response)
        }
        Outcome::Answered(Answer { status, body: None }) => Err(Fault::new(
            StatusCode::CONFLICT,
            format!(
                "This call was carried out at {at} and answered with status {status}. The answer is not kept, because it showed a secret or \
                 was long. What was made is in its list; use a new Idempotency-Key to make another."
            ),
        )),
        Outcome::Underway => Err(Fault::new(
            StatusCode::CONFLICT,
            format!(
                "A call with this Idempotency-Key began at {at} and has not ended. If it was cut off, it is not known whether it was carried \
                 out: look at what there is, and use a new key."
            ),
        )),
        Outcome::Made(_) => Err(taken()),
    }
}
