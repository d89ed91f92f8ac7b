//! What a destination is sent: its kind and what its owner said about it in, one thing ready to go out. Whatever a kind's receiver cannot
//! take is said in words instead, before anything is dialled.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use url::Url;

use super::cloudevent::Envelope;
use super::{Source, discord, email, github, ntfy, slack, to_json};
use crate::destination::Definition;
use crate::destination::definition::{Body, Call, HeaderValue, Kind};
use crate::event::Event;
use crate::id::MessageId;
use crate::outbound::mail::Mail;
use crate::outbound::{Failure, Headers, Method, Request, Trust};
use crate::schedule::zone::Zones;
use crate::signature::{SigningSecret, sign};
use crate::template::{Context, Fault, Occurrence, Shared};

/// What is to be delivered, and what its receiver is to know it by.
#[derive(Clone, Copy, Debug)]
pub struct Parcel<'a> {
    /// The event.
    pub event: &'a Event,
    /// The `webhook-id` of all attempts of this delivery.
    pub message_id: MessageId,
    /// Where in its trigger's schedule the event stands ([`super::occurrence()`]); what is not known may be left out where no template
    /// asks for it ([`Definition::asks_for_occurrence`]).
    pub occurrence: Occurrence<'a>,
}

/// Something ready to go out, by the way it goes.
#[derive(Clone, Debug)]
pub enum Outgoing {
    /// A request for the network.
    Http(Request),
    /// A mail for a mail server.
    Mail(Mail),
    /// A request for the inbox: it never leaves the process.
    Inbox(Inbound),
}

/// A request for the inbox, and how the inbox is to answer.
#[derive(Clone, Debug)]
pub struct Inbound {
    /// What arrives. Its address is [`INBOX_ADDRESS`], which nobody can dial.
    pub request: Request,
    /// With which the signature can be checked, as a receiver would.
    pub secrets: Vec<SigningSecret>,
    /// What is answered.
    pub status: u16,
    /// How long that takes.
    pub delay: SignedDuration,
}

/// What stands where an inbox has no address.
pub const INBOX_ADDRESS: &str = "oncue:inbox";

/// Writes an event down for a destination, for the attempt that begins at `attempt_at`.
///
/// All attempts of one delivery carry the same `webhook-id`, and the same body and headers for as long as the destination, and where a
/// template names the occurrence the trigger's schedule, say the same; only `webhook-timestamp`, in whole Unix seconds, and with it
/// `webhook-signature` are the attempt's own (Standard Webhooks 1.0.0). Templates look time zones up in `zones`.
///
/// # Errors
/// When the receiver could not take it, or a template does not fit the event: why, for the owner of the destination.
pub fn compose(
    parcel: Parcel<'_>,
    destination: &Definition,
    source: &Source,
    zones: &Zones,
    attempt_at: Timestamp,
) -> Result<Outgoing, Failure> {
    written(parcel, destination, source, zones, attempt_at).map_err(|unfit| Failure(unfit.words))
}

/// The same as [`compose()`], for whoever wants to know where it went wrong.
pub(super) fn written(
    parcel: Parcel<'_>,
    destination: &Definition,
    source: &Source,
    zones: &Zones,
    attempt_at: Timestamp,
) -> Result<Outgoing, Unfit> {
    let head = Head { source, message_id: parcel.message_id, attempt_at };
    let (event, shared) = (parcel.event, Shared::default());
    let report_url = source.report_url(event);
    let context = Context {
        event,
        occurrence: parcel.occurrence,
        message_id: parcel.message_id,
        destination: &destination.name,
        source: &source.public_url,
        report_url: report_url.as_deref(),
        zones,
        shared: &shared,
    };
    let letter = |url: &Url, content_type: &str, body: Vec<u8>| Letter {
        method: Method::Post,
        url: url.clone(),
        content_type: content_type.to_owned(),
        body,
        more: Headers::new(),
        secrets: &[],
    };
    let timeout = destination.timeout.unsigned_abs();
    let mut request = match &destination.kind {
        Kind::Webhook(webhook) => {
            let address = webhook.address.render(&context).map_err(|fault| unrendered("url", "address", fault))?;
            head.request(called(&context, address, &webhook.call, source)?)
        }
        Kind::Discord(address) => head.request(letter(address, JSON, to_json(&discord::Message::new(event)))),
        Kind::Slack(address) => head.request(letter(address, JSON, to_json(&slack::Message::new(event)))),
        Kind::Github(github) => {
            let (url, body) = github::dispatch(&context, github, source)?;
            head.request(Letter { more: github::headers(github), ..letter(&url, JSON, body) })
        }
        Kind::Ntfy(ntfy) => {
            let body = to_json(&ntfy::Message::new(&context, ntfy)?);
            head.request(Letter { more: ntfy::headers(ntfy, &context)?, ..letter(&ntfy.server, JSON, body) })
        }
        Kind::Email(email) => return Ok(Outgoing::Mail(email::mail(&context, email, &head, timeout)?)),
        Kind::Inbox(inbox) => {
            let address = Url::parse(INBOX_ADDRESS).expect("the constant is an address");
            let mut request = head.request(called(&context, address, &inbox.call, source)?);
            request.timeout = Some(timeout);
            let secrets = inbox.call.secrets.clone();
            return Ok(Outgoing::Inbox(Inbound { request, secrets, status: inbox.status, delay: inbox.delay }));
        }
    };
    request.timeout = Some(timeout);
    Ok(Outgoing::Http(request))
}

