//! Counts in PostgreSQL: what happened in an hour, to one trigger and to all of an owner's. Whoever counts has a slot of its own
//! in each hour, so that writers do not wait for each other; here they are added up, and here they go. They are written with what
//! they count, in the statements that log it. Occurrences that did not fire are counted in a table of their own, as runs.

use deadpool_postgres::{Client, GenericClient};
use jiff::Timestamp;
use oncue_domain::count::{COUNTS_KEPT, HourCount, hour_of, sort_runs, with_runs};
use oncue_domain::id::{TriggerId, UserId};
use oncue_domain::occurrence::Skipped;
use oncue_domain::store::Result;
use tokio_postgres::Row;

use super::{column, execute, limit_of, query, trigger};
use crate::codec::{broken, instant};

const SECONDS: i64 = 3600;

/// The trigger number under which all of an owner's are counted.
pub(super) const ALL: i64 = 0;

/// How many hours after 1970 the hour of an instant begins.
pub(super) fn number_of(instant: Timestamp) -> i64 {
    hour_of(instant).as_second() / SECONDS
}

/// The first hour that begins at or after an instant.
fn first_from(instant: Timestamp) -> i64 {
    let hour = number_of(instant);
    if hour_of(instant) == instant { hour } else { hour + 1 }
}

/// Reads how many there are of something.
pub(super) fn whole<T: TryFrom<i64>>(row: &Row, index: usize) -> Result<T> {
    let number: i64 = column(row, index)?;
    T::try_from(number).map_err(|_| broken(row.columns()[index].name(), number))
}

pub(super) async fn hour_counts(
    client: &Client,
    owner: UserId,
    trigger: Option<TriggerId>,
    from: Timestamp,
    until: Timestamp,
) -> Result<Vec<HourCount>> {
    if trigger.is_some_and(|id| id.0 == ALL) {
        return Ok(Vec::new());
    }
    let trigger = trigger.map_or(ALL, |id| id.0);
    // Runs of skipped occurrences may be longer together than a number holds.
    let sql = "SELECT hour, sum(fired)::bigint, sum(delivered)::bigint, sum(failed)::bigint,
                      least(sum(skipped), 9223372036854775807)::bigint,
                      sum(late0)::bigint, sum(late1)::bigint, sum(late2)::bigint, sum(late3)::bigint, sum(late4)::bigint
               FROM counts
               WHERE owner = $1 AND trigger_id = $2 AND hour >= $3 AND hour < $4
                 AND ($2 = 0 OR (SELECT TRUE FROM triggers WHERE id = $2)
                      OR (SELECT TRUE FROM former_triggers WHERE id = $2 LIMIT 1))
               GROUP BY hour
               ORDER BY hour";
    let rows = query(client, sql, &[&owner.0, &trigger, &first_from(from), &first_from(until)]).await?;
    let hours = rows.iter().map(hour_count).collect::<Result<Vec<_>>>()?;
    let runs = runs(client, owner, trigger, from, until).await?;
    Ok(with_runs(hours, &runs, from, until))
}

pub(super) async fn skipped_counts(
    client: &Client,
    owner: UserId,
    trigger: Option<TriggerId>,
    from: Timestamp,
    until: Timestamp,
) -> Result<Vec<Skipped>> {
    if trigger.is_some_and(|id| id.0 == ALL) {
        return Ok(Vec::new());
    }
    runs(client, owner, trigger.map_or(ALL, |id| id.0), from, until).await
}

/// What did not fire, of a trigger or under [`ALL`] of all of the owner's.
async fn runs(client: &Client, owner: UserId, trigger: i64, from: Timestamp, until: Timestamp) -> Result<Vec<Skipped>> {
    let sql = "SELECT reason, min(first_at), max(last_at), least(sum(count), 9223372036854775807)::bigint
               FROM skipped_counts
               WHERE owner = $1 AND trigger_id = $2 AND last_hour >= $3 AND first_hour < $4 AND $3 < $4
               GROUP BY last_hour, first_hour, reason";
    let rows = query(client, sql, &[&owner.0, &trigger, &first_from(from), &first_from(until)]).await?;
    let mut runs = rows.iter().map(trigger::skipped_run).collect::<Result<Vec<_>>>()?;
    sort_runs(&mut runs);
    Ok(runs)
}

fn hour_count(row: &Row) -> Result<HourCount> {
    let hour: i64 = column(row, 0)?;
    Ok(HourCount {
        hour: instant(hour.saturating_mul(SECONDS * 1_000_000))?,
        fired: whole(row, 1)?,
        delivered: whole(row, 2)?,
        failed: whole(row, 3)?,
        skipped: whole(row, 4)?,
        late: [whole(row, 5)?, whole(row, 6)?, whole(row, 7)?, whole(row, 8)?, whole(row, 9)?],
    })
}

