//! What becomes of deliveries is written down, as many together as have gathered, in one statement. Where an event has several,
//! its last one to end must know of all others, on whatever nodes they end: their rows are locked by a statement before it.

use std::collections::{BTreeSet, HashSet};

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use oncue_domain::delivery::{Settlement, Verdict};
use oncue_domain::id::{DestinationId, UserId};
use oncue_domain::store::Result;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::hint::Changes;
use super::{Shared, answered, column, count, execute, order, overlap, partition, query, streak, tally};
use crate::codec::{ACTIVE, COUNTED_AS_FAILED, NOT_COUNTED, origin_to_number, target_to_number, uncounted};

/// What is to become of a row in the outbox.
const ENDED: i64 = 0;
const RETRIED: i64 = 1;
const PARKED: i64 = 2;

/// Settlements as columns.
#[derive(Default)]
struct Columns<'s> {
    events: Vec<i64>,
    slots: Vec<i64>,
    fences: Vec<i64>,
    fates: Vec<i64>,
    /// When it is due again; none where it ended.
    dues: Vec<Option<i64>>,
    delivered: Vec<bool>,
    ladders: Vec<i64>,
    /// The attempt's; none where none was made.
    numbers: Vec<Option<i64>>,
    destinations: Vec<i64>,
    started: Vec<Option<i64>>,
    took: Vec<Option<i64>>,
    statuses: Vec<Option<i64>>,
    errors: Vec<Option<String>>,
    answers: Vec<Option<&'s [u8]>>,
    receipts: Vec<Option<&'s [u8]>>,
    bodies: Vec<Option<&'s [u8]>>,
    at: Vec<i64>,
    whys: Vec<Option<String>>,
    owners: Vec<i64>,
    triggers: Vec<i64>,
    origins: Vec<i64>,
    fired: Vec<i64>,
    hours: Vec<i64>,
}

impl<'s> Columns<'s> {
    fn push(&mut self, settlement: &'s Settlement) {
        let (claim, event) = (&settlement.claim, &settlement.claim.event);
        let attempt = settlement.attempt.as_ref();
        let (fate, due) = match settlement.verdict {
            Verdict::Retry(due_at) => (RETRIED, Some(due_at.as_microsecond())),
            Verdict::Park(until) => (PARKED, Some(until.as_microsecond())),
            Verdict::Delivered | Verdict::Failed => (ENDED, None),
        };
        // PostgreSQL's text cannot hold a NUL, and a receiver's words may hold anything.
        let words = |text: &String| text.replace('\0', "\u{fffd}");
        self.events.push(event.id.0);
        self.slots.push(i64::from(claim.slot));
        self.fences.push(claim.fence);
        self.fates.push(fate);
        self.dues.push(due);
        self.delivered.push(settlement.verdict == Verdict::Delivered);
        self.ladders.push(i64::from(claim.ladder_from));
        self.numbers.push(attempt.map(|attempt| i64::from(attempt.number)));
        self.destinations.push(target_to_number(&claim.target));
        self.started.push(attempt.map(|attempt| attempt.started_at.as_microsecond()));
        self.took.push(attempt.map(|attempt| attempt.took_us));
        self.statuses.push(attempt.and_then(|attempt| attempt.status).map(i64::from));
        self.errors.push(attempt.and_then(|attempt| attempt.error.as_ref()).map(words));
        self.answers.push(attempt.and_then(|attempt| attempt.answer.as_deref()));
        let receipt = settlement.receipt.as_ref();
        self.receipts.push(receipt.map(|kept| kept.head.as_slice()));
        self.bodies.push(receipt.and_then(|kept| kept.body.as_deref()));
        self.at.push(settlement.at.as_microsecond());
        self.whys.push(settlement.why.as_ref().map(words));
        self.owners.push(event.owner.0);
        self.triggers.push(event.trigger.0);
        self.origins.push(origin_to_number(event.origin));
        self.fired.push(event.fired_at.as_microsecond());
        self.hours.push(count::number_of(event.fired_at));
    }
}

