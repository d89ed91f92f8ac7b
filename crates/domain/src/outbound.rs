//! The door through which deliveries leave: one request out, one outcome back. What a request says is decided in
//! `message`, where it may go in `destination`; how it gets there is the engine's business.

use std::time::Duration;

use async_trait::async_trait;
use url::Url;

/// How many bytes of a receiver's answer are kept and shown.
pub const ANSWER_BYTES_MAX: usize = 4096;

/// One POST, ready to go.
#[derive(Clone, Debug)]
pub struct Request {
    /// Where to.
    pub url: Url,
    /// Header names in lower case and their values, all visible ASCII; `content-type` among them.
    pub headers: Vec<(&'static str, String)>,
    /// The body, byte for byte.
    pub body: Vec<u8>,
    /// Whose address this is: the operator's own is exempt from the guard.
    pub trust: Trust,
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
}

/// A receiver's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The first bytes of the body, at most [`ANSWER_BYTES_MAX`].
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
}
