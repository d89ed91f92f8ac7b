//! Triggers that do not overlap, in SQLite. What the occurrences of one are not to overlap is marked in `outbox` and in `runs` when it is
//! logged, so it is found by indexes that have nothing else in them, and whatever is not marked costs nothing. Such a trigger waits in
//! `cursors` without being looked at; whoever ends something that is marked calls it up, in the same transaction.

use jiff::Timestamp;
use oncue_domain::event::Origin;
use oncue_domain::id::{TriggerId, UserId};
use oncue_domain::overlap::Before;
use oncue_domain::store::{Planned, Result};
use oncue_domain::trigger::Trigger;
use rusqlite::{Connection, OptionalExtension};

use super::failed;
use super::writer::Effects;
use crate::codec::{instant, nearest_instant};

/// Whether a row of `cursors` is that of a trigger which waited, and has not been planned since: its lateness is its own.
pub(super) const CALLED_UP: &str = "waited_until IS NOT NULL AND next_at <= waited_until";

/// The earliest occurrence that would have been carried out if anybody had been here; not what was armed for before all time.
pub(super) fn earliest_left(connection: &Connection) -> Result<Option<Timestamp>> {
    let sql = format!(
        "SELECT next_at FROM cursors WHERE NOT waits AND next_at >= ? AND NOT ({CALLED_UP}) ORDER BY next_at LIMIT 1"
    );
    let earliest: Option<i64> = connection
        .prepare_cached(&sql)
        .and_then(|mut statement| statement.query_row([Timestamp::MIN.as_microsecond()], |row| row.get(0)).optional())
        .map_err(failed)?;
    Ok(earliest.map(nearest_instant))
}

/// Whether an event of the trigger is under way whose number stands there.
pub(super) fn under_way(trigger: &str) -> String {
    format!(
        "(EXISTS (SELECT 1 FROM outbox WHERE overlap_of = {trigger})
          OR EXISTS (SELECT 1 FROM runs WHERE overlap_of = {trigger} AND due_at IS NOT NULL))"
    )
}

/// Whether a row of `backlogs` may fire: not where an event is under way of a trigger that does not overlap.
pub(super) fn may_go() -> String {
    format!(
        "NOT EXISTS (SELECT 1 FROM triggers AS its
                     WHERE its.id = backlogs.trigger_id AND its.overlap IS NOT NULL AND {under_way})",
        under_way = under_way("its.id"),
    )
}

/// Whether the trigger of a row of `cursors` waits for an event to end of which none is under way.
pub(super) fn is_forgotten() -> String {
    format!("(cursors.waits AND NOT {under_way})", under_way = under_way("cursors.trigger_id"))
}

/// How an event of that origin is marked. Tests are in nobody's way.
pub(super) fn mark(trigger: &Trigger, origin: Origin) -> Option<i64> {
    (!trigger.definition.overlap.is_allowed() && origin != Origin::Test).then_some(trigger.id.0)
}

pub(super) fn events_before(connection: &Connection, triggers: &[(UserId, TriggerId)]) -> Result<Vec<Before>> {
    let under_way = under_way("?1");
    let sql = format!(
        "SELECT {under_way}, (SELECT waited_until FROM cursors WHERE trigger_id = ?1)
         FROM triggers
         WHERE id = ?1 AND owner = ?2"
    );
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut before = Vec::with_capacity(triggers.len());
    for (owner, id) in triggers {
        let found: Option<(bool, Option<i64>)> =
            statement.query_row((id.0, owner.0), |row| Ok((row.get(0)?, row.get(1)?))).optional().map_err(failed)?;
        before.push(match found {
            Some((true, _)) => Before::UnderWay,
            Some((false, Some(ended_at))) => Before::OverSince(instant(ended_at)?),
            Some((false, None)) | None => Before::Over,
        });
    }
    Ok(before)
}

/// Whether an event of the trigger is under way, asked by whoever is about to fire it.
pub(super) fn is_under_way(connection: &Connection, trigger: TriggerId) -> Result<bool> {
    connection
        .prepare_cached(&format!("SELECT {}", under_way("?1")))
        .and_then(|mut statement| statement.query_row([trigger.0], |row| row.get(0)))
        .map_err(failed)
}

