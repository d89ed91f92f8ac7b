use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::signature::SigningSecret;

const WHSEC: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn read(value: &Value) -> Result<Definition, Vec<Invalid>> {
    Definition::read(value, None)
}

fn good(value: Value) -> Definition {
    read(&value).unwrap_or_else(|wrong| panic!("{value}: {wrong:?}"))
}

/// The fields that are wrong.
fn wrong(value: &Value, former: Option<&Definition>) -> Vec<String> {
    let wrong = Definition::read(value, former).expect_err("something is wrong");
    for invalid in &wrong {
        assert!(invalid.message.ends_with('.') && invalid.message.len() < 400, "{invalid}");
        assert!(!invalid.to_string().contains(char::is_control), "{invalid}");
    }
    wrong.into_iter().map(|invalid| invalid.field).collect()
}

/// `base` with these settings put over it.
fn with(base: &Value, more: Value) -> Value {
    let mut whole = base.clone();
    let Value::Object(more) = more else { panic!("an object") };
    for (name, value) in more {
        whole[name] = value;
    }
    whole
}

fn webhook() -> Value {
    json!({"name": "Ops", "kind": "webhook", "url": "https://example.com/hook"})
}

fn github() -> Value {
    json!({"name": "CI", "kind": "github", "github": {
        "owner": "ann", "repository": "site.example", "token": "ghp_secret",
        "workflow": {"file": "build.yml", "ref": "main", "inputs": {"colour": "red"}},
    }})
}

fn ntfy() -> Value {
    json!({"name": "Phone", "kind": "ntfy", "headers": {"X-Extra": "topsecret"}, "ntfy": {
        "topic": "backups", "token": "tk_secret", "priority": 4, "tags": ["warning", "oncue"],
        "title": "{{ trigger.name }}", "message": "{{ payload | tojson }}",
    }})
}

fn email() -> Value {
    json!({"name": "Mail", "kind": "email", "email": {
        "host": "smtp.example.com", "user": "ann", "password": "hunter2", "from": "oncue@example.com",
        "to": ["Ann <ann@example.com>", "bob@example.com"], "subject": "{{ trigger.name }}", "text": "{{ payload | tojson }}",
    }})
}

/// One of each kind, with as much as it can have.
fn each() -> Vec<Value> {
    let paced = json!({
        "timeout": "5s", "rate": {"count": 5, "per": "1m", "burst": 2}, "parallelism": 1, "in_order": true,
        "retries": ["1s", "1m 30s"], "stop_on_4xx": true, "alert": {"destination": 7, "after": 3},
    });
    let full = json!({
        "method": "PUT", "headers": {"X-Api-Key": "topsecret"}, "body": {"format": "cloudevents-binary"},
        "secrets": [{"secret": WHSEC}, {"secret": SigningSecret::asymmetric([9; 32]).reveal()}],
    });
    let event = json!({"github": {"api": "https://git.example/api/v3", "owner": "a", "repository": "b", "token": "t", "event_type": "due"}});
    vec![
        webhook(),
        with(&with(&webhook(), full.clone()), paced.clone()),
        json!({"name": "Chat", "kind": "discord", "url": "https://discord.com/api/webhooks/1/token"}),
        with(&json!({"name": "Chat", "kind": "slack", "url": "https://hooks.slack.com/services/T/B/x"}), paced),
        with(
            &webhook(),
            json!({
                "url": "https://discord.com/api/webhooks/1/token?wait={{ event.is_test }}",
                "headers": {"x-when": "topsecret {{ event.fired_at }}"},
                "body": {"format": "own", "content_type": "text/plain; charset=utf-8", "template": "{{ payload.a | tojson }}\n"},
            }),
        ),
        github(),
        with(&github(), event),
        ntfy(),
        json!({"name": "Phone", "kind": "ntfy", "ntfy": {"topic": "t"}}),
        email(),
        json!({"name": "Mail", "kind": "email", "email": {"host": "::1", "port": 2525, "security": "starttls", "from": "a@b", "to": ["c@d"]}}),
        json!({"name": "Try", "kind": "inbox"}),
        with(&json!({"name": "Try", "kind": "inbox", "inbox": {"status": 503, "delay": "2s 500ms"}}), full),
    ]
}

