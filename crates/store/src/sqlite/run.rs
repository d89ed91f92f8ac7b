//! Runs in SQLite: a row each, made with its event and written anew with each report. What is to be told of one is an event in the same
//! transaction, so it is told exactly once whatever ends the process.

use jiff::Timestamp;
use oncue_domain::event::{Event, Origin};
use oncue_domain::id::{EventId, TriggerId, UserId};
use oncue_domain::run::alert::{News, telling};
use oncue_domain::run::{Expectation, Report, Run};
use oncue_domain::store::{Lapsed, Reported, Result, RunOf};
use oncue_domain::trigger::Trigger;
use rusqlite::{Connection, OptionalExtension, Params, Row};

use super::writer::Effects;
use super::{Shared, destination, event, failed, overlap};
use crate::codec::{instant, run_from_text, run_to_text};

/// The event was logged at `now`, and its trigger expects that.
pub(super) fn expect(
    connection: &Connection,
    trigger: &Trigger,
    id: EventId,
    expectation: &Expectation,
    origin: Origin,
    now: Timestamp,
) -> Result<()> {
    let run = Run::expected(expectation, now);
    connection
        .prepare_cached(
            "INSERT INTO runs (event_id, owner, trigger_id, fired_at, due_at, said, overlap_of) VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .and_then(|mut statement| {
            let due_at = run.due_at().map(Timestamp::as_microsecond);
            statement.execute((
                id.0,
                trigger.owner.0,
                trigger.id.0,
                now.as_microsecond(),
                due_at,
                run_to_text(&run),
                overlap::mark(trigger, origin),
            ))
        })
        .map_err(failed)?;
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "three of them are what every job has")]
pub(super) fn report(
    connection: &Connection,
    effects: &mut Effects,
    shared: &Shared,
    id: EventId,
    fired_at: Timestamp,
    report: &Report,
    gone_until: Timestamp,
    now: Timestamp,
) -> Result<Reported> {
    let found = connection
        .prepare_cached("SELECT said, owner FROM runs WHERE event_id = ? AND fired_at = ?")
        .and_then(|mut statement| {
            statement
                .query_row((id.0, fired_at.as_microsecond()), |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))
                .optional()
        })
        .map_err(failed)?;
    let Some((text, owner)) = found.filter(|_| fired_at > gone_until) else { return Ok(Reported::NotFound) };
    let Some((event, _)) = event::get(connection, UserId(owner), id, gone_until)? else {
        return Ok(Reported::NotFound);
    };
    let before = run_from_text(&text)?;
    let run = match before.report(report, now) {
        Ok(run) => run,
        Err(contradiction) => return Ok(Reported::Refused(contradiction)),
    };
    keep(connection, effects, shared, &event, &before, &run, News::between(&before, &run), now)?;
    Ok(Reported::Run { has_moved: run.state() != before.state(), run: Box::new(run) })
}

/// Whether the time of any run is over at `now`, and when the next one's is.
pub(super) fn next_due(connection: &Connection) -> Result<Option<Timestamp>> {
    let next: Option<i64> = connection
        .prepare_cached("SELECT due_at FROM runs WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1")
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)).optional())
        .map_err(failed)?;
    next.map(instant).transpose()
}

