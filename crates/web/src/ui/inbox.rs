//! The pages of an inbox: what arrived, the latest first, and one arrival as a receiver would see it, with what came of checking its
//! signature in words. What came from outside is text on them, never markup.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use oncue_domain::arrival::{ARRIVALS_MAX, Arrival, Check, Contents};
use oncue_domain::destination::Destination;
use oncue_domain::destination::definition::Kind;
use oncue_domain::id::ArrivalId;
use oncue_domain::message::INBOX_ADDRESS;
use oncue_domain::schedule::zone::Zone;
use serde::de::IgnoredAny;

use super::delivery::BODY_BYTES_SHOWN;
use super::event::beginning;
use super::frame::{Frame, Place};
use super::moment::{Moment, span, took};
use super::number::number;
use super::pretty::pretty;
use super::viewer::shown_zone;
use super::{PageFault, page};
use crate::api::destination::{destination_id, load};
use crate::api::inbox::{is_cut, load_arrival};
use crate::app::App;
use crate::auth::Visitor;
use crate::extract::{PathId, PathIds, Query, id_of};
use crate::fault::Fault;

/// How many arrivals stand on one page.
const LISTED: usize = 50;

/// An arrival in a line.
struct Line {
    id: i64,
    arrived: Moment,
    event: i64,
    attempt: u32,
    /// Whether the signature was genuine, and in words.
    is_genuine: Option<bool>,
    checked: &'static str,
    answer: Option<u16>,
    is_success: bool,
    waited: String,
    bytes: String,
}

impl Line {
    fn of(arrival: &Arrival, now: Timestamp, zone: &Zone) -> Line {
        let arrived = &arrival.arrived;
        let (is_genuine, checked) = match arrived.check {
            Check::Unsigned => (None, "unsigned"),
            Check::Signed(_) => (Some(true), "verified"),
            Check::Unverified(_) => (Some(false), "refused"),
        };
        Line {
            id: arrival.id.0,
            arrived: Moment::new(arrived.at, now, zone),
            event: arrived.event.0,
            attempt: arrived.attempt,
            is_genuine,
            checked,
            answer: arrived.answer,
            is_success: arrived.answer.is_some_and(|status| (200..300).contains(&status)),
            waited: took(i64::try_from(arrived.waited.as_micros()).unwrap_or(i64::MAX)),
            bytes: number(arrived.body_bytes),
        }
    }
}

#[derive(Template)]
#[template(path = "inbox.html")]
struct ListPage {
    frame: Frame,
    id: i64,
    name: String,
    answers: String,
    has_secrets: bool,
    lines: Vec<Line>,
    /// From where the next page goes on.
    older: Option<i64>,
    is_first: bool,
    kept: String,
    kept_for: String,
}

#[derive(Template)]
#[template(path = "inbox_arrival.html")]
struct ArrivalPage {
    frame: Frame,
    destination: i64,
    name: String,
    line: Line,
    slot: u32,
    /// The whole sentence on the signature.
    check: String,
    request: String,
    headers: Vec<(String, String)>,
    body: String,
    is_laid_out: bool,
    is_cut: bool,
}

/// The inbox of that number; any other kind of destination has none.
async fn inbox(app: &App, visitor: &Visitor, id: &str) -> Result<Destination, Fault> {
    let destination = load(app, visitor.0.owner(), destination_id(id)?).await?;
    match destination.definition.kind {
        Kind::Inbox(_) => Ok(destination),
        _ => Err(Fault::not_found("Inbox")),
    }
}

/// GET /ui/destinations/{id}/inbox
pub(super) async fn show(
    State(app): State<App>,
    visitor: Visitor,
    PathId(id): PathId,
    mut query: Query,
) -> Result<Response, PageFault> {
    let before = query.take("before", |text| id_of(text).ok_or("This is not the number of an arrival.")).map(ArrivalId);
    query.finish()?;
    let destination = inbox(&app, &visitor, &id).await?;
    let caller = &visitor.0;
    let (now, zone) = (app.now(), shown_zone(&app, caller, None));
    let mut found = app.store.arrivals(caller.owner(), destination.id, before, LISTED + 1).await?;
    let more = found.len() > LISTED;
    found.truncate(LISTED);
    let (answers, has_secrets) = match &destination.definition.kind {
        Kind::Inbox(inbox) => {
            let after =
                if inbox.delay.is_zero() { "at once".to_owned() } else { format!("after {}", span(inbox.delay)) };
            (format!("{} {after}", inbox.status), !inbox.call.secrets.is_empty())
        }
        _ => (String::new(), false),
    };
    let list = ListPage {
        frame: Frame::of(&app, caller, Place::Destinations),
        id: destination.id.0,
        name: destination.definition.name.clone(),
        answers,
        has_secrets,
        older: found.last().filter(|_| more).map(|last| last.id.0),
        is_first: before.is_none(),
        lines: found.iter().map(|arrival| Line::of(arrival, now, &zone)).collect(),
        kept: number(ARRIVALS_MAX as u64),
        kept_for: span(app.settings.retention.keep_for),
    };
    Ok(page(StatusCode::OK, &list))
}

