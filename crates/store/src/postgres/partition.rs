//! Events and attempts lie in partitions by the instant at which the event fired, four hours each. They are made before
//! anything is written into them, by whichever node comes first, and dropped whole once nothing in them is kept: no row is
//! ever deleted one by one, so tables and indexes stay as large as what they hold.

use std::collections::BTreeSet;
use std::sync::Mutex;

use deadpool_postgres::Client;
use jiff::{SignedDuration, Timestamp};
use oncue_domain::store::{Error, Result};

use super::{Shared, answered, column, failed, lock, query, query_first};

/// How much time one partition holds.
const SPAN_US: i64 = 4 * 3_600_000_000;

/// A partition is made so long before the first event fires into it.
const AHEAD: SignedDuration = SignedDuration::from_hours(1);

/// Nodes make and drop partitions one at a time.
const LOCK: i64 = 0x6f6e_6375_6501;

/// Whoever drops partitions holds it.
const DROPPING_LOCK: i64 = 0x6f6e_6375_6504;

/// The tables that are divided, by the same bounds.
const TABLES: [&str; 2] = ["events", "attempts"];

/// The partitions that are known to be there.
#[derive(Default)]
pub(super) struct Partitions {
    known: Mutex<BTreeSet<i64>>,
    /// One of this node's callers makes what is missing; the others wait for it here, and not each on a connection of its own.
    making: tokio::sync::Mutex<()>,
}

/// Counts the spans since 1970.
pub(super) fn number_of(instant: Timestamp) -> i64 {
    instant.as_microsecond().div_euclid(SPAN_US)
}

/// A partition's table. A number before 1970 has an `n` for its sign.
fn name_of(table: &str, number: i64) -> String {
    format!("{table}_{}{}", if number < 0 { "n" } else { "" }, number.unsigned_abs())
}

/// Makes certain that what fires at `now` has a place, and a while later too.
pub(super) async fn prepare(shared: &Shared, now: Timestamp) -> Result<()> {
    let wanted = [number_of(now), number_of(now.checked_add(AHEAD).unwrap_or(now))];
    let is_missing = |number: &i64| !lock(&shared.partitions.known).contains(number);
    if !wanted.iter().any(is_missing) {
        return Ok(());
    }
    let _turn = shared.partitions.making.lock().await;
    for number in wanted {
        if is_missing(&number) {
            make(&mut shared.client().await?, number).await?;
            lock(&shared.partitions.known).insert(number);
        }
    }
    Ok(())
}

/// A write found that a partition is gone which was known to be there.
pub(super) fn forget_all(shared: &Shared) {
    lock(&shared.partitions.known).clear();
}

/// Makes the partitions of one span, unless they are there. Attaching a table that was made by itself keeps nobody from
/// reading or writing the others meanwhile.
pub(super) async fn make(client: &mut Client, number: i64) -> Result<()> {
    let (from, until) = bounds(number)?;
    let transaction = answered(client.transaction()).await?;
    // Other nodes may be at it; that is worth waiting for as long as for any statement.
    transaction.batch_execute("SET LOCAL lock_timeout = 0").await.map_err(failed)?;
    query(&transaction, "SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    for table in TABLES {
        let name = name_of(table, number);
        let is_there = "SELECT 1 FROM pg_inherits WHERE inhparent = to_regclass($1) AND inhrelid = to_regclass($2) \
                        AND NOT inhdetachpending";
        if !query(&transaction, is_there, &[&table, &name]).await?.is_empty() {
            continue;
        }
        let unique = match table {
            "events" => format!(
                "CREATE UNIQUE INDEX {name}_occurrence ON {name} (trigger_id, scheduled_at) WHERE scheduled_at IS NOT NULL;"
            ),
            _ => String::new(),
        };
        transaction
            .batch_execute(&format!(
                "CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
                 {unique}
                 ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ({from}) TO ({until});"
            ))
            .await
            .map_err(failed)?;
    }
    answered(transaction.commit()).await
}

fn bounds(number: i64) -> Result<(i64, i64)> {
    let from = number.checked_mul(SPAN_US);
    from.and_then(|from| Some((from, from.checked_add(SPAN_US)?)))
        .ok_or_else(|| Error::Broken(format!("there is no partition for the span {number}")))
}

