//! What the auditor looks at and puts right, in PostgreSQL: triggers as they stand with what they wait for, up to when their occurrences
//! are accounted for, and the cursor that a repair sets. Nodes divide the walk by number; while one comes or goes, a trigger may be
//! looked at by two or by nobody, until the next round.

use deadpool_postgres::Client;
use jiff::Timestamp;
use oncue_domain::act::Act;
use oncue_domain::audit::{ACCOUNT_MAX, Account, Asked, Cursor, Defect, Inspected, Repair, ZoneData};
use oncue_domain::event::Origin;
use oncue_domain::id::{TriggerId, UserId};
use oncue_domain::store::{Inspection, Result};
use tokio_postgres::Row;

use super::event::KEPT;
use super::hint::Changes;
use super::log::announce;
use super::trigger::{TRIGGER, TRIGGER_COLUMNS, lock_trigger, note_armed, set_cursor, trigger};
use super::{Shared, act, answered, column, execute, limit_of, overlap, partition, query, query_first};
use crate::codec::{self, broken, instant, nearest_instant, origin_to_number};

pub(super) async fn inspect(
    client: &mut Client,
    shared: &Shared,
    after: Option<TriggerId>,
    limit: usize,
) -> Result<Inspection> {
    let (place, nodes) = shared.node.share();
    // A slice of what events carry may be hundreds of megabytes, and one of schemas some.
    let columns = TRIGGER.replace("triggers.payload_schema", "NULL::text").replace("triggers.payload", "NULL::text");
    // A limit is never turned into a join, so the rows of each are looked up, however many there are of others.
    let sql = format!(
        "SELECT {columns}, cursors.next_at, cursors.revision, limits.fired, cursors.is_forgotten, limits.counted_until
         FROM triggers LEFT JOIN LATERAL (
             SELECT next_at, revision, {is_forgotten} AS is_forgotten
             FROM cursors WHERE cursors.trigger_id = triggers.id LIMIT 1
         ) AS cursors ON TRUE LEFT JOIN LATERAL (
             SELECT fired, counted_until FROM limits WHERE limits.trigger_id = triggers.id LIMIT 1
         ) AS limits ON TRUE
         WHERE triggers.id > $1
         ORDER BY triggers.id
         LIMIT $2",
        is_forgotten = overlap::is_forgotten(),
    );
    let rows = query(client, &sql, &[&after.map_or(i64::MIN, |id| id.0), &limit_of(limit)]).await?;
    let mut inspection = Inspection::default();
    for row in &rows {
        let id: i64 = column(row, 0)?;
        if id.rem_euclid(nodes.max(1)) != place {
            continue;
        }
        match inspected(row, shared) {
            Ok(inspected) if inspected.trigger.definition.schedule.is_some() => inspection.triggers.push(inspected),
            Ok(_) => {}
            // What is wrong with it the scheduler says in full when its time comes.
            Err(_) => inspection.unreadable.push(TriggerId(id)),
        }
    }
    if let Some(last) = rows.last().filter(|_| rows.len() == limit) {
        inspection.go_on_after = Some(TriggerId(column(last, 0)?));
    }
    Ok(inspection)
}

fn inspected(row: &Row, shared: &Shared) -> Result<Inspected> {
    let fired = codec::fired(column(row, TRIGGER_COLUMNS + 2)?)?;
    let is_forgotten = column::<Option<bool>>(row, TRIGGER_COLUMNS + 3)?.unwrap_or(false);
    let counted_until = codec::counted_until(column(row, TRIGGER_COLUMNS + 4)?)?;
    let (trigger, cursor) = (trigger(row, shared)?, cursor(row, TRIGGER_COLUMNS)?);
    Ok(Inspected { trigger, fired, counted_until, cursor, is_forgotten })
}

/// What two columns that begin at `at` say that a trigger waits for.
fn cursor(row: &Row, at: usize) -> Result<Option<Cursor>> {
    let (next_at, revision): (Option<i64>, Option<i64>) = (column(row, at)?, column(row, at + 1)?);
    let (Some(next_at), Some(revision)) = (next_at, revision) else { return Ok(None) };
    Ok(Some(Cursor { next_at: nearest_instant(next_at), revision }))
}

