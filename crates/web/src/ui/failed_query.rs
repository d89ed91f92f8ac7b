//! Which failed deliveries a page asks for, as its address says it: one reader and one writer for the list, its links, and the wish to
//! redeliver all that match. An empty field of a form asks for nothing; a wrong one is said and left aside.

use jiff::Timestamp;
use oncue_domain::id::{DestinationId, TriggerId};
use oncue_domain::schedule::zone::{Zone, parse_instant};
use oncue_domain::store::{UndeliveredFilter, UndeliveredPlace};
use oncue_domain::trigger::just_before;

use super::event_query::{Reader, Unread};
use crate::api::delivery::{read_place, write_place};
use crate::extract::Query;

/// Where the list is.
pub(crate) const ADDRESS: &str = "/ui/deliveries";

/// Which failed deliveries are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FailedQuery {
    pub(crate) destination: Option<DestinationId>,
    pub(crate) trigger: Option<TriggerId>,
    /// Given up at this instant or later.
    pub(crate) from: Option<Timestamp>,
    /// Given up before this instant.
    pub(crate) until: Option<Timestamp>,
    /// Below this place.
    pub(crate) before: Option<UndeliveredPlace>,
}

impl FailedQuery {
    /// Reads an address; times without a zone are in `zone`.
    pub(crate) fn take(query: &mut Query, zone: &Zone) -> (FailedQuery, Vec<Unread>) {
        let mut reader = Reader::of(query);
        let number = |text: &str| text.parse::<i64>();
        let wanted = FailedQuery {
            destination: reader.take("destination", |text| {
                number(text).map(DestinationId).map_err(|_| "A destination's number is a whole number.")
            }),
            trigger: reader.take("trigger", |text| {
                number(text).map(TriggerId).map_err(|_| "A trigger's number is a whole number.")
            }),
            from: reader.take("from", |text| parse_instant(text, zone)),
            until: reader.take("until", |text| parse_instant(text, zone)),
            before: reader
                .take("before", |text| read_place(text).ok_or("This link does not name a place in the list.")),
        };
        (wanted, reader.unread())
    }

    /// What the store is asked.
    pub(crate) fn filter(&self) -> UndeliveredFilter {
        UndeliveredFilter {
            destination: self.destination,
            trigger: self.trigger,
            failed_after: self.from.map(just_before),
            failed_until: self.until.map(just_before),
        }
    }

    /// Whether anything narrows the list down.
    pub(crate) fn is_narrowed(&self) -> bool {
        *self != FailedQuery { before: self.before, ..FailedQuery::default() }
    }

    /// The same, below this place.
    pub(crate) fn below(&self, place: UndeliveredPlace) -> FailedQuery {
        FailedQuery { before: Some(place), ..self.clone() }
    }

    /// The same, from the top of the list.
    pub(crate) fn at_the_top(&self) -> FailedQuery {
        FailedQuery { before: None, ..self.clone() }
    }

    /// The address of a page that asks for these. Instants are written in UTC, so that a link means the same to everybody.
    pub(crate) fn at(&self, page: &str) -> String {
        let words = [
            ("destination", self.destination.map(|destination| destination.to_string())),
            ("trigger", self.trigger.map(|trigger| trigger.to_string())),
            ("from", self.from.map(|from| from.to_string())),
            ("until", self.until.map(|until| until.to_string())),
            ("before", self.before.map(write_place)),
        ];
        let pairs = words.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        if query.is_empty() { page.to_owned() } else { format!("{page}?{query}") }
    }

    /// The list's address.
    pub(crate) fn address(&self) -> String {
        self.at(ADDRESS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::extract::FromRequestParts;
    use oncue_domain::id::EventId;
    use oncue_domain::schedule::zone::Zones;

    async fn read(uri: &str) -> (FailedQuery, Vec<Unread>) {
        let (mut parts, ()) = axum::http::Request::get(uri).body(()).expect("a request").into_parts();
        let mut query = Query::from_request_parts(&mut parts, &()).await.expect("any query can be read");
        FailedQuery::take(&mut query, &Zones::bundled().get("Europe/Riga").expect("it exists"))
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("an instant")
    }

    #[tokio::test]
    async fn what_is_written_is_read_again() {
        let full = FailedQuery {
            destination: Some(DestinationId(3)),
            trigger: Some(TriggerId(-7)),
            from: Some(at("2026-11-21T10:00:00.5Z")),
            until: Some(at("2026-11-21T11:00:00Z")),
            before: Some(UndeliveredPlace { failed_at: at("2026-11-21T10:30:00Z"), event: EventId(29), slot: 1 }),
        };
        assert!(full.is_narrowed() && !FailedQuery { before: full.before, ..FailedQuery::default() }.is_narrowed());
        for wanted in [full.clone(), full.at_the_top(), FailedQuery::default()] {
            assert_eq!(read(&wanted.address()).await, (wanted, Vec::new()));
        }
        assert_eq!(FailedQuery::default().address(), ADDRESS);
    }

    #[tokio::test]
    async fn times_are_read_in_the_zone_that_they_are_shown_in_and_what_is_wrong_is_left_aside() {
        let (wanted, unread) = read("/ui/deliveries?destination=&from=2026-11-21T10:00&until=2026-11-21T11:00").await;
        assert!(unread.is_empty());
        let filter = wanted.filter();
        assert_eq!(filter.failed_after, Some(at("2026-11-21T07:59:59.999999Z")), "from the instant on");
        assert_eq!(filter.failed_until, Some(at("2026-11-21T08:59:59.999999Z")), "up to, and without it");
        let (wanted, unread) = read("/ui/deliveries?destination=x&trigger=7&until=soon&before=zzz").await;
        let fields: Vec<&str> = unread.iter().map(|unread| unread.field).collect();
        assert_eq!(fields, ["destination", "until", "before"]);
        assert_eq!(wanted, FailedQuery { trigger: Some(TriggerId(7)), ..FailedQuery::default() });
    }
}
