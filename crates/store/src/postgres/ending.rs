//! Pauses and freezes whose end has come, and triggers whose expiry has, in PostgreSQL: beside each end stands the one that was written down, so
//! whichever node moves that tells of it. What another one is busy with is left to it.

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use oncue_domain::act::{Act, ExpiryOver, PauseOver};
use oncue_domain::id::{TriggerId, UserId};
use oncue_domain::store::Result;
use tokio_postgres::Row;

use super::{Params, Shared, act, answered, column, freeze, limit_of, query, query_first};
use crate::codec::{ended, ended_with_expiry, instant};

/// The pauses that were over by `$1` of which nobody has said so; as the index has it.
const PAUSES: &str =
    "NOT enabled AND pause_until IS NOT NULL AND pause_told IS DISTINCT FROM pause_until AND pause_until <= $1";

/// The same of freezes.
const FREEZES: &str = "until_at IS NOT NULL AND told_until IS DISTINCT FROM until_at AND until_at <= $1";

/// The same of the expiries of triggers, whether they end anything or not.
const EXPIRIES: &str = "expires_at IS NOT NULL AND expiry_told IS DISTINCT FROM expires_at AND expires_at <= $1";

/// Writes down those that were over by `now`, at most `limit` of each sort.
pub(super) async fn note(shared: &Shared, now: Timestamp, limit: usize) -> Result<usize> {
    let mut client = shared.client().await?;
    let sql = format!(
        "SELECT EXISTS (SELECT 1 FROM triggers WHERE {PAUSES}) OR EXISTS (SELECT 1 FROM freezes WHERE {FREEZES})
             OR EXISTS (SELECT 1 FROM triggers WHERE {EXPIRIES})"
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
    let params: Params<'_> = &[&now.as_microsecond(), &limit_of(limit)];
    let paused = told(&transaction, &which, params).await?;
    let which = format!(
        "id IN (SELECT id FROM triggers WHERE {EXPIRIES} ORDER BY expires_at, id LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED)"
    );
    let expired = told_expiries(&transaction, shared, &which, params).await?;
    let count = frozen + paused.len() + expired.len();
    act::write_all_own(&transaction, &Act::pauses_over(paused.into_iter().flatten().collect())).await?;
    act::write_all_own(&transaction, &Act::expiries_over(expired.into_iter().flatten().collect())).await?;
    answered(transaction.commit()).await?;
    Ok(count)
}

/// Whoever ends triggers as they stand, and holds them, says that their pauses were over, or that their expiries had come, if nobody has: of each by
/// itself.
pub(super) async fn note_own(client: &impl GenericClient, shared: &Shared, ids: &[i64], now: Timestamp) -> Result<()> {
    let params: Params<'_> = &[&now.as_microsecond(), &ids];
    let paused = told(client, &format!("id = ANY ($2) AND {PAUSES}"), params).await?;
    let expired = told_expiries(client, shared, &format!("id = ANY ($2) AND {EXPIRIES}"), params).await?;
    let pauses = paused.into_iter().flatten().map(|pause| (pause.trigger, Act::pauses_over(vec![pause])));
    let expiries = expired.into_iter().flatten().map(|expiry| (expiry.trigger, Act::expiries_over(vec![expiry])));
    let mut lines: Vec<(TriggerId, Vec<(Timestamp, Act)>)> = pauses.chain(expiries).collect();
    lines.sort_by_key(|(trigger, _)| *trigger);
    let acts: Vec<(Timestamp, Act)> = lines.into_iter().flat_map(|(_, acts)| acts).collect();
    act::write_all_own(client, &acts).await
}

async fn note_freezes(client: &impl GenericClient, now: Timestamp, limit: usize) -> Result<usize> {
    let over = freeze::end_told(client, FREEZES, now, limit).await?;
    for freeze in over.iter().flatten() {
        act::write_own(client, &Act::freeze_over(freeze), freeze.until.unwrap_or(now)).await?;
    }
    Ok(over.len())
}

/// Notes that the ends of those pauses are told, and gives them; none for one that cannot be read.
async fn told(client: &impl GenericClient, which: &str, params: Params<'_>) -> Result<Vec<Option<PauseOver>>> {
    let sql = format!(
        "UPDATE triggers SET pause_told = pause_until WHERE {which} RETURNING id, owner, name, pause_reason, pause_until"
    );
    let over = |row: &Row| ended("the pause of trigger", column(row, 0)?, pause_over(row));
    query(client, &sql, params).await?.iter().map(over).collect()
}

/// The same of expiries; none for one that ended nothing, too.
async fn told_expiries(
    client: &impl GenericClient,
    shared: &Shared,
    which: &str,
    params: Params<'_>,
) -> Result<Vec<Option<ExpiryOver>>> {
    let sql = format!(
        "UPDATE triggers SET expiry_told = expires_at WHERE {which}
         RETURNING id, owner, name, expires_at, schedule, is_test,
                   (SELECT fired FROM limits WHERE limits.trigger_id = triggers.id)"
    );
    let over = |row: &Row| Ok(ended("trigger", column(row, 0)?, expiry_over(row, shared))?.flatten());
    query(client, &sql, params).await?.iter().map(over).collect()
}

fn expiry_over(row: &Row, shared: &Shared) -> Result<Option<ExpiryOver>> {
    let at = instant(column(row, 3)?)?;
    let terms = (column(row, 5)?, column(row, 6)?);
    if !ended_with_expiry(column(row, 4)?, terms, at, (&shared.settings.zones, &shared.cron_lines))? {
        return Ok(None);
    }
    Ok(Some(ExpiryOver {
        trigger: TriggerId(column(row, 0)?),
        owner: UserId(column(row, 1)?),
        name: column(row, 2)?,
        at,
    }))
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
