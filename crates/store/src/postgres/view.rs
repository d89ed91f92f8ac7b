//! Deliveries in PostgreSQL, as they are shown: what is owed for an event, what was tried, and what was given up. Claims are
//! written in `delivery`, settlements in `settle`.

use std::collections::BTreeMap;

use deadpool_postgres::{Client, GenericClient};
use futures_util::future::try_join3;
use jiff::Timestamp;
use oncue_domain::delivery::{Attempt, State};
use oncue_domain::destination::Target;
use oncue_domain::event::Event;
use oncue_domain::id::{EventId, TriggerId, UserId};
use oncue_domain::store::{DeliveryView, Result, Undelivered, UndeliveredFilter, UndeliveredPlace};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::count::whole;
use super::{column, limit_of, query, query_first};
use crate::codec::{broken, instant, owed_state, target, target_kind};

/// Where an event goes, from a row that begins with the columns of [`super::event::EVENT`].
pub(super) fn target_of(row: &Row, number: i64) -> Result<Target> {
    target(number, column(row, 11)?, column(row, 12)?)
}

/// What is known of a delivery.
struct Known {
    target: i64,
    state: State,
    attempts: Vec<Attempt>,
    ladder_from: u32,
    why: Option<String>,
}

/// The deliveries of the event whose columns `row` holds.
pub(super) async fn deliveries(client: &impl GenericClient, row: &Row, event: &Event) -> Result<Vec<DeliveryView>> {
    let owed = "SELECT slot, destination, due_at, held_by IS NOT NULL, is_parked, ladder_from
                FROM outbox WHERE event_id = $1";
    let given_up = "SELECT slot, destination, why FROM undelivered WHERE event_id = $1";
    let tried = "SELECT slot, destination, delivered, number, started_at, took_us, status, error, answer
                 FROM attempts
                 WHERE event_id = $1 AND fired_at = $2
                 ORDER BY slot, number";
    let (id, fired_at) = (event.id.0, event.fired_at.as_microsecond());
    let (owed, given_up, tried) = try_join3(
        query(client, owed, &[&id]),
        query(client, given_up, &[&id]),
        query(client, tried, &[&id, &fired_at]),
    )
    .await?;
    let mut known: BTreeMap<u32, Known> = BTreeMap::new();
    for row in &tried {
        let delivery = entry(&mut known, row)?;
        if column(row, 2)? {
            delivery.state = State::Delivered;
        }
        delivery.attempts.push(attempt(row)?);
    }
    for row in &given_up {
        entry(&mut known, row)?.why = column(row, 2)?;
    }
    for row in &owed {
        let delivery = entry(&mut known, row)?;
        delivery.ladder_from = whole(row, 5)?;
        delivery.state = owed_state(column(row, 2)?, column(row, 3)?, column(row, 4)?)?;
    }
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

/// The delivery of a row that begins with its slot and its destination; as long as nothing else is said, it failed.
fn entry<'k>(known: &'k mut BTreeMap<u32, Known>, row: &Row) -> Result<&'k mut Known> {
    let target = column(row, 1)?;
    let blank = Known { target, state: State::Failed, attempts: Vec::new(), ladder_from: 0, why: None };
    Ok(known.entry(whole(row, 0)?).or_insert(blank))
}

fn attempt(row: &Row) -> Result<Attempt> {
    let status: Option<i64> = column(row, 6)?;
    Ok(Attempt {
        number: whole(row, 3)?,
        started_at: instant(column(row, 4)?)?,
        took_us: column(row, 5)?,
        status: status.map(u16::try_from).transpose().map_err(|error| broken("status", error))?,
        error: column(row, 7)?,
        answer: column(row, 8)?,
    })
}

/// Which rows of `undelivered` a filter lets through; with the parameters `$1` to `$6`.
fn meant_by(filter: &UndeliveredFilter) -> String {
    let by_destination = if filter.destination.is_some() { "destination = $5" } else { "$5::bigint IS NULL" };
    let by_trigger = if filter.trigger.is_some() { "trigger_id = $6" } else { "$6::bigint IS NULL" };
    format!(
        "undelivered
         WHERE owner = $1 AND fired_at > $2 AND failed_at > $3 AND failed_at <= $4 AND {by_destination} AND {by_trigger}"
    )
}

/// The parameters of [`meant_by`].
struct Meant {
    owner: i64,
    gone_until: i64,
    failed_after: i64,
    failed_until: i64,
    destination: Option<i64>,
    trigger: Option<i64>,
}

impl Meant {
    fn new(owner: UserId, filter: &UndeliveredFilter, gone_until: Timestamp) -> Meant {
        Meant {
            owner: owner.0,
            gone_until: gone_until.as_microsecond(),
            failed_after: filter.failed_after.map_or(i64::MIN, Timestamp::as_microsecond),
            failed_until: filter.failed_until.map_or(i64::MAX, Timestamp::as_microsecond),
            destination: filter.destination.map(|id| id.0),
            trigger: filter.trigger.map(|id| id.0),
        }
    }

    fn params(&self) -> [&(dyn ToSql + Sync); 6] {
        [&self.owner, &self.gone_until, &self.failed_after, &self.failed_until, &self.destination, &self.trigger]
    }
}

pub(super) async fn undelivered(
    client: &Client,
    owner: UserId,
    filter: &UndeliveredFilter,
    gone_until: Timestamp,
    after: Option<UndeliveredPlace>,
    limit: usize,
) -> Result<Vec<Undelivered>> {
    let below = match after {
        Some(_) => "AND (failed_at, event_id, slot) < ($7, $8, $9)",
        None => "AND $7::bigint = $8::bigint + $9::bigint",
    };
    let sql = format!(
        "SELECT failed_at, event_id, slot, destination, trigger_id, fired_at, why
         FROM {} {below}
         ORDER BY failed_at DESC, event_id DESC, slot DESC
         LIMIT $10",
        meant_by(filter)
    );
    let (at, event, slot) =
        after.map_or((0, 0, 0), |place| (place.failed_at.as_microsecond(), place.event.0, i64::from(place.slot)));
    let (meant, limit) = (Meant::new(owner, &filter.below(after), gone_until), limit_of(limit));
    let mut params = meant.params().to_vec();
    params.extend([&at as &(dyn ToSql + Sync), &event, &slot, &limit]);
    let rows = query(client, &sql, &params).await?;
    let read = |row: &Row| {
        Ok(Undelivered {
            place: UndeliveredPlace {
                failed_at: instant(column(row, 0)?)?,
                event: EventId(column(row, 1)?),
                slot: whole(row, 2)?,
            },
            target: target_kind(column(row, 3)?),
            trigger: TriggerId(column(row, 4)?),
            fired_at: instant(column(row, 5)?)?,
            why: column(row, 6)?,
        })
    };
    rows.iter().map(read).collect()
}

pub(super) async fn count_undelivered(
    client: &Client,
    owner: UserId,
    filter: &UndeliveredFilter,
    gone_until: Timestamp,
    at_most: u64,
) -> Result<u64> {
    let sql = format!("SELECT count(*) FROM (SELECT 1 FROM {} LIMIT $7) AS counted", meant_by(filter));
    let (meant, at_most) = (Meant::new(owner, filter, gone_until), i64::try_from(at_most).unwrap_or(i64::MAX));
    let mut params = meant.params().to_vec();
    params.push(&at_most);
    let row = query_first(client, &sql, &params).await?.ok_or_else(|| broken("undelivered", "a count gave no row"))?;
    whole(&row, 0)
}
