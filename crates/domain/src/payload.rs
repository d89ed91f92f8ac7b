//! The JSON that travels with an event. It is kept as the text its author wrote, because numbers and key order are theirs;
//! what stands here is only the promise that it is JSON of a bounded size.

use std::sync::{Arc, LazyLock};

use serde_json::value::RawValue;

use crate::error::Invalid;

/// The longest payload in bytes of JSON text.
pub const PAYLOAD_BYTES_MAX: usize = 256 * 1024;

/// How deep a payload may nest; receivers' parsers commonly give up at as much.
pub const PAYLOAD_DEPTH_MAX: usize = 128;

/// JSON text that was checked: it parses, nests at most [`PAYLOAD_DEPTH_MAX`] deep, and has at most [`PAYLOAD_BYTES_MAX`] bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload(Arc<str>);

static EMPTY: LazyLock<Payload> = LazyLock::new(|| Payload(Arc::from("{}")));

impl Payload {
    /// Checks JSON text.
    ///
    /// # Errors
    /// When it is not JSON, nests too deep or is too long; the field of the error is left empty for the caller to fill.
    pub fn parse(text: &str) -> Result<Payload, Invalid> {
        if text.len() > PAYLOAD_BYTES_MAX {
            return Err(Invalid::new(
                "",
                format!("The payload has {} bytes; at most {PAYLOAD_BYTES_MAX} are allowed.", text.len()),
            ));
        }
        let parsed: Result<&RawValue, _> = serde_json::from_str(text);
        match parsed {
            Ok(raw) if depth(raw.get()) > PAYLOAD_DEPTH_MAX => {
                Err(Invalid::new("", format!("The payload nests deeper than {PAYLOAD_DEPTH_MAX} arrays and objects.")))
            }
            // RawValue leaves the surrounding white space out.
            Ok(raw) => Ok(Payload(Arc::from(raw.get()))),
            Err(error) => Err(Invalid::new("", format!("The payload is not valid JSON: {error}."))),
        }
    }

    /// Takes back what a store has kept; it was checked when it came in. What somebody has written over it since need be no JSON: that is shown and
    /// sent as the text that it is.
    pub fn from_stored(text: &str) -> Payload {
        Payload(Arc::from(text))
    }

    /// `{}`, the payload of a firing for which nobody named one.
    pub fn empty() -> Payload {
        EMPTY.clone()
    }

    /// The JSON text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The JSON text as a value that serialises to itself; a string of JSON where what was kept is none any more.
    pub fn to_raw(&self) -> Box<RawValue> {
        RawValue::from_string(self.0.to_string()).unwrap_or_else(|_| {
            serde_json::value::to_raw_value(&*self.0).expect("a string can always be written as JSON")
        })
    }
}

/// How deep valid JSON nests. A raw value is skipped over without recursion, so nobody else has counted.
fn depth(json: &str) -> usize {
    let (mut deepest, mut depth, mut in_string, mut is_escaped) = (0, 0_usize, false, false);
    for byte in json.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = in_string,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_wrote_over_a_payload_is_shown_as_text() {
        let shown = |text: &str| Payload::from_stored(text).to_raw().get().to_owned();
        assert_eq!(shown(r#"{"a": 1e400}"#), r#"{"a": 1e400}"#);
        assert_eq!(shown(r#"{"a": "#), r#""{\"a\": ""#);
        assert_eq!(shown(""), r#""""#);
    }

    #[test]
    fn only_json_of_a_bounded_size_is_a_payload() {
        assert_eq!(Payload::parse(" {\"a\": 1e400} ").expect("JSON").as_str(), "{\"a\": 1e400}");
        assert!(Payload::parse("{a}").is_err());
        assert!(Payload::parse("").is_err());
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(Payload::parse(&nested(PAYLOAD_DEPTH_MAX)).is_ok());
        assert!(Payload::parse(&nested(PAYLOAD_DEPTH_MAX + 1)).is_err());
        assert!(Payload::parse(&format!("[\"{}\\\"[\"]", "[".repeat(500))).is_ok(), "brackets in strings do not nest");
        let long = format!("\"{}\"", "x".repeat(PAYLOAD_BYTES_MAX));
        assert!(Payload::parse(&long).is_err());
    }
}
