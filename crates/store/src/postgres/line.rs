//! Events in PostgreSQL as lists show them: many at once, by where they stand.

use deadpool_postgres::GenericClient;
use oncue_domain::id::{EventId, MessageId, TriggerId};
use oncue_domain::store::{EXCERPT_CHARS_MAX, EventLine, Result};
use tokio_postgres::Row;

use super::event::{EVENT_FROM, kind};
use super::firing::{FATE, FATE_OF_EVENTS, FIRED, FIRING_COLUMNS, firing};
use super::{column, query};
use crate::codec::broken;

/// An event's name, and what it carries.
pub(super) const NAME: &str = "coalesce(triggers.name, revisions.name, '')";
pub(super) const PAYLOAD: &str = "coalesce(events.payload, triggers.payload, revisions.payload, '{}')";

/// The events of these numbers and instants, in this order. They were found in the same moment, so all of them are there.
pub(super) async fn lines(client: &impl GenericClient, found: &[(i64, i64)]) -> Result<Vec<EventLine>> {
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let (ids, instants): (Vec<i64>, Vec<i64>) = found.iter().copied().unzip();
    let (first, last) = (instants.iter().min(), instants.iter().max());
    // One look into one partition for each, however large the planner takes the table to be: that is what OFFSET holds it to.
    // Partitions that lie beyond all of them are not even opened, for which alone the bounds are said.
    let sql = format!(
        "SELECT {FIRED}, {FATE}, events.trigger_id, events.message_id,
                {NAME},
                CASE WHEN triggers.id IS NULL THEN revisions.kind
                     WHEN triggers.schedule IS NULL THEN 'api'
                     ELSE 'scheduled' END,
                substr({PAYLOAD}, 1, {EXCERPT_CHARS_MAX})
         FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS found (id, fired_at, place)
         CROSS JOIN LATERAL (SELECT *
                             FROM events
                             WHERE events.id = found.id AND events.fired_at = found.fired_at
                               AND events.fired_at BETWEEN $3 AND $4
                             OFFSET 0) AS {EVENT_FROM}
         {FATE_OF_EVENTS}
         ORDER BY found.place"
    );
    let rows = query(client, &sql, &[&ids, &instants, &first, &last]).await?;
    if rows.len() < found.len() {
        return Err(broken("events", "an event went while it was read"));
    }
    rows.iter().map(line).collect()
}

fn line(row: &Row) -> Result<EventLine> {
    Ok(EventLine {
        id: EventId(column(row, 0)?),
        trigger: TriggerId(column(row, FIRING_COLUMNS)?),
        name: column(row, FIRING_COLUMNS + 2)?,
        kind: kind(column(row, FIRING_COLUMNS + 3)?)?,
        firing: firing(row, 0)?,
        message_id: MessageId(column(row, FIRING_COLUMNS + 1)?),
        excerpt: column(row, FIRING_COLUMNS + 4)?,
    })
}
