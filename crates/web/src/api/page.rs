//! Pages of lists: how many, from where, and the link to the next one. Both surfaces page alike.

use axum::Json;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use oncue_domain::event::Event;
use oncue_domain::id::{TriggerId, UserId};
use oncue_domain::store::{self, EventFilter, EventPage, EventPlace, Store};
use oncue_domain::trigger::{Armed, Listed};
use serde::Serialize;

use crate::extract::Query;

/// How many items a list has when nobody says.
pub(crate) const ITEMS_UNASKED: usize = 1000;

/// How many items a list has at most when somebody says.
pub(crate) const ITEMS_MAX: usize = 200;

/// What a list is asked for.
pub(crate) struct PageQuery<C> {
    /// How many items.
    pub(crate) limit: usize,
    /// Whether the limit was named.
    pub(crate) is_limited: bool,
    /// From where.
    pub(crate) cursor: Option<C>,
}

/// Takes `limit` and `cursor` out of a query.
pub(crate) fn take_page<C>(query: &mut Query, read: impl FnOnce(&str) -> Option<C>) -> PageQuery<C> {
    let limit = query.take("limit", |text| match text.parse::<u64>() {
        Ok(0) | Err(_) => Err("The limit is a number from 1 to 200."),
        Ok(limit) => Ok(usize::try_from(limit).unwrap_or(ITEMS_MAX).min(ITEMS_MAX)),
    });
    let cursor = query.take("cursor", |text| read(text).ok_or("This cursor is not one that a Link header gave."));
    PageQuery { limit: limit.unwrap_or(ITEMS_UNASKED), is_limited: limit.is_some(), cursor }
}

/// How many bytes of payload one list carries; what is beyond is on the next page.
const PAYLOAD_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How many items are read at a time, so that even the largest payloads never pile up in memory.
pub(crate) const READ_TOGETHER: usize = 64;

/// Items of a list as far as it reaches, and whether there are more.
pub(crate) struct Gathered<T> {
    pub(crate) items: Vec<T>,
    pub(crate) more: bool,
}

/// The owner's triggers above `after`, those that cannot be read among them, at most `limit` and within the bound on bytes.
pub(crate) async fn gather_triggers(
    store: &dyn Store,
    owner: UserId,
    mut after: Option<TriggerId>,
    limit: usize,
) -> store::Result<Gathered<Listed<Armed>>> {
    let (mut items, mut bytes): (Vec<Listed<Armed>>, usize) = (Vec::new(), 0);
    loop {
        let wanted = READ_TOGETHER.min(limit + 1 - items.len());
        let read = store.listed_triggers(owner, after, wanted).await?;
        let was_last = read.len() < wanted;
        for one in read {
            if let Listed::Read(armed) = &one {
                let payload = armed.trigger.definition.payload.as_ref();
                bytes += payload.map_or(0, |payload| payload.as_str().len());
            }
            if items.len() == limit || (bytes > PAYLOAD_BYTES_MAX && !items.is_empty()) {
                return Ok(Gathered { items, more: true });
            }
            after = Some(number_of(&one));
            items.push(one);
        }
        if was_last {
            return Ok(Gathered { items, more: false });
        }
    }
}

/// The number of a trigger of a list, from which the next page goes on.
pub(crate) fn number_of(one: &Listed<Armed>) -> TriggerId {
    match one {
        Listed::Read(armed) => armed.trigger.id,
        Listed::Unreadable(unreadable) => unreadable.id,
    }
}

/// The owner's events from `page` on, at most `limit` and within the bound on bytes.
pub(crate) async fn gather_events(
    store: &dyn Store,
    owner: UserId,
    filter: EventFilter,
    mut page: EventPage,
    limit: usize,
) -> store::Result<Gathered<Event>> {
    let (mut items, mut bytes): (Vec<Event>, usize) = (Vec::new(), 0);
    loop {
        let wanted = READ_TOGETHER.min(limit + 1 - items.len());
        let read = store.events(owner, filter, page, wanted).await?;
        let was_last = read.len() < wanted;
        for event in read {
            bytes += event.payload.as_str().len();
            if items.len() == limit || (bytes > PAYLOAD_BYTES_MAX && !items.is_empty()) {
                return Ok(Gathered { items, more: true });
            }
            let place = Some(EventPlace { fired_at: event.fired_at, id: event.id });
            page = match page {
                EventPage::NewestFirst(_) => EventPage::NewestFirst(place),
                EventPage::OldestFirst(_) => EventPage::OldestFirst(place),
            };
            items.push(event);
        }
        if was_last {
            return Ok(Gathered { items, more: false });
        }
    }
}

/// The limit that the link to the next page names: pages after the first are always limited.
pub(crate) fn next_limit(limit: usize) -> String {
    limit.min(ITEMS_MAX).to_string()
}

/// A list, and the link to its next page where there is one.
pub(crate) fn respond<T: Serialize>(items: &[T], path: &str, next: Option<Vec<(&str, String)>>) -> Response {
    with_next(Json(items).into_response(), path, next)
}

/// An answer with the link to the next page, where there is one.
pub(crate) fn with_next(mut response: Response, path: &str, next: Option<Vec<(&str, String)>>) -> Response {
    if let Some(query) = next {
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        let link = format!("<{path}?{query}>; rel=\"next\"");
        let value = HeaderValue::from_str(&link).expect("an encoded query is a header value");
        response.headers_mut().insert(header::LINK, value);
    }
    response
}
