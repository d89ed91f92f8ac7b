//! Deliveries: what is owed, which node holds it, and what was tried. A claim is void once its row has another fence or is held
//! no more, whatever the node that comes back with it believes.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool_postgres::Client;
use jiff::{SignedDuration, Timestamp};
use oncue_domain::delivery::{CLAIM_FOR, Claim, Settlement, Verdict};
use oncue_domain::event::Origin;
use oncue_domain::id::UserId;
use oncue_domain::store::{Backlog, Result};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::event::{EVENT, EVENT_FROM, event};
use super::hint::Changes;
use super::view::target;
use super::{Shared, column, count, execute, lock, partition, query, query_first, tally};
use crate::codec::{instant, origin_to_number};

/// How many columns [`EVENT`] has.
const EVENT_COLUMNS: usize = 13;

/// How many bytes of payload are claimed together, beyond the first.
const CLAIM_BYTES_MAX: i64 = 16 * 1024 * 1024;

/// How long a row that cannot be read is left alone.
const UNREADABLE_PAUSE: SignedDuration = SignedDuration::from_hours(1);

/// While deliveries that were committed as claimed keep coming, the table is still looked at this often.
const LOOK_EVERY: Duration = Duration::from_millis(50);

pub(super) async fn next_owed(client: &Client) -> Result<Option<Timestamp>> {
    let row = query_first(client, "SELECT due_at FROM outbox ORDER BY due_at LIMIT 1", &[]).await?;
    row.map(|row| column(&row, 0).and_then(instant)).transpose()
}

pub(super) async fn backlog(client: &mut Client) -> Result<Backlog> {
    let row = query_first(client, "SELECT count(*) FROM outbox", &[]).await?;
    let owed: i64 = row.map_or(Ok(0), |row| column(&row, 0))?;
    Ok(Backlog { owed: u64::try_from(owed).unwrap_or(0) })
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
    let client = shared.client().await?;
    if next_owed(&client).await?.is_none_or(|due| due > now) {
        return Ok(Vec::new());
    }
    claim_from_table(&client, shared, now, limit).await
}

/// Rows that another node is just claiming are stepped over. So much payload is taken that it fits, and always one.
async fn claim_from_table(client: &Client, shared: &Shared, now: Timestamp, limit: usize) -> Result<Vec<Claim>> {
    let until = now + CLAIM_FOR;
    let sql = format!(
        "WITH due AS MATERIALIZED (
             SELECT event_id, fired_at, due_at FROM outbox WHERE due_at <= $1 ORDER BY due_at, event_id LIMIT $2
             FOR UPDATE SKIP LOCKED
         ),
         readable AS MATERIALIZED (
             SELECT {EVENT},
                    sum(coalesce(octet_length(coalesce(events.payload, triggers.payload, revisions.payload)), 0))
                        OVER (ORDER BY due.due_at, events.id ROWS UNBOUNDED PRECEDING)
                    - coalesce(octet_length(coalesce(events.payload, triggers.payload, revisions.payload)), 0) AS bytes_before
             FROM due JOIN {EVENT_FROM} ON events.id = due.event_id AND events.fired_at = due.fired_at
         ),
         claimed AS (
             UPDATE outbox SET due_at = $3, held_by = $4, fence = outbox.fence + 1
             FROM readable
             WHERE outbox.event_id = readable.id AND readable.bytes_before < $5
               AND EXISTS (SELECT 1 FROM nodes WHERE nodes.id = $4)
             RETURNING outbox.event_id, outbox.tried, outbox.fence, outbox.is_default
         )
         SELECT readable.*, claimed.tried, claimed.fence, claimed.is_default
         FROM readable JOIN claimed ON claimed.event_id = readable.id",
    );
    let node = shared.node.id();
    let until_us = until.as_microsecond();
    let params: [&(dyn ToSql + Sync); 5] =
        [&now.as_microsecond(), &super::limit_of(limit), &until_us, &node, &CLAIM_BYTES_MAX];
    let (mut claims, mut unreadable) = (Vec::new(), Vec::new());
    for row in query(client, &sql, &params).await.inspect_err(|error| shared.doubt(error, until_us))? {
        match read_claim(&row, until) {
            Ok(claim) => claims.push(claim),
            // One row that cannot be read must not hold up the others.
            Err(error) => {
                let id: i64 = column(&row, 0)?;
                tracing::error!(event = id, %error, "event {id} cannot be read and is not delivered");
                unreadable.push(id);
            }
        }
    }
    if !unreadable.is_empty() {
        let later = (now + UNREADABLE_PAUSE).as_microsecond();
        let put_off = "UPDATE outbox SET due_at = $2, held_by = NULL WHERE event_id = ANY ($1)";
        execute(client, put_off, &[&unreadable, &later]).await?;
    }
    claims.sort_by_key(|claim| claim.event.id);
    Ok(claims)
}