const JSON: &str = "application/json";

/// The header with the address behind which verbs stand to which the receiver reports.
pub const REPORT_HEADER: &str = "oncue-report";

/// What a request says, before it is known which attempt it is.
struct Letter<'a> {
    method: Method,
    url: Url,
    content_type: String,
    body: Vec<u8>,
    more: Headers,
    secrets: &'a [SigningSecret],
}

/// The request that a webhook's call describes.
fn called<'a>(context: &Context<'_>, url: Url, call: &'a Call, source: &Source) -> Result<Letter<'a>, Unfit> {
    let envelope = || Envelope::new(context.event, source);
    let (content_type, body, mut more) = match &call.body {
        Body::Structured => ("application/cloudevents+json", to_json(&envelope()), Headers::new()),
        Body::Binary => (JSON, to_json(envelope().data()), envelope().headers()),
        Body::Own { content_type, template } => {
            let body = template.render(context).map_err(|fault| unrendered("body.template", "body", fault))?;
            (content_type.as_str(), body.into_bytes(), Headers::new())
        }
    };
    more.extend(report_header(context.event, source));
    more.extend(added(&call.headers, context)?);
    Ok(Letter { method: call.method, url, content_type: content_type.to_owned(), body, more, secrets: &call.secrets })
}

/// Where to report what becomes of the event, where that is expected: a receiver whose body is somebody's template is told as well.
pub(super) fn report_header(event: &Event, source: &Source) -> Option<(Cow<'static, str>, String)> {
    source.report_url(event).map(|url| (REPORT_HEADER.into(), url))
}

/// The headers that a destination's owner added.
pub(super) fn added(headers: &BTreeMap<String, HeaderValue>, context: &Context<'_>) -> Result<Headers, Unfit> {
    let rendered = headers.iter().map(|(name, value)| {
        let value = value.render(context);
        let value = value.map_err(|fault| unrendered(&format!("headers.{name}"), &format!("header {name}"), fault))?;
        Ok((name.clone().into(), value))
    });
    rendered.collect()
}

/// Why nothing can be sent for an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// The field of the destination that it is about, as a dotted path in its JSON (`body.template`); empty for the whole.
    pub field: String,
    /// Where in the field's template, and what is wrong there; none where no template is at fault.
    pub fault: Option<Fault>,
    /// All of it, for the owner of the destination.
    pub words: String,
}

impl Unfit {
    /// Something that the receiver would not take, whatever the templates say.
    pub(super) fn of(field: &str, words: String) -> Unfit {
        Unfit { field: field.to_owned(), fault: None, words }
    }
}

/// What is said of a template that does not fit the event: of the one at `field`, which people call `what`.
pub(super) fn unrendered(field: &str, what: &str, fault: Fault) -> Unfit {
    let words = format!("The template of the {what} does not fit this event. {fault}");
    Unfit { field: field.to_owned(), fault: Some(fault), words }
}

/// What every request of one attempt begins with.
pub(super) struct Head<'a> {
    pub(super) source: &'a Source,
    pub(super) message_id: MessageId,
    pub(super) attempt_at: Timestamp,
}

impl Head<'_> {
    /// The headers of Standard Webhooks without the signature, and what the body is.
    pub(super) fn headers(&self, content_type: String) -> Headers {
        vec![
            ("content-type".into(), content_type),
            ("user-agent".into(), self.source.user_agent()),
            ("webhook-id".into(), self.message_id.to_string()),
            ("webhook-timestamp".into(), self.attempt_at.as_second().to_string()),
        ]
    }

    fn request(&self, letter: Letter<'_>) -> Request {
        let mut headers = self.headers(letter.content_type);
        if !letter.secrets.is_empty() {
            let signature = sign(letter.secrets, &self.message_id.to_string(), self.attempt_at, &letter.body);
            headers.push(("webhook-signature".into(), signature));
        }
        headers.extend(letter.more);
        Request {
            method: letter.method,
            url: letter.url,
            headers,
            body: letter.body.into(),
            trust: Trust::Guarded,
            timeout: None,
        }
    }
}

#[cfg(test)]
mod tests;
