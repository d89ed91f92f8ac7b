//! Where whoever receives events reports what became of them: addresses that their deliveries carry, each good for one event. Nobody
//! logs in, because whoever holds such an address was given it by this server. Only a POST reports: what looks at addresses in passing,
//! as previews of links do, must not end anybody's work.

use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use axum::Json;
use axum::extract::{Extension, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use oncue_domain::error::Invalid;
use oncue_domain::id::EventId;
use oncue_domain::limit::{Buckets, Rate};
use oncue_domain::run::{BODY_BYTES_MAX, Report, ReportKey, State as RunState, Verb};
use oncue_domain::store::Reported;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::run::RunDocument;
use crate::app::{App, lock};
use crate::auth::limits::network_of;
use crate::extract::{Fields, Form, PathIds, Query, is_form, is_json, parse_form, read_body};
use crate::fault::{Fault, Problem};
use crate::guard::ClientAddress;
use crate::openapi::MakingErrors;

/// Reports that are nobody's to make, from one address.
const WRONG: Rate = Rate { burst: 40, refill_every: Duration::from_secs(5) };

/// Reports about one event: progress may be told often, and a loop that tells it without pause is held up.
const ABOUT_ONE: Rate = Rate { burst: 120, refill_every: Duration::from_secs(1) };

/// What reports are known by, and how often they may come.
pub(crate) struct Reports {
    key: ReportKey,
    wrong: Mutex<Buckets<IpAddr>>,
    about: Mutex<Buckets<EventId>>,
}

impl Reports {
    pub(crate) fn new(secret: &[u8]) -> Reports {
        Reports {
            key: ReportKey::derive(secret),
            wrong: Mutex::new(Buckets::new(WRONG)),
            about: Mutex::new(Buckets::new(ABOUT_ONE)),
        }
    }

    /// With which addresses are signed.
    pub(crate) fn key(&self) -> &ReportKey {
        &self.key
    }

    /// Which event a token is about. Whoever tries tokens out is held up, and learns nothing but that this one is none; who reports from the same
    /// address what is theirs to report is not: to find out costs a microsecond, and nobody guesses a token.
    fn admit(&self, token: &str, address: IpAddr, now: Timestamp) -> Result<(EventId, Timestamp), Fault> {
        let Some((event, fired_at)) = self.key.read(token) else {
            lock(&self.wrong).take(&network_of(address), now).map_err(Fault::TooMany)?;
            return Err(unknown());
        };
        lock(&self.about).take(&event, now).map_err(Fault::TooMany)?;
        Ok((event, fired_at))
    }
}

/// What is said of what was never expected, of what is gone, and of what somebody made up.
fn unknown() -> Fault {
    Fault::new(StatusCode::NOT_FOUND, "No report is expected here: the address is wrong, or its event is gone.")
}

/// What may be reported; all of it may be left out, and stand in the query as well.
#[derive(Deserialize, ToSchema)]
#[schema(as = ReportInput, example = json!({"message": "12 rows", "exit_code": 0}))]
#[expect(
    dead_code,
    reason = "the document of a body that is read field by field, so that every error can name its field"
)]
pub(crate) struct ReportInput {
    /// In words; of more than 1 000 characters the last ones are kept.
    message: Option<String>,
    /// How far it has come, from 0 to 100.
    percent: Option<u8>,
    /// What the process ended with. What is done with another one than 0 has failed.
    exit_code: Option<i32>,
}

/// What is known after a report.
#[derive(Serialize, ToSchema)]
#[schema(as = Reported)]
pub(crate) struct ReportedDocument {
    /// The event that it is about.
    #[schema(example = 29)]
    event_id: i64,
    run: RunDocument,
}

/// Report what becomes of an event. The address comes with each delivery whose trigger expects a report, and needs no credentials. The
/// body may be JSON, a form, or plain text, which is the message. To report the same again changes nothing.
#[utoipa::path(post, path = "/report/{token}/{verb}", tag = "Reports", operation_id = "report", security(()),
    params(
        ("token" = String, Path, description = "As it stands in the address that was delivered."),
        ("verb" = String, Path, description = "`start`, `progress`, `done` or `fail`."),
        ("message" = Option<String>, Query, description = "As in the body."),
        ("percent" = Option<u8>, Query, description = "As in the body."),
        ("exit_code" = Option<i32>, Query, description = "As in the body."),
    ),
    request_body(content((ReportInput = "application/json"), (ReportInput = "application/x-www-form-urlencoded"), (String = "text/plain"))),
    responses((status = 200, body = ReportedDocument), MakingErrors))]