pub(super) async fn accounted_until(
    client: &mut Client,
    triggers: &[(UserId, TriggerId)],
) -> Result<Vec<Option<Timestamp>>> {
    let owners: Vec<i64> = triggers.iter().map(|(owner, _)| owner.0).collect();
    let ids: Vec<i64> = triggers.iter().map(|(_, id)| id.0).collect();
    let sql = format!(
        "SELECT (SELECT greatest(
                     (SELECT scheduled_at FROM events
                      WHERE events.trigger_id = asked.id AND events.owner = asked.owner AND scheduled_at IS NOT NULL AND {KEPT}
                      ORDER BY scheduled_at DESC LIMIT 1),
                     (SELECT max(scheduled_at) FROM firings WHERE firings.trigger_id = asked.id),
                     (SELECT max(last_at) FROM skipped
                      WHERE skipped.trigger_id = asked.id AND skipped.owner = asked.owner),
                     (SELECT max(last_at) FROM backlogs
                      WHERE backlogs.trigger_id = asked.id AND backlogs.owner = asked.owner AND source = 'catch-up'))
                 FROM triggers
                 WHERE triggers.id = asked.id AND triggers.owner = asked.owner)
         FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS asked (owner, id, place)
         ORDER BY place"
    );
    let rows = query(client, &sql, &[&owners, &ids]).await?;
    rows.iter().map(|row| column::<Option<i64>>(row, 0)?.map(instant).transpose()).collect()
}

pub(super) async fn accounts(client: &mut Client, asked: &[Asked]) -> Result<Vec<Account>> {
    let owners: Vec<i64> = asked.iter().map(|asked| asked.owner.0).collect();
    let ids: Vec<i64> = asked.iter().map(|asked| asked.trigger.0).collect();
    let froms: Vec<i64> = asked.iter().map(|asked| asked.span.from.as_microsecond()).collect();
    let untils: Vec<i64> = asked.iter().map(|asked| asked.span.until.as_microsecond()).collect();
    let records = "FROM (SELECT first_at, last_at FROM skipped
                         WHERE skipped.trigger_id = asked.id AND skipped.owner = asked.owner
                           AND last_at >= asked.from_at AND first_at < asked.until_at
                         UNION ALL
                         SELECT next_at, last_at FROM backlogs
                         WHERE backlogs.trigger_id = asked.id AND backlogs.owner = asked.owner AND source = 'catch-up'
                           AND last_at >= asked.from_at AND next_at < asked.until_at) AS records
                   ORDER BY first_at, last_at LIMIT $5";
    let backfill = origin_to_number(Origin::Backfill);
    // No event fires before its time, so what expired or fired before the span is not looked at.
    let sql = format!(
        "SELECT ARRAY(SELECT scheduled_at FROM events
                      WHERE events.trigger_id = asked.id AND events.owner = asked.owner
                        AND scheduled_at >= asked.from_at AND scheduled_at < asked.until_at
                        AND fired_at >= asked.from_at AND origin <> {backfill} AND {KEPT}
                      ORDER BY scheduled_at LIMIT $5),
                ARRAY(SELECT first_at {records}), ARRAY(SELECT last_at {records})
         FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[])
              WITH ORDINALITY AS asked (owner, id, from_at, until_at, place)
         ORDER BY place"
    );
    let rows = query(client, &sql, &[&owners, &ids, &froms, &untils, &limit_of(ACCOUNT_MAX)]).await?;
    let account = |row: &Row| {
        let instants = |at| column::<Vec<i64>>(row, at)?.into_iter().map(instant).collect::<Result<Vec<_>>>();
        let skipped = instants(1)?.into_iter().zip(instants(2)?).collect();
        Ok(Account { fired: instants(0)?, skipped })
    };
    rows.iter().map(account).collect()
}

