//! Receipts in SQLite: written behind each other, far from the narrow rows that lists read; only whoever asks for one reads it.

use bytes::Bytes;
use jiff::Timestamp;
use oncue_domain::delivery::Claim;
use oncue_domain::id::{EventId, UserId};
use oncue_domain::receipt::{Kept, Receipt};
use oncue_domain::store::Result;
use rusqlite::{Connection, OptionalExtension};

use super::failed;
use crate::codec::broken;

/// Writes a receipt down, and says under which number. A body that an earlier attempt of the delivery keeps is not kept again.
pub(super) fn keep(connection: &Connection, claim: &Claim, number: u32, kept: &Kept) -> Result<i64> {
    let body = match &kept.body {
        Some(body) if number > 1 && latest_body(connection, claim, number)?.as_deref() == Some(&**body) => None,
        body => body.as_deref(),
    };
    connection
        .prepare_cached("INSERT INTO receipts (head, body) VALUES (?, ?)")
        .and_then(|mut statement| statement.execute((&kept.head, body)))
        .map_err(failed)?;
    Ok(connection.last_insert_rowid())
}

/// The body of the latest attempt before this one that keeps one.
fn latest_body(connection: &Connection, claim: &Claim, number: u32) -> Result<Option<Vec<u8>>> {
    connection
        .prepare_cached(
            "SELECT body FROM attempts JOIN receipts ON receipts.id = attempts.receipt
             WHERE event_id = ? AND slot = ? AND number < ? AND body IS NOT NULL
             ORDER BY number DESC LIMIT 1",
        )
        .and_then(|mut statement| {
            statement.query_row((claim.event.id.0, claim.slot, number), |row| row.get(0)).optional()
        })
        .map_err(failed)
}

pub(super) fn get(
    connection: &Connection,
    owner: UserId,
    (event, slot): (EventId, u32),
    number: u32,
    gone_until: Timestamp,
) -> Result<Option<Receipt>> {
    let found: Option<(Vec<u8>, Option<Vec<u8>>)> = connection
        .prepare_cached(
            "SELECT head,
                    (SELECT body FROM attempts AS tried JOIN receipts AS earlier ON earlier.id = tried.receipt
                     WHERE tried.event_id = ?2 AND tried.slot = ?3 AND tried.number <= ?4 AND body IS NOT NULL
                     ORDER BY tried.number DESC LIMIT 1)
             FROM events CROSS JOIN attempts ON attempts.event_id = events.id
                         CROSS JOIN receipts ON receipts.id = attempts.receipt
             WHERE events.id = ?2 AND events.owner = ?1 AND events.fired_at > ?5
               AND attempts.slot = ?3 AND attempts.number = ?4",
        )
        .and_then(|mut statement| {
            let params = (owner.0, event.0, slot, number, gone_until.as_microsecond());
            statement.query_row(params, |row| Ok((row.get(0)?, row.get(1)?))).optional()
        })
        .map_err(failed)?;
    let Some((head, body)) = found else { return Ok(None) };
    Kept::read(&head, body.map(Bytes::from)).map(Some).map_err(|error| broken("head", error))
}
