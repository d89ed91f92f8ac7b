//! Deliveries in SQLite, as they are shown: what is owed for an event, what was tried, and what was given up. Claims and
//! settlements are written in `delivery`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use oncue_domain::delivery::{Attempt, State};
use oncue_domain::event::Event;
use oncue_domain::id::{EventId, TriggerId, UserId};
use oncue_domain::store::{DeliveryView, Result, Undelivered, UndeliveredFilter, UndeliveredPlace};
use rusqlite::{Connection, Row};

use super::delivery::target_of;
use super::failed;
use crate::codec::{instant, owed_state, target_kind};

/// What is known of a delivery.
struct Known {
    target: i64,
    state: State,
    attempts: Vec<Attempt>,
    ladder_from: u32,
    why: Option<String>,
}

/// The deliveries of the event whose columns `row` holds.
pub(super) fn of_event(connection: &Connection, row: &Row<'_>, event: &Event) -> Result<Vec<DeliveryView>> {
    let mut known = BTreeMap::new();
    read_tried(connection, event.id, &mut known)?;
    read_given_up(connection, event.id, &mut known)?;
    read_owed(connection, event.id, &mut known)?;
    let view = |(slot, known): (u32, Known)| {
        Ok(DeliveryView {
            slot,
            message_id: event.message_id.of_slot(slot),
            target: target_of(row, known.target)?,
            state: known.state,
            attempts: known.attempts,
            ladder_from: known.ladder_from,
            why: known.why,
        })
    };
    known.into_iter().map(view).collect()
}

fn read_tried(connection: &Connection, id: EventId, known: &mut BTreeMap<u32, Known>) -> Result<()> {
    let mut statement = connection
        .prepare_cached(
            "SELECT slot, destination, delivered, number, started_at, took_us, status, error, answer
             FROM attempts
             WHERE event_id = ?
             ORDER BY slot, number",
        )
        .map_err(failed)?;
    let mut rows = statement.query([id.0]).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        let delivery = known.entry(row.get(0).map_err(failed)?).or_insert(Known {
            target: row.get(1).map_err(failed)?,
            state: State::Failed,
            attempts: Vec::new(),
            ladder_from: 0,
            why: None,
        });
        if row.get(2).map_err(failed)? {
            delivery.state = State::Delivered;
        }
        delivery.attempts.push(Attempt {
            number: row.get(3).map_err(failed)?,
            started_at: instant(row.get(4).map_err(failed)?)?,
            took_us: row.get(5).map_err(failed)?,
            status: row.get(6).map_err(failed)?,
            error: row.get(7).map_err(failed)?,
            answer: row.get(8).map_err(failed)?,
        });
    }
    Ok(())
}

fn read_given_up(connection: &Connection, id: EventId, known: &mut BTreeMap<u32, Known>) -> Result<()> {
    let mut statement = connection
        .prepare_cached("SELECT slot, destination, why FROM undelivered WHERE event_id = ?")
        .map_err(failed)?;
    let mut rows = statement.query([id.0]).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        let (target, why) = (row.get(1).map_err(failed)?, row.get(2).map_err(failed)?);
        let slot = row.get(0).map_err(failed)?;
        let blank = Known { target, state: State::Failed, attempts: Vec::new(), ladder_from: 0, why: None };
        known.entry(slot).or_insert(blank).why = why;
    }
    Ok(())
}

fn read_owed(connection: &Connection, id: EventId, known: &mut BTreeMap<u32, Known>) -> Result<()> {
    let mut statement = connection
        .prepare_cached(
            "SELECT slot, destination, due_at, is_held, is_parked, ladder_from FROM outbox WHERE event_id = ?",
        )
        .map_err(failed)?;
    let mut rows = statement.query([id.0]).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        let (is_held, is_parked) = (row.get(3).map_err(failed)?, row.get(4).map_err(failed)?);
        let state = owed_state(row.get(2).map_err(failed)?, is_held, is_parked)?;
        let target = row.get(1).map_err(failed)?;
        let blank = Known { target, state, attempts: Vec::new(), ladder_from: 0, why: None };
        let delivery = known.entry(row.get(0).map_err(failed)?).or_insert(blank);
        (delivery.state, delivery.ladder_from) = (state, row.get(5).map_err(failed)?);
    }
    Ok(())
}

