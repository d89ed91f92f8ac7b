//! Freezes in PostgreSQL: a handful of rows, and beside them one row with the edition that plans are compared with. Whoever freezes locks that
//! row against those that carry out plans, and they share it (`plan.rs`, `backlog.rs`): so a freeze waits for what is being committed, and from
//! its answer on nothing is committed that knew nothing of it, on whatever node.

use deadpool_postgres::{Client, GenericClient};
use jiff::Timestamp;
use oncue_domain::act::Act;
use oncue_domain::actor::Author;
use oncue_domain::freeze::{FREEZES_MAX, Freeze, Freezes, Said, remembered_since};
use oncue_domain::id::UserId;
use oncue_domain::store::Result;
use tokio_postgres::Row;

use super::act;
use super::hint::Changes;
use super::locks;
use super::trigger::by_of;
use super::{Shared, answered, column, execute, limit_of, moment, query, query_first};
use crate::codec::{NOBODYS, actor, actor_to_text, ended, instant};

const FREEZE: &str = "owner, reason, from_at, until_at, made_by";

fn freeze_of(row: &Row) -> Result<Freeze> {
    let owner: i64 = column(row, 0)?;
    let until: Option<i64> = column(row, 3)?;
    Ok(Freeze {
        owner: (owner != NOBODYS).then_some(UserId(owner)),
        reason: column(row, 1)?,
        from: instant(column(row, 2)?)?,
        until: until.map(instant).transpose()?,
        by: actor(column(row, 4)?)?,
    })
}

fn number_of(scope: Option<UserId>) -> i64 {
    scope.map_or(NOBODYS, |owner| owner.0)
}

/// The number of the freeze of that scope that stands at `now`, and the freeze.
async fn holding(client: &impl GenericClient, scope: Option<UserId>, now: Timestamp) -> Result<Option<(i64, Freeze)>> {
    let sql = format!(
        "SELECT {FREEZE}, id FROM freezes
         WHERE owner = $1 AND (until_at IS NULL OR until_at > $2)
         ORDER BY from_at, id LIMIT 1"
    );
    let row = query_first(client, &sql, &[&number_of(scope), &now.as_microsecond()]).await?;
    row.map(|row| Ok((column(&row, 5)?, freeze_of(&row)?))).transpose()
}

/// The part of a statement that says which edition of the freezes is `present`, and lets nobody freeze before its transaction is over. The lock
/// comes first, for the order of turns; the row is then read as it stands by now, and not as it stood when the statement began.
pub(super) fn present() -> String {
    format!(
        "gate AS MATERIALIZED (
             SELECT pg_advisory_xact_lock_shared({}) AS passed
         ),
         present AS MATERIALIZED (
             SELECT edition FROM freezing WHERE (SELECT passed FROM gate) IS NOT NULL FOR SHARE
         )",
        locks::FREEZING
    )
}

/// From now on it is another edition.
async fn turn(client: &impl GenericClient) -> Result<()> {
    execute(client, "UPDATE freezing SET edition = edition + 1", &[]).await.map(drop)
}

fn announce(shared: &Shared, scope: Option<UserId>) {
    let (edited, frozen) = (scope.into_iter().collect(), scope.is_none());
    shared.hints.announce(&Changes { edited, frozen, ..Changes::default() });
}