pub(crate) async fn report(
    State(app): State<App>,
    Extension(client): Extension<ClientAddress>,
    PathIds(token, verb): PathIds,
    query: Query,
    request: Request,
) -> Result<Response, Problem> {
    let now = app.now();
    let (event, fired_at) = app.reports.admit(&token, client.ip, now)?;
    let verb = Verb::from_word(&verb).ok_or_else(|| {
        Fault::new(
            StatusCode::NOT_FOUND,
            "What can be reported is start, progress, done or fail; the address ends in that.",
        )
    })?;
    let report = read(verb, query, request).await?;
    let gone_until = app.settings.retention.gone_until(now);
    match app.store.report_run(event, fired_at, report, gone_until, now).await? {
        Reported::Run { run, has_moved } => {
            let state = run.state();
            if has_moved && matches!(state, RunState::Succeeded | RunState::Failed) {
                metrics::counter!("oncue_runs_total", "outcome" => state.word()).increment(1);
            }
            Ok(Json(ReportedDocument { event_id: event.0, run: RunDocument::of(&run) }).into_response())
        }
        Reported::NotFound => Err(unknown().into()),
        Reported::Refused(contradiction) => Err(Fault::new(StatusCode::CONFLICT, contradiction.to_string()).into()),
    }
}

/// What a report says, as it was found.
#[derive(Default)]
struct Said {
    message: Option<String>,
    percent: Option<i64>,
    exit_code: Option<i64>,
}

/// Reads a report: the body, and where that says nothing of a field the query.
async fn read(verb: Verb, query: Query, request: Request) -> Result<Report, Fault> {
    let asked = asked(query)?;
    let (is_json, is_form) = (is_json(request.headers()), is_form(request.headers()));
    let bytes = read_body(request.into_body(), BODY_BYTES_MAX).await?;
    let said = match bytes.as_ref() {
        [] => Said::default(),
        json if is_json => of_json(json)?,
        bytes => match parse_form(bytes) {
            form if is_form && NAMES.iter().any(|name| form.contains_key(*name)) => of_form(form)?,
            // Programs that send a file as it is call it a form as well.
            _ => Said { message: Some(String::from_utf8_lossy(bytes).into_owned()), ..Said::default() },
        },
    };
    let message = said.message.or(asked.message);
    let (percent, exit_code) = (said.percent.or(asked.percent), said.exit_code.or(asked.exit_code));
    Report::new(verb, message.as_deref(), percent, exit_code).map_err(|error| Fault::Invalid(vec![error]))
}

const NAMES: [&str; 3] = ["message", "percent", "exit_code"];

const WHOLE: &str = "This must be a whole number.";

fn asked(mut query: Query) -> Result<Said, Fault> {
    let whole = |text: &str| text.trim().parse::<i64>().map_err(|_| WHOLE);
    let said = Said {
        message: query.take_text("message"),
        percent: query.take("percent", whole),
        exit_code: query.take("exit_code", whole),
    };
    query.finish().map(|()| said)
}

fn of_json(bytes: &[u8]) -> Result<Said, Fault> {
    let mut fields = Fields::parse(bytes)?;
    let said = Said {
        message: fields.take("message", "This must be a string."),
        percent: fields.take("percent", WHOLE),
        exit_code: fields.take("exit_code", WHOLE),
    };
    fields.finish().map(|()| said)
}

