use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::destination::{Format, Webhook};
use crate::id::Ids;
use crate::message::tests::{at, event, payload, source, text};
use crate::message::{render, units};
use crate::signature::{Received, verify};

fn definition(value: Value) -> Definition {
    Definition::read(&value, None).unwrap_or_else(|wrong| panic!("{value}: {wrong:?}"))
}

fn message_id() -> MessageId {
    Ids::from_seed([2; 32]).message(at("2027-02-15T08:30:00Z"))
}

fn outgoing(event: &Event, definition: &Definition, attempt_at: &str) -> Result<Outgoing, Failure> {
    let occurrence = Occurrence { at: event.scheduled_at, ..Occurrence::default() };
    let parcel = Parcel { event, message_id: message_id(), occurrence };
    compose(parcel, definition, &source(), &Zones::bundled(), at(attempt_at))
}

fn request(event: &Event, definition: &Definition) -> Request {
    match outgoing(event, definition, "2027-02-15T08:30:07.9Z") {
        Ok(Outgoing::Http(request)) => request,
        other => panic!("{other:?}"),
    }
}

fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.headers.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
}

fn json_of(request: &Request) -> Value {
    serde_json::from_slice(&request.body).expect("JSON")
}

/// One of each kind that goes over the network.
fn each() -> Vec<Definition> {
    let secrets = json!([{"secret": SigningSecret::symmetric([1; 32]).reveal()}, {"secret": SigningSecret::asymmetric([2; 32]).reveal()}]);
    let url = "https://example.com/hook";
    [
        json!({"name": "a", "kind": "webhook", "url": url, "secrets": secrets}),
        json!({"name": "a", "kind": "webhook", "url": url, "headers": {"X-A": "1"}, "body": {"format": "cloudevents-binary"}}),
        json!({"name": "a", "kind": "discord", "url": "https://discord.com/api/webhooks/1/token"}),
        json!({"name": "a", "kind": "slack", "url": "https://hooks.slack.com/services/T/B/x"}),
        json!({"name": "a", "kind": "github", "github": {"owner": "ann", "repository": "site", "token": "t", "event_type": "due"}}),
        json!({"name": "a", "kind": "github", "github": {"owner": "ann", "repository": "site", "token": "t",
            "workflow": {"file": "build.yml", "ref": "main"}}}),
        json!({"name": "a", "kind": "ntfy", "ntfy": {"topic": "t"}}),
        json!({"name": "a", "kind": "webhook", "url": "https://example.com/{{ event.message_id }}?at={{ event.fired_at }}",
            "headers": {"x-a": "{{ payload.text | truncate(100) | urlencode }}"},
            "body": {"format": "own", "template": "{{ trigger.name }} {{ payload | tojson }}"}}),
    ]
    .map(definition)
    .into()
}

