//! Triggers as lists show them in PostgreSQL: heads without payloads, those that are next, and those that need attention.

use deadpool_postgres::{Client, GenericClient};
use jiff::Timestamp;
use oncue_domain::firing::Firing;
use oncue_domain::id::{TriggerId, UserId};
use oncue_domain::plan::goes_at;
use oncue_domain::store::{
    ATTENTION_MAX, Attention, FAILED_TRIGGERS_MAX, FAILURES_MAX, Result, TALLIED_MAX, TriggerTally,
};
use oncue_domain::trigger::{Listed, OVERDUE_AFTER, TriggerHead};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::count::{newest_ended, number_of, whole};
use super::event::KEPT;
use super::firing::{FATE, FATE_OF_EVENTS, FIRED, firing};
use super::trigger::unreadable;
use super::{Shared, column, limit_of, moment, query, query_first};
use crate::codec::{
    self, destinations_from_text, expects_from_text, instant, listed, listed_or, nearest_instant, overlap_from_text,
    schedule_from_text, webhook,
};
use crate::tally::{Tallied, standing};

/// What a trigger waits for is asked one by one, so that the cursors of others are never walked over.
const HEAD: &str = "triggers.id, triggers.name, triggers.schedule, triggers.webhook_url, triggers.webhook_format, \
                    triggers.is_test, triggers.enabled, triggers.expires_at, triggers.created_at, \
                    (SELECT next_at FROM cursors WHERE cursors.trigger_id = triggers.id), triggers.destinations, \
                    (SELECT fired FROM limits WHERE limits.trigger_id = triggers.id), \
                    triggers.pause_reason, triggers.pause_until, triggers.overlap, \
                    (SELECT coalesce(waits OR next_at <= waited_until, FALSE) FROM cursors WHERE cursors.trigger_id = triggers.id), \
                    triggers.revision, triggers.expects, triggers.standing_since";

/// How many columns that is.
const HEAD_COLUMNS: usize = 19;

/// An owner of at most so many triggers is told what is next from those; for one of more, the soonest of all are looked through.
const FEW: usize = 5_000;

/// So many of the soonest of all are looked through.
const LOOKED_THROUGH_MAX: usize = 10_000;

/// Which cursors are looked at: those of which that is so, each sort by an index of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Which(&'static str);

/// Those that wait for their time.
const IN_TIME: Which = Which("NOT cursors.waits");

/// Those that wait for an event of their own to end.
const BEHIND: Which = Which("cursors.waits");

fn head(row: &Row, shared: &Shared) -> Result<TriggerHead> {
    let schedule: Option<&str> = column(row, 2)?;
    let expires_at: Option<i64> = column(row, 7)?;
    let next_at: Option<i64> = column(row, 9)?;
    // No list shows it, and where it cannot be read the trigger does not fire.
    expects_from_text(column(row, 17)?)?;
    let head = TriggerHead {
        id: TriggerId(column(row, 0)?),
        name: column(row, 1)?,
        schedule: schedule
            .map(|text| schedule_from_text(text, &shared.settings.zones, &shared.cron_lines))
            .transpose()?,
        webhook: webhook(column(row, 3)?, column(row, 4)?)?,
        destinations: destinations_from_text(column(row, 10)?)?,
        overlap: overlap_from_text(column(row, 14)?)?,
        is_test: column(row, 5)?,
        enabled: column(row, 6)?,
        pause: codec::pause(column(row, 12)?, column(row, 13)?)?,
        expires_at: expires_at.map(instant).transpose()?,
        created_at: instant(column(row, 8)?)?,
        next_at: next_at.map(nearest_instant),
        is_behind: column::<Option<bool>>(row, 15)?.unwrap_or(false),
        fired: codec::fired(column(row, 11)?)?,
    };
    Ok(head.without_going())
}

fn heads(rows: &[Row], shared: &Shared) -> Result<Vec<Listed<TriggerHead>>> {
    let read = |row: &Row| listed_or(head(row, shared), |problem| unreadable(row, [16, 1, 2, 6, 8, 18], problem));
    rows.iter().filter_map(|row| read(row).transpose()).collect()
}

