//! Deliveries in PostgreSQL, as they are shown: what is owed for an event, and what was tried. Claims and settlements are
//! written in `delivery`.

use deadpool_postgres::GenericClient;
use futures_util::future::try_join;
use jiff::Timestamp;
use oncue_domain::delivery::{Attempt, State};
use oncue_domain::destination::Target;
use oncue_domain::id::EventId;
use oncue_domain::store::{DeliveryView, Result};
use tokio_postgres::Row;

use super::{column, query, query_first};
use crate::codec::{broken, instant, webhook};

/// Where an event goes, from a row that begins with the columns of [`super::event::EVENT`].
pub(super) fn target(row: &Row, is_default: bool) -> Result<Target> {
    if is_default {
        return Ok(Target::Default);
    }
    let webhook = webhook(column(row, 11)?, column(row, 12)?)?;
    webhook.map(Target::Webhook).ok_or_else(|| broken("webhook_url", "the event's destination is gone"))
}

/// The deliveries of the event whose columns `row` holds.
pub(super) async fn deliveries(
    client: &impl GenericClient,
    row: &Row,
    id: EventId,
    fired_at: Timestamp,
) -> Result<Vec<DeliveryView>> {
    let owed = "SELECT due_at, held_by IS NOT NULL, is_default FROM outbox WHERE event_id = $1";
    let tried = "SELECT number, started_at, took_us, status, error, answer, delivered, is_default
                 FROM attempts
                 WHERE event_id = $1 AND fired_at = $2
                 ORDER BY number";
    let (owed, tried) =
        try_join(query_first(client, owed, &[&id.0]), query(client, tried, &[&id.0, &fired_at.as_microsecond()]))
            .await?;
    let last = tried.last();
    let Some(is_default) = owed.as_ref().map(|row| column(row, 2)).or(last.map(|row| column(row, 7))).transpose()?
    else {
        return Ok(Vec::new());
    };
    let state = match (&owed, last) {
        (Some(row), _) if column(row, 1)? => State::Held,
        (Some(row), _) => State::Pending(instant(column(row, 0)?)?),
        (None, Some(row)) if column(row, 6)? => State::Delivered,
        (None, _) => State::Failed,
    };
    let attempts = tried.iter().map(attempt).collect::<Result<_>>()?;
    Ok(vec![DeliveryView { target: target(row, is_default)?, state, attempts }])
}

fn attempt(row: &Row) -> Result<Attempt> {
    let (number, status): (i64, Option<i64>) = (column(row, 0)?, column(row, 3)?);
    Ok(Attempt {
        number: u32::try_from(number).map_err(|error| broken("number", error))?,
        started_at: instant(column(row, 1)?)?,
        took_us: column(row, 2)?,
        status: status.map(u16::try_from).transpose().map_err(|error| broken("status", error))?,
        error: column(row, 4)?,
        answer: column(row, 5)?,
    })
}
