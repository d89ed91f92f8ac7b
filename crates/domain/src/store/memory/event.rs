//! Events in the reference model: how they come to be, together with everything they entail, how they are read, and how
//! they go. An event holds its own name and payload here, so no later edit can reach it.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::overlap::Wait;
use super::{Kept, draw};
use crate::act::Act;
use crate::actor::{Actor, Author};
use crate::destination::Target;
use crate::event::{Event, Origin};
use crate::firing::Outcome;
use crate::id::{EventId, MessageId, TriggerId, UserId};
use crate::overlap::Turn;
use crate::payload::Payload;
use crate::run::Run;
use crate::store::{
    Call, Change, Committed, DeliveryView, EXCERPT_CHARS_MAX, EventCount, EventFilter, EventLine, EventLines,
    EventPage, EventPlace, EventSearch, Expired, FOLLOWED_MAX, Fired, FiredAgain, Missing, Planned, Repeat,
    SEARCHED_MAX, SkippedView, Trial,
};
use crate::trigger::{Definition, Trigger};

/// An event to be logged.
pub(super) struct NewEvent {
    pub(super) origin: Origin,
    pub(super) scheduled_at: Option<Timestamp>,
    pub(super) due_at: Option<Timestamp>,
    /// None means the trigger's own.
    pub(super) payload: Option<Payload>,
    pub(super) message_id: MessageId,
    /// The event whose payload it carries again.
    pub(super) parent: Option<EventId>,
}

const NO_OCCURRENCE: &str = "only an occurrence can meet an event of its own";

/// Where an event stands in every listing.
fn place(event: &Event) -> (Timestamp, EventId) {
    (event.fired_at, event.id)
}

fn of(place: EventPlace) -> (Timestamp, EventId) {
    (place.fired_at, place.id)
}

impl Kept {
    /// Logs an event and what it owes. None when its occurrence has an event already (invariant 1).
    pub(super) fn log(&mut self, trigger: &Trigger, new: NewEvent, now: Timestamp) -> Option<EventId> {
        if let Some(scheduled_at) = new.scheduled_at
            && !self.occurrences.insert((trigger.id, scheduled_at))
        {
            return None;
        }
        let definition = &trigger.definition;
        let id = EventId(draw(&mut self.last_ids.event));
        let event = Event {
            id,
            owner: trigger.owner,
            trigger: trigger.id,
            revision: trigger.revision,
            name: definition.name.clone().unwrap_or_default(),
            kind: definition.kind(),
            origin: new.origin,
            scheduled_at: new.scheduled_at,
            due_at: new.due_at,
            fired_at: now,
            message_id: new.message_id,
            payload: new.payload.or_else(|| definition.payload.clone()).unwrap_or_else(Payload::empty),
            parent: new.parent,
            has_run: definition.expects.is_some(),
        };
        self.count_fired(&event);
        self.events.insert(id, Arc::new(event));
        if let Some(expectation) = &definition.expects {
            self.runs.insert(id, Run::expected(expectation, now));
        }
        self.changes.push(Change::Logged(trigger.owner));
        self.owe(id, Target::of(definition, self.has_default_destination), now);
        self.mark_overlap(trigger, id, new.origin);
        Some(id)
    }

    pub(super) fn commit_plans(&mut self, plans: &[Planned], now: Timestamp) -> Committed {
        let mut committed = Committed::default();
        // What fires alone comes last, as it does where it is a transaction of its own.
        let (alone, among_others): (Vec<&Planned>, Vec<&Planned>) =
            plans.iter().partition(|planned| planned.fires_alone());
        let mut told = Vec::new();
        for planned in among_others.into_iter().chain(alone) {
            committed.is_outdated |= planned.is_outdated(self.freezes.edition);
            if self.commit_plan(planned, now, &mut committed.events) {
                committed.plans += 1;
                told.extend(planned.is_told().then_some(planned));
            } else {
                committed.stale.push(planned.trigger.id);
            }
        }
        for act in Act::of_plans(told) {
            self.write_down(Some(&Author { by: Actor::SYSTEM, at: now }), Some(act));
        }
        committed
    }

