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
use crate::codec::instant;

/// Whether an event of the trigger `?1` is under way.
const IS_UNDER_WAY: &str = "(EXISTS (SELECT 1 FROM outbox WHERE overlap_of = ?1)
                             OR EXISTS (SELECT 1 FROM runs WHERE overlap_of = ?1 AND due_at IS NOT NULL))";

/// Whether a row of `backlogs` may fire: not where an event is under way of a trigger that does not overlap.
pub(super) const MAY_GO: &str = "NOT EXISTS (
        SELECT 1 FROM triggers AS its
        WHERE its.id = backlogs.trigger_id AND its.overlap IS NOT NULL
          AND (EXISTS (SELECT 1 FROM outbox WHERE overlap_of = its.id)
               OR EXISTS (SELECT 1 FROM runs WHERE overlap_of = its.id AND due_at IS NOT NULL))
    )";

/// How an event of that origin is marked. Tests are in nobody's way.
pub(super) fn mark(trigger: &Trigger, origin: Origin) -> Option<i64> {
    (!trigger.definition.overlap.is_allowed() && origin != Origin::Test).then_some(trigger.id.0)
}

pub(super) fn events_before(connection: &Connection, triggers: &[(UserId, TriggerId)]) -> Result<Vec<Before>> {
    let sql = format!(
        "SELECT {IS_UNDER_WAY}, (SELECT waited_until FROM cursors WHERE trigger_id = ?1)
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
        .prepare_cached(&format!("SELECT {IS_UNDER_WAY}"))
        .and_then(|mut statement| statement.query_row([trigger.0], |row| row.get(0)))
        .map_err(failed)
}

/// The trigger waits until nothing of it is under way, if anything still is. False where it was edited or has fired since the plan was made.
pub(super) fn wait(connection: &Connection, planned: &Planned) -> Result<bool> {
    let sql = format!(
        "UPDATE cursors SET waits = {IS_UNDER_WAY}
         WHERE trigger_id = ?1 AND next_at = ?2 AND revision = ?3"
    );
    let changed = connection
        .prepare_cached(&sql)
        .and_then(|mut statement| {
            statement.execute((planned.trigger.id.0, planned.armed.as_microsecond(), planned.trigger.revision))
        })
        .map_err(failed)?;
    Ok(changed > 0)
}

/// Something ended at `ended_at` that was marked with the trigger: it waits no more, where nothing else is under way, and what was laid up of it
/// has its turn again.
pub(super) fn call_up(
    connection: &Connection,
    effects: &mut Effects,
    marked: Option<i64>,
    ended_at: Timestamp,
) -> Result<()> {
    let Some(trigger) = marked else { return Ok(()) };
    let sql = format!(
        "UPDATE cursors SET waits = 0, waited_until = ?2
         WHERE trigger_id = ?1 AND waits AND NOT {IS_UNDER_WAY}"
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

/// The same for all triggers that wait, after what was under way has gone by itself.
pub(super) fn call_up_all(connection: &Connection, effects: &mut Effects, now: Timestamp) -> Result<()> {
    let waiting: Vec<i64> = connection
        .prepare_cached("SELECT trigger_id FROM cursors INDEXED BY cursors_waiting WHERE waits AND next_at <= ?")
        .and_then(|mut statement| statement.query_map([i64::MAX], |row| row.get(0))?.collect())
        .map_err(failed)?;
    for trigger in waiting {
        call_up(connection, effects, Some(trigger), now)?;
    }
    Ok(())
}
