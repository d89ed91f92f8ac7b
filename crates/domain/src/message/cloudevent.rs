//! An event as a CloudEvents 1.0 event, in the two forms in which HTTP carries one: whole as JSON, or with its attributes in headers.

use jiff::Timestamp;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{Source, is_of_run};
use crate::event::{Event, Origin};
use crate::outbound::Headers;
use crate::run::Verb;

/// The CloudEvents `type` of every event that a trigger made.
pub const EVENT_TYPE: &str = "dev.oncue.trigger.fired";

/// The CloudEvents `type` of every event that tells of a destination in trouble.
pub const ALERT_TYPE: &str = "dev.oncue.destination.alert";

/// The CloudEvents `type` of every event that tells of a run that failed or is overdue.
pub const RUN_ALERT_TYPE: &str = "dev.oncue.run.alert";

/// What stands in a header percent-encoded, besides everything that is not ASCII (CloudEvents 1.0.2, HTTP binding, §3.1.3.2).
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');

/// An event in the structured JSON format, with the `recordedtime` extension.
#[derive(Serialize)]
pub(super) struct Envelope<'a> {
    specversion: &'static str,
    id: String,
    source: String,
    #[serde(rename = "type")]
    event_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    time: Timestamp,
    recordedtime: Timestamp,
    datacontenttype: &'static str,
    data: Data<'a>,
}

/// What an event is about.
#[derive(Serialize)]
pub(super) struct Data<'a> {
    trigger: TriggerPart<'a>,
    firing: Firing,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<ReportPart>,
    payload: Box<RawValue>,
}

/// Where to report what becomes of the event.
#[derive(Serialize)]
struct ReportPart {
    start: String,
    progress: String,
    done: String,
    fail: String,
}

#[derive(Serialize)]
struct TriggerPart<'a> {
    id: i64,
    name: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Serialize)]
struct Firing {
    origin: &'static str,
    scheduled_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    due_at: Option<Timestamp>,
    fired_at: Timestamp,
    lateness_ms: Option<i64>,
    is_test: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_id: Option<i64>,
}

impl<'a> Envelope<'a> {
    pub(super) fn new(event: &'a Event, source: &Source) -> Envelope<'a> {
        Envelope {
            specversion: "1.0",
            id: event.message_id.to_string(),
            source: source.origin(event),
            event_type: event_type(event),
            subject: subject(&event.name),
            time: event.scheduled_at.unwrap_or(event.fired_at),
            recordedtime: event.fired_at,
            datacontenttype: "application/json",
            data: Data::new(event, source),
        }
    }

    /// The attributes as headers; `datacontenttype` is the request's `content-type`.
    pub(super) fn headers(&self) -> Headers {
        let attribute =
            |name: &'static str, value: &str| (name.into(), utf8_percent_encode(value, ENCODED).to_string());
        let mut headers = vec![
            attribute("ce-specversion", self.specversion),
            attribute("ce-id", &self.id),
            attribute("ce-source", &self.source),
            attribute("ce-type", self.event_type),
        ];
        headers.extend(self.subject.as_deref().map(|subject| attribute("ce-subject", subject)));
        headers.push(attribute("ce-time", &self.time.to_string()));
        headers.push(attribute("ce-recordedtime", &self.recordedtime.to_string()));
        headers
    }

    /// What the event is about: the body where the attributes stand in headers.
    pub(super) fn data(&self) -> &Data<'a> {
        &self.data
    }
}

impl<'a> Data<'a> {
    pub(super) fn new(event: &'a Event, source: &Source) -> Data<'a> {
        Data {
            trigger: TriggerPart { id: event.trigger.0, name: &event.name, kind: event.kind.word() },
            firing: Firing::new(event),
            report: source.report_url(event).map(|url| ReportPart::behind(&url)),
            payload: event.payload.to_raw(),
        }
    }
}

impl ReportPart {
    fn behind(url: &str) -> ReportPart {
        let to = |verb: Verb| format!("{url}/{}", verb.word());
        ReportPart { start: to(Verb::Start), progress: to(Verb::Progress), done: to(Verb::Done), fail: to(Verb::Fail) }
    }
}

fn event_type(event: &Event) -> &'static str {
    match event.origin {
        Origin::Alert if is_of_run(event) => RUN_ALERT_TYPE,
        Origin::Alert => ALERT_TYPE,
        _ => EVENT_TYPE,
    }
}

impl Firing {
    fn new(event: &Event) -> Firing {
        let in_ms = |lateness: jiff::SignedDuration| {
            i64::try_from(lateness.as_millis()).expect("two timestamps lie less than 20 000 years apart")
        };
        Firing {
            origin: event.origin.word(),
            scheduled_at: event.scheduled_at,
            due_at: event.due_at,
            fired_at: event.fired_at,
            lateness_ms: event.lateness().map(in_ms),
            is_test: event.is_test(),
            parent_id: event.parent.map(|parent| parent.0),
        }
    }
}

