//! Backlogs in SQLite: occurrences that are past and still to fire, laid up by plans and by people, and drained slice by slice.

use jiff::Timestamp;
use oncue_domain::act::Act;
use oncue_domain::actor::Actor;
use oncue_domain::backlog::{BACKLOG_KEPT, Backlog, Drained, NewBacklog, PutOff, Source};
use oncue_domain::id::{BacklogId, EventId, TriggerId, UserId};
use oncue_domain::occurrence::Reason;
use oncue_domain::store::{BacklogSums, BacklogTurns, BacklogView, Result, Touched};
use oncue_domain::trigger::Trigger;
use rusqlite::{Connection, OptionalExtension, Row, ToSql};

use super::event::{NewEvent, log};
use super::overlap::may_go;
use super::trigger::{TRIGGER, TRIGGER_COLUMNS, parsed, record};
use super::writer::Effects;
use super::{Shared, act, failed, freeze};
use crate::codec::{actor, actor_to_text, broken, instant};

/// The columns of a backlog. It is busy while what fired of it last has a delivery that was never tried.
const BACKLOG: &str = "backlogs.id, backlogs.owner, backlogs.trigger_id, backlogs.revision, backlogs.source, backlogs.first_at, \
     backlogs.last_at, backlogs.total, backlogs.next_at, backlogs.remaining, backlogs.is_held, backlogs.made_at, \
     backlogs.made_by, \
     EXISTS (SELECT 1 FROM outbox WHERE outbox.event_id = backlogs.last_event AND outbox.tried = 0)";

/// How many columns that are.
const BACKLOG_COLUMNS: usize = 14;

/// What the trigger of a backlog is called.
const NAME: &str = "(SELECT name FROM triggers WHERE triggers.id = backlogs.trigger_id)";

/// Ended of age are so many at once.
const OLD_TOGETHER: usize = 256;

/// Reads a backlog from columns that begin with [`BACKLOG`] at `at`.
fn backlog(row: &Row<'_>, at: usize) -> Result<Backlog> {
    let number = |place: usize| row.get::<_, i64>(at + place).map_err(failed);
    let count = |place| u64::try_from(number(place)?).map_err(|error| broken("count", error));
    let source: String = row.get(at + 4).map_err(failed)?;
    let made_by: String = row.get(at + 12).map_err(failed)?;
    Ok(Backlog {
        id: BacklogId(number(0)?),
        owner: UserId(number(1)?),
        trigger: TriggerId(number(2)?),
        revision: number(3)?,
        source: Source::from_word(&source).ok_or_else(|| broken("source", &source))?,
        first: instant(number(5)?)?,
        last: instant(number(6)?)?,
        total: count(7)?,
        next_at: instant(number(8)?)?,
        left: count(9)?,
        is_held: row.get(at + 10).map_err(failed)?,
        made_at: instant(number(11)?)?,
        made_by: actor(&made_by)?,
        is_busy: row.get(at + 13).map_err(failed)?,
    })
}

/// A plan puts occurrences off.
pub(super) fn put_off(
    connection: &Connection,
    effects: &mut Effects,
    trigger: &Trigger,
    put_off: &PutOff,
    now: Timestamp,
) -> Result<()> {
    let new = NewBacklog {
        owner: trigger.owner,
        trigger: trigger.id,
        revision: trigger.revision,
        first: put_off.first,
        last: put_off.last,
        count: put_off.count,
        is_held: put_off.is_held,
    };
    lay_up(connection, effects, &new, Source::CatchUp, &Actor::SYSTEM, now).map(drop)
}

fn lay_up(
    connection: &Connection,
    effects: &mut Effects,
    new: &NewBacklog,
    source: Source,
    by: &Actor,
    now: Timestamp,
) -> Result<BacklogId> {
    let count = i64::try_from(new.count).unwrap_or(i64::MAX);
    connection
        .prepare_cached(
            "INSERT INTO backlogs (owner, trigger_id, revision, source, first_at, last_at, total, next_at, remaining, is_held,
                                   made_at, made_by)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?5, ?7, ?8, ?9, ?10)",
        )
        .and_then(|mut statement| {
            statement.execute((
                new.owner.0,
                new.trigger.0,
                new.revision,
                source.word(),
                new.first.as_microsecond(),
                new.last.as_microsecond(),
                count,
                new.is_held,
                now.as_microsecond(),
                actor_to_text(by),
            ))
        })
        .map_err(failed)?;
    effects.armed = true;
    effects.edited.insert(new.owner);
    Ok(BacklogId(connection.last_insert_rowid()))
}

