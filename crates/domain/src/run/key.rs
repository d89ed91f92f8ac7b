//! How a receiver shows that it may report of an event: by a token that only this oncue can have written, in the addresses that
//! the delivery carries. It says which event it is about, and is good for that one alone and for as long as that one is kept. Nobody logs in, and nothing is stored: whoever has the key
//! reads the token, on whatever node.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;

use crate::id::EventId;

/// What the key is derived for: none of another purpose reads or writes its tokens.
const PURPOSE: &[u8] = b"oncue: reports of runs (1)";

/// How many bytes of the code a token carries: 192 bits, which nobody finds by trying.
const CODE_BYTES: usize = 24;

/// With how many signs of base64 it is written.
const CODE_CHARS: usize = CODE_BYTES * 4 / 3;

/// The least digits of an instant that a token names, so that no number with dots is taken for one.
const INSTANT_DIGITS_MIN: usize = 12;

/// The longest token; what is longer is not even looked at.
const TOKEN_CHARS_MAX: usize = 96;

/// The key of all tokens of one oncue, alike on all its nodes.
#[derive(Clone, PartialEq, Eq)]
pub struct ReportKey([u8; 32]);

impl std::fmt::Debug for ReportKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ReportKey(…)")
    }
}

impl ReportKey {
    /// The key that belongs to the server's own secret.
    pub fn derive(secret: &[u8]) -> ReportKey {
        ReportKey(mac(secret, PURPOSE).finalize().into_bytes().into())
    }

    /// The token for reports of the event that fired then.
    pub fn token(&self, event: EventId, fired_at: Timestamp) -> String {
        let said = said(event, fired_at);
        let code = mac(&self.0, said.as_bytes()).finalize().into_bytes();
        format!("{said}.{}", URL_SAFE_NO_PAD.encode(&code[..CODE_BYTES]))
    }

    /// Which event a token is about, and when that fired; none where this key did not write it. How long that takes tells nothing of
    /// what would have been right.
    pub fn read(&self, token: &str) -> Option<(EventId, Timestamp)> {
        if token.len() > TOKEN_CHARS_MAX {
            return None;
        }
        let (said, code) = token.rsplit_once('.')?;
        let code = URL_SAFE_NO_PAD.decode(code).ok().filter(|code| code.len() == CODE_BYTES)?;
        mac(&self.0, said.as_bytes()).verify_truncated_left(&code).ok()?;
        let (event, fired_at) = said.split_once('.')?;
        Some((EventId(event.parse().ok()?), Timestamp::from_microsecond(fired_at.parse().ok()?).ok()?))
    }
}

/// The same text with `*` for each sign of the codes in tokens about that event, so that whoever is shown what was sent may look and not report;
/// none where it holds none. A text may end in the middle of one.
pub fn without_codes(text: &[u8], event: EventId) -> Option<Vec<u8>> {
    let begin = format!("{event}.");
    let (mut hidden, mut at): (Option<Vec<u8>>, usize) = (None, 0);
    while let Some(found) = text[at..].windows(begin.len()).position(|window| window == begin.as_bytes()) {
        at += found + begin.len();
        let digits = text[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let from = at + digits + 1;
        if digits < INSTANT_DIGITS_MIN || text.get(at + digits) != Some(&b'.') {
            continue;
        }
        let code = text[from..].iter().take(CODE_CHARS).take_while(|byte| is_code(**byte)).count();
        if code == CODE_CHARS || from + code == text.len() {
            hidden.get_or_insert_with(|| text.to_vec())[from..from + code].fill(b'*');
            at = from + code;
        }
    }
    hidden
}

fn is_code(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_".contains(&byte)
}

fn said(event: EventId, fired_at: Timestamp) -> String {
    format!("{event}.{}", fired_at.as_microsecond())
}

fn mac(key: &[u8], said: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(said);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_microsecond(micros).expect("in range")
    }

    #[test]
    fn a_token_is_read_by_its_own_key_alone() {
        let (ours, theirs) = (ReportKey::derive(&[1; 32]), ReportKey::derive(&[2; 32]));
        let token = ours.token(EventId(29), at(1_802_680_202_500_001));
        assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)), "{token}");
        assert!(token.len() <= TOKEN_CHARS_MAX);
        assert_eq!(ours.read(&token), Some((EventId(29), at(1_802_680_202_500_001))));
        assert_eq!(theirs.read(&token), None);
        assert_eq!(format!("{ours:?}"), "ReportKey(…)");
    }

    #[test]
    fn what_is_shown_of_a_token_is_no_token() {
        let token = ReportKey::derive(&[1; 32]).token(EventId(29), at(1_802_680_202_500_001));
        let (said, code) = token.rsplit_once('.').expect("a dot");
        let stars = "*".repeat(code.len());
        let hide = |text: &str| {
            without_codes(text.as_bytes(), EventId(29)).map(|hidden| String::from_utf8(hidden).expect("text"))
        };
        let body = |code: &str| {
            format!(r#"{{"start": "https:\/\/o\/report\/{said}.{code}\/start", "more": "{said}.{code}"}}"#)
        };
        assert_eq!(hide(&body(code)), Some(body(&stars)), "as many bytes as before");
        for left in 1..code.len() {
            assert_eq!(
                hide(&format!("cut at {said}.{}", &code[..left])),
                Some(format!("cut at {said}.{}", &stars[..left]))
            );
        }
        for other in [said, "29.5.1", "version 29.1802680202500001.", "30.1802680202500001.x y", ""] {
            assert_eq!(hide(other).filter(|hidden| hidden != other), None, "{other}");
        }
        let of_another = without_codes(token.as_bytes(), EventId(28));
        assert_eq!(of_another, None);
    }

    #[test]
    fn no_changed_token_is_read() {
        let key = ReportKey::derive(&[1; 32]);
        let token = key.token(EventId(29), at(7));
        for place in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[place] = if bytes[place] == b'1' { b'2' } else { b'1' };
            let changed = String::from_utf8(bytes).expect("ASCII");
            assert_eq!(key.read(&changed), None, "{changed}");
        }
        let (said, code) = token.rsplit_once('.').expect("a dot");
        for other in [
            said.to_owned(),
            format!("{said}."),
            format!("{said}.{}", &code[..8]),
            format!("{token}AAAA"),
            String::new(),
            ".".repeat(5_000),
        ] {
            assert_eq!(key.read(&other), None, "{other}");
        }
    }
}
