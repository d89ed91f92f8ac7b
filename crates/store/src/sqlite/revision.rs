//! Revisions in SQLite: a former one is kept at the edit that ends it, or the deletion, as a row of `triggers` as it stood; the present one is the
//! trigger's own row.

use jiff::Timestamp;
use oncue_domain::actor::Actor;
use oncue_domain::id::{TriggerId, UserId};
use oncue_domain::revision::{Deletion, REVISION_BYTES, Revision, no_room_up_to, pushed_out};
use oncue_domain::store::{DeletedTrigger, Result};
use oncue_domain::trigger::Armed;
use rusqlite::{Connection, OptionalExtension, Row};

use super::trigger::{TRIGGER, TRIGGER_COLUMNS, trigger};
use super::{Shared, count, failed, overlap};
use crate::codec::{actor, actor_to_text, counted, fired, instant, listed, nearest_instant};

/// The columns of a trigger, wherever they stand.
fn columns() -> String {
    TRIGGER.replace("triggers.", "")
}

/// Keeps the present revision, which `until` ends, and lets go of whatever there is no room for any more.
pub(super) fn keep(connection: &Connection, id: TriggerId, revision: i64, until: Timestamp) -> Result<()> {
    let columns = columns();
    let sql = format!(
        "INSERT INTO former_triggers ({columns}, made_by, revised_at, until_at, fired, counted_until)
         SELECT {columns}, made_by, revised_at, ?2, coalesce(fired, 0), counted_until
         FROM triggers LEFT JOIN limits ON limits.trigger_id = triggers.id
         WHERE id = ?1"
    );
    connection
        .prepare_cached(&sql)
        .and_then(|mut statement| statement.execute((id.0, until.as_microsecond())))
        .map_err(failed)?;
    push_out(connection, id, revision)
}

/// The same for the last one of a trigger that is about to be deleted, with what it waits for.
pub(super) fn keep_last(
    connection: &Connection,
    id: TriggerId,
    revision: i64,
    by: &Actor,
    now: Timestamp,
) -> Result<()> {
    let columns = columns();
    let sql = format!(
        "INSERT INTO former_triggers ({columns}, made_by, revised_at, until_at, fired, counted_until, deleted_by, next_at,
                                      was_under_way)
         SELECT {columns}, made_by, revised_at, ?2, coalesce(fired, 0), counted_until, ?3,
                (SELECT next_at FROM cursors WHERE trigger_id = ?1), overlap IS NOT NULL AND {was_under_way}
         FROM triggers LEFT JOIN limits ON limits.trigger_id = triggers.id
         WHERE id = ?1",
        was_under_way = overlap::under_way("triggers.id"),
    );
    connection
        .prepare_cached(&sql)
        .and_then(|mut statement| statement.execute((id.0, now.as_microsecond(), actor_to_text(by))))
        .map_err(failed)?;
    push_out(connection, id, revision)
}

/// When the revision `ended` has become a former one, another is none of the latest any more: it is marked, and what it leaves no room for goes.
fn push_out(connection: &Connection, id: TriggerId, ended: i64) -> Result<()> {
    let Some(pushed_out) = pushed_out(ended) else { return Ok(()) };
    let sql = format!(
        "UPDATE former_triggers
         SET bytes_up_to = {REVISION_BYTES} + coalesce(octet_length(payload), 0) + coalesce(octet_length(payload_schema), 0)
                         + coalesce(octet_length(schedule), 0)
                         + coalesce((SELECT older.bytes_up_to FROM former_triggers AS older
                                     WHERE older.id = ?1 AND older.bytes_up_to IS NOT NULL
                                     ORDER BY older.bytes_up_to DESC LIMIT 1), 0)
         WHERE id = ?1 AND revision = ?2
         RETURNING bytes_up_to"
    );
    let bytes: Option<i64> = connection
        .prepare_cached(&sql)
        .and_then(|mut statement| statement.query_row((id.0, pushed_out), |row| row.get(0)).optional())
        .map_err(failed)?;
    let Some(mark) = bytes.and_then(|bytes| no_room_up_to(bytes.unsigned_abs())) else { return Ok(()) };
    connection
        .prepare_cached("DELETE FROM former_triggers WHERE id = ? AND bytes_up_to <= ?")
        .and_then(|mut statement| statement.execute((id.0, mark.cast_signed())))
        .map_err(failed)?;
    Ok(())
}

/// The trigger's revisions of which `condition` says something about `?3`.
fn select(
    connection: &Connection,
    shared: &Shared,
    of: (UserId, TriggerId),
    condition: (&str, i64),
    limit: usize,
) -> Result<Vec<Revision>> {
    let (owner, id) = of;
    let (condition, value) = condition;
    let columns = columns();
    // Bounded twice: of the former ones no more are read than are asked for.
    let sql = format!(
        "SELECT {columns}, made_by, revised_at, until_at, fired, counted_until
         FROM (SELECT {columns}, made_by, revised_at, NULL AS until_at, NULL AS fired, NULL AS counted_until
               FROM triggers WHERE id = ?1 AND owner = ?2 AND {condition}
               UNION ALL
               SELECT * FROM (SELECT {columns}, made_by, revised_at, until_at, fired, counted_until
                              FROM former_triggers WHERE id = ?1 AND owner = ?2 AND {condition}
                              ORDER BY revision DESC
                              LIMIT ?4))
         ORDER BY revision DESC
         LIMIT ?4"
    );
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query((id.0, owner.0, value, limit)).map_err(failed)?;
    let mut revisions = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        revisions.extend(listed(revision(row, shared))?);
    }
    Ok(revisions)
}

