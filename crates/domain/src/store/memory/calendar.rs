//! Calendars in the reference model: what owners say about them, and who names them.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Kept, draw};
use crate::actor::Actor;
use crate::calendar::{CALENDARS_MAX, Calendar, Definition, TRIGGERS_MAX};
use crate::freeze::{Freeze, Freezes, remembered_since};
use crate::id::{CalendarId, TriggerId, UserId};
use crate::store::{CalendarEdited, CalendarMade, CalendarView, Deleted, Follower, Missing, NAMED_MAX};
use crate::trigger::{self, Armed};

impl Kept {
    /// Whether what this has taken over of calendars is what the owner's say, and there is room for one more trigger at each, where it is not
    /// the one of the number `id` that names them already.
    pub(super) fn observes_rightly(
        &self,
        owner: UserId,
        id: Option<TriggerId>,
        definition: &trigger::Definition,
    ) -> Result<(), Missing> {
        for observed in definition.calendars() {
            let there = self.calendar_of(owner, observed.calendar);
            if there.is_none_or(|calendar| calendar.revision != observed.revision) {
                return Err(Missing::Calendar(observed.calendar));
            }
            let others = self.users_of(observed.calendar).filter(|other| Some(*other) != id).count() as u64;
            if others >= TRIGGERS_MAX {
                return Err(Missing::Room(observed.calendar));
            }
        }
        Ok(())
    }

    fn calendar_of(&self, owner: UserId, id: CalendarId) -> Option<&Calendar> {
        self.calendars.get(&id).filter(|calendar| calendar.owner == owner)
    }

    /// The triggers that name the calendar, ascending.
    fn users_of(&self, id: CalendarId) -> impl Iterator<Item = TriggerId> {
        let names_it =
            move |definition: &trigger::Definition| definition.calendars().iter().any(|one| one.calendar == id);
        self.triggers.values().map(|kept| &kept.trigger).filter(move |one| names_it(&one.definition)).map(|one| one.id)
    }

    fn is_taken(&self, owner: UserId, name: &str, by_another_than: Option<CalendarId>) -> bool {
        let own = self.calendars.values().filter(|calendar| calendar.owner == owner);
        own.filter(|calendar| Some(calendar.id) != by_another_than).any(|calendar| calendar.definition.name == name)
    }

    pub(super) fn create_calendar(&mut self, owner: UserId, definition: Definition, now: Timestamp) -> CalendarMade {
        if self.calendars.values().filter(|calendar| calendar.owner == owner).count() >= CALENDARS_MAX {
            return CalendarMade::Full;
        }
        if self.is_taken(owner, &definition.name, None) {
            return CalendarMade::NameTaken;
        }
        let id = CalendarId(draw(&mut self.last_ids.calendar));
        let calendar = Calendar { id, owner, revision: 1, definition, created_at: now, edited_at: now };
        self.calendars.insert(id, calendar.clone());
        CalendarMade::Done(calendar)
    }

    pub(super) fn calendar_view(&self, owner: UserId, id: CalendarId) -> Option<CalendarView> {
        let calendar = self.calendar_of(owner, id)?.clone();
        Some(CalendarView { used_by: self.users_of(id).count() as u64, calendar })
    }

    pub(super) fn calendars_of(&self, owner: UserId) -> Vec<CalendarView> {
        let own = self.calendars.values().filter(|calendar| calendar.owner == owner);
        own.filter_map(|calendar| self.calendar_view(owner, calendar.id)).collect()
    }

    pub(super) fn calendar_triggers(&self, owner: UserId, id: CalendarId, limit: usize) -> Vec<Armed> {
        self.users_of(id)
            .take(limit)
            .filter_map(|user| self.trigger_of(owner, user))
            .map(super::trigger::KeptTrigger::armed)
            .collect()
    }

    pub(super) fn calendar_backlogs(&self, owner: UserId, id: CalendarId) -> BTreeMap<TriggerId, u64> {
        let users = self.users_of(id).map(|user| (user, self.backlog_sums(Some(owner), Some(user)).occurrences));
        users.filter(|(_, occurrences)| *occurrences > 0).collect()
    }

    pub(super) fn edit_calendar(
        &mut self,
        seen: &Calendar,
        definition: Definition,
        by: &Actor,
        now: Timestamp,
    ) -> CalendarEdited {
        let (owner, id) = (seen.owner, seen.id);
        let Some(present) = self.calendar_of(owner, id) else { return CalendarEdited::NotFound };
        if present != seen {
            return CalendarEdited::Stale;
        }
        let calendar = present.edited(definition, now);
        if self.is_taken(owner, &calendar.definition.name, Some(id)) {
            return CalendarEdited::NameTaken;
        }
        self.calendars.insert(id, calendar.clone());
        let Freezes { all, .. } = self.freezes_since(remembered_since(now));
        let freezes: Vec<Freeze> = all.into_iter().filter(|freeze| freeze.concerns(owner)).collect();
        let mut followers = Vec::new();
        for armed in self.calendar_triggers(owner, id, usize::MAX) {
            if let Some(edit) = armed.follow(&calendar, now) {
                let edit = edit.under(&armed, now, &freezes);
                followers.push(Follower::of(&armed, &edit));
                self.edit_trigger(edit, armed.next_at, by.clone(), now);
            }
        }
        CalendarEdited::Done { calendar, followers, unreadable: Vec::new() }
    }

    pub(super) fn delete_calendar(&mut self, owner: UserId, id: CalendarId) -> Deleted {
        if self.calendar_of(owner, id).is_none() {
            return Deleted::NotFound;
        }
        let mut triggers: Vec<TriggerId> = self.users_of(id).collect();
        if !triggers.is_empty() {
            let count = triggers.len() as u64;
            triggers.truncate(NAMED_MAX);
            return Deleted::InUse { triggers, count };
        }
        self.calendars.remove(&id);
        Deleted::Done
    }
}
