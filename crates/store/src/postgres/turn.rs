//! Turns by a destination's rate, in PostgreSQL. Its row in `turns` is locked while they are given out, so that all nodes together
//! begin no more deliveries than the rate allows.

use jiff::Timestamp;
use oncue_domain::destination::definition::{Rate, Turns};
use oncue_domain::id::DestinationId;
use oncue_domain::store::Result;

use super::{Shared, answered, column, execute, query_first};
use crate::codec::instant;

pub(super) async fn take(
    shared: &Shared,
    id: DestinationId,
    rate: Rate,
    wanted: usize,
    now: Timestamp,
) -> Result<Turns> {
    let mut client = shared.client().await?;
    let transaction = answered(client.transaction()).await?;
    // The destination stays until the turns are written down. Whoever was never given any is as rested as one whose bucket is full.
    let sql = "INSERT INTO turns (destination_id, full_at)
               SELECT id, $2 FROM destinations WHERE id = $1 FOR KEY SHARE
               ON CONFLICT (destination_id) DO UPDATE SET full_at = turns.full_at
               RETURNING full_at";
    let Some(row) = query_first(&transaction, sql, &[&id.0, &now.as_microsecond()]).await? else {
        return Ok(Turns::default());
    };
    let (turns, full_at) = rate.take(Some(instant(column(&row, 0)?)?), wanted, now);
    let sql = "UPDATE turns SET full_at = $2 WHERE destination_id = $1";
    execute(&transaction, sql, &[&id.0, &full_at.as_microsecond()]).await?;
    answered(transaction.commit()).await?;
    Ok(turns)
}
