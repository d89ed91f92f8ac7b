//! Calendars by chance: made, changed and deleted, rightly and not, while triggers name them. Their draws are their own, and which of them a
//! trigger names hangs on when it is drawn, so that nothing else is drawn otherwise because there are calendars.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use oncue_domain::calendar::{Calendar, Definition, read_dates};
use oncue_domain::id::{CalendarId, UserId};
use oncue_domain::schedule::observed::Observed;
use oncue_domain::store::{CalendarEdited, CalendarMade, Deleted, Store};

use super::side::{Outcome, told};
use super::{Chance, Known};

/// Something is asked about a calendar.
#[derive(Clone, Debug)]
pub(super) enum Keeping {
    Create(UserId, Definition),
    /// As it was seen.
    Edit(Calendar, Definition),
    Delete(UserId, CalendarId),
}

/// The calendars that a trigger of this owner's names, each now and then as it never was.
pub(super) fn some(known: &Known, owner: UserId) -> Vec<Arc<Observed>> {
    let moment = known.now.as_microsecond() / 3;
    let own = known.calendars.iter().filter(|calendar| calendar.owner == owner || moment % 37 == 0);
    let named = own.enumerate().filter(|(place, _)| (moment >> place) % 4 == 0);
    let observed = |calendar: &Calendar| {
        let observed = calendar.observed();
        let revision = if moment % 29 == 0 { observed.revision - 1 } else { observed.revision };
        Arc::new(Observed { revision, ..observed })
    };
    named.map(|(_, calendar)| observed(calendar)).collect()
}

impl Keeping {
    pub(super) fn method(&self) -> &'static str {
        match self {
            Keeping::Create(..) => "create_calendar",
            Keeping::Edit(..) => "edit_calendar",
            Keeping::Delete(..) => "delete_calendar",
        }
    }

    /// Mostly about somebody's own; now and then about another's, about one as it was before, or about none at all.
    pub(super) fn draw(chance: &mut Chance, known: &Known, owner: UserId) -> Keeping {
        if known.calendars.is_empty() || known.calendars.len() < 6 && chance.once_in(4) {
            return Keeping::Create(owner, said(chance, known.now));
        }
        let found = chance.pick(&known.calendars);
        match chance.below(16) {
            0..3 => Keeping::Delete(found.owner, found.id),
            3 => Keeping::Delete(owner, found.id),
            4 => Keeping::Delete(owner, CalendarId(999)),
            5 => Keeping::Edit(Calendar { owner, ..found }, said(chance, known.now)),
            6 => Keeping::Edit(Calendar { revision: found.revision + 1, ..found }, said(chance, known.now)),
            7 => Keeping::Create(owner, said(chance, known.now)),
            8 => {
                let described = Definition { description: Some("Grüße".to_owned()), ..found.definition.clone() };
                Keeping::Edit(found, described)
            }
            _ => {
                let name = found.definition.name.clone();
                let drawn = said(chance, known.now);
                let definition = if chance.once_in(5) { drawn } else { Definition { name, ..drawn } };
                Keeping::Edit(found, definition)
            }
        }
    }

    pub(super) async fn run(self, store: &dyn Store, now: Timestamp) -> Outcome {
        match self {
            Keeping::Create(owner, definition) => {
                let made = store.create_calendar(owner, definition, now).await;
                let calendar = match &made {
                    Ok(CalendarMade::Done(calendar)) => Some(calendar.clone()),
                    _ => None,
                };
                told(made, |made| matches!(made, CalendarMade::Done(_))).with_calendar(calendar)
            }
            Keeping::Edit(seen, definition) => {
                let edited = store.edit_calendar(seen, definition, now).await;
                let calendar = match &edited {
                    Ok(CalendarEdited::Done { calendar, .. }) => Some(calendar.clone()),
                    _ => None,
                };
                // One that nobody follows says little.
                let has_followers = |edited: &CalendarEdited| matches!(edited, CalendarEdited::Done { followers, .. } if followers.iter().any(|one| one.has_moved()));
                told(edited, has_followers).with_calendar(calendar)
            }
            Keeping::Delete(owner, id) => {
                told(store.delete_calendar(owner, id).await, |deleted| *deleted == Deleted::Done)
            }
        }
    }

    /// Keeps in mind how the calendars stand.
    pub(super) fn learn(&self, calendars: &mut Vec<Calendar>, outcome: &Outcome) {
        let gone = match self {
            Keeping::Create(..) => None,
            Keeping::Edit(seen, _) => outcome.calendar.as_ref().map(|_| seen.id),
            Keeping::Delete(_, id) => outcome.did_something.then_some(*id),
        };
        calendars.retain(|calendar| Some(calendar.id) != gone);
        calendars.extend(outcome.calendar.clone());
    }
}

/// Few days around today, so that triggers are kept from what is due, from what is to come, and mostly from nothing.
fn said(chance: &mut Chance, now: Timestamp) -> Definition {
    let name = chance.pick(&["holidays", "Feiertage", "ferier", "'; DROP TABLE calendars; --"]);
    let mut dates = Vec::new();
    for hours in [-24, 0, 24, 48] {
        if chance.once_in(if hours == 0 { 8 } else { 4 }) {
            let day = now + SignedDuration::from_hours(hours);
            dates.push(day.to_zoned(jiff::tz::TimeZone::UTC).date().to_string());
        }
    }
    let dates = read_dates(dates.iter().map(String::as_str)).expect("dates");
    let description = chance.pick(&[None, Some("of Latvia")]).map(str::to_owned);
    Definition { name: name.to_owned(), description, dates }
}
