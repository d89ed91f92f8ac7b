//! JSON laid out for the eye. The text is only moved apart, never read as values: a number keeps all its digits and a key its
//! place, so that what is shown is what was sent.

/// How far a level is set in.
const STEP: &str = "  ";

/// Lays out JSON that is known to be right.
pub(crate) fn pretty(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let mut depth = 0_usize;
    let (mut in_string, mut is_escaped, mut is_fresh) = (false, false, false);
    for c in json.chars() {
        if in_string {
            out.push(c);
            (in_string, is_escaped) = (is_escaped || c != '"', c == '\\' && !is_escaped);
            continue;
        }
        if c.is_ascii_whitespace() {
            continue;
        }
        let closes = matches!(c, '}' | ']');
        if closes {
            depth = depth.saturating_sub(1);
        }
        // An empty object or list stays on its line.
        if is_fresh != closes && (is_fresh || closes) {
            line(&mut out, depth);
        }
        is_fresh = false;
        match c {
            '{' | '[' => {
                out.push(c);
                depth += 1;
                is_fresh = true;
            }
            ',' => {
                out.push(c);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            '"' => {
                out.push(c);
                in_string = true;
            }
            other => out.push(other),
        }
    }
    out
}

fn line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n(STEP, depth));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn json_is_laid_out_and_nothing_in_it_changes() {
        let json = r#"{"a":[1,2.50,{"b": "x, {y}\"]\\"}],"e":{},"l":[ ],"n":1e400}"#;
        let expected = "{\n  \"a\": [\n    1,\n    2.50,\n    {\n      \"b\": \"x, {y}\\\"]\\\\\"\n    }\n  ],\n  \"e\": {},\n  \"l\": [],\n  \"n\": 1e400\n}";
        assert_eq!(pretty(json), expected);
        for scalar in ["null", "-5", "\"a b\"", "[]", "{}"] {
            assert_eq!(pretty(scalar), scalar);
        }
        assert_eq!(pretty("[\n1\n,\n2]"), "[\n  1,\n  2\n]");
    }

    fn value() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            any::<String>().prop_map(serde_json::Value::from),
            any::<i64>().prop_map(serde_json::Value::from),
            any::<bool>().prop_map(serde_json::Value::from),
            Just(serde_json::Value::Null),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(serde_json::Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..5)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_is_laid_out_as_the_usual_writer_does(value in value()) {
            let usual = serde_json::to_string_pretty(&value).expect("JSON");
            prop_assert_eq!(pretty(&value.to_string()), usual);
        }
    }
}
