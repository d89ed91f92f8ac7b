//! What an edit does to what is armed: which occurrences it takes the chance to fire from, what it leaves open to what is said from then on, and what is
//! waited for afterwards. A former saying is let go here, and nowhere else; what fires when the time has come is `plan`'s business.

use jiff::Timestamp;

use super::{Apart, Armed, Definition, Trigger, just_before};
use crate::calendar::Calendar;
use crate::occurrence::{Reason, Skipped};
use crate::plan;
use crate::revision::{Change, changes};

#[cfg(test)]
mod tests;

/// What an edit does to the occurrence that is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arm {
    /// Nothing: the grid stays as it is.
    Keep,
    /// Wait for this one, or for none.
    Set(Option<Timestamp>),
}

/// An edit, decided: the trigger as it will be, and what becomes of the occurrences around the moment of the edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The trigger afterwards.
    pub trigger: Trigger,
    /// The occurrence to wait for.
    pub arm: Arm,
    /// Occurrences up to the edit that did not fire and will not any more, oldest first.
    pub skipped: Vec<Skipped>,
    /// Why what waits in backlogs will not fire either; none where it still does.
    pub ends_backlogs: Option<Reason>,
    /// What the trigger says otherwise afterwards.
    pub changes: Vec<Change>,
}

impl Edit {
    /// Whether it leaves the trigger waiting for what it was `seen` to wait for: then one that waits for an event of its own to end waits on, and
    /// one that has waited has not forgotten it.
    pub fn waits_on(&self, seen: Option<Timestamp>) -> bool {
        let stays = match self.arm {
            Arm::Keep => true,
            Arm::Set(next_at) => next_at == seen,
        };
        stays && !self.trigger.definition.overlap.is_allowed()
    }
}

impl<T: AsRef<Trigger>> Armed<T> {
    /// Decides what changing the definition to `definition` at `now` means ([`Trigger::edit`]).
    pub fn edit(&self, definition: Definition, now: Timestamp) -> Edit {
        self.trigger.as_ref().edit_after(self.fired, definition, self.next_at, now)
    }

    /// Decides what it means at `now` that a calendar says what it says; none where its schedule does not name that calendar, or
    /// has taken it over.
    pub fn follow(&self, calendar: &Calendar, now: Timestamp) -> Option<Edit> {
        let definition = &self.trigger.as_ref().definition;
        let schedule = definition.schedule.as_ref()?.following(calendar)?;
        let is_new = definition.schedule.as_ref() != Some(&schedule);
        is_new.then(|| self.edit(Definition { schedule: Some(schedule), ..definition.clone() }, now))
    }

    /// How it stands once that edit is made.
    pub fn as_edited(&self, edit: &Edit) -> Armed {
        let next_at = match edit.arm {
            Arm::Keep => self.next_at,
            Arm::Set(next_at) => next_at,
        };
        let fired = if edit.trigger.definition.is_limited() { self.fired } else { 0 };
        Armed { trigger: edit.trigger.clone(), next_at, fired }
    }
}

/// What a trigger waits for, seen from some instant.
enum Waits {
    /// For an occurrence before it.
    ForOneBefore,
    /// For one from then on, or for none.
    ForOneBehind,
    /// To be deleted, because nothing is left.
    ToGo,
}

impl Definition {
    /// Where its schedule occurs otherwise than the other's.
    fn apart(&self, other: &Definition) -> Apart {
        match (&self.schedule, &other.schedule) {
            (Some(one), Some(other)) => one.apart(other),
            (None, None) => Apart::Nowhere,
            _ => Apart::Elsewhere,
        }
    }

    fn next_stays(&self, changed: &Definition) -> bool {
        self.enabled && changed.enabled && !self.is_test && !changed.is_test
    }
}

