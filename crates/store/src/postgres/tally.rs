//! How what happens is added to the counts of its hour, inside the statement that writes it down.

/// Adds what `rows` (owner, trigger_id, hour, fired, late) says to the counts of each trigger and of all of an owner's.
///
/// Rows are locked in one order, so that two writers can only wait for each other and never both at once. Most have a slot of their own anyway;
/// calls that are gathered and those of the same owner that wait aside share one, and so do, each with the other, whoever commits plans and
/// whoever drains. A trigger that is gone has no count of its own any more.
pub(super) fn adding(rows: &str, slot: &str) -> String {
    let late: Vec<String> = (0..5).map(|class| format!("count(*) FILTER (WHERE late = {class})")).collect();
    let add = |column: &str| format!("{column} = counts.{column} + excluded.{column}");
    let added: Vec<String> = ["fired", "late0", "late1", "late2", "late3", "late4"].map(add).into();
    format!(
        "INSERT INTO counts (owner, trigger_id, hour, slot, fired, delivered, failed, skipped, late0, late1, late2, late3, late4)
         SELECT owner, whose, hour, {slot}::bigint, sum(fired), 0, 0, 0, {late}
         FROM ({rows}) AS happened
         CROSS JOIN LATERAL (VALUES (0::bigint), (happened.trigger_id)) AS counted (whose)
         WHERE whose = 0 OR EXISTS (SELECT 1 FROM triggers WHERE triggers.id = whose)
         GROUP BY owner, whose, hour
         ORDER BY owner, whose, hour
         ON CONFLICT (owner, trigger_id, hour, slot) DO UPDATE
         SET {added}",
        late = late.join(", "),
        added = added.join(", "),
    )
}

/// Adds what `rows` (owner, trigger_id, reason, first_at, last_at, count, first_hour, last_hour) says to what is counted of occurrences that
/// did not fire, as `adding` does it.
pub(super) fn adding_skipped(rows: &str, slot: &str) -> String {
    format!(
        "INSERT INTO skipped_counts (trigger_id, owner, last_hour, first_hour, reason, slot, first_at, last_at, count)
         SELECT whose, owner, last_hour, first_hour, reason, {slot}::bigint, min(first_at), max(last_at), least(sum(count), {max})
         FROM ({rows}) AS happened
         CROSS JOIN LATERAL (VALUES (0::bigint), (happened.trigger_id)) AS counted (whose)
         WHERE whose = 0 OR EXISTS (SELECT 1 FROM triggers WHERE triggers.id = whose)
         GROUP BY whose, owner, last_hour, first_hour, reason
         ORDER BY whose, owner, last_hour, first_hour, reason
         {TOGETHER}",
        max = i64::MAX,
    )
}

/// How a run is added to another that is counted together with it.
const TOGETHER: &str = "ON CONFLICT (trigger_id, owner, last_hour, first_hour, reason, slot) DO UPDATE
         SET first_at = least(skipped_counts.first_at, excluded.first_at), last_at = greatest(skipped_counts.last_at, excluded.last_at),
             count = least(skipped_counts.count::numeric + excluded.count, 9223372036854775807)";

/// Puts together what several writers counted of that, as [`put_together`] does.
pub(super) fn put_skipped_together() -> String {
    format!(
        "WITH apart AS (
             DELETE FROM skipped_counts
             WHERE (trigger_id, owner, last_hour, first_hour, reason, slot) IN (
                 SELECT trigger_id, owner, last_hour, first_hour, reason, slot FROM skipped_counts
                 WHERE slot <> 0 AND last_hour < $1
                 ORDER BY last_hour LIMIT $2 FOR UPDATE SKIP LOCKED)
             RETURNING *
         )
         INSERT INTO skipped_counts (trigger_id, owner, last_hour, first_hour, reason, slot, first_at, last_at, count)
         SELECT trigger_id, owner, last_hour, first_hour, reason, 0, min(first_at), max(last_at), least(sum(count), {max})
         FROM apart
         GROUP BY trigger_id, owner, last_hour, first_hour, reason
         ORDER BY trigger_id, owner, last_hour, first_hour, reason
         {TOGETHER}",
        max = i64::MAX,
    )
}

