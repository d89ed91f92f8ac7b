//! How much a schema may ask for. A few hundred bytes can say "everything, twice, of something that says everything, twice": so what is
//! applied is counted before anything is compiled, each reference with all that it leads to, and a schema that refers to itself is refused.
//! What that costs is weighed at the same time, because a comparison with a thousand values or a search for what repeats is more
//! than a look at a type: how much of a payload is held to a schema depends on it ([`super::WORK_MAX`]).

use std::collections::HashMap;

use serde_json::{Map, Value};

/// The deepest nesting of a schema.
const DEPTH_MAX: usize = 32;

/// So many schemas may be applied to one payload at most, those behind references counted each time.
const APPLIED_MAX: usize = 1000;

/// So many patterns may be matched.
const PATTERNS_MAX: usize = 32;

/// Keywords whose values are data, and no schemas.
const DATA: [&str; 4] = ["const", "enum", "default", "examples"];

/// Keywords whose values are schemas by names of the user's.
const NAMED: [&str; 5] = ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"];

/// Keywords by which a schema would be known elsewhere, or refer to what is not in it.
const OUTSIDE: [&str; 6] = ["$id", "$anchor", "$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$vocabulary"];

/// Where the draft is named, if it is.
const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// What a pattern weighs: each byte of a text goes through a machine of many states.
const PATTERN_WEIGHT: usize = 20;

/// What the search for repeated items weighs.
const UNIQUE_WEIGHT: usize = 30;

/// By how much it weighs more where what is left over is asked for: what lies beside it is applied again to find out.
const UNEVALUATED_FACTOR: usize = 3;

/// How much is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// How many schemas are applied.
    pub(super) applied: usize,
    /// What it costs for each byte of a payload, in looks at a value.
    pub(super) weight: usize,
}

impl Asked {
    const ONE: Asked = Asked { applied: 1, weight: 1 };

    fn weighing(weight: usize) -> Asked {
        Asked { applied: 0, weight }
    }

    fn and(self, more: Asked) -> Asked {
        Asked { applied: self.applied.saturating_add(more.applied), weight: self.weight.saturating_add(more.weight) }
    }
}

/// How much a schema asks for, where that is bounded.
///
/// # Errors
/// In words, when it is not.
pub(super) fn check(schema: &Value) -> Result<Asked, String> {
    if !matches!(schema, Value::Object(_) | Value::Bool(_)) {
        return Err("A schema is an object, true or false.".to_owned());
    }
    if schema.get("$schema").is_some_and(|draft| draft.as_str().map(|text| text.trim_end_matches('#')) != Some(DRAFT)) {
        return Err(format!("Only draft 2020-12 is understood; leave $schema out, or say \"{DRAFT}\"."));
    }
    let mut walk = Walk { root: schema, patterns: 0, known: HashMap::new(), under_way: Vec::new() };
    let asked = walk.count(schema, 0)?;
    if asked.applied > APPLIED_MAX {
        let applied = asked.applied;
        return Err(format!(
            "The schema asks for {applied} checks, references followed; at most {APPLIED_MAX} are allowed."
        ));
    }
    Ok(asked)
}

struct Walk<'a> {
    root: &'a Value,
    patterns: usize,
    /// What the references that were followed come to.
    known: HashMap<&'a str, Asked>,
    /// The references that are being followed.
    under_way: Vec<&'a str>,
}

impl<'a> Walk<'a> {
    /// How much is asked for where this schema is applied.
    fn count(&mut self, schema: &'a Value, depth: usize) -> Result<Asked, String> {
        if depth > DEPTH_MAX {
            return Err(format!("The schema nests deeper than {DEPTH_MAX} schemas."));
        }
        match schema {
            Value::Object(keywords) => self.count_object(keywords, depth),
            Value::Array(several) => {
                several.iter().try_fold(Asked::default(), |sum, one| Ok(sum.and(self.count(one, depth + 1)?)))
            }
            _ => Ok(Asked::ONE),
        }
    }

