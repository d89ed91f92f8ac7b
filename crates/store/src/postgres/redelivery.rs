//! Sending again and giving up in PostgreSQL. Whoever does locks the events first, one after the other in their order, so that two
//! who send parts of one event again know of each other; and then all that is owed of them, as a settlement does. So nothing ends,
//! is claimed or becomes owed between looking and writing, on whatever node. A claim that somebody still believes to have is void,
//! because a delivery that is sent again counts its claims from higher up.

use std::collections::{HashMap, HashSet};

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use oncue_domain::act::{Act, Action};
use oncue_domain::actor::Author;
use oncue_domain::delivery::{CLAIM_FOR, State, cancel, over_until};
use oncue_domain::event::Retention;
use oncue_domain::id::{EventId, UserId};
use oncue_domain::redelivery::{CancelRefusal, DeliveryId, Former, Refusal, Stand, may_redeliver};
use oncue_domain::store::{Redelivered, Result, TargetKind, UndeliveredFilter, UndeliveredPlace};
use tokio_postgres::Row;

use super::count::whole;
use super::event::KEPT;
use super::hint::Changes;
use super::{Shared, act, answered, column, delivery, execute, query, settle, view};
use crate::codec::{COUNTED_AS_DELIVERED, COUNTED_AS_FAILED, FENCES_APART, instant, owed_state, target_kind};

type Outcome = std::result::Result<(), Refusal>;

pub(super) async fn redeliver(
    shared: &Shared,
    owner: UserId,
    deliveries: &[DeliveryId],
    retention: Retention,
    author: Option<&Author>,
    now: Timestamp,
) -> Result<Vec<Outcome>> {
    let mut client = shared.client().await?;
    let transaction = answered(client.transaction()).await?;
    let outcomes = owe_again(&transaction, shared, owner, deliveries, retention, now).await?;
    act::note(&transaction, author, Act::redelivered(owner, deliveries, &outcomes)).await?;
    answered(transaction.commit()).await?;
    announce(shared, owner, &outcomes);
    Ok(outcomes)
}

#[expect(
    clippy::too_many_arguments,
    reason = "a filter and a place to go on are needed beside what sending again is told"
)]
pub(super) async fn redeliver_matching(
    shared: &Shared,
    owner: UserId,
    filter: &UndeliveredFilter,
    after: Option<UndeliveredPlace>,
    limit: usize,
    retention: Retention,
    author: Option<&Author>,
    now: Timestamp,
) -> Result<Redelivered> {
    let mut client = shared.client().await?;
    let over_until = over_until(retention.keep_for, now);
    let found = view::undelivered(&client, owner, filter, over_until, after, limit).await?;
    let deliveries: Vec<DeliveryId> = found.iter().map(|one| one.place.delivery()).collect();
    let transaction = answered(client.transaction()).await?;
    let outcomes = owe_again(&transaction, shared, owner, &deliveries, retention, now).await?;
    let sent = Redelivered::of(&found, &outcomes, limit);
    act::note(&transaction, author, Act::matching_redelivered(owner, sent.redelivered as u64)).await?;
    answered(transaction.commit()).await?;
    announce(shared, owner, &outcomes);
    Ok(sent)
}

fn announce(shared: &Shared, owner: UserId, outcomes: &[Outcome]) {
    let mut changes = Changes::default();
    if outcomes.iter().any(Outcome::is_ok) {
        changes.owed = true;
        changes.settled.insert(owner);
    }
    shared.hints.announce(&changes);
}

/// Locks those of these events that are the owner's and kept, and all that is owed of them; and says when they fired.
async fn hold(
    client: &impl GenericClient,
    owner: UserId,
    deliveries: &[DeliveryId],
    gone_until: Timestamp,
) -> Result<HashMap<EventId, Timestamp>> {
    let mut events: Vec<i64> = deliveries.iter().map(|delivery| delivery.event.0).collect();
    events.sort_unstable();
    events.dedup();
    // The numbers alone find them, as in `event::get`.
    let sql = format!(
        "SELECT events.id, events.fired_at
         FROM events
         WHERE events.id = ANY ($1) AND events.owner + 0 = $2 AND events.fired_at > $3 AND {KEPT}
         ORDER BY events.id
         FOR UPDATE OF events"
    );
    let rows = query(client, &sql, &[&events, &owner.0, &gone_until.as_microsecond()]).await?;
    let fired_at = |row: &Row| Ok((EventId(column(row, 0)?), instant(column(row, 1)?)?));
    let held = rows.iter().map(fired_at).collect::<Result<HashMap<EventId, Timestamp>>>()?;
    let mut own: Vec<i64> = held.keys().map(|event| event.0).collect();
    own.sort_unstable();
    let sql = "SELECT event_id FROM outbox WHERE event_id = ANY ($1) ORDER BY event_id, slot FOR UPDATE";
    execute(client, sql, &[&own]).await?;
    Ok(held)
}