/// A CloudEvents attribute must not be empty nor hold controls or noncharacters (CloudEvents 1.0.2, type system); the name
/// as it is stands in the data.
fn subject(name: &str) -> Option<String> {
    let is_noncharacter = |c: char| matches!(c, '\u{fdd0}'..='\u{fdef}') || u32::from(c) & 0xfffe == 0xfffe;
    let allowed: String = name.chars().filter(|c| !c.is_control() && !is_noncharacter(*c)).collect();
    (!allowed.is_empty()).then_some(allowed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::event::Origin;
    use crate::id::EventId;
    use crate::message::tests::{event, source, text};

    fn header(event: &Event, name: &str) -> Option<String> {
        let headers = Envelope::new(event, &source()).headers();
        headers.into_iter().find(|(have, _)| have == name).map(|(_, value)| value)
    }

    #[test]
    fn attributes_stand_in_headers_percent_encoded() {
        let event = event("50 % \"Zoë\" 😀", "{}");
        let headers = Envelope::new(&event, &source()).headers();
        let id = event.message_id.to_string();
        let expected = [
            ("ce-specversion", "1.0"),
            ("ce-id", &id),
            ("ce-source", "https://oncue.example/api/v1/triggers/7"),
            ("ce-type", "dev.oncue.trigger.fired"),
            ("ce-subject", "50%20%25%20%22Zo%C3%AB%22%20%F0%9F%98%80"),
            ("ce-time", "2027-02-15T08:30:00Z"),
            ("ce-recordedtime", "2027-02-15T08:30:02.5Z"),
        ];
        assert_eq!(headers, expected.map(|(name, value)| (name.into(), value.to_owned())));
    }

    #[test]
    fn a_name_of_controls_alone_is_no_subject() {
        assert_eq!(header(&event("\u{1}\u{fffe}", "{}"), "ce-subject"), None);
    }

    #[test]
    fn the_data_is_the_same_in_both_forms() {
        let event = event("nightly", r#"{"a": 1}"#);
        let envelope = Envelope::new(&event, &source());
        let whole: Value = serde_json::to_value(&envelope).expect("JSON");
        assert_eq!(whole["data"], serde_json::to_value(envelope.data()).expect("JSON"));
        assert_eq!(whole["data"]["payload"], json!({"a": 1}));
    }

    #[test]
    fn a_repetition_names_the_event_whose_payload_it_carries_and_nothing_else_does() {
        let first = event("nightly", "{}");
        let again = Event { origin: Origin::Repeat, parent: Some(EventId(12)), ..first.clone() };
        let firing = |event: &Event| serde_json::to_value(Data::new(event, &source())).expect("JSON")["firing"].clone();
        assert_eq!((&firing(&again)["origin"], &firing(&again)["parent_id"]), (&json!("repeat"), &json!(12)));
        assert_eq!(firing(&first).get("parent_id"), None);
    }

    #[test]
    fn whoever_is_to_report_is_told_where_and_nobody_else_is() {
        let first = event("nightly", "{}");
        let data = |event: &Event| serde_json::to_value(Data::new(event, &source())).expect("JSON");
        assert_eq!(data(&first).get("report"), None);
        let expected = Event { has_run: true, ..first };
        let report = data(&expected)["report"].clone();
        let url = source().report_url(&expected).expect("a report is expected");
        assert!(url.starts_with("https://oncue.example/report/29.1802680202500000."), "{url}");
        for verb in Verb::ALL {
            assert_eq!(report[verb.word()], format!("{url}/{}", verb.word()));
        }
        assert_eq!(report.as_object().map(serde_json::Map::len), Some(Verb::ALL.len()));
    }

    #[test]
    fn an_alert_of_a_run_is_told_from_one_of_a_destination() {
        let alert = |page: &str| Event { origin: Origin::Alert, ..event("x", &json!({"page": page}).to_string()) };
        let of = |event: &Event| (event_type(event), source().origin(event), source().page(event));
        let (kind, origin, page) = of(&alert("/events/29"));
        assert_eq!((kind, origin.as_str()), (RUN_ALERT_TYPE, "https://oncue.example/api/v1/event_logs"));
        assert_eq!(page, "https://oncue.example/events/29");
        let (kind, origin, page) = of(&alert("/ui/destinations/3"));
        assert_eq!((kind, origin.as_str()), (ALERT_TYPE, "https://oncue.example/api/v1/destinations"));
        assert_eq!(page, "https://oncue.example/ui/destinations/3");
        assert_eq!(of(&alert("https://elsewhere.example/events/1")).0, ALERT_TYPE);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_name_survives_its_header(name in text()) {
            let event = event(&name, "{}");
            let value = header(&event, "ce-subject").unwrap_or_default();
            prop_assert!(value.bytes().all(|byte| byte.is_ascii_graphic()));
            let decoded = percent_encoding::percent_decode_str(&value).decode_utf8().expect("UTF-8").into_owned();
            prop_assert_eq!(decoded, subject(&name).unwrap_or_default());
        }
    }
}
