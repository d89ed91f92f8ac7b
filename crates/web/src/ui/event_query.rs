//! Which events a page asks for, as its address says it: one reader and one writer for the list, its links, its export and the
//! live tail. An empty field of a form asks for nothing; a wrong one is said and left aside.

use std::fmt::Display;

use jiff::Timestamp;
use oncue_domain::event::{Origin, Retention, Status};
use oncue_domain::firing::Outcome;
use oncue_domain::id::TriggerId;
use oncue_domain::schedule::zone::{Zone, parse_instant};
use oncue_domain::store::{EventFilter, EventPlace, EventSearch};
use oncue_domain::trigger::just_before;

use crate::api::event::{filter_of, read_status};
use crate::cursor::{read_place, write_place};
use crate::extract::Query;

/// The longest text that is searched for, in characters.
pub(crate) const TEXT_CHARS_MAX: usize = 200;

/// What keeps the places of this list apart from those of others.
const MARK: char = 'p';

/// Which events are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct EventQuery {
    /// The tab; none for all.
    pub(crate) status: Option<Status>,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) source: Option<Origin>,
    pub(crate) trigger: Option<TriggerId>,
    /// Fired at this instant or later.
    pub(crate) from: Option<Timestamp>,
    /// Fired before this instant.
    pub(crate) until: Option<Timestamp>,
    /// In the payload or the name.
    pub(crate) text: Option<String>,
    /// Below this place.
    pub(crate) before: Option<EventPlace>,
}

/// What could not be read, by the field it stood in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unread {
    pub(crate) field: &'static str,
    pub(crate) typed: String,
    pub(crate) message: String,
}

/// Takes the fields of a query, and gathers what is wrong with them.
pub(super) struct Reader<'a> {
    query: &'a mut Query,
    unread: Vec<Unread>,
}

impl<'a> Reader<'a> {
    pub(super) fn of(query: &'a mut Query) -> Reader<'a> {
        Reader { query, unread: Vec::new() }
    }

    /// What could not be read.
    pub(super) fn unread(self) -> Vec<Unread> {
        self.unread
    }

    pub(super) fn take<T, E: Display>(
        &mut self,
        field: &'static str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let typed = self.query.take_text(field).filter(|typed| !typed.trim().is_empty())?;
        match read(typed.trim()) {
            Ok(value) => Some(value),
            Err(error) => {
                self.unread.push(Unread { field, message: error.to_string(), typed });
                None
            }
        }
    }
}

impl EventQuery {
    /// Reads an address; times without a zone are in `zone`.
    pub(crate) fn take(query: &mut Query, zone: &Zone) -> (EventQuery, Vec<Unread>) {
        let mut reader = Reader::of(query);
        let wanted = EventQuery {
            status: reader.take("status", read_status).unwrap_or(Some(Status::Active)),
            outcome: reader.take("outcome", |word| Outcome::from_word(word).ok_or("There is no such outcome.")),
            source: reader.take("source", |word| Origin::from_word(word).ok_or("There is no such source.")),
            trigger: reader.take("trigger", |text| {
                text.parse().map(TriggerId).map_err(|_| "A trigger's number is a whole number.")
            }),
            from: reader.take("from", |text| parse_instant(text, zone)),
            until: reader.take("until", |text| parse_instant(text, zone)),
            text: reader.take("text", |text| match text.chars().count() {
                0..=TEXT_CHARS_MAX => Ok(text.to_owned()),
                _ => Err(format!("At most {TEXT_CHARS_MAX} characters are searched for.")),
            }),
            before: reader.take("before", |text| {
                let place = read_place(text).filter(|(mark, _)| *mark == MARK).map(|(_, place)| place);
                place.ok_or("This link does not name a place in the list.")
            }),
        };
        (wanted, reader.unread)
    }

    /// The bounds in time and trigger, without the rest.
    pub(crate) fn filter(&self, retention: Retention, now: Timestamp) -> EventFilter {
        let age = filter_of(retention, self.status, now);
        EventFilter {
            trigger: self.trigger,
            fired_after: age.fired_after.max(self.from.map(just_before)),
            fired_until: [age.fired_until, self.until.map(just_before)].into_iter().flatten().min(),
        }
    }

    /// What the store is asked.
    pub(crate) fn search(&self, retention: Retention, now: Timestamp) -> EventSearch {
        EventSearch {
            filter: self.filter(retention, now),
            outcome: self.outcome,
            origin: self.source,
            text: self.text.clone(),
        }
    }

    /// Whether what fires next would stand at the top of this list, and stay there.
    pub(crate) fn is_open_ended(&self) -> bool {
        self.before.is_none() && self.until.is_none() && self.status != Some(Status::Archived)
    }

