//! Destinations in PostgreSQL: what owners say about them, whether they take deliveries, and who sends to them. Whoever makes a
//! trigger name one locks its row against deletion; whoever parks a delivery for one locks it against being resumed meanwhile.

use std::sync::Arc;

use deadpool_postgres::{Client, GenericClient};
use jiff::Timestamp;
use oncue_domain::act::{Act, Action};
use oncue_domain::actor::Author;
use oncue_domain::destination::{DESTINATIONS_MAX, Definition, Destination, DestinationHead, Standing, Wanted};
use oncue_domain::id::{DestinationId, MessageId, TriggerId, UserId};
use oncue_domain::store::{Deleted, Edited, Missing, NAMED_MAX, Result};
use tokio_postgres::Row;

use super::hint::Changes;
use super::{
    Shared, act, answered, column, count::whole, execute, limit_of, order, partition, query, query_first, streak,
};
use crate::codec::{ACTIVE, SUSPENDED, broken, definition_from_text, instant, readable, standing, standing_to_columns};

const DESTINATION: &str = "id, owner, revision, definition, standing, since, reason, created_at";

const HEAD: &str = "id, name, kind, standing, since, reason";

fn destination(row: &Row) -> Result<Destination> {
    Ok(Destination {
        id: DestinationId(column(row, 0)?),
        owner: UserId(column(row, 1)?),
        revision: column(row, 2)?,
        definition: Arc::new(definition_from_text(column(row, 3)?)?),
        standing: standing(column(row, 4)?, column(row, 5)?, column(row, 6)?)?,
        created_at: instant(column(row, 7)?)?,
    })
}

pub(super) async fn create(
    shared: &Shared,
    owner: UserId,
    definition: &Definition,
    author: Option<&Author>,
    now: Timestamp,
) -> Result<Option<Destination>> {
    let mut client = shared.client_soon().await?;
    let transaction = answered(client.transaction()).await?;
    // An owner's destinations are made one at a time, on whatever nodes, so that none is made beyond the last.
    query(&transaction, "SELECT id FROM users WHERE id = $1 FOR NO KEY UPDATE", &[&owner.0]).await?;
    let sql = "SELECT count(*) FROM destinations WHERE owner = $1";
    let there: usize = query_first(&transaction, sql, &[&owner.0]).await?.map_or(Ok(0), |row| whole(&row, 0))?;
    if there >= DESTINATIONS_MAX {
        return Ok(None);
    }
    let sql = format!(
        "INSERT INTO destinations (owner, revision, name, kind, definition, standing, created_at, in_order)
         VALUES ($1, 1, $2, $3, $4, $5, $6, $7)
         RETURNING {DESTINATION}"
    );
    let (name, kind, text) = (&definition.name, definition.kind.word(), definition.to_text());
    let params: super::Params<'_> =
        &[&owner.0, name, &kind, &text, &ACTIVE, &now.as_microsecond(), &definition.in_order];
    let made = query_first(&transaction, &sql, params).await?;
    let made = made.as_ref().map(destination).transpose()?.ok_or_else(|| broken("id", "no number"))?;
    let act = Act::destination(owner, Action::Created, made.id, definition.name.clone());
    act::note(&transaction, author, Some(act)).await?;
    answered(transaction.commit()).await?;
    announce(shared, owner, false);
    Ok(Some(made))
}

pub(super) async fn get(client: &Client, owner: UserId, id: DestinationId) -> Result<Option<Destination>> {
    let sql = format!("SELECT {DESTINATION} FROM destinations WHERE id = $1 AND owner = $2");
    query_first(client, &sql, &[&id.0, &owner.0]).await?.as_ref().map(destination).transpose()
}

