//! How events go: the mark of what has expired moves on, which no reader goes behind; what hangs on the events goes with
//! them, row by row where it is small, and their partitions whole. One node at a time does it.

use std::collections::BTreeMap;

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use oncue_domain::event::Retention;
use oncue_domain::id::{EventId, TriggerId, UserId};
use oncue_domain::store::{Expired, Result};
use tokio_postgres::Row;

use super::firing::Leaving;
use super::hint::Changes;
use super::{
    Shared, act, answered, column, count, execute, firing, idempotency, limit_of, locks, node, order, overlap,
    partition, query, query_first, revision, settled, tally,
};
use crate::codec::{COUNTED_AS_FAILED, NOT_COUNTED, instant, origin_from_number, span, span_to_number};

pub(super) async fn expire(shared: &Shared, gone_until: Timestamp, now: Timestamp, limit: usize) -> Result<Expired> {
    let mut client = shared.client().await?;
    let transaction = answered(client.transaction()).await?;
    let row = query_first(&transaction, "SELECT pg_try_advisory_xact_lock($1)", &[&locks::EXPIRING]).await?;
    if !row.map_or(Ok(false), |row| column(&row, 0))? {
        // Another node is at it.
        return Ok(Expired { events: 0, is_done: true });
    }
    let events = pass_mark(&transaction, shared.node.slot(3), gone_until, limit).await?;
    let mut changes = Changes::default();
    if events > 0 {
        order::call_up_all(&transaction).await?;
    }
    changes.armed = overlap::call_up_all(&transaction, shared, now).await? > 0;
    let mut is_done = events < limit;
    let gone = gone_until.as_microsecond();
    let mut old = vec![
        (
            "DELETE FROM arrivals WHERE id IN (SELECT id FROM arrivals WHERE arrived_at <= $1 ORDER BY arrived_at, id LIMIT $2)",
            gone,
        ),
        (
            "DELETE FROM skipped WHERE id IN (SELECT id FROM skipped WHERE recorded_at <= $1 ORDER BY recorded_at LIMIT $2)",
            gone,
        ),
        (
            "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at <= $1 ORDER BY expires_at, id LIMIT $2)",
            now.as_microsecond(),
        ),
    ];
    // A revision goes after the last event that names it, and so does what is left of a deleted trigger.
    if is_done {
        is_done &= revision::expire_deleted(&transaction, gone_until, limit).await? < limit as u64;
        old.push((
            "DELETE FROM revisions
             WHERE (trigger_id, revision) IN (SELECT trigger_id, revision FROM revisions WHERE ended_at <= $1
                                              ORDER BY ended_at LIMIT $2)",
            gone,
        ));
        old.push((
            // By a clock that was put back it ended before the last event that names it: it goes with what that event needs of it. Edits let go of
            // some of the same, in another order: whatever one is at is left to it, so that neither waits for the other.
            "WITH old AS MATERIALIZED (
                 SELECT id, revision
                 FROM former_triggers AS former
                 WHERE bytes_up_to IS NOT NULL AND until_at <= $1
                   AND (SELECT TRUE FROM revisions
                        WHERE revisions.trigger_id = former.id AND revisions.revision = former.revision) IS NULL
                 ORDER BY until_at
                 LIMIT $2
                 FOR UPDATE SKIP LOCKED
             )
             DELETE FROM former_triggers USING old
             WHERE former_triggers.id = old.id AND former_triggers.revision = old.revision",
            gone,
        ));
    }
    for (sql, until) in old {
        is_done &= execute(&transaction, sql, &[&until, &limit_of(limit)]).await? < limit as u64;
    }
    node::expire_absences(&transaction, gone_until).await?;
    is_done &= count::expire(&transaction, now, limit).await?;
    is_done &= idempotency::expire(&transaction, now, limit).await? < limit as u64;
    is_done &= act::expire(&transaction, now, limit).await? < limit as u64;
    for put_together in [tally::put_together(), tally::put_skipped_together()] {
        let merged = execute(&transaction, &put_together, &[&count::number_of(now), &limit_of(limit)]).await?;
        is_done &= merged < limit as u64;
    }
    answered(transaction.commit()).await?;
    shared.hints.announce(&changes);
    if is_done {
        let row = query_first(&client, "SELECT fired_at FROM expired", &[]).await?;
        let mark: Option<i64> = row.map(|row| column(&row, 0)).transpose()?;
        if let Some(mark) = mark.and_then(|mark| instant(mark).ok()) {
            partition::drop_before(&client, shared, mark.min(gone_until)).await?;
        }
    }
    Ok(Expired { events, is_done })
}

