//! Triggers that do not overlap, in PostgreSQL. What the occurrences of one are not to overlap is marked in `outbox` and in `runs` by the
//! statement that logs it, so it is found by indexes that have nothing else in them, and whatever is not marked costs nothing. Such a
//! trigger waits in `cursors` without being looked at.
//!
//! Whoever is to let it wait locks its cursor first and looks then, in a statement of its own; whoever ends something that is marked calls it
//! up after the commit, under the same lock. So either the end is seen, and it does not wait, or the call finds it waiting. What a
//! node does not come to call up, because it ends in between, is called up by the sweep of all nodes (`call_up_all`).
//!
//! What fires such a trigger by itself, its schedule or a backlog, does so alone (`alone`): it takes a lock that there is for each trigger, and looks
//! under it, by the statement that fires, whether an event is under way. Calls take no lock; they fire in any case, as if after what fires then.

use std::collections::BTreeMap;

use deadpool_postgres::{Client, GenericClient};
use jiff::Timestamp;
use oncue_domain::event::Origin;
use oncue_domain::id::{TriggerId, UserId};
use oncue_domain::overlap::Before;
use oncue_domain::store::{Planned, Result};
use oncue_domain::trigger::Trigger;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::hint::Changes;
use super::{Shared, answered, column, execute, locks, query, query_first};
use crate::codec::instant;

/// Whether an event of the trigger is under way whose number stands there. Asked one by one, so that neither table is ever read as a whole.
fn is_under_way(trigger: &str) -> String {
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

/// Carries out a statement that fires these triggers where nothing of theirs is under way. Its last parameter, which is added here, are
/// those that nobody else is at.
pub(super) async fn alone(
    client: &mut Client,
    triggers: &[i64],
    sql: &str,
    params: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>> {
    let transaction = answered(client.transaction()).await?;
    // Nobody waits for a lock here: another node may hold it that is frozen.
    let locking = "SELECT id FROM unnest($2::bigint[]) AS id WHERE pg_try_advisory_xact_lock($1, hashint8(id))";
    let rows = query(&transaction, locking, &[&locks::FIRING_ALONE, &triggers]).await?;
    let mine = rows.iter().map(|row| column::<i64>(row, 0)).collect::<Result<Vec<_>>>()?;
    let mut params = params.to_vec();
    params.push(&mine);
    // A statement of its own: it sees what was committed by whoever held the locks before.
    let rows = query(&transaction, sql, &params).await?;
    answered(transaction.commit()).await?;
    Ok(rows)
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

/// The triggers wait until nothing of theirs is under way, those of which anything still is. How many of these plans still held.
pub(super) async fn wait(shared: &Shared, plans: &[Planned]) -> Result<usize> {
    if plans.is_empty() {
        return Ok(0);
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
        return Ok(0);
    }
    // A statement of its own: it sees all that has ended up to here.
    let sql = format!(
        "UPDATE cursors SET waits = TRUE WHERE trigger_id = ANY ($1) AND {is_under_way}",
        is_under_way = is_under_way("cursors.trigger_id"),
    );
    execute(&transaction, &sql, &[&locked]).await?;
    answered(transaction.commit()).await?;
    Ok(locked.len())
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

async fn try_call_up(shared: &Shared, ended: &BTreeMap<TriggerId, Timestamp>) -> Result<bool> {
    let (ids, ends): (Vec<i64>, Vec<i64>) = ended.iter().map(|(id, at)| (id.0, at.as_microsecond())).unzip();
    let mut client = shared.client().await?;
    let transaction = answered(client.transaction()).await?;
    let sql = "SELECT trigger_id FROM cursors WHERE trigger_id = ANY ($1) ORDER BY trigger_id FOR UPDATE";
    execute(&transaction, sql, &[&ids]).await?;
    let sql = format!(
        "UPDATE cursors SET waits = FALSE, waited_until = ended.at
         FROM unnest($1::bigint[], $2::bigint[]) AS ended (trigger_id, at)
         WHERE cursors.trigger_id = ended.trigger_id AND cursors.waits AND NOT {is_under_way}",
        is_under_way = is_under_way("cursors.trigger_id"),
    );
    let called = execute(&transaction, &sql, &[&ids, &ends]).await?;
    let sql = "SELECT 1 FROM backlogs WHERE trigger_id = ANY ($1) LIMIT 1";
    let is_laid_up = query_first(&transaction, sql, &[&ids]).await?.is_some();
    answered(transaction.commit()).await?;
    Ok(called > 0 || is_laid_up)
}

/// The same for all triggers that wait, but for those that somebody else is at: what this misses, it finds the next time. How many were called up.
pub(super) async fn call_up_all(client: &impl GenericClient, now: Timestamp) -> Result<u64> {
    let sql = format!(
        "UPDATE cursors SET waits = FALSE, waited_until = $1
         WHERE trigger_id IN (SELECT trigger_id FROM cursors AS waiting
                              WHERE waits AND NOT {is_under_way}
                              FOR UPDATE SKIP LOCKED)",
        is_under_way = is_under_way("waiting.trigger_id"),
    );
    execute(client, &sql, &[&now.as_microsecond()]).await
}
