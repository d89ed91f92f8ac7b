//! Sending again and giving up in SQLite. There is one writer, so nothing is claimed, settled or sent again between looking and
//! writing; a claim that somebody still believes to have is void, because a delivery that is sent again counts its claims from
//! higher up.

use jiff::Timestamp;
use oncue_domain::delivery::{State, cancel};
use oncue_domain::event::Retention;
use oncue_domain::id::UserId;
use oncue_domain::redelivery::{CancelRefusal, DeliveryId, Former, Refusal, Stand, may_redeliver};
use oncue_domain::store::{Result, TargetKind};
use rusqlite::Connection;

use super::writer::Effects;
use super::{Shared, delivery, failed};
use crate::codec::{COUNTED_AS_DELIVERED, COUNTED_AS_FAILED, FENCES_APART, instant, owed_state, target_kind};

/// A delivery as it stands before it is sent again.
struct Known {
    fired_at: Timestamp,
    destination: i64,
    /// None where nothing is owed.
    owed: Option<State>,
    /// Whether it ended without having arrived.
    has_failed: bool,
    tried: u32,
    deliveries: u32,
    /// How its event is counted, where nothing of it is owed or it was not the first time that something is.
    counted: i64,
}

fn look(connection: &Connection, owner: UserId, delivery: DeliveryId, gone_until: Timestamp) -> Result<Option<Known>> {
    let sql = format!(
        "SELECT events.fired_at,
                coalesce(outbox.destination, undelivered.destination,
                         (SELECT destination FROM attempts WHERE event_id = ?1 AND slot = ?2 LIMIT 1)) AS went_to,
                outbox.due_at, coalesce(outbox.is_held, 0), coalesce(outbox.is_parked, 0),
                undelivered.slot IS NOT NULL,
                coalesce((SELECT max(number) FROM attempts WHERE event_id = ?1 AND slot = ?2), 0),
                1 + max(coalesce((SELECT max(slot) FROM attempts WHERE event_id = ?1), 0),
                        coalesce((SELECT max(slot) FROM undelivered WHERE event_id = ?1), 0),
                        coalesce((SELECT max(slot) FROM outbox WHERE event_id = ?1), 0)),
                coalesce((SELECT counted FROM outbox WHERE event_id = ?1 LIMIT 1),
                         iif(EXISTS (SELECT 1 FROM failures WHERE event_id = ?1),
                             {COUNTED_AS_FAILED}, {COUNTED_AS_DELIVERED}))
         FROM events
         LEFT JOIN outbox ON outbox.event_id = events.id AND outbox.slot = ?2
         LEFT JOIN undelivered ON undelivered.event_id = events.id AND undelivered.slot = ?2
         WHERE events.id = ?1 AND events.owner = ?3 AND events.fired_at > ?4 AND went_to IS NOT NULL"
    );
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let params = (delivery.event.0, delivery.slot, owner.0, gone_until.as_microsecond());
    let mut rows = statement.query(params).map_err(failed)?;
    let Some(row) = rows.next().map_err(failed)? else { return Ok(None) };
    let due_at: Option<i64> = row.get(2).map_err(failed)?;
    let (is_held, is_parked) = (row.get(3).map_err(failed)?, row.get(4).map_err(failed)?);
    Ok(Some(Known {
        fired_at: instant(row.get(0).map_err(failed)?)?,
        destination: row.get(1).map_err(failed)?,
        owed: due_at.map(|due_at| owed_state(due_at, is_held, is_parked)).transpose()?,
        has_failed: row.get(5).map_err(failed)?,
        tried: row.get(6).map_err(failed)?,
        deliveries: row.get(7).map_err(failed)?,
        counted: row.get(8).map_err(failed)?,
    }))
}

fn is_target_there(connection: &Connection, shared: &Shared, number: i64) -> Result<bool> {
    match target_kind(number) {
        TargetKind::Webhook => Ok(true),
        TargetKind::Default => Ok(shared.settings.has_default_destination),
        TargetKind::Destination(id) => connection
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM destinations WHERE id = ?)")
            .and_then(|mut statement| statement.query_row([id.0], |row| row.get(0)))
            .map_err(failed),
    }
}