/// Adds the events that ended: `rows` has (owner, trigger_id, hour, fired_at, event_id, delivered, failed), the last two being by how much
/// the numbers of those change.
pub(super) fn adding_ended(rows: &str, slot: &str) -> String {
    let newer =
        "counts.ended_at IS NULL OR (excluded.ended_at, excluded.ended_event) > (counts.ended_at, counts.ended_event)";
    let newest = |column: &str| {
        format!("CASE WHEN excluded.ended_at IS NOT NULL AND ({newer}) THEN excluded.{column} ELSE counts.{column} END")
    };
    format!(
        "INSERT INTO counts (owner, trigger_id, hour, slot, fired, delivered, failed, skipped, late0, late1, late2, late3, late4,
                             ended_at, ended_event)
         SELECT owner, whose, hour, {slot}::bigint, 0, sum(delivered), sum(failed),
                0, 0, 0, 0, 0, 0,
                CASE WHEN whose <> 0 THEN (array_agg(fired_at ORDER BY fired_at DESC, event_id DESC))[1] END,
                CASE WHEN whose <> 0 THEN (array_agg(event_id ORDER BY fired_at DESC, event_id DESC))[1] END
         FROM ({rows}) AS happened
         CROSS JOIN LATERAL (VALUES (0::bigint), (happened.trigger_id)) AS counted (whose)
         WHERE whose = 0 OR EXISTS (SELECT 1 FROM triggers WHERE triggers.id = whose)
         GROUP BY owner, whose, hour
         ORDER BY owner, whose, hour
         ON CONFLICT (owner, trigger_id, hour, slot) DO UPDATE
         SET delivered = counts.delivered + excluded.delivered, failed = counts.failed + excluded.failed,
             ended_at = {}, ended_event = {}",
        newest("ended_at"),
        newest("ended_event"),
    )
}

/// Puts together what several writers counted apart in hours before `$1`, at most `$2` rows of it: a row that is kept for more than a year
/// is worth being one. What a writer is just adding to is stepped over, because writers lock in another order.
pub(super) fn put_together() -> String {
    let newer = "(excluded.ended_at, excluded.ended_event) > (counts.ended_at, counts.ended_event)";
    let newest = |column: &str| {
        format!(
            "CASE WHEN counts.ended_at IS NULL OR {newer} THEN coalesce(excluded.{column}, counts.{column}) ELSE counts.{column} END"
        )
    };
    let sums = ["fired", "delivered", "failed", "late0", "late1", "late2", "late3", "late4"];
    let summed: Vec<String> = sums.iter().map(|column| format!("sum({column})")).collect();
    let added: Vec<String> =
        sums.iter().map(|column| format!("{column} = counts.{column} + excluded.{column}")).collect();
    format!(
        "WITH apart AS (
             DELETE FROM counts
             WHERE (owner, trigger_id, hour, slot) IN (SELECT owner, trigger_id, hour, slot FROM counts WHERE slot <> 0 AND hour < $1
                                                       ORDER BY hour LIMIT $2 FOR UPDATE SKIP LOCKED)
             RETURNING *
         )
         INSERT INTO counts (owner, trigger_id, hour, slot, {columns}, skipped, ended_at, ended_event)
         SELECT owner, trigger_id, hour, 0, {summed}, least(sum(skipped), {max}),
                (array_agg(ended_at ORDER BY ended_at DESC NULLS LAST, ended_event DESC))[1],
                (array_agg(ended_event ORDER BY ended_at DESC NULLS LAST, ended_event DESC))[1]
         FROM apart
         GROUP BY owner, trigger_id, hour
         ORDER BY owner, trigger_id, hour
         ON CONFLICT (owner, trigger_id, hour, slot) DO UPDATE
         SET {added}, skipped = least(counts.skipped::numeric + excluded.skipped, {max}), ended_at = {}, ended_event = {}",
        newest("ended_at"),
        newest("ended_event"),
        columns = sums.join(", "),
        summed = summed.join(", "),
        added = added.join(", "),
        max = i64::MAX,
    )
}
