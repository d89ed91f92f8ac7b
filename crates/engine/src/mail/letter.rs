//! A mail as it is written down (RFC 5322): what people wrote stays text, however it is spelled. Line ends in a name or a subject
//! become blanks, what is not ASCII is encoded (RFC 2047, 2045), and so every server can take it.

use std::time::SystemTime;

use lettre::message::header::{ContentType, HeaderName, HeaderValue, MIME_VERSION_1_0};
use lettre::message::{Mailbox as LettreMailbox, Message};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, message};
use oncue_domain::outbound::Failure;
use oncue_domain::outbound::mail::{Mail, Mailbox, RECIPIENTS_MAX};
use url::Host;

use super::Stop;

/// The longest subject, in characters: what a list of mails shows is shorter.
const SUBJECT_CHARS_MAX: usize = 200;

/// Writes a mail down; all of it is ASCII.
pub(super) fn write(mail: &Mail) -> Result<Vec<u8>, Stop> {
    if mail.to.is_empty() || mail.to.len() > RECIPIENTS_MAX {
        return Err(unwritable(&format!("it needs one recipient, and may have {RECIPIENTS_MAX}")));
    }
    let mut builder = Message::builder()
        .from(mailbox(&mail.from)?)
        .subject(one_line(&mail.subject))
        .date(SystemTime::from(mail.sent_at))
        .message_id(Some(message_id(mail)?))
        .header(MIME_VERSION_1_0)
        .header(ContentType::TEXT_PLAIN)
        // RFC 3834: nobody's absence answers a machine.
        .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()));
    for recipient in &mail.to {
        builder = builder.to(mailbox(recipient)?);
    }
    let letter =
        builder.body(message::Body::new(plain(&mail.text))).map_err(|_| unwritable("its text cannot be encoded"))?;
    Ok(letter.formatted())
}

/// The address for a command or a header.
pub(super) fn address(mailbox: &Mailbox) -> Result<Address, Failure> {
    mailbox.address().parse().map_err(|_| Failure(format!("{} is no address that mail can go to.", mailbox.address())))
}

/// Who we are, in the form of the greeting: a name, or an address in brackets (RFC 5321 §4.1.3).
pub(super) fn client_id(sender: &Host<String>) -> ClientId {
    match sender {
        Host::Domain(name) => ClientId::Domain(name.trim_end_matches('.').to_owned()),
        Host::Ipv4(ip) => ClientId::Ipv4(*ip),
        Host::Ipv6(ip) => ClientId::Ipv6(*ip),
    }
}

/// The letter as it goes over the wire: a line that begins with a dot gets another, and a dot alone ends it (RFC 5321 §4.5.2).
pub(super) fn transparent(letter: &[u8]) -> Vec<u8> {
    let mut sent = Vec::with_capacity(letter.len() + 16);
    for line in letter.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            sent.push(b'.');
        }
        sent.extend_from_slice(line);
    }
    if !sent.ends_with(b"\r\n") {
        sent.extend_from_slice(b"\r\n");
    }
    sent.extend_from_slice(b".\r\n");
    sent
}

/// The same for every attempt, so that a mailbox that got one already can tell.
fn message_id(mail: &Mail) -> Result<String, Stop> {
    let id = &mail.message_id;
    if id.is_empty() || !id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.')) {
        return Err(unwritable("its message id holds more than letters, digits, dots, hyphens and underscores"));
    }
    Ok(format!("<{id}@{}>", client_id(&mail.sender)))
}

fn mailbox(of: &Mailbox) -> Result<LettreMailbox, Stop> {
    let address = address(of).map_err(Stop::Failed)?;
    Ok(LettreMailbox::new(of.name().map(one_line), address))
}

/// A text where a line end would begin another header. Overrides of the writing direction go too: they would let a name
/// rewrite its neighbours. What looks like an encoded word is torn, or its reader would see what it hides.
fn one_line(text: &str) -> String {
    let calm = |c: char| match c {
        '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => ' ',
        c if c.is_control() => ' ',
        c => c,
    };
    text.chars().take(SUBJECT_CHARS_MAX).map(calm).collect::<String>().replace("=?", "= ?").trim().to_owned()
}

/// A text with one kind of line end, and without the controls that a mail's text may not hold (RFC 5322 §3.5).
fn plain(text: &str) -> String {
    let calm = |c: char| if c.is_control() && !matches!(c, '\n' | '\t') { ' ' } else { c };
    text.replace("\r\n", "\n").replace('\r', "\n").chars().map(calm).collect()
}

