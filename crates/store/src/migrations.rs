//! How a database comes to its present shape: numbered SQL files, forward only. A file that was applied is never edited;
//! its checksum is kept, and a database that is newer than this program, or that took another road, is refused.

use sha2::{Digest, Sha256};

/// A step that a database has taken, or has still to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Counts from one.
    pub version: i64,
    /// What it is for.
    pub name: &'static str,
    /// Whether the database has taken it.
    pub is_taken: bool,
}

/// One step's statements.
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

/// The steps that a database still has to take, given those it has taken (version and checksum).
///
/// # Errors
/// In words, when it is newer than this program or took another road.
pub(crate) fn pending(
    steps: &'static [Migration],
    taken: &[(i64, String)],
) -> std::result::Result<Vec<&'static Migration>, String> {
    for (version, checksum) in taken {
        match steps.iter().find(|step| step.version == *version) {
            None => {
                return Err(format!(
                    "it has migration {version}, which this oncue does not know; use the newer oncue that made it."
                ));
            }
            Some(known) if known.checksum() != *checksum => {
                return Err(format!("its migration {version} ({}) is not the one of this oncue.", known.name));
            }
            Some(_) => {}
        }
    }
    Ok(steps.iter().filter(|step| taken.iter().all(|(version, _)| *version != step.version)).collect())
}

/// All steps, and which of them a database has taken that has taken these.
///
/// # Errors
/// As [`pending`].
pub(crate) fn steps(all: &'static [Migration], taken: &[(i64, String)]) -> std::result::Result<Vec<Step>, String> {
    let missing = pending(all, taken)?;
    let is_taken = |version| missing.iter().all(|step| step.version != version);
    Ok(all.iter().map(|m| Step { version: m.version, name: m.name, is_taken: is_taken(m.version) }).collect())
}

/// What is said to whoever may not bring a database up to date.
pub(crate) const OLDER: &str =
    "it is older than this oncue; `oncue migrate` brings it up to date, and so does the server when it starts.";

/// All steps for PostgreSQL.
pub(crate) const POSTGRES: &[Migration] = &[
    Migration { version: 1, name: "start", sql: include_str!("../migrations/postgres/0001_start.sql") },
    Migration { version: 2, name: "destinations", sql: include_str!("../migrations/postgres/0002_destinations.sql") },
    Migration {
        version: 3,
        name: "order and alerts",
        sql: include_str!("../migrations/postgres/0003_order_and_alerts.sql"),
    },
    Migration { version: 4, name: "redelivery", sql: include_str!("../migrations/postgres/0004_redelivery.sql") },
    Migration { version: 5, name: "receipts", sql: include_str!("../migrations/postgres/0005_receipts.sql") },
    Migration { version: 6, name: "limits", sql: include_str!("../migrations/postgres/0006_limits.sql") },
    Migration { version: 7, name: "idempotency", sql: include_str!("../migrations/postgres/0007_idempotency.sql") },
    Migration { version: 8, name: "ledger", sql: include_str!("../migrations/postgres/0008_ledger.sql") },
    Migration {
        version: 9,
        name: "former triggers",
        sql: include_str!("../migrations/postgres/0009_former_triggers.sql"),
    },
    Migration { version: 10, name: "acts", sql: include_str!("../migrations/postgres/0010_acts.sql") },
    Migration {
        version: 11,
        name: "payload schema",
        sql: include_str!("../migrations/postgres/0011_payload_schema.sql"),
    },
    Migration { version: 12, name: "backlogs", sql: include_str!("../migrations/postgres/0012_backlogs.sql") },
    Migration { version: 13, name: "pauses", sql: include_str!("../migrations/postgres/0013_pauses.sql") },
    Migration { version: 14, name: "runs", sql: include_str!("../migrations/postgres/0014_runs.sql") },
    Migration { version: 15, name: "zone data", sql: include_str!("../migrations/postgres/0015_zone_data.sql") },
    Migration { version: 16, name: "overlap", sql: include_str!("../migrations/postgres/0016_overlap.sql") },
    Migration { version: 17, name: "freezes", sql: include_str!("../migrations/postgres/0017_freezes.sql") },
    Migration { version: 18, name: "due at", sql: include_str!("../migrations/postgres/0018_due_at.sql") },
    Migration { version: 19, name: "calendars", sql: include_str!("../migrations/postgres/0019_calendars.sql") },
    Migration { version: 20, name: "ends", sql: include_str!("../migrations/postgres/0020_ends.sql") },
    Migration {
        version: 21,
        name: "skipped counts",
        sql: include_str!("../migrations/postgres/0021_skipped_counts.sql"),
    },
    Migration { version: 22, name: "due in order", sql: include_str!("../migrations/postgres/0022_due_in_order.sql") },
    Migration { version: 23, name: "own ends", sql: include_str!("../migrations/postgres/0023_own_ends.sql") },
    Migration {
        version: 24,
        name: "deleted triggers",
        sql: include_str!("../migrations/postgres/0024_deleted_triggers.sql"),
    },
    Migration { version: 25, name: "kept longer", sql: include_str!("../migrations/postgres/0025_kept_longer.sql") },
];

