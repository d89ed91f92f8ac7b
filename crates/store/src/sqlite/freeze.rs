//! Freezes in SQLite: a handful of rows, and beside them the edition that plans are compared with.

use jiff::Timestamp;
use oncue_domain::actor::Actor;
use oncue_domain::freeze::{FREEZES_MAX, Freeze, Freezes, Said, remembered_since};
use oncue_domain::id::UserId;
use oncue_domain::store::Result;
use rusqlite::{Connection, OptionalExtension, Row};

use super::failed;
use super::writer::Effects;
use crate::codec::{NOBODYS, actor, actor_to_text, ended, instant};

const FREEZE: &str = "owner, reason, from_at, until_at, made_by";

fn freeze_of(row: &Row<'_>) -> Result<Freeze> {
    let owner: i64 = row.get(0).map_err(failed)?;
    let until: Option<i64> = row.get(3).map_err(failed)?;
    let by: String = row.get(4).map_err(failed)?;
    Ok(Freeze {
        owner: (owner != NOBODYS).then_some(UserId(owner)),
        reason: row.get(1).map_err(failed)?,
        from: instant(row.get(2).map_err(failed)?)?,
        until: until.map(instant).transpose()?,
        by: actor(&by)?,
    })
}

fn number_of(scope: Option<UserId>) -> i64 {
    scope.map_or(NOBODYS, |owner| owner.0)
}

/// The number of the freeze of that scope that stands at `now`, and the freeze.
fn holding(connection: &Connection, scope: Option<UserId>, now: Timestamp) -> Result<Option<(i64, Freeze)>> {
    let sql = format!(
        "SELECT {FREEZE}, id FROM freezes
         WHERE owner = ?1 AND (until_at IS NULL OR until_at > ?2)
         ORDER BY from_at, id LIMIT 1"
    );
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query((number_of(scope), now.as_microsecond())).map_err(failed)?;
    let Some(row) = rows.next().map_err(failed)? else { return Ok(None) };
    Ok(Some((row.get(5).map_err(failed)?, freeze_of(row)?)))
}

/// From now on it is another edition.
fn turn(connection: &Connection, effects: &mut Effects, scope: Option<UserId>) -> Result<()> {
    effects.edited.extend(scope);
    effects.frozen |= scope.is_none();
    connection.execute("UPDATE freezing SET edition = edition + 1", []).map(drop).map_err(failed)
}

pub(super) fn freeze(
    connection: &Connection,
    effects: &mut Effects,
    scope: Option<UserId>,
    said: &Said,
    by: &Actor,
    now: Timestamp,
) -> Result<Freeze> {
    turn(connection, effects, scope)?;
    let (reason, until) = (said.reason.clone(), said.until);
    let until_at = until.map(Timestamp::as_microsecond);
    if let Some((id, held)) = holding(connection, scope, now)? {
        connection
            .execute(
                "UPDATE freezes SET reason = ?2, until_at = ?3, made_by = ?4 WHERE id = ?1",
                (id, &reason, until_at, actor_to_text(by)),
            )
            .map_err(failed)?;
        return Ok(Freeze { reason, until, by: by.clone(), ..held });
    }
    let forgotten = remembered_since(now);
    connection.execute("DELETE FROM freezes WHERE until_at <= ?", [forgotten.as_microsecond()]).map_err(failed)?;
    connection
        .execute(
            "INSERT INTO freezes (owner, reason, from_at, until_at, made_by) VALUES (?, ?, ?, ?, ?)",
            (number_of(scope), &reason, now.as_microsecond(), until_at, actor_to_text(by)),
        )
        .map_err(failed)?;
    connection
        .execute(
            "DELETE FROM freezes
             WHERE owner = ?1 AND id NOT IN (SELECT id FROM freezes WHERE owner = ?1 ORDER BY from_at DESC, id DESC LIMIT ?2)",
            (number_of(scope), FREEZES_MAX),
        )
        .map_err(failed)?;
    Ok(Freeze { owner: scope, reason, from: now, until, by: by.clone() })
}

pub(super) fn thaw(
    connection: &Connection,
    effects: &mut Effects,
    scope: Option<UserId>,
    now: Timestamp,
) -> Result<Option<Freeze>> {
    let Some((_, held)) = holding(connection, scope, now)? else { return Ok(None) };
    turn(connection, effects, scope)?;
    // There are two where a clock was put back; whoever thaws means both.
    connection
        .execute(
            "UPDATE freezes SET until_at = ?2, told_until = ?2 WHERE owner = ?1 AND (until_at IS NULL OR until_at > ?2)",
            (number_of(scope), now.as_microsecond()),
        )
        .map_err(failed)?;
    Ok(Some(Freeze { until: Some(now), ..held }))
}

/// Notes of the freezes that are meant by `which` that somebody has told of their ends, and gives them, none for one that cannot be read: the earliest
/// end first, at most `limit`.
pub(super) fn end_told(
    connection: &Connection,
    which: &str,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<Option<Freeze>>> {
    let sql = format!("SELECT {FREEZE}, id FROM freezes WHERE {which} ORDER BY until_at, owner, from_at, id LIMIT ?2");
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query((now.as_microsecond(), limit)).map_err(failed)?;
    let mut over = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let id: i64 = row.get(5).map_err(failed)?;
        over.push((id, ended("freeze", id, freeze_of(row))?));
    }
    let mut freezes = Vec::new();
    for (id, freeze) in over {
        connection.execute("UPDATE freezes SET told_until = until_at WHERE id = ?", [id]).map_err(failed)?;
        freezes.push(freeze);
    }
    Ok(freezes)
}

/// The freezes that were not over at `since`: of one owner and of everybody, or all.
pub(super) fn list(connection: &Connection, owner: Option<UserId>, since: Timestamp) -> Result<Vec<Freeze>> {
    // Every page asks for those of one owner, which are few among everybody's.
    let whose = owner.map_or(String::new(), |_| format!("owner IN (?2, {NOBODYS}) AND "));
    let sql =
        format!("SELECT {FREEZE} FROM freezes WHERE {whose}(until_at IS NULL OR until_at > ?1) ORDER BY from_at, id");
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let since = since.as_microsecond();
    let mut rows = match owner {
        Some(owner) => statement.query((since, owner.0)),
        None => statement.query([since]),
    }
    .map_err(failed)?;
    let mut freezes = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        freezes.push(freeze_of(row)?);
    }
    Ok(freezes)
}

/// Which edition of the freezes there is.
pub(super) fn edition(connection: &Connection) -> Result<i64> {
    let edition: Option<i64> = connection
        .prepare_cached("SELECT edition FROM freezing")
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)).optional())
        .map_err(failed)?;
    Ok(edition.unwrap_or_default())
}

/// All that may matter to plans, as of one moment.
pub(super) fn all(connection: &Connection, since: Timestamp) -> Result<Freezes> {
    // A list that is newer than its edition makes plans stale, and never lets one pass.
    let edition = edition(connection)?;
    Ok(Freezes { edition, all: list(connection, None, since)? })
}
