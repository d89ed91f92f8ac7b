//! Triggers that do not overlap, in PostgreSQL. What the occurrences of one are not to overlap is marked in `outbox` and in `runs` by the
//! statement that logs it, so it is found by indexes that have nothing else in them, and whatever is not marked costs nothing. Such a
//! trigger waits in `cursors` without being looked at.
//!
//! Whoever is to let it wait locks its cursor first and looks then, in a statement of its own; whoever ends something that is marked calls it
//! up after the commit, under the same lock, and looks a few times where somebody else has that. So either the end is seen, and it does not wait,
//! or the call finds it waiting. What a node does not come to call up, because it ends in between or somebody else is frozen, is called up by
//! the sweep of all nodes (`call_up_all`).
//!
//! What fires such a trigger by itself, its schedule or a backlog, does so alone (`alone`): it takes a lock that there is for each trigger, and looks
//! under it, by the statement that fires, whether an event is under way. Calls take no lock; they fire in any case, as if after what fires then.

use std::collections::BTreeMap;
use std::time::Duration;

use deadpool_postgres::{Client, GenericClient, Transaction};
use jiff::Timestamp;
use oncue_domain::event::Origin;
use oncue_domain::id::{TriggerId, UserId};
use oncue_domain::overlap::Before;
use oncue_domain::store::{Error, Planned, Result};
use oncue_domain::trigger::Trigger;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::hint::Changes;
use super::{Shared, answered, column, execute, limit_of, lock, locks, query, query_first};
use crate::codec::instant;

/// Whether a row of `cursors` is that of a trigger which waited, and has not been planned since: its lateness is its own.
pub(super) const CALLED_UP: &str = "waited_until IS NOT NULL AND next_at <= waited_until";

/// The earliest occurrence that would have been carried out if anybody had been here; not what was armed for before all time.
pub(super) fn earliest_left() -> String {
    format!(
        "SELECT next_at FROM cursors
         WHERE NOT waits AND next_at >= {first} AND (waited_until IS NULL OR next_at > waited_until)
         ORDER BY next_at LIMIT 1",
        first = Timestamp::MIN.as_microsecond(),
    )
}

/// How long whoever calls up waits for those who are at the same cursors, look by look.
const LOOK_AGAIN_AFTER: [Duration; 3] =
    [Duration::from_millis(5), Duration::from_millis(10), Duration::from_millis(20)];

/// So many that could not be called up are remembered, with when what they wait for had ended; others are found by the sweep.
const ENDS_LEFT_MAX: usize = 10_000;

/// So many of those that wait are looked at by one statement of the sweep.
const SWEPT_MAX: usize = 5_000;

/// Whether an event of the trigger is under way whose number stands there. Asked one by one, so that neither table is ever read as a whole.
pub(super) fn is_under_way(trigger: &str) -> String {
    format!(
        "coalesce((SELECT TRUE FROM outbox WHERE outbox.overlap_of = {trigger} LIMIT 1),
                  (SELECT TRUE FROM runs WHERE runs.overlap_of = {trigger} AND runs.due_at IS NOT NULL LIMIT 1),
                  FALSE)"
    )
}

/// Whether a row of `backlogs` may fire: not where an event is under way of a trigger that does not overlap.
pub(super) fn may_go() -> String {
    format!(
        "NOT coalesce((SELECT {is_under_way} FROM triggers AS its
                       WHERE its.id = backlogs.trigger_id AND its.overlap IS NOT NULL), FALSE)",
        is_under_way = is_under_way("its.id"),
    )
}

/// Whether the trigger of a row of `cursors` waits for an event to end of which none is under way.
pub(super) fn is_forgotten() -> String {
    let is_under_way = is_under_way("cursors.trigger_id");
    format!("CASE WHEN cursors.waits THEN NOT {is_under_way} ELSE FALSE END")
}

