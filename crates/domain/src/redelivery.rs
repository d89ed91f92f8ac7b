//! Sending again what has ended, and giving up what waits: what may be refused, and why. A delivery that is sent again goes on under
//! its message id and goes on counting its attempts; only its ladder begins anew. What a receiver has taken once stays delivered,
//! whatever comes of sending it again. Who asks, and how many at once, is decided elsewhere.

use jiff::Timestamp;

use crate::delivery::over_until;
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
    /// It has not ended yet.
    #[error("It is still owed: it goes out by itself.")]
    Owed,
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
    #[error("An attempt is under way; what it sends cannot be taken back.")]
    UnderWay,
    /// Nothing is owed any more.
    #[error("It has ended already.")]
    Ended,
}

/// A delivery that somebody wants to be sent again, as it stands.
#[derive(Clone, Copy, Debug)]
pub struct Former {
    /// When its event fired.
    pub fired_at: Timestamp,
    /// Whether it has not ended yet.
    pub is_owed: bool,
    /// Whether there still is what it went to.
    pub is_target_there: bool,
}

/// Decides whether a delivery may be sent again at `now`.
///
/// # Errors
/// Says why not.
pub fn may_redeliver(former: Former, retention: Retention, now: Timestamp) -> Result<(), Refusal> {
    if former.is_owed {
        return Err(Refusal::Owed);
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
        let ended = Former { fired_at: event.fired_at, is_owed: false, is_target_there: true };
        let at = |former, now| may_redeliver(former, Retention::STANDARD, now);
        assert_eq!(at(ended, ends_at - SignedDuration::from_micros(1)), Ok(()));
        assert_eq!(at(ended, ends_at), Err(Refusal::Ending));
    }

    #[test]
    fn what_is_owed_or_has_nowhere_to_go_is_not_sent_again() {
        let fired_at = Timestamp::UNIX_EPOCH;
        let at = |is_owed, is_target_there| {
            may_redeliver(Former { fired_at, is_owed, is_target_there }, Retention::STANDARD, fired_at)
        };
        assert_eq!(at(false, true), Ok(()));
        assert_eq!(at(true, true), Err(Refusal::Owed));
        assert_eq!(at(false, false), Err(Refusal::DestinationGone));
    }
}