#[test]
fn a_plain_webhook_is_sent_what_a_triggers_own_is_sent() {
    let event = Event { message_id: message_id(), ..event("nightly", r#"{"key": 1e400}"#) };
    let rows = [
        ("webhook", "https://example.com/hook", Format::Json),
        ("discord", "https://discord.com/api/webhooks/1/token", Format::Discord),
        ("slack", "https://hooks.slack.com/services/T/B/x", Format::Slack),
    ];
    for (kind, url, format) in rows {
        let composed = request(&event, &definition(json!({"name": "a", "kind": kind, "url": url})));
        let webhook = Webhook::parse(url, Some(format)).expect("an address");
        let rendered = render(&event, &webhook, Trust::Guarded, &source(), at("2027-02-15T08:30:07.9Z"));
        assert_eq!(composed.body, rendered.body, "{kind}");
        assert_eq!(
            (composed.method, &composed.url, &composed.headers),
            (rendered.method, &rendered.url, &rendered.headers)
        );
        assert_eq!(composed.trust, Trust::Guarded);
        assert_eq!(
            (composed.timeout, rendered.timeout),
            (Some(Duration::from_secs(15)), Some(Duration::from_secs(15)))
        );
        let quick = request(&event, &definition(json!({"name": "a", "kind": kind, "url": url, "timeout": "5s"})));
        assert_eq!(quick.timeout, Some(Duration::from_secs(5)));
    }
}

#[test]
fn a_delivery_goes_by_its_own_id_and_its_event_by_the_events() {
    let event = event("nightly", "{}");
    assert_ne!(event.message_id, message_id());
    let request = request(&event, &each()[0]);
    assert_eq!(header(&request, "webhook-id"), Some(message_id().to_string().as_str()));
    assert_eq!(json_of(&request)["id"], event.message_id.to_string());
}

#[test]
fn a_binary_event_has_its_attributes_in_headers_and_its_data_as_body() {
    let event = event("nightly", r#"{"a": 1e400}"#);
    let webhook = json!({"name": "a", "kind": "webhook", "url": "https://example.com/", "method": "PATCH",
        "headers": {"X-Key": "secret"}, "body": {"format": "cloudevents-binary"}});
    let request = request(&event, &definition(webhook));
    assert_eq!(request.method, Method::Patch);
    assert_eq!(header(&request, "content-type"), Some("application/json"));
    assert_eq!(header(&request, "ce-specversion"), Some("1.0"));
    assert_eq!(header(&request, "ce-subject"), Some("nightly"));
    assert_eq!(header(&request, "x-key"), Some("secret"));
    let printed = format!("{request:?}");
    assert!(printed.contains("x-key") && !printed.contains("secret"), "{printed}");
    let body = String::from_utf8_lossy(&request.body);
    assert!(body.starts_with(r#"{"trigger":{"id":7,"#), "{body}");
    assert!(body.ends_with(r#""payload":{"a": 1e400}}"#), "numbers stay as they were written: {body}");
}

#[test]
fn a_receiver_that_knows_any_of_the_secrets_can_verify() {
    let event = event("nightly", "{}");
    let request = request(&event, &each()[0]);
    let received = Received {
        message_id: header(&request, "webhook-id").expect("an id"),
        timestamp: header(&request, "webhook-timestamp").expect("a time"),
        signatures: header(&request, "webhook-signature").expect("signatures"),
        body: &request.body,
    };
    for secret in [SigningSecret::symmetric([1; 32]), SigningSecret::asymmetric([2; 32])] {
        assert_eq!(verify(std::slice::from_ref(&secret), received, at("2027-02-15T08:30:08Z")), Ok(&secret));
    }
    assert!(verify(&[SigningSecret::symmetric([3; 32])], received, at("2027-02-15T08:30:08Z")).is_err());
    assert_eq!(header(&super::tests::request(&event, &each()[1]), "webhook-signature"), None);
}

#[test]
fn address_headers_and_body_are_filled_in_for_the_event() {
    let webhook = json!({"name": "Ops", "kind": "webhook", "url": "https://example.com/{{ payload.who }}?at={{ event.scheduled_at }}",
        "headers": {"X-Trigger": "{{ trigger.name | urlencode }}", "x-zone": "{{ event.fired_at | in_zone('Europe/Riga') }}"},
        "body": {"format": "own", "content_type": "text/plain", "template": "{{ delivery.destination }}: {{ payload.n }}, {{ source }}"}});
    let event = event("Zoë's", r#"{"who": "../a b", "n": 1e400}"#);
    let request = request(&event, &definition(webhook));
    assert_eq!(request.url.as_str(), "https://example.com/..%2Fa%20b?at=2027-02-15T08%3A30%3A00Z");
    assert_eq!(header(&request, "content-type"), Some("text/plain"));
    assert_eq!(header(&request, "x-trigger"), Some("Zo%C3%AB%27s"));
    assert!(header(&request, "x-zone").is_some_and(|value| value.contains("10:30:02")), "{request:?}");
    assert_eq!(String::from_utf8_lossy(&request.body), "Ops: 1e400, https://oncue.example/");
}

#[test]
fn a_template_that_does_not_fit_the_event_is_said_in_words() {
    let base = json!({"name": "Ops", "kind": "webhook", "url": "https://example.com/"});
    let rows = [
        ("url", json!("https://example.com/{{ payload.who }}"), "address"),
        ("headers", json!({"x-who": "{{ payload.who }}"}), "header x-who"),
        ("body", json!({"format": "own", "template": "{{ payload.who }}"}), "body"),
    ];
    for (name, value, what) in rows {
        let mut webhook = base.clone();
        webhook[name] = value;
        let refused = outgoing(&event("nightly", "{}"), &definition(webhook), "2027-02-15T08:30:00Z");
        assert!(refused.is_err_and(|failure| failure.0.contains(what) && failure.0.contains("payload.who")), "{what}");
    }
    let workflow = json!({"name": "a", "kind": "github", "github": {"owner": "ann", "repository": "site", "token": "t",
        "workflow": {"file": "build.yml", "ref": "main", "inputs": {"who": "{{ payload.who }}"}}}});
    assert!(outgoing(&event("nightly", "{}"), &definition(workflow.clone()), "2027-02-15T08:30:00Z").is_err());
    let named = request(&event("nightly", r#"{"who": "ann"}"#), &definition(workflow));
    assert_eq!(json_of(&named)["inputs"], json!({"who": "ann"}));
}

#[test]
fn a_payload_cannot_forge_a_header() {
    let webhook = json!({"name": "a", "kind": "webhook", "url": "https://example.com/", "headers": {"x-who": "{{ payload.who }}"}});
    let forged = event("nightly", r#"{"who": "ann\r\nwebhook-id: forged"}"#);
    assert!(outgoing(&forged, &definition(webhook), "2027-02-15T08:30:00Z").is_err());
}

#[test]
fn github_is_told_what_happened_in_the_repository() {
    let event = event("nightly", r#"{"a": 1}"#);
    let request = request(&event, &each()[4]);
    assert_eq!(request.url.as_str(), "https://api.github.com/repos/ann/site/dispatches");
    assert_eq!(header(&request, "authorization"), Some("Bearer t"));
    assert_eq!(header(&request, "accept"), Some("application/vnd.github+json"));
    assert_eq!(header(&request, "x-github-api-version"), Some("2022-11-28"));
    let body = json_of(&request);
    assert_eq!(body["event_type"], "due");
    assert_eq!(body["client_payload"]["id"], event.message_id.to_string());
    assert_eq!(body["client_payload"]["payload"], json!({"a": 1}));
    assert!(body["client_payload"].as_object().is_some_and(|payload| payload.len() <= 10));
}

#[test]
fn github_is_told_which_workflow_to_run_with_what() {
    let workflow = json!({"name": "a", "kind": "github", "github": {"api": "https://git.example/api/v3", "owner": "ann",
        "repository": "site", "token": "t", "workflow": {"file": "build.yml", "ref": "main", "inputs": {"colour": "red"}}}});
    let with_inputs = request(&event("nightly", "{}"), &definition(workflow));
    let url = "https://git.example/api/v3/repos/ann/site/actions/workflows/build.yml/dispatches";
    assert_eq!(with_inputs.url.as_str(), url);
    assert_eq!(json_of(&with_inputs), json!({"ref": "main", "inputs": {"colour": "red"}}));
    assert_eq!(json_of(&request(&event("nightly", "{}"), &each()[5])), json!({"ref": "main"}));
}

#[test]
fn what_github_would_refuse_for_its_length_is_refused_here_in_words() {
    let long = event("nightly", &payload(&"x".repeat(70_000)));
    let refused = outgoing(&long, &each()[4], "2027-02-15T08:30:00Z");
    assert!(refused.is_err_and(|failure| failure.0.contains("GitHub takes at most")));
    assert!(outgoing(&long, &each()[5], "2027-02-15T08:30:00Z").is_ok(), "a run is given inputs only");
}

#[test]
fn ntfy_shows_a_title_and_a_text() {
    let ntfy = json!({"name": "a", "kind": "ntfy", "headers": {"X-Icon": "i"}, "ntfy": {"server": "https://ntfy.example",
        "topic": "backups", "token": "tk_1", "priority": 4, "tags": ["warning"]}});
    let request = request(&event("nightly", r#"{"a": 1}"#), &definition(ntfy));
    assert_eq!(request.url.as_str(), "https://ntfy.example/");
    assert_eq!(header(&request, "authorization"), Some("Bearer tk_1"));
    assert_eq!(header(&request, "x-icon"), Some("i"));
    let expected = json!({
        "topic": "backups",
        "title": "⏰ nightly fired",
        "message": "Scheduled: 2027-02-15T08:30:00Z\nFired: 2027-02-15T08:30:02.5Z (2s late)\n\n{\"a\": 1}\n",
        "priority": 4,
        "tags": ["warning"],
    });
    assert_eq!(json_of(&request), expected);
}

#[test]
fn a_mail_has_a_subject_and_a_text() {
    let email = json!({"name": "a", "kind": "email", "timeout": "9s", "email": {"host": "smtp.example.com", "security": "starttls",
        "user": "ann", "password": "hunter2", "from": "oncue@example.com", "to": ["Ann <ann@example.com>", "bob@example.com"]}});
    let event = event("nightly\r\nBcc: eve@example.com", r#"{"a": 1}"#);
    let Ok(Outgoing::Mail(mail)) = outgoing(&event, &definition(email), "2027-02-15T08:30:07Z") else {
        panic!("it goes to a mail server")
    };
    assert_eq!((mail.server.host.to_string().as_str(), mail.server.port), ("smtp.example.com", 587));
    assert_eq!(mail.server.login.as_ref().map(|login| login.password.as_str()), Some("hunter2"));
    assert_eq!(mail.subject, "⏰ nightly  Bcc: eve@example.com fired");
    assert!(
        mail.text
            .starts_with("Scheduled: 2027-02-15T08:30:00Z\nFired: 2027-02-15T08:30:02.5Z (2s late)\n\n{\"a\": 1}\n")
    );
    assert!(mail.text.contains("https://oncue.example/ui/triggers/7"), "{}", mail.text);
    assert_eq!(mail.message_id, message_id().to_string());
    assert_eq!((mail.sender.to_string().as_str(), mail.sent_at), ("oncue.example", at("2027-02-15T08:30:07Z")));
    assert_eq!((mail.to.len(), mail.timeout), (2, Duration::from_secs(9)));
}

#[test]
fn an_inbox_is_handed_the_request_and_how_to_answer() {
    let inbox = json!({"name": "a", "kind": "inbox", "inbox": {"status": 503, "delay": "2s"}, "headers": {"x-a": "1"},
        "secrets": [{"secret": SigningSecret::symmetric([1; 32]).reveal()}]});
    let event = event("nightly", "{}");
    let Ok(Outgoing::Inbox(inbound)) = outgoing(&event, &definition(inbox), "2027-02-15T08:30:07Z") else {
        panic!("it goes to the inbox")
    };
    assert_eq!((inbound.status, inbound.delay, inbound.secrets.len()), (503, SignedDuration::from_secs(2), 1));
    assert_eq!(inbound.request.url.as_str(), INBOX_ADDRESS);
    assert!(header(&inbound.request, "webhook-signature").is_some_and(|signature| signature.starts_with("v1,")));
    assert_eq!(header(&inbound.request, "x-a"), Some("1"));
}

#[test]
fn attempts_differ_in_their_timestamp_and_signature_alone() {
    let event = event("nightly", r#"{"text": "a"}"#);
    for definition in each() {
        let attempt = |attempt_at: &str| match outgoing(&event, &definition, attempt_at) {
            Ok(Outgoing::Http(request)) => request,
            other => panic!("{other:?}"),
        };
        let (first, second) = (attempt("2027-02-15T08:30:07Z"), attempt("2027-02-15T09:30:07Z"));
        assert_eq!((&first.body, &first.url, first.method), (&second.body, &second.url, second.method));
        for (one, two) in first.headers.iter().zip(&second.headers) {
            let is_own = matches!(&*one.0, "webhook-timestamp" | "webhook-signature");
            assert_eq!(one.0, two.0);
            assert_eq!(one.1 == two.1, !is_own, "{}", one.0);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_a_trigger_is_called_and_carries_headers_and_limits_hold(name in text(), carried in text()) {
        let event = event(&name, &payload(&carried));
        for definition in each() {
            let request = request(&event, &definition);
            for (name, value) in &request.headers {
                prop_assert!(name.bytes().all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase()));
                prop_assert!(!value.contains(char::is_control), "{}: {}", name, value);
            }
            if let Kind::Ntfy(_) = definition.kind {
                let body = json_of(&request);
                let (title, message) = (body["title"].as_str().expect("a title"), body["message"].as_str().expect("a text"));
                prop_assert!(message.len() <= 4096 && units(title) <= 200);
                prop_assert!(!title.contains(['\n', '\r']));
            }
        }
    }
}

#[test]
fn ntfy_and_mail_say_what_their_owner_wants_them_to_say() {
    let event = event("nightly", r#"{"text": "Done\nin time"}"#);
    let ntfy = json!({"name": "a", "kind": "ntfy", "ntfy": {"topic": "t", "title": "{{ trigger.name }}!", "message": "{{ payload.text }}"}});
    let said = json_of(&request(&event, &definition(ntfy)));
    assert_eq!((&said["title"], &said["message"]), (&json!("nightly!"), &json!("Done\nin time")));
    let email = |subject: &str| {
        definition(json!({"name": "a", "kind": "email", "email": {"host": "smtp.example.com", "from": "a@example.com",
            "to": ["b@example.com"], "subject": subject, "text": "{{ payload.text }}"}}))
    };
    let Ok(Outgoing::Mail(mail)) = outgoing(&event, &email("{{ trigger.name }}!"), "2027-02-15T08:30:07Z") else {
        panic!("no mail");
    };
    assert_eq!((mail.subject.as_str(), mail.text.as_str()), ("nightly!", "Done\nin time"));
    let broken =
        outgoing(&event, &email("{{ payload.text }}"), "2027-02-15T08:30:07Z").expect_err("a line is one line");
    assert!(broken.0.contains("The template of the subject does not fit this event. Line 1"), "{}", broken.0);
}

#[test]
fn texts_of_ones_own_keep_to_what_a_phone_shows() {
    let event = event("nightly", "{}");
    let ntfy = json!({"name": "a", "kind": "ntfy", "ntfy": {"topic": "t", "title": "x".repeat(1000), "message": "y".repeat(9000)}});
    let said = json_of(&request(&event, &definition(ntfy)));
    assert_eq!(said["title"].as_str().map(units), Some(200));
    assert_eq!(said["message"].as_str().map(str::len), Some(4096));
}
