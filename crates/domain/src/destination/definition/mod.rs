//! What a user says about a destination, checked. [`Definition::read`] is the only way to one, so inside the house nobody checks
//! again; how it is written down for people, and how for stores, is decided here too, in one form for both.
//!
//! The form is JSON. Every destination has
//!
//! - `name`, a line of at most 200 characters;
//! - `kind`: `webhook`, `discord`, `slack`, `github`, `ntfy`, `email` or `inbox`, and what its kind asks for (see [`kind`]);
//! - `timeout` of one exchange, `"1s"` to `"30s"`, `"15s"` where none is named;
//! - `rate`, `{"count": 5, "per": "1s", "burst": 10}`, or null for what its kind is known to take, which is none for most;
//! - `parallelism`, how many exchanges at once from each node (1 to 64), or null for as many as the receiver keeps up with;
//! - `in_order`, whether one delivery waits for the one before it;
//! - `retries`, the pauses between attempts, as in `["5s", "5m"]`;
//! - `stop_on_4xx`, whether an answer that blames the request ends the delivery;
//! - `alert`, `{"destination": 7, "after": 3}` or null: who is told when so many attempts in a row failed (5 where none is named), when
//!   one succeeds again, and when the destination is suspended.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde_json::{Map, Value, json};
use url::Url;

use crate::delivery::ladder::{Ladder, PAUSE_MAX, PAUSE_MIN, RUNGS_MAX};
use crate::delivery::{EXCHANGE_DEADLINE, EXCHANGE_DEADLINE_MAX};
use crate::error::Invalid;
use crate::id::DestinationId;
use crate::payload::Payload;
use crate::template::Template;
use crate::trigger;

mod call;
mod email;
mod fields;
mod github;
mod inbox;
pub mod kind;
mod ntfy;
mod pace;
mod secret;

pub use call::{Body, Call};
pub use email::Email;
pub use github::{Dispatch, Github};
pub use inbox::Inbox;
pub use kind::Kind;
pub use ntfy::Ntfy;
pub use pace::{Rate, TURNS_AHEAD, Turns};
pub use secret::{HeaderValue, Secret};

use fields::{Fields, span_of, span_text};

/// How many bytes all settings of a destination may have together, as stores keep them.
pub const DEFINITION_BYTES_MAX: usize = 256 * 1024;

/// How many exchanges may go on at once where a destination says a number.
pub const PARALLELISM_MAX: u32 = 64;

/// The largest payload that any template without statements is done with at once.
const LIGHT_PAYLOAD_BYTES_MAX: usize = 16 * 1024;

/// The shortest time for one exchange.
const TIMEOUT_MIN: SignedDuration = SignedDuration::from_secs(1);

/// After how many failures in a row an alert may be asked for at most.
const ALERT_AFTER_MAX: u32 = 1000;

/// After how many failures in a row somebody is told where no number is named.
pub const ALERT_AFTER: u32 = 5;

/// What a user said about a destination, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// What its user calls it; never empty.
    pub name: String,
    /// What it is, and what that asks for.
    pub kind: Kind,
    /// The whole exchange must be over by then: 1 to 30 seconds.
    pub timeout: SignedDuration,
    /// How many deliveries may begin in which time; by what is kept to where nothing is said, see [`Definition::pace`].
    pub rate: Option<Rate>,
    /// How many exchanges each node may have going on at once (1 to [`PARALLELISM_MAX`]); none leaves it to the engine.
    pub parallelism: Option<u32>,
    /// Whether one delivery waits for the one before it; then there is one exchange at a time.
    pub in_order: bool,
    /// The pauses between attempts.
    pub retries: Ladder,
    /// Whether an answer that blames the request ends the delivery.
    pub stops_at_client_errors: bool,
    /// Who is told of trouble.
    pub alert: Option<Alert>,
}

/// Who is told when a destination is in trouble: after so many failed attempts in a row, when one succeeds again, and when the
/// destination is suspended (`destination::alert`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alert {
    /// The destination that is told; whether it exists is for the store to say.
    pub destination: DestinationId,
    /// How many attempts in a row must have failed; at least one.
    pub after: u32,
}

/// Whether secrets are written out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Secrets {
    /// For people: null where one is.
    Masked,
    /// For stores.
    Plain,
}

impl Secrets {
    fn write(self, secret: &str) -> Value {
        match self {
            Secrets::Masked => Value::Null,
            Secrets::Plain => json!(secret),
        }
    }
}

