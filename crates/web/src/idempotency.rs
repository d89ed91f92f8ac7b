//! The header `Idempotency-Key`, by the IETF's draft of that name: whoever got no answer sends the same call again under the same key, and it
//! is carried out once. Calls that make events and triggers hand their key to the store, which writes it down in the transaction of what
//! they do ([`Given`]); the answers of all other calls are kept beside ([`mod@keep`]). Without the header nothing here costs anything.

mod keep;

use std::collections::BTreeMap;

use axum::extract::FromRequestParts;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponseParts, Response, ResponseParts};
use jiff::Timestamp;
use oncue_domain::access::Scope;
use oncue_domain::id::UserId;
use oncue_domain::idempotency::{Key, Keyed, Outcome, Print};
use oncue_domain::store::{Deed, Done, Error, Store};

use crate::app::Shared;
use crate::auth::Caller;
use crate::extract::JsonBody;
use crate::fault::{Fault, respond_at};

pub(crate) use keep::{ShownOnce, keep, to_the_end};

/// The header that names a key.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// The header of an answer that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Calls that write their keys down themselves, in the transaction of what they do.
pub(crate) const BY_THEMSELVES: [&str; 9] = [
    "/api/v1/triggers",
    "/api/v1/triggers/bulk",
    "/api/v1/triggers/{id}/fire",
    "/api/v1/triggers/{id}/test",
    "/api/v1/triggers/{id}/run",
    "/api/v1/fire/bulk",
    "/api/v1/event_logs/{id}/fire_again",
    "/triggers",
    "/triggers/{id}/fire",
];

/// Calls that only ask: they are answered anew each time.
pub(crate) const ONLY_ASK: [&str; 2] = ["/api/v1/schedules/preview", "/api/v1/destinations/preview"];

/// The key that the headers name.
fn read_key(headers: &HeaderMap) -> Result<Option<Key>, Fault> {
    let mut named = headers.get_all(HEADER).iter();
    let Some(value) = named.next() else { return Ok(None) };
    if named.next().is_some() {
        return Err(Fault::new(StatusCode::BAD_REQUEST, "A call has one Idempotency-Key; this one has several."));
    }
    Key::parse(value.as_bytes()).map(Some).map_err(|no_key| Fault::new(StatusCode::BAD_REQUEST, no_key.message))
}

/// What makes two calls the same: where they go, what they say and in which spelling, and what whoever sends them may do, so that a key with fewer rights
/// is never shown what one with more was answered.
fn print(address: &Address, caller: &Caller, body: &[u8]) -> Print {
    let target = address.uri.path_and_query().map_or("", PathAndQuery::as_str);
    let spelling = address.content_type.as_ref().map_or(&b""[..], HeaderValue::as_bytes);
    let mut rights = String::new();
    for scope in [Scope::Read, Scope::Fire, Scope::Manage] {
        if caller.require(scope).is_ok() {
            rights.push_str(scope.word());
            rights.push(' ');
        }
    }
    Print::of(&[b"POST", target.as_bytes(), spelling, rights.as_bytes(), body])
}

/// Where a call goes, and how it says that its body is to be read.
struct Address {
    uri: Uri,
    content_type: Option<HeaderValue>,
}

impl Address {
    fn of(parts: &Parts) -> Address {
        Address { uri: parts.uri.clone(), content_type: parts.headers.get(CONTENT_TYPE).cloned() }
    }
}

/// The key is another call's.
pub(crate) fn taken() -> Fault {
    let detail = "This Idempotency-Key was used for another call within the last 24 hours; use one key for one call.";
    Fault::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
}

/// The key that came with a call which writes it down itself; mostly none.
pub(crate) struct Given(Option<(Key, Address)>);

impl<S: Send + Sync> FromRequestParts<S> for Given {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Given, Response> {
        match read_key(&parts.headers) {
            Ok(key) => Ok(Given(key.map(|key| (key, Address::of(parts))))),
            Err(fault) => Err(respond_at(parts.uri.path(), fault)),
        }
    }
}

impl Given {
    /// Looks up what was done under the key; none where there is no key.
    pub(crate) async fn recall(self, app: &Shared, caller: &Caller, body: &[u8]) -> Result<Option<Recalled>, Fault> {
        let Given(Some((key, address))) = self else { return Ok(None) };
        let print = print(&address, caller, body);
        Recalled::of(app, caller, key, print).await.map(Some)
    }

    /// The same for a body of JSON.
    pub(crate) async fn recall_json(
        self,
        app: &Shared,
        caller: &Caller,
        body: &JsonBody,
    ) -> Result<Option<Recalled>, Fault> {
        self.recall(app, caller, body.0.as_deref().unwrap_or_default()).await
    }
}

/// What was made before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Before {
    pub(crate) number: i64,
    pub(crate) at: Timestamp,
}

/// A key, and what is known to have been done under it for the same call.
pub(crate) struct Recalled {
    key: Key,
    print: Print,
    made: BTreeMap<u32, Before>,
}

impl Recalled {
    /// Looks up what was done under a key.
    pub(crate) async fn of(app: &Shared, caller: &Caller, key: Key, print: Print) -> Result<Recalled, Fault> {
        let mut made = BTreeMap::new();
        for one in app.store.recall(caller.owner(), &key, app.now()).await? {
            match one.outcome {
                Outcome::Made(number) if one.print == print => made.insert(one.item, Before { number, at: one.at }),
                _ => return Err(taken()),
            };
        }
        Ok(Recalled { key, print, made })
    }

    /// What was made for the item of this index.
    pub(crate) fn made(&self, item: u32) -> Option<Before> {
        self.made.get(&item).copied()
    }

    /// The deeds of these items, each under the key and its index.
    pub(crate) fn under(&self, deeds: impl Iterator<Item = (u32, Deed)>) -> Vec<(Keyed, Deed)> {
        deeds.map(|(item, deed)| (Keyed { key: self.key.clone(), item, print: self.print }, deed)).collect()
    }

    /// Does what a call without items is to do, unless it was done.
    pub(crate) async fn once(
        &self,
        store: &dyn Store,
        owner: UserId,
        deed: Deed,
        now: Timestamp,
    ) -> Result<Done, Fault> {
        if let Some(Before { number, at }) = self.made(0) {
            return Ok(Done::Before { number, at });
        }
        let done = store.once(owner, self.under(std::iter::once((0, deed))), now).await;
        let done = done.into_iter().next();
        done.unwrap_or_else(|| Err(Error::Broken("nobody told what became of a call".to_owned()))).map_err(Fault::from)
    }
}

/// What stands against a deed that was none of what was asked for: the key is another call's, in all that can be.
pub(crate) fn other(done: Done) -> Fault {
    match done {
        Done::KeyTaken => taken(),
        done => Error::Broken(format!("a call came to something else: {done:?}")).into(),
    }
}

/// Whether an answer was given before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replayed {
    Yes,
    No,
}

impl IntoResponseParts for Replayed {
    type Error = std::convert::Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Self::Error> {
        if self == Replayed::Yes {
            parts.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        }
        Ok(parts)
    }
}
