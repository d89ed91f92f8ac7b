//! Receipts in PostgreSQL: two columns that nobody reads but whoever asks for one. They are written with the attempt, in `settle`.

use bytes::Bytes;
use deadpool_postgres::Client;
use jiff::Timestamp;
use oncue_domain::id::{EventId, UserId};
use oncue_domain::receipt::{Kept, Receipt};
use oncue_domain::store::Result;

use super::event::KEPT;
use super::{column, query_first};
use crate::codec::broken;

pub(super) async fn get(
    client: &Client,
    owner: UserId,
    (event, slot): (EventId, u32),
    number: u32,
    gone_until: Timestamp,
) -> Result<Option<Receipt>> {
    let sql = format!(
        "SELECT attempts.receipt,
                (SELECT earlier.body FROM attempts AS earlier
                 WHERE earlier.event_id = attempts.event_id AND earlier.fired_at = attempts.fired_at
                   AND earlier.slot = attempts.slot AND earlier.number <= attempts.number AND earlier.body IS NOT NULL
                 ORDER BY earlier.number DESC LIMIT 1)
         FROM events JOIN attempts ON attempts.event_id = events.id AND attempts.fired_at = events.fired_at
         WHERE events.id = $2 AND events.owner + 0 = $1 AND events.fired_at > $5 AND {KEPT}
           AND attempts.slot = $3 AND attempts.number = $4 AND attempts.receipt IS NOT NULL"
    );
    let (slot, number, gone_until) = (i64::from(slot), i64::from(number), gone_until.as_microsecond());
    let row = query_first(client, &sql, &[&owner.0, &event.0, &slot, &number, &gone_until]).await?;
    let Some(row) = row else { return Ok(None) };
    let (head, body): (&[u8], Option<&[u8]>) = (column(&row, 0)?, column(&row, 1)?);
    let read = Kept::read(head, body.map(Bytes::copy_from_slice));
    read.map(Some).map_err(|error| broken("receipt", error))
}
