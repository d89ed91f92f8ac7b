//! Deliveries in SQLite: what is owed, who holds it, and what was tried.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use oncue_domain::delivery::{Attempt, CLAIM_FOR, Claim, Settlement, State, Verdict};
use oncue_domain::destination::Target;
use oncue_domain::id::EventId;
use oncue_domain::store::{Backlog, DeliveryView, Result};
use rusqlite::{Connection, OptionalExtension, Row};

use super::count::Subject;
use super::event::{EVENT, EVENT_FROM, event};
use super::writer::Effects;
use super::{Shared, failed};
use crate::codec::{broken, instant, webhook};

/// How many bytes of payload are claimed together, beyond the first.
const CLAIM_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How long a row that cannot be read is left alone.
const UNREADABLE_PAUSE: SignedDuration = SignedDuration::from_hours(1);

/// An event's delivery is owed, claimed for this process or free.
pub(super) fn owe(
    connection: &Connection,
    event: EventId,
    due_at: Timestamp,
    is_claimed: bool,
    is_default: bool,
) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO outbox (event_id, due_at, is_held, tried, fence, is_default) VALUES (?1, ?2, ?3, 0, ?3, ?4)",
        )
        .and_then(|mut statement| statement.execute((event.0, due_at.as_microsecond(), is_claimed, is_default)))
        .map_err(failed)?;
    Ok(())
}

/// Deliveries that were committed as claimed. One whose claim has grown too old for a whole exchange is let go; the table gives it out again.
pub(super) fn take_fresh(shared: &Shared, now: Timestamp, limit: usize) -> Vec<Claim> {
    let mut fresh = shared.fresh();
    let count = limit.min(fresh.len());
    fresh.drain(..count).filter(|claim| claim.covers_exchange(now)).collect()
}

pub(super) fn next_owed(connection: &Connection) -> Result<Option<Timestamp>> {
    let due: Option<i64> = connection
        .prepare_cached("SELECT due_at FROM outbox ORDER BY due_at LIMIT 1")
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)).optional())
        .map_err(failed)?;
    due.map(instant).transpose()
}

pub(super) fn is_any_due(connection: &Connection, now: Timestamp) -> Result<bool> {
    Ok(next_owed(connection)?.is_some_and(|due| due <= now))
}

pub(super) fn claim(connection: &Connection, now: Timestamp, limit: usize) -> Result<Vec<Claim>> {
    let until = now + CLAIM_FOR;
    let sql = format!(
        "SELECT {EVENT}, outbox.tried, outbox.fence, outbox.is_default
         FROM (SELECT * FROM outbox WHERE due_at <= ? ORDER BY due_at LIMIT ?) AS outbox
         JOIN {EVENT_FROM}
         WHERE events.id = outbox.event_id"
    );
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query((now.as_microsecond(), limit)).map_err(failed)?;
    let mut claims = Vec::new();
    let mut unreadable = Vec::new();
    let mut bytes_left = CLAIM_BYTES_MAX;
    while let Some(row) = rows.next().map_err(failed)? {
        match read_claim(row, until) {
            Ok(claim) => {
                let bytes = claim.event.payload.as_str().len();
                if bytes > bytes_left && !claims.is_empty() {
                    break;
                }
                bytes_left = bytes_left.saturating_sub(bytes);
                claims.push(claim);
            }
            // One row that cannot be read must not hold up the others.
            Err(error) => {
                let id: i64 = row.get(0).map_err(failed)?;
                tracing::error!(event = id, %error, "event {id} cannot be read and is not delivered");
                unreadable.push(id);
            }
        }
    }
    for id in unreadable {
        let later = now + UNREADABLE_PAUSE;
        connection
            .prepare_cached("UPDATE outbox SET due_at = ?2 WHERE event_id = ?1")
            .and_then(|mut statement| statement.execute((id, later.as_microsecond())))
            .map_err(failed)?;
    }
    for claim in &claims {
        connection
            .prepare_cached("UPDATE outbox SET due_at = ?2, is_held = 1, fence = ?3 WHERE event_id = ?1")
            .and_then(|mut statement| statement.execute((claim.event.id.0, until.as_microsecond(), claim.fence)))
            .map_err(failed)?;
    }
    Ok(claims)
}

fn read_claim(row: &Row<'_>, until: Timestamp) -> Result<Claim> {
    let fence: i64 = row.get(14).map_err(failed)?;
    Ok(Claim {
        event: Arc::new(event(row)?),
        target: target(row, row.get(15).map_err(failed)?)?,
        tried: row.get(13).map_err(failed)?,
        until,
        fence: fence + 1,
    })
}

fn target(row: &Row<'_>, is_default: bool) -> Result<Target> {
    if is_default {
        return Ok(Target::Default);
    }
    let webhook = webhook(row.get(11).map_err(failed)?, row.get(12).map_err(failed)?)?;
    webhook.map(Target::Webhook).ok_or_else(|| broken("webhook_url", "the event's destination is gone"))
}

