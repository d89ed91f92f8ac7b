//! Calendars in SQLite: what owners say about them, and which triggers name them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use oncue_domain::actor::Actor;
use oncue_domain::calendar::{CALENDARS_MAX, Calendar, Definition, TRIGGERS_MAX};
use oncue_domain::freeze::remembered_since;
use oncue_domain::id::{CalendarId, TriggerId, UserId};
use oncue_domain::store::{
    CalendarEdited, CalendarMade, CalendarView, Deleted, Edited, Error, Follower, Missing, NAMED_MAX, Result,
};
use oncue_domain::trigger::{self, Armed};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::trigger::{TRIGGER, armed, edit as edit_trigger};
use super::writer::Effects;
use super::{Shared, failed, freeze};
use crate::codec::{broken, dates_from_text, dates_to_text, instant};

const VIEW: &str = "id, owner, revision, name, description, dates, created_at, edited_at,
                    (SELECT count(*) FROM trigger_calendars WHERE calendar_id = calendars.id)";

fn view(row: &Row<'_>) -> Result<CalendarView> {
    let dates: String = row.get(5).map_err(failed)?;
    let definition = Definition {
        name: row.get(3).map_err(failed)?,
        description: row.get(4).map_err(failed)?,
        dates: dates_from_text(&dates)?,
    };
    let calendar = Calendar {
        id: CalendarId(row.get(0).map_err(failed)?),
        owner: UserId(row.get(1).map_err(failed)?),
        revision: row.get(2).map_err(failed)?,
        definition,
        created_at: instant(row.get(6).map_err(failed)?)?,
        edited_at: instant(row.get(7).map_err(failed)?)?,
    };
    Ok(CalendarView { calendar, used_by: row.get(8).map_err(failed)? })
}

pub(super) fn create(
    connection: &Connection,
    owner: UserId,
    definition: &Definition,
    now: Timestamp,
) -> Result<CalendarMade> {
    let there: usize = connection
        .prepare_cached("SELECT count(*) FROM calendars WHERE owner = ?")
        .and_then(|mut statement| statement.query_row([owner.0], |row| row.get(0)))
        .map_err(failed)?;
    if there >= CALENDARS_MAX {
        return Ok(CalendarMade::Full);
    }
    if is_taken(connection, owner, &definition.name, CalendarId(0))? {
        return Ok(CalendarMade::NameTaken);
    }
    connection
        .prepare_cached(
            "INSERT INTO calendars (owner, revision, name, description, created_at, edited_at, dates)
             VALUES (?1, 1, ?2, ?3, ?4, ?4, ?5)",
        )
        .and_then(|mut statement| {
            let dates = dates_to_text(&definition.dates);
            statement.execute((owner.0, &definition.name, &definition.description, now.as_microsecond(), dates))
        })
        .map_err(failed)?;
    let id = CalendarId(connection.last_insert_rowid());
    let made = get(connection, owner, id)?.ok_or_else(|| broken("id", "no calendar"))?;
    Ok(CalendarMade::Done(made.calendar))
}

/// Whether another calendar of the owner's than that one has the name.
fn is_taken(connection: &Connection, owner: UserId, name: &str, but: CalendarId) -> Result<bool> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM calendars WHERE owner = ? AND name = ? AND id <> ?)")
        .and_then(|mut statement| statement.query_row((owner.0, name, but.0), |row| row.get(0)))
        .map_err(failed)
}

pub(super) fn get(connection: &Connection, owner: UserId, id: CalendarId) -> Result<Option<CalendarView>> {
    let sql = format!("SELECT {VIEW} FROM calendars WHERE id = ? AND owner = ?");
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query((id.0, owner.0)).map_err(failed)?;
    rows.next().map_err(failed)?.map(view).transpose()
}

pub(super) fn list(connection: &Connection, owner: UserId) -> Result<Vec<CalendarView>> {
    let sql = format!("SELECT {VIEW} FROM calendars WHERE owner = ? ORDER BY id");
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query([owner.0]).map_err(failed)?;
    let mut views = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        views.push(view(row)?);
    }
    Ok(views)
}

