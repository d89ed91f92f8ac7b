//! Counts in SQLite: what happened in an hour, to one trigger and to all of an owner's. They are gathered in memory while a
//! batch runs and written once, just before it is committed, so that a busy trigger costs one row a batch and not one an event.
//! Occurrences that did not fire are counted in a table of their own, as runs: one that lasted for a year is one row.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use oncue_domain::count::{COUNTS_KEPT, HourCount, RUN_MAX, add_run, hour_of, lateness_class, sort_runs, with_runs};
use oncue_domain::event::{Event, Origin};
use oncue_domain::id::{EventId, TriggerId, UserId};
use oncue_domain::occurrence::Skipped;
use oncue_domain::store::Result;
use rusqlite::{Connection, OptionalExtension, Row};

use super::{failed, trigger};
use crate::codec::{broken, instant};

const SECONDS: i64 = 3600;

/// The trigger number under which all of an owner's are counted.
const ALL: i64 = 0;

/// What a batch counts, in the order in which it is written.
#[derive(Default)]
pub(super) struct Counts {
    /// By hour, owner and trigger.
    hours: BTreeMap<(i64, UserId, i64), Counted>,
    /// By owner, trigger, last hour, first hour and reason.
    skipped: BTreeMap<(UserId, i64, i64, i64, &'static str), Skipped>,
}

#[derive(Default)]
struct Counted {
    fired: u64,
    delivered: u64,
    /// Below zero where more that were counted so arrived after all.
    failed: i64,
    late: [u64; 5],
    /// The newest event that ended.
    ended: Option<(Timestamp, EventId)>,
}

/// An event that is counted.
pub(super) struct Subject {
    pub(super) owner: UserId,
    pub(super) trigger: TriggerId,
    pub(super) origin: Origin,
    pub(super) fired_at: Timestamp,
}

impl Subject {
    pub(super) fn of(event: &Event) -> Subject {
        Subject { owner: event.owner, trigger: event.trigger, origin: event.origin, fired_at: event.fired_at }
    }
}

impl Counts {
    fn change(&mut self, owner: UserId, trigger: TriggerId, instant: Timestamp, change: impl Fn(&mut Counted)) {
        let hour = number_of(instant);
        for whose in [ALL, trigger.0] {
            change(self.hours.entry((hour, owner, whose)).or_default());
        }
    }

    /// An event was logged, so late where a schedule made it.
    pub(super) fn fired(&mut self, of: &Subject, lateness: Option<SignedDuration>) {
        if !of.origin.is_counted() {
            return;
        }
        self.change(of.owner, of.trigger, of.fired_at, |hour| {
            hour.fired += 1;
            if let Some(lateness) = lateness {
                hour.late[lateness_class(lateness)] += 1;
            }
        });
    }

    /// An event's delivery ended.
    pub(super) fn ended(&mut self, of: &Subject, event: EventId, is_delivered: bool) {
        if !of.origin.is_counted() {
            return;
        }
        self.change(of.owner, of.trigger, of.fired_at, |hour| {
            hour.delivered += u64::from(is_delivered);
            hour.failed += i64::from(!is_delivered);
            hour.ended = hour.ended.max(Some((of.fired_at, event)));
        });
    }

    /// An event that was counted as failed was delivered after all.
    pub(super) fn mended(&mut self, of: &Subject) {
        if !of.origin.is_counted() {
            return;
        }
        self.change(of.owner, of.trigger, of.fired_at, |hour| {
            hour.delivered += 1;
            hour.failed -= 1;
        });
    }

    /// Occurrences did not fire.
    pub(super) fn skipped(&mut self, owner: UserId, trigger: TriggerId, skipped: &Skipped) {
        let run = Skipped { count: skipped.count.min(RUN_MAX), ..*skipped };
        for whose in [ALL, trigger.0] {
            let key = (owner, whose, number_of(run.last), number_of(run.first), run.reason.word());
            self.skipped.entry(key).and_modify(|counted| add_run(counted, &run)).or_insert(run);
        }
    }

    /// Adds everything to what is there. A trigger that is gone has no count of its own any more.
    pub(super) fn write(&self, connection: &Connection) -> Result<()> {
        if !self.hours.is_empty() {
            self.write_hours(connection)?;
        }
        if !self.skipped.is_empty() {
            self.write_skipped(connection)?;
        }
        Ok(())
    }

