//! An e-mail on its way out: what is handed to whoever speaks SMTP, and what the server's reply means. The words are checked
//! here, before anything is dialled: an address that came out of [`Mailbox::parse`] can break out of neither a command nor a
//! header. How a mail is written down and how it gets there is the engine's business.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use url::{Host, Url};

/// How many people one mail may go to.
pub const RECIPIENTS_MAX: usize = 20;

/// The longest part before the `@`, in bytes (RFC 5321 §4.5.3.1.1).
const LOCAL_BYTES_MAX: usize = 64;

/// The longest address, in bytes (RFC 5321 §4.5.3.1.3, without the brackets).
const ADDRESS_BYTES_MAX: usize = 254;

/// The longest name before an address, in characters.
const NAME_CHARS_MAX: usize = 100;

/// The longest name of a mail server, in bytes (RFC 1035 §2.3.4, without the trailing dot).
const HOST_BYTES_MAX: usize = 253;

/// The longest label of a server's name, in bytes (RFC 1035 §2.3.4).
const LABEL_BYTES_MAX: usize = 63;

/// One mail, ready to go.
#[derive(Clone, Debug)]
pub struct Mail {
    /// Who takes it.
    pub server: Server,
    /// Who it is from; replies and what cannot be delivered go there.
    pub from: Mailbox,
    /// Who gets it, at most [`RECIPIENTS_MAX`].
    pub to: Vec<Mailbox>,
    /// One line. What cannot stand in one is written as a blank.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// The delivery's message id. It makes the `Message-ID`, so that a repeat is recognised as one.
    pub message_id: String,
    /// The host of the public URL ([`sender`]): the other half of the `Message-ID`, and who we tell the server we are.
    pub sender: Host<String>,
    /// When the attempt began: the `Date`.
    pub sent_at: Timestamp,
    /// How long the exchange may take, where that is less than what the way out allows anyway.
    pub timeout: Duration,
}

/// A mail server as its user named it: it takes mail for others, which is called submission (RFC 6409).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// A name or an address ([`Server::parse_host`]).
    pub host: Host<String>,
    /// 465 for TLS, 587 for STARTTLS, as a rule.
    pub port: u16,
    /// How the connection becomes secret. There is no way without: a password would cross the network in the clear.
    pub security: Security,
    /// Who we are to the server; none where it wants nobody.
    pub login: Option<Login>,
}

/// When TLS begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// At once (RFC 8314 §3.3).
    Tls,
    /// After the server was asked in the clear (RFC 3207). A server that offers none gets no mail.
    StartTls,
}

/// A user name and a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The name.
    pub user: String,
    /// The password, which nothing prints.
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(…)")
    }
}

impl Server {
    /// Reads a host as it is typed: a name (international ones become ASCII), an IPv4 address, or an IPv6 address with or
    /// without brackets. Whether mail may go there is the guard's question.
    ///
    /// # Errors
    /// A sentence for whoever typed it.
    pub fn parse_host(text: &str) -> Result<Host<String>, String> {
        let text = text.trim();
        if let Ok(bare) = text.parse::<std::net::Ipv6Addr>() {
            return Ok(Host::Ipv6(bare));
        }
        let nothing = || {
            format!(
                "'{}' is not the name of a mail server; write a host alone, such as smtp.example.com.",
                shortened(text)
            )
        };
        match Host::parse(text).map_err(|_| nothing())? {
            Host::Domain(name) if is_name(name.strip_suffix('.').unwrap_or(&name)) => Ok(Host::Domain(name)),
            Host::Domain(_) => Err(nothing()),
            address => Ok(address),
        }
    }
}

/// Somebody who gets mail or sends it: an address, with or without a name before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    name: Option<String>,
    address: String,
}

impl Mailbox {
    /// Reads `ops@example.com` or `Ops <ops@example.com>`. The part before the `@` is ASCII without quotes, because few
    /// servers take more (RFC 6531); an international domain becomes ASCII.
    ///
    /// # Errors
    /// A sentence for whoever typed it.
    pub fn parse(text: &str) -> Result<Mailbox, String> {
        let text = text.trim();
        if text.chars().any(char::is_control) {
            return Err("An e-mail address cannot hold line ends or other control characters.".to_owned());
        }
        let (name, address) = match text.strip_suffix('>').and_then(|rest| rest.rsplit_once('<')) {
            Some((name, address)) => (unquoted(name), address.trim()),
            None => (None, text),
        };
        if name.as_ref().is_some_and(|name| name.chars().count() > NAME_CHARS_MAX) {
            return Err(format!("The name before an e-mail address has at most {NAME_CHARS_MAX} characters."));
        }
        let address = normal_address(address).ok_or_else(|| {
            format!("'{}' is not an e-mail address; write one such as ops@example.com.", shortened(address))
        })?;
        Ok(Mailbox { name, address })
    }