fn read_claim(row: &Row, until: Timestamp) -> Result<Claim> {
    let tried: i64 = column(row, EVENT_COLUMNS + 1)?;
    Ok(Claim {
        event: Arc::new(event(row)?),
        target: target(row, column(row, EVENT_COLUMNS + 3)?)?,
        tried: u32::try_from(tried).unwrap_or(u32::MAX),
        until,
        fence: column(row, EVENT_COLUMNS + 2)?,
    })
}

/// Settlements as columns.
#[derive(Default)]
struct Columns {
    events: Vec<i64>,
    fences: Vec<i64>,
    /// When to try again; none where the delivery ended.
    retries: Vec<Option<i64>>,
    delivered: Vec<bool>,
    numbers: Vec<i64>,
    default: Vec<bool>,
    started: Vec<i64>,
    took: Vec<i64>,
    statuses: Vec<Option<i64>>,
    errors: Vec<Option<String>>,
    answers: Vec<Option<Vec<u8>>>,
    owners: Vec<i64>,
    triggers: Vec<i64>,
    origins: Vec<i64>,
    fired: Vec<i64>,
    hours: Vec<i64>,
}

impl Columns {
    fn push(&mut self, settlement: &Settlement) {
        let (event, attempt) = (&settlement.claim.event, &settlement.attempt);
        self.events.push(event.id.0);
        self.fences.push(settlement.claim.fence);
        self.retries.push(match settlement.verdict {
            Verdict::Retry(due_at) => Some(due_at.as_microsecond()),
            Verdict::Delivered | Verdict::Failed => None,
        });
        self.delivered.push(settlement.verdict == Verdict::Delivered);
        self.numbers.push(i64::from(attempt.number));
        self.default.push(!settlement.claim.target.is_users_own());
        self.started.push(attempt.started_at.as_microsecond());
        self.took.push(attempt.took_us);
        self.statuses.push(attempt.status.map(i64::from));
        // PostgreSQL's text cannot hold a NUL, and a receiver's words may hold anything.
        self.errors.push(attempt.error.as_ref().map(|error| error.replace('\0', "\u{fffd}")));
        self.answers.push(attempt.answer.clone());
        self.owners.push(event.owner.0);
        self.triggers.push(event.trigger.0);
        self.origins.push(origin_to_number(event.origin));
        self.fired.push(event.fired_at.as_microsecond());
        self.hours.push(count::number_of(event.fired_at));
    }
}

pub(super) async fn settle(shared: &Shared, settlements: Vec<Settlement>) -> Result<()> {
    let mut left = settlements;
    // A statement looks at each delivery once: a second settlement of the same one has its turn after the first.
    while !left.is_empty() {
        let mut seen = HashSet::new();
        let (first, later): (Vec<Settlement>, Vec<Settlement>) =
            left.into_iter().partition(|settlement| seen.insert(settlement.claim.event.id));
        settle_once(shared, &first).await?;
        left = later;
    }
    Ok(())
}