/// The trigger waits until nothing of it is under way; where nothing is by now, what was due at `now` met it all the same. False where it was
/// edited or has fired since the plan was made.
pub(super) fn wait(connection: &Connection, planned: &Planned, now: Timestamp) -> Result<bool> {
    let under_way = under_way("?1");
    let sql = format!(
        "UPDATE cursors SET waits = {under_way},
                            waited_until = iif({under_way}, NULL, coalesce(waited_until, ?4))
         WHERE trigger_id = ?1 AND next_at = ?2 AND revision = ?3"
    );
    let changed = connection
        .prepare_cached(&sql)
        .and_then(|mut statement| {
            let (armed, revision) = (planned.armed.as_microsecond(), planned.trigger.revision);
            statement.execute((planned.trigger.id.0, armed, revision, now.as_microsecond()))
        })
        .map_err(failed)?;
    Ok(changed > 0)
}

/// Something ended at `ended_at` that was marked with the trigger: it waits no more, where nothing else is under way, and what was laid up of it
/// has its turn again. What fell due up to then met it, whether anybody had looked at the trigger meanwhile or not.
pub(super) fn call_up(
    connection: &Connection,
    effects: &mut Effects,
    marked: Option<i64>,
    ended_at: Timestamp,
) -> Result<()> {
    let Some(trigger) = marked else { return Ok(()) };
    let under_way = under_way("?1");
    let sql = format!(
        "UPDATE cursors SET waits = 0, waited_until = ?2
         WHERE trigger_id = ?1 AND (waits OR next_at <= ?2) AND NOT {under_way}"
    );
    let changed = connection
        .prepare_cached(&sql)
        .and_then(|mut statement| statement.execute((trigger, ended_at.as_microsecond())))
        .map_err(failed)?;
    effects.armed |= changed > 0;
    if !effects.armed {
        effects.armed = connection
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM backlogs WHERE trigger_id = ?)")
            .and_then(|mut statement| statement.query_row([trigger], |row| row.get(0)))
            .map_err(failed)?;
    }
    Ok(())
}

/// So many of those that wait are looked at by one transaction.
const SWEPT_MAX: usize = 5_000;

/// Where a sweep over what waits begins, and goes on.
pub(super) type Swept = (i64, i64);

/// Before everything that waits.
pub(super) const FROM_THE_FIRST: Swept = (i64::MIN, i64::MIN);

/// Calls up those that wait although nothing of theirs is under way, a slice of all that wait. Whoever ends something calls up in the same
/// transaction, so there are none, unless events went by their age or somebody wrote into the tables. Where the next slice begins; none after the
/// last.
pub(super) fn sweep(
    connection: &Connection,
    effects: &mut Effects,
    (next_at, trigger): Swept,
    now: Timestamp,
) -> Result<Option<Swept>> {
    let waiting: Vec<(i64, i64)> = connection
        .prepare_cached(
            "SELECT next_at, trigger_id
             FROM cursors INDEXED BY cursors_waiting
             WHERE waits AND (next_at, trigger_id) > (?, ?)
             ORDER BY next_at, trigger_id
             LIMIT ?",
        )
        .and_then(|mut statement| {
            let rows = statement.query_map((next_at, trigger, SWEPT_MAX), |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        })
        .map_err(failed)?;
    for (_, trigger) in &waiting {
        call_up(connection, effects, Some(*trigger), now)?;
    }
    Ok(waiting.last().copied().filter(|_| waiting.len() == SWEPT_MAX))
}

/// The auditor found that one waits for nothing: it is called up, if that still is so.
pub(super) fn remember(connection: &Connection, effects: &mut Effects, id: TriggerId, now: Timestamp) -> Result<bool> {
    let sql = format!(
        "UPDATE cursors SET waits = 0, waited_until = ?2 WHERE trigger_id = ?1 AND {is_forgotten}",
        is_forgotten = is_forgotten()
    );
    let changed = connection
        .prepare_cached(&sql)
        .and_then(|mut statement| statement.execute((id.0, now.as_microsecond())))
        .map_err(failed)?;
    effects.armed |= changed > 0;
    Ok(changed > 0)
}
