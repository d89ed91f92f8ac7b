//! The side of a copy that gives: the file is locked as by a server, held still while it is read, and marked as moved when
//! the other database has everything. The mark and all that was read are one transaction, so nothing comes between.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row};
use uuid::Uuid;

use super::connect::{connect, prepare};
use super::presence::Presence;
use super::{Role, migrate};
use crate::copy::table::{Column, Kind, NUMBERED, Rows, Table, Value};

/// How many rows are handed over together, and about how many bytes of them.
const ROWS_MAX: usize = 10_000;
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// A file that was moved is served no more.
///
/// # Errors
/// In words, where it was.
pub(super) fn refuse_moved(connection: &Connection, path: &Path) -> Result<(), String> {
    match moved(connection).map_err(in_words)? {
        None => Ok(()),
        Some(Moved { target, at, .. }) => Err(format!(
            "The database {path} was moved to {target} at {at:.0}: everything is there now, so serve that one. To go back to this file \
             instead, without what has happened there since: oncue copy --undo --from sqlite:{path}",
            path = path.display()
        )),
    }
}

/// Where a file was moved.
#[derive(Clone, Debug)]
pub(crate) struct Moved {
    /// The copy that took over.
    pub(crate) id: String,
    /// Where it is, for people.
    pub(crate) target: String,
    /// When it took over.
    pub(crate) at: Timestamp,
}

fn moved(connection: &Connection) -> rusqlite::Result<Option<Moved>> {
    connection
        .query_row("SELECT id, target, moved_at FROM moves WHERE moved_at IS NOT NULL", [], |row| {
            let at = Timestamp::from_microsecond(row.get(2)?).unwrap_or(Timestamp::MAX);
            Ok(Moved { id: row.get(0)?, target: row.get(1)?, at })
        })
        .optional()
}

/// A database file that is being copied. Nobody serves it meanwhile.
pub(crate) struct Source {
    connection: Connection,
    presence: Presence,
    path: PathBuf,
}

impl Source {
    /// Locks the file and brings it up to date, as a server does when it starts.
    pub(crate) fn open(path: &Path) -> Result<Source, String> {
        if !path.exists() {
            return Err(format!("There is no database {}.", path.display()));
        }
        let presence = Presence::lock(path)?;
        let mut connection = connect(path, Role::Server)?;
        let unusable = |words: String| format!("The database {} cannot be used: {words}", path.display());
        prepare(&connection).map_err(|error| unusable(error.to_string()))?;
        migrate::run(&mut connection, Role::Server).map_err(unusable)?;
        Ok(Source { connection, presence, path: path.to_owned() })
    }

    /// What it is called by people.
    pub(crate) fn name(&self) -> String {
        std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone()).display().to_string()
    }

    /// The last sign of life of a server on it.
    pub(crate) fn last_sign_of_life(&self) -> Option<Timestamp> {
        self.presence.last_sign_of_life()
    }

    /// Where it was moved, if it was.
    pub(crate) fn moved(&self) -> Result<Option<Moved>, String> {
        moved(&self.connection).map_err(in_words)
    }

    /// Whether a copy of that id was begun from here.
    pub(crate) fn has_begun(&self, id: &str) -> Result<bool, String> {
        self.connection
            .query_row("SELECT EXISTS (SELECT 1 FROM moves WHERE id = ?)", [id], |row| row.get(0))
            .map_err(in_words)
    }

    /// Gives a new copy its id, before the other database hears of it: whatever is found there under it came from here.
    pub(crate) fn begin(&self, target: &str) -> Result<String, String> {
        let sql = "INSERT INTO moves (id, target) VALUES (lower(hex(randomblob(16))), ?) RETURNING id";
        self.connection.query_row(sql, [target], |row| row.get(0)).map_err(in_words)
    }

    /// From now on nobody changes anything, not even a visitor, until the mark is set or this ends.
    pub(crate) fn hold_still(&self) -> Result<(), String> {
        self.connection.execute_batch("BEGIN IMMEDIATE").map_err(in_words)
    }

    /// How many rows of this table there are to copy.
    pub(crate) fn count(&self, table: &Table) -> Result<u64, String> {
        self.connection.query_row(&table.count(), [], |row| row.get(0)).map_err(in_words)
    }

    /// Hands over all rows of a table, so many at a time, for as long as `take` takes them.
    pub(crate) fn read(&self, table: &Table, mut take: impl FnMut(Rows) -> bool) -> Result<(), String> {
        let mut statement = self.connection.prepare(&table.select()).map_err(in_words)?;
        let mut rows = statement.query([]).map_err(in_words)?;
        let (mut batch, mut bytes) = (Rows::new(), 0);
        while let Some(row) = rows.next().map_err(in_words)? {
            let values: Vec<Value> = table
                .columns
                .iter()
                .enumerate()
                .map(|(place, column)| read_value(row, place, column))
                .collect::<rusqlite::Result<_>>()
                .map_err(|error| format!("The table {} of {} cannot be read: {error}.", table.name, self.name()))?;
            bytes += values.iter().map(Value::bytes).sum::<usize>();
            batch.push(values);
            if batch.len() == ROWS_MAX || bytes >= BYTES_MAX {
                bytes = 0;
                if !take(std::mem::take(&mut batch)) {
                    return Ok(());
                }
            }
        }
        if !batch.is_empty() {
            take(batch);
        }
        Ok(())
    }

    /// The last numbers that were given out, by the names of the target's sequences.
    pub(crate) fn last_numbers(&self) -> Result<Vec<(&'static str, Option<i64>)>, String> {
        let last = |sql| self.connection.query_row(sql, [], |row| row.get::<_, Option<i64>>(0)).optional();
        NUMBERED.iter().map(|(name, sql)| Ok((*name, last(sql).map_err(in_words)?.flatten()))).collect()
    }

    /// Sets the mark: from now on the other database alone may be served. Durable when it returns.
    pub(crate) fn mark_moved(&self, id: &str, target: &str, now: Timestamp) -> Result<(), String> {
        self.connection
            .execute("UPDATE moves SET moved_at = ?3, target = ?2 WHERE id = ?1", (id, target, now.as_microsecond()))
            .and_then(|_| self.connection.execute_batch("COMMIT"))
            .map_err(in_words)
    }

    /// Takes the mark away.
    pub(crate) fn unmark(&self) -> Result<(), String> {
        self.connection
            .execute("UPDATE moves SET moved_at = NULL WHERE moved_at IS NOT NULL", [])
            .map(drop)
            .map_err(in_words)
    }
}

fn read_value(row: &Row<'_>, place: usize, column: &Column) -> rusqlite::Result<Value> {
    Ok(match column.kind {
        Kind::Number => Value::Number(row.get(place)?),
        Kind::Flag => Value::Flag(row.get(place)?),
        // PostgreSQL's text cannot hold a NUL; a receiver's words, which are the only ones that may, are kept like that there.
        Kind::Text => Value::Text(row.get::<_, Option<String>>(place)?.map(|text| match text.contains('\0') {
            true => text.replace('\0', "\u{fffd}"),
            false => text,
        })),
        Kind::Bytes => Value::Bytes(row.get(place)?),
        Kind::Uuid => Value::Uuid(match row.get_ref(place)? {
            ValueRef::Null => None,
            value => Some(Uuid::from_slice(value.as_blob()?).map_err(|error| {
                rusqlite::Error::FromSqlConversionFailure(place, rusqlite::types::Type::Blob, Box::new(error))
            })?),
        }),
    })
}

fn in_words(error: rusqlite::Error) -> String {
    format!("The database that is copied cannot be read or written: {error}.")
}
