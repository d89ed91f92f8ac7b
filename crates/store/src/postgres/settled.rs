//! Up to which number events are settled: visible now, or never.
//!
//! Numbers are given out inside transactions, and transactions commit out of order: a reader that has seen the event 12 may not
//! take it that there will be no 11. So a writer begins with a shared advisory lock whose key carries its floor: the last number
//! that was given out before it took any, which is lower than each of its own. The lock goes when the transaction is over.
//!
//! A reader looks at three things, in this order, each later than the one before: S, the last number that was given out; M, the
//! lowest floor among the locks that are held; and then the events. Let n be a number up to S whose writer is not over when
//! the events are looked at. It was given out before S was read, so its writer held the lock by then, and holds it still:
//! PostgreSQL lets go of a transaction's locks after it has made it visible. So the lock was there when M was read, and M is
//! not above its floor, which is below n. Hence whatever is not above S and not above M belongs to a writer that is over: who
//! looks at the events from then on sees it, or it was rolled back and will never be.
//!
//! The order is everything. In one statement both would be read at one moment, or in no order that anybody promises; and a
//! moment that was fixed before M was read would not show what was committed between the two.

use deadpool_postgres::GenericClient;
use futures_util::future::try_join;
use oncue_domain::id::EventId;
use oncue_domain::store::Result;

use super::log::LOGGING_LOCK_BASE;
use super::{column, query};

/// The last number that was given out. Sequences stand outside transactions, so it is the last one of anybody.
const GIVEN_OUT: &str = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM event_ids";

/// The lowest floor of those who write. The number of a 64-bit key is kept in halves; 16 bits of the upper one say that it is ours.
const FLOOR: &str = "SELECT min((classid::bigint & 65535) << 32 | objid::bigint)
     FROM pg_locks
     WHERE locktype = 'advisory'
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND objsubid = 1
       AND classid::bigint >> 16 = $1";

/// Up to which number whoever looks at the events after this sees all there will ever be. The events must be looked at by a
/// statement that is sent later, or in a transaction that has not looked at anything yet.
pub(super) async fn settled(client: &impl GenericClient) -> Result<EventId> {
    // Sent at once, and carried out one after the other: each is a transaction of its own.
    let ours = LOGGING_LOCK_BASE >> 48;
    let params: super::Params<'_> = &[&ours];
    let (given_out, floor) = try_join(query(client, GIVEN_OUT, &[]), query(client, FLOOR, params)).await?;
    let given_out: i64 = given_out.first().map_or(Ok(0), |row| column(row, 0))?;
    let floor: Option<i64> = floor.first().map_or(Ok(None), |row| column(row, 0))?;
    Ok(EventId(floor.map_or(given_out, |floor| floor.min(given_out))))
}
