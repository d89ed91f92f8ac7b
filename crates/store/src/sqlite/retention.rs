//! How events go from SQLite, with all that hangs on them, and what they leave in short.

use std::collections::BTreeMap;

use jiff::Timestamp;
use oncue_domain::event::Retention;
use oncue_domain::id::{EventId, TriggerId, UserId};
use oncue_domain::store::{Expired, Result};
use rusqlite::{Connection, OptionalExtension, Row};

use super::count::Subject;
use super::writer::Effects;
use super::{Shared, act, count, failed, firing, idempotency, lock, order, overlap, presence, revision};
use crate::codec::{COUNTED_AS_FAILED, NOT_COUNTED, instant, origin_from_number, span, span_to_number};

pub(super) fn expire(
    connection: &Connection,
    effects: &mut Effects,
    shared: &Shared,
    gone_until: Timestamp,
    now: Timestamp,
    limit: usize,
) -> Result<Expired> {
    let ids = oldest(connection, effects, gone_until, limit)?;
    for id in &ids {
        for sql in [
            "DELETE FROM receipts WHERE id IN (SELECT receipt FROM attempts WHERE event_id = ?)",
            "DELETE FROM attempts WHERE event_id = ?",
            "DELETE FROM failures WHERE event_id = ?",
            "DELETE FROM undelivered WHERE event_id = ?",
            "DELETE FROM runs WHERE event_id = ?",
            "DELETE FROM events WHERE id = ?",
        ] {
            connection.prepare_cached(sql).and_then(|mut statement| statement.execute([id.0])).map_err(failed)?;
        }
    }
    if !ids.is_empty() {
        order::call_up_all(connection, Timestamp::UNIX_EPOCH)?;
    }
    let swept_to = *lock(&shared.swept_to);
    let go_on_at = overlap::sweep(connection, effects, swept_to, now)?;
    *lock(&shared.swept_to) = go_on_at.unwrap_or(overlap::FROM_THE_FIRST);
    let gone = gone_until.as_microsecond();
    let mut is_done = ids.len() < limit;
    let mut old = vec![
        (
            "DELETE FROM arrivals WHERE id IN (SELECT id FROM arrivals WHERE arrived_at <= ? ORDER BY arrived_at, id LIMIT ?)",
            gone,
        ),
        ("DELETE FROM skipped WHERE id IN (SELECT id FROM skipped WHERE recorded_at <= ? LIMIT ?)", gone),
        (
            "DELETE FROM sessions
             WHERE id IN (SELECT id FROM sessions WHERE expires_at <= ? ORDER BY expires_at, id LIMIT ?)",
            now.as_microsecond(),
        ),
    ];
    // A revision goes after the last event that names it, and so does what is left of a deleted trigger.
    if is_done {
        is_done &= revision::expire_deleted(connection, gone_until, limit)? < limit;
        old.push((
            "DELETE FROM revisions WHERE rowid IN (SELECT rowid FROM revisions WHERE ended_at <= ? LIMIT ?)",
            gone,
        ));
        old.push((
            // By a clock that was put back it ended before the last event that names it: it goes with what that event needs of it.
            "DELETE FROM former_triggers
             WHERE rowid IN (SELECT rowid FROM former_triggers AS former
                             WHERE bytes_up_to IS NOT NULL AND until_at <= ?
                               AND NOT EXISTS (SELECT 1 FROM revisions
                                               WHERE revisions.trigger_id = former.id AND revisions.revision = former.revision)
                             ORDER BY until_at
                             LIMIT ?)",
            gone,
        ));
    }
    for (sql, until) in old {
        let removed = connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute((until, limit)))
            .map_err(failed)?;
        is_done &= removed < limit;
    }
    presence::expire(connection, gone_until)?;
    is_done &= count::expire(connection, now, limit)?;
    is_done &= idempotency::expire(connection, now, limit)? < limit;
    is_done &= act::expire(connection, now, limit)? < limit;
    Ok(Expired { events: ids.len(), is_done })
}