#[test]
fn what_nobody_says_is_as_documented() {
    let definition = good(webhook());
    assert_eq!(definition.timeout, SignedDuration::from_secs(15));
    assert_eq!(definition.retries, Ladder::standard());
    assert_eq!((definition.rate, definition.parallelism, definition.alert), (None, None, None));
    assert!(!definition.in_order && !definition.stops_at_client_errors);
    let shown = json!({
        "name": "Ops", "kind": "webhook", "url": "https://example.com/hook", "method": "POST", "headers": {},
        "body": {"format": "cloudevents"}, "secrets": [], "timeout": "15s", "rate": null, "parallelism": null,
        "in_order": false, "retries": ["5s", "5m", "30m", "2h", "5h", "10h", "14h"], "stop_on_4xx": false, "alert": null,
    });
    assert_eq!(definition.shown(), shown);
}

#[test]
fn a_rate_counts_in_seconds_and_bursts_as_it_counts_where_nothing_else_is_said() {
    let rate = good(with(&webhook(), json!({"rate": {"count": 3}}))).rate;
    assert_eq!(rate, Some(Rate { count: 3, per: SignedDuration::from_secs(1), burst: 3 }));
    let slow = good(with(&webhook(), json!({"rate": {"count": 1, "per": "1h", "burst": 2}}))).rate;
    assert_eq!(slow, Some(Rate { count: 1, per: SignedDuration::from_hours(1), burst: 2 }));
}

#[test]
fn the_examples_of_the_documentation_can_be_read() {
    let page = include_str!("../../../../../docs/destinations.md");
    let examples: Vec<&str> = page.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let kinds = examples.iter().map(|example| {
        let value: Value = serde_json::from_str(example).unwrap_or_else(|error| panic!("{example}: {error}"));
        good(value).kind.word()
    });
    let mut kinds: Vec<&str> = kinds.collect();
    kinds.sort_unstable();
    kinds.dedup();
    for value in each() {
        let kind = good(value).kind;
        assert_eq!(kind.call().is_some(), Kind::CALLED.contains(&kind.word()));
    }
    let mut documented = Kind::WORDS.to_vec();
    documented.retain(|word| *word != "slack");
    documented.sort_unstable();
    assert_eq!(kinds, documented, "every kind has an example; Slack's is Discord's");
}

#[test]
fn what_a_store_keeps_comes_back_with_its_secrets() {
    for value in each() {
        let definition = good(value);
        assert_eq!(Definition::from_text(&definition.to_text()), Ok(definition));
    }
    for text in ["", "[]", "{}", "{\"name\": 1}"] {
        assert!(Definition::from_text(text).is_err(), "{text}");
    }
}

#[test]
fn what_was_allowed_once_can_be_read_for_ever_and_is_not_tried_again() {
    let laborious = "{% for a in [1, 2, 3] %}".repeat(15) + "x" + &"{% endfor %}".repeat(15);
    let templates = ["{{ source | gone }}", "{{ event.fired_at | in_zone(\"Gone/Away\") }}", laborious.as_str()];
    for template in templates {
        let kinds = [
            json!({"kind": "webhook", "url": "https://example.com/{{ source | gone }}", "headers": {"x-a": template, "via": "b"},
                "body": {"format": "own", "template": template}, "secrets": []}),
            json!({"kind": "webhook", "url": "https://discord.com/api/webhooks/1/x", "headers": {"host": template}}),
            json!({"kind": "github", "github": {"owner": "a", "repository": "b", "token": "c",
                "workflow": {"file": "d.yml", "ref": "main", "inputs": {"e": template}}}}),
        ];
        for mut value in kinds {
            value["name"] = json!("n");
            assert!(Definition::read(&value, None).is_err(), "{value} is refused today");
            let kept = Definition::from_text(&value.to_string()).expect("what was kept");
            assert_eq!(Definition::from_text(&kept.to_text()), Ok(kept), "{value}");
        }
    }
}

