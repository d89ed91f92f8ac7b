//! What a receiver repeats of a request's secrets: some answer with everything that they were sent. It is taken out before anything of
//! the answer is kept or shown, also where the answer spells it as JSON, addresses or HTML do (`spelling`).

use crate::arrival::HIDDEN;
use crate::outbound::{ANSWER_BYTES_MAX, Answer};
use crate::signature::SigningSecret;

use super::spelling::{Match, Spelling};

/// Shorter values are no secrets, and stand in answers for other reasons.
const BYTES_MIN: usize = 4;

/// So much of the beginning of a secret is recognised at the end of an answer that may be whole.
const BEGUN_BYTES_MIN: usize = 4;

/// For how many signs of all secrets together one answer is searched, some 20 ms; owners may have chosen secrets and answers such that
/// all of each would have to be compared everywhere. What is left by then is hidden as a whole.
const STEPS_MAX: usize = 4_000_000;

/// Headers whose values say how the exchange is to go: they stand in answers for reasons of their own.
const NO_SECRETS: [&str; 7] = ["accept", "cache-control", "date", "origin", "pragma", "prefer", "priority"];

/// Words that JSON is made of, and no secrets.
const WORDS: [&str; 3] = ["true", "false", "null"];

/// What a destination's owner typed in or was given, and nobody is shown again.
#[derive(Debug, Default)]
pub(super) struct Secrets(Vec<Vec<u8>>);

impl Secrets {
    /// The value of a header.
    pub(super) fn add(&mut self, name: &str, value: &str) {
        if NO_SECRETS.contains(&name) || name.starts_with("accept-") {
            return;
        }
        // `Bearer s3cr3t`: the word before the token is no part of it (RFC 9110 §11.4).
        let token = value.rsplit(' ').next().unwrap_or(value);
        self.hide(value);
        self.hide(token);
    }

    /// What calls are signed with. The key alone is looked for: it gives everything away without its prefix, too, and without what pads it.
    pub(super) fn add_signing(&mut self, secret: &SigningSecret) {
        let text = secret.reveal();
        let key = text.split_once('_').map_or(text.as_str(), |(_, key)| key);
        self.hide(key.trim_end_matches('='));
    }

    fn hide(&mut self, secret: &str) {
        let is_known = self.0.iter().any(|known| known == secret.as_bytes());
        if secret.len() >= BYTES_MIN && !WORDS.contains(&secret) && !is_known {
            self.0.push(secret.as_bytes().to_vec());
        }
    }

    /// Takes them out of the answer.
    pub(super) fn mask(&self, answer: &mut Answer) {
        if self.0.is_empty() {
            return;
        }
        let mut search = Search::new(&self.0);
        for (_, value) in &mut answer.headers {
            if let Some(masked) = search.without(value.as_bytes(), false) {
                *value = String::from_utf8_lossy(&masked).into_owned();
            }
        }
        let is_cut = answer.body.len() >= ANSWER_BYTES_MAX;
        if let Some(masked) = search.without(&answer.body, is_cut) {
            answer.body = masked;
        }
        // What stands for a secret may be longer than it was.
        answer.body.truncate(ANSWER_BYTES_MAX);
    }
}

/// One answer's search.
struct Search<'a> {
    secrets: &'a [Vec<u8>],
    /// With which bytes a secret can begin, however it is spelt.
    begins: [bool; 256],
    steps_left: usize,
}