fn of_form(mut form: Form) -> Result<Said, Fault> {
    let mut errors = Vec::new();
    let message = form.remove("message");
    let mut whole = |name: &str| {
        let text = form.remove(name)?;
        let number = text.trim().parse::<i64>();
        number.inspect_err(|_| errors.push(Invalid::new(name, WHOLE))).ok()
    };
    let said = Said { percent: whole("percent"), exit_code: whole("exit_code"), message };
    if errors.is_empty() { Ok(said) } else { Err(Fault::Invalid(errors)) }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::extract::FromRequestParts;
    use axum::http::header::CONTENT_TYPE;

    use super::*;

    async fn reading(verb: Verb, query: &str, kind: &str, body: &'static str) -> Result<Report, Fault> {
        let request = Request::post(format!("/report/t/done{query}")).header(CONTENT_TYPE, kind);
        let (mut parts, body) = request.body(Body::from(body)).expect("a request").into_parts();
        let query = Query::from_request_parts(&mut parts, &()).await.expect("a query");
        read(verb, query, Request::from_parts(parts, body)).await
    }

    fn made(verb: Verb, message: Option<&str>, percent: Option<i64>, exit_code: Option<i64>) -> Report {
        Report::new(verb, message, percent, exit_code).expect("it makes sense")
    }

    const FORM: &str = "application/x-www-form-urlencoded";

    #[tokio::test]
    async fn a_report_is_read_however_a_shell_sends_it() {
        let words = made(Verb::Done, Some("12 rows"), None, None);
        for (query, kind, body) in [
            ("", "application/json", r#"{"message": "12 rows"}"#),
            ("", FORM, "message=12+rows"),
            ("", FORM, "12 rows"),
            ("", "text/plain", "12 rows\n"),
            ("", "", "12 rows"),
            ("?message=12%20rows", "", ""),
            ("?message=others", "text/plain", "12 rows"),
        ] {
            let read = reading(Verb::Done, query, kind, body).await;
            assert_eq!(read.ok().as_ref(), Some(&words), "{query} {kind} {body}");
        }
        let code = reading(Verb::Done, "?exit_code=3", "text/plain", "a log").await.expect("a report");
        assert_eq!(code, made(Verb::Done, Some("a log"), None, Some(3)));
        let progress = reading(Verb::Progress, "", FORM, "percent=40").await.expect("a report");
        assert_eq!(progress, made(Verb::Progress, None, Some(40), None));
        assert_eq!(reading(Verb::Start, "", "", "").await.ok(), Some(Report::of(Verb::Start)));
    }

    #[tokio::test]
    async fn what_is_wrong_with_a_report_is_named() {
        for (query, kind, body, field) in [
            ("?percent=half", "", "", "percent"),
            ("?exit_code=", "", "", "exit_code"),
            ("", FORM, "percent=half", "percent"),
            ("", FORM, "percent=101", "percent"),
            ("", "application/json", r#"{"percent": "40"}"#, "percent"),
            ("", "application/json", r#"{"precent": 40}"#, "precent"),
        ] {
            let fault = reading(Verb::Progress, query, kind, body).await.expect_err("it is wrong");
            let (Fault::Invalid(errors) | Fault::InvalidQuery(errors)) = fault else { panic!("{fault:?}") };
            assert_eq!(errors.iter().map(|error| error.field.as_str()).collect::<Vec<_>>(), [field]);
        }
    }

    #[test]
    fn whoever_tries_tokens_out_is_held_up_and_nobody_else_is() {
        let (reports, now) = (Reports::new(&[1; 32]), Timestamp::UNIX_EPOCH);
        let token = reports.key().token(EventId(29), now);
        let (stranger, receiver) = (IpAddr::from([9, 8, 7, 6]), IpAddr::from([6, 6, 6, 6]));
        for _ in 0..WRONG.burst {
            let fault = reports.admit("29.0.wrong", stranger, now).expect_err("it is none");
            assert_eq!(fault.status(), StatusCode::NOT_FOUND);
        }
        let held_up = reports.admit("29.0.wrong", stranger, now).expect_err("it is one too many");
        assert_eq!(held_up.status(), StatusCode::TOO_MANY_REQUESTS);
        let (theirs, about) = (reports.key().token(EventId(28), now), (EventId(28), now));
        assert_eq!(
            reports.admit(&theirs, stranger, now).ok(),
            Some(about),
            "what is right is let through from there, too"
        );
        for _ in 0..ABOUT_ONE.burst {
            assert_eq!(reports.admit(&token, receiver, now).ok(), Some((EventId(29), now)));
        }
        let too_often = reports.admit(&token, receiver, now).expect_err("it is one too many");
        assert_eq!(too_often.status(), StatusCode::TOO_MANY_REQUESTS);
        let other = reports.key().token(EventId(30), now);
        assert!(reports.admit(&other, receiver, now).is_ok());
    }
}