    fn write_hours(&self, connection: &Connection) -> Result<()> {
        let mut statement = connection
            .prepare_cached(
                "INSERT INTO counts (hour, owner, trigger_id, fired, delivered, failed, skipped,
                                     late0, late1, late2, late3, late4, ended_at, ended_event)
                 SELECT ?1, ?2, ?3, ?4, ?5, ?6, 0, ?7, ?8, ?9, ?10, ?11, ?12, ?13
                 WHERE ?3 = 0 OR EXISTS (SELECT 1 FROM triggers WHERE id = ?3)
                 ON CONFLICT (hour, owner, trigger_id) DO UPDATE
                 SET fired = fired + ?4, delivered = delivered + ?5, failed = failed + ?6,
                     late0 = late0 + ?7, late1 = late1 + ?8, late2 = late2 + ?9, late3 = late3 + ?10,
                     late4 = late4 + ?11,
                     ended_at = iif(?12 IS NULL OR (ended_at, ended_event) > (?12, ?13), ended_at, ?12),
                     ended_event = iif(?12 IS NULL OR (ended_at, ended_event) > (?12, ?13), ended_event, ?13)",
            )
            .map_err(failed)?;
        for ((hour, owner, trigger), counted) in &self.hours {
            let ended = counted.ended.filter(|_| *trigger != ALL);
            statement
                .execute((
                    hour,
                    owner.0,
                    trigger,
                    counted.fired,
                    counted.delivered,
                    counted.failed,
                    counted.late[0],
                    counted.late[1],
                    counted.late[2],
                    counted.late[3],
                    counted.late[4],
                    ended.map(|(fired_at, _)| fired_at.as_microsecond()),
                    ended.map(|(_, event)| event.0),
                ))
                .map_err(failed)?;
        }
        Ok(())
    }

    fn write_skipped(&self, connection: &Connection) -> Result<()> {
        let mut statement = connection
            .prepare_cached(
                "INSERT INTO skipped_counts (owner, trigger_id, last_hour, first_hour, reason, first_at, last_at, count)
                 SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8
                 WHERE ?2 = 0 OR EXISTS (SELECT 1 FROM triggers WHERE id = ?2)
                 ON CONFLICT (trigger_id, owner, last_hour, first_hour, reason) DO UPDATE
                 SET first_at = min(first_at, ?6), last_at = max(last_at, ?7), count = min(count + ?8, ?9)",
            )
            .map_err(failed)?;
        for ((owner, trigger, last_hour, first_hour, reason), run) in &self.skipped {
            statement
                .execute((
                    owner.0,
                    trigger,
                    last_hour,
                    first_hour,
                    reason,
                    run.first.as_microsecond(),
                    run.last.as_microsecond(),
                    run.count,
                    RUN_MAX,
                ))
                .map_err(failed)?;
        }
        Ok(())
    }
}

/// How many hours after 1970 the hour of an instant begins.
pub(super) fn number_of(instant: Timestamp) -> i64 {
    hour_of(instant).as_second() / SECONDS
}

/// The first hour that begins at or after an instant.
fn first_from(instant: Timestamp) -> i64 {
    let hour = number_of(instant);
    if hour_of(instant) == instant { hour } else { hour + 1 }
}

pub(super) fn hour_counts(
    connection: &Connection,
    owner: UserId,
    trigger: Option<TriggerId>,
    from: Timestamp,
    until: Timestamp,
) -> Result<Vec<HourCount>> {
    if trigger.is_some_and(|id| id.0 == ALL) {
        return Ok(Vec::new());
    }
    let trigger = trigger.map_or(ALL, |id| id.0);
    // Only hours in which anything was counted are looked at, whatever span was asked for.
    let mut statement = connection
        .prepare_cached(
            "WITH RECURSIVE hours (hour) AS (
                 SELECT min(hour) FROM counts WHERE hour >= ?3
                 UNION ALL
                 SELECT (SELECT min(hour) FROM counts WHERE hour > hours.hour) FROM hours WHERE hours.hour < ?4
             )
             SELECT counts.hour, fired, delivered, failed, skipped, late0, late1, late2, late3, late4
             FROM hours CROSS JOIN counts
             WHERE counts.hour = hours.hour AND counts.hour < ?4 AND counts.owner = ?1 AND counts.trigger_id = ?2
               AND (?2 = 0 OR EXISTS (SELECT 1 FROM triggers WHERE id = ?2)
                    OR EXISTS (SELECT 1 FROM former_triggers WHERE id = ?2))",
        )
        .map_err(failed)?;
    let mut rows = statement.query((owner.0, trigger, first_from(from), first_from(until))).map_err(failed)?;
    let mut counts = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        counts.push(hour_count(row)?);
    }
    let runs = runs(connection, owner, trigger, from, until)?;
    Ok(with_runs(counts, &runs, from, until))
}

