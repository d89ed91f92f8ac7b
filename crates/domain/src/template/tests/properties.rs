//! Nothing that anybody writes panics, and what comes out keeps to its place.

use proptest::prelude::*;

use super::{rendered, with};
use crate::template::{Place, Template};

/// Pieces that make templates more often than chance does.
fn template_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("{{ ".to_owned()),
        Just(" }}".to_owned()),
        Just("{% if ".to_owned()),
        Just(" %}".to_owned()),
        Just("{% endif %}".to_owned()),
        Just("{% for x in ".to_owned()),
        Just("{% endfor %}".to_owned()),
        Just("{% set x = ".to_owned()),
        Just("{% else %}".to_owned()),
        Just("payload".to_owned()),
        Just(".a".to_owned()),
        Just("[0]".to_owned()),
        Just("trigger.name".to_owned()),
        Just("event.lateness_ms".to_owned()),
        Just("loop.index".to_owned()),
        Just("x".to_owned()),
        Just(" | tojson".to_owned()),
        Just(" | default(1)".to_owned()),
        Just(" | round(2)".to_owned()),
        Just(" | items".to_owned()),
        Just(" | in_zone('UTC', '%Q')".to_owned()),
        Just(" | truncate(3)".to_owned()),
        Just(" | replace('a', 'b')".to_owned()),
        Just(" ~ ".to_owned()),
        Just(" + ".to_owned()),
        Just(" ** ".to_owned()),
        Just(" // ".to_owned()),
        Just(" % ".to_owned()),
        Just(" == ".to_owned()),
        Just(" in ".to_owned()),
        Just("-9e999".to_owned()),
        Just("170141183460469231731687303715884105727".to_owned()),
        Just("0".to_owned()),
        Just("'é'".to_owned()),
        ".{0,3}",
    ];
    proptest::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

/// `{{ … }}` around expressions that are whole ones, so that most of them are rendered.
fn whole_template() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("payload".to_owned()),
        Just("payload.a".to_owned()),
        Just("payload[0]".to_owned()),
        Just("payload.a.b".to_owned()),
        Just("event.lateness_ms".to_owned()),
        Just("trigger.name".to_owned()),
        Just("occurrence.at".to_owned()),
        Just("0".to_owned()),
        Just("1.5".to_owned()),
        Just("170141183460469231731687303715884105727".to_owned()),
        Just("'é'".to_owned()),
        Just("true".to_owned()),
        Just("none".to_owned()),
    ];
    let expression = leaf.prop_recursive(4, 16, 2, |inner| {
        let operator = proptest::sample::select(vec![
            "+", "-", "*", "/", "//", "%", "**", "~", "==", "<", "in", "not in", "and", "or",
        ]);
        let filter = proptest::sample::select(vec![
            "tojson",
            "upper",
            "lower",
            "trim",
            "length",
            "first",
            "last",
            "keys",
            "items",
            "join",
            "round(3)",
            "truncate(2)",
            "default('d')",
            "urlencode",
            "replace('a', 'bb')",
            "in_zone('Asia/Tokyo')",
            "in_zone('UTC', '%s')",
        ]);
        prop_oneof![
            (inner.clone(), operator, inner.clone())
                .prop_map(|(left, operator, right)| format!("({left} {operator} {right})")),
            (inner.clone(), filter).prop_map(|(subject, filter)| format!("({subject}|{filter})")),
            (inner.clone(), inner.clone()).prop_map(|(one, two)| format!("[{one}, {two}]")),
            inner.prop_map(|value| format!("-{value}")),
        ]
    });
    (expression.clone(), expression)
        .prop_map(|(one, two)| format!("{{% for x in {one} %}}{{{{ x }}}}{{% endfor %}}{{{{ {two} }}}}"))
}

fn payload_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("1e400".to_owned()),
        Just("-0".to_owned()),
        Just("1.50".to_owned()),
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("9".repeat(30)),
        Just(r#""\ud800""#.to_owned()),
        any::<String>().prop_map(|text| serde_json::Value::from(text).to_string()),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(|items| format!("[{}]", items.join(","))),
            proptest::collection::vec((proptest::sample::select(vec!["a", "b"]), inner), 0..3).prop_map(|fields| {
                let fields: Vec<String> =
                    fields.into_iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
                format!("{{{}}}", fields.join(","))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn no_template_and_no_payload_panics_and_every_bound_holds(
        text in prop_oneof![template_text(), whole_template(), ".*"],
        payload in payload_text(),
        place in proptest::sample::select(vec![Place::Body, Place::HeaderValue, Place::Line]),
    ) {
        if let Ok(template) = Template::parse(&text, place)
            && let Ok(out) = with(&payload, |context| template.render(context))
        {
            prop_assert!(out.len() <= place.bytes_max());
            match place {
                Place::HeaderValue => prop_assert!(out.bytes().all(|b| matches!(b, b'\t' | b' '..=b'~')), "{:?}", out),
                Place::Line => prop_assert!(!out.chars().any(char::is_control), "{:?}", out),
                _ => {}
            }
            let again = with(&payload, |context| template.render(context));
            prop_assert_eq!(again, Ok(out), "the same template and context give the same text");
        }
    }

    #[test]
    fn a_payload_comes_out_as_it_came_in(payload in payload_text()) {
        let payload = format!("[{payload}]");
        prop_assert_eq!(rendered("{{ payload | tojson }}", &payload), Ok(payload));
    }
}
