//! Destinations in SQLite: what owners say about them, whether they take deliveries, and who sends to them.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use oncue_domain::act::{Act, Action};
use oncue_domain::destination::{DESTINATIONS_MAX, Definition, Destination, DestinationHead, Standing, Wanted};
use oncue_domain::id::{DestinationId, MessageId, TriggerId, UserId};
use oncue_domain::store::{Deleted, Edited, Missing, NAMED_MAX, Result};
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};

use super::writer::Effects;
use super::{Shared, act, delivery, failed, order, streak};
use crate::codec::{ACTIVE, SUSPENDED, definition_from_text, instant, readable, standing, standing_to_columns};

const DESTINATION: &str = "id, owner, revision, definition, standing, since, reason, created_at";

const HEAD: &str = "id, name, kind, standing, since, reason";

fn destination(row: &Row<'_>) -> Result<Destination> {
    let definition: String = row.get(3).map_err(failed)?;
    Ok(Destination {
        id: DestinationId(row.get(0).map_err(failed)?),
        owner: UserId(row.get(1).map_err(failed)?),
        revision: row.get(2).map_err(failed)?,
        definition: Arc::new(definition_from_text(&definition)?),
        standing: standing(row.get(4).map_err(failed)?, row.get(5).map_err(failed)?, row.get(6).map_err(failed)?)?,
        created_at: instant(row.get(7).map_err(failed)?)?,
    })
}

pub(super) fn create(
    connection: &Connection,
    effects: &mut Effects,
    owner: UserId,
    definition: &Definition,
    now: Timestamp,
) -> Result<Option<Destination>> {
    let count: usize = connection
        .prepare_cached("SELECT count(*) FROM destinations WHERE owner = ?")
        .and_then(|mut statement| statement.query_row([owner.0], |row| row.get(0)))
        .map_err(failed)?;
    if count >= DESTINATIONS_MAX {
        return Ok(None);
    }
    connection
        .prepare_cached(
            "INSERT INTO destinations (owner, revision, name, kind, definition, standing, created_at, in_order)
             VALUES (?, 1, ?, ?, ?, ?, ?, ?)",
        )
        .and_then(|mut statement| {
            let (name, kind) = (&definition.name, definition.kind.word());
            let (text, is_in_order) = (definition.to_text(), definition.in_order);
            statement.execute((owner.0, name, kind, text, ACTIVE, now.as_microsecond(), is_in_order))
        })
        .map_err(failed)?;
    effects.destinations.insert(owner);
    Ok(Some(Destination {
        id: DestinationId(connection.last_insert_rowid()),
        owner,
        revision: 1,
        definition: Arc::new(definition.clone()),
        standing: Standing::Active,
        created_at: now,
    }))
}

pub(super) fn get(connection: &Connection, owner: UserId, id: DestinationId) -> Result<Option<Destination>> {
    let sql = format!("SELECT {DESTINATION} FROM destinations WHERE id = ? AND owner = ?");
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query((id.0, owner.0)).map_err(failed)?;
    rows.next().map_err(failed)?.map(destination).transpose()
}

pub(super) fn list(
    connection: &Connection,
    owner: UserId,
    after: Option<DestinationId>,
    limit: usize,
) -> Result<Vec<Destination>> {
    // Without a limit, because some may not count; nothing is read beyond what is asked for.
    let sql = format!("SELECT {DESTINATION} FROM destinations WHERE owner = ? AND id > ? ORDER BY id");
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query((owner.0, after.map_or(0, |id| id.0))).map_err(failed)?;
    let mut destinations = Vec::new();
    while destinations.len() < limit
        && let Some(row) = rows.next().map_err(failed)?
    {
        destinations.extend(readable(row.get(0).map_err(failed)?, destination(row))?);
    }
    Ok(destinations)
}

pub(super) fn heads(connection: &Connection, owner: UserId, wanted: &Wanted) -> Result<Vec<DestinationHead>> {
    let read = |filter: &str, numbers: &[i64]| -> Result<Vec<DestinationHead>> {
        let sql = format!("SELECT {HEAD} FROM destinations WHERE owner = ? {filter} ORDER BY id");
        let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
        let params = [owner.0].into_iter().chain(numbers.iter().copied());
        let mut rows = statement.query(params_from_iter(params)).map_err(failed)?;
        let mut heads = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            heads.push(head(row)?);
        }
        Ok(heads)
    };
    match wanted {
        Wanted::All => read("", &[]),
        Wanted::Stopped => read("AND standing <> 0", &[]),
        Wanted::These(ids) => {
            let ids: BTreeSet<i64> = ids.iter().map(|id| id.0).collect();
            let found: Result<Vec<_>> = ids.into_iter().map(|id| read("AND id = ?", &[id])).collect();
            Ok(found?.into_iter().flatten().collect())
        }
    }
}

