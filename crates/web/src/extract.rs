//! What comes in, read with limits: bodies, JSON objects field by field, ids in paths, queries. Every refusal says which
//! limit or which field it was. Nothing here knows a trigger from an event.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::Response;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use jiff::Timestamp;
use oncue_domain::error::Invalid;
use oncue_domain::payload::PAYLOAD_BYTES_MAX;
use oncue_domain::schedule::zone::{Zone, parse_instant};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::fault::{Fault, respond_at};

/// The longest body of any request in bytes: the largest payload twice over, since a flat one comes escaped in a string.
pub(crate) const BODY_BYTES_MAX: usize = 2 * PAYLOAD_BYTES_MAX + 64 * 1024;

/// A body must have arrived by then.
const BODY_DEADLINE: Duration = Duration::from_secs(30);

/// Reads a whole body within `limit` bytes.
pub(crate) async fn read_body(body: Body, limit: usize) -> Result<Bytes, Fault> {
    let too_large = || {
        Fault::new(StatusCode::PAYLOAD_TOO_LARGE, format!("The body is too large; at most {limit} bytes are taken."))
    };
    match tokio::time::timeout(BODY_DEADLINE, Limited::new(body, limit).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Fault::new(StatusCode::BAD_REQUEST, "The body ended before it was complete.")),
        Err(_) => Err(Fault::new(StatusCode::REQUEST_TIMEOUT, "The body took too long to arrive.")),
    }
}

/// Whether the headers name a JSON media type.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let essence = media_type(headers);
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// The media type that the headers name, without its parameters; empty where they name none.
pub(crate) fn media_type(headers: &HeaderMap) -> String {
    let named = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    named.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// A body of JSON text, or none; checked for its media type and its size, not for its syntax.
pub(crate) struct JsonBody(pub(crate) Option<Bytes>);

impl JsonBody {
    /// The text, which has to be there.
    pub(crate) fn needed(&self) -> Result<&[u8], Fault> {
        self.0.as_deref().ok_or_else(|| Invalid::new("", "A JSON body is needed.").into())
    }

    /// The object that it is.
    pub(crate) fn object(&self) -> Result<Map<String, Value>, Fault> {
        let bytes = self.needed()?;
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(object)) => Ok(object),
            Ok(_) => Err(Invalid::new("", no_object(&String::from_utf8_lossy(bytes))).into()),
            Err(error) => Err(Fault::new(StatusCode::BAD_REQUEST, format!("The body is not valid JSON: {error}."))),
        }
    }
}

impl<S: Send + Sync> FromRequest<S> for JsonBody {
    type Rejection = Response;

    async fn from_request(request: Request, _: &S) -> Result<JsonBody, Response> {
        let path = request.uri().path().to_owned();
        let is_json = is_json(request.headers());
        let bytes = read_body(request.into_body(), BODY_BYTES_MAX).await.map_err(|fault| respond_at(&path, fault))?;
        if bytes.is_empty() {
            return Ok(JsonBody(None));
        }
        if !is_json {
            let fault = Fault::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "A body must come with the header Content-Type: application/json.",
            );
            return Err(respond_at(&path, fault));
        }
        Ok(JsonBody(Some(bytes)))
    }
}

/// Says of JSON text that is no object what it must be, and what it is.
fn no_object(text: &str) -> String {
    let sort = match text.trim_start().as_bytes().first() {
        Some(b'n') => ", not null",
        Some(b'"') => ", not a string",
        Some(b'[') => ", not an array",
        Some(b't' | b'f') => ", not a boolean",
        Some(b'-' | b'0'..=b'9') => ", not a number",
        _ => "",
    };
    format!("This must be a JSON object{sort}.")
}

/// The fields of a JSON object, taken one by one; whatever is wrong with any of them is gathered, so that all is said at once.
pub(crate) struct Fields {
    fields: BTreeMap<String, Box<RawValue>>,
    at: String,
    /// What is wrong so far.
    pub(crate) errors: Vec<Invalid>,
}