impl Definition {
    /// Reads what the API and the pages send: the form that this module's head describes.
    ///
    /// `former` is what the destination said before, where it is edited: a secret that is null or left out is taken from there, for as
    /// long as the receiver stays the same, and so are all headers and all signing secrets together; an empty text, object or list takes
    /// them away. Everything else that is left out is as if it never was said.
    ///
    /// # Errors
    /// Everything that is wrong, unknown settings included, each with the path of its field.
    pub fn read(value: &Value, former: Option<&Definition>) -> Result<Definition, Vec<Invalid>> {
        let Some(object) = value.as_object() else {
            return Err(vec![Invalid::new("", "A destination is an object in curly brackets.")]);
        };
        Definition::of(Fields::of(object, ""), former)?.bounded()
    }

    fn of(mut fields: Fields<'_>, former: Option<&Definition>) -> Result<Definition, Vec<Invalid>> {
        let name = read_name(&mut fields);
        let kind = Kind::read(&mut fields, former.map(|former| &former.kind));
        let timeout = fields.span("timeout", TIMEOUT_MIN, EXCHANGE_DEADLINE_MAX).unwrap_or(EXCHANGE_DEADLINE);
        let rate = Rate::read(&mut fields);
        let parallelism = fields.number("parallelism", 1, PARALLELISM_MAX);
        let in_order = fields.flag("in_order");
        if in_order && parallelism.is_some_and(|parallelism| parallelism > 1) {
            fields.refuse("parallelism", "In order means one at a time: leave the parallelism out, or let it be 1.");
        }
        let retries = read_retries(&mut fields);
        let stops_at_client_errors = fields.flag("stop_on_4xx");
        let alert = read_alert(&mut fields);
        let wrong = fields.finish();
        match (name, kind, retries) {
            (Some(name), Some(kind), Some(retries)) if wrong.is_empty() => Ok(Definition {
                name,
                kind,
                timeout,
                rate,
                parallelism,
                in_order,
                retries,
                stops_at_client_errors,
                alert,
            }),
            _ => Err(wrong),
        }
    }

    fn bounded(self) -> Result<Definition, Vec<Invalid>> {
        match self.to_text().len() {
            ..=DEFINITION_BYTES_MAX => Ok(self),
            bytes => Err(vec![Invalid::new(
                "",
                format!(
                    "The destination's settings have {bytes} bytes together; at most {DEFINITION_BYTES_MAX} are allowed."
                ),
            )]),
        }
    }

    /// The form in which people see it: every secret is null. Put back unchanged, it changes nothing.
    pub fn shown(&self) -> Value {
        self.write(Secrets::Masked)
    }

    /// The form in which stores keep it: JSON, secrets and all.
    pub fn to_text(&self) -> String {
        self.write(Secrets::Plain).to_string()
    }

    /// Reads what [`Definition::to_text`] wrote. What was checked when it was saved is not checked again: templates are not read and tried,
    /// and what is asked of those who say something new may have become stricter.
    ///
    /// # Errors
    /// When it is not that.
    pub fn from_text(text: &str) -> Result<Definition, Invalid> {
        let object: Map<String, Value> = serde_json::from_str(text)
            .map_err(|error| Invalid::new("", format!("The destination cannot be read: {error}.")))?;
        Definition::of(Fields::of_stored(&object), None).map_err(|wrong| {
            wrong.into_iter().next().unwrap_or_else(|| Invalid::new("", "The destination cannot be read."))
        })
    }

    /// By which rate deliveries begin: what it says, or else what its kind of receiver is known to take; none where neither is there.
    pub fn pace(&self) -> Option<Rate> {
        self.rate.or(match self.kind {
            Kind::Discord(_) => Some(pace::AT_DISCORD),
            Kind::Slack(_) => Some(pace::AT_SLACK),
            _ => None,
        })
    }

    /// The address to which its requests go, for the guard to judge when it is saved: as far as it is known, that is without path and
    /// query where these hold placeholders. None for what is reached in another way. Where deliveries may go is judged again for each.
    pub fn address(&self) -> Option<&Url> {
        match &self.kind {
            Kind::Webhook(webhook) => Some(webhook.address.known()),
            Kind::Discord(address) | Kind::Slack(address) => Some(address),
            Kind::Github(github) => Some(&github.api),
            Kind::Ntfy(ntfy) => Some(&ntfy.server),
            Kind::Email(_) | Kind::Inbox(_) => None,
        }
    }

