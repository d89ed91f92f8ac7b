//! What a delivery says: an event and a destination's format in, one request out. Nothing here sends, and nothing here
//! asks what time it is. Whoever adds a format promises two things for any name and any payload: the receiver's limits
//! hold, and what a user wrote stays text: it pings nobody, and it breaks out of nothing.

use jiff::Timestamp;
use serde::Serialize;

use crate::delivery::EXCHANGE_DEADLINE;
use crate::destination::{Format, Webhook};
use crate::event::{Event, Origin};
use crate::outbound::{Method, Request, Trust};
use crate::run::{self, ReportKey};

mod cloudevent;
mod compose;
mod discord;
mod email;
mod github;
mod ntfy;
mod occurrence;
mod preview;
mod slack;

pub use cloudevent::{ALERT_TYPE, EVENT_TYPE, RUN_ALERT_TYPE};
pub use compose::{INBOX_ADDRESS, Inbound, Outgoing, Parcel, REPORT_HEADER, Unfit, compose};
pub(crate) use github::OWN_HEADERS as GITHUB_HEADERS;
pub use occurrence::occurrence;
pub use preview::{Preview, Sample, preview};

/// Who is speaking: what receivers are told about this oncue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The address users type for this oncue, with or without a trailing slash.
    pub public_url: String,
    /// The version of the program, as in `0.1.0`; visible ASCII.
    pub version: &'static str,
    /// With which the addresses are signed to which receivers report.
    pub reports: ReportKey,
}

impl Source {
    /// What requests say of who sends them.
    pub fn user_agent(&self) -> String {
        format!("oncue/{}", self.version)
    }

    /// Where whoever receives the event reports what becomes of it: a verb stands behind it. None where nothing is expected.
    pub fn report_url(&self, event: &Event) -> Option<String> {
        let base = self.public_url.trim_end_matches('/');
        event.has_run.then(|| format!("{base}/report/{}", self.reports.token(event.id, event.fired_at)))
    }

    /// Where the thing is that the event came from: its trigger, or the destinations or events that it tells of.
    fn origin(&self, event: &Event) -> String {
        let base = self.public_url.trim_end_matches('/');
        match event.origin {
            Origin::Alert if is_of_run(event) => format!("{base}/api/v1/event_logs"),
            Origin::Alert => format!("{base}/api/v1/destinations"),
            _ => format!("{base}/api/v1/triggers/{}", event.trigger),
        }
    }

    /// The page of the same, for people to open.
    fn page(&self, event: &Event) -> String {
        let base = self.public_url.trim_end_matches('/');
        match event.origin {
            Origin::Alert => format!("{base}{}", page_of_alert(event).unwrap_or("/ui/destinations".to_owned())),
            _ => format!("{base}/ui/triggers/{}", event.trigger),
        }
    }
}

/// The path of the page that an alert's payload names.
fn page_of_alert(event: &Event) -> Option<String> {
    let payload: serde_json::Value = serde_json::from_str(event.payload.as_str()).ok()?;
    let page = payload.get("page")?.as_str()?;
    ["/ui/destinations/", run::alert::PAGES].iter().any(|pages| page.starts_with(pages)).then(|| page.to_owned())
}

/// Whether an alert tells of a run, and not of a destination.
pub fn is_of_run(event: &Event) -> bool {
    page_of_alert(event).is_some_and(|page| page.starts_with(run::alert::PAGES))
}

/// Writes an event down for the receiver at a trigger's own `webhook`, for the attempt that begins at `attempt_at`. What destinations
/// are sent is for [`compose()`] to say.
///
/// All attempts of one event carry the same body and the same `webhook-id`; only `webhook-timestamp`, in whole Unix seconds,
/// is the attempt's own (Standard Webhooks 1.0.0).
pub fn render(event: &Event, webhook: &Webhook, trust: Trust, source: &Source, attempt_at: Timestamp) -> Request {
    let (content_type, body) = match webhook.format {
        Format::Json => ("application/cloudevents+json", to_json(&cloudevent::Envelope::new(event, source))),
        Format::Discord => ("application/json", to_json(&discord::Message::new(event))),
        Format::Slack => ("application/json", to_json(&slack::Message::new(event))),
    };
    let mut headers =
        compose::Head { source, message_id: event.message_id, attempt_at }.headers(content_type.to_owned());
    if webhook.format == Format::Json {
        headers.extend(compose::report_header(event, source));
    }
    let timeout = Some(EXCHANGE_DEADLINE.unsigned_abs());
    Request { method: Method::Post, url: webhook.url.clone(), headers, body: body.into(), trust, timeout }
}