pub(super) async fn list(
    client: &Client,
    owner: UserId,
    after: Option<DestinationId>,
    limit: usize,
) -> Result<Vec<Destination>> {
    let sql = format!("SELECT {DESTINATION} FROM destinations WHERE owner = $1 AND id > $2 ORDER BY id LIMIT $3");
    let (mut destinations, mut after) = (Vec::new(), after.map_or(0, |id| id.0));
    // Again where some cannot be read: they do not count.
    while destinations.len() < limit {
        let wanted = limit - destinations.len();
        let rows = query(client, &sql, &[&owner.0, &after, &limit_of(wanted)]).await?;
        for row in &rows {
            after = column(row, 0)?;
            destinations.extend(readable(after, destination(row))?);
        }
        if rows.len() < wanted {
            break;
        }
    }
    Ok(destinations)
}

pub(super) async fn heads(client: &Client, owner: UserId, wanted: &Wanted) -> Result<Vec<DestinationHead>> {
    let (filter, ids): (&str, Option<Vec<i64>>) = match wanted {
        Wanted::All => ("", None),
        Wanted::Stopped => ("AND standing <> 0", None),
        Wanted::These(ids) => ("AND id = ANY ($2)", Some(ids.iter().map(|id| id.0).collect())),
    };
    let sql = format!("SELECT {HEAD} FROM destinations WHERE owner = $1 {filter} ORDER BY id");
    let rows = match &ids {
        Some(ids) => query(client, &sql, &[&owner.0, ids]).await?,
        None => query(client, &sql, &[&owner.0]).await?,
    };
    rows.iter().map(head).collect()
}

fn head(row: &Row) -> Result<DestinationHead> {
    Ok(DestinationHead {
        id: DestinationId(column(row, 0)?),
        name: column(row, 1)?,
        kind: column(row, 2)?,
        standing: standing(column(row, 3)?, column(row, 4)?, column(row, 5)?)?,
    })
}

pub(super) async fn to_send_to(client: &impl GenericClient, ids: &[DestinationId]) -> Result<Vec<Destination>> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let sql = format!("SELECT {DESTINATION} FROM destinations WHERE id = ANY ($1) ORDER BY id");
    query(client, &sql, &[&ids]).await?.iter().map(destination).collect()
}

pub(super) async fn uses(client: &Client, owner: UserId, ids: &[DestinationId]) -> Result<Vec<u64>> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let sql = "SELECT (SELECT count(*) FROM trigger_destinations WHERE destination_id = destinations.id)
               FROM unnest($1::bigint[]) WITH ORDINALITY AS asked (id, place)
               LEFT JOIN destinations ON destinations.id = asked.id AND owner = $2
               ORDER BY place";
    query(client, sql, &[&ids, &owner.0]).await?.iter().map(|row| whole(row, 0)).collect()
}

pub(super) async fn edit(
    shared: &Shared,
    (owner, id): (UserId, DestinationId),
    seen: i64,
    definition: &Definition,
    author: Option<&Author>,
) -> Result<Edited> {
    let mut client = shared.client_soon().await?;
    let transaction = answered(client.transaction()).await?;
    let sql = "SELECT in_order, revision FROM destinations WHERE id = $1 AND owner = $2 FOR NO KEY UPDATE";
    let Some(row) = query_first(&transaction, sql, &[&id.0, &owner.0]).await? else { return Ok(Edited::NotFound) };
    if column::<i64>(&row, 1)? != seen {
        return Ok(Edited::Stale);
    }
    let was_in_order: bool = column(&row, 0)?;
    let sql = "UPDATE destinations SET revision = revision + 1, name = $2, kind = $3, definition = $4, in_order = $5 WHERE id = $1";
    let (name, kind, text) = (&definition.name, definition.kind.word(), definition.to_text());
    execute(&transaction, sql, &[&id.0, name, &kind, &text, &definition.in_order]).await?;
    let is_due = was_in_order != definition.in_order
        && order::set(&transaction, id, definition.in_order, Timestamp::UNIX_EPOCH).await?;
    let act = Act::destination(owner, Action::Edited, id, definition.name.clone());
    act::note(&transaction, author, Some(act)).await?;
    answered(transaction.commit()).await?;
    announce(shared, owner, is_due);
    Ok(Edited::Done)
}