/// Carries out a statement that fires these triggers where nothing of theirs is under way. Its last parameter, which is added here, are
/// those that nobody else is at.
pub(super) async fn alone(
    client: &mut Client,
    triggers: &[i64],
    sql: &str,
    params: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>> {
    let transaction = answered(client.transaction()).await?;
    let rows = alone_within(&transaction, triggers, sql, params).await?;
    answered(transaction.commit()).await?;
    Ok(rows)
}

/// The same in a transaction that goes on.
pub(super) async fn alone_within(
    transaction: &Transaction<'_>,
    triggers: &[i64],
    sql: &str,
    params: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>> {
    // Nobody waits for a lock here: another node may hold it that is frozen.
    let locking = "SELECT id FROM unnest($2::bigint[]) AS id WHERE pg_try_advisory_xact_lock($1, hashint8(id))";
    let rows = query(transaction, locking, &[&locks::FIRING_ALONE, &triggers]).await?;
    let mine = rows.iter().map(|row| column::<i64>(row, 0)).collect::<Result<Vec<_>>>()?;
    let mut params = params.to_vec();
    params.push(&mine);
    // A statement of its own: it sees what was committed by whoever held the locks before.
    query(transaction, sql, &params).await
}

/// The condition of such a statement, `$place` being its last parameter.
pub(super) fn is_alone(trigger: &str, place: usize) -> String {
    format!("{trigger} = ANY (${place}::bigint[]) AND NOT {is_under_way}", is_under_way = is_under_way(trigger))
}

/// How an event of that origin is marked. Tests are in nobody's way.
pub(super) fn mark(trigger: &Trigger, origin: Origin) -> Option<i64> {
    (!trigger.definition.overlap.is_allowed() && origin != Origin::Test).then_some(trigger.id.0)
}

pub(super) async fn events_before(client: &Client, triggers: &[(UserId, TriggerId)]) -> Result<Vec<Before>> {
    let (owners, ids): (Vec<i64>, Vec<i64>) = triggers.iter().map(|(owner, id)| (owner.0, id.0)).unzip();
    let sql = format!(
        "SELECT asked.place, {is_under_way}, (SELECT waited_until FROM cursors WHERE cursors.trigger_id = asked.id)
         FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS asked (owner, id, place)
         WHERE EXISTS (SELECT 1 FROM triggers WHERE triggers.id = asked.id AND triggers.owner = asked.owner)",
        is_under_way = is_under_way("asked.id"),
    );
    let mut before = vec![Before::Over; triggers.len()];
    for row in query(client, &sql, &[&owners, &ids]).await? {
        let place = usize::try_from(column::<i64>(&row, 0)?).unwrap_or_default();
        let found = match (column::<bool>(&row, 1)?, column::<Option<i64>>(&row, 2)?) {
            (true, _) => Before::UnderWay,
            (false, Some(ended_at)) => Before::OverSince(instant(ended_at)?),
            (false, None) => Before::Over,
        };
        if let Some(one) = before.get_mut(place.wrapping_sub(1)) {
            *one = found;
        }
    }
    Ok(before)
}

/// The triggers wait until nothing of theirs is under way; where nothing is by now, what was due at `now` met it all the same. Those of
/// which these plans still held.
pub(super) async fn wait(shared: &Shared, plans: &[Planned], now: Timestamp) -> Result<Vec<i64>> {
    if plans.is_empty() {
        return Ok(Vec::new());
    }
    let triggers: Vec<i64> = plans.iter().map(|planned| planned.trigger.id.0).collect();
    let armed: Vec<i64> = plans.iter().map(|planned| planned.armed.as_microsecond()).collect();
    let revisions: Vec<i64> = plans.iter().map(|planned| planned.trigger.revision).collect();
    let mut client = shared.client().await?;
    let transaction = answered(client.transaction()).await?;
    let sql = "SELECT cursors.trigger_id
               FROM cursors JOIN unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS plan (trigger_id, armed, revision)
                         ON plan.trigger_id = cursors.trigger_id AND plan.armed = cursors.next_at
                            AND plan.revision = cursors.revision
               WHERE EXISTS (SELECT 1 FROM nodes WHERE nodes.id = $4)
               FOR UPDATE OF cursors SKIP LOCKED";
    let rows = query(&transaction, sql, &[&triggers, &armed, &revisions, &shared.node.id()]).await?;
    let locked = rows.iter().map(|row| column::<i64>(row, 0)).collect::<Result<Vec<_>>>()?;
    if locked.is_empty() {
        // Others were first, or nothing that this node writes counts: then it must not try again at once.
        super::node::is_there(&transaction, shared).await?;
        return Ok(locked);
    }
    // A statement of its own: it sees all that has ended up to here.
    let sql = format!(
        "UPDATE cursors SET waits = found.is_under_way,
                            waited_until = CASE WHEN NOT found.is_under_way THEN coalesce(waited_until, $2) END
         FROM (SELECT asked.id, {is_under_way} AS is_under_way FROM unnest($1::bigint[]) AS asked (id)) AS found
         WHERE cursors.trigger_id = found.id",
        is_under_way = is_under_way("asked.id"),
    );
    execute(&transaction, &sql, &[&locked, &now.as_microsecond()]).await?;
    answered(transaction.commit()).await?;
    Ok(locked)
}

/// The triggers with which something was marked that ended, and when its last part did; from rows that say so in these columns.
pub(super) fn ended(rows: &[Row], trigger: usize, at: usize) -> Result<BTreeMap<TriggerId, Timestamp>> {
    let mut ended = BTreeMap::new();
    for row in rows {
        if let (Some(trigger), Some(at)) = (column::<Option<i64>>(row, trigger)?, column::<Option<i64>>(row, at)?) {
            let latest = ended.entry(TriggerId(trigger)).or_insert(Timestamp::MIN);
            *latest = instant(at)?.max(*latest);
        }
    }
    Ok(ended)
}

/// Something of these triggers ended then: they wait no more, where nothing else is under way, and what was laid up of them has its turn again. It
/// is committed already; what cannot be called up now is by the next sweep.
pub(super) async fn call_up(shared: &Shared, ended: &BTreeMap<TriggerId, Timestamp>, changes: &mut Changes) {
    if ended.is_empty() {
        return;
    }
    match try_call_up(shared, ended).await {
        Ok(called) => changes.armed |= called,
        Err(error) => tracing::warn!(%error, "what waits for an event to end is called up later"),
    }
}

/// Nobody waits here for a cursor that somebody else is at: that may be a node that is frozen, and this is what every settlement of this one
/// goes through. A few looks are long enough for whoever is not.
async fn try_call_up(shared: &Shared, ended: &BTreeMap<TriggerId, Timestamp>) -> Result<bool> {
    let mut client = shared.client().await.inspect_err(|_| remember_ends(shared, ended.clone()))?;
    let (mut left, mut called) = (ended.clone(), Ok(false));
    for pause in LOOK_AGAIN_AFTER.into_iter().map(Some).chain([None]) {
        called = match (called, call_up_free(&mut client, &mut left).await) {
            (Ok(before), Ok(now)) => Ok(before || now),
            (_, Err(error)) | (Err(error), _) => Err(error),
        };
        let Some(pause) = pause.filter(|_| !left.is_empty() && called.is_ok()) else { break };
        tokio::time::sleep(pause).await;
    }
    if !left.is_empty() {
        tracing::debug!(triggers = left.len(), "what somebody else is at is called up later");
        remember_ends(shared, left);
    }
    let has_called = called?;
    let ids: Vec<i64> = ended.keys().map(|id| id.0).collect();
    let sql = "SELECT 1 FROM backlogs WHERE trigger_id = ANY ($1) LIMIT 1";
    Ok(has_called || query_first(&client, sql, &[&ids]).await?.is_some())
}

/// What falls due behind an end does not meet the event, however long somebody else is at the cursor.
fn remember_ends(shared: &Shared, left: BTreeMap<TriggerId, Timestamp>) {
    let mut ends = lock(&shared.ends_left);
    for (id, at) in left {
        if ends.len() < ENDS_LEFT_MAX || ends.contains_key(&id) {
            let latest = ends.entry(id).or_insert(at);
            *latest = at.max(*latest);
        }
    }
}

/// Calls up those to which this node did not come when it was their time. Whether any was.
pub(super) async fn call_up_left(shared: &Shared) -> Result<bool> {
    let mut left = std::mem::take(&mut *lock(&shared.ends_left));
    if left.is_empty() {
        return Ok(false);
    }
    let called = match shared.client().await {
        Ok(mut client) => call_up_free(&mut client, &mut left).await,
        Err(error) => Err(error),
    };
    remember_ends(shared, left);
    called
}

/// Calls up those that nobody else is at, and leaves the others in `ended`. Whether any was called up.
async fn call_up_free(client: &mut Client, ended: &mut BTreeMap<TriggerId, Timestamp>) -> Result<bool> {
    let (ids, ends): (Vec<i64>, Vec<i64>) = ended.iter().map(|(id, at)| (id.0, at.as_microsecond())).unzip();
    let transaction = answered(client.transaction()).await?;
    let sql = "SELECT trigger_id FROM cursors WHERE trigger_id = ANY ($1) ORDER BY trigger_id FOR UPDATE SKIP LOCKED";
    let free: Vec<i64> =
        query(&transaction, sql, &[&ids]).await?.iter().map(|row| column(row, 0)).collect::<Result<_>>()?;
    let sql = format!(
        "UPDATE cursors SET waits = FALSE, waited_until = ended.at
         FROM unnest($1::bigint[], $2::bigint[]) AS ended (trigger_id, at)
         WHERE cursors.trigger_id = ended.trigger_id AND cursors.trigger_id = ANY ($3)
           AND (cursors.waits OR cursors.next_at <= ended.at) AND NOT {is_under_way}",
        is_under_way = is_under_way("cursors.trigger_id"),
    );
    let called = execute(&transaction, &sql, &[&ids, &ends, &free]).await?;
    let held: Vec<i64> = ids.into_iter().filter(|id| !free.contains(id)).collect();
    let there: Vec<i64> = match held.is_empty() {
        true => Vec::new(),
        false => {
            let sql = "SELECT trigger_id FROM cursors WHERE trigger_id = ANY ($1)";
            query(&transaction, sql, &[&held]).await?.iter().map(|row| column(row, 0)).collect::<Result<_>>()?
        }
    };
    // Whatever was not written down is still to be called up.
    answered(transaction.commit()).await?;
    ended.retain(|id, _| there.contains(&id.0));
    Ok(called > 0)
}

/// The same for the triggers that wait, a slice of them at a time, but for those that somebody else is at: what this misses, it finds the next
/// time. How many were called up.
pub(super) async fn call_up_all(client: &impl GenericClient, shared: &Shared, now: Timestamp) -> Result<u64> {
    let (next_at, trigger) = *lock(&shared.swept_to);
    let sql = format!(
        "WITH slice AS MATERIALIZED (
             SELECT trigger_id, next_at
             FROM cursors
             WHERE waits AND next_at >= $2 AND (next_at > $2 OR trigger_id > $3)
             ORDER BY next_at, trigger_id
             LIMIT $4
         ),
         free AS MATERIALIZED (
             SELECT cursors.trigger_id
             FROM slice JOIN cursors ON cursors.trigger_id = slice.trigger_id
             WHERE cursors.waits AND NOT {is_under_way}
             FOR UPDATE OF cursors SKIP LOCKED
         ),
         called AS (
             UPDATE cursors SET waits = FALSE, waited_until = $1
             FROM free
             WHERE cursors.trigger_id = free.trigger_id AND cursors.waits
             RETURNING 1
         )
         SELECT (SELECT count(*) FROM called), (SELECT count(*) FROM slice),
                (SELECT next_at FROM slice ORDER BY next_at DESC, trigger_id DESC LIMIT 1),
                (SELECT trigger_id FROM slice ORDER BY next_at DESC, trigger_id DESC LIMIT 1)",
        is_under_way = is_under_way("slice.trigger_id"),
    );
    let most = limit_of(SWEPT_MAX);
    let row = query_first(client, &sql, &[&now.as_microsecond(), &next_at, &trigger, &most]).await?;
    let row = row.ok_or_else(|| Error::Broken("a row that is always there is not".to_owned()))?;
    let is_last = column::<i64>(&row, 1)? < most;
    let to = column::<Option<i64>>(&row, 2)?.zip(column::<Option<i64>>(&row, 3)?).filter(|_| !is_last);
    *lock(&shared.swept_to) = to.unwrap_or(FROM_THE_FIRST);
    Ok(column::<i64>(&row, 0)?.unsigned_abs())
}

/// Where a sweep over what waits begins.
pub(super) const FROM_THE_FIRST: (i64, i64) = (i64::MIN, i64::MIN);

/// The auditor found that one waits for nothing, whose cursor it has locked: it is called up, if that still is so.
pub(super) async fn remember(client: &impl GenericClient, id: TriggerId, now: Timestamp) -> Result<bool> {
    let sql = format!(
        "UPDATE cursors SET waits = FALSE, waited_until = $2 WHERE trigger_id = $1 AND {is_forgotten}",
        is_forgotten = is_forgotten()
    );
    Ok(execute(client, &sql, &[&id.0, &now.as_microsecond()]).await? > 0)
}