pub(super) fn backfill(
    connection: &Connection,
    effects: &mut Effects,
    new: &NewBacklog,
    by: &Actor,
    now: Timestamp,
) -> Result<Option<BacklogView>> {
    let stands: bool = connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM triggers WHERE id = ?1 AND owner = ?2 AND revision = ?3)
                    AND NOT EXISTS (SELECT 1 FROM backlogs WHERE trigger_id = ?1)",
        )
        .and_then(|mut statement| statement.query_row((new.trigger.0, new.owner.0, new.revision), |row| row.get(0)))
        .map_err(failed)?;
    if !stands {
        return Ok(None);
    }
    let id = lay_up(connection, effects, new, Source::Backfill, by, now)?;
    one(connection, new.owner, id)
}

fn view(row: &Row<'_>) -> Result<BacklogView> {
    Ok(BacklogView { backlog: backlog(row, 0)?, name: row.get(BACKLOG_COLUMNS).map_err(failed)? })
}

pub(super) fn one(connection: &Connection, owner: UserId, id: BacklogId) -> Result<Option<BacklogView>> {
    let sql = format!("SELECT {BACKLOG}, {NAME} FROM backlogs WHERE id = ? AND owner = ?");
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query((id.0, owner.0)).map_err(failed)?;
    rows.next().map_err(failed)?.map(view).transpose()
}

/// Of one owner or of everybody, and of one trigger or of all.
pub(super) fn sums(connection: &Connection, owner: Option<UserId>, trigger: Option<TriggerId>) -> Result<BacklogSums> {
    let narrowed = match (owner, trigger) {
        (_, Some(_)) => "trigger_id = ?2 AND owner = ?1",
        (Some(_), None) => "owner = ?1 AND ?2 IS NULL",
        (None, None) => "?1 IS NULL AND ?2 IS NULL",
    };
    let sql = format!(
        "SELECT count(*), coalesce(sum(remaining), 0), coalesce(sum(iif(is_held, remaining, 0)), 0)
         FROM backlogs
         WHERE {narrowed}"
    );
    let sum = |row: &Row<'_>, at| row.get(at).map(i64::unsigned_abs);
    connection
        .prepare_cached(&sql)
        .and_then(|mut statement| {
            statement.query_row((owner.map(|owner| owner.0), trigger.map(|trigger| trigger.0)), |row| {
                Ok(BacklogSums { backlogs: sum(row, 0)?, occurrences: sum(row, 1)?, held: sum(row, 2)? })
            })
        })
        .map_err(failed)
}

pub(super) fn list(
    connection: &Connection,
    owner: UserId,
    after: Option<BacklogId>,
    limit: usize,
) -> Result<Vec<BacklogView>> {
    let sql = format!(
        "SELECT {BACKLOG}, {NAME}
         FROM backlogs
         WHERE backlogs.owner = ?1 AND backlogs.id > ?2
         ORDER BY backlogs.id
         LIMIT ?3"
    );
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query((owner.0, after.map_or(i64::MIN, |id| id.0), limit)).map_err(failed)?;
    let mut views = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        views.push(view(row)?);
    }
    Ok(views)
}

pub(super) fn turns(
    connection: &Connection,
    shared: &Shared,
    after: Option<UserId>,
    owners: usize,
    of_each: usize,
) -> Result<BacklogTurns> {
    let may_go = may_go();
    let sql = format!(
        "SELECT {TRIGGER}, {BACKLOG}
         FROM backlogs JOIN triggers ON triggers.id = backlogs.trigger_id AND triggers.revision = backlogs.revision
         WHERE backlogs.is_held = 0 AND backlogs.owner = ? AND {may_go}
         ORDER BY backlogs.turn, backlogs.id
         LIMIT ?"
    );
    let next_owner =
        format!("SELECT owner FROM backlogs WHERE is_held = 0 AND owner > ? AND {may_go} ORDER BY owner LIMIT 1");
    let mut turns = BacklogTurns::default();
    let mut after = after.map_or(i64::MIN, |owner| owner.0);
    for _ in 0..owners {
        let next: Option<i64> = connection
            .prepare_cached(&next_owner)
            .and_then(|mut statement| statement.query_row([after], |row| row.get(0)).optional())
            .map_err(failed)?;
        let Some(owner) = next else { break };
        let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
        let mut rows = statement.query((owner, of_each)).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            match parsed(row, shared) {
                Ok(trigger) => turns.backlogs.push((backlog(row, TRIGGER_COLUMNS)?, trigger)),
                Err(error) => {
                    let (id, revision) = (row.get(0).map_err(failed)?, row.get(2).map_err(failed)?);
                    shared.told.unreadable(id, revision, &error, "catches up with nothing");
                }
            }
        }
        after = owner;
        turns.until = Some(UserId(owner));
    }
    Ok(turns)
}