#[test]
fn what_is_shown_holds_no_secret_and_can_be_put_back_unchanged() {
    for value in each() {
        let definition = good(value);
        let shown = definition.shown();
        for text in [shown.to_string(), format!("{definition:?}")] {
            for secret in ["secret_", "topsecret", "tk_secret", "ghp_secret", "whsk_", &WHSEC[6..], "hunter2"] {
                assert!(!text.contains(secret), "{secret} in {text}");
            }
        }
        assert_eq!(Definition::read(&shown, Some(&definition)), Ok(definition));
    }
}

#[test]
fn a_secret_that_is_left_out_is_kept_and_an_empty_one_is_taken_away() {
    let former = good(ntfy());
    let mut edited = ntfy();
    edited["ntfy"]["token"].take();
    edited["headers"]["X-Extra"].take();
    edited["ntfy"]["topic"] = json!("others");
    let Ok(Definition { kind: Kind::Ntfy(read), .. }) = Definition::read(&edited, Some(&former)) else {
        panic!("it can be edited")
    };
    assert_eq!(read.token, Some(Secret::new("tk_secret")));
    assert_eq!(read.headers.get("x-extra").map(HeaderValue::expose), Some("topsecret"));
    edited["headers"].take();
    let kept = Definition::read(&edited, Some(&former)).map(|definition| definition.kind);
    assert_eq!(kept, Ok(Kind::Ntfy(read)), "left out as a whole, headers stay as they were");
    edited["ntfy"]["token"] = json!("");
    edited["headers"] = json!({});
    let Ok(Definition { kind: Kind::Ntfy(read), .. }) = Definition::read(&edited, Some(&former)) else {
        panic!("it can be edited")
    };
    assert_eq!((read.token, read.headers.len()), (None, 0));
}

#[test]
fn what_signs_goes_on_signing_where_a_webhook_becomes_an_inbox_or_an_inbox_a_webhook() {
    let inbox = json!({"name": "Ops", "kind": "inbox"});
    for (former, now) in [(webhook(), inbox.clone()), (inbox, webhook())] {
        let signing = good(with(&former, json!({"secrets": [{"secret": WHSEC}]})));
        let read = Definition::read(&now, Some(&signing)).expect("it can become that");
        assert_eq!(read.kind.call().map(|call| call.secrets.len()), Some(1), "{now}");
        let id = signing.kind.call().expect("it signs").secrets[0].id();
        assert!(Definition::read(&with(&now, json!({"secrets": [{"id": id}]})), Some(&signing)).is_ok());
    }
}

#[test]
fn headers_do_not_vanish_with_the_kind_without_a_word() {
    let bare = json!({"name": "Phone", "kind": "ntfy", "ntfy": {"topic": "backups"}});
    let inbox = json!({"name": "Ops", "kind": "inbox"});
    let keyed = |base: &Value| good(with(base, json!({"headers": {"x-key": "topsecret"}})));
    for (former, now) in [(webhook(), &inbox), (inbox.clone(), &bare), (bare.clone(), &webhook())] {
        assert_eq!(wrong(now, Some(&keyed(&former))), ["headers"], "{now}");
        let masked = with(now, json!({"headers": {"x-key": null}}));
        assert_eq!(wrong(&masked, Some(&keyed(&former))), ["headers.x-key"], "{now}");
        assert!(Definition::read(&with(now, json!({"headers": {}})), Some(&keyed(&former))).is_ok());
    }
}

