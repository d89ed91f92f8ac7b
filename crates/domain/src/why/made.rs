//! Whose edit is behind it: who paused a trigger that did not fire, and which edit came before what was due. A disposition names the
//! deed, and whoever asks wants to talk to a person. Nothing of it is written down beside the revisions, so it cannot differ from them.

use jiff::Timestamp;

use super::{Facts, Verdict};
use crate::actor::Actor;
use crate::occurrence::Reason;
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
        Verdict::Paused | Verdict::WouldButPaused => paused_by(facts, at),
        Verdict::Skipped(view, _) => match view.skipped.reason {
            Reason::Paused => paused_by(facts, at),
            Reason::Superseded => versions(facts).map(|(made, _)| made).find(|made| made.at == view.recorded_at),
            Reason::Missed | Reason::Expired | Reason::Discarded | Reason::Waiting | Reason::Held => None,
            Reason::Overlap | Reason::Merged | Reason::Frozen => None,
        },
        _ => None,
    }
}

/// The edit that began the pause in which the instant lies. Where it is not known what was said before a revision that paused, another may
/// have paused already.
fn paused_by(facts: Facts<'_>, at: Timestamp) -> Option<Made> {
    let mut known: Vec<(Made, &Definition)> = versions(facts).filter(|(made, _)| made.at < at).collect();
    let (mut first, definition) = known.pop()?;
    if !definition.is_paused_at(at) {
        return None;
    }
    while let Some((made, definition)) = known.pop() {
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