    /// The name, on one line.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The address: visible ASCII without brackets, blanks or quotes, and exactly one `@`.
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} <{}>", self.address),
            None => f.write_str(&self.address),
        }
    }
}

fn unquoted(name: &str) -> Option<String> {
    let name = name.trim_matches(|c: char| c == '"' || c.is_whitespace());
    (!name.is_empty()).then(|| name.to_owned())
}

fn normal_address(text: &str) -> Option<String> {
    let (local, domain) = text.rsplit_once('@')?;
    // RFC 5322 §3.2.3: atoms with dots between them.
    let is_atom = |atom: &str| {
        !atom.is_empty() && atom.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b))
    };
    if local.len() > LOCAL_BYTES_MAX || !local.split('.').all(is_atom) {
        return None;
    }
    let Ok(Host::Domain(domain)) = Host::parse(domain) else { return None };
    let address = format!("{local}@{domain}");
    // A machine's name may hold an underscore, a domain for mail may not (RFC 5321 §4.1.2).
    (is_name(&domain) && !domain.contains('_') && address.len() <= ADDRESS_BYTES_MAX).then_some(address)
}

/// Letters, digits and hyphens, with dots between them. The URL standard allows more in a host than a command of SMTP may hold.
fn is_name(domain: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= LABEL_BYTES_MAX
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    domain.len() <= HOST_BYTES_MAX && domain.split('.').all(is_label)
}

/// What is quoted of a wrong text.
fn shortened(text: &str) -> String {
    text.chars().take(60).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The host of the public URL; `localhost` for what names none.
pub fn sender(public_url: &str) -> Host<String> {
    let host = Url::parse(public_url).ok().and_then(|url| url.host().map(|host| host.to_owned()));
    host.unwrap_or_else(|| Host::Domain("localhost".to_owned()))
}

/// What a server's reply means for the mail it was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// 2yz: the server answers for the mail from now on.
    Accepted,
    /// The same mail may be taken later.
    Later,
    /// The same mail will never be taken.
    Never,
}

