//! Whose edit is behind it: who paused a trigger that did not fire, and which edit came before what was due. A disposition names the
//! deed, and whoever asks wants to talk to a person. Nothing of it is written down beside the revisions, so it cannot differ from them.

use jiff::Timestamp;

use super::{Facts, Verdict};
use crate::actor::Actor;
use crate::occurrence::Reason;
use crate::store::SkippedView;
use crate::trigger::{Definition, just_after};

/// How a trigger came to say something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The revision's number.
    pub revision: i64,
    /// When it was made.
    pub at: Timestamp,
    /// Who made it; none where that was not written down yet.
    pub by: Option<Actor>,
}

/// All that is known of what the trigger said. It is looked through once for everything that is told of a span: there may be thousands of edits, and
/// as many lines that ask for the one behind them.
pub(super) struct Edits<'a> {
    facts: Facts<'a>,
    /// Oldest first.
    versions: Vec<Version<'a>>,
    /// Of each, where the pause began in which it was made, or which it made; none where that is not known.
    begun: Vec<Option<usize>>,
}

#[derive(Clone, Copy)]
struct Version<'a> {
    revision: i64,
    made_at: Timestamp,
    made_by: Option<&'a Actor>,
    said: &'a Definition,
}

impl<'a> Edits<'a> {
    pub(super) fn of(facts: Facts<'a>) -> Edits<'a> {
        let former = facts.former.iter().map(|former| Version {
            revision: former.revision,
            made_at: former.from,
            made_by: former.made_by.as_ref(),
            said: &former.definition,
        });
        let present = facts.made.map(|made| Version {
            revision: made.revision,
            made_at: made.at,
            made_by: made.by.as_ref(),
            said: &facts.armed.trigger.definition,
        });
        let versions: Vec<Version<'a>> = former.chain(present).collect();
        let mut begun: Vec<Option<usize>> = Vec::with_capacity(versions.len());
        for (place, version) in versions.iter().enumerate() {
            let before = place.checked_sub(1).map(|before| (versions[before].said, begun[before]));
            begun.push(match before {
                Some((said, begun)) if said.is_paused_at(version.made_at) => begun,
                Some(_) => Some(place),
                // Where it is not known what was said before a revision that paused, another may have paused already.
                None => (version.revision == 1).then_some(place),
            });
        }
        Edits { facts, versions, begun }
    }

    /// The edit by which what became of an instant is to be explained, where one is and is kept.
    pub(super) fn behind(&self, at: Timestamp, verdict: &Verdict) -> Option<Made> {
        match verdict {
            // What the present trigger decides it may decide by an edit that came after the nominal time, before the occurrence was due.
            Verdict::Paused | Verdict::WouldButPaused if at > self.facts.armed.trigger.standing_since => {
                self.paused_by(at, self.versions.len())
            }
            Verdict::Paused | Verdict::WouldButPaused => self.paused_by(at, self.count_before(at)),
            Verdict::Skipped(view, _) => match view.skipped.reason {
                Reason::Paused => self.recorded_pause(view),
                Reason::Superseded => {
                    let first = self.versions.get(self.count_before(view.recorded_at));
                    first.filter(|version| version.made_at == view.recorded_at).map(Version::made)
                }
                Reason::Missed
                | Reason::Budget
                | Reason::Expired
                | Reason::Discarded
                | Reason::Waiting
                | Reason::Held => None,
                Reason::Overlap | Reason::Merged | Reason::Frozen | Reason::Unreadable => None,
            },
            _ => None,
        }
    }

    /// The edit that began the pause that a record tells of: one pause for all of it. It may have begun between the nominal time of its last
    /// occurrence and when that was due; what came later than that did not hold it back, nor did the edit that wrote it down.
    fn recorded_pause(&self, view: &SkippedView) -> Option<Made> {
        let at = view.skipped.last;
        let decided = super::recorded_by(self.facts, view, at, super::standing_at(self.facts, at));
        let due = decided.map_or(at, |standing| standing.due_at(at));
        self.paused_by(at, self.count_before(due.min(view.recorded_at))).or_else(|| {
            // It was paused, and the pause was ended, at the same instant.
            let known = &self.versions[..self.count_before(due.min(just_after(view.recorded_at)))];
            let ended = |version: &&Version<'_>| version.made_at >= at && !version.said.is_paused_at(at);
            self.paused_by(at, known.len() - known.iter().rev().take_while(ended).count())
        })
    }

    /// How many were made before that.
    fn count_before(&self, instant: Timestamp) -> usize {
        self.versions.partition_point(|version| version.made_at < instant)
    }

    /// The edit that began the pause in which the instant lies, by the first so many.
    fn paused_by(&self, at: Timestamp, count: usize) -> Option<Made> {
        let latest = count.checked_sub(1)?;
        let begun = self.begun[latest].filter(|_| self.versions[latest].said.is_paused_at(at))?;
        Some(self.versions[begun].made())
    }
}

impl Version<'_> {
    fn made(&self) -> Made {
        Made { revision: self.revision, at: self.made_at, by: self.made_by.cloned() }
    }
}
