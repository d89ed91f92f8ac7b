//! Triggers that were read lately: reading one costs far more than firing it, and those that fire often are read by every look. Light ones and heavy
//! ones, of thousands of dates or a long payload, are kept apart, so that however many of these somebody has, they crowd out nobody else's.

use std::collections::HashMap;
use std::sync::Arc;

use oncue_domain::id::TriggerId;
use oncue_domain::trigger::Trigger;

use crate::codec::texts_of;

/// How many light ones are kept.
const LIGHT_MAX: usize = 8192;

/// More bytes than this are heavy.
const LIGHT_BYTES_MAX: usize = 4096;

/// So many bytes of heavy ones are kept.
const HEAVY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// But none that has more than this; the dates of as many calendars as a trigger names are less.
const ONE_BYTES_MAX: usize = 128 * 1024;

/// Triggers by number, each valid for its revision only.
#[derive(Default)]
pub(crate) struct Parsed {
    light: HashMap<TriggerId, Kept>,
    heavy: HashMap<TriggerId, Kept>,
    heavy_bytes: usize,
    /// How many reads have begun, and how many of them when everything was forgotten the last time.
    reads: u64,
    forgotten: u64,
}

/// One of them.
struct Kept {
    trigger: Arc<Trigger>,
    bytes: usize,
    /// Which read it is from.
    read: Read,
}

/// A read that has begun. Of two the later one saw what stands, or what will be found out to be outdated by whoever goes by it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Read(u64);

impl Parsed {
    pub(crate) fn get(&self, id: TriggerId) -> Option<&Arc<Trigger>> {
        self.kept(id).map(|kept| &kept.trigger)
    }

    fn kept(&self, id: TriggerId) -> Option<&Kept> {
        self.light.get(&id).or_else(|| self.heavy.get(&id))
    }

    /// Somebody begins to read.
    pub(crate) fn begin_read(&mut self) -> Read {
        self.reads += 1;
        Read(self.reads)
    }

    /// Keeps one that was read in order, unless a later revision of it is kept: two that read at once may come in either order.
    pub(crate) fn insert(&mut self, trigger: &Arc<Trigger>) {
        if self.get(trigger.id).is_none_or(|kept| kept.revision < trigger.revision) {
            let read = self.begin_read();
            self.keep(trigger, read);
        }
    }

    /// Keeps one that was read then, unless it is kept from a later read, or all was forgotten since. Its revision says nothing: another server may
    /// have taken the place of the one that knew of a later one.
    pub(crate) fn insert_read(&mut self, trigger: &Arc<Trigger>, read: Read) {
        if read.0 > self.forgotten && self.kept(trigger.id).is_none_or(|kept| kept.read < read) {
            self.keep(trigger, read);
        }
    }

    fn keep(&mut self, trigger: &Arc<Trigger>, read: Read) {
        self.remove(trigger.id);
        let bytes = texts_of(&trigger.definition);
        let kept = Kept { trigger: Arc::clone(trigger), bytes, read };
        if bytes <= LIGHT_BYTES_MAX {
            if self.light.len() >= LIGHT_MAX {
                self.light.clear();
            }
            self.light.insert(trigger.id, kept);
        } else if bytes <= ONE_BYTES_MAX {
            if self.heavy_bytes + bytes > HEAVY_BYTES_MAX {
                self.heavy.clear();
                self.heavy_bytes = 0;
            }
            self.heavy_bytes += bytes;
            self.heavy.insert(trigger.id, kept);
        }
    }

    pub(crate) fn remove(&mut self, id: TriggerId) {
        self.light.remove(&id);
        if let Some(Kept { bytes, .. }) = self.heavy.remove(&id) {
            self.heavy_bytes -= bytes;
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Parsed { reads: self.reads, forgotten: self.reads, ..Parsed::default() };
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use oncue_domain::id::UserId;
    use oncue_domain::overlap::Overlap;
    use oncue_domain::payload::Payload;
    use oncue_domain::trigger::Definition;

    use super::*;

    fn trigger(id: i64, revision: i64, bytes: usize) -> Arc<Trigger> {
        let definition = Definition {
            name: None,
            schedule: None,
            payload: Some(Payload::parse(&format!("\"{}\"", "x".repeat(bytes - 2))).expect("a payload")),
            payload_schema: None,
            webhook: None,
            destinations: Vec::new(),
            expects: None,
            overlap: Overlap::Allow,
            is_test: false,
            enabled: true,
            pause: None,
            expires_at: None,
        };
        let (created_at, standing_since) = (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH);
        Arc::new(Trigger { id: TriggerId(id), owner: UserId(1), revision, definition, created_at, standing_since })
    }

    #[test]
    fn the_latest_revision_is_kept_whether_it_is_light_or_heavy() {
        let mut parsed = Parsed::default();
        for (revision, bytes) in [(2, 100), (3, 10_000), (4, 10_000), (5, 100)] {
            parsed.insert(&trigger(1, revision, bytes));
            parsed.insert(&trigger(1, revision - 1, 100));
            assert_eq!(parsed.get(TriggerId(1)).map(|kept| kept.revision), Some(revision));
        }
        assert_eq!((parsed.light.len(), parsed.heavy.len(), parsed.heavy_bytes), (1, 0, 0));
        parsed.insert(&trigger(1, 6, 200_000));
        assert!(parsed.get(TriggerId(1)).is_none(), "it is too heavy");
    }

    #[test]
    fn what_was_read_later_is_kept_whatever_its_revision_and_nothing_that_was_read_before_all_was_forgotten() {
        let mut parsed = Parsed::default();
        let (first, second, third) = (parsed.begin_read(), parsed.begin_read(), parsed.begin_read());
        let revision = |parsed: &Parsed| parsed.get(TriggerId(1)).map(|kept| kept.revision);
        parsed.insert_read(&trigger(1, 7, 100), second);
        parsed.insert_read(&trigger(1, 5, 100), first);
        assert_eq!(revision(&parsed), Some(7));
        parsed.insert_read(&trigger(1, 6, 100), third);
        assert_eq!(revision(&parsed), Some(6), "the seventh was lost");
        let fourth = parsed.begin_read();
        parsed.clear();
        parsed.insert_read(&trigger(1, 7, 100), fourth);
        assert_eq!(revision(&parsed), None);
        let fifth = parsed.begin_read();
        parsed.insert_read(&trigger(1, 7, 100), fifth);
        assert_eq!(revision(&parsed), Some(7));
    }

    #[test]
    fn heavy_ones_are_bounded_together_and_crowd_out_no_light_one() {
        let mut parsed = Parsed::default();
        parsed.insert(&trigger(0, 1, 100));
        for id in 1..2_000 {
            parsed.insert(&trigger(id, 1, 100_000));
            assert!(parsed.heavy_bytes <= HEAVY_BYTES_MAX);
            assert_eq!(parsed.heavy_bytes, 100_000 * parsed.heavy.len());
        }
        assert!(parsed.get(TriggerId(0)).is_some() && parsed.get(TriggerId(1_999)).is_some());
        assert!(parsed.get(TriggerId(1)).is_none());
    }
}
