//! Events in PostgreSQL, as they are read. How they come to be is told in `log`, how they are looked for in `search`.

use deadpool_postgres::Client;
use jiff::Timestamp;
use oncue_domain::event::Event;
use oncue_domain::id::{EventId, MessageId, TriggerId, UserId};
use oncue_domain::payload::Payload;
use oncue_domain::store::{DeliveryView, EventCount, EventFilter, EventPage, EventPlace, Result};
use oncue_domain::trigger::Kind;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{Params, column, limit_of, moment, query, query_first, view};
use crate::codec::{broken, instant, origin_from_number};

/// What has expired is gone for every reader, whether its partition is there or not. A number higher than all that have is of an
/// event that was logged after the clock had been put back: it lies behind the mark and is kept. Whoever lists events has a bound
/// of their own, so that what has expired is not walked over.
pub(super) const KEPT: &str = "((events.fired_at, events.id) > (SELECT fired_at, event_id FROM expired) \
     OR events.id > (SELECT known_until FROM expired))";

/// An event's columns with what its revision says, whether that is the present one or a former one. Whether it has a run is asked in a way for which no
/// table is made of all runs, as would be of EXISTS.
pub(super) const EVENT: &str = "events.id, events.owner, events.trigger_id, events.revision, events.origin, \
     events.scheduled_at, events.fired_at, events.message_id, \
     coalesce(events.payload, triggers.payload, revisions.payload), \
     coalesce(triggers.name, revisions.name), \
     CASE WHEN triggers.id IS NULL THEN revisions.kind WHEN triggers.schedule IS NULL THEN 'api' ELSE 'scheduled' END, \
     coalesce(triggers.webhook_url, revisions.webhook_url), \
     coalesce(triggers.webhook_format, revisions.webhook_format), \
     events.parent, \
     (SELECT TRUE FROM runs WHERE runs.event_id = events.id) IS NOT NULL, \
     events.due_at";

/// How many columns that are.
pub(super) const EVENT_COLUMNS: usize = 16;

/// The tables behind [`EVENT`]. It begins with the name `events`, so that it can stand behind a choice of them that is called so.
pub(super) const EVENT_FROM: &str = "events \
     LEFT JOIN triggers ON triggers.id = events.trigger_id AND triggers.revision = events.revision \
     LEFT JOIN revisions ON revisions.trigger_id = events.trigger_id AND revisions.revision = events.revision";

/// Reads an event from columns that begin with [`EVENT`].
pub(super) fn event(row: &Row) -> Result<Event> {
    let scheduled_at: Option<i64> = column(row, 5)?;
    let message_id: Uuid = column(row, 7)?;
    let payload: Option<&str> = column(row, 8)?;
    let name: Option<String> = column(row, 9)?;
    Ok(Event {
        id: EventId(column(row, 0)?),
        owner: UserId(column(row, 1)?),
        trigger: TriggerId(column(row, 2)?),
        revision: column(row, 3)?,
        origin: origin_from_number(column(row, 4)?)?,
        scheduled_at: scheduled_at.map(instant).transpose()?,
        due_at: column::<Option<i64>>(row, 15)?.map(instant).transpose()?,
        fired_at: instant(column(row, 6)?)?,
        message_id: MessageId(message_id),
        payload: payload.map_or_else(Payload::empty, Payload::from_stored),
        name: name.unwrap_or_default(),
        kind: kind(column(row, 10)?)?,
        parent: column::<Option<i64>>(row, 13)?.map(EventId),
        has_run: column(row, 14)?,
    })
}

/// Reads what sort of trigger an event's was.
pub(super) fn kind(word: Option<&str>) -> Result<Kind> {
    word.and_then(Kind::from_word).ok_or_else(|| broken("kind", "the event's revision is gone"))
}

pub(super) async fn get(
    client: &mut Client,
    owner: UserId,
    id: EventId,
    gone_until: Timestamp,
) -> Result<Option<(Event, Vec<DeliveryView>)>> {
    // The number alone finds it. The owner is asked for in a way that no index serves: one by owners looks just as good to the
    // planner, and would be walked from end to end.
    let sql = format!(
        "SELECT {EVENT}
         FROM {EVENT_FROM}
         WHERE events.id = $1 AND events.owner + 0 = $2 AND events.fired_at > $3 AND {KEPT}"
    );
    let moment = moment(client).await?;
    let found = query_first(&moment, &sql, &[&id.0, &owner.0, &gone_until.as_microsecond()]).await?;
    let Some(row) = found else { return Ok(None) };
    let event = event(&row)?;
    let deliveries = view::deliveries(&moment, &row, &event).await?;
    Ok(Some((event, deliveries)))
}

