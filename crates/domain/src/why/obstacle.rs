//! All that stands in the way of an occurrence that is to come. A verdict names what decides; whoever removes that alone, and finds the next thing in the
//! way only then, has asked in vain. So all of it is told at once, in the order in which it is decided, and the first is what the verdict names.

use jiff::Timestamp;

use super::{Facts, NotNamed, Standing, Verdict, count_in, others_before};
use crate::freeze::Freeze;
use crate::revision::Deletion;
use crate::schedule::scope::TakenAway;
use crate::trigger::Pause;

/// Something that keeps an occurrence that is to come from firing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The trigger is deleted.
    Deleted(Deletion),
    /// The trigger is only a test.
    OnlyTest,
    /// A term of the schedule takes it away.
    TakenAway(TakenAway),
    /// It lies at or after the expiry.
    Expired(Timestamp),
    /// The trigger is paused then; with what was said of that.
    Paused(Option<Pause>),
    /// Triggers are frozen then.
    Frozen(Freeze),
    /// The trigger may not fire any more, or will have fired as often as it may by then.
    Spent {
        /// Whether it has already.
        is_now: bool,
    },
}

impl Obstacle {
    /// The word for programs: the one of the verdict that it makes by itself.
    pub fn word(&self) -> &'static str {
        match self {
            Obstacle::Deleted(_) => Verdict::Deleted.word(),
            Obstacle::OnlyTest => Verdict::OnlyTest.word(),
            Obstacle::TakenAway(taken) => Verdict::NoOccurrence(NotNamed::TakenAway(taken.clone())).word(),
            Obstacle::Expired(end) => Verdict::Expired(*end).word(),
            Obstacle::Paused(_) => Verdict::WouldButPaused.word(),
            Obstacle::Frozen(_) => Verdict::WouldButFrozen.word(),
            Obstacle::Spent { .. } => Verdict::Spent.word(),
        }
    }

    /// Everything that keeps what the pattern names for `at` from firing; nothing where that is past, and where it will fire.
    pub(super) fn all(
        facts: Facts<'_>,
        at: Timestamp,
        standing: Option<Standing<'_>>,
        verdict: &Verdict,
    ) -> Vec<Obstacle> {
        if let (Verdict::Deleted, Some(deletion)) = (verdict, facts.deletion) {
            // Of what stood in the way before nothing matters any more.
            let details = facts.armed.trigger.definition.schedule.as_ref();
            let is_named = at > facts.now && details.is_some_and(|details| super::names(details, at));
            return is_named.then(|| Obstacle::Deleted(deletion.clone())).into_iter().collect();
        }
        let is_prevented = matches!(
            verdict,
            Verdict::OnlyTest
                | Verdict::NoOccurrence(NotNamed::TakenAway(_))
                | Verdict::Expired(_)
                | Verdict::WouldButPaused
                | Verdict::WouldButFrozen
                | Verdict::Spent
        );
        let Some(Standing { definition, is_present: true, .. }) = standing.filter(|_| is_prevented) else {
            return Vec::new();
        };
        let Some(details) = &definition.schedule else { return Vec::new() };
        let (due, taken) = (details.due_at(at), details.absent_at(at));
        if due <= facts.now || taken.is_none() && !super::names(details, at) {
            return Vec::new();
        }
        let mut all = Vec::new();
        all.extend(definition.is_test.then_some(Obstacle::OnlyTest));
        all.extend(taken.map(Obstacle::TakenAway));
        all.extend(definition.expires_at.filter(|end| *end <= at).map(Obstacle::Expired));
        all.extend(definition.is_paused_at(at).then(|| Obstacle::Paused(definition.pause_at(at).cloned())));
        let holds = |freeze: &&Freeze| freeze.from <= facts.now && freeze.holds_at(due);
        all.extend(facts.freezes.iter().filter(holds).cloned().map(Obstacle::Frozen));
        all.extend(facts.armed.left().and_then(|left| {
            let others = || match facts.armed.next_at.filter(|next| *next <= due) {
                Some(next) => others_before(facts, details, at, next),
                // Where it waits for nothing before, because it is paused, it would from now on.
                None => count_in(details, details.due_by(facts.now), crate::trigger::just_before(at)),
            };
            (left == 0 || left <= others()).then_some(Obstacle::Spent { is_now: left == 0 })
        }));
        all
    }
}
