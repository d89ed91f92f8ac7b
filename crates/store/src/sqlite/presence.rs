//! Who is here, and when nobody was. The lock file keeps a second server away from the same database; in its first bytes
//! stands the last sign of life, renewed several times a second without synchronising: a killed process leaves it exact,
//! a power failure leaves it at worst half a minute old, and then the occurrences of that half minute are recorded as missed.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use oncue_domain::act::Act;
use oncue_domain::agenda::Span;
use oncue_domain::node::{Identity, NodeView, Work};
use oncue_domain::plan::{Absence, absence};
use oncue_domain::store::{ABSENCES_KEPT, Result};
use rusqlite::Connection;

use super::writer::Effects;
use super::{act, failed, lock, overlap};
use crate::codec::instant;

/// The lock and the last sign of life.
pub(super) struct Presence {
    file: Option<File>,
    last: AtomicI64,
    /// When this server began.
    began: AtomicI64,
    work: Mutex<Option<Work>>,
}

/// The path without links. A database that is not there yet has a folder that may be.
fn real_path(database: &Path) -> PathBuf {
    let real_folder = || {
        let folder = database.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Some(folder.canonicalize().ok()?.join(database.file_name()?))
    };
    database.canonicalize().ok().or_else(real_folder).unwrap_or_else(|| database.to_owned())
}

/// There has been none.
const NEVER: i64 = i64::MIN;

impl Presence {
    /// Takes the lock beside the database file.
    pub(super) fn lock(database: &Path) -> std::result::Result<Presence, String> {
        // One database has one lock, whatever path leads to it.
        let mut path = real_path(database).into_os_string();
        path.push(".lock");
        let path = Path::new(&path);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(|error| {
            format!("The file {} beside the database cannot be written: {error}. Does its folder exist, and may oncue write there?", path.display())
        })?;
        if file.try_lock().is_err() {
            return Err(format!(
                "Another oncue serves the database {} already. Stop it first, or give this one another database with --database-url.",
                database.display()
            ));
        }
        let mut bytes = [0; 8];
        let last = match file.read_exact_at(&mut bytes, 0) {
            Ok(()) => i64::from_le_bytes(bytes),
            Err(_) => NEVER,
        };
        Ok(Presence::of(Some(file), last))
    }

    /// For a database that no other process can reach, and for visitors.
    pub(super) fn in_memory() -> Presence {
        Presence::of(None, NEVER)
    }

    fn of(file: Option<File>, last: i64) -> Presence {
        Presence { file, last: AtomicI64::new(last), began: AtomicI64::new(NEVER), work: Mutex::default() }
    }

    /// The last sign of life, of this process or of the one before.
    pub(super) fn last_sign_of_life(&self) -> Option<Timestamp> {
        noted(&self.last)
    }

    /// Somebody is here from now on.
    pub(super) fn begin(&self, now: Timestamp) {
        // Who is here already does not begin again.
        let _ = self.began.compare_exchange(NEVER, now.as_microsecond(), Ordering::Relaxed, Ordering::Relaxed);
        self.note(now);
    }

    pub(super) fn note_work(&self, work: Work) {
        *lock(&self.work) = Some(work);
    }

    /// The one server, once it has begun.
    pub(super) fn node(&self, identity: &Identity) -> Option<NodeView> {
        Some(NodeView {
            id: 1,
            identity: identity.clone(),
            started_at: noted(&self.began)?,
            seen_at: noted(&self.last)?,
            is_asked: true,
            work: *lock(&self.work),
        })
    }

    /// Renews the sign of life.
    pub(super) fn note(&self, now: Timestamp) {
        self.last.store(now.as_microsecond(), Ordering::Relaxed);
        if let Some(file) = &self.file
            && let Err(error) = file.write_all_at(&now.as_microsecond().to_le_bytes(), 0)
        {
            tracing::warn!(%error, "the sign of life could not be written");
        }
    }
}

fn noted(instant: &AtomicI64) -> Option<Timestamp> {
    let instant = instant.load(Ordering::Relaxed);
    if instant == NEVER { None } else { Timestamp::from_microsecond(instant).ok() }
}

/// Records the absence that ends now and gives every one that may still matter. What waits for nothing is called up.
pub(super) fn begin(
    connection: &Connection,
    effects: &mut Effects,
    last: Option<Timestamp>,
    now: Timestamp,
) -> Result<Vec<Absence>> {
    let earliest = overlap::earliest_left(connection)?;
    if let Some(absence) = absence(last, earliest, now) {
        connection
            .execute(
                "INSERT INTO absences (from_at, to_at) VALUES (?1, ?2) ON CONFLICT (from_at) DO UPDATE SET to_at = ?2",
                (absence.from.as_microsecond(), absence.to.as_microsecond()),
            )
            .map_err(failed)?;
        act::write_own(connection, &Act::absence(&absence), now)?;
    }
    let mut from = Some(overlap::FROM_THE_FIRST);
    while let Some(next) = from {
        from = overlap::sweep(connection, effects, next, now)?;
    }
    let matters = Span { from: now.checked_sub(ABSENCES_KEPT).unwrap_or(Timestamp::MIN), until: Timestamp::MAX };
    absences(connection, matters, usize::MAX)
}

/// Those of which no record tells any more are forgotten.
pub(super) fn expire(connection: &Connection, gone_until: Timestamp) -> Result<()> {
    let forgotten = gone_until.checked_sub(ABSENCES_KEPT).unwrap_or(Timestamp::MIN);
    connection
        .prepare_cached("DELETE FROM absences WHERE to_at <= ?")
        .and_then(|mut statement| statement.execute([forgotten.as_microsecond()]))
        .map_err(failed)?;
    Ok(())
}

/// The earliest `limit` absences that meet the span, in order.
pub(super) fn absences(connection: &Connection, span: Span, limit: usize) -> Result<Vec<Absence>> {
    let mut statement = connection
        .prepare_cached(
            "SELECT from_at, to_at
             FROM absences
             WHERE from_at < ?1 AND to_at > ?2
             ORDER BY from_at
             LIMIT ?3",
        )
        .map_err(failed)?;
    let params = (span.until.as_microsecond(), span.from.as_microsecond(), i64::try_from(limit).unwrap_or(i64::MAX));
    let rows = statement.query_map(params, |row| Ok((row.get(0)?, row.get(1)?))).map_err(failed)?;
    rows.map(|row| {
        let (from, to): (i64, i64) = row.map_err(failed)?;
        Ok(Absence { from: instant(from)?, to: instant(to)? })
    })
    .collect()
}