impl Trigger {
    /// Decides what changing the definition to `definition` at `now` means, where `next_at` is the occurrence waited for so far.
    ///
    /// Nothing fires retroactively (invariant 6), and nothing due is silent (invariant 2): what was due and had not fired
    /// yet, or fell due during a pause, becomes one record, and what fell due after the expiry another.
    ///
    /// This is for a trigger that its schedule has not fired under a limit; [`Armed::edit`] knows how often it has.
    pub fn edit(&self, definition: Definition, next_at: Option<Timestamp>, now: Timestamp) -> Edit {
        self.edit_after(0, definition, next_at, now)
    }

    fn edit_after(&self, fired: u64, definition: Definition, next_at: Option<Timestamp>, now: Timestamp) -> Edit {
        let edit = self.decide(fired, definition, next_at, now);
        // A pause that is over is nothing that the edit changes.
        let is_over = self.definition.pause_ends_at().is_some_and(|end| end <= now);
        let changes = match is_over {
            true => changes(&self.definition.clone().as_of(now), &edit.trigger.definition),
            false => changes(&self.definition, &edit.trigger.definition),
        };
        Edit { changes, ..edit }
    }

    fn decide(&self, fired: u64, definition: Definition, next_at: Option<Timestamp>, now: Timestamp) -> Edit {
        let definition = definition.as_of(now);
        if let Some((resumed, paused)) = self.after_pause(next_at, now) {
            let mut edit = resumed.decide(fired, definition, next_at, now);
            if edit.arm == Arm::Keep && !paused.is_empty() {
                // What is written down here must not be written down by a plan as well.
                edit.arm = Arm::Set(next_at);
            }
            edit.skipped.splice(0..0, paused.into_iter().filter(|_| self.definition.left(fired) != Some(0)));
            return edit;
        }
        let old = &self.definition;
        let apart = old.apart(&definition);
        let stands_but_for_dates = apart != Apart::Elsewhere
            && old.expires_at == definition.expires_at
            && old.enabled == definition.enabled
            && old.pause_ends_at() == definition.pause_ends_at()
            && old.is_test == definition.is_test;
        let mut trigger = self.clone();
        trigger.revision += 1;
        // What waits because it met an event is not let go by another choice: that might be a day of occurrences at once.
        let is_choice_new = old.overlap != definition.overlap;
        let settles_wait = is_choice_new && !old.overlap.is_allowed() && next_at.is_some_and(|next_at| next_at <= now);
        // A plan that was made by the former choice changes nothing any more.
        let kept = if is_choice_new && next_at.is_some() { Arm::Set(next_at) } else { Arm::Keep };
        let stands_but_for_dates = stands_but_for_dates && !settles_wait;
        if stands_but_for_dates && apart == Apart::Nowhere {
            trigger.definition = definition;
            return Edit { trigger, arm: kept, skipped: Vec::new(), ends_backlogs: None, changes: Vec::new() };
        }
        // What calendars say of days to come is no matter of what is due, nor of what was accounted for.
        if let Apart::From(first) = apart
            && stands_but_for_dates
            && first > now
        {
            let arm = match self.waits_before(first, fired, next_at) {
                Waits::ForOneBefore => kept,
                waits => {
                    let next = definition.next_after(just_before(first)).filter(|_| definition.left(fired) != Some(0));
                    match (waits, next) {
                        (Waits::ToGo, None) => kept,
                        (_, next) => Arm::Set(next.or_else(|| definition.goes_after(now))),
                    }
                }
            };
            trigger.definition = definition;
            return Edit { trigger, arm, skipped: Vec::new(), ends_backlogs: None, changes: Vec::new() };
        }
        // Only the expiry moved: what is due already and still lives is not lost to an edit that never meant it.
        // Where it has passed already, what would have come after it must not fire with what is due.
        let waits_on = apart == Apart::Nowhere && old.next_stays(&definition) && old.lives_at(now);
        let is_kept = |next: &Timestamp| !self.waits_to_go(fired, *next) && definition.lives_at(old.named_for(*next));
        if let Some(next) = next_at.filter(|next| waits_on && !settles_wait && is_kept(next)) {
            trigger.definition = definition;
            return Edit {
                trigger,
                arm: Arm::Set(Some(next)),
                skipped: Vec::new(),
                ends_backlogs: None,
                changes: Vec::new(),
            };
        }
        let is_spent = old.left(fired) == Some(0);
        let until = self.left_open(&definition, next_at, now).map_or(now, just_before);
        let skipped = if is_spent { Vec::new() } else { self.unfired_until(next_at, until) };
        // What was fired counts on under a new number, and a limit that is set anew counts from there on.
        let fired = if old.is_limited() { fired } else { 0 };
        let next = definition.waits_after(until, fired);
        // What waits to fire late is named as before where only the expiry moved, and ends with that.
        let ends_backlogs = match old.lives_at(now) {
            true if waits_on && definition.lives_at(now) => None,
            true => Some(Reason::Superseded),
            false => Some(Reason::Expired),
        };
        trigger.definition = definition;
        trigger.standing_since = until;
        Edit { trigger, arm: Arm::Set(next), skipped, ends_backlogs, changes: Vec::new() }
    }

