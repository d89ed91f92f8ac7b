//! What a destination would be sent, for its owner to look at before anything is: the same writing as of a delivery, with nothing in it
//! that is secret. Signatures are examples, made with secrets that were drawn for this and are forgotten with it, so that nobody can
//! have a text of their choice signed by asking to see it; so are the addresses for reports, which are the right to report.

use jiff::Timestamp;
use serde_json::value::RawValue;

use super::compose::written;
use super::{Outgoing, Parcel, Source, Unfit, occurrence};
use crate::destination::Definition;
use crate::destination::definition::Kind;
use crate::event::{Event, Origin};
use crate::id::{EventId, MessageId, TriggerId, UserId};
use crate::outbound::mail::Mail;
use crate::outbound::{Method, Request};
use crate::payload::Payload;
use crate::run::ReportKey;
use crate::schedule::zone::Zones;
use crate::signature::{Scheme, SigningSecret};
use crate::trigger::{self, ScheduleDetails, Trigger};

/// What a destination would be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Preview {
    /// A request, or what arrives at an inbox.
    Request {
        /// How it asks.
        method: Method,
        /// Where to; of an inbox [`super::INBOX_ADDRESS`].
        url: String,
        /// Names and values of its headers, in their order; none for a value that is secret.
        headers: Vec<(String, Option<String>)>,
        /// The body.
        body: Vec<u8>,
        /// Whether the body is JSON, where its `content-type` says that it is; else why it is not.
        json: Option<Result<(), String>>,
    },
    /// A mail.
    Mail {
        /// Who writes.
        from: String,
        /// Who is written to.
        to: Vec<String>,
        /// Its subject.
        subject: String,
        /// Its text.
        text: String,
    },
}

/// The event that a preview is made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The event.
    pub event: Event,
    /// The schedule of its trigger.
    pub schedule: Option<ScheduleDetails>,
}

/// What a number is that nothing has.
const NO_ID: i64 = 0;

impl Sample {
    /// An event of no trigger that there is: `{}` on time.
    pub fn of_nobody(owner: UserId, message_id: MessageId, now: Timestamp) -> Sample {
        let event = Event {
            id: EventId(NO_ID),
            owner,
            trigger: TriggerId(NO_ID),
            revision: 1,
            name: "Sample".to_owned(),
            kind: trigger::Kind::Scheduled,
            origin: Origin::Schedule,
            scheduled_at: Some(now),
            due_at: None,
            fired_at: now,
            message_id,
            payload: Payload::empty(),
            parent: None,
            has_run: false,
        };
        Sample { event, schedule: None }
    }

    /// The event that this trigger will make: on time at its next occurrence, else by a call or a test now.
    pub fn of_trigger(trigger: &Trigger, message_id: MessageId, now: Timestamp) -> Sample {
        let definition = &trigger.definition;
        // What has its time behind it and is not due yet is still to come, where it is the trigger's own.
        let since = |details: &ScheduleDetails| details.due_by(now).max(trigger.standing_since);
        let next = definition.schedule.as_ref().and_then(|details| details.next_after(since(details)));
        let origin = match (definition.kind(), next) {
            (trigger::Kind::Api, _) => Origin::Api,
            (trigger::Kind::Scheduled, Some(_)) => Origin::Schedule,
            (trigger::Kind::Scheduled, None) => Origin::Test,
        };
        let due = next.zip(definition.schedule.as_ref()).map(|(next, details)| details.due_at(next));
        let event = Event {
            id: EventId(NO_ID),
            owner: trigger.owner,
            trigger: trigger.id,
            revision: trigger.revision,
            name: definition.name.clone().unwrap_or_default(),
            kind: definition.kind(),
            origin,
            scheduled_at: next,
            due_at: due.filter(|due| Some(*due) != next),
            fired_at: due.unwrap_or(now),
            message_id,
            payload: definition.payload.clone().unwrap_or_else(Payload::empty),
            parent: None,
            has_run: false,
        };
        Sample { event, schedule: definition.schedule.clone() }
    }
}

/// Writes down what a destination would be sent for an event, by an attempt that begins at `now`. What `random` gives is used for the
/// secrets of examples alone: of signatures, and of the address for reports, which a template may have cut or spelt such that nobody could
/// find it in what came of it.
///
/// # Errors
/// When the receiver could not take it, or a template does not fit the event: what, and where.
pub fn preview(
    sample: &Sample,
    mut destination: Definition,
    source: &Source,
    zones: &Zones,
    now: Timestamp,
    random: [u8; 32],
) -> Result<Preview, Unfit> {
    for_show(&mut destination, random);
    let source = &Source { reports: ReportKey::derive(&random), ..source.clone() };
    let event = &sample.event;
    let occurrence = occurrence(event, sample.schedule.as_ref());
    let parcel = Parcel { event, message_id: event.message_id, occurrence };
    Ok(match written(parcel, &destination, source, zones, now)? {
        Outgoing::Http(request) => of_request(request, &destination.kind),
        Outgoing::Inbox(inbound) => of_request(inbound.request, &destination.kind),
        Outgoing::Mail(mail) => of_mail(mail),
    })
}

/// Lets it sign with secrets of the same schemes that nobody has.
fn for_show(destination: &mut Definition, random: [u8; 32]) {
    let secrets = match &mut destination.kind {
        Kind::Webhook(webhook) => &mut webhook.call.secrets,
        Kind::Inbox(inbox) => &mut inbox.call.secrets,
        _ => return,
    };
    for (secret, nth) in secrets.iter_mut().zip(0u8..) {
        let mut random = random;
        random[0] ^= nth;
        *secret = match secret.scheme() {
            Scheme::V1 => SigningSecret::symmetric(random),
            Scheme::V1a => SigningSecret::asymmetric(random),
        };
    }
}

fn of_request(request: Request, kind: &Kind) -> Preview {
    let is_secret = |name: &str| match kind {
        Kind::Webhook(webhook) => webhook.call.headers.contains_key(name),
        Kind::Inbox(inbox) => inbox.call.headers.contains_key(name),
        Kind::Ntfy(ntfy) => ntfy.headers.contains_key(name) || name == "authorization",
        Kind::Github(_) => name == "authorization",
        Kind::Discord(_) | Kind::Slack(_) | Kind::Email(_) => false,
    };
    let said = request.headers.iter().find(|(name, _)| name == "content-type").map(|(_, value)| value.as_str());
    let json = said.is_some_and(says_json).then(|| check_json(&request.body));
    let headers = request.headers.into_iter().map(|(name, value)| {
        let value = (!is_secret(&name)).then_some(value);
        (name.into_owned(), value)
    });
    Preview::Request {
        method: request.method,
        url: request.url.to_string(),
        headers: headers.collect(),
        body: request.body.to_vec(),
        json,
    }
}

fn of_mail(mail: Mail) -> Preview {
    Preview::Mail {
        from: mail.from.to_string(),
        to: mail.to.iter().map(ToString::to_string).collect(),
        subject: mail.subject,
        text: mail.text,
    }
}

/// Whether a media type is one of JSON (RFC 6839 §3.1 for the suffix).
fn says_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || essence == "text/json" || essence.ends_with("+json")
}

fn check_json(body: &[u8]) -> Result<(), String> {
    let parsed: Result<&RawValue, _> = serde_json::from_slice(body);
    parsed.map(drop).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
