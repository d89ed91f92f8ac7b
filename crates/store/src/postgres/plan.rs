//! Plans become facts: cursors that still stand where the plan found them are locked and moved, and what fired and what did
//! not is written down, in one statement. Another node may be at the same triggers: the one that locks first carries them
//! out, for the other they are stale. For a node whose row is gone all are: it was given up, and is not even to write what
//! nobody else does, because the database may be somebody else's by now.

use std::collections::HashSet;
use std::time::Instant;

use deadpool_postgres::Client;
use jiff::Timestamp;
use oncue_domain::act::Act;
use oncue_domain::actor::Actor;
use oncue_domain::backlog::{PutOff, Source};
use oncue_domain::delivery::CLAIM_FOR;
use oncue_domain::event::Origin;
use oncue_domain::freeze::Frozen;
use oncue_domain::id::TriggerId;
use oncue_domain::occurrence::Skipped;
use oncue_domain::overlap::Turn;
use oncue_domain::store::{Committed, Planned, Result};
use oncue_domain::trigger::Trigger;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::freeze::present;
use super::hint::Changes;
use super::log::{
    AFTER_ASKED, Asked, LOGGED, LOGGED_COLUMNS, Logged, NewEvent, announce, arrays, floor, logging, room,
};
use super::run::Expected;
use super::{Params, Shared, act, answered, column, count, node, overlap, partition, query, tally};
use crate::codec::actor_to_text;

/// Occurrences that did not fire, as columns.
#[derive(Default)]
struct SkippedColumns {
    owners: Vec<i64>,
    triggers: Vec<i64>,
    reasons: Vec<&'static str>,
    firsts: Vec<i64>,
    lasts: Vec<i64>,
    counts: Vec<i64>,
    first_hours: Vec<i64>,
    last_hours: Vec<i64>,
    plans: Vec<i64>,
    /// Of what a freeze holds back: where the record ends that it goes on with, and since when that must have been written down.
    follows: Vec<Option<i64>>,
    sinces: Vec<Option<i64>>,
}

impl SkippedColumns {
    fn push(&mut self, planned: &Planned, number: i64, skipped: &Skipped, frozen: Option<&Frozen>) {
        self.owners.push(planned.trigger.owner.0);
        self.triggers.push(planned.trigger.id.0);
        self.reasons.push(skipped.reason.word());
        self.firsts.push(skipped.first.as_microsecond());
        self.lasts.push(skipped.last.as_microsecond());
        self.counts.push(i64::try_from(skipped.count).unwrap_or(i64::MAX));
        self.first_hours.push(count::number_of(skipped.first));
        self.last_hours.push(count::number_of(skipped.last));
        self.plans.push(number);
        self.follows.push(frozen.and_then(|frozen| frozen.follows).map(Timestamp::as_microsecond));
        self.sinces.push(frozen.map(|frozen| frozen.since.as_microsecond()));
    }
}

/// What is answered, among the numbers of the plans that were carried out, where freezes came or went since some were made.
const OUTDATED: i64 = 0;

/// The first parameter behind the plans, what they skip and what they count.
const AFTER_PLANS: usize = AFTER_ASKED + 20;

/// Occurrences that are put off, as columns.
#[derive(Default)]
struct PutOffColumns {
    owners: Vec<i64>,
    triggers: Vec<i64>,
    revisions: Vec<i64>,
    firsts: Vec<i64>,
    lasts: Vec<i64>,
    counts: Vec<i64>,
    held: Vec<bool>,
    plans: Vec<i64>,
}

impl PutOffColumns {
    const TYPES: [&str; 8] = ["bigint", "bigint", "bigint", "bigint", "bigint", "bigint", "boolean", "bigint"];

