//! From when on and until when a schedule counts. Bounds only narrow the span that a question is about; what lies in it is answered
//! elsewhere. No zone may enter: bounds are instants.

use jiff::{SignedDuration, Timestamp};

use crate::schedule::Invalid;

/// The smallest step between two instants.
const INSTANT: SignedDuration = SignedDuration::from_nanos(1);

/// The first instant that counts and the first that does not any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    starts_at: Option<Timestamp>,
    ends_at: Option<Timestamp>,
}

impl Bounds {
    /// From `starts_at` on, which is within, until `ends_at`, which is not, as for `expires_at`.
    ///
    /// # Errors
    ///
    /// When the end is not after the start, so that nothing could ever occur.
    pub fn new(starts_at: Option<Timestamp>, ends_at: Option<Timestamp>) -> Result<Bounds, Invalid> {
        if let (Some(starts_at), Some(ends_at)) = (starts_at, ends_at)
            && ends_at <= starts_at
        {
            return Err(Invalid(format!("the end {ends_at} is not after the start {starts_at}; nothing could fire")));
        }
        Ok(Bounds { starts_at, ends_at })
    }

    /// The first instant within, where there is one.
    pub fn starts_at(&self) -> Option<Timestamp> {
        self.starts_at
    }

    /// The first instant that is not within any more, where there is one.
    pub fn ends_at(&self) -> Option<Timestamp> {
        self.ends_at
    }

    /// Whether an instant is within.
    pub fn contain(&self, instant: Timestamp) -> bool {
        self.starts_at.is_none_or(|start| start <= instant) && self.ends_at.is_none_or(|end| instant < end)
    }

    /// What is left of `(after, until]`, again without its start and with its end. It may be empty.
    pub(super) fn narrow(&self, after: Timestamp, until: Timestamp) -> (Timestamp, Timestamp) {
        let start = self.starts_at.map_or(Timestamp::MIN, just_before);
        let end = self.ends_at.map_or(Timestamp::MAX, just_before);
        (after.max(start), until.min(end))
    }
}

/// The instant before, the first one having none: nearer than any two that a store can tell apart, which `trigger::just_before` is about.
pub(super) fn just_before(instant: Timestamp) -> Timestamp {
    instant.checked_sub(INSTANT).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a test writes its instants well")
    }

    #[test]
    fn the_start_is_within_and_the_end_is_not() {
        let (start, end) = (at("2027-01-01T00:00:00Z"), at("2027-02-01T00:00:00Z"));
        let bounds = Bounds::new(Some(start), Some(end)).expect("the end is later");
        assert!(!bounds.contain(just_before(start)) && bounds.contain(start));
        assert!(bounds.contain(just_before(end)) && !bounds.contain(end));
        assert_eq!(bounds.narrow(Timestamp::MIN, Timestamp::MAX), (just_before(start), just_before(end)));
        assert!(Bounds::default().contain(Timestamp::MIN) && Bounds::default().contain(Timestamp::MAX));
        assert_eq!(Bounds::default().narrow(start, end), (start, end));
    }

    #[test]
    fn an_end_that_is_not_after_the_start_is_refused() {
        let start = at("2027-01-01T00:00:00Z");
        for end in [start, just_before(start), Timestamp::MIN] {
            let error = Bounds::new(Some(start), Some(end)).expect_err("nothing could fire");
            assert!(error.to_string().contains("is not after the start 2027-01-01T00:00:00Z"), "{error}");
        }
    }
}
