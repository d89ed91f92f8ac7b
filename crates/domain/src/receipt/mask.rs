//! What a receiver repeats of a request's secrets: some answer with everything that they were sent. It is taken out before anything of
//! the answer is kept or shown.

use crate::arrival::HIDDEN;
use crate::outbound::{ANSWER_BYTES_MAX, Answer};

/// Shorter values are no secrets, and stand in answers for other reasons.
const BYTES_MIN: usize = 6;

/// So much of the beginning of a secret is recognised where an answer was cut in its middle.
const CUT_BYTES_MIN: usize = 4;

/// Headers whose values say how the exchange is to go: they stand in answers for reasons of their own.
const NO_SECRETS: [&str; 7] = ["accept", "cache-control", "date", "origin", "pragma", "prefer", "priority"];

/// The values that a request's owner put into its headers.
#[derive(Debug, Default)]
pub(super) struct Secrets(Vec<Vec<u8>>);

impl Secrets {
    pub(super) fn add(&mut self, name: &str, value: &str) {
        if NO_SECRETS.contains(&name) || name.starts_with("accept-") {
            return;
        }
        // `Bearer s3cr3t`: the word before the token is no part of it (RFC 9110 §11.4).
        let token = value.rsplit(' ').next().unwrap_or(value);
        for secret in [value, token] {
            if secret.len() >= BYTES_MIN && !self.0.iter().any(|known| known == secret.as_bytes()) {
                self.0.push(secret.as_bytes().to_vec());
            }
        }
    }

    /// Takes them out of the answer.
    pub(super) fn mask(&self, answer: &mut Answer) {
        for secret in &self.0 {
            for (_, value) in &mut answer.headers {
                if find(value.as_bytes(), secret).is_some() {
                    *value = String::from_utf8_lossy(&without(value.as_bytes(), secret)).into_owned();
                }
            }
            let is_cut = answer.body.len() >= ANSWER_BYTES_MAX;
            if find(&answer.body, secret).is_some() {
                answer.body = without(&answer.body, secret);
            }
            if is_cut && let Some(begun) = begun_at_end(&answer.body, secret) {
                answer.body.truncate(answer.body.len() - begun);
            }
            // What stands for a secret may be longer than it was.
            answer.body.truncate(ANSWER_BYTES_MAX);
        }
    }
}

fn find(text: &[u8], secret: &[u8]) -> Option<usize> {
    text.windows(secret.len()).position(|window| window == secret)
}

fn without(text: &[u8], secret: &[u8]) -> Vec<u8> {
    let mut masked = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = find(rest, secret) {
        masked.extend_from_slice(&rest[..at]);
        masked.extend_from_slice(HIDDEN.as_bytes());
        rest = &rest[at + secret.len()..];
    }
    masked.extend_from_slice(rest);
    masked
}

/// How many bytes at the end are the beginning of the secret.
fn begun_at_end(text: &[u8], secret: &[u8]) -> Option<usize> {
    (CUT_BYTES_MIN..secret.len()).rev().find(|bytes| text.ends_with(&secret[..*bytes]))
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
    }

    #[test]
    fn a_secret_that_was_cut_is_hidden_as_well() {
        let mut body = vec![b'.'; ANSWER_BYTES_MAX - 8];
        body.extend_from_slice(b"s3cr3t-t");
        let answer = masked("x-key", "s3cr3t-token", &body);
        assert!(answer.body.iter().all(|byte| *byte == b'.'));
        let many = b"secret-".repeat(ANSWER_BYTES_MAX / 7);
        assert!(masked("x-key", "secret-", &many).body.len() <= ANSWER_BYTES_MAX);
        assert_eq!(masked("x-key", "s3cr3t-token", b"the end is s3cr3t").body, b"the end is s3cr3t", "not cut");
    }
}