/// Moves the mark past the oldest events, once what stays of them is written down and what hangs on them is gone.
async fn pass_mark(client: &impl GenericClient, slot: i64, gone_until: Timestamp, limit: usize) -> Result<usize> {
    let settled = settled::settled(client).await?;
    let late = late(client, gone_until, limit).await?;
    if !late.is_empty() {
        take_leave(client, slot, &late).await?;
        remove(client, &late).await?;
        return Ok(late.len());
    }
    let sql = "SELECT events.id, events.owner, events.trigger_id, events.origin, events.fired_at
               FROM events
               WHERE events.fired_at <= $1 AND events.fired_at >= (SELECT fired_at FROM expired)
                 AND (events.fired_at, events.id) > (SELECT fired_at, event_id FROM expired)
               ORDER BY events.fired_at, events.id
               LIMIT $2";
    let rows = query(client, sql, &[&gone_until.as_microsecond(), &limit_of(limit)]).await?;
    let gone = rows.iter().map(Gone::read).collect::<Result<Vec<Gone>>>()?;
    let Some(last) = gone.last() else {
        // Whole partitions in which nothing is kept may go.
        let sql = "UPDATE expired SET fired_at = $1, event_id = $2, looked_until = greatest(looked_until, $3) WHERE fired_at < $1";
        execute(client, sql, &[&gone_until.as_microsecond(), &i64::MAX, &settled.0]).await?;
        return Ok(0);
    };
    take_leave(client, slot, &gone).await?;
    let known_until = gone.iter().map(|event| event.id.0).max();
    let sql = "UPDATE expired
               SET fired_at = $1, event_id = $2, known_until = greatest(known_until, $3), looked_until = greatest(looked_until, $4)";
    execute(client, sql, &[&last.fired_at.as_microsecond(), &last.id.0, &known_until, &settled.0]).await?;
    Ok(gone.len())
}

/// An event that goes.
struct Gone {
    id: EventId,
    owner: UserId,
    trigger: TriggerId,
    is_counted: bool,
    fired_at: Timestamp,
}

impl Gone {
    fn read(row: &Row) -> Result<Gone> {
        Ok(Gone {
            id: EventId(column(row, 0)?),
            owner: UserId(column(row, 1)?),
            trigger: TriggerId(column(row, 2)?),
            is_counted: origin_from_number(column(row, 3)?)?.is_counted(),
            fired_at: instant(column(row, 4)?)?,
        })
    }
}

/// Events behind the mark that were logged after the clock had been put back. There are hardly ever any, and they go first:
/// the mark moves on only where it leaves none of them behind. Each number is looked at once: when the mark moved on last, whatever
/// had been logged by then lay before it or was gone.
async fn late(client: &impl GenericClient, gone_until: Timestamp, limit: usize) -> Result<Vec<Gone>> {
    let sql = "SELECT events.id, events.owner, events.trigger_id, events.origin, events.fired_at
               FROM events
               WHERE events.id > (SELECT greatest(known_until, looked_until) FROM expired) AND events.fired_at <= $1
                 AND events.fired_at <= (SELECT fired_at FROM expired)
                 AND (events.fired_at, events.id) <= (SELECT fired_at, event_id FROM expired)
               ORDER BY events.id
               LIMIT $2";
    let rows = query(client, sql, &[&gone_until.as_microsecond(), &limit_of(limit)]).await?;
    let mut late = rows.iter().map(Gone::read).collect::<Result<Vec<Gone>>>()?;
    late.sort_unstable_by_key(|event| (event.fired_at, event.id));
    Ok(late)
}

/// Writes down what stays of events, the oldest first, and removes what hangs on them and lies in no partition.
async fn take_leave(client: &impl GenericClient, slot: i64, gone: &[Gone]) -> Result<()> {
    give_up_owed(client, slot, gone).await?;
    let mut by_trigger: BTreeMap<(UserId, TriggerId), Vec<(Timestamp, EventId)>> = BTreeMap::new();
    for event in gone.iter().rev().filter(|event| event.is_counted) {
        by_trigger.entry((event.owner, event.trigger)).or_default().push((event.fired_at, event.id));
    }
    let leaving: Vec<Leaving> = by_trigger
        .into_iter()
        .map(|((owner, trigger), newest_first)| Leaving { owner, trigger, newest_first })
        .collect();
    firing::leave_in_short(client, &leaving).await?;
    let ids: Vec<i64> = gone.iter().map(|event| event.id.0).collect();
    for table in ["failures", "undelivered", "runs"] {
        execute(client, &format!("DELETE FROM {table} WHERE event_id = ANY ($1)"), &[&ids]).await?;
    }
    Ok(())
}

