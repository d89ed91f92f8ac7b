//! What the payloads of a trigger have to be like: a JSON Schema (draft 2020-12) that its user wrote. It is kept as their text, and compiled by
//! whoever checks. Nothing is ever fetched for it, and no schema can keep a machine busy: how much one may ask for is bounded before
//! it is compiled (`bounds`), how much of that a payload may cost is bounded before it is checked, and patterns are matched in linear time.

mod bounds;

use std::fmt;
use std::sync::Arc;

use jsonschema::{Draft, PatternOptions, ValidationError, Validator};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::Invalid;
use crate::payload::Payload;

/// The longest schema, in bytes of JSON text.
pub const SCHEMA_BYTES_MAX: usize = 16 * 1024;

/// So many things that are wrong with a payload are told.
pub const ERRORS_MAX: usize = 10;

/// The longest sentence about one of them, in characters.
const WORDS_CHARS_MAX: usize = 300;

/// Where the checks of a schema times the bytes of a payload are more than this, only the first thing that is wrong is told: to tell all, all are
/// gathered.
const GATHERED_MAX: usize = 200_000;

/// So many looks at a value a check may cost: what the schema weighs times the bytes of the payload. A release build does some hundred million of them
/// in a second.
pub const WORK_MAX: usize = 50_000_000;

/// A check that costs no more is done before anybody else notices.
const QUICK_WORK_MAX: usize = 100_000;

/// The largest pattern once it is compiled, in bytes, and as much again for matching it.
const PATTERN_BYTES_MAX: usize = 64 * 1024;

/// A schema that was checked: it is one, and bounded.
#[derive(Clone, PartialEq, Eq)]
pub struct PayloadSchema(Arc<str>);

impl PayloadSchema {
    /// Checks the text of a schema.
    ///
    /// # Errors
    /// When it is no schema of draft 2020-12, refers outside or to itself, or asks for too much; the field of the error is left empty for
    /// the caller to fill.
    pub fn parse(text: &str) -> Result<PayloadSchema, Invalid> {
        if text.len() > SCHEMA_BYTES_MAX {
            let detail = format!("The schema has {} bytes; at most {SCHEMA_BYTES_MAX} are allowed.", text.len());
            return Err(Invalid::new("", detail));
        }
        let schema = PayloadSchema(Arc::from(text.trim()));
        schema.compile()?;
        Ok(schema)
    }

    /// Takes back what a store has kept; it was checked when it came in, and so only that it is JSON is looked at once more.
    ///
    /// # Errors
    /// When somebody has written over it what is no JSON.
    pub fn from_stored(text: &str) -> Result<PayloadSchema, Invalid> {
        match serde_json::from_str::<&RawValue>(text) {
            Ok(_) => Ok(PayloadSchema(Arc::from(text))),
            Err(error) => Err(Invalid::new("", format!("The schema is not valid JSON: {error}."))),
        }
    }

    /// The JSON text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The JSON text as a value that serialises to itself.
    pub fn to_raw(&self) -> Box<RawValue> {
        RawValue::from_string(self.0.to_string()).expect("the text was checked when the schema was made")
    }

    /// What checks payloads.
    ///
    /// # Errors
    /// As [`PayloadSchema::parse`].
    pub fn compile(&self) -> Result<Checker, Invalid> {
        let invalid = |words: String| Invalid::new("", words);
        let value: Value = serde_json::from_str(&self.0)
            .map_err(|error| invalid(format!("The schema is not valid JSON: {error}.")))?;
        let asked = bounds::check(&value).map_err(invalid)?;
        let patterns = PatternOptions::regex().size_limit(PATTERN_BYTES_MAX).dfa_size_limit(PATTERN_BYTES_MAX);
        let built = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .should_validate_formats(true)
            .with_pattern_options(patterns)
            .offline()
            .build(&value);
        match built {
            Ok(validator) => Ok(Checker { validator, asked }),
            Err(error) => {
                let at = error.instance_path().to_string();
                let place = if at.is_empty() { String::new() } else { format!(" At {at}:") };
                Err(invalid(format!("This is no JSON Schema of draft 2020-12.{place} {}.", words(&error.to_string()))))
            }
        }
    }
}

