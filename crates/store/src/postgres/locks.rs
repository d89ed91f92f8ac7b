//! The numbers of the advisory locks: one place, because a number that is taken twice makes strangers wait for each other. What a
//! lock keeps apart is decided where it is taken.

use deadpool_postgres::{Client, Transaction};
use oncue_domain::store::Result;

use super::{answered, query};

/// Whoever migrates holds it.
pub(super) const MIGRATING: i64 = 0x6f6e_6375_6500;

/// Nodes make partitions one at a time.
pub(super) const PARTITIONING: i64 = 0x6f6e_6375_6501;

/// Nodes begin, end and judge absences one at a time.
pub(super) const NODES: i64 = 0x6f6e_6375_6502;

/// Whoever removes what is old holds it.
pub(super) const EXPIRING: i64 = 0x6f6e_6375_6503;

/// Whoever copies into the database holds it, for as long as the connection lives.
pub(super) const COPYING: i64 = 0x6f6e_6375_6504;

/// Whoever drops partitions holds it.
pub(super) const DROPPING: i64 = 0x6f6e_6375_6505;

/// Whoever freezes or thaws holds it alone, and whoever carries out plans or drains shares it. Unlike a row it is given out in
/// the order in which it was asked for, so that nodes which fire without pause cannot keep a freeze waiting.
pub(super) const FREEZING: i64 = 0x6f6e_6375_6506;

/// Accounts are registered one at a time.
pub(super) const REGISTERING: i64 = 0x6f6e_6375_6510;

/// The first half of the locks that keep two from firing a trigger at once that does not overlap; those of two halves are apart from the others.
pub(super) const FIRING_ALONE: i32 = 1;

/// Begins a transaction that holds a lock until it is over.
pub(super) async fn locked(client: &mut Client, lock: i64) -> Result<Transaction<'_>> {
    let transaction = answered(client.transaction()).await?;
    query(&transaction, "SELECT pg_advisory_xact_lock($1)", &[&lock]).await?;
    Ok(transaction)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::postgres::log::LOGGING_LOCK_BASE;

    #[test]
    fn no_two_locks_are_one() {
        let all = [MIGRATING, PARTITIONING, NODES, EXPIRING, COPYING, DROPPING, FREEZING, REGISTERING];
        assert_eq!(BTreeSet::from(all).len(), all.len());
        assert!(
            all.iter().all(|lock| lock >> 48 != LOGGING_LOCK_BASE >> 48),
            "writers of events have keys of their own"
        );
    }
}
