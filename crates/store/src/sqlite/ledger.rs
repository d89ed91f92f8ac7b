//! The ledger of a trigger in SQLite: which occurrences of a span fired, and which are on record as not having fired.

use jiff::Timestamp;
use oncue_domain::agenda::Span;
use oncue_domain::event::Origin;
use oncue_domain::firing::FIRINGS_KEPT;
use oncue_domain::id::{EventId, TriggerId, UserId};
use oncue_domain::store::{LEDGER_MAX, Ledger, LedgerFiring, Result, SkippedView};
use rusqlite::Connection;

use super::{failed, firing, revision, trigger};
use crate::codec::{instant, origin_from_number};

pub(super) fn read(
    connection: &Connection,
    owner: UserId,
    id: TriggerId,
    span: Span,
    gone_until: Timestamp,
    limit: usize,
) -> Result<Option<Ledger>> {
    let is_there = firing::is_owners(connection, owner, id)?;
    if !is_there && !revision::is_deleted(connection, owner, id)? {
        return Ok(None);
    }
    let limit = limit.min(LEDGER_MAX);
    let mut firings = readable(connection, owner, id, span, gone_until, limit + 1)?;
    let recent = match is_there {
        true => firing::known(connection, owner, id, gone_until, FIRINGS_KEPT)?,
        false => Vec::new(),
    };
    let gone = recent.iter().filter(|firing| !firing.is_kept).filter_map(LedgerFiring::gone);
    firings.extend(gone.filter(|firing| span.from <= firing.scheduled_at && firing.scheduled_at < span.until));
    firings.sort_by_key(|firing| (firing.scheduled_at, firing.event));
    let skipped = records(connection, owner, id, span, gone_until, limit + 1)?;
    let backfill = backfill(connection, owner, id, span)?;
    Ok(Some(Ledger { backfill, ..Ledger::cut(firings, skipped, limit) }))
}

/// A trigger that has a backlog gets no backfill, so there is one at most.
fn backfill(connection: &Connection, owner: UserId, id: TriggerId, span: Span) -> Result<Option<SkippedView>> {
    let mut statement = connection
        .prepare_cached(
            "SELECT iif(is_held, 'held', 'waiting'), next_at, last_at, remaining, made_at
             FROM backlogs INDEXED BY backlogs_by_trigger
             WHERE trigger_id = ?1 AND last_at >= ?2 AND next_at < ?3 AND owner = ?4 AND source = 'backfill'
             ORDER BY id
             LIMIT 1",
        )
        .map_err(failed)?;
    let (from, until) = (span.from.as_microsecond(), span.until.as_microsecond());
    let mut rows = statement.query((id.0, from, until, owner.0)).map_err(failed)?;
    rows.next().map_err(failed)?.map(trigger::skipped_view).transpose()
}

fn readable(
    connection: &Connection,
    owner: UserId,
    id: TriggerId,
    span: Span,
    gone_until: Timestamp,
    limit: usize,
) -> Result<Vec<LedgerFiring>> {
    let mut statement = connection
        .prepare_cached(
            "SELECT id, revision, origin, scheduled_at, fired_at, due_at
             FROM events INDEXED BY events_occurrence
             WHERE trigger_id = ? AND scheduled_at >= ? AND scheduled_at < ? AND fired_at > ? AND owner = ?
             ORDER BY scheduled_at
             LIMIT ?",
        )
        .map_err(failed)?;
    let bounds = (span.from.as_microsecond(), span.until.as_microsecond(), gone_until.as_microsecond());
    let mut rows = statement.query((id.0, bounds.0, bounds.1, bounds.2, owner.0, limit)).map_err(failed)?;
    let mut firings = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let due_at: Option<i64> = row.get(5).map_err(failed)?;
        let origin: Origin = origin_from_number(row.get(2).map_err(failed)?)?;
        firings.push(LedgerFiring {
            scheduled_at: instant(row.get(3).map_err(failed)?)?,
            due_at: due_at.map(instant).transpose()?,
            fired_at: instant(row.get(4).map_err(failed)?)?,
            event: EventId(row.get(0).map_err(failed)?),
            revision: Some(row.get(1).map_err(failed)?),
            origin,
            is_kept: true,
        });
    }
    Ok(firings)
}

fn records(
    connection: &Connection,
    owner: UserId,
    id: TriggerId,
    span: Span,
    gone_until: Timestamp,
    limit: usize,
) -> Result<Vec<SkippedView>> {
    let mut statement = connection
        .prepare_cached(
            "SELECT reason, first_at, last_at, count, recorded_at, id
             FROM skipped INDEXED BY skipped_by_last
             WHERE trigger_id = ?1 AND last_at >= ?2 AND first_at < ?3 AND recorded_at > ?4 AND owner = ?5
             UNION ALL
             SELECT iif(is_held, 'held', 'waiting'), next_at, last_at, remaining, made_at, id
             FROM backlogs INDEXED BY backlogs_by_trigger
             WHERE trigger_id = ?1 AND last_at >= ?2 AND next_at < ?3 AND owner = ?5 AND source = 'catch-up'
             ORDER BY 2, 6
             LIMIT ?6",
        )
        .map_err(failed)?;
    let bounds = (span.from.as_microsecond(), span.until.as_microsecond(), gone_until.as_microsecond());
    let mut rows = statement.query((id.0, bounds.0, bounds.1, bounds.2, owner.0, limit)).map_err(failed)?;
    let mut records = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        records.push(trigger::skipped_view(row)?);
    }
    Ok(records)
}
