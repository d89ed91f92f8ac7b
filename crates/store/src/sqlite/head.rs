//! Triggers as lists show them in SQLite: heads without payloads, those that are next, and those that need attention.

use jiff::Timestamp;
use oncue_domain::firing::Firing;
use oncue_domain::id::{EventId, TriggerId, UserId};
use oncue_domain::plan::goes_at;
use oncue_domain::store::{
    ATTENTION_MAX, Attention, FAILED_TRIGGERS_MAX, FAILURES_MAX, Result, TALLIED_MAX, TriggerTally,
};
use oncue_domain::trigger::{Listed, OVERDUE_AFTER, TriggerHead};
use rusqlite::{Connection, Row};

use super::firing::{FIRED, Fates};
use super::trigger::unreadable;
use super::{Shared, count, failed, in_one_moment};
use crate::codec::{
    self, destinations_from_text, expects_from_text, instant, listed_or, nearest_instant, overlap_from_text,
    schedule_from_text, webhook,
};
use crate::tally::{Tallied, standing};

const HEAD: &str = "triggers.id, triggers.name, triggers.schedule, triggers.webhook_url, triggers.webhook_format, \
                    triggers.is_test, triggers.enabled, triggers.expires_at, triggers.created_at, cursors.next_at, \
                    triggers.destinations, (SELECT fired FROM limits WHERE limits.trigger_id = triggers.id), \
                    triggers.pause_reason, triggers.pause_until, triggers.overlap, \
                    coalesce(cursors.waits OR cursors.next_at <= cursors.waited_until, 0), triggers.revision, \
                    triggers.expects, triggers.standing_since";

const HEAD_FROM: &str = "triggers LEFT JOIN cursors ON cursors.trigger_id = triggers.id";

/// An owner of at most so many triggers is told what is next from those; for one of more, the soonest of all are looked through.
const FEW: usize = 5_000;

/// So many of the soonest of all are looked through.
const LOOKED_THROUGH_MAX: usize = 10_000;

/// Which cursors are looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Which {
    /// Those of which that is so,
    is: &'static str,
    /// which this index holds.
    index: &'static str,
}

/// Those that wait for their time.
const IN_TIME: Which = Which { is: "NOT cursors.waits", index: "cursors_due" };

/// Those that wait for an event of their own to end.
const BEHIND: Which = Which { is: "cursors.waits", index: "cursors_waiting" };

fn head(row: &Row<'_>, shared: &Shared) -> Result<TriggerHead> {
    let schedule: Option<String> = row.get(2).map_err(failed)?;
    let expires_at: Option<i64> = row.get(7).map_err(failed)?;
    let next_at: Option<i64> = row.get(9).map_err(failed)?;
    let destinations: Option<String> = row.get(10).map_err(failed)?;
    let overlap: Option<String> = row.get(14).map_err(failed)?;
    let expects: Option<String> = row.get(17).map_err(failed)?;
    // No list shows it, and where it cannot be read the trigger does not fire.
    expects_from_text(expects.as_deref())?;
    let head = TriggerHead {
        id: TriggerId(row.get(0).map_err(failed)?),
        name: row.get(1).map_err(failed)?,
        schedule: schedule
            .map(|text| schedule_from_text(&text, &shared.settings.zones, &shared.cron_lines))
            .transpose()?,
        webhook: webhook(row.get(3).map_err(failed)?, row.get(4).map_err(failed)?)?,
        destinations: destinations_from_text(destinations.as_deref())?,
        overlap: overlap_from_text(overlap.as_deref())?,
        is_test: row.get(5).map_err(failed)?,
        enabled: row.get(6).map_err(failed)?,
        pause: codec::pause(row.get(12).map_err(failed)?, row.get(13).map_err(failed)?)?,
        expires_at: expires_at.map(instant).transpose()?,
        created_at: instant(row.get(8).map_err(failed)?)?,
        next_at: next_at.map(nearest_instant),
        is_behind: row.get(15).map_err(failed)?,
        fired: codec::fired(row.get(11).map_err(failed)?)?,
    };
    Ok(head.without_going())
}