pub(super) async fn list(
    client: &Client,
    shared: &Shared,
    owner: UserId,
    limit: usize,
) -> Result<Vec<Listed<TriggerHead>>> {
    let sql = format!("SELECT {HEAD} FROM triggers WHERE owner = $1 ORDER BY id LIMIT $2");
    let rows = query(client, &sql, &[&owner.0, &limit_of(limit)]).await?;
    heads(&rows, shared)
}

pub(super) async fn soonest(client: &Client, shared: &Shared, owner: UserId, limit: usize) -> Result<Vec<TriggerHead>> {
    let mut waiting_for = waiting(client, shared, owner, BEHIND, Timestamp::MAX, limit).await?;
    waiting_for.extend(waiting(client, shared, owner, IN_TIME, Timestamp::MAX, limit).await?);
    let mut heads: Vec<TriggerHead> = waiting_for.into_iter().filter_map(Listed::read).collect();
    // One that was called up between the two looks is in both.
    heads.sort_by_key(|head| (head.next_at, head.id));
    heads.dedup_by_key(|head| head.id);
    heads.truncate(limit);
    Ok(heads)
}

/// The owner's triggers that wait for something up to `until`, those that have waited for the longest, or the earliest, first.
async fn waiting(
    client: &impl GenericClient,
    shared: &Shared,
    owner: UserId,
    which: Which,
    until: Timestamp,
    limit: usize,
) -> Result<Vec<Listed<TriggerHead>>> {
    // Hardly any wait for an event: those are found the soonest among all who do.
    let rows = match which == IN_TIME && has_few(client, owner).await? {
        true => waiting_of_few(client, owner, which, until, limit).await?,
        false => match waiting_of_many(client, owner, which, until, limit).await? {
            Some(rows) => rows,
            None => waiting_of_few(client, owner, which, until, limit).await?,
        },
    };
    // What waits only to be deleted waits for nothing that anybody asks about.
    let mut heads = heads(&rows, shared)?;
    heads.retain(|head| !matches!(head, Listed::Read(head) if head.next_at.is_none()));
    Ok(heads)
}

async fn has_few(client: &impl GenericClient, owner: UserId) -> Result<bool> {
    let sql = "SELECT 1 FROM triggers WHERE owner = $1 ORDER BY id LIMIT 1 OFFSET $2";
    Ok(query_first(client, sql, &[&owner.0, &limit_of(FEW)]).await?.is_none())
}

async fn waiting_of_few(
    client: &impl GenericClient,
    owner: UserId,
    which: Which,
    until: Timestamp,
    limit: usize,
) -> Result<Vec<Row>> {
    let Which(is) = which;
    let sql = format!(
        "WITH next AS MATERIALIZED (
             SELECT own.id, cursors.next_at
             FROM (SELECT id FROM triggers WHERE owner = $1 ORDER BY id) AS own
                  CROSS JOIN LATERAL (
                      SELECT next_at FROM cursors WHERE trigger_id = own.id AND {is} AND next_at <= $2 OFFSET 0
                  ) AS cursors
             ORDER BY cursors.next_at, own.id
             LIMIT $3
         )
         SELECT {HEAD}
         FROM next CROSS JOIN LATERAL (SELECT * FROM triggers WHERE id = next.id OFFSET 0) AS triggers
         ORDER BY next.next_at, next.id"
    );
    query(client, &sql, &[&owner.0, &until.as_microsecond(), &limit_of(limit)]).await
}