    /// Whether a template may name the occurrence and its neighbours, so that whoever composes must look the schedule up.
    pub fn asks_for_occurrence(&self) -> bool {
        self.any_template(|text| text.contains("occurrence"))
    }

    /// Whether writing an event of that payload down may take long enough, some tens of milliseconds, to be in others' way: where a
    /// template has statements, or much to look at.
    pub fn is_laborious(&self, payload: &Payload) -> bool {
        let is_large = payload.as_str().len() > LIGHT_PAYLOAD_BYTES_MAX;
        self.any_template(|text| text.contains("{%") || is_large && !Template::is_plain(text))
    }

    /// Whether one of its texts that are templates is so.
    fn any_template(&self, names: impl Fn(&str) -> bool) -> bool {
        let in_headers = |headers: &BTreeMap<String, HeaderValue>| headers.values().any(|value| names(value.expose()));
        let in_call = |call: &Call| {
            in_headers(&call.headers) || matches!(&call.body, Body::Own { template, .. } if names(template.as_str()))
        };
        let in_texts = |texts: [&Option<Template>; 2]| texts.into_iter().flatten().any(|text| names(text.as_str()));
        match &self.kind {
            Kind::Webhook(webhook) => names(webhook.address.as_str()) || in_call(&webhook.call),
            Kind::Inbox(inbox) => in_call(&inbox.call),
            Kind::Ntfy(ntfy) => in_headers(&ntfy.headers) || in_texts([&ntfy.title, &ntfy.message]),
            Kind::Email(email) => in_texts([&email.subject, &email.text]),
            Kind::Github(Github { dispatch: Dispatch::Workflow { inputs, .. }, .. }) => {
                inputs.values().any(|template| names(template.as_str()))
            }
            Kind::Github(_) | Kind::Discord(_) | Kind::Slack(_) => false,
        }
    }

    fn write(&self, secrets: Secrets) -> Value {
        let mut object = Map::new();
        object.insert("name".to_owned(), json!(self.name));
        object.insert("kind".to_owned(), json!(self.kind.word()));
        self.kind.write(&mut object, secrets);
        let pauses = self.retries.pauses().iter().copied().map(span_text);
        let alert = self.alert.map(|alert| json!({"destination": alert.destination.0, "after": alert.after}));
        object.insert("timeout".to_owned(), span_text(self.timeout));
        object.insert("rate".to_owned(), self.rate.map(Rate::write).unwrap_or_default());
        object.insert("parallelism".to_owned(), json!(self.parallelism));
        object.insert("in_order".to_owned(), json!(self.in_order));
        object.insert("retries".to_owned(), pauses.collect());
        object.insert("stop_on_4xx".to_owned(), json!(self.stops_at_client_errors));
        object.insert("alert".to_owned(), alert.unwrap_or_default());
        Value::Object(object)
    }
}

fn read_name(fields: &mut Fields<'_>) -> Option<String> {
    let name = fields.needed_text("name", "what the destination is called")?;
    match trigger::parse_name(name) {
        Ok(name) => {
            let name = name.filter(|name| !name.trim().is_empty());
            fields.note("name", name.ok_or("A destination needs a name."))
        }
        Err(invalid) => {
            fields.refuse("name", invalid.message);
            None
        }
    }
}

fn read_retries(fields: &mut Fields<'_>) -> Option<Ladder> {
    let Some(value) = fields.take("retries") else { return Some(Ladder::standard()) };
    let Some(values) = value.as_array() else {
        fields.refuse("retries", "This must be a list of pauses, like [\"5s\", \"5m\"].");
        return None;
    };
    if values.len() > RUNGS_MAX {
        fields.refuse("retries", format!("There are at most {RUNGS_MAX} pauses between attempts."));
        return None;
    }
    let pauses: Result<Vec<SignedDuration>, String> =
        values.iter().map(|value| span_of(value, PAUSE_MIN, PAUSE_MAX)).collect();
    fields.note("retries", pauses.and_then(Ladder::new))
}

fn read_alert(fields: &mut Fields<'_>) -> Option<Alert> {
    let mut inner = fields.object("alert")?;
    let named = inner.take("destination").and_then(Value::as_i64).filter(|id| *id > 0);
    let destination = inner.note("destination", named.ok_or("This must be the number of a destination."));
    let after = inner.number("after", 1, ALERT_AFTER_MAX).unwrap_or(ALERT_AFTER);
    fields.close(inner);
    destination.map(|id| Alert { destination: DestinationId(id), after })
}

#[cfg(test)]
mod tests;