pub(super) fn redeliver(
    connection: &Connection,
    effects: &mut Effects,
    shared: &Shared,
    owner: UserId,
    deliveries: &[DeliveryId],
    retention: Retention,
    now: Timestamp,
) -> Result<Vec<std::result::Result<(), Refusal>>> {
    let mut outcomes = Vec::with_capacity(deliveries.len());
    for delivery in deliveries {
        let Some(known) = look(connection, owner, *delivery, retention.gone_until(now))? else {
            outcomes.push(Err(Refusal::NotFound));
            continue;
        };
        let is_target_there = is_target_there(connection, shared, known.destination)?;
        let stand = Stand::of(known.owed, known.tried, now);
        let outcome = may_redeliver(Former { fired_at: known.fired_at, stand, is_target_there }, retention, now);
        if outcome.is_ok() {
            match stand {
                Stand::Waits => hasten(connection, *delivery, now)?,
                _ => owe_again(connection, *delivery, &known, now)?,
            }
            effects.owed = true;
            effects.settled.insert(owner);
        }
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

fn hasten(connection: &Connection, delivery: DeliveryId, now: Timestamp) -> Result<()> {
    connection
        .prepare_cached("UPDATE outbox SET due_at = ?3 WHERE event_id = ?1 AND slot = ?2")
        .and_then(|mut statement| statement.execute((delivery.event.0, delivery.slot, now.as_microsecond())))
        .map_err(failed)
        .map(drop)
}

fn owe_again(connection: &Connection, delivery: DeliveryId, known: &Known, now: Timestamp) -> Result<()> {
    let (event, slot) = (delivery.event.0, delivery.slot);
    connection
        .prepare_cached("DELETE FROM undelivered WHERE event_id = ? AND slot = ?")
        .and_then(|mut statement| statement.execute((event, slot)))
        .map_err(failed)?;
    connection
        .prepare_cached("DELETE FROM failures WHERE event_id = ?")
        .and_then(|mut statement| statement.execute([event]))
        .map_err(failed)?;
    let times: i64 = connection
        .prepare_cached("UPDATE counters SET value = value + 1 WHERE name = 'redeliveries' RETURNING value")
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .map_err(failed)?;
    connection
        .prepare_cached(
            "INSERT INTO outbox (event_id, slot, destination, deliveries, due_at, is_held, is_parked, tried, fence,
                                 ladder_from, has_arrived, counted, in_order)
             VALUES (?1, ?2, ?3, ?4, ?5, 0, 0, ?6, ?7, ?6, ?8, ?9,
                     EXISTS (SELECT 1 FROM destinations WHERE id = ?3 AND in_order))",
        )
        .and_then(|mut statement| {
            statement.execute((
                event,
                slot,
                known.destination,
                known.deliveries,
                now.as_microsecond(),
                known.tried,
                times.saturating_mul(FENCES_APART),
                !known.has_failed,
                known.counted,
            ))
        })
        .map_err(failed)?;
    Ok(())
}

/// Cancelling is claiming, and giving up what is held then.
pub(super) fn cancel_delivery(
    connection: &Connection,
    effects: &mut Effects,
    shared: &Shared,
    owner: UserId,
    delivery: DeliveryId,
    gone_until: Timestamp,
    now: Timestamp,
) -> Result<std::result::Result<(), CancelRefusal>> {
    let Some(known) = look(connection, owner, delivery, gone_until)? else { return Ok(Err(CancelRefusal::NotFound)) };
    if known.owed.is_none() {
        return Ok(Err(CancelRefusal::Ended));
    }
    let Some(claim) = delivery::claim_waiting(connection, delivery, now)? else {
        return Ok(Err(CancelRefusal::UnderWay));
    };
    delivery::settle(connection, effects, shared, &[cancel(claim, now)])?;
    Ok(Ok(()))
}