pub(super) async fn fired_within(client: &mut Client, asked: &[Asked]) -> Result<Vec<bool>> {
    let owners: Vec<i64> = asked.iter().map(|asked| asked.owner.0).collect();
    let ids: Vec<i64> = asked.iter().map(|asked| asked.trigger.0).collect();
    let froms: Vec<i64> = asked.iter().map(|asked| asked.span.from.as_microsecond()).collect();
    let untils: Vec<i64> = asked.iter().map(|asked| asked.span.until.as_microsecond()).collect();
    let earliest = asked.iter().map(|asked| asked.span.from).min();
    let (Some(first), Some(last), Some(earliest)) = (ids.iter().min(), ids.iter().max(), earliest) else {
        return Ok(Vec::new());
    };
    let earliest = partition::beginning_of(earliest);
    // No event fires before its time. Whether there is any at all, of all these triggers, in all of the partitions in which they may have fired, is one
    // look at the beginning of each; it is asked once, and first. What is limited is never turned into a join that reads all events.
    let sql = format!(
        "SELECT CASE WHEN (SELECT trigger_id FROM events
                           WHERE trigger_id >= $5 AND trigger_id <= $6 AND scheduled_at IS NOT NULL AND fired_at >= $7
                           ORDER BY trigger_id, scheduled_at LIMIT 1) IS NULL THEN FALSE
                     ELSE (SELECT scheduled_at FROM events
                           WHERE events.trigger_id = asked.id AND events.owner = asked.owner
                             AND scheduled_at >= asked.from_at AND scheduled_at < asked.until_at
                             AND fired_at >= asked.from_at AND {KEPT}
                           ORDER BY scheduled_at LIMIT 1) IS NOT NULL END
         FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[])
              WITH ORDINALITY AS asked (owner, id, from_at, until_at, place)
         ORDER BY place"
    );
    let rows = query(client, &sql, &[&owners, &ids, &froms, &untils, first, last, &earliest]).await?;
    rows.iter().map(|row| column(row, 0)).collect()
}

pub(super) async fn rearm(shared: &Shared, repair: Repair) -> Result<bool> {
    let mut client = shared.client_soon().await?;
    let transaction = answered(client.transaction()).await?;
    let revision = lock_trigger(&transaction, repair.owner, repair.trigger).await?;
    // Plans lock it too, and step over it meanwhile.
    let sql = "SELECT next_at, revision FROM cursors WHERE trigger_id = $1 FOR UPDATE";
    let row = query_first(&transaction, sql, &[&repair.trigger.0]).await?;
    let seen = row.map(|row| cursor(&row, 0)).transpose()?.flatten();
    if (revision, seen) != (Some(repair.revision), repair.seen) {
        return Ok(false);
    }
    if repair.defect == Defect::Forgotten {
        // The end may have been committed already, by somebody who has yet to call it up.
        if !overlap::remember(&transaction, repair.trigger, repair.found_at).await? {
            return Ok(false);
        }
    } else {
        set_cursor(&transaction, repair.trigger, repair.revision, repair.next_at).await?;
    }
    let row = query_first(&transaction, "SELECT name FROM triggers WHERE id = $1", &[&repair.trigger.0]).await?;
    let name = row.map(|row| column(&row, 0)).transpose()?.flatten();
    act::write_own(&transaction, &Act::trigger_rearmed(&repair, name), repair.found_at).await?;
    answered(transaction.commit()).await?;
    let mut changes = Changes { edited: [repair.owner].into(), ..Changes::default() };
    note_armed(shared, repair.trigger, repair.next_at, &mut changes);
    announce(shared, Vec::new(), &changes);
    Ok(true)
}

pub(super) async fn use_zone_data(shared: &Shared, release: &str, now: Timestamp) -> Result<ZoneData> {
    let mut client = shared.client_soon().await?;
    let transaction = answered(client.transaction()).await?;
    let sql = "INSERT INTO zone_data (id, release, since_at) VALUES (1, $1, $2) ON CONFLICT DO NOTHING";
    execute(&transaction, sql, &[&release, &now.as_microsecond()]).await?;
    let sql = "SELECT release, release_before, since_at FROM zone_data FOR UPDATE";
    let row = query_first(&transaction, sql, &[]).await?.ok_or_else(|| broken("zone_data", "no row"))?;
    let used = ZoneData { release: column(&row, 0)?, before: column(&row, 1)?, since: instant(column(&row, 2)?)? };
    let used = if used.release == release {
        used
    } else {
        let before = used.release;
        let sql = "UPDATE zone_data SET release = $1, release_before = $2, since_at = $3";
        execute(&transaction, sql, &[&release, &before, &now.as_microsecond()]).await?;
        act::write_own(&transaction, &Act::zone_data_changed(release, &before), now).await?;
        ZoneData { release: release.to_owned(), before: Some(before), since: now }
    };
    answered(transaction.commit()).await?;
    Ok(used)
}