pub(super) async fn settle(shared: &Shared, settlements: Vec<Settlement>) -> Result<()> {
    let mut left = settlements;
    // A statement looks at each delivery once: a second settlement of the same one has its turn after the first.
    while !left.is_empty() {
        let mut seen = HashSet::new();
        let (first, later): (Vec<Settlement>, Vec<Settlement>) =
            left.into_iter().partition(|settlement| seen.insert((settlement.claim.event.id, settlement.claim.slot)));
        let touched = streak::touched(shared, &first).await?;
        let (alone, among_others): (Vec<Settlement>, Vec<Settlement>) = first.into_iter().partition(|settlement| {
            settlement.claim.deliveries == 1 && !is_parked(settlement) && !streak::touches(settlement, &touched)
        });
        settle_alone(shared, &alone).await?;
        settle_among_others(shared, &among_others, &touched).await?;
        left = later;
    }
    Ok(())
}

fn is_parked(settlement: &Settlement) -> bool {
    matches!(settlement.verdict, Verdict::Park(_))
}

/// Each of these is its event's only delivery, none is parked, and no streak follows from it: what the statement finds in the rows it locks is all that matters.
async fn settle_alone(shared: &Shared, settlements: &[Settlement]) -> Result<()> {
    if settlements.is_empty() {
        return Ok(());
    }
    let client = shared.client().await?;
    let rows = write(&client, shared, settlements).await.inspect_err(|_| partition::forget_all(shared))?;
    drop(client);
    announce(shared, &rows, Changes::default()).await
}

async fn call_up(shared: &Shared, ids: &[DestinationId]) -> Result<bool> {
    order::call_up(&mut shared.client().await?, ids, Timestamp::UNIX_EPOCH).await
}

/// First the destinations are locked that something is parked for or whose streaks follow from it, then all that is owed for these events;
/// what has changed up to then is seen by the statements that follow, and nothing of it changes any more. Whoever changes a
/// destination and what is owed to it locks them in the same order. Who sends parts of one of these events again waits for the same
/// rows: what becomes owed so is either seen here, and the event is not over, or finds it over and counted.
async fn settle_among_others(
    shared: &Shared,
    settlements: &[Settlement],
    touched: &BTreeSet<DestinationId>,
) -> Result<()> {
    if settlements.is_empty() {
        return Ok(());
    }
    let is_touched = |settlement: &&Settlement| streak::touches(settlement, touched);
    for settlement in settlements.iter().filter(is_touched) {
        // Before the connection is taken: whoever makes a partition needs one too.
        partition::prepare(shared, settlement.at).await?;
    }
    let mut client = shared.client().await?;
    let transaction = answered(client.transaction()).await?;
    let parked = settlements.iter().filter(|settlement| is_parked(settlement));
    let mut destinations: Vec<i64> = parked.map(|settlement| target_to_number(&settlement.claim.target)).collect();
    destinations.extend(touched.iter().map(|id| id.0));
    if !destinations.is_empty() {
        destinations.sort_unstable();
        destinations.dedup();
        let sql = "SELECT id FROM destinations WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE";
        execute(&transaction, sql, &[&destinations]).await?;
    }
    let mut events: Vec<i64> = settlements.iter().map(|settlement| settlement.claim.event.id.0).collect();
    events.sort_unstable();
    events.dedup();
    let sql = "SELECT event_id, slot, fence, held_by IS NOT NULL FROM outbox WHERE event_id = ANY ($1)
               ORDER BY event_id, slot FOR UPDATE";
    let mut held: HashSet<(i64, i64, i64)> = HashSet::new();
    for row in query(&transaction, sql, &[&events]).await? {
        if column(&row, 3)? {
            held.insert((column(&row, 0)?, column(&row, 1)?, column(&row, 2)?));
        }
    }
    let rows = write(&transaction, shared, settlements).await.inspect_err(|_| partition::forget_all(shared))?;
    let is_held = |settlement: &&Settlement| {
        let claim = &settlement.claim;
        held.contains(&(claim.event.id.0, i64::from(claim.slot), claim.fence))
    };
    let written: Vec<&Settlement> = settlements.iter().filter(is_touched).filter(is_held).collect();
    let told = streak::follow(&transaction, shared, &written).await?;
    answered(transaction.commit()).await.inspect_err(|_| partition::forget_all(shared))?;
    let mut changes = Changes::default();
    told.into_iter().for_each(|(told, at)| told.finish(shared, at, &mut changes));
    // What follows in order is called up by a transaction of its own.
    drop(client);
    announce(shared, &rows, changes).await
}