#[test]
fn secrets_do_not_follow_a_destination_to_another_receiver() {
    let mut elsewhere = ntfy();
    elsewhere["ntfy"]["token"].take();
    elsewhere["ntfy"]["server"] = json!("https://evil.example");
    elsewhere["headers"]["X-Extra"].take();
    assert_eq!(wrong(&elsewhere, Some(&good(ntfy()))), ["ntfy.token", "headers.X-Extra"]);

    let keyed = with(&webhook(), json!({"headers": {"x-key": "topsecret"}}));
    let masked = json!({"headers": {"x-key": null}, "url": "https://EXAMPLE.com/hook?a=b"});
    for url in ["https://EXAMPLE.com/hook?a=b", "https://Example.com:443/hook?a={{ payload.b }}"] {
        let asked = with(&with(&keyed, masked.clone()), json!({"url": url}));
        assert!(Definition::read(&asked, Some(&good(keyed.clone()))).is_ok(), "only the query is another: {url}");
    }
    for url in [
        "https://example.org/hook",
        "http://example.com/hook",
        "https://example.com:8443/hook",
        "https://example.com/other",
        "https://example.com/hook/",
        "https://example.com/hook{{ payload.x }}",
        "https://example.com/{{ payload.x }}?a=b",
    ] {
        let moved = with(&with(&keyed, masked.clone()), json!({"url": url}));
        assert_eq!(wrong(&moved, Some(&good(keyed.clone()))), ["headers.x-key"], "{url}");
    }

    let filled = |path: &str| with(&keyed, json!({"url": format!("https://example.com/{path}")}));
    let of = good(filled("{{ payload.tenant }}/hook"));
    let to = |path: &str| Definition::read(&with(&filled(path), json!({"headers": {"x-key": null}})), Some(&of));
    assert!(to("{{ payload.tenant }}/hook").is_ok());
    assert!(to("{{ payload.other }}/hook").is_err() && to("{{ payload.tenant }}/hook?to=me").is_err());

    let moved = with(&webhook(), json!({"url": "https://example.org/hook"}));
    assert_eq!(wrong(&moved, Some(&good(keyed.clone()))), ["headers"], "left out as a whole");
    assert!(Definition::read(&with(&moved, json!({"headers": {}})), Some(&good(keyed))).is_ok());

    let mut moved = github();
    moved["github"]["token"].take();
    assert!(Definition::read(&moved, Some(&good(github()))).is_ok());
    moved["github"]["api"] = json!("https://evil.example");
    assert_eq!(wrong(&moved, Some(&good(github()))), ["github.token"]);

    let mut moved = email();
    moved["email"]["password"].take();
    assert!(Definition::read(&moved, Some(&good(email()))).is_ok());
    for (name, value) in [("host", json!("evil.example")), ("port", json!(2525))] {
        let mut moved = moved.clone();
        moved["email"][name] = value;
        assert_eq!(wrong(&moved, Some(&good(email()))), ["email.password"], "{name}");
    }
}

#[test]
fn signing_secrets_are_added_kept_and_dropped_by_their_ids() {
    let former = good(with(&webhook(), json!({"secrets": [{"secret": WHSEC}]})));
    let id = SigningSecret::parse(WHSEC).expect("a secret").id();
    let count = |secrets: Value| match Definition::read(&with(&webhook(), json!({"secrets": secrets})), Some(&former)) {
        Ok(Definition { kind: Kind::Webhook(webhook), .. }) => Ok(webhook.call.secrets.len()),
        Ok(other) => panic!("{other:?}"),
        Err(wrong) => Err(wrong.into_iter().map(|invalid| invalid.field).collect::<Vec<_>>()),
    };
    let another = SigningSecret::symmetric([5; 32]).reveal();
    assert_eq!(count(Value::Null), Ok(1));
    assert_eq!(count(json!([])), Ok(0));
    assert_eq!(count(json!([{"id": id}, {"secret": another}])), Ok(2));
    assert_eq!(count(json!([{"id": "00000000"}])), Err(vec!["secrets.0".to_owned()]));
    assert_eq!(count(json!([{"id": id}, {"secret": WHSEC}])), Err(vec!["secrets.1".to_owned()]));
    assert_eq!(count(json!([{"secret": "whsec_short"}, 5])), Err(vec!["secrets.0".to_owned(), "secrets.1".to_owned()]));
    assert_eq!(count(json!("whsec_")), Err(vec!["secrets".to_owned()]));
    let many: Vec<Value> = (0..9).map(|n| json!({"secret": SigningSecret::symmetric([n; 32]).reveal()})).collect();
    assert_eq!(count(json!(many)), Err(vec!["secrets".to_owned()]));
}