fn head(row: &Row<'_>) -> Result<DestinationHead> {
    Ok(DestinationHead {
        id: DestinationId(row.get(0).map_err(failed)?),
        name: row.get(1).map_err(failed)?,
        kind: row.get(2).map_err(failed)?,
        standing: standing(row.get(3).map_err(failed)?, row.get(4).map_err(failed)?, row.get(5).map_err(failed)?)?,
    })
}

pub(super) fn to_send_to(connection: &Connection, ids: &[DestinationId]) -> Result<Vec<Destination>> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids.dedup();
    let sql = format!("SELECT {DESTINATION} FROM destinations WHERE id = ?");
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut found = Vec::new();
    for id in ids {
        let mut rows = statement.query([id.0]).map_err(failed)?;
        if let Some(row) = rows.next().map_err(failed)? {
            found.push(destination(row)?);
        }
    }
    Ok(found)
}

pub(super) fn uses(connection: &Connection, owner: UserId, ids: &[DestinationId]) -> Result<Vec<u64>> {
    let sql = "SELECT count(*)
               FROM destinations
               JOIN trigger_destinations ON destination_id = destinations.id
               WHERE destinations.id = ? AND owner = ?";
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    ids.iter().map(|id| statement.query_row((id.0, owner.0), |row| row.get(0)).map_err(failed)).collect()
}

pub(super) fn edit(
    connection: &Connection,
    effects: &mut Effects,
    owner: UserId,
    id: DestinationId,
    seen: i64,
    definition: &Definition,
) -> Result<Edited> {
    let was_in_order = order::is_asked_for(connection, id)?;
    let changed = connection
        .prepare_cached(
            "UPDATE destinations SET revision = revision + 1, name = ?4, kind = ?5, definition = ?6, in_order = ?7
             WHERE id = ?1 AND owner = ?2 AND revision = ?3",
        )
        .and_then(|mut statement| {
            let (name, kind) = (&definition.name, definition.kind.word());
            statement.execute((id.0, owner.0, seen, name, kind, definition.to_text(), definition.in_order))
        })
        .map_err(failed)?;
    if changed == 0 {
        return Ok(if is_owners(connection, owner, id)? { Edited::Stale } else { Edited::NotFound });
    }
    if was_in_order != definition.in_order {
        effects.owed |= order::set(connection, id, definition.in_order, Timestamp::UNIX_EPOCH)?;
    }
    effects.destinations.insert(owner);
    Ok(Edited::Done)
}

pub(super) fn is_owners(connection: &Connection, owner: UserId, id: DestinationId) -> Result<bool> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM destinations WHERE id = ? AND owner = ?)")
        .and_then(|mut statement| statement.query_row((id.0, owner.0), |row| row.get(0)))
        .map_err(failed)
}

/// Gives what was done, if the owner has such a destination.
pub(super) fn set_standing(
    connection: &Connection,
    effects: &mut Effects,
    owner: UserId,
    id: DestinationId,
    standing: &Standing,
    now: Timestamp,
) -> Result<Option<Act>> {
    let (number, since, reason) = standing_to_columns(standing);
    let name: Option<String> = connection
        .prepare_cached(
            "UPDATE destinations SET revision = revision + 1, standing = ?3, since = ?4, reason = ?5
             WHERE id = ?1 AND owner = ?2
             RETURNING name",
        )
        .and_then(|mut statement| {
            statement.query_row((id.0, owner.0, number, since, reason), |row| row.get(0)).optional()
        })
        .map_err(failed)?;
    let Some(name) = name else { return Ok(None) };
    effects.destinations.insert(owner);
    if *standing == Standing::Active {
        delivery::unpark(connection, effects, owner, id, now)?;
    }
    Ok(Some(Act::standing(owner, id, name, standing)))
}