    fn count_object(&mut self, keywords: &'a Map<String, Value>, depth: usize) -> Result<Asked, String> {
        let mut asked = Asked::ONE;
        for (keyword, value) in keywords {
            let keyword = keyword.as_str();
            let more = match keyword {
                "const" | "enum" => Asked::weighing(values_in(value)),
                "uniqueItems" => Asked::weighing(UNIQUE_WEIGHT),
                _ if DATA.contains(&keyword) => Asked::default(),
                _ if OUTSIDE.contains(&keyword) => {
                    return Err(format!("A schema stands for itself here; {keyword} is not allowed."));
                }
                "$ref" => self.follow(value, depth)?,
                "pattern" => self.note_patterns(1)?,
                _ if NAMED.contains(&keyword) => {
                    let Value::Object(named) = value else { continue };
                    let mut sum = Asked::default();
                    if keyword == "patternProperties" {
                        sum.weight = self.note_patterns(named.len())?.weight;
                    }
                    for schema in named.values() {
                        sum = sum.and(self.count(schema, depth + 1)?);
                    }
                    // What is only defined is counted where it is referred to.
                    if matches!(keyword, "$defs" | "definitions") { Asked::default() } else { sum }
                }
                _ if value.is_object() || value.is_array() => self.count(value, depth + 1)?,
                _ => Asked::default(),
            };
            asked = asked.and(more);
        }
        if keywords.contains_key("unevaluatedItems") || keywords.contains_key("unevaluatedProperties") {
            asked.weight = asked.weight.saturating_mul(UNEVALUATED_FACTOR);
        }
        Ok(asked)
    }

    fn note_patterns(&mut self, more: usize) -> Result<Asked, String> {
        self.patterns += more;
        if self.patterns > PATTERNS_MAX {
            return Err(format!("The schema has more than {PATTERNS_MAX} patterns."));
        }
        Ok(Asked { applied: more, weight: more * PATTERN_WEIGHT })
    }

    fn follow(&mut self, reference: &'a Value, depth: usize) -> Result<Asked, String> {
        let Some(target) = reference.as_str() else { return Err("A $ref is a string.".to_owned()) };
        let Some(pointer) = target.strip_prefix('#') else {
            return Err(format!(
                "Nothing is fetched for a schema: $ref must begin with #, and \"{}\" does not.",
                short(target)
            ));
        };
        if let Some(known) = self.known.get(target) {
            return Ok(*known);
        }
        if pointer.is_empty() || self.under_way.contains(&target) {
            return Err(format!(
                "The schema refers to itself by \"{}\"; what repeats without end is not allowed.",
                short(target)
            ));
        }
        let decoded = percent_encoding::percent_decode_str(pointer).decode_utf8_lossy();
        let Some(meant) = self.root.pointer(&decoded) else {
            return Err(format!("The $ref \"{}\" leads nowhere.", short(target)));
        };
        self.under_way.push(target);
        let asked = self.count(meant, depth + 1)?;
        self.under_way.pop();
        self.known.insert(target, asked);
        Ok(asked)
    }
}

/// How many values a value is made of: a comparison looks at all of them.
fn values_in(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().fold(1, |sum, item| sum + values_in(item)),
        Value::Object(members) => members.values().fold(1, |sum, member| sum + values_in(member)),
        _ => 1,
    }
}

