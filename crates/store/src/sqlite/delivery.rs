//! Deliveries in SQLite: what is owed, who holds it, and what was tried.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use oncue_domain::delivery::{Attempt, CLAIM_FOR, Claim, Settlement, Verdict};
use oncue_domain::destination::Target;
use oncue_domain::id::{DestinationId, EventId, UserId};
use oncue_domain::redelivery::DeliveryId;
use oncue_domain::store::{OwedCounts, Result};
use rusqlite::{Connection, OptionalExtension, Row};

use super::count::Subject;
use super::event::{EVENT, EVENT_COLUMNS, EVENT_FROM, event};
use super::order::Due;
use super::streak::Watch;
use super::writer::Effects;
use super::{Shared, failed, order, overlap, receipt};
use crate::codec::{ACTIVE, COUNTED_AS_FAILED, NOT_COUNTED, instant, target, target_to_number};

/// How many bytes of payload are claimed together, beyond the first.
const CLAIM_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How long a row that cannot be read is left alone.
const UNREADABLE_PAUSE: SignedDuration = SignedDuration::from_hours(1);

/// A delivery that is owed.
pub(super) struct Owing<'t> {
    pub(super) event: EventId,
    pub(super) slot: u32,
    pub(super) deliveries: u32,
    pub(super) target: &'t Target,
    pub(super) due_at: Timestamp,
    /// Whether it is claimed for this process, or free.
    pub(super) is_claimed: bool,
    /// Whether its destination takes deliveries in order.
    pub(super) is_in_order: bool,
    /// The trigger whose occurrences are not to overlap it.
    pub(super) overlap_of: Option<i64>,
}

pub(super) fn owe(connection: &Connection, owing: &Owing<'_>) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO outbox (event_id, slot, destination, deliveries, due_at, is_held, is_parked, tried, fence, in_order,
                                 overlap_of)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, 0, ?6, ?7, ?8)",
        )
        .and_then(|mut statement| {
            statement.execute((
                owing.event.0,
                owing.slot,
                target_to_number(owing.target),
                owing.deliveries,
                owing.due_at.as_microsecond(),
                owing.is_claimed,
                owing.is_in_order,
                owing.overlap_of,
            ))
        })
        .map_err(failed)?;
    Ok(())
}

/// What is parked for a destination of this owner is due, and what waits for its next attempt there.
pub(super) fn unpark(
    connection: &Connection,
    effects: &mut Effects,
    owner: UserId,
    destination: DestinationId,
    now: Timestamp,
) -> Result<()> {
    let due = connection
        .prepare_cached(
            "UPDATE outbox SET is_parked = 0, due_at = ?2
             WHERE destination = ?1 AND destination > 0 AND (is_parked OR tried > 0)
               AND (is_parked OR NOT is_held AND due_at > ?2)",
        )
        .and_then(|mut statement| statement.execute((destination.0, now.as_microsecond())))
        .map_err(failed)?;
    if due > 0 {
        effects.owed = true;
        effects.settled.insert(owner);
    }
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
        "SELECT {EVENT}, {CLAIM}, outbox.in_order
         FROM (SELECT * FROM outbox WHERE due_at <= ? ORDER BY due_at LIMIT ?) AS outbox
         JOIN {EVENT_FROM}
         WHERE events.id = outbox.event_id"
    );
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query((now.as_microsecond(), limit)).map_err(failed)?;
    let mut claims = Vec::new();
    let mut unreadable: Vec<(i64, u32)> = Vec::new();
    let mut bytes_left = CLAIM_BYTES_MAX;
    let mut in_order: Vec<Due> = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let at = |place: usize| EVENT_COLUMNS + place;
        if row.get(at(8)).map_err(failed)? {
            let (event, destination) = (row.get(0).map_err(failed)?, row.get(at(2)).map_err(failed)?);
            in_order.push(Due { destination, event, slot: row.get(at(0)).map_err(failed)? });
            continue;
        }
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
                unreadable.push((id, row.get(EVENT_COLUMNS).map_err(failed)?));
            }
        }
    }
    for (id, slot) in unreadable {
        let later = now + UNREADABLE_PAUSE;
        connection
            .prepare_cached("UPDATE outbox SET due_at = ?3 WHERE event_id = ?1 AND slot = ?2")
            .and_then(|mut statement| statement.execute((id, slot, later.as_microsecond())))
            .map_err(failed)?;
    }
    for claim in &claims {
        hold(connection, claim)?;
    }
    claims.extend(order::claim(connection, &in_order, now, until)?);
    Ok(claims)
}