async fn settle_once(shared: &Shared, settlements: &[Settlement]) -> Result<()> {
    let mut columns = Columns::default();
    settlements.iter().for_each(|settlement| columns.push(settlement));
    let counting = tally::adding_ended(
        &format!(
            "SELECT owner, trigger_id, hour, fired_at, event_id, delivered AS is_delivered
             FROM held
             WHERE retry_at IS NULL AND origin <> {}",
            origin_to_number(Origin::Test)
        ),
        "$17",
    );
    let sql = format!(
        "WITH held AS MATERIALIZED (
             SELECT settled.*
             FROM outbox JOIN unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::boolean[], $5::bigint[], $6::boolean[],
                                     $7::bigint[], $8::bigint[], $9::bigint[], $10::text[], $11::bytea[], $12::bigint[],
                                     $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[])
                              AS settled (event_id, fence, retry_at, delivered, number, is_default, started_at, took_us, status,
                                          error, answer, owner, trigger_id, origin, fired_at, hour)
               ON outbox.event_id = settled.event_id AND outbox.fence = settled.fence AND outbox.held_by IS NOT NULL
             ORDER BY outbox.event_id
             FOR UPDATE OF outbox
         ),
         ended AS (
             DELETE FROM outbox USING held WHERE outbox.event_id = held.event_id AND held.retry_at IS NULL
         ),
         retried AS (
             UPDATE outbox SET due_at = held.retry_at, held_by = NULL, tried = held.number
             FROM held
             WHERE outbox.event_id = held.event_id AND held.retry_at IS NOT NULL
         ),
         noted AS (
             INSERT INTO attempts (event_id, number, fired_at, is_default, started_at, took_us, status, error, answer, delivered)
             SELECT event_id, number, fired_at, is_default, started_at, took_us, status, error, answer, delivered
             FROM held
         ),
         failed AS (
             INSERT INTO failures (event_id, owner, trigger_id, fired_at)
             SELECT event_id, owner, trigger_id, fired_at FROM held WHERE retry_at IS NULL AND NOT delivered
         ),
         counted AS ({counting})
         SELECT DISTINCT owner, retry_at IS NOT NULL FROM held"
    );
    let slot = shared.node.slot(3);
    let c = &columns;
    let params: [&(dyn ToSql + Sync); 17] = [
        &c.events,
        &c.fences,
        &c.retries,
        &c.delivered,
        &c.numbers,
        &c.default,
        &c.started,
        &c.took,
        &c.statuses,
        &c.errors,
        &c.answers,
        &c.owners,
        &c.triggers,
        &c.origins,
        &c.fired,
        &c.hours,
        &slot,
    ];
    let client = shared.client().await?;
    let rows = query(&client, &sql, &params).await.inspect_err(|_| partition::forget_all(shared))?;
    let mut changes = Changes::default();
    for row in &rows {
        changes.settled.insert(UserId(column(row, 0)?));
        changes.owed |= column::<bool>(row, 1)?;
    }
    shared.hints.announce(&changes);
    Ok(())
}

/// Claims that nobody is there to settle are given up: what they held is owed at once.
pub(super) async fn release_orphans(client: &Client) -> Result<u64> {
    let orphaned = "UPDATE outbox SET due_at = 0, held_by = NULL
                    WHERE held_by IS NOT NULL AND NOT EXISTS (SELECT 1 FROM nodes WHERE nodes.id = outbox.held_by)";
    execute(client, orphaned, &[]).await
}

/// Claims of this node that end at these instants were never handed over: what they held is owed at once.
pub(super) async fn release_until(client: &Client, node: i64, untils: &[i64]) -> Result<u64> {
    let released = "UPDATE outbox SET due_at = 0, held_by = NULL WHERE held_by = $1 AND due_at = ANY ($2)";
    execute(client, released, &[&node, &untils]).await
}
