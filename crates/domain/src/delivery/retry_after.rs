//! When a receiver itself says when to come back: the Retry-After header in both of its forms (RFC 9110 §10.2.3), and what chat and
//! code services say in their own ways. Only reads; how far it is obeyed stands in `verdict`.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use crate::outbound::Answer;

/// Who answers, as far as it matters for reading the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Receiver {
    /// Anybody who speaks HTTP.
    #[default]
    Plain,
    /// Discord, whose 429 says in its body to the millisecond when to come back.
    Discord,
    /// GitHub, whose 403 and 429 may name the instant in `x-ratelimit-reset`.
    Github,
    /// A mail server: a status is an SMTP reply code, and there are no headers.
    Mail,
}

/// What Discord says when it has had enough.
#[derive(Deserialize)]
struct Limited {
    retry_after: f64,
}

/// When the receiver wants to be asked again; none where it does not say, or says something that cannot be read.
pub fn asked_for(answer: &Answer, receiver: Receiver, now: Timestamp) -> Option<Timestamp> {
    let special = match receiver {
        Receiver::Discord if answer.status == 429 => limited_until(&answer.body, now),
        Receiver::Github if matches!(answer.status, 403 | 429) => quota_back_at(answer),
        _ => None,
    };
    special.or_else(|| header(answer, "retry-after").and_then(|value| header_says(value, now)))
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers.iter().find(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// Whole seconds, or a date of HTTP in any of its three forms.
fn header_says(value: &str, now: Timestamp) -> Option<Timestamp> {
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are a time beyond every event's end, which is where this leads.
        let seconds = value.parse().unwrap_or(i64::MAX);
        return Some(now.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Timestamp::try_from(date).ok()
}

fn limited_until(body: &[u8], now: Timestamp) -> Option<Timestamp> {
    let limited: Limited = serde_json::from_slice(body).ok()?;
    let wait = SignedDuration::try_from_secs_f64(limited.retry_after).ok()?;
    Some(now.checked_add(wait).unwrap_or(Timestamp::MAX))
}

fn quota_back_at(answer: &Answer) -> Option<Timestamp> {
    if header(answer, "x-ratelimit-remaining")? != "0" {
        return None;
    }
    Timestamp::from_second(header(answer, "x-ratelimit-reset")?.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a timestamp")
    }

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Answer { status, headers, body: body.as_bytes().to_vec() }
    }

    #[test]
    fn both_forms_of_retry_after_are_read() {
        let now = at("2027-02-15T08:30:00Z");
        let rows = [
            ("120", Some("2027-02-15T08:32:00Z")),
            (" 0 ", Some("2027-02-15T08:30:00Z")),
            ("Mon, 15 Feb 2027 09:00:00 GMT", Some("2027-02-15T09:00:00Z")),
            ("Monday, 15-Feb-27 09:00:00 GMT", Some("2027-02-15T09:00:00Z")),
            ("Mon Feb 15 09:00:00 2027", Some("2027-02-15T09:00:00Z")),
            ("Sun, 14 Feb 2027 09:00:00 GMT", Some("2027-02-14T09:00:00Z")),
            ("", None),
            ("-5", None),
            ("1.5", None),
            ("soon", None),
            ("15 Feb 2027", None),
        ];
        for (value, expected) in rows {
            let read = asked_for(&answer(503, &[("Retry-After", value)], ""), Receiver::Plain, now);
            assert_eq!(read, expected.map(at), "{value:?}");
        }
        let endless = answer(503, &[("retry-after", "99999999999999999999999")], "");
        assert_eq!(asked_for(&endless, Receiver::Plain, now), Some(Timestamp::MAX));
        assert_eq!(asked_for(&answer(503, &[], ""), Receiver::Plain, now), None);
    }

    #[test]
    fn discord_says_it_in_the_body() {
        let now = at("2027-02-15T08:30:00Z");
        let headers = [("retry-after", "65")];
        let body = r#"{"message": "You are being rate limited.", "retry_after": 64.57, "global": false}"#;
        let limited = answer(429, &headers, body);
        assert_eq!(asked_for(&limited, Receiver::Discord, now), Some(at("2027-02-15T08:31:04.57Z")));
        assert_eq!(asked_for(&limited, Receiver::Plain, now), Some(at("2027-02-15T08:31:05Z")));
        let unreadable = answer(429, &headers, "<html>");
        assert_eq!(asked_for(&unreadable, Receiver::Discord, now), Some(at("2027-02-15T08:31:05Z")));
    }

    #[test]
    fn github_names_the_instant_at_which_its_quota_is_back() {
        let now = at("2027-02-15T08:30:00Z");
        let used_up = answer(403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1802682000")], "");
        assert_eq!(asked_for(&used_up, Receiver::Github, now), Some(at("2027-02-15T09:00:00Z")));
        let forbidden = answer(403, &[("x-ratelimit-remaining", "59"), ("x-ratelimit-reset", "1802682000")], "");
        assert_eq!(asked_for(&forbidden, Receiver::Github, now), None);
    }

    proptest! {
        #[test]
        fn no_answer_panics(status: u16, value: String, body: String, retry_after: f64) {
            let now = at("2027-02-15T08:30:00Z");
            let headers = [("retry-after", value.as_str()), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", value.as_str())];
            for receiver in [Receiver::Plain, Receiver::Discord, Receiver::Github, Receiver::Mail] {
                asked_for(&answer(status, &headers, &body), receiver, now);
                asked_for(&answer(status, &headers, &format!("{{\"retry_after\": {retry_after:?}}}")), receiver, now);
            }
        }
    }
}
