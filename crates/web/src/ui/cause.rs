//! Why an attempt failed, in words for whoever owns the trigger, and what they can do about it. What was kept of the attempt
//! goes in (a status, or the sentence in which the way out said why there was none), two sentences come out.

use oncue_domain::delivery::Attempt;
use oncue_domain::message::INBOX_ADDRESS;
use oncue_domain::receipt::Sent;

/// By which way an attempt went: the same number means another thing on another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// To whoever answers with a status of HTTP.
    Http,
    /// To a mail server.
    Mail,
    /// To the inbox, which stays inside oncue.
    Inbox,
}

impl Way {
    /// That of what was sent, where it is known.
    pub(crate) fn of_sent(sent: Option<&Sent>) -> Way {
        match sent {
            Some(sent) if sent.method.is_none() => Way::Mail,
            Some(sent) if sent.address == INBOX_ADDRESS => Way::Inbox,
            _ => Way::Http,
        }
    }

    /// That to a destination of this kind.
    pub(crate) fn of_kind(word: &str) -> Way {
        match word {
            "email" => Way::Mail,
            "inbox" => Way::Inbox,
            _ => Way::Http,
        }
    }
}

/// A cause and a remedy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cause {
    /// What happened.
    pub(crate) what: &'static str,
    /// What can be done.
    pub(crate) remedy: &'static str,
}

impl Cause {
    /// Why this attempt, which went that way, failed; none where it did not.
    pub(crate) fn of(attempt: &Attempt, way: Way) -> Option<Cause> {
        match (attempt.status, &attempt.error) {
            (Some(200..=299), _) => None,
            (Some(code), _) if way == Way::Mail => Some(of_reply(code)),
            (Some(_), _) if way == Way::Inbox => Some(INBOX),
            (Some(403), _) if speaks_of_limit(attempt) => Some(of_status(429)),
            (Some(status), _) => Some(of_status(status)),
            (None, Some(error)) => Some(of_error(error)),
            (None, None) => Some(UNKNOWN),
        }
    }
}

const fn cause(what: &'static str, remedy: &'static str) -> Cause {
    Cause { what, remedy }
}

const UNKNOWN: Cause = cause(
    "The request did not get an answer.",
    "Look at the receiver's log for that moment, and test the trigger again.",
);

const INBOX: Cause = cause(
    "The inbox answered as it was told to.",
    "Its settings say with which status; let it be 200 to see a delivery succeed.",
);

/// How much of an answer is searched for what it says.
const SEARCHED_BYTES_MAX: usize = 2048;

/// Whether the answer says that a limit is used up: GitHub says so with 403.
fn speaks_of_limit(attempt: &Attempt) -> bool {
    let answer = attempt.answer.as_deref().unwrap_or_default();
    let said = String::from_utf8_lossy(&answer[..answer.len().min(SEARCHED_BYTES_MAX)]);
    said.to_ascii_lowercase().contains("rate limit")
}

fn of_status(status: u16) -> Cause {
    match status {
        304 => cause(
            "The receiver answered that nothing has changed, which is no answer to a delivery.",
            "Check that the address is that of a webhook: only 2xx counts as received.",
        ),
        300..=399 => cause(
            "The receiver wants the request to go to another address. Redirects are not followed, so that a receiver cannot send your data elsewhere.",
            "Put the final address in the place of this one; often it is the same with https:// or with a slash at the end.",
        ),
        400 | 422 => cause(
            "The receiver understood the request and did not like its body.",
            "Compare the request with what the receiver expects; its answer often names the field. Discord and Slack need their own format.",
        ),
        401 => cause(
            "The receiver wants to know who is asking.",
            "Give the destination the header that the receiver asks for, such as authorization, or check the one that it has.",
        ),
        403 => cause(
            "The receiver refused the request.",
            "Check that the token, or the secret in the address, is still right and may do this, and that the receiver lets requests of this server in.",
        ),
        404 => cause(
            "The receiver has nothing at this path.",
            "Check the path of the webhook address for a typing error; chat webhooks answer so after they were deleted.",
        ),
        405 => cause("The receiver takes no POST requests at this path.", "Check the path of the webhook address."),
        408 => {
            cause("The receiver did not get the whole request in time.", "Where it happens often, look at the network.")
        }
        410 => cause(
            "The receiver says that this address is gone for good.",
            "Make a new webhook there and put its address in the place of this one. A destination that was answered so is suspended: resume it then.",
        ),
        413 => cause(
            "The request is too large for the receiver.",
            "Make the payload smaller, or raise the limit of the receiver or of the proxy in front of it.",
        ),
        415 => cause(
            "The receiver does not take the media type of the request.",
            "The format json is sent as application/cloudevents+json; let the receiver accept it, or choose the format that it knows.",
        ),
        421 => cause(
            "The server at that address does not answer to that name.",
            "Check the host of the webhook address and where its name leads.",
        ),
        425 | 429 => cause(
            "The receiver gets too many requests.",
            "Each next attempt waits longer. Where it happens often, fire less often or raise the receiver's limit.",
        ),
        400..=499 => cause(
            "The receiver refused the request.",
            "Its answer may say why; compare the request with what it expects.",
        ),
        502..=504 => {
            cause("The receiver's proxy answered, and what lies behind it did not.", "Check that the receiver runs.")
        }
        500..=599 => cause("The receiver ran into an error of its own.", "Look at the receiver's log for that moment."),
        _ => cause(
            "What the receiver answered is neither success nor a known error.",
            "Check that the address is that of a webhook: only 2xx counts as received.",
        ),
    }
}

