//! Who did what, in the reference model.

use jiff::Timestamp;

use super::{Kept, draw};
use crate::act::{ACTS_KEPT, ACTS_MAX, Act, ActFilter, Entry, makes_room};
use crate::actor::Author;

impl Kept {
    /// Writes down what this one did; what nobody in particular did is not written down.
    pub(super) fn write_down(&mut self, author: Option<&Author>, act: Option<Act>) {
        let Some((author, act)) = author.zip(act) else { return };
        let (id, owner) = (draw(&mut self.last_ids.act), act.owner);
        self.acts.push(Entry { id, at: author.at, by: author.by.clone(), act });
        if makes_room(id) {
            let mut own = self.acts.iter().rev().filter(|entry| entry.act.owner == owner);
            if let Some(last) = own.nth(ACTS_MAX).map(|entry| entry.id) {
                self.acts.retain(|entry| entry.act.owner != owner || entry.id > last);
            }
        }
    }

    pub(super) fn acts(&self, filter: &ActFilter, before: Option<i64>, limit: usize) -> Vec<Entry> {
        let is_before = |entry: &&Entry| before.is_none_or(|before| entry.id < before);
        let all = self.acts.iter().rev().filter(is_before).filter(|entry| filter.lets_through(entry));
        all.take(limit).cloned().collect()
    }

    pub(super) fn expire_acts(&mut self, now: Timestamp, limit: usize) {
        let gone_until = now.checked_sub(ACTS_KEPT).unwrap_or(Timestamp::MIN);
        let mut left = limit;
        self.acts.retain(|entry| {
            let goes = entry.at <= gone_until && left > 0;
            left -= usize::from(goes);
            !goes
        });
    }
}
