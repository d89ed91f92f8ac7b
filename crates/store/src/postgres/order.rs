//! Deliveries in order, in PostgreSQL: at a destination that asks for it, the one with the lowest number goes, and nothing else until it
//! has ended, on whatever node. What is owed there is never written as claimed. It is due when it is logged, like everything; whoever
//! claims locks the destination's row, lets the first in line go where nothing is under way, and queues what came behind it: that has no
//! time of its own any more, so it is not looked at again until the one before it has ended and calls it up.
//!
//! Whoever settles calls up after the commit, under the same lock; so either the queue is seen with the end of the one before, or
//! whatever was queued without it is seen by the call. What a node does not come to call up, because it ends in between, is called up
//! by the sweep of all nodes (`call_up_all`). No event with a lower number may come to light behind one that goes: so nothing beyond the
//! number up to which all are there (`settled`) goes.

use deadpool_postgres::{Client, GenericClient};
use jiff::Timestamp;
use oncue_domain::delivery::{CLAIM_FOR, Claim};
use oncue_domain::id::DestinationId;
use oncue_domain::store::Result;

use super::delivery::{Among, claim_from_table};
use super::{Shared, answered, column, execute, limit_of, query, settled};
use crate::codec::QUEUED;

/// The first in line of a destination whose number stands there.
fn first_of(destination: &str) -> String {
    format!(
        "(SELECT event_id, slot, due_at FROM outbox WHERE in_order AND destination = {destination}
          ORDER BY event_id, slot LIMIT 1)"
    )
}

/// The claims of those that are first in their lines and may go; whatever else of those lines is due is queued.
pub(super) async fn claim(shared: &Shared, client: &mut Client, now: Timestamp, limit: usize) -> Result<Vec<Claim>> {
    let now_us = now.as_microsecond();
    let transaction = answered(client.transaction()).await?;
    let sql = "SELECT destination FROM outbox WHERE in_order AND due_at <= $1 ORDER BY due_at LIMIT $2";
    let rows = query(&transaction, sql, &[&now_us, &limit_of(limit)]).await?;
    let mut ids = rows.iter().map(|row| column::<i64>(row, 0)).collect::<Result<Vec<_>>>()?;
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let sql = "SELECT id FROM destinations WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE";
    let locked = query(&transaction, sql, &[&ids]).await?;
    let locked = locked.iter().map(|row| column::<i64>(row, 0)).collect::<Result<Vec<_>>>()?;
    let gone: Vec<i64> = ids.iter().copied().filter(|id| !locked.contains(id)).collect();
    if !gone.is_empty() {
        // Logged while the destination was deleted: it fails by itself.
        dissolve(&transaction, &gone, now_us).await?;
    }
    let floor = settled::settled(&transaction).await?.0;
    let sql = format!(
        "WITH lines AS MATERIALIZED (
             SELECT first.event_id, first.slot, first.due_at,
                    EXISTS (SELECT 1 FROM outbox
                            WHERE in_order AND held_by IS NOT NULL AND destination = ids.id AND outbox.due_at > $2) AS is_busy
             FROM unnest($1::bigint[]) AS ids (id) CROSS JOIN LATERAL {first} AS first
         ),
         queued AS (
             UPDATE outbox SET due_at = $3, held_by = NULL, is_parked = FALSE
             FROM (SELECT event_id, slot FROM outbox
                   WHERE in_order AND due_at <= $2 AND destination = ANY ($1)
                     AND (event_id, slot) NOT IN (SELECT event_id, slot FROM lines WHERE NOT is_busy)
                   ORDER BY event_id, slot FOR UPDATE) AS others
             WHERE outbox.event_id = others.event_id AND outbox.slot = others.slot
         )
         SELECT event_id, slot FROM lines WHERE NOT is_busy AND (due_at <= $2 OR due_at = $3) AND event_id <= $4",
        first = first_of("ids.id"),
    );
    let rows = query(&transaction, &sql, &[&locked, &now_us, &QUEUED, &floor]).await?;
    let mut first = (Vec::new(), Vec::new());
    for row in &rows {
        first.0.push(column::<i64>(row, 0)?);
        first.1.push(column::<i64>(row, 1)?);
    }
    let claims = if rows.is_empty() {
        Vec::new()
    } else {
        claim_from_table(&transaction, shared, now, limit, Among::These(&first.0, &first.1)).await?
    };
    answered(transaction.commit())
        .await
        .inspect_err(|error| shared.doubt(error, (now + CLAIM_FOR).as_microsecond()))?;
    Ok(claims)
}

/// Something of these destinations has ended, or is put off: the first in line is due if it was queued. Whether one was.
pub(super) async fn call_up(client: &mut Client, ids: &[DestinationId], now: Timestamp) -> Result<bool> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let transaction = answered(client.transaction()).await?;
    execute(&transaction, "SELECT id FROM destinations WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE", &[&ids])
        .await?;
    let sql = format!(
        "UPDATE outbox SET due_at = $2
         FROM unnest($1::bigint[]) AS ids (id) CROSS JOIN LATERAL {first} AS first
         WHERE outbox.event_id = first.event_id AND outbox.slot = first.slot AND outbox.due_at = $3",
        first = first_of("ids.id"),
    );
    let called = execute(&transaction, &sql, &[&ids, &now.as_microsecond(), &QUEUED]).await?;
    answered(transaction.commit()).await?;
    Ok(called > 0)
}

/// The same for all destinations, without a lock: what this misses, it finds the next time. How many were called up.
pub(super) async fn call_up_all(client: &impl GenericClient) -> Result<u64> {
    let sql = format!(
        "WITH RECURSIVE lines (id) AS (
             (SELECT destination FROM outbox WHERE in_order ORDER BY destination LIMIT 1)
             UNION ALL
             SELECT (SELECT destination FROM outbox WHERE in_order AND destination > lines.id ORDER BY destination LIMIT 1)
             FROM lines
             WHERE lines.id IS NOT NULL
         ),
         firsts AS MATERIALIZED (
             SELECT first.event_id, first.slot
             FROM lines CROSS JOIN LATERAL {first} AS first
             WHERE first.due_at = $1
         )
         UPDATE outbox SET due_at = 0
         FROM firsts
         WHERE outbox.event_id = firsts.event_id AND outbox.slot = firsts.slot AND outbox.due_at = $1",
        first = first_of("lines.id"),
    );
    execute(client, &sql, &[&QUEUED]).await
}

/// What is owed to the destination goes in order from now on, or in none, in the transaction in which it says so. Whether something is
/// due by that.
pub(super) async fn set(
    client: &impl GenericClient,
    id: DestinationId,
    is_asked_for: bool,
    now: Timestamp,
) -> Result<bool> {
    if is_asked_for {
        execute(client, "UPDATE outbox SET in_order = TRUE WHERE destination = $1 AND NOT in_order", &[&id.0]).await?;
        return Ok(false);
    }
    Ok(dissolve(client, &[id.0], now.as_microsecond()).await? > 0)
}

async fn dissolve(client: &impl GenericClient, ids: &[i64], now: i64) -> Result<u64> {
    let sql = "UPDATE outbox SET in_order = FALSE, due_at = CASE WHEN due_at = $3 THEN $2 ELSE due_at END
               WHERE in_order AND destination = ANY ($1)";
    execute(client, sql, &[&ids, &now, &QUEUED]).await
}
