//! What can be wrong with what somebody sent us, said to the person who can mend it. Failures of the machine are not here:
//! a store that cannot answer has `store::Error`.

use std::fmt;

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// The field it concerns, as a dotted path from the top of the body (`schedule_details.cron`); empty for the whole.
    pub field: String,
    /// A full sentence: what is wrong and what would be right.
    pub message: String,
}

impl Invalid {
    /// Names a field and says what is wrong with it.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Invalid {
        Invalid { field: field.into(), message: message.into() }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.is_empty() {
            write!(f, "{}", self.message)
        } else {
            write!(f, "{}: {}", self.field, self.message)
        }
    }
}

impl std::error::Error for Invalid {}
