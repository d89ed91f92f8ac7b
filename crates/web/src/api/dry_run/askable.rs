//! Which calls can be asked what they would come to, and what becomes of the others: to carry out what somebody asked of only in thought would be
//! what they least want, so a call that does not know the question refuses it.

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use oncue_domain::error::Invalid;
use utoipa::openapi::{OpenApi, RefOr};

use super::DRY_RUN;
use crate::extract::is_safe;
use crate::fault::{Fault, respond_at};

/// What marks a call that only asks what it would come to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dry;

/// The calls that can be asked so: those that say in the document that they can, by method and path.
pub(crate) fn calls(document: &OpenApi) -> HashSet<(Method, String)> {
    let mut askable = HashSet::new();
    for (path, calls) in &document.paths.paths {
        let each = [
            (Method::POST, &calls.post),
            (Method::PUT, &calls.put),
            (Method::PATCH, &calls.patch),
            (Method::DELETE, &calls.delete),
        ];
        for (method, call) in each {
            let parameters = call.iter().flat_map(|call| call.parameters.iter().flatten());
            let mut named = parameters.filter_map(|parameter| match parameter {
                RefOr::T(parameter) => Some(parameter.name.as_str()),
                RefOr::Ref(_) => None,
            });
            if named.any(|name| name == DRY_RUN) {
                askable.insert((method, path.clone()));
            }
        }
    }
    askable
}

/// Refuses what cannot be asked so: to do it all the same is what nobody who says `dry_run` wants.
pub(crate) async fn refuse_elsewhere(
    State(askable): State<Arc<HashSet<(Method, String)>>>,
    mut request: Request,
    next: Next,
) -> Response {
    let asked = said(request.uri().query());
    if is_safe(request.method()) || asked.iter().all(|value| value == "false") {
        return next.run(request).await;
    }
    if asked.len() > 1 {
        let fault = Fault::InvalidQuery(vec![Invalid::new(DRY_RUN, "This is said more than once.")]);
        return respond_at(request.uri().path(), fault);
    }
    let matched = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned()).unwrap_or_default();
    if !askable.contains(&(request.method().clone(), matched)) {
        let detail = "This call cannot be asked what it would come to; without dry_run it is carried out.";
        let fault = Fault::InvalidQuery(vec![Invalid::new(DRY_RUN, detail)]);
        return respond_at(request.uri().path(), fault);
    }
    request.extensions_mut().insert(Dry);
    next.run(request).await
}

/// Everything that a query says of it.
fn said(query: Option<&str>) -> Vec<String> {
    let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    pairs.filter(|(name, _)| name == DRY_RUN).map(|(_, value)| value.into_owned()).collect()
}
