//! What the auditor looks at and puts right, in SQLite: triggers as they stand with what they wait for, up to when their occurrences are
//! accounted for, and the cursor that a repair sets.

use jiff::Timestamp;
use oncue_domain::act::Act;
use oncue_domain::audit::{ACCOUNT_MAX, Account, Asked, Cursor, Defect, Inspected, Repair, ZoneData};
use oncue_domain::event::Origin;
use oncue_domain::id::{TriggerId, UserId};
use oncue_domain::store::{Inspection, Result};
use rusqlite::{Connection, OptionalExtension, Row};

use super::trigger::{TRIGGER, TRIGGER_COLUMNS, arm, trigger};
use super::writer::Effects;
use super::{Shared, act, failed, overlap};
use crate::codec::{self, instant, nearest_instant, origin_to_number};

pub(super) fn inspect(
    connection: &Connection,
    shared: &Shared,
    after: Option<TriggerId>,
    limit: usize,
) -> Result<Inspection> {
    // A slice of what events carry may be hundreds of megabytes, and one of schemas some.
    let columns = TRIGGER.replace("triggers.payload_schema", "NULL").replace("triggers.payload", "NULL");
    let sql = format!(
        "SELECT {columns}, cursors.next_at, cursors.revision, limits.fired, coalesce({is_forgotten}, 0), limits.counted_until
         FROM triggers LEFT JOIN cursors ON cursors.trigger_id = triggers.id
                       LEFT JOIN limits ON limits.trigger_id = triggers.id
         WHERE triggers.id > ?
         ORDER BY triggers.id
         LIMIT ?",
        is_forgotten = overlap::is_forgotten(),
    );
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query((after.map_or(i64::MIN, |id| id.0), limit)).map_err(failed)?;
    let (mut inspection, mut looked_at) = (Inspection::default(), 0);
    while let Some(row) = rows.next().map_err(failed)? {
        let id = TriggerId(row.get(0).map_err(failed)?);
        looked_at += 1;
        inspection.go_on_after = (looked_at == limit).then_some(id);
        match inspected(row, shared) {
            Ok(inspected) if inspected.trigger.definition.schedule.is_some() => inspection.triggers.push(inspected),
            Ok(_) => {}
            // What is wrong with it the scheduler says in full when its time comes.
            Err(_) => inspection.unreadable.push(id),
        }
    }
    Ok(inspection)
}

fn inspected(row: &Row<'_>, shared: &Shared) -> Result<Inspected> {
    let fired = codec::fired(row.get(TRIGGER_COLUMNS + 2).map_err(failed)?)?;
    let is_forgotten = row.get(TRIGGER_COLUMNS + 3).map_err(failed)?;
    let counted_until = codec::counted_until(row.get(TRIGGER_COLUMNS + 4).map_err(failed)?)?;
    let (trigger, cursor) = (trigger(row, shared)?, cursor(row, TRIGGER_COLUMNS)?);
    Ok(Inspected { trigger, fired, counted_until, cursor, is_forgotten })
}

/// What two columns that begin at `at` say that a trigger waits for.
fn cursor(row: &Row<'_>, at: usize) -> Result<Option<Cursor>> {
    let next_at: Option<i64> = row.get(at).map_err(failed)?;
    let revision: Option<i64> = row.get(at + 1).map_err(failed)?;
    let (Some(next_at), Some(revision)) = (next_at, revision) else { return Ok(None) };
    Ok(Some(Cursor { next_at: nearest_instant(next_at), revision }))
}

pub(super) fn accounted_until(
    connection: &Connection,
    triggers: &[(UserId, TriggerId)],
) -> Result<Vec<Option<Timestamp>>> {
    let sql = "SELECT (SELECT scheduled_at FROM events INDEXED BY events_occurrence
                       WHERE trigger_id = ?1 AND owner = ?2 AND scheduled_at IS NOT NULL
                       ORDER BY scheduled_at DESC LIMIT 1),
                      (SELECT max(scheduled_at) FROM firings WHERE trigger_id = ?1),
                      (SELECT max(last_at) FROM skipped WHERE trigger_id = ?1 AND owner = ?2),
                      (SELECT max(last_at) FROM backlogs WHERE trigger_id = ?1 AND owner = ?2 AND source = 'catch-up')
               FROM triggers
               WHERE id = ?1 AND owner = ?2";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let mut accounted = Vec::with_capacity(triggers.len());
    for (owner, id) in triggers {
        let read = |row: &Row<'_>| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?]);
        let latest: Option<[Option<i64>; 4]> = statement.query_row((id.0, owner.0), read).optional().map_err(failed)?;
        accounted.push(latest.and_then(|latest| latest.into_iter().flatten().max()).map(instant).transpose()?);
    }
    Ok(accounted)
}

pub(super) fn accounts(connection: &Connection, asked: &[Asked]) -> Result<Vec<Account>> {
    asked.iter().map(|asked| account(connection, asked)).collect()
}