pub(super) fn lapse(
    connection: &Connection,
    effects: &mut Effects,
    shared: &Shared,
    gone_until: Timestamp,
    now: Timestamp,
    limit: usize,
) -> Result<Lapsed> {
    let over: Vec<(i64, i64, String)> = connection
        .prepare_cached("SELECT event_id, owner, said FROM runs WHERE due_at <= ? ORDER BY due_at, event_id LIMIT ?")
        .and_then(|mut statement| {
            let rows = statement
                .query_map((now.as_microsecond(), limit), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            rows.collect()
        })
        .map_err(failed)?;
    for (id, owner, text) in &over {
        let before = run_from_text(text)?;
        let found = event::get(connection, UserId(*owner), EventId(*id), Timestamp::MIN)?;
        if let (Some((event, _)), Some(after)) = (found, before.lapsed(now)) {
            let told = News::between(&before, &after).filter(|_| event.fired_at > gone_until);
            keep(connection, effects, shared, &event, &before, &after, told, now)?;
        } else {
            // Its event is gone, and so will it be; nothing is to be heard of it any more.
            let marked: Option<Option<i64>> = connection
                .prepare_cached("UPDATE runs SET due_at = NULL WHERE event_id = ? RETURNING overlap_of")
                .and_then(|mut statement| statement.query_row([id], |row| row.get(0)).optional())
                .map_err(failed)?;
            overlap::call_up(connection, effects, marked.flatten(), now)?;
        }
    }
    Ok(Lapsed { overdue: over.len(), next_at: next_due(connection)? })
}

/// The run is so from now on, and this is told to whom its trigger named, where that destination is there.
#[expect(clippy::too_many_arguments, reason = "three of them are what every job has")]
fn keep(
    connection: &Connection,
    effects: &mut Effects,
    shared: &Shared,
    event: &Event,
    before: &Run,
    after: &Run,
    told: Option<News>,
    now: Timestamp,
) -> Result<()> {
    if before == after {
        return Ok(());
    }
    let due_at = after.due_at().map(Timestamp::as_microsecond);
    let marked: Option<Option<i64>> = connection
        .prepare_cached("UPDATE runs SET due_at = ?2, said = ?3 WHERE event_id = ?1 RETURNING overlap_of")
        .and_then(|mut statement| {
            statement.query_row((event.id.0, due_at, run_to_text(after)), |row| row.get(0)).optional()
        })
        .map_err(failed)?;
    if before.due_at().is_some() && due_at.is_none() {
        overlap::call_up(connection, effects, marked.flatten(), now)?;
    }
    effects.settled.insert(event.owner);
    let Some((news, to)) = told.zip(after.alert()) else { return Ok(()) };
    if destination::is_owners(connection, event.owner, to)? {
        let message_id = event.message_id.of_alert(news.word(), 0, now);
        let definition = telling(news, event, after, to);
        event::log_unkept(connection, effects, shared, event.owner, &definition, Origin::Alert, message_id, now)?;
    }
    Ok(())
}

pub(super) fn of_events(
    connection: &Connection,
    owner: UserId,
    events: &[EventId],
    gone_until: Timestamp,
) -> Result<Vec<RunOf>> {
    let mut ids: Vec<i64> = events.iter().map(|id| id.0).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut runs = Vec::new();
    for id in ids {
        let sql = "SELECT event_id, said FROM runs WHERE event_id = ? AND owner = ? AND fired_at > ?";
        runs.extend(select(connection, sql, (id, owner.0, gone_until.as_microsecond()))?);
    }
    Ok(runs)
}

pub(super) fn latest(
    connection: &Connection,
    owner: UserId,
    trigger: TriggerId,
    gone_until: Timestamp,
    limit: usize,
) -> Result<Vec<RunOf>> {
    let sql = "SELECT event_id, said FROM runs
               WHERE trigger_id = ? AND owner = ? AND fired_at > ?
               ORDER BY fired_at DESC, event_id DESC
               LIMIT ?";
    select(connection, sql, (trigger.0, owner.0, gone_until.as_microsecond(), limit))
}

fn select(connection: &Connection, sql: &str, params: impl Params) -> Result<Vec<RunOf>> {
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let mut rows = statement.query(params).map_err(failed)?;
    let mut runs = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        runs.push(run_of(row)?);
    }
    Ok(runs)
}

fn run_of(row: &Row<'_>) -> Result<RunOf> {
    let text: String = row.get(1).map_err(failed)?;
    Ok(RunOf { event: EventId(row.get(0).map_err(failed)?), run: run_from_text(&text)? })
}
