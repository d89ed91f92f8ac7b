//! What is promised of templates as a whole. Here stand names, values and what can be done with them.

use jiff::Timestamp;

use super::*;
use crate::event::{Event, Origin};
use crate::id::{EventId, MessageId, TriggerId, UserId};
use crate::payload::Payload;
use crate::schedule::zone::Zones;
use crate::trigger::Kind;

mod addresses;
mod bounds;
mod properties;

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn event(payload: &str) -> Event {
    Event {
        id: EventId(77),
        owner: UserId(1),
        trigger: TriggerId(5),
        revision: 1,
        name: "Nightly \"backup\"".to_owned(),
        kind: Kind::Scheduled,
        origin: Origin::Schedule,
        scheduled_at: Some(at("2027-01-31T08:00:00Z")),
        due_at: None,
        fired_at: at("2027-01-31T08:00:01.5Z"),
        message_id: MessageId(uuid::Uuid::nil()),
        payload: Payload::parse(payload).expect("JSON"),
        parent: None,
        has_run: false,
    }
}

/// Renders with the event of that payload, which a schedule made.
fn with<T>(payload: &str, render: impl FnOnce(&Context<'_>) -> T) -> T {
    with_event(event(payload), render)
}

fn with_event<T>(event: Event, render: impl FnOnce(&Context<'_>) -> T) -> T {
    let zones = Zones::bundled();
    let occurrence = Occurrence {
        at: event.scheduled_at,
        previous_at: None,
        next_at: Some(at("2027-02-01T08:00:00Z")),
        timezone: Some("Europe/Riga"),
    };
    render(&Context {
        event: &event,
        occurrence,
        message_id: event.message_id,
        destination: "Pager",
        source: "https://oncue.example",
        report_url: None,
        zones: &zones,
        shared: &Shared::default(),
    })
}

fn rendered(text: &str, payload: &str) -> Result<String, String> {
    let template = Template::parse(text, Place::Body).map_err(|invalid| format!("at save: {invalid}"))?;
    with(payload, |context| template.render(context)).map_err(|fault| fault.to_string())
}

fn refused(text: &str, place: Place) -> String {
    Template::parse(text, place).expect_err("refused").message
}

#[test]
fn every_name_that_is_promised_can_be_written() {
    let text = "{{ trigger.id }}|{{ trigger.name }}|{{ trigger.type }}|{{ event.id }}|{{ event.message_id }}|{{ event.origin }}|\
                {{ event.fired_at }}|{{ event.scheduled_at }}|{{ event.due_at }}|{{ event.lateness_ms }}|{{ event.is_test }}|{{ occurrence.at }}|\
                {{ occurrence.previous_at }}|{{ occurrence.next_at }}|{{ occurrence.timezone }}|{{ payload }}|\
                {{ delivery.message_id }}|{{ delivery.destination }}|{{ source }}";
    assert_eq!(
        rendered(text, r#"{"a": 1.50}"#).expect("rendered"),
        "5|Nightly \"backup\"|scheduled|77|evt_00000000000000000000000000000000|schedule|\
         2027-01-31T08:00:01.5Z|2027-01-31T08:00:00Z|2027-01-31T08:00:00Z|1500|false|2027-01-31T08:00:00Z|\
         null|2027-02-01T08:00:00Z|Europe/Riga|{\"a\": 1.50}|\
         evt_00000000000000000000000000000000|Pager|https://oncue.example"
    );
}

#[test]
fn what_is_spread_names_when_it_was_due() {
    let text = "{{ event.scheduled_at }} {{ event.due_at }} {{ event.lateness_ms }}";
    let template = Template::parse(text, Place::Body).expect("a template");
    let told = |event| with_event(event, |context| template.render(context)).expect("rendered");
    let spread = Event { due_at: Some(at("2027-01-31T08:00:01.25Z")), ..event("{}") };
    assert_eq!(told(spread), "2027-01-31T08:00:00Z 2027-01-31T08:00:01.25Z 250");
    assert_eq!(told(Event { scheduled_at: None, ..event("{}") }), "null null null");
}

#[test]
fn a_text_is_written_as_it_is_and_anything_else_as_json() {
    let payload = r#"{"s": "a\"b", "n": 1.50, "big": 12345678901234567890123456789012345678901234567890, "huge": 1e400,
                      "t": true, "z": null, "list": [1, "x"], "deep": {"a": {"b": [10, 20]}}}"#;
    let cases = [
        ("{{ payload.s }}", "a\"b"),
        ("{{ payload.s | tojson }}", "\"a\\\"b\""),
        ("{{ payload.n }} {{ payload.n > 1.4 }} {{ payload.n * 2 }}", "1.50 true 3.0"),
        ("{{ payload.big }}", "12345678901234567890123456789012345678901234567890"),
        ("{{ payload.huge }} {{ payload.huge > 5 }}", "1e400 true"),
        ("{{ payload.t }} {{ payload.z }} {{ payload.list }}", "true null [1, \"x\"]"),
        ("{{ payload.deep.a.b[1] }} {{ payload[\"deep\"].a[\"b\"][-1] }}", "20 20"),
        (
            "{{ {\"text\": trigger.name, \"n\": payload.n, \"all\": [payload.list]} | tojson }}",
            "{\"text\":\"Nightly \\\"backup\\\"\",\"n\":1.50,\"all\":[[1, \"x\"]]}",
        ),
        ("{{ trigger | tojson }}", "{\"id\":5,\"name\":\"Nightly \\\"backup\\\"\",\"type\":\"scheduled\"}"),
        ("line\n", "line\n"),
    ];
    for (text, expected) in cases {
        assert_eq!(rendered(text, payload).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn conditions_loops_and_names_of_ones_own_work() {
    let payload = r#"{"items": [{"k": "a"}, {"k": "b"}], "o": {"x": 1, "y": 2}, "tags": ["red"]}"#;
    let cases = [
        (
            "{% for i in payload.items %}{{ loop.index }}/{{ loop.length }}:{{ i.k }}{% if not loop.last %}, {% endif %}{% endfor %}",
            "1/2:a, 2/2:b",
        ),
        ("{% for key, value in payload.o | items %}{{ key }}={{ value }};{% endfor %}", "x=1;y=2;"),
        ("{% for key in payload.o %}{{ key }}{% endfor %}", "xy"),
        ("{% for i in payload.none %}x{% else %}none{% endfor %}", "none"),
        ("{% if \"red\" in payload.tags and payload.o.x == 1 %}yes{% elif true %}no{% endif %}", "yes"),
        ("{% set n = payload.o.x + payload.o.y %}{{ n }}{{ \" \" ~ n }}", "3 3"),
        ("{{ \"late\" if event.lateness_ms > 1000 else \"in time\" }}", "late"),
        (
            "{{ (event.lateness_ms | default(0)) / 1000 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 2 ** 10 }}",
            "1.5 3 -4 2 1024",
        ),
        ("{{ 1 < 2 < 3 }} {{ 1 == 1.0 }} {{ \"a\" < \"b\" }}", "true true true"),
        ("{# a remark #}{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
    ];
    for (text, expected) in cases {
        assert_eq!(rendered(text, payload).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn filters_do_what_their_names_say() {
    let payload = r#"{"s": " Über uns ", "list": [1, "b", null], "n": 2.345, "o": {"x": 1}, "empty": []}"#;
    let cases = [
        ("{{ payload.s | trim | upper }}|{{ payload.s | lower }}", "ÜBER UNS| über uns "),
        (
            "{{ payload.s | trim | truncate(5) }}|{{ payload.s | trim | truncate(8) }}|{{ payload.s | truncate(0) }}",
            "Über…|Über uns|",
        ),
        ("{{ payload.s | trim | replace(\"uns\", \"alle\") }}", "Über alle"),
        ("{{ payload.s | trim | urlencode }}", "%C3%9Cber%20uns"),
        ("{{ payload.list | join(\", \") }}|{{ payload.list | length }}|{{ payload.list | first }}", "1, b, null|3|1"),
        ("{{ payload.o | keys | join }}|{{ payload.empty | first | default(\"-\") }}", "x|-"),
        ("{{ payload.n | round(2) }}|{{ payload.n | round }}|{{ 3 | round(2) }}", "2.35|2|3"),
        ("{{ payload.gone | default(\"-\") }}|{{ payload.gone.deeper | default(payload.s | trim) }}", "-|Über uns"),
        ("{{ occurrence.previous_at | default(\"never\") }}", "never"),
        ("{{ occurrence.at | in_zone(\"Europe/Riga\") }}", "2027-01-31T10:00:00+02:00"),
        (
            "{{ event.fired_at | in_zone(occurrence.timezone | default(\"UTC\"), \"%d.%m.%Y %H:%M\") }}",
            "31.01.2027 10:00",
        ),
        (
            "{{ payload.gone is defined }} {{ payload.n is number }} {{ payload.list is list }} {{ payload.o is object }}",
            "false true true true",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(rendered(text, payload).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn a_missing_field_counts_as_nothing_where_it_is_asked_about_and_stops_where_it_is_written() {
    for (text, expected) in [
        ("{% if payload.error %}bad{% else %}good{% endif %}", "good"),
        ("{% if payload.user.name == \"x\" or payload.n > 3 %}yes{% endif %}", ""),
        ("{% if \"x\" in payload.list %}yes{% endif %}", ""),
    ] {
        assert_eq!(rendered(text, "{}").as_deref(), Ok(expected), "{text}");
    }
    for text in [
        "{{ payload.user.name }}",
        "{{ payload.user.name | upper }}",
        "{{ [payload.user.name] }}",
        "{{ payload.user.name ~ 1 }}",
    ] {
        let fault = rendered(&format!("\nname: {text}"), "{}").expect_err("missing");
        assert!(fault.starts_with("Line 2, column "), "{fault}");
        assert!(
            fault.ends_with("payload.user is missing; say what to take instead: payload.user | default(\"…\")."),
            "{fault}"
        );
    }
    let name = rendered("{{ payload.user.name }}", r#"{"user": {}}"#).expect_err("missing");
    assert!(name.starts_with("Line 1, column 4: payload.user.name is missing"), "{name}");
    let item = rendered("{{ payload.list[3] }}", r#"{"list": []}"#).expect_err("missing");
    assert!(item.contains("payload.list[3] is missing"), "{item}");
}

#[test]
fn an_unknown_name_is_refused_at_save_on_whatever_branch_it_stands() {
    let cases = [
        (
            "{{ trigger.nmae }}",
            "Line 1, column 4: trigger.nmae is unknown; there are trigger.id, trigger.name, trigger.type.",
        ),
        (
            "a\n  {{ tigger.name }}",
            "Line 2, column 6: tigger is unknown; there are trigger, event, occurrence, payload, delivery, source.",
        ),
        ("{% if false %}{{ event.at }}{% endif %}", "event.at is unknown"),
        ("{% for x in payload.y %}{{ z }}{% endfor %}", "z is unknown"),
        ("{% for x in payload.y %}{% endfor %}{{ x }}", "x is unknown"),
        ("{% for x in payload.y %}{{ loop.idx }}{% endfor %}", "loop.idx is unknown"),
        ("{{ loop.index }}", "loop is unknown"),
        ("{{ payload.x if event.is_tset else 1 }}", "event.is_tset is unknown"),
        ("{{ trigger[\"nmae\"] }}", "trigger.nmae is unknown"),
        ("{{ trigger[payload.x] }}", "write one of the fields"),
        ("{{ trigger }}", "trigger is a group"),
        ("{{ trigger.name.first }}", "this is a text or a number and has no fields"),
        ("{{ source.host }}", "source has no fields"),
        ("{{ payload.x | default(delivery.attempt) }}", "delivery.attempt is unknown"),
        ("{{ payload.x | jsno }}", "there is no filter jsno; there are default, first,"),
        ("{{ payload.x is ok }}", "there is no test ok"),
        ("{{ payload.x | default }}", "default takes 1 values in its brackets"),
        ("{% set payload = 1 %}", "payload has its meaning already"),
        ("{{ occurrence.at | in_zone(\"Europe/Rega\") }}", "\"Europe/Rega\" is not a known IANA time zone"),
        ("{{ trigger.name / 2 }}", "a text and a number cannot be calculated with"),
        (
            "{{ event.lateness_ms / 2 }}",
            "null and a number cannot be calculated with (as when no schedule made the event;",
        ),
        ("{{ trigger.name ", "unexpected end of input"),
        ("{% if payload.x %}", "unexpected end of input"),
    ];
    for (text, words) in cases {
        let message = refused(text, Place::Body);
        assert!(message.contains(words), "{text}: {message}");
        assert!(message.starts_with("Line "), "{text}: {message}");
    }
}

#[test]
fn what_could_not_be_bounded_or_reaches_outside_is_refused_at_save() {
    for text in [
        "{% include \"x\" %}",
        "{% import \"x\" as y %}",
        "{% extends \"x\" %}",
        "{% macro m() %}{% endmacro %}",
        "{% block b %}{% endblock %}",
        "{% set x %}{% endset %}",
        "{% with x = 1 %}{% endwith %}",
        "{% filter upper %}{% endfilter %}",
        "{% autoescape true %}{% endautoescape %}",
        "{% do range(3) %}",
        "{{ range(3) }}",
        "{{ payload.x.y() }}",
        "{{ payload.x[1:2] }}",
        "{% for x in payload.y recursive %}{% endfor %}",
        "{{ payload.x | default(value=1) }}",
        "{{ payload.x | join(*payload.y) }}",
    ] {
        assert!(Template::parse(text, Place::Body).is_err(), "{text}");
    }
}