pub(super) fn skipped_counts(
    connection: &Connection,
    owner: UserId,
    trigger: Option<TriggerId>,
    from: Timestamp,
    until: Timestamp,
) -> Result<Vec<Skipped>> {
    if trigger.is_some_and(|id| id.0 == ALL) {
        return Ok(Vec::new());
    }
    runs(connection, owner, trigger.map_or(ALL, |id| id.0), from, until)
}

/// What did not fire, of a trigger or under [`ALL`] of all of the owner's.
fn runs(
    connection: &Connection,
    owner: UserId,
    trigger: i64,
    from: Timestamp,
    until: Timestamp,
) -> Result<Vec<Skipped>> {
    let mut statement = connection
        .prepare_cached(
            "SELECT reason, first_at, last_at, count
             FROM skipped_counts
             WHERE owner = ?1 AND trigger_id = ?2 AND last_hour >= ?3 AND first_hour < ?4 AND ?3 < ?4",
        )
        .map_err(failed)?;
    let mut rows = statement.query((owner.0, trigger, first_from(from), first_from(until))).map_err(failed)?;
    let mut runs = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        runs.push(trigger::skipped_run(row)?);
    }
    sort_runs(&mut runs);
    Ok(runs)
}

fn hour_count(row: &Row<'_>) -> Result<HourCount> {
    let number = |column| row.get::<_, u64>(column).map_err(failed);
    let hour: i64 = row.get(0).map_err(failed)?;
    Ok(HourCount {
        hour: Timestamp::from_second(hour.saturating_mul(SECONDS)).map_err(|error| broken("hour", error))?,
        fired: number(1)?,
        delivered: number(2)?,
        failed: number(3)?,
        skipped: number(4)?,
        late: [number(5)?, number(6)?, number(7)?, number(8)?, number(9)?],
    })
}

/// Hours in which anything was counted, the latest first, back to the one of `back_to`.
pub(super) fn hours_back_to(connection: &Connection, back_to: Timestamp) -> Result<Vec<i64>> {
    let mut statement = connection
        .prepare_cached(
            "WITH RECURSIVE hours (hour) AS (
                 SELECT max(hour) FROM counts
                 UNION ALL
                 SELECT (SELECT max(hour) FROM counts WHERE hour < hours.hour) FROM hours WHERE hours.hour > ?1
             )
             SELECT hour FROM hours WHERE hour >= ?1",
        )
        .map_err(failed)?;
    statement.query_map([number_of(back_to)], |row| row.get(0)).and_then(Iterator::collect).map_err(failed)
}