impl Reply {
    /// Reads the first digit (RFC 5321 §4.2.1), which sorts replies unlike HTTP's statuses: 4yz passes, 5yz does not. Where it
    /// is not the mail that was refused but our user name and password (RFC 4954 §6, and 538 of its predecessor), the same mail
    /// goes through as soon as somebody has mended them.
    pub fn of(code: u16) -> Reply {
        match code {
            200..=299 => Reply::Accepted,
            530 | 534 | 535 | 538 => Reply::Later,
            500..=599 => Reply::Never,
            _ => Reply::Later,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_are_read_with_and_without_a_name() {
        let rows = [
            ("ops@example.com", None, "ops@example.com"),
            ("  ops@example.com ", None, "ops@example.com"),
            ("Ops <ops@example.com>", Some("Ops"), "ops@example.com"),
            ("\"Ops, night shift\" <ops@example.com>", Some("Ops, night shift"), "ops@example.com"),
            ("<ops@example.com>", None, "ops@example.com"),
            ("Zoë Grün <zoe@bücher.example>", Some("Zoë Grün"), "zoe@xn--bcher-kva.example"),
            ("first.last+tag@EXAMPLE.com", None, "first.last+tag@example.com"),
            ("root@localhost", None, "root@localhost"),
        ];
        for (text, name, address) in rows {
            let read = Mailbox::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((read.name(), read.address()), (name, address), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_in_words() {
        let long_local = format!("{}@example.com", "a".repeat(65));
        let long_domain = format!("a@{}.com", "a".repeat(64));
        let long = format!("a@{}com", "abcdefghi.".repeat(30));
        let long_name = format!("{} <ops@example.com>", "n".repeat(101));
        let rows = [
            "",
            "ops",
            "@example.com",
            "ops@",
            "a b@example.com",
            "a@b@example.com",
            ".a@example.com",
            "a..b@example.com",
            "a.@example.com",
            "\"a b\"@example.com",
            "zoë@example.com",
            "ops@[127.0.0.1]",
            "ops@127.0.0.1",
            "ops@2130706433",
            "ops@exam ple.com",
            "ops@example..com",
            "ops@-example.com",
            "ops@example-",
            "ops@my_host.example.com",
            "ops@example.com>",
            "<ops@example.com",
            "ops@example.com> RCPT TO:<x@example.com",
            "a@example.com, b@example.com",
            "ops@example.com\r\nRCPT TO:<x@example.com>",
            "Ops\r\nBcc: x@example.com <ops@example.com>",
            "ops@exa\0mple.com",
            &long_local,
            &long_domain,
            &long,
            &long_name,
        ];
        for text in rows {
            let error = Mailbox::parse(text).expect_err(text);
            assert!(error.ends_with('.') && error.len() < 200 && !error.contains(char::is_control), "{text}: {error}");
        }
    }

    #[test]
    fn servers_are_names_or_addresses_and_nothing_more() {
        let rows = [
            ("smtp.example.com", "smtp.example.com"),
            ("SMTP.Example.com", "smtp.example.com"),
            ("post.bücher.example", "post.xn--bcher-kva.example"),
            ("localhost", "localhost"),
            ("192.0.2.7", "192.0.2.7"),
            ("0x7f.1", "127.0.0.1"),
            ("::1", "[::1]"),
            ("[::1]", "[::1]"),
        ];
        for (text, host) in rows {
            assert_eq!(Server::parse_host(text).map(|read| read.to_string()), Ok(host.to_owned()), "{text}");
        }
        let wrong =
            ["", "smtp.example.com:587", "smtp://example.com", "a@example.com", "a b", "a..b", "mail\r\nhost", "a/b"];
        for text in wrong {
            assert!(Server::parse_host(text).is_err_and(|error| error.contains("mail server")), "{text}");
        }
    }

    #[test]
    fn the_sender_is_the_host_that_people_type() {
        assert_eq!(sender("https://oncue.example.com/base/").to_string(), "oncue.example.com");
        assert_eq!(sender("http://127.0.0.1:8000").to_string(), "127.0.0.1");
        assert_eq!(sender("http://[::1]:8000").to_string(), "[::1]");
        assert_eq!(sender("nothing").to_string(), "localhost");
    }

    #[test]
    fn the_first_digit_of_a_reply_decides_unless_it_is_about_the_password() {
        let rows = [
            (250, Reply::Accepted),
            (251, Reply::Accepted),
            (421, Reply::Later),
            (450, Reply::Later),
            (552, Reply::Never),
            (550, Reply::Never),
            (535, Reply::Later),
            (530, Reply::Later),
            (354, Reply::Later),
        ];
        for (code, reply) in rows {
            assert_eq!(Reply::of(code), reply, "{code}");
        }
    }

    #[test]
    fn a_password_is_not_printed() {
        let login = Login { user: "ops".to_owned(), password: "hunter2".to_owned() };
        assert_eq!(format!("{login:?}"), "Login(…)");
    }

    proptest! {
        #[test]
        fn whatever_is_typed_no_address_breaks_out_of_a_command(text in "(?s).{0,80}") {
            if let Ok(read) = Mailbox::parse(&text) {
                prop_assert!(read.address().bytes().all(|b| b.is_ascii_graphic() && !b"<>\"\\,;:()[]".contains(&b)));
                prop_assert_eq!(read.address().matches('@').count(), 1);
                prop_assert!(!read.name().unwrap_or_default().contains(char::is_control));
                prop_assert_eq!(Mailbox::parse(&read.to_string()), Ok(read));
            }
        }

        #[test]
        fn near_misses_of_addresses_break_out_of_nothing(text in "[a-zA-Z<>@.,: \"\r\n\u{0}ß\\[\\]-]{0,40}@[a-z.<> \r\n\u{3002}\u{ff0e}]{0,20}>?") {
            if let Ok(read) = Mailbox::parse(&text) {
                prop_assert!(read.address().bytes().all(|b| b.is_ascii_graphic() && !b"<>\"\\,;:()[]".contains(&b)));
            }
        }
    }
}
