//! Pauses and freezes whose end has come, and triggers whose expiry has, in SQLite: beside each end stands the one that was written down, so whoever
//! moves that tells of it.

use jiff::Timestamp;
use oncue_domain::act::{Act, ExpiryOver, PauseOver};
use oncue_domain::id::{TriggerId, UserId};
use oncue_domain::store::Result;
use rusqlite::{Connection, Params, Row};

use super::{Shared, act, failed, freeze};
use crate::codec::{ended, ended_with_expiry, instant};

/// The pauses that were over by `?1` of which nobody has said so; as the index has it.
const PAUSES: &str = "enabled = 0 AND pause_until IS NOT NULL AND pause_told IS NOT pause_until AND pause_until <= ?1";

/// The same of freezes.
const FREEZES: &str = "until_at IS NOT NULL AND told_until IS NOT until_at AND until_at <= ?1";

/// The same of the expiries of triggers, whether they end anything or not.
const EXPIRIES: &str = "expires_at IS NOT NULL AND expiry_told IS NOT expires_at AND expires_at <= ?1";

/// Whether there are any.
pub(super) fn has_any(connection: &Connection, now: Timestamp) -> Result<bool> {
    let sql = format!(
        "SELECT EXISTS (SELECT 1 FROM triggers WHERE {PAUSES}) OR EXISTS (SELECT 1 FROM freezes WHERE {FREEZES})
             OR EXISTS (SELECT 1 FROM triggers WHERE {EXPIRIES})"
    );
    connection
        .prepare_cached(&sql)
        .and_then(|mut statement| statement.query_row([now.as_microsecond()], |row| row.get(0)))
        .map_err(failed)
}

/// Writes down those that were over by `now`, at most `limit` of each sort.
pub(super) fn note(connection: &Connection, shared: &Shared, now: Timestamp, limit: usize) -> Result<usize> {
    let params = (now.as_microsecond(), limit);
    let frozen = note_freezes(connection, now, limit)?;
    let which = format!("id IN (SELECT id FROM triggers WHERE {PAUSES} ORDER BY pause_until, id LIMIT ?2)");
    let paused = note_pauses(connection, &which, params)?;
    let which = format!("id IN (SELECT id FROM triggers WHERE {EXPIRIES} ORDER BY expires_at, id LIMIT ?2)");
    Ok(frozen + paused + note_expiries(connection, shared, &which, params)?)
}

/// Whoever ends a trigger as it stands says that its pause was over, or that its expiry had come, if nobody has.
pub(super) fn note_own(connection: &Connection, shared: &Shared, id: TriggerId, now: Timestamp) -> Result<()> {
    let params = (now.as_microsecond(), id.0);
    note_pauses(connection, &format!("id = ?2 AND {PAUSES}"), params)?;
    note_expiries(connection, shared, &format!("id = ?2 AND {EXPIRIES}"), params).map(drop)
}

fn note_freezes(connection: &Connection, now: Timestamp, limit: usize) -> Result<usize> {
    let over = freeze::end_told(connection, FREEZES, now, limit)?;
    for freeze in over.iter().flatten() {
        act::write_own(connection, &Act::freeze_over(freeze), freeze.until.unwrap_or(now))?;
    }
    Ok(over.len())
}

/// Gives how many were over, those of which nothing can be told among them.
fn note_pauses(connection: &Connection, which: &str, params: impl Params) -> Result<usize> {
    let sql = format!(
        "UPDATE triggers SET pause_told = pause_until WHERE {which} RETURNING id, owner, name, pause_reason, pause_until"
    );
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query(params).map_err(failed)?;
    let (mut over, mut count) = (Vec::new(), 0);
    while let Some(row) = rows.next().map_err(failed)? {
        over.extend(ended("the pause of trigger", row.get(0).map_err(failed)?, pause_over(row))?);
        count += 1;
    }
    for (at, act) in Act::pauses_over(over) {
        act::write_own(connection, &act, at)?;
    }
    Ok(count)
}

/// Gives how many had come, those that ended nothing among them.
fn note_expiries(connection: &Connection, shared: &Shared, which: &str, params: impl Params) -> Result<usize> {
    let sql = format!(
        "UPDATE triggers SET expiry_told = expires_at WHERE {which}
         RETURNING id, owner, name, expires_at, schedule, is_test,
                   (SELECT fired FROM limits WHERE limits.trigger_id = triggers.id)"
    );
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query(params).map_err(failed)?;
    let (mut over, mut count) = (Vec::new(), 0);
    while let Some(row) = rows.next().map_err(failed)? {
        over.extend(ended("trigger", row.get(0).map_err(failed)?, expiry_over(row, shared))?.flatten());
        count += 1;
    }
    for (at, act) in Act::expiries_over(over) {
        act::write_own(connection, &act, at)?;
    }
    Ok(count)
}

/// None where it ended nothing.
fn expiry_over(row: &Row<'_>, shared: &Shared) -> Result<Option<ExpiryOver>> {
    let at = instant(row.get(3).map_err(failed)?)?;
    let schedule: Option<String> = row.get(4).map_err(failed)?;
    let terms = (row.get(5).map_err(failed)?, row.get(6).map_err(failed)?);
    if !ended_with_expiry(schedule.as_deref(), terms, at, (&shared.settings.zones, &shared.cron_lines))? {
        return Ok(None);
    }
    Ok(Some(ExpiryOver {
        trigger: TriggerId(row.get(0).map_err(failed)?),
        owner: UserId(row.get(1).map_err(failed)?),
        name: row.get(2).map_err(failed)?,
        at,
    }))
}

fn pause_over(row: &Row<'_>) -> Result<PauseOver> {
    Ok(PauseOver {
        trigger: TriggerId(row.get(0).map_err(failed)?),
        owner: UserId(row.get(1).map_err(failed)?),
        name: row.get(2).map_err(failed)?,
        reason: row.get(3).map_err(failed)?,
        at: instant(row.get(4).map_err(failed)?)?,
    })
}