/// A trigger's newest event, tests aside, that was delivered or failed, as a subquery that gives (`ended_at`, `ended_event`) or
/// nothing; looked for from the hour `$hour` on, for the owner `$owner` and the trigger of the row `of` beside it.
pub(super) fn newest_ended(owner: &str, of: &str, hour: &str) -> String {
    format!(
        "SELECT ended_at, ended_event
         FROM counts
         WHERE owner = {owner} AND trigger_id = {of}.trigger_id AND hour >= {hour} AND ended_event IS NOT NULL
         ORDER BY hour DESC, ended_at DESC, ended_event DESC
         LIMIT 1"
    )
}

/// How many events of each of these triggers fired in the hours after the one of the instant, counted up to `at_most`; in the
/// order in which they were asked for.
pub(super) async fn fired_after_hour_of(
    client: &impl GenericClient,
    asked: &[(UserId, TriggerId, Timestamp)],
    at_most: usize,
) -> Result<Vec<usize>> {
    let owners: Vec<i64> = asked.iter().map(|(owner, ..)| owner.0).collect();
    let triggers: Vec<i64> = asked.iter().map(|(_, trigger, _)| trigger.0).collect();
    let hours: Vec<i64> = asked.iter().map(|(.., instant)| number_of(*instant)).collect();
    // Each of these rows counts at least one.
    let sql = "SELECT least(fired.events, $4)::bigint
               FROM unnest($1::bigint[], $2::bigint[], $3::bigint[])
                    WITH ORDINALITY AS asked (owner, trigger_id, hour, place)
                    CROSS JOIN LATERAL (
                        SELECT coalesce(sum(fired), 0) AS events
                        FROM (SELECT fired
                              FROM counts
                              WHERE owner = asked.owner AND trigger_id = asked.trigger_id AND hour > asked.hour AND fired > 0
                              ORDER BY hour
                              LIMIT $4) AS hours
                    ) AS fired
               ORDER BY asked.place";
    let rows = query(client, sql, &[&owners, &triggers, &hours, &limit_of(at_most)]).await?;
    rows.iter().map(|row| whole(row, 0)).collect()
}

/// Removes counts that are too old, and some of those of deleted triggers. True when nothing of that is left.
pub(super) async fn expire(client: &impl GenericClient, now: Timestamp, limit: usize) -> Result<bool> {
    let gone_until = now.checked_sub(COUNTS_KEPT).unwrap_or(Timestamp::MIN);
    let sql = "DELETE FROM counts
               WHERE ctid = ANY (ARRAY(SELECT ctid FROM counts WHERE hour <= $1 ORDER BY hour LIMIT $2))";
    let removed = execute(client, sql, &[&number_of(gone_until), &limit_of(limit)]).await?;
    let sql = "DELETE FROM skipped_counts
               WHERE ctid = ANY (ARRAY(SELECT ctid FROM skipped_counts WHERE last_hour <= $1 ORDER BY last_hour LIMIT $2))";
    let removed_runs = execute(client, sql, &[&number_of(gone_until), &limit_of(limit)]).await?;
    Ok(remove_uncounted(client, limit).await? && removed.max(removed_runs) < limit as u64)
}

/// Removes counts of some deleted triggers. True when there is no such trigger any more.
async fn remove_uncounted(client: &impl GenericClient, limit: usize) -> Result<bool> {
    let sql = "SELECT trigger_id, owner FROM uncounted ORDER BY trigger_id LIMIT $1";
    let rows = query(client, sql, &[&limit_of(limit)]).await?;
    if rows.is_empty() {
        return Ok(true);
    }
    let triggers = rows.iter().map(|row| column(row, 0)).collect::<Result<Vec<i64>>>()?;
    let owners = rows.iter().map(|row| column(row, 1)).collect::<Result<Vec<i64>>>()?;
    let sql = "DELETE FROM counts
               WHERE ctid = ANY (ARRAY(
                   SELECT own.place
                   FROM unnest($1::bigint[], $2::bigint[]) AS deleted (owner, trigger_id)
                        CROSS JOIN LATERAL (
                            SELECT ctid AS place
                            FROM counts
                            WHERE owner = deleted.owner AND trigger_id = deleted.trigger_id
                            ORDER BY hour
                            LIMIT $3
                        ) AS own
                   LIMIT $3))";
    if execute(client, sql, &[&owners, &triggers, &limit_of(limit)]).await? == limit as u64 {
        return Ok(false);
    }
    execute(client, "DELETE FROM uncounted WHERE trigger_id = ANY ($1)", &[&triggers]).await?;
    Ok(triggers.len() < limit)
}
