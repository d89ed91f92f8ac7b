//! How events go from SQLite, with all that hangs on them, and what they leave in short.

use std::collections::BTreeMap;

use jiff::Timestamp;
use oncue_domain::event::Origin;
use oncue_domain::id::{EventId, TriggerId, UserId};
use oncue_domain::store::{Expired, Result};
use rusqlite::Connection;

use super::{count, failed, firing};
use crate::codec::{instant, origin_to_number};

pub(super) fn expire(connection: &Connection, gone_until: Timestamp, now: Timestamp, limit: usize) -> Result<Expired> {
    let ids = oldest(connection, gone_until, limit)?;
    for id in &ids {
        for sql in [
            "DELETE FROM attempts WHERE event_id = ?",
            "DELETE FROM outbox WHERE event_id = ?",
            "DELETE FROM failures WHERE event_id = ?",
            "DELETE FROM events WHERE id = ?",
        ] {
            connection.prepare_cached(sql).and_then(|mut statement| statement.execute([id.0])).map_err(failed)?;
        }
    }
    let gone_until = gone_until.as_microsecond();
    let mut is_done = ids.len() < limit;
    let mut old = vec![
        ("DELETE FROM skipped WHERE id IN (SELECT id FROM skipped WHERE recorded_at <= ? LIMIT ?)", gone_until),
        (
            "DELETE FROM sessions
             WHERE id IN (SELECT id FROM sessions WHERE expires_at <= ? ORDER BY expires_at, id LIMIT ?)",
            now.as_microsecond(),
        ),
    ];
    // A revision goes after the last event that names it.
    if is_done {
        old.push((
            "DELETE FROM revisions WHERE rowid IN (SELECT rowid FROM revisions WHERE ended_at <= ? LIMIT ?)",
            gone_until,
        ));
    }
    for (sql, until) in old {
        let removed = connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute((until, limit)))
            .map_err(failed)?;
        is_done &= removed < limit;
    }
    is_done &= count::expire(connection, now, limit)?;
    Ok(Expired { events: ids.len(), is_done })
}

/// The oldest events that are to go, once what stays of them is written down.
fn oldest(connection: &Connection, gone_until: Timestamp, limit: usize) -> Result<Vec<EventId>> {
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
        if row.get::<_, i64>(3).map_err(failed)? != origin_to_number(Origin::Test) {
            let whose = (UserId(row.get(1).map_err(failed)?), TriggerId(row.get(2).map_err(failed)?));
            by_trigger.entry(whose).or_default().push((instant(row.get(4).map_err(failed)?)?, id));
        }
    }
    for ((owner, trigger), mut events) in by_trigger {
        events.reverse();
        firing::leave_in_short(connection, owner, trigger, &events)?;
    }
    Ok(ids)
}
