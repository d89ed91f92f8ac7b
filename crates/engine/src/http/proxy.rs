//! The operator's egress proxy: the one way out where a network allows no other. It is asked to connect to an address that was
//! resolved and judged here (CONNECT, RFC 9110 §9.3.6), for http as for https, so that it decides nothing about names, and sees
//! nothing of an exchange through TLS. Where the proxy itself is, is the operator's word and is not judged.

use std::fmt;
use std::net::SocketAddr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode_str;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::{Host, Url};

/// How many bytes a proxy may answer to CONNECT.
const ANSWER_BYTES_MAX: usize = 8 * 1024;

/// Where the proxy is, and how it knows us.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    host: String,
    port: u16,
    /// The value of `Proxy-Authorization`.
    authorization: Option<String>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({}:{})", self.host, self.port)
    }
}

impl Proxy {
    /// Reads `http://[user:password@]host:port`.
    ///
    /// # Errors
    /// When it is anything else: a sentence that does not repeat it, because it may hold a password.
    pub fn parse(text: &str) -> Result<Proxy, String> {
        let wrong = || "this is not a proxy such as http://proxy.internal:3128 or http://USER:PASSWORD@10.0.0.1:3128.";
        let url = Url::parse(text).map_err(|_| wrong())?;
        if url.scheme() == "https" {
            return Err(
                "proxies are spoken to by http:// only; what goes through to an https receiver is TLS all the \
                        same."
                    .to_owned(),
            );
        }
        let is_plain = url.scheme() == "http" && url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let (Some(host), Some(port), true) = (url.host(), url.port_or_known_default(), is_plain) else {
            return Err(wrong().to_owned());
        };
        let host = match host {
            Host::Domain(name) => name.to_owned(),
            Host::Ipv4(ip) => ip.to_string(),
            Host::Ipv6(ip) => ip.to_string(),
        };
        let authorization = match (url.username(), url.password()) {
            ("", None) => None,
            (user, password) => Some(basic(user, password.unwrap_or_default())?),
        };
        Ok(Proxy { host, port, authorization })
    }

    /// Where it is.
    pub(super) fn place(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    /// Asks, on a connection to the proxy, to be connected to `target`. What comes on the stream afterwards comes from there.
    pub(super) async fn connect(&self, tcp: &mut TcpStream, target: SocketAddr) -> Result<(), Refused> {
        let authorization = match &self.authorization {
            Some(value) => format!("Proxy-Authorization: {value}\r\n"),
            None => String::new(),
        };
        let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{authorization}\r\n");
        tcp.write_all(request.as_bytes()).await.map_err(|_| Refused::Broken)?;
        let head = read_head(tcp).await?;
        match status(&head).ok_or(Refused::NoProxy)? {
            200..=299 => Ok(()),
            status => Err(Refused::Status(status)),
        }
    }
}

/// By RFC 7617, whose user name holds no colon.
fn basic(user: &str, password: &str) -> Result<String, String> {
    let decode = |text| percent_decode_str(text).collect::<Vec<u8>>();
    let (user, password) = (decode(user), decode(password));
    if user.contains(&b':') || user.iter().chain(&password).any(u8::is_ascii_control) {
        return Err(
            "the proxy's user name or password holds a character that it cannot: a colon in the name, or a control \
             character."
                .to_owned(),
        );
    }
    Ok(format!("Basic {}", BASE64_STANDARD.encode([user, vec![b':'], password].concat())))
}

/// Why there is no tunnel.
#[derive(Debug)]
pub(super) enum Refused {
    /// The connection to the proxy broke.
    Broken,
    /// It said so.
    Status(u16),
    /// What answered is no proxy.
    NoProxy,
    /// It answered more than anybody needs.
    TooMuch,
}

impl Refused {
    /// Whether another address of the same receiver may fare better.
    pub(super) fn is_about_the_address(&self) -> bool {
        matches!(self, Refused::Status(502..=504))
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Broken => f.write_str("The operator's egress proxy closed the connection without an answer."),
            Refused::Status(407) => f.write_str(
                "The operator's egress proxy wants another user name and password (407); they stand in --egress-proxy \
                 (ONCUE_EGRESS_PROXY).",
            ),
            Refused::Status(status @ (401 | 403)) => {
                write!(f, "The operator's egress proxy does not let deliveries go to this address ({status}).")
            }
            Refused::Status(status @ 502..=504) => {
                write!(f, "The operator's egress proxy found no way to the receiver ({status}).")
            }
            Refused::Status(status) => write!(
                f,
                "The operator's egress proxy opened no connection to the receiver: it answered {status} to CONNECT."
            ),
            Refused::NoProxy => {
                f.write_str(
                "What answers as the operator's egress proxy (--egress-proxy, ONCUE_EGRESS_PROXY) is not an HTTP proxy.",
            )
            }
            Refused::TooMuch => write!(
                f,
                "The operator's egress proxy answered with more than {} KiB where a status was due.",
                ANSWER_BYTES_MAX / 1024
            ),
        }
    }
}