/// The trigger's newest event, tests aside, that was delivered or failed in one of these hours, the latest first.
pub(super) fn newest_ended(
    connection: &Connection,
    owner: UserId,
    trigger: TriggerId,
    hours: &[i64],
) -> Result<Option<(Timestamp, EventId)>> {
    let mut statement = connection
        .prepare_cached(
            "SELECT ended_at, ended_event
             FROM counts
             WHERE hour = ? AND owner = ? AND trigger_id = ? AND ended_event IS NOT NULL",
        )
        .map_err(failed)?;
    for hour in hours {
        let ended: Option<(i64, i64)> = statement
            .query_row((hour, owner.0, trigger.0), |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()
            .map_err(failed)?;
        if let Some((fired_at, event)) = ended {
            return Ok(Some((instant(fired_at)?, EventId(event))));
        }
    }
    Ok(None)
}

/// How many of the trigger's events fired in the hours after the one of `instant`, counted up to `at_most`.
pub(super) fn fired_after_hour_of(
    connection: &Connection,
    owner: UserId,
    trigger: TriggerId,
    instant: Timestamp,
    at_most: usize,
) -> Result<usize> {
    let mut statement = connection
        .prepare_cached(
            "WITH RECURSIVE hours (hour) AS (
                 SELECT min(hour) FROM counts WHERE hour > ?3
                 UNION ALL
                 SELECT (SELECT min(hour) FROM counts WHERE hour > hours.hour) FROM hours WHERE hours.hour IS NOT NULL
             )
             SELECT counts.fired
             FROM hours CROSS JOIN counts
             WHERE counts.hour = hours.hour AND counts.owner = ?1 AND counts.trigger_id = ?2",
        )
        .map_err(failed)?;
    let mut rows = statement.query((owner.0, trigger.0, number_of(instant))).map_err(failed)?;
    let mut fired = 0;
    while fired < at_most
        && let Some(row) = rows.next().map_err(failed)?
    {
        fired += row.get::<_, usize>(0).map_err(failed)?;
    }
    Ok(fired.min(at_most))
}

/// The counts of a trigger that is deleted will go.
pub(super) fn forget(connection: &Connection, owner: UserId, trigger: TriggerId, since: Timestamp) -> Result<()> {
    connection
        .prepare_cached("INSERT INTO uncounted (trigger_id, owner, hour) VALUES (?, ?, ?)")
        .and_then(|mut statement| statement.execute((trigger.0, owner.0, number_of(since))))
        .map_err(failed)?;
    Ok(())
}

/// Removes counts that are too old, and some of those of a deleted trigger. True when nothing of that is left.
pub(super) fn expire(connection: &Connection, now: Timestamp, limit: usize) -> Result<bool> {
    let gone_until = now.checked_sub(COUNTS_KEPT).unwrap_or(Timestamp::MIN);
    let removed = connection
        .prepare_cached(
            "DELETE FROM counts
             WHERE (hour, owner, trigger_id) IN (SELECT hour, owner, trigger_id FROM counts WHERE hour <= ? LIMIT ?)",
        )
        .and_then(|mut statement| statement.execute((number_of(gone_until), limit)))
        .map_err(failed)?;
    let removed_runs = connection
        .prepare_cached(
            "DELETE FROM skipped_counts
             WHERE (trigger_id, owner, last_hour, first_hour, reason) IN (
                 SELECT trigger_id, owner, last_hour, first_hour, reason FROM skipped_counts
                 WHERE last_hour <= ? LIMIT ?)",
        )
        .and_then(|mut statement| statement.execute((number_of(gone_until), limit)))
        .map_err(failed)?;
    Ok(remove_uncounted(connection, limit)? && removed < limit && removed_runs < limit)
}

/// Removes counts of one deleted trigger in some hours. True when there is no such trigger any more.
fn remove_uncounted(connection: &Connection, limit: usize) -> Result<bool> {
    let first: Option<(i64, i64, i64)> = connection
        .prepare_cached("SELECT trigger_id, owner, hour FROM uncounted LIMIT 1")
        .and_then(|mut statement| statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional())
        .map_err(failed)?;
    let Some((trigger, owner, mut hour)) = first else { return Ok(true) };
    for _ in 0..limit {
        let next: Option<i64> = connection
            .prepare_cached("SELECT min(hour) FROM counts WHERE hour >= ?")
            .and_then(|mut statement| statement.query_row([hour], |row| row.get(0)))
            .map_err(failed)?;
        let Some(next) = next else {
            connection
                .prepare_cached("DELETE FROM uncounted WHERE trigger_id = ?")
                .and_then(|mut statement| statement.execute([trigger]))
                .map_err(failed)?;
            return Ok(false);
        };
        connection
            .prepare_cached("DELETE FROM counts WHERE hour = ? AND owner = ? AND trigger_id = ?")
            .and_then(|mut statement| statement.execute((next, owner, trigger)))
            .map_err(failed)?;
        hour = next + 1;
    }
    connection
        .prepare_cached("UPDATE uncounted SET hour = ?2 WHERE trigger_id = ?1")
        .and_then(|mut statement| statement.execute((trigger, hour)))
        .map_err(failed)?;
    Ok(false)
}
