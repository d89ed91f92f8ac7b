//! What kinds of destinations there are, and what each asks for.
//!
//! - `webhook`: `url`, `method` (`POST`, `PUT` or `PATCH`), `headers` (`{"x-api-key": "…"}`), `body` (`{"format": "cloudevents"}`,
//!   `cloudevents-binary`, or `own` with a `content_type` and a `template`), `secrets` to sign with (`[{"secret": "whsec_…"}]`).
//!   Path and query of the address, the values of headers and a body of one's own are templates (see [`crate::template`]);
//! - `discord`, `slack`: `url`;
//! - `github`: `github`, see [`super::Github`];
//! - `ntfy`: `ntfy`, see [`super::Ntfy`], and `headers`;
//! - `email`: `email`, see [`super::Email`];
//! - `inbox`: `inbox`, see [`super::Inbox`], and `method`, `headers`, `body` and `secrets` as a webhook.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use url::Url;

use super::Secrets;
use super::call::{Body, Call};
use super::email::Email;
use super::fields::Fields;
use super::github::Github;
use super::inbox::Inbox;
use super::ntfy::Ntfy;
use super::secret::{HeaderValue, Secret};
use crate::destination::webhook;
use crate::template::AddressTemplate;

/// The longest secret, in characters.
const SECRET_CHARS_MAX: usize = 1024;

/// What a destination is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Anybody's HTTP receiver.
    Webhook(Webhook),
    /// The address of a Discord webhook, or of whoever understands the same.
    Discord(Url),
    /// The address of a Slack incoming webhook, or of whoever understands the same.
    Slack(Url),
    /// A run of a workflow, or an event in a repository.
    Github(Github),
    /// A topic of an ntfy server.
    Ntfy(Ntfy),
    /// Mail.
    Email(Email),
    /// The receiver inside oncue.
    Inbox(Inbox),
}

/// Anybody's HTTP receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Its address.
    pub address: AddressTemplate,
    /// How it is asked.
    pub call: Call,
}