    fn push(&mut self, trigger: &Trigger, put_off: &PutOff, plan: i64) {
        self.owners.push(trigger.owner.0);
        self.triggers.push(trigger.id.0);
        self.revisions.push(trigger.revision);
        self.firsts.push(put_off.first.as_microsecond());
        self.lasts.push(put_off.last.as_microsecond());
        self.counts.push(i64::try_from(put_off.count).unwrap_or(i64::MAX));
        self.held.push(put_off.is_held);
        self.plans.push(plan);
    }
}

pub(super) async fn commit(shared: &Shared, plans: Vec<Planned>, now: Timestamp) -> Result<Committed> {
    let mut committed = Committed::default();
    let (waiting, left): (Vec<Planned>, Vec<Planned>) =
        plans.into_iter().partition(|planned| planned.plan.turn == Turn::Waits);
    let (alone, among_others): (Vec<Planned>, Vec<Planned>) = left.into_iter().partition(Planned::fires_alone);
    for (mut left, is_alone) in [(among_others, false), (alone, true)] {
        // A statement looks at each cursor once: a second plan for the same trigger has its turn after the first.
        while !left.is_empty() {
            let mut seen: HashSet<TriggerId> = HashSet::new();
            let (first, later): (Vec<Planned>, Vec<Planned>) =
                left.into_iter().partition(|planned| seen.insert(planned.trigger.id));
            let done = commit_once(shared, &first, is_alone, now).await?;
            committed.plans += done.plans;
            committed.stale.extend(done.stale);
            committed.events += done.events;
            committed.is_outdated |= done.is_outdated;
            left = later;
        }
    }
    if !waiting.is_empty() {
        let wait = overlap::wait(shared, &waiting, now).await?;
        committed.plans += wait.len();
        let stale: Vec<&Planned> = waiting.iter().filter(|planned| !wait.contains(&planned.trigger.id.0)).collect();
        note_stale(shared, &stale);
        committed.stale.extend(stale.iter().map(|planned| planned.trigger.id));
        let edited = waiting.iter().map(|planned| planned.trigger.owner).collect();
        announce(shared, Vec::new(), &Changes { edited, ..Changes::default() });
    }
    Ok(committed)
}

/// Remembers which plans came to nothing, for the next look.
fn note_stale(shared: &Shared, stale: &[&Planned]) {
    let plans = stale.iter().map(|planned| (planned.trigger.id, (planned.armed, planned.trigger.revision)));
    shared.stale.note(plans, Instant::now());
}