/// A delivery that nobody holds is held by the caller, whether it is due or not.
pub(super) fn claim_waiting(connection: &Connection, delivery: DeliveryId, now: Timestamp) -> Result<Option<Claim>> {
    let sql = format!(
        "SELECT {EVENT}, {CLAIM}
         FROM (SELECT * FROM outbox WHERE event_id = ? AND slot = ? AND NOT is_held) AS outbox
         JOIN {EVENT_FROM}
         WHERE events.id = outbox.event_id"
    );
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query((delivery.event.0, delivery.slot)).map_err(failed)?;
    let Some(row) = rows.next().map_err(failed)? else { return Ok(None) };
    let claim = read_claim(row, now + CLAIM_FOR)?;
    hold(connection, &claim)?;
    Ok(Some(claim))
}

/// The claim of this delivery, whatever its time. None where it cannot be read: then it is left alone for a while.
pub(super) fn claim_one(connection: &Connection, event: i64, slot: u32, until: Timestamp) -> Result<Option<Claim>> {
    let sql = format!(
        "SELECT {EVENT}, {CLAIM} FROM outbox JOIN {EVENT_FROM}
         WHERE events.id = outbox.event_id AND outbox.event_id = ? AND outbox.slot = ?"
    );
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query((event, slot)).map_err(failed)?;
    let Some(row) = rows.next().map_err(failed)? else { return Ok(None) };
    match read_claim(row, until) {
        Ok(claim) => {
            hold(connection, &claim)?;
            Ok(Some(claim))
        }
        Err(error) => {
            tracing::error!(event, %error, "event {event} cannot be read and is not delivered");
            let later = until + UNREADABLE_PAUSE;
            connection
                .prepare_cached("UPDATE outbox SET due_at = ?3 WHERE event_id = ?1 AND slot = ?2")
                .and_then(|mut statement| statement.execute((event, slot, later.as_microsecond())))
                .map_err(failed)?;
            Ok(None)
        }
    }
}

/// Writes down that a claim holds its delivery.
fn hold(connection: &Connection, claim: &Claim) -> Result<()> {
    connection
        .prepare_cached(
            "UPDATE outbox SET due_at = ?3, is_held = 1, is_parked = 0, fence = ?4 WHERE event_id = ?1 AND slot = ?2",
        )
        .and_then(|mut statement| {
            statement.execute((claim.event.id.0, claim.slot, claim.until.as_microsecond(), claim.fence))
        })
        .map_err(failed)?;
    Ok(())
}

/// What a claim is made from, beside its event.
const CLAIM: &str = "outbox.slot, outbox.deliveries, outbox.destination, outbox.tried, outbox.ladder_from, outbox.fence, \
                     outbox.due_at, outbox.is_held";

/// Reads columns that begin with [`EVENT`] and [`CLAIM`].
fn read_claim(row: &Row<'_>, until: Timestamp) -> Result<Claim> {
    let at = |place: usize| EVENT_COLUMNS + place;
    let fence: i64 = row.get(at(5)).map_err(failed)?;
    // A claim that has lapsed was given out when its row was due, or soon after.
    let claimed_for = if row.get(at(7)).map_err(failed)? { CLAIM_FOR } else { SignedDuration::ZERO };
    Ok(Claim {
        event: Arc::new(event(row)?),
        slot: row.get(at(0)).map_err(failed)?,
        deliveries: row.get(at(1)).map_err(failed)?,
        target: target_of(row, row.get(at(2)).map_err(failed)?)?,
        tried: row.get(at(3)).map_err(failed)?,
        ladder_from: row.get(at(4)).map_err(failed)?,
        due_at: (instant(row.get(at(6)).map_err(failed)?)? - claimed_for).min(until - CLAIM_FOR),
        until,
        fence: fence + 1,
    })
}