pub(super) fn drain(
    connection: &Connection,
    effects: &mut Effects,
    shared: &Shared,
    drained: &Drained,
    now: Timestamp,
) -> Result<Option<usize>> {
    let Drained { backlog, trigger, slice, message_ids, edition } = drained;
    if *edition != freeze::edition(connection)? {
        return Ok(None);
    }
    let may_go = may_go();
    let sql = format!(
        "SELECT EXISTS (SELECT 1 FROM backlogs
                        WHERE id = ? AND next_at = ? AND revision = ? AND is_held = 0 AND {may_go})"
    );
    let stands: bool = connection
        .prepare_cached(&sql)
        .and_then(|mut statement| {
            let seen = (backlog.id.0, backlog.next_at.as_microsecond(), trigger.revision);
            statement.query_row(seen, |row| row.get(0))
        })
        .map_err(failed)?;
    if !stands {
        return Ok(None);
    }
    let mut last_event: Option<EventId> = None;
    let mut events = 0;
    for (at, message_id) in slice.firings.iter().zip(message_ids) {
        let event = NewEvent {
            origin: backlog.source.origin(),
            scheduled_at: Some(*at),
            due_at: trigger.definition.due_later(*at).filter(|due| *due <= now),
            payload: None,
            message_id: *message_id,
            parent: None,
        };
        if let Some(id) = log(connection, effects, shared, trigger, &event, now)? {
            (last_event, events) = (Some(id), events + 1);
        }
    }
    let params: &[&dyn ToSql] = &[
        &backlog.id.0,
        &slice.next_at.map(Timestamp::as_microsecond),
        &i64::try_from(slice.left).unwrap_or(i64::MAX),
        &now.as_microsecond(),
        &last_event.map(|event| event.0),
    ];
    match slice.next_at {
        Some(_) => connection
            .prepare_cached(
                "UPDATE backlogs
                 SET next_at = ?2, remaining = ?3, turn = ?4, last_event = coalesce(?5, last_event)
                 WHERE id = ?1",
            )
            .and_then(|mut statement| statement.execute(params)),
        None => connection
            .prepare_cached("DELETE FROM backlogs WHERE id = ?")
            .and_then(|mut statement| statement.execute([backlog.id.0])),
    }
    .map_err(failed)?;
    effects.edited.insert(backlog.owner);
    Ok(Some(events))
}

pub(super) fn release(
    connection: &Connection,
    effects: &mut Effects,
    owner: UserId,
    id: Option<BacklogId>,
    now: Timestamp,
) -> Result<Touched> {
    let meant = format!("backlogs.owner = ?3 AND backlogs.id = coalesce(?2, backlogs.id) AND {EXPIRED}");
    let params: &[&dyn ToSql] = &[&now.as_microsecond(), &id.map(|id| id.0), &owner.0];
    let expired = give_up_unasked(connection, effects, &meant, params, Reason::Expired, now)?.backlogs;
    let mut touched = Touched { expired, ..Touched::default() };
    let sql = format!(
        "UPDATE backlogs SET is_held = 0
         WHERE owner = ?1 AND is_held = 1 AND id = coalesce(?2, id)
         RETURNING trigger_id, remaining, source, {NAME}"
    );
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query((owner.0, id.map(|id| id.0))).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        let (left, source): (i64, String) = (row.get(1).map_err(failed)?, row.get(2).map_err(failed)?);
        let source = Source::from_word(&source).ok_or_else(|| broken("source", &source))?;
        let (trigger, name) = (TriggerId(row.get(0).map_err(failed)?), row.get(3).map_err(failed)?);
        touched.note(trigger, name, source, left.unsigned_abs());
    }
    if touched.backlogs > 0 {
        effects.armed = true;
        effects.edited.insert(owner);
    }
    Ok(touched)
}

