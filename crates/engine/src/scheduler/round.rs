//! How far the scheduler has come along all that is due. A look may leave something behind: it takes too long to count for now, or somebody
//! else is at it. The next look asks past that, and only when nothing lies further on, or all is passed that was due when the round began, does it
//! begin anew; so nothing waits behind what does not move, however much of it there is. Where nothing is left behind, each look is a round of its own.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;
use oncue_domain::id::TriggerId;
use oncue_domain::plan::{steps_to_plan, takes_steps_to_plan};
use oncue_domain::store::DuePlace;
use oncue_domain::trigger::{Armed, Trigger};

/// How many steps a look takes to count what was missed, before it carries out what it has: some ten milliseconds.
const STEPS_MAX: u64 = 50_000;

/// One way along all that was due when it began.
pub(super) struct Round {
    begun_at: Timestamp,
    looks: usize,
    /// How far it has come.
    reached: DuePlace,
    /// Whether anything was left behind.
    has_left: bool,
    /// Whose plans came to nothing.
    stale: HashSet<TriggerId>,
    /// Whose did before, and who have had no turn since.
    stale_before: HashSet<TriggerId>,
    has_moved: bool,
    /// Whether the round before met nothing but plans that came to nothing.
    follows_idle: bool,
}

impl Round {
    /// The first one.
    pub(super) fn first(now: Timestamp) -> Round {
        Round {
            begun_at: now,
            looks: 0,
            reached: DuePlace::default(),
            has_left: false,
            stale: HashSet::new(),
            stale_before: HashSet::new(),
            has_moved: false,
            follows_idle: false,
        }
    }

    /// Where it goes on. None where it has left nothing behind.
    pub(super) fn goes_on(&self) -> Option<DuePlace> {
        // It meets what falls due meanwhile, but does not go on for that: else it would never end where there is always something new.
        let has_passed_all = self.reached.last.is_some_and(|(due, _)| due > self.begun_at);
        (self.has_left && !has_passed_all).then_some(self.reached)
    }

    /// What is due up to there was given out.
    pub(super) fn reach(&mut self, place: DuePlace) {
        self.reached = place;
    }

    /// Another round begins.
    pub(super) fn begin(&mut self, now: Timestamp) {
        let follows_idle = !self.has_moved && !self.stale.is_empty();
        let mut stale_before = std::mem::take(&mut self.stale);
        if self.has_left {
            stale_before.extend(self.stale_before.drain());
        }
        *self = Round { stale_before, follows_idle, ..Round::first(now) };
    }

    /// Of what is due all that is planned in a moment, and of the rest, the first at least, as much as there are steps for; what is left stays
    /// due. After a long absence several schedules that meet are counted by going along them, and whoever does that for all of
    /// them in one look fires nothing in the meantime.
    pub(super) fn take(&mut self, due: Vec<Armed<Arc<Trigger>>>, now: Timestamp) -> Vec<Armed<Arc<Trigger>>> {
        let takes_steps = |armed: &Armed<Arc<Trigger>>| takes_steps_to_plan(armed, now);
        let (mut long, mut taken): (Vec<_>, Vec<_>) = due.into_iter().partition(takes_steps);
        // One that somebody is at must not use up the steps of the others each time.
        long.sort_by_key(|armed| self.stale_before.contains(&armed.trigger.id));
        let mut steps = 0_u64;
        let fits = |armed: &&Armed<Arc<Trigger>>| {
            let is_first = steps == 0;
            steps = steps.saturating_add(steps_to_plan(armed, now).max(1));
            is_first || steps <= STEPS_MAX
        };
        let fitting = long.iter().take_while(fits).count();
        self.has_left |= fitting < long.len();
        taken.extend(long.into_iter().take(fitting));
        for armed in &taken {
            self.stale_before.remove(&armed.trigger.id);
        }
        taken
    }

    /// What came of a look: whether anything was carried out, and whose plans were stale.
    pub(super) fn note(&mut self, has_moved: bool, stale: &[TriggerId]) {
        self.looks += 1;
        self.has_moved |= has_moved;
        self.has_left |= !stale.is_empty();
        self.stale.extend(stale);
    }

    /// Whether it meets again what the round before could do nothing about, and nothing else: there is no hurry.
    pub(super) fn is_idle_again(&self) -> bool {
        self.looks == 1 && self.follows_idle && !self.has_moved && !self.stale.is_empty()
    }
}

#[cfg(test)]
mod tests;
