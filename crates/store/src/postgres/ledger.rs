//! The ledger of a trigger in PostgreSQL: which occurrences of a span fired, and which are on record as not having fired.

use std::collections::HashMap;

use deadpool_postgres::Client;
use jiff::Timestamp;
use oncue_domain::agenda::Span;
use oncue_domain::firing::FIRINGS_KEPT;
use oncue_domain::id::{EventId, TriggerId, UserId};
use oncue_domain::store::{LEDGER_MAX, Ledger, LedgerFiring, Result};
use tokio_postgres::Row;

use super::event::KEPT;
use super::{column, firing, limit_of, moment, query, query_first, trigger};
use crate::codec::{instant, origin_from_number};

pub(super) async fn read(
    client: &mut Client,
    owner: UserId,
    id: TriggerId,
    span: Span,
    gone_until: Timestamp,
    limit: usize,
) -> Result<Option<Ledger>> {
    let limit = limit.min(LEDGER_MAX);
    let moment = moment(client).await?;
    let is_owners = "SELECT TRUE AS is_there FROM triggers WHERE id = $1 AND owner = $2
                     UNION ALL
                     (SELECT FALSE FROM former_triggers WHERE id = $1 AND owner = $2 LIMIT 1)
                     ORDER BY is_there DESC
                     LIMIT 1";
    let Some(found) = query_first(&moment, is_owners, &[&id.0, &owner.0]).await? else { return Ok(None) };
    let is_there: bool = column(&found, 0)?;
    let (from, until) = (span.from.as_microsecond(), span.until.as_microsecond());
    let gone_until_us = gone_until.as_microsecond();
    // Each partition has the occurrences of a trigger in order.
    let sql = format!(
        "SELECT id, revision, origin, scheduled_at, fired_at, due_at
         FROM events
         WHERE trigger_id = $1 AND scheduled_at >= $2 AND scheduled_at < $3 AND fired_at > $4 AND owner = $5 AND {KEPT}
         ORDER BY scheduled_at
         LIMIT $6"
    );
    let wanted = limit_of(limit + 1);
    let rows = query(&moment, &sql, &[&id.0, &from, &until, &gone_until_us, &owner.0, &wanted]).await?;
    let mut firings = rows.iter().map(readable).collect::<Result<Vec<_>>>()?;
    let recent = match is_there {
        true => firing::known(&moment, owner, &[id], gone_until, FIRINGS_KEPT).await?,
        false => HashMap::new(),
    };
    let gone = recent.values().flatten().filter(|firing| !firing.is_kept).filter_map(LedgerFiring::gone);
    firings.extend(gone.filter(|firing| span.from <= firing.scheduled_at && firing.scheduled_at < span.until));
    firings.sort_by_key(|firing| (firing.scheduled_at, firing.event));
    let sql = "SELECT reason, first_at, last_at, count, recorded_at, id
               FROM skipped
               WHERE trigger_id = $1 AND last_at >= $2 AND first_at < $3 AND recorded_at > $4 AND owner = $5
               UNION ALL
               SELECT CASE WHEN is_held THEN 'held' ELSE 'waiting' END, next_at, last_at, remaining, made_at, id
               FROM backlogs
               WHERE trigger_id = $1 AND last_at >= $2 AND next_at < $3 AND owner = $5 AND source = 'catch-up'
               ORDER BY 2, 6
               LIMIT $6";
    let rows = query(&moment, sql, &[&id.0, &from, &until, &gone_until_us, &owner.0, &wanted]).await?;
    let skipped = rows.iter().map(trigger::skipped_view).collect::<Result<Vec<_>>>()?;
    // A trigger that has a backlog gets no backfill, so there is one at most.
    let sql = "SELECT CASE WHEN is_held THEN 'held' ELSE 'waiting' END, next_at, last_at, remaining, made_at
               FROM backlogs
               WHERE trigger_id = $1 AND last_at >= $2 AND next_at < $3 AND owner = $4 AND source = 'backfill'
               ORDER BY id
               LIMIT 1";
    let row = query_first(&moment, sql, &[&id.0, &from, &until, &owner.0]).await?;
    let backfill = row.as_ref().map(trigger::skipped_view).transpose()?;
    Ok(Some(Ledger { backfill, ..Ledger::cut(firings, skipped, limit) }))
}

fn readable(row: &Row) -> Result<LedgerFiring> {
    Ok(LedgerFiring {
        scheduled_at: instant(column(row, 3)?)?,
        due_at: column::<Option<i64>>(row, 5)?.map(instant).transpose()?,
        fired_at: instant(column(row, 4)?)?,
        event: EventId(column(row, 0)?),
        revision: Some(column(row, 1)?),
        origin: origin_from_number(column(row, 2)?)?,
        is_kept: true,
    })
}
