//! Deliveries in order, in SQLite: at a destination that asks for it, the one with the lowest number goes, and nothing else until it has
//! ended. What is owed there is never handed over in memory. It is due when it is logged, like everything; whoever claims lets
//! the first in line go where nothing is under way, and queues what came behind it: that has no time of its own any more, so it is
//! not looked at again until the one before it has ended and calls it up. All of it is found by an index that has nothing else in it.

use std::collections::BTreeSet;

use jiff::Timestamp;
use oncue_domain::delivery::Claim;
use oncue_domain::id::DestinationId;
use oncue_domain::store::Result;
use rusqlite::{Connection, OptionalExtension};

use super::{delivery, failed};
use crate::codec::QUEUED;

/// Whether the destination takes deliveries in order.
pub(super) fn is_asked_for(connection: &Connection, id: DestinationId) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM destinations WHERE id = ? AND in_order)";
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.query_row([id.0], |row| row.get(0)))
        .map_err(failed)
}

/// The first in line: its event, its slot, and when it is due.
fn first(connection: &Connection, id: i64) -> Result<Option<(i64, u32, i64)>> {
    connection
        .prepare_cached(
            "SELECT event_id, slot, due_at FROM outbox WHERE in_order AND destination = ? ORDER BY event_id, slot LIMIT 1",
        )
        .and_then(|mut statement| {
            statement.query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()
        })
        .map_err(failed)
}

fn set_due(connection: &Connection, event: i64, slot: u32, due_at: i64) -> Result<()> {
    connection
        .prepare_cached("UPDATE outbox SET due_at = ?3, is_held = 0, is_parked = 0 WHERE event_id = ?1 AND slot = ?2")
        .and_then(|mut statement| statement.execute((event, slot, due_at)))
        .map_err(failed)?;
    Ok(())
}

/// A delivery in order that is due.
#[derive(Clone, Copy)]
pub(super) struct Due {
    pub(super) destination: i64,
    pub(super) event: i64,
    pub(super) slot: u32,
}

/// The claims of those that are first in their lines and may go; all others of these are queued.
pub(super) fn claim(connection: &Connection, due: &[Due], now: Timestamp, until: Timestamp) -> Result<Vec<Claim>> {
    let now = now.as_microsecond();
    let destinations: BTreeSet<i64> = due.iter().map(|due| due.destination).collect();
    let mut claims = Vec::new();
    let mut gone = BTreeSet::new();
    for id in destinations {
        let is_under_way: bool = connection
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM outbox WHERE in_order AND is_held AND destination = ?1 AND due_at > ?2)",
            )
            .and_then(|mut statement| statement.query_row((id, now), |row| row.get(0)))
            .map_err(failed)?;
        let Some((event, slot, due_at)) = first(connection, id)? else { continue };
        if !is_under_way && (due_at <= now || due_at == QUEUED) {
            gone.insert((event, slot));
            claims.extend(delivery::claim_one(connection, event, slot, until)?);
        }
    }
    for due in due.iter().filter(|due| !gone.contains(&(due.event, due.slot))) {
        set_due(connection, due.event, due.slot, QUEUED)?;
    }
    Ok(claims)
}

/// Something of the destination's has ended, or is put off: the first in line is due if it was queued. Whether one was.
pub(super) fn call_up(connection: &Connection, id: DestinationId, now: Timestamp) -> Result<bool> {
    let Some((event, slot, QUEUED)) = first(connection, id.0)? else { return Ok(false) };
    set_due(connection, event, slot, now.as_microsecond())?;
    Ok(true)
}

/// The same for all destinations, after what was owed has gone by itself.
pub(super) fn call_up_all(connection: &Connection, now: Timestamp) -> Result<()> {
    let mut after = i64::MIN;
    loop {
        let next: Option<i64> = connection
            .prepare_cached(
                "SELECT destination FROM outbox WHERE in_order AND destination > ? ORDER BY destination LIMIT 1",
            )
            .and_then(|mut statement| statement.query_row([after], |row| row.get(0)).optional())
            .map_err(failed)?;
        let Some(id) = next else { return Ok(()) };
        call_up(connection, DestinationId(id), now)?;
        after = id;
    }
}

/// What is owed to the destination goes in order from now on, or in none. Whether something is due by that.
pub(super) fn set(connection: &Connection, id: DestinationId, is_asked_for: bool, now: Timestamp) -> Result<bool> {
    if is_asked_for {
        connection
            .prepare_cached("UPDATE outbox SET in_order = 1 WHERE destination = ? AND NOT in_order")
            .and_then(|mut statement| statement.execute([id.0]))
            .map_err(failed)?;
        return Ok(false);
    }
    let changed = connection
        .prepare_cached(
            "UPDATE outbox SET in_order = 0, due_at = iif(due_at = ?3, ?2, due_at) WHERE in_order AND destination = ?1",
        )
        .and_then(|mut statement| statement.execute((id.0, now.as_microsecond(), QUEUED)))
        .map_err(failed)?;
    Ok(changed > 0)
}