/// The first of the owner's triggers that name it, ascending, and those of them that cannot be read.
pub(super) fn triggers(
    connection: &Connection,
    shared: &Shared,
    (owner, id): (UserId, CalendarId),
    limit: usize,
) -> Result<(Vec<Armed>, Vec<TriggerId>)> {
    let sql = format!(
        "SELECT {TRIGGER}, cursors.next_at, limits.fired
         FROM trigger_calendars JOIN triggers ON triggers.id = trigger_calendars.trigger_id
                                LEFT JOIN cursors ON cursors.trigger_id = triggers.id
                                LEFT JOIN limits ON limits.trigger_id = triggers.id
         WHERE trigger_calendars.calendar_id = ? AND triggers.owner = ?
         ORDER BY triggers.id
         LIMIT ?"
    );
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = statement.query((id.0, owner.0, limit)).map_err(failed)?;
    let (mut triggers, mut unreadable) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next().map_err(failed)? {
        match armed(row, shared) {
            // It does not fire as it is; whoever mends it says anew what it keeps to.
            Err(error @ (Error::Unreadable(_) | Error::Broken(_))) => {
                let (id, revision) = (row.get(0).map_err(failed)?, row.get(2).map_err(failed)?);
                shared.told.unreadable(id, revision, &error, "follows no calendar");
                unreadable.push(TriggerId(id));
            }
            read => triggers.push(read?),
        }
    }
    Ok((triggers, unreadable))
}

/// How many occurrences wait in backlogs of the owner's triggers that name it.
pub(super) fn backlogs(connection: &Connection, owner: UserId, id: CalendarId) -> Result<BTreeMap<TriggerId, u64>> {
    connection
        .prepare_cached(
            "SELECT backlogs.trigger_id, sum(backlogs.remaining)
             FROM trigger_calendars JOIN backlogs ON backlogs.trigger_id = trigger_calendars.trigger_id
             WHERE trigger_calendars.calendar_id = ? AND backlogs.owner = ?
             GROUP BY backlogs.trigger_id",
        )
        .and_then(|mut statement| {
            let read = |row: &Row<'_>| Ok((TriggerId(row.get(0)?), row.get(1).map(i64::unsigned_abs)?));
            statement.query_map((id.0, owner.0), read)?.collect()
        })
        .map_err(failed)
}

pub(super) fn edit(
    connection: &Connection,
    effects: &mut Effects,
    shared: &Shared,
    seen: &Calendar,
    definition: &Definition,
    by: &Actor,
    now: Timestamp,
) -> Result<CalendarEdited> {
    let (owner, id) = (seen.owner, seen.id);
    let Some(present) = get(connection, owner, id)? else { return Ok(CalendarEdited::NotFound) };
    if present.calendar != *seen {
        return Ok(CalendarEdited::Stale);
    }
    let calendar = seen.edited(definition.clone(), now);
    if is_taken(connection, owner, &definition.name, id)? {
        return Ok(CalendarEdited::NameTaken);
    }
    connection
        .prepare_cached(
            "UPDATE calendars SET revision = ?2, name = ?3, description = ?4, edited_at = ?5, dates = ?6 WHERE id = ?1",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                id.0,
                calendar.revision,
                &definition.name,
                &definition.description,
                now.as_microsecond(),
                dates_to_text(&definition.dates),
            ])
        })
        .map_err(failed)?;
    let mut followers = Vec::new();
    if calendar.revision == seen.revision {
        return Ok(CalendarEdited::Done { calendar, followers, unreadable: Vec::new() });
    }
    let freezes = freeze::list(connection, Some(owner), remembered_since(now))?;
    let (readable, unreadable) = triggers(connection, shared, (owner, id), usize::MAX)?;
    for armed in readable {
        let Some(edit) = armed.follow(&calendar, now) else { continue };
        let edit = edit.under(&armed, now, &freezes);
        let edited = edit_trigger(connection, effects, shared, &edit, armed.next_at, by, now)?;
        if edited != Edited::Done {
            return Err(broken("calendar_id", format!("trigger {} cannot follow: {edited:?}", armed.trigger.id)));
        }
        followers.push(Follower::of(&armed, &edit));
    }
    Ok(CalendarEdited::Done { calendar, followers, unreadable })
}