    /// Whether it waits for nothing but to be deleted, because nothing is left of it.
    fn waits_to_go(&self, fired: u64, next_at: Timestamp) -> bool {
        let definition = &self.definition;
        let terms = (definition.expires_at, definition.left(fired));
        definition.schedule.as_ref().is_some_and(|schedule| plan::waits_to_go(schedule, terms, next_at))
    }

    /// What it waits for, seen from the instant `first`.
    fn waits_before(&self, first: Timestamp, fired: u64, next_at: Option<Timestamp>) -> Waits {
        let (Some(next), Some(schedule)) = (next_at, &self.definition.schedule) else { return Waits::ForOneBehind };
        if self.waits_to_go(fired, next) {
            return Waits::ToGo;
        }
        if schedule.named_for(next) < first { Waits::ForOneBefore } else { Waits::ForOneBehind }
    }

    /// The occurrence whose time has come at `now` and that is not due yet, neither before nor after the edit, where nothing has become of it: what
    /// becomes of it is left to what the trigger says from then on.
    fn left_open(&self, changed: &Definition, next_at: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        let pending = changed.schedule.as_ref().filter(|_| !changed.is_test)?.pending_at(now)?;
        let schedule = self.definition.schedule.as_ref().filter(|_| !self.definition.is_test)?;
        let was_not_due = schedule.pending_at(now) == Some(pending);
        let nothing_became_of_it = if self.definition.is_paused_at(now) {
            self.standing_since < pending
        } else {
            next_at.is_some_and(|due| schedule.named_for(due) <= pending)
        };
        (was_not_due && nothing_became_of_it).then_some(pending)
    }

    /// The occurrences up to `now` that nothing is written down about, and that this edit takes the chance to fire from.
    pub(super) fn unfired_until(&self, next_at: Option<Timestamp>, now: Timestamp) -> Vec<Skipped> {
        let Some(schedule) = &self.definition.schedule else { return Vec::new() };
        if self.definition.is_test {
            return Vec::new();
        }
        let waiting = if self.definition.is_paused_at(now) {
            Some((self.standing_since, Reason::Paused))
        } else {
            let named = next_at.map(|due| schedule.named_for(due)).filter(|named| *named <= now);
            named.map(|named| (just_before(named), Reason::Superseded))
        };
        let expiry = self.definition.expires_at.filter(|end| *end <= now);
        let until = expiry.map_or(now, just_before);
        let unfired = waiting.and_then(|(after, reason)| Skipped::range(schedule, after, until, reason));
        let expired = expiry
            .and_then(|end| Skipped::range(schedule, just_before(end).max(self.standing_since), now, Reason::Expired));
        unfired.into_iter().chain(expired).collect()
    }
}
