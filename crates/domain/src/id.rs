//! The names of things: integers inside, because they are small in every index, and one globally unique message id for
//! the outside, which survives restores and tells receivers a repeat from a new event. No randomness is drawn here: the
//! generator starts from a seed that its caller hands over.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::schedule::jitter::Share;

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
    /// A destination.
    DestinationId
);
integer_id!(
    /// What arrived at an inbox. Ascending in the order of arrival.
    ArrivalId
);
integer_id!(
    /// A calendar.
    CalendarId
);
integer_id!(
    /// A backlog.
    BacklogId
);
integer_id!(
    /// An API key.
    ApiKeyId
);

/// What a receiver knows a delivery by: the `webhook-id` of all its attempts (Standard Webhooks 1.0.0: unique per event,
/// equal on every retry, without a dot).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub Uuid);

impl MessageId {
    /// What the receiver of an event's delivery number `slot` knows that delivery by, where this is the event's own id: the first
    /// delivery carries the event's id, each other one an id of its own, because receivers of several deliveries of one event
    /// may be one and the same, and would take the second for a repeat. Always the same for the same slot, and again an id of
    /// the event's millisecond (UUID version 7, RFC 9562 §5.7).
    pub fn of_slot(self, slot: u32) -> MessageId {
        if slot == 0 {
            return self;
        }
        let own = self.0.as_bytes();
        let digest = Sha256::new().chain_update(own).chain_update(slot.to_le_bytes()).finalize();
        let millis = own[..6].iter().fold(0, |millis, byte| millis << 8 | u64::from(*byte));
        MessageId::version_7(millis, &digest)
    }

    /// The id of the event that tells such news of the attempt `number` at this delivery, which ended at `at`. Always the same for the
    /// same news of the same attempt, so that whoever writes it down needs no chance of their own.
    pub fn of_alert(self, news: &str, number: u32, at: Timestamp) -> MessageId {
        let digest = Sha256::new()
            .chain_update(news.as_bytes())
            .chain_update(self.0.as_bytes())
            .chain_update(number.to_le_bytes())
            .chain_update(at.as_microsecond().to_le_bytes())
            .finalize();
        MessageId::version_7(u64::try_from(at.as_millisecond()).unwrap_or(0), &digest)
    }

    fn version_7(millis: u64, drawn: &[u8]) -> MessageId {
        let mut random = [0; 10];
        random.copy_from_slice(&drawn[..10]);
        MessageId(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }
}

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

    /// How much of its window a trigger is to be late by.
    pub fn share(&self) -> Share {
        let drawn = self.drawn.fetch_add(1, Ordering::Relaxed);
        let digest = Sha256::new().chain_update(self.seed).chain_update(drawn.to_le_bytes()).finalize();
        Share::new(digest.iter().take(4).fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    /// A new message id; ids of later milliseconds sort after those of earlier ones.
    pub fn message(&self, now: Timestamp) -> MessageId {
        let drawn = self.drawn.fetch_add(1, Ordering::Relaxed);
        let digest = Sha256::new().chain_update(self.seed).chain_update(drawn.to_le_bytes()).finalize();
        MessageId::version_7(u64::try_from(now.as_millisecond()).unwrap_or(0), &digest)
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
    fn each_delivery_of_an_event_has_an_id_of_its_own_that_never_changes() {
        let event = Ids::from_seed([7; 32]).message(Timestamp::from_millisecond(1_800_000_000_000).expect("in range"));
        assert_eq!(event.of_slot(0), event);
        let ids: std::collections::BTreeSet<MessageId> = (0..16).map(|slot| event.of_slot(slot)).collect();
        assert_eq!(ids.len(), 16);
        for id in ids {
            assert_eq!((id.0.get_version_num(), &id.0.as_bytes()[..6]), (7, &event.0.as_bytes()[..6]));
        }
        assert_eq!(event.of_slot(3), event.of_slot(3));
    }

    #[test]
    fn each_attempt_has_an_alerts_id_of_its_own_that_never_changes() {
        let (first, then) = (Timestamp::UNIX_EPOCH, Timestamp::from_second(7).expect("in range"));
        let message = Ids::from_seed([7; 32]).message(first);
        let ids: std::collections::BTreeSet<MessageId> = [(1, first), (2, first), (1, then)]
            .into_iter()
            .map(|(number, at)| message.of_alert("a", number, at))
            .collect();
        assert_eq!(ids.len(), 3);
        assert_eq!(message.of_alert("a", 2, then), message.of_alert("a", 2, then));
        assert_ne!(message.of_alert("a", 1, first), message.of_alert("b", 1, first), "both may be told of one attempt");
        assert_ne!(message.of_alert("a", 1, first), message.of_slot(1).of_alert("a", 1, first));
    }

    #[test]
    fn shares_are_drawn_evenly() {
        let ids = Ids::from_seed([7; 32]);
        let mut tenths = [0_u32; 10];
        for _ in 0..10_000 {
            let tenth = u64::from(ids.share().number()) * 10 / (1 << 32);
            tenths[usize::try_from(tenth).expect("below ten")] += 1;
        }
        assert!(tenths.iter().all(|count| (900..1_100).contains(count)), "{tenths:?}");
    }

    #[test]
    fn the_same_seed_draws_the_same_ids() {
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(Ids::from_seed([1; 32]).message(now), Ids::from_seed([1; 32]).message(now));
        assert_ne!(Ids::from_seed([1; 32]).message(now), Ids::from_seed([2; 32]).message(now));
    }
}