    /// False when the trigger was edited or deleted, or waits for something else, or somebody froze or thawed, since the plan was made.
    fn commit_plan(&mut self, planned: &Planned, now: Timestamp, events: &mut usize) -> bool {
        let is_met = planned.fires_alone() && self.is_under_way(planned.trigger.id);
        if planned.is_outdated(self.freezes.edition) || is_met {
            return false;
        }
        let Some(kept) = self.triggers.get_mut(&planned.trigger.id) else { return false };
        if kept.trigger.revision != planned.trigger.revision || kept.next_at != Some(planned.armed) {
            return false;
        }
        if planned.plan.turn == Turn::Waits {
            self.wait(planned.trigger.id, now);
            return true;
        }
        kept.next_at = planned.plan.next_at;
        // What a freeze passes over has made no use of what it waited for.
        if planned.plan.frozen.is_none() || kept.next_at.is_none() {
            kept.wait = Wait::Free;
        }
        kept.fired += planned.counted();
        kept.counted_until = kept.counted_until.max(planned.counted_until());
        kept.skipped
            .extend(planned.plan.skipped.iter().map(|skipped| SkippedView { skipped: *skipped, recorded_at: now }));
        for skipped in &planned.plan.skipped {
            self.count_skipped(planned.trigger.owner, planned.trigger.id, skipped);
        }
        for put_off in &planned.plan.put_off {
            self.put_off(&planned.trigger, put_off, now);
        }
        if let Some(frozen) = &planned.plan.frozen {
            self.record_frozen(planned.trigger.id, frozen, now);
        }
        let before = *events;
        for (firing, message_id) in planned.plan.firings.iter().zip(&planned.message_ids) {
            let origin = if firing.caught_up { Origin::CatchUp } else { Origin::Schedule };
            let (scheduled_at, due_at) = (Some(firing.scheduled_at), firing.due_at);
            let new = NewEvent { origin, scheduled_at, due_at, payload: None, message_id: *message_id, parent: None };
            *events += usize::from(self.log(&planned.trigger, new, now).is_some());
        }
        if *events == before {
            self.changes.push(Change::Edited(planned.trigger.owner));
        }
        true
    }

    pub(super) fn fire(
        &mut self,
        owner: UserId,
        id: TriggerId,
        call: &Call,
        author: Option<&Author>,
        now: Timestamp,
    ) -> Fired {
        let Some(trigger) = self.trigger_of(owner, id).map(|kept| Arc::clone(&kept.trigger)) else {
            return Fired::NotFound;
        };
        if let Err(refusal) = trigger.may_be_called(call.origin, now) {
            return Fired::Refused(refusal);
        }
        if !call.suits(&trigger) {
            return Fired::Unchecked;
        }
        let (origin, payload, message_id) = (call.origin, call.payload.clone(), call.message_id);
        let new = NewEvent { origin, scheduled_at: None, due_at: None, payload, message_id, parent: None };
        let event = self.log(&trigger, new, now).expect(NO_OCCURRENCE);
        self.write_down(author, author.map(|_| Act::fired(&trigger, event, origin, None)));
        Fired::Event(event)
    }

    pub(super) fn fire_again(
        &mut self,
        owner: UserId,
        repeat: Repeat,
        gone_until: Timestamp,
        author: Option<&Author>,
        now: Timestamp,
    ) -> FiredAgain {
        let Some((parent, _)) = self.event_of(owner, repeat.event, gone_until) else { return FiredAgain::NotFound };
        let Some(trigger) = self.trigger_of(owner, parent.trigger).map(|kept| Arc::clone(&kept.trigger)) else {
            return FiredAgain::TriggerGone;
        };
        if let Err(refusal) = trigger.may_fire_again(now) {
            return FiredAgain::Refused(refusal);
        }
        if !repeat.suits(&trigger, parent.origin_again()) {
            return FiredAgain::Unchecked;
        }
        let origin = parent.origin_again();
        let new = NewEvent {
            origin,
            scheduled_at: None,
            due_at: None,
            payload: Some(parent.payload),
            message_id: repeat.message_id,
            parent: Some(repeat.event),
        };
        let event = self.log(&trigger, new, now).expect(NO_OCCURRENCE);
        self.write_down(author, author.map(|_| Act::fired(&trigger, event, origin, Some(repeat.event))));
        FiredAgain::Event(event)
    }

