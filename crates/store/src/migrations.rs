//! How a database comes to its present shape: numbered SQL files, forward only. A file that was applied is never edited;
//! its checksum is kept, and a database that is newer than this program, or that took another road, is refused.

use sha2::{Digest, Sha256};

/// One step.
pub(crate) struct Migration {
    /// Counts from one without gaps.
    pub(crate) version: i64,
    /// What the step is for, as its file says.
    pub(crate) name: &'static str,
    /// The statements.
    pub(crate) sql: &'static str,
}

impl Migration {
    /// Tells an edited file from the one that was applied.
    pub(crate) fn checksum(&self) -> String {
        Sha256::digest(self.sql.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// All steps for SQLite.
pub(crate) const SQLITE: &[Migration] =
    &[Migration { version: 1, name: "start", sql: include_str!("../migrations/sqlite/0001_start.sql") }];