/// A mail server's reply (RFC 5321 §4.2, RFC 4954 §6).
fn of_reply(code: u16) -> Cause {
    match code {
        530 | 534 | 535 | 538 => cause(
            "The mail server did not take the user name and password.",
            "Type them again at the destination; some providers want a password made for programs.",
        ),
        421 | 450..=452 => cause(
            "The mail server is busy, or wants the same mail again later.",
            "It is tried again by itself. Where it happens often, ask whoever runs the mail server.",
        ),
        550 | 551 | 553 => cause(
            "The mail server knows no such mailbox, or does not take mail from this sender.",
            "Check the addresses of sender and recipients; many servers take only senders of their own.",
        ),
        552 | 554 => cause(
            "The mail server refused the mail itself.",
            "Its reply says why: it may look like spam to it, or be too large.",
        ),
        400..=499 => {
            cause("The mail server could not take the mail now.", "It is tried again by itself; its reply says why.")
        }
        _ => cause("The mail server refused the mail.", "Its reply says why."),
    }
}

/// What the sentences of the way out begin with or hold, and what stands behind them; the first that fits.
const BY_WORDS: [(&str, Cause); 39] = [
    (
        "egress proxy opened no connection to the receiver within",
        cause(
            "The proxy through which deliveries leave did not answer in time.",
            "Whoever runs the server should look at the proxy: it did not say whether the receiver can be reached.",
        ),
    ),
    (
        "egress proxy wants another user name and password",
        cause(
            "The proxy through which deliveries leave wants a user name and a password.",
            "Whoever runs the server should put the right ones into --egress-proxy (ONCUE_EGRESS_PROXY).",
        ),
    ),
    (
        "is not an HTTP proxy",
        cause(
            "What answers as the proxy through which deliveries leave is none.",
            "Whoever runs the server should check host and port in --egress-proxy (ONCUE_EGRESS_PROXY).",
        ),
    ),
    (
        "gives no connection",
        cause(
            "The proxy through which deliveries leave cannot be reached.",
            "Whoever runs the server should check that it runs, and host and port in --egress-proxy (ONCUE_EGRESS_PROXY).",
        ),
    ),
    (
        "found no way to the receiver",
        cause(
            "The proxy through which deliveries leave cannot reach the receiver.",
            "Check that the receiver's machine runs; whoever runs the server finds more in the proxy's log.",
        ),
    ),
    (
        "offers no STARTTLS",
        cause(
            "The mail server offers no secure connection on that port.",
            "Check the port: 587 is the usual one for starttls, 465 the one for tls. Nothing is sent in the clear.",
        ),
    ),
    (
        "offers no login",
        cause(
            "The mail server takes no user name and password on that port.",
            "Check the port, or leave user and password out.",
        ),
    ),
    (
        "The mail could not be written",
        cause("The mail cannot be written as it is.", "Check the addresses of sender and recipients."),
    ),
    (
        "does not fit this event",
        cause(
            "A template of the destination cannot be filled in with this event.",
            "Mend the template, or send payloads that have what it asks for; `default` fills in what may be missing.",
        ),
    ),
    (
        "did not take the mail within",
        cause("The mail server did not take the mail in time.", "Check that it is reachable and not overloaded."),
    ),
    (
        "GitHub takes at most",
        cause("The event is larger than what GitHub takes.", "Send a smaller payload, or only a part of it as inputs."),
    ),
    (
        "The inbox was deleted",
        cause("The inbox was deleted while the delivery was under way.", "Let the trigger name another destination."),
    ),
    (
        "The inbox did not answer",
        cause("The inbox was told to answer later than a delivery waits.", "Let it answer sooner, or wait longer."),
    ),
    (
        "egress proxy",
        cause(
            "The proxy through which deliveries leave let this one through to nobody.",
            "Whoever runs the server should look at the proxy's log: it must allow CONNECT to the receiver's address and port.",
        ),
    ),
    (
        "--allow-private-destinations",
        cause(
            "The address is not on the public internet, and deliveries there are switched off.",
            "Start the server with --allow-private-destinations (ONCUE_ALLOW_PRIVATE_DESTINATIONS) if you trust everybody who may make triggers, open this place alone with --allow-destinations, or use a public address.",
        ),
    ),
    (
        "deliveries never go there",
        cause("The address is one that deliveries never go to.", "Name the receiver's public address."),
    ),
    (
        "belongs to another protocol than HTTP",
        cause("The port belongs to another protocol.", "Let the receiver listen on another port."),
    ),
    (
        "could not be resolved",
        cause(
            "The receiver's name leads nowhere (DNS).",
            "Check the host of the webhook address for a typing error, and that the name can be resolved on the server's machine.",
        ),
    ),
    (
        "Looking up the receiver's name took longer",
        cause(
            "The name server did not answer in time (DNS).",
            "Where it happens often, look at the name servers of the server's machine.",
        ),
    ),
    (
        "refused the connection",
        cause(
            "The machine is there, but nothing listens on that port.",
            "Start the receiver, and check the port and that it does not listen on its own machine only.",
        ),
    ),
    (
        "could not be reached",
        cause(
            "Nothing answered at the address.",
            "Check that the receiver's machine runs and that no firewall drops the connection.",
        ),
    ),
    (
        "no way to the receiver",
        cause(
            "The server's network has no way to the address.",
            "Check the server's connection, and whether the address is IPv6 where there is only IPv4.",
        ),
    ),
    ("it has expired", cause("The receiver's TLS certificate has expired.", "Renew the certificate of the receiver.")),
    (
        "it is not valid yet",
        cause(
            "The receiver's TLS certificate is not valid yet.",
            "Check the certificate, and the clocks of both machines.",
        ),
    ),
    (
        "not signed by a public authority",
        cause(
            "The receiver's TLS certificate is signed by an authority that is not public.",
            "Give the receiver a public certificate, with its intermediate certificates, or start the server with --extra-ca and your own authority.",
        ),
    ),
    (
        "made for another name",
        cause(
            "The receiver's TLS certificate bears another name.",
            "Use the name that the certificate was made for, or have one made for this name.",
        ),
    ),
    (
        "TLS certificate cannot be trusted",
        cause("The receiver's TLS certificate cannot be trusted.", "Check the certificate of the receiver."),
    ),
    (
        "during the TLS handshake",
        cause(
            "The receiver hung up when TLS began.",
            "Often the port speaks http:// and not https://; check the scheme and the port.",
        ),
    ),
    (
        "TLS handshake",
        cause(
            "The secure connection (TLS) did not come about.",
            "Check that the receiver speaks TLS 1.2 or 1.3 on that port.",
        ),
    ),
    (
        "did not answer within",
        cause(
            "The receiver took the request and did not answer in time.",
            "Let it answer first and work afterwards: any 2xx says that the event was received.",
        ),
    ),
    (
        "closed the connection while it was being opened",
        cause("The receiver hung up at once.", "Check that the receiver runs and is not overloaded."),
    ),
    (
        "closed the connection without answering",
        cause(
            "The receiver took the request and hung up without an answer.",
            "Look at its log: often it crashed on the request, or it is not an HTTP server.",
        ),
    ),
    (
        "broke before it answered",
        cause("The connection broke on the way.", "Where it happens often, look at the network."),
    ),
    (
        "connection to the receiver failed",
        cause("The connection did not come about.", "Check the address, and the network between the two machines."),
    ),
    (
        "header lines",
        cause("The head of the receiver's answer is too long to be read.", "Let the receiver send fewer headers."),
    ),
    (
        "and no answer",
        cause(
            "The receiver sent and sent, and none of it was an answer.",
            "Check that the address is that of a web server.",
        ),
    ),
    (
        "is not HTTP/1.1",
        cause(
            "What answered at that address does not speak HTTP, or breaks its rules.",
            "Check the port and the scheme: perhaps it speaks https://, or it is no web server. An answer with two lengths or a broken head is refused, too.",
        ),
    ),
    (
        "no default destination any more",
        cause(
            "The trigger names no destination, and the server has no default one any more.",
            "Give the trigger a webhook address, or ask whoever runs the server.",
        ),
    ),
    (
        "HTTP does not allow",
        cause(
            "The address holds characters that cannot be sent.",
            "Write the webhook address again, with anything unusual percent-encoded.",
        ),
    ),
];

