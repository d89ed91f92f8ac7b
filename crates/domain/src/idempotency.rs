//! Keys by which a caller says that two calls are one: the header `Idempotency-Key`. Whoever got no answer sends the same call again under
//! the same key, and what was done the first time is not done again. Here is what a key is, when two calls are the same, and how
//! long that is remembered; that a key is written down together with what was done under it is the store's promise.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use crate::error::Invalid;

/// For so long it is remembered what was done under a key.
pub const KEPT_FOR: SignedDuration = SignedDuration::from_hours(24);

/// The longest key, in characters.
pub const KEY_CHARS_MAX: usize = 255;

/// So many answers are kept of an owner at most; what is done under a key without an answer being kept is not counted, since each has an event
/// or a trigger that takes more room than the key.
pub const ANSWERS_MAX: usize = 2000;

/// A longer answer is not kept, in bytes.
pub const ANSWER_BYTES_MAX: usize = 32 * 1024;

const NO_KEY: &str = "An Idempotency-Key has 1 to 255 visible ASCII characters, bare or in double quotes.";

/// A key as its caller chose it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(String);

impl Key {
    /// Reads the value of the header: a string of RFC 9651 in double quotes, or the characters as they are.
    ///
    /// # Errors
    /// When it is empty, too long, or has anything but visible ASCII characters.
    pub fn parse(value: &[u8]) -> Result<Key, Invalid> {
        let no_key = || Invalid::new("", NO_KEY);
        let text = std::str::from_utf8(value).map_err(|_| no_key())?.trim_matches([' ', '\t']);
        let key = if text.starts_with('"') { unquote(text).ok_or_else(no_key)? } else { text.to_owned() };
        let is_key = (1..=KEY_CHARS_MAX).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
        if is_key { Ok(Key(key)) } else { Err(no_key()) }
    }

    /// Takes back what a store has kept; it was checked when it came in.
    pub fn from_stored(text: String) -> Key {
        Key(text)
    }

    /// The characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What stands between the quotes (RFC 9651 §4.2.5): only a quote and a backslash are escaped.
fn unquote(text: &str) -> Option<String> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    let mut key = String::with_capacity(inner.len());
    let mut rest = inner.chars();
    while let Some(char) = rest.next() {
        match char {
            '"' => return None,
            '\\' => key.push(rest.next().filter(|escaped| matches!(escaped, '"' | '\\'))?),
            char => key.push(char),
        }
    }
    Some(key)
}

/// By what two calls are told apart, without keeping what they said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Print(pub [u8; 32]);

impl Print {
    /// Of these parts, in their order. Each goes in with its length, so that no two lists of parts run together.
    pub fn of(parts: &[&[u8]]) -> Print {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Print(hash.finalize().into())
    }
}

/// What is to be done once: a call under a key, or an item of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyed {
    /// The caller's key.
    pub key: Key,
    /// Which item of the call it is; 0 where it has none.
    pub item: u32,
    /// What the whole call said.
    pub print: Print,
}

/// What a call answered, for whoever sends it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body; none where it is not kept, because it showed a secret or was too long.
    pub body: Option<Vec<u8>>,
}

/// What came of what was done under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The event or the trigger of this number is there; it was committed together with the key.
    Made(i64),
    /// It answered so.
    Answered(Answer),
    /// Nobody has told yet. Whoever did it may be at it still, or was killed.
    Underway,
}

/// What is remembered of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// Which item of the call.
    pub item: u32,
    /// What the whole call said.
    pub print: Print,
    /// When it was done, or begun.
    pub at: Timestamp,
    /// What came of it.
    pub outcome: Outcome,
}

impl Remembered {
    /// The number of what was made, for whoever comes again with the same call.
    pub fn made(&self, print: &Print) -> Option<i64> {
        match self.outcome {
            Outcome::Made(number) if self.print == *print => Some(number),
            _ => None,
        }
    }
}

/// What was done at that instant or before is forgotten.
pub fn forgotten_until(now: Timestamp) -> Timestamp {
    now.checked_sub(KEPT_FOR).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_same_bare_and_in_quotes() {
        for (value, key) in [
            ("8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"),
            ("\"8e03978e-40d5-43dd-bc93-6894a57f9324\"", "8e03978e-40d5-43dd-bc93-6894a57f9324"),
            (" a ", "a"),
            (r#""a\"b\\c""#, r#"a"b\c"#),
            ("a\"b", "a\"b"),
        ] {
            assert_eq!(Key::parse(value.as_bytes()).expect(value).as_str(), key);
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let longest = "k".repeat(KEY_CHARS_MAX);
        assert!(Key::parse(longest.as_bytes()).is_ok());
        assert!(Key::parse(format!("\"{longest}\"").as_bytes()).is_ok());
        let long = format!("{longest}k");
        for value in [
            "",
            "\"\"",
            "\"",
            " ",
            "a b",
            "\"a b\"",
            "\"a",
            "\"a\";p=1",
            "\"a\"b\"",
            "\"a\\x\"",
            "\"a\\\"",
            "ä",
            "a\x7f",
            &long,
        ] {
            assert!(Key::parse(value.as_bytes()).is_err(), "{value}");
        }
        assert!(Key::parse(b"a\xff").is_err());
    }

    #[test]
    fn parts_do_not_run_together() {
        assert_eq!(Print::of(&[b"POST", b"/a"]), Print::of(&[b"POST", b"/a"]));
        for other in [&[&b"POST/"[..], b"a"][..], &[b"POST/a"], &[b"POST", b"/a", b""], &[b"/a", b"POST"]] {
            assert_ne!(Print::of(other), Print::of(&[b"POST", b"/a"]));
        }
    }

    #[test]
    fn only_the_same_call_learns_what_was_made() {
        let print = Print::of(&[b"a"]);
        let remembered = Remembered { item: 0, print, at: Timestamp::UNIX_EPOCH, outcome: Outcome::Made(7) };
        assert_eq!(remembered.made(&print), Some(7));
        assert_eq!(remembered.made(&Print::of(&[b"b"])), None);
        assert_eq!(Remembered { outcome: Outcome::Underway, ..remembered }.made(&print), None);
    }
}