/// Drops the partitions in which nothing fired after `gone_until`; a drop that was interrupted is finished. Nobody who reads or writes
/// waits for it: a partition is detached first, beside whoever is at work.
pub(super) async fn drop_before(client: &Client, shared: &Shared, gone_until: Timestamp) -> Result<()> {
    let row = query_first(client, "SELECT pg_try_advisory_lock($1)", &[&DROPPING_LOCK]).await?;
    if !row.map_or(Ok(false), |row| column(&row, 0))? {
        // Another node is at it.
        return Ok(());
    }
    let outcome = drop_locked(client, shared, gone_until).await;
    // Of a session, because a partition cannot be detached like this in a transaction; a lost connection lets go of it too.
    query(client, "SELECT pg_advisory_unlock($1)", &[&DROPPING_LOCK]).await?;
    outcome
}

async fn drop_locked(client: &Client, shared: &Shared, gone_until: Timestamp) -> Result<()> {
    let first_kept = number_of(gone_until.checked_add(SignedDuration::from_micros(1)).unwrap_or(gone_until));
    lock(&shared.partitions.known).retain(|number| *number >= first_kept);
    for table in TABLES {
        let children =
            "SELECT child.relname::text, inherited.inhrelid IS NOT NULL, coalesce(inherited.inhdetachpending, FALSE)
                        FROM pg_class AS parent
                        JOIN pg_class AS child
                          ON child.relnamespace = parent.relnamespace AND child.relkind = 'r'
                             AND child.relname ~ ('^' || parent.relname || '_n?[0-9]+$')
                        LEFT JOIN pg_inherits AS inherited
                          ON inherited.inhrelid = child.oid AND inherited.inhparent = parent.oid
                        WHERE parent.oid = to_regclass($1)";
        for row in query(client, children, &[&table]).await? {
            let (name, is_attached, is_pending): (String, bool, bool) =
                (column(&row, 0)?, column(&row, 1)?, column(&row, 2)?);
            if number_in(table, &name).is_none_or(|number| number >= first_kept) {
                continue;
            }
            if is_attached {
                let how = if is_pending { "FINALIZE" } else { "CONCURRENTLY" };
                client
                    .batch_execute(&format!("ALTER TABLE {table} DETACH PARTITION {name} {how}"))
                    .await
                    .map_err(failed)?;
            }
            client.batch_execute(&format!("DROP TABLE {name}")).await.map_err(failed)?;
        }
    }
    Ok(())
}

/// Drops all partitions, one at a time, so that no more is locked at once than one of them. Nobody may be reading or writing.
pub(super) async fn drop_all(client: &mut Client) -> Result<()> {
    for table in TABLES {
        let children = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = to_regclass($1)";
        for row in query(client, children, &[&table]).await? {
            let name: String = column(&row, 0)?;
            client.batch_execute(&format!("DROP TABLE {name}")).await.map_err(failed)?;
        }
    }
    Ok(())
}

/// The span whose partition of `table` has this name.
fn number_in(table: &str, name: &str) -> Option<i64> {
    let number = name.strip_prefix(table)?.strip_prefix('_')?;
    match number.strip_prefix('n') {
        Some(before) => before.parse::<i64>().ok().map(|number| -number),
        None => number.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_its_span() {
        for number in [0, 1, 117_000, -1, -5] {
            assert_eq!(number_in("events", &name_of("events", number)), Some(number));
        }
        assert_eq!(number_in("events", "events_by_owner"), None);
        assert_eq!(number_in("events", "attempts_7"), None);
    }

    #[test]
    fn spans_meet_without_gap_or_overlap() {
        for number in [-2, -1, 0, 1, 117_000] {
            let ((from, until), (next, _)) = (bounds(number).expect("a span"), bounds(number + 1).expect("a span"));
            assert_eq!(until, next);
            let at = |micros| Timestamp::from_microsecond(micros).expect("an instant");
            assert_eq!((number_of(at(from)), number_of(at(until - 1))), (number, number));
        }
    }
}
