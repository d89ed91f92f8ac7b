//! Whose edit is behind it: who paused a trigger that did not fire, and which edit came before what was due. A disposition names the
//! deed, and whoever asks wants to talk to a person. Nothing of it is written down beside the revisions, so it cannot differ from them.

use jiff::Timestamp;

use super::{Facts, Verdict};
use crate::actor::Actor;
use crate::occurrence::Reason;
use crate::store::SkippedView;
use crate::trigger::Definition;

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

/// The edit by which what became of an instant is to be explained, where one is and is kept.
pub(super) fn edit_behind(facts: Facts<'_>, at: Timestamp, verdict: &Verdict) -> Option<Made> {
    match verdict {
        // What the present trigger decides it may decide by an edit that came after the nominal time, before the occurrence was due.
        Verdict::Paused | Verdict::WouldButPaused if at > facts.armed.trigger.standing_since => {
            paused_by(at, versions(facts).collect())
        }
        Verdict::Paused | Verdict::WouldButPaused => {
            paused_by(at, versions(facts).filter(|(made, _)| made.at < at).collect())
        }
        Verdict::Skipped(view, _) => match view.skipped.reason {
            Reason::Paused => recorded_pause(facts, view),
            Reason::Superseded => versions(facts).map(|(made, _)| made).find(|made| made.at == view.recorded_at),
            Reason::Missed | Reason::Budget | Reason::Expired | Reason::Discarded | Reason::Waiting | Reason::Held => {
                None
            }
            Reason::Overlap | Reason::Merged | Reason::Frozen | Reason::Unreadable => None,
        },
        _ => None,
    }
}

/// The edit that began the pause that a record tells of: one pause for all of it. It may have begun between the nominal time of its last occurrence
/// and when that was due; what came later than that did not hold it back, nor did the edit that wrote it down.
fn recorded_pause(facts: Facts<'_>, view: &SkippedView) -> Option<Made> {
    let at = view.skipped.last;
    let decided = super::recorded_by(facts, view, at, super::standing_at(facts, at));
    let due = decided.map_or(at, |standing| standing.due_at(at));
    let known = || versions(facts).filter(|(made, _)| made.at < due);
    let before = paused_by(at, known().filter(|(made, _)| made.at < view.recorded_at).collect());
    before.or_else(|| {
        // It was paused, and the pause was ended, at the same instant.
        let mut known: Vec<(Made, &Definition)> = known().filter(|(made, _)| made.at <= view.recorded_at).collect();
        while known.pop_if(|(made, said)| made.at >= at && !said.is_paused_at(at)).is_some() {}
        paused_by(at, known)
    })
}

/// The edit that began the pause in which the instant lies, by what was said until then, oldest first. Where it is not known what was said
/// before a revision that paused, another may have paused already.
fn paused_by(at: Timestamp, mut said: Vec<(Made, &Definition)>) -> Option<Made> {
    let (mut first, definition) = said.pop()?;
    if !definition.is_paused_at(at) {
        return None;
    }
    while let Some((made, definition)) = said.pop() {
        if !definition.is_paused_at(first.at) {
            return Some(first);
        }
        first = made;
    }
    (first.revision == 1).then_some(first)
}

/// Everything that is known of what the trigger said, oldest first.
fn versions(facts: Facts<'_>) -> impl Iterator<Item = (Made, &Definition)> {
    let former = facts.former.iter().map(|former| {
        (Made { revision: former.revision, at: former.from, by: former.made_by.clone() }, &former.definition)
    });
    former.chain(facts.made.map(|made| (made.clone(), &facts.armed.trigger.definition)))
}