impl Kind {
    /// The words of all kinds.
    pub const WORDS: [&'static str; 7] = ["webhook", "discord", "slack", "github", "ntfy", "email", "inbox"];

    /// The words of those that have a [`Call`].
    pub const CALLED: [&'static str; 2] = ["webhook", "inbox"];

    /// How requests to it are written, where its owner says that; these are the kinds whose calls are signed.
    pub fn call(&self) -> Option<&Call> {
        match self {
            Kind::Webhook(webhook) => Some(&webhook.call),
            Kind::Inbox(inbox) => Some(&inbox.call),
            Kind::Discord(_) | Kind::Slack(_) | Kind::Github(_) | Kind::Ntfy(_) | Kind::Email(_) => None,
        }
    }

    /// The headers that its owner added to oncue's own, where that can be.
    pub fn headers(&self) -> Option<&BTreeMap<String, HeaderValue>> {
        match self {
            Kind::Ntfy(ntfy) => Some(&ntfy.headers),
            _ => self.call().map(|call| &call.headers),
        }
    }

    /// The word in the API, in the stores and on the pages.
    pub fn word(&self) -> &'static str {
        match self {
            Kind::Webhook(_) => "webhook",
            Kind::Discord(_) => "discord",
            Kind::Slack(_) => "slack",
            Kind::Github(_) => "github",
            Kind::Ntfy(_) => "ntfy",
            Kind::Email(_) => "email",
            Kind::Inbox(_) => "inbox",
        }
    }

    pub(super) fn read(fields: &mut Fields<'_>, former: Option<&Kind>) -> Option<Kind> {
        let choice = Kind::WORDS.join(", ");
        let Some(word) = fields.needed_text("kind", &format!("one of {choice}")) else {
            fields.forgive_unknown();
            return None;
        };
        match word {
            "webhook" => read_webhook(fields, former).map(Kind::Webhook),
            "discord" => read_address(fields, "url", "the address of a Discord webhook").map(Kind::Discord),
            "slack" => read_address(fields, "url", "the address of a Slack incoming webhook").map(Kind::Slack),
            "github" => Github::read(fields, former).map(Kind::Github),
            "ntfy" => Ntfy::read(fields, former).map(Kind::Ntfy),
            "email" => Email::read(fields, former).map(Kind::Email),
            "inbox" => Inbox::read(fields, former).map(Kind::Inbox),
            _ => {
                fields.forgive_unknown();
                fields.refuse("kind", format!("This must be one of {choice}."));
                None
            }
        }
    }

    pub(super) fn write(&self, object: &mut Map<String, Value>, secrets: Secrets) {
        match self {
            Kind::Webhook(webhook) => {
                object.insert("url".to_owned(), json!(webhook.address.as_str()));
                webhook.call.write(object, secrets);
            }
            Kind::Discord(address) | Kind::Slack(address) => {
                object.insert("url".to_owned(), json!(address.as_str()));
            }
            Kind::Github(github) => github.write(object, secrets),
            Kind::Ntfy(ntfy) => ntfy.write(object, secrets),
            Kind::Email(email) => email.write(object, secrets),
            Kind::Inbox(inbox) => inbox.write(object, secrets),
        }
    }
}

fn read_webhook(fields: &mut Fields<'_>, former: Option<&Kind>) -> Option<Webhook> {
    let address = fields.needed_text("url", "the address of the receiver");
    let address = address.and_then(|text| {
        let read = if fields.is_stored() { AddressTemplate::stored(text) } else { AddressTemplate::parse(text) };
        fields.note("url", read.map_err(|invalid| invalid.message))
    });
    let is_same = match (former, &address) {
        (Some(Kind::Webhook(former)), Some(address)) => former.address.receiver() == address.receiver(),
        _ => false,
    };
    let call = Call::read(fields, former, is_same);
    let (address, call) = (address?, call?);
    // Neither of them understands an event as it is: every delivery would be refused there. A body of one's own may be what they want.
    let right = match webhook::Format::recognise(address.known()) {
        webhook::Format::Json => return Some(Webhook { address, call }),
        _ if fields.is_stored() || matches!(call.body, Body::Own { .. }) => return Some(Webhook { address, call }),
        format => format.word(),
    };
    fields.refuse("kind", format!("This is the address of a {right} webhook: let the kind be \"{right}\"."));
    None
}

/// The object that holds what a kind asks for; it must be there.
pub(super) fn read_part<'a>(fields: &mut Fields<'a>, name: &'static str) -> Option<Fields<'a>> {
    if !fields.has(name) {
        fields.take(name);
        fields.refuse(name, "This is missing: the settings of this kind, as an object in curly brackets.");
        return None;
    }
    fields.object(name)
}

/// Reads the address of a receiver.
pub(super) fn read_address(fields: &mut Fields<'_>, name: &'static str, what: &str) -> Option<Url> {
    let text = fields.needed_text(name, what)?;
    let parsed = webhook::Webhook::parse(text, None).map(|webhook| webhook.url).map_err(|refusal| refusal.0);
    fields.note(name, parsed)
}

/// Reads a secret that may be none: null or nothing keeps what was there, for as long as the receiver stays the same, and an empty
/// text takes it away.
pub(super) fn read_secret(
    fields: &mut Fields<'_>,
    name: &'static str,
    former: Option<&Secret>,
    is_same_receiver: bool,
) -> Option<Secret> {
    if !fields.has(name) {
        fields.take(name);
        if former.is_some() && !is_same_receiver {
            // Else whoever may edit a destination could have its secrets sent to themselves.
            fields.refuse(name, "The receiver is another one now: type this again, or empty it.");
        }
        return former.cloned();
    }
    let text = fields.text(name)?;
    let is_plain = text.chars().count() <= SECRET_CHARS_MAX && !text.chars().any(char::is_control);
    let text = fields.note(
        name,
        is_plain
            .then_some(text)
            .ok_or_else(|| format!("This has at most {SECRET_CHARS_MAX} characters, and no line breaks.")),
    )?;
    (!text.is_empty()).then(|| Secret::new(text))
}
