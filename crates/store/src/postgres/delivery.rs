//! Deliveries: what is owed, and which node holds it; what becomes of it is told in `settle`. A claim is void once its row has another fence or is held
//! no more, whatever the node that comes back with it believes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool_postgres::{Client, GenericClient};
use jiff::{SignedDuration, Timestamp};
use oncue_domain::delivery::{CLAIM_FOR, Claim};
use oncue_domain::redelivery::DeliveryId;
use oncue_domain::store::{OwedCounts, Result};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::count::whole;
use super::event::{EVENT, EVENT_COLUMNS, EVENT_FROM, event};
use super::view::target_of;
use super::{Shared, column, execute, lock, order, query, query_first};
use crate::codec::{broken, instant};

/// How many bytes of payload are claimed together, beyond the first.
const CLAIM_BYTES_MAX: i64 = 16 * 1024 * 1024;

/// How long a row that cannot be read is left alone.
const UNREADABLE_PAUSE: SignedDuration = SignedDuration::from_hours(1);

/// How many claims that nobody holds any more are let go together.
const RELEASED_TOGETHER: u64 = 1000;

/// While deliveries that were committed as claimed keep coming, the table is still looked at this often.
const LOOK_EVERY: Duration = Duration::from_millis(50);

pub(super) async fn next_owed(client: &Client) -> Result<Option<Timestamp>> {
    let row = query_first(client, "SELECT due_at FROM outbox ORDER BY due_at LIMIT 1", &[]).await?;
    row.map(|row| column(&row, 0).and_then(instant)).transpose()
}

pub(super) async fn owed_counts(client: &mut Client) -> Result<OwedCounts> {
    let sql = "SELECT (SELECT count(*) FROM outbox), (SELECT count(*) FROM undelivered)";
    let row = query_first(client, sql, &[]).await?.ok_or_else(|| broken("outbox", "a count gave no row"))?;
    Ok(OwedCounts { owed: whole(&row, 0)?, undelivered: whole(&row, 1)? })
}

/// Deliveries that were committed as claimed, and when they do not fill the limit, others from the table. One whose claim has grown
/// too old for a whole exchange is let go; the table gives it out again.
pub(super) async fn claim(shared: &Shared, now: Timestamp, limit: usize) -> Result<Vec<Claim>> {
    let mut claims: Vec<Claim> = {
        let mut fresh = shared.fresh();
        let count = limit.min(fresh.len());
        fresh.drain(..count).filter(|claim| claim.covers_exchange(now)).collect()
    };
    let is_time = {
        let mut looked_at = lock(&shared.outbox_looked_at);
        let is_time = claims.is_empty() || looked_at.is_none_or(|at| at.elapsed() >= LOOK_EVERY);
        if is_time {
            *looked_at = Some(Instant::now());
        }
        is_time
    };
    if claims.len() == limit || !is_time {
        return Ok(claims);
    }
    match claim_what_is_due(shared, now, limit - claims.len()).await {
        Ok(others) => claims.extend(others),
        Err(error) if claims.is_empty() => return Err(error),
        // What came from memory is held by this node, and nobody else would be given it before the claim lapses.
        Err(error) => tracing::debug!(%error, "the table of what is owed could not be looked at"),
    }
    Ok(claims)
}

async fn claim_what_is_due(shared: &Shared, now: Timestamp, limit: usize) -> Result<Vec<Claim>> {
    let mut client = shared.client().await?;
    let sql = "SELECT (SELECT due_at FROM outbox ORDER BY due_at LIMIT 1) <= $1,
                      (SELECT due_at FROM outbox WHERE in_order ORDER BY due_at LIMIT 1) <= $1";
    let due = query_first(&client, sql, &[&now.as_microsecond()]).await?;
    let (is_any, is_any_in_order) = match &due {
        Some(row) => (column(row, 0)?, column(row, 1)?),
        None => (None, None),
    };
    if is_any != Some(true) {
        return Ok(Vec::new());
    }
    let mut claims = claim_from_table(&client, shared, now, limit, Among::All).await?;
    if is_any_in_order == Some(true) && claims.len() < limit {
        match order::claim(shared, &mut client, now, limit - claims.len()).await {
            Ok(in_order) => claims.extend(in_order),
            Err(error) if claims.is_empty() => return Err(error),
            // What was claimed is held by this node, and nobody else would be given it before the claim lapses.
            Err(error) => tracing::debug!(%error, "what goes in order could not be looked at"),
        }
    }
    Ok(claims)
}

