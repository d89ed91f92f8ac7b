//! Brings a database file to its present shape, all steps or none; and tells which steps it has taken.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::connect::{connect, connect_reader, prepare};
use super::presence::Presence;
use super::{Role, copy};
use crate::migrations::{Migration, OLDER, SQLITE, Step, pending, steps as all_steps};

/// Takes the steps that are missing, as a server does when it starts, and gives those.
///
/// # Errors
/// In words for the operator: the file cannot be used, a server runs on it, or it is newer than this program.
pub fn migrate(path: &Path) -> Result<Vec<Step>, String> {
    let _presence = Presence::lock(path)?;
    let mut connection = connect(path, Role::Server)?;
    let unusable = |words: String| format!("The database {} cannot be used: {words}", path.display());
    prepare(&connection).map_err(|error| unusable(in_words(error)))?;
    let taken = run(&mut connection, Role::Server).map_err(unusable)?;
    copy::refuse_moved(&connection, path)?;
    Ok(taken.iter().map(|step| Step { version: step.version, name: step.name, is_taken: true }).collect())
}

/// All steps, and which of them the database has taken; nothing is changed, and a server may be running.
///
/// # Errors
/// In words for the operator: the file cannot be read, or it is newer than this program.
pub fn steps(path: &Path) -> Result<Vec<Step>, String> {
    let unusable = |words: String| format!("The database {} cannot be used: {words}", path.display());
    if !path.exists() {
        return all_steps(SQLITE, &[]);
    }
    let connection = connect_reader(path)?;
    let taken = taken_so_far(&connection).map_err(|error| unusable(in_words(error)))?;
    all_steps(SQLITE, &taken).map_err(unusable)
}

/// Takes the steps that are missing. A visitor only looks, and waits for nobody who writes: an older server may be running on it.
pub(super) fn run(connection: &mut Connection, role: Role) -> Result<Vec<&'static Migration>, String> {
    if role == Role::Visitor {
        let pending = pending(SQLITE, &taken_so_far(connection).map_err(in_words)?)?;
        return if pending.is_empty() { Ok(pending) } else { Err(OLDER.to_owned()) };
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(in_words)?;
    transaction
        .execute_batch("CREATE TABLE IF NOT EXISTS migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL) STRICT")
        .map_err(in_words)?;
    let pending = pending(SQLITE, &taken(&transaction).map_err(in_words)?)?;
    for migration in &pending {
        transaction.execute_batch(migration.sql).map_err(in_words)?;
        transaction
            .execute(
                "INSERT INTO migrations (version, name, checksum) VALUES (?, ?, ?)",
                (migration.version, migration.name, migration.checksum()),
            )
            .map_err(in_words)?;
    }
    transaction.commit().map_err(in_words)?;
    Ok(pending)
}

/// The same of a database in which perhaps none was ever taken.
fn taken_so_far(connection: &Connection) -> rusqlite::Result<Vec<(i64, String)>> {
    let is_there =
        connection
            .query_row("SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'migrations')", [], |row| row.get(0))?;
    if is_there { taken(connection) } else { Ok(Vec::new()) }
}

fn taken(connection: &Connection) -> rusqlite::Result<Vec<(i64, String)>> {
    let mut statement = connection.prepare("SELECT version, checksum FROM migrations ORDER BY version")?;
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

fn in_words(error: rusqlite::Error) -> String {
    format!("{error}.")
}
