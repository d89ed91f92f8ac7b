//! The page of one attempt: what was sent, where its time went, what came back, why that was no success and what can be done, and the
//! command that sends the same again. What others wrote is text on it, never markup, and what is hidden is not on it at all.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use jiff::Timestamp;
use oncue_domain::destination::Target;
use oncue_domain::receipt::Sent;
use oncue_domain::schedule::zone::Zone;
use serde::de::IgnoredAny;

use super::cause::{Cause, Way};
use super::chart::Phases;
use super::curl::{Command, curl};
use super::delivery::{BODY_BYTES_SHOWN, is_success, outcome, status_line};
use super::event::beginning;
use super::frame::{Frame, Place};
use super::moment::{Moment, took};
use super::number::number;
use super::pretty::pretty;
use super::trigger_row::label;
use super::viewer::{shown_zone, trigger_zone};
use super::{PageFault, page};
use crate::api::receipt::{AttemptPlace, Found, load_attempt};
use crate::app::App;
use crate::auth::Visitor;
use crate::fault::Fault;

/// What stands where nobody is shown what was sent.
const HIDDEN: &str = "(hidden)";

/// A body as it is shown.
struct Body {
    shown: String,
    /// How many bytes the whole of it had, for people.
    bytes: String,
    /// Whether more of it is kept than is shown here, or it had more.
    is_cut: bool,
    /// The same as it was sent, where it is laid out for the eye.
    raw: Option<String>,
    is_text: bool,
}

impl Body {
    fn of(bytes: &[u8], whole: u64) -> Body {
        let text = String::from_utf8_lossy(bytes);
        let is_json = serde_json::from_slice::<IgnoredAny>(bytes).is_ok();
        let laid_out = is_json.then(|| pretty(&text)).filter(|laid_out| *laid_out != text);
        let shown = beginning(laid_out.as_deref().unwrap_or(&text), BODY_BYTES_SHOWN);
        let is_cut = shown.len() < laid_out.as_ref().map_or(text.len(), String::len) || whole > bytes.len() as u64;
        let raw = laid_out.is_some().then(|| beginning(&text, BODY_BYTES_SHOWN).to_owned());
        let is_text = std::str::from_utf8(bytes).is_ok();
        Body { shown: shown.to_owned(), bytes: number(whole), is_cut, raw, is_text }
    }
}

/// What was sent.
struct Request {
    line: String,
    headers: Vec<(String, String)>,
    has_hidden: bool,
    body: Body,
}

impl Request {
    fn of(sent: &Sent) -> Request {
        let line = match sent.method {
            Some(method) => format!("{} {}", method.word(), sent.address),
            None => format!("Mail by {}", sent.address),
        };
        let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| HIDDEN.to_owned());
        Request {
            line,
            headers: sent.headers.iter().map(|header| (header.name.clone(), shown(&header.value))).collect(),
            has_hidden: sent.headers.iter().any(|header| header.value.is_none()),
            body: Body::of(&sent.body, sent.body_bytes),
        }
    }
}

/// What came back.
struct Answer {
    line: String,
    headers: Vec<(String, String)>,
    body: Option<Body>,
}

#[derive(Template)]
#[template(path = "receipt.html")]
struct Page {
    frame: Frame,
    event: i64,
    label: String,
    slot: u32,
    number: u32,
    attempts: Vec<u32>,
    outcome: String,
    is_success: bool,
    started: Moment,
    took: String,
    /// Whether it went to the operator's own destination, of which nothing but times is kept.
    is_operators: bool,
    is_kept: bool,
    address: Option<String>,
    message_id: String,
    cause: Option<Cause>,
    phases: Option<Phases>,
    request: Option<Request>,
    answer: Option<Answer>,
    command: Option<Command>,
    file: String,
}

impl Page {
    fn of(frame: Frame, found: &Found, now: Timestamp, zone: &Zone) -> Page {
        let Found { event, view, attempt, receipt } = found;
        let sent = receipt.as_ref().and_then(|receipt| receipt.sent.as_ref());
        let file = found.file_name();
        Page {
            frame,
            event: event.id.0,
            label: label(&event.name, event.trigger),
            slot: view.slot,
            number: attempt.number,
            attempts: view.attempts.iter().map(|attempt| attempt.number).collect(),
            outcome: outcome(attempt),
            is_success: is_success(attempt),
            started: Moment::new(attempt.started_at, now, zone),
            took: took(attempt.took_us),
            is_operators: view.target == Target::Default,
            is_kept: receipt.is_some(),
            address: receipt.as_ref().and_then(|receipt| receipt.facts.address).map(|address| address.to_string()),
            message_id: view.message_id.to_string(),
            cause: Cause::of(attempt, Way::of_sent(sent)),
            phases: receipt.as_ref().map(|receipt| Phases::new(receipt, attempt.took_us)),
            request: sent.map(Request::of),
            answer: attempt.status.map(|status| Answer {
                line: status_line(status),
                headers: receipt.as_ref().map(|receipt| receipt.answer_headers.clone()).unwrap_or_default(),
                body: attempt.answer.as_ref().map(|body| Body::of(body, body.len() as u64)),
            }),
            command: sent.and_then(|sent| curl(sent, &file)),
            file,
        }
    }
}