    /// Whether anything narrows the tab down.
    pub(crate) fn is_narrowed(&self) -> bool {
        let tab = EventQuery { status: self.status, before: self.before, ..EventQuery::default() };
        *self != tab
    }

    /// The same, on another tab, from its top.
    pub(crate) fn on(&self, status: Option<Status>) -> EventQuery {
        EventQuery { status, before: None, ..self.clone() }
    }

    /// The same, below this place.
    pub(crate) fn below(&self, place: EventPlace) -> EventQuery {
        EventQuery { before: Some(place), ..self.clone() }
    }

    /// The same, of this stretch of time.
    pub(crate) fn between(&self, from: Timestamp, until: Timestamp) -> EventQuery {
        EventQuery { from: Some(from), until: Some(until), before: None, ..self.clone() }
    }

    /// As the part of an address behind the question mark. Instants are written in UTC, so that a link means the same to
    /// everybody.
    pub(crate) fn to_query(&self) -> String {
        let words = [
            ("status", Some(self.status.map_or("all", Status::word).to_owned())),
            ("outcome", self.outcome.map(|outcome| outcome.word().to_owned())),
            ("source", self.source.map(|source| source.word().to_owned())),
            ("trigger", self.trigger.map(|trigger| trigger.to_string())),
            ("from", self.from.map(|from| from.to_string())),
            ("until", self.until.map(|until| until.to_string())),
            ("text", self.text.clone()),
            ("before", self.before.map(written_place)),
        ];
        let pairs = words.into_iter().filter_map(|(name, value)| Some((name, value?)));
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
    }

    /// The list's address.
    pub(crate) fn address(&self) -> String {
        format!("/events?{}", self.to_query())
    }
}

/// A place in this list, as addresses write it.
pub(crate) fn written_place(place: EventPlace) -> String {
    write_place(MARK, place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::extract::FromRequestParts;
    use oncue_domain::id::EventId;
    use oncue_domain::schedule::zone::Zones;

    async fn read(query: &str) -> (EventQuery, Vec<Unread>) {
        let uri = format!("/events?{query}");
        let (mut parts, ()) = axum::http::Request::get(uri).body(()).expect("a request").into_parts();
        let mut query = Query::from_request_parts(&mut parts, &()).await.expect("any query can be read");
        EventQuery::take(&mut query, &Zones::bundled().get("Europe/Riga").expect("it exists"))
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("an instant")
    }

    #[tokio::test]
    async fn what_is_written_is_read_again() {
        let full = EventQuery {
            status: None,
            outcome: Some(Outcome::Failed),
            source: Some(Origin::CatchUp),
            trigger: Some(TriggerId(-7)),
            from: Some(at("2026-11-21T10:00:00.5Z")),
            until: Some(at("2026-11-21T11:00:00Z")),
            text: Some("a&b=\"ü\" +".to_owned()),
            before: Some(EventPlace { fired_at: at("2026-11-21T10:30:00Z"), id: EventId(29) }),
        };
        for wanted in [full, EventQuery { status: Some(Status::Active), ..EventQuery::default() }] {
            assert_eq!(read(&wanted.to_query()).await, (wanted, Vec::new()));
        }
    }

    #[tokio::test]
    async fn an_empty_form_asks_for_everything_that_is_active() {
        let (wanted, unread) = read("outcome=&source=&trigger=&from=&until=&text=+").await;
        assert_eq!(wanted, EventQuery { status: Some(Status::Active), ..EventQuery::default() });
        assert!(unread.is_empty() && !wanted.is_narrowed() && wanted.is_open_ended());
    }

    #[tokio::test]
    async fn times_of_a_form_are_read_in_the_zone_that_they_are_shown_in() {
        let (wanted, _) = read("from=2026-11-21T10:00&until=2026-11-21T11:00").await;
        assert_eq!(wanted.from, Some(at("2026-11-21T08:00:00Z")));
        let now = at("2026-11-21T12:00:00Z");
        let wide = Retention { active_for: jiff::SignedDuration::from_hours(40), ..Retention::STANDARD };
        let filter = wanted.filter(wide, now);
        assert_eq!(filter.fired_after, Some(at("2026-11-21T07:59:59.999999Z")), "from the instant on");
        assert_eq!(filter.fired_until, Some(at("2026-11-21T08:59:59.999999Z")), "up to, and without it");
    }

    #[tokio::test]
    async fn what_is_wrong_is_said_and_left_aside() {
        let (wanted, unread) = read("status=old&outcome=lost&source=x&trigger=seven&from=soon&before=zzz").await;
        let fields: Vec<&str> = unread.iter().map(|unread| unread.field).collect();
        assert_eq!(fields, ["status", "outcome", "source", "trigger", "from", "before"]);
        assert_eq!(wanted, EventQuery { status: Some(Status::Active), ..EventQuery::default() });
        assert_eq!(unread[3].typed, "seven");
    }
}