fn read(row: &Row<'_>, shared: &Shared) -> Result<Option<Listed<TriggerHead>>> {
    listed_or(head(row, shared), |problem| unreadable(row, [16, 1, 2, 6, 8, 18], problem))
}

pub(super) fn list(
    connection: &Connection,
    shared: &Shared,
    owner: UserId,
    limit: usize,
) -> Result<Vec<Listed<TriggerHead>>> {
    let sql = format!("SELECT {HEAD} FROM {HEAD_FROM} WHERE triggers.owner = ? ORDER BY triggers.id LIMIT ?");
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query((owner.0, limit)).map_err(failed)?;
    let mut heads = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        heads.extend(read(row, shared)?);
    }
    Ok(heads)
}

fn get(connection: &Connection, shared: &Shared, id: TriggerId) -> Result<Option<Listed<TriggerHead>>> {
    let sql = format!("SELECT {HEAD} FROM {HEAD_FROM} WHERE triggers.id = ?");
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query([id.0]).map_err(failed)?;
    let Some(row) = rows.next().map_err(failed)? else { return Ok(None) };
    read(row, shared)
}

pub(super) fn soonest(
    connection: &Connection,
    shared: &Shared,
    owner: UserId,
    limit: usize,
) -> Result<Vec<TriggerHead>> {
    in_one_moment(connection, || {
        let mut waiting_for = waiting(connection, shared, owner, BEHIND, Timestamp::MAX, limit)?;
        waiting_for.extend(waiting(connection, shared, owner, IN_TIME, Timestamp::MAX, limit)?);
        let mut heads: Vec<TriggerHead> = waiting_for.into_iter().filter_map(Listed::read).collect();
        heads.sort_by_key(|head| (head.next_at, head.id));
        heads.truncate(limit);
        Ok(heads)
    })
}

/// The owner's triggers that wait for something up to `until`, those that have waited for the longest, or the earliest, first.
fn waiting(
    connection: &Connection,
    shared: &Shared,
    owner: UserId,
    which: Which,
    until: Timestamp,
    limit: usize,
) -> Result<Vec<Listed<TriggerHead>>> {
    // Hardly any wait for an event: those are found the soonest among all who do.
    let ids = match which == IN_TIME && has_few(connection, owner)? {
        true => waiting_of_few(connection, owner, which, until, limit)?,
        false => match waiting_of_many(connection, owner, which, until, limit)? {
            Some(ids) => ids,
            None => waiting_of_few(connection, owner, which, until, limit)?,
        },
    };
    let heads = ids.into_iter().filter_map(|id| get(connection, shared, id).transpose());
    // What waits only to be deleted waits for nothing that anybody asks about.
    heads.filter(|head| !matches!(head, Ok(Listed::Read(head)) if head.next_at.is_none())).collect()
}

fn has_few(connection: &Connection, owner: UserId) -> Result<bool> {
    let triggers: usize = connection
        .prepare_cached(
            "SELECT count(*) FROM (SELECT 1 FROM triggers INDEXED BY triggers_by_owner WHERE owner = ? LIMIT ?)",
        )
        .and_then(|mut statement| statement.query_row((owner.0, FEW + 1), |row| row.get(0)))
        .map_err(failed)?;
    Ok(triggers <= FEW)
}

fn waiting_of_few(
    connection: &Connection,
    owner: UserId,
    which: Which,
    until: Timestamp,
    limit: usize,
) -> Result<Vec<TriggerId>> {
    let Which { is, .. } = which;
    let sql = format!(
        "SELECT cursors.trigger_id
         FROM triggers INDEXED BY triggers_by_owner CROSS JOIN cursors
         WHERE triggers.owner = ? AND cursors.trigger_id = triggers.id AND {is} AND cursors.next_at <= ?
         ORDER BY cursors.next_at, cursors.trigger_id
         LIMIT ?"
    );
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let rows = statement.query_map((owner.0, until.as_microsecond(), limit), |row| row.get(0).map(TriggerId));
    rows.and_then(Iterator::collect).map_err(failed)
}

