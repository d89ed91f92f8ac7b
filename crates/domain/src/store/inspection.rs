//! What the auditor is shown: a slice of all triggers, whosever they are. What follows from it stands in `crate::audit`.

use crate::audit::Inspected;
use crate::id::TriggerId;

/// Some triggers as they stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inspection {
    /// The scheduled ones, ascending, without their payloads.
    pub triggers: Vec<Inspected>,
    /// Those that cannot be read, ascending.
    pub unreadable: Vec<TriggerId>,
    /// After which trigger to go on; none at the end.
    pub go_on_after: Option<TriggerId>,
}