pub(super) fn discard(
    connection: &Connection,
    effects: &mut Effects,
    owner: UserId,
    id: Option<BacklogId>,
    now: Timestamp,
) -> Result<Touched> {
    let meant = "backlogs.owner = ?1 AND backlogs.id = coalesce(?2, backlogs.id)";
    let given = give_up(connection, effects, meant, &[&owner.0, &id.map(|id| id.0)], Reason::Discarded, now)?;
    Ok(touched(&given))
}

pub(super) fn discard_old(connection: &Connection, effects: &mut Effects, now: Timestamp) -> Result<Touched> {
    let before = now.checked_sub(BACKLOG_KEPT).unwrap_or(Timestamp::MIN).as_microsecond();
    let meant = "backlogs.id IN (SELECT id FROM backlogs WHERE made_at <= ?1 ORDER BY made_at LIMIT ?2)";
    give_up_unasked(connection, effects, meant, &[&before, &OLD_TOGETHER], Reason::Discarded, now)
}

/// The trigger of a backlog has expired by `?1`.
const EXPIRED: &str =
    "EXISTS (SELECT 1 FROM triggers WHERE triggers.id = backlogs.trigger_id AND triggers.expires_at <= ?1)";

/// Whether the trigger of any backlog has expired.
pub(super) fn has_expired(connection: &Connection, now: Timestamp) -> Result<bool> {
    connection
        .prepare_cached(&format!("SELECT EXISTS (SELECT 1 FROM backlogs WHERE {EXPIRED})"))
        .and_then(|mut statement| statement.query_row([now.as_microsecond()], |row| row.get(0)))
        .map_err(failed)
}

pub(super) fn expire(
    connection: &Connection,
    effects: &mut Effects,
    id: Option<BacklogId>,
    now: Timestamp,
) -> Result<Touched> {
    let now_us = now.as_microsecond();
    match id {
        Some(id) => {
            let meant = format!("backlogs.id = ?2 AND {EXPIRED}");
            give_up_unasked(connection, effects, &meant, &[&now_us, &id.0], Reason::Expired, now)
        }
        None => {
            let meant = format!("backlogs.id IN (SELECT id FROM backlogs WHERE {EXPIRED} LIMIT ?2)");
            give_up_unasked(connection, effects, &meant, &[&now_us, &OLD_TOGETHER], Reason::Expired, now)
        }
    }
}

/// What waits of a trigger does not fire any more, for that reason.
pub(super) fn end(
    connection: &Connection,
    effects: &mut Effects,
    trigger: TriggerId,
    reason: Reason,
    now: Timestamp,
) -> Result<()> {
    give_up(connection, effects, "backlogs.trigger_id = ?1", &[&trigger.0], reason, now).map(drop)
}

/// Puts down as not having fired what those backlogs hold that are meant; they are gone.
fn give_up(
    connection: &Connection,
    effects: &mut Effects,
    meant: &str,
    params: &[&dyn ToSql],
    reason: Reason,
    now: Timestamp,
) -> Result<Vec<BacklogView>> {
    let mut found = Vec::new();
    {
        let sql = format!("SELECT {BACKLOG}, {NAME} FROM backlogs WHERE {meant} ORDER BY backlogs.id");
        let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
        let mut rows = statement.query(params).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            found.push(view(row)?);
        }
    }
    for BacklogView { backlog, .. } in &found {
        connection
            .prepare_cached("DELETE FROM backlogs WHERE id = ?")
            .and_then(|mut statement| statement.execute([backlog.id.0]))
            .map_err(failed)?;
        if let Some(skipped) = backlog.given_up(reason) {
            record(connection, effects, backlog.owner, backlog.trigger, &skipped, now)?;
        }
        effects.edited.insert(backlog.owner);
    }
    Ok(found)
}

/// The same where nobody asked for it, which the audit log tells.
fn give_up_unasked(
    connection: &Connection,
    effects: &mut Effects,
    meant: &str,
    params: &[&dyn ToSql],
    reason: Reason,
    now: Timestamp,
) -> Result<Touched> {
    let given = give_up(connection, effects, meant, params, reason, now)?;
    for ended in &given {
        act::write_own(connection, &Act::backlog_given_up(ended, reason), now)?;
    }
    Ok(touched(&given))
}

fn touched(given: &[BacklogView]) -> Touched {
    let mut touched = Touched::default();
    for BacklogView { backlog, name } in given {
        touched.note(backlog.trigger, name.clone(), backlog.source, backlog.left);
    }
    touched
}