    pub(super) fn fire_unkept(
        &mut self,
        owner: UserId,
        trial: &Trial,
        message_id: MessageId,
        author: Option<&Author>,
        now: Timestamp,
    ) -> Result<TriggerId, Missing> {
        self.has_all(owner, &trial.definition)?;
        let (id, event) = self.log_unkept(owner, trial.definition.clone(), Origin::Test, message_id, now);
        self.write_down(author, author.map(|_| Act::tried_out(owner, trial, id, event)));
        Ok(id)
    }

    /// Logs the event of a trigger that is not kept, and gives the numbers of both.
    pub(super) fn log_unkept(
        &mut self,
        owner: UserId,
        definition: Definition,
        origin: Origin,
        message_id: MessageId,
        now: Timestamp,
    ) -> (TriggerId, EventId) {
        let id = TriggerId(-draw(&mut self.last_ids.tried_out));
        let trigger = Trigger { id, owner, revision: 1, definition, created_at: now, standing_since: now };
        let new = NewEvent { origin, scheduled_at: None, due_at: None, payload: None, message_id, parent: None };
        let event = self.log(&trigger, new, now).expect(NO_OCCURRENCE);
        self.former_names.insert(id, trigger.definition.name.unwrap_or_default());
        (id, event)
    }

    pub(super) fn event_of(
        &self,
        owner: UserId,
        id: EventId,
        gone_until: Timestamp,
    ) -> Option<(Event, Vec<DeliveryView>)> {
        let event = self.events.get(&id).filter(|event| event.owner == owner && event.fired_at > gone_until)?;
        Some((Event::clone(event), self.deliveries_of(id)))
    }

    /// The owner's events that a filter lets through, oldest first.
    pub(super) fn events_meant(&self, owner: UserId, filter: EventFilter) -> Vec<&Arc<Event>> {
        let is_meant = |event: &&Arc<Event>| {
            event.owner == owner
                && filter.trigger.is_none_or(|trigger| event.trigger == trigger)
                && filter.fired_after.is_none_or(|after| event.fired_at > after)
                && filter.fired_until.is_none_or(|until| event.fired_at <= until)
        };
        let mut events: Vec<&Arc<Event>> = self.events.values().filter(is_meant).collect();
        events.sort_by_key(|event| place(event));
        events
    }

    /// The same in the order of a page, from its place on.
    fn events_from(&self, owner: UserId, filter: EventFilter, page: EventPage) -> Vec<&Arc<Event>> {
        let mut events = self.events_meant(owner, filter);
        match page {
            EventPage::NewestFirst(below) => {
                events.retain(|event| below.is_none_or(|below| place(event) < of(below)));
                events.reverse();
            }
            EventPage::OldestFirst(above) => events.retain(|event| above.is_none_or(|above| place(event) > of(above))),
        }
        events
    }

    pub(super) fn events_of(&self, owner: UserId, filter: EventFilter, page: EventPage, limit: usize) -> Vec<Event> {
        self.events_from(owner, filter, page).into_iter().take(limit).map(|event| Event::clone(event)).collect()
    }

    pub(super) fn event_lines(&self, owner: UserId, search: &EventSearch, page: EventPage, limit: usize) -> EventLines {
        let (mut lines, mut gave_up_at) = (Vec::new(), None);
        let mut last_looked_at = None;
        let mut events = self.events_from(owner, search.filter, page);
        if search.outcome == Some(Outcome::Failed) {
            events.retain(|event| self.firing(event, true).outcome == Outcome::Failed);
        }
        for (looked_at, event) in events.into_iter().enumerate() {
            if lines.len() == limit {
                break;
            }
            if looked_at == SEARCHED_MAX {
                gave_up_at = last_looked_at;
                break;
            }
            last_looked_at = Some(EventPlace { fired_at: event.fired_at, id: event.id });
            lines.extend(self.found(search, event));
        }
        EventLines { lines, gave_up_at, logged_until: EventId(self.last_ids.event) }
    }

