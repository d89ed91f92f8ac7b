//! A node begins to run, and an absence may end with that. Whether it was one is decided in the domain (`presence`); here the others are
//! listened to for as long as the decision takes. Between two looks nothing is held: neither the lock, without which nobody could
//! come back, nor a connection.

use std::time::{Duration, Instant};

use deadpool_postgres::{GenericClient, Transaction};
use jiff::{SignedDuration, Timestamp};
use oncue_domain::act::Act;
use oncue_domain::agenda::Span;
use oncue_domain::node::GONE_AFTER;
use oncue_domain::plan::{Absence, absence};
use oncue_domain::presence::{Before, Others, before};
use oncue_domain::store::{ABSENCES_KEPT, Error, Result};

use super::watch::{Seen, Watch};
use super::{NEVER, Node};
use crate::codec::{instant, nearest_instant};
use crate::postgres::overlap::earliest_left;
use crate::postgres::{Shared, act, answered, column, execute, limit_of, locks, query, query_first};

/// How often the others are looked at; a sign of theirs ends the wait.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A database that keeps everybody waiting again and again lets nobody be heard out; after so long, what is known has to do.
const LISTENED_FOR_MAX: Duration = Duration::from_secs(15);

/// Records the absence that ends at `asked_at`, if nobody was there, and gives every one that may still matter.
///
/// Where other nodes have rows, somebody may be there: only a silence of all of them that is longer than [`GONE_AFTER`] is an
/// absence, and a silence in what the database shows is one only when it goes on for as long while this node listens: three seconds, which
/// nobody has to wait who is alone or finds somebody there. Where there are no others, nobody is, and the absence began with the last
/// sign of life. What falls due while this node listens is late, and missed by nobody.
pub(in crate::postgres) async fn begin_presence(shared: &Shared, asked_at: Timestamp) -> Result<Vec<Absence>> {
    let (begun, mut now, mut watch) = (Instant::now(), asked_at, Watch::default());
    loop {
        let mut client = shared.client_soon().await?;
        let transaction = locks::locked(&mut client, locks::NODES).await?;
        let signs = Signs::read(&transaction, &shared.node).await?;
        let others = match watch.look(Instant::now(), &signs.others).len() {
            _ if signs.others.is_empty() => Others::None,
            silent if silent == signs.others.len() || begun.elapsed() >= LISTENED_FOR_MAX => Others::HeardOut,
            _ => Others::Awaited,
        };
        let ended = match before(others, signs.last, now) {
            Before::Unknown => None,
            Before::Somebody => Some(None),
            Before::Nobody => Some(absence(signs.last, signs.earliest, asked_at)),
        };
        if let Some(ended) = ended {
            return record(transaction, &shared.node, ended, now).await;
        }
        answered(transaction.rollback()).await?;
        drop(client);
        if now == asked_at {
            let seconds = GONE_AFTER.as_secs();
            tracing::info!("other nodes ran here and are silent: this one gives them {seconds} s to show themselves");
        }
        tokio::time::sleep(LOOK_EVERY).await;
        let waited = SignedDuration::try_from(begun.elapsed()).unwrap_or(SignedDuration::MAX);
        now = asked_at.checked_add(waited).unwrap_or(Timestamp::MAX);
    }
}

/// What the database shows of who was there.
struct Signs {
    /// The other nodes that have begun, with their signs of life.
    others: Vec<Seen>,
    /// The last sign of all, those included that are gone.
    last: Option<Timestamp>,
    /// The earliest occurrence that is armed.
    earliest: Option<Timestamp>,
}

impl Signs {
    async fn read(transaction: &Transaction<'_>, node: &Node) -> Result<Signs> {
        let sql = format!(
            "WITH others AS MATERIALIZED (
                       SELECT id, alive_at FROM nodes WHERE id <> $1 AND alive_at IS NOT NULL ORDER BY id
                   )
                   SELECT ARRAY(SELECT id FROM others), ARRAY(SELECT alive_at FROM others),
                          (SELECT max(alive_at) FROM last_sign), ({earliest_left})",
            earliest_left = earliest_left(),
        );
        let row = query_first(transaction, &sql, &[&node.id()]).await?;
        let row = row.ok_or_else(|| Error::Broken("a row that is always there is not".to_owned()))?;
        let (ids, alive_at): (Vec<i64>, Vec<i64>) = (column(&row, 0)?, column(&row, 1)?);
        let gone = column::<Option<i64>>(&row, 2)?.filter(|at| *at != NEVER);
        let last = alive_at.iter().copied().chain(gone).chain(node.alive_at()).max();
        Ok(Signs {
            last: last.map(instant).transpose()?,
            earliest: column::<Option<i64>>(&row, 3)?.map(nearest_instant),
            others: ids.into_iter().zip(alive_at).collect(),
        })
    }
}

/// This node runs from `now` on, and the absence that has ended, if there was one, is kept.
async fn record(
    transaction: Transaction<'_>,
    node: &Node,
    ended: Option<Absence>,
    now: Timestamp,
) -> Result<Vec<Absence>> {
    if let Some(absence) = ended {
        let sql = "INSERT INTO absences (from_at, to_at) VALUES ($1, $2)
                   ON CONFLICT (from_at) DO UPDATE SET to_at = excluded.to_at";
        execute(&transaction, sql, &[&absence.from.as_microsecond(), &absence.to.as_microsecond()]).await?;
        act::write_own(&transaction, &Act::absence(&absence), now).await?;
    }
    node.note_begun(now);
    let alive = "UPDATE nodes SET alive_at = $2 WHERE id = $1";
    execute(&transaction, alive, &[&node.id(), &now.as_microsecond()]).await?;
    let matters = Span { from: now.checked_sub(ABSENCES_KEPT).unwrap_or(Timestamp::MIN), until: Timestamp::MAX };
    let absences = absences(&transaction, matters, usize::MAX).await?;
    answered(transaction.commit()).await?;
    Ok(absences)
}

/// Those of which no record tells any more are forgotten.
pub(in crate::postgres) async fn expire_absences(client: &impl GenericClient, gone_until: Timestamp) -> Result<()> {
    let forgotten = gone_until.checked_sub(ABSENCES_KEPT).unwrap_or(Timestamp::MIN).as_microsecond();
    execute(client, "DELETE FROM absences WHERE to_at <= $1", &[&forgotten]).await?;
    Ok(())
}

/// The earliest `limit` absences that meet the span, in order.
pub(in crate::postgres) async fn absences(
    client: &impl GenericClient,
    span: Span,
    limit: usize,
) -> Result<Vec<Absence>> {
    let sql = "SELECT from_at, to_at
               FROM absences
               WHERE from_at < $1 AND to_at > $2
               ORDER BY from_at
               LIMIT $3";
    let (from, until) = (span.from.as_microsecond(), span.until.as_microsecond());
    let rows = query(client, sql, &[&until, &from, &limit_of(limit)]).await?;
    rows.iter().map(|row| Ok(Absence { from: instant(column(row, 0)?)?, to: instant(column(row, 1)?)? })).collect()
}
