//! Events on pages: a line in the dashboard's list, and the page of one event with its deliveries and their attempts.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use oncue_domain::delivery::{Attempt, State as DeliveryState};
use oncue_domain::destination::Target;
use oncue_domain::event::{Event, Retention, Status};
use oncue_domain::schedule::zone::Zone;
use oncue_domain::store::DeliveryView;

use super::badge::Badge;
use super::frame::Frame;
use super::moment::{Moment, lateness, span, took};
use super::trigger_row::label;
use super::{PageFault, page};
use crate::api::event::load;
use crate::app::App;
use crate::auth::Visitor;
use crate::extract::PathId;

/// How many bytes of a payload the page shows; the API has the rest.
const PAYLOAD_BYTES_SHOWN: usize = 16 * 1024;

/// One line of a list.
pub(crate) struct EventRow {
    pub(crate) id: i64,
    pub(crate) trigger: i64,
    pub(crate) label: String,
    /// What made it: `schedule`, `catch-up`, `api` or `test`.
    pub(crate) origin: &'static str,
    pub(crate) fired: Moment,
    pub(crate) scheduled: Option<Moment>,
    /// "3 ms late"; none where no schedule made the event.
    pub(crate) lateness: Option<String>,
    /// `active` or `archived`.
    pub(crate) status: &'static str,
    /// What age will do to it next.
    pub(crate) fate: String,
    pub(crate) delivery: Badge,
    pub(crate) message_id: String,
}

impl EventRow {
    pub(crate) fn of(
        event: &Event,
        deliveries: &[DeliveryView],
        retention: Retention,
        now: Timestamp,
        zone: &Zone,
    ) -> EventRow {
        let status = retention.status(event.fired_at, now).unwrap_or(Status::Archived);
        EventRow {
            id: event.id.0,
            trigger: event.trigger.0,
            label: label(&event.name, event.trigger),
            origin: event.origin.word(),
            fired: Moment::new(event.fired_at, now, zone),
            scheduled: event.scheduled_at.map(|due| Moment::new(due, now, zone)),
            lateness: event.lateness().map(lateness),
            status: status.word(),
            fate: fate(event.fired_at, status, retention, now),
            delivery: Badge::of_deliveries(deliveries),
            message_id: event.message_id.to_string(),
        }
    }
}

/// "archived in 1 h 58 min", or "deleted in 40 h" where nothing comes before that.
fn fate(fired_at: Timestamp, status: Status, retention: Retention, now: Timestamp) -> String {
    let age = now.duration_since(fired_at);
    match status {
        Status::Active if retention.active_for < retention.keep_for => {
            format!("archived in {}", span(retention.active_for - age))
        }
        _ => format!("deleted in {}", span(retention.keep_for - age)),
    }
}

/// One delivery as its page shows it.
struct DeliveryBlock {
    /// The address, or none for the operator's own, which users never see.
    address: Option<String>,
    format: Option<&'static str>,
    state: Badge,
    next: Option<Moment>,
    attempts: Vec<AttemptRow>,
}

impl DeliveryBlock {
    fn of(view: &DeliveryView, now: Timestamp, zone: &Zone) -> DeliveryBlock {
        let (address, format) = match &view.target {
            Target::Webhook(webhook) => (Some(webhook.url.to_string()), Some(webhook.format.word())),
            Target::Default => (None, None),
        };
        let next = match view.state {
            DeliveryState::Pending(due) => Some(Moment::due(due, now, zone)),
            _ => None,
        };
        let attempts = view.attempts.iter().map(|attempt| AttemptRow::of(attempt, now, zone)).collect();
        DeliveryBlock { address, format, state: Badge::of_delivery(view.state), next, attempts }
    }
}

/// One attempt.
struct AttemptRow {
    number: u32,
    started: Moment,
    took: String,
    /// The receiver's status or why there was none.
    outcome: String,
    is_success: bool,
    answer: Option<String>,
}

impl AttemptRow {
    fn of(attempt: &Attempt, now: Timestamp, zone: &Zone) -> AttemptRow {
        let outcome = match (attempt.status, &attempt.error) {
            (Some(status), _) => match StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()) {
                Some(reason) => format!("{status} {reason}"),
                None => status.to_string(),
            },
            (None, Some(error)) => error.clone(),
            (None, None) => "no answer".to_owned(),
        };
        AttemptRow {
            number: attempt.number,
            started: Moment::new(attempt.started_at, now, zone),
            took: took(attempt.took_us),
            outcome,
            is_success: matches!(attempt.status, Some(200..=299)),
            answer: attempt.answer.as_deref().map(|bytes| String::from_utf8_lossy(bytes).into_owned()),
        }
    }
}