fn unwritable(why: &str) -> Stop {
    Stop::Failed(Failure(format!("The mail could not be written: {why}.")))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use jiff::Timestamp;
    use oncue_domain::outbound::mail::{Security, Server, sender};
    use proptest::prelude::*;

    use super::*;

    fn mail(from: &str, subject: &str, text: &str) -> Mail {
        Mail {
            server: Server {
                host: Server::parse_host("smtp.example.com").expect("a host"),
                port: 465,
                security: Security::Tls,
                login: None,
            },
            from: Mailbox::parse(from).expect("an address"),
            to: vec![Mailbox::parse("ops@example.org").expect("an address")],
            subject: subject.to_owned(),
            text: text.to_owned(),
            message_id: "evt_01".to_owned(),
            sender: sender("https://oncue.example.com"),
            sent_at: Timestamp::UNIX_EPOCH,
            timeout: Duration::from_secs(1),
        }
    }

    fn written(mail: &Mail) -> String {
        String::from_utf8(write(mail).expect("it can be written")).expect("ASCII")
    }

    /// The value of a header, unfolded, its encoded words read as RFC 2047 §6.2 says; base64 is what lettre writes.
    fn header(letter: &str, name: &str) -> String {
        let head = letter.split("\r\n\r\n").next().expect("a head").replace("\r\n ", " ");
        let line = head.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).expect("the header");
        let mut decoded = String::new();
        let mut was_encoded = false;
        for (number, word) in line.split(' ').enumerate() {
            let encoded = word.strip_prefix("=?utf-8?b?").and_then(|rest| rest.strip_suffix("?="));
            if number > 0 && !(was_encoded && encoded.is_some()) {
                decoded.push(' ');
            }
            was_encoded = encoded.is_some();
            match encoded {
                // Each word must hold whole characters (RFC 2047 §5).
                Some(encoded) => decoded.push_str(
                    std::str::from_utf8(&STANDARD.decode(encoded).expect("base64")).expect("whole characters"),
                ),
                None => decoded.push_str(word),
            }
        }
        decoded
    }

    #[test]
    fn subjects_in_all_scripts_are_encoded_and_come_back_whole() {
        for subject in [
            "⏰ nightly fired",
            "Übung",
            "夜間バッチが発火しました。".repeat(12).as_str(),
            "plain",
            &"long ".repeat(39),
        ] {
            let letter = written(&mail("ops@example.com", subject, "x"));
            assert_eq!(header(&letter, "Subject"), subject.trim(), "{letter}");
            assert!(letter.lines().all(|line| line.len() <= 78), "{letter}");
        }
    }

    #[test]
    fn an_encoded_word_that_somebody_typed_is_not_decoded() {
        let letter = written(&mail("=?utf-8?b?eA==?= <ops@example.com>", "=?utf-8?b?eA==?= ü", "x"));
        assert_eq!(header(&letter, "Subject"), "= ?utf-8?b?eA== ?= ü");
        assert!(!header(&letter, "From").contains("=?"), "{letter}");
    }

    #[test]
    fn a_text_keeps_its_lines_and_tabs_and_no_other_control() {
        let letter = written(&mail("ops@example.com", "s", "a\tb\r\nc\rd\ne\0f\u{1b}[1mg"));
        assert_eq!(letter.split_once("\r\n\r\n").expect("a text").1, "a\tb\r\nc\r\nd\r\ne f [1mg");
    }

    #[test]
    fn an_endless_subject_is_cut() {
        let letter = written(&mail("ops@example.com", &"é".repeat(10_000), "x"));
        assert_eq!(header(&letter, "Subject").chars().count(), SUBJECT_CHARS_MAX);
    }

    #[test]
    fn a_mail_without_recipients_or_with_a_strange_id_is_not_written() {
        let good = mail("ops@example.com", "s", "t");
        let nobody = Mail { to: vec![], ..good.clone() };
        let crowd = Mail { to: vec![good.from.clone(); RECIPIENTS_MAX + 1], ..good.clone() };
        let strange = ["", "a b", "a@b", "a>\r\nBcc: x"].map(|id| Mail { message_id: id.to_owned(), ..good.clone() });
        for mail in [nobody, crowd].into_iter().chain(strange) {
            assert!(matches!(write(&mail), Err(Stop::Failed(failure)) if failure.0.contains("could not be written")));
        }
    }

    #[test]
    fn dots_are_doubled_and_the_end_is_a_dot_alone() {
        let rows: [(&str, &str); 5] = [
            ("a\r\n.\r\n", "a\r\n..\r\n.\r\n"),
            (".a\r\n..b", "..a\r\n...b\r\n.\r\n"),
            ("a.b\r\n", "a.b\r\n.\r\n"),
            ("", "\r\n.\r\n"),
            ("\r\n.\r\nQUIT", "\r\n..\r\nQUIT\r\n.\r\n"),
        ];
        for (letter, sent) in rows {
            assert_eq!(transparent(letter.as_bytes()), sent.as_bytes(), "{letter:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_is_written_makes_a_header_or_a_command(
            name in "(?s)[^<>]{0,30}", subject in "(?s).{0,300}", text in "(?s).{0,300}",
        ) {
            let from = format!("{} <ops@example.com>", name.replace(char::is_control, " "));
            let letter = written(&mail(&from, &subject, &text));
            prop_assert!(letter.is_ascii());
            let (head, body) = letter.split_once("\r\n\r\n").expect("a head and a text");
            let mut names: Vec<&str> = head
                .split("\r\n")
                .filter(|line| !line.starts_with(' '))
                .map(|line| line.split(": ").next().expect("a name"))
                .collect();
            names.sort_unstable();
            prop_assert_eq!(
                names,
                ["Auto-Submitted", "Content-Transfer-Encoding", "Content-Type", "Date", "From", "MIME-Version", "Message-ID",
                 "Subject", "To"]
            );
            prop_assert!(letter.split("\r\n").all(|line| line.len() <= 998 && !line.contains(['\r', '\n', '\0'])), "{:?}", letter);
            let sent = String::from_utf8(transparent(letter.as_bytes())).expect("ASCII");
            prop_assert_eq!(sent.find("\r\n.\r\n"), Some(sent.len() - 5));
            prop_assert!(sent.len() <= letter.len() + body.len() + 10);
        }

        #[test]
        fn every_address_that_the_domain_takes_can_be_written(
            local in "[a-zA-Z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}", domain in "[a-zA-Z0-9_ß.-]{1,40}",
        ) {
            if let Ok(mailbox) = Mailbox::parse(&format!("{local}@{domain}")) {
                prop_assert_eq!(address(&mailbox).map(|address| address.to_string()), Ok(mailbox.address().to_owned()));
            }
        }
    }
}
