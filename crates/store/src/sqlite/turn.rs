//! Turns by a destination's rate, in SQLite. There is one writer, so nobody else gives any out meanwhile.

use jiff::Timestamp;
use oncue_domain::destination::definition::{Rate, Turns};
use oncue_domain::id::DestinationId;
use oncue_domain::store::Result;
use rusqlite::{Connection, OptionalExtension};

use super::failed;
use crate::codec::instant;

pub(super) fn take(
    connection: &Connection,
    id: DestinationId,
    rate: Rate,
    wanted: usize,
    now: Timestamp,
) -> Result<Turns> {
    let kept: Option<Option<i64>> = connection
        .prepare_cached("SELECT full_at FROM destinations LEFT JOIN turns ON destination_id = id WHERE id = ?")
        .and_then(|mut statement| statement.query_row([id.0], |row| row.get(0)).optional())
        .map_err(failed)?;
    let Some(kept) = kept else { return Ok(Turns::default()) };
    let (turns, full_at) = rate.take(kept.map(instant).transpose()?, wanted, now);
    connection
        .prepare_cached(
            "INSERT INTO turns (destination_id, full_at) VALUES (?, ?)
             ON CONFLICT (destination_id) DO UPDATE SET full_at = excluded.full_at",
        )
        .and_then(|mut statement| statement.execute((id.0, full_at.as_microsecond())))
        .map_err(failed)?;
    Ok(turns)
}
