//! The receipt of an attempt: what was sent word for word, how far it came and how long each part of the way took, and what the
//! receiver's headers said. It is begun when a request is written ([`Draft`]), ended when the exchange is over ([`Kept`]), and read back
//! for whoever owns the event ([`Receipt`]). No secret gets in: the values of headers that are not oncue's own are left out before
//! anything is kept, and where a receiver repeats one of them, or what its calls are signed with, they are left out of its answer, too.

use bytes::Bytes;
use jiff::Timestamp;

use crate::delivery::Claim;
use crate::destination::Definition;
use crate::message::REPORT_HEADER;
use crate::outbound::mail::{Mail, Security};
use crate::outbound::{Exchange, Facts, Method, Request};

mod mask;
mod pack;
mod spelling;
mod wire;

pub use wire::Unreadable;

use mask::Secrets;
use wire::Writer;

/// How many bytes of a request's body are kept: more than the largest that is sent, a workflow's inputs full of signs that JSON
/// escapes.
pub const BODY_BYTES_MAX: usize = 512 * 1024;

/// What is known of one attempt beyond [`Attempt`](crate::delivery::Attempt).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// What was sent, or would have been where nobody could be reached. None where nothing could be written, and for what went to the
    /// operator's own destination.
    pub sent: Option<Sent>,
    /// From when it was due until the attempt began, in microseconds; none where it is not known when it was due.
    pub queue_us: Option<u64>,
    /// How far it came, and how long the parts of the way took.
    pub facts: Facts,
    /// Names and values of the answer's headers, in the order of arrival.
    pub answer_headers: Vec<(String, String)>,
}

/// What was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// How it asked; none for a mail.
    pub method: Option<Method>,
    /// Where to: an address of HTTP, `oncue:inbox`, or `smtps://` and `smtp://` with the mail server's host and port.
    pub address: String,
    /// What stood before the body, in its order.
    pub headers: Vec<Header>,
    /// The body, byte for byte; of one that is longer than [`BODY_BYTES_MAX`] the beginning.
    pub body: Bytes,
    /// How many bytes the whole body had.
    pub body_bytes: u64,
}

impl Sent {
    /// Whether only the beginning of the body is kept.
    pub fn is_cut(&self) -> bool {
        self.body_bytes > self.body.len() as u64
    }
}

/// One header of what was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its name, in lower case.
    pub name: String,
    /// Its value; none where it is the owner's, which nobody is shown again.
    pub value: Option<String>,
}

/// A receipt as stores keep it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Everything but the body, in the form that [`Kept::read`] reads.
    pub head: Vec<u8>,
    /// The body, packed where that makes it smaller; none where nothing was sent. Stores leave it out where it is that of the latest
    /// attempt before with one.
    pub body: Option<Bytes>,
}

/// A receipt that waits for the end of its exchange.
#[derive(Debug)]
pub struct Draft {
    writer: Writer,
    body: Option<Bytes>,
    secrets: Secrets,
}

impl Draft {
    /// Of an attempt for which nothing could be written.
    pub fn unsent() -> Draft {
        let mut writer = Writer::new();
        writer.nothing_sent();
        Draft { writer, body: None, secrets: Secrets::default() }
    }

    /// Of a request that is about to go out.
    pub fn of_request(request: &Request) -> Draft {
        let mut writer = Writer::new();
        let mut secrets = Secrets::default();
        let headers = request.headers.iter().map(|(name, value)| {
            let is_own = is_own(name, value);
            if !is_own {
                secrets.add(name, value);
            }
            // The right to report is in the code alone, which a receiver may repeat without the address before it.
            if let Some((_, code)) = value.rsplit_once('.').filter(|_| name == REPORT_HEADER) {
                secrets.add(name, code);
            }
            (&**name, is_own.then_some(value.as_str()))
        });
        writer.sent(Some(request.method), request.url.as_str(), headers, request.body.len());
        let body = request.body.slice(..request.body.len().min(BODY_BYTES_MAX));
        Draft { writer, body: Some(body), secrets }
    }

    /// Of a mail that is about to be handed over. Who logs in to the server, and how, is not in it.
    pub fn of_mail(mail: &Mail) -> Draft {
        let scheme = match mail.server.security {
            Security::Tls => "smtps",
            Security::StartTls => "smtp",
        };
        let address = format!("{scheme}://{}:{}", mail.server.host, mail.server.port);
        let to: Vec<String> = mail.to.iter().map(ToString::to_string).collect();
        let lines = [
            ("from", mail.from.to_string()),
            ("to", to.join(", ")),
            ("subject", mail.subject.clone()),
            ("message-id", format!("<{}@{}>", mail.message_id, mail.sender)),
        ];
        let headers = lines.iter().map(|(name, value)| (*name, Some(value.as_str())));
        let mut writer = Writer::new();
        writer.sent(None, &address, headers, mail.text.len());
        let mut body = Bytes::copy_from_slice(mail.text.as_bytes());
        body.truncate(BODY_BYTES_MAX);
        let mut secrets = Secrets::default();
        if let Some(login) = &mail.server.login {
            secrets.add("authorization", &login.password);
        }
        Draft { writer, body: Some(body), secrets }
    }

    /// Of what goes to such a destination: what its calls are signed with is taken out of the answer as well.
    pub fn hiding_keys_of(mut self, destination: &Definition) -> Draft {
        let keys = destination.kind.call().map(|call| call.secrets.as_slice()).unwrap_or_default();
        keys.iter().for_each(|key| self.secrets.add_signing(key));
        self
    }

    /// The exchange is over. What it repeats of the request's secrets is taken out of it; of what went to the operator's own
    /// destination only the times stay.
    pub fn finish(self, claim: &Claim, exchange: &mut Exchange, started_at: Timestamp) -> Kept {
        let queue_us = queued(claim, started_at);
        let mut facts = exchange.facts;
        let Draft { mut writer, mut body, secrets } = self;
        if !claim.target.is_users_own() {
            writer = Writer::new();
            writer.nothing_sent();
            (body, facts.address) = (None, None);
        }
        let answer_headers = match &mut exchange.result {
            Ok(answer) if claim.target.is_users_own() => {
                secrets.mask(answer);
                answer.headers.as_slice()
            }
            _ => &[],
        };
        let packed = body.as_deref().and_then(pack::pack);
        let head = writer.end(queue_us, &facts, answer_headers, packed.is_some());
        Kept { head, body: packed.map(Bytes::from).or(body) }
    }
}

impl Kept {
    /// Reads a receipt back; `body` is its own, or that of the latest attempt before with one.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(head: &[u8], body: Option<Bytes>) -> Result<Receipt, Unreadable> {
        wire::read(head, body)
    }
}

/// How long it waited. What a node let go that is gone is due at once, whenever it was due before; so that is not known any more.
fn queued(claim: &Claim, started_at: Timestamp) -> Option<u64> {
    let is_known = claim.due_at >= claim.event.fired_at;
    is_known.then(|| u64::try_from(started_at.duration_since(claim.due_at).as_micros()).unwrap_or(0))
}

/// Whether a header is one that oncue itself writes. Owners cannot name a header of theirs so; all that they can is theirs and
/// secret, and so is whatever is not known here.
fn is_own(name: &str, value: &str) -> bool {
    matches!(name, "content-type" | "user-agent")
        || name.starts_with("webhook-")
        || name.starts_with("ce-")
        || crate::message::GITHUB_HEADERS.contains(&(name, value))
}

#[cfg(test)]
mod tests;
