//! Arrivals in PostgreSQL: what inboxes keep, and the room there is for it. Whoever adds one locks the destination's row against
//! deletion, and whoever makes room the owner's, so that it is made by one at a time.

use deadpool_postgres::{Client, GenericClient};
use oncue_domain::arrival::{ARRIVAL_BYTES_MAX, ARRIVALS_MAX, Arrival, Arrived, Contents, makes_room};
use oncue_domain::id::{ArrivalId, DestinationId, EventId, UserId};
use oncue_domain::store::Result;
use tokio_postgres::Row;

use super::hint::Changes;
use super::{Shared, answered, column, count::whole, destination, execute, limit_of, query, query_first};
use crate::codec::{broken, check, check_to_columns, headers, headers_to_text, instant, waited, waited_to_number};

const ARRIVAL: &str = "id, destination, event_id, slot, attempt, arrived_at, method, body_bytes, signed_by, unverified, waited_us, status";

fn arrival(row: &Row) -> Result<Arrival> {
    Ok(Arrival {
        id: ArrivalId(column(row, 0)?),
        arrived: Arrived {
            destination: DestinationId(column(row, 1)?),
            event: EventId(column(row, 2)?),
            slot: whole(row, 3)?,
            attempt: whole(row, 4)?,
            at: instant(column(row, 5)?)?,
            method: column(row, 6)?,
            body_bytes: whole(row, 7)?,
            check: check(column(row, 8)?, column(row, 9)?),
            waited: waited(column(row, 10)?),
            answer: column::<Option<i64>>(row, 11)?.map(|_| whole(row, 11)).transpose()?,
        },
    })
}

pub(super) async fn arrive(shared: &Shared, owner: UserId, arrived: &Arrived, contents: &Contents) -> Result<bool> {
    let mut client = shared.client().await?;
    let transaction = answered(client.transaction()).await?;
    if destination::hold_all(&transaction, owner, &[arrived.destination]).await?.is_err() {
        return Ok(false);
    }
    let sql =
        "INSERT INTO arrivals (owner, destination, event_id, slot, attempt, arrived_at, method, body_bytes, signed_by,
                                     unverified, status, waited_us, headers, size, body)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
               RETURNING id";
    let (signed_by, unverified) = check_to_columns(&arrived.check);
    let size = i64::try_from(contents.size()).unwrap_or(i64::MAX);
    let params: super::Params<'_> = &[
        &owner.0,
        &arrived.destination.0,
        &arrived.event.0,
        &i64::from(arrived.slot),
        &i64::from(arrived.attempt),
        &arrived.at.as_microsecond(),
        &arrived.method,
        &i64::try_from(arrived.body_bytes).unwrap_or(i64::MAX),
        &signed_by,
        &unverified,
        &arrived.answer.map(i64::from),
        &waited_to_number(arrived.waited),
        &headers_to_text(&contents.headers),
        &size,
        &contents.body,
    ];
    let row = query_first(&transaction, sql, params).await?.ok_or_else(|| broken("id", "no number"))?;
    if makes_room(ArrivalId(column(&row, 0)?), contents.size()) {
        // One at a time for an owner, on whatever nodes: two would delete the same rows in orders of their own.
        query(&transaction, "SELECT id FROM users WHERE id = $1 FOR NO KEY UPDATE", &[&owner.0]).await?;
        make_room(&transaction, owner).await?;
    }
    answered(transaction.commit()).await?;
    shared.hints.announce(&Changes { settled: [owner].into(), ..Changes::default() });
    Ok(true)
}

/// As `domain::arrival::crowded_out` says.
async fn make_room(client: &impl GenericClient, owner: UserId) -> Result<()> {
    let sql = "DELETE FROM arrivals
               WHERE owner = $1 AND id <= (
                   SELECT max(id)
                   FROM (SELECT id, row_number() OVER newest_first AS place, sum(size) OVER newest_first > $3::bigint AS is_over
                         FROM arrivals
                         WHERE owner = $1
                         WINDOW newest_first AS (ORDER BY id DESC ROWS UNBOUNDED PRECEDING)) AS sized
                   WHERE place > $2 OR is_over)";
    let bytes = i64::try_from(ARRIVAL_BYTES_MAX).unwrap_or(i64::MAX);
    execute(client, sql, &[&owner.0, &limit_of(ARRIVALS_MAX), &bytes]).await.map(drop)
}

pub(super) async fn list(
    client: &Client,
    owner: UserId,
    destination: DestinationId,
    before: Option<ArrivalId>,
    limit: usize,
) -> Result<Vec<Arrival>> {
    let sql = format!(
        "SELECT {ARRIVAL} FROM arrivals WHERE destination = $1 AND owner = $2 AND id < $3 ORDER BY id DESC LIMIT $4"
    );
    let below = before.map_or(i64::MAX, |before| before.0);
    let rows = query(client, &sql, &[&destination.0, &owner.0, &below, &limit_of(limit)]).await?;
    rows.iter().map(arrival).collect()
}

pub(super) async fn get(client: &Client, owner: UserId, id: ArrivalId) -> Result<Option<(Arrival, Contents)>> {
    let sql = format!("SELECT {ARRIVAL}, headers, body FROM arrivals WHERE id = $1 AND owner = $2");
    let Some(row) = query_first(client, &sql, &[&id.0, &owner.0]).await? else { return Ok(None) };
    let contents = Contents { headers: headers(column(&row, 12)?)?, body: column(&row, 13)? };
    Ok(Some((arrival(&row)?, contents)))
}
