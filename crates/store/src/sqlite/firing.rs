//! Firings in short in SQLite: of events that are kept, and what is left of those that are gone.

use jiff::{SignedDuration, Timestamp};
use oncue_domain::event::Origin;
use oncue_domain::firing::{FIRINGS_KEPT, Firing, Outcome};
use oncue_domain::id::{EventId, TriggerId, UserId};
use oncue_domain::store::{RecentFirings, Result};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row};

use super::{count, failed};
use crate::codec::{broken, instant, origin_from_number, origin_to_number};

/// The columns of `events` that a firing is made from.
pub(super) const FIRED: &str = "events.id, events.origin, events.scheduled_at, events.fired_at, events.due_at";

/// Tells what became of events.
pub(super) struct Fates<'c>(CachedStatement<'c>);

impl<'c> Fates<'c> {
    pub(super) fn new(connection: &'c Connection) -> Result<Fates<'c>> {
        let statement = connection
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM outbox WHERE event_id = ?1),
                        EXISTS (SELECT 1 FROM failures WHERE event_id = ?1),
                        count(*), max(started_at + took_us)
                 FROM attempts
                 WHERE event_id = ?1",
            )
            .map_err(failed)?;
        Ok(Fates(statement))
    }

    /// The firing of a kept event from columns that begin with [`FIRED`].
    pub(super) fn firing(&mut self, row: &Row<'_>) -> Result<Firing> {
        let id: i64 = row.get(0).map_err(failed)?;
        let scheduled_at: Option<i64> = row.get(2).map_err(failed)?;
        let fired_at: i64 = row.get(3).map_err(failed)?;
        let due_at: Option<i64> = row.get(4).map_err(failed)?;
        let (is_owed, has_failed, attempts, ended_at): (bool, bool, u32, Option<i64>) =
            self.0.query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))).map_err(failed)?;
        let outcome = match (is_owed, has_failed, attempts) {
            (true, ..) => Outcome::Pending,
            (false, true, _) => Outcome::Failed,
            (false, false, 0) => Outcome::Logged,
            (false, false, _) => Outcome::Delivered,
        };
        Ok(Firing {
            event: EventId(id),
            origin: origin_from_number(row.get(1).map_err(failed)?)?,
            scheduled_at: scheduled_at.map(instant).transpose()?,
            due_at: due_at.map(instant).transpose()?,
            fired_at: instant(fired_at)?,
            outcome,
            attempts,
            took: ended_at.map(|ended_at| SignedDuration::from_micros(ended_at - fired_at)),
            is_kept: true,
        })
    }
}

fn gone(row: &Row<'_>) -> Result<Firing> {
    let scheduled_at: Option<i64> = row.get(2).map_err(failed)?;
    let due_at: Option<i64> = row.get(4).map_err(failed)?;
    let outcome: String = row.get(5).map_err(failed)?;
    let took_us: Option<i64> = row.get(7).map_err(failed)?;
    Ok(Firing {
        event: EventId(row.get(0).map_err(failed)?),
        origin: origin_from_number(row.get(1).map_err(failed)?)?,
        scheduled_at: scheduled_at.map(instant).transpose()?,
        due_at: due_at.map(instant).transpose()?,
        fired_at: instant(row.get(3).map_err(failed)?)?,
        outcome: Outcome::from_word(&outcome).ok_or_else(|| broken("outcome", &outcome))?,
        attempts: row.get(6).map_err(failed)?,
        took: took_us.map(SignedDuration::from_micros),
        is_kept: false,
    })
}

pub(super) fn is_owners(connection: &Connection, owner: UserId, trigger: TriggerId) -> Result<bool> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM triggers WHERE id = ? AND owner = ?)")
        .and_then(|mut statement| statement.query_row((trigger.0, owner.0), |row| row.get(0)))
        .map_err(failed)
}

/// Everything that is known of the trigger's firings, tests aside, newest first, at most `limit` and [`FIRINGS_KEPT`].
pub(super) fn known(
    connection: &Connection,
    owner: UserId,
    trigger: TriggerId,
    gone_until: Timestamp,
    limit: usize,
) -> Result<Vec<Firing>> {
    let limit = limit.min(FIRINGS_KEPT);
    let mut fates = Fates::new(connection)?;
    let sql = format!(
        "SELECT {FIRED}
         FROM events INDEXED BY events_by_trigger
         WHERE owner = ? AND trigger_id = ? AND origin <> ?
         ORDER BY fired_at DESC, id DESC
         LIMIT ?"
    );
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query((owner.0, trigger.0, origin_to_number(Origin::Test), limit)).map_err(failed)?;
    let mut firings = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let firing = fates.firing(row)?;
        firings.push(Firing { is_kept: firing.fired_at > gone_until, ..firing });
    }
    // Those that are gone are older than those that are not, unless a clock was put back.
    let after = match firings.last() {
        Some(oldest) if firings.len() == limit => oldest.fired_at.as_microsecond(),
        _ => i64::MIN,
    };
    let mut statement = connection
        .prepare_cached(
            "SELECT event_id, origin, scheduled_at, fired_at, due_at, outcome, attempts, took_us
             FROM firings
             WHERE trigger_id = ? AND fired_at >= ?
             ORDER BY fired_at DESC, event_id DESC
             LIMIT ?",
        )
        .map_err(failed)?;
    let mut rows = statement.query((trigger.0, after, limit)).map_err(failed)?;
    let kept = firings.len();
    while let Some(row) = rows.next().map_err(failed)? {
        firings.push(gone(row)?);
    }
    if firings.len() > kept {
        firings.sort_by_key(|firing| std::cmp::Reverse((firing.fired_at, firing.event)));
        firings.truncate(limit);
    }
    Ok(firings)
}

