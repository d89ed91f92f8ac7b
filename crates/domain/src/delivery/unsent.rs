//! What becomes of a delivery for which no attempt can be made: it waits for its destination, or it is given up. Nothing that
//! was sent is judged here.

use jiff::Timestamp;

use super::{Claim, Settlement, Verdict};

/// What is said of a delivery that waited for its destination until its time was over.
const WAITED_IN_VAIN: &str = "The destination took no deliveries until the event was about to be removed.";

/// The delivery waits for its destination until `until`; once that has come, it is given up.
pub fn park(claim: Claim, until: Timestamp, now: Timestamp) -> Settlement {
    if now >= until {
        return fail(claim, WAITED_IN_VAIN, now);
    }
    Settlement {
        claim,
        at: now,
        attempt: None,
        receipt: None,
        verdict: Verdict::Park(until),
        why: None,
        suspends: None,
        is_too_soon: false,
    }
}

/// What is said of a delivery that waited for its turn until its time was over.
const NO_TURN: &str =
    "There was no turn for it until the event was about to be removed: more is sent there than the destination takes.";

/// What is said of a delivery that was to be tried again when its time was over.
const OUT_OF_TIME: &str = "Its time was over before another attempt could begin: the event was about to be removed.";

/// The delivery waits, as it is, until it is worth trying to begin an attempt again at `due`; once `until` has come, it is given up.
pub fn put_back(claim: Claim, due: Timestamp, until: Timestamp, now: Timestamp) -> Settlement {
    if now >= until {
        let why = if claim.tried == 0 { NO_TURN } else { OUT_OF_TIME };
        return fail(claim, why, now);
    }
    Settlement {
        claim,
        at: now,
        attempt: None,
        receipt: None,
        verdict: Verdict::Retry(due.min(until)),
        why: None,
        suspends: None,
        is_too_soon: false,
    }
}

/// What is said of a delivery that somebody cancelled.
const CANCELLED: &str = "It was cancelled before anything took it.";

/// The delivery is given up because its owner says so.
pub fn cancel(claim: Claim, now: Timestamp) -> Settlement {
    fail(claim, CANCELLED, now)
}

/// The delivery is given up without another attempt, because of what `why` says in a sentence.
pub fn fail(claim: Claim, why: impl Into<String>, now: Timestamp) -> Settlement {
    Settlement {
        claim,
        at: now,
        attempt: None,
        receipt: None,
        verdict: Verdict::Failed,
        why: Some(why.into()),
        suspends: None,
        is_too_soon: false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::SignedDuration;

    use super::*;
    use crate::destination::Target;
    use crate::id::DestinationId;
    use crate::message::tests::event;

    fn claim(tried: u32) -> Claim {
        let event = Arc::new(event("nightly", "{}"));
        let (until, target) = (event.fired_at, Target::Destination(DestinationId(7)));
        Claim { event, slot: 0, deliveries: 1, target, tried, ladder_from: 0, due_at: until, until, fence: 1 }
    }

    #[test]
    fn what_finds_no_turn_waits_for_one_until_its_time_is_over() {
        let now = claim(0).event.fired_at;
        let (minute, hour) = (now + SignedDuration::from_mins(1), now + SignedDuration::from_hours(1));
        let settlement = put_back(claim(2), minute, hour, now);
        assert_eq!((settlement.verdict, settlement.attempt), (Verdict::Retry(minute), None));
        assert_eq!(put_back(claim(2), hour, minute, now).verdict, Verdict::Retry(minute));
        for (tried, now, why) in [(0, minute, NO_TURN), (0, hour, NO_TURN), (2, minute, OUT_OF_TIME)] {
            let settlement = put_back(claim(tried), hour, minute, now);
            assert_eq!((settlement.verdict, settlement.why.as_deref()), (Verdict::Failed, Some(why)));
        }
    }

    #[test]
    fn what_waits_for_its_destination_is_given_up_when_its_time_is_over() {
        let now = claim(0).event.fired_at;
        let minute = now + SignedDuration::from_mins(1);
        assert_eq!(park(claim(0), minute, now).verdict, Verdict::Park(minute));
        let settlement = park(claim(0), minute, minute);
        assert_eq!((settlement.verdict, settlement.why.as_deref()), (Verdict::Failed, Some(WAITED_IN_VAIN)));
    }
}
