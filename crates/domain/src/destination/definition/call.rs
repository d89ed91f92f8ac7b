//! How a request to a webhook is written: its method, its headers, what its body is, and what it is signed with. An inbox is asked in
//! the same way.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Secrets;
use super::fields::Fields;
use super::kind::Kind;
use super::secret::HeaderValue;
use crate::outbound::Method;
use crate::signature::{SECRETS_MAX, SigningSecret};
use crate::template::{Place, Template};

/// How many headers a destination may add.
const HEADERS_MAX: usize = 32;

/// The longest name of a header, in characters.
const HEADER_NAME_CHARS_MAX: usize = 64;

/// The longest value of a header in bytes, as typed; what it comes to is bounded by the template's place.
const HEADER_VALUE_BYTES_MAX: usize = 8 * 1024;

/// The longest type of a body, in bytes.
const CONTENT_TYPE_BYTES_MAX: usize = 200;

/// What a body of one's own is where nobody says.
const CONTENT_TYPE: &str = "application/json";

/// Headers that are oncue's to write, or the connection's. What begins with `webhook-` or `ce-` is too.
const RESERVED: [&str; 16] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "oncue-report",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
];

/// How a request is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// How it asks.
    pub method: Method,
    /// What it adds to oncue's own headers: names in lower case, and values.
    pub headers: BTreeMap<String, HeaderValue>,
    /// What its body is.
    pub body: Body,
    /// What it is signed with, each in its turn; at most [`SECRETS_MAX`], all different.
    pub secrets: Vec<SigningSecret>,
}

/// What a body is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Body {
    /// A CloudEvents 1.0 event in the structured JSON form.
    #[default]
    Structured,
    /// The data of a CloudEvents 1.0 event; its attributes stand in `ce-…` headers.
    Binary,
    /// A text of the user's own.
    Own {
        /// What it is, as `content-type` has it.
        content_type: String,
        /// The text.
        template: Template,
    },
}

impl Body {
    /// The word in the API, in the stores and on the pages.
    pub fn word(&self) -> &'static str {
        match self {
            Body::Structured => "cloudevents",
            Body::Binary => "cloudevents-binary",
            Body::Own { .. } => "own",
        }
    }

    fn write(&self) -> Value {
        match self {
            Body::Structured | Body::Binary => json!({"format": self.word()}),
            Body::Own { content_type, template } => {
                json!({"format": self.word(), "content_type": content_type, "template": template.as_str()})
            }
        }
    }
}

impl Call {
    /// `former` is what the destination was, of whatever kind: what signs stays where a webhook becomes an inbox, or an inbox a webhook.
    pub(super) fn read(fields: &mut Fields<'_>, former: Option<&Kind>, is_same_receiver: bool) -> Option<Call> {
        let method = read_method(fields);
        let headers = read_headers(fields, former.and_then(Kind::headers), is_same_receiver);
        let body = read_body(fields);
        let secrets = former.and_then(Kind::call).map(|call| call.secrets.as_slice());
        let secrets = read_secrets(fields, secrets.unwrap_or_default());
        Some(Call { method: method?, headers: headers?, body: body?, secrets: secrets? })
    }

    pub(super) fn write(&self, object: &mut Map<String, Value>, secrets: Secrets) {
        object.insert("method".to_owned(), json!(self.method.word()));
        object.insert("headers".to_owned(), write_headers(&self.headers, secrets));
        object.insert("body".to_owned(), self.body.write());
        let written = self.secrets.iter().map(|secret| write_secret(secret, secrets));
        object.insert("secrets".to_owned(), written.collect());
    }
}

/// Reads `secrets`: each entry is new (`{"secret": "whsec_…"}`) or one that was there before (`{"id": "…"}`, with whatever else was
/// shown of it). Signatures do not give a secret away, so they stay whoever the receiver is.
fn read_secrets(fields: &mut Fields<'_>, former: &[SigningSecret]) -> Option<Vec<SigningSecret>> {
    if !fields.has("secrets") {
        fields.take("secrets");
        return Some(former.to_vec());
    }
    let mut read: Vec<SigningSecret> = Vec::new();
    let mut is_well = true;
    for (at, value) in fields.list("secrets", SECRETS_MAX).iter().enumerate() {
        let secret = read_signing_secret(value, former).and_then(|secret| {
            if read.contains(&secret) { Err("This signing secret is named twice.".to_owned()) } else { Ok(secret) }
        });
        match secret {
            Ok(secret) => read.push(secret),
            Err(message) => {
                fields.refuse(&format!("secrets.{at}"), message);
                is_well = false;
            }
        }
    }
    (is_well && !fields.is_refused("secrets")).then_some(read)
}

fn read_signing_secret(value: &Value, former: &[SigningSecret]) -> Result<SigningSecret, String> {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    match (text("secret"), text("id")) {
        (Some(secret), _) => SigningSecret::parse(secret).map_err(|invalid| invalid.message),
        (None, Some(id)) => {
            let kept = former.iter().find(|secret| secret.id() == id);
            kept.cloned()
                .ok_or_else(|| "There is no signing secret of this id; a new one is named as `secret`.".to_owned())
        }
        (None, None) => {
            Err("This must be {\"secret\": \"whsec_…\"}, or {\"id\": \"…\"} of one that is there already.".to_owned())
        }
    }
}

fn write_secret(secret: &SigningSecret, secrets: Secrets) -> Value {
    match secrets {
        Secrets::Plain => json!({"secret": secret.reveal()}),
        Secrets::Masked => {
            json!({"id": secret.id(), "scheme": secret.scheme().word(), "public_key": secret.public_key()})
        }
    }
}

