//! What templates can name. These names are a promise: once a template uses one, it stays.

use std::cell::OnceCell;
use std::sync::Arc;

use jiff::Timestamp;

use super::STEPS_MAX;
use super::json::Node;
use super::number::Number;
use super::value::Value;
use super::work::Work;
use crate::event::{Event, Origin};
use crate::id::{EventId, MessageId, TriggerId, UserId};
use crate::payload::Payload;
use crate::schedule::zone::Zones;
use crate::trigger::Kind;

/// Every name with its fields. Those without are values themselves; of the payload nobody knows what it holds.
pub(super) const NAMES: [(&str, &[&str]); 6] = [
    ("trigger", &["id", "name", "type"]),
    (
        "event",
        &["id", "message_id", "origin", "fired_at", "scheduled_at", "due_at", "lateness_ms", "is_test", "report_url"],
    ),
    ("occurrence", &["at", "previous_at", "next_at", "timezone"]),
    ("payload", &[]),
    ("delivery", &["message_id", "destination"]),
    ("source", &[]),
];

/// What a template is rendered with. Nothing of an attempt is in it: a body is the same, byte for byte, on every attempt.
///
/// | name | what |
/// | --- | --- |
/// | `trigger.id`, `.name`, `.type` | number, text (empty where it has none), `scheduled` or `api` |
/// | `event.id`, `.message_id`, `.origin` | number, text, `schedule`, `catch-up`, `api`, `test`, `repeat`, `backfill` or `run` |
/// | `event.fired_at`, `.scheduled_at`, `.due_at` | times in RFC 3339, UTC; the last two null where no schedule made the event |
/// | `event.lateness_ms`, `.is_test` | fired − due in milliseconds or null; whether somebody only tried the trigger out |
/// | `event.report_url` | where its receiver reports what becomes of it, or null where nothing is expected |
/// | `occurrence.at`, `.previous_at`, `.next_at`, `.timezone` | nominal times and the zone of the schedule; null where there is none |
/// | `payload` | the event's payload, any JSON |
/// | `delivery.message_id`, `.destination` | what the receiver knows the delivery by; the destination's name |
/// | `source` | the public address of this oncue |
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The event that is delivered.
    pub event: &'a Event,
    /// Where in its schedule it stands.
    pub occurrence: Occurrence<'a>,
    /// What the receiver knows this delivery by.
    pub message_id: MessageId,
    /// The destination's name.
    pub destination: &'a str,
    /// The public address of this oncue.
    pub source: &'a str,
    /// Where the receiver reports what becomes of the event, where that is expected.
    pub report_url: Option<&'a str>,
    /// The zone data that `in_zone` looks into.
    pub zones: &'a Zones,
    /// What the templates that are rendered together share; for this event alone.
    pub shared: &'a Shared,
}

/// What all templates share that are rendered for one attempt: one allowance, so that many cost no more than one may, and the payload
/// as the first of them has read it.
#[derive(Debug)]
pub struct Shared {
    pub(super) work: Work,
    payload: OnceCell<Value>,
}

impl Default for Shared {
    fn default() -> Shared {
        Shared { work: Work::allow(STEPS_MAX), payload: OnceCell::new() }
    }
}

/// The occurrence that an event stands for, between its neighbours; all none where no schedule made the event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Occurrence<'a> {
    /// Its nominal time.
    pub at: Option<Timestamp>,
    /// The nominal time of the one before.
    pub previous_at: Option<Timestamp>,
    /// The nominal time of the one after.
    pub next_at: Option<Timestamp>,
    /// The IANA name of the schedule's zone.
    pub timezone: Option<&'a str>,
}

impl Context<'_> {
    /// Every name with its value. Without `is_payload_used` the payload is not even copied.
    pub(super) fn names(&self, is_payload_used: bool) -> Vec<(&'static str, Value)> {
        let event = self.event;
        let value = |name| match name {
            "trigger" => group(name, |field| match field {
                "id" => whole(event.trigger.0),
                "name" => Value::text(event.name.as_str()),
                _ => Value::text(event.kind.word()),
            }),
            "event" => group(name, |field| match field {
                "id" => whole(event.id.0),
                "message_id" => Value::text(event.message_id.to_string()),
                "origin" => Value::text(event.origin.word()),
                "fired_at" => Value::text(event.fired_at.to_string()),
                "scheduled_at" => time(event.scheduled_at),
                // The same where nothing is spread, so that a template can go by it for every trigger.
                "due_at" => time(event.due_at.or(event.scheduled_at)),
                "lateness_ms" => {
                    event.lateness().map_or(Value::Null, |lateness| Value::Number(Number::Whole(lateness.as_millis())))
                }
                "is_test" => Value::Bool(event.is_test()),
                _ => self.report_url.map_or(Value::Null, Value::text),
            }),
            "occurrence" => group(name, |field| match field {
                "at" => time(self.occurrence.at),
                "previous_at" => time(self.occurrence.previous_at),
                "next_at" => time(self.occurrence.next_at),
                _ => self.occurrence.timezone.map_or(Value::Null, Value::text),
            }),
            "delivery" => group(name, |field| match field {
                "message_id" => Value::text(self.message_id.to_string()),
                _ => Value::text(self.destination),
            }),
            "payload" if is_payload_used => {
                self.shared.payload.get_or_init(|| Node::read(event.payload.as_str())).clone()
            }
            "payload" => Value::Null,
            _ => Value::text(self.source),
        };
        NAMES.iter().map(|(name, _)| (*name, value(*name))).collect()
    }
}

fn group(name: &str, value: impl Fn(&str) -> Value) -> Value {
    let fields = NAMES.iter().find(|(known, _)| *known == name).map_or(&[] as &[&str], |(_, fields)| fields);
    Value::Map(fields.iter().map(|field| (Arc::from(*field), value(field))).collect())
}

fn whole(number: i64) -> Value {
    Value::Number(Number::Whole(i128::from(number)))
}

fn time(time: Option<Timestamp>) -> Value {
    time.map_or(Value::Null, |time| Value::text(time.to_string()))
}

/// Tries something with an event that a schedule made and with one that has neither a name nor times.
pub(super) fn samples<E>(try_with: impl Fn(&Context<'_>) -> Result<(), E>) -> Result<(), E> {
    let due = Timestamp::UNIX_EPOCH;
    let zones = Zones::bundled();
    let scheduled = Event {
        id: EventId(1),
        owner: UserId(1),
        trigger: TriggerId(1),
        revision: 1,
        name: "Sample".to_owned(),
        kind: Kind::Scheduled,
        origin: Origin::Schedule,
        scheduled_at: Some(due),
        due_at: None,
        fired_at: due,
        message_id: MessageId(uuid::Uuid::nil()),
        payload: Payload::empty(),
        parent: None,
        has_run: false,
    };
    let called =
        Event { name: String::new(), kind: Kind::Api, origin: Origin::Api, scheduled_at: None, ..scheduled.clone() };
    let between = Occurrence { at: Some(due), previous_at: Some(due), next_at: Some(due), timezone: Some("UTC") };
    for (event, occurrence) in [(&scheduled, between), (&called, Occurrence::default())] {
        try_with(&Context {
            event,
            occurrence,
            message_id: event.message_id,
            destination: "Sample",
            source: "https://oncue.example",
            report_url: event.scheduled_at.map(|_| "https://oncue.example/report/1.0.sample"),
            zones: &zones,
            shared: &Shared::default(),
        })?;
    }
    Ok(())
}
