//! Who was here, and when nobody was, in the reference model.

use jiff::Timestamp;

use super::Kept;
use crate::act::Act;
use crate::actor::{Actor, Author};
use crate::agenda::Span;
use crate::node::NodeView;
use crate::plan::{Absence, absence};
use crate::store::{ABSENCES_KEPT, ABSENCES_TOLD_MAX};

impl Kept {
    pub(super) fn begin_presence(&mut self, now: Timestamp) -> Vec<Absence> {
        if let Some(absence) = absence(self.sign_of_life, self.earliest_left(), now) {
            self.absences.insert(absence.from, absence.to);
            self.write_down(Some(&Author { by: Actor::SYSTEM, at: now }), Some(Act::absence(&absence)));
        }
        self.sign_of_life = Some(now);
        self.began_at.get_or_insert(now);
        let forgotten = now.checked_sub(ABSENCES_KEPT).unwrap_or(Timestamp::MIN);
        self.all_absences().filter(|absence| absence.to > forgotten).collect()
    }

    pub(super) fn absences(&self, span: Span) -> Vec<Absence> {
        let meets = |absence: &Absence| absence.from < span.until && span.from < absence.to;
        self.all_absences().filter(meets).take(ABSENCES_TOLD_MAX).collect()
    }

    pub(super) fn expire_absences(&mut self, gone_until: Timestamp) {
        let forgotten = gone_until.checked_sub(ABSENCES_KEPT).unwrap_or(Timestamp::MIN);
        self.absences.retain(|_, to| *to > forgotten);
    }

    fn all_absences(&self) -> impl Iterator<Item = Absence> {
        self.absences.iter().map(|(from, to)| Absence { from: *from, to: *to })
    }

    /// The server ended; what it said about itself is nobody's now.
    pub(super) fn end_presence(&mut self) {
        (self.began_at, self.work) = (None, None);
    }

    /// The one server, once it has begun.
    pub(super) fn node(&self) -> Option<NodeView> {
        Some(NodeView {
            id: 1,
            identity: self.identity.clone(),
            started_at: self.began_at?,
            seen_at: self.sign_of_life?,
            is_asked: true,
            work: self.work,
        })
    }
}
