//! A database moves from SQLite to PostgreSQL, whole: ids, instants and what is armed or owed stay as they are. At every
//! moment exactly one of the two may be served, or neither:
//!
//! 1. The file is locked as by a server and held still; the other database is shut to servers (a row in `copies`).
//! 2. Everything is copied, and the rows on both sides are counted.
//! 3. The file is marked as moved (`moves`). From here on it is refused to servers.
//! 4. The other database is opened to servers.
//!
//! Interrupted before the third step, the file may be served as before, and a further copy begins anew; between the third and the
//! fourth, all that a further copy does is the fourth. `sqlite/copy.rs` is the side that gives, `postgres/copy.rs` the one
//! that takes; what is copied stands in `table`.

pub(crate) mod table;

use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use oncue_domain::store::Error;
use tokio::sync::mpsc;

use crate::postgres::address::Address;
use crate::postgres::copy::{Before, Target, filled};
use crate::sqlite::copy::Source;
use table::{TABLES, Table};

/// How far the copy of one table is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// The table.
    pub table: &'static str,
    /// How many rows were written.
    pub rows: u64,
    /// How many there are.
    pub total: u64,
    /// How long that took.
    pub took: Duration,
    /// Whether the table is complete.
    pub is_done: bool,
}

/// What came of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Copied {
    /// Everything is there; so many rows of each table, counted on both sides.
    Done(Vec<(&'static str, u64)>),
    /// Everything was there already, and the other database had only to be opened to servers.
    Finished,
    /// All of that was done before; nothing was changed.
    Before(Timestamp),
}

/// Moves everything from the file to the other database.
///
/// # Errors
/// In words for the operator. Run again, it goes on as far as it can.
pub async fn run(from: &Path, to: &Address, now: Timestamp, mut tell: impl FnMut(Progress)) -> Result<Copied, String> {
    let source = Source::open(from)?;
    let mut target = Target::open(to).await?;
    let name = target.name().to_owned();
    let unwritable = |error: Error| format!("The database {name} cannot be filled: {error}");
    let before = target.before().await.map_err(unwritable)?;
    if let Some(moved) = source.moved()? {
        return match before {
            Before::Done(id) if id == moved.id => Ok(Copied::Before(moved.at)),
            Before::Begun(id) if id == moved.id => {
                target.hand_over(&id, now).await.map_err(unwritable)?;
                Ok(Copied::Finished)
            }
            _ => Err(format!(
                "The database {} was moved to {} at {:.0}, and {name} is another one.",
                source.name(),
                moved.target,
                moved.at
            )),
        };
    }
    let id = match before {
        Before::Empty => source.begin(&name)?,
        Before::Begun(id) if source.has_begun(&id)? => id,
        Before::Done(id) if source.has_begun(&id)? => {
            return Err(format!(
                "{name} was filled from here once and may have been served since; nothing was changed. Copy into an empty database."
            ));
        }
        _ => return Err(filled(&name)),
    };
    target.shut(&id, &source.name(), now).await.map_err(unwritable)??;
    source.hold_still()?;
    target.clear().await.map_err(unwritable)?;
    let (source, copied) = fill(source, &mut target, &mut tell).await?;
    target.carry_on(&source.last_numbers()?, source.last_sign_of_life()).await.map_err(unwritable)?;
    source.mark_moved(&id, &name, now)?;
    target.hand_over(&id, now).await.map_err(|error| {
        format!("All data is in {name}, and the old database is marked as moved, but this could not be written down there: {error}. Run the same command again.")
    })?;
    Ok(Copied::Done(copied))
}

/// Copies all tables, and counts what has arrived.
async fn fill(
    mut source: Source,
    target: &mut Target,
    tell: &mut impl FnMut(Progress),
) -> Result<(Source, Vec<(&'static str, u64)>), String> {
    let mut copied = Vec::new();
    for table in &TABLES {
        let total = source.count(table)?;
        source = copy_table(source, target, table, total, tell).await?;
        copied.push((table.name, total));
    }
    for (table, (_, total)) in TABLES.iter().zip(&copied) {
        let arrived = target.count(table).await;
        let arrived = arrived.map_err(|error| format!("The copied rows cannot be counted: {error}"))?;
        if arrived != *total {
            return Err(format!(
                "The table {} has {total} rows here and {arrived} there. The old database stays as it is and may be served; \
                 please tell the people who make oncue.",
                table.name
            ));
        }
    }
    Ok((source, copied))
}

/// Copies one table: one thread reads ahead by a batch, while the one before is written.
async fn copy_table(
    source: Source,
    target: &mut Target,
    table: &'static Table,
    total: u64,
    tell: &mut impl FnMut(Progress),
) -> Result<Source, String> {
    let started = Instant::now();
    let (hand, mut batches) = mpsc::channel(1);
    let reading = tokio::task::spawn_blocking(move || {
        let outcome = source.read(table, |rows| hand.blocking_send(rows).is_ok());
        outcome.map(|()| source)
    });
    let mut rows = 0;
    while let Some(batch) = batches.recv().await {
        let written = target.write(table, &batch).await;
        rows += written.map_err(|error| format!("The table {} cannot be written: {error}", table.name))?;
        tell(Progress { table: table.name, rows, total, took: started.elapsed(), is_done: false });
    }
    let source = reading.await.map_err(|error| format!("The reading of {} ended: {error}.", table.name))??;
    tell(Progress { table: table.name, rows, total, took: started.elapsed(), is_done: true });
    Ok(source)
}

/// What came of taking a move back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undone {
    /// The file may be served again, and no longer the database that was moved to, which is named where it was not shut.
    Done {
        /// Where that was.
        target: String,
        /// Whether it was seen to that no server starts there.
        is_shut: bool,
    },
    /// The file was not moved; nothing was changed.
    NotMoved,
}

/// The file may be served again, as it was when it was moved. Where the other database is named, no server starts there any more.
///
/// # Errors
/// In words for the operator.
pub async fn undo(from: &Path, to: Option<&Address>, now: Timestamp) -> Result<Undone, String> {
    let source = Source::open(from)?;
    let Some(moved) = source.moved()? else { return Ok(Undone::NotMoved) };
    if let Some(to) = to {
        let mut target = Target::open(to).await?;
        let unwritable = |error: Error| format!("The database {to} cannot be shut: {error}");
        match target.before().await.map_err(unwritable)? {
            Before::Begun(id) | Before::Done(id) if id == moved.id => {}
            _ => {
                return Err(format!(
                    "The database {} was moved to {}, and {to} is another one.",
                    source.name(),
                    moved.target
                ));
            }
        }
        target.shut(&moved.id, &source.name(), now).await.map_err(unwritable)??;
    }
    source.unmark()?;
    Ok(Undone::Done { target: moved.target, is_shut: to.is_some() })
}