fn to_json(message: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(message)
        .expect("a message has no map with keys that are not strings, and memory does not fail to be written to")
}

/// One line for people: a sign, the trigger's name written by `escape`, and what happened. The name is cut so that the line
/// has at most `units_max` units. The name of an alert says already what happened.
fn headline(event: &Event, units_max: usize, escape: fn(char, &mut String)) -> String {
    let (sign, happened) = match event.origin {
        Origin::Alert => return format!("🔔 {}", fit(&shown_name(event), units_max - units("🔔 "), escape)),
        Origin::Schedule => ("⏰", "fired"),
        Origin::CatchUp => ("⏰", "fired late"),
        Origin::Api => ("⚡", "was fired by a call"),
        Origin::Test => ("🧪", "was tried out"),
        Origin::Repeat => ("🔁", "was fired again"),
        Origin::Backfill => ("⏪", "was backfilled"),
        Origin::Run => ("▶", "was fired by hand"),
    };
    let around = units(sign) + units(happened) + 2;
    format!("{sign} {} {happened}", fit(&shown_name(event), units_max - around, escape))
}

/// The name on one line; a trigger without a visible name goes by its number.
fn shown_name(event: &Event) -> String {
    // Line ends would make two lines of one; overrides of the writing direction would let a name rewrite its neighbours.
    let calm = |c: char| match c {
        '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => ' ',
        c if c.is_control() => ' ',
        c => c,
    };
    let name: String = event.name.chars().map(calm).collect();
    match name.trim() {
        "" => format!("Trigger {}", event.trigger),
        name => name.to_owned(),
    }
}

/// When it fired, and how late if that is worth a word.
fn shown_firing(event: &Event) -> String {
    match event.lateness().map(|lateness| lateness.as_secs()) {
        Some(late_s @ 1..) => format!("{} ({:#} late)", event.fired_at, jiff::SignedDuration::from_secs(late_s)),
        _ => event.fired_at.to_string(),
    }
}

/// What an alert says in a sentence; none of what is no alert.
fn sentence(event: &Event) -> Option<String> {
    if event.origin != Origin::Alert {
        return None;
    }
    let facts: serde_json::Value = serde_json::from_str(event.payload.as_str()).ok()?;
    facts["text"].as_str().map(str::to_owned)
}

/// The event in lines of plain text: when it was due, when it fired, and its payload. Of an alert its sentence, and then its facts.
fn told(event: &Event) -> String {
    if let Some(sentence) = sentence(event) {
        return format!("{sentence}\n\n{}\n", event.payload.as_str());
    }
    let scheduled = event.scheduled_at.map(|due| format!("Scheduled: {due}\n")).unwrap_or_default();
    format!("{scheduled}Fired: {}\n\n{}\n", shown_firing(event), event.payload.as_str())
}

/// Writes `text` through `escape` into at most `units_max` units, with an ellipsis where it had to be cut. An escape is
/// never cut in two.
fn fit(text: &str, units_max: usize, escape: fn(char, &mut String)) -> String {
    let mut written = String::new();
    let mut used = 0;
    let mut last_cut = 0;
    for c in text.chars() {
        let before = written.len();
        escape(c, &mut written);
        used += units(&written[before..]);
        if used > units_max {
            written.truncate(last_cut);
            written.push('…');
            return written;
        }
        if used < units_max {
            last_cut = written.len();
        }
    }
    written
}