/// Calls up what follows in order and what waited for the end of an event, and says what changed.
pub(super) async fn announce(shared: &Shared, rows: &[Row], mut changes: Changes) -> Result<()> {
    let in_order = rows.iter().filter_map(|row| column::<Option<i64>>(row, 2).transpose());
    let in_order: Vec<DestinationId> = in_order.map(|id| id.map(DestinationId)).collect::<Result<_>>()?;
    if !in_order.is_empty() {
        // The attempts are written down; what cannot be called up now is by the next sweep.
        match call_up(shared, &in_order).await {
            Ok(is_any) => changes.owed |= is_any,
            Err(error) => tracing::warn!(%error, "what follows in order is called up later"),
        }
    }
    overlap::call_up(shared, &overlap::ended(rows, 3, 4)?, &mut changes).await;
    for row in rows {
        changes.settled.insert(UserId(column(row, 0)?));
        changes.owed |= column::<bool>(row, 1)?;
    }
    shared.hints.announce(&changes);
    Ok(())
}

/// Writes settlements down, of one delivery at most one; where an event has several deliveries, with all that it owes locked. Gives what
/// is to be announced after the commit.
pub(super) async fn write(
    client: &impl GenericClient,
    shared: &Shared,
    settlements: &[Settlement],
) -> Result<Vec<Row>> {
    let mut columns = Columns::default();
    settlements.iter().for_each(|settlement| columns.push(settlement));
    let counting = tally::adding_ended(
        &format!(
            "SELECT owner, trigger_id, hour, fired_at, event_id, (NOT has_failed)::int AS delivered,
                    CASE counted WHEN {NOT_COUNTED} THEN has_failed::int ELSE -1 END AS failed
             FROM over
             WHERE origin NOT IN ({}) AND (counted = {NOT_COUNTED} OR counted = {COUNTED_AS_FAILED} AND NOT has_failed)",
            uncounted()
        ),
        "$21",
    );
    // Each attempt of a delivery has the same body as a rule: it is kept with the first.
    let body_is_known = "held.number > 1 AND (SELECT earlier.body = held.body
                                              FROM attempts AS earlier
                                              WHERE earlier.event_id = held.event_id AND earlier.slot = held.slot
                                                AND earlier.fired_at = held.fired_at AND earlier.body IS NOT NULL
                                              ORDER BY earlier.number DESC LIMIT 1)";
    // An event is over when nothing else of it is owed; it has failed when any of its deliveries has. What has arrived once stays
    // delivered, whatever came of sending it again. One that was over before is not counted again: at most it moves from those that failed.
    let sql = format!(
        "WITH held AS MATERIALIZED (
             SELECT settled.*, settled.delivered OR outbox.has_arrived AS has_arrived, outbox.deliveries, outbox.counted, outbox.in_order,
                    outbox.overlap_of
             FROM outbox JOIN unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::boolean[],
                                     $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::text[],
                                     $13::bytea[], $14::bigint[], $15::text[], $16::bigint[], $17::bigint[], $18::bigint[],
                                     $19::bigint[], $20::bigint[], $22::bytea[], $23::bytea[], $24::bigint[])
                              AS settled (event_id, slot, fence, fate, due_at, delivered, number, destination, started_at,
                                          took_us, status, error, answer, at, why, owner, trigger_id, origin, fired_at, hour,
                                          receipt, body, ladder_from)
               ON outbox.event_id = settled.event_id AND outbox.slot = settled.slot AND outbox.fence = settled.fence
                  AND outbox.held_by IS NOT NULL
             ORDER BY outbox.event_id, outbox.slot
             FOR UPDATE OF outbox
         ),
         ended AS (
             DELETE FROM outbox USING held
             WHERE outbox.event_id = held.event_id AND outbox.slot = held.slot AND held.fate = {ENDED}
         ),
         retried AS (
             UPDATE outbox
             SET due_at = held.due_at, held_by = NULL, tried = coalesce(held.number, outbox.tried), ladder_from = held.ladder_from
             FROM held
             WHERE outbox.event_id = held.event_id AND outbox.slot = held.slot AND held.fate = {RETRIED}
         ),
         parked AS (
             UPDATE outbox
             SET held_by = NULL, is_parked = waits.is_so,
                 due_at = CASE WHEN waits.is_so THEN waits.due_at ELSE waits.at END
             FROM (SELECT event_id, slot, due_at, at,
                          EXISTS (SELECT 1 FROM destinations
                                  WHERE destinations.id = held.destination AND standing <> {ACTIVE}) AS is_so
                   FROM held
                   WHERE fate = {PARKED}) AS waits
             WHERE outbox.event_id = waits.event_id AND outbox.slot = waits.slot
         ),
         noted AS (
             INSERT INTO attempts (event_id, slot, number, fired_at, destination, started_at, took_us, status, error, answer,
                                   delivered, receipt, body)
             SELECT event_id, slot, number, fired_at, destination, started_at, took_us, status, error, answer, delivered,
                    receipt, CASE WHEN {body_is_known} THEN NULL ELSE body END
             FROM held
             WHERE number IS NOT NULL
         ),
         given_up AS (
             INSERT INTO undelivered (event_id, slot, destination, owner, trigger_id, fired_at, failed_at, why)
             SELECT event_id, slot, destination, owner, trigger_id, fired_at, at, why
             FROM held
             WHERE fate = {ENDED} AND NOT has_arrived
         ),
         over AS MATERIALIZED (
             SELECT event_id, owner, trigger_id, origin, fired_at, hour,
                    NOT bool_and(has_arrived)
                    OR max(deliveries) > 1 AND EXISTS (SELECT 1 FROM undelivered WHERE undelivered.event_id = ends.event_id)
                        AS has_failed,
                    max(counted) AS counted
             FROM held AS ends
             WHERE fate = {ENDED}
             GROUP BY event_id, owner, trigger_id, origin, fired_at, hour
             HAVING max(deliveries) = 1
                 OR (SELECT count(*) FROM outbox WHERE outbox.event_id = ends.event_id) = count(*)
         ),
         failed AS (
             INSERT INTO failures (event_id, owner, trigger_id, fired_at)
             SELECT event_id, owner, trigger_id, fired_at FROM over WHERE has_failed
         ),
         counted AS ({counting})
         SELECT DISTINCT owner, fate <> {ENDED}, CASE WHEN in_order THEN destination END,
                CASE WHEN fate = {ENDED} THEN overlap_of END, CASE WHEN fate = {ENDED} AND overlap_of IS NOT NULL THEN at END
         FROM held"
    );
    let slot = shared.node.slot(3);
    let c = &columns;
    let params: [&(dyn ToSql + Sync); 24] = [
        &c.events,
        &c.slots,
        &c.fences,
        &c.fates,
        &c.dues,
        &c.delivered,
        &c.numbers,
        &c.destinations,
        &c.started,
        &c.took,
        &c.statuses,
        &c.errors,
        &c.answers,
        &c.at,
        &c.whys,
        &c.owners,
        &c.triggers,
        &c.origins,
        &c.fired,
        &c.hours,
        &slot,
        &c.receipts,
        &c.bodies,
        &c.ladders,
    ];
    query(client, &sql, &params).await
}