    pub(super) fn events_logged_after(
        &self,
        owner: UserId,
        search: &EventSearch,
        after: EventId,
        limit: usize,
    ) -> EventLines {
        let (mut lines, mut logged_until, mut looked_at) = (Vec::new(), after, 0);
        let meant: BTreeSet<EventId> = self.events_meant(owner, search.filter).iter().map(|event| event.id).collect();
        for (id, event) in self.events.iter().filter(|(id, _)| **id > after) {
            if lines.len() == limit || looked_at == FOLLOWED_MAX {
                break;
            }
            looked_at += 1;
            logged_until = *id;
            if meant.contains(id) {
                lines.extend(self.found(search, event));
            }
        }
        if lines.len() < limit && looked_at < FOLLOWED_MAX {
            logged_until = EventId(self.last_ids.event).max(after);
        }
        EventLines { lines, gave_up_at: None, logged_until }
    }

    /// The event's line, if it is what is looked for.
    fn found(&self, search: &EventSearch, event: &Event) -> Option<EventLine> {
        let firing = self.firing(event, true);
        let text = search.text.as_deref().map(str::to_ascii_lowercase);
        let holds = |place: &str| text.as_ref().is_none_or(|text| place.to_ascii_lowercase().contains(text));
        let is_found = search.outcome.is_none_or(|outcome| firing.outcome == outcome)
            && search.origin.is_none_or(|origin| firing.origin == origin)
            && (holds(event.payload.as_str()) || holds(&event.name));
        is_found.then(|| EventLine {
            id: event.id,
            trigger: event.trigger,
            name: event.name.clone(),
            kind: event.kind,
            firing,
            message_id: event.message_id,
            excerpt: event.payload.as_str().chars().take(EXCERPT_CHARS_MAX).collect(),
        })
    }

    pub(super) fn event_counts(&self, owner: UserId, gone_until: Timestamp) -> Vec<EventCount> {
        let mut counts: Vec<EventCount> = Vec::new();
        let mut events: Vec<&Arc<Event>> =
            self.events.values().filter(|event| event.owner == owner && event.fired_at > gone_until).collect();
        events.sort_by_key(|event| event.trigger);
        for event in events {
            match counts.last_mut().filter(|last| last.trigger == event.trigger) {
                Some(last) => last.count += 1,
                None => counts.push(EventCount { trigger: event.trigger, name: self.name_of(event.trigger), count: 1 }),
            }
        }
        counts
    }

    /// What the trigger is called, or was called last.
    fn name_of(&self, id: TriggerId) -> String {
        match self.triggers.get(&id) {
            Some(kept) => kept.trigger.definition.name.clone().unwrap_or_default(),
            None => self.former_names.get(&id).cloned().unwrap_or_default(),
        }
    }

    pub(super) fn expire(&mut self, gone_until: Timestamp, now: Timestamp, limit: usize) -> Expired {
        let mut gone: Vec<Arc<Event>> =
            self.events.values().filter(|event| event.fired_at <= gone_until).cloned().collect();
        let is_done = gone.len() < limit;
        gone.sort_by_key(|event| place(event));
        gone.truncate(limit);
        for event in &gone {
            self.give_up_owed(event, now);
            self.leave_in_short(event);
            self.events.remove(&event.id);
            self.runs.remove(&event.id);
            self.forget_deliveries(event.id);
            self.in_the_way.remove(&event.id);
            if let Some(scheduled_at) = event.scheduled_at {
                self.occurrences.remove(&(event.trigger, scheduled_at));
            }
        }
        self.call_up_forgotten(now);
        let events = &self.events;
        self.former_names.retain(|id, _| events.values().any(|event| event.trigger == *id));
        self.expire_arrivals(gone_until, limit);
        self.expire_sessions(now, limit);
        let deleted = self.deleted.values_mut().map(|deleted| &mut deleted.kept);
        for kept in self.triggers.values_mut().chain(deleted) {
            kept.skipped.retain(|view| view.recorded_at > gone_until);
        }
        if is_done {
            self.expire_revisions(gone_until);
            self.expire_deleted(gone_until, limit);
        }
        self.expire_absences(gone_until);
        self.expire_counts(now);
        self.expire_remembered(now);
        self.expire_acts(now, limit);
        Expired { events: gone.len(), is_done }
    }
}
