//! Bodies that nobody means well with: each is refused with words, none breaks anything.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{DESTINATIONS, at, make};
use crate::support::server::Server;

#[test]
fn whatever_is_sent_is_refused_with_words() {
    let server = Server::start();
    let ann = server.user();
    let made = make(&ann, &json!({"name": "Good", "kind": "webhook", "url": "https://example.com/"}));
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(20_000), close.repeat(20_000));
    let texts = [
        String::new(),
        "nonsense".to_owned(),
        "null".to_owned(),
        "[]".to_owned(),
        "\"webhook\"".to_owned(),
        "1e999".to_owned(),
        "{\"name\": \"\\ud800\"}".to_owned(),
        deep("[", "]"),
        deep("{\"a\":", "}"),
        format!("{{\"name\": {}}}", deep("[", "]")),
        format!("{{\"headers\": {}}}", deep("{\"a\":", "}")),
        "{".repeat(100_000),
        format!("{{\"name\": \"{}\", \"kind\": \"inbox\"}}", "x".repeat(500_000)),
        format!("{{\"kind\": \"webhook\", \"secrets\": [{}]}}", ["{}"; 20_000].join(",")),
        "{\"name\": \"N\", \"kind\": \"inbox\", \"rate\": {\"count\": 1e400}}".to_owned(),
    ];
    for text in &texts {
        for (method, path) in [("POST", DESTINATIONS.to_owned()), ("PUT", at(&made)), ("PATCH", at(&made))] {
            let answer = ann.call(method, &path).body("application/json", text.clone()).send();
            let status = answer.status;
            assert!(matches!(status, 400 | 422), "{method} {status}: {} {}", &text[..text.len().min(80)], answer.text);
            assert!(answer.text.len() < 100_000, "{method}: an answer of {} bytes", answer.text.len());
            answer.problem(status);
        }
    }
    let large = format!("{{\"name\": \"{}\"}}", "x".repeat(2_000_000));
    ann.call("POST", DESTINATIONS).body("application/json", large).send().problem(413);
    ann.call("POST", DESTINATIONS).body("text/plain", "{}").send().problem(415);
    ann.call("POST", DESTINATIONS).body("application/json", vec![b'{', 0xff, b'}']).send().problem(400);
    assert_eq!(ann.get(DESTINATIONS).is(200).list().len(), 1);
}

#[test]
fn no_field_takes_what_is_not_its_own() {
    let server = Server::start();
    let ann = server.user().keeping_alive();
    let good = json!({"name": "Good", "kind": "webhook", "url": "https://example.com/"});
    let made = make(&ann, &good);
    let fields = [
        "name",
        "kind",
        "url",
        "method",
        "headers",
        "body",
        "secrets",
        "timeout",
        "rate",
        "parallelism",
        "in_order",
        "retries",
        "stop_on_4xx",
        "alert",
        "github",
        "ntfy",
        "email",
        "inbox",
    ];
    let odd = [
        json!(true),
        json!(-1),
        json!(1.5),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(""),
        json!("\u{0}\r\n"),
        json!("x".repeat(10_000)),
        json!([]),
        json!([null]),
        json!([[[]]]),
        json!({}),
        json!({"": null}),
        json!({"a": {"b": []}}),
    ];
    for field in fields {
        for value in &odd {
            let mut body = good.clone();
            body[field] = value.clone();
            for answer in [ann.put(&at(&made), &body), ann.patch(&at(&made), &json!({field: value}))] {
                assert!(matches!(answer.status, 200 | 422), "{field}: {value}: {} {}", answer.status, answer.text);
            }
        }
    }
    ann.get(&at(&made)).is(200);
    for id in ["0", "-1", "x", "1.5", "99999999999999999999", "%ff", "%00", "..%2f1"] {
        let path = format!("{DESTINATIONS}/{id}");
        ann.get(&path).problem(404);
        ann.put(&path, &good).problem(404);
        ann.post_nothing(&format!("{path}/pause")).problem(404);
        ann.post_nothing(&format!("{path}/rotate")).problem(404);
        ann.delete(&format!("{path}/secrets/{id}")).problem(404);
        ann.delete(&format!("{}/secrets/{id}", at(&made))).problem(404);
    }
    assert_eq!(ann.get(DESTINATIONS).is(200).json().as_array().map(Vec::len), Some(1));
    assert_ne!(ann.get(DESTINATIONS).is(200).json(), Value::Null);
}

#[test]
fn a_template_costs_no_more_than_its_limits_and_leads_nowhere_else() {
    let server = Server::start();
    let ann = server.user();
    let bombs = [
        "{% for a in range(10000) %}{% for b in range(10000) %}x{% endfor %}{% endfor %}".to_owned(),
        "{% for a in range(10000) %}{{ a }}".repeat(50) + &"{% endfor %}".repeat(50),
        "{{ 'x' * 1000000000 }}".to_owned(),
        "{{ ".to_owned() + &"(".repeat(30_000),
        "{% include '/etc/passwd' %}".to_owned(),
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}".to_owned(),
        "{{ trigger.nmae }}".to_owned(),
        "{{ nobody }}".to_owned(),
        "x".repeat(200_000),
    ];
    for template in bombs {
        let body = json!({"format": "own", "template": template});
        let asked = Instant::now();
        let answer = ann
            .post(DESTINATIONS, &json!({"name": "N", "kind": "webhook", "url": "https://example.com/", "body": body}));
        assert!(asked.elapsed() < Duration::from_secs(10), "{:?}: {template:.80}", asked.elapsed());
        assert!(matches!(answer.status, 201 | 422), "{}: {template:.80}: {:.500}", answer.status, answer.text);
        if answer.status == 422 {
            assert_eq!(answer.problem(422)["errors"][0]["field"], "body.template");
        }
    }
    for url in [
        "https://{{ payload.host }}/",
        "{{ payload.scheme }}://example.com/",
        "https://{{ payload.user }}@example.com/",
        "https://example.com:{{ payload.port }}/",
        "http://127.0.0.1/{{ payload.path }}",
        "https://example.com/{{ nobody }}",
    ] {
        let problem = ann.post(DESTINATIONS, &json!({"name": "N", "kind": "webhook", "url": url})).problem(422);
        assert_eq!(problem["errors"][0]["field"], "url", "{problem}");
    }
}