impl<'a> Search<'a> {
    fn new(secrets: &'a [Vec<u8>]) -> Search<'a> {
        let mut begins = [false; 256];
        let first = secrets.iter().filter_map(|secret| secret.first()).chain(&Spelling::SIGNS);
        first.for_each(|byte| begins[usize::from(*byte)] = true);
        Search { secrets, begins, steps_left: STEPS_MAX }
    }

    /// The text without the secrets; none where there are none in it.
    fn without(&mut self, text: &[u8], is_cut: bool) -> Option<Vec<u8>> {
        let mut masked = Vec::new();
        let (mut kept, mut at) = (0, 0);
        while at < text.len() {
            let found = if self.begins[usize::from(text[at])] { self.longest(&text[at..]) } else { Match::No };
            let bytes = match found {
                Match::No => {
                    at += 1;
                    continue;
                }
                Match::Whole(bytes) => bytes,
                // An answer that was not read to its end looks like a whole one.
                Match::Begun(begun) if is_cut || begun >= BEGUN_BYTES_MIN => text.len() - at,
                Match::Begun(_) => {
                    at += 1;
                    continue;
                }
            };
            masked.extend_from_slice(&text[kept..at]);
            masked.extend_from_slice(HIDDEN.as_bytes());
            at += bytes;
            kept = at;
        }
        (kept > 0).then(|| {
            masked.extend_from_slice(&text[kept..]);
            masked
        })
    }

    /// The longest secret that the text begins with, else what of one it holds to its end.
    fn longest(&mut self, text: &[u8]) -> Match {
        let mut longest = Match::No;
        for secret in self.secrets {
            for spelling in Spelling::ALL {
                longest = longest.max(spelling.find(text, secret, &mut self.steps_left));
            }
        }
        if self.steps_left == 0 { Match::Whole(text.len()) } else { longest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(name: &str, value: &str, body: &[u8]) -> Answer {
        let mut secrets = Secrets::default();
        secrets.add(name, value);
        let headers = vec![("x-echo".to_owned(), format!("you said {value}!"))];
        let mut answer = Answer { status: 200, headers, body: body.to_vec() };
        secrets.mask(&mut answer);
        answer
    }

    fn body(value: &str, body: &str) -> String {
        String::from_utf8(masked("x-key", value, body.as_bytes()).body).expect("text")
    }

    #[test]
    fn what_is_repeated_is_hidden_with_and_without_the_word_before_it() {
        let answer = masked("authorization", "Bearer s3cr3t-token", b"a Bearer s3cr3t-token b s3cr3t-token");
        assert_eq!(String::from_utf8_lossy(&answer.body), "a (hidden) b (hidden)");
        assert_eq!(answer.headers[0].1, "you said (hidden)!");
    }

    #[test]
    fn what_is_no_secret_stays() {
        assert_eq!(masked("accept", "application/json", b"application/json").body, b"application/json");
        assert_eq!(masked("x-version", "1", b"1 1 1").body, b"1 1 1");
        assert_eq!(body("true", r#"{"ok": true}"#), r#"{"ok": true}"#);
        assert_eq!(body("a7f", "a7f"), "a7f", "shorter than what is looked for");
        assert_eq!(body("a7f3", "a7f3"), "(hidden)");
    }

    #[test]
    fn it_is_hidden_as_json_addresses_and_html_spell_it() {
        let secret = "a\"b\\c/d&<é 100%+😀";
        for spelt in [
            r#"a\"b\\c\/d\u0026\u003cé 100%+😀"#,
            r#"a\"b\\c/d&<\u00e9 100%+\ud83d\uDE00"#,
            "a%22b%5Cc%2Fd%26%3c%C3%A9+100%25%2B%F0%9F%98%80",
            "a%22b%5cc/d%26%3C%c3%a9%20100%25%2b😀",
            "a&quot;b\\c/d&amp;&lt;é 100%+😀",
            "a&#34;b&#92;c&#x2F;d&amp;&#60;&#xE9; 100%&#43;&#128512;",
        ] {
            assert_eq!(body(secret, &format!("({spelt})")), "((hidden))", "{spelt}");
        }
        assert_eq!(body("a%25b", "a%25b a%2525b"), "(hidden) (hidden)");
        assert_eq!(body("%%%%x", "%%%%%x"), "%(hidden)");
        assert_eq!(body("s3cr3t", "s3cr%3 &; &#; &#x110000; \\u12 %"), "s3cr%3 &; &#; &#x110000; \\u12 %");
    }

    #[test]
    fn a_signing_secret_is_hidden_with_and_without_its_prefix_and_what_pads_it() {
        for secret in [SigningSecret::symmetric([0xfb; 32]), SigningSecret::asymmetric([7; 32])] {
            let mut secrets = Secrets::default();
            secrets.add_signing(&secret);
            let text = secret.reveal();
            let (prefix, key) = text.split_once('_').expect("a prefix");
            let bare = key.trim_end_matches('=');
            let spelt = key.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
            let said = format!("{text} {key} {bare} {prefix}_{spelt}");
            let mut answer = Answer { status: 200, headers: Vec::new(), body: said.into_bytes() };
            secrets.mask(&mut answer);
            let said = String::from_utf8(answer.body).expect("text");
            assert_eq!(said, format!("{prefix}_(hidden)= (hidden)= (hidden) {prefix}_(hidden)%3D"));
        }
    }

    #[test]
    fn of_two_secrets_the_longer_one_is_hidden_and_what_stands_for_it_is_left_alone() {
        let mut secrets = Secrets::default();
        ["token", "token-of-ann", "hidden"].into_iter().for_each(|value| secrets.add("x-key", value));
        let mut answer = Answer { status: 200, headers: Vec::new(), body: b"token-of-ann token".to_vec() };
        secrets.mask(&mut answer);
        assert_eq!(String::from_utf8_lossy(&answer.body), "(hidden) (hidden)");
    }

    #[test]
    fn a_secret_that_was_cut_is_hidden_as_well_however_little_of_it_is_left() {
        for left in 1.."s3cr3t-token".len() {
            let mut text = vec![b'.'; ANSWER_BYTES_MAX - left];
            text.extend_from_slice(&b"s3cr3t-token"[..left]);
            let answer = masked("x-key", "s3cr3t-token", &text);
            assert_eq!(answer.body.iter().filter(|byte| **byte == b'.').count(), ANSWER_BYTES_MAX - left);
            let end = &answer.body[ANSWER_BYTES_MAX - left..];
            assert!(HIDDEN.as_bytes().starts_with(end) && answer.body.len() <= ANSWER_BYTES_MAX, "{end:?}");
        }
        let many = b"secret-".repeat(ANSWER_BYTES_MAX / 7);
        assert!(masked("x-key", "secret-", &many).body.len() <= ANSWER_BYTES_MAX);
        assert_eq!(body("s3cr3t-token", "broken off at s3cr3t"), "broken off at (hidden)");
        assert_eq!(body("s3cr3t-token", "there were s3c"), "there were s3c");
    }

    #[test]
    fn from_where_searching_takes_too_long_everything_is_hidden() {
        let mut secrets = Secrets::default();
        for end in ["b", "c", "d", "e"] {
            secrets.add("x-key", &format!("{}{end}", "a".repeat(8000)));
        }
        let mut answer = Answer { status: 200, headers: Vec::new(), body: vec![b'a'; ANSWER_BYTES_MAX] };
        secrets.mask(&mut answer);
        let left = answer.body.strip_suffix(HIDDEN.as_bytes()).expect("the rest is hidden");
        assert!(left.len() < ANSWER_BYTES_MAX / 100, "{}", left.len());
    }
}
