//! What goes wrong on the way through a handler, and how each surface says it: surface two as problem details (RFC 9457),
//! surface one as `{"detail": …}`. The kind picks the status here and nowhere else; what the machine's failures really were
//! goes to the log, once.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use oncue_domain::error::Invalid;
use oncue_domain::store;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// Why a request is not answered with what it asked for.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The request is wrong as a whole: this status, and a sentence that says why.
    Refused(StatusCode, String),
    /// Fields of the body are wrong.
    Invalid(Vec<Invalid>),
    /// Values of the query are wrong.
    InvalidQuery(Vec<Invalid>),
    /// Nobody, or nobody we know.
    Unauthenticated,
    /// Too often; come back after this.
    TooMany(Duration),
    /// The store cannot answer.
    Store(store::Error),
}

impl Fault {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Fault {
        Fault::Refused(status, detail.into())
    }

    pub(crate) fn not_found(what: &str) -> Fault {
        Fault::new(StatusCode::NOT_FOUND, format!("{what} not found"))
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Fault::Refused(status, _) => *status,
            Fault::Invalid(_) | Fault::InvalidQuery(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Fault::Unauthenticated => StatusCode::UNAUTHORIZED,
            Fault::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Fault::Store(store::Error::Unavailable(_)) => StatusCode::SERVICE_UNAVAILABLE,
            Fault::Store(store::Error::Broken(_)) => StatusCode::INTERNAL_SERVER_ERROR,
            Fault::Store(store::Error::Unreadable(_)) => StatusCode::CONFLICT,
        }
    }

    pub(crate) fn detail(&self) -> String {
        match self {
            Fault::Refused(_, detail) => detail.clone(),
            Fault::Invalid(errors) | Fault::InvalidQuery(errors) => match errors.as_slice() {
                [only] => only.to_string(),
                several => format!("{} fields are not right; see errors.", several.len()),
            },
            Fault::Unauthenticated => "Not authenticated".to_owned(),
            Fault::TooMany(wait) => format!("Too many requests; try again in {} seconds.", seconds(*wait)),
            Fault::Store(store::Error::Unavailable(_)) => {
                "The database does not answer right now; try again soon.".to_owned()
            }
            Fault::Store(store::Error::Broken(_)) => "Something went wrong inside oncue; its log says what.".to_owned(),
            Fault::Store(store::Error::Unreadable(problem)) => format!(
                "This trigger cannot be read and does not fire ({problem}): replace it as a whole (PUT), or delete it."
            ),
        }
    }

    /// Tells the log what could not be done where the store is to blame. That a trigger cannot be read is told there once, by whoever finds it:
    /// each refusal of what somebody asks of it is no news.
    pub(crate) fn log(&self, undone: &'static str) {
        match self {
            Fault::Store(error @ store::Error::Unreadable(_)) => tracing::debug!(%error, "{undone}"),
            Fault::Store(error) => tracing::error!(%error, "{undone}"),
            _ => {}
        }
    }

    /// What is wrong, as surface two says it, with at most so many of the fields that are.
    pub(crate) fn document(&self, errors_max: usize) -> ProblemDocument {
        let status = self.status();
        let errors = match self {
            Fault::Invalid(errors) | Fault::InvalidQuery(errors) => errors.as_slice(),
            _ => &[],
        };
        let shown = errors.iter().take(errors_max);
        ProblemDocument {
            r#type: "about:blank".to_owned(),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: self.detail(),
            errors: shown
                .map(|error| FieldProblem { field: error.field.clone(), detail: error.message.clone() })
                .collect(),
        }
    }

    /// The response around a body in one surface's shape.
    fn respond(&self, content_type: &'static str, body: &Value) -> Response {
        self.log("a request could not be answered");
        let mut response = (self.status(), body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        for (name, value) in self.headers() {
            headers.insert(name, value);
        }
        response.extensions_mut().insert(FaultDetail(self.detail()));
        response
    }

    pub(crate) fn headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        match self {
            Fault::Unauthenticated => vec![(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))],
            Fault::TooMany(wait) => vec![(header::RETRY_AFTER, HeaderValue::from(seconds(*wait)))],
            Fault::Store(store::Error::Unavailable(_)) => vec![(header::RETRY_AFTER, HeaderValue::from_static("1"))],
            _ => Vec::new(),
        }
    }
}