/// Which rows of `undelivered` a filter lets through, by the index that suits it; with the parameters `?1` to `?6` of [`meant`].
fn meant_by(filter: &UndeliveredFilter) -> String {
    let (index, by_destination, by_trigger) = match (filter.destination, filter.trigger) {
        (Some(_), None) => ("destination", "destination = ?5", "?6 IS NULL"),
        (Some(_), Some(_)) => ("destination", "destination = ?5", "trigger_id = ?6"),
        (None, Some(_)) => ("trigger", "?5 IS NULL", "trigger_id = ?6"),
        (None, None) => ("owner", "?5 IS NULL", "?6 IS NULL"),
    };
    format!(
        "undelivered INDEXED BY undelivered_by_{index}
         WHERE owner = ?1 AND fired_at > ?2 AND failed_at > ?3 AND failed_at <= ?4 AND {by_destination} AND {by_trigger}"
    )
}

fn meant(
    owner: UserId,
    filter: &UndeliveredFilter,
    gone_until: Timestamp,
) -> (i64, i64, i64, i64, Option<i64>, Option<i64>) {
    (
        owner.0,
        gone_until.as_microsecond(),
        filter.failed_after.map_or(i64::MIN, Timestamp::as_microsecond),
        filter.failed_until.map_or(i64::MAX, Timestamp::as_microsecond),
        filter.destination.map(|id| id.0),
        filter.trigger.map(|id| id.0),
    )
}

pub(super) fn undelivered(
    connection: &Connection,
    owner: UserId,
    filter: &UndeliveredFilter,
    gone_until: Timestamp,
    after: Option<UndeliveredPlace>,
    limit: usize,
) -> Result<Vec<Undelivered>> {
    let below = match after {
        Some(_) => "AND (failed_at, event_id, slot) < (?7, ?8, ?9)",
        None => "AND ?7 = ?8 + ?9",
    };
    let sql = format!(
        "SELECT failed_at, event_id, slot, destination, trigger_id, fired_at, why
         FROM {} {below}
         ORDER BY failed_at DESC, event_id DESC, slot DESC
         LIMIT ?10",
        meant_by(filter)
    );
    let (owner, gone_until, failed_after, failed_until, destination, trigger) =
        meant(owner, &filter.below(after), gone_until);
    let (at, event, slot) =
        after.map_or((0, 0, 0), |place| (place.failed_at.as_microsecond(), place.event.0, place.slot));
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let params = (owner, gone_until, failed_after, failed_until, destination, trigger, at, event, slot, limit);
    let mut rows = statement.query(params).map_err(failed)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        found.push(Undelivered {
            place: UndeliveredPlace {
                failed_at: instant(row.get(0).map_err(failed)?)?,
                event: EventId(row.get(1).map_err(failed)?),
                slot: row.get(2).map_err(failed)?,
            },
            target: target_kind(row.get(3).map_err(failed)?),
            trigger: TriggerId(row.get(4).map_err(failed)?),
            fired_at: instant(row.get(5).map_err(failed)?)?,
            why: row.get(6).map_err(failed)?,
        });
    }
    Ok(found)
}

pub(super) fn count_undelivered(
    connection: &Connection,
    owner: UserId,
    filter: &UndeliveredFilter,
    gone_until: Timestamp,
    at_most: u64,
) -> Result<u64> {
    let sql = format!("SELECT count(*) FROM (SELECT 1 FROM {} LIMIT ?7)", meant_by(filter));
    let (owner, gone_until, failed_after, failed_until, destination, trigger) = meant(owner, filter, gone_until);
    let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
    connection
        .prepare_cached(&sql)
        .and_then(|mut statement| {
            let params = (owner, gone_until, failed_after, failed_until, destination, trigger, at_most);
            statement.query_row(params, |row| row.get(0))
        })
        .map_err(failed)
}