pub(super) fn settle(connection: &Connection, effects: &mut Effects, settlements: &[Settlement]) -> Result<()> {
    for settlement in settlements {
        let (event, fence) = (settlement.claim.event.id.0, settlement.claim.fence);
        let attempt = &settlement.attempt;
        let held = match settlement.verdict {
            Verdict::Retry(due_at) => connection
                .prepare_cached("UPDATE outbox SET due_at = ?3, is_held = 0, tried = ?4 WHERE event_id = ?1 AND fence = ?2 AND is_held")
                .and_then(|mut statement| statement.execute((event, fence, due_at.as_microsecond(), attempt.number))),
            Verdict::Delivered | Verdict::Failed => connection
                .prepare_cached("DELETE FROM outbox WHERE event_id = ?1 AND fence = ?2 AND is_held")
                .and_then(|mut statement| statement.execute((event, fence))),
        };
        if held.map_err(failed)? == 0 {
            continue;
        }
        effects.owed |= matches!(settlement.verdict, Verdict::Retry(_));
        effects.settled.insert(settlement.claim.event.owner);
        if !matches!(settlement.verdict, Verdict::Retry(_)) {
            end(connection, effects, &settlement.claim, settlement.verdict == Verdict::Delivered)?;
        }
        connection
            .prepare_cached(
                "INSERT INTO attempts (event_id, number, is_default, started_at, took_us, status, error, answer, delivered)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )
            .and_then(|mut statement| {
                statement.execute((
                    event,
                    attempt.number,
                    !settlement.claim.target.is_users_own(),
                    attempt.started_at.as_microsecond(),
                    attempt.took_us,
                    attempt.status,
                    &attempt.error,
                    &attempt.answer,
                    settlement.verdict == Verdict::Delivered,
                ))
            })
            .map_err(failed)?;
    }
    Ok(())
}

/// Nothing is owed for the event any more.
fn end(connection: &Connection, effects: &mut Effects, claim: &Claim, is_delivered: bool) -> Result<()> {
    let event = &claim.event;
    let subject =
        Subject { owner: event.owner, trigger: event.trigger, origin: event.origin, fired_at: event.fired_at };
    effects.counts.ended(&subject, event.id, is_delivered);
    if is_delivered {
        return Ok(());
    }
    connection
        .prepare_cached("INSERT INTO failures (event_id, owner, trigger_id, fired_at) VALUES (?, ?, ?, ?)")
        .and_then(|mut statement| {
            statement.execute((event.id.0, event.owner.0, event.trigger.0, event.fired_at.as_microsecond()))
        })
        .map_err(failed)?;
    Ok(())
}

pub(super) fn backlog(connection: &Connection) -> Result<Backlog> {
    let owed = connection.query_row("SELECT count(*) FROM outbox", [], |row| row.get(0)).map_err(failed)?;
    Ok(Backlog { owed })
}

/// The deliveries of the event whose columns `row` holds.
pub(super) fn of_event(connection: &Connection, row: &Row<'_>, id: EventId) -> Result<Vec<DeliveryView>> {
    let owed: Option<(i64, bool, bool)> = connection
        .prepare_cached("SELECT due_at, is_held, is_default FROM outbox WHERE event_id = ?")
        .and_then(|mut statement| {
            statement.query_row([id.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()
        })
        .map_err(failed)?;
    let mut statement = connection
        .prepare_cached(
            "SELECT number, started_at, took_us, status, error, answer, delivered, is_default
             FROM attempts
             WHERE event_id = ?
             ORDER BY number",
        )
        .map_err(failed)?;
    let mut rows = statement.query([id.0]).map_err(failed)?;
    let (mut attempts, mut delivered, mut went_default) = (Vec::new(), false, None);
    while let Some(row) = rows.next().map_err(failed)? {
        attempts.push(Attempt {
            number: row.get(0).map_err(failed)?,
            started_at: instant(row.get(1).map_err(failed)?)?,
            took_us: row.get(2).map_err(failed)?,
            status: row.get(3).map_err(failed)?,
            error: row.get(4).map_err(failed)?,
            answer: row.get(5).map_err(failed)?,
        });
        delivered = row.get(6).map_err(failed)?;
        went_default = Some(row.get(7).map_err(failed)?);
    }
    let Some(is_default) = owed.map(|(_, _, is_default)| is_default).or(went_default) else { return Ok(Vec::new()) };
    let state = match owed {
        Some((_, true, _)) => State::Held,
        Some((due_at, false, _)) => State::Pending(instant(due_at)?),
        None if delivered => State::Delivered,
        None => State::Failed,
    };
    Ok(vec![DeliveryView { target: target(row, is_default)?, state, attempts }])
}