/// What an answer says is wrong, kept beside it for those who read pages instead of JSON.
#[derive(Clone, Debug)]
pub(crate) struct FaultDetail(pub(crate) String);

/// Whole seconds, rounded up: who waits as long as told must not come too early.
pub(crate) fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

impl From<store::Error> for Fault {
    fn from(error: store::Error) -> Fault {
        Fault::Store(error)
    }
}

impl From<Invalid> for Fault {
    fn from(error: Invalid) -> Fault {
        Fault::Invalid(vec![error])
    }
}

/// A fault as surface two says it.
#[derive(Debug)]
pub(crate) struct Problem(Fault);

impl<F: Into<Fault>> From<F> for Problem {
    fn from(fault: F) -> Problem {
        Problem(fault.into())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.0.respond("application/problem+json", &json!(self.0.document(usize::MAX)))
    }
}

/// A fault as surface one says it.
#[derive(Debug)]
pub(crate) struct FlatFault(Fault);

impl<F: Into<Fault>> From<F> for FlatFault {
    fn from(fault: F) -> FlatFault {
        FlatFault(fault.into())
    }
}

impl IntoResponse for FlatFault {
    fn into_response(self) -> Response {
        let list = |root: &'static str, errors: &[Invalid]| -> Value {
            let said = errors.iter().map(|error| {
                let at = error.field.split('.').filter(|part| !part.is_empty());
                let loc: Vec<&str> = std::iter::once(root).chain(at).collect();
                json!({"loc": loc, "msg": error.message, "type": "value_error"})
            });
            said.collect()
        };
        let detail = match &self.0 {
            Fault::Invalid(errors) => list("body", errors),
            Fault::InvalidQuery(errors) => list("query", errors),
            fault => Value::String(fault.detail()),
        };
        self.0.respond("application/json", &json!({"detail": detail}))
    }
}

/// Says a fault in the words of the surface that `path` belongs to.
pub(crate) fn respond_at(path: &str, fault: Fault) -> Response {
    if is_under(path, &["/triggers", "/logs"]) {
        FlatFault(fault).into_response()
    } else {
        Problem(fault).into_response()
    }
}

/// Whether a path belongs to one of the surfaces for programs.
pub(crate) fn is_for_programs(path: &str) -> bool {
    is_under(path, &["/triggers", "/logs", "/api"])
}

fn is_under(path: &str, roots: &[&str]) -> bool {
    roots.iter().any(|root| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// The document of surface two's errors, RFC 9457.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem, example = json!({
    "type": "about:blank", "title": "Unprocessable Entity", "status": 422,
    "detail": "schedule_details.cron: The hour field says 25; hours run from 0 to 23.",
    "errors": [{"field": "schedule_details.cron", "detail": "The hour field says 25; hours run from 0 to 23."}]
}))]
pub(crate) struct ProblemDocument {
    r#type: String,
    title: String,
    status: u16,
    /// A sentence for a person: what is wrong and what would be right.
    detail: String,
    /// The fields that are wrong, where fields are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<FieldProblem>,
}

/// One field that is wrong.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"field": "name", "detail": "A name has at most 200 characters."}))]
pub(crate) struct FieldProblem {
    /// A dotted path from the top of the body.
    field: String,
    detail: String,
}

/// The document of surface one's errors.
#[derive(Serialize, ToSchema)]
#[schema(as = FlatError, example = json!({"detail": "Trigger not found"}))]
pub(crate) struct FlatErrorDocument {
    /// A sentence, or, where the body is not the JSON of a trigger, a list of what is wrong with it.
    #[schema(value_type = Value)]
    detail: Value,
}