/// Where an event goes, from a row that begins with the columns of [`EVENT`].
pub(super) fn target_of(row: &Row<'_>, number: i64) -> Result<Target> {
    target(number, row.get(11).map_err(failed)?, row.get(12).map_err(failed)?)
}

pub(super) fn settle(
    connection: &Connection,
    effects: &mut Effects,
    shared: &Shared,
    settlements: &[Settlement],
) -> Result<()> {
    let mut watch = Watch::default();
    for settlement in settlements {
        let Some(past) = let_go(connection, settlement)? else { continue };
        let claim = &settlement.claim;
        effects.settled.insert(claim.event.owner);
        if let Some(attempt) = &settlement.attempt {
            note(connection, settlement, attempt)?;
        }
        match settlement.verdict {
            Verdict::Retry(_) | Verdict::Park(_) => effects.owed = true,
            Verdict::Delivered => end(connection, effects, claim, past, false)?,
            // What has arrived once stays delivered, whatever came of sending it again.
            Verdict::Failed if past.has_arrived => end(connection, effects, claim, past, false)?,
            Verdict::Failed => {
                give_up(connection, settlement)?;
                end(connection, effects, claim, past, true)?;
            }
        }
        overlap::call_up(connection, effects, past.overlap_of, settlement.at)?;
        watch.follow(connection, effects, shared, settlement)?;
    }
    let destinations: BTreeSet<DestinationId> = settlements.iter().filter_map(|one| one.claim.destination()).collect();
    for id in destinations {
        let now = settlements.iter().map(|settlement| settlement.at).max().unwrap_or_default();
        effects.owed |= order::call_up(connection, id, now)?;
    }
    Ok(())
}

/// What a delivery that has ended brings along from before it was sent again.
#[derive(Clone, Copy)]
struct Past {
    has_arrived: bool,
    /// How its event was counted.
    counted: i64,
    /// The trigger whose occurrences were not to overlap it.
    overlap_of: Option<i64>,
}

/// What the claim held is held no more, and owed only if that follows. None when the claim was lost before.
fn let_go(connection: &Connection, settlement: &Settlement) -> Result<Option<Past>> {
    let claim = &settlement.claim;
    let (event, slot, fence) = (claim.event.id.0, claim.slot, claim.fence);
    let changed = match settlement.verdict {
        Verdict::Retry(due_at) => connection
            .prepare_cached(
                "UPDATE outbox SET due_at = ?4, is_held = 0, tried = ?5, ladder_from = ?6
                 WHERE event_id = ?1 AND slot = ?2 AND fence = ?3 AND is_held",
            )
            .and_then(|mut statement| {
                let tried = settlement.attempt.as_ref().map_or(claim.tried, |attempt| attempt.number);
                statement.execute((event, slot, fence, due_at.as_microsecond(), tried, claim.ladder_from))
            }),
        Verdict::Park(until) => connection
            .prepare_cached(
                "UPDATE outbox
                 SET is_held = 0, is_parked = waits.is_so, due_at = iif(waits.is_so, ?4, ?5)
                 FROM (SELECT EXISTS (SELECT 1 FROM destinations WHERE id = ?6 AND standing <> ?7) AS is_so) AS waits
                 WHERE event_id = ?1 AND slot = ?2 AND fence = ?3 AND is_held",
            )
            .and_then(|mut statement| {
                let (until, at) = (until.as_microsecond(), settlement.at.as_microsecond());
                statement.execute((event, slot, fence, until, at, target_to_number(&claim.target), ACTIVE))
            }),
        Verdict::Delivered | Verdict::Failed => {
            return connection
                .prepare_cached(
                    "DELETE FROM outbox
                     WHERE event_id = ?1 AND slot = ?2 AND fence = ?3 AND is_held
                     RETURNING has_arrived, counted, overlap_of",
                )
                .and_then(|mut statement| {
                    let past = |row: &Row<'_>| {
                        Ok(Past { has_arrived: row.get(0)?, counted: row.get(1)?, overlap_of: row.get(2)? })
                    };
                    statement.query_row((event, slot, fence), past).optional()
                })
                .map_err(failed);
        }
    };
    let still_owed = Past { has_arrived: false, counted: NOT_COUNTED, overlap_of: None };
    Ok((changed.map_err(failed)? > 0).then_some(still_owed))
}