/// Of what is claimed.
#[derive(Clone, Copy)]
pub(super) enum Among<'a> {
    /// All that is due and goes in no order.
    All,
    /// These, whatever their time: their events and their slots.
    These(&'a Vec<i64>, &'a Vec<i64>),
}

impl Among<'_> {
    /// The rows that are claimed if they can be read. Parameters: `$1` now, `$2` how many, and from `$6` on those that are named.
    fn due(self) -> String {
        match self {
            Among::All => {
                // A claim that has lapsed was given out when its row was due, or soon after.
                let claimed_for = CLAIM_FOR.as_micros();
                format!(
                    "SELECT event_id, slot, fired_at, due_at,
                            due_at - CASE WHEN held_by IS NULL THEN 0 ELSE {claimed_for} END AS was_due_at
                     FROM outbox WHERE due_at <= $1 AND NOT in_order ORDER BY due_at, event_id, slot LIMIT $2
                     FOR UPDATE SKIP LOCKED"
                )
            }
            Among::These(..) => {
                "SELECT outbox.event_id, outbox.slot, outbox.fired_at, $1::bigint AS due_at, $1::bigint AS was_due_at
                 FROM outbox JOIN unnest($6::bigint[], $7::bigint[]) AS these (event_id, slot)
                   ON these.event_id = outbox.event_id AND these.slot = outbox.slot
                 ORDER BY outbox.event_id, outbox.slot LIMIT $2
                 FOR UPDATE OF outbox"
                    .to_owned()
            }
        }
    }
}

/// Rows that another node is just claiming are stepped over. So much payload is taken that it fits, and always one.
pub(super) async fn claim_from_table(
    client: &impl GenericClient,
    shared: &Shared,
    now: Timestamp,
    limit: usize,
    among: Among<'_>,
) -> Result<Vec<Claim>> {
    let until = now + CLAIM_FOR;
    let due = among.due();
    let sql = format!(
        "WITH due AS MATERIALIZED ({due}),
         readable AS MATERIALIZED (
             SELECT {EVENT},
                    sum(coalesce(octet_length(coalesce(events.payload, triggers.payload, revisions.payload)), 0))
                        OVER (ORDER BY due.due_at, events.id, due.slot ROWS UNBOUNDED PRECEDING)
                    - coalesce(octet_length(coalesce(events.payload, triggers.payload, revisions.payload)), 0) AS bytes_before,
                    due.slot
             FROM due JOIN {EVENT_FROM} ON events.id = due.event_id AND events.fired_at = due.fired_at
         ),
         claimed AS (
             UPDATE outbox SET due_at = $3, held_by = $4, is_parked = FALSE, fence = outbox.fence + 1
             FROM readable
             WHERE outbox.event_id = readable.id AND outbox.slot = readable.slot AND readable.bytes_before < $5
               AND EXISTS (SELECT 1 FROM nodes WHERE nodes.id = $4)
             RETURNING outbox.event_id, outbox.slot, outbox.tried, outbox.fence, outbox.destination, outbox.deliveries,
                       outbox.ladder_from
         )
         SELECT readable.*, claimed.tried, claimed.fence, claimed.destination, claimed.deliveries, claimed.ladder_from,
                due.was_due_at
         FROM readable JOIN claimed ON claimed.event_id = readable.id AND claimed.slot = readable.slot
                       JOIN due ON due.event_id = readable.id AND due.slot = readable.slot",
    );
    let node = shared.node.id();
    let until_us = until.as_microsecond();
    let (now_us, limit) = (now.as_microsecond(), super::limit_of(limit));
    let mut params: Vec<&(dyn ToSql + Sync)> = vec![&now_us, &limit, &until_us, &node, &CLAIM_BYTES_MAX];
    if let Among::These(events, slots) = &among {
        params.extend([*events as &(dyn ToSql + Sync), *slots]);
    }
    let (mut claims, mut unreadable) = (Vec::new(), Vec::new());
    for row in query(client, &sql, &params).await.inspect_err(|error| shared.doubt(error, until_us))? {
        match read_claim(&row, until) {
            Ok(claim) => claims.push(claim),
            // One row that cannot be read must not hold up the others.
            Err(error) => {
                let id: i64 = column(&row, 0)?;
                tracing::error!(event = id, %error, "event {id} cannot be read and is not delivered");
                unreadable.push((id, column::<i64>(&row, EVENT_COLUMNS + 1)?));
            }
        }
    }
    if !unreadable.is_empty() {
        let later = (now + UNREADABLE_PAUSE).as_microsecond();
        let (ids, slots): (Vec<i64>, Vec<i64>) = unreadable.into_iter().unzip();
        let put_off = "UPDATE outbox SET due_at = $3, held_by = NULL
                       FROM unnest($1::bigint[], $2::bigint[]) AS unreadable (event_id, slot)
                       WHERE outbox.event_id = unreadable.event_id AND outbox.slot = unreadable.slot";
        execute(client, put_off, &[&ids, &slots, &later]).await?;
    }
    claims.sort_by_key(|claim| (claim.event.id, claim.slot));
    Ok(claims)
}