/// GET /events/{id}/deliveries/{slot}/attempts/{number}
pub(super) async fn show(
    State(app): State<App>,
    Visitor(caller): Visitor,
    place: AttemptPlace,
) -> Result<Response, PageFault> {
    let now = app.now();
    let found = load_attempt(&app, &caller, &place, now).await?;
    let armed = app.store.trigger(caller.owner(), found.event.trigger).await?;
    let own = armed.as_ref().map(|armed| trigger_zone(&app, armed.trigger.definition.schedule.as_ref()));
    let zone = shown_zone(&app, &caller, own);
    let frame = Frame::of(&app, &caller, Place::Events);
    Ok(page(StatusCode::OK, &Page::of(frame, &found, now, &zone)))
}

/// GET /events/{id}/deliveries/{slot}/attempts/{number}/body: the body as it was sent, to be put into a file. What it is, its author
/// said; no browser may take it for a page of ours.
pub(super) async fn body(
    State(app): State<App>,
    Visitor(caller): Visitor,
    place: AttemptPlace,
) -> Result<Response, PageFault> {
    let found = load_attempt(&app, &caller, &place, app.now()).await?;
    let file = format!("attachment; filename=\"{}\"", found.file_name());
    let file = HeaderValue::from_str(&file).expect("numbers and words are visible ASCII");
    let sent: Option<Bytes> = found.receipt.and_then(|receipt| receipt.sent).map(|sent| sent.body);
    let body = sent.ok_or_else(|| Fault::not_found("Body"))?;
    let kind = HeaderValue::from_static("application/octet-stream");
    Ok(([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, file)], body).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;
    use oncue_domain::delivery::{Attempt, State as DeliveryState};
    use oncue_domain::event::{Event, Origin};
    use oncue_domain::id::{DestinationId, EventId, Ids, TriggerId, UserId};
    use oncue_domain::outbound::{Facts, Method};
    use oncue_domain::payload::Payload;
    use oncue_domain::receipt::{Header, Receipt};
    use oncue_domain::schedule::zone::Zones;
    use oncue_domain::store::DeliveryView;
    use oncue_domain::trigger::Kind;

    const NASTY: &str = "<script>alert(1)</script>\"><img src=x onerror=alert(1)>";

    fn found(receipt: Option<Receipt>) -> Found {
        let now = Timestamp::from_second(1_800_000_000).expect("in range");
        let message_id = Ids::from_seed([1; 32]).message(now);
        let event = Event {
            id: EventId(29),
            owner: UserId(1),
            trigger: TriggerId(7),
            revision: 1,
            name: NASTY.to_owned(),
            kind: Kind::Api,
            origin: Origin::Api,
            scheduled_at: None,
            due_at: None,
            fired_at: now,
            message_id,
            payload: Payload::empty(),
            parent: None,
            has_run: false,
        };
        let attempt = Attempt {
            number: 2,
            started_at: now,
            took_us: 12_345,
            status: Some(500),
            error: None,
            answer: Some(NASTY.as_bytes().to_vec()),
        };
        let target = Target::Destination(DestinationId(3));
        let attempts = vec![Attempt { number: 1, ..attempt.clone() }, attempt.clone()];
        let view = DeliveryView {
            slot: 1,
            message_id,
            target,
            state: DeliveryState::Failed,
            attempts,
            ladder_from: 0,
            why: None,
        };
        Found { event, view, attempt, receipt }
    }

    fn receipt(method: Option<Method>, address: &str, body: &[u8]) -> Receipt {
        let header =
            |name: &str, value: Option<&str>| Header { name: name.to_owned(), value: value.map(str::to_owned) };
        let headers = vec![header("content-type", Some(NASTY)), header("x-key", None)];
        let body = Bytes::copy_from_slice(body);
        let sent = Sent { method, address: address.to_owned(), headers, body_bytes: body.len() as u64, body };
        let facts = Facts { wait_us: Some(9_000), address: "192.0.2.7:443".parse().ok(), ..Facts::default() };
        let answer_headers = vec![("server".to_owned(), NASTY.to_owned())];
        Receipt { sent: Some(sent), queue_us: Some(1_500), facts, answer_headers }
    }

    fn shown(found: &Found) -> String {
        let page = Page::of(Frame::bare(), found, found.event.fired_at, &Zones::utc());
        page.render().expect("it renders")
    }

    #[test]
    fn an_attempt_is_told_whole_and_nothing_that_others_wrote_is_markup() {
        let body = format!("{{\"k\": {}}}", serde_json::Value::from(NASTY));
        let html =
            shown(&found(Some(receipt(Some(Method::Post), "https://example.com/?q=%3Cscript%3E", body.as_bytes()))));
        assert!(!html.contains("<script>") && !html.contains("<img src=x"), "{html}");
        for words in [
            "500 Internal Server Error",
            "Attempt 2",
            "POST https://example.com/",
            "x-key: (hidden)",
            "192.0.2.7:443",
            "9.00 ms",
            "1.50 ms",
            "error of its own",
            "SECRET_X_KEY",
            "curl -X POST",
            "server: ",
        ] {
            assert!(html.contains(words), "{words}: {html}");
        }
    }

    #[test]
    fn an_attempt_without_a_receipt_says_so() {
        let html = shown(&found(None));
        assert!(html.contains("before receipts were kept") && html.contains("500 Internal Server Error"), "{html}");
        let operators = Found { view: DeliveryView { target: Target::Default, ..found(None).view }, ..found(None) };
        assert!(shown(&operators).contains("operator"));
    }

    #[test]
    fn a_mail_and_a_body_that_is_no_text_have_their_words() {
        let html = shown(&found(Some(receipt(None, "smtps://mail.example.com:465", b"\xff\x00"))));
        assert!(html.contains("Mail by smtps://mail.example.com:465") && html.contains("not text"), "{html}");
        assert!(!html.contains("curl"), "{html}");
    }
}