/// None where too few are among the soonest of all.
fn waiting_of_many(
    connection: &Connection,
    owner: UserId,
    which: Which,
    until: Timestamp,
    limit: usize,
) -> Result<Option<Vec<TriggerId>>> {
    let Which { is, index } = which;
    let sql = format!(
        "SELECT cursors.trigger_id, triggers.owner
         FROM cursors INDEXED BY {index} CROSS JOIN triggers
         WHERE {is} AND cursors.next_at <= ? AND triggers.id = cursors.trigger_id
         ORDER BY cursors.next_at, cursors.trigger_id
         LIMIT ?"
    );
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query((until.as_microsecond(), LOOKED_THROUGH_MAX)).map_err(failed)?;
    let (mut ids, mut looked_at) = (Vec::new(), 0);
    while ids.len() < limit {
        let Some(row) = rows.next().map_err(failed)? else {
            return Ok((looked_at < LOOKED_THROUGH_MAX).then_some(ids));
        };
        looked_at += 1;
        if row.get::<_, i64>(1).map_err(failed)? == owner.0 {
            ids.push(TriggerId(row.get(0).map_err(failed)?));
        }
    }
    Ok(Some(ids))
}

pub(super) fn attention(
    connection: &Connection,
    shared: &Shared,
    owner: UserId,
    gone_until: Timestamp,
    now: Timestamp,
) -> Result<Attention> {
    in_one_moment(connection, || {
        let due_until = now.checked_sub(OVERDUE_AFTER).unwrap_or(Timestamp::MIN);
        let due = waiting(connection, shared, owner, IN_TIME, due_until, ATTENTION_MAX)?;
        let tally = tally(connection, shared, owner, now)?;
        Ok(Attention::new(tally, due, failing(connection, shared, owner, gone_until)?, now))
    })
}

/// Those of an owner that are tallied, by what stands in the index; with the parameters `?1` to `?4` of [`tally`].
const TALLIED: &str = "SELECT id, enabled, is_test, expires_at, (schedule IS NULL) AS is_api, pause_until,
            (SELECT next_at FROM cursors WHERE cursors.trigger_id = triggers.id) AS next_at
     FROM triggers INDEXED BY triggers_by_owner
     WHERE owner = ?1
     ORDER BY id
     LIMIT ?3";

/// Of which of them only their schedules tell where they stand: those that may wait to be deleted and for nothing else, and those that have expired and
/// wait for an event of their own to end. A single time that is waited for is plainly no deletion, and there may be thousands of such: they are not read.
fn is_unsure() -> String {
    format!(
        "next_at IS NOT NULL
         AND ((next_at <= ?4 OR coalesce(expires_at <= ?2, FALSE))
              AND id IN (SELECT id
                         FROM triggers INDEXED BY triggers_that_go
                         WHERE owner = ?1 AND instr(schedule, '\"delete_when_done\":true') > 0
                         ORDER BY id
                         LIMIT {})
              AND NOT (coalesce(expires_at > next_at, TRUE)
                       AND (SELECT instr(schedule, '{{\"once\":{{\"at\":' || own.next_at || '}}') = 1
                            FROM triggers WHERE triggers.id = own.id))
              OR coalesce(expires_at <= ?2, FALSE)
                 AND (SELECT coalesce(waits OR next_at <= waited_until, FALSE) FROM cursors WHERE trigger_id = own.id))",
        TALLIED_MAX + 1
    )
}