/// The text alone: it is somebody's, and may be long.
impl fmt::Debug for PayloadSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PayloadSchema").field(&self.0).finish()
    }
}

/// A compiled schema.
pub struct Checker {
    validator: Validator,
    asked: bounds::Asked,
}

impl Checker {
    /// Whether checking the payload takes so little that nobody else on the thread would notice.
    pub fn is_quick(&self, payload: &Payload) -> bool {
        self.work(payload) <= QUICK_WORK_MAX
    }

    /// What checking the payload may cost at most, in looks at a value.
    fn work(&self, payload: &Payload) -> usize {
        self.asked.weight.saturating_mul(payload.as_str().len())
    }

    /// Whether the payload is as the schema says.
    ///
    /// # Errors
    /// What is wrong and where, as JSON pointers into the payload, at most [`ERRORS_MAX`]; of a payload that is large for its schema the first. A payload
    /// that would cost more than [`WORK_MAX`] is wrong as a whole.
    pub fn check(&self, payload: &Payload) -> Result<(), Vec<Invalid>> {
        if self.work(payload) > WORK_MAX {
            let most = WORK_MAX / self.asked.weight;
            let detail = format!(
                "This payload is too large for its schema, which asks so much that {most} bytes can be checked at most."
            );
            return Err(vec![Invalid::new("", detail)]);
        }
        let value: Value = match serde_json::from_str(payload.as_str()) {
            Ok(value) => value,
            // Text that is JSON all the same: a number beyond what is reckoned with.
            Err(error) => return Err(vec![Invalid::new("", format!("This payload cannot be checked: {error}."))]),
        };
        let Err(first) = self.validator.validate(&value) else { return Ok(()) };
        let told = |error: &ValidationError<'_>| {
            Invalid::new(error.instance_path().to_string(), sentence(&error.masked().to_string()))
        };
        if self.asked.applied.saturating_mul(payload.as_str().len()) > GATHERED_MAX {
            return Err(vec![told(&first)]);
        }
        Err(self.validator.iter_errors(&value).take(ERRORS_MAX).map(|error| told(&error)).collect())
    }
}

fn words(text: &str) -> String {
    text.trim_end_matches('.').chars().take(WORDS_CHARS_MAX).collect()
}

