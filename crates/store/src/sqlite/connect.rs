//! Connections to the file, and how each is set up: what a commit costs and how safe it is, how statements are planned, how much is
//! cached. Who gets which connection is decided elsewhere (`open`, `readers`).

use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::Role;

pub(super) fn connect(path: &Path, role: Role) -> std::result::Result<Connection, String> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if role == Role::Server {
        flags |= OpenFlags::SQLITE_OPEN_CREATE;
        // Only its owner may read it: it holds password hashes and payloads. SQLite gives its other files the same mode.
        let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        if let Err(error) = made.as_ref()
            && error.kind() != std::io::ErrorKind::AlreadyExists
        {
            return Err(format!("The database {} cannot be made: {error}.", path.display()));
        }
    }
    Connection::open_with_flags(path, flags)
        .map_err(|error| format!("The database {} cannot be opened: {error}.", path.display()))
}

pub(super) fn connect_reader(path: &Path) -> std::result::Result<Connection, String> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(in_words)?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(in_words)?;
    connection.set_prepared_statement_cache_capacity(64);
    keep_plans(&connection).map_err(in_words)?;
    connection.pragma_update(None, "cache_size", -4000).map_err(in_words)?;
    Ok(connection)
}

/// Plans a statement once. The SQLite that is built in has STAT4 and would otherwise plan a join or an ordered range anew
/// each time it is run with other values, which costs several times as much as running it.
fn keep_plans(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

/// Durable on every commit: the write-ahead log is synchronised before anyone is told (invariant 3). The log is never
/// shortened, because overwriting allocated blocks synchronises several times faster than appending.
pub(super) fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(128);
    keep_plans(connection)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    connection.pragma_update(None, "cache_size", -16_000)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "wal_autocheckpoint", 4000)
}

pub(super) fn in_words(error: rusqlite::Error) -> String {
    format!("The database cannot be opened: {error}.")
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;
    use crate::sqlite::migrate;

    #[test]
    fn a_statement_is_planned_once_however_often_it_is_run() {
        let mut connection = Connection::open_in_memory().expect("memory is there");
        prepare(&connection).expect("a new database can be prepared");
        migrate::run(&mut connection, Role::Server).expect("a new database can be migrated");
        let joined = "SELECT users.id FROM sessions JOIN users ON users.id = sessions.user_id WHERE sessions.id = ?";
        let mut statement = connection.prepare(joined).expect("the tables are there");
        for session in ["a", "b", "c"] {
            assert!(!statement.exists([session]).expect("the tables can be read"));
        }
        assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
    }
}