impl Fields {
    /// Reads the object.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Fields, Fault> {
        let text =
            std::str::from_utf8(bytes).map_err(|_| Fault::new(StatusCode::BAD_REQUEST, "The body is not UTF-8."))?;
        if let Err(error) = serde_json::from_str::<&RawValue>(text) {
            return Err(Fault::new(StatusCode::BAD_REQUEST, format!("The body is not valid JSON: {error}.")));
        }
        Fields::of(text, String::new()).map_err(Fault::from)
    }

    /// The fields of what is known to be JSON, at that place in the body.
    pub(crate) fn of(text: &str, at: String) -> Result<Fields, Invalid> {
        match serde_json::from_str(text) {
            Ok(fields) => Ok(Fields { fields, at, errors: Vec::new() }),
            Err(_) => Err(Invalid::new(at, no_object(text))),
        }
    }

    /// Whether the field is there, null or not.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }

    /// The JSON of a field as it stands, if it is there.
    pub(crate) fn raw(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(|raw| raw.get())
    }

    /// The raw JSON of a field, if it is there and not null.
    pub(crate) fn take_raw(&mut self, name: &str) -> Option<Box<RawValue>> {
        self.fields.remove(name).filter(|raw| raw.get() != "null")
    }

    /// A field as a `T`; none where it is missing, null, or wrong, and then `expected` says what it should be.
    pub(crate) fn take<T: DeserializeOwned>(&mut self, name: &str, expected: &str) -> Option<T> {
        let raw = self.take_raw(name)?;
        match serde_json::from_str(raw.get()) {
            Ok(value) => Some(value),
            Err(_) => {
                self.fail(name, expected);
                None
            }
        }
    }

    /// A field as something that `read` makes of a string.
    pub(crate) fn take_with<T, E: std::fmt::Display>(
        &mut self,
        name: &str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text: String = self.take(name, "This must be a string.")?;
        match read(&text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.fail(name, error.to_string());
                None
            }
        }
    }

    /// A field as an instant; without an offset it is read in `zone`.
    pub(crate) fn take_instant(&mut self, name: &str, zone: &Zone) -> Option<Timestamp> {
        self.take_with(name, |text| parse_instant(text, zone))
    }

    /// A field as an object of its own; its errors must be brought back by [`Fields::absorb`].
    pub(crate) fn take_object(&mut self, name: &str) -> Option<Fields> {
        let raw = self.take_raw(name)?;
        match Fields::of(raw.get(), self.path(name)) {
            Ok(fields) => Some(fields),
            Err(error) => {
                self.errors.push(error);
                None
            }
        }
    }

    /// Takes the errors of an object inside this one.
    pub(crate) fn absorb(&mut self, mut inner: Fields) {
        inner.refuse_unknown();
        self.errors.append(&mut inner.errors);
    }

    /// What nobody has taken, for whoever reads values.
    pub(crate) fn take_rest(&mut self) -> Result<Map<String, Value>, Fault> {
        let rest =
            std::mem::take(&mut self.fields).into_iter().map(|(name, raw)| match serde_json::from_str(raw.get()) {
                Ok(value) => Ok((name, value)),
                Err(error) => {
                    Err(Fault::new(StatusCode::BAD_REQUEST, format!("The field {name} cannot be read: {error}.")))
                }
            });
        rest.collect()
    }

    /// Leaves fields aside that are shown but cannot be set, so that what was read can be put back.
    pub(crate) fn ignore(&mut self, names: &[&str]) {
        for name in names {
            self.fields.remove(*name);
        }
    }

    /// Whether no field is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Says that a field is wrong.
    pub(crate) fn fail(&mut self, name: &str, message: impl Into<String>) {
        let path = self.path(name);
        self.errors.push(Invalid::new(path, sentence(message.into())));
    }

    fn path(&self, name: &str) -> String {
        match (self.at.as_str(), name) {
            ("", name) => name.to_owned(),
            (at, "") => at.to_owned(),
            (at, name) => format!("{at}.{name}"),
        }
    }

    fn refuse_unknown(&mut self) {
        let unknown: Vec<String> = std::mem::take(&mut self.fields).into_keys().collect();
        for name in unknown {
            let shown: String = name.chars().take(100).collect();
            self.fail(&shown, format!("There is no field \"{shown}\" here."));
        }
    }

    /// Every field was taken and none was wrong.
    pub(crate) fn finish(mut self) -> Result<(), Fault> {
        self.refuse_unknown();
        if self.errors.is_empty() { Ok(()) } else { Err(Fault::Invalid(self.errors)) }
    }
}

/// Errors of parsers are fragments, so that they can stand in a sentence; here each stands alone.
fn sentence(mut message: String) -> String {
    if let Some(first) = message.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    if !message.ends_with(['.', '!', '?']) {
        message.push('.');
    }
    message
}