#[derive(Template)]
#[template(path = "event.html")]
struct EventPage {
    frame: Frame,
    event: EventRow,
    fired_exactly: String,
    kind: &'static str,
    /// Whether the trigger that fired is still there to be looked at.
    has_trigger: bool,
    payload: String,
    payload_bytes: usize,
    is_payload_cut: bool,
    deliveries: Vec<DeliveryBlock>,
}

/// GET /events/{id}
pub(super) async fn show(
    State(app): State<App>,
    Visitor(caller): Visitor,
    PathId(id): PathId,
) -> Result<Response, PageFault> {
    let now = app.now();
    let (event, deliveries) = load(&app, &caller, &id, now).await?;
    let has_trigger = app.store.trigger(caller.owner(), event.trigger).await?.is_some();
    let zone = &app.settings.zone;
    let payload = event.payload.as_str();
    let shown = beginning(payload, PAYLOAD_BYTES_SHOWN);
    let event_page = EventPage {
        frame: Frame::of(&app, &caller),
        fired_exactly: event.fired_at.to_string(),
        kind: event.kind.word(),
        has_trigger,
        payload: shown.to_owned(),
        payload_bytes: payload.len(),
        is_payload_cut: shown.len() < payload.len(),
        deliveries: deliveries.iter().map(|view| DeliveryBlock::of(view, now, zone)).collect(),
        event: EventRow::of(&event, &deliveries, app.settings.retention, now, zone),
    };
    Ok(page(StatusCode::OK, &event_page))
}

/// The first bytes of a text, cut between two characters.
pub(crate) fn beginning(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;
    use oncue_domain::destination::Webhook;
    use oncue_domain::event::Origin;
    use oncue_domain::id::{EventId, Ids, TriggerId, UserId};
    use oncue_domain::payload::Payload;
    use oncue_domain::schedule::zone::Zones;
    use oncue_domain::trigger::Kind;

    const NASTY: &str = "<script>alert(1)</script>\"><img src=x onerror=alert(1)>";

    fn event(name: &str, fired_at: Timestamp) -> Event {
        Event {
            id: EventId(29),
            owner: UserId(1),
            trigger: TriggerId(7),
            revision: 1,
            name: name.to_owned(),
            kind: Kind::Scheduled,
            origin: Origin::Schedule,
            scheduled_at: Some(fired_at - SignedDuration::from_millis(3)),
            fired_at,
            message_id: Ids::from_seed([1; 32]).message(fired_at),
            payload: Payload::parse(&format!("{{\"k\": {}}}", serde_json::Value::from(NASTY))).expect("JSON"),
        }
    }

    #[test]
    fn age_says_what_comes_next() {
        let now = Timestamp::from_second(1_800_000_000).expect("in range");
        let row = |age_min| {
            let fired = now - SignedDuration::from_mins(age_min);
            EventRow::of(&event("n", fired), &[], Retention::STANDARD, now, &Zones::utc())
        };
        let fresh = row(2);
        assert_eq!((fresh.status, fresh.fate.as_str()), ("active", "archived in 1 h 58 min"));
        let old = row(8 * 60);
        assert_eq!((old.status, old.fate.as_str()), ("archived", "deleted in 1 d 16 h"));
        assert_eq!(fresh.lateness.as_deref(), Some("3 ms late"));
        assert_eq!(fresh.delivery.word, "only logged");
    }

    #[test]
    fn nothing_that_others_wrote_is_markup_on_the_page() {
        let now = Timestamp::from_second(1_800_000_000).expect("in range");
        let event = event(NASTY, now);
        let attempt = Attempt {
            number: 1,
            started_at: now,
            took_us: 12_000,
            status: Some(500),
            error: None,
            answer: Some(NASTY.as_bytes().to_vec()),
        };
        let webhook = Webhook::parse("https://example.com/?q=<script>", None).expect("an address");
        let view =
            DeliveryView { target: Target::Webhook(webhook), state: DeliveryState::Failed, attempts: vec![attempt] };
        let html = EventPage {
            frame: Frame::bare(),
            fired_exactly: event.fired_at.to_string(),
            kind: event.kind.word(),
            has_trigger: true,
            payload: event.payload.as_str().to_owned(),
            payload_bytes: event.payload.as_str().len(),
            is_payload_cut: false,
            deliveries: vec![DeliveryBlock::of(&view, now, &Zones::utc())],
            event: EventRow::of(&event, &[view], Retention::STANDARD, now, &Zones::utc()),
        };
        let html = html.render().expect("it renders");
        assert!(!html.contains("<script") && !html.contains("<img src=x"), "{html}");
        assert!(
            html.contains("500 Internal Server Error") && html.contains("12 ms") && html.contains("failed"),
            "{html}"
        );
    }

    #[test]
    fn a_long_payload_is_cut_between_characters() {
        assert_eq!(beginning("aüb", 2), "a");
        assert_eq!(beginning("aüb", 3), "aü");
        assert_eq!(beginning("aüb", 30), "aüb");
    }
}
