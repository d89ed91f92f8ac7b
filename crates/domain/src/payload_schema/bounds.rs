//! How much a schema may ask for. A few hundred bytes can say "everything, twice, of something that says everything, twice": so the work is
//! counted before anything is compiled, each reference with all that it leads to, and a schema that refers to itself is refused.

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

/// How many schemas it applies, where that is bounded.
///
/// # Errors
/// In words, when it is not.
pub(super) fn check(schema: &Value) -> Result<usize, String> {
    if !matches!(schema, Value::Object(_) | Value::Bool(_)) {
        return Err("A schema is an object, true or false.".to_owned());
    }
    if schema.get("$schema").is_some_and(|draft| draft.as_str().map(|text| text.trim_end_matches('#')) != Some(DRAFT)) {
        return Err(format!("Only draft 2020-12 is understood; leave $schema out, or say \"{DRAFT}\"."));
    }
    let mut walk = Walk { root: schema, patterns: 0, known: HashMap::new(), under_way: Vec::new() };
    let applied = walk.count(schema, 0)?;
    if applied > APPLIED_MAX {
        return Err(format!(
            "The schema asks for {applied} checks, references followed; at most {APPLIED_MAX} are allowed."
        ));
    }
    Ok(applied)
}

struct Walk<'a> {
    root: &'a Value,
    patterns: usize,
    /// What the references that were followed come to.
    known: HashMap<&'a str, usize>,
    /// The references that are being followed.
    under_way: Vec<&'a str>,
}

impl<'a> Walk<'a> {
    /// How many schemas are applied where this one is.
    fn count(&mut self, schema: &'a Value, depth: usize) -> Result<usize, String> {
        if depth > DEPTH_MAX {
            return Err(format!("The schema nests deeper than {DEPTH_MAX} schemas."));
        }
        match schema {
            Value::Object(keywords) => self.count_object(keywords, depth),
            Value::Array(several) => {
                several.iter().try_fold(0_usize, |sum, one| Ok(sum.saturating_add(self.count(one, depth + 1)?)))
            }
            _ => Ok(1),
        }
    }

    fn count_object(&mut self, keywords: &'a Map<String, Value>, depth: usize) -> Result<usize, String> {
        let mut applied = 1_usize;
        for (keyword, value) in keywords {
            let keyword = keyword.as_str();
            let more = match keyword {
                _ if DATA.contains(&keyword) => 0,
                _ if OUTSIDE.contains(&keyword) => {
                    return Err(format!("A schema stands for itself here; {keyword} is not allowed."));
                }
                "$ref" => self.follow(value, depth)?,
                "pattern" => self.note_patterns(1)?,
                _ if NAMED.contains(&keyword) => {
                    let Value::Object(named) = value else { continue };
                    if keyword == "patternProperties" {
                        self.note_patterns(named.len())?;
                    }
                    let mut sum = 0_usize;
                    for schema in named.values() {
                        sum = sum.saturating_add(self.count(schema, depth + 1)?);
                    }
                    // What is only defined is counted where it is referred to.
                    if matches!(keyword, "$defs" | "definitions") { 0 } else { sum }
                }
                _ if value.is_object() || value.is_array() => self.count(value, depth + 1)?,
                _ => 0,
            };
            applied = applied.saturating_add(more);
        }
        Ok(applied)
    }

    fn note_patterns(&mut self, more: usize) -> Result<usize, String> {
        self.patterns += more;
        if self.patterns > PATTERNS_MAX {
            return Err(format!("The schema has more than {PATTERNS_MAX} patterns."));
        }
        Ok(more)
    }

    fn follow(&mut self, reference: &'a Value, depth: usize) -> Result<usize, String> {
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
        let applied = self.count(meant, depth + 1)?;
        self.under_way.pop();
        self.known.insert(target, applied);
        Ok(applied)
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
        assert_eq!(check(&json!({"$schema": DRAFT, "$ref": "#/$defs/a", "$defs": {"a": {"type": "object"}}})), Ok(2));
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
        assert_eq!(check(&schema), Ok(3));
    }
}