#[test]
fn everything_that_is_wrong_is_said_with_its_field() {
    let rows = [
        (json!({"name": ""}), "name"),
        (json!({"name": " "}), "name"),
        (json!({"name": "a\nb"}), "name"),
        (json!({"name": "x".repeat(201)}), "name"),
        (json!({"name": 5}), "name"),
        (json!({"kind": "carrier-pigeon"}), "kind"),
        (json!({"kind": null}), "kind"),
        (json!({"url": "ftp://example.com"}), "url"),
        (json!({"url": null}), "url"),
        (json!({"url": "https://discord.com/api/webhooks/1/token"}), "kind"),
        (json!({"url": "https://hooks.slack.com/services/T/B/x"}), "kind"),
        (json!({"method": "GET"}), "method"),
        (json!({"method": "post"}), "method"),
        (json!({"headers": ["a"]}), "headers"),
        (json!({"headers": {"": "a"}}), "headers."),
        (json!({"headers": {"a b": "a"}}), "headers.a b"),
        (json!({"headers": {"x": "a\r\nwebhook-id: forged"}}), "headers.x"),
        (json!({"headers": {"x": "a\u{0}"}}), "headers.x"),
        (json!({"headers": {"x": null}}), "headers.x"),
        (json!({"headers": {"x": 5}}), "headers.x"),
        (json!({"headers": {"x": "a".repeat(8193)}}), "headers.x"),
        (json!({"headers": {"Host": "a"}}), "headers.Host"),
        (json!({"headers": {"Content-Length": "5"}}), "headers.Content-Length"),
        (json!({"headers": {"webhook-signature": "a"}}), "headers.webhook-signature"),
        (json!({"headers": {"ce-id": "a"}}), "headers.ce-id"),
        (json!({"headers": {"X-A": "a", "x-a": "b"}}), "headers.x-a"),
        (json!({"body": "cloudevents"}), "body"),
        (json!({"body": {}}), "body.format"),
        (json!({"body": {"format": "xml"}}), "body.format"),
        (json!({"body": {"format": "xml", "template": "a"}}), "body.format"),
        (json!({"body": {"format": "cloudevents", "template": "a"}}), "body.template"),
        (json!({"body": {"format": "own"}}), "body.template"),
        (json!({"body": {"format": "own", "template": "{{ trigger.nmae }}"}}), "body.template"),
        (json!({"body": {"format": "own", "template": "{% if"}}), "body.template"),
        (json!({"body": {"format": "own", "template": "a", "content_type": "json"}}), "body.content_type"),
        (json!({"body": {"format": "own", "template": "a", "content_type": "a/b\r\nx: y"}}), "body.content_type"),
        (json!({"url": "https://{{ payload.host }}/"}), "url"),
        (json!({"url": "https://example.com/{{ trigger.nmae }}"}), "url"),
        (json!({"headers": {"x": "{{ trigger.nmae }}"}}), "headers.x"),
        (json!({"headers": {"x": "{{ payload.x }}\r\nhost: evil"}}), "headers.x"),
        (json!({"timeout": "999ms"}), "timeout"),
        (json!({"timeout": "31s"}), "timeout"),
        (json!({"timeout": 15}), "timeout"),
        (json!({"timeout": "-5s"}), "timeout"),
        (json!({"rate": {}}), "rate.count"),
        (json!({"rate": {"count": 0}}), "rate.count"),
        (json!({"rate": {"count": 1.5}}), "rate.count"),
        (json!({"rate": {"count": 1, "per": "25h"}}), "rate.per"),
        (json!({"rate": {"count": 1, "burst": 0}}), "rate.burst"),
        (json!({"rate": 5}), "rate"),
        (json!({"parallelism": 0}), "parallelism"),
        (json!({"parallelism": 65}), "parallelism"),
        (json!({"parallelism": 2, "in_order": true}), "parallelism"),
        (json!({"in_order": "yes"}), "in_order"),
        (json!({"retries": "5s"}), "retries"),
        (json!({"retries": ["5s", "0s"]}), "retries"),
        (json!({"retries": ["24h", "24h"]}), "retries"),
        (json!({"retries": vec!["1s"; 21]}), "retries"),
        (json!({"stop_on_4xx": 1}), "stop_on_4xx"),
        (json!({"alert": {"after": 3}}), "alert.destination"),
        (json!({"alert": {"destination": -1}}), "alert.destination"),
        (json!({"alert": {"destination": 7, "after": 0}}), "alert.after"),
        (json!({"alert": 7}), "alert"),
        (json!({"webhook_url": "https://example.com"}), "webhook_url"),
        (json!({"github": {}}), "github"),
    ];
    for (more, field) in rows {
        let value = with(&webhook(), more);
        assert_eq!(wrong(&value, None), [field], "{value}");
    }
    assert_eq!(wrong(&json!([]), None), [""]);
    assert_eq!(wrong(&json!({"kind": "webhook", "timeout": 1}), None), ["name", "url", "timeout"]);
}