fn revision(row: &Row<'_>, shared: &Shared) -> Result<Revision> {
    let trigger = trigger(row, shared)?;
    let made_by: Option<String> = row.get(TRIGGER_COLUMNS).map_err(failed)?;
    let revised_at: Option<i64> = row.get(TRIGGER_COLUMNS + 1).map_err(failed)?;
    let until: Option<i64> = row.get(TRIGGER_COLUMNS + 2).map_err(failed)?;
    Ok(Revision {
        made_at: revised_at.map_or(Ok(trigger.standing_since), instant)?,
        made_by: made_by.as_deref().map(actor).transpose()?,
        until: until.map(instant).transpose()?,
        counted: counted(row.get(TRIGGER_COLUMNS + 3).map_err(failed)?, row.get(TRIGGER_COLUMNS + 4).map_err(failed)?)?,
        trigger,
    })
}

pub(super) fn list(
    connection: &Connection,
    shared: &Shared,
    of: (UserId, TriggerId),
    before: Option<i64>,
    limit: usize,
) -> Result<Vec<Revision>> {
    select(connection, shared, of, ("revision < ?3", before.unwrap_or(i64::MAX)), limit)
}

pub(super) fn get(
    connection: &Connection,
    shared: &Shared,
    of: (UserId, TriggerId),
    number: i64,
) -> Result<Option<Revision>> {
    Ok(select(connection, shared, of, ("revision = ?3", number), 1)?.pop())
}

pub(super) fn deleted(
    connection: &Connection,
    shared: &Shared,
    (owner, id): (UserId, TriggerId),
    gone_until: Timestamp,
) -> Result<Option<DeletedTrigger>> {
    let columns = columns();
    let sql = format!(
        "SELECT {columns}, next_at, until_at, deleted_by, fired, was_under_way
         FROM former_triggers
         WHERE id = ?1 AND revision = (SELECT max(revision) FROM former_triggers WHERE id = ?1)
           AND owner = ?2 AND deleted_by IS NOT NULL AND until_at > ?3"
    );
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query((id.0, owner.0, gone_until.as_microsecond())).map_err(failed)?;
    let Some(row) = rows.next().map_err(failed)? else { return Ok(None) };
    listed(deleted_trigger(row, shared))
}

fn deleted_trigger(row: &Row<'_>, shared: &Shared) -> Result<DeletedTrigger> {
    let next_at: Option<i64> = row.get(TRIGGER_COLUMNS).map_err(failed)?;
    let by: String = row.get(TRIGGER_COLUMNS + 2).map_err(failed)?;
    let at = instant(row.get(TRIGGER_COLUMNS + 1).map_err(failed)?)?;
    let was_under_way = row.get(TRIGGER_COLUMNS + 4).map_err(failed)?;
    let deletion = Deletion { at, by: actor(&by)?, was_under_way };
    let trigger = trigger(row, shared)?;
    let fired = fired(row.get(TRIGGER_COLUMNS + 3).map_err(failed)?)?;
    Ok(DeletedTrigger { armed: Armed { trigger, next_at: next_at.map(nearest_instant), fired }, deletion })
}

/// Whether anything is known of a trigger of the owner's that is not there: it was deleted, and not so long ago that it is forgotten.
pub(super) fn is_deleted(connection: &Connection, owner: UserId, id: TriggerId) -> Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM former_triggers
                            WHERE id = ?1 AND revision = (SELECT max(revision) FROM former_triggers WHERE id = ?1)
                              AND owner = ?2 AND deleted_by IS NOT NULL)",
        )
        .and_then(|mut statement| statement.query_row((id.0, owner.0), |row| row.get(0)))
        .map_err(failed)
}

/// Forgets triggers that were deleted so long ago, the last revision of each after all before it, at most `limit` revisions; gives how many.
pub(super) fn expire_deleted(connection: &Connection, gone_until: Timestamp, limit: usize) -> Result<usize> {
    let mut old: Vec<(i64, i64, i64)> = Vec::new();
    {
        let mut statement = connection
            .prepare_cached(
                "SELECT id, owner, created_at
                 FROM former_triggers
                 WHERE deleted_by IS NOT NULL AND until_at <= ?
                 ORDER BY until_at, id
                 LIMIT ?",
            )
            .map_err(failed)?;
        let mut rows = statement.query((gone_until.as_microsecond(), limit)).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let number = |column: usize| row.get(column).map_err(failed);
            old.push((number(0)?, number(1)?, number(2)?));
        }
    }
    let mut forgotten = 0;
    for (id, owner, created_at) in &old {
        forgotten += connection
            .prepare_cached(
                "DELETE FROM former_triggers
                 WHERE id = ?1 AND revision IN (SELECT revision FROM former_triggers
                                                WHERE id = ?1 AND deleted_by IS NULL
                                                ORDER BY revision
                                                LIMIT ?2)",
            )
            .and_then(|mut statement| statement.execute((id, limit - forgotten)))
            .map_err(failed)?;
        if forgotten == limit {
            break;
        }
        let made_at = instant(*created_at).unwrap_or(Timestamp::UNIX_EPOCH);
        count::forget(connection, UserId(*owner), TriggerId(*id), made_at)?;
        forgotten += connection
            .prepare_cached("DELETE FROM former_triggers WHERE id = ?")
            .and_then(|mut statement| statement.execute([id]))
            .map_err(failed)?;
    }
    Ok(forgotten)
}

pub(super) fn at(
    connection: &Connection,
    shared: &Shared,
    of: (UserId, TriggerId),
    at: Timestamp,
) -> Result<Option<Revision>> {
    let made_by_then = ("coalesce(revised_at, standing_since) <= ?3", at.as_microsecond());
    Ok(select(connection, shared, of, made_by_then, 1)?.pop())
}