pub(super) fn delete(connection: &Connection, owner: UserId, id: CalendarId) -> Result<(Deleted, Option<String>)> {
    let name: Option<String> = connection
        .prepare_cached("SELECT name FROM calendars WHERE id = ? AND owner = ?")
        .and_then(|mut statement| statement.query_row((id.0, owner.0), |row| row.get(0)).optional())
        .map_err(failed)?;
    let Some(name) = name else { return Ok((Deleted::NotFound, None)) };
    let count: u64 = connection
        .prepare_cached("SELECT count(*) FROM trigger_calendars WHERE calendar_id = ?")
        .and_then(|mut statement| statement.query_row([id.0], |row| row.get(0)))
        .map_err(failed)?;
    if count > 0 {
        let triggers = connection
            .prepare_cached(
                "SELECT trigger_id FROM trigger_calendars WHERE calendar_id = ? ORDER BY trigger_id LIMIT ?",
            )
            .and_then(|mut statement| {
                statement.query_map((id.0, NAMED_MAX), |row| row.get(0).map(TriggerId))?.collect()
            })
            .map_err(failed)?;
        return Ok((Deleted::InUse { triggers, count }, None));
    }
    connection
        .prepare_cached("DELETE FROM calendars WHERE id = ?")
        .and_then(|mut statement| statement.execute([id.0]))
        .map_err(failed)?;
    Ok((Deleted::Done, Some(name)))
}

/// Whether what a trigger has taken over of calendars is what the owner's say, and there is room at each for one more; the trigger of the
/// number `id` may name them already.
pub(super) fn observes_rightly(
    connection: &Connection,
    owner: UserId,
    id: TriggerId,
    definition: &trigger::Definition,
) -> Result<std::result::Result<(), Missing>> {
    for observed in definition.calendars() {
        let found: Option<(i64, u64)> = connection
            .prepare_cached(
                "SELECT revision,
                        (SELECT count(*) FROM trigger_calendars WHERE calendar_id = calendars.id AND trigger_id <> ?3)
                 FROM calendars
                 WHERE id = ?1 AND owner = ?2",
            )
            .and_then(|mut statement| {
                let params = (observed.calendar.0, owner.0, id.0);
                statement.query_row(params, |row| Ok((row.get(0)?, row.get(1)?))).optional()
            })
            .map_err(failed)?;
        match found {
            Some((revision, others)) if revision == observed.revision => {
                if others >= TRIGGERS_MAX {
                    return Ok(Err(Missing::Room(observed.calendar)));
                }
            }
            _ => return Ok(Err(Missing::Calendar(observed.calendar))),
        }
    }
    Ok(Ok(()))
}

/// The trigger names these calendars.
pub(super) fn link(connection: &Connection, trigger: TriggerId, definition: &trigger::Definition) -> Result<()> {
    for observed in definition.calendars() {
        connection
            .prepare_cached("INSERT INTO trigger_calendars (calendar_id, trigger_id) VALUES (?, ?)")
            .and_then(|mut statement| statement.execute((observed.calendar.0, trigger.0)))
            .map_err(failed)?;
    }
    Ok(())
}

/// The trigger names no calendar any more.
pub(super) fn unlink(connection: &Connection, trigger: TriggerId) -> Result<()> {
    connection
        .prepare_cached("DELETE FROM trigger_calendars WHERE trigger_id = ?")
        .and_then(|mut statement| statement.execute([trigger.0]))
        .map_err(failed)?;
    Ok(())
}