pub(super) async fn set_standing(
    shared: &Shared,
    (owner, id): (UserId, DestinationId),
    standing: &Standing,
    author: Option<&Author>,
    now: Timestamp,
) -> Result<bool> {
    let mut client = shared.client_soon().await?;
    let transaction = answered(client.transaction()).await?;
    let (number, since, reason) = standing_to_columns(standing);
    let sql = "UPDATE destinations SET revision = revision + 1, standing = $3, since = $4, reason = $5
               WHERE id = $1 AND owner = $2
               RETURNING name";
    let changed = query_first(&transaction, sql, &[&id.0, &owner.0, &number, &since, &reason]).await?;
    let Some(row) = changed else { return Ok(false) };
    let is_due = *standing == Standing::Active && unpark(&transaction, id, now).await?;
    let act = Act::standing(owner, id, column(&row, 0)?, standing);
    act::note(&transaction, author, Some(act)).await?;
    answered(transaction.commit()).await?;
    announce(shared, owner, is_due);
    Ok(true)
}

/// What is parked for a destination is due, and what waits for its next attempt there. A statement of its own, after the destination's row is locked: whatever was parked
/// before that is seen by it, and whoever parks after that finds the destination as it is by then.
async fn unpark(client: &impl GenericClient, id: DestinationId, now: Timestamp) -> Result<bool> {
    // Locked in the order in which settlements lock what an event owes: neither ever waits for the other in a circle.
    let sql = "WITH waiting AS MATERIALIZED (
                   SELECT event_id, slot
                   FROM outbox
                   WHERE destination = $1 AND destination > 0 AND (is_parked OR tried > 0)
                     AND (is_parked OR held_by IS NULL AND due_at > $2)
                   ORDER BY event_id, slot
                   FOR UPDATE
               )
               UPDATE outbox SET is_parked = FALSE, due_at = $2
               FROM waiting
               WHERE outbox.event_id = waiting.event_id AND outbox.slot = waiting.slot";
    Ok(execute(client, sql, &[&id.0, &now.as_microsecond()]).await? > 0)
}

pub(super) async fn suspend(
    shared: &Shared,
    id: DestinationId,
    seen: i64,
    reason: &str,
    told_by: Option<MessageId>,
    now: Timestamp,
) -> Result<bool> {
    // Before the connection is taken: whoever makes a partition needs one too.
    partition::prepare(shared, now).await?;
    let mut client = shared.client().await?;
    let transaction = answered(client.transaction()).await?;
    let sql = "UPDATE destinations SET standing = $3, since = $4, reason = $5
               WHERE id = $1 AND revision = $2 AND standing = $6
               RETURNING owner, name";
    // PostgreSQL's text cannot hold a NUL, and a receiver's words may hold anything.
    let reason = reason.replace('\0', "\u{fffd}");
    let params: super::Params<'_> = &[&id.0, &seen, &SUSPENDED, &now.as_microsecond(), &reason, &ACTIVE];
    let Some(row) = query_first(&transaction, sql, params).await? else { return Ok(false) };
    let told = streak::follow_suspension(&transaction, shared, id, &reason, told_by, now).await?;
    let owner = UserId(column(&row, 0)?);
    let standing = Standing::Suspended { since: now, reason };
    act::write_own(&transaction, &Act::standing(owner, id, column(&row, 1)?, &standing), now).await?;
    answered(transaction.commit()).await.inspect_err(|_| partition::forget_all(shared))?;
    let mut changes = Changes { destinations: [owner].into(), ..Changes::default() };
    if let Some(told) = told {
        told.finish(shared, now, &mut changes);
    }
    shared.hints.announce(&changes);
    Ok(true)
}