/// What is still owed of events has failed, unless it had arrived before it was sent again: their time is over. The rows in `failures` are there for what the events leave in short.
async fn give_up_owed(client: &impl GenericClient, slot: i64, gone: &[Gone]) -> Result<()> {
    let ids: Vec<i64> = gone.iter().map(|event| event.id.0).collect();
    let owners: Vec<i64> = gone.iter().map(|event| event.owner.0).collect();
    let triggers: Vec<i64> = gone.iter().map(|event| event.trigger.0).collect();
    let counted: Vec<bool> = gone.iter().map(|event| event.is_counted).collect();
    let fired_at: Vec<i64> = gone.iter().map(|event| event.fired_at.as_microsecond()).collect();
    let hours: Vec<i64> = gone.iter().map(|event| count::number_of(event.fired_at)).collect();
    let counting = tally::adding_ended(
        &format!(
            "SELECT owner, trigger_id, hour, fired_at, event_id, (NOT has_failed)::int AS delivered,
                    CASE counted WHEN {NOT_COUNTED} THEN has_failed::int ELSE -1 END AS failed
             FROM given_up
             WHERE is_counted AND (counted = {NOT_COUNTED} OR counted = {COUNTED_AS_FAILED} AND NOT has_failed)"
        ),
        "$7",
    );
    let sql = format!(
        "WITH owed AS (DELETE FROM outbox WHERE event_id = ANY ($1) RETURNING event_id, counted, has_arrived),
         given_up AS MATERIALIZED (
             SELECT gone.*, ended.counted, ended.has_failed
             FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::boolean[], $5::bigint[], $6::bigint[])
                  AS gone (event_id, owner, trigger_id, is_counted, fired_at, hour)
             JOIN (SELECT event_id, max(counted) AS counted,
                          NOT bool_and(has_arrived)
                          OR EXISTS (SELECT 1 FROM undelivered WHERE undelivered.event_id = owed.event_id) AS has_failed
                   FROM owed GROUP BY event_id) AS ended ON ended.event_id = gone.event_id
         ),
         failed AS (
             INSERT INTO failures (event_id, owner, trigger_id, fired_at)
             SELECT event_id, owner, trigger_id, fired_at FROM given_up WHERE has_failed
         )
         {counting}"
    );
    execute(client, &sql, &[&ids, &owners, &triggers, &counted, &fired_at, &hours, &slot]).await.map(drop)
}

/// Removes events one by one, where the mark is beyond them already and their partition may have long to live.
async fn remove(client: &impl GenericClient, gone: &[Gone]) -> Result<()> {
    let ids: Vec<i64> = gone.iter().map(|event| event.id.0).collect();
    let fired_at: Vec<i64> = gone.iter().map(|event| event.fired_at.as_microsecond()).collect();
    for (table, id) in [("attempts", "event_id"), ("events", "id")] {
        let sql = format!(
            "DELETE FROM {table}
             USING unnest($1::bigint[], $2::bigint[]) AS gone (id, fired_at)
             WHERE {table}.{id} = gone.id AND {table}.fired_at = gone.fired_at"
        );
        execute(client, &sql, &[&ids, &fired_at]).await?;
    }
    Ok(())
}

/// Writes down for how long events are kept.
pub(super) async fn note(shared: &Shared, retention: Retention) -> Result<()> {
    let client = shared.client().await?;
    let sql = "INSERT INTO retention (id, active_for, keep_for) VALUES (1, $1, $2)
               ON CONFLICT (id) DO UPDATE SET active_for = $1, keep_for = $2";
    execute(&client, sql, &[&span_to_number(retention.active_for), &span_to_number(retention.keep_for)]).await.map(drop)
}

/// What was written down of that last.
pub(super) async fn noted(shared: &Shared) -> Result<Option<Retention>> {
    let client = shared.client_soon().await?;
    let row = query_first(&client, "SELECT active_for, keep_for FROM retention", &[]).await?;
    row.map(|row| Ok(Retention { active_for: span(column(&row, 0)?), keep_for: span(column(&row, 1)?) })).transpose()
}
