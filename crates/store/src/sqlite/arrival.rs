//! Arrivals in SQLite: what inboxes keep, and the room there is for it.

use oncue_domain::arrival::{Arrival, Arrived, Contents, crowded_out, makes_room};
use oncue_domain::id::{ArrivalId, DestinationId, EventId, UserId};
use oncue_domain::store::Result;
use rusqlite::{Connection, Row};

use super::writer::Effects;
use super::{destination, failed};
use crate::codec::{check, check_to_columns, headers, headers_to_text, instant, waited, waited_to_number};

const ARRIVAL: &str = "id, destination, event_id, slot, attempt, arrived_at, method, body_bytes, signed_by, unverified, status, waited_us";

fn arrival(row: &Row<'_>) -> Result<Arrival> {
    Ok(Arrival {
        id: ArrivalId(row.get(0).map_err(failed)?),
        arrived: Arrived {
            destination: DestinationId(row.get(1).map_err(failed)?),
            event: EventId(row.get(2).map_err(failed)?),
            slot: row.get(3).map_err(failed)?,
            attempt: row.get(4).map_err(failed)?,
            at: instant(row.get(5).map_err(failed)?)?,
            method: row.get(6).map_err(failed)?,
            body_bytes: row.get(7).map_err(failed)?,
            check: check(row.get(8).map_err(failed)?, row.get(9).map_err(failed)?),
            answer: row.get(10).map_err(failed)?,
            waited: waited(row.get(11).map_err(failed)?),
        },
    })
}

pub(super) fn arrive(
    connection: &Connection,
    effects: &mut Effects,
    owner: UserId,
    arrived: &Arrived,
    contents: &Contents,
) -> Result<bool> {
    if !destination::is_owners(connection, owner, arrived.destination)? {
        return Ok(false);
    }
    let (signed_by, unverified) = check_to_columns(&arrived.check);
    connection
        .prepare_cached(
            "INSERT INTO arrivals (owner, destination, event_id, slot, attempt, arrived_at, method, body_bytes, signed_by,
                                   unverified, status, waited_us, headers, size, body)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .and_then(|mut statement| {
            statement.execute((
                owner.0,
                arrived.destination.0,
                arrived.event.0,
                arrived.slot,
                arrived.attempt,
                arrived.at.as_microsecond(),
                &arrived.method,
                arrived.body_bytes,
                signed_by,
                unverified,
                arrived.answer,
                waited_to_number(arrived.waited),
                headers_to_text(&contents.headers),
                contents.size(),
                &contents.body,
            ))
        })
        .map_err(failed)?;
    if makes_room(ArrivalId(connection.last_insert_rowid()), contents.size()) {
        make_room(connection, owner)?;
    }
    effects.settled.insert(owner);
    Ok(true)
}

fn make_room(connection: &Connection, owner: UserId) -> Result<()> {
    let mut statement =
        connection.prepare_cached("SELECT id, size FROM arrivals WHERE owner = ? ORDER BY id DESC").map_err(failed)?;
    let sizes = statement
        .query_map([owner.0], |row| Ok((ArrivalId(row.get(0)?), row.get(1)?)))
        .and_then(Iterator::collect::<rusqlite::Result<Vec<(ArrivalId, u64)>>>)
        .map_err(failed)?;
    if let Some(last) = crowded_out(sizes) {
        connection
            .prepare_cached("DELETE FROM arrivals WHERE owner = ? AND id <= ?")
            .and_then(|mut statement| statement.execute((owner.0, last.0)))
            .map_err(failed)?;
    }
    Ok(())
}

pub(super) fn list(
    connection: &Connection,
    owner: UserId,
    destination: DestinationId,
    before: Option<ArrivalId>,
    limit: usize,
) -> Result<Vec<Arrival>> {
    let sql = format!(
        "SELECT {ARRIVAL} FROM arrivals INDEXED BY arrivals_by_destination
         WHERE destination = ?1 AND owner = ?2 AND id < ?3 ORDER BY id DESC LIMIT ?4"
    );
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let below = before.map_or(i64::MAX, |before| before.0);
    let mut rows = statement.query((destination.0, owner.0, below, limit)).map_err(failed)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        found.push(arrival(row)?);
    }
    Ok(found)
}

pub(super) fn get(connection: &Connection, owner: UserId, id: ArrivalId) -> Result<Option<(Arrival, Contents)>> {
    let sql = format!("SELECT {ARRIVAL}, headers, body FROM arrivals WHERE id = ? AND owner = ?");
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query((id.0, owner.0)).map_err(failed)?;
    let Some(row) = rows.next().map_err(failed)? else { return Ok(None) };
    let text: String = row.get(12).map_err(failed)?;
    let contents = Contents { headers: headers(&text)?, body: row.get(13).map_err(failed)? };
    Ok(Some((arrival(row)?, contents)))
}