/// GET /ui/destinations/{id}/inbox/{arrival}
pub(super) async fn show_one(
    State(app): State<App>,
    Visitor(caller): Visitor,
    place: PathIds,
) -> Result<Response, PageFault> {
    let (arrival, contents) = load_arrival(&app, &caller, &place).await?;
    let destination = load(&app, caller.owner(), arrival.arrived.destination).await?;
    let (now, zone) = (app.now(), shown_zone(&app, &caller, None));
    let frame = Frame::of(&app, &caller, Place::Destinations);
    let name = destination.definition.name.clone();
    Ok(page(StatusCode::OK, &ArrivalPage::of(frame, name, &arrival, contents, Line::of(&arrival, now, &zone))))
}

impl ArrivalPage {
    fn of(frame: Frame, name: String, arrival: &Arrival, contents: Contents, line: Line) -> ArrivalPage {
        let arrived = &arrival.arrived;
        let is_json = contents.header("content-type").is_some_and(|kind| kind.contains("json"));
        let is_cut = is_cut(arrived, &contents.body);
        let text = String::from_utf8_lossy(&contents.body);
        let is_laid_out = is_json && serde_json::from_str::<IgnoredAny>(&text).is_ok();
        let text = if is_laid_out { pretty(&text) } else { text.into_owned() };
        let shown = beginning(&text, BODY_BYTES_SHOWN);
        ArrivalPage {
            frame,
            destination: arrived.destination.0,
            name,
            line,
            slot: arrived.slot,
            check: match &arrived.check {
                Check::Unsigned => "This inbox had no signing secret, so there was nothing to check.".to_owned(),
                Check::Signed(secret) => format!("Verified: it was signed with the secret {secret}, not long before."),
                Check::Unverified(why) => format!("Not to be trusted: {why}."),
            },
            request: format!("{} {INBOX_ADDRESS}", arrived.method),
            headers: contents.headers,
            is_cut: is_cut || shown.len() < text.len(),
            body: shown.to_owned(),
            is_laid_out,
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use oncue_domain::arrival::Arrived;
    use oncue_domain::id::{DestinationId, EventId};
    use oncue_domain::schedule::zone::Zones;

    use super::*;

    const NASTY: &str = "<script>alert(1)</script>\"><img src=x onerror=alert(1)>";

    fn shown(check: Check, content_type: &str, body: &[u8], body_bytes: u64) -> String {
        let now = Timestamp::from_second(1_800_000_000).expect("in range");
        let arrived = Arrived {
            destination: DestinationId(3),
            event: EventId(29),
            slot: 1,
            attempt: 2,
            at: now,
            method: "POST".to_owned(),
            body_bytes,
            check,
            answer: Some(500),
            waited: SignedDuration::from_secs(1),
        };
        let arrival = Arrival { id: ArrivalId(5), arrived };
        let headers =
            vec![("content-type".to_owned(), content_type.to_owned()), ("x-nasty".to_owned(), NASTY.to_owned())];
        let contents = Contents { headers, body: body.to_vec() };
        let line = Line::of(&arrival, now, &Zones::utc());
        ArrivalPage::of(Frame::bare(), NASTY.to_owned(), &arrival, contents, line).render().expect("a page")
    }

    #[test]
    fn nothing_that_arrived_is_markup_on_the_page() {
        for content_type in ["application/json", "text/html", NASTY] {
            let html = shown(Check::Unverified(NASTY.to_owned()), content_type, NASTY.as_bytes(), 1);
            assert!(!html.contains("<script>alert") && !html.contains("<img src=x"), "{html}");
            assert!(html.contains("alert(1)"));
        }
    }

    #[test]
    fn json_is_laid_out_and_anything_else_is_shown_as_it_came() {
        assert!(shown(Check::Unsigned, "application/cloudevents+json", b"{\"a\":1}", 7).contains("&#34;a&#34;: 1"));
        assert!(shown(Check::Unsigned, "application/json", b"{\"a\":1", 6).contains("{&#34;a&#34;:1"));
        assert!(shown(Check::Unsigned, "text/plain", b"{\"a\":1} \xff", 9).contains("{&#34;a&#34;:1} \u{fffd}"));
    }

    #[test]
    fn it_is_said_when_not_all_of_a_body_is_shown() {
        assert!(shown(Check::Unsigned, "text/plain", b"abc", 4).contains("beginning"));
        assert!(!shown(Check::Unsigned, "text/plain", b"abc", 3).contains("beginning"));
    }
}