/// A delivery that nobody holds is held by this node, whether it is due or not.
pub(super) async fn claim_waiting(
    client: &impl GenericClient,
    shared: &Shared,
    delivery: DeliveryId,
    fired_at: Timestamp,
    until: Timestamp,
) -> Result<Option<Claim>> {
    let sql = format!(
        "WITH claimed AS (
             UPDATE outbox SET due_at = $4, held_by = $5, is_parked = FALSE, fence = fence + 1
             FROM (SELECT due_at FROM outbox WHERE event_id = $1 AND slot = $2 AND held_by IS NULL FOR UPDATE) AS due
             WHERE event_id = $1 AND slot = $2
             RETURNING event_id, slot, tried, fence, destination, deliveries, ladder_from, due.due_at AS was_due_at
         )
         SELECT {EVENT}, NULL, claimed.slot, claimed.tried, claimed.fence, claimed.destination, claimed.deliveries,
                claimed.ladder_from, claimed.was_due_at
         FROM claimed JOIN {EVENT_FROM} ON events.id = claimed.event_id AND events.fired_at = $3"
    );
    let (slot, fired_at, until_us) = (i64::from(delivery.slot), fired_at.as_microsecond(), until.as_microsecond());
    let row = query_first(client, &sql, &[&delivery.event.0, &slot, &fired_at, &until_us, &shared.node.id()]).await?;
    row.map(|row| read_claim(&row, until)).transpose()
}

fn read_claim(row: &Row, until: Timestamp) -> Result<Claim> {
    Ok(Claim {
        event: Arc::new(event(row)?),
        slot: whole(row, EVENT_COLUMNS + 1)?,
        deliveries: whole(row, EVENT_COLUMNS + 5)?,
        target: target_of(row, column(row, EVENT_COLUMNS + 4)?)?,
        tried: whole(row, EVENT_COLUMNS + 2)?,
        ladder_from: whole(row, EVENT_COLUMNS + 6)?,
        due_at: instant(column(row, EVENT_COLUMNS + 7)?)?,
        until,
        fence: column(row, EVENT_COLUMNS + 3)?,
    })
}

/// Claims that nobody is there to settle are given up: what they held is owed at once. So many at a time, in the order in which all
/// lock them; what somebody is just writing is stepped over, and found the next time.
pub(super) async fn release_orphans(client: &Client) -> Result<u64> {
    let orphaned = released(
        "held_by IS NOT NULL AND NOT EXISTS (SELECT 1 FROM nodes WHERE nodes.id = outbox.held_by)",
        &RELEASED_TOGETHER.to_string(),
    );
    let mut all = 0;
    loop {
        let released = execute(client, &orphaned, &[]).await?;
        all += released;
        if released < RELEASED_TOGETHER {
            return Ok(all);
        }
    }
}

fn released(condition: &str, limit: &str) -> String {
    format!(
        "UPDATE outbox SET due_at = 0, held_by = NULL
         FROM (SELECT event_id, slot FROM outbox WHERE {condition}
               ORDER BY event_id, slot LIMIT {limit} FOR UPDATE SKIP LOCKED) AS free
         WHERE outbox.event_id = free.event_id AND outbox.slot = free.slot"
    )
}

/// Claims of this node that end at these instants were never handed over: what they held is owed at once.
pub(super) async fn release_until(client: &Client, node: i64, untils: &[i64]) -> Result<u64> {
    execute(client, &released("held_by = $1 AND due_at = ANY ($2)", "ALL"), &[&node, &untils]).await
}
