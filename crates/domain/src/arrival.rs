//! What arrives at an inbox, the receiver inside oncue: kept as a receiver would see it, so that its owner sees what their destinations
//! will be sent before there are any. Here is what is kept and for how much of it there is room; who answers is the engine's inbox.

use jiff::{SignedDuration, Timestamp};

use crate::id::{ArrivalId, DestinationId, EventId};

/// For how many arrivals of an owner there is room, at all inboxes together; the oldest go first, when next somebody looks
/// ([`makes_room`]).
pub const ARRIVALS_MAX: usize = 1000;

/// For how many bytes of an owner's arrivals there is room, counted as [`Contents::size`]; the oldest go first, in the same way.
pub const ARRIVAL_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// How many bytes of a body are kept; signatures are checked over the whole of it.
pub const BODY_BYTES_KEPT: usize = 256 * 1024;

/// What stands in place of a header value that its owner never sees again once it is saved.
pub const HIDDEN: &str = "(hidden)";

/// A request that arrived at an inbox, without what it said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// Which inbox.
    pub destination: DestinationId,
    /// Of which event it tells.
    pub event: EventId,
    /// Which of the event's deliveries it belongs to.
    pub slot: u32,
    /// Which attempt of that delivery it is, counted from 1.
    pub attempt: u32,
    /// When it arrived.
    pub at: Timestamp,
    /// How it asked: an HTTP method in capitals.
    pub method: String,
    /// How many bytes its body had.
    pub body_bytes: u64,
    /// Whether it was genuine.
    pub check: Check,
    /// The status that it was answered with; none where the delivery did not wait for as long as the inbox was told to.
    pub answer: Option<u16>,
    /// How long the answer took, or how long it was waited for.
    pub waited: SignedDuration,
}

/// What came of checking a signature, with the secrets that the inbox had by then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// The inbox has no secrets to check with.
    Unsigned,
    /// It fits the secret of this id.
    Signed(String),
    /// It does not fit, and why.
    Unverified(String),
}

/// What a request said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// Names and values of its headers, in their order; [`HIDDEN`] for values that are secret.
    pub headers: Vec<(String, String)>,
    /// The first bytes of its body, at most [`BODY_BYTES_KEPT`].
    pub body: Vec<u8>,
}

impl Contents {
    /// How much room it takes: the bytes of its headers and of its body.
    pub fn size(&self) -> u64 {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        (headers + self.body.len()) as u64
    }

    /// The value of the first header of that name, which is written in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// An arrival that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Its number; later arrivals have higher ones.
    pub id: ArrivalId,
    /// What it is.
    pub arrived: Arrived,
}

/// Of how many arrivals one looks whether there is room.
const LOOKS_APART: i64 = 50;

/// The largest arrival that need not look.
const SMALL_BYTES_MAX: u64 = 16 * 1024;

/// Whether what there is no room for goes with this arrival. Looking means to walk through all of its owner's, which must not be what
/// every delivery costs; meanwhile there are a few small ones too many.
pub fn makes_room(id: ArrivalId, size: u64) -> bool {
    id.0 % LOOKS_APART == 0 || size > SMALL_BYTES_MAX
}

/// Which arrival there is no room for any more: it and all before it go. None while there is room for all; `newest_first` are all of one
/// owner's, each with its size.
pub fn crowded_out(newest_first: impl IntoIterator<Item = (ArrivalId, u64)>) -> Option<ArrivalId> {
    let mut together = 0_u64;
    newest_first.into_iter().enumerate().find_map(|(before, (id, size))| {
        together = together.saturating_add(size);
        (before >= ARRIVALS_MAX || together > ARRIVAL_BYTES_MAX).then_some(id)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sized(sizes: impl IntoIterator<Item = u64>) -> Option<i64> {
        let newest_first = sizes.into_iter().enumerate().map(|(at, size)| (ArrivalId(-(at as i64)), size));
        crowded_out(newest_first).map(|id| id.0)
    }

    #[test]
    fn the_oldest_go_beyond_the_number_or_the_bytes() {
        assert_eq!(sized([]), None);
        assert_eq!(sized(vec![1; ARRIVALS_MAX]), None);
        assert_eq!(sized(vec![1; ARRIVALS_MAX + 5]), Some(-1000));
        assert_eq!(sized([ARRIVAL_BYTES_MAX - 1, 1]), None);
        assert_eq!(sized([ARRIVAL_BYTES_MAX - 1, 2, 0, 0]), Some(-1));
    }

    #[test]
    fn what_is_large_makes_room_at_once_and_what_is_small_once_in_a_while() {
        let looks = |size| (1..=100).filter(|id| makes_room(ArrivalId(*id), size)).count();
        assert_eq!((looks(SMALL_BYTES_MAX), looks(SMALL_BYTES_MAX + 1)), (2, 100));
    }

    #[test]
    fn room_is_taken_by_headers_and_body() {
        let contents =
            Contents { headers: vec![("a".into(), "bc".into()), ("a".into(), "d".into())], body: vec![0; 7] };
        assert_eq!((contents.size(), contents.header("a"), contents.header("b")), (12, Some("bc"), None));
    }
}
