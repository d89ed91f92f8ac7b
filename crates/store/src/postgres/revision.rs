//! Revisions in PostgreSQL: a former one is kept at the edit that ends it, or the deletion, as a row of `triggers` as it stood; the present one is
//! the trigger's own row.

use deadpool_postgres::{Client, GenericClient};
use jiff::Timestamp;
use oncue_domain::actor::Actor;
use oncue_domain::id::{TriggerId, UserId};
use oncue_domain::revision::{Deletion, FORMER_KEPT, REVISION_BYTES, Revision, no_room_up_to};
use oncue_domain::store::{DeletedTrigger, Result};
use oncue_domain::trigger::Armed;
use tokio_postgres::Row;

use super::trigger::{TRIGGER, TRIGGER_COLUMNS, trigger};
use super::{Shared, column, execute, limit_of, overlap, query, query_first};
use crate::codec::{actor, actor_to_text, counted, fired, instant, listed, nearest_instant};

/// The columns of a trigger, wherever they stand.
fn columns() -> String {
    TRIGGER.replace("triggers.", "")
}

/// Keeps the present revision, which `until` ends, and lets go of whatever there is no room for any more.
pub(super) async fn keep(client: &impl GenericClient, id: TriggerId, until: Timestamp) -> Result<()> {
    let columns = columns();
    let sql = format!(
        "INSERT INTO former_triggers ({columns}, made_by, revised_at, until_at, fired, counted_until)
         SELECT {columns}, made_by, revised_at, $2, coalesce(fired, 0), counted_until
         FROM triggers LEFT JOIN limits ON limits.trigger_id = triggers.id
         WHERE id = $1"
    );
    execute(client, &sql, &[&id.0, &until.as_microsecond()]).await?;
    push_out(client, &[id.0]).await
}

/// The same for the last one of a trigger that is about to be deleted, with what it waits for.
pub(super) async fn keep_last(client: &impl GenericClient, id: TriggerId, by: &Actor, now: Timestamp) -> Result<()> {
    let columns = columns();
    let sql = format!(
        "INSERT INTO former_triggers ({columns}, made_by, revised_at, until_at, fired, counted_until, deleted_by, next_at,
                                      was_under_way)
         SELECT {columns}, made_by, revised_at, $2, coalesce(fired, 0), counted_until, $3,
                (SELECT next_at FROM cursors WHERE trigger_id = $1), overlap IS NOT NULL AND {was_under_way}
         FROM triggers LEFT JOIN limits ON limits.trigger_id = triggers.id
         WHERE id = $1",
        was_under_way = overlap::is_under_way("triggers.id"),
    );
    execute(client, &sql, &[&id.0, &now.as_microsecond(), &actor_to_text(by)]).await?;
    push_out(client, &[id.0]).await
}

/// The same for the present revisions of many, each of which ends at an instant of its own.
pub(super) async fn keep_all(client: &impl GenericClient, ids: &[i64], untils: &[i64]) -> Result<()> {
    let columns = columns();
    let sql = format!(
        "INSERT INTO former_triggers ({columns}, made_by, revised_at, until_at, fired, counted_until)
         SELECT {columns}, made_by, revised_at, ended_at, coalesce(fired, 0), counted_until
         FROM triggers JOIN unnest($1::bigint[], $2::bigint[]) AS ending (of_trigger, ended_at) ON id = of_trigger
                       LEFT JOIN limits ON limits.trigger_id = triggers.id"
    );
    execute(client, &sql, &[&ids, &untils]).await?;
    push_out(client, ids).await
}

/// When the present revisions of these triggers have become former ones, others are none of the latest any more ([`pushed_out`]): they are marked,
/// and what they leave no room for goes.
///
/// [`pushed_out`]: oncue_domain::revision::pushed_out
async fn push_out(client: &impl GenericClient, ids: &[i64]) -> Result<()> {
    let sql = format!(
        "UPDATE former_triggers AS former
         SET bytes_up_to = {REVISION_BYTES} + coalesce(octet_length(former.payload), 0)
                         + coalesce(octet_length(former.payload_schema), 0) + coalesce(octet_length(former.schedule), 0)
                         + coalesce((SELECT older.bytes_up_to FROM former_triggers AS older
                                     WHERE older.id = former.id AND older.bytes_up_to IS NOT NULL
                                     ORDER BY older.bytes_up_to DESC LIMIT 1), 0)
         FROM triggers
         WHERE triggers.id = ANY ($1) AND former.id = triggers.id AND former.revision = triggers.revision - $2
         RETURNING former.id, former.bytes_up_to"
    );
    let (mut full, mut marks) = (Vec::new(), Vec::new());
    for row in query(client, &sql, &[&ids, &(FORMER_KEPT as i64)]).await? {
        if let Some(mark) = no_room_up_to(column::<i64>(&row, 1)?.unsigned_abs()) {
            full.push(column::<i64>(&row, 0)?);
            marks.push(mark.cast_signed());
        }
    }
    if full.is_empty() {
        return Ok(());
    }
    let sql = "DELETE FROM former_triggers USING unnest($1::bigint[], $2::bigint[]) AS gone (id, up_to)
               WHERE former_triggers.id = gone.id AND former_triggers.bytes_up_to <= gone.up_to";
    execute(client, sql, &[&full, &marks]).await.map(drop)
}

