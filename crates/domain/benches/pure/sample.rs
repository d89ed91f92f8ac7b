//! What the benches share: an event as most are, and one as large as few are.

use jiff::Timestamp;
use oncue_domain::event::{Event, Origin};
use oncue_domain::id::{EventId, Ids, TriggerId, UserId};
use oncue_domain::message::Source;
use oncue_domain::payload::Payload;
use oncue_domain::trigger::Kind;
use serde_json::json;

/// An instant.
pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().expect("a bench writes its instants well")
}

/// A small notification.
pub(crate) const SMALL: &str =
    r#"{"order":48213,"status":"shipped","carrier":"example","items":[{"sku":"A-1","quantity":2}]}"#;

/// Some 20 KiB: two hundred lines of an order.
pub(crate) fn large() -> String {
    let item = |n: u32| json!({"sku": format!("A-{n}"), "quantity": n % 7 + 1, "note": "a line of text, as there are many", "price": 12.5});
    json!({"order": 48213, "items": (0..200).map(item).collect::<Vec<_>>()}).to_string()
}

/// An event that a schedule made, with this payload.
pub(crate) fn event(payload: &str) -> Event {
    let scheduled_at = at("2027-02-15T08:30:00Z");
    Event {
        id: EventId(48_213),
        owner: UserId(1),
        trigger: TriggerId(7),
        revision: 3,
        name: "nightly report".to_owned(),
        kind: Kind::Scheduled,
        origin: Origin::Schedule,
        scheduled_at: Some(scheduled_at),
        due_at: None,
        fired_at: at("2027-02-15T08:30:00.0021Z"),
        message_id: Ids::from_seed([1; 32]).message(scheduled_at),
        payload: Payload::parse(payload).expect("a bench writes its JSON well"),
        parent: None,
        has_run: false,
    }
}

/// Who sends.
pub(crate) fn source() -> Source {
    Source {
        public_url: "https://oncue.example".to_owned(),
        version: "0.1.0",
        reports: oncue_domain::run::ReportKey::derive(b"a test's secret"),
    }
}