async fn commit_once(shared: &Shared, plans: &[Planned], is_alone: bool, now: Timestamp) -> Result<Committed> {
    partition::prepare(shared, now).await?;
    let triggers: Vec<i64> = plans.iter().map(|planned| planned.trigger.id.0).collect();
    let armed: Vec<i64> = plans.iter().map(|planned| planned.armed.as_microsecond()).collect();
    let revisions: Vec<i64> = plans.iter().map(|planned| planned.trigger.revision).collect();
    let next: Vec<Option<i64>> =
        plans.iter().map(|planned| planned.plan.next_at.map(Timestamp::as_microsecond)).collect();
    let (mut asked, mut skips, mut events) = (Asked::default(), SkippedColumns::default(), Vec::new());
    let mut put_offs = PutOffColumns::default();
    let mut room = room(shared);
    for (planned, number) in plans.iter().zip(1..) {
        for (firing, message_id) in planned.plan.firings.iter().zip(&planned.message_ids) {
            let mut new = NewEvent {
                trigger: planned.trigger.clone(),
                origin: if firing.caught_up { Origin::CatchUp } else { Origin::Schedule },
                scheduled_at: Some(firing.scheduled_at),
                due_at: firing.due_at,
                payload: None,
                message_id: *message_id,
                parent: None,
                held: 0,
            };
            asked.push(shared, &mut new, i64::try_from(events.len()).unwrap_or(i64::MAX), &mut room, now);
            events.push((Some(new), number));
        }
        for put_off in &planned.plan.put_off {
            put_offs.push(&planned.trigger, put_off, number);
        }
        for skipped in &planned.plan.skipped {
            skips.push(planned, number, skipped, None);
        }
        if let Some(frozen) = &planned.plan.frozen {
            skips.push(planned, number, &frozen.skipped, Some(frozen));
        }
    }
    let mut limited: (Vec<i64>, Vec<i64>, Vec<i64>) = Default::default();
    for (planned, until) in plans.iter().filter_map(|planned| Some((planned, planned.counted_until()?))) {
        limited.0.push(planned.trigger.id.0);
        limited.1.push(i64::try_from(planned.counted()).unwrap_or(i64::MAX));
        limited.2.push(until.as_microsecond());
    }
    let (now_us, until, node) = (now.as_microsecond(), (now + CLAIM_FOR).as_microsecond(), shared.node.id());
    let (slot, hour) = (shared.node.slot(1), count::number_of(now));
    let mut params: Vec<&(dyn ToSql + Sync)> = vec![&now_us, &until, &node, &slot, &hour];
    params.extend(asked.params());
    // What a freeze passes over makes no use of what a trigger waited for.
    let frozen = plans.iter().zip(1_i64..).filter(|(planned, _)| planned.plan.frozen.is_some());
    let frozen: Vec<i64> = frozen.map(|(_, number)| number).collect();
    let editions: Vec<i64> = plans.iter().map(|planned| planned.edition).collect();
    params.extend([&triggers as &(dyn ToSql + Sync), &armed, &revisions, &next, &editions]);
    params.extend([
        &skips.owners as &(dyn ToSql + Sync),
        &skips.triggers,
        &skips.reasons,
        &skips.firsts,
        &skips.lasts,
        &skips.counts,
        &skips.first_hours,
        &skips.last_hours,
        &skips.plans,
        &skips.follows,
        &skips.sinces,
        &limited.0,
        &limited.1,
        &limited.2,
        &frozen,
    ]);
    let own = actor_to_text(&Actor::SYSTEM);
    // Few plans put anything off, and the statement of the others stays as lean as it was.
    let is_put_off = !put_offs.plans.is_empty();
    if is_put_off {
        params.extend([
            &put_offs.owners as &(dyn ToSql + Sync),
            &put_offs.triggers,
            &put_offs.revisions,
            &put_offs.firsts,
            &put_offs.lasts,
            &put_offs.counts,
            &put_offs.held,
            &put_offs.plans,
            &own,
        ]);
    }
    params.extend(asked.expected.params());
    let sql = statement(is_put_off, &asked.expected, is_alone.then_some(params.len() + 1));
    let mut client = shared.client().await?;
    let rows = match (is_alone, plans.iter().any(Planned::is_told)) {
        (_, true) => tell(&mut client, plans, is_alone.then_some(triggers.as_slice()), (&sql, &params), now).await,
        (true, false) => overlap::alone(&mut client, &triggers, &sql, &params).await,
        (false, false) => query(&client, &sql, &params).await,
    }
    .inspect_err(|error| shared.doubt(error, until))?;
    let mut committed = Committed::default();
    let (mut carried_out, mut logged) = (HashSet::new(), Vec::new());
    for row in &rows {
        match column::<Option<i64>>(row, LOGGED_COLUMNS)? {
            Some(OUTDATED) => committed.is_outdated = true,
            Some(number) => drop(carried_out.insert(number)),
            None => logged.push(Logged::read(row)?),
        }
    }
    if carried_out.is_empty() && !plans.is_empty() {
        // Others were first, or nothing that this node writes counts: then it must not try again at once.
        node::is_there(&client, shared).await?;
    }
    committed.plans = carried_out.len();
    let stale = plans.iter().zip(1..).filter(|(_, number)| !carried_out.contains(number));
    let stale: Vec<&Planned> = stale.map(|(planned, _)| planned).collect();
    // What was planned before a freeze is nobody else's.
    if !committed.is_outdated {
        note_stale(shared, &stale);
    }
    committed.stale = stale.iter().map(|planned| planned.trigger.id).collect();
    committed.events = logged.len();
    let mut fired = HashSet::new();
    let (mut changes, mut claims) = (Changes::default(), Vec::new());
    for one in &logged {
        let Some((new, number)) = usize::try_from(one.key).ok().and_then(|at| events.get_mut(at)) else { continue };
        fired.insert(*number);
        claims.extend(new.take().map(|new| one.finish(shared, new, now, &mut changes)).into_iter().flatten());
    }
    for (planned, number) in plans.iter().zip(1..) {
        changes.armed |= !planned.plan.put_off.is_empty();
        if carried_out.contains(&number) && !fired.contains(&number) {
            changes.edited.insert(planned.trigger.owner);
        }
    }
    announce(shared, claims, &changes);
    Ok(committed)
}