fn account(connection: &Connection, asked: &Asked) -> Result<Account> {
    let (from, until) = (asked.span.from.as_microsecond(), asked.span.until.as_microsecond());
    let params = (asked.trigger.0, asked.owner.0, from, until, ACCOUNT_MAX);
    let backfill = origin_to_number(Origin::Backfill);
    let mut statement = connection
        .prepare_cached(
            "SELECT scheduled_at
             FROM events INDEXED BY events_occurrence
             WHERE trigger_id = ?1 AND owner = ?2 AND scheduled_at >= ?3 AND scheduled_at < ?4 AND origin <> ?6
             ORDER BY scheduled_at
             LIMIT ?5",
        )
        .map_err(failed)?;
    let (id, owner, _, _, most) = params;
    let mut rows = statement.query((id, owner, from, until, most, backfill)).map_err(failed)?;
    let mut account = Account::default();
    while let Some(row) = rows.next().map_err(failed)? {
        account.fired.push(instant(row.get(0).map_err(failed)?)?);
    }
    let mut statement = connection
        .prepare_cached(
            "SELECT first_at, last_at
             FROM skipped INDEXED BY skipped_by_last
             WHERE trigger_id = ?1 AND owner = ?2 AND last_at >= ?3 AND first_at < ?4
             UNION ALL
             SELECT next_at, last_at
             FROM backlogs INDEXED BY backlogs_by_trigger
             WHERE trigger_id = ?1 AND owner = ?2 AND last_at >= ?3 AND next_at < ?4 AND source = 'catch-up'
             ORDER BY first_at, last_at
             LIMIT ?5",
        )
        .map_err(failed)?;
    let mut rows = statement.query(params).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        account.skipped.push((instant(row.get(0).map_err(failed)?)?, instant(row.get(1).map_err(failed)?)?));
    }
    Ok(account)
}

/// A trigger, and a nominal time of it in microseconds.
type Place = (i64, i64);

pub(super) fn fired_within(connection: &Connection, asked: &[Asked]) -> Result<Vec<bool>> {
    let mut statement = connection
        .prepare_cached(
            "SELECT trigger_id, scheduled_at, owner
             FROM events INDEXED BY events_occurrence
             WHERE (trigger_id, scheduled_at) >= (?1, ?2) AND scheduled_at IS NOT NULL
             ORDER BY trigger_id, scheduled_at
             LIMIT 1",
        )
        .map_err(failed)?;
    // From the one place up to the other nothing has fired, whichever triggers lie between: one look answers for all of them.
    let mut silence: Option<(Place, Option<(Place, i64)>)> = None;
    let mut fired = Vec::with_capacity(asked.len());
    for Asked { owner, trigger, span } in asked {
        let (from, until) = ((trigger.0, span.from.as_microsecond()), (trigger.0, span.until.as_microsecond()));
        let known = silence.filter(|(begin, end)| *begin <= from && end.is_none_or(|(end, _)| from <= end));
        let next = match known {
            Some((_, end)) => end,
            None => {
                let read = |row: &Row<'_>| Ok(((row.get(0)?, row.get(1)?), row.get(2)?));
                let next = statement.query_row(from, read).optional().map_err(failed)?;
                silence = Some((from, next));
                next
            }
        };
        fired.push(next.is_some_and(|(place, whose)| place < until && whose == owner.0));
    }
    Ok(fired)
}

pub(super) fn rearm(connection: &Connection, effects: &mut Effects, repair: Repair) -> Result<bool> {
    let stands: Option<(i64, Option<Cursor>, Option<String>)> = connection
        .prepare_cached(
            "SELECT triggers.revision, cursors.next_at, cursors.revision, triggers.name
             FROM triggers LEFT JOIN cursors ON cursors.trigger_id = triggers.id
             WHERE triggers.id = ? AND triggers.owner = ?",
        )
        .and_then(|mut statement| {
            let read = |row: &Row<'_>| Ok((row.get(0)?, cursor(row, 1), row.get(3)?));
            statement.query_row((repair.trigger.0, repair.owner.0), read).optional()
        })
        .map_err(failed)?
        .map(|(revision, cursor, name)| cursor.map(|cursor| (revision, cursor, name)))
        .transpose()?;
    let Some((revision, seen, name)) = stands else { return Ok(false) };
    if (revision, seen) != (repair.revision, repair.seen) {
        return Ok(false);
    }
    if repair.defect == Defect::Forgotten && !overlap::remember(connection, effects, repair.trigger, repair.found_at)? {
        return Ok(false);
    }
    act::write_own(connection, &Act::trigger_rearmed(&repair, name), repair.found_at)?;
    effects.edited.insert(repair.owner);
    if repair.defect == Defect::Forgotten {
        return Ok(true);
    }
    arm(connection, effects, repair.trigger, repair.revision, repair.next_at)?;
    Ok(true)
}

pub(super) fn use_zone_data(connection: &Connection, release: &str, now: Timestamp) -> Result<ZoneData> {
    let used: Option<(String, Option<String>, i64)> = connection
        .query_row("SELECT release, release_before, since_at FROM zone_data", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()
        .map_err(failed)?;
    let before = match used {
        Some((used, before, since)) if used == release => {
            return Ok(ZoneData { release: used, before, since: instant(since)? });
        }
        Some((before, ..)) => Some(before),
        None => None,
    };
    connection
        .execute(
            "INSERT INTO zone_data (id, release, release_before, since_at) VALUES (1, ?1, ?2, ?3)
             ON CONFLICT (id) DO UPDATE SET release = ?1, release_before = ?2, since_at = ?3",
            (release, &before, now.as_microsecond()),
        )
        .map_err(failed)?;
    if let Some(before) = &before {
        act::write_own(connection, &Act::zone_data_changed(release, before), now)?;
    }
    Ok(ZoneData { release: release.to_owned(), before, since: now })
}