pub(super) async fn delete(
    shared: &Shared,
    owner: UserId,
    id: DestinationId,
    author: Option<&Author>,
    now: Timestamp,
) -> Result<Deleted> {
    let mut client = shared.client_soon().await?;
    let transaction = answered(client.transaction()).await?;
    let sql = "SELECT name FROM destinations WHERE id = $1 AND owner = $2 FOR UPDATE";
    let Some(row) = query_first(&transaction, sql, &[&id.0, &owner.0]).await? else { return Ok(Deleted::NotFound) };
    // From here on no trigger comes to name it; whichever did before is seen by the next statement.
    let sql = "SELECT count(*) FROM trigger_destinations WHERE destination_id = $1";
    let count: u64 = query_first(&transaction, sql, &[&id.0]).await?.map_or(Ok(0), |row| whole(&row, 0))?;
    if count > 0 {
        let sql = "SELECT trigger_id FROM trigger_destinations WHERE destination_id = $1 ORDER BY trigger_id LIMIT $2";
        let rows = query(&transaction, sql, &[&id.0, &limit_of(NAMED_MAX)]).await?;
        let triggers = rows.iter().map(|row| column(row, 0).map(TriggerId)).collect::<Result<_>>()?;
        return Ok(Deleted::InUse { triggers, count });
    }
    streak::forget(&transaction, id).await?;
    execute(&transaction, "DELETE FROM turns WHERE destination_id = $1", &[&id.0]).await?;
    execute(&transaction, "DELETE FROM destinations WHERE id = $1", &[&id.0]).await?;
    execute(&transaction, "DELETE FROM arrivals WHERE destination = $1", &[&id.0]).await?;
    let is_due = unpark(&transaction, id, now).await? | order::set(&transaction, id, false, now).await?;
    let act = Act::destination(owner, Action::Deleted, id, column(&row, 0)?);
    act::note(&transaction, author, Some(act)).await?;
    answered(transaction.commit()).await?;
    announce(shared, owner, is_due);
    Ok(Deleted::Done)
}

fn announce(shared: &Shared, owner: UserId, is_due: bool) {
    let mut changes = Changes { destinations: [owner].into(), ..Changes::default() };
    if is_due {
        changes.owed = true;
        changes.settled.insert(owner);
    }
    shared.hints.announce(&changes);
}

/// Whether the owner has all of these; none of them is deleted until the transaction is over.
pub(super) async fn hold_all(
    client: &impl GenericClient,
    owner: UserId,
    ids: &[DestinationId],
) -> Result<std::result::Result<(), Missing>> {
    if ids.is_empty() {
        return Ok(Ok(()));
    }
    let there = hold(client, owner, ids).await?;
    let missing = ids.iter().find(|id| !there.contains(id));
    Ok(missing.map_or(Ok(()), |id| Err(Missing::Destination(*id))))
}

/// Those of these that the owner has; none of them is deleted until the transaction is over.
pub(super) async fn hold(
    client: &impl GenericClient,
    owner: UserId,
    ids: &[DestinationId],
) -> Result<Vec<DestinationId>> {
    let numbers: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let sql = "SELECT id FROM destinations WHERE id = ANY ($1) AND owner = $2 ORDER BY id FOR KEY SHARE";
    query(client, sql, &[&numbers, &owner.0]).await?.iter().map(|row| column(row, 0).map(DestinationId)).collect()
}

/// The trigger sends to these, and to no others any more.
pub(super) async fn link(client: &impl GenericClient, trigger: TriggerId, ids: &[DestinationId]) -> Result<()> {
    unlink(client, trigger).await?;
    if ids.is_empty() {
        return Ok(());
    }
    let numbers: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let sql = "INSERT INTO trigger_destinations (destination_id, trigger_id) SELECT id, $2 FROM unnest($1::bigint[]) AS ids (id)";
    execute(client, sql, &[&numbers, &trigger.0]).await.map(drop)
}

/// The trigger sends to no destination any more.
pub(super) async fn unlink(client: &impl GenericClient, trigger: TriggerId) -> Result<()> {
    execute(client, "DELETE FROM trigger_destinations WHERE trigger_id = $1", &[&trigger.0]).await.map(drop)
}