/// What the library says of a value, as a sentence.
fn sentence(text: &str) -> String {
    let mut words = words(text.trim_end_matches(['.', ' ']));
    // An empty list of values: the library names none of them.
    if words.ends_with("is not one of") {
        return "No value is allowed here: the enum of the schema is empty.".to_owned();
    }
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    words.push('.');
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(text: &str) -> PayloadSchema {
        PayloadSchema::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn check(schema_text: &str, payload: &str) -> Result<(), Vec<Invalid>> {
        let payload = Payload::parse(payload).expect("JSON");
        schema(schema_text).compile().expect("it was compiled before").check(&payload)
    }

    fn fields(wrong: Vec<Invalid>) -> Vec<String> {
        let mut fields: Vec<String> = wrong.into_iter().map(|one| one.field).collect();
        fields.sort_unstable();
        fields
    }

    #[test]
    fn what_fits_passes_and_what_does_not_is_told_with_its_place() {
        let order = r#"{"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"},
            "lines": {"type": "array", "items": {"type": "object", "properties": {"n/m": {"minimum": 1}}}}}}"#;
        assert_eq!(check(order, r#"{"id": 1, "lines": [{"n/m": 1}]}"#), Ok(()));
        let wrong = check(order, r#"{"id": "x", "lines": [{}, {"n/m": 0}]}"#).expect_err("it does not fit");
        assert_eq!(fields(wrong.clone()), ["/id", "/lines/1/n~1m"]);
        assert!(wrong.iter().all(|one| one.message.ends_with('.') && !one.message.contains("\"x\"")), "{wrong:?}");
        let wrong = check(order, "[]").expect_err("it does not fit");
        assert_eq!(fields(wrong), [""]);
    }

    #[test]
    fn an_enum_that_lets_nothing_through_is_told_as_that() {
        let wrong = check(r#"{"properties": {"size": {"enum": []}}}"#, r#"{"size": 3}"#).expect_err("nothing fits");
        let told: Vec<_> = wrong.iter().map(|one| (one.field.as_str(), one.message.as_str())).collect();
        assert_eq!(told, [("/size", "No value is allowed here: the enum of the schema is empty.")]);
        let wrong = check(r#"{"enum": ["one of"]}"#, "3").expect_err("another value");
        assert_eq!(wrong[0].message, "Value is not one of \"one of\".");
    }

    #[test]
    fn at_most_ten_are_told() {
        let many = format!("[{}1]", "\"x\",".repeat(50));
        let wrong = check(r#"{"items": {"type": "integer"}}"#, &many).expect_err("they do not fit");
        assert_eq!(wrong.len(), ERRORS_MAX);
        let very_many = format!("[{}1]", "\"x\",".repeat(50_000));
        let wrong = check(r#"{"items": {"type": "integer"}}"#, &very_many).expect_err("they do not fit");
        assert_eq!(fields(wrong), ["/0"]);
    }

    #[test]
    fn what_is_no_schema_is_refused_and_says_where() {
        for (text, words) in [
            ("{", "not valid JSON"),
            (r#"{"type": "strin"}"#, "/type"),
            (r#"{"properties": {"a": 7}}"#, "/properties/a"),
            (r#"{"pattern": "("}"#, "draft 2020-12"),
            (r#"{"pattern": "(a)\\1"}"#, "draft 2020-12"),
            ("7", "an object, true or false"),
        ] {
            let refused = PayloadSchema::parse(text).expect_err(text);
            assert!(refused.message.contains(words), "{text}: {refused}");
        }
        let long = format!(r#"{{"description": "{}"}}"#, "x".repeat(SCHEMA_BYTES_MAX));
        assert!(PayloadSchema::parse(&long).expect_err("too long").message.contains("16384"));
    }

    #[test]
    fn formats_are_enforced() {
        let when = r#"{"format": "date-time"}"#;
        assert_eq!(check(when, r#""2026-11-21T10:00:00Z""#), Ok(()));
        assert!(check(when, r#""yesterday""#).is_err());
    }

    #[test]
    fn a_pattern_that_would_hang_a_backtracking_engine_is_matched_at_once() {
        let payload = format!("\"{}!\"", "a".repeat(100_000));
        assert!(check(r#"{"pattern": "^(a+)+$"}"#, &payload).is_err());
    }

    #[test]
    fn what_would_keep_a_machine_busy_is_refused_as_a_whole_and_says_what_would_not() {
        let values: Vec<String> = (0..2000).map(|number| number.to_string()).collect();
        let many = format!(r#"{{"items": {{"enum": [{}]}}}}"#, values.join(","));
        let long = format!("[{}3]", "3,".repeat(100_000));
        let wrong = check(&many, &long).expect_err("200 million comparisons");
        assert_eq!(fields(wrong.clone()), [""]);
        assert!(wrong[0].message.contains("24962 bytes"), "{wrong:?}");
        assert_eq!(check(&many, &format!("[{}3]", "3,".repeat(12_000))), Ok(()));
    }

    #[test]
    fn a_number_beyond_all_bounds_is_refused_and_nothing_panics() {
        assert!(check(r#"{"type": "number"}"#, "1e400").is_err());
    }
}
