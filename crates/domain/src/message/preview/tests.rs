use serde_json::{Value, json};

use super::*;
use crate::id::Ids;
use crate::message::tests::{at, event, source};
use crate::schedule::Schedule;
use crate::schedule::jitter::{Jitter, Share};
use crate::trigger::{Definition as TriggerDefinition, Terms};

const NOW: &str = "2027-02-15T08:30:07Z";

fn seen(sample: &Sample, destination: Value) -> Result<Preview, Unfit> {
    let destination = Definition::read(&destination, None).unwrap_or_else(|wrong| panic!("{destination}: {wrong:?}"));
    preview(sample, destination, &source(), &Zones::bundled(), at(NOW), [7; 32])
}

fn sample(payload: &str) -> Sample {
    Sample { event: event("nightly", payload), schedule: None }
}

fn own(template: &str) -> Value {
    json!({"name": "a", "kind": "webhook", "url": "https://example.com/hook",
        "body": {"format": "own", "template": template}})
}

fn header<'a>(preview: &'a Preview, name: &str) -> Option<Option<&'a str>> {
    let Preview::Request { headers, .. } = preview else { panic!("{preview:?} is no request") };
    headers.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_deref())
}

#[test]
fn a_request_is_shown_as_it_would_go_out_but_for_what_is_secret() {
    let secret = SigningSecret::symmetric([1; 32]);
    let mut webhook = own(r#"{"n": {{ payload.n }}}"#);
    webhook["url"] = json!("https://example.com/{{ payload.n }}?of={{ trigger.name }}");
    webhook["method"] = json!("PUT");
    webhook["headers"] = json!({"X-Key": "hush"});
    webhook["secrets"] = json!([{"secret": secret.reveal()}]);
    let seen = seen(&sample(r#"{"n": 1e400}"#), webhook).expect("it fits");
    let Preview::Request { method, url, body, json, .. } = &seen else { panic!("{seen:?}") };
    assert_eq!((*method, url.as_str()), (Method::Put, "https://example.com/1e400?of=nightly"));
    assert_eq!((body.as_slice(), json), (br#"{"n": 1e400}"#.as_slice(), &Some(Ok(()))));
    assert_eq!(header(&seen, "x-key"), Some(None));
    assert_eq!(header(&seen, "content-type"), Some(Some("application/json")));
    assert!(!format!("{seen:?}").contains("hush"), "{seen:?}");
}

#[test]
fn nobody_gets_a_signature_by_asking_to_see_one() {
    let secrets = [SigningSecret::symmetric([1; 32]), SigningSecret::asymmetric([2; 32])];
    let mut webhook = own("x");
    webhook["secrets"] = secrets.iter().map(|secret| json!({"secret": secret.reveal()})).collect();
    let sample = sample("{}");
    let seen = seen(&sample, webhook).expect("it fits");
    let signatures = header(&seen, "webhook-signature").flatten().expect("an example");
    let schemes: Vec<&str> = signatures.split(' ').map(|one| one.split(',').next().unwrap_or_default()).collect();
    assert_eq!(schemes, ["v1", "v1a"], "it looks like the real one");
    let message_id = sample.event.message_id.to_string();
    let real = crate::signature::sign(&secrets, &message_id, at(NOW), b"x");
    for signature in real.split(' ') {
        assert!(!signatures.contains(signature), "{signatures}");
    }
}

#[test]
fn nobody_gets_the_right_to_report_by_asking_to_see_a_request() {
    let mut sample = sample("{}");
    sample.event.has_run = true;
    let real = source().report_url(&sample.event).expect("a report is expected");
    let (said, code) = real.rsplit_once('.').expect("a code");
    let templated = own("{{ event.report_url | replace('.', ' ') }} {{ event.report_url | upper }}");
    for destination in [
        templated,
        json!({"name": "a", "kind": "webhook", "url": "https://example.com/"}),
        json!({"name": "a", "kind": "inbox"}),
    ] {
        let seen = seen(&sample, destination).expect("it fits");
        let address = header(&seen, "oncue-report").flatten().expect("it looks like the real one");
        assert!(address.starts_with(said) && address.len() == real.len(), "{address}");
        let Preview::Request { body, .. } = &seen else { panic!("{seen:?}") };
        let shown = format!("{address} {}", String::from_utf8_lossy(body));
        for secret in [code, &code.to_uppercase()] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}

#[test]
fn tokens_are_no_part_of_what_is_shown() {
    let kinds = [
        json!({"name": "a", "kind": "github", "github": {"owner": "ann", "repository": "site", "token": "hush", "event_type": "due"}}),
        json!({"name": "a", "kind": "ntfy", "ntfy": {"topic": "t", "token": "hush"}, "headers": {"x-a": "hush"}}),
        json!({"name": "a", "kind": "email", "email": {"host": "smtp.example.com", "user": "ann", "password": "hush",
            "from": "a@example.com", "to": ["Ann <ann@example.com>"]}}),
        json!({"name": "a", "kind": "inbox", "headers": {"authorization": "hush"}}),
    ];
    for destination in kinds {
        let seen = seen(&sample("{}"), destination.clone()).expect("it fits");
        assert!(!format!("{seen:?}").contains("hush"), "{destination}: {seen:?}");
        if destination["kind"] != "email" {
            assert!(header(&seen, "authorization") == Some(None), "{destination}: {seen:?}");
        }
    }
}

#[test]
fn a_mail_is_shown_by_what_its_readers_see() {
    let email = json!({"name": "a", "kind": "email", "email": {"host": "smtp.example.com",
        "from": "oncue@example.com", "to": ["Ann <ann@example.com>"]}});
    let seen = seen(&sample(r#"{"a": 1}"#), email).expect("it fits");
    let Preview::Mail { from, to, subject, text } = seen else { panic!("{seen:?}") };
    assert_eq!((from.as_str(), to), ("oncue@example.com", vec!["Ann <ann@example.com>".to_owned()]));
    assert_eq!(subject, "⏰ nightly fired");
    assert!(text.contains(r#"{"a": 1}"#), "{text}");
}

#[test]
fn what_does_not_fit_is_found_in_its_field_at_its_line_and_column() {
    let place = |destination: Value| {
        let unfit = seen(&sample("{}"), destination).expect_err("the payload is empty");
        let fault = unfit.fault.expect("a template is at fault");
        (unfit.field, fault.line, fault.column, fault.message)
    };
    let (field, line, column, message) = place(own("{\n  \"a\": {{ payload.site }}}"));
    assert_eq!((field.as_str(), line, column), ("body.template", 2, 11));
    assert!(message.contains("payload.site"), "{message}");
    let mut webhook = own("x");
    webhook["headers"] = json!({"x-site": "{{ payload.site }}"});
    assert_eq!(place(webhook).0, "headers.x-site");
    let mut webhook = own("x");
    webhook["url"] = json!("https://example.com/{{ payload.site }}");
    assert_eq!(place(webhook).0, "url");
    let github = json!({"name": "a", "kind": "github", "github": {"owner": "ann", "repository": "site", "token": "t",
        "workflow": {"file": "build.yml", "ref": "main", "inputs": {"stage": "{{ payload.site }}"}}}});
    assert_eq!(place(github).0, "github.workflow.inputs.stage");
}

#[test]
fn what_its_receiver_would_not_take_is_said_without_a_place() {
    let github = json!({"name": "a", "kind": "github", "github": {"owner": "ann", "repository": "site", "token": "t", "event_type": "due"}});
    let unfit = seen(&sample(&format!("\"{}\"", "x".repeat(70_000))), github).expect_err("too long");
    assert_eq!((unfit.field.as_str(), &unfit.fault), ("", &None));
    assert!(unfit.words.contains("GitHub takes at most"), "{}", unfit.words);
}

#[test]
fn a_body_is_held_to_what_its_type_says() {
    let json_of = |content_type: &str, template: &str| {
        let mut webhook = own(template);
        webhook["body"]["content_type"] = json!(content_type);
        match seen(&sample("{}"), webhook).expect("it fits") {
            Preview::Request { json, .. } => json,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(json_of("application/json", "{\"a\": [1]}"), Some(Ok(())));
    assert_eq!(json_of("application/vnd.x+json; charset=utf-8", " null "), Some(Ok(())));
    assert_eq!(json_of("text/plain", "{"), None);
    let wrong = json_of("application/json", "{\"a\": {{ trigger.name }}}").expect("it says JSON");
    assert!(wrong.expect_err("no quotes").contains("line 1 column"), "where it breaks off");
}

#[test]
fn a_sample_of_a_trigger_stands_at_its_next_occurrence() {
    let ids = Ids::from_seed([1; 32]);
    let due = at("2027-02-16T08:30:00Z");
    let schedule = |at| Some(ScheduleDetails::plain(Schedule::Once { at }, None));
    let definition = TriggerDefinition {
        name: Some("nightly".to_owned()),
        schedule: schedule(due),
        payload: Some(Payload::parse("[1]").expect("JSON")),
        payload_schema: None,
        webhook: None,
        destinations: Vec::new(),
        expects: None,
        overlap: crate::overlap::Overlap::Allow,
        is_test: false,
        enabled: false,
        pause: None,
        expires_at: None,
    };
    let trigger = |definition| Trigger {
        id: TriggerId(7),
        owner: UserId(1),
        revision: 3,
        definition,
        created_at: at(NOW),
        standing_since: at(NOW),
    };
    let sampled = |definition| Sample::of_trigger(&trigger(definition), ids.message(at(NOW)), at(NOW)).event;
    let event = sampled(definition.clone());
    assert_eq!((event.origin, event.scheduled_at, event.fired_at), (Origin::Schedule, Some(due), due), "paused or not");
    assert_eq!((event.name.as_str(), event.payload.as_str()), ("nightly", "[1]"));
    let event = sampled(TriggerDefinition { schedule: schedule(at("2020-01-01T00:00:00Z")), ..definition.clone() });
    assert_eq!((event.origin, event.scheduled_at, event.fired_at), (Origin::Test, None, at(NOW)), "it is over");
    let terms = Terms { jitter: Some(Jitter::parse("1h").expect("a window")), ..Terms::default() };
    let spread = |named| {
        let details = ScheduleDetails::new(Schedule::Once { at: at(named) }, None, terms.clone(), Zones::utc());
        TriggerDefinition { schedule: Some(details.with_share(Some(Share::new(1 << 31)))), ..definition.clone() }
    };
    let named = "2027-02-15T08:15:00Z";
    let pending = Trigger { standing_since: at("2027-02-15T08:00:00Z"), ..trigger(spread(named)) };
    let event = Sample::of_trigger(&pending, ids.message(at(NOW)), at(NOW)).event;
    let due = at("2027-02-15T08:45:00Z");
    assert_eq!((event.scheduled_at, event.due_at, event.fired_at), (Some(at(named)), Some(due), due), "it is to come");
    assert_eq!(sampled(spread(named)).scheduled_at, None, "it was named before the trigger said so");
    let event = sampled(TriggerDefinition { schedule: None, name: None, payload: None, ..definition });
    assert_eq!((event.origin, event.name.as_str(), event.payload.as_str()), (Origin::Api, "", "{}"));
}