fn of_error(error: &str) -> Cause {
    let found = BY_WORDS.iter().find(|(words, _)| error.contains(words)).map(|(_, cause)| *cause);
    // What the guard says of an address that it refuses stands for itself.
    found.unwrap_or(if error.contains("webhook address") {
        cause("The webhook address cannot be used.", "Put a right address in its place.")
    } else {
        UNKNOWN
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use oncue_domain::destination::{Egress, Reach};

    fn what(status: Option<u16>, error: Option<&str>) -> Option<&'static str> {
        let attempt = Attempt {
            number: 1,
            started_at: Timestamp::UNIX_EPOCH,
            took_us: 1,
            status,
            error: error.map(str::to_owned),
            answer: None,
        };
        Cause::of(&attempt, Way::Http).map(|cause| cause.what)
    }

    #[test]
    fn every_status_that_is_no_success_has_a_cause() {
        for status in 100..600 {
            assert_eq!(what(Some(status), None).is_none(), (200..300).contains(&status), "{status}");
        }
        #[rustfmt::skip]
        let rows = [
            (301, "another address"), (304, "nothing has changed"), (308, "another address"), (400, "did not like its body"), (401, "who is asking"),
            (403, "refused"), (404, "nothing at this path"), (405, "no POST"), (410, "gone for good"), (413, "too large"),
            (415, "media type"), (418, "refused"), (422, "did not like its body"), (429, "too many requests"),
            (500, "error of its own"), (501, "error of its own"), (502, "proxy"), (503, "proxy"), (504, "proxy"),
            (100, "neither success"),
        ];
        for (status, words) in rows {
            assert!(what(Some(status), None).is_some_and(|what| what.contains(words)), "{status}: {words}");
        }
    }

    /// The sentences as the way out writes them.
    #[test]
    fn every_sentence_of_the_way_out_has_a_cause() {
        #[rustfmt::skip]
        let rows = [
            ("The receiver refused the connection; check that it is running and listens on that port.", "nothing listens"),
            ("The receiver's name could not be resolved; check the address for a typing error.", "(DNS)"),
            ("Looking up the receiver's name took longer than 3 s.", "(DNS)"),
            ("The receiver could not be reached within 5 s.", "Nothing answered"),
            ("The receiver could not be reached.", "Nothing answered"),
            ("There is no way to the receiver from this network.", "no way"),
            ("The receiver closed the connection while it was being opened.", "at once"),
            ("The connection to the receiver failed: Permission denied (os error 13).", "did not come about"),
            ("The receiver did not complete the TLS handshake within 5 s.", "TLS"),
            ("The receiver's TLS certificate cannot be trusted: it has expired.", "has expired"),
            ("The receiver's TLS certificate cannot be trusted: it is not valid yet.", "not valid yet"),
            ("The receiver's TLS certificate cannot be trusted: it is not signed by a public authority.", "not public"),
            ("The receiver's TLS certificate cannot be trusted: it was made for another name.", "another name"),
            ("The receiver's TLS certificate cannot be trusted: it was revoked.", "cannot be trusted"),
            ("The receiver's TLS certificate cannot be trusted: it is malformed or not meant for a server.", "cannot be trusted"),
            ("The TLS handshake with the receiver failed: received fatal alert: ProtocolVersion.", "TLS"),
            ("The receiver closed the connection during the TLS handshake; check that it speaks https on that port.", "TLS began"),
            ("The receiver did not answer within 15 s.", "in time"),
            ("The receiver closed the connection without answering.", "without an answer"),
            ("The connection to the receiver broke before it answered.", "broke"),
            ("The receiver's answer has more than 100 header lines or 32 KiB of them.", "too long"),
            ("What the receiver answered is not HTTP/1.1.", "does not speak HTTP"),
            ("The request could not be written: the webhook address holds characters that HTTP does not allow.", "cannot be sent"),
            ("The server has no default destination any more.", "no default one"),
            ("The operator's egress proxy opened no connection to the receiver within 10 s.", "proxy through which deliveries leave did not answer"),
            ("The operator's egress proxy wants another user name and password (407); they stand in --egress-proxy (ONCUE_EGRESS_PROXY).", "user name"),
            ("What answers as the operator's egress proxy (--egress-proxy, ONCUE_EGRESS_PROXY) is not an HTTP proxy.", "is none"),
            ("The operator's egress proxy (--egress-proxy, ONCUE_EGRESS_PROXY) gives no connection: refused.", "cannot be reached"),
            ("The operator's egress proxy found no way to the receiver (502).", "cannot reach the receiver"),
            ("The operator's egress proxy does not let deliveries go to this address (403).", "let this one through"),
            ("The mail server offers no STARTTLS, and nothing is sent in the clear; check the port, or choose TLS.", "no secure connection"),
            ("The template of the body does not fit this event. There is no value `payload.a`.", "cannot be filled in"),
            ("The mail server did not take the mail within 15 s.", "mail server"),
            ("The inputs have 70000 characters together; GitHub takes at most 65535.", "larger than what GitHub"),
            ("The inbox was deleted.", "deleted"),
            ("The inbox did not answer within 5 s.", "later than"),
            ("The webhook address names no host or no known scheme.", "cannot be used"),
        ];
        for (error, words) in rows {
            let what = what(None, Some(error)).expect("a failure has a cause");
            assert!(what.contains(words), "{error}: {what}");
        }
        assert_eq!(what(None, Some("something new")), Some(UNKNOWN.what));
        assert_eq!(what(None, None), Some(UNKNOWN.what));
    }

    #[test]
    fn a_code_of_a_mail_server_is_read_as_one() {
        let what = |code| {
            let attempt = Attempt {
                number: 1,
                started_at: Timestamp::UNIX_EPOCH,
                took_us: 1,
                status: Some(code),
                error: None,
                answer: None,
            };
            Cause::of(&attempt, Way::Mail).map(|cause| cause.what)
        };
        for (code, words) in [
            (535, "password"),
            (421, "busy"),
            (451, "busy"),
            (454, "now"),
            (550, "mailbox"),
            (554, "itself"),
            (503, "refused"),
        ] {
            assert!(what(code).is_some_and(|what| what.contains("mail server") && what.contains(words)), "{code}");
        }
        assert_eq!(what(250), None);
    }

    #[test]
    fn an_inbox_answers_for_itself_and_a_used_up_limit_is_no_wrong_token() {
        let cause = |status, answer: &str, way| {
            let attempt = Attempt {
                number: 1,
                started_at: Timestamp::UNIX_EPOCH,
                took_us: 1,
                status: Some(status),
                error: None,
                answer: Some(answer.as_bytes().to_vec()),
            };
            Cause::of(&attempt, way).map(|cause| cause.what).unwrap_or_default()
        };
        assert!(cause(503, "", Way::of_kind("inbox")).contains("as it was told"));
        let limit = r#"{"message": "API rate limit exceeded for user ID 1."}"#;
        assert!(cause(403, limit, Way::of_kind("github")).contains("too many requests"));
        assert!(cause(403, r#"{"message": "Bad credentials"}"#, Way::Http).contains("refused"));
        let sent = |method, address: &str| Sent {
            method,
            address: address.to_owned(),
            headers: Vec::new(),
            body: "".into(),
            body_bytes: 0,
        };
        let post = Some(oncue_domain::outbound::Method::Post);
        assert_eq!(Way::of_sent(Some(&sent(None, "smtps://smtp.example.com:465"))), Way::Mail);
        assert_eq!(Way::of_sent(Some(&sent(post, INBOX_ADDRESS))), Way::Inbox);
        assert_eq!(Way::of_sent(Some(&sent(post, "https://example.com/"))), Way::Http);
        assert_eq!(Way::of_sent(None), Way::Http);
    }

    /// The guard's own sentences, as it says them today.
    #[test]
    fn a_blocked_address_names_what_would_let_it_through() {
        let refusal = |reach, address: &str, port| {
            let egress = Egress::new(reach, vec!["127.0.0.1:8000".parse().expect("an address")]);
            egress.judge_address(address.parse().expect("an address"), port).expect_err("it is refused").0
        };
        let remedy = |error: &str| of_error(error).remedy;
        for address in ["10.0.0.1", "127.0.0.1", "192.168.1.1"] {
            let error = refusal(Reach::Public, address, 443);
            assert!(remedy(&error).contains("--allow-private-destinations"), "{error}");
        }
        let odd = refusal(Reach::Public, "8.8.8.8", 81);
        assert!(remedy(&odd).contains("--allow-private-destinations"), "{odd}");
        let metadata = refusal(Reach::Private, "169.254.169.254", 80);
        assert_eq!(of_error(&metadata).what, "The address is one that deliveries never go to.");
        let bad = refusal(Reach::Private, "8.8.8.8", 25);
        assert_eq!(of_error(&bad).what, "The port belongs to another protocol.");
    }
}
