//! What belongs to many things that are handed over at once.

use super::Missing;
use crate::id::TriggerId;

/// What came of making a trigger among many: its number, or why there is none.
pub type Made = std::result::Result<TriggerId, Missing>;

/// So many triggers or calls are handed over together at most: more in one commit would hold up whoever waits behind it.
pub const TOGETHER_MAX: usize = 1000;