#[expect(clippy::too_many_arguments, reason = "three of them are what every job has")]
pub(super) fn suspend(
    connection: &Connection,
    effects: &mut Effects,
    shared: &Shared,
    id: DestinationId,
    seen: i64,
    reason: &str,
    told_by: Option<MessageId>,
    now: Timestamp,
) -> Result<bool> {
    let suspended: Option<(i64, String)> = connection
        .prepare_cached(
            "UPDATE destinations SET standing = ?3, since = ?4, reason = ?5
             WHERE id = ?1 AND revision = ?2 AND standing = ?6
             RETURNING owner, name",
        )
        .and_then(|mut statement| {
            let params = (id.0, seen, SUSPENDED, now.as_microsecond(), reason, ACTIVE);
            statement.query_row(params, |row| Ok((row.get(0)?, row.get(1)?))).optional()
        })
        .map_err(failed)?;
    let Some((owner, name)) = suspended else { return Ok(false) };
    effects.destinations.insert(UserId(owner));
    let standing = Standing::Suspended { since: now, reason: reason.to_owned() };
    act::write_own(connection, &Act::standing(UserId(owner), id, name, &standing), now)?;
    streak::follow_suspension(connection, effects, shared, id, reason, told_by, now)?;
    Ok(true)
}

fn name_of(connection: &Connection, owner: UserId, id: DestinationId) -> Result<Option<String>> {
    connection
        .prepare_cached("SELECT name FROM destinations WHERE id = ? AND owner = ?")
        .and_then(|mut statement| statement.query_row((id.0, owner.0), |row| row.get(0)).optional())
        .map_err(failed)
}

/// Gives what was done as well, if it was.
pub(super) fn delete(
    connection: &Connection,
    effects: &mut Effects,
    owner: UserId,
    id: DestinationId,
    now: Timestamp,
) -> Result<(Deleted, Option<Act>)> {
    let Some(name) = name_of(connection, owner, id)? else { return Ok((Deleted::NotFound, None)) };
    let count: u64 = connection
        .prepare_cached("SELECT count(*) FROM trigger_destinations WHERE destination_id = ?")
        .and_then(|mut statement| statement.query_row([id.0], |row| row.get(0)))
        .map_err(failed)?;
    if count > 0 {
        let triggers = connection
            .prepare_cached(
                "SELECT trigger_id FROM trigger_destinations WHERE destination_id = ? ORDER BY trigger_id LIMIT ?",
            )
            .and_then(|mut statement| {
                statement.query_map((id.0, NAMED_MAX), |row| row.get(0).map(TriggerId))?.collect()
            })
            .map_err(failed)?;
        return Ok((Deleted::InUse { triggers, count }, None));
    }
    streak::forget(connection, id)?;
    for sql in [
        "DELETE FROM turns WHERE destination_id = ?",
        "DELETE FROM arrivals WHERE destination = ?",
        "DELETE FROM destinations WHERE id = ?",
    ] {
        connection.prepare_cached(sql).and_then(|mut statement| statement.execute([id.0])).map_err(failed)?;
    }
    effects.destinations.insert(owner);
    delivery::unpark(connection, effects, owner, id, now)?;
    effects.owed |= order::set(connection, id, false, now)?;
    Ok((Deleted::Done, Some(Act::destination(owner, Action::Deleted, id, name))))
}

/// Whether the owner has all of these.
pub(super) fn has_all(
    connection: &Connection,
    owner: UserId,
    ids: &[DestinationId],
) -> Result<std::result::Result<(), Missing>> {
    for id in ids {
        if !is_owners(connection, owner, *id)? {
            return Ok(Err(Missing::Destination(*id)));
        }
    }
    Ok(Ok(()))
}

/// The trigger sends to these, and to no others any more.
pub(super) fn link(connection: &Connection, trigger: TriggerId, ids: &[DestinationId]) -> Result<()> {
    unlink(connection, trigger)?;
    for id in ids {
        connection
            .prepare_cached("INSERT INTO trigger_destinations (destination_id, trigger_id) VALUES (?, ?)")
            .and_then(|mut statement| statement.execute((id.0, trigger.0)))
            .map_err(failed)?;
    }
    Ok(())
}

/// The trigger sends to no destination any more.
pub(super) fn unlink(connection: &Connection, trigger: TriggerId) -> Result<()> {
    connection
        .prepare_cached("DELETE FROM trigger_destinations WHERE trigger_id = ?")
        .and_then(|mut statement| statement.execute([trigger.0]))
        .map_err(failed)?;
    Ok(())
}
