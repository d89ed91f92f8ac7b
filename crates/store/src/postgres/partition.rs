//! Events and attempts lie in partitions by the instant at which the event fired, four hours each. They are made before
//! anything is written into them, by whichever node comes first, and dropped whole once nothing in them is kept: no row is
//! ever deleted one by one, so tables and indexes stay as large as what they hold.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use deadpool_postgres::Client;
use jiff::{SignedDuration, Timestamp};
use oncue_domain::store::{Error, Result};

use super::{Shared, answered, column, failed, lock, locks, query, query_first, run};

/// How much time one partition holds.
const SPAN_US: i64 = 4 * 3_600_000_000;

/// A partition is made so long before the first event fires into it.
const AHEAD: SignedDuration = SignedDuration::from_hours(1);

/// One that could not be made ahead is tried again after this.
const AHEAD_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// The tables that are divided, by the same bounds.
const TABLES: [&str; 2] = ["events", "attempts"];

/// The partitions that are known to be there.
#[derive(Default)]
pub(super) struct Partitions {
    known: Mutex<BTreeSet<i64>>,
    /// One of this node's callers makes what is missing; the others wait for it here, and not each on a connection of its own.
    making: tokio::sync::Mutex<()>,
    /// When the one ahead was last tried.
    tried_ahead: Mutex<Option<Instant>>,
}

impl Partitions {
    fn is_missing(&self, number: i64) -> bool {
        !lock(&self.known).contains(&number)
    }

    /// Whether it is time to try the one ahead; whoever is told so does.
    fn may_try_ahead(&self, now: Instant) -> bool {
        let mut tried = lock(&self.tried_ahead);
        let may = tried.is_none_or(|at| now.duration_since(at) >= AHEAD_AGAIN_AFTER);
        if may {
            *tried = Some(now);
        }
        may
    }
}

/// Counts the spans since 1970.
pub(super) fn number_of(instant: Timestamp) -> i64 {
    instant.as_microsecond().div_euclid(SPAN_US)
}

/// The first instant of the partition in which something lies that fired at this one, in microseconds since 1970.
pub(super) fn beginning_of(instant: Timestamp) -> i64 {
    number_of(instant) * SPAN_US
}

/// A partition's table. A number before 1970 has an `n` for its sign.
fn name_of(table: &str, number: i64) -> String {
    format!("{table}_{}{}", if number < 0 { "n" } else { "" }, number.unsigned_abs())
}

/// Makes certain that what fires at `now` has a place, and sees to it that it has one a while later too. Nobody may hold a
/// connection who calls this: it may need one.
pub(super) async fn prepare(shared: &Shared, now: Timestamp) -> Result<()> {
    let (present, ahead) = (number_of(now), number_of(now.checked_add(AHEAD).unwrap_or(now)));
    let partitions = &shared.partitions;
    if partitions.is_missing(present) {
        let _turn = partitions.making.lock().await;
        if partitions.is_missing(present) {
            make(&mut shared.client().await?, present).await?;
            lock(&partitions.known).insert(present);
        }
    }
    if partitions.is_missing(ahead) && partitions.may_try_ahead(Instant::now()) {
        make_ahead(shared, ahead).await;
    }
    Ok(())
}

/// There is an hour left: what does not succeed now is tried again, and nobody fails for it.
async fn make_ahead(shared: &Shared, number: i64) {
    // Who is at it already does this one next, or the next caller does.
    let Ok(_turn) = shared.partitions.making.try_lock() else { return };
    let made = match shared.client().await {
        Ok(mut client) => make(&mut client, number).await,
        Err(error) => Err(error),
    };
    match made {
        Ok(()) => drop(lock(&shared.partitions.known).insert(number)),
        Err(error) => tracing::warn!(%error, "the next partition cannot be made yet; it is tried again"),
    }
}

/// A write found that a partition is gone which was known to be there.
pub(super) fn forget_all(shared: &Shared) {
    lock(&shared.partitions.known).clear();
    *lock(&shared.partitions.tried_ahead) = None;
}

/// Makes the partitions of one span, unless they are there. Attaching a table that was made by itself keeps nobody from
/// reading or writing the others meanwhile.
pub(super) async fn make(client: &mut Client, number: i64) -> Result<()> {
    let (from, until) = bounds(number)?;
    let transaction = answered(client.transaction()).await?;
    // Other nodes may be at it; that is worth waiting for as long as for any statement.
    run(&transaction, "SET LOCAL lock_timeout = 0").await?;
    query(&transaction, "SELECT pg_advisory_xact_lock($1)", &[&locks::PARTITIONING]).await?;
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
        let attached = format!(
            "CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
             {unique}
             ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ({from}) TO ({until});"
        );
        run(&transaction, &attached).await?;
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
    let row = query_first(client, "SELECT pg_try_advisory_lock($1)", &[&locks::DROPPING]).await?;
    if !row.map_or(Ok(false), |row| column(&row, 0))? {
        // Another node is at it.
        return Ok(());
    }
    let outcome = drop_locked(client, shared, gone_until).await;
    // Of a session, because a partition cannot be detached like this in a transaction; a lost connection lets go of it too.
    query(client, "SELECT pg_advisory_unlock($1)", &[&locks::DROPPING]).await?;
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
                run(client, &format!("ALTER TABLE {table} DETACH PARTITION {name} {how}")).await?;
            }
            run(client, &format!("DROP TABLE {name}")).await?;
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