fn read_method(fields: &mut Fields<'_>) -> Option<Method> {
    if !fields.has("method") {
        fields.take("method");
        return Some(Method::default());
    }
    let method = fields.text("method")?;
    fields.note("method", Method::from_word(method).ok_or("This must be \"POST\", \"PUT\" or \"PATCH\"."))
}

fn read_body(fields: &mut Fields<'_>) -> Option<Body> {
    if !fields.has("body") {
        fields.take("body");
        return Some(Body::default());
    }
    let mut inner = fields.object("body")?;
    let body = match inner.needed_text("format", FORMATS).unwrap_or_default() {
        "cloudevents" => Some(Body::Structured),
        "cloudevents-binary" => Some(Body::Binary),
        "own" => read_own(&mut inner),
        _ => {
            inner.forgive_unknown();
            if !inner.is_refused("format") {
                inner.refuse("format", format!("This must be {FORMATS}."));
            }
            None
        }
    };
    fields.close(inner);
    body
}

const FORMATS: &str = "\"cloudevents\", \"cloudevents-binary\" or \"own\"";

fn read_own(inner: &mut Fields<'_>) -> Option<Body> {
    let content_type = if inner.has("content_type") {
        inner.text("content_type").and_then(|text| inner.note("content_type", read_content_type(text)))
    } else {
        inner.take("content_type");
        Some(CONTENT_TYPE.to_owned())
    };
    let template = inner.needed_text("template", "the text of the body")?;
    let template = inner.parse_template(template, Place::Body);
    let template = inner.note("template", template);
    Some(Body::Own { content_type: content_type?, template: template? })
}

/// A type and a subtype, and perhaps parameters (RFC 9110 §8.3.1).
fn read_content_type(text: &str) -> Result<String, String> {
    let text = text.trim();
    let essence = text.split(';').next().unwrap_or_default().trim_end();
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(is_token);
    let is_type = essence.split_once('/').is_some_and(|(of, sort)| is_word(of) && is_word(sort));
    let is_header = text.len() <= CONTENT_TYPE_BYTES_MAX && text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    (is_type && is_header)
        .then(|| text.to_owned())
        .ok_or_else(|| "This looks like application/json or text/plain; charset=utf-8.".to_owned())
}

/// Reads `headers`: an object of names and values, where null keeps the value that was there. Left out as a whole, they stay as they
/// were.
pub(super) fn read_headers(
    fields: &mut Fields<'_>,
    former: Option<&BTreeMap<String, HeaderValue>>,
    is_same_receiver: bool,
) -> Option<BTreeMap<String, HeaderValue>> {
    let Some(value) = fields.take("headers") else {
        let kept = former.cloned().unwrap_or_default();
        if !kept.is_empty() && !is_same_receiver {
            fields.refuse("headers", "The receiver is another one now: type the headers again, or {} for none.");
            return None;
        }
        return Some(kept);
    };
    let object = fields.note("headers", value.as_object().ok_or("This must be an object of names and values."))?;
    if object.len() > HEADERS_MAX {
        fields.refuse("headers", format!("At most {HEADERS_MAX} headers are allowed."));
        return None;
    }
    let mut headers = BTreeMap::new();
    let mut is_well = true;
    for (name, value) in object {
        let former = former.and_then(|former| former.get(&name.to_ascii_lowercase())).filter(|_| is_same_receiver);
        let read = read_header(name, value, former, fields.is_stored()).and_then(|(name, value)| {
            match headers.insert(name, value) {
                None => Ok(()),
                Some(_) => Err("This header is named twice.".to_owned()),
            }
        });
        if let Err(message) = read {
            let shown: String = name.chars().filter(|c| !c.is_control()).take(HEADER_NAME_CHARS_MAX).collect();
            fields.refuse(&format!("headers.{shown}"), message);
            is_well = false;
        }
    }
    is_well.then_some(headers)
}

fn read_header(
    name: &str,
    value: &Value,
    former: Option<&HeaderValue>,
    is_stored: bool,
) -> Result<(String, HeaderValue), String> {
    let name = name.to_ascii_lowercase();
    if !(1..=HEADER_NAME_CHARS_MAX).contains(&name.len()) || !name.bytes().all(is_token) {
        return Err(format!(
            "The name of a header has 1 to {HEADER_NAME_CHARS_MAX} letters, digits, hyphens and other signs that HTTP allows."
        ));
    }
    let is_reserved = RESERVED.contains(&name.as_str())
        || ["webhook-", "ce-", "proxy-"].into_iter().any(|prefix| name.starts_with(prefix));
    if is_reserved && !is_stored {
        return Err("This header is written by oncue itself; choose another name.".to_owned());
    }
    let value = match value {
        Value::Null => {
            former.cloned().ok_or("This needs a value; a former one is kept while the receiver stays the same.")?
        }
        Value::String(text) if is_stored => HeaderValue::stored(text),
        Value::String(text) => header_value(text)?,
        _ => return Err("The value of a header must be a text in quotes.".to_owned()),
    };
    Ok((name, value))
}

/// The value of a header as it is typed.
fn header_value(text: &str) -> Result<HeaderValue, String> {
    if text.len() > HEADER_VALUE_BYTES_MAX {
        return Err(format!("The value of a header has at most {HEADER_VALUE_BYTES_MAX} bytes."));
    }
    HeaderValue::parse(text).map_err(|invalid| invalid.message)
}

/// The signs of a name (RFC 9110 §5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

pub(super) fn write_headers(headers: &BTreeMap<String, HeaderValue>, secrets: Secrets) -> Value {
    headers.iter().map(|(name, value)| (name.clone(), secrets.write(value.expose()))).collect::<Map<_, _>>().into()
}
