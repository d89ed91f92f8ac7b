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
pub(crate) const SQLITE: &[Migration] = &[
    Migration { version: 1, name: "start", sql: include_str!("../migrations/sqlite/0001_start.sql") },
    Migration { version: 2, name: "counts", sql: include_str!("../migrations/sqlite/0002_counts.sql") },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_databases_have_taken_is_never_edited() {
        let taken = ["d374ccd958ff55f40d3b61de0c8b69b0749e70f8827c9182359dd48407a46cb8"];
        let checksums: Vec<String> = SQLITE.iter().map(Migration::checksum).collect();
        assert_eq!(checksums[..taken.len()], taken);
        assert!(SQLITE.iter().zip(1..).all(|(step, version)| step.version == version), "they count without gaps");
    }
}