#[test]
fn what_a_kind_asks_for_is_checked() {
    let rows = [
        (github(), json!({"owner": "a/b"}), "github.owner"),
        (github(), json!({"owner": ""}), "github.owner"),
        (github(), json!({"repository": ".."}), "github.repository"),
        (github(), json!({"token": ""}), "github.token"),
        (github(), json!({"token": "a\r\nb"}), "github.token"),
        (github(), json!({"api": "https://api.github.com/?a=b"}), "github.api"),
        (github(), json!({"event_type": "due"}), "github.event_type"),
        (github(), json!({"workflow": null}), "github.workflow"),
        (github(), json!({"workflow": null, "event_type": "x".repeat(101)}), "github.event_type"),
        (github(), json!({"workflow": {"file": "../x", "ref": "main"}}), "github.workflow.file"),
        (github(), json!({"workflow": {"file": "x.yml"}}), "github.workflow.ref"),
        (
            github(),
            json!({"workflow": {"file": "x.yml", "ref": "main", "inputs": {"a": 5}}}),
            "github.workflow.inputs.a",
        ),
        (github(), json!({"colour": "red"}), "github.colour"),
        (
            github(),
            json!({"workflow": {"file": "x.yml", "ref": "main", "inputs": {"a": "{{ b }}"}}}),
            "github.workflow.inputs.a",
        ),
        (ntfy(), json!({"topic": "a/b"}), "ntfy.topic"),
        (ntfy(), json!({"topic": "x".repeat(65)}), "ntfy.topic"),
        (ntfy(), json!({"server": "https://ntfy.sh/backups"}), "ntfy.server"),
        (ntfy(), json!({"priority": 6}), "ntfy.priority"),
        (ntfy(), json!({"tags": ["a,b"]}), "ntfy.tags"),
        (ntfy(), json!({"tags": vec!["a"; 11]}), "ntfy.tags"),
        (email(), json!({"host": "smtp.example.com:465"}), "email.host"),
        (email(), json!({"port": 70_000}), "email.port"),
        (email(), json!({"security": "none"}), "email.security"),
        (email(), json!({"user": null}), "email.password"),
        (email(), json!({"password": null}), "email.password"),
        (email(), json!({"password": "a\r\nb"}), "email.password"),
        (email(), json!({"user": "a\nb"}), "email.user"),
        (email(), json!({"from": "oncue"}), "email.from"),
        (email(), json!({"to": []}), "email.to"),
        (email(), json!({"to": ["a@b", "c"]}), "email.to"),
        (email(), json!({"to": vec!["a@b"; 21]}), "email.to"),
        (email(), json!({"to": "a@b"}), "email.to"),
        (json!({"name": "I", "kind": "inbox", "inbox": {}}), json!({"status": 199}), "inbox.status"),
        (json!({"name": "I", "kind": "inbox", "inbox": {}}), json!({"delay": "31s"}), "inbox.delay"),
    ];
    for (mut value, more, field) in rows {
        let kind = value["kind"].as_str().expect("a kind").to_owned();
        value[&kind] = with(&value[&kind], more);
        assert_eq!(wrong(&value, None), [field], "{value}");
    }
    let inputs: Value = (0..26).map(|n| (n.to_string(), json!("x"))).collect::<Map<_, _>>().into();
    let mut crowded = github();
    crowded["github"]["workflow"]["inputs"] = inputs;
    assert_eq!(wrong(&crowded, None), ["github.workflow.inputs"]);
    assert_eq!(wrong(&json!({"name": "N", "kind": "ntfy"}), None), ["ntfy"]);
    let twice = with(&ntfy(), json!({"headers": {"Authorization": "Basic x"}}));
    assert_eq!(wrong(&twice, None), ["headers.authorization"]);
    let texts = json!({"topic": "t", "title": "two\nlines", "message": "{{ trigger.nam }}"});
    assert_eq!(wrong(&json!({"name": "N", "kind": "ntfy", "ntfy": texts}), None), ["ntfy.title", "ntfy.message"]);
}