fn tally(connection: &Connection, shared: &Shared, owner: UserId, now: Timestamp) -> Result<TriggerTally> {
    let params = (owner.0, now.as_microsecond(), TALLIED_MAX + 1, goes_at(now).as_microsecond());
    let is_unsure = is_unsure();
    let standing = standing(&is_unsure, "?2");
    let sql = format!("SELECT {standing} AS standing, count(*) FROM ({TALLIED}) AS own GROUP BY standing");
    let mut tallied = Tallied::default();
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query(params).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        let standing: String = row.get(0).map_err(failed)?;
        tallied.note(&standing, row.get(1).map_err(failed)?);
    }
    let Tallied { mut tally, is_unsure_of_some } = tallied;
    if !is_unsure_of_some {
        return Ok(tally);
    }
    let sql = format!(
        "SELECT {HEAD}
         FROM (SELECT id FROM ({TALLIED}) AS own WHERE NOT is_test AND {is_unsure}) AS unsure
              CROSS JOIN triggers ON triggers.id = unsure.id
              LEFT JOIN cursors ON cursors.trigger_id = triggers.id"
    );
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query(params).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        if let Some(Listed::Read(head)) = read(row, shared)? {
            tally.note_standing(&head, now);
        }
    }
    Ok(tally)
}

/// The triggers with kept failures whose newest ended event is one of those.
fn failing(
    connection: &Connection,
    shared: &Shared,
    owner: UserId,
    gone_until: Timestamp,
) -> Result<Vec<(TriggerHead, Firing)>> {
    let hours = count::hours_back_to(connection, gone_until)?;
    let mut newest = Vec::new();
    let few = ever_failed(connection, owner)?;
    let asked = if few.len() > FAILED_TRIGGERS_MAX { failed_lately(connection, owner)? } else { few };
    for trigger in asked {
        let ended = count::newest_ended(connection, owner, trigger, &hours)?;
        newest.extend(ended.filter(|(fired_at, _)| *fired_at > gone_until).map(|(at, event)| (at, event, trigger)));
    }
    newest.sort_by(|one, other| other.cmp(one));
    let mut fates = Fates::new(connection)?;
    let mut failing = Vec::new();
    for (_, event, trigger) in newest {
        if failing.len() == ATTENTION_MAX {
            break;
        }
        let Some(firing) = failed_firing(connection, &mut fates, event)? else { continue };
        failing.extend(get(connection, shared, trigger)?.and_then(Listed::read).map(|head| (head, firing)));
    }
    Ok(failing)
}

/// The owner's triggers of whose kept events at least one failed, and no more of them than show that there are many; deleted ones too.
fn ever_failed(connection: &Connection, owner: UserId) -> Result<Vec<TriggerId>> {
    let mut statement = connection
        .prepare_cached(
            "WITH RECURSIVE failed (trigger_id, place) AS (
                 SELECT min(trigger_id), 0 FROM failures WHERE owner = ?1
                 UNION ALL
                 SELECT (SELECT min(trigger_id) FROM failures WHERE owner = ?1 AND trigger_id > failed.trigger_id), place + 1
                 FROM failed
                 WHERE failed.trigger_id IS NOT NULL AND place < ?2
             )
             SELECT trigger_id FROM failed WHERE trigger_id IS NOT NULL",
        )
        .map_err(failed)?;
    let rows = statement.query_map((owner.0, FAILED_TRIGGERS_MAX), |row| row.get(0).map(TriggerId));
    rows.and_then(Iterator::collect).map_err(failed)
}

/// The triggers of the owner's newest failures; deleted ones too.
fn failed_lately(connection: &Connection, owner: UserId) -> Result<Vec<TriggerId>> {
    let mut statement = connection
        .prepare_cached(
            "SELECT DISTINCT trigger_id
             FROM (SELECT trigger_id
                   FROM failures INDEXED BY failures_by_owner
                   WHERE owner = ?
                   ORDER BY fired_at DESC, event_id DESC
                   LIMIT ?)",
        )
        .map_err(failed)?;
    let rows = statement.query_map((owner.0, FAILURES_MAX), |row| row.get(0).map(TriggerId));
    rows.and_then(Iterator::collect).map_err(failed)
}

/// The event in short, if it failed and is kept.
fn failed_firing(connection: &Connection, fates: &mut Fates<'_>, id: EventId) -> Result<Option<Firing>> {
    let sql = format!(
        "SELECT {FIRED} FROM failures CROSS JOIN events WHERE failures.event_id = ? AND events.id = failures.event_id"
    );
    let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query([id.0]).map_err(failed)?;
    rows.next().map_err(failed)?.map(|row| fates.firing(row)).transpose()
}