/// None where too few are among the soonest of all.
async fn waiting_of_many(
    client: &impl GenericClient,
    owner: UserId,
    which: Which,
    until: Timestamp,
    limit: usize,
) -> Result<Option<Vec<Row>>> {
    let Which(is) = which;
    let sql = format!(
        "SELECT {HEAD}
         FROM (SELECT trigger_id, next_at
               FROM cursors
               WHERE {is} AND next_at <= $2
               ORDER BY next_at, trigger_id
               LIMIT $4) AS soonest
              CROSS JOIN LATERAL (SELECT * FROM triggers WHERE id = soonest.trigger_id OFFSET 0) AS triggers
         WHERE triggers.owner = $1
         ORDER BY soonest.next_at, soonest.trigger_id
         LIMIT $3"
    );
    let until = until.as_microsecond();
    let rows = query(client, &sql, &[&owner.0, &until, &limit_of(limit), &limit_of(LOOKED_THROUGH_MAX)]).await?;
    if rows.len() >= limit {
        return Ok(Some(rows));
    }
    let sql = format!("SELECT 1 FROM cursors WHERE {is} AND next_at <= $1 ORDER BY next_at LIMIT 1 OFFSET $2");
    let beyond = query_first(client, &sql, &[&until, &limit_of(LOOKED_THROUGH_MAX)]).await?;
    Ok(beyond.is_none().then_some(rows))
}

pub(super) async fn attention(
    client: &mut Client,
    shared: &Shared,
    owner: UserId,
    gone_until: Timestamp,
    now: Timestamp,
) -> Result<Attention> {
    let transaction = moment(client).await?;
    let due_until = now.checked_sub(OVERDUE_AFTER).unwrap_or(Timestamp::MIN);
    let (due, tally, failing) = tokio::try_join!(
        waiting(&transaction, shared, owner, IN_TIME, due_until, ATTENTION_MAX),
        tally(&transaction, shared, owner, now),
        failing(&transaction, shared, owner, gone_until),
    )?;
    Ok(Attention::new(tally, due, failing, now))
}

/// Those of an owner that are tallied, by what stands in the index; with the parameters `$1` to `$4` of [`tally`].
const TALLIED: &str = "SELECT id, enabled, is_test, expires_at, is_api, pause_until,
                              (SELECT next_at FROM cursors WHERE cursors.trigger_id = triggers.id) AS next_at
                       FROM triggers
                       WHERE owner = $1
                       ORDER BY id
                       LIMIT $3";

/// Of which of them only their schedules tell where they stand: those that may wait to be deleted and for nothing else, and those that have expired and
/// wait for an event of their own to end. A single time that is waited for is plainly no deletion, and there may be thousands of such: they are not read.
fn is_unsure() -> String {
    format!(
        "next_at IS NOT NULL
         AND ((next_at <= $4 OR coalesce(expires_at <= $2, FALSE))
              AND id IN (SELECT id
                         FROM triggers
                         WHERE owner = $1 AND position('\"delete_when_done\":true' IN schedule) > 0
                         ORDER BY id
                         LIMIT {})
              AND NOT (coalesce(expires_at > next_at, TRUE)
                       AND (SELECT starts_with(schedule, '{{\"once\":{{\"at\":' || own.next_at || '}}')
                            FROM triggers WHERE triggers.id = own.id))
              OR coalesce(expires_at <= $2, FALSE)
                 AND (SELECT coalesce(waits OR next_at <= waited_until, FALSE) FROM cursors WHERE trigger_id = own.id))",
        TALLIED_MAX + 1
    )
}

async fn tally(client: &impl GenericClient, shared: &Shared, owner: UserId, now: Timestamp) -> Result<TriggerTally> {
    let tallied_max = i64::try_from(TALLIED_MAX + 1).unwrap_or(i64::MAX);
    let (now_us, goes_at_us) = (now.as_microsecond(), goes_at(now).as_microsecond());
    let params: [&(dyn ToSql + Sync); 4] = [&owner.0, &now_us, &tallied_max, &goes_at_us];
    let is_unsure = is_unsure();
    let standing = standing(&is_unsure, "$2");
    let sql = format!("SELECT {standing} AS standing, count(*) FROM ({TALLIED}) AS own GROUP BY standing");
    let mut tallied = Tallied::default();
    for row in &query(client, &sql, &params).await? {
        tallied.note(column(row, 0)?, whole(row, 1)?);
    }
    let Tallied { mut tally, is_unsure_of_some } = tallied;
    if !is_unsure_of_some {
        return Ok(tally);
    }
    let sql = format!(
        "SELECT {HEAD}
         FROM triggers
         WHERE id = ANY (ARRAY(SELECT id FROM ({TALLIED}) AS own WHERE NOT is_test AND {is_unsure}))"
    );
    let unsure = heads(&query(client, &sql, &params).await?, shared)?;
    for head in unsure.into_iter().filter_map(Listed::read) {
        tally.note_standing(&head, now);
    }
    Ok(tally)
}

