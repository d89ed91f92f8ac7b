//! Sending again what has ended, trying now what waits for its next attempt, and giving up what waits: what may be refused, and why. A
//! delivery that is sent again goes on under its message id and goes on counting its attempts; only its ladder begins anew. One that is
//! tried now goes on on its ladder. What a receiver has taken once stays delivered, whatever comes of sending it again. Who asks, and how
//! many at once, is decided elsewhere.

use jiff::Timestamp;

use crate::delivery::{State, over_until};
use crate::event::Retention;
use crate::id::EventId;

/// So many deliveries are named in one selection at most.
pub const SELECTED_MAX: usize = 200;

/// So many deliveries that match a filter are sent again for one wish at most.
pub const REDELIVERED_MAX: usize = 10_000;

/// So many of them are looked at in one call of `Store::redeliver_matching` at most: whoever else writes waits no longer than for these.
pub const SLICE_MAX: usize = 500;

/// One of an event's deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId {
    /// The event.
    pub event: EventId,
    /// Which of its deliveries it is, counted from zero.
    pub slot: u32,
}

/// Why a delivery is not sent again; each is said as a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// The owner has no such delivery, or its event is gone.
    #[error("There is no such delivery.")]
    NotFound,
    /// It is due, or somebody makes an attempt, or those before it come first.
    #[error("It goes out by itself: it is due, an attempt is under way, or it waits in line.")]
    Owed,
    /// Its destination takes no deliveries.
    #[error("Its destination takes no deliveries now; resume that, and this one is due at once.")]
    Parked,
    /// Nothing of its event is tried any more ([`crate::delivery::ends_at`]).
    #[error("Its event is about to be removed; fire it again instead.")]
    Ending,
    /// It went to a destination that was deleted, or to the operator's default where there is none any more.
    #[error("Its destination is gone.")]
    DestinationGone,
}

/// Why a delivery is not cancelled; each is said as a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum CancelRefusal {
    /// The owner has no such delivery, or its event is gone.
    #[error("There is no such delivery.")]
    NotFound,
    /// An attempt is being made, or about to be: nobody can take back what may have left.
    #[error(
        "It was handed out: its attempt is under way, or begins when those before it at its destination have ended. It cannot be taken back now."
    )]
    UnderWay,
    /// Nothing is owed any more.
    #[error("It has ended already.")]
    Ended,
}

/// How a delivery stands that somebody wants to be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    /// Nothing is owed any more: it is sent again.
    Ended,
    /// An attempt failed, and the next one is due later: it is tried now.
    Waits,
    /// It waits for its destination.
    Parked,
    /// It is owed in another way.
    Owed,
}

impl Stand {
    /// Of a delivery that is owed like that, or not at all, after so many attempts, at `now`.
    pub fn of(owed: Option<State>, tried: u32, now: Timestamp) -> Stand {
        match owed {
            None | Some(State::Delivered | State::Failed) => Stand::Ended,
            Some(State::Pending(due)) if due > now && tried > 0 => Stand::Waits,
            Some(State::Parked(_)) => Stand::Parked,
            Some(State::Pending(_) | State::Held | State::Queued) => Stand::Owed,
        }
    }
}

/// A delivery that somebody wants to be sent again, as it stands.
#[derive(Clone, Copy, Debug)]
pub struct Former {
    /// When its event fired.
    pub fired_at: Timestamp,
    /// How it stands.
    pub stand: Stand,
    /// Whether there still is what it went to.
    pub is_target_there: bool,
}

/// Decides whether a delivery may be sent again, or tried now, at `now`.
///
/// # Errors
/// Says why not.
pub fn may_redeliver(former: Former, retention: Retention, now: Timestamp) -> Result<(), Refusal> {
    match former.stand {
        Stand::Owed => return Err(Refusal::Owed),
        Stand::Parked => return Err(Refusal::Parked),
        Stand::Ended | Stand::Waits => {}
    }
    if former.fired_at <= over_until(retention.keep_for, now) {
        return Err(Refusal::Ending);
    }
    if !former.is_target_there {
        return Err(Refusal::DestinationGone);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::delivery::ends_at;
    use crate::message::tests::event;

    #[test]
    fn a_delivery_is_sent_again_up_to_the_instant_at_which_its_attempts_would_end() {
        let event = event("nightly", "{}");
        let ends_at = ends_at(&event, Retention::STANDARD.keep_for);
        let ended = Former { fired_at: event.fired_at, stand: Stand::Ended, is_target_there: true };
        let at = |former, now| may_redeliver(former, Retention::STANDARD, now);
        assert_eq!(at(ended, ends_at - SignedDuration::from_micros(1)), Ok(()));
        assert_eq!(at(ended, ends_at), Err(Refusal::Ending));
    }

    #[test]
    fn what_is_owed_or_has_nowhere_to_go_is_not_sent_again() {
        let fired_at = Timestamp::UNIX_EPOCH;
        let at = |stand, is_target_there| {
            may_redeliver(Former { fired_at, stand, is_target_there }, Retention::STANDARD, fired_at)
        };
        assert_eq!((at(Stand::Ended, true), at(Stand::Waits, true)), (Ok(()), Ok(())));
        assert_eq!(at(Stand::Owed, true), Err(Refusal::Owed));
        assert_eq!(at(Stand::Parked, true), Err(Refusal::Parked));
        assert_eq!(at(Stand::Ended, false), Err(Refusal::DestinationGone));
    }

    #[test]
    fn what_failed_and_is_due_later_waits_and_nothing_else_that_is_owed_does() {
        let now = Timestamp::UNIX_EPOCH;
        let later = now + SignedDuration::from_secs(1);
        assert_eq!(Stand::of(Some(State::Pending(later)), 1, now), Stand::Waits);
        for (owed, tried) in
            [(State::Pending(now), 1), (State::Pending(later), 0), (State::Held, 1), (State::Queued, 1)]
        {
            assert_eq!(Stand::of(Some(owed), tried, now), Stand::Owed, "{owed:?}");
        }
        assert_eq!(Stand::of(Some(State::Parked(later)), 1, now), Stand::Parked);
        assert_eq!(Stand::of(None, 1, now), Stand::Ended);
    }
}