/// Carries out plans of which the audit log tells of some, and writes that down: `alone` are the triggers that do not overlap.
async fn tell(
    client: &mut Client,
    plans: &[Planned],
    alone: Option<&[i64]>,
    (sql, params): (&str, Params<'_>),
    now: Timestamp,
) -> Result<Vec<Row>> {
    let transaction = answered(client.transaction()).await?;
    let rows = match alone {
        Some(triggers) => overlap::alone_within(&transaction, triggers, sql, params).await?,
        None => query(&transaction, sql, params).await?,
    };
    let numbers = rows.iter().map(|row| column::<Option<i64>>(row, LOGGED_COLUMNS)).collect::<Result<HashSet<_>>>()?;
    let carried_out = plans.iter().zip(1..).filter(|(_, number)| numbers.contains(&Some(*number)));
    let told = Act::of_plans(carried_out.map(|(planned, _)| planned));
    let acts: Vec<(Timestamp, Act)> = told.into_iter().map(|act| (now, act)).collect();
    act::write_all_own(&transaction, &acts).await?;
    answered(transaction.commit()).await?;
    Ok(rows)
}

/// The part of the statement that lays up backlogs, its parameters from `from` on.
fn putting_off(from: usize) -> String {
    let columns = arrays(&PutOffColumns::TYPES, from);
    let made_by = from + PutOffColumns::TYPES.len();
    format!(
        "put_off AS (
             INSERT INTO backlogs (owner, trigger_id, revision, source, first_at, last_at, total, next_at, remaining, is_held,
                                   made_at, made_by)
             SELECT owner, asked.trigger_id, revision, '{source}', first_at, last_at, count, first_at, count, is_held, $1,
                    ${made_by}::text
             FROM unnest({columns})
                  WITH ORDINALITY AS asked (owner, trigger_id, revision, first_at, last_at, count, is_held, number, place)
             JOIN standing ON standing.number = asked.number
             ORDER BY place
         ),",
        source = Source::CatchUp.word()
    )
}