/// A delivery as it stands before it is sent again.
struct Known {
    delivery: DeliveryId,
    fired_at: Timestamp,
    destination: i64,
    /// None where nothing is owed.
    owed: Option<State>,
    /// Whether it ended without having arrived.
    has_failed: bool,
    tried: i64,
    deliveries: i64,
    /// How its event is counted, where nothing of it is owed or it was not the first time that something is.
    counted: i64,
    is_destination_there: bool,
}

impl Known {
    fn read(row: &Row) -> Result<Known> {
        let due_at: Option<i64> = column(row, 4)?;
        let (is_held, is_parked) = (column(row, 5)?, column(row, 6)?);
        Ok(Known {
            delivery: DeliveryId { event: EventId(column(row, 0)?), slot: whole(row, 1)? },
            fired_at: instant(column(row, 2)?)?,
            destination: column(row, 3)?,
            owed: due_at.map(|due_at| owed_state(due_at, is_held, is_parked)).transpose()?,
            has_failed: column(row, 7)?,
            tried: column(row, 8)?,
            deliveries: column(row, 9)?,
            counted: column(row, 10)?,
            is_destination_there: column(row, 11)?,
        })
    }

    fn stand(&self, now: Timestamp) -> Stand {
        Stand::of(self.owed, u32::try_from(self.tried).unwrap_or(u32::MAX), now)
    }

    fn former(&self, shared: &Shared, now: Timestamp) -> Former {
        let is_target_there = match target_kind(self.destination) {
            TargetKind::Webhook => true,
            TargetKind::Default => shared.settings.has_default_destination,
            TargetKind::Destination(_) => self.is_destination_there,
        };
        Former { fired_at: self.fired_at, stand: self.stand(now), is_target_there }
    }
}

/// Those of the deliveries that there are, of events that are held.
async fn look(
    client: &impl GenericClient,
    held: &HashMap<EventId, Timestamp>,
    deliveries: &[DeliveryId],
) -> Result<HashMap<DeliveryId, Known>> {
    let (mut events, mut slots, mut fired) = (Vec::new(), Vec::new(), Vec::new());
    for delivery in deliveries {
        let Some(fired_at) = held.get(&delivery.event) else { continue };
        events.push(delivery.event.0);
        slots.push(i64::from(delivery.slot));
        fired.push(fired_at.as_microsecond());
    }
    let sql = format!(
        "SELECT asked.event_id, asked.slot, asked.fired_at, went.destination,
                owed.due_at, owed.held_by IS NOT NULL, coalesce(owed.is_parked, FALSE), given_up.event_id IS NOT NULL, coalesce(tried.number, 0),
                1 + greatest((SELECT max(slot) FROM attempts
                              WHERE attempts.event_id = asked.event_id AND attempts.fired_at = asked.fired_at),
                             (SELECT max(slot) FROM undelivered WHERE undelivered.event_id = asked.event_id),
                             (SELECT max(slot) FROM outbox WHERE outbox.event_id = asked.event_id)),
                coalesce((SELECT counted FROM outbox WHERE outbox.event_id = asked.event_id LIMIT 1),
                         CASE WHEN (SELECT TRUE FROM failures WHERE failures.event_id = asked.event_id)
                              THEN {COUNTED_AS_FAILED}::bigint ELSE {COUNTED_AS_DELIVERED}::bigint END),
                coalesce((SELECT TRUE FROM destinations WHERE destinations.id = went.destination), FALSE)
         FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS asked (event_id, slot, fired_at)
              LEFT JOIN LATERAL (SELECT * FROM outbox
                                 WHERE outbox.event_id = asked.event_id AND outbox.slot = asked.slot OFFSET 0) AS owed ON TRUE
              LEFT JOIN LATERAL (SELECT * FROM undelivered
                                 WHERE undelivered.event_id = asked.event_id AND undelivered.slot = asked.slot
                                 OFFSET 0) AS given_up ON TRUE
              LEFT JOIN LATERAL (SELECT number, destination FROM attempts
                                 WHERE attempts.event_id = asked.event_id AND attempts.slot = asked.slot
                                   AND attempts.fired_at = asked.fired_at
                                 ORDER BY number DESC
                                 LIMIT 1) AS tried ON TRUE
              CROSS JOIN LATERAL (VALUES (coalesce(owed.destination, given_up.destination, tried.destination)))
                              AS went (destination)
         WHERE went.destination IS NOT NULL"
    );
    let rows = query(client, &sql, &[&events, &slots, &fired]).await?;
    let known = rows.iter().map(Known::read).collect::<Result<Vec<Known>>>()?;
    Ok(known.into_iter().map(|known| (known.delivery, known)).collect())
}

