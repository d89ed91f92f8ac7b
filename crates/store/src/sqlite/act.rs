//! Who did what, in SQLite: written by the one writer, with what is changed.

use jiff::Timestamp;
use oncue_domain::act::{ACTS_KEPT, ACTS_MAX, Act, ActFilter, Action, Entry, Thing, makes_room};
use oncue_domain::actor::{Actor, Author};
use oncue_domain::id::{TriggerId, UserId};
use oncue_domain::store::Result;
use rusqlite::{Connection, OptionalExtension, Row};

use super::failed;
use crate::codec::{NOBODYS, actor, actor_to_text, broken, instant};

/// Writes down what this one did.
pub(super) fn write(connection: &Connection, author: &Author, act: &Act) -> Result<()> {
    let owner = act.owner.map_or(NOBODYS, |owner| owner.0);
    connection
        .prepare_cached(
            "INSERT INTO acts (owner, done_at, by_kind, by_id, made_by, action, thing, thing_id, name, details)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .and_then(|mut statement| {
            statement.execute((
                owner,
                author.at.as_microsecond(),
                author.by.who.word(),
                author.by.who.id(),
                actor_to_text(&author.by),
                act.action.word(),
                act.thing.word(),
                act.id,
                &act.name,
                &act.details,
            ))
        })
        .map_err(failed)?;
    if makes_room(connection.last_insert_rowid()) {
        connection
            .prepare_cached(
                "DELETE FROM acts
                 WHERE owner = ?1 AND id <= (SELECT id FROM acts WHERE owner = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
            )
            .and_then(|mut statement| statement.execute((owner, ACTS_MAX)))
            .map_err(failed)?;
    }
    Ok(())
}

/// Writes down what oncue did of itself.
pub(super) fn write_own(connection: &Connection, act: &Act, now: Timestamp) -> Result<()> {
    write(connection, &Author { by: Actor::SYSTEM, at: now }, act)
}

/// What a trigger was called that has just been deleted.
pub(super) fn last_name(connection: &Connection, trigger: TriggerId) -> Result<Option<String>> {
    connection
        .prepare_cached("SELECT name FROM revisions WHERE trigger_id = ? ORDER BY revision DESC LIMIT 1")
        .and_then(|mut statement| statement.query_row([trigger.0], |row| row.get(0)).optional())
        .map(Option::flatten)
        .map_err(failed)
}

pub(super) fn list(
    connection: &Connection,
    filter: &ActFilter,
    before: Option<i64>,
    limit: usize,
) -> Result<Vec<Entry>> {
    let mut statement = connection
        .prepare_cached(
            "SELECT id, owner, done_at, made_by, action, thing, thing_id, name, details
             FROM acts
             WHERE owner IN (?1, ?2) AND id < ?3
               AND (?4 IS NULL OR action = ?4) AND (?5 IS NULL OR thing = ?5) AND (?6 IS NULL OR thing_id = ?6)
               AND (?7 IS NULL OR by_kind = ?7) AND (?8 IS NULL OR by_id = ?8)
             ORDER BY id DESC
             LIMIT ?9",
        )
        .map_err(failed)?;
    let mut rows = statement
        .query((
            filter.owner.0,
            if filter.with_server { NOBODYS } else { filter.owner.0 },
            before.unwrap_or(i64::MAX),
            filter.action.map(Action::word),
            filter.thing.map(Thing::word),
            filter.id,
            filter.by,
            filter.by_id,
            limit,
        ))
        .map_err(failed)?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        entries.push(entry(row)?);
    }
    Ok(entries)
}

fn entry(row: &Row<'_>) -> Result<Entry> {
    let owner: i64 = row.get(1).map_err(failed)?;
    let (by, action, thing): (String, String, String) =
        (row.get(3).map_err(failed)?, row.get(4).map_err(failed)?, row.get(5).map_err(failed)?);
    Ok(Entry {
        id: row.get(0).map_err(failed)?,
        at: instant(row.get(2).map_err(failed)?)?,
        by: actor(&by)?,
        act: Act {
            owner: (owner != NOBODYS).then_some(UserId(owner)),
            action: Action::from_word(&action).ok_or_else(|| broken("action", &action))?,
            thing: Thing::from_word(&thing).ok_or_else(|| broken("thing", &thing))?,
            id: row.get(6).map_err(failed)?,
            name: row.get(7).map_err(failed)?,
            details: row.get(8).map_err(failed)?,
        },
    })
}

/// Removes what is too old; gives how many that were.
pub(super) fn expire(connection: &Connection, now: Timestamp, limit: usize) -> Result<usize> {
    let gone_until = now.checked_sub(ACTS_KEPT).unwrap_or(Timestamp::MIN);
    connection
        .prepare_cached(
            "DELETE FROM acts WHERE id IN (SELECT id FROM acts WHERE done_at <= ? ORDER BY done_at, id LIMIT ?)",
        )
        .and_then(|mut statement| statement.execute((gone_until.as_microsecond(), limit)))
        .map_err(failed)
}
