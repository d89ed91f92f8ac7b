//! What is told of a delivery that waits for its turn at a destination that takes so many in a time. Stores know only when it is looked at
//! again, which is the soonest that its turn can come; so nobody is told that as the time of an attempt.

use super::State;
use crate::destination::definition::Rate;

/// What a delivery waits for that stands so, has had so many attempts, and goes where deliveries begin by this rate; none where it does not wait
/// for a turn: what has been tried waits for its next attempt.
pub fn waits_for_turn(state: State, attempts: usize, pace: Option<Rate>) -> Option<String> {
    let pace = pace.filter(|_| matches!(state, State::Pending(_)) && attempts == 0)?;
    Some(format!(
        "It waits for its turn: its destination takes {}. The time that is named is the soonest; it is later the more others are before it, \
         and without a turn until shortly before its event is removed it fails.",
        pace.words()
    ))
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::*;

    #[test]
    fn only_what_was_never_tried_waits_for_a_turn_and_only_where_there_is_a_rate() {
        let pace = Some(Rate { count: 1, per: SignedDuration::from_hours(24), burst: 1 });
        let pending = State::Pending(Timestamp::UNIX_EPOCH);
        let why = waits_for_turn(pending, 0, pace).expect("it waits");
        assert!(why.starts_with("It waits for its turn: its destination takes 1 in 24h."), "{why}");
        assert_eq!(waits_for_turn(pending, 1, pace), None);
        assert_eq!(waits_for_turn(pending, 0, None), None);
        for state in [State::Held, State::Queued, State::Delivered, State::Parked(Timestamp::UNIX_EPOCH)] {
            assert_eq!(waits_for_turn(state, 0, pace), None);
        }
    }
}