/// The length as the chat services count it: in UTF-16 code units, which are never fewer than characters.
fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;
    use serde_json::value::RawValue;
    use serde_json::{Value, json};

    use super::*;
    use crate::id::{EventId, Ids, TriggerId, UserId};
    use crate::payload::Payload;
    use crate::trigger::Kind;

    pub(crate) fn event(name: &str, payload: &str) -> Event {
        let scheduled_at = at("2027-02-15T08:30:00Z");
        Event {
            id: EventId(29),
            owner: UserId(1),
            trigger: TriggerId(7),
            revision: 3,
            name: name.to_owned(),
            kind: Kind::Scheduled,
            origin: Origin::Schedule,
            scheduled_at: Some(scheduled_at),
            due_at: None,
            fired_at: at("2027-02-15T08:30:02.5Z"),
            message_id: Ids::from_seed([1; 32]).message(scheduled_at),
            payload: Payload::parse(payload).expect("a payload"),
            parent: None,
            has_run: false,
        }
    }

    pub(super) fn body(event: &Event, format: Format) -> Value {
        serde_json::from_slice(&request(event, format).body).expect("JSON")
    }

    /// Any string, with what the chat services treat specially more often than chance would have it.
    pub(super) fn text() -> impl Strategy<Value = String> {
        let special = proptest::sample::select(vec![
            "`",
            "``",
            "```",
            "\\",
            "*",
            "_",
            "~~",
            "||",
            "<",
            ">",
            "&",
            "&lt;",
            "<!channel>",
            "<@1>",
            "@everyone",
            "https://a.example",
            "\n",
            "\r",
            "\u{202e}",
            "\u{0}",
            "😀",
            "é",
            " ",
        ])
        .prop_map(str::to_owned);
        let piece = prop_oneof![special, any::<String>(), "[a-z]{0,300}"];
        proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    pub(super) fn payload(text: &str) -> String {
        serde_json::to_string(&json!({ "text": text, "😀": [1, null] })).expect("JSON")
    }

    pub(super) fn source() -> Source {
        let reports = ReportKey::derive(b"a test's secret");
        Source { public_url: "https://oncue.example/".to_owned(), version: "0.1.0", reports }
    }

    pub(crate) fn at(text: &str) -> Timestamp {
        text.parse().expect("a timestamp")
    }

    fn request(event: &Event, format: Format) -> Request {
        let webhook = Webhook::parse("https://example.com/hook", Some(format)).expect("an address");
        render(event, &webhook, Trust::Guarded, &source(), at("2027-02-15T08:30:07.9Z"))
    }

    #[test]
    fn a_json_delivery_is_a_cloudevents_envelope() {
        let event = event("nightly", r#"{"key": 1e400, "b": [1, 2]}"#);
        let id = event.message_id.to_string();
        let expected = format!(
            "{}{}{}{}{}{}",
            format_args!(r#"{{"specversion":"1.0","id":"{id}","source":"https://oncue.example/api/v1/triggers/7","#),
            r#""type":"dev.oncue.trigger.fired","subject":"nightly","time":"2027-02-15T08:30:00Z","#,
            r#""recordedtime":"2027-02-15T08:30:02.5Z","datacontenttype":"application/json","#,
            r#""data":{"trigger":{"id":7,"name":"nightly","type":"scheduled"},"#,
            r#""firing":{"origin":"schedule","scheduled_at":"2027-02-15T08:30:00Z","fired_at":"2027-02-15T08:30:02.5Z","lateness_ms":2500,"#,
            r#""is_test":false},"payload":{"key": 1e400, "b": [1, 2]}}}"#,
        );
        assert_eq!(String::from_utf8(request(&event, Format::Json).body.to_vec()).expect("UTF-8"), expected);
    }

    #[test]
    fn what_is_spread_says_when_it_was_due() {
        let event = Event { due_at: Some(at("2027-02-15T08:30:02Z")), ..event("nightly", "{}") };
        let firing = &body(&event, Format::Json)["data"]["firing"];
        let expected = [json!("2027-02-15T08:30:00Z"), json!("2027-02-15T08:30:02Z"), json!(500)];
        assert_eq!(["scheduled_at", "due_at", "lateness_ms"].map(|field| firing[field].clone()), expected);
    }

    #[test]
    fn what_no_schedule_made_has_no_scheduled_time() {
        let event = Event { origin: Origin::Test, kind: Kind::Api, scheduled_at: None, ..event("", "[]") };
        let body = body(&event, Format::Json);
        assert_eq!(body.get("subject"), None);
        assert_eq!(body["time"], body["recordedtime"]);
        let firing = json!({
            "origin": "test",
            "scheduled_at": null,
            "fired_at": "2027-02-15T08:30:02.5Z",
            "lateness_ms": null,
            "is_test": true,
        });
        assert_eq!(body["data"]["firing"], firing);
        assert_eq!(body["data"]["trigger"], json!({"id": 7, "name": "", "type": "api"}));
        assert_eq!(body["data"]["payload"], json!([]));
    }

    #[test]
    fn the_headers_name_the_event_and_the_attempt() {
        let event = event("nightly", "{}");
        for (format, content_type) in [
            (Format::Json, "application/cloudevents+json"),
            (Format::Discord, "application/json"),
            (Format::Slack, "application/json"),
        ] {
            let request = request(&event, format);
            let expected = [
                ("content-type", content_type.to_owned()),
                ("user-agent", "oncue/0.1.0".to_owned()),
                ("webhook-id", event.message_id.to_string()),
                ("webhook-timestamp", "1802680207".to_owned()),
            ];
            assert_eq!(request.headers, expected.map(|(name, value)| (name.into(), value)));
            assert_eq!(request.method, Method::Post);
            assert_eq!(request.url.as_str(), "https://example.com/hook");
            assert_eq!(request.trust, Trust::Guarded);
        }
    }

    #[test]
    fn a_program_that_is_to_report_is_told_where_in_a_header_too_and_a_chat_is_not() {
        let event = Event { has_run: true, ..event("nightly", "{}") };
        for (format, is_told) in [(Format::Json, true), (Format::Discord, false), (Format::Slack, false)] {
            let request = request(&event, format);
            let told = request.headers.iter().find(|(name, _)| name == REPORT_HEADER).map(|(_, url)| url.clone());
            assert_eq!(told, source().report_url(&event).filter(|_| is_told), "{format:?}");
        }
    }

    #[test]
    fn a_trigger_without_a_visible_name_goes_by_its_number() {
        assert_eq!(shown_name(&event(" \n", "{}")), "Trigger 7");
        assert_eq!(shown_name(&event("a\nb", "{}")), "a b");
    }

    #[test]
    fn text_is_cut_only_where_it_must_be() {
        let plain = |c: char, out: &mut String| out.push(c);
        let doubled = |c: char, out: &mut String| out.extend([c, c]);
        assert_eq!(fit("abcd", 4, plain), "abcd");
        assert_eq!(fit("abcde", 4, plain), "abc…");
        assert_eq!(fit("a😀bc", 4, plain), "a😀…");
        assert_eq!(fit("abc😀", 4, plain), "abc…");
        assert_eq!(fit("abc", 4, doubled), "aa…");
        assert_eq!(fit("", 4, plain), "");
    }

    #[test]
    fn attempts_differ_in_their_timestamp_alone() {
        let event = event("nightly", "{}");
        let webhook = Webhook::parse("https://example.com/hook", Some(Format::Json)).expect("an address");
        let source = Source { public_url: "https://oncue.example".to_owned(), ..source() };
        let attempt = |started_at: &str| render(&event, &webhook, Trust::Operator, &source, at(started_at));
        let (first, second) = (attempt("2027-02-15T08:30:07Z"), attempt("2027-02-15T09:30:07Z"));
        assert_eq!(first.body, second.body);
        assert_eq!(first.headers[..3], second.headers[..3]);
        assert_ne!(first.headers[3], second.headers[3]);
        assert_eq!(first.trust, Trust::Operator);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn an_envelope_carries_any_name_and_payload_unharmed(name in text(), text in text()) {
            let event = event(&name, &payload(&text));
            let sent = request(&event, Format::Json).body;
            #[derive(serde::Deserialize)]
            struct Received<'a> { #[serde(borrow)] data: ReceivedData<'a> }
            #[derive(serde::Deserialize)]
            struct ReceivedData<'a> { #[serde(borrow)] payload: &'a RawValue, trigger: Value }
            let received: Received<'_> = serde_json::from_slice(&sent).expect("JSON");
            prop_assert_eq!(received.data.payload.get(), event.payload.as_str());
            prop_assert_eq!(&received.data.trigger["name"], &json!(name));
        }
    }
}