/// All steps for SQLite.
pub(crate) const SQLITE: &[Migration] = &[
    Migration { version: 1, name: "start", sql: include_str!("../migrations/sqlite/0001_start.sql") },
    Migration { version: 2, name: "counts", sql: include_str!("../migrations/sqlite/0002_counts.sql") },
    Migration { version: 3, name: "moves", sql: include_str!("../migrations/sqlite/0003_moves.sql") },
    Migration { version: 4, name: "destinations", sql: include_str!("../migrations/sqlite/0004_destinations.sql") },
    Migration {
        version: 5,
        name: "order and alerts",
        sql: include_str!("../migrations/sqlite/0005_order_and_alerts.sql"),
    },
    Migration { version: 6, name: "redelivery", sql: include_str!("../migrations/sqlite/0006_redelivery.sql") },
    Migration { version: 7, name: "receipts", sql: include_str!("../migrations/sqlite/0007_receipts.sql") },
    Migration { version: 8, name: "limits", sql: include_str!("../migrations/sqlite/0008_limits.sql") },
    Migration { version: 9, name: "idempotency", sql: include_str!("../migrations/sqlite/0009_idempotency.sql") },
    Migration { version: 10, name: "ledger", sql: include_str!("../migrations/sqlite/0010_ledger.sql") },
    Migration {
        version: 11,
        name: "former triggers",
        sql: include_str!("../migrations/sqlite/0011_former_triggers.sql"),
    },
    Migration { version: 12, name: "acts", sql: include_str!("../migrations/sqlite/0012_acts.sql") },
    Migration {
        version: 13,
        name: "payload schema",
        sql: include_str!("../migrations/sqlite/0013_payload_schema.sql"),
    },
    Migration { version: 14, name: "backlogs", sql: include_str!("../migrations/sqlite/0014_backlogs.sql") },
    Migration { version: 15, name: "pauses", sql: include_str!("../migrations/sqlite/0015_pauses.sql") },
    Migration { version: 16, name: "runs", sql: include_str!("../migrations/sqlite/0016_runs.sql") },
    Migration { version: 17, name: "zone data", sql: include_str!("../migrations/sqlite/0017_zone_data.sql") },
    Migration { version: 18, name: "overlap", sql: include_str!("../migrations/sqlite/0018_overlap.sql") },
    Migration { version: 19, name: "freezes", sql: include_str!("../migrations/sqlite/0019_freezes.sql") },
    Migration { version: 20, name: "due at", sql: include_str!("../migrations/sqlite/0020_due_at.sql") },
    Migration { version: 21, name: "calendars", sql: include_str!("../migrations/sqlite/0021_calendars.sql") },
    Migration { version: 22, name: "ends", sql: include_str!("../migrations/sqlite/0022_ends.sql") },
    Migration {
        version: 23,
        name: "skipped counts",
        sql: include_str!("../migrations/sqlite/0023_skipped_counts.sql"),
    },
    Migration { version: 24, name: "tally", sql: include_str!("../migrations/sqlite/0024_tally.sql") },
    Migration { version: 25, name: "own ends", sql: include_str!("../migrations/sqlite/0025_own_ends.sql") },
    Migration {
        version: 26,
        name: "deleted triggers",
        sql: include_str!("../migrations/sqlite/0026_deleted_triggers.sql"),
    },
    Migration { version: 27, name: "kept longer", sql: include_str!("../migrations/sqlite/0027_kept_longer.sql") },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_databases_have_taken_is_never_edited() {
        let taken = [
            "d374ccd958ff55f40d3b61de0c8b69b0749e70f8827c9182359dd48407a46cb8",
            "80608d12c15396c571f9b8248d2bc0c692658a8f7192d2caec824baadfe99a1b",
            "ffac5f7496ef24d8b5d3724d9a33067f8a84c2330fe1b6d557ae62511839779c",
        ];
        let checksums: Vec<String> = SQLITE.iter().map(Migration::checksum).collect();
        assert_eq!(checksums[..taken.len()], taken);
        for steps in [SQLITE, POSTGRES] {
            assert!(steps.iter().zip(1..).all(|(step, version)| step.version == version), "they count without gaps");
        }
    }
}