/// The trigger's revisions of which `condition` says something about `$3`.
async fn select(
    client: &mut Client,
    shared: &Shared,
    of: (UserId, TriggerId),
    condition: (&str, i64),
    limit: usize,
) -> Result<Vec<Revision>> {
    let (owner, id) = of;
    let (condition, value) = condition;
    let columns = columns();
    // Bounded twice: of the former ones no more are read than are asked for.
    let sql = format!(
        "SELECT {columns}, made_by, revised_at, until_at, fired, counted_until
         FROM (SELECT {columns}, made_by, revised_at, NULL::bigint AS until_at, NULL::bigint AS fired,
                      NULL::bigint AS counted_until
               FROM triggers WHERE id = $1 AND owner = $2 AND {condition}
               UNION ALL
               (SELECT {columns}, made_by, revised_at, until_at, fired, counted_until
                FROM former_triggers WHERE id = $1 AND owner = $2 AND {condition}
                ORDER BY revision DESC
                LIMIT $4)) AS revisions
         ORDER BY revision DESC
         LIMIT $4"
    );
    let rows = query(client, &sql, &[&id.0, &owner.0, &value, &limit_of(limit)]).await?;
    rows.iter().filter_map(|row| listed(revision(row, shared)).transpose()).collect()
}

fn revision(row: &Row, shared: &Shared) -> Result<Revision> {
    let trigger = trigger(row, shared)?;
    let made_by: Option<&str> = column(row, TRIGGER_COLUMNS)?;
    let revised_at: Option<i64> = column(row, TRIGGER_COLUMNS + 1)?;
    let until: Option<i64> = column(row, TRIGGER_COLUMNS + 2)?;
    Ok(Revision {
        made_at: revised_at.map_or(Ok(trigger.standing_since), instant)?,
        made_by: made_by.map(actor).transpose()?,
        until: until.map(instant).transpose()?,
        counted: counted(column(row, TRIGGER_COLUMNS + 3)?, column(row, TRIGGER_COLUMNS + 4)?)?,
        trigger,
    })
}

pub(super) async fn list(
    client: &mut Client,
    shared: &Shared,
    of: (UserId, TriggerId),
    before: Option<i64>,
    limit: usize,
) -> Result<Vec<Revision>> {
    select(client, shared, of, ("revision < $3", before.unwrap_or(i64::MAX)), limit).await
}

pub(super) async fn get(
    client: &mut Client,
    shared: &Shared,
    of: (UserId, TriggerId),
    number: i64,
) -> Result<Option<Revision>> {
    Ok(select(client, shared, of, ("revision = $3", number), 1).await?.pop())
}

pub(super) async fn deleted(
    client: &mut Client,
    shared: &Shared,
    (owner, id): (UserId, TriggerId),
    gone_until: Timestamp,
) -> Result<Option<DeletedTrigger>> {
    let columns = columns();
    let sql = format!(
        "SELECT {columns}, next_at, until_at, deleted_by, fired, was_under_way
         FROM former_triggers
         WHERE id = $1 AND revision = (SELECT max(revision) FROM former_triggers WHERE id = $1)
           AND owner = $2 AND deleted_by IS NOT NULL AND until_at > $3"
    );
    let row = query_first(client, &sql, &[&id.0, &owner.0, &gone_until.as_microsecond()]).await?;
    row.map_or(Ok(None), |row| listed(deleted_trigger(&row, shared)))
}

fn deleted_trigger(row: &Row, shared: &Shared) -> Result<DeletedTrigger> {
    let next_at: Option<i64> = column(row, TRIGGER_COLUMNS)?;
    let by: &str = column(row, TRIGGER_COLUMNS + 2)?;
    let at = instant(column(row, TRIGGER_COLUMNS + 1)?)?;
    let deletion = Deletion { at, by: actor(by)?, was_under_way: column(row, TRIGGER_COLUMNS + 4)? };
    let trigger = trigger(row, shared)?;
    let fired = fired(column(row, TRIGGER_COLUMNS + 3)?)?;
    Ok(DeletedTrigger { armed: Armed { trigger, next_at: next_at.map(nearest_instant), fired }, deletion })
}

/// Forgets triggers that were deleted so long ago, the last revision of each after all before it, at most `limit` revisions; gives how many.
pub(super) async fn expire_deleted(client: &impl GenericClient, gone_until: Timestamp, limit: usize) -> Result<u64> {
    let sql = "WITH old AS MATERIALIZED (
                   SELECT id, until_at AS deleted_at
                   FROM former_triggers
                   WHERE deleted_by IS NOT NULL AND until_at <= $1
                   ORDER BY until_at, id
                   LIMIT $2
               ),
               chosen AS MATERIALIZED (
                   SELECT former.id, former.revision, former.owner, former.deleted_by IS NOT NULL AS is_last
                   FROM old JOIN former_triggers AS former ON former.id = old.id
                   ORDER BY old.deleted_at, former.id, former.revision
                   LIMIT $2
               ),
               forgotten AS (
                   DELETE FROM former_triggers USING chosen
                   WHERE former_triggers.id = chosen.id AND former_triggers.revision = chosen.revision
               ),
               left_behind AS (INSERT INTO uncounted (trigger_id, owner) SELECT id, owner FROM chosen WHERE is_last)
               SELECT count(*) FROM chosen";
    let row = query_first(client, sql, &[&gone_until.as_microsecond(), &limit_of(limit)]).await?;
    let forgotten: i64 = row.map_or(Ok(0), |row| column(&row, 0))?;
    Ok(forgotten.unsigned_abs())
}

pub(super) async fn at(
    client: &mut Client,
    shared: &Shared,
    of: (UserId, TriggerId),
    at: Timestamp,
) -> Result<Option<Revision>> {
    let made_by_then = ("coalesce(revised_at, standing_since) <= $3", at.as_microsecond());
    Ok(select(client, shared, of, made_by_then, 1).await?.pop())
}