pub(super) async fn list(
    client: &mut Client,
    owner: UserId,
    filter: EventFilter,
    page: EventPage,
    limit: usize,
) -> Result<Vec<Event>> {
    let (after, until) = bounds(&filter);
    let trigger = filter.trigger.map(|id| id.0);
    let by_trigger = if trigger.is_some() { "AND events.trigger_id = $4" } else { "AND $4::bigint IS NULL" };
    let (place, order) = beyond(page);
    // A plan is made without knowing how many rows will be asked for, and would be made for a tenth of the table.
    let limit_planned = limit.clamp(100, 1 << 40).next_power_of_two();
    let sql = format!(
        "SELECT {EVENT}
         FROM (SELECT *
               FROM events
               WHERE events.owner = $1 AND events.fired_at > $2 AND events.fired_at <= $3 {by_trigger} {place} AND {KEPT}
               ORDER BY {order}
               LIMIT {limit_planned}) AS {EVENT_FROM}
         ORDER BY {order}
         LIMIT $7"
    );
    let (place_at, place_id) = numbers(page);
    let params: Params<'_> = &[&owner.0, &after, &until, &trigger, &place_at, &place_id, &limit_of(limit)];
    query(&*client, &sql, params).await?.iter().map(event).collect()
}

/// The instants between which a filter lets events through: after the first, up to the second.
pub(super) fn bounds(filter: &EventFilter) -> (i64, i64) {
    (
        filter.fired_after.map_or(i64::MIN, Timestamp::as_microsecond),
        filter.fired_until.map_or(i64::MAX, Timestamp::as_microsecond),
    )
}

/// The condition that puts events beyond a page's place, which is in `$5` and `$6`, and the page's order. That an event is not
/// even at the same instant on this side is said once more by itself, because whole partitions are passed over by it.
pub(super) fn beyond(page: EventPage) -> (&'static str, &'static str) {
    let (beyond, order) = match page {
        EventPage::NewestFirst(_) => (
            "AND events.fired_at <= $5 AND (events.fired_at, events.id) < ($5, $6)",
            "events.fired_at DESC, events.id DESC",
        ),
        EventPage::OldestFirst(_) => {
            ("AND events.fired_at >= $5 AND (events.fired_at, events.id) > ($5, $6)", "events.fired_at, events.id")
        }
    };
    (if place_of(page).is_some() { beyond } else { "AND $5::bigint = $6::bigint" }, order)
}

/// Where a page begins.
pub(super) fn place_of(page: EventPage) -> Option<EventPlace> {
    let (EventPage::NewestFirst(place) | EventPage::OldestFirst(place)) = page;
    place
}

/// A page's place for [`beyond`].
pub(super) fn numbers(page: EventPage) -> (i64, i64) {
    place_of(page).map_or((0, 0), |place| (place.fired_at.as_microsecond(), place.id.0))
}

pub(super) async fn counts(client: &mut Client, owner: UserId, gone_until: Timestamp) -> Result<Vec<EventCount>> {
    let sql = format!(
        "SELECT counted.trigger_id, counted.count,
                coalesce(triggers.name,
                         (SELECT name FROM revisions
                          WHERE revisions.trigger_id = counted.trigger_id AND triggers.id IS NULL
                          ORDER BY revision DESC
                          LIMIT 1))
         FROM (SELECT trigger_id, count(*) AS count
               FROM events
               WHERE owner = $1 AND fired_at > $2 AND {KEPT}
               GROUP BY trigger_id) AS counted
         LEFT JOIN triggers ON triggers.id = counted.trigger_id
         ORDER BY counted.trigger_id"
    );
    let rows = query(&*client, &sql, &[&owner.0, &gone_until.as_microsecond()]).await?;
    let count = |row: &Row| {
        let (count, name): (i64, Option<String>) = (column(row, 1)?, column(row, 2)?);
        Ok(EventCount {
            trigger: TriggerId(column(row, 0)?),
            count: u64::try_from(count).map_err(|error| broken("count", error))?,
            name: name.unwrap_or_default(),
        })
    };
    rows.iter().map(count).collect()
}