/// Reads up to the empty line and no byte further: what follows belongs to the receiver. That takes a call for each byte, of which
/// there are a hundred, once for a connection.
async fn read_head(tcp: &mut TcpStream) -> Result<Vec<u8>, Refused> {
    let mut head = Vec::with_capacity(256);
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == ANSWER_BYTES_MAX {
            return Err(Refused::TooMuch);
        }
        head.push(tcp.read_u8().await.map_err(|_| Refused::Broken)?);
        let is_http = head.iter().zip(b"HTTP/1.").all(|(read, due)| read == due);
        if !is_http {
            return Err(Refused::NoProxy);
        }
    }
    Ok(head)
}

/// The status in `HTTP/1.1 200 Connection established`.
fn status(head: &[u8]) -> Option<u16> {
    let line = head.split(|byte| *byte == b'\r').next()?.strip_prefix(b"HTTP/1.")?;
    let [b'0' | b'1', b' ', digits @ ..] = line else { return None };
    let (digits, rest) = digits.split_at_checked(3)?;
    let is_status = digits.iter().all(u8::is_ascii_digit) && rest.first().is_none_or(|byte| *byte == b' ');
    is_status.then(|| std::str::from_utf8(digits).ok()?.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_a_place_and_perhaps_a_password() {
        let rows = [
            ("http://proxy.internal:3128", ("proxy.internal", 3128), None),
            ("http://proxy/", ("proxy", 80), None),
            ("http://[fd00::1]:3128", ("fd00::1", 3128), None),
            ("http://ann:secret@10.0.0.1:3128/", ("10.0.0.1", 3128), Some("Basic YW5uOnNlY3JldA==")),
            ("http://ann:p%40ss%3Aw@10.0.0.1:1", ("10.0.0.1", 1), Some("Basic YW5uOnBAc3M6dw==")),
            ("http://ann@10.0.0.1:1", ("10.0.0.1", 1), Some("Basic YW5uOg==")),
        ];
        for (text, place, authorization) in rows {
            let proxy = Proxy::parse(text).expect(text);
            assert_eq!((proxy.place(), proxy.authorization.as_deref()), (place, authorization), "{text}");
            assert!(!format!("{proxy:?}").contains("secret"));
        }
    }

    #[test]
    fn what_is_no_proxy_is_refused_and_not_repeated() {
        for text in [
            "",
            "proxy:3128",
            "https://ann:secret@proxy:3128",
            "socks5://ann:secret@proxy:1080",
            "http://ann:secret@proxy:3128/path",
            "http://ann:secret@proxy:3128/?q",
            "http://ann:secret@:3128",
            "http://ann:secret@proxy:99999",
            "http://an%3An:secret@proxy:3128",
            "http://ann:secret%0D%0AX: y@proxy:3128",
        ] {
            let wrong = Proxy::parse(text).expect_err(text);
            assert!(!wrong.contains("secret") && wrong.ends_with('.'), "{wrong}");
        }
    }

    #[test]
    fn a_status_is_read_strictly() {
        for (head, expected) in [
            ("HTTP/1.1 200 Connection established\r\n\r\n", Some(200)),
            ("HTTP/1.0 403\r\n\r\n", Some(403)),
            ("HTTP/1.1 2000 x\r\n\r\n", None),
            ("HTTP/1.1  200 x\r\n\r\n", None),
            ("HTTP/1.2 200 x\r\n\r\n", None),
            ("HTTP/1.1 20\r\n\r\n", None),
            ("HTTP/1.1 +20 x\r\n\r\n", None),
            ("", None),
        ] {
            assert_eq!(status(head.as_bytes()), expected, "{head:?}");
        }
    }
}
