//! The names of things: integers inside, because they are small in every index, and one globally unique message id for
//! the outside, which survives restores and tells receivers a repeat from a new event. No randomness is drawn here: the
//! generator starts from a seed that its caller hands over.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use uuid::Uuid;

macro_rules! integer_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

integer_id!(
    /// A user; the owner of everything that is not the server's own.
    UserId
);
integer_id!(
    /// A trigger. Negative for a trigger that was only tried out and never stored.
    TriggerId
);
integer_id!(
    /// An event. Ascending in the order in which events are logged; where several nodes log at once, a higher one may be seen
    /// before a lower one (`Store::events_logged_after` leaves out none for it).
    EventId
);
integer_id!(
    /// An API key.
    ApiKeyId
);

/// What a receiver knows a delivery by: the `webhook-id` of all its attempts (Standard Webhooks 1.0.0: unique per event,
/// equal on every retry, without a dot).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub Uuid);

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "evt_{}", self.0.simple())
    }
}

/// Draws message ids: UUID version 7 (RFC 9562 §5.7), whose random part comes from a seed, so that a simulated run can be repeated.
pub struct Ids {
    seed: [u8; 32],
    drawn: AtomicU64,
}

impl Ids {
    /// Starts a generator. Two generators never share a seed outside of tests: the binary seeds it from the system.
    pub fn from_seed(seed: [u8; 32]) -> Ids {
        Ids { seed, drawn: AtomicU64::new(0) }
    }

    /// A new message id; ids of later milliseconds sort after those of earlier ones.
    pub fn message(&self, now: Timestamp) -> MessageId {
        let drawn = self.drawn.fetch_add(1, Ordering::Relaxed);
        let digest = Sha256::new().chain_update(self.seed).chain_update(drawn.to_le_bytes()).finalize();
        let mut random = [0; 10];
        random.copy_from_slice(&digest[..10]);
        let millis = u64::try_from(now.as_millisecond()).unwrap_or(0);
        MessageId(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_ids_differ_and_sort_by_time() {
        let ids = Ids::from_seed([7; 32]);
        let early = ids.message(Timestamp::from_millisecond(1_000).expect("in range"));
        let late = ids.message(Timestamp::from_millisecond(2_000).expect("in range"));
        let again = ids.message(Timestamp::from_millisecond(2_000).expect("in range"));
        assert!(early < late);
        assert_ne!(late, again);
        assert!(!late.to_string().contains('.'));
    }

    #[test]
    fn the_same_seed_draws_the_same_ids() {
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(Ids::from_seed([1; 32]).message(now), Ids::from_seed([1; 32]).message(now));
        assert_ne!(Ids::from_seed([1; 32]).message(now), Ids::from_seed([2; 32]).message(now));
    }
}