/// An occurrence that has an event already gets no second one (invariant 1): under the lock of its cursor nobody else can be
/// about to log it, and no event fires before its time, so only partitions from then on are asked. `alone` is the parameter of
/// [`overlap::alone`], where the triggers do not overlap.
fn statement(is_put_off: bool, expected: &Expected, alone: Option<usize>) -> String {
    let alone = alone.map_or_else(|| "TRUE".to_owned(), |place| overlap::is_alone("cursors.trigger_id", place));
    let asked = Asked::table();
    let plans = arrays(&["bigint"; 5], AFTER_ASKED);
    let skipped =
        ["bigint", "bigint", "text", "bigint", "bigint", "bigint", "bigint", "bigint", "bigint", "bigint", "bigint"];
    let skips = arrays(&skipped, AFTER_ASKED + 5);
    let limited = arrays(&["bigint"; 3], AFTER_ASKED + 16);
    let put_offs = if is_put_off { putting_off(AFTER_PLANS) } else { String::new() };
    format!(
        "WITH {floor},
         plan AS (
             SELECT *
             FROM unnest({plans})
                  WITH ORDINALITY AS plan (trigger_id, armed, revision, next_at, edition, number)
         ),
         {present},
         standing AS MATERIALIZED (
             SELECT plan.trigger_id, plan.next_at, plan.number, plan.number = ANY (${frozen}::bigint[]) AS is_frozen
             FROM cursors JOIN plan ON plan.trigger_id = cursors.trigger_id
                                   AND plan.armed = cursors.next_at AND plan.revision = cursors.revision
             WHERE EXISTS (SELECT 1 FROM nodes WHERE nodes.id = $3) AND {alone}
               AND plan.edition = (SELECT edition FROM present)
             FOR UPDATE OF cursors SKIP LOCKED
         ),
         moved AS (
             UPDATE cursors SET next_at = standing.next_at, waits = cursors.waits AND standing.is_frozen,
                                waited_until = CASE WHEN standing.is_frozen THEN cursors.waited_until END
             FROM standing
             WHERE cursors.trigger_id = standing.trigger_id AND standing.next_at IS NOT NULL
         ),
         finished AS (
             DELETE FROM cursors USING standing
             WHERE cursors.trigger_id = standing.trigger_id AND standing.next_at IS NULL
         ),
         limited AS (
             INSERT INTO limits (trigger_id, fired, counted_until)
             SELECT limited.trigger_id, limited.fired, limited.counted_until
             FROM unnest({limited}) AS limited (trigger_id, fired, counted_until)
             JOIN standing ON standing.trigger_id = limited.trigger_id
             ON CONFLICT (trigger_id) DO UPDATE SET fired = limits.fired + excluded.fired,
                                                    counted_until = greatest(limits.counted_until, excluded.counted_until)
         ),
         skips AS MATERIALIZED (
             SELECT skips.*
             FROM unnest({skips})
                  WITH ORDINALITY AS skips (owner, trigger_id, reason, first_at, last_at, count, first_hour, last_hour, number,
                                                 follows, since, place)
             JOIN standing ON standing.number = skips.number
         ),
         growing AS MATERIALIZED (
             SELECT skips.*, (SELECT id FROM skipped WHERE skipped.trigger_id = skips.trigger_id ORDER BY id DESC LIMIT 1) AS record
             FROM skips
             WHERE follows IS NOT NULL
         ),
         lengthened AS (
             UPDATE skipped
             SET last_at = growing.last_at, count = skipped.count + growing.count, recorded_at = $1
             FROM growing
             WHERE skipped.id = growing.record AND skipped.reason = growing.reason AND skipped.recorded_at > growing.since
               AND skipped.last_at = growing.follows
             RETURNING growing.place
         ),
         recorded AS (
             INSERT INTO skipped (owner, trigger_id, reason, first_at, last_at, count, recorded_at)
             SELECT owner, trigger_id, reason, first_at, last_at, count, $1
             FROM skips
             WHERE place NOT IN (SELECT place FROM lengthened)
             ORDER BY place
         ),
         counted_skips AS (
             {counting_skips}
         ),
         {put_offs}
         {logging}{expected}
         SELECT {LOGGED}, NULL::bigint FROM fired
         UNION ALL
         SELECT NULL, NULL, NULL, NULL, number FROM standing
         UNION ALL
         SELECT NULL, NULL, NULL, NULL, {OUTDATED}
         WHERE EXISTS (SELECT 1 FROM plan JOIN present ON present.edition <> plan.edition)",
        expected = expected.clause(AFTER_PLANS + if is_put_off { PutOffColumns::TYPES.len() + 1 } else { 0 }),
        floor = floor(),
        frozen = AFTER_PLANS - 1,
        present = present(),
        logging = logging(
            &format!("{asked} JOIN standing ON standing.trigger_id = asked.trigger_id"),
            "NOT EXISTS (SELECT 1 FROM events
                         WHERE events.trigger_id = asked.trigger_id AND events.scheduled_at = asked.scheduled_at
                           AND events.fired_at >= asked.scheduled_at)",
        ),
        counting_skips = tally::adding_skipped("SELECT * FROM skips", "$4"),
    )
}