/// What is still owed of an event has failed, unless it had arrived before it was sent again: its time is over.
fn give_up_owed(connection: &Connection, effects: &mut Effects, of: &Subject, id: EventId) -> Result<()> {
    let owed: Option<(i64, bool)> = connection
        .prepare_cached(
            "SELECT max(counted),
                    NOT min(has_arrived) OR EXISTS (SELECT 1 FROM undelivered WHERE undelivered.event_id = outbox.event_id)
             FROM outbox WHERE event_id = ? GROUP BY event_id",
        )
        .and_then(|mut statement| statement.query_row([id.0], |row| Ok((row.get(0)?, row.get(1)?))).optional())
        .map_err(failed)?;
    let Some((counted, has_failed)) = owed else { return Ok(()) };
    connection
        .prepare_cached("DELETE FROM outbox WHERE event_id = ?")
        .and_then(|mut statement| statement.execute([id.0]))
        .map_err(failed)?;
    match counted {
        NOT_COUNTED => effects.counts.ended(of, id, !has_failed),
        COUNTED_AS_FAILED if !has_failed => effects.counts.mended(of),
        _ => {}
    }
    if !has_failed {
        return Ok(());
    }
    // Not for long: what the event leaves in short is read from here.
    connection
        .prepare_cached("INSERT INTO failures (event_id, owner, trigger_id, fired_at) VALUES (?, ?, ?, ?)")
        .and_then(|mut statement| statement.execute((id.0, of.owner.0, of.trigger.0, of.fired_at.as_microsecond())))
        .map_err(failed)?;
    Ok(())
}

/// The oldest events that are to go, once what stays of them is written down.
fn oldest(connection: &Connection, effects: &mut Effects, gone_until: Timestamp, limit: usize) -> Result<Vec<EventId>> {
    let mut statement = connection
        .prepare_cached(
            "SELECT id, owner, trigger_id, origin, fired_at FROM events WHERE fired_at <= ? ORDER BY fired_at, id LIMIT ?",
        )
        .map_err(failed)?;
    let mut rows = statement.query((gone_until.as_microsecond(), limit)).map_err(failed)?;
    let mut ids = Vec::new();
    let mut by_trigger: BTreeMap<(UserId, TriggerId), Vec<(Timestamp, EventId)>> = BTreeMap::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let id = EventId(row.get(0).map_err(failed)?);
        ids.push(id);
        let subject = Subject {
            owner: UserId(row.get(1).map_err(failed)?),
            trigger: TriggerId(row.get(2).map_err(failed)?),
            origin: origin_from_number(row.get(3).map_err(failed)?)?,
            fired_at: instant(row.get(4).map_err(failed)?)?,
        };
        give_up_owed(connection, effects, &subject, id)?;
        if subject.origin.is_counted() {
            by_trigger.entry((subject.owner, subject.trigger)).or_default().push((subject.fired_at, id));
        }
    }
    for ((owner, trigger), mut events) in by_trigger {
        events.reverse();
        firing::leave_in_short(connection, owner, trigger, &events)?;
    }
    Ok(ids)
}

/// Writes down for how long events are kept.
pub(super) fn note(connection: &Connection, retention: Retention) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO retention (id, active_for, keep_for) VALUES (1, ?1, ?2)
             ON CONFLICT (id) DO UPDATE SET active_for = ?1, keep_for = ?2",
        )
        .and_then(|mut statement| {
            statement.execute((span_to_number(retention.active_for), span_to_number(retention.keep_for)))
        })
        .map_err(failed)?;
    Ok(())
}

/// What was written down of that last.
pub(super) fn noted(connection: &Connection) -> Result<Option<Retention>> {
    connection
        .prepare_cached("SELECT active_for, keep_for FROM retention")
        .and_then(|mut statement| {
            let read = |row: &Row<'_>| {
                let (active_for, keep_for) = (span(row.get(0)?), span(row.get(1)?));
                Ok(Retention { active_for, keep_for })
            };
            statement.query_row([], read).optional()
        })
        .map_err(failed)
}