async fn owe_again(
    client: &impl GenericClient,
    shared: &Shared,
    owner: UserId,
    deliveries: &[DeliveryId],
    retention: Retention,
    now: Timestamp,
) -> Result<Vec<Outcome>> {
    let held = hold(client, owner, deliveries, retention.gone_until(now)).await?;
    let known = look(client, &held, deliveries).await?;
    let mut taken = HashSet::new();
    let decide = |delivery: &DeliveryId| {
        let known = known.get(delivery).ok_or(Refusal::NotFound)?;
        may_redeliver(known.former(shared, now), retention, now)?;
        // Named twice, it is owed by then.
        if taken.insert(*delivery) { Ok(()) } else { Err(Refusal::Owed) }
    };
    let outcomes: Vec<Outcome> = deliveries.iter().map(decide).collect();
    let all = taken.iter().filter_map(|delivery| known.get(delivery));
    let (waiting, again): (Vec<&Known>, Vec<&Known>) = all.partition(|known| known.stand(now) == Stand::Waits);
    hasten(client, &waiting, now).await?;
    write(client, &again, now).await?;
    Ok(outcomes)
}

async fn hasten(client: &impl GenericClient, waiting: &[&Known], now: Timestamp) -> Result<()> {
    if waiting.is_empty() {
        return Ok(());
    }
    let (events, slots): (Vec<i64>, Vec<i64>) =
        waiting.iter().map(|known| (known.delivery.event.0, i64::from(known.delivery.slot))).unzip();
    let sql = "UPDATE outbox SET due_at = $3
               FROM unnest($1::bigint[], $2::bigint[]) AS waiting (event_id, slot)
               WHERE outbox.event_id = waiting.event_id AND outbox.slot = waiting.slot";
    execute(client, sql, &[&events, &slots, &now.as_microsecond()]).await.map(drop)
}

async fn write(client: &impl GenericClient, again: &[&Known], now: Timestamp) -> Result<()> {
    if again.is_empty() {
        return Ok(());
    }
    let numbers = |of: fn(&Known) -> i64| again.iter().map(|known| of(known)).collect::<Vec<i64>>();
    let (events, slots) = (numbers(|known| known.delivery.event.0), numbers(|known| i64::from(known.delivery.slot)));
    let (destinations, deliveries) = (numbers(|known| known.destination), numbers(|known| known.deliveries));
    let (fired, tried) = (numbers(|known| known.fired_at.as_microsecond()), numbers(|known| known.tried));
    let arrived: Vec<bool> = again.iter().map(|known| !known.has_failed).collect();
    let counted = numbers(|known| known.counted);
    let sql = format!(
        "WITH again AS MATERIALIZED (
             SELECT *
             FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::boolean[],
                         $8::bigint[])
                  AS again (event_id, slot, destination, deliveries, fired_at, tried, has_arrived, counted)
         ),
         not_given_up AS (
             DELETE FROM undelivered USING again
             WHERE undelivered.event_id = again.event_id AND undelivered.slot = again.slot
         ),
         not_failed AS (
             DELETE FROM failures WHERE event_id = ANY ($1)
         )
         INSERT INTO outbox (event_id, slot, destination, deliveries, fired_at, due_at, held_by, is_parked, tried, fence,
                             ladder_from, has_arrived, counted, in_order)
         SELECT event_id, slot, destination, deliveries, fired_at, $9, NULL, FALSE, tried,
                nextval('redeliveries') * {FENCES_APART}, tried, has_arrived, counted,
                EXISTS (SELECT 1 FROM destinations WHERE id = again.destination AND destinations.in_order)
         FROM again"
    );
    let now = now.as_microsecond();
    execute(client, &sql, &[&events, &slots, &destinations, &deliveries, &fired, &tried, &arrived, &counted, &now])
        .await
        .map(drop)
}

/// Cancelling is claiming, and giving up what is held then.
pub(super) async fn cancel_delivery(
    shared: &Shared,
    owner: UserId,
    delivery: DeliveryId,
    gone_until: Timestamp,
    author: Option<&Author>,
    now: Timestamp,
) -> Result<std::result::Result<(), CancelRefusal>> {
    let mut client = shared.client().await?;
    let transaction = answered(client.transaction()).await?;
    let held = hold(&transaction, owner, &[delivery], gone_until).await?;
    let known = look(&transaction, &held, &[delivery]).await?;
    let Some(known) = known.get(&delivery) else { return Ok(Err(CancelRefusal::NotFound)) };
    if known.owed.is_none() {
        return Ok(Err(CancelRefusal::Ended));
    }
    let until = now + CLAIM_FOR;
    let Some(claim) = delivery::claim_waiting(&transaction, shared, delivery, known.fired_at, until).await? else {
        return Ok(Err(CancelRefusal::UnderWay));
    };
    let rows = settle::write(&transaction, shared, &[cancel(claim, now)]).await?;
    act::note(&transaction, author, Some(Act::delivery(owner, Action::Cancelled, delivery))).await?;
    answered(transaction.commit()).await?;
    drop(client);
    settle::announce(shared, &rows, Changes::default()).await?;
    Ok(Ok(()))
}
