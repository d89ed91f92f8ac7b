//! Firings in short in the reference model: of events that are kept, and what is left of those that are gone.

use jiff::{SignedDuration, Timestamp};

use super::Kept;
use crate::event::{Event, Origin};
use crate::firing::{FIRINGS_KEPT, Firing, Outcome};
use crate::id::{EventId, TriggerId, UserId};

impl Kept {
    /// An event in short.
    pub(super) fn firing(&self, event: &Event, is_kept: bool) -> Firing {
        let deliveries = self.deliveries_of(event.id);
        let outcome = Outcome::of(deliveries.iter().map(|delivery| delivery.state));
        let attempts: Vec<_> = deliveries.iter().flat_map(|delivery| &delivery.attempts).collect();
        let ended =
            attempts.iter().map(|attempt| attempt.started_at + SignedDuration::from_micros(attempt.took_us)).max();
        Firing {
            event: event.id,
            origin: event.origin,
            scheduled_at: event.scheduled_at,
            due_at: event.due_at,
            fired_at: event.fired_at,
            outcome,
            attempts: u32::try_from(attempts.len()).unwrap_or(u32::MAX),
            took: ended.map(|ended| ended.duration_since(event.fired_at)),
            is_kept,
        }
    }

    /// The trigger's firings, tests aside, that can still be read, newest first.
    pub(super) fn kept_firings(&self, trigger: TriggerId, gone_until: Timestamp) -> Vec<Firing> {
        let mut firings: Vec<Firing> = self
            .events
            .values()
            .filter(|event| event.trigger == trigger && event.origin != Origin::Test && event.fired_at > gone_until)
            .map(|event| self.firing(event, true))
            .collect();
        firings.sort_by_key(|firing| std::cmp::Reverse((firing.fired_at, firing.event)));
        firings
    }

    /// Everything that is known of the trigger's firings, newest first.
    fn known_firings(&self, trigger: TriggerId, gone_until: Timestamp) -> Vec<Firing> {
        let gone = self.gone_firings.get(&trigger).into_iter().flatten().copied();
        let here = self.kept_firings(trigger, Timestamp::MIN).into_iter();
        let mut firings: Vec<Firing> =
            here.map(|firing| Firing { is_kept: firing.fired_at > gone_until, ..firing }).chain(gone).collect();
        firings.sort_by_key(|firing| std::cmp::Reverse((firing.fired_at, firing.event)));
        firings.truncate(FIRINGS_KEPT);
        firings
    }

    pub(super) fn recent_firings(
        &self,
        owner: UserId,
        trigger: TriggerId,
        gone_until: Timestamp,
        limit: usize,
    ) -> Vec<Firing> {
        if self.trigger_of(owner, trigger).is_none() {
            return Vec::new();
        }
        let mut firings = self.known_firings(trigger, gone_until);
        firings.truncate(limit);
        firings
    }

    pub(super) fn gone_firing(&self, owner: UserId, id: EventId, gone_until: Timestamp) -> Option<(TriggerId, Firing)> {
        let own = self.triggers.values().filter(|kept| kept.trigger.owner == owner).map(|kept| kept.trigger.id);
        own.flat_map(|trigger| self.known_firings(trigger, gone_until).into_iter().map(move |firing| (trigger, firing)))
            .find(|(_, firing)| firing.event == id && !firing.is_kept)
    }

    /// What stays of an event that goes.
    pub(super) fn leave_in_short(&mut self, event: &Event) {
        if event.origin == Origin::Test || !self.triggers.contains_key(&event.trigger) {
            return;
        }
        let firing = self.firing(event, false);
        let kept = self.gone_firings.entry(event.trigger).or_default();
        kept.push(firing);
        kept.sort_by_key(|firing| (firing.fired_at, firing.event));
        let surplus = kept.len().saturating_sub(FIRINGS_KEPT);
        kept.drain(..surplus);
    }
}