pub(super) async fn freeze(
    shared: &Shared,
    scope: Option<UserId>,
    said: Said,
    author: Option<&Author>,
    now: Timestamp,
) -> Result<Freeze> {
    let mut client = shared.client_soon().await?;
    let transaction = locks::locked(&mut client, locks::FREEZING).await?;
    turn(&transaction).await?;
    let Said { reason, until } = said;
    let (until_at, by) = (until.map(Timestamp::as_microsecond), by_of(author).clone());
    let freeze = match holding(&transaction, scope, now).await? {
        Some((id, held)) => {
            let sql = "UPDATE freezes SET reason = $2, until_at = $3, made_by = $4 WHERE id = $1";
            execute(&transaction, sql, &[&id, &reason, &until_at, &actor_to_text(&by)]).await?;
            Freeze { reason, until, by, ..held }
        }
        None => {
            let forgotten = remembered_since(now).as_microsecond();
            execute(&transaction, "DELETE FROM freezes WHERE until_at <= $1", &[&forgotten]).await?;
            let sql = "INSERT INTO freezes (owner, reason, from_at, until_at, made_by) VALUES ($1, $2, $3, $4, $5)";
            let (number, from_at) = (number_of(scope), now.as_microsecond());
            execute(&transaction, sql, &[&number, &reason, &from_at, &until_at, &actor_to_text(&by)]).await?;
            let sql = "DELETE FROM freezes
                       WHERE owner = $1
                         AND id NOT IN (SELECT id FROM freezes WHERE owner = $1 ORDER BY from_at DESC, id DESC LIMIT $2)";
            execute(&transaction, sql, &[&number, &limit_of(FREEZES_MAX)]).await?;
            Freeze { owner: scope, reason, from: now, until, by }
        }
    };
    act::note(&transaction, author, Some(Act::frozen(&freeze))).await?;
    answered(transaction.commit()).await?;
    announce(shared, scope);
    Ok(freeze)
}

pub(super) async fn thaw(
    shared: &Shared,
    scope: Option<UserId>,
    author: Option<&Author>,
    now: Timestamp,
) -> Result<Option<Freeze>> {
    let mut client = shared.client_soon().await?;
    let transaction = locks::locked(&mut client, locks::FREEZING).await?;
    turn(&transaction).await?;
    let Some((_, held)) = holding(&transaction, scope, now).await? else { return Ok(None) };
    // There are two where a clock was put back; whoever thaws means both.
    let sql =
        "UPDATE freezes SET until_at = $2, told_until = $2 WHERE owner = $1 AND (until_at IS NULL OR until_at > $2)";
    execute(&transaction, sql, &[&number_of(scope), &now.as_microsecond()]).await?;
    let freeze = Freeze { until: Some(now), ..held };
    act::note(&transaction, author, Some(Act::thawed(&freeze))).await?;
    answered(transaction.commit()).await?;
    announce(shared, scope);
    Ok(Some(freeze))
}

/// Notes of the freezes that are meant by `which` that somebody has told of their ends, and gives them, none for one that cannot be read: the earliest
/// end first, at most `limit`.
pub(super) async fn end_told(
    client: &impl GenericClient,
    which: &str,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<Option<Freeze>>> {
    let sql = format!(
        "SELECT {FREEZE}, id FROM freezes
         WHERE {which}
         ORDER BY until_at, owner, from_at, id
         LIMIT $2
         FOR UPDATE SKIP LOCKED"
    );
    let rows = query(client, &sql, &[&now.as_microsecond(), &limit_of(limit)]).await?;
    let ids = rows.iter().map(|row| column(row, 5)).collect::<Result<Vec<i64>>>()?;
    execute(client, "UPDATE freezes SET told_until = until_at WHERE id = ANY ($1)", &[&ids]).await?;
    rows.iter().map(|row| ended("freeze", column(row, 5)?, freeze_of(row))).collect()
}

/// The freezes that were not over at `since`: of one owner and of everybody, or all.
pub(super) async fn list(client: &impl GenericClient, owner: Option<UserId>, since: Timestamp) -> Result<Vec<Freeze>> {
    // Every page asks for those of one owner, which are few among everybody's.
    let whose = owner.map_or(String::new(), |_| format!("owner IN ($2, {NOBODYS}) AND "));
    let sql =
        format!("SELECT {FREEZE} FROM freezes WHERE {whose}(until_at IS NULL OR until_at > $1) ORDER BY from_at, id");
    let since = since.as_microsecond();
    let rows = match owner {
        Some(owner) => query(client, &sql, &[&since, &owner.0]).await?,
        None => query(client, &sql, &[&since]).await?,
    };
    rows.iter().map(freeze_of).collect()
}

/// All that may matter to plans, as of one moment.
pub(super) async fn all(client: &mut Client, since: Timestamp) -> Result<Freezes> {
    let transaction = moment(client).await?;
    let row = query_first(&transaction, "SELECT edition FROM freezing", &[]).await?;
    let edition = row.map(|row| column(&row, 0)).transpose()?.unwrap_or_default();
    Ok(Freezes { edition, all: list(&transaction, None, since).await? })
}
