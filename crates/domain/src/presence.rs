//! Was somebody there when a node begins? If nobody was, what fell due since the last sign of life was missed, and all but the latest of it
//! is not fired any more; so nobody may be taken for gone who only could not say that he is there. Decided here from what a node
//! has heard of the others; how it hears of them, for how long, and by which clock stays outside.

use jiff::Timestamp;

use crate::node::GONE_AFTER;

/// What a node that begins knows of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// Nobody else is registered: whoever was has left, or was given up.
    None,
    /// Some are registered, and one of them at least may be on its way back: it was not listened to for [`GONE_AFTER`] yet.
    Awaited,
    /// Some are registered, and none gave a sign of life while it was listened to for [`GONE_AFTER`].
    HeardOut,
}

/// Who was there just before a node begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// Another node: whatever falls due is late at most.
    Somebody,
    /// Nobody, since the last sign of life.
    Nobody,
    /// That will show when the others have been listened to for longer.
    Unknown,
}

/// Judges who was there before `now`, given the last sign of life of all.
///
/// An old sign alone says little: a database that was away, frozen or out of reach holds old signs of everybody, and whoever reaches it
/// first finds nobody else there yet. So the others are listened to, for as long as a node is borne with that falls silent.
pub fn before(others: Others, last_sign: Option<Timestamp>, now: Timestamp) -> Before {
    let is_fresh = last_sign.is_some_and(|sign| now.duration_since(sign) < GONE_AFTER);
    match others {
        Others::None => Before::Nobody,
        Others::Awaited | Others::HeardOut if is_fresh => Before::Somebody,
        Others::Awaited => Before::Unknown,
        Others::HeardOut => Before::Nobody,
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn ago(age: SignedDuration) -> Option<Timestamp> {
        Some(NOW - age)
    }

    #[test]
    fn where_nobody_else_is_registered_nobody_was_there_and_nothing_is_waited_for() {
        for sign in [None, ago(SignedDuration::ZERO), ago(GONE_AFTER), ago(SignedDuration::from_hours(9))] {
            assert_eq!(before(Others::None, sign, NOW), Before::Nobody, "{sign:?}");
        }
    }

    #[test]
    fn a_sign_that_is_younger_than_three_seconds_is_somebody_s() {
        let micro = SignedDuration::from_micros(1);
        for others in [Others::Awaited, Others::HeardOut] {
            assert_eq!(before(others, ago(GONE_AFTER - micro), NOW), Before::Somebody);
            assert_eq!(before(others, ago(-GONE_AFTER), NOW), Before::Somebody, "the clock was put back");
        }
    }

    #[test]
    fn others_with_old_signs_are_gone_only_when_they_were_heard_out() {
        for sign in [None, ago(GONE_AFTER), ago(SignedDuration::from_hours(9))] {
            assert_eq!(before(Others::Awaited, sign, NOW), Before::Unknown, "{sign:?}");
            assert_eq!(before(Others::HeardOut, sign, NOW), Before::Nobody, "{sign:?}");
        }
    }
}