pub(super) fn recent(
    connection: &Connection,
    owner: UserId,
    triggers: &[TriggerId],
    gone_until: Timestamp,
    limit: usize,
) -> Result<Vec<RecentFirings>> {
    let of = |trigger: &TriggerId| {
        let firings = match is_owners(connection, owner, *trigger)? {
            true => known(connection, owner, *trigger, gone_until, limit)?,
            false => Vec::new(),
        };
        Ok(RecentFirings { trigger: *trigger, firings })
    };
    triggers.iter().map(of).collect()
}

pub(super) fn gone_firing(
    connection: &Connection,
    owner: UserId,
    id: EventId,
    gone_until: Timestamp,
) -> Result<Option<(TriggerId, Firing)>> {
    let trigger: Option<i64> = connection
        .prepare_cached(
            "SELECT trigger_id FROM events WHERE id = ?1
             UNION ALL
             SELECT trigger_id FROM firings WHERE event_id = ?1",
        )
        .and_then(|mut statement| statement.query_row([id.0], |row| row.get(0)).optional())
        .map_err(failed)?;
    let Some(trigger) = trigger.map(TriggerId) else { return Ok(None) };
    if !is_owners(connection, owner, trigger)? {
        return Ok(None);
    }
    let known = known(connection, owner, trigger, gone_until, FIRINGS_KEPT)?;
    Ok(known.into_iter().find(|firing| firing.event == id && !firing.is_kept).map(|firing| (trigger, firing)))
}

/// Keeps in short what will be among the latest firings of the trigger once these events, the latest of a slice, are gone;
/// `newest_first` holds no tests.
pub(super) fn leave_in_short(
    connection: &Connection,
    owner: UserId,
    trigger: TriggerId,
    newest_first: &[(Timestamp, EventId)],
) -> Result<()> {
    let Some((newest_at, _)) = newest_first.first() else { return Ok(()) };
    if !is_owners(connection, owner, trigger)? {
        return Ok(());
    }
    // Whatever has so many after it will never be among the latest again; of a busy trigger nothing is worth keeping.
    let later = count::fired_after_hour_of(connection, owner, trigger, *newest_at, FIRINGS_KEPT)?;
    let kept = &newest_first[..newest_first.len().min(FIRINGS_KEPT - later)];
    if kept.is_empty() {
        return Ok(());
    }
    let mut fates = Fates::new(connection)?;
    for (_, event) in kept {
        let sql = format!("SELECT {FIRED} FROM events WHERE id = ?");
        let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
        let mut rows = statement.query([event.0]).map_err(failed)?;
        let Some(row) = rows.next().map_err(failed)? else { continue };
        keep(connection, trigger, &fates.firing(row)?)?;
    }
    connection
        .prepare_cached(
            "DELETE FROM firings
             WHERE trigger_id = ?1
               AND (fired_at, event_id) <= (SELECT fired_at, event_id FROM firings WHERE trigger_id = ?1
                                            ORDER BY fired_at DESC, event_id DESC LIMIT 1 OFFSET ?2)",
        )
        .and_then(|mut statement| statement.execute((trigger.0, FIRINGS_KEPT)))
        .map_err(failed)?;
    Ok(())
}

fn keep(connection: &Connection, trigger: TriggerId, firing: &Firing) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO firings (trigger_id, fired_at, event_id, origin, scheduled_at, due_at, outcome, attempts,
                                  took_us)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .and_then(|mut statement| {
            statement.execute((
                trigger.0,
                firing.fired_at.as_microsecond(),
                firing.event.0,
                origin_to_number(firing.origin),
                firing.scheduled_at.map(Timestamp::as_microsecond),
                firing.due_at.map(Timestamp::as_microsecond),
                firing.outcome.word(),
                firing.attempts,
                firing.took.map(|took| i64::try_from(took.as_micros()).unwrap_or(i64::MAX)),
            ))
        })
        .map_err(failed)?;
    Ok(())
}