/// The triggers with kept failures whose newest ended event is one of those.
async fn failing(
    client: &impl GenericClient,
    shared: &Shared,
    owner: UserId,
    gone_until: Timestamp,
) -> Result<Vec<(TriggerHead, Firing)>> {
    let newest_ended = newest_ended("$1", "ever_failed", "$3");
    let few = ever_failed(client, owner).await?;
    let asked = if few.len() > FAILED_TRIGGERS_MAX { failed_lately(client, owner).await? } else { few };
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "WITH failing AS MATERIALIZED (
             SELECT ever_failed.trigger_id, newest.ended_at, newest.ended_event
             FROM unnest($5::bigint[]) AS ever_failed (trigger_id) CROSS JOIN LATERAL ({newest_ended}) AS newest
             WHERE newest.ended_at > $2
               AND (SELECT TRUE FROM failures WHERE event_id = newest.ended_event)
               AND (SELECT TRUE FROM triggers WHERE id = ever_failed.trigger_id)
             ORDER BY newest.ended_at DESC, newest.ended_event DESC
             LIMIT $4
         )
         SELECT {HEAD}, {FIRED}, {FATE}
         FROM failing
              CROSS JOIN LATERAL (SELECT * FROM triggers WHERE id = failing.trigger_id OFFSET 0) AS triggers
              CROSS JOIN LATERAL (
                  SELECT {FIRED}
                  FROM events
                  WHERE fired_at = failing.ended_at AND id = failing.ended_event AND {KEPT}
                  OFFSET 0
              ) AS events
              {FATE_OF_EVENTS}
         ORDER BY failing.ended_at DESC, failing.ended_event DESC"
    );
    let gone_until_us = gone_until.as_microsecond();
    let params: super::Params<'_> =
        &[&owner.0, &gone_until_us, &number_of(gone_until), &limit_of(ATTENTION_MAX), &asked];
    let rows = query(client, &sql, params).await?;
    let failing = |row: &Row| -> Result<Option<(TriggerHead, Firing)>> {
        Ok(listed(head(row, shared))?.zip(Some(firing(row, HEAD_COLUMNS)?)))
    };
    rows.iter().filter_map(|row| failing(row).transpose()).collect()
}

/// The owner's triggers of whose kept events at least one failed, and no more of them than show that there are many; deleted ones too.
async fn ever_failed(client: &impl GenericClient, owner: UserId) -> Result<Vec<i64>> {
    let sql = "WITH RECURSIVE failed (trigger_id, place) AS (
                   (SELECT trigger_id, 0::bigint FROM failures WHERE owner = $1 ORDER BY trigger_id LIMIT 1)
                   UNION ALL
                   SELECT (SELECT trigger_id
                           FROM failures
                           WHERE owner = $1 AND trigger_id > failed.trigger_id
                           ORDER BY trigger_id
                           LIMIT 1), place + 1
                   FROM failed
                   WHERE failed.trigger_id IS NOT NULL AND place < $2
               )
               SELECT trigger_id FROM failed WHERE trigger_id IS NOT NULL";
    let rows = query(client, sql, &[&owner.0, &limit_of(FAILED_TRIGGERS_MAX)]).await?;
    rows.iter().map(|row| column(row, 0)).collect()
}

/// The triggers of the owner's newest failures; deleted ones too.
async fn failed_lately(client: &impl GenericClient, owner: UserId) -> Result<Vec<i64>> {
    let sql = "SELECT DISTINCT trigger_id
               FROM (SELECT trigger_id
                     FROM failures
                     WHERE owner = $1
                     ORDER BY fired_at DESC, event_id DESC
                     LIMIT $2) AS newest";
    let rows = query(client, sql, &[&owner.0, &limit_of(FAILURES_MAX)]).await?;
    rows.iter().map(|row| column(row, 0)).collect()
}
