//! The door through which deliveries leave: one request out, one outcome back. What a request says is decided in
//! `message`, where it may go in `destination`; how it gets there is the engine's business.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use url::Url;

pub mod mail;

use mail::Mail;

/// How many bytes of an answer's body are kept and shown.
pub const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// How many of an answer's header lines are kept and shown.
pub const ANSWER_HEADERS_MAX: usize = 100;

/// How many bytes of an answer's header lines are kept and shown: names and values together.
pub const ANSWER_HEADER_BYTES_MAX: usize = 8 * 1024;

/// How a receiver is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// What webhooks are.
    #[default]
    Post,
    /// For receivers that keep what they are given under the address.
    Put,
    /// For receivers that change what they have under the address.
    Patch,
}

impl Method {
    /// Every method.
    pub const ALL: [Method; 3] = [Method::Post, Method::Put, Method::Patch];

    /// The method as HTTP writes it.
    pub fn word(self) -> &'static str {
        match self {
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
        }
    }

    /// The method of that word.
    pub fn from_word(word: &str) -> Option<Method> {
        Method::ALL.into_iter().find(|method| method.word() == word)
    }
}

/// Header names in lower case and their values, which hold no control character.
pub type Headers = Vec<(Cow<'static, str>, String)>;

/// One request, ready to go.
#[derive(Clone)]
pub struct Request {
    /// How it asks.
    pub method: Method,
    /// Where to.
    pub url: Url,
    /// Its headers; `content-type` among them.
    pub headers: Headers,
    /// The body, byte for byte.
    pub body: Bytes,
    /// Whose address this is: the operator's own is exempt from the guard.
    pub trust: Trust,
    /// How long the whole exchange may take; none for as long as the way out ever waits, which is never exceeded.
    pub timeout: Option<Duration>,
}

impl fmt::Debug for Request {
    /// Without what may be secret: the values of headers, the address beyond its host, and the body.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_ref()).collect();
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("host", &self.url.host_str())
            .field("headers", &names)
            .field("body_bytes", &self.body.len())
            .field("trust", &self.trust)
            .field("timeout", &self.timeout)
            .finish()
    }
}

/// Whether the address guard applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// A user named the address: every resolved address is judged before it is dialled.
    Guarded,
    /// The operator configured exactly this URL.
    Operator,
}

/// What came of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The receiver's status, when it gave one.
    pub result: Result<Answer, Failure>,
    /// From the first look-up to the last byte read.
    pub took: Duration,
    /// What is known of the way there.
    pub facts: Facts,
}

/// What is known of the way to a receiver and back, for the person who owns the trigger. Times are in microseconds; one is none where
/// that part of the way was not come to, or not gone because a connection was used again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The judged address that was dialled last; through a proxy, the one that the proxy was asked for. None where nothing was
    /// dialled, and for the operator's own addresses, which are not for users to see.
    pub address: Option<SocketAddr>,
    /// From the look-up of the name until the connection stood.
    pub connect_us: Option<u32>,
    /// The TLS handshake.
    pub tls_us: Option<u32>,
    /// From the request's last byte to the answer's first, or to the end where none came.
    pub wait_us: Option<u32>,
    /// From the answer's first byte to the last one that was read.
    pub receive_us: Option<u32>,
}

/// A receiver's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status; from a mail server the code of the reply that decided (RFC 5321 §4.2), which [`mail::Reply`] reads.
    pub status: u16,
    /// Names and values of its headers in the order of arrival, as text; at most [`ANSWER_HEADERS_MAX`] lines and
    /// [`ANSWER_HEADER_BYTES_MAX`] bytes.
    pub headers: Vec<(String, String)>,
    /// The first bytes of the body, at most [`ANSWER_BYTES_MAX`]; from a mail server that reply in its words.
    pub body: Vec<u8>,
}

/// Why there was no answer, in a sentence for the person who owns the trigger. It names no address that the guard refused
/// beyond what they typed themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(pub String);

/// Sends requests. Never follows a redirect, never dials an address that was not judged, and always comes back within its deadline.
#[async_trait]
pub trait Outbound: Send + Sync {
    /// Sends one request and waits for the outcome.
    async fn send(&self, request: Request) -> Exchange;

    /// Hands one mail to its server and waits for the outcome. Every recipient gets it or none does.
    async fn send_mail(&self, mail: Mail) -> Exchange;
}
