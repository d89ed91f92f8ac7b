//! A firing in short: what is left to say about an event in a chart, and the little that stays of it when the event itself is
//! gone. No name, no payload, no address: the promise that events are deleted holds for everything that was in them.

use jiff::{SignedDuration, Timestamp};

use crate::delivery::State;
use crate::event::Origin;
use crate::id::EventId;

/// How many firings of a trigger are remembered in short, however old they are.
pub const FIRINGS_KEPT: usize = 50;

/// What has become of an event, over all its deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Something is still owed.
    Pending,
    /// Everything has arrived.
    Delivered,
    /// Something did not arrive, and nothing is owed any more.
    Failed,
    /// There was nowhere to deliver it to.
    Logged,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Outcome; 4] = [Outcome::Pending, Outcome::Delivered, Outcome::Failed, Outcome::Logged];

    /// What the states of an event's deliveries come to: what is owed is said before what failed, and that before what arrived.
    pub fn of(states: impl IntoIterator<Item = State>) -> Outcome {
        let urgency = |outcome: &Outcome| match outcome {
            Outcome::Pending => 2,
            Outcome::Failed => 1,
            Outcome::Delivered | Outcome::Logged => 0,
        };
        let each = states.into_iter().map(|state| match state {
            State::Pending(_) | State::Held | State::Parked(_) | State::Queued => Outcome::Pending,
            State::Failed => Outcome::Failed,
            State::Delivered => Outcome::Delivered,
        });
        each.max_by_key(urgency).unwrap_or(Outcome::Logged)
    }

    /// The word in addresses and stores.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Pending => "pending",
            Outcome::Delivered => "delivered",
            Outcome::Failed => "failed",
            Outcome::Logged => "logged",
        }
    }

    /// The outcome of that word.
    pub fn from_word(word: &str) -> Option<Outcome> {
        Outcome::ALL.into_iter().find(|outcome| outcome.word() == word)
    }
}

/// A firing in short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Firing {
    /// The event's number.
    pub event: EventId,
    /// What made it.
    pub origin: Origin,
    /// The occurrence's nominal time; none where no schedule made it.
    pub scheduled_at: Option<Timestamp>,
    /// When the occurrence fell due, where that was later than its nominal time.
    pub due_at: Option<Timestamp>,
    /// When it fired.
    pub fired_at: Timestamp,
    /// What became of it; one that is gone stays as it was last.
    pub outcome: Outcome,
    /// How many attempts were made.
    pub attempts: u32,
    /// From firing to the end of the last attempt; none where none was made.
    pub took: Option<SignedDuration>,
    /// Whether the event can still be read.
    pub is_kept: bool,
}

impl Firing {
    /// Fired minus due.
    pub fn lateness(&self) -> Option<SignedDuration> {
        Some(self.fired_at.duration_since(self.due_at.or(self.scheduled_at)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_owed_is_said_before_what_failed_and_that_before_what_arrived() {
        assert_eq!(Outcome::of([]), Outcome::Logged);
        assert_eq!(Outcome::of([State::Delivered]), Outcome::Delivered);
        assert_eq!(Outcome::of([State::Failed, State::Delivered]), Outcome::Failed);
        assert_eq!(Outcome::of([State::Failed, State::Held, State::Delivered]), Outcome::Pending);
        assert_eq!(Outcome::of([State::Pending(Timestamp::UNIX_EPOCH), State::Failed]), Outcome::Pending);
        assert_eq!(Outcome::of([State::Parked(Timestamp::UNIX_EPOCH), State::Failed]), Outcome::Pending);
        assert_eq!(Outcome::of([State::Queued, State::Failed]), Outcome::Pending);
    }
}