/// The integer at the end of a path such as `/triggers/{id}`; anything else names nothing.
pub(crate) fn id_of(text: &str) -> Option<i64> {
    text.parse().ok()
}

/// What stands in the place of `{id}` in a path; empty where it is not text, and then it names nothing either.
pub(crate) struct PathId(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<PathId, Infallible> {
        let text = Path::<String>::from_request_parts(parts, state).await;
        Ok(PathId(text.map(|Path(text)| text).unwrap_or_default()))
    }
}

/// The two ids of a path, as texts; empty where they are not, and then they name nothing.
pub(crate) struct PathIds(pub(crate) String, pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for PathIds {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<PathIds, Infallible> {
        let ids = Path::<(String, String)>::from_request_parts(parts, state).await;
        let (outer, inner) = ids.map(|Path(ids)| ids).unwrap_or_default();
        Ok(PathIds(outer, inner))
    }
}

/// The values of a query, each name once.
pub(crate) struct Query {
    values: BTreeMap<String, String>,
    errors: Vec<Invalid>,
    address: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Query, Response> {
        let query = parts.uri.query().unwrap_or_default();
        let values = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let address = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
        Ok(Query { values, errors: Vec::new(), address })
    }
}

impl Query {
    /// What somebody asks who sends no request.
    pub(crate) fn of(values: impl IntoIterator<Item = (&'static str, String)>) -> Query {
        let values = values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Query { values, errors: Vec::new(), address: String::new() }
    }

    /// A value as whatever `read` makes of it.
    pub(crate) fn take<T, E: std::fmt::Display>(
        &mut self,
        name: &str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.values.remove(name)?;
        match read(&text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.errors.push(Invalid::new(name, error.to_string()));
                None
            }
        }
    }

    /// Whether there is a value of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// A value as it stands, which stays; one that is empty goes, and asks for nothing.
    pub(crate) fn named(&mut self, name: &str) -> Option<String> {
        if self.values.get(name).is_some_and(String::is_empty) {
            self.values.remove(name);
        }
        self.values.get(name).cloned()
    }

    /// A value as it stands.
    pub(crate) fn take_text(&mut self, name: &str) -> Option<String> {
        self.values.remove(name)
    }

    /// A name that means nothing here and looks as if it did, because pages, or other lists, have it: `instead` is the one that is
    /// meant. Left to be, it would let everything through.
    pub(crate) fn refuse(&mut self, name: &str, instead: &str) {
        if self.values.remove(name).is_some() {
            self.errors.push(Invalid::new(name, format!("There is no filter of this name here; say {instead}.")));
        }
    }

    /// A span that ends before it begins holds nothing, and is a slip.
    pub(crate) fn refuse_backwards(&mut self, since: Option<Timestamp>, until: Option<Timestamp>) {
        if is_backwards(since, until) {
            self.errors.push(Invalid::new("until", BACKWARDS));
        }
    }

    /// The address that was asked, with its query.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Nothing that was taken was wrong. Names that nobody asked for are let be, as browsers and proxies add their own.
    pub(crate) fn finish(self) -> Result<(), Fault> {
        if self.errors.is_empty() { Ok(()) } else { Err(Fault::InvalidQuery(self.errors)) }
    }
}

/// What is said of a span that ends before it begins.
pub(crate) const BACKWARDS: &str = "This is before since: nothing lies between the two.";

/// Whether a span ends before it begins.
pub(crate) fn is_backwards(since: Option<Timestamp>, until: Option<Timestamp>) -> bool {
    since.zip(until).is_some_and(|(since, until)| since > until)
}

/// The fields of a submitted HTML form, each name once.
pub(crate) type Form = BTreeMap<String, String>;

/// Reads a form's body.
pub(crate) fn parse_form(bytes: &[u8]) -> Form {
    url::form_urlencoded::parse(bytes).into_owned().collect()
}

/// Whether the headers name the media type of a submitted HTML form.
pub(crate) fn is_form(headers: &HeaderMap) -> bool {
    let named = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    named.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded")
}

/// The body of a submitted form within `limit` bytes; no body is a form without fields.
pub(crate) async fn read_form_body(request: Request, limit: usize) -> Result<Bytes, Fault> {
    let is_form = is_form(request.headers());
    let bytes = read_body(request.into_body(), limit).await?;
    if is_form || bytes.is_empty() {
        return Ok(bytes);
    }
    Err(Fault::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Send a form (application/x-www-form-urlencoded)."))
}

/// Whether a method only reads.
pub(crate) fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}
