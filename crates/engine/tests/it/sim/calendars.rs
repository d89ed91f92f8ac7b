//! A calendar that some triggers keep to, and whoever edits it. Its draws are its own, so that nothing else is drawn otherwise because there
//! is one.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use oncue_domain::calendar::{Calendar, Definition};
use oncue_domain::schedule::excluded::ExcludedDates;
use oncue_domain::schedule::observed::Observed;
use oncue_domain::schedule::zone::Zones;
use oncue_domain::store::{CalendarEdited, CalendarMade, Store};
use oncue_domain::trigger;

use super::chance::Chance;
use super::ledger::Ledger;
use super::world::{OWNER, World, at_once};

/// Whoever keeps the calendar.
pub(super) struct Keeper(Chance);

impl Keeper {
    /// Makes the calendar, too.
    pub(super) fn new(seed: u64, world: &World, now: Timestamp) -> Keeper {
        let mut keeper = Keeper(Chance::new(seed ^ 0xca1));
        let definition = Definition { name: "holidays".to_owned(), description: None, dates: keeper.dates(now) };
        let made = at_once(world.memory.create_calendar(OWNER, definition, now)).expect("the model answers");
        assert!(matches!(made, CalendarMade::Done(_)), "{made:?}");
        keeper
    }

    /// Few days around today, and today more rarely.
    fn dates(&mut self, now: Timestamp) -> ExcludedDates {
        let days = [-1, 0, 1, 2, 3].into_iter().filter(|day| self.0.once_in(if *day == 0 { 8 } else { 4 }));
        let dates = days.map(|day| {
            let at = now + SignedDuration::from_hours(24 * day);
            Zones::utc().time_zone().to_datetime(at).date()
        });
        ExcludedDates::new(dates).expect("few dates")
    }

    /// What a schedule takes over: the calendar as it is, or none.
    pub(super) fn observed(&mut self, world: &World) -> Vec<Arc<Observed>> {
        if self.0.once_in(2) { vec![Arc::new(calendar(world).observed())] } else { Vec::new() }
    }

    /// Whether it is time for an edit.
    pub(super) fn wants_to_edit(&mut self) -> bool {
        self.0.once_in(20)
    }

    /// The calendar says something else, and everybody who names it follows. Gives how many wait for another occurrence since.
    pub(super) fn edit(&mut self, world: &World, ledger: &mut Ledger) -> u64 {
        let (now, seen) = (world.now(), calendar(world));
        let definition = Definition { dates: self.dates(now), ..seen.definition.clone() };
        let named = seen.id;
        let before = at_once(world.memory.calendar_triggers(OWNER, named, usize::MAX)).expect("the model answers");
        let edited = at_once(world.memory.edit_calendar(seen, definition, now)).expect("the model answers");
        let CalendarEdited::Done { calendar, followers, .. } = edited else { panic!("{edited:?}") };
        for armed in before {
            let said = &armed.trigger.definition;
            let Some(schedule) = said.schedule.as_ref().and_then(|schedule| schedule.following(&calendar)) else {
                panic!("it names the calendar: {armed:?}")
            };
            if armed.left() == Some(0) {
                ledger.note_spent(armed.trigger.id);
            }
            let definition = trigger::Definition { schedule: Some(schedule), ..said.clone() };
            ledger.begin(armed.trigger.id, definition, now);
        }
        followers.iter().filter(|follower| follower.has_moved()).count() as u64
    }
}

/// There is one.
fn calendar(world: &World) -> Calendar {
    let views = at_once(world.memory.calendars(OWNER)).expect("the model answers");
    views.into_iter().next().expect("it is made first and never deleted").calendar
}
