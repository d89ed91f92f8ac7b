//! Pauses and freezes whose end has come, in PostgreSQL: beside each end stands the one that was written down, so whichever node moves that
//! tells of it. What another one is busy with is left to it.

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use oncue_domain::act::{Act, PauseOver};
use oncue_domain::id::{TriggerId, UserId};
use oncue_domain::store::Result;
use tokio_postgres::Row;

use super::{Params, Shared, act, answered, column, freeze, limit_of, query, query_first};
use crate::codec::instant;

/// The pauses that were over by `$1` of which nobody has said so; as the index has it.
const PAUSES: &str =
    "NOT enabled AND pause_until IS NOT NULL AND pause_told IS DISTINCT FROM pause_until AND pause_until <= $1";

/// The same of freezes.
const FREEZES: &str = "until_at IS NOT NULL AND told_until IS DISTINCT FROM until_at AND until_at <= $1";

/// Writes down those that were over by `now`, at most `limit` of each sort.
pub(super) async fn note(shared: &Shared, now: Timestamp, limit: usize) -> Result<usize> {
    let mut client = shared.client().await?;
    let sql = format!(
        "SELECT EXISTS (SELECT 1 FROM triggers WHERE {PAUSES}) OR EXISTS (SELECT 1 FROM freezes WHERE {FREEZES})"
    );
    let row = query_first(&client, &sql, &[&now.as_microsecond()]).await?;
    if !row.map(|row| column::<bool>(&row, 0)).transpose()?.unwrap_or_default() {
        return Ok(0);
    }
    let transaction = answered(client.transaction()).await?;
    let frozen = note_freezes(&transaction, now, limit).await?;
    let which = format!(
        "id IN (SELECT id FROM triggers WHERE {PAUSES} ORDER BY pause_until, id LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED)"
    );
    let paused = told(&transaction, &which, &[&now.as_microsecond(), &limit_of(limit)]).await?;
    let count = frozen + paused.len();
    write(&transaction, paused).await?;
    answered(transaction.commit()).await?;
    Ok(count)
}

/// Whoever ends triggers as they stand, and holds them, says that their pauses were over, if nobody has: of each by itself.
pub(super) async fn note_pauses(client: &impl GenericClient, ids: &[i64], now: Timestamp) -> Result<()> {
    let which = format!("id = ANY ($2) AND {PAUSES}");
    let mut over = told(client, &which, &[&now.as_microsecond(), &ids]).await?;
    over.sort_by_key(|pause| pause.trigger);
    for pause in over {
        write(client, vec![pause]).await?;
    }
    Ok(())
}

async fn note_freezes(client: &impl GenericClient, now: Timestamp, limit: usize) -> Result<usize> {
    let over = freeze::end_told(client, FREEZES, now, limit).await?;
    for freeze in &over {
        act::write_own(client, &Act::freeze_over(freeze), freeze.until.unwrap_or(now)).await?;
    }
    Ok(over.len())
}

/// Notes that the ends of those pauses are told, and gives them.
async fn told(client: &impl GenericClient, which: &str, params: Params<'_>) -> Result<Vec<PauseOver>> {
    let sql = format!(
        "UPDATE triggers SET pause_told = pause_until WHERE {which} RETURNING id, owner, name, pause_reason, pause_until"
    );
    query(client, &sql, params).await?.iter().map(pause_over).collect()
}

async fn write(client: &impl GenericClient, over: Vec<PauseOver>) -> Result<()> {
    for (at, act) in Act::pauses_over(over) {
        act::write_own(client, &act, at).await?;
    }
    Ok(())
}

fn pause_over(row: &Row) -> Result<PauseOver> {
    Ok(PauseOver {
        trigger: TriggerId(column(row, 0)?),
        owner: UserId(column(row, 1)?),
        name: column(row, 2)?,
        reason: column(row, 3)?,
        at: instant(column(row, 4)?)?,
    })
}
