//! Searches by chance, and what they find, in a form that is the same on both sides.

use jiff::SignedDuration;
use oncue_domain::event::{Event, Origin};
use oncue_domain::firing::Outcome;
use oncue_domain::id::{EventId, UserId};
use oncue_domain::store::{EventFilter, EventLine, EventPage, EventPlace, EventSearch, Result, Store};

use super::operation::trigger;
use super::summary::without_number;
use super::{Chance, Known};

/// Whose, which, in which order, after the event at this place of the whole listing, at most so many.
#[derive(Clone, Debug)]
pub(super) struct Search {
    pub(super) owner: UserId,
    what: EventSearch,
    order: Order,
    place: Option<usize>,
    limit: usize,
}

#[derive(Clone, Copy, Debug)]
enum Order {
    NewestFirst,
    OldestFirst,
    AsLogged,
}

impl Search {
    pub(super) fn draw(chance: &mut Chance, known: &Known, owner: UserId) -> Search {
        let outcome = chance.pick(&Outcome::ALL);
        let origin = chance.pick(&[Origin::Schedule, Origin::CatchUp, Origin::Api, Origin::Test]);
        let text = chance.pick(&["", "n", "TEXT", "{}", "grÜSSe", "Grüße", "%", "'; drop"]);
        Search {
            owner,
            what: EventSearch {
                filter: filter(chance, known),
                outcome: chance.once_in(2).then_some(outcome),
                origin: chance.once_in(4).then_some(origin),
                text: chance.once_in(3).then(|| text.to_owned()),
            },
            order: chance.pick(&[Order::NewestFirst, Order::OldestFirst, Order::AsLogged]),
            place: if chance.once_in(2) { None } else { Some(chance.below(40)) },
            limit: chance.pick(&[1, 5, 1000]),
        }
    }

    pub(super) fn method(&self) -> &'static str {
        match self.order {
            Order::AsLogged => "events_logged_after",
            Order::NewestFirst | Order::OldestFirst => "event_lines",
        }
    }

    /// Searches a store in which the owner has these events.
    pub(super) async fn run(self, store: &dyn Store, all: &[Event]) -> Result<Vec<EventLine>> {
        let event = self.place.and_then(|place| all.get(place));
        let place = event.map(|event| EventPlace { fired_at: event.fired_at, id: event.id });
        let found = match self.order {
            Order::AsLogged => {
                let after = event.map_or(EventId(0), |event| event.id);
                store.events_logged_after(self.owner, self.what, after, self.limit).await?
            }
            Order::NewestFirst => {
                store.event_lines(self.owner, self.what, EventPage::NewestFirst(place), self.limit).await?
            }
            Order::OldestFirst => {
                store.event_lines(self.owner, self.what, EventPage::OldestFirst(place), self.limit).await?
            }
        };
        let last = all.iter().map(|event| event.id).max().unwrap_or(EventId(0));
        assert!(found.logged_until >= last || found.lines.len() == self.limit, "nothing is left out");
        let unnumbered = |line: EventLine| EventLine { id: EventId(0), firing: without_number(line.firing), ..line };
        Ok(found.lines.into_iter().map(unnumbered).collect())
    }
}

/// Which events are meant.
pub(super) fn filter(chance: &mut Chance, known: &Known) -> EventFilter {
    let ago = |seconds: i64| known.now - SignedDuration::from_secs(seconds);
    EventFilter {
        trigger: if chance.once_in(2) { None } else { Some(trigger(chance, known).1) },
        fired_after: chance.pick(&[None, Some(3000), Some(60)]).map(ago),
        fired_until: chance.pick(&[None, Some(600), Some(0)]).map(ago),
    }
}