fn short(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal(schema: &Value) -> String {
        check(schema).expect_err(&schema.to_string())
    }

    #[test]
    fn what_refers_outside_is_refused() {
        for (schema, words) in [
            (json!({"$ref": "https://example.com/schema.json"}), "must begin with #"),
            (json!({"properties": {"a": {"$ref": "other.json#/a"}}}), "must begin with #"),
            (json!({"$ref": "file:///etc/passwd"}), "must begin with #"),
            (json!({"allOf": [{"$dynamicRef": "#a"}]}), "$dynamicRef"),
            (json!({"$id": "https://example.com/", "type": "object"}), "$id"),
            (json!({"$schema": "http://json-schema.org/draft-07/schema#"}), "2020-12"),
            (json!({"$ref": "#/$defs/none"}), "leads nowhere"),
            (json!({"$ref": 7}), "string"),
            (json!([]), "an object, true or false"),
        ] {
            assert!(refusal(&schema).contains(words), "{schema}: {}", refusal(&schema));
        }
        assert_eq!(
            check(&json!({"$schema": DRAFT, "$ref": "#/$defs/a", "$defs": {"a": {"type": "object"}}})),
            Ok(Asked { applied: 2, weight: 2 })
        );
    }

    #[test]
    fn what_refers_to_itself_is_refused_however_far_round() {
        for schema in [
            json!({"$ref": "#"}),
            json!({"properties": {"child": {"$ref": "#"}}}),
            json!({"$ref": "#/$defs/a", "$defs": {"a": {"items": {"$ref": "#/$defs/b"}}, "b": {"not": {"$ref": "#/$defs/a"}}}}),
            json!({"allOf": [{"$ref": "#/allOf/0"}]}),
            json!({"allOf": [{"$ref": "#/allOf"}]}),
        ] {
            assert!(refusal(&schema).contains("refers to itself"), "{}", refusal(&schema));
        }
    }

    #[test]
    fn what_doubles_with_each_reference_is_counted_as_often_as_it_is_followed() {
        let doubling = |levels: usize| {
            let mut definitions = Map::new();
            for level in 0..levels {
                let next = json!({"$ref": format!("#/$defs/a{}", level + 1)});
                definitions.insert(format!("a{level}"), json!({"allOf": [next.clone(), next]}));
            }
            definitions.insert(format!("a{levels}"), json!({"type": "object"}));
            json!({"$ref": "#/$defs/a0", "$defs": definitions})
        };
        assert!(check(&doubling(6)).is_ok());
        assert!(refusal(&doubling(9)).contains("checks"), "{}", refusal(&doubling(9)));
        assert!(check(&doubling(30)).is_err());
    }

    #[test]
    fn depth_and_patterns_are_bounded() {
        let mut deep = json!({"type": "object"});
        for _ in 0..DEPTH_MAX + 1 {
            deep = json!({"not": deep});
        }
        assert!(refusal(&deep).contains("deeper"));
        let patterns: Vec<Value> = (0..=PATTERNS_MAX).map(|number| json!({"pattern": format!("a{number}")})).collect();
        assert!(refusal(&json!({"anyOf": patterns})).contains("patterns"));
    }

    #[test]
    fn data_is_no_schema() {
        let data = json!({"$ref": "https://example.com", "pattern": "("});
        let schema = json!({
            "enum": [data], "default": data, "examples": [data], "properties": {"$ref": {"const": data}, "$id": {"type": "string"}}
        });
        assert_eq!(check(&schema).map(|asked| asked.applied), Ok(3));
    }

    #[test]
    fn what_is_compared_searched_and_applied_again_weighs_more_than_a_look() {
        let weight = |schema: Value| check(&schema).expect("it is bounded").weight;
        assert_eq!(weight(json!({"type": "string"})), 1);
        assert_eq!(weight(json!({"enum": (0..500).collect::<Vec<i64>>()})), 502);
        assert_eq!(weight(json!({"const": [[1, 2], {"a": 3}]})), 7);
        assert_eq!(weight(json!({"uniqueItems": true})), 1 + UNIQUE_WEIGHT);
        let pattern = json!({"pattern": "^a"});
        assert_eq!(
            weight(json!({"allOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}], "$defs": {"a": pattern}})),
            1 + 2 * (2 + PATTERN_WEIGHT)
        );
        assert_eq!(weight(json!({"allOf": [{}, {}], "unevaluatedProperties": false})), 3 * UNEVALUATED_FACTOR);
    }
}