#[test]
fn a_schedule_is_looked_up_only_for_those_who_ask() {
    let asking = [
        with(&webhook(), json!({"url": "https://example.com/{{ occurrence.next_at }}"})),
        with(&webhook(), json!({"headers": {"x": "{{ occurrence.next_at }}"}})),
        with(&webhook(), json!({"body": {"format": "own", "template": "{{ occurrence.next_at }}"}})),
        json!({"name": "I", "kind": "inbox", "headers": {"x": "{{ occurrence.next_at }}"}}),
        json!({"name": "N", "kind": "ntfy", "ntfy": {"topic": "t"}, "headers": {"x": "{{ occurrence.next_at }}"}}),
        json!({"name": "G", "kind": "github", "github": {"owner": "a", "repository": "b", "token": "t",
            "workflow": {"file": "x.yml", "ref": "main", "inputs": {"at": "{{ occurrence.next_at }}"}}}}),
        json!({"name": "N", "kind": "ntfy", "ntfy": {"topic": "t", "message": "{{ occurrence.next_at }}"}}),
        json!({"name": "M", "kind": "email", "email": {"host": "smtp.example.com", "from": "a@b.example", "to": ["c@d.example"],
            "subject": "{{ occurrence.next_at }}"}}),
    ];
    assert!(asking.into_iter().all(|value| good(value).asks_for_occurrence()));
    assert!(!each().into_iter().any(|value| good(value).asks_for_occurrence()));
}

#[test]
fn only_templates_that_may_do_much_are_laborious() {
    let (small, large) = (Payload::empty(), Payload::parse(&format!("\"{}\"", "x".repeat(20_000))).expect("JSON"));
    let plain = good(with(&webhook(), json!({"headers": {"x": "y"}})));
    let light = good(with(&webhook(), json!({"body": {"format": "own", "template": "{{ payload }}"}})));
    let looping = "{% for a in payload %}{{ a }}{% endfor %}";
    let heavy = good(with(&webhook(), json!({"body": {"format": "own", "template": looping}})));
    assert!(!plain.is_laborious(&large) && !light.is_laborious(&small));
    assert!(light.is_laborious(&large) && heavy.is_laborious(&small));
}

#[test]
fn all_settings_together_are_bounded() {
    let template = "x".repeat(60 * 1024);
    let header = "x".repeat(8 * 1024);
    let headers: Value = (0..32).map(|n| (format!("x-{n}"), json!(header))).collect::<Map<_, _>>().into();
    let large = json!({"body": {"format": "own", "template": template}, "headers": headers});
    assert_eq!(wrong(&with(&webhook(), large), None), [""]);
}

#[test]
fn unknown_settings_are_named_but_not_without_end() {
    let mut value = webhook();
    for n in 0..50 {
        value[format!("setting {n}\u{7}{}", "x".repeat(200))] = json!(n);
    }
    let wrong = wrong(&value, None);
    assert_eq!(wrong.len(), 10);
    assert!(wrong.iter().all(|field| field.chars().count() <= 64), "{wrong:?}");
}

fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[0-9]{1,20} ?(s|m|h|d|ms)".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-z_]{1,8}", inner, 0..4)
                .prop_map(|object| Value::Object(object.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn whatever_is_sent_nothing_panics_and_what_is_read_comes_back(
        base in proptest::sample::select(each()),
        fields in proptest::collection::vec((proptest::sample::select(vec![
            "name", "kind", "url", "method", "headers", "body", "secrets", "timeout", "rate", "parallelism", "in_order", "retries",
            "stop_on_4xx", "alert", "github", "ntfy", "email", "inbox", "other",
        ]), anything()), 0..3),
    ) {
        let former = good(base.clone());
        let mut value = base;
        for (name, put) in fields {
            value[name] = put;
        }
        match Definition::read(&value, Some(&former)) {
            Ok(definition) => {
                prop_assert_eq!(Definition::from_text(&definition.to_text()), Ok(definition.clone()));
                prop_assert_eq!(Definition::read(&definition.shown(), Some(&definition)), Ok(definition));
            }
            Err(wrong) => prop_assert!(!wrong.is_empty()),
        }
    }
}