/// Writes an attempt down.
fn note(connection: &Connection, settlement: &Settlement, attempt: &Attempt) -> Result<()> {
    let claim = &settlement.claim;
    let kept = settlement.receipt.as_ref().map(|kept| receipt::keep(connection, claim, attempt.number, kept));
    let receipt = kept.transpose()?;
    connection
        .prepare_cached(
            "INSERT INTO attempts (event_id, slot, number, destination, started_at, took_us, status, error, answer, delivered,
                                   receipt)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .and_then(|mut statement| {
            statement.execute((
                claim.event.id.0,
                claim.slot,
                attempt.number,
                target_to_number(&claim.target),
                attempt.started_at.as_microsecond(),
                attempt.took_us,
                attempt.status,
                &attempt.error,
                &attempt.answer,
                settlement.verdict == Verdict::Delivered,
                receipt,
            ))
        })
        .map_err(failed)?;
    Ok(())
}

/// Writes down that a delivery failed for good.
fn give_up(connection: &Connection, settlement: &Settlement) -> Result<()> {
    let (claim, event) = (&settlement.claim, &settlement.claim.event);
    connection
        .prepare_cached(
            "INSERT INTO undelivered (event_id, slot, destination, owner, trigger_id, fired_at, failed_at, why)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .and_then(|mut statement| {
            statement.execute((
                event.id.0,
                claim.slot,
                target_to_number(&claim.target),
                event.owner.0,
                event.trigger.0,
                event.fired_at.as_microsecond(),
                settlement.at.as_microsecond(),
                &settlement.why,
            ))
        })
        .map_err(failed)?;
    Ok(())
}

/// A delivery has ended; with the last one of an event, the event has.
fn end(connection: &Connection, effects: &mut Effects, claim: &Claim, past: Past, has_failed: bool) -> Result<()> {
    let event = &claim.event;
    let mut has_failed = has_failed;
    if claim.deliveries > 1 {
        let (is_owed, has_other_failed): (bool, bool) = connection
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM outbox WHERE event_id = ?1),
                        EXISTS (SELECT 1 FROM undelivered WHERE event_id = ?1)",
            )
            .and_then(|mut statement| statement.query_row([event.id.0], |row| Ok((row.get(0)?, row.get(1)?))))
            .map_err(failed)?;
        if is_owed {
            return Ok(());
        }
        has_failed |= has_other_failed;
    }
    match past.counted {
        NOT_COUNTED => effects.counts.ended(&Subject::of(event), event.id, !has_failed),
        COUNTED_AS_FAILED if !has_failed => effects.counts.mended(&Subject::of(event)),
        _ => {}
    }
    if !has_failed {
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

pub(super) fn owed_counts(connection: &Connection) -> Result<OwedCounts> {
    let count = |sql| connection.query_row(sql, [], |row| row.get(0)).map_err(failed);
    Ok(OwedCounts {
        owed: count("SELECT count(*) FROM outbox")?,
        undelivered: count("SELECT count(*) FROM undelivered")?,
    })
}
